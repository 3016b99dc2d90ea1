"""Policy classes of the published package, which PyTorch would be needed for."""

from __future__ import annotations

from typing import Any

from twisterl.errors import UsageError

__all__ = ["BasicPolicy", "Conv1dPolicy"]


class BasicPolicy:
    """Named in configs, and built in Rust; there is no module of PyTorch to be had."""

    def __init__(self, *_: Any, **__: Any) -> None:
        raise UsageError(
            f"{type(self).__name__}: networks are built in Rust from a config (`policy_cls` and `policy`); "
            "twisterl.load_policy(path) gives a trained one, its weights() the arrays"
        )


class Conv1dPolicy(BasicPolicy):
    """The same with a convolution in front."""
