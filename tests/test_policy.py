"""Policies from Python: the published package's golden numbers, what is accepted, and what is refused."""

import copy
import itertools
import json
import pickle
import signal
import subprocess
import sys
import threading
import time

import numpy as np
import pytest
import twisterl
from parameters import without_addresses
from peer_files import copy_checkpoint
from processes import SLACK, hear_ctrl_c, wait_until_busy


@pytest.fixture(scope="module")
def policy(root, tmp_path_factory):
    return load(root, "ppo_puzzle8_v1", "safetensors", tmp_path_factory.mktemp("peer"))


def load(root, name, ending, folder):
    return twisterl.load_policy(copy_checkpoint(root, folder, name, ending))


@pytest.mark.parametrize("name", ["ppo_puzzle8_v1", "ppo_puzzle15_v1"])
@pytest.mark.parametrize("ending", ["safetensors", "pt"])
def test_peer_checkpoints_give_the_golden_numbers(root, tmp_path, name, ending):
    policy = load(root, name, ending, tmp_path)
    cases = json.loads((root / f"tests/vectors/peer/{name}.golden.json").read_text())["cases"]
    env = policy.make_env()
    for case in cases:
        probabilities, value = policy.predict(case["observation"], case["mask"])
        assert probabilities == pytest.approx(case["probabilities"], abs=1e-4)
        assert value == pytest.approx(case["value"], abs=1e-4)
        env.set_state(case["state"])
        assert sorted(env.observe()) == sorted(case["observation"])
        assert env.masks() == case["mask"]
    rows, values = policy.predict_batch([c["observation"] for c in cases], [c["mask"] for c in cases])
    assert rows == pytest.approx(np.array([c["probabilities"] for c in cases]), abs=1e-4)
    assert values == pytest.approx([c["value"] for c in cases], abs=1e-4)


def dense(ones):
    bits = np.zeros((9, 9), np.float32)
    bits.ravel()[ones] = 1
    return bits


def test_observations_in_any_form_are_the_same(policy):
    ones = [8, 16, 23, 30, 38, 45, 58, 69, 73]
    expected, value = policy.predict(ones)
    bits = dense(ones)
    forms = [tuple(ones), np.array(ones), np.array(ones, np.uint8), bits, bits.ravel(), bits.astype(np.int8)]
    forms += [bits.astype(bool), bits.astype(float), bits.T.T, np.asfortranarray(bits), bits.ravel().tolist()]
    for form in forms:
        probabilities, other = policy.predict(form)
        assert probabilities == pytest.approx(expected, rel=1e-4)
        assert other == pytest.approx(value, rel=1e-4)
    assert policy.predict_batch(np.stack([bits] * 3))[0] == pytest.approx(np.stack([expected] * 3), rel=1e-4)
    assert policy.act(ones) == expected.argmax()
    drawn = [policy.act(ones, deterministic=False, seed=seed) for seed in range(2000)]
    # Five standard deviations of a share of 2,000 draws are at most 0.056.
    assert np.bincount(drawn, minlength=4) / 2000 == pytest.approx(expected, abs=0.056)


def test_masked_actions_have_no_probability(policy):
    probabilities, _ = policy.predict([0, 10, 20, 30, 40, 50, 60, 70, 80], [False, True, False, True])
    assert probabilities[[0, 2]].tolist() == [0, 0]
    assert probabilities.sum() == pytest.approx(1)


def test_batches_do_not_depend_on_threads(policy):
    env = policy.make_env(seed=1)
    rows = []
    for _ in range(1500):
        env.reset(difficulty=30)
        rows.append(env.observe())
    one, two = policy.predict_batch(rows, num_cores=1), policy.predict_batch(rows, num_cores=2)
    assert (one[0] == two[0]).all()
    assert (one[1] == two[1]).all()
    assert one[0][700] == pytest.approx(policy.predict(rows[700])[0], abs=1e-6)


BAD_OBSERVATIONS = [
    [99],
    [-1],
    [1.5],
    [3, 3],
    ["a"],
    "text",
    None,
    5,
    {},
    [[1, 2], [3]],
    np.zeros(80),
    np.zeros((3, 27)),
    np.full((9, 9), np.nan, np.float32),
    np.full((9, 9), 2.0),
    np.array(["x"]),
    np.zeros((9, 9), complex),
    object(),
    b"bytes",
    [10**30],
]


@pytest.mark.parametrize("observation", BAD_OBSERVATIONS, ids=lambda value: without_addresses(repr(value))[:30])
def test_what_is_no_observation_is_refused(policy, observation):
    with pytest.raises(twisterl.ObservationError):
        policy.predict(observation)
    with pytest.raises((twisterl.ObservationError, TypeError)):
        policy.predict_batch([observation])


@pytest.mark.parametrize("mask", [[], [True], [False] * 4, [True] * 5, 3, "yes", np.ones((2, 2), bool)])
def test_what_is_no_mask_is_refused(policy, mask):
    with pytest.raises((twisterl.ObservationError, TypeError)):
        policy.predict([1], mask)


def test_solutions_can_be_looked_at_and_replayed(policy):
    start = [8, 7, 5, 3, 2, 0, 4, 6, 1]
    solution = policy.solve(start, num_searches=100)
    assert solution.success
    assert solution.reward > 0
    assert solution.start == start
    assert solution.states[0] == start
    assert solution.states[-1] == list(range(9))
    assert len(solution.states) == len(solution) + 1 == len(solution.frames())
    assert f"solved after {len(solution)} moves" in repr(solution)
    assert "1 left" in str(solution) or "1 up" in str(solution)
    page = solution._repr_html_()
    assert page.count("<figure") == 2  # the first and the last board; see test_display.py for the others
    env = policy.make_env()
    env.set_state(start)
    for action in solution:
        env.step(action)
    assert env.solved()


def test_stronger_searches_find_shorter_solutions(policy):
    start = [8, 6, 7, 2, 5, 4, 3, 0, 1]  # 31 moves from being solved
    beam = policy.solve(start, search="beam=256", score=0.5)
    sample = policy.solve(start, num_searches=20)
    tree = policy.solve(start, num_mcts_searches=100, C=1.4)
    assert beam.success
    assert len(beam) <= len(sample)
    assert tree.simulations > 0
    again = policy.solve(start, search="beam=256", score=0.5)
    assert again.actions == beam.actions
    with pytest.raises(twisterl.UsageError, match="score: expected search beam"):
        policy.solve(start, search="greedy", score=1)
    for options, message in (
        ({"num_cores": -2}, "num_cores: expected a whole number from -1 to 4096"),
        ({"search": "beam=4", "deterministic": True}, "deterministic: expected no search with it, found beam=4"),
        ({"search": "beam=4", "backtracking": False}, "backtracking: expected search greedy, sample"),
        ({"search": "gumbel=4", "C": 1.0}, "C: expected search mcts=N with it, found gumbel=4"),
        ({"C": 1.0}, "C: expected search mcts=N with it, found best-of=64"),
        ({"search": "mcts=4", "leaves": "two"}, "leaves: expected a whole number, 0 or more, found 'two'"),
        ({"search": "beam=4", "score": []}, r"score: expected a number, policy, value or mixed, found \[\]"),
        ({"search": "astar"}, "search: expected greedy, sample, best-of=N"),
        ({"seconds": 0}, "seconds: expected a number above 0, found 0"),
    ):
        with pytest.raises(twisterl.UsageError, match=message):
            policy.solve(start, **options)
        with pytest.raises(twisterl.UsageError, match=message.replace("best-of=64", "best-of=1")):
            policy.evaluate([start], **options)
    with pytest.raises(twisterl.UsageError, match="nonsense: expected one of the arguments search, deterministic"):
        policy.evaluate([start], nonsense=1)
    assert (
        policy.solve(start, num_mcts_searches=0, C=1.4, max_expand_depth=1, num_searches=20).actions == sample.actions
    )
    for wrong in ("beams=3", "beam=0", "beam", "", "mcts=-1"):
        with pytest.raises(twisterl.TwisteRLError):
            policy.solve(start, search=wrong)
    for state in ([1, 2], [0] * 9, [0, 1, 2, 3, 4, 5, 6, 8, 7], "text", [float("nan")] * 9, None, [[1]]):
        with pytest.raises(twisterl.StateError):
            policy.solve(state)


def test_evaluation_figures(policy):
    figures = policy.evaluate(num_episodes=50, difficulty=3, deterministic=True)
    assert figures["count"] == 50
    assert figures["success"] == 1
    known = [{"state": [1, 0, 2, 3, 4, 5, 6, 7, 8], "optimal": 1}, {"state": [3, 1, 2, 0, 4, 5, 6, 7, 8], "optimal": 1}]
    figures = policy.evaluate(known, search="beam=64")
    assert figures["mean_length"] == figures["mean_optimal"] == figures["optimal_fraction"] == 1
    with pytest.raises(twisterl.UsageError):
        policy.evaluate([])
    hard = {"num_episodes": 200, "difficulty": 1000, "deterministic": True}
    no_backtracking = policy.evaluate(**hard, backtracking=False)
    assert no_backtracking["success"] > policy.evaluate(**hard)["success"]
    state = [8, 6, 7, 2, 5, 4, 3, 0, 1]
    moves = policy.solve(state, num_searches=1, backtracking=False).actions
    assert not any({a, b} in ({0, 2}, {1, 3}) for a, b in itertools.pairwise(moves))


def test_policies_are_saved_whole(policy, tmp_path):
    policy.save(tmp_path / "whole.safetensors")
    again = twisterl.load_policy(tmp_path / "whole.safetensors")
    assert again.predict([1, 2, 3])[0].tolist() == policy.predict([1, 2, 3])[0].tolist()
    weights = again.weights()
    assert {name: array.shape for name, array in weights.items()}["embeddings.weight"] == (512, 81)
    assert sum(array.size for array in weights.values()) == again.num_parameters
    with pytest.raises(twisterl.UsageError):
        policy.save(tmp_path / "whole.pt")
    assert "Puzzle" in repr(policy)


def portable_logits(weights, ones):
    """The logits of the peer's network by the definition of `portable-1`: in single precision, input after input."""

    def rectified(x):
        return np.where(x > 0, x, np.float32(0))

    def dense(x, name):
        total = weights[f"{name}.bias"].copy()
        for value, column in zip(x, weights[f"{name}.weight"].T, strict=True):
            total = total + value * column
        return total

    x = weights["embeddings.bias"].copy()
    for one in ones:
        x = x + weights["embeddings.weight"][:, one]
    return dense(rectified(dense(rectified(x), "common.0")), "action.0")


def test_portable_policies_give_the_same_bytes_everywhere(root, policy, tmp_path, cli):
    file = copy_checkpoint(root, tmp_path, "ppo_puzzle8_v1", "safetensors")
    portable = twisterl.load_policy(file, portable=True)
    assert (policy.arithmetic, portable.arithmetic) == ("fused", "portable-1")
    weights = portable.weights()
    rows = [portable.make_env(seed=seed).observe() for seed in range(20)]
    expected = np.stack([portable_logits(weights, row) for row in rows])
    for threads in (1, 2):
        assert portable.forward_batch(rows, threads)[0].tobytes() == expected.tobytes()
    assert policy.forward_batch(rows)[0] == pytest.approx(expected, abs=1e-4)
    # Copies, pickles and files keep the arithmetic.
    portable.save(tmp_path / "portable.safetensors")
    again = [copy.deepcopy(portable), pickle.loads(pickle.dumps(portable))]
    for twin in (*again, twisterl.load_policy(tmp_path / "portable.safetensors")):
        assert twin.arithmetic == "portable-1"
        assert twin.forward_batch(rows)[0].tobytes() == expected.tobytes()
    with pytest.raises(twisterl.UsageError, match="portable: expected"):
        twisterl.load_policy(file, portable="yes")
    state = "8 7 5 3 2 0 4 6 1"
    flags = ["--state", state, "--search", "mcts=30", "--json"]
    answers = [
        cli("solve", *arguments, *flags) for arguments in ((file, "--portable"), (tmp_path / "portable.safetensors",))
    ]
    assert json.loads(answers[0].stdout)["actions"] == json.loads(answers[1].stdout)["actions"]
    for command in (["evaluate", file], ["compare", file]):
        result = cli(*command, "--portable", "--num-episodes", 2, "--difficulty", 2)
        assert result.returncode == 0, result.stderr


def test_what_is_no_policy_is_refused(tmp_path):
    with pytest.raises(FileNotFoundError) as missing:
        twisterl.load_policy(tmp_path / "nothing.safetensors")
    assert isinstance(missing.value, twisterl.TwisteRLError)
    for name, content in (("a.safetensors", b"\xff" * 40), ("b.pt", b"PK"), ("c.txt", b""), ("d.safetensors", b"")):
        (tmp_path / name).write_bytes(content)
        with pytest.raises((twisterl.CheckpointError, twisterl.MissingError)):
            twisterl.load_policy(tmp_path / name)
    with pytest.raises(twisterl.CheckpointError):
        twisterl.load_policy(tmp_path)


@pytest.mark.slow
@pytest.mark.parametrize(
    "work",
    [
        "policy.evaluate(num_episodes=2_000_000, difficulty=500)",
        "policy.solve_batch([[8, 6, 7, 2, 5, 4, 3, 0, 1]] * 100_000, search='beam=256')",
        "policy.solve([8, 6, 7, 2, 5, 4, 3, 0, 1], num_mcts_searches=60_000, num_searches=1000, max_expand_depth=1)",
        "prepare_algorithm(config).collect()",
    ],
)
def test_ctrl_c_stops_what_takes_long_and_the_policy_works_on(root, tmp_path, work):
    script = f"""
import json, sys, time, twisterl
from twisterl.utils import prepare_algorithm
config = json.load(open(sys.argv[2]))
config["algorithm"]["collecting"]["num_episodes"] = 500_000
policy = twisterl.load_policy(sys.argv[1], sys.argv[2])
print("ready", flush=True)
try:
    {work}
except KeyboardInterrupt:
    print(policy.solve([1, 0, 2, 3, 4, 5, 6, 7, 8], search="greedy").actions)
"""
    command = [sys.executable, "-c", script, root / "tests/vectors/peer/ppo_puzzle8_v1.safetensors"]
    command += [root / "tests/configs/ppo_puzzle8_v1.peer.json"]
    process = subprocess.Popen(
        list(map(str, command)), stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, preexec_fn=hear_ctrl_c
    )
    assert process.stdout.readline() == "ready\n"
    wait_until_busy(process, 1)
    process.send_signal(signal.SIGINT)
    begun = time.monotonic()
    out, errors = process.communicate(timeout=60)
    assert time.monotonic() - begun < SLACK
    assert (out, process.returncode) == ("[0]\n", 0), errors


def test_threads_share_a_policy(policy):
    expected = policy.predict([1, 2, 3])[0].tolist()
    wrong = []

    def work():
        for _ in range(300):
            if policy.predict([1, 2, 3])[0].tolist() != expected:
                wrong.append(1)
        policy.solve([1, 0, 2, 3, 4, 5, 6, 7, 8])

    threads = [threading.Thread(target=work) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert not wrong
    assert not any(thread.is_alive() for thread in threads)
