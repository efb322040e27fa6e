"""Settings of millions, which a file may hold, do not make our own loops long: work is counted."""

from __future__ import annotations

import io
from typing import Any

import numpy as np
import pytest

import convscope as cs
from convscope.errors import ConvscopeError, UnsupportedError
from convscope.explain.words import adding_up
from convscope.model import receptive

IMAGE = np.random.default_rng(0).normal(size=(8, 9, 2)).astype(np.float32)


def network(*layers: Any) -> Any:
    return cs.Sequential([cs.Input((8, 9, 2)), *layers])


HUGE = {
    "upsampled": (cs.UpSampling2D(10**6), cs.MaxPooling2D(2), cs.Conv2D(3, 3)),
    "bilinear": (cs.UpSampling2D(10**5, interpolation="bilinear"), cs.Conv2D(2, 3)),
    "transposed": (cs.Conv2DTranspose(2, 3, strides=10**6), cs.Conv2DTranspose(2, 3, strides=77)),
    "pooled": (cs.MaxPooling2D(10**9, strides=1, padding="same"),),
    "averaged": (cs.AveragePooling2D(10**5, strides=1, padding="same"),),
    "padded": (cs.ZeroPadding2D(10**6), cs.GlobalAveragePooling2D()),
    "dilated": (cs.Conv2D(2, 3, dilation_rate=10**9, padding="same"),),
}


@pytest.mark.parametrize("name", list(HUGE))
def test_every_question_ends(name: str) -> None:
    net = network(*HUGE[name])
    net.summary(file=io.StringIO())
    str(net.explain())
    assert net.graph._steps.left >= 0
    for layer in net.layers:
        shape = net.graph.shape(layer.name)
        try:
            str(net.trace(IMAGE, layer.name, tuple(size // 2 for size in shape)))
        except UnsupportedError as error:
            assert "at most are" in str(error)
    with pytest.raises(ConvscopeError):
        net.whatif([(net.layers[-1].name, "name", 3)])


def test_windows_that_repeat_too_late_are_unknown_and_others_exact() -> None:
    net = network(cs.UpSampling2D((10**6, 2)), cs.MaxPooling2D(3, strides=1, padding="valid"))
    rows, columns = net.graph.receptive_field(net.layers[-1].name).size
    assert (rows, columns) == (None, 2)
    assert 0 <= net.graph._steps.left < receptive.MOST_STEPS
    net = network(cs.UpSampling2D((1000, 2)), cs.MaxPooling2D(3, strides=1, padding="valid"))
    assert net.graph.receptive_field(net.layers[-1].name).size == (2, 2)


def test_where_most_outputs_see_nothing_as_before() -> None:
    """A transposed convolution of stride 7 and kernel 2 leaves five of seven outputs without a window."""
    net = network(cs.Conv2DTranspose(2, 2, strides=7), cs.Conv2D(3, 4))
    field = net.graph.receptive_field(net.layers[-1].name)
    # by hand: four outputs in a row see at most one position, except across no two
    assert field.size == (1, 1)
    wide = network(cs.Conv2DTranspose(2, 2, strides=7), cs.Conv2D(3, 15))
    assert wide.graph.receptive_field(wide.layers[-1].name).size == (3, 3)


def test_rounding_of_very_large_numbers_is_not_counted_out() -> None:
    texts, total = adding_up([1e18, -1e18, 0.25], 0.0, 6)
    assert len(texts) == 3
    assert total == "0.000000"
    # 3·10⁶ units missing on two numbers: every unit is given out
    texts, total = adding_up([0.5, 0.25], 3.75, 6)
    assert sum(map(float, texts)) == float(total) == 3.75
    texts, total = adding_up([0.5, 0.25, 0.125], -1.000001, 6)
    assert round(sum(float(t.replace("−", "-")) for t in texts), 6) == -1.000001


def test_a_trace_of_large_numbers_is_shown() -> None:
    net = network(cs.Conv2D(2, 3))
    net.set_weights([np.full((3, 3, 2, 2), 1e18, np.float32), np.zeros(2, np.float32)])
    assert "10" in str(net.trace(IMAGE, net.layers[0].name, (1, 2, 1)))
