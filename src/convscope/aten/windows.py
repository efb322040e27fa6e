"""Operators whose window slides over a map: convolution, its transpose, pooling.

out[n, o, y, x] = bias[o] + Σ c, i, j  in[n, c, y·s + i·d − top, x·s + j·d − left] · weight[o, c, i, j]
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence

from convscope.aten.rule import Call, NoEquation, Rule, Spelled, Write, spelled
from convscope.equations.adaptive import adaptive_pooling, bounds
from convscope.equations.pooling import place_of_largest, pooling
from convscope.equations.sliding import slide
from convscope.notation import Axis, Equation, Expression, Max, Mean, Sum
from convscope.operators.batch import settled
from convscope.typed import TYPE_CHECKING

if TYPE_CHECKING:
    from typing import Any


def _batched(call: Call, spatial: int) -> None:
    if len(call.shape()) != spatial + 2:
        raise NoEquation(f"its input has {len(call.shape())} axes, and no batch among them")


def _alone_too(rule: Rule, spatial: int) -> Rule:
    """Return a rule that takes one map without a batch as well, as PyTorch does: the only one of a batch."""

    def state(call: Call) -> Equation:
        if len(call.shape()) != spatial + 1:
            return rule.state(call)
        name = call.tensor().name
        found, keeps = settled(rule.state(call.in_a_batch()), frozenset((name,)))
        if not keeps:
            raise NoEquation("its input has no batch")
        return found

    def write(call: Call, form: Write) -> str:
        assert rule.onnx is not None
        if len(call.shape()) != spatial + 1:
            return rule.onnx(call, form)
        made = rule.onnx(call.in_a_batch(), _InABatch(form, call.first()))
        return form.node("Squeeze", made, form.whole(0))

    return Rule(state, write, rule.takes)


class _InABatch:
    """Writes what is offered one map as if it were offered a batch of it."""

    def __init__(self, form: Write, name: str) -> None:
        self.form, self.name = form, name

    def __getattr__(self, name: str) -> Any:
        return getattr(self.form, name)

    def input(self, name: str) -> str:
        found = self.form.input(name)
        return self.form.node("Unsqueeze", found, self.whole(0)) if name == self.name else found

    if TYPE_CHECKING:
        node: Any
        outputs: Any
        whole: Any
        number: Any
        filled: Any
        scales: Any
        counted: Any


def _pads(call: Call, spatial: int, name: str = "padding") -> dict[str, object]:
    if isinstance(call[name], str):
        return {"auto_pad": {"same": "SAME_LOWER", "valid": "VALID"}[call[name]]}
    pads = call.wholes(name, spatial)
    return {"pads": (*pads, *pads)}


def _convolution(spatial: int) -> Rule:
    def spell(call: Call) -> Spelled:
        _batched(call, spatial)
        dilations = call.wholes("dilation", spatial)
        settings = {
            "strides": call.wholes("stride", spatial),
            "dilations": dilations,
            "group": call.whole("groups"),
        }
        pads: dict[str, object]
        if call["padding"] == "same":  # PyTorch puts what is left over behind
            kernel = call.shape("weight")[2:]
            total = [(k - 1) * d for k, d in zip(kernel, dilations, strict=True)]
            pads = {"pads": (*(t // 2 for t in total), *(t - t // 2 for t in total))}
        elif call["padding"] == "valid":
            pads = {"pads": (0,) * (2 * spatial)}
        else:
            pads = _pads(call, spatial)
        return Spelled("Conv", ("input", "weight", "bias"), settings | pads)

    return spelled(spell)


def _transposed(spatial: int) -> Rule:
    def spell(call: Call) -> Spelled:
        _batched(call, spatial)
        settings = {
            "strides": call.wholes("stride", spatial),
            "dilations": call.wholes("dilation", spatial),
            "group": call.whole("groups"),
            "output_padding": call.wholes("output_padding", spatial),
        }
        return Spelled(
            "ConvTranspose", ("input", "weight", "bias"), settings | _pads(call, spatial)
        )

    return spelled(spell)


def _any_convolution(call: Call) -> Spelled:
    """aten::convolution, which says by a flag whether it is transposed."""
    spatial = len(call.shape()) - 2
    settings = {
        "strides": call.wholes("stride", spatial),
        "dilations": call.wholes("dilation", spatial),
        "group": call.whole("groups"),
    } | _pads(call, spatial)
    if call["transposed"]:
        settings["output_padding"] = call.wholes("output_padding", spatial)
        return Spelled("ConvTranspose", ("input", "weight", "bias"), settings)
    return Spelled("Conv", ("input", "weight", "bias"), settings)


def _pool(spatial: int, op: str) -> Rule:
    def spell(call: Call) -> Spelled:
        _batched(call, spatial)
        kernel = call.wholes("kernel_size", spatial)
        settings = {
            "kernel_shape": kernel,
            "strides": call.wholes("stride", spatial, kernel),
            "ceil_mode": int(bool(call["ceil_mode"])),
        } | _pads(call, spatial)
        if op == "MaxPool":
            settings["dilations"] = call.wholes("dilation", spatial)
        else:
            counts = call["count_include_pad"] or call["divisor_override"] is not None
            settings["count_include_pad"] = int(bool(counts))
        return Spelled(op, (call.first(),), settings)

    rule, written = spelled(spell), spelled(lambda call: _ended(call, spell(call), spatial))

    def state(call: Call) -> Equation:
        divisor = call["divisor_override"]
        if not call.output and divisor is None:
            return rule.state(call)
        settings, shape = spell(call).settings, call.shape()
        pads = settings["pads"]
        moves = slide(
            shape[2:], settings["kernel_shape"], settings["strides"], settings.get("dilations"),
            tuple(zip(pads[:spatial], pads[spatial:], strict=True)), bool(settings["ceil_mode"]),
        )  # fmt: skip
        if divisor is not None:

            def share(*taps: Axis) -> Callable[[Expression], Expression]:
                return lambda x: Sum(*taps)(x) / float(divisor)

            return pooling(moves, share, call.tensor(), shape[1], call.layout, "zero")
        return place_of_largest(moves, call.tensor(), shape[2:], shape[1], call.layout, whole=False)

    def write(call: Call, form: Write) -> str:
        if not call.output:
            assert written.onnx is not None
            mean, divisor = written.onnx(call, form), call["divisor_override"]
            if divisor is None:
                return mean
            window = math.prod(call.wholes("kernel_size", spatial))
            return form.node("Mul", mean, form.number(window / divisor))
        said = _ended(call, spell(call), spatial)
        settings = {n: list(v) if isinstance(v, tuple) else v for n, v in said.settings.items()}
        _, places = form.outputs(op, 2, form.input(call.first()), **settings)
        size = math.prod(map(int, call.shape()[2:]))  # ONNX counts over all maps
        return form.counted(form.node("Mod", places, form.whole(size)))

    return Rule(state, write)


def _ended(call: Call, said: Spelled, spatial: int) -> Spelled:
    """Return a pooling that rounds up with its padding behind said instead: ONNX counts windows that begin in it, too."""
    settings = said.settings
    if not settings["ceil_mode"]:
        return said
    if call.wanted is None:
        if call["divisor_override"] is not None:
            raise NoEquation("it rounds up, and divides by a number of its own")
        return said
    kernel, strides = call.wholes("kernel_size", spatial), settings["strides"]
    steps, pads = settings.get("dilations", (1,) * spatial), settings["pads"][:spatial]
    every = zip(call.wanted[-spatial:], strides, kernel, steps, pads, call.shape()[2:], strict=True)
    ends = [max(0, (out - 1) * s + (k - 1) * d + 1 - p - size) for out, s, k, d, p, size in every]
    counts = settings.get("count_include_pad") and call["divisor_override"] is None
    if counts and any(e > p for e, p in zip(ends, pads, strict=True)):
        return said  # PyTorch counts no padding beyond its own
    return said._replace(settings={**settings, "pads": (*pads, *ends), "ceil_mode": 0})


def _sizes(call: Call, spatial: int) -> tuple[tuple[int, ...], tuple[int, ...]]:
    """Return the sizes of the maps that are pooled, and those that are wanted."""
    _batched(call, spatial)
    sizes, asked = tuple(map(int, call.shape()[2:])), call["output_size"]
    asked = asked if isinstance(asked, tuple) else (asked,)
    asked = asked * spatial if len(asked) == 1 else asked
    return sizes, tuple(s if a is None else a for a, s in zip(asked, sizes, strict=True))


def _adaptive(spatial: int, average: bool) -> Rule:
    """Return the rule of pooling to a given size."""

    def state(call: Call) -> Equation:
        if call.output:
            raise NoEquation("it says where the largest number was found")
        sizes, wanted = _sizes(call, spatial)
        reduce = Mean if average else Max
        return adaptive_pooling(reduce, call.tensor(), sizes, wanted, call.shape()[1], call.layout)

    def write(call: Call, form: Write) -> str:
        if call.output:
            raise NoEquation("it says where the largest number was found")
        sizes, wanted = _sizes(call, spatial)
        x, op = form.input(call.first()), "AveragePool" if average else "MaxPool"
        if all(w == 1 for w in wanted):
            return form.node(f"Global{op}", x)
        if not any(s % w for s, w in zip(sizes, wanted, strict=True)):
            kernel = [s // w for s, w in zip(sizes, wanted, strict=True)]
            return form.node(op, x, kernel_shape=kernel, strides=kernel)
        for axis, (size, many) in enumerate(zip(sizes, wanted, strict=True), 2):
            x = _along_axis(form, x, axis, bounds(size, many), average)
        return x

    return Rule(state, write)


def _along_axis(
    form: Write, x: str, axis: int, spans: Sequence[tuple[int, int]], average: bool
) -> str:
    """Write windows of several sizes along one axis, one by one."""
    if spans == [(n, n + 1) for n in range(len(spans))]:
        return x
    parts = []
    for first, end in spans:
        part = form.node("Slice", x, form.whole(first), form.whole(end), form.whole(axis))
        op = "ReduceMean" if average else "ReduceMax"
        parts.append(form.node(op, part, form.whole(axis), keepdims=1))
    return form.node("Concat", *parts, axis=axis)


_WINDOWS: Mapping[str, Callable[[int], Rule]] = {
    "conv{}d": _convolution,
    "conv_transpose{}d": _transposed,
    "max_pool{}d": lambda n: _pool(n, "MaxPool"),
    "max_pool{}d_with_indices": lambda n: _pool(n, "MaxPool"),
    "avg_pool{}d": lambda n: _pool(n, "AveragePool"),
    "adaptive_avg_pool{}d": lambda n: _adaptive(n, True),
    "adaptive_max_pool{}d": lambda n: _adaptive(n, False),
}

RULES = {
    **{
        name.format(n): _alone_too(rule(n), n) for name, rule in _WINDOWS.items() for n in (1, 2, 3)
    },
    "convolution": spelled(_any_convolution),
    "_convolution": spelled(_any_convolution),
}
