"""Networks that Keras made: .keras archives, legacy .h5 files, and live models. Keras is never imported.

Opening reads the config only. Weights are compared with it, and mapped from the file, when somebody
first asks for one.
"""

from __future__ import annotations

import heapq
import re
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

from convscope.building import layout_of
from convscope.errors import ActivationError, ConvscopeError, SourceError, WeightsError
from convscope.formats.archive import Archive
from convscope.formats.json_text import MOST_BYTES, read_json
from convscope.formats.keras_config import Operand, Part, Place, SizesSaid, parse, said_shape
from convscope.formats.source_file import SourceFile
from convscope.layers import find, spellings
from convscope.layers.base import UNKNOWN_SHAPE, Layer, Shape
from convscope.layers.opaque import Opaque
from convscope.model.graph import Graph
from convscope.model.naming import Names
from convscope.network import Network
from convscope.notation.sizes import UNKNOWN, is_known

if TYPE_CHECKING:
    from convscope.formats.hdf5 import Hdf5

ACCEPTS = ".keras and .h5 files, a live keras.Model"

ZIP, HDF5, PICKLE = b"PK\x03\x04", b"\x89HDF\r\n\x1a\n", b"\x80"
SUFFIXES = (".keras", ".h5", ".hdf5")
PICKLED = (".pt", ".pth", ".pkl", ".pickle", ".npz", ".joblib")
CONFIG, WEIGHTS = "config.json", "model.weights.h5"
MOST_NODES = 50_000
MOST_OPAQUE = 2_000  # whose stored weights are looked up
MOST_NAMES = 100  # of classes, that are looked up one by one
SHORTER_REMARKS = 20


def is_mine(source: Any) -> bool:
    """Whether the source is a live Keras model, or a file that by name or first bytes is Keras's."""
    if not isinstance(source, (str, Path)):
        return _is_live(source)
    path = Path(source)
    if path.suffix.lower() in (*SUFFIXES, *PICKLED):
        return True
    try:
        if not path.is_file():
            return False
        first = SourceFile(path).first(8)
    except (OSError, ValueError, SourceError):
        return False
    return first.startswith((ZIP, HDF5)) or _is_pickle(first)


def read(source: Any) -> Network:
    """Return the network; raise `SourceError` when the file is damaged, hostile or no Keras model."""
    if not isinstance(source, (str, Path)):
        return _live(source)
    file = SourceFile(Path(source))
    try:
        return _read(file)
    except (
        ArithmeticError,
        AttributeError,
        LookupError,
        TypeError,
        ValueError,
        RecursionError,
    ) as error:
        if isinstance(error, ConvscopeError):
            raise
        # a file may be wrong in a way that nobody thought of; no such error is its reader's problem
        raise SourceError(f"{file} makes no sense: {type(error).__name__}: {error}") from error


def _read(file: SourceFile) -> Network:
    first = file.first(8)
    if first.startswith(ZIP):
        return _archive(file)
    if first.startswith(HDF5):
        return _legacy(file)
    if _is_pickle(first):
        raise SourceError(
            f"{file} is a pickle, and opening a pickle runs whatever code it holds; convscope does "
            f"not. Save the model as .keras or export it to ONNX, or open the live model in Python"
        )
    shown = first.hex(" ") or "nothing"
    raise SourceError(
        f"{file} is neither a .keras archive nor an HDF5 file: it starts with {shown}"
    )


def _is_pickle(first: bytes) -> bool:
    return first[:1] == PICKLE and len(first) > 1 and 2 <= first[1] <= 5


# -- the three sources ----------------------------------------------------------------------------


def _archive(file: SourceFile) -> Network:
    from convscope.formats.keras_weights import ArchiveWeights

    archive = Archive(file)
    if CONFIG not in archive:
        raise SourceError(
            f"{file} is a zip archive without {CONFIG}, so no .keras file. A PyTorch file (.pt) or "
            f"an .npz may hold pickles, which are never opened: export to ONNX, or open the live model"
        )
    top = parse(
        read_json(archive.read(CONFIG, MOST_BYTES), f"{file}, {CONFIG}"), f"{file}, {CONFIG}"
    )

    def opened() -> Hdf5:
        from convscope.formats.hdf5 import Hdf5

        if WEIGHTS not in archive:
            raise WeightsError(
                f"{file} has no {WEIGHTS}: weights in .npz or in shards are not read; save it again "
                f"with model.save('model.keras')"
            )
        place = archive.place(WEIGHTS)
        if place is None:
            raise WeightsError(f"{file}: its {WEIGHTS} is compressed; Keras stores it as it is")
        return Hdf5(file, *place)

    return Builder(top, str(file), ArchiveWeights(opened, str(file))).network()


def _legacy(file: SourceFile) -> Network:
    from convscope.formats.hdf5 import Hdf5, text_of
    from convscope.formats.keras_weights import LegacyWeights

    hdf5 = Hdf5(file)
    config = hdf5.attributes("").get("model_config")
    if config is None:
        raise SourceError(
            f"{file} is an HDF5 file without model_config, so it holds weights at most and says "
            f"nothing about the layers; save the whole model with model.save(…)"
        )
    what = f"{file}, model_config"
    top = parse(read_json(text_of(config, what), what), what)
    return Builder(top, str(file), LegacyWeights(lambda: hdf5, str(file), top)).network()


def _is_live(source: Any) -> bool:
    return any(
        kind.__name__ == "Model" and kind.__module__.split(".")[0] in ("keras", "tf_keras")
        for kind in type(source).__mro__
    )


def _live(model: Any) -> Network:
    from convscope.formats.keras_live import LiveWeights

    what = f"the live model {getattr(model, 'name', '')}"
    try:
        config = model.to_json()
    except Exception as error:  # it is the user's code: a layer without get_config, say
        raise SourceError(
            f"{what} cannot say its config: {type(error).__name__}: {error}"
        ) from error
    top = parse(read_json(config, what), what)
    return Builder(top, what, LiveWeights(top, model, what)).network()


# -- building -------------------------------------------------------------------------------------

IGNORED = re.compile(
    r".*_(initializer|regularizer|constraint)|name|trainable|dtype|(batch_)?(input_)?shape|seed|"
    r"momentum|synchronized|autocast|ragged|sparse|optional|noise_shape|registered_name|"
    r"renorm_(clipping|momentum)|virtual_batch_size|quantization_config|lora_\w+|input_dim"
)
"""Settings that change nothing about what a trained layer computes, or that are read elsewhere."""

WITH_A_NUMBER = {
    "Add": "add", "Subtract": "subtract", "Multiply": "multiply", "Divide": "divide",
    "TrueDivide": "divide", "Maximum": "maximum", "Minimum": "minimum",
}  # fmt: skip
MERGING = ("Add", "Subtract", "Multiply", "Maximum", "Minimum")
FUNCTIONS = {
    "Relu": "relu", "Relu6": "relu6", "Sigmoid": "sigmoid", "Silu": "silu", "Tanh": "tanh",
    "HardSigmoid": "hard_sigmoid", "HardSilu": "hard_silu", "Softplus": "softplus",
    "Softsign": "softsign", "LogSigmoid": "log_sigmoid", "Selu": "selu", "Mish": "mish", "Exp": "exponential",
}  # fmt: skip
"""Operations of keras.ops that are one of our activations."""

ONLY_IN_TRAINING = (
    "RandomFlip", "RandomRotation", "RandomZoom", "RandomTranslation", "RandomContrast",
    "RandomBrightness", "RandomShear", "RandomHue", "RandomSaturation", "RandomGrayscale",
    "RandomErasing", "RandomColorJitter", "RandomPosterization", "RandomSharpness", "RandomInvert",
    "RandomGaussianBlur", "RandomPerspective", "RandomElasticTransform",
)  # fmt: skip
"""Layers that make training images differ, and are the identity when the network is used."""

LAMBDA = "TFOpLambda"
OLDER = {
    "__operators__.add": "Add", "math.add": "Add", "__operators__.sub": "Subtract",
    "math.subtract": "Subtract", "math.multiply": "Multiply", "__operators__.mul": "Multiply",
    "math.truediv": "Divide", "__operators__.truediv": "Divide", "math.divide": "Divide",
    "math.maximum": "Maximum", "math.minimum": "Minimum", "nn.relu": "Relu", "nn.relu6": "Relu6",
    "math.sigmoid": "Sigmoid", "nn.silu": "Silu", "math.tanh": "Tanh",
}  # fmt: skip
"""What Keras 2 called the operations it wrapped in TFOpLambda layers."""


class Weights(Protocol):
    """Where a network's weights come from: a file of either format, or a live model."""

    def stored_shapes(self, part: Part) -> dict[str, tuple[int, ...]]:
        """Return the shapes of whatever is kept for a layer that nobody knows."""

    def expect(self, part: Part, name: str, shapes: Mapping[str, Shape]) -> None:
        """Note what a layer's weights must be, to be compared when the first is asked for."""

    def fetch(self, part: Part, name: str) -> Any:
        """Return one weight as float32; raise `WeightsError` if any are not those of the config."""


class Builder:
    """Makes a network of what a config says: parts become layers, calls become nodes of the graph."""

    def __init__(self, top: Part, what: str, weights: Weights) -> None:
        self.top, self.what, self.weights = top, what, weights
        self.built: dict[Part, Layer] = {}
        self.remarks: list[str] = []
        self._used: set[Part] = set()
        self._names = Names()
        self._network = Network(top.name)
        self._count = 0
        self._opaque_count = 0
        self._kinds: dict[str, type[Layer] | None] = {}

    def network(self) -> Network:
        """Return the network; warn of everything that was left out."""
        inputs = dict(self._inputs())
        for name, shape in inputs.items():
            if not shape:
                raise SourceError(f"{self.what}: its input {name} has no axes besides the batch")
        for number, part in enumerate(self.top.leaves()):
            if number > MOST_NODES:
                raise SourceError(f"{self.what}: it has more than {MOST_NODES:,} layers")
            if part.kind not in ("InputLayer", LAMBDA) and not part.operation:
                self.built[part] = self._layer(part)
        layout = layout_of(self.built.values())
        for layer in self.built.values():
            if not hasattr(layer, "data_format"):
                layer.channels_last = layout == "channels_last"
        graph = Graph(self.top.name, inputs, layout)
        self._network._graph = graph
        outputs = self._container(self.top, "", list(inputs))
        graph.outputs = tuple(outputs)
        graph.sequential = self.top.sequential and all(
            len(node.inputs) == 1 for node in graph.nodes.values()
        )
        for name in outputs:
            if name in graph.inputs:
                raise SourceError(f"{self.what}: its output {name} is an input; it has no layers")
        shown = self.remarks[:SHORTER_REMARKS]
        if len(self.remarks) > len(shown):
            shown.append(f"{self.what}: {len(self.remarks) - len(shown)} more of these")
        self._network.warnings = shown
        return self._network

    def _remark(self, part: Part, said: str) -> None:
        self.remarks.append(f"{part.where}: {said}")

    def _inputs(self) -> Iterable[tuple[str, Shape]]:
        """Yield the network's inputs and their shapes."""
        top = self.top
        layers = [child for child in top.children if child.kind == "InputLayer"]
        if top.sequential:
            said = _said_input(layers[0]) if layers else None
            if said is None and not layers and top.children:
                said = _said_input(top.children[0]) or top.children[0].said
            if said is None:
                said = said_shape(top.settings.get("build_input_shape")) or top.said
            if said is None:
                raise SourceError(
                    f"{self.what}: {top.name} was saved before it had an input shape; give its first "
                    f"layer one, or call it once, and save it again"
                )
            yield (layers[0].name if layers else "input"), _shape(said)
            return
        known = {child.name: child for child in layers}
        seen = set()
        for name, _, _ in top.inputs:
            said = _said_input(known[name]) if name in known else None
            if said is None or name in seen:
                raise SourceError(
                    f"{self.what}: its input {name!r} has no shape, or stands there twice"
                )
            seen.add(name)
            yield name, _shape(said)

    # -- one part, one layer ----------------------------------------------------------------------

    def _layer(self, part: Part) -> Layer:
        """Return the layer that a part describes; an opaque one where we have no such kind."""
        kind = None
        if part.of_keras or part.kind in ("LayerScale", "CustomScaleLayer"):
            name = part.kind
            if re.fullmatch(r"[A-Za-z]\w*", name) and name not in ("Opaque", "Arithmetic"):
                kind = self._kind(name)
        if part.of_keras and part.kind in ONLY_IN_TRAINING:
            self._remark(
                part, f"{part.kind} changes images only in training; it passes them on here"
            )
            return _made("Identity", trainable=False)
        if kind is None or kind.__name__ == "InputLayer":
            return self._opaque(part)
        settings = self._settings(part, kind)
        try:
            return kind(**settings)
        except ActivationError:
            self._remark(part, f"its activation is unknown, so {part.kind} is opaque")
            return self._opaque(part)
        except (ConvscopeError, TypeError, ValueError, OverflowError) as error:
            raise SourceError(f"{part.where}: {error}") from error

    def _kind(self, name: str) -> type[Layer] | None:
        """Return our kind of that name, at a bounded cost for a file of many names."""
        if name not in self._kinds:
            few = len(self._kinds) < MOST_NAMES
            self._kinds[name] = find(name) if few else spellings().get(name)
        return self._kinds[name]

    def _settings(self, part: Part, kind: type[Layer]) -> dict[str, Any]:
        known = kind.parameters()
        found: dict[str, Any] = {"trainable": part.settings.get("trainable") is not False}
        for name, value in part.settings.items():
            if IGNORED.fullmatch(name):
                continue
            if name in known:
                found[name] = _plain(value)
            elif value and value != 1:
                self._remark(
                    part, f"its setting {name} = {str(value)[:60]} is not known and was left out"
                )
        if kind.__name__ == "BatchNormalization" and isinstance(found.get("axis"), tuple):
            axis = found["axis"]
            found["axis"] = axis[0] if len(axis) == 1 else axis
        dtype = part.settings.get("dtype")
        if isinstance(dtype, dict):
            policy = dtype.get("config")
            dtype = policy.get("name") if isinstance(policy, dict) else None
        if dtype not in (None, "float32"):
            self._remark(part, f"it computes in {str(dtype)[:40]} in Keras, and in float32 here")
        return found

    def _opaque(self, part: Part, shape: Shape | None = None) -> Opaque:
        """Return an opaque layer, with what its stored weights say of its parameters."""
        stored = None
        self._opaque_count += 1
        if part.operation:
            stored = {}
        elif self._opaque_count < MOST_OPAQUE:
            try:
                stored = self.weights.stored_shapes(part)
            except (SourceError, WeightsError) as error:
                self._remark(part, f"its parameters are not counted: {error}")
        layer = Opaque(part.kind, shape, stored)
        layer.trainable = part.settings.get("trainable") is not False
        return layer

    # -- calls ------------------------------------------------------------------------------------

    def _container(self, part: Part, prefix: str, feeds: Sequence[str]) -> list[str]:
        """Add the layers of a container that reads these nodes; return the nodes that it gives."""
        try:
            if part.sequential:
                return [self._chain(part, prefix, feeds)]
            return self._wired(part, prefix, feeds)
        except RecursionError as error:
            raise SourceError(f"{part.where}: networks are nested too deeply") from error

    def _chain(self, part: Part, prefix: str, feeds: Sequence[str]) -> str:
        if len(feeds) != 1:
            raise SourceError(f"{part.where}: a Sequential reads one input, not {len(feeds)}")
        children = [child for child in part.children if child.kind != "InputLayer"]
        (name,) = feeds
        for child, after in zip(children, [*children[1:], None], strict=True):
            said = None if after is None else after.said
            given = [Operand((name, 0, 0))]
            found = self._call(child, prefix, given, [name], {0: said})
            name = found[0]
        return name

    def _wired(self, part: Part, prefix: str, feeds: Sequence[str]) -> list[str]:
        """Add the calls of a functional network, each after those that feed it."""
        if len(part.inputs) != len(feeds):
            raise SourceError(
                f"{part.where}: it has {len(part.inputs)} inputs, but reads {len(feeds)}"
            )
        children = {child.name: child for child in part.children}
        if len(children) < len(part.children):
            raise SourceError(f"{part.where}: two of its layers have one name")
        values: dict[Place, str] = {}
        for place, name in zip(part.inputs, feeds, strict=True):
            values[place] = name
        said = _said_of(part)
        last = {name: number for name, number in sorted(said)}
        order = {name: number for number, name in enumerate(children)}
        waiting: dict[tuple[int, int], int] = {}
        readers: dict[tuple[str, int], list[tuple[int, int]]] = {}
        calls: dict[tuple[int, int], tuple[Part, int, list[Operand]]] = {}
        ready: list[tuple[int, int]] = []
        inputs = {name for name, _, _ in part.inputs}
        for child in part.children:
            if child.kind == "InputLayer" or child.name in inputs:
                continue
            # Keras 2 counts a nested network's own making as its first call
            first = 1 if child.container and last.get(child.name) == len(child.calls) else 0
            for number, given in enumerate(child.calls):
                key = (order[child.name], number + first)
                calls[key] = (child, number + first, given)
                needs = {
                    o.place[:2] for o in given if o.place is not None and o.place not in values
                }
                waiting[key] = len(needs)
                for need in needs:
                    readers.setdefault(need, []).append(key)
                if not needs:
                    heapq.heappush(ready, key)
        done = 0
        while ready:
            key = heapq.heappop(ready)
            child, number, given = calls[key]
            done += 1
            names = [self._value(values, o.place, child) for o in given if o.place is not None]
            outputs = said.get((child.name, number), {})
            for output, name in self._call(child, prefix, given, names, outputs).items():
                values[child.name, number, output] = name
            for reader in readers.get((child.name, number), ()):
                waiting[reader] -= 1
                if not waiting[reader]:
                    heapq.heappush(ready, reader)
        if done < len(calls):
            stuck = next(calls[key][0] for key in calls if waiting[key])
            raise SourceError(f"{stuck.where}: it reads layers that do not exist, or itself")
        return [self._value(values, place, part) for place in part.outputs]

    def _value(self, values: Mapping[Place, str], place: Place, part: Part) -> str:
        if place not in values:
            raise SourceError(
                f"{part.where}: it reads output {place[2]} of call {place[1]} of {place[0]!r:.80}, "
                f"which does not exist"
            )
        return values[place]

    def _call(
        self,
        part: Part,
        prefix: str,
        given: Sequence[Operand],
        feeds: Sequence[str],
        said: Mapping[int, SizesSaid | None],
    ) -> dict[int, str]:
        """Add one call of a part; return the node of each of its outputs.

        said   what those who read its outputs say of their shapes
        """
        self._count += 1
        if self._count > MOST_NODES:
            raise SourceError(f"{self.what}: it makes more than {MOST_NODES:,} calls of layers")
        graph = self._network.graph
        name = prefix + part.name
        again = part.container and part in self._used
        if again or name in graph.nodes or name in graph.inputs:
            name = self._names.new(f"{name}_again", graph.nodes)
        if part.container:
            self._used.add(part)
            return dict(enumerate(self._container(part, f"{name}/", feeds)))
        layer = self.built.get(part) or self._operation(part, given, said)
        unknown = any(graph.shape(feed) is UNKNOWN_SHAPE for feed in feeds)
        if unknown and not isinstance(layer, Opaque):
            layer = self._opaque(part)
            self.built.setdefault(part, layer)
        shape = said.get(0)
        if isinstance(layer, Opaque) and shape is not None:
            layer.output_shape = _shape(shape)
        first = part not in self._used
        if first or layer.name is None:
            layer.name = name
        self._add(name, layer, feeds)
        if first and part in self.built:
            if not isinstance(layer, Opaque):
                self.weights.expect(part, name, layer.weight_shapes or {})
            layer.attach(lambda weight: self._weight(part, weight))
        self._used.add(part)
        self._compare(part, name, shape)
        found = {0: name}
        for output in sorted(said):
            if output:
                found[output] = f"{name}:{output}"
                shape = said[output]
                other = Opaque(part.kind, None if shape is None else _shape(shape), {})
                other.name = found[output]
                self._add(found[output], other, [name])
        return found

    def _add(self, name: str, layer: Layer, feeds: Sequence[str]) -> None:
        try:
            self._network._build(name, layer, feeds)
        except ConvscopeError as error:
            raise SourceError(f"{self.what}: {error}") from error
        except (
            ArithmeticError,
            LookupError,
            TypeError,
            ValueError,
            RecursionError,
            MemoryError,
        ) as error:
            # settings that each pass their check and together make no sense
            raise SourceError(
                f"{self.what}: {name} ({layer.kind}) makes no sense: {type(error).__name__}: {error}"
            ) from error

    def _weight(self, part: Part, name: str) -> Any:
        return self.weights.fetch(part, name)

    def _compare(self, part: Part, name: str, said: SizesSaid | None) -> None:
        """Remark when the config says another output shape than follows from the equation."""
        found = self._network.graph.shape(name)
        if said is None or found is UNKNOWN_SHAPE:
            return
        pairs = list(zip(said, found, strict=False))
        if len(said) != len(found) or any(
            a is not None and is_known(b) and a != b for a, b in pairs
        ):
            self._remark(
                part, f"its config says it gives {said}, but by its settings it gives {found}"
            )

    def _operation(
        self, part: Part, given: Sequence[Operand], said: Mapping[int, SizesSaid | None]
    ) -> Layer:
        """Return the layer that does what an operation of keras.ops does; opaque if there is none."""
        kind = part.kind
        if kind == LAMBDA:
            kind = OLDER.get(str(part.settings.get("function")), "")
        given = [o for o in given if o.keyword != "name"]
        tensors = [o for o in given if o.place is not None]
        settings = {k: v for k, v in part.settings.items() if k not in ("name", *LAYER_LIKE)}
        pair = len(given) == 2 and not settings
        try:
            if kind in WITH_A_NUMBER and pair and len(tensors) == 1:
                constant = next(o.number for o in given if o.place is None)
                if constant is not None:
                    reverse = given[0].place is None
                    return _made("Arithmetic", WITH_A_NUMBER[kind], constant, reverse=reverse)
            if kind in MERGING and pair and len(tensors) == 2:
                return _made(kind)
            if kind == "Concatenate" and set(settings) <= {"axis"} and settings.get("axis") != 0:
                return _made(kind, axis=settings.get("axis", -1))
            if kind in FUNCTIONS and len(given) == 1 and not settings:
                return _made("Activation", FUNCTIONS[kind])
            shape = tensors[0].shape if len(tensors) == 1 else None
            if kind == "Mean" and settings.get("axis") == [1, 2] and shape and len(shape) == 3:
                return _made("GlobalAveragePooling2D", keepdims=settings.get("keepdims", False))
        except (ConvscopeError, TypeError, ValueError) as error:
            raise SourceError(f"{part.where}: {error}") from error
        layer = Opaque(part.kind, None, {})
        return layer


LAYER_LIKE = ("trainable", "dtype", "function")


def _made(kind: str, *arguments: Any, **settings: Any) -> Layer:
    found = find(kind)
    assert found is not None
    return found(*arguments, **settings)


def _said_of(part: Part) -> dict[tuple[str, int], dict[int, SizesSaid | None]]:
    """Return what a network's config says of every output that is read: its shape, if it does."""
    found: dict[tuple[str, int], dict[int, SizesSaid | None]] = {}
    for child in part.children:
        for call in child.calls:
            for operand in call:
                if operand.place is not None:
                    name, number, output = operand.place
                    outputs = found.setdefault((name, number), {})
                    outputs[output] = outputs.get(output) or operand.shape
    for name, number, output in part.outputs:
        found.setdefault((name, number), {}).setdefault(output, None)
    return found


def _said_input(part: Part) -> SizesSaid | None:
    """Return the input shape that a layer's settings state, in any of Keras's ways."""
    for key in ("batch_shape", "batch_input_shape"):
        if key in part.settings:
            return said_shape(part.settings[key])
    if "shape" in part.settings and isinstance(part.settings["shape"], list):
        return said_shape([None, *part.settings["shape"]])
    return None


def _shape(said: SizesSaid) -> Shape:
    return tuple(UNKNOWN if size is None else size for size in said)


def _plain(value: Any) -> Any:
    """Return a setting as a layer takes it: lists as tuples, a named function as its name."""
    if isinstance(value, list):
        return tuple(map(_plain, value))
    if isinstance(value, dict) and value.get("class_name") == "function":
        return value.get("config")
    if isinstance(value, dict) and isinstance(value.get("value"), list):  # __numpy__, __tensor__
        return _plain(value["value"])
    return value
