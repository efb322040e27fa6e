"""A step taken apart: every movement is what its products and the optimizer's lines come to; films of steps."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from click.testing import CliRunner

import convscope as cs
from convscope import BatchNormalization, Conv2D, Dense, Dropout, Flatten, Input, Model, Sequential
from convscope.cli.program import main
from convscope.errors import LayerLookupError, NotBuiltError, PositionError, SourceError
from convscope.explain.words import exact
from convscope.learning.film import Film, FilmMaker, chosen, compiled
from convscope.network.reports import StepTaken

rng = np.random.default_rng(6)
X = rng.normal(size=(40, 6, 8, 2)).astype(np.float32)
Y = rng.integers(0, 3, 40)
ROWS = 7


def small(**kernels: Any) -> Sequential:
    return Sequential(
        [
            Conv2D(4, 3, activation="relu", input_shape=(6, 8, 2), **kernels),
            Conv2D(5, 2, activation="relu"),
            Flatten(),
            Dense(3, "softmax"),
        ],
        seed=1,
    )


def stepped(optimizer: Any, model: Any = None) -> Any:
    """Return a network after four steps."""
    model = model or small()
    model.compile(optimizer, "sparse_categorical_crossentropy")
    for n in range(4):
        model.train_on_batch(X[n * ROWS : n * ROWS + ROWS], Y[n * ROWS : n * ROWS + ROWS])
    return model


def test_plain_descent_to_the_last_digit() -> None:
    model = stepped(cs.optimizers.SGD(0.125))  # a rate that float32 has
    step = model.last_step
    found = step.at("conv2d_1.kernel", (1, 0, 3, 2))
    assert (found.step, found.terms) == (4, ROWS * 3 * 5)
    products = [t.value for image in found.images for t in image.terms]
    assert all(
        t.value == np.prod([f.value for f in t.factors]) for i in found.images for t in i.terms
    )
    np.testing.assert_allclose(sum(products), found.gradient, rtol=1e-12)
    assert found.value == -0.125 * found.gradient
    assert found.agrees and found.engine_gradient != 0
    assert found.engine_gradient == step.gradient("conv2d_1.kernel")[1, 0, 3, 2]
    # the engine's own arithmetic, once more: one product and one difference in float32
    once = np.float32(found.before) - np.float32(0.125) * np.float32(found.engine_gradient)
    assert found.after == once
    assert found.after == model.get_layer("conv2d_1").get_weights()[0][1, 0, 3, 2]


@pytest.mark.parametrize(
    "optimizer",
    [
        cs.optimizers.SGD(0.1),
        cs.optimizers.SGD(0.1, momentum=0.9),
        cs.optimizers.SGD(0.1, momentum=0.9, nesterov=True),
        cs.optimizers.Adam(0.01),
        cs.optimizers.RMSprop(0.01),
        cs.optimizers.RMSprop(0.01, momentum=0.3, centered=True),
    ],
)
def test_every_optimizer_line_by_line(optimizer: Any) -> None:
    step = stepped(optimizer).last_step
    for what, position in (
        ("conv2d.kernel", (2, 1, 1, 3)),
        ("dense.bias", (2,)),
        ("dense.kernel", (3, 1)),
    ):
        found = step.at(what, position)
        assert found.agrees
        np.testing.assert_allclose(found.moved, found.value, rtol=2e-4, atol=1e-7)
        assert found.lines[-1].value == found.value and found.lines[-1].name == "moved"
        assert step.update(what)[position] == np.float32(found.after) - np.float32(found.before)


def test_a_penalty_a_shared_layer_statistics_and_dropout() -> None:
    x = Input((6, 8, 2))
    shared = Conv2D(2, 3, padding="same", kernel_regularizer=cs.regularizers.L2(0.5), name="twice",
                    kernel_constraint="unit_norm")  # fmt: skip
    y = Dropout(0.3)(BatchNormalization()(shared(shared(x))))
    step = stepped(cs.optimizers.SGD(0.125), Model(x, Dense(3, "softmax")(Flatten()(y)))).last_step
    found = step.at("twice.kernel", (-1, 0, 1, 0))
    assert found.position == (2, 0, 1, 0)
    assert [layer for layer, _ in found.equations] == ["twice", "twice_again"]
    np.testing.assert_allclose(found.penalty, 2 * 0.5 * found.before, rtol=1e-12)
    total = sum(i.partial_sum for i in found.images) + found.penalty
    np.testing.assert_allclose(total, found.gradient, rtol=1e-9)
    assert found.agrees and "UnitNorm" in (found.constraint or "")
    for what in ("batch_normalization.gamma", "batch_normalization.beta"):
        assert step.at(what, (1,)).agrees


def test_what_it_is_said_to_have_moved_by_is_what_it_moved_by() -> None:
    found = stepped(cs.optimizers.Adam(0.01)).last_step.at("conv2d.kernel", (2, 1, 1, 3))
    text = " ".join(str(found).replace("−", "-").split())
    said = re.search(r"It moved by (\S+), from (\S+) to (\S+): Adam", text)
    assert said is not None
    moved, before, after = map(float, said.groups())
    assert (
        moved == pytest.approx(after - before, abs=1.1e-9) and moved != 0
    )  # nine digits are shown
    assert f"it moved by {exact(found.moved)}" in " ".join(str(found).split())


def test_a_weight_that_meets_only_zeros_is_told_in_a_sentence() -> None:
    model = small()
    model.compile("sgd", "sparse_categorical_crossentropy")
    x = X[:ROWS].copy()
    x[..., 1] = 0
    model.train_on_batch(x, Y[:ROWS])
    found = model.last_step.at("conv2d.kernel", (2, 1, 1, 3))
    assert (
        found.silent == f"All {ROWS * 4 * 6} products are 0: every number that the weight met is 0."
    )
    assert f"{ROWS} images: {ROWS * 4 * 6} products" in str(found)
    kernel, bias = model.layers[1].get_weights()
    model.layers[1].set_weights([kernel, np.full_like(bias, -99)])
    model.train_on_batch(x, Y[:ROWS])
    found = model.last_step.at("conv2d_1.kernel", (0, 1, 1, 3))
    assert found.silent is not None and "had no part in the loss" in found.silent
    assert model.last_step.at("dense.bias", (1,)).silent is None


def test_what_cannot_be_taken_apart_is_said() -> None:
    model = small()
    model.compile("sgd", "sparse_categorical_crossentropy")
    with pytest.raises(NotBuiltError, match="made no step"):
        _ = model.last_step
    step = stepped("sgd", model).last_step
    with pytest.raises(LayerLookupError, match=r"no weight conv9\.kernel .*conv2d\.kernel"):
        step.at("conv9.kernel", (0,))
    with pytest.raises(PositionError, match=r"\(3, 3, 2, 4\)"):
        step.at("conv2d.kernel", (3, 0, 0, 0))


def test_the_columns_add_up_as_they_are_shown() -> None:
    text = str(stepped("adam").last_step.at("conv2d.kernel", (2, 1, 1, 3)))
    rows = [line.split() for line in text.splitlines() if line.startswith(("image ", "gradient  "))]
    numbers = [float(row[-1].replace("−", "-")) for row in rows]
    assert len(numbers) > ROWS
    assert abs(sum(numbers[:ROWS]) - numbers[ROWS]) < 1e-9


def film(tmp_path: Path) -> tuple[Sequential, Path]:
    model = small(kernel_regularizer="l2")
    model.compile("adam", "sparse_categorical_crossentropy", metrics=["accuracy"])
    path = tmp_path / "small.npz"
    maker = FilmMaker(path, chosen(12, 5), (X[:9], Y[:9]))
    model.fit(X, Y, batch_size=10, epochs=3, verbose=0, callbacks=[maker])
    return model, path


def test_a_film_holds_steps_and_any_can_be_taken_apart(tmp_path: Path) -> None:
    model, path = film(tmp_path)
    found = Film(path)
    assert found.steps == chosen(12, 5) and found.steps[-1] == 12
    assert set(found.frames[0]["judged"]) == {"loss", "accuracy"}
    last = {n: a + found.arrays(12, "update")[n] for n, a in found.arrays(12, "weight").items()}
    np.testing.assert_array_equal(last["conv2d.kernel"], model.layers[0].get_weights()[0])
    other = small(kernel_regularizer="l2")
    other.compile(**compiled(found))
    for step in found.steps:
        movement = StepTaken(found.taken(other._compiled(), step)).at("conv2d.kernel", (2, 1, 1, 3))
        assert movement.agrees and movement.step == step
        assert movement.engine_gradient == pytest.approx(
            found.arrays(step, "gradient")["conv2d.kernel"][2, 1, 1, 3], rel=1e-4
        )
        np.testing.assert_allclose(movement.moved, movement.value, rtol=1e-3, atol=1e-7)
    line = found.path_of("conv2d.kernel", (2, 1, 1, 3))
    assert line.steps == found.steps and len(line.values) == 5


def test_what_a_weighted_image_counts_in_a_step(tmp_path: Path) -> None:
    model = Sequential([Dense(3, activation="softmax", input_shape=(4,))], seed=2)
    model.compile("sgd", "sparse_categorical_crossentropy")
    path = tmp_path / "weighted.npz"
    x = np.random.default_rng(1).normal(size=(5, 4)).astype(np.float32)
    maker = FilmMaker(path, [1])
    model.fit(
        x, np.array([0, 1, 2, 1, 0]), 5, 1, verbose=0, callbacks=[maker],
        shuffle=False, sample_weight=np.array([2, 1, 1, 0.5, 1], np.float32),
    )  # fmt: skip
    net = tmp_path / "net.py"
    net.write_text(
        "from convscope import *\nnet = Sequential([Dense(3, activation='softmax', input_shape=(4,))])\n"
    )
    at = ["film", str(path), "--model", f"{net}:net", "--step", "1", "--slope", "dense:1"]
    for image, counts in (("0", "0.4"), ("3", "0.1")):
        said = CliRunner().invoke(main, [*at, "--image", image])
        assert said.exit_code == 0, said.output
        assert f"whose images are weighted, it counts {counts}" in " ".join(said.stdout.split())


def test_a_film_without_a_step_has_no_weights(tmp_path: Path) -> None:
    path = tmp_path / "empty.npz"
    model = small()
    model.compile("sgd", "sparse_categorical_crossentropy")
    model.fit(X[:9], Y[:9], epochs=1, verbose=0, callbacks=[FilmMaker(path, [77])])
    wrong = CliRunner().invoke(main, ["film", str(path), "--of", "conv2d.kernel:0,0,0,0"])
    assert wrong.exit_code == 2 and "has no weight conv2d.kernel; it has none" in wrong.output


def test_the_demo_learns_and_its_film_is_taken_apart(tmp_path: Path) -> None:
    run = CliRunner().invoke
    path = str(tmp_path / "film.npz")
    done = run(main, ["train", "demo", "--epochs", "1", "--film", path, "--frames", "4", "--json"])
    said = json.loads(done.stdout)
    assert done.exit_code == (0 if said["accuracy"] >= 0.95 else 1), done.stderr
    assert said["accuracy"] > 0.8 and (said["images"], said["held_out"]) == (1438, 359)
    assert "45/45" in done.stderr
    at = ["film", path, "--of", "conv2d_1.kernel:1,2,0,11"]  # of a map that is 0 everywhere
    one = json.loads(run(main, [*at, "--step", "1", "--json"]).stdout)
    assert one["terms"] == 18_432 and len(one["images"]) == 32
    assert abs(one["difference"]) <= one["rounding"]
    assert len(json.loads(run(main, [*at, "--json"]).stdout)["values"]) == 4
    film = run(main, ["film", path]).stdout
    assert "held-out accuracy" in film
    # a student's way: the weight that the film names, its share of an image, and the two numbers of a product
    named = film.split("--of ")[1].split()[0]
    assert named.startswith("conv2d_1.kernel:")
    at = ["film", path, "--of", named]
    assert "It began as" in run(main, at).stdout
    why = json.loads(run(main, [*at, "--step", "1", "--json"]).stdout)
    most = max(why["images"], key=lambda image: abs(image["partial_sum"]))
    then = ["--step", "1", "--image", str(most["image"])]
    told = run(main, [*at, *then]).stdout
    products = json.loads(run(main, [*at, *then, "--json"]).stdout)
    assert products["terms"] == most["terms"] and "together" in told
    met, does = products["terms"][0]["factors"]
    number, slope = (told.split(option)[1].split()[0] for option in ("--number ", "--slope "))
    value = json.loads(run(main, ["film", path, *then, "--number", number, "--json"]).stdout)
    assert value["value"] == pytest.approx(met["value"], rel=1e-5)
    led = json.loads(run(main, ["film", path, *then, "--slope", slope, "--json"]).stdout)
    assert led["value"] / 32 == pytest.approx(does["value"], rel=1e-5)
    assert led["rounding"] < 1e-5 * abs(
        led["value"]
    )  # of which number is the maximum there is no doubt
    said = run(main, ["film", path, *then, "--slope", slope]).stdout
    assert "--slope max_pooling2d:" in said and "In the step it counts 1/32" in said
    last = run(
        main, ["film", path, *then, "--slope", f"dense:{_other(path, most['image'])}"]
    ).stdout
    assert "No term leads there" in last and "It is 0" in last
    for option, why_not in (
        (["--slope", slope], "go with --step and --image"),
        (["--of", named, "--image", "3"], "--image goes with --step"),
        (["--step", "1"], "go with --of, --number or --slope"),
        (["--of", named, "--step", "1", "--image", "77"], "the batch has images 0 … 31"),
        (["--slope", slope, "--step", "1", "--image", "32"], "the batch has images 0 … 31"),
        (["--of", named, "--slope", slope], "one at a time"),
    ):
        wrong = run(main, ["film", path, *option])
        assert wrong.exit_code == 2 and why_not in wrong.output, option
    again = run(main, ["train", "demo", "--film", path])
    assert again.exit_code == 1 and "exists already" in again.output
    wrong = run(main, [*at, "--step", "2", "--json"])
    assert wrong.exit_code == 2 and "step 2 is not in" in wrong.output


def _other(path: str, image: int) -> int:
    """Return a digit that an image of the first step is not."""
    target = Film(path).arrays(1, "given")["dense/target"][image]
    return int(np.argmin(target))


def test_what_is_no_film_is_said(tmp_path: Path) -> None:
    (tmp_path / "a.npz").write_bytes(b"PK\x03\x04 and nothing more")
    np.savez(tmp_path / "b.npz", x=np.zeros(3))
    np.savez(
        tmp_path / "c.npz",
        film=np.frombuffer(b'{"frames": [{"step": "x"}], "format": 1}', np.uint8),
    )
    for name in ("a", "b", "c", "none"):
        with pytest.raises(SourceError, match=f"{name}.npz"):
            Film(tmp_path / f"{name}.npz")


def test_the_step_that_the_readme_shows_is_in_the_demos_film() -> None:
    from convscope.cli.commands import train
    from convscope.demo.training import split

    epochs = next(o.default for o in train.command.params if o.name == "epochs")
    assert isinstance(epochs, int)
    page = (Path(__file__).parents[2] / "README.md").read_text(encoding="utf-8")
    named = [int(part.split()[0]) for part in page.split("--step ")[1:] if part[0].isdigit()]
    steps = chosen(epochs * -(-len(split()[0]) // 32))
    assert named and set(named) <= set(steps)
