"""Uploaded pictures: the steps that were asked for, their numbers by hand, and offers of what is missing."""

from __future__ import annotations

import io
import itertools
import random
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from campaigns import rounds
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from convscope.engine.images import as_input
from convscope.engine.preparing import STEPS, prepare
from convscope.errors import InputError
from convscope.notation.sizes import UNKNOWN, size

RNG = np.random.default_rng(5)


def stored(pixels: Any, kind: str = "PNG", **settings: Any) -> bytes:
    """Return the bytes of a picture file, from an array of uint8 or a Pillow image."""
    image = pixels if isinstance(pixels, Image.Image) else Image.fromarray(pixels)
    file = io.BytesIO()
    image.save(file, kind, **settings)
    return file.getvalue()


def pixels(*shape: int) -> np.ndarray[Any, Any]:
    return RNG.integers(0, 256, shape, dtype=np.uint8)


def names(done: dict[str, Any]) -> list[str]:
    return [step["step"] for step in done["steps"]]


def offered(done: dict[str, Any]) -> list[str]:
    assert "array" not in done
    return [one["step"] for one in done["offer"]]


def test_a_picture_that_fits_is_only_divided() -> None:
    grey = pixels(7, 9)
    done = prepare(stored(grey), (7, 9, 1), True)
    np.testing.assert_array_equal(done["array"], grey[None, :, :, None] / np.float32(255))
    assert done["array"].dtype == np.float32
    (step,) = done["steps"]
    assert step == {
        "step": "divide by 255",
        "words": "value = pixel / 255",
        "before": [7, 9, 1],
        "after": [7, 9, 1],
        "range": [float(np.float32(v) / np.float32(255)) for v in (grey.min(), grey.max())],
    }
    assert done["picture"] == {"format": "PNG", "kind": "L", "shape": [7, 9]}


@pytest.mark.parametrize("kind", ["PNG", "BMP", "GIF", "WEBP", "JPEG"])
def test_it_is_what_the_command_line_makes_of_the_file(kind: str, tmp_path: Path) -> None:
    data = stored(pixels(7, 9, 3), kind)
    (tmp_path / "picture").write_bytes(data)
    for channels_last, shape in ((True, (7, 9, 3)), (False, (3, 7, 9))):
        done = prepare(data, shape, channels_last)
        by_file = as_input(tmp_path / "picture", shape, channels_last, "input")
        np.testing.assert_array_equal(done["array"], by_file)
        assert done["picture"]["format"] == kind


@pytest.mark.parametrize("kind", ["GIF", "WEBP", "PNG"])
def test_the_first_of_several_pictures_is_taken(kind: str, tmp_path: Path) -> None:
    first, second = (Image.fromarray(np.full((7, 9, 3), v, np.uint8)) for v in (51, 204))
    lossless = {"lossless": True} if kind == "WEBP" else {}
    data = stored(first, kind, save_all=True, append_images=[second], **lossless)
    done = prepare(data, (7, 9, 3), True)
    np.testing.assert_array_equal(done["array"], np.full((1, 7, 9, 3), np.float32(51 / 255)))
    (tmp_path / "moving").write_bytes(data)
    again = as_input(tmp_path / "moving", (7, 9, 3), True, "input")
    np.testing.assert_array_equal(again, done["array"])


def test_channels_first_is_a_step() -> None:
    color = pixels(7, 9, 3)
    done = prepare(stored(color), (3, 7, 9), False)
    assert names(done) == ["channels first", "divide by 255"]
    first, last = done["steps"]
    assert (first["before"], first["after"], last["after"]) == ([7, 9, 3], [3, 7, 9], [3, 7, 9])
    np.testing.assert_allclose(done["array"][0], color.transpose(2, 0, 1) / 255.0, atol=1e-7)


def test_grey_by_hand() -> None:
    color = pixels(7, 9, 3)
    done = prepare(stored(color), (7, 9, 1), True, ["grey"])
    assert names(done) == ["grey", "divide by 255"]
    by_hand = color @ np.array([0.299, 0.587, 0.114])
    grey = done["array"][0, :, :, 0] * 255
    assert np.abs(grey - by_hand).max() <= 0.501  # rounded to whole numbers
    step = done["steps"][0]
    assert step["words"].startswith("grey = 0.299·R + 0.587·G + 0.114·B")
    assert (step["before"], step["after"]) == ([7, 9, 3], [7, 9, 1])
    assert step["range"] == [round(float(grey.min())), round(float(grey.max()))]


def test_rgb_is_grey_three_times() -> None:
    grey = pixels(7, 9)
    done = prepare(stored(grey), (7, 9, 3), True, ["rgb"])
    assert names(done) == ["rgb", "divide by 255"]
    np.testing.assert_allclose(done["array"][0], np.stack([grey] * 3, -1) / 255.0, atol=1e-7)


def test_inverted_by_hand() -> None:
    color = pixels(7, 9, 3)
    done = prepare(stored(color), (7, 9, 3), True, ["invert"])
    assert names(done) == ["invert", "divide by 255"]
    np.testing.assert_allclose(done["array"][0], (255 - color.astype(int)) / 255, atol=1e-7)


def test_a_smaller_picture_is_the_means_of_boxes() -> None:
    grey = pixels(28, 45)
    done = prepare(stored(grey), (7, 9, 1), True, ["resize"])
    assert names(done) == ["resize", "divide by 255"]
    by_hand = grey.reshape(7, 4, 9, 5).mean(axis=(1, 3))
    assert np.abs(done["array"][0, :, :, 0] * 255 - by_hand).max() <= 0.51
    words = done["steps"][0]["words"]
    assert "28×45 → 7×9" in words and "mean of the box" in words


def test_a_larger_picture_lies_between_its_pixels() -> None:
    ramp = np.tile(np.arange(0, 160, 20, dtype=np.uint8), (5, 1))
    done = prepare(stored(ramp), (10, 16, 1), True, ["resize"])
    assert "bilinear" in done["steps"][0]["words"]
    # halves of pixels: a quarter of the way, and three quarters
    row = done["array"][0, 4, :, 0] * 255
    np.testing.assert_allclose(row[1:-1:2], np.arange(5, 145, 20), atol=0.51)
    np.testing.assert_allclose(row[2::2], np.arange(15, 145, 20), atol=0.51)


def test_the_middle_is_taken_where_the_proportions_differ() -> None:
    wide = pixels(12, 40)
    done = prepare(stored(wide), (4, 6, 1), True, ["crop-and-resize"])
    assert names(done) == ["crop", "resize", "divide by 255"]
    middle = wide[:, 11:29]
    assert done["steps"][0]["words"] == "the middle 12×18 of 12×40"
    assert done["steps"][0]["after"] == [12, 18, 1]
    by_hand = middle.reshape(4, 3, 6, 3).mean(axis=(1, 3))
    assert np.abs(done["array"][0, :, :, 0] * 255 - by_hand).max() <= 0.51
    high = pixels(41, 6)
    tall = prepare(stored(high), (4, 6, 1), True, ["crop-and-resize"])
    assert names(tall) == ["crop", "divide by 255"]
    np.testing.assert_allclose(tall["array"][0, :, :, 0] * 255, high[18:22], atol=1e-4)
    assert tall["steps"][0]["words"] == "the middle 4×6 of 41×6"


@pytest.mark.parametrize(("color", "value"), [("white", 255), ("black", 0)])
def test_a_background_by_hand(color: str, value: int) -> None:
    glass = pixels(7, 9, 4)
    done = prepare(stored(glass), (7, 9, 3), True, [f"background:{color}"])
    assert names(done) == [f"background:{color}", "divide by 255"]
    assert done["steps"][0]["before"] == [7, 9, 4] and done["steps"][0]["after"] == [7, 9, 3]
    alpha = glass[..., 3:] / 255
    by_hand = alpha * glass[..., :3] + (1 - alpha) * value
    assert np.abs(done["array"][0] * 255 - by_hand).max() <= 0.51
    pair = Image.fromarray(glass[..., 0]), Image.fromarray(glass[..., 3])
    done = prepare(stored(Image.merge("LA", pair)), (7, 9, 1), True, [f"background:{color}"])
    assert np.abs(done["array"][0, :, :, 0] * 255 - by_hand[..., 0]).max() <= 0.51


def test_a_key_color_is_transparent() -> None:
    grey = pixels(7, 9)
    data = stored(Image.fromarray(grey), transparency=int(grey[3, 4]))
    assert offered(prepare(data, (7, 9, 1), True)) == ["background:white"]
    done = prepare(data, (7, 9, 1), True, ["background:white"])
    np.testing.assert_allclose(
        done["array"][0, :, :, 0] * 255, np.where(grey == grey[3, 4], 255, grey), atol=1e-4
    )


def test_a_pad_is_opaque_and_scaled_down() -> None:
    # what a canvas gives: RGBA, black, with white strokes
    pad = np.zeros((280, 280, 4), np.uint8)
    pad[..., 3] = 255
    pad[100:140, 60:220, :3] = 255
    done = prepare(stored(pad), (28, 28, 1), True, ["grey", "crop-and-resize"])
    assert names(done) == ["grey", "resize", "divide by 255"]
    expected = np.zeros((28, 28))
    expected[10:14, 6:22] = 1
    np.testing.assert_array_equal(done["array"][0, :, :, 0], expected)
    assert done["steps"][-1]["range"] == [0.0, 1.0]


def test_palettes_and_single_bits_are_read_as_what_they_stand_for() -> None:
    color = Image.fromarray(pixels(7, 9, 3)).quantize(5)
    done = prepare(stored(color), (7, 9, 3), True)
    np.testing.assert_allclose(done["array"][0] * 255, np.asarray(color.convert("RGB")), atol=1e-4)
    bits = Image.fromarray(pixels(7, 9)).convert("1")
    done = prepare(stored(bits), (7, 9, 1), True)
    assert set(np.unique(done["array"])) == {0.0, 1.0}


def test_steps_are_done_in_one_order_and_only_where_there_is_something_to_do() -> None:
    data = stored(pixels(30, 20, 4))
    asked = ["resize", "invert", "grey", "background:black"]
    orders = [prepare(data, (3, 5, 1), True, order) for order in itertools.permutations(asked)]
    assert all(o["steps"] == orders[0]["steps"] for o in orders)
    assert names(orders[0]) == [
        "background:black",
        "grey",
        "invert",
        "resize",
        "divide by 255",
    ]
    fits = prepare(
        stored(pixels(3, 5)), (3, 5, 1), True, ["resize", "grey", "rgb", "background:black"]
    )
    assert names(fits) == ["divide by 255"]


# -- offers -------------------------------------------------------------------------------------------


def test_what_is_missing_is_offered_and_nothing_is_done() -> None:
    done = prepare(stored(pixels(30, 20, 4)), (7, 9, 1), True)
    assert done == {
        "offer": [
            {
                "step": "background:white",
                "or": ["background:black"],
                "why": "the picture is transparent in places, and a network has no say about what lies "
                "behind it",
            },
            {"step": "grey", "or": [], "why": "three channels where one is wanted"},
            {
                "step": "crop-and-resize",
                "or": ["resize"],
                "why": "30×20 pixels where 7×9 are wanted",
            },
        ],
        "shape": [7, 9, 1],
        "picture": {"format": "PNG", "kind": "RGBA", "shape": [30, 20]},
    }
    assert offered(prepare(stored(pixels(30, 20)), (3, 30, 20), False)) == ["rgb"]
    # of the same proportions: nothing would be cropped
    assert offered(prepare(stored(pixels(14, 18)), (7, 9, 1), True)) == ["resize"]
    assert offered(prepare(stored(pixels(14, 18, 3)), (7, 9, 3), True, ["grey"])) == [
        "rgb",
        "resize",
    ]


@given(
    mode=st.sampled_from(["1", "L", "LA", "P", "RGB", "RGBA"]),
    rows=st.integers(1, 40),
    columns=st.integers(1, 40),
    wanted=st.tuples(
        st.one_of(st.none(), st.integers(1, 30)),
        st.one_of(st.none(), st.integers(1, 30)),
        st.sampled_from([None, 1, 3]),
    ),
    channels_last=st.booleans(),
    asked=st.sets(st.sampled_from(["grey", "rgb", "invert", "background:black", "resize"])),
    second=st.booleans(),
)
def test_taking_the_offer_gives_an_array_that_fits(
    mode: str,
    rows: int,
    columns: int,
    wanted: tuple[int | None, int | None, int | None],
    channels_last: bool,
    asked: set[str],
    second: bool,
) -> None:
    data = stored(Image.fromarray(pixels(rows, columns, 4), "RGBA").convert(mode))
    sizes = [size(s) for s in wanted]
    shape = tuple(sizes) if channels_last else (sizes[2], *sizes[:2])
    done = prepare(data, shape, channels_last, sorted(asked))
    if "offer" in done:
        chosen = [one["or"][-1] if second and one["or"] else one["step"] for one in done["offer"]]
        assert set(chosen) <= set(STEPS) and not set(chosen) & asked
        done = prepare(data, shape, channels_last, [*asked, *chosen])
    array = done["array"]
    assert array.dtype == np.float32 and array.shape[0] == 1 and array.ndim == 4
    assert all(s is UNKNOWN or s == n for s, n in zip(shape, array.shape[1:], strict=True))
    assert array.min() >= 0 and array.max() <= 1
    assert names(done)[-1] == "divide by 255"
    for one, after in itertools.pairwise(done["steps"]):
        assert one["after"] == after["before"]
    for one in done["steps"]:
        assert one["range"][0] <= one["range"][1]
    assert done["steps"][-1]["after"] == list(array.shape[1:])
    assert done["steps"][-1]["range"] == [array.min(), array.max()]


# -- what cannot be -----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("data", "words"),
    [
        (b"", r"the picture cannot be read as an image \(PNG, JPEG, WEBP, BMP, GIF\): it is empty"),
        (b"%PDF-1.7 of many", r"it starts with the bytes 25 50 44 46 2d 31 2e 37 \('%PDF-1.7'\)"),
        (b"<svg/>", r"\('<svg/>'\)"),
        (b"\x00\x01", r"starts with the bytes 00 01 \('..'\)"),
        (stored(np.zeros((7, 9), np.uint8), "TIFF"), r"starts with the bytes 49 49 2a 00"),
        (stored(np.zeros((7, 9), np.uint8), "PPM"), r"starts with the bytes 50 35 0a"),
        (stored(np.zeros((70, 90), np.uint8))[:60], "the picture cannot be read as an image"),
        (
            stored(Image.new("CMYK", (9, 7)), "JPEG"),
            "has pixels of the kind CMYK; 8-bit grey or RGB",
        ),
        (stored(Image.fromarray(np.zeros((7, 9), np.uint16))), "has pixels of the kind I;16"),
    ],
)
def test_what_is_no_picture_is_said(data: bytes, words: str) -> None:
    with pytest.raises(InputError, match=words) as caught:
        prepare(data, (7, 9, 1), True)
    assert "BytesIO" not in str(caught.value)


@pytest.mark.filterwarnings("ignore:Invalid APNG")
def test_a_broken_picture_is_opened_or_refused() -> None:
    """Seeded mutations of good files: an array, an offer or an InputError, nothing else."""
    chance = random.Random(11)
    kinds = ("PNG", "JPEG", "GIF", "WEBP", "BMP")
    good = [stored(pixels(30, 20, 3), kind) for kind in kinds]
    good += [stored(Image.fromarray(pixels(30, 20)).convert("P"), kind) for kind in ("PNG", "GIF")]
    ends = {"opened": 0, "refused": 0}
    for _ in range(rounds(600, 1500)):
        data = bytearray(chance.choice(good))
        for _ in range(chance.choice((1, 2, 5))):
            at = chance.randrange(min(len(data), chance.choice((60, 10**6))))
            match chance.randrange(3):
                case 0:
                    data[at] = chance.choice((0, 1, 0x7F, 0x80, 0xFF))
                case 1:
                    data[at : at + 4] = chance.choice(
                        (b"\xff" * 4, b"\x00" * 4, b"\x7f\xff\xff\xff")
                    )
                case 2:
                    del data[at : at + chance.randrange(1, 20)]
            data = data or bytearray(b"x")
        try:
            prepare(bytes(data), (7, 9, 1), True, ["grey", "resize", "background:white"])
            ends["opened"] += 1
        except InputError as refused:
            assert str(refused).startswith("the picture ")
            ends["refused"] += 1
    assert min(ends.values()) > 100


def test_pillows_limit_is_an_error(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    data = stored(pixels(30, 20))
    (tmp_path / "large.png").write_bytes(data)
    for most in (599, 299, 10):  # Pillow warns for the first two and refuses the last
        monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", most)
        with pytest.raises(InputError, match="the picture is too large an image: "):
            prepare(data, (30, 20, 1), True)
        with pytest.raises(InputError, match=r"large.png is too large an image: "):
            as_input(tmp_path / "large.png", (30, 20, 1), True, "input")


@pytest.mark.filterwarnings("ignore::PIL.Image.DecompressionBombWarning")
def test_pillows_limit_is_an_error_where_warnings_are_none(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 599)
    with pytest.raises(
        InputError, match="the picture is too large an image: 600 pixels, 599 at most"
    ):
        prepare(stored(pixels(30, 20)), (30, 20, 1), True)
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 600)
    assert "array" in prepare(stored(pixels(30, 20)), (30, 20, 1), True)


@pytest.mark.parametrize(
    ("shape", "channels_last", "words"),
    [
        ((10,), True, r"takes \(10,\), which is no picture: give it an array in a .npy file"),
        ((7, 9), True, r"takes \(7, 9\), which is no picture"),
        ((5, 7, 9, 1), True, "which is no picture"),
        (
            (7, 9, 2),
            True,
            r"takes \(7, 9, 2\), 2 channels, and a picture has 1 \(grey\) or 3 .*\.npy",
        ),
        ((4, 7, 9), False, r"takes \(4, 7, 9\), 4 channels"),
    ],
)
def test_a_network_that_takes_no_pictures(
    shape: tuple[int, ...], channels_last: bool, words: str
) -> None:
    with pytest.raises(InputError, match=words):
        prepare(stored(pixels(7, 9)), shape, channels_last)


@pytest.mark.parametrize(
    ("steps", "words"),
    [
        (
            ["gray"],
            r"there is no step 'gray' \(did you mean 'grey'\?\): the steps are background:white",
        ),
        (["divide by 255"], "there is no step"),
        ([["grey"]], r"there is no step \['grey'\]"),
        ([None], "there is no step None"),
        (["resize", "crop-and-resize"], "crop-and-resize and resize cannot both be done"),
        (["background:black", "background:white"], "cannot both be done"),
    ],
)
def test_steps_that_cannot_be(steps: list[Any], words: str) -> None:
    with pytest.raises(InputError, match=words):
        prepare(stored(pixels(7, 9)), (7, 9, 1), True, steps)
