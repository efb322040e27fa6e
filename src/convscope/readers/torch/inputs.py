"""What a module is called with: from an example or a shape to arguments, and the tensors among them by name."""

from __future__ import annotations

import inspect
import operator
from collections.abc import Iterator, Mapping, Sequence
from itertools import chain
from typing import Any

import torch

from convscope.errors import InputError
from convscope.notation.sizes import shape_text
from convscope.readers.example import Example
from convscope.readers.torch.shadow import kept
from convscope.readers.torch.structures import mapped, tensors_of
from convscope.typed import Record

Tensor = Any


class Arguments(Record):
    """What a module is called with.

    inputs   the tensors among it by name: the parameter of forward, and where in it: images, boxes.0
    """

    args: tuple[Any, ...]
    kwargs: dict[str, Any]
    inputs: dict[str, Tensor]

    def with_inputs(self, given: Mapping[str, Tensor]) -> Arguments:
        """Return the same arguments with other tensors for the inputs."""
        new = {id(self.inputs[name]): tensor for name, tensor in given.items()}

        def swapped(value: Any) -> Any:
            return new.get(id(value), value)

        args = tuple(mapped(swapped, a) for a in self.args)
        kwargs = {n: mapped(swapped, a) for n, a in self.kwargs.items()}
        return Arguments(args, kwargs, dict(given))


def arguments(module: Any, example: Example) -> Arguments:
    """Return what a module is called with; its tensors are copies, on the module's device.

    Raises `InputError` for an example without a tensor, or one that forward does not take.
    """
    taken = _signature(module)
    names = _names(taken)
    if example.shape is None:
        args, kwargs = _arranged(example, taken, names)
    elif example.args:
        raise InputError("give an example or the shape of one, not both")
    else:
        args, kwargs = _of_shape(module, example.shape)
    kwargs.update(example.keywords)
    copied = _Copies(module)
    args = tuple(mapped(copied, a) for a in args)
    kwargs = {name: mapped(copied, a) for name, a in kwargs.items()}
    inputs: dict[str, Tensor] = {}
    given: list[tuple[str, Tensor]] = []
    for place, value in enumerate(args):
        name = names[place] if place < len(names) else f"input_{place}" if place else "input"
        given += tensors_of(value, name)
    for name, value in kwargs.items():
        given += tensors_of(value, name)
    for name, tensor in given:
        if all(known is not tensor for known in inputs.values()):
            inputs[name] = tensor
    if not inputs:
        known = [type(one).__name__ for one in (*args, *kwargs.values())]
        but = f", but {' and '.join(known)}" if known else ""
        raise InputError(
            f"{type(module).__name__} was given no tensor{but}: give an example, as in "
            f"open(module, torch.rand(1, 3, 224, 224)), or a shape, shape=(3, 224, 224)"
        )
    return Arguments(args, kwargs, inputs)


_KINDS = inspect.Parameter
_NAMED = (_KINDS.POSITIONAL_ONLY, _KINDS.POSITIONAL_OR_KEYWORD, _KINDS.KEYWORD_ONLY)


def _signature(module: Any) -> inspect.Signature | None:
    """Return what forward takes; None where nobody says."""
    try:
        return inspect.signature(getattr(module, "forward", module))
    except (TypeError, ValueError):
        return None


def _names(taken: inspect.Signature | None) -> list[str]:
    """Return the names of what forward takes."""
    return [] if taken is None else [n for n, p in taken.parameters.items() if p.kind in _NAMED]


def _arranged(
    example: Example, taken: inspect.Signature | None, names: Sequence[str]
) -> tuple[tuple[Any, ...], dict[str, Any]]:
    """Return an example as arguments: a tuple or a list is several, a mapping is by name where it can be.

    A mapping that forward does not take so, and a list where forward says that its first argument is one, are one argument.
    """
    given = example.args
    if len(given) != 1:
        return tuple(given), {}
    (one,) = given
    if isinstance(one, Mapping) and all(isinstance(k, str) for k in one):
        if taken is None or _fits(taken, (), {**one, **example.keywords}):
            return (), dict(one)
        if set(one) <= set(names) and not _fits(taken, given, example.keywords):
            return (), dict(one)
    if isinstance(one, tuple) and not (
        hasattr(one, "_fields") and taken is not None and _fits(taken, given, example.keywords)
    ):  # a named one is one thing: packed rows of different lengths
        return tuple(one), {}
    if isinstance(one, list) and 1 < len(one) <= len(names):
        said = str(next(iter(taken.parameters.values())).annotation).lower() if taken else ""
        if not any(word in said for word in ("list", "sequence", "iterable")):
            return tuple(one), {}
    return (one,), {}


def _fits(taken: inspect.Signature, args: Sequence[Any], named: Mapping[str, Any]) -> bool:
    """Whether forward takes arguments so."""
    try:
        taken.bind(*args, **named)
    except TypeError:
        return False
    return True


def _of_shape(module: Any, shape: Any) -> tuple[tuple[Any, ...], dict[str, Any]]:
    """Return random numbers of a shape, or of several; the batch of 1 is put in front."""
    shape = shape.tolist() if hasattr(shape, "tolist") else shape  # an array
    if isinstance(shape, Mapping):
        return (), {str(name): _random(module, one) for name, one in shape.items()}
    if (
        isinstance(shape, (list, tuple))
        and shape
        and all(isinstance(s, (list, tuple)) for s in shape)
    ):
        return tuple(_random(module, one) for one in shape), {}
    return (_random(module, shape),), {}


def _random(module: Any, shape: Any) -> Tensor:
    said = tuple(shape) if isinstance(shape, (list, tuple)) else (shape,)
    try:
        sizes = tuple(map(operator.index, said))  # numpy's whole numbers too
    except TypeError:
        sizes = ()
    if not sizes or min(sizes) < 1 or any(isinstance(s, bool) for s in said):
        raise InputError(
            f"a shape is whole numbers without the batch, as (3, 224, 224), not {shape!r}"
        )
    dtype = next((p.dtype for p in module.parameters() if p.is_floating_point()), torch.float32)
    generator = torch.Generator().manual_seed(0)
    try:
        return torch.rand((1, *sizes), generator=generator).to(dtype)
    except (RuntimeError, TypeError, OverflowError) as error:
        raise InputError(f"there is no room for an input of {shape_text(sizes)}") from error


class _Copies:
    """Makes tensors of arrays, and copies of tensors, on the device of a module."""

    def __init__(self, module: Any) -> None:
        self.device = next((t.device for t in chain(module.parameters(), module.buffers())), None)
        self.known: dict[int, tuple[Any, Tensor]] = {}

    def __call__(self, value: Any) -> Any:
        if type(value).__module__ == "numpy" and hasattr(value, "__setitem__"):  # no single number
            try:
                value = torch.from_numpy(value.copy())
            except TypeError as error:
                raise InputError(f"an array of {value.dtype} is no tensor: {error}") from error
        if isinstance(value, Iterator):
            raise InputError(
                f"a {type(value).__name__} can be read once, and a module is run for every image: give a list or a tuple"
            )
        if not isinstance(value, torch.Tensor):
            return value if isinstance(value, torch.nn.Module) else kept(value)
        if id(value) not in self.known:
            copy = value.detach().clone()
            if self.device is not None and copy.device != self.device:
                copy = copy.to(self.device)
            if value.requires_grad and value.is_leaf:
                copy.requires_grad_()
            self.known[id(value)] = (value, copy)
        return self.known[id(value)][1]


def as_tensor(array: Any, like: Tensor) -> Tensor:
    """Return a copy of an array as the tensor that stands for an input, in its type and on its device."""
    import numpy as np

    return torch.from_numpy(np.array(array)).to(device=like.device, dtype=like.dtype)
