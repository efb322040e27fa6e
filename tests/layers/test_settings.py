"""What layers accept, what they refuse and in which words, and the shapes that settings lead to."""

from __future__ import annotations

import math
from itertools import chain
from typing import Any

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from campaigns import in_turn, rounds
from given import samples
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from convscope import Sequential
from convscope.errors import SettingError, ShapeError, WindowError
from convscope.layers import kinds, spellings
from convscope.layers.base import Layer, Sample
from convscope.notation import UNKNOWN, symbol
from convscope.notation.sizes import is_symbolic, tidy

K: dict[str, Any] = dict(kinds())
NAN = float("nan")


# -- refusals --------------------------------------------------------------------------------------

HUGE = 10**300 + 1

REFUSED: list[tuple[str, dict[str, Any], str]] = [
    (
        "Conv2D",
        {"filters": HUGE, "kernel_size": 3},
        "at most 2,147,483,648, not a number of 301 digits",
    ),
    (
        "Conv2D",
        {"filters": 4, "kernel_size": 3, "strides": (2**31 + 1, 2)},
        r"strides = \(2147483649, 2\): every number must be at most 2,147,483,648, not 2147483649",
    ),
    (
        "UpSampling2D",
        {"size": HUGE},
        "size must be at most 2,147,483,648, not a number of 301 digits",
    ),
    (
        "ZeroPadding2D",
        {"padding": ((1, HUGE), (0, 1))},
        "at most 2,147,483,648, not a number of 301",
    ),
    ("Reshape", {"target_shape": (3, HUGE)}, "every size must be at most 2,147,483,648"),
    ("Dropout", {"rate": HUGE}, "rate must be a number from 0 to 1, not a number of 301 digits"),
    ("Softmax", {"axis": -HUGE}, "axis must be within ±2,147,483,648, not a number of 301 digits"),
    ("Conv2D", {"filters": 0, "kernel_size": 3}, "Conv2D: filters must be at least 1, not 0"),
    ("Conv2D", {"filters": 2.5, "kernel_size": 3}, "filters must be a whole number .* not 2.5"),
    ("Conv2D", {"filters": True, "kernel_size": 3}, "filters must be a whole number .* not True"),
    ("Conv2D", {"filters": 4, "kernel_size": NAN}, "kernel_size must be a whole number .* not nan"),
    (
        "Conv2D",
        {"filters": 4, "kernel_size": (3, 3, 3)},
        r"kernel_size must be one number or 2 of them .* not \(3, 3, 3\)",
    ),
    ("Conv2D", {"filters": 4, "kernel_size": None}, "kernel_size must be one number or 2 of them"),
    ("Conv2D", {"filters": 4, "kernel_size": (3, -1)}, r"kernel_size = \(3, -1\): .* not -1"),
    ("Conv2D", {"filters": 4, "kernel_size": 3, "strides": 0}, "strides must be at least 1, not 0"),
    ("Conv2D", {"filters": 4, "kernel_size": 3, "groups": "s"}, "groups must be whole numbers"),
    (
        "Conv2D",
        {"filters": 4, "kernel_size": 3, "padding": "causal"},
        "padding must be one of 'valid', 'same', not 'causal'",
    ),
    ("Conv2D", {"filters": 4, "kernel_size": 3, "padding": "vaild"}, "did you mean 'valid'"),
    (
        "Conv2D",
        {"filters": 4, "kernel_size": 3, "data_format": "NHWC"},
        "data_format must be one of 'channels_last', 'channels_first', not 'NHWC'",
    ),
    (
        "Conv2D",
        {"filters": 7, "kernel_size": 3, "groups": 2},
        "7 filters cannot be divided into 2 groups",
    ),
    (
        "Conv2D",
        {"filters": 4, "kernel_size": 3, "use_bias": "no"},
        "use_bias must be True or False",
    ),
    (
        "Conv2D",
        {"filters": 4, "kernel_size": 3, "activation": "rellu"},
        r"Conv2D: activation: unknown activation 'rellu' \(did you mean 'relu'\?\)",
    ),
    (
        "Conv2D",
        {"filters": 4, "kernel_size": 3, "kernel_initializer": "gloro_uniform"},
        "unknown initializer 'gloro_uniform' .did you mean 'glorot_uniform'",
    ),
    (
        "Conv2D",
        {"filters": 4, "kernel_size": 3, "kernel_sise": 3},
        r"Conv2D has no setting 'kernel_sise' \(did you mean 'kernel_size'\?\)",
    ),
    (
        "DepthwiseConv2D",
        {"kernel_size": 3, "depth_multiplier": 0},
        "depth_multiplier must be at least 1, not 0",
    ),
    (
        "SeparableConv2D",
        {"filters": 4, "kernel_size": 3, "depth_multiplier": (1, 2)},
        r"depth_multiplier must be one number .* not \(1, 2\)",
    ),
    (
        "Conv2DTranspose",
        {"filters": 4, "kernel_size": 3, "strides": (3, 2), "output_padding": 2},
        r"less than the stride, but it is 2 where the stride is 2 \(output_padding = \(2, 2\), s",
    ),
    (
        "Conv2DTranspose",
        {"filters": 4, "kernel_size": 3, "output_padding": -1},
        "output_padding must be a whole number of at least 0, not -1",
    ),
    (
        "Conv2DTranspose",
        {"filters": 4, "kernel_size": 3, "output_padding": (0, 0, 0)},
        "output_padding must be one number or 2 of them",
    ),
    (
        "Conv3DTranspose",
        {"filters": 4, "kernel_size": 3, "output_padding": "channels_first"},
        "output_padding must be a whole number of at least 0, not 'channels_first'",
    ),
    ("Dense", {"units": -5}, "Dense: units must be at least 1, not -5"),
    ("Dense", {"units": 5, "lora_rank": 4}, "lora_rank = 4 is not supported"),
    ("MaxPooling2D", {"pool_size": (2, 2, 2)}, "pool_size must be one number or 2 of them"),
    ("MaxPooling2D", {"padding": "full"}, "MaxPooling2D: padding must be one of 'valid', 'same'"),
    ("AveragePooling1D", {"strides": False}, "strides must be a whole number"),
    ("GlobalMaxPooling2D", {"keepdims": "yes"}, "keepdims must be True or False, not 'yes'"),
    ("BatchNormalization", {"axis": 0}, "axis must not be 0, the batch"),
    ("BatchNormalization", {"axis": 1.5}, "axis must be a whole number, not 1.5"),
    ("BatchNormalization", {"epsilon": NAN}, "epsilon must be a number of at least 0, not nan"),
    ("BatchNormalization", {"epsilon": "0.1"}, "epsilon must be a number of at least 0, not '0.1'"),
    ("BatchNormalization", {"momentum": True}, "momentum must be a number, not True"),
    ("LayerNormalization", {"axis": ()}, "axis must name one axis or more, each once"),
    ("LayerNormalization", {"axis": (1, 1)}, "axis must name one axis or more, each once"),
    ("LayerNormalization", {"axis": (1, -1)}, "count all of them from one side"),
    ("LayerNormalization", {"axis": "last"}, "axis must be a whole number, not 'last'"),
    ("Activation", {"activation": 7}, "must be the name of an activation, not 7"),
    ("ReLU", {"max_value": -1}, "ReLU: max_value must be a number of at least 0, not -1"),
    ("ReLU", {"negative_slope": None}, "negative_slope must be a number of at least 0, not None"),
    ("ReLU", {"threshold": NAN}, "threshold must be a number of at least 0, not nan"),
    (
        "LeakyReLU",
        {"negative_slope": "a"},
        "negative_slope must be a number of at least 0, not 'a'",
    ),
    ("LeakyReLU", {"negative_slope": 0.1, "alpha": 0.2}, "alpha is negative_slope's older name"),
    ("ELU", {"alpha": math.inf}, "ELU: alpha must be a number, not inf"),
    ("PReLU", {"shared_axes": (0, 1)}, "shared_axes must be a whole number of at least 1, not 0"),
    ("PReLU", {"shared_axes": "1"}, "shared_axes must be axes, not '1'"),
    ("Softmax", {"axis": None}, "Softmax: axis must be a whole number, not None"),
    ("Dropout", {"rate": 1.5}, "Dropout: rate must be a number from 0 to 1, not 1.5"),
    ("Dropout", {"rate": "0.5"}, "Dropout: rate must be a number from 0 to 1, not '0.5'"),
    ("Dropout", {"rate": 0.5, "noise_shape": 3}, "noise_shape must be a tuple"),
    (
        "Dropout",
        {"rate": 0.5, "noise_shape": (None, 0)},
        "must be a whole number of at least 1, not 0",
    ),
    ("SpatialDropout2D", {"rate": -0.5}, "rate must be a number from 0 to 1, not -0.5"),
    ("GaussianNoise", {"stddev": 2}, "stddev must be a number from 0 to 1, not 2"),
    ("Reshape", {"target_shape": (-1, -1)}, r"only one size of target_shape may be −1"),
    ("Reshape", {"target_shape": (3, 0)}, "every size must be at least 1, not 0"),
    ("Reshape", {"target_shape": (3, True)}, "every size must be a whole number"),
    ("Permute", {"dims": (1, 3)}, r"dims must name every axis from 1 to 2 once, not \(1, 3\)"),
    ("Permute", {"dims": "21"}, "every axis must be a whole number of at least 1, not '21'"),
    ("RepeatVector", {"n": 0}, "RepeatVector: n must be at least 1, not 0"),
    ("ZeroPadding2D", {"padding": -1}, "padding must be a whole number of at least 0, not -1"),
    ("ZeroPadding2D", {"padding": (1, 2, 3)}, "padding must be one number or 2 of them or 2 pairs"),
    ("ZeroPadding2D", {"padding": ((1, 2), (3, 4, 5))}, r"\(3, 4, 5\) must be a pair"),
    ("ZeroPadding2D", {"padding": ((1, 2), (3, NAN))}, "every number must be a whole number"),
    (
        "ZeroPadding2D",
        {"padding": "same"},
        "padding must be a whole number of at least 0, not 'same'",
    ),
    ("Cropping1D", {"cropping": (1, 2, 3)}, "cropping must be one number or 1 of them or 1 pairs"),
    ("UpSampling2D", {"size": 0}, "UpSampling2D: size must be at least 1, not 0"),
    (
        "UpSampling2D",
        {"interpolation": "bilinaer"},
        r"interpolation must be one of 'nearest', 'bilinear', .* \(did you mean 'bilinear'\?\)",
    ),
    ("Rescaling", {"scale": "1/255"}, "Rescaling: scale must be a number, not '1/255'"),
    ("Rescaling", {"scale": []}, "scale must be a number, or one for each channel"),
    ("Rescaling", {"scale": [[1, 2], [3, 4]]}, r"scale: every one must be a number, not \[1, 2\]"),
    ("Concatenate", {"axis": 0}, "Concatenate: axis must not be 0, the batch"),
    (
        "Concatenate",
        {"axis": "channels"},
        "Concatenate: axis must be a whole number, not 'channels'",
    ),
    ("InputLayer", {}, "InputLayer needs a shape"),
    ("InputLayer", {"shape": (3, 4), "batch_shape": (None, 3, 4)}, "give one of"),
    ("InputLayer", {"shape": (3, 4), "sparse": True}, "sparse = True is not supported"),
    ("InputLayer", {"shape": 28}, "must be a tuple such as .* not 28"),
    ("Flatten", {"data_format": "last"}, "data_format must be one of"),
    ("Identity", {"rate": 3}, "Identity has no setting 'rate'"),
    ("Identity", {"dtype": "float16"}, "computes in float32"),
]


@pytest.mark.parametrize(("kind", "wrong", "words"), REFUSED)
def test_wrong_settings_are_refused_in_words(kind: str, wrong: dict[str, Any], words: str) -> None:
    with pytest.raises((SettingError, ShapeError), match=words):
        K[kind](**wrong)


DOES_NOT_FIT: list[tuple[Layer, tuple[tuple[int, ...], ...], str]] = [
    (
        K["Conv2D"](4, 3),
        ((28, 28),),
        r"takes inputs with 3 axes .* has shape \(28, 28\) \(2 axes\)",
    ),
    (K["Conv1D"](4, 3), ((28, 28, 3),), r"Conv1D takes inputs with 2 axes .* such as \(128, 3\)"),
    (K["Conv2D"](4, 3, groups=2), ((9, 9, 5),), "5 input channels cannot be divided into 2 groups"),
    (
        K["Conv2D"](4, 5),
        ((9, 3, 2),),
        "a window of 5 columns does not fit: the input has 3 columns",
    ),
    (K["DepthwiseConv2D"](4), ((3, 9, 2),), "a window of 4 rows does not fit"),
    (K["SeparableConv1D"](4, 3, dilation_rate=4), ((8, 2),), "a window of 9 steps does not fit"),
    (K["MaxPooling2D"](4), ((3, 9, 2),), "a window of 4 rows does not fit"),
    (K["AveragePooling3D"](2), ((9, 9, 2),), "AveragePooling3D takes inputs with 4 axes"),
    (K["GlobalMaxPooling2D"](), ((9, 2),), "GlobalMaxPooling2D takes inputs with 3 axes"),
    (
        K["Conv2DTranspose"](4, 2, 2, "same", output_padding=0),
        ((1, 4, 3),),
        r"leaves nothing: 1 rows spread to 2, of which 2 are cut off",
    ),
    (K["Dense"](4), ((),), r"needs an input with an axis to sum over"),
    (K["BatchNormalization"](axis=4), ((3, 4, 5),), r"axis = 4 does not exist: .* axes 1 … 3"),
    (K["LayerNormalization"](axis=-5), ((3, 4, 5),), r"axis = -5 does not exist"),
    (K["Softmax"](axis=3), ((7,),), r"axis = 3 does not exist: .* 1 … 1"),
    (
        K["PReLU"](shared_axes=(1, 3)),
        ((3, 4),),
        r"shared_axes = \(1, 3\) has an axis that an input",
    ),
    (K["SpatialDropout2D"](0.5), ((3, 4),), "SpatialDropout2D takes inputs with 3 axes"),
    (K["Reshape"]((4, 4)), ((15,),), r"shape \(15,\) holds 15 numbers, .* \(4, 4\) needs 16"),
    (K["Reshape"]((4, -1)), ((15,),), r"the 15 numbers .* cannot be divided by 4"),
    (K["Permute"]((2, 1)), ((3, 4, 5),), r"orders 2 axes, but the input has shape \(3, 4, 5\)"),
    (K["RepeatVector"](2), ((3, 4),), "RepeatVector takes inputs with 1 axes"),
    (
        K["Cropping2D"](2),
        ((4, 9, 3),),
        "of 4 rows 2 are cut off before and 2 after, which leaves none",
    ),
    (K["ZeroPadding3D"](2), ((4, 9, 3),), "ZeroPadding3D takes inputs with 4 axes"),
    (K["Rescaling"]((1, 2)), ((4, 9, 3),), "scale holds 2 numbers, but the last axis"),
    (K["Add"](), ((3, 4), (3, 5)), r"Add needs inputs of one shape .* not \(3, 4\) and \(3, 5\)"),
    (
        K["Concatenate"](),
        ((3, 4), (5, 4)),
        r"equal sizes except along axis -1, not \(3, 4\) and \(5, 4\)",
    ),
    (K["Concatenate"](axis=1), ((3, 4), (4,)), r"equal sizes except along axis 1"),
    (K["Concatenate"](axis=3), ((3, 4), (3, 4)), r"axis = 3 does not exist"),
]


@pytest.mark.parametrize(("layer", "shapes", "words"), DOES_NOT_FIT)
def test_inputs_that_do_not_fit_are_refused_in_words(
    layer: Layer, shapes: tuple[tuple[int, ...], ...], words: str
) -> None:
    with pytest.raises((ShapeError, WindowError), match=words):
        _ = layer.equation(*shapes).shape


HOSTILE: list[Any] = [
    NAN,
    math.inf,
    -1,
    0,
    True,
    None,
    "",
    "three",
    2.5,
    (),
    (1,),
    (1, 2, 3, 4, 5),
    [[]],
    {},
]


@pytest.mark.parametrize("name", K)
def test_whatever_a_setting_is_given_no_stranger_comes_out(name: str) -> None:
    """Every setting of every kind gets nonsense: it is accepted, or refused as a `SettingError`."""
    sample = next(iter(K[name].samples()))
    good = sample.layer.settings()
    for setting in good:
        for value in HOSTILE:
            try:
                layer = K[name](**{**good, setting: value})
                _ = layer.equation(*sample.shapes).shape
            except (SettingError, ShapeError) as error:
                assert len(str(error)) > 20


# -- what is kept ----------------------------------------------------------------------------------


@in_turn("sample", samples())
def test_every_setting_is_kept(sample: Sample) -> None:
    """A layer built again from its own settings has the same settings and the same equation."""
    layer = sample.layer
    found = layer.settings()
    assert tuple(found) == layer.parameters()
    given = {
        n: v for n, v in found.items() if not (layer.kind == "InputLayer" and n == "batch_shape")
    }
    again = type(layer)(**given)
    assert again.settings() == found
    assert repr(again) == repr(layer)
    assert str(again.equation(*sample.shapes)) == str(layer.equation(*sample.shapes))


def test_training_only_settings_are_kept_as_given() -> None:
    regularizer, constraint = object(), object()
    layer = K["Conv2D"](4, 3, kernel_regularizer=regularizer, bias_constraint=constraint)
    assert layer.settings()["kernel_regularizer"] is regularizer
    assert layer.settings()["bias_constraint"] is constraint


def test_numpy_numbers_count_as_numbers() -> None:
    layer = K["Conv2D"](np.int64(4), np.array([3, 2]), strides=(np.int32(2), 1), use_bias=np.True_)
    assert layer.settings()["kernel_size"] == (3, 2)
    assert K["Dropout"](np.float32(0.5)).settings()["rate"] == 0.5
    assert K["Rescaling"](np.array([0.5, 2.0])).settings()["scale"] == (0.5, 2.0)


def test_pooling_strides_default_to_the_window() -> None:
    assert K["MaxPooling2D"]((3, 2)).settings()["strides"] == (3, 2)


def test_other_spellings_are_the_same_kind() -> None:
    assert spellings()["Convolution2D"] is K["Conv2D"]
    assert spellings()["AvgPool2D"] is K["AveragePooling2D"]
    assert set(K) < set(spellings())


def test_leaky_relu_knows_alpha() -> None:
    assert K["LeakyReLU"](alpha=0.1).settings() == {"negative_slope": 0.1}


@pytest.mark.parametrize(
    ("given_padding", "kept"),
    [
        (1, ((1, 1), (1, 1))),
        ((1, 2), ((1, 1), (2, 2))),
        (((1, 2), (3, 4)), ((1, 2), (3, 4))),
        ([[1, 2], 3], ((1, 2), (3, 3))),
    ],
)
def test_paddings_are_completed(given_padding: Any, kept: Any) -> None:
    assert K["ZeroPadding2D"](given_padding).settings()["padding"] == kept


# -- samples ---------------------------------------------------------------------------------------


def test_no_two_sizes_of_a_sample_are_equal() -> None:
    """Equal sizes would hide swapped axes. Where inputs must agree, each input by itself is meant."""
    for one in chain.from_iterable(samples().values()):
        for shape in one.shapes:
            large = [s for s in shape if s > 1]
            assert len(set(large)) == len(large), one


def test_every_kind_has_samples_and_a_first_line() -> None:
    for name, kind in K.items():
        assert next(iter(kind.samples()))
        assert (kind.__doc__ or "").strip().splitlines()[0].endswith("."), name
        assert ">>>" in (kind.__doc__ or ""), name


# -- shapes as laws --------------------------------------------------------------------------------


@in_turn("sample", samples())
def test_symbols_give_the_same_shapes(sample: Sample) -> None:
    """The output shape in symbols, with numbers put in afterwards, is the shape in numbers."""
    constants = [one for one in sample.layer.settings().get("given") or () if isinstance(one, list)]
    if sample.layer.kind in FIXED or (sample.layer.kind == "Multiply" and constants):
        pytest.skip("its settings fix the input's size")
    expected = sample.layer.equation(*sample.shapes)
    names: dict[int, Any] = {}
    for size in {s for shape in sample.shapes for s in shape if s > 1}:
        names[size] = symbol(f"n{size}")
    fixed = _fixed_places(sample)
    shapes = [
        tuple(s if (n, place) in fixed else names.get(s, s) for place, s in enumerate(shape))
        for n, shape in enumerate(sample.shapes)
    ]
    found = sample.layer.equation(*shapes)
    numbers = {name: size for size, name in names.items()}
    assert _put_in(found.shape, numbers) == expected.shape
    assert {n: _put_in(s, numbers) for n, s in found.weights.items()} == expected.weights


@in_turn("sample", samples(lambda sample: hasattr(sample.layer, "strides")))
def test_symbolic_strides_give_the_same_shapes(sample: Sample) -> None:
    """So do strides that are symbols."""
    expected = sample.layer.equation(*sample.shapes)
    given: Any = sample.layer
    settings = given.settings()
    strides = {symbol(f"s{n}"): stride for n, stride in enumerate(given.strides)}
    layer = type(given)(**{**settings, "strides": tuple(strides)})
    assert _put_in(layer.equation(*sample.shapes).shape, strides) == expected.shape


FIXED = {"Reshape", "Pad", "Unstack", "Resizing"}
"""Kinds whose settings do not make sense for an input of another size, or that are stated once it is known."""


def _fixed_places(sample: Sample) -> set[tuple[int, int]]:
    """Return the dimensions that a layer's settings fix (its groups must divide the channels)."""
    layer = sample.layer
    if layer.settings().get("groups", 1) != 1:
        return {(0, len(sample.shapes[0]) - 1 if layer.channels_last else 0)}
    return set()


def _put_in(shape: tuple[Any, ...], numbers: dict[Any, int]) -> tuple[int, ...]:
    return tuple(int(s.subs(numbers)) if is_symbolic(s) else s for s in shape)


@in_turn("sample", samples())
def test_unknown_sizes_stay_unknown(sample: Sample) -> None:
    """With all sizes unknown there is still a shape of the right rank, and no traceback."""
    mirrored = sample.layer.settings().get("options", {}).get("mode") == "reflect"
    if mirrored or sample.layer.kind == "Resizing":
        pytest.skip("where an output lies is said once the size is known")
    expected = sample.layer.equation(*sample.shapes).shape
    found = sample.layer.equation(*((UNKNOWN,) * len(s) for s in sample.shapes)).shape
    assert len(found) == len(expected)
    assert all(f is UNKNOWN or f == e for f, e in zip(found, expected, strict=True))


small = st.integers(1, 5)


@st.composite
def sliding(draw: st.DrawFn) -> dict[str, Any]:
    """Draw sizes and settings of a sliding window over rows and columns."""
    pair = st.tuples(small, small)
    return {
        "sizes": draw(st.tuples(st.integers(1, 17), st.integers(1, 17))),
        "kernel": draw(pair),
        "strides": draw(pair),
        "dilation": draw(st.tuples(st.integers(1, 3), st.integers(1, 3))),
        "padding": draw(st.sampled_from(["valid", "same"])),
        "last": draw(st.booleans()),
    }


def _reach(drawn: dict[str, Any]) -> tuple[int, ...]:
    return tuple((k - 1) * d + 1 for k, d in zip(drawn["kernel"], drawn["dilation"], strict=True))


def _layout(drawn: dict[str, Any], sizes: tuple[int, ...], channels: int) -> tuple[int, ...]:
    return (*sizes, channels) if drawn["last"] else (channels, *sizes)


def _format(drawn: dict[str, Any]) -> str:
    return "channels_last" if drawn["last"] else "channels_first"


@given(sliding())
@settings(max_examples=rounds(40, 150))
def test_convolution_shapes_are_torchs(drawn: dict[str, Any]) -> None:
    layer = K["Conv2D"](
        4,
        drawn["kernel"],
        drawn["strides"],
        drawn["padding"],
        _format(drawn),
        drawn["dilation"],
    )
    equation = layer.equation(_layout(drawn, drawn["sizes"], 3))
    if drawn["padding"] == "same":  # Keras's documentation: ⌈size / stride⌉
        expected = tuple(-(-n // s) for n, s in zip(drawn["sizes"], drawn["strides"], strict=True))
    else:
        if any(r > n for r, n in zip(_reach(drawn), drawn["sizes"], strict=True)):
            with pytest.raises(WindowError, match="does not fit"):
                _ = equation.shape
            return
        image, kernel = torch.zeros(1, 3, *drawn["sizes"]), torch.zeros(4, 3, *drawn["kernel"])
        made = F.conv2d(image, kernel, stride=drawn["strides"], dilation=drawn["dilation"])
        expected = tuple(made.shape[2:])
    assert equation.shape == _layout(drawn, expected, 4)
    assert equation.weights["kernel"] == (*drawn["kernel"], 3, 4)


@given(sliding())
@settings(max_examples=rounds(40, 150))
def test_pooling_shapes_are_torchs(drawn: dict[str, Any]) -> None:
    layer = K["MaxPooling2D"](drawn["kernel"], drawn["strides"], drawn["padding"], _format(drawn))
    equation = layer.equation(_layout(drawn, drawn["sizes"], 3))
    if drawn["padding"] == "same":
        expected = tuple(-(-n // s) for n, s in zip(drawn["sizes"], drawn["strides"], strict=True))
    else:
        assume(all(k <= n for k, n in zip(drawn["kernel"], drawn["sizes"], strict=True)))
        image = torch.zeros(1, 3, *drawn["sizes"])
        expected = tuple(F.max_pool2d(image, drawn["kernel"], drawn["strides"]).shape[2:])
    assert equation.shape == _layout(drawn, expected, 3)


@given(sliding(), st.booleans(), st.tuples(st.integers(0, 4), st.integers(0, 4)))
@settings(max_examples=rounds(40, 150))
def test_transposed_shapes_are_kerass(
    drawn: dict[str, Any], with_more: bool, more: tuple[int, int]
) -> None:
    from keras.src.backend.common.backend_utils import compute_conv_transpose_output_shape

    given_more = more if with_more else None
    if with_more:
        assume(all(m < s for m, s in zip(more, drawn["strides"], strict=True)))
    layer = K["Conv2DTranspose"](
        4,
        drawn["kernel"],
        drawn["strides"],
        drawn["padding"],
        given_more,
        _format(drawn),
        drawn["dilation"],
    )
    shape = _layout(drawn, drawn["sizes"], 3)
    expected = compute_conv_transpose_output_shape(
        (None, *shape),
        drawn["kernel"],
        4,
        drawn["strides"],
        drawn["padding"],
        given_more,
        _format(drawn),
        drawn["dilation"],
    )[1:]
    if min(expected) < 1:
        with pytest.raises(ShapeError, match="leaves nothing"):
            layer.equation(shape)
        return
    equation = layer.equation(shape)
    assert equation.shape == tuple(expected)
    assert equation.weights["kernel"] == (*drawn["kernel"], 4, 3)


@given(
    st.lists(st.integers(1, 6), min_size=1, max_size=4),
    st.lists(st.integers(1, 6), min_size=1, max_size=4),
    st.integers(0, 2**32),
)
@settings(max_examples=rounds(30, 100))
def test_reshape_is_numpys(before: list[int], after: list[int], seed: int) -> None:
    """Sizes of the target are multiplied until the numbers fill it; numpy does the same reshape."""
    from convscope.notation.evaluation import evaluate_box

    common = math.lcm(math.prod(before), math.prod(after))
    assume(common < 3000)
    source = (*before, common // math.prod(before))
    target = (common // math.prod(after), *after)
    array = np.random.default_rng(seed).normal(size=source)
    equation = K["Reshape"](target).equation(source)
    found = evaluate_box(equation, [(0, s - 1) for s in target], {"in": array})
    assert (found == array.reshape(target)).all()


@pytest.mark.parametrize(
    ("kind", "shape", "words"),
    [
        (K["Reshape"]((7, 7, 64)), (3136,), "out[y, x, c] = in[448y + 64x + c]"),
        (K["Reshape"]((28, 28, 1)), (784,), "out[y, x, c] = in[28y + x]"),
        (K["Reshape"]((-1, 64)), (7, 5, 64), "out[t, c] = in[⌊t/5⌋, t mod 5, c]"),
        (K["Flatten"](), (UNKNOWN, 5, 3), "out[p] = in[⌊p/15⌋, ⌊p/3⌋ mod 5, p mod 3]"),
        (K["Flatten"](), (4, symbol("n"), 3), "out[p] = in[⌊p/(3·n)⌋, ⌊p/3⌋ mod n, p mod 3]"),
        (K["Reshape"]((-1, 3)), (UNKNOWN, UNKNOWN, 3), "out[t, c] = in[⌊t/?⌋, t mod ?, c]"),
    ],
)
def test_reshaping_reads_as_a_person_would_say_it(
    kind: Layer, shape: tuple[Any, ...], words: str
) -> None:
    assert str(kind.equation(shape)) == words


@pytest.mark.parametrize("padding", ["valid", "same"])
@pytest.mark.parametrize("more", [None, 0, 1])
def test_symbols_of_a_transposed_convolution_say_what_numbers_do(
    padding: str, more: int | None
) -> None:
    def made(h: Any, k: Any, s: Any, d: Any) -> tuple[Any, ...]:
        layer = K["Conv1DTranspose"](4, k, s, padding, more, dilation_rate=d, input_shape=(h, 2))
        graph = Sequential([layer]).graph
        return graph.shape("conv1d_transpose")[0], graph.totals.params, graph.totals.macs

    letters = "hksd"
    said = made(*letters)
    for k, s, d in ((1, 2, 1), (3, 2, 1), (4, 3, 1), (2, 5, 1), (5, 4, 1), (3, 1, 2)):
        if more and more >= s:
            continue
        numbers = dict(zip(map(symbol, letters), (7, k, s, d), strict=True))
        found = tuple(tidy(one.subs(numbers)) for one in said)
        assert found == made(7, k, s, d), (k, s, d)
