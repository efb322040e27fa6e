"""Edits of a recorded module's convolutions, pooling and dense layers: on the graph, no Python of the module runs.

What an operator gives at other sizes PyTorch itself says, on tensors without numbers; the weights that must
follow are drawn anew as PyTorch draws them. What the forward computed in Python stays as it was recorded.
"""

from __future__ import annotations

import math
import zlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any

import torch

from convscope.aten.layer import Operator, Use, state
from convscope.aten.rule import Fed, Slot, Weight
from convscope.errors import (
    ConvscopeError,
    SettingError,
    ShapeError,
    UnsupportedError,
    did_you_mean,
)
from convscope.explain.words import join
from convscope.layers.opaque import Opaque
from convscope.model.editing import Change, Edit, Edited, shown
from convscope.model.remedies import explained_by_trying, numbers_for
from convscope.notation.sizes import UNKNOWN_SHAPE, Shape, shape_text
from convscope.readers.torch.build import TorchGraph
from convscope.readers.torch.calls import Value
from convscope.readers.torch.onnx_form import unwritable
from convscope.typed import Record

LARGEST = 1 << 31

CHANNELS = ("batch_norm", "instance_norm", "group_norm", "native_batch_norm")
ROWS = ("layer_norm", "native_layer_norm", "rms_norm")
BROADCASTING = ("add", "sub", "mul", "div", "rsub", "maximum", "minimum", "pow", "prelu")

RECORDED = (
    "The graph is the one that was recorded: what the forward computes in Python from sizes (a scale, the "
    "numbers of a view) stays as it was."
)


class Form(Record):
    """One setting: its value, and what may stand in its place.

    many    how many numbers "sizes" are
    words   that may stand there too
    """

    value: Any
    kind: str
    many: int = 0
    words: tuple[str, ...] = ()


class _Broken(Exception):
    """Where an edited graph breaks: the node, why, and the graph up to there."""

    def __init__(self, node: str, cause: ConvscopeError, graph: TorchGraph | None) -> None:
        super().__init__(str(cause))
        self.node, self.cause, self.graph = node, cause, graph


# -- settings -------------------------------------------------------------------------------------


def editable(graph: TorchGraph, layer: str) -> dict[str, dict[str, Any]]:
    """Return a layer's settings as a form can offer them; {} for what has none."""
    operator = graph.node(layer).layer
    if operator.opaque or not isinstance(operator, Operator):
        return {}
    found = {}
    for name, form in _form(operator.use).items():
        value = list(form.value) if isinstance(form.value, tuple) else form.value
        found[name] = {"value": value, "kind": form.kind}
        if form.kind == "sizes":
            found[name]["count"] = form.many
        if form.kind == "choice":
            found[name]["choices"] = list(form.words)
    return found


def _spatial(use: Use) -> int:
    """Return along how many axes the window of an operator slides; 0 for an operator without one."""
    for count in (1, 2, 3):
        if use.op.removesuffix("_with_indices").endswith(f"{count}d"):
            return count
    return 0


def _form(use: Use) -> dict[str, Form]:
    """Return the settings of an operator under the names of PyTorch's modules."""
    given, count = dict(use.settings), _spatial(use)
    slots = dict(use.slots)
    weight = slots.get("weight")

    def sizes(name: str, default: Any = 1) -> Form:
        value = given.get(name)
        value = default if value in (None, ()) else value
        if isinstance(value, str):
            return Form(value, "choice", count, ("same", "valid"))
        value = value if isinstance(value, tuple) else (value,)
        return Form(value * count if len(value) == 1 else value, "sizes", count)

    if use.op == "linear" and isinstance(weight, Weight):
        return {"out_features": Form(weight.shape[0], "int")}
    if not count:
        return {}
    if use.op.startswith("conv") and isinstance(weight, Weight):
        turned = "transpose" in use.op
        groups = given.get("groups", 1)
        many = weight.shape[1] * groups if turned else weight.shape[0]
        found = {
            "out_channels": Form(many, "int"),
            "kernel_size": Form(weight.shape[2:], "sizes", count),
            "stride": sizes("stride"),
            "padding": sizes("padding", 0),
        }
        if turned:
            found["output_padding"] = sizes("output_padding", 0)
        elif found["padding"].kind == "sizes":
            found["padding"] = found["padding"]._replace(words=("same", "valid"))
        return {**found, "dilation": sizes("dilation"), "groups": Form(groups, "int")}
    if use.op.startswith("adaptive_"):
        return {"output_size": sizes("output_size")}
    if "pool" in use.op:
        kernel = sizes("kernel_size")
        found = {
            "kernel_size": kernel,
            "stride": sizes("stride", kernel.value),
            "padding": sizes("padding", 0),
        }
        if use.op.startswith("max"):
            found["dilation"] = sizes("dilation")
        found["ceil_mode"] = Form(bool(given.get("ceil_mode")), "bool")
        if use.op.startswith("avg"):
            found["count_include_pad"] = Form(bool(given.get("count_include_pad", True)), "bool")
        return found
    return {}


def _least(setting: str) -> int:
    return 0 if "padding" in setting else 1


def _checked(edit: Edit, form: Form) -> Any:
    """Return the value of an edit; raise `SettingError` for one of another kind."""
    value = tuple(edit.value) if isinstance(edit.value, list) else edit.value
    name = edit.setting
    whole = type(value) is int or (
        isinstance(value, tuple) and all(type(v) is int for v in value) and value != ()
    )
    if isinstance(value, str) and form.words:
        if value in form.words:
            return value
        raise SettingError(f"{name} is {' or '.join(form.words)} or numbers, not {value!r}")
    least = _least(name)
    if form.kind == "bool":
        if type(value) is not bool:
            raise SettingError(f"{name} is true or false, not {shown(value)}")
        return value
    if form.kind == "int":
        if type(value) is not int or not least <= value < LARGEST:
            raise SettingError(
                f"{name} must be a whole number of at least {least}, not {shown(edit.value)}"
            )
        return value
    value = (value,) * form.many if type(value) is int else value
    if not whole or len(value) != form.many or any(not least <= v < LARGEST for v in value):
        wanted = f"{form.many} of them" if form.many > 1 else "a single one"
        raise SettingError(
            f"{name} must be one whole number of at least {least}, or {wanted}, not {shown(edit.value)}"
        )
    return value


# -- editing --------------------------------------------------------------------------------------


def edited(graph: TorchGraph, edits: Sequence[Edit], seed: int) -> Edited:
    """Return a recorded graph with all edits made at once; the one that was edited stays as it is.

    Raises `SettingError` or `ShapeError`, which say which layer breaks, why, and which values would do;
    `UnsupportedError` for a layer that has no settings here.
    """
    forms: dict[str, dict[str, Form]] = {}
    for number, edit in enumerate(edits):
        forms[edit.layer] = known = _known(graph, edit.layer)
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
            e.layer, e.setting, _plain(forms[e.layer], e), _plain(_known(made.result, e.layer), e)
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


def _known(graph: TorchGraph, layer: str) -> dict[str, Form]:
    """Return the settings of a layer that can be edited; raise where it has none."""
    operator = graph.node(layer).layer
    if operator.opaque or not isinstance(operator, Operator):
        raise UnsupportedError(
            f"{layer} ({operator.kind}) has no equation here, so that nobody could say what another "
            f"setting would change"
        )
    found = _form(operator.use)
    if not found:
        raise UnsupportedError(
            f"{layer} ({operator.kind}) is not edited here: convolutions, pooling and dense layers are; "
            f"change it where the module is written, and open that"
        )
    return found


def _plain(known: Mapping[str, Form], edit: Edit) -> Any:
    value = known[edit.setting].value
    return list(value) if isinstance(value, tuple) else value


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
                form = _form(other.layer.use).get(edit.setting)
                if form is None:
                    continue
                try:
                    wish[edit.setting] = _checked(edit, form)
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
            key: (layer.use.rows, *shape) if slot.batched else shape
            for (key, slot), shape in zip(_fed(layer.use), shapes, strict=True)
        }
        wanted, settings = _weights_for(layer.use, settings, whole, wish)
        slots: list[tuple[str, Slot]] = []
        fresh: dict[str, Callable[[], Any]] = {}
        for key, slot in layer.use.slots:
            if isinstance(slot, Weight) and key in wanted and wanted[key] != slot.shape:
                fresh[slot.name] = self._anew(name, layer, key, slot, wanted[key])
                slot = replace(slot, shape=wanted[key])
            slots.append((key, slot))
        use = layer.use._replace(
            settings=tuple(sorted(settings.items())), slots=tuple(slots), wanted=None
        )
        out = _asked(self.graph.fetched[name], use, whole)
        use = use._replace(wanted=out)
        stated = state(use, shapes)
        batched = stated.batched
        if stated.equation is None:
            fed = any(slot.batched for _, slot in _fed(use))
            batched = fed and len(out) > 1 and out[0] == use.rows
            if layer.explained and wish:
                raise ShapeError(f"it would have no equation any more: {stated.reason}")
        new = Operator(
            name, use, layer.called, {**layer.arrays, **fresh}, layer.held,
            stated.equation is not None, out[1:] if batched else out, layer.folded,
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
            self._drawn[origin, shape] = _drawing(layer.use, key, origin, shape, self.seed)
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


# -- what follows ---------------------------------------------------------------------------------


def _weights_for(
    use: Use, settings: dict[str, Any], whole: Mapping[str, Shape], wish: Mapping[str, Any]
) -> tuple[dict[str, Shape], dict[str, Any]]:
    """Return the shapes that an operator's weights must have, and its settings with the wishes in them."""
    settings = {**settings, **{n: v for n, v in wish.items() if n in settings}}
    held = {key: slot.shape for key, slot in use.slots if isinstance(slot, Weight)}
    weight = held.get("weight")
    x = next(iter(whole.values()), ())
    if use.op.startswith("conv") and weight is not None and _spatial(use):
        turned = "transpose" in use.op
        groups = settings.get("groups", 1)
        old = dict(use.settings).get("groups", 1)
        many = wish.get("out_channels", weight[1] * old if turned else weight[0])
        into = x[-len(weight) + 1]
        for size, what in ((into, "input"), (many, "output")):
            if size % groups:
                raise SettingError(f"{size} {what} channels are not {groups} groups of equal size")
        if settings.get("padding") == "same" and set(_form(use)["stride"].value) != {1}:
            wished = wish.get("stride")
            if wished is None or set(wished) != {1}:
                raise SettingError("PyTorch takes padding 'same' with a stride of 1 only")
        kernel = wish.get("kernel_size", weight[2:])
        pair = (into, many // groups) if turned else (many, into // groups)
        return {"weight": (*pair, *kernel), "bias": (many,)}, settings
    if use.op == "linear" and weight is not None:
        many = wish.get("out_features", weight[0])
        return {"weight": (many, x[-1]), "bias": (many,)}, settings
    if use.op in CHANNELS and len(x) > 1:
        return dict.fromkeys(held, (x[1],)), settings
    if use.op in ROWS:
        row = tuple(x[-len(settings["normalized_shape"]) :])
        return dict.fromkeys(held, row), {**settings, "normalized_shape": row}
    if use.op == "prelu":
        return {key: own if own == (1,) else (x[1],) for key, own in held.items()}, settings
    if use.op in BROADCASTING:
        return {key: _spread(own, x) for key, own in held.items()}, settings
    if use.op in ("matmul", "mm") and "self" in whole:
        key = next(iter(held), "")
        return {key: (*held[key][:-2], x[-1], held[key][-1])} if len(
            held.get(key, ())
        ) > 1 else {}, settings
    if use.op in ("cat", "concat"):
        place = settings.get("dim") or 0
        place %= len(x) or 1
        return {
            key: tuple(
                size if n == place or size == 1 else now
                for n, (size, now) in enumerate(zip(own, x, strict=False))
            )
            for key, own in held.items()
        }, settings
    return {}, settings


def _spread(own: Shape, shape: Shape) -> Shape:
    """Return a shape that broadcasts with another as it did: sizes of 1 stay."""
    if len(own) > len(shape):
        return own
    last = shape[len(shape) - len(own) :]
    return tuple(
        size if 1 in (size, wanted) else wanted for size, wanted in zip(own, last, strict=True)
    )


def _asked(value: Value, use: Use, whole: Mapping[str, Shape]) -> Shape:
    """Return the shape that PyTorch gives for an operator: it is asked, on tensors without numbers."""
    call = value.call
    assert call is not None
    if call.op == "identity":
        return whole["self"]
    if call.func is None:
        raise ShapeError(f"its {call.op} was recorded for another size")
    settings, slots = dict(use.settings), dict(use.slots)

    def stood(key: str, given: Any) -> Any:
        if isinstance(given, Value):
            slot = slots.get(key)
            shape = whole[key] if key in whole else getattr(slot, "shape", given.shape)
            return torch.empty(tuple(shape), dtype=given.dtype, device="meta")
        if isinstance(given, torch.device):
            return torch.device("meta")
        return given

    asked: dict[str, Any] = {}
    for key, given in call.named().items():
        if isinstance(given, (list, tuple)) and any(isinstance(v, Value) for v in given):
            asked[key] = [stood(f"{key}.{n}", v) for n, v in enumerate(given)]
        elif isinstance(given, (list, tuple, int, float, bool, str)) and key in settings:
            now = settings[key]
            asked[key] = list(now) if isinstance(now, tuple) else now
        else:
            asked[key] = stood(key, given)
    try:
        with torch.no_grad():
            out = _alike(call.func, asked)(**asked)
    except (RuntimeError, ValueError, IndexError, TypeError, NotImplementedError) as error:
        raise ShapeError(_said(call.op, settings, error)) from error
    out = out[value.place] if isinstance(out, (list, tuple)) else out
    return tuple(out.shape)


def _alike(func: Any, asked: Mapping[str, Any]) -> Any:
    """Return the overload that takes padding as what it is now: a word, or numbers."""
    if not func._schema.name.startswith("aten::conv") or "padding" not in asked:
        return func
    word = isinstance(asked["padding"], str)
    kinds = [a.type.kind() for a in func._schema.arguments if a.name == "padding"]
    if kinds and word != (kinds[0] == "StringType"):
        packet = func.overloadpacket
        return packet.padding if word else packet.default
    return func


def _said(op: str, settings: Mapping[str, Any], error: Exception) -> str:
    first = (str(error).strip().splitlines() or [type(error).__name__])[0]
    text = f"PyTorch's {op} refuses: {first}"
    sizes = settings.get("size", settings.get("shape"))
    if op in ("view", "reshape", "expand") and sizes is not None:
        text += (
            f"; its sizes {shape_text(sizes)} were computed in the forward for what was recorded, so that the "
            f"graph cannot say what another size would make of them: edit the module and open that"
        )
    return text


def _drawing(use: Use, key: str, origin: str, shape: Shape, seed: int) -> Callable[[], Any]:
    """Return what draws a weight, once: as PyTorch does, kernels and their biases within ±1/√fan in."""
    kept: list[Any] = []

    def get() -> Any:
        import numpy as np

        if not kept:
            rng = np.random.default_rng([seed, zlib.crc32(origin.encode())])
            kind = np.float64 if use.dtype == "float64" else np.float32
            if use.op.startswith("conv") or use.op in ("linear", "matmul", "mm"):
                weight = dict(use.slots).get("weight")
                known = shape if key != "bias" or not isinstance(weight, Weight) else weight.shape
                bound = 1 / math.sqrt(max(math.prod(known[1:]), 1))
                kept.append(rng.uniform(-bound, bound, shape).astype(kind))
            elif use.op == "prelu":
                kept.append(np.full(shape, 0.25, kind))
            else:
                ones = key in ("weight", "running_var") or use.op in ("mul", "div", "pow")
                kept.append(np.full(shape, float(ones), kind))
        return kept[0]

    return get


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
        least = _least(edit.setting)
        return form.words if form.kind == "choice" else numbers_for(form.kind, least)

    return explained_by_trying(graph, edits, own, cause, broken.graph, values, works)
