"""A network, its layers and a run as plain JSON: what the page is told.

Shapes are those of one input, without the batch. Nothing here is text for people to read but the
sentences of the mental models and of accounts, and nothing is markup.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, TypeAlias

from convscope.errors import ShapeError, UnsupportedError
from convscope.explain.account import account
from convscope.explain.pictures import Picture, has_pictures, pictures
from convscope.explain.repeats import Piece, Signature, pieces
from convscope.explain.summary import summarise
from convscope.explorer.lanes import lanes
from convscope.layers.base import tensor_names
from convscope.model.facts import facts_of
from convscope.model.graph import Graph, Node
from convscope.model.maps import channel_axes, own_axis
from convscope.notation import macs
from convscope.notation.anatomy import anatomy
from convscope.notation.serial import to_json
from convscope.notation.sizes import UNKNOWN_SHAPE, Shape, plain
from convscope.typed import Array
from convscope.views.strict_json import plain as plain_json

Json: TypeAlias = Any


def network(graph: Graph) -> dict[str, Json]:
    """Return the rows of the summary, each with its place in the drawing, and the inputs.

    Equations are not part of it: a page asks for those of the layer it looks at (`layer`).
    """
    found = summarise(graph).to_dict()
    places = lanes(
        {**{n: () for n in graph.inputs}, **{n: x.inputs for n, x in graph.nodes.items()}}
    )
    found["inputs"] = [
        {
            "name": name,
            "shape": shape_of(shape),
            "axes": roles(graph, shape, name),
            "place": places[name],
        }
        for name, shape in graph.inputs.items()
    ]
    found["image_layout"] = graph.image_layout
    found["outputs"] = list(graph.outputs)
    for row in found["layers"]:
        facts = graph.facts[row["name"]]
        row["place"] = places[row["name"]]
        row["shape"] = shape_of(facts.output_shape)
        row["axes"] = roles(graph, facts.output_shape, row["name"])
        row["input_shapes"] = [shape_of(s) for s in facts.input_shapes]
        del row["output_shape"]
        row["equation"] = facts.equation is not None
        field = graph.receptive_field(row["name"])
        if field is not None:
            row["receptive_field"]["alike"] = field.alike
        row["pictures"] = facts.equation is not None and has_pictures(facts.equation)
    found["overview"] = _overview(graph, [(row["name"], row["kind"]) for row in found["layers"]])
    return found


def _overview(graph: Graph, layers: Sequence[tuple[str, str]]) -> list[dict[str, Json]]:
    """Return the network in few pieces: inputs, layers, and blocks that repeat as one.

    Each has its place in the drawing, the pieces that feed it (by their numbers), and of its blocks the
    layers, each with its place in the block and what feeds it.
    """
    steps = [
        Signature(name, kind, bool(graph.facts[name].weights), graph.facts[name].output_shape)
        for name, kind in layers
    ]
    found = [Piece(name, ((name,),)) for name in graph.inputs] + pieces(steps)
    home = {name: n for n, piece in enumerate(found) for block in piece.blocks for name in block}
    inner: list[list[list[Json]]] = []
    feeds: dict[str, list[str]] = {}
    for n, piece in enumerate(found):
        wires = {
            name: graph.nodes[name].inputs if name in graph.nodes else ()
            for block in piece.blocks
            for name in block
        }
        sources = {home[feed] for inputs in wires.values() for feed in inputs}
        feeds[str(n)] = [str(source) for source in sorted(sources - {n})]
        inner.append([])
        for block in piece.blocks:
            own = lanes({name: [f for f in wires[name] if f in block] for name in block})
            inner[-1].append([[name, own[name], list(wires[name])] for name in block])
    places = lanes(feeds)
    return [
        {
            "name": piece.name,
            "place": places[n],
            "feeds": list(map(int, feeds[n])),
            "blocks": blocks,
        }
        for n, piece, blocks in zip(places, found, inner, strict=True)
    ]


def shape_of(shape: Shape) -> list[Json] | None:
    """Return a shape as JSON holds it; None where nobody states one."""
    return None if shape is UNKNOWN_SHAPE else [plain(s) for s in shape]


def roles(graph: Graph, shape: Shape, name: str | None = None) -> dict[str, int | None]:
    """Return which axis of a shape picks the map, and which ones are a map's rows and columns.

    name   the input or layer whose shape it is, if it is one: its maps may have been moved

    A row of numbers has columns only. Axes that are none of these pick one slice of the map.
    """
    rank = 0 if shape is UNKNOWN_SHAPE else len(shape)
    if rank < 2:
        return {"maps": None, "rows": None, "columns": 0 if rank else None}
    found = own_axis(shape, graph.layout) if name is None else channel_axes(graph)[name]
    maps = rank - 1 if found is None else found
    spatial = [axis for axis in range(rank) if axis != maps]
    if all(shape[axis] == 1 for axis in spatial) and shape[maps] != 1:  # 1×1×N: a row of N numbers
        return {"maps": None, "rows": None, "columns": maps}
    rows = spatial[-2] if len(spatial) > 1 else None
    return {"maps": maps, "rows": rows, "columns": spatial[-1]}


def layer(graph: Graph, name: str) -> dict[str, Json]:
    """Return what a layer's microscope needs: its equation, what feeds it, the pictures people have."""
    node = graph.node(name)
    facts = graph.facts[node.name]
    if facts.equation is None:
        return {"name": node.name, "equation": None, "feeds": {}, "pictures": []}
    main = anatomy(facts.equation).main
    return {
        "name": node.name,
        "equation": to_json(facts.equation),
        "account": None if main is None else account(main).to_dict(),
        "feeds": dict(zip(tensor_names(len(node.inputs)), node.inputs, strict=True)),
        "activation": _activation(node),
        "pictures": _pictures(graph, node),
    }


def _activation(node: Node) -> str | None:
    """Return the name of an activation that is applied to a whole axis (softmax), if there is one."""
    return getattr(getattr(node.layer, "activation", None), "name", None)


def _pictures(graph: Graph, node: Node) -> list[dict[str, Json]]:
    equation = graph.facts[node.name].equation
    assert equation is not None
    try:
        drawn = pictures(equation, (0,) * len(equation.axes))
    except UnsupportedError:
        return []
    return [
        {
            "key": p.key,
            "name": p.name,
            "claim": p.claim,
            "real": p.real,
            "equation": to_json(p.equation),
            "shape": shape_of(p.equation.shape),
            "kernel": [plain(s) for s in p.kernel],
            "params": plain(p.params),
            "macs": plain(macs(p.equation)),
            "next": _next(graph, node, p),
        }
        for p in drawn
    ]


def _next(graph: Graph, node: Node, picture: Picture) -> dict[str, Json] | None:
    """Return what the next layer with weights would need if this picture were true.

    Follows the only reader of each output; None where the way branches or ends before it.
    """
    shape = picture.equation.shape
    name = node.name
    while True:
        readers = [n for n in graph.nodes.values() if name in n.inputs]
        if len(readers) != 1 or len(readers[0].inputs) != 1:
            return None
        reader = readers[0]
        try:
            facts = facts_of(reader.layer, (shape,))
        except ShapeError as error:
            return {"layer": reader.name, "impossible": str(error)}
        if facts.weights:
            weights = {n: [plain(s) for s in w] for n, w in facts.weights.items()}
            return {"layer": reader.name, "weights": weights, "params": plain(facts.params)}
        shape, name = facts.output_shape, reader.name


def ranges(activations: Mapping[str, Array]) -> dict[str, Json]:
    """Return each activation's smallest and largest finite number, [0, 0] where there is none."""
    import numpy as np

    found = {}
    for name, array in activations.items():
        low, high = (float(array.min()), float(array.max())) if array.size else (0.0, 0.0)
        if not np.isfinite([low, high]).all():
            kept = array[np.isfinite(array)]
            low, high = (float(kept.min()), float(kept.max())) if kept.size else (0.0, 0.0)
        found[name] = [low, high]
    return found


def largest(array: Array, count: int = 5) -> list[dict[str, Json]]:
    """Return the positions and values of the largest numbers, the largest first."""
    import numpy as np

    order = np.argsort(-array, axis=None, kind="stable")[:count]
    return [
        {
            "position": [int(p) for p in np.unravel_index(int(n), array.shape)],
            "value": plain_json(float(array.flat[n])),
        }
        for n in order
    ]


def maps_of(array: Array, axes: Mapping[str, int | None]) -> Array:
    """Return an activation as (maps, rows, columns), a view where that is possible.

    Slices (a volume's depth) stand above one another.
    """
    import numpy as np

    places = [axes["maps"], axes["rows"], axes["columns"]]
    for place in places:
        if place is None:
            array = array[..., np.newaxis]
    rank = array.ndim
    news = iter(range(rank - sum(p is None for p in places), rank))
    order = [next(news) if p is None else p for p in places]
    slices = [a for a in range(rank) if a not in order]
    moved = np.transpose(array, (order[0], *slices, *order[1:]))
    return moved.reshape(moved.shape[0], -1, moved.shape[-1])


def shrunk(maps: Array, side: int) -> Array:
    """Return maps no larger than side × side: each number the mean of a square block of them."""
    import numpy as np

    _, rows, columns = maps.shape
    step = -(-max(rows, columns) // side)
    if step <= 1:
        return maps
    total = np.add.reduceat(maps.astype(np.float64), range(0, rows, step), axis=1)
    total = np.add.reduceat(total, range(0, columns, step), axis=2)
    tall = np.minimum(step, rows - np.arange(0, rows, step))
    wide = np.minimum(step, columns - np.arange(0, columns, step))
    means: Array = total / (tall[:, np.newaxis] * wide)
    return means
