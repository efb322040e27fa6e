"""Where the command line begins: finds the command that was named, and turns errors into exit codes."""

from __future__ import annotations

import os
import sys
from importlib import import_module
from pkgutil import iter_modules
from typing import Any

import click

from convscope.cli import commands
from convscope.cli.shared import color_option, one_line
from convscope.errors import ConvscopeError, EngineError, OutputError, ServerError
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
        found: click.Command = import_module(
            f"{commands.__name__}.{name.replace('-', '_')}"
        ).command
        return found

    def invoke(self, context: click.Context) -> Any:
        try:
            return super().invoke(context)
        except ConvscopeError as error:
            failed = isinstance(error, (EngineError, OutputError, ServerError))
            click.echo(f"Error: {one_line(error)}", err=True)
            context.exit(1 if failed else 2)
        except MemoryError:
            click.echo("Error: not enough memory for this network at this size", err=True)
            context.exit(1)


@click.group(
    cls=Commands, context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100}
)
@click.version_option(__version__, prog_name="convscope")
@color_option
def main() -> None:
    """A microscope for convolutional networks.

    Shapes, weights, parameters, MACs and receptive fields of a network, why they are what they are,
    and the exact arithmetic of any number it computes.

    Start with: convscope demo
    """


def entry() -> None:
    """Run the command line as a program: Ctrl-C is 130, a closed pipe is no error."""
    try:
        code = main(standalone_mode=False)
        sys.exit(code if isinstance(code, int) else 0)
    except click.ClickException as error:
        error.show()
        sys.exit(error.exit_code)
    except (KeyboardInterrupt, click.Abort):
        click.echo("stopped", err=True)
        sys.exit(130)
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        sys.exit(0)
