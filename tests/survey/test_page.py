"""Patches by the exact receptive field, and the page that shows them: offline, in a real browser."""

from __future__ import annotations

import io
import json
import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image
from survey.sets import folder, images

from convscope import Conv2D, Dense, Flatten, MaxPooling2D, Sequential
from convscope.errors import InputError
from convscope.survey import page as page_room
from convscope.survey.survey import Survey


def network() -> Sequential:
    return Sequential(
        [
            Conv2D(4, (3, 5), padding="same", activation="relu", input_shape=(9, 8, 1)),
            MaxPooling2D(2),
            Flatten(),
            Dense(3, activation="softmax", name="<b>classes"),
        ],
        seed=2,
    )


def found(data: Any = None) -> Survey:
    return network().survey(images() if data is None else data)


def test_a_patch_is_what_the_number_sees_and_padding_is_hatched() -> None:
    survey, (x, _) = found(), images()
    corners = set()
    for one in survey["conv2d"]:
        for response in one.top:
            y, column, _ = response.position
            patch = survey.patch("conv2d", response)
            assert (patch.rows, patch.columns) == ((y - 1, y + 1), (column - 2, column + 2))
            assert patch.pixels.shape == (3, 5, 3) and patch.exact
            padded = np.pad(x[response.image].astype(int), ((1, 1), (2, 2)), constant_values=-1)
            window = padded[y : y + 3, column : column + 5]
            inside = window >= 0
            assert (patch.pixels[inside] == window[inside][:, None]).all()
            rows, columns = np.mgrid[y - 1 : y + 2, column - 2 : column + 3]
            stripes = np.where((rows + columns) % 4 == 0, 0xA8, 0xF0)
            assert (patch.pixels[~inside] == stripes[~inside][:, None]).all()
            corners.add(bool((~inside).any()))
    assert corners == {True, False}  # both kinds were there


def test_the_patch_of_an_output_is_all_of_the_image() -> None:
    survey = found()
    patch = survey.patch("<b>classes", survey["<b>classes"][1].top[0])
    # its even windows reach 8 of the 9 rows, and the padding around them
    assert patch.rows[0] == -1 and patch.columns == (-2, 9)


def test_any_case_can_be_run_again() -> None:
    survey = found()
    response = survey["conv2d"][2].top[3]
    run = survey.run(response)
    assert run["conv2d"][response.position] == response.value
    assert abs(run.trace("conv2d", response.position).value - response.value) < 1e-5
    passing = network().survey(iter(images()[0]))
    with pytest.raises(InputError, match="came from an iterable, which has been gone through"):
        passing.run(response)


def test_the_page_works_in_a_browser_from_disk(tmp_path: Path, browser: Any) -> None:
    data = folder(tmp_path / "set")
    (data / "cat").rename(data / "<i>cat")
    survey = found(data)
    survey.page(tmp_path / "s.html")
    text = (tmp_path / "s.html").read_text(encoding="utf-8")
    assert "<b>classes" not in text and "<i>cat" not in text
    assert re.findall(r"https?://", text) == []
    first = survey["conv2d"][1].top[0]
    page = browser.new_page()
    said: list[str] = []
    page.on("console", lambda message: said.append(message.text))
    page.on("pageerror", lambda error: said.append(str(error)))
    page.goto((tmp_path / "s.html").as_uri())
    page.click("#p0-1-0")
    assert page.locator("dialog").is_visible()
    position = ", ".join(map(str, first.position))
    assert page.inner_text("dialog h3").startswith(f"conv2d at ({position}) = ")
    assert first.name in page.inner_text("dialog .where")
    rows = dict(
        line.rsplit("\t", 1) for line in page.inner_text("dialog table").splitlines() if line
    )
    values = {name: float(value.replace("−", "-")) for name, value in rows.items()}
    parts = sum(v for n, v in values.items() if n == "bias" or n.startswith("map "))
    assert parts == pytest.approx(values["sum, before the activation"], abs=1e-12)
    assert values["ONNX Runtime (float32)"] == pytest.approx(first.value, rel=1e-8)
    page.keyboard.press("Escape")
    page.wait_for_function("!location.hash")  # once it is closed
    page.goto(f"{(tmp_path / 's.html').as_uri()}#p0-2-1")
    page.reload()
    page.locator("dialog").wait_for()  # each patch has an address of its own
    page.close()
    assert said == []


def test_a_page_of_more_maps_than_patches_says_which_have_one(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(page_room, "MOST_PATCHES", 5)
    monkeypatch.setattr(page_room, "MOST_LEDGERS", 4)
    net = network()
    kernel, bias = net.layers[0].get_weights()
    kernel[..., 1], bias[1] = 0, -1  # never fires: nothing to be seen
    kernel[..., 3], bias[3] = kernel[..., 2], bias[2]  # a copy: a verdict
    net.layers[0].set_weights([kernel, bias])
    survey = net.survey(images())
    text = page_room.page(survey)
    have = set(re.findall(r'<button id="p0-(\d)-0"', text))
    assert have == {"2"}  # it has a verdict, and of 2 and 3, which are equal, it is the first
    assert len(re.findall('<button id="p', text)) == 3  # one of each layer: 4 // 3 layers
    assert text.count('<div class="card') == 3
    assert "3 of the 11 maps are in this page: as many of each layer" in text
    told = json.loads(re.findall(r'id="ledgers">(.*?)</script>', text)[0])
    assert len(told) == 3 and all(one["rows"] for one in told.values())


def test_padding_is_not_taken_for_pixels_of_the_image() -> None:
    """A patch of 3 × 5 pixels is drawn so large that each pixel of padding has both greys of the stripes."""
    survey = found()
    one, patch = next(
        (response, patch)
        for figures in survey["conv2d"]
        for response in figures.top
        if (patch := survey.patch("conv2d", response)).padded
    )
    drawn = np.array(Image.open(io.BytesIO(patch.png())))
    wide = drawn.shape[0] // 3
    assert drawn.shape == (3 * wide, 5 * wide, 3) and wide > 4
    y, column, _ = one.position
    for (row, place), pixel in np.ndenumerate(patch.pixels[..., 0]):
        block = drawn[row * wide : (row + 1) * wide, place * wide : (place + 1) * wide]
        inside = 0 <= y - 1 + row < 9 and 0 <= column - 2 + place < 8
        assert set(block.ravel().tolist()) == ({pixel} if inside else {0xA8, 0xF0})
