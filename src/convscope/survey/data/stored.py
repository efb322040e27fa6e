"""Arrays in .npy and .npz files: one row an image."""

from __future__ import annotations

import os
import re
from typing import Any

import numpy as np

from convscope.engine.images import unread
from convscope.errors import InputError
from convscope.survey.data import Source, so_many
from convscope.survey.data.given import of_arrays

ACCEPTS = "arrays in .npy or .npz (FILE.npz:NAME where it holds several)"

IMAGES = ("images", "image", "x", "data", "arr_0", "inputs", "pixels")
LABELS = ("labels", "label", "y", "target", "targets", "classes", "arr_1")


def is_mine(data: Any) -> bool:
    """Whether it is a file of such a name."""
    if not isinstance(data, str):
        return False
    path = _parted(data)[0]
    return os.path.isfile(path) and path.lower().endswith((".npy", ".npz"))


def _parted(data: str) -> tuple[str, str]:
    found = re.fullmatch(r"(.*\.npz):([^:/\\]+)", data, re.IGNORECASE | re.DOTALL)
    return (found[1], found[2]) if found else (data, "")


def read(data: str) -> Source:
    """Return the rows of the array of images, with those of the labels beside it."""
    path, asked = _parted(data)
    try:
        loaded = np.load(path, mmap_mode="r", allow_pickle=False)
    except Exception as error:
        raise InputError(f"{path} cannot be read: {unread(error)}") from error
    spec = os.path.abspath(path) + (f":{asked}" if asked else "")
    if isinstance(loaded, np.ndarray):
        return of_arrays(loaded, None, os.path.basename(path), spec)
    with loaded:
        try:
            arrays = {name: loaded[name] for name in loaded.files if not asked or name == asked}
            name = _images(path, asked, {n: a.shape for n, a in arrays.items()}, loaded.files)
            beside, sure = _labels(name, loaded.files)
            labels = loaded[beside] if beside else None
        except InputError:
            raise
        except Exception as error:
            raise InputError(f"{path} cannot be read: {unread(error)}") from error
    if labels is not None and (held := len(np.atleast_1d(labels))) != len(arrays[name]):
        if sure:
            raise InputError(
                f"{path}: {beside} holds {so_many(held, 'label')} for the {so_many(len(arrays[name]))} of {name}"
            )
        labels = None
    told = f"{name} of {os.path.basename(path)}"
    if labels is not None:
        told += f", labels {beside}"
    return of_arrays(arrays[name], labels, told, spec)


def _images(path: str, asked: str, shapes: dict[str, Any], names: list[str]) -> str:
    if asked and asked not in shapes:
        raise InputError(f"{path} holds no array {asked!r}; it holds {', '.join(names)}")
    rows = [name for name, shape in shapes.items() if len(shape) >= 3]
    rows = rows or [name for name, shape in shapes.items() if len(shape) == 2]
    if asked or len(rows) == 1:
        return asked or rows[0]
    named = [name for name in rows if name.lower() in IMAGES]
    if len(named) == 1:
        return named[0]
    if not rows:
        raise InputError(f"{path} holds no array of images: {', '.join(names)}")
    raise InputError(
        f"{path} holds several arrays of images, {', '.join(rows)}: name one, {path}:{rows[0]}"
    )


def _labels(images: str, names: list[str]) -> tuple[str | None, bool]:
    """Return the array of labels that goes with one of images, y_test with x_test, and whether its name says so."""
    turned = [re.sub(r"^x", "y", images), re.sub(r"^X", "y", images), re.sub(r"^X", "Y", images)]
    turned += [images.replace("images", "labels"), images.replace("image", "label")]
    for name in turned:
        if name != images and name in names:
            return name, True
    return next((name for name in names if name.lower() in LABELS and name != images), None), False
