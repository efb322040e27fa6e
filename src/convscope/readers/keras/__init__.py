"""Networks that Keras made: .keras archives, legacy .h5 files, and live models. Keras is never imported.

Opening reads the config only. Weights are compared with it, and mapped from the file, when somebody
first asks for one.
"""

from __future__ import annotations

import os

from convscope.errors import SourceError
from convscope.network import Network
from convscope.typed import TYPE_CHECKING

if TYPE_CHECKING:
    from typing import Any

ACCEPTS = ".keras and .h5 files, a live keras.Model"

ZIP, HDF5, PICKLE = b"PK\x03\x04", b"\x89HDF\r\n\x1a\n", b"\x80"
SUFFIXES = (".keras", ".h5", ".hdf5")
OTHERS = (".pt2", ".safetensors")
"""Files that say by their name that another reader has them, whatever their first bytes."""


def is_mine(source: Any) -> bool:
    """Whether the source is a live Keras model, or a file that by name or first bytes is Keras's."""
    if not isinstance(source, (str, os.PathLike)):
        return _is_live(source)
    path = os.fspath(source)
    suffix = os.path.splitext(path)[1].lower()
    if suffix in SUFFIXES or suffix in OTHERS:
        return suffix in SUFFIXES
    from convscope.files.source_file import SourceFile

    try:
        if not os.path.isfile(path):
            return False
        first = SourceFile(path).first(8)
    except (OSError, ValueError, SourceError):
        return False
    return first.startswith((ZIP, HDF5)) or is_pickle(first)


def read(source: Any) -> Network:
    """Return the network; raise `SourceError` when the file is damaged, hostile or no Keras model."""
    from convscope.readers.keras.opening import opened

    return opened(source)


def is_pickle(first: bytes) -> bool:
    """Whether a file that begins so is a pickle."""
    return first[:1] == PICKLE and len(first) > 1 and 2 <= first[1] <= 5


def _is_live(source: Any) -> bool:
    return any(
        kind.__name__ == "Model" and kind.__module__.split(".")[0] in ("keras", "tf_keras")
        for kind in type(source).__mro__
    )
