"""What the library's calls hand back: facts to compute with, that also know how to be looked at."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Any, Generic, Protocol, TextIO, TypeVar

from convscope.parts import Document
from convscope.views.ansi import terminal_width, wants_color

if TYPE_CHECKING:
    from rich.console import Console, ConsoleOptions, RenderResult


class Reportable(Protocol):
    """What a report can be made of."""

    def document(self) -> Document:
        """Return the facts as parts, to be read."""

    def to_dict(self) -> dict[str, Any]:
        """Return the facts as plain data, to be computed with."""


T = TypeVar("T", bound=Reportable)


class Report(Generic[T]):
    """Facts that can be read: printed, shown in a notebook, written as Markdown, LaTeX or JSON.

    Whatever else the facts have is the report's too: `trace.value` is `trace.facts.value`.
    """

    __slots__ = ("__weakref__", "facts")

    facts: T

    def __init__(self, facts: T) -> None:
        self.facts = facts

    # -- to be read -------------------------------------------------------------------------------

    def text(self, width: int | None = None, color: bool = False) -> str:
        """Return the report as text, as wide as the terminal unless a width is given."""
        from convscope.views.text import render

        return render(self.facts.document(), width or terminal_width(), color).rstrip("\n")

    def __str__(self) -> str:
        return self.text(color=wants_color(sys.stdout))

    __repr__ = __str__

    def print(
        self, file: TextIO | None = None, color: bool | None = None, width: int | None = None
    ) -> None:
        """Print the report, in colour if the file is a terminal that wants it.

        Signs that the file's encoding does not have are replaced by "?".
        """
        stream = sys.stdout if file is None else file
        text = self.text(width, wants_color(stream) if color is None else color)
        encoding = getattr(stream, "encoding", None)
        if encoding:
            text = text.encode(encoding, "replace").decode(encoding)
        print(text, file=stream)

    def _repr_html_(self) -> str:
        from convscope.views.html import html

        return html(self.facts.document())

    def markdown(self) -> str:
        """Return the report as Markdown."""
        from convscope.views.markdown import markdown

        return markdown(self.facts.document())

    def latex(self) -> str:
        """Return the report as a LaTeX fragment."""
        from convscope.views.latex import latex

        return latex(self.facts.document())

    def __rich__(self) -> _ForRich:
        return _ForRich(self)

    # -- to be computed with ----------------------------------------------------------------------

    def to_dict(self) -> dict[str, Any]:
        """Return the facts as plain data."""
        return self.facts.to_dict()

    def json(self, indent: int | None = 2) -> str:
        """Return the facts as JSON; what is not finite is written "NaN", "Infinity", "-Infinity"."""
        from convscope.views.strict_json import strict_json

        return strict_json(self.facts.to_dict(), indent)

    def __getattr__(self, name: str) -> Any:
        # private names are asked for by pickle, copy and notebooks, sometimes before there are facts
        if name.startswith("_") or name == "facts":
            raise AttributeError(f"{type(self).__name__} has no attribute {name!r}")
        try:
            return getattr(self.facts, name)
        except AttributeError:
            known = [n for n in dir(self) if not n.startswith("_")]
            raise AttributeError(
                f"a report of {type(self.facts).__name__} has no {name!r}; it has {', '.join(known)}"
            ) from None

    def __dir__(self) -> list[str]:
        own = object.__dir__(self)
        return sorted({*own, *(name for name in dir(self.facts) if not name.startswith("_"))})

    def __getstate__(self) -> T:
        return self.facts

    def __setstate__(self, facts: T) -> None:
        self.facts = facts


class _ForRich:
    """A report for `rich.print`, which says how wide it is and strips colours where it must."""

    def __init__(self, report: Report[Any]) -> None:
        self.report = report

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        from rich.text import Text

        yield Text.from_ansi(
            self.report.text(options.max_width, color=True), no_wrap=True, overflow="ignore"
        )
