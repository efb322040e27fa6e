"""A layer's equation, sizes and why; the four pictures learners have."""

from __future__ import annotations

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


@click.command("explain", epilog=MODEL_HELP, short_help="a layer's equation, its sizes and why")
@model_argument
@click.argument("layer", metavar="[LAYER]", required=False)
@click.option("--models", is_flag=True, help="The four pictures learners have, tested on an image.")
@click.option("--position", help="Where --models compares; by default where most is going on.")
@image_option
@formats
@color_option
@click.pass_obj
def command(
    color: bool,
    model: str,
    layer: str | None,
    models: bool,
    position: str | None,
    image: Path | None,
    form: str | None,
) -> None:
    """A layer's equation, its sizes and why, one filter's shape, where its parameters come from."""
    network = open_network(model)
    if not models:
        if image is not None or position is not None:
            raise click.UsageError("--image and --position go with --models")
        show(network.explain(layer), form, color)
        return
    if layer is None:
        raise click.UsageError(
            "--models needs a LAYER, as in: convscope explain demo conv2d_1 --models"
        )
    run = network.run(image_for(model, image))
    where = read_position(position) if position else run.liveliest(layer)
    show(run.compare(layer, where), form, color)
