"""The notation alone: numpy with the first value, sympy with the first symbol, nothing before."""

from __future__ import annotations

import subprocess
import sys

SOLVE = """
from convscope.notation import Axis, Equation, Sum, macs, other_work, source, weight
y, i, c = Axis("y", word="row"), Axis("i", 3), Axis("c", 5, "channel", role="in")
image = source((28, 5)).padded(((1, 1), (0, 0)), "zero")
one = Equation((y,), Sum(i, c)(image[y * 2 + i - 1, c] * weight("kernel")[i, c]))
assert one.shape == (14,) and one.weights == {"kernel": (3, 5)} and macs(one) == 210
str(one), one.latex(), str(one.fits[y]), one.window(((0, 3),)), one.spreads, other_work(one)
from convscope.notation.serial import to_json
assert to_json(one)["text"] == str(one)
"""

VALUE = """
import numpy as np
from convscope.notation.evaluation import evaluate
evaluate(one, (3,), {"in": np.ones((28, 5)), "kernel": np.ones((3, 5))})
"""

SYMBOL = """
from convscope.notation import symbol
assert str(symbol("n")) == "n"
"""


def loaded(code: str) -> set[str]:
    """Return which of the large libraries a fresh Python has loaded after some code."""
    report = "import sys; print(*({'numpy', 'sympy', 'onnx', 'onnxruntime'} & set(sys.modules)))"
    done = subprocess.run(
        [sys.executable, "-c", f"{code}\n{report}"], capture_output=True, text=True, check=True
    )
    return set(done.stdout.split())


def test_solving_counting_and_printing_need_no_library() -> None:
    assert loaded(SOLVE) == set()


def test_a_value_needs_numpy_and_a_symbol_sympy() -> None:
    assert loaded(SOLVE + VALUE) == {"numpy"}
    assert loaded(SYMBOL) == {"sympy"}
