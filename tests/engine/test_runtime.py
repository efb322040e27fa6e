"""The engine: what it returns, for which sizes, where weights lie, and what it says when it cannot."""

from __future__ import annotations

import subprocess
import sys
from contextlib import nullcontext
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import onnxruntime
import pytest
import torch
from torch.nn import functional as F

from convscope.building import Sequential
from convscope.engine import runtime, sessions
from convscope.engine.runtime import Engine, export
from convscope.errors import EngineError
from convscope.layers.activation import Activation
from convscope.layers.base import Form, Layer, Value
from convscope.layers.batch_normalization import BatchNormalization
from convscope.layers.convolution import Conv2D
from convscope.layers.dense import Dense
from convscope.layers.dropout import Dropout
from convscope.layers.flatten import Flatten
from convscope.layers.global_pooling import GlobalAveragePooling2D
from convscope.layers.merging import Add
from convscope.layers.pooling import MaxPooling2D
from convscope.model.graph import Graph
from convscope.notation import UNKNOWN, symbol

Array = np.ndarray[Any, Any]


def wired(
    shape: tuple[Any, ...], *nodes: tuple[str, Layer, str], layout: str = "channels_last"
) -> Graph:
    """Return a graph of (name, layer, names of what feeds it), with weights unlike any other's."""
    graph = Graph("net", {"image": shape}, layout)
    rng = np.random.default_rng(2)
    for name, layer, feeds in nodes:
        layer.build(graph.add(name, layer, feeds.split()).weights, (0,))
        new = [rng.normal(size=w.shape) * (w.size**-0.5) for w in layer.get_weights()]
        if isinstance(layer, BatchNormalization):
            new = [np.abs(w) + 0.1 for w in new]
        layer.set_weights(new)
    return graph


class PassesOn(Activation):
    """A layer that gives what it gets, without an operator of its own."""

    def __init__(self) -> None:
        super().__init__("linear")

    def settings(self) -> dict[str, Any]:
        return {}

    def onnx(self, form: Form, *inputs: Value) -> Value:
        return inputs[0]


def images(shape: tuple[int, ...], batch: int = 3) -> dict[str, Array]:
    rng = np.random.default_rng(4)
    return {"image": rng.normal(size=(batch, *shape)).astype(np.float32)}


def doubled(array: Array, *order: int) -> torch.Tensor:
    return torch.from_numpy(array.transpose(order or None).astype(np.float64))


def test_kept_activations_are_in_their_layers_own_layout() -> None:
    graph = wired(
        (9, 11, 2),
        ("conv", Conv2D(5, (3, 2), 2, activation="relu"), "image"),
        ("drop", Dropout(0.3), "conv"),
        ("flat", Flatten(), "drop"),
        ("dense", Dense(4), "flat"),
    )
    feeds = images((9, 11, 2))
    found = Engine(graph, ["dense", "conv", "drop", "flat"]).run(feeds)
    assert list(found) == ["dense", "conv", "drop", "flat"]
    conv, dense = (graph.nodes[n].layer.weights for n in ("conv", "dense"))
    x = F.relu(
        F.conv2d(
            doubled(feeds["image"], 0, 3, 1, 2),
            doubled(conv["kernel"], 3, 2, 0, 1),
            doubled(conv["bias"]),
            stride=2,
        )
    ).numpy()
    x = x.transpose(0, 2, 3, 1)
    np.testing.assert_allclose(found["conv"], x, atol=1e-5)
    assert found["drop"].shape == (3, 4, 5, 5)
    np.testing.assert_array_equal(found["drop"], found["conv"])
    np.testing.assert_array_equal(found["flat"], found["conv"].reshape(3, -1))
    wanted = x.reshape(3, -1) @ dense["kernel"] + dense["bias"]
    np.testing.assert_allclose(found["dense"], wanted, atol=1e-5)
    assert {a.dtype for a in found.values()} == {np.dtype(np.float32)}


@pytest.mark.parametrize("batch", [1, 2, 7])
def test_any_batch(batch: int) -> None:
    graph = wired((9, 11, 2), ("conv", Conv2D(5, 3), "image"))
    engine = Engine(graph, ["conv"])
    feeds = images((9, 11, 2), batch)
    found = engine.run(feeds)["conv"]
    assert found.shape == (batch, 7, 9, 5)
    alone = engine.run({"image": feeds["image"][-1:]})["conv"]
    np.testing.assert_allclose(found[-1:], alone, atol=1e-6)


def test_sizes_that_are_unknown_until_an_image_comes() -> None:
    graph = wired(
        (UNKNOWN, UNKNOWN, 2),
        ("a", Conv2D(5, 3, 2, "same", activation="relu"), "image"),
        ("b", MaxPooling2D(2), "a"),
        ("c", GlobalAveragePooling2D(), "b"),
        ("d", Dense(3), "c"),
    )
    engine = Engine(graph, ["a", "b", "d"])
    for rows, columns in ((9, 11), (8, 31), (64, 20)):
        known = graph.at({"image": (rows, columns, 2)})
        found = engine.run(images((rows, columns, 2)))
        assert found["a"].shape[1:] == known.shape("a") == ((rows + 1) // 2, (columns + 1) // 2, 5)
        wanted = Engine(known, ["a", "b", "d"]).run(images((rows, columns, 2)))
        for name, array in found.items():
            np.testing.assert_allclose(array, wanted[name], atol=1e-6)


def test_layers_that_pass_their_input_on() -> None:
    feeds = images((9, 11, 2))
    for layers in (
        (PassesOn(), PassesOn()),
        (Dropout(0.3), PassesOn()),
        (PassesOn(), Dropout(0.3)),
    ):
        first, second = layers
        graph = wired((9, 11, 2), ("a", first, "image"), ("b", second, "a"))
        found = Engine(graph, ["b", "a"]).run(feeds)
        np.testing.assert_array_equal(found["a"], feeds["image"])
        np.testing.assert_array_equal(found["b"], feeds["image"])


def test_images_of_other_types_and_strides() -> None:
    graph = wired((9, 11, 2), ("conv", Conv2D(5, 3), "image"))
    engine = Engine(graph, ["conv"])
    image = images((9, 11, 2))["image"]
    turned = np.asfortranarray(image.astype(np.float64))
    np.testing.assert_array_equal(
        engine.run({"image": turned})["conv"], engine.run({"image": image})["conv"]
    )


# -- weights ---------------------------------------------------------------------------------------


def large_dense(units: int = 300) -> Graph:
    return wired((200,), ("dense", Dense(units), "image"), ("out", Dense(7), "dense"))


def test_large_matrices_are_used_where_they_lie(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sessions, "IN_PLACE_FROM", 200 * 300 * 4)
    graph = large_dense()
    engine = Engine(graph, ["dense"])
    feeds = images((200,))
    before = engine.run(feeds)["dense"]
    layer = graph.nodes["dense"].layer
    layer.weights["kernel"] *= 2
    after = engine.run(feeds)["dense"]
    np.testing.assert_allclose(
        after - layer.weights["bias"], 2 * (before - layer.weights["bias"]), rtol=1e-4, atol=1e-5
    )


def test_smaller_ones_are_packed_by_the_engine(monkeypatch: pytest.MonkeyPatch) -> None:
    graph = large_dense()
    assert graph.totals.bytes < sessions.IN_PLACE_FROM
    packed = Engine(graph, ["out"]).run(images((200,)))
    monkeypatch.setattr(sessions, "IN_PLACE_FROM", 0)
    np.testing.assert_allclose(
        Engine(graph, ["out"]).run(images((200,)))["out"], packed["out"], atol=1e-5
    )


def memory() -> int:
    """Return the bytes of memory that are this process' own, or skip where nobody says."""
    status = Path("/proc/self/statm")
    if not status.exists():
        pytest.skip("there is no /proc here")
    import resource

    return int(status.read_text().split()[1]) * resource.getpagesize()


def test_an_engine_of_a_large_network_takes_no_second_copy() -> None:
    # 64 MiB of weights
    graph = wired((4096,), ("dense", Dense(4096), "image"), ("out", Dense(7), "dense"))
    size = 4096 * 4096 * 4
    assert size > sessions.IN_PLACE_FROM
    Engine(wired((9,), ("dense", Dense(5), "image")), ["dense"])  # what the library itself takes
    before = memory()
    engine = Engine(graph, ["out"])
    engine.run(images((4096,)))
    assert memory() - before < size / 2


def test_optimiser_passes_that_read_weights_do_not_stumble(monkeypatch: pytest.MonkeyPatch) -> None:
    """With only the last output kept, ONNX Runtime merges normalisations into what is before them."""
    monkeypatch.setattr(runtime, "APART_FROM", 0)
    convolutions = wired(
        (9, 11, 31),
        ("conv", Conv2D(300, 3, use_bias=False), "image"),
        ("norm", BatchNormalization(), "conv"),
        ("act", Activation("relu"), "norm"),
        ("conv_2", Conv2D(7, 1), "act"),
        ("norm_2", BatchNormalization(), "conv_2"),
        ("flat", Flatten(), "norm_2"),
    )
    dense = wired(
        (60,),
        ("dense", Dense(300, use_bias=False), "image"),
        ("norm", BatchNormalization(), "dense"),
        ("dense_2", Dense(280), "norm"),
        ("norm_2", BatchNormalization(), "dense_2"),
        ("dense_3", Dense(290, activation="gelu"), "norm_2"),
        ("dense_4", Dense(3, use_bias=False, activation="softmax"), "dense_3"),
    )
    for in_place_from in (0, 1 << 40):
        monkeypatch.setattr(sessions, "IN_PLACE_FROM", in_place_from)
        for graph in (convolutions, dense):
            feeds = images(graph.inputs["image"])
            every = Engine(graph, list(graph.nodes)).run(feeds)
            for name in graph.nodes:
                alone = Engine(graph, [name]).run(feeds)[name]
                np.testing.assert_allclose(alone, every[name], rtol=1e-4, atol=1e-5)
        # and the matrices stay where they are
        session = Engine(dense, ["dense_4"])._session
        assert session is not None
        assert len(session._held) == (4 if in_place_from == 0 else 0)


def test_a_pass_that_cannot_read_a_matrix_gets_a_copy(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sessions, "IN_PLACE_FROM", 0)
    graph = large_dense()
    tried = []
    real = sessions.Session._opened

    def refusing(self: Any, model: bytes, apart: Any, in_place: Any, kept: int) -> Any:
        tried.append(list(in_place))
        if in_place:
            raise RuntimeError("External initializer: dense/kernel … can not be read in full")
        return real(self, model, apart, in_place, kept)

    monkeypatch.setattr(sessions.Session, "_opened", refusing)
    assert Engine(graph, ["out"]).run(images((200,)))["out"].shape == (3, 7)
    assert tried == [["dense/kernel", "out/kernel"], []]


# -- what it says when it cannot -------------------------------------------------------------------


class Nonsense(Layer):
    """A layer whose ONNX form no engine knows."""

    op = "NoSuchOperator"

    def equation(self, *shapes: Any) -> Any:
        return Activation("relu").equation(*shapes)

    def onnx(self, form: Form, *inputs: Value) -> Value:
        return Value(form.node(self.op, inputs[0].name))


def test_a_form_that_is_no_onnx(tmp_path: Path) -> None:
    graph = wired((9, 11, 2), ("odd", Nonsense(), "image"))
    with pytest.raises(EngineError, match=r"ONNX Runtime refused net: .*NoSuchOperator"):
        Engine(graph, ["odd"])
    with pytest.raises(EngineError, match=r"the ONNX form of net is not valid: .*NoSuchOperator"):
        export(graph, tmp_path / "net.onnx")
    assert not (tmp_path / "net.onnx").exists()


def test_an_image_of_another_size() -> None:
    graph = wired((9, 11, 2), ("conv", Conv2D(5, 3), "image"))
    with pytest.raises(EngineError, match=r"ONNX Runtime failed on net: .*image"):
        Engine(graph, ["conv"]).run(images((9, 12, 2)))


def test_symbolic_sizes_cannot_be_run() -> None:
    graph = Graph("net", {"image": (symbol("n"), 11, 2)})
    layer = Conv2D(5, 3)
    layer.build(graph.add("conv", layer, ["image"]).weights, (0,))
    with pytest.raises(EngineError) as error:
        Engine(graph, ["conv"])
    assert str(error.value) == "image has the symbolic size n: only numbers can be run"


def test_nothing_is_written_to_stderr() -> None:
    code = """
import numpy as np
from convscope.engine.runtime import Engine
from convscope.errors import EngineError
from convscope.layers.convolution import Conv2D
from convscope.layers.dropout import Dropout
from convscope.model.graph import Graph
from convscope.notation import UNKNOWN
graph = Graph("net", {"image": (9, UNKNOWN, 2), "unused": (3,)})
layer = Conv2D(5, 3)
layer.build(graph.add("conv", layer, ["image"]).weights, (0,))
engine = Engine(graph, ["conv"])
feeds = {"image": np.ones((1, 9, 11, 2)), "unused": np.ones((1, 3))}
assert engine.run(feeds)["conv"].shape == (1, 7, 9, 5)
try:
    engine.run({"image": np.ones((1, 9, 2, 2)), "unused": np.ones((1, 3))})
except EngineError:
    print("failed")
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert (done.stdout, done.stderr) == ("failed\n", "")


# -- export ----------------------------------------------------------------------------------------


def exported() -> Graph:
    shared = Conv2D(4, 3, padding="same", activation="relu")
    graph = wired(
        (13, 11, 4),
        ("first", shared, "image"),
        ("second", shared, "first"),
        ("norm", BatchNormalization(), "second"),
        ("sum", Add(), "first norm"),
        ("drop", Dropout(0.5), "sum"),
        ("flat", Flatten(), "drop"),
        ("head", Dense(300), "flat"),
        ("quiet", PassesOn(), "head"),
    )
    # a map, a row that is passed on, and both with names of their own
    graph.outputs = ("norm", "drop", "quiet")
    return graph


def test_an_exported_file_is_valid_and_computes_the_same(tmp_path: Path) -> None:
    graph = exported()
    path = tmp_path / "net.onnx"
    export(graph, path)
    onnx.checker.check_model(str(path), full_check=True)
    options = onnxruntime.SessionOptions()
    options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_DISABLE_ALL
    session = onnxruntime.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])
    assert [o.name for o in session.get_outputs()] == ["norm", "drop", "quiet"]
    assert [o.shape for o in session.get_outputs()] == [
        ["batch", 13, 11, 4], ["batch", 13, 11, 4], ["batch", 300]
    ]  # fmt: skip
    assert [(i.name, i.shape) for i in session.get_inputs()] == [("image", ["batch", 13, 11, 4])]
    feeds = images((13, 11, 4))
    ours = Engine(graph, graph.outputs).run(feeds)
    for name, array in zip(graph.outputs, session.run(None, feeds), strict=True):
        np.testing.assert_allclose(array, ours[name], rtol=1e-4, atol=1e-5)


def test_an_exported_file_carries_the_layers_names_and_its_weights_once(tmp_path: Path) -> None:
    path = tmp_path / "net.onnx"
    export(exported(), path)
    model = onnx.load(str(path))
    names = [node.name for node in model.graph.node]
    assert len(set(names)) == len(names)
    assert {"first", "second", "norm", "sum", "flat", "head", "quiet"} <= set(names)
    assert model.graph.name == "net" and model.producer_name == "convscope"
    weights = {i.name: i for i in model.graph.initializer if "constant" not in i.name}
    assert sorted(n for n in weights if n.startswith("first/")) == ["first/bias", "first/kernel"]
    assert not any(n.startswith("second/") for n in weights)
    # everything is in the file, nothing beside it
    assert all(i.data_location != onnx.TensorProto.EXTERNAL for i in weights.values())
    assert [p.name for p in tmp_path.iterdir()] == ["net.onnx"]


def test_more_weights_than_a_file_holds(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(runtime, "MOST_IN_A_FILE", 1000)
    # 148 of the convolution, 16 of the normalisation and the dense layer
    assert exported().totals.params == 148 + 16 + (13 * 11 * 4 + 1) * 300 == 172_064
    said = "the weights of net are 688,256 bytes, and one ONNX file holds 2 GiB at most"
    with pytest.raises(EngineError) as error:
        export(exported(), tmp_path / "net.onnx")
    assert str(error.value) == said
    assert list(tmp_path.iterdir()) == []


def test_a_session_for_callers_does_not_spin(monkeypatch: pytest.MonkeyPatch) -> None:
    from convscope.engine.native import onnxruntime
    from convscope.engine.sessions import for_callers

    entries: list[str] = []

    class Noted(onnxruntime().SessionOptions):  # type: ignore[misc]
        def add_session_config_entry(self, name: str, value: str) -> None:
            entries.append(f"{name}={value}")
            super().add_session_config_entry(name, value)

    monkeypatch.setattr(onnxruntime(), "SessionOptions", Noted)
    x = np.ones((1, 7, 6, 2), np.float32)
    found = []
    for beside in (False, True):
        entries.clear()
        net = Sequential([Conv2D(3, 2, input_shape=(7, 6, 2))], seed=1)
        with for_callers(3) if beside else nullcontext():
            found.append(net.predict(x))
        assert ("session.intra_op.allow_spinning=0" in entries) is beside
    assert np.array_equal(*found)


@pytest.mark.parametrize(("said", "threads"), [("3", 3), ("5,2", 5), ("", 0), ("many", 0)])
def test_a_session_has_no_more_threads_than_are_allowed(
    said: str, threads: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    from convscope.engine.native import onnxruntime

    found: list[int] = []

    class Noted(onnxruntime().InferenceSession):  # type: ignore[misc]
        def __init__(self, model: bytes, options: Any, **more: Any) -> None:
            found.append(options.intra_op_num_threads)
            super().__init__(model, options, **more)

    monkeypatch.setattr(onnxruntime(), "InferenceSession", Noted)
    monkeypatch.setenv("OMP_NUM_THREADS", said)
    net = Sequential([Conv2D(3, 2, input_shape=(7, 6, 2))], seed=1)
    net.predict(np.ones((1, 7, 6, 2), np.float32))
    assert found == [threads]


def test_where_nothing_can_be_written_values_come_as_they_did(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    from convscope.engine import blocks

    def nowhere(*_: object, **__: object) -> None:
        raise FileNotFoundError("no usable temporary directory")

    net = wired((9, 8, 2), ("conv", Conv2D(20, 3), "image"))
    monkeypatch.setattr(blocks, "TemporaryDirectory", nowhere)
    given = {"image": np.ones((2, 9, 8, 2), np.float32)}
    plain = Engine(net, ("conv",), many=True).run(given)
    with blocks.in_blocks():
        found = Engine(net, ("conv",), many=True).run(given)
    assert np.array_equal(found["conv"], plain["conv"])
