"""Environments that can be played and drawn."""

from __future__ import annotations

import contextlib
import warnings
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from twisterl import _core
from twisterl._internal.display.drawings import DRAWINGS, Drawing
from twisterl._internal.display.drawings.matrix import matrix_scene
from twisterl._internal.display.drawings.text import text_scene
from twisterl._internal.display.scene import Picture, Scene
from twisterl.envs import Env, of_spec
from twisterl.errors import EnvError

if TYPE_CHECKING:
    from collections.abc import Sequence

# Pixels of other environments are shown at most this large, in a scene's units.
_MAX_SIDE = 480.0
_RGB = "rgb_array"


class Painter:
    """An environment, and pictures of its current state.

    Built-in environments have drawings. Environments written in Python are drawn as they draw themselves: pixels from
    `render()`, or text. Square matrices of bits and permutations are drawn if the environment does not draw its state.

    Attributes:
        env: the environment, to be played by the caller.
        fps: the steps a second at which an episode looks natural.
        drawing: the drawing of a built-in environment, None for others.
    """

    def __init__(self, spec: _core.EnvSpec) -> None:
        self.drawing: Drawing | None = None
        self.fps = 4.0
        self._made: list[Any] = []
        _, (factory, params, name) = spec.__reduce__()
        if callable(factory):
            self.env = of_spec(_core.EnvSpec(_renderable(factory, self._made), params, name), 0)
            self.fps = self._declared_fps()
        else:
            self.drawing = DRAWINGS.get(spec.env_cls)
            self.env = of_spec(spec, 0)
            if self.drawing is not None:
                self.fps = self.drawing.fps
        self._params = self.env.params

    @property
    def is_gymnasium(self) -> bool:
        """True for an environment with Gymnasium's interface."""
        return bool(self._made) and hasattr(self._made[0], "action_space")

    def scene(self) -> Scene:
        """Return a picture of the current state.

        Raises:
            EnvError: the environment draws nothing and its state cannot be drawn either.
        """
        scene, reason = self._drawn()
        if scene is None:
            raise EnvError(
                f"environment {self.env.env_cls}: cannot be drawn: expected render() to return text or an array of "
                f"pixels [height, width, 3], with render_mode='{_RGB}' or 'ansi' under Gymnasium's interface, "
                f"found {reason}"
            )
        return scene

    def scene_or_text(self) -> Scene:
        """Return a picture of the current state, of its numbers as text if it cannot be drawn."""
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            scene = self._drawn()[0]
        return text_scene(self.env.render_text()) if scene is None else scene

    def _drawn(self) -> tuple[Scene | None, str]:
        """Return a picture, or the reason why there is none."""
        if self.drawing is not None:
            state = self.env.get_state()
            scene = self.drawing.draw(state, self._params)
            return Scene(scene.width, scene.height, scene.shapes, scene.background, self.env.render_text()), ""
        if not self._made:
            return text_scene(self.env.render_text()), ""
        return self._drawn_by_itself()

    def _drawn_by_itself(self) -> tuple[Scene | None, str]:
        render = getattr(self._made[0], "render", None)
        reason = "no method render()"
        if callable(render):
            try:
                shown = render()
            except Exception as error:
                # Of Gymnasium's own environments, which need pygame to draw themselves.
                return _classic_control(self._made[0]), f"{type(error).__name__}: {error}"
            if isinstance(shown, str):
                return text_scene(shown), ""
            pixels, reason = _pixels(shown)
            if pixels is not None:
                height, width = pixels.shape[:2]
                scale = (
                    min(_MAX_SIDE / max(height, width), 1.0) if max(height, width) > 64 else 160 / max(height, width)
                )
                size = (round(width * scale), round(height * scale))
                return Scene(*size, (Picture(0, 0, *size, pixels),), text=self.env.render_text()), ""
        scene = None if self.is_gymnasium else matrix_scene(self._numbers())
        return scene, reason

    def _numbers(self) -> Sequence[float]:
        state: Sequence[float] = self.env.get_state()
        return [float(value) for value in state]

    def _declared_fps(self) -> float:
        metadata = getattr(self._made[0], "metadata", None)
        fps = metadata.get("render_fps") if isinstance(metadata, dict) else None
        return float(fps) if isinstance(fps, int | float) and 0 < fps <= 1000 else self.fps


def _classic_control(env: Any) -> Scene | None:
    """Return our own drawing of a classic control environment of Gymnasium; None for any other."""
    core = getattr(env, "unwrapped", env)
    drawing = DRAWINGS.get(getattr(getattr(core, "spec", None), "id", ""))
    if drawing is None or not type(core).__module__.startswith("gymnasium.envs.classic_control."):
        return None
    return drawing.draw([float(value) for value in core.state], {})


def _renderable(factory: Callable[..., Any], made: list[Any]) -> Callable[..., Any]:
    """Return a factory of environments that render pixels if they can, which are collected in `made`."""

    def make(**params: Any) -> Any:
        env = _made(factory, params)
        made.append(env)
        return env

    return make


def _made(factory: Callable[..., Any], params: dict[str, Any]) -> Any:
    if params.get("render_mode") not in (None, "human"):
        return factory(**params)
    params = {key: value for key, value in params.items() if key != "render_mode"}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of a mode that the environment does not have
        try:
            return factory(**{**params, "render_mode": _RGB})
        except Exception as error:
            if "render_mode" not in f"{error}" and not isinstance(error, TypeError):
                raise
        env = factory(**params)
    # Gymnasium's own environments read the mode when they render.
    core = getattr(env, "unwrapped", env)
    modes = (getattr(core, "metadata", None) or {}).get("render_modes") or ()
    if _RGB in modes and getattr(core, "render_mode", None) is None:
        with contextlib.suppress(AttributeError):
            core.render_mode = _RGB
    return env


def _pixels(shown: Any) -> tuple[Any, str]:
    """Return what `render` returned as an array of bytes `[height, width, 3]`, or None and what it is instead."""
    import numpy as np

    if isinstance(shown, list) and shown and hasattr(shown[-1], "shape"):
        shown = shown[-1]  # of the mode rgb_array_list
    if shown is None:
        return None, "None from render()"
    array = np.asarray(shown)
    if array.dtype.kind not in "biuf" or array.ndim not in (2, 3) or not array.size:
        return None, f"{type(shown).__name__} from render()"
    if array.ndim == 2:
        array = np.repeat(array[:, :, None], 3, axis=2)
    if array.shape[2] not in (1, 3, 4) or max(array.shape[:2]) > 8192:
        return None, f"an array of shape {list(array.shape)} from render()"
    if array.shape[2] == 1:
        array = np.repeat(array, 3, axis=2)
    if array.dtype.kind in "bf" and array.max() <= 1:
        array = array * 255.0
    return np.clip(np.nan_to_num(array[:, :, :3]), 0, 255).astype(np.uint8), ""


def painter_of(env: Env) -> Painter:
    """Return a painter of the current state of an environment."""
    painter = Painter(env.spec)
    painter.env.set_state(env.get_state())
    return painter
