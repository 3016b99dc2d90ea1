"""Properties of every figure: labels on the axes, text inside the figure and apart, no empty panels, true zeros."""

import json
from itertools import combinations

import numpy as np
import pytest
from launcher.package_plotting import plotting
from test_plotting import HISTOGRAM, groups_of_all_kinds, history
from twisterl_plotting import curves
from twisterl_plotting.comparison import labels, pareto, results

PNG = b"\x89PNG"
BEAMS = ["puzzle8_beam", "puzzle15_beam", "puzzle24_beam"]


def beams(root, name):
    rows = json.loads((root / f"benches/records/{name}.json").read_text())["rows"]
    return [
        {
            "policy": "beam",
            "search": f"{row['width']:,}",
            "success": row["solved"],
            "optimal_fraction": row["optimal"],
            "relative_gap": row["ratio"] - 1,
            "seconds_per_state": row["seconds"],
            "nodes_per_state": row["nodes"],
        }
        for row in rows
    ]


def crowded():
    """Two policies by nine methods, with costs and qualities close together."""
    searches = ["greedy", "best-of=16", *(f"beam={2**i}" for i in range(1, 6)), "mcts=100", "widening=256"]
    return [
        {
            "policy": policy,
            "search": search,
            "count": 100,
            "success": 1.0 if i > 1 else 0.9,
            "optimal_fraction": 0.5 + 0.04 * i + 0.05 * second,
            "relative_gap": 0.2 / (1 + i + second) if i < 7 else 0.0,
            "seconds_per_state": 0.01 * 1.6**i * (1 + 0.2 * second),
            "nodes_per_state": 30 * 1.7**i * (1 + 0.1 * second),
        }
        for second, policy in enumerate(["PPO", "AlphaZero"])
        for i, search in enumerate(searches)
    ]


def boxes(figure):
    """Return the texts that a figure shows, with their boxes in pixels."""
    from matplotlib.text import Text

    figure.draw_without_rendering()
    hidden = set()  # the labels of ticks beyond the limits
    for axis in [axis for axes in figure.axes for axis in (axes.xaxis, axes.yaxis)]:
        low, high = sorted(axis.get_view_interval())
        slack = 1e-9 * (high - low)
        for tick in [*axis.majorTicks, *axis.minorTicks]:
            if not low - slack <= tick.get_loc() <= high + slack:
                hidden |= {tick.label1, tick.label2}
    texts = [text for text in figure.findobj(Text) if text.get_text().strip() and text.get_visible()]
    return [(text, text.get_window_extent()) for text in texts if text not in hidden]


def check(figure):
    """Check what holds for every figure."""
    found = boxes(figure)
    width, height = figure.get_size_inches() * figure.dpi
    for text, box in found:
        assert box.x0 >= -1, text
        assert box.y0 >= -1, text
        assert box.x1 <= width + 1, text
        assert box.y1 <= height + 1, text
    for axes in figure.axes:
        assert axes.get_xlabel(), axes.get_title(loc="left")
        assert axes.get_ylabel(), axes.get_title(loc="left")
        assert axes.lines or axes.patches or axes.collections, axes.get_title(loc="left")
    return found


def check_point_labels(figure):
    """Check that the labels of points are inside of their frame and apart."""
    from matplotlib.text import Text

    for axes in figure.axes:
        frame = axes.get_window_extent()
        found = [(note.get_text(), Text.get_window_extent(note)) for note in axes.texts]  # without lines to points
        for text, box in found:
            assert frame.x0 <= box.x0, text
            assert box.x1 <= frame.x1, text
            assert frame.y0 <= box.y0, text
            assert box.y1 <= frame.y1, text
        for (a, first), (b, second) in combinations(found, 2):
            assert not first.overlaps(second), (a, b)


@pytest.mark.parametrize("kind", ["one run", "seeds", "groups"])
def test_every_panel_is_labelled_and_text_stays_inside(kind):
    for name, draw in plotting.figures(groups_of_all_kinds()[kind]).items():
        assert check(draw()), name


@pytest.mark.slow
@pytest.mark.parametrize("kind", groups_of_all_kinds())
def test_every_figure_is_written_as_png_and_svg(tmp_path, kind):
    groups = groups_of_all_kinds()[kind]
    written = plotting.write_figures(groups, tmp_path)
    expected = {"no numbers": set(), "one record": {"overview", "training"}}.get(
        kind, {"overview", "learning", "training"}
    )
    if expected:
        assert {"losses", "phases"} <= {path.stem for path in written} or kind == "one record"
    expected |= {"lengths"} if kind == "groups" else set()
    assert expected <= {path.stem for path in written}
    for path in written:
        assert path.read_bytes().startswith(PNG if path.suffix == ".png" else b"<?xml"), path


def test_runs_without_numbers_have_no_figures(tmp_path):
    groups = groups_of_all_kinds()["no numbers"]
    assert plotting.write_figures(groups, tmp_path) == []
    with pytest.raises(plotting.PlotError, match="expected runs with numbers to draw"):
        plotting.overview(groups)
    unsolved = [{"length": None, "optimal": None, "count": 9}]
    group = plotting.Group("none", [history(evaluation={"lengths": unsolved})])
    assert "lengths" not in plotting.figures([group])
    with pytest.raises(plotting.PlotError, match="expected runs that solved a problem"):
        plotting.solution_lengths([group])
    assert "lengths" in plotting.figures([plotting.Group("some", [history(evaluation={"lengths": HISTOGRAM})])])


def test_panels_without_data_are_left_out():
    records = [{"env_steps": 5 * i, "time": {"elapsed": i}, "success": 0.5, "evals": {}} for i in (1, 2, 3)]
    scored = [{**record, "rollout": {"success": 0.5, "reward": 1.0}} for record in records]
    titles = [
        axes.get_title(loc="left")
        for axes in plotting.overview([plotting.Group("es", [plotting.History(scored)])]).axes
    ]
    assert titles
    assert "value loss" not in titles
    assert "difficulty of the curriculum" not in titles


def test_curves_that_leave_the_frame_are_marked():
    from matplotlib.figure import Figure

    axes = Figure().subplots()
    axes.plot([0, 1, 2, 3, 4, 5], [0.5, 9, 9, 0.5, -9, 0.5])
    axes.plot([0, 5], [0.2, 0.2])
    axes.set_xlim(0, 5)
    axes.set_ylim(0, 1)
    assert curves.mark_exits(axes)
    marks = [(line.get_marker(), *line.get_xydata()[0]) for line in axes.lines[2:]]
    assert marks == [("^", 1.0, 1.0), ("^", 2.0, 1.0), ("v", 4.0, 0.0)]
    inside = Figure().subplots()
    inside.plot([0, 1], [0, 1])
    assert not curves.mark_exits(inside)


@pytest.mark.parametrize("name", BEAMS)
def test_the_figures_of_records_follow_the_rules(root, name):
    figure = plotting.compare_figure(beams(root, name), "some instances")
    check(figure)
    check_point_labels(figure)


def test_crowded_labels_are_placed_apart_and_inside():
    figure = plotting.compare_figure(crowded())
    check(figure)
    check_point_labels(figure)
    assert [text.get_text() for text in figure.legends[0].get_texts()] == ["PPO", "AlphaZero"]


def test_the_points_of_many_results_are_numbered_and_the_numbers_explained():
    shown = plotting.compare_figure(crowded())
    numbers = [text.get_text() for axes in shown.axes[:2] for text in axes.texts]
    assert numbers == [str(number) for number in range(1, 10)] * 4
    note = " ".join(shown.get_supxlabel().split())
    assert note.startswith("1: greedy, 2: best-of=16, 3: beam=2,")
    assert ", 9: widening=256. 100 problems. " in note
    few = plotting.compare_figure(crowded()[:12])
    assert [text.get_text() for text in few.axes[0].texts][:2] == ["greedy", "best-of=16"]
    assert "greedy" not in few.get_supxlabel()


def test_a_zero_on_a_logarithmic_axis_is_shown_as_zero(root):
    figure = plotting.compare_figure(beams(root, "puzzle15_beam"))
    axes = next(axes for axes in figure.axes if axes.get_ylabel() == pareto.GAP.label)
    figure.draw_without_rendering()
    assert [text.get_text() for text in axes.get_yticklabels()] == ["0", "0.01", "0.1", "1", "10"]
    assert axes.get_yticks()[0] == 0
    drawn = np.concatenate([line.get_ydata() for line in axes.lines if line.get_marker() == "o"])
    expected = [100 * row["relative_gap"] for row in beams(root, "puzzle15_beam")]
    np.testing.assert_allclose(sorted(drawn), sorted(expected), atol=1e-12)
    assert min(drawn) == 0
    # Without a zero the axis is logarithmic.
    other = plotting.compare_figure(beams(root, "puzzle24_beam"))
    assert {axes.get_yscale() for axes in other.axes if axes.get_ylabel() == pareto.GAP.label} == {"log"}


@pytest.mark.parametrize(
    ("points", "higher", "expected"),
    [
        ([(1, 5), (2, 7), (3, 6), (4, 9)], True, [0, 1, 3]),
        ([(1, 5), (2, 7), (3, 6), (4, 9)], False, [0]),
        ([(4, 1), (1, 5), (2, 3), (3, 4), (2, 6)], False, [1, 2, 0]),
        ([(1, 5), (1, 6), (1, 5)], True, [1]),  # of one cost, the best
        ([(1, 5), (2, 5)], True, [0]),  # of one quality, the cheapest
        ([(1, 5), (1, 5)], True, [0, 1]),  # equal points do not beat each other
        ([], True, []),
    ],
)
def test_the_pareto_front_holds_what_nothing_beats(points, higher, expected):
    assert pareto.front(points, higher) == expected


def test_moves_are_compared_among_those_that_solve_the_most():
    easy = {"policy": "a", "search": "greedy", "success": 0.5, "mean_length": 3.0}
    whole = {"policy": "a", "search": "beam=8", "success": 1.0, "mean_length": 9.0}
    cost = {"seconds_per_state": 1.0, "nodes_per_state": 10.0}
    figure = plotting.compare_figure([{**easy, **cost}, {**whole, "seconds_per_state": 2.0, "nodes_per_state": 20.0}])
    moves = next(axes for axes in figure.axes if axes.get_ylabel() == pareto.MOVES.label)
    points = [line for line in moves.lines if line.get_marker() == "o"]
    assert [line.get_markerfacecolor() == "white" for line in points] == [True, False]
    assert [text.get_text() for text in moves.texts] == ["greedy (50 % solved)", "beam=8"]


def test_what_cannot_be_solved_is_compared_by_its_return():
    cost = {"policy": "a", "success": 0.0, "seconds_per_state": 1.0, "nodes_per_state": 10.0}
    figure = plotting.compare_figure([{**cost, "search": "greedy", "mean_reward": 475.0}])
    assert {axes.get_ylabel() for axes in figure.axes} == {"return"}
    check(figure)
    with pytest.raises(plotting.PlotError, match="expected at least one result"):
        plotting.compare_figure([])


COST = {"success": 1.0, "seconds_per_state": 0.1, "nodes_per_state": 10.0, "mean_length": 5.0, "count": 9}
STRANGE = {
    "not a number": {"seconds_per_state": float("nan")},
    "infinite": {"mean_length": float("inf"), "count": float("inf")},
    "negative": {"nodes_per_state": -1},
    "huge": {"mean_length": 10**400},
    "a text": {"success": "yes"},
    "formulas": {"policy": "$\\frac{", "search": "a$\\nothing$"},
    "control characters": {"policy": "\x1b[31m\x00", "search": "a\n\ud800"},
    "long": {"policy": "p" * 100_000, "search": "s" * 100_000},
    "no texts": {"policy": {"a": 1}, "search": [2]},
}


@pytest.mark.parametrize("key", STRANGE)
def test_strange_results_are_drawn_or_left_out(key, tmp_path):
    rows = [{"policy": "a", "search": "greedy", **COST}, {"policy": "b", "search": "x", **COST, **STRANGE[key]}]
    (tmp_path / "r.json").write_text(json.dumps({"results": rows}))
    (written,) = results.write_figure(tmp_path / "r.json", tmp_path / "r", ["svg"])
    svg = written.read_text()
    assert "greedy" in svg or "<use" in svg
    assert "\x1b" not in svg


def test_many_results_have_labels_at_the_front_only(tmp_path):
    rows = [{"policy": "a", "search": f"s{i}", **COST, "seconds_per_state": 1 + i, "mean_length": i} for i in range(99)]
    figure = plotting.compare_figure(rows)
    assert {text.get_text() for axes in figure.axes for text in axes.texts} == {"s0"}
    (tmp_path / "r.json").write_text(json.dumps({"results": rows * 11}))
    with pytest.raises(plotting.PlotError, match="results: expected at most 1000, found 1089"):
        results.load_results(tmp_path / "r.json")


def test_labels_avoid_each_other_wherever_points_lie():
    frame = labels.Box(0, 0, 300, 200)
    draws = np.random.default_rng(0).uniform((10, 10), (290, 190), size=(5, 12, 2))
    for points in draws:
        sizes = [(40.0, 10.0)] * len(points)
        offsets = labels.place([tuple(point) for point in points], sizes, frame)
        placed = [
            labels.Box(x + dx - 20, y + dy - 5, x + dx + 20, y + dy + 5)
            for (x, y), (dx, dy) in zip(points, offsets, strict=True)
        ]
        assert all(box.overlap(frame) == pytest.approx(box.area) for box in placed)
        assert all(a.overlap(b) == 0 for a, b in combinations(placed, 2))


@pytest.mark.parametrize("columns", [60, 80, 100, 200])
def test_tables_fit_the_terminal(columns, monkeypatch):
    evaluation = {"lengths": HISTOGRAM, "success": 0.9, "mean_length": 5.1, "mean_optimal": 3.0}
    names = ["short", "a group whose name is longer than any terminal has room for, of which the middle is left out"]
    groups = [plotting.Group(name, [history(steps=7, evaluation=evaluation), history(9)]) for name in names]
    table = plotting.results_table(groups)
    monkeypatch.setenv("COLUMNS", str(columns))
    text = plotting.shown(table)
    assert max(map(len, text.splitlines())) <= columns
    assert all(column.title in text for column in table.columns())
    assert text.count("short") == text.count("run ")  # each block repeats the names of the rows
    assert "…" in text or columns == 200 * len(names)


@pytest.mark.parametrize(
    ("start", "end", "expected"),
    [
        ((0, 0), (4, 4), True),
        ((0, 0), (0.9, 0.9), False),
        ((0, 1.5), (4, 1.5), True),
        ((0, 2.5), (4, 2.5), False),
        ((1.5, 0), (1.5, 1), True),
        ((0, 3), (3, 0), True),
        ((0, 4.1), (4.1, 0), False),
        ((1.5, 1.5), (1.6, 1.6), True),
    ],
)
def test_a_segment_crosses_a_box(start, end, expected):
    assert labels._crosses(labels.Box(1, 1, 2, 2), start, end) is expected
