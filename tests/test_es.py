"""ES from Python: iterations distributed over processes."""

import json
import multiprocessing
import pickle
import subprocess
import sys

import numpy as np
import pytest
import twisterl
from twisterl.utils import prepare_algorithm

CONFIG = {
    "env_cls": "CartPole-v1",
    "policy": {"embedding_size": 8, "activation": "tanh"},
    "algorithm_cls": "twisterl.rl.ES",
    "algorithm": {
        "es": {"population": 24, "num_episodes": 2, "sigma": 0.1},
        "learning": {"diff_metric": "greedy", "diff_max": 1},
        "optimizer": {"lr": 0.1, "averaging": 0.5},
        "evals": {"greedy": {"num_episodes": 10, "deterministic": True, "every": 3}},
    },
    "num_iterations": 4,
}


def take_part(connection, first, last):
    """A process that plays its share of each iteration and is told the rest."""
    es = prepare_algorithm(CONFIG)
    for _ in range(CONFIG["num_iterations"]):
        connection.send(es.ask_range(first, last))
        metrics = es.tell(connection.recv())
    connection.send((metrics, es.policy.to_bytes()))


def test_an_iteration_split_over_two_processes_gives_the_weights_of_one_run(tmp_path):
    context = multiprocessing.get_context("spawn")
    processes = []
    for first, last in [(0, 7), (7, 24)]:
        here, there = context.Pipe()
        process = context.Process(target=take_part, args=(there, first, last))
        process.start()
        processes.append((process, here))
    try:
        for _ in range(CONFIG["num_iterations"]):
            parts = [here.recv() for _, here in processes]
            assert [len(part) for part in parts] == [56 + 13 * 2 * members for members in (7, 17)]
            for _, here in processes:
                here.send(parts[::-1])
        ends = [here.recv() for _, here in processes]
    finally:
        for process, _ in processes:
            process.join(30)
            process.kill()
    assert ends[0] == ends[1]
    metrics, policy = ends[0]
    run = twisterl.train(CONFIG, tmp_path / "run", quiet=True)
    assert policy == run.last_policy.to_bytes()
    last = run.iterations()[-1]
    del last["time"], metrics["time"]
    assert metrics == last
    assert {"fitness_50", "update_norm", "sigma", "gradient_cosine"} <= set(metrics["losses"])


def test_what_was_learned_or_saved_is_gone_on_from(tmp_path):
    config = {**CONFIG, "num_iterations": None}
    learned = prepare_algorithm(config, str(tmp_path / "run"))
    learned.learn(2)
    assert learned.iteration == 2
    learned.tell([learned.ask_range(0, learned.population)])

    told = prepare_algorithm(config)
    for _ in range(2):
        told.tell([told.ask_range(0, 24)])
    told.save(tmp_path / "saved")
    loaded = prepare_algorithm(config)
    loaded.load(tmp_path / "saved")
    assert loaded.iteration == 2
    assert loaded.policy.to_bytes() == told.policy.to_bytes()
    for es in (told, loaded):
        es.tell([es.ask_range(0, 24)])
        assert es.policy.to_bytes() == learned.policy.to_bytes()
    assert twisterl.load_policy(tmp_path / "saved").num_parameters == told.policy.num_parameters
    with pytest.raises(twisterl.UsageError, match="this ES is distributed"):
        told.learn(1)


def test_answers_are_checked(tmp_path):
    es = prepare_algorithm(CONFIG)
    before = es.policy.weights()
    low, high = es.ask_range(0, 12), pickle.loads(pickle.dumps(es.ask_range(12, 24)))
    other = prepare_algorithm({**CONFIG, "seed": 1}).ask_range(12, 24)
    for parts, message in [
        ([], "expected all 24 members, found 0"),
        ([low], "expected all 24 members, found 12"),
        ([low, low, high], "expected members from 12 on first"),
        ([low, other], "members from 12 on: expected answers to"),
        ([low, high[:-1]], "expected 24 episodes of 13 bytes"),
        ([b""], "expected at least 56 bytes, found 0"),
        ([b"x" * 100], "expected what ask_range returned"),
    ]:
        with pytest.raises(twisterl.ConfigError, match=message):
            es.tell(parts)
    for parts in (["text"], [None], [low, 3]):
        with pytest.raises(twisterl.UsageError, match="expected what ask_range returned"):
            es.tell(parts)
    for first, last in [(0, 25), (-1, 3), (5, 4), (2**70, 2**70)]:
        with pytest.raises(twisterl.UsageError, match="0 <= first <= last <= 24"):
            es.ask_range(first, last)
    with pytest.raises(twisterl.UsageError, match="whole number"):
        es.ask_range("a", 3)
    with pytest.raises(twisterl.CheckpointError, match="expected a checkpoint folder"):
        es.load(tmp_path)
    for name, values in es.policy.weights().items():
        assert np.array_equal(values, before[name])
    metrics = es.tell([high, low])
    assert json.loads(json.dumps(metrics))["iteration"] == 0
    with pytest.raises(twisterl.ConfigError, match="answers to"):
        es.tell([low, high])
    wider = prepare_algorithm({**CONFIG, "policy": {"embedding_size": 9, "activation": "tanh"}})
    es.save(tmp_path / "saved")
    with pytest.raises(twisterl.CheckpointError, match="network and symmetry of the config"):
        wider.load(tmp_path / "saved")


def test_the_example_distributes_and_saves(root, tmp_path):
    config = tmp_path / "config.json"
    config.write_text(json.dumps(CONFIG))
    command = [sys.executable, root / "examples/es_distributed.py", config, "--workers", "3", "--iterations", "2"]
    command += ["--save", tmp_path / "saved"]
    done = subprocess.run(list(map(str, command)), capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr
    assert "iteration 1: mean reward" in done.stdout
    es = prepare_algorithm(CONFIG)
    for _ in range(2):
        es.tell([es.ask_range(0, 24)])
    assert twisterl.load_policy(tmp_path / "saved").to_bytes() == es.policy.to_bytes()
