"""The kinds of files of a campaign: a good one to begin with, its mutator, and what is asked of each."""

from __future__ import annotations

import contextlib
import io
import json
import os
import random
import tempfile
import warnings
from collections.abc import Callable, Sequence
from functools import cache
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from campaign import mutators

import convscope
from convscope.errors import ConvscopeError, SourceWarning

GOOD = "CONVSCOPE_GOOD"
"""The variable that says in which folder good files lie already: making them imports Keras, PyTorch and onnx."""

MOST_ASKED = 12
"""Layers of a file of which some settings are tried."""

MOST_EDITS = 4
"""Settings of a file that are tried: what would do instead of an impossible one is looked for, which takes longest."""


class Kind(NamedTuple):
    """A kind of file.

    good    makes the files to begin with
    mutate  makes a bad one of a good one
    ask     asks everything of a file, and returns how it ended
    """

    suffix: str
    good: Callable[[], list[bytes]]
    mutate: mutators.Mutator
    ask: Callable[[Path], str]


def network(path: Path) -> str:
    """Open a network, ask everything of it, and say how that ended. Only typed errors are caught."""
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        try:
            net = convscope.open(path)
        except ConvscopeError:
            return "refused"
    draw = random.Random(path.stat().st_size)
    typed = contextlib.suppress(ConvscopeError)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        with typed:
            net.facts().to_dict()
            net.summary(file=io.StringIO())
        with typed:
            str(net.explain())
        asked = []
        for name in list(net.graph.nodes)[:MOST_ASKED]:
            with typed:
                asked += [(name, *one) for one in net.editable(name).items()]
        for name, setting, field in draw.sample(asked, min(MOST_EDITS, len(asked))):
            value = draw.choice([1, 2, 3, 5, 1 << 31, field["value"], "same", [2, 3]])
            with typed:
                str(net.whatif([(name, setting, value)]))
        with typed:
            for weight in net.get_weights():
                float(np.sum(weight, dtype=np.float64))
        with typed:
            _run(net, draw)
    return "opened with warnings" if any(w.category is SourceWarning for w in caught) else "opened"


def _run(net: Any, draw: random.Random) -> None:
    if hasattr(net.backing, "time_limit"):
        net.backing.time_limit = 10.0
    given = {}
    for name, shape in net.graph.inputs.items():
        sizes = [s if isinstance(s, int) else 5 for s in shape]
        if np.prod([float(s) for s in sizes]) > 1e6:
            return
        given[name] = np.ones(sizes, np.float32)
    run = net.run(given)
    for name in draw.sample(list(run.activations), min(3, len(run.activations))):
        values = run.activations[name]
        where = tuple(draw.randrange(size) for size in values.shape)
        with contextlib.suppress(ConvscopeError):
            str(run.trace(name, where))
        with contextlib.suppress(ConvscopeError), tempfile.TemporaryDirectory() as folder:
            run.draw(name, Path(folder) / "maps.png")


def weights(path: Path) -> str:
    """Open a file of weights by itself, and as those of the module that a good one is of."""
    ended = network(path)
    module, example = _module()
    with contextlib.suppress(ConvscopeError), warnings.catch_warnings():
        warnings.simplefilter("ignore")
        net = convscope.open(module, example, weights=path)
        net.run(example[0].numpy())
    return ended


def picture(path: Path) -> str:
    """Make a picture ready for networks of several kinds, with and without every step."""
    from convscope.engine.preparing import STEPS, prepare

    data, ended = path.read_bytes(), "refused"
    for shape in ((28, 28, 1), (7, 9, 3)):
        for steps in (
            (),
            STEPS,
            ("grey", "resize"),
            ("rgb", "background:black", "crop-and-resize"),
        ):
            with contextlib.suppress(ConvscopeError):
                prepare(data, shape, True, steps)
                ended = "opened"
    return ended


def array(path: Path) -> str:
    """Take an array as an input."""
    from convscope.engine.images import as_input

    try:
        as_input(path, (3, 4, 2), True, "x")
    except ConvscopeError:
        return "refused"
    return "opened"


def text(path: Path) -> str:
    """Read JSON as a config, and as a question to the explorer."""
    from convscope.explorer.server import _question
    from convscope.files.json_text import read_json

    data, ended = path.read_bytes(), "refused"
    for read in (lambda: read_json(data, "it"), lambda: _question(data)):
        with contextlib.suppress(ConvscopeError):
            read()
            ended = "opened"
    return ended


@cache
def _keras() -> tuple[bytes, bytes]:
    """Return a .keras file and an .h5 file of one small model."""
    os.environ.setdefault("KERAS_BACKEND", "torch")
    import keras

    x = keras.Input((8, 9, 3), name="image")
    y = keras.layers.Conv2D(4, 3, padding="same", name="conv")(x)
    y = keras.layers.BatchNormalization(name="norm")(y) + 3.0
    inner = keras.Sequential(
        [keras.Input((8, 9, 4)), keras.layers.Conv2D(4, 3, padding="same")], name="inner"
    )
    y = keras.layers.UpSampling2D(2)(inner(y))
    y = keras.layers.MaxPooling2D(3, strides=2)(y)
    y = keras.layers.Dense(5, activation="softmax", name="dense")(keras.layers.Flatten()(y))
    model = keras.Model(x, y, name="small")
    with tempfile.TemporaryDirectory() as folder, warnings.catch_warnings():
        warnings.simplefilter("ignore")
        for suffix in ("keras", "h5"):
            model.save(Path(folder) / f"good.{suffix}")
        return (Path(folder) / "good.keras").read_bytes(), (Path(folder) / "good.h5").read_bytes()


@cache
def _module() -> tuple[Any, Any]:
    """Return a small module and an input of it."""
    import torch
    from torch import nn

    torch.manual_seed(4)
    parts = (
        nn.Conv2d(3, 4, 3, stride=2),
        nn.BatchNorm2d(4),
        nn.ReLU(),
        nn.Flatten(),
        nn.Linear(48, 5),
    )
    return nn.Sequential(*parts).eval(), torch.rand(1, 3, 7, 9)


def _exported() -> list[bytes]:
    import torch

    module, example = _module()
    held = io.BytesIO()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # PyTorch's own
        torch.export.save(torch.export.export(module, (example,)), held)
    return [held.getvalue()]


def _states() -> list[bytes]:
    """Return a state dict as a .safetensors file: the size of its header, the header, the numbers."""
    state = {n: t.numpy() for n, t in _module()[0].state_dict().items()}
    told: dict[str, Any] = {"__metadata__": {"format": "pt"}}
    at = 0
    for name, array in state.items():
        kind = {"float32": "F32", "int64": "I64"}[str(array.dtype)]
        told[name] = {
            "dtype": kind,
            "shape": list(array.shape),
            "data_offsets": [at, at + array.nbytes],
        }
        at += array.nbytes
    header = json.dumps(told).encode()
    return [
        len(header).to_bytes(8, "little") + header + b"".join(a.tobytes() for a in state.values())
    ]


def lay(folder: Path, kinds: Sequence[str]) -> None:
    """Write the good files of some kinds into a folder, so that no worker needs to make them."""
    for kind in kinds:
        for number, data in enumerate(KINDS[kind].good()):
            (folder / f"{kind}-{number}").write_bytes(data)


def _onnx() -> list[bytes]:
    import onnx_models
    from hostile_onnx import doubling_functions
    from onnx import helper

    old = onnx_models.model(
        [
            helper.make_node("BatchNormalization", ["x", "s", "s", "s", "s"], ["a"], is_test=1),
            helper.make_node("Reshape", ["a", "shape"], ["y"]),
        ],
        {"x": [1, 3, 5, 4]},
        ["y"],
        {"s": np.ones(3, np.float32), "shape": np.array([0, -1])},
        6,
    )
    opaque = onnx_models.small()
    opaque.graph.node.append(helper.make_node("NonZero", ["probabilities"], ["places"]))
    opaque.graph.output.append(helper.make_empty_tensor_value_info("places"))
    made = (onnx_models.small(), onnx_models.small(), opaque, old, doubling_functions(3))
    return [model.SerializeToString() for model in made]


def _pictures() -> list[bytes]:
    from PIL import Image

    numbers = np.random.default_rng(0).integers(0, 255, (11, 13, 4)).astype(np.uint8)
    found = []
    for mode in ("L", "RGB", "RGBA", "P", "1"):
        held = io.BytesIO()
        Image.fromarray(numbers).convert("RGB" if mode == "P" else mode).convert(mode).save(
            held, "PNG"
        )
        found.append(held.getvalue())
    return found


def _arrays() -> list[bytes]:
    held = io.BytesIO()
    np.save(held, np.arange(24, dtype=np.float32).reshape(3, 4, 2))
    return [held.getvalue()]


def _texts() -> list[bytes]:
    import zipfile

    with zipfile.ZipFile(io.BytesIO(_keras()[0])) as archive:
        return [
            archive.read("config.json"),
            b'{"ask": "trace", "layer": "conv", "position": [1, 2, 3]}',
        ]


KINDS = {
    "zip": Kind(".keras", lambda: [_keras()[0]], mutators.archive, network),
    "hdf5": Kind(".h5", lambda: [_keras()[1]], mutators.hdf5, network),
    "protobuf": Kind(".onnx", _onnx, mutators.protobuf, network),
    "json": Kind(".json", _texts, mutators.json_text, text),
    "png": Kind(".png", _pictures, mutators.png, picture),
    "npy": Kind(".npy", _arrays, mutators.raw, array),
    "safetensors": Kind(".safetensors", _states, mutators.safetensors, weights),
    "pt2": Kind(".pt2", _exported, mutators.archive, network),
}


def made(kind: str, number: int) -> bytes:
    """Return the bad file of a number: the same each time."""
    draw = random.Random(f"{kind} {number}")
    found = KINDS[kind]
    return found.mutate(draw.choice(good(kind)), draw)


@cache
def good(kind: str) -> list[bytes]:
    """Return the good files of a kind: those that lie in the folder of GOOD, or made now."""
    folder = os.environ.get(GOOD)
    laid = sorted(Path(folder).glob(f"{kind}-*")) if folder else []
    return [path.read_bytes() for path in laid] or KINDS[kind].good()
