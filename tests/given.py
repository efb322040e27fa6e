"""What tests start from: every sample of every layer kind, with weights and inputs of its own."""

from __future__ import annotations

import zlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from convscope.layers import kinds
from convscope.layers.base import Layer, Sample, tensor_names
from convscope.model.facts import facts_of
from convscope.notation import Equation
from convscope.notation.evaluation import evaluate

Array = np.ndarray[Any, Any]


@dataclass(frozen=True)
class Case:
    """One sample with numbers: what goes in (without a batch), and the weights by name."""

    layer: Layer
    equation: Equation
    inputs: tuple[Array, ...]
    weights: dict[str, Array]

    def at(self, position: Sequence[int]) -> float:
        """Return what the equation says at one position."""
        return evaluate(self.equation, position, self.values)

    @property
    def values(self) -> dict[str, Array]:
        names = tensor_names(len(self.inputs))
        return dict(zip(names, self.inputs, strict=True)) | self.weights

    def positions(self, count: int = 10) -> list[tuple[int, ...]]:
        """Return the first and the last position of the output, and others at random."""
        shape = self.equation.shape
        rng = np.random.default_rng(3)
        found = [tuple(int(rng.integers(s)) for s in shape) for _ in range(count - 2)]
        return [(0,) * len(shape), tuple(s - 1 for s in shape), *found]


def case(sample: Sample) -> Case:
    """Return a sample with numbers, the same ones every time."""
    equation = sample.layer.equation(*sample.shapes)
    rng = np.random.default_rng(zlib.crc32(repr(sample).encode()))
    inputs = tuple(rng.normal(size=s).astype(np.float32) for s in sample.shapes)
    shapes = facts_of(sample.layer, sample.shapes).weights
    weights = {n: np.asarray(rng.normal(size=s), dtype=np.float32) for n, s in shapes.items()}
    for name in ("moving_variance", "variance"):  # which is never negative
        if name in weights:
            weights[name] = np.abs(weights[name]) + np.float32(0.1)
    return Case(sample.layer, equation, inputs, weights)


def samples(wanted: Callable[[Sample], bool] = lambda sample: True) -> dict[str, list[Sample]]:
    """Return every sample of every kind, those that are wanted, by kind."""
    found = {
        name: [sample for sample in kind.samples() if wanted(sample)]
        for name, kind in kinds().items()
    }
    return {name: of for name, of in found.items() if of}
