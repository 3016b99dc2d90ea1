"""The benchmarks that ``scripts/benchmark.py`` runs, a module each.

A benchmark has ``main(arguments)``, which measures, prints a table, and writes a record where it is asked to. What runs
in another interpreter (the peer's, the rivals') is in ``common/workers``; what all benchmarks share is in ``common``.
"""
