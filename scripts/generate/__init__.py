"""Generators of files: docs/config.md from the trainer's schema, and boards of small puzzles by breadth-first search."""
