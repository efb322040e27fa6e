"""Receptive fields along a graph: which part of the image one output can see.

Each layer's equation says how its window moves with the output position. Along a path these are
chained: strides multiply, windows add up, measured in image positions. Where paths meet, the field
is their union. Fields are not cut at the image's border, as is the custom (Araujo et al., Computing
Receptive Fields of Convolutional Neural Networks, Distill 2019).
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from functools import lru_cache
from operator import is_

from convscope.layers.base import tensor_names
from convscope.model.field import Field, Fields, hull, number
from convscope.notation import Axis, Equation, Size, Tensor
from convscope.notation.index import Quotient, Range
from convscope.notation.sizes import (
    UNKNOWN,
    is_known,
    is_rational,
    largest,
    product,
    smallest,
    surely_less,
    tidy,
)
from convscope.notation.spread import Spread, ratio
from convscope.typed import TYPE_CHECKING

if TYPE_CHECKING:
    from typing import Any


MOST_STEPS = 1 << 17
"""So many windows are worked out for one network; what would take more is left unknown.

Behind an up-sampling by 1,000,000 the windows of a million outputs differ. A Flatten of (64, 64, 256) takes
16,384 steps.
"""


class Steps:
    """How many windows may still be worked out, and whether more were wanted."""

    def __init__(self, left: int = MOST_STEPS) -> None:
        self.left, self.refused = left, False

    def take(self, count: int) -> bool:
        """Take so many steps if there are as many left; return whether there were."""
        if count > self.left:
            self.refused = True
            return False
        self.left -= count
        return True


def through(equation: Equation, feeds: tuple[Fields, ...], steps: Steps) -> Fields:
    """Return the fields of a layer's output, from those of its inputs.

    An input that comes from no image adds nothing. A field that would take more steps than are left is
    None.
    """
    found = _without_steps(equation, feeds)
    return _through(equation, feeds, steps) if found is None else found


@lru_cache(maxsize=4096)
def _without_steps(equation: Equation, feeds: tuple[Fields, ...]) -> Fields | None:
    """Return the fields where no windows have to be worked out, as of most layers; networks repeat themselves."""
    none = Steps(0)
    found = _through(equation, feeds, none)
    return None if none.refused else found


def _through(equation: Equation, feeds: tuple[Fields, ...], steps: Steps) -> Fields:
    inputs = dict(zip(tensor_names(len(feeds)), feeds, strict=True))
    united: Fields = ()
    for tensor in equation.inputs:
        fields = inputs[tensor.name]
        if not fields:
            continue
        if tensor.name in equation.in_place:
            new = fields
        else:
            new = tuple([_chain(field, equation, tensor, steps) for field in fields])
            if all(map(is_, new, fields)):
                new = fields
        if not united:
            united = new
        elif len(united) == len(new):
            united = tuple(_union(a, b, steps) for a, b in zip(united, new, strict=True))
        else:
            united = (None,) * max(len(united), len(new))
    return united


def _chain(inner: Field | None, equation: Equation, tensor: Tensor, steps: Steps) -> Field | None:
    """Return the field of an output, from that of the input that it reads."""
    if inner is None or inner.axis is None:
        return inner
    if not inner.even:
        return _unevenly(inner, equation, tensor)
    if inner.axis in equation.still[tensor.name]:
        return inner
    spread = equation.spreads[tensor.name][inner.axis]
    if UNKNOWN in (spread.low, spread.high) or (spread.slopes is None and not inner.placed):
        return None
    numbers = is_rational(spread.low) and is_rational(spread.high)
    if not numbers and inner.placed and _whole(spread, (tensor.shape or ())[inner.axis]):
        return _standing(inner.reach, inner.image)
    if not numbers and _one_each(equation, tensor, inner.axis):
        return _uneven(inner, 0, 0, _moving(equation, tensor, inner.axis))
    if not numbers and (spread.slopes is None or len(inner.windows) > 1):
        return None
    low, high = (
        (math.ceil(spread.low), math.floor(spread.high)) if numbers else (spread.low, spread.high)
    )
    moving = [axis for axis, slope in (spread.slopes or {}).items() if slope]
    if spread.slopes is not None and not moving:
        for axis in equation.parted.get(tensor.name, ()):
            if axis not in equation.axes:  # it runs within a local
                continue
            if (found := _in_pieces(inner, equation, tensor, axis, steps)) is not None:
                return found
        whole = inner.placed and _whole(spread, (tensor.shape or ())[inner.axis])
        window = inner.reach if whole else inner.at(low, high)
        return None if window is None else _standing(window, inner.image)
    step = spread.slopes[moving[0]] if spread.slopes is not None and len(moving) == 1 else -1
    if not numbers and not _is_whole(step):  # how many divisions come out whole is open
        return None
    if not surely_less(0, step):
        if not numbers:
            return None
        low, high = _first_window(equation, tensor, inner.axis) or (low, high)
        return _uneven(inner, low, high, _moving(equation, tensor, inner.axis))
    axis = moving[0]
    place = equation.axes.index(axis)
    shifted = not (is_known(spread.shift) and spread.shift == 0)
    size, count = (tensor.shape or ())[inner.axis], equation.sizes[axis]
    parted = axis in equation.parted.get(tensor.name, ())
    if shifted and len(inner.windows) > 1:  # which of the windows it begins with is open
        return None
    if inner.listed or parted:
        windows = _listed(inner, equation, tensor, axis, spread, steps)
        if windows is not None and (inner.listed or None in windows):
            slope = number(inner.slope * step, exact=True)
            all_ = Field(place, slope, windows, (0, -1), inner.image, listed=True)
            return all_._replace(reach=all_.at(0, len(windows) - 1) or (0, -1))
        if inner.listed:
            return None
    windows = _windows(inner, equation, tensor, axis, spread, steps)
    if windows is None:
        return None
    known = numbers and type(size) is int and type(count) is int
    read = _reading(spread, step, size, count) if known else (0, count)
    reach = _reach(windows, inner.slope * step, *read)
    if known and spread.low >= 0 and step * (count - 1) + spread.high <= size - 1:
        # nothing outside is read: all together see no more than all that they read did
        reach = largest(reach[0], inner.reach[0]), smallest(reach[1], inner.reach[1])
    elif UNKNOWN in reach and _deals_out(equation, tensor, inner.axis):
        reach = inner.reach
    placed = inner.placed and not shifted
    slope = number(inner.slope * step, exact=True)
    return Field(place, slope, windows, reach, inner.image, placed=placed)


def _windows(
    inner: Field, equation: Equation, tensor: Tensor, axis: Axis, spread: Spread, steps: Steps
) -> tuple[Range | None, ...] | None:
    """Return what the first outputs see, as many as it takes until their windows repeat.

    None where that would take too many steps: where some see nothing, each may look past all of them.
    """
    assert spread.slopes is not None and inner.axis is not None
    step, period = spread.slopes[axis], len(inner.windows)
    own = equation.periods[tensor.name][inner.axis]
    if own == 1 and period == 1:
        return (inner.at(spread.low, spread.high),)
    if not is_rational(step):  # windows that differ, a symbol apart: which come is open
        return None
    count = own * (period // math.gcd(period, int(own * step)))
    if not steps.take(count * (period if None in inner.windows else 1)):
        return None
    found = []
    for place in range(count):
        if own == 1:
            low, high = step * place + spread.low, step * place + spread.high
        else:
            low, high = equation.bounds(tensor.name, inner.axis, {axis: place})
        found.append(inner.at(low, high))
    return tuple(found)


def _in_pieces(
    inner: Field, equation: Equation, tensor: Tensor, axis: Axis, steps: Steps
) -> Field | None:
    """Return the field where each piece along an axis reads a place of its own; None where all read the same."""
    count = equation.sizes[axis]
    if type(count) is not int or inner.axis is None or not inner.placed or not steps.take(count):
        return None
    read = [equation.bounds(tensor.name, inner.axis, {axis: place}) for place in range(count)]
    windows = tuple(inner.at(*one) if all(map(is_known, one)) else None for one in read)
    first, last = windows[0], windows[-1]
    if first is None or last is None or None in windows or len(set(windows)) == 1:
        return None
    slope = number(ratio(last[0] - first[0], count - 1), exact=True)
    found = Field(equation.axes.index(axis), slope, windows, first, inner.image, listed=True)
    return found._replace(reach=found.at(0, count - 1) or first)


def _listed(
    inner: Field, equation: Equation, tensor: Tensor, axis: Axis, spread: Spread, steps: Steps
) -> tuple[Range | None, ...] | None:
    """Return what each output along an axis sees; None where none of them sees nothing, or that cannot be told."""
    assert spread.slopes is not None and inner.axis is not None
    count, step, name = equation.sizes[axis], spread.slopes[axis], tensor.name
    ends = equation.parted.get(name, {}).get(axis)
    if type(count) is not int or not all(map(is_rational, (step, spread.low, spread.high))):
        return None
    if len(inner.windows) == 1 and not inner.placed:
        return None

    def read(place: int) -> Range:
        if ends is not None or equation.periods[name][inner.axis or 0] > 1:
            return equation.bounds(name, inner.axis or 0, {axis: place})
        return math.ceil(step * place + spread.low), math.floor(step * place + spread.high)

    near = {p for p in {0, count - 1, *(ends or ())} if 0 <= p < count}
    if not inner.listed and all((r := read(p))[0] <= r[1] for p in near):
        return None
    if not steps.take(count):
        return None
    return tuple(inner.at(*read(place)) for place in range(count))


def _unevenly(inner: Field, equation: Equation, tensor: Tensor) -> Field | None:
    """Return an uneven field behind a layer that reads, along each dimension that moves it, one place or all.

    Every place must be read by some output. Outputs before the first that reads one read nothing: a token in
    front of those of an image.
    """
    spreads, sizes = equation.spreads[tensor.name], tensor.shape or ()
    among: dict[int, None] = {}
    late = all_of_one = False
    for place in inner.among:
        spread, moving = spreads[place], _moving(equation, tensor, place)
        if _whole(spread, sizes[place]):
            all_of_one = True
            continue
        if not (is_rational(spread.low) and spread.low == spread.high <= 0):
            return None
        if not (is_known(spread.shift) and spread.shift == 0):
            return None
        many = product(tuple(equation.sizes[equation.axes[axis]] for axis in moving))
        left_out = tidy(sizes[place] - many - math.floor(spread.low))
        if moving and is_known(left_out) and left_out > 0:
            return None
        late = late or spread.low < 0
        among.update(dict.fromkeys(moving))
    if among:
        first = next(filter(None, inner.windows), None)
        windows = (None,) if all_of_one else (None, first) if late else inner.windows
        return inner._replace(windows=windows, among=tuple(among))
    if all_of_one:
        return _standing(inner.reach, inner.image)
    first = inner.windows[0]  # all outputs read the first place
    return None if first is None or late else _standing(first, inner.image)


def _reading(spread: Spread, step: Any, size: int, count: int) -> tuple[int, int]:
    """Return the first output along an axis that reads some of a tensor, and how many there are up to the last.

    Of two tensors that are joined, each is read by some of the outputs only.
    """
    if spread.high >= 0 and step * (count - 1) + spread.low <= size - 1:
        return 0, count  # the first and the last do
    first = max(0, math.ceil(-spread.high / step))
    last = min(count - 1, math.floor((size - 1 - spread.low) / step))
    return first, max(last + 1, first)


def _reach(windows: Sequence[Range | None], slope: Any, first: int, count: Size) -> Range:
    """Return what the outputs of a dimension from the first to before `count` see together; (0, −1) for nothing."""
    if is_known(count) and first >= count:
        return 0, -1
    if not first and len(windows) == 1 and (only := windows[0]):
        last = only[1] + slope * (count - 1)
        return only[0], math.ceil(last) if is_rational(last) else last
    if not is_known(count):  # windows of different sizes, and which the last one is, is open
        low, _ = Field(0, slope, tuple(windows), (0, 0), 0).at(first, len(windows) - 1) or (0, -1)
        return low, UNKNOWN
    return Field(0, slope, tuple(windows), (0, 0), 0).at(first, count - 1) or (0, -1)


def _moving(equation: Equation, tensor: Tensor, dimension: int) -> tuple[int, ...]:
    """Return the dimensions of the output that say where a dimension of an input is read."""
    axes = {
        axis
        for read, indices, _ in equation.inlined
        if read.tensor.name == tensor.name
        for axis in indices[dimension].axes()
    }
    return tuple(place for place, axis in enumerate(equation.axes) if axis in axes)


def _uneven(inner: Field, low: int, high: int, among: tuple[int, ...]) -> Field | None:
    """Return a field that moves, but along no straight line (after a Flatten)."""
    window = inner.at(low, high)
    if window is None or inner.size is None:
        return None
    widest = inner.size + math.ceil(inner.slope * (high - low))
    first = window[0], window[0] + widest - 1
    return Field(
        inner.axis, inner.slope, (first,), inner.reach, inner.image, even=False, among=among
    )


def _standing(reach: Range, image: Size) -> Field:
    """Return the field of outputs that all see the same."""
    return Field(None, 0, (reach,), reach, image)


def _whole(spread: Spread, size: Size) -> bool:
    """Whether every output reads all of a dimension."""
    if spread.slopes != {} or UNKNOWN in (spread.high, size):
        return False
    left = tidy(size - 1 - spread.high)
    return is_rational(spread.low) and is_rational(left) and spread.low <= 0 and left <= 0


def _is_whole(step: Any) -> bool:
    return step == int(step) if is_rational(step) else bool(step.is_integer)


def _deals_out(equation: Equation, tensor: Tensor, dimension: int) -> bool:
    """Whether every place along a dimension goes to some output, as in a Flatten: none is left out."""
    more = tidy(product(equation.shape) - product(tensor.shape or ()))
    index = next(
        indices[dimension]
        for read, indices, _ in equation.inlined
        if read.tensor.name == tensor.name
    )
    digits = all(isinstance(atom, (Axis, Quotient)) and factor == 1 for atom, factor in index.terms)
    return is_known(more) and more == 0 and digits and _one_each(equation, tensor, dimension)


def _one_each(equation: Equation, tensor: Tensor, dimension: int) -> bool:
    """Whether every output reads one place along a dimension, the first output the first one."""
    found = [
        (indices[dimension], bound)
        for read, indices, bound in equation.inlined
        if read.tensor.name == tensor.name
    ]
    if len(found) != 1 or not found[0][0].axes().isdisjoint(found[0][1]):
        return False
    first = tidy(found[0][0].at(dict.fromkeys(found[0][0].axes(), 0)))
    return is_known(first) and first == 0


def _first_window(equation: Equation, tensor: Tensor, dimension: int) -> Range | None:
    """Return what output 0 reads along a dimension, where all outputs read as much; None where that cannot be told."""
    found = [
        (indices[dimension], bound)
        for read, indices, bound in equation.inlined
        if read.tensor.name == tensor.name
    ]
    if len(found) != 1:
        return None
    index, bound = found[0]
    for atom, _ in index.terms:
        runs = {axis in bound for axis in atom.axes()}
        if len(runs) > 1:
            return None
    low, high = equation.bounds(tensor.name, dimension, {})
    return (low, high) if low <= high else None


def _union(a: Field | None, b: Field | None, steps: Steps) -> Field | None:
    """Return the field of outputs that see both; of what is now larger, now smaller, only the reach is known."""
    if a is None or b is None or not (a.placed and b.placed):
        return a if a is b else None
    reach = smallest(a.reach[0], b.reach[0]), largest(a.reach[1], b.reach[1])
    if (a.axis, a.slope) == (b.axis, b.slope) and a.even and b.even:
        listed = [len(one.windows) for one in (a, b) if one.listed]
        count = listed[0] if listed else math.lcm(len(a.windows), len(b.windows))
        if not steps.take(count):
            return None
        windows = tuple(_either(a.at(p, p), b.at(p, p)) for p in range(count))
        return Field(a.axis, a.slope, windows, reach, a.image, listed=bool(listed))
    for one, other in ((a, b), (b, a)):
        # what stands still and holds all of the image that the other reaches
        if one.axis is None and _holds(one.reach, other.reach, one.image):
            return _standing(reach, one.image)
    if UNKNOWN in reach:
        return None
    among = tuple(dict.fromkeys((*a.moved, *b.moved)))
    if not among:
        return _standing(reach, a.image)
    return Field(among[0], 0, (None,), reach, a.image, even=False, among=among)


def _holds(outer: Range, inner: Range, image: Size) -> bool:
    ends = (*outer, largest(inner[0], 0), smallest(inner[1], image - 1))
    return all(map(is_known, ends)) and ends[0] <= ends[2] and ends[3] <= ends[1]


def _either(a: Range | None, b: Range | None) -> Range | None:
    return hull(a, b) if a is not None and b is not None else a or b
