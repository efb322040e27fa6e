"""Figures of networks that nobody here wrote: those of keras.applications and of transformers, with random weights."""

from __future__ import annotations

import gc
from typing import Any

import pytest
from figures.geometry import faults
from readers.keras.test_every_application import EVERY, NOT_THERE, SIZES
from readers.torch.architectures import ARCHITECTURES, made

import convscope
from convscope.figures.drawing import FigureAsked, scene
from convscope.figures.scene import Text, walk

pytestmark = [
    pytest.mark.full,
    pytest.mark.filterwarnings("default"),  # Keras's own conversions warn with numpy 2
]

PAGE = 690.0


def checked(graph: Any) -> None:
    for columns in ("ieee", "ieee:2", "lncs"):
        drawn = scene(graph, FigureAsked("architecture", "paper", columns))
        assert faults(drawn) == [], columns
        assert drawn.height < PAGE, columns
        assert min(p.size for p in walk(drawn.parts) if isinstance(p, Text)) > 5.9
    for depth in (1, 2):
        assert faults(scene(graph, FigureAsked("architecture", depth=depth))) == [], depth
    assert faults(scene(graph, FigureAsked("receptive", "plain"))) == []


@pytest.mark.parametrize("name", [n for n in EVERY if n not in NOT_THERE])
def test_keras_applications(name: str) -> None:
    size = next((s for start, s in SIZES.items() if name.startswith(start)), 40)
    model = EVERY[name](weights=None, include_top=False, input_shape=(size, size, 3))
    checked(convscope.open(model).graph)
    del model
    gc.collect()


@pytest.mark.parametrize("name", ARCHITECTURES)
def test_transformers(name: str) -> None:
    module, shape = made(name)
    checked(convscope.open(module, shape=shape).graph)
