"""A layer explained from its equation: what goes in, what one filter is, what comes out, and why."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from convscope.errors import ShapeError
from convscope.explain.folding import folds
from convscope.explain.overview import FULL, overview
from convscope.explain.reading import MainSum, main_reduction, main_sum
from convscope.explain.selection import selected
from convscope.explain.summary import summarise
from convscope.explain.words import (
    article,
    dots,
    grouped,
    join,
    shape_in_words,
    sliced,
    times,
    worked,
)
from convscope.model.facts import Facts
from convscope.model.field import ReceptiveField
from convscope.model.graph import Graph
from convscope.model.naming import called
from convscope.notation import Equation, Size, macs, other_work
from convscope.notation.expression import Local, lengths
from convscope.notation.printing import latex, text
from convscope.notation.serial import to_json
from convscope.notation.sizes import (
    UNKNOWN,
    UNKNOWN_SHAPE,
    Shape,
    counted,
    from_plain,
    is_known,
    is_symbolic,
    plain,
    plural,
    product,
    show,
    tidy,
)
from convscope.parts import (
    Bullets,
    Document,
    Formula,
    Heading,
    Paragraph,
    Part,
    Sizes,
    Span,
    SummaryRow,
)


@dataclass(frozen=True)
class Larger:
    """The same layer on an image ten times as high and wide."""

    image: Shape
    before: Shape
    output_shape: Shape
    params: Size


@dataclass(frozen=True)
class LayerExplanation:
    """The facts about one layer, in its place in a network."""

    name: str
    kind: str
    facts: Facts
    feeds: tuple[str, ...]
    receptive_field: ReceptiveField | None
    larger: Larger | None
    why_not: str = ""
    fixed: tuple[str, ...] = ()
    """Weights that no gradient moves."""
    uncounted: tuple[str, ...] = ()
    """Weights that are no parameters: buffers, and what was computed or written out."""
    differs: str = ""
    """Where a framework computes something else, and whose fault that is."""
    nested: str = ""
    """How many layers it stands for, where it is a network that is not looked into."""

    @property
    def equation(self) -> Equation | None:
        """The layer's equation; None for an opaque layer."""
        return self.facts.equation

    @property
    def main(self) -> MainSum | None:
        """The sum of input × weight, where there is one."""
        return main_sum(self.equation) if self.equation else None

    @property
    def counted(self) -> dict[str, Shape]:
        """The weights that are parameters, and their shapes."""
        return {n: s for n, s in self.facts.weights.items() if n not in self.uncounted}

    def reasons(self) -> list[str]:
        """Return why each output axis has its size, in words."""
        if self.equation is None:
            return []
        kept = self.facts.output_shape in self.facts.input_shapes[:1] and self.main is None
        if kept and not self.equation.fits:
            return ["every axis: as long as the input's, one output for each of its numbers"]
        reasons = []
        sizes = self.equation.sizes
        for axis, fit in self.equation.fits.items():
            reasons.append(f"{plural(axis.word)}: {fit}, so {_many(sizes[axis], axis.word)}")
        for axis, size in sizes.items():
            if axis.why and axis.size is not None:
                reasons.append(f"{plural(axis.word)}: {axis.why}, so {_many(size, axis.word)}")
            elif axis.word == "filter":
                reasons.append(f"maps: {_many(size, 'filter')}, one map from each")
            elif axis.word == "unit":
                reasons.append(f"numbers: {_many(size, 'unit')}, one number from each")
        return reasons

    def parameters(self) -> list[str]:
        """Return where each weight's count comes from: "kernel: 3·3·32 = 288 a filter, × 64 …"."""
        lines = []
        main = self.main
        for name, shape in self.facts.weights.items():
            count = product(shape)
            whole = worked(shape, count)
            if name in self.uncounted:
                whole += " numbers" if is_symbolic(count) or count != 1 else " number"
                lines.append(f"{name} {shape_in_words(shape)}: {whole}, no parameters")
            elif main is not None and name == main.kernel.tensor.name and main.filter is not None:
                word = main.filter.word
                lines.append(
                    f"{name} {shape_in_words(shape)}: {worked(main.filter_shape, main.terms)} a {word}, "
                    f"× {_many(main.filter.size, word)} = {grouped(count)}"
                )
            elif name == "bias":
                lines.append(f"{name} {shape_in_words(shape)}: one for each, {whole}")
            else:
                lines.append(f"{name} {shape_in_words(shape)}: {whole}")
        return lines

    def document(self) -> Document:
        """Return the explanation as parts."""
        return Document(tuple(self._parts()))

    def _parts(self) -> list[Part]:
        facts, equation = self.facts, self.equation
        shapes = " and ".join(shape_in_words(s) for s in facts.input_shapes)
        feeds = join([called(name) for name in self.feeds])
        parts: list[Part] = [
            Heading(f"{self.name} ({self.kind})"),
            Paragraph(
                [
                    Span(shapes, "strong"),
                    f" from {feeds}  →  ",
                    Span(shape_in_words(facts.output_shape), "strong"),
                ]
            ),
        ]
        if self.nested:
            work = "" if facts.macs is None else f", {grouped(facts.macs)} multiply–accumulates"
            text = (
                f"A network of {self.nested}, {grouped(facts.params)} parameters{work}. A larger --depth, or "
                f"--layers {self.name}, explains them."
            )
            return [*parts, Paragraph(text)]
        if equation is None:
            why = f" ({self.why_not})" if self.why_not else ""
            text = (
                f"This layer has no equation here{why}: it is named and counted, but not explained."
            )
            if facts.output_shape is UNKNOWN_SHAPE:
                text += (
                    " What shape it gives is written nowhere, so the shapes behind it are not known either; "
                    "a live model, opened in Python, can tell them."
                )
            parts.append(Paragraph(text))
            return parts
        parts += [Paragraph("What one output number is:"), Formula(str(equation), equation.latex())]
        main = self.main
        if main is not None:
            parts += self._filter(main)
        else:
            reduction = main_reduction(equation)
            if reduction is not None and self.facts.input_shapes:
                sizes = tuple(a.size for a in reduction.axes)
                few = lengths(reduction)
                across = _in_all(sizes)
                said = f"One output reads a window of {across} numbers."
                if few != sizes:
                    said = f"One output reads {_in_all(few)} of {across} numbers: which ones, other numbers say."
                parts.append(Paragraph(said))
        reasons = self.reasons()
        if reasons:
            parts += [
                Paragraph(["Output ", Span(shape_in_words(facts.output_shape), "strong"), ":"]),
                Bullets(tuple(reasons)),
            ]
        if self.differs:
            parts.append(Paragraph(self.differs))
        parts += self._counts()
        return parts

    def _filter(self, main: MainSum) -> list[Part]:
        """Say what one filter is, and answer the question that brought people here."""
        channel, filters = main.channel, main.filter
        shape, terms = main.filter_shape, main.terms
        if channel is None or filters is None:
            window = times(a.size for a in main.window)
            return [Paragraph(f"One output adds up {window} products, all from one input map.")]
        if not main.window:
            return [
                Paragraph(
                    f"One output adds up {grouped(terms)} products: every input times a weight of its own."
                )
            ]
        sizes = tuple(a.size for a in main.window)
        flat, piece = times(sizes), sliced(sizes)
        each = f"every one of the {_many(channel.size, 'input map')}"
        if main.groups > 1:
            each = (
                f"each of {grouped(channel.size)} of the {_many(main.maps, 'input map')}, which are in "
                f"{grouped(main.groups)} groups"
            )
        words: list[str | Span] = [
            (
                f"One filter is {times(shape)}, not {flat}: {article(piece)} {piece} for {each}. "
                f"One output multiplies {worked(shape, terms)} pairs and adds them "
            ),
            Span("all", "strong"),
            " up, so each filter makes one map.",
        ]
        parts: list[Part] = [Paragraph(words)]
        if is_known(channel.size) and channel.size == 1 and main.groups > 1:
            sentence = (
                f"Each input map is a group of its own: a filter is one {piece} over one of the "
                f"{_many(main.maps, 'map')}, and makes one map of it."
            )
            return [Paragraph(sentence)]
        if is_known(channel.size) and channel.size == 1:
            parts = [
                Paragraph(
                    f"One filter is {times(shape)}: the input has a single map, so here a filter is as "
                    f"flat as it looks. One output multiplies {grouped(terms)} pairs and adds them up."
                )
            ]
            return parts
        maps, both = grouped(filters.size), (channel.size, filters.size)
        parts += [
            Paragraph(
                [
                    Span(
                        f"Why {maps} maps, and not {worked(both, product(both))}? ",
                        "strong",
                    ),
                    (
                        f"Because the sum runs over the {grouped(channel.size)} "
                        f"{'input maps' if main.groups == 1 else 'maps of a group'} too (the "
                        f"{channel.name} under the Σ): the {grouped(channel.size)} partial results of a filter "
                        f"are not kept, they are added into one number. {maps} filters, {maps} sums, {maps} maps."
                    ),
                ]
            )
        ]
        return parts

    def _counts(self) -> list[Part]:
        facts, equation = self.facts, self.equation
        assert equation is not None
        items: list[str] = []
        lines = self.parameters()
        if lines:
            counts = " + ".join(map(_plain_or_dots, self.counted.values()))
            total = f" = {grouped(facts.params)}" if not is_symbolic(facts.params) else ""
            if len(self.counted) > 1:
                items.append(f"{counts}{total} parameters")
            fixed = tidy(facts.params - facts.trainable)
            if fixed is not UNKNOWN and not (is_known(fixed) and fixed == 0):
                items.append(f"{grouped(fixed)} of them are not trained by gradient")
            if self.larger is not None and self.counted:
                items.append(self._size_of_image(self.larger))
        parts: list[Part] = []
        if lines:
            title = "Parameters:" if self.counted else "Weights:"
            parts += [Paragraph(title), Bullets((*lines, *items))]
        work: list[str] = []
        main = self.main
        if facts.macs is not None and not (is_known(facts.macs) and facts.macs == 0):
            per = (
                f"{grouped(main.terms)} products × {dots(facts.output_shape)} outputs = "
                if main and _dense_count(facts, main)
                else ""
            )
            work.append(f"multiply–accumulates: {per}{grouped(facts.macs)}")
        others = other_work(equation)
        if others:
            shown = ", ".join(f"{name} {grouped(n)}" for name, n in others.items())
            work.append(f"other operations: {shown}")
        if self.receptive_field is not None and self.receptive_field.size:
            field = self.receptive_field
            if None not in field.size:
                most = "" if field.alike else "up to "
                text = f"one output sees {most}{times(field.size)} of the image"
                if None not in field.stride:
                    text += f", in steps of {times(field.stride)}"
                    text += "" if field.alike else " on average"
                if None not in field.start:
                    starts = ", ".join(map(show, field.start))
                    starts = f"({starts})" if len(field.start) > 1 else starts
                    text += f"; output 0 starts at {starts}"
                work.append(text)
        if work:
            parts += [Paragraph("Work and reach:"), Bullets(tuple(work))]
        return parts + self._learning()

    @cached_property
    def gradients(self) -> dict[str, Equation]:
        """The gradient of each weight that is trained, and of each input, of a layer with weights."""
        if self.equation is None or not self.facts.weights:
            return {}
        from convscope.notation.adjoint import adjoint

        still = set(self.fixed)
        found = adjoint(self.equation)
        order = dict.fromkeys([*(n for n in self.facts.weights if n in found), *found])
        return {name: found[name] for name in order if name not in still}

    def _learning(self) -> list[Part]:
        """Say how the layer's weights learn: from which products each derivative is added up."""
        weights = [name for name in self.gradients if name in self.facts.weights]
        if not weights:
            return []
        parts: list[Part] = [
            Paragraph(
                "How its weights learn: dout is what a change of each output does to the loss; what a "
                "change of a weight does is added up over all outputs that it took part in:"
            )
        ]
        held: dict[Local, None] = {}
        for name in weights:
            gradient = self.gradients[name]
            held.update(dict.fromkeys(reversed(gradient.locals)))
            parts.append(Formula(text(gradient, alone=True), latex(gradient, alone=True)))
        if held:  # what they share, once
            parts.append(Paragraph("with"))
            for item in held:
                one = Equation(item.axes, item.expression, item.name)
                parts.append(Formula(text(one, alone=True), latex(one, alone=True)))
        lines = []
        for name, gradient in self.gradients.items():
            count = macs(gradient)
            if not (is_known(count) and count == 0):
                what = name if name in self.facts.weights else "its input"
                lines.append(f"multiply–accumulates for the gradient of {what}: {grouped(count)}")
        if any("relu′" in str(gradient) for gradient in self.gradients.values()):
            lines.append("relu′ is 1 above 0 and 0 elsewhere, at 0 itself too")
        if lines:
            parts.append(Bullets(tuple(lines)))
        return parts

    def _size_of_image(self, larger: Larger) -> str:
        """Say whether the parameters depend on the image's size, by trying a larger one."""
        image, before = times(larger.image), times(larger.before)
        output, params = times(larger.output_shape), grouped(larger.params)
        if larger.params == self.facts.params:
            return (
                f"the image's size is not in that count: {image} instead of {before} would make the "
                f"output {output}, with the same {params} parameters"
            )
        return (
            f"the image's size is in that count: {image} instead of {before} would need {params} "
            f"parameters here"
        )

    def to_dict(self) -> dict[str, Any]:
        """Return the facts as plain data."""
        facts, equation, main = self.facts, self.equation, self.main
        field = None if self.receptive_field is None else self.receptive_field.plain()
        return {
            "layer": self.name,
            "kind": self.kind,
            "inputs": list(self.feeds),
            "input_shapes": [_sizes(s) for s in facts.input_shapes],
            "output_shape": _sizes(facts.output_shape),
            "equation": None
            if equation is None
            else {"text": str(equation), "latex": equation.latex(), "json": to_json(equation)},
            "reasons": self.reasons(),
            **({"differs": self.differs} if self.differs else {}),
            "filter_shape": None if main is None else _sizes(main.filter_shape),
            "weights": {name: _sizes(shape) for name, shape in facts.weights.items()},
            "params": plain(facts.params),
            "trainable": plain(facts.trainable),
            "parameters": self.parameters(),
            "larger_image": None
            if self.larger is None
            else {
                "image_shape": _sizes(self.larger.image),
                "output_shape": _sizes(self.larger.output_shape),
                "params": plain(self.larger.params),
            },
            "macs": None if facts.macs is None else plain(facts.macs),
            "other_work": {}
            if equation is None
            else {name: plain(n) for name, n in other_work(equation).items()},
            "gradients": {
                name: {"text": str(e), "latex": e.latex(), "macs": plain(macs(e))}
                for name, e in self.gradients.items()
            },
            "receptive_field": None
            if field is None
            else {
                "size": list(field.size),
                "stride": list(field.stride),
                "start": list(field.start),
            },
        }


@dataclass(frozen=True)
class Explanation:
    """The explanations of one or more layers."""

    name: str
    layers: tuple[LayerExplanation, ...]
    whole: bool = False

    def document(self) -> Document:
        """Return all explanations as one document; a whole network of many layers on a page."""
        if self.whole and len(self.layers) > FULL:
            return overview(self.name, self.layers)
        parts: list[Part] = []
        if len(self.layers) != 1:
            parts.append(Heading(self.name, 1))
        for layer in self.layers:
            parts += layer.document().parts
        return Document(tuple(parts))

    def to_dict(self) -> dict[str, Any]:
        """Return one layer's facts, or {"name", "layers": […]} for several."""
        if len(self.layers) == 1:
            return self.layers[0].to_dict()
        return {"name": self.name, "layers": [layer.to_dict() for layer in self.layers]}


def explain(
    graph: Graph,
    layer: str | None = None,
    layers: str | Sequence[Any] | None = None,
    depth: int | None = None,
) -> Explanation:
    """Return the explanation of one layer, of those from one to another, or of every layer.

    layer   a nested network's name, too: it is counted as a whole
    depth   how deeply nested networks are explained; deeper ones are counted as a whole

    Raises `LayerLookupError` for a layer that there is not, `SettingError` for a depth or a range that
    cannot be.
    """
    larger = _larger(graph)
    if layer is not None:
        if graph.nests(layer):
            steps = layer.strip(graph.separator).count(graph.separator) + 1
            for row in summarise(graph, steps).rows:
                if row.name == layer and row.inside is not None:
                    return Explanation(graph.name, (_network(row),))
        return Explanation(graph.name, (_layer(graph, larger, graph.node(layer).name),))
    rows = folds(graph, depth)
    first, last = selected(graph.name, rows, layers)
    whole = {row.name: row for row in (summarise(graph, depth).rows if depth is not None else ())}
    found = tuple(
        _layer(graph, larger, row.name) if row.kind is None else _network(whole[row.name])
        for row in rows[first - 1 : last]
    )
    return Explanation(graph.name, found, layers is None)


def _network(row: SummaryRow) -> LayerExplanation:
    """Return what is said of a nested network as a whole."""
    assert row.inside is not None
    many = row.inside.layers
    macs = None if row.macs is None else from_plain(row.macs)
    facts = Facts(
        None,
        tuple(_own(shape) for shape in row.input_shapes),
        _own(row.output_shape),
        {name: tuple(map(from_plain, shape)) for name, shape in row.weights.items()},
        from_plain(row.params),
        from_plain(row.trainable),
        macs,
    )
    layers = f"{many:,} layers" if many != 1 else "1 layer"
    return LayerExplanation(row.name, row.kind, facts, row.inputs, None, None, nested=layers)


def _own(shape: Sizes | None) -> Shape:
    """Return a shape of a row of a summary, without the batch."""
    return UNKNOWN_SHAPE if shape is None else tuple(map(from_plain, shape[1:]))


def _layer(graph: Graph, larger: Graph | None, name: str) -> LayerExplanation:
    node, facts = graph.nodes[name], graph.facts[name]
    grown = None
    other = None if larger is None else larger.facts[name]
    if larger is not None and facts.weights and other is not None and other.equation is not None:
        (image,), (before,) = larger.inputs.values(), graph.inputs.values()
        grown = Larger(image, before, other.output_shape, other.params)
    field = graph.receptive_field(name)
    layer = node.layer
    # where nobody says what was trained, nothing is said to stand still
    fixed = tuple(facts.weights) if layer.trainable is False else layer.non_trainable
    return LayerExplanation(
        name, node.layer.kind, facts, node.inputs, field, grown, node.layer.reason, fixed, layer.uncounted,
        "" if facts.equation is None else layer.differs(facts.equation),
    )  # fmt: skip


def _larger(graph: Graph) -> Graph | None:
    """Return the network on an image ten times the size; None where that cannot be asked."""
    if len(graph.inputs) != 1:
        return None
    ((name, shape),) = graph.inputs.items()
    if len(shape) < 2 or not all(map(is_known, shape)):
        return None
    channel = len(shape) - 1 if graph.image_layout == "channels_last" else 0
    grown = tuple(s if place == channel else s * 10 for place, s in enumerate(shape))
    try:
        return graph.at({name: grown})
    except ShapeError:
        return None


def _dense_count(facts: Facts, main: MainSum) -> bool:
    """Whether the MACs are simply terms × outputs (they are not for a transposed convolution)."""
    return bool(facts.macs == main.terms * product(facts.output_shape))


def _plain_or_dots(shape: Shape) -> str:
    """Return a weight's count: 18,432, or 9·k1 for a symbolic one."""
    count = product(shape)
    return grouped(count) if is_known(count) else show(count)


def _many(size: Size, word: str) -> str:
    return (
        counted(size, word).replace(str(size), grouped(size), 1)
        if is_known(size)
        else counted(size, word)
    )


def _sizes(shape: Shape) -> list[Any]:
    return [plain(s) for s in shape]


def _in_all(sizes: Sequence[Size]) -> str:
    """Return sizes and their product: 3×3 = 9."""
    across = f"{times(sizes)} = " if len(sizes) > 1 else ""
    return f"{across}{grouped(product(sizes))}"
