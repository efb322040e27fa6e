"""Our own summary: golden text, columns that add up, the JSON of DESIGN.md, CSV."""

from __future__ import annotations

import csv
import io
import json
import random
import re
from pathlib import Path

import pytest
from views.documents import EVIL, TWO_LAYERS, field
from views.keras_networks import stored

from convscope.errors import SettingError
from convscope.parts import Column, Summary, SummaryRow, SummaryTotals
from convscope.views import figures
from convscope.views.characters import cells
from convscope.views.html import html
from convscope.views.markdown import markdown
from convscope.views.report import Report
from convscope.views.summary import COLUMNS, SummaryTable, document, render, summary_csv
from convscope.views.text_table import MeasuredColumn, height, least_height

GOLDEN = Path(__file__).parents[1] / "golden"


@pytest.mark.parametrize("width", [80, 120])
def test_it_looks_like_this(width: int) -> None:
    assert render(TWO_LAYERS, width=width) == (GOLDEN / f"table_summary_{width}.txt").read_text()


@pytest.mark.parametrize("name", [*stored(), "two"])
@pytest.mark.parametrize("width", [60, 80, 100, 160])
def test_the_columns_add_up(name: str, width: int) -> None:
    """The printed figures, read back by the places of their titles, sum to the printed totals."""
    summary = TWO_LAYERS if name == "two" else stored()[name]
    shown = render(summary, columns=["layer", "params", "trainable", "macs"], width=width)
    table = shown.split("\n\n")[1].split("\n")
    rules = [n for n, line in enumerate(table) if line.startswith("──")]
    for title, total in (
        ("params", summary.totals.params),
        ("trainable", summary.totals.trainable),
        ("MACs", summary.totals.macs),
    ):
        end = table[0].index(title) + len(title)
        words = [line[:end].split()[-1:] for line in table[rules[0] + 1 : rules[1]]]
        counts = [int(w[0].replace(",", "")) for w in words if w and re.fullmatch(r"[\d,]+", w[0])]
        if total is not None:
            assert table[rules[1] + 1][:end].split()[-1] == f"{total:,}"
            assert sum(counts) == total


@pytest.mark.parametrize("width", [80, 100, 120, 200])
def test_it_fits(width: int) -> None:
    for summary in (TWO_LAYERS, *(s for n, s in stored().items() if n != "long_names")):
        assert all(cells(line) <= width for line in render(summary, width=width).split("\n"))


def test_columns_can_be_chosen() -> None:
    shown = render(TWO_LAYERS, columns=["name", "activation", "inputs", "input"], width=80)
    assert "layer     activation  inputs  input shape\n" in shown
    assert "conv2d_1  relu        conv2d  26×26×32\n" in shown
    assert "total" not in shown
    assert render(TWO_LAYERS, columns="name, params") == render(
        TWO_LAYERS, columns=["name", "params"]
    )
    render(TWO_LAYERS, columns=COLUMNS)


def test_a_column_or_style_that_is_none() -> None:
    with pytest.raises(
        SettingError, match=r"no column 'param' \(did you mean 'params'\?\); its .*macs"
    ):
        render(TWO_LAYERS, columns=["param"])
    with pytest.raises(SettingError, match="needs a column"):
        render(TWO_LAYERS, columns=[])
    with pytest.raises(SettingError, match=r"not 'kears' \(did you mean 'keras'\?\)"):
        render(TWO_LAYERS, style="kears")


def test_branches_say_what_feeds_them() -> None:
    shown = render(stored()["branches"], width=120)
    assert "merged (Concatenate) ← a, b2, c " in shown
    assert "flat (GlobalAveragePooling2D)  " in shown
    assert "←" not in render(stored()["pool_norm_dense"], width=120)
    assert "←" not in render(TWO_LAYERS, width=120)


def test_shared_layers_count_once() -> None:
    shown = render(stored()["shared"], width=120)
    assert re.search(r"eye#1 \(Conv2D\) ← left +18×19×6 +those of eye +shared ", shown)
    assert "194 parameters, all trainable; 776 bytes." in shown


def test_figures_that_do_not_exist_are_no_zeros() -> None:
    shape = (None, 28, 28, 1)
    opaque = SummaryRow("o", "Lambda", ("input",), (shape,), None, {}, 0, 0, opaque=True)
    summary = Summary("net", (opaque,), SummaryTotals(0, 0, 0, None, 0), inputs={"input": shape})
    assert re.search(r"o \(Lambda, opaque\) +\? +– +0 +– +–\n", render(summary, width=100))
    assert "1 layer, 1 of them without an equation" in render(summary, width=100)
    row = summary.to_dict()["layers"][0]
    assert row["macs"] is None and row["receptive_field"] is None and row["output_shape"] is None


@pytest.mark.parametrize(
    ("seen", "expected"),
    [
        (field(5), "5×5, stride 1, start 0"),
        (field(11, 4, -3), "11×11, stride 4, start −3"),
        (field(28, None), "28×28, start 0"),
        (
            type("F", (), {"size": (3, 7), "stride": (1, 2), "start": (0, -1)}),
            "3×7, stride (1, 2), start (0, −1)",
        ),
        (type("F", (), {"size": (3,), "stride": (0.5,), "start": (0,)}), "3, stride 0.5, start 0"),
        (None, "–"),
    ],
)
def test_receptive_fields_in_words(seen: object, expected: str) -> None:
    assert figures.field(seen).replace("\u00a0", " ") == expected  # type: ignore[arg-type]


def test_sizes_may_be_symbols() -> None:
    sympy = pytest.importorskip("sympy")
    n, k = sympy.symbols("n k", integer=True, positive=True)
    assert figures.shape(((n - 1) // 2, None, k, 3)) == "⌊n/2\u00a0−\u00a01/2⌋×?×k×3"
    assert figures.count(9 * k + k**2) == "k² + 9·k"
    row = TWO_LAYERS.rows[0]._replace(output_shape=(None, n - 2, k), params=9 * k)
    assert row.to_dict()["output_shape"] == [None, "n - 2", "k"]
    assert row.to_dict()["params"] == "9*k"
    assert "(n − 2)×k" in render(TWO_LAYERS._replace(rows=(row,)), width=120)


@pytest.mark.parametrize(
    ("amount", "expected"),
    [
        (0, "0 bytes"),
        (1023, "1023 bytes"),
        (75_264, "73.5 KiB"),
        (2**30, "1.0 GiB"),
        (None, "unknown bytes"),
        ("40*k", "40·k bytes"),
    ],
)
def test_memory_in_its_unit(amount: object, expected: str) -> None:
    assert figures.memory(amount) == expected


def test_the_json_is_what_design_says() -> None:
    assert json.loads(Report(SummaryTable(TWO_LAYERS)).json()) == {
        "name": "sequential",
        "layout": "channels_last",
        "layers": [
            {
                "name": "conv2d",
                "kind": "Conv2D",
                "inputs": ["input"],
                "input_shapes": [[None, 28, 28, 1]],
                "output_shape": [None, 26, 26, 32],
                "weights": {"kernel": [3, 3, 1, 32], "bias": [32]},
                "params": 320,
                "trainable": 320,
                "macs": 194688,
                "receptive_field": {"size": [3, 3], "stride": [1, 1], "start": [0, 0]},
                "opaque": False,
            },
            {
                "name": "conv2d_1",
                "kind": "Conv2D",
                "inputs": ["conv2d"],
                "input_shapes": [[None, 26, 26, 32]],
                "output_shape": [None, 24, 24, 64],
                "weights": {"kernel": [3, 3, 32, 64], "bias": [64]},
                "params": 18496,
                "trainable": 18496,
                "macs": 10616832,
                "receptive_field": {"size": [5, 5], "stride": [1, 1], "start": [0, 0]},
                "opaque": False,
            },
        ],
        "totals": {
            "params": 18816,
            "trainable": 18816,
            "non_trainable": 0,
            "macs": 10811520,
            "bytes": 75264,
        },
    }


def test_csv_can_be_read_back() -> None:
    rows = list(csv.DictReader(io.StringIO(summary_csv(TWO_LAYERS))))
    assert [row["name"] for row in rows] == ["conv2d", "conv2d_1"]
    assert json.loads(rows[1]["weights"]) == {"kernel": [3, 3, 32, 64], "bias": [64]}
    assert json.loads(rows[1]["receptive_field"])["size"] == [5, 5]
    assert sum(int(row["params"]) for row in rows) == 18_816
    assert rows[0]["opaque"] == "false"


def test_csv_of_hostile_names() -> None:
    names = ("=cmd()", "@a", EVIL, 'a,"b"')
    rows = tuple(TWO_LAYERS.rows[0]._replace(name=name, inputs=(EVIL,)) for name in names)
    text = summary_csv(TWO_LAYERS._replace(rows=rows))
    assert text.replace("\n", "").isprintable()
    read = list(csv.DictReader(io.StringIO(text)))
    assert [row["name"] for row in read][:2] == ["'=cmd()", "'@a"]
    assert read[3]["name"] == 'a,"b"'
    assert json.loads(read[2]["inputs"]) == [EVIL]


def test_hostile_names_in_every_view() -> None:
    row = TWO_LAYERS.rows[0]._replace(name=EVIL, kind=EVIL, weights={EVIL: (1,)}, inputs=(EVIL,))
    second = row._replace(name=EVIL + "2", shared_with=EVIL)
    summary = TWO_LAYERS._replace(name=EVIL, rows=(row, second), inputs={EVIL: (None, 2, 2, 1)})
    for text in (render(summary, width=90), markdown(document(summary)), html(document(summary))):
        assert all(c == "\n" or c.isprintable() or c == "\u00a0" for c in text)
    assert "<script" not in html(document(summary))


def test_a_summary_of_nothing() -> None:
    summary = Summary("empty", (), SummaryTotals(0, 0, 0, 0, 0))
    assert "0 parameters; 0 bytes" in render(summary)
    assert render(summary, "keras2").startswith('Model: "empty"\n___')
    assert summary_csv(summary).startswith("name,kind")


def deep(blocks: int) -> Summary:
    rows, above = [], "input"
    for n in range(blocks):
        for name, kind, weights, inputs in (
            ("conv", "Conv2D", {"kernel": (3, 3, 512, 512), "bias": (512,)}, (above,)),
            (
                "bn",
                "BatchNormalization",
                {w: (512,) for w in ("gamma", "beta", "mean", "var")},
                None,
            ),
            ("add", "Add", {}, (f"block{n}_bn", above)),
        ):
            inputs = inputs or (f"block{n}_conv",)
            shape = (None, 14, 14, 512)
            rows.append(
                SummaryRow(
                    f"block{n}_{name}",
                    kind,
                    inputs,
                    (shape,) * len(inputs),
                    shape,
                    weights,
                    2_359_808 if weights else 0,
                    2_359_808 if weights else 0,
                    462_422_016 if name == "conv" else 0,
                    field(3 + 2 * n, 1, -n),
                )
            )
        above = f"block{n}_add"
    count = sum(row.params for row in rows)
    totals = SummaryTotals(count, count, 0, blocks * 462_422_016, 4 * count)
    return Summary("deep", tuple(rows), totals, inputs={"input": (None, 14, 14, 512)})


def test_a_long_table_keeps_a_layer_to_a_line_and_says_what_it_left_out() -> None:
    tall = render(deep(20), width=100)
    assert tall.count("\n") < 1.4 * 60 and "keep a layer to a line" in " ".join(tall.split())
    assert "3×3×512×512 +1" in tall and "4 of 512" in tall and "(Batch…)" in tall
    assert "← …bn, …" not in tall and "block3_add (Add) ← …bn, block2_add" in " ".join(tall.split())
    assert all(cells(line) <= 100 for line in tall.split("\n"))
    for whole in (render(deep(20), width=200), render(deep(3), width=100)):
        assert "keep a layer" not in whole and "BatchNormalization" in whole
    assert "start −19" in render(deep(20), width=200)


def test_without_a_terminal_each_row_of_a_long_table_is_a_line() -> None:
    summary = deep(20)
    longer = summary._replace(
        rows=tuple(row._replace(name=f"{row.name}_of_a_long_name") for row in summary.rows)
    )
    lines = render(longer, width=None).splitlines()
    assert len(lines) <= 60 + 14
    assert max(map(len, lines)) > 100 and max(map(len, lines[-4:])) <= 100
    assert max(map(len, render(longer, width=100).splitlines())) <= 100


def test_where_fewer_words_make_a_table_no_narrower_all_are_said() -> None:
    shape, long, short = (None, 14, 15, 512), "GlobalAveragePooling2D", "MaxPooling2D"
    names = [f"block_of_the_encoder_{n}" for n in range(60)]
    names += [f"a_{'very_' * 20}long_name_{n}" for n in range(9)]
    rows = [
        SummaryRow(name, kind, (above,), (shape,), shape, {}, 0, 0, 0, None)
        for above, name in zip(["input", *names], names, strict=False)
        for kind in [short if "very" in name else long]
    ]
    all_said = render(deep(1)._replace(rows=tuple(rows)), width=None)
    assert long in all_said and "keep a layer" not in all_said
    rows[-1] = rows[-1]._replace(kind=long)  # the widest row gets narrower by it
    assert "keep a layer" in render(deep(1)._replace(rows=tuple(rows)), width=None)


def test_shares_and_memory_can_be_asked_for() -> None:
    shown = render(TWO_LAYERS, columns=["name", "share", "memory"], width=80)
    assert re.search(r"conv2d +1\.7% +84\.5 KiB", shown)  # 320 of 18,816; 26·26·32·4 bytes
    assert re.search(r"conv2d_1 +98\.3% +144\.0 KiB", shown)


def test_a_table_takes_no_fewer_lines_than_it_is_said_to_take_at_least() -> None:
    draw = random.Random(3)
    words = ["conv", "batch normalization", "1×2×3", "weight 3×3×32×64", "–", "x" * 30, "5×5, stride 1, start 0"]  # fmt: skip
    lengths: list[tuple[int, int]] = []
    for _ in range(200):
        rows = draw.randint(1, 8)
        columns = [
            MeasuredColumn(
                Column(
                    draw.choice(["layer", "output of all the layers"]),
                    draw.choice(["left", "right"]),
                ),
                [" ".join(draw.choices(words, k=draw.randint(1, 4))) for _ in range(rows)],
            )
            for _ in range(draw.randint(1, 6))
        ]
        width, footer = draw.choice([30, 50, 80, 120, 200]), draw.random() < 0.5
        lengths.append((least_height(columns, width, footer), height(columns, width, footer)))
    assert all(least <= whole for least, whole in lengths)
    assert len([1 for least, whole in lengths if least == whole]) > 100  # and not less than need be
