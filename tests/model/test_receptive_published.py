"""Receptive fields of well-known networks against published figures.

Araujo, Norris and Sim, Computing Receptive Fields of Convolutional Neural Networks, Distill 2019, table
"Receptive fields for popular networks": AlexNet 195, VGG-16 212, ResNet-50 483, MobileNet (v1) 315,
Inception (v3) 1311, all with an effective stride of 32. The architectures are those papers', at
their input sizes; only what has a window is built.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from convscope.layers.base import Layer
from convscope.layers.concatenate import Concatenate
from convscope.layers.convolution import Conv2D
from convscope.layers.depthwise import DepthwiseConv2D
from convscope.layers.merging import Add
from convscope.layers.pooling import AveragePooling2D, MaxPooling2D
from convscope.model.field import ReceptiveField
from convscope.model.graph import Graph
from convscope.model.naming import Names


class Builder:
    """Adds layers to a graph, each after the one before unless told otherwise."""

    def __init__(self, shape: tuple[int, ...]) -> None:
        self.graph = Graph("net", {"image": shape})
        self.names = Names()
        self.last = "image"

    def add(self, layer: Layer, *after: str) -> str:
        name = self.names.new("layer", self.graph.nodes)
        self.graph.add(name, layer, after or (self.last,))
        self.last = name
        return name

    def conv(self, kernel: Any, stride: int = 1, padding: str = "same", *, after: str = "") -> str:
        return self.add(Conv2D(2, kernel, stride, padding), *([after] if after else []))

    def field(self) -> ReceptiveField:
        found = self.graph.receptive_field(self.last)
        assert found is not None
        return found


def alexnet() -> Builder:
    # Krizhevsky 2014, "One weird trick": 11/4, pool, 5, pool, 3, 3, 3, pool
    net = Builder((224, 231, 3))
    net.conv(11, 4, "valid")
    net.add(MaxPooling2D(3, 2))
    net.conv(5)
    net.add(MaxPooling2D(3, 2))
    for _ in range(3):
        net.conv(3)
    net.add(MaxPooling2D(3, 2))
    return net


def vgg16() -> Builder:
    # Simonyan & Zisserman 2015, configuration D: blocks of 2, 2, 3, 3, 3 convolutions
    net = Builder((224, 256, 3))
    for convolutions in (2, 2, 3, 3, 3):
        for _ in range(convolutions):
            net.conv(3)
        net.add(MaxPooling2D(2, 2))
    return net


def resnet50(stride_at: str = "first") -> Builder:
    # He et al. 2016: blocks of 3, 4, 6, 3 bottlenecks; the first of a block halves the map
    net = Builder((224, 256, 3))
    net.conv(7, 2)
    net.add(MaxPooling2D(3, 2, padding="same"))
    for block, units in enumerate((3, 4, 6, 3)):
        for unit in range(units):
            start = net.last
            stride = 2 if unit == 0 and block else 1
            net.conv(1, stride if stride_at == "first" else 1)
            net.conv(3, stride if stride_at == "second" else 1)
            end = net.conv(1)
            shortcut = net.conv(1, stride, after=start) if unit == 0 else start
            net.add(Add(), end, shortcut)
    return net


def mobilenet() -> Builder:
    # Howard et al. 2017, table 1: depthwise 3×3 with these strides, each followed by 1×1
    net = Builder((224, 256, 3))
    net.conv(3, 2)
    for stride in (1, 2, 1, 2, 1, 2, 1, 1, 1, 1, 1, 2, 1):
        net.add(DepthwiseConv2D(3, stride, "same"))
        net.conv(1)
    return net


def inception_v3() -> Builder:
    # Szegedy et al. 2016, as in the reference code: Mixed_5b … 7c
    net = Builder((299, 331, 3))
    net.conv(3, 2, "valid")
    net.conv(3, 1, "valid")
    net.conv(3)
    net.add(MaxPooling2D(3, 2))
    net.conv(1)
    net.conv(3, 1, "valid")
    net.add(MaxPooling2D(3, 2))

    def mixed(*branches: list[tuple[Any, int, str]], pool: int) -> None:
        start = net.last
        ends = []
        for branch in branches:
            net.last = start
            for kernel, stride, padding in branch:
                net.conv(kernel, stride, padding)
            ends.append(net.last)
        net.last = start
        padding = "same" if pool == 1 else "valid"
        ends.append(net.add((AveragePooling2D if pool == 1 else MaxPooling2D)(3, pool, padding)))
        net.add(Concatenate(), *ends)

    def same(*kernels: Any) -> list[tuple[Any, int, str]]:
        return [(k, 1, "same") for k in kernels]

    halving = [(3, 2, "valid")]
    for _ in "bcd":
        mixed(same(1), same(1, 5), same(1, 3, 3), pool=1)
    mixed(halving, [*same(1, 3), *halving], pool=2)
    for _ in "bcde":
        mixed(same(1), same(1, (1, 7), (7, 1)), same(1, (7, 1), (1, 7), (7, 1), (1, 7)), pool=1)
    mixed([*same(1), *halving], [*same(1, (1, 7), (7, 1)), *halving], pool=2)
    for _ in "bc":
        mixed(
            same(1),
            same(1, (1, 3)),
            same(1, (3, 1)),
            same(1, 3, (1, 3)),
            same(1, 3, (3, 1)),
            pool=1,
        )
    return net


@pytest.mark.parametrize(
    ("build", "size"),
    [(alexnet, 195), (vgg16, 212), (resnet50, 483), (mobilenet, 315), (inception_v3, 1311)],
)
def test_published_figures(build: Callable[[], Builder], size: int) -> None:
    field = build().field()
    assert field.size == (size, size)
    assert field.stride == (32, 32)


def test_where_a_resnet_takes_its_stride_matters() -> None:
    # torchvision's ResNet-50 halves in the 3×3 convolution ("v1.5"): its first 3×3 of a block sees
    # the finer map, so that blocks 2, 3 and 4 lose 8, 16 and 32 pixels: 483 − 56
    assert resnet50("second").field().size == (427, 427)
