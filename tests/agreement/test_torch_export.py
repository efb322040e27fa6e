"""A ResNet-50 that nobody here wrote, through PyTorch's own exporters: opened, explained, compared.

Expected shapes, parameters and numbers are those of the torch module itself.
"""

from __future__ import annotations

import io
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest
import torch
import torch_networks
from campaigns import often
from torch_networks import Array

import convscope
from convscope.network import Network
from convscope.notation.sizes import UNKNOWN

SIZE = (3, 96, 128)
ROUNDING = 2e-5
"""How far two engines may differ, of a layer's largest number: some fifty layers of float32."""


@dataclass
class Exported:
    """A torch network, what it computes for an image, and what we make of its file."""

    model: torch.nn.Module
    image: Array
    theirs: dict[str, Array]
    ours: Network
    folded: bool


@pytest.fixture(scope="module")
def resnet() -> torch.nn.Module:
    # He et al. 2016: the first convolution of a block takes its stride
    return torch_networks.made("ResNet", downsample_in_bottleneck=True, num_labels=1000)


@pytest.fixture(scope="module", params=often(torch_networks.EXPORTERS, "TorchScript", "dynamo"))
def exported(
    request: pytest.FixtureRequest,
    resnet: torch.nn.Module,
    tmp_path_factory: pytest.TempPathFactory,
) -> Exported:
    image = np.random.default_rng(5).normal(size=SIZE).astype(np.float32)
    how = torch_networks.EXPORTERS[request.param]
    path = tmp_path_factory.mktemp("exported") / "resnet.onnx"
    torch_networks.exported(resnet, image, path, **how)
    theirs = torch_networks.activations(resnet, image)
    ours = convscope.open(path)
    return Exported(resnet, image, theirs, ours, "folded" not in request.param)


def test_every_layer_has_its_equation_and_says_where_it_stands(exported: Exported) -> None:
    net = exported.ours
    assert net.warnings == []
    rows = net.facts().rows
    assert [r.name for r in rows if r.opaque] == []
    # 1 + 3·(3 + 4 + 6 + 3) + 4 convolutions, each normalised; 49 activations, 16 additions, two
    # poolings, a flattening and a product
    assert len(rows) == 53 + (0 if exported.folded else 53) + 49 + 16 + 4
    modules = dict(exported.model.named_modules())
    for row in rows:
        module = torch_networks.module_of(row.name)
        assert module in modules, row.name
        if row.kind in ("Conv", "BatchNormalization", "Gemm", "Relu", "MaxPool"):
            kinds = {
                "Conv": "Conv2d",
                "BatchNormalization": "BatchNorm2d",
                "Gemm": "Linear",
                "Relu": "ReLU",
                "MaxPool": "MaxPool2d",
            }
            assert type(modules[module]).__name__ == kinds[row.kind], row.name
    out = io.StringIO()
    net.summary(file=out)
    assert "stages.3" in out.getvalue()
    stem = next(r.name for r in rows if r.kind == "Conv")
    assert "One filter is 3×7×7" in str(net.explain(stem))


def test_parameters_are_torchs(exported: Exported) -> None:
    totals = exported.ours.graph.totals
    learned = sum(p.numel() for p in exported.model.parameters())
    channels = sum(
        m.num_features for m in exported.model.modules() if isinstance(m, torch.nn.BatchNorm2d)
    )
    if exported.folded:
        # scale, offset, mean and variance of every map became one bias
        assert totals.params == learned - 2 * channels + channels
    else:
        assert totals.params == learned + 2 * channels
    assert totals.trainable is UNKNOWN  # an ONNX file does not say what was trained


def test_numbers_are_torchs_and_those_of_the_equations(exported: Exported) -> None:
    net, theirs = exported.ours, exported.theirs
    run = net.run(exported.image)
    compared = 0
    expected: dict[str, Array] = {}
    for name, facts in run.graph.facts.items():
        layer = run.graph.nodes[name].layer
        module = torch_networks.module_of(name)
        if exported.folded and layer.kind == "Conv":  # it gives what its normalisation gave
            module = module.removesuffix("convolution") + "normalization"
        if module in theirs and module:
            expected[name] = theirs[module]
            assert run[name].shape == theirs[module].shape == tuple(facts.output_shape), name
            room = ROUNDING * float(np.abs(theirs[module]).max())
            assert np.abs(run[name] - theirs[module]).max() <= room, name
            compared += 1
    assert compared == len(run.graph.nodes) - 16  # the additions are no modules
    room = ROUNDING * float(np.abs(theirs[""]).max())
    assert np.abs(run.output - theirs[""]).max() <= room

    rng = np.random.default_rng(11)
    names = list(run.graph.nodes)
    for _ in range(100):
        name = names[rng.integers(len(names))]
        position = tuple(int(rng.integers(size)) for size in run.graph.shape(name))
        found = run.trace(name, position).facts
        assert found.agrees, (name, position, found.value, found.engine_value)
        if name in expected:
            room = ROUNDING * float(np.abs(expected[name]).max())
            assert abs(found.value - expected[name][position]) <= room, (name, position)


def last_field(net: Network) -> object:
    field = [r.receptive_field for r in net.facts().rows if r.kind == "Conv"][-1]
    assert field is not None
    return field.size, field.stride


def test_the_last_convolution_sees_what_is_published(exported: Exported) -> None:
    # Araujo, Norris and Sim, Distill 2019: ResNet-50 483, in steps of 32
    assert last_field(exported.ours) == ((483, 483), (32, 32))


def test_the_newer_resnet_sees_less(tmp_path: Path) -> None:
    # its 3×3 convolutions take the strides (torchvision's "v1.5"): see tests/model/test_receptive_published.py
    small = torch_networks.made("ResNet", embedding_size=8, hidden_sizes=[16, 24, 32, 40])
    image = np.zeros((3, 64, 96), np.float32)
    path = torch_networks.exported(small, image, tmp_path / "small.onnx", dynamo=False)
    assert last_field(convscope.open(path)) == ((427, 427), (32, 32))


@pytest.mark.full
@pytest.mark.parametrize("dynamo", [False, True])
def test_a_file_with_an_open_batch_takes_many_images(dynamo: bool, tmp_path: Path) -> None:
    small = torch_networks.made("ResNet", embedding_size=8, hidden_sizes=[16, 24, 32, 40])
    images = np.random.default_rng(2).normal(size=(5, 3, 64, 96)).astype(np.float32)
    # an example of two: the exporter takes an axis of one to be one for ever
    how = (
        {"dynamic_shapes": {"image": {0: "batch"}}}
        if dynamo
        else {"dynamic_axes": {"image": {0: "batch"}}}
    )
    path = tmp_path / "small.onnx"
    torch_networks.exported(small, images[:2], path, dynamo=dynamo, **how)
    net = convscope.open(path)
    assert [r.name for r in net.facts().rows if r.opaque] == []
    with torch.no_grad():
        expected = small(torch.from_numpy(images)).numpy()
    room = ROUNDING * float(np.abs(expected).max())
    assert np.abs(net.predict(images) - expected).max() <= room
