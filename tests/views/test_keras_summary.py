"""Keras's two summaries, character for character.

The golden files were printed by Keras 3.15.1 (torch backend, 80 columns) and by print_summary of
Keras 2.3.1 (see make_goldens.py). Where Keras is installed it prints them again.
"""

from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st
from views import keras_networks as networks

from convscope.parts import Summary, SummaryRow, SummaryTotals
from convscope.views.summary import render

NAMES = sorted(networks.BUILDERS)


def golden(style: str, name: str) -> str:
    return (networks.GOLDEN / f"{style}_summary_{name}.txt").read_text()


@pytest.mark.parametrize("style", ["keras", "keras2"])
@pytest.mark.parametrize("name", NAMES)
def test_is_what_keras_printed(name: str, style: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "80")
    assert render(networks.stored()[name], style) + "\n" == golden(style, name)


@pytest.mark.parametrize("name", NAMES)
def test_keras_still_prints_it(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("KERAS_BACKEND", "torch")
    monkeypatch.setenv("COLUMNS", "80")
    pytest.importorskip("keras", minversion="3.15")
    model = networks.build(name)
    assert networks.printed(model) + "\n" == golden("keras", name)
    assert networks.to_plain(networks.summary_of(model)) == networks.to_plain(
        networks.stored()[name]
    )
    for columns in (60, 100, 133, 200):
        monkeypatch.setenv("COLUMNS", str(columns))
        assert render(networks.stored()[name], "keras") == networks.printed(model)


words = st.text(st.sampled_from("ab_.-0[]<>|é畳 "), min_size=1, max_size=45).map(str.strip)


@given(st.lists(words.filter(bool), min_size=1, max_size=4, unique=True), st.integers(40, 130))
def test_any_names_at_any_length(names: list[str], length: int) -> None:
    """The cells break and are cut as rich, which Keras uses, breaks and cuts them."""
    console = pytest.importorskip("rich.console")
    table = pytest.importorskip("rich.table")
    rows = tuple(
        SummaryRow(n, "Dense", (), (), (None, 10 ** len(n)), {}, 7 ** len(n), 0) for n in names
    )
    ours = render(Summary("net", rows, TOTALS, sequential=True), "keras", line_length=length)
    ends = [int(end * length) for end in (0.45, 0.8, 1.0)]
    drawn = table.Table(
        table.Column("Layer (type)", width=ends[0]),
        table.Column("Output Shape", width=ends[1] - ends[0]),
        table.Column("Param #", width=ends[2] - ends[1], justify="right"),
        width=length,
        show_lines=True,
    )
    for row in rows:
        shape = f"(None, {10 ** len(row.name)})"
        drawn.add_row(f"{row.name.replace('[', chr(92) + '[')} (Dense)", shape, f"{row.params:,}")
    screen = console.Console(
        width=200, highlight=False, color_system=None, force_terminal=False, emoji=False
    )
    with screen.capture() as capture:
        screen.print(drawn)
    assert ours.split("\n")[1:-3] == capture.get().rstrip("\n").split("\n")


TOTALS = SummaryTotals(0, 0, 0, 0, 0)


@pytest.mark.parametrize("name", NAMES)
def test_the_columns_add_up(name: str) -> None:
    """Every printed count, read back from the text, sums to the printed total."""
    for style in ("keras", "keras2"):
        text = golden(style, name)
        total = int(re.search(r"Total params: ([\d,]+)", text)[1].replace(",", ""))  # type: ignore[index]
        parts = [
            int(re.search(rf"{kind} params: ([\d,]+)", text)[1].replace(",", ""))  # type: ignore[index]
            for kind in ("Trainable", "Non-trainable")
        ]
        if style == "keras":
            rows = re.findall(r"│ +([\d,]+) (?=│)", text)
        else:
            start, end = text.index("Param #"), text.index("Param #") + 11
            line = len(text[: text.index("Layer (type)")])
            rows = [r[start - line : end - line].strip() for r in text.split("\n")[4:-5]]
        printed = [int(row.replace(",", "")) for row in rows if re.fullmatch(r"[\d,]+", row)]
        assert sum(printed) == total == sum(parts)


def test_lines_have_the_widths_keras_gave_them() -> None:
    for name in NAMES:
        graph = name in ("residual", "shared", "shared_sizes", "branches")
        text = render(networks.stored()[name], "keras2").split("\n")
        assert {len(line) for line in text if line[0] in "_="} == {98 if graph else 65}
        rows = render(networks.stored()[name], "keras", line_length=70).split("\n")
        assert {len(line) for line in rows if line[0] in "┏┃┡│├└" and line.isascii()} <= {70}


def test_what_keras_does_not_know_is_written_plainly() -> None:
    row = SummaryRow("c", "Conv2D", ("input",), ((None, "n"),), (None, "n - 2"), {}, "9*k + k", 0)
    unbuilt = SummaryRow("d", "Dense", ("c",), (), None, {}, None, None)
    totals = SummaryTotals("9*k + k", "9*k + k", 0, None, "40*k")
    summary = Summary("net", (row, unbuilt), totals, sequential=True)
    text = render(summary, "keras", line_length=76)
    assert "(None, n − 2)" in text
    assert "0 (unbuilt)" in text
    assert " Total params: 9·k + k\n" in text
    assert "9·k + k" in render(summary, "keras2")


def test_ten_thousand_layers_of_a_chain_do_not_recurse() -> None:
    rows = tuple(
        SummaryRow(
            f"l{n}", "Dense", (f"l{n - 1}" if n else "x",), ((None, 2),), (None, 2), {}, 6, 6
        )
        for n in range(10_000)
    )
    summary = Summary(
        "deep", rows, SummaryTotals(60_000, 60_000, 0, 0, 240_000), inputs={"x": (2,)}
    )
    assert render(summary, "keras2").count("(Dense)") == 10_000


def test_control_characters_do_not_get_through() -> None:
    row = SummaryRow("a\x1b[2J\n", "K\x07", (), (), (None, 1), {}, 0, 0)
    for style in ("keras", "keras2"):
        text = render(Summary("\x1b]0;x\x07", (row,), TOTALS, sequential=True), style)
        assert text.replace("\n", "").isprintable()
        assert r"\x1b]0;x\x07" in text
