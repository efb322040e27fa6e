"""Numbers and shapes as sentences show them."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from math import floor, isfinite, log10
from typing import Any

from convscope.notation.sizes import UNKNOWN_SHAPE, Size, is_known, is_symbolic, show


def grouped(number: Size) -> str:
    """Return a size with thousands separators: 10,616,832; a symbolic one as it is."""
    return f"{number:,}".replace("-", "−") if is_known(number) else show(number)


def times(sizes: Iterable[Size]) -> str:
    """Return sizes with × between them: 3×3×32."""
    return "×".join(map(_tight, sizes))


def dots(sizes: Iterable[Size]) -> str:
    """Return a product to be computed: 3·3·32."""
    return "·".join(map(_tight, sizes))


def worked(sizes: Sequence[Size], total: Size) -> str:
    """Return a product and what it comes to: 3·3·32 = 288; once where that is the same: 64, a·b·c.

    >>> worked((3, 3, 32), 288), worked((64,), 64)
    ('3·3·32 = 288', '64')
    """
    factors, result = dots(sizes), grouped(total)
    if len(sizes) == 1 or sorted(factors.split("·")) == sorted(result.split("·")):
        return factors if is_symbolic(total) else result
    return f"{factors} = {result}"


def sliced(window: Iterable[Size]) -> str:
    """Return what a filter has for one map: "3×3 slice"; "slice of 5" along a single axis."""
    sizes = tuple(window)
    return f"slice of {times(sizes)}" if len(sizes) == 1 else f"{times(sizes)} slice"


def article(text: str) -> str:
    """Return "a" or "an", as what follows is spoken; a size, or a letter that stands for one.

    >>> article("8×8 slice"), article("11×3"), article("3×3"), article("k×k"), article("h×w"), article("1,100")
    ('an', 'an', 'a', 'a', 'an', 'a')
    """
    word = text.partition("×")[0].partition(" ")[0]
    number = word.partition(",")[0]
    if number.isdecimal():
        return "an" if number[0] == "8" or number in ("11", "18") else "a"
    return "an" if word.startswith(tuple("aefhilmnorsx" if len(word) == 1 else "aeio")) else "a"


def _tight(size: Size) -> str:
    text = f"{size:g}" if isinstance(size, float) else show(size)
    closed = text.startswith("⌊") and text.find("⌋") == len(text) - 1
    return f"({text})" if " " in text and not closed else text


def shape_in_words(shape: Sequence[Size]) -> str:
    """Return a shape as people read it, symbols and all: (n − 2, m − 2, k1)."""
    if shape is UNKNOWN_SHAPE:
        return "an unknown shape"
    inner = ", ".join(map(show, shape))
    return f"({inner},)" if len(shape) == 1 else f"({inner})"


def decimal(value: float, places: int = 6) -> str:
    """Return a number with a fixed number of decimals and a true minus sign."""
    if not isfinite(value):
        return exact(value)
    text = f"{value:.{places}f}"
    if float(text) == 0.0:
        text = text.lstrip("-")
    return text.replace("-", "−")


def brief(value: float) -> str:
    """Return a number with six decimals, or with six digits where those would hide it.

    >>> brief(2.04355788), brief(-2.62991337e-10), brief(0.0)
    ('2.043558', '−2.62991e−10', '0.000000')
    """
    hidden = isfinite(value) and 0 < abs(value) < 1e-3
    return f"{value:.6g}".replace("-", "−") if hidden else decimal(value)


def exact(value: float) -> str:
    """Return a number with every digit that float32 has, and a true minus sign."""
    return f"{value:.9g}".replace("-", "−").replace("inf", "∞").replace("nan", "NaN")


def scientific(value: float) -> str:
    """Return a small number as 2·10⁻⁸."""
    if value == 0 or not isfinite(value):
        return exact(value)
    mantissa, exponent = f"{value:.1e}".split("e")
    return f"{mantissa.rstrip('0').rstrip('.')}·{tens(int(exponent))}".replace("-", "−")


def tens(power: int) -> str:
    """Return a power of ten: 10⁻⁸."""
    return f"10{str(power).translate(str.maketrans('-0123456789', '⁻⁰¹²³⁴⁵⁶⁷⁸⁹'))}"


FIGURES = 15
"""A float64 holds whole numbers of so many figures, and what is added up as it is shown is whole numbers."""


def adding_up(values: Sequence[float], total: float, places: int) -> tuple[list[str], str]:
    """Return numbers rounded so that what is shown adds up to the shown total, exactly.

    Each is rounded down to `places` decimals; the units that are then missing go to those that lost
    most (largest remainder), so that none is off by a whole unit of the last place.

    `total` may differ from the sum of the values by some units, when it was itself rounded to fit.

    >>> adding_up([0.25, 0.25, 0.5], 1.0, 1)
    (['0.3', '0.2', '0.5'], '1.0')
    """
    unit = 10.0**places
    scaled = [value * unit for value in values]
    whole = [floor(s) for s in scaled]
    target = round(total * unit)
    missing = target - sum(whole)
    order = sorted(range(len(values)), key=lambda n: scaled[n] - whole[n], reverse=missing > 0)
    if order:
        each, more = divmod(abs(missing), len(order))
        step = 1 if missing > 0 else -1
        for turn, place in enumerate(order):
            whole[place] += step * (each + (turn < more))
    return [decimal(w / unit, places) for w in whole], decimal(target / unit, places)


def adding_up_shown(values: Sequence[float], total: float) -> tuple[list[str], str]:
    """Return numbers that add up as they are shown, with six digits of the largest.

    Those that would take many more figures than that are all in one power of ten:

    >>> adding_up_shown([1e-45, 3e-45], 4e-45)
    (['1.00000·10⁻⁴⁵', '3.00000·10⁻⁴⁵'], '4.00000·10⁻⁴⁵')
    >>> adding_up_shown([1e38, 1e-45], 1e38)
    (['1.00000·10³⁸', '0.00000·10³⁸'], '1.00000·10³⁸')
    """
    if not all(map(isfinite, (*values, total))):
        return [exact(v) for v in values], exact(total)
    largest = max((abs(v) for v in (*values, total)), default=0.0)
    power = floor(log10(largest)) if largest else 0
    if abs(power) < FIGURES:
        return adding_up(values, sum(values), min(max(6, 5 - power), FIGURES - power))
    from decimal import Decimal

    scaled = [float(Decimal(v).scaleb(-power)) for v in values]
    texts, shown = adding_up(scaled, sum(scaled), 5)
    return [f"{text}·{tens(power)}" for text in texts], f"{shown}·{tens(power)}"


def join(items: Sequence[Any], word: str = "and") -> str:
    """Return items as a list in a sentence: a, b and c."""
    texts = [str(item) for item in items]
    return f"{', '.join(texts[:-1])} {word} {texts[-1]}" if len(texts) > 1 else "".join(texts)


def in_runs(places: Sequence[int], most: int = 6) -> str:
    """Return positions as a sentence has them: 27; 0 … 3; 1, 3, 5 and 11 more."""
    if list(places) == list(range(places[0], places[-1] + 1)) and len(places) > 2:
        return f"{places[0]} … {places[-1]}"
    shown = ", ".join(map(str, places[:most]))
    return f"{shown} and {len(places) - most:,} more" if len(places) > most else shown
