"""Differences between two records, one by one, and those that are expected.

A record is JSON. A difference has the path of a value, its keys joined by `/`. A file of expectations maps patterns of
paths (with the wildcards of `fnmatch`) to the reason why they may differ:

    {"training/es_cartpole_v1/metrics/*/losses/shared_base": "the metric is now called ..."}
"""

import fnmatch
import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

ABSENT = "(absent)"
SHOWN = 120  # characters of a value


class ExpectationError(Exception):
    """A file of expectations is not what it must be."""


@dataclass(frozen=True)
class Difference:
    """A value that is not the same in both records."""

    path: str
    before: Any
    after: Any

    def __str__(self) -> str:
        return f"{self.path}: {_shown(self.before)} -> {_shown(self.after)}"


def _shown(value: Any) -> str:
    text = value if value is ABSENT else json.dumps(value)
    return text if len(text) <= SHOWN else f"{text[: SHOWN - 3]}..."


def differences(before: Any, after: Any, path: str = "") -> Iterator[Difference]:
    """Yields the differences of two JSON values, in the order of `before`."""
    if isinstance(before, dict) and isinstance(after, dict):
        keys = [*before, *(key for key in after if key not in before)]
        for key in keys:
            inner = f"{path}/{key}" if path else str(key)
            yield from differences(before.get(key, ABSENT), after.get(key, ABSENT), inner)
    elif isinstance(before, list) and isinstance(after, list) and len(before) == len(after):
        for index, pair in enumerate(zip(before, after, strict=True)):
            yield from differences(*pair, f"{path}/{index}")
    elif type(before) is not type(after) or before != after:
        yield Difference(path, before, after)


def read_expectations(file: Path) -> dict[str, str]:
    """Reads a file of expectations."""
    try:
        found = json.loads(file.read_text(encoding="utf-8"))
    except (OSError, json.JSONDecodeError) as error:
        raise ExpectationError(f"{file}: {error}") from error
    if not isinstance(found, dict) or not all(isinstance(reason, str) and reason for reason in found.values()):
        raise ExpectationError(f"{file}: expected an object that maps patterns of paths to reasons")
    return found


def expected_by(path: str, expectations: Mapping[str, str]) -> str | None:
    """Returns the first pattern that matches a path."""
    return next((pattern for pattern in expectations if fnmatch.fnmatchcase(path, pattern)), None)


@dataclass(frozen=True)
class Verdict:
    """Differences, sorted by whether they are expected."""

    unexpected: list[Difference]
    expected: dict[str, list[Difference]]  # by pattern

    @classmethod
    def of(cls, found: list[Difference], expectations: Mapping[str, str]) -> "Verdict":
        """Sorts differences by the expectations that match them."""
        unexpected: list[Difference] = []
        expected: dict[str, list[Difference]] = {pattern: [] for pattern in expectations}
        for difference in found:
            pattern = expected_by(difference.path, expectations)
            (unexpected if pattern is None else expected[pattern]).append(difference)
        return cls(unexpected, expected)

    def report(self, expectations: Mapping[str, str], limit: int) -> str:
        """Lists the differences, at most `limit` of each case; a case is the first two parts of a path."""
        lines = []
        for pattern, found in self.expected.items():
            lines.append(f"expected ({len(found)}): {pattern}: {expectations[pattern]}")
            lines += [f"    {difference}" for difference in found[:limit]]
        cases: dict[str, list[Difference]] = {}
        for difference in self.unexpected:
            cases.setdefault("/".join(difference.path.split("/")[:2]), []).append(difference)
        for found in cases.values():
            lines += [f"DIFFERS  {difference}" for difference in found[:limit]]
            if len(found) > limit:
                lines.append(f"         and {len(found) - limit} more of this case")
        return "\n".join(lines)
