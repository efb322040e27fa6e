"""A folder of images, whose sub-folders are their labels; or of .tar shards, CIFAR's batches, shards of Parquet."""

from __future__ import annotations

import os
from bisect import bisect_right
from itertools import accumulate
from pathlib import Path
from typing import Any

from convscope.errors import InputError
from convscope.survey.data import (
    NAMED,
    PICKLED,
    PICTURES,
    Format,
    Numbered,
    Source,
    counted,
    formats,
    ordered,
    pickled,
    small,
    so_many,
)

ACCEPTS = (
    "a folder of images (PNG, JPEG, WebP, BMP, GIF), sub-folders being labels, or of .tar shards, .bin or "
    ".parquet files"
)


def is_mine(data: Any) -> bool:
    """Whether it is a folder."""
    return isinstance(data, str) and os.path.isdir(data)


def read(data: str) -> Source:
    """Return the images of a folder, in the order of their names."""
    root = Path(data)
    shards = sorted((str(p) for p in root.glob("*.tar")), key=ordered)
    found: list[str] = []
    try:
        for folder, inner, names in os.walk(root, onerror=_raised, followlinks=True):
            inside = os.path.relpath(folder, root)
            inner[:] = sorted((n for n in inner if _entered(folder, n)), key=ordered)
            for name in sorted(names, key=ordered):
                if name.lower().endswith(NAMED) and not name.startswith("."):
                    found.append(name if inside == "." else f"{inside}/{name}")
    except OSError as error:
        raise InputError(f"{data} cannot be read: {error.strerror or error}") from error
    if not found and shards:
        from convscope.survey.data.archives import tars

        return tars(data, shards)
    if not found:
        return _of_files(data, root)
    shared = os.path.commonpath([os.path.dirname(name) for name in found])
    labels = _labels(found, shared)
    if not counted(labels):  # all of one class
        shared, labels = "", _labels(found, "")
    words = f"a folder of {so_many(len(found))}"
    if many := counted(labels):
        where = f" of {shared}" if shared else ""
        words += f" in {so_many(many, 'sub-folder')}{where}, which "
        words += "are the labels" if many > 1 else "is the label"

    def content(number: int) -> bytes:
        path = os.path.join(data, found[number])
        if not os.path.isfile(path):
            raise InputError("it is no plain file")
        small(os.path.getsize(path), found[number])
        with open(path, "rb") as file:
            return file.read()

    return Source(words, found, labels if many else None, content, os.path.abspath(data))


def _labels(names: list[str], shared: str) -> list[str | None]:
    """Return the folder below a shared one that each image lies in."""
    inside = [name[len(shared) + 1 :] if shared else name for name in names]
    return [name.split("/")[0] if "/" in name else None for name in inside]


def _entered(folder: str, name: str) -> bool:
    """Whether a sub-folder is gone into: none that is hidden, nor a link to one that was come through, without end."""
    path = os.path.join(folder, name)
    if name.startswith(".") or not os.path.islink(path):
        return not name.startswith(".")
    through = Path(os.path.abspath(path)).parents
    return os.path.realpath(path) not in map(os.path.realpath, through)


def _of_files(data: str, root: Path) -> Source:
    """Return what the files of a folder without pictures hold, where those of one kind belong together."""
    from convscope.survey.data import cifar, parquet

    files = sorted((str(p) for p in root.iterdir() if p.is_file()), key=ordered)
    kinds: tuple[Format, ...] = (cifar, parquet)
    for kind in kinds:
        held = [file for file in files if kind.is_mine(file)]
        if len(held) == 1:
            return kind.read(held[0])
        if held:
            return _joined(data, held, [kind.read(file) for file in held])
    others = [f for f in files if any(one.is_mine(f) for one in formats())]
    if others:
        raise InputError(
            f"{data} holds no pictures, but {', '.join(map(os.path.basename, others[:4]))}: name the one to "
            f"survey, {others[0]}"
        )
    told = f"{data} holds no images: files ending in {', '.join(PICTURES)}, also in sub-folders"
    closed = next((os.path.basename(file) for file in files if pickled(file)), None)
    raise InputError(f"{told}; {closed} {PICKLED}" if closed else told)


def _joined(data: str, files: list[str], parts: list[Source]) -> Source:
    """Return the images of several files, one after another."""
    ends = list(accumulate(len(part.names) for part in parts))
    labels: list[str | None] | None = None
    if all(part.labels is not None for part in parts):
        labels = [label for part in parts for label in part.labels or ()]
    names = ", ".join(map(os.path.basename, files[:3])) + (" …" if len(files) > 3 else "")
    words = f"{len(files)} files, {names}: {so_many(ends[-1])}"
    if many := counted(labels):
        words += f", {so_many(many, 'label')}"

    def content(number: int) -> Any:
        which = bisect_right(ends, number)
        return parts[which].content(number - (ends[which - 1] if which else 0))

    source = Source(words, Numbered(ends[-1]), labels, content, os.path.abspath(data))
    if all(part.classes == parts[0].classes for part in parts):
        source.classes = parts[0].classes
    return source


def _raised(error: OSError) -> None:
    raise error
