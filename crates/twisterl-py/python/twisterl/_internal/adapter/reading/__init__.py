"""Readers of what environments written in Python return, by rules that are fixed when the environment is opened.

Each reader returns what it is given in the trainer's form, or raises `MisreadError`. docs/environments.md states the
rules.
"""
