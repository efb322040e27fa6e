"""One number taken apart, proved against the engine: the ledger as facts and as a document."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from math import isfinite
from typing import Any

import numpy as np

from convscope.engine.images import as_taken
from convscope.equations.layout import WORDS, Layout
from convscope.equations.ordering import any_is_taken
from convscope.errors import NotBuiltError, UnsupportedError
from convscope.explain.ledger_parts import ledger_parts
from convscope.explain.words import (
    article,
    exact,
    grouped,
    join,
    scientific,
    times,
)
from convscope.model.graph import Graph, Node, tensor_names
from convscope.model.naming import called
from convscope.notation import Equation, Size
from convscope.notation.cone import Cone, Link, cone
from convscope.notation.index import Range
from convscope.notation.ledger import Ledger, ledger
from convscope.notation.sizes import is_known, is_symbolic, shape_text, show, surely_less
from convscope.parts import (
    Document,
    Formula,
    Heading,
    Paragraph,
    Part,
    Span,
)
from convscope.typed import Array, cached_property


@dataclass(frozen=True)
class Trace:
    """The ledger of one number, and what the engine made of it.

    engine_value   what the engine computed; None when the network was not run
    engine         what that engine is called
    cone           by the cone: how many numbers were computed, and the patch of the image
    doubtful       whether an infinity or NaN among the layer's inputs may reach the number in an engine
    taken          the layers before it that have no equation, each with who computed their numbers
    """

    graph: Graph = field(repr=False, compare=False)
    node: Node = field(repr=False)
    ledger: Ledger
    engine_value: float | None
    cone: Cone | None = None
    image: str = ""
    engine: str = ""
    doubtful: bool = False
    taken: Mapping[str, str] = field(default_factory=dict)

    @property
    def layer(self) -> str:
        """What the layer is called."""
        return self.node.name

    @property
    def kind(self) -> str:
        """The layer's kind."""
        return self.node.layer.kind

    @property
    def activation(self) -> str:
        """What the layer calls its activation."""
        found = getattr(self.node.layer, "activation", None)
        return self.kind.lower() if found is None else str(found.name)

    @cached_property
    def patch(self) -> tuple[Range | None, ...]:
        """What of the image it sees: the first and the last position along each axis, the padding included.

        None along an axis where that is not known; () where there is no one image, or the layer is no longer there.
        Looked up when it is asked for.
        """
        if self.graph.nodes.get(self.layer) is not self.node:
            return ()
        found = self.graph.patch(self.layer, self.position)
        return found if len(found) == len(self.image_size) else ()

    @property
    def image_size(self) -> tuple[Size, ...]:
        """The image's size, where there is one image."""
        if len(self.graph.inputs) != 1:
            return ()
        (shape,) = self.graph.inputs.values()
        return Layout(self.graph.image_layout == "channels_last").split(shape)[0]

    @property
    def value(self) -> float:
        """The number, in float64 arithmetic on the engine's weights and activations."""
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
        """Whether the engine is as near as the rounding of its numbers allows; None: that cannot be judged.

        Two that are not finite in the same way (both NaN, the same infinity) agree. Nothing is judged
        when the engine was not asked, when a float32 may overflow on the way, or when engines differ in
        what they make of an infinity or NaN that was read.
        """
        if self.engine_value is None or self.difference is None:
            return None
        if np.array_equal(self.value, self.engine_value, equal_nan=True):
            return True
        if not np.isfinite(self.ledger.rounding):
            return None
        if np.isfinite(self.value) and np.isfinite(self.engine_value):
            return bool(abs(self.difference) <= self.ledger.rounding)
        return None if self.doubtful else False

    def document(self) -> Document:
        """Return the ledger as parts; long ones abbreviated so that what is shown still adds up."""
        return Document(tuple(self._parts()))

    def _parts(self) -> list[Part]:
        led = self.ledger
        where = ", ".join(map(str, led.position))
        parts: list[Part] = [
            Heading(f"One number of {called(self.layer)} ({self.kind}) at ({where})"),
            Formula(str(led.equation), led.equation.latex()),
        ]
        parts += ledger_parts(led)
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
        if seen := self._seen():
            parts.append(Paragraph(seen))
        parts.append(self._verdict())
        if self.taken:
            by = " and ".join(dict.fromkeys(self.taken.values()))
            names = join(list(self.taken))
            have, their = ("has", "its") if len(self.taken) == 1 else ("have", "their")
            parts.append(
                Paragraph(
                    f"{names} before it {have} no equation here: {their} numbers are those that {by} computed."
                )
            )
        return parts

    def _seen(self) -> str:
        """Say which part of the image the number depends on; nothing where that is not known."""
        known = [window for window in self.patch if window is not None]
        if not known or len(known) != len(self.patch) or len(known) not in WORDS:
            return ""
        sizes = self.image_size
        if all(
            low <= 0 and is_known(s) and high >= s - 1
            for (low, high), s in zip(known, sizes, strict=True)
        ):
            return "It sees the whole image."
        said = [
            f"{word} {show(low)}" if low == high else f"{word}s {show(low)} … {show(high)}"
            for word, (low, high) in zip(WORDS[len(known)], known, strict=True)
        ]
        beyond = any(
            low < 0 or surely_less(s - 1, high) for (low, high), s in zip(known, sizes, strict=True)
        )
        padding = ", which reach into the padding" if beyond else ""
        return f"Of the image it sees {join(said)}{padding}."

    def _verdict(self) -> Paragraph:
        led = self.ledger
        if self.engine_value is None or self.difference is None:
            words: list[str | Span] = ["The value is ", Span(exact(led.value), "strong")]
            if self.cone is not None and self.image:
                patch = times(high - low + 1 for low, high in self.cone.boxes[self.image])
                words.append(
                    f", computed from {article(patch)} {patch} patch of {self.image} and {grouped(self.cone.numbers)} "
                    f"numbers on the way; the network was not run."
                )
            return Paragraph(words)
        told = f": {self.engine} computed {exact(self.engine_value)}, the ledger says {exact(led.value)}. "
        if np.isnan(led.value) and self.agrees:
            why = (
                "That proves little: whatever meets a NaN becomes one. The layer where the first one "
                "arises is worth a look."
            )
            return Paragraph([Span("Both are NaN", "strong"), told, why])
        if self.agrees is None:
            if self.doubtful:
                why = (
                    "There is an infinity or NaN among the layer's inputs, and engines differ in what "
                    "they make of one that counts with weight 0, in a maximum or in an order."
                )
            elif any_is_taken(led.equation):
                why = "Several numbers are equal there, and engines may say of any of them where it was."
            else:
                why = (
                    "A float32 may pass its largest number, 3.4·10³⁸, on the way, or divide by one that is "
                    "too small for it."
                )
            return Paragraph([Span("This cannot be judged", "strong"), told, why])
        if not np.isfinite([led.value, self.engine_value]).all():
            same = (
                Span("The engine agrees", "good")
                if self.agrees
                else Span("The engine does not agree", "bad")
            )
            return Paragraph([same, told, "Numbers that are not finite cannot be subtracted."])
        room = scientific(led.rounding)
        if self.agrees:
            judged = Span("The engine agrees", "good")
            tail = f"; {led.dtype} rounding allows {room}."
        else:
            judged = Span("The engine does not agree", "bad")
            tail = f", and {led.dtype} rounding explains only {room}."
        return Paragraph(
            [
                judged,
                told,
                f"Difference {scientific(self.difference)}{tail}",
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
            "patch": [None if window is None else list(window) for window in self.patch],
            "readings": [
                {"name": r.name, "index": list(r.index), "value": r.value} for r in led.readings
            ],
            "groups": [],
        }
        if self.taken:
            found["taken"] = dict(self.taken)
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


def trace(
    graph: Graph,
    activations: Mapping[str, Array],
    layer: str,
    position: Sequence[int],
    engine: str,
    taken: Mapping[str, str] | None = None,
) -> Trace:
    """Return the ledger of one number of a run, with the value of the engine of this name.

    taken   the layers before it that have no equation, each with who computed their numbers

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
    found = _ledger(node, equation, position, values)
    value = float(activations[node.name][tuple(position)])
    apart = isfinite(found.value) != isfinite(value) or not isfinite(found.rounding)
    odd = not all(np.isfinite(activations[name]).all() for name in node.inputs)
    return Trace(
        graph, node, found, value, engine=engine, doubtful=apart and odd, taken=taken or {}
    )


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
        if any(map(is_symbolic, equation.shape)):
            raise NotBuiltError(
                f"the output of {name} has the symbolic shape {shape_text(equation.shape)}: "
                f"numbers can be computed only when every size is a number"
            )
        feeds = dict(zip(tensor_names(len(other.inputs)), other.inputs, strict=True))
        links[name] = Link(equation, feeds, other.layer.weights)

    def taken(name: str, patch: Array) -> Array:
        return as_taken(patch, graph.takes.get(name, "float32"), name)

    seen = cone(links, node.name, position, images, taken)
    found = _ledger(node, links[node.name].equation, position, seen.values)
    image = next((name for name in images if name in seen.boxes), "")
    return Trace(graph, node, found, None, seen, image)


def _ledger(
    node: Node, equation: Equation, position: Sequence[int], values: Mapping[str, Any]
) -> Ledger:
    try:
        return ledger(equation, position, values, node.layer.dtype, node.layer.narrows)
    except MemoryError as error:
        where = ", ".join(map(str, position))
        raise UnsupportedError(
            f"there is no memory for all that the number of {node.name} at ({where}) is made of"
        ) from error
