"""Bundles of small policies, and requests to them, for the tests of bundles; their fixtures."""

import json
import os
import re
import shutil
import struct
import subprocess
from pathlib import Path

import pytest

SMALL = {"embedding_size": 16, "common_layers": [16], "policy_layers": [], "value_layers": []}
DENSE = {"common_layers": [16, 16], "policy_layers": [], "value_layers": []}
# An environment, its parameters, and a network that suits its observations.
ENVIRONMENTS = {
    "Puzzle": ({"width": 3, "height": 3, "difficulty": 12}, SMALL),
    "LightsOut": ({"width": 4, "height": 4, "difficulty": 4}, SMALL),
    "Maze": ({}, SMALL),
    "Pendulum-v1": ({}, DENSE),
    "Acrobot-v1": ({}, DENSE),
}
# Environments of the template of quantum circuits.
QUANTUM = {
    "Permutation": ({"num_qubits": 4}, SMALL),
    "LinearFunction": ({"num_qubits": 3}, SMALL),
    "Clifford": ({"num_qubits": 3}, SMALL),
}
CONTINUOUS = ("Pendulum-v1",)
METHODS = [{"search": name} for name in ("greedy", "sample", "best-of=4")]
SEARCHES = [
    {"search": "beam=8"},
    {"search": "beam=8", "score": 4},
    {"search": "beam=8", "objective": "return"},
    {"search": "gumbel=8"},
    {"search": "mcts=8", "leaves": 2},
    {"num_mcts_searches": 6, "num_searches": 2, "temperature": 1},
]
SEEDS = range(4)


def run(command, text="", **options):
    options = {"capture_output": True, "text": True, "timeout": 300, "check": False, **options}
    return subprocess.run([*map(str, command)], input=text, **options)


@pytest.fixture(scope="session")
def runner(train_bin):
    """The executable without a policy."""
    path = train_bin.with_name("twisterl-agent")
    assert path.is_file(), "no runner; run `cargo build -p twisterl-agent` or scripts/check.sh"
    return path


@pytest.fixture(scope="session")
def template(train_bin):
    """The module without a policy."""
    target = train_bin.parents[1]
    folders = [os.environ.get("TWISTERL_TEMPLATES", ""), target / "templates-dev", target / "templates"]
    built = [Path(folder) / "agent.wasm" for folder in folders if folder]
    built = [path for path in built if path.is_file()]
    if not built:
        pytest.skip("no module to bundle with; scripts/build_templates.sh --profile dev")
    return built[0]


@pytest.fixture(scope="session")
def trained(cli, tmp_path_factory):
    """A policy of each environment after one iteration, by name."""
    folder = tmp_path_factory.mktemp("trained")
    for name, (env, policy) in (ENVIRONMENTS | QUANTUM).items():
        evals = {"greedy": {"num_episodes": 2}}
        algorithm = {"collecting": {"num_episodes": 8}, "evals": evals, "learning": {"diff_metric": "greedy"}}
        config = {"env_cls": name, "env": env, "policy": policy, "algorithm": algorithm, "seed": 5}
        path = folder / f"{name}.json"
        path.write_text(json.dumps(config))
        result = cli("train", path, "--num-steps", 1, "--run-path", folder / name, "--quiet")
        assert result.returncode == 0, result.stderr
    return folder


@pytest.fixture(scope="session")
def programs(cli, trained, runner):
    """A bundle of each policy that is an executable."""
    for name in ENVIRONMENTS:
        result = cli("bundle", trained / name, "-o", trained / f"{name}_agent".replace(".", "_"), "--template", runner)
        assert result.returncode == 0, result.stderr
    return {name: trained / f"{name}_agent" for name in ENVIRONMENTS}


@pytest.fixture(scope="session")
def modules(cli, trained, template):
    """A bundle of each policy that is a module."""
    for name in ENVIRONMENTS:
        result = cli("bundle", trained / name, "-o", trained / f"{name}.wasm", "--template", template)
        assert result.returncode == 0, result.stderr
    return {name: trained / f"{name}.wasm" for name in ENVIRONMENTS}


@pytest.fixture(scope="session")
def wasmi_host(root, train_bin):
    """The program that answers with a module in the interpreter wasmi (tests/wasmi_host)."""
    if shutil.which("cargo") is None:
        pytest.skip("cargo is not installed")
    target = train_bin.parents[1] / "wasmi_host"
    manifest = root / "tests/wasmi_host/Cargo.toml"
    built = run(["cargo", "build", "--quiet", "--locked", "--manifest-path", manifest, "--target-dir", target])
    assert built.returncode == 0, built.stderr
    return target / "debug/wasmi-host"


def answers_of_program(program, requests):
    result = run([program], "".join(json.dumps(request) + "\n" for request in requests))
    assert result.stderr == ""
    return result.stdout.splitlines()


def answers_of_node(root, module, requests):
    if shutil.which("node") is None:
        pytest.skip("Node.js is not installed")
    command = ["node", root / "tests/bundle_host.mjs", root / "crates/twisterl-agent/js/agent.js", module]
    result = run(command, "".join(json.dumps(request) + "\n" for request in requests))
    assert result.returncode == 0, result.stderr
    return result.stdout.splitlines()


def requests(program, name):
    """Requests of every kind; the states are those of scrambles."""
    scrambles = [{"call": "scramble", "difficulty": 3 + seed, "seed": seed} for seed in SEEDS]
    states = [json.loads(answer)["state"] for answer in answers_of_program(program, scrambles)]
    action = [0.5] if name in CONTINUOUS else 1
    made = [{"call": "describe"}, {"call": "evaluate", "state": [0.5] * 99}, {"call": "dance"}, *scrambles]
    for state in states:
        made += [{"call": call, "state": state} for call in ("evaluate", "render")]
        made.append({"call": "step", "state": state, "action": action})
    methods = METHODS if name in CONTINUOUS else METHODS + SEARCHES
    for seed, state in zip(SEEDS, states, strict=True):
        made += [{"state": state, "max_steps": 20, "seed": seed, **method} for method in methods]
    made += [{"difficulty": 3, "seed": seed, "max_steps": 20} for seed in SEEDS]
    return made


def wrong_self_test(bundle):
    """A copy of a bundle, a module or a program, whose self-test expects another value; its checksum fits."""
    data = bytearray(bundle.read_bytes())
    start = data.rindex(b"twisterl\x01\0\0\0")  # the payload: magic, version, checksum, and the lengths of its parts
    body = start + 20
    end = body + 12 + sum(struct.unpack_from("<III", data, body))
    at = re.compile(rb'"value":\d+').search(data, end - struct.unpack_from("<I", data, body + 8)[0], end).end() - 1
    data[at] ^= 1  # another last digit
    checksum = 0xCBF29CE484222325  # FNV-1a
    for byte in data[body:end]:
        checksum = (checksum ^ byte) * 0x0100_0000_01B3 % 2**64
    struct.pack_into("<Q", data, start + 12, checksum)
    return bytes(data)


def damaged_module(bundle):
    """Damaged copies of a module, and files of another kind, by name."""
    data = bundle.read_bytes()
    start = data.rindex(b"twisterl\x01\0\0\0")  # the payload
    weight = start + 4000
    return {
        "empty": b"",
        "cut in the header": data[:6],
        "cut in the code": data[: len(data) // 2],
        "cut in the payload": data[: weight + 7],
        "text": b"hello",
        "another version of the payload": data[: start + 8] + b"\x02" + data[start + 9 :],
        "another payload": data[:start] + b"T" + data[start + 1 :],
        "a flipped weight": data[:weight] + bytes([data[weight] ^ 1]) + data[weight + 1 :],
        # Valid, and without any export.
        "foreign": b"\0asm\x01\0\0\0",
        # It imports a function: (import "env" "abort" (func)).
        "imports": b"\0asm\x01\0\0\0\x01\x04\x01\x60\0\0\x02\x0d\x01\x03env\x05abort\0\0",
    }
