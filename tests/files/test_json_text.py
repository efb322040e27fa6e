"""JSON within bounds: what Python's json reads, and in words what is not taken."""

from __future__ import annotations

import json

import pytest

from convscope.errors import SourceError
from convscope.files.json_text import MOST_DEPTH, read_json

GOOD = ['{"a": [1, 2.5, null, true, "é\\u00e9"], "b": {}}', "[]", '"text"', "-0.0", "1e308"]


@pytest.mark.parametrize("text", GOOD)
def test_as_python_reads_it(text: str) -> None:
    assert read_json(text, "c") == read_json(text.encode(), "c") == json.loads(text)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ('{"a": 1, "a": 2}', "the key 'a' stands there twice"),
        ("[NaN]", "NaN is not a number that JSON has"),
        ("[-Infinity]", "-Infinity is not a number that JSON has"),
        ("[1e999]", "1e999 is larger than any number"),
        ("[1,]", "c.json is not valid JSON"),
        (b'["\xff"]', "c.json is not valid JSON"),
        ("[" + "9" * 5000 + "]", "c.json is not valid JSON"),
        ("[" * 200 + "]" * 200, "nested deeper than 100 levels"),
        ("[" * 200_000, "c.json"),
    ],
    ids=lambda value: str(value)[:20],
)
def test_what_is_not_taken(text: str | bytes, words: str) -> None:
    with pytest.raises(SourceError, match=words):
        read_json(text, "c.json")


def test_as_deep_as_is_taken() -> None:
    text = "[" * MOST_DEPTH + "]" * MOST_DEPTH
    assert read_json(text, "c") == json.loads(text)
