"""The ledger of one number as parts: its windows, its column of partial sums, what it reads.

Long ones are abbreviated so that what is shown still adds up.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import floor, log10
from typing import Any

import numpy as np

from convscope.explain.account import ROLES, account
from convscope.explain.words import adding_up, decimal, exact, grouped, tens
from convscope.notation.anatomy import Main, anatomy
from convscope.notation.expression import Read
from convscope.notation.index import is_divided
from convscope.notation.ledger import Groups, Ledger
from convscope.parts import Column, Grid, Paragraph, Part, Side, Span, Table, Words
from convscope.typed import Array

SHOWN = 12
"""How many partial sums a document lists before it gathers the smallest in one row."""

WINDOWS_SHOWN = 2
"""How many windows a document writes out number by number."""

_MAPS = ("filter", "channel")
"""Words of axes along which an output's maps lie."""

LARGEST_WINDOW = 49
"""Windows of more numbers than this are not written out."""

LEAST_POWER = -300
"""Numbers are shown in no smaller a unit: what is left of float64 below has few digits, and 10³²⁴ is no float64."""


def ledger_parts(led: Ledger) -> list[Part]:
    """Return the arithmetic of a ledger as parts, without its equation and what follows from it."""
    if led.groups is not None:
        return _grouped_parts(led, led.groups)
    return [_readings_table(led)] if led.readings else []


def _grouped_parts(led: Ledger, groups: Groups) -> list[Part]:
    count = len(groups.channels)
    window = groups.windows.shape[1:]
    main = _main(led)
    words = account(main)
    first, last = int(min(groups.channels)), int(max(groups.channels))
    sentence = words.reads.format(
        first=first, last=last, group=first // count + 1, source="the input"
    )
    outside = int(np.size(groups.inside) - np.count_nonzero(groups.inside))
    if outside:
        where = words.padding.format(count=grouped(outside))
        if any(is_divided(index) for index in main.read.indices):
            where = words.gaps.format(count=grouped(outside)) + ", or lie beyond its edge"
        sentence += f" {where}; they are shown in brackets."
    axes = zip(led.equation.axes, led.position, strict=True)
    here = ", ".join(f"{'map' if a.word in _MAPS else a.word} {p}" for a, p in axes)
    parts: list[Part] = [
        Paragraph(f"{here[:1].upper()}{here[1:]}. {sentence}" if here else sentence)
    ]
    order = np.argsort(-np.abs(groups.partials), kind="stable").tolist()
    column = _column(led, groups, order)
    if window and len(window) <= 2 and int(np.prod(window)) <= LARGEST_WINDOW:
        shown = sorted(order[: WINDOWS_SHOWN if count > 1 else 1])
        if count > len(shown):
            parts.append(
                Paragraph(f"The {len(shown)} input maps that weigh most, number by number:")
            )
        parts += [_side(led, groups, n, column) for n in shown]
    if led.reduction == "sum":
        parts.append(_sum_table(led, groups, column))
    return parts


def _main(led: Ledger) -> Main:
    main = anatomy(led.equation).main
    assert main is not None  # what has groups has it
    return main


def _side(led: Ledger, groups: Groups, n: int, column: _Column) -> Side:
    """Return window × slice = products, and what they come to; the products add up as shown."""
    muted = _rows(~groups.inside[n])
    partial = float(groups.partials[n])
    result = column.shown.get(n, decimal(_within(partial, column.power)))
    grids = [_grid(f"map {groups.channels[n]}{_places(groups, n)}", groups.windows[n], muted)]
    signs: tuple[str, ...] = ()
    if groups.kernels is not None and groups.products is not None:
        axes = zip(led.equation.axes, led.position, strict=True)
        which = next((f"filter {p}" for axis, p in axes if axis.role == "out"), "its weights")
        name = f"slice {_slice(led, n)} of {which}" if len(groups.channels) > 1 else which
        products = groups.products[n]
        scaled = _within(products, column.power)
        cells = _numbers(scaled)
        if np.isfinite(products).all():
            texts, _ = adding_up(scaled.ravel().tolist(), _read(result), 6)
            across = products.shape[-1]
            cells = tuple(tuple(texts[i : i + across]) for i in range(0, len(texts), across))
        grids += [_grid(name, groups.kernels[n]), Grid(f"products{_unit(column.power)}", cells)]
        signs = ("×", "=")
    word = {"sum": "sum", "max": "largest", "mean": "mean"}[str(led.reduction)]
    end = f"·{tens(column.power)}" if column.power else ""
    return Side(tuple(grids), signs, f"{word} {result}{end}")


def _slice(led: Ledger, n: int) -> int:
    """Return which slice of its filter a group is multiplied by: where in the kernel it lies."""
    parts = anatomy(led.equation)
    assert parts.main is not None and parts.main.over is not None
    over = parts.main.over
    at = {**dict(zip(parts.axes, led.position, strict=True)), over: n}
    reads = (one for one in parts.main.weights if isinstance(one, Read))
    index = next(i for read in reads for i in read.indices if over in i.axes())
    return int(index.at(at))


def _read(text: str) -> float:
    """Return the number that a shown decimal is."""
    return float(text.replace("−", "-").replace("∞", "inf"))


def _places(groups: Groups, n: int) -> str:
    corner = groups.corners[n]
    return f" at ({', '.join(str(v).replace('-', '−') for v in corner)})" if len(corner) else ""


def _grid(name: str, array: Array, muted: tuple[tuple[bool, ...], ...] = ()) -> Grid:
    """Return numbers as a grid; tiny ones in a unit that its name says, so that their digits show."""
    power = _power(array)
    return Grid(f"{name}{_unit(power)}", _numbers(_within(array, power)), muted)


def _power(values: Any) -> int:
    """Return the power of ten in which numbers are shown: 0, unless the largest has no digit in three decimals, or
    so many that six decimals are more than a float64 holds.

    >>> _power([0.002, -0.001]), _power([3e-9, -2e-10]), _power([0.0]), _power([3e12, 2.5])
    (0, -9, 0, 12)
    """
    sizes = np.abs(np.asarray(values, np.float64))
    largest = float(np.max(sizes, initial=0.0, where=np.isfinite(sizes)))
    if 1e-3 <= largest < 1e9 or largest == 0:
        return 0
    return max(floor(log10(largest)), LEAST_POWER)


def _within(values: Any, power: int) -> Any:
    """Return numbers in a power of ten."""
    return values * 10.0**-power if power < 0 else values / 10.0**power


def _unit(power: int) -> str:
    return f", in {tens(power)}" if power else ""


def _numbers(array: Array) -> tuple[tuple[str, ...], ...]:
    rows = array if array.ndim == 2 else array.reshape(1, -1)
    return tuple(tuple("−∞" if v == -np.inf else decimal(float(v), 4) for v in row) for row in rows)


def _rows(array: Array) -> tuple[tuple[bool, ...], ...]:
    rows = array if array.ndim == 2 else array.reshape(1, -1)
    return tuple(tuple(bool(v) for v in row) for row in rows)


@dataclass(frozen=True)
class _Column:
    """Partial sums, the rest, the bias and their total, rounded so that what is shown adds up.

    shown   the text of each group that is listed
    rows    name and text, in order
    total   the text of the sum
    power   the power of ten in which all of them are
    """

    shown: dict[int, str]
    rows: list[tuple[str, str]]
    total: str
    power: int


def _column(led: Ledger, groups: Groups, order: Sequence[int]) -> _Column:
    """Return the column of a ledger; the smallest partial sums of many are gathered in one row."""
    count = len(groups.channels)
    listed = sorted(order[: SHOWN - 1] if count > SHOWN else order)
    words = account(_main(led))
    values = [float(groups.partials[n]) for n in listed]
    names = [words.row.format(map=groups.channels[n]) for n in listed]
    if len(listed) < count:
        values.append(float(groups.partials.sum()) - sum(values))
        names.append(words.rest.format(count=grouped(count - len(listed))))
    if led.bias is not None:
        values.append(led.bias)
        names.append(words.bias)
    power = _power(values)
    values = [_within(value, power) for value in values]
    if np.isfinite(values).all():
        texts, total = adding_up(values, sum(values), 6)
    else:
        texts, total = [decimal(v) for v in values], decimal(led.preactivation)
    rows = list(zip(names, texts, strict=True))
    return _Column(dict(zip(listed, texts, strict=False)), rows, total, power)


def _sum_table(led: Ledger, groups: Groups, column: _Column) -> Table:
    """Return the column as a table, with a running sum."""
    rows: list[tuple[Words, ...]] = []
    running = 0.0
    for name, text in column.rows:
        running += _read(text)
        rows.append((name, text, decimal(running)))
    last = "pre-activation" if led.activation or led.whole else "sum"
    kernel = "partial sum" if groups.windows.ndim > 1 else "input × weight"
    whole = len(column.shown) == len(groups.channels)
    return Table(
        (
            Column("from"),
            Column(f"{kernel}{_unit(column.power)}", "right"),
            Column("so far", "right"),
        ),
        tuple(rows),
        ((Span(last, "strong"), Span(column.total, "strong"), ""),),
        caption=""
        if whole
        else "The largest by size; the rest in one row, so that the column adds up.",
    )


def _readings_table(led: Ledger) -> Table:
    rows = tuple(
        (
            f"{r.name}[{', '.join(map(str, r.index))}]",
            ROLES[r.role],
            exact(r.value),
        )
        for r in led.readings
    )
    return Table(
        (Column("it reads"), Column("which is"), Column("value", "right")),
        rows,
        ((Span("it makes", "strong"), "", Span(exact(led.value), "strong")),),
    )
