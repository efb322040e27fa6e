"""One real forward of a module, recorded: every operator with what it read, in which module it ran.

Nothing is traced symbolically. The module's shadow runs on real tensors, below autograd, where PyTorch's
operators are still whole (convolution, batch_norm, linear, attention), and each call is noted as it returns.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager, nullcontext
from threading import get_ident
from typing import Any

import torch
from torch.utils._python_dispatch import TorchDispatchMode

from convscope.model.gathering import seldom_gathered
from convscope.readers.torch.alone import alone
from convscope.readers.torch.calls import (
    About,
    Call,
    Failure,
    Frame,
    Recording,
    Tensor,
    Value,
    about,
)
from convscope.readers.torch.shadow import PLAIN, is_leaf, shadowed
from convscope.readers.torch.structures import tensors_of
from convscope.readers.torch.tracking import DATA, Tracking

OVERWRITTEN = ("copy", "fill", "zero")
"""Operators that write into a tensor without reading what was there."""

DROPOUT = ("dropout", "feature_dropout", "alpha_dropout")


class Recorder(TorchDispatchMode):  # type: ignore[no-untyped-call]
    """Notes every operator that runs in this thread while it is on, and the modules that are called.

    tensors   the values of all tensors, and the calls
    names     id of a module → its path and class
    leaves    ids of the modules without modules of their own
    sized     whether what goes in and out of each module is noted
    trained   ids of modules that train themselves, and whose copies here evaluate
    copies    ids of the copies
    failed    the operator that raised last: its name, arguments and module
    raised    the exception that was last seen to leave a module, and the innermost one that it left
    """

    supports_higher_order_operators = True

    @classmethod
    def _should_skip_dynamo(cls) -> bool:  # else the first operator imports torch._dynamo
        return False

    def __init__(
        self, keep: bool, names: Mapping[int, tuple[str, str]], leaves: set[int], sized: bool
    ) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.names, self.leaves, self.sized = names, leaves, sized
        self.root = Frame("", "", 0, None, False)
        self.tensors = Tracking(keep, self.root)
        self.frames: list[Frame] = []
        self.counts: dict[str, int] = {}
        self.warnings: dict[str, None] = {}
        self.thread = get_ident()
        self.trained: set[int] = set()
        self.copies: set[int] = set()
        self.failed: tuple[str, dict[str, Any], Frame] | None = None
        self.raised: tuple[BaseException, Frame] | None = None

    # -- operators --------------------------------------------------------------------------------

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        kwargs = kwargs or {}
        told = about(func)
        if told.ignored:
            return func(*args, **kwargs)
        if told.higher:
            return self._higher(func, args, kwargs)
        tensors = self.tensors
        reads: list[Value] = []
        valued, plain = tensors.valued, PLAIN
        given = tuple([a if type(a) in plain else valued(a, reads) for a in args])
        named = {name: valued(v, reads) for name, v in kwargs.items()} if kwargs else {}
        call = Call(told.name, func, given, named, tensors.frame)
        changed: list[Tensor] = []
        if told.changes:
            written = [args[p] if p < len(args) else kwargs.get(n) for p, n in told.changes]
            changed = [tensor for _, tensor in tensors_of(written)]
        elif told.trains and args[5]:
            changed = [tensor for tensor in args[3:5] if tensor is not None]
        for tensor in changed:
            if told.name == "set":
                tensors.keep_place(tensor)
            tensors.before_change(tensor)
        try:
            out = func(*args, **kwargs)
        except BaseException:
            self.failed = (told.name, call.named(), tensors.frame)
            raise
        fed = told.random
        if not told.shaped:
            for value in reads:
                if value.fed:
                    fed = True
                    break
        storage = _storage(args, kwargs) if told.name == "set" else None
        if storage is not None:
            tensors.laid(call, changed[0], storage)
        elif told.changes:
            if told.name in OVERWRITTEN:
                fed = any(v.fed for v in reads[1:])
            tensors.changed(call, changed, fed)
        elif type(out) is not torch.Tensor or not tensors.fresh(call, out, fed):
            self._gave(call, told, out, args, fed)
        return out

    def _gave(self, call: Call, told: About, out: Any, args: Any, fed: bool) -> None:
        """Note what a call gave."""
        tensors = self.tensors
        several = out if isinstance(out, (list, tuple)) else (out,)
        given = [a for a in args if isinstance(a, torch.Tensor)]
        if len(several) > 1 and any(one is a for one in several for a in given):
            tensors.plain = False
        for place, tensor in enumerate(several):
            if not isinstance(tensor, torch.Tensor):
                continue
            if told.name == "detach" and _drawn(call.args[0]):
                # what makes random tensors detaches those that somebody keeps: us
                tensors.enter(tensor, call.args[0])
                return
            if any(tensor is a for a in given) and not told.random:
                # contiguous, to, dropout that passes on: nothing new
                value = Value(tensor, fed, call, place)
                value.tensor = tensors.value(tensor).tensor
                call.outputs.append(value)
                if told.name not in DROPOUT:
                    return
                tensors.entries[id(tensor)].value = value
                tensors.keep_numbers(tensor, value)
                continue
            value = tensors.output(call, tensor, fed, place)
            entry, memory = tensors.enter(tensor, value)
            if memory is not None and len(memory.entries) > 1:
                tensors.view_of(entry, memory, given, call)
        if call.outputs:
            tensors.note(call)
        elif fed and isinstance(out, (bool, int, float, complex)):
            self.unsure(f".{told.name.removeprefix('_').removesuffix('_dense')}()")

    def _higher(self, func: Any, args: Any, kwargs: Any) -> Any:
        """Run an operator that takes functions: of torch.cond what it chooses, of others nothing is seen inside."""
        if func.name() == "cond":
            with self:
                return self.chosen(*args)
        reads: list[Value] = []
        for _, tensor in tensors_of((args, kwargs)):
            self.tensors.valued(tensor, reads)
        named = {f"input_{n}": value for n, value in enumerate(reads)}
        self.tensors.plain = False
        call = Call(func.name(), None, (), named, self.tensors.frame)
        out = func(*args, **kwargs)
        fed = any(value.fed for value in reads)
        for place, (_, tensor) in enumerate(tensors_of(out)):
            self.tensors.enter(tensor, self.tensors.output(call, tensor, fed, place))
        self.tensors.note(call)
        return out

    def chosen(self, pred: Any, true_fn: Any, false_fn: Any, operands: Any = ()) -> Any:
        """Call the function that torch.cond chooses, which compiles both of them otherwise."""
        if isinstance(pred, torch.Tensor):
            self.left(pred, "torch.cond")
            with torch._C._DisableTorchDispatch():
                pred = bool(pred)
        return (true_fn if pred else false_fn)(*operands)

    def left(self, tensor: Tensor, how: str) -> None:
        """Note that a tensor's numbers leave PyTorch."""
        entry = self.tensors.entries.get(id(tensor))
        if entry is not None and entry.ref() is tensor and entry.value.fed:
            self.unsure(how)

    def rebound(self, tensor: Tensor, other: Tensor) -> None:
        """Give a tensor the memory of another one, `tensor.data = other`."""
        self.tensors.rebound(tensor, other)

    def unsure(self, how: str) -> None:
        """Note that the path depends on the numbers that went in."""
        where = f" of {self.tensors.frame.path}" if self.tensors.frame.path else ""
        self.warnings.setdefault(
            f"the forward{where} reads numbers that it computed ({how}): the path shown is the one that "
            f"this input takes, another input may take another"
        )

    # -- modules ----------------------------------------------------------------------------------

    def enter_module(self, module: Any, given: Any) -> None:
        """A module is called."""
        if get_ident() != self.thread:
            if id(module) in self.copies:
                self.warnings.setdefault(
                    f"the forward calls {self.names[id(module)][0]} in a thread of its own, where no operator is seen: what "
                    f"that gives stands as numbers that were there before"
                )
            return
        outer = self.tensors.frame
        path, kind = self.names.get(id(module), ("", ""))
        if not kind:  # made inside the forward, or the network itself
            kind = type(module).__name__
            if outer is not self.root or self.frames:
                path = f"{outer.path}.{kind}" if outer.path else kind
        if id(module) in self.trained:
            self.warnings.setdefault(
                f"the forward calls {path or kind} past what it holds (a weak reference, a global name), so that it trains: "
                f"module.eval() before would let all of it evaluate"
            )
        number = self.counts.get(path, 0)
        self.counts[path] = number + 1
        frame = Frame(path, kind, number, outer, id(module) in self.leaves)
        if self.sized:
            frame.given, frame.module = _sizes(given), module
        self.frames.append(frame)
        self.tensors.frame = frame

    def leave_module(self, module: Any, given: Any, out: Any) -> None:
        """A module returns."""
        if get_ident() != self.thread:
            return
        tensors = self.tensors
        frame = tensors.frame
        error = sys.exc_info()[1]
        if error is not None and (self.raised is None or self.raised[0] is not error):
            self.raised = error, frame
        if self.sized:
            frame.out = _sizes(out)
        if frame.leaf and isinstance(out, torch.Tensor) and not frame.computes:
            value = tensors.value(out)
            if value.fed and all(v is not value for call in frame.calls for v in call.outputs):
                call = Call("identity", None, (), {"self": value}, frame)
                new = tensors.output(call, out, True, 0)
                new.tensor = value.tensor
                tensors.entries[id(out)].value = new
                tensors.keep_numbers(out, new)
                tensors.frame = frame
                tensors.note(call)
        tensors.frame = frame.outer or self.root


def _drawn(value: Value) -> bool:
    """Whether a value was drawn by a random generator."""
    call = value.call
    return call is not None and call.func is not None and about(call.func).random


def _storage(args: Any, kwargs: Any) -> Any:
    """Return the memory among the arguments of `set_`; None where it is given a tensor."""
    given = (*args[1:2], *kwargs.values())
    return next((one for one in given if isinstance(one, torch.UntypedStorage)), None)


def _sizes(given: Any) -> tuple[tuple[int, ...], int] | None:
    """Return the shape of the first tensor of what is given, and how many bytes a number takes."""
    first = given[0] if type(given) is tuple and given else given
    if not isinstance(first, torch.Tensor):
        first = next((tensor for _, tensor in tensors_of(given)), None)
    return None if first is None else (tuple(first.shape), first.element_size())


OUTSIDE = ("numpy", "tolist", "__array__", "__dlpack__")
"""Methods by which numbers leave PyTorch, which no operator tells."""


_PLAINLY = "_FLEX_ATTENTION_DISABLE_COMPILE_DEBUG"
"""PyTorch's own word for flexible attention that is called as it is."""


@contextmanager
def _watched(recorder: Recorder) -> Iterator[None]:
    """Let what no operator tells say so, in this thread; all is put back whatever happens.

    That is methods by which numbers leave, `tensor.data = other`, and torch.cond. Flexible attention compiles itself
    otherwise, with all that looks on.
    """
    flexible = sys.modules.get("torch.nn.attention.flex_attention")
    compiles = flexible.__dict__.get(_PLAINLY) if flexible is not None else None
    before = {name: torch.Tensor.__dict__.get(name) for name in (*OUTSIDE, "data")}

    def rebound(tensor: Tensor, other: Tensor) -> None:
        if get_ident() == recorder.thread:
            recorder.rebound(tensor, other)
        else:
            DATA.__set__(tensor, other)

    cond = torch.cond

    def chosen(*args: Any, **kwargs: Any) -> Any:
        ours = get_ident() == recorder.thread
        return (recorder.chosen if ours else cond)(*args, **kwargs)

    def telling(name: str, method: Any) -> Any:
        def told(tensor: Tensor, *args: Any, **kwargs: Any) -> Any:
            if get_ident() == recorder.thread:
                recorder.left(tensor, f".{name}()")
            return method(tensor, *args, **kwargs)

        return told

    try:
        for name in OUTSIDE:
            setattr(torch.Tensor, name, telling(name, getattr(torch.Tensor, name)))
        torch.Tensor.data = property(DATA.__get__, rebound)  # type: ignore[assignment]
        torch.cond = chosen
        if compiles is not None:
            setattr(flexible, _PLAINLY, True)
        yield
    finally:
        torch.cond = cond
        if compiles is not None:
            setattr(flexible, _PLAINLY, compiles)
        for name, method in before.items():
            if method is not None:
                setattr(torch.Tensor, name, method)
            elif name in torch.Tensor.__dict__:
                delattr(torch.Tensor, name)


def record(
    module: Any, args: Sequence[Any], kwargs: Mapping[str, Any], inputs: Mapping[str, Tensor],
    keep: bool = False, training: bool = False, sized: bool = False,
) -> Recording:  # fmt: skip
    """Run a module's shadow once and return what it did.

    inputs   the tensors among its arguments that are its inputs, by name
    keep     whether the values of all calls are kept, else the constants' only
    sized    whether each call of a module keeps the module, and the sizes of what went in and out

    A forward that raises gives a recording too, whose `failure` says where it stopped.
    """
    with alone(), seldom_gathered():
        found = _record(module, args, kwargs, inputs, keep, training, sized, True)
        failure = found.failure
        if (
            failure is not None
            and isinstance(failure.error, RuntimeError)
            and "grad" in str(failure.error)
        ):
            again = _record(module, args, kwargs, inputs, keep, training, sized, False)
            if again.failure is None:
                return again
        return found


def _record(
    module: Any, args: Sequence[Any], kwargs: Mapping[str, Any], inputs: Mapping[str, Tensor],
    keep: bool, training: bool, sized: bool, below: bool,
) -> Recording:  # fmt: skip
    acting, every, (args, kwargs) = shadowed(module, training, tuple(args), dict(kwargs))
    names: dict[int, tuple[str, str]] = {}
    leaves: set[int] = set()
    recorder = Recorder(keep, names, leaves, sized)
    recorder.trained = {  # what TorchScript froze has no flag
        id(own)
        for _, own, one in every
        if getattr(own, "training", False) and not getattr(one, "training", False)
    }
    tensors = recorder.tensors
    for path, own, one in every:
        # a closure may call the user's own
        names[id(own)] = names[id(one)] = path, type(one).__name__
        if one is not own:
            recorder.copies.add(id(one))
        if is_leaf(one):
            leaves.update((id(own), id(one)))
    held = held_by(every)
    for name, tensor, theirs in held:
        tensors.hold(tensor, name, theirs)
    values = {name: tensors.begin(t, True, name) for name, t in inputs.items()}
    result: Any = None
    failure: Failure | None = None
    try:
        with listening(recorder, every, held, below):
            result = acting(*args, **kwargs)
    except (Exception, SystemExit) as error:  # noqa: BLE001  (it is the user's code: anything may be wrong)
        raised = recorder.raised
        where = raised[1] if raised is not None and raised[0] is error else tensors.frame
        op, named, frame = recorder.failed or (None, {}, where)
        if frame is not where:  # an operator had failed before, and the forward went on
            op, named = None, {}
        failure = Failure(error, where, op, named)
    outputs = {name: tensors.value(tensor) for name, tensor in tensors_of(result)}
    said = list(recorder.warnings)
    modules = {path: own for path, own, _ in every}
    plain = below and tensors.plain
    return Recording(
        tensors.calls, values, outputs, result, recorder.frames, said, modules, failure, plain
    )


def held_by(every: Sequence[tuple[str, Any, Any]]) -> list[tuple[str, Tensor, Tensor]]:
    """Return every parameter and buffer of a shadow: its whole name, itself, and the user's own.

    every   the modules: path, the user's own, its copy
    """
    found = []
    for path, own, one in every:
        for held, theirs in ((one._parameters, own._parameters), (one._buffers, own._buffers)):
            if held:
                prefix = f"{path}." if path else ""
                for name, tensor in held.items():
                    if tensor is not None:
                        found.append((prefix + name, tensor, theirs[name]))
    return found


@contextmanager
def listening(
    recorder: Recorder,
    every: Sequence[tuple[str, Any, Any]],
    held: Sequence[tuple[str, Tensor, Tensor]],
    below: bool,
) -> Iterator[None]:
    """Let a recorder hear what runs in this thread; what a forward changes beside is put back, whatever happens.

    every   the modules of the shadow that runs, as `shadowed` gives them
    held    the parameters and buffers of it
    below   whether operators are met below autograd
    """
    cuda = {tensor.device.index or 0 for _, tensor, _ in held if tensor.is_cuda}
    gradients = [(t, t.grad) for _, t, _ in held if t.requires_grad and t.is_leaf]
    hooks = torch.nn.modules.module
    with _state_kept(sorted(cuda)), ExitStack() as stack:
        before = hooks.register_module_forward_pre_hook(recorder.enter_module)
        stack.callback(before.remove)
        after = hooks.register_module_forward_hook(recorder.leave_module, always_call=True)
        stack.callback(after.remove)
        stack.push(lambda error, *_: recorder.tensors.restore(error is not None))
        stack.callback(_put_back, gradients)
        stack.enter_context(_watched(recorder))
        if any(isinstance(one, torch.jit.ScriptModule) for _, _, one in every):
            jit: Any = torch.jit  # a second run would be of other operators
            stack.enter_context(jit.optimized_execution(False))
        if below:
            stack.enter_context(torch._C._AutoDispatchBelowAutograd())
        stack.enter_context(recorder)
        yield


def _put_back(gradients: Sequence[tuple[Tensor, Tensor]]) -> None:
    """Give tensors back the gradients that they had: a forward may call backward()."""
    for tensor, grad in gradients:
        if tensor.grad is not grad:
            tensor.grad = grad


@contextmanager
def _state_kept(devices: Sequence[int]) -> Iterator[None]:
    """Keep what a forward may change beside the module: random numbers, the fast path of attention.

    devices   the numbers of those that it is on beside the processor
    """
    import random

    state = random.getstate()
    numpy = sys.modules.get("numpy.random")  # numpy itself would load it here
    numbers = numpy.get_state() if numpy is not None else None
    fast = torch.backends.mha.get_fastpath_enabled()
    exact = whole_float32() if devices else nullcontext()
    with exact, torch.random.fork_rng(devices=devices):
        torch.backends.mha.set_fastpath_enabled(False)
        try:
            yield
        finally:
            torch.backends.mha.set_fastpath_enabled(fast)
            random.setstate(state)
            if numpy is not None:
                numpy.set_state(numbers)


@contextmanager
def whole_float32() -> Iterator[None]:
    """Let CUDA compute in float32 what is float32: TF32, its faster way, keeps 10 of the 23 bits after the point."""
    backends: Any = torch.backends
    cudnn, products = backends.cudnn, backends.cuda.matmul
    places: list[tuple[Any, str, Any]] = [(products, "fp32_precision", "ieee")]
    try:
        _ = cudnn.allow_tf32
        places.append((cudnn, "allow_tf32", False))
    except (
        RuntimeError
    ):  # it was set by PyTorch's newer names, and can no longer be asked for by this one
        places += [(one, "fp32_precision", "ieee") for one in (cudnn.conv, cudnn.rnn)]
    before = [getattr(place, name) for place, name, _ in places]
    try:
        for place, name, value in places:
            setattr(place, name, value)
        yield
    finally:
        for (place, name, _), kept in zip(places, before, strict=True):
            setattr(place, name, kept)
