"""The same figure in four forms, each read by somebody else: Chromium, TeX, PDFium, Pillow."""

from __future__ import annotations

import io
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import pypdfium2
import pytest
from figures.networks import FORMS
from needed import absent
from PIL import Image

import convscope as cs
from convscope.demo import digits
from convscope.errors import (
    ConvscopeError,
    LayerLookupError,
    OutputError,
    PositionError,
    SettingError,
    UnsupportedError,
)
from convscope.figures import pdf, svg, tikz
from convscope.figures.drawing import FIGURES, FigureAsked, scene
from convscope.figures.scene import Scene, Text, walk
from convscope.figures.styles import ROLES, STYLES

GOLDEN = Path(__file__).parents[1] / "golden"


@pytest.fixture(scope="module")
def scenes() -> dict[str, Scene]:
    """Return every figure of the demo, and the architecture of networks of every form."""
    run = cs.open("demo").run(digits()["seven"])
    found = {
        f"{figure}-{style}": scene(run.graph, FigureAsked(figure, style), run)
        for figure, style in zip(FIGURES, (*STYLES, *STYLES), strict=False)
    }
    forms = {
        f"form-{name}".replace(":", "-"): scene(made().graph, FigureAsked("architecture"))
        for name, made in FORMS.items()
    }
    return found | forms


def words(drawn: Scene) -> list[Text]:
    return [part for part in walk(drawn.parts) if isinstance(part, Text)]


@pytest.fixture(scope="module")
def page(browser: Any) -> Iterator[Any]:
    opened = browser.new_page()
    opened.set_default_timeout(120_000)
    yield opened
    opened.close()


def test_svg_is_xml_whose_text_is_text_and_that_asks_for_nothing(scenes: dict[str, Scene]) -> None:
    for name, drawn in scenes.items():
        text = svg.svg(drawn)
        root = ElementTree.fromstring(text)
        space = "{http://www.w3.org/2000/svg}"
        assert [e.text for e in root.iter(f"{space}text")] == [
            w.text for w in words(drawn)
        ] or "names" in name
        assert len(list(root.iter(f"{space}text"))) == len(words(drawn))
        ids = [e.get("id") for e in root.iter() if e.get("id")]
        assert len(ids) == len(set(ids)) and all(
            re.fullmatch(r"[A-Za-z][A-Za-z0-9-]*", i or "") for i in ids
        )
        assert "http" not in text.replace("http://www.w3.org/2000/svg", "")
        assert not list(root.iter(f"{space}script"))


def test_chromium_draws_every_word_in_the_room_that_it_was_given(
    scenes: dict[str, Scene], page: Any
) -> None:
    for name, drawn in scenes.items():
        page.set_content(
            f"<!doctype html><body style='margin:0'>{svg.svg(drawn).split('?>', 1)[1]}"
        )
        lengths = page.evaluate(
            "[...document.querySelectorAll('text')].map(t => t.getComputedTextLength())"
        )
        assert len(lengths) == len(words(drawn))
        for word, length in zip(words(drawn), lengths, strict=True):
            if word.text.isascii() or "names" not in name:
                assert length <= word.box[2] - word.box[0] + 0.6, (name, word.text)


def tex() -> str:
    program = shutil.which("pdflatex")
    if program is None:
        absent("no pdflatex: apt-get install --no-install-recommends texlive-latex-base")
    found = shutil.which("kpsewhich")
    if (
        found is None
        or not subprocess.run([found, "tikz.sty"], capture_output=True, check=False).stdout
    ):
        absent("no TikZ: apt-get install --no-install-recommends texlive-pictures")
    return program


def compiled(folder: Path, name: str) -> pypdfium2.PdfDocument:
    command = [
        tex(),
        "-interaction=nonstopmode",
        "-halt-on-error",
        "-no-shell-escape",
        f"{name}.tex",
    ]
    done = subprocess.run(
        command, cwd=folder, check=False, capture_output=True, stdin=subprocess.DEVNULL
    )
    log = (folder / f"{name}.log").read_text("utf-8", "replace")
    assert done.returncode == 0, log[-3000:]
    assert not re.findall(r"^! .*|Overfull.*", log, re.MULTILINE)
    return pypdfium2.PdfDocument((folder / f"{name}.pdf").read_bytes())


QUICK = ("content-lecture", "form-names", "form-demo-resnet")


def test_tikz_compiles_by_itself_to_one_page_of_the_figure_s_size(
    scenes: dict[str, Scene], tmp_path: Path
) -> None:
    for name in [n for n in scenes if n in QUICK or n.startswith("number")]:
        drawn = scenes[name]
        (tmp_path / f"{name}.tex").write_text(tikz.tikz(drawn), encoding="utf-8")
        found = compiled(tmp_path, name)
        assert len(found) == 1
        assert found[0].get_size() == pytest.approx((drawn.width, drawn.height), abs=0.1)


@pytest.mark.full
def test_every_figure_compiles(scenes: dict[str, Scene], tmp_path: Path) -> None:
    for name, drawn in scenes.items():
        (tmp_path / f"{name}.tex").write_text(tikz.tikz(drawn), encoding="utf-8")
        assert len(compiled(tmp_path, name)) == 1


def test_tikz_is_a_fragment_too(scenes: dict[str, Scene], tmp_path: Path) -> None:
    text = tikz.tikz(scenes["architecture-plain"])
    (tmp_path / "figure.tex").write_text(text, encoding="utf-8")
    (tmp_path / "paper.tex").write_text(
        r"\documentclass{article}\usepackage{tikz}\usepackage[margin=1cm]{geometry}\begin{document}"
        "\nBefore.\n\\begin{figure}\\centering\\input{figure}\\caption{A network.}\\end{figure}\nAfter.\n"
        r"\end{document}",
        encoding="utf-8",
    )
    said = compiled(tmp_path, "paper")[0].get_textpage().get_text_bounded()
    assert (
        "Before." in said
        and "After." in said
        and "Figure 1: A network." in said
        and "26×26×32" in said
    )


def test_pdf_has_its_letters_in_it_and_its_text_is_text(scenes: dict[str, Scene]) -> None:
    for name, drawn in list(scenes.items())[::2]:
        held = io.BytesIO()
        pdf.write(drawn, held)
        data = held.getvalue()
        assert data.count(b"/FontFile2") >= 1
        found = pypdfium2.PdfDocument(data)
        assert len(found) == 1
        assert found[0].get_size() == pytest.approx((drawn.width, drawn.height), abs=0.1)
        if "names" not in name:
            said = found[0].get_textpage().get_text_bounded()
            plain = [w.text for w in words(drawn) if re.fullmatch(r"[A-Za-z0-9_×. ]+", w.text)]
            assert [w for w in plain if w.split()[0] not in said] == []


def test_fonts_of_a_pdf_are_all_embedded(scenes: dict[str, Scene]) -> None:
    held = io.BytesIO()
    pdf.write(scenes["architecture-plain"], held)
    fonts = re.findall(rb"/BaseFont /([A-Za-z+-]+)", held.getvalue())
    assert fonts and all(b"Vera" in font for font in fonts)


def test_png_has_the_pixels_that_were_asked_for(tmp_path: Path) -> None:
    net = cs.open("demo")
    net.draw(tmp_path / "a.png", dpi=96)
    with Image.open(tmp_path / "a.png") as image:
        assert image.width == pytest.approx(516 * 96 / 72, abs=1)
        assert image.convert("RGB").getpixel((1, 1)) == (255, 255, 255)
    net.draw(tmp_path / "b.png", style="paper", dpi=50)
    with Image.open(tmp_path / "b.png") as image:
        assert image.mode == "RGBA" and image.getpixel((1, 1))[3] == 0  # type: ignore[index]  # four numbers
    net.draw(tmp_path / "c.png", style="dark", dpi=50)
    with Image.open(tmp_path / "c.png") as image:
        assert sum(image.convert("RGB").getpixel((1, 1))) < 120  # type: ignore[arg-type]  # three numbers


def test_a_picture_stands_where_the_scene_says_in_every_form(page: Any, tmp_path: Path) -> None:
    """The corners of a slanted picture, by colour, in Chromium, in PDFium and through TeX."""
    import numpy as np

    from convscope.figures.scene import Pixels

    four = np.array([[[255, 0, 0], [0, 255, 0]], [[0, 0, 255], [255, 255, 0]]], np.uint8)
    drawn = Scene(90, 70, "four", (Pixels((10, 30), (40, -20), (0, 30), four),), "#FFFFFF")
    page.set_viewport_size({"width": 120, "height": 94})
    page.set_content(f"<!doctype html><body style='margin:0'>{svg.svg(drawn).split('?>', 1)[1]}")
    with Image.open(io.BytesIO(page.screenshot())) as shot:
        seen = shot.convert("RGB").resize((90, 70), box=(0, 0, 120, 280 / 3))
    held = io.BytesIO()
    pdf.write(drawn, held)
    printed = pypdfium2.PdfDocument(held.getvalue())[0].render(scale=1).to_pil().convert("RGB")
    (tmp_path / "four.tex").write_text(tikz.tikz(drawn), encoding="utf-8")
    typeset = compiled(tmp_path, "four")[0].render(scale=1).to_pil().convert("RGB")
    for picture in (seen, printed, typeset):
        for (row, column), colour in np.ndenumerate(four[..., 0] * 0):
            at = (10 + 40 * (column + 0.5) / 2, 30 - 20 * (column + 0.5) / 2 + 30 * (row + 0.5) / 2)
            got: Any = picture.getpixel((round(at[0]), round(at[1])))
            assert np.allclose(got, four[row, column] + colour, atol=12), (row, column, got)


def test_the_same_network_is_the_same_file(tmp_path: Path) -> None:
    for suffix in ("svg", "tex", "pdf"):
        files = [tmp_path / f"{n}.{suffix}" for n in range(2)]
        for file in files:
            cs.open("demo").draw(file, digits()["seven"])
        assert files[0].read_bytes() == files[1].read_bytes()


def test_a_small_change_of_the_network_is_a_small_change_of_the_file() -> None:
    def lines(filters: int) -> set[str]:
        model = cs.Sequential(name="net")
        model.add(cs.Conv2D(8, 3, input_shape=(30, 28, 3)))
        for n in (16, filters, 64):
            model.add(cs.Conv2D(n, 3))
        return set(svg.svg(scene(model.graph, FigureAsked("architecture"))).splitlines())

    before, after = lines(32), lines(33)
    assert 0 < len(after - before) < 0.35 * len(after)


def small() -> Any:
    return cs.Sequential([cs.Conv2D(5, 3, input_shape=(11, 9, 2)), cs.Dense(4)], name="small")


def golden(file: str) -> str:
    if file == "figure_gradient.svg":
        run = cs.open("demo:groups").run(digits()["seven"])
        asked = FigureAsked("gradient", "plain", "ieee", to="stem.kernel", at=("full", (4, 5, 6)))
        made = svg.svg(scene(run.graph, asked, run))
        made = re.sub('base64,[^"]+', "base64,", made)  # as packed as the machine's zlib does
        return re.sub(r"\d+\.\d{4,}", lambda found: f"{float(found[0]):.3f}", made)
    drawn = scene(small().graph, FigureAsked("architecture", "plain", "ieee"))
    return svg.svg(drawn) if file.endswith("svg") else tikz.tikz(drawn)


FILES = ("figure_small.svg", "figure_small.tex", "figure_gradient.svg")


@pytest.mark.parametrize("file", FILES)
def test_golden(file: str) -> None:
    """`python tests/figures/test_writers.py` writes them anew."""
    assert golden(file) == (GOLDEN / file).read_text(encoding="utf-8")


# -- what goes wrong ------------------------------------------------------------------------------


def test_what_there_is_not_is_refused_with_what_there_is(tmp_path: Path) -> None:
    net = cs.open("demo")
    wrong: list[tuple[type[ConvscopeError], str, str, dict[str, Any]]] = [
        (OutputError, r"name the file .*fig\.svg", "fig.gif", {}),
        (SettingError, "did you mean 'paper'", "f.svg", {"style": "papr"}),
        (SettingError, "did you mean 'kernels'", "f.svg", {"figure": "kernel"}),
        (SettingError, "give an image", "f.svg", {"figure": "number"}),
        (SettingError, "88mm, 3.5in", "f.svg", {"columns": "wide"}),
        (SettingError, "inches wide", "f.svg", {"columns": "3mm"}),
        (SettingError, "dpi", "f.png", {"dpi": 3}),
        (
            SettingError,
            "go with the figure gradient",
            "f.svg",
            {"figure": "kernels", "to": "conv2d"},
        ),
        (SettingError, "give an image", "f.svg", {"loss": "mse", "target": [0] * 10}),
    ]
    for error, words_, name, settings in wrong:
        with pytest.raises(error, match=words_):
            net.draw(tmp_path / name, **settings)
    with pytest.raises(LayerLookupError, match="conv2d"):
        net.draw(tmp_path / "f.svg", figure="kernels", at="conv2d_9")
    with pytest.raises(UnsupportedError, match="no kernel that slides"):
        net.draw(tmp_path / "f.svg", figure="kernels", at="dense")
    with pytest.raises(PositionError):
        net.draw(tmp_path / "f.svg", digits()["seven"], figure="number", at="conv2d_1:99,0,0")
    seven = digits()["seven"]
    with pytest.raises(UnsupportedError, match="does not slide over maps"):
        net.draw(tmp_path / "f.svg", seven, to="conv2d.bias")
    with pytest.raises(UnsupportedError, match="gives no maps"):
        net.draw(tmp_path / "f.svg", seven, to="flatten")
    with pytest.raises(SettingError, match="a loss is of a whole output"):
        net.draw(tmp_path / "f.svg", seven, loss="mse", target=[0] * 10, at="dense:3")
    assert list(tmp_path.iterdir()) == []


def test_without_the_libraries_pdf_and_png_say_what_to_install(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    net = cs.open("demo")
    for module, suffix in (("reportlab.pdfgen.canvas", "pdf"), ("pypdfium2", "png")):
        monkeypatch.setitem(sys.modules, module, None)
        with pytest.raises(UnsupportedError, match=r"pip install 'convscope\[figures\]'"):
            net.draw(tmp_path / f"a.{suffix}")
    net.draw(tmp_path / "a.svg")
    net.draw(tmp_path / "a.tex")
    assert sorted(p.name for p in tmp_path.iterdir()) == ["a.svg", "a.tex"]


def test_the_command_keeps_what_there_is(tmp_path: Path) -> None:
    from click.testing import CliRunner

    from convscope.cli.commands import draw
    from convscope.cli.program import main
    from convscope.figures import drawing

    assert (*drawing.FIGURES,) == draw.FIGURES and (*STYLES,) == draw.STYLES
    assert drawing.NEEDS_IMAGE == draw.NEEDS_IMAGE
    file = tmp_path / "a.svg"
    said = CliRunner().invoke(
        main, ["draw", "demo", str(file), "--columns", "icml", "--layers", "conv2d:flatten"]
    )
    assert said.exit_code == 0, said.output
    before = file.read_bytes()
    said = CliRunner().invoke(main, ["draw", "demo", str(file)])
    assert said.exit_code != 0 and "--force" in said.output and file.read_bytes() == before
    said = CliRunner().invoke(main, ["draw", "demo", str(file), "--figure", "question", "--force"])
    assert said.exit_code == 0 and file.read_bytes() != before
    for words_ in (
        ["fig.gif"],
        ["f.svg", "--columns", "x"],
        ["f.svg", "--pixels", "0-1"],
        ["f.svg", "--at", "nobody", "--figure", "kernels"],
    ):
        said = CliRunner().invoke(main, ["draw", "demo", str(tmp_path / words_[0]), *words_[1:]])
        assert (
            said.exit_code in (1, 2)
            and "Traceback" not in said.output
            and said.output.count("\n") < 8
        )


def test_colours_are_told_apart_in_grey_and_by_eyes_that_see_no_red_or_green() -> None:
    """Lightness by CIE; red- and green-blind sight by the matrices of Machado et al. (2009), severity 1."""
    import numpy as np

    blind = {
        "none": np.eye(3),
        "protanopia": np.array([[0.152286, 1.052583, -0.204868], [0.114503, 0.786281, 0.099216], [-0.003882, -0.048116, 1.051998]]),
        "deuteranopia": np.array([[0.367322, 0.860646, -0.227968], [0.280085, 0.672501, 0.047413], [-0.011820, 0.042940, 0.968881]]),
    }  # fmt: skip
    colours = [
        colour for role, (_, colour) in ROLES.items() if role != "opaque"
    ]  # which is hatched
    white = np.array([0.95047, 1.0, 1.08883])
    to_xyz = np.array([[0.4124564, 0.3575761, 0.1804375], [0.2126729, 0.7151522, 0.0721750], [0.0193339, 0.1191920, 0.9503041]])  # fmt: skip
    for sight, matrix in blind.items():
        found = []
        for colour in colours:
            rgb = np.array([int(colour[n : n + 2], 16) / 255 for n in (1, 3, 5)])
            linear = np.where(rgb <= 0.04045, rgb / 12.92, ((rgb + 0.055) / 1.055) ** 2.4)
            x, y, z = np.cbrt(to_xyz @ np.clip(matrix @ linear, 0, 1) / white)
            found.append((116 * y - 16, 500 * (x - y), 200 * (y - z)))
        ordered = sorted(lightness for lightness, *_ in found)
        if sight == "none":
            assert min(b - a for a, b in pairwise(ordered)) > 4
        for n, one in enumerate(found):
            assert all(np.linalg.norm(np.subtract(one, other)) > 9 for other in found[:n]), (
                sight,
                n,
            )


if __name__ == "__main__":
    for name in FILES:
        (GOLDEN / name).write_text(golden(name), encoding="utf-8")
