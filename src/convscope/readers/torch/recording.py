"""One real forward of a module, recorded: every operator with what it read, in which module it ran.

Nothing is traced symbolically. The module's shadow runs on real tensors, below autograd, where PyTorch's
operators are still whole (convolution, batch_norm, linear, attention), and each call is noted as it returns.
"""

from __future__ import annotations

import threading
import weakref
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from functools import cache
from typing import Any, NamedTuple

import torch
from torch.overrides import TorchFunctionMode
from torch.utils._python_dispatch import TorchDispatchMode

from convscope.readers.torch.shadow import places, shadow

Tensor = Any


class Value:
    """A tensor as the recording knows it: an input, something that the module holds, or a call's output.

    call, place   the call that gave it, and which of its outputs it is; None for what no call gave
    name          of an input or of what the module holds ("layer1.0.conv1.weight")
    fed           whether it depends on an input; if not, it is a constant, and `tensor` is it
    tensor        its numbers, where they are kept
    """

    __slots__ = ("call", "dtype", "fed", "name", "place", "shape", "tensor")

    def __init__(
        self,
        tensor: Tensor,
        fed: bool,
        call: Call | None = None,
        place: int = 0,
        name: str | None = None,
    ) -> None:
        self.call, self.place, self.name, self.fed = call, place, name, fed
        self.shape = tuple(tensor.shape)
        self.dtype = tensor.dtype
        self.tensor: Tensor = None

    @property
    def held(self) -> bool:
        """Whether it is a parameter or a buffer of the module."""
        return self.call is None and self.name is not None and not self.fed


@dataclass(slots=True, eq=False)
class Frame:
    """One call of a module.

    path      its first name in the tree; "" is the network
    number    how many calls of it there were before
    given     shape and bytes of a number of the first tensor that went in, and `out` of what came out
    """

    path: str
    kind: str
    number: int
    outer: Frame | None
    leaf: bool
    calls: list[Call] = field(default_factory=list)
    given: tuple[tuple[int, ...], int] | None = None
    out: tuple[tuple[int, ...], int] | None = None
    module: Any = None


@dataclass(slots=True, eq=False)
class Call:
    """One operator that ran: its arguments with values in the places of tensors."""

    op: str
    func: Any
    args: tuple[Any, ...]
    kwargs: dict[str, Any]
    frame: Frame
    outputs: list[Value] = field(default_factory=list)

    def named(self) -> dict[str, Any]:
        """Return every argument by its name in the operator's schema, defaults filled in."""
        if self.func is None:
            return dict(self.kwargs)
        found = {}
        for place, (name, default) in enumerate(_known(self.func).arguments):
            value = self.args[place] if place < len(self.args) else self.kwargs.get(name, default)
            if value is not _NONE:
                found[name] = value
        return found


_NONE = object()


class _About(NamedTuple):
    """What an operator's schema says.

    changes   places and names of the arguments that it changes
    """

    name: str
    arguments: tuple[tuple[str, Any], ...]
    changes: tuple[tuple[int, str], ...]
    random: bool
    ignored: bool


_IGNORED = ("prim::", "profiler::", "aten::sym_", "aten::is_", "aten::_has_", "aten::size", "aten::stride",
            "aten::_assert", "aten::dim", "aten::numel", "aten::storage_offset")  # fmt: skip


@cache
def _known(func: Any) -> _About:
    schema = func._schema
    arguments = []
    changes = []
    for place, argument in enumerate(schema.arguments):
        default = argument.default_value if argument.has_default_value() else _NONE
        if argument.type.kind() == "OptionalType" and default is _NONE:
            default = None
        arguments.append((argument.name, default))
        if argument.alias_info is not None and argument.alias_info.is_write:
            changes.append((place, argument.name))
    base = schema.name.partition("::")[2]
    ours = schema.name.startswith("aten::")
    name = base if ours else schema.name
    if changes and name.endswith("_") and not name.endswith("__"):
        name = name[:-1]
    if name.startswith("__i") and name.endswith("__"):
        name = f"__{name[3:]}"
    ignored = schema.name.startswith(_IGNORED) and base != "is_nonzero"
    random = torch.Tag.nondeterministic_seeded in func.tags
    return _About(name, tuple(arguments), tuple(changes), random, ignored)


class _Entry:
    """A live tensor and the value that it holds now.

    parent, recipe    the tensor that it is a view of, and the call that made it
    stale             another view of the same memory was changed: to be derived anew from the parent
    """

    __slots__ = ("geometry", "parent", "recipe", "ref", "stale", "value")

    def __init__(self, tensor: Tensor, value: Value) -> None:
        self.ref = weakref.ref(tensor)
        self.value = value
        self.parent: _Entry | None = None
        self.recipe: Call | None = None
        self.stale = False
        self.geometry = _geometry(tensor)


def _geometry(tensor: Tensor) -> tuple[Any, ...]:
    if tensor.layout is not torch.strided:
        return (tensor.dtype, tuple(tensor.shape))
    return tensor.dtype, tuple(tensor.shape), tensor.stride(), tensor.storage_offset()


class _Memory:
    """One storage: the live tensors on it, and the values whose numbers are kept in it."""

    __slots__ = ("entries", "kept", "ours")

    def __init__(self, ours: bool) -> None:
        self.entries: list[_Entry] = []
        self.kept: list[Value] = []
        self.ours = ours


class Failure(NamedTuple):
    """Where a forward stopped: the exception, the modules around, the operator and what it was given."""

    error: BaseException
    frame: Frame
    op: str | None
    named: dict[str, Any]


@dataclass
class Recording:
    """What one forward did.

    inputs    in order, by name
    outputs   the values that the module returned, by their place in what it returned ("" for one tensor)
    result    what it returned, as it was
    frames    every call of a module, in order
    """

    calls: list[Call]
    inputs: dict[str, Value]
    outputs: dict[str, Value]
    result: Any
    frames: list[Frame]
    warnings: list[str]
    failure: Failure | None = None


_LOCK = threading.RLock()


class _Recorder(TorchDispatchMode):  # type: ignore[no-untyped-call]
    """Notes every operator that runs in this thread while it is on."""

    @classmethod
    def _should_skip_dynamo(cls) -> bool:  # else the first operator imports torch._dynamo
        return False

    def __init__(self, keep: bool, names: Mapping[int, tuple[str, str]], kinds: set[int]) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.keep = keep
        self.names, self.leaves = names, kinds
        self.calls: list[Call] = []
        self.entries: dict[int, _Entry] = {}
        self.memories: dict[int, _Memory] = {}
        self.root = Frame("", "", 0, None, False)
        self.frame = self.root
        self.frames: list[Frame] = []
        self.counts: dict[str, int] = {}
        self.warnings: dict[str, None] = {}
        self.saved: list[tuple[Tensor, Tensor, int]] = []
        self.thread = threading.get_ident()
        self.running: tuple[str, dict[str, Any], Frame] | None = None
        self.failed: tuple[str, dict[str, Any], Frame] | None = None
        self.failed_frame: Frame | None = None

    # -- values -----------------------------------------------------------------------------------

    def begin(self, tensor: Tensor, fed: bool, name: str, ours: bool = False) -> Value:
        """Note a tensor that is there before the forward begins."""
        value = Value(tensor, fed, name=name)
        value.tensor = tensor if self.keep or not fed else None
        self._enter(tensor, value, ours)
        return value

    def _memory(self, tensor: Tensor, ours: bool) -> _Memory | None:
        if tensor.layout is not torch.strided:
            return None
        key = tensor.untyped_storage()._cdata
        found = self.memories.get(key)
        if (
            found is not None
            and not any(e.ref() is not None for e in found.entries)
            and not found.kept
        ):
            found = None
        if found is None:
            found = self.memories[key] = _Memory(ours)
        return found

    def _enter(
        self, tensor: Tensor, value: Value, ours: bool = True
    ) -> tuple[_Entry, _Memory | None]:
        entry = _Entry(tensor, value)
        memory = self._memory(tensor, ours)
        self.entries[id(tensor)] = entry
        if memory is not None:
            memory.entries.append(entry)
            if value.tensor is not None:
                memory.kept.append(value)
        return entry, memory

    def value(self, tensor: Tensor) -> Value:
        """Return what a tensor is now; one that nobody noted is a constant."""
        return self._entry(tensor).value

    def _entry(self, tensor: Tensor) -> _Entry:
        entry = self.entries.get(id(tensor))
        if entry is not None and entry.ref() is tensor:
            if entry.stale:
                self._derive(entry)
            return entry
        memory = None
        if tensor.layout is torch.strided:
            memory = self.memories.get(tensor.untyped_storage()._cdata)
        if memory is not None:
            # another face of memory that is known: parameter.data, a tensor made by detach outside
            shape = _geometry(tensor)
            live = [e for e in memory.entries if e.ref() is not None]
            for entry in reversed(live):
                if entry.geometry == shape:
                    if entry.stale:
                        self._derive(entry)
                    self._enter(tensor, entry.value)
                    return self.entries[id(tensor)]
            fed = [e for e in live if e.value.fed]
            if fed:
                call = Call("view_of", None, (), {"self": fed[-1].value}, self.frame)
                value = self._output(call, tensor, True, 0)
                self.calls.append(call)
                self.frame.calls.append(call)
                return self._enter(tensor, value)[0]
        value = Value(tensor, False)
        value.tensor = tensor
        return self._enter(tensor, value, ours=False)[0]

    def _derive(self, entry: _Entry) -> None:
        """Derive a view anew, after the memory under it was changed through another one."""
        entry.stale = False
        parent, recipe = entry.parent, entry.recipe
        if parent is None or recipe is None:
            return
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
        self._note(call)

    def _note(self, call: Call) -> None:
        self.calls.append(call)
        self.frame.calls.append(call)

    def _output(self, call: Call, tensor: Tensor, fed: bool, place: int) -> Value:
        value = Value(tensor, fed, call, place)
        if self.keep or not fed:
            value.tensor = tensor
        call.outputs.append(value)
        return value

    def _valued(self, given: Any) -> Any:
        """Return an argument with values in the places of tensors."""
        if isinstance(given, torch.Tensor):
            return self.value(given)
        if isinstance(given, (list, tuple)):
            return tuple(self._valued(g) for g in given)
        return given

    # -- operators --------------------------------------------------------------------------------

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        kwargs = kwargs or {}
        about = _known(func)
        if about.ignored:
            return func(*args, **kwargs)
        given = tuple(map(self._valued, args))
        named = {name: self._valued(v) for name, v in kwargs.items()} if kwargs else {}
        call = Call(about.name, func, given, named, self.frame)
        self.running = (about.name, {}, self.frame)
        changed = list(
            _tensors(
                [
                    args[place] if place < len(args) else kwargs.get(name)
                    for place, name in about.changes
                ]
            )
        )
        for tensor in changed:
            self._before_change(tensor)
        if about.name in ("batch_norm", "instance_norm") and args[5]:
            for tensor in args[3:5]:
                if tensor is not None:
                    self._before_change(tensor)
        try:
            out = func(*args, **kwargs)
        except BaseException:
            if self.failed is None:
                self.failed = (about.name, call.named(), self.frame)
                self.failed_frame = self.frame
            raise
        self._after(call, about, out, args, changed)
        return out

    def _after(
        self, call: Call, about: _About, out: Any, args: Any, changed: Sequence[Tensor]
    ) -> None:
        reads = list(_values((call.args, call.kwargs)))
        fed = about.random or any(v.fed for v in reads)
        if changed:
            self._changed(call, changed, fed)
            return
        tensors = out if isinstance(out, (list, tuple)) else (out,)
        if not any(isinstance(t, torch.Tensor) for t in tensors):
            if fed and isinstance(out, (bool, int, float, complex)):
                self.unsure(f".{about.name.removeprefix('_').removesuffix('_dense')}()")
            return
        given = [a for a in args if isinstance(a, torch.Tensor)]
        for place, tensor in enumerate(tensors):
            if not isinstance(tensor, torch.Tensor):
                continue
            same = any(tensor is a for a in given)
            if same and not about.random:  # contiguous, to, dropout that passes on: nothing new
                value = Value(tensor, fed, call, place)
                value.tensor = self.value(tensor).tensor
                call.outputs.append(value)
                if about.name in ("dropout", "feature_dropout", "alpha_dropout"):
                    self.entries[id(tensor)].value = value
                    self._keep(tensor, value)
                    continue
                return
            value = self._output(call, tensor, fed, place)
            entry, memory = self._enter(tensor, value)
            if memory is not None and len(memory.entries) > 1:
                self._view_of(entry, memory, given, call)
        if call.outputs:
            self._note(call)

    def _keep(self, tensor: Tensor, value: Value) -> None:
        memory = self._memory(tensor, True)
        if value.tensor is not None and memory is not None:
            memory.kept.append(value)

    def _view_of(self, entry: _Entry, memory: _Memory, given: Sequence[Tensor], call: Call) -> None:
        """Note which of the arguments a new tensor is a view of."""
        for tensor in given:
            parent = self.entries.get(id(tensor))
            if parent is not None and parent in memory.entries:
                entry.parent, entry.recipe = parent, call
                return

    def unsure(self, how: str) -> None:
        """Note that the path depends on the numbers that went in."""
        where = f" of {self.frame.path}" if self.frame.path else ""
        self.warnings.setdefault(
            f"the forward{where} reads numbers that it computed ({how}): the path shown is the one that "
            f"this input takes, another input may take another"
        )

    # -- changes in place -------------------------------------------------------------------------

    def _before_change(self, tensor: Tensor) -> None:
        """Save what is about to be overwritten: values that are kept, and what is not ours."""
        self._entry(tensor)
        memory = self._memory(tensor, False)
        if memory is None:
            return
        if not memory.ours and not any(known is tensor for known, _, _ in self.saved):
            self.saved.append((tensor, tensor.detach().clone(), tensor._version))
        for value in memory.kept:
            value.tensor = value.tensor.detach().clone()
        memory.kept.clear()

    def _changed(self, call: Call, tensors: Sequence[Tensor], fed: bool) -> None:
        """Note a call that wrote into its arguments: they hold new values from here on."""
        if call.op in ("copy", "fill", "zero"):  # what was there before is not read
            fed = any(v.fed for v in _values((call.args[1:], call.kwargs)))
        entries = [self._entry(tensor) for tensor in tensors]
        for entry, tensor in zip(entries, tensors, strict=True):
            value = self._output(call, tensor, fed, len(call.outputs))
            entry.value, entry.stale = value, False
            self._keep(tensor, value)
        self._note(call)
        for entry, tensor in zip(entries, tensors, strict=True):
            memory = self._memory(tensor, True)
            if memory is not None:
                self._spread(entry, memory)

    def _spread(self, entry: _Entry, memory: _Memory) -> None:
        """Carry a change of one view to all others of the same memory."""
        live = [e for e in memory.entries if e is not entry and e.ref() is not None]
        if not live:
            return
        above: list[_Entry] = []
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
            self._note(call)
            parent.value, parent.stale = value, False
            above.append(parent)
            child = parent
        for other in live:
            if other not in above and other.parent is not None:
                other.stale = True
            elif other not in above and other is not entry:
                other.value = entry.value if other.geometry == entry.geometry else other.value

    # -- modules ----------------------------------------------------------------------------------

    def enter_module(self, module: Any, given: Any) -> None:
        """A module is called."""
        if threading.get_ident() != self.thread:
            return
        path, kind = self.names.get(id(module), ("", ""))
        if not kind:  # made inside the forward, or the network itself
            kind = type(module).__name__
            if self.frame is not self.root or self.frames:
                path = f"{self.frame.path}.{kind}" if self.frame.path else kind
        number = self.counts.get(path, 0)
        self.counts[path] = number + 1
        frame = Frame(path, kind, number, self.frame, id(module) in self.leaves)
        frame.given, frame.module = _sizes(given), module
        self.frames.append(frame)
        self.frame = frame

    def leave_module(self, module: Any, given: Any, out: Any) -> None:
        """A module returns."""
        if threading.get_ident() != self.thread:
            return
        frame = self.frame
        frame.out = _sizes(out)
        passed = (
            frame.leaf
            and isinstance(out, torch.Tensor)
            and not any(_has_fed(c) for c in frame.calls)
        )
        if passed:
            value = self.value(out)
            if value.fed and (
                not frame.calls or all(v is not value for c in frame.calls for v in c.outputs)
            ):
                call = Call("identity", None, (), {"self": value}, frame)
                new = self._output(call, out, True, 0)
                new.tensor = value.tensor
                self.entries[id(out)].value = new
                if new.tensor is not None:
                    self._keep(out, new)
                self._note(call)
        assert frame.outer is not None
        self.frame = frame.outer


def _sizes(given: Any) -> tuple[tuple[int, ...], int] | None:
    """Return the shape of the first tensor of what is given, and how many bytes a number takes."""
    for _, tensor in leaves_of(given):
        if isinstance(tensor, torch.Tensor):
            return tuple(tensor.shape), tensor.element_size()
    return None


def _has_fed(call: Call) -> bool:
    return any(v.fed for v in call.outputs)


def _again(tensor: Tensor, geometry: tuple[Any, ...]) -> Tensor:
    """Return the tensor of a geometry on the memory of another one."""
    if tensor is None or len(geometry) != 4:
        return None
    _, shape, stride, offset = geometry
    with torch._C._DisableTorchDispatch():
        return torch.as_strided(tensor, shape, stride, offset)


def _values(given: Any) -> Iterator[Value]:
    if isinstance(given, Value):
        yield given
    elif isinstance(given, (list, tuple)):
        for one in given:
            yield from _values(one)
    elif isinstance(given, dict):
        for one in given.values():
            yield from _values(one)


def _tensors(given: Any) -> Iterator[Tensor]:
    if isinstance(given, torch.Tensor):
        yield given
    elif isinstance(given, (list, tuple)):
        for one in given:
            yield from _tensors(one)


_OUTSIDE = frozenset(
    getattr(torch.Tensor, name)
    for name in ("numpy", "tolist", "__array__", "__dlpack__")
    if hasattr(torch.Tensor, name)
)
"""Ways in which numbers leave PyTorch without an operator."""


class _Watcher(TorchFunctionMode):
    """Sees numbers leave PyTorch, which no operator tells."""

    def __init__(self, recorder: _Recorder) -> None:
        super().__init__()
        self.recorder = recorder

    def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        if func in _OUTSIDE and args and isinstance(args[0], torch.Tensor):
            entry = self.recorder.entries.get(id(args[0]))
            if entry is not None and entry.ref() is args[0] and entry.value.fed:
                self.recorder.unsure(f".{func.__name__}()")
        return func(*args, **(kwargs or {}))


def record(
    module: Any, args: Sequence[Any], kwargs: Mapping[str, Any], inputs: Mapping[str, Tensor],
    keep: bool = False, training: bool = False,
) -> Recording:  # fmt: skip
    """Run a module's shadow once and return what it did.

    inputs   the tensors among its arguments that are its inputs, by name
    keep     whether the values of all calls are kept, else the constants' only

    A forward that raises gives a recording too, whose `failure` says where it stopped.
    """
    with _LOCK:
        found = _record(module, args, kwargs, inputs, keep, training, True)
        failure = found.failure
        if (
            failure is not None
            and isinstance(failure.error, RuntimeError)
            and "grad" in str(failure.error)
        ):
            again = _record(module, args, kwargs, inputs, keep, training, False)
            if again.failure is None:
                return again
        return found


def _record(
    module: Any, args: Sequence[Any], kwargs: Mapping[str, Any], inputs: Mapping[str, Tensor],
    keep: bool, training: bool, below: bool,
) -> Recording:  # fmt: skip
    acting = shadow(module, training)
    names = {id(m): (path, type(m).__name__) for path, m in places(acting)}
    leaves = {id(m) for _, m in places(acting) if not any(True for _ in m.children())}
    recorder = _Recorder(keep, names, leaves)
    originals = dict(places(module))
    values = {}
    for path, one in places(acting):
        prefix = f"{path}." if path else ""
        own = dict(_held(originals.get(path, one)))
        for name, tensor in _held(one):
            if id(tensor) not in recorder.entries:
                value = recorder.begin(tensor, False, prefix + name)
                value.tensor = own.get(name, tensor)
    for name, tensor in inputs.items():
        values[name] = recorder.begin(tensor, True, name, ours=True)
    result: Any = None
    failure: Failure | None = None
    with ExitStack() as stack:
        stack.enter_context(_state_kept(module))
        hooks = torch.nn.modules.module
        before = hooks.register_module_forward_pre_hook(recorder.enter_module)
        stack.callback(before.remove)
        after = hooks.register_module_forward_hook(recorder.leave_module)
        stack.callback(after.remove)
        stack.callback(recorder_restored, recorder)
        try:
            with ExitStack() as inner:
                inner.enter_context(_Watcher(recorder))
                if below:
                    inner.enter_context(torch._C._AutoDispatchBelowAutograd())
                inner.enter_context(recorder)
                result = acting(*args, **kwargs)
        except Exception as error:  # noqa: BLE001  (it is the user's code: anything may be wrong)
            op, named, frame = recorder.failed or (None, {}, recorder.frame)
            failure = Failure(error, frame if op else recorder.frame, op, named)
    outputs = {}
    for name, tensor in leaves_of(result):
        if isinstance(tensor, torch.Tensor):
            outputs[name] = recorder.value(tensor)
    found = Recording(
        recorder.calls, values, outputs, result, recorder.frames, list(recorder.warnings), failure
    )
    return found


def _held(module: Any) -> Iterator[tuple[str, Tensor]]:
    """Yield a module's own parameters and buffers."""
    yield from module.named_parameters(recurse=False)
    yield from module.named_buffers(recurse=False)


def recorder_restored(recorder: _Recorder) -> None:
    """Give back to tensors that are the user's what they held before."""
    for tensor, before, version in recorder.saved:
        with torch.no_grad():
            tensor.copy_(before)
        torch._C._autograd._unsafe_set_version_counter((tensor,), (version,))


@contextmanager
def _state_kept(module: Any) -> Iterator[None]:
    """Keep what a forward may change beside the module: random numbers, the fast path of attention."""
    import random
    import sys

    devices = sorted({t.device.index or 0 for t in module.parameters() if t.device.type == "cuda"})
    state = random.getstate()
    numpy = sys.modules.get("numpy")
    numbers = numpy.random.get_state() if numpy is not None else None
    fast = torch.backends.mha.get_fastpath_enabled()
    with torch.random.fork_rng(devices=devices):
        torch.backends.mha.set_fastpath_enabled(False)
        try:
            yield
        finally:
            torch.backends.mha.set_fastpath_enabled(fast)
            random.setstate(state)
            if numpy is not None:
                numpy.random.set_state(numbers)


def leaves_of(result: Any, name: str = "", deep: int = 12) -> Iterator[tuple[str, Any]]:
    """Yield what a forward returned, or is given, leaf by leaf, with its place: "logits", "0", "boxes.1"."""
    join: Callable[[object], str] = lambda key: f"{name}.{key}" if name else str(key)
    if deep == 0 or isinstance(result, torch.Tensor) or result is None:
        yield name, result
    elif isinstance(result, Mapping):
        for key, one in result.items():
            yield from leaves_of(one, join(key), deep - 1)
    elif isinstance(result, tuple) and hasattr(result, "_fields"):
        for key, one in zip(result._fields, result, strict=True):
            yield from leaves_of(one, join(key), deep - 1)
    elif isinstance(result, (list, tuple)):
        for key, one in enumerate(result):
            yield from leaves_of(one, join(key), deep - 1)
    elif hasattr(result, "__dataclass_fields__"):
        for key in result.__dataclass_fields__:
            yield from leaves_of(getattr(result, key), join(key), deep - 1)
    else:
        yield name, result
