"""LaTeX, compiled by pdfTeX: every form of every explanation, with no error and no line too wide.

KaTeX, which browsers have, is no proof: it takes characters and widths that LaTeX refuses.
"""

from __future__ import annotations

import random
import re
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
from campaigns import rounds
from needed import absent
from views.documents import HOSTILE, SAMPLE

import convscope
from convscope.demo import digits
from convscope.explain.activations import figures_of
from convscope.layers import kinds
from convscope.parts import Code, Column, Document, Formula, Grid, Heading, Paragraph, Side, Table
from convscope.views.latex import latex
from convscope.views.report import Report
from convscope.views.summary import SummaryTable

OVERFULL = re.compile(r"Overfull \\([hv]box) \((\d+\.\d+)pt too (?:wide|high)\)")
LEAST = 1.0
"""Points by which a line may stick out: less is not seen."""


def compiled(fragments: dict[str, str], folder: Path) -> dict[str, list[str]]:
    """Return what LaTeX says against each fragment: errors, and boxes that are too wide or too high."""
    program = shutil.which("pdflatex")
    if program is None:
        absent("no pdflatex: apt-get install --no-install-recommends texlive-latex-base")
    lines = [r"\documentclass{article}", r"\usepackage{amsmath,longtable}", r"\begin{document}"]
    for number, text in enumerate(fragments.values()):
        lines += [rf"\typeout{{@@{number}}}", text, r"\clearpage"]
    (folder / "all.tex").write_text("\n".join([*lines, r"\end{document}"]), encoding="utf-8")
    command = [program, "-interaction=nonstopmode", "-draftmode", "-no-shell-escape", "all.tex"]
    subprocess.run(command, cwd=folder, check=False, capture_output=True, stdin=subprocess.DEVNULL)
    said: dict[str, list[str]] = {}
    names, now = list(fragments), "before the first"
    for line in (folder / "all.log").read_text("utf-8", "replace").splitlines():
        if line.startswith("@@"):
            now = names[int(line[2:])]
        found = OVERFULL.match(line)
        if line.startswith("! ") or (found and float(found[2]) > LEAST):
            said.setdefault(now, []).append(line)
    assert names == [] or now == names[-1], f"LaTeX stopped at {now}"
    return said


def numbers(shape: tuple[int, ...]) -> Any:
    return np.random.default_rng(7).normal(size=shape).astype(np.float32)


def of_the_demo() -> Iterator[tuple[str, Report[Any]]]:
    demo = convscope.open("demo")
    run = demo.run(digits()["seven"])
    yield "summary", Report(SummaryTable(demo.facts()))
    yield "whatif", demo.whatif([("conv2d", "kernel_size", 5), ("conv2d_1", "strides", 2)])
    yield "run", Report(figures_of(run.graph, run.activations))
    yield "cone", demo.trace(digits()["seven"], "conv2d_1", (5, 7, 12))
    for name in run.graph.nodes:
        yield f"trace {name}", run.trace(name, run.liveliest(name))
    for name in ("conv2d", "conv2d_1"):
        yield f"pictures of {name}", run.compare(name, run.liveliest(name))


def of_symbols() -> Iterator[tuple[str, Report[Any]]]:
    """Sizes that are symbols, some of them called like an index."""
    network = convscope.Sequential(
        [
            convscope.Conv2D("c", "k", input_shape=("i", "j", "n"), name="one"),
            convscope.Conv2D("o", ("a", 3), strides=2, name="two"),
            convscope.MaxPooling2D(2),
            convscope.GlobalAveragePooling2D(),
            convscope.Dense("u"),
        ]
    )
    yield "symbols: summary", Report(SummaryTable(network.facts()))
    yield "symbols: explain", network.explain()
    strided = [
        convscope.Conv2D("c", "k", strides="s", input_shape=("i", "j", "n")),
        convscope.MaxPooling2D(2, strides="t"),
        convscope.Conv2D(5, 3, strides=("s", "t"), padding="same"),
    ]
    moved = convscope.Sequential(strided)
    yield "symbolic strides: summary", Report(SummaryTable(moved.facts()))
    yield "symbolic strides: explain", moved.explain("conv2d")
    evened = [
        convscope.Conv2D("c", ("k", "l"), strides=("s", "t"), padding="same", input_shape=("height", "width", "n")),
        convscope.MaxPooling2D(2, strides="t", padding="same"),
        convscope.Conv2D(5, 3, strides=("s", "t"), padding="same"),
    ]  # fmt: skip
    same = convscope.Sequential(evened)
    for layer in same.layers:
        yield f"same, symbolic: explain {layer.name}", same.explain(str(layer.name))
    changed = convscope.open("demo").whatif([("conv2d", "filters", "f")], depth=1)
    yield "symbols: whatif", changed


def of_gradients() -> Iterator[tuple[str, Report[Any]]]:
    run = convscope.open("demo").run(digits()["seven"])
    for to in ("input", "conv2d.kernel", "conv2d.bias"):
        yield f"gradient of {to}", run.gradient(("conv2d_1", (15, 17, 7)), to)
    found = run.gradient(("conv2d_1", (15, 17, 7)), "conv2d.kernel")
    yield "a derivative", found.at((1, 2, 0, 11))
    yield "shares", run.gradient(("conv2d_1", (15, 17, 7))).shares()
    loss = "sparse_categorical_crossentropy"
    yield "a loss", run.gradient(loss=loss, target=7, to="dense.kernel")


def of_every_kind() -> Iterator[tuple[str, Report[Any]]]:
    for kind in kinds().values():
        for number, sample in enumerate(list(kind.samples())[:: rounds(3, 1)]):
            inputs = [convscope.Input(tuple(shape)) for shape in sample.shapes]
            network = convscope.Model(inputs, sample.layer(inputs if inputs[1:] else inputs[0]))
            yield f"explain {kind.__name__} {number}", network.explain()
            run = network.run([numbers(tuple(shape)) for shape in sample.shapes])
            name = list(run.graph.nodes)[-1]
            yield f"trace {kind.__name__} {number}", run.trace(name, run.liveliest(name))


def of_operators() -> Iterator[tuple[str, Report[Any]]]:
    """Formulas of cases, conditions and many locals, which no line of an article has room for."""
    from operators.cases import CASES
    from operators.test_every_rule import model_of

    wide = (
        "DeformConv",
        "RoiAlign",
        "MaxRoiPool",
        "MaxUnpool",
        "ScatterND",
        "ScatterElements",
        "QLinearConv",
        "GridSample",
    )
    chosen = [case for case in CASES if case.op in wide]
    for number, case in enumerate(chosen[:: rounds(6, 1)]):
        model, fed = model_of(case)
        network = convscope.open(model)
        yield f"explain {case.op} {number}", network.explain("node")
        inputs = network.graph.inputs.items()
        run = network.run({n: fed[n][0] if len(s) < fed[n].ndim else fed[n] for n, s in inputs})
        yield f"trace {case.op} {number}", run.trace("node", run.liveliest("node"))


def of_a_deep_network() -> Iterator[tuple[str, Report[Any]]]:
    image = convscope.Input((67, 59, 3))
    x = convscope.Conv2D(32, 3, name="stages.0_blocks.0_first_convolution_of_all")(image)
    for n in range(30):
        y = convscope.Conv2D(32, 3, padding="same", name=f"stages.1_blocks.{n}_convolution")(x)
        x = convscope.Add(name=f"stages.1_blocks.{n}_residual_connection_add")([x, y])
    network = convscope.Model(image, x)
    yield "60 layers: summary", Report(SummaryTable(network.facts()))
    yield "60 layers: explain", network.explain()


def test_every_explanation_compiles_and_keeps_to_its_lines(tmp_path: Path) -> None:
    made = [
        *of_the_demo(),
        *of_every_kind(),
        *of_operators(),
        *of_a_deep_network(),
        *of_symbols(),
        *of_gradients(),
    ]
    fragments = {name: report.latex() for name, report in made}
    assert len(fragments) > rounds(300, 700)
    assert compiled(fragments, tmp_path) == {}


def test_wide_numbers_are_cut_into_pieces(tmp_path: Path) -> None:
    row = tuple(f"−{n}.123456" for n in range(49))
    grids = (Grid("map 0 at (3)", (row,)), Grid("slice 0", (row,)), Grid("products", (row,)))
    square = Grid("map 1", tuple(tuple(row[:7]) for _ in range(7)), ((True,) * 7,) * 7)
    parts = (Side(grids, ("×", "="), "sum −1.5"), Side((square,) * 3, ("×", "="), "sum −2.5"))
    text = latex(Document(parts))
    assert compiled({"wide": text}, tmp_path) == {}
    assert text.count("-48.123456") == 3 and text.count("sum") == 2


def test_hostile_text_compiles(tmp_path: Path) -> None:
    chance = random.Random(5)
    letters = "".join(map(chr, [*range(0x20, 0x250), *range(0x370, 0x400), *range(0x2000, 0x2300)]))
    letters += "畳み込み⁻⁷²ⁿ₃✓✗─│🦊\u202e\x1b\ud800"
    fragments = {"hostile": latex(HOSTILE), "sample": latex(SAMPLE)}
    for number in range(150):
        text, code = ("".join(chance.choices(letters, k=60)) for _ in range(2))
        table = Table(
            (Column(text[:9]), Column("n", "right")), ((text, code[:12]),), ((text, ""),), code
        )
        parts = (Heading(text), Paragraph(code), Formula(text, ""), Code(code), table)
        fragments[f"{number}: {text!r} {code!r}"] = latex(Document(parts))
    said = compiled(fragments, tmp_path)
    assert {
        name: [s for s in lines if s[0] == "!"]
        for name, lines in said.items()
        if any(s[0] == "!" for s in lines)
    } == {}
