"""Reading an equation: its main sum, its filters, its window. What every explanation starts from."""

from __future__ import annotations

from dataclasses import dataclass

from convscope.notation import Equation, Read, Size
from convscope.notation.anatomy import anatomy
from convscope.notation.expression import Reduction, addends, factors
from convscope.notation.index import Axis
from convscope.notation.sizes import is_known, product


@dataclass(frozen=True)
class MainSum:
    """The sum of products at the heart of a convolution or a dense layer.

    source    the read of the input (or of a local made of it)
    kernel    the read of the weight
    window    the axes that run over a window; channel the one that runs over input channels
    filter    the output axis that picks the filter; None where each channel has its own (depthwise)
    place     which index of the source says the channel; None where none does
    maps      how many channels there are to read, of all groups together; None where none are said
    """

    reduction: Reduction
    source: Read
    kernel: Read
    window: tuple[Axis, ...]
    channel: Axis | None
    filter: Axis | None
    place: int | None = None
    maps: Size = None

    @property
    def groups(self) -> int:
        """In how many groups the input's maps are: an output reads one of them. 1 where all are read."""
        each = 1 if self.channel is None else self.channel.size
        if self.maps is None or not (is_known(self.maps) and is_known(each)):
            return 1
        return int(self.maps) // max(int(each), 1)

    @property
    def depthwise(self) -> bool:
        """Whether an output reads a window of one map only, of several."""
        alone = self.channel is None and self.maps is not None
        return bool(self.window) and (alone or (self.groups > 1 and self.groups == self.maps))

    @property
    def filter_shape(self) -> tuple[Size, ...]:
        """One filter's shape: the sizes of the axes that its sum runs over, 3×3×32."""
        return tuple(axis.size for axis in self.reduction.axes)

    @property
    def terms(self) -> Size:
        """How many products are added up for one output."""
        return product(self.filter_shape)


def main_sum(equation: Equation) -> MainSum | None:
    """Return the sum of input × weight at the heart of an equation; None if there is none."""
    parts = anatomy(equation)
    for piece in addends(parts.preactivation):
        if not isinstance(piece, Reduction) or piece.kind != "sum":
            continue
        reads = [p for p in factors(piece.body) if isinstance(p, Read)]
        sources = [p for p in reads if p.tensor.role != "weight"]
        kernels = [p for p in reads if p.tensor.role == "weight"]
        if len(sources) != 1 or len(kernels) != 1:
            continue
        channel = next((a for a in piece.axes if a.role == "in"), None)
        window = tuple(a for a in piece.axes if a is not channel)
        used = set().union(*(i.axes() for i in kernels[0].indices))
        picks = next((a for a in equation.axes if a.role == "out" and a in used), None)
        main = parts.main if parts.main is not None and parts.main.reduction is piece else None
        place, maps = (None, None) if main is None else (main.channel, main.channels)
        return MainSum(piece, sources[0], kernels[0], window, channel, picks, place, maps)
    return None


def main_reduction(equation: Equation) -> Reduction | None:
    """Return the reduction over a window: a sum, or a pooling's maximum or mean."""
    for piece in addends(anatomy(equation).preactivation):
        if isinstance(piece, Reduction):
            return piece
    return None
