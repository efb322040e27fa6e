"""The names of the classes that a network tells apart, from a file."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from convscope.errors import InputError
from convscope.files.json_text import read_json

LARGEST = 4 << 20
"""Bytes of a file of labels, at most."""


def read_labels(path: Path) -> list[str]:
    """Return class names: of a text a line each, of JSON a list, or an object with id2label or numbers.

    {"0": "tench", "1": "goldfish"}, {"id2label": {…}} (a Hugging Face config.json), ["tench", …],
    {"0": ["n01440764", "tench"]} (Keras's class index), or lines. Raises `InputError` for anything else.
    """
    try:
        data = path.read_bytes()
        text = data.decode("utf-8-sig")
    except OSError as error:
        raise InputError(f"cannot read labels from {path}: {error.strerror or error}") from error
    except UnicodeDecodeError as error:
        raise InputError(f"{path} holds no labels: it is not UTF-8 text") from error
    if len(data) > LARGEST:
        raise InputError(f"{path} has {len(data):,} bytes; labels may have at most {LARGEST:,}")
    if not text.lstrip().startswith(("{", "[")):
        return [line.strip() for line in text.splitlines() if line.strip()]
    found = read_json(data, str(path))
    if isinstance(found, Mapping):
        found = _in_order(found.get("id2label", found), path)
    labels = [one[-1] if isinstance(one, list) and one else one for one in found]
    if not all(isinstance(one, str) for one in labels):
        raise InputError(f"{path} holds no labels: every one is a text, or a list that ends in one")
    return labels


def _in_order(found: object, path: Path) -> list[object]:
    if not isinstance(found, Mapping) or sorted(found) != sorted(map(str, range(len(found)))):
        raise InputError(
            f"{path} holds no labels: an object names every class by its number, from 0 on, as in "
            f'{{"0": "tench", "1": "goldfish"}}'
        )
    return [found[str(n)] for n in range(len(found))]
