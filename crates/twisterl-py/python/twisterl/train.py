"""Training, by calling `twisterl.train(config)` or running `python -m twisterl.train --config CONFIG`.

This is a callable module, because scripts for the PyPI package `twisterl` import from a module of this name.
"""

from __future__ import annotations

import sys
import types
from pathlib import Path
from typing import Any

from twisterl import _core
from twisterl._internal.display import progress
from twisterl._internal.written import written
from twisterl.run import train
from twisterl.utils import load_config, prepare_algorithm

__all__ = ["load_config", "main", "prepare_algorithm", "train"]


def main(config_path: str, run_path: str | None, load_checkpoint_path: str | None, num_steps: int) -> None:
    """Train a policy, with the signature of the function `main` of the PyPI package, whose files are written, too.

    Args:
        config_path: the config file.
        run_path: folder of the run; None for a new one under `runs/`.
        load_checkpoint_path: file with the weights to start from, or None.
        num_steps: number of iterations.
    """
    config = {**load_config(config_path), "num_iterations": num_steps}
    resolved = _core.resolve_config(written(config))
    path = Path(run_path) if run_path is not None else Path("runs") / Path(config_path).stem
    with progress.shown(False, num_steps, None) as (silent, told):
        rest = (load_checkpoint_path, None, silent, told)
        _core.train(resolved, path, run_path is None, *rest, peer_names=True)


def _with_peer_names(args: list[str]) -> list[str]:
    """Return the arguments of a new run with the flag for the files of the PyPI package."""
    other = {"--resume", "--help", "-h", "--version", "-V"}
    new = bool(args) and not any(arg.partition("=")[0] in other for arg in args)
    return [*args, "--peer-names"] if new else args


class _Callable(types.ModuleType):
    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        return train(*args, **kwargs)


if __name__ == "__main__":
    from twisterl import __main__ as program

    program.main(_with_peer_names(sys.argv[1:]) or ["--help"], "python -m twisterl.train")

sys.modules[__name__].__class__ = _Callable
