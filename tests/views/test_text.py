"""Terminal text: what it looks like, that it fits, that nothing is lost and nothing gets through."""

from __future__ import annotations

import re
import subprocess
import sys
import unicodedata
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st
from rich.cells import cell_len
from views.documents import EQUATION, EVIL, HOSTILE, PRODUCTS, SAMPLE, SLICE, WINDOW
from work import calls

from convscope.parts import (
    Bullets,
    Column,
    Document,
    Formula,
    Grid,
    Heading,
    Paragraph,
    Side,
    Span,
    Table,
)
from convscope.views.characters import cells, printable
from convscope.views.text import render
from convscope.views.wrapping import pieces, widest_piece, wrap

ANSI = re.compile("\033\\[[0-9;]*m")

AT_72 = """\
conv2d_1 (Conv2D)
═════════════════

One filter is 3×3×32, not 3×3. It reads all 32 maps at once and gives
one number for each position; 64 filters give 64 maps. ✓ The engine
agrees.

The equation
────────────

    out[y, x, o] = relu(bias[o]
                   + Σ i<3, j<3, c<32
                   in[y + i, x + j, c] · kernel[i, j, c, o])

• 9·32 = 288 weights a filter
• 64 filters: 288·64 + 64 = 18,496 parameters in all

Four pictures

picture                       weights    params  output shape  agrees
─────────────────────────────────────────────────────────────────────
every filter on every map     3×3×64        576  24×24×2048    ✗ no
 separately
one slice shared by all maps  3×3×64        640  24×24×64      ✗ no
a slice for each map, summed  3×3×32×64  18,496  24×24×64      ✓ yes
─────────────────────────────────────────────────────────────────────
together                                 19,712
The engine is ONNX Runtime.

map 0 at (−1, 7)   slice 0 of the filter       products
│ (0)     (0)  │      │  0.1 -0.2  │       │  0      0     │
│  0.25  -12.5 │ ×    │  1    0.75 │     = │  0.25  -9.375 │ sum -7.125
│  1e-05   1   │      │ −3    2    │       │ -3e-05  2     │

    convscope trace demo conv2d_1 5,7,12
        --json
"""


def doc(*parts: object) -> Document:
    return Document(parts)  # type: ignore[arg-type]


def lines(document: Document, width: int) -> list[str]:
    return render(document, width).rstrip("\n").split("\n")


def test_it_looks_like_this() -> None:
    assert render(SAMPLE, 72) == AT_72


@pytest.mark.parametrize("width", [40, 60, 72, 80, 100, 200])
def test_colour_changes_nothing_but_colour(width: int) -> None:
    plain, colored = render(SAMPLE, width), render(SAMPLE, width, color=True)
    assert "\033" not in plain
    assert ANSI.sub("", colored) == plain
    assert "\033[32m✓ The engine agrees\033[0m" in render(SAMPLE, 200, color=True)


@pytest.mark.parametrize("width", [72, 80, 100, 200])
def test_lines_keep_to_the_width(width: int) -> None:
    assert all(cells(line) <= width for line in lines(SAMPLE, width))


@pytest.mark.parametrize("width", [31, 47, 80, 300])
def test_no_word_is_lost(width: int) -> None:
    """The same characters in the same numbers, whatever the width, apart from rules and spaces.

    (On less than that the grids are cut, and it says which columns a piece has.)
    """

    def inked(text: str) -> list[str]:
        return sorted(re.sub(r"[\s─═│]", "", text))

    assert inked(render(SAMPLE, width)) == inked(render(SAMPLE, 1000))


def test_no_line_ends_in_spaces() -> None:
    for width in (25, 80, 200):
        assert all(line == line.rstrip() for line in lines(SAMPLE, width))


def test_what_is_right_or_wrong_says_so_without_colour() -> None:
    text = render(
        doc(Paragraph([Span("a", "good"), " ", Span("b", "bad"), " ", Span("✓ c", "good")]))
    )
    assert text == "✓ a ✗ b ✓ c\n"


# -- tables ---------------------------------------------------------------------------------------


def test_columns_line_up_by_what_the_screen_shows() -> None:
    table = Table(
        (Column("name"), Column("n", "right"), Column("end")),
        (("畳み込み", "1", "x"), ("e\u0301tage", "23", "x"), ("conv", "456", "x")),
    )
    ends = {cell_len(line[: line.rindex("x")]) for line in lines(doc(table), 80)[2:]}
    assert len(ends) == 1


def test_a_table_breaks_the_fewest_cells() -> None:
    rows = tuple((f"block_{n}_conv (Conv2D)", f"kernel 3×3×{n}, bias 7", "1,024") for n in (3, 44))
    table = Table((Column("layer"), Column("weights"), Column("n", "right")), rows)
    assert lines(doc(table), 41)[2:] == [
        "block_3_conv   kernel 3×3×3,   1,024",
        " (Conv2D)       bias 7",
        "block_44_conv  kernel 3×3×44,  1,024",
        " (Conv2D)       bias 7",
    ]
    assert lines(doc(table), 46)[2:] == [
        "block_3_conv   kernel 3×3×3, bias 7   1,024",
        " (Conv2D)",
        "block_44_conv  kernel 3×3×44, bias 7  1,024",
        " (Conv2D)",
    ]
    assert len(lines(doc(table), 80)) == 4


def test_one_long_name_does_not_squeeze_the_others() -> None:
    rows = tuple((f"conv_{n}", "kernel 3×3×32×64, bias 64", "24×24×64") for n in range(30))
    rows = (*rows, ("a_very_long_name_" * 6, "kernel 3×3×32×64, bias 64", "24×24×64"))
    table = Table((Column("layer"), Column("weights"), Column("output")), rows)
    shown = lines(doc(table), 80)
    assert all(cells(line) <= 80 for line in shown)
    assert len(shown) <= 2 + 30 + 5


def test_a_cell_that_cannot_be_broken_keeps_its_line_long() -> None:
    table = Table((Column("a"), Column("b")), (("x" * 60, "y" * 60),))
    assert any("x" * 60 in line for line in lines(doc(table), 40))
    assert any("y" * 60 in line for line in lines(doc(table), 40))


def test_numbers_are_not_broken_at_their_commas() -> None:
    table = Table((Column("name"), Column("n", "right")), (("word " * 20, "1,234,567,890"),))
    assert "1,234,567,890" in render(doc(table), 30)


def test_short_rows_and_no_rows() -> None:
    table = Table((Column("a"), Column("b")), (("1",),))
    assert lines(doc(table), 20) == ["a  b", "────", "1"]
    assert lines(doc(Table((Column("a"), Column("b")), ())), 20) == ["a  b", "────"]
    assert render(doc(Table((), ()))) == ""


@pytest.mark.parametrize(("width", "most"), [(70, 100), (200, 40)])
def test_ten_thousand_rows_are_little_work(width: int, most: int) -> None:
    """Each row costs a few dozen calls, however many rows there are; fewer where it is a line."""
    rows = tuple(
        (
            f"layer_{n} (Conv2D)",
            "24×24×64",
            f"kernel 3×3×{n}×64, bias 64",
            f"{n:,}",
            "5×5, stride 1",
        )
        for n in range(10_000, 20_000)
    )
    columns = tuple(map(Column, "abcde"))
    render(doc(Table(columns, rows[:10])), width)
    few = calls(lambda: render(doc(Table(columns, rows[:1000])), width))
    many = calls(lambda: render(doc(Table(columns, rows)), width))
    assert few / 1000 < most and many < 11 * few, (few, many)


# -- grids ----------------------------------------------------------------------------------------


def test_grids_stand_side_by_side_with_their_points_aligned() -> None:
    assert lines(doc(Side((WINDOW, SLICE), ("×",), "sum 1")), 80) == [
        "map 0 at (−1, 7)        slice 0 of the filter",
        "│ (0)      (0)  │          │  0.1  -0.2  │",
        "│  0.25   -12.5 │   ×      │  1     0.75 │      sum 1",
        "│  1e-05    1   │          │ −3     2    │",
    ]


def test_grids_that_do_not_fit_go_on_below() -> None:
    side = Side((WINDOW, SLICE, PRODUCTS), ("×", "="), "sum -7.125")
    shown = lines(doc(side), 45)
    assert all(cells(line) <= 45 for line in shown)
    assert sum("products" in line for line in shown) == 1
    assert [line[0] for line in shown if "=" in line] == ["="]


def test_what_comes_after_goes_below_the_last_grid() -> None:
    side = Side((WINDOW, SLICE, PRODUCTS), ("×", "="), "sum -7.125")
    wide, narrow = lines(doc(side), 72), lines(doc(side), 60)
    assert (len(wide), len(narrow)) == (4, 5)
    assert narrow[4].strip() == "sum -7.125"
    assert narrow[4].index("sum") in range(narrow[0].index("products") - 6, 60)


def test_padding_shows_without_colour() -> None:
    side = Side((Grid("", (("0", "5"),), ((True, False),)),), ())
    assert lines(doc(side), 80) == ["│ (0)  5 │"]


def test_a_single_number_beside_a_tall_grid_is_in_its_middle() -> None:
    tall = Grid("", (("1",), ("2",), ("3",)))
    shown = lines(doc(Side((tall, Grid("", (("9",),))), ("+",))), 80)
    assert [("+" in line, "9" in line) for line in shown] == [
        (False, False),
        (True, True),
        (False, False),
    ]


# -- formulas and words ---------------------------------------------------------------------------


@pytest.mark.parametrize("width", range(30, 110, 7))
def test_formulas_break_in_front_of_operators(width: int) -> None:
    shown = lines(doc(Formula(EQUATION, "")), width)
    assert all(cells(line) <= width for line in shown)
    assert all(line.startswith("    ") for line in shown)
    rest = [line.strip() for line in shown[1:]]
    assert re.sub(r"\s+", " ", " ".join([shown[0].strip(), *rest])) == re.sub(r"\s+", " ", EQUATION)
    if width >= 60:
        assert all(line[0] in "+·i" for line in rest)


def test_each_line_of_a_formula_is_indented() -> None:
    assert lines(doc(Formula("a = b\n  with b = c", "")), 40) == ["    a = b", "      with b = c"]


def test_bullets_hang() -> None:
    assert lines(doc(Bullets(("one two three four five six seven",))), 24) == [
        "• one two three four",
        "  five six seven",
    ]


def test_headings_say_their_level_without_colour() -> None:
    assert [lines(doc(Heading("Abc", n)), 20) for n in (1, 2, 3)] == [
        ["Abc", "═══"],
        ["Abc", "───"],
        ["Abc"],
    ]


def test_a_part_that_is_none_is_refused() -> None:
    with pytest.raises(TypeError, match="made of parts, not of str"):
        render(doc("text"))


# -- characters -----------------------------------------------------------------------------------


def test_nothing_hostile_reaches_the_terminal() -> None:
    for width in (20, 80, 1000):
        text = render(HOSTILE, width)
        assert all(c == "\n" or c.isprintable() for c in text)
        text.encode()
    shown = render(HOSTILE, 1000)
    assert r"\x1b[2J\x07\x9b31m\u202e\n" in shown
    assert r"\ud800" in shown
    # a line break in a name begins no line of its own
    assert lines(doc(Heading(EVIL, 3)), 1000) == [printable(EVIL)]


@pytest.mark.parametrize(
    "text", ["conv", "畳み込み", "e\u0301", "ｶﾅ", "Σ × − ⌊n⌋ …", "한글", "😀", "Ａ"]
)
def test_widths_are_the_screens(text: str) -> None:
    """As rich counts them, which has its table from the Unicode standard."""
    assert cells(text) == cell_len(text)


def test_looking_needs_neither_numpy_nor_rich() -> None:
    code = (
        "import sys, convscope; before = set(sys.modules);"
        "import convscope.views.text, convscope.views.report, convscope.views.summary;"
        "import convscope.views.keras_summary, convscope.views.keras2_summary;"
        "import convscope.views.html, convscope.views.latex, convscope.views.markdown;"
        "new = {name.partition('.')[0] for name in set(sys.modules) - before};"
        "sys.exit(', '.join(new & {'numpy', 'rich', 'onnx', 'sympy', 'PIL'}) or 0)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")


@given(st.text())
def test_every_text_becomes_printable(text: str) -> None:
    shown = printable(text)
    assert all(c.isprintable() or unicodedata.category(c) == "Zs" for c in shown)
    if text.isprintable():
        assert shown == text


@given(
    st.text(st.sampled_from("ab_1,./ ()×畳"), max_size=60), st.integers(1, 40), st.integers(0, 1)
)
def test_wrapping_keeps_every_word_and_the_width(text: str, width: int, hanging: int) -> None:
    ranges = wrap(text, width, hanging)
    kept = "".join(text[start:end] for start, end in ranges)
    assert kept.replace(" ", "") == text.replace(" ", "")
    room = max(width - hanging, widest_piece(text))
    assert all(cells(text[start:end]) <= max(width, room) for start, end in ranges)


@given(st.text(st.sampled_from("ab_1,./()×-"), min_size=1, max_size=40))
def test_pieces_are_the_word(word: str) -> None:
    assert "".join(pieces(word)) == word


WIDE = Side(
    (
        Grid("map 0 at (3)", (tuple(f"{n / 16:.4f}" for n in range(31)),)),
        Grid("slice 0", (tuple(f"−{n}.5000" for n in range(31)),)),
    ),
    ("×",),
    "sum 1.5",
)


@pytest.mark.parametrize("width", [24, 40, 80, 130])
def test_a_wide_grid_is_cut_into_pieces_that_belong_together(width: int) -> None:
    found = lines(Document((WIDE,)), width)
    assert all(cells(line) <= width for line in found)
    rows = [re.findall(r"[\d.−]+", line) for line in found if "│" in line]
    assert [n for row in rows for n in row if "−" not in n] == [*WIDE.grids[0].cells[0]]
    assert [n for row in rows for n in row if "−" in n] == [*WIDE.grids[1].cells[0]]
    titles = [line for line in found if "…" in line]
    spans = [tuple(map(int, re.findall(r"\d+", title))) for title in titles]
    assert spans[-1][-1] == 31 and all(b[0] == a[-1] + 1 for a, b in pairwise(spans))
    assert found[-1].endswith("sum 1.5")


def test_grids_below_one_another_have_their_numbers_in_columns() -> None:
    found = [line for line in lines(Document((WIDE,)), 80) if "│" in line]
    assert all(
        a.index("│", 5) == b.index("│", 5) for a, b in zip(found[::2], found[1::2], strict=True)
    )
