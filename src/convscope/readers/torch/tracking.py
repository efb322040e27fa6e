"""Which value every tensor holds while a forward runs, whatever views of it there are and whoever writes into it.

A tensor that is written through one view is another value for all views of the same memory: those are derived
anew, by the calls that made them, when they are next read.
"""

from __future__ import annotations

import weakref
from collections.abc import Sequence
from typing import Any

import torch

from convscope.readers.torch.calls import Call, Frame, Tensor, Value
from convscope.readers.torch.shadow import PLAIN

STRIDED = torch.strided

DATA: Any = torch._C.TensorBase.data
"""How PyTorch itself reads and sets `tensor.data`."""


class Entry:
    """A live tensor and the value that it holds now.

    parent, recipe    the tensor that it is a view of, and the call that made it
    stale             another view of the same memory was changed: to be derived anew from the parent
    """

    __slots__ = ("_geometry", "parent", "recipe", "ref", "stale", "value")

    def __init__(self, tensor: Tensor, value: Value) -> None:
        self.ref = weakref.ref(tensor)
        self.value = value
        self.parent: Entry | None = None
        self.recipe: Call | None = None
        self.stale = False
        self._geometry: tuple[Any, ...] | None = None

    @property
    def geometry(self) -> tuple[Any, ...]:
        """Its type, shape, strides and offset; of one that is gone, if anybody asked before."""
        tensor = self.ref()
        if tensor is not None:
            self._geometry = geometry(tensor)
        return self._geometry or ()


def geometry(tensor: Tensor) -> tuple[Any, ...]:
    if tensor.layout is not STRIDED:
        return (tensor.dtype, tuple(tensor.shape))
    return tensor.dtype, tuple(tensor.shape), tensor.stride(), tensor.storage_offset()


class Memory:
    """One storage: the live tensors on it, and the values whose numbers are kept in it.

    ours, given   whether nobody else sees what is written there; whether it is an input's
    """

    __slots__ = ("entries", "given", "kept", "ours")

    def __init__(self, ours: bool, entries: list[Entry], kept: list[Value]) -> None:
        self.ours, self.entries, self.kept = ours, entries, kept
        self.given = False

    @property
    def alive(self) -> bool:
        """Whether anything lies in it; if not, its address may be another one's by now."""
        if self.kept:
            return True
        for entry in self.entries:  # noqa: SIM110  (a generator takes three times as long)
            if entry.ref() is not None:
                return True
        return False

    def leave(self) -> None:
        """Copy the numbers that are kept in it, once each: it is about to hold others."""
        copies: dict[tuple[Any, ...], Tensor] = {}
        for value in self.kept:  # two modules that pass on the same tensor have one copy
            seen = geometry(value.tensor)
            if seen not in copies:
                copies[seen] = value.tensor.detach().clone()
            value.tensor = copies[seen]
        self.kept.clear()


class Tracking:
    """The values of all tensors that were met, and the calls so far.

    keep     whether the values of all calls are kept, else the constants' only
    frame    the module that is being called
    saved    what was overwritten and is not ours: tensor, its numbers, its version
    moved    what was given other memory and is not ours: tensor, a face of the memory that it had, its version
    waiting  what the module holds and nobody has read yet: id → tensor, its whole name, the user's own
    begun    what the module holds and was read, and whose memory nobody else was met in
    plain    whether every value was given by the call that is noted for it, and nothing was written into that lies
             in the memory of another value, or is not ours
    """

    def __init__(self, keep: bool, frame: Frame) -> None:
        self.keep, self.frame = keep, frame
        self.calls: list[Call] = []
        self.entries: dict[int, Entry] = {}
        self.memories: dict[int, Memory] = {}
        self.saved: list[tuple[Tensor, Tensor, int | None]] = []
        self.moved: list[tuple[Tensor, Tensor, int | None]] = []
        self.waiting: dict[int, tuple[Tensor, str, Tensor]] = {}
        self.begun: list[tuple[Tensor, Entry, Value]] = []
        self.plain = True
        self._held: set[int] = set()

    def hold(self, tensor: Tensor, whole: str, original: Tensor) -> None:
        """Note a tensor of the module: it begins to be a value when it is first read.

        original   where its numbers are: what runs may hold a copy of a buffer
        """
        if id(tensor) not in self.waiting:
            self.waiting[id(tensor)] = tensor, whole, original
            if tensor.layout is STRIDED:
                self._held.add(tensor.untyped_storage()._cdata)

    def _begin_held(self, key: int) -> Entry:
        """Let a tensor of the module begin to be a value."""
        tensor, whole, original = self.waiting.pop(key)
        value = Value(tensor, False, None, 0, whole)
        value.tensor = original
        entry = self.entries[key] = Entry(tensor, value)
        self.begun.append((tensor, entry, value))
        return entry

    def _begin_all(self) -> None:
        """Let all of them begin, and note their memory: another face of that of one was met, or one is written into."""
        self._held.clear()
        while self.waiting:
            self._begin_held(next(iter(self.waiting)))
        for tensor, entry, value in self.begun:
            self._lies(tensor, entry, value, ours=False)
        self.begun.clear()

    def begin(self, tensor: Tensor, fed: bool, name: str) -> Value:
        """Note a tensor that is there before the forward begins."""
        value = Value(tensor, fed, name=name)
        value.tensor = tensor if self.keep or not fed else None
        memory = self.enter(tensor, value, ours=False)[1]
        if memory is not None:
            memory.given = True
        return value

    def _memory(self, tensor: Tensor, ours: bool) -> Memory | None:
        if tensor.layout is not STRIDED:
            return None
        key = tensor.untyped_storage()._cdata
        if key in self._held:
            self._begin_all()
        found = self.memories.get(key)
        if found is None or not found.alive:
            found = self.memories[key] = Memory(ours, [], [])
        return found

    def enter(self, tensor: Tensor, value: Value, ours: bool = True) -> tuple[Entry, Memory | None]:
        """Note what a tensor is. `ours` says that its memory is new: nobody else sees what is written there."""
        entry = Entry(tensor, value)
        memory = self._lies(tensor, entry, value, ours)
        self.entries[id(tensor)] = entry
        return entry, memory

    def _lies(self, tensor: Tensor, entry: Entry, value: Value, ours: bool) -> Memory | None:
        """Note in which memory a tensor lies."""
        memory = self._memory(tensor, ours)
        if memory is not None:
            memory.entries.append(entry)
            if value.tensor is not None:
                memory.kept.append(value)
        return memory

    def fresh(self, call: Call, tensor: Tensor, fed: bool) -> bool:
        """Note a call and what it gave, where that lies in memory of its own; return whether it does."""
        if tensor.layout is not STRIDED:
            return False
        key = tensor.untyped_storage()._cdata
        known = self.memories.get(key)
        if (known is not None and known.alive) or key in self._held:
            return False
        value = Value(tensor, fed, call)
        kept = self.keep or not fed
        if kept:
            value.tensor = tensor
        self.entries[id(tensor)] = entry = Entry(tensor, value)
        self.memories[key] = Memory(True, [entry], [value] if kept else [])
        call.outputs.append(value)
        self.calls.append(call)
        self.frame.calls.append(call)
        return True

    def value(self, tensor: Tensor) -> Value:
        """Return what a tensor is now; one that nobody noted is a constant."""
        return self._entry(tensor).value

    def _entry(self, tensor: Tensor) -> Entry:
        entry = self.entries.get(id(tensor))
        if entry is not None and entry.ref() is tensor:
            if entry.stale:
                self._derive(entry)
            return entry
        if id(tensor) in self.waiting:
            return self._begin_held(id(tensor))
        memory = None
        if tensor.layout is STRIDED:
            key = tensor.untyped_storage()._cdata
            if key in self._held:
                self._begin_all()
            memory = self.memories.get(key)
        if memory is not None:
            # another face of memory that is known: parameter.data, a tensor made by detach outside
            self.plain = False
            shape = geometry(tensor)
            live = [e for e in memory.entries if e.ref() is not None]
            for entry in reversed(live):
                if entry.geometry == shape:
                    if entry.stale:
                        self._derive(entry)
                    self.enter(tensor, entry.value)
                    return self.entries[id(tensor)]
            fed = [e for e in live if e.value.fed]
            if fed:
                call = Call("view_of", None, (), {"self": fed[-1].value}, self.frame)
                value = self.output(call, tensor, True, 0)
                self.note(call)
                return self.enter(tensor, value)[0]
        value = Value(tensor, False)
        value.tensor = tensor
        return self.enter(tensor, value, ours=False)[0]

    def _derive(self, entry: Entry) -> None:
        """Derive a view anew, after the memory under it was changed through another one."""
        entry.stale = False
        parent, recipe = entry.parent, entry.recipe
        if parent is None or recipe is None:
            return
        self.plain = False
        if parent.stale:
            self._derive(parent)
        old = {id(output): n for n, output in enumerate(recipe.outputs)}
        place = old.get(id(entry.value), entry.value.place)
        first = recipe.args[:1]
        args = (parent.value, *recipe.args[1:]) if first else ()
        call = Call(recipe.op, recipe.func, args, recipe.kwargs, self.frame)
        tensor = entry.ref()
        assert tensor is not None
        call.outputs = [
            Value(tensor, parent.value.fed, call, n) for n in range(len(recipe.outputs))
        ]
        value = call.outputs[place]
        if self.keep or not value.fed:
            value.tensor = tensor
            memory = self._memory(tensor, True)
            if memory is not None:
                memory.kept.append(value)
        entry.value = value
        self.note(call)

    def note(self, call: Call) -> None:
        """Add a call to those so far."""
        self.calls.append(call)
        self.frame.calls.append(call)

    def output(self, call: Call, tensor: Tensor, fed: bool, place: int) -> Value:
        """Return the value of a tensor that a call gave."""
        value = Value(tensor, fed, call, place)
        if self.keep or not fed:
            value.tensor = tensor
        call.outputs.append(value)
        return value

    def valued(self, given: Any, reads: list[Value]) -> Any:
        """Return an argument with values in the places of tensors, which are put among those that are read."""
        entry = self.entries.get(id(given))
        if entry is None or entry.stale or entry.ref() is not given:
            if id(given) in self.waiting:
                entry = self._begin_held(id(given))
            else:
                entry = self._entry(given) if isinstance(given, torch.Tensor) else None
        if entry is not None:
            reads.append(entry.value)
            return entry.value
        if isinstance(given, (list, tuple)):
            if PLAIN.issuperset(map(type, given)):
                return tuple(given)
            return tuple([self.valued(g, reads) for g in given])
        return given

    def keep_numbers(self, tensor: Tensor, value: Value) -> None:
        """Note that a value's numbers are those of a tensor, as long as nobody writes into it."""
        memory = self._memory(tensor, True)
        if value.tensor is not None and memory is not None:
            memory.kept.append(value)

    def view_of(self, entry: Entry, memory: Memory, given: Sequence[Tensor], call: Call) -> None:
        """Note which of the arguments a new tensor is a view of."""
        for tensor in given:
            parent = self.entries.get(id(tensor))
            if parent is not None and parent in memory.entries:
                entry.parent, entry.recipe = parent, call
                _ = parent.geometry  # known when the parent is gone
                return

    # -- changes in place -------------------------------------------------------------------------

    def before_change(self, tensor: Tensor) -> None:
        """Save what is about to be overwritten: values that are kept, and what is not ours."""
        self._entry(tensor)
        memory = self._memory(tensor, False)
        if memory is None:
            self.plain = False
            return
        self.plain = self.plain and memory.ours
        if not memory.ours and not any(known is tensor for known, _, _ in self.saved):
            self.saved.append((tensor, tensor.detach().clone(), _version(tensor)))
        memory.leave()

    def keep_place(self, tensor: Tensor) -> None:
        """Keep the memory of a tensor that is about to have another one."""
        self._entry(tensor)
        self.plain = False
        memory = self._memory(tensor, False)
        if (memory is None or not memory.ours) and all(
            known is not tensor for known, _, _ in self.moved
        ):
            self.moved.append((tensor, DATA.__get__(tensor), _version(tensor)))

    def rebound(self, tensor: Tensor, other: Tensor) -> None:
        """Give a tensor the memory of another one, `tensor.data = other`: it holds that one's value from here on."""
        value = self.value(other)
        self.keep_place(tensor)
        DATA.__set__(tensor, other)
        self.enter(tensor, value)

    def laid(self, call: Call, tensor: Tensor, storage: Any) -> None:
        """Note a call that laid a tensor on the memory of others: it reads what lies there, and no rule says how."""
        self.entries.pop(id(tensor), None)
        memory = self.memories.get(storage._cdata)
        fed = [e for e in memory.entries if e.value.fed] if memory is not None else []
        if not fed:
            self._entry(tensor)  # a constant, or one face more of what the module holds
            return
        source = next((e for e in reversed(fed) if e.ref() is not None), fed[-1])
        if source.stale and source.ref() is not None:
            self._derive(source)
        call.args, call.kwargs = (source.value,), {}
        value = self.output(call, tensor, True, 0)
        self.note(call)
        entry, _ = self.enter(tensor, value)
        entry.parent, entry.recipe = source, call
        _ = source.geometry  # known when it is gone

    def changed(self, call: Call, tensors: Sequence[Tensor], fed: bool) -> None:
        """Note a call that wrote into its arguments: they hold new values from here on."""
        entries = [self._entry(tensor) for tensor in tensors]
        for entry, tensor in zip(entries, tensors, strict=True):
            value = self.output(call, tensor, fed, len(call.outputs))
            entry.value, entry.stale = value, False
            self.keep_numbers(tensor, value)
        self.note(call)
        for entry, tensor in zip(entries, tensors, strict=True):
            memory = self._memory(tensor, True)
            if memory is not None:
                self._spread(entry, memory)

    def _spread(self, entry: Entry, memory: Memory) -> None:
        """Carry a change of one view to all others of the same memory."""
        live = [e for e in memory.entries if e is not entry and e.ref() is not None]
        if not live:
            return
        self.plain = False
        above: list[Entry] = []
        child = entry
        while child.parent is not None and child.recipe is not None:
            parent = child.parent
            recipe = child.recipe
            call = Call(
                "put",
                None,
                (),
                {"self": parent.value, "part": child.value, "view": recipe},
                self.frame,
            )
            known = parent.ref()
            value = Value.__new__(Value)
            value.call, value.place, value.name = call, 0, None
            value.shape, value.dtype = parent.value.shape, parent.value.dtype
            value.fed = parent.value.fed or child.value.fed
            value.tensor = None
            if self.keep or not value.fed:
                held = known if known is not None else _again(child.ref(), parent.geometry)
                value.tensor = held
                if held is not None:
                    memory.kept.append(value)
            call.outputs.append(value)
            self.note(call)
            parent.value, parent.stale = value, False
            above.append(parent)
            child = parent
        for other in live:
            if other not in above and other.parent is not None:
                other.stale = True
            elif other not in above and other is not entry:
                other.value = entry.value if other.geometry == entry.geometry else other.value

    def restore(self, failed: bool) -> None:
        """Give back to tensors that are the user's what they held before.

        failed   whether it is to be run again, so that inputs, which are copies, are to be whole too
        """
        for tensor, face, version in self.moved:
            memory, now = self._memory(tensor, False), DATA.__get__(tensor)
            for value in memory.kept if memory is not None else ():
                if value.tensor is tensor:
                    value.tensor = now
            DATA.__set__(tensor, face)
            _set_version(tensor, version)
        for tensor, before, version in self.saved:
            memory = self._memory(tensor, False)
            if memory is not None and memory.given and not failed:
                continue
            if memory is not None:
                memory.leave()
            with torch.inference_mode() if version is None else torch.no_grad():
                tensor.copy_(before)
            _set_version(tensor, version)


def _version(tensor: Tensor) -> int | None:
    """Return how often a tensor was changed; None for one that was made in inference mode, where nobody counts."""
    return None if tensor.is_inference() else tensor._version


def _set_version(tensor: Tensor, version: int | None) -> None:
    if version is not None:
        torch._C._autograd._unsafe_set_version_counter((tensor,), (version,))


def _again(tensor: Tensor, geometry: tuple[Any, ...]) -> Tensor:
    """Return the tensor of a geometry on the memory of another one."""
    if tensor is None or len(geometry) != 4:
        return None
    _, shape, stride, offset = geometry
    with torch._C._DisableTorchDispatch():
        return torch.as_strided(tensor, shape, stride, offset)
