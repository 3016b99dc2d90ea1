"""Reinforcement learning for problems where a short sequence of moves must be found fast."""

from twisterl._core import __version__

__all__ = ["__version__"]
