"""Policies and methods of solving, compared by quality and cost: the command ``compare``, and its figure."""

from .pareto import compare_figure, front

__all__ = ["compare_figure", "front"]
