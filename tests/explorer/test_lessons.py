"""Lessons: sentences with the network's numbers, errors that say where, and the card that leads through them."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import networks
import pytest
from screens import READER, Served, Visit

import convscope as cs
from convscope.errors import SourceError
from convscope.explorer import teaching
from convscope.explorer.host import Host
from convscope.explorer.joining import web
from convscope.explorer.single_file import single_file
from convscope.explorer.teaching import lesson, our_lesson, our_lessons
from convscope.layers.base import Layer


@pytest.mark.parametrize("name", our_lessons())
def test_our_lessons_fit_their_networks(name: str) -> None:
    told = our_lesson(name).on(cs.open(our_lesson(name).network))
    texts = json.dumps(told, ensure_ascii=False)
    assert set(re.findall(r"(?<![\"\[{,\]}])\{(\w[\w .*]*)\}", texts)) <= set(
        teaching.LEFT_TO_THE_PAGE
    )
    assert all(step["text"] for step in told["steps"]) and len(told["steps"]) == 5


def test_the_numbers_are_those_of_the_question() -> None:
    """28×28×1, 32 filters of 3×3, then 64: worked out by hand."""
    told = our_lesson("question").on(cs.open("demo"))
    assert told["title"] == "Why 64 maps, and not 32·64?"
    assert told["steps"][1]["guess"]["answer"] == 3 * 3 * 32
    assert "there would be 2,048 maps" in told["steps"][4]["text"]
    assert "the weights are 3×3×32×64" in told["steps"][4]["text"]
    padding = our_lesson("padding").on(cs.open("demo"))
    assert padding["steps"][2]["guess"]["answer"] == 12 * 12  # ⌊(26 − 3) / 2⌋ + 1 each way
    assert f"{12 * 12 * 64 * 288:,} multiply" in padding["steps"][3]["text"]
    groups = our_lesson("groups").on(cs.open("demo:groups"))
    assert groups["steps"][1]["guess"]["answer"] == 18 * 3 * 3 * 4 + 18


def test_a_lesson_is_of_any_network_that_has_what_it_speaks_of() -> None:
    network, image = networks.branches()
    host = Host(network, image)
    told = host.answer({"ask": "lessons"}).facts
    assert [one["name"] for one in told["lessons"]] == ["question"] and told["start"] is None
    assert told["lessons"][0]["steps"][1]["guess"]["answer"] == 6  # narrow: 1×1 of 6 maps
    signal, sound = networks.volumes()
    found = Host(signal, sound).answer({"ask": "lessons"}).facts["lessons"]
    assert found == [] or found[0]["name"] == "question"


def made(**step: Any) -> dict[str, Any]:
    return {
        "title": "mine",
        "steps": [{"title": "first", "text": "a"}, {"title": "b", "text": "c", **step}],
    }


@pytest.mark.parametrize(
    ("said", "words"),
    [
        ({"title": "t"}, "the lesson: steps is missing"),
        ({"title": "t", "steps": []}, "a list of 1 to 60 steps"),
        ({"title": 3, "steps": [1]}, "title must be a text"),
        ({**made(), "stepps": []}, "there is no key 'stepps' (did you mean 'steps'"),
        ({"title": "t", "steps": [7]}, "step 1: 7 is no object with title, text"),
        (made(txt="x"), "step 2: there is no key 'txt' (did you mean 'text'"),
        (made(text=5), "step 2: text must be a text of at most"),
        (made(part="tils"), "step 2 (b): there is no part 'tils' (did you mean 'tiles'"),
        (made(place="l=conv2d_2"), "step 2 (b): there is no layer 'conv2d_2' (did you mean 'conv2d"),
        (made(place="q=3"), "step 2 (b): an address has no 'q'"),
        (made(place="nonsense"), "step 2 (b): the place 'nonsense' is no address"),
        (made(place="l=conv2d&o=32"), "step 2 (b): o=32 is not within conv2d, 26×26×32"),
        (made(place="l=conv2d&p=1,2"), "step 2 (b): p=1,2 is no position in conv2d, 26×26×32"),
        (made(place="s=film"), "step 2 (b): s=film is none of network, stack"),
        (made(place='l=conv2d&w=[["conv2d","strides",99]]'), "step 2 (b): the edits"),
        (made(place="l=conv2d&w=4"), "step 2 (b): edits are [[layer, setting, value], …], not 4"),
        (made(text="{mops}"), "step 2 (b): {mops} is not known of conv2d_1 (did you mean 'maps'"),
        (made(text="{new maps}"), "step 2 (b): {new maps} needs a place with edits (w=…)"),
        (made(text="{conv9.maps}"), "step 2 (b): {conv9.maps} names no layer of digits"),
        (made(text="{output * 2}"), "step 2 (b): {output * 2} cannot be worked out: 24×24×64 * 2"),
        (made(guess={"ask": "?"}), "step 2 (b), guess: answer is missing"),
        (
            made(guess={"ask": "?", "answer": "output", "right": "", "wrong": ""}),
            "step 2 (b): output is 24×24×64, not a whole number that can be guessed",
        ),
    ],
)  # fmt: skip
def test_what_is_wrong_is_said_with_its_step(said: Any, words: str) -> None:
    with pytest.raises(SourceError, match=re.escape(words)):
        lesson(said).on(cs.open("demo"))


def test_a_file_a_name_and_neither(tmp_path: Path) -> None:
    file = tmp_path / "my.json"
    file.write_text(json.dumps(made()), "utf-8")
    host = Host(networks.digits()[0], lesson=file)
    told = host.answer({"ask": "lessons"}).facts
    assert told["start"] == "my" and [x["name"] for x in told["lessons"]] == [
        "my",
        "question",
        "padding",
    ]
    with pytest.raises(SourceError, match=r"there is no lesson 'resnt' \(did you mean 'resnet'"):
        lesson("resnt")
    file.write_text("{", "utf-8")
    with pytest.raises(SourceError, match=r"my\.json"):
        lesson(file)
    with pytest.raises(SourceError, match="no layer 'block1_add'"):
        Host(networks.digits()[0], lesson="resnet")


def test_python_and_the_page_know_the_same_places() -> None:
    address, tour = web("address.js"), web("tour.js")
    screens = re.search(r"SCREENS = \{(.*?)\}", address)
    models = re.search(r"MODELS = \[(.*?)\]", address)
    parts = re.search(r"PARTS = \{(.*?)\}", tour, re.DOTALL)
    assert screens and models and parts
    assert tuple(re.findall(r"(\w+):", screens[1])) == teaching.SCREENS
    assert tuple(re.findall(r'"(\w+)"', models[1])) == teaching.MODELS
    assert set(re.findall(r"(\w+): \"", parts[1])) == set(teaching.PARTS)


CARD = ".cs-tour"


def test_the_first_visit_is_led_through_five_steps_each_with_its_address(
    browser: Any, request: pytest.FixtureRequest
) -> None:
    served = Served(*networks.digits())  # whose address has not been opened by another browser
    request.addfinalizer(served.server.stop)
    context = browser.new_context(viewport={"width": 1280, "height": 900})
    context.add_init_script(path=READER)
    page = Visit(context, served).open()
    tour = page.page.locator(CARD)
    tour.get_by_role("button", name="Show me").click()
    titles = []
    for n in range(1, 6):
        page.page.wait_for_url(re.compile(rf"&t=question\.{n}$"))
        page.settle()
        titles.append(tour.locator("h2").inner_text())
        if n == 1:
            page.page.wait_for_url(re.compile("&o=7&y=15&x=17&"))  # where most is to be seen
            value = page.until("microscope", lambda m: m["engine"])["engine"]
            page.page.locator(CARD, has_text=value).wait_for()
        if n == 2:
            assert page.page.locator(".cs-reads").is_hidden()
            for guess, words in (
                ("9", "✗ Not 9."),
                ("288", "✓ Yes: 3×3 of every one of the 32 maps"),
            ):
                tour.get_by_label("How many numbers").fill(guess)
                page.keys("Enter")
                page.page.locator(CARD, has_text=words).wait_for()
            page.page.locator(".cs-reads").first.wait_for()
        if n == 4:
            assert page.address["s"] == "models"
            page.page.locator(".cs-models.cs-meant").wait_for()
        tour.get_by_role("button", name="Done" if n == 5 else "Next").click()
    assert titles[0] == "One pixel" and titles[4] == "Why 64, and not 2,048"
    tour.wait_for(state="hidden")
    page.settle()
    assert "t" not in page.address
    assert page.page.locator(".cs-meant").count() == 0
    # not invited again; but led again from the help
    page.open()
    page.settle()
    assert tour.is_hidden()
    page.keys("?")
    page.page.get_by_role("button", name="Padding and stride").click()
    page.page.wait_for_url(re.compile(r"&t=padding\.1$"))
    # a step's address alone leads there, and one with a place stays at that place
    page.open("t=question.5")
    page.page.wait_for_url(re.compile(r"s=models&t=question\.5$"))
    page.open("l=conv2d_1&o=3&y=2&x=1&m=real&t=question.1")
    page.page.locator(CARD, has_text="at (2, 1, 3)").wait_for()
    assert page.address["o"] == "3"
    assert page.unexpected == []
    context.close()


def test_a_lesson_of_ones_own_in_a_file_on_its_own(browser: Any, tmp_path: Path) -> None:
    network, seven, _ = networks.digits()
    steps = [
        {
            "title": "Look",
            "text": "{name} gives {output}; this is {value}.",
            "place": "l=conv2d&o=3&y=4&x=5",
        }
    ]
    file = tmp_path / "page.html"
    with file.open("wb") as out:
        single_file(Host(network, seven, lesson={"title": "Mine", "steps": steps})).write(out)
    page = browser.new_context().new_page()
    page.goto(file.as_uri())
    page.locator(CARD).wait_for()
    value = network.run(seven)["conv2d"][4, 5, 3]
    page.wait_for_function("() => !document.querySelector('.cs-tour p').textContent.includes('{')")
    text = page.locator(CARD).inner_text()
    assert "conv2d gives 26×26×32; this is " in text
    shown = float(text.split("this is ")[1].split(".\n")[0].replace("−", "-"))
    assert shown == pytest.approx(float(value), rel=1e-6)
    page.context.close()


def test_the_page_is_told_of_the_network_before_anything_runs_or_weights_are_read(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    network, seven, samples = networks.digits()
    done: list[str] = []
    run, weights = type(network).run, Layer.weights.fget  # type: ignore[attr-defined]

    def counted_run(*given: Any, **settings: Any) -> Any:
        done.append("run")
        return run(*given, **settings)

    def counted_weights(layer: Layer) -> Any:
        done.append("weights")
        return weights(layer)

    monkeypatch.setattr(type(network), "run", counted_run)
    monkeypatch.setattr(Layer, "weights", property(counted_weights))
    host = Host(network, seven, samples, late=True)
    told = host.answer({"ask": "network"}).facts
    host.answer({"ask": "lessons"})
    assert told["running"] and told["run"] is None and len(told["layers"]) == 5 and done == []
    while (first := host.answer({"ask": "first"}).facts)["running"]:
        pass
    assert first["run"]["source"] == "seven.png" and done.count("run") == 1
    again = host.answer({"ask": "network"}).facts
    assert not again["running"] and again["run"] == first["run"]


def test_the_lesson_in_the_documentation_is_one() -> None:
    text = (Path(__file__).parents[2] / "docs" / "explorer.md").read_text(encoding="utf-8")
    written = json.loads(text.split("<!-- a lesson -->\n```json\n")[1].split("```")[0])
    told = lesson(written).on(cs.open(written["network"]))
    assert told["title"] == "Why 36,864 numbers come out"
    assert told["steps"][0]["guess"]["answer"] == 288
    assert "24×24×64" in told["steps"][1]["text"] and "32,768 more" in told["steps"][1]["text"]
    keys = (*teaching._KEYS, *teaching._STEP_KEYS, *teaching._GUESS_KEYS)
    for key in (*teaching.PARTS, *keys):
        assert f"`{key}`" in text, key
