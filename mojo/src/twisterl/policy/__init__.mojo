"""Policies: network description, files, inference and decisions."""
