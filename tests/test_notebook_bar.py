"""The progress of training in notebooks: one bar that is updated in place."""

import sys
import types

import pytest
import twisterl
from twisterl._internal.display import progress

from tests.tiny_runs import TINY


class Handle:
    """A display as notebooks have it: what was shown there, one after the other."""

    def __init__(self):
        self.shown = []

    def update(self, data, raw=False):
        assert raw
        self.shown.append(data)


@pytest.fixture
def displays(monkeypatch):
    """The displays that a notebook shows, with IPython's interface."""
    handles = []

    def display(data, raw=False, display_id=False):
        assert raw
        assert display_id is True
        handles.append(Handle())
        handles[-1].update(data, raw=True)
        return handles[-1]

    shell = types.SimpleNamespace(kernel=object())
    ipython = types.ModuleType("IPython")
    ipython.get_ipython = lambda: shell
    ipython.display = types.ModuleType("IPython.display")
    ipython.display.display = display
    monkeypatch.setitem(sys.modules, "IPython", ipython)
    monkeypatch.setitem(sys.modules, "IPython.display", ipython.display)
    return handles


def lines(displays):
    (handle,) = displays
    return [data["text/plain"] for data in handle.shown]


def metrics(iteration, **values):
    base = {"iteration": iteration, "env_steps": 100 * (iteration + 1), "difficulty": 1, "success": None}
    return {**base, "evals": {}, "rollout": {}, "time": {"steps_per_second": 12345.0}, **values}


def test_training_shows_one_bar_and_no_lines(displays, tmp_path, capfd):
    seen = []
    config = {**TINY, "num_iterations": 200}
    twisterl.train(config, tmp_path / "run", callback=lambda row: seen.append(row["iteration"]))
    assert seen == list(range(200))
    shown = lines(displays)
    assert shown[0].startswith("iteration 1 of 200")
    assert shown[-1].startswith("iteration 200 of 200, difficulty 6, success ")
    assert "finished after" in shown[-1]
    assert len(shown) < 50
    assert capfd.readouterr() == ("", "")
    page = displays[0].shown[-1]["text/html"]
    assert "width:100.0%" in page
    assert shown[-1] in page


def test_resumed_runs_count_from_where_they_were(displays, tmp_path):
    run = twisterl.train({**TINY, "num_iterations": 5}, tmp_path / "run", quiet=True)
    assert displays == []
    run.resume(num_steps=8)
    shown = lines(displays)
    assert shown[0].startswith("iteration 6 of 8")
    assert shown[-1].startswith("iteration 8 of 8")


def test_a_stopped_run_says_so(displays, tmp_path):
    def stop(row):
        if row["iteration"] == 3:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        twisterl.train({**TINY, "num_iterations": 100}, tmp_path / "run", callback=stop)
    assert lines(displays)[-1].startswith("iteration 4 of 100")
    assert "stopped after" in lines(displays)[-1]


def test_the_callback_still_stops_the_run(displays, tmp_path):
    run = twisterl.train({**TINY, "num_iterations": 100}, tmp_path / "run", callback=lambda row: row["iteration"] < 2)
    assert len(run.iterations()) == 3
    assert "stopped after" in lines(displays)[-1]


def test_outside_notebooks_the_trainer_shows_its_own(tmp_path, capfd):
    assert not progress.in_notebook()
    twisterl.train({**TINY, "num_iterations": 5}, tmp_path / "run")
    assert "iteration" in capfd.readouterr().err


def test_it_is_updated_a_few_times_a_second_whatever_the_rate(displays):
    now = 0.0
    with progress.NotebookBar(1000, clock=lambda: now) as bar:
        for iteration in range(1000):
            now += 0.02
            bar.show(metrics(iteration))
    # 20 s at almost 4 updates a second, and the end.
    assert 76 <= len(lines(displays)) <= 81
    assert "finished after 20 s" in lines(displays)[-1]


def test_it_tells_rate_and_time_left(displays):
    now = 0.0
    with progress.NotebookBar(400, clock=lambda: now) as bar:
        for iteration in (99, 100, 101, 102):  # a resumed run: its rate is that of these iterations
            now += 30.0
            bar.show(metrics(iteration, difficulty=4, rollout={"success": 0.5, "reward": -1.0}))
    # 30 s an iteration, and 297 left.
    assert lines(displays)[3] == ("iteration 103 of 400, difficulty 4, success 50.0 %, 12.3 k steps/s, 2 h 28 min left")
    assert lines(displays)[-1] == (
        "iteration 103 of 400, difficulty 4, success 50.0 %, 10,300 steps, stopped after 2 min 0 s"
    )


@pytest.mark.parametrize(
    ("values", "measure"),
    [
        ({"success": 0.25}, "success 25.0 %"),
        ({"rollout": {"success": None, "reward": 21.0}}, "return 21"),
        ({"rollout": {"success": 0.0, "reward": 21.0}}, "success 0.0 %"),
        ({"rollout": {"success": None, "reward": 475.25}}, "return 475.2"),
        ({"evals": {"greedy": {"success": 1.0, "reward": 3}}, "rollout": {"success": 0.1}}, "success 100.0 %"),
        ({"rollout": {"success": 0.0}}, "success 0.0 %"),
        ({}, ""),
    ],
)
def test_it_shows_success_or_else_the_return(values, measure):
    assert progress._measure(metrics(0, **values)) == measure


def test_it_is_html_of_escaped_text(displays):
    with progress.NotebookBar(None) as bar:
        bar._measure = "<b>&"
        bar.show(metrics(0))
    page = displays[0].shown[0]["text/html"]
    assert "&lt;b&gt;&amp;" in page
    assert "<b>" not in page


@pytest.mark.slow
def test_in_a_kernel_of_jupyter(tmp_path):
    nbformat = pytest.importorskip("nbformat")
    nbclient = pytest.importorskip("nbclient")
    pytest.importorskip("ipykernel")
    train = f"import twisterl\nrun = twisterl.train({ {**TINY, 'num_iterations': 50}!r}, {str(tmp_path / 'run')!r})"
    cells = [train, "run.policy.solve_scramble()", "run.policy", "run.policy.make_env(1)"]
    notebook = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(cell) for cell in cells])
    nbclient.NotebookClient(notebook, timeout=120).execute()
    (bar,) = notebook.cells[0].outputs
    assert bar.output_type == "display_data"
    assert bar.data["text/plain"].startswith("iteration 50 of 50")
    for cell, part in zip(notebook.cells[1:], ("twisterl-", "<table", "<figure"), strict=True):
        (output,) = cell.outputs
        assert part in output.data["text/html"]
