"""The screen Survey: what it says is the survey's own; each case opens in the microscope at its number."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from click.testing import CliRunner
from playwright.sync_api import BrowserContext, Page
from screens import OUT_OF_REACH, violations
from survey.sets import folder
from survey.test_data import network

import convscope as cs
from convscope.cli import main
from convscope.errors import InputError, SettingError
from convscope.explorer.host import Host
from convscope.explorer.server import Server
from convscope.survey.survey import Survey
from convscope.survey.work import opened

RELU = "conv2d/Relu_3"


@pytest.fixture(scope="module")
def there(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a folder with a network, images, and the survey of one over the others."""
    path = tmp_path_factory.mktemp("survey")
    network().export(path / "net.onnx")
    folder(path / "set")
    (path / "set" / "owl" / "broken.png").write_bytes(b"no picture")
    cs.open(path / "net.onnx").survey(path / "set", out=path / "s.survey")
    return path


@pytest.fixture(scope="module")
def found(there: Path) -> Survey:
    return opened(cs.open(there / "net.onnx"), there / "s.survey")


@pytest.fixture
def screen(profile: BrowserContext, found: Survey) -> Iterator[Page]:
    """Return a page at the screen, whose console stays empty."""
    host = Host(found.network, found.run(3), given={"survey": found})
    server = Server(host, port=0).start()
    page = profile.new_page()
    page.set_default_timeout(120_000)
    said: list[str] = []
    page.on("console", lambda message: said.append(message.text))
    page.on("pageerror", lambda error: said.append(str(error)))
    page.goto(f"{server.address}#s=survey")
    page.locator(".cs-survey-card").first.wait_for()
    yield page
    page.close()
    server.stop()
    assert said == []


def shows(page: Page, response: Any) -> None:
    """Wait until the microscope is at the number of a response, and compare what stands there."""
    map_, y, x = response.position
    heading = page.locator(".cs-screen h2", has_text=f"map {map_}, row {y}, column {x} = ")
    heading.wait_for()
    assert float(heading.inner_text().split(" = ")[1]) == pytest.approx(response.value, rel=1e-4)


def test_what_stands_there_is_what_the_survey_found(screen: Page, found: Survey) -> None:
    layer = found[RELU]
    assert "45 images" in screen.locator(".cs-survey-head").inner_text()
    assert "1 image was skipped" in screen.locator(".cs-survey-head").inner_text()
    screen.locator(".cs-survey-layers").get_by_role("button", name=RELU, exact=True).click()
    card = screen.locator("[data-map='2']")
    card.locator(".cs-survey-patch").first.wait_for()
    assert f"{layer[2].zeros:.1%}".replace("%", " %") in card.inner_text()
    card.click()
    cases = screen.locator(".cs-survey-case")
    cases.first.wait_for()
    assert cases.count() == len(layer[2].top)
    for place, response in enumerate(layer[2].top):
        text = cases.nth(place).inner_text()
        assert np.float32(text.split("\n")[0].replace("−", "-")) == np.float32(response.value)
        assert response.whose in text and f"({', '.join(map(str, response.position))})" in text
        assert found.patch(RELU, response).address() == cases.nth(place).locator(
            "img"
        ).get_attribute("src")
    assert screen.evaluate("document.documentElement.scrollWidth") <= screen.viewport_size["width"]  # type: ignore[index]


def test_a_case_opens_in_the_microscope_by_keys_alone(screen: Page, found: Survey) -> None:
    screen.evaluate("location.hash = 's=survey&l=conv2d&map=1'")
    screen.get_by_role("heading", name="map 1 of conv2d").wait_for()
    screen.locator(".cs-survey-case").first.wait_for()
    screen.keyboard.press("ArrowRight")
    screen.get_by_role("heading", name="map 2 of conv2d").wait_for()
    response = found["conv2d"][2].top[1]
    button = screen.locator(".cs-survey-case button").nth(1)
    button.focus()
    screen.keyboard.press("Enter")
    screen.locator(".cs-survey-screen").wait_for(state="detached")
    shows(screen, response)
    screen.keyboard.press("Escape")
    screen.get_by_role("heading", name="map 2 of conv2d").wait_for()  # back where it was
    screen.keyboard.press("Escape")
    screen.locator(".cs-survey-map").wait_for(state="hidden")


def test_a_narrow_window_holds_it_and_everybody_can_use_it(screen: Page, axe: str) -> None:
    screen.set_viewport_size({"width": 390, "height": 800})
    screen.evaluate("location.hash = 's=survey&l=conv2d&map=1&sort=max&only=1'")
    screen.locator(".cs-survey-case").first.wait_for()
    assert screen.evaluate("document.documentElement.scrollWidth") == 390
    assert screen.evaluate(OUT_OF_REACH) == []
    screen.locator(".cs-survey-screen summary").first.click()
    for scheme in ("light", "dark"):
        screen.emulate_media(color_scheme=scheme)
        screen.evaluate("reader.quiet()")
        assert violations(screen, axe) == []


def test_a_file_has_the_screen_and_opens_cases_by_itself(
    page: Page, there: Path, found: Survey, tmp_path: Path
) -> None:
    target = tmp_path / "page.html"
    words = [str(there / "net.onnx"), str(target), "--survey", str(there / "s.survey")]
    done = CliRunner().invoke(main, ["export", *words, "--image", str(there / "set/cat/0.png")])
    assert done.exit_code == 0, done.output
    response = found["conv2d"][1].top[0]
    page.goto(f"{target.as_uri()}#s=survey&l=conv2d&map=1")
    page.locator(".cs-survey-case button").first.click()
    page.locator(".cs-survey-screen").wait_for(state="detached")
    shows(page, response)


def test_what_the_host_refuses(found: Survey) -> None:
    host = Host(found.network, given={"survey": found})
    for question in ({}, {"of": "all"}, {"of": ["maps"]}, {"of": "layer", "layer": "other"}, {"of": "layer", "layer": {}},
                     {"of": "maps", "layer": "conv2d", "block": 1}, {"of": "maps", "layer": "conv2d", "block": True},
                     {"of": "picture", "image": -1}, {"of": "picture", "image": 46}, {"of": "run", "image": "1"}):  # fmt: skip
        with pytest.raises(InputError):
            host.answer({**question, "ask": "survey"})
    broken = next(iter(found.bad))
    with pytest.raises(InputError, match=r"broken\.png"):
        host.answer({"ask": "survey", "of": "run", "image": broken})
    assert "survey" not in Host(found.network).screens


def test_check_looks_at_what_the_survey_counted(found: Survey) -> None:
    host = Host(found.network, given={"survey": found})
    facts = host.answer({"ask": "check"}).facts
    while "running" in facts:
        facts = host.answer({"ask": "check"}).facts
    assert facts["surveyed"] == found.images == 45
    report = found.network.check(survey=found).to_dict()
    assert (facts["findings"], facts["quiet"]) == (report["findings"], report["quiet"])
    assert "dead-here" in facts["quiet"]  # which has nothing to look at without image and survey
    assert "dead-here" in found.network.check().to_dict()["not_run"]


def test_a_survey_of_numbers_and_one_of_something_else(there: Path, tmp_path: Path) -> None:
    """What is no picture goes through as it is; another network, other data and lost data are told."""
    net = cs.open(there / "net.onnx")
    x = np.random.default_rng(2).normal(size=(9, 9, 8, 1)).astype(np.float32)
    np.save(tmp_path / "x.npy", x)
    made = net.survey(tmp_path / "x.npy", out=tmp_path / "x.survey")
    host = Host(net, given={"survey": opened(net, tmp_path / "x.survey")})
    assert host.answer({"ask": "survey", "of": "whole"}).facts["pictures"] is False
    response = made["conv2d"][0].top[0]
    run: Any = host.answer({"ask": "survey", "of": "run", "image": response.image}).facts["run"]
    kept: Any = host._runs[run["id"]].run
    values = kept["conv2d"]
    assert values[response.position] == response.value
    (tmp_path / "x.npy").unlink()
    for data, words in (
        (None, r"there is no data .*x\.npy"),
        (there / "set", "begun with other data"),
    ):
        with pytest.raises(InputError, match=words):
            opened(net, tmp_path / "x.survey", data)
    with pytest.raises(InputError, match="is of another network"):
        cs.open("demo").explore(survey=made)
    with pytest.raises(SettingError, match="survey is a Survey or its file, not int"):
        net.explore(survey=3)
    with pytest.raises(InputError, match="another network"):
        opened(cs.open("demo"), there / "s.survey")
