"""Explanations: the figures of the question, by hand, and their words."""

from __future__ import annotations

import re

import numpy as np
import pytest

from convscope import (
    BatchNormalization,
    Conv1D,
    Conv2D,
    Conv2DTranspose,
    Dense,
    DepthwiseConv2D,
    Flatten,
    MaxPooling1D,
    MaxPooling2D,
    ReLU,
    Sequential,
    UpSampling2D,
)
from convscope.demo import digits, network
from convscope.errors import LayerLookupError, NotBuiltError, UnsupportedError


def words(model: Sequential, layer: str) -> str:
    return " ".join(str(model.explain(layer)).split())


@pytest.fixture
def question() -> Sequential:
    return Sequential([Conv2D(32, 3, input_shape=(28, 28, 1)), Conv2D(64, 3)])


def test_the_second_layer(question: Sequential) -> None:
    said = words(question, "conv2d_1")
    for sentence in (
        "One filter is 3×3×32, not 3×3: a 3×3 slice for every one of the 32 input maps.",
        "Why 64 maps, and not 32·64 = 2,048?",
        "kernel (3, 3, 32, 64): 3·3·32 = 288 a filter, × 64 filters = 18,432",
        "18,432 + 64 = 18,496 parameters",
        "280×280×1 instead of 28×28×1 would make the output 276×276×64, with the same 18,496",
        "288 products × 24·24·64 outputs = 10,616,832",
        "one output sees 5×5 of the image",
    ):
        assert sentence in said, sentence


def test_symbols_stay_symbols() -> None:
    model = Sequential([Conv2D("k1", 3, input_shape=("n", "m", 1))])
    said = words(model, "conv2d")
    assert "(n − 2, m − 2, k1)" in said
    assert "9·k1 + k1 parameters" in said
    found = model.explain("conv2d").to_dict()
    assert found["output_shape"] == ["n - 2", "m - 2", "k1"] and found["params"] == "10*k1"


def test_strides_that_are_symbols() -> None:
    model = Sequential(
        [Conv2D(3, 3, strides="s", input_shape=("n", 31, 2)), Conv2D(5, 3, strides="s")]
    )
    said = words(model, "conv2d_1")
    # ⌊(n − 3)/s⌋ + 1 rows are read, 3 of which are s apart
    assert "moved by s, fits at ⌊(n − 2·s − 3)/s²⌋ + 1 starting rows" in said
    assert "one output sees (2·s + 3)×(2·s + 3) of the image, in steps of s²×s²" in said
    same = words(
        Sequential([Conv2D(3, 3, strides="s", padding="same", input_shape=(28, 31, 2))]), "conv2d"
    )
    assert "`same` padding gives one for every s of 28, rounded up, so ⌊27/s⌋ + 1 rows" in same
    for ask in (model.predict, lambda image: model.trace(image[0], "conv2d", (1, 1, 1))):
        with pytest.raises((NotBuiltError, UnsupportedError), match="symbol"):
            ask(np.zeros((1, 29, 31, 2), np.float32))


def test_a_dense_layer_does_depend_on_the_image_s_size() -> None:
    model = Sequential([Conv2D(3, 3, input_shape=(6, 7, 1)), Flatten(), Dense(5)])
    said = words(model, "dense")
    # 4·5·3 = 60 inputs, 5 outputs; at 60×70: 58·68·3 = 11,832 inputs
    assert "60 a unit, × 5 units = 300" in said
    assert f"60×70×1 instead of 6×7×1 would need {11832 * 5 + 5:,} parameters here" in said


def test_a_transposed_convolution_costs_its_inputs(question: Sequential) -> None:
    model = Sequential([Conv2DTranspose(5, 3, strides=2, input_shape=(4, 6, 7))])
    found = model.explain("conv2d_transpose").to_dict()
    assert found["macs"] == 4 * 6 * 3 * 3 * 7 * 5


@pytest.mark.parametrize(
    ("layer", "sentence"),
    [
        (MaxPooling2D(2, input_shape=(9, 8, 3)), "One output reads a window of 2×2 = 4 numbers"),
        (DepthwiseConv2D(3, input_shape=(9, 8, 3)), "One output adds up 3×3 products"),
        (UpSampling2D(2, input_shape=(9, 8, 3)), "out[y, x, c]"),
    ],
    ids=lambda v: getattr(v, "kind", None),
)
def test_other_kinds_have_words_of_their_own(layer: object, sentence: str) -> None:
    model = Sequential([layer])  # type: ignore[list-item]
    (name,) = model.graph.nodes
    assert sentence in words(model, name)


def test_an_unknown_layer_names_the_nearest(question: Sequential) -> None:
    with pytest.raises(LayerLookupError, match="did you mean 'conv2d_1'"):
        question.explain("conv2d_l")


# -- the four pictures ----------------------------------------------------------------------------


def test_only_the_real_picture_agrees_with_the_engine() -> None:
    run = network().run(digits()["three"])
    found = run.compare("conv2d_1", run.liveliest("conv2d_1")).to_dict()
    shapes = [p["output_shape"] for p in found["pictures"]]
    assert shapes == [[24, 24, 2048], [24, 24, 64], [24, 24, 64], [24, 24, 32]]
    assert [p["kernel"] for p in found["pictures"]] == [
        [3, 3, 32, 64],
        [3, 3, 1, 64],
        [3, 3, 32, 64],
        [3, 3, 32, 1],
    ]
    # 9 weights a filter where one slice is shared, 288 a filter in truth, 9 a map depthwise
    assert [p["params"] for p in found["pictures"]] == [18496, 9 * 64 + 64, 18496, 9 * 32 + 32]
    assert [p["engine_agrees"] for p in found["pictures"]] == [False, False, True, False]


def test_each_picture_s_value_by_hand() -> None:
    rng = np.random.default_rng(2)
    model = Sequential([Conv2D(5, (2, 3), input_shape=(6, 8, 4))])
    kernel, bias = rng.normal(size=(2, 3, 4, 5)), rng.normal(size=5)
    model.set_weights([kernel, bias])
    x = rng.normal(size=(6, 8, 4)).astype(np.float32)
    kernel, bias = (w.astype(np.float32).astype(float) for w in (kernel, bias))
    window = x[3:5, 4:7].astype(float)
    values = [p["value"] for p in model.run(x).compare("conv2d", (3, 4, 2)).to_dict()["pictures"]]
    apart = (window[..., 0] * kernel[:, :, 0, 2]).sum() + bias[2]
    shared = (window * kernel[:, :, :1, 2]).sum() + bias[2]
    real = (window * kernel[..., 2]).sum() + bias[2]
    depth = (window[..., 2] * kernel[:, :, 2, 0]).sum() + bias[2]
    np.testing.assert_allclose(values, [apart, shared, real, depth], rtol=1e-12)


def test_the_pictures_of_groups_are_about_the_maps_of_one_group() -> None:
    rng = np.random.default_rng(3)
    model = Sequential([Conv2D(6, (2, 3), groups=2, input_shape=(6, 8, 14))])
    kernel, bias = rng.normal(size=(2, 3, 7, 6)), rng.normal(size=6)
    model.set_weights([kernel, bias])
    x = rng.normal(size=(6, 8, 14)).astype(np.float32)
    kernel, bias = (w.astype(np.float32).astype(float) for w in (kernel, bias))
    compared = model.run(x).compare("conv2d", (3, 4, 5))
    found = compared.to_dict()["pictures"]
    window = x[3:5, 4:7].astype(float)
    group = window[..., 7:]  # filter 5 is in the second of two groups
    apart = (group[..., 0] * kernel[:, :, 0, 5]).sum() + bias[5]
    shared = (group * kernel[:, :, :1, 5]).sum() + bias[5]
    real = (group * kernel[..., 5]).sum() + bias[5]
    depth = (window[..., 5] * kernel[:, :, 5, 0]).sum() + bias[0]
    np.testing.assert_allclose([p["value"] for p in found], [apart, shared, real, depth])
    assert [p["output_shape"][-1] for p in found] == [7 * 6, 6, 6, 14]
    assert found[3]["kernel"] == [2, 3, 14, 1] and found[3]["params"] == 2 * 3 * 14 + 14
    assert [p["proved"] for p in found] == [False, False, True, False]
    assert "each of 7 of the 14 input maps, which are in 2 groups" in words(model, "conv2d")
    traced = " ".join(str(model.run(x).trace("conv2d", (3, 4, 5))).split())
    assert "a 2×3 window of 7 of the 14 maps of the input: maps 7 … 13, group 2 of 2" in traced
    shown = [int(n) for n in re.findall(r"map (\d+) at", traced)]
    assert [int(n) for n in re.findall(r"slice (\d+) of filter 5", traced)] == [
        n - 7 for n in shown
    ]


@pytest.mark.parametrize("each", [1, 3])
def test_the_real_picture_of_a_depthwise_layer_is_depthwise(each: int) -> None:
    rng = np.random.default_rng(4)
    model = Sequential([DepthwiseConv2D((3, 2), depth_multiplier=each, input_shape=(6, 8, 5))])
    kernel, bias = rng.normal(size=(3, 2, 5, each)), rng.normal(size=5 * each)
    model.set_weights([kernel, bias])
    x = rng.normal(size=(6, 8, 5)).astype(np.float32)
    kernel, bias = (w.astype(np.float32).astype(float) for w in (kernel, bias))
    o = 2 * each + each - 1
    found = model.run(x).compare("depthwise_conv2d", (1, 4, o)).to_dict()["pictures"]
    window = x[1:4, 4:6].astype(float)
    slices = kernel.reshape(3, 2, -1)
    apart = (window[..., 0] * slices[..., o]).sum() + bias[o]
    shared = (window * slices[..., o : o + 1]).sum() + bias[o]
    added = (window * kernel[..., o % each]).sum() + bias[o % each]
    real = (window[..., 2] * slices[..., o]).sum() + bias[o]
    np.testing.assert_allclose([p["value"] for p in found], [apart, shared, added, real])
    assert [p["output_shape"][-1] for p in found] == [25 * each, 5 * each, each, 5 * each]
    assert [p["proved"] for p in found] == [False, False, False, True]
    assert found[3]["name"] == "Depthwise"


def test_a_number_that_is_none_proves_nothing() -> None:
    model = Sequential([Conv2D(5, 2, input_shape=(6, 7, 3))])
    model.set_weights([np.full((2, 2, 3, 5), np.nan), np.zeros(5)])
    compared = model.run(np.ones((6, 7, 3))).compare("conv2d", (1, 2, 3))
    found = compared.to_dict()["pictures"]
    assert [p["engine_agrees"] for p in found] == [False, None, None, False]
    assert not any(p["proved"] for p in found)
    assert "✓" not in str(compared) and "off by" not in str(compared)


def test_at_a_zero_the_real_picture_is_not_proved_either() -> None:
    run = network().run(digits()["seven"])
    found = run.compare("conv2d_1", (5, 7, 12)).to_dict()["pictures"]  # relu made it 0
    assert [p["engine_agrees"] for p in found] == [False, True, True, False]
    assert not any(p["proved"] for p in found)
    compared = run.compare("conv2d_1", (5, 7, 12))
    where = compared.to_dict()["telling_position"]
    assert f"At ({', '.join(map(str, where))}) they can." in " ".join(str(compared).split())
    there = run.compare("conv2d_1", where).to_dict()
    assert [p["proved"] for p in there["pictures"]] == [False, False, True, False]
    assert there["telling_position"] is None


def test_sizes_that_are_called_like_an_index() -> None:
    model = Sequential([Conv2D("o", ("i", 3), input_shape=("x", "n", "c"))])
    facts = model.explain("conv2d").to_dict()
    assert facts["equation"]["text"] == (
        "out[y, x′, o′] = bias[o′] + Σ i′<i, j<3, c′<c  in[y + i′, x′ + j, c′] · kernel[i′, j, c′, o′]"
    )
    said = " ".join(str(model.explain("conv2d")).split())
    assert "(the c′ under the Σ)" in said
    assert "multiplies i·3·c pairs" in said
    assert "Why o maps, and not c·o? Because" in said


def test_with_one_input_map_the_pictures_cannot_be_told_apart() -> None:
    model = Sequential([Conv2D(5, 3, input_shape=(7, 8, 1))])
    comparison = model.run(np.random.default_rng(0).random((7, 8))).compare("conv2d", (2, 3, 0))
    said = " ".join(str(comparison).split())
    assert "cannot be told apart" in said and "over a single map they are the same" in said


def test_pictures_are_about_convolutions() -> None:
    model = Sequential([Conv2D(5, 3, input_shape=(7, 8, 2)), Flatten(), Dense(3)])
    run = model.run(np.ones((7, 8, 2)))
    with pytest.raises(UnsupportedError, match=r"dense \(Dense\).*in sequential: conv2d"):
        run.compare("dense", (1,))


def test_given_sizes_say_where_they_come_from() -> None:
    model = Sequential(
        [
            Conv2DTranspose(4, 3, strides=2, padding="same", input_shape=(5, 6, 3)),
            UpSampling2D(3),
            Flatten(),
        ]
    )
    said = words(model, "conv2d_transpose")
    # (5 − 1)·2 + 3 = 11; `same` leaves 5·2 = 10
    assert "5 rows, spread 2 apart and 3 wide each, cover 11, of which 0 before and 1 after" in said
    assert "cut off, so 10 rows" in said
    assert "12 columns, 3 outputs for each, so 36 columns" in words(model, "up_sampling2d")
    assert "30·36·4, in one row, so 4,320 positions" in words(model, "flatten")


def test_what_passes_through_keeps_its_shape() -> None:
    model = Sequential([ReLU(input_shape=(5, 6, 3))])
    assert "as long as the input's, one output for each of its numbers" in words(model, "re_lu")


def test_how_weights_learn_is_said_with_its_cost() -> None:
    model = Sequential([Conv2D(7, (3, 2), activation="relu", input_shape=(9, 11, 5))])
    found = model.explain("conv2d").to_dict()["gradients"]
    # as many products as forwards: each weight meets each output of its filter once
    forwards = (7 * 10 * 7) * (3 * 2 * 5)
    assert {name: one["macs"] for name, one in found.items()} == {
        "kernel": forwards, "bias": 0, "in": forwards,
    }  # fmt: skip
    text = str(model.explain("conv2d"))
    assert "dkernel[i, j, c, o] = Σ y<7, x<10  in[y + i, x + j, c] · dpre[y, x, o]" in text
    assert "relu′ is 1 above 0 and 0 elsewhere, at 0 itself too" in text


def test_what_is_not_trained_has_no_gradient_to_learn_by() -> None:
    model = Sequential(
        [Conv2D(7, 3, input_shape=(9, 11, 5), trainable=False), BatchNormalization()]
    )
    assert set(model.explain("conv2d").to_dict()["gradients"]) == {"in"}
    assert set(model.explain("batch_normalization").to_dict()["gradients"]) == {
        "gamma",
        "beta",
        "in",
    }


def test_signals_are_told_in_words_of_one_axis() -> None:
    model = Sequential([Conv1D(6, 5, groups=2, input_shape=(31, 4)), MaxPooling1D(3)])
    said = str(model.explain("conv1d"))
    assert "a slice of 5 for each of 2 of the 4 input maps" in said
    assert "in steps of 1; output 0 starts at 0" in said
    assert "One output reads a window of 3 numbers." in str(model.explain("max_pooling1d"))
    x = np.random.default_rng(4).normal(size=(31, 4))
    run = model.run(x)
    said = " ".join(str(run.trace("max_pooling1d", (7, 2))).split())
    assert "It reads 3 numbers, all from map 2 of the input, and takes the largest of them" in said
    one = Sequential([Conv1D(6, 5, input_shape=(31, 4))])
    claims = [p["claim"] for p in one.run(x).compare("conv1d", (7, 2)).to_dict()["pictures"]]
    assert any("a slice of 5 for every map" in claim for claim in claims)
