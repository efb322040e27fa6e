"""A network over a whole data set: what every map does, and which images drive it most."""

from __future__ import annotations

from pathlib import Path

import click

from convscope.cli.opening import layer_named, open_network, set_labels
from convscope.cli.options import (
    MODEL_HELP,
    color_option,
    formats,
    labels_option,
    model_argument,
    pixels_option,
)
from convscope.cli.output import check_targets, emit, say, show
from convscope.errors import OutputError

DATA_HELP = (
    "DATA is a folder of images (sub-folders are labels) or of .tar shards, a .zip or .tar of images, an "
    ".npy or .npz file (FILE.npz:NAME), an IDX (MNIST) or CIFAR file, or Parquet with a column of images."
)


@click.command(
    "survey",
    epilog=f"{MODEL_HELP} {DATA_HELP}",
    short_help="a network over a whole data set: what every map does, proved",
)
@model_argument
@click.argument("data", metavar="DATA")
@click.option(
    "--out",
    type=click.Path(path_type=Path),
    help="Keep the survey in this .survey file, and what is done of it every half a minute.",
)
@click.option("--resume", is_flag=True, help="Go on with the survey in --out.")
@click.option("--force", is_flag=True, help="Replace files that exist.")
@click.option("--layers", multiple=True, metavar="NAMES",
              help="Only these layers, with commas between them, or once for each.")  # fmt: skip
@click.option("--top", type=click.IntRange(1, 1000), default=9, show_default=True,
              help="How many of the largest responses of each map are kept.")  # fmt: skip
@click.option(
    "--prepare",
    multiple=True,
    metavar="STEP",
    help="What is done to every image before: grey, rgb, invert, background:white, background:black, "
    "crop-and-resize or resize. Nothing is changed unasked.",
)
@click.option(
    "--histograms",
    type=click.Choice(["auto", "maps", "layers"]),
    default="auto",
    help="One for each map, or one for each layer; auto (the default) is one for each map up to 20,000 maps.",
)
@click.option("--workers", type=click.IntRange(1, 1024), metavar="N",
              help="So many processes on this machine, started and ended by convscope.")  # fmt: skip
@click.option("--scheduler", metavar="ADDRESS", help="A Dask scheduler that runs: tcp://host:8786.")
@click.option(
    "--page", type=click.Path(path_type=Path), help="Write one HTML file to look through, offline."
)
@click.option(
    "--parquet", type=click.Path(path_type=Path), help="Write one row for each map to this file."
)
@pixels_option
@labels_option
@formats("json", "csv", "markdown", "html", "latex")
@color_option
@click.pass_obj
def command(
    color: bool,
    model: str,
    data: str,
    out: Path | None,
    resume: bool,
    force: bool,
    layers: tuple[str, ...],
    top: int,
    prepare: tuple[str, ...],
    histograms: str,
    workers: int | None,
    scheduler: str | None,
    page: Path | None,
    parquet: Path | None,
    pixels: str | None,
    labels: Path | None,
    form: str | None,
) -> None:
    """What every map of MODEL does over all images of DATA.

    Which never fire, which are copies of one another, which images and places drive each most. Ctrl-C
    leaves --out as a file that --resume goes on with.
    """
    from convscope.survey.bar import Bar
    from convscope.survey.measuring import Asked
    from convscope.survey.survey import arrow
    from convscope.survey.work import survey
    from convscope.views.report import Report

    if resume and out is None:
        raise click.UsageError("--resume goes on with a file: --out S.survey")
    if workers is not None and scheduler is not None:
        raise click.UsageError("--workers starts a scheduler of its own: give that or --scheduler")
    check_targets(force, page=(page, ".html"), parquet=(parquet, ".parquet"))
    if parquet is not None:
        arrow()
    network = open_network(model)
    network.pixels = pixels
    set_labels(network, model, labels)
    names = [name.strip() for text in layers for name in text.split(",")]
    named = tuple(dict.fromkeys(layer_named(network, name) for name in names))
    asked = Asked(named or None, top, histograms, prepare)
    unsaved: list[OutputError] = []
    with Bar() as bar:
        found = survey(
            network, data, asked, out=out, resume=resume, force=force, workers=workers,
            scheduler=scheduler, progress=bar.show, told=say, unsaved=unsaved.append,
        )  # fmt: skip
    if found.skipped:
        say(
            f"skipped {found.skipped:,} of {found.skipped + found.images:,} images; --json names them"
        )
    if form == "csv":
        emit(found.csv())
    else:
        show(Report(found), form, color)
    # a file that cannot be written takes nothing of what was printed with it
    for written, write in (
        (None if unsaved else out, None),
        (parquet, found.parquet),
        (page, found.page),
    ):
        if written is not None:
            if write is not None:
                write(written)
            say(f"wrote {written}")
    for error in unsaved:
        raise error
