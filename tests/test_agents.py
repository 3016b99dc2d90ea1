"""Bundles from Python: `twisterl.bundle`, `twisterl.Agent` in wasmtime; and the page in a browser."""

import base64
import json
import shutil
import signal
import subprocess
import sys
import time

import numpy as np
import pytest
import twisterl
from bundles import answers_of_program, damaged_module, requests, wrong_self_test
from processes import SLACK, hear_ctrl_c, wait_until_busy

pytestmark = pytest.mark.slow


def test_python_writes_the_same_bundles(modules, programs, trained, template, runner, tmp_path, monkeypatch):
    policy = twisterl.load_policy(trained / "Puzzle")
    for bundle, made, source in (
        (modules["Puzzle"], template, policy),
        (programs["Puzzle"], runner, trained / "Puzzle"),
    ):
        path = tmp_path / f"agent{bundle.suffix}"
        assert twisterl.bundle(source, path, template=made) == path
        assert path.read_bytes() == bundle.read_bytes()
    monkeypatch.setenv("TWISTERL_TEMPLATES", str(tmp_path / "empty"))
    for source, path, options, message in (
        (policy, "agent.txt", {}, r"agent\.txt: expected a name that ends in \.wasm or \.html"),
        (3, "agent.wasm", {}, "policy: expected a policy or a path, found int"),
        (policy, "agent.html", {"search": "best"}, "search: expected greedy"),
        (policy, "agent.html", {"num_cores": 2}, "num_cores: expected none"),
        (policy, "none/agent", {}, "the file agent in .*build_templates.sh"),
    ):
        with pytest.raises(twisterl.UsageError, match=message):
            twisterl.bundle(source, tmp_path / path, **options)


def test_a_bundle_is_a_policy_file_in_python(modules, trained):
    bundled, portable = twisterl.load_policy(modules["Puzzle"]), twisterl.load_policy(trained / "Puzzle", portable=True)
    assert bundled.arithmetic == "portable-1"
    state = [8, 6, 7, 2, 5, 4, 3, 0, 1]
    for policy in (bundled, portable):
        assert policy.solve(state, search="beam=16").actions == bundled.solve(state, search="beam=16").actions
    assert bundled.to_bytes() == portable.to_bytes()


def test_an_agent_in_python_answers_with_the_same_bytes(programs, modules, tmp_path, monkeypatch):
    pytest.importorskip("wasmtime")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    asked = requests(programs["Puzzle"], "Puzzle")
    for _ in range(2):  # compiled, then from the cache
        agent = twisterl.Agent(modules["Puzzle"])
        assert [agent.answer(json.dumps(request)) for request in asked] == answers_of_program(programs["Puzzle"], asked)
        (kept,) = (tmp_path / "twisterl/agents").iterdir()
    agent.self_test()
    state = agent.scramble(5, seed=3)
    assert (
        agent.solve(np.array(state), search="beam=8")["actions"]
        == agent.solve(difficulty=5, seed=3, search="beam=8")["actions"]
    )
    assert agent.evaluate(state)["mask"]
    assert agent.describe()["env_cls"] == "Puzzle"
    assert agent.render(state)
    assert agent.step(state, agent.evaluate(state)["action"])["terminated"] in (True, False)
    for call, message in (
        (lambda: agent.solve([1, 2]), "expected"),
        (lambda: agent.solve(state, searching="greedy"), "unknown|expected"),
        (lambda: agent.solve(float("nan")), "request: expected what JSON can hold"),
        (lambda: agent.evaluate(), "state: expected a state or an observation"),
    ):
        with pytest.raises(twisterl.UsageError, match=message):
            call()
    # A compiled module that others may write is code of others: it is not loaded.
    kept.write_bytes(b"x")
    kept.chmod(0o666)
    assert twisterl.Agent(modules["Puzzle"]).scramble(5, seed=3) == state


def test_files_that_are_no_agents_are_refused_in_python(modules, template, tmp_path, monkeypatch):
    pytest.importorskip("wasmtime")
    files = damaged_module(modules["Puzzle"])
    files["a template"] = template.read_bytes()
    files["a wrong self-test"] = wrong_self_test(modules["Puzzle"])
    for name, data in files.items():
        path = tmp_path / f"{name}.wasm"
        path.write_bytes(data)
        with pytest.raises(twisterl.CheckpointError, match="self-test" if "self-test" in name else "expected"):
            twisterl.Agent(path, cache=False)
    with pytest.raises(twisterl.MissingError):
        twisterl.Agent(tmp_path / "none.wasm")
    monkeypatch.setitem(sys.modules, "wasmtime", None)
    with pytest.raises(twisterl.UsageError, match="pip install wasmtime"):
        twisterl.Agent(modules["Puzzle"])


def test_ctrl_c_ends_a_search_of_an_agent(modules, tmp_path):
    pytest.importorskip("wasmtime")
    script = (
        "import sys, twisterl\n"
        "agent = twisterl.Agent(sys.argv[1], cache=False)\n"
        "print('ready', flush=True)\n"
        "try:\n"
        "    agent.solve([8, 6, 7, 2, 5, 4, 3, 0, 1], search='mcts=60000', num_searches=None, max_steps=10000)\n"
        "except KeyboardInterrupt:\n"
        "    print('stopped', flush=True)\n"
    )
    command = [sys.executable, "-c", script, modules["Puzzle"]]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, preexec_fn=hear_ctrl_c) as process:
        assert process.stdout.readline() == "ready\n"
        wait_until_busy(process, 0.5)
        process.send_signal(signal.SIGINT)
        begun = time.monotonic()
        assert process.communicate(timeout=60)[0] == "stopped\n"
        assert time.monotonic() - begun < SLACK


def test_a_page_solves_in_the_browser(cli, trained, template, tmp_path):
    browsers = pytest.importorskip("playwright.sync_api")
    chromium = shutil.which("chromium") or shutil.which("google-chrome")
    if chromium is None:
        pytest.skip("Chromium is not installed")
    page = tmp_path / "agent.html"
    made = cli("bundle", trained / "Puzzle", "-o", page, "--template", template, "--search", "beam=64")
    assert made.returncode == 0, made.stderr
    with browsers.sync_playwright() as driver:
        browser = driver.chromium.launch(executable_path=chromium, args=["--no-sandbox", "--disable-dev-shm-usage"])
        tab, said = browser.new_page(), []
        tab.on("console", lambda message: said.append(message.text))
        tab.on("pageerror", lambda error: said.append(str(error)))
        tab.on("request", lambda request: said.append(request.url) if request.url.startswith("http") else None)
        tab.goto(page.as_uri())
        tab.locator("html[data-ready=true]").wait_for(state="attached", timeout=60_000)
        assert tab.title() == "Agent for Puzzle"
        for state, expected in (
            ("1 0 2 3 4 5 6 7 8", "solved in 1 move, "),
            ("0 1 x", "state: expected numbers, found x"),
        ):
            tab.fill("#state", state)
            tab.click("#problem button[type=submit]")
            if "x" in state:
                tab.locator("#error:not([hidden])").wait_for()
                assert tab.inner_text("#error") == expected
                continue
            tab.locator(".cell.hole + .cell >> text=2").wait_for()
            tab.click("#solver button[type=submit]")
            tab.locator("#path li").wait_for(timeout=60_000)
            assert tab.inner_text("#result").startswith(expected)
            tab.click("#last")
            tab.locator("#status >> text=left, solved").wait_for()
        browser.close()
    assert said == []


def test_a_page_names_what_is_wrong_with_its_module(cli, trained, modules, template, tmp_path):
    browsers = pytest.importorskip("playwright.sync_api")
    chromium = shutil.which("chromium") or shutil.which("google-chrome")
    if chromium is None:
        pytest.skip("Chromium is not installed")
    page = tmp_path / "agent.html"
    made = cli("bundle", trained / "Puzzle", "-o", page, "--template", template)
    assert made.returncode == 0, made.stderr
    text, fine = page.read_text(), base64.b64encode(modules["Puzzle"].read_bytes()).decode()
    assert text.count(fine) == 1
    files = damaged_module(modules["Puzzle"])
    files |= {"a template": template.read_bytes(), "a wrong self-test": wrong_self_test(modules["Puzzle"])}
    with browsers.sync_playwright() as driver:
        browser = driver.chromium.launch(executable_path=chromium, args=["--no-sandbox", "--disable-dev-shm-usage"])
        for name, data in files.items():
            page.write_text(text.replace(fine, base64.b64encode(data).decode()))
            tab = browser.new_page()
            tab.goto(page.as_uri())
            tab.locator("html[data-ready=true]").wait_for(state="attached", timeout=60_000)
            said = tab.inner_text("#error")
            assert "expected" in said, (name, said)
            assert "found" in said, (name, said)
            assert ("self-test, step 0" in said) == (name == "a wrong self-test"), (name, said)
            assert tab.is_disabled("#solver button[type=submit]"), name
            tab.close()
        browser.close()
