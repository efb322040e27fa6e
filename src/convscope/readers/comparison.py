"""`convscope.compare`: any two of what convscope opens, side by side."""

from __future__ import annotations

from convscope.network import Network
from convscope.readers import open
from convscope.typed import TYPE_CHECKING

if TYPE_CHECKING:
    from typing import Any

    from convscope.network.reports import NetworksReport


def compare(a: Any, b: Any, image: Any = None) -> NetworksReport:
    """Return two networks side by side: layers in pairs, weights, and where their numbers first part.

    a, b    networks, or anything that `convscope.open` takes
    image   what to run both with, in the layout of the first; None compares structure and weights alone

    See `Network.compare`. Raises what `open` and `run` raise.

    >>> from convscope import Conv2D, Sequential
    >>> a = Sequential([Conv2D(8, 3, input_shape=(28, 28, 1))])
    >>> compare(a, a.edit("conv2d", strides=2)).layers[0].unlike
    'windows 3 moved by 1 | 3 moved by 2'
    """
    one, other = (given if isinstance(given, Network) else open(given) for given in (a, b))
    return one.compare(other, image)
