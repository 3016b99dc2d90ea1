"""Files of policies and runs with environments of an attacker's choice, for tests of what loading them does."""

import json
import shutil
from collections.abc import Callable
from pathlib import Path

from safetensors import safe_open
from safetensors.numpy import save_file
from tensorboard_events import masked_crc32c

# The environment that a file names and its parameters. Each would import or run something if names were looked up in
# modules: CANARY stands for the module of the tests that tells of its import, MARK for a file that must not appear.
HOSTILE = [
    ("CANARY.Env", {}),
    ("CANARY:Env", {}),
    ("CANARY.Puzzle", {}),  # the name of a native environment in a module
    ("PyEnv", {"pyenv_cls": "CANARY.Env"}),
    ("twisterl.envs.PyEnv", {"pyenv_cls": "CANARY.Env"}),
    ("subprocess.check_output", {"args": ["touch", "MARK"]}),
    ("os.system", {"command": "touch MARK"}),
    ("PyEnv", {"pyenv_cls": "subprocess.check_output", "args": ["touch", "MARK"]}),
    ("builtins.exec", {"source": "open('MARK', 'w')"}),
    ("pathlib.Path.touch", {"self": "MARK"}),
    ("webbrowser.open", {"url": "MARK"}),
    ("antigravity.Env", {}),
    ("gymnasium.make", {"id": "CANARY:Env-v0"}),
    ("twisterl.utils.dynamic_import", {"path": "CANARY.Env"}),
    ("twisterl._internal.environments.load", {"name": "CANARY.Env"}),
    ("twisterl.register", {"env": "CANARY.Env"}),
]


def hostile(module: str, mark: Path) -> list[tuple[str, dict]]:
    """The environments above, for this module and this file."""
    text = json.dumps(HOSTILE).replace("CANARY", module).replace("MARK", str(mark))
    return [(name, params) for name, params in json.loads(text)]


def describe(source: Path, target: Path, change: Callable[[dict], object]) -> Path:
    """Copy a self-contained policy after a change to the description in its metadata."""
    with safe_open(source, "np") as file:
        metadata, tensors = file.metadata(), {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
    described = json.loads(metadata["twisterl"])
    change(described)
    metadata["twisterl"] = json.dumps(described)
    save_file(tensors, target, metadata)
    return target


def rename(source: Path, target: Path, env_cls: str, env: dict) -> Path:
    """Copy a self-contained policy with another environment in its metadata."""
    return describe(source, target, lambda described: described.update(env_cls=env_cls, env=env))


def rename_checkpoint(source: Path, target: Path, env_cls: str, env: dict) -> Path:
    """Copy a checkpoint with another environment in its policy."""
    shutil.copytree(source, target)
    policy = rename(source / "policy.safetensors", target / "policy.safetensors", env_cls, env).read_bytes()
    masked = (masked_crc32c(policy) - 0xA282EAD8) & 0xFFFFFFFF
    crc = (masked << 15 | masked >> 17) & 0xFFFFFFFF
    manifest = json.loads((target / "manifest.json").read_text())
    manifest["files"]["policy.safetensors"] = {"length": len(policy), "crc32c": crc}
    (target / "manifest.json").write_text(json.dumps(manifest))
    return target


def rename_run(source: Path, target: Path, env_cls: str, env: dict) -> Path:
    """Copy a run with another environment in its config and its policies."""
    target.mkdir()
    shutil.copy(source / "metrics.jsonl", target)
    config = json.loads((source / "config.json").read_text())
    (target / "config.json").write_text(json.dumps({**config, "env_cls": env_cls, "env": env}))
    for name in ("checkpoint_last", "checkpoint_best"):
        rename_checkpoint(source / name, target / name, env_cls, env)
    return target


def bare(source: Path, config: Path, folder: Path, env_cls: str, env: dict, beside: str) -> Path:
    """Copy a file of bare tensors into a new folder, with a config of another environment under the name `beside`."""
    folder.mkdir()
    shutil.copy(source, folder)
    described = {**json.loads(config.read_text()), "env_cls": env_cls, "env": env}
    (folder / beside).write_text(json.dumps(described))
    return folder / source.name
