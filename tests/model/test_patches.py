"""What one output sees of the image, exactly: measured with one row of NaN at a time, which reaches all that reads it,
also with weight 0."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import numpy as np
import onnx_models
import pytest
from onnx import helper
from work import calls

import convscope
from convscope import (
    AveragePooling2D,
    Concatenate,
    Conv2D,
    Conv2DTranspose,
    Dense,
    Flatten,
    Input,
    Model,
    ReLU,
    Reshape,
    Sequential,
    UpSampling2D,
)
from convscope.model.graph import Graph
from convscope.network import Network
from convscope.notation import seen

NETWORKS: dict[str, list[Any]] = {
    "enlarged": [UpSampling2D(2), Conv2D(2, 3, use_bias=False)],
    "enlarged and strided": [UpSampling2D(3), Conv2D(2, 3, strides=2, use_bias=False)],
    "transposed": [Conv2DTranspose(2, 3, strides=2, use_bias=False)],
    "transposed, same": [
        Conv2D(2, 3, use_bias=False),
        Conv2DTranspose(2, 4, strides=3, padding="same", use_bias=False),
        AveragePooling2D(2),
    ],
    "by lines": [UpSampling2D(3, interpolation="bilinear"), AveragePooling2D(2)],
}


@pytest.mark.parametrize("name", NETWORKS)
def test_a_patch_is_what_is_seen(name: str) -> None:
    model = Sequential(NETWORKS[name])
    model.build((None, 9, 8, 1))
    for layer in model.layers:
        layer.set_weights([np.abs(w) + 0.1 for w in layer.get_weights()])
    last = model.graph.outputs[0]
    field = model.graph.receptive_field(last)
    assert field is not None
    seen = []
    for row in range(9):
        image = np.zeros((9, 8, 1), np.float32)
        image[row] = np.nan
        seen.append(np.any(np.isnan(model.run(image).output), axis=(1, 2)).tolist())
    widest = 0
    for place in range(model.graph.shape(last)[0]):
        box = model.graph.patch(last, (place, 0, 0))[0]
        rows = [row for row in range(9) if seen[row][place]]
        assert box is not None
        low, high = box
        inside = [row for row in range(9) if low <= row <= high]
        assert rows == inside
        widest = max(widest, high - low + 1)
        if field.alike:
            assert low == field.start[0] + field.stride[0] * place  # type: ignore[operator]
    assert widest <= (field.size[0] or 0)


def test_figures_that_hold_on_average_are_said_to() -> None:
    model = Sequential([UpSampling2D(2), Conv2D(2, 3)])
    model.build((None, 9, 8, 1))
    field = model.graph.receptive_field("conv2d")
    assert field is not None and not field.alike
    assert "up to 2×2 of the image, in steps of 0.5×0.5 on average" in str(model.explain("conv2d"))
    plain = Sequential([Conv2D(2, 3, strides=2), Conv2D(2, 3)])
    plain.build((None, 19, 18, 1))
    field = plain.graph.receptive_field("conv2d_1")
    assert field is not None and field.alike
    assert plain.graph.patch("conv2d_1", (2, 1, 0)) == ((4, 10), (2, 8))


def test_no_fraction_leaks_out() -> None:
    model = Sequential(
        [Conv2DTranspose(4, 3, strides=2), Conv2D(4, 3, strides=2), Flatten(), Dense(3)]
    )
    model.build((None, 9, 8, 1))
    for row in model.facts().rows:
        assert row.receptive_field is not None
        assert all(type(size) is int for size in row.receptive_field.size)
    told = json.loads(json.dumps(model.facts().to_dict()))
    assert told["layers"][-1]["receptive_field"]["size"] == [11, 10]
    model.edit("conv2d", kernel_size=2).changes()


def test_a_field_goes_through_the_reshapes_of_a_group_normalisation() -> None:
    """As exporters write it: (6, 7, 9) becomes (2, 189), one row a group, and is taken back."""
    node = helper.make_node
    nodes = [
        node("Conv", ["x", "w"], ["c"], "conv"),
        node("Reshape", ["c", "flat"], ["f"], "flat"),
        node("InstanceNormalization", ["f", "one", "zero"], ["n"], "norm"),
        node("Reshape", ["n", "back"], ["y"], "back"),
    ]
    weights = {
        "w": np.ones((6, 4, 3, 2), np.float32), "flat": np.array([0, 2, -1]),
        "one": np.ones(2, np.float32), "zero": np.zeros(2, np.float32), "back": np.array([1, 6, 7, 9]),
    }  # fmt: skip
    net = convscope.open(onnx_models.model(nodes, {"x": [1, 4, 9, 10]}, ["y"], weights))
    fields = {row.name: row.receptive_field for row in net.facts().rows}
    assert fields["conv"] is not None and fields["conv"].size == (3, 2)
    for name in ("norm", "back"):  # each output depends on all of the group's map
        assert fields[name] is not None and fields[name].size == (9, 10)  # type: ignore[union-attr]


# -- where outputs differ in what they read ---------------------------------------------------------


def agrees(net: Network, run: Callable[[Any], Any], first: int = 1) -> None:
    """Compare the patch of every output with the rows and columns of NaN that reach it."""
    (shape,) = net.graph.inputs.values()
    image = np.random.default_rng(3).uniform(0.5, 1.5, shape).astype(np.float32)
    last = net.graph.outputs[0]
    for axis in (0, 1):
        size = int(shape[axis + first])
        seen = []
        for place in range(size):
            spoilt = image.copy()
            np.moveaxis(spoilt, axis + first, 0)[place] = np.nan
            seen.append(np.isnan(run(spoilt)))
        reached = np.stack(seen)
        assert reached.shape[1:] == net.graph.shape(last)
        for position in np.ndindex(reached.shape[1:]):
            box = net.graph.patch(last, position)[axis]
            places = np.flatnonzero(reached[(slice(None), *position)])
            inside = None if box is None else (max(box[0], 0), min(box[1], size - 1))
            if inside is not None and inside[0] > inside[1]:
                inside = None  # all of it lies in the padding
            assert inside == ((places[0], places[-1]) if len(places) else None), (position, box)


def _row(x: Any, m: Any) -> None:
    x[:, :, 0] = 0


def _row_of_the_input(y: Any, m: Any) -> None:
    y[:, :, 0] = m.x[:, :, 5]


def _map(y: Any, m: Any) -> None:
    y[:, 1] = 0


def _box(y: Any, m: Any) -> None:
    y[:, :, 2:5, 1:3] = 0


def _every_other(y: Any, m: Any) -> None:
    y[:, :, 1::3, 2:] = m.x[:, :, 0:3, 1:7]


def _several(y: Any, m: Any) -> None:
    y[:, :, 0] = 0
    y[..., 3] = 1
    y[:, :, 2:4] = m.x[:, :, 5:7]
    y[:, 2, 3:] = y[:, 0, :6]


def _listed(y: Any, m: Any) -> None:
    y[:, [2, 0], :, 4] = m.x[:, [0, 1], :, 6]


def _through_a_view(y: Any, m: Any) -> None:
    part = y[:, :, 2:6]
    part[:, :, 1] = 0
    part[:, 0] += 1
    y[:, :, -3:].zero_()
    y[:, :, :, 1].add_(m.x[:, :, :, 7])


WRITES = (_row, _row_of_the_input, _map, _box, _every_other, _several, _listed, _through_a_view)


@pytest.mark.parametrize("write", WRITES, ids=lambda write: write.__name__)
@pytest.mark.parametrize("around", ["plain", "turned", "convolved"])
def test_what_a_module_writes_over_is_not_seen(write: Any, around: str) -> None:
    torch = pytest.importorskip("torch")

    class Writing(torch.nn.Module):  # type: ignore[misc, name-defined]
        def __init__(self) -> None:
            super().__init__()
            self.conv = torch.nn.Conv2d(3, 2, (3, 2), stride=(2, 1), padding=(1, 0))
            torch.nn.init.uniform_(self.conv.weight, 0.1, 1.0)

        def forward(self, x: Any) -> Any:
            self.x = x
            y = x.flip(2) if around == "turned" else x.clone()
            write(y, self)
            if around == "turned":
                return torch.roll(y, 2, 3)
            return self.conv(y) if around == "convolved" else y

    module = Writing().eval()
    net = convscope.open(module, torch.rand(1, 3, 9, 8))

    def run(image: Any) -> Any:
        with torch.no_grad():
            return module(torch.from_numpy(image)[None])[0].numpy()

    agrees(net, run)


@pytest.mark.parametrize("how", ["ScatterND", "ScatterElements", "Where", "Slice"])
def test_what_an_operator_writes_over_is_not_seen(how: str) -> None:
    node = helper.make_node
    rows = np.array([[[0, c, y]] for c in range(2) for y in (6, 1, 3)]).reshape(2, 3, 3)
    weights = {
        "nd": rows,
        "updates": np.full((2, 3, 7), 2.0, np.float32),
        "along": np.array([[[[5], [0]], [[2], [2]]]]).repeat(7, axis=3),
        "few": np.ones((1, 2, 2, 7), np.float32),
        "w": np.ones((3, 2, 3, 2), np.float32),
        "from": np.array([8, -1]), "to": np.array([0, -4]), "axes": np.array([2, 3]), "steps": np.array([-3, -1]),
    }  # fmt: skip
    written = {
        "ScatterND": [node("ScatterND", ["x", "nd", "updates"], ["a"], "write")],
        "ScatterElements": [node("ScatterElements", ["x", "along", "few"], ["a"], "write", axis=2)],
        "Where": [
            node("Relu", ["x"], ["r"]),
            node("ScatterND", ["r", "nd", "updates"], ["s"], "write"),
            node("ScatterElements", ["s", "along", "few"], ["a"], "again", axis=2),
        ],
        "Slice": [
            node("Slice", ["x", "from", "to", "axes", "steps"], ["c"], "back"),
            node("Concat", ["x", "c2"], ["a"], "both", axis=2),
        ],
    }[how]
    if how == "Slice":
        written.insert(1, node("Pad", ["c", "pads"], ["c2"], "pad"))
        weights["pads"] = np.array([0, 0, 0, 1, 0, 0, 0, 3])
    nodes = [*written, node("Conv", ["a", "w"], ["y"], "conv", strides=[1, 2])]
    made = onnx_models.model(nodes, {"x": [1, 2, 9, 7]}, ["y"], weights)
    net = convscope.open(made)
    agrees(net, lambda image: net.run(image).output)


def test_a_map_of_a_joined_tensor_sees_what_its_own_branch_does() -> None:
    image = Input((9, 7, 2))
    narrow = Conv2D(2, 1, use_bias=False)(image)
    wide = Conv2D(3, (5, 3), padding="same", use_bias=False)(image)
    model = Model(image, Concatenate()([narrow, wide]))
    net = convscope.open(model)
    agrees(net, lambda x: net.run(x).output, first=0)
    assert net.graph.patch("concatenate", (0, 6, 1)) == ((0, 0), (6, 6))
    assert net.graph.patch("concatenate", (0, 6, 2)) == ((-2, 2), (5, 7))


def test_a_map_made_of_rows_has_a_border_of_its_own() -> None:
    """What lies beyond it is beyond no border of the image: place −1 of a row is the end of the row before."""
    model = Sequential(
        [Reshape((72, 2)), Reshape((9, 8, 2)), Conv2D(3, 3, padding="same", use_bias=False)]
    )
    model.build((None, 9, 8, 2))
    agrees(model, lambda x: model.run(x).output, first=0)
    assert model.graph.patch("conv2d", (0, 4, 1)) == ((0, 1), (3, 5))
    assert model.graph.patch("conv2d", (4, 7, 0)) == ((3, 5), (6, 7))


# -- what it costs ----------------------------------------------------------------------------------


def test_a_number_is_taken_apart_without_looking_up_what_it_sees(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    image = Input((9, 7, 2))
    model = Model(image, Concatenate()([Conv2D(2, 1)(image), Conv2D(3, 3, padding="same")(image)]))
    run = model.run(np.ones((9, 7, 2), np.float32))
    asked: list[Any] = []
    own = Graph.patch

    def patch(*args: Any) -> Any:
        asked.append(args[1:])
        return own(*args)

    monkeypatch.setattr(Graph, "patch", patch)
    report = run.trace("concatenate", (4, 3, 2))
    assert report.facts.agrees and asked == []
    assert report.to_dict()["patch"] == [[3, 5], [2, 4]] and "rows 3 … 5" in str(report)
    assert asked == [("concatenate", (4, 3, 2))]


def test_a_layer_that_is_no_longer_there_is_not_asked() -> None:
    model = Sequential([Conv2D(2, 3, input_shape=(9, 8, 1)), Conv2D(3, 3, name="last")])
    facts = model.run(np.ones((9, 8, 1), np.float32)).trace("last", (1, 2, 1)).facts
    model.pop()
    model.add(Conv2D(3, 5, name="last"))
    assert facts.patch == () and facts.layer == "last"


def test_a_dense_network_of_40_blocks_is_looked_through_in_little_work() -> None:
    x = image = Input((33, 31, 3))
    for _ in range(40):
        x = Concatenate()([x, Conv2D(5, 3, padding="same")(ReLU()(x))])
    graph = convscope.open(Model(image, x)).graph
    graph.receptive_field(graph.outputs[0])
    seen._KNOWN.clear()
    assert calls(lambda: graph.patch(graph.outputs[0], (16, 15, 202))) < 12_000
    assert calls(lambda: graph.patch("conv2d_39", (16, 15, 2))) < 6_000


def test_what_would_take_too_long_to_look_up_is_not_known(monkeypatch: pytest.MonkeyPatch) -> None:
    image = Input((9, 7, 2))
    x = Concatenate(axis=1)([Conv2D(2, 3, padding="same")(image), image])
    graph = convscope.open(Model(image, x)).graph
    assert graph.patch("concatenate", (8, 1, 0)) == ((7, 9), (0, 2))
    seen._KNOWN.clear()
    monkeypatch.setattr(seen, "MOST_LOOKED_AT", 50)
    assert graph.patch("concatenate", (8, 1, 0)) == (None, None)


def test_shifted_windows_are_looked_through_in_little_work() -> None:
    """As in Swin: rolled, cut into windows in which all rows see each other, and put together again; four times."""
    torch = pytest.importorskip("torch")

    class Shifted(torch.nn.Module):  # type: ignore[misc, name-defined]
        def forward(self, x: Any) -> Any:
            for shift in (0, 3, 0, 3):
                y = torch.roll(x, (-shift, -shift), (2, 3)).view(1, 3, 8, 7, 8, 7)
                rows = y.permute(0, 2, 4, 3, 5, 1).reshape(64, 49, 3)
                rows = torch.softmax(rows @ rows.transpose(1, 2), -1) @ rows
                y = rows.view(1, 8, 8, 7, 7, 3).permute(0, 5, 1, 3, 2, 4).reshape(1, 3, 56, 56)
                x = x + torch.roll(y, (shift, shift), (2, 3))
            return x

    module, image = Shifted().eval(), torch.rand(1, 3, 56, 56)
    graph = convscope.open(module, image).graph
    last, at = graph.outputs[0], (0, 1, 23, 24)
    graph.receptive_field(last)
    seen._KNOWN.clear()
    assert calls(lambda: graph.patch(last, at)) < 80_000
    rows = []
    for row in range(56):
        spoilt = image.clone()
        spoilt[0, :, row] = np.nan
        if bool(module(spoilt)[at].isnan()):
            rows.append(row)
    assert graph.patch(last, at)[0] == (rows[0], rows[-1])
