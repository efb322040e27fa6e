"""What a network gives for one image, some layers at a time: nothing is kept that was not asked for last."""

from __future__ import annotations

from collections.abc import Sequence

from convscope.typed import TYPE_CHECKING, Array

if TYPE_CHECKING:
    from typing import Any

    from convscope.network.network import Network
    from convscope.network.run import Run


class Streamed:
    """A network and an image, which goes through it again whenever other layers are asked for.

    graph    the network at the image's size
    inputs   its inputs, each without the batch
    """

    def __init__(self, network: Network, image: Any) -> None:
        self._network, self._given = network, network._as_taken(network._given(image))
        self.graph = network.backing.at(network.graph, self._given)
        self.inputs = {n: a[0] for n, a in self._given.items()}
        self.runs = 0

    def run(self) -> Run:
        """Return the run, every activation kept."""
        return self._network._run(self.graph, self._given, None)

    def values(self, names: Sequence[str]) -> dict[str, Array]:
        """Return these layers' activations, those left out that nothing here can compute."""
        engines = self._network._engines
        before = set(engines)
        run = self._network._run(self.graph, self._given, names)
        self.runs += 1
        if self.runs > 1:  # what is ready for other layers holds the weights once more
            for key in set(engines) - before:
                del engines[key]
        return {name: run.activations[name] for name in names if name in run.activations}
