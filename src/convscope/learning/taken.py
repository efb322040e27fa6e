"""A step of training taken apart: why a weight moved by as much as it did.

conv2d_1.kernel(1, 2, 0, 11) moved by −0.0031: −0.01 · gradient, and the gradient is 18,432 products
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from convscope.equations.penalties import WEIGHT, penalty
from convscope.errors import LayerLookupError, PositionError
from convscope.explain.corners import corners
from convscope.explain.derivative import SHOWN, Term, Terms, terms_of
from convscope.explain.words import adding_up_shown, exact, grouped
from convscope.layers.base import tensor_names
from convscope.learning.optimizers import Move
from convscope.model.positions import position_of
from convscope.notation.adjoint import OUTPUT, adjoint
from convscope.notation.evaluation import evaluate
from convscope.notation.ledger import ledger
from convscope.parts import Column, Document, Formula, Heading, Paragraph, Part, Span, Table
from convscope.typed import Array

if TYPE_CHECKING:
    from convscope.learning.trainer import Trainer
    from convscope.notation import Equation


@dataclass(frozen=True)
class Image(Terms):
    """What one image of the batch adds to a gradient.

    number   its place in the batch
    terms    its products; the largest first
    """

    number: int
    terms: tuple[Term, ...]


@dataclass(frozen=True)
class Movement:
    """Why one number of a weight moved in one step.

    before, after     what it was, and what it became, as the engine has it (float32)
    value             by how much it moves, in float64 arithmetic on the float32 numbers that the step had
    gradient          the derivative of the loss: what the images add, and what the penalty adds
    engine_gradient   the same as the engine computed it; `rounding` is how far float32 may be off
    images            what each image adds
    lines             how the optimizer makes the movement of the gradient; the last is the movement
    constraint        what may have put the weight back afterwards, if anything may
    """

    step: int
    what: str
    position: tuple[int, ...]
    optimizer: str
    before: float
    after: float
    value: float
    gradient: float
    engine_gradient: float
    rounding: float
    penalty: float
    equations: tuple[tuple[str, Equation], ...]
    images: tuple[Image, ...]
    lines: tuple[Move, ...]
    constraint: str | None = None

    @property
    def moved(self) -> float:
        """By how much the engine moved it."""
        return self.after - self.before

    @property
    def terms(self) -> int:
        """How many products the gradient is made of."""
        return sum(len(image.terms) for image in self.images)

    @property
    def silent(self) -> str | None:
        """Why no image adds anything, if none does."""
        terms = [term for image in self.images for term in image.terms]
        if not terms or any(term.value for term in terms):
            return None
        said = f"{'All' if len(terms) > 1 else 'The'} {grouped(len(terms))} products are 0"

        def always(gradient: bool) -> bool:
            return all(
                any(f.value == 0 and (f.role == "gradient") == gradient for f in term.factors)
                for term in terms
            )

        if always(True):
            return (
                f"{said}: what came out where the weight was used had no part in the loss "
                "(relu gave 0, or another number was the maximum)."
            )
        if always(False):
            return f"{said}: every number that the weight met is 0."
        return f"{said}: the weight met a 0, or what came out there had no part in the loss."

    def of_image(self, number: int) -> ImageProducts:
        """Return what one image of the batch adds, product by product; raises `PositionError` for none."""
        image = next((one for one in self.images if one.number == number), None)
        if image is None:
            raise PositionError(
                f"the batch has images {self.images[0].number} … {self.images[-1].number}, not {number}"
                if self.images
                else "no image of the batch used this weight"
            )
        return ImageProducts(self, image)

    @property
    def agrees(self) -> bool:
        """Whether the engine's gradient is as near as float32 allows."""
        return bool(abs(self.gradient - self.engine_gradient) <= self.rounding)

    def document(self) -> Document:
        """Return it as parts, in tables that add up as they are shown."""
        where = ", ".join(map(str, self.position))
        products = "product" if self.terms == 1 else "products"
        parts: list[Part] = [
            Heading(f"Step {grouped(self.step)}: {self.what}({where})"),
            Paragraph(
                [
                    "It moved by ",
                    Span(exact(self.moved), "strong"),
                    f", from {exact(self.before)} to {exact(self.after)}: {self.optimizer}, and a gradient of "
                    f"{grouped(self.terms)} {products}"
                    + (" and a penalty." if self.penalty else "."),
                ]
            ),
        ]
        for layer, equation in self.equations:
            parts += [
                Paragraph(f"The gradient, led back through {layer}:"),
                Formula(str(equation), equation.latex()),
            ]
        parts += [Paragraph(one) for one in corners([e for _, e in self.equations])]
        if self.silent:
            parts.append(Paragraph(self.silent))
        parts += [self._images(), self._moves()]
        room = f"; float32 rounding allows {self.rounding:.3g}"
        far = abs(self.gradient - self.engine_gradient)
        parts.append(
            Paragraph(
                f"The engine's gradient is {exact(self.engine_gradient)}, which differs by {far:.3g}{room}."
            )
        )
        if not self.constraint and self.moved != self.value:
            parts.append(
                Paragraph(
                    f"In float32 all of this is rounded, last the weight itself: it moved by {exact(self.moved)}, "
                    f"{abs(self.moved - self.value):.3g} off."
                )
            )
        if self.constraint:
            parts.append(
                Paragraph(f"Afterwards {self.constraint} put the whole weight where it may be.")
            )
        return Document(tuple(parts))

    def _images(self) -> Table:
        order = sorted(self.images, key=lambda image: -abs(image.partial_sum))
        shown = order[: SHOWN - 1] if len(order) > SHOWN else order
        values = [image.partial_sum for image in shown]
        names = [
            f"image {image.number}: {grouped(len(image.terms))} "
            f"{'product' if len(image.terms) == 1 else 'products'}"
            for image in shown
        ]
        if self.silent:
            values, names = [0.0], [f"{grouped(len(order))} images: {grouped(self.terms)} products"]
        elif len(shown) < len(order):
            values.append(sum(image.partial_sum for image in order[len(shown) :]))
            names.append(f"the other {grouped(len(order) - len(shown))} images")
        if self.penalty:
            values.append(self.penalty)
            names.append("the penalty for its size")
        texts, total = adding_up_shown(values, self.gradient)
        return Table(
            (Column("from"), Column("adds", "right")),
            tuple(zip(names, texts, strict=True)),
            (("gradient", Span(total, "strong")),),
        )

    def _moves(self) -> Table:
        rows = tuple((line.name, line.formula, exact(line.value)) for line in self.lines[:-1])
        last = self.lines[-1]
        return Table(
            (Column("then"), Column("is"), Column("value", "right")),
            (("gradient", "", exact(self.gradient)), *rows),
            ((last.name, last.formula, Span(exact(last.value), "strong")),),
            caption=f"How {self.optimizer} makes a movement of it.",
        )

    def to_dict(self) -> dict[str, Any]:
        """Return it as plain data, nothing abbreviated."""
        return {
            "step": self.step,
            "of": self.what,
            "position": list(self.position),
            "optimizer": self.optimizer,
            "before": self.before,
            "after": self.after,
            "moved": self.moved,
            "value": self.value,
            "gradient": self.gradient,
            "engine_gradient": self.engine_gradient,
            "difference": self.engine_gradient - self.gradient,
            "rounding": self.rounding,
            "penalty": self.penalty,
            "constraint": self.constraint,
            "equation": [str(e) for _, e in self.equations],
            "corners": corners([e for _, e in self.equations]),
            "terms": self.terms,
            "silent": self.silent,
            "images": [
                {
                    "image": image.number,
                    "partial_sum": image.partial_sum,
                    "terms": [term.to_dict() for term in image.terms],
                }
                for image in self.images
            ],
            "lines": [{"name": m.name, "formula": m.formula, "value": m.value} for m in self.lines],
        }


@dataclass(frozen=True)
class ImageProducts:
    """What one image of a batch adds to a gradient, product by product."""

    movement: Movement
    image: Image

    @property
    def ways(self) -> list[str]:
        """How the factors of the largest product are followed: options of `convscope film`."""
        found = []
        for factor in self.image.terms[0].factors if self.image.terms else ():
            name = factor.what.removeprefix("∂/∂ ").split(" (")[0]
            place = ",".join(map(str, factor.index[1:]))
            if factor.role == "gradient":
                found.append(
                    f"What it does to the loss, further back: --slope {name}:{place} in the place of --of."
                )
            elif factor.role == "input":
                found.append(
                    f"The number that it met: --number {name}:{place} in the place of --of."
                )
        return found

    def document(self) -> Document:
        """Return the largest products, and the rest as one row; they add up as they are shown."""
        terms, move = self.image.terms, self.movement
        shown = terms[: SHOWN - 1] if len(terms) > SHOWN else terms
        values = [term.value for term in shown]
        names = [" · ".join(map(str, term.factors)) for term in shown]
        if len(shown) < len(terms):
            values.append(float(sum(term.value for term in terms[len(shown) :])))
            names.append(f"the other {grouped(len(terms) - len(shown))}")
        texts, total = adding_up_shown(values, self.image.partial_sum)
        where = ", ".join(map(str, move.position))
        return Document(
            (
                Heading(
                    f"Step {grouped(move.step)}: what image {self.image.number} adds to the gradient of "
                    f"{move.what}({where})"
                ),
                Table(
                    (Column("product"), Column("adds", "right")),
                    tuple(zip(names, texts, strict=True)),
                    (("together", Span(total, "strong")),),
                    caption=f"{grouped(len(terms))} products, the largest first; the first index is the image's.",
                ),
                *(Paragraph(way) for way in self.ways),
            )
        )

    def to_dict(self) -> dict[str, Any]:
        """Return it as plain data, nothing abbreviated."""
        return {
            "step": self.movement.step,
            "of": self.movement.what,
            "position": list(self.movement.position),
            "image": self.image.number,
            "partial_sum": self.image.partial_sum,
            "terms": [term.to_dict() for term in self.image.terms],
        }


class Taken:
    """One step as it was made: enough to make it again, and to take any of it apart.

    number   which step it was, counted from 1
    loss     the loss of its batch, before it
    given    what the step was given: images, targets, shares, weights before, what was drawn
    after    the weights after it
    """

    def __init__(
        self,
        trainer: Trainer,
        given: Mapping[str, Array],
        found: Mapping[str, Array],
        loss: float,
        number: int | None = None,
        slots: Mapping[str, Mapping[str, Array]] | None = None,
    ) -> None:
        self.trainer, self.loss = trainer, loss
        optimizer = trainer.optimizer
        self.number = optimizer.iterations + 1 if number is None else number
        self.learning_rate = optimizer.learning_rate
        self.given = {name: np.array(array) for name, array in given.items()}
        self.gradients = {k[1:]: np.array(found[k]) for k in found if k.startswith("∂")}
        held = optimizer.slots if slots is None else slots
        self.slots = {k: {n: np.array(a) for n, a in s.items()} for k, s in held.items()}
        self.after: dict[str, Array] = {}

    @property
    def rows(self) -> int:
        """How many images the batch had."""
        return len(next(iter(self.given[name] for name in self.trainer.graph.inputs)))

    def gradient(self, what: str) -> Array:
        """Return the gradient of a weight, "conv2d.kernel", as the engine computed it."""
        return self.gradients[self._named(what)]

    def update(self, what: str) -> Array:
        """Return by how much each number of a weight moved."""
        name = self._named(what)
        found: Array = self.after[name] - self.given[name]
        return found

    def _named(self, what: str) -> str:
        if what not in self.gradients:
            raise LayerLookupError(
                f"no weight {what} was moved by a gradient; there are {', '.join(self.gradients)}"
            )
        return what

    def at(self, what: str, position: Sequence[int]) -> Movement:
        """Return why one number of a weight moved; negative indices count from the end.

        Raises `LayerLookupError` for a weight that no gradient moves, `PositionError` for a position that
        there is not.
        """
        name = self._named(what)
        where = position_of(position, self.given[name].shape, what)
        owner, _, weight = name.rpartition(".")
        trainer, graph = self.trainer, self.trainer.graph
        layer = trainer.layers[owner]
        nodes = [n for n in graph.nodes.values() if n.layer is layer]
        feeds = [f for n in nodes for f in n.inputs]
        step = trainer.step(
            self.rows,
            True,
            keep=[f for f in feeds if f in graph.nodes],
            led=[n.name for n in nodes],
        )
        found = step.run(self.given)
        terms: list[Term] = []
        equations, total, room = [], 0.0, 0.0
        for node in nodes:
            if f"∂{node.name}" not in found:
                continue
            equation = adjoint(step.learning[node.name].equation).get(weight)
            if equation is None:
                continue
            values: dict[str, Any] = {
                w: self.given[f"{owner}.{w}"] for w in layer.weight_shapes or {}
            }
            for tensor, feed in zip(tensor_names(len(node.inputs)), node.inputs, strict=True):
                values[tensor] = found[feed] if feed in found else self.given[feed]
            for noise in step.learning[node.name].noise:
                values[noise] = self.given[f"{node.name}/{noise}"]
            values[OUTPUT] = found[f"∂{node.name}"]
            one = ledger(equation, where, values)
            total, room = total + one.value, room + one.rounding
            equations.append((node.name, equation))
            terms += terms_of(equation, where, values, node)
        cost = self._penalty(owner, weight, where)
        gradient = total + cost
        room += abs(gradient) * 2.0**-23
        before = float(self.given[name][where])
        called, lines = self._lines(name, where, before, gradient)
        bound = trainer.constraints.get(name)
        return Movement(
            self.number, what, where, called, before, float(self.after[name][where]),
            lines[-1].value, gradient, float(found[f"∂{name}"][where]), room, cost,
            tuple(equations), _by_image(terms, self.rows), tuple(lines),
            None if bound is None else repr(bound),
        )  # fmt: skip

    def shortly(self, what: str, where: tuple[int, ...], shares: Array) -> dict[str, Any]:
        """Return why a number moved as plain data, with what each image adds as the engine computed it.

        shares   one number an image: their sum is the gradient but for the penalty
        """
        name = self._named(what)
        owner, _, weight = name.rpartition(".")
        cost = self._penalty(owner, weight, where)
        values = [float(v) for v in shares]
        gradient = sum(values) + cost
        before = float(self.given[name][where])
        called, lines = self._lines(name, where, before, gradient)
        learning = self.trainer.step(self.rows, True).learning
        graph = self.trainer.graph
        equations = [
            adjoint(learning[n.name].equation).get(weight)
            for n in graph.nodes.values()
            if n.layer is self.trainer.layers[owner]
        ]
        bound = self.trainer.constraints.get(name)
        return {
            "step": self.number, "of": what, "position": list(where), "optimizer": called,
            "before": before, "after": float(self.after[name][where]), "value": lines[-1].value,
            "gradient": gradient, "engine_gradient": float(self.gradients[name][where]),
            "rounding": None, "penalty": cost, "constraint": None if bound is None else repr(bound),
            "equation": [str(e) for e in equations if e is not None],
            "corners": corners([e for e in equations if e is not None]), "terms": None,
            "images": [{"image": n, "partial_sum": v, "terms": None} for n, v in enumerate(values)],
            "lines": [{"name": m.name, "formula": m.formula, "value": m.value} for m in lines],
        }  # fmt: skip

    def _lines(
        self, name: str, where: tuple[int, ...], before: float, gradient: float
    ) -> tuple[str, list[Move]]:
        """Return what the optimizer is, and how it makes a movement of a gradient."""
        optimizer = self.trainer.optimizer
        slots = {n: float(a[where]) for n, a in self.slots.get(name, {}).items()}
        slots = {n: slots.get(n, 0.0) for n in optimizer.kept}
        rate, optimizer.learning_rate = optimizer.learning_rate, self.learning_rate
        try:
            return f"{optimizer!r}", optimizer.taken(before, gradient, slots, self.number)
        finally:
            optimizer.learning_rate = rate

    def _penalty(self, owner: str, weight: str, where: tuple[int, ...]) -> float:
        """Return what the cost of a weight's size adds to a derivative."""
        found = self.trainer.penalties.get((owner, weight))
        if found is None:
            return 0.0
        array = self.given[f"{owner}.{weight}"]
        equation = adjoint(penalty(array.shape, *found))[WEIGHT]
        return evaluate(equation, where, {WEIGHT: array, OUTPUT: np.float64(1.0)})


def _by_image(terms: Sequence[Term], rows: int) -> tuple[Image, ...]:
    """Return terms by the image of the batch that they are of."""
    held: dict[int, list[Term]] = {row: [] for row in range(rows)}
    for term in terms:
        back = next((f for f in term.factors if f.role == "gradient"), None)
        held[back.index[0] if back is not None and back.index else 0].append(term)
    return tuple(
        Image(row, tuple(sorted(found, key=lambda term: -abs(term.value))))
        for row, found in held.items()
        if found
    )
