"""Why two layers that should be the same differ: found by trying what would make them agree.

Each trial changes one thing that converters and people get wrong, in the second network's layer: the padding on the
other side, an epsilon, another form of the activation, a kernel flipped or transposed, a bias left out, the order of a
flatten, the channels or the scale of the image. One is named only when it makes every number that was compared agree.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from copy import copy
from dataclasses import replace
from typing import Any

import numpy as np

from convscope.checks.forms import activation, added_weight, kernels, normalised, weighs
from convscope.comparing.matching import order
from convscope.comparing.units import Unit, Units, chain, moves
from convscope.equations import formulas
from convscope.equations.stating import NoEquation
from convscope.errors import ConvscopeError
from convscope.model.editing import with_settings
from convscope.notation import Equation, Expression
from convscope.notation.anatomy import anatomy
from convscope.notation.expression import Call, Number, Read
from convscope.notation.functions import Function
from convscope.notation.rewriting import Rewriting
from convscope.notation.sizes import is_known
from convscope.typed import Array, Record

EPSILONS = (1e-3, 1e-5, 1e-6, 1e-7, 1e-8, 1e-12, 2e-5, 1e-2)
"""What frameworks add to a variance: Keras 1e-3, PyTorch and ONNX 1e-5, and others that were seen."""

SLOPES = (0.01, 0.1, 0.2, 0.3)
"""Slopes of a leaky relu: PyTorch's and ONNX's 0.01, Keras's 0.3 and 0.2."""

SCALES = {"1/255": 1 / 255, "255": 255.0}


class Attempt(Record):
    """One thing to try: in words, with which equations and weights of nodes, and which image."""

    words: str
    equations: Mapping[str, Equation] = {}
    weights: Mapping[str, Mapping[str, Array]] = {}
    image: Callable[[Array], Array] | None = None


def trials(a: Units, one: Unit, b: Units, other: Unit) -> Iterator[Attempt]:
    """Yield what may be otherwise in the second network's unit, the likeliest first."""
    if any(feed in b.graph.inputs for feed in other.feeds):
        yield Attempt(
            "the channels of its image are in the other order (RGB and BGR)", image=_reversed(b)
        )
        for said, factor in SCALES.items():
            yield Attempt(
                f"its image is {said} times what the first network takes",
                image=lambda array, factor=factor: (array / factor).astype(array.dtype),  # type: ignore[misc]
            )
    yield from _its_activation(a, one, b, other)
    for name in chain(b, other):
        equation = b.graph.facts[name].equation
        if equation is not None:
            yield from _of_settings(b, name)
            yield from _of_equation(name, equation)
            yield from _of_weights(b, name, equation)
    yield from _taken_over(a, one, b, other)
    yield from _in_another_order(a, one, b, other)


# -- other settings -------------------------------------------------------------------------------

WORDS = {
    "coordinate_transformation_mode": (
        "half_pixel",
        "align_corners",
        "asymmetric",
        "pytorch_half_pixel",
    ),
    "nearest_mode": ("round_prefer_floor", "round_prefer_ceil", "floor", "ceil"),
    "approximate": ("none", "tanh"),
    "interpolation": ("nearest", "bilinear", "bicubic"),
}
"""Settings that are words, and what they may be in one framework or another."""


def _of_settings(b: Units, name: str) -> Iterator[Attempt]:
    """Yield a node with one of its switches the other way: align_corners, half-pixel centres, count_include_pad."""
    layer, facts = b.graph.nodes[name].layer, b.graph.facts[name]
    use = getattr(layer, "use", None)
    key = next((k for k in ("settings", "attributes") if hasattr(use, k)), "")
    given = dict(getattr(use, key)) if key else layer.settings()
    for setting, value in given.items():
        others = (not value,) if isinstance(value, bool) else WORDS.get(setting, ())
        if setting == "count_include_pad":
            others = (type(value)(not value),)
        for word in others:
            if word == value:
                continue
            try:
                if key:
                    changed = copy(layer)
                    changed.use = _replaced(use, key, tuple({**given, setting: word}.items()))  # type: ignore[attr-defined]
                else:
                    changed = with_settings(layer, {setting: word})
                equation = changed.equation(*facts.input_shapes)
                if equation.weights != facts.weights or equation.shape != facts.output_shape:
                    continue
            except (ConvscopeError, NoEquation):
                continue
            yield Attempt(
                f"{name} has {setting} = {value!r}, and {word!r} would agree", {name: equation}
            )


def _replaced(use: Any, key: str, value: Any) -> Any:
    """Return the use of an operator with other settings, as a dataclass or a tuple with names makes it."""
    return (
        use._replace(**{key: value}) if hasattr(use, "_replace") else replace(use, **{key: value})
    )


# -- other equations ------------------------------------------------------------------------------


def _of_equation(name: str, equation: Equation) -> Iterator[Attempt]:
    if any(
        is_known(f.before) and is_known(f.after) and f.before != f.after
        for f in equation.fits.values()
    ):
        shifted = _made(equation, _Shifted())
        yield Attempt(f"{name} pads on the other side", {name: shifted})
    yield from _of_padding(name, equation)
    for epsilon in EPSILONS:
        again = _Epsilon(epsilon)
        changed = _made(equation, again)
        if again.done:
            yield Attempt(
                f"{name} has an epsilon of {again.was:g}, and {epsilon:g} would agree",
                {name: changed},
            )
    if anatomy(equation).main is not None and anatomy(equation).main.reduction.kind == "mean":  # type: ignore[union-attr]
        for outside, words in (
            ("skip", "leaves the padding out of its mean"),
            ("zero", "counts the padding in its mean"),
        ):
            again_read = _Outside(outside)
            changed = _made(equation, again_read)
            if again_read.done:
                yield Attempt(
                    f"{name} would agree if it {words.replace('leaves', 'left').replace('counts', 'counted')}",
                    {name: changed},
                )
    yield from _other_functions(name, equation)


def _of_padding(name: str, equation: Equation) -> Iterator[Attempt]:
    """Yield an equation whose windows start elsewhere: more padding at the end than before, or the other way."""
    for by, words in (
        (1, "less before its input and more after it"),
        (-1, "more before its input and less after it"),
    ):
        again = _Started(by)
        changed = _made(equation, again)
        if again.done:
            told = " and ".join(f"{b} before and {e} after" for b, e in dict.fromkeys(again.was))
            yield Attempt(
                f"{name} pads its input by {told}; padding on the other side ({words}, by 1) would agree",
                {name: changed},
            )


def _made(equation: Equation, how: Rewriting) -> Equation:
    """Return an equation made again, of the same sizes."""
    again = Equation(equation.axes, how.expression(equation.expression), equation.name)
    again.__dict__["fits"] = equation.fits
    return again


class _Shifted(Rewriting):
    """Moves the wider side of every padding to the other side."""

    def read(self, node: Read) -> Expression:
        made = super().read(node)
        if node.padding is None or not isinstance(made, Read):
            return made
        places, padding = list(made.indices), list(node.padding)
        for n, (before, after) in enumerate(node.padding):
            if before != after:
                places[n] = places[n] + (before - after)
                padding[n] = (after, before)
        return Read(made.tensor, tuple(places), tuple(padding), node.outside, node.scattered)


class _Started(Rewriting):
    """Lets every window that moves along a border of the input start later, the padding before it being less by that."""

    def __init__(self, by: int) -> None:
        super().__init__()
        self.by, self.done = by, False
        self.was: list[tuple[Any, Any]] = []

    def read(self, node: Read) -> Expression:
        made = super().read(node)
        if node.padding is None or not isinstance(made, Read) or node.scattered:
            return made
        places, padding = list(made.indices), list(node.padding)
        for n, (before, after) in enumerate(node.padding):
            if not (is_known(before) and is_known(after)) or not (before or after):
                continue
            if before < self.by:
                return made
            places[n] = places[n] + self.by
            padding[n] = (before - self.by, after + self.by)
            self.was.append((before, after))
            self.done = True
        return Read(made.tensor, tuple(places), tuple(padding), node.outside, node.scattered)


class _Outside(Rewriting):
    """Lets a border be of another kind."""

    def __init__(self, outside: str) -> None:
        super().__init__()
        self.outside, self.done = outside, False

    def read(self, node: Read) -> Expression:
        made = super().read(node)
        if node.padding is None or not isinstance(made, Read) or node.outside == self.outside:
            return made
        if not any(b or a for b, a in node.padding):
            return made
        self.done = True
        return Read(made.tensor, made.indices, node.padding, self.outside, node.scattered)  # type: ignore[arg-type]


class _Epsilon(Rewriting):
    """Puts another small number under every root."""

    def __init__(self, epsilon: float) -> None:
        super().__init__()
        self.epsilon, self.done, self.was = epsilon, False, 0.0
        self._rooted = 0

    def expression(self, node: Expression) -> Expression:
        if isinstance(node, Call) and node.function.name == "sqrt":
            self._rooted += 1
            made = super().expression(node)
            self._rooted -= 1
            return made
        if (
            isinstance(node, Number)
            and self._rooted
            and 0 < node.value < 0.1
            and node.value != self.epsilon
        ):
            self.was, self.done = node.value, True
            return Number(self.epsilon)
        return super().expression(node)


def _functions() -> dict[str, Function]:
    """Return every function of one number that a layer may end with."""
    return {
        value.name: value
        for value in vars(formulas).values()
        if isinstance(value, Function) and len(value.parameters) == 1
    }


def _its_activation(a: Units, one: Unit, b: Units, other: Unit) -> Iterator[Attempt]:
    """Yield the second network's unit with the activation of the first."""
    if one.function == other.function:
        return
    ours = a.graph.facts[one.name].equation
    name = other.name
    theirs = b.graph.facts[name].equation
    if ours is None or theirs is None:
        return
    calls: list[Call] = []
    node = ours.expression
    while (
        one.function
        and isinstance(node, Call)
        and all(isinstance(n, Number) for n in node.arguments[1:])
    ):
        calls.append(node)
        node = node.arguments[0]
    if bool(calls) != bool(one.function):
        return
    made = anatomy(theirs).preactivation if activation(theirs) else theirs.expression
    for call in reversed(calls):
        made = Call(call.function, (made, *call.arguments[1:]))
    changed = Equation(theirs.axes, made, theirs.name)
    changed.__dict__["fits"] = theirs.fits
    said = f"{one.function} would agree" if one.function else "no activation would agree"
    has = f"applies {other.function}" if other.function else "has no activation"
    yield Attempt(f"{name} {has}, and {said}", {name: changed})


def _other_functions(name: str, equation: Equation) -> Iterator[Attempt]:
    own = activation(equation)
    if own is None or not isinstance(equation.expression, Call):
        if own is None and weighs(equation) is not None and not anatomy(equation).whole:
            for other, function in _functions().items():
                changed = Equation(
                    equation.axes, Call(function, (equation.expression,)), equation.name
                )
                changed.__dict__["fits"] = equation.fits
                yield Attempt(f"{name} has no activation, and {other} would agree", {name: changed})
        return
    call = equation.expression
    inner, rest = call.arguments[0], call.arguments[1:]
    for other, function in _functions().items():
        if function is not call.function:
            changed = Equation(equation.axes, Call(function, (inner,)), equation.name)
            changed.__dict__["fits"] = equation.fits
            yield Attempt(
                f"{name} applies {call.function.name}, and {other} would agree", {name: changed}
            )
    changed = Equation(equation.axes, inner, equation.name)
    changed.__dict__["fits"] = equation.fits
    yield Attempt(
        f"{name} applies {call.function.name}, and no activation would agree", {name: changed}
    )
    if len(rest) == 1:
        for slope in SLOPES:
            changed = Equation(
                equation.axes, Call(call.function, (inner, Number(slope))), equation.name
            )
            changed.__dict__["fits"] = equation.fits
            yield Attempt(
                f"{name} applies {call.function.name} with another number: {slope:g} would agree",
                {name: changed},
            )


# -- other weights --------------------------------------------------------------------------------


def _of_weights(b: Units, name: str, equation: Equation) -> Iterator[Attempt]:
    weights = b.graph.nodes[name].layer.weights
    main = weighs(equation)
    if main is not None:
        read = kernels(main)[0]
        key = read.tensor.name
        array = weights[key]
        window = [n for n, index in enumerate(read.indices) if index.single() in main.window]
        if window and any(array.shape[n] > 1 for n in window):
            yield Attempt(
                f"{name} has its kernel turned by 180° (convolution and correlation)",
                weights={name: {key: np.flip(array, tuple(window))}},
            )
        if len(window) == 2 and array.shape[window[0]] == array.shape[window[1]]:
            yield Attempt(
                f"{name} has its kernel's rows and columns exchanged",
                weights={name: {key: np.swapaxes(array, *window)}},
            )
        if array.ndim == 2 and array.shape[0] == array.shape[1]:
            yield Attempt(f"{name} has its matrix transposed", weights={name: {key: array.T}})
        bias = added_weight(equation)
        if bias is not None:
            zero = np.zeros_like(weights[bias.tensor.name])
            yield Attempt(
                f"{name} adds a bias that the first network has not",
                weights={name: {bias.tensor.name: zero}},
            )
    found = normalised(equation)
    if found is not None:
        names = [r.tensor.name for r in (found.subtracted, found.under_root) if r is not None]
        if len(names) == 2:
            mean, variance = (weights[n] for n in names)
            yield Attempt(
                f"{name} has its mean and variance exchanged",
                weights={name: {names[0]: variance, names[1]: mean}},
            )
            yield Attempt(
                f"{name} has a standard deviation where its variance should be",
                weights={name: {names[1]: np.square(variance)}},
            )
            yield Attempt(
                f"{name} has a variance where its standard deviation was taken",
                weights={name: {names[1]: np.sqrt(np.abs(variance))}},
            )


def _taken_over(a: Units, one: Unit, b: Units, other: Unit) -> Iterator[Attempt]:
    """Yield the first network's numbers in the second's weights: then the weights are what differs."""
    ours, theirs = order(a.graph, one), order(b.graph, other)
    if ours is not None and theirs is not None:
        name, key, places = theirs
        array = a.graph.nodes[ours[0]].layer.weights[ours[1]].transpose(ours[2])
        own = b.graph.nodes[name].layer.weights[key]
        if array.shape == own.transpose(places).shape:
            back = array.transpose(np.argsort(places))
            count = int(np.count_nonzero(back != own))
            if count:
                turned = own.transpose(places)
                if _permuted(array, turned):
                    yield Attempt(
                        f"{name} has the same filters in another order",
                        weights=_with_bias(a, one, b, other, {name: {key: back}}),
                    )
                said = f"{count:,} of the {own.size:,} numbers of its {key} differ from the first network's"
                yield Attempt(f"{name}: {said}", weights={name: {key: back}})
                yield Attempt(
                    f"{name}: {said}, and its other weights",
                    weights=_with_bias(a, one, b, other, {name: {key: back}}),
                )
    alone = _with_bias(a, one, b, other, {})
    if alone:
        named = ", ".join(key for held in alone.values() for key in held)
        yield Attempt(
            f"{other.nodes[0]}: its {named} differ from the first network's", weights=alone
        )


def _permuted(array: Array, other: Array) -> bool:
    rows = [
        sorted(row.tobytes() for row in np.ascontiguousarray(k).reshape(len(k), -1))
        for k in (array, other)
    ]
    return rows[0] == rows[1]


def _with_bias(
    a: Units, one: Unit, b: Units, other: Unit, weights: Mapping[str, Mapping[str, Array]]
) -> dict[str, dict[str, Array]]:
    """Return weights with the rows (bias, mean, variance …) of the first network's unit taken over, too."""
    found = {name: dict(held) for name, held in weights.items()}
    ours = [
        (n, k, v)
        for n in one.nodes
        for k, v in a.graph.nodes[n].layer.weights.items()
        if v.ndim == 1
    ]
    theirs = [
        (n, k, v)
        for n in other.nodes
        for k, v in b.graph.nodes[n].layer.weights.items()
        if v.ndim == 1
    ]
    if len(ours) != len(theirs):
        return found
    for (_, key, value), (name, own, now) in zip(ours, theirs, strict=True):
        del key
        if value.shape == now.shape and not np.array_equal(value, now):
            found.setdefault(name, {})[own] = value
    return found


def _reversed(b: Units) -> Callable[[Array], Array]:
    axis = -1 if b.graph.image_layout == "channels_last" else 0

    def turned(array: Array) -> Array:
        return np.flip(array, axis) if array.ndim > 1 else array

    return turned


def _in_another_order(a: Units, one: Unit, b: Units, other: Unit) -> Iterator[Attempt]:
    """Yield a dense layer whose input was flattened in the other order: channels first, or last."""
    name = other.nodes[0]
    equation = b.graph.facts[name].equation
    main = None if equation is None else weighs(equation)
    if equation is None or main is None or main.over is None or main.window:
        return
    before = next((n for n in chain(b, other) if n in b.through and _flattens(b, n)), None)
    if before is None:
        return
    shape = tuple(s for s in b.graph.shape(b.graph.nodes[before].inputs[0]))
    numbers = np.arange(int(np.prod(shape))).reshape(shape)
    read = kernels(main)[0]
    place = next(n for n, index in enumerate(read.indices) if index.single() is main.over)
    array = b.graph.nodes[name].layer.weights[read.tensor.name]
    for turned in (np.moveaxis(numbers, 0, -1), np.moveaxis(numbers, -1, 0)):
        rows = turned.reshape(-1)
        if len(rows) != array.shape[place]:
            continue
        for way in (rows, np.argsort(rows)):
            again = np.take(array, way, axis=place)
            yield Attempt(
                f"{before} flattens {'×'.join(map(str, shape))} in the other order of its channels",
                weights={name: {read.tensor.name: again}},
            )


def _flattens(b: Units, name: str) -> bool:
    equation = b.graph.facts[name].equation
    return equation is not None and moves(equation) and len(equation.shape) == 1
