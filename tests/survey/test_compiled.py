"""What Numba compiles counts what numpy counts, bit for bit."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from convscope import BatchNormalization, Conv2D, Dense, Flatten, MaxPooling2D, ReLU, Sequential
from convscope.engine.blocks import side
from convscope.survey import counting, measuring
from convscope.survey.counting import LANES, Clip, Counting, Room, Top
from convscope.survey.exact import ExactSums, Histograms
from convscope.typed import Array

pytest.importorskip("numba")
from convscope.survey import compiled

SHAPES = [
    (3, 5, 77),
    (2, 7, 1),
    (1, 4, 2 * 2048 + 3),
    (4, 1, LANES),
    (2, 3, 9),
    (1, 2, 640),
    (2, 19, 257),
]
"""Less than the sums that stand side by side, as many, more; of more than one piece; one place; one map."""


def awkward(shape: tuple[int, ...]) -> dict[str, Array]:
    """Return numbers of every size and kind: subnormal ones, both zeros, NaN, both infinities."""
    rng = np.random.default_rng(sum(shape))
    wide = (rng.normal(size=shape) * 10.0 ** rng.integers(-42, 38, shape)).astype(np.float32)
    wide[rng.random(shape) < 0.2], wide[rng.random(shape) < 0.1] = 0, -0.0
    odd = wide.copy()
    odd[rng.random(shape) < 0.1] = np.nan
    odd[0, 0], odd[-1, -1, 0], odd[-1, 0, -1] = np.nan, -np.inf, np.inf
    clipped = np.maximum(rng.normal(size=shape), 0).astype(np.float32)
    return {"clipped": clipped, "wide": wide, "odd": odd, "below 0": -clipped, "0": clipped * 0}


def empty(images: int, maps: int) -> Room:
    return Room(
        np.empty((images, maps), np.float32), np.empty((images, maps), np.int64),
        np.empty(maps), np.empty(maps), np.zeros(maps, np.int64), np.zeros(maps, np.int64),
        np.full(maps, np.inf, np.float32), np.full(maps, -np.inf, np.float32),
    )  # fmt: skip


def clips(by: Counting, x: Array, cap: float) -> list[bytes]:
    """Return what is counted beside some numbers, of what is clipped of them, and of the numbers themselves."""
    images, maps, _ = x.shape
    own, room = empty(images, maps), empty(images, maps)
    histograms = Histograms(maps)
    histograms.reach(100, 127)  # for some of them there are no bins yet
    zeros = Histograms(maps)
    sure = by.count(x, histograms, own, Clip(cap, room, zeros))
    assert sure is bool(np.isfinite(x).all())
    counted = room if sure else room[4:7]  # what is added up
    return [(array + 0).tobytes() for array in (*counted, *own, zeros.zeros)]


def figures(by: Counting, x: Array, histograms: Histograms) -> list[bytes]:
    """Return the bytes of all that is counted of some numbers, in a histogram that has others already."""
    images, maps, _ = x.shape
    room = empty(images, maps)
    by.count(x, histograms, room)
    for array in (room.value, room.low):
        array += np.float32(0)  # −0 and 0 are one number
    top = Top(
        np.full((maps, 2), -np.inf, np.float32),
        np.full((maps, 2), -1, np.int64),
        np.zeros((maps, 2), np.int64),
    )
    for first in (
        images,
        0,
    ):  # later images before: of equal responses the first is kept all the same
        by.enter(
            top, np.arange(len(top.value)), room.value, np.arange(first, first + images), room.place
        )
    sums = ExactSums(maps)
    for values in (room.sums, room.squares, np.ldexp(room.sums, -300)):
        by.add(sums, values)
    sums.settle()
    return [array.tobytes() for array in (*room, *top, sums.limbs, *histograms.told())]


class InBlocks:
    """What counts when maps lie side by side, so many of them; what fills up the last block is no number of the layer."""

    add, enter = staticmethod(compiled.add), staticmethod(compiled.enter)

    def __init__(self, side: int) -> None:
        self.side = side

    def count(self, x: Array, histograms: Histograms, room: Room, clip: Clip | None = None) -> bool:
        images, maps, places = x.shape
        blocks = -(-maps // self.side)
        whole = np.full((images, blocks * self.side, places), np.nan, np.float32)
        whole[:, :maps] = x
        whole = whole.reshape(images, blocks, self.side, places).swapaxes(2, 3)
        return compiled.count(np.ascontiguousarray(whole), histograms, room, clip)


@pytest.mark.parametrize("own", [True, False], ids=["a histogram a map", "one a layer"])
@pytest.mark.parametrize("wide", [8, 16])
def test_blocks_of_maps_have_the_same_figures(wide: int, own: bool) -> None:
    for shape in [*SHAPES, (3, 40, 49), (2, 21, 300), (1, 16, 1000)]:
        pair = [Histograms(shape[1] if own else 1) for _ in range(2)]
        for name, x in awkward(shape).items():
            numpys = figures(counting, x, pair[0])
            assert figures(InBlocks(wide), x, pair[1]) == numpys, (shape, name)


@pytest.mark.parametrize("own", [True, False], ids=["a histogram a map", "one a layer"])
def test_every_figure_has_the_bits_of_numpys(own: bool) -> None:
    for shape in SHAPES:
        pair = [Histograms(shape[1] if own else 1) for _ in range(2)]
        for name, x in awkward(shape).items():
            x.setflags(write=False)
            numpys = figures(counting, x, pair[0])
            assert figures(compiled, x, pair[1]) == numpys, (shape, name)


@pytest.mark.parametrize("by", [compiled, InBlocks(8), InBlocks(16)], ids=["rows", "8", "16"])
def test_what_is_clipped_is_counted_beside_to_the_same_bits(by: Counting) -> None:
    for shape in [*SHAPES, (3, 40, 49), (2, 21, 300)]:
        for name, x in awkward(shape).items():
            for cap in (np.inf, 0.7):
                assert clips(by, x, cap) == clips(counting, x, cap), (shape, name, cap)


def test_bins_of_clipped_numbers_follow_from_those_before() -> None:
    for shape in SHAPES:
        for name, x in awkward(shape).items():
            finite = np.where(np.isfinite(x), x, np.float32(0))
            for cap in (np.inf, 0.7, 1e-40, 3e38):
                histograms = [Histograms(shape[1]) for _ in range(3)]
                histograms[0].add(x)
                histograms[1].add(counting.clipped(finite, cap))
                histograms[2].clip(histograms[0], cap)
                histograms[2].zeros += histograms[1].zeros
                one, other = (h.told() for h in histograms[1:])
                assert [a.tobytes() for a in one] == [a.tobytes() for a in other], (
                    shape,
                    name,
                    cap,
                )
                histograms[2].clip(histograms[0], cap, away=True)
                assert not histograms[2].told()[1].sum() - histograms[2].zeros.sum()


@pytest.mark.parametrize("kept", ["maps", "layers"])
def test_a_survey_is_the_same_file_whoever_counts(
    kept: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Also where one begins and the other goes on, as in any long survey, and of layers that only clip others."""
    net = Sequential(
        [
            Conv2D(7, 3, activation="relu", input_shape=(11, 9, 3)),
            BatchNormalization(),
            ReLU(0.75, name="capped"),
            Conv2D(5, 2, name="conv"),
            ReLU(name="clipped"),
            MaxPooling2D(2),
            Flatten(),
            Dense(5, activation="softmax"),
        ],
        seed=4,
    )
    # so many batches that some have not gone through the network before it leaves blocks
    x = np.random.default_rng(1).normal(size=(166, 11, 9, 3)).astype(np.float32)
    x[[33, 66, 161], 2, 1, 1], x[[57, 68, 150], 8, 3, 0] = np.nan, np.inf
    asked: list[Any] = []
    passes = compiled.count

    def count(*given: Any) -> bool:
        asked.append(given)
        return passes(*given)

    monkeypatch.setattr(compiled, "count", count)
    compiled.ready()  # which counts, too
    if kept == "layers":  # in several groups a batch
        monkeypatch.setattr(measuring, "MOST_TOGETHER", 4)
        monkeypatch.setattr(measuring, "LITTLE", 1)
    files = []
    for after in (1 << 60, 1, 40 * 7 * 63):
        monkeypatch.setattr(measuring, "COMPILED_FROM", after)
        before = len(asked)
        out = tmp_path / f"{after}.survey"
        net.survey((x, np.arange(len(x)) % 5), out=out, histograms=kept)
        files.append((tmp_path / f"{after}.survey").read_bytes())
        assert (len(asked) > before) is (after < 1 << 60)
    assert files[0] == files[1] == files[2]
    assert sum(given[3] is not None for given in asked[before:] if len(given) > 3)
    assert side() == 1 or any(x.ndim == 4 for x, *_ in asked[before:])  # as convolutions leave them


def test_where_numba_cannot_compile_numpy_counts_and_it_is_said_once(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def broken() -> None:
        raise OSError("no LLVM for this processor")

    net = Sequential([Conv2D(7, 3, input_shape=(11, 9, 3))], seed=4)
    x = np.random.default_rng(1).normal(size=(70, 11, 9, 3)).astype(np.float32)
    whole = net.survey(x).json()
    monkeypatch.setattr(measuring, "COMPILED_FROM", 1)
    monkeypatch.setattr(compiled, "ready", broken)
    with pytest.warns(UserWarning, match="numpy counts.*: no LLVM for this processor") as said:
        assert net.survey(x).json() == whole
    assert len(said) == 1
