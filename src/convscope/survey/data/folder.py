"""A folder of images, whose sub-folders are their labels; or of .tar shards."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

from convscope.errors import InputError
from convscope.survey.data import PICTURES, Source, counted, ordered, small

ACCEPTS = (
    "a folder of images (PNG, JPEG, WebP, BMP, GIF), sub-folders being labels, or of .tar shards"
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
        for folder, inner, names in os.walk(root, onerror=_raised):
            inner[:] = sorted((n for n in inner if not n.startswith(".")), key=ordered)
            inside = os.path.relpath(folder, root)
            for name in sorted(names, key=ordered):
                if name.lower().endswith(PICTURES) and not name.startswith("."):
                    found.append(name if inside == "." else f"{inside}/{name}")
    except OSError as error:
        raise InputError(f"{data} cannot be read: {error.strerror or error}") from error
    if not found and shards:
        from convscope.survey.data.archives import tars

        return tars(data, shards)
    if not found:
        raise InputError(
            f"{data} holds no images: files ending in {', '.join(PICTURES)}, also in sub-folders"
        )
    labels = [name.split("/")[0] if "/" in name else None for name in found]
    many = counted(labels)
    words = f"a folder of {len(found):,} images" + (
        f" in {many:,} sub-folder{'s' if many > 1 else ''}, which are the labels" if many else ""
    )

    def content(number: int) -> bytes:
        path = root / found[number]
        if not path.is_file():
            raise InputError("it is no plain file")
        small(path.stat().st_size, found[number])
        return path.read_bytes()

    return Source(words, found, labels if many else None, content, os.path.abspath(data))


def _raised(error: OSError) -> None:
    raise error
