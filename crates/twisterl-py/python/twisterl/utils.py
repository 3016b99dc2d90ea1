"""The helper functions of the PyPI package `twisterl`, under the same names."""

from __future__ import annotations

import fnmatch
import importlib
import logging
from collections.abc import Callable
from pathlib import Path
from typing import Any

from twisterl import _core
from twisterl._internal import arguments
from twisterl.errors import ConfigError

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


def load_config(config_path: str) -> dict[str, Any]:
    """Read a config file as a dict, with lists marked `__tuple_list__` as lists of tuples."""
    from twisterl.plotting import files
    from twisterl.run import _read_json

    file = Path(config_path)
    _read_json(file)
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
    from twisterl import rl

    name = str(config.get("algorithm_cls", "PPO")).rsplit(".", 1)[-1]
    algorithm = rl.CLASSES.get(name)
    if algorithm is None:
        known = ", ".join(rl.CLASSES)
        raise ConfigError(f"algorithm_cls: expected one of {known}, found {config.get('algorithm_cls')!r}")
    return algorithm(config, run_path, load_checkpoint_path)


def load_checkpoint(checkpoint_path: str) -> dict[str, Any]:
    """Read the tensors of a `.safetensors` or `.pt` file as numpy arrays by name."""
    return _core.read_tensors(checkpoint_path)


def convert_pt_to_safetensors(
    pt_path: str,
    output_path: str | None = None,
    *,
    env: str | Callable[..., Any] | None = None,
    trust: bool = False,
) -> str:
    """Write the tensors of a `.pt` file as a `.safetensors` file, and return its path.

    If its config is beside the `.pt` file, the result is self-contained, like the output of `twisterl convert`. `env`
    and `trust` are those of `twisterl.load_policy`.
    """
    output = output_path or str(Path(pt_path).with_suffix(".safetensors"))
    source = Path(pt_path)
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
    hub = _hub()
    try:
        files = hub.HfApi().list_repo_files(repo_id, revision=revision)
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
    hub = _hub()
    if arguments.flag("validate", validate):
        missing = validate_algorithm_from_hub(repo_id, revision)["missing"]
        if missing:
            _LOG.warning("%s: expected config and weights, found none of %s", repo_id, missing)
            return False
    try:
        folder: str = hub.snapshot_download(
            repo_id, cache_dir=model_path, allow_patterns=[_CONFIGS, *_WEIGHTS], revision=revision
        )
    except Exception as error:
        _LOG.warning("%s: cannot download: %s", repo_id, error)
        return False
    return folder


def _hub() -> Any:
    try:
        return importlib.import_module("huggingface_hub")
    except ImportError as error:
        raise ImportError("the Hugging Face Hub needs huggingface_hub: pip install 'twisterl[hub]'") from error
