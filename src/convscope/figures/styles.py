"""How figures look: named styles, and one colour for each role that a layer plays.

The roles' colours differ in lightness, so that they can be told apart in grey and by eyes that see no red or no
green; and every block has its name beside it.
"""

from __future__ import annotations

from convscope.errors import SettingError, did_you_mean
from convscope.typed import Record

ROLES = {
    "input": ("input", "#F2F2F2"),
    "normalisation": ("normalisation", "#F0E442"),
    "shape": ("moves numbers", "#D2D2D2"),
    "convolution": ("convolution", "#8CC8EE"),
    "pointwise": ("activation, elementwise", "#E8A62C"),
    "merge": ("joins branches", "#D58FB8"),
    "up": ("makes larger", "#2FA884"),
    "pooling": ("pooling", "#D55E00"),
    "attention": ("products of inputs", "#7B68B5"),
    "dense": ("dense", "#004B7A"),
    "opaque": ("no equation", "#FFFFFF"),
}
"""What a layer does, in a legend's words, and its colour; after the palette of Okabe and Ito (2008)."""


class Style(Record):
    """How a figure looks.

    ground    the colour behind it; None for none
    ink, dim  of words and lines; of what is less important
    size      of words, in points
    thin      how thick lines are
    width     how wide a figure is where nobody says, in points
    """

    name: str
    ground: str | None
    ink: str
    dim: str
    size: float
    thin: float
    width: float
    accent: str = "#B3261E"
    paper: str = "#FFFFFF"


STYLES = {
    "plain": Style("plain", "#FFFFFF", "#1A1A1A", "#5A5A5A", 7.5, 0.55, 516.0),
    "paper": Style("paper", None, "#000000", "#4A4A4A", 7.0, 0.4, 516.0),
    "lecture": Style("lecture", "#FFFFFF", "#111111", "#505050", 11.0, 0.9, 720.0),
    "dark": Style("dark", "#15181D", "#F1F1F1", "#B4BAC2", 7.5, 0.55, 516.0, "#FF8A80", "#15181D"),
}


def style_named(name: str) -> Style:
    """Return a style by its name; raises `SettingError` naming those that there are."""
    if name not in STYLES:
        near = did_you_mean(name, STYLES)
        raise SettingError(f"there is no style {name!r}{near}; styles are {', '.join(STYLES)}")
    return STYLES[name]


def colour_of(role: str) -> str:
    """Return the colour of a role."""
    return ROLES[role][1]


def mixed(colour: str, other: str, share: float) -> str:
    """Return a colour with a share of another in it.

    >>> mixed("#000000", "#ffffff", 0.5)
    '#808080'
    """
    pairs = zip(_rgb(colour), _rgb(other), strict=True)
    return "#" + "".join(f"{round(a + (b - a) * share + 1e-9):02x}" for a, b in pairs)


def light(colour: str) -> bool:
    """Whether black words are legible on a colour."""
    red, green, blue = _rgb(colour)
    return 0.299 * red + 0.587 * green + 0.114 * blue > 140


def _rgb(colour: str) -> tuple[int, ...]:
    return tuple(int(colour[n : n + 2], 16) for n in (1, 3, 5))
