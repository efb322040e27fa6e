"""Layers with low-rank adapters (LoRA; Hu et al. 2021): what is read is kernel + A·B, and A and B are trained.

Keras writes the sum into a .keras file, and starts anew with a B of zeros when it opens that.
"""

from __future__ import annotations

from collections.abc import Mapping

from convscope.errors import SettingError
from convscope.layers.base import Initializer, Layer
from convscope.layers.initializers import initializer, zeros
from convscope.notation.sizes import Shape
from convscope.typed import TYPE_CHECKING

if TYPE_CHECKING:
    from typing import Any, ClassVar

    from convscope.typed import Array

ADAPTERS = ("lora_kernel_a", "lora_kernel_b")


class Adapted(Layer):
    """What is added to a kind of layer: two more weights, and a kernel that is not trained."""

    adapter_rank: ClassVar[int]
    plain: ClassVar[type[Layer]]

    @property
    def kind(self) -> str:
        return self.plain.__name__

    def initializers(self) -> dict[str, Initializer]:
        return {
            **super().initializers(),
            ADAPTERS[0]: initializer("he_uniform", self.kind),
            ADAPTERS[1]: zeros,
        }

    def unread_shapes(self, read: Mapping[str, Shape]) -> Mapping[str, Shape]:
        kernel = read["kernel"]
        first, second = (*kernel[:-1], self.adapter_rank), (self.adapter_rank, kernel[-1])
        return {**super().unread_shapes(read), ADAPTERS[0]: first, ADAPTERS[1]: second}

    def begin(self, name: str) -> Array:
        """Return an adapter as Keras makes one, where none is stored."""
        shapes = self.weight_shapes or {}
        return self._fresh(name, shapes[name], list(shapes).index(name))


_made: dict[tuple[type[Layer], int], type[Layer]] = {}


def _adapted(kind: type[Layer], rank: int) -> type[Layer]:
    fixed = (*kind.non_trainable, "kernel")
    return type(
        kind.__name__,
        (Adapted, kind),
        {"adapter_rank": rank, "plain": kind, "non_trainable": fixed},
    )


def adapted(kind: type[Layer], rank: Any) -> type[Layer]:
    """Return a kind with adapters of a rank; raise `SettingError` for one that has no kernel."""
    if type(rank) is not int or not 0 < rank < 1 << 20:
        raise SettingError(f"lora_rank must be a whole number of at least 1, not {rank!r:.40}")
    if "kernel_initializer" not in kind.parameters():
        raise SettingError(f"{kind.__name__} with low-rank adapters is not known")
    if (kind, rank) not in _made:
        _made[kind, rank] = _adapted(kind, rank)
    return _made[kind, rank]
