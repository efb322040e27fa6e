"""A forward that takes a known path once more: told at each operator, by what it is given, and nothing is noted.

What would be another path is left at once: the forward is then recorded from its beginning.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from threading import get_ident
from typing import Any, NoReturn

import torch

from convscope.model.gathering import seldom_gathered
from convscope.readers.torch.alone import alone
from convscope.readers.torch.calls import Recording, Tensor, Value, about
from convscope.readers.torch.paths import Path, comparable
from convscope.readers.torch.recording import (
    DROPOUT,
    Recorder,
    held_by,
    listening,
)
from convscope.readers.torch.shadow import PLAIN, shadowed
from convscope.readers.torch.structures import tensors_of
from convscope.readers.torch.tracking import DATA, STRIDED, geometry

Place = Any
"""Which output of which call a value is; of an input its name."""


class Left(BaseException):
    """The forward has left the path. No `Exception`: what a forward catches is not ours."""


class Step:
    """What one call is on the path.

    given, named  its arguments, as `Path` says them
    frame         in which of the calls of modules it runs, -1 in none
    changes       the place of the argument that it writes into; None for none
    gives         its outputs: place, shape, strides, type, whether it depends on an input
    elsewhere     the operator that gives what this one writes into its argument; None for none
    identity      whether it is a module that passes on what it is given, and no operator
    """

    __slots__ = ("changes", "elsewhere", "frame", "func", "given", "gives", "identity", "named")

    def __init__(self, said: tuple[Any, ...], frame: int, changes: int | None, gives: Any) -> None:
        self.func, given, self.named = said[1], said[4], said[5]
        self.given, self.frame, self.changes, self.gives = list(given), frame, changes, gives
        self.elsewhere = None if changes is None else _elsewhere(self.func)
        self.identity = said[0] == "identity" and self.func is None


class Plan:
    """A path as it is told while it is taken.

    frames   the paths of the modules, in the order of their calls
    held     what `Path` says of each parameter that is read, by its name
    numbers  the constants that are read, in that order
    """

    def __init__(self, path: Path, recording: Recording, numbers: Sequence[Tensor]) -> None:
        order = {id(frame): number for number, frame in enumerate(recording.frames)}
        self.frames = [frame.path for frame in recording.frames]
        self.numbers, self.held = numbers, path.held
        self.outputs = path.steps[-1]
        self.steps = [
            Step(said, order.get(id(call.frame), -1), _changed(call), _gives(path, call))
            for said, call in zip(path.steps, recording.calls, strict=False)
        ]
        self.steps.append(Step((None,) * 4 + ((), ()), -2, None, []))  # nothing follows


def planned(path: Path, recording: Recording, numbers: Sequence[Tensor]) -> Plan | None:
    """Return how a path is told while it is taken; None for one that is only told from a whole recording."""
    if not recording.plain or any(
        frame.path not in recording.modules for frame in recording.frames
    ):
        return None
    for call in recording.calls:
        if call.func is None and call.op != "identity":
            return None
        for value in call.outputs:
            tensor = value.tensor
            if tensor is None or tensor.layout is not STRIDED or tensor.is_nested:
                return None
        told = about(call.func) if call.func is not None else None
        if told is None:
            continue
        if told.changes and (len(call.outputs) != 1 or _changed(call) is None):
            return None
        if told.trains and call.args[5] and call.args[3] is not None:
            return None
    return Plan(path, recording, numbers)


def _changed(call: Any) -> int | None:
    """Return the place of the argument that a call writes into."""
    changes = about(call.func).changes if call.func is not None else ()
    if len(changes) == 1 and changes[0][0] < len(call.args):
        place = changes[0][0]
        return place if type(call.args[place]) is Value else None
    return None


def _gives(path: Path, call: Any) -> list[tuple[Any, ...]]:
    return [(path.places[id(v)], v.shape, v.tensor.stride(), v.dtype, v.fed) for v in call.outputs]


def _elsewhere(func: Any) -> Any:
    """Return the operator that gives, number by number, what this one writes into its argument; None for none."""
    if torch.Tag.pointwise not in func.tags or torch.Tag.nondeterministic_seeded in func.tags:
        return None
    space, _, name = func._schema.name.partition("::")
    packet = getattr(getattr(torch.ops, space), name.removesuffix("_"), None)
    other = getattr(packet, func._overloadname, None)
    if packet is None or not name.endswith("_") or other is None or other is func:
        return None
    ours, theirs = ([a.name for a in one._schema.arguments] for one in (func, other))
    return other if ours == theirs and not about(other).changes else None


class Repeat(Recorder):  # type: ignore[no-untyped-call]
    """Follows a forward along a plan.

    at      the step that comes next
    known   id of a tensor that depends on an input, or of a parameter → what `Path` says it is
    fixed   id of another tensor that a call gave → its place
    holds   id of a tensor that is several values → their places
    values  place → its numbers; no tensor is let go before the end, so that no id is another's
    lost    whether the path was left: a bare `except:` of the forward's catches even that
    """

    def __init__(self, plan: Plan, paths: Mapping[int, str], known: dict[int, Any]) -> None:
        super().__init__(True, {}, set(), False)
        self.plan, self.paths, self.known = plan, paths, known
        self.steps, self.numbers = plan.steps, plan.numbers
        self.at = self.constants = 0
        self.entered = self.frame = -1
        self.stack: list[int] = []
        self.fixed: dict[int, Place] = {}
        self.holds: dict[int, list[Place]] = {}
        self.values: dict[Place, Tensor] = {}
        self.lost = False

    def leave(self) -> NoReturn:
        """Leave the path."""
        self.lost = True
        raise Left

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        step = self.steps[self.at]
        if func is not step.func:
            return self._aside(func, args, kwargs or {})
        known = self.known
        given = [a if type(a) in PLAIN else known.get(id(a)) or self._said(a) for a in args]
        named = tuple([(n, self._said(a)) for n, a in kwargs.items()]) if kwargs else ()
        if given != step.given or named != step.named or step.frame != self.frame:
            self.leave()
        self.at += 1
        if step.changes is not None:
            tensor = args[step.changes]
            self._change(step, tensor, args, kwargs or {})
            self._note(tensor, step.gives[0])
            return tensor
        out = func(*args, **kwargs) if kwargs else func(*args)
        several = (out,) if type(out) is torch.Tensor else [t for _, t in tensors_of(out)]
        if len(several) != len(step.gives):
            self.leave()
        for tensor, gives in zip(several, step.gives, strict=False):
            if id(tensor) in known or id(tensor) in self.fixed:
                self._passed(tensor, gives[0])
            self._note(tensor, gives)
        return out

    def _note(self, tensor: Tensor, gives: tuple[Any, ...]) -> None:
        """Note which value a tensor is now; leave the path where it is something else than it was."""
        place, shape, strides, dtype, fed = gives
        if tensor.shape != shape or tensor.stride() != strides or tensor.dtype is not dtype:
            self.leave()
        if fed:
            self.known[id(tensor)] = place
        else:
            self.known.pop(id(tensor), None)
            self.fixed[id(tensor)] = place
        self.values[place] = tensor

    def _passed(self, tensor: Tensor, place: Place) -> None:
        """Note that a tensor is one more value: it was passed on."""
        self.holds.setdefault(id(tensor), [self._place(tensor)]).append(place)

    def _place(self, tensor: Tensor) -> Place:
        return self.known.get(id(tensor)) or self.fixed.get(id(tensor))

    def _change(self, step: Step, tensor: Tensor, args: Any, kwargs: Any) -> None:
        """Run an operator that writes into a tensor; the numbers that were there stay those of the values before.

        Where it can be, they stay where they lie, and the tensor is given what the operator that writes elsewhere gives.
        """
        places = self.holds.pop(id(tensor), None) or [self._place(tensor)]
        if any(place not in self.values for place in places):
            self.leave()
        new = None
        if step.elsewhere is not None:
            new = step.elsewhere(*args, **kwargs)
            if geometry(new) != geometry(tensor):
                new = None
        if new is not None:
            for place in places:
                self.values[place] = tensor.detach()
            DATA.__set__(tensor, new)
            return
        memory = tensor.untyped_storage()._cdata
        for place, value in self.values.items():  # what was read of it through a view, too
            if value.layout is STRIDED and value.untyped_storage()._cdata == memory:
                self.values[place] = value.detach().clone()
        step.func(*args, **kwargs)

    def _aside(self, func: Any, args: Any, kwargs: Any) -> Any:
        """Run an operator that is none of the calls: it asks about a tensor, or passes it on as it is."""
        told = about(func)
        if told.ignored:
            return func(*args, **kwargs)
        if told.higher or told.changes or told.trains or told.random or told.name in DROPOUT:
            self.leave()
        out = func(*args, **kwargs)
        if any(out is a for a in args if isinstance(a, torch.Tensor)):
            return out
        if any(True for _ in tensors_of(out)):
            self.leave()
        return out

    def _said(self, given: Any) -> Any:
        """Return an argument as `Path` says it."""
        if type(given) in (list, tuple):
            return tuple([a if type(a) in PLAIN else self._said(a) for a in given])
        if isinstance(given, torch.Tensor):
            said = self.known.get(id(given))
            return self._constant(given) if said is None else said
        return comparable(given)

    def _constant(self, given: Tensor) -> Any:
        """Return what is said of a tensor that depends on no input: its numbers are those that were read here."""
        if self.constants == len(self.numbers):
            self.leave()
        number = self.numbers[self.constants]
        self.constants += 1
        alike = given.layout is STRIDED and given.device == number.device
        if not (alike and given.dtype == number.dtype and given.shape == number.shape):
            self.leave()
        if not torch.equal(number, given):
            self.leave()
        return tuple(given.shape), given.dtype

    # -- modules ----------------------------------------------------------------------------------

    def enter_module(self, module: Any, given: Any) -> None:
        """A module is called: it is the one that is called here on the path."""
        if get_ident() != self.thread:
            return
        self.entered += 1
        order = self.plan.frames
        if self.entered == len(order) or self.paths.get(id(module)) != order[self.entered]:
            self.leave()
        self.stack.append(self.frame)
        self.frame = self.entered

    def leave_module(self, module: Any, given: Any, out: Any) -> None:
        """A module returns; one that only passes on is a step."""
        if get_ident() != self.thread:
            return
        step = self.steps[self.at]
        if step.identity and step.frame == self.frame:
            if not isinstance(out, torch.Tensor) or (("self", self._said(out)),) != step.named:
                self.leave()
            self.at += 1
            self._passed(out, step.gives[0][0])
            self._note(out, step.gives[0])
        self.frame = self.stack.pop()

    # -- what no operator tells -------------------------------------------------------------------

    def left(self, tensor: Tensor, how: str) -> None:
        """Numbers leave PyTorch: that was said when this path was recorded, and those that come back are arguments."""

    def rebound(self, tensor: Tensor, other: Tensor) -> None:
        """A tensor is given other memory, which no plan has."""
        self.leave()

    def unsure(self, how: str) -> None:
        """Whether another input takes another path was said when this one was recorded."""

    def told(self, result: Any) -> bool:
        """Whether what the forward returned is what it returns on the path, all of which was taken."""
        outputs = tuple([(name, self._said(tensor)) for name, tensor in tensors_of(result)])
        whole = self.at == len(self.steps) - 1 and outputs == self.plan.outputs
        return whole and not self.lost


def repeated(
    plan: Plan, module: Any, args: Sequence[Any], kwargs: Mapping[str, Any],
    inputs: Mapping[str, Tensor], training: bool,
) -> dict[Place, Tensor] | None:  # fmt: skip
    """Run a module's shadow once and return the numbers of all values; None where it does not take the path."""
    with alone(), seldom_gathered():
        acting, every, (args, kwargs) = shadowed(module, training, tuple(args), dict(kwargs))
        held = held_by(every)
        known: dict[int, Any] = {}
        for name, tensor, theirs in held:
            said = plan.held.get(name)
            if said is not None and id(tensor) not in known:
                now = name, theirs.shape, theirs.dtype, theirs.requires_grad
                known[id(tensor)] = said if said == now else now
        for name, tensor in inputs.items():
            known[id(tensor)] = name
        paths = {}
        for path, own, one in every:
            paths[id(own)] = paths[id(one)] = path
        repeat = Repeat(plan, paths, known)
        repeat.values.update(inputs)
        try:
            with listening(repeat, every, held, True):
                result = acting(*args, **kwargs)
            return repeat.values if repeat.told(result) else None
        except (Left, Exception, SystemExit):  # noqa: BLE001  (what else goes wrong is told when it is recorded)
            return None
