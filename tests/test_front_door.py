"""The package as a type checker sees it: `mypy tests` holds the types, pytest what happens.

A line that a type checker must refuse says so: were it accepted, mypy would call the remark unused.
"""

from __future__ import annotations

import importlib.util
from pathlib import Path
from typing import Any, assert_type

import numpy as np
import pytest

import convscope
from convscope import (
    Conv1D,
    Conv2D,
    Convolution2D,
    Dense,
    DepthwiseConv2D,
    Flatten,
    MaxPooling2D,
    Network,
    Run,
    Sequential,
    UpSampling2D,
    ZeroPadding2D,
)
from convscope.errors import SettingError
from convscope.explain.trace import Trace
from convscope.layers.base import Layer
from convscope.parts import Summary

ROOT = Path(__file__).parents[1]


def test_the_stub_is_as_the_script_writes_it() -> None:
    spec = importlib.util.spec_from_file_location("stubs", ROOT / "scripts" / "stubs.py")
    assert spec is not None and spec.loader is not None
    stubs = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(stubs)
    said = (ROOT / "src" / "convscope" / "__init__.pyi").read_text(encoding="utf-8")
    assert said == stubs.stub(), "run scripts/stubs.py"


def test_layers_have_their_arguments() -> None:
    layer = Conv2D(32, kernel_size=(3, 4), padding="same", input_shape=(28, 27, 1), name="first")
    assert_type(layer, Conv2D)
    assert_type(Convolution2D("k1", 3), Conv2D)
    assert_type(layer.get_weights(), list[np.ndarray[Any, Any]])
    base: Layer = layer
    assert base.name == "first"


def test_sizes_in_every_dress_are_taken() -> None:
    rows, each = [2, 3], (4, 5)
    for one in (Conv2D(np.int64(7), rows), Conv2D(7, each, strides=[1, 2]), Conv2D(7, ("k", 3))):
        assert one.rank == 2
    assert MaxPooling2D((2, 3), None).rank == Conv1D(7, (3,)).rank + 1
    for padding in (ZeroPadding2D(1), ZeroPadding2D((1, 2)), ZeroPadding2D([[1, 2], [3, 4]])):
        assert padding.rank == 2
    assert ZeroPadding2D(((1, 2), 3)).settings()["padding"] == ((1, 2), (3, 3))


def test_what_they_do_not_take_is_refused() -> None:
    with pytest.raises(SettingError, match="no setting 'kernel'"):
        Conv2D(3, 5, kernel=3)  # type: ignore[call-arg]
    with pytest.raises(SettingError):
        Conv2D(3, kernel_size=2.5)  # type: ignore[arg-type]
    with pytest.raises(TypeError, match="filters"):
        Conv2D(kernel_size=3)  # type: ignore[call-arg]
    with pytest.raises(SettingError):
        Dense(7, name=3)  # type: ignore[arg-type]
    with pytest.raises(SettingError):
        Conv2D(3, (4, 5, 6))  # type: ignore[arg-type]
    with pytest.raises(SettingError):
        Conv2D(3, 5, strides=None)  # type: ignore[arg-type]
    with pytest.raises(SettingError):
        DepthwiseConv2D(3, dilation_rate="d")  # type: ignore[arg-type]
    with pytest.raises(SettingError):
        UpSampling2D((2, "n"))  # type: ignore[arg-type]
    with pytest.raises(SettingError):
        ZeroPadding2D((1, 2, 3))  # type: ignore[arg-type]
    with pytest.raises(SettingError, match="'3'"):
        Conv2D("3", 5)  # a symbol's name is text too: no type tells them apart
    with pytest.raises(AttributeError):
        _ = convscope.Conv9D  # type: ignore[attr-defined]


def test_networks_and_reports_are_typed() -> None:
    model = Sequential([Conv2D(3, (2, 4), input_shape=(7, 8, 2), name="conv"), Flatten(), Dense(5)])
    image = np.ones((7, 8, 2), np.float32)
    run = model.run(image)
    assert_type(run, Run)
    traced = run.trace("conv", (1, 2, 0))
    assert_type(traced.facts, Trace)
    assert_type(traced.value, float)
    assert_type(traced.engine_value, float | None)
    assert traced.value == pytest.approx(float(traced.engine_value or np.nan), rel=1e-5)
    assert_type(str(model.explain("conv")), str)
    assert_type(model.explain().to_dict(), dict[str, Any])
    assert_type(model.facts(), Summary)
    assert_type(convscope.open("demo"), Network)
    assert_type(convscope.__version__, str)
    changed = model.edit("conv", kernel_size=3)
    assert_type(changed, Sequential)
    assert [layer.name for layer in changed.changes().layers] == ["conv", "flatten", "dense"]


def test_star_gives_the_layers_and_leaves_open_alone() -> None:
    names: dict[str, Any] = {}
    exec("from convscope import *", names)  # noqa: S102
    assert names["Conv2D"] is Conv2D and names["Convolution2D"] is Conv2D
    assert names.keys() - {"__builtins__"} == set(convscope.__all__)
    assert "open" not in names
