"""Where the rows of a batch lie, and whether several may go through in one forward, each computed as it is alone."""

from __future__ import annotations

from collections.abc import Container

from convscope.aten.layer import Operator
from convscope.notation import Size
from convscope.notation.serial import to_json
from convscope.notation.sizes import Shape
from convscope.readers.torch.calls import Recording
from convscope.readers.torch.graph import Rowed, TorchGraph, alike


def apart(graph: TorchGraph) -> bool:
    """Whether the equation of every layer is of one row of a batch, and reads no other."""
    explained = all(facts.equation is not None for facts in graph.facts.values())
    first = not graph.places and graph.batched == {*graph.inputs, *graph.nodes}
    return explained and first


def lying(one: Recording, other: Recording) -> Rowed | None:
    """Return where the batch is in every value of a forward of one row, told from a forward of another number of rows.

    It is the axis that has 1 in the one and that number in the other: None where the two do not go the same way.
    """
    ops = tuple([call.op for call in one.calls])
    if other.failure is not None or ops != tuple([call.op for call in other.calls]):
        return None
    rows = {value.shape[0] for value in other.inputs.values() if value.shape}
    places = [
        tuple([_lies(a.shape, b.shape, rows) for a, b in zip(x.outputs, y.outputs, strict=False)])
        for x, y in zip(one.calls, other.calls, strict=True)
    ]
    return Rowed(ops, tuple(places))


def _lies(one: Shape, other: Shape, rows: Container[Size]) -> int:
    """Return which axis is the batch, −1 for none: heads of attention may be counted together with it."""
    differ = [n for n, (a, b) in enumerate(zip(one, other, strict=False)) if a != b]
    if len(one) != len(other) or len(differ) != 1:
        return -1
    (place,) = differ
    return place if one[place] == 1 and other[place] in rows else -1


def same(one: TorchGraph, several: TorchGraph) -> bool:
    """Whether the graph of several rows computes of each what the graph of a single row computes of that.

    A forward may ask how many rows there are, and go another way or compute with that number.
    """
    if not (apart(one) and apart(several) and list(one.nodes) == list(several.nodes)):
        return False
    if one.inputs != several.inputs or one.outputs != several.outputs:
        return False
    return one.origins == several.origins and all(_same(one, several, name) for name in one.nodes)


def _same(one: TorchGraph, several: TorchGraph, name: str) -> bool:
    """Whether a layer reads the same tensors and weights in both, with the same equation."""
    ours, theirs = one.nodes[name], several.nodes[name]
    a, b = ours.layer, theirs.layer
    assert isinstance(a, Operator) and isinstance(b, Operator)
    if (ours.inputs, a.held, a.use.dtype, a.use.reads) != (
        theirs.inputs, b.held, b.use.dtype, b.use.reads,
    ):  # fmt: skip
        return False
    x, y = one.facts[name], several.facts[name]
    assert x.equation is not None and y.equation is not None
    if x.weights != y.weights or to_json(x.equation, False) != to_json(y.equation, False):
        return False
    return all(alike(a.arrays[w], b.arrays[w]) for w in a.uncounted)
