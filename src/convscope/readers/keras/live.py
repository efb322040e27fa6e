"""A live Keras model behind a network: its weights, and the numbers of layers that have no equation here.

Weights are taken from its variables when somebody first asks. A layer without an equation is called in
Keras with what our engine computed before it, and what comes after it goes on from Keras's numbers.
"""

from __future__ import annotations

import sys
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from convscope.engine.backing import OwnLayers
from convscope.errors import EngineError, WeightsError
from convscope.model.graph import Graph
from convscope.readers.keras.config import Operand, Part
from convscope.readers.keras.layers import BITS
from convscope.readers.keras.sharing import same
from convscope.readers.keras.weights import as_float32
from convscope.typed import Record

if TYPE_CHECKING:
    from convscope.engine.backing import Backing
    from convscope.engine.runtime import Engine, Runner
    from convscope.model.editing import Edit, Edited
    from convscope.readers.keras.network import Origin


class LiveWeights:
    """Finds each layer's live counterpart by name, level by level; Keras itself is not imported."""

    adapters_stored = True
    again = "open"

    def __init__(self, top: Part, model: Any, what: str) -> None:
        self.what = what
        self._live: dict[Part, Any] = {}
        self._shapes: dict[Part, Mapping[str, Any]] = {}
        self._met: dict[int, Part] = {}
        self._nodes: dict[Part, list[Any]] = {}
        self._place(top, model)

    def _place(self, container: Part, model: Any) -> None:
        every = (*getattr(model, "operations", ()), *getattr(model, "layers", ()))
        layers = {layer.name: layer for layer in every}
        nodes = getattr(model, "_nodes_by_depth", {})
        inside = {id(node) for level in nodes.values() for node in level}
        for child in container.children:
            live = layers.get(child.name)
            if live is None:
                continue
            self._live[child] = live
            calls = getattr(live, "_inbound_nodes", ())
            self._nodes[child] = [node for node in calls if id(node) in inside]
            first = self._met.setdefault(id(live), child)
            if first is not child and child.kind != "InputLayer":
                same(child, first)
            elif child.container:
                self._place(child, live)

    def call(self, part: Part, given: Sequence[Operand]) -> LiveCall | None:
        """Return how Keras is asked for one call of a layer; None where that cannot be said.

        given   what that call is given, as the config says: its own list among the part's calls
        """
        layer = self._live.get(part)
        if layer is None:
            return None
        number = next((n for n, call in enumerate(part.calls) if call is given), None)
        nodes = self._nodes.get(part, [])
        if number is not None and len(nodes) == len(part.calls):
            arguments = getattr(nodes[number], "arguments", None)
            places = sum(operand.place is not None for operand in given)
            if arguments is not None and len(arguments.keras_tensors) == places:
                return LiveCall(layer, arguments)
        plain = all(o.place is not None and o.keyword is None for o in given)
        return LiveCall(layer, None) if plain and len(given) == 1 else None

    def stored_shapes(self, part: Part) -> dict[str, tuple[int, ...]]:
        """Return the shapes of a live layer's weights."""
        held = getattr(self._live.get(part), "weights", ())
        return {str(n): tuple(variable.shape) for n, variable in enumerate(held)}

    def stored_bits(self, part: Part) -> dict[str, int]:
        """Return how many bits a number takes of a live layer's weights."""
        held = getattr(self._live.get(part), "weights", ())
        return {str(n): BITS.get(str(variable.dtype), 32) for n, variable in enumerate(held)}

    def expect(self, part: Part, name: str, shapes: Mapping[str, Any]) -> None:
        """Note what a layer's weights must be."""
        self._shapes[part] = shapes

    def fetch(self, part: Part, name: str) -> Any:
        """Return one weight as float32; raise `WeightsError` if the layer's are not as its config says."""
        held = list(getattr(self._live.get(part), "weights", ()))
        if part not in self._shapes:  # a layer nobody knows, whose weights are only counted
            return numbers(held[int(name)])
        shapes = self._shapes[part]
        found = [tuple(variable.shape) for variable in held]
        if found != [tuple(shape) for shape in shapes.values()]:
            raise WeightsError(
                f"{self.what}: {part.name} ({part.kind}) holds weights of shapes {found}, but its "
                f"config means {list(shapes.values())}"
            )
        return numbers(held[list(shapes).index(name)])


def numbers(variable: Any) -> Any:
    """Return a live variable's numbers, whatever its backend holds them in."""
    import numpy as np

    value = getattr(variable, "value", variable)
    value = value() if callable(value) else value
    if hasattr(value, "detach"):  # PyTorch
        value = value.detach().cpu().float().numpy()
    return as_float32(np.array(value))


# -- layers without an equation -------------------------------------------------------------------


class LiveCall(Record):
    """One call of a live layer: the layer, and Keras's own note of what it is called with."""

    layer: Any
    arguments: Any

    def __call__(self, feeds: Sequence[Any]) -> list[Any]:
        """Return the layer's outputs, one array each, for arrays with a batch axis."""
        roots = [kind.__module__.split(".")[0] for kind in type(self.layer).__mro__]
        keras = sys.modules[next(root for root in roots if root in ("keras", "tf_keras"))]
        tensors = [keras.ops.convert_to_tensor(array) for array in feeds]
        if self.arguments is None:
            given, named = tensors, {}
        else:
            symbols = map(id, self.arguments.keras_tensors)
            given, named = self.arguments.fill_in(dict(zip(symbols, tensors, strict=True)))
        found = self.layer(*given, **named)
        return [numbers(one) for one in _flat(found)]


def _flat(found: Any) -> list[Any]:
    """Return the tensors in what a layer gave, in the order in which Keras counts its outputs."""
    if isinstance(found, (list, tuple)):
        return [tensor for one in found for tensor in _flat(one)]
    if isinstance(found, dict):
        return [tensor for key in sorted(found) for tensor in _flat(found[key])]
    return [found]


def _batched(array: Any, rows: int) -> Any:
    """Return an array with a row for each image: what was made of the whole batch is the same for all."""
    import numpy as np

    if array.ndim and len(array) == rows:
        return array
    return np.broadcast_to(array, (rows, *array.shape))


class LiveLayers(OwnLayers):
    """Our own layers behind a network, and Keras for those that have no equation.

    calls   the layers that Keras is asked for: how, the nodes that it reads, which output
    """

    def __init__(self, weights: LiveWeights, opaque: Mapping[str, Origin]) -> None:
        asked: dict[int, LiveCall | None] = {}
        self.calls: dict[str, tuple[LiveCall, tuple[str, ...], int]] = {}
        for name, (part, given, feeds, output) in opaque.items():
            if id(given) not in asked:
                asked[id(given)] = weights.call(part, given)
            call = asked[id(given)]
            if call is not None:
                self.calls[name] = (call, feeds, output)

    def elsewhere(self, graph: Graph) -> Mapping[str, str | None]:
        """Return the layers without an equation: Keras computes those that the model was opened with."""
        return {n: "Keras" if n in self.calls else None for n in super().elsewhere(graph)}

    def runner(self, graph: Graph, keep: tuple[str, ...], many: bool) -> Runner:
        """Return an engine on the layers' ONNX form, which asks Keras on the way where it has to."""
        asked = [name for name in graph.needed(keep) if name in self.calls]
        return (
            _Asking(self, graph, keep, asked, many) if asked else super().runner(graph, keep, many)
        )

    def edited(self, graph: Graph, edits: Sequence[Edit], seed: int) -> tuple[Backing, Edited]:
        """Return the graph with layers made again. It is no longer the live model, so Keras is not asked."""
        _, made = super().edited(graph, edits, seed)
        return OwnLayers(), made


class _Asking:
    """Runs a network in stages: up to a layer without an equation, that layer in Keras, and on from there."""

    def __init__(
        self,
        backing: LiveLayers,
        graph: Graph,
        keep: tuple[str, ...],
        asked: Sequence[str],
        many: bool,
    ) -> None:
        self.backing, self.graph, self.keep = backing, graph, keep
        self.asked, self.many = asked, many
        self._engines: dict[Any, Engine] = {}

    def run(self, inputs: Mapping[str, Any]) -> dict[str, Any]:
        """Return the kept activations for a batch: name → array with a batch axis."""
        known = dict(inputs)
        made: dict[int, list[Any]] = {}
        for name in self.asked:
            if name in known:
                continue
            call, feeds, output = self.backing.calls[name]
            if id(call) not in made:
                self._compute(feeds, known)
                try:
                    made[id(call)] = call([known[feed] for feed in feeds])
                except Exception as error:  # whatever Keras or the user's own layer raises
                    first = (str(error).strip().splitlines() or [""])[0]
                    raise EngineError(
                        f"{name}: Keras failed to compute it: {type(error).__name__}: {first}"
                    ) from error
            rows = len(next(iter(inputs.values())))
            known[name] = _batched(made[id(call)][output], rows)
        self._compute(self.keep, known)
        return {name: known[name] for name in self.keep}

    def _compute(self, names: Sequence[str], known: dict[str, Any]) -> None:
        """Add what is not known yet of these."""
        wanted = tuple(dict.fromkeys(name for name in names if name not in known))
        if not wanted:
            return
        from convscope.engine.runtime import Engine

        shapes = {name: tuple(array.shape[1:]) for name, array in known.items()}
        key = (wanted, tuple(shapes.items()))
        if key not in self._engines:
            self._engines[key] = Engine(self.graph.cut(wanted, shapes), wanted, self.many)
        engine = self._engines[key]
        known.update(engine.run({name: known[name] for name in engine.graph.inputs}))
