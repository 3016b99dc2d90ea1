"""The cases to compare: training runs, problems, and the options to solve them.

Every config of `examples/` is trained for `ITERATIONS`. Sizes are reduced so that all of them take minutes on two slow
cores; evaluations, probes and curricula are due more often instead, so that each of them happens within the run.
Further cases cover what no example uses.
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
ITERATIONS = 20  # of each run
MORE_ITERATIONS = 10  # of each resumed run
EVERY = {"algorithm.logging.log_freq": 1, "algorithm.logging.checkpoint_freq": 8}


@dataclass(frozen=True)
class Training:
    """A run: a config, changes to it, and what it starts from."""

    name: str
    config: str  # path below the repository
    changes: Mapping[str, object]  # by the path of the field
    threads: int = 2
    kept: bool = False  # its folder is resumed, and its policy solves problems
    weights: str | None = None  # for --load-checkpoint

    def arguments(self) -> list[str]:
        """Returns the command line, but for the folder of the run."""
        changes = {**EVERY, **self.changes}
        sets = [part for path, value in changes.items() for part in ("--set", f"{path}={json.dumps(value)}")]
        weights = ["--load-checkpoint", str(ROOT / self.weights)] if self.weights else []
        steps = ["--num-steps", str(ITERATIONS), "--num-cores", str(self.threads)]
        return [str(ROOT / self.config), "--quiet", *steps, *weights, *sets]


def _evals(names: str, episodes: int, every: int = 10) -> dict[str, object]:
    fields: dict[str, object] = {}
    for name in names.split():
        fields[f"algorithm.evals.{name}.num_episodes"] = episodes
        fields[f"algorithm.evals.{name}.every"] = every
    return fields


_PROBES = {
    "algorithm.collecting.starts.probe_states": 512,
    "algorithm.collecting.starts.probe_every": 5,
    "algorithm.learning.diff_threshold": 0.4,
}
_HARDER = {"algorithm.learning.diff_threshold": 0.1}
# By the name of the example.
_EXAMPLES: dict[str, Mapping[str, object]] = {
    "az_puzzle15_v1": {
        **_evals("random_boards", 50),
        "env.max_depth": 60,
        "algorithm.collecting.num_episodes": 64,
        "algorithm.training.minibatch_size": 256,
    },
    "az_puzzle8_v1": {**_HARDER, **_evals("random_boards", 500)},
    "backward_puzzle15_v1": {"algorithm.collecting.num_walks": 256, **_evals("random_boards", 100)},
    "backward_puzzle24_v1": {"algorithm.collecting.num_walks": 64, **_evals("random_boards", 20)},
    "es_cartpole_v1": {},
    "es_pendulum_v1": _evals("greedy", 50),
    "es_puzzle8_v1": {"algorithm.learning.diff_threshold": 0.2, **_evals("now d10", 500)},
    "ppo_acrobot_v1": _evals("greedy", 20),
    "ppo_cartpole_v1": _evals("greedy", 50),
    "ppo_journey_v1": _evals("greedy", 100),
    "ppo_lightsout_v1": {"algorithm.learning.diff_threshold": 0.4, **_evals("random_boards", 200)},
    "ppo_mountaincar_v1": _evals("greedy", 20),
    "ppo_mountaincarcontinuous_v1": _evals("greedy", 10),
    "ppo_pendulum_v1": {"algorithm.training.num_epochs": 4, **_evals("greedy", 20)},
    "ppo_puzzle15_v1": {**_PROBES, **_evals("random_boards sampled", 100)},
    "ppo_puzzle8_conv2d_v1": {**_PROBES, **_evals("random_boards", 200)},
    "ppo_puzzle8_v1": {**_PROBES, **_evals("random_boards", 500)},
}
# These also run on one thread: one of each algorithm.
_ONE_THREAD = ("az_puzzle8_v1", "backward_puzzle15_v1", "es_cartpole_v1", "es_puzzle8_v1", "ppo_puzzle8_v1")
_KEPT = (
    *_ONE_THREAD,
    *("ppo_acrobot_v1", "ppo_cartpole_v1", "ppo_journey_v1", "ppo_lightsout_v1", "ppo_pendulum_v1"),
    "ppo_puzzle8_conv2d_v1",
)


def examples() -> list[Training]:
    """Returns a run of every config in `examples/`; a config without an entry above is an error."""
    runs = []
    for config in sorted((ROOT / "examples").glob("*.json")):
        changes = _EXAMPLES.get(config.stem)
        if changes is None:
            raise ValueError(f"{config}: expected an entry in scripts/comparison/cases.py, found none")
        path = f"examples/{config.name}"
        runs.append(Training(config.stem, path, changes, kept=config.stem in _KEPT))
        if config.stem in _ONE_THREAD:
            runs.append(Training(f"{config.stem}, 1 thread", path, changes, threads=1))
    return runs


_PEER = "tests/configs/ppo_puzzle8_v1.peer.json"
_PEER_WEIGHTS = "tests/vectors/peer/ppo_puzzle8_v1.safetensors"
_SMALL_PEER = {"algorithm.collecting.num_episodes": 128, "algorithm.training.num_epochs": 2, "env.difficulty": 4}
_SEARCHED = {"num_episodes": 5, "every": 10, "num_mcts_searches": 8, "max_steps": 30}
_LAYERS = [
    {"type": "reshape", "shape": [9, 9]},
    {"type": "linear", "outputs": 16, "activation": "gelu"},
    {"type": "positions"},
    {"type": "residual", "layers": [{"type": "layer_norm"}, {"type": "attention", "heads": 2}]},
    {"type": "residual", "layers": [{"type": "linear", "outputs": 16, "activation": "silu"}], "activation": "relu"},
    {"type": "conv1d", "channels": 16, "kernel": 3, "padding": 1},
    {"type": "transpose", "axes": [1, 0]},
    {"type": "pool", "by": "max"},
]


def variants() -> list[Training]:
    """Returns runs with the features that no example uses."""
    return [*_ppo_variants(), *_network_variants(), *_search_variants(), *_evolution_strategies()]


def _ppo_variants() -> list[Training]:
    small = {**_SMALL_PEER, "policy.embedding_size": 64}
    from_weights = {**_SMALL_PEER, "algorithm.training.target_kl": 0.001}
    squashed = {
        **_EXAMPLES["ppo_pendulum_v1"],
        "policy.distribution": [{"type": "squashed_gaussian", "log_std": "state", "log_std_init": -0.5}],
        "policy.normalize_observations": True,
        "algorithm.collecting.normalize_rewards": True,
        "algorithm.training.ent_coef": 0.01,
        "algorithm.optimizer.schedule": "exponential",
        "algorithm.optimizer.lr_final": 0.0001,
    }
    maze = {
        "env_cls": "Maze",
        "env": {"height": 5, "width": 5, "max_steps": 40},
        "algorithm.collecting.num_envs": 32,
        "algorithm.training.minibatch_size": 256,
        "algorithm.learning": {"diff_metric": "sampled", "diff_threshold": 0.1, "diff_step": 2, "diff_warmup": 5},
        "algorithm.evals": {
            "sampled": {"num_episodes": 20, "deterministic": False, "num_searches": 4, "seed": 3},
            "searched": {**_SEARCHED, "C": 2.0, "max_expand_depth": 2, "difficulty": 6},
            "drawn": {**_SEARCHED, "deterministic": False},
        },
    }
    return [
        Training("ppo whole episodes", _PEER, small, kept=True),
        Training("ppo from weights", _PEER, from_weights, weights=_PEER_WEIGHTS),
        Training("ppo squashed gaussian", "examples/ppo_pendulum_v1.json", squashed, kept=True),
        Training("ppo maze, evaluations by search", "examples/ppo_lightsout_v1.json", maze),
    ]


def _network_variants() -> list[Training]:
    small = {**_EXAMPLES["ppo_puzzle8_v1"], "algorithm.collecting.num_envs": 32}
    layers = {
        **small,
        "policy.layers": {"common": _LAYERS, "action": [{"type": "linear", "outputs": 8}], "value": []},
        "policy.init": {"scheme": "he", "action_gain": 0.1},
        "algorithm.optimizer.weight_decay": 0.01,
    }
    conv1d = {**small, "policy_cls": "Conv1dPolicy", "policy.conv_dim": 1, "policy.embedding_size": 72}
    return [
        Training("ppo conv1d", "examples/ppo_puzzle8_v1.json", conv1d),
        Training("ppo layers", "examples/ppo_puzzle8_conv2d_v1.json", layers, kept=True),
    ]


def _search_variants() -> list[Training]:
    puct = {
        **_EXAMPLES["az_puzzle8_v1"],
        "algorithm.collecting.selection": "puct",
        "algorithm.collecting.C": 2.0,
        "algorithm.collecting.noise": 0.25,
        "algorithm.collecting.forced_playouts": 2.0,
        "algorithm.collecting.temperature": 0.8,
        "algorithm.collecting.full_searches": 0.5,
        "algorithm.collecting.num_fast_searches": 2,
        "algorithm.collecting.surprise": 0.5,
        "algorithm.collecting.num_mcts_searches_start": 4,
        "algorithm.collecting.max_expand_depth": 2,
    }
    experts = {
        **_EXAMPLES["backward_puzzle15_v1"],
        "env.width": 3,
        "env.height": 3,
        "algorithm.collecting.walk_length": 40,
        "algorithm.collecting.walk_window": 8,
        "algorithm.collecting.experts.after": 0.5,
        "algorithm.collecting.experts.num_problems": 8,
        "algorithm.collecting.experts.beam": 16,
        "algorithm.collecting.experts.value_weight": 1.0,
        "algorithm.collecting.experts.window": 8,
        "algorithm.collecting.experts.memory": 60,
        "algorithm.collecting.experts.num_solutions": 16,
    }
    return [
        Training("az puct", "examples/az_puzzle8_v1.json", puct, kept=True),
        Training("backward experts", "examples/backward_puzzle15_v1.json", experts, kept=True),
    ]


def _evolution_strategies() -> list[Training]:
    cartpole, puzzle = "examples/es_cartpole_v1.json", "examples/es_puzzle8_v1.json"
    small = _EXAMPLES["es_cartpole_v1"]
    schedule = {"algorithm.es.sigma_final": 0.02, "algorithm.es.sigma_schedule": "exponential"}
    full = {"algorithm.es.rank": 0, "algorithm.es.shaping": "standardized", "algorithm.es.max_steps": 100}
    plain = {"algorithm.es.rank": 4, "algorithm.es.shaping": "none", "algorithm.es.deterministic": False}
    success = {"algorithm.es.fitness": "success", "algorithm.es.common": "pair", "algorithm.es.optimizer": "adam"}
    starts = {"algorithm.collecting.starts.uniform": 0.5, "algorithm.optimizer.lr": 0.01}
    no_way_back = {"policy.backtracking": False, "policy.symmetry": "none"}
    return [
        Training("es full rank", cartpole, {**small, **full, **schedule}, kept=True),
        Training("es rank 4", cartpole, {**small, **plain, "algorithm.optimizer.averaging": 0.9}),
        Training("es success", puzzle, {**_EXAMPLES["es_puzzle8_v1"], **success, **starts, **no_way_back}),
    ]


@dataclass(frozen=True)
class Problems:
    """A policy with problems to solve."""

    name: str
    policy: str  # path below the repository, or `runs/NAME` for a run that was kept
    config: str | None = None
    boards: str | Sequence[Sequence[int]] | None = (
        None  # states, or a file below the repository; scrambles if not given
    )
    count: int = 3
    methods: str = "few"  # `all`, `few`, or `episodes` where problems have no shortest solution
    limits: tuple[str, ...] = ()  # options that go with all methods


BOARDS8 = "tests/vectors/peer/ppo_puzzle8_v1.golden.json"
BOARDS15 = "tests/data/puzzle15_optimal.json"
BOARDS24 = "tests/data/puzzle24_optimal.json"
# Boards that are solved in 1, 2, 4 and 6 moves, for policies after few iterations.
EASY8 = (
    (1, 0, 2, 3, 4, 5, 6, 7, 8),
    (3, 1, 2, 6, 4, 5, 0, 7, 8),
    (3, 1, 2, 6, 0, 5, 7, 4, 8),
    (3, 1, 0, 6, 5, 2, 7, 4, 8),
)
_EASY = ("--difficulty", "8")
_PEER15 = "tests/configs/ppo_puzzle15_v1.peer.json"
PROBLEMS = [
    Problems("peer puzzle8 .pt", "tests/vectors/peer/ppo_puzzle8_v1.pt", _PEER, BOARDS8, 8, "all"),
    Problems("peer puzzle8 .safetensors", _PEER_WEIGHTS, _PEER, BOARDS8, 4),
    Problems(
        "peer puzzle15 .safetensors", "tests/vectors/peer/ppo_puzzle15_v1.safetensors", _PEER15, BOARDS15, 3, "all"
    ),
    Problems("peer puzzle15 .pt", "tests/vectors/peer/ppo_puzzle15_v1.pt", _PEER15, BOARDS15, 2),
    Problems("puzzle15", "benches/runs/puzzle15/policy.safetensors", None, BOARDS15, 4, "all"),
    Problems("puzzle24", "benches/runs/puzzle24/policy.safetensors", None, BOARDS24, 2, "all"),
    Problems("ppo puzzle8", "runs/ppo_puzzle8_v1", None, EASY8, 4, "all"),
    Problems("ppo puzzle8, scrambles", "runs/ppo_puzzle8_v1", count=50, limits=_EASY),
    Problems("ppo puzzle8 conv2d", "runs/ppo_puzzle8_conv2d_v1", None, EASY8, 4),
    Problems("ppo puzzle8 layers", "runs/ppo layers", None, EASY8, 4),
    Problems("ppo puzzle8 whole episodes", "runs/ppo whole episodes", None, EASY8, 4),
    Problems("az puzzle8", "runs/az_puzzle8_v1", None, EASY8, 4),
    Problems("az puzzle8 last", "runs/az_puzzle8_v1/checkpoint_last", None, EASY8, 4),
    Problems("es puzzle8", "runs/es_puzzle8_v1", None, EASY8, 4),
    Problems("backward puzzle15, scrambles", "runs/backward_puzzle15_v1", count=50, limits=_EASY),
    Problems("lights out", "runs/ppo_lightsout_v1", count=50),
    Problems("cartpole", "runs/ppo_cartpole_v1", count=20, methods="episodes"),
    Problems("es cartpole", "runs/es_cartpole_v1", count=20, methods="episodes"),
    Problems("acrobot", "runs/ppo_acrobot_v1", count=20, methods="episodes"),
    Problems("journey", "runs/ppo_journey_v1", count=100, methods="episodes"),
    Problems("pendulum", "runs/ppo_pendulum_v1", count=20, methods="episodes"),
    Problems("pendulum, squashed", "runs/ppo squashed gaussian", count=20, methods="episodes"),
]

_SEARCHES = ("greedy", "sample", "best-of=16", "mcts=50", "gumbel=32", "beam=64", "widening=64")
_WITH_TWISTS = [f"--search {search} --twists {use}" for search in _SEARCHES for use in ("none", "average", "each")]
_SPECIAL = """
    --search greedy --no-backtracking
    --search sample --no-backtracking --seed 5
    --search best-of=16 --no-backtracking --twists each
    --greedy --max-steps 20
    --num-searches 4
    --num-mcts-searches 10 --max-steps 40
    --search mcts=20 --exploration 3 --max-expand-depth 3 --max-steps 40
    --search mcts=20 --temperature 1 --gamma 0.95 --leaves 4 --seed 3 --max-steps 40
    --search gumbel=16 --leaves 2 --gamma 0.99 --max-steps 40
    --search beam=64 --score value
    --search beam=64 --score 10
    --search beam=64 --score policy --twists average --num-cores 1
    --search widening=64 --score value --twists each
    --search widening=64 --score 2.5
    --search best-of=16 --nodes 300
    --search mcts=50 --nodes 1000
    --search gumbel=32 --nodes 1000
    --search beam=64 --nodes 1500
    --search widening=64 --nodes 2500 --twists each
"""
_FEW = """
    --search greedy
    --search greedy --twists each
    --search sample --seed 1 --twists average
    --search best-of=4
    --search mcts=10 --max-steps 30
    --search gumbel=8 --max-steps 30
    --search beam=16
    --search beam=16 --score 1 --nodes 400
    --search widening=16
"""
_EPISODES = """
    --search greedy --max-steps 100
    --search sample --max-steps 100 --seed 2
    --search best-of=4 --max-steps 50
    --search mcts=8 --max-steps 30
    --search gumbel=8 --max-steps 30
    --search beam=8 --max-steps 30
"""


def options(methods: str) -> list[str]:
    """Returns the options, as one writes them, of `all`, `few` or `episodes`; none at all are the defaults."""
    lines = {"all": [*_WITH_TWISTS, *_lines(_SPECIAL)], "few": _lines(_FEW), "episodes": _lines(_EPISODES)}
    return ["", *lines[methods]]


def _lines(text: str) -> list[str]:
    return [line.strip() for line in text.strip().splitlines()]
