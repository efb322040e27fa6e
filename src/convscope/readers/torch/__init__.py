"""Live PyTorch modules: one real forward is recorded, its operators become the graph.

shadow      a copy of the module's tree that runs in its place
recording   the forward, operator by operator
inputs      what the module is called with
graph       the graph of a recording: its layers, and what of the module they are
build       makes it; of the parameters alone, without one
exported    a .pt2 file of torch.export as a recording: its program is JSON, its weights are bytes
weights     weights of a .safetensors file in the places of a module's own
editing     settings changed on the graph
module      what stands behind the network: runs, files, edits
"""

from __future__ import annotations

import os
import sys

from convscope.errors import SettingError, SourceError
from convscope.network import Network
from convscope.readers.example import NOTHING, Example
from convscope.typed import TYPE_CHECKING

if TYPE_CHECKING:
    from typing import Any

ACCEPTS = "a torch.nn.Module or FILE.pt2"
TAKES_EXAMPLES = True


def is_mine(source: Any) -> bool:
    """Whether the source is a module, or the name of an exported program; PyTorch is not imported to find out."""
    if isinstance(source, (str, os.PathLike)):
        return str(source).lower().endswith(".pt2")
    torch = sys.modules.get("torch")
    nn = getattr(torch, "nn", None)
    return nn is not None and isinstance(source, nn.Module)


def read(source: Any, example: Example = NOTHING) -> Network:
    """Return the network that a module is, recorded on an example; or that a .pt2 file holds.

    Raises `SourceError` for a module that cannot be recorded or a file that is not one, `ForwardError`
    where a module's forward fails.
    """
    if not isinstance(source, (str, os.PathLike)):
        from convscope.readers.torch.opening import opened

        return opened(source, example)
    if example != NOTHING:
        raise SettingError(
            "an exported program has its input's shape and its weights: open it without an example"
        )
    try:
        from convscope.readers.torch.exported import read_exported
    except ImportError as error:
        raise SourceError(
            f"{source} is opened with PyTorch's operators: pip install 'convscope[torch]'"
        ) from error
    return read_exported(source)
