"""Parquet with a column of images: bytes, or {"bytes", "path"} as Hugging Face's data sets write them."""

from __future__ import annotations

import json
import os
from bisect import bisect_right
from typing import Any

from convscope.errors import InputError, UnsupportedError
from convscope.survey.data import Numbered, Source, counted, so_many

ACCEPTS = "Parquet with a column of images (needs pyarrow: pip install convscope[parquet])"

LABELS = ("label", "labels", "fine_label", "class", "target", "y")


def is_mine(data: Any) -> bool:
    """Whether it is a file of such a name."""
    return isinstance(data, str) and os.path.isfile(data) and data.lower().endswith(".parquet")


def read(data: str) -> Source:
    """Return the images of a column, row by row; one group of rows is held at a time."""
    try:
        from pyarrow import parquet
    except ImportError as error:
        raise UnsupportedError(
            "reading Parquet needs pyarrow: pip install 'convscope[parquet]'"
        ) from error
    try:
        file = parquet.ParquetFile(data)
        schema = file.schema_arrow
        images = _images(schema)
        label = next((n for n in LABELS if n in schema.names), None)
        labels = file.read([label]).column(label).to_pylist() if label else None
    except Exception as error:  # pyarrow's errors share no base class with what files do wrong
        raise InputError(f"{data} cannot be read as Parquet: {error}") from error
    if images is None:
        raise InputError(
            f"{data} has no column of images (bytes, or bytes and path); its columns are "
            f"{', '.join(schema.names)}"
        )
    classes = _classes(schema, label)
    names = None if labels is None else [_named(v, classes) for v in labels]
    starts = [0]
    for group in range(file.metadata.num_row_groups):
        starts.append(starts[-1] + file.metadata.row_group(group).num_rows)
    held: dict[int, Any] = {}

    def content(number: int) -> bytes:
        group = bisect_right(starts, number) - 1
        if group not in held:
            held.clear()
            held[group] = file.read_row_group(group, [images]).column(images)
        value = held[group][number - starts[group]].as_py()
        found = value.get("bytes") if isinstance(value, dict) else value
        if not isinstance(found, bytes):
            raise InputError("its row holds no bytes")
        return found

    words = f"column {images} of {os.path.basename(data)}: {so_many(starts[-1], 'row')}"
    if many := counted(names):
        words += f", {so_many(many, 'label')} in column {label}"
    source = Source(words, Numbered(starts[-1]), names, content, os.path.abspath(data))
    source.classes = classes
    return source


def _classes(schema: Any, label: str | None) -> list[str]:
    """Return the names of the classes, as Hugging Face's data sets write them beside the columns."""
    try:
        told = json.loads((schema.metadata or {})[b"huggingface"])["info"]["features"][label]
        names = told["names"] if told["_type"] == "ClassLabel" else []
    except (ValueError, KeyError, TypeError):
        return []
    return names if isinstance(names, list) and all(isinstance(n, str) for n in names) else []


def _named(value: Any, classes: list[str]) -> str | None:
    """Return a label in words: the name of its class, if it is a number of one."""
    if isinstance(value, int) and 0 <= value < len(classes):
        return classes[value]
    return None if value is None else str(value)


def _images(schema: Any) -> str | None:
    """Return the first column that holds bytes, or a struct with bytes."""
    for field in schema:
        kind = str(field.type)
        if kind in ("binary", "large_binary") or kind.startswith("struct<bytes: binary"):
            return str(field.name)
    return None
