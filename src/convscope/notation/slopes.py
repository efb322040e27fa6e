"""How functions rise: the derivative of a formula, as another formula.

>>> derived(("mul", "x", "x"), "x")
('add', 'x', 'x')
>>> slope(Function("relu", ("x",), ("max", "x", 0.0)), 0)
Function(name='relu′', parameters=('x',), formula=('select', 'x', 1.0, 0.0), steep=None, taps=None)

Where a formula has a corner, one rule holds, the frameworks' own: what is clipped at a number has slope 0
at that number (relu′(0) = 0, relu6′(6) = 0), a step has slope 0 everywhere, of two equal arguments the first counts as the larger (or the
smaller) one, and |x| has slope 0 at 0. Smooth functions are stated with corners that cancel (a sigmoid
that cannot overflow: e^min(x, 0) / (1 + e^−|x|)); in a formula with such functions every corner has its
slope from the left, so that what cancels does so at the corner too.
"""

from __future__ import annotations

import math

from convscope.notation.functions import PRIMITIVES, Formula, Function


def slope(function: Function, place: int, alone: bool = True) -> Function:
    """Return the derivative of a function by its argument at a place, as a function of the same arguments.

    alone   whether the other arguments are numbers that stand still; of two equal ones that both move,
            the first counts as the larger or smaller one
    """
    parameters = function.parameters
    by = parameters[place]
    formula = function.formula
    if formula is None:
        parameters = ("x", "a", "b")[: PRIMITIVES[function.name]]
        by = parameters[place]
        formula = (function.name, *parameters)
    name = f"{function.name}′" if place == 0 else f"{function.name}′{by}"
    if function.formula is None and function.name in ("max", "min") and not alone:
        above = ("sub", "a", "x") if function.name == "max" else ("sub", "x", "a")
        return Function(name, parameters, ("select", above, float(place), 1.0 - place))
    taps = function.taps if place == 0 else None  # what is 0 from somewhere on does not rise there
    return Function(name, parameters, derived(formula, by, _smooth(formula)), taps=taps)


def _smooth(formula: Formula) -> bool:
    """Whether a formula is made of more than lines and powers."""
    if not isinstance(formula, tuple):
        return False
    return formula[0] not in _STRAIGHT or any(map(_smooth, formula[1:]))


_STRAIGHT = ("add", "sub", "mul", "div", "max", "min", "abs", "select", "sign", "floor", "ceil", "round", "at_least")  # fmt: skip


def derived(formula: Formula, by: str, left: bool = False) -> Formula:
    """Return the derivative of a formula by one of its parameters; `left` says which slope a corner has:
    the one from the left, or that of what stands still."""
    if isinstance(formula, str):
        return 1.0 if formula == by else 0.0
    if isinstance(formula, (int, float)):
        return 0.0
    name, *parts = formula
    rises = [derived(part, by, left) for part in parts]
    if all(rise == 0.0 for rise in rises):
        return 0.0
    match name, parts, rises:
        case "add", _, [da, db]:
            return _add(da, db)
        case "sub", _, [da, db]:
            return _sub(da, db)
        case "mul", [a, b], [da, db]:
            return _add(_mul(da, b), _mul(a, db))
        case "div", [a, b], [da, db]:
            if db == 0.0:
                return _div(da, b)
            return _div(_sub(_mul(da, b), _mul(a, db)), _mul(b, b))
        case "max", [a, b], [da, db]:
            return _larger(a, b, da, db, left)
        case "min", [a, b], [da, db]:
            return _negative(
                _larger(_negative(a), _negative(b), _negative(da), _negative(db), left)
            )
        case "select", [x, _, _], [_, da, db]:
            return _select(x, da, db)
        case "abs", [x], [dx]:
            away = _negative(("abs", dx)) if left else 0.0
            if left and isinstance(dx, float):
                away = -abs(dx)
            return _select(x, dx, _select(_negative(x), _negative(dx), away))
        case "exp", _, [dx]:
            return _mul(dx, formula)
        case "log", [x], [dx]:
            return _div(dx, x)
        case "log1p", [x], [dx]:
            return _div(dx, ("add", 1.0, x))
        case "sqrt", _, [dx]:
            return _div(dx, _mul(2.0, formula))
        case "tanh", _, [dx]:
            return _mul(dx, ("sub", 1.0, ("mul", formula, formula)))
        case "erf", [x], [dx]:
            bell = ("exp", ("sub", 0.0, ("mul", x, x)))
            return _mul(dx, _mul(2.0 / math.sqrt(math.pi), bell))
        case "pow", [x, a], [dx, da]:
            by_x = _mul(dx, _mul(a, ("pow", x, _sub(a, 1.0))))
            return _add(by_x, _mul(da, ("mul", formula, ("log", x))))
        case (("sign" | "floor" | "ceil" | "round" | "at_least"), _, _):
            return 0.0
        case "sin", [x], [dx]:
            return _mul(dx, ("cos", x))
        case "cos", [x], [dx]:
            return _mul(dx, _negative(("sin", x)))
        case "tan", _, [dx]:
            return _mul(dx, ("add", 1.0, ("mul", formula, formula)))
        case (("asin" | "acos"), [x], [dx]):
            found = _div(dx, ("sqrt", ("sub", 1.0, ("mul", x, x))))
            return found if name == "asin" else _negative(found)
        case "atan", [x], [dx]:
            return _div(dx, ("add", 1.0, ("mul", x, x)))
        case (("sinh" | "cosh"), [x], [dx]):
            return _mul(dx, ("cosh" if name == "sinh" else "sinh", x))
        case (("asinh" | "acosh"), [x], [dx]):
            one = 1.0 if name == "asinh" else -1.0
            return _div(dx, ("sqrt", ("add", ("mul", x, x), one)))
        case "atanh", [x], [dx]:
            return _div(dx, ("sub", 1.0, ("mul", x, x)))
    raise AssertionError(f"no derivative of {name}")


def _larger(a: Formula, b: Formula, da: Formula, db: Formula, left: bool) -> Formula:
    """Return the slope of what is larger."""
    if left:
        lower = min(da, db) if isinstance(da, float) and isinstance(db, float) else ("min", da, db)
        return _select(_sub(a, b), da, _select(_sub(b, a), db, lower))
    if db == 0.0:
        return _select(_sub(a, b), da, 0.0)
    if da == 0.0:
        return _select(_sub(b, a), db, 0.0)
    return _select(_sub(b, a), db, da)


def _negative(a: Formula) -> Formula:
    if isinstance(a, float):
        return 0.0 - a
    if isinstance(a, tuple) and a[0] == "sub":
        return ("sub", a[2], a[1])
    if isinstance(a, tuple) and a[0] == "mul" and a[1] == -1.0:
        return a[2]
    if isinstance(a, tuple) and a[0] == "select":
        return ("select", a[1], _negative(a[2]), _negative(a[3]))
    return ("mul", -1.0, a)


def _add(a: Formula, b: Formula) -> Formula:
    return b if a == 0.0 else a if b == 0.0 else ("add", a, b)


def _sub(a: Formula, b: Formula) -> Formula:
    if b == 0.0:
        return a
    if isinstance(b, tuple) and b[:2] == ("mul", -1.0):
        return _add(a, b[2])
    if isinstance(a, tuple) and a[:2] == ("mul", -1.0):
        return _negative(_add(a[2], b))
    if isinstance(a, float) and isinstance(b, float):
        return a - b
    return ("sub", a, b)


def _mul(a: Formula, b: Formula) -> Formula:
    if 0.0 in (a, b):
        return 0.0
    if isinstance(a, float) and isinstance(b, float):
        return a * b
    return b if a == 1.0 else a if b == 1.0 else ("mul", a, b)


def _div(a: Formula, b: Formula) -> Formula:
    return 0.0 if a == 0.0 else a if b == 1.0 else ("div", a, b)


def _select(x: Formula, a: Formula, b: Formula) -> Formula:
    return a if a == b else ("select", x, a, b)
