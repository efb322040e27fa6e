"""What is wrong or doubtful in a network."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from convscope.cli.opening import open_network, set_pixels
from convscope.cli.options import (
    MODEL_HELP,
    color_option,
    image_option,
    model_argument,
    pixels_option,
    report_formats,
    survey_data_option,
)
from convscope.cli.output import show, working
from convscope.errors import SettingError


@click.command(
    "check", epilog=MODEL_HELP, short_help="what is wrong or doubtful, each with its proof"
)
@model_argument
@click.option(
    "--ignore",
    multiple=True,
    metavar="RULE[:LAYER]",
    help="Leave a rule out, or what it finds in one layer. Also a list in pyproject.toml: "
    "[tool.convscope.check] ignore = [...].",
)
@click.option("--advice", is_flag=True, help="Also what depends on hardware or taste.")
@click.option(
    "--between",
    metavar="LOW,HIGH",
    default="0,1",
    show_default=True,
    help="The smallest and largest number in an image.",
)
@click.option(
    "--rules",
    is_flag=True,
    expose_value=False,
    is_eager=True,
    help="List the rules.",
    callback=lambda context, _, asked: _list_rules(context) if asked else None,
)
@image_option
@click.option(
    "--survey",
    type=click.Path(path_type=Path),
    metavar="FILE.survey",
    help="A survey of MODEL, as `convscope survey --out` wrote it: what is dead, saturated or NaN over all its images.",
)
@survey_data_option
@pixels_option
@report_formats
@color_option
@click.pass_context
def command(
    context: click.Context,
    model: str,
    ignore: tuple[str, ...],
    advice: bool,
    between: str,
    image: Path | None,
    survey: Path | None,
    survey_data: str | None,
    pixels: str | None,
    form: str | None,
) -> None:
    """What is wrong or doubtful in a network: positions that no window reads, a bias that is subtracted again, …

    Each finding is a fact that follows from the equations, or was predicted by published measurements,
    and comes with a proof that was computed on this network. Exit status 0 for no findings, 1 for some.
    """
    ends = _numbers(between)
    if survey is None and survey_data is not None:
        raise click.UsageError("--survey-data says where the images of --survey are")
    network = open_network(model)
    set_pixels(network, pixels, image)
    with working(f"checking {network.name}"):
        report = network.check(
            image,
            ignore=(*ignore, *_in_pyproject()),
            advice=advice,
            between=ends,
            survey=survey,
            survey_data=survey_data,
        )
    show(report, form, context.obj)
    context.exit(1 if len(report.facts) else 0)


def _numbers(text: str) -> tuple[float, float]:
    try:
        low, high = map(float, text.split(","))
    except ValueError:
        low, high = 1.0, 0.0
    if not low <= high:
        raise click.UsageError(
            f"--between is two numbers, the smaller first, such as 0,1, not {text!r}"
        )
    return low, high


def _in_pyproject() -> list[str]:
    """Return what the pyproject.toml of this folder, or the nearest above it, says to ignore."""
    import tomllib

    for folder in (Path.cwd(), *Path.cwd().parents):
        file = folder / "pyproject.toml"
        if not file.is_file():
            continue
        try:
            said: Any = tomllib.loads(file.read_text(encoding="utf-8"))
        except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
            raise SettingError(f"{file} cannot be read: {error}") from error
        for key in ("tool", "convscope", "check", "ignore"):
            said = said.get(key, {}) if isinstance(said, dict) else {}
        if said == {}:
            return []
        if not isinstance(said, list) or not all(isinstance(one, str) for one in said):
            raise SettingError(f"{file}: tool.convscope.check.ignore must be a list of rules")
        return said
    return []


def _list_rules(context: click.Context) -> None:
    from convscope.checks.checking import all_rules

    width = max(len(rule.name) for rule in all_rules())
    for rule in all_rules():
        click.echo(f"{rule.name:{width}}  {rule.certainty:9}  {rule.title}")
    context.exit(0)
