"""Sequential and Model as Keras spells them, their errors, and running them."""

from __future__ import annotations

import io
import os
from pathlib import Path
from typing import Any, cast

import numpy as np
import onnxruntime as ort
import pytest
from PIL import Image

import convscope as cs
from convscope import (
    Add,
    BatchNormalization,
    Conv2D,
    Dense,
    Dropout,
    Flatten,
    GlobalAveragePooling2D,
    Input,
    InputLayer,
    MaxPooling2D,
    Model,
    Sequential,
)
from convscope.errors import (
    ActivationError,
    ConvscopeError,
    InputError,
    LayerLookupError,
    NotBuiltError,
    OutputError,
    PositionError,
    SettingError,
    ShapeError,
    UnsupportedError,
    WeightsError,
    WindowError,
)


def small() -> Sequential:
    return Sequential(
        [
            Conv2D(5, 3, activation="relu", input_shape=(9, 11, 2)),
            BatchNormalization(),
            Flatten(),
            Dense(4),
        ]
    )


# -- building -------------------------------------------------------------------------------------


def test_names_count_up_per_model_and_name_is_honoured() -> None:
    model = Sequential(
        [Conv2D(2, 1, input_shape=(3, 4, 5)), Conv2D(3, 1, name="mine"), Conv2D(4, 1)]
    )
    assert [layer.name for layer in model.layers] == ["conv2d", "mine", "conv2d_1"]
    assert [layer.name for layer in small().layers][:2] == ["conv2d", "batch_normalization"]


def test_layers_first_and_the_shape_later() -> None:
    model = Sequential([Conv2D(32, 3), Conv2D(64, 3)])
    assert [layer.get_weights() for layer in model.layers] == [[], []]
    model.build((None, 28, 28, 1))
    assert [w.shape for w in model.get_weights()] == [(3, 3, 1, 32), (32,), (3, 3, 32, 64), (64,)]
    assert model.output_shape == (24, 24, 64)


def test_an_input_layer_is_no_layer_of_a_sequential() -> None:
    model = Sequential([InputLayer(shape=(9, 8, 1), name="pixels"), Conv2D(2, 3)])
    assert [layer.name for layer in model.layers] == ["conv2d"]
    assert list(model.graph.inputs) == ["pixels"]
    assert Sequential([Input((9, 8, 1)), Conv2D(2, 3)]).output_shape == (7, 6, 2)


def test_pop_takes_the_last_layer_off() -> None:
    model = small()
    last = model.pop()
    assert isinstance(last, Dense) and model.output_shape == (7 * 9 * 5,)
    model.add(Dense(6))
    assert model.output_shape == (6,) and model.layers[-1].name == "dense_1"
    with pytest.raises(LayerLookupError, match="no layers to remove"):
        Sequential().pop()


def test_pop_takes_a_whole_stack_off_as_keras_does() -> None:
    inner = Sequential([Conv2D(3, 2), Sequential([Conv2D(2, (1, 2))], name="inmost")], name="inner")
    model = Sequential([Conv2D(4, 3, input_shape=(9, 8, 2))])
    model.add(inner)
    assert list(model.graph.nodes) == ["conv2d", "inner/conv2d", "inner/inmost/conv2d"]
    kernel = inner.layers[0].get_weights()[0]
    edited = model.edit("conv2d", strides=2)
    assert model.pop() is inner
    assert list(model.graph.nodes) == ["conv2d"] and model.graph.nested == {}
    assert model.output_shape == (7, 6, 4)
    model.add(inner)  # the name is free again, and the weights are the same
    assert list(model.graph.nodes) == ["conv2d", "inner/conv2d", "inner/inmost/conv2d"]
    assert (model.get_layer("inner/conv2d").get_weights()[0] == kernel).all()
    again = edited.pop()
    assert isinstance(again, Sequential)
    assert again.name == "inner" and list(edited.graph.nodes) == ["conv2d"]
    assert [layer.kind for layer in again.layers] == ["Conv2D", "Conv2D"]
    assert list(model.graph.nodes)[1:] == ["inner/conv2d", "inner/inmost/conv2d"]
    assert isinstance(again.pop(), Sequential) and len(inner.layers) == 2


def test_get_layer_by_name_and_by_place() -> None:
    model = small()
    assert model.get_layer("dense") is model.get_layer(index=3)
    with pytest.raises(LayerLookupError, match="did you mean 'dense'"):
        model.get_layer("dence")
    with pytest.raises(LayerLookupError, match="4 layers, there is none at index 9"):
        model.get_layer(index=9)


def test_a_seed_gives_the_same_weights_and_another_seed_others() -> None:
    def kernel(seed: int) -> np.ndarray:
        return Sequential([Conv2D(3, 3, input_shape=(5, 6, 2))], seed=seed).get_weights()[0]

    assert (kernel(1) == kernel(1)).all() and (kernel(1) != kernel(2)).any()
    limit = np.sqrt(6 / (3 * 3 * 2 + 3 * 3 * 3))  # Glorot & Bengio 2010, eq. 16
    drawn = Sequential([Conv2D(64, 3, input_shape=(5, 6, 32))]).get_weights()[0]
    limit = np.sqrt(6 / (3 * 3 * 32 + 3 * 3 * 64))
    assert np.abs(drawn).max() <= limit and np.abs(drawn).max() > 0.99 * limit
    assert abs(drawn.mean()) < limit / 50


def test_weights_go_in_as_they_come_out() -> None:
    a = small()
    b = small()
    b.set_weights([w + 1 for w in a.get_weights()])
    for one, other in zip(a.get_weights(), b.get_weights(), strict=True):
        np.testing.assert_array_equal(one + 1, other)
    with pytest.raises(WeightsError, match="has 8 weights in 4 layers, but 7 were given"):
        b.set_weights(a.get_weights()[1:])
    with pytest.raises(
        WeightsError, match=r"its bias has shape \(4,\), but an array of shape \(5,\)"
    ):
        b.layers[3].set_weights([b.layers[3].get_weights()[0], np.zeros(5)])


def test_a_graph_with_a_branch_and_a_shared_layer() -> None:
    x = Input((8, 9, 4))
    twice = Conv2D(4, 3, padding="same")
    y = Add()([twice(twice(x)), x])
    model = Model(x, Dense(3)(GlobalAveragePooling2D()(y)))
    assert model.count_params() == 3 * 3 * 4 * 4 + 4 + 4 * 3 + 3  # the shared one once
    assert list(model.graph.nodes)[:2] == ["conv2d", "conv2d_again"]
    assert model.graph.totals.macs == 2 * (8 * 9 * 4 * 3 * 3 * 4) + 4 * 3
    field = model.graph.receptive_field("add")
    assert field is not None and (field.size, field.start) == ((5, 5), (-2, -2))
    run = model.run(np.random.default_rng(1).random((8, 9, 4)))
    for name in model.graph.nodes:
        assert run.trace(name, run.liveliest(name)).agrees, name


# -- running --------------------------------------------------------------------------------------


def inner() -> Sequential:
    return Sequential(
        [Conv2D(3, 3, input_shape=(9, 8, 2), name="c"), MaxPooling2D(2)], name="inner"
    )


def test_a_network_is_called_like_a_layer_and_stands_in_another_as_one() -> None:
    part, image = inner(), Input((9, 8, 2))
    net = Model(image, Dense(5)(Flatten()(Add()([part(image), part(image)]))))
    assert list(net.graph.nodes)[:4] == [
        "inner/c", "inner/max_pooling2d", "inner_again/c", "inner_again/max_pooling2d",
    ]  # fmt: skip
    # its weights are shared, and count once
    assert net.count_params() == part.count_params() + (3 * 3 * 3 + 1) * 5
    assert [row.name for row in net.facts(depth=1).rows] == [
        "inner",
        "inner_again",
        "add",
        "flatten",
        "dense",
    ]
    assert net.facts(depth=1).rows[0].kind == "Sequential"
    x = np.random.default_rng(2).random((4, 9, 8, 2), dtype=np.float32)
    np.testing.assert_allclose(
        net.predict(x),
        (2 * part.predict(x)).reshape(4, -1) @ net.layers[-1].get_weights()[0],
        rtol=1e-5,
    )
    # an unbuilt one gets its shape from the first use; another of the same name counts up
    head = Sequential([Dense(4)], name="inner")
    assert "inner_1/dense" in Model(image, head(Flatten()(part(image)))).graph.nodes
    assert head.input_shape == (3 * 3 * 3,)


def test_a_stack_is_added_to_another(tmp_path: Path) -> None:
    part = inner()
    outer = Sequential(
        [Conv2D(2, 2, input_shape=(10, 9, 3)), part, Flatten(), Dense(4)], name="outer"
    )
    whole = Sequential([outer, Dense(2)])
    assert list(whole.graph.nodes)[1:3] == ["outer/inner/c", "outer/inner/max_pooling2d"]
    assert [row.name for row in whole.facts(depth=2).rows][1] == "outer/inner"
    assert "A network of 2 layers" in str(whole.explain("outer/inner"))
    assert "A network of 5 layers" in str(whole.explain("outer"))
    with pytest.raises(cs.errors.LayerLookupError, match="no layer 'oute'"):
        whole.explain("oute")
    x = np.random.default_rng(3).random((10, 9, 3), dtype=np.float32)
    run = whole.run(x)
    assert run.trace("outer/inner/c", (1, 2, 0)).agrees
    last = whole.pop()
    assert isinstance(last, Dense) and whole.output_shape == (4,)
    pytest.importorskip("h5py")  # which the core's tests do without
    whole.save(tmp_path / "whole.keras")
    np.testing.assert_allclose(
        cs.open(tmp_path / "whole.keras").run(x).output, outer.run(x).output, rtol=1e-6
    )


def test_predict_is_the_same_in_one_batch_or_many() -> None:
    model, x = small(), np.random.default_rng(0).normal(size=(7, 9, 11, 2))
    whole = model.predict(x)
    assert whole.shape == (7, 4) and whole.dtype == np.float32
    np.testing.assert_allclose(model.predict(x, batch_size=3), whole, atol=1e-5)
    np.testing.assert_allclose(model.run(x[2]).output, whole[2], atol=1e-5)
    assert model.predict(x[:0]).shape == (0, 4)


def test_new_weights_are_what_runs() -> None:
    model, x = small(), np.ones((1, 9, 11, 2))
    before = model.predict(x)
    model.layers[3].set_weights([w * 0 + 2 for w in model.layers[3].get_weights()])
    after = model.predict(x)
    assert (before != after).any() and np.ptp(after) == 0


def test_an_image_of_an_unknown_size() -> None:
    model = Sequential([Conv2D(3, 3, input_shape=(None, None, 2)), GlobalAveragePooling2D()])
    for size in ((5, 8), (12, 7)):
        x = np.random.default_rng(0).random((*size, 2)).astype(np.float32)
        run = model.run(x)
        assert run["conv2d"].shape == (size[0] - 2, size[1] - 2, 3)
        assert run.trace("conv2d", (1, 2, 0)).agrees
        np.testing.assert_allclose(model.predict(x[None])[0], run.output, atol=1e-6)
    stream = io.StringIO()
    model.summary(file=stream)
    assert "?×?×3" in stream.getvalue()


def test_an_image_file_is_divided_by_255(tmp_path: Path) -> None:
    pixels = np.arange(99, dtype=np.uint8).reshape(9, 11)
    Image.fromarray(np.stack([pixels] * 3, axis=-1)).save(tmp_path / "x.png")
    model = Sequential([Conv2D(2, 3, input_shape=(9, 11, 3))])
    expected = np.repeat(pixels[..., None] / np.float32(255), 3, axis=-1)
    np.testing.assert_array_equal(model.run(tmp_path / "x.png")["input"], expected)


def test_export_is_checked_and_computes_the_same(tmp_path: Path) -> None:
    model = small()
    model.export(tmp_path / "net.onnx")
    session = ort.InferenceSession(tmp_path / "net.onnx", providers=["CPUExecutionProvider"])
    x = np.random.default_rng(4).normal(size=(3, 9, 11, 2)).astype(np.float32)
    (found,) = session.run(None, {"input": x})
    np.testing.assert_allclose(found, model.predict(x), atol=1e-5)
    assert [p.name for p in tmp_path.iterdir()] == ["net.onnx"]
    with pytest.raises(OutputError, match=r"name the file .*net\.onnx or .*net\.html, not"):
        model.export(tmp_path / "net.pb")
    with pytest.raises(OutputError, match="cannot write"):
        model.export(tmp_path / "nowhere" / "net.onnx")


# -- bad input ------------------------------------------------------------------------------------


def test_a_kernel_larger_than_the_map_says_which_layer_shrank_it() -> None:
    layers = [Conv2D(3, 3, input_shape=(8, 9, 1)), MaxPooling2D(2), Conv2D(4, 5)]
    with pytest.raises(WindowError) as found:
        Sequential(layers)
    said = str(found.value)
    assert "conv2d_1: a window of 5 rows does not fit: the input has 3 rows" in said
    assert "max_pooling2d (MaxPooling2D) made (3, 3, 3) of (6, 7, 3)" in said


@pytest.mark.parametrize(
    ("make", "kind", "said"),
    [
        (lambda: Conv2D(6, 3, groups=4), ShapeError, "6 filters cannot be divided into 4 groups"),
        (
            lambda: Sequential([Conv2D(6, 3, groups=3, input_shape=(9, 9, 4))]),
            ShapeError,
            "4 input channels cannot be divided into 3 groups",
        ),
        (lambda: Conv2D(6, cast(Any, float("nan"))), SettingError, "kernel_size must be a whole number"),
        (lambda: Conv2D(6, (3, 0)), SettingError, "at least 1, not 0"),
        (lambda: Conv2D(6, cast(Any, (3, 3, 3))), SettingError, "one number or 2 of them"),
        (lambda: Conv2D(6, 3, activation="rleu"), ActivationError, "did you mean 'relu'"),
        (lambda: Conv2D(6, 3, **cast(Any, {"pading": "same"})), SettingError, "did you mean 'padding'"),
        (lambda: Conv2D(6, 3, padding="full"), SettingError, "one of 'valid', 'same', not 'full'"),
        (lambda: Conv2D(6, 3, kernel_initializer="glorot"), SettingError, "unknown initializer"),
        (lambda: Sequential([Conv2D(6, 3)]).summary(), NotBuiltError, "has no input shape yet"),
        (lambda: Sequential([Conv2D(6, 3)]).predict(np.ones((1, 9, 9, 1))), NotBuiltError, "input_shape="),
        (lambda: Sequential(cast(Any, [3])), SettingError, "add takes a layer"),
        (lambda: Sequential([Conv2D(6, 3, input_shape=cast(Any, 28))]), SettingError, "must be a tuple"),
        (lambda: Sequential([Conv2D(6, 3, input_shape=(28, 28))]), ShapeError, "inputs with 3 axes"),
        (lambda: small().fit(1, 2), NotBuiltError, "is not compiled"),
        (lambda: small().summary(style="keras3"), SettingError, "keras2"),
        (lambda: cs.open(7), ConvscopeError, "int is not a network"),
        (lambda: small().run(np.ones((9, 11, 3))), InputError, "3 channels where 2 are wanted"),
        (lambda: small().run(np.ones((4, 9, 11, 2))), InputError, "predict takes many"),
        (lambda: small().run("nothing.png"), InputError, "there is no image nothing.png"),
        (lambda: small().predict(np.ones((9, 11, 2))), InputError, "add the batch axis"),
        (lambda: small().predict(np.ones((2, 9, 11, 2)), batch_size=0), InputError, "batch_size"),
        (lambda: small().run([["a"]]), InputError, "array of numbers"),
        (lambda: small().run(np.ones((9, 11, 2))).trace("conv2d", (7, 0, 0)), PositionError, "0 … 6"),
        (lambda: small().run(np.ones((9, 11, 2))).trace("conv2d", (True, 0, 0)), PositionError, "whole numbers"),
        (lambda: small().run(np.ones((9, 11, 2)))["conv"], LayerLookupError, "did you mean 'conv2d'"),
    ],
)  # fmt: skip
def test_bad_input_is_a_typed_error_with_the_numbers(make: object, kind: type, said: str) -> None:
    with pytest.raises(kind) as found:
        make()  # type: ignore[operator]
    assert said in str(found.value)


def test_wrong_uses_of_a_network_in_another() -> None:
    part: Any = inner()
    image = Input((9, 8, 2))
    wrong: Any
    for wrong, said in (
        (lambda: part(3), "inner is called with outputs of other layers"),
        (lambda: Conv2D(3, 3)(cast(Any, 7)), "not with int"),
        (lambda: part([image, image]), "inner takes 1 inputs, not 2"),
        (lambda: part(Input((4,))), r"inner takes \(9, 8, 2\), not \(4,\)"),
        (lambda: Sequential([part, part]), "already part of sequential"),
        (
            lambda: Sequential([cast(Any, Model(image, part(image)))]),
            r"Model\(inputs, net\(wire\)\)",
        ),
        (lambda: Model(3, part(image)), "Model takes inputs"),
    ):
        with pytest.raises((SettingError, ShapeError), match=said):
            wrong()


def test_an_image_of_the_wrong_size_is_refused(tmp_path: Path) -> None:
    Image.new("L", (30, 28)).save(tmp_path / "wide.png")
    Image.new("RGB", (28, 28)).save(tmp_path / "colour.png")
    Image.new("RGBA", (28, 28), (0, 0, 0, 9)).save(tmp_path / "glass.png")
    (tmp_path / "text.png").write_text("no image")
    os.mkfifo(tmp_path / "pipe.png")
    (tmp_path / "short.npy").write_bytes(
        b"\x93NUMPY\x01\x00v\x00{'descr': '<f4', 'fortran_order': False, 'shape': (28, 9999999, 9999), }"
        + b" " * 39
        + b"\n"
    )
    np.save(tmp_path / "objects.npy", np.array([{}], dtype=object), allow_pickle=True)
    model = Sequential([Conv2D(2, 3, input_shape=(28, 28, 1))])
    for name, said in (
        ("wide.png", "resize it to 28 rows and 28 columns"),
        ("colour.png", "convert it to grey"),
        ("glass.png", "transparent in places"),
        ("text.png", "cannot be read as an image"),
        (".", "is a folder"),
        ("pipe.png", "is not a plain file"),
        ("short.npy", "cannot be read as a .npy array"),
        ("objects.npy", "cannot be read as a .npy array"),
    ):
        with pytest.raises(InputError, match=said):
            model.run(tmp_path / name)


def test_adding_a_layer_that_cannot_be_leaves_the_model_as_it_was() -> None:
    model = Sequential([Conv2D(2, 3, input_shape=(4, 5, 1))])
    bad = Conv2D(2, 9)
    with pytest.raises(WindowError):
        model.add(bad)
    assert len(model.layers) == 1 and bad.name is None
    model.add(Conv2D(3, 2))
    assert model.output_shape == (1, 2, 3)


def test_a_long_prediction_shows_a_bar_on_stderr_and_gives_the_same(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    model, x = small(), np.random.default_rng(0).normal(size=(9, 9, 11, 2))
    expected = model.predict(x, batch_size=2, verbose=0)
    clock = iter(range(0, 1000, 2))
    monkeypatch.setattr("convscope.engine.progress.time.monotonic", lambda: next(clock))
    monkeypatch.setattr("sys.stderr.isatty", lambda: True, raising=False)
    np.testing.assert_array_equal(model.predict(x, batch_size=2), expected)
    written = capsys.readouterr()
    assert "predict" in written.err and "100%" in written.err
    assert written.out == ""
    assert model.predict(x, batch_size=2, verbose=0).shape == (9, 4)
    assert capsys.readouterr().err == ""


def test_a_prediction_is_never_the_array_that_was_given() -> None:
    model = Sequential([Dropout(0.5, input_shape=(4, 5))])
    x = np.ones((3, 4, 5), dtype=np.float32)
    found = model.predict(x)
    assert not np.shares_memory(found, x)
    np.testing.assert_array_equal(found, x)


def test_a_symbol_cannot_run() -> None:
    with pytest.raises(UnsupportedError, match="k1"):
        Sequential([Conv2D("k1", 3, input_shape=(9, 8, 1))]).run(np.zeros((9, 8, 1), "float32"))
