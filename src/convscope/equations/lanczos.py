"""Lanczos's windowed sine, by which numbers weigh when a map is resized.

lanczos(d) = sinc(d) · sinc(d / reach) within the reach, where sinc(d) = sin(πd) / (πd)

Duchon, Lanczos Filtering in One and Two Dimensions, 1979.
"""

from __future__ import annotations

import math

from convscope.equations.resizing import Curve
from convscope.notation import call
from convscope.notation.functions import Formula, Function

NEAR = 1e-9
"""So near to 0 a sine is its angle to the last digit, and nothing is divided by 0."""


STEEP = 1.4 * (1 + 1 / 3)
"""Its largest slope: that of sinc is 1.372, and of sinc(d / reach) at most a third of that, both within 1."""


def lanczos(reach: int) -> Curve:
    """Return the curve that reaches so far: 3 or 5 in image libraries."""
    away: Formula = ("max", ("abs", "x"), NEAR)
    slow: Formula = ("mul", math.pi, away)
    slower: Formula = ("mul", math.pi / reach, away)
    within = ("mul", ("div", ("sin", slow), slow), ("div", ("sin", slower), slower))
    formula = ("select", ("sub", float(reach), away), within, 0.0)
    function = Function(f"lanczos{reach}", ("x",), formula, STEEP)
    return Curve(lambda x: call(function, x), reach)
