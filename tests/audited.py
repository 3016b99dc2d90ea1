"""Uses files in one of the package's ways and reports what Python was asked to do meanwhile.

`audited.py REPORT DOOR FILE...` writes to REPORT, as JSON, the imports, files opened for writing, processes and
connections that Python's audit hooks saw, and what each file was answered with.
"""

import json
import os
import sys
from pathlib import Path

report, door, *files = sys.argv[1:]
events: set[tuple[str, str]] = set()
answers: list[list[str]] = []
watching = False
WRITES = os.O_WRONLY | os.O_RDWR | os.O_CREAT | os.O_TRUNC | os.O_APPEND
RUNS = ("subprocess.Popen", "os.system", "os.exec", "os.posix_spawn", "os.spawn", "os.fork", "os.startfile")


def watch(event, arguments):
    if not watching:
        return
    if event == "import":
        events.add(("import", arguments[0]))
    elif event == "open":
        path, mode, flags = arguments
        if (mode and set(mode) & set("wax+")) or (flags or 0) & WRITES:
            events.add(("open for writing", str(path)))
    elif event in RUNS or event.startswith(("socket.", "ctypes.dlopen", "urllib.", "webbrowser.")):
        events.add((event, repr(arguments)))


sys.addaudithook(watch)

import numpy as np  # noqa: E402, F401 (its import opens libraries)
import twisterl  # noqa: E402
import twisterl.__main__  # noqa: E402
import twisterl.utils  # noqa: E402

FIRST = {"env_cls": "Puzzle", "env": {"width": 2, "height": 2}, "algorithm": {"collecting": {"num_episodes": 4}}}
FIRST["policy"] = {"embedding_size": 8, "common_layers": [8]}
FIRST["num_iterations"] = 1


def attempt(name, work):
    """Note what `work` returned or raised."""
    try:
        answers.append([name, "answered", repr(work())[:200]])
    except Exception as error:
        answers.append([name, type(error).__name__, str(error)])


def use(policy):
    """Everything that a policy can do."""
    ones = list(range(policy.obs_shape[0]))
    attempt("repr", lambda: repr(policy))
    attempt("params", lambda: policy.env_params)
    attempt("predict", lambda: policy.predict(ones))
    attempt("act", lambda: policy.act(ones))
    attempt("to_bytes", lambda: policy.to_bytes()[:0])
    attempt("make_env", lambda: type(policy.make_env()).__name__)
    attempt("solve", lambda: type(policy.solve(list(range(ones[-1] + 1)), search="greedy").states).__name__)
    attempt("solve_scramble", lambda: type(policy.solve_scramble(1)).__name__)
    attempt("evaluate", lambda: policy.evaluate(num_episodes=2, difficulty=1)["count"])


def load(file):
    use(twisterl.load_policy(file))


def config(file):
    use(twisterl.load_policy(file, next(Path(file).parent.glob("*.json"))))


def data(file):
    use(twisterl.Policy(data=Path(file).read_bytes()))


def run(file):
    run = twisterl.load_run(file)
    attempt("config", lambda: sorted(run.config))
    attempt("metrics", lambda: sorted(run.metrics))
    use(run.policy)
    use(run.last_policy)


def resume(file):
    attempt("resume", lambda: type(twisterl.resume(file, num_steps=2, quiet=True)).__name__)
    attempt("Run.resume", lambda: type(twisterl.load_run(file).resume(num_steps=3, quiet=True)).__name__)


def weights(file):
    attempt("weights", lambda: twisterl.train(FIRST, f"{file}.trained", load_checkpoint=file, quiet=True).config["env"])


def helpers(file):
    attempt("load_checkpoint", lambda: sorted(twisterl.utils.load_checkpoint(file)))
    attempt("convert_pt_to_safetensors", lambda: twisterl.utils.convert_pt_to_safetensors(file, f"{file}.safetensors"))


def command(*arguments):
    return lambda file: attempt(
        "command", lambda: twisterl.__main__.command([part.replace("FILE", file) for part in arguments])
    )


DOORS = {
    "load_policy": load,
    "load_policy, config": config,
    "Policy, data": data,
    "load_run": run,
    "resume": resume,
    "weights": weights,
    "helpers": helpers,
    "solve": command("solve", "FILE", "--state", "1,0,2,3"),
    "evaluate": command("evaluate", "FILE", "--num-episodes", "2", "--difficulty", "1"),
    "compare": command("compare", "FILE", "--num-episodes", "2", "--difficulty", "1"),
    "convert": command("convert", "FILE", "FILE.safetensors"),
    "--resume": command("--resume", "FILE", "--num-steps", "4", "--quiet"),
    "--load-checkpoint": command(f"{report}.config.json", "--run-path", "FILE.run", "--load-checkpoint", "FILE", "-q"),
}
Path(f"{report}.config.json").write_text(json.dumps(FIRST))
watching = True
for file in files:
    attempt(file, lambda file=file: DOORS[door](file))
watching = False
Path(report).write_text(json.dumps({"events": sorted(events), "answers": answers}))
