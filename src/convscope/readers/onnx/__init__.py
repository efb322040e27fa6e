"""ONNX models: files, with their external data, and live ModelProtos.

source    bytes to a checked model
beside    what it refers to in other files, read by our own rules
tensors   its tensors: what each says of itself, and its numbers
message   what it says, as plain data
folding   what is already known when a file is read: constants and shape arithmetic
weights   which constants were learned, each counted once
build     the graph of operators
inferring shapes that only onnx's inference tells
editing   settings of its nodes changed, and the weights that must follow
opened    the network that people hold, and what stands behind it
"""

from __future__ import annotations

import os

from convscope.files.source_file import sensible
from convscope.network import Network
from convscope.typed import TYPE_CHECKING

if TYPE_CHECKING:
    from typing import Any

ACCEPTS = "FILE.onnx, an onnx.ModelProto"


def is_mine(source: Any) -> bool:
    """Whether the source is the name of an .onnx file, or a live ModelProto."""
    if isinstance(source, (str, os.PathLike)):
        return os.path.splitext(source)[1].lower() == ".onnx"
    return type(source).__name__ == "ModelProto" and hasattr(source, "SerializeToString")


def read(source: Any) -> Network:
    """Return the network that a model holds; raises `SourceError` when it cannot be read."""
    from pathlib import Path

    from convscope.readers.onnx.opened import opened
    from convscope.readers.onnx.source import from_file, from_proto

    if isinstance(source, (str, os.PathLike)):
        with sensible(source):
            return opened(from_file(Path(source)))
    with sensible("the ModelProto"):
        return opened(from_proto(source))
