"""Arrays that are passed to scripts, which may expect PyTorch tensors, and those that scripts pass in."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from twisterl._internal.masked import UNMASKED, is_masked
from twisterl.errors import UsageError

if TYPE_CHECKING:
    from typing_extensions import Self


class Array(np.ndarray[Any, Any]):
    """An array with those methods of a PyTorch tensor that read it."""

    def detach(self) -> Self:
        """Return the array."""
        return self

    def cpu(self) -> Self:
        """Return the array."""
        return self

    def to(self, *_: Any, **__: Any) -> Self:
        """Return the array, which stays in the memory of the processor."""
        return self

    def float(self) -> Array:
        """Return the array in single precision."""
        return self.astype(np.float32).view(Array)

    def numpy(self) -> NDArray[Any]:
        """Return the array without these methods."""
        return self.view(np.ndarray)

    def numel(self) -> int:
        """Return the number of values."""
        return self.size


def handed_out(values: Any) -> Any:
    """Return an array as the script expects it: as a tensor if it has imported PyTorch, and else as an `Array`."""
    array = np.asarray(values, np.float32, order="C")
    convert = getattr(sys.modules.get("torch"), "from_numpy", None)
    return array.view(Array) if convert is None else convert(array)


def taken(name: str, values: Any) -> NDArray[np.float32]:
    """Return an array or a tensor that the script gives as an array in single precision.

    Args:
        name: its name in errors.
        values: an array, a tensor of PyTorch or of another library with numpy's interface, or nested lists.
    """
    for method in ("detach", "cpu", "float", "numpy"):
        if not isinstance(values, np.ndarray) and callable(getattr(values, method, None)):
            values = getattr(values, method)()
    if is_masked(values):
        raise UsageError(f"{name}: expected an array of numbers, {UNMASKED}, found {values!r:.100}")
    try:
        return np.asarray(values, np.float32, order="C")
    except (TypeError, ValueError) as error:
        raise UsageError(f"{name}: expected an array of numbers, found {values!r:.100}") from error
