"""Benchmarks of what the core is used through: the Python package and plugins."""
