"""Every figure of a survey, against numpy over activations that were all kept, and against PyTorch's own."""

from __future__ import annotations

import subprocess
import sys
import warnings
from typing import Any

import numpy as np
import pytest
from work import peak

import convscope as cs
from convscope import (
    AveragePooling2D,
    BatchNormalization,
    Conv1D,
    Conv2D,
    Conv3D,
    Dense,
    DepthwiseConv2D,
    Flatten,
    GlobalAveragePooling2D,
    MaxPooling2D,
    Sequential,
)
from convscope.errors import (
    EngineError,
    InputError,
    LayerLookupError,
    SettingError,
    UnsupportedError,
)
from convscope.survey import measuring
from convscope.survey.survey import Survey


def network() -> Sequential:
    return Sequential(
        [
            Conv2D(7, 3, activation="relu", padding="same", input_shape=(11, 9, 3)),
            DepthwiseConv2D((2, 3), strides=2, activation="tanh"),
            BatchNormalization(),
            MaxPooling2D(2),
            Flatten(),
            Dense(5, activation="softmax"),
        ],
        seed=4,
    )


def kept(net: Any, x: Any) -> dict[str, Any]:
    """Return every activation of every image: the layer's name → (images, …)."""
    runs = [net.run(one) for one in x]
    return {name: np.stack([run[name] for run in runs]) for name in net.graph.nodes}


def check(found: Survey, name: str, values: Any, axis: int | None, images: int) -> None:
    """Compare each figure of each map with numpy's over the same numbers, in float64."""
    layer = found[name]
    if axis is None:
        maps = values.reshape(images, -1, 1)
    else:
        maps = np.moveaxis(values, axis + 1, 1).reshape(images, values.shape[axis + 1], -1)
    assert len(layer) == maps.shape[1] and layer.places == maps.shape[2]
    for one in layer:
        numbers = maps[:, one.map].astype(np.float64)
        finite = numbers[np.isfinite(numbers)]
        assert one.numbers == numbers.size
        assert one.not_finite == (numbers.size - finite.size) / numbers.size
        assert one.zeros == (numbers == 0).sum() / numbers.size
        if not finite.size:
            assert one.mean is None and one.std is None and one.min is None and one.max is None
            assert one.top == ()
            continue
        assert (one.min, one.max) == (finite.min(), finite.max())
        assert one.mean == pytest.approx(finite.mean(), rel=1e-12, abs=1e-300)
        # a difference of two sums of squares: exact but for the rounding of each image's sum
        assert one.std == pytest.approx(finite.std(), rel=1e-9, abs=1e-7 * np.abs(finite).max())
        counted = layer.histogram(one.map)
        assert sum(count for *_, count in counted) == finite.size
        best = np.where(np.isfinite(numbers), numbers, -np.inf).max(axis=1)
        order = [n for n in np.lexsort((np.arange(images), -best)) if np.isfinite(best[n])]
        assert [r.image for r in one.top] == [int(n) for n in order[: len(one.top)]]
        assert [r.value for r in one.top] == [best[n] for n in order[: len(one.top)]]
        for response in one.top:
            assert values[response.image][response.position] == response.value
            if axis is not None:
                assert response.position[axis] == one.map


def test_every_figure_is_numpys_over_kept_activations() -> None:
    net = network()
    x = np.random.default_rng(1).normal(size=(70, 11, 9, 3)).astype(np.float32)
    labels = np.arange(70) % 5
    found, values = net.survey((x, labels), top=4), kept(net, x)
    assert found.images == 70 and found.same == {"flatten": "max_pooling2d"}
    assert found["flatten"] is found["max_pooling2d"]
    for name in found.layers:
        check(found, name, values[name], None if name == "dense" else 2, 70)
    best = values["dense"].argmax(axis=1)
    table = {str(c): np.bincount(best[labels == c], minlength=5).tolist() for c in range(5)}
    assert found.confusion == table
    assert found.accuracy == (best == labels).mean()


def test_numbers_that_are_not_finite_are_counted_apart() -> None:
    net = network()
    x = np.random.default_rng(1).normal(size=(9, 11, 9, 3)).astype(np.float32)
    x[2, 4, 3, 1], x[5, 0, 0, 2], x[7] = np.nan, np.inf, np.nan
    found, values = net.survey(x), kept(net, x)
    for name in found.layers:
        check(found, name, values[name], None if name == "dense" else 2, 9)
    assert any(verdict.kind == "not finite" for verdict in found.verdicts)
    assert '"NaN"' not in found.json()  # such numbers are in no figure


@pytest.mark.parametrize(
    "net, axis",
    [
        (Sequential([Conv1D(4, 3, strides=2, input_shape=(23, 5))], seed=1), 1),
        (Sequential([Conv3D(3, 2, input_shape=(4, 6, 5, 2))], seed=1), 3),
        (Sequential([Conv2D(1, 5, input_shape=(7, 8, 1))], seed=1), 2),
        (Sequential([Conv2D(6, 3, groups=2, input_shape=(7, 8, 4))], seed=1), 2),
        (Sequential([AveragePooling2D(2, input_shape=(7, 8, 4)), GlobalAveragePooling2D()]), None),
    ],
    ids=["1-D", "3-D", "one map", "groups", "global"],
)
def test_other_ranks_and_one_map(net: Any, axis: int | None) -> None:
    shape = next(iter(net.graph.inputs.values()))
    x = np.random.default_rng(2).normal(size=(13, *shape)).astype(np.float32)
    found, values = net.survey(x, top=20), kept(net, x)
    name = net.graph.outputs[0]
    check(found, name, values[name], axis, 13)
    assert len(found[name][0].top) == 13  # one response an image, and no more than there are


def test_one_number_an_image_is_a_map_too() -> None:
    """A network that gives an array of (images,): its output has no axis but the batch's."""
    import onnx

    nodes = [
        onnx.helper.make_node("Relu", ["x"], ["r"], name="relu"),
        onnx.helper.make_node("ReduceSum", ["r", "axes"], ["y"], name="sum", keepdims=0),
    ]
    info = onnx.helper.make_tensor_value_info
    graph = onnx.helper.make_graph(
        nodes, "sums", [info("x", 1, ["n", 3, 5, 4])], [info("y", 1, ["n"])],
        [onnx.numpy_helper.from_array(np.array([1, 2, 3]), "axes")],
    )  # fmt: skip
    made = onnx.helper.make_model(graph, opset_imports=[onnx.helper.make_opsetid("", 17)])
    made.ir_version = 9
    x = np.random.default_rng(2).integers(-3, 4, size=(41, 3, 5, 4)).astype(np.float32)
    found, sums = cs.open(made).survey(x), np.maximum(x, 0).sum(axis=(1, 2, 3))
    (one,) = found["sum"]
    assert (one.numbers, one.mean, one.max) == (41, sums.mean(dtype=float), sums.max())
    assert [r.image for r in one.top] == np.argsort(-sums, kind="stable")[:9].tolist()
    assert one.top[0].position == ()
    assert found.run(one.top[0]).trace("sum", ()).value == sums.max()


def test_what_gives_as_many_numbers_as_it_finds_is_named_and_left_out() -> None:
    """NonZero's places are no batch; what stands beside it is counted. NumPy finds as many."""
    import onnx

    nodes = [
        onnx.helper.make_node("Relu", ["x"], ["r"], name="relu"),
        onnx.helper.make_node("NonZero", ["r"], ["places"], name="found"),
        onnx.helper.make_node("Cast", ["places"], ["y"], name="cast", to=1),
        onnx.helper.make_node("Neg", ["r"], ["z"], name="neg"),
    ]
    info = onnx.helper.make_tensor_value_info
    outputs = [info("z", 1, ["n", 3, 5, 4]), info("y", 1, [4, "k"])]
    graph = onnx.helper.make_graph(nodes, "finds", [info("x", 1, ["n", 3, 5, 4])], outputs)
    made = onnx.helper.make_model(graph, opset_imports=[onnx.helper.make_opsetid("", 17)])
    made.ir_version = 9
    x = np.random.default_rng(2).integers(-3, 4, size=(41, 3, 5, 4)).astype(np.float32)
    net = cs.open(made)
    found = net.survey(x)
    assert list(found.layers) == ["relu", "neg"] and set(found.missing) == {"found", "cast"}
    means: Any = [one.mean for one in found["neg"]]
    assert np.allclose(means, -np.maximum(x, 0).mean(axis=(0, 2, 3)), rtol=1e-6)
    assert "Not counted: found, cast." in found.text(100)
    counts = {np.count_nonzero(one > 0) for one in x[:3]}
    assert len(counts) > 1
    runner = net.backing.runner(net.graph, ("found",), True)
    with pytest.raises(
        EngineError, match=r"found gives \(1, 4, \d+\) for one image and \(1, 4, \d+\) for"
    ):
        runner.run({"x": x[:3]})


def test_it_agrees_with_hooks_in_pytorch(tmp_path: Any) -> None:
    torch = pytest.importorskip("torch")
    torch.manual_seed(3)
    module = torch.nn.Sequential(
        torch.nn.Conv2d(3, 6, 3, padding=1, stride=2),
        torch.nn.ReLU(),
        torch.nn.Conv2d(6, 8, (3, 2), groups=2),
        torch.nn.Sigmoid(),
        torch.nn.AdaptiveAvgPool2d(1),
        torch.nn.Flatten(),
        torch.nn.Linear(8, 4),
    ).eval()
    path = tmp_path / "net.onnx"
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        torch.onnx.export(
            module, (torch.zeros(1, 3, 13, 17),), str(path), dynamo=False,
            input_names=["image"], dynamic_axes={"image": {0: "n"}},
        )  # fmt: skip
    x = torch.randn(40, 3, 13, 17)
    seen: list[Any] = []
    for part in module:
        part.register_forward_hook(lambda _, __, out: seen.append(out.detach().numpy()))
    with torch.no_grad():
        module(x)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        net = cs.open(str(path))
    found = net.survey(x.numpy())
    theirs = [array for array in seen if array.size != 40 * 8 or array.ndim == 4]
    layers = [layer for name, layer in found.layers.items() if name not in found.same]
    assert len(layers) == len(theirs) == 6
    for layer, array in zip(layers, theirs, strict=True):
        maps = np.moveaxis(array, 1, 0).reshape(array.shape[1], -1).astype(np.float64)
        assert layer.maps == len(maps)
        for one, numbers in zip(layer, maps, strict=True):
            assert one.mean == pytest.approx(numbers.mean(), rel=1e-4, abs=1e-6)
            assert one.std == pytest.approx(numbers.std(), rel=1e-4, abs=1e-6)
            assert one.max == pytest.approx(numbers.max(), rel=1e-5, abs=1e-6)
            assert one.zeros == (numbers == 0).mean()


def test_memory_stays_flat() -> None:
    """20 batches hold at once what one does: activations are counted and let go."""
    net = Sequential(
        [Conv2D(16, 3, activation="relu", input_shape=(52, 60, 1)), MaxPooling2D(2), Conv2D(8, 3)]
    )
    x = np.random.default_rng(1).integers(0, 256, (20 * measuring.BATCH, 52, 60), np.uint8)
    net.survey(x[:40])  # what is loaded once
    plain = peak(lambda: kept(net, x[: measuring.BATCH, ..., None].astype(np.float32)))
    one, ten, twenty = (peak(lambda n=n: net.survey(x[: n * measuring.BATCH])) for n in (1, 10, 20))  # type: ignore[misc]
    assert max(one, twenty) <= 1.2 * plain
    batch = (
        4 * x[: measuring.BATCH].size
    )  # as many as are made ready ahead, one more or one less at a time
    assert twenty <= 1.2 * ten + 2 * batch


RESIDENT = """
import resource, sys
import numpy as np
from convscope import Conv2D, MaxPooling2D, Sequential
from convscope.survey import measuring

what, images = sys.argv[1], int(sys.argv[2])
if sys.argv[3] == "compiled":
    from convscope.survey import compiled
    compiled.ready()
    measuring.COMPILED_FROM = 1
net = Sequential([Conv2D(16, 3, activation="relu", input_shape=(120, 130, 1)), MaxPooling2D(2), Conv2D(8, 3)], seed=1)
rng = np.random.default_rng(1)
if what == "survey":
    net.survey(rng.random((120, 130, 1), np.float32) for _ in range(images))
else:
    names = tuple(net.graph.nodes)
    runner = net.backing.runner(net.graph, names, True)
    kept = runner.run({next(iter(net.graph.inputs)): rng.random((images, 120, 130, 1), np.float32)})
print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss)
"""


@pytest.mark.parametrize("by", ["counting", pytest.param("compiled", marks=pytest.mark.full)])
def test_the_whole_process_stays_as_small_as_a_plain_run_of_one_batch(by: str) -> None:
    """What ONNX Runtime holds is in it: 20 batches take what one takes, and no more than one that is kept."""
    pytest.importorskip("resource" if by == "counting" else "numba")

    def largest(what: str, batches: int) -> int:
        command = [sys.executable, "-c", RESIDENT, what, str(batches * measuring.BATCH), by]
        return int(subprocess.run(command, check=True, capture_output=True).stdout)

    plain, one, twenty = largest("run", 1), largest("survey", 1), largest("survey", 20)
    assert max(one, twenty) <= 1.2 * plain
    assert twenty <= 1.2 * one


def test_layers_histograms_and_what_cannot_be() -> None:
    net = network()
    x = np.random.default_rng(1).normal(size=(8, 11, 9, 3)).astype(np.float32)
    found = net.survey(x, layers=["conv2d"], histograms="layers")
    assert list(found.layers) == ["conv2d", "dense"]
    whole = net.survey(x)
    assert found["conv2d"].histogram() == whole["conv2d"].histogram()
    with pytest.raises(SettingError, match="one histogram for all maps of conv2d"):
        found["conv2d"].histogram(3)
    with pytest.raises(LayerLookupError, match="max_pooling2d was not surveyed"):
        found["max_pooling2d"]
    with pytest.raises(LayerLookupError, match="conv2d has 7 maps, there is none at 7"):
        found["conv2d"][7]
    with pytest.raises(InputError, match="none of the first 8 images"):
        net.survey(x[:, :5])
    a, b = cs.Input((4, 3)), cs.Input((4, 3))
    with pytest.raises(UnsupportedError, match="has 2 inputs"):
        cs.Model([a, b], cs.Add()([a, b])).survey(x)


def test_settings_that_cannot_be_are_refused() -> None:
    net, x = network(), np.zeros((2, 11, 9, 3), np.float32)
    for settings, words in (
        ({"top": 2.5}, "top is a whole number from 1, not 2.5"),
        ({"top": True}, "top is a whole number from 1, not True"),
        ({"workers": 0}, "workers is a whole number from 1, not 0"),
        ({"histograms": "map"}, "histograms is one of auto, maps, layers, not 'map'"),
        ({"workers": 2, "scheduler": "tcp://there:1"}, "give that or scheduler"),
    ):
        with pytest.raises(SettingError, match=words):
            net.survey(x, **settings)
    two: Any = np.int64(2)
    one = net.survey(x, layers=net.graph.outputs[0], top=two)
    assert len(one.layers) == 1 and len(one.layers[net.graph.outputs[0]][0].top) == 2


def test_correlations_are_numpys_over_what_was_drawn() -> None:
    net = Sequential([Conv2D(5, 3, input_shape=(6, 7, 2))], seed=2)
    x = np.random.default_rng(5).normal(size=(60, 6, 7, 2)).astype(np.float32)
    found = net.survey(x)
    drawn = np.concatenate([rows for rows in found.state.tally.samples.values()])
    assert drawn.shape == (240, 5) and found.sampled == 60
    want: Any = np.corrcoef(drawn.astype(np.float64).T)
    assert np.allclose(found["conv2d"].correlations(), want, atol=1e-12)
    everything = kept(net, x)["conv2d"].reshape(-1, 5).astype(np.float64)
    pairs = np.triu_indices(5, 1)
    of_all: Any = np.corrcoef(everything.T)
    true = of_all[pairs]
    usual = (1 - true**2) / np.sqrt(240)  # what docs/survey.md says of a sample of 240 places
    off = np.abs(true - want[pairs]) / usual
    assert off.max() < 4 and np.sqrt((off**2).mean()) < 1.5


def test_a_model_of_float64_is_counted_as_float32() -> None:
    """What float32 does not hold is infinite there, and counted as that."""
    from onnx import TensorProto, helper, numpy_helper

    scale = np.array([1.0, 1e300], np.float64).reshape(1, 2, 1, 1)
    graph = helper.make_graph(
        [helper.make_node("Mul", ["image", "scale"], ["out"], "scaled")],
        "wide",
        [helper.make_tensor_value_info("image", TensorProto.DOUBLE, ["n", 2, 3, 4])],
        [helper.make_tensor_value_info("out", TensorProto.DOUBLE, ["n", 2, 3, 4])],
        [numpy_helper.from_array(scale, "scale")],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 20)], ir_version=9)
    x = np.random.default_rng(3).uniform(1, 2, (5, 2, 3, 4))
    found = cs.open(model).survey(x)["scaled"]
    assert found[0].mean == pytest.approx(x[:, 0].mean(), rel=1e-6)
    assert (found[1].mean, found[1].not_finite, found[1].top) == (None, 1.0, ())
