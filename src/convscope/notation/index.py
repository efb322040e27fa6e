"""Axes, and the whole-number expressions that say where an equation reads.

An index is affine in axes (2·y + i − 1); floor division, remainder and exact division of an index
count as one more thing that an index may be affine in. In Python all of it is written with operators,
and what a division leaves whole is taken out of it:

>>> y, i = Axis("y"), Axis("i", 3)
>>> print(y * 2 + i - 1)
2y + i − 1
>>> (y * 2 + i - 1).bounds({y: (0, 12), i: (0, 2)})
(-1, 25)
>>> x = Axis("x", 11)
>>> print((y * 11 + x) // 11, "and", (y * 11 + x) % 11)
y and x
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence

from convscope.notation.sizes import (
    Size,
    ceil_div,
    is_known,
    latex,
    show,
    surely_less,
    tidy,
)
from convscope.typed import TYPE_CHECKING, Record

if TYPE_CHECKING:
    from typing import Any, Literal, TypeAlias

Range: TypeAlias = tuple[Size, Size]
"""Lowest and highest value, both included."""

AxisRole: TypeAlias = "Literal['', 'in', 'out']"
"""What steps along an axis are: the input's channels, or outputs that each have weights of their own."""

Values: TypeAlias = "Mapping[Axis, Any]"
"""What each axis is: an int, or a numpy array of ints."""


class Index:
    """A sum of atoms, each times a whole number, plus a constant."""

    __slots__ = ("const", "terms")

    terms: tuple[tuple[Atom, Size], ...]
    const: Size

    def __init__(self, terms: tuple[tuple[Atom, Size], ...], const: Size) -> None:
        self.terms = terms
        self.const = const if type(const) is int else tidy(const)

    # -- arithmetic -------------------------------------------------------------------------------

    def __add__(self, other: Index | Size) -> Index:
        if not isinstance(other, Index):
            return self if _is_zero(other) else Index(self.terms, self.const + other)
        merged = dict(self.terms)
        for atom, factor in other.terms:
            merged[atom] = tidy(merged[atom] + factor) if atom in merged else factor
        terms = tuple((atom, f) for atom, f in merged.items() if not _is_zero(f))
        return Index(terms, self.const + other.const)

    __radd__ = __add__

    def __neg__(self) -> Index:
        return self * -1

    def __sub__(self, other: Index | Size) -> Index:
        return (
            self + (-other) if isinstance(other, Index) else Index(self.terms, self.const - other)
        )

    def __rsub__(self, other: Size) -> Index:
        result: Index = -self + other
        return result

    def __mul__(self, factor: Size) -> Index:
        if isinstance(factor, int):
            if factor == 1:
                return self
            if factor == 0:
                return Index((), 0)
        return Index(tuple((atom, tidy(f * factor)) for atom, f in self.terms), self.const * factor)

    __rmul__ = __mul__

    def __floordiv__(self, divisor: Size) -> Index:
        whole, rest = self._split(divisor)
        return whole if rest is None else whole + Quotient(rest, divisor)

    def __mod__(self, divisor: Size) -> Index:
        whole, rest = self._split(divisor)
        return self - whole * divisor if rest is None else Remainder(rest, divisor)

    def _split(self, divisor: Size) -> tuple[Index, Index | None]:
        """Return (whole, rest) of whole·divisor + rest; no rest where that divides to nothing."""
        if _is_one(divisor):
            return self, None
        if not is_known(divisor):
            return Index((), 0), self
        divides = [is_known(factor) and factor % divisor == 0 for _, factor in self.terms]
        pairs = list(zip(self.terms, divides, strict=True))
        whole = Index(tuple((atom, f // divisor) for (atom, f), yes in pairs if yes), 0)
        rest = Index(tuple(term for term, yes in pairs if not yes), self.const)
        axes = rest.axes()
        if all(is_known(axis.size) for axis in axes):
            low, high = rest.bounds({axis: (0, axis.size - 1) for axis in axes})
            if is_known(low) and is_known(high) and low // divisor == high // divisor:
                return whole + low // divisor, None
        return whole, rest

    # -- questions --------------------------------------------------------------------------------

    def axes(self) -> set[Axis]:
        """Return every axis that this index depends on."""
        found: set[Axis] = set()
        for atom, _ in self.terms:
            found |= atom.axes()
        return found

    def moves_with(self, axis: Axis) -> bool:
        """Whether this index depends on an axis."""
        for atom, _ in self.terms:
            if atom is axis or (type(atom) is not Axis and axis in atom.axes()):
                return True
        return False

    def bounds(self, ranges: Mapping[Axis, Range]) -> Range:
        """Return the lowest and highest value while each axis runs over its range.

        Exact for affine indices. For a quotient or a remainder of several axes it may be too wide,
        never too narrow.
        """
        low = high = self.const
        for atom, factor in self.terms:
            a, b = atom.bounds(ranges)
            if surely_less(factor, 0):
                a, b = b, a
            low, high = low + factor * a, high + factor * b
        return low, high

    def at(self, values: Values) -> Any:
        """Return the value when each axis has a value: an int, or a numpy array of ints."""
        total: Any = self.const
        for atom, factor in self.terms:
            value = atom.at(values)
            value = value if factor == 1 else value * factor
            total = value if type(total) is int and total == 0 else total + value
        return total

    def substitute(self, replaced: Mapping[Axis, Index]) -> Index:
        """Return this index with axes replaced by other indices."""
        result: Index = Index((), self.const)
        for atom, factor in self.terms:
            result = result + atom.substitute(replaced) * factor
        return _whole_again(result)

    def whole(self, values: Values) -> Any:
        """Return whether every exact division inside comes out whole (True, or a numpy mask)."""
        result: Any = True
        for atom, _ in self.terms:
            if not isinstance(atom, Axis):
                result = result & atom.whole(values)
        return result

    def period(self) -> int:
        """Return after how many steps of an axis the index has moved by a whole number, exactly so
        wherever it starts: 1 unless something is divided."""
        result = 1
        for atom, _ in self.terms:
            if isinstance(atom, Division):
                result = math.lcm(result, atom.by * atom.of.period() if is_known(atom.by) else 1)
            elif isinstance(atom, PlaceTable):
                result = math.lcm(result, len(atom.places))
        return result

    def single(self) -> Axis | None:
        """Return the axis, if this index is nothing but one axis."""
        if len(self.terms) == 1 and type(self.const) is int and not self.const:
            atom, factor = self.terms[0]
            if isinstance(atom, Axis) and _is_one(factor):
                return atom
        return None

    def is_at(self, axis: Axis) -> bool:
        """Whether this index is where an axis is: beside it there is nothing, or a window of one.

        >>> y, i = Axis("y", 5), Axis("i", 1)
        >>> (y + i).is_at(y), (y * 2).is_at(y), (y + 1).is_at(y)
        (True, False, False)
        """
        found = False
        for atom, factor in self.terms:
            if atom is axis and _is_one(factor):
                found = True
            elif not isinstance(atom, Axis) or not _is_one(atom.size):
                return False
        return found and _is_zero(self.const)

    def spelled(self, how: Spelling) -> str:
        """Return the index as text or as LaTeX."""
        alone = len(self.terms) == 1 and _is_zero(self.const)
        result = ""
        for atom, factor in self.terms:
            negative = (
                factor < 0
                if is_known(factor)
                else how.size(factor, False).startswith(how.minus.strip())
            )
            piece = _times(-factor if negative else factor, atom, alone and not negative, how)
            if result:
                result += (how.minus if negative else how.plus) + piece
            else:
                result = f"{how.minus.strip()}{piece}" if negative else piece
        if not result:
            return how.size(self.const, False)
        if not is_known(self.const):
            text = how.size(self.const, False)
            if text.startswith(how.minus.strip()):
                return f"{result}{how.minus}{how.size(-self.const, True)}"
            return f"{result}{how.plus}{text}"
        if self.const:
            result += f"{how.minus}{-self.const}" if self.const < 0 else f"{how.plus}{self.const}"
        return result

    def __str__(self) -> str:
        return self.spelled(TEXT)

    __repr__ = __str__


class Atom(Index):
    """An index that others can be affine in; its only term is itself."""

    __slots__ = ()

    def __init__(self) -> None:
        super().__init__(((self, 1),), 0)


class Axis(Atom):
    """An axis: a name, a size, and the word for one step along it.

    A size of None means that the equation has to find it out (an output axis of a convolution);
    `why` says in words where a size that is given comes from, if that is not plain to see. `role` is
    "in" for the input's channels (of a dense layer: its inputs), "out" for filters and units.
    """

    __slots__ = ("name", "role", "size", "why", "word")

    def __init__(
        self,
        name: str,
        size: Size = None,
        word: str = "position",
        why: str = "",
        role: AxisRole = "",
    ) -> None:
        self.name = name
        self.size = size
        self.word = word
        self.why = why
        self.role = role
        super().__init__()

    def like(self, name: str, size: Size) -> Axis:
        """Return another axis of the same kind: its word and role, with this name and size."""
        return Axis(name, size, self.word, self.why, self.role)

    def axes(self) -> set[Axis]:
        return {self}

    def bounds(self, ranges: Mapping[Axis, Range]) -> Range:
        return ranges[self]

    def at(self, values: Values) -> Any:
        return values[self]

    def substitute(self, replaced: Mapping[Axis, Index]) -> Index:
        return replaced.get(self, self)

    def spelled(self, how: Spelling) -> str:
        return self.name

    def __repr__(self) -> str:
        return f"Axis({self.name!r}, {self.size})"


class Division(Atom):
    """An index divided by a whole number, in one of three ways."""

    __slots__ = ("by", "of")

    def __init__(self, of: Index, by: Size) -> None:
        self.of = of
        self.by = by
        super().__init__()

    def axes(self) -> set[Axis]:
        return self.of.axes()

    def whole(self, values: Values) -> Any:
        return self.of.whole(values)


class Quotient(Division):
    """Floor division: ⌊of / by⌋."""

    __slots__ = ()

    def bounds(self, ranges: Mapping[Axis, Range]) -> Range:
        low, high = self.of.bounds(ranges)
        return tidy(low // self.by), tidy(high // self.by)

    def at(self, values: Values) -> Any:
        return self.of.at(values) // self.by

    def substitute(self, replaced: Mapping[Axis, Index]) -> Index:
        result: Index = self.of.substitute(replaced) // self.by
        return result

    def spelled(self, how: Spelling) -> str:
        return how.floor.format(_grouped(self.of, how), how.size(self.by, True))


class Remainder(Division):
    """The remainder of floor division: of mod by, never negative."""

    __slots__ = ()

    def bounds(self, ranges: Mapping[Axis, Range]) -> Range:
        low, high = self.of.bounds(ranges)
        if all(map(is_known, (low, high, self.by))) and low // self.by == high // self.by:
            return low % self.by, high % self.by
        return 0, self.by - 1

    def at(self, values: Values) -> Any:
        return self.of.at(values) % self.by

    def substitute(self, replaced: Mapping[Axis, Index]) -> Index:
        result: Index = self.of.substitute(replaced) % self.by
        return result

    def spelled(self, how: Spelling) -> str:
        return how.remainder.format(_grouped(self.of, how), how.size(self.by, True))


class ExactQuotient(Division):
    """Exact division: of / by where that is whole; elsewhere there is nothing to read."""

    __slots__ = ()

    def bounds(self, ranges: Mapping[Axis, Range]) -> Range:
        low, high = self.of.bounds(ranges)
        return ceil_div(low, self.by), tidy(high // self.by)

    def at(self, values: Values) -> Any:
        return self.of.at(values) // self.by

    def whole(self, values: Values) -> Any:
        return (self.of.at(values) % self.by == 0) & self.of.whole(values)

    def substitute(self, replaced: Mapping[Axis, Index]) -> Index:
        return exactly(self.of.substitute(replaced), self.by)

    def spelled(self, how: Spelling) -> str:
        return f"{_grouped(self.of, how)}/{how.size(self.by, True)}"


class PlaceTable(Atom):
    """Whole numbers that are written out: number `of` of them, counted from 0."""

    __slots__ = ("of", "places")

    def __init__(self, of: Index, places: tuple[int, ...]) -> None:
        self.of = of
        self.places = places
        super().__init__()

    def axes(self) -> set[Axis]:
        return self.of.axes()

    def whole(self, values: Values) -> Any:
        return self.of.whole(values)

    def bounds(self, ranges: Mapping[Axis, Range]) -> Range:
        low, high = self.of.bounds(ranges)
        known = is_known(low) and is_known(high)
        met = self.places[max(low, 0) : high + 1] if known else self.places
        return (min(met), max(met)) if met else (0, -1)

    def at(self, values: Values) -> Any:
        place = self.of.at(values)
        if isinstance(place, int):
            return self.places[place]
        import numpy as np

        return np.asarray(self.places)[place]

    def substitute(self, replaced: Mapping[Axis, Index]) -> Index:
        return PlaceTable(self.of.substitute(replaced), self.places)

    def spelled(self, how: Spelling) -> str:
        shown = [f"{p}".replace("-", how.minus.strip()) for p in self.places]
        if len(shown) > TABLE_SHOWN:
            shown[TABLE_SHOWN - 2 : -1] = [how.dots]
        return how.table.format(", ".join(shown), self.of.spelled(how))


TABLE_SHOWN = 8
"""So many numbers of a table are shown; of more, the first ones and the last."""


def written_out(of: Index, places: Sequence[int]) -> Index:
    """Return number `of` of some places; as a line where they are evenly spaced.

    >>> y = Axis("y", 4)
    >>> print(written_out(y, (6, 0, 2, 2)), "and", written_out(y, (7, 5, 3, 1)))
    ⟨6, 0, 2, 2⟩[y] and −2y + 7
    """
    step = places[1] - places[0] if len(places) > 1 else 0
    if all(place == places[0] + n * step for n, place in enumerate(places)):
        return of * step + places[0]
    return PlaceTable(of, tuple(places))


def in_one(at: Sequence[Index | Size], shape: Sequence[Size] = ()) -> Index:
    """Return the running number of a place in a tensor of this shape, the last axis fastest; `at` are axes without one.

    >>> print(in_one((Axis("y", 5), Axis("x", 3))), "and", in_one((Axis("y", 5), 2), (5, 7)))
    3y + x and 7y + 2
    """
    flat = as_index(0)
    sizes = shape or [axis.size for axis in at if isinstance(axis, Axis)]
    for index, size in zip(at, sizes, strict=True):
        flat = flat * size + index
    return flat


def exactly(of: Index, by: Size) -> Index:
    """Return of / by, to be read only where the division comes out whole."""
    return of if _is_one(by) else ExactQuotient(of, by)


def is_divided(index: Index) -> bool:
    """Return whether an exact division is in an index: it does not come out whole everywhere.

    >>> is_divided(exactly(Axis("y", 5) + 1, 2)), is_divided(exactly(Axis("y", 5) + 1, 1))
    (True, False)
    """
    inner = [atom for atom, _ in index.terms if isinstance(atom, (Division, PlaceTable))]
    return any(isinstance(atom, ExactQuotient) or is_divided(atom.of) for atom in inner)


def _whole_again(index: Index) -> Index:
    """Return an index in which b·⌊a/b⌋ + a mod b is a again.

    >>> a = Axis("y", 7) * 3
    >>> print((a // 4).substitute({}) * 8 + (a % 4) * 2, "is", ((a // 4) * 8 + (a % 4) * 2).substitute({}))
    8·⌊3y/4⌋ + 2·(3y mod 4) is 6y
    """
    for atom, factor in index.terms:
        if isinstance(atom, Remainder):
            for other, times in index.terms:
                if (
                    isinstance(other, Quotient)
                    and _is_same(other.by, atom.by)
                    and _is_same(times, factor * atom.by)
                    and _is_nothing(other.of - atom.of)
                ):
                    both = (atom, other)
                    rest = tuple(term for term in index.terms if term[0] not in both)
                    return _whole_again(Index(rest, index.const) + atom.of * factor)
    return index


def _is_same(a: Size, b: Size) -> bool:
    return is_known(a) and is_known(b) and a == b


def _is_nothing(index: Index) -> bool:
    """Whether an index is 0 wherever it is."""
    if not _is_zero(index.const):
        return False
    left = list(index.terms)
    while left:
        atom, factor = left.pop()
        for other, times in left:
            if _is_zero(tidy(factor + times)) and _is_alike(atom, other):
                left.remove((other, times))
                break
        else:
            return False
    return True


def _is_alike(a: Atom, b: Atom) -> bool:
    """Whether two atoms are the same, or the same division of the same."""
    if a is b:
        return True
    if isinstance(a, PlaceTable) and isinstance(b, PlaceTable):
        return a.places == b.places and _is_nothing(a.of - b.of)
    if not (isinstance(a, Division) and type(a) is type(b) and isinstance(b, Division)):
        return False
    return _is_same(a.by, b.by) and _is_nothing(a.of - b.of)


def same(a: Index, b: Index) -> bool:
    """Return whether two indices are surely the same, wherever they are.

    >>> y = Axis("y", 5)
    >>> same(exactly(y + 1, 2), exactly(1 + y, 2)), same(y * 2, y)
    (True, False)
    """
    return _is_nothing(a - b)


def as_index(value: Index | Size) -> Index:
    """Return an index from an index or a whole number."""
    return value if isinstance(value, Index) else Index((), value)


def _is_zero(value: Size) -> bool:
    return isinstance(value, int) and value == 0


def _is_one(value: Size) -> bool:
    return isinstance(value, int) and value == 1


class Spelling(Record):
    """How an index is spelled; `floor`, `remainder` and `table` take two texts."""

    plus: str
    minus: str
    times: str
    floor: str
    remainder: str
    table: str
    dots: str
    size: Callable[[Size, bool], str]


TEXT = Spelling(" + ", " − ", "·", "⌊{}/{}⌋", "{} mod {}", "⟨{}⟩[{}]", "…", show)
LATEX = Spelling(
    "+", "-", r" \cdot ", r"\lfloor {}/{} \rfloor", r"{} \bmod {}", r"\langle {} \rangle_{{{}}}",
    r"\dots", latex,
)  # fmt: skip


def _times(factor: Size, atom: Atom, alone: bool, how: Spelling) -> str:
    """Return factor·atom; `alone` says that nothing else is in the index."""
    text = atom.spelled(how)
    if not isinstance(atom, (Axis, Quotient, PlaceTable)):
        if _is_one(factor) and (alone or isinstance(atom, ExactQuotient)):
            return text
        text = f"({text})"
    if _is_one(factor):
        return text
    sign = "" if is_known(factor) and isinstance(atom, Axis) else how.times
    return f"{how.size(factor, True)}{sign}{text}"


def _grouped(index: Index, how: Spelling) -> str:
    """Return an index as the dividend of a quotient: in brackets unless it is one axis or number."""
    text = index.spelled(how)
    single = len(index.terms) + (not _is_zero(index.const)) <= 1
    if single and not any(isinstance(a, (Remainder, ExactQuotient)) for a, _ in index.terms):
        return text
    return f"({text})"
