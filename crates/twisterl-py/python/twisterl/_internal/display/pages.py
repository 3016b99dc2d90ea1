"""Solutions, policies and environments as HTML for notebooks. All text from files and environments is escaped."""

from __future__ import annotations

import json
from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

from twisterl import _core
from twisterl._internal.display import svg
from twisterl._internal.display.drawings.network import network_scene
from twisterl._internal.display.episode import frames, short
from twisterl._internal.display.painter import Painter, painter_of
from twisterl._internal.display.player import player
from twisterl._internal.display.scene import Picture

if TYPE_CHECKING:
    from twisterl.envs import Env
    from twisterl.policy import Policy, Solution

# Longer solutions show every second frame, or every third, and so on; those of many shapes or of pixels even fewer.
_MAX_FRAMES, _MAX_SHAPES, _MAX_PICTURES = 240, 48_000, 48
_CELL = "text-align:left;vertical-align:top;padding:1px 12px 1px 0;background:none;border:none"


def solution_page(solution: Solution, verdict: str, spec: _core.EnvSpec) -> str:
    """Return a solution as boards with a slider."""
    painter, count = Painter(spec), len(solution)
    painter.env.set_state(solution.start)
    shapes = painter.scene_or_text().shapes
    if any(isinstance(shape, Picture) for shape in shapes):
        most = _MAX_PICTURES
    else:
        most = min(max(_MAX_SHAPES // max(len(shapes), 1), 1), _MAX_FRAMES)
    step = max(-(-count // most), 1)
    shown = list(frames(solution, painter, strict=False, every=step))
    if step > 1:
        verdict += f" (every {_ordinal(step)} step is shown)"
    return player(shown, count, verdict, painter.fps / step)


def env_page(env: Env) -> str:
    """Return an environment as a picture of its state with its parameters."""
    picture = painter_of(env).scene_or_text()
    caption = f"{env.env_cls}: {_params(env.params)}"
    image = f'<img src="{svg.data_uri(picture)}" alt="{svg.escaped(picture.text)}" style="max-width:100%">'
    text = f"<figcaption>{svg.escaped(short(caption, 400))}</figcaption>"
    return f'<figure style="margin:0;{svg.TEXT_STYLE}">{image}{text}</figure>'


def policy_page(policy: Policy) -> str:
    """Return a policy as a table of its properties and a picture of its network."""
    described = _description(policy.to_bytes())
    shape = " x ".join(map(str, policy.obs_shape))
    observation = f"{shape} {'bits' if policy.sparse else 'numbers'}"
    actions = " + ".join(_component(*component) for component in policy.action_components)
    rows = [
        ("Environment", policy.env_cls),
        ("Parameters", _params(policy.env_params)),
        ("Observation", observation),
        ("Action", actions),
        ("Weights", f"{policy.num_parameters:,}"),
    ]
    if twists := described.get("twists"):
        rows.append(("Symmetries", f"{len(twists)} ({described.get('symmetry', 'unused')})"))
    if described.get("backtracking") is False:
        rows.append(("Backtracking", "never undoes the last move"))
    scene = network_scene(described.get("network") or {}, observation, actions)
    image = f'<img src="{svg.data_uri(scene)}" alt="{svg.escaped(scene.text)}" style="max-width:100%">'
    return (
        f'<div style="display:flex;flex-wrap:wrap;gap:24px;align-items:flex-start;{svg.TEXT_STYLE}">'
        f"<div><b>Policy</b>{_table(rows)}</div><div>{image}</div></div>"
    )


def _table(rows: Iterable[tuple[str, Any]]) -> str:
    body = "".join(
        f'<tr style="background:none"><th style="{_CELL}">{svg.escaped(title)}</th>'
        f'<td style="{_CELL};max-width:360px;overflow-wrap:anywhere">{svg.escaped(short(value, 400))}</td></tr>'
        for title, value in rows
    )
    return f'<table style="border-collapse:collapse;border:none;margin:0;font:inherit">{body}</table>'


def _params(params: dict[str, Any]) -> str:
    # Numbers in single precision have digits that mean nothing.
    words = (
        f"{key} = {value:.6g}" if isinstance(value, float) else f"{key} = {json.dumps(value)}"
        for key, value in params.items()
    )
    return ", ".join(words) or "none"


def _component(choices: int, low: list[float], high: list[float], shape: list[int]) -> str:
    if choices and shape:
        return f"{' x '.join(map(str, shape))} bits"
    if choices:
        return f"{choices} choices"
    bounds = {(a, b) for a, b in zip(low, high, strict=True)}
    within = f" from {low[0]:g} to {high[0]:g}" if len(bounds) == 1 else ""
    return f"{len(low)} number{'s' if len(low) > 1 else ''}{within}"


def _description(data: bytes) -> dict[str, Any]:
    """Return the description of a policy in its file: the network, symmetries and the like."""
    length = int.from_bytes(data[:8], "little")
    described: dict[str, Any] = json.loads(json.loads(data[8 : 8 + length])["__metadata__"]["twisterl"])
    return described


def _ordinal(number: int) -> str:
    ending = {1: "st", 2: "nd", 3: "rd"}.get(number % 10, "th") if number % 100 not in (11, 12, 13) else "th"
    return f"{number}{ending}"
