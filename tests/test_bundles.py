"""Bundles: one file with a policy, which answers with the same bytes on every host, and is refused where it is damaged.

The hosts are this program (`twisterl-train run`), the executable, Node.js and wasmtime. The module needs a template,
which `scripts/build_templates.sh --profile dev` builds; a host that is missing is skipped by its name.
"""

import json
import os
import shutil
import struct
import subprocess
import time

import pytest
from bundles import (
    ENVIRONMENTS,
    QUANTUM,
    answers_of_node,
    answers_of_program,
    damaged_module,
    requests,
    run,
    wrong_self_test,
)

pytestmark = pytest.mark.slow


@pytest.mark.parametrize("name", ENVIRONMENTS)
def test_all_hosts_answer_with_the_same_bytes(root, cli, programs, modules, name):
    asked = requests(programs[name], name)
    expected = answers_of_program(programs[name], asked)
    assert len(expected) == len(asked)
    kinds = [set(json.loads(answer)) for answer in expected]
    assert [kinds.index({"error"}), kinds.count({"error"})] == [1, 2], "all but the two bad requests are answered"
    assert answers_of_node(root, modules[name], asked) == expected
    for number in (0, 1, 7, len(asked) - 1):
        result = cli("run", modules[name], "--request", json.dumps(asked[number]))
        assert result.stdout.splitlines() == [expected[number]]
        assert result.returncode == (1 if number == 1 else 0)


@pytest.mark.parametrize("name", ["Puzzle", "Pendulum-v1"])
def test_wasmtime_answers_with_the_same_bytes(programs, modules, name):
    wasmtime = pytest.importorskip("wasmtime")
    asked = requests(programs[name], name)
    store = wasmtime.Store()
    module = wasmtime.Module.from_file(store.engine, str(modules[name]))
    assert module.imports == []
    exports = wasmtime.Instance(store, module, []).exports(store)
    memory = exports["memory"]
    assert exports["twisterl_selftest"](store) == 0
    found = []
    for request in asked:
        text = json.dumps(request).encode()
        memory.write(store, text, exports["ta_scratch"](store, len(text)))
        at = exports["ta_call"](store, len(text))
        start, length = struct.unpack("<II", memory.read(store, at, at + 8))
        found.append(memory.read(store, start, start + length).decode())
    assert found == answers_of_program(programs[name], asked)


@pytest.mark.parametrize("name", ENVIRONMENTS)
def test_wasmi_answers_with_the_same_bytes(programs, modules, wasmi_host, name):
    asked = requests(programs[name], name)
    result = run([wasmi_host, modules[name]], "".join(json.dumps(request) + "\n" for request in asked))
    assert result.returncode == 0, result.stderr
    assert result.stdout.splitlines() == answers_of_program(programs[name], asked)


@pytest.mark.parametrize("name", QUANTUM)
def test_quantum_circuits_have_a_template_that_is_chosen_by_itself(root, cli, trained, template, tmp_path, name):
    assert template.with_name("quantum.wasm").is_file()
    path = tmp_path / "agent.wasm"
    environment = {**os.environ, "TWISTERL_TEMPLATES": str(template.parent)}
    made = cli("bundle", trained / name, "-o", path, env=environment)
    assert made.returncode == 0, made.stderr
    assert made.stderr == ""
    asked = [{"call": "scramble", "difficulty": 4, "seed": seed} for seed in range(3)]
    states = [json.loads(answer)["state"] for answer in answers_of_node(root, path, asked)]
    asked += [{"call": "evaluate", "state": state} for state in states]
    asked += [{"state": state, "search": search} for state in states for search in ("beam=64", "gumbel=8")]
    asked += [{"call": "describe"}, {"call": "render", "state": states[0]}]
    expected = [cli("run", path, "--request", json.dumps(request)).stdout.removesuffix("\n") for request in asked]
    assert answers_of_node(root, path, asked) == expected
    solved = [json.loads(answer)["solved"] for answer in expected if '"solved"' in answer]
    assert len(solved) == 6
    assert any(solved), "a beam of 64 undoes 4 gates or fewer of 3 or 4 qubits"


def bits(numbers):
    return list(struct.unpack(f"{len(numbers)}f", struct.pack(f"{len(numbers)}f", *numbers)))


@pytest.mark.parametrize("name", ENVIRONMENTS)
def test_environments_play_and_evaluate_without_json_as_with_it(root, programs, modules, name):
    """The functions `te_*` and `ta_evaluate`, called by agent.js, against the executable."""
    if shutil.which("node") is None:
        pytest.skip("Node.js is not installed")
    arguments = [root / "tests/bundle_numbers.mjs", root / "crates/twisterl-agent/js/agent.js", modules[name], 3, 20]
    result = run(["node", *arguments])
    assert result.returncode == 0, result.stderr
    *lines, state, slot, action, params, short, three = map(json.loads, result.stdout.splitlines())
    shown, steps = [line for line in lines if "text" in line], [line for line in lines if "reward" in line]
    assert len(shown) >= len(steps) >= 2
    calls = [{"call": call, "state": line["state"]} for line in shown for call in ("evaluate", "render")]
    calls += [
        {"call": "step", "state": line["state"], "action": step["action"]}
        for line, step in zip(shown, steps, strict=False)
    ]
    answers = list(map(json.loads, answers_of_program(programs[name], calls)))
    for line, evaluated, rendered in zip(shown, answers[::2], answers[1 : 2 * len(shown) : 2], strict=False):
        expected = {"logits": bits(evaluated["logits"]), "value": bits([evaluated["value"]])[0]}
        expected["mask"] = [int(allowed) for allowed in evaluated["mask"]]
        assert line["numbers"] == line["json"] == line["observation"] == expected
        assert line["mask"] == expected["mask"]
        assert line["text"] == rendered["text"]
    for line, step, answer in zip(shown, steps, answers[2 * len(shown) :], strict=False):
        assert step["before"] == line["state"]
        assert bits([answer["reward"]]) == [step["reward"]]
        for field in ("state", "terminated", "solved"):
            assert step[field] == answer[field], field
    assert state["error"].startswith("AgentError: state: expected ")
    assert slot["error"] == "AgentError: slot: expected 0 to 1, found 7"
    assert action["error"] == "AgentError: slots: expected 1 to 2 rows, found 0"
    assert "unknown key `widht`" in params["error"]
    assert "expected" in short["error"]
    assert "expected" in three["error"]


def test_a_module_plays_as_an_environment(modules):
    """Functions `te_*` without the wrapper: the layout and the flags of docs/plugins.md."""
    wasmtime = pytest.importorskip("wasmtime")
    store = wasmtime.Store()
    module = wasmtime.Module.from_file(store.engine, str(modules["Puzzle"]))
    exports = wasmtime.Instance(store, module, []).exports(store)
    memory = exports["memory"]
    assert exports["te_abi"](store) == (1 << 16) + 1, "interface 1.1"
    text = b'{"difficulty": 2}'
    memory.write(store, text, exports["te_scratch"](store, len(text)))
    assert exports["te_init"](store, len(text), 1) == 0
    described = struct.unpack("<II", memory.read(store, at := exports["te_describe"](store), at + 8))
    description = json.loads(memory.read(store, described[0], sum(described)))
    assert (description["name"], description["params"]["width"], description["difficulty"]) == ("Puzzle", 3, 2)
    layout = exports["te_layout"](store)
    words = struct.unpack("<14I", memory.read(store, layout, layout + 56))
    memory.write(store, struct.pack("<9d", 1, 0, 2, 3, 4, 5, 6, 7, 8), words[11])
    memory.write(store, struct.pack("<i", 9), words[2])
    assert exports["te_begin"](store, 0, 2, -1) == 0
    memory.write(store, struct.pack("<i", 0), words[2])
    names = []
    for choice in range(4):
        memory.write(store, struct.pack("<I", choice), words[3])
        name = struct.unpack("<II", memory.read(store, at := exports["te_action_name"](store, choice), at + 8))
        names.append(memory.read(store, name[0], sum(name)).decode())
    memory.write(store, struct.pack("<I", names.index("left")), words[3])
    assert exports["te_step"](store, 1) == 0
    words = struct.unpack("<14I", memory.read(store, layout, layout + 56))
    assert struct.unpack("<i", memory.read(store, words[6], words[6] + 4)) == (1 | 4,)  # terminated, solved
    assert exports["te_state"](store, 0) == 9
    assert struct.unpack("<9d", memory.read(store, words[11], words[11] + 72)) == tuple(range(9))


def test_a_wrong_self_test_is_named_by_every_host(root, cli, programs, modules, tmp_path):
    module, program = tmp_path / "agent.wasm", tmp_path / "agent"
    module.write_bytes(wrong_self_test(modules["Puzzle"]))
    program.write_bytes(wrong_self_test(programs["Puzzle"]))
    program.chmod(0o755)
    state = "0,1,2,3,4,5,6,7,8"
    results = [run([program, state]), run([program, "--self-test"]), cli("run", module, "--state", state)]
    if shutil.which("node"):
        host = [root / "tests/bundle_host.mjs", root / "crates/twisterl-agent/js/agent.js", module]
        results.append(run(["node", *host]))
    for result in results:
        assert result.returncode == 1, result
        assert result.stdout == ""
        assert "self-test, step 0: expected the results of the machine that wrote it" in result.stderr
    wasmtime = pytest.importorskip("wasmtime")
    store = wasmtime.Store()
    loaded = wasmtime.Module.from_file(store.engine, str(module))
    assert wasmtime.Instance(store, loaded, []).exports(store)["twisterl_selftest"](store) == 1


def test_a_killed_bundle_leaves_the_old_file_or_the_new_one(train_bin, trained, modules, template, tmp_path):
    path = tmp_path / "agent.wasm"
    command = [train_bin, "bundle", trained / "Puzzle", "-o", path, "--template", template]
    assert run(command).returncode == 0
    new, old = path.read_bytes(), modules["LightsOut"].read_bytes()
    assert new == modules["Puzzle"].read_bytes()
    # Killed later each time, until it is through.
    delay, content = 0.0, old
    while content == old:
        path.write_bytes(old)
        with subprocess.Popen(list(map(str, command)), stdout=subprocess.DEVNULL) as process:
            time.sleep(delay)
            process.kill()
        content = path.read_bytes()
        assert content in (old, new), delay
        assert delay > 0 or content == old
        delay = 1.2 * delay + 0.01
        assert delay < 60


def test_a_bundle_is_a_policy_file(cli, trained, programs, template, tmp_path):
    result = cli("bundle", trained / "Puzzle", "-o", tmp_path / "agent.wasm", "--template", template)
    assert result.returncode == 0, result.stderr
    original = cli("convert", trained / "Puzzle", tmp_path / "original.safetensors")
    assert original.returncode == 0, original.stderr
    for bundle in (tmp_path / "agent.wasm", programs["Puzzle"]):
        assert cli("convert", bundle, tmp_path / "read.safetensors").returncode == 0
        assert cli("evaluate", bundle, "--num-episodes", 4, "--greedy").returncode == 0
        again = cli("bundle", bundle, "-o", tmp_path / "again.wasm", "--template", template)
        assert again.returncode == 0, again.stderr
        assert (tmp_path / "again.wasm").read_bytes() == (tmp_path / "agent.wasm").read_bytes()


def test_options_in_the_bundle_apply_where_a_request_gives_no_others(cli, trained, runner, tmp_path):
    options = ["--search", "beam=4", "--score", 2, "--max-steps", 7, "--seed", 3]
    path = tmp_path / "agent"
    result = cli("bundle", trained / "Puzzle", "-o", path, "--template", runner, *options)
    assert result.returncode == 0, result.stderr
    kept = {"search": "beam=4", "score": 2.0, "max_steps": 7, "seed": 3}
    assert json.loads(run([path, "--describe"]).stdout)["solve"] == kept
    board = [1, 2, 5, 3, 4, 0, 6, 7, 8]
    plain, same, greedy = answers_of_program(
        path, [{"state": board}, {"state": board, **kept}, {"state": board, "search": "greedy"}]
    )
    assert plain == same
    assert json.loads(plain)["nodes"] > json.loads(greedy)["nodes"]
    written = cli("run", path, "--state", json.dumps(board), "--json").stdout
    assert json.loads(written) == json.loads(plain)


def test_the_program_shows_boards_or_records(programs):
    board = "1,0,2,3,4,5,6,7,8"
    result = run([programs["Puzzle"], "--search", "beam=64", board])
    assert result.returncode == 0, result.stderr
    assert "start" in result.stdout
    assert "solved after 1 move: left" in result.stdout
    record = json.loads(run([programs["Puzzle"], "--search=beam=64", "--json", board]).stdout)
    assert record["moves"] == ["left"]
    assert record["seconds"] is None
    assert "passed" in run([programs["Puzzle"], "--self-test"]).stdout
    lines = run(
        [programs["Puzzle"], "--greedy"], "# boards\n0 1 2 3 4 5 6 7 8\n\n[[0, 1, 2], [3, 4, 5], [6, 7, 8]]\nx\n"
    )
    solved, rows, refused = map(json.loads, lines.stdout.splitlines())
    assert solved == rows
    assert solved["solved"] is True
    assert refused["error"].startswith("request: expected a JSON object")
    assert lines.returncode == 1


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--search", "bem=4", "0,1"], "search: expected greedy, sample"),
        (["--se-arch", "greedy"], "arguments: expected a known option, found --se-arch (did you mean `--search`?)"),
        (["0,1"], "state: expected"),
        (["--seconds", "1", "0,1,2,3,4,5,6,7,8"], "seconds: expected a limit in nodes instead"),
    ],
)
def test_the_program_names_mistakes(programs, arguments, message):
    result = run([programs["Puzzle"], *arguments])
    assert result.returncode in (1, 2)
    assert result.stdout == ""
    assert message in result.stderr


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["-o", "agent.txt"], "agent.txt: expected a name that ends in .wasm or .html, or one without an ending"),
        (["-o", "agent.wasm", "--seconds", "1"], "seconds: expected a limit in nodes instead"),
        (["-o", "agent.wasm", "--score", "2"], "--score: expected search beam=W or widening=W with it"),
        (["-o", "agent.wasm", "--num-cores", "2"], "--num-cores: expected none"),
        (["-o", "agent.wasm", "--template", "missing.wasm"], "missing.wasm"),
        (["-o", "agent.wasm", "--template", "text.wasm"], "expected a WebAssembly module of version 1"),
        (["-o", "agent", "--template", "text.wasm"], "runner: expected a program for Linux (ELF)"),
    ],
)
def test_bundles_that_cannot_be_made_are_not_written(cli, trained, tmp_path, arguments, message):
    (tmp_path / "text.wasm").write_text("hello")
    empty = tmp_path / "empty"
    empty.mkdir()
    before = set(tmp_path.iterdir())
    environment = {**os.environ, "TWISTERL_TEMPLATES": str(empty)}
    result = cli("bundle", trained / "Puzzle", *arguments, cwd=tmp_path, env=environment)
    assert result.returncode in (1, 2)
    assert message in result.stderr
    assert set(tmp_path.iterdir()) == before


def test_a_missing_template_says_how_to_get_one(cli, trained, tmp_path):
    environment = {**os.environ, "TWISTERL_TEMPLATES": str(tmp_path)}
    result = cli("bundle", trained / "Puzzle", "-o", tmp_path / "agent.wasm", env=environment)
    assert result.returncode == 2
    assert f"the file agent.wasm in {tmp_path} (scripts/build_templates.sh" in result.stderr


def test_options_beside_a_request_are_not_ignored(cli, programs):
    result = cli("run", programs["Puzzle"], "--request", '{"call": "describe"}', "--search", "greedy")
    assert result.returncode == 2
    assert "--request: expected options of solving as fields of the request, found --search" in result.stderr


def test_damaged_modules_are_refused_by_every_host(root, cli, modules, template, tmp_path):
    files = damaged_module(modules["Puzzle"])
    files["a template"] = template.read_bytes()
    for name, data in files.items():
        path = tmp_path / f"{name.replace(' ', '_')}.wasm"
        path.write_bytes(data)
        results = [cli("run", path, "--state", "0,1,2,3,4,5,6,7,8"), cli("evaluate", path, "--greedy")]
        if shutil.which("node"):
            host = [root / "tests/bundle_host.mjs", root / "crates/twisterl-agent/js/agent.js", path]
            results.append(run(["node", *host]))
        for result in results:
            assert result.returncode == 1, (name, result)
            assert result.stdout == "", name
            assert result.stderr.startswith("error: "), (name, result.stderr)
            assert "expected" in result.stderr, (name, result.stderr)
            assert "panicked" not in result.stderr, (name, result.stderr)
    if shutil.which("node") is None:
        pytest.skip("Node.js is not installed: only `twisterl-train` was tried")


def test_damaged_programs_are_refused_by_every_host(cli, programs, runner, tmp_path):
    data, length = programs["Puzzle"].read_bytes(), runner.stat().st_size
    claim = lambda size: data[:-16] + struct.pack("<Q", size) + data[-8:]  # noqa: E731
    files = {
        "no payload": (data[:length], "expected a program with a policy behind its end"),
        "cut": (data[:-1], "expected a program with a policy behind its end"),
        "4 GB": (claim(1 << 32), "found a length of 4294967296"),
        "all bits": (claim(2**64 - 1), "found a length of 18446744073709551615"),
        "nothing": (claim(0), 'payload: expected one that begins with "twisterl", found ""'),
        "too little": (claim(100), "payload: expected one that begins with"),
        "flip": (data[: length + 3000] + bytes([data[length + 3000] ^ 64]) + data[length + 3001 :], "checksum"),
    }
    for name, (content, message) in files.items():
        path = tmp_path / name.replace(" ", "_")
        path.write_bytes(content)
        path.chmod(0o755)
        state = "0,1,2,3,4,5,6,7,8"
        for result in (run([path, state]), cli("run", path, "--state", state)):
            assert result.returncode == 1, (name, result)
            assert result.stdout == "", name
            assert message in result.stderr, (name, result.stderr)


def test_policies_of_unknown_environments_evaluate_observations_alone(root, cli, trained, runner, tmp_path):
    path = tmp_path / "policy.safetensors"
    assert cli("convert", trained / "Puzzle", path).returncode == 0
    data = path.read_bytes()
    size = struct.unpack("<Q", data[:8])[0]
    header = data[8 : 8 + size].replace(b'\\"env_cls\\":\\"Puzzle\\"', b'\\"env_cls\\":\\"other.Env\\"').rstrip()
    header += b" " * (-len(header) % 8)
    path.write_bytes(struct.pack("<Q", len(header)) + header + data[8 + size :])
    result = cli("bundle", path, "-o", tmp_path / "agent", "--template", runner)
    assert result.returncode == 0, result.stderr
    assert "warning: the template does not have the environment other.Env" in result.stderr
    asked = [
        {"call": "evaluate", "observation": [0, 10, 20, 30, 40, 50, 60, 70, 80]},
        {"call": "describe"},
        {"state": [0, 1, 2, 3, 4, 5, 6, 7, 8]},
        {"call": "evaluate", "observation": [81]},
    ]
    evaluated, described, solved, outside = map(json.loads, answers_of_program(tmp_path / "agent", asked))
    assert len(evaluated["logits"]) == 4
    assert "other.Env" in described["env_error"]
    assert solved["error"].startswith("env_cls: ")
    assert outside["error"] == "observation: expected indices of ones below 81, found 81"
    assert "passed" in run([tmp_path / "agent", "--self-test"]).stdout
    known = cli("bundle", trained / "Puzzle", "-o", tmp_path / "known", "--template", runner)
    assert known.returncode == 0, known.stderr
    (same,) = map(json.loads, answers_of_program(tmp_path / "known", [{"call": "evaluate", "state": list(range(9))}]))
    assert same["logits"] == evaluated["logits"]


def test_the_types_of_the_wrapper_name_all_that_it_has(root):
    """`agent.d.ts` and `agent.js` have the same methods."""
    folder = root / "crates/twisterl-agent/js"
    names = ["load", "solve", "evaluate", "step", "describe", "render", "scramble", "selfTest", "request", "answer"]
    names += ["evaluateState", "evaluateObservation", "environments", "begin", "observe", "copy", "state", "actionName"]
    for file in ("agent.js", "agent.d.ts"):
        text = (folder / file).read_text()
        missing = [name for name in names if f" {name}(" not in text]
        assert missing == [], file
