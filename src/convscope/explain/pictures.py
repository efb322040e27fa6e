"""Mental models: the pictures that learners have of a convolution, each tested as an equation.

All four are the layer's own equation with an axis moved: out of the sum, or fixed at one slice. So
each has an output shape, a weights' shape, a cost and a value, over the same input; and the engine,
which knows nothing of pictures, agrees with one.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, TypeAlias

from convscope.errors import UnsupportedError
from convscope.explain.reading import MainSum, main_sum
from convscope.explain.words import decimal, grouped, times
from convscope.model.graph import Graph
from convscope.notation import Axis, Equation, Expression, Read, Size, macs
from convscope.notation.expression import Binary, Call, Reduction
from convscope.notation.index import Index
from convscope.notation.sizes import is_known, plain, surely_less
from convscope.parts import (
    Bullets,
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

if TYPE_CHECKING:
    import numpy as np

    Array: TypeAlias = np.ndarray[Any, Any]


@dataclass(frozen=True)
class Picture:
    """One mental model: what it is called, what it claims, its equation.

    position   where in its output the compared number stands
    """

    name: str
    claim: str
    equation: Equation
    kernel: tuple[Size, ...]
    position: tuple[int, ...]
    real: bool


@dataclass(frozen=True)
class Verdict:
    """A picture, its value at the position, and whether the engine agrees."""

    picture: Picture
    value: float
    shape_agrees: bool
    value_agrees: bool

    @property
    def agrees(self) -> bool:
        """Whether both the output's shape and the number are what the engine gives."""
        return self.shape_agrees and self.value_agrees


@dataclass(frozen=True)
class Comparison:
    """The four pictures of one layer at one position, and the engine's word."""

    layer: str
    position: tuple[int, ...]
    input_shape: tuple[Size, ...]
    output_shape: tuple[Size, ...]
    engine_value: float
    verdicts: tuple[Verdict, ...]
    engine: str

    def document(self) -> Document:
        """Return the comparison as parts."""
        rows: list[tuple[Words, ...]] = []
        for number, verdict in enumerate(self.verdicts, 1):
            e = verdict.picture.equation
            rows.append(
                (
                    [Span(f"{number}. {verdict.picture.name}", "strong" if verdict.agrees else "")],
                    times(verdict.picture.kernel),
                    grouped(e.params),
                    _judged(times(e.shape), verdict.shape_agrees),
                    grouped(macs(e)),
                    _judged(decimal(verdict.value), verdict.value_agrees),
                    Span("yes", "good") if verdict.agrees else Span("no", "bad"),
                )
            )
        rows.append(
            (
                f"the engine ({self.engine})",
                "",
                "",
                times(self.output_shape),
                "",
                decimal(self.engine_value),
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
            Heading(f"Four pictures of {self.layer}, tested"),
            Paragraph(
                f"The same input {times(self.input_shape)}, the same weights; only the equation "
                f"differs. Which one did the network compute?"
            ),
            table,
        ]
        for number, verdict in enumerate(self.verdicts, 1):
            e = verdict.picture.equation
            parts += [
                Paragraph(
                    [
                        Span(f"{number}. {verdict.picture.name}. ", "strong"),
                        verdict.picture.claim,
                        "" if verdict.agrees else " ",
                        *([] if verdict.agrees else [Span(self._why_not(verdict), "bad")]),
                    ]
                ),
                Formula(str(e), e.latex()),
            ]
        alike = [v for v in self.verdicts if v.agrees]
        if len(alike) > 1:
            parts.append(
                Bullets(
                    (
                        "Here the pictures cannot be told apart: "
                        + "; ".join(v.picture.name for v in alike)
                        + ". Try another position, or a layer whose input has several maps.",
                    )
                )
            )
        return Document(tuple(parts))

    def _why_not(self, verdict: Verdict) -> str:
        e = verdict.picture.equation
        if not verdict.shape_agrees:
            return f"Not so: the output would be {times(e.shape)}, and it is {times(self.output_shape)}."
        off = abs(verdict.value - self.engine_value)
        return f"Not so: the number would be off by {decimal(off)}."

    def to_dict(self) -> dict[str, Any]:
        """Return the comparison as plain data."""
        return {
            "layer": self.layer,
            "position": list(self.position),
            "input_shape": [plain(s) for s in self.input_shape],
            "output_shape": [plain(s) for s in self.output_shape],
            "engine_value": self.engine_value,
            "pictures": [
                {
                    "name": v.picture.name,
                    "claim": v.picture.claim,
                    "equation": str(v.picture.equation),
                    "kernel": [plain(s) for s in v.picture.kernel],
                    "params": plain(v.picture.equation.params),
                    "output_shape": [plain(s) for s in v.picture.equation.shape],
                    "macs": plain(macs(v.picture.equation)),
                    "position": list(v.picture.position),
                    "value": v.value,
                    "engine_agrees": bool(v.agrees),
                }
                for v in self.verdicts
            ],
        }


def _judged(text: str, good: bool) -> Span:
    return Span(text, "" if good else "bad")


def pictures(equation: Equation, position: Sequence[int]) -> list[Picture]:
    """Return the four pictures of a convolution's equation, and where each has its number.

    Raises `UnsupportedError` for an equation that is not a convolution with filters over channels.
    """
    main = main_sum(equation)
    if (
        main is None
        or main.channel is None
        or main.filter is None
        or not main.window
        or equation.locals
    ):
        raise UnsupportedError(
            "the mental models are about convolutions with filters over channels"
        )
    where = tuple(position)
    place = equation.axes.index(main.filter)
    o, c = main.filter, main.channel
    flat, deep = times(a.size for a in main.window), times(main.filter_shape)
    kernel = main.kernel.tensor.name

    def shaped(e: Equation) -> tuple[Size, ...]:
        return e.weights[kernel]

    maps = Axis("m", c.size * o.size, "filter")
    apart = _moved(equation, main, {c: maps // o.size, o: maps % o.size}, place, maps)
    shared = _moved(equation, main, {}, place, o, slice_of=c)
    own = Axis(c.name, c.size, "channel")
    bias = own if surely_less(c.size, o.size + 1) else own % o.size
    depth = _moved(equation, main, {c: own, o: bias}, place, own, first_filter=o)
    at_map = where[place]
    at_own = (*where[:place], at_map % c.size if is_known(c.size) else 0, *where[place + 1 :])
    many = f"{grouped(c.size)}·{grouped(o.size)} = {grouped(c.size * o.size)}"
    return [
        Picture(
            "Every map on its own",
            f"Each filter's slices go over the {grouped(c.size)} maps separately and nothing is added "
            f"up: {many} maps.",
            apart, shaped(apart), where, False,
        ),
        Picture(
            "One slice for all maps",
            f"A filter is a single {flat} slice, laid over every map, and the results are added up.",
            shared, shaped(shared), where, False,
        ),
        Picture(
            "A slice for each map, added up",
            f"A filter is {deep}: a {flat} slice for every map, and all "
            f"{grouped(main.terms)} products are added into one number.",
            equation, shaped(equation), where, True,
        ),
        Picture(
            "Depthwise",
            f"Each map has one {flat} slice of its own and stays apart: as many maps come out as go in.",
            depth, shaped(depth), at_own, False,
        ),
    ]  # fmt: skip


def _moved(
    equation: Equation,
    main: MainSum,
    replaced: Mapping[Axis, Index],
    place: int,
    output: Axis,
    slice_of: Axis | None = None,
    first_filter: Axis | None = None,
) -> Equation:
    """Return the equation with axes replaced, and with the channel out of the sum if it is replaced.

    slice_of       keep the sum, but let the kernel hold one slice only along this axis
    first_filter   let the kernel hold one filter only along this axis
    """

    def visit(node: Expression) -> Expression:
        match node:
            case Read():
                found = dict(replaced)
                if node is main.kernel and slice_of is not None:
                    found[slice_of] = Index((), 0)
                if node is main.kernel and first_filter is not None:
                    found[first_filter] = Index((), 0)
                return replace(node, indices=tuple(i.substitute(found) for i in node.indices))
            case Binary():
                return replace(node, left=visit(node.left), right=visit(node.right))
            case Call():
                return replace(node, arguments=tuple(map(visit, node.arguments)))
            case Reduction():
                axes = tuple(a for a in node.axes if a not in replaced)
                return replace(node, axes=axes, body=visit(node.body))
        return node

    axes = (*equation.axes[:place], output, *equation.axes[place + 1 :])
    return Equation(axes, visit(equation.expression), equation.name)


def compare(
    graph: Graph,
    activations: Mapping[str, Array],
    layer: str,
    position: Sequence[int],
    engine: str,
) -> Comparison:
    """Return the four pictures of a layer at one position, on the activations of this engine's run."""
    from convscope.notation.evaluation import evaluate
    from convscope.notation.ledger import ledger

    node = graph.node(layer)
    facts = graph.facts[node.name]
    if facts.equation is None:
        raise UnsupportedError(f"{node.name} ({node.layer.kind}) has no equation to compare")
    try:
        drawn = pictures(facts.equation, position)
    except UnsupportedError as error:
        others = [n for n, f in graph.facts.items() if f.equation and _has_pictures(f.equation)]
        hint = f"; in {graph.name}: {', '.join(others)}" if others else ""
        raise UnsupportedError(f"{node.name} ({node.layer.kind}): {error}{hint}") from error
    values: dict[str, Any] = dict(node.layer.weights)
    values["in"] = activations[node.inputs[0]]
    truth = float(activations[node.name][tuple(position)])
    shape = tuple(activations[node.name].shape)
    room = ledger(facts.equation, position, values).rounding
    verdicts = []
    for picture in drawn:
        value = evaluate(picture.equation, picture.position, values)
        verdicts.append(
            Verdict(
                picture, value, tuple(picture.equation.shape) == shape, abs(value - truth) <= room
            )
        )
    return Comparison(
        node.name, tuple(position), facts.input_shapes[0], shape, truth, tuple(verdicts), engine
    )


def _has_pictures(equation: Equation) -> bool:
    try:
        pictures(equation, (0,) * len(equation.axes))
    except UnsupportedError:
        return False
    return True
