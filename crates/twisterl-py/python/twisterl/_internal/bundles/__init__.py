"""Bundles: a policy and the program that plays it in one file."""
