"""Operators that give parts of a tensor: slices, and numbers at places that are known.

out[n, c] = in[n, 2c + 1]
out[n, c] = in[n, ⟨6, 0, 2⟩[c]]
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial

from convscope.equations import moving
from convscope.equations.looking_up import gathered
from convscope.equations.stating import NoEquation, all_known
from convscope.errors import SettingError, ShapeError
from convscope.notation import Equation
from convscope.notation.sizes import Shape, shape_text
from convscope.operators.elements import ALL
from convscope.operators.rule import ANYWHERE, LARGEST, Fed, Node, Rule


def slices(node: Node) -> Equation:
    shape = node.shape()
    rank = len(shape)
    if "starts" in node.attributes:
        starts = node.wholes("starts", None, (), *ANYWHERE) or ()
        ends = node.wholes("ends", None, (), *ANYWHERE) or ()
        axes = node.wholes("axes", None, range(len(starts)), -LARGEST)
        steps: tuple[int, ...] = (1,) * len(starts)
    else:
        starts, ends = node.whole_values(1), node.whole_values(2)
        axes = node.whole_values(3) if node.has(3) else tuple(range(len(starts)))
        steps = node.whole_values(4) if node.has(4) else (1,) * len(starts)
    assert axes is not None
    if not len(starts) == len(ends) == len(axes) == len(steps):
        raise SettingError("starts, ends, axes and steps must be equally many")
    firsts, strides, sizes = [0] * rank, [1] * rank, list(shape)
    for start, end, named, step in zip(starts, ends, axes, steps, strict=True):
        if step == 0:
            raise SettingError("a step of 0 never ends")
        place = node.axis(named, rank, "axes")
        all_known((shape[place],))
        taken = range(shape[place])[slice(start, end, step)]
        if not taken:
            raise NoEquation("its output is empty")
        firsts[place], strides[place], sizes[place] = taken[0], step, len(taken)
    out = node.layout.axes(sizes)
    return moving.sliced(node.tensor(), out, firsts, strides)


def split(node: Node) -> Equation:
    shape = node.shape()
    place = node.axis(node.whole("axis", 0, -LARGEST), len(shape))
    all_known((shape[place],))
    if "split" in node.attributes:
        lengths = node.wholes("split", None, ()) or ()
    elif node.has(1):
        lengths = node.whole_values(1)
    else:
        many = node.whole("num_outputs", node.outputs, 1, node.outputs)
        each = -(-shape[place] // many)
        lengths = (*(each,) * (many - 1), shape[place] - each * (many - 1))
    if sum(lengths) != shape[place] or min(lengths) < 0 or node.output >= len(lengths):
        raise ShapeError(f"{node.op}: {list(lengths)} do not add up to {shape[place]}")
    first = sum(lengths[: node.output])
    if lengths[node.output] == 0:
        raise NoEquation("its output is empty")
    out = node.layout.axes([lengths[node.output] if n == place else s for n, s in enumerate(shape)])
    firsts = [first if n == place else 0 for n in range(len(shape))]
    return moving.sliced(node.tensor(), out, firsts)


def _where(node: Node, sizes: Shape, numbers: Sequence[int]) -> list[int]:
    """Return places along axes of these sizes, one axis after another, counted from the front."""
    all_known(sizes)
    bound = [(at, sizes[n % len(sizes)]) for n, at in enumerate(numbers)]
    if any(not -size <= at < size for at, size in bound):
        text = f"an axis of {sizes[0]}" if len(sizes) == 1 else f"axes of {shape_text(sizes)}"
        raise ShapeError(f"{node.op}: {list(numbers)} lie outside {text}")
    return [at % size for at, size in bound]


def gather(node: Node) -> Equation:
    """x[…, places, …]: the axes of the places stand where the one axis was."""
    shape = node.shape()
    place = node.axis(node.whole("axis", 0, -LARGEST), len(shape))
    if isinstance(node.slot(1), Fed):
        reads = partial(node.read, 0), partial(node.read, 1)
        return gathered(reads[0], shape, place, reads[1], node.shape(1), node.layout.axes)
    by = node.slot(1).shape  # type: ignore[union-attr]
    where = _where(node, (shape[place],), node.whole_values(1))
    if not where:
        raise NoEquation("it reads or gives nothing")
    out = node.layout.axes((*shape[:place], *by, *shape[place + 1 :]))
    if not by:
        return moving.selected(node.tensor(), out, place, where[0])
    return moving.gathered(node.tensor(), out, {place: where}, range(place, place + len(by)))


def gather_elements(node: Node) -> Equation:
    """Every output has a place of its own along one axis."""
    shape = node.shape()
    place = node.axis(node.whole("axis", 0, -LARGEST), len(shape))
    by = node.slot(1).shape if node.values(1) else (0,)  # type: ignore[union-attr]
    where = _where(node, (shape[place],), node.whole_values(1))
    if len(by) != len(shape) or not where:
        raise NoEquation("it reads or gives nothing")
    return moving.gathered_along(node.tensor(), node.layout.axes(by), place, where)


def gather_several(node: Node) -> Equation:
    """GatherND: places along several axes at once, the last axis of the places naming them."""
    shape, numbers = node.shape(), node.whole_values(1)
    by, ahead = node.slot(1).shape, node.whole("batch_dims", 0)  # type: ignore[union-attr]
    if ahead or not by or not numbers:
        raise NoEquation("it gathers row by row of a batch")
    many = by[-1]
    if many > len(shape):
        raise ShapeError(f"{node.op}: {many} places for a tensor of shape {shape_text(shape)}")
    where = _where(node, tuple(shape[:many]), numbers)
    out = node.layout.axes((*by[:-1], *shape[many:]))
    along = {n: where[n::many] for n in range(many)}
    return moving.gathered(node.tensor(), out, along, range(len(by) - 1))


RULES = {
    "Slice": Rule(slices, given=frozenset((1, 2, 3, 4)), takes=ALL),
    "Split": Rule(split, given=frozenset((1,)), takes=ALL),
    "Gather": Rule(gather, given=frozenset((1,)), takes=ALL),
    "GatherElements": Rule(gather_elements, given=frozenset((1,)), takes=ALL),
    "GatherND": Rule(gather_several, given=frozenset((1,)), takes=ALL),
}
