"""Rows of a table, by their numbers: what an embedding does.

    out[t, o] = table[in[t], o]

Where an equation reads does not depend on what it reads, so that all rows stand there, of which one counts.
"""

from __future__ import annotations

from convscope.notation import Axis, Expression, Sum, Tensor, call
from convscope.notation.expression import Place
from convscope.notation.functions import Formula, Function

_WHOLE: Formula = ("mul", ("sign", "x"), ("floor", ("abs", "x")))
_ROW: Formula = ("select", ("sub", 0.0, _WHOLE), ("add", _WHOLE, "rows"), _WHOLE)
IF_ROW = Function(
    "if_row",
    ("x", "row", "number", "rows"),
    ("select", ("abs", ("sub", _ROW, "row")), 0.0, "number"),
)
"""The number where x, cut to a whole number and counted from the end if negative, is that row; else 0."""


def looked_up(where: Expression, table: Tensor, v: Axis, o: Axis) -> Expression:
    """Return number o of the row of a table that another number names; v runs over all rows."""
    return Sum(v)(call(IF_ROW, where, Place(v * 1), table[v, o], float(v.size)))
