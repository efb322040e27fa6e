"""Receptive fields against the network itself: change rows of the image, see which outputs change.

ONNX Runtime runs the network once with the image as it is and once for each row (or column) of it
changed. Numbers are positive and the change is large, so that nothing cancels and a maximum moves.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from convscope.building import Sequential
from convscope.engine.runtime import Engine
from convscope.layers import kinds
from convscope.layers.base import Layer
from convscope.model.field import ReceptiveField
from convscope.model.graph import Graph
from convscope.notation import UNKNOWN, symbol
from convscope.notation.sizes import is_symbolic, tidy

K: Any = type("Kinds", (), {name: kind for name, kind in kinds().items()})


def graph(
    shape: tuple[int, ...], *nodes: tuple[str, Layer, str], layout: str = "channels_last"
) -> Graph:
    """Return a graph of (name, layer, names of what feeds it), with positive weights."""
    net = Graph("net", {"image": shape}, layout)
    rng = np.random.default_rng(3)
    for name, layer, feeds in nodes:
        layer.build(net.add(name, layer, feeds.split()).weights, (0,))
        layer.set_weights([np.asarray(rng.uniform(0.5, 1.0, w.shape)) for w in layer.get_weights()])
    return net


def seen(net: Graph, name: str, axis: int, along: int) -> list[tuple[int, int] | None]:
    """Return, for every output position along a dimension, the first and last position of the image
    along `axis` that changes it; None for an output that nothing changes."""
    shape = net.inputs["image"]
    rng = np.random.default_rng(5)
    image = rng.uniform(0.5, 1.0, shape).astype(np.float32)
    batch = np.stack([image] * (shape[axis] + 1))
    for place in range(shape[axis]):
        where: tuple[int | slice, ...] = (place + 1, *(slice(None),) * axis, place)
        batch[where] += 8.0
    out = Engine(net, [name]).run({"image": batch})[name]
    changed = np.moveaxis(out[1:] != out[:1], along + 1, 1)
    changed = changed.reshape(*changed.shape[:2], -1).any(axis=2)
    found: list[tuple[int, int] | None] = []
    for column in changed.T:
        places = np.flatnonzero(column)
        found.append((int(places[0]), int(places[-1])) if len(places) else None)
    return found


def field(net: Graph, name: str) -> ReceptiveField:
    found = net.receptive_field(name)
    assert found is not None
    return found


IMAGE = (29, 23, 2)

NETWORKS: dict[str, Callable[[], Graph]] = {
    "a chain with strides and padding": lambda: graph(
        IMAGE,
        ("a", K.Conv2D(3, (3, 5), (2, 1), "same"), "image"),
        ("b", K.MaxPooling2D((2, 3), (2, 1)), "a"),
        ("out", K.Conv2D(4, (1, 2), padding="same"), "b"),
    ),
    "dilation": lambda: graph(
        IMAGE,
        ("a", K.Conv2D(3, (3, 2), dilation_rate=(4, 3)), "image"),
        ("out", K.DepthwiseConv2D((2, 4), padding="same"), "a"),
    ),
    "branches that are added": lambda: graph(
        IMAGE,
        ("a", K.Conv2D(3, (5, 3), padding="same"), "image"),
        ("b", K.Conv2D(3, (1, 7), padding="same"), "image"),
        ("out", K.Add(), "a b"),
    ),
    "a shortcut around strides": lambda: graph(
        IMAGE,
        ("a", K.Conv2D(3, 1, 2, "same"), "image"),
        ("b", K.Conv2D(3, (5, 3), 2, "same"), "image"),
        ("c", K.Conv2D(3, 3, padding="same"), "b"),
        ("d", K.Concatenate(), "c a"),
        ("out", K.AveragePooling2D((2, 3), 1), "d"),
    ),
    "zero padding and cropping": lambda: graph(
        IMAGE,
        ("a", K.ZeroPadding2D(((3, 1), (0, 4))), "image"),
        ("b", K.Conv2D(3, (4, 3)), "a"),
        ("out", K.Cropping2D(((2, 1), (0, 3))), "b"),
    ),
    "batch normalisation and activation change nothing": lambda: graph(
        IMAGE,
        ("a", K.Conv2D(3, (4, 3)), "image"),
        ("b", K.BatchNormalization(), "a"),
        ("c", K.Activation("relu"), "b"),
        ("out", K.LayerNormalization(), "c"),
    ),
    "up-sampling": lambda: graph(
        (9, 7, 2),
        ("a", K.UpSampling2D((2, 3)), "image"),
        ("out", K.Conv2D(3, (2, 5)), "a"),
    ),
    "up and down again": lambda: graph(
        (13, 11, 2),
        ("a", K.Conv2D(3, (3, 2), 1), "image"),
        ("b", K.UpSampling2D((2, 3)), "a"),
        ("out", K.MaxPooling2D((2, 2)), "b"),
    ),
    "a transposed convolution": lambda: graph(
        (11, 9, 2),
        ("a", K.Conv2DTranspose(3, (3, 4), (2, 3)), "image"),
        ("out", K.Conv2D(3, (2, 3)), "a"),
    ),
    "a U: down, up and joined": lambda: graph(
        (16, 24, 2),
        ("a", K.Conv2D(3, 3, padding="same"), "image"),
        ("b", K.MaxPooling2D(2), "a"),
        ("c", K.Conv2D(3, (3, 5), padding="same"), "b"),
        ("d", K.Conv2DTranspose(3, 2, 2), "c"),
        ("out", K.Concatenate(), "a d"),
    ),
    "up again beside what is narrower": lambda: graph(
        (15, 12, 2),
        ("a", K.Conv2D(3, 2, padding="same"), "image"),
        ("b", K.MaxPooling2D((3, 2)), "image"),
        ("c", K.UpSampling2D((3, 2)), "b"),
        ("out", K.Concatenate(), "a c"),
    ),
    "a separable convolution": lambda: graph(
        IMAGE, ("out", K.SeparableConv2D(3, (3, 5), (2, 3)), "image")
    ),
    "transposed and squeezed axes": lambda: graph(
        IMAGE,
        ("a", K.Conv2D(3, (3, 5), (2, 1)), "image"),
        ("b", K.Permute((2, 1, 3)), "a"),
        ("out", K.MaxPooling2D((1, 2), (1, 2)), "b"),
    ),
    "channels first": lambda: graph(
        (2, 19, 23),
        ("a", K.Conv2D(3, (3, 5), (2, 1), data_format="channels_first"), "image"),
        ("out", K.MaxPooling2D((2, 3), 1, data_format="channels_first"), "a"),
        layout="channels_first",
    ),
    "one axis, causal": lambda: graph(
        (31, 2),
        ("a", K.Conv1D(3, 3, dilation_rate=2, padding="causal"), "image"),
        ("out", K.Conv1D(3, 4, strides=2, padding="causal"), "a"),
    ),
    "three axes": lambda: graph(
        (9, 11, 7, 2),
        ("a", K.Conv3D(3, (2, 3, 1), (2, 1, 1)), "image"),
        ("out", K.AveragePooling3D((1, 2, 3), 1), "a"),
    ),
}


PERIODS = {
    "up-sampling": {0: 2, 1: 3},
    "up and down again": {0: 1, 1: 3},
    "a transposed convolution": {0: 2, 1: 3},
    "a U: down, up and joined": {0: 2, 1: 2},
    "up again beside what is narrower": {0: 3, 1: 2},
}
"""Along which axes of the image fields are not all of one size, and after how many they repeat."""


@pytest.mark.parametrize("name", NETWORKS)
def test_a_claim_is_what_changes_the_output(name: str) -> None:
    net = NETWORKS[name]()
    claim = field(net, "out")
    spatial = list(range(len(net.inputs["image"]) - 1))
    if net.layout == "channels_first":
        spatial = [axis + 1 for axis in spatial]
    for n, axis in enumerate(spatial):
        # which dimension of the output moves along this axis of the image
        along = {"transposed and squeezed axes": {0: 1, 1: 0}}.get(name, {}).get(axis, axis)
        found = seen(net, "out", axis, along)
        last = net.inputs["image"][axis] - 1
        size, stride, start = claim.size[n], claim.stride[n], claim.start[n]
        assert size is not None and stride is not None and start is not None
        period = PERIODS.get(name, {}).get(axis, 1)
        if period == 1:
            lows = [int(start + place * stride) for place in range(len(found))]
            assert found == [(max(low, 0), min(low + size - 1, last)) for low in lows]
            continue
        # behind an up-sampling fields are now wider, now narrower: the claim is the widest, and all
        # are the same again `period` outputs later
        uncut = [f for f in found if f is not None and f[0] > 0 and f[1] < last]
        assert max(high - low + 1 for low, high in uncut) == size
        assert found[0] is not None and found[0][0] == max(start, 0)
        moved = stride * period
        for now, then in zip(uncut, uncut[period:], strict=False):
            assert (then[0] - now[0], then[1] - now[1]) == (moved, moved)


# -- everything at once ----------------------------------------------------------------------------


def test_dense_and_global_pooling_see_everything() -> None:
    net = graph(
        (13, 17, 2),
        ("conv", K.Conv2D(3, (3, 2)), "image"),
        ("flat", K.Flatten(), "conv"),
        ("dense", K.Dense(4), "flat"),
        ("relu", K.Activation("relu"), "dense"),
        ("pool", K.GlobalAveragePooling2D(), "conv"),
        ("after", K.Dense(3), "pool"),
    )
    for name in ("dense", "relu", "pool", "after"):
        claim = field(net, name)
        assert (claim.size, claim.stride, claim.start) == ((13, 17), (None, None), (0, 0))
        assert set(seen(net, name, 0, 0)) == {(0, 12)}
        assert set(seen(net, name, 1, 0)) == {(0, 16)}
    flat = field(net, "flat")
    assert (flat.size, flat.stride) == ((3, 2), (None, None))


def test_what_no_window_reaches_is_not_seen() -> None:
    # a stride leaves the last row over, and cropping two more: 14 rows, of which 11 are seen
    net = graph(
        (14, 17, 2),
        ("conv", K.Conv2D(3, (3, 2), (2, 1)), "image"),
        ("crop", K.Cropping2D(((0, 1), (2, 0))), "conv"),
        ("pool", K.GlobalMaxPooling2D(), "crop"),
    )
    assert field(net, "pool").size == (11, 15)
    assert field(net, "pool").start == (0, 2)
    assert seen(net, "pool", 0, 0) == [(0, 10)] * 3
    assert seen(net, "pool", 1, 0) == [(2, 16)] * 3


def test_squeeze_and_excite_sees_everything_and_so_does_what_follows() -> None:
    # Hu et al. 2018: a map is scaled by numbers that come from all of it
    net = graph(
        (11, 13, 2),
        ("conv", K.Conv2D(3, 3, padding="same"), "image"),
        ("squeeze", K.GlobalAveragePooling2D(keepdims=True), "conv"),
        ("excite", K.Conv2D(3, 1), "squeeze"),
        ("scaled", K.Multiply(), "conv excite"),
        ("out", K.Conv2D(2, (3, 5), 2), "scaled"),
    )
    for name in ("scaled", "out"):
        claim = field(net, name)
        # the padding of `conv` is counted, as everywhere
        assert (claim.size, claim.start) == ((13, 15), (-1, -1))
        assert set(seen(net, name, 0, 0)) == {(0, 10)}
        assert set(seen(net, name, 1, 1)) == {(0, 12)}


def test_a_norm_over_the_whole_map_sees_everything() -> None:
    net = graph(
        (11, 13, 2),
        ("conv", K.Conv2D(3, (3, 2)), "image"),
        ("norm", K.LayerNormalization(axis=(1, 2, 3)), "conv"),
        ("out", K.MaxPooling2D(2), "norm"),
    )
    assert field(net, "norm").size == (11, 13)
    assert field(net, "out").size == (11, 13)


def test_softmax_over_rows_sees_every_row() -> None:
    net = graph(
        (11, 13, 2),
        ("conv", K.Conv2D(3, (3, 2)), "image"),
        ("softmax", K.Softmax(axis=1), "conv"),
    )
    claim = field(net, "softmax")
    assert (claim.size, claim.stride, claim.start) == ((11, 2), (None, 1), (0, 0))


# -- where there is none ---------------------------------------------------------------------------


def test_a_row_of_numbers_has_no_field() -> None:
    net = graph((7,), ("dense", K.Dense(3), "image"))
    assert net.receptive_field("dense") is None


def test_unknown_and_symbolic_sizes() -> None:
    for rows in (UNKNOWN, symbol("n")):
        net = Graph("net", {"image": (rows, 17, 2)})
        net.add("conv", K.Conv2D(3, (3, 2), 2), ["image"])
        net.add("pool", K.GlobalAveragePooling2D(), ["conv"])
        net.add("out", K.Dense(3), ["pool"])
        assert field(net, "conv") == ReceptiveField((3, 2), (2, 2), (0, 0))
        # how much of the rows the mean is over nobody knows, or a symbol says
        seen = (None, None) if rows is UNKNOWN else (tidy(2 * ((rows + 1) // 2) - 1), 0)
        for name in ("pool", "out"):
            found = field(net, name)
            assert found == ReceptiveField((seen[0], 16), (None, None), (seen[1], 0))


def test_symbolic_windows() -> None:
    """What a formula says is what is found where numbers stand in it."""

    def network(k: Any, n: Any) -> Graph:
        first = K.Conv2D(3, k, input_shape=(n, 31, 2))
        return Sequential([first, K.Conv2D(5, (3, k), 2), K.MaxPooling2D(2)]).graph

    net = network("k", "n")
    k, n = symbol("k"), symbol("n")
    assert field(net, "conv2d") == ReceptiveField((k, k), (1, 1), (0, 0))
    found = field(net, "max_pooling2d")
    assert found == ReceptiveField((k + 4, 2 * k + 1), (4, 4), (0, 0))
    assert found is not None and found.plain().size == ("k + 4", "2*k + 1")
    for number in (2, 5):
        same = field(network(number, 37), "max_pooling2d")
        assert same is not None and same.size == tuple(
            s.subs({k: number, n: 37}) for s in found.size if s is not None
        )


def test_symbolic_maps_laid_flat() -> None:
    """A Flatten moves numbers, and a Dense sees all that they saw, however many they are."""

    def network(h: Any, w: Any, k: Any) -> Graph:
        first = K.Conv2D(3, (k, 2), input_shape=(h, w, 2))
        return Sequential([first, K.MaxPooling2D(2), K.Flatten(), K.Dense(4)]).graph

    net = network("h", "w", "k")
    symbols = {"h": 19, "w": 14, "k": 5}
    for name in ("flatten", "dense"):
        found, same = field(net, name), field(network(**symbols), name)
        assert found is not None and same is not None and found.start == (0, 0)
        given = {symbol(n): value for n, value in symbols.items()}
        sizes = [s for s in found.size if s is not None]
        assert tuple(tidy(s.subs(given)) if is_symbolic(s) else s for s in sizes) == same.size
    row = Sequential([K.Conv1D(3, 4, input_shape=("n", 2)), K.Flatten(), K.Dense(5)]).graph
    assert field(row, "dense") == ReceptiveField((symbol("n"),), (None,), (0,))
    gaps = Sequential([K.Conv1D(3, 4, 7, input_shape=("n", 2)), K.Flatten(), K.Dense(5)]).graph
    seen = field(gaps, "dense")  # 7·⌊(n − 4)/7⌋ + 4 of n
    assert seen is not None and seen.size[0] is not None
    assert tidy(seen.size[0].subs({symbol("n"): 20})) == 18


def test_symbolic_strides() -> None:
    """Fields multiply the strides before them; numbers put in are the numbers found."""

    def network(s: Any, d: Any) -> Graph:
        first = K.Conv2D(3, 3, (s, 2), input_shape=(28, 31, 2))
        return Sequential([first, K.Conv2D(5, 2, s), K.AveragePooling2D(2, strides=d)]).graph

    net = network("s", "t")
    s, t = symbol("s"), symbol("t")
    found = field(net, "average_pooling2d")
    # 1 + (3 − 1) + (2 − 1)·s + (2 − 1)·s·s rows; the columns' first stride is 2
    assert found == ReceptiveField((3 + s + s * s, 5 + 2 * s), (s * s * t, 2 * s * t), (0, 0))
    assert found is not None and found.plain().stride == ("s**2*t", "2*s*t")
    same = field(network(2, 3), "average_pooling2d")
    assert same == ReceptiveField((9, 9), (12, 12), (0, 0))


def test_a_padding_that_depends_on_an_unknown_size() -> None:
    # `same` with a stride: how large a field is and how it moves does not depend on the image's
    # size, where it starts does (29 rows are padded by 1 before, 28 by none)
    starts: dict[Any, tuple[int | None, ...]] = {29: (-1, -1), 28: (0, -1)}
    for rows in (UNKNOWN, symbol("n"), 29, 28):
        net = Graph("net", {"image": (rows, 17, 2)})
        net.add("a", K.Conv2D(3, 3, 2, "same"), ["image"])
        net.add("b", K.Activation("relu"), ["a"])
        net.add("c", K.Conv2D(3, 3, padding="same"), ["b"])
        net.add("d", K.MaxPooling2D(2), ["c"])
        assert field(net, "b") == ReceptiveField((3, 3), (2, 2), starts.get(rows, (None, -1)))
        assert field(net, "d").size == (9, 9) and field(net, "d").stride == (4, 4)
        # beside another path nobody knows how far apart the two are
        net.add("e", K.Conv2D(3, 1, 2, "same"), ["image"])
        net.add("sum", K.Add(), ["c", "e"])
        assert field(net, "sum").size == ((7, 7) if rows in starts else (None, 7))
        net.add("itself", K.Add(), ["b", "a"])
        assert field(net, "itself").size == (3, 3)


def test_two_images() -> None:
    net = Graph("net", {"left": (11, 13, 2), "right": (11, 13, 3), "other": (7, 5, 2), "age": (4,)})
    net.add("a", K.Conv2D(3, 3, padding="same"), ["left"])
    net.add("b", K.Conv2D(3, 5, padding="same"), ["right"])
    net.add("both", K.Add(), ["a", "b"])
    # two views of one size are looked at in the same place
    assert field(net, "both") == ReceptiveField((5, 5), (1, 1), (-2, -2))
    net.add("flat", K.GlobalMaxPooling2D(), ["both"])
    net.add("old", K.Dense(3), ["age"])
    net.add("with_age", K.Add(), ["flat", "old"])
    assert net.receptive_field("old") is None
    assert field(net, "with_age").size == (15, 17)
    # in a map of another size a position means something else
    net.add("c", K.Conv2D(3, 3), ["other"])
    assert field(net, "c") == ReceptiveField((None,) * 2, (None,) * 2, (None,) * 2)
    assert math.prod(s or 0 for s in field(net, "both").size) == 25


def test_removing_a_layer_and_adding_another_under_its_name() -> None:
    net = Graph("net", {"image": (11, 13, 2)})
    net.add("conv", K.Conv2D(3, 3), ["image"])
    assert field(net, "conv").size == (3, 3)
    net.remove("conv")
    net.add("conv", K.Conv2D(3, 5), ["image"])
    assert field(net, "conv").size == (5, 5)


def test_joined_maps_give_some_of_the_outputs_each() -> None:
    net = graph(
        (9, 11, 2),
        ("a", K.Conv2D(3, 3, padding="same"), "image"),
        ("four", K.Cropping2D(((0, 5), (0, 0))), "a"),
        ("joined", K.Concatenate(axis=1), "four a"),
        ("b", K.Conv2D(4, 3, padding="same"), "joined"),
    )
    assert field(net, "joined") == ReceptiveField((3, 3), (1, 1), (-1, -1))
    # row 0 reads the padding of both convolutions; at the joint a window holds rows 2 and 3 of the one, which see 1 … 4, and row 0 of the other
    assert field(net, "b").size == (6, 5)
    patches = [net.patch("b", (y, 5, 0))[0] for y in range(13)]
    assert patches[:5] == [(-2, 2), (-1, 3), (0, 4), (-1, 4), (-1, 4)]
    assert seen(net, "b", 0, 0) == [(max(p[0], 0), min(p[1], 8)) for p in patches if p is not None]


def test_what_reads_all_of_a_joined_map_sees_no_more_than_its_parts() -> None:
    # two rows before 14 others: the first rows read nothing of those, which is no padding
    net = graph(
        (14, 17, 2),
        ("two", K.Cropping2D(((1, 11), (0, 0))), "image"),
        ("joined", K.Concatenate(axis=1), "two image"),
        ("moved", K.Activation("relu"), "joined"),
        ("turned", K.Permute((2, 1, 3)), "moved"),
        ("pool", K.GlobalMaxPooling2D(), "turned"),
    )
    assert field(net, "pool").size == (14, 17)
    assert field(net, "pool").start == (0, 0)
    assert seen(net, "pool", 0, 0) == [(0, 13)] * 2


def test_a_stride_beyond_every_float_is_a_whole_number() -> None:
    """Half of an odd number of 373 digits is no float: it ended in an OverflowError."""
    far = 2**31 - 1
    strided = [
        K.Conv2D(1, 1, (far, 1), input_shape=("h", 9, 1)),
        *(K.Conv2D(1, 1, (far, 1)) for _ in range(39)),
    ]
    seen = Sequential([*strided, K.UpSampling2D(2)]).graph.receptive_field("up_sampling2d")
    assert seen is not None and seen.stride == (far**40 // 2, 0.5)
