"""Training, by calling `twisterl.train(config)` or running `python -m twisterl.train --config CONFIG`.

This is a callable module, because scripts for the PyPI package `twisterl` import from a module of this name.
"""

from __future__ import annotations

import sys
import types
from typing import Any

from twisterl.run import train
from twisterl.utils import load_config, prepare_algorithm

__all__ = ["load_config", "main", "prepare_algorithm", "train"]


def main(config_path: str, run_path: str | None, load_checkpoint_path: str | None, num_steps: int) -> None:
    """Train a policy, with the signature of the function `main` of the PyPI package."""
    train(config_path, run_path, num_steps=num_steps, load_checkpoint=load_checkpoint_path)


class _Callable(types.ModuleType):
    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        return train(*args, **kwargs)


if __name__ == "__main__":
    from twisterl import __main__ as program

    program.main(sys.argv[1:] or ["--help"], "python -m twisterl.train")

sys.modules[__name__].__class__ = _Callable
