"""Mental models: the pictures that learners have of a convolution, each tested as an equation.

All four are the layer's own equation with an axis moved: out of the sum, or fixed at one slice. So
each has an output shape, a weights' shape, a cost and a value, over the same input; and the engine,
which knows nothing of pictures, agrees with one.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from math import isfinite, isnan
from typing import Any

from convscope.errors import UnsupportedError
from convscope.explain.reading import MainSum, main_sum
from convscope.explain.words import article, brief, grouped, sliced, times, worked
from convscope.model.graph import Graph
from convscope.model.naming import called
from convscope.notation import Axis, Equation, Expression, Read, Size, macs
from convscope.notation.expression import Reduction
from convscope.notation.index import Index, as_index
from convscope.notation.node import changed
from convscope.notation.sizes import is_known, plain, product, surely_less
from convscope.parts import (
    Column,
    Document,
    Formula,
    Heading,
    Paragraph,
    Part,
    Span,
    Table,
    Words,
)
from convscope.typed import Array


@dataclass(frozen=True)
class Picture:
    """One mental model: what it is called, what it claims, its equation.

    key        "apart", "shared", "depth" or "added"; "real" for the one that the equation is
    position   where in its output the compared number stands
    """

    key: str
    name: str
    claim: str
    equation: Equation
    kernel: tuple[Size, ...]
    params: Size
    position: tuple[int, ...]
    real: bool


@dataclass(frozen=True)
class Judged:
    """A picture, its value at the position, and whether the engine agrees.

    value_agrees   None where both are the same NaN or infinity: that proves nothing
    """

    picture: Picture
    value: float
    shape_agrees: bool
    value_agrees: bool | None

    @property
    def agrees(self) -> bool | None:
        """Whether both the output's shape and the number are what the engine gives; None if unknown."""
        return self.value_agrees if self.shape_agrees else False


WORDS = {
    "lead": "The same input {input}, the same weights; only the equation differs. Which one did the network compute?",
    "proved": "This is what the network computes.",
    "shape": "Not so: the output would be {would}, and it is {true}.",
    "off": "Not so: the number would be off by {off}.",
    "value": "Not so: the number would be {would}, and it is {true}.",
    "unknown": "Cannot be told here: the number is {true}.",
    "alike": "Cannot be told here: another picture gives the same number. Try another pixel, or a layer with more "
    "input maps.",
    "untold": "cannot be told here",
}
"""What is said of pictures that were tested; the explorer's page, which tests them itself, is told it."""


@dataclass(frozen=True)
class Pictures:
    """The four pictures of one layer at one position, and the engine's word.

    telling   another position of the layer, at which only one of them stands; None where this one tells,
              or where none was found
    """

    layer: str
    position: tuple[int, ...]
    input_shape: tuple[Size, ...]
    output_shape: tuple[Size, ...]
    engine_value: float
    verdicts: tuple[Judged, ...]
    engine: str
    telling: tuple[int, ...] | None = None

    def document(self) -> Document:
        """Return the comparison as parts."""
        rows: list[tuple[Words, ...]] = []
        for number, verdict in enumerate(self.verdicts, 1):
            e = verdict.picture.equation
            rows.append(
                (
                    [
                        Span(
                            f"{number}. {verdict.picture.name}",
                            "strong" if self.proved(verdict) else "",
                        )
                    ],
                    times(verdict.picture.kernel),
                    grouped(verdict.picture.params),
                    _judged(times(e.shape), verdict.shape_agrees),
                    grouped(macs(e)),
                    _judged(brief(verdict.value), verdict.value_agrees is not False),
                    self._word(verdict),
                )
            )
        rows.append(
            (
                f"the engine ({self.engine})",
                "",
                "",
                times(self.output_shape),
                "",
                brief(self.engine_value),
                "",
            )
        )
        where = ", ".join(map(str, self.position))
        table = Table(
            (
                Column("picture"),
                Column("kernel"),
                Column("parameters", "right"),
                Column("output"),
                Column("MACs", "right"),
                Column(f"value at ({where})", "right"),
                Column("engine agrees"),
            ),
            tuple(rows[:-1]),
            (rows[-1],),
        )
        parts: list[Part] = [
            Heading(f"Four pictures of {called(self.layer)}, tested"),
            Paragraph(WORDS["lead"].format(input=times(self.input_shape))),
            table,
        ]
        for number, verdict in enumerate(self.verdicts, 1):
            e = verdict.picture.equation
            parts += [
                Paragraph(
                    [
                        Span(f"{number}. {verdict.picture.name}. ", "strong"),
                        verdict.picture.claim,
                        *self._why_not(verdict),
                    ]
                ),
                Formula(str(e), e.latex()),
            ]
        if self.alike:
            names = "; ".join(v.picture.name for v in self._standing)
            parts.append(Paragraph(f"Here pictures cannot be told apart: {names}. {self._advice}"))
        return Document(tuple(parts))

    @property
    def _advice(self) -> str:
        """Say where pictures that are alike here can be told apart."""
        if self.telling is not None:
            return f"At ({', '.join(map(str, self.telling))}) they can."
        if not isfinite(self.engine_value):
            return "Where numbers are not finite, no picture is proved."
        return (
            "Nor can they at the layer's largest numbers: over a single map they are the same, and a layer "
            "whose input has several tells."
        )

    @property
    def _standing(self) -> list[Judged]:
        """The pictures that this number does not refute."""
        return [v for v in self.verdicts if v.agrees is not False]

    @property
    def alike(self) -> bool:
        """Whether more than one picture stands, so that this number tells nothing."""
        return len(self._standing) > 1

    def proved(self, verdict: Judged) -> bool:
        """Return whether the engine agrees with this picture, and with no other one."""
        return bool(verdict.agrees) and len(self._standing) == 1

    def _word(self, verdict: Judged) -> Span:
        if self.proved(verdict):
            return Span("yes", "good")
        return Span("no", "bad") if verdict.agrees is False else Span(WORDS["untold"])

    def _why_not(self, verdict: Judged) -> list[str | Span]:
        e, value, engine = verdict.picture.equation, verdict.value, self.engine_value
        if verdict.agrees is not False:
            return []
        if not verdict.shape_agrees:
            why = WORDS["shape"].format(would=times(e.shape), true=times(self.output_shape))
        elif isfinite(value) and isfinite(engine):
            why = WORDS["off"].format(off=brief(abs(value - engine)))
        else:
            why = WORDS["value"].format(would=brief(value), true=brief(engine))
        return [" ", Span(why, "bad")]

    def to_dict(self) -> dict[str, Any]:
        """Return the comparison as plain data."""
        return {
            "layer": self.layer,
            "position": list(self.position),
            "input_shape": [plain(s) for s in self.input_shape],
            "output_shape": [plain(s) for s in self.output_shape],
            "engine_value": self.engine_value,
            "telling_position": None if self.telling is None else list(self.telling),
            "pictures": [
                {
                    "name": v.picture.name,
                    "claim": v.picture.claim,
                    "equation": str(v.picture.equation),
                    "kernel": [plain(s) for s in v.picture.kernel],
                    "params": plain(v.picture.params),
                    "output_shape": [plain(s) for s in v.picture.equation.shape],
                    "macs": plain(macs(v.picture.equation)),
                    "position": list(v.picture.position),
                    "value": v.value,
                    "engine_agrees": v.agrees,
                    "proved": self.proved(v),
                }
                for v in self.verdicts
            ],
        }


def _judged(text: str, good: bool) -> Span:
    return Span(text, "" if good else "bad")


def pictures(equation: Equation, position: Sequence[int]) -> list[Picture]:
    """Return the four pictures of a convolution's equation, and where each has its number.

    Where the input's maps are in groups, every picture is about the maps of one group; of a depthwise
    layer, whose groups are single maps, the last of the four is the real one.

    Raises `UnsupportedError` for an equation that is not a convolution over channels.
    """
    main = main_sum(equation)
    if main is None or not has_pictures(equation):
        raise UnsupportedError(
            "the mental models are about convolutions with filters over channels"
        )
    if main.depthwise:
        return _of_depthwise(equation, main, tuple(position))
    assert main.filter is not None and main.channel is not None
    return _of_filters(equation, main, main.filter, main.channel, tuple(position))


def _of_filters(
    equation: Equation, main: MainSum, o: Axis, c: Axis, where: tuple[int, ...]
) -> list[Picture]:
    """Return the pictures of a convolution whose filters read all maps, or those of a group."""
    place = equation.axes.index(o)
    flat, deep = sliced(a.size for a in main.window), times(main.filter_shape)
    many = worked((c.size, o.size), product((c.size, o.size)))
    maps = Axis("m", c.size * o.size, "filter", role="out")
    apart = _redrawn(equation, main, {c: maps // o.size, o: maps % o.size}, place, maps)
    shared = _redrawn(equation, main, {}, place, o, one_slice=True)
    own = Axis(c.name, main.maps, "channel", role="in")
    if main.groups == 1:
        of_group, others = "", ""
        bias = own if surely_less(own.size, o.size + 1) else own % o.size
        depth = _redrawn(equation, main, {c: own, o: bias}, place, own, one_filter=True)
    else:
        of_group = " of its group"
        others = (
            f" Of the {grouped(main.maps)} maps a filter does not see the other "
            f"{grouped(main.maps - c.size)}: they are in {grouped(main.groups)} groups."
        )
        first = (own // c.size) * (o.size // main.groups)
        depth = _redrawn(equation, main, {c: own % c.size, o: first}, place, own, channel=own)
    at_own = where[place] % own.size if is_known(own.size) else 0
    slices, depth_params = _slices(equation, main, o, c, own.size)
    return [
        Picture(
            "apart", "Every map on its own",
            f"Each filter's slices go over the {grouped(c.size)} maps{of_group} separately and nothing is "
            f"added up: {many} maps.",
            apart, _kernel(apart, main), apart.params, where, False,
        ),
        Picture(
            "shared", "One slice for all maps",
            f"A filter is a single {flat}, laid over every map{of_group}, and the results are added "
            f"up.",
            shared, _kernel(shared, main), shared.params, where, False,
        ),
        Picture(
            "real", f"A slice for each map{of_group}, added up",
            f"A filter is {deep}: {article(flat)} {flat} for every map{of_group}, and all {grouped(main.terms)} "
            f"products are added into one number.{others}",
            equation, _kernel(equation, main), equation.params, where, True,
        ),
        Picture(
            "depth", "Depthwise",
            f"Each map has one {flat} of its own and stays apart: as many maps come out as go in.",
            depth, slices, depth_params, (*where[:place], at_own, *where[place + 1 :]), False,
        ),
    ]  # fmt: skip


def _of_depthwise(equation: Equation, main: MainSum, where: tuple[int, ...]) -> list[Picture]:
    """Return the pictures of a convolution in which each map has slices of its own and stays apart."""
    o = next(a for a in equation.axes if a in _axes_of(main.kernel))
    place = equation.axes.index(o)
    flat, count, each = sliced(a.size for a in main.window), main.maps, o.size // main.maps
    one = {} if main.channel is None else {main.channel: Index((), 0)}
    maps, c = (
        Axis("m", count * o.size, "filter", role="out"),
        Axis("c", count, "channel", role="in"),
    )
    apart = _redrawn(equation, main, {**one, o: maps % o.size}, place, maps, channel=maps // o.size)
    shared = _redrawn(equation, main, one, place, o, channel=c, over=c)
    few = Axis("o", each, "filter", role="out")
    added = _redrawn(
        equation, main, {**one, o: c * each + few}, place, few, channel=c, over=c, beside={o: few}
    )
    if each == 1:
        own = f"one {flat} of its own and stays apart: as many maps come out as go in"
    else:
        own = (
            f"{grouped(each)} slices of {times(a.size for a in main.window)} of its own and stays apart: {grouped(count)}·{grouped(each)} = "
            f"{grouped(o.size)} maps come out"
        )
    at_few = where[place] % each
    return [
        Picture(
            "apart", "Every slice over every map",
            f"Each of the {grouped(o.size)} slices goes over each of the {grouped(count)} maps and nothing "
            f"is added up: {grouped(count)}·{grouped(o.size)} = {grouped(count * o.size)} maps.",
            apart, _kernel(apart, main), apart.params, where, False,
        ),
        Picture(
            "shared", "One slice for all maps",
            f"A filter is a single {flat}, laid over every map, and the results are added up.",
            shared, _kernel(shared, main), shared.params, where, False,
        ),
        Picture(
            "added", "A slice for each map, added up",
            f"A filter is {times((*(a.size for a in main.window), count))}: {article(flat)} {flat} for every map, "
            f"and all products are added into one number, as in an ordinary convolution.",
            added, _kernel(added, main), added.params, (*where[:place], at_few, *where[place + 1 :]), False,
        ),
        Picture(
            "real", "Depthwise",
            f"Each map has {own}.",
            equation, _kernel(equation, main), equation.params, where, True,
        ),
    ]  # fmt: skip


def _slices(
    equation: Equation, main: MainSum, o: Axis, c: Axis, maps: Size
) -> tuple[tuple[Size, ...], Size]:
    """Return the kernel that a depthwise layer over the same maps would have, in the layout of this one,
    and its parameters: one slice and one bias for each map."""

    def resized(read: Read) -> tuple[Size, ...]:
        sizes = zip(read.indices, equation.weights[read.tensor.name], strict=True)
        return tuple(maps if c in i.axes() else 1 if o in i.axes() else s for i, s in sizes)

    kernel = resized(main.kernel)
    others = [n for n in equation.weights if n != main.kernel.tensor.name]
    return kernel, product(kernel) + len(others) * maps


def _kernel(equation: Equation, main: MainSum) -> tuple[Size, ...]:
    return equation.weights[main.kernel.tensor.name]


def _axes_of(read: Read) -> set[Axis]:
    found: set[Axis] = set()
    return found.union(*(index.axes() for index in read.indices))


def _redrawn(
    equation: Equation,
    main: MainSum,
    replaced: Mapping[Axis, Index],
    place: int,
    output: Axis,
    *,
    channel: Index | None = None,
    over: Axis | None = None,
    beside: Mapping[Axis, Index] | None = None,
    one_slice: bool = False,
    one_filter: bool = False,
) -> Equation:
    """Return the equation with axes replaced, and with the channel out of the sum if it is replaced.

    output      the output axis that takes the place of the one there
    channel     which of the input's maps is read, whatever the equation says
    over        sum over this axis too
    beside      what is replaced elsewhere than in the sum
    one_slice   let the kernel hold one slice only along its channels
    one_filter  let the kernel hold one filter only
    """
    fixed = [axis for axis, yes in ((main.channel, one_slice), (main.filter, one_filter)) if yes]

    def visit(node: Expression, inside: bool = False) -> Expression:
        match node:
            case Read():
                found = dict(replaced if inside or beside is None else beside)
                if node is main.kernel:
                    found.update({axis: Index((), 0) for axis in fixed if axis is not None})
                indices = [index.substitute(found) for index in node.indices]
                if node is main.source and channel is not None and main.place is not None:
                    indices[main.place] = as_index(channel)
                return changed(node, indices=tuple(indices))
            case Reduction():
                axes = tuple(a for a in node.axes if a not in replaced)
                if over is not None and node is main.reduction:
                    axes = (*axes, over)
                return changed(node, axes=axes, body=visit(node.body, True))
        return node.rebuilt([visit(part, inside) for part in node.parts()])

    axes = (*equation.axes[:place], output, *equation.axes[place + 1 :])
    return Equation(axes, visit(equation.expression), equation.name)


def compare(
    graph: Graph,
    activations: Mapping[str, Array],
    layer: str,
    position: Sequence[int],
    engine: str,
) -> Pictures:
    """Return the four pictures of a layer at one position, on the activations of this engine's run."""
    from convscope.notation.evaluation import evaluate
    from convscope.notation.ledger import ledger

    node = graph.node(layer)
    facts = graph.facts[node.name]
    equation = facts.equation
    if equation is None:
        raise UnsupportedError(f"{node.name} ({node.layer.kind}) has no equation to compare")
    try:
        drawn = pictures(equation, position)
    except UnsupportedError as error:
        others = [n for n, f in graph.facts.items() if f.equation and has_pictures(f.equation)]
        hint = f"; in {graph.name}: {', '.join(others)}" if others else ""
        raise UnsupportedError(f"{node.name} ({node.layer.kind}): {error}{hint}") from error
    values: dict[str, Any] = dict(node.layer.weights)
    values["in"] = activations[node.inputs[0]]
    given = activations[node.name]

    def judged(drawn: list[Picture], where: tuple[int, ...]) -> Pictures:
        truth, shape = float(given[where]), tuple(given.shape)
        room = ledger(equation, where, values, node.layer.dtype).rounding
        verdicts = []
        for picture in drawn:
            value = evaluate(picture.equation, picture.position, values)
            fits = tuple(picture.equation.shape) == shape
            verdicts.append(Judged(picture, value, fits, _agree(value, truth, room)))
        reads = facts.input_shapes[0]
        return Pictures(node.name, where, reads, shape, truth, tuple(verdicts), engine)

    here = judged(drawn, tuple(position))
    if not here.alike:
        return here
    for where in _largest(given):
        if not judged(pictures(equation, where), where).alike:
            return replace(here, telling=where)
    return here


MOST_TRIED = 8
"""So many of a layer's largest numbers are looked at for one that tells pictures apart."""


def _largest(activation: Array) -> list[tuple[int, ...]]:
    """Return the positions of a layer's largest numbers, the largest first."""
    import numpy as np

    sizes = np.abs(np.nan_to_num(activation, posinf=0, neginf=0)).ravel()
    many = min(MOST_TRIED, sizes.size)
    found = np.argpartition(sizes, -many)[-many:]
    ordered = found[np.argsort(-sizes[found], kind="stable")]
    return [tuple(map(int, np.unravel_index(n, activation.shape))) for n in ordered]


def _agree(value: float, truth: float, room: float) -> bool | None:
    """Return whether two numbers are as near as rounding allows.

    None if they are the same NaN or infinity, or where a float32 may overflow on the way.
    """
    if isfinite(value) and isfinite(truth):
        return bool(abs(value - truth) <= room) if isfinite(room) else None
    return None if value == truth or (isnan(value) and isnan(truth)) else False


def has_pictures(equation: Equation) -> bool:
    """Return whether `pictures` has any of an equation: whether it is a convolution over channels."""
    main = main_sum(equation)
    if main is None or equation.locals or not main.window:
        return False
    return (main.depthwise and is_known(main.maps)) or (
        main.channel is not None and main.filter is not None
    )
