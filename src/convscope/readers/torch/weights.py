"""A module with other tensors in the places of its own: those of a .safetensors file, or copies on a device.

The module itself keeps its own.
"""

from __future__ import annotations

import os
from typing import Any

import torch

from convscope.errors import SettingError, WeightsError, did_you_mean
from convscope.files.safetensors import Stored, header, numbers
from convscope.files.source_file import SourceFile
from convscope.notation.sizes import shape_text
from convscope.readers.torch.shadow import shadow, tree

DTYPES = {
    "F64": torch.float64, "F32": torch.float32, "F16": torch.float16, "BF16": torch.bfloat16, "I64": torch.int64,
    "I32": torch.int32, "I16": torch.int16, "I8": torch.int8, "U8": torch.uint8, "BOOL": torch.bool,
    "F8_E4M3": torch.float8_e4m3fn, "F8_E5M2": torch.float8_e5m2, "C64": torch.complex64,
}  # fmt: skip

SHOWN = 4


def with_weights(module: Any, path: str | os.PathLike[str]) -> Any:
    """Return a module that computes what `module` does with the weights of a file; it shares nothing else.

    Raises `SourceError` for a file that is not of the format, `WeightsError` where its names or shapes are
    not those of the module's state dict.
    """
    file = SourceFile(path)
    stored = header(file)
    other = shadow(module, training=True)
    places = dict(_places(other))
    _check(file, type(module).__name__, stored, places)
    with torch.no_grad():
        made: dict[int, Any] = {}
        for name, data in numbers(file, {n: one for n, one in stored.items() if n in places}):
            one = stored[name]
            kind = DTYPES[one.dtype]
            tensor = torch.frombuffer(data, dtype=kind) if one.size else torch.empty(0, dtype=kind)
            owner, own, held = places[name]
            tensor = tensor.reshape(one.shape).to(held.dtype)
            if own in owner._parameters:
                tensor = torch.nn.Parameter(tensor, requires_grad=held.requires_grad)
            made[id(held)] = tensor
        for owner, own, held in places.values():  # a weight that two modules share is put into both
            if id(held) in made:
                (owner._parameters if own in owner._parameters else owner._buffers)[own] = made[
                    id(held)
                ]
    return other


def on_device(module: Any, device: Any) -> Any:
    """Return a module that computes what `module` does on a device: itself where all of it is there already.

    Raises `SettingError` for a device that there is not, or that its numbers cannot be brought to.
    """
    try:
        there = torch.empty(0, device=device).device
        if all(tensor.device == there for _, _, tensor in _tensors(module)):
            return module
        other = shadow(module, training=True)
        made: dict[int, Any] = {}
        for owner, own, tensor in _tensors(other):
            if isinstance(owner, torch.jit.ScriptModule):  # a copy with tensors of its own already
                owner.to(there)
                continue
            learned = own in owner._parameters
            if id(tensor) not in made:
                copy = tensor.detach().to(there)
                if learned:
                    copy = torch.nn.Parameter(copy, requires_grad=tensor.requires_grad)
                made[id(tensor)] = copy
            (owner._parameters if learned else owner._buffers)[own] = made[id(tensor)]
    except (RuntimeError, AssertionError, TypeError, NotImplementedError) as error:
        said = str(error).partition("\n")[0]
        raise SettingError(
            f"{type(module).__name__} is not brought to device={device!r}: {said}"
        ) from error
    return other


def _tensors(module: Any) -> Any:
    """Yield every parameter and buffer: the module that holds it, its own name there, and the tensor."""
    for one in tree(module).values():
        for held in (one._parameters, one._buffers):
            for name, tensor in list(held.items()):
                if tensor is not None:
                    yield one, name, tensor


def _places(module: Any) -> Any:
    """Yield every name of a module's state dict: the module that holds it, its own name there, and the tensor."""
    for path, one in module.named_modules(remove_duplicate=False):
        prefix = f"{path}." if path else ""
        for name, tensor in one._parameters.items():
            if tensor is not None:
                yield prefix + name, (one, name, tensor)
        for name, tensor in one._buffers.items():
            if tensor is not None and name not in one._non_persistent_buffers_set:
                yield prefix + name, (one, name, tensor)


def _check(file: SourceFile, kind: str, stored: dict[str, Stored], places: dict[str, Any]) -> None:
    there = {id(tensor) for name, (_, _, tensor) in places.items() if name in stored}
    missing = [name for name, (_, _, tensor) in places.items() if id(tensor) not in there]
    more = [name for name in stored if name not in places]
    said = []
    if missing:
        said.append(f"it lacks {_listed(missing)}")
    if more:
        said.append(
            f"{_listed(more)} {'are' if len(more) > 1 else 'is'} not among the module's{did_you_mean(more[0], places)}"
        )
    for name, one in stored.items():
        if name in places and one.shape != tuple(places[name][2].shape):
            own = shape_text(tuple(places[name][2].shape))
            said.append(f"{name} is {shape_text(one.shape)}, and the module's {own}")
        elif name in places and one.dtype not in DTYPES:
            said.append(f"{name} is {one.dtype}, which PyTorch has no numbers for")
        if len(said) > SHOWN:
            break
    if said:
        raise WeightsError(
            f"{file} does not fit {kind}: {'; '.join(said[:SHOWN])}{' …' if len(said) > SHOWN else ''}"
        )


def _listed(names: list[str]) -> str:
    return f"{', '.join(names[:SHOWN])}{f' and {len(names) - SHOWN} more' if len(names) > SHOWN else ''}"
