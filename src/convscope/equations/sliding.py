"""How a window moves over a map: where it reads, how often it fits, what lies around.

    y·s + i·d − top              convolution, pooling
    (y + top − i·d) / s          transposed convolution, only where that is whole

All of it is about spatial axes alone, so it holds in every layout.
"""

from __future__ import annotations

from collections.abc import Sequence

from convscope.equations.layout import (
    MAP_NAMES,
    WORDS,
    Layout,
    map_axes,
    window_axes,
)
from convscope.equations.stating import all_known
from convscope.errors import ShapeError
from convscope.notation import Axis, Index, Read, Size, Tensor, exactly
from convscope.notation.expression import Outside, Padding
from convscope.notation.sizes import ceil_div, counted, is_known, largest, show, surely_less, tidy
from convscope.typed import TYPE_CHECKING, Record

if TYPE_CHECKING:
    from typing import Any, TypeAlias

Pads: TypeAlias = Sequence[Padding] | str
"""(before, after) for each axis; or valid, same (the odd one after), same_lower (before) or causal."""


class Slide(Record):
    """A window moving over a map.

    out    the output's spatial axes
    taps   the window's axes
    at     where it reads, for each axis of the map
    pads   how far that may lie outside: (before, after) for each axis
    scattered   whether the map is spread over windows instead
    """

    out: tuple[Axis, ...]
    taps: tuple[Axis, ...]
    at: tuple[Index, ...]
    pads: tuple[Padding, ...]
    scattered: bool = False

    def read(self, image: Tensor, channel: Any, layout: Layout, outside: Outside = "zero") -> Read:
        """Return what the window reads of one channel of a map."""
        where = layout.image(channel, self.at)
        return image.padded(layout.borders(self.pads), outside, self.scattered)[where]


def slide(
    sizes: Sequence[Size],
    window: Sequence[Size],
    strides: Sequence[Size] | None = None,
    dilation: Sequence[Size] | None = None,
    padding: Pads = "valid",
    ceil: bool = False,
) -> Slide:
    """Return how a window of this size moves over a map of these sizes.

    With `ceil` a last window may reach past the padding (what lies there is as far outside as the
    padding), if it begins in the map or in the padding before it. Raises `ShapeError` where even one
    window does not fit, `NoEquation` where a size that `ceil` asks for is no number.
    """
    strides, dilation = strides or (1,) * len(sizes), dilation or (1,) * len(sizes)
    pads = paddings(padding, sizes, window, strides, dilation)
    same = isinstance(padding, str) and padding.startswith("same")
    if ceil and not same:
        out, pads = _rounded_up(sizes, window, strides, dilation, pads)
    else:
        out = tuple(
            # what is left open is solved by the equation; of a symbolic size that would hide the rule
            Axis(
                name,
                ceil_div(n, s),
                word,
                f"`same` padding gives one for every {show(s)} of {show(n)}, rounded up",
            )
            if same and not (is_known(n) and is_known(s))
            else Axis(name, None, word)
            for name, word, n, s in zip(
                MAP_NAMES[len(sizes)], WORDS[len(sizes)], sizes, strides, strict=True
            )
        )
    taps = window_axes(window)
    at = tuple(
        y * s + i * d - before
        for y, i, s, d, (before, _) in zip(out, taps, strides, dilation, pads, strict=True)
    )
    return Slide(out, taps, at, pads)


def _rounded_up(
    sizes: Sequence[Size],
    window: Sequence[Size],
    strides: Sequence[Size],
    dilation: Sequence[Size],
    pads: Sequence[Padding],
) -> tuple[tuple[Axis, ...], tuple[Padding, ...]]:
    """Return the output's axes where a last window may reach past the padding, and the border it needs."""
    all_known(sizes)
    counts, wider = [], []
    for n, k, s, d, (before, after) in zip(sizes, window, strides, dilation, pads, strict=True):
        reach = (k - 1) * d + 1
        count = ceil_div(n + before + after - reach, s) + 1
        if (count - 1) * s >= n + before:
            count -= 1
        if count < 1:
            raise ShapeError(f"a window of {reach} does not fit in {n} positions")
        counts.append(count)
        wider.append((before, max((count - 1) * s + reach - n - before, after)))
    return map_axes(counts), tuple(wider)


def spread(
    sizes: Sequence[Size],
    window: Sequence[Size],
    strides: Sequence[Size],
    dilation: Sequence[Size],
    crops: Sequence[Padding],
    what: str,
) -> Slide:
    """Return how a window moves when every position is spread over a window of outputs.

    crops   how much of the full spread, (size − 1) · stride + reach, is cut off: (before, after);
            negative where outputs are added instead
    what    whose window it is, for the `ShapeError` where nothing is left
    """
    rank = len(sizes)
    taps = window_axes(window)
    out, at, borders = [], [], []
    for name, word, n, i, s, d, (before, after) in zip(
        MAP_NAMES[rank], WORDS[rank], sizes, taps, strides, dilation, crops, strict=True
    ):
        reach = (i.size - 1) * d + 1
        full = tidy((n - 1) * s + reach)
        cut = tidy(before + after)
        length = tidy(n * s + tidy(reach - cut - s))
        if surely_less(length, 1):
            raise ShapeError(
                f"{what} leaves nothing: {show(n)} {word}s spread to {show(full)}, of which {show(cut)} are cut off"
            )
        why = f"{counted(n, word)}, spread {show(s)} apart and {show(reach)} wide each, cover {show(full)}"
        if surely_less(0, cut):
            why += f", of which {show(before)} before and {show(after)} after are cut off"
        elif surely_less(cut, 0):
            why += f", and {show(-cut)} more after"
        elif not is_known(cut):
            first = "" if is_known(before) and before == 0 else f"{show(before)} before and "
            why += f"; {first}{show(after)} after are cut off, or put there where that is below 0"
        y = Axis(name, length, word, why)
        index = exactly(y + before - i * d, s)
        low, high = index.bounds({y: (0, length - 1), i: (0, i.size - 1)})
        out.append(y)
        at.append(index)
        borders.append((largest(tidy(-low), 0), largest(tidy(high - n + 1), 0)))
    return Slide(tuple(out), taps, tuple(at), tuple(borders), scattered=True)


def paddings(
    padding: Pads,
    sizes: Sequence[Size],
    window: Sequence[Size],
    strides: Sequence[Size],
    dilation: Sequence[Size],
) -> tuple[Padding, ...]:
    """Return (before, after) for each spatial axis."""
    if not isinstance(padding, str):
        return tuple(padding)
    if padding == "valid":
        return ((0, 0),) * len(sizes)
    if padding == "causal":
        return tuple(((k - 1) * d, 0) for k, d in zip(window, dilation, strict=True))
    pads = tuple(map(same_padding, sizes, window, strides, dilation))
    return pads if padding == "same" else tuple((after, before) for before, after in pads)


def same_padding(size: Size, window: Size, stride: Size, dilation: Size) -> Padding:
    """Return `same` padding along one axis: (before, after), the odd one after.

    As much as makes the output ⌈size / stride⌉; TensorFlow's rule, which Keras and ONNX follow.
    """
    reach = (window - 1) * dilation + 1
    if is_known(stride) and stride == 1:
        total = reach - 1
    else:
        total = largest((ceil_div(size, stride) - 1) * stride + reach - size, 0)
    return total // 2, total - total // 2
