"""Rust source text, reduced to what the checks read: no comments, no literals, no test code."""

import re
from collections.abc import Iterator

_HIDDEN = re.compile(
    r"""//[^\n]*                          # line comments
    | /\*.*?\*/                           # block comments
    | \bb?r(?P<hashes>\#*)".*?"(?P=hashes)  # raw strings
    | b?"(?:\\.|[^"\\])*"                 # strings
    | b?'(?:\\[^\n']+|[^\\'\n])'          # characters, not lifetimes
    """,
    re.DOTALL | re.VERBOSE,
)
_TEST_ONLY = re.compile(r"#\[cfg\((?:all\()?test\b")
_ITEM = re.compile(
    r"(?:pub(?:\([^)]*\))?\s+)?(?:unsafe|async|extern|const|static|fn|impl|struct|enum|mod|use|type|trait)\b"
)
_FUNCTION = re.compile(r"\bfn\s+(\w+)")
_PAIRS = {"(": ")", "[": "]", "{": "}"}


def code(text: str) -> str:
    """Returns the text with comments and literals blanked out; every line keeps its number."""
    return _HIDDEN.sub(lambda found: re.sub(r"[^\n]", " ", found[0]), text)


def closing(text: str, opening: int) -> int:
    """Returns the index of the bracket that closes the one at ``opening``, in text without literals."""
    depth = 0
    for index in range(opening, len(text)):
        if text[index] in _PAIRS:
            depth += 1
        elif text[index] in _PAIRS.values():
            depth -= 1
            if depth == 0:
                return index
    return len(text) - 1


def _item_end(text: str, start: int) -> int:
    """Returns the index after the item, statement or field that begins at ``start``."""
    ends = ";" if _ITEM.match(text, start) else ";,"
    index = start
    while index < len(text):
        if text[index] in ends:
            return index + 1
        if text[index] in _PAIRS:
            brace = text[index] == "{"
            index = closing(text, index)
            if brace and not re.match(r"\s*;", text[index + 1 :]):
                return index + 1
        elif text[index] in "}])":  # the last field or statement of a block
            return index
        index += 1
    return index


def without_tests(text: str) -> str:
    """Returns code (see `code`) with everything under ``#[cfg(test)]`` blanked out."""
    position = 0
    while found := _TEST_ONLY.search(text, position):
        start = found.start()
        while attribute := re.compile(r"\s*#\[").match(text, start):
            start = closing(text, attribute.end() - 1) + 1
        start += len(text[start:]) - len(text[start:].lstrip())
        end = _item_end(text, start)
        blank = re.sub(r"[^\n]", " ", text[found.start() : end])
        text = text[: found.start()] + blank + text[end:]
        position = end
    return text


def functions(text: str) -> Iterator[tuple[str, int, int]]:
    """Yields the name, the first and the last line of each function with a body, in code (see `code`)."""
    for found in _FUNCTION.finditer(text):
        index = found.end()
        while index < len(text) and text[index] not in "{;":
            index = closing(text, index) + 1 if text[index] in "([" else index + 1
        if index < len(text) and text[index] == "{":
            first = text.count("\n", 0, found.start()) + 1
            yield found[1], first, text.count("\n", 0, closing(text, index)) + 1


def paths(tree: str) -> Iterator[tuple[list[str], str]]:
    """Yields the path and the bound name of each import in a ``use`` tree: ``a::{b, c as d}`` gives b and d."""
    tree = tree.strip()
    opening = tree.find("{")
    if opening < 0:
        path, _, alias = tree.partition(" as ")
        segments = [segment.strip() for segment in path.split("::") if segment.strip()]
        if segments[-1:] == ["self"] and len(segments) > 1:
            segments.pop()
        if segments:
            yield segments, alias.strip() or segments[-1]
        return
    depth, item = 0, ""
    for char in tree[opening + 1 : tree.rfind("}")] + ",":
        depth += (char == "{") - (char == "}")
        if char == "," and depth == 0:
            if item.strip():
                yield from paths(tree[:opening] + item.strip())
            item = ""
        else:
            item += char
