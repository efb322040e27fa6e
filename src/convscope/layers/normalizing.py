"""What layers share that bring numbers to mean 0 and variance 1, and then scale and shift them."""

from __future__ import annotations

from collections.abc import Mapping

from convscope.layers.arguments import flag, number
from convscope.layers.base import Initializer, Layer
from convscope.layers.initializers import kept
from convscope.notation import Expression, weight
from convscope.typed import TYPE_CHECKING

if TYPE_CHECKING:
    from typing import Any


class Normalizing(Layer):
    """A layer with an epsilon, and with gamma and beta where `scale` and `center` ask for them."""

    def set_normalizing(self, given: Mapping[str, Any]) -> None:
        """Check and keep the settings that all of them have, from what the layer is called with by name."""
        self.epsilon = number(given["epsilon"], f"{self.kind}: epsilon", 0)
        self.center = flag(given["center"], f"{self.kind}: center")
        self.scale = flag(given["scale"], f"{self.kind}: scale")
        self._draws = kept(self, given)

    def held(self) -> tuple[str, ...]:
        """Return which of gamma and beta there are."""
        return (("gamma",) if self.scale else ()) + (("beta",) if self.center else ())

    def scaling(self, *at: Any) -> tuple[Expression | None, Expression | None]:
        """Return gamma and beta at a place, None where there is none."""
        held = self.held()
        gamma, beta = (weight(name)[at] if name in held else None for name in ("gamma", "beta"))
        return gamma, beta

    def initializers(self) -> dict[str, Initializer]:
        return {name: self._draws[name] for name in self.held()}
