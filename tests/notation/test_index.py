"""Indices against plain Python: the same expression, evaluated by hand at every point."""

from __future__ import annotations

import operator
from collections.abc import Callable, Sequence
from itertools import product
from typing import Any

import numpy as np
import pytest
from campaigns import rounds
from hypothesis import given, settings
from hypothesis import strategies as st

from convscope.notation import Axis, Index, exactly, symbol
from convscope.notation.index import LATEX, as_index
from convscope.notation.sizes import UNKNOWN
from convscope.notation.spread import spread as spread_of

SIZES = (4, 3, 5)
AXES = tuple(map(Axis, "yic", SIZES))
Y, I, C = AXES

Tree = Any
"""An axis' number, an int, or (operator, tree, tree or number)."""

DIVISIONS = ("floor", "mod", "exact")


def trees(*operators: str) -> st.SearchStrategy[Tree]:
    leaves = st.one_of(st.integers(0, 2).map(lambda n: ("axis", n)), st.integers(-4, 4))

    def larger(inner: st.SearchStrategy[Tree]) -> st.SearchStrategy[Tree]:
        sums = st.tuples(st.sampled_from(["add", "sub"]), inner, inner)
        products = st.tuples(st.just("mul"), inner, st.integers(-3, 5))
        kinds = [sums, products]
        if operators:
            kinds.append(st.tuples(st.sampled_from(operators), inner, st.integers(1, 6)))
        return st.one_of(kinds)

    return st.recursive(leaves, larger, max_leaves=6)


def exact_trees() -> st.SearchStrategy[Tree]:
    """Return trees with an exact division, which stands outside of all others or beside them."""
    divided = st.tuples(st.just("exact"), trees("floor", "mod"), st.integers(1, 6))
    return st.one_of(divided, st.tuples(st.sampled_from(["add", "sub"]), divided, trees("floor")))


def built(tree: Tree, axes: Sequence[Axis] = AXES) -> Index:
    """Return a tree as an index."""
    match tree:
        case int():
            return as_index(tree)
        case "axis", n:
            return axes[int(n)]
        case name, a, b:
            left, right = built(a, axes), b if isinstance(b, int) else built(b, axes)
            result: Index = DONE[name](left, right)
            return result
    raise AssertionError(tree)


DONE: dict[str, Callable[[Any, Any], Any]] = {
    "add": operator.add,
    "sub": operator.sub,
    "mul": operator.mul,
    "floor": operator.floordiv,
    "mod": operator.mod,
    "exact": exactly,
}


def by_hand(tree: Tree, point: tuple[int, ...]) -> int | None:
    """Return a tree's value at a point in plain Python; None where an exact division is not."""
    match tree:
        case int():
            return tree
        case "axis", n:
            return point[int(n)]
        case name, a, b:
            left = by_hand(a, point)
            right = b if name in ("mul", *DIVISIONS) else by_hand(b, point)
            if left is None or right is None or (name == "exact" and left % right):
                return None
            value: int = DONE["floor" if name == "exact" else name](left, right)
            return value
    raise AssertionError(tree)


many = settings(max_examples=rounds(60, 250))

ANY = st.one_of(trees("floor", "mod"), exact_trees())

DIVIDED = st.tuples(
    st.sampled_from(["mod", "floor"]),
    st.tuples(st.just("add"), st.integers(0, 2).map(lambda n: ("axis", n)), trees()),
    st.integers(2, 6),
)
"""Quotients and remainders of what certainly moves."""

POINTS = list(product(*map(range, SIZES)))
RANGES = {axis: (0, axis.size - 1) for axis in AXES}


@many
@given(trees())
def test_bounds_of_an_affine_index_are_exact(tree: Tree) -> None:
    values = [value for point in POINTS if (value := by_hand(tree, point)) is not None]
    assert len(values) == len(POINTS)
    assert built(tree).bounds(RANGES) == (min(values), max(values))


@many
@given(ANY)
def test_bounds_are_never_too_narrow(tree: Tree) -> None:
    low, high = built(tree).bounds(RANGES)
    values = [v for point in POINTS if (v := by_hand(tree, point)) is not None]
    assert all(low <= v <= high for v in values)


@many
@given(ANY)
def test_values_at_points_and_on_a_grid(tree: Tree) -> None:
    index = built(tree)
    wanted = [by_hand(tree, point) for point in POINTS]
    for point, value in zip(POINTS, wanted, strict=True):
        at = dict(zip(AXES, point, strict=True))
        assert bool(index.whole(at)) == (value is not None)
        assert value is None or index.at(at) == value
    grid = dict(zip(AXES, np.ix_(*map(np.arange, SIZES)), strict=True))
    whole = np.broadcast_to(index.whole(grid), SIZES).ravel()
    values = np.broadcast_to(index.at(grid), SIZES).ravel()
    assert [int(v) if w else None for v, w in zip(values, whole, strict=True)] == wanted


@many
@given(ANY, trees("floor"), st.integers(0, 2))
def test_substituting_an_index_for_an_axis(tree: Tree, new: Tree, which: int) -> None:
    # the new index must stay within the axis, as an index that is read always does
    within = ("mod", new, SIZES[which])
    index = built(tree).substitute({AXES[which]: built(within)})
    for point in POINTS:
        moved = list(point)
        moved[which] = by_hand(within, point) or 0
        value = by_hand(tree, tuple(moved))
        at = dict(zip(AXES, point, strict=True))
        assert bool(index.whole(at)) == (value is not None)
        assert value is None or index.at(at) == value


@many
@given(st.one_of(ANY, DIVIDED), st.sets(st.integers(0, 2)))
def test_a_spread_holds_every_value(tree: Tree, held: set[int]) -> None:
    bound = {AXES[n]: RANGES[AXES[n]] for n in held}
    spread = spread_of(built(tree), bound)
    free = [n for n in range(3) if n not in held]
    for outside in product(*(range(SIZES[n]) for n in free)):
        place = dict(zip(free, outside, strict=True))
        values = []
        for inside in product(*(range(SIZES[n]) for n in sorted(held))):
            point = place | dict(zip(sorted(held), inside, strict=True))
            value = by_hand(tree, tuple(point[n] for n in range(3)))
            values += [] if value is None else [value]
        if not values:
            continue
        if spread.slopes is not None:
            straight = sum(s * place[AXES.index(a)] for a, s in spread.slopes.items())
            assert all(spread.low <= v - straight <= spread.high for v in values)
            continue
        assert max(values) - min(values) <= spread.high - spread.low
        if not any(outside):
            assert all(spread.low <= v <= spread.high for v in values)


@many
@given(trees(), st.sets(st.integers(0, 2)))
def test_a_spread_of_an_affine_index_is_exact(tree: Tree, held: set[int]) -> None:
    bound = {AXES[n]: RANGES[AXES[n]] for n in held}
    spread = spread_of(built(tree), bound)
    ranges = {axis: bound.get(axis, (0, 0)) for axis in AXES}
    assert spread.slopes is not None
    assert (spread.low, spread.high) == built(tree).bounds(ranges)


@many
@given(trees("floor"))
def test_an_index_has_moved_by_a_whole_number_after_a_period(tree: Tree) -> None:
    period = built(tree, [Axis(name) for name in "yic"]).period()
    for axis in range(3):
        moves = set()
        for place in range(12):
            point = [1, 2, 3]
            point[axis] = place
            now = by_hand(tree, tuple(point))
            point[axis] += period
            then = by_hand(tree, tuple(point))
            assert now is not None and then is not None
            moves.add(then - now)
        assert len(moves) == 1


def test_what_divides_is_taken_out_of_a_quotient() -> None:
    # row-major: 5y + c is row y, column c of a map that is 5 wide
    assert str((Y * 5 + C) // 5) == "y"
    assert str((Y * 5 + C) % 5) == "c"
    assert str((Y * 10 + C) // 5) == "2y"
    assert str((Y * 5 + C + 7) // 5) == "y + ⌊(c + 7)/5⌋"
    assert str((Y * 5 + C + 5) % 5) == "c"
    assert str((Y + 8) // 4) == "2"
    # an axis whose size is still to be solved, unknown or a symbol could be anything
    for size in (None, UNKNOWN, symbol("n")):
        axis = Axis("z", size)
        assert str((axis + 8) // 4) == "⌊(z + 8)/4⌋"
        assert str(axis % 4) == "z mod 4"


@pytest.mark.parametrize(
    ("index", "text", "latex"),
    [
        (Y, "y", "y"),
        (as_index(0), "0", "0"),
        (as_index(-3), "−3", "-3"),
        (Y * 2 + I - 1, "2y + i − 1", "2y+i-1"),
        (-Y + 3, "−y + 3", "-y+3"),
        (5 - Y * 2, "−2y + 5", "-2y+5"),
        (Y - Y, "0", "0"),
        ((Y + I) // 2, "⌊(y + i)/2⌋", r"\lfloor (y+i)/2 \rfloor"),
        (Y // 2, "⌊y/2⌋", r"\lfloor y/2 \rfloor"),
        ((Y * 3) // 2, "⌊3y/2⌋", r"\lfloor 3y/2 \rfloor"),
        ((Y // 2) * 3 + I, "3·⌊y/2⌋ + i", r"3 \cdot \lfloor y/2 \rfloor+i"),
        ((C // 2) % 2, "⌊c/2⌋ mod 2", r"\lfloor c/2 \rfloor \bmod 2"),
        (Y % 2 + I, "(y mod 2) + i", r"(y \bmod 2)+i"),
        (-(Y % 2), "−(y mod 2)", r"-(y \bmod 2)"),
        ((Y % 3) // 2, "⌊(y mod 3)/2⌋", r"\lfloor (y \bmod 3)/2 \rfloor"),
        (exactly(Y + 1 - I, 2), "(y − i + 1)/2", "(y-i+1)/2"),
        (exactly(Y - I, 1), "y − i", "y-i"),
        (Y * symbol("s") + symbol("n") - 1, "s·y + n − 1", r"s \cdot y+n - 1"),
        (Y - symbol("n"), "y − n", "y-n"),
        (Y - symbol("n") - 1, "y − (n + 1)", "y-(n + 1)"),
        (Y - (symbol("n") // 2), "y − ⌊n/2⌋", r"y-\left\lfloor n/2 \right\rfloor"),
        (Y * (symbol("s") + 1), "(s + 1)·y", r"(s + 1) \cdot y"),
        (Y + UNKNOWN, "y + ?", r"y+\text{?}"),
        (Y // (symbol("n") * 3), "⌊y/(3·n)⌋", r"\lfloor y/(3 \cdot n) \rfloor"),
        # symbols that cancel
        (Y * symbol("s") - Y * (symbol("s") - 1), "y", "y"),
        (Y + symbol("n") - I - symbol("n"), "y − i", "y-i"),
        (Y // (symbol("n") - 1), "⌊y/(n − 1)⌋", r"\lfloor y/(n - 1) \rfloor"),
    ],
)
def test_an_index_as_text_and_latex(index: Index, text: str, latex: str) -> None:
    assert str(index) == text
    assert index.spelled(LATEX) == latex


def test_a_single_axis_is_known_as_one() -> None:
    assert Y.single() is Y
    assert (Y + I - I).single() is Y
    assert (Y + 1).single() is None
    assert (Y * 2).single() is None
    assert (Y // 2).single() is None


def test_a_window_that_a_remainder_may_wrap_around_could_be_anywhere() -> None:
    y, i = Axis("y"), Axis("i", 3)
    wrapped = spread_of((y + i) % 5, {i: (0, 2)})
    # 0 1 2, 1 2 3, 2 3 4, 3 4 0: from one end to the other
    assert (wrapped.slopes, wrapped.low, wrapped.high) == (None, 0, 4)
    alone = spread_of((y + 3) % 5, {})
    assert (alone.slopes, alone.low, alone.high) == (None, 3, 3)
    held = spread_of((i + 3) % 5, {i: (0, 2)})
    assert (held.slopes, held.low, held.high) == ({}, 0, 4)
