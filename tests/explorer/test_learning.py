"""The screen Learning: a training watched from the page, its steps taken apart, a film in a file."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from screens import OUT_OF_REACH, OpenPage, violations

import convscope as cs
from convscope.errors import InputError, SettingError, UnsupportedError
from convscope.explorer.host import Host
from convscope.explorer.single_file import single_file
from convscope.learning.film import Film, FilmMaker
from convscope.learning.session import (
    Examples,
    Settings,
    TrainingSession,
    optimizers,
    shares_of_images,
)

if TYPE_CHECKING:
    from playwright.sync_api import Page

KERNEL = "conv2d.kernel"


def small(norm: bool = False) -> Any:
    """Return a network whose sizes all differ, its weights drawn, its kernel with a penalty."""
    layers: list[Any] = [
        cs.Conv2D(4, (3, 2), activation="relu", input_shape=(9, 7, 1), kernel_regularizer="l2")
    ]
    if norm:
        layers.append(cs.BatchNormalization())
    return cs.Sequential([*layers, cs.Flatten(), cs.Dense(3, activation="softmax")], seed=5)


def examples() -> Examples:
    rng = np.random.default_rng(8)
    y = np.arange(21) % 3
    x = rng.normal(size=(21, 9, 7, 1)).astype(np.float32)
    for row, digit in zip(x, y, strict=True):
        row[3 * digit : 3 * digit + 3] += 1
    return Examples(x[:16], y[:16], x[16:], y[16:], "21 images", ["low", "mid", "high"])


def untrained() -> tuple[Any, Examples]:
    network = small()
    network.compile("adam", "sparse_categorical_crossentropy", metrics=["accuracy"])
    return network, examples()


def watched() -> tuple[Any, ...]:
    network = small()
    network.untrained = untrained
    return network, examples().x[0]


@pytest.fixture
def host() -> Host:
    return Host(*watched())


@pytest.fixture(scope="module")
def film(tmp_path_factory: pytest.TempPathFactory) -> Film:
    path = tmp_path_factory.mktemp("film") / "small.npz"
    network, given = untrained()
    maker = FilmMaker(path, [1, 2, 5], (given.held_x, given.held_y))
    network.fit(given.x, given.y, 6, 2, 0, [maker])
    return Film(path)


def ask(host: Host, what: str, **question: Any) -> Any:
    return host.answer({"ask": "learning", "what": what, **question}).facts


# -- the host ------------------------------------------------------------------------------------------


def test_a_network_that_cannot_learn_here_has_no_such_screen() -> None:
    host = Host(small(), examples().x[0])
    assert host.answer({"ask": "network"}).facts["screens"] == {"check": "Check"}


def test_it_makes_single_steps_goes_on_and_begins_anew(host: Host) -> None:
    assert ask(host, "state")["state"] == "ready"
    one = ask(host, "do", do="step")
    assert (one["state"], one["step"], [f["step"] for f in one["frames"]]) == ("paused", 1, [1])
    ask(host, "do", do="step")
    host.screens["learning"].session.start()  # type: ignore[attr-defined]
    session = host.screens["learning"].session  # type: ignore[attr-defined]
    session._wait(lambda: False)
    done = ask(host, "state", since=1)
    assert (done["state"], done["step"], len(done["losses"])) == ("done", 5, 4)
    with pytest.raises(InputError, match="the training is done"):
        ask(host, "do", do="step")
    again = ask(host, "do", do="anew")
    assert (again["state"], again["step"], again["begun"]) == ("ready", 0, done["begun"] + 1)
    assert ask(host, "do", do="step")["losses"] == one["losses"]  # the same seed: the same step


def test_a_training_that_ends_while_it_is_looked_at_is_told_whole_or_goes_on(
    host: Host, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Who is told that it is done looks no more: the last step must be among those that can be seen."""
    ask(host, "do", do="step")
    session = host.screens["learning"].session  # type: ignore[attr-defined]
    of = Film.of

    def ends(*given: Any) -> Film:
        """Return the steps so far; by then the training has come to its end."""
        found = of(*given)
        if session.state == "paused":
            session.start()
            session._wait(lambda: False)
        return found

    monkeypatch.setattr(Film, "of", ends)
    told = ask(host, "state")
    assert session.state == "done"
    assert told["state"] == "paused" and told["step"] == len(told["losses"]) == 1
    told = ask(host, "state")
    assert told["state"] == "done" and told["frames"][-1]["step"] == told["step"] == 5


@pytest.mark.parametrize(
    ("optimizer", "own"),
    [
        ("sgd", cs.optimizers.SGD(0.25)),
        ("momentum", cs.optimizers.SGD(0.25, momentum=0.9)),
        ("adam", cs.optimizers.Adam(0.25)),
        ("rmsprop", cs.optimizers.RMSprop(0.25)),
    ],
)
def test_settings_are_chosen_and_hold_from_the_next_beginning_on(
    host: Host, optimizer: str, own: Any
) -> None:
    before = ask(host, "do", do="step")
    assert before["settings"] == before["usual"] == {
        "optimizer": "adam", "learning_rate": 0.001, "batch_size": 16, "epochs": 5
    }  # fmt: skip
    wanted = {"optimizer": optimizer, "learning_rate": 0.25, "batch_size": 7, "epochs": 2}
    told = ask(host, "do", do="anew", settings=wanted)
    assert (told["settings"], told["steps"], told["state"]) == (wanted, 6, "ready")
    session = host.screens["learning"].session  # type: ignore[attr-defined]
    session.start()
    session._wait(lambda: False)
    network, given = untrained()
    network.compile(own, "sparse_categorical_crossentropy", metrics=["accuracy"])
    losses: list[float] = []
    note = cs.callbacks.LambdaCallback(
        on_train_batch_end=lambda batch, logs: losses.append(network._compiled().loss_of_step)
    )
    network.fit(given.x, given.y, 7, 2, 0, [note])
    assert ask(host, "state")["losses"] == losses


def test_an_optimizer_of_ones_own_stays_to_be_chosen() -> None:
    network, _ = untrained()
    network.compile(cs.optimizers.SGD(0.5, momentum=0.7), "sparse_categorical_crossentropy")
    own = Settings.of(network)
    assert own == ("compiled", 0.5, 32, 5)
    assert optimizers(network)["compiled"]["title"] == repr(network.optimizer)
    Settings.chosen({"learning_rate": 0.125}, own, 32).put(network)
    assert network.optimizer.config() == {
        "learning_rate": 0.125,
        "momentum": 0.7,
        "nesterov": False,
    }


def test_losses_are_those_of_fit(host: Host) -> None:
    network, given = untrained()
    losses: list[float] = []
    note = cs.callbacks.LambdaCallback(
        on_train_batch_end=lambda batch, logs: losses.append(network._compiled().loss_of_step)
    )
    network.fit(given.x, given.y, 32, 5, 0, [note])
    host.screens["learning"].session.start()  # type: ignore[attr-defined]
    host.screens["learning"].session._wait(lambda: False)  # type: ignore[attr-defined]
    assert ask(host, "state")["losses"] == losses


def test_a_step_is_taken_apart_down_to_numbers_of_that_step(host: Host) -> None:
    ask(host, "do", do="step")
    ask(host, "do", do="step")
    where = {"step": 2, "of": KERNEL, "at": [1, 0, 0, 2]}
    told = ask(host, "taken", **where)
    shares = sum(image["partial_sum"] for image in told["images"]) + told["penalty"]
    assert told["penalty"] and shares == pytest.approx(told["gradient"], abs=1e-15)
    assert abs(told["engine_gradient"] - told["gradient"]) <= told["rounding"]
    image = max(told["images"], key=lambda one: abs(one["partial_sum"]))
    found = ask(host, "products", **where, image=image["image"])
    total = sum(term["value"] for term in found["terms"]) + found["rest"]
    assert total == pytest.approx(image["partial_sum"], abs=1e-15)
    met, does = found["terms"][0]["factors"]
    assert met["layer"] == "input" and does["layer"] == "conv2d"
    # forward: the run that is opened has the image and the weights of that step
    run = ask(host, "open", step=2, image=image["image"])["run"]
    number = {"run": run["id"], "layer": "input", "box": [[p, p] for p in met["at"]]}
    body = host.answer({"ask": "values", **number}).body
    assert np.frombuffer(body, "<f4")[0] == met["value"]
    weight = host.answer({"ask": "values", "run": run["id"], "layer": "conv2d", "weight": "kernel"})
    then = host.answer(
        {"ask": "learning", "what": "frame", "step": 2, "kind": "weight", "of": KERNEL}
    )
    assert (
        weight.body
        == then.body
        != host.network.graph.node("conv2d").layer.weights["kernel"].tobytes()
    )
    # backward: what the derivative came from, of this image alone
    back = ask(host, "back", step=2, image=image["image"], layer=does["layer"], at=does["at"])
    assert back["value"] / back["rows"] == pytest.approx(does["value"], rel=1e-5)
    assert sum(t["value"] for t in back["terms"]) + back["rest"] + back["own"] == pytest.approx(
        back["value"]
    )
    way = ["conv2d"]
    while back["terms"]:
        on = next(f for f in back["terms"][0]["factors"] if f["role"] == "gradient")
        way.append(on["layer"])
        back = ask(host, "back", step=2, image=image["image"], layer=on["layer"], at=on["at"])
        assert sum(t["value"] for t in back["terms"]) + back["rest"] + back["own"] == pytest.approx(
            back["value"]
        )
    assert way == ["conv2d", "flatten", "dense"] and back["own"]  # at the end stands the loss


@pytest.mark.parametrize(
    ("question", "why"),
    [
        ({"what": "everything"}, "Learning is asked state, do"),
        ({"what": "do", "do": "sleep"}, "can be told start, pause, step, anew"),
        ({"what": "frame", "step": 1, "kind": "size", "of": KERNEL}, "weight, gradient and update"),
        ({"what": "frame", "step": 1, "kind": "weight", "of": "x"}, "has no weight 'x'"),
        ({"what": "taken", "step": 1, "of": KERNEL, "at": ["0"]}, "by its name and position"),
        ({"what": "picture", "step": "1"}, "step is a number"),
        ({"what": "open", "step": 1, "image": 99}, "the batch has images"),
        ({"what": "state", "since": -1}, "since is a step"),
        (
            {"what": "do", "do": "anew", "settings": [1]},
            "a training is set by optimizer, learning_rate",
        ),
        ({"what": "do", "do": "anew", "settings": {"seed": 1}}, "a training is set by"),
        (
            {"what": "do", "do": "anew", "settings": {"optimizer": "compiled"}},
            "are sgd, momentum, adam, rmsprop, not",
        ),
        ({"what": "do", "do": "anew", "settings": {"learning_rate": 0}}, "of 0 no weight moves"),
        (
            {"what": "do", "do": "anew", "settings": {"learning_rate": "1"}},
            "learning_rate must be a number",
        ),
        (
            {"what": "do", "do": "anew", "settings": {"batch_size": 17}},
            "batch_size must be .* from 1 to 16, not 17",
        ),
        (
            {"what": "do", "do": "anew", "settings": {"epochs": True}},
            "epochs must be .* from 1 to 1000",
        ),
    ],
)
def test_a_question_that_cannot_be_answered_says_why(film: Film, question: Any, why: str) -> None:
    host = Host(small(), examples().x[0], given={"learning": film})
    if question["what"] == "do":
        host = Host(*watched())
    with pytest.raises((InputError, SettingError), match=why):
        host.answer({"ask": "learning", **question})


def test_images_shares_add_up_to_the_gradient_or_do_not_stand_alone(film: Film) -> None:
    network, _ = untrained()
    trainer = network._compiled()
    shares = shares_of_images(trainer, film, 2)
    assert shares is not None
    for name, gradient in film.arrays(2, "gradient").items():
        penalty = (
            0.02 * film.arrays(2, "weight")[name] if name == KERNEL else 0
        )  # Keras's l2 is 0.01
        assert np.abs(shares[name].sum(axis=0) + penalty - gradient).max() < 1e-6
        assert shares[name].shape[0] == len(film.arrays(2, "given")["input"])
    other = small(norm=True)
    other.compile("sgd", "sparse_categorical_crossentropy")
    given = examples()
    session = TrainingSession(other, given, 1, 7)
    session.one()
    assert session.state == "paused"
    assert shares_of_images(session.trainer, session.film, 1) is None
    with pytest.raises(UnsupportedError, match="an image alone gives other numbers"):
        session.film.alone(session.trainer, other.edited([]), 1, 0)
    session.close()


# -- the page ------------------------------------------------------------------------------------------


def figures(page: Page, table: str) -> tuple[list[float], float]:
    """Return the numbers of a column that adds up, as they are shown, and what stands below it."""
    cells = page.locator(f"{table} tbody td:last-child").all_inner_texts()
    total = page.locator(f"{table} tfoot td:last-child").inner_text()
    numbers = [float(t.replace("−", "-")) for t in [*cells, total] if t]
    return numbers[:-1], numbers[-1]


def test_somebody_trains_scrubs_and_goes_down_to_a_number(visit: OpenPage, axe: str) -> None:
    visited = visit(watched, "s=learning")
    page = visited.page
    page.get_by_role("button", name="one step").click()
    page.get_by_text("step 1 of 5").wait_for()
    page.get_by_role("button", name="Go on").click()
    page.get_by_text("has learned: step 5 of 5").wait_for()
    page.locator(".cs-learning-apart h2", has_text="Step 5").wait_for()
    # the film scrubs by keys, and the address says where
    page.keyboard.press(",")
    page.locator(".cs-learning-apart h2", has_text="Step 4").wait_for()
    before = visited.address["of"]
    page.keyboard.press("ArrowRight")
    page.locator(".cs-learning-apart h2", has_text="Step 4").wait_for()
    assert visited.address["step"] == "4" and visited.address["of"] != before
    page.get_by_label("Which weights").select_option(KERNEL)
    page.locator(".cs-learning-apart h2", has_text=f"why {KERNEL}").wait_for()
    numbers, total = figures(page, ".cs-learning-two table:has(th:text('products'))")
    assert len(numbers) > 3 and round(sum(numbers), 12) == total
    # down: an image, its products, the number that one of them met
    page.locator(".cs-learning-apart th .cs-link").first.click()
    page.locator(".cs-learning-deeper table").wait_for()
    numbers, total = figures(page, ".cs-learning-deeper table")
    assert round(sum(numbers), 12) == total
    for scheme in ("light", "dark"):
        page.emulate_media(color_scheme=scheme)
        visited.settle()
        assert violations(page, axe) == [], scheme
    page.set_viewport_size({"width": 390, "height": 800})
    visited.settle()
    assert visited.read("overflow") == 0
    assert page.evaluate(OUT_OF_REACH) == []
    page.set_viewport_size({"width": 1280, "height": 900})
    page.locator(".cs-learning-deeper td .cs-link").first.click()
    page.locator(".cs-learning-back table").wait_for()
    met = page.locator(".cs-learning-deeper tbody th .cs-link").first
    name, _, value = met.inner_text().partition(" = ")
    met.click()
    page.locator(".cs-source", has_text="with the weights of that step").wait_for()
    assert name.startswith(f"{visited.address['l']}(")
    at = [int(visited.address[k]) for k in ("y", "x", "o")]
    run = visited.served.host._runs[2].run
    assert float(value.replace("−", "-")) == pytest.approx(
        float(run.activations["input"][tuple(at)])
    )
    page.keyboard.press("Escape")
    page.locator(".cs-learning-apart h2", has_text="Step 4").wait_for()


def test_settings_are_chosen_on_the_page_and_stand_in_the_address(visit: OpenPage) -> None:
    visited = visit(watched, "s=learning&opt=momentum&rate=0.001&ep=3&batch=0")
    page = visited.page
    page.get_by_text(
        "has not learned yet: step 0 of 3 · SGD(learning_rate=0.001, momentum=0.9"
    ).wait_for()
    page.get_by_label("optimizer").select_option("rmsprop")
    assert page.get_by_label("learning rate").input_value() == "0.001"
    page.get_by_label("learning rate").fill("0.02")
    page.get_by_label("images a step").fill("7")
    page.get_by_text("3 steps an epoch, 9 in all.").wait_for()
    page.get_by_role(
        "button", name="one step"
    ).click()  # nothing has been learned: it begins with these
    page.get_by_text("waits: step 1 of 9 · RMSprop(learning_rate=0.02").wait_for()
    address = visited.address
    assert [address[k] for k in ("opt", "rate", "batch", "ep")] == ["rmsprop", "0.02", "7", "3"]
    page.get_by_label("epochs").fill("2")
    page.get_by_text("what runs now goes on as it was set").wait_for()
    page.get_by_role("button", name="one step").click()
    page.get_by_text("waits: step 2 of 9").wait_for()
    page.locator(".cs-learning-apart h2", has_text="Step 2").wait_for()
    visited.answered()  # of a training that is no more, nothing is answered
    page.get_by_role("button", name="begin anew with these").click()
    page.get_by_text("has not learned yet: step 0 of 6").wait_for()
    page.get_by_label("images a step").fill("99")
    page.get_by_role("button", name="Train").click()
    assert page.get_by_label("images a step").evaluate("field => field.matches(':invalid')")
    page.get_by_text("has not learned yet: step 0 of 6").wait_for()


def test_a_film_plays_in_a_file(film: Film, page: Page, tmp_path: Path) -> None:
    host = Host(small(), examples().x[0], given={"learning": film})
    path = tmp_path / "film.html"
    path.write_text(single_file(host).text(), encoding="utf-8")
    page.goto(f"{path.as_uri()}#s=learning")
    page.locator(".cs-learning-apart h2", has_text="Step 5").wait_for()
    assert page.get_by_role("button", name="Train").count() == 0
    assert page.get_by_text("nothing learns here").is_visible()
    assert not page.get_by_label("epochs").is_visible()
    page.keyboard.press(",")
    page.locator(".cs-learning-apart h2", has_text="Step 2").wait_for()
    numbers, total = figures(page, ".cs-learning-two table:has(th:text('products'))")
    assert len(numbers) > 3 and round(sum(numbers), 12) == total
    page.get_by_role("button", name="play").click()
    page.locator(".cs-learning-apart h2", has_text="Step 5").wait_for()
    # a number of which the file does not say what each image added: its path is there all the same
    page.get_by_label("Which weights").select_option("dense.kernel")
    page.keyboard.press("ArrowDown")
    page.get_by_text("This file takes apart the movements").wait_for()
    shown = page.locator(".cs-learning-weight p").inner_text()
    assert "before the step" in shown and "moved by" in shown


def test_a_file_without_a_film_has_no_such_tab(page: Page, tmp_path: Path) -> None:
    path = tmp_path / "plain.html"
    path.write_text(single_file(Host(*watched())).text(), encoding="utf-8")
    page.goto(path.as_uri())
    page.get_by_role("tab", name="Stack").wait_for()
    assert page.get_by_role("tab", name="Learning").count() == 0
