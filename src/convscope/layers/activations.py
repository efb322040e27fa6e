"""Keras's activation functions: each a formula for the equation and an ONNX form for the engine.

The formulas are in `formulas`; here each gets its ONNX operators, and names are looked up.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

from convscope.equations import formulas
from convscope.errors import ActivationError, ShapeError, did_you_mean
from convscope.layers.base import Form, Value
from convscope.notation import Axis, Equation, Expression, Local, Size, call, local
from convscope.notation.functions import Function
from convscope.notation.sizes import is_known
from convscope.typed import TYPE_CHECKING, Record

if TYPE_CHECKING:
    from typing import Any

Over = Callable[[Local, tuple[Axis, ...], Sequence[int], Sequence[Size]], Expression]
Emit = Callable[[Form, str, int], str]


class Activation(Record):
    """One activation: its name, its formula or its expression over an axis, its ONNX form.

    emit(form, input, axis) writes the ONNX operators and returns the output's name; `axis` counts
    the batch. `arguments` are what the function takes besides the number itself. One that `halves` makes of
    an axis another of half its size: its first numbers, each times the gate that one of the others opens.
    """

    name: str
    emit: Emit
    function: Function | None = None
    over: Over | None = None
    arguments: tuple[float, ...] = ()
    halves: bool = False

    def __repr__(self) -> str:
        return repr(self.name)

    @property
    def linear(self) -> bool:
        return self.function is None and self.over is None and not self.halves

    def equation(
        self, axes: Sequence[Axis], pre: Expression, along: Sequence[int] = (-1,)
    ) -> Equation:
        """Return the equation of this activation applied to a pre-activation.

        `along` are the places of the axes that a softmax runs along; as in Keras the last one,
        whatever the data format.
        """
        axes = tuple(axes)
        if self.halves:
            return self._gated(axes, pre, along[0] % len(axes))
        if self.function is not None:
            return Equation(axes, call(self.function, pre, *self.arguments))
        if self.over is None:
            return Equation(axes, pre)
        places = [place % len(axes) for place in along]
        sizes = [axes[place].size for place in places]
        if None in sizes:
            solved = Equation(axes, pre).sizes
            sizes = [solved[axes[place]] for place in places]
        return Equation(
            axes, self.over(local("pre", axes, pre, preactivation=True), axes, places, sizes)
        )

    def _gated(self, axes: tuple[Axis, ...], pre: Expression, place: int) -> Equation:
        """Return the first half of an axis, each number times the sigmoid of its partner in the second."""
        size = Equation(axes, pre).sizes[axes[place]]
        if is_known(size) and size % 2:
            raise ShapeError(f"{self.name} halves an axis, and {size} is odd")
        half = axes[place].like(axes[place].name, size // 2)
        at = [half if n == place else axis for n, axis in enumerate(axes)]
        gate = [half + size // 2 if n == place else axis for n, axis in enumerate(axes)]
        held = local("pre", axes, pre)
        return Equation(at, held[tuple(at)] * call(formulas.SIGMOID, held[tuple(gate)]))

    def after(self, before: Equation) -> Equation:
        """Return the equation of this activation applied to what another computes."""
        return self.equation(before.axes, before.expression)

    def onnx(self, form: Form, value: Value) -> Value:
        """Apply the activation to a value, as it lies."""
        if self.linear:
            return value
        if self.halves:  # the two halves beside one another, and each taken out
            x = form.plain(value)
            pair = form.constant([0] * (form.rank(value) - 1) + [2, -1], "int64")
            both = form.node("Reshape", x, pair)
            first, second = (
                form.node("Gather", both, form.constant(n, "int64"), axis=-2) for n in (0, 1)
            )
            return Value(form.node("Mul", first, form.node("Sigmoid", second)))
        return Value(self.emit(form, value.name, 1 if value.moved else -1), value.moved)


def _simple(function: Function, op: str, *arguments: float, **attributes: Any) -> Activation:
    """Return an activation that is one ONNX operator."""
    return Activation(
        function.name,
        lambda form, x, axis: form.node(op, x, **attributes),
        function,
        arguments=arguments,
    )


def _composed(
    function: Function, emit: Callable[[Form, str], str], *arguments: float
) -> Activation:
    """Return an activation that is several ONNX operators."""
    return Activation(
        function.name, lambda form, x, axis: emit(form, x), function, arguments=arguments
    )


def _over(name: str, over: Over, emit: Emit) -> Activation:
    return Activation(name, emit, over=over)


def _clip(form: Form, x: str, low: float, high: float) -> str:
    return form.node("Clip", x, form.constant(low), form.constant(high))


def _silu(form: Form, x: str) -> str:
    return form.node("Mul", x, form.node("Sigmoid", x))


def _log_sigmoid(form: Form, x: str) -> str:
    return form.node("Neg", form.node("Softplus", form.node("Neg", x)))


def _hard_shrink(form: Form, x: str) -> str:
    """ONNX's own Shrink makes 0 of a NaN."""
    small = form.node("LessOrEqual", form.node("Abs", x), form.constant(0.5))
    return form.node("Where", small, form.constant(0.0), x)


def _soft_shrink(form: Form, x: str) -> str:
    return form.node("Sub", x, _clip(form, x, -0.5, 0.5))


def _tanh_shrink(form: Form, x: str) -> str:
    return form.node("Sub", x, form.node("Tanh", x))


def _sparse_plus(form: Form, x: str) -> str:
    one = form.constant(1.0)
    above = form.node("Relu", form.node("Add", x, one))
    square = form.node("Mul", form.node("Mul", above, above), form.constant(0.25))
    return form.node("Where", form.node("Less", x, one), square, x)


def _squareplus(form: Form, x: str) -> str:
    """The larger half from the sum; the other follows as b/4 over it, which does not cancel."""
    size = form.node("Abs", x)
    root = form.node("Sqrt", form.node("Add", form.node("Mul", x, x), form.constant(_B)))
    upper = form.node("Mul", form.node("Add", size, root), form.constant(0.5))
    lower = form.node("Div", form.constant(_B / 4), upper)
    return form.node("Where", form.node("Less", x, form.constant(0.0)), lower, upper)


def _sparsemax(form: Form, x: str, axis: int) -> str:
    """Compare every number with every other: the k-th along `axis`, the m-th along one beside it."""
    beside = -1 if axis == -1 else axis + 1
    k = form.node("Unsqueeze", x, form.constant([beside], "int64"))
    m = form.node("Unsqueeze", x, form.constant([beside - 1], "int64"))
    over_m = form.constant([beside], "int64")
    counted = form.node("Cast", form.node("GreaterOrEqual", m, k), to=FLOAT)
    total = form.node("ReduceSum", form.node("Mul", counted, m), over_m, keepdims=0)
    size = form.node("ReduceSum", counted, over_m, keepdims=0)
    quotient = form.node("Div", form.node("Sub", total, form.constant(1.0)), size)
    over_k = form.constant([axis], "int64")
    threshold = form.node("ReduceMax", quotient, over_k, keepdims=1)
    return form.node("Relu", form.node("Sub", x, threshold))


FLOAT = 1
"""What ONNX calls float32 (TensorProto.FLOAT)."""

_B = 4.0
"""Keras's default for squareplus' b."""

LINEAR = Activation("linear", lambda form, x, axis: x)

ACTIVATIONS: dict[str, Activation] = {
    a.name: a
    for a in (
        LINEAR,
        _simple(formulas.RELU, "Relu"),
        _composed(formulas.RELU6, lambda form, x: _clip(form, x, 0.0, 6.0)),
        _simple(formulas.LEAKY_RELU, "LeakyRelu", 0.2, alpha=0.2),
        _simple(formulas.ELU, "Elu", 1.0, alpha=1.0),
        _simple(formulas.CELU, "Celu", 1.0, alpha=1.0),
        _simple(formulas.SELU, "Selu"),
        _simple(formulas.SIGMOID, "Sigmoid"),
        _composed(formulas.LOG_SIGMOID, _log_sigmoid),
        _simple(formulas.SOFTPLUS, "Softplus"),
        _simple(formulas.SOFTSIGN, "Softsign"),
        _composed(formulas.SILU, _silu),
        _simple(formulas.MISH, "Mish"),
        _simple(formulas.GELU, "Gelu"),
        _simple(formulas.TANH, "Tanh"),
        _simple(formulas.EXPONENTIAL, "Exp"),
        _simple(formulas.HARD_SIGMOID, "HardSigmoid", alpha=1 / 6, beta=0.5),
        _simple(formulas.HARD_SILU, "HardSwish"),
        _composed(formulas.HARD_TANH, lambda form, x: _clip(form, x, -1.0, 1.0)),
        _composed(formulas.HARD_SHRINK, _hard_shrink, 0.5),
        _composed(formulas.SOFT_SHRINK, _soft_shrink, 0.5),
        _composed(formulas.TANH_SHRINK, _tanh_shrink),
        _simple(formulas.SPARSE_SIGMOID, "HardSigmoid", alpha=0.5, beta=0.5),
        _composed(formulas.SPARSE_PLUS, _sparse_plus),
        _composed(formulas.SQUAREPLUS, _squareplus, _B),
        _over(
            "softmax",
            formulas.softmax,
            lambda form, x, axis: form.node("Softmax", x, axis=axis),
        ),
        _over(
            "log_softmax",
            formulas.log_softmax,
            lambda form, x, axis: form.node("LogSoftmax", x, axis=axis),
        ),
        _over("sparsemax", formulas.sparsemax, _sparsemax),
        Activation("glu", lambda form, x, axis: x, halves=True),
    )
}
"""Keras's names for activations."""

ALIASES = {"swish": "silu", "hard_swish": "hard_silu"}
"""Other names of the same functions."""

NOT_SUPPORTED = {
    "threshold": "it has no defaults for its two numbers, and Keras cannot call it by name either",
}
"""Names that Keras knows and convscope refuses, with the reason."""


def activation(given: object, what: str) -> Activation:
    """Return the activation of a name (None is "linear").

    Raises `ActivationError` for a name that nobody knows, with the nearest that is known.
    """
    if given is None:
        return LINEAR
    if isinstance(given, Activation):
        return given
    name = given if isinstance(given, str) else getattr(given, "__name__", None)
    if isinstance(name, str):
        name = ALIASES.get(name.lower(), name.lower())
        if name in ACTIVATIONS:
            return ACTIVATIONS[name]
        if name in NOT_SUPPORTED:
            raise ActivationError(
                f"{what}: the activation {name!r} is not supported: {NOT_SUPPORTED[name]}"
            )
        names = sorted([*ACTIVATIONS, *ALIASES])
        error = ActivationError(
            f"{what}: unknown activation {given!r}{did_you_mean(name, names)}; known are {', '.join(names)}"
        )
        error.allowed = tuple(sorted(ACTIVATIONS))
        raise error
    raise ActivationError(f"{what} must be the name of an activation, not {given!r}")
