"""The parts of ``scripts/run.py`` and ``scripts/plot.py``."""
