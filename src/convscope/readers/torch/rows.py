"""Whether several rows may go through a module in one forward, each computed as it is alone: shown by the equations."""

from __future__ import annotations

from convscope.aten.layer import Operator
from convscope.notation.serial import to_json
from convscope.readers.torch.graph import TorchGraph, alike


def apart(graph: TorchGraph) -> bool:
    """Whether the equation of every layer is of one row of a batch, and reads no other."""
    explained = all(facts.equation is not None for facts in graph.facts.values())
    return explained and graph.batched == {*graph.inputs, *graph.nodes}


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
