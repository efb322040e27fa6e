"""Activations as ONNX Runtime's convolutions leave them: 8 or 16 maps side by side, as many as the processor takes at once.

Of a value that is asked for ONNX Runtime puts map after map, which takes a sixth of what a network does. Who can do
with blocks asks for them: the optimised graph is written to a file, what moves is taken out, and it is opened again.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from functools import lru_cache
from pathlib import Path
from shutil import rmtree
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np

from convscope.engine.native import onnxruntime
from convscope.engine.writing import removed_when_ended
from convscope.typed import Array, Record

_asked: ContextVar[bool] = ContextVar("convscope blocks", default=False)


@contextmanager
def in_blocks() -> Iterator[None]:
    """Let engines made in this block give `Blocks` of what convolutions leave so."""
    token = _asked.set(True)
    try:
        yield
    finally:
        _asked.reset(token)


def asked() -> bool:
    """Return whether whoever makes an engine can do with `Blocks`."""
    return _asked.get()


class Blocks(Record):
    """An activation of a batch in blocks: what lies in the last one beyond `maps` means nothing.

    array   float32 (images, blocks, places, maps of a block)
    maps    how many maps there are
    """

    array: Array
    maps: int

    @property
    def size(self) -> int:
        images, _, places, _ = self.array.shape
        return int(images * self.maps * places)

    def plain(self) -> Array:
        """Return the same as (images, maps, places)."""
        images, blocks, places, side = self.array.shape
        moved = self.array.transpose(0, 1, 3, 2).reshape(images, blocks * side, places)
        return moved[:, : self.maps]


class Left(Record):
    """A tensor that was left in blocks: its name, and how many maps it has."""

    name: str
    maps: int

    def blocks(self, array: Array) -> Blocks:
        """Return what ONNX Runtime gave: it says (images, maps, …) of an array that is in blocks."""
        images, maps, width = len(array), array.shape[1], side()
        return Blocks(array.reshape(images, maps // width, -1, width), self.maps)


def reopened(
    write: Callable[[Any], Any], again: Callable[[str, Any], Any], options: Callable[[], Any]
) -> tuple[Any, Mapping[str, Left]]:
    """Return a session that leaves values in blocks, and which: none, where none is moved out of them.

    write     opens the model with options that have its optimised graph written
    again     opens that, a file
    options   gives new ones
    """
    with (
        TemporaryDirectory(prefix="convscope-", ignore_cleanup_errors=True) as folder,
        removed_when_ended(lambda: rmtree(folder, ignore_errors=True)),
    ):
        path = Path(folder) / "graph.onnx"
        writing = options()
        writing.optimized_model_filepath = str(path)
        for what, value in (("file_name", "weights.bin"), ("min_size_in_bytes", "1024")):
            writing.add_session_config_entry(
                f"session.optimized_model_external_initializers_{what}", value
            )
        session, left = write(writing), _left(path)
        if left:
            del session  # its weights take the room of the next one's
            plain = options()
            plain.graph_optimization_level = onnxruntime().GraphOptimizationLevel.ORT_DISABLE_ALL
            session = again(str(path), plain)
        return session, left


def _left(path: Path) -> dict[str, Left]:
    """Take out of a graph what moves its outputs out of blocks; return the outputs that it was done for."""
    from onnx import ValueInfoProto, load

    model = load(str(path), load_external_data=False)
    graph = model.graph
    read = {name for node in graph.node for name in node.input}
    outputs = {output.name for output in graph.output}
    left: dict[str, Left] = {}
    for node in list(graph.node):
        facts = {a.name: a.i for a in node.attribute}
        name = node.output[0]
        moves = node.op_type == "ReorderOutput" and not facts.get("channels_last")
        if moves and name in outputs - read:
            left[name] = Left(node.input[0], facts["channels"])
            graph.node.remove(node)
    kept = [output for output in graph.output if output.name not in left]
    more = dict.fromkeys(one.name for one in left.values())
    del graph.output[:]
    graph.output.extend([*kept, *(ValueInfoProto(name=name) for name in more)])
    path.write_bytes(model.SerializeToString())
    return left


@lru_cache(1)
def side() -> int:
    """Return how many maps lie side by side on this processor, as ONNX Runtime shows when it fills up 20 of them."""
    from onnx import TensorProto, helper, numpy_helper

    floats, shape = TensorProto.FLOAT, [1, 20, 1, 1]
    kernel = numpy_helper.from_array(np.ones((20, 20, 1, 1), np.float32), "kernel")
    graph = helper.make_graph(
        [helper.make_node("Conv", ["in", "kernel"], ["out"])],
        "blocks",
        [helper.make_tensor_value_info("in", floats, shape)],
        [helper.make_tensor_value_info("out", floats, shape)],
        [kernel],
    )
    opsets = [helper.make_opsetid("", 20)]
    model = helper.make_model(graph, opset_imports=opsets, ir_version=9).SerializeToString()
    ort = onnxruntime()

    def options() -> Any:
        found = ort.SessionOptions()
        found.log_severity_level = 4
        return found

    def opened(model: bytes | str, options: Any) -> Any:
        return ort.InferenceSession(model, options, providers=["CPUExecutionProvider"])

    session, left = reopened(lambda options: opened(model, options), opened, options)
    if not left:
        return 1
    (filled,) = session.run([left["out"].name], {"in": np.ones(shape, np.float32)})
    return {32: 16, 24: 8, 20: 4}[filled.shape[1]]
