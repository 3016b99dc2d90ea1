"""Benchmarks of what trained policies find, against known optima and other programs."""
