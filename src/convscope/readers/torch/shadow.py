"""A copy of a module's tree to run in its place: whatever a forward changes, it changes here.

The parameters are the same tensors. Every module's own attributes, buffers in training, hooks and flags are
the copy's own, and so is what the attributes and hooks hold: lists, dictionaries, objects, generators of random
numbers, methods, and what functions have closed over. What two of them share, their copies share.
"""

from __future__ import annotations

import functools
import sys
import types
import warnings
from collections import Counter, OrderedDict, defaultdict, deque
from collections.abc import Iterator, Mapping
from copy import copy, deepcopy
from typing import Any

import torch

from convscope.errors import SourceError

DEEPEST, FAR = 96, 16
"""So far are lists in lists followed, and what an object holds, or a function knows, is so far away."""

LARGEST = 1 << 20
"""Arrays of more bytes are data that a module reads, and are not copied."""


def shadow(module: Any, training: bool) -> Any:
    """Return a module that computes what `module` does and shares its parameters, nothing else.

    training   whether its modules keep their own flags; else all of them evaluate
    """
    return shadowed(module, training)[0]


def shadowed(
    module: Any, training: bool, *given: Any
) -> tuple[Any, list[tuple[str, Any, Any]], tuple[Any, ...]]:
    """Return a module's shadow, every module of its tree (its path, itself and its copy), and copies of what is given.

    Tensors that are given stay the same.
    """
    copying = _Copying(training, {})
    result = copying.copied(module, "")
    following = _Following(copying.made)
    following.follow(copying.holding, DEEPEST)
    arguments = tuple([following.copied(one, DEEPEST) for one in given])
    if not copying.scripted:
        return result, copying.every, arguments
    originals, copies = tree(module), tree(result)  # what is in a scripted one was copied with it
    every = [(path, originals.get(path, copy), copy) for path, copy in copies.items()]
    return result, every, arguments


def kept(value: Any) -> Any:
    """Return an object as it is now, its tensors too, whatever becomes of it."""
    return _Following({}, clone=True).copied(value, DEEPEST)


class _Copying:
    """Copies a tree of modules.

    made      id of a module, and of what its attributes hold → its copy
    every     each module in the order of its tree: its first path, itself and its copy
    scripted  whether there are some of which the copies are not ours
    holding   attributes whose values are copied after the modules: whose, its name, what it is
    """

    def __init__(self, training: bool, made: dict[int, Any]) -> None:
        self.training, self.made = training, made
        self.every: list[tuple[str, Any, Any]] = []
        self.scripted = False
        self.holding: list[tuple[dict[str, Any], str, Any]] = []

    def copied(self, one: Any, path: str) -> Any:
        """Return the copy of a module, the same one every time."""
        if id(one) in self.made:
            return self.made[id(one)]
        of: Any = type(one)
        scripted, slots, _ = _told(of)
        if scripted:  # it lives in C++: a copy with weights of its own
            self.scripted = True
            self.made[id(one)] = other = deepcopy(one)
            return other if self.training else other.eval()
        children = one._modules
        if children and (written := plain(one)) is not one:
            # a compiled one calls what was compiled, not its copy
            self.made[id(one)] = other = self.copied(written, path)
            return other
        try:
            other = object.__new__(of)
        except TypeError:  # it is a dictionary too, say
            other = copy(one)
        self.made[id(one)] = other
        self.every.append((path, one, other))
        own = dict(one.__dict__)
        for name, value in own.items():
            kind: Any = type(value)
            if kind in PLAIN:
                continue
            if kind in FILLED and not value:  # most of what a module holds
                own[name] = empty = kind()
                if name not in USUAL:
                    self.made[id(value)] = empty
                continue
            if name in KEPT:
                own[name] = value.copy()
                continue
            if kind in ROWS and PLAIN.issuperset(map(type, value)):
                if kind is list:
                    own[name] = self.made[id(value)] = value.copy()
                continue
            if kind in HOLDERS or _is_followed(kind):
                self.holding.append((own, name, value))
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
def _told(kind: type) -> tuple[bool, tuple[str, ...], bool]:
    """Return whether a class lives in C++, its attributes beside its dictionary, and whether it is one of modules."""
    said = [one.__dict__.get("__slots__", ()) for one in kind.__mro__]
    names = [n for slots in said for n in ((slots,) if isinstance(slots, str) else slots)]
    beside = tuple(n for n in names if n not in ("__dict__", "__weakref__"))
    return issubclass(kind, torch.jit.ScriptModule), beside, issubclass(kind, torch.nn.Module)


KEPT = frozenset(("_parameters", "_buffers", "_modules", "_non_persistent_buffers_set", "training"))

USUAL = frozenset(torch.nn.Module().__dict__)
"""What every module holds: nobody shares it."""

FILLED = frozenset((list, set, dict, OrderedDict))
"""What a forward may put things into."""

CONTAINERS = frozenset((*FILLED, deque, defaultdict, Counter))
"""What may be changed itself."""

HOLDERS = frozenset((*CONTAINERS, tuple))
"""What may hold modules, or be changed itself."""

PLAIN = frozenset((bool, int, float, str, type(None)))
"""What holds nothing."""


ROWS = frozenset((list, tuple))

NUMBERS = frozenset((
    "random.Random", "builtins.bytearray", "array.array", "numpy.ndarray", "numpy.random._generator.Generator", "numpy.random.mtrand.RandomState",
))  # fmt: skip
"""What changes in place, and can be copied whole."""


@functools.lru_cache(maxsize=1024)
def _is_followed(kind: Any) -> bool:
    """Whether values of a class are copied, beside containers."""
    callables = (types.FunctionType, types.MethodType, functools.partial)
    return (
        kind in callables
        or _told(kind)[2]
        or _is_object(kind)
        or _is_named(kind)
        or _holder(kind) is not None
        or _is_iterator(kind)
        or _whole(kind) in NUMBERS
        or _draws(kind)
    )


def _is_named(kind: type) -> bool:
    """Whether a class is one of named tuples."""
    return issubclass(kind, tuple) and hasattr(kind, "_fields")


def _whole(kind: type) -> str:
    return f"{kind.__module__}.{kind.__qualname__}"


def _bytes(value: Any) -> int:
    size: int = value.nbytes if hasattr(value, "nbytes") else sys.getsizeof(value)
    return size


def _draws(kind: type) -> bool:
    """Whether it is PyTorch's generator of random numbers, which each draw changes."""
    return _whole(kind) == "torch._C.Generator"


@functools.lru_cache(maxsize=1024)
def _holder(kind: type) -> Any:
    """Return the container that a class is, or that it is somebody's own kind of; None for others."""
    if kind in CONTAINERS:
        return kind
    base: Any = next((one for one in kind.__mro__ if one in CONTAINERS), None)
    own = base is not None and kind.__new__ is base.__new__ and not _told(kind)[2]
    return base if own and not _is_library(kind) else None


def _is_iterator(kind: type) -> bool:
    """Whether a class is one of Python's own iterators, which say what they are made of; generators do not."""
    return hasattr(kind, "__next__") and kind.__module__ in ("builtins", "itertools")


def _is_library(kind: type) -> bool:
    """Whether a class, or one under it, is PyTorch's or Python's own, beside what containers and objects are."""
    return any(
        root == "torch"
        or (root in sys.stdlib_module_names and root not in ("builtins", "abc", "typing"))
        for root in (one.__module__.partition(".")[0] for one in kind.__mro__ if one not in HOLDERS)
    )


@functools.lru_cache(maxsize=1024)
def _is_object(kind: type) -> bool:
    """Whether a class is somebody's own, with attributes alone, and has no word of its own on being copied."""
    usual = all(
        getattr(kind, name, None) is getattr(object, name, None)
        for name in (
            "__new__",
            "__reduce__",
            "__reduce_ex__",
            "__getstate__",
            "__copy__",
            "__deepcopy__",
        )
    )
    slots = _told(kind)[1]
    kept = kind.__dictoffset__ != 0 or bool(slots)
    return usual and kept and not _is_library(kind) and not any(n[:2] == "__" for n in slots)


WORKING = frozenset(
    (
        "_thread",
        "threading",
        "_queue",
        "queue",
        "multiprocessing",
        "concurrent",
        "asyncio",
        "subprocess",
    )
)
"""Where what others work with comes from: who waits for an answer must hold the same object as who gives it."""


def _is_worked_with(value: Any) -> bool:
    """Whether an object holds a thread, a lock, a queue or the like."""
    kind: Any = type(value)
    held = [getattr(value, name, None) for name in _told(kind)[1]]
    held += getattr(value, "__dict__", {}).values()
    return any(type(one).__module__.partition(".")[0] in WORKING for one in held)


class _Following:
    """Copies what attributes hold.

    made   id of what was met → its copy
    met    what was met, so that no other takes its id
    clone  whether tensors are copied too
    """

    def __init__(self, made: dict[int, Any], clone: bool = False) -> None:
        self.made, self.clone = made, clone
        self.met: list[Any] = []

    def follow(self, holding: list[tuple[dict[str, Any], str, Any]], deep: int) -> None:
        """Let copies hold copies: functions last, which may know what else is copied by its global name."""
        for functions in (False, True):
            for held, name, value in holding:
                if (name[-6:] == "_hooks" or type(value) is types.FunctionType) is functions:
                    held[name] = self.copied(value, deep)

    def copied(self, value: Any, deep: int) -> Any:
        """Return what an attribute holds as the copy's own."""
        kind: Any = type(value)
        if kind in PLAIN:
            return value
        if id(value) in self.made:
            return self.made[id(value)]
        if deep <= 0:
            return value
        if kind is tuple or _is_named(kind):
            return tuple.__new__(kind, [self.copied(v, deep - 1) for v in value])
        if (base := _holder(kind)) is not None:
            return self._container(value, base, deep - 1)
        if _is_iterator(kind):
            return self._iterator(value, deep - 1)
        deep -= FAR
        if kind is types.MethodType:
            owner = self.copied(value.__self__, deep)
            return value if owner is value.__self__ else types.MethodType(value.__func__, owner)
        if kind is functools.partial:
            given = [self.copied(v, deep) for v in value.args]
            named = {k: self.copied(v, deep) for k, v in value.keywords.items()}
            return functools.partial(self.copied(value.func, deep), *given, **named)
        if kind is types.FunctionType:
            return self._function(value, deep)
        if _told(kind)[2]:  # in nobody's tree: eval() does not reach it either
            beside = _Copying(True, self.made)
            other = beside.copied(value, "")
            self.met.append(value)
            self.follow(beside.holding, deep)
            return other
        if _is_object(kind) and not _is_worked_with(value):
            other = object.__new__(kind)
            self._know(value, other)
            self._attributes(value, other, deep)
            return other
        if self.clone and isinstance(value, torch.Tensor):
            other = value.detach().clone()
            self._know(value, other)
            return other
        if _whole(kind) in NUMBERS and _bytes(value) > LARGEST:
            return value
        if _whole(kind) in NUMBERS or _draws(kind):
            other = value.clone_state() if _draws(kind) else deepcopy(value)
            self._know(value, other)
            return other
        return value

    def _container(self, value: Any, base: Any, deep: int) -> Any:
        """Return a container of copies; of somebody's own kind of one, whatever that does when it is filled."""
        kind: Any = type(value)
        inside = (*value, *value.values()) if kind is base and issubclass(base, dict) else value
        if kind is base and PLAIN.issuperset(map(type, inside)):
            other = copy(value)
            self._know(value, other)
            return other
        other = base.__new__(kind)
        self._know(value, other)
        if base is deque:
            deque.__init__(other, (), value.maxlen)
        elif base is defaultdict:
            defaultdict.__init__(other, value.default_factory)
        if kind is not base:
            self._attributes(value, other, deep)
        if issubclass(base, dict):
            for key, one in list(base.items(value)):
                base.__setitem__(other, self.made.get(id(key), key), self.copied(one, deep))
        else:
            copies = [self.copied(one, deep) for one in base.__iter__(value)]
            (base.update if base is set else base.extend)(other, copies)
        return other

    def _attributes(self, value: Any, other: Any, deep: int) -> None:
        """Give a copy copies of attributes; all at once first: a set that holds it asks for its hash."""
        kind: Any = type(value)
        slots = [name for name in _told(kind)[1] if hasattr(value, name)]
        for name in slots:
            object.__setattr__(other, name, getattr(value, name))
        if kind.__dictoffset__:
            held = dict(value.__dict__)
            object.__setattr__(other, "__dict__", held)
            for name, one in value.__dict__.items():
                held[name] = self.copied(one, deep)
        for name in slots:
            object.__setattr__(other, name, self.copied(getattr(value, name), deep))

    def _iterator(self, value: Any, deep: int) -> Any:
        """Return an iterator that goes on from the same place, over copies; itself where it does not say what it is made of."""
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore", DeprecationWarning)
                make, given, *state = value.__reduce__()
        except TypeError:  # a generator, and from Python 3.14 on those of itertools
            return value
        other = make(*[self.copied(one, deep) for one in given])
        for one in state:
            other.__setstate__(self.copied(one, deep))
        self._know(value, other)
        return other

    def _know(self, value: Any, other: Any) -> None:
        self.made[id(value)] = other
        self.met.append(value)

    def _function(self, function: Any, deep: int) -> Any:
        """Return a function that has closed over copies, and that knows by their global names what was copied before."""
        whole = function.__globals__
        if function.__module__ is None or function.__module__.partition(".")[0] == "torch":
            return function
        known = {
            name: self.made[id(whole[name])]
            for name in _names(function.__code__)
            if name in whole and id(whole[name]) in self.made
        }
        cells = tuple([self._cell(cell, deep) for cell in function.__closure__ or ()])
        if not known and not cells:
            return function
        other = types.FunctionType(
            function.__code__,
            {**whole, **known} if known else whole,
            function.__name__,
            function.__defaults__,
            cells,
        )
        other.__kwdefaults__ = function.__kwdefaults__
        other.__dict__.update(function.__dict__)
        self._know(function, other)
        return other

    def _cell(self, cell: Any, deep: int) -> Any:
        if id(cell) not in self.made:
            other = types.CellType()
            self._know(cell, other)
            try:
                held = cell.cell_contents
            except ValueError:  # empty as yet
                return other
            other.cell_contents = self.copied(held, deep)
        return self.made[id(cell)]


def _names(code: Any) -> Iterator[str]:
    """Yield the global names that a function, and those in it, may read."""
    yield from code.co_names
    for one in code.co_consts:
        if isinstance(one, types.CodeType):
            yield from _names(one)


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
