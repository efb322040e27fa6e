"""What a data set gives to learn from: all its images as the network takes them, and which class each is."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from convscope.engine.pixels import Chosen
from convscope.errors import InputError
from convscope.learning.session import Examples
from convscope.survey.data import open_data, ordered
from convscope.survey.preparation import Preparation

HELD = 5
"""One image of so many, of every class, is held out."""

MOST_BYTES = 4 << 30
"""Images that would take more than this as float32 are not read at once."""


def arrays(path: Any, seed: int) -> Examples | None:
    """Return what a .npz file with x and y holds; None for any other data.

    x, y            images as the network takes them, and targets as the loss does
    x_held, y_held  those held out; without them a fifth, at random by the seed
    """
    import os

    import numpy as np

    name = os.fspath(path) if isinstance(path, (str, os.PathLike)) else ""
    if not name.lower().endswith(".npz"):
        return None
    try:
        with open(name, "rb") as file, np.load(file, allow_pickle=False) as held:
            found = {key: held[key] for key in held.files}
    except Exception as error:  # zipfile's and numpy's own
        raise InputError(f"{name} is no .npz file of arrays: {error}") from error
    if not {"x", "y"} <= set(found):
        raise InputError(f"{name} needs arrays x and y; it has {', '.join(found) or 'none'}")
    x, y = found["x"], found["y"]
    if len(x) != len(y) or len(x) < 2:
        raise InputError(f"{name}: {len(x)} images x, but {len(y)} targets y")
    if {"x_held", "y_held"} <= set(found):
        return _examples(x, y, found["x_held"], found["y_held"], os.path.basename(name), [])
    order = np.random.default_rng(seed).permutation(len(x))
    rest = max(len(x) // HELD, 1)
    learned, held_out = order[rest:], order[:rest]
    return _examples(x[learned], y[learned], x[held_out], y[held_out], os.path.basename(name), [])


def examples(network: Any, data: Any, seed: int) -> Examples:
    """Return what a data set gives a network to learn from: a fifth of every class is held out, by the seed.

    data    a folder of images with one sub-folder a class, or whatever `survey` reads that has labels; a .npz file of
            x and y goes in as it is (see `arrays`)

    Pictures are made ready as the network says (`pixels`); those that do not have its size are resized, cut to its
    shape before. Classes are numbered in the order of their names, numbers by value, unless the network names them
    itself, or the data say which number each has. Raises `InputError` for data without labels, more classes than the network gives, or images that it cannot
    take.
    """
    import numpy as np

    found = arrays(data, seed)
    if found is not None:
        return found
    source = open_data(data)
    if not source.labelled or source.count is None:
        raise InputError(f"{source.words}: to learn from it takes labels, one sub-folder a class")
    graph = network.graph
    if len(graph.inputs) != 1:
        raise InputError(
            f"{network.name} has {len(graph.inputs)} inputs; images go into networks with one"
        )
    ((name, shape),) = graph.inputs.items()
    last = graph.image_layout == "channels_last"
    chosen: Chosen = network.pixel_scale()
    steps = (
        "crop-and-resize",
        *(("rgb" if shape[-1 if last else 0] == 3 else "grey",) if len(shape) == 3 else ()),
    )
    ready = Preparation(name, shape, last, chosen, steps)
    ready.begin(source)
    classes = _classes(source.labels or (), network.labels, source.classes)
    out = graph.shape(graph.outputs[0])
    if out and isinstance(out[-1], int) and 1 < out[-1] < len(classes):
        raise InputError(
            f"{source.words}: {len(classes)} classes, but {network.name} gives {out[-1]} numbers"
        )
    size = source.count * int(np.prod(ready.shape)) * 4
    if size > MOST_BYTES:
        raise InputError(
            f"{source.words}: {size / 2**30:.1f} GiB as numbers, which are more than are read at once"
        )
    rows: list[Any] = []
    targets: list[int] = []
    bad: list[str] = []
    for item in source.items(0, None):
        try:
            rows.append(ready.apply(item)[0])
            targets.append(classes.index(str(item.label)))
        except (InputError, ValueError) as error:
            bad.append(f"{item.name}: {error}")
    if bad:
        raise InputError(
            f"{len(bad)} of {source.count} images cannot be taken, the first: {bad[0]}"
        )
    x, y = np.stack(rows).astype(np.float32), np.array(targets, np.int64)
    held = np.zeros(len(y), bool)
    rng = np.random.default_rng(seed)
    for number in range(len(classes)):
        own = np.flatnonzero(y == number)
        held[rng.permutation(own)[: round(len(own) / HELD)]] = True
    if not held.any():
        held[rng.integers(len(y))] = True
    order = rng.permutation(np.flatnonzero(~held))
    return _examples(x[order], y[order], x[held], y[held], source.words, classes)


def _classes(labels: Any, *named: Sequence[str]) -> list[str]:
    found = {str(label) for label in labels}
    known = next((names for names in named if found <= set(names)), None)
    return sorted(found, key=ordered) if known is None else list(known)


def _examples(x: Any, y: Any, held_x: Any, held_y: Any, what: str, labels: list[str]) -> Examples:
    return Examples(
        x,
        y,
        held_x,
        held_y,
        f"{what}; {len(held_y):,} of {len(x) + len(held_y):,} are held out",
        labels,
    )
