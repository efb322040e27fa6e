"""Which path a forward took: every operator, its settings and what it read; and whether another took the same."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch

from convscope.readers.torch.calls import Call, Recording, Tensor, Value
from convscope.readers.torch.shadow import PLAIN

MOST_KEPT = 1 << 22
"""Constants of more numbers in all are not kept for later runs to be compared with."""


class Path:
    """What one forward did, without the numbers that depend on its inputs.

    steps      for every call: the operator, the module it ran in, its arguments, what it gave; the outputs
    constants  the numbers that depend on no input and may be others in another run; parameters are known by name
    held       what is said of each parameter that is read, by its name
    places     id of a value → which output of which call it is
    """

    def __init__(self, recording: Recording) -> None:
        self.constants: list[Value] = []
        self.held: dict[str | None, tuple[Any, ...]] = {}
        self.places: dict[int, Any] = {id(v): name for name, v in recording.inputs.items()}
        self._calls = {id(call): number for number, call in enumerate(recording.calls)}
        steps = [self._step(number, call) for number, call in enumerate(recording.calls)]
        outputs = [(name, self._said(value)) for name, value in recording.outputs.items()]
        self.steps = (*steps, tuple(outputs))

    def _step(self, number: int, call: Call) -> tuple[Any, ...]:
        said = self._said
        given = tuple([a if type(a) in PLAIN else said(a) for a in call.args])
        named = tuple([(n, said(a)) for n, a in call.kwargs.items()]) if call.kwargs else ()
        gave = []
        for place, value in enumerate(call.outputs):
            self.places[id(value)] = number, place
            gave.append((value.shape, value.dtype, value.fed))
        frame = call.frame
        return call.op, call.func, frame.path, frame.number, given, named, tuple(gave)

    def _said(self, given: Any) -> Any:
        """Return an argument as what can be compared: a value by what it is."""
        if type(given) is Value:
            if given.fed:
                return self.places.get(id(given))
            if given.held and given.shape and given.dtype.is_floating_point:
                said = given.name, given.shape, given.dtype, given.tensor.requires_grad
                return self.held.setdefault(given.name, said)
            self.constants.append(given)
            return given.shape, given.dtype
        if type(given) in (list, tuple):
            return tuple([a if type(a) in PLAIN else self._said(a) for a in given])
        return self._calls.get(id(given)) if type(given) is Call else comparable(given)


def comparable(given: Any) -> Any:
    """Return an argument that is no tensor as what can be compared: packed weights of TorchScript, which cannot, by their class."""
    return given._type().qualified_name() if isinstance(given, torch.ScriptObject) else given


class Known:
    """The path that belongs to a graph, for later runs to be compared with.

    names   node → which output of which call it is
    plan    how the path is told while it is taken; None where it cannot be
    left    whether the forward took another path the last time
    """

    def __init__(self, path: Path, recording: Recording, fetched: Mapping[str, Value]) -> None:
        from convscope.readers.torch.repeating import planned

        self.steps = path.steps
        self.numbers = [_kept(value) for value in path.constants]
        self.names: dict[str, tuple[int, int]] = {n: path.places[id(v)] for n, v in fetched.items()}
        self.plan = planned(path, recording, self.numbers)
        self.left = False

    def followed(self, recording: Recording) -> dict[str, Value] | None:
        """Return the values of another forward by the graph's nodes; None where it took another path."""
        path = Path(recording)
        numbers = zip(self.numbers, path.constants, strict=False)
        if self.steps != path.steps or not all(torch.equal(a, b.tensor) for a, b in numbers):
            return None
        return {n: recording.calls[call].outputs[place] for n, (call, place) in self.names.items()}


def known_path(recording: Recording, fetched: Mapping[str, Value]) -> Known | None:
    """Return the path of a recording, by whose values nodes are called so; None where it is not to be kept."""
    path = Path(recording)
    tensors = [value.tensor for value in path.constants]
    if any(t is None or t.layout is not torch.strided or t.is_quantized for t in tensors):
        return None
    if sum(t.numel() for t in tensors) > MOST_KEPT or any(
        id(v) not in path.places for v in fetched.values()
    ):
        return None
    return Known(path, recording, fetched)


def _kept(value: Value) -> Tensor:
    """Return a constant's numbers as they are now: it may be, or lie in, what is written into later.

    Of what a call gave the graph reads numbers of floats where they lie, but for a single one, which its equations hold.
    """
    tensor = value.tensor.detach()
    live = value.call is not None and value.dtype.is_floating_point and value.shape
    return tensor if live else tensor.clone()
