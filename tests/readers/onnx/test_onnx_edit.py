"""ONNX models with settings of their nodes changed: what onnx infers, what ONNX Runtime runs, what is kept."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import onnx
import onnx_models
import onnxruntime as ort
import pytest
from onnx import helper, numpy_helper, shape_inference

import convscope
from convscope.errors import ConvscopeError, SettingError, ShapeError, UnsupportedError
from convscope.readers.onnx.opened import OnnxModel
from convscope.readers.onnx.refitting import passed_through

node = helper.make_node


def drawn(*shape: int) -> np.ndarray[Any, Any]:
    return np.random.default_rng(sum(shape)).normal(size=shape).astype(np.float32)


def several() -> onnx.ModelProto:
    """Return a model with one bias for two convolutions, a slope, a product and a transposed convolution."""
    weights = {
        "w": drawn(6, 3, 3, 2),
        "v": drawn(6, 6, 1, 1),
        "bias": drawn(6),
        "slope": drawn(6, 1, 1),
        "up": drawn(6, 4, 2, 3),
        "gain": drawn(1, 4, 1, 1),
        "m": drawn(4, 5),
    }
    nodes = [
        node("Conv", ["image", "w", "bias"], ["a"], "first", strides=[2, 1]),
        node("PRelu", ["a", "slope"], ["b"], "slope"),
        node("Conv", ["b", "v", "bias"], ["c"], "second"),
        node("ConvTranspose", ["c", "up"], ["d"], "larger", strides=[2, 2]),
        node("Mul", ["d", "gain"], ["e"], "gain"),
        node("GlobalMaxPool", ["e"], ["f"], "most"),
        node("Flatten", ["f"], ["g"], "flat"),
        node("MatMul", ["g", "m"], ["h"], "product"),
    ]
    return onnx_models.model(nodes, {"image": ["n", 3, 13, 11]}, ["h"], weights)


MODELS = {"small": onnx_models.small, "several": several}

EDITS: list[tuple[str, list[tuple[str, str, Any]], dict[str, dict[str, tuple[int, ...]]]]] = [
    ("small", [("/stem/Conv", "kernel_shape", (5, 3))], {"/stem/Conv": {"kernel": (6, 3, 5, 3)}}),
    ("small", [("/stem/Conv", "strides", 1)], {}),
    ("small", [("/deep/Conv", "dilations", 2), ("/deep/Conv", "pads", 2)], {}),
    ("small", [("/deep/Conv", "group", 3)], {"/deep/Conv": {"kernel": (6, 2, 3, 3)}}),
    ("small", [("max_pool", "kernel_shape", 3), ("max_pool", "ceil_mode", 0)], {}),
    ("small", [("/fc/Gemm", "units", 7)], {"/fc/Gemm": {"kernel": (7, 6), "bias": (7,)}}),
    (
        "small",
        [("/stem/Conv", "filters", 8), ("/deep/Conv", "group", 8), ("/deep/Conv", "filters", 8)],
        {
            "/stem/Conv": {"kernel": (8, 3, 3, 5), "bias": (8,)},
            "batch_normalization": {n: (8,) for n in ("scale", "bias", "mean", "variance")},
            "/deep/Conv": {"kernel": (8, 1, 3, 3)},
            "/fc/Gemm": {"kernel": (10, 8)},
        },
    ),
    (
        "several",
        [("first", "filters", 9)],
        {
            "first": {"kernel": (9, 3, 3, 2), "bias": (9,)},
            "slope": {"slope": (9, 1, 1)},
            "second": {"kernel": (6, 9, 1, 1)},  # its bias is the one that first had too
        },
    ),
    (
        "several",
        [("larger", "filters", 7), ("larger", "strides", (3, 1))],
        {
            "larger": {"kernel": (6, 7, 2, 3)},
            "gain": {"constant": (1, 7, 1, 1)},
            "product": {"kernel": (7, 5)},
        },
    ),
    ("several", [("product", "units", 3)], {"product": {"kernel": (4, 3)}}),
    ("several", [("first", "auto_pad", "SAME_UPPER")], {}),
]  # fmt: skip


def made(net: Any, edits: list[tuple[str, str, Any]]) -> Any:
    return net.edit({n: {s: v for m, s, v in edits if m == n} for n, _, _ in edits})


@pytest.mark.parametrize(("name", "edits", "redrawn"), EDITS)
def test_an_edited_model_is_valid_runs_and_is_explained(
    tmp_path: Path, name: str, edits: Any, redrawn: Any
) -> None:
    net = convscope.open(MODELS[name]())
    before, bytes_before = net.facts().to_dict(), MODELS[name]().SerializeToString()
    new = made(net, edits)
    report = new.changes().to_dict()
    assert report == net.whatif(edits).to_dict()
    rows = {row["name"]: row for row in report["layers"]}
    assert {n: r["weights_redrawn"] for n, r in rows.items() if r["weights_redrawn"]} == {
        n: list(shapes) for n, shapes in redrawn.items()
    }
    for layer, shapes in redrawn.items():
        for weight, shape in shapes.items():
            assert rows[layer]["new"]["weights"][weight] == list(shape)
            assert new.get_layer(layer).weights[weight].shape == shape
    for layer in new.graph.nodes:  # everything else is the same array
        for weight, array in new.get_layer(layer).weights.items():
            if weight not in redrawn.get(layer, {}):
                assert array is net.get_layer(layer).weights[weight]

    # the file is sound, onnx infers the same shapes, and holds no weight that nobody reads
    new.export(tmp_path / "edited.onnx")
    model = onnx.load(tmp_path / "edited.onnx")
    onnx.checker.check_model(model, full_check=True)
    inferred = shape_inference.infer_shapes(model, strict_mode=True, data_prop=True).graph
    shapes = {
        v.name: [
            d.dim_value if d.HasField("dim_value") else None for d in v.type.tensor_type.shape.dim
        ]
        for v in (*inferred.value_info, *inferred.output)
    }
    for layer, row in rows.items():
        found = shapes[new.graph.fetched[layer].tensor]
        assert found[1:] == row["new"]["output_shape"][1:] or None in found[1:], layer
    read = {name for n in model.graph.node for name in n.input}
    assert {t.name for t in model.graph.initializer} <= read
    counted = sum(
        numpy_helper.to_array(t).size for t in model.graph.initializer if t.data_type == 1
    )
    assert counted == new.count_params()

    # ONNX Runtime runs the file as we run it, and every number can be taken apart
    image = np.random.default_rng(2).normal(size=(3, 13, 11)).astype(np.float32)
    session = ort.InferenceSession((tmp_path / "edited.onnx").read_bytes())
    run = new.run(image)
    expected = session.run(None, {"image": image[None]})[0][0]
    np.testing.assert_allclose(run.output, expected, rtol=1e-5, atol=1e-6)
    for layer in rows:
        where = tuple(s // 2 for s in new.graph.shape(layer))
        assert run.trace(layer, where).facts.agrees, layer
    assert net.facts().to_dict() == before
    assert net.backing.source.data == bytes_before  # type: ignore[attr-defined]
    assert (
        convscope.open(tmp_path / "edited.onnx").facts().to_dict()["totals"]
        == report["totals"]["new"]
    )


def test_edits_in_a_row_are_one_change_from_the_first() -> None:
    net = convscope.open(several())
    both = [("first", "filters", 9), ("product", "units", 3)]
    new = net.edit("first", filters=9).edit("product", units=3)
    assert new.changes().to_dict() == net.whatif(both).to_dict()
    back = net.edit("first", filters=9).edit("first", filters=6)
    row = next(r for r in back.changes().to_dict()["layers"] if r["name"] == "first")
    assert row["old"] == row["new"] and row["weights_redrawn"] == ["kernel", "bias"]
    image = np.zeros((3, 13, 11), np.float32)
    assert back.run(image).trace("product", (2,)).facts.agrees


def test_what_a_stride_leaves_out_is_seen_in_onnx_too() -> None:
    row = convscope.open(several()).whatif([("first", "strides", (2, 3))]).to_dict()["layers"][0]
    rows, columns = row["dropped"]
    # 13 rows: windows of 3 at 0, 2 … 10; 11 columns: windows of 2 at 0, 3, 6, 9
    assert (rows["kept"], rows["positions"], rows["unread"]) == (6, 11, 0)
    assert (columns["kept"], columns["positions"], columns["unread"]) == (4, 10, 3)
    assert columns["unread_end"] == 0


def test_external_data_is_kept_where_it_lies(tmp_path: Path) -> None:
    onnx.save_model(
        several(),
        tmp_path / "m.onnx",
        save_as_external_data=True,
        size_threshold=0,
        location="m.bin",
    )
    net = convscope.open(tmp_path / "m.onnx")
    new = net.edit("first", filters=9)
    image = np.random.default_rng(2).normal(size=(3, 13, 11)).astype(np.float32)
    run = new.run(image)
    inside = convscope.open(several()).edit("first", filters=9)
    np.testing.assert_array_equal(run.output, inside.run(image).output)
    new.export(tmp_path / "whole.onnx")
    again = convscope.open(tmp_path / "whole.onnx").run(image)
    np.testing.assert_array_equal(run.output, again.output)


@pytest.mark.parametrize(
    ("name", "edits", "error", "words"),
    [
        ("small", [("/stem/Conv", "kernel_shape", 40)], ShapeError,
         ["cannot be", "13 + 1 ≥ 40 fails", "kernel_shape 1 … 12 would do"]),
        ("small", [("/stem/Conv", "kernel_size", 3)], SettingError,
         ["did you mean 'kernel_shape'?", "it takes"]),
        ("small", [("/deep/Conv", "group", 4)], ShapeError,
         ["6 filters cannot be divided into 4 groups", "group 1 … 3 or 6 would do"]),
        ("small", [("/deep/Conv", "pads", 0)], ShapeError,
         ["a later layer breaks: add (Add)", "(1, 6, 4, 7) and (1, 6, 6, 9)", "pads 1 would do"]),
        ("small", [("/stem/Conv", "filters", 8)], ShapeError,
         ["/stem/Conv gives (8, 6, 9)", "/deep/Conv", "reads 1 in each of 6 groups", "filters 6 would do"]),
        ("small", [("/stem/Conv", "strides", 0)], SettingError, ["strides", "would do"]),
        ("small", [("/stem/Conv", "strides", "big")], SettingError, ["one number or 2 of them"]),
        ("small", [("/stem/Conv", "auto_pad", "SAME")], ConvscopeError, ["auto_pad must be a word"]),
        ("small", [("/stem/Conv", "filters", 2.5)], SettingError, ["filters must be a whole number"]),
        ("small", [("/stem/Conv", "strides", 1 << 40)], SettingError, ["is too large"]),
        ("small", [("/act/Relu", "slope", 1)], SettingError, ["it takes none"]),
        ("small", [("/stem/Conv", "strides", 1), ("/stem/Conv", "strides", 2)], SettingError,
         ["is given twice"]),
    ],
)  # fmt: skip
def test_an_impossible_edit_says_what_fails(
    name: str, edits: Any, error: type[Exception], words: list[str]
) -> None:
    net = convscope.open(MODELS[name]())
    with pytest.raises(error) as caught:
        net.whatif(edits)
    for word in words:
        assert word in str(caught.value)


def test_a_node_without_an_equation_is_not_edited() -> None:
    nodes = [node("Det", ["x"], ["d"], "det"), node("Relu", ["d"], ["y"], "relu")]
    net = convscope.open(onnx_models.model(nodes, {"x": ["n", 4, 4]}, ["y"]))
    with pytest.raises(UnsupportedError, match=r"det \(Det\) has no equation here"):
        net.edit("det", axis=1)
    assert net.editable("det") == {}


def test_a_form_can_be_given_back() -> None:
    for make in MODELS.values():
        net = convscope.open(make())
        for layer in net.graph.nodes:
            form = net.editable(layer)
            given = {n: f["value"] for n, f in form.items() if f["value"] is not None}
            if given:
                report = net.edit(layer, **given).changes().to_dict()
                assert not any(row["changed"] for row in report["layers"]), layer
                assert "Nothing changed" in report["notes"][0]


def test_settings_of_all_layers_take_one_way_through_the_model(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """A page asks for those of every layer: of 1,500 layers that took ten minutes."""
    ways = []

    def passed(source: Any) -> Any:
        ways.append(source)
        return passed_through(source)

    monkeypatch.setattr("convscope.readers.onnx.editing.passed_through", passed)
    net = convscope.open(several())
    assert sum(bool(net.editable(name)) for name in net.graph.nodes) > 2
    assert len(ways) == 1


def test_in_a_model_that_is_not_edited_every_weight_fits() -> None:
    for make in MODELS.values():
        net = convscope.open(make())
        assert isinstance(net.backing, OnnxModel)
        passed = passed_through(net.backing.source, {})
        assert passed.drawn == {} and set(passed.at) == set(net.graph.nodes)


def test_a_model_whose_large_weights_stay_in_its_file_is_edited(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("convscope.readers.onnx.cutting.LARGE_FILE", 1 << 10)
    monkeypatch.setattr("convscope.readers.onnx.cutting.WORTH_CUTTING", 1 << 9)
    net = convscope.Sequential(
        [
            convscope.Conv2D(5, 3, input_shape=(12, 14, 4), activation="relu"),
            convscope.Conv2D(7, (3, 2), activation="relu"),
            convscope.Conv2D(6, 2),
        ]
    )
    net.export(tmp_path / "net.onnx")
    opened = convscope.open(tmp_path / "net.onnx")
    convolutions = [n for n, node in opened.graph.nodes.items() if node.layer.kind == "Conv"]
    image = np.random.default_rng(3).normal(size=(12, 14, 4)).astype(np.float32)
    before = opened.run(image).output
    edited = opened.edit(convolutions[1], filters=9)
    run = edited.run(image)
    assert run.trace(convolutions[2], (1,) * 3).facts.agrees
    edited.export(tmp_path / "edited.onnx")
    again = convscope.open(tmp_path / "edited.onnx").run(image)
    np.testing.assert_array_equal(again.output, run.output)
    np.testing.assert_array_equal(opened.run(image).output, before)


def test_a_layer_that_is_called_after_its_weight_keeps_its_name() -> None:
    """PyTorch's exporter numbers its nodes; a normalisation's convolution stands in that one's module."""
    scopes = "['', 'stem', 'stem.0.norm', 'batch_norm']"
    model = onnx_models.model(
        [
            helper.make_node("Conv", ["x", "stem.0.conv.weight"], ["c"], "node_conv_7"),
            helper.make_node("GlobalAveragePool", ["c"], ["y"], "pool"),
        ],
        {"x": [1, 3, 9, 8]},
        ["y"],
        {"stem.0.conv.weight": drawn(4, 3, 3, 2)},
    )
    model.graph.node[0].metadata_props.add(key="pkg.torch.onnx.name_scopes", value=scopes)
    net = convscope.open(model)
    assert list(net.graph.nodes) == ["stem/conv/Conv", "pool"]
    edited = net.edit("stem/conv/Conv", kernel_shape=(5, 4), filters=7)
    assert list(edited.graph.nodes) == ["stem/conv/Conv", "pool"]
    assert edited.graph.shape("stem/conv/Conv") == (7, 5, 5)
    again = edited.edit("stem/conv/Conv", filters=5)
    assert again.run(drawn(3, 9, 8)).output.shape == (5, 1, 1)
