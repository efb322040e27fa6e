"""A network as an ONNX file, or its explorer as one page."""

from __future__ import annotations

from pathlib import Path

import click

from convscope.cli.opening import image_for, open_network, set_labels, set_pixels, surveyed, taken
from convscope.cli.options import (
    MODEL_HELP,
    image_option,
    labels_option,
    lesson_option,
    model_argument,
    pixels_option,
    survey_data_option,
    survey_option,
)
from convscope.cli.output import check_target, say, working


@click.command(
    "export",
    epilog=MODEL_HELP,
    short_help="write the network as an ONNX file, or the explorer as one page",
)
@model_argument
@click.argument("file", metavar="FILE", type=click.Path(path_type=Path))
@image_option
@pixels_option
@labels_option
@lesson_option
@survey_option
@survey_data_option
@click.option(
    "--limit",
    type=click.FloatRange(min=0, min_open=True),
    help="MiB of numbers that FILE.html may hold, 64 by default; the largest are left out above it.",
)
@click.option(
    "--film",
    type=click.Path(path_type=Path),
    help="A film that convscope train wrote, for the page's screen Learning.",
)
@click.option("--force", is_flag=True, help="Replace the file if it exists.")
def command(
    model: str,
    file: Path,
    image: Path | None,
    pixels: str | None,
    labels: Path | None,
    lesson: str | None,
    survey: Path | None,
    survey_data: str | None,
    limit: float | None,
    film: Path | None,
    force: bool,
) -> None:
    """Write the network as an ONNX file, or the explorer as one page.

    FILE.onnx carries the layers' names. FILE.html shows one image going through the network; it works
    from disk, offline, and needs no convscope.
    """
    import warnings

    from convscope.errors import OutputWarning

    page = file.suffix.lower() == ".html"
    if not page and any(one is not None for one in (image, limit, lesson, film, survey)):
        raise click.UsageError(
            f"--image, --limit, --lesson, --film and --survey go with FILE.html, not with {file.name}"
        )
    check_target(file, force)
    network = open_network(model)
    set_pixels(network, pixels, image)
    set_labels(network, model, labels)
    with working(f"writing {file}"), warnings.catch_warnings(record=True) as said:
        warnings.simplefilter("always", OutputWarning)
        if page:
            shown, taught = image_for(model, image), taken(lesson)
            late = surveyed(network, survey, survey_data)
            network.export(file, shown, limit=limit or 64, lesson=taught, film=film, **late)
        else:
            network.export(file)
    for one in said:
        say(f"Warning: {one.message}")
    say(f"wrote {file}")
