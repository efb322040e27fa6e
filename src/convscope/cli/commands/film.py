"""A film of training: its steps, the path of a weight, and why it moved in one step."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from convscope.cli.output import working
from convscope.cli.shared import color_option, open_network, read_position, report_formats, show


@click.command("film", short_help="what a network learned, step by step, and why a weight moved")
@click.argument("film", type=click.Path(path_type=Path))
@click.option(
    "--of", "of", metavar="LAYER.WEIGHT:POSITION",
    help="One number of a weight, conv2d_1.kernel:1,2,0,11: its path, or with --step why it moved.",
)  # fmt: skip
@click.option("--step", type=int, help="Which step to take apart.")
@click.option("--model", default="demo", show_default=True, help="The network that the film is of.")
@report_formats
@color_option
@click.pass_obj
def command(
    color: bool, film: Path, of: str | None, step: int | None, model: str, form: str | None
) -> None:
    """Show a film that train wrote: the path of any weight, and why it moved.

    film digits.film.npz --of conv2d_1.kernel:1,2,0,11 --step 12 prints every image's share of that weight's
    gradient, and what the optimizer made of it; with --json all of its products.
    """
    from convscope.learning.film import Film, compiled
    from convscope.views.report import Report

    found = Film(film)
    if of is None:
        if step is not None:
            raise click.UsageError("--step goes with --of LAYER.WEIGHT:POSITION")
        show(Report(found), form, color)
        return
    what, _, place = of.rpartition(":")
    if not what:
        raise click.UsageError(
            f"--of is a weight and a position, conv2d.kernel:1,2,0,11, not {of!r}"
        )
    position = read_position(place)
    if step is None:
        show(Report(found.path_of(what, position)), form, color)
        return
    network: Any
    if model == "demo":
        from convscope.demo.training import network as untrained

        network = untrained()
    else:
        network = open_network(model)
    network.compile(**compiled(found))
    with working(f"taking step {step} apart"):
        movement = found.taken(network._compiled(), step).at(what, position)
    show(Report(movement), form, color)
