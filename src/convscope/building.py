"""Networks written down: a stack of layers, or a graph of them, spelled as in Keras.

>>> from convscope import Conv2D
>>> model = Sequential()
>>> model.add(Conv2D(32, kernel_size=(3, 3), activation="relu", input_shape=(28, 28, 1)))
>>> model.add(Conv2D(64, (3, 3), activation="relu"))
>>> [layer.get_weights()[0].shape for layer in model.layers]
[(3, 3, 1, 32), (3, 3, 32, 64)]
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

from convscope.errors import LayerLookupError, SettingError, ShapeError, UnsupportedError
from convscope.layers.activations import Activation
from convscope.layers.base import Layer, checked_shape
from convscope.layers.wire import Calling, Wire, wires_of
from convscope.model.graph import Graph
from convscope.model.naming import Names, snake
from convscope.network import Network
from convscope.notation.sizes import Shape, is_known, shape_text
from convscope.typed import TYPE_CHECKING

if TYPE_CHECKING:
    from typing import Any


class Written(Network):
    """A network that was written down: it may be called like a layer, and is then part of another."""

    def __call__(self, inputs: Wire | Sequence[Wire]) -> Any:
        """Use the whole network on the outputs of others; return its own output, or all of several.

        Its layers are the same ones, weights included; in the other network they are called `name/layer`. Raises
        `SettingError` for anything but as many wires as it has inputs.
        """
        wires = wires_of(inputs, self.name)
        graph = self._for(wires)
        if len(wires) != len(graph.inputs):
            raise SettingError(f"{self.name} takes {len(graph.inputs)} inputs, not {len(wires)}")
        for shape, wire in zip(graph.inputs.values(), wires, strict=True):
            if len(shape) != len(wire.shape):
                raise ShapeError(
                    f"{self.name} takes {shape_text(shape)}, not {shape_text(wire.shape)}"
                )
        calling = Calling(id(self), self.name, type(self).__name__, graph.nested)
        made = dict(zip(graph.inputs, wires, strict=True))
        for name, node in graph.nodes.items():
            fed = tuple(made[feed] for feed in node.inputs)
            shape = node.layer.equation(*(wire.shape for wire in fed)).shape
            made[name] = Wire(node.layer, fed, shape, calling, name)
        results = [made[name] for name in graph.outputs or graph.inputs]
        return results if results[1:] else results[0]

    def _for(self, wires: Sequence[Wire]) -> Graph:
        """Return the graph to be used on these wires."""
        return self.graph


class Sequential(Written):
    """A network in which each layer reads the one before, spelled as in Keras.

    layers   layers to add; the first should say its input_shape (without the batch)
    name     what summaries call the network
    seed     what initial weights are drawn from; the same seed gives the same weights

    Raises `SettingError`, `ShapeError` or `WindowError` when a layer cannot be added, saying why.
    """

    def __init__(
        self,
        layers: Iterable[Layer | Wire | Sequential] | None = None,
        name: str = "sequential",
        seed: int = 0,
    ) -> None:
        super().__init__(name, seed)
        self._layers: list[Layer] = []
        self._names = Names()
        self._taken: set[str] = set()
        self._held: set[int] = set()
        self._called: dict[int, str] = {}
        self._nested: dict[str, str] = {}
        self._stacks: dict[str, Sequential] = {}
        self._input_name = "input"
        for layer in layers or ():
            self.add(layer)

    @property
    def layers(self) -> list[Layer]:
        """The layers in order, without input layers; also before there is an input shape."""
        return list(self._layers)

    def _for(self, wires: Sequence[Wire]) -> Graph:
        if (
            self._graph is None and len(wires) == 1
        ):  # the first use says the input's shape, as in Keras
            self.build((None, *wires[0].shape))
        return self.graph

    def add(self, layer: Layer | Wire | Sequential) -> None:
        """Add a layer at the end, or all of another stack; with an input shape its weights exist from here on.

        The layers of the other stack are then called `its name/layer`.
        """
        if isinstance(layer, Wire):
            layer = layer.layer
        if isinstance(layer, Sequential):
            self._stack(layer)
            return
        if not isinstance(layer, Layer):
            graph = "; a graph goes into another by Model(inputs, net(wire))"
            raise SettingError(
                f"add takes a layer such as Conv2D(32, 3), not {layer!r}{graph if isinstance(layer, Model) else ''}"
            )
        if id(layer) in self._held:
            raise SettingError(
                f"{layer.name} is already part of {self.name}; a layer that is used twice needs the "
                f"graph form: Model(inputs, outputs)"
            )
        if layer.kind == "InputLayer":
            self._start(layer)
            return
        name = layer.name
        if name is not None and name in self._taken:
            raise SettingError(f"{self.name} already has a layer named {name!r}; names must differ")
        if name is None:
            name = self._names.new(snake(layer.kind), self._taken)
        self._append(layer, name, name)

    def _append(self, layer: Layer, name: str, own: str) -> None:
        """Add a layer that the network calls `name`, and that is called `own`."""
        if self._graph is None and layer.input_shape is not None:
            if self._layers:
                raise SettingError(
                    f"{name} says its input_shape, but it is not the first layer of {self.name}"
                )
            self._graph = self._opened(layer.input_shape, [layer])
        if self._graph is not None:
            feed = self._graph.outputs or tuple(self._graph.inputs)
            before = layer.name
            layer.name = own
            try:
                self._graph.grow(name, layer, feed, self.seed)
            except Exception:
                layer.name = before
                raise
        layer.name = own
        self._layers.append(layer)
        self._held.add(id(layer))
        self._called[id(layer)] = name
        self._taken.add(name)

    def _stack(self, other: Sequential) -> None:
        """Add all layers of another stack."""
        if other is self or any(id(layer) in self._held for layer in other._layers):
            raise SettingError(
                f"{other.name} is already part of {self.name}; what is used twice needs the graph form: "
                f"Model(inputs, outputs)"
            )
        part = other.name
        if part in self._taken:
            part = self._names.new(part, self._taken)
        if self._graph is None and not self._layers and other._graph is not None:
            self._graph = self._opened(other.input_shape, other._layers)
        kinds = {f"{part}/{inner}": kind for inner, kind in other._nested.items()}
        self._nested |= {part: type(other).__name__, **kinds}
        if self._graph is not None:
            self._graph.nested = {"": type(self).__name__, **self._nested}
        for layer in other._layers:
            called = other._called[id(layer)]
            assert layer.name is not None
            self._append(layer, f"{part}/{called}", layer.name)
        self._taken.add(part)
        self._stacks[part] = other

    def _start(self, layer: Layer) -> None:
        if self._layers or self._graph is not None:
            raise SettingError(f"an input layer must come first; {self.name} already has layers")
        if layer.input_shape is None:
            raise SettingError("an input layer needs a shape, as in InputLayer(shape=(28, 28, 1))")
        self._input_name = layer.name or "input"
        self._graph = self._opened(layer.input_shape, [])

    def _opened(self, shape: Shape, layers: Sequence[Layer]) -> Graph:
        graph = Graph(self.name, {self._input_name: shape}, layout_of(layers))
        graph.sequential = True
        if self._nested:
            graph.nested = {"": type(self).__name__, **self._nested}
        return graph

    def pop(self) -> Layer | Sequential:
        """Remove what was added last and return it: a layer, or all of another stack."""
        if not self._layers:
            raise LayerLookupError(f"{self.name} has no layers to remove")
        part, _, inner = self._called[id(self._layers[-1])].partition("/")
        if not inner or part not in self._stacks:
            return self._remove()
        while self._layers and self._called[id(self._layers[-1])].startswith(f"{part}/"):
            self._remove()
        self._taken.discard(part)
        self._nested = {
            name: kind for name, kind in self._nested.items() if name.partition("/")[0] != part
        }
        if self._graph is not None:
            self._graph.nested = {"": type(self).__name__, **self._nested} if self._nested else {}
        return self._stacks.pop(part)

    def _remove(self) -> Layer:
        """Remove the last layer."""
        layer = self._layers.pop()
        name = self._called.pop(id(layer))
        self._taken.discard(name)
        self._held.discard(id(layer))
        if self._graph is not None:
            self._graph.remove(name)
        return layer

    def build(self, input_shape: Sequence[Any]) -> None:
        """Give the network its input shape, batch included as in Keras: (None, 28, 28, 1)."""
        shape = checked_shape(input_shape, f"{self.name}: input_shape", batch=True)
        if self._graph is not None:
            if tuple(self._graph.inputs.values()) == (shape,):
                return
            raise SettingError(
                f"{self.name} is already built, for inputs {shape_text(self.input_shape)}"
            )
        graph = self._opened(shape, self._layers)
        for layer in self._layers:
            name = self._called[id(layer)]
            graph.grow(name, layer, graph.outputs or tuple(graph.inputs), self.seed)
        self._graph = graph

    def _replace(self, layers: Mapping[int, Layer]) -> None:
        self._called = {id(layers[one]): name for one, name in self._called.items()}
        self._layers = [layers[id(layer)] for layer in self._layers]
        self._held = {id(layer) for layer in self._layers}
        from copy import copy, deepcopy

        self._taken, self._names = set(self._taken), deepcopy(self._names)
        self._nested, stacks, self._stacks = dict(self._nested), self._stacks, {}
        for part, other in stacks.items():  # of the new layers, and to be built anew
            again = self._stacks[part] = copy(other)
            again._graph = None
            again._replace(layers)

    def to_keras(self) -> Any:
        """Return the same network, weights included, as a live Keras model: to train it, or to save it.

        Raises `UnsupportedError` without Keras (and one of its backends), or for a layer that Keras
        does not have; `NotBuiltError` before there is an input shape.
        """
        shape = tuple(size if is_known(size) else None for size in self.input_shape)
        try:
            import keras
        except ImportError as error:
            raise UnsupportedError(_without_keras(error)) from error
        from convscope.network.keras_file import keras_name

        made = [keras.Input(shape, name=self._input_name)]
        for layer in self._layers:
            made.append(_in_keras(layer, keras.layers, keras_name(self._called[id(layer)])))
        model = keras.Sequential(made, name=self.name)
        for layer, theirs in zip(self._layers, made[1:], strict=True):
            if layer.weight_shapes:
                theirs.set_weights(layer.get_weights())
        return model

    @property
    def input_shape(self) -> Shape:
        """The input's shape, without the batch."""
        return next(iter(self.graph.inputs.values()))

    @property
    def output_shape(self) -> Shape:
        """The output's shape, without the batch."""
        graph = self.graph
        return graph.shape(graph.outputs[0]) if graph.outputs else self.input_shape


class Model(Written):
    """A network from wires: Model(inputs, outputs), where outputs come from calling layers.

    >>> from convscope import Add, Conv2D
    >>> x = Input((32, 30, 3))
    >>> y = Conv2D(3, 3, padding="same")(x)
    >>> Model(x, Add()([x, y])).count_params()
    84

    A layer may be called more than once; its weights are shared and count once.
    """

    def __init__(self, inputs: Any, outputs: Any, name: str = "functional", seed: int = 0) -> None:
        super().__init__(name, seed)
        sources, results = _wires(inputs, "inputs"), _wires(outputs, "outputs")
        order = _collect(results, sources)
        names, taken = Names(), {w.layer.name for w in order if w.layer.name}
        called: dict[int, str] = {}
        shapes: dict[str, Shape] = {}
        use: dict[int, str] = {}
        for number, wire in enumerate(sources):
            name = wire.layer.name or names.new(
                "input" if len(sources) == 1 else f"input_{number + 1}", taken
            )
            wire.layer.name = name
            called[id(wire)] = name
            shapes[name] = wire.shape
            taken.add(name)
        graph = Graph(self.name, shapes, layout_of([w.layer for w in order]))
        seen: set[str] = set(shapes)
        prefixes: dict[int, str] = {}
        parts: dict[int, str] = {}
        nested: dict[str, str] = {}
        for wire in order:
            if id(wire) in called:
                continue
            layer = wire.layer
            if wire.calling is not None:
                prefix = prefixes.get(id(wire.calling))
                if prefix is None:
                    calling = wire.calling
                    before = parts.get(calling.network)
                    prefix = calling.name if before is None else f"{before}_again"
                    if prefix in taken or before is not None:
                        prefix = names.new(prefix, taken)
                    taken.add(prefix)
                    prefixes[id(calling)] = prefix
                    parts.setdefault(calling.network, prefix)
                    nested[prefix] = wire.calling.kind
                    nested |= {f"{prefix}/{n}": k for n, k in wire.calling.nested.items() if n}
                name = f"{prefix}/{wire.place}"
            elif id(layer) in use:
                name = names.new(f"{use[id(layer)]}_again", taken)
            else:
                name = layer.name or names.new(snake(layer.kind), taken)
                if name in seen:
                    raise SettingError(
                        f"{self.name} has two layers named {name!r}; names must differ"
                    )
                layer.name = use[id(layer)] = name
            seen.add(name)
            taken.add(name)
            called[id(wire)] = name
            graph.grow(name, layer, [called[id(w)] for w in wire.inputs], seed)
        graph.outputs = tuple(called[id(w)] for w in results)
        if nested:
            graph.nested = {"": type(self).__name__, **nested}
        self._graph = graph


def Input(
    shape: Sequence[Any] | None = None,
    name: str | None = None,
    batch_shape: Sequence[Any] | None = None,
) -> Wire:
    """Return the start of a graph: an input of this shape (without the batch)."""
    from convscope.layers.input_layer import InputLayer

    layer = InputLayer(shape=shape, batch_shape=batch_shape, name=name)
    if layer.input_shape is None:
        raise SettingError("Input needs a shape, as in Input((28, 28, 1))")
    return Wire(layer, (), layer.input_shape)


def layout_of(layers: Iterable[Layer]) -> str:
    """Return the data format of a network: that of its first layer that has one."""
    for layer in layers:
        found = getattr(layer, "data_format", None)
        if found is not None:
            return str(found)
    return "channels_last"


def _wires(given: Any, what: str) -> list[Wire]:
    wires = list(given) if isinstance(given, (list, tuple)) else [given]
    if not wires or not all(isinstance(w, Wire) for w in wires):
        raise SettingError(f"Model takes {what} that are outputs of layers or Input(shape)")
    return wires


def _collect(results: Sequence[Wire], sources: Sequence[Wire]) -> list[Wire]:
    """Return every wire that the results need, in the order in which they were made."""
    found: dict[int, Wire] = {id(w): w for w in sources}
    stack = list(results)
    while stack:
        wire = stack.pop()
        if id(wire) in found:
            continue
        if not wire.inputs:
            raise SettingError("an output depends on an Input that is not among the inputs")
        found[id(wire)] = wire
        stack.extend(wire.inputs)
    return sorted(found.values(), key=lambda w: w.order)


def _in_keras(layer: Layer, theirs: Any, called: str | None = None) -> Any:
    """Return Keras's own layer of the same settings; raise `UnsupportedError` where Keras has none."""
    from convscope.learning.named import Configured

    kind = getattr(theirs, layer.kind, None)
    if kind is None:
        raise UnsupportedError(f"{layer.name or layer.kind}: Keras has no layer {layer.kind}")
    settings = {}
    for name, value in layer.settings().items():
        if isinstance(value, Activation):
            value = value.name
        elif isinstance(value, Configured):
            value = value.keras()
        elif isinstance(value, Layer):  # one inside another
            value = _in_keras(value, theirs)
        settings[name] = value
    made = kind(**settings, **({} if called is None else {"name": called}))
    made.trainable = layer.trainable
    return made


def _without_keras(error: ImportError) -> str:
    """Return what is missing for to_keras, and what would do."""
    from importlib.util import find_spec

    if find_spec("keras") is None:
        return "to_keras needs Keras and a backend: pip install keras torch"
    there = [name for name in ("torch", "jax", "tensorflow") if find_spec(name) is not None]
    if not there:
        return f"to_keras needs a backend for Keras: pip install torch ({error})"
    return (
        f"Keras is set to a backend that is not installed ({error}): set KERAS_BACKEND={there[0]} before Python "
        f"starts, or os.environ['KERAS_BACKEND'] = '{there[0]}' before Keras is first imported"
    )
