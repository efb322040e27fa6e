"""Sizes: an int, a symbol such as n (a sympy expression), or unknown.

Shapes, counts and paddings are computed with the ordinary operators, whichever of the three a size
is. What symbols need is in `symbols`, which imports sympy: with the first symbol and not before.
"""

from __future__ import annotations

import sys
from collections.abc import Iterable, Sequence
from keyword import iskeyword

from convscope.errors import SettingError, briefly
from convscope.typed import TYPE_CHECKING

if TYPE_CHECKING:
    from typing import Any, TypeAlias

Size: TypeAlias = "Any"
"""int, a sympy expression, or UNKNOWN; all three answer to + - * // and %."""


Shape: TypeAlias = tuple[Size, ...]


class _Unknown:
    """A size nobody has said yet (Keras's None); whatever is computed with it is unknown too."""

    __slots__ = ()

    def _same(self, other: object = None) -> _Unknown:
        return self

    __add__ = __radd__ = __sub__ = __rsub__ = __mul__ = __rmul__ = _same
    __floordiv__ = __rfloordiv__ = __mod__ = __rmod__ = __truediv__ = __rtruediv__ = _same
    __neg__ = _same

    def __repr__(self) -> str:
        return "UNKNOWN"

    def __str__(self) -> str:
        return "None"

    def __reduce__(self) -> str:
        return "UNKNOWN"


UNKNOWN = _Unknown()


LARGEST = 1 << 31
"""Sizes and settings from here on are refused: no tensor has as many positions along one axis."""


class _UnknownShape(tuple[Size, ...]):
    """A shape of which not even the number of axes is known."""

    __slots__ = ()


UNKNOWN_SHAPE: Shape = _UnknownShape()
"""What an opaque layer gives when nobody knows; compared with `is`, since () is a shape."""


def size(value: object, what: str = "a size") -> Size:
    """Return a size from what a user writes: an int ≥ 1, a name such as "n", or None.

    >>> size(28), size(None)
    (28, UNKNOWN)
    >>> size("n") - 2
    n - 2

    Raises `SettingError` for anything else (0, −1, 2.5, NaN, an empty name, 2**31 + 1).
    """
    if type(value) is int:
        if not 1 <= value <= LARGEST:
            bound = "at least 1" if value < 1 else f"at most {LARGEST:,}"
            raise SettingError(f"{what} must be {bound}, not {briefly(value)}")
        return value
    if value is None or value is UNKNOWN:
        return UNKNOWN
    if isinstance(value, str):
        if not value.isidentifier() or iskeyword(value):
            raise SettingError(
                f"{what} must be a whole number or a symbol's name such as 'n', not {briefly(value)}"
            )
        return symbol(value)
    if is_symbolic(value):
        plain_value = tidy(value)
        return size(plain_value, what) if is_known(plain_value) else plain_value
    whole = _as_int(value)
    if whole is None:
        raise SettingError(
            f"{what} must be a whole number or a symbol's name, not {briefly(value)}"
        )
    return size(whole, what)


def _as_int(value: object) -> int | None:
    """Return an int from anything that is one in another dress (numpy's integers)."""
    if isinstance(value, bool):
        return None
    try:
        return int(value.__index__())  # type: ignore[attr-defined]
    except (AttributeError, TypeError):
        return None


def symbol(name: str) -> Size:
    """Return the symbol of that name: a positive whole number nobody has fixed."""
    from convscope.notation import symbols

    return symbols.symbol(name)


def is_symbolic(value: object) -> bool:
    """Whether a size contains symbols."""
    return not isinstance(value, (int, str, _Unknown, float)) and hasattr(value, "free_symbols")


def is_known(value: object) -> bool:
    """Whether a size is a plain number."""
    return isinstance(value, int)


def is_rational(value: object) -> bool:
    """Whether a bound is a plain number, whole or not."""
    if isinstance(value, int):
        return True
    fractions = sys.modules.get("fractions")  # it loads decimal, and few equations need it
    return fractions is not None and isinstance(value, fractions.Fraction)


def tidy(value: Size) -> Size:
    """Return an int where symbols have cancelled, and equal sizes in one form where they have not."""
    if type(value) is int or not is_symbolic(value):
        return value
    if value.is_Integer:
        return int(value)
    from convscope.notation import symbols

    found = symbols.simplified(value)
    return int(found) if found.is_Integer else found


def surely_less(a: Size, b: Size) -> bool:
    """Whether a < b for certain; False where a symbol or an unknown leaves it open."""
    if a is UNKNOWN or b is UNKNOWN:
        return False
    less = a < b
    # sympy answers with a truth value of its own, or with the comparison when it stays undecided
    return less if isinstance(less, bool) else bool(less == True)


def surely_differ(a: Size, b: Size) -> bool:
    """Whether a ≠ b for certain; False where a symbol or an unknown leaves it open."""
    if a is UNKNOWN or b is UNKNOWN:
        return False
    difference = tidy(a - b)
    return is_known(difference) and difference != 0


def is_one(value: Size) -> bool:
    """Whether a size is known to be 1."""
    return is_known(value) and value == 1


def ceil_div(a: Size, b: Size) -> Size:
    """Return a / b rounded up."""
    return tidy(-(-a // b))


def largest(*values: Size) -> Size:
    """Return the largest; symbolic where symbols leave it open."""
    if all(is_rational(v) for v in values):
        return max(values)
    if any(v is UNKNOWN for v in values):
        return UNKNOWN
    from convscope.notation import symbols

    return tidy(symbols.largest(*values))


def smallest(*values: Size) -> Size:
    """Return the smallest; symbolic where symbols leave it open."""
    if all(is_rational(v) for v in values):
        return min(values)
    if any(v is UNKNOWN for v in values):
        return UNKNOWN
    from convscope.notation import symbols

    return tidy(symbols.smallest(*values))


def product(values: Iterable[Size]) -> Size:
    """Return the product of sizes; 1 for none."""
    result: Size = 1
    for value in values:
        result = result * value
    return tidy(result)


def plain(value: Size) -> int | str | None:
    """Return a size as JSON holds it: 28, "(n + 1)//2" in Python's spelling, or None when unknown."""
    if isinstance(value, int):
        return value
    if value is UNKNOWN:
        return None
    from convscope.notation import symbols

    return symbols.spelled(value, symbols.WRITTEN)


def from_plain(value: int | str | None) -> Size:
    """Return the size that `plain` wrote."""
    if isinstance(value, int):
        return value
    if value is None:
        return UNKNOWN
    from convscope.notation import symbols

    return tidy(symbols.parsed(value))


def show(value: Size, held: bool = False) -> str:
    """Return a size as people read it: 28, n − 2, ⌊(n − 1)/2⌋, or "?" when unknown.

    held   whether it is a factor or a divisor, so that more than one symbol needs brackets: (n − 2)
    """
    if isinstance(value, int):
        return str(value) if value >= 0 else f"−{-value}"
    if value is UNKNOWN:
        return "?"
    from convscope.notation import symbols

    return symbols.spelled(value, symbols.SHOWN, held)


def latex(value: Size, held: bool = False) -> str:
    """Return a size as LaTeX."""
    if not is_symbolic(value):
        return r"\text{?}" if value is UNKNOWN else str(value)
    from convscope.notation import symbols

    return symbols.spelled(value, symbols.LATEX, held)


def shape_text(shape: Sequence[Size]) -> str:
    """Return a shape as messages show it: (28, 28, 1), unknown sizes as None."""
    if shape is UNKNOWN_SHAPE:
        return "unknown"
    inner = ", ".join("None" if s is UNKNOWN else str(plain(s)) for s in shape)
    return f"({inner},)" if len(shape) == 1 else f"({inner})"


def counted(number: Size, word: str) -> str:
    """Return a number with its noun: 1 row, 3 rows, n − 2 rows."""
    return f"{show(number)} {word if is_known(number) and number == 1 else plural(word)}"


def plural(word: str) -> str:
    """Return the plural of one of the words for a position along an axis."""
    return word + "s"
