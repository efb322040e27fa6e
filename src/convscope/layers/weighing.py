"""What layers share that weigh their input: kernels, perhaps a bias, and an activation."""

from __future__ import annotations

from collections.abc import Mapping

from convscope.layers.activations import Activation
from convscope.layers.activations import activation as activation_named
from convscope.layers.arguments import flag
from convscope.layers.base import Initializer, Layer
from convscope.layers.initializers import kept
from convscope.notation import Tensor, weight
from convscope.typed import TYPE_CHECKING

if TYPE_CHECKING:
    from typing import Any, ClassVar


class Weighing(Layer):
    """A layer with kernels, an optional bias and an activation, all under Keras's settings."""

    kernels: ClassVar[dict[str, str]] = {"kernel": "kernel"}
    """Each kernel, and how the settings that are about it begin: kernel_initializer, …"""

    activation: Activation
    use_bias: bool

    def set_weighing(self, given: Mapping[str, Any]) -> None:
        """Check and keep the activation, the bias and how each weight is drawn.

        given   what the layer is called with, by name
        """
        self.activation = activation_named(given["activation"], f"{self.kind}: activation")
        self.use_bias = flag(given["use_bias"], f"{self.kind}: use_bias")
        draws = kept(self, given)
        prefixes = {**self.kernels, "bias": "bias"}
        self._draws = {name: draws[prefix] for name, prefix in prefixes.items()}

    @property
    def bias(self) -> Tensor | None:
        """What is added for each filter, if anything is."""
        return weight("bias") if self.use_bias else None

    def initializers(self) -> dict[str, Initializer]:
        return {w: draw for w, draw in self._draws.items() if w != "bias" or self.use_bias}
