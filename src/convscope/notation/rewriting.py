"""Equations made again with something changed: axes replaced, sizes filled in, a batch in front.

Own axes of what is copied (those that its sums run over) are new ones each time, so that an index put in
for an axis never falls under a sum that it does not belong to.

>>> from convscope.notation import Axis, Equation, Sum, source, weight
>>> y, i, t = Axis("y"), Axis("i", 3), Axis("t", 5)
>>> blur = Equation((y,), Sum(i)(source((28,))[y + i] * weight("kernel")[i]))
>>> print(Equation((t,), substituted(blur.expression, {y: t * 2})))
out[t] = Σ i<3  in[2t + i] · kernel[i]
>>> [axis.size for axis in filled(blur).axes]
[26]
>>> print(batched(blur, Axis("n", 8), ("in",)))
out[n, y] = Σ i<3  in[n, y + i] · kernel[i]
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence

from convscope.notation.equation import Equation
from convscope.notation.expression import (
    Expression,
    Inside,
    Local,
    Pieces,
    Place,
    Read,
    Reduction,
    Tensor,
)
from convscope.notation.index import Axis, Index
from convscope.notation.sizes import is_symbolic


class Rewriting:
    """Makes expressions again, and the locals that they read; a subclass says what changes.

    Each local is made once, however often it is read.
    """

    def __init__(self) -> None:
        self._locals: dict[Local, Local] = {}

    def index(self, index: Index) -> Index:
        """Return what an index becomes."""
        return index

    def read(self, node: Read) -> Expression:
        """Return what a read becomes."""
        tensor: Tensor = node.tensor
        if isinstance(tensor, Local):
            tensor = self.local(tensor)
        places = tuple(map(self.index, node.indices))
        return Read(tensor, places, node.padding, node.outside, node.scattered)

    def reduction(self, node: Reduction) -> Expression:
        """Return what a sum, a maximum or a mean becomes."""
        return node.rebuilt([self.expression(node.body)])

    def axes(self, item: Local) -> tuple[Axis, ...]:
        """Return what the axes of a local become."""
        return item.axes

    def expression(self, node: Expression) -> Expression:
        """Return what an expression becomes."""
        if isinstance(node, Read):
            return self.read(node)
        if isinstance(node, Reduction):
            return self.reduction(node)
        if isinstance(node, Pieces):
            bodies = tuple(map(self.expression, node.bodies))
            return Pieces(self.index(node.along), node.ends, bodies)
        if parts := node.parts():
            if len(parts) == 2 and parts[0] is parts[1]:  # a square stays one
                return node.rebuilt([self.expression(parts[0])] * 2)
            return node.rebuilt([self.expression(part) for part in parts])
        if isinstance(node, Place):
            return Place(self.index(node.index))
        if isinstance(node, Inside):
            return Inside(tuple(map(self.index, node.indices)), node.sizes)
        return node

    def local(self, item: Local) -> Local:
        """Return what a local becomes."""
        found = self._locals.get(item)
        if found is None:
            axes = self.axes(item)
            found = self._locals[item] = Local(
                item.name, "local", tuple(axis.size for axis in axes), axes,
                self.expression(item.expression), item.preactivation, item.neutral,
            )  # fmt: skip
        return found


class _Substituting(Rewriting):
    """Replaces axes by indices; locals, which have axes of their own, stay as they are."""

    def __init__(self, replaced: Mapping[Axis, Index]) -> None:
        super().__init__()
        self.replaced = dict(replaced)
        self.taken = {a.name for index in replaced.values() for a in index.axes()}

    def index(self, index: Index) -> Index:
        return index.substitute(self.replaced)

    def local(self, item: Local) -> Local:
        return item

    def reduction(self, node: Reduction) -> Expression:
        own = tuple(axis.like(unlike(axis.name, self.taken), axis.size) for axis in node.axes)
        around = self.replaced
        self.replaced = {**around, **dict(zip(node.axes, own, strict=True))}
        body = self.expression(node.body)
        self.replaced = around
        return Reduction(node.kind, own, body)


def unlike(name: str, taken: Collection[str]) -> str:
    """Return a name that is not among those taken: the same, or with primes after it."""
    while name in taken:
        name += "′"
    return name


def substituted(expression: Expression, replaced: Mapping[Axis, Index]) -> Expression:
    """Return an expression with axes replaced by indices; its own axes are new ones."""
    return _Substituting(replaced).expression(expression)


class _Filling(Rewriting):
    def __init__(self, filled: Mapping[Axis, Axis]) -> None:
        super().__init__()
        self.filled = filled

    def index(self, index: Index) -> Index:
        return index.substitute(self.filled)

    def axes(self, item: Local) -> tuple[Axis, ...]:
        return tuple(self.filled.get(axis, axis) for axis in item.axes)


def filled(equation: Equation) -> Equation:
    """Return an equation whose axes all have their sizes, those of its locals too."""
    new = {
        axis: axis.like(axis.name, size)
        for axis, size in equation.sizes.items()
        if axis.size is None
    }
    if not new:
        return equation
    axes = tuple(new.get(axis, axis) for axis in equation.axes)
    return Equation(axes, _Filling(new).expression(equation.expression), equation.name)


class _Renaming(Rewriting):
    """Puts axes in the place of others, wherever they run."""

    def __init__(self, renamed: Mapping[Axis, Axis]) -> None:
        super().__init__()
        self.renamed = renamed

    def index(self, index: Index) -> Index:
        return index.substitute(self.renamed)

    def axes(self, item: Local) -> tuple[Axis, ...]:
        return self.among(item.axes)

    def reduction(self, node: Reduction) -> Expression:
        return Reduction(node.kind, self.among(node.axes), self.expression(node.body))

    def among(self, axes: Sequence[Axis]) -> tuple[Axis, ...]:
        return tuple(self.renamed.get(axis, axis) for axis in axes)


def told_apart(equation: Equation) -> Equation:
    """Return an equation in which no axis is called like a symbol in its sizes: Σ c′<c, not Σ c<c.

    >>> from convscope.notation import Axis, Equation, Sum, size, source
    >>> y, c = Axis("y", size("n")), Axis("c", size("c"))
    >>> print(told_apart(Equation((y,), Sum(c)(source((size("n"), size("c")))[y, c]))))
    out[y] = Σ c′<c  in[y, c′]
    """
    sizes = list(equation.sizes.values())
    parts = (equation.expression, *(item.expression for item in equation.locals))
    axes = dict.fromkeys((*equation.axes, *(a for item in equation.locals for a in item.axes)))
    for part in parts:
        for node in part.walk():
            if isinstance(node, Reduction):
                axes.update(dict.fromkeys(node.axes))
    sizes += [axis.size for axis in axes if axis.size is not None]
    symbols = {str(s) for size in sizes if is_symbolic(size) for s in size.free_symbols}
    taken = symbols | {axis.name for axis in axes}
    renamed = {a: a.like(unlike(a.name, taken), a.size) for a in axes if a.name in symbols}
    if not renamed:
        return equation
    new = _Renaming(renamed)
    return Equation(new.among(equation.axes), new.expression(equation.expression), equation.name)


class _Batching(Rewriting):
    def __init__(self, row: Axis, names: Collection[str], within: Collection[Local]) -> None:
        super().__init__()
        self.row, self.names, self.within = row, names, within
        self._tensors: dict[str, Tensor] = {}

    def read(self, node: Read) -> Expression:
        tensor = node.tensor
        if isinstance(tensor, Local):
            if tensor not in self.within:
                return node
            longer: Tensor = self.local(tensor)
        elif tensor.name in self.names:
            shape = None if tensor.shape is None else (self.row.size, *tensor.shape)
            longer = self._tensors.setdefault(tensor.name, Tensor(tensor.name, tensor.role, shape))
        else:
            return node
        padding = None if node.padding is None else ((0, 0), *node.padding)
        places = (self.row, *node.indices)
        return Read(longer, places, padding, node.outside, node.scattered)

    def axes(self, item: Local) -> tuple[Axis, ...]:
        return (self.row, *item.axes)


def batched(equation: Equation, row: Axis, names: Collection[str]) -> Equation:
    """Return the equation over a batch: a row axis in front of the output and of the named tensors."""
    depending: list[Local] = []
    for item in equation.locals:
        below = (n.tensor for n in item.expression.walk() if isinstance(n, Read))
        if any(t in depending or t.name in names for t in below):
            depending.append(item)
    found = _Batching(row, names, depending).expression(equation.expression)
    return Equation((row, *equation.axes), found, equation.name)


def named(name: str, axes: Sequence[Axis]) -> str:
    """Return a name that none of some axes has."""
    return unlike(name, {axis.name for axis in axes})
