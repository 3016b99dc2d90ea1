"""A small run, and what is in its folder."""

import contextlib
import json

TINY = {
    "env_cls": "Puzzle",
    "env": {"width": 2, "height": 2, "difficulty": 1, "max_depth": 20},
    "policy": {"embedding_size": 8, "common_layers": [8], "policy_layers": [], "value_layers": []},
    "algorithm": {
        "collecting": {"num_cores": 1, "num_episodes": 16},
        "training": {"num_epochs": 1},
        "evals": {"ppo_1": {"num_episodes": 10, "deterministic": False}},
        "learning": {"diff_metric": "ppo_1", "diff_max": 6},
        "logging": {"log_freq": 1, "checkpoint_freq": 5},
    },
    "seed": 3,
}
EVENTS = "events.out.tfevents.0.twisterl"


def lines(run):
    with contextlib.suppress(OSError):
        return sum(b'"final":true' not in line for line in (run / "metrics.jsonl").read_bytes().split(b"\n")[:-1])
    return 0


def logged(run):
    return [json.loads(line) for line in (run / "metrics.jsonl").read_text().splitlines()]


def records(run):
    """The records of iterations, without that of the evaluation at the end."""
    return [record for record in logged(run) if not record.get("final")]


def timeless(run):
    return [{key: value for key, value in record.items() if key != "time"} for record in logged(run)]


def content(folder):
    return {p.relative_to(folder).as_posix(): p.read_bytes() for p in sorted(folder.rglob("*")) if p.is_file()}


def change(run, **values):
    """Set values in a run's config, by path."""
    config = json.loads((run / "config.json").read_text())
    for path, value in values.items():
        *parents, last = path.split("__")
        place = config
        for key in parents:
            place = place[key]
        place[last] = value
    (run / "config.json").write_text(json.dumps(config))
