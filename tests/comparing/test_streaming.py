"""Values come a stretch of layers at a time: how many bytes are held is counted, and nothing else changes."""

from __future__ import annotations

import weakref
from collections.abc import Sequence
from typing import Any

import numpy as np
import pytest

from convscope import Add, BatchNormalization, Conv2D, Dense, Flatten, Input, Model, ReLU
from convscope.comparing import streaming
from convscope.network import Network
from convscope.network.streaming import Streamed

LAYERS = 12
SIZE = 4 * 20 * 18 * 6
"""Bytes of one layer's maps."""


def deep() -> Network:
    """Return layers of equal size, with a sum that reads the first of them again at the end."""
    image = Input((20, 18, 6))
    maps = first = Conv2D(6, 3, padding="same", name="first")(image)
    for n in range(LAYERS):
        maps = Conv2D(6, 3, padding="same", name=f"conv{n}")(maps)
        maps = ReLU(name=f"relu{n}")(maps)
    maps = Add(name="sum")([maps, first])
    return Model(image, Dense(3, name="dense")(Flatten(name="flat")(maps)))


class Counting:
    """Counts the bytes of arrays that are alive, as they come and go."""

    def __init__(self) -> None:
        self.now = self.most = self.runs = 0

    def add(self, array: np.ndarray[Any, Any]) -> None:
        """Count an array, as long as anybody holds it."""
        while isinstance(array.base, np.ndarray):
            array = array.base
        size = array.nbytes
        self.now += size
        self.most = max(self.most, self.now)
        weakref.finalize(array, self._less, size)

    def _less(self, size: int) -> None:
        self.now -= size


@pytest.fixture
def counting(monkeypatch: pytest.MonkeyPatch) -> Counting:
    found = Counting()
    values = Streamed.values

    def counted(self: Streamed, names: Sequence[str]) -> dict[str, Any]:
        given = values(self, names)
        found.runs += 1
        for array in given.values():
            found.add(array)
        return given

    monkeypatch.setattr(Streamed, "values", counted)
    return found


def test_what_is_held_is_bounded_however_deep_the_networks_are(
    counting: Counting, monkeypatch: pytest.MonkeyPatch
) -> None:
    one, image = deep(), np.random.default_rng(2).random((20, 18, 6), dtype=np.float32)
    other = one.edit("conv7", activation="relu")
    whole = one.compare(other, image)
    assert counting.runs == 2 and counting.most > 2 * LAYERS * SIZE
    counting.runs = counting.most = 0
    monkeypatch.setattr(streaming, "HELD", 8 * SIZE)
    parts = one.compare(other, image)
    # two networks, each of whose stretches holds a layer and what feeds it
    assert counting.runs >= 2 * 4 and 0 < counting.most <= 8 * SIZE
    assert parts.json() == whole.json()
    assert len(one._engines) <= 2, "an engine for every stretch would hold the weights as often"


def test_what_one_pair_needs_is_always_there(
    counting: Counting, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(streaming, "HELD", 1)
    one = deep()
    report = one.compare(one, np.random.default_rng(3).random((20, 18, 6), dtype=np.float32))
    assert report.agree and all(layer.agrees for layer in report.layers)
    assert counting.most <= 2 * 3 * SIZE  # the sum: itself, and the two that it reads


@pytest.mark.parametrize("last", ["relu", "softmax", None, "silu"])
def test_numbers_at_once_are_those_of_one_ledger_each(last: str | None) -> None:
    from convscope import Activation, Sequential
    from convscope.comparing.numbers import Computing
    from convscope.comparing.units import Units

    layers = [
        Conv2D(7, (3, 2), strides=2, padding="same", input_shape=(9, 11, 3)),
        BatchNormalization(),
    ]
    if last is not None:
        layers.append(Activation(last))
    model = Sequential(layers)
    units = Units(model.graph)
    (unit,) = units if last != "softmax" else [next(iter(units))]
    computing = Computing(units, unit)
    given = {"input": np.random.default_rng(1).random((9, 11, 3), dtype=np.float32)}
    at = [(0, 0, 0), (4, 5, 6), (2, 3, 1), (4, 0, 2)]
    for found, value, position in zip(
        computing.bounded(at, given), computing.values(at, given), at, strict=True
    ):
        alone = computing._at(position, given)
        assert found.value == pytest.approx(alone.value, rel=1e-12, abs=1e-15) == value
        assert found.rounding == pytest.approx(alone.rounding, rel=1e-6)
