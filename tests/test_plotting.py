"""Tables and figures of runs: the statistics by hand, every figure drawn, and what is no run refused."""

import csv
import io
import itertools
import json
import math
import statistics
import subprocess
import sys

import numpy as np
import pytest
from launcher.package_plotting import FOLDER, cli, plotting
from twisterl_plotting import curves, lengths, phases, runs, seeds, table

PNG = b"\x89PNG"
HISTOGRAM = [
    {"length": None, "optimal": 4, "count": 1},
    {"length": 2, "optimal": 2, "count": 3},
    {"length": 4, "optimal": 2, "count": 2},
    {"length": 8, "optimal": 4, "count": 4},
]


def record(i, success=None, steps=100, seconds=0.5):
    """One like the trainer's; evaluated in every other iteration."""
    success = i / 10 if success is None else success
    evals = {"ppo_1": {"success": success, "length": 5.0 if success else 0.0}} if i % 2 == 0 else {}
    return {
        "iteration": i,
        "env_steps": steps * (i + 1),
        "difficulty": 1 + i,
        "success": 0.5,
        "evals": evals,
        "rollout": {"episodes": 9, "success": 0.5, "length": 7.0},
        "losses": {"policy_loss": -0.1 * i, "value_loss": None if i == 1 else 1 / (1 + i), "lr": 0.1, "made_up": i % 2},
        "time": {
            "collect": 0.25 * seconds,
            "update": 0.5 * seconds,
            "total": seconds,
            "steps_per_second": steps / seconds,
            "elapsed": seconds * (i + 1),
        },
    }


def history(count=6, name="run", evaluation=None, config=None, **options):
    return plotting.History([record(i, **options) for i in range(count)], name, config or {}, evaluation)


def write_run(folder, lines, **files):
    folder.mkdir(parents=True)
    (folder / "metrics.jsonl").write_text("\n".join(lines))
    for name, content in files.items():
        (folder / f"{name}.json").write_text(content if isinstance(content, str) else json.dumps(content))
    return folder


def lines_of(count):
    return [json.dumps(record(i)) for i in range(count)]


# Statistics


@pytest.mark.parametrize(
    ("scores", "expected"),
    [
        ([3.0], 3.0),
        ([1.0, 2.0, 6.0], 3.0),  # a quarter of three is none
        ([9.0, 1.0, 2.0, 4.0], 3.0),  # the mean of 2 and 4
        ([0.0, 1.0, 2.0, 3.0, 100.0], 2.0),  # 1, 2, 3
        ([8.0, 7.0, 6.0, 5.0, 4.0, 3.0, 2.0, 1.0], 4.5),  # 3, 4, 5, 6
        ([1.0, 2.0, 3.0, math.inf], 2.5),  # the one that never got there is dropped
    ],
)
def test_interquartile_mean_drops_a_quarter_at_each_end(scores, expected):
    assert plotting.iqm(scores) == pytest.approx(expected)
    if all(map(math.isfinite, scores)):  # the same, over a curve's points
        middle = seeds.bands.aggregate(np.array([[s, 2 * s] for s in scores]))[0]
        assert middle == pytest.approx([expected, 2 * expected])


def test_quantiles_are_interpolated():
    assert [seeds.stats.quantile([0.0, 10.0, 20.0], q) for q in (0, 0.25, 0.5, 0.975, 1)] == [0, 5, 10, 19.5, 20]
    assert seeds.stats.quantile([1.0, 2.0, math.inf], 0.5) == 2.0
    assert seeds.stats.quantile([1.0, math.inf, math.inf], 0.75) == math.inf


def test_bootstrap_interval_is_that_of_all_resamples():
    # Of two scores 0 and 1 the mean of a resample is 0, 1/2 or 1 with probabilities 1/4, 1/2, 1/4.
    assert seeds.stats.stratified_bootstrap([[0.0, 1.0]]) == (0.0, 1.0)
    assert seeds.stats.stratified_bootstrap([[0.0, 1.0]], confidence=0.4) == (0.5, 0.5)
    # Of three scores all 27 resamples can be counted.
    scores = [1.0, 5.0, 30.0]
    exact = sorted(statistics.fmean(sample) for sample in itertools.product(scores, repeat=3))
    low, high = seeds.stats.stratified_bootstrap([scores], confidence=0.6, resamples=20_000)
    assert low == pytest.approx(seeds.stats.quantile(exact, 0.2), abs=1e-9)
    assert high == pytest.approx(seeds.stats.quantile(exact, 0.8), abs=1e-9)


def test_bootstrap_draws_within_each_task():
    # Tasks without spread of their own leave nothing to chance, however far they are apart.
    assert seeds.stats.stratified_bootstrap([[0.0, 0.0], [1.0, 1.0, 1.0, 1.0]], statistics.fmean) == pytest.approx(
        (2 / 3, 2 / 3)
    )
    low, high = seeds.stats.stratified_bootstrap([[0.0, 0.0, 1.0, 1.0, 1.0, 1.0]], statistics.fmean)
    assert low < 0.5 < 0.9 < high


def test_single_runs_have_no_interval():
    assert seeds.stats.stratified_bootstrap([[3.0]]) is None
    assert seeds.stats.stratified_bootstrap([[3.0], [4.0]]) is None
    assert seeds.stats.stratified_bootstrap([[3.0], [4.0, 5.0]]) is not None


def test_bands_agree_with_the_intervals_of_the_table():
    scores = [0.2, 0.9, 0.5, 0.7, 0.4]
    middle, low, high = seeds.bands.aggregate(np.array(scores)[:, None])
    interval = seeds.stats.stratified_bootstrap([scores])
    assert middle[0] == pytest.approx(seeds.stats.iqm(scores))
    assert [low[0], high[0]] == pytest.approx(list(interval), abs=0.04)  # two generators


# Curves


def test_dense_records_are_averaged_and_staircases_keep_their_steps():
    x = np.arange(1.0, 1001)
    middle, means = seeds.bands.bins(x, 3 * x, log=False, steps=False)
    assert len(middle) <= seeds.bands.POINTS
    assert means == pytest.approx(3 * middle)
    at, last = seeds.bands.bins(x, np.floor(x / 100), log=False, steps=True)
    assert last == pytest.approx(np.floor(at / 100))
    assert at[-1] == 1000
    few = seeds.bands.bins(x[:10], x[:10], log=False, steps=False)
    assert few[0] is x[:10] or len(few[0]) == 10


def test_line_ends_where_the_shortest_run_ends(tmp_path):
    group = plotting.Group("uneven", [history(6), history(6), history(11)])
    figure = curves.learning_curves([group])
    drawn = [line.get_xdata() for line in figure.axes[0].get_lines() if len(line.get_xdata()) > 1]
    assert drawn[0][-1] == 500, "the evaluation of the sixth record of 100 steps each is the one before it"
    assert any(points[0] == 500 and points[-1] == 1100 for points in drawn), "the rest of the long run is there"
    assert "went on longer" in figure.get_supxlabel()


def test_lengths_are_left_out_where_nothing_was_solved():
    run = history(4)
    assert run.series("env_steps", "evals.ppo_1.length") == ([300], [5.0])
    assert run.series("env_steps", "evals.ppo_1.success") == ([100, 300], [0.0, 0.2])


def test_groups_of_very_different_length_are_drawn_on_a_logarithmic_axis():
    short, long = (plotting.Group(str(n), [history(n)]) for n in (3, 200))
    assert seeds.bands.logarithmic([short, long], "env_steps")
    assert not seeds.bands.logarithmic([short, short], "env_steps")
    assert curves.learning_curves([short, long]).axes[0].get_xscale() == "log"


def test_primary_evaluation_is_the_one_that_chooses_the_best_policy():
    records = [{"env_steps": 1, "evals": {"a": {"success": 0.1}, "b": {"success": 0.2}}}]
    config = {"algorithm": {"learning": {"diff_metric": "b"}}}
    assert plotting.History(records, config=config).primary() == "b"
    assert plotting.History(records).primary() == "a"
    assert plotting.History([{"env_steps": 1}]).primary() == "rollout"


# Phases and lengths


def test_phases_add_up_to_the_whole_time():
    group = plotting.Group("g", [history(8, steps=1000, seconds=2.0), history(8, steps=1000, seconds=4.0)])
    names = phases.phase_names([group])
    assert names == ["collect", "update", "other"]
    edges, per_million, share = phases.costs([phases.seconds(run, names) for run in group.runs])
    assert share == pytest.approx([0.25, 0.5, 0.25])
    # 3 s per 1,000 steps in the mean of both runs.
    assert per_million.sum(axis=0) == pytest.approx([3000.0] * (len(edges) - 1))


def test_phases_are_those_of_an_iteration_where_not_all_are_logged():
    every = [record(i) for i in (0, 4, 8)]  # env_steps of all five, times of one
    rows = phases.seconds(plotting.History(every), ["collect", "update", "other"])
    assert [row[1] for row in rows] == [100.0, 100.0, 100.0]


def test_excess_is_the_share_of_all_problems():
    rows = lengths.triples(history(evaluation={"lengths": HISTOGRAM}))
    # Of 10 problems 3 are solved optimally, 2 in two moves more, 4 in four more, 1 not at all.
    assert lengths.excess(rows, 5) == pytest.approx([0.3, 0.3, 0.5, 0.5, 0.9, 0.9])


@pytest.mark.parametrize("found", [None, [], "x", [3], [{"length": 1.5, "optimal": 1, "count": 1}], [{"length": 1}]])
def test_lengths_of_another_form_are_refused(found):
    with pytest.raises(plotting.PlotError, match=r"run: evaluation.*expected"):
        lengths.triples(history(evaluation={"lengths": found}))


# Figures


def groups_of_all_kinds():
    evaluation = {"lengths": HISTOGRAM, "success": 0.9, "mean_length": 5.1, "mean_optimal": 3.0}
    return {
        "one run": [plotting.Group("one", [history()])],
        "one record": [plotting.Group("one", [history(1)])],
        "seeds": [plotting.Group("some", [history(5), history(6), history(9)])],
        "groups": [
            plotting.Group("first, with a _name_ & $signs", [history(500), history(500)]),
            plotting.Group("evaluated", [history(evaluation=evaluation), history(evaluation=evaluation)]),
            plotting.Group("bare", [plotting.History([{"env_steps": 5}])]),
        ],
        "no numbers": [plotting.Group("bare", [plotting.History([{"env_steps": None, "evals": 3, "time": []}])])],
        "many": [plotting.Group(f"group {i}", [history(steps=10 ** (i % 4))]) for i in range(9)],
    }


def test_where_there_is_nothing_to_solve_the_return_is_shown():
    score = {"success": 0.0, "length": 0.0, "reward": 321.5}
    run = plotting.History([{"env_steps": 5 * i, "time": {"elapsed": i}, "evals": {"greedy": score}} for i in (1, 2)])
    control, puzzle = plotting.Group("control", [run]), plotting.Group("puzzle", [history()])
    for figure in (plotting.overview, plotting.learning_curves, plotting.evaluations):
        titles = [axes.get_title(loc="left") or axes.get_title() for axes in figure([control]).axes]
        assert any("return" in title or title == "greedy" for title in titles), titles
        assert not any("solved" in title for title in titles), titles
    assert any("solved" in axes.get_title(loc="left") for axes in plotting.learning_curves([puzzle]).axes)
    assert plotting.results_table([control]).rows[0].figures["return"].median == 321.5


def test_the_same_figure_gives_the_same_bytes(tmp_path):
    group = plotting.Group("some", [history(5), history(6)])
    written = [plotting.save(plotting.learning_curves([group]), tmp_path / name) for name in "ab"]
    for first, second in zip(*written, strict=True):
        assert first.read_bytes() == second.read_bytes()


def test_figures_leave_the_users_matplotlib_alone():
    import matplotlib as mpl

    before = dict(mpl.rcParams)
    plotting.overview([plotting.Group("one", [history()])])
    assert dict(mpl.rcParams) == before
    assert plotting.overview([plotting.Group("one", [history()])])._repr_png_().startswith(PNG)


def test_an_unknown_format_is_refused(tmp_path):
    with pytest.raises(plotting.PlotError, match=r"one\.xyz: cannot be written"):
        plotting.save(plotting.overview([plotting.Group("one", [history()])]), tmp_path / "one", ["xyz"])


# The table


def test_table_holds_the_figures_of_each_group():
    evaluation = {
        "lengths": HISTOGRAM,
        "success": 0.9,
        "mean_length": 6.0,
        "mean_optimal": 4.0,
        "optimal_fraction": 0.3,
    }
    groups = [plotting.Group("A|B", [history(9), history(7), history(11, evaluation=evaluation)])]
    found = plotting.results_table(groups, threshold=0.6)
    figures = found.rows[0].figures
    assert figures["success"].values == [0.8, 0.6, 1.0]
    assert figures["success"].median == 0.8
    assert figures["success"].iqm == pytest.approx(0.8)
    assert figures["steps_to_threshold"].values == [700.0, 700.0, 700.0]
    assert figures["seconds_to_threshold"].median == 3.5
    assert figures["steps_per_second"].median == pytest.approx(200)
    assert figures["length_ratio"].values == [1.5]
    rows = list(csv.DictReader(io.StringIO(found.to_csv())))
    assert next(float(row["median"]) for row in rows if row["figure"] == "success") == 0.8
    assert next(row["low"] for row in rows if row["figure"] == "length_ratio") == ""
    plain = json.loads(found.to_json())
    assert plain["rows"][0]["figures"]["success"]["values"] == [0.8, 0.6, 1.0]
    markdown = found.to_markdown()
    assert "A\\|B" in markdown
    assert "1.500 (n = 1)" in markdown
    widths = {line.replace("\\|", "").count("|") for line in markdown.splitlines() if line.startswith("|")}
    assert len(widths) == 1, "every line has as many cells"


def test_what_was_never_reached_is_infinite():
    found = plotting.results_table([plotting.Group("g", [history(3), history(11)])], threshold=0.9)
    assert found.rows[0].figures["steps_to_threshold"].values == [math.inf, 1100.0]
    assert "∞" in found.to_markdown()
    assert json.loads(found.to_json())["rows"][0]["figures"]["steps_to_threshold"]["values"] == [None, 1100.0]


def test_an_algorithm_in_several_environments_gets_a_row_over_all():
    def group(label, width, algorithm, success):
        config = {"env_cls": "twisterl.envs.Puzzle", "env": {"width": width}, "algorithm_cls": f"rl.{algorithm}"}
        return plotting.Group(label, [history(3, config=config, success=s) for s in success])

    groups = [group("a", 3, "PPO", [0.0, 0.0]), group("b", 4, "PPO", [1.0, 1.0]), group("c", 4, "AZ", [0.5, 0.5])]
    rows = plotting.results_table(groups).rows
    assert [row.label for row in rows] == ["a", "b", "c", "PPO, 2 environments"]
    over_all = rows[-1].figures["success"]
    assert over_all.values == [0.0, 0.0, 1.0, 1.0]
    assert over_all.interval == (0.5, 0.5), "no spread within either environment"
    variants = [group("a", 3, "PPO", [0.0]), group("b", 3, "PPO", [1.0]), group("c", 4, "PPO", [1.0])]
    assert len(plotting.results_table(variants).rows) == 3, "two variants in one environment are not one algorithm"


@pytest.mark.parametrize(
    ("number", "shown"),
    [(24_576_000, "24.6 M"), (999_600, "1 M"), (999_400, "999 k"), (31.0, "31"), (0.123456, "0.123"), (0.0, "0")],
)
def test_counts_have_three_digits(number, shown):
    assert table._count(number) == shown


@pytest.mark.parametrize("threshold", [0, 1.5, math.nan])
def test_wrong_thresholds_are_refused(threshold):
    with pytest.raises(plotting.PlotError, match="threshold"):
        plotting.results_table([plotting.Group("g", [history()])], threshold=threshold)


# Reading runs


def test_runs_are_grouped_by_their_seeds(tmp_path):
    for seed in (10, 2, 1):
        write_run(tmp_path / f"a/seed-{seed}", lines_of(2))
    write_run(tmp_path / "b", lines_of(2))
    write_run(tmp_path / "x/b", lines_of(2))
    groups = plotting.load_groups([tmp_path / "a", f"named={tmp_path}/b"])
    assert [(group.label, len(group.runs)) for group in groups] == [("a", 3), ("named", 1)]
    assert [run.name.rsplit("-", 1)[-1] for run in groups[0].runs] == ["1", "2", "10"]
    assert len(plotting.load_groups(tmp_path.glob("a/seed-*"))) == 1
    once = plotting.load_groups([tmp_path / "a", tmp_path / "a/seed-1"])
    assert len(once[0].runs) == 3, "a run that is named twice is there once"
    labels = [group.label for group in plotting.load_groups([tmp_path / "b", tmp_path / "x/b"])]
    assert labels == [f"{tmp_path.name}/b", "x/b"]


def test_a_last_line_that_was_cut_is_left_out(tmp_path):
    run = write_run(tmp_path / "run", [*lines_of(2), lines_of(3)[2][:20]])
    assert len(plotting.load_run(run).records) == 2


@pytest.mark.parametrize(
    "lines", [[], ["nonsense", *lines_of(1)], ["[1]", *lines_of(1)], ["{", "{}"], ["[" * 9999, "{}"]]
)
def test_what_is_no_record_is_refused_with_its_place(tmp_path, lines):
    run = write_run(tmp_path / "run", lines)
    with pytest.raises(plotting.PlotError, match=r"metrics\.jsonl.*expected"):
        plotting.load_run(run)


def test_bytes_that_are_no_text_are_refused(tmp_path):
    run = write_run(tmp_path / "run", lines_of(2))
    (run / "metrics.jsonl").write_bytes(b"\xff\xfe\n" + lines_of(1)[0].encode())
    with pytest.raises(plotting.PlotError, match="line 1: expected a JSON object"):
        plotting.load_run(run)


@pytest.mark.parametrize("name", ["config", "evaluation"])
@pytest.mark.parametrize("content", ["", "nonsense", "[1, 2]", "[" * 9999])
def test_broken_files_beside_the_metrics_are_named(tmp_path, name, content):
    run = write_run(tmp_path / "run", lines_of(2), **{name: content})
    with pytest.raises(plotting.PlotError, match=rf"{name}\.json: expected a JSON object"):
        plotting.load_run(run)


def test_missing_runs_are_named(tmp_path):
    (tmp_path / "empty").mkdir()
    (tmp_path / "file").touch()
    with pytest.raises(plotting.PlotError, match="absent: expected the folder of a run, found nothing"):
        plotting.load_groups([tmp_path / "absent"])
    with pytest.raises(plotting.PlotError, match="file: expected the folder of a run, found a file"):
        plotting.load_groups([tmp_path / "file"])
    with pytest.raises(plotting.PlotError, match=r"empty: expected a run .* found none"):
        plotting.load_groups([tmp_path / "empty"])
    for nothing in (plotting.load_groups, plotting.results_table, plotting.figures):
        with pytest.raises(plotting.PlotError, match="expected at least one"):
            nothing([])


@pytest.mark.slow
@pytest.mark.parametrize(
    "found", [None, True, "3", [], {}, math.nan, math.inf, 10**400, {"success": {"deep": 1}}, {"success": "x"}]
)
def test_values_of_other_types_are_unknown(found, tmp_path):
    odd = {"iteration": found, "env_steps": found, "evals": found, "losses": {"x": found}, "time": found}
    assert runs.value(odd, "env_steps") is None
    groups = [plotting.Group("odd", [plotting.History([odd, record(1), odd, {**record(4), "evals": {"e": found}}])])]
    plotting.write_table(groups, tmp_path)
    plotting.write_figures(groups, tmp_path, formats=["svg"])


# The command, and the package


@pytest.mark.slow
def test_plot_writes_results_beside_the_seeds(script, tmp_path):
    for seed in range(2):
        write_run(tmp_path / f"runs/a/seed-{seed}", lines_of(4))
    result = script("plot.py", "runs/a/seed-0", "runs/a/seed-1", "--formats", "png")
    assert result.returncode == 0, result.stderr
    names = {path.name for path in (tmp_path / "runs/a/results").iterdir()}
    assert {"results.csv", "results.md", "results.json", "overview.png", "learning.png"} <= names
    assert "| a | 2 |" in result.stdout


def test_plot_names_what_is_missing(script, tmp_path):
    result = script("plot.py", tmp_path / "absent")
    assert result.returncode == 1
    assert "absent: expected the folder of a run" in result.stderr
    write_run(tmp_path / "run", lines_of(3))
    bare = (sys.executable, "-S")  # without the packages of this environment
    result = script("plot.py", tmp_path / "run", python=bare)
    assert result.returncode == 1
    assert "pip install matplotlib" in result.stderr
    assert "Traceback" not in result.stderr
    assert script("plot.py", tmp_path / "run", "--no-plot", python=bare).returncode == 0


def test_results_folder_is_that_of_the_first_run():
    assert cli.results_folder("runs/a").as_posix() == "runs/a/results"
    assert cli.results_folder("runs/a/seed-3").as_posix() == "runs/a/results"
    assert cli.results_folder("label=runs/a").as_posix() == "runs/a/results"


def test_package_has_the_same_plotting_and_imports_nothing_for_it():
    heavy = "[m for m in ('numpy', 'matplotlib') if m in sys.modules]"
    code = f"import sys, twisterl.plotting as p; print(p.__file__); print({heavy})"
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=60)
    path, imported = result.stdout.splitlines()
    assert imported == "[]"
    installed = {file.name: file.read_text() for file in FOLDER.__class__(path).parent.glob("*.py")}
    assert installed == {file.name: file.read_text() for file in FOLDER.glob("*.py")}
