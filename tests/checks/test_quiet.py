"""What rules say is held against what does not share their code, and networks without faults stay quiet."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from convscope import (
    BatchNormalization,
    Conv2D,
    Conv2DTranspose,
    Dense,
    Flatten,
    MaxPooling2D,
    ReLU,
    Sequential,
)
from convscope.checks.checking import all_rules
from convscope.errors import SettingError


def test_a_network_without_faults_is_quiet() -> None:
    model = Sequential(
        [
            Conv2D(8, 3, activation="relu", input_shape=(29, 31, 2)),
            Conv2D(9, 3, use_bias=False),
            BatchNormalization(),
            ReLU(),
            Flatten(),
            Dense(5, activation="softmax"),
        ]
    )
    report = model.check(
        np.random.default_rng(1).random((29, 31, 2), dtype=np.float32), advice=False
    )
    assert [(rule.name, found.layer) for rule, found in report.findings] == []
    assert "Nothing was found." in str(report)


def test_rules_that_need_numbers_are_not_asked_about_symbols() -> None:
    model = Sequential(
        [Conv2D("f", 3, input_shape=(12, 13, 2)), Conv2D(4, "k", strides="s"), Flatten(), Dense(3)]
    )
    report = model.check()
    said = report.to_dict()
    assert "not-finite" in said["not_run"] and "linear-after-linear" not in said["not_run"]
    assert "sizes here are symbols" in str(report)
    assert said["symbolic"] == ["conv2d", "conv2d_1", "flatten", "dense"]
    whole = Sequential([Conv2D(5, 3, strides="s", input_shape=(12, 13, 2)), Flatten(), Dense("n")])
    assert "not-finite" in whole.check(advice=True).to_dict()["not_run"]


def test_a_bottleneck_is_called_a_factorisation() -> None:
    model = Sequential([Conv2D(3, 1, input_shape=(9, 11, 8)), Conv2D(12, 3, activation="relu")])
    (_, found), *_ = model.check().findings
    assert "3 maps, from 8 to 12: a factorisation" in found.words


def test_unread_positions_are_those_without_a_gradient_in_pytorch() -> None:
    torch = pytest.importorskip("torch")
    from convscope import open

    module = torch.nn.Conv2d(2, 3, (3, 2), stride=(4, 3), dilation=(2, 1))
    image = torch.rand(1, 2, 17, 13, requires_grad=True)
    module(image).sum().backward()
    read = image.grad[0, 0] != 0
    report = open(module, torch.rand(1, 2, 17, 13)).check()
    (found,) = [one for rule, one in report.findings if rule.name == "unread-positions"]
    rows, columns = found.numbers["axes"]
    assert rows["first_unread"] == [n for n in range(17) if not read.any(1)[n]]
    assert columns["first_unread"] == [n for n in range(13) if not read.any(0)[n]]


def test_dead_filters_never_fire_in_the_engine_and_others_do() -> None:
    rng = np.random.default_rng(5)
    model = Sequential(
        [
            Conv2D(6, 3, activation="relu", input_shape=(8, 9, 2)),
            Conv2D(40, 3, padding="same"),
            ReLU(),
        ]
    )
    layer = model.get_layer("conv2d_1")
    kernel, bias = layer.get_weights()
    bias[:] = np.linspace(-9, 3, 40)
    layer.set_weights([kernel, bias])
    (found,) = [one for rule, one in model.check().findings if rule.name == "dead-filters"]
    dead = set(found.numbers["filters"])
    assert 0 < len(dead) < 40
    images = rng.random((64, 8, 9, 2), dtype=np.float32)
    images[:16] = images[:16] > 0.5
    fired = model.predict(images, verbose=0).any(axis=(0, 1, 2))
    assert not any(fired[n] for n in dead)
    # the bound is no looser than it must be: the first layer alone reaches it with the right image
    first = Sequential([Conv2D(5, 3, input_shape=(3, 3, 2))])
    from convscope.checks.bounds import all_bounds
    from convscope.checks.subject import Subject

    bounds, _ = all_bounds(Subject(first.graph, first.backing))["conv2d"]
    own = first.get_layer("conv2d").get_weights()[0]
    for n in range(5):
        best = first.predict((own[..., n] > 0)[None].astype(np.float32), verbose=0)[0, 0, 0, n]
        assert best == pytest.approx(bounds.high[n], abs=1e-5)


@pytest.mark.parametrize(
    ("kernel", "stride", "padding"), [(3, 2, "valid"), (5, 3, "same"), (4, 2, "same")]
)
def test_counted_products_are_those_of_a_convolution_of_ones(
    kernel: int, stride: int, padding: str
) -> None:
    model = Sequential([Conv2DTranspose(1, kernel, strides=stride, padding=padding, kernel_initializer="ones",
                                        input_shape=(9, 10, 1))])  # fmt: skip
    counts = model.predict(np.ones((1, 9, 10, 1), np.float32), verbose=0)[0, :, :, 0]
    found = [one for rule, one in model.check().findings if rule.name == "checkerboard"]
    middle = counts[counts.shape[0] // 2 - stride :][: 2 * stride, counts.shape[1] // 2]
    if kernel % stride == 0:
        assert not found and len(set(middle)) == 1
    else:
        said = found[0].numbers["terms"]["y"]
        assert sorted(set(middle / middle.max())) == sorted({n / max(said) for n in said})


def test_findings_are_left_out_where_asked() -> None:
    model = Sequential([MaxPooling2D(2, input_shape=(9, 7, 2)), MaxPooling2D(3)])
    both = model.check()
    names = [(rule.name, found.layer) for rule, found in both.findings]
    assert ("unread-positions", "max_pooling2d") in names
    less = model.check(ignore=["aliasing", "unread-positions:max_pooling2d"])
    assert [(rule.name, found.layer) for rule, found in less.findings] == [
        ("unread-positions", "max_pooling2d_1")
    ]
    assert less.facts.ignored == {"unread-positions": 1}
    with pytest.raises(SettingError, match="did you mean 'aliasing'"):
        model.check(ignore=["alaising"])


def test_the_same_findings_for_the_network_and_its_export(tmp_path: Path) -> None:
    from convscope import open

    model = Sequential(
        [
            Conv2D(4, 3, strides=2, input_shape=(28, 31, 2)),
            ReLU(),
            MaxPooling2D(2),
            Conv2D(5, 4, padding="same"),
        ]
    )
    model.export(tmp_path / "net.onnx")
    again = open(str(tmp_path / "net.onnx")).check()
    assert sorted((rule.name, found.words) for rule, found in model.check().findings) == sorted(
        (rule.name, found.words) for rule, found in again.findings
    )


def test_plain_data_and_forms() -> None:
    report = Sequential([MaxPooling2D(2, input_shape=(9, 7, 2))]).check()
    said = json.loads(report.json())
    assert said["findings"][0].keys() == {
        "rule", "title", "class", "layer", "words", "numbers", "proof", "repair", "source",
    }  # fmt: skip
    assert "max\\_pooling2d" in report.latex() and "<li>" in report._repr_html_()
    assert {rule.name for rule in all_rules()} >= {*said["quiet"], *said["not_run"]}


def test_weights_that_are_nan_end_in_findings_and_no_traceback() -> None:
    model = Sequential(
        [
            Conv2D(3, 3, strides=2, activation="relu", input_shape=(28, 27, 2)),
            Conv2D(4, 27, padding="same"),
            BatchNormalization(),
            Flatten(),
            Dense(1, activation="softmax"),
        ]
    )
    for layer in model.layers:
        layer.set_weights([w * np.float32(np.nan) for w in layer.get_weights()])
    names = {rule.name for rule, _ in model.check().findings}
    assert {"not-finite", "unread-positions", "unread-weights"} <= names
    assert not names & {"softmax-axis", "dead-filters"}


def test_bounds_hold_where_maps_lie_last_in_a_channels_first_network() -> None:
    """As in ConvNeXt: rows and columns are no channels there, and every filter has a bound of its own."""
    torch = pytest.importorskip("torch")
    from convscope import open

    class Turned(torch.nn.Module):  # type: ignore[name-defined, misc]
        def __init__(self) -> None:
            super().__init__()
            self.inner = torch.nn.Linear(5, 4)

        def forward(self, x: Any) -> Any:
            return torch.relu(self.inner(x.permute(0, 2, 3, 1))).permute(0, 3, 1, 2)

    module = Turned()
    with torch.no_grad():
        module.inner.bias.copy_(torch.tensor([9.0, 9.0, -90.0, 9.0]))
    report = open(module, torch.rand(1, 5, 20, 30)).check()
    found = [one for rule, one in report.findings if rule.name == "dead-filters"]
    fires = module(torch.rand(64, 5, 20, 30)).amax(dim=(0, 2, 3)) > 0
    assert fires.tolist() == [True, True, False, True]
    assert [one.numbers["filters"] for one in found] in ([], [[2]])


def test_no_bounds_are_kept_of_more_channels_than_memory_is_for(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """An input of 2³¹ channels, which a file of 136 bytes states, took 32 GiB."""
    from convscope import Conv2D, Sequential
    from convscope.checks import bounds
    from convscope.checks.subject import Subject

    monkeypatch.setattr(bounds, "MOST_CHANNELS", 4)
    net = Sequential([Conv2D(6, 2, input_shape=(5, 4, 3)), Conv2D(2, 2)])
    found = bounds.all_bounds(Subject(net.graph, net.backing))
    assert [len(found[name][0].low) for name in net.graph.nodes] == [1, 2]
    assert all(np.isinf(one.low).all() for pair in found.values() for one in pair)
