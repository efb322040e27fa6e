"""The language of equations: one statement of what ONE output number is, everything else derived.

Each module is one part of it:

    index        axes and the whole-number expressions over them
    spread       how an index moves with axes
    expression   reads, products, sums, maxima and means
    functions    named functions and their formulas
    equation     an equation: output shape and why, weights' shapes, windows
    rewriting    an equation made again: axes replaced, sizes filled in, a batch in front
    adjoint      the gradient of everything that an equation reads, as further equations
    solving      a read's indices solved for the axes that lead to a place
    slopes       the derivative of a function's formula
    counting     multiply–accumulates and other work
    anatomy      the parts that the number is made of: activation, main reduction, what is added
    printing     text, LaTeX and words
    serial       to JSON and back
    evaluation   values at positions, in float64 or float32 (needs numpy, which is imported only there)
    ledger       the arithmetic of one number, taken apart (needs numpy)
    cone         one number of a chain of equations, from the window it sees (needs numpy)
    sizes        ints, symbols and unknowns
    symbols      symbols in one form, shown and read back (needs sympy, imported only there)
"""

from convscope.notation.counting import macs, other_work, products, products_of_inputs
from convscope.notation.equation import Equation, Fit
from convscope.notation.expression import (
    Expression,
    Local,
    Max,
    Mean,
    Pieces,
    Read,
    Sum,
    Tensor,
    call,
    local,
    source,
    weight,
)
from convscope.notation.index import Axis, Index, exactly
from convscope.notation.sizes import UNKNOWN, Size, size, symbol

__all__ = [
    "UNKNOWN",
    "Axis",
    "Equation",
    "Expression",
    "Fit",
    "Index",
    "Local",
    "Max",
    "Mean",
    "Pieces",
    "Read",
    "Size",
    "Sum",
    "Tensor",
    "call",
    "exactly",
    "local",
    "macs",
    "other_work",
    "products",
    "products_of_inputs",
    "size",
    "source",
    "symbol",
    "weight",
]
