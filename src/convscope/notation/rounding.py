"""How far an engine may be from a number: the roundings of its own arithmetic, added up along the expression."""

from __future__ import annotations

import math
import sys
from collections.abc import Iterable, Mapping
from functools import cache
from typing import Any

import numpy as np

from convscope.notation.evaluation import Evaluator, bordered, full
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
    addends,
    factors,
    lengths,
    nears,
)
from convscope.notation.functions import SAME, Formula, Function, primitive
from convscope.notation.index import Axis, Remainder
from convscope.typed import Array, Record

_OPERATORS = {"+": "add", "-": "sub", "*": "mul", "/": "div"}

ROUNDING = {"float32": 2.0**-24, "float64": 2.0**-51, "float16": 2.0**-11, "bfloat16": 2.0**-8}
"""Half the distance from 1 to the next number of a type: the largest relative error of one rounding.

For float64 four times that, since the ledger itself is float64 arithmetic.
"""

LEAST = {"float16": 2.0**-25}
"""Half the smallest number of a type, where numbers so small are met: a rounding is off by that at least."""


class FloatRange(Record):
    """What numbers a type holds.

    largest    what is larger becomes infinite
    smallest   the smallest with all its digits: below, they go one by one, and many engines put 0 at once
    """

    largest: float
    smallest: float

    def held(self, value: Any, error: Any) -> tuple[Any, Any]:
        """Return a value and its error when it is kept as such a number."""
        size = abs(value)
        half = self.largest / 2
        if _is_one(size) and _is_one(error):
            if (size >= self.smallest or size == 0) and size < half and error < half:
                return value, error  # as good as always
        elif _most(size) < half and _most(error) < half:
            if np.asarray(size).min(initial=half) >= self.smallest:
                return value, error
            tiny = (size < self.smallest) & (size > 0)
            return value, np.where(tiny, error + size, error) if tiny.any() else error
        lost = np.where((size < self.smallest) & (size > 0), size, 0.0)
        return value, self.beyond(size, error + lost)

    def beyond(self, size: Any, error: Any) -> Any:
        """Return an error that is infinite where a number of this size may have overflowed.

        What is infinite or NaN because something that was read is stays certain.
        """
        if _most(size + error) < self.largest:
            return error  # as good as always
        over = np.isfinite(size) & np.logical_not(size + error < self.largest)
        return _either(over | np.isnan(error), np.inf, error)


RANGES = {
    "float32": FloatRange((2 - 2.0**-23) * 2.0**127, 2.0**-126),
    "float64": FloatRange(sys.float_info.max, sys.float_info.min),
    "float16": FloatRange(65504.0, 2.0**-14),
    "bfloat16": FloatRange((2 - 2.0**-7) * 2.0**127, 2.0**-126),
}


class Rounding:
    """Adds up the roundings that an engine may make, whatever order it works in.

    unit      the largest relative error of one rounding; what is summed up is summed in float32 at least, and
              rounded once more to a smaller type
    watched   an expression whose value is kept on the way, in `met`

    Running error analysis (Higham, Accuracy and Stability of Numerical Algorithms, ch. 3): each
    operation passes on the errors of its operands and adds one rounding of its own; for a sum of n
    terms see `_roundings`.
    """

    def __init__(self, evaluator: Evaluator, dtype: str, watched: Expression | None = None) -> None:
        self.evaluator, self.unit = evaluator, ROUNDING[dtype]
        self.inner = min(self.unit, ROUNDING["float32"])
        self.range = RANGES[dtype if dtype == "float64" else "float32"]
        self.watched = watched
        self.met: Any = None

    def of(self, node: Expression, given: Mapping[Axis, Any], depth: int) -> tuple[Any, Any]:
        """Return the value and the error of an expression."""
        with np.errstate(all="ignore"):
            return self._held(node, given, depth)

    def _held(self, node: Expression, given: Mapping[Axis, Any], depth: int) -> tuple[Any, Any]:
        value, error = self.range.held(*self._of(node, given, depth))
        if node is self.watched:
            self.met = value
        return value, error

    def _of(self, node: Expression, given: Mapping[Axis, Any], depth: int) -> tuple[Any, Any]:
        u = self.unit
        match node:
            case Number(value):
                return value, _written(value, u)
            case Read(tensor) if isinstance(tensor, Local):
                inner, inside = self.evaluator.held(node, given)
                value, error = self._held(tensor.expression, inner, depth)
                if inside is True:
                    return value, error
                return bordered(value, inside, node.outside), _either(inside, error, 0.0)
            case Read():
                return self.evaluator.value(node, given, depth), 0.0
            case Binary("+") if any(map(_is_sum, addends(node))):
                return self.total(addends(node), given, depth)
            case Binary(operator, left, right):
                a, b = self._held(left, given, depth), self._held(right, given, depth)
                return self.apply(_OPERATORS[operator], [a, b])
            case Call(function, arguments):
                counted = (
                    function is SAME
                )  # a place that is compared with another: no engine rounds it
                told = [
                    (self.evaluator.value(a, given, depth), 0.0)
                    if counted and isinstance(a, Place)
                    else self._held(a, given, depth)
                    for a in arguments
                ]
                return self.call(function, told)
            case Place(index):
                # what is left of a place that an engine computes in floats is off by what those are
                room: Any = sum(
                    (np.abs(atom.of.at(given)) + atom.by) * abs(factor) for atom, factor in index.terms
                    if isinstance(atom, Remainder)
                )  # fmt: skip
                return self.evaluator.value(node, given, depth), 4 * u * room
            case Inside():
                return self.evaluator.value(node, given, depth), 0.0
            case Reduction("first"):
                return self.first(node, given, depth)
            case Reduction("sum"):
                return self.total([node], given, depth)
            case Reduction():
                return self.reduce(node, given, depth)
            case Pieces(along, ends, bodies):
                place = along.at(given)
                if np.ndim(place) == 0:
                    return self._held(node.at(int(place)), given, depth)
                here = [place < end for end in ends]
                found, errors = zip(*(self._held(b, given, depth) for b in bodies), strict=True)
                return np.select(here, list(found)), np.select(here, list(errors))
        raise AssertionError(f"cannot bound {type(node).__name__}")

    def call(self, function: Function, arguments: list[tuple[Any, Any]]) -> tuple[Any, Any]:
        """Return a function's value and error; a formula step by step."""
        if function.formula is None:
            return self.apply(function.name, arguments)
        given = dict(zip(function.parameters, arguments, strict=True))
        value, error = self._step(function.formula, given, _is_straight(function.formula))
        if (
            function.steep is not None
        ):  # its steps may divide by next to nothing, what comes of them does not
            ((_, moved),) = arguments
            error = np.minimum(error, function.steep * moved + _STEPS * self.unit)
        return value, error

    def _step(
        self, part: Formula, given: Mapping[str, tuple[Any, Any]], whole: bool
    ) -> tuple[Any, Any]:
        """Return the value and error of part of a formula; `whole`: it makes whole numbers of whole ones."""
        if isinstance(part, str):
            return given[part]
        if isinstance(part, (int, float)):
            return part, _written(part, self.unit)
        parts = [self._step(p, given, whole) for p in part[1:]]
        value, error = self.apply(part[0], parts)
        if whole and part[0] in _COUNTING:  # no engine rounds whole numbers
            error = _either(_is_whole(value, *parts, most=1 / self.unit), 0.0, error)
        return self.range.held(value, error)

    def apply(self, name: str, arguments: list[tuple[Any, Any]]) -> tuple[Any, Any]:
        """Return a primitive's value and error."""
        u = self.unit
        values = [a for a, _ in arguments]
        value = primitive(name, values, np)
        match name, arguments:
            case (("add" | "sub"), [(a, ea), (b, eb)]):
                # of the operands and not of the result, since an engine may fold a mean into a bias;
                # but equal numbers leave exactly 0
                same = (np.equal(a, b) if name == "sub" else False) & np.equal(ea + eb, 0.0)
                # and an infinity with a number stays what it is
                endless = [
                    np.isinf(x) & np.equal(ex, 0.0) & np.isfinite(y) & np.isfinite(ey)
                    for (x, ex), (y, ey) in (arguments, arguments[::-1])
                ]
                exact = same | endless[0] | endless[1] | _is_condition(*arguments)
                return value, _either(exact, 0.0, ea + eb + u * (np.abs(a) + np.abs(b)))
            case "mul", [(a, ea), (b, eb)]:
                passed = u * np.abs(value)
                if not (_is_exact(ea) and _is_exact(eb)):
                    passed = passed + np.abs(a) * eb + np.abs(b) * ea + ea * eb
                if not np.equal(value, 1.0).any():  # 1 · 1; what is 0 has no error as it is
                    return value, passed
                return value, _either(_is_condition(*arguments), 0.0, passed)
            case "div", [(a, ea), (b, eb)]:
                room = np.maximum(np.abs(b) - eb, np.abs(b) * 0.5)
                off = np.divide(ea + np.abs(value) * eb, room) + u * np.abs(value)
                gone = (np.abs(b) < self.range.smallest) & np.not_equal(
                    b, 0.0
                )  # it may be divided by 0
                return value, _either(gone, np.inf, off)
            case (("max" | "min"), [(a, ea), (b, eb)]):
                # what a maximum is of a NaN and a number, engines answer in both ways
                odd = (a != a) | (b != b)  # noqa: PLR0124 (a NaN, for single numbers too)
                return value, _either(odd, np.inf, np.maximum(ea, eb))
            case "abs", [(_, ea)]:
                return value, ea
        # a function of the library: off by a few units, and by as much as its argument's error moves it
        error: Any = 4 * u * (np.abs(value) + np.minimum(np.abs(values[0]), 1.0))
        if name in _EXACT:
            error = 0.0 * _either(np.isfinite(error), error, 0.0)
        if name == "select" and np.any(np.isnan(values[0])):
            # one engine asks whether x is above, another whether it is not below: a NaN is neither
            error = _either(np.isnan(values[0]), np.inf, error)
        if (
            name == "erf"
        ):  # PyTorch takes it from 1: Abramowitz & Stegun 7.1.26, off by 1.5e-7 at most
            error = error + max(4 * u, 4 * ROUNDING["float32"])
        if name == "pow" and np.equal(values[1], np.rint(values[1])).all():
            arguments = [arguments[0], (values[1], 0.0)]  # a whole number is one in every type
        for place, (a, ea) in enumerate(arguments):
            moves = [
                _apart(primitive(name, [*values[:place], moved, *values[place + 1 :]], np), value)
                for moved in (np.maximum(a - ea, 0.0) if name == "sqrt" else a - ea, a + ea)
            ]
            moved = np.maximum(*moves)
            if name == "at_least":  # of what may be anything nothing follows
                moved = _either(np.isinf(ea) & (np.isnan(a) | (moved > 0)), np.inf, moved)
            error = error + moved
        return value, error

    def total(
        self, parts: Iterable[Expression], given: Mapping[Axis, Any], depth: int
    ) -> tuple[Any, Any]:
        """Return the value and error of a sum with what is added to it, as one sum.

        An engine may begin with the bias, and then rounds it once for every term.
        """
        value: Any = 0.0
        error: Any = 0.0
        size: Any = 0.0
        count = 0.0
        for part in parts:
            if isinstance(part, Reduction) and part.kind == "sum":
                found, off, its_size = self.summed(part, given, depth)
                value = value + found
                if its_size is None:
                    continue
                error, size = error + off, size + its_size + off
                near = nears(part)
                one = self.unit / self.inner if near else 1.0
                many = math.prod(lengths(part, int(bool(near))))
                count += one * _roundings(many, _is_product(part.body))
            else:
                term, its_error = self._held(part, given, depth)
                value, error, size = value + term, error + its_error, size + np.abs(term)
                count += 1
        more = count * self.inner + self.unit - self.inner if count else 0.0
        error = error + more * size
        return value, self.range.beyond(size, error)

    def summed(
        self, node: Reduction, given: Mapping[Axis, Any], depth: int
    ) -> tuple[Any, Any, Any]:
        """Return the sum of a reduction's terms, of their errors and of their sizes; no size where it only counts."""
        leading = tuple(range(len(node.axes)))
        products = self.products(node, given, depth)
        if products is not None:
            terms, size = products[0], products[1].sum(axis=leading)
            return terms.sum(axis=leading), self.inner * size, size
        terms, errors, _ = self.terms(node, given, depth)
        value = terms.sum(axis=leading)
        if node.kind == "sum" and _counts(node, terms, errors, self.inner):
            return value, 0.0, None
        return value, errors.sum(axis=leading), np.abs(terms).sum(axis=leading)

    def products(
        self, node: Reduction, given: Mapping[Axis, Any], depth: int
    ) -> tuple[Array, Array] | None:
        """Return the terms of a reduction, and how large they are, where each is a product of two numbers that are read.

        That is what most sums are made of, and each term is off by one rounding. None for any other sum, and where
        one number, or a product, is too large or too small for that to be all.
        """
        body = node.body
        if not (isinstance(body, Binary) and body.operator == "*") or nears(node):
            return None
        pair = (body.left, body.right)
        if not all(isinstance(p, Read) and not isinstance(p.tensor, Local) for p in pair):
            return None
        inner, deeper = self.evaluator.open(node, given, depth)
        left, right = (self.evaluator.value(part, inner, deeper) for part in pair)
        terms = left * right
        size = abs(terms)
        low, half = self.range.smallest, self.range.largest / 2
        for found in (size, abs(left), abs(right)):
            if not found.max(initial=0.0) < half:
                return None
            if found.min(initial=half) < low and ((found < low) & (found > 0)).any():
                return None
        if np.equal(terms, 1.0).any():  # of conditions, perhaps, which nobody rounds
            return None
        return full(terms, lengths(node), deeper), full(size, lengths(node), deeper)

    def first(self, node: Reduction, given: Mapping[Axis, Any], depth: int) -> tuple[Any, Any]:
        """Return where a maximum is; uncertain where another number may be as large."""
        terms, errors, sizes = self.terms(node, given, depth)
        terms, errors = (x.reshape(-1, *x.shape[len(sizes) :]) for x in (terms, errors))
        found = terms.argmax(axis=0)
        ours = np.take_along_axis(terms - errors, found[np.newaxis], 0)
        near = terms + errors >= ours
        odd = (near.sum(axis=0) > 1) & (near & (errors > 0)).any(axis=0)
        odd = odd | np.isnan(terms).any(axis=0)
        return found.astype(float), _either(odd, np.inf, 0.0)

    def reduce(self, node: Reduction, given: Mapping[Axis, Any], depth: int) -> tuple[Any, Any]:
        """Return the value and error of a maximum or a mean."""
        if node.kind == "max":
            terms, errors, sizes = self.terms(node, given, depth)
            leading = tuple(range(len(sizes)))
            odd = np.isnan(terms).any(axis=leading)
            return terms.max(axis=leading), _either(odd, np.inf, errors.max(axis=leading))
        count = self.evaluator.count(node, *self.evaluator.open(node, given, depth))
        total, off, size = self.summed(node, given, depth)
        value = total / count
        roundings = _roundings(math.prod(lengths(node)), _is_product(node.body)) * self.inner
        error = self.range.beyond(size, off + roundings * size)
        return value, error / count + self.unit * np.abs(value)

    def terms(
        self, node: Reduction, given: Mapping[Axis, Any], depth: int
    ) -> tuple[Array, Array, tuple[int, ...]]:
        """Return the terms of a reduction, their errors, and how many there are along each axis."""
        near = nears(node)
        beside = int(bool(near))
        inner, deeper = self.evaluator.open(node, given, depth, beside)
        sizes = lengths(node, beside)
        unit = self.unit
        if not near:  # which is no product of matrices, and may be computed in the type all along
            self.unit = self.inner
        try:
            values, errors = self._held(node.body, inner, deeper)
            counting = self.evaluator.counting(node, inner, deeper)
            maybe: Any = False  # whether the engine may look there, though it does not count
            for one in near:  # an engine that is off by more looks at other places
                at, moved = self._held(one.at, inner, deeper)
                errors = np.where(np.greater(moved, beside), np.inf, errors)
                away = np.abs(at - inner[one.axis]) - one.taps / 2
                maybe = maybe | ~(away > moved)
            if counting is not True:
                beyond = np.where(maybe, np.nan_to_num(errors, nan=np.inf), 0.0)
                values, errors = (
                    np.where(counting, values, 0.0),
                    np.where(counting, errors, beyond),
                )
        finally:
            self.unit = unit
        return full(values, sizes, deeper), full(errors, sizes, deeper), sizes


def _written(value: float, unit: float) -> float:
    """Return how far a number that is written in an equation may be off in an engine: whole ones are not."""
    exact = not math.isfinite(value) or (value == round(value) and abs(value) < 1 / unit)
    return 0.0 if exact else abs(value) * unit


def _apart(a: Any, b: Any) -> Any:
    """Return how far numbers are apart; not at all for two of the same infinity."""
    return np.where(np.equal(a, b), 0.0, np.abs(a - b))


_EXACT = ("select", "at_least", "sign", "floor", "ceil", "round")
"""Functions that every engine gives to the last digit."""


_STEPS = 64
"""More roundings than the formula of a curve makes."""

_COUNTING = ("add", "sub", "mul")


@cache
def _is_straight(formula: Formula) -> bool:
    """Whether a formula only chooses, counts and rounds: an engine that does so in another way comes to the same."""
    if not isinstance(formula, tuple):
        return True
    known = formula[0] in (*_COUNTING, *_EXACT, "abs", "max", "min")
    return known and all(map(_is_straight, formula[1:]))


def _is_condition(*arguments: tuple[Any, Any]) -> Any:
    """Whether numbers are what conditions are, 0 or 1, without any error: no engine rounds what is made of them."""
    found: Any = True
    for value, error in arguments:
        found = found & (np.equal(value, 0.0) | np.equal(value, 1.0))
        if not (_is_one(error) and error == 0.0):
            found = found & np.equal(error, 0.0)
        if not found.any():
            return False
    return found


def _is_whole(value: Any, *arguments: tuple[Any, Any], most: float) -> Any:
    """Whether whole numbers without any error make a whole number that is not too large to be exact."""
    found = np.abs(value) < most
    for number, error in arguments:
        found = found & np.equal(number, np.rint(number)) & np.equal(error, 0.0)
    return found


def _counts(node: Reduction, terms: Array, errors: Array, unit: float) -> bool:
    """Whether a sum only counts: its terms are whole numbers that were not read, and come to no large one."""
    if any(isinstance(factor, Read) for factor in factors(node.body)) or np.any(errors):
        return False
    return bool(np.equal(terms, np.rint(terms)).all() and np.abs(terms).sum() < 1 / unit)


def _most(size: Any) -> Any:
    """Return the largest of some sizes; NaN where one is."""
    return size if _is_one(size) else size.max(initial=0.0)


def _either(holds: Any, one: Any, other: Any) -> Any:
    """Return one where a condition holds, the other elsewhere; of a single condition without making arrays."""
    if isinstance(holds, np.ndarray) and holds.ndim:
        return np.where(holds, one, other)
    return one if holds else other


def _is_one(number: Any) -> bool:
    return isinstance(number, (int, float)) or number.ndim == 0


def _is_exact(error: Any) -> bool:
    return isinstance(error, float) and error == 0.0


def _is_sum(node: Expression) -> bool:
    return isinstance(node, Reduction) and node.kind == "sum"


def _is_product(node: Expression) -> bool:
    return isinstance(node, Binary) and node.operator == "*"


def _roundings(count: int, varied: bool) -> float:
    """Return how many roundings of its size a sum of `count` terms adds up to.

    One for each term in the worst case, for every order of summation, and it is met: a map of one
    colour rounds the same way at every step. Where the terms are products of weights they vary, roundings are as
    often up as down, and beyond λ·√n of them (λ = 8) one meets with a probability below 10⁻¹³ (Higham
    & Mary 2019, A New Approach to Probabilistic Rounding Error Analysis).
    """
    return min(count, 8 * math.sqrt(count)) if varied else count
