"""The graph that a recording becomes: a layer for every output of a call that depends on an input.

A module that is one operator gives the layer its name and its class: layer1.0.conv1, Conv2d. Where a module
does more, each operator stands under its own name below it: layer1.0.add. What several calls of one module
give is counted: relu, relu:2.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import cache, lru_cache
from math import prod
from typing import Any

import torch

from convscope.aten import rule_of
from convscope.aten.layer import Operator, state, use_of
from convscope.aten.rule import Fed, Given, Slot, Weight
from convscope.notation.sizes import Shape
from convscope.readers.torch.calls import Call, Frame, Numbers, Recording, Value, about
from convscope.readers.torch.graph import NotRun, Rowed, TorchGraph, counts_of, flags_of
from convscope.readers.torch.shadow import PLAIN, is_leaf, tree

MOST_GIVEN = 1024
"""Constants of more numbers than this do not shape an equation."""


TERMS = ("self", "other")
"""What operators call tensors that they compute with, which an equation reads number by number."""


def build(
    recording: Recording, name: str, batched: bool = True, rowed: Rowed | None = None
) -> TorchGraph:
    """Return the graph of a recording.

    rowed   where the batch is, if another forward told
    """
    return _Builder(recording, name, batched, rowed).graph()


DRAWING = ("rand", "bernoulli", "normal", "uniform", "multinomial", "poisson", "exponential", "geometric", "cauchy",
           "log_normal", "binomial")  # fmt: skip
"""How operators begin that draw random numbers, and do nothing else."""


class _Builder:
    def __init__(self, recording: Recording, name: str, batched: bool, told: Rowed | None) -> None:
        self.recording = recording
        rows = {v.shape[0] for v in recording.inputs.values() if len(v.shape) > 1}
        self.rows = rows.pop() if len(rows) == 1 else 1
        self.nodes: dict[int, str] = {}
        self.modules = recording.modules
        shapes: dict[str, Shape] = {}
        rowed: set[str] = set()
        takes: dict[str, str] = {}
        for given, value in recording.inputs.items():
            while given in self.modules:
                given = f"input_{given}"
            shapes[given] = value.shape
            if batched and len(value.shape) > 1 and value.shape[0] == self.rows:
                shapes[given] = value.shape[1:]
                rowed.add(given)
            self.nodes[id(value)] = given
            takes[given] = _kind_of(value.dtype)
        self.result = TorchGraph(name, shapes)
        self.result.rows = self.rows if batched else 1
        self.result.batched, self.result.takes = rowed, takes
        self.taken = {*shapes}
        self.shared: dict[Any, Operator] = {}
        self.places: dict[int, int] = {}
        if told is not None and told.ops == tuple([call.op for call in recording.calls]):
            self.result.rowed = told
            pairs = zip(recording.calls, told.places, strict=True)
            self.places = {
                id(v): place
                for call, places in pairs
                for v, place in zip(call.outputs, places, strict=False)
            }
        self.counted: set[int] = set()
        self.single = _single(recording.frames)

    def graph(self) -> TorchGraph:
        every = ((call, _fed(call)) for call in self.recording.calls)
        given = [(call, fed, _flat(call.named())) for call, fed in every if fed]
        read: set[int] = set()
        if any(len(fed) > 1 for _, fed, _ in given):
            read.update(map(id, self.recording.outputs.values()))
            read.update(id(v) for _, _, named in given for _, v in named if type(v) is Value)
        for call, fed, named in given:
            if len(fed) > 1:  # what nobody reads is no layer: where a maximum was found, say
                fed = [v for v in fed if id(v) in read] or fed
            for value in fed:
                self._layer(call, named, value, len(fed))
        self._finish()
        return self.result

    def _finish(self) -> None:
        result = self.result
        outputs = []
        for value in self.recording.outputs.values():
            if value.fed and id(value) in self.nodes:
                name = self.nodes[id(value)]
                if name in result.nodes:
                    outputs.append(name)
        if outputs:
            result.outputs = tuple(dict.fromkeys(outputs))
        result.counts, result.owners = counts_of(self.modules.values()), self.modules
        result.flags = flags_of(self.modules)
        called = {frame.path for frame in self.recording.frames}
        met = set(self.counted)  # of these a layer tells
        uncalled = []
        for path, one in self.modules.items():
            if path and path not in called and is_leaf(one):
                own = [p for p in one._parameters.values() if p is not None and id(p) not in met]
                met.update(map(id, own))
                if own or getattr(one.forward, "__func__", None) is not _NO_FORWARD:
                    uncalled.append((path, type(one).__name__, sum(p.numel() for p in own)))
        result.uncalled = tuple(uncalled)
        kinds = {path: type(one).__name__ for path, one in self.modules.items()}
        whole = tuple([f"{f.path}." for f in self.single.values() if f.path and not f.leaf])
        result.nested = {
            path: kind
            for path, kind in kinds.items()
            if path not in result.nodes and not (whole and path.startswith(whole))
        }

    # -- layers -----------------------------------------------------------------------------------

    def _layer(
        self, call: Call, named: Sequence[tuple[str, Any]], value: Value, outputs: int
    ) -> None:
        slots: list[tuple[str, Slot]] = []
        feeds: list[str] = []
        batched_feed = False
        settings: dict[str, Any] = {}
        arrays: dict[str, Callable[[], Any]] = {}
        held: list[tuple[str, bool]] = []
        known: dict[str, Any] = {}
        folded: list[tuple[str, Shape]] = []
        kinds: set[str] = set()
        for key, given in named:
            if call.op == "copy" and key == "self":  # only its shape is read
                continue
            if type(given) is not Value:
                settings[key] = given if type(given) in PLAIN else _plain(given)
                continue
            slot: Slot
            if given.fed:
                kinds.add(_kind_of(given.dtype))
                feeds.append(self.nodes[id(given)])
                batched = feeds[-1] in self.result.batched
                slot = _BATCHED if batched else _ALONE
                if place := self.result.places.get(feeds[-1], 0):
                    slot = Fed(True, place)
                batched_feed = batched_feed or batched
            else:
                slot = self._constant(call.op, key, given, arrays, held, known)
                if given.call is not None:
                    folded += self._folded(given, arrays, held, known)
            slots.append((key, slot))
        if call.op == "put":
            settings = _region(call)
        name = self._name(call, value, outputs)
        shapes = tuple([self.result.shape(n) for n in feeds])
        fixed = tuple(sorted(settings.items()))
        use = use_of(
            call.op, fixed, tuple(slots), self.rows, _kind_of(value.dtype),
            value.place, value.shape, tuple(sorted(kinds)), self.places.get(id(value)),
        )  # fmt: skip
        stated = state(use, shapes)
        explained = stated.equation is not None
        if explained:
            batched = stated.batched
        elif use.row is not None:
            batched = use.row >= 0
        else:
            batched = batched_feed and len(value.shape) > 1 and value.shape[0] == self.rows
        row = (use.row or 0) if batched else len(value.shape)
        own = value.shape[:row] + value.shape[row + 1 :]
        single = self.single.get(id(call.frame))
        called = single.kind if single is not None else call.op
        same = (call.frame.path, use, shapes, tuple(known.items()), own) if arrays else None
        layer = self.shared.get(same) if arrays else None
        if layer is None:
            layer = Operator(
                name,
                use,
                called,
                arrays,
                tuple(held),
                explained,
                () if explained else own,
                tuple(folded),
            )
            layer.reason = stated.reason
            if not explained and call.op.startswith(DRAWING) and not rule_of(call.op):
                layer.reason = "it draws random numbers"
            if arrays:
                self.shared[same] = layer
        facts = self.result.add(name, layer, feeds)
        layer.build(facts.weights, (0,))
        self.nodes[id(value)] = name
        self.result.fetched[name] = value
        if batched:
            self.result.batched.add(name)
            if row:
                self.result.places[name] = row
        if single is not None:
            self.result.modules[name] = single.path
        if known:
            self.result.origins[name] = {w: k for w, k in known.items() if isinstance(k, str)}

    def _constant(
        self,
        op: str,
        key: str,
        given: Value,
        arrays: dict[str, Callable[[], Any]],
        held: list[tuple[str, bool]],
        known: dict[str, Any],
    ) -> Slot:
        """Return how a tensor that depends on no input is seen."""
        tensor, shape, kind = given.tensor, given.shape, given.dtype
        if key.startswith("indices.") and kind is torch.uint8:  # PyTorch takes them for a mask
            tensor, kind = tensor != 0, torch.bool
        path, own, base = _owned(given.name)
        parameter = self._parameter(given, path, own)
        if parameter is None and not (kind.is_floating_point and shape):
            whole = not kind.is_floating_point and not kind.is_complex and kind is not torch.bool
            most = 1 if key in TERMS else MOST_GIVEN
            few = (whole and prod(shape) <= most) or not shape
            if few and 0 not in shape and tensor.device.type != "meta":
                return Given(tuple(tensor.detach().reshape(-1).tolist()), shape)
        masks = key.startswith("indices.") and kind is torch.bool
        if masks and len(shape) == 1 and (places := tensor.nonzero().reshape(-1).tolist()):
            return Given(tuple(places), (len(places),))
        if not base:
            base = "mask" if kind is torch.bool else _WORDS.get(key, key.partition(".")[0])
        name, number = base, 1
        while name in arrays:
            number += 1
            name = f"{base}_{number}"
        if op in _ROW_BY_ROW and self._repeats(given):
            tensor, shape = tensor[:1], (1, *shape[1:])
        owner = self.modules[path] if given.held and given.dtype is kind else None
        arrays[name] = Numbers(tensor, owner, own)
        if parameter is not None:
            held.append((name, parameter.requires_grad))
            self.counted.add(id(parameter))
        known[name] = given.name if given.held else id(given.tensor)
        return Weight(name, shape, kind is torch.bool)

    def _parameter(self, value: Value, path: str, own: str) -> Any:
        """Return the user's own parameter that a value is; None for others.

        path, own   the module that holds it, and as what
        """
        one = self.modules.get(path) if value.held else None
        return one._parameters[own] if one is not None and own in one._parameters else None

    def _repeats(self, given: Value) -> bool:
        """Whether a constant is one row, again for every row of the batch: a class token, expanded."""
        rows, tensor = self.result.rows, given.tensor
        if given.call is None or rows == 1 or len(given.shape) < 2 or given.shape[0] != rows:
            return False
        if tensor.layout is not torch.strided or tensor.is_meta:
            return False
        return tensor.stride(0) == 0 or torch.equal(tensor, tensor[:1].expand_as(tensor))

    def _folded(
        self,
        given: Value,
        arrays: dict[str, Callable[[], Any]],
        held: list[tuple[str, bool]],
        known: dict[str, Any],
    ) -> list[tuple[str, Shape]]:
        """Return the parameters that a constant was computed from, those that no layer has yet."""
        found: list[tuple[str, Shape]] = []
        stack, met = [given], set()
        while stack:
            value = stack.pop()
            if id(value) in met:
                continue
            met.add(id(value))
            if value.call is not None and not (value.call.func and about(value.call.func).shaped):
                stack += _read(value.call)
            path, own, name = _owned(value.name)
            parameter = self._parameter(value, path, own)
            if parameter is None or id(parameter) in self.counted:
                continue
            self.counted.add(id(parameter))
            while name in arrays:
                name = f"{name}_"
            arrays[name] = Numbers(value.tensor, self.modules[path], own)
            held.append((name, parameter.requires_grad))
            known[name] = value.name
            found.append((name, value.shape))
        return found

    def _name(self, call: Call, value: Value, outputs: int) -> str:
        frame = call.frame
        if id(frame) in self.single:
            base = frame.path or frame.kind
        else:
            base = f"{frame.path}.{call.op}" if frame.path else call.op
        base = base.replace("::", ".")
        if outputs > 1:
            base = f"{base}[{value.place}]"
        name, number = base, 1
        while name in self.taken:
            number += 1
            name = f"{base}:{number}"
        self.taken.add(name)
        return name


_BATCHED, _ALONE = Fed(True), Fed(False)

_ROW_BY_ROW = frozenset(("add", "sub", "mul", "div", "cat", "concat", "concatenate"))
"""Operators of which one row of a batch reads the same row of everything, or the only one."""

_WORDS = {"other": "constant", "self": "constant", "value": "constant", "tensors": "constant"}


_NO_FORWARD = torch.nn.Module.forward
"""What modules have that are never called: lists of parameters."""


@lru_cache(maxsize=8192)
def _owned(name: str | None) -> tuple[str, str, str]:
    """Return of a tensor's whole name the module that holds it, its own name there, and what it is called: in words.

    >>> _owned("stem.conv.weight")
    ('stem.conv', 'weight', 'weight')
    >>> _owned("scales.0"), _owned("conv.parametrizations.weight.original0")
    (('scales', '0', 'scales_0'), ('conv.parametrizations.weight', 'original0', 'weight_original0'))
    """
    path, _, own = (name or "").rpartition(".")
    before, said, inside = path.rpartition("parametrizations.")
    if said and before[-1:] in ("", "."):
        return path, own, f"{inside}_{own}".replace(".", "_")
    return path, own, f"{path.rpartition('.')[2] or 'parameter'}_{own}" if own.isdigit() else own


def _single(frames: Sequence[Frame]) -> dict[int, Frame]:
    """Return the calls of modules that are one operator, theirs and not that of a module in them."""
    found: dict[int, Frame] = {}
    around: set[int] = set()
    for frame in frames:
        count = len([1 for call in frame.calls if _fed(call)])
        if count == 1:
            found[id(frame)] = frame
        outer = frame.outer
        while count and outer is not None and id(outer) not in around:
            around.add(id(outer))
            outer = outer.outer
    return {key: frame for key, frame in found.items() if frame.leaf or key not in around}


def _flat(named: Mapping[str, Any]) -> list[tuple[str, Any]]:
    """Return arguments with the tensors of a list one by one: tensors.0, tensors.1 …"""
    found: list[tuple[str, Any]] = []
    for key, given in named.items():
        if type(given) in (list, tuple) and Value in map(type, given):
            found += [(f"{key}.{n}", v) for n, v in enumerate(given) if v is not None]
        else:
            found.append((key, given))
    return found


@cache
def _kind_of(dtype: Any) -> str:
    return str(dtype).removeprefix("torch.")


def _fed(call: Call) -> list[Value]:
    return [v for v in call.outputs if v.fed]


def _read(call: Call) -> list[Value]:
    return [v for _, v in _flat(call.named()) if isinstance(v, Value)]


def _plain(given: Any) -> Any:
    """Return a setting as something that can be compared and hashed."""
    if type(given) in PLAIN:
        return given
    if isinstance(given, (list, tuple)):
        return tuple(given) if PLAIN.issuperset(map(type, given)) else tuple(map(_plain, given))
    return given if isinstance(given, (int, float, str)) else str(given)


def _region(call: Call) -> dict[str, Any]:
    """Return which part of a tensor was written, from the view that it was written through."""
    view = call.kwargs["view"]
    whole: Value = call.kwargs["self"]
    named = view.named()
    rank = len(whole.shape)
    if view.op in ("slice", "narrow"):
        place = named["dim"] % rank
        size = whole.shape[place]
        if view.op == "narrow":
            taken = range(named["start"] % size, named["start"] % size + named["length"])
        else:
            taken = range(size)[slice(named["start"], named["end"], named["step"])]
        return {
            "view": "slice",
            "place": place,
            "first": taken.start,
            "step": taken.step,
            "count": len(taken),
        }
    if view.op == "select":
        place = named["dim"] % rank
        first = named["index"] % whole.shape[place]
        return {"view": "select", "place": place, "first": first, "step": 1, "count": 1}
    if view.op in ("view", "reshape", "flatten", "squeeze", "unsqueeze", "detach", "alias", "unflatten",
                   "contiguous", "view_as"):  # fmt: skip
        return {"view": "whole"}
    return {"view": view.op, "place": 0, "first": 0, "step": 0, "count": 0}


def skeleton(module: Any, name: str) -> TorchGraph:
    """Return the modules of a module that nobody has run: what they hold, no shapes."""
    result = TorchGraph(name, {})
    modules = tree(module)
    met: set[int] = set()
    for path, one in modules.items():
        own = dict(one.named_parameters(recurse=False))
        if not own and (not path or not is_leaf(one)):
            continue
        layer = NotRun(path or name, type(one).__name__, own, met)
        met.update(id(p) for p in own.values())
        result.add(path or name, layer, ())
    result.counts, result.owners = counts_of(modules.values()), modules
    result.flags = flags_of(modules)
    result.outputs = ()
    result.nested = {p: type(m).__name__ for p, m in modules.items() if p not in result.nodes}
    return result
