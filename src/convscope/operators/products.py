"""Matrix products: Gemm, MatMul, Einsum.

out[n, o] = bias[o] + Σ k  in[n, k] · kernel[k, o]
"""

from __future__ import annotations

from functools import partial

from convscope.equations.einsum import einsum as summed
from convscope.equations.einsum import sizes_of, spelled_out
from convscope.equations.products import matrix_product
from convscope.equations.stating import is_number
from convscope.errors import ShapeError
from convscope.notation import Axis, Equation, Expression, Size, Sum
from convscope.notation.sizes import is_known, shape_text
from convscope.operators.rule import Node, Rule, read_at, spread


def _same(node: Node, a: Size, b: Size) -> None:
    if is_known(a) and is_known(b) and a != b:
        shapes = " and ".join(shape_text(node.shape(place)) for place in (0, 1))
        raise ShapeError(f"{node.op}: the matrices {shapes} do not fit together")


def gemm(node: Node) -> Equation:
    a, b = node.shape(0), node.shape(1)
    if len(a) != 2 or len(b) != 2:
        raise ShapeError(f"{node.op} takes matrices, not {shape_text(a)} and {shape_text(b)}")
    across, down = node.flag("transA"), node.flag("transB")
    _same(node, a[0] if across else a[1], b[1] if down else b[0])
    n = Axis("n", a[1] if across else a[0], "image")
    o = Axis("o", b[0] if down else b[1], "unit", role="out")
    k = Axis("k", a[0] if across else a[1], "input", role="in")
    left = node.read(0, *((k, n) if across else (n, k)))
    right = node.read(1, *((o, k) if down else (k, o)))
    total: Expression = Sum(k)(left * right)
    alpha, beta = node.number("alpha", 1.0), node.number("beta", 1.0)
    if alpha != 1.0:
        total = alpha * total
    if node.has(2) and beta != 0.0:
        bias = spread(node, 2, (n, o))
        if not is_number(bias, 0):
            total = (bias if beta == 1.0 else beta * bias) + total
    return Equation((n, o), total)


def matmul(node: Node) -> Equation:
    return matrix_product(
        partial(node.read, 0), partial(node.read, 1), (node.shape(0), node.shape(1)),
        node.layout.axes, node.op, partial(read_at, node),
    )  # fmt: skip


def einsum(node: Node) -> Equation:
    shapes = [node.shape(n) for n in range(len(node))]
    terms, result = spelled_out(node.text("equation", ""), list(map(len, shapes)))
    sizes = sizes_of(terms, shapes, node.op)
    axes = node.layout.axes([sizes[letter] for letter in result])
    reads = [partial(node.read, n) for n in range(len(node))]
    return Equation(*summed(terms, result, sizes, shapes, reads, axes))


RULES = {
    "Einsum": Rule(einsum, {"*": "matrix"}),
    "Gemm": Rule(gemm, {0: "matrix", 1: "kernel", 2: "bias"}),
    "MatMul": Rule(matmul, {0: "matrix", 1: "kernel"}),
}
