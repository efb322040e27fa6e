"""Group normalisation: neighbouring maps of one image shifted to mean 0 and scaled to variance 1 together.

    out[y, x, c] = gamma[c] · (in[y, x, c] − μ[g]) / √(σ²[g] + ε) + beta[c],  g = ⌊c / (C/groups)⌋

Wu & He, Group Normalization, 2018.
"""

from __future__ import annotations

from collections.abc import Iterable

from convscope.equations.layout import Layout, axes_of
from convscope.equations.normalising import group_of_maps
from convscope.errors import SettingError, ShapeError
from convscope.layers.arguments import axis_setting, place_of, whole
from convscope.layers.base import Form, Sample, Value
from convscope.layers.normalizing import Normalizing
from convscope.notation import Equation, source
from convscope.notation.sizes import Shape, is_known
from convscope.typed import TYPE_CHECKING

if TYPE_CHECKING:
    from typing import Any


class GroupNormalization(Normalizing):
    """Groups of neighbouring channels, each over the whole map, shifted to mean 0 and scaled to variance 1.

    >>> print(GroupNormalization(8).equation((14, 14, 32)))
    out[y, x, c] = gamma[c] · (in[y, x, c] − μ[⌊c/4⌋]) / sqrt(σ²[⌊c/4⌋] + 0.001) + beta[c]
      with σ²[g] = mean k<4, i<14, j<14  (in[i, j, 4g + k] − μ[g]) · (in[i, j, 4g + k] − μ[g])
      with μ[g] = mean k<4, i<14, j<14  in[i, j, 4g + k]

    Keras's arguments; `groups` must divide the channels, and −1 makes a group of each. `axis` is that of
    the channels: the last or the first after the batch. Weights: gamma and beta (channels,), where `scale`
    and `center` ask for them. Raises `ShapeError` where the groups do not divide the channels.
    """

    def __init__(
        self,
        groups: int = 32,
        axis: int = -1,
        epsilon: float = 1e-3,
        center: bool = True,
        scale: bool = True,
        beta_initializer: Any = "zeros",
        gamma_initializer: Any = "ones",
        beta_regularizer: Any = None,
        gamma_regularizer: Any = None,
        beta_constraint: Any = None,
        gamma_constraint: Any = None,
        **common: Any,
    ) -> None:
        super().__init__(**common)
        kind = self.kind
        self.groups = whole(groups, f"{kind}: groups", -1)
        if self.groups == 0:
            raise SettingError(f"{kind}: groups must be a number of groups, or −1, not 0")
        self.axis = axis_setting(axis, f"{kind}: axis")
        self.set_normalizing(locals())

    def _layout(self, shape: Shape) -> tuple[Layout, Any]:
        """Return how the maps lie, and how many groups there are."""
        place = place_of(self.axis, shape, f"{self.kind}: axis")
        if place not in (0, len(shape) - 1) or len(shape) > 4:
            raise ShapeError(
                f"{self.kind}: axis = {self.axis} must be the last axis or the first after the batch, of "
                f"maps with three spatial axes at most"
            )
        layout = Layout(place == len(shape) - 1)
        _, channels = layout.split(shape)
        groups = channels if self.groups == -1 else self.groups
        if is_known(channels) and channels % groups:
            raise ShapeError(
                f"{self.kind}: {channels} channels cannot be divided into {groups} groups"
            )
        return layout, groups

    def equation(self, *shapes: Shape) -> Equation:
        (shape,) = shapes
        layout, groups = self._layout(shape)
        axes = axes_of(shape, -1 if layout.channels_last else 0)
        c = axes[-1 if layout.channels_last else 0]
        return group_of_maps(axes, shape, layout, groups).layer(
            source(shape), axes, self.epsilon, *self.scaling(c)
        )

    def onnx(self, form: Form, *inputs: Value) -> Value:
        # ONNX normalises a map by its own numbers: a group is made one map
        (value,) = inputs
        rank = form.rank(value)
        layout, groups = self._layout(form.input_shape())
        x = form.channels_first(value, layout.channels_last)
        grouped = form.node("Reshape", x, form.constant([0, groups, -1], "int64"))
        one, zero = form.constant([1.0] * groups), form.constant([0.0] * groups)
        y = form.node("InstanceNormalization", grouped, one, zero, epsilon=self.epsilon)
        y = form.node("Reshape", y, form.node("Shape", x))
        for name, op in (("gamma", "Mul"), ("beta", "Add")):
            if name in self.initializers():
                lying = form.weight(name, lambda w: w.reshape(-1, *(1,) * (rank - 2)))
                y = form.node(op, y, lying)
        return Value(y, layout.channels_last and rank > 2)

    @classmethod
    def samples(cls) -> Iterable[Sample]:
        yield Sample(cls(2), ((5, 7, 6),))
        yield Sample(cls(3, axis=1, epsilon=1e-5), ((6, 5, 7),))
        yield Sample(cls(-1, scale=False), ((5, 7, 3),))
        yield Sample(cls(2, center=False), ((11, 4),))
        yield Sample(cls(4, center=False, scale=False), ((3, 5, 2, 8),))
        yield Sample(cls(5), ((10,),))
