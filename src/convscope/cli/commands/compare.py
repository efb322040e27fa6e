"""Two networks side by side, and where their numbers part."""

from __future__ import annotations

from pathlib import Path

import click

from convscope.cli.opening import open_both, set_pixels
from convscope.cli.options import (
    MODEL_HELP,
    color_option,
    example_options,
    image_option,
    pixels_option,
    report_formats,
    size_option,
)
from convscope.cli.output import say, show, working


@click.command(
    "compare",
    epilog=MODEL_HELP,
    short_help="two networks layer by layer, and where their numbers part",
)
@click.argument("model", metavar="MODEL")
@click.argument("other", metavar="OTHER")
@size_option
@example_options
@image_option
@pixels_option
@click.option(
    "--explore",
    is_flag=True,
    help="Then show both networks' maps and their difference in the browser, until Ctrl-C.",
)
@click.option(
    "--page",
    type=click.Path(path_type=Path, dir_okay=False),
    help="Also write that as one FILE.html that works from disk; needs --image.",
)
@click.option(
    "--port",
    type=click.IntRange(0, 65535),
    help="Where --explore listens; by default 8765 or a free port near it.",
)
@click.option("--no-open", is_flag=True, help="With --explore: open no browser.")
@report_formats
@color_option
@click.pass_context
def command(
    context: click.Context,
    model: str,
    other: str,
    image: Path | None,
    pixels: str | None,
    explore: bool,
    page: Path | None,
    port: int | None,
    no_open: bool,
    form: str | None,
) -> None:
    """Two networks layer by layer: a Keras model and its ONNX export, one before and after an edit, …

    With an image both are run. The tolerance of each number is what its own roundings can account for, and
    each layer is given the first network's input, so that the first one that differs is the guilty one;
    its two ledgers are printed, and what makes them agree where something that was tried does.
    Exit status 0 when they agree, 1 when they differ or it cannot be told.
    """
    if page is not None and image is None:
        raise click.UsageError(
            "--page shows an image going through both: give it one, --image FILE"
        )
    one, two = open_both(model, other)
    for network in (one, two):
        set_pixels(network, pixels, image)
    with working(f"comparing {one.name} with {two.name}"):
        report = one.compare(two, image)
    show(report, form, context.obj)
    if page is not None:
        report.export(page)
        say(f"wrote {page}")
    if explore:
        report.explore(port=port, open_browser=not no_open, block=True)
    context.exit(0 if report.agree else 1)
