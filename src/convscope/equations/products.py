"""Products of matrices: dense layers, and stacks of matrices.

out[o] = bias[o] + Σ c  in[c] · kernel[c, o]
out[n, m, o] = Σ k  a[n, m, k] · b[n, k, o]
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

from convscope.equations.convolution import Bias, biased
from convscope.equations.layout import Layout
from convscope.equations.merging import aligned, broadcast
from convscope.errors import ShapeError
from convscope.notation import Axis, Equation, Expression, Size, Sum, Tensor
from convscope.notation.sizes import Shape, shape_text, surely_differ
from convscope.typed import TYPE_CHECKING

if TYPE_CHECKING:
    from typing import Any


def linear(
    image: Tensor,
    kernel: Tensor,
    bias: Bias,
    lead: Sequence[Axis],
    inputs: Size,
    units: Size,
    layout: Layout,
    name: str = "c",
) -> Equation:
    """Return a dense layer: every unit reads all inputs along the last axis, at each place before it.

    The axis of the inputs is no channel: a ledger would make a group of every single product.
    """
    c, o = Axis(name, inputs, "input", role="in"), Axis("o", units, "unit", role="out")
    total = Sum(c)(image[(*lead, c)] * kernel[layout.kernel((), c, o)])
    return Equation((*lead, o), biased(total, bias, o))


def matrix_product(
    left: Callable[..., Expression],
    right: Callable[..., Expression],
    shapes: tuple[Shape, Shape],
    named: Callable[[Sequence[Size]], tuple[Axis, ...]],
    what: str,
    place: Callable[[int, Shape, Sequence[Axis]], Sequence[Any]] | None = None,
) -> Equation:
    """Return the product of two matrices, or of stacks of them that are broadcast together.

    left, right   read the tensors, at one index after another
    named         gives axes to a tensor's shape; those of the stack are called by it
    place         where the stack of tensor 0 or 1 is read; broadcast by default

    Raises `ShapeError` where they do not fit; `what` begins its message.
    """
    a, b = shapes
    if not a or not b:
        raise ShapeError(f"{what} takes no single numbers")
    row, column = len(a) > 1, len(b) > 1
    if surely_differ(a[-1], b[-2] if column else b[-1]):
        raise ShapeError(
            f"{what}: the matrices {shape_text(a)} and {shape_text(b)} do not fit together"
        )
    stacks = (a[:-2], b[:-2])
    lead = broadcast(stacks, what)
    axes = named((*lead, 1, 1))[: len(lead)]
    k = Axis("k", a[-1], "input", role="in")
    m = Axis("m" if lead else "n", a[-2] if row else 1, "row" if lead else "image")
    o = Axis("o", b[-1], "unit", role="out")
    first, second = (
        aligned(stack, axes) if place is None else place(n, stack, axes)
        for n, stack in enumerate(stacks)
    )
    product = left(*first, *((m, k) if row else (k,))) * right(
        *second, *((k, o) if column else (k,))
    )
    return Equation((*axes, *((m,) if row else ()), *((o,) if column else ())), Sum(k)(product))
