"""Edits of a recorded module's convolutions, pooling and dense layers: on the graph, no Python of the module runs.

What an operator gives at other sizes PyTorch itself says, on tensors without numbers; the weights that must
follow are drawn anew as PyTorch draws them. What the forward computed in Python stays as it was recorded.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

from convscope.aten.layer import Operator, Use, state, with_rows
from convscope.aten.rule import Fed, Slot, Weight
from convscope.errors import (
    ConvscopeError,
    SettingError,
    ShapeError,
    did_you_mean,
)
from convscope.explain.words import join
from convscope.layers.opaque import Opaque
from convscope.model.editing import Change, Edit, Edited, shown
from convscope.model.remedies import explained_by_trying, numbers_for
from convscope.notation.sizes import UNKNOWN_SHAPE, Shape, shape_text
from convscope.readers.torch.following import asked_shape, drawing, weights_for
from convscope.readers.torch.graph import TorchGraph
from convscope.readers.torch.onnx_form import unwritable
from convscope.readers.torch.settings import (
    Form,
    checked,
    editable_settings,
    least,
    plain,
    settings_of,
)

RECORDED = (
    "The graph is the one that was recorded: what the forward computes in Python from sizes (a scale, the "
    "numbers of a view) stays as it was."
)


class _Broken(Exception):
    """Where an edited graph breaks: the node, why, and the graph up to there."""

    def __init__(self, node: str, cause: ConvscopeError, graph: TorchGraph | None) -> None:
        super().__init__(str(cause))
        self.node, self.cause, self.graph = node, cause, graph


# -- editing --------------------------------------------------------------------------------------


def edited(graph: TorchGraph, edits: Sequence[Edit], seed: int) -> Edited:
    """Return a recorded graph with all edits made at once; the one that was edited stays as it is.

    Raises `SettingError` or `ShapeError`, which say which layer breaks, why, and which values would do;
    `UnsupportedError` for a layer that has no settings here.
    """
    forms: dict[str, dict[str, Form]] = {}
    for number, edit in enumerate(edits):
        forms[edit.layer] = known = editable_settings(graph, edit.layer)
        if edit.setting not in known:
            raise SettingError(
                f"{edit.layer} ({graph.node(edit.layer).layer.kind}) has no setting {edit.setting!r}"
                f"{did_you_mean(edit.setting, known)}; it takes {', '.join(known)}"
            )
        if any(e[:2] == edit[:2] for e in edits[:number]):
            raise SettingError(f"{edit.layer}.{edit.setting} is given twice")
    try:
        made = _Editing(graph, edits, seed)
    except _Broken as broken:
        raise _explained(graph, edits, forms, seed, broken) from broken.cause
    changes = tuple(
        Change(
            e.layer,
            e.setting,
            plain(forms[e.layer], e),
            plain(editable_settings(made.result, e.layer), e),
        )
        for e in edits
    )
    notes = []
    for edit in edits:
        stays = forms[edit.layer].get("stride")
        alone = not any(e[:2] == (edit.layer, "stride") for e in edits)
        if (
            edit.setting == "kernel_size"
            and "out_channels" not in forms[edit.layer]
            and alone
            and stays
        ):
            notes.append(
                f"{edit.layer}: its stride stays {shown(stays.value)}; it is a setting of its own."
            )
    notes += [RECORDED] if made.moved else []
    why = unwritable(made.result)
    if made.result.number == "float64":
        notes.append(
            "No module computes it now, and ONNX Runtime may refuse the graph: few of its operators take "
            "float64; module.float() is opened instead."
        )
    elif not why:
        notes.append("No module computes it now: ONNX Runtime runs the graph.")
    else:
        notes.append(
            f"No module computes it now: ONNX Runtime runs what does not depend on {join(list(why)[:4])}"
            f"{' …' if len(why) > 4 else ''}: {next(iter(why.values()))}."
        )
    return Edited(made.result, changes, made.redrawn, (), {}, tuple(notes))


class _Editing:
    """Goes through a recorded graph once with edits made.

    result    the edited graph
    redrawn   node → its weights that are drawn anew
    moved     whether a later layer has other sizes now
    """

    def __init__(self, graph: TorchGraph, edits: Sequence[Edit], seed: int) -> None:
        self.graph, self.seed = graph, seed
        self.result = graph.without_nodes()
        self.redrawn: dict[str, tuple[str, ...]] = {}
        self.moved = False
        self._drawn: dict[tuple[str, Shape], Callable[[], Any]] = {}
        self._layers: dict[tuple[int, tuple[Shape, ...]], Operator] = {}
        self._wished = self._wishes(edits)
        for name in graph.nodes:
            self._node(name)
        self.result.outputs = graph.outputs
        self.result.counts = self._counts()

    def _wishes(self, edits: Sequence[Edit]) -> dict[str, dict[str, Any]]:
        """Return node → its edits; all uses of one module are edited together."""
        found: dict[str, dict[str, Any]] = {}
        for edit in edits:
            node = self.graph.node(edit.layer)
            path = self.graph.modules.get(node.name)
            for name, other in self.graph.nodes.items():
                same = path is not None and self.graph.modules.get(name) == path
                if not same and other.layer is not node.layer:
                    continue
                wish = found.setdefault(name, {})
                if edit.setting in wish:
                    raise SettingError(
                        f"{node.name} and {name} are one module: {edit.setting} is given twice"
                    )
                assert isinstance(other.layer, Operator)
                form = settings_of(other.layer.use).get(edit.setting)
                if form is None:
                    continue
                try:
                    wish[edit.setting] = checked(edit, form)
                except SettingError as error:
                    raise _Broken(name, error, None) from error
        return found

    def _node(self, name: str) -> None:
        node, result = self.graph.nodes[name], self.result
        shapes = tuple(map(result.shape, node.inputs))
        same = shapes == self.graph.facts[name].input_shapes
        wish = self._wished.get(name)
        batched = name in self.graph.batched
        layer: Any = node.layer
        if wish or not same:
            self.moved = self.moved or not wish
            try:
                layer, batched = self._again(name, layer, shapes, wish or {})
            except ConvscopeError as error:
                raise _Broken(name, error, result) from error
        try:
            facts = result.add(name, layer, node.inputs)
            layer.build(facts.weights, (0,))
        except (SettingError, ShapeError) as error:
            raise _Broken(name, error, result) from error
        if batched:
            result.batched.add(name)
            if place := self.graph.places.get(name, 0):
                result.places[name] = place
        if name in self.graph.fetched:
            result.fetched[name] = self.graph.fetched[name]

    def _again(
        self, name: str, layer: Any, shapes: tuple[Shape, ...], wish: Mapping[str, Any]
    ) -> tuple[Any, bool]:
        """Return the layer for other settings or inputs, and whether its output has the batch."""
        if not isinstance(layer, Operator) or UNKNOWN_SHAPE in shapes:
            return _opaque(layer), False
        known = self._layers.get((id(layer), shapes))
        if known is not None:
            return known, name in self.graph.batched
        settings = dict(layer.use.settings)
        whole = {
            key: with_rows(shape, slot, layer.use.rows)
            for (key, slot), shape in zip(_fed(layer.use), shapes, strict=True)
        }
        wanted, settings = weights_for(layer.use, settings, whole, wish)
        slots: list[tuple[str, Slot]] = []
        fresh: dict[str, Callable[[], Any]] = {}
        for key, slot in layer.use.slots:
            if isinstance(slot, Weight) and key in wanted and wanted[key] != slot.shape:
                fresh[slot.name] = self._anew(name, layer, key, slot, wanted[key])
                slot = slot._replace(shape=wanted[key])
            slots.append((key, slot))
        use = layer.use._replace(
            settings=tuple(sorted(settings.items())), slots=tuple(slots), wanted=None
        )
        out = asked_shape(self.graph.fetched[name], use, whole)
        use = use._replace(wanted=out)
        stated = state(use, shapes)
        batched = stated.batched
        row = max(use.row or 0, 0)
        if stated.equation is None and use.row is not None:
            batched = use.row >= 0
        elif stated.equation is None:
            fed = any(slot.batched for _, slot in _fed(use))
            batched = fed and len(out) > 1 and out[0] == use.rows
            if layer.explained and wish:
                raise ShapeError(f"it would have no equation any more: {stated.reason}")
        new = Operator(
            name, use, layer.called, {**layer.arrays, **fresh}, layer.held,
            stated.equation is not None, out[:row] + out[row + 1 :] if batched else out, layer.folded,
        )  # fmt: skip
        new.reason = stated.reason
        if fresh:
            self.redrawn[name] = tuple(fresh)
        self._layers[id(layer), shapes] = new
        return new, batched

    def _anew(
        self, name: str, layer: Operator, key: str, slot: Weight, shape: Shape
    ) -> Callable[[], Any]:
        """Return what draws a weight in the place of one that does not fit; whoever else reads that keeps it."""
        held = {weight for weight, _ in layer.held}
        origin = self.graph.origins.get(name, {}).get(slot.name)
        running = key.startswith("running_")
        if origin is None or not (slot.name in held or running):
            said = f"its {slot.name} {shape_text(slot.shape)} was computed"
            parts = [weight for weight, _ in layer.folded]
            said += f" from {', '.join(parts)}" if parts else " in the forward"
            advice = "weight_norm and the like are taken off with torch.nn.utils.parametrize.remove_parametrizations"
            raise ShapeError(
                f"{said}, and {shape_text(shape)} would be needed{f' ({advice})' if parts and key == 'weight' else ''}"
            )
        if (origin, shape) not in self._drawn:
            self._drawn[origin, shape] = drawing(layer.use, key, origin, shape, self.seed)
        self.result.origins[name] = {
            **self.result.origins.get(name, {}), slot.name: f"{origin} {shape_text(shape)}"
        }  # fmt: skip
        return self._drawn[origin, shape]

    def _counts(self) -> tuple[int, int, int, int]:
        """Return the module's figures with the weights that are new in the place of those that nobody reads now."""
        before, after = _parameters(self.graph), _parameters(self.result)
        numbers, trained, buffers, size = self.graph.counts
        for key, (count, trainable, each) in after.items():
            if key not in before:
                numbers, size = numbers + count, size + count * each
                trained += count * trainable
        for key, (count, trainable, each) in before.items():
            if key not in after:
                numbers, size = numbers - count, size - count * each
                trained -= count * trainable
        return numbers, trained, buffers, size


def _fed(use: Use) -> Iterator[tuple[str, Fed]]:
    for key, slot in use.slots:
        if isinstance(slot, Fed):
            yield key, slot


def _opaque(layer: Any) -> Opaque:
    """Return a layer of which only the kind is left: nobody knows what it gives on another input."""
    found = Opaque(layer.kind, None, None if layer.weight_shapes else {})
    found.name, found.channels_last = layer.name, False
    return found


def _parameters(graph: TorchGraph) -> dict[str, tuple[int, bool, int]]:
    """Return every parameter that a graph reads once: how many numbers, whether trained, bytes of one."""
    found = {}
    for name, node in graph.nodes.items():
        layer = node.layer
        if not isinstance(layer, Operator):
            continue
        each = {"float64": 8, "float16": 2, "bfloat16": 2}.get(layer.use.dtype, 4)
        shapes = graph.facts[name].weights
        for weight, trainable in layer.held:
            origin = graph.origins.get(name, {}).get(weight)
            if origin is not None and weight in shapes:
                found[origin] = (math.prod(shapes[weight]), trainable, each)
    return found


# -- what cannot be -------------------------------------------------------------------------------


def _explained(
    graph: TorchGraph, edits: Sequence[Edit], forms: Mapping[str, Mapping[str, Form]], seed: int,
    broken: _Broken,
) -> ConvscopeError:  # fmt: skip
    """Return the error that people read: which layer breaks and why, and which values would do."""
    broke = graph.node(broken.node)
    path = graph.modules.get(broken.node)
    own = [
        e for e in edits
        if graph.node(e.layer).layer is broke.layer
        or (path is not None and graph.modules.get(graph.node(e.layer).name) == path)
    ]  # fmt: skip
    cause: Any = broken.cause
    if not own:
        cause = type(broken.cause)(f"{broken.node} ({broke.layer.kind}): {broken.cause}")

    def works(tried: Sequence[Edit]) -> bool:
        try:
            _Editing(graph, tried, seed)
        except _Broken:
            return False
        return True

    def values(edit: Edit) -> tuple[Any, ...]:
        form = forms[edit.layer][edit.setting]
        lowest = least(edit.setting)
        return form.words if form.kind == "choice" else numbers_for(form.kind, lowest)

    return explained_by_trying(graph, edits, own, cause, broken.graph, values, works)
