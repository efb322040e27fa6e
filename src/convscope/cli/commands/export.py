"""A network as an ONNX file, or its explorer as one page."""

from __future__ import annotations

from pathlib import Path

import click

from convscope.cli.shared import (
    MODEL_HELP,
    image_for,
    image_option,
    model_argument,
    one_line,
    open_network,
)
from convscope.errors import OutputError


@click.command(
    "export",
    epilog=MODEL_HELP,
    short_help="write the network as an ONNX file, or the explorer as one page",
)
@model_argument
@click.argument("file", metavar="FILE", type=click.Path(path_type=Path))
@image_option
@click.option(
    "--limit",
    type=click.FloatRange(min=0, min_open=True),
    help="MiB of numbers that FILE.html may hold, 64 by default; the largest are left out above it.",
)
@click.option("--force", is_flag=True, help="Replace the file if it exists.")
def command(model: str, file: Path, image: Path | None, limit: float | None, force: bool) -> None:
    """Write the network as an ONNX file, or the explorer as one page.

    FILE.onnx carries the layers' names. FILE.html shows one image going through the network; it works
    from disk, offline, and needs no convscope.
    """
    import warnings

    from convscope.errors import OutputWarning

    page = file.suffix.lower() == ".html"
    if not page and (image is not None or limit is not None):
        raise click.UsageError(f"--image and --limit go with FILE.html, not with {file.name}")
    if file.exists() and not force:
        raise OutputError(f"{file} exists already; --force replaces it")
    network = open_network(model)
    with warnings.catch_warnings(record=True) as said:
        warnings.simplefilter("always", OutputWarning)
        if page:
            network.export(file, image_for(model, image), limit=limit or 64)
        else:
            network.export(file)
    for one in said:
        click.echo(f"Warning: {one_line(one.message)}", err=True)
    click.echo(f"wrote {file}", err=True)
