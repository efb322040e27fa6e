"""Sizes that hold symbols: brought to one form, shown and read back. Imported with the first symbol.

Every rounded quotient is brought to ⌊(… + c)/d⌋ + k with 0 ≤ c < d, so that sizes that are equal
are found equal: a `same` layer's ⌈n/2⌉ and a padded layer's ⌊(n − 1)/2⌋ + 1 are both ⌊(n + 1)/2⌋.
"""

from __future__ import annotations

import ast
import operator
from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache
from math import gcd
from typing import Any, TypeAlias

import sympy
from sympy import Add, Integer, Max, Min, Mod, Mul, Pow, Rational, ceiling, floor

Term: TypeAlias = Any
"""A sympy expression (sympy does not say its types)."""


def symbol(name: str) -> Term:
    """Return the symbol of that name: a positive whole number nobody has fixed."""
    return sympy.Symbol(name, integer=True, positive=True)


def largest(*values: Any) -> Term:
    """Return the largest of numbers and symbols, left open where it is."""
    return Max(*values)


def smallest(*values: Any) -> Term:
    """Return the smallest of numbers and symbols, left open where it is."""
    return Min(*values)


# -- one form -------------------------------------------------------------------------------------


def simplified(term: Term) -> Term:
    """Return an equal term with its quotients in one form, and the numbers of a product in front."""
    if term.has(floor, ceiling):
        parts = [simplified(part) for part in term.args]
        if isinstance(term, floor):
            return _floored(parts[0])
        if isinstance(term, ceiling):
            return -_floored(-parts[0])
        term = term.func(*parts)
    if not isinstance(term, Mul):
        return term
    pairs = [part.primitive() for part in term.args]  # 18·(3n − 6)·k is 54·(n − 2)·k
    return Mul(*(number for number, _ in pairs), *(rest for _, rest in pairs))


def _floored(term: Term) -> Term:
    """Return ⌊term⌋ in the one form; as it is where term is no quotient of whole numbers."""
    top, bottom = sympy.fraction(sympy.together(sympy.expand(term)))
    top = sympy.expand(top)
    if not (bottom.is_integer and bottom.is_positive and top.is_integer):
        return floor(term)
    inner = [part for part in Add.make_args(top) if isinstance(part, floor)]
    if len(inner) == 1:  # ⌊(⌊u/a⌋ + c)/d⌋ = ⌊(u + c·a)/(a·d)⌋
        inner_top, inner_bottom = sympy.fraction(sympy.together(inner[0].args[0]))
        return _floored((inner_top + (top - inner[0]) * inner_bottom) / (inner_bottom * bottom))
    if not bottom.is_Integer:
        return _floored_by_symbols(top, bottom)
    divisor = int(bottom)
    constant, rest = top.as_coeff_Add()
    factors = [int(factor) for factor in rest.as_coefficients_dict().values()]
    if all(factor < 0 for factor in factors):  # ⌊−x/d⌋ = −⌈x/d⌉ = −⌊(x + d − 1)/d⌋
        return -_floored((divisor - 1 - top) / divisor)
    shared = gcd(divisor, *factors)  # ⌊(g·x + c)/(g·d)⌋ = ⌊(x + ⌊c/g⌋)/d⌋
    divisor //= shared
    whole, left = divmod(int(constant) // shared, divisor)
    return floor((rest / shared + left) / divisor) + whole


def _floored_by_symbols(top: Term, bottom: Term) -> Term:
    """Return ⌊top/bottom⌋ where a symbol divides: what is divided without a rest stands before it."""
    whole, rest = Integer(0), Integer(0)
    for part in Add.make_args(top):
        times = sympy.cancel(part / bottom)
        if sympy.fraction(times)[1] == 1:
            whole += times
        else:
            rest += part
    constant, others = rest.as_coeff_Add()
    free = [p for p in Add.make_args(others) if not p.free_symbols & bottom.free_symbols]
    signs = {_is_negative(part) for part in free if not part.is_zero}
    if signs == {True} or (not signs and constant < 0):  # ⌊−x/s⌋ = −⌊(x − 1)/s⌋ − 1
        return whole - 1 - _floored((-rest - 1) / bottom)
    return whole + floor(rest / bottom)


# -- spelled out ----------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Dialect:
    """How sums, products and quotients are spelled; `floor` takes two texts, `power` a text and a number."""

    minus: str
    times: str
    floor: str
    power: Callable[[str, int], str]
    remainder: str


def _raised(base: str, power: int) -> str:
    return base + str(power).translate(str.maketrans("0123456789", "⁰¹²³⁴⁵⁶⁷⁸⁹"))


SHOWN = Dialect(" − ", "·", "⌊{}/{}⌋", _raised, "{} mod {}")
WRITTEN = Dialect(" - ", "*", "{}//{}", "{}**{}".format, "{} % {}")
LATEX = Dialect(
    " - ", r" \cdot ", r"\left\lfloor {}/{} \right\rfloor", "{}^{{{}}}".format, r"{} \bmod {}"
)

_SUM, _QUOTIENT, _PRODUCT, _ATOM = 1, 2, 3, 4
"""How tightly a piece of text holds together; −a//b is not −(a//b), nor is a//b*c (a//b)*c."""


@lru_cache(maxsize=4096)  # a layer's few sizes stand in every line that is said of it
def spelled(term: Term, dialect: Dialect, held: bool = False) -> str:
    """Return a term as text: ⌊(n + 1)/2⌋ as people read it, (n + 1)//2 as Python and JSON do.

    held   whether it is a factor or a divisor, so that a sum or a product needs brackets
    """
    return _Speller(dialect).within(term, _ATOM if held else _SUM)


class _Speller:
    def __init__(self, dialect: Dialect) -> None:
        self.dialect = dialect

    def text(self, term: Term) -> tuple[str, int]:
        if term.is_Integer:
            minus = self.dialect.minus.strip()
            return (str(term), _ATOM) if term >= 0 else (f"{minus}{-term}", _SUM)
        if term.is_Symbol:
            return sympy.latex(term) if self.dialect is LATEX else term.name, _ATOM
        if isinstance(term, Add):
            return self.sum(term)
        if isinstance(term, floor):
            return self.floor(term.args[0], 0)
        if isinstance(term, Mod):
            a, b = (self.within(part, _ATOM) for part in term.args)
            return self.dialect.remainder.format(a, b), _QUOTIENT
        if isinstance(term, (Max, Min)):
            name = {Max: "max", Min: "min"}[term.func]
            inner = ", ".join(self.text(part)[0] for part in sorted(term.args, key=str))
            return (rf"\{name}({inner})" if self.dialect is LATEX else f"{name}({inner})"), _ATOM
        if isinstance(term, Pow) and term.exp.is_Integer and term.exp > 0:
            return self.dialect.power(self.within(term.base, _ATOM), int(term.exp)), _ATOM
        if isinstance(term, (Mul, Rational)):
            return self.product(term)
        return str(term), _SUM

    def within(self, term: Term, at_least: int) -> str:
        return self.bracketed(self.text(term), at_least)

    def bracketed(self, piece: tuple[str, int], at_least: int) -> str:
        return piece[0] if piece[1] >= at_least else f"({piece[0]})"

    def sum(self, term: Term) -> tuple[str, int]:
        constant, rest = term.as_coeff_Add()
        factor, core = rest.as_coeff_Mul()
        if isinstance(core, floor) and factor > 0 and (constant / factor).is_Integer:
            top, bottom = _quotient(core.args[0])
            ceiling_of = not bottom.is_Integer and top.as_coeff_Add()[0] == -1
            if ceiling_of or (bottom.is_Integer and top.as_coeff_Add()[0]):
                # 2·⌊(n + 1)/2⌋ − 2 is simpler as 2·⌊(n − 1)/2⌋, and ⌊(n + s − 1)/s⌋ is ⌈n/s⌉
                quotient = self.floor(core.args[0], constant / factor)
                if factor == 1:
                    return quotient
                times = f"{factor}{self.dialect.times}"
                return f"{times}{self.bracketed(quotient, _PRODUCT)}", _PRODUCT
        text = ""
        parts = term.as_ordered_terms()
        first = min(parts, key=_is_negative)  # n − m reads better than −m + n
        for part in (first, *(p for p in parts if p is not first)):
            negative = _is_negative(part)
            if text:
                sign = self.dialect.minus if negative else " + "
                text += sign + self.within(-part if negative else part, _QUOTIENT)
            else:
                text = self.within(part, _SUM)
        return text, _SUM

    def floor(self, inside: Term, more: Term) -> tuple[str, int]:
        top, bottom = _quotient(inside)
        bracketed = self.dialect is not WRITTEN
        top_text = self.within(top + more * bottom, _PRODUCT if bracketed else _ATOM)
        text = self.dialect.floor.format(top_text, self.within(bottom, _ATOM))
        return text, _ATOM if bracketed else _QUOTIENT

    def product(self, term: Term) -> tuple[str, int]:
        top, bottom = sympy.fraction(term)
        number, rest = top.as_coeff_Mul()
        if number < 0:
            return f"{self.dialect.minus.strip()}{self.within(-term, _PRODUCT)}", _SUM
        pieces = [] if number == 1 and rest != 1 else [str(number)]
        pieces += [self.within(part, _PRODUCT) for part in rest.as_ordered_factors() if part != 1]
        text = self.dialect.times.join(pieces)
        return (text if bottom == 1 else f"{text}/{self.within(bottom, _ATOM)}"), _PRODUCT


def _is_negative(term: Term) -> bool:
    return bool(term.as_coeff_Mul()[0] < 0)


def _quotient(term: Term) -> tuple[Term, Term]:
    top, bottom = sympy.fraction(sympy.together(term))
    return sympy.expand(top), bottom


# -- read back ------------------------------------------------------------------------------------

_OPERATORS: dict[type[ast.operator], Callable[[Any, Any], Any]] = {
    ast.Add: operator.add,
    ast.Sub: operator.sub,
    ast.Mult: operator.mul,
    ast.Div: operator.truediv,
    ast.FloorDiv: operator.floordiv,
    ast.Mod: operator.mod,
    ast.Pow: operator.pow,
}


def parsed(text: str) -> Term:
    """Return the term that `spelled` wrote in Python's spelling.

    Only names, whole numbers, + - * / // % ** and max and min mean something; nothing is run. Raises
    `ValueError` for anything else.
    """
    try:
        return simplified(sympy.sympify(_parsed(ast.parse(text, mode="eval").body)))
    except (SyntaxError, RecursionError) as error:
        raise ValueError(f"{text!r} is no size") from error


def _parsed(node: ast.expr) -> Term:
    match node:
        case ast.Name(name):
            return symbol(name)
        case ast.Constant(int(value)):
            return Integer(value)
        case ast.UnaryOp(ast.USub(), operand):
            return -_parsed(operand)
        case ast.BinOp(left, by, right) if type(by) in _OPERATORS:
            if isinstance(by, ast.Pow) and not (
                isinstance(right, ast.Constant) and isinstance(right.value, int) and right.value < 9
            ):
                raise ValueError(f"{ast.unparse(node)!r} is no size")
            return _OPERATORS[type(by)](_parsed(left), _parsed(right))
        case ast.Call(ast.Name("max" | "min" as name), arguments, []):
            return (Max if name == "max" else Min)(*map(_parsed, arguments))
    raise ValueError(f"{ast.unparse(node)!r} is no size")
