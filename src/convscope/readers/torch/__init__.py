"""Live PyTorch modules: one real forward is recorded, its operators become the graph.

shadow      a copy of the module's tree that runs in its place
recording   the forward, operator by operator
inputs      what the module is called with
build       the graph of a recording; of the parameters alone, without one
module      what stands behind the network: runs, files, edits
"""

from __future__ import annotations

import sys

from convscope.network import Network
from convscope.readers.example import NOTHING, Example
from convscope.typed import TYPE_CHECKING

if TYPE_CHECKING:
    from typing import Any

ACCEPTS = "a torch.nn.Module"
TAKES_EXAMPLES = True


def is_mine(source: Any) -> bool:
    """Whether the source is a module, or a class of modules; PyTorch is not imported to find out."""
    torch = sys.modules.get("torch")
    nn = getattr(torch, "nn", None)
    return nn is not None and isinstance(source, nn.Module)


def read(source: Any, example: Example = NOTHING) -> Network:
    """Return the network that a module is, recorded on an example.

    Raises `SourceError` for a module that cannot be recorded, `ForwardError` where its forward fails.
    """
    from convscope.readers.torch.opening import opened

    return opened(source, example)
