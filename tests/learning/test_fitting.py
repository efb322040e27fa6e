"""Fitting by itself: what is told, drawn, stopped, written and refused."""

from __future__ import annotations

import csv
import io
from pathlib import Path
from typing import Any, cast

import numpy as np
import pytest

import convscope as cs
from convscope import (
    AlphaDropout,
    Conv2D,
    Dense,
    Dropout,
    Flatten,
    GaussianDropout,
    GaussianNoise,
    Input,
    Model,
    Sequential,
    SpatialDropout2D,
)
from convscope.engine.sessions import Session
from convscope.errors import (
    ConvscopeError,
    InputError,
    NotBuiltError,
    SettingError,
    UnsupportedError,
)
from convscope.learning.callbacks import ProgressBar

rng = np.random.default_rng(4)
X = rng.normal(size=(53, 7, 9, 2)).astype(np.float32)
Y = rng.integers(0, 4, 53)


def small(*middle: Any, **how: Any) -> Sequential:
    model = Sequential(
        [
            Conv2D(3, 3, activation="relu", input_shape=(7, 9, 2), **how),
            *middle,
            Flatten(),
            Dense(4, "softmax"),
        ],
        seed=8,
    )
    model.compile("adam", "sparse_categorical_crossentropy", metrics=["accuracy"])
    return model


def losses(model: Sequential, **how: Any) -> list[float]:
    history = model.fit(X, Y, batch_size=10, verbose=0, **{"epochs": 3, **how})
    return history.history["loss"]


@pytest.mark.parametrize(
    "noisy", [Dropout(0.4), SpatialDropout2D(0.4), GaussianDropout(0.3), GaussianNoise(0.5),
              Dropout(0.4, noise_shape=(None, 1, 7, 3))],
)  # fmt: skip
def test_the_same_seed_gives_the_same_weights(noisy: Any) -> None:
    runs = []
    for seed in (8, 8, 9):
        model = small(type(noisy)(**noisy.settings()))
        model.seed = seed
        curve = losses(model)
        runs.append((curve, model.get_weights()))
    (a, weights), (b, others), (c, _) = runs
    assert a == b != c
    for mine, other in zip(weights, others, strict=True):
        np.testing.assert_array_equal(mine, other)


def test_dropout_keeps_the_mean_and_lets_all_pass_once_it_is_over() -> None:
    model = Sequential([Dropout(0.25, input_shape=(40, 50)), Flatten(), Dense(1)])
    model.compile("sgd", "mse")
    trainer = model._compiled()
    step = trainer.step(3, True, keep=["dropout"])
    x = np.ones((3, 40, 50), np.float32)
    given = trainer.given({"input": x}, np.zeros((3, 1), np.float32), np.ones(3, np.float32))
    found = step.run(given | trainer.noise(step, 1))["dropout"]
    assert set(np.unique(found)) == {np.float32(0), np.float32(1 / 0.75)}
    assert abs((found == 0).mean() - 0.25) < 0.03
    again = step.run(given | trainer.noise(step, 2))["dropout"]
    assert 0.2 < (found != again).mean() < 0.5  # drawn anew for each step
    np.testing.assert_array_equal(trainer.step(3, False, keep=["dropout"]).run(given)["dropout"], x)


def test_networks_that_share_weights_do_not_see_each_other_learn() -> None:
    model = small()
    before = model.get_weights()
    other = model.edit("dense", units=5)
    losses(model)
    np.testing.assert_array_equal(other.get_weights()[0], before[0])
    assert not np.array_equal(model.get_weights()[0], before[0])
    with pytest.raises(NotBuiltError, match="not compiled"):
        other.fit(X, Y)


def test_a_step_is_made_ready_once_for_each_size(monkeypatch: pytest.MonkeyPatch) -> None:
    made: list[str] = []

    class Counted(Session):
        def __init__(self, *given: Any, **more: Any) -> None:
            made.append("")
            super().__init__(*given, **more)

    monkeypatch.setattr("convscope.engine.lowering.program.Session", Counted)
    losses(small(), epochs=4, validation_data=(X[:10], Y[:10]))
    assert len(made) == 2  # batches of 10, the last of 3 filled up, and one of 10 to be judged


def test_stopping_early_and_going_back() -> None:
    model = small()
    seen: list[int] = []
    stop = cs.callbacks.EarlyStopping(
        "accuracy", patience=2, mode="min", restore_best_weights=True, baseline=None
    )
    told = cs.callbacks.LambdaCallback(on_epoch_end=lambda epoch, logs: seen.append(epoch))
    kept: list[Any] = []
    keep = cs.callbacks.LambdaCallback(
        on_epoch_end=lambda epoch, logs: kept.append((logs["accuracy"], model.get_weights()))
    )
    history = model.fit(X, Y, epochs=30, batch_size=10, verbose=0, callbacks=[told, keep, stop])
    assert seen == history.epoch and len(seen) < 30
    assert stop.stopped_epoch == seen[-1]
    best = min(range(len(kept)), key=lambda n: kept[n][0])
    for mine, other in zip(model.get_weights(), kept[best][1], strict=True):
        np.testing.assert_array_equal(mine, other)


def test_a_plateau_lowers_the_learning_rate() -> None:
    model = small()
    lower = cs.callbacks.ReduceLROnPlateau("loss", factor=0.5, patience=1, min_delta=100)
    history = model.fit(X, Y, epochs=4, verbose=0, callbacks=[lower])
    assert history.history["learning_rate"] == [0.001, 0.001, 0.0005, 0.00025]
    assert model.optimizer.learning_rate == 0.000125


def test_files_that_are_written_meanwhile(tmp_path: Path) -> None:
    pytest.importorskip("h5py")  # which the core's tests do without
    model = small()
    log = cs.callbacks.CSVLogger(tmp_path / "log.csv")
    point = cs.callbacks.ModelCheckpoint(tmp_path / "at{epoch:02d}.keras", monitor="loss")
    history = model.fit(X, Y, epochs=2, verbose=0, callbacks=[log, point])
    with (tmp_path / "log.csv").open() as file:
        rows = list(csv.DictReader(file))
    assert [float(r["loss"]) for r in rows] == history.history["loss"]
    again = cs.open(tmp_path / "at02.keras")
    for mine, read in zip(model.get_weights(), again.get_weights(), strict=True):
        np.testing.assert_array_equal(mine, read)


def test_the_bar_is_kerass(capsys: pytest.CaptureFixture[str]) -> None:
    model = small()
    out = io.StringIO()
    trainer = model._compiled()
    trainer.fit(trainer.data(X, Y), 10, 2, verbose=1, file=out)
    lines = out.getvalue().splitlines()
    assert lines[0] == "Epoch 1/2" and lines[2] == "Epoch 2/2"
    assert (
        lines[1].startswith("6/6 ━━━━━━━━━━━━━━━━━━━━ 0s ") and "ms/step - accuracy: " in lines[1]
    )
    assert " - loss: " in lines[3]
    assert isinstance(ProgressBar(0), cs.callbacks.Callback)
    capsys.readouterr()
    loss, accuracy = model.evaluate(X, Y, 10)
    (line,) = capsys.readouterr().out.splitlines()
    assert line.startswith("6/6 ━") and line.endswith(
        f" - accuracy: {accuracy:.4f} - loss: {loss:.4f}"
    )
    model.evaluate(X, Y, verbose=0)
    assert capsys.readouterr().out == ""


@pytest.mark.parametrize(
    ("wrong", "kind", "said"),
    [
        (lambda: small().compile("nadam", "mse"), SettingError, "no optimizer 'nadam'.*adam"),
        (lambda: small().compile(cs.optimizers.SGD(clipnorm=1.0), "mse"), SettingError, "clipnorm=1.0"),
        (lambda: small().compile("sgd", "hinge"), SettingError, "no loss 'hinge'"),
        (lambda: small().compile("sgd"), SettingError, "loss=… is needed"),
        (lambda: small().compile("sgd", "mse", metrics=["auc"]), SettingError, "no metric 'auc'"),
        (lambda: small().compile("sgd", "mse", run_eagerly=True), UnsupportedError, "run_eagerly"),
        (lambda: small(AlphaDropout(0.1)), UnsupportedError, "alpha_dropout: AlphaDropout"),
        (lambda: small(kernel_regularizer="orthogonal"), SettingError, "conv2d: kernel_regularizer.*orthogonal"),
        (lambda: small(activity_regularizer="l2"), UnsupportedError, "conv2d .*activity_regularizer"),
        (lambda: small(kernel_constraint="max"), SettingError, "conv2d: kernel_constraint"),
        (lambda: small().fit(X, Y[:9]), InputError, "53 images, but 9 targets"),
        (lambda: small().fit(X, Y + 1), InputError, "run from 1 to 4"),
        (lambda: small().fit(X, Y * 0.5), InputError, "whole numbers 0 … 3"),
        (lambda: small().fit(X[:, 1:], Y), InputError, "7, 9, 2"),
        (lambda: small().fit(X, Y, callbacks=cast(Any, [print])), SettingError, "builtins.builtin_function"),
        (lambda: small().fit(X, Y, validation_split=1.5), SettingError, "validation_split"),
        (lambda: small().fit(X, Y, steps_per_epoch=3), UnsupportedError, "fit: steps_per_epoch=3"),
        (lambda: small().fit(X, Y, epoch=3), SettingError, "fit has no setting 'epoch'"),
        (lambda: small().fit(X, Y, batch_size=0), SettingError, "batch_size"),
        (lambda: Model(a := Input((3,)), [Dense(2)(a), Dense(3)(a)]).compile("sgd", "mse"),
         UnsupportedError, "2 outputs"),
    ],
)  # fmt: skip
def test_what_cannot_be_is_refused_by_name(
    wrong: Any, kind: type[ConvscopeError], said: str
) -> None:
    with pytest.raises(kind, match=said):
        wrong()


def test_a_last_batch_that_is_smaller_goes_through_the_same_step() -> None:
    """It is filled up with images that have no share: the weights are those of steps of their own sizes."""
    rng = np.random.default_rng(6)
    x = rng.normal(size=(10, 7, 6, 2)).astype(np.float32)
    y = rng.integers(0, 3, 10)

    def network(**kind: Any) -> Any:
        layers: list[Any] = [cs.Conv2D(4, 3, activation="relu", input_shape=(7, 6, 2))]
        layers += [cs.BatchNormalization()] if kind.get("norm") else []
        made = cs.Sequential([*layers, cs.Flatten(), cs.Dense(3)], seed=1)
        loss = cs.losses.SparseCategoricalCrossentropy(from_logits=True)
        made.compile(cs.optimizers.SGD(0.1, momentum=0.9), loss, metrics=["accuracy"])
        return made

    ours, theirs = network(), network()
    ours.fit(x, y, 4, 3, 0, shuffle=False)
    for _ in range(3):
        for start in (0, 4, 8):
            theirs.train_on_batch(x[start : start + 4], y[start : start + 4])
    for mine, his in zip(ours.get_weights(), theirs.get_weights(), strict=True):
        np.testing.assert_allclose(mine, his, rtol=1e-5, atol=1e-7)
    assert len(ours._compiled()._steps) == 1 and len(theirs._compiled()._steps) == 2
    np.testing.assert_allclose(ours.evaluate(x, y, 4), ours.evaluate(x, y, 10), rtol=1e-5)
    other = network(norm=True)  # statistics are of the images of a batch: they are not filled up
    other.fit(x, y, 4, 1, 0)
    assert len(other._compiled()._steps) == 2
