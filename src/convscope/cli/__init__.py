"""The command line: thin; every command asks the library and prints.

Facts go to stdout, messages to stderr. Exit codes: 0 done; 1 a failure, or arithmetic that does not
agree with the engine; 2 wrong usage or something unreadable; 130 on Ctrl-C.
"""

from __future__ import annotations

import sys

from convscope.typed import TYPE_CHECKING

if TYPE_CHECKING:
    from typing import Any

    from convscope.cli.program import main as main


def entry() -> None:
    """Run the command line as a program, from its first import on."""
    try:
        from convscope.cli.program import finished

        code = finished()
    except KeyboardInterrupt:  # before there is anything that could catch it
        print("stopped", file=sys.stderr)
        code = 130
    sys.exit(code)


def __getattr__(name: str) -> Any:
    if name == "main":
        from convscope.cli.program import main

        return main
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
