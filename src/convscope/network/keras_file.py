"""Networks written as Keras 3 writes them: FILE.keras, and FILE.weights.h5.

A .keras file is a zip of metadata.json, config.json (which layers there are, and what goes into which) and
model.weights.h5. There a layer's weights lie under its kind, counted in the order of the layers:
layers/conv2d_1/vars/0.
"""

from __future__ import annotations

import io
import json
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from convscope.engine.writing import complete
from convscope.errors import OutputError, SourceError, UnsupportedError, WeightsError
from convscope.layers.activations import Activation
from convscope.layers.base import Layer
from convscope.layers.input_layer import InputLayer
from convscope.learning.named import Configured
from convscope.model.graph import Graph
from convscope.model.naming import snake
from convscope.model.settings import OF_TRAINING, plain_setting
from convscope.notation.sizes import is_known, shape_text

if TYPE_CHECKING:
    from convscope.typed import Array

VERSION = "3.15.1"
"""Which Keras's files these are like."""

OWN = ("Arithmetic", "CustomScaleLayer", "LayerScale", "Operation")
"""Kinds that Keras has no layer for, as their classes are called."""

INNER = ("MultiHeadAttention", "GroupQueryAttention")
"""Kinds that Keras makes of layers inside, each with weights of its own."""

MOST_BYTES = 1 << 26

WEIGHTS = "model.weights.h5"


def save(graph: Graph, path: str | Path, overwrite: bool) -> None:
    """Write a network as FILE.keras; raises `UnsupportedError`, by name, for what Keras does not have."""
    import zipfile

    target = _target(path, ".keras", overwrite)
    config = json.dumps(_network(graph))
    held = io.BytesIO()
    _write_weights(graph, held)
    fixed = {"keras_version": VERSION, "date_saved": "1980-01-01@00:00:00"}
    with (
        complete(target, ".keras", "a network is saved as .keras") as part,
        zipfile.ZipFile(part, "w") as archive,
    ):
        for name, data in (
            ("metadata.json", json.dumps(fixed).encode()),
            ("config.json", config.encode()),
            (WEIGHTS, held.getvalue()),
        ):
            archive.writestr(zipfile.ZipInfo(name, (1980, 1, 1, 0, 0, 0)), data)


def check_kept(graph: Graph) -> None:
    """Raise what `save` would for a network that Keras cannot hold, or without h5py; nothing is written."""
    _network(graph)
    _h5py()


def save_weights(graph: Graph, path: str | Path, overwrite: bool) -> None:
    """Write the weights of a network as FILE.weights.h5."""
    target = _target(path, ".weights.h5", overwrite)
    held = io.BytesIO()
    _write_weights(graph, held)
    with complete(target, ".h5", "weights are saved as .weights.h5") as part:
        part.write_bytes(held.getvalue())


def _target(path: str | Path, ending: str, overwrite: bool) -> Path:
    if not str(path).lower().endswith(ending):
        raise OutputError(f"name the file {Path(path).stem}{ending}, not {path}")
    if not overwrite and Path(path).exists():
        raise OutputError(f"{path} is there already: overwrite=True replaces it")
    return Path(path)


# -- layers -------------------------------------------------------------------------------------------


def _distinct(graph: Graph) -> dict[str, Layer]:
    """Return every layer once, by the name of the first node that it stands at, as Keras walks them.

    Of a network that is no plain stack Keras does not keep the order in which it was written down: the layers
    furthest from the outputs come first, and those equally far in the order in which they are met from there.
    """
    found: dict[str, Layer] = {}
    first: dict[int, str] = {}
    for name, node in graph.nodes.items():
        if id(node.layer) not in first:
            first[id(node.layer)] = name
            found[name] = node.layer
    if graph.sequential:
        return found
    far, met = _walked(graph)
    names = sorted(found, key=lambda name: (-far.get(name, -1), met.get(name, len(met))))
    return {name: found[name] for name in names}


def _walked(graph: Graph) -> tuple[dict[str, int], dict[str, int]]:
    """Return how far each layer is from the outputs, and in which order Keras meets them from there.

    A layer is named by its first node; several uses count as the furthest. What no output needs is in neither.
    """
    first: dict[int, str] = {}
    layer_of = {name: first.setdefault(id(node.layer), name) for name, node in graph.nodes.items()}
    met: dict[str, int] = {}
    done: dict[str, None] = {}  # each node after what it reads
    for output in graph.outputs:
        stack = [(output, False)]
        while stack:
            name, left = stack.pop()
            if left:
                done[name] = None
            elif name not in done and name in layer_of:
                met.setdefault(layer_of[name], len(met))
                stack.append((name, True))
                stack += [(feed, False) for feed in reversed(graph.nodes[name].inputs)]
    far: dict[str, int] = {}
    depth: dict[str, int] = {}
    for name in reversed(done):
        layer = layer_of[name]
        depth[name] = far[layer] = max(depth.get(name, 0), far.get(layer, 0))
        for feed in graph.nodes[name].inputs:
            depth[feed] = max(depth[name] + 1, depth.get(feed, 0))
    return far, met


def _stored_at(graph: Graph) -> Iterator[tuple[str, str, Layer]]:
    """Yield where each layer's weights lie, its name and itself."""
    used: dict[str, int] = {}
    if not graph.sequential:
        used["input_layer"] = len(graph.inputs)
    for name, layer in _distinct(graph).items():
        if isinstance(layer, InputLayer):
            continue
        plain = snake(layer.kind)
        count = used.get(plain, 0)
        used[plain] = count + 1
        yield f"layers/{plain}" + (f"_{count}" if count else ""), name, layer


def _write_weights(graph: Graph, held: io.BytesIO) -> None:
    with _h5py().File(held, "w") as file:
        file.create_group("vars").attrs["name"] = graph.name
        for path, name, layer in _stored_at(graph):
            group = file.create_group(f"{path}/vars")
            group.attrs["name"] = keras_name(name)
            arrays = [np.asarray(a, np.float32) for a in layer.weights.values()]
            for number, array in enumerate(arrays):
                group.create_dataset(str(number), data=array)


def _h5py() -> Any:
    try:
        import h5py
    except ImportError as error:
        raise UnsupportedError(
            f"saving a Keras file needs h5py: pip install 'convscope[save]' ({error})"
        ) from error
    return h5py


def load_weights(graph: Graph, path: str | Path) -> None:
    """Set the weights of a network to those of FILE.weights.h5 or FILE.keras, read without Keras or h5py.

    Raises `SourceError` for a file that is no such, `WeightsError` where a layer's weights do not fit: then
    nothing is set.
    """
    from convscope.files.archive import Archive
    from convscope.files.hdf5 import Hdf5
    from convscope.files.source_file import SourceFile, sensible

    file = SourceFile(path)
    with sensible(file):
        if file.first(4) == b"PK\x03\x04":
            place = Archive(file).place(WEIGHTS)
            if place is None:
                raise SourceError(f"{path} has no {WEIGHTS}")
            hdf5 = Hdf5(file, *place)
        else:
            hdf5 = Hdf5(file)
        stored, _ = hdf5.walk()
        wanted: list[tuple[Layer, list[Array]]] = []
        for where, name, layer in _stored_at(graph):
            arrays = []
            for number, (weight, shape) in enumerate((layer.weight_shapes or {}).items()):
                one = stored.get(f"{where}/vars/{number}")
                if one is None:
                    raise WeightsError(
                        f"{path} has no {weight} of {name} ({layer.kind}): there is nothing at "
                        f"{where}/vars/{number}"
                    )
                array = hdf5.numbers(one)
                if array.shape != shape:
                    raise WeightsError(
                        f"{path}: the {weight} of {name} ({layer.kind}) has shape {shape_text(array.shape)}, "
                        f"not {shape_text(shape)}"
                    )
                arrays.append(np.array(array, np.float32))
            wanted.append((layer, arrays))
    for layer, arrays in wanted:
        if arrays:
            layer.set_weights(arrays)


# -- config -------------------------------------------------------------------------------------------


def _network(graph: Graph) -> dict[str, Any]:
    inputs = [_input(name, shape) for name, shape in graph.inputs.items()]
    layers = _distinct(graph)
    config: dict[str, Any] = {"name": keras_name(graph.name), "trainable": True}
    if graph.sequential:
        shape = inputs[0]["config"]["batch_shape"]
        config |= {
            "layers": [*inputs, *(_layer(n, layer) for n, layer in layers.items())],
            "build_input_shape": shape,
        }
        return {
            "module": "keras", "class_name": "Sequential", "config": config, "registered_name": None,
            "build_config": {"input_shape": shape},
        }  # fmt: skip
    calls: dict[int, list[str]] = {}
    for name, node in graph.nodes.items():
        calls.setdefault(id(node.layer), []).append(name)
    owner = {
        call: (first, n)
        for first, layer in layers.items()
        for n, call in enumerate(calls[id(layer)])
    }

    def place(name: str) -> list[Any]:
        first, number = owner.get(name, (name, 0))
        return [keras_name(first), number, 0]

    def tensor(name: str) -> dict[str, Any]:
        shape = [None, *(s if is_known(s) else None for s in graph.shape(name))]
        history = {"shape": shape, "dtype": "float32", "keras_history": place(name)}
        return {"class_name": "__keras_tensor__", "config": history}

    nodes = [{**one, "name": one["config"]["name"], "inbound_nodes": []} for one in inputs]
    for name, layer in layers.items():
        inbound: list[dict[str, Any]] = []
        for call in calls[id(layer)]:
            tensors = [tensor(feed) for feed in graph.nodes[call].inputs]
            several = len(tensors) > 1 or layer.inputs_taken[1] is None
            inbound.append({"args": [tensors] if several else tensors, "kwargs": {}})
        nodes.append({**_layer(name, layer), "name": keras_name(name), "inbound_nodes": inbound})
    config |= {
        "layers": nodes,
        "input_layers": [place(name) for name in graph.inputs],
        "output_layers": [place(name) for name in graph.outputs],
    }
    return {
        "module": "keras.src.models.functional", "class_name": "Functional", "config": config,
        "registered_name": "Functional",
    }  # fmt: skip


def _input(name: str, shape: Any) -> dict[str, Any]:
    sizes = [None, *(s if is_known(s) else None for s in shape)]
    config = {"batch_shape": sizes, "dtype": "float32", "sparse": False, "name": keras_name(name)}
    return {
        "module": "keras.layers", "class_name": "InputLayer", "config": config, "registered_name": None
    }  # fmt: skip


def _layer(name: str, layer: Layer) -> dict[str, Any]:
    if layer.opaque or type(layer).__name__ in OWN:
        raise UnsupportedError(f"{name} ({layer.kind}) cannot be written: Keras has no such layer")
    if layer.kind in INNER or any(isinstance(v, Layer) for v in layer.settings().values()):
        raise UnsupportedError(
            f"{name} ({layer.kind}) cannot be written: layers that hold others are read from Keras's files "
            f"and not written to them; export writes ONNX"
        )
    config: dict[str, Any] = {"name": keras_name(name), "dtype": "float32"}
    if layer.weight_shapes:  # some kinds without weights do not take it
        config["trainable"] = bool(layer.trainable)
    for setting, value in layer.settings().items():
        if setting.endswith(OF_TRAINING) and callable(value) and not isinstance(value, Configured):
            continue  # a function of one's own, which says how a weight was first drawn
        if isinstance(value, Configured):
            value = value.keras()
        elif isinstance(value, Activation):
            value = value.name
        config[setting] = plain_setting(value)
    return {
        "module": "keras.layers", "class_name": layer.kind, "config": config, "registered_name": None
    }  # fmt: skip


def keras_name(name: str) -> str:
    """Return a name as Keras takes it: without the slashes of a nested network laid flat.

    A dot in their place would do for Keras alone: PyTorch, as its backend, takes none in a parameter's name.
    """
    return name.replace("/", "__")
