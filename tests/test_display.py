"""Pictures in notebooks: drawings of states, SVG, players with a slider, pages of policies and environments."""

import html.parser
import json
import math
import re
import xml.etree.ElementTree as ET

import hostile_files
import numpy as np
import pytest
import twisterl
from twisterl._internal.display import svg
from twisterl._internal.display.drawings import DRAWINGS
from twisterl._internal.display.drawings.matrix import matrix_scene
from twisterl._internal.display.drawings.network import network_scene
from twisterl._internal.display.drawings.text import text_scene
from twisterl._internal.display.painter import painter_of
from twisterl._internal.display.scene import Circle, Label, Path, Rect, Scene, between, moves

GREEN, BLUE, YELLOW = "#009e73", "#0072b2", "#ffc425"
HOSTILE = "</script><img src=x onerror=alert(1)>&\"'<!--\x1b[31m\u202e]]>"
# What pages may consist of. Scripts are looked at apart.
TAGS = {"div", "img", "figure", "figcaption", "script", "table", "tr", "th", "td", "b"}
ATTRIBUTES = {"id", "style", "src", "alt", "width", "data-part"}
DRAWN = {"svg", "rect", "circle", "polygon", "polyline", "text", "image"}


class Linear:
    """A linear circuit: a matrix of bits, to be reduced to the identity. It has no `render`."""

    def __init__(self, size=3):
        self.size = size
        self.bits = np.eye(size, dtype=int)

    def num_actions(self):
        return self.size - 1

    def obs_shape(self):
        return [self.size**2]

    def reset(self):
        self.bits = np.eye(self.size, dtype=int)
        self.step(0)

    def step(self, action):
        self.bits[action] ^= self.bits[action + 1]

    def observe(self):
        return [int(i) for i in np.flatnonzero(self.bits)]

    def is_final(self):
        return bool((self.bits == np.eye(self.size)).all())

    def reward(self):
        return float(self.is_final())

    def get_state(self):
        return self.bits.flatten().tolist()

    def set_state(self, state):
        self.bits = np.array(state, int).reshape(self.size, self.size)


class Hostile(Linear):
    """An environment that draws itself as text which would end the page's script."""

    def render(self):
        return HOSTILE


class Reader(html.parser.HTMLParser):
    """The tags of a page with their attributes, and its text."""

    def __init__(self, page):
        super().__init__()
        self.tags, self.scripts, self.text = [], [], ""
        self.feed(page)
        self.close()

    def handle_starttag(self, tag, attrs):
        self.tags.append((tag, dict(attrs)))

    def handle_data(self, data):
        if self.tags and self.tags[-1][0] == "script" and "=> {" in data:
            self.scripts.append(data)
        else:
            self.text += data


def images(page):
    """The SVG images of a page, parsed."""
    import base64

    sources = [attributes["src"] for tag, attributes in Reader(page).tags if tag == "img"]
    assert all(source.startswith("data:image/svg+xml;base64,") for source in sources)
    return [ET.fromstring(base64.b64decode(source.partition(",")[2])) for source in sources]


def texts(root):
    return [element.text for element in root.iter("{http://www.w3.org/2000/svg}text")]


def harmless(page):
    """Assert that a page has no elements and attributes but those that this package writes."""
    reader = Reader(page)
    assert {tag for tag, _ in reader.tags} <= TAGS
    assert {name for _, attributes in reader.tags for name in attributes} <= ATTRIBUTES
    assert "http" not in page.replace("http://www.w3.org/2000/svg", "")
    assert not any(character in page for character in "\x1b\u202e")
    return reader


def player_data(page):
    """The data of the script of a player."""
    (script,) = Reader(page).scripts
    line = next(line for line in script.splitlines() if line.startswith("const d = "))
    return json.loads(line.removeprefix("const d = ").removesuffix(";"))


@pytest.fixture(scope="module")
def puzzle(root):
    return twisterl.load_policy(root / "tests/data/runs_of_0_1/policies/no_backtracking.safetensors")


@pytest.mark.parametrize(
    ("goal", "state", "at_home"),
    [
        ("blank_first", [1, 0, 2, 3, 4, 5], {"2", "3", "4", "5"}),
        ("blank_last", [1, 2, 3, 4, 0, 5], {"1", "2", "3", "4"}),
    ],
)
def test_tiles_lie_in_rows_and_are_green_in_their_places(goal, state, at_home):
    scene = DRAWINGS["Puzzle"].draw(state, {"width": 3, "height": 2, "goal": goal})
    labels = [shape for shape in scene.shapes if isinstance(shape, Label)]
    assert [label.text for label in labels] == [str(tile) for tile in state if tile]
    by_place = sorted(labels, key=lambda label: (label.y, label.x))
    assert by_place == labels
    assert {shape.key for shape in scene.shapes if isinstance(shape, Rect) and shape.fill == GREEN} == at_home


def test_lights_that_are_on_are_yellow():
    scene = DRAWINGS["LightsOut"].draw([1, 0, 0, 0, 1, 1], {"width": 3, "height": 2})
    lights = [shape for shape in scene.shapes if isinstance(shape, Rect)][1:]
    assert [light.fill == YELLOW for light in lights] == [True, False, False, False, True, True]


def test_a_maze_has_its_walker_and_goal_in_their_cells():
    scene = DRAWINGS["Maze"].draw([5, 2, *[0] * 7, 1, 0], {"width": 3, "height": 3})
    (walker,) = (shape for shape in scene.shapes if isinstance(shape, Circle))
    (goal,) = (shape for shape in scene.shapes if isinstance(shape, Path))
    (wall,) = (shape for shape in scene.shapes if isinstance(shape, Rect) and shape.fill == "#39424e")
    cell = (scene.width - 8) / 3
    assert (walker.x, walker.y) == pytest.approx((4 + 2.5 * cell, 4 + 1.5 * cell))
    assert np.mean(goal.points, axis=0) == pytest.approx((4 + 2.5 * cell, 4 + 0.5 * cell))
    assert (wall.x, wall.y) == pytest.approx((4.5 + cell, 4.5 + 2 * cell))


def arms(name, state):
    """The directions in which the thick lines of a drawing point, as (right, up), of unit length."""
    scene = DRAWINGS[name].draw(state, {})
    lines = [shape for shape in scene.shapes if isinstance(shape, Path) and shape.stroke and shape.width > 5]
    spans = [np.subtract(line.points[-1], line.points[0]) * (1, -1) for line in lines]
    return [tuple(np.round(span / np.linalg.norm(span), 6) + 0.0) for span in spans]


@pytest.mark.parametrize(
    ("name", "state", "directions"),
    [
        ("CartPole-v1", [0, 0, 0, 0], [(0, 1)]),
        ("CartPole-v1", [1, 0, math.pi / 2, 0], [(1, 0)]),  # positive angles lean to the right
        ("Pendulum-v1", [0, 0], [(0, 1)]),
        ("Pendulum-v1", [math.pi / 2, 0], [(-1, 0)]),  # as Gymnasium draws it: counterclockwise
        ("Pendulum-v1", [math.pi, 0], [(0, -1)]),
        ("Acrobot-v1", [0, 0, 0, 0], [(0, -1), (0, -1)]),
        ("Acrobot-v1", [math.pi, math.pi / 2, 0, 0], [(0, 1), (-1, 0)]),
    ],
)
def test_poles_and_links_point_as_in_gymnasium(name, state, directions):
    assert np.array(arms(name, state)) == pytest.approx(np.array(directions), abs=1e-6)


def test_the_car_stands_on_the_hill_at_its_position():
    def car(position):
        shapes = DRAWINGS["MountainCar-v0"].draw([position, 0], {}).shapes
        (body,) = (shape for shape in shapes if isinstance(shape, Path) and shape.fill == BLUE)
        return np.mean(body.points, axis=0)

    valley, left, right = car(-math.pi / 6), car(-1.1), car(0.5)
    assert left[0] < valley[0] < right[0]
    assert valley[1] > max(left[1], right[1])  # y points downwards, and the valley is at -pi/6


@pytest.mark.parametrize("name", sorted(DRAWINGS))
def test_every_built_in_environment_has_a_drawing_that_is_valid_svg(name):
    assert sorted(DRAWINGS) == sorted(twisterl.envs.names())
    env = twisterl.make(name, seed=1)
    scene = painter_of(env).scene()
    root = ET.fromstring(svg.document(scene))
    assert float(root.get("width")) == pytest.approx(scene.width)
    assert len(root) == len(scene.shapes) + 1
    assert scene.text == env.render()
    (picture,) = images(env._repr_html_())
    assert ET.tostring(picture) == ET.tostring(root)


@pytest.mark.parametrize("name", sorted(set(DRAWINGS) - {"Puzzle", "LightsOut", "Maze"}))
@pytest.mark.parametrize("value", [1e300, -1e300, math.inf, math.nan])
def test_drawings_hold_any_numbers(name, value):
    document = svg.document(DRAWINGS[name].draw([value] * 4, {}))
    ET.fromstring(document)
    assert not re.search(r"nan|inf(?!er)|e\+", document)


def test_matrices_show_bits_and_permutations():
    def ones(scene):
        return [i for i, shape in enumerate(scene.shapes[1:]) if shape.fill in (GREEN, BLUE)]

    assert ones(matrix_scene([1, 0, 1, 0, 1, 0, 0, 0, 1])) == [0, 2, 4, 8]
    assert ones(matrix_scene([2, 0, 1])) == [2, 3, 7]
    # Native ones, with the slacks of qubits behind the matrix and without.
    assert ones(DRAWINGS["Permutation"].draw([2, 0, 1, 0, 1, 1, 0, 0, 0], {"num_qubits": 3})) == [2, 3, 7]
    assert ones(DRAWINGS["LinearFunction"].draw([1, 0, 1, 1, 0, 3, 2, 0], {"num_qubits": 2})) == [0, 2, 3]
    assert ones(DRAWINGS["Clifford"].draw([0, 1, 1, 0], {"num_qubits": 1})) == [1, 2]
    # Rotations about X and Y behind the tableau, and slacks behind them.
    state = [2, 1, 0, 0, 1, 0, 1, 1, 3, 0, 4]
    assert ones(DRAWINGS["PauliNetwork"].draw(state, {"num_qubits": 1})) == [0, 2, 3, 5, 7]
    assert len(DRAWINGS["Permutation"].draw(range(256), {"num_qubits": 256}).shapes) == 2 + 256
    for state in ([], [0], [0.5, 1], [1, 1], [0, 1, 1], [0, 1, 2, 4], [math.nan] * 4):
        assert matrix_scene(state) is None
    env = twisterl.make(Linear, seed=1)
    assert ones(painter_of(env).scene()) == [0, 1, 4, 8]


def test_circuits_show_the_gates_that_are_left_between_the_qubits_of_the_map():
    scene = DRAWINGS["Routing"].draw([2, 0, 1, 0, 1, 1, 2], {"num_qubits": 3})
    labels = {shape.text: shape.y for shape in scene.shapes if isinstance(shape, Label)}
    assert labels["q1"] < labels["q2"] < labels["q0"]
    gates = [shape for shape in scene.shapes if isinstance(shape, Path) and shape.stroke in (GREEN, BLUE)]
    (far, near) = gates
    assert [y for _, y in far.points] == pytest.approx([labels["q1"], labels["q0"]])
    assert [y for _, y in near.points] == pytest.approx([labels["q1"], labels["q2"]])
    assert (far.stroke, near.stroke) == (BLUE, GREEN)
    assert far.points[0][0] < near.points[0][0]


def test_text_keeps_its_columns_and_draws_its_frames():
    scene = text_scene("┌─┐\n│a b\n█")
    (label,) = (shape for shape in scene.shapes if isinstance(shape, Label))
    (block,) = (shape for shape in scene.shapes if isinstance(shape, Rect))
    assert label.text == "a b"
    assert label.x == pytest.approx(block.x + label.advance)
    assert sum(isinstance(shape, Path) for shape in scene.shapes) == 2 * 4  # two arms of each of ┌ ─ ┐ │
    (text,) = (e for e in ET.fromstring(svg.document(scene)).iter("{http://www.w3.org/2000/svg}text"))
    assert len(text.get("x").split()) == 3


def test_text_that_a_terminal_would_colour_has_a_background():
    scene = text_scene("SF\n\x1b[41mF\x1b[0mH")
    (mark,) = (shape for shape in scene.shapes if isinstance(shape, Rect))
    second = [shape for shape in scene.shapes if isinstance(shape, Label)][-1]
    assert second.text == "FH"
    assert scene.text == "SF\nFH"
    assert mark.x == pytest.approx(second.x)
    assert mark.y <= second.y <= mark.y + mark.height


def test_long_text_is_cut():
    scene = text_scene("\n".join(["x" * 5000] * 5000))
    assert len(scene.shapes) <= 80
    assert scene.width < 1500


def test_shapes_with_keys_move_between_scenes():
    first = Scene(10, 10, (Circle(0, 0, 1, BLUE, key="a"), Rect(0, 0, 1, 1, BLUE)))
    second = Scene(10, 10, (Circle(4, 8, 1, GREEN, key="a"), Rect(9, 9, 1, 1, BLUE)))
    circle, rect = between(first, second, 0.25).shapes
    assert (circle.x, circle.y, circle.fill) == (1, 2, BLUE)
    assert rect.x == 9
    assert moves(first, second)
    assert not moves(first, first)


def test_a_solution_is_a_player_with_the_first_and_the_last_board(puzzle):
    solution = puzzle.solve([1, 2, 5, 0, 3, 4], search="beam=64")
    assert solution.success
    page = solution._repr_html_()
    reader = harmless(page)
    first, last = images(page)
    assert texts(first) == [str(tile) for tile in solution.states[0] if tile]
    assert texts(last) == [str(tile) for tile in solution.states[-1] if tile]
    assert f"solved after {len(solution)} moves" in reader.text
    data = player_data(page)
    assert len(data["rows"]) == len(data["captions"]) == len(solution) + 1
    assert data["captions"][0] == "start"
    for row, state in zip(data["rows"], solution.states, strict=True):
        board = ET.fromstring(data["open"] + "".join(data["shapes"][i] for i in row) + "</svg>")
        assert texts(board) == [str(tile) for tile in state if tile]


def test_players_of_one_page_have_names_of_their_own(puzzle):
    solution = puzzle.solve([1, 0, 2, 3, 4, 5])
    pages = [solution._repr_html_() for _ in range(2)]
    names = [player_data(page)["name"] for page in pages]
    assert names[0] != names[1]
    for name, page in zip(names, pages, strict=True):
        assert [attributes["id"] for _, attributes in Reader(page).tags if "id" in attributes] == [name]


def test_a_solved_start_is_one_board_without_a_script(puzzle):
    page = puzzle.solve([0, 1, 2, 3, 4, 5])._repr_html_()
    assert len(images(page)) == 1
    assert "<script" not in page


def test_long_episodes_show_some_of_their_steps(root):
    policy = twisterl.load_policy(root / "tests/data/runs_of_0_1/policies/pendulum.safetensors")
    solution = policy.solve_scramble(search="greedy", max_steps=200)
    many = twisterl.Solution(policy, False, 0.0, solution.actions * 5, solution.start)
    data = player_data(many._repr_html_())
    assert len(data["rows"]) <= 242
    assert data["captions"][1].startswith("5 of 1000")
    assert data["captions"][-1].startswith("1000 of 1000")
    assert "every 5th step is shown" in Reader(many._repr_html_()).text


def test_large_scenes_show_fewer_steps():
    twisterl.register("made.Linear", Linear)
    config = {"env_cls": "made.Linear", "env": {"size": 20}, "policy": {"embedding_size": 4, "common_layers": []}}
    policy = twisterl.rl.PPO(config).policy
    start = np.eye(20, dtype=int).flatten().tolist()
    start[1] = 1
    page = twisterl.Solution(policy, False, 0.0, [3, 3] * 300, start)._repr_html_()
    # 401 shapes a scene: 119 frames of 600 steps at most.
    assert len(player_data(page)["rows"]) == 1 + 600 // 6
    assert len(page) < 400_000


@pytest.mark.parametrize("kind", [Hostile, type(HOSTILE, (Linear,), {})])
def test_pages_escape_text_of_environments(kind):
    config = {"env_cls": "X", "policy": {"embedding_size": 4, "common_layers": []}}
    env = twisterl.make(kind, seed=1)
    (picture,) = images(env._repr_html_())
    harmless(env._repr_html_())
    if kind is Hostile:
        assert "onerror=alert(1)" in "".join(texts(picture))
    twisterl.register(f"made.{kind.__name__}", kind)
    policy = twisterl.rl.PPO({**config, "env_cls": f"made.{kind.__name__}"}).policy
    page = policy.solve_scramble(search="greedy", max_steps=3)._repr_html_()
    harmless(page)
    assert page.count("</script") == 1
    # What the script puts into the page are drawings alone.
    data = player_data(page)
    for row in data["rows"]:
        drawn = ET.fromstring(data["open"] + "".join(data["shapes"][i] for i in row) + "</svg>")
        assert {element.tag.partition("}")[2] for element in drawn.iter()} <= DRAWN
    harmless(policy._repr_html_())


def test_pages_escape_text_of_policy_files(root, tmp_path):
    layers = root / "tests/data/runs_of_0_1/policies/layers.safetensors"
    file = hostile_files.rename(layers, tmp_path / "hostile.safetensors", HOSTILE, {HOSTILE: HOSTILE})
    reader = harmless(twisterl.load_policy(file)._repr_html_())
    assert "onerror=alert(1)" in reader.text


def test_a_policy_shows_its_properties_and_its_layers(puzzle):
    page = puzzle._repr_html_()
    reader = harmless(page)
    for text in ("Puzzle", "width = 3", "6 x 6 bits", "4 choices", f"{puzzle.num_parameters:,}", "never undoes"):
        assert text in reader.text
    (picture,) = images(page)
    assert texts(picture)[:2] == ["observation", "6 x 6 bits"]
    assert texts(picture)[-2:] == ["value", "1 number"]


def test_networks_of_any_depth_and_kind_fit_into_a_picture():
    layers = [{"type": "linear", "inputs": i, "outputs": i + 1, "activation": "relu"} for i in range(100)]
    odd = [{"type": HOSTILE * 9, "kernel": [3, 3], "layers": [{"type": "x"}]}, "text", {}]
    scene = network_scene({"common": layers, "action": odd, "value": None}, "81 bits", "4 choices")
    ET.fromstring(svg.document(scene))
    assert scene.height < 1000
    labels = [shape.text for shape in scene.shapes if isinstance(shape, Label)]
    assert "93 more layers" in labels
    assert max(map(len, labels)) <= 24
