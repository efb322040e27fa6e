"""One number taken apart, proved against the engine: the ledger as facts and as a document."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias

import numpy as np

from convscope.errors import UnsupportedError
from convscope.explain.words import (
    adding_up,
    decimal,
    dots,
    exact,
    grouped,
    scientific,
    times,
)
from convscope.model.graph import Graph, Node, tensor_names
from convscope.notation.cone import Cone, Link, cone
from convscope.notation.index import OUT_WORDS
from convscope.notation.ledger import Groups, Ledger, ledger
from convscope.parts import (
    Column,
    Document,
    Formula,
    Grid,
    Heading,
    Paragraph,
    Part,
    Side,
    Span,
    Table,
    Words,
)

Array: TypeAlias = np.ndarray[Any, Any]

SHOWN = 12
"""How many partial sums a document lists before it gathers the smallest in one row."""

WINDOWS_SHOWN = 2
"""How many windows a document writes out number by number."""

_MAPS = ("filter", "channel")
"""Words of axes along which an output's maps lie."""

LARGEST_WINDOW = 49
"""Windows of more numbers than this are not written out."""


@dataclass(frozen=True)
class Trace:
    """The ledger of one number, and what the engine made of it.

    engine_value   what ONNX Runtime computed in float32; None when the network was not run
    seen           by the cone: how many numbers were computed, and the patch of the image
    """

    layer: str
    kind: str
    ledger: Ledger
    engine_value: float | None
    activation: str
    cone: Cone | None = None
    image: str = ""

    @property
    def value(self) -> float:
        """The number, in float64 arithmetic on the float32 weights and activations."""
        return self.ledger.value

    @property
    def position(self) -> tuple[int, ...]:
        """Where it stands in the layer's output."""
        return self.ledger.position

    @property
    def difference(self) -> float | None:
        """value − engine_value; None when the network was not run."""
        return None if self.engine_value is None else self.value - self.engine_value

    @property
    def agrees(self) -> bool | None:
        """Whether the engine is as near as float32 rounding allows; None when it was not asked.

        Two that are not finite in the same way (both NaN, the same infinity) agree.
        """
        if self.engine_value is None or self.difference is None:
            return None
        if not np.isfinite(self.value) or not np.isfinite(self.engine_value):
            return bool(np.array_equal(self.value, self.engine_value, equal_nan=True))
        return self.difference == 0 or bool(abs(self.difference) <= self.ledger.rounding)

    def document(self) -> Document:
        """Return the ledger as parts; long ones abbreviated so that what is shown still adds up."""
        return Document(tuple(self._parts()))

    def _parts(self) -> list[Part]:
        led = self.ledger
        where = ", ".join(map(str, led.position))
        parts: list[Part] = [
            Heading(f"One number of {self.layer} ({self.kind}) at ({where})"),
            Formula(str(led.equation), led.equation.latex()),
        ]
        if led.groups is not None:
            parts += _grouped_parts(led, led.groups)
        elif led.readings:
            parts.append(_readings_table(led))
        if led.activation:
            applied = (
                "(".join(led.activation)
                + f"({exact(led.preactivation)}"
                + ")" * len(led.activation)
            )
            parts.append(Paragraph([f"{applied} = ", Span(exact(led.value), "strong")]))
        elif led.whole:
            words = (
                f"{self.activation} weighs {exact(led.preactivation)} against the other "
                f"{grouped(led.equation.shape[-1] - 1)} pre-activations and makes it "
            )
            parts.append(Paragraph([words, Span(exact(led.value), "strong")]))
        parts.append(self._verdict())
        return parts

    def _verdict(self) -> Paragraph:
        led = self.ledger
        if self.engine_value is None or self.difference is None:
            words: list[str | Span] = ["The value is ", Span(exact(led.value), "strong")]
            if self.cone is not None and self.image:
                patch = times(high - low + 1 for low, high in self.cone.boxes[self.image])
                words.append(
                    f", computed from a {patch} patch of {self.image} and {grouped(self.cone.numbers)} "
                    f"numbers on the way; the network was not run."
                )
            return Paragraph(words)
        if not np.isfinite([led.value, self.engine_value]).all():
            same = (
                Span("The engine agrees", "good")
                if self.agrees
                else Span("The engine does not agree", "bad")
            )
            return Paragraph(
                [
                    same,
                    (
                        f": ONNX Runtime computed {exact(self.engine_value)}, the ledger says "
                        f"{exact(led.value)}. Numbers that are not finite cannot be subtracted."
                    ),
                ]
            )
        room = scientific(led.rounding)
        if self.agrees:
            judged = Span("The engine agrees", "good")
            tail = f"; float32 rounding allows {room}."
        else:
            judged = Span("The engine does not agree", "bad")
            tail = f", and float32 rounding explains only {room}."
        return Paragraph(
            [
                judged,
                (
                    f": ONNX Runtime computed {exact(self.engine_value)}, "
                    f"the ledger says {exact(led.value)}. Difference {scientific(self.difference)}{tail}"
                ),
            ]
        )

    def to_dict(self) -> dict[str, Any]:
        """Return the whole ledger as plain data, nothing abbreviated."""
        led = self.ledger
        found: dict[str, Any] = {
            "layer": self.layer,
            "position": list(led.position),
            "equation": str(led.equation),
            "value": led.value,
            "engine_value": self.engine_value,
            "difference": self.difference,
            "agrees": self.agrees,
            "rounding": led.rounding,
            "preactivation": led.preactivation,
            "bias": led.bias,
            "terms": led.terms,
            "reduction": led.reduction,
            "activation": list(led.activation),
            "readings": [
                {"name": r.name, "index": list(r.index), "value": r.value} for r in led.readings
            ],
            "groups": [],
        }
        groups = led.groups
        if groups is not None:
            found["groups"] = [
                {
                    "channel": int(groups.channels[n]),
                    "window": _listed(groups.windows[n]),
                    "inside": _listed(groups.inside[n]),
                    "kernel": None if groups.kernels is None else _listed(groups.kernels[n]),
                    "products": None if groups.products is None else _listed(groups.products[n]),
                    "partial_sum": float(groups.partials[n]),
                }
                for n in range(len(groups.channels))
            ]
        return found


def _listed(array: Array) -> list[Any]:
    found = array.tolist()
    return found if isinstance(found, list) else [found]


def _grouped_parts(led: Ledger, groups: Groups) -> list[Part]:
    count = len(groups.channels)
    window = groups.windows.shape[1:]
    reads = grouped(led.terms)
    if count > 1 and window:
        sentence = f"It reads {dots((*window, count))} = {reads} numbers: a window of every one of the {grouped(count)} input maps."
    elif count > 1:
        sentence = f"It reads {reads} numbers, one for each term."
    else:
        sentence = (
            f"It reads {times(window)} = {reads} numbers, all from input map {groups.channels[0]}."
        )
    outside = int(np.size(groups.inside) - np.count_nonzero(groups.inside))
    if outside:
        sentence += (
            f" {grouped(outside)} of them lie outside the input, in the padding, shown in brackets."
        )
    axes = zip(led.equation.axes, led.position, strict=True)
    here = ", ".join(f"{'map' if a.word in _MAPS else a.word} {p}" for a, p in axes)
    parts: list[Part] = [Paragraph(f"{here[:1].upper()}{here[1:]}. {sentence}")]
    order = np.argsort(-np.abs(groups.partials), kind="stable").tolist()
    column = _column(led, groups, order)
    if window and len(window) <= 2 and int(np.prod(window)) <= LARGEST_WINDOW:
        shown = sorted(order[: WINDOWS_SHOWN if count > 1 else 1])
        if count > len(shown):
            parts.append(
                Paragraph(f"The {len(shown)} input maps that weigh most, number by number:")
            )
        parts += [_side(led, groups, n, column) for n in shown]
    if led.reduction == "sum":
        parts.append(_sum_table(led, groups, column))
    return parts


def _side(led: Ledger, groups: Groups, n: int, column: _Column) -> Side:
    """Return window × slice = products, and what they come to; the products add up as shown."""
    muted = _rows(~groups.inside[n])
    partial = float(groups.partials[n])
    result = column.shown.get(n, decimal(partial))
    grids = [
        Grid(f"map {groups.channels[n]}{_places(groups, n)}", _numbers(groups.windows[n]), muted)
    ]
    signs: tuple[str, ...] = ()
    if groups.kernels is not None and groups.products is not None:
        axes = zip(led.equation.axes, led.position, strict=True)
        which = next((f"filter {p}" for axis, p in axes if axis.word in OUT_WORDS), "its weights")
        name = f"slice {groups.channels[n]} of {which}" if len(groups.channels) > 1 else which
        products = groups.products[n]
        cells = _numbers(products)
        if np.isfinite(products).all():
            texts, _ = adding_up(products.ravel().tolist(), _read(result), 6)
            across = products.shape[-1]
            cells = tuple(tuple(texts[i : i + across]) for i in range(0, len(texts), across))
        grids += [Grid(name, _numbers(groups.kernels[n])), Grid("products", cells)]
        signs = ("×", "=")
    word = {"sum": "sum", "max": "largest", "mean": "mean"}[str(led.reduction)]
    return Side(tuple(grids), signs, f"{word} {result}")


def _read(text: str) -> float:
    """Return the number that a shown decimal is."""
    return float(text.replace("−", "-").replace("∞", "inf"))


def _places(groups: Groups, n: int) -> str:
    corner = groups.corners[n]
    return f" at ({', '.join(str(v).replace('-', '−') for v in corner)})" if len(corner) else ""


def _numbers(array: Array) -> tuple[tuple[str, ...], ...]:
    rows = array if array.ndim == 2 else array.reshape(1, -1)
    return tuple(tuple("−∞" if v == -np.inf else decimal(float(v), 4) for v in row) for row in rows)


def _rows(array: Array) -> tuple[tuple[bool, ...], ...]:
    rows = array if array.ndim == 2 else array.reshape(1, -1)
    return tuple(tuple(bool(v) for v in row) for row in rows)


@dataclass(frozen=True)
class _Column:
    """Partial sums, the rest, the bias and their total, rounded so that what is shown adds up.

    shown   the text of each group that is listed
    rows    name and text, in order
    total   the text of the sum
    """

    shown: dict[int, str]
    rows: list[tuple[str, str]]
    total: str


def _column(led: Ledger, groups: Groups, order: Sequence[int]) -> _Column:
    """Return the column of a ledger; the smallest partial sums of many are gathered in one row."""
    count = len(groups.channels)
    listed = sorted(order[: SHOWN - 1] if count > SHOWN else order)
    maps = groups.windows.ndim > 1
    one, many = ("input map", "maps") if maps else ("input", "inputs")
    values = [float(groups.partials[n]) for n in listed]
    names = [f"{one} {groups.channels[n]}" for n in listed]
    if len(listed) < count:
        values.append(float(groups.partials.sum()) - sum(values))
        names.append(f"the other {grouped(count - len(listed))} {many}")
    if led.bias is not None:
        values.append(led.bias)
        names.append("bias")
    if np.isfinite(values).all():
        texts, total = adding_up(values, sum(values), 6)
    else:
        texts, total = [decimal(v) for v in values], decimal(led.preactivation)
    return _Column(
        dict(zip(listed, texts, strict=False)), list(zip(names, texts, strict=True)), total
    )


def _sum_table(led: Ledger, groups: Groups, column: _Column) -> Table:
    """Return the column as a table, with a running sum."""
    rows: list[tuple[Words, ...]] = []
    running = 0.0
    for name, text in column.rows:
        running += _read(text)
        rows.append((name, text, decimal(running)))
    last = "pre-activation" if led.activation or led.whole else "sum"
    kernel = "partial sum" if groups.windows.ndim > 1 else "input × weight"
    whole = len(column.shown) == len(groups.channels)
    return Table(
        (Column("from"), Column(kernel, "right"), Column("so far", "right")),
        tuple(rows),
        ((Span(last, "strong"), Span(column.total, "strong"), ""),),
        caption=""
        if whole
        else "The largest by size; the rest in one row, so that the column adds up.",
    )


def _readings_table(led: Ledger) -> Table:
    rows = tuple(
        (
            f"{r.name}[{', '.join(map(str, r.index))}]",
            {"input": "input", "weight": "weight", "local": "computed on the way"}[r.role],
            exact(r.value),
        )
        for r in led.readings
    )
    return Table(
        (Column("it reads"), Column("which is"), Column("value", "right")),
        rows,
        ((Span("it makes", "strong"), "", Span(exact(led.value), "strong")),),
    )


def trace(
    graph: Graph, activations: Mapping[str, Array], layer: str, position: Sequence[int]
) -> Trace:
    """Return the ledger of one number of a run, with the engine's value.

    Raises `UnsupportedError` for a layer without an equation.
    """
    node = graph.node(layer)
    equation = graph.facts[node.name].equation
    if equation is None:
        raise UnsupportedError(
            f"{node.name} ({node.layer.kind}) has no equation, so its numbers cannot be taken apart"
        )
    values: dict[str, Any] = dict(node.layer.weights)
    values.update(
        (tensor, activations[name])
        for tensor, name in zip(tensor_names(len(node.inputs)), node.inputs, strict=True)
    )
    found = ledger(equation, position, values)
    engine = float(activations[node.name][tuple(position)])
    return Trace(node.name, node.layer.kind, found, engine, _activation(node))


def trace_by_cone(
    graph: Graph, images: Mapping[str, Array], layer: str, position: Sequence[int]
) -> Trace:
    """Return the ledger of one number from the patch of the image that it sees, nothing else run."""
    node = graph.node(layer)
    links: dict[str, Link] = {}
    for name in graph.needed([node.name]):
        other = graph.nodes[name]
        equation = graph.facts[name].equation
        if equation is None:
            raise UnsupportedError(
                f"{name} ({other.layer.kind}) has no equation, and {layer} depends on it: "
                f"its numbers need a run of the network"
            )
        feeds = dict(zip(tensor_names(len(other.inputs)), other.inputs, strict=True))
        links[name] = Link(equation, feeds, other.layer.weights)
    seen = cone(links, node.name, position, images)
    found = ledger(graph.facts[node.name].equation, position, seen.values)  # type: ignore[arg-type]
    image = next((name for name in images if name in seen.boxes), "")
    return Trace(node.name, node.layer.kind, found, None, _activation(node), seen, image)


def _activation(node: Node) -> str:
    """Return what the layer calls its activation."""
    found = getattr(node.layer, "activation", None)
    return node.layer.kind.lower() if found is None else str(found.name)
