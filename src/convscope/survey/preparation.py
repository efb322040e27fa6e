"""How the images of a data set become what the network takes: one way for all, said before it starts."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from convscope.engine.images import as_input, as_taken, flat, open_image, plain
from convscope.engine.pixels import Chosen, applied
from convscope.engine.preparing import STEPS, WORDS, check_steps, prepare
from convscope.equations.layout import Layout
from convscope.errors import InputError
from convscope.notation.sizes import Shape, is_known, shape_text
from convscope.survey.data import Item, Source
from convscope.typed import Array

AS_THEY_ARE = "numbers as they are in the array"
"""What is done to an array that holds no pixels: nothing."""

LOOKED_AT = 16
"""So many images are looked at before a survey starts."""


class Preparation:
    """What is done to every image.

    shape     what the network takes, without the batch
    steps     of `engine.preparing.STEPS`, as they were asked for
    pixels    how pixels become numbers, and why
    kind      the type of numbers that the network takes
    words     what is done to every image, for people
    """

    def __init__(
        self, name: str, shape: Shape, channels_last: bool, pixels: Chosen, steps: Sequence[str],
        kind: str = "float32",
    ) -> None:  # fmt: skip
        self.name, self.shape, self.channels_last, self.kind = name, shape, channels_last, kind
        check_steps(steps)
        self.pixels, self.steps = pixels, tuple(steps)
        self.words: list[str] = []

    def apply(self, item: Item) -> Array:
        """Return the array, (1, *shape), in the type that is taken; raise `InputError`, which says why not."""
        made, _ = self._made(item, told=False)
        return as_taken(made, self.kind, item.name)

    def together(
        self, items: Sequence[Item]
    ) -> tuple[Array | None, list[Item], list[tuple[Item, str]]]:
        """Return images as one array, (n, *shape), those that are in it, and those that cannot be taken, with why."""
        found = self._alike(items)
        if found is not None:
            return found, list(items), []
        made: list[Array] = []
        good: list[Item] = []
        bad: list[tuple[Item, str]] = []
        for item in items:
            try:
                made.append(self.apply(item))
                good.append(item)
            except InputError as error:
                bad.append((item, str(error)))
        return np.concatenate(made) if made else None, good, bad

    def _alike(self, items: Sequence[Item]) -> Array | None:
        """Return arrays of one shape and type as one; None where they are not, or one of them cannot be taken."""
        first = items[0].content
        if type(first) is not np.ndarray or not first.ndim:
            return None
        shape, kind = first.shape, first.dtype
        held = [item.content for item in items]
        if not all(type(a) is np.ndarray and a.shape == shape and a.dtype == kind for a in held):
            return None
        try:
            one = self.apply(items[0])
            return as_taken(np.concatenate(held).reshape(-1, *one.shape[1:]), self.kind, self.name)
        except InputError:
            return None

    def _made(self, item: Item, told: bool = True) -> tuple[Array, list[str]]:
        if item.content is None:
            raise InputError(item.why)
        if _picture(item) and len(self.shape) != 3:
            return self._flat(item)
        if _picture(item):
            found = prepare(
                item.content,
                self.shape,
                self.channels_last,
                self.steps,
                item.name,
                self.pixels.name,
                told,
            )
            if "offer" in found:
                raise _Unfit(item.name, found["offer"])
            done = [step for step in found["steps"] if step["step"] not in (*STEPS, "crop")]
            words = [f"{step['step']}: {step['words']}" for step in done]
            return found["array"], [*self._asked(), *words]
        array = as_input(item.content, self.shape, self.channels_last, item.name)
        return array, [AS_THEY_ARE]

    def _asked(self) -> list[str]:
        """Return what becomes of each image by the steps that were asked for: some need it and some do not."""
        space, _ = Layout(self.channels_last).split(self.shape)
        wanted = "×".join(map(str, space))
        means = (
            "smaller by the means of boxes, larger between the nearest pixels (bilinear), rounded"
        )
        words = {
            "background:white": "where it is transparent, "
            + WORDS["background"].format(value=255, color="white"),
            "background:black": "where it is transparent, "
            + WORDS["background"].format(value=0, color="black"),
            "grey": f"where it has colours, {WORDS['grey']}",
            "rgb": f"where it is grey, {WORDS['rgb']}",
            "invert": WORDS["invert"],
        }
        if all(map(is_known, space)):
            part = "the middle, as large as its proportions allow"
            words["crop-and-resize"] = f"where it is not {wanted}, {part} → {wanted}: {means}"
            words["resize"] = f"where it is not {wanted}, all of it → {wanted}: {means}"
        return [f"{step}: {words[step]}" for step in STEPS if step in self.steps and step in words]

    def _flat(self, item: Item) -> tuple[Array, list[str]]:
        """Return the pixels of a picture for a network whose input has no axis of channels: (28, 28)."""
        given = item.content
        image = flat(
            plain(open_image(given, item.name) if isinstance(given, bytes) else given, item.name)
        )
        pixels = np.asarray(image)
        scale = self.pixels.scale
        numbers = applied(scale, pixels[..., None] if pixels.ndim == 2 else pixels, item.name)
        numbers = numbers[..., 0] if numbers.shape[-1] == 1 else numbers
        array = as_input(numbers, self.shape, self.channels_last, item.name)
        return array, [f"{scale.step}: {scale.words}"]

    @property
    def pictures(self) -> bool:
        """Whether the images are pictures, whose pixels become numbers."""
        return self.words != [AS_THEY_ARE]

    def pixels_of(self, item: Item) -> Array:
        """Return the image as it goes in, as pixels: uint8 of the network's shape, without the batch.

        An array's numbers become pixels from its smallest, 0, to its largest, 255.
        """
        pixels: Array
        if _picture(item) and len(self.shape) == 3:
            last, name = self.channels_last, item.name
            found = prepare(item.content, self.shape, last, self.steps, name, "0-255")
            pixels = found["array"][0].astype(np.uint8)
            return pixels
        numbers = np.nan_to_num(self.apply(item)[0].astype(np.float64))
        low, high = numbers.min(), numbers.max()
        pixels = np.rint((numbers - low) * (255 / (high - low or 1))).astype(np.uint8)
        return pixels

    def begin(self, source: Source) -> Item:
        """Look at the first images: return the first that can be taken, and fix the shape to its own.

        Raises `InputError` where none of them can, or where they do not fit in one way; it says which
        steps would do.
        """
        ahead = getattr(source, "ahead", None)
        looked = ahead(LOOKED_AT) if ahead else list(source.items(0, LOOKED_AT))
        if not looked:
            raise InputError("there are no images")
        first: Item | None = None
        sizes: dict[tuple[int, ...], str] = {}
        why: Exception | None = None
        for item in looked:
            try:
                made, words = self._made(item)
            except _Unfit as error:
                raise error.told(len({_size(i) for i in looked} - {None})) from error
            except InputError as error:
                said = str(error).removeprefix(f"{item.name} ")
                why = why or InputError(f"{item.name}: {said}")
                continue
            sizes.setdefault(made.shape[1:], item.name)
            if first is None:
                first, self.words = item, words
        if first is None:
            raise InputError(
                f"none of the first {len(looked)} images can be taken; the first: {why}"
            )
        if len(sizes) > 1:
            told = ", ".join(f"{name} {shape_text(size)}" for size, name in list(sizes.items())[:3])
            raise InputError(
                f"the images are of several sizes ({told}) and {self.name} leaves its own open: give "
                f"it one, --size 224, and bring the images to it, --prepare crop-and-resize"
            )
        self.shape = next(iter(sizes))
        return first

    def told(self) -> dict[str, Any]:
        """Return it as plain data."""
        return {
            "shape": [s if is_known(s) else None for s in self.shape],
            "pixels": self.pixels.name if self.pictures else None,
            "why": self.pixels.why if self.pictures else None,
            "asked": list(self.steps),
            "steps": self.words,
        }


def _picture(item: Item) -> bool:
    return isinstance(item.content, bytes) or hasattr(item.content, "getbands")


class _Unfit(InputError):
    """A picture that would have to be changed, and nobody has said how."""

    def __init__(self, name: str, offers: list[dict[str, Any]]) -> None:
        self.name, self.offers = name, offers
        super().__init__("; ".join(offer["why"] for offer in offers))

    def told(self, sizes: int) -> InputError:
        """Return the error of a survey that cannot begin."""
        steps = " ".join(f"--prepare {offer['step']}" for offer in self.offers)
        others = [step for offer in self.offers for step in offer["or"]]
        more = f" (or {', '.join(others)})" if others else ""
        several = f"; the first images are of {sizes} sizes" if sizes > 1 else ""
        return InputError(
            f"{self.name} does not fit: {self}{several}. Nothing is changed unasked: {steps} would do{more}"
        )


def _size(item: Item) -> tuple[int, ...] | None:
    """Return the size of a picture, as far as it can be read."""
    try:
        if isinstance(item.content, bytes):
            return open_image(item.content, item.name).size
        size: tuple[int, ...] | None = getattr(item.content, "size", None)
    except InputError:
        return None
    return size if isinstance(size, tuple) else None
