"""One image through the network: what every layer gave, and pictures of it."""

from __future__ import annotations

from pathlib import Path

import click

from convscope.cli.opening import image_for, layer_named, open_network, set_pixels
from convscope.cli.options import (
    MODEL_HELP,
    color_option,
    depth_option,
    image_option,
    layers_of,
    layers_option,
    model_argument,
    pixels_option,
    report_formats,
)
from convscope.cli.output import check_targets, say, show, working


@click.command(
    "run", epilog=MODEL_HELP, short_help="one image through the network: activations and pictures"
)
@model_argument
@image_option
@pixels_option
@click.option(
    "--out", type=click.Path(path_type=Path), help="Write every activation to this .npz file."
)
@click.option(
    "--maps", "layer", metavar="LAYER", shell_complete=layers_of, help="Draw this layer's maps …"
)
@click.option(
    "--png", type=click.Path(path_type=Path), help="… to this PNG file (LAYER.png by default)."
)
@click.option("--force", is_flag=True, help="Replace files that exist.")
@layers_option
@depth_option
@report_formats
@color_option
@click.pass_obj
def command(
    color: bool,
    model: str,
    image: Path | None,
    pixels: str | None,
    out: Path | None,
    layer: str | None,
    png: Path | None,
    force: bool,
    layers: str | None,
    depth: int | None,
    form: str | None,
) -> None:
    """Run one image; show what every layer gave, write activations and pictures of maps."""
    from convscope.explain.activations import figures_of
    from convscope.views.report import Report

    if png is not None and layer is None:
        raise click.UsageError("--png goes with --maps LAYER")
    given = image_for(model, image)
    network = open_network(model)
    set_pixels(network, pixels, image)
    if layer is not None:
        layer = layer_named(network, layer)
        png = png or Path(f"{layer.strip('/').replace('/', '_')}.png")
    check_targets(force, out=(out, ".npz"), png=(png, ".png"))
    with working(f"running {network.name}"):
        done = network.run(given)
        figures = figures_of(done.graph, done.activations, layers, done.missing, done.taken, depth)
    if out is not None:
        with working(f"writing {out}"):
            done.save(out)
    if layer is not None and png is not None:
        done.draw(layer, png)
    show(Report(figures), form, color)
    for target in (out, png):
        if target is not None:
            say(f"wrote {target}")
