"""Tensors in tuples, lists, mappings and dataclasses: found with their places, exchanged, shown."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from typing import Any

import torch


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


def tensors_of(given: Any, name: str = "") -> Iterator[tuple[str, Any]]:
    """Yield the tensors among what a forward returned, or is given, with their places."""
    for place, leaf in leaves_of(given, name):
        if isinstance(leaf, torch.Tensor):
            yield place, leaf


def mapped(change: Callable[[Any], Any], value: Any) -> Any:
    """Return a structure with every leaf changed; kinds of containers are kept where they can be made again."""
    if isinstance(value, torch.Tensor):
        return change(value)
    if isinstance(value, tuple) and hasattr(value, "_fields"):
        return type(value)(*(mapped(change, v) for v in value))
    if type(value) in (list, tuple):
        return type(value)(mapped(change, v) for v in value)
    if isinstance(value, Mapping) and type(value) is not dict and hasattr(value, "copy"):
        try:
            other = value.copy()
            for key, one in value.items():
                other[key] = mapped(change, one)
            return other
        except (TypeError, AttributeError):
            return value
    if isinstance(value, Mapping):
        return {k: mapped(change, v) for k, v in value.items()}
    if hasattr(value, "__dataclass_fields__") and not isinstance(value, type):
        return replace(
            value, **{n: mapped(change, getattr(value, n)) for n in value.__dataclass_fields__}
        )
    return change(value)
