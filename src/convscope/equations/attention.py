"""Attention: every query takes the mean of all values, weighed by how well their keys fit it.

    out[t, o] = Σ s<S  share[t, s] · value[s, o]
      with share[t, s] = exp(score[t, s]) / Σ exp(score[t, s])
      with score[t, s] = scale · Σ d<D  query[t, d] · key[s, d]

Vaswani et al., Attention Is All You Need, 2017, equation 1.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

from convscope.equations import formulas
from convscope.equations.pointwise import GREATER
from convscope.notation import Axis, Expression, Index, Max, Size, Sum, call, local
from convscope.notation.expression import Local, Place
from convscope.notation.functions import SELECT

NAMES = ("r", "r2", "r3", "r4")
"""What the axes of the keys are called where they are summed over."""


def shares(
    scored: Callable[[Sequence[Axis]], Expression],
    lead: Sequence[Axis],
    keys: Sequence[Axis],
    hidden: bool = False,
) -> Local:
    """Return how much of every value is taken: softmax of the scores over all keys.

    hidden   whether all keys may be hidden from a query, which then takes nothing
    """
    every = (*lead, *keys)
    score = local("score", every, scored(keys))
    places = range(len(lead), len(every))
    sizes: list[Size] = [axis.size for axis in keys]
    share = formulas.softmax(score, every, tuple(places), sizes)
    if hidden:
        others = [axis.like(name, axis.size) for axis, name in zip(keys, NAMES, strict=False)]
        best = local("best", tuple(lead), Max(*others)(score[(*lead, *others)]))
        share = call(SELECT, call(GREATER, best[tuple(lead)], float("-inf")), share, 0.0)
    return local("share", every, share)


def attended(
    scored: Callable[[Sequence[Axis]], Expression],
    valued: Callable[[Sequence[Axis]], Expression],
    lead: Sequence[Axis],
    keys: Sequence[Axis],
    hidden: bool = False,
) -> Expression:
    """Return the mean of values at one position of the leading axes, weighed by softmax over all keys.

    scored   how well the query at this position fits the key at some axes
    valued   the value at some axes
    keys     the axes along which the keys lie
    hidden   whether all keys may be hidden from a query, which then takes nothing
    """
    share = shares(scored, lead, keys, hidden)
    others = [axis.like(name, axis.size) for axis, name in zip(keys, NAMES, strict=False)]
    return Sum(*others)(share[(*lead, *others)] * valued(others))


def causal(score: Expression, query: Index, key: Index) -> Expression:
    """Return a score that a query has of the keys up to its own place only: nothing of those after it."""
    return call(SELECT, Place(query - key + 1), score, float("-inf"))
