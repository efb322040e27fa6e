"""convscope: a microscope for convolutional networks.

    from convscope import Sequential, Conv2D

    model = Sequential([Conv2D(32, 3, input_shape=(28, 28, 1)), Conv2D(64, 3)])
    model.summary()
    print(model.explain("conv2d_1"))

Every layer kind is a name of this module, spelled as in Keras, and is loaded when it is first used.
"""

from __future__ import annotations

from importlib import import_module

from convscope.typed import TYPE_CHECKING
from convscope.version import __version__ as __version__

if TYPE_CHECKING:
    from typing import Any

    from convscope.building import Input as Input
    from convscope.building import Model as Model
    from convscope.building import Sequential as Sequential
    from convscope.learning import callbacks as callbacks
    from convscope.learning import constraints as constraints
    from convscope.learning import losses as losses
    from convscope.learning import metrics as metrics
    from convscope.learning import optimizers as optimizers
    from convscope.learning import regularizers as regularizers
    from convscope.network import Network as Network
    from convscope.network.run import Run as Run
    from convscope.readers import open as open
    from convscope.readers.comparison import compare as compare
    from convscope.readers.statistics import summary as summary

_HOMES = {
    "Sequential": "convscope.building",
    "Model": "convscope.building",
    "Input": "convscope.building",
    "Network": "convscope.network",
    "Run": "convscope.network.run",
    "open": "convscope.readers",
    "summary": "convscope.readers.statistics",
    "compare": "convscope.readers.comparison",
}

_ROOMS = ("callbacks", "constraints", "losses", "metrics", "optimizers", "regularizers")
"""What training needs, under the names that Keras's modules have."""

_NOT_BY_STAR = ("open",)
"""What `from convscope import *` leaves alone: Python's own open stays what it is."""


def __getattr__(name: str) -> Any:
    if name in _HOMES:
        return getattr(import_module(_HOMES[name]), name)
    if name in _ROOMS:
        return import_module(f"convscope.learning.{name}")
    if (
        name == "errors"
    ):  # to be named before anything was opened: except convscope.errors.SourceError
        return import_module("convscope.errors")
    if name == "__all__":
        return [n for n in __dir__() if n not in _NOT_BY_STAR and not n.startswith("_")]
    if not name.startswith("_"):
        from convscope.layers import find

        kind = find(name)
        if kind is not None:
            globals()[name] = kind
            return kind
    raise AttributeError(f"module 'convscope' has no attribute {name!r}")


def __dir__() -> list[str]:
    from convscope.layers import spellings

    return sorted([*_HOMES, *_ROOMS, *spellings(), "__version__"])
