"""Expressions: what ONE output number is, written with operators.

    bias[o] + Sum(i, j, c)(source[y + i, x + j, c] * kernel[i, j, c, o])

A tensor indexed by indices is a read; reads, numbers, + − · ÷, functions and reductions over axes
(sum, max, mean) are all there is, and pieces: one expression after another along an axis. A local is
a tensor that the equation defines on the way (the mean of a normalisation, the depthwise half of a
separable convolution).
"""

from __future__ import annotations

import operator
from collections.abc import Callable, Iterable, Iterator, Sequence
from functools import lru_cache

from convscope.notation.functions import Function
from convscope.notation.index import Axis, Index, as_index
from convscope.notation.node import node
from convscope.notation.sizes import Size, is_known
from convscope.typed import TYPE_CHECKING, Record

if TYPE_CHECKING:
    from typing import ClassVar, Literal, TypeAlias

Role: TypeAlias = "Literal['input', 'weight', 'local', 'gradient']"
"""What a tensor is to an equation; a gradient is what reaches its output from further on."""

Outside: TypeAlias = "Literal['zero', '-inf', 'skip', 'edge']"
Padding: TypeAlias = tuple[Size, Size]


class Expression:
    """A value; the operators make larger ones."""

    __slots__ = ()

    def __add__(self, other: Operand) -> Binary:
        return Binary("+", self, as_expression(other))

    def __radd__(self, other: Operand) -> Binary:
        return Binary("+", as_expression(other), self)

    def __sub__(self, other: Operand) -> Binary:
        return Binary("-", self, as_expression(other))

    def __rsub__(self, other: Operand) -> Binary:
        return Binary("-", as_expression(other), self)

    def __mul__(self, other: Operand) -> Binary:
        return Binary("*", self, as_expression(other))

    def __rmul__(self, other: Operand) -> Binary:
        return Binary("*", as_expression(other), self)

    def __truediv__(self, other: Operand) -> Binary:
        return Binary("/", self, as_expression(other))

    def __rtruediv__(self, other: Operand) -> Binary:
        return Binary("/", as_expression(other), self)

    def parts(self) -> tuple[Expression, ...]:
        """Return the expressions that this one is made of, one step down."""
        return ()

    def rebuilt(self, parts: Sequence[Expression]) -> Expression:
        """Return the same expression made of other parts, one for each of `parts()`."""
        return self

    def walk(self) -> Iterator[Expression]:
        """Yield this expression and everything below it, each before its parts."""
        left: list[Expression] = [self]
        while left:
            node = left.pop()
            yield node
            left += node.parts()[::-1]


Operand: TypeAlias = Expression | int | float


@node
class Number(Expression):
    """A number that is written in the equation itself."""

    value: float


_NOTHING = Number(0.0)


@node
class Place(Expression):
    """The number that an index is."""

    index: Index


@node
class Inside(Expression):
    """1 where every index is whole and lies in 0 … size − 1, else 0: a factor that says whether."""

    indices: tuple[Index, ...]
    sizes: tuple[Size, ...]


@node
class Tensor:
    """Something that can be read: an input, a weight, a local of the equation, or a gradient.

    An input knows its shape. A weight does not: its shape follows from how it is read.
    """

    name: str
    role: Role
    shape: tuple[Size, ...] | None = None

    def __getitem__(self, indices: Index | Size | tuple[Index | Size, ...]) -> Read:
        many = indices if isinstance(indices, tuple) else (indices,)
        return Read(self, tuple(as_index(i) for i in many))

    def padded(
        self, padding: Sequence[Padding], outside: Outside, scattered: bool = False
    ) -> Padded:
        """Return the same tensor with a border: (before, after) for every dimension.

        scattered   whether each of its numbers is spread over many outputs (a transposed
                    convolution), so that work is counted from its side
        """
        return Padded(self, tuple(padding), outside, scattered)


def source(shape: Sequence[Size], name: str = "in") -> Tensor:
    """Return an input of the layer, of this shape (without the batch)."""
    return Tensor(name, "input", tuple(shape))


def weight(name: str) -> Tensor:
    """Return a weight of the layer; its shape follows from how the equation reads it."""
    return Tensor(name, "weight")


@node
class Local(Tensor):
    """A tensor that the equation defines: name[axes] = expression.

    preactivation   it is the value before an activation over a whole axis (softmax)
    neutral         it keeps numbers in range and changes no result (the largest, before exp), so that
                    no gradient passes through it
    """

    axes: tuple[Axis, ...] = ()
    expression: Expression = _NOTHING
    preactivation: bool = False
    neutral: bool = False


def local(
    name: str,
    axes: Sequence[Axis],
    expression: Expression,
    preactivation: bool = False,
    neutral: bool = False,
) -> Local:
    """Return a local: name[axes] = expression, to be read like any tensor."""
    sizes = tuple(a.size for a in axes)
    return Local(name, "local", sizes, tuple(axes), expression, preactivation, neutral)


@node
class Padded:
    """A tensor with a border around it, and what a read in the border gives."""

    tensor: Tensor
    padding: tuple[Padding, ...]
    outside: Outside
    scattered: bool = False

    def __getitem__(self, indices: Index | Size | tuple[Index | Size, ...]) -> Read:
        many = indices if isinstance(indices, tuple) else (indices,)
        places = tuple(as_index(i) for i in many)
        return Read(self.tensor, places, self.padding, self.outside, self.scattered)


@node
class Read(Expression):
    """One number of a tensor. With a padding, indices may fall outside, where `outside` holds:

    zero   the border is 0
    -inf   the border is less than everything (a maximum ignores it)
    skip   the border does not exist (a mean divides by the rest)
    edge   the border repeats the nearest number inside
    """

    tensor: Tensor
    indices: tuple[Index, ...]
    padding: tuple[Padding, ...] | None = None
    outside: Outside = "zero"
    scattered: bool = False


@node
class Binary(Expression):
    """Two expressions and + - * or / between them."""

    operator: Literal["+", "-", "*", "/"]
    left: Expression
    right: Expression

    def parts(self) -> tuple[Expression, ...]:
        return self.left, self.right

    def rebuilt(self, parts: Sequence[Expression]) -> Binary:
        return Binary(self.operator, *parts)


@node
class Call(Expression):
    """A named function of expressions."""

    function: Function
    arguments: tuple[Expression, ...]

    def parts(self) -> tuple[Expression, ...]:
        return self.arguments

    def rebuilt(self, parts: Sequence[Expression]) -> Call:
        return Call(self.function, tuple(parts))


@node
class Reduction(Expression):
    """The sum, the maximum or the mean of a body while axes run over their sizes.

    "first" is where the maximum is: the first of the places that hold it, counted from 0 with the last
    axis fastest.
    """

    kind: Literal["sum", "max", "mean", "first"]
    axes: tuple[Axis, ...]
    body: Expression

    SIGNS: ClassVar[dict[str, str]] = {
        "sum": "Σ",
        "max": "max",
        "mean": "mean",
        "first": "argmax",
    }

    def parts(self) -> tuple[Expression, ...]:
        return (self.body,)

    def rebuilt(self, parts: Sequence[Expression]) -> Reduction:
        return Reduction(self.kind, self.axes, *parts)


@node
class Pieces(Expression):
    """One expression after another along an axis: the first whose end lies beyond the position.

    `along` is the axis, or an index over axes; `ends` are where each stops, the last being the axis'
    size. What a body reads must have a border wide enough for the whole axis, since a grid of
    positions evaluates every body everywhere.
    """

    along: Index
    ends: tuple[Size, ...]
    bodies: tuple[Expression, ...]

    def parts(self) -> tuple[Expression, ...]:
        return self.bodies

    def rebuilt(self, parts: Sequence[Expression]) -> Pieces:
        return Pieces(self.along, self.ends, tuple(parts))

    def at(self, place: int) -> Expression:
        """Return the expression that holds at one position of the axis."""
        return next(b for end, b in zip(self.ends, self.bodies, strict=True) if place < end)

    def lengths(self) -> tuple[Size, ...]:
        """Return along how many positions each expression holds."""
        return tuple(map(operator.sub, self.ends, (0, *self.ends[:-1])))


def as_expression(value: Operand) -> Expression:
    """Return an expression from an expression or a number."""
    return value if isinstance(value, Expression) else Number(float(value))


def call(function: Function, *arguments: Operand) -> Call:
    """Return function(arguments)."""
    return Call(function, tuple(as_expression(a) for a in arguments))


def Sum(*axes: Axis) -> Callable[[Expression], Reduction]:
    """Sum(i, j, c)(body): the sum of body over all i, j and c."""
    return lambda body: Reduction("sum", axes, body)


def Max(*axes: Axis) -> Callable[[Expression], Reduction]:
    """Max(i, j)(body): the largest body over all i and j."""
    return lambda body: Reduction("max", axes, body)


def Mean(*axes: Axis) -> Callable[[Expression], Reduction]:
    """Mean(i, j)(body): the sum of body over i and j, divided by how many there were."""
    return lambda body: Reduction("mean", axes, body)


def factors(expression: Expression) -> Iterator[Expression]:
    """Yield the factors of a product, left to right; anything else is its own only factor."""
    if isinstance(expression, Binary) and expression.operator == "*":
        yield from factors(expression.left)
        yield from factors(expression.right)
    else:
        yield expression


def addends(expression: Expression) -> Iterator[Expression]:
    """Yield the addends of a sum of two or more, left to right (a difference is one addend)."""
    if isinstance(expression, Binary) and expression.operator == "+":
        yield from addends(expression.left)
        yield from addends(expression.right)
    else:
        yield expression


def depends(node: Expression) -> set[Axis]:
    """Return the axes that a value depends on."""
    match node:
        case Read(_, indices) | Inside(indices):
            return set[Axis]().union(*(index.axes() for index in indices))
        case Reduction(_, axes, body):
            return depends(body).difference(axes)
        case Place(index):
            return index.axes()
        case Pieces(along, _, bodies):
            return along.axes().union(*map(depends, bodies))
    return set[Axis]().union(*map(depends, node.parts()))


def by_place(node: Expression) -> bool:
    """Whether it is a choice between two expressions that follows from where the output is alone."""
    if not (isinstance(node, Call) and node.function.name == "select"):
        return False
    return not any(isinstance(n, (Read, Reduction)) for n in node.arguments[0].walk())


def leads_back(tensor: Tensor) -> bool:
    """Whether a tensor is a gradient: that of an output, or a local made of it."""
    if not isinstance(tensor, Local):
        return tensor.role == "gradient"
    return any(read.tensor.role == "gradient" for read in reads([tensor.expression]))


def reads(expressions: Iterable[Expression]) -> Iterator[Read]:
    """Yield every read in the expressions, and in the locals that they read, as written."""
    seen: set[Tensor] = set()
    stack = list(expressions)
    while stack:
        for part in stack.pop().walk():
            if isinstance(part, Read):
                yield part
                if isinstance(part.tensor, Local) and part.tensor not in seen:
                    seen.add(part.tensor)
                    stack.append(part.tensor.expression)


# -- sums of which few terms count ------------------------------------------------------------------


class Near(Record):
    """An axis of a sum, the number next to which its places count, and how many they are.

    They are the places p with −taps/2 ≤ at − p < taps/2; `part` is the factor that says so.
    """

    axis: Axis
    at: Expression
    taps: int
    part: Expression


@lru_cache(maxsize=512)
def nears(node: Reduction) -> tuple[Near, ...]:
    """Return the axes of a sum along which only places next to a number count.

    Where an equation reads does not depend on what it reads, so that a sum runs over all places of a map. But where
    each has a weight by its distance from a number, few need to be looked at.

    >>> from convscope.notation.functions import Function
    >>> h, near = Axis("h", 56), Function("near", ("x",), ("max", 0.0, ("sub", 1.0, ("abs", "x"))), taps=2)
    >>> [(one.axis.name, one.taps) for one in nears(Sum(h)(call(near, source((3,))[1] - Place(h))))]
    [('h', 2)]
    """
    if node.kind != "sum":
        return ()
    found = {one.axis: one for one in _candidates(node)}
    return tuple(one for one in found.values() if depends(one.at).isdisjoint(found))


@lru_cache(maxsize=512)
def lengths(node: Reduction, beside: int = 0) -> tuple[Size, ...]:
    """Return how many places along each axis of a reduction count, and so many more on each side."""
    few = {one.axis: one.taps + 2 * beside for one in nears(node)}
    return tuple(min(few[a], a.size) if a in few else a.size for a in node.axes)


def _candidates(node: Reduction) -> Iterator[Near]:
    for part in factors(node.body):
        taps = part.function.taps if isinstance(part, Call) else None
        if taps is None:
            continue
        match part.arguments:  # type: ignore[attr-defined]
            case (Binary("-", at, Place(index)), *_) | (at, Place(index)):
                axis = (index - index.const).single()
                if axis in node.axes and all(map(is_known, (axis.size, index.const))):
                    yield Near(axis, at - float(index.const) if index.const else at, taps, part)
