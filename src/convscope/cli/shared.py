"""What the commands have in common: their arguments and options, opening a network, printing."""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

if TYPE_CHECKING:
    from convscope.network import Network
    from convscope.parts import Document
    from convscope.views.report import Report

MODEL_HELP = (
    "MODEL is a file (.onnx, .keras, .h5), file.py:attribute or module:attribute (a network, or a "
    "function that returns one), or demo, the network that comes along."
)


def one_line(error: object) -> str:
    """Return a message as it may stand on a terminal, whatever names are in it."""
    from convscope.views.characters import printable

    return printable(str(error))


def _colored(context: click.Context, _: click.Parameter, choice: str | None) -> None:
    """Keep whether to colour; a command's own --color overrules the one before its name."""
    from convscope.views.ansi import wants_color

    if choice is not None or context.obj is None:
        context.obj = (
            choice == "always" if choice in ("always", "never") else wants_color(sys.stdout)
        )


color_option = click.option(
    "--color",
    type=click.Choice(["auto", "always", "never"]),
    callback=_colored,
    expose_value=False,
    help="Colour the output; auto (the default) honours NO_COLOR and FORCE_COLOR.",
)


def width() -> int:
    """Return how wide the terminal is."""
    from convscope.views.ansi import terminal_width

    return terminal_width()


def open_network(model: str) -> Network:
    """Return the network that MODEL names; what was left out of it is said on stderr."""
    import warnings

    from convscope.errors import SourceWarning
    from convscope.readers import open

    with warnings.catch_warnings():
        warnings.simplefilter("ignore", SourceWarning)
        network = open(model)
    for remark in network.warnings:
        click.echo(f"Warning: {one_line(remark)}", err=True)
    return network


model_argument = click.argument("model", metavar="MODEL")
image_option = click.option(
    "--image",
    type=click.Path(path_type=Path),
    help="The input: PNG, JPEG, WebP, BMP or GIF (pixels are divided by 255), or an array in a .npy file.",
)


def formats(command: Callable[..., Any]) -> Callable[..., Any]:
    """Give a command the ways in which a report can be printed."""
    for name, text in (
        ("latex", "A LaTeX fragment."),
        ("html", "An HTML fragment."),
        ("markdown", "Markdown."),
        ("json", "One JSON object on stdout."),
    ):
        command = click.option(f"--{name}", "form", flag_value=name, help=text)(command)
    return command


def show(report: Report[Any], form: str | None, color: bool) -> None:
    """Print a report in one of the `formats`, as text by default."""
    match form:
        case "json":
            click.echo(report.json())
        case "markdown":
            click.echo(report.markdown())
        case "latex":
            click.echo(report.latex())
        case "html":
            click.echo(report._repr_html_())
        case _:
            report.print(color=color, width=width())


def print_document(document: Document, color: bool) -> None:
    """Print a document as text."""
    from convscope.views.text import render

    click.echo(render(document, width(), color))


def image_for(model: str, image: Path | None) -> Path:
    """Return the image that was named; the demo network has one of its own."""
    if image is not None:
        return image
    if model == "demo":
        from convscope.demo import digits

        return digits()["seven"]
    raise click.UsageError("this needs an input: --image FILE (PNG, JPEG, …, or an array in .npy)")


def read_position(text: str) -> tuple[int, ...]:
    """Return the indices of a POSITION such as 5,7,12."""
    try:
        return tuple(int(part) for part in text.strip("()[] ").split(",") if part.strip())
    except ValueError as error:
        raise click.UsageError(
            f"POSITION is whole numbers with commas, such as 5,7,12, not {text!r}"
        ) from error
