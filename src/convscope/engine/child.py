"""A process apart, for native code on what nobody could check before: it may die, and nothing else does.

onnx's own C++ and ONNX Runtime crash, abort, take gigabytes or never end on some files. What they do with
such a file is asked of a child process that has limits of memory and time. The two speak by pipe: a JSON
text and plain bytes, never a pickle, so that a child that was taken over has nothing to say.
"""

from __future__ import annotations

import atexit
import json
import math
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from importlib import import_module
from typing import Any, BinaryIO, TypeAlias

import numpy as np

from convscope.engine.supervision import TookTooLong, supervised
from convscope.errors import EngineError
from convscope.typed import Array

Said: TypeAlias = dict[str, Any]

STALE_SECONDS = 30.0
"""A child that has waited longer is not asked any more; after twice as long it ends by itself."""

MOST_SAID = 1 << 26
"""Bytes of JSON in one message."""

_NUMBERS = {np.dtype(kind).str for kind in "?bBhHiIlLqQefd"}

_BEGIN = (
    "import json, sys; sys.path[:] = json.loads(sys.argv[1]); "
    "from convscope.engine.child import serve; serve(int(sys.argv[2]))"
)


class ChildDied(EngineError):
    """Native code ended the process that it ran in."""


class Child:
    """A process that answers one question at a time, each a function of ours named "module:function".

    The function is given what it said before (a dict to keep things in), a JSON object and arrays, and
    returns a JSON object and arrays. An array is None where there is nothing to send.
    """

    def __init__(self) -> None:
        paths = [os.path.abspath(p) for p in sys.path if p]
        try:  # -P: no module in the present folder stands for one of Python's own
            self._process = subprocess.Popen(
                [sys.executable, "-P", "-c", _BEGIN, json.dumps(paths), str(os.getpid())],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=subprocess.DEVNULL,
            )
        except (OSError, ValueError, TypeError) as error:
            raise EngineError(
                f"this file needs a process of its own, and Python cannot be started: {error}"
            ) from error
        self._to: Any = self._process.stdin
        self._back: Any = self._process.stdout
        self.last_used = time.monotonic()
        with _lock:
            _living.add(self)

    def ask(
        self,
        task: str,
        said: Mapping[str, Any],
        arrays: Sequence[Array | None],
        what: str,
        seconds: float | None,
        memory: int,
    ) -> tuple[Said, list[Array | None]]:
        """Return a task's answer; Ctrl-C ends the child at once.

        what      what errors call it: "running net"
        seconds   how long it may take
        memory    how many bytes more than now the child may hold, and may send back

        Raises `EngineError` with what the task raised, and `ChildDied` when the process died or was ended
        because its time was up.
        """
        message = {"task": task, "said": dict(said), "memory": memory, "seconds": seconds}
        to, back = self._to, self._back

        def exchange() -> tuple[Said, list[Array | None]]:
            send(to, message, arrays)
            return receive(back, memory)

        try:
            answer, found = supervised(exchange, self.close, seconds)
        except TookTooLong as error:
            raise ChildDied(f"{what} was stopped after {seconds:g} seconds") from error
        except (OSError, EOFError, ValueError) as error:
            raise ChildDied(f"{what} crashed: {self._end()}") from error
        except BaseException:
            self.close()
            raise
        self.last_used = time.monotonic()
        if "error" in answer:
            raise EngineError(str(answer["error"])[:2000])
        return answer, found

    @property
    def alive(self) -> bool:
        """Whether it can be asked something."""
        return self._process.poll() is None

    def close(self) -> None:
        """End the process."""
        with _lock:
            _living.discard(self)
        self._process.kill()
        self._process.wait()
        for pipe in (self._to, self._back):
            with suppress(OSError):
                pipe.close()

    def _end(self) -> str:
        """Return how the process came to its end, in words."""
        with suppress(subprocess.TimeoutExpired):
            self._process.wait(5)
        code = self._process.poll()
        self.close()
        if code is None:
            return "its process answered nonsense"
        if code < 0:
            with suppress(ValueError):
                return f"its process ended by {signal.Signals(-code).name}"
        return f"its process ended with exit status {code}"

    def __del__(self) -> None:
        if not sys.is_finalizing() and getattr(self, "_process", None) and self.alive:
            self.close()


_lock = threading.RLock()
_living: set[Child] = set()
_idle: list[Child] = []


def take() -> Child:
    """Return a child process for good: one that waits, or a new one."""
    with _lock:
        found = _idle.pop() if _idle else None
    if found is not None:
        if found.alive and time.monotonic() - found.last_used < STALE_SECONDS:
            return found
        found.close()
    return Child()


@contextmanager
def lent() -> Iterator[Child]:
    """Lend a child process for questions that leave nothing behind in it."""
    found = take()
    try:
        yield found
    finally:
        with _lock:
            wanted = found.alive and not _idle
            if wanted:
                _idle.append(found)
        if not wanted:
            found.close()


@atexit.register
def _end_all() -> None:
    for one in list(_living):
        one.close()


# -- what they say ------------------------------------------------------------------------------------


def send(pipe: BinaryIO, said: Mapping[str, Any], arrays: Sequence[Array | None]) -> None:
    """Write a JSON object and arrays of plain numbers."""
    told = [None if a is None else [a.dtype.str, list(a.shape)] for a in arrays]
    text = json.dumps({**said, "arrays": told}).encode()
    pipe.write(len(text).to_bytes(8, "little") + text)
    for array in arrays:
        if array is not None and array.size:
            pipe.write(np.ascontiguousarray(array).reshape(-1).view(np.uint8).data)
    pipe.flush()


def receive(pipe: BinaryIO, most: int | None = None) -> tuple[Said, list[Array | None]]:
    """Read what `send` wrote; raise EOFError or ValueError for anything else, or more than so many bytes."""
    size = int.from_bytes(_exactly(pipe, bytearray(8)), "little")
    if size > MOST_SAID:
        raise ValueError("too long a message")
    match json.loads(bytes(_exactly(pipe, bytearray(size)))):
        case {"arrays": [*all_told], **rest}:
            said = {str(key): value for key, value in rest.items()}
        case _:
            raise ValueError("no object with arrays")
    found: list[Array | None] = []
    for told in all_told:
        if told is None:
            found.append(None)
            continue
        name, shape = told
        if name not in _NUMBERS or any(type(s) is not int or s < 0 for s in shape):
            raise ValueError("no array of numbers")
        dtype, count = np.dtype(name), math.prod(shape)
        if most is not None:
            most -= count * dtype.itemsize
            if most < 0:
                raise ValueError("too many numbers")
        array = np.empty(count, dtype)
        if count:
            _exactly(pipe, array.view(np.uint8).data)
        found.append(array.reshape(shape))
    return said, found


def _exactly(pipe: BinaryIO, into: Any) -> Any:
    view, at = memoryview(into), 0
    while at < len(view):
        got = pipe.readinto(view[at:])  # type: ignore[attr-defined]
        if not got:
            raise EOFError
        at += got
    return into


# -- the child ----------------------------------------------------------------------------------------


def serve(parent: int) -> None:
    """Answer the process `parent` until the pipe ends; what the child's main thread does."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # whoever asked ends us
    back = os.fdopen(os.dup(1), "wb")
    nowhere = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, 1)  # native code prints
    asked = os.fdopen(os.dup(0), "rb")
    os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
    busy = threading.Event()
    threading.Thread(target=_leave_when_alone, args=(parent, busy), daemon=True).start()
    kept: dict[str, Any] = {}
    while True:
        try:
            message, arrays = receive(asked)
        except (EOFError, ValueError):
            return
        busy.set()
        try:
            _limit(message["memory"], message["seconds"])
            module, _, function = message["task"].partition(":")
            answer, found = getattr(import_module(module), function)(kept, message["said"], arrays)
        except Exception as error:  # noqa: BLE001 – native code raises errors of every kind
            answer, found = {"error": first_line(error)}, []
        send(back, answer, found)
        del arrays, found
        busy.clear()


def first_line(error: BaseException) -> str:
    """Return the first line of what an error says, or its kind."""
    lines = str(error).strip().splitlines()
    return lines[0] if lines else type(error).__name__


def _leave_when_alone(parent: int, busy: threading.Event) -> None:
    """End the process when the one that started it is gone, or asks nothing any more.

    It may be gone before this one has begun, so its number is told and not asked for here.
    """
    waited = 0.0
    while os.getppid() == parent and waited < 2 * STALE_SECONDS:
        time.sleep(1)
        waited = 0.0 if busy.is_set() else waited + 1
    os._exit(0)


def _limit(memory: int, seconds: float | None) -> None:
    """Let this process grow by so many bytes, and use its processors for so long; leave no core file."""
    try:
        import resource
    except ImportError:  # Windows: the time is watched from outside, memory is not
        return
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    with suppress(OSError, ValueError):
        with open("/proc/self/status", encoding="ascii") as status:
            line = next(line for line in status if line.startswith("VmData:"))
        most = int(line.split()[1]) * 1024 + memory
        resource.setrlimit(resource.RLIMIT_DATA, (most, resource.RLIM_INFINITY))
    if seconds is not None:  # should nobody be left to end it
        used = resource.getrusage(resource.RUSAGE_SELF)
        enough = int(used.ru_utime + used.ru_stime + (os.cpu_count() or 1) * seconds) + 10
        with suppress(OSError, ValueError):
            resource.setrlimit(resource.RLIMIT_CPU, (enough, resource.RLIM_INFINITY))
