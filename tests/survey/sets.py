"""Small data sets of the same images in every form that is read."""

from __future__ import annotations

import io
import tarfile
import zipfile
from pathlib import Path

import numpy as np
from PIL import Image

from convscope.typed import Array

COUNT = 45
CLASSES = ("cat", "dog", "owl")


def images() -> tuple[Array, Array]:
    """Return (45, 9, 8) grey pixels and their classes, 0 … 2."""
    rng = np.random.default_rng(11)
    return rng.integers(0, 256, (COUNT, 9, 8), np.uint8), np.arange(COUNT) % 3


def png(pixels: Array) -> bytes:
    with io.BytesIO() as file:
        Image.fromarray(pixels).save(file, format="PNG")
        return file.getvalue()


def folder(path: Path) -> Path:
    """Write the images as a folder, each class a sub-folder."""
    for number, (one, label) in enumerate(zip(*images(), strict=True)):
        place = path / CLASSES[label]
        place.mkdir(parents=True, exist_ok=True)
        (place / f"{number}.png").write_bytes(png(one))
    return path


def zipped(path: Path) -> Path:
    with zipfile.ZipFile(path, "w") as archive:
        for number, (one, label) in enumerate(zip(*images(), strict=True)):
            archive.writestr(f"set/{CLASSES[label]}/{number}.png", png(one))
    return path


def shards(path: Path) -> Path:
    """Write a folder of two .tar files as WebDataset has them: NAME.png beside NAME.cls."""
    path.mkdir()
    for shard, numbers in (("a-0.tar", range(20)), ("a-1.tar", range(20, COUNT))):
        with tarfile.open(path / shard, "w") as archive:
            for number in numbers:
                one, label = images()[0][number], images()[1][number]
                for name, data in (
                    (f"{number:06}.png", png(one)),
                    (f"{number:06}.cls", str(label).encode()),
                ):
                    info = tarfile.TarInfo(name)
                    info.size = len(data)
                    archive.addfile(info, io.BytesIO(data))
    return path
