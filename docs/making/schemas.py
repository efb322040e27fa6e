"""The forms of JSON as pages: every field of every schema in docs/schemas, with what it holds."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

NOT_FINITE = "^(NaN|-?Infinity)$"
"""What the text of a number is that is none in JSON."""

SCHEMAS = Path(__file__).parents[1] / "schemas"


def schemas() -> dict[str, dict[str, Any]]:
    """Return every schema by its command."""
    return {
        p.stem: json.loads(p.read_text(encoding="utf-8")) for p in sorted(SCHEMAS.glob("*.json"))
    }


def pages() -> Iterator[tuple[str, str]]:
    """Yield the page of each schema, and their list."""
    found = schemas()
    rows = []
    for name, schema in found.items():
        fields = "\n".join(
            f"| `{path}` | {kind} | {words} |" for path, kind, words in fields_of(schema)
        )
        yield (
            name,
            f"# {schema['title']}\n\n{schema['description']}\n\n| field | type | what it holds |\n|---|---|---|\n{fields}\n\n"
            + f"The schema, which a test holds the command to:\n\n```json\n{json.dumps(schema, indent=1, ensure_ascii=False)}\n```\n",
        )
        rows.append(f"| [{schema['title']}]({name}.md) | {schema['description'].split('.')[0]} |")
    names = "\n".join(found)
    yield (
        "index",
        "# JSON\n\nWhat `--json` prints: one JSON object on stdout and nothing else. `to_dict()` of what the Python functions return is the "
        "same object. An unknown size is `null`, or its symbol as a string; a figure that does not exist is `null`, never 0. A number that is not finite, which JSON does not know, is the text "
        '`"NaN"`, `"Infinity"` or `"-Infinity"`.\n\n'
        "| what is printed | what it holds |\n|---|---|\n"
        + "\n".join(rows)
        + f"\n\n```{{toctree}}\n:hidden:\n\n{names}\n```\n",
    )


def fields_of(schema: dict[str, Any], before: str = "") -> Iterator[tuple[str, str, str]]:
    """Yield the path, the type and the words of every field."""
    for name, inner in schema.get("properties", {}).items():
        path = f"{before}{name}"
        yield path, kind(inner), inner.get("description", "").replace("|", "\\|")
        yield from within(inner, path)
    extra = schema.get("additionalProperties")
    if isinstance(extra, dict):
        path = f"{before}NAME"
        yield path, kind(extra), extra.get("description", "")
        yield from within(extra, path)


def within(inner: dict[str, Any], path: str) -> Iterator[tuple[str, str, str]]:
    for one in (inner, *inner.get("anyOf", ())):
        yield from fields_of(one, f"{path}.")
        if isinstance(one.get("items"), dict):
            yield from fields_of(one["items"], f"{path}[].")


def kind(inner: dict[str, Any]) -> str:
    """Return the type of a field in words."""
    if "anyOf" in inner:
        return " or ".join(dict.fromkeys(kind(one) for one in inner["anyOf"]))
    said = inner.get("type", "anything")
    names = said if isinstance(said, list) else [said]
    words = [
        "list of " + kind(inner["items"]) if n == "array" and inner.get("items") else n
        for n in names
        if not (n == "string" and inner.get("pattern") == NOT_FINITE)
    ]
    return " or ".join(words)
