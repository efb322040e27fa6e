"""Layers that put several inputs together, number by number.

    out[y, x, k] = a[y, x, k] + b[y, x, k]

Where one input has size 1 along an axis and another has more, the one number serves all positions.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from functools import reduce

from convscope.equations.merging import aligned, broadcast
from convscope.layers.base import Form, Layer, Sample, Value, tensor_names
from convscope.notation import Equation, Expression, call, source
from convscope.notation.functions import MAXIMUM, MINIMUM
from convscope.notation.sizes import Shape
from convscope.typed import TYPE_CHECKING

if TYPE_CHECKING:
    from typing import ClassVar


class Merging(Layer):
    """What layers share that combine the numbers at the same position; inputs may broadcast."""

    inputs_taken: tuple[int, int | None] = (1, None)
    operator: ClassVar[str]

    def combined(self, values: Sequence[Expression]) -> Expression:
        """Return what becomes of the numbers at one position."""
        raise NotImplementedError

    def equation(self, *shapes: Shape) -> Equation:
        # the third input is called c, so that the channels need another name
        axes = self.layout.axes(broadcast(shapes, self.kind), "k")
        reads = [
            source(own, name)[aligned(own, axes)]
            for name, own in zip(tensor_names(len(shapes)), shapes, strict=True)
        ]
        return Equation(axes, self.combined(reads))

    def onnx(self, form: Form, *inputs: Value) -> Value:
        names, moved = lying_alike(form, inputs)
        ranks = [form.rank(x) for x in inputs]
        for n, rank in enumerate(ranks):
            missing = list(range(1, 1 + max(ranks) - rank))
            if missing:  # the axes that it lacks come after the batch
                names[n] = form.node("Unsqueeze", names[n], form.constant(missing, "int64"))
        return Value(self.emit(form, names), moved)

    def emit(self, form: Form, names: Sequence[str]) -> str:
        """Write the ONNX operators; return the output's name."""
        return reduce(lambda a, b: form.node(self.operator, a, b), names)


def lying_alike(form: Form, inputs: Sequence[Value]) -> tuple[list[str], bool]:
    """Return the names of values that all lie alike: as they are, if they do; else plainly."""
    ranks = {form.rank(x) for x in inputs}
    if all(x.moved for x in inputs) and len(ranks) == 1:
        return [x.name for x in inputs], True
    return [form.plain(x) for x in inputs], False


class Add(Merging):
    """The sum of the inputs at each position.

    >>> print(Add().equation((28, 28, 64), (28, 28, 64)))
    out[y, x, k] = a[y, x, k] + b[y, x, k]

    No settings, no weights. Raises `ShapeError` for shapes that do not fit together.
    """

    operator = "Add"

    def combined(self, values: Sequence[Expression]) -> Expression:
        return reduce(lambda a, b: a + b, values)

    @classmethod
    def samples(cls) -> Iterable[Sample]:
        yield Sample(cls(), ((3, 5, 4), (3, 5, 4)))
        yield Sample(cls(), ((3, 5, 4), (3, 1, 4), (1, 5, 4)))
        yield Sample(cls(), ((3, 5, 4), (5, 4)))


class Subtract(Merging):
    """The first input minus the second at each position.

    >>> print(Subtract().equation((28, 28, 64), (28, 28, 64)))
    out[y, x, k] = a[y, x, k] − b[y, x, k]

    No settings, no weights.
    """

    inputs_taken = (2, 2)
    operator = "Sub"

    def combined(self, values: Sequence[Expression]) -> Expression:
        return values[0] - values[1]

    @classmethod
    def samples(cls) -> Iterable[Sample]:
        yield Sample(cls(), ((3, 5, 4), (3, 5, 4)))


class Multiply(Merging):
    """The product of the inputs at each position.

    >>> print(Multiply().equation((28, 28, 64), (1, 1, 64)))
    out[y, x, k] = a[y, x, k] · b[0, 0, k]

    No settings, no weights. Raises `ShapeError` for shapes that do not fit together.
    """

    operator = "Mul"

    def combined(self, values: Sequence[Expression]) -> Expression:
        return reduce(lambda a, b: a * b, values)

    @classmethod
    def samples(cls) -> Iterable[Sample]:
        yield Sample(cls(), ((3, 5, 4), (3, 5, 4)))
        yield Sample(cls(), ((3, 5, 4), (1, 1, 4)))


class Average(Merging):
    """The mean of the inputs at each position.

    >>> print(Average().equation((28, 28, 64), (28, 28, 64)))
    out[y, x, k] = (a[y, x, k] + b[y, x, k]) / 2

    No settings, no weights.
    """

    operator = "Add"

    def combined(self, values: Sequence[Expression]) -> Expression:
        return reduce(lambda a, b: a + b, values) / len(values)

    def emit(self, form: Form, names: Sequence[str]) -> str:
        return form.node("Div", super().emit(form, names), form.constant(len(names)))

    @classmethod
    def samples(cls) -> Iterable[Sample]:
        yield Sample(cls(), ((3, 5, 4), (3, 5, 4), (3, 5, 4)))


class Maximum(Merging):
    """The largest of the inputs at each position.

    >>> print(Maximum().equation((28, 28, 64), (28, 28, 64)))
    out[y, x, k] = max(a[y, x, k], b[y, x, k])

    No settings, no weights.
    """

    operator = "Max"

    def combined(self, values: Sequence[Expression]) -> Expression:
        return reduce(lambda a, b: call(MAXIMUM, a, b), values)

    @classmethod
    def samples(cls) -> Iterable[Sample]:
        yield Sample(cls(), ((3, 5, 4), (3, 5, 4), (3, 5, 4)))


class Minimum(Merging):
    """The smallest of the inputs at each position.

    >>> print(Minimum().equation((28, 28, 64), (28, 28, 64)))
    out[y, x, k] = min(a[y, x, k], b[y, x, k])

    No settings, no weights.
    """

    operator = "Min"

    def combined(self, values: Sequence[Expression]) -> Expression:
        return reduce(lambda a, b: call(MINIMUM, a, b), values)

    @classmethod
    def samples(cls) -> Iterable[Sample]:
        yield Sample(cls(), ((3, 5, 4), (3, 5, 4)))
