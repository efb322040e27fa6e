"""Running Keras models with a layer that has no equation: what can be computed, and by whom."""

from __future__ import annotations

import json
import warnings
from pathlib import Path
from typing import Any

import keras
import numpy as np
import pytest
from click.testing import CliRunner

import convscope
from convscope.cli import main
from convscope.errors import EngineError, NotComputedError, SourceError, UnsupportedError
from convscope.explorer.host import Host

L = keras.layers
pytestmark = [
    pytest.mark.filterwarnings("ignore::DeprecationWarning"),  # Keras with numpy 2
    pytest.mark.filterwarnings("ignore::convscope.errors.SourceWarning"),
]
Array = np.ndarray[Any, Any]


def recurrent() -> Any:
    """A convolution, an LSTM, and what comes after it."""
    x = keras.Input((7, 6), name="steps")
    y = L.Conv1D(5, 3, activation="relu", name="conv")(x)
    y = L.LSTM(4, return_sequences=True, name="lstm")(y)
    y = L.Dense(3, name="dense")(y)
    return keras.Model(x, L.Flatten(name="flat")(y), name="net")


def with_many() -> Any:
    """Several outputs, a layer used twice, nested networks, an operation and a layer called by keywords."""
    x = keras.Input((5, 6), name="a")
    z = keras.Input((3, 6), name="b")
    lstm = L.LSTM(6, return_sequences=True, return_state=True, name="lstm")
    y, state, _ = lstm(L.Dense(6, name="first")(x))
    w, _, _ = lstm(z, initial_state=[state, state * 0.5])
    inner = keras.Sequential([keras.Input((6,)), L.Dense(4), L.Lambda(lambda v: v * v, name="odd")])
    s = keras.ops.cumsum(y, axis=1)
    out = L.Concatenate(name="all")([L.Flatten()(s), L.Flatten()(w), inner(state)])
    return keras.Model([x, z], L.Dense(2, name="last")(out), name="many")


def expected(model: Any, arrays: list[Array]) -> Any:
    given = [keras.ops.convert_to_tensor(a[np.newaxis]) for a in arrays]
    return keras.ops.convert_to_numpy(model(given if len(given) > 1 else given[0]))[0]


def drawn(*shapes: tuple[int, ...]) -> list[Array]:
    rng = np.random.default_rng(5)
    return [rng.normal(size=s).astype(np.float32) for s in shapes]


def saved(model: Any, path: Path) -> Path:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        model.save(path)
    return path


@pytest.mark.parametrize("suffix", ["keras", "h5"])
def test_what_comes_before_is_computed_and_the_rest_says_why(suffix: str, tmp_path: Path) -> None:
    model = recurrent()
    net = convscope.open(saved(model, tmp_path / f"net.{suffix}"))
    (x,) = drawn((7, 6))
    run = net.run(x)
    assert set(run.activations) == {"steps", "conv"}
    assert run.missing == {"lstm": "lstm", "dense": "lstm", "flat": "lstm"} and run.taken == {}
    assert run.trace("conv", (2, 3)).facts.agrees
    before = keras.Model(model.input, model.get_layer("conv").output)
    np.testing.assert_allclose(run["conv"], expected(before, [x]), atol=1e-6)
    why = r"it depends on lstm \(LSTM\), which has no equation here.*convscope.open\(model\)"
    for asked in (
        lambda: run["dense"],
        lambda: run.output,
        lambda: run.trace("dense", (0, 0)),
        lambda: run.gradient(("flat", (2,)), "conv"),
        lambda: net.predict(x[np.newaxis]),
    ):
        with pytest.raises(NotComputedError, match=why) as caught:
            asked()
        assert caught.value.opaque == "lstm"
    with pytest.raises(NotComputedError, match="lstm was not computed: it is a LSTM, which has no"):
        run["lstm"]
    with pytest.raises(UnsupportedError, match="lstm"):
        net.trace(x, "flat", (0,))
    assert net.run(x, keep=["conv"]).missing["flat"] == "lstm"
    # what is said of shapes does not change
    assert [r.output_shape for r in net.facts().rows][-1] == (None, 15)


def test_the_command_line_and_the_explorer_say_what_is_missing(tmp_path: Path) -> None:
    saved(recurrent(), tmp_path / "net.keras")
    (x,) = drawn((7, 6))
    np.save(tmp_path / "x.npy", x)
    asked = [str(tmp_path / "net.keras"), "--image", str(tmp_path / "x.npy")]
    done = CliRunner().invoke(main, ["run", *asked])
    assert done.exit_code == 0
    words = " ".join(done.stdout.split())
    assert (
        "Not computed: lstm, which has no equation here, and what depends on it: dense, flat."
        in words
    )
    told = json.loads(CliRunner().invoke(main, ["run", *asked, "--json"]).stdout)
    assert [layer["name"] for layer in told["layers"]] == ["conv"]
    assert told["not_computed"] == {"lstm": "lstm", "dense": "lstm", "flat": "lstm"}
    assert told["largest"] == []
    done = CliRunner().invoke(main, ["trace", asked[0], "dense", "0,0", *asked[1:]])
    assert done.exit_code == 2 and "depends on lstm (LSTM)" in done.stderr
    done = CliRunner().invoke(main, ["explain", asked[0], "lstm"])
    assert done.exit_code == 0 and "no equation here" in done.stdout

    net = convscope.open(asked[0])
    host = Host(net, x)
    facts = host.answer({"ask": "network"}).facts["run"]
    assert set(facts["shapes"]) == {"steps", "conv"} and facts["missing"]["flat"] == "lstm"
    with pytest.raises(NotComputedError, match="depends on lstm"):
        host.answer({"ask": "values", "run": 1, "layer": "flat"})
    net.export(tmp_path / "page.html", x)
    assert (tmp_path / "page.html").stat().st_size > 10_000


@pytest.mark.parametrize(("make", "shapes"), [(recurrent, [(7, 6)]), (with_many, [(5, 6), (3, 6)])])
def test_a_live_model_computes_what_has_no_equation(make: Any, shapes: Any) -> None:
    model = make()
    net = convscope.open(model)
    given = drawn(*shapes)
    run = net.run(given if len(given) > 1 else given[0])
    assert run.missing == {} and set(run.activations) == {*net.graph.inputs, *net.graph.nodes}
    opaque = [r.name for r in net.facts().rows if r.opaque]
    assert run.taken == dict.fromkeys(opaque, "Keras") and "lstm" in opaque
    np.testing.assert_allclose(run.output, expected(model, given), atol=1e-5)
    for name, facts in net.graph.facts.items():
        assert run[name].shape == facts.output_shape, name
        if facts.equation is not None:
            assert run.trace(name, run.liveliest(name)).facts.agrees, name
    batch = [np.stack([a, -a]) for a in given]
    found = net.predict(batch if len(batch) > 1 else batch[0])
    np.testing.assert_allclose(found[0], run.output, atol=1e-6)
    np.testing.assert_allclose(found[1], expected(model, [-a for a in given]), atol=1e-5)


def test_a_trace_says_whose_numbers_it_starts_from() -> None:
    net = convscope.open(recurrent())
    run = net.run(drawn((7, 6))[0])
    told = run.trace("flat", (4,))
    assert (
        "lstm before it has no equation here: its numbers are those that Keras computed"
        in " ".join(str(told).split())
    )
    assert told.to_dict()["taken"] == {"lstm": "Keras"}
    assert "taken" not in run.trace("conv", (0, 0)).to_dict()


def test_an_edited_network_is_no_longer_the_live_one() -> None:
    net = convscope.open(recurrent()).edit("conv", filters=5, use_bias=False)
    run = net.run(drawn((7, 6))[0])
    assert run.missing["flat"] == "lstm"


def test_a_layer_that_fails_in_keras_is_an_error_with_its_name() -> None:
    x, broken = keras.Input((4, 3)), False

    class Broken(keras.layers.Layer):  # type: ignore[misc]
        def call(self, x: Any) -> Any:
            if broken:
                raise ValueError("no numbers today")
            return x

    model = keras.Model(x, L.Dense(2)(Broken(name="odd")(x)))
    net, broken = convscope.open(model), True
    with pytest.raises(EngineError, match="odd: Keras failed to compute it: ValueError"):
        net.run(drawn((4, 3))[0])


def test_a_model_without_an_input_shape_is_told_to_be_opened_again() -> None:
    with pytest.raises(SourceError, match=r"has no input shape yet; .* and open it again"):
        convscope.open(keras.Sequential([L.Dense(3)]))
