"""Frames in notebooks: a player with a slider, and without scripts the first and the last frame.

Pages that run no scripts, such as GitHub's, show two images. Elsewhere a script puts the player in their place. It
finds its elements by a name of their own, so that a page can have many players, and loads nothing.
"""

from __future__ import annotations

import json
import uuid
from collections.abc import Sequence

from twisterl._internal.display import svg
from twisterl._internal.display.episode import Frame
from twisterl._internal.display.scene import Scene


def player(frames: Sequence[Frame], count: int, verdict: str, fps: float) -> str:
    """Return the HTML of a player.

    Args:
        frames: the first, the last, and any between.
        count: the number of steps.
        verdict: the result in words.
        fps: frames a second while it plays.
    """
    first, last = frames[0], frames[-1]
    name = f"twisterl-{uuid.uuid4().hex}"
    captions = [_caption(frame, count) for frame in frames]
    stills = _still(first, captions[0]) + (_still(last, captions[-1]) if len(frames) > 1 else "")
    body = f'<div data-part="stills" style="display:flex;flex-wrap:wrap;gap:16px">{stills}</div>'
    foot = f'<div style="margin-top:4px">{svg.escaped(verdict)}</div>'
    script = f"<script>{_script(name, frames, captions, fps)}</script>" if len(frames) > 1 else ""
    return f'<div id="{name}" style="{svg.TEXT_STYLE}">{body}{foot}</div>{script}'


def _caption(frame: Frame, count: int) -> str:
    return "start" if frame.action is None else f"{frame.number} of {count}: {frame.action}"


def _still(frame: Frame, caption: str) -> str:
    words = svg.escaped(frame.scene.text or caption)
    width = f"{frame.scene.width:.0f}"
    image = f'<img src="{svg.data_uri(frame.scene)}" alt="{words}" width="{width}" style="max-width:100%">'
    return f'<figure style="margin:0">{image}<figcaption>{svg.escaped(caption)}</figcaption></figure>'


def _script(name: str, frames: Sequence[Frame], captions: list[str], fps: float) -> str:
    # Shapes are stored once, and a frame lists those that it has.
    places: dict[str, int] = {}
    rows = [[places.setdefault(shape, len(places)) for shape in svg.elements(frame.scene)] for frame in frames]
    width, height = (max(size) for size in zip(*((f.scene.width, f.scene.height) for f in frames), strict=True))
    opening = svg.opening(Scene(width, height, ()))
    data = {
        "name": name,
        "open": opening.replace("<svg ", '<svg style="max-width:100%;height:auto;display:block" ', 1),
        "width": round(width),
        "shapes": list(places),
        "rows": rows,
        "captions": captions,
        "pause": round(1000 / min(max(fps, 0.5), 25)),
    }
    return _PLAYER.replace("DATA", _json(data))


def _json(data: object) -> str:
    """Return JSON that can stand in a script of a page: it ends no script, no comment and no line."""
    text = json.dumps(data, ensure_ascii=True, separators=(",", ":"))
    return text.replace("<", "\\u003c").replace(">", "\\u003e").replace("&", "\\u0026")


_PLAYER = """(() => {
const d = DATA;
const make = (tag, style, parent) => {
  const made = document.createElement(tag);
  made.style.cssText = style;
  parent.appendChild(made);
  return made;
};
const start = (root) => {
  root.dataset.ready = "yes";
  const box = document.createElement("div");
  const view = make("div", "", box);
  const bar = make("div", "display:flex;align-items:center;gap:8px;margin-top:4px;max-width:" + Math.max(d.width, 260)
    + "px", box);
  const button = make("button", "font:inherit;width:64px;padding:1px 0;cursor:pointer", bar);
  const slider = make("input", "flex:1;min-width:80px;margin:0", bar);
  const caption = make("div", "min-height:1.5em", box);
  const last = d.rows.length - 1;
  slider.type = "range";
  slider.min = 0;
  slider.max = last;
  slider.value = 0;
  slider.setAttribute("aria-label", "step");
  button.type = "button";
  let timer = 0;
  const show = () => {
    const i = Number(slider.value);
    view.innerHTML = d.open + d.rows[i].map((j) => d.shapes[j]).join("") + "</svg>";
    caption.textContent = d.captions[i];
  };
  const stop = () => { clearInterval(timer); timer = 0; button.textContent = "Play"; };
  const next = () => {
    if (!root.isConnected) { stop(); return; }
    if (Number(slider.value) >= last) { stop(); return; }
    slider.value = Number(slider.value) + 1;
    show();
  };
  button.onclick = () => {
    if (timer) { stop(); return; }
    if (Number(slider.value) >= last) { slider.value = 0; show(); }
    button.textContent = "Pause";
    timer = setInterval(next, d.pause);
  };
  slider.oninput = () => { stop(); show(); };
  stop();
  show();
  root.querySelector('[data-part="stills"]').replaceWith(box);
};
document.querySelectorAll('[id="' + d.name + '"]:not([data-ready])').forEach(start);
})();"""
