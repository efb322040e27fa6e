"""In which modules PyTorch's exporter says a node stands: its name, where its own is only a number."""

from __future__ import annotations

import re
from collections.abc import Container
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from onnx import NodeProto

KEY = "pkg.torch.onnx.name_scopes"
"""Where torch.onnx.export (2.5 and newer) keeps ['', 'stem', 'stem.conv', 'conv2d'], a list as text."""

CALL = "pkg.torch.onnx.fx_node"
"""Where it keeps the call that a node is of, with the names of what is handed over."""

LONGEST = 1 << 12
"""Longer lists than this are not looked at."""


def module_path(node: NodeProto, weights: Container[str] = ()) -> tuple[str, ...]:
    """Return the names of the modules around a node, from the outermost in; () where none are said.

    weights   names of the model's weights: a convolution that a normalisation was folded into stands in
              that one's module, and its weight says whose it was

    >>> from onnx import NodeProto, StringStringEntryProto
    >>> said = "['', 'stem', 'stem.blocks.0', 'stem.blocks.0.norm', 'batch_norm_1']"
    >>> note = StringStringEntryProto(key=KEY, value=said)
    >>> module_path(NodeProto(input=["x", "stem.blocks.0.conv.weight"], metadata_props=[note]))
    ('stem', 'blocks.0', 'norm')
    >>> folded = NodeProto(input=["x", "stem.blocks.0.conv.weight"], metadata_props=[note])
    >>> module_path(folded, {"stem.blocks.0.conv.weight"})
    ('stem', 'blocks.0', 'conv')
    """
    said = _note(node, KEY)
    # the last is the operation itself, the first the network
    scopes = [scope for scope in re.findall(r"'([^']*)'", said)[:-1] if scope]
    steps: list[str] = []
    outer = ""
    for scope in scopes:
        steps.append(scope.removeprefix(f"{outer}.") if outer else scope)
        outer = scope
    for name in node.input[1:2]:
        owner, _, kind = name.rpartition(".")
        beside = owner.rpartition(".")[0] == outer.rpartition(".")[0]
        if steps and beside and kind == "weight" and name in weights:
            steps[-1] = owner.rpartition(".")[2]
    return tuple(steps)


def call_of(node: NodeProto) -> str:
    """Return the call in PyTorch that a node is of: `…(args = (%conv2d, 3, %p_1_weight, …)`; "" where none is said."""
    return _note(node, CALL)


def _note(node: NodeProto, key: str) -> str:
    said = next((p.value for p in node.metadata_props if p.key == key), "")
    if not isinstance(said, str) or len(said) > LONGEST:  # protobuf gives bytes for what is no text
        return ""
    return said
