"""Operators that give parts of a tensor, or write into it: slices, and numbers at places.

out[n, c] = in[n, 2c + 1]
out[n, c] = in[n, ⟨6, 0, 2⟩[c]]
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from functools import partial

from convscope.equations import moving, scattering
from convscope.equations.looking_up import gathered, gathered_each
from convscope.equations.stating import NoEquation, all_known
from convscope.errors import SettingError, ShapeError
from convscope.notation import Axis, Equation
from convscope.notation.sizes import LARGEST, Shape, shape_text
from convscope.operators.elements import ALL, NUMBERS
from convscope.operators.rule import ANYWHERE, Given, Node, Rule


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


def _known(node: Node) -> bool:
    """Whether the file gives the places that are read or written."""
    return isinstance(node.slot(1), Given)


def gather(node: Node) -> Equation:
    """x[…, places, …]: the axes of the places stand where the one axis was."""
    shape, by = node.shape(), node.shape(1)
    place = node.axis(node.whole("axis", 0, -LARGEST), len(shape))
    if not _known(node):
        reads = partial(node.read, 0), {place: partial(node.read, 1)}
        return gathered(reads[0], shape, reads[1], by, place, node.layout.axes)
    where = _where(node, (shape[place],), node.whole_values(1))
    if not where:
        raise NoEquation("it reads or gives nothing")
    out = node.layout.axes((*shape[:place], *by, *shape[place + 1 :]))
    if not by:
        return moving.selected(node.tensor(), out, place, where[0])
    return moving.gathered(node.tensor(), out, {place: where}, range(place, place + len(by)))


def gather_elements(node: Node) -> Equation:
    """Every output has a place of its own along one axis."""
    shape, by = node.shape(), node.shape(1)
    place = node.axis(node.whole("axis", 0, -LARGEST), len(shape))
    axes = node.layout.axes(by)
    if len(axes) != len(shape):
        raise ShapeError(
            f"{node.op}: its places have {len(axes)} axes, and what it reads {len(shape)}"
        )
    if not _known(node):
        reads = partial(node.read, 0), partial(node.read, 1)
        return gathered_each(reads[0], place, shape[place], reads[1], axes)
    where = _where(node, (shape[place],), node.whole_values(1))
    if not where:
        raise NoEquation("it reads or gives nothing")
    return moving.gathered_along(node.tensor(), axes, place, where)


def gather_several(node: Node) -> Equation:
    """GatherND: places along several axes at once, the last axis of the places naming them."""
    shape, by, ahead = node.shape(), node.shape(1), node.whole("batch_dims", 0)
    all_known(by)
    if not by or 0 in by:
        raise NoEquation("it reads or gives nothing")
    many = by[-1]
    if ahead + many > len(shape) or ahead >= len(by):
        raise ShapeError(f"{node.op}: {many} places for a tensor of shape {shape_text(shape)}")
    if _known(node) and not ahead:
        where = _where(node, tuple(shape[:many]), node.whole_values(1))
        out = node.layout.axes((*by[:-1], *shape[many:]))
        along = {n: where[n::many] for n in range(many)}
        return moving.gathered(node.tensor(), out, along, range(len(by) - 1))
    if _known(node):
        raise NoEquation("it gathers row by row of a batch, at places that the file gives")
    reads = {ahead + n: lambda *at, n=n: node.read(1, *at, n) for n in range(many)}
    return gathered(
        partial(node.read, 0), shape, reads, by[ahead:-1], ahead, node.layout.axes, ahead
    )


def scatter_elements(node: Node) -> Equation:
    """Every update names a place along one axis, and stands at the others' own."""
    shape, by = node.shape(), node.shape(1)
    all_known(shape, by)
    place = node.axis(node.whole("axis", 0, -LARGEST), len(shape))
    single = isinstance(node.slot(2), Given)  # one number, wherever it is written
    if len(by) != len(shape) or 0 in (*shape, *by):
        raise NoEquation("it reads or gives nothing")
    if not single and node.shape(2) != by:
        raise NoEquation(
            f"there are {shape_text(node.shape(2))} updates for {shape_text(by)} places"
        )
    if any(b > s for n, (b, s) in enumerate(zip(by, shape, strict=True)) if n != place):
        raise ShapeError(f"{node.op}: {shape_text(by)} updates for a tensor of {shape_text(shape)}")
    axes = node.layout.axes(shape)
    index = _where(node, (shape[place],), node.whole_values(1)) if _known(node) else node.tensor(1)
    update = node.read(2) if single else node.tensor(2)
    how = node.text("reduction", "none")
    return scattering.along(axes, place, node.read(0, *axes), index, by, update, by, how)


def scatter_several(node: Node) -> Equation:
    """ScatterND: the last axis of the places names them along several axes at once."""
    shape, by = node.shape(), node.shape(1)
    all_known(shape, by)
    how = node.text("reduction", "none")
    if 0 in (*shape, *by) or not by:
        raise NoEquation("it reads or gives nothing")
    many = by[-1]
    if many > len(shape) or node.shape(2) != (*by[:-1], *shape[many:]):
        raise ShapeError(
            f"{node.op}: places of shape {shape_text(by)} for a tensor of shape {shape_text(shape)}"
        )
    axes = node.layout.axes(shape)
    before, rest = node.read(0, *axes), axes[many:]
    if _known(node):
        where = _where(node, tuple(shape[:many]), node.whole_values(1))
        names: list[list[int]] = [[] for _ in range(math.prod(shape[:many]))]
        for name in range(math.prod(by[:-1])):
            flat = 0
            for size, to in zip(shape[:many], where[name * many : (name + 1) * many], strict=True):
                flat = flat * size + to
            names[flat].append(name)
        return scattering.put(
            axes, before, axes[:many], names, by[:-1], lambda *at: node.read(2, *at, *rest), how
        )
    running = tuple(Axis(f"k{n}", size, "update") for n, size in enumerate(by[:-1], 1))
    if not running:
        running = (Axis("k", 1, "update"),)
    at = running if by[:-1] else ()
    named = [(node.read(1, *at, n), axes[n] * 1, shape[n]) for n in range(many)]
    return scattering.scattered(axes, before, named, node.read(2, *at, *rest), running, how)


RULES = {
    "ScatterElements": Rule(scatter_elements, {0: "data", 2: "updates"}, frozenset((1,)), NUMBERS),
    "Scatter": Rule(scatter_elements, {0: "data", 2: "updates"}, frozenset((1,)), NUMBERS),
    "ScatterND": Rule(scatter_several, {0: "data", 2: "updates"}, frozenset((1,)), NUMBERS),
    "Slice": Rule(slices, given=frozenset((1, 2, 3, 4)), takes=ALL),
    "Split": Rule(split, given=frozenset((1,)), takes=ALL),
    "Gather": Rule(gather, given=frozenset((1,)), takes=ALL),
    "GatherElements": Rule(gather_elements, given=frozenset((1,)), takes=ALL),
    "GatherND": Rule(gather_several, given=frozenset((1,)), takes=ALL),
}
