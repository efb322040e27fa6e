"""An uploaded picture becomes the array that a network takes: in steps that are shown, each with its numbers.

No step is taken that was not asked for, except the last two, which every picture goes through: the
channel axis comes first where the network wants it so, and the pixels become the numbers that the
network takes (divided by 255, unless it or somebody says otherwise). Where a step is missing, the
answer is an offer of it.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from convscope.engine.images import as_input, flat, open_image, plain, transparent
from convscope.engine.pixels import Scale, scale_named
from convscope.equations.layout import Layout
from convscope.errors import InputError, did_you_mean
from convscope.notation.sizes import Shape, is_known, shape_text

if TYPE_CHECKING:
    from PIL.Image import Image

STEPS = (
    "background:white",
    "background:black",
    "grey",
    "rgb",
    "invert",
    "crop-and-resize",
    "resize",
)
"""What can be asked for, in the order in which it is done."""

WORDS = {
    "background": "value = α · pixel + (1 − α) · {value}: on a {color} background",
    "see-through": "the picture is transparent in places, and a network has no say about what lies behind it",
    "grey": "grey = 0.299·R + 0.587·G + 0.114·B, rounded",
    "rgb": "R = G = B = grey",
    "one of three": "three channels where one is wanted",
    "three of one": "one channel where three are wanted",
    "invert": "value = 255 − value",
    "crop": "the middle {part} of {have}",
    "size": "{have} pixels where {wanted} are wanted",
    "smaller": "{have} → {wanted}: each pixel is the mean of the box that it covers, rounded",
    "larger": "{have} → {wanted}: between the nearest pixels in proportion (bilinear), rounded",
    "channels first": "{have} → {wanted}: the channel axis comes first",
}
"""What is said of each step, and of each that is missing; the explorer's file, which takes the steps itself, is told it."""


def prepare(
    picture: bytes | Image,
    shape: Shape,
    channels_last: bool,
    steps: Sequence[str] = (),
    name: str = "the picture",
    pixels: str = "0-1",
    told: bool = True,
) -> dict[str, Any]:
    """Return the array that a network takes for a picture, with the steps that led there, or an offer.

    picture   the bytes of a PNG, JPEG, WebP, BMP or GIF, or a Pillow image
    shape     what the network takes, without the batch: rows, columns and channels, some perhaps unknown
    steps     those that were asked for, from `STEPS`; one that this picture does not need is left out
    pixels    how its pixels become numbers, a name of `engine.pixels.SCALES`
    told      whether to tell the steps, which takes longer than most of them; else "steps" is empty

    Returns {"array": (1, *shape) float32, "steps": [{"step", "words", "before", "after", "range"}],
    "picture": {"format", "kind", "shape"}}, with the shapes before and after each step and the smallest
    and the largest value after it. When steps are missing: {"offer": [{"step", "or", "why"}], "shape",
    "picture"}: asking for the same steps and each one that is offered (or one of "or") gives the array. Raises `InputError` for what is no picture, for steps that nobody knows, and for a network
    that takes no pictures.
    """
    _check(shape, channels_last, steps)
    image = open_image(picture, name) if isinstance(picture, bytes) else picture
    kind = {"format": image.format, "kind": image.mode, "shape": [image.height, image.width]}
    work = _Work(plain(image, name), shape, channels_last, frozenset(steps), told)
    work.background()
    work.color()
    work.invert()
    work.size()
    if work.offer:
        wanted = [s if is_known(s) else None for s in shape]
        return {"offer": work.offer, "shape": wanted, "picture": kind}
    array = as_input(work.image, shape, channels_last, name, pixels)
    if told:
        work.finish(array, scale_named(pixels))
    return {"array": array, "steps": work.done, "picture": kind}


def _check(shape: Shape, channels_last: bool, steps: Sequence[str]) -> None:
    if len(shape) != 3:
        raise InputError(
            f"the network takes {shape_text(shape)}, which is no picture: give it an array in a .npy "
            f"file, as in convscope explore MODEL --image x.npy"
        )
    _, channels = Layout(channels_last).split(shape)
    if is_known(channels) and channels not in (1, 3):
        raise InputError(
            f"the network takes {shape_text(shape)}, {channels} channels, and a picture has 1 (grey) "
            f"or 3 (RGB): give it an array in a .npy file, as in convscope explore MODEL --image x.npy"
        )
    check_steps(steps)


def check_steps(steps: Sequence[str]) -> None:
    """Raise `InputError` for a step that nobody knows, and for two that exclude one another."""
    for step in steps:
        if not isinstance(step, str) or step not in STEPS:
            raise InputError(
                f"there is no step {step!r}{did_you_mean(str(step), STEPS)}: the steps are {', '.join(STEPS)}"
            )
    for one, other in (("background:white", "background:black"), ("crop-and-resize", "resize")):
        if one in steps and other in steps:
            raise InputError(f"{one} and {other} cannot both be done")


class _Work:
    """A picture under way: what was done to it, and what would have to be."""

    def __init__(
        self, image: Image, shape: Shape, channels_last: bool, steps: frozenset[str], told: bool
    ) -> None:
        self.image, self.told = image, told
        space, self.channels = Layout(channels_last).split(shape)
        self.rows, self.columns = space
        self.channels_last = channels_last
        self.steps = steps
        self.done: list[dict[str, Any]] = []
        self.offer: list[dict[str, Any]] = []

    def _do(self, step: str, words: str, image: Image) -> None:
        """Note that a step led from the picture at hand to another."""
        before, self.image = self.image, image
        if not self.told:
            return
        low, high = _range(image)
        self.done.append(
            {
                "step": step,
                "words": words,
                "before": _shape(before),
                "after": _shape(image),
                "range": [low, high],
            }
        )

    def _miss(self, step: str, why: str, *others: str) -> None:
        self.offer.append({"step": step, "or": list(others), "why": why})

    def background(self) -> None:
        """Put a transparent picture on a background; an opaque one only loses the channel that says so."""
        if not transparent(self.image):
            self.image = flat(self.image)
            return
        for color, value in (("white", 255), ("black", 0)):
            if f"background:{color}" in self.steps:
                words = WORDS["background"].format(value=value, color=color)
                self._do(f"background:{color}", words, _on(self.image, value))
                return
        self._miss("background:white", WORDS["see-through"], "background:black")
        self.image = _on(self.image, 255)  # to see what else would be missing

    def color(self) -> None:
        """Bring the picture to the number of channels that is wanted."""
        if self.image.mode == "RGB" and "grey" in self.steps:
            self._do("grey", WORDS["grey"], self.image.convert("L"))
        if self.image.mode == "L" and "rgb" in self.steps and self.channels != 1:
            self._do("rgb", WORDS["rgb"], self.image.convert("RGB"))
        have = len(self.image.getbands())
        if not is_known(self.channels) or have == self.channels:
            return
        if have == 3:
            self._miss("grey", WORDS["one of three"])
        else:
            self._miss("rgb", WORDS["three of one"])

    def invert(self) -> None:
        """Turn dark into bright: a network that learnt white strokes on black sees black ones on white."""
        if "invert" in self.steps:
            from PIL import ImageOps

            self._do("invert", WORDS["invert"], ImageOps.invert(self.image))

    def size(self) -> None:
        """Bring the picture to the rows and columns that are wanted; an unknown number is its own."""
        have = (self.image.height, self.image.width)
        rows = self.rows if is_known(self.rows) else have[0]
        columns = self.columns if is_known(self.columns) else have[1]
        if have == (rows, columns):
            return
        if "crop-and-resize" in self.steps:
            part = _middle(have, (rows, columns))
            if part != have:
                words = WORDS["crop"].format(part=_by(part), have=_by(have))
                self._do("crop", words, _cropped(self.image, part))
        elif "resize" not in self.steps:
            why = WORDS["size"].format(have=_by(have), wanted=_by((rows, columns)))
            whole = _middle(have, (rows, columns)) == have
            self._miss(*(("resize", why) if whole else ("crop-and-resize", why, "resize")))
            return
        if (self.image.height, self.image.width) != (rows, columns):
            now = (self.image.height, self.image.width)
            smaller = all(have >= want for have, want in zip(now, (rows, columns), strict=True))
            words = WORDS["smaller" if smaller else "larger"]
            words = words.format(have=_by(now), wanted=_by((rows, columns)))
            self._do("resize", words, _resized(self.image, rows, columns, smaller))

    def finish(self, array: Any, scale: Scale) -> None:
        """Note the last steps, which led to the array."""
        before = _shape(self.image)
        low, high = _range(self.image)
        if not self.channels_last:
            first = [before[2], *before[:2]]
            words = WORDS["channels first"].format(
                have=shape_text(before), wanted=shape_text(first)
            )
            self.done.append(
                {
                    "step": "channels first",
                    "words": words,
                    "before": before,
                    "after": first,
                    "range": [low, high],
                }
            )
            before = first
        self.done.append(
            {
                "step": scale.step,
                "words": scale.words,
                "before": before,
                "after": list(array.shape[1:]),
                "range": [float(array.min()), float(array.max())],
            }
        )


def _by(size: tuple[int, int]) -> str:
    return f"{size[0]}×{size[1]}"


def _middle(have: tuple[int, int], wanted: tuple[int, int]) -> tuple[int, int]:
    """Return the largest rows and columns of the wanted proportion, at least one of each.

    >>> _middle((100, 60), (28, 28)), _middle((30, 400), (28, 56)), _middle((56, 56), (28, 28))
    ((60, 60), (30, 60), (56, 56))
    """
    rows, columns = have
    tall, wide = wanted
    if rows * wide > columns * tall:
        return max(1, columns * tall // wide), columns
    return rows, max(1, rows * wide // tall)


def _cropped(image: Image, part: tuple[int, int]) -> Image:
    top, left = (image.height - part[0]) // 2, (image.width - part[1]) // 2
    return image.crop((left, top, left + part[1], top + part[0]))


def _resized(image: Image, rows: int, columns: int, smaller: bool) -> Image:
    """Return an image of another size, rounded once: Pillow itself rounds after each axis."""
    import numpy as np
    from PIL import Image as pillow

    way = pillow.Resampling.BOX if smaller else pillow.Resampling.BILINEAR
    bands = [b.convert("F").resize((columns, rows), way) for b in image.split()]
    whole = [pillow.fromarray(np.rint(np.asarray(b)).astype(np.uint8)) for b in bands]
    return pillow.merge(image.mode, whole)


def _on(image: Image, value: int) -> Image:
    from PIL import Image as pillow

    above = flat(image)
    below = pillow.new(above.mode, above.size, (value,) * len(above.getbands()))
    return pillow.composite(above, below, image.getchannel("A"))


def _shape(image: Image) -> list[int]:
    return [image.height, image.width, len(image.getbands())]


def _range(image: Image) -> tuple[int, int]:
    """Return the smallest and the largest number of any band."""
    import numpy as np

    ends = np.asarray(image.getextrema())
    return int(ends.min()), int(ends.max())
