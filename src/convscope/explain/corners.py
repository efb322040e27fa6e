"""Where a gradient follows a rule because there is no slope: corners of functions, ties of maxima, steps; in words."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

from convscope.explain.words import exact
from convscope.notation import Equation, Expression
from convscope.notation.expression import Call, Number, Reduction, reads
from convscope.notation.functions import SELECT, Formula, Function, compute
from convscope.notation.slopes import slope

FIRST = "Of equal numbers the maximum is the first: it has all of the derivative, the others none, as in the frameworks."
EVERY = "It is the frameworks' own rule for where there is no slope."


def corners(equations: list[Equation]) -> list[str]:
    """Return what is to be said of gradients at places without a slope, a sentence each; nothing where all is smooth.

    >>> from convscope import ReLU
    >>> from convscope.notation.adjoint import adjoint
    >>> corners(list(adjoint(ReLU(max_value=6.0).equation((5,))).values()))
    ["relu′(0, 6) = 0 and relu′(6, 6) = 0. It is the frameworks' own rule for where there is no slope."]
    """
    told: dict[str, None] = {}
    tied = False
    for node in _all(equations):
        if isinstance(node, Reduction) and node.kind == "first":
            tied = True
        elif isinstance(node, Call) and "′" in node.function.name:
            told |= dict.fromkeys(_corners(node))
    found = [f"{_listed(list(told))}. {EVERY}"] if told else []
    return [*found, FIRST] if tied else found


def jumps(uses: Iterable[tuple[Equation, str]]) -> list[str]:
    """Return by which names what equations make of a tensor jumps from value to value; [] where nothing does.

    uses   equations, and the name that the tensor has in each

    >>> from convscope import Dense, Embedding
    >>> jumps([(Dense(3, activation="tanh").equation((5,)), "in")])
    []
    >>> looked_up = Embedding(7, 3).equation((5,))
    >>> jumps([(looked_up, "in")]), jumps([(looked_up, "embeddings")])
    (['if_row'], [])
    """
    found: dict[str, None] = {}
    for equation, tensor in uses:
        for node in _all([equation]):
            if isinstance(node, Reduction) and node.kind == "first":
                if _reads(node.body, tensor):
                    found["argmax"] = None
            elif isinstance(node, Call) and node.function != SELECT:  # which chooses between two
                for place, argument in enumerate(node.arguments):
                    if _reads(argument, tensor) and slope(node.function, place).formula == 0.0:
                        found[node.function.name] = None
    return list(found)


def _reads(node: Expression, tensor: str) -> bool:
    return any(read.tensor.name == tensor for read in reads([node]))


def _all(equations: list[Equation]) -> Iterator[Expression]:
    for equation in equations:
        for local in equation.locals:
            yield from local.expression.walk()
        yield from equation.expression.walk()


def _corners(node: Call) -> Iterator[str]:
    """Yield a slope's value wherever it jumps: "relu′(0) = 0"."""
    import numpy as np

    function, others = node.function, node.arguments[1:]
    if function.formula is None or not all(isinstance(one, Number) for one in others):
        return
    rest = [one.value for one in others if isinstance(one, Number)]

    def at(x: float) -> float:
        with np.errstate(all="ignore"):
            return float(compute(function, [np.float64(x), *map(np.float64, rest)], np))

    for place in sorted(_zeros(function, rest)):
        step = 1e-6 * max(1.0, abs(place))
        if abs(at(place - step) - at(place + step)) > 1e-3:
            more = "".join(f", {exact(value)}" for value in rest)
            yield f"{function.name}({exact(place)}{more}) = {exact(at(place))}"


def _zeros(function: Function, rest: list[float]) -> set[float]:
    """Return where what a slope's formula asks for changes its sign: there it may jump."""
    import numpy as np

    xs = np.linspace(-64.0, 64.0, 4097)  # halves, thirds and tenths come out by halving below
    found: set[float] = set()
    for asked in _conditions(function.formula):
        part = Function(function.name, function.parameters, asked)

        def value(x: Any, part: Function = part) -> Any:
            with np.errstate(all="ignore"):
                return np.broadcast_to(compute(part, [x, *map(np.float64, rest)], np), np.shape(x))

        above = np.asarray(value(xs)) > 0
        for n in np.flatnonzero(above[1:] != above[:-1]):
            low, high = float(xs[n]), float(xs[n + 1])
            for _ in range(60):
                middle = (low + high) / 2
                low, high = (
                    (middle, high) if (value(np.float64(middle)) > 0) == above[n] else (low, middle)
                )
            found.add(round((low + high) / 2, 9) + 0.0)
    return found


def _conditions(formula: Formula | None) -> Iterator[Formula]:
    if isinstance(formula, tuple):
        if formula[0] == "select":
            yield formula[1]
        for part in formula[1:]:
            yield from _conditions(part)


def _listed(words: list[str]) -> str:
    return words[0] if len(words) == 1 else f"{', '.join(words[:-1])} and {words[-1]}"
