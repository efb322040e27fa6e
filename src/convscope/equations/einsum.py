"""Products of tensors whose axes are named by letters, summed over the letters that the result does not name.

ab,bc->ac   out[a, c] = Σ b  first[a, b] · second[b, c]
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import reduce

from convscope.equations.layout import axes_of
from convscope.equations.stating import NoEquation
from convscope.errors import ShapeError
from convscope.notation import Axis, Expression, Size, Sum
from convscope.notation.sizes import Shape, is_one, surely_differ
from convscope.typed import TYPE_CHECKING

if TYPE_CHECKING:
    from typing import Any


def spelled_out(equation: str, ranks: Sequence[int]) -> tuple[list[str], str]:
    """Return the letters of each term and of the result of "…ij,jk->…ik", for tensors of so many axes.

    Axes that three points stand for have capital Greek letters, the last of them first. Without an arrow the result
    has the points' axes and, in alphabetical order, the letters that are met once.

    >>> spelled_out("b...i, ij", (4, 2))
    (['bΒΑi', 'ij'], 'ΒΑbj')

    Raises `NoEquation` for what cannot be read so.
    """
    left, arrow, right = "".join(equation.split()).partition("->")
    terms = left.split(",")
    points = "..."
    if len(terms) != len(ranks):
        raise NoEquation(f"it is spelled {equation}")
    found = []
    for term, rank in zip(terms, ranks, strict=True):
        more = rank - len(term.replace(points, ""))
        if more < 0 or (more and points not in term) or more > len(_POINTS):
            raise NoEquation(f"it is spelled {equation}")
        found.append(term.replace(points, _POINTS[:more][::-1]))
    every = "".join(found)
    ahead = "".join(c for c in _POINTS[::-1] if c in every)
    once = sorted(c for c in set(every) if every.count(c) == 1 and c not in ahead)
    result = right.replace(points, ahead) if arrow else ahead + "".join(once)
    if not all(c.isalpha() for c in every + result) or not set(result) <= set(every):
        raise NoEquation(f"it is spelled {equation}")
    return found, result


_POINTS = "ΑΒΓΔΕΖΗΘ"


def sizes_of(terms: Sequence[str], shapes: Sequence[Shape], what: str) -> dict[str, Size]:
    """Return the size of every letter; raise `ShapeError` where two tensors do not agree on one."""
    sizes: dict[str, Size] = {}
    for term, shape in zip(terms, shapes, strict=True):
        if len(term) != len(shape):
            raise ShapeError(
                f"{what}: {term!r} names {len(term)} axes, but the tensor has {len(shape)}"
            )
        for letter, size in zip(term, shape, strict=True):
            known = sizes.get(letter, size)
            if is_one(known):
                known = size
            elif surely_differ(known, size) and not is_one(size):
                raise ShapeError(f"{what}: {letter!r} would be {known} and {size} at once")
            sizes[letter] = known
    return sizes


def einsum(
    terms: Sequence[str],
    result: str,
    sizes: Mapping[str, Size],
    shapes: Sequence[Shape | None],
    read: Sequence[Callable[..., Expression]],
    axes: Sequence[Axis] | None = None,
    called: Mapping[str, str] | None = None,
) -> tuple[tuple[Axis, ...], Expression]:
    """Return the axes of the result, and the sum of products at one position of them.

    shapes   of every tensor, where a size of 1 serves all positions; None for a weight, which has its letters' sizes
    read     reads each tensor, at one index after another
    axes     the result's axes, called as those of a map by default
    called   what the axes of summed letters are called, where not as the letters
    """
    if len(set(result)) < len(result):
        raise NoEquation("its result names an axis twice")
    out = axes_of([sizes[letter] for letter in result]) if axes is None else tuple(axes)
    every = dict(zip(result, out, strict=True))
    taken = {axis.name for axis in out}
    running: dict[str, Axis] = {}
    for letter in dict.fromkeys("".join(terms)):
        if letter not in every:
            name = (called or {}).get(letter, letter)
            name = name if name not in taken else 2 * name
            running[letter] = Axis(name, sizes[letter], "input", role="in")
    every |= running
    factors = []
    for term, shape, reads in zip(terms, shapes, read, strict=True):
        at: list[Any] = [every[letter] for letter in term]
        for place, letter in enumerate(term if shape is not None else ""):
            if shape is not None and is_one(shape[place]) and not is_one(sizes[letter]):
                at[place] = 0
        factors.append(reads(*at))
    body = reduce(lambda a, b: a * b, factors)
    return out, Sum(*running.values())(body) if running else body
