"""One number taken apart."""

from __future__ import annotations

import sys
from pathlib import Path

import click

from convscope.cli.opening import image_for, layer_named, open_network, read_position, set_pixels
from convscope.cli.options import (
    MODEL_HELP,
    WithPosition,
    color_option,
    image_option,
    layer_argument,
    model_argument,
    pixels_option,
    report_formats,
)
from convscope.cli.output import show, working


@click.command(
    "trace",
    cls=WithPosition,
    epilog=MODEL_HELP,
    short_help="the arithmetic of one number, proved against the engine",
)
@model_argument
@layer_argument()
@click.argument("position", metavar="POSITION", nargs=-1, required=True)
@image_option
@pixels_option
@click.option(
    "--cone", is_flag=True, help="Compute it from the patch it sees; do not run the network."
)
@report_formats
@color_option
@click.pass_obj
def command(
    color: bool,
    model: str,
    layer: str,
    position: tuple[str, ...],
    image: Path | None,
    pixels: str | None,
    cone: bool,
    form: str | None,
) -> None:
    """The arithmetic of one number, compared with what the engine computed.

    POSITION is one index for each axis of the layer's output, without the batch: 5,7,12 is row 5,
    column 7, channel 12 of a channels-last map. Negative indices count from the end.
    Exit status 1 when the two differ by more than float32 rounding can explain.
    """
    where = read_position(*position)
    given = image_for(model, image)
    network = open_network(model)
    set_pixels(network, pixels, image)
    layer = layer_named(network, layer)
    with working(f"{'tracing' if cone else 'running'} {network.name}"):
        report = (
            network.trace(given, layer, where) if cone else network.run(given).trace(layer, where)
        )
    show(report, form, color)
    if report.facts.agrees is False:
        sys.exit(1)
