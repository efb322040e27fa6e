"""Groups, and layers of a group, counted by several threads at once: the same bytes as by one, and a fault in one is no other's."""

from __future__ import annotations

import threading
import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from work import PATIENCE

from convscope import Conv2D, Dense, DepthwiseConv2D, Flatten, MaxPooling2D, Sequential
from convscope.survey import counting, measuring, work
from convscope.survey.data import open_data
from convscope.survey.measuring import BATCH
from convscope.survey.stored import load
from convscope.survey.tally import Measured, Plan, Tally

IMAGES = 3 * BATCH + 5


def surveyed(out: Path, **how: Any) -> bytes:
    """Return the file of a survey with numbers of all kinds, in layers of every form."""
    layers = [
        Conv2D(7, 3, activation="relu", input_shape=(11, 9, 3)),
        DepthwiseConv2D((2, 3)),
        MaxPooling2D(2),
        Flatten(),
        Dense(5, activation="softmax"),
    ]
    x = np.random.default_rng(1).normal(size=(IMAGES, 11, 9, 3)).astype(np.float32)
    x[33, 2, 1, 1], x[40] = np.nan, 0
    Sequential(layers, seed=4).survey((x, np.arange(IMAGES) % 5), out=out, **how)
    return out.read_bytes()


@pytest.mark.parametrize("little", [1, measuring.LITTLE])  # groups of 8, and whole batches
@pytest.mark.parametrize("processors", [2, 6])  # two groups; three, and two threads for each
@pytest.mark.parametrize("by", ["counting", "compiled"])
def test_several_threads_write_the_file_that_one_writes(
    by: str, processors: int, little: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(measuring, "LITTLE", little)
    monkeypatch.setattr(work, "OFTEN", PATIENCE)
    if by == "compiled":
        pytest.importorskip("numba")
        monkeypatch.setattr(measuring, "COMPILED_FROM", 1)
    monkeypatch.setattr(measuring, "processors", lambda: 1)
    alone = surveyed(tmp_path / "alone.survey")

    met, calls, count = threading.Barrier(2), iter(range(3)), counting.count

    def together(*given: Any) -> None:  # numpy counts the first groups
        if next(calls, None):
            met.wait(PATIENCE)  # returns where two layers are counted at the same time
        count(*given)

    monkeypatch.setattr(counting, "count", together)
    monkeypatch.setattr(measuring, "processors", lambda: processors)
    assert surveyed(tmp_path / "together.survey") == alone
    assert next(calls, None) is None


@pytest.mark.parametrize("little", [1, measuring.LITTLE])
def test_what_is_yielded_is_in_the_tally_and_no_more(
    little: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(measuring, "LITTLE", little)
    monkeypatch.setattr(measuring, "processors", lambda: 3)
    net = Sequential([Conv2D(7, 3, input_shape=(11, 9, 3))], seed=4)
    x = np.random.default_rng(1).normal(size=(12 * BATCH + 5, 11, 9, 3)).astype(np.float32)
    made = measuring.Measuring(net, open_data(x), measuring.Asked())
    for often, least in ((1, 13), (5, 2), (1 << 30, 1)):
        tally, yielded = Tally(made.plan), [0]
        asked: list[int] = []

        def due(asked: list[int] = asked, often: int = often) -> bool:
            asked.append(1)
            return len(asked) >= often

        for reached in made.measure(tally, 0, None, due):
            time.sleep(0.002)  # nobody counts meanwhile
            assert tally.images == reached > yielded[-1]
            yielded.append(reached)
            asked.clear()
        assert yielded[-1] == len(x) and len(yielded) > least


def test_a_fault_in_a_thread_ends_the_survey_and_leaves_what_was_written(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(measuring, "processors", lambda: 3)
    whole, part = surveyed(tmp_path / "whole.survey"), tmp_path / "part.survey"
    monkeypatch.setattr(work, "CHECKPOINT_SECONDS", 0.0)
    count = counting.count

    def failing(x: Any, *more: Any) -> None:
        if part.exists() and x.shape[1] == 5:  # the last layer, once a batch is written
            raise MemoryError("no room for this layer")
        count(x, *more)

    with monkeypatch.context() as broken:
        broken.setattr(counting, "count", failing)
        with pytest.raises(MemoryError, match="no room for this layer"):
            surveyed(part)
    assert load(part).done == ((0, BATCH),)
    assert surveyed(part, resume=True) == whole


def test_a_layer_without_numbers_keeps_nobody_waiting() -> None:
    tally = Tally(Plan((Measured("of 5", 1, 2, 0, (5,)),), 1, "maps", None))
    with pytest.raises(KeyError, match="of 5"):
        tally.add([0], [("a.png", None)], {})
    assert not tally.histograms[0].busy.locked()


def test_a_layer_that_somebody_counts_is_left_for_later(monkeypatch: pytest.MonkeyPatch) -> None:
    plan = Plan(
        tuple(Measured(f"of {n}", 1, 2, 2 * k, (n,)) for k, n in enumerate((7, 5, 3))),
        1,
        "maps",
        None,
    )
    tally, counted, count = Tally(plan), [], counting.count
    first = tally.histograms[0].busy

    def noted(x: Any, *given: Any) -> bool:
        counted.append(x.shape[2])
        if len(counted) == 2:
            first.release()  # whoever had the first one is done
        return count(x, *given)

    monkeypatch.setattr(counting, "count", noted)
    first.acquire()
    given = {layer.name: np.ones((1, 2, layer.places), np.float32) for layer in plan.layers}
    tally.add([0], [("one", None)], given)
    assert counted == [5, 3, 7]
