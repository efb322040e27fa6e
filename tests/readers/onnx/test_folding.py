"""What exporters write of shapes and masks is known when a file is opened, whatever its size, and is no layer."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import onnx_models
import torch_networks
from onnx import TensorProto, helper

import convscope
from convscope.operators.layer import Operator

node = helper.make_node


def test_a_mask_of_windows_is_one_constant() -> None:
    nodes = [
        node("Constant", [], ["zero"], value_int=0),
        node("Constant", [], ["end"], value_int=36),
        node("Constant", [], ["one"], value_int=1),
        node("Constant", [], ["half"], value_int=18),
        node("Range", ["zero", "end", "one"], ["places"]),
        node("GreaterOrEqual", ["places", "half"], ["behind"]),
        node("CastLike", ["behind", "places"], ["side"]),
        node("Unsqueeze", ["side", "zeros"], ["row"]),
        node("Unsqueeze", ["side", "ones"], ["column"]),
        node("Sub", ["row", "column"], ["apart"]),
        node("Equal", ["apart", "zero"], ["same"]),
        node("Where", ["same", "nothing", "far"], ["mask"]),
        node("Add", ["x", "mask"], ["y"], "masked"),
    ]
    weights = {
        "zeros": np.array([0]), "ones": np.array([1]), "nothing": np.array(0, np.float32),
        "far": np.array(-100, np.float32),
    }  # fmt: skip
    net = convscope.open(onnx_models.model(nodes, {"x": [1, 36, 36]}, ["y"], weights, opset=18))
    assert list(net.graph.nodes) == ["masked"]
    image = np.random.default_rng(1).normal(size=(36, 36)).astype(np.float32)
    run = net.run(image)
    far = np.arange(36) >= 18
    expected = np.where(far[:, None] == far, 0, -100)
    assert np.allclose(run.output, image + expected, atol=1e-5)
    assert run.trace("masked", (3, 30)).facts.agrees


def test_shifted_windows_leave_no_shape_arithmetic(tmp_path: Path) -> None:
    module = torch_networks.made(
        "Swinv2", image_size=64, patch_size=4, embed_dim=12, depths=[1, 2], num_heads=[2, 3], window_size=4,
        num_labels=5,
    )  # fmt: skip
    image = np.random.default_rng(0).normal(size=(3, 64, 64)).astype(np.float32)
    how = torch_networks.EXPORTERS["TorchScript, nothing folded"]
    path = torch_networks.exported(module, image, tmp_path / "swin.onnx", **how)
    graph = convscope.open(path).graph
    learned: set[str] = set()
    for name, one in graph.nodes.items():
        layer = one.layer
        assert isinstance(layer, Operator)
        assert not layer.opaque, layer.reason
        elements = {e for e in layer.use.elements if e is not None}
        assert elements <= {TensorProto.FLOAT}, name
        holds = bool(graph.facts[name].weights)
        if all(feed in learned for feed in one.inputs) and (holds or one.inputs):
            learned.add(
                name
            )  # the bias of positions, which a small network computes of weights alone
        assert one.inputs or holds, name
