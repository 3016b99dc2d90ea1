"""Action masks: which choices are allowed now."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Set
from itertools import islice
from typing import Any, NamedTuple

import numpy as np

from twisterl._internal.adapter.reading import bounded
from twisterl._internal.adapter.reading.misread import MisreadError, Text
from twisterl._internal.adapter.reading.parameters import WITHOUT_ARGUMENTS, accepts, check_call
from twisterl._internal.adapter.reading.scalars import whole
from twisterl._internal.masked import UNMASKED, is_masked
from twisterl.errors import ObservationError

_BITS = frozenset((0, 1))
ADDITIVE = "a mask that is added to logits is none of these; return `mask == 0` in its place"
DEAD_END = "end the episode in the step that leads to such a state"


class Choices:
    """The choices of which a mask consists: those of one component, or of several parts in their order.

    Attributes:
        width: the number of choices, over all parts.
    """

    def __init__(self, width: int, parts: list[Choices] | None = None, names: list[str] | None = None) -> None:
        self.width = width
        self.parts = parts or []
        self.names = names

    @classmethod
    def of(cls, parts: list[Choices], names: list[str] | None = None) -> Choices:
        """Return the choices of several parts."""
        return cls(sum(part.width for part in parts), parts, names)


class MaskReader:
    """Reads masks of an action.

    Args:
        choices: the choices.
        counts: the number of choices of each discrete value.
        start: the number of the first action, if an action is one choice.
    """

    def __init__(self, choices: Choices, counts: list[int], start: int = 0) -> None:
        self.choices = choices
        self.width = choices.width
        self._counts = counts
        self.is_single = len(counts) == 1
        self._first = np.cumsum([0, *counts[:-1]]) if counts else np.zeros(0, int)
        self._start = start

    def __call__(self, mask: Any, source: str) -> list[Any]:
        """Return a mask as a list of zeros and ones, one for each choice.

        Raises:
            MisreadError: it does not consist of one boolean, 0 or 1 for each choice.
        """
        # Lists of booleans and arrays are the usual ones, and this is called at every step.
        if type(mask) is np.ndarray and mask.ndim == 1 and mask.dtype.kind in "bi":
            mask = mask.tolist()
        if type(mask) is list and len(mask) == self.width:
            try:
                if _BITS.issuperset(mask):
                    return mask
            except TypeError:
                pass  # lists within it
        return self._read(self.choices, mask, source)

    def allows(self, mask: list[Any]) -> bool:
        """Return True if a mask allows at least one choice of each discrete value."""
        if self.is_single:
            return True in mask
        return not self._counts or bool(np.logical_or.reduceat(np.asarray(mask, bool), self._first).all())

    def of_actions(self, actions: Any, source: str) -> list[Any]:
        """Return the mask for what `valid_actions()` and the like return: the allowed actions, or a mask of booleans.

        Zeros and ones that cannot be different actions are a mask, too.

        Raises:
            MisreadError: it is neither, or could be both.
        """
        given = list(islice(actions, self.width + 1)) if _is_row(actions) else None
        if given is None:
            raise MisreadError(source, "a list of the allowed actions", actions)
        if any(isinstance(action, (bool, np.bool_)) for action in given):
            return self(given, source)
        numbers = [whole(action) for action in given]
        different = len({*numbers}) == len(numbers)
        if not isinstance(actions, (set, frozenset)) and len(given) == self.width and _BITS.issuperset(numbers):
            if not different:
                return self(given, source)
            if self.width == 2:
                raise MisreadError(source, "booleans", actions, "these numbers could be two actions as well as a mask")
        mask = [False] * self.width
        for number in numbers:
            index = -1 if number is None else number - self._start
            if not different or not 0 <= index < self.width:
                last = self._start + self.width - 1
                raise MisreadError(source, f"different actions from {self._start} to {last}", actions)
            mask[index] = True
        return mask

    def _read(self, choices: Choices, mask: Any, source: str) -> list[Any]:
        if isinstance(mask, dict):
            return self._read_named(choices, mask, source)
        if choices.parts and isinstance(mask, (tuple, list)) and any(_is_row(item) or item is None for item in mask):
            discrete = [part for part in choices.parts if part.width]
            parts = choices.parts if len(mask) == len(choices.parts) else discrete
            if len(mask) != len(parts):
                raise MisreadError(source, f"a mask for each of {len(choices.parts)} parts", mask)
            return [bit for part, item in zip(parts, mask, strict=True) for bit in self._read_part(part, item, source)]
        return _bits(choices, mask, source)

    def _read_part(self, part: Choices, mask: Any, source: str) -> list[Any]:
        # In the masks of Gymnasium's spaces, None stands for a part without a mask.
        return [True] * part.width if mask is None else self._read(part, mask, source)

    def _read_named(self, choices: Choices, mask: dict[Any, Any], source: str) -> list[Any]:
        if choices.names is None:
            raise MisreadError(source, f"{choices.width} booleans, or zeros and ones", mask)
        parts = list(zip(choices.names, choices.parts, strict=True))
        discrete = [name for name, part in parts if part.width]
        if not {*discrete} <= mask.keys() <= {*choices.names}:
            raise MisreadError(source, f"a dict of masks of {', '.join(map(repr, discrete))}", mask)
        return [bit for name, part in parts for bit in self._read_part(part, mask.get(name), source)]


def _bits(choices: Choices, mask: Any, source: str) -> list[Any]:
    """Return the zeros and ones of a mask that is not given part by part."""
    width = choices.width
    expected = f"{width} booleans, or zeros and ones"
    if is_masked(mask):
        expected += f", {UNMASKED}"
    if not _is_row(mask) or isinstance(mask, Set):  # which has no order
        raise MisreadError(source, expected, mask)
    try:
        array = bounded.array(mask, max(4 * width, 1024))  # others than `width` are named below
    except (TypeError, ValueError, RuntimeError, OverflowError) as error:
        raise MisreadError(source, expected, mask) from error
    if not array.size and not width:
        return []
    if array.dtype.kind not in "biuf":
        raise MisreadError(source, expected, mask)
    if not ((array == 0) | (array == 1)).all():
        raise MisreadError(source, expected, mask, ADDITIVE if array.min() < 0 else "")
    equal = {part.width for part in choices.parts}
    rows = (len(choices.parts), equal.pop()) if len(equal) == 1 else None
    axes = sum(length != 1 for length in array.shape)
    if array.size != width or (axes > 1 and array.shape != rows):
        found = mask if array.ndim == 1 and array.size < 20 else Text(f"{array.size} of shape {array.shape}")
        raise MisreadError(source, expected, found)
    bits: list[Any] = array.astype(bool).ravel().tolist()
    return bits


def _is_row(value: Any) -> bool:
    """Return True for arrays, sequences and iterators, but not for text, dicts and single numbers."""
    if isinstance(value, (str, bytes, dict)):
        return False
    if hasattr(value, "dtype"):
        return bool(np.ndim(value))
    return isinstance(value, Iterable)


def read_mask(components: list[tuple[int, Any, Any, list[int]]], mask: Any) -> list[bool]:
    """Return a mask of an action with these components, each as `EnvAdapter.actions` has it, as a list of booleans.

    Raises:
        ObservationError: it is none.
    """
    parts = [
        Choices.of([Choices(n)] * int(np.prod(shape))) if shape and n else Choices(n) for n, _, _, shape in components
    ]
    counts = [n for n, _, _, shape in components if n for _ in range(int(np.prod(shape)))]
    return given_mask(MaskReader(parts[0] if len(parts) == 1 else Choices.of(parts), counts), mask)


def given_mask(reader: MaskReader, mask: Any) -> list[bool]:
    """Return a mask that a caller gives as a list of booleans.

    Raises:
        ObservationError: it is none.
    """
    try:
        return [bool(bit) for bit in reader(mask, "mask")]
    except MisreadError as error:
        raise ObservationError(str(error)) from error.__cause__


# Methods and attributes that return masks, and those that return the allowed actions.
_MASKS = (
    *("action_masks", "action_mask", "masks", "get_action_masks", "get_action_mask", "valid_action_mask"),
    *("get_valid_action_mask", "legal_action_mask", "legal_actions_mask", "valid_actions_mask"),
)
# Those of the PyPI package and of libraries with maskable policies, which cannot mean anything else.
_ALWAYS_MASKS = ("masks", "action_masks")
_ACTIONS = (
    *("valid_actions", "legal_actions", "get_valid_actions", "get_legal_actions", "available_actions"),
    *("get_available_actions", "allowed_actions"),
)
# Entries of info and of observations, in the same way. An entry of an ambiguous name is a mask if it fits.
INFO_MASKS = ("action_mask", "action_masks", "mask")
INFO_ACTIONS = ("valid_actions", "legal_actions")
OBSERVED_MASKS = ("action_mask", "action_masks")
PERHAPS_MASKS = ("mask", "avail_actions", "available_actions", "legal_actions", "legal_moves", "valid_actions")

# Returns the mask of the current state; None if an attribute says nothing of it.
Source = Callable[[], "list[Any] | None"]


def wrapped(env: Any) -> Iterator[Any]:
    """Return an environment and, under Gymnasium's interface, those that it wraps, the outermost first."""
    seen: set[int] = set()
    while env is not None and id(env) not in seen:
        seen.add(id(env))
        yield env
        env = env.__dict__.get("env") if hasattr(env, "unwrapped") and hasattr(env, "__dict__") else None


class Way(NamedTuple):
    """The method or attribute that gives masks, of the environment below `depth` wrappers."""

    depth: int
    name: str
    is_method: bool
    is_mask: bool


def find(env: Any, reader: MaskReader) -> Way | None:
    """Return the method or attribute by which an environment gives masks; None without any."""
    for depth, holder in enumerate(wrapped(env)):
        for name in _MASKS if reader.width else ():
            get, is_method = _getter(holder, name)
            if get is not None:
                return Way(depth, name, is_method, True)
        for name in _ACTIONS if reader.is_single else ():
            get, is_method = _getter(holder, name)
            if get is not None and (is_method or _are_actions(get())):
                return Way(depth, name, is_method, False)
    return None


def bind(way: Way, env: Any, reader: MaskReader) -> Source:
    """Return the function that reads masks of an environment, or of a copy of it."""
    holder = next(islice(wrapped(env), way.depth, None))
    name = way.name
    source = f"{name}()" if way.is_method else name
    read = reader if way.is_mask else reader.of_actions
    if way.is_method:
        get = getattr(holder, name)
        return lambda: read(get(), source)

    def of_attribute() -> list[Any] | None:
        value = getattr(holder, name)
        return None if value is None else read(value, source)

    return of_attribute


def _getter(holder: Any, name: str) -> tuple[Callable[[], Any] | None, bool]:
    """Return the function that looks up a name, or None, and whether it is a method."""
    try:
        found = getattr(holder, name, None)
    except Exception:  # of a property that can only be read within an episode
        found = None
    if callable(found):
        needs = not accepts(found)
        if needs and name in _ALWAYS_MASKS:
            check_call(found, name, WITHOUT_ARGUMENTS)
        return (None if needs else found), True
    exists = found is not None or name in getattr(holder, "__dict__", ()) or hasattr(type(holder), name)
    return (lambda: getattr(holder, name)) if exists else None, False


def _are_actions(value: Any) -> bool:
    return _is_row(value) and hasattr(value, "__len__") and all(whole(item) is not None for item in value)


def dead_end(source: str) -> MisreadError:
    """Return the error for a state that is not the last of its episode and allows no action."""
    return MisreadError(source, "at least one allowed choice of each component", Text("none"), DEAD_END)
