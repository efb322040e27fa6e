"""convscope: a microscope for convolutional networks.

    from convscope import Sequential, Conv2D

    model = Sequential([Conv2D(32, 3, input_shape=(28, 28, 1)), Conv2D(64, 3)])
    model.summary()
    print(model.explain("conv2d_1"))

Every layer kind is a name of this module, spelled as in Keras, and is loaded when it is first used.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from convscope.building import Input, Model, Sequential
    from convscope.network import Network, Run
    from convscope.readers import open

__version__ = "0.1.0"

_HOMES = {
    "Sequential": "convscope.building",
    "Model": "convscope.building",
    "Input": "convscope.building",
    "Network": "convscope.network",
    "Run": "convscope.network",
    "open": "convscope.readers",
}

__all__ = ["Input", "Model", "Network", "Run", "Sequential", "open"]


def __getattr__(name: str) -> Any:
    if name in _HOMES:
        return getattr(import_module(_HOMES[name]), name)
    if not name.startswith("_"):
        from convscope.layers import find

        kind = find(name)
        if kind is not None:
            globals()[name] = kind
            return kind
    raise AttributeError(f"module 'convscope' has no attribute {name!r}")


def __dir__() -> list[str]:
    from convscope.layers import spellings

    return sorted([*__all__, *spellings(), "__version__"])
