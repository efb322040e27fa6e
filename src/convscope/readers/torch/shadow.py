"""A copy of a module's tree to run in its place: whatever a forward changes, it changes here.

The parameters are the same tensors. Every module's own attributes, buffers in training, hooks and flags are
the copy's own; what the attributes hold (lists, dictionaries, methods of modules) is followed as far as
modules are in it.
"""

from __future__ import annotations

import functools
import types
from collections import OrderedDict
from copy import deepcopy
from typing import Any

DEEPEST = 6
"""So far are lists in lists followed."""


def shadow(module: Any, training: bool) -> Any:
    """Return a module that computes what `module` does and shares its parameters, nothing else.

    training   whether its modules keep their own flags; else all of them evaluate
    """
    import torch

    made: dict[int, Any] = {}
    order: list[Any] = []

    def copied(one: Any) -> Any:
        if id(one) in made:
            return made[id(one)]
        if isinstance(
            one, torch.jit.ScriptModule
        ):  # it lives in C++: a copy with weights of its own
            made[id(one)] = other = deepcopy(one)
            return other if training else other.eval()
        made[id(one)] = other = object.__new__(type(one))
        own = dict(one.__dict__)
        for name, value in own.items():
            if type(value) in (dict, OrderedDict) and name.startswith("_"):
                own[name] = value.copy()
        own["_modules"] = {
            name: None if child is None else copied(child) for name, child in one._modules.items()
        }
        if not training:
            own["training"] = False
        if training and any(m.training for m in one.modules()):
            own["_buffers"] = {
                n: None if b is None else b.detach().clone() for n, b in one._buffers.items()
            }
        own.pop("_compiled_call_impl", None)
        other.__dict__.update(own)
        order.append(other)
        return other

    result = copied(module)
    for other in order:
        held = other.__dict__
        for name, value in held.items():
            kind = type(value)
            if name in KEPT or (kind in (dict, OrderedDict) and not value and name[:1] == "_"):
                continue  # a copy already
            if kind in HOLDERS or id(value) in made:
                held[name] = _followed(value, made, DEEPEST)
    return result


KEPT = frozenset(("_parameters", "_buffers", "_modules", "_non_persistent_buffers_set", "training"))

HOLDERS = frozenset((list, tuple, set, dict, OrderedDict, types.MethodType, functools.partial))
"""What may hold modules."""


def _followed(value: Any, made: dict[int, Any], deep: int) -> Any:
    """Return what an attribute holds, with the copies in the places of the modules."""
    if id(value) in made:
        return made[id(value)]
    if deep == 0:
        return value
    kind = type(value)
    if kind in (list, tuple, set):
        return kind(_followed(v, made, deep - 1) for v in value)
    if kind in (dict, OrderedDict):
        return kind((k, _followed(v, made, deep - 1)) for k, v in value.items())
    if kind is types.MethodType and id(value.__self__) in made:
        return types.MethodType(value.__func__, made[id(value.__self__)])
    if kind is functools.partial:
        arguments = (_followed(v, made, deep - 1) for v in value.args)
        named = {k: _followed(v, made, deep - 1) for k, v in value.keywords.items()}
        return functools.partial(_followed(value.func, made, deep - 1), *arguments, **named)
    return value


def plain(module: Any) -> Any:
    """Return what stands behind a compiled module: the module that was compiled."""
    while type(module).__name__ == "OptimizedModule" and hasattr(module, "_orig_mod"):
        module = module._orig_mod
    return module
