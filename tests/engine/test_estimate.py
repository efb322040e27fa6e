"""What a run would take is estimated before it starts, and refused when the machine does not have it."""

from __future__ import annotations

from pathlib import Path

import keras
import numpy as np
import pytest
from click.testing import CliRunner
from work import peak

import convscope
from convscope import Conv2D, Dense, Flatten, Sequential
from convscope.cli import main
from convscope.engine import estimate
from convscope.engine.estimate import bytes_of_run
from convscope.errors import EngineError, UnsupportedError

pytestmark = pytest.mark.filterwarnings("default")  # Keras's own conversions warn with numpy 2

HUGE = np.broadcast_to(np.float32(0.5), (100_000, 100_000, 1))
"""40 GB as the engine would hold it; here it is one number."""


def fully_convolutional() -> Sequential:
    return Sequential(
        [Conv2D(2, 3, input_shape=(None, None, 1), name="a"), Conv2D(3, 5, name="b")], name="net"
    )


@pytest.mark.parametrize("dtype", ["float32", "float64", "uint8"])
def test_an_absurd_input_is_refused_at_once(dtype: str) -> None:
    """Also when it would have to be converted first: nothing of its size is ever made."""
    refused(dtype)  # imports take memory too
    assert peak(lambda: refused(dtype)) < 1 << 20  # of 37 GiB


def refused(dtype: str) -> None:
    model = fully_convolutional()
    image = np.broadcast_to(np.ones((), dtype), HUGE.shape)
    said = (
        r"running net on input \(100000, 100000, 1\) would take [\d,.]+ GiB, and this machine has"
    )
    with pytest.raises(EngineError, match=said):
        model.run(image)
    with pytest.raises(EngineError, match="would take"):
        model.predict(image[np.newaxis])
    with pytest.raises(EngineError, match=r"\[…\] for fewer"):
        model.run(image, keep=["b"])


def test_one_number_of_it_can_still_be_had() -> None:
    model = fully_convolutional()
    kernel, bias = model.get_layer("a").get_weights()
    found = model.trace(HUGE, "a", (99_997, 5, 1)).facts.value
    assert np.isclose(found, 0.5 * kernel[..., 1].sum() + bias[1], rtol=1e-5)


@pytest.mark.parametrize("units", [1 << 20, 1 << 31])
def test_weights_that_no_memory_holds_are_refused(units: int) -> None:
    model = Sequential([Dense(units, input_shape=(1 << 31,))])
    assert model.graph.totals.params == units * ((1 << 31) + 1)
    assert f"(2147483648,) from input  →  ({units},)" in str(model.explain("dense"))
    image = np.broadcast_to(np.float32(1), (1 << 31,))
    said = rf"the kernel of dense, \(2147483648, {units}\), takes [\d,]+\.0 GiB, and there is no memory"
    for asked in (model.get_weights, lambda: model.trace(image, "dense", (3,))):
        with pytest.raises(UnsupportedError, match=said):
            asked()


def test_a_keras_file_and_an_onnx_file(tmp_path: Path) -> None:
    x = keras.Input((None, None, 1))
    model = keras.Model(x, keras.layers.Conv2D(2, 3, name="a")(x))
    model.save(tmp_path / "m.keras")
    convscope.open(tmp_path / "m.keras").export(tmp_path / "m.onnx")
    for file in ("m.keras", "m.onnx"):
        with pytest.raises(EngineError, match=r"\(100000, 100000, 1\) would take"):
            convscope.open(tmp_path / file).run(HUGE)


def test_a_batch_that_is_too_large_and_one_that_is_not(monkeypatch: pytest.MonkeyPatch) -> None:
    model = Sequential([Flatten(input_shape=(40, 50, 3)), Dense(7)], name="rows")
    # 6,000 · 7 + 7 weights; 6,000 numbers in, 6,000 at the most at work (counted twice), 7 out
    numbers = 6_000 * 7 + 7 + 100 * (6_000 + 2 * 6_000) + 1_000 * 7
    assert bytes_of_run(model.graph, model.graph.outputs, 100, 1_000) == 4 * numbers
    monkeypatch.setattr(estimate, "_whole_memory", lambda: int(4 * numbers / estimate.SHARE) + 4)
    batch = np.broadcast_to(np.float32(1), (1_000, 40, 50, 3))
    assert model.predict(batch, batch_size=100).shape == (1_000, 7)
    with pytest.raises(
        EngineError, match=r"1,000 of them, 101 at once would take .* Fewer at once"
    ):
        model.predict(batch, batch_size=101)


def test_results_that_would_not_fit() -> None:
    model = Sequential([Conv2D(9, 3, input_shape=(30, 31, 1))])
    batch = np.broadcast_to(np.float32(1), (10_000_000, 30, 31, 1))
    with pytest.raises(EngineError, match=r"10,000,000 of them, 32 at once would take"):
        model.predict(batch)


def test_a_large_network_is_not_refused() -> None:
    """VGG-16: 138,357,544 parameters (its paper's 138 M), 553 MB; twice that is more than it takes."""
    x = keras.Input((224, 224, 3))
    vgg = keras.applications.VGG16(weights=None, input_tensor=x)
    network = convscope.open(vgg)
    wanted = bytes_of_run(network.graph, tuple(network.graph.nodes))
    assert 4 * 138_357_544 < wanted < 1.3 * 4 * 138_357_544
    assert wanted < estimate.SHARE * (2 << 30)  # a machine of 2 GiB runs it


def test_the_command_line_says_it_in_one_line(tmp_path: Path) -> None:
    (tmp_path / "net.py").write_text(
        "from convscope import Conv2D, Sequential\n"
        "net = Sequential([Conv2D(200_000, 1, input_shape=(300, 301, 1))])\n"
    )
    np.save(tmp_path / "x.npy", np.zeros((300, 301, 1), np.float32))
    words = ["run", f"{tmp_path / 'net.py'}:net", "--image", str(tmp_path / "x.npy")]
    done = CliRunner().invoke(main, words)
    assert done.exit_code == 1
    assert done.stderr.startswith("Error: running sequential on input (300, 301, 1) would take")
    assert done.stderr.count("\n") == 1
