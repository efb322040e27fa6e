"""A layer's equation, sizes and why; the four pictures learners have."""

from __future__ import annotations

from pathlib import Path

import click

from convscope.cli.opening import image_for, layer_named, open_network, read_position, set_pixels
from convscope.cli.options import (
    MODEL_HELP,
    WithPosition,
    color_option,
    depth_option,
    image_option,
    layer_argument,
    layers_option,
    model_argument,
    pixels_option,
    report_formats,
)
from convscope.cli.output import show, working


@click.command(
    "explain",
    cls=WithPosition,
    epilog=MODEL_HELP,
    short_help="a layer's equation, its sizes and why",
)
@model_argument
@layer_argument(required=False)
@layers_option
@depth_option
@click.option("--models", is_flag=True, help="The four pictures learners have, tested on an image.")
@click.option("--position", help="Where --models compares; by default where most is going on.")
@image_option
@pixels_option
@report_formats
@color_option
@click.pass_obj
def command(
    color: bool,
    model: str,
    layer: str | None,
    layers: str | None,
    depth: int | None,
    models: bool,
    position: str | None,
    image: Path | None,
    pixels: str | None,
    form: str | None,
) -> None:
    """A layer's equation, its sizes and why, one filter's shape, where its parameters come from.

    LAYER is a name, also that of a nested network, or a place from 1. Without it the whole network is explained; on a page, where it
    has many layers.
    """
    if layer is not None and (layers is not None or depth is not None):
        other = "--depth" if layers is None else "--layers"
        raise click.UsageError(f"LAYER names one layer, {other} is about several: choose one")
    network = open_network(model)
    set_pixels(network, pixels, image)
    if not models:
        if image is not None or position is not None:
            raise click.UsageError("--image and --position go with --models")
        with working(f"explaining {network.name}"):
            if layer is not None and not network.graph.nests(layer):
                layer = layer_named(network, layer)
            report = network.explain(layer, layers, depth)
        show(report, form, color)
        return
    if layer is None:
        raise click.UsageError(
            "--models needs a LAYER, as in: convscope explain demo conv2d_1 --models"
        )
    layer = layer_named(network, layer)
    with working(f"running {network.name}"):
        run = network.run(image_for(model, image))
    where = read_position(position) if position else run.liveliest(layer)
    show(run.compare(layer, where), form, color)
