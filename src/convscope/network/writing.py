"""The explorer of a network as one HTML file."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from convscope.engine.writing import complete
from convscope.errors import OutputWarning

if TYPE_CHECKING:
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
    import warnings

    from convscope.explorer.host import Host
    from convscope.explorer.single_file import single_file
    from convscope.network.learning import to_watch
    from convscope.survey.work import to_look_through

    with complete(path, ".html", "the explorer is written as .html") as part:
        given = to_watch(network, film=film) | to_look_through(network, survey)
        page = single_file(Host(network, image, lesson=lesson, given=given), limit)
        with part.open("wb") as file:
            page.write(file)
    if page.left_out:
        warnings.warn(f"{path} has {page.remark}", OutputWarning, stacklevel=3)
