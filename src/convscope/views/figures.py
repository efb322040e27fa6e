"""Sizes, counts, shapes and bytes as people read them."""

from __future__ import annotations

from collections.abc import Mapping
from functools import lru_cache

from convscope.parts import NO_BREAK, Figure, Seen, Sizes, Summary, figure
from convscope.typed import TYPE_CHECKING
from convscope.views.characters import printable

if TYPE_CHECKING:
    import ast

NONE = "–"
"""What stands where there is no figure; a 0 would be one."""


def count(value: Figure) -> str:
    """Return a count with its thousands apart: 53,600; 9·k1 + k1; – when there is none.

    >>> count(53600), count("9*k1 + k1"), count(None)
    ('53,600', '9·k1 + k1', '–')
    """
    plain = value if type(value) is int else figure(value)
    if isinstance(plain, int):
        return f"{plain:,}".replace("-", "−")
    return NONE if plain is None else _symbolic(str(plain))


def size(value: Figure) -> str:
    """Return a size without separators: 224; n − 2; ? when unknown."""
    plain = value if type(value) is int else figure(value)
    if isinstance(plain, (int, float)):
        text = f"{plain:g}" if isinstance(plain, float) else str(plain)
        return text.replace("-", "−")
    return "?" if plain is None else _symbolic(plain)


def shape(sizes: Sizes) -> str:
    """Return a shape as it is said: 3×3×32×64; (n − 2)×k1; "scalar" when it has no axes.

    >>> shape((3, 3, 32, 64)), shape((64,)), shape(("n - 2", None, "k1")), shape(())
    ('3×3×32×64', '64', '(n\\xa0−\\xa02)×?×k1', 'scalar')
    """
    if not sizes:
        return "scalar"
    if {*map(type, sizes)} == {int}:
        return _numbers(tuple(sizes))
    shown = [size(s).replace(" ", NO_BREAK) for s in sizes]
    if len(shown) == 1:
        return shown[0]
    return "×".join(s if NO_BREAK not in s or _floored(s) else f"({s})" for s in shown)


@lru_cache(maxsize=4096)
def _numbers(sizes: tuple[int, ...]) -> str:
    """Return a shape of numbers as it is said; that of one layer is met again and again."""
    return "×".join([f"{s}".replace("-", "−") for s in sizes])


def _floored(text: str) -> bool:
    return text.count("⌊") == 1 and text[0] == "⌊" and text[-1] == "⌋"


def field(seen: Seen | None, detail: int = 0) -> str:
    """Return a receptive field in a few words: 5×5, stride 1, start 0; in fewer where less is wanted."""
    if seen is None:
        return NONE
    along = tuple(seen.size), tuple(seen.stride), tuple(seen.start)
    return _field(*along, getattr(seen, "alike", True), detail)


@lru_cache(maxsize=4096)
def _field(
    size: tuple[Figure, ...], stride: tuple[Figure, ...], start: tuple[Figure, ...], alike: bool, detail: int,
) -> str:  # fmt: skip
    words = [shape(size) if alike else f"up{NO_BREAK}to{NO_BREAK}{shape(size)}"]
    if detail > 1:
        return words[0]
    if any(figure(s) is not None for s in stride):
        words.append(f"stride{NO_BREAK}{_axes(stride)}{'' if alike else ' on average'}")
    if detail > 0:
        return ", ".join(words)
    words.append(f"start{NO_BREAK}{_axes(start)}")
    return ", ".join(words)


def _axes(values: Sizes) -> str:
    if len(values) == 2 and values[0] == values[1]:
        return size(values[0])
    shown = [size(v) for v in values]
    return shown[0] if len(set(shown)) == 1 else f"({f',{NO_BREAK}'.join(shown)})"


def weights(shapes: Mapping[str, Sizes], detail: int = 0) -> str:
    """Return weights and their shapes: kernel 3×3×32×64, bias 64; in fewer words 3×3×32×64 +1, 4 of 64."""
    return _weights(tuple([(name, tuple(sizes)) for name, sizes in shapes.items()]), detail)


@lru_cache(maxsize=8192)
def _weights(shapes: tuple[tuple[str, Sizes], ...], detail: int) -> str:
    if detail and shapes:
        bare = [shape(sizes) for _, sizes in shapes]
        if len(bare) > 2 and len(set(bare)) == 1:
            return f"{len(bare)} of {bare[0]}"
        if detail > 1:
            return bare[0] if len(bare) == 1 else f"{bare[0]}{NO_BREAK}+{len(bare) - 1}"
    shown = [f"{printable(name)}{NO_BREAK}{shape(sizes)}" for name, sizes in shapes]
    return ", ".join(shown) or NONE


def extent(summary: Summary) -> str:
    """Return how much of a network a summary shows: 190 layers, folded to depth 1: 17 rows, of which …"""
    shown = summary.shown
    number = len(summary.rows) if shown is None else shown.layers
    text = f"{number:,} layer{'s' if number != 1 else ''}"
    if shown is None:
        return text
    if shown.depth is not None:
        rows = f"{shown.rows:,} row{'s' if shown.rows != 1 else ''}"
        text += f", folded to depth {shown.depth}: {rows}"
    if not shown.whole:
        first, last = (printable(summary.rows[n - 1].name) for n in (shown.first, shown.last))
        one = shown.first == shown.last
        word = "layer" if shown.depth is None else "row"
        places = f"s {shown.first:,} to {shown.last:,} are shown ({first} … {last})"
        text += f", of which {word}"
        text += f" {shown.first:,} is shown ({first})" if one else places
    return text


def memory(value: Figure) -> str:
    """Return bytes in the unit that fits: 209.4 KiB; 4·n bytes when they are symbolic."""
    plain = figure(value)
    if plain is None:
        return "unknown bytes"
    if not isinstance(plain, (int, float)):
        return f"{_symbolic(plain)} bytes"
    if plain < 1024:
        return f"{plain} bytes"
    amount, unit = scaled(plain, ("bytes", "KiB", "MiB", "GiB", "TiB", "PiB"))
    return f"{amount:,.1f} {unit}"


def scaled(amount: float, units: tuple[str, ...]) -> tuple[float, str]:
    """Return an amount divided by 1024 until it is below that, and the unit it then has."""
    for unit in units[:-1]:
        if amount < 1024:
            return amount, unit
        amount /= 1024
    return amount, units[-1]


_RAISED = str.maketrans("0123456789", "⁰¹²³⁴⁵⁶⁷⁸⁹")


def _symbolic(text: str) -> str:
    """Return a symbol's text as it is read: n − 2, 9·k², ⌊(n − 1)/2⌋."""
    import ast

    try:
        shown, _ = _read(ast.parse(text, mode="eval").body)
    except (SyntaxError, ValueError):  # nothing that a size is spelled with
        shown = text.replace("-", "−")
    return printable(shown)


_SUM, _PRODUCT, _ATOM = 1, 2, 3
"""How tightly a piece holds together."""


def _read(node: ast.expr) -> tuple[str, int]:
    """Return a size in Python's spelling as it is read, and how tightly it holds together."""
    import ast

    def within(inner: ast.expr, at_least: int) -> str:
        text, tight = _read(inner)
        return text if tight >= at_least else f"({text})"

    match node:
        case ast.Name(name):
            return name, _ATOM
        case ast.Constant(int(value)):
            return str(value), _ATOM
        case ast.UnaryOp(ast.USub(), inner):
            return f"−{within(inner, _PRODUCT)}", _SUM
        case ast.BinOp(left, ast.Add() | ast.Sub() as sign, right):
            between = "+" if isinstance(sign, ast.Add) else "−"
            return f"{within(left, _SUM)} {between} {within(right, _PRODUCT)}", _SUM
        case ast.BinOp(left, ast.Mult(), right):
            return f"{within(left, _PRODUCT)}·{within(right, _PRODUCT)}", _PRODUCT
        case ast.BinOp(left, ast.Div(), right):
            return f"{within(left, _PRODUCT)}/{within(right, _ATOM)}", _PRODUCT
        case ast.BinOp(left, ast.FloorDiv(), right):
            return f"⌊{within(left, _PRODUCT)}/{within(right, _ATOM)}⌋", _ATOM
        case ast.BinOp(left, ast.Mod(), right):
            return f"{within(left, _ATOM)} mod {within(right, _ATOM)}", _PRODUCT
        case ast.BinOp(left, ast.Pow(), ast.Constant(int(power))):
            return within(left, _ATOM) + str(power).translate(_RAISED), _ATOM
        case ast.Call(ast.Name("floor"), [inner], []):
            return f"⌊{_read(inner)[0]}⌋", _ATOM
        case ast.Call(ast.Name("max" | "min" as name), many, []):
            return f"{name}({', '.join(_read(one)[0] for one in many)})", _ATOM
    raise ValueError(ast.unparse(node))
