#!/usr/bin/env python3
"""Write docs/config.md, the reference of all config fields, from the trainer's own JSON Schema.

    target/debug/twisterl-train schema | scripts/generate/config_reference.py > docs/config.md

The test suite fails when the page and the schema no longer agree.
"""

import json
import sys
from collections.abc import Iterator

HEAD = """\
# Config reference

<!-- Written by scripts/generate/config_reference.py from `twisterl-train schema`: change the doc comments in
     crates/twisterl-train/src/config/ instead, then run the script again. -->

A config is one JSON object. Every field but `env_cls` may be left out. A key that is not listed here for the algorithm
of the config is an error, as are values of another type or out of their range. Each field can be set from the command
line by its path, such as `--set algorithm.training.ent_coef=0.02`. The resolved config, with exactly the fields of its
algorithm and every default written out, is in the run folder as `config.json`. `twisterl-train schema` prints the JSON
Schema from which this page is made, for editors: a config may name it, as `"$schema": "schema.json"`.

A config without the section `algorithm` is completed by a [preset](guide.md#presets) for its environment, so that
`{"env_cls": "CartPole-v1"}` is enough to train. The defaults below are those of fields that are left out beside it.

Configs that were written for the peer, the PyPI package `twisterl`, keep running: in a config that names both classes
by the peer's paths (`algorithm_cls` is `twisterl.rl.PPO` or `twisterl.rl.AZ`, `policy_cls` is `twisterl.nn.BasicPolicy`
or `twisterl.nn.Conv1dPolicy`), a field that the algorithm does not use is ignored with a note. So it is in the
`config.json` of runs by versions that wrote the fields of all algorithms, if its value is not the default.
"""


def resolve(schema: dict, node: dict) -> dict:
    """Follow references, and the one real branch of an optional field; what stands beside a reference wins."""
    if "anyOf" in node:
        branches = [branch for branch in node["anyOf"] if branch.get("type") != "null"]
        if len(branches) == 1:
            return {"optional": True, **resolve(schema, branches[0]), **{k: v for k, v in node.items() if k != "anyOf"}}
    if "$ref" in node:
        target = schema
        for key in node["$ref"].removeprefix("#/").split("/"):
            target = target[key]
        return {**resolve(schema, target), **{k: v for k, v in node.items() if k != "$ref"}}
    return node


def number(value: float) -> str:
    """Print a bound briefly: 16777216 as 2^24, 1e9 as 10^9."""
    whole = int(value) if float(value).is_integer() else 0
    if whole >= 1 << 16 and whole & (whole - 1) == 0:
        return f"2^{whole.bit_length() - 1}"
    if whole >= 10**6 and set(str(whole)[1:]) == {"0"} and str(whole)[0] == "1":
        return f"10^{len(str(whole)) - 1}"
    return f"{value:g}"


def bounds(node: dict) -> str:
    """The range of a number in words, such as ``1 to 64`` or ``more than 0``."""
    low, high = node.get("minimum"), node.get("maximum")
    above, below = node.get("exclusiveMinimum"), node.get("exclusiveMaximum")
    if low is not None and high is not None:
        return f"{number(low)} to {number(high)}"
    words = [("at least", low), ("more than", above), ("at most", high), ("less than", below)]
    return ", ".join(f"{word} {number(bound)}" for word, bound in words if bound is not None)


def values(schema: dict, node: dict) -> str:
    """Returns the type and range of a field in words."""
    node = resolve(schema, node)
    options = node.get("enum") or [option["const"] for option in node.get("oneOf", []) if "const" in option]
    if options:
        return ", ".join(f"`{option}`" for option in options)
    kinds = node.get("type", [])
    kinds = [kinds] if isinstance(kinds, str) else kinds
    kind = next((kind for kind in kinds if kind != "null"), None)
    if kind == "array":
        length = node.get("minItems") if node.get("minItems") == node.get("maxItems") else None
        of = values(schema, node.get("items", {}))
        return f"list of {length} values: {of}" if length else f"list: {of}"
    words = {"integer": "whole number", "number": "number", "boolean": "`true`, `false`", "string": "text"}
    return ", ".join(filter(None, [words.get(kind, "object"), bounds(node)]))


def default(node: dict) -> str:
    """The default as JSON; a dash where there is none."""
    if "default" not in node:
        return "required"
    value = node["default"]
    if isinstance(value, float):
        return f"`{value:g}`"
    return "not given" if value is None else f"`{json.dumps(value)}`"


def sections(schema: dict, node: dict, path: str) -> Iterator[tuple[str, str, list[tuple[str, dict]]]]:
    """Yield (path, description, fields) of an object and of all objects in it, in their order."""
    plain, nested = [], []
    for key, raw in node["properties"].items():
        field = resolve(schema, raw)
        entries = field.get("additionalProperties")
        if "properties" in field:
            nested.append((f"{path}{key}", field))
        elif isinstance(entries, dict):  # a map by names that the user chooses
            nested.append((f"{path}{key}.<name>", {**resolve(schema, entries), "description": field["description"]}))
        else:
            plain.append((key, field))
    if plain or not path:
        yield path.rstrip("."), node.get("description", ""), plain
    for inner, field in nested:
        yield from sections(schema, field, f"{inner}.")


Fields = list[tuple[str, dict]]


def table(heading: str, description: str, schema: dict, fields: Fields) -> str:
    """One section: heading, description, and a row for each field."""
    parts = [heading, "", *([" ".join(description.split()), ""] if description else [])]
    parts += ["| Key | Values | Default | Meaning |", "|---|---|---|---|"]
    for key, field in fields:
        meaning = " ".join(field.get("description", "").split()).replace("|", "\\|")
        parts.append(f"| `{key}` | {values(schema, field)} | {default(field)} | {meaning} |")
    return "\n".join(parts) + "\n"


def page(schema: dict) -> str:
    """The whole page: the sections that are the same for all algorithms, then the others of each."""
    algorithms = {name: list(sections(schema, branch, "")) for name, branch in schema["$defs"].items()}
    every = [{path: fields for path, _, fields in listed} for listed in algorithms.values()]

    def shared(path: str, fields: Fields) -> Fields:
        # `policy` differs in single fields; a section of `algorithm` that differs is listed for each algorithm in full.
        if path == "policy":
            return [field for field in fields if all(field in others[path] for others in every)]
        return fields if all(others.get(path) == fields for others in every) else []

    parts = [HEAD]
    for path, description, fields in next(iter(algorithms.values())):
        if same := shared(path, fields):
            parts.append(table(f"## {f'`{path}`' if path else 'Top level'}", description, schema, same))
    for name, listed in algorithms.items():
        parts.append(f"## With `algorithm_cls` {name}\n")
        for path, description, fields in listed:
            if own := [field for field in fields if field not in shared(path, fields)]:
                parts.append(table(f"### `{path}` of {name}", description if path != "policy" else "", schema, own))
    return "\n".join(parts)


def main() -> None:
    """Filter: schema in, page out."""
    if sys.stdin.isatty():
        sys.exit(f"config_reference.py: expected a schema on standard input\n\n{__doc__}")
    try:
        schema = json.load(sys.stdin)
    except json.JSONDecodeError as error:
        sys.exit(f"config_reference.py: expected a JSON Schema on standard input, found {error}")
    print(page(schema), end="")


if __name__ == "__main__":
    main()
