"""What commands write: facts to stdout, through a pager where they are long; messages to stderr."""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from threading import Event, Thread
from typing import TYPE_CHECKING, Any

import click

from convscope.errors import OutputError

if TYPE_CHECKING:
    from pathlib import Path

    from convscope.parts import Document
    from convscope.views.report import Report

PAGER = "convscope.pager"
"""Where a command's context keeps whether it may use a pager."""


def emit(text: str) -> None:
    """Write facts to stdout, ending in one line break; longer ones than the terminal in a pager.

    Signs that stdout's encoding does not have are replaced by "?". Raises `OutputError` when it cannot
    be written.
    """
    text = text.rstrip("\n") + "\n"
    if sys.stdout is None:
        raise OutputError("nothing can be written: stdout is closed")
    encoding = getattr(sys.stdout, "encoding", None) or "utf-8"
    text = text.encode(encoding, "replace").decode(encoding)
    try:
        if _paged(text):
            os.environ.setdefault("LESS", "FRX")
            click.echo_via_pager(text, color=True)
        else:
            sys.stdout.write(text)
            sys.stdout.flush()
    except BrokenPipeError:
        raise
    except OSError as error:
        discard()
        raise OutputError(f"cannot write to stdout: {error.strerror or error}") from error


def discard() -> None:
    """Let nothing that is still to be written to stdout be tried again when Python ends."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def _paged(text: str) -> bool:
    """Whether a text is longer than the screen of a person who can leaf through it."""
    context = click.get_current_context(silent=True)
    if context is None or not context.meta.get(PAGER, True):
        return False
    try:
        there = sys.stdout.isatty() and sys.stdin.isatty()
        height = os.get_terminal_size(sys.stdout.fileno()).lines
    except (AttributeError, OSError, ValueError):
        return False
    return there and os.environ.get("TERM") != "dumb" and text.count("\n") >= height > 0


def width() -> int:
    """Return how wide the terminal is."""
    from convscope.views.ansi import terminal_width

    return terminal_width()


def width_if_any() -> int | None:
    """Return how wide the terminal is; None where there is none, and lines may be as long as they need."""
    from convscope.views.ansi import said_width

    return said_width()


def show(report: Report[Any], form: str | None, color: bool) -> None:
    """Print a report in one of the `formats`, as text by default."""
    match form:
        case "json":
            emit(report.json())
        case "markdown":
            emit(report.markdown())
        case "latex":
            emit(report.latex())
        case "html":
            emit(report._repr_html_())
        case _:
            emit(report.text(width(), color))


def text_of(document: Document, color: bool) -> str:
    """Return a document as text for the terminal."""
    from convscope.views.text import render

    return render(document, width(), color)


def check_target(file: Path, force: bool, option: str = "", suffix: str = "") -> None:
    """Raise `OutputError` for a file that could not be written, before the work is done that it is to hold.

    That is one that there is, unless it is to be replaced; one in a folder that there is not, or that is read-only;
    and one that the option writes as `suffix`, if it is given, by another name.
    """
    from convscope.engine.writing import check_ending, check_place

    if suffix:
        check_ending(file, suffix, f"{option} is written as {suffix}")
    check_place(file)
    if file.exists() and not force:
        raise OutputError(f"{file} exists already; --force replaces it")


def check_targets(force: bool, **targets: tuple[Path | None, str]) -> None:
    """Do so for every file that an option names: out=(path, ".npz")."""
    for option, (file, suffix) in targets.items():
        if file is not None:
            check_target(file, force, f"--{option}", suffix)


def say(message: object) -> None:
    """Write a message to stderr, in one line whatever names are in it."""
    from convscope.views.characters import printable

    click.echo(printable(str(message)), err=True)


_AFTER = 0.7
"""Seconds after which somebody at a terminal is told what takes so long."""


@contextmanager
def working(what: str) -> Iterator[None]:
    """Say on stderr what is being done and for how many seconds, where that takes a moment.

    Only at a terminal; the line is gone when it is done.
    """
    if sys.stderr is None or not sys.stderr.isatty() or os.environ.get("TERM") == "dumb":
        yield
        return
    from convscope.views.characters import printable

    done = Event()
    line = Thread(target=_count, args=(printable(what), done), daemon=True)
    line.start()
    try:
        yield
    finally:
        done.set()
        line.join()


def _count(what: str, done: Event) -> None:
    """Keep a line on stderr up to date until it is done."""
    begun = time.monotonic()
    if done.wait(_AFTER):
        return
    width = os.get_terminal_size(sys.stderr.fileno()).columns
    while True:
        seconds = f" … {time.monotonic() - begun:.0f} s"
        sys.stderr.write(f"\r\x1b[K{what[: max(width - len(seconds) - 1, 0)]}{seconds}")
        sys.stderr.flush()
        if done.wait(0.5):
            break
    sys.stderr.write("\r\x1b[K")
    sys.stderr.flush()
