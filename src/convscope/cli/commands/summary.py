"""Every layer of a network in a table."""

from __future__ import annotations

import click

from convscope.cli.opening import open_network
from convscope.cli.options import (
    MODEL_HELP,
    color_option,
    depth_option,
    formats,
    layers_option,
    model_argument,
)
from convscope.cli.output import emit, say, show, width_if_any, working


@click.command(
    "summary", epilog=MODEL_HELP, short_help="shapes, weights, parameters, MACs, receptive fields"
)
@model_argument
@click.option(
    "--style",
    type=click.Choice(["table", "keras", "keras2"]),
    default="table",
    help="Our table, what Keras 3 prints, or Keras 2's classic text.",
)
@click.option("--columns", help="Which columns of our table, separated by commas.")
@depth_option
@layers_option
@formats("json", "csv", "markdown", "html", "latex")
@color_option
@click.pass_obj
def command(
    color: bool,
    model: str,
    style: str,
    columns: str | None,
    depth: int | None,
    layers: str | None,
    form: str | None,
) -> None:
    """Every layer: output shape, weights, parameters, MACs, receptive field."""
    from convscope.views import summary as views

    if style != "table" and (form or columns):
        other = f"--{form}" if form else "--columns"
        raise click.UsageError(f"--style {style} is a text of its own, and {other} goes without it")
    chosen = views.checked(None if columns is None else columns)
    network = open_network(model, parts=True)
    with working(f"summarising {network.name}"):
        facts = network.facts(depth, layers)
    if form == "csv":
        emit(views.summary_csv(facts))
    elif form is None:
        emit(views.render(facts, style, chosen, width=width_if_any(), color=color))
    else:
        from convscope.views.report import Report

        show(Report(views.SummaryTable(facts, chosen)), form, color)
    if style == "keras2":
        from convscope.views.keras2_summary import cut_short

        if cut := cut_short(facts):
            many = f"{cut:,} cells are" if cut > 1 else "one cell is"
            say(f"Note: {many} cut short, as Keras 2 cut them; our table is whole")
