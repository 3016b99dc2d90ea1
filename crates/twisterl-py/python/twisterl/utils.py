"""The helper functions of the PyPI package `twisterl`, under the same names."""

from __future__ import annotations

import fnmatch
import importlib
import logging
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

from twisterl import _core
from twisterl._internal import arguments
from twisterl.errors import CheckpointError

__all__ = [
    "convert_pt_to_safetensors",
    "dynamic_import",
    "json_load_tuples",
    "load_checkpoint",
    "load_config",
    "prepare_algorithm",
    "pull_hub_algorithm",
    "validate_algorithm_from_hub",
]

_LOG = logging.getLogger("twisterl")
# The files that a repository of the Hugging Face Hub must contain.
_CONFIGS, _WEIGHTS = "*.json", ("*.safetensors", "*.pt")
# The endings of files of weights.
_CHECKPOINTS = (".safetensors", ".pt", ".pth")


def load_config(config_path: str | os.PathLike[str]) -> dict[str, Any]:
    """Read a config file as a dict, with lists marked `__tuple_list__` as lists of tuples."""
    from twisterl._internal.problems import read_json
    from twisterl.plotting import files

    file = Path(config_path)
    read_json(file)
    config: dict[str, Any] = files.parse(files.read(file, files.MAX_CONFIG), object_hook=json_load_tuples)
    return config


def json_load_tuples(dct: dict[str, Any]) -> Any:
    """Convert lists marked `__tuple_list__` to lists of tuples; the JSON object hook of `load_config`."""
    return [tuple(item) for item in dct["list"]] if "__tuple_list__" in dct else dct


def prepare_algorithm(
    config: dict[str, Any], run_path: str | None = None, load_checkpoint_path: str | None = None
) -> Any:
    """Return the algorithm of a config, with its environment and its policy; see `twisterl.rl`.

    The config is the user's: the module of an environment that it names is imported.
    """
    from twisterl._internal.peer import assembly

    return assembly.algorithm_of(config, run_path, load_checkpoint_path)


def load_checkpoint(checkpoint_path: str | os.PathLike[str]) -> dict[str, Any]:
    """Read the tensors of a `.safetensors` or `.pt` file.

    They are tensors of PyTorch if the script has imported it, and else arrays.
    """
    from twisterl._internal.peer.tensors import handed_out

    path = Path(checkpoint_path)
    if path.suffix not in _CHECKPOINTS and not path.exists():  # what exists is known by its content
        raise CheckpointError(
            f"Unknown checkpoint format: {path}: expected a file that ends in {' or '.join(_CHECKPOINTS)}"
        )
    return {name: handed_out(values) for name, values in _core.read_tensors(path).items()}


def convert_pt_to_safetensors(
    pt_path: str | os.PathLike[str],
    output_path: str | os.PathLike[str] | None = None,
    *,
    env: str | Callable[..., Any] | None = None,
    trust: bool = False,
) -> str:
    """Write the tensors of a `.pt` file as a `.safetensors` file, and return its path.

    If its config is beside the `.pt` file, the result is self-contained, like the output of `twisterl convert`. `env`
    and `trust` are those of `twisterl.load_policy`.
    """
    source = Path(pt_path)
    beside = source.with_suffix("") if source.suffix == ".pt" else source
    output = str(output_path or f"{beside}.safetensors")
    if any(beside.is_file() for beside in (source.with_suffix(".json"), source.with_name("config.json"))):
        _core.convert(source, output, None, env, trust)
    else:
        _core.convert_tensors(source, output)
    return output


def dynamic_import(path: str) -> Any:
    """Return the attribute at a dotted path. Imports its module: do not call it with names from files of others."""
    module, _, name = path.rpartition(".")
    try:
        return getattr(importlib.import_module(module), name)
    except (ImportError, AttributeError, ValueError) as error:
        raise ImportError(f"{path}: expected the path of a class, found {error}") from error


def validate_algorithm_from_hub(repo_id: str, revision: str = "main") -> dict[str, Any]:
    """Check that a repository of the Hugging Face Hub has a config and weights; the result lists what is missing."""
    try:
        files = HfApi().list_repo_files(repo_id, revision=revision)
    except Exception:
        return {"is_valid": False, "missing": ["<repo not found>"]}
    missing = [] if fnmatch.filter(files, _CONFIGS) else [_CONFIGS]
    if not any(fnmatch.filter(files, pattern) for pattern in _WEIGHTS):
        missing.append(" or ".join(_WEIGHTS))
    return {"is_valid": not missing, "missing": missing}


def pull_hub_algorithm(
    repo_id: str, model_path: str = "../models/", revision: str = "main", validate: bool = False
) -> str | bool:
    """Download config and weights from the Hugging Face Hub, and return their folder, or False on failure.

    Load them with `twisterl.load_policy`, which imports no code that they name. `prepare_algorithm` does.
    """
    if arguments.flag("validate", validate):
        missing = validate_algorithm_from_hub(repo_id, revision)["missing"]
        if missing:
            _LOG.warning("%s: expected config and weights, found none of %s", repo_id, missing)
            return False
    try:
        folder: str = snapshot_download(
            repo_id,
            cache_dir=model_path,
            allow_patterns=[_CONFIGS, *_WEIGHTS],
            revision=revision,
            force_download=False,
        )
    except Exception as error:
        _LOG.warning("%s: cannot download: %s", repo_id, error)
        return False
    return folder


def HfApi() -> Any:  # noqa: N802 (the name in huggingface_hub)
    """Return a client of the Hugging Face Hub."""
    return _hub().HfApi()


def snapshot_download(
    repo_id: str,
    *,
    cache_dir: str | None = None,
    allow_patterns: list[str] | None = None,
    revision: str | None = None,
    force_download: bool = False,
) -> Any:
    """Download a repository of the Hugging Face Hub, and return its folder."""
    return _hub().snapshot_download(
        repo_id,
        cache_dir=cache_dir,
        allow_patterns=allow_patterns,
        revision=revision,
        force_download=arguments.flag("force_download", force_download),
    )


def _hub() -> Any:
    try:
        return importlib.import_module("huggingface_hub")
    except ImportError as error:
        raise ImportError("the Hugging Face Hub needs huggingface_hub: pip install huggingface_hub") from error
