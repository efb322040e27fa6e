"""Documents to look at: one with every part, and one whose every text is hostile."""

from __future__ import annotations

from types import SimpleNamespace

from convscope.parts import (
    Bullets,
    Code,
    Column,
    Document,
    Formula,
    Grid,
    Heading,
    Paragraph,
    Side,
    Span,
    Summary,
    SummaryRow,
    SummaryTotals,
    Table,
)

EQUATION = (
    "out[y, x, o] = relu(bias[o] + Σ i<3, j<3, c<32  in[y + i, x + j, c] · kernel[i, j, c, o])"
)
LATEX = (
    r"\mathrm{out}_{y,x,o} = \operatorname{relu}\left(\mathrm{bias}_{o} + \sum_{i=0}^{2} "
    r"\mathrm{in}_{y+i,x+j,c} \cdot \mathrm{kernel}_{i,j,c,o}\right)"
)

WINDOW = Grid(
    "map 0 at (−1, 7)",
    (("0", "0"), ("0.25", "-12.5"), ("1e-05", "1")),
    ((True, True), (False, False), (False, False)),
)
SLICE = Grid("slice 0 of the filter", (("0.1", "-0.2"), ("1", "0.75"), ("−3", "2")))
PRODUCTS = Grid("products", (("0", "0"), ("0.25", "-9.375"), ("-3e-05", "2")))

SAMPLE = Document(
    (
        Heading("conv2d_1 (Conv2D)", 1),
        Paragraph(
            [
                "One filter is ",
                Span("3×3×32", "code"),
                ", not 3×3. It reads all 32 maps at once and gives ",
                Span("one", "strong"),
                " number for each position; 64 filters give 64 maps. ",
                Span("The engine agrees", "good"),
                ".",
            ]
        ),
        Heading("The equation"),
        Formula(EQUATION, LATEX),
        Bullets(
            ("9·32 = 288 weights a filter", "64 filters: 288·64 + 64 = 18,496 parameters in all")
        ),
        Heading("Four pictures", 3),
        Table(
            (
                Column("picture"),
                Column("weights"),
                Column("params", "right"),
                Column("output shape"),
                Column("agrees"),
            ),
            (
                (
                    "every filter on every map separately",
                    "3×3×64",
                    "576",
                    "24×24×2048",
                    NO := Span("no", "bad"),
                ),
                ("one slice shared by all maps", "3×3×64", "640", "24×24×64", NO),
                (
                    "a slice for each map, summed",
                    "3×3×32×64",
                    "18,496",
                    "24×24×64",
                    Span("yes", "good"),
                ),
            ),
            (("together", "", "19,712"),),
            caption="The engine is ONNX Runtime.",
        ),
        Side((WINDOW, SLICE, PRODUCTS), ("×", "="), ["sum ", Span("-7.125", "strong")]),
        Code("convscope trace demo conv2d_1 5,7,12\n\t--json", "sh"),
    )
)

EVIL = "<script>alert('1')</script>|_a_*b*\\`c`\x1b[2J\x07\x9b31m\u202e\n&lt;$x^2${}%#~[l](http://e)\ud800"
"""Markup, escape sequences, a reversed reading direction, a line break, half a character."""

HOSTILE = Document(
    (
        Heading(EVIL, 1),
        Paragraph([EVIL, *(Span(EVIL, s) for s in ("code", "strong", "good", "bad", "dim"))]),
        Bullets((EVIL, [Span(EVIL, "code")])),
        Formula(EVIL, ""),
        Table(
            (Column(EVIL), Column("n", "right")),
            ((EVIL, Span(EVIL, "code")),),
            ((EVIL, EVIL),),
            EVIL,
        ),
        Side(
            (Grid(EVIL, ((EVIL, "1"),), ((True, False),)), Grid("", (("2", EVIL),))), (EVIL,), EVIL
        ),
        Code(EVIL + "\n```\n\\end{verbatim}</pre>", EVIL),
    )
)


def field(size: int, stride: int | None = 1, start: int = 0) -> SimpleNamespace:
    return SimpleNamespace(size=(size, size), stride=(stride, stride), start=(start, start))


TWO_LAYERS = Summary(
    "sequential",
    (
        SummaryRow(
            "conv2d",
            "Conv2D",
            ("input",),
            ((None, 28, 28, 1),),
            (None, 26, 26, 32),
            {"kernel": (3, 3, 1, 32), "bias": (32,)},
            320,
            320,
            194_688,
            field(3),
            activation="relu",
        ),
        SummaryRow(
            "conv2d_1",
            "Conv2D",
            ("conv2d",),
            ((None, 26, 26, 32),),
            (None, 24, 24, 64),
            {"kernel": (3, 3, 32, 64), "bias": (64,)},
            18_496,
            18_496,
            10_616_832,
            field(5),
            activation="relu",
        ),
    ),
    SummaryTotals(18_816, 18_816, 0, 10_811_520, 75_264),
    inputs={"input": (None, 28, 28, 1)},
    outputs=("conv2d_1",),
    sequential=True,
)
"""The question's network; counts by hand: 26·26·32·9, 24·24·64·288."""
