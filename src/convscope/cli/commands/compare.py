"""Two networks side by side, and where their numbers part."""

from __future__ import annotations

from pathlib import Path

import click

from convscope.cli.output import working
from convscope.cli.shared import (
    MODEL_HELP,
    color_option,
    example_options,
    image_option,
    open_network,
    pixels_option,
    report_formats,
    set_pixels,
    show,
    size_option,
)


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
@report_formats
@color_option
@click.pass_context
def command(
    context: click.Context,
    model: str,
    other: str,
    image: Path | None,
    pixels: str | None,
    form: str | None,
) -> None:
    """Two networks layer by layer: a Keras model and its ONNX export, one before and after an edit, …

    With an image both are run. The tolerance of each number is what its own roundings can account for, and
    each layer is given the first network's input, so that the first one that differs is the guilty one;
    its two ledgers are printed, and what makes them agree where something that was tried does.
    Exit status 0 when they agree, 1 when they differ or it cannot be told.
    """
    one, two = open_network(model), open_network(other)
    for network in (one, two):
        set_pixels(network, pixels, image)
    with working(f"comparing {one.name} with {two.name}"):
        report = one.compare(two, image)
    show(report, form, context.obj)
    context.exit(0 if report.agree else 1)
