"""The checks behind ``scripts/check_structure.py``."""
