"""A network as a graph: what it refuses, what it counts, and that this is linear work."""

from __future__ import annotations

import sys
from collections.abc import Callable
from typing import Any

import pytest

from convscope.errors import LayerLookupError, SettingError, ShapeError, WindowError
from convscope.layers.activation import Activation
from convscope.layers.batch_normalization import BatchNormalization
from convscope.layers.convolution import Conv2D
from convscope.layers.dense import Dense
from convscope.layers.flatten import Flatten
from convscope.layers.merging import Add
from convscope.layers.pooling import MaxPooling2D
from convscope.layers.transposed import Conv2DTranspose
from convscope.model import facts as facts_module
from convscope.model import field, receptive
from convscope.model.graph import Graph
from convscope.notation import UNKNOWN, symbol
from convscope.notation.sizes import show


def chain(shape: tuple[Any, ...], *layers: Any, layout: str = "channels_last") -> Graph:
    graph = Graph("net", {"image": shape}, layout)
    before = "image"
    for number, layer in enumerate(layers):
        name = f"{type(layer).__name__.lower()}_{number}"
        graph.add(name, layer, [before])
        before = name
    return graph


# -- what it refuses -------------------------------------------------------------------------------


def refused(kind: type[Exception], build: Callable[[], object]) -> str:
    with pytest.raises(kind) as error:
        build()
    assert type(error.value) is kind
    return str(error.value)


def test_a_window_that_is_too_large_tells_what_shrank_the_map() -> None:
    said = refused(
        WindowError,
        lambda: chain(
            (29, 31, 3), Conv2D(8, 3), MaxPooling2D(3), Conv2D(16, 1), MaxPooling2D(3), Conv2D(4, 5)
        ),
    )
    assert said == (
        "conv2d_4: a window of 5 rows does not fit: the input has 3 rows, and 3 ≥ 5 fails; "
        "maxpooling2d_3 (MaxPooling2D) made (3, 3, 16) of (9, 9, 16); "
        "maxpooling2d_1 (MaxPooling2D) made (9, 9, 8) of (27, 29, 8); "
        "conv2d_0 (Conv2D) made (27, 29, 8) of (29, 31, 3)"
    )


def test_only_layers_that_shrank_the_map_are_told_the_last_three_of_them() -> None:
    said = refused(
        WindowError,
        lambda: chain(
            (13, 14, 9), *(Conv2D(9 - n, 3) for n in range(5)), Conv2D(2, 1), Conv2D(1, 4)
        ),
    )
    # the 1×1 convolution makes fewer maps, not smaller ones
    assert [part.split(" ")[0] for part in said.split("; ")[1:]] == [
        "conv2d_4",
        "conv2d_3",
        "conv2d_2",
    ]


def test_channels_first_maps_shrink_along_other_axes() -> None:
    first: dict[str, Any] = {"data_format": "channels_first"}
    said = refused(
        WindowError,
        lambda: chain(
            (3, 9, 8),
            Conv2D(2, 5, **first),
            Conv2D(1, 1, **first),
            Conv2D(4, (3, 7), **first),
            layout="channels_first",
        ),
    )
    assert said == (
        "conv2d_2: a window of 7 columns does not fit: the input has 4 columns, and 4 ≥ 7 fails; "
        "conv2d_0 (Conv2D) made (2, 5, 4) of (3, 9, 8)"
    )


def test_an_image_that_is_too_small_by_itself() -> None:
    said = refused(WindowError, lambda: chain((4, 5, 1), Conv2D(2, 7)))
    assert said == (
        "conv2d_0: a window of 7 rows does not fit: the input has 4 rows, and 4 ≥ 7 fails "
        "(image has shape (4, 5, 1))"
    )


def test_other_misfits_tell_what_came_in() -> None:
    graph = chain((9, 11, 4), Conv2D(6, 3))
    said = refused(ShapeError, lambda: graph.add("next", Conv2D(6, 3, groups=3), ["image"]))
    assert said == (
        "next: Conv2D: 4 input channels cannot be divided into 3 groups; the channels must be a "
        "multiple of groups (image has shape (9, 11, 4))"
    )
    said = refused(ShapeError, lambda: graph.add("sum", Add(), ["image", "conv2d_0"]))
    assert said.startswith("sum: Add needs inputs of one shape")
    assert said.endswith("(image has shape (9, 11, 4), conv2d_0 has shape (7, 9, 6))")
    said = refused(ShapeError, lambda: graph.add("none", Dense(3), []))
    assert said.startswith("none: Dense takes 1 input, not 0")


def test_a_name_that_is_taken() -> None:
    graph = chain((9, 11, 4), Conv2D(6, 3))
    assert refused(SettingError, lambda: graph.add("image", Conv2D(6, 3), ["image"])) == (
        "net already has a layer named 'image'; names must differ"
    )
    refused(SettingError, lambda: graph.add("conv2d_0", Conv2D(6, 3), ["image"]))
    assert list(graph.nodes) == ["conv2d_0"]


def test_an_unknown_layer_names_the_nearest() -> None:
    graph = chain((9, 11, 4), Conv2D(6, 3), MaxPooling2D(2))
    assert refused(LayerLookupError, lambda: graph.node("conv2d_O")) == (
        "net has no layer 'conv2d_O' (did you mean 'conv2d_0'?); its layers are conv2d_0, "
        "maxpooling2d_1"
    )
    many = chain((9, 11, 4), *(Conv2D(2, 1) for _ in range(40)))
    assert refused(LayerLookupError, lambda: many.node("x")).endswith("conv2d_11 … (40 layers)")
    assert many.node(1).name == "conv2d_1"
    refused(LayerLookupError, lambda: many.node(True))


def test_weights_that_depend_on_a_size_nobody_knows() -> None:
    said = refused(ShapeError, lambda: chain((UNKNOWN, 11, 4), Flatten(), Dense(3)))
    assert "the shape of its kernel, (None, 3), depends on an input size that is unknown" in said


# -- what it knows ---------------------------------------------------------------------------------


def test_totals_count_what_is_shared_once_and_what_is_done_every_time() -> None:
    twice = Conv2D(4, 3, padding="same")
    graph = Graph("net", {"a": (9, 11, 2), "b": (5, 7, 2)})
    graph.add("left", twice, ["a"])
    graph.add("right", twice, ["b"])
    graph.add("norm", BatchNormalization(), ["left"])
    weights = 3 * 3 * 2 * 4 + 4
    totals = graph.totals
    assert totals.params == weights + 4 * 4
    assert totals.non_trainable == 2 * 4  # the moving mean and variance
    assert totals.trainable == weights + 2 * 4
    assert totals.bytes == 4 * totals.params
    assert totals.macs == (9 * 11 + 5 * 7) * 4 * (3 * 3 * 2)
    assert graph.layers == [twice, graph.nodes["norm"].layer]
    assert [node.name for node, _ in graph.counted_once()] == ["left", "norm"]


def test_a_layer_that_is_not_trained() -> None:
    graph = chain((9, 11, 2), Conv2D(4, 3, trainable=False), Conv2D(5, 1))
    assert graph.totals.trainable == 4 * 5 + 5
    assert graph.totals.non_trainable == 3 * 3 * 2 * 4 + 4


def test_symbols_all_the_way_through() -> None:
    n, k = symbol("n"), symbol("k")
    graph = chain((n, 11, 2), Conv2D("k", 3, 2, "same"), MaxPooling2D(2), Conv2D(5, 3))
    assert graph.shape("conv2d_0") == ((n + 1) // 2, 6, k)
    # halved twice, less 2: ⌊⌊(n + 1)/2⌋/2⌋ − 2
    assert tuple(map(show, graph.shape("conv2d_2"))) == ("⌊(n − 7)/4⌋", "1", "5")
    assert graph.totals.params == 18 * k + k + 45 * k + 5
    assert graph.totals.macs.subs({n: 28, k: 7}) == (14 * 6 * 7) * 18 + (5 * 1 * 5) * (9 * 7)
    assert chain((UNKNOWN, 11, 2), Conv2D(3, 3)).totals.macs is UNKNOWN
    assert chain((UNKNOWN, 11, 2), Conv2D(3, 3)).totals.params == 57


def test_the_same_network_at_another_size() -> None:
    graph = chain((28, 28, 1), Conv2D(32, 3), Conv2D(64, 3))
    larger = graph.at({"image": (280, 300, 1)})
    assert larger.shape("conv2d_1") == (276, 296, 64)
    assert larger.totals.params == graph.totals.params == 320 + 18_496
    assert larger.nodes["conv2d_0"].layer is graph.nodes["conv2d_0"].layer
    assert larger.outputs == graph.outputs == ("conv2d_1",)


def test_what_a_layer_depends_on() -> None:
    graph = Graph("net", {"image": (9, 11, 2)})
    for name, before in (("a", "image"), ("b", "a"), ("c", "a"), ("e", "image")):
        graph.add(name, Conv2D(2, 1), [before])
    graph.add("d", Add(), ["b", "c"])
    assert graph.needed(["d"]) == ["a", "b", "c", "d"]
    assert graph.needed(["c", "e"]) == ["a", "c", "e"]
    assert graph.needed(["image"]) == []


def test_facts_are_those_of_the_layer_that_was_asked() -> None:
    """Facts are shared between layers of the same settings, and only between those."""
    pairs = [
        (Conv2D(4, 3), Conv2D(4, 3, use_bias=False)),
        (Conv2D(4, 3), Conv2D(4, 3, trainable=False)),
        (Conv2D(4, 3), Conv2D(4, 3, activation="relu")),
        (MaxPooling2D(2), MaxPooling2D(2, 1)),
        (Conv2D(4, 3, 2, "same"), Conv2DTranspose(4, 3, 2, "same")),
    ]
    for one, other in pairs:
        a, b = (facts_module.facts_of(layer, ((9, 11, 2),)) for layer in (one, other))
        assert a is facts_module.facts_of(type(one)(**one.settings()), ((9, 11, 2),))
        assert (str(a.equation), a.params, a.trainable, a.output_shape) != (
            (str(b.equation), b.params, b.trainable, b.output_shape)
        )
    first, last = Activation("relu"), Activation("relu")
    first.channels_last = False
    a, b = (facts_module.facts_of(layer, ((9, 11, 2),)) for layer in (first, last))
    assert str(a.equation) != str(b.equation)


# -- linear ----------------------------------------------------------------------------------------


def deep(count: int) -> Graph:
    """Return a chain of convolutions, normalisations and activations."""
    kinds = (lambda: Conv2D(16, 3, padding="same"), BatchNormalization, lambda: Activation("relu"))
    return chain((32, 48, 16), *(kinds[n % 3]() for n in range(count)))


def calls(count: int) -> int:
    """Return how many Python functions are called to wire and look at a network so deep."""
    made = 0

    def counting(frame: object, event: str, argument: object) -> None:
        nonlocal made
        made += event == "call"

    receptive._without_steps.cache_clear()
    field.readable.cache_clear()
    layers = [Conv2D(16, 3, padding="same") for _ in range(count)]
    graph = Graph("net", {"image": (32, 48, 16)})
    sys.setprofile(counting)
    try:
        before = "image"
        for number, layer in enumerate(layers):
            graph.add(f"layer_{number}", layer, [before])
            before = f"layer_{number}"
        for name in graph.nodes:
            graph.receptive_field(name)
        _ = graph.totals, graph.layers, graph.needed([before])
    finally:
        sys.setprofile(None)
    return made


def test_the_work_grows_with_the_number_of_layers_and_no_faster() -> None:
    calls(10)  # what is derived once for all layers alike
    small, medium, large = (calls(n) for n in (100, 200, 400))
    assert medium - small == pytest.approx(100 * small / 100, rel=0.05)
    assert large - medium == pytest.approx(2 * (medium - small), rel=0.01)
    assert small / 100 < 150  # about 60 calls a layer


def test_ten_thousand_layers() -> None:
    graph = deep(10_000)
    last = graph.outputs[0]
    field = graph.receptive_field(last)
    # 3,334 convolutions of 3×3, each two more
    assert field is not None and field.size == (6669, 6669) and field.start == (-3334, -3334)
    conv, norm = 3 * 3 * 16 * 16 + 16, 4 * 16
    assert graph.totals.params == 3334 * conv + 3333 * norm
    assert graph.totals.macs == 3334 * (32 * 48 * 16) * (3 * 3 * 16)


def test_facts_of_equal_layers_are_derived_once(monkeypatch: pytest.MonkeyPatch) -> None:
    derived = []
    real = facts_module._derive

    def counting(layer: Any, *given: Any) -> Any:
        derived.append(layer.kind)
        return real(layer, *given)

    monkeypatch.setattr(facts_module, "_derive", counting)
    monkeypatch.setattr(facts_module, "_known", {})
    deep(300)
    assert derived == ["Conv2D", "BatchNormalization", "Activation"]
