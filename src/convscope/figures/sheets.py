"""Numbers as pictures: maps, kernels and images, and the axes along which they lie."""

from __future__ import annotations

from collections.abc import Sequence

from convscope.explain.reading import main_sum
from convscope.explorer.description import maps_of
from convscope.explorer.description import roles as axes_of
from convscope.figures.scene import Paint, Part, Pixels, rectangle
from convscope.model.graph import Graph
from convscope.notation.index import Index
from convscope.typed import TYPE_CHECKING, Array

if TYPE_CHECKING:
    from typing import Any

MOST_SIDE = 256
"""A picture has no more rows or columns than this; larger maps are averaged in squares."""


def as_maps(graph: Graph, name: str, array: Array) -> Array:
    """Return what a layer gave as (maps, rows, columns)."""
    return maps_of(array, axes_of(graph, array.shape, name))


def coloured(values: Array, limit: float | None = None) -> Array:
    """Return a map's numbers as bytes of red, green and blue: blue below zero, orange above, NaN as zero.

    limit   the size that has the full colour; the map's own largest by default
    """
    import numpy as np

    from convscope.explorer.description import shrunk
    from convscope.views.picture import colours

    finite = np.nan_to_num(values, nan=0.0, posinf=0.0, neginf=0.0)
    most = float(np.abs(finite).max(initial=0.0)) if limit is None else limit
    return colours(shrunk(values[np.newaxis], MOST_SIDE)[0], most)


def pictured(graph: Graph, name: str, array: Array) -> Array:
    """Return an input as it looks: grey of one map, colour of three, else its first map in blue and orange."""
    import numpy as np

    from convscope.explorer.description import shrunk

    maps = shrunk(as_maps(graph, name, array), MOST_SIDE)
    if len(maps) not in (1, 3) or maps.shape[1] == 1:  # a row of numbers is no picture
        return coloured(maps[0])
    finite = np.nan_to_num(maps.astype(np.float64), nan=0.0, posinf=0.0, neginf=0.0)
    low, high = float(finite.min()), float(finite.max())
    grey = ((finite - low) / (high - low or 1.0) * 255).round().astype(np.uint8)
    return np.ascontiguousarray(
        np.moveaxis(grey if len(grey) == 3 else np.repeat(grey, 3, axis=0), 0, -1)
    )


def sheet(
    x: float, y: float, width: float, height: float, rgb: Array, edge: str, thin: float
) -> list[Part]:
    """Return a picture with an edge."""
    return [
        Pixels((x, y), (width, 0.0), (0.0, height), rgb),
        rectangle(x, y, width, height, Paint(None, edge, thin)),
    ]


def slice_of(
    graph: Graph, name: str, out: int, into: int, held: Array | None = None
) -> Array | None:
    """Return which weights one map of a layer's input is multiplied by for one map of its output.

    out, into   the places of both maps
    held        numbers in the kernel's place, as large as it is: its gradient, say
    None where the layer has no window over maps, or where this output does not read that map. Windows of one
    dimension are one row; of three, slice by slice below one another.
    """
    import numpy as np

    equation = graph.facts[name].equation
    main = None if equation is None else main_sum(equation)
    if equation is None or main is None or len(main.kernel.indices) < 3 or equation.locals:
        return None
    if into not in (read := maps_read(graph, name, out)):
        return None
    at: dict[Any, int] = {axis: out for axis in equation.axes if axis.role}
    if main.channel is not None:
        at[main.channel] = into - read.start
    kernel = np.asarray(
        graph.nodes[name].layer.weights[main.kernel.tensor.name] if held is None else held
    )
    sizes = [int(axis.size) for axis in main.window]
    found = np.empty(sizes, dtype=np.float64)
    for taps in np.ndindex(*sizes):
        here = {**at, **dict(zip(main.window, taps, strict=True))}
        found[taps] = kernel[tuple(int(_at(index, here)) for index in main.kernel.indices)]
    if found.ndim < 2:
        return found.reshape(1, -1)
    return found.reshape(-1, found.shape[-1])


def maps_read(graph: Graph, name: str, out: int) -> range:
    """Return the places of the maps that one map of a layer's output reads: of all, or of its group."""
    equation = graph.facts[name].equation
    main = None if equation is None else main_sum(equation)
    if equation is None or main is None:
        return range(0)
    if main.place is None:
        return range(1)
    index = main.source.indices[main.place]
    at: dict[Any, int] = {axis: out for axis in equation.axes if axis.role}
    first = _at(index, at)
    return range(first, first + (1 if main.channel is None else int(main.channel.size)))


def _at(index: Index, here: dict[Any, int]) -> int:
    return int(index.at({axis: here.get(axis, 0) for axis in index.axes()}))


def heaviest(maps: Array, rows: Sequence[int], columns: Sequence[int]) -> list[int]:
    """Return the places of maps, the one with most in a window first."""
    import numpy as np

    seen = maps[:, max(rows[0], 0) : rows[1] + 1, max(columns[0], 0) : columns[1] + 1]
    weight = np.abs(np.nan_to_num(seen, nan=0.0, posinf=0.0, neginf=0.0)).sum(axis=(1, 2))
    return [int(n) for n in np.argsort(-weight, kind="stable")]
