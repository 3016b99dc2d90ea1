"""Environments in processes of their own, and the interruption of those in this one. Called by the compiled module."""
