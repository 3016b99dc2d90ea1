"""Writing of bundles."""

from __future__ import annotations

import os
import warnings
from pathlib import Path
from typing import Any

import twisterl
from twisterl._internal import arguments
from twisterl.errors import UsageError
from twisterl.policy import Policy, load_policy

_Path = str | os.PathLike[str]
# The folders of templates, in place of that of the package.
VARIABLE = "TWISTERL_TEMPLATES"


def bundle(policy: Policy | _Path, path: _Path, *, template: _Path | None = None, **options: Any) -> Path:
    """Put a policy and the program that plays it into one file, which answers alike on every machine.

    No compiler is needed: the policy goes into a prebuilt template (docs/bundles.md).

        >>> twisterl.bundle(run.policy, "agent.wasm", search="beam=64")

    Args:
        policy: the policy, or a path as for `load_policy`.
        path: the file to write: a WebAssembly module if it ends in `.wasm`, a page for browsers if in `.html`, a
            program for Linux without an ending.
        template: a template with environments of your own; by default that of the built-in ones.
        **options: kept in the file, and used where a request gives no others; see `Policy.solve_batch`.

    Returns:
        The path.

    Raises:
        UsageError: an option is wrong, or there is no template.
    """
    if isinstance(policy, (str, os.PathLike)):
        policy = load_policy(policy)
    if not isinstance(policy, Policy):
        raise UsageError(f"policy: expected a policy or a path, found {type(policy).__name__}")
    output = arguments.path("path", path)
    own = None if template is None else arguments.path("template", template)
    if not policy.write_bundle(output, own, None if VARIABLE in os.environ else templates(), options):
        warnings.warn(
            f"the template does not have the environment {policy.env_cls}: the file evaluates observations, but solves "
            "nothing",
            stacklevel=2,
        )
    return output


def templates() -> Path:
    """Return the folder of the templates that come with the package."""
    return Path(twisterl.__file__).parent / "_templates"
