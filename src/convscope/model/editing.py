"""Another network of the same layers with some settings changed; the one that was edited stays as it is.

Every layer whose settings or input change is another object; weights that still fit are the same arrays.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from copy import copy
from typing import Any

from convscope.errors import (
    ConvscopeError,
    SettingError,
    ShapeError,
    UnsupportedError,
    did_you_mean,
)
from convscope.layers.base import Layer, drawn_from
from convscope.layers.opaque import Opaque
from convscope.model.graph import Graph, Node
from convscope.model.settings import plain_setting
from convscope.notation.sizes import UNKNOWN_SHAPE, Shape
from convscope.typed import Record

LONGEST = 80
"""Values are shown up to so many characters."""


class Edit(Record):
    """One setting of one layer, and what it shall be."""

    layer: str
    setting: str
    value: Any

    def __str__(self) -> str:
        return f"{self.layer}.{self.setting} = {shown(self.value)}"


class Change(Record):
    """One setting that was edited: what it was and what it is, as plain data."""

    layer: str
    setting: str
    old: Any
    new: Any


class Edited(Record):
    """What edits make of a graph.

    changes     every edit, also one that sets what was so before
    redrawn     node → its weights that no longer fit and are drawn anew
    unknown     nodes that have no known shape any more, because a layer without an equation is before them
    replaced    id of each layer of the old graph → the layer in its place
    notes       what else there is to say
    """

    graph: Graph
    changes: tuple[Change, ...]
    redrawn: dict[str, tuple[str, ...]]
    unknown: tuple[str, ...]
    replaced: dict[int, Layer]
    notes: tuple[str, ...] = ()


class EditError(Exception):
    """Where an edit fails: at the layer itself (node is one that was edited) or at a later one.

    Never seen by users: `convscope.model.remedies` makes of it what they read.
    """

    def __init__(self, node: str, cause: ConvscopeError, graph: Graph | None = None) -> None:
        super().__init__(str(cause))
        self.node, self.cause, self.graph = node, cause, graph


def spread_as(own: Shape, shape: Sequence[Any]) -> Shape:
    """Return a shape that broadcasts with another as it did: sizes of 1 stay.

    >>> spread_as((8, 1, 1), (5, 16, 7, 9))
    (16, 1, 1)
    """
    if len(own) > len(shape):
        return own
    last = shape[len(shape) - len(own) :]
    return tuple(
        size if 1 in (size, wanted) else wanted for size, wanted in zip(own, last, strict=True)
    )


def shown(value: Any) -> str:
    """Return a setting's value as people write it: 3, (3, 5), 'same', True; cut off where it is long."""
    text = repr(tuple(value) if isinstance(value, list) else value)
    return text if len(text) <= LONGEST else f"{text[:LONGEST]}…"


def given(edits: Iterable[Sequence[Any]]) -> list[Edit]:
    """Return edits as they are given, (layer, setting, value) each; raise `SettingError` for anything else."""
    if isinstance(edits, (str, Mapping)):
        raise SettingError(
            f'edits are a list, as [("conv2d", "kernel_size", 5)], not {edits!r:.80}'
        )
    found = []
    for edit in edits:
        one = tuple(edit)
        if len(one) != 3 or not all(isinstance(word, str) for word in one[:2]):
            raise SettingError(f"an edit is (layer, setting, value), not {one!r:.80}")
        found.append(Edit(*one))
    return found


def checked(graph: Graph, edits: Iterable[Edit]) -> tuple[Edit, ...]:
    """Return edits whose layers and settings exist, each setting once.

    Raises `LayerLookupError` or `SettingError`, which name those that there are; `UnsupportedError`
    for a layer without settings that we know.
    """
    found: dict[tuple[int, str], Edit] = {}
    for edit in edits:
        layer = graph.node(edit.layer).layer
        if layer.opaque:
            raise UnsupportedError(
                f"{edit.layer} ({layer.kind}) has no equation here, so that nobody could say what "
                f"another {edit.setting} would change"
            )
        known = list(layer.settings())
        if edit.setting not in known:
            takes = f"it takes {', '.join(known)}" if known else "it takes none"
            raise SettingError(
                f"{edit.layer} ({layer.kind}) has no setting {edit.setting!r}"
                f"{did_you_mean(str(edit.setting), known)}; {takes}"
            )
        before = found.setdefault((id(layer), edit.setting), edit)
        if before is not edit:
            raise SettingError(f"{edit.setting} is given twice: {before} and {edit}")
    return tuple(found.values())


def with_settings(layer: Layer, settings: Mapping[str, Any]) -> Layer:
    """Return a layer of the same kind and name with some settings changed, not built yet.

    Raises `SettingError` or `ShapeError` where they cannot be.
    """
    try:
        given = {name: _tuples(value) for name, value in settings.items()}
        new = type(layer)(**{**layer.settings(), **given})
    except ConvscopeError:
        raise
    except (ArithmeticError, AttributeError, LookupError, TypeError, ValueError) as error:
        # a value of a kind that no check of this setting has thought of
        asked = ", ".join(f"{name} = {shown(value)}" for name, value in settings.items())
        raise SettingError(f"{layer.kind}: {asked} makes no sense: {error}") from error
    new.name, new.trainable, new.input_shape = layer.name, layer.trainable, layer.input_shape
    if not hasattr(new, "data_format"):
        new.channels_last = layer.channels_last
    return new


def _tuples(value: Any) -> Any:
    """Return a value with tuples where JSON has lists."""
    return tuple(map(_tuples, value)) if isinstance(value, (list, tuple)) else value


def edited(graph: Graph, edits: Sequence[Edit], seed: int) -> Edited:
    """Return the graph with all edits made at once; the seed is that of weights drawn anew.

    Raises `EditError` at the first layer that cannot be.
    """
    replaced = replacements(graph, edits)
    result = Graph(graph.name, graph.inputs, graph.layout, graph.image_layout)
    redrawn: dict[str, tuple[str, ...]] = {}
    unknown: list[str] = []
    built: dict[int, Layer] = {}
    for node in graph.nodes.values():
        old = node.layer
        shapes = tuple(map(result.shape, node.inputs))
        same = shapes == tuple(map(graph.shape, node.inputs))
        if not same if old.opaque else any(shape is UNKNOWN_SHAPE for shape in shapes):
            new: Layer = _opaque(old)
            unknown.append(node.name)
        else:
            new = built.get(id(old)) or replaced.get(id(old)) or copy(old)
        try:
            facts = result.add(node.name, new, node.inputs)
            if id(old) not in built or built[id(old)] is not new:
                new.weight_shapes = None
                new.build(facts.weights, drawn_from(seed, node.name))
                rest = new.take_over(old)
                if rest:
                    redrawn[node.name] = rest
                built[id(old)] = new
            else:
                new.build(facts.weights, drawn_from(seed, node.name))
        except (SettingError, ShapeError) as error:
            raise EditError(node.name, error, result) from error
    result.outputs, result.sequential = graph.outputs, graph.sequential
    result.nested = graph.nested
    changes = tuple(
        Change(
            edit.layer,
            edit.setting,
            plain_setting(graph.node(edit.layer).layer.settings()[edit.setting]),
            plain_setting(replaced[id(graph.node(edit.layer).layer)].settings()[edit.setting]),
        )
        for edit in edits
    )
    return Edited(result, changes, redrawn, tuple(unknown), built)


def replacements(graph: Graph, edits: Sequence[Edit]) -> dict[int, Layer]:
    """Return the edited layers, by the id of those in whose place they stand; `EditError` if one fails."""
    wanted: dict[str, dict[str, Any]] = {}
    places: dict[int, Node] = {}
    for edit in edits:
        node = graph.node(edit.layer)
        first = places.setdefault(id(node.layer), node)
        wanted.setdefault(first.name, {})[edit.setting] = edit.value
    found = {}
    for name, settings in wanted.items():
        layer = graph.node(name).layer
        try:
            found[id(layer)] = with_settings(layer, settings)
        except (SettingError, ShapeError) as error:
            raise EditError(name, error) from error
    return found


def _opaque(layer: Layer) -> Opaque:
    """Return a layer of which only the kind is left: nobody knows what it gives on another input."""
    nothing = not layer.weight_shapes
    found = Opaque(layer.kind, None, {} if nothing else None, trainable=layer.trainable)
    found.name, found.channels_last = layer.name, layer.channels_last
    return found
