"""A figure of a network, for a paper or a lecture."""

from __future__ import annotations

from pathlib import Path

import click

from convscope.cli.opening import image_for, open_network, set_pixels
from convscope.cli.options import (
    MODEL_HELP,
    formats,
    image_option,
    layers_of,
    loss_options,
    model_argument,
    pixels_option,
    target_given,
)
from convscope.cli.output import check_target, emit, say, working

FIGURES = ("architecture", "content", "number", "question", "receptive", "kernels", "gradient")
STYLES = ("plain", "paper", "lecture", "dark")
NEEDS_IMAGE = ("content", "number", "question", "gradient")


@click.command(
    "draw", epilog=MODEL_HELP, short_help="a figure for a paper or a lecture: SVG, TikZ, PDF or PNG"
)
@model_argument
@click.argument("out", metavar="OUT", type=click.Path(path_type=Path))
@click.option(
    "--figure",
    type=click.Choice(FIGURES),
    help="What it shows; the architecture by default, and with --image the content.",
)
@image_option
@pixels_option
@click.option(
    "--style", type=click.Choice(STYLES), default="plain", show_default=True, help="How it looks."
)
@click.option(
    "--columns",
    metavar="WIDTH",
    help="How wide: 88mm, 3.5in, or a venue: ieee, ieee:2, neurips, icml, cvpr, nature, elsevier, lncs, slide, a4 …",
)
@click.option(
    "--layers", metavar="FROM:TO", help="From one layer to another, by name or place from 1."
)
@click.option(
    "--depth", type=click.IntRange(min=1), help="Fold networks that are nested deeper than this."
)
@click.option(
    "--at",
    metavar="LAYER[:POSITION]",
    shell_complete=layers_of,
    help="The number or the layer that it is about: conv2d_1:5,7,12; else the largest number of the last layer that fits.",
)
@click.option(
    "--to",
    metavar="WHAT",
    shell_complete=layers_of,
    help="By what a gradient is: an input (the default), a layer with maps, or a kernel, LAYER.WEIGHT.",
)
@loss_options
@click.option("--flat", is_flag=True, help="Blocks without depth.")
@click.option(
    "--dpi",
    type=click.IntRange(36, 2400),
    default=300,
    show_default=True,
    help="Pixels an inch of a PNG.",
)
@click.option("--force", is_flag=True, help="Replace the file if it exists.")
@formats("json")
def command(
    model: str, out: Path, figure: str | None, image: Path | None, pixels: str | None, style: str,
    columns: str | None, layers: str | None, depth: int | None, at: str | None, to: str | None, loss: str | None,
    target: str | None, from_logits: bool, flat: bool, dpi: int, force: bool, form: str | None,
) -> None:  # fmt: skip
    """Draw a figure of the network; OUT's ending says how: .svg, .tex (TikZ), .pdf or .png.

    Shapes, maps, kernels, windows and numbers are the network's own. A .tex file compiles by itself, and goes into a
    document by \\input. PDF and PNG need: pip install 'convscope[figures]'.
    """
    from convscope.figures.drawing import FigureAsked, draw, ending, place, told
    from convscope.views.strict_json import strict_json

    ending(out)
    check_target(out, force)
    if loss is None and (target is not None or from_logits):
        raise click.UsageError("--target and --from-logits go with --loss")
    asked = FigureAsked(
        figure,
        style,
        columns,
        layers,
        depth,
        place(at),
        flat,
        to,
        loss,
        target_given(target),
        from_logits,
    )
    given = image_for(model, image) if asked.led or figure in NEEDS_IMAGE else image
    network = open_network(model)
    if given is not None:
        set_pixels(network, pixels, given)
    elif pixels is not None:
        raise click.UsageError("--pixels goes with --image")
    with working(f"drawing {network.name}"):
        drawn = draw(network, out, given, asked, dpi)
    if form is not None:
        emit(strict_json(told(drawn, out), 2))
    say(f"wrote {out}")
