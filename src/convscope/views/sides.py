"""Grids that are wider than what they are shown on: cut into pieces, columns that belong together."""

from __future__ import annotations

from collections.abc import Callable, Iterator

from convscope.parts import Grid, Side


def in_pieces(side: Side, fits: Callable[[Side], bool]) -> list[Side]:
    """Return a side as it is if it fits, else in pieces of as many columns as do fit.

    Only grids of equally many columns, which are multiplied number by number, can be cut; what comes
    after them stands after the last piece.
    """
    counts = {len(row) for grid in side.grids for row in grid.cells}
    if len(counts) != 1 or fits(side):
        return [side]
    (count,) = counts
    for most in range(count - 1, 0, -1):
        pieces = list(_cut(side, count, most))
        if most == 1 or all(map(fits, pieces)):
            return pieces
    return [side]


def together(side: Side) -> Grid:
    """Return the rows of all grids of a side as one grid, whose columns are then as wide as all need."""
    rows = tuple(row for grid in side.grids for row in grid.cells)
    muted = tuple(
        grid.muted[y] if y < len(grid.muted) else ()
        for grid in side.grids
        for y in range(len(grid.cells))
    )
    return Grid("", rows, muted)


def _cut(side: Side, count: int, most: int) -> Iterator[Side]:
    parts = -(-count // most)
    ends = [count * (n + 1) // parts for n in range(parts)]
    for start, end in zip([0, *ends], ends, strict=False):
        where = f"columns {start + 1} to {end}" if end - start > 1 else f"column {end}"
        grids = tuple(
            Grid(
                (grid.title if not start else f"… {where}" if not n else ""),
                tuple(row[start:end] for row in grid.cells),
                tuple(row[start:end] for row in grid.muted),
            )
            for n, grid in enumerate(side.grids)
        )
        yield Side(grids, side.signs, side.after if end == count else "")
