"""One number taken apart."""

from __future__ import annotations

import sys
from pathlib import Path

import click

from convscope.cli.shared import (
    MODEL_HELP,
    color_option,
    formats,
    image_for,
    image_option,
    model_argument,
    open_network,
    read_position,
    show,
)


@click.command(
    "trace", epilog=MODEL_HELP, short_help="the arithmetic of one number, proved against the engine"
)
@model_argument
@click.argument("layer", metavar="LAYER")
@click.argument("position", metavar="POSITION")
@image_option
@click.option(
    "--cone", is_flag=True, help="Compute it from the patch it sees; do not run the network."
)
@formats
@color_option
@click.pass_obj
def command(
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
    network = open_network(model)
    where = read_position(position)
    given = image_for(model, image)
    report = network.trace(given, layer, where) if cone else network.run(given).trace(layer, where)
    show(report, form, color)
    if report.facts.agrees is False:
        sys.exit(1)
