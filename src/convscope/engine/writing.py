"""Files that are there whole or not at all."""

from __future__ import annotations

import os
import secrets
import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING

from convscope.errors import OutputError

if TYPE_CHECKING:
    from pathlib import Path


def check_ending(target: Path, suffix: str, what: str) -> None:
    """Raise `OutputError` for a name that does not end in `suffix`; `what` says which files do."""
    _check_file(target)
    if target.suffix.lower() != suffix:
        raise OutputError(f"{what}: name the file {target.with_suffix(suffix)}, not {target}")


def check_place(target: Path) -> None:
    """Raise `OutputError` where no file could be written, before the work is done whose result it is to hold."""
    from tempfile import TemporaryFile

    _check_file(target)
    folder = target.absolute().parent
    if not folder.is_dir():
        raise OutputError(f"cannot write {target}: there is no folder {folder}")
    try:
        with TemporaryFile(dir=folder):
            pass
    except OSError as error:
        raise OutputError(
            f"cannot write {target}: {folder} cannot be written to: {error.strerror or error}"
        ) from error


def _check_file(target: Path) -> None:
    if target.is_dir():
        raise OutputError(f"{target} is a folder: name a file")


@contextmanager
def complete(path: str | Path, suffix: str, what: str) -> Iterator[Path]:
    """Give a file beside the target to write; it takes the target's place only when it is complete.

    Raises `OutputError` for a name that does not end in `suffix`, or when it cannot be written.
    """
    from pathlib import Path

    target = Path(path)
    check_ending(target, suffix, what)
    # a name that nobody can guess, so that no link is planted there
    part = target.with_name(f".{target.name[:100]}.{secrets.token_hex(8)}.part")
    try:
        with removed_when_ended(lambda: part.unlink(missing_ok=True)):
            only_new = os.O_WRONLY | os.O_CREAT | os.O_EXCL | getattr(os, "O_NOFOLLOW", 0)
            os.close(os.open(part, only_new, 0o666))
            yield part
            part.replace(target)
    except OSError as error:
        raise OutputError(f"cannot write {target}: {error.strerror or error}") from error
    finally:
        with suppress(OSError):
            part.unlink(missing_ok=True)


_REMOVED: list[Callable[[], object]] = []
"""What is removed when the process is told to end, the last first."""


@contextmanager
def removed_when_ended(remove: Callable[[], object]) -> Iterator[None]:
    """Remove a file or a folder also when the process is told to end, as Python does not; then it ends as it would.

    One within another is removed, too; a handler of somebody else's stays as it is.
    """
    told = [getattr(signal, name) for name in ("SIGTERM", "SIGHUP") if hasattr(signal, name)]
    here = threading.current_thread() is threading.main_thread()
    plain = [s for s in told if here and signal.getsignal(s) == signal.SIG_DFL]
    _REMOVED.append(remove)
    for number in plain:
        signal.signal(number, _end)
    try:
        yield
    finally:
        for number in plain:
            signal.signal(number, signal.SIG_DFL)
        _REMOVED.remove(remove)


def _end(number: int, frame: object) -> None:
    for remove in [*reversed(_REMOVED)]:
        with suppress(OSError):
            remove()
    signal.signal(number, signal.SIG_DFL)
    os.kill(os.getpid(), number)
