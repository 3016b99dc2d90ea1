"""The example notebook runs, with a shorter training."""

import json
import os

import matplotlib as mpl
import pytest

SHORTER = (
    ('config["num_iterations"] = 3000', 'config["num_iterations"] = 800'),
    ('["every"] = 250', '["every"] = 200'),
)


@pytest.mark.slow
def test_the_cells_run(root, monkeypatch, capsys):
    pytest.importorskip("matplotlib.pyplot")
    monkeypatch.chdir(root / "examples")
    mpl.use("Agg")
    cells = json.loads((root / "examples/puzzle.ipynb").read_text())["cells"]
    code = "\n".join("".join(cell["source"]) for cell in cells if cell["cell_type"] == "code")
    for long, short in SHORTER:
        assert code.count(long) == 1
        code = code.replace(long, short)
    names = {}
    exec(compile(code, "puzzle.ipynb", "exec"), names)
    assert sum("rollout" in row for row in names["run"].iterations()) == 800  # and the last evaluation
    assert names["solution"].start == names["start"]
    assert names["probabilities"].sum() == pytest.approx(1)
    assert names["file"].is_file()
    shown = capsys.readouterr().out
    assert "beam=64" in shown
    assert "solution.gif: " in shown
    assert "<img" in names["env"]._repr_html_()
    assert os.fspath(root) not in json.dumps(cells), "a path of the machine that ran it"
