"""Every layer of a network in a table."""

from __future__ import annotations

import click

from convscope.cli.shared import MODEL_HELP, color_option, model_argument, open_network, width


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
@click.option(
    "--depth", type=int, help="Fold networks nested deeper than this into a row each; 1 folds all."
)
@click.option(
    "--layers",
    metavar="FROM:TO",
    help="Only these rows: names, or places from 1; either side may be missing.",
)
@click.option("--json", "form", flag_value="json", help="One JSON object on stdout.")
@click.option("--markdown", "form", flag_value="markdown", help="A Markdown table.")
@click.option("--csv", "form", flag_value="csv", help="Comma-separated values.")
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

    chosen = [c.strip() for c in columns.split(",")] if columns else None
    facts = open_network(model).facts(depth, layers)
    match form:
        case "json":
            from convscope.views.strict_json import strict_json

            text = strict_json(facts.to_dict())
        case "csv":
            text = views.summary_csv(facts)
        case "markdown":
            from convscope.views.markdown import markdown

            text = markdown(views.document(facts, chosen))
        case _:
            text = views.render(facts, style, chosen, width=width(), color=color)
    click.echo(text.rstrip("\n"))
    if form is None and style == "keras2":
        from convscope.views.keras2_summary import cut_short

        if cut := cut_short(facts):
            many = f"{cut:,} cells are" if cut > 1 else "one cell is"
            click.echo(f"Note: {many} cut short, as Keras 2 cut them; our table is whole", err=True)
