"""Which figure is drawn, and how it is written: what `Network.draw` and `convscope draw` ask for."""

from __future__ import annotations

from collections.abc import Sequence

from convscope.errors import (
    EngineError,
    LayerLookupError,
    OutputError,
    SettingError,
    UnsupportedError,
    did_you_mean,
)
from convscope.explain.folding import folds
from convscope.explain.pictures import has_pictures
from convscope.explain.selection import selected
from convscope.explorer.description import roles as axes_of
from convscope.figures.scene import Scene
from convscope.figures.styles import style_named
from convscope.figures.venues import width_of
from convscope.model.graph import Graph
from convscope.model.positions import position_in
from convscope.notation.sizes import UNKNOWN_SHAPE, is_known
from convscope.typed import TYPE_CHECKING, Array, Record

if TYPE_CHECKING:
    from pathlib import Path
    from typing import Any

FIGURES = {
    "architecture": "the whole network as blocks",
    "content": "the maps of a run down to one number, and what of the image it sees",
    "number": "the arithmetic of one number",
    "question": "the four pictures of a convolution, tested",
    "receptive": "how the receptive field grows",
    "kernels": "a layer's kernel, slice by slice",
    "gradient": "what a small change of each pixel, or of each number of a kernel, does to a number or a loss",
}
NEEDS_IMAGE = ("content", "number", "question", "gradient")
ENDINGS = (".svg", ".tex", ".pdf", ".png")
LEAST_DPI, MOST_DPI = 36, 2400


class FigureAsked(Record):
    """What figure is wanted.

    figure   which; None for the one that is meant
    at       a layer and a position of it; the position may be None, and so may both
    layers   the first and the last layer of it
    to       what a gradient is by: an input, a layer or "layer.weight"
    loss     of what it is in place of a number, with its target, as `Run.gradient` takes them
    """

    figure: str | None
    style: str = "plain"
    columns: str | float | None = None
    layers: Any = None
    depth: int | None = None
    at: tuple[str | None, Sequence[int] | None] = (None, None)
    flat: bool = False
    to: str | None = None
    loss: str | None = None
    target: Any = None
    from_logits: bool = False

    @property
    def led(self) -> bool:
        """Whether something of a gradient is asked for."""
        return (
            self.to is not None
            or self.loss is not None
            or self.target is not None
            or self.from_logits
        )


def figure_named(figure: str | None, image: bool, led: bool = False) -> str:
    """Return which figure is meant: a gradient where one is asked for, with an image what it became, else the architecture.

    Raises `SettingError` for one that there is not, or that needs an image and has none.
    """
    if figure is None:
        figure = "gradient" if led else "content" if image else "architecture"
    if figure not in FIGURES:
        near = did_you_mean(figure, FIGURES)
        raise SettingError(f"there is no figure {figure!r}{near}; figures are {', '.join(FIGURES)}")
    if figure in NEEDS_IMAGE and not image:
        raise SettingError(f"the figure {figure} shows numbers of a run: give an image")
    if led and figure != "gradient":
        raise SettingError(f"to, loss and target go with the figure gradient, not {figure}")
    return figure


def scene(graph: Graph, asked: FigureAsked, run: Any = None) -> Scene:
    """Return a figure of a network, or of a run of it.

    run   what `Network.run` gave, for figures of numbers

    Raises `SettingError`, `LayerLookupError` and `PositionError` for what there is not, `UnsupportedError` where
    a figure needs an equation or maps that there are not.
    """
    style = style_named(asked.style)
    columns = asked.columns
    width = (
        style.width
        if columns is None
        else width_of(columns if isinstance(columns, str) else f"{columns:g}mm")
    )
    chosen = _range(graph, asked)
    if asked.figure == "architecture":
        from convscope.figures.architecture import architecture

        faces = None if run is None else _faces(graph, run)
        return architecture(
            graph,
            style,
            width,
            depth=asked.depth,
            layers=asked.layers,
            flat=asked.flat,
            faces=faces,
        )
    if asked.figure == "receptive":
        from convscope.figures.receptive import receptive

        return receptive(graph, style, width, chosen)
    if asked.figure == "kernels":
        from convscope.figures.plates import kernels

        return kernels(
            graph,
            style,
            width,
            _layer(graph, asked, chosen, _slides, "no kernel that slides over maps", first=True),
        )
    if asked.figure == "gradient":
        return _gradient(graph, asked, run, style, width, chosen)
    layer, where = _number(graph, asked, chosen, run)
    if asked.figure == "content":
        from convscope.figures.content import content

        return content(graph, run.activations, style, width, layer, where)
    if asked.figure == "number":
        from convscope.figures.number import number

        report = run.trace(layer, where)
        title = f"One number of {layer} at ({', '.join(map(str, where))})"
        return number(report.facts.document(), style, width, title)
    from convscope.figures.question import question

    return question(run.compare(layer, where).facts, style, width)


def _gradient(
    graph: Graph, asked: FigureAsked, run: Any, style: Any, width: float, chosen: Sequence[str]
) -> Scene:
    from convscope.explain.gradient import meant
    from convscope.explain.words import exact
    from convscope.figures.plates import gradient, kernel_gradient

    to = asked.to or next((n for n, s in graph.inputs.items() if len(s) > 1), None)
    if to is None:
        raise UnsupportedError(
            f"{graph.name} has no input with rows and columns to draw a gradient on"
        )
    of: Any = asked.at[0]
    if asked.loss is None:
        if asked.target is not None or asked.from_logits:
            raise SettingError("target and from_logits go with a loss")
        of = _number(graph, asked, chosen, run)
    elif asked.at[1] is not None:
        raise SettingError(f"a loss is of a whole output: name the layer {of} without a position")
    loss = {"loss": asked.loss, "target": asked.target, "from_logits": asked.from_logits}
    found = run.gradient(of, to, **loss).facts
    said = found.of
    if asked.loss is not None and isinstance(asked.target, int):
        said += f" for class {asked.target}"
    words = [
        f"{said} is {exact(found.value)}: what a small change of each number of {to} does to it."
    ]
    words[0] = words[0][0].upper() + words[0][1:] if asked.loss else words[0]
    name, weight = meant(graph, to)

    def slopes(by: str) -> Array:
        """Lead back by the engine, which takes a thousandth of the time, or where it cannot by the equations."""
        try:
            led: Array = run.gradients(of, by, **loss)[by]
        except (UnsupportedError, EngineError):
            return found.array  # type: ignore[no-any-return]  # a report's facts
        return led.astype("float64")

    if weight is not None:
        return kernel_gradient(graph, style, width, name, weight, slopes(f"{name}.{weight}"), words)
    if run.activations[name].ndim < 2:
        raise UnsupportedError(
            f"{name} gives no maps to draw a gradient on: name an input, a layer with maps or a kernel"
        )
    return gradient(graph, style, width, run.activations, name, slopes(name), words)


def _range(graph: Graph, asked: FigureAsked) -> list[str]:
    """Return the layers among which the figure is, in order."""
    rows = folds(graph, asked.depth)
    first, last = selected(graph.name, rows, asked.layers)
    return [name for row in rows[first - 1 : last] for name in row.nodes]


def _layer(
    graph: Graph,
    asked: FigureAsked,
    chosen: Sequence[str],
    fits: Any,
    lacks: str,
    first: bool = False,
) -> str:
    """Return the layer that was asked for, or the last (or first) one that fits the figure."""
    if asked.at[0] is not None:
        return graph.node(asked.at[0]).name
    found = [name for name in chosen if fits(graph, name)]
    if not found:
        raise UnsupportedError(f"no layer of {graph.name} fits the figure {asked.figure}: {lacks}")
    return found[0] if first else found[-1]


def _slides(graph: Graph, name: str) -> bool:
    from convscope.explain.reading import main_sum

    equation = graph.facts[name].equation
    main = None if equation is None else main_sum(equation)
    return main is not None and len(main.kernel.indices) > 2 and not (equation and equation.locals)


def _pictured(graph: Graph, name: str) -> bool:
    equation = graph.facts[name].equation
    return equation is not None and has_pictures(equation)


def _spatial(graph: Graph, name: str) -> bool:
    """Whether a layer gives maps of more than one position, and everything before it has an equation."""
    shape: Any = graph.shape(name)
    if shape is UNKNOWN_SHAPE or not all(map(is_known, shape)):
        return False
    axes = axes_of(graph, shape, name)
    if axes["maps"] is None or axes["columns"] is None:
        return False
    area = (shape[axes["rows"]] if axes["rows"] is not None else 1) * shape[axes["columns"]]
    return area > 1 and all(graph.facts[n].equation is not None for n in graph.needed([name]))


def _number(
    graph: Graph, asked: FigureAsked, chosen: Sequence[str], run: Any
) -> tuple[str, tuple[int, ...]]:
    """Return the layer and the position that the figure is about: the largest number where nobody says."""
    there = [name for name in chosen if name in run.activations]
    if asked.figure == "content":
        layer = _layer(graph, asked, there, _spatial, "none gives maps")
    elif asked.figure == "gradient":
        ends = [n for n in graph.outputs if n in there] or there[-1:]
        layer = graph.node(
            asked.at[0] if asked.at[0] is not None else (ends or list(graph.nodes))[-1]
        ).name
    else:
        layer = _layer(graph, asked, there, _pictured, "none is a convolution over maps")
    if asked.at[1] is None:
        return layer, run.liveliest(layer)
    return layer, position_in(graph, layer, asked.at[1])


def _faces(graph: Graph, run: Any) -> Any:
    """Return what gives a block its face: the input as it looks, of a layer the map with most in it."""
    from convscope.figures.sheets import as_maps, coloured, heaviest, pictured

    def face(name: str) -> Array | None:
        if name not in run.activations:
            return None
        array = run.activations[name]
        axes = axes_of(graph, array.shape, name)
        if axes["maps"] is None or axes["rows"] is None:
            return None
        if name in graph.inputs:
            return pictured(graph, name, array)
        maps = as_maps(graph, name, array)
        return coloured(maps[heaviest(maps, (0, maps.shape[1]), (0, maps.shape[2]))[0]])

    return face


def ending(path: str | Path) -> str:
    """Return a figure's ending; raises `OutputError` for one that is none."""
    from os.path import splitext

    stem, found = splitext(str(path))
    if found.lower() not in ENDINGS:
        raise OutputError(
            f"a figure is written as SVG, TikZ, PDF or PNG: name the file {stem}.svg, .tex, .pdf or .png, not {path}"
        )
    return found.lower()


def draw(network: Any, path: str | Path, image: Any, asked: FigureAsked, dpi: int = 300) -> Scene:
    """Write a figure of a network, and return it; see `Network.draw`."""
    ending(path)
    asked = asked._replace(figure=figure_named(asked.figure, image is not None, asked.led))
    run = None if image is None else network.run(image)
    drawn = scene(network.graph if run is None else run.graph, asked, run)
    write(drawn, path, dpi)
    return drawn


def told(drawn: Scene, path: str | Path) -> dict[str, Any]:
    """Return what a figure is as plain data: its file, its size in points, and where each thing with a name stands."""
    from convscope.figures.scene import extent, named_parts

    return {
        "file": str(path),
        "title": drawn.title,
        "width": drawn.width,
        "height": drawn.height,
        "parts": [
            {"id": group.id, "title": group.title, "box": list(extent(group.parts))}
            for group in named_parts(drawn.parts)
        ],
    }


def write(drawn: Scene, path: str | Path, dpi: int = 300) -> None:
    """Write a figure as its file's ending says, whole or not at all.

    Raises `OutputError` where it cannot be written, `UnsupportedError` where a library is missing.
    """
    from importlib import import_module

    from convscope.engine.writing import complete

    if type(dpi) is not int or not LEAST_DPI <= dpi <= MOST_DPI:
        raise SettingError(f"dpi is a whole number from {LEAST_DPI} to {MOST_DPI}, not {dpi!r}")
    suffix = ending(path)
    module = {".tex": "tikz"}.get(suffix, suffix[1:])
    with complete(path, suffix, "figures are written as SVG, TikZ, PDF or PNG") as part:
        import_module(f"convscope.figures.{module}").write(drawn, part, dpi)


def place(at: str | Sequence[object] | None) -> tuple[str | None, Sequence[int] | None]:
    """Return a layer and a position from what somebody gives: "conv2d_1", "conv2d_1:5,7,12" or the pair.

    >>> place("conv2d_1:5,7,12"), place("conv2d_1"), place(("conv2d", (1, 2, 3)))
    (('conv2d_1', (5, 7, 12)), ('conv2d_1', None), ('conv2d', (1, 2, 3)))
    """
    import re

    if at is None or (isinstance(at, tuple) and at == (None, None)):
        return None, None
    if isinstance(at, str):
        found = re.fullmatch(r"(.+):\(?(-?[0-9]+(?:, ?-?[0-9]+)*),?\)?", at)
        if found is None:
            return at, None
        return found[1], tuple(int(n) for n in found[2].split(","))
    if len(at) == 2 and isinstance(at[0], str) and (at[1] is None or isinstance(at[1], Sequence)):
        return at[0], at[1]
    raise LayerLookupError(
        f"a number is a layer and a position, as in 'conv2d_1:5,7,12', not {at!r:.80}"
    )
