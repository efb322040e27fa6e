"""Files that are there whole or not at all."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

from convscope.errors import OutputError, OutputWarning

if TYPE_CHECKING:
    from convscope.network.network import Network


def write_page(network: Network, image: Any, path: str | Path, limit: float) -> None:
    """Write the explorer of an image's run as one HTML file, and warn of what was left out."""
    import warnings

    from convscope.explorer.host import Host
    from convscope.explorer.single_file import single_file

    with complete(path, ".html", "the explorer is written as .html") as part:
        page = single_file(Host(network, image), limit)
        with part.open("wb") as file:
            page.write(file)
    if page.left_out:
        warnings.warn(f"{path} has {page.remark}", OutputWarning, stacklevel=3)


@contextmanager
def complete(path: str | Path, suffix: str, what: str) -> Iterator[Path]:
    """Give a file beside the target to write; it takes the target's place only when it is complete.

    Raises `OutputError` for a name that does not end in `suffix`, or when it cannot be written.
    """
    target = Path(path)
    if target.suffix.lower() != suffix:
        raise OutputError(f"{what}: name the file {target.with_suffix(suffix)}, not {target}")
    part = target.with_name(f".{target.name}.part")
    try:
        yield part
        part.replace(target)
    except OSError as error:
        raise OutputError(f"cannot write {target}: {error.strerror or error}") from error
    finally:
        with suppress(OSError):
            part.unlink(missing_ok=True)
