"""The command line: thin; every command asks the library and prints.

Facts go to stdout, messages to stderr. Exit codes: 0 done; 1 a failure, or arithmetic that does not
agree with the engine; 2 wrong usage or something unreadable; 130 on Ctrl-C.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from convscope import __version__
from convscope.errors import ConvscopeError, EngineError, OutputError, ServerError

if TYPE_CHECKING:
    from convscope.network import Network
    from convscope.parts import Document
    from convscope.views.report import Report

MODEL_HELP = (
    "MODEL is a file (.onnx, .keras, .h5), file.py:attribute or module:attribute (a network, or a "
    "function that returns one), or demo, the network that comes along."
)


class Commands(click.Group):
    """A group whose commands turn convscope's errors into one line and an exit code."""

    def invoke(self, context: click.Context) -> Any:
        try:
            return super().invoke(context)
        except ConvscopeError as error:
            failed = isinstance(error, (EngineError, OutputError, ServerError))
            click.echo(f"Error: {_one_line(error)}", err=True)
            context.exit(1 if failed else 2)
        except MemoryError:
            click.echo("Error: not enough memory for this network at this size", err=True)
            context.exit(1)


def _one_line(error: object) -> str:
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


def _width() -> int:
    from convscope.views.ansi import terminal_width

    return terminal_width()


def _open(model: str) -> Network:
    import warnings

    import convscope
    from convscope.errors import SourceWarning

    with warnings.catch_warnings():
        warnings.simplefilter("ignore", SourceWarning)
        network = convscope.open(model)
    for remark in network.warnings:
        click.echo(f"Warning: {_one_line(remark)}", err=True)
    return network


model_argument = click.argument("model", metavar="MODEL")
image_option = click.option(
    "--image",
    type=click.Path(path_type=Path),
    help="The input: PNG, JPEG, WebP, BMP or GIF (pixels are divided by 255), or an array in a .npy file.",
)


def _formats(command: Callable[..., Any]) -> Callable[..., Any]:
    """Give a command the ways in which a report can be printed."""
    for name, text in (
        ("latex", "A LaTeX fragment."),
        ("html", "An HTML fragment."),
        ("markdown", "Markdown."),
        ("json", "One JSON object on stdout."),
    ):
        command = click.option(f"--{name}", "form", flag_value=name, help=text)(command)
    return command


def _show(report: Report[Any], form: str | None, color: bool) -> None:
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
            report.print(color=color, width=_width())


@main.command(epilog=MODEL_HELP, short_help="shapes, weights, parameters, MACs, receptive fields")
@model_argument
@click.option(
    "--style",
    type=click.Choice(["table", "keras", "keras2"]),
    default="table",
    help="Our table, what Keras 3 prints, or Keras 2's classic text.",
)
@click.option("--columns", help="Which columns of our table, separated by commas.")
@click.option(
    "--depth", type=int, help="Fold networks nested deeper than this into a row each; 1 folds all."
)
@click.option(
    "--layers",
    metavar="FROM:TO",
    help="Only these rows: names, or places from 1; either side may be missing.",
)
@click.option("--json", "form", flag_value="json", help="One JSON object on stdout.")
@click.option("--markdown", "form", flag_value="markdown", help="A Markdown table.")
@click.option("--csv", "form", flag_value="csv", help="Comma-separated values.")
@color_option
@click.pass_obj
def summary(
    color: bool,
    model: str,
    style: str,
    columns: str | None,
    depth: int | None,
    layers: str | None,
    form: str | None,
) -> None:
    """Every layer: output shape, weights, parameters, MACs, receptive field."""
    from convscope.views import summary as views

    chosen = [c.strip() for c in columns.split(",")] if columns else None
    facts = _open(model).facts(depth, layers)
    match form:
        case "json":
            from convscope.views.strict_json import strict_json

            text = strict_json(facts.to_dict())
        case "csv":
            text = views.summary_csv(facts)
        case "markdown":
            from convscope.views.markdown import markdown

            text = markdown(views.document(facts, chosen))
        case _:
            text = views.render(facts, style, chosen, width=_width(), color=color)
    click.echo(text.rstrip("\n"))
    if form is None and style == "keras2":
        from convscope.views.keras2_summary import cut_short

        if cut := cut_short(facts):
            many = f"{cut:,} cells are" if cut > 1 else "one cell is"
            click.echo(f"Note: {many} cut short, as Keras 2 cut them; our table is whole", err=True)


@main.command(epilog=MODEL_HELP, short_help="a layer's equation, its sizes and why")
@model_argument
@click.argument("layer", metavar="[LAYER]", required=False)
@click.option("--models", is_flag=True, help="The four pictures learners have, tested on an image.")
@click.option("--position", help="Where --models compares; by default where most is going on.")
@image_option
@_formats
@color_option
@click.pass_obj
def explain(
    color: bool,
    model: str,
    layer: str | None,
    models: bool,
    position: str | None,
    image: Path | None,
    form: str | None,
) -> None:
    """A layer's equation, its sizes and why, one filter's shape, where its parameters come from."""
    network = _open(model)
    if not models:
        if image is not None or position is not None:
            raise click.UsageError("--image and --position go with --models")
        _show(network.explain(layer), form, color)
        return
    if layer is None:
        raise click.UsageError(
            "--models needs a LAYER, as in: convscope explain demo conv2d_1 --models"
        )
    run = network.run(_image(model, image))
    where = _position(position) if position else run.liveliest(layer)
    _show(run.compare(layer, where), form, color)


@main.command(
    epilog=MODEL_HELP, short_help="the arithmetic of one number, proved against the engine"
)
@model_argument
@click.argument("layer", metavar="LAYER")
@click.argument("position", metavar="POSITION")
@image_option
@click.option(
    "--cone", is_flag=True, help="Compute it from the patch it sees; do not run the network."
)
@_formats
@color_option
@click.pass_obj
def trace(
    color: bool,
    model: str,
    layer: str,
    position: str,
    image: Path | None,
    cone: bool,
    form: str | None,
) -> None:
    """The arithmetic of one number, compared with what ONNX Runtime computed.

    POSITION is one index for each axis of the layer's output, without the batch: 5,7,12 is row 5,
    column 7, channel 12 of a channels-last map. Negative indices (after --) count from the end.
    Exit status 1 when the two differ by more than float32 rounding can explain.
    """
    network = _open(model)
    where = _position(position)
    given = _image(model, image)
    report = network.trace(given, layer, where) if cone else network.run(given).trace(layer, where)
    _show(report, form, color)
    if report.facts.agrees is False:
        sys.exit(1)


@main.command(
    epilog=MODEL_HELP, short_help="one image through the network: activations and pictures"
)
@model_argument
@image_option
@click.option(
    "--out", type=click.Path(path_type=Path), help="Write every activation to this .npz file."
)
@click.option("--maps", "layer", metavar="LAYER", help="Draw this layer's maps …")
@click.option(
    "--png", type=click.Path(path_type=Path), help="… to this PNG file (LAYER.png by default)."
)
@click.option("--force", is_flag=True, help="Replace files that exist.")
@_formats
@color_option
@click.pass_obj
def run(
    color: bool,
    model: str,
    image: Path | None,
    out: Path | None,
    layer: str | None,
    png: Path | None,
    force: bool,
    form: str | None,
) -> None:
    """Run one image; show what every layer gave, write activations and pictures of maps."""
    from convscope.explain.activations import survey
    from convscope.views.report import Report

    if png is not None and layer is None:
        raise click.UsageError("--png goes with --maps LAYER")
    network = _open(model)
    if layer is not None:
        network.graph.node(layer)
        png = png or Path(f"{layer.strip('/').replace('/', '_')}.png")
    for target in (out, png):
        if target is not None and target.exists() and not force:
            raise OutputError(f"{target} exists already; --force replaces it")
    done = network.run(_image(model, image))
    if out is not None:
        done.save(out)
    if layer is not None and png is not None:
        done.draw(layer, png)
    _show(Report(survey(done.graph, done.activations)), form, color)
    for target in (out, png):
        if target is not None:
            click.echo(f"wrote {target}", err=True)


@main.command(
    epilog=MODEL_HELP, short_help="settings changed: what becomes of every layer after them"
)
@model_argument
@click.argument("edits", metavar="LAYER.SETTING=VALUE ...", nargs=-1, required=True)
@_formats
@color_option
@click.pass_obj
def whatif(color: bool, model: str, edits: tuple[str, ...], form: str | None) -> None:
    """What settings of layers would change: shapes, weights, parameters, MACs, receptive fields.

    An edit is LAYER.SETTING=VALUE, as in conv2d.kernel_size=5 or conv2d_1.padding=same; VALUE is a
    number, several with commas (3,5), a word, true, false or none. Several edits are made at once.
    """
    from convscope.model.settings import read_edit

    given = [read_edit(text) for text in edits]
    _show(_open(model).whatif(given), form, color)


@main.command(
    epilog=MODEL_HELP, short_help="write the network as an ONNX file, or the explorer as one page"
)
@model_argument
@click.argument("file", metavar="FILE", type=click.Path(path_type=Path))
@image_option
@click.option(
    "--limit",
    type=click.FloatRange(min=0, min_open=True),
    help="MiB of numbers that FILE.html may hold, 64 by default; the largest are left out above it.",
)
@click.option("--force", is_flag=True, help="Replace the file if it exists.")
def export(model: str, file: Path, image: Path | None, limit: float | None, force: bool) -> None:
    """Write the network as an ONNX file, or the explorer as one page.

    FILE.onnx carries the layers' names. FILE.html shows one image going through the network; it works
    from disk, offline, and needs no convscope.
    """
    import warnings

    from convscope.errors import OutputWarning

    page = file.suffix.lower() == ".html"
    if not page and (image is not None or limit is not None):
        raise click.UsageError(f"--image and --limit go with FILE.html, not with {file.name}")
    if file.exists() and not force:
        raise OutputError(f"{file} exists already; --force replaces it")
    network = _open(model)
    with warnings.catch_warnings(record=True) as said:
        warnings.simplefilter("always", OutputWarning)
        if page:
            network.export(file, _image(model, image), limit=limit or 64)
        else:
            network.export(file)
    for one in said:
        click.echo(f"Warning: {_one_line(one.message)}", err=True)
    click.echo(f"wrote {file}", err=True)


@main.command(short_help="the question, answered on a real digit")
@click.argument("digit", required=False, default="seven")
@color_option
@click.pass_obj
def demo(color: bool, digit: str) -> None:
    """The question that started convscope, answered on a real handwritten digit.

    DIGIT is one of the digits that come along: seven (the default), three, …
    """
    from convscope.demo.tour import tour

    tour(digit, lambda document: _print(document, color))


@main.command(
    epilog=f"{MODEL_HELP} Without MODEL, the demo network on a real digit.",
    short_help="see, click and take apart any number, in the browser",
)
@click.argument("model", metavar="[MODEL]", default="demo")
@image_option
@click.option(
    "--port",
    type=click.IntRange(0, 65535),
    help="Where to listen; 0 lets the system choose. By default 8765 or a free one near it.",
)
@click.option(
    "--host",
    default="127.0.0.1",
    help="Another address of this machine to listen on; others may then reach it, unencrypted.",
)
@click.option("--no-open", is_flag=True, help="Print the address instead of opening a browser.")
def explore(model: str, image: Path | None, port: int | None, host: str, no_open: bool) -> None:
    """The network in the browser: its maps, any number and what made it, and what if.

    Only this machine can reach it, and only a browser that opened the address, which holds a key.
    Ctrl-C ends it.
    """
    from convscope.demo import digits

    samples = digits() if model == "demo" else {}
    given = image or samples.get("seven")
    _explore(_open(model), given, samples, port, host, no_open)


def _explore(
    network: Network,
    image: Path | None,
    samples: Mapping[str, Path],
    port: int | None,
    address: str,
    no_open: bool,
) -> None:
    """Serve a network's explorer until Ctrl-C: the address to stdout if nothing opens it."""
    from convscope.explorer.guard import LOOPBACK
    from convscope.explorer.host import Host
    from convscope.explorer.server import serve

    if address not in LOOPBACK:
        click.echo(
            f"Warning: whoever reaches {address} and knows the address with its key can use the "
            f"explorer, and what is sent can be read on the way",
            err=True,
        )

    def announce(found: str) -> None:
        if no_open:
            click.echo("the explorer's address, for one browser; Ctrl-C ends it:", err=True)
            click.echo(found)
        else:
            click.echo(f"the explorer: {found} (for one browser; Ctrl-C ends it)", err=True)

    host = Host(network, image=image, samples=samples)
    serve(host, address, port, open_browser=not no_open, announce=announce)


def _print(document: Document, color: bool) -> None:
    from convscope.views.text import render

    click.echo(render(document, _width(), color))


def _image(model: str, image: Path | None) -> Path:
    if image is not None:
        return image
    if model == "demo":
        from convscope.demo import digits

        return digits()["seven"]
    raise click.UsageError("this needs an input: --image FILE (PNG, JPEG, …, or an array in .npy)")


def _position(text: str) -> tuple[int, ...]:
    try:
        return tuple(int(part) for part in text.strip("()[] ").split(",") if part.strip())
    except ValueError as error:
        raise click.UsageError(
            f"POSITION is whole numbers with commas, such as 5,7,12, not {text!r}"
        ) from error


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
