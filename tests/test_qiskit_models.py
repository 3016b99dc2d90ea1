"""Models of circuits: training, files, folders, and maps of the same shape."""

import json
import re
import subprocess
import sys

import numpy as np
import pytest
import twisterl

pytest.importorskip("qiskit")
from qiskit.circuit.library import LinearFunction
from qiskit.quantum_info import Clifford, random_clifford
from qiskit.synthesis.linear import random_invertible_binary_matrix
from twisterl.errors import CheckpointError, FileError, MissingError, TwisteRLError, UsageError
from twisterl.quantum import coupling_of
from twisterl.quantum.models import Library, load_model, placement, train_model
from twisterl.quantum.models.library import default_folder, opened
from twisterl.quantum.targets import KINDS


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """Three small models."""
    made = tmp_path_factory.mktemp("models")
    train_model("line:2", "clifford", made / "two", iterations=10, quiet=True)
    train_model("line:3", "linear", made / "linear", iterations=20, quiet=True)
    train_model("ring:4", "permutation", made / "ring", iterations=10, quiet=True)
    return made


def quantum(*args, cwd=None):
    command = [sys.executable, "-m", "twisterl", "quantum", *map(str, args)]
    return subprocess.run(command, capture_output=True, text=True, timeout=120, check=False, cwd=cwd)


def test_a_model_solves_and_says_what_it_is(folder):
    model = load_model(folder / "linear")
    assert model.kind.name == "linear_function"
    assert model.coupling == coupling_of("line:3")
    assert model.figures["solved"] == 1
    # The mean over all 168 functions on a line of 3 is between those of 2 and 4 qubits, 1.5 and 9.12.
    assert 1.5 < model.figures["two_qubit_gates"] < 9.12
    for seed in range(10):
        function = LinearFunction(random_invertible_binary_matrix(3, seed=seed))
        assert LinearFunction(model.synth(function)) == function


def test_a_clifford_model_needs_no_more_than_three_gates_on_two_qubits(folder):
    model = load_model(folder / "two")
    for seed in range(20):
        clifford = random_clifford(2, seed=seed)
        circuit = model.synth(clifford)
        assert Clifford(circuit) == clifford
        assert circuit.count_ops().get("cx", 0) <= 3


def test_a_model_can_be_a_file_of_the_peer(root):
    model = load_model(root / "tests/vectors/peer/perm_square_3x3.pt")
    assert model.kind.name == "permutation"
    assert model.coupling == coupling_of("grid:3x3")
    assert len(model.synth([1, 0, *range(2, 9)]).data) == 1


# Files of others.


def copied(folder, tmp_path, change):
    made = tmp_path / "copy"
    made.mkdir()
    for file in (folder / "linear").iterdir():
        (made / file.name).write_bytes(file.read_bytes())
    change(made)
    return made


def described(**changes):
    def change(folder):
        file = folder / "model.json"
        file.write_text(json.dumps({**json.loads(file.read_text()), **changes}))

    return change


def written(name, content):
    return lambda folder: (folder / name).write_bytes(content)


@pytest.mark.parametrize(
    ("change", "error", "message"),
    [
        (described(format=2), CheckpointError, "expected format 1, found 2"),
        (described(kind="clifford"), CheckpointError, "expected kind 'linear_function' as of its policy"),
        (described(coupling_map=[[0, 1]]), CheckpointError, "expected coupling_map"),
        (described(num_qubits=10**9), CheckpointError, "expected num_qubits 3"),
        (described(figures=5), CheckpointError, "expected objects in figures"),
        (written("model.json", b"["), TwisteRLError, "model.json"),
        (written("model.json", b"{" * 100_000), TwisteRLError, "model.json"),
        (written("policy.safetensors", b"PK\x03\x04"), TwisteRLError, "policy.safetensors"),
        (written("policy.safetensors", b"\xff" * 64), TwisteRLError, "policy.safetensors"),
        (lambda folder: (folder / "policy.safetensors").unlink(), TwisteRLError, "policy.safetensors"),
    ],
)
def test_broken_models_are_refused_and_told_by_libraries(folder, tmp_path, change, error, message):
    place = copied(folder, tmp_path, change)
    with pytest.raises(error, match=message):
        load_model(place)
    library = Library(tmp_path)
    assert len(library) == 0
    assert [path for path, _ in library.broken] == [place]
    shown = quantum("models", tmp_path)
    assert shown.returncode == 1
    assert message.split(",")[0] in shown.stderr


def test_no_code_of_a_model_runs(folder, tmp_path, monkeypatch):
    """A policy whose environment is a class of Python is refused, and its module is not imported."""
    (tmp_path / "evil.py").write_text("raise SystemExit('imported')")
    monkeypatch.syspath_prepend(tmp_path)
    config = json.loads((folder / "linear/model.json").read_text())
    made = tmp_path / "model"
    made.mkdir()
    (made / "model.json").write_text(json.dumps(config))
    content = (folder / "linear/policy.safetensors").read_bytes()
    size = int.from_bytes(content[:8], "little")
    header = content[8 : 8 + size].replace(b"LinearFunction", b"evil.Function")
    (made / "policy.safetensors").write_bytes(len(header).to_bytes(8, "little") + header + content[8 + size :])
    with pytest.raises(TwisteRLError):
        load_model(made)
    assert "evil" not in sys.modules


def test_a_policy_of_another_environment_is_no_model(tmp_path):
    run = twisterl.train({"env_cls": "Puzzle"}, tmp_path / "run", num_steps=0, quiet=True)
    run.policy.save(tmp_path / "puzzle.safetensors")
    with pytest.raises(CheckpointError, match=r"expected a policy for one of Permutation, .*, found one for 'Puzzle'"):
        load_model(tmp_path / "puzzle.safetensors")


def test_a_missing_model_is_missing(tmp_path):
    with pytest.raises(MissingError):
        load_model(tmp_path / "none")


# Maps.


@pytest.mark.parametrize(
    ("model", "coupling", "places"),
    [
        ("line:3", "line:3", (0, 1, 2)),
        ("line:3", [(2, 0), (0, 1)], None),
        ("line:3", "ring:3", None),
        ("grid:2x3", [(5, 4), (4, 3), (2, 1), (1, 0), (5, 0), (4, 1), (3, 2)], None),
        ("eagle:127", "eagle:127", tuple(range(127))),
    ],
)
def test_a_model_is_placed_along_the_edges(model, coupling, places):
    model, coupling = coupling_of(model), coupling_of(coupling)
    found = placement(model, coupling)
    assert sorted(found.places) == list(range(model.num_qubits))
    assert places is None or found.places == places
    for a, b in model.pairs:
        assert found.places[b] in coupling.neighbours[found.places[a]]
    assert found.unused == len(coupling.pairs) - len(model.pairs)


@pytest.mark.parametrize(
    ("model", "coupling"), [("ring:4", "line:4"), ("line:3", "line:4"), ("star:4", "line:4"), ("star:5", "ring:5")]
)
def test_a_model_fits_no_other_shape(model, coupling):
    assert placement(coupling_of(model), coupling_of(coupling)) is None


def test_any_numbering_of_a_large_map_is_found():
    rng = np.random.default_rng(3)
    for name in ("grid:3x3", "falcon:27", "heavy-hex:3"):
        model = coupling_of(name)
        order = rng.permutation(model.num_qubits).tolist()
        renumbered = coupling_of([(order[a], order[b]) for a, b in model.edges])
        found = placement(model, renumbered)
        assert {tuple(sorted((found.places[a], found.places[b]))) for a, b in model.pairs} == set(renumbered.pairs)


# Folders.


def test_a_library_finds_models_by_map(folder):
    library = Library(folder)
    assert sorted(library.models) == ["linear", "ring", "two"]
    assert library.sizes(KINDS["clifford"]) == [2]
    (found,) = library.find(KINDS["linear_function"], coupling_of([(1, 2), (2, 0)]))
    assert found[0].name == "linear"
    assert found[1].places in ((1, 2, 0), (0, 2, 1))
    assert library.find(KINDS["linear_function"], coupling_of("line:4")) == []
    assert library.find("linear", [(1, 2), (2, 0)]) == [found]
    assert library.sizes("clifford") == [2]
    with pytest.raises(UsageError, match="kind: expected one of routing"):
        library.find("matrices", "line:3")


def test_a_named_folder_that_is_not_there_is_told(folder, tmp_path, monkeypatch):
    with pytest.warns(UserWarning, match="missing: expected a folder of models, found nothing"):
        assert len(opened(tmp_path / "missing")) == 0
    monkeypatch.setenv("TWISTERL_QUANTUM_MODELS", __file__)
    with pytest.warns(UserWarning, match="expected a folder of models, found another file"):
        assert len(opened()) == 0
    # One model is taken, too: its folder, or its file.
    assert list(opened(folder / "two").models) == ["two"]
    assert list(opened(folder / "two" / "policy.safetensors").models) == ["policy.safetensors"]


def test_the_default_folder(monkeypatch, tmp_path):
    monkeypatch.setenv("TWISTERL_QUANTUM_MODELS", str(tmp_path / "mine"))
    assert default_folder() == tmp_path / "mine"
    assert len(Library()) == 0
    if sys.platform == "linux":
        monkeypatch.delenv("TWISTERL_QUANTUM_MODELS")
        monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path))
        assert default_folder() == tmp_path / "twisterl/quantum"


def test_a_folder_is_read_again_when_it_changes(folder, tmp_path):
    assert len(opened(tmp_path)) == 0
    copied(folder, tmp_path, lambda _: None)
    first = opened(tmp_path)
    assert len(first) == 1
    assert opened(tmp_path) is first


# Training.


@pytest.mark.parametrize(
    ("coupling", "kind", "options", "message"),
    [
        ([(0, 1), (2, 3)], "clifford", {}, "expected a connected map"),
        ("line:1", "clifford", {}, "number of qubits: expected a whole number from 2 to 32, found 1"),
        ("line:33", "clifford", {}, "from 2 to 32, found 33"),
        ("line:2", "unitary", {}, "kind: expected one of .*, pauli_network, found 'unitary'"),
        ("line:2", "clifford", {"iterations": 0}, "iterations: expected a whole number from 1"),
        ("line:2", "clifford", {"minutes": -1}, "minutes: expected a number above 0"),
        ("line:2", "clifford", {"minutes": float("nan")}, "minutes: expected a number above 0"),
        ("line:2", "clifford", {"minutes": 1, "iterations": 1}, "found both"),
    ],
)
def test_impossible_trainings_are_refused(tmp_path, coupling, kind, options, message):
    with pytest.raises(UsageError, match=message):
        train_model(coupling, kind, tmp_path / "model", **options)
    assert not (tmp_path / "model").exists()


def test_a_folder_that_cannot_be_written_is_named(folder, tmp_path):
    (tmp_path / "file").write_text("")
    model = load_model(folder / "two")
    model.path = tmp_path / "file/model"
    with pytest.raises(FileError, match="cannot write: Not a directory"):
        model.save()
    with pytest.raises(FileError, match="cannot write: Not a directory"):
        train_model("line:2", "clifford", tmp_path / "file/model")


def test_nothing_is_overwritten(folder):
    with pytest.raises(UsageError, match="expected a new or empty folder"):
        train_model("line:2", "clifford", folder)


def test_the_commands(folder, tmp_path):
    shown = quantum("train", "--map", "0-1", "--kind", "linear", "--iterations", 3, "-o", tmp_path / "made", "--quiet")
    assert shown.returncode == 0, shown.stderr
    assert "linear_function, 2 qubits, 1 edge, 100.0 % solved" in shown.stdout
    assert sorted(file.name for file in (tmp_path / "made").iterdir()) == ["model.json", "policy.safetensors"]
    shown = quantum("models", folder, "--map", "7-3,3-5", "--check")
    assert shown.returncode == 0, shown.stderr
    assert shown.stdout.splitlines()[0].startswith("linear: linear_function, 3 qubits, 2 edges")
    assert re.search(r"its qubits 0 to 2 are (7, 3, 5|5, 3, 7) of the map", shown.stdout)
    assert "10 of 10 random targets solved" in shown.stdout
    assert "two" not in [line.split(":")[0] for line in shown.stdout.splitlines()]


def test_minutes_are_kept(tmp_path):
    model = train_model("line:2", "linear", tmp_path / "model", minutes=0.02, quiet=True)
    assert model.training["seconds"] < 6
    assert model.training["iterations"] >= 1
