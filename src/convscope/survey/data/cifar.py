"""CIFAR-10 and CIFAR-100 in their binary version: a file, or the folder that holds them."""

from __future__ import annotations

import os
from typing import Any

import numpy as np

from convscope.errors import InputError
from convscope.survey.data import Source
from convscope.survey.data.given import of_arrays

ACCEPTS = "CIFAR-10's and CIFAR-100's binary files (.bin)"

PIXELS = 3 * 32 * 32


def is_mine(data: Any) -> bool:
    """Whether it is a file of such a name."""
    return isinstance(data, str) and os.path.isfile(data) and data.lower().endswith(".bin")


def read(data: str) -> Source:
    """Return the images of a file. CIFAR-100 has two labels for each: the finer one is taken."""
    size = os.path.getsize(data)
    name = os.path.basename(data)
    fine = name.lower() in ("train.bin", "test.bin") or size % (PIXELS + 1) != 0
    head = 2 if fine and size % (PIXELS + 2) == 0 else 1
    if not size or size % (PIXELS + head):
        raise InputError(
            f"{data} has {size:,} bytes, no whole number of CIFAR's {PIXELS + 1:,} (10 classes) or "
            f"{PIXELS + 2:,} (100) for each image"
        )
    rows = np.memmap(data, np.uint8, "r").reshape(-1, PIXELS + head)
    images = np.moveaxis(rows[:, head:].reshape(-1, 3, 32, 32), 1, 3)
    labels, names = np.array(rows[:, head - 1]), _names(data, head)
    known = len(names) > labels.max()
    given = np.array(names)[labels] if known else labels
    source = of_arrays(images, given, f"{name} (CIFAR)", os.path.abspath(data))
    source.classes = names if known else []
    return source


def _names(data: str, head: int) -> list[str]:
    """Return the names of classes, where the file of names that comes along lies beside."""
    which = "batches.meta.txt" if head == 1 else "fine_label_names.txt"
    beside = os.path.join(os.path.dirname(data), which)
    if not os.path.isfile(beside):
        return []
    with open(beside, encoding="utf-8", errors="replace") as file:
        return [line.strip() for line in file.read(10_000).splitlines() if line.strip()]
