"""Names of layers, against Keras's own function."""

from __future__ import annotations

import pytest

from convscope.layers import kinds
from convscope.model.naming import Names, snake


@pytest.mark.parametrize("kind", kinds())
def test_default_names_are_kerass(kind: str) -> None:
    from keras.src.utils.naming import to_snake_case

    assert snake(kind) == to_snake_case(kind)


def test_names_count_up_and_never_collide() -> None:
    names, taken = Names(), set[str]()
    given = []
    for base in ("conv2d", "conv2d", "dense", "conv2d"):
        name = names.new(base, taken)
        taken.add(name)
        given.append(name)
    assert given == ["conv2d", "conv2d_1", "dense", "conv2d_2"]
    # somebody chose a name that would be next
    taken |= {"conv2d_3", "conv2d_4"}
    assert names.new("conv2d", taken) == "conv2d_5"
    assert names.new("conv2d", taken) == "conv2d_6"
    # a name that has become free is not given again: Keras counts up
    taken -= {"conv2d_1"}
    assert names.new("conv2d", taken) == "conv2d_7"
