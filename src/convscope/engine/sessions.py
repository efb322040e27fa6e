"""Sessions of ONNX Runtime: made and run under supervision, here or in a process apart.

What our own checks have passed, a graph in which every operator has an equation, runs here: each operator
ends, and what it takes is known. Anything else runs in a child process with limits.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Container, Iterator, Mapping, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from pathlib import Path
from typing import Any, Protocol, TypeVar

import numpy as np

from convscope.engine.blocks import Left, reopened
from convscope.engine.child import first_line, take
from convscope.engine.memory import let_go
from convscope.engine.native import onnxruntime
from convscope.engine.supervision import TookTooLong, supervised, watched
from convscope.errors import ConvscopeError, EngineError
from convscope.layers.mapped import check_whole
from convscope.typed import Array

Result = TypeVar("Result")

IN_PLACE_FROM = 1 << 24
"""Matrices that hold this many bytes together are used where they lie.

ONNX Runtime packs smaller ones into a copy, which makes products of many rows up to twice as fast.
"""

MOST_WRITTEN = 1 << 28
"""A network of so many bytes is written to a file and opened again, to have `Blocks`; of a larger one that takes more than it saves."""

READY_SECONDS = 45.0
"""Making a session ready may always take so long: of a large network it takes seconds."""


QUICK_SECONDS = 0.1
"""A run that took less is not watched when it comes again: what it takes depends on shapes alone."""


_threads: ContextVar[int] = ContextVar("convscope threads", default=0)


@contextmanager
def for_callers(callers: int) -> Iterator[None]:
    """Let sessions made in this block be run by so many callers at once, each with its share of the processor.

    Each then leaves the processor to others as soon as its run is done: threads of ONNX Runtime else go on
    looking for work for a while, which makes the next run quicker, and is in the way of whoever computes meanwhile.
    """
    token = _threads.set(max(1, processors() // callers))
    try:
        yield
    finally:
        _threads.reset(token)


def _allowed() -> int:
    """Return how many threads OMP_NUM_THREADS allows, which numpy and PyTorch keep to as well; 0 where it says none."""
    first = os.environ.get("OMP_NUM_THREADS", "").partition(",")[0].strip()
    return int(first) if first.isdecimal() else 0


def processors() -> int:
    """Return how many processors this process may use."""
    allowed = getattr(os, "sched_getaffinity", None)
    return len(allowed(0)) if allowed is not None else os.cpu_count() or 1


class AnySession(Protocol):
    """A model that is ready to run."""

    in_place: int
    """How many bytes of the model's arrays are used where they lie."""

    shared: bool
    """Whether several callers may run it at once."""

    def run(self, fetched: Sequence[str], given: Mapping[str, Array]) -> list[Any]:
        """Return the values of tensors; raises `EngineError`, also when the time is up."""


class Session:
    """A session of ONNX Runtime in this process.

    model      its bytes
    apart      weights that the model only declares, as external data: name → array
    products   those that only matrix products read; large ones are used where they lie
    kept       how many values a run returns
    many       whether inputs come in batches of several: then even large matrices are packed
    name       what errors call it
    seconds    after how long a run is stopped; making it ready has `READY_SECONDS` at least
    blocks     whether values may come as `Blocks`

    Several callers may run it at once. Kernels of convolutions are copied once, by ONNX Runtime itself, which rearranges them into blocks for
    the processor. Nothing is serialised. Raises `EngineError` when ONNX Runtime refuses it.
    """

    shared = True

    def __init__(
        self,
        model: bytes,
        apart: Mapping[str, Array],
        products: Container[str],
        kept: int,
        many: bool,
        name: str,
        seconds: float | None = None,
        blocks: bool = False,
    ) -> None:
        self.name, self.seconds = name, seconds
        self._left: Mapping[str, Left] = {}
        self._held: list[Any] = []
        matrices = [name for name in apart if name in products]
        if many or sum(apart[name].nbytes for name in matrices) < IN_PLACE_FROM:
            matrices = []
        self._quick: set[Any] = set()
        try:
            size = len(model) + sum(array.nbytes for array in apart.values())
            if blocks and size <= MOST_WRITTEN:
                self._session, self._left = self._in_blocks(model, apart, kept)
            else:
                self._session, self._held = self._ready(model, apart, matrices, kept)
        except ConvscopeError:
            raise
        except Exception as error:  # ONNX Runtime's errors share no base class of their own
            raise EngineError(f"ONNX Runtime refused {self.name}: {first_line(error)}") from error
        self.in_place = sum(array.nbytes for _, array in self._held)

    def _ready(
        self, model: bytes, apart: Mapping[str, Array], matrices: Sequence[str], kept: int
    ) -> tuple[Any, list[Any]]:
        try:
            return self._opened(model, apart, matrices, kept)
        except ConvscopeError:
            raise
        except Exception:
            if not matrices:
                raise
            # an optimiser pass wanted to read a matrix, of which the model only knows the shape
            return self._opened(model, apart, [], kept)

    def _in_blocks(
        self, model: bytes, apart: Mapping[str, Array], kept: int
    ) -> tuple[Any, Mapping[str, Left]]:
        """Return an inference session that leaves values in blocks, and which."""

        def write(options: Any) -> Any:
            return self._opened(model, apart, [], kept, options)[0]

        try:
            return reopened(write, self._made, lambda: self._options(kept))
        except OSError:  # there is nowhere to write it to
            return write(self._options(kept)), {}

    def _options(self, kept: int) -> Any:
        options = onnxruntime().SessionOptions()
        options.log_severity_level = 4
        # Its plan of one block for all values is for those that it can drop. Where most are kept, values
        # that take each other's places in memory are faster: they are still in the processor's cache.
        options.enable_mem_pattern = kept == 1
        if threads := _threads.get() or _allowed():
            options.intra_op_num_threads = threads
        if _threads.get():
            options.add_session_config_entry("session.intra_op.allow_spinning", "0")
        return options

    def _opened(
        self,
        model: bytes,
        apart: Mapping[str, Array],
        in_place: Sequence[str],
        kept: int,
        options: Any = None,
    ) -> tuple[Any, list[Any]]:
        """Return an inference session, and the arrays that it uses in place: they must outlive it."""
        for array in apart.values():
            check_whole(array)
        ort = onnxruntime()
        options = options or self._options(kept)
        # nothing is read from there: every array that the model refers to is handed over below
        folder = str(Path(__file__).parents[1])
        options.add_session_config_entry(
            "session.model_external_initializers_file_folder_path", folder
        )
        values = {name: ort.OrtValue.ortvalue_from_numpy(array) for name, array in apart.items()}
        copied = [name for name in apart if name not in in_place]
        if copied:
            options.add_external_initializers(copied, [values[name] for name in copied])
        for name in in_place:
            options.add_initializer(name, values[name])
        if in_place:
            options.add_session_config_entry("session.disable_prepacking", "1")
        # it would read the matrices, to make one product of two
        without = ["MatMul_BatchNormalization_Fusion"] if in_place else None
        opened = self._made(model, options, without)
        for name in copied:
            let_go(apart[name])
        return opened, [(values[name], apart[name]) for name in in_place]

    def _made(self, model: bytes | str, options: Any, without: Sequence[str] | None = None) -> Any:
        """Return an inference session of a model or its file, made `without` some optimisers, in the time that there is."""
        ort = onnxruntime()
        return self._supervised(
            lambda: ort.InferenceSession(
                model,
                options,
                providers=["CPUExecutionProvider"],
                disabled_optimizers=without,
            ),
            # ONNX Runtime 1.20 cannot be told
            lambda: getattr(options, "set_load_cancellation_flag", bool)(True),
            f"making {self.name} ready in ONNX Runtime",
            None if self.seconds is None else max(self.seconds, READY_SECONDS),
        )

    def run(self, fetched: Sequence[str], given: Mapping[str, Array]) -> list[Any]:
        """Return the values of tensors; raises `EngineError`, also when the time is up."""
        for _, array in self._held:
            check_whole(array)
        options = onnxruntime().RunOptions()
        options.log_severity_level = 4
        shapes = tuple(array.shape for array in given.values())
        begun = time.perf_counter()

        names = [self._left[name].name if name in self._left else name for name in fetched]

        def work() -> list[Any]:
            found: list[Any] = self._session.run(names, dict(given), options)
            if not self._left:
                return found
            return [
                self._left[name].blocks(array) if name in self._left else array
                for name, array in zip(fetched, found, strict=True)
            ]

        def stop() -> None:
            options.terminate = True

        try:
            if shapes in self._quick:
                return watched(work, stop)
            found = self._supervised(
                work,
                stop,
                f"running {self.name} in ONNX Runtime",
                self.seconds,
            )
        except ConvscopeError:
            raise
        except Exception as failed:  # ONNX Runtime's errors share no base class of their own
            raise EngineError(
                f"ONNX Runtime failed on {self.name}: {first_line(failed)}"
            ) from failed
        if time.perf_counter() - begun < QUICK_SECONDS:
            self._quick.add(shapes)
        return found

    def _supervised(
        self,
        work: Callable[[], Result],
        stop: Callable[[], object],
        what: str,
        seconds: float | None,
    ) -> Result:
        try:
            return supervised(work, stop, seconds)
        except TookTooLong as error:
            raise EngineError(f"{what} was stopped after {seconds:g} seconds") from error


class SessionApart:
    """A session of ONNX Runtime in a child process, which nothing but itself can bring down.

    memory   how many bytes the child may take; see `Session` for the rest
    """

    in_place = 0
    shared = False

    def __init__(
        self,
        model: bytes,
        apart: Mapping[str, Array],
        products: Container[str],
        kept: int,
        many: bool,
        name: str,
        seconds: float,
        memory: int,
    ) -> None:
        self.name, self.seconds, self.memory = name, seconds, memory
        self._child = take()
        names = list(apart)
        said = {
            "names": names,
            "products": [n for n in names if n in products],
            "kept": kept,
            "many": many,
            "name": name,
        }
        arrays = [np.frombuffer(model, np.uint8), *apart.values()]
        try:
            what = f"making {name} ready in ONNX Runtime"
            self._ask("open", said, arrays, what, max(seconds, READY_SECONDS))
        except BaseException:
            self._child.close()
            raise

    def run(self, fetched: Sequence[str], given: Mapping[str, Array]) -> list[Any]:
        """Return the values of tensors, None for what is no array of numbers; raises `EngineError`."""
        said = {"fetched": list(fetched), "names": list(given)}
        what = f"running {self.name} in ONNX Runtime"
        return self._ask("run", said, list(given.values()), what, self.seconds)

    def _ask(
        self,
        task: str,
        said: Mapping[str, Any],
        arrays: Sequence[Array],
        what: str,
        seconds: float,
    ) -> list[Array | None]:
        _, found = self._child.ask(
            f"{__name__}:{task}_here", said, arrays, what, seconds, self.memory
        )
        return found

    def __del__(self) -> None:
        if hasattr(self, "_child"):
            self._child.close()


def open_here(
    kept: dict[str, Any], said: dict[str, Any], arrays: list[Array]
) -> tuple[dict[str, Any], list[Array]]:
    """Make a session ready; in the child."""
    model, *rest = arrays
    apart = dict(zip(said["names"], rest, strict=True))
    kept["session"] = Session(
        model.tobytes(), apart, set(said["products"]), said["kept"], said["many"], said["name"]
    )
    return {}, []


def run_here(
    kept: dict[str, Any], said: dict[str, Any], arrays: list[Array]
) -> tuple[dict[str, Any], list[Array | None]]:
    """Run the session; in the child."""
    given = dict(zip(said["names"], arrays, strict=True))
    found = kept["session"].run(said["fetched"], given)
    numbers = [isinstance(f, np.ndarray) and f.dtype.kind in "biuf" for f in found]
    return {}, [f if good else None for f, good in zip(found, numbers, strict=True)]
