"""A network on images of a size that its inputs leave open."""

from __future__ import annotations

from collections.abc import Sequence

from convscope.errors import SettingError
from convscope.model.graph import Graph
from convscope.notation.sizes import Shape, is_known, show


def sized(graph: Graph, size: int | Sequence[int]) -> Graph:
    """Return a graph whose images have a size; `size` is one number, or one for each open axis.

    Raises `SettingError` where there is nothing to set, `ShapeError` where it does not go through.
    """
    given = (size,) if isinstance(size, int) else tuple(size)
    if not given or not all(type(n) is int and n > 0 for n in given):
        raise SettingError(
            f"a size is whole numbers from 1, such as 224 or (224, 320), not {size!r}"
        )
    shapes = {name: _filled(graph, name, given) for name in graph.inputs}
    if shapes == graph.inputs:
        known = ", ".join(f"{n} {'×'.join(map(show, s))}" for n, s in graph.inputs.items())
        if not known:  # nobody knows what goes in, such as of a module that was not run yet
            raise SettingError(
                f"{graph.name} says nothing of its input: a size alone does not do; give its --shape, as 3,224,224"
            )
        raise SettingError(f"{graph.name} has a size already: {known}")
    return graph.at(shapes)


def _filled(graph: Graph, name: str, given: tuple[int, ...]) -> Shape:
    """Return an input's shape with its open axes filled in, those of maps excepted."""
    shape = graph.inputs[name]
    if len(shape) < 2:
        return shape
    channel = len(shape) - 1 if graph.image_layout == "channels_last" else 0
    open_axes = [n for n, s in enumerate(shape) if n != channel and not is_known(s)]
    if len(given) not in (1, len(open_axes)) and open_axes:
        raise SettingError(
            f"{name} leaves {len(open_axes)} sizes open, and {len(given)} were given: {given}"
        )
    numbers = dict(
        zip(open_axes, given * len(open_axes) if len(given) == 1 else given, strict=False)
    )
    return tuple(numbers.get(n, s) for n, s in enumerate(shape))
