"""Moving pictures of episodes: `Policy.record` and the command `record`."""

import importlib.util
import time

import gymnasium
import numpy as np
import pytest
import twisterl
from twisterl._internal.display import raster

from tests.test_display import Linear

Image = pytest.importorskip("PIL.Image")

GREEN, BLUE, FRAME = (0, 158, 115), (0, 114, 178), (207, 214, 223)
SOLVED, START = [0, 1, 2, 3, 4, 5], [1, 2, 5, 0, 3, 4]


class Lamp(gymnasium.Env):
    """A lamp that a button turns on and off. Its pixels are red while it is on."""

    metadata = {"render_modes": ["rgb_array"], "render_fps": 5}  # noqa: RUF012
    observation_space = gymnasium.spaces.Discrete(2)
    action_space = gymnasium.spaces.Discrete(2)

    def __init__(self, render_mode=None):
        self.render_mode = render_mode
        self.on, self.steps = 0, 0

    def reset(self, *, seed=None, options=None):
        super().reset(seed=seed)
        self.on, self.steps = 0, 0
        return self.on, {}

    def step(self, action):
        self.on, self.steps = 1 - self.on, self.steps + 1
        return self.on, 1.0, self.steps == 6, False, {}

    def render(self):
        pixels = np.full((40, 60, 3), 255, np.uint8)
        pixels[:, :, 1:] *= 1 - self.on
        return pixels if self.render_mode == "rgb_array" else None


class Both(Lamp):
    """A lamp that is repaired by pressing both buttons, one after the other. All observations are alike."""

    def reset(self, **options):
        self.last = None
        super().reset(**options)
        return 0, {"is_success": False}

    def step(self, action):
        success = self.last is not None and action != self.last
        self.last = action
        _, _, over, _, _ = super().step(action)
        return 0, float(success), success, over and not success, {"is_success": success}


class Dark(Lamp):
    """A lamp that cannot be drawn."""

    def render(self):
        return None


class Broken(Lamp):
    """A lamp that fails while it is drawn."""

    def render(self):
        raise ValueError("no bulb")


class Plain(Linear):
    """A problem that is drawn as text."""

    def render(self):
        return "\n".join("".join(map(str, row)) for row in self.bits)


class Unseen(Linear):
    """A problem without `render`, whose states are no matrices."""

    def get_state(self):
        return [bit / 2 for bit in super().get_state()]

    def set_state(self, state):
        super().set_state([2 * value for value in state])


def trained(kind):
    """A fresh policy for an environment written in Python."""
    twisterl.register(f"recorded.{kind.__name__}", kind)
    policy = {"embedding_size": 4, "common_layers": []}
    return twisterl.rl.PPO({"env_cls": f"recorded.{kind.__name__}", "policy": policy}).policy


@pytest.fixture(scope="module")
def puzzle(root):
    return twisterl.load_policy(root / "tests/data/runs_of_0_1/policies/no_backtracking.safetensors")


@pytest.fixture(scope="module")
def pendulum(root):
    return twisterl.load_policy(root / "tests/data/runs_of_0_1/policies/pendulum.safetensors")


def frames(file):
    """The frames of a file as arrays of pixels, and their pauses in milliseconds."""
    shown, pauses = [], []
    with Image.open(file) as image:
        for i in range(image.n_frames):
            image.seek(i)
            image.load()
            shown.append(np.asarray(image.convert("RGB")).astype(int))
            pauses.append(round(image.info["duration"]))
    return shown, pauses


def share(pixels, colour):
    """The share of pixels that have nearly this colour."""
    return float((abs(pixels - colour).max(axis=2) <= 8).mean())


@pytest.mark.parametrize("ending", ["gif", "png", "webp"])
def test_a_solution_becomes_a_moving_picture(puzzle, tmp_path, ending):
    file = tmp_path / f"board.{ending}"
    solution = puzzle.record(file, state=START, search="beam=64", fps=4)
    assert solution.success
    assert solution.start == START
    shown, pauses = frames(file)
    assert len(shown) == 1 + 4 * len(solution)  # three pictures of each sliding tile, and one of the board
    assert pauses[0] == 800
    assert pauses[-1] == 2000
    assert share(shown[-1], GREEN) > 0.5 > share(shown[0], GREEN)
    assert share(shown[-1], BLUE) < 0.01
    assert share(shown[-1], (255, 255, 255)) > 0.05  # the paper is white, not nearly white
    assert [path.name for path in tmp_path.iterdir()] == [file.name]


def test_control_plays_at_its_own_rate(pendulum, tmp_path):
    file = tmp_path / "pendulum.gif"
    solution = pendulum.record(file, seed=3, max_steps=40)
    _, pauses = frames(file)
    assert len(solution) == 40
    assert sum(pauses[1:-1]) == 39 * 50  # 20 steps a second
    pendulum.record(file, seed=3, max_steps=40, fps=100)  # at most 30 pictures a second
    shown, pauses = frames(file)
    assert len(shown) == 1 + 10
    assert set(pauses[1:-1]) == {40}


def test_the_same_arguments_give_the_same_file(pendulum, tmp_path):
    files = [tmp_path / f"{i}.gif" for i in range(3)]
    for file, seed in zip(files, (1, 1, 2), strict=True):
        pendulum.record(file, seed=seed, max_steps=5)
    first, again, other = (file.read_bytes() for file in files)
    assert first == again != other


@pytest.mark.parametrize("size", [16, 100, 401])
def test_the_size_is_that_of_the_longer_side(puzzle, tmp_path, size):
    puzzle.record(tmp_path / "board.gif", state=START, size=size)
    shown, _ = frames(tmp_path / "board.gif")
    assert max(shown[0].shape[:2]) == size


def test_boards_that_greedy_play_does_not_solve_are_solved_by_sampling(puzzle, tmp_path):
    greedy = [puzzle.solve_scramble(60, search="greedy", seed=seed) for seed in range(20)]
    seed = next(i for i, solution in enumerate(greedy) if not solution.success)
    assert puzzle.record(tmp_path / "board.gif", difficulty=60, seed=seed).success
    assert not puzzle.record(tmp_path / "board.gif", difficulty=60, seed=seed, search="greedy").success


def test_episodes_of_python_that_greedy_play_does_not_solve_are_solved_by_sampling(tmp_path):
    policy = trained(Both)
    assert policy.record(tmp_path / "both.gif", search="greedy").success is False
    assert policy.record(tmp_path / "both.gif").success


def test_gymnasium_environments_are_drawn_by_themselves(tmp_path):
    policy = trained(Lamp)
    solution = policy.record(tmp_path / "lamp.gif", size=200)
    shown, pauses = frames(tmp_path / "lamp.gif")
    reds = [share(pixels, (255, 0, 0)) > 0.2 for pixels in shown]
    assert len(solution) == 6
    assert reds == [False, True] * 3 + [False]
    assert set(pauses[1:-1]) == {200}
    assert "data:image/png" in solution._repr_html_()


@pytest.mark.parametrize("kind", [Plain, Linear])
def test_problems_in_python_are_drawn_as_text_or_matrices(kind, tmp_path):
    trained(kind).record(tmp_path / "bits.gif", max_steps=3)
    shown, _ = frames(tmp_path / "bits.gif")
    assert len({pixels.tobytes() for pixels in shown}) > 1


@pytest.mark.parametrize(
    ("kind", "found"),
    [(Dark, "None from render"), (Broken, "ValueError: no bulb"), (Unseen, "no method render")],
)
def test_what_cannot_be_drawn_says_so(kind, found, tmp_path):
    policy = trained(kind)
    with pytest.raises(
        twisterl.EnvError, match=rf"recorded.{kind.__name__}: cannot be drawn: expected .* found {found}"
    ):
        policy.record(tmp_path / "x.gif", max_steps=3)
    assert not list(tmp_path.iterdir())
    assert "<img" in policy.solve_scramble(search="greedy", max_steps=3)._repr_html_()  # its numbers, as text


@pytest.mark.parametrize(
    ("name", "options", "error", "message"),
    [
        ("x.avi", {}, twisterl.UsageError, r"x.avi: expected a name that ends in .gif, .png, .webp or .mp4"),
        ("x", {}, twisterl.UsageError, "expected a name that ends in .gif"),
        ("none/x.gif", {}, twisterl.MissingError, "none/x.gif: expected a folder .*none, found none"),
        ("x.gif", {"fps": 0}, twisterl.UsageError, r"fps: expected a number from 0.1 to 100, found 0"),
        ("x.gif", {"fps": "fast"}, twisterl.UsageError, "fps: expected a number .* found 'fast'"),
        ("x.gif", {"fps": float("nan")}, twisterl.UsageError, "fps: expected a number .* found nan"),
        ("x.gif", {"size": 5000}, twisterl.UsageError, "size: expected a whole number from 16 to 4096, found 5000"),
        ("x.gif", {"size": 99.5}, twisterl.UsageError, "size: expected a whole number .* found 99.5"),
        ("x.gif", {"state": [1]}, twisterl.StateError, "expected"),
        ("x.gif", {"search": "best"}, twisterl.UsageError, "search: expected greedy"),
        ("x.gif", {"difficulty": -1}, twisterl.TwisteRLError, "difficulty: expected"),
    ],
)
def test_bad_arguments_are_refused(puzzle, tmp_path, name, options, error, message):
    with pytest.raises(error, match=message):
        puzzle.record(tmp_path / name, **options)
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    ("missing", "name", "message"),
    [("PIL", "x.gif", "pip install pillow"), ("imageio_ffmpeg", "x.mp4", "pip install imageio-ffmpeg")],
)
def test_missing_packages_are_named_with_the_command_that_installs_them(
    puzzle, tmp_path, monkeypatch, missing, name, message
):
    found = importlib.util.find_spec
    monkeypatch.setattr(importlib.util, "find_spec", lambda asked, *_: None if asked == missing else found(asked))
    with pytest.raises(twisterl.UsageError, match=message):
        puzzle.record(tmp_path / name, state=START)


def test_names_may_be_as_long_as_the_file_system_allows(puzzle, tmp_path):
    name = "n" * 250 + ".gif"
    puzzle.record(tmp_path / name, state=START)
    with pytest.raises(twisterl.FileError, match="cannot write: File name too long"):
        puzzle.record(tmp_path / f"nn{name}", state=START)
    assert [path.name for path in tmp_path.iterdir()] == [name]


@pytest.mark.skipif(importlib.util.find_spec("imageio_ffmpeg") is None, reason="imageio-ffmpeg is not installed")
def test_videos_are_written_where_their_package_is_installed(puzzle, tmp_path):
    puzzle.record(tmp_path / "x.mp4", state=START)
    assert b"ftyp" in (tmp_path / "x.mp4").read_bytes()[:16]


@pytest.mark.parametrize("error", [KeyboardInterrupt, OSError(28, "No space left on device")])
def test_an_interrupted_recording_leaves_the_old_file(puzzle, tmp_path, monkeypatch, error):
    file = tmp_path / "board.gif"
    file.write_bytes(b"old")
    drawn, image = [], raster.image

    def fail(*args):
        drawn.append(args)
        if len(drawn) == 3:
            raise error
        return image(*args)

    monkeypatch.setattr(raster, "image", fail)
    expected = KeyboardInterrupt if error is KeyboardInterrupt else twisterl.FileError
    with pytest.raises(expected):
        puzzle.record(file, state=START)
    assert len(drawn) == 3
    assert file.read_bytes() == b"old"
    assert [path.name for path in tmp_path.iterdir()] == ["board.gif"]


def test_drawing_takes_little_time(pendulum, tmp_path):
    begun = time.process_time()
    pendulum.record(tmp_path / "pendulum.gif", max_steps=100)
    assert time.process_time() - begun < 10


def test_the_command_records(root, tmp_path, capsys):
    from twisterl.__main__ import command

    policy, out = root / "tests/data/runs_of_0_1/policies/pendulum.safetensors", tmp_path / "p.gif"
    assert command(["record", str(policy), "--out", str(out), "--seed", "4", "--max-steps", "8", "--size", "120"]) == 0
    assert f"{out}: 8 steps, return -" in capsys.readouterr().out
    shown, _ = frames(out)
    assert len(shown) == 9
    assert command(["record", str(policy), "--out", str(tmp_path / "p.txt")]) == 1
    assert "twisterl record: " in capsys.readouterr().err
    with pytest.raises(SystemExit) as ended:
        command(["record", "--help"])
    assert ended.value.code == 0
    assert "twisterl record runs/ppo_cartpole_v1 --out cartpole.gif" in capsys.readouterr().out


@pytest.mark.slow
def test_the_picture_of_the_readme_can_be_made_again(root, script, tmp_path):
    picture = root / "docs/images/puzzle15.gif"
    assert "docs/images/puzzle15.gif" in (root / "README.md").read_text()
    assert picture.stat().st_size < 300_000
    made = script("generate/readme_picture.py", tmp_path / "again.gif")
    assert made.stdout.startswith("again.gif: 38 moves"), made.stderr
    kept, again = frames(picture), frames(tmp_path / "again.gif")
    assert kept[1] == again[1]
    # Fonts and palettes may differ between versions of matplotlib and Pillow.
    assert max(float(abs(a - b).mean()) for a, b in zip(kept[0], again[0], strict=True)) < 4
