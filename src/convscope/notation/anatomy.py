"""How an equation is taken apart: its activation, its main reduction, and what is added to that.

    out = relu( bias[o] + Σ i<3, j<3, c<32  in[y + i, x + j, c] · kernel[i, j, c, o] )
          ────  ───────   ──────────────────────────────────────────────────────────
     activation  added     main: window i, j; one group for each c; reads `in`, weighs it by `kernel`

It is read off the equation alone, without numbers, so that whoever has numbers (the ledger here, the
explorer's script from the JSON) takes it apart the same way.
"""

from __future__ import annotations

from weakref import WeakKeyDictionary

from convscope.notation.equation import Equation
from convscope.notation.expression import (
    Call,
    Expression,
    Number,
    Read,
    Reduction,
    addends,
    factors,
    reads,
)
from convscope.notation.index import Axis
from convscope.notation.sizes import Size
from convscope.typed import Record

CONDITIONS = ("select", "same", "equal", "level", "differs", "greater", "above", "at_least")
"""Functions that ask for something, and so are no activation of what stands inside."""


class Main(Record):
    """The reduction whose terms a ledger lists, in groups.

    reduction   the sum, maximum or mean itself
    over        the axis with one group for each step (the input's channels); None for a single group
    window      the other axes it runs over
    read        what is read of the input, or of a local made of it
    weights     what that is multiplied by: weights' reads, and factors that only the place says (an
                interpolation's), or a number that says where; nothing for a pooling
    channel     which of the read's indices says the channel; None where none does
    """

    reduction: Reduction
    over: Axis | None
    window: tuple[Axis, ...]
    read: Read
    weights: tuple[Expression, ...]
    channel: int | None

    @property
    def channels(self) -> Size:
        """How many channels it reads from, of all outputs together; None where nothing says the channel.

        More than one output's sum runs over where the channels are in groups.
        """
        index = None if self.channel is None else self.read.indices[self.channel]
        if index is None or any(axis.size is None for axis in index.axes()):
            return None
        return index.bounds({axis: (0, axis.size - 1) for axis in index.axes()})[1] + 1


class Anatomy(Record):
    """The parts of an equation.

    axes           what the position runs along, for `preactivation` and everything in it
    preactivation  the value before the activation; the whole expression where there is none
    activation     the names of the functions applied last, outermost first
    whole          whether an activation over a whole axis is applied last instead (softmax)
    main           the main reduction; None where there is none
    added          what is added to the main reduction
    listed_axes    what the position runs along for `listed`
    listed         the expressions whose readings outside reductions a ledger lists: what is added, or
                   everything where there is no main reduction
    """

    axes: tuple[Axis, ...]
    preactivation: Expression
    activation: tuple[str, ...]
    whole: bool
    main: Main | None
    added: tuple[Expression, ...]
    listed_axes: tuple[Axis, ...]
    listed: tuple[Expression, ...]


_known: WeakKeyDictionary[Equation, Anatomy] = WeakKeyDictionary()


def anatomy(equation: Equation) -> Anatomy:
    """Return the parts of an equation, which is taken apart once."""
    found = _known.get(equation)
    if found is None:
        found = _known[equation] = _taken_apart(equation)
    return found


def _taken_apart(equation: Equation) -> Anatomy:
    axes, before, activation = equation.axes, equation.expression, tuple[str, ...]()
    # a gradient reads what stood before the activation, but is not what the activation makes of it
    back = any(read.tensor.role == "gradient" for read in reads([equation.expression]))
    held = None if back else next((item for item in equation.locals if item.preactivation), None)
    if held is not None:
        axes, before = held.axes, held.expression
    else:
        before, activation = _peeled(before)
    pieces = tuple(addends(before))
    main = next((p for p in pieces if isinstance(p, Reduction) and _groupable(p)), None)
    whole = held is not None
    if main is None:
        everything = (equation.expression,)
        return Anatomy(axes, before, activation, whole, None, (), equation.axes, everything)
    added = tuple(piece for piece in pieces if piece is not main)
    return Anatomy(axes, before, activation, whole, _opened(main), added, axes, added)


def _peeled(expression: Expression) -> tuple[Expression, tuple[str, ...]]:
    """Return what stands inside the functions applied last, and their names."""
    names: tuple[str, ...] = ()
    while (
        isinstance(expression, Call)
        and expression.function.name not in CONDITIONS
        and all(isinstance(a, Number) for a in expression.arguments[1:])
    ):
        names += (expression.function.name,)
        expression = expression.arguments[0]
    return expression, names


def _groupable(node: Reduction) -> bool:
    """Whether a reduction is over reads, or products of an input's read and weights (or of what says where)."""
    if node.kind == "first":
        return False
    parts = list(factors(node.body))
    sources = [p for p in parts if isinstance(p, Read) and p.tensor.role != "weight"]
    placed = (p for p in parts if not isinstance(p, Read) and not _says_where(p))
    return len(sources) == 1 and not any(
        isinstance(n, (Read, Reduction)) for p in placed for n in p.walk()
    )


def _says_where(node: Expression) -> bool:
    return isinstance(node, Call) and node.function.taps is not None


def _opened(node: Reduction) -> Main:
    parts = list(factors(node.body))
    read = next(p for p in parts if isinstance(p, Read) and p.tensor.role != "weight")
    over = next((axis for axis in node.axes if axis.role == "in"), None)
    window = tuple(axis for axis in node.axes if axis is not over)
    weights = tuple(p for p in parts if p is not read)
    return Main(node, over, window, read, weights, _channel_place(read, over))


def _channel_place(read: Read, over: Axis | None) -> int | None:
    """Return which index of a read is the channel: where the grouping axis moves, or, without one,
    where only channels do; None where there is none."""
    for place, index in enumerate(read.indices):
        axes = index.axes()
        if over is not None:
            if over in axes:
                return place
        elif axes and all(axis.role for axis in axes):
            return place
    return None
