"""A state dict in a .safetensors file: names, types and shapes of weights. The numbers are not read.

With a module they are its weights: `convscope.open(module, example, weights="FILE.safetensors")`.
"""

from __future__ import annotations

import os
from typing import Any

from convscope.layers.opaque import Opaque
from convscope.model.graph import Graph
from convscope.network import Network

ACCEPTS = "FILE.safetensors (names and shapes of weights)"

BITS = {"F64": 64, "F16": 16, "BF16": 16, "I64": 64, "I16": 16, "I8": 8, "U8": 8, "BOOL": 8, "U16": 16, "U64": 64,
        "F8_E4M3": 8, "F8_E5M2": 8, "C64": 64}  # fmt: skip


def is_mine(source: Any) -> bool:
    """Whether the source is the name of a .safetensors file."""
    return isinstance(source, (str, os.PathLike)) and str(source).lower().endswith(".safetensors")


def read(source: Any) -> Network:
    """Return the weights that a file holds, under the modules that own them; nothing can be run.

    Raises `SourceError` for a file that is not of this format, or whose tensors do not lie where it says.
    """
    from convscope.files.safetensors import header
    from convscope.files.source_file import SourceFile

    file = SourceFile(source)
    name = os.path.basename(file.path)[: -len(".safetensors")]
    graph = Graph(name, {}, "channels_first")
    graph.separator = "."
    groups: dict[str, dict[str, Any]] = {}
    for tensor, stored in header(file).items():
        owner, _, own = tensor.rpartition(".")
        groups.setdefault(owner or name, {})[own] = stored
    for owner, held in groups.items():
        layer = Opaque("weights", None, {own: stored.shape for own, stored in held.items()})
        layer.channels_last = False
        layer.bits = {own: BITS[one.dtype] for own, one in held.items() if one.dtype in BITS}
        graph.add(owner, layer, ())
    graph.outputs = ()
    said = "it holds weights and no network: open(module, example, weights=…) puts them into the module they are of"
    return Network(name, graph=graph, warnings=[f"{os.path.basename(file.path)}: {said}"])
