"""Products of matrices: dense layers, matrix products, einsum.

out[n, o] = bias[o] + Σ k  in[n, k] · weight[o, k]
"""

from __future__ import annotations

from convscope.aten.rule import Call, NoEquation, Rule, Write, axes_of
from convscope.equations import products
from convscope.errors import ShapeError
from convscope.notation import Axis, Equation, Expression, Sum
from convscope.notation.sizes import shape_text


def linear(given: Call) -> Equation:
    shape, weight = given.shape("input"), given.shape("weight")
    if len(weight) == 1 and shape[-1] == weight[0] and not given.has("bias"):
        reads = given.reader("input"), given.reader("weight")
        return products.matrix_product(*reads, (shape, weight), axes_of, given.op)
    if len(weight) != 2 or shape[-1] != weight[-1]:
        raise ShapeError(
            f"linear: rows of {shape[-1]} numbers do not fit a weight {shape_text(weight)}"
        )
    lead = axes_of((*shape[:-1], 1))[:-1] if len(shape) > 1 else ()
    image, kernel, bias = given.tensor("input"), given.tensor("weight"), given.addend("bias")
    return products.linear(image, kernel, bias, lead, weight[1], weight[0], given.layout, "k")


def write_linear(given: Call, form: Write) -> str:
    rank = len(given.shape("input"))
    if len(given.shape("weight")) == 1:
        return form.node("MatMul", form.input("input"), form.input("weight"))
    bias = (form.input("bias"),) if given.has("bias") else ()
    if rank == 2:
        return form.node("Gemm", form.input("input"), form.input("weight"), *bias, transB=1)
    turned = form.node("Transpose", form.input("weight"), perm=[1, 0])
    value = form.node("MatMul", form.input("input"), turned)
    return form.node("Add", value, *bias) if bias else value


_ADDED = ("addmm", "baddbmm", "addmv")
_PAIRS = (
    ("self", "other"),
    ("self", "mat2"),
    ("self", "vec"),
    ("self", "tensor"),
    ("mat1", "mat2"),
    ("mat", "vec"),
    ("batch1", "batch2"),
)


def _names(given: Call) -> tuple[str, str]:
    pairs = _PAIRS[4:] if given.op in _ADDED else _PAIRS
    for left, right in pairs:
        if given.has(left) and given.has(right):
            return left, right
    raise NoEquation("it multiplies nothing that is known")


def matmul(given: Call) -> Equation:
    left, right = _names(given)
    shapes = given.shape(left), given.shape(right)
    if not all(shapes):
        raise NoEquation("one of them is a single number")
    return products.matrix_product(
        given.reader(left), given.reader(right), shapes, axes_of, given.op
    )


def write_matmul(given: Call, form: Write) -> str:
    left, right = _names(given)
    return form.node("MatMul", form.input(left), form.input(right))


def _added(given: Call) -> Equation:
    """aten::addmm, baddbmm, addmv: β·self + α·(a · b)."""
    product = matmul(given)
    axes, total = product.axes, product.expression
    alpha, beta = given["alpha"], given["beta"]
    if alpha not in (None, 1):
        total = float(alpha) * total
    if beta == 0:
        return Equation(axes, total)
    more: Expression = given.spread("self", axes)
    return Equation(axes, (more if beta in (None, 1) else float(beta) * more) + total)


def _write_added(given: Call, form: Write) -> str:
    value = write_matmul(given, form)
    if given["alpha"] not in (None, 1):
        value = form.node("Mul", value, form.number(float(given["alpha"])))
    if given["beta"] == 0:
        return value
    more = form.input("self")
    if given["beta"] not in (None, 1):
        more = form.node("Mul", more, form.number(float(given["beta"])))
    return form.node("Add", more, value)


def einsum(given: Call) -> Equation:
    from convscope.equations.einsum import einsum as summed
    from convscope.equations.einsum import sizes_of, spelled_out

    spelling, keys = _spelling(given)
    shapes = [given.shape(key) for key in keys]
    terms, result = spelled_out(spelling, list(map(len, shapes)))
    sizes = sizes_of(terms, shapes, given.op)
    axes = axes_of([sizes[letter] for letter in result])
    return Equation(*summed(terms, result, sizes, shapes, [given.reader(k) for k in keys], axes))


def write_einsum(given: Call, form: Write) -> str:
    spelling, keys = _spelling(given)
    return form.node("Einsum", *map(form.input, keys), equation=spelling)


def _spelling(given: Call) -> tuple[str, list[str]]:
    """Return an einsum and its tensors: its own, or what says that two are multiplied along pairs of their axes."""
    if given.op == "einsum":
        if not isinstance(given["equation"], str):
            raise NoEquation("its axes are not named")
        return given["equation"], given.many("tensors")
    keys = ["self", "vec2" if given.has("vec2") else "other"]
    first, second = (len(given.shape(key)) for key in keys)
    letters = "ijklmnopqrstuvwxyz"
    left, right = list(letters[:first]), list(letters[first : first + second])
    pairs = {"inner": ((-1,), (-1,)), "tensordot": (given["dims_self"], given["dims_other"])}
    for a, b in zip(*pairs.get(given.op, ((), ())), strict=True):
        right[b] = left[a]
    result = [c for c in (*left, *right) if (c in left) != (c in right)]
    return f"{''.join(left)},{''.join(right)}->{''.join(result)}", keys


def _bilinear(given: Call) -> Equation:
    """out[n, o] = Σ i, j  in1[n, i] · weight[o, i, j] · in2[n, j] + bias[o]"""
    units, first, second = given.shape("weight")
    *lead, o = axes_of((*given.shape("input1")[:-1], units))
    i, j = Axis("i", first), Axis("j", second)
    product = given.read("input1", *lead, i) * given.read("weight", o, i, j)
    total: Expression = Sum(i, j)(product * given.read("input2", *lead, j))
    return Equation((*lead, o), total + given.read("bias", o) if given.has("bias") else total)


def _write_bilinear(given: Call, form: Write) -> str:
    read = (form.input(name) for name in ("input1", "weight", "input2"))
    total = form.node("Einsum", *read, equation="...i,oij,...j->...o")
    return form.node("Add", total, form.input("bias")) if given.has("bias") else total


RULES = {
    "bilinear": Rule(_bilinear, _write_bilinear),
    "linear": Rule(linear, write_linear),
    **{name: Rule(matmul, write_matmul) for name in ("matmul", "bmm", "mm", "mv", "dot", "vdot")},
    **{name: Rule(_added, _write_added) for name in _ADDED},
    **{name: Rule(einsum, write_einsum) for name in ("einsum", "outer", "inner", "tensordot")},
}
