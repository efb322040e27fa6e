"""Where a network's layers stand when it is drawn from left to right, branches beside one another."""

from __future__ import annotations

from collections.abc import Mapping, Sequence


def lanes(feeds: Mapping[str, Sequence[str]]) -> dict[str, tuple[int, int]]:
    """Return (column, lane) of every node, inputs included.

    feeds   node to what feeds it, in an order in which each comes after what feeds it; an input has
            no feeds

    A node stands one column after the last of its feeds. It goes on in the lane of that feed if
    nobody has taken it there, else in the first lane that is free; so a chain is a straight line and
    a branch moves aside.

    >>> lanes({"in": [], "a": ["in"], "b": ["in"], "sum": ["a", "b"]})
    {'in': (0, 0), 'a': (1, 0), 'b': (1, 1), 'sum': (2, 0)}
    """
    found: dict[str, tuple[int, int]] = {}
    taken: list[int] = []  # for every lane the last column in use
    for name, sources in feeds.items():
        column = 1 + max((found[s][0] for s in sources), default=-1)
        wanted = sorted((found[s] for s in sources), key=lambda at: (-at[0], at[1]))
        free = [lane for _, lane in wanted if taken[lane] < column]
        free += [lane for lane, last in enumerate(taken) if last < column]
        lane = free[0] if free else len(taken)
        if lane == len(taken):
            taken.append(column)
        taken[lane] = column
        found[name] = (column, lane)
    return found
