"""Folders of models."""

from __future__ import annotations

import os
import sys
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from twisterl._internal.arguments import path as valid_path
from twisterl.errors import TwisteRLError
from twisterl.quantum.coupling import Coupling, coupling_of
from twisterl.quantum.models.matching import Placement, placement
from twisterl.quantum.models.model import Model, load_model
from twisterl.quantum.targets import ModelKind, model_kind_named

__all__ = ["VARIABLE", "Library", "default_folder"]

# The variable that names the folder of models.
VARIABLE = "TWISTERL_QUANTUM_MODELS"
# The most models that a folder is searched for.
_MOST = 10_000


def default_folder() -> Path:
    """Return the folder of the user's models: that of the variable, or one below the folder for data of programs."""
    if named := os.environ.get(VARIABLE):
        return Path(named)
    home = Path.home()
    if sys.platform == "darwin":
        data = home / "Library/Application Support"
    elif sys.platform == "win32":
        data = Path(os.environ.get("LOCALAPPDATA") or home / "AppData/Local")
    else:
        data = Path(os.environ.get("XDG_DATA_HOME") or home / ".local/share")
    return data / "twisterl/quantum"


class Library:
    """The models in a folder.

    Attributes:
        folder: the folder, which need not exist.
        models: the models, by their names.
        broken: the files and folders that look like models and cannot be loaded, with the errors.
    """

    def __init__(self, folder: str | os.PathLike[str] | None = None) -> None:
        """Load the models of a folder, by default `default_folder()`."""
        self.folder = default_folder() if folder is None else valid_path("models", folder)
        self.models: dict[str, Model] = {}
        self.broken: list[tuple[Path, TwisteRLError]] = []
        self._placements: dict[tuple[str, Coupling], list[tuple[Model, Placement]]] = {}
        for place in _places(self.folder):
            try:
                self.models[place.name] = load_model(place)
            except TwisteRLError as error:
                self.broken.append((place, error))

    def find(self, kind: ModelKind | str, coupling: Any) -> list[tuple[Model, Placement]]:
        """Return the models for a map, each with its placement, those with the most edges of the map first.

        Args:
            kind: the kind of the models, or its name.
            coupling: the map in any form that `coupling_of` takes.
        """
        kind = kind if isinstance(kind, ModelKind) else model_kind_named(kind)
        coupling = coupling_of(coupling)
        key = (kind.name, coupling)
        if key not in self._placements:
            fitting: list[tuple[Model, Placement]] = []
            for model in self.models.values():
                if model.kind is kind and (place := placement(model.coupling, coupling)) is not None:
                    fitting.append((model, place))
            self._placements[key] = sorted(fitting, key=lambda found: found[1].unused)
        return self._placements[key]

    def sizes(self, kind: ModelKind | str) -> list[int]:
        """Return the numbers of qubits of the models of a kind, in descending order."""
        kind = kind if isinstance(kind, ModelKind) else model_kind_named(kind)
        return sorted({m.coupling.num_qubits for m in self.models.values() if m.kind is kind}, reverse=True)

    def __iter__(self) -> Iterator[Model]:
        return iter(self.models.values())

    def __len__(self) -> int:
        return len(self.models)

    def __repr__(self) -> str:
        return f"<Library {self.folder}: {len(self)} models, {len(self.broken)} broken>"


_KEPT: dict[Path, tuple[Any, Library]] = {}


def opened(models: Any = None) -> Library:
    """Return a library, which is read again only if a file in its folder has changed.

    Warns of broken models, and of a folder that is named but is not there.

    Args:
        models: a library, a folder, a model, or None for `default_folder()`.
    """
    if isinstance(models, Library):
        return models
    folder = default_folder() if models is None else valid_path("models", models)
    places = _places(folder)
    if not places and not folder.is_dir() and (models is not None or os.environ.get(VARIABLE)):
        found = "another file" if folder.exists() else "nothing"
        warnings.warn(f"{folder}: expected a folder of models, found {found}: there are no models", stacklevel=2)
    stamp = [(str(file), file.stat().st_mtime_ns) for place in places for file in (place, *_inside(place))]
    kept = _KEPT.get(folder)
    if kept is None or kept[0] != stamp:
        library = Library(folder)
        for path, error in library.broken:
            warnings.warn(f"{path}: a model that cannot be loaded is not used: {error}", stacklevel=2)
        _KEPT[folder] = (stamp, library)
    return _KEPT[folder][1]


def _inside(place: Path) -> list[Path]:
    return sorted(place.glob("*.*")) if place.is_dir() else []


def _places(folder: Path) -> list[Path]:
    """Return what looks like a model: folders with its description, and files of weights."""
    if _is_model(folder):
        return [folder]
    return [place for place in (sorted(folder.iterdir()) if folder.is_dir() else ()) if _is_model(place)][:_MOST]


def _is_model(place: Path) -> bool:
    return (place / "model.json").is_file() or (place.is_file() and place.suffix in (".safetensors", ".pt"))
