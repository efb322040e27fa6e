"""Operators whose window slides over a map: convolution, its transpose, pooling.

out[n, o, y, x] = bias[o] + Σ c, i, j  in[n, c, y·s + i·d − top, x·s + j·d − left] · weight[o, c, i, j]
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

from convscope.aten.rule import Call, NoEquation, Rule, Spelled, Write, axes_of, spelled
from convscope.equations.layout import MAP_NAMES, WINDOW_NAMES, WORDS
from convscope.equations.pooling import Reduce
from convscope.notation import Axis, Equation, Expression, Max, Mean, Pieces

MOST_WINDOWS = 64
"""Windows of several sizes are written out one by one, so many of them."""


def _batched(call: Call, spatial: int) -> None:
    if len(call.shape()) != spatial + 2:
        raise NoEquation(f"its input has {len(call.shape())} axes, and no batch among them")


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
        if call["divisor_override"] is not None:
            raise NoEquation("it divides by a number of its own")
        kernel = call.wholes("kernel_size", spatial)
        settings = {
            "kernel_shape": kernel,
            "strides": call.wholes("stride", spatial, kernel),
            "ceil_mode": int(bool(call["ceil_mode"])),
        } | _pads(call, spatial)
        if op == "MaxPool":
            settings["dilations"] = call.wholes("dilation", spatial)
            if call.output:
                raise NoEquation("it says where the largest number was found")
        else:
            settings["count_include_pad"] = int(bool(call["count_include_pad"]))
        return Spelled(op, (call.first(),), settings)

    return spelled(spell)


def _adaptive(spatial: int, average: bool) -> Rule:
    """Return the rule of pooling to a given size: position y averages ⌊y·n/m⌋ … ⌈(y+1)·n/m⌉ − 1."""

    def state(call: Call) -> Equation:
        _batched(call, spatial)
        if call.output:
            raise NoEquation("it says where the largest number was found")
        shape = call.shape()
        sizes = shape[2:]
        asked = call["output_size"]
        asked = (asked,) * spatial if not isinstance(asked, tuple) else asked
        asked = asked * spatial if len(asked) == 1 else asked
        wanted = tuple(s if a is None else a for a, s in zip(asked, sizes, strict=True))
        n, c = axes_of(shape)[:2]
        out = tuple(map(Axis, MAP_NAMES[spatial], wanted, WORDS[spatial]))
        reduce = Mean if average else Max
        if any(size % count for size, count in zip(sizes, wanted, strict=True)):
            return Equation((n, c, *out), _uneven(call, reduce, (n, c), out, sizes))
        taps, at = [], []
        for axis, name, size, count in zip(out, WINDOW_NAMES[spatial], sizes, wanted, strict=True):
            tap = axis.like(name, size // count)
            taps.append(tap)
            at.append(tap if count == 1 else axis * (size // count) + tap)
        return Equation((n, c, *out), reduce(*taps)(call.tensor()[(n, c, *at)]))

    def write(call: Call, form: Write) -> str:
        shape = call.shape()
        asked = call["output_size"]
        asked = (asked,) * spatial if not isinstance(asked, tuple) else asked
        asked = asked * spatial if len(asked) == 1 else asked
        wanted = tuple(s if a is None else a for a, s in zip(asked, shape[2:], strict=True))
        kernel = [s // w for s, w in zip(shape[2:], wanted, strict=True)]
        if any(s % w for s, w in zip(shape[2:], wanted, strict=True)):
            raise NoEquation("its windows are of several sizes")
        op = "AveragePool" if average else "MaxPool"
        if all(w == 1 for w in wanted):
            op, settings = f"Global{op}", {}
        else:
            settings = {"kernel_shape": kernel, "strides": kernel}
        return form.node(op, form.input(call.first()), **settings)

    return Rule(state, write)


def _uneven(
    call: Call, reduce: Reduce, lead: Sequence[Axis], out: Sequence[Axis], sizes: Sequence[int]
) -> Expression:
    """Return a pooling whose windows are of several sizes: one expression for every position."""
    if math.prod(axis.size for axis in out) > MOST_WINDOWS:
        raise NoEquation("its windows are of several sizes, and many")

    def build(taps: Sequence[Axis], at: Sequence[Any]) -> Expression:
        place = len(at)
        if place == len(out):
            return reduce(*taps)(call.tensor()[(*lead, *at)])
        axis, size = out[place], sizes[place]
        bodies = []
        for y in range(axis.size):
            start, end = y * size // axis.size, -(-(y + 1) * size // axis.size)
            tap = axis.like(WINDOW_NAMES[len(out)][place], end - start)
            bodies.append(build([*taps, tap], [*at, tap + start]))
        if len(bodies) == 1:
            return bodies[0]
        return Pieces(axis, tuple(range(1, axis.size + 1)), tuple(bodies))

    return build([], [])


RULES = {
    **{f"conv{n}d": _convolution(n) for n in (1, 2, 3)},
    **{f"conv_transpose{n}d": _transposed(n) for n in (1, 2, 3)},
    "convolution": spelled(_any_convolution),
    **{f"max_pool{n}d": _pool(n, "MaxPool") for n in (1, 2, 3)},
    **{f"max_pool{n}d_with_indices": _pool(n, "MaxPool") for n in (1, 2, 3)},
    **{f"avg_pool{n}d": _pool(n, "AveragePool") for n in (1, 2, 3)},
    **{f"adaptive_avg_pool{n}d": _adaptive(n, True) for n in (1, 2, 3)},
    **{f"adaptive_max_pool{n}d": _adaptive(n, False) for n in (1, 2, 3)},
}
