"""One operation on tensors, as a network's code does between its layers: what keras.ops has and no layer is.

    out[y, x, c] = √in[y, x, c]          Operation("Sqrt")
    out[y, c] = Σ k<W  in[y, k, c]       Operation("Sum", {"axis": 2})

Names, settings and their meaning are those of Keras's operations, the batch counted as axis 0.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

from convscope.equations.stating import NoEquation
from convscope.errors import SettingError, ShapeError
from convscope.layers.base import Form, Layer, Sample, Value
from convscope.layers.operation_axes import ALONG
from convscope.layers.operation_call import INPUT, Called, StatedOperation, is_input
from convscope.layers.operation_numbers import NUMBERS
from convscope.layers.operation_places import PLACES
from convscope.notation import Equation
from convscope.notation.sizes import (
    Shape,
    shape_text,
)
from convscope.typed import TYPE_CHECKING

if TYPE_CHECKING:
    from typing import Any


class Operation(Layer):
    """One operation of keras.ops: on every number, along axes, or on where numbers lie.

    >>> print(Operation("Sum", {"axis": 2}).equation((5, 7, 3)))
    out[t, c] = Σ k<7  in[t, k, c]
    >>> print(Operation("Flip", {"axis": 1}).equation((5, 7, 3)))
    out[y, x, c] = in[−y + 4, x, c]
    >>> print(Operation("Power", {}, (2.0, INPUT)).equation((5,)))
    out[c] = pow(2, in[c])

    operation   what Keras calls its class: "Sum", "GetItem", "Where", …
    options     its settings, as Keras's config has them; axes count the batch as 0
    given       what it is called with, in order: INPUT for each tensor, else a number, a nested list of numbers, or
                the key of GetItem. The tensors alone by default
    output      which of several outputs it is (Split, Unstack)

    No weights. Raises `SettingError` for one that is not stated here, and `ShapeError` for inputs that do not fit.
    """

    inputs_taken: tuple[int, int | None] = (1, None)
    only_trained = ("operation", "options", "given", "output")  # code says it, which no form writes

    def __init__(
        self,
        operation: str,
        options: Mapping[str, Any] | None = None,
        given: Sequence[Any] | None = None,
        output: int = 0,
        **common: Any,
    ) -> None:
        if not isinstance(operation, str) or operation not in OPERATIONS:
            raise SettingError(f"the operation {operation!r:.40} has no equation here")
        self.operation = operation
        super().__init__(**common)
        if options is not None and not isinstance(options, Mapping):
            raise SettingError(
                f"{operation}: options must be settings by name, not {options!r:.80}"
            )
        self.options = dict(options or {})
        if type(output) is not int or output < 0:
            raise SettingError(f"{operation}: output must be a number from 0, not {output!r:.80}")
        self.output = output
        if given is not None and (isinstance(given, str) or not isinstance(given, Sequence)):
            raise SettingError(
                f"{operation}: given must list what it is called with, not {given!r:.80}"
            )
        self.given = None if given is None else tuple(given)
        if self.given is not None:
            count = sum(is_input(one) for one in self.given)
            if not count:
                raise SettingError(f"{operation}: it is given no tensor")
            self.inputs_taken = (count, count)

    @property
    def kind(self) -> str:
        """The operation's name, as Keras spells it."""
        return self.operation

    def equation(self, *shapes: Shape) -> Equation:
        try:
            return OPERATIONS[self.operation].state(Called(self, shapes))
        except NoEquation as error:
            raise SettingError(f"{self.operation}: {error}") from error
        except (TypeError, ValueError, KeyError, IndexError, AttributeError) as error:
            if isinstance(error, (SettingError, ShapeError)):
                raise
            raise SettingError(
                f"{self.operation}: its settings {self.options} make no sense for {', '.join(map(shape_text, shapes))}"
            ) from error

    def onnx(self, form: Form, *inputs: Value) -> Value:
        op = OPERATIONS[self.operation]
        alone = all(not isinstance(one, (list, tuple)) for one in self.given or ())
        if op.each and alone and len(inputs) == 1:  # as it lies
            (x,) = inputs
            found = op.write(Called(self, ((1,) * (form.rank(x) - 1),)), form, [x.name])
            return Value(found, x.moved)
        shapes = form.input_shapes()
        names = [form.plain(x) for x in inputs]
        return Value(op.write(Called(self, shapes), form, names))

    @classmethod
    def samples(cls) -> Iterable[Sample]:
        one, pair = ((3, 5, 4),), ((3, 5, 4), (3, 5, 4))
        for name in (
            "Negative",
            "Absolute",
            "Square",
            "Exp",
            "Sign",
            "Floor",
            "Sin",
            "Arctan",
            "LogicalNot",
        ):
            yield Sample(cls(name), one)
        yield Sample(cls("Clip", {"x_min": -0.5, "x_max": 0.25}), one)
        yield Sample(cls("LeakyRelu", {"negative_slope": 0.3}), one)
        yield Sample(cls("Gelu", {"approximate": True}), one)
        yield Sample(cls("Threshold", {"threshold": 0.1, "default_value": 0.7}), one)
        yield Sample(cls("Power", {}, (INPUT, 3)), one)
        yield Sample(cls("Power", {}, (2.0, INPUT)), one)
        yield Sample(cls("Divide", {}, (INPUT, INPUT)), pair)
        yield Sample(cls("Multiply", {}, (INPUT, [0.5, 2.0, -1.0, 3.0])), one)
        for name in ("Greater", "GreaterEqual", "Less", "LessEqual", "NotEqual"):
            yield Sample(cls(name), ((3, 5, 4), (5, 1)))
        yield Sample(cls("Where", {}, (INPUT, INPUT, 0.5)), pair)
        for name, axis in (
            ("Sum", 1),
            ("Mean", [1, -1]),
            ("Max", 3),
            ("Min", [2]),
            ("Logsumexp", 2),
        ):
            yield Sample(cls(name, {"axis": axis, "keepdims": name == "Max"}), one)
        yield Sample(cls("Var", {"axis": [1, 2], "keepdims": False}), one)
        yield Sample(cls("Std", {"axis": -1, "keepdims": True}), one)
        yield Sample(cls("Norm", {"ord": None, "axis": -1, "keepdims": False}), one)
        yield Sample(cls("Normalize", {"axis": 2, "order": 2, "epsilon": None}), one)
        every = slice(None)
        yield Sample(
            cls("GetItem", {}, (INPUT, (every, slice(1, None), slice(None, None, 2), 0))), one
        )
        yield Sample(cls("GetItem", {}, (INPUT, (..., None, slice(1, 3)))), one)
        yield Sample(cls("Flip", {"axis": 2}), one)
        yield Sample(cls("Roll", {"shift": 2, "axis": 1}), one)
        yield Sample(cls("Stack", {"axis": 1}), pair)
        yield Sample(cls("Split", {"indices_or_sections": 2, "axis": -1}, output=1), one)
        yield Sample(cls("Split", {"indices_or_sections": [1, 4], "axis": 2}, output=1), one)
        yield Sample(cls("Unstack", {"num": None, "axis": 2}, output=3), one)
        yield Sample(cls("ExpandDims", {"axis": -1}), one)
        yield Sample(cls("Squeeze", {"axis": 1}), ((1, 5, 4),))
        yield Sample(cls("Take", {"axis": 2}, (INPUT, [4, 0, 1])), one)
        yield Sample(cls("Repeat", {"repeats": 2, "axis": 1}), one)
        yield Sample(cls("Tile", {"repeats": [1, 2, 1, 3]}), one)
        pads = [[0, 0], [1, 2], [0, 1], [0, 0]]
        yield Sample(cls("Pad", {"pad_width": pads, "mode": "constant"}), one)
        yield Sample(cls("Pad", {"pad_width": pads, "mode": "reflect"}), one)
        yield Sample(
            cls("Pad", {"pad_width": pads, "mode": "constant", "constant_values": 2.0}), one
        )
        yield Sample(cls("Matmul"), ((3, 5, 4), (4, 2)))
        yield Sample(cls("Einsum", {"subscripts": "bhwc,bvc->bhwv"}), ((3, 5, 4), (2, 4)))


OPERATIONS: dict[str, StatedOperation] = {**NUMBERS, **ALONG, **PLACES}
"""Keras's classes of operations, and how each is stated."""
