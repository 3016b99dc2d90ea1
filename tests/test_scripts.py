"""The scripts, each run as a user would, on something small."""

import json
import re

import numpy as np
from generate import puzzle8_optimal

# Boards of the 3 x 3 puzzle at each distance from a goal with the blank in a corner: OEIS A089473.
BOARDS_AT_DISTANCE = [
    *(1, 2, 4, 8, 16, 20, 39, 62, 116, 152, 286, 396, 748, 1024, 1893, 2512, 4485, 5638, 9529, 10878, 16993),
    *(17110, 23952, 20224, 24047, 15578, 14560, 6274, 3910, 760, 221, 2),
]


# puzzle8_optimal.py


def test_breadth_first_search_finds_every_board_at_its_distance():
    sizes = [len(boards) for boards in puzzle8_optimal.layers(3, 3)]
    assert sizes == BOARDS_AT_DISTANCE
    assert sum(sizes) == 181_440


def test_ranks_number_all_permutations():
    boards = np.array([[0, 1, 2], [0, 2, 1], [1, 0, 2], [1, 2, 0], [2, 0, 1], [2, 1, 0]], dtype=np.uint8)
    assert puzzle8_optimal.ranks(boards).tolist() == [0, 1, 2, 3, 4, 5]


def test_states_file_holds_each_board_once(script, tmp_path):
    result = script("generate/puzzle8_optimal.py", "--width", 3, "--height", 2)
    assert result.returncode == 0, result.stderr
    states = json.loads((tmp_path / "runs/puzzle_3x2_optimal.json").read_text())
    assert (states["width"], states["height"]) == (3, 2)
    assert len({tuple(instance["state"]) for instance in states["instances"]}) == 360
    assert max(instance["optimal"] for instance in states["instances"]) == 21


def test_states_of_large_puzzles_are_refused(script):
    result = script("generate/puzzle8_optimal.py", "--width", 4, "--height", 4)
    assert result.returncode == 2
    assert "10 cells, found 4 x 4" in result.stderr


# config_reference.py


def test_config_reference_is_up_to_date(script, cli, root):
    schema = cli("schema").stdout
    result = script("generate/config_reference.py", input=schema)
    assert result.returncode == 0, result.stderr
    message = (
        "docs/config.md is out of date: twisterl-train schema | scripts/generate/config_reference.py > docs/config.md"
    )
    assert result.stdout == (root / "docs/config.md").read_text(), message


def test_config_reference_names_every_field(root):
    page = (root / "docs/config.md").read_text()
    for field in ("env_cls", "embedding_size", "lambda", "clip_ratio", "diff_metric", "betas", "every", "log_freq"):
        assert f"| `{field}` |" in page


def test_layers_page_shows_code_that_a_test_runs(root):
    page = (root / "docs/layers.md").read_text()
    tested = " ".join((root / "crates/twisterl-train/tests/layers.rs").read_text().split())
    blocks = re.findall(r"```rust\n(.*?)```", page, re.DOTALL)
    assert blocks
    for block in blocks:
        assert " ".join(block.split()) in tested, block


def test_config_reference_refuses_what_is_no_schema(script):
    result = script("generate/config_reference.py", input="nonsense")
    assert result.returncode == 1
    assert "expected a JSON Schema" in result.stderr
    assert "Traceback" not in result.stderr


# documents


def test_documents_name_scripts_and_benchmarks_that_exist(root):
    pages = ["README.md", "ARCHITECTURE.md", "CONTRIBUTING.md", "mojo/README.md", "benches/README.md"]
    records = [*root.glob("benches/records/*.json"), *root.glob("benches/records/*.md")]
    for page in [*(root / page for page in pages), *records]:
        text = page.read_text()
        for script in re.findall(r"scripts/\w+\.(?:py|sh)", text):
            assert (root / script).is_file(), f"{page.name} names {script}"
        for name in re.findall(r"scripts/benchmark\.py (?!-)(\w+)", text):
            places = [root / "scripts/benchmarks" / folder / f"{name}.py" for folder in ("", "interfaces", "quality")]
            assert any(place.is_file() for place in places), f"{page.name} names the benchmark {name}"


def test_every_example_is_in_the_table_of_examples(root):
    page = (root / "examples/README.md").read_text()
    for path in (root / "examples").iterdir():
        assert f"]({path.name})" in page or path.name in ("README.md", "__pycache__"), path.name
