"""The weights of a live Keras model, taken from its variables when somebody first asks."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from convscope.errors import WeightsError
from convscope.readers.keras.config import Part
from convscope.readers.keras.layers import BITS
from convscope.readers.keras.sharing import same
from convscope.readers.keras.weights import as_float32


class LiveWeights:
    """Finds each layer's live counterpart by name, level by level; Keras itself is not imported."""

    adapters_stored = True

    def __init__(self, top: Part, model: Any, what: str) -> None:
        self.what = what
        self._live: dict[Part, Any] = {}
        self._shapes: dict[Part, Mapping[str, Any]] = {}
        self._met: dict[int, Part] = {}
        self._place(top, model)

    def _place(self, container: Part, model: Any) -> None:
        layers = {layer.name: layer for layer in getattr(model, "layers", ())}
        for child in container.children:
            live = layers.get(child.name)
            if live is None:
                continue
            self._live[child] = live
            first = self._met.setdefault(id(live), child)
            if first is not child and child.kind != "InputLayer":
                same(child, first)
            elif child.container:
                self._place(child, live)

    def stored_shapes(self, part: Part) -> dict[str, tuple[int, ...]]:
        """Return the shapes of a live layer's weights."""
        held = getattr(self._live.get(part), "weights", ())
        return {str(n): tuple(variable.shape) for n, variable in enumerate(held)}

    def stored_bits(self, part: Part) -> dict[str, int]:
        """Return how many bits a number takes of a live layer's weights."""
        held = getattr(self._live.get(part), "weights", ())
        return {str(n): BITS.get(str(variable.dtype), 32) for n, variable in enumerate(held)}

    def expect(self, part: Part, name: str, shapes: Mapping[str, Any]) -> None:
        """Note what a layer's weights must be."""
        self._shapes[part] = shapes

    def fetch(self, part: Part, name: str) -> Any:
        """Return one weight as float32; raise `WeightsError` if the layer's are not as its config says."""
        held = list(getattr(self._live.get(part), "weights", ()))
        if part not in self._shapes:  # a layer nobody knows, whose weights are only counted
            return numbers(held[int(name)])
        shapes = self._shapes[part]
        found = [tuple(variable.shape) for variable in held]
        if found != [tuple(shape) for shape in shapes.values()]:
            raise WeightsError(
                f"{self.what}: {part.name} ({part.kind}) holds weights of shapes {found}, but its "
                f"config means {list(shapes.values())}"
            )
        return numbers(held[list(shapes).index(name)])


def numbers(variable: Any) -> Any:
    """Return a live variable's numbers, whatever its backend holds them in."""
    import numpy as np

    value = getattr(variable, "value", variable)
    value = value() if callable(value) else value
    if hasattr(value, "detach"):  # PyTorch
        value = value.detach().cpu().float().numpy()
    return as_float32(np.array(value))
