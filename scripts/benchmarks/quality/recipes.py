"""The trainings of `quantum_training`: a config of examples/quantum, and the searches that are measured with it."""

from dataclasses import dataclass
from itertools import combinations, permutations

Method = tuple[str, ...]

GREEDY: Method = ("--greedy",)
BOTH: Method = ("--invert", "both")


@dataclass(frozen=True)
class Recipe:
    """A training.

    Attributes:
        config: the name of the config, without suffix.
        changes: fields of the config that differ.
        targets: the number of targets.
        methods: the options of `evaluate` for each search, beside greedy play.
    """

    config: str
    changes: tuple[str, ...] = ()
    targets: int = 1000
    methods: tuple[Method, ...] = ()


def beams(*widths: int) -> tuple[Method, ...]:
    """Returns the options of beams from both ends."""
    return tuple(("--search", f"beam={width}", *BOTH) for width in widths)


def linear(qubits: int, length: int) -> Recipe:
    """Returns the recipe of linear functions on a line."""
    size = (f"env.num_qubits={qubits}", "env.dual=true", f"env.max_depth={2 * length}", "num_iterations=300")
    walks = (
        f"algorithm.collecting.walk_length={length}",
        f"algorithm.collecting.num_walks={512 if qubits < 7 else 256}",
    )
    return Recipe("backward_linear5_v1", (*size, *walks), 200, beams(256))


def clifford(qubits: int, length: int, width: int) -> Recipe:
    """Returns the recipe of Cliffords by CX, with all qubits connected."""
    edges = [list(edge) for edge in permutations(range(qubits), 2)]
    size = (f"env.num_qubits={qubits}", f"env.coupling_map={edges}", "env.max_depth=60", "policy.embedding_size=512")
    walks = (f"algorithm.collecting.walk_length={length}",)
    return Recipe("backward_coset4_v1", (*size, *walks), 100, beams(width))


def pauli(qubits: int) -> Recipe:
    """Returns the recipe of evolutions under Paulis, with all qubits connected."""
    edges = [list(edge) for edge in combinations(range(qubits), 2)]
    size = (f"env.num_qubits={qubits}", f"env.coupling_map={edges}", f"env.max_depth={16 * qubits}")
    walks = (f"algorithm.collecting.walk_length={6 * qubits}", "algorithm.collecting.num_walks=128")
    return Recipe("backward_pauli4_v1", (*size, *walks, "num_iterations=150"), 100, beams(16, 64))


# A wider network, trained four times as long, that may take any of the equally short circuits.
LONG = (
    "policy.embedding_size=1024",
    "policy.common_layers=[512,256]",
    "num_iterations=2500",
    "algorithm.collecting.label_window=2",
    "algorithm.collecting.experts.label_window=2",
    "algorithm.collecting.experts.after=0.15",
    "algorithm.collecting.experts.num_problems=24",
    "algorithm.collecting.experts.memory=200000",
)

RECIPES: dict[str, Recipe] = {
    "permutation9": Recipe("experts_permutation9_v1", methods=beams(16, 64)),
    "permutation27": Recipe("experts_permutation27_v1", targets=60, methods=beams(512, 2048)),
    "linear5": Recipe("experts_linear5_v1", methods=beams(16, 32)),
    "clifford3": Recipe("experts_clifford3_v1", methods=beams(32, 64)),
    "clifford3_long": Recipe("experts_clifford3_v1", LONG, methods=beams(32)),
    "coset4": Recipe("backward_coset4_v1", methods=beams(512, 2048)),
    "pauli4": Recipe("backward_pauli4_v1", (), 100, beams(16, 64)),
    "pauli5": pauli(5),
    "pauli6": pauli(6),
    "clifford5": clifford(5, 20, 256),
    "clifford6": clifford(6, 24, 256),
    "clifford7": clifford(7, 28, 128),
    "linear6": linear(6, 55),
    "linear7": linear(7, 80),
    "linear8": linear(8, 110),
    "linear9": linear(9, 140),
}
