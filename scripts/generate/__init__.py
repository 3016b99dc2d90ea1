"""Generators of files: docs/config.md from the schema of configs, boards of small puzzles by breadth-first search."""
