"""What a small change does to one number, or to a loss."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from convscope.cli.opening import image_for, layer_named, open_network, read_position, set_pixels
from convscope.cli.options import (
    MODEL_HELP,
    color_option,
    image_option,
    layers_of,
    loss_options,
    model_argument,
    pixels_option,
    report_formats,
    target_given,
)
from convscope.cli.output import show, working


@click.command(
    "gradient",
    epilog=MODEL_HELP,
    short_help="what a small change of a weight or a pixel does to a number, and why",
)
@model_argument
@click.option(
    "--of",
    "of",
    metavar="LAYER:POSITION",
    shell_complete=layers_of,
    help="The number: conv2d_1:15,17,7. With --loss: the layer whose output it is of.",
)
@loss_options
@click.option(
    "--to",
    "to",
    metavar="WHAT[:POSITION]",
    shell_complete=layers_of,
    help="A layer, LAYER.WEIGHT or an input (the default); with a position the ledger of one derivative.",
)
@click.option("--shares", is_flag=True, help="Input × gradient, every bias, and what remains.")
@image_option
@pixels_option
@report_formats
@color_option
@click.pass_obj
def command(
    color: bool,
    model: str,
    of: str | None,
    loss: str | None,
    target: str | None,
    from_logits: bool,
    to: str | None,
    shares: bool,
    image: Path | None,
    pixels: str | None,
    form: str | None,
) -> None:
    """What a small change of a weight, an activation or a pixel does to one number.

    The layers' equations are led back from the number: gradient demo --of conv2d_1:15,17,7 --to
    conv2d.kernel:1,2,0,11 prints the terms of one derivative, each a product of two numbers.
    """
    if (of is None) == (loss is None):
        raise click.UsageError("name a number with --of LAYER:POSITION, or a --loss")
    if loss is None and (target is not None or from_logits):
        raise click.UsageError("--target and --from-logits go with --loss")
    if shares and to is not None:
        raise click.UsageError("--shares is about the inputs and every bias: leave --to out")
    asked: Any = of
    what, _, place = (to or "").rpartition(":") if to and ":" in to else (to, "", "")
    at = read_position(place) if place else None
    layer, _, position = (of or "").rpartition(":")
    if of is not None and loss is None and not layer:
        raise click.UsageError(f"--of is a layer and a position, conv2d_1:15,17,7, not {of!r}")
    where = read_position(position) if of is not None and loss is None else None
    wanted = target_given(target)
    given = image_for(model, image)
    network = open_network(model)
    set_pixels(network, pixels, image)
    if where is not None:
        asked = (layer_named(network, layer), where)
    with working(f"leading {network.name} back"):
        found: Any = network.gradient(
            given, asked, what or None, loss=loss, target=wanted, from_logits=from_logits
        )
        if shares:
            found = found.shares()
        elif at is not None:
            found = found.at(at)
    show(found, form, color)
