"""Running a model as it was stored: ONNX Runtime on the file's own bytes, with more outputs asked for.

Protocol buffers add up: the bytes of a model followed by the bytes of another that has nothing but
outputs are the first model with those outputs. So the weights are never written again.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from convscope.engine.blocks import Blocks, asked
from convscope.engine.memory import WORTH_TRIMMING, aligned, trim
from convscope.engine.sessions import AnySession, Session, SessionApart
from convscope.errors import EngineError, InputError
from convscope.typed import Array

TIME_LIMIT = 120.0
"""After so many seconds a run of a file is stopped."""

UNCHECKED_LIMIT = 45.0
"""After so many one of which nobody knows what it takes: a Loop in a file need not end."""


@dataclass(frozen=True, slots=True)
class Feed:
    """An input of the model: its type, and whether its first axis is the batch."""

    dtype: Any
    batched: bool


@dataclass(frozen=True, slots=True)
class Fetched:
    """Where a layer's value is found: a tensor, or an array that is known; batched or not, and along which of its axes."""

    tensor: str
    batched: bool
    known: Callable[[], Array] | None = None
    place: int = 0


@dataclass(frozen=True, slots=True)
class Material:
    """A model ready to be run: its bytes, what its graph names, and arrays kept in other files.

    outputs    the tensors that are outputs already
    external   tensor name → what gives the array that the model only refers to
    alone      whether images must go through it one by one: its batch is fixed to 1, or mixed
    matrices   which of the external arrays are matrices that only products read
    checked    whether every operator has an equation, and what constants make is small and soon made: then it runs in
               this process, else in one of its own
    """

    name: str
    data: bytes
    inputs: Mapping[str, Feed]
    outputs: frozenset[str]
    external: Mapping[str, Callable[[], Array]]
    alone: bool
    matrices: frozenset[str] = frozenset()
    checked: bool = False


class StoredEngine:
    """A stored model made ready to run, for one set of activations to keep.

    needed   the layer whose value has to be an array of numbers: the network's output
    memory   how many bytes a run may take, where nobody could check what it takes
    limit    seconds after which a run is stopped; by default `TIME_LIMIT`, or `UNCHECKED_LIMIT`
    many     whether inputs come in batches of several; see `Engine`
    """

    def __init__(
        self,
        material: Material,
        keep: Mapping[str, Fetched],
        needed: str,
        memory: int,
        limit: float | None = None,
        many: bool = False,
    ) -> None:
        self.material, self.keep = material, dict(keep)
        self.needed = needed
        self.limit = limit or (TIME_LIMIT if material.checked else UNCHECKED_LIMIT)
        computed = [k for k in keep.values() if k.known is None]
        self._fetched = [
            t for t in dict.fromkeys(k.tensor for k in computed) if t not in material.inputs
        ]
        self._session: AnySession | None = None
        if self._fetched:
            batched = all(k.batched for k in computed)  # blocks are
            self._session = _opened(material, self._fetched, many, self.limit, memory, batched)
            trim(len(material.data) if not material.external else WORTH_TRIMMING)

    @property
    def shared(self) -> bool:
        """Whether several callers may run it at once."""
        return self._session is None or self._session.shared

    def run(self, inputs: Mapping[str, Array]) -> dict[str, Array]:
        """Return the kept activations for a batch: name → array with a batch axis.

        Values that are no arrays of numbers, or empty ones, are left out. Raises `EngineError` when
        ONNX Runtime fails on these inputs or needs too long.
        """
        rows = len(next(iter(inputs.values()))) if inputs else 1
        if rows > 1 and self.material.alone:
            from convscope.engine.runtime import one_by_one

            return one_by_one(self._run, inputs)
        return self._run(inputs)

    def _run(self, inputs: Mapping[str, Array]) -> dict[str, Array]:
        given = {name: self._given(name, array) for name, array in inputs.items()}
        found: dict[str, Any] = dict(given)
        if self._session is not None:
            results = self._session.run(self._fetched, given)
            found.update(zip(self._fetched, results, strict=True))
        kept = {}
        for name, where in self.keep.items():
            value = found[where.tensor] if where.known is None else np.asarray(where.known())
            array = _numbers(value)
            if array is not None:
                array = np.moveaxis(array, where.place, 0) if where.place else array
                kept[name] = array if where.batched else array[np.newaxis]
        if self.needed in self.keep and self.needed not in kept:
            raise EngineError(
                f"the output {self.needed} of {self.material.name} is no array of numbers, or an empty one"
            )
        return kept

    def _given(self, name: str, array: Array) -> Array:
        feed = self.material.inputs[name]
        if feed.dtype is None:
            raise InputError(f"{name} takes no numbers, so that it cannot be given")
        with np.errstate(all="ignore"):
            return np.ascontiguousarray((array if feed.batched else array[0]).astype(feed.dtype))


def _numbers(value: Any) -> Array | None:
    """Return a value as numbers that every view can show; None for texts, sequences, nothing."""
    if isinstance(value, Blocks):
        return value  # type: ignore[return-value]  # whoever asked for blocks knows
    if not isinstance(value, np.ndarray) or value.size == 0:
        return None
    if value.dtype.kind in "bfiu" and value.dtype != np.float32:
        return value.astype(np.float64 if value.dtype.itemsize > 2 else np.float32)
    return value if value.dtype == np.float32 else None


def _opened(
    material: Material, fetched: list[str], many: bool, limit: float, memory: int, batched: bool
) -> AnySession:
    """Return a session on the model's bytes, with these tensors among its outputs."""
    from onnx import GraphProto, ModelProto, ValueInfoProto

    more = [ValueInfoProto(name=t) for t in fetched if t not in material.outputs]
    added = ModelProto(graph=GraphProto(output=more)).SerializeToString() if more else b""
    apart = {name: aligned(get()) for name, get in material.external.items()}
    model, products, name = material.data + added, material.matrices, material.name
    if material.checked:
        blocks = asked() and batched and not material.alone
        return Session(model, apart, products, len(fetched), many, name, limit, blocks)
    return SessionApart(model, apart, products, len(fetched), many, name, limit, memory)
