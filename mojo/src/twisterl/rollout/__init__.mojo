"""Transitions for training and the states that episodes start from."""
