"""A copy of a module's tree to run in its place: whatever a forward changes, it changes here.

The parameters are the same tensors. Every module's own attributes, buffers in training, hooks and flags are
the copy's own; what the attributes hold (lists, dictionaries, methods of modules) is followed as far as
modules are in it.
"""

from __future__ import annotations

import functools
import types
from collections import OrderedDict
from collections.abc import Iterator, Mapping
from copy import deepcopy
from typing import Any

from convscope.errors import SourceError

DEEPEST = 6
"""So far are lists in lists followed."""


def shadow(module: Any, training: bool) -> Any:
    """Return a module that computes what `module` does and shares its parameters, nothing else.

    training   whether its modules keep their own flags; else all of them evaluate
    """
    return shadowed(module, training)[0]


def shadowed(module: Any, training: bool) -> tuple[Any, list[tuple[str, Any, Any]]]:
    """Return a module's shadow, and every module of its tree: its path, itself and its copy."""
    copying = _Copying(training)
    result = copying.copied(module, "")
    for held, name, value in copying.holding:
        held[name] = _followed(value, copying.made, DEEPEST)
    if not copying.scripted:
        return result, copying.every
    originals, copies = tree(module), tree(result)  # what is in a scripted one was copied with it
    return result, [(path, originals.get(path, copy), copy) for path, copy in copies.items()]


class _Copying:
    """Copies a tree of modules.

    made      id of a module → its copy
    every     each module in the order of its tree: its first path, itself and its copy
    scripted  whether there are some of which the copies are not ours
    holding   attributes that may hold modules: whose, its name, what it is
    """

    def __init__(self, training: bool) -> None:
        self.training = training
        self.made: dict[int, Any] = {}
        self.every: list[tuple[str, Any, Any]] = []
        self.scripted = False
        self.holding: list[tuple[dict[str, Any], str, Any]] = []

    def copied(self, one: Any, path: str) -> Any:
        """Return the copy of a module, the same one every time."""
        if id(one) in self.made:
            return self.made[id(one)]
        of: Any = type(one)
        scripted, slots, module = _told(of)
        if scripted:  # it lives in C++: a copy with weights of its own
            self.scripted = True
            self.made[id(one)] = other = deepcopy(one)
            return other if self.training else other.eval()
        children = one._modules
        if children and (written := plain(one)) is not one:
            # a compiled one calls what was compiled, not its copy
            self.made[id(one)] = other = self.copied(written, path)
            return other
        self.made[id(one)] = other = object.__new__(of)
        self.every.append((path, one, other))
        own = dict(one.__dict__)
        for name, value in own.items():
            kind = type(value)
            if kind in FILLED:
                if not value:  # most of what a module holds
                    own[name] = kind()
                    continue
                if kind in MAPPINGS and name[:1] == "_":
                    own[name] = value.copy()
                    if name in KEPT:
                        continue
            elif kind in PLAIN:
                continue
            if (kind in HOLDERS and not _plain(value)) or isinstance(value, module):
                self.holding.append((own, name, own[name]))
        if children:
            before = f"{path}." if path else ""
            own["_modules"] = {
                n: None if c is None else self.copied(c, before + n) for n, c in children.items()
            }
        if not self.training:
            own["training"] = False
        elif any(m.training for m in one.modules()):
            own["_buffers"] = {
                n: None if b is None else b.detach().clone() for n, b in one._buffers.items()
            }
        own.pop("_compiled_call_impl", None)
        object.__setattr__(other, "__dict__", own)
        for name in slots:
            if hasattr(one, name):
                object.__setattr__(other, name, getattr(one, name))
        return other


@functools.lru_cache(maxsize=1024)
def _told(kind: type) -> tuple[bool, tuple[str, ...], type]:
    """Return whether a class lives in C++, its attributes beside its dictionary, and what modules are."""
    import torch

    said = [one.__dict__.get("__slots__", ()) for one in kind.__mro__]
    names = [n for slots in said for n in ((slots,) if isinstance(slots, str) else slots)]
    beside = tuple(n for n in names if n not in ("__dict__", "__weakref__"))
    return issubclass(kind, torch.jit.ScriptModule), beside, torch.nn.Module


KEPT = frozenset(("_parameters", "_buffers", "_modules", "_non_persistent_buffers_set", "training"))

MAPPINGS = frozenset((dict, OrderedDict))

FILLED = frozenset((list, set, dict, OrderedDict))
"""What a forward may put things into."""

HOLDERS = frozenset((list, tuple, set, dict, OrderedDict, types.MethodType, functools.partial))
"""What may hold modules."""

PLAIN = frozenset((bool, int, float, str, type(None)))
"""What holds nothing."""


def _plain(value: Any) -> bool:
    """Whether it is a tuple that holds nothing else; a list, which a forward may change, is copied."""
    return type(value) is tuple and PLAIN.issuperset(map(type, value))


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


def tree(module: Any) -> dict[str, Any]:
    """Return every module of a tree by the first of its paths: `named_modules` in a tenth of the time."""
    found: dict[str, Any] = {}
    met: set[int] = set()
    stack = [("", module)]
    while stack:
        path, one = stack.pop()
        if one is None or id(one) in met:
            continue
        inside = one._modules
        if inside:
            if (written := plain(one)) is not one:
                stack.append((path, written))
                continue
            before = f"{path}." if path else ""
            stack += reversed([(before + n, child) for n, child in inside.items()])
        met.add(id(one))
        found[path] = one
    return found


def parameters(modules: Mapping[str, Any]) -> Iterator[Any]:
    """Yield the parameters of a tree of modules; one that several hold comes several times."""
    for one in modules.values():
        for parameter in one._parameters.values():
            if parameter is not None:
                yield parameter


def is_leaf(module: Any) -> bool:
    """Whether a module has no modules of its own."""
    return not module._modules or all(child is None for _, child in module._modules.items())


def plain(module: Any) -> Any:
    """Return what stands behind a compiled module: the module that was compiled."""
    while type(module).__name__ == "OptimizedModule" and hasattr(module, "_orig_mod"):
        module = module._orig_mod
    return module


def initialised(modules: Mapping[str, Any]) -> None:
    """Raise `SourceError` for a tree of modules whose lazy parameters have no shape yet."""
    import torch

    kind = torch.nn.parameter.UninitializedTensorMixin  # type: ignore[attr-defined]
    waiting = [
        f"{path}.{name}" if path else name
        for path, one in modules.items()
        for held in (one._parameters, one._buffers)
        for name, tensor in held.items()
        if isinstance(tensor, kind)
    ]
    if waiting:
        shown = ", ".join(waiting[:3]) + (" …" if len(waiting) > 3 else "")
        raise SourceError(
            f"{type(modules['']).__name__} has parameters without a shape ({shown}): call it once on an example, "
            f"module(example), and then open it"
        )
