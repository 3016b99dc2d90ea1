"""The policy classes of the PyPI package `twisterl`, as descriptions with weights."""

from twisterl.nn.policy import BasicPolicy, Conv1dPolicy

__all__ = ["BasicPolicy", "Conv1dPolicy"]
