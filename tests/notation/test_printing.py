"""Equations as text and LaTeX: the exact texts, brackets where something would be misread."""

from __future__ import annotations

import pytest
import textbook

from convscope.notation import (
    Axis,
    Equation,
    Expression,
    Max,
    Mean,
    Pieces,
    Sum,
    call,
    source,
    symbol,
    weight,
)
from convscope.notation.expression import Number
from convscope.notation.functions import ABS, EXP, LOG, MAXIMUM, SELECT, SQRT, TANH, Function

Y, I = Axis("y", 5), Axis("i", 3)
A, B, C = (source((5,), name)[Y] for name in "abc")
SCALED = Function("scaled_by", ("x", "the_factor"), ("mul", "x", "the_factor"))


def test_a_long_size_in_an_index_gets_a_letter() -> None:
    n, s, y, i = symbol("n"), symbol("s"), Axis("y", 7), Axis("i", 3)
    long = (n + s * ((n - 1) // s)) // 2
    padded = source((n,)).padded([(long, long)], "zero")
    assert str(Equation((y,), Sum(i)(padded[y + i - long] * weight("p")[i]))) == (
        "out[y] = Σ i<3  in[y + i − q] · p[i]\n  with q = ⌊(n + s·⌊(n − 1)/s⌋)/2⌋"
    )
    p, q, c = symbol("p"), symbol("q"), Axis("c", symbol("r"))  # they stand in the shapes beside it
    beside = source((n, p, q)).padded([(long, long), (0, 0), (0, 0)], "zero")[y + i - long, 0, 0]
    assert "with g = ⌊" in str(Equation((y, c), Sum(i)(beside * weight("k")[i, c])))
    short = source((n,)).padded([(n // 2, n // 2)], "zero")
    assert str(Equation((y,), short[y - n // 2])) == "out[y] = in[y − ⌊n/2⌋]"


def test_a_convolution() -> None:
    n, k1 = symbol("n"), symbol("k1")
    one = textbook.conv2d((28, 26, 32), 64, (3, 5), (2, 1), ((1, 1), (0, 0)), relu=True)
    assert str(one) == (
        "out[y, x, o] = relu(bias[o] + Σ i<3, j<5, c<32  in[2y + i − 1, x + j, c] · "
        "kernel[i, j, c, o])"
    )
    assert one.latex() == (
        r"\mathrm{out}_{y,x,o} = \operatorname{relu}\left(\mathrm{bias}_{o} + "
        r"\sum_{i=0}^{2}\sum_{j=0}^{4}\sum_{c=0}^{31} \mathrm{in}_{2y+i-1,x+j,c} \cdot "
        r"\mathrm{kernel}_{i,j,c,o}\right)"
    )
    symbolic = textbook.conv2d((n, 9, n - 1), k1, (3, 2), bias=False)
    assert "c<n − 1  in[y + i, x + j, c]" in str(symbolic)
    assert r"\sum_{c=0}^{n - 2}" in symbolic.latex()


def test_locals_come_after_what_reads_them() -> None:
    assert str(textbook.layer_norm((5, 7), 0.001)) == (
        "out[y, c] = (in[y, c] − μ[y]) / sqrt(σ²[y] + 0.001) · gamma[c] + beta[c]\n"
        "  with σ²[y] = mean k<7  (in[y, k] − μ[y]) · (in[y, k] − μ[y])\n"
        "  with μ[y] = mean k<7  in[y, k]"
    )
    latex = textbook.layer_norm((5, 7), 0.001).latex()
    assert latex.startswith(r"\begin{aligned} \mathrm{out}_{y,c} &= ")
    assert r"{\sigma^2}_{y} &= \operatorname{mean}_{k<7} " in latex
    assert r"\frac{\mathrm{in}_{y,c} - \mu_{y}}{\sqrt{{\sigma^2}_{y} + 0.001}}" in latex


TOTAL, LARGEST = Sum(I)(A), Max(I)(A)

BRACKETS: list[tuple[Expression, str, str]] = [
    (A + B - C, "a[y] + b[y] − c[y]", "a_{y} + b_{y} - c_{y}"),
    (A - (B - C), "a[y] − (b[y] − c[y])", r"a_{y} - \left(b_{y} - c_{y}\right)"),
    (A - (B + C), "a[y] − (b[y] + c[y])", r"a_{y} - \left(b_{y} + c_{y}\right)"),
    ((A + B) * C, "(a[y] + b[y]) · c[y]", r"\left(a_{y} + b_{y}\right) \cdot c_{y}"),
    (A * (B * C), "a[y] · (b[y] · c[y])", r"a_{y} \cdot \left(b_{y} \cdot c_{y}\right)"),
    (A / (B * C), "a[y] / (b[y] · c[y])", r"\frac{a_{y}}{b_{y} \cdot c_{y}}"),
    (A / B * C, "a[y] / b[y] · c[y]", r"\frac{a_{y}}{b_{y}} \cdot c_{y}"),
    (A * -2.0, "a[y] · (−2)", r"a_{y} \cdot \left(-2\right)"),
    (A - 0.001, "a[y] − 0.001", "a_{y} - 0.001"),
    (A * 0.1234567890123, "a[y] · 0.1234567890123", r"a_{y} \cdot 0.1234567890123"),
    (A * 1e-7, "a[y] · 1e-07", r"a_{y} \cdot 1 \cdot 10^{-7}"),
    # a sum reaches to the end of its product: what is added after it needs the sum in brackets
    (A + TOTAL, "a[y] + Σ i<3  a[y]", r"a_{y} + \sum_{i=0}^{2} a_{y}"),
    (TOTAL + A, "(Σ i<3  a[y]) + a[y]", r"\left(\sum_{i=0}^{2} a_{y}\right) + a_{y}"),
    (A + TOTAL + B, "(a[y] + Σ i<3  a[y]) + b[y]", ""),
    (A - TOTAL, "a[y] − (Σ i<3  a[y])", r"a_{y} - \left(\sum_{i=0}^{2} a_{y}\right)"),
    (LARGEST * 2.0, "(max i<3  a[y]) · 2", r"\left(\max_{i<3} a_{y}\right) \cdot 2"),
    (A / TOTAL, "a[y] / (Σ i<3  a[y])", r"\frac{a_{y}}{\sum_{i=0}^{2} a_{y}}"),
    (Sum(I)(A + B), "Σ i<3  (a[y] + b[y])", r"\sum_{i=0}^{2} \left(a_{y} + b_{y}\right)"),
    (Sum(I)(A * B), "Σ i<3  a[y] · b[y]", r"\sum_{i=0}^{2} a_{y} \cdot b_{y}"),
    (Mean(I)(LARGEST), "mean i<3  (max i<3  a[y])", ""),
    (call(EXP, TOTAL + A), "exp((Σ i<3  a[y]) + a[y])", ""),
    # functions
    (call(SQRT, A), "sqrt(a[y])", r"\sqrt{a_{y}}"),
    (call(ABS, A), "abs(a[y])", r"\left|a_{y}\right|"),
    (call(LOG, A), "log(a[y])", r"\log\left(a_{y}\right)"),
    (call(TANH, A), "tanh(a[y])", r"\tanh\left(a_{y}\right)"),
    (call(MAXIMUM, A, B), "max(a[y], b[y])", r"\max\left(a_{y}, b_{y}\right)"),
    (
        call(SELECT, A - B, 1.0, C),
        "(1 if a[y] − b[y] > 0 else c[y])",
        r"\begin{cases} 1 & a_{y} - b_{y} > 0 \\ c_{y} & \text{else} \end{cases}",
    ),
    (
        call(SCALED, A, 0.5),
        "scaled_by(a[y], the_factor=0.5)",
        r"\operatorname{scaled\_by}\left(a_{y}, \mathrm{the\_factor}=0.5\right)",
    ),
    (
        Pieces(Y, (2, 5), (A, B + C)),
        "(a[y] for y < 2, else b[y] + c[y])",
        r"\begin{cases} a_{y} & y < 2 \\ b_{y} + c_{y} & \text{else} \end{cases}",
    ),
    (Number(float("-inf")), "−∞", r"-\infty"),
    (Number(float("inf")), "∞", r"\infty"),
]


@pytest.mark.parametrize(("value", "text", "latex"), BRACKETS, ids=range(len(BRACKETS)))
def test_brackets_and_functions(value: Expression, text: str, latex: str) -> None:
    equation = Equation((Y,), value)
    assert str(equation) == f"out[y] = {text}"
    if latex:
        assert equation.latex() == rf"\mathrm{{out}}_{{y}} = {latex}"


def test_a_number_without_axes() -> None:
    assert str(Equation((), weight("scale")[()] * 2.0)) == "out = scale · 2"
    assert Equation((), weight("scale")[()] * 2.0).latex() == (
        r"\mathrm{out} = \mathrm{scale} \cdot 2"
    )
