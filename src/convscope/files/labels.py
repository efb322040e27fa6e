"""The names of the classes that a network tells apart, from a file."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from functools import lru_cache
from pathlib import Path

from convscope.errors import ConvscopeError, InputError

LARGEST = 4 << 20
"""Bytes of a file of labels, at most."""


def read_labels(path: Path) -> list[str]:
    """Return class names: of a text a line each, of JSON a list, or an object with id2label or numbers.

    {"0": "tench", "1": "goldfish"}, {"id2label": {…}} (a Hugging Face config.json), ["tench", …],
    {"0": ["n01440764", "tench"]} (Keras's class index), or lines, which may be numbered from 0 on (the
    labels.txt of Teachable Machine). Raises `InputError` for anything else.
    """
    try:
        data = path.read_bytes()
        text = data.decode("utf-8-sig")
    except OSError as error:
        raise InputError(f"cannot read labels from {path}: {error.strerror or error}") from error
    except UnicodeDecodeError as error:
        raise InputError(f"{path} holds no labels: it is not UTF-8 text") from error
    return _labels(data, text, str(path))


def labels_beside(model: Path) -> Path | None:
    """Return the file beside a model's that names its classes: config.json with id2label, or labels.txt; None without."""
    config, text = model.parent / "config.json", model.parent / "labels.txt"
    try:
        if config.is_file() and b'"id2label"' in config.read_bytes():
            return config
    except OSError:
        pass
    return text if text.is_file() else None


def configured_labels(module: object) -> list[str]:
    """Return the class names that a module's own `config.id2label` says, as Hugging Face's models have it; or none."""
    found = getattr(getattr(module, "config", None), "id2label", None)
    if not isinstance(found, Mapping) or list(found) != list(range(len(found))):
        return []
    labels = list(found.values())
    if _made_up(labels) or not all(isinstance(one, str) for one in labels):
        return []
    return labels


def _made_up(labels: list[str]) -> bool:
    """Whether labels are what stands where nobody gave any: LABEL_0, LABEL_1, …"""
    return labels == _standing(len(labels))


@lru_cache(maxsize=1)
def _standing(count: int) -> list[str]:
    return [f"LABEL_{n}" for n in range(count)]


KEYS = ("labels", "classes", "class_names", "names", "id2label")
"""What notes in a model file that name its classes are called."""

_NUMBERED = r"""\s*(\d{1,7})\s*:\s*(?:'([^'\\]*)'|"([^"\\]*)")\s*(?:,|$)"""


def noted_labels(notes: Iterable[tuple[str, str]]) -> list[str]:
    """Return the class names among a model file's notes, (name, text) each; none where there are none.

    JSON as in `read_labels`, or as Python writes a dictionary: {0: 'person', 1: "bird's nest"}.

    >>> noted_labels([("author", "me"), ("names", "{0: 'cat', 1: 'dog'}")])
    ['cat', 'dog']
    """
    for key, text in notes:
        if key not in KEYS or not text.lstrip().startswith(("{", "[")):
            continue
        try:
            return _labels(text.encode(), text, key)
        except ConvscopeError:
            found = _python_dictionary(text.strip())
            if found:
                return found
    return []


def _python_dictionary(text: str) -> list[str]:
    if len(text) > LARGEST or not text.endswith("}"):
        return []
    found: list[str] = []
    at, end, numbered = 1, len(text) - 1, re.compile(_NUMBERED)
    while at < end:
        one = numbered.match(text, at, end)
        if one is None or int(one[1]) != len(found):
            return []
        found.append(one[2] if one[2] is not None else one[3])
        at = one.end()
    return found


def _labels(data: bytes, text: str, path: str) -> list[str]:
    if len(data) > LARGEST:
        raise InputError(f"{path} has {len(data):,} bytes; labels may have at most {LARGEST:,}")
    if not text.lstrip().startswith(("{", "[")):
        lines = [line.strip() for line in text.splitlines() if line.strip()]
        if lines and all(line.startswith(f"{n} ") for n, line in enumerate(lines)):
            return [line.partition(" ")[2].strip() for line in lines]
        return lines
    from convscope.files.json_text import read_json

    found = read_json(data, path)
    if isinstance(found, Mapping):
        found = _in_order(found.get("id2label", found), path)
    labels = [one[-1] if isinstance(one, list) and one else one for one in found]
    if not all(isinstance(one, str) for one in labels):
        raise InputError(f"{path} holds no labels: every one is a text, or a list that ends in one")
    return [] if _made_up(labels) else labels


def _in_order(found: object, path: str) -> list[object]:
    if not isinstance(found, Mapping) or sorted(found) != sorted(map(str, range(len(found)))):
        raise InputError(
            f"{path} holds no labels: an object names every class by its number, from 0 on, as in "
            f'{{"0": "tench", "1": "goldfish"}}'
        )
    return [found[str(n)] for n in range(len(found))]
