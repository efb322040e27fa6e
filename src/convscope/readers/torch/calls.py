"""What a recording is made of: values, the calls that gave them, the modules that were called."""

from __future__ import annotations

from typing import Any

import torch

from convscope.errors import WeightsError
from convscope.notation.sizes import UNKNOWN_SHAPE, shape_text
from convscope.typed import Record

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
        self.shape: Any
        try:
            self.shape = tuple(tensor.shape)
        except RuntimeError:  # rows of different lengths
            self.shape = UNKNOWN_SHAPE
        self.dtype = tensor.dtype
        self.tensor: Tensor = None

    def holding(self, tensor: Tensor) -> Value:
        """Return what the same output of the same call is in another forward."""
        other = Value.__new__(Value)
        other.call, other.place, other.name, other.fed = self.call, self.place, self.name, self.fed
        other.shape, other.dtype, other.tensor = self.shape, self.dtype, tensor
        return other

    @property
    def held(self) -> bool:
        """Whether it is a parameter or a buffer of the module."""
        return self.call is None and self.name is not None and not self.fed


class Frame:
    """One call of a module.

    path      its first name in the tree; "" is the network
    number    how many calls of it there were before
    given     shape and bytes of a number of the first tensor that went in, and `out` of what came out
    """

    __slots__ = ("calls", "given", "kind", "leaf", "module", "number", "out", "outer", "path")

    def __init__(self, path: str, kind: str, number: int, outer: Frame | None, leaf: bool) -> None:
        self.path, self.kind, self.number, self.outer, self.leaf = path, kind, number, outer, leaf
        self.calls: list[Call] = []
        self.given: tuple[tuple[int, ...], int] | None = None
        self.out: tuple[tuple[int, ...], int] | None = None
        self.module: Any = None

    @property
    def computes(self) -> bool:
        """Whether any of its calls gives what depends on an input."""
        for call in self.calls:
            for value in call.outputs:
                if value.fed:
                    return True
        return False


class Call:
    """One operator that ran: its arguments with values in the places of tensors."""

    __slots__ = ("args", "frame", "func", "kwargs", "op", "outputs")

    def __init__(
        self, op: str, func: Any, args: tuple[Any, ...], kwargs: dict[str, Any], frame: Frame
    ) -> None:
        self.op, self.func, self.args, self.kwargs, self.frame = op, func, args, kwargs, frame
        self.outputs: list[Value] = []

    def named(self) -> dict[str, Any]:
        """Return every argument by its name in the operator's schema, defaults filled in."""
        if self.func is None:
            return dict(self.kwargs)
        told, given, named = about(self.func), self.args, self.kwargs
        found = dict(zip(told.names, given, strict=False))
        for name, default in told.arguments[len(given) :]:
            value = named.get(name, default) if named else default
            if value is not _NONE:
                found[name] = value
        return found


_NONE = object()


class About(Record):
    """What an operator's schema says.

    names     of its arguments
    arguments each with its default
    changes   places and names of the arguments that it changes
    random    whether it draws random numbers
    shaped    whether it reads of its tensors how large they are, and none of their numbers
    ignored   whether it only asks about a tensor
    higher    whether it takes functions
    trains    whether it changes its statistics too, where it is told to (its sixth argument)
    """

    name: str
    names: tuple[str, ...]
    arguments: tuple[tuple[str, Any], ...]
    changes: tuple[tuple[int, str], ...]
    random: bool
    shaped: bool
    ignored: bool = False
    trains: bool = False
    higher: bool = False


_IGNORED = ("prim::", "profiler::", "aten::sym_", "aten::is_", "aten::_has_", "aten::size", "aten::stride",
            "aten::_assert", "aten::dim", "aten::numel", "aten::storage_offset")  # fmt: skip


_SHAPED = frozenset((
    "zeros_like", "ones_like", "full_like", "empty_like", "new_zeros", "new_ones", "new_full", "new_empty",
))  # fmt: skip

_ABOUT: dict[int, tuple[Any, About]] = {}
"""id of an operator → itself, and what its schema says: an operator's own hash is slow."""


def about(func: Any) -> About:
    """Return what an operator's schema says."""
    known = _ABOUT.get(id(func))
    if known is None:
        known = _ABOUT[id(func)] = func, _about(func)
    return known[1]


def _about(func: Any) -> About:
    schema = getattr(func, "_schema", None)
    if schema is None:
        return About(func.name(), (), (), (), False, False, higher=True)
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
    shaped = ours and name in _SHAPED
    trains = name in ("batch_norm", "instance_norm")
    names = tuple([argument for argument, _ in arguments])
    return About(name, names, tuple(arguments), tuple(changes), random, shaped, ignored, trains)


class Failure(Record):
    """Where a forward stopped: the exception, the modules around, the operator and what it was given."""

    error: BaseException
    frame: Frame
    op: str | None
    named: dict[str, Any]


class Recording:
    """What one forward did.

    inputs    in order, by name
    outputs   the values that the module returned, by their place in what it returned ("" for one tensor)
    result    what it returned, as it was
    frames    every call of a module, in order
    modules   every module by its path
    plain     whether each operator that ran is a call, and nothing else is one but a module that passes on
    """

    def __init__(
        self, calls: list[Call], inputs: dict[str, Value], outputs: dict[str, Value], result: Any,
        frames: list[Frame], warnings: list[str], modules: dict[str, Any], failure: Failure | None = None,
        plain: bool = False,
    ) -> None:  # fmt: skip
        self.calls, self.inputs, self.outputs, self.result = calls, inputs, outputs, result
        self.frames, self.warnings, self.failure = frames, warnings, failure
        self.modules, self.plain = modules, plain

    def forget(self) -> None:
        """Let go of the numbers that depend on the inputs."""
        given = [value for call in self.calls for value in call.outputs if value.fed]
        for value in (*self.inputs.values(), *given):
            value.tensor = None

    def settle(self) -> None:
        """Forget what only building a graph needs, so that nothing here holds itself.

        What a run has kept is then freed with the run, not when Python next looks for circles.
        """
        for frame in self.frames:
            frame.calls, frame.module = [], None
        for call in self.calls:
            call.outputs = []


class Numbers:
    """What gives a tensor's numbers: the memory that PyTorch has, where that can be shared.

    Others (halves, whole numbers, those on a device) are widened into memory of ours, the same every time, and anew
    every time: what is written through `weight.data` no version tells.

    owner, name   the module that holds it, and as what: it is then as it is when its numbers are asked for
    """

    __slots__ = ("_kept", "name", "owner", "tensor")

    def __init__(self, tensor: Any, owner: Any = None, name: str = "") -> None:
        self.tensor, self.owner, self.name = tensor, owner, name
        self._kept: Any = None

    @property
    def now(self) -> Any:
        """The tensor itself; raises `WeightsError` where its module has none there any more."""
        if self.owner is None:
            return self.tensor
        found = getattr(self.owner, self.name, None)
        if not isinstance(found, torch.Tensor):
            raise WeightsError(
                f"a {type(self.owner).__name__} had a {self.name} of {shape_text(tuple(self.tensor.shape))} when its "
                f"network was opened, and has none now: open(module, …) again, or put it back"
            )
        return found

    @property
    def learns(self) -> bool:
        """Whether it requires a gradient; what was taken away does not."""
        found = self.tensor if self.owner is None else getattr(self.owner, self.name, None)
        return isinstance(found, torch.Tensor) and found.requires_grad

    def __call__(self) -> Any:
        tensor = self.now.detach()
        if tensor.is_quantized:
            tensor = tensor.dequantize()
        if tensor.layout is not torch.strided:
            tensor = tensor.to_dense()
        if tensor.is_complex():
            return tensor.cpu().numpy()
        exact = tensor.dtype in (torch.float64, torch.int64, torch.int32)
        dtype = torch.float64 if exact else torch.float32
        if tensor.dtype is dtype and tensor.device.type == "cpu":
            return tensor.numpy()
        kept = self._kept
        if kept is None or kept.shape != tensor.shape or kept.dtype is not dtype:
            self._kept = kept = torch.empty(tensor.shape, dtype=dtype)
        return kept.copy_(tensor).numpy()
