"""The notebook of circuits runs, with a shorter training."""

import json
import os

import matplotlib as mpl
import pytest

pytest.importorskip("qiskit")

SHORTER = (
    ("iterations=150", "iterations=60"),
    ("for seed in range(60)", "for seed in range(10)"),
    ("for seed in range(16)]", "for seed in range(6)]"),
    ("np.arange(16)", "np.arange(6)"),
    # Its pictures need pylatexenc.
    ('draw("mpl", style="bw", fold=36, scale=0.6)', 'draw("text")'),
    ('draw("mpl", style="bw")', 'draw("text")'),
)


@pytest.mark.slow
def test_the_cells_run(root, monkeypatch, capsys):
    pytest.importorskip("matplotlib.pyplot")
    monkeypatch.setenv("TWISTERL_QUANTUM_MODELS", "")
    mpl.use("Agg")
    cells = json.loads((root / "examples/quantum.ipynb").read_text())["cells"]
    code = "\n".join("".join(cell["source"]) for cell in cells if cell["cell_type"] == "code")
    for long, short in SHORTER:
        assert long in code
        code = code.replace(long, short)
    names = {}
    exec(compile(code, "quantum.ipynb", "exec"), names)
    assert names["model"].figures["solved"] == 1
    shown = capsys.readouterr().out
    assert "line3 fits" in shown
    counts = [sum(map(names["two_qubit_count"], names[name])) for name in ("usual", "ours")]
    assert counts[1] < counts[0]
    assert os.fspath(root) not in json.dumps(cells), "a path of the machine that ran it"
    assert all(cell["outputs"] for cell in cells if cell["cell_type"] == "code" and "draw(" in "".join(cell["source"]))
