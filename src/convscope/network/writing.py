"""The explorer of a network as one HTML file."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from convscope.engine.writing import complete
from convscope.errors import OutputWarning

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from convscope.network.network import Network


def write_page(
    network: Network,
    image: Any,
    path: str | Path,
    limit: float,
    lesson: Any = None,
    film: Any = None,
    survey: Any = None,
) -> None:
    """Write the explorer of an image's run as one HTML file, and warn of what was left out."""
    from convscope.explorer.host import Host
    from convscope.network.learning import to_watch
    from convscope.survey.work import to_look_through

    def host() -> Host:
        given = to_watch(network, film=film) | to_look_through(network, survey)
        return Host(network, image, lesson=lesson, given=given)

    write_host(host, path, limit)


def write_host(host: Callable[[], Any], path: str | Path, limit: float) -> None:
    """Write the explorer of a host's newest run as one HTML file, and warn of what was left out."""
    import warnings

    from convscope.explorer.single_file import single_file

    with complete(path, ".html", "the explorer is written as .html") as part:
        page = single_file(host(), limit)
        with part.open("wb") as file:
            page.write(file)
    if page.left_out:
        warnings.warn(f"{path} has {page.remark}", OutputWarning, stacklevel=4)
