"""Gradients as equations: what a change of one number that an equation reads does to its outputs.

    out[y] = Σ i<3  in[y + i] · kernel[i]
    din[y] = Σ i<3  dout[y − i] · kernel[i]          dkernel[i] = Σ y<26  in[y + i] · dout[y]

`adjoint` gives one equation for each input and each weight. It reads what the equation reads, and `dout`:
what a change of each output does to whatever is asked about. Nothing states a backward pass by hand: the
expression is walked down to each read, carrying what reaches it (product and quotient rule, a function's
slope, sums pass on, a mean divides by how many there were); the read's indices are set equal to the place t
of the tensor and solved for the axes, output axes first; what is left running is summed over.

>>> from convscope.notation import Axis, Equation, Sum, source, weight
>>> y, i = Axis("y"), Axis("i", 3)
>>> blur = Equation((y,), Sum(i)(source((28,))[y + i] * weight("kernel")[i]))
>>> for found in adjoint(blur).values():
...     print(found)
din[y] = Σ i<3  dout[y − i] · kernel[i]
dkernel[i] = Σ y<26  in[y + i] · dout[y]

A maximum passes everything to the first place that holds it; what is clipped has slope 0 at the number at
which it is clipped (see `slopes`). What only keeps numbers in range (a softmax's largest) passes nothing.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

from convscope.errors import ShapeError
from convscope.notation.equation import Equation
from convscope.notation.expression import (
    Binary,
    Call,
    Expression,
    Inside,
    Local,
    Number,
    Pieces,
    Place,
    Read,
    Reduction,
    Sum,
    Tensor,
    call,
    depends,
    local,
)
from convscope.notation.functions import SAME
from convscope.notation.index import (
    Axis,
    Index,
    Range,
    as_index,
    is_divided,
)
from convscope.notation.node import changed
from convscope.notation.rewriting import filled, substituted, unlike
from convscope.notation.sizes import Size, is_known, largest, product
from convscope.notation.slopes import slope
from convscope.notation.solving import Bordering, Solution, overhang, surely_inside, within
from convscope.typed import Record

OUTPUT = "dout"
"""What the gradient of the output is called."""


def adjoint(equation: Equation) -> dict[str, Equation]:
    """Return the gradient of each input and weight, in the order in which they are first read.

    Each is an equation over the tensor's own axes; it reads the equation's inputs and weights and
    `dout`, a tensor with the output's axes. Sizes may be symbols; where a border repeats the nearest
    number they may not (`ShapeError`).
    """
    return _Adjoint(filled(equation)).equations()


class _Use(Record):
    """One read, and what reaches it: ± over · gradient[axes] / under, summed over axes and bound.

    A factor of `over` or a divisor of `under` is an expression over those axes.
    """

    read: Read
    axes: tuple[Axis, ...]
    bound: tuple[Axis, ...]
    gradient: Tensor
    over: tuple[Expression, ...] = ()
    under: tuple[Expression, ...] = ()
    negative: bool = False


class _Adjoint:
    def __init__(self, equation: Equation) -> None:
        self.equation = equation
        self.uses: dict[str | Local, list[_Use]] = {}
        self.names = {item.name for item in equation.locals}
        for read, _, _ in equation.inlined:
            if read.tensor.role != "local":
                self.names.add(read.tensor.name)
                self.uses.setdefault(read.tensor.name, [])

    def equations(self) -> dict[str, Equation]:
        e = self.equation
        self.names.add(OUTPUT)
        self.define(e.axes, e.expression, Tensor(OUTPUT, "gradient", e.shape))
        for item in reversed(e.locals):
            if self.uses.get(item) and not item.neutral:
                axes = tuple(axis.like(axis.name, axis.size) for axis in item.axes)
                total = self.total(axes, self.uses[item])
                self.define(item.axes, item.expression, self.local(f"d{item.name}", axes, total))
        found = {}
        for name, uses in self.uses.items():
            if isinstance(name, str):
                axes = self.axes(name)
                found[name] = Equation(axes, self.total(axes, uses), f"d{name}")
        return found

    def local(self, name: str, axes: tuple[Axis, ...], expression: Expression) -> Local:
        """Return a local of a name that is not taken."""
        name = unlike(name, self.names)
        self.names.add(name)
        return local(name, axes, expression)

    def axes(self, name: str) -> tuple[Axis, ...]:
        """Return axes for a tensor, called as where it is first read."""
        read = next(r for r, _, _ in self.equation.inlined if r.tensor.name == name)
        known = read.tensor.shape
        shape = self.equation.weights[name] if known is None else known
        axes: list[Axis] = []
        for n, (index, size) in enumerate(zip(read.indices, shape, strict=True)):
            within = [a for a in (*self.equation.axes, *index.axes()) if a in index.axes()]
            like = index.single() or next(iter(within), None) or Axis(f"t{n}")
            fresh = unlike(like.name, {axis.name for axis in axes})
            axes.append(Axis(fresh, size, like.word, "", like.role))
        return tuple(axes)

    # -- downwards --------------------------------------------------------------------------------

    def define(self, axes: tuple[Axis, ...], node: Expression, gradient: Tensor) -> None:
        """Note what reaches every read of what a tensor is defined as."""
        if isinstance(node, Binary) and node.operator == "+":
            self.define(axes, node.left, gradient)
            self.define(axes, node.right, gradient)
            return
        inner = _peeled(node)
        if isinstance(node, Call) and inner is not None:
            if not isinstance(inner, Read):
                before = self.local("pre", axes, inner)
                node = changed(node, arguments=(before[axes], *node.arguments[1:]))
            over, under = _rise(node, 0)
            body = _product((gradient[axes], *over), under)
            self.define(axes, inner, self.local("dpre", axes, body))
            return
        self.walk(node, _Use(_NOWHERE, axes, (), gradient))

    def walk(self, node: Expression, use: _Use) -> None:
        """Note what reaches every read below a node that so much reaches."""
        match node:
            case Read(tensor):
                key: str | Local = tensor if isinstance(tensor, Local) else tensor.name
                self.uses.setdefault(key, []).append(use._replace(read=node))
            case Binary("+", left, right):
                self.walk(left, use)
                self.walk(right, use)
            case Binary("-", left, right):
                self.walk(left, use)
                self.walk(right, use._replace(negative=not use.negative))
            case Binary("*", left, right):
                self.walk(left, use._replace(over=(*use.over, right)))
                self.walk(right, use._replace(over=(*use.over, left)))
            case Binary("/", left, right):
                held = self.once(right, use)
                self.walk(left, use._replace(under=(*use.under, held)))
                turned = use._replace(negative=not use.negative, over=(*use.over, left))
                self.walk(right, turned._replace(under=(*use.under, held, held)))
            case Call(_, arguments):
                for place, argument in enumerate(arguments):
                    if not isinstance(argument, Number):
                        self.applied(node, place, argument, use)
            case Reduction():
                self.reduced(node, use)
            case Pieces(along, ends, bodies):
                for start, end, body in zip((0, *ends[:-1]), ends, bodies, strict=True):
                    here = Inside((along - start,), (end - start,))
                    self.walk(body, use._replace(over=(*use.over, here)))

    def once(self, node: Expression, use: _Use) -> Expression:
        """Return a divisor as a local to be read, where it is a sum: it divides more than once."""
        if not any(isinstance(part, Reduction) for part in node.walk()):
            return node
        free = tuple(a for a in (*use.axes, *use.bound) if a in depends(node))
        return self.local("total", free, node)[free]

    def applied(self, node: Call, place: int, argument: Expression, use: _Use) -> None:
        over, under = _rise(node, place)
        if not any(isinstance(factor, Number) and factor.value == 0.0 for factor in over):
            self.walk(argument, use._replace(over=(*use.over, *over), under=(*use.under, *under)))

    def reduced(self, node: Reduction, use: _Use) -> None:
        inner = use._replace(bound=(*use.bound, *node.axes))
        match node.kind:
            case "first":
                return
            case "mean":
                inner = inner._replace(under=(*use.under, self.count(node)))
            case "max":
                free = tuple(a for a in (*use.axes, *use.bound) if a in depends(node))
                first = self.local("first", free, Reduction("first", node.axes, node.body))
                flat: Index = as_index(0)
                for axis in node.axes:
                    flat = flat * axis.size + axis
                inner = inner._replace(over=(*use.over, call(SAME, first[free], Place(flat))))
        self.walk(node.body, inner)

    def count(self, node: Reduction) -> Expression:
        """Return how many numbers a mean is over."""
        for read in node.body.walk():
            if isinstance(read, Read) and read.outside == "skip" and read.padding is not None:
                shape = read.tensor.shape
                assert shape is not None
                held = zip(read.indices, shape, read.padding, strict=True)
                some = [(i, size) for i, size, pad in held if pad != (0, 0) or is_divided(i)]
                if some:
                    indices, sizes = zip(*some, strict=True)
                    own = tuple(a for a in node.axes if any(a in i.axes() for i in indices))
                    rest = product(a.size for a in node.axes if a not in own)
                    total: Expression = Sum(*own)(Inside(tuple(indices), tuple(sizes)))
                    return total if is_known(rest) and rest == 1 else total * float(rest)
        return _number(product(axis.size for axis in node.axes))

    # -- upwards ----------------------------------------------------------------------------------

    def total(self, axes: tuple[Axis, ...], uses: Sequence[_Use]) -> Expression:
        """Return what all uses of a tensor come to at the place of its axes."""
        found: list[tuple[Expression, bool]] = [(self.term(axes, u), u.negative) for u in uses]
        found = [t for t in found if not (isinstance(t[0], Number) and t[0].value == 0.0)]
        if not found:
            return Number(0.0)
        found.sort(key=lambda term: term[1])
        (whole, negative), *rest = found
        if negative:
            whole = -1.0 * whole
        for term, minus in rest:
            whole = whole - term if minus else whole + term
        return whole

    def term(self, axes: tuple[Axis, ...], use: _Use) -> Expression:
        """Return what one use of a tensor comes to at the place of its axes."""
        read = use.read
        if read.outside == "edge" and read.padding is not None:
            return self.edged(axes, use)
        solution = Solution(axes, (*use.axes, *use.bound), read.indices)
        gradient, over, under = use.gradient, list(use.over), list(use.under)
        numbers = [d for d in under if isinstance(d, Number)]
        under = [d for d in under if not isinstance(d, Number)]
        apart = [axis for axis in use.axes if not solution.stays(axis)]
        mine = set(use.axes)
        early = [f for f in over if depends(f) <= mine and not isinstance(f, Number)]
        below = [d for d in under if depends(d) <= mine]
        if (apart and (early or below)) or (below and solution.running):
            body = _product((gradient[use.axes], *early), below)
            gradient = self.local("dpart", use.axes, body)
            over = [f for f in over if f not in early]
            under = [d for d in under if d not in below]
        where = solution.at
        border = [overhang(where[a], a.size, solution.ranges) for a in use.axes]
        scattered = read.tensor.role == "input" and bool(use.bound) and not read.scattered
        places = tuple(where[a] for a in use.axes)
        reached = (
            gradient.padded(border, "zero", scattered)[places]
            if any(b != (0, 0) for b in border) or any(map(is_divided, places))
            else gradient[places]
        )
        conditions = [
            (where[a], a.size)
            for a in solution.solved
            if a not in mine and not within(where[a], a.size, solution.ranges)
        ] + solution.conditions
        factors = [self.bordered(substituted(f, where), solution.ranges) for f in over]
        if conditions:
            indices, sizes = zip(*conditions, strict=True)
            factors.append(Inside(tuple(indices), tuple(sizes)))
        factors = [f for f in factors if not surely_inside(f, solution.ranges)]
        first = [reached, *factors] if read.tensor.role != "weight" else [*factors, reached]
        divisors = [self.bordered(substituted(d, where), solution.ranges) for d in under]
        body = _product(first, divisors, apart=bool(solution.running))
        if solution.running:
            body = Sum(*solution.running)(body)
        for number in numbers:
            body = body / number
        return body

    def edged(self, axes: tuple[Axis, ...], use: _Use) -> Expression:
        """Return what one use comes to where the border repeats the nearest number: the gradient of the
        tensor with its border, folded back."""
        read = use.read
        assert read.padding is not None
        ranges = {a: (0, a.size - 1) for a in (*use.axes, *use.bound)}
        sides = [
            tuple(map(largest, pad, overhang(i, axis.size, ranges)))
            for pad, i, axis in zip(read.padding, read.indices, axes, strict=True)
        ]
        wide = tuple(
            axis.like(axis.name, axis.size + before + after)
            for axis, (before, after) in zip(axes, sides, strict=True)
        )
        shifted = tuple(i + before for i, (before, _) in zip(read.indices, sides, strict=True))
        inner = use._replace(read=Read(read.tensor, shifted))
        held = self.local("dwide", wide, self.term(wide, inner))

        def folded(at: tuple[Index, ...]) -> Expression:
            if len(at) == len(axes):
                return held[at]
            axis, (before, after) = axes[len(at)], sides[len(at)]
            if (before, after) == (0, 0):
                return folded((*at, axis))
            names = {a.name for a in axes} | {a.name for index in at for a in index.axes()}
            if not is_known(axis.size):
                raise ShapeError(
                    f"the gradient of {read.tensor.name}, whose border repeats the nearest number, "
                    f"cannot be stated before {axis.size} is a number"
                )
            if axis.size == 1:
                e = Axis(unlike("e", names), before + after + 1)
                return Sum(e)(folded((*at, e)))
            e, f = Axis(unlike("e", names), before + 1), Axis(unlike("f", names), after + 1)
            bodies: list[Expression] = [
                Sum(e)(folded((*at, e))),
                Sum(f)(folded((*at, f + axis.size - 1 + before))),
            ]
            ends = [1, axis.size]
            if axis.size > 2:
                bodies.insert(1, folded((*at, axis + before)))
                ends.insert(1, axis.size - 1)
            return Pieces(axis, tuple(ends), tuple(bodies))

        return folded(())

    def bordered(self, node: Expression, ranges: Mapping[Axis, Range]) -> Expression:
        """Return an expression whose reads have a border wherever their places may lie outside."""
        return Bordering(ranges, self.equation.weights).expression(node)


_NOWHERE = Read(Tensor("", "input", ()), ())


def _rise(node: Call, place: int) -> tuple[tuple[Expression, ...], tuple[Expression, ...]]:
    """Return the slope of a call by one argument: factors, and divisors."""
    x = node.arguments[place]
    match node.function.name if node.function.primitive else "":
        case "exp":
            return (node,), ()
        case "log":
            return (), (x,)
        case "sqrt":
            return (), (Number(2.0), node)
    others = (a for n, a in enumerate(node.arguments) if n != place)
    found = slope(node.function, place, all(isinstance(a, Number) for a in others))
    if isinstance(found.formula, float):
        return ((Number(found.formula),) if found.formula != 1.0 else ()), ()
    return (Call(found, node.arguments),), ()


def _peeled(node: Expression) -> Expression | None:
    """Return the argument of a function whose other arguments are numbers."""
    if isinstance(node, Call) and all(isinstance(a, Number) for a in node.arguments[1:]):
        return node.arguments[0]
    return None


def _product(
    factors: Iterable[Expression], divisors: Sequence[Expression] = (), apart: bool = False
) -> Expression:
    """Return a product over others; `apart` keeps each divisor a factor of its own."""
    result: Expression | None = None
    for factor in factors:
        result = factor if result is None else result * factor
    assert result is not None
    if apart:
        for divisor in divisors:
            result = result * (1.0 / divisor)
        return result
    for divisor in divisors:
        result = result / divisor
    return result


def _number(size: Size) -> Expression:
    if not is_known(size):
        return Sum(Axis("n", size))(Number(1.0))
    return Number(float(size))
