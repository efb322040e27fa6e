"""Where the command line begins: finds the command that was named, and turns errors into exit codes."""

from __future__ import annotations

import sys
import warnings
from importlib import import_module
from pkgutil import iter_modules
from typing import Any, TextIO

import click

from convscope.cli import commands
from convscope.cli.options import color_option
from convscope.cli.output import PAGER, discard, say
from convscope.errors import (
    ConvscopeError,
    EngineError,
    InputWarning,
    OutputError,
    ServerError,
    did_you_mean,
)
from convscope.version import __version__


class Commands(click.Group):
    """The commands, one a file of `commands/`, each imported when it is called.

    convscope's errors become one line and an exit code.
    """

    def list_commands(self, context: click.Context) -> list[str]:
        """Return the names of all commands."""
        return sorted(m.name.replace("_", "-") for m in iter_modules(commands.__path__))

    def get_command(self, context: click.Context, name: str) -> click.Command | None:
        """Return the command of that name."""
        if name not in self.list_commands(context):
            return None
        module = import_module(f"{commands.__name__}.{name.replace('-', '_')}")
        found: click.Command = module.command
        return found

    def resolve_command(
        self, context: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """Return the command that the first word names; where there is none, say which is near."""
        name = args[0]
        if self.get_command(context, name) is None and not name.startswith("-"):
            names = self.list_commands(context)
            meant = did_you_mean(name, names)
            raise click.UsageError(
                f"there is no command {name!r}{meant}; the commands are {', '.join(names)}", context
            )
        return super().resolve_command(context, args)

    def invoke(self, context: click.Context) -> Any:
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("always", InputWarning)
                warnings.showwarning = _note
                return super().invoke(context)
        except ConvscopeError as error:
            for note in getattr(error, "__notes__", ()):  # the table up to where a module fails
                for line in note.splitlines():
                    say(line)
            say(f"Error: {error}")
            context.exit(1 if isinstance(error, (EngineError, OutputError, ServerError)) else 2)
        except MemoryError:
            say("Error: not enough memory for this network at this size")
            context.exit(1)


def _note(
    message: Warning | str,
    category: type[Warning],
    filename: str,
    lineno: int,
    file: TextIO | None = None,
    line: str | None = None,
) -> None:
    """Say what a warning of ours says; others are for programmers, and are not shown."""
    if issubclass(category, InputWarning):
        say(f"Note: {message}")


@click.group(
    cls=Commands, context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100}
)
@click.version_option(__version__, prog_name="convscope")
@click.option("--no-pager", is_flag=True, help="Write everything at once, however long it is.")
@color_option
@click.pass_context
def main(context: click.Context, no_pager: bool) -> None:
    """A microscope for convolutional networks.

    Shapes, weights, parameters, MACs and receptive fields of a network, why they are what they are,
    and the exact arithmetic of any number it computes.

    Start with: convscope demo
    """
    context.meta[PAGER] = not no_pager


def finished() -> int:
    """Run the command line and return its exit code: Ctrl-C is 130, a closed pipe is no error."""
    try:
        code = main(prog_name="convscope", standalone_mode=False)
        if code == 0 and sys.stdout is None:  # what click ended early: help, or the version
            say("Error: nothing can be written: stdout is closed")
            return 1
        return code if isinstance(code, int) else 0
    except click.ClickException as error:
        error.show()
        return error.exit_code
    except (KeyboardInterrupt, click.Abort):
        say("stopped")
        return 130
    except BrokenPipeError:
        if sys.stdout is not None:
            discard()
        return 0
    except OSError as error:  # what help could not be written to, or what nothing below expected
        say(f"Error: {error.strerror or error}{f': {error.filename}' if error.filename else ''}")
        if sys.stdout is not None:
            discard()
        return 1
