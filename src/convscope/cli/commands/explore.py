"""The explorer in the browser, until Ctrl-C."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from convscope.cli.opening import open_network, set_labels, set_pixels, surveyed, taken
from convscope.cli.options import (
    MODEL_HELP,
    example_options,
    image_option,
    labels_option,
    lesson_option,
    pixels_option,
    size_option,
    survey_data_option,
    survey_option,
)
from convscope.cli.output import emit, say

if TYPE_CHECKING:
    from convscope.network import Network


@click.command(
    "explore",
    epilog=f"{MODEL_HELP} Without MODEL, the demo network on a real digit.",
    short_help="see, click and take apart any number, in the browser",
)
@click.argument("model", metavar="[MODEL]", required=False)
@size_option
@example_options
@image_option
@pixels_option
@labels_option
@lesson_option
@survey_option
@survey_data_option
@click.option(
    "--data",
    type=click.Path(path_type=Path),
    help="What a copy of the network may learn from, on the screen Learning: a folder of images with one sub-folder a "
    "class, or a .npz file of x and y.",
)
@click.option(
    "--film",
    type=click.Path(path_type=Path),
    help="A film that convscope train wrote, for the screen Learning.",
)
@click.option(
    "--port",
    type=click.IntRange(0, 65535),
    help="Where to listen; 0 lets the system choose. By default 8765 or a free one near it.",
)
@click.option(
    "--host",
    default="127.0.0.1",
    help="Another address of this machine to listen on; others may then reach it, unencrypted.",
)
@click.option("--no-open", is_flag=True, help="Print the address instead of opening a browser.")
def command(
    model: str | None,
    image: Path | None,
    pixels: str | None,
    labels: Path | None,
    lesson: str | None,
    survey: Path | None,
    survey_data: str | None,
    data: Path | None,
    film: Path | None,
    port: int | None,
    host: str,
    no_open: bool,
) -> None:
    """The network in the browser: its maps, any number and what made it, and what if.

    Only this machine can reach it, and only a browser that opened the address, which holds a key.
    Ctrl-C ends it.
    """
    taught = taken(lesson)
    model = model or (taught and taught.network) or "demo"
    network = open_network(model)
    given = image or network.samples.get("seven")
    set_pixels(network, pixels, image)
    set_labels(network, model, labels)
    from convscope.network.learning import to_watch

    late = to_watch(network, data, film) | surveyed(network, survey, survey_data)
    _explore(network, given, taught, late, port, host, no_open)


def _explore(
    network: Network,
    image: Path | None,
    lesson: Any,
    late: dict[str, Any],
    port: int | None,
    address: str,
    no_open: bool,
) -> None:
    """Serve a network's explorer until Ctrl-C: the address to stdout if nothing opens it."""
    from convscope.explorer.guard import LOOPBACK
    from convscope.explorer.host import Host
    from convscope.explorer.server import serve

    if address not in LOOPBACK:
        say(
            f"Warning: whoever reaches {address} and knows the address with its key can use the "
            f"explorer, and what is sent can be read on the way"
        )

    def announce(found: str) -> None:
        if no_open:
            say("the explorer's address, for one browser; Ctrl-C ends it:")
            emit(found)
        else:
            say(f"the explorer: {found} (for one browser; Ctrl-C ends it)")

    host = Host(network, image, network.samples, lesson, late=True, given=late)
    serve(host, address, port, open_browser=not no_open, announce=announce)
