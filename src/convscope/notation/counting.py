"""How much work an equation is: multiply–accumulates, and everything else by name.

A multiply–accumulate is a product under a sum between what comes from an input and what was learned (a
weight, or something computed from weights alone), or of either and a gradient. Every other operation is
counted under its own name and never mixed in; products under a sum of two inputs (attention's) too.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Container, Iterable, Iterator, Mapping

from convscope.notation.equation import Equation
from convscope.notation.expression import (
    Binary,
    Call,
    Expression,
    Inside,
    Local,
    Pieces,
    Read,
    Reduction,
    depends,
    factors,
    leads_back,
    lengths,
    reads,
)
from convscope.notation.index import Axis, ExactQuotient, Index, Quotient, Remainder
from convscope.notation.sizes import Size, ceil_div, is_known, product, smallest, surely_less, tidy
from convscope.typed import Record

OF_INPUTS = "multiply–accumulate of two inputs"

_NAMES = {"+": "add", "-": "subtract", "*": "multiply", "/": "divide"}


def macs(equation: Equation, learned: Container[str] = ()) -> Size:
    """Return the multiply–accumulates of one whole output (batch 1, bias not counted).

    learned   inputs that hold nothing but what was learned: a kernel that is computed from weights

    Products under a sum, times the number of outputs. In a gradient, what the way forward has already
    computed is not counted again. An input that is scattered (by a
    transposed convolution) is counted from its own side: its positions × kernel × channels, since
    only those products exist.
    """
    return products(equation, learned)[0]


def products_of_inputs(equation: Equation, learned: Container[str] = ()) -> Size:
    """Return the products under sums whose factors are two different inputs, as in attention."""
    return products(equation, learned)[1]


def products(equation: Equation, learned: Container[str] = ()) -> tuple[Size, Size]:
    """Return both: the multiply–accumulates, and the products of two inputs."""
    counted: Size = 0
    of_inputs: Size = 0
    for sizes, nodes in _definitions(equation):
        for node in nodes:
            if isinstance(node, Reduction) and node.kind == "sum":
                found = _factors(node, learned)
                if found.counted:
                    counted = counted + product(_extent(sizes, node).values())
                elif found.of_inputs:
                    of_inputs = of_inputs + product(_extent(sizes, node).values())
    return tidy(counted), tidy(of_inputs)


def _definitions(
    equation: Equation,
) -> Iterator[tuple[dict[Axis, Size], Iterable[Expression]]]:
    """Yield (axes with sizes, expressions, each before its parts) of the output and of each local."""
    yield equation.sizes, equation.walked
    if not equation.locals:
        return
    back = any(r.tensor.role == "gradient" for r in reads([equation.expression]))
    for item in equation.locals:
        if back and not leads_back(item):  # known from the way forward
            continue
        yield (
            {axis: equation.sizes[axis] if axis.size is None else axis.size for axis in item.axes},
            item.expression.walk(),
        )


class _Factors(Record):
    """What is multiplied under a sum: inputs by name, how many factors hold any, were learned, are gradients."""

    inputs: frozenset[str]
    fed: int
    learned: int
    gradients: int

    @property
    def counted(self) -> bool:
        """Whether the products are multiply–accumulates."""
        pairs = bool(self.inputs) + bool(self.learned) + bool(self.gradients)
        return pairs > 1

    @property
    def of_inputs(self) -> bool:
        """Whether they are products of two different inputs."""
        return not self.counted and len(self.inputs) > 1 and self.fed > 1


def _factors(node: Reduction, learned: Container[str] = ()) -> _Factors:
    inputs: set[str] = set()
    some = weights = gradients = 0
    if node.kind == "sum":
        for factor in dict.fromkeys(factors(node.body)):  # a square's is one
            if isinstance(factor, Call) and factor.function.taps is not None:
                continue  # it says where
            if isinstance(factor, Read) and not isinstance(factor.tensor, Local):
                tensors = [factor.tensor]
            else:
                tensors = [read.tensor for read in reads([factor])]
            if any(t.role == "gradient" for t in tensors):  # whatever else it is made of
                gradients += 1
                continue
            fed = {t.name for t in tensors if t.role == "input" and t.name not in learned}
            inputs |= fed
            some += bool(fed)
            if not fed and tensors:
                weights += 1
    return _Factors(frozenset(inputs), some, weights, gradients)


def _extent(sizes: dict[Axis, Size], node: Reduction) -> dict[Axis, Size]:
    """Return along which axes products are made, and how many along each."""
    extent = {**sizes, **dict(zip(node.axes, lengths(node), strict=True))}
    multiplied = list(factors(node.body))
    for read in multiplied:
        if isinstance(read, Read) and read.scattered and read.tensor.shape is not None:
            for index, size in zip(read.indices, read.tensor.shape, strict=True):
                moving = _moving(index, sizes)
                if moving is not None:
                    extent[moving] = size
    if any(isinstance(f, Read) and f.tensor.role == "gradient" for f in multiplied):
        for axis, size in _allowed(multiplied, extent, sizes).items():
            if not surely_less(extent[axis], size):
                extent[axis] = size
    return extent


def _allowed(
    multiplied: Iterable[Expression], extent: Mapping[Axis, Size], sizes: Mapping[Axis, Size]
) -> dict[Axis, Size]:
    """Return at how many places along an axis of the output there is something to multiply, if not at all.

    Where 0 ≤ y − 2·y′ < 3, three places y belong to every y′: as many products as on the way forward. The
    digits of an axis, y mod 4 and ⌊y/4⌋, are allowed each for itself.
    """
    found: dict[Axis, Size] = {}
    digits: dict[Axis, tuple[Size, Size]] = {}
    for factor in multiplied:
        if not isinstance(factor, (Read, Inside)):
            continue
        within = factor.sizes if isinstance(factor, Inside) else factor.tensor.shape
        for index, size in zip(
            factor.indices, within or (None,) * len(factor.indices), strict=True
        ):
            atom = index.terms[0][0] if len(index.terms) == 1 and size is not None else None
            if isinstance(atom, (Quotient, Remainder)):
                axis = atom.of.single()
                if axis is not None and axis in sizes:
                    low, high = digits.get(axis, (atom.by, ceil_div(extent[axis], atom.by)))
                    last = isinstance(atom, Remainder)
                    digits[axis] = (size, high) if last else (low, smallest(size, high))
            elif isinstance(factor, Inside):
                moved = (a for a, times in index.terms if times in (1, -1))
                found.update([(a, size) for a in moved if isinstance(a, Axis) and a in sizes][:1])
    return found | {axis: low * high for axis, (low, high) in digits.items()}


def _moving(index: Index, sizes: dict[Axis, Size]) -> Axis | None:
    """Return the output axis along which an index moves over what is scattered; None for a channel's."""
    if len(index.axes()) < 2:
        return None
    atoms = {atom for atom, _ in index.terms}
    for atom, _ in index.terms:
        if isinstance(atom, ExactQuotient):
            atoms.update(inner for inner, _ in atom.of.terms)
    return next((axis for axis in sizes if axis in atoms), None)


def other_work(equation: Equation) -> dict[str, Size]:
    """Return how often every other operation is done for one whole output, by its name.

    {"add": 36864, "relu": 36864} for a convolution with bias and ReLU: one addition of the bias and
    one relu for each of its 24 × 24 × 64 outputs. What does not depend on an axis is done once for
    all of it: a mean over a map is one number, however many outputs it is subtracted from. What is squared
    is found once.
    """
    counts: Counter[str] = Counter()

    def visit(node: Expression, sizes: dict[Axis, Size]) -> None:
        times = product(sizes[axis] for axis in sizes if axis in depends(node))
        match node:
            case Reduction(kind, axes):
                found = _factors(node)
                if found.of_inputs:
                    counts[OF_INPUTS] += product(_extent(sizes, node).values())
                if found.of_inputs or found.counted:
                    return
                counted = dict(zip(axes, lengths(node), strict=True))
                many = product(counted.values())
                counts["compare" if kind in ("max", "first") else "add"] += times * (many - 1)
                if kind == "mean":
                    counts["divide"] += times
                sizes = sizes | counted
            case Pieces(along):
                axis = along.single()
                for length, body in zip(node.lengths(), node.bodies, strict=True):
                    visit(body, sizes if axis is None else sizes | {axis: length})
                return
            case Binary(operator, left, right):
                counts[_NAMES[operator]] += times
                if left is right:
                    visit(left, sizes)
                    return
            case Call(function):
                counts[function.name] += times
        for part in node.parts():
            visit(part, sizes)

    for sizes, (expression, *_) in _definitions(equation):
        visit(expression, sizes)
    tidied = {name: tidy(number) for name, number in counts.items()}
    return {name: number for name, number in tidied.items() if not _is_zero(number)}


def _is_zero(number: Size) -> bool:
    return is_known(number) and number == 0
