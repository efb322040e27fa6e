"""Exercises and their answers, made when the site is built: small networks, drawn from a seed, and what convscope says of them.

The questions are on one page and the answers on another, so that both can be printed. The same seed gives the same exercises.
"""

from __future__ import annotations

import random
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

if TYPE_CHECKING:
    from sphinx.application import Sphinx

PAGES = Path(__file__).parents[1] / "generated" / "exercises"
SEED = 64
EACH = 4


class Exercise(NamedTuple):
    """A question, its answer, and how one gets there."""

    question: str
    answer: str
    because: str


def sizes(dice: random.Random) -> tuple[int, int]:
    """Return a height and a width that differ."""
    high = dice.randrange(12, 40)
    return high, high + dice.choice((-3, 2, 4, 7))


def told(layer: Any, shape: tuple[int, ...]) -> tuple[dict[str, Any], list[str]]:
    """Return the facts of a layer on an input, and the reasons for its shape."""
    from convscope import Sequential

    layer.input_shape = shape
    net = Sequential([layer])
    return net.facts().to_dict()["layers"][0], net.explain(0).to_dict()["reasons"]


def by(shape: Any) -> str:
    return "×".join(str(s) for s in shape if s is not None)


def shapes(dice: random.Random) -> Exercise:
    from convscope import Conv2D

    high, wide = sizes(dice)
    maps, filters = dice.choice((1, 3, 8, 16)), dice.choice((6, 12, 24, 32))
    kernel, stride, padding = (
        dice.choice((3, 5)),
        dice.choice((1, 2, 3)),
        dice.choice(("valid", "same")),
    )
    row, reasons = told(
        Conv2D(filters, kernel, strides=stride, padding=padding), (high, wide, maps)
    )
    return Exercise(
        f'{high}×{wide}×{maps} numbers go into `Conv2D({filters}, {kernel}, strides={stride}, padding="{padding}")`. What comes out?',
        by(row["output_shape"]),
        "; ".join(reasons),
    )


def parameters(dice: random.Random) -> Exercise:
    from convscope import Conv2D

    groups = dice.choice((1, 1, 2, 4))
    maps, filters, kernel = (
        4 * dice.randrange(1, 9),
        4 * dice.randrange(2, 13),
        dice.choice((1, 3, 5)),
    )
    row, _ = told(Conv2D(filters, kernel, groups=groups), (20, 22, maps))
    said = f", groups={groups}" if groups > 1 else ""
    depth = f"{maps}/{groups}" if groups > 1 else str(maps)
    return Exercise(
        f"How many parameters has `Conv2D({filters}, {kernel}{said})` on {maps} maps, biases included?",
        f"{row['params']:,}",
        f"{kernel}·{kernel}·{depth} weights a filter, {filters} filters, {filters} biases",
    )


def work(dice: random.Random) -> Exercise:
    from convscope import Conv2D, DepthwiseConv2D

    high, wide = sizes(dice)
    maps, filters, kernel = (
        dice.choice((8, 12, 16)),
        dice.choice((10, 20, 24)),
        dice.choice((1, 3, 5)),
    )
    deep = dice.random() < 0.4
    layer = DepthwiseConv2D(kernel) if deep else Conv2D(filters, kernel)
    name = f"DepthwiseConv2D({kernel})" if deep else f"Conv2D({filters}, {kernel})"
    row, _ = told(layer, (high, wide, maps))
    out = by(row["output_shape"])
    each = kernel * kernel * (1 if deep else maps)
    return Exercise(
        f"How many multiply–accumulates does `{name}` make on {high}×{wide}×{maps}?",
        f"{row['macs']:,}",
        f"{each} products for each of {out} outputs",
    )


def fields(dice: random.Random) -> Exercise:
    from convscope import Conv2D, MaxPooling2D, Sequential

    net = Sequential(name="net")
    words = []
    for number in range(3):
        first = {"input_shape": (64, 64, 3)} if number == 0 else {}
        if number == 1 and dice.random() < 0.5:
            net.add(MaxPooling2D(2))
            words.append("`MaxPooling2D(2)`")
        else:
            kernel, stride = dice.choice((3, 5, 7)), dice.choice((1, 2))
            net.add(Conv2D(4, kernel, strides=stride, **first))
            words.append(f"`Conv2D(4, {kernel}, strides={stride})`")
    rows = net.facts().to_dict()["layers"]
    steps = ", ".join(
        f"{row['receptive_field']['size'][0]} (jump {row['receptive_field']['stride'][0]})"
        for row in rows
    )
    return Exercise(
        f"{', '.join(words[:-1])} and {words[-1]}, one after the other. How much of the image does one number of the last see?",
        by(rows[-1]["receptive_field"]["size"]),
        f"along an axis: {steps}",
    )


def window(name: str, layer: Any, shape: tuple[int, int, int]) -> Exercise:
    row, reasons = told(layer, shape)
    return Exercise(
        f"What shape comes out of `{name}` on {by(shape)}?",
        by(row["output_shape"]),
        "; ".join(reasons),
    )


def dilated(dice: random.Random) -> Exercise:
    from convscope import Conv2D

    kernel, rate = dice.choice((2, 3, 4)), dice.choice((2, 3))
    name = f"Conv2D(5, {kernel}, dilation_rate={rate})"
    return window(name, Conv2D(5, kernel, dilation_rate=rate), (*sizes(dice), 7))


def transposed(dice: random.Random) -> Exercise:
    from convscope import Conv2DTranspose

    kernel, stride = dice.choice((2, 3, 4)), dice.choice((2, 3))
    name = f"Conv2DTranspose(5, {kernel}, strides={stride})"
    return window(name, Conv2DTranspose(5, kernel, strides=stride), (*sizes(dice), 7))


def pooled(dice: random.Random) -> Exercise:
    from convscope import MaxPooling2D

    size, stride = dice.choice((2, 3)), dice.choice((2, 3))
    name = f"MaxPooling2D({size}, strides={stride})"
    return window(name, MaxPooling2D(size, strides=stride), (*sizes(dice), 7))


def slopes(dice: random.Random) -> Exercise:
    import numpy as np

    from convscope import Conv2D, Sequential

    rng = np.random.default_rng(dice.randrange(1000))
    image, kernel = rng.integers(1, 9, (3, 4)), rng.integers(-3, 4, (2, 2))
    net = Sequential(
        [
            Conv2D(
                1,
                2,
                use_bias=False,
                input_shape=(3, 4, 1),
                weights=[kernel[..., None, None].astype(np.float32)],
            )
        ]
    )
    y, x, i, j = (dice.randrange(n) for n in (2, 3, 2, 2))
    led = net.run(image[..., None].astype(np.float32)).gradient(
        of=(0, (y, x, 0)), to=f"{net.layers[0].name}.kernel"
    )
    grid = " / ".join(" ".join(map(str, row)) for row in image)
    return Exercise(
        f"An image of 3×4, row by row: **{grid}**. A 2×2 filter goes over it, without padding or activation. By how much does output ({y}, {x}) "
        f"grow when the filter's weight at row {i}, column {j} grows by 1?",
        f"{led.array[i, j, 0, 0]:g}",
        f"that weight meets the image at row {y} + {i}, column {x} + {j}, whatever the weights are",
    )


def numbers(dice: random.Random) -> Exercise:
    import numpy as np

    from convscope import Conv2D, Sequential

    rng = np.random.default_rng(dice.randrange(1000))
    window, kernel = rng.integers(-2, 4, (2, 2, 2)), rng.integers(-2, 3, (2, 2, 2))
    bias = int(rng.integers(-3, 4))
    net = Sequential(
        [
            Conv2D(
                1,
                2,
                activation="relu",
                input_shape=(2, 2, 2),
                weights=[kernel[..., None].astype(np.float32), np.array([bias], np.float32)],
            )
        ]
    )
    found = net.run(window.astype(np.float32)).output[0, 0, 0]

    def grid(values: Any) -> str:
        return " / ".join(" ".join(f"{v}".replace("-", "−") for v in row) for row in values)

    sums = [int((window[..., c] * kernel[..., c]).sum()) for c in range(2)]
    return Exercise(
        f"Two maps of 2×2, row by row: **{grid(window[..., 0])}** and **{grid(window[..., 1])}**. One filter, its slices **{grid(kernel[..., 0])}** and "
        f"**{grid(kernel[..., 1])}**, its bias {bias}, then a ReLU. Which number comes out?".replace(
            "-", "−"
        ),
        f"{found:g}",
        f"{sums[0]} + {sums[1]} + {bias} = {sum(sums) + bias}, and ReLU".replace("-", "−").replace(
            "+ −", "− "
        ),
    )


KINDS: dict[str, tuple[Callable[[random.Random], Exercise], ...]] = {
    "One number": (numbers,),
    "Shapes": (shapes,),
    "Parameters": (parameters,),
    "Work": (work,),
    "Receptive fields": (fields,),
    "Dilated, transposed and pooling windows": (dilated, transposed, pooled),
    "Gradients": (slopes,),
}


def pages() -> dict[str, str]:
    """Return both pages."""
    dice = random.Random(SEED)
    asked = [
        "# Exercises\n\n"
        + "Made when this site was built; [the answers](answers.md) are convscope's own. Both pages print on paper as they are. "
        + "`docs/making/exercises.py` makes others from another seed.\n"
    ]
    told_ = ["# Answers\n\nTo the [exercises](exercises.md).\n"]
    count = 0
    for title, makers in KINDS.items():
        asked.append(f"## {title}\n")
        told_.append(f"## {title}\n")
        for n in range(EACH):
            count += 1
            exercise = makers[n % len(makers)](dice)
            asked.append(f"**{count}.** {exercise.question}\n")
            told_.append(f"**{count}.** **{exercise.answer}**: {exercise.because}.\n")
    asked.append(
        "## To think about\n\n"
        f"**{count + 1}.** A layer of 3×3 filters reads 32 maps and makes 64. A colleague says it holds 64 small 3×3 pictures. How many does it hold?\n\n"
        f"**{count + 2}.** Which layer has no weights, and still changes what a later layer can see?\n\n"
        f"**{count + 3}.** An image becomes twice as wide and high. Which numbers of a convolution change: its parameters, its MACs, its receptive field?\n"
    )
    told_.append(
        "## To think about\n\n"
        f"**{count + 1}.** 64·32 = 2,048: every filter has a slice for each input map. They still make 64 maps, since each filter's slices are "
        "[added up](../../learn/why_64.md).\n\n"
        f"**{count + 2}.** A [pooling](../../learn/pooling.md) layer: its stride makes every later window reach further.\n\n"
        f"**{count + 3}.** Its MACs, to about four times as many. Neither its parameters nor its receptive field.\n"
    )
    return {"exercises": "\n".join(asked), "answers": "\n".join(told_)}


def generate(app: Sphinx) -> None:
    for name, text in pages().items():
        path = PAGES / f"{name}.md"
        if not path.exists() or path.read_text(encoding="utf-8") != text:
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text, encoding="utf-8")


def setup(app: Sphinx) -> dict[str, bool]:
    app.connect("builder-inited", generate)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
