"""Policy classes of the PyPI package `twisterl`, which are PyTorch modules there and only names here."""

from __future__ import annotations

from typing import Any

from twisterl.errors import UsageError

__all__ = ["BasicPolicy", "Conv1dPolicy"]


class BasicPolicy:
    """A name for configs. Networks are built in Rust, so creating an instance raises `UsageError`."""

    def __init__(self, *_: Any, **__: Any) -> None:
        raise UsageError(
            f"{type(self).__name__}: networks are built in Rust from a config (`policy_cls` and `policy`); "
            "twisterl.load_policy(path) gives a trained one, its weights() the arrays"
        )


class Conv1dPolicy(BasicPolicy):
    """The same for networks that start with a convolution."""
