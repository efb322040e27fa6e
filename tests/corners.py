"""Equations with corners that no layer has."""

from __future__ import annotations

from typing import Any

import numpy as np

from convscope.equations.resizing import CUBIC, TRIANGLE
from convscope.equations.sampling import IS_PLACE
from convscope.notation import (
    Axis,
    Equation,
    Max,
    Mean,
    Pieces,
    Sum,
    call,
    exactly,
    local,
    source,
    weight,
)
from convscope.notation.expression import Expression, Inside, Place, Reduction
from convscope.notation.functions import MAXIMUM, MINIMUM, Function

Array = np.ndarray[Any, Any]


def corners() -> dict[str, tuple[Equation, dict[str, Array]]]:
    """Return equations with corners that no layer has, and numbers to try them on."""
    y, x, i, j = Axis("y", 7), Axis("x", 5), Axis("i", 3), Axis("j", 4)
    rng = np.random.default_rng(13)
    line, other = (rng.normal(size=n).astype(np.float32) for n in (9, 4))
    image, kernel = rng.normal(size=(9, 11)).astype(np.float32), rng.normal(size=(3, 4))
    holes = line.copy()
    holes[3], holes[5] = np.nan, np.inf
    a = source((9,))
    doubled = local("double", (x,), a[x + 2] * 2.0)
    large = local("large", (w := Axis("w", 70_000),), a[w % 9] * 2.0)
    u, v = Axis("u", 5), Axis("v", 5)
    own = local("pre", (x,), Sum(i)(a[x + i] * weight("k")[i]) + a[x], preactivation=True)
    swapped = local("pre", (v, u), a[v] * 2.0 - a[u], preactivation=True)
    sums = local("sums", (y, x), Sum(i)(a[y + i] * a[x + i]))
    parts = (a.padded(((0, 5),), "zero")[y], source((4,), "in2").padded(((4, 0),), "zero")[y - 4])
    w9, where = Axis("w", 9), source((7,), "in2")
    told = np.array([0.25, 7.6, -3.0, np.nan, 100.0, 1.5, 8.0], np.float32)
    found: dict[str, tuple[tuple[Axis, ...], Expression, dict[str, Array]]] = {
        "max and min of NaN": (
            (y,),
            call(MAXIMUM, a[y], 0.1) + call(MINIMUM, a[y + 1], 0.2),
            {"in": holes},
        ),
        "the largest with a NaN among them": ((y,), Max(i)(a[y + i]), {"in": holes}),
        "the largest of products": (
            (y,),
            Max(i)(a[y + i] * weight("k")[i]),
            {"in": line, "k": other},
        ),
        "an infinite weight in the padding": (
            (y,),
            Sum(i)(a.padded(((1, 1),), "zero")[y + i - 1] * weight("k")[i]),
            {"in": line, "k": np.array([np.inf, 1.0, 2.0])},
        ),
        "numbers that are infinite": ((y,), a[y] * float("-inf") + float("inf"), {"in": holes}),
        "backwards": (
            (y,),
            Sum(i)(a[8 - y - i * 1] * weight("k")[2 - i]),
            {"in": line, "k": other},
        ),
        "backwards over the border": (
            (y,),
            Sum(i)(a.padded(((4, 2),), "zero")[10 - i * 3 - y]),
            {"in": line},
        ),
        "three axes in one index": (
            (y,),
            Sum(i, j)(a.padded(((0, 9),), "-inf")[y + i * 2 + j]),
            {"in": line},
        ),
        "edges of two axes": (
            (y, x),
            Mean(i, j)(source((9, 11)).padded(((2, 2), (2, 9)), "edge")[y + i - 2, x * 3 + j - 2]),
            {"in": image},
        ),
        "beyond the edge altogether": (
            (y,),
            Sum(i)(a.padded(((9, 9),), "edge")[y * 3 + i - 8] * weight("k")[i]),
            {"in": line, "k": other},
        ),
        "two weights": (
            (y,),
            Sum(i)(a[y + i] * weight("k")[i] * weight("m")[2 - i]),
            {"in": line, "k": other, "m": line},
        ),
        "a local too large for a table": ((y,), large[y * 9999] + large[y], {"in": line}),
        "a number before, along axes of its own": (
            (u,),
            own[u] / Sum(j)(own[j]),
            {"in": line, "k": other},
        ),
        "a number before, along the axes the other way round": (
            (u, v),
            swapped[u, v] * 3.0,
            {"in": line},
        ),
        "a mean over what is not skipped": (
            (y, x),
            Mean(i, j)(
                source((9, 11)).padded(((4, 9), (3, 9)), "skip")[y * 2 + i - 4, x * 3 + j - 3]
            ),
            {"in": image},
        ),
        "a mean of squares over what is not skipped": (
            (y,),
            Mean(i)(
                a.padded(((2, 2),), "skip")[y + i - 2] * a.padded(((2, 2),), "skip")[y + i - 2]
                + 1.0
            ),
            {"in": line},
        ),
        "exact division of a sum": (
            (y, x),
            Sum(i, j)(
                source((9, 11)).padded(((9, 9), (9, 9)), "zero")[
                    exactly(y - i * 2 - 1, 3), exactly(x + j, 2)
                ]
                * weight("k")[i, j]
            ),
            {"in": image, "k": kernel},
        ),
        "a quotient and a remainder below 0": (
            (y,),
            Sum(i)(a.padded(((9, 9),), "zero")[(y - i * 3) // 2 + (y - i * 2) % 3]),
            {"in": line},
        ),
        "a local read beyond its axis": ((y,), doubled[y], {"in": line}),
        "a local of two axes, added up": (
            (y,),
            Sum(x)(sums[y, x] * weight("k")[x // 2]),
            {"in": line, "k": other},
        ),
        "a local's axis that is also summed over": (
            (y,),
            Sum(x)(doubled[4 - x] * a[x]),
            {"in": line},
        ),
        "an axis that is summed over and stands outside too": (
            (y,),
            Sum(y)(a[y] + 1.0) * a[y] + Sum(y)(a[y] * weight("k")[y // 2]) * a[y],
            {"in": line, "k": other},
        ),
        "the first of the largest": (
            (y,),
            Reduction("first", (i, j), a.padded(((0, 9),), "-inf")[y * 2 + i - j + 3]),
            {"in": np.round(line)},
        ),
        "the first of the largest with a NaN": (
            (y,),
            Reduction("first", (i,), a[y + i]),
            {"in": holes},
        ),
        "conditions": (
            (y, x),
            Inside((exactly(y + x - 1, 2), y - 1), (2, 5)) * a[y] + Place(y * 3 - x % 2),
            {"in": line},
        ),
        "a local with a border": (
            (y,),
            Sum(i)(doubled.padded(((1, 4),), "zero")[y + i - 1] * weight("k")[i]),
            {"in": line, "k": other},
        ),
        "a local with an edge": (
            (y,),
            Sum(i)(doubled.padded(((2, 4),), "edge")[y + i - 2] * weight("k")[i]),
            {"in": line, "k": other},
        ),
        "a mean over a local with a border": (
            (y,),
            Mean(i)(doubled.padded(((1, 4),), "skip")[y + i - 1]),
            {"in": line},
        ),
        "pieces along an index": (
            (y,),
            Pieces(y * 2 - 3, (1, 4, 99), (a[y], a[y] * 2.0, a[8 - y])),
            {"in": line},
        ),
        "two functions of one name": (
            (y,),
            call(Function("f", ("x",), ("mul", "x", 2.0)), a[y])
            + call(Function("f", ("x",), ("add", "x", 2.0)), a[y]),
            {"in": line},
        ),
        "pieces": ((y,), Pieces(y, (4, 7), parts), {"in": line, "in2": other}),
        "pieces in a sum": (
            (x,),
            Sum(y)(Pieces(y, (4, 7), parts)) * a[x],
            {"in": line, "in2": other},
        ),
        "next to a number, NaN elsewhere": (
            (y,),
            Sum(w9)(a[w9] * call(TRIANGLE, where[y] - Place(w9))),
            {"in": holes, "in2": told},
        ),
        "at a number, NaN elsewhere": (
            (y,),
            Sum(j, w9)(a[w9] * call(IS_PLACE, where[y], Place(w9)) * weight("k")[j]) + a[y],
            {"in": holes, "in2": np.floor(told), "k": other},
        ),
        "along a curve, NaN elsewhere": (
            (y, x),
            Sum(i, w9)(
                source((9, 11), "in3")[w9, x + i] * call(CUBIC, where[y] - Place(w9 - 2), -0.75)
            ),
            {"in2": told, "in3": np.where(image > 1.4, np.nan, image)},
        ),
        "a number alone": ((y,), Sum(i)(a[0] * 2.0) * 0.0 + 3.0, {"in": line}),
        "no axes": ((), Sum(y)(a[y] * a[y + 1]), {"in": line}),
    }
    return {name: (Equation(axes, body), values) for name, (axes, body, values) in found.items()}
