"""Arrays that lie in a mapped file. A file that becomes shorter while it is mapped ends the process that reads it."""

from __future__ import annotations

import sys

from convscope.errors import SourceError
from convscope.typed import TYPE_CHECKING

if TYPE_CHECKING:
    from mmap import mmap
    from typing import Any


def mapping_of(array: Any) -> mmap | None:
    """Return the mapping that an array lies in; None for one that lies elsewhere."""
    base = array
    while getattr(base, "base", None) is not None:
        base = base.base
    if isinstance(base, memoryview):
        base = base.obj
    module = sys.modules.get("mmap")  # nothing is mapped where nobody has loaded it
    return base if module is not None and isinstance(base, module.mmap) else None


def check_whole(array: Any) -> None:
    """Raise `SourceError` when an array lies in a mapped file that is now shorter than it was.

    Asked before every use. What is cut off between the question and the use still ends the process.
    """
    mapping = mapping_of(array)
    if mapping is not None and mapping.size() < len(mapping):
        raise SourceError(
            f"the file that these weights lie in has become shorter since it was opened: "
            f"{mapping.size():,} bytes of {len(mapping):,}; open it again"
        )
