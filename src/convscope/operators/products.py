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
from convscope.notation import Equation
from convscope.notation.sizes import shape_text
from convscope.operators.rule import Node, Rule, read_at, spread


def gemm(node: Node) -> Equation:
    a, b = node.shape(0), node.shape(1)
    if len(a) != 2 or len(b) != 2:
        raise ShapeError(f"{node.op} takes matrices, not {shape_text(a)} and {shape_text(b)}")
    across, down = node.flag("transA"), node.flag("transB")
    turned = a[::-1] if across else a, b[::-1] if down else b
    product = matrix_product(
        lambda *at: node.read(0, *(at[::-1] if across else at)),
        lambda *at: node.read(1, *(at[::-1] if down else at)),
        turned, node.layout.axes, node.op,
    )  # fmt: skip
    axes, total = product.axes, product.expression
    alpha, beta = node.number("alpha", 1.0), node.number("beta", 1.0)
    if alpha != 1.0:
        total = alpha * total
    if node.has(2) and beta != 0.0:
        bias = spread(node, 2, axes)
        if not is_number(bias, 0):
            total = (bias if beta == 1.0 else beta * bias) + total
    return Equation(axes, total)


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
