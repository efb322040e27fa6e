"""What other settings would change."""

from __future__ import annotations

import click

from convscope.cli.opening import layer_named, open_network
from convscope.cli.options import (
    MODEL_HELP,
    color_option,
    depth_option,
    layers_option,
    model_argument,
    report_formats,
)
from convscope.cli.output import show, working


@click.command(
    "whatif",
    epilog=MODEL_HELP,
    short_help="settings changed: what becomes of every layer after them",
)
@model_argument
@click.argument("edits", metavar="LAYER.SETTING=VALUE ...", nargs=-1, required=True)
@layers_option
@depth_option
@report_formats
@color_option
@click.pass_obj
def command(
    color: bool,
    model: str,
    edits: tuple[str, ...],
    layers: str | None,
    depth: int | None,
    form: str | None,
) -> None:
    """What settings of layers would change: shapes, weights, parameters, MACs, receptive fields.

    An edit is LAYER.SETTING=VALUE, as in conv2d.kernel_size=5 or conv2d_1.padding=same; VALUE is a
    number, several with commas (3,5), a word, true, false or none. Several edits are made at once. A LAYER
    is a name, or a place from 1.
    """
    from convscope.model.settings import read_edit

    read = [read_edit(text) for text in edits]
    network = open_network(model)
    given = [(layer_named(network, layer), setting, value) for layer, setting, value in read]
    with working(f"editing {network.name}"):
        report = network.whatif(given, layers, depth)
    show(report, form, color)
