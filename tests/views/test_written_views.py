"""Markdown, LaTeX and HTML: read back by other people's parsers, nothing hostile comes alive."""

from __future__ import annotations

import re
from html.parser import HTMLParser
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from views.documents import EVIL, HOSTILE, LATEX, SAMPLE

from convscope.parts import Column, Document, Formula, Heading, Paragraph, Span, Table
from convscope.views.characters import printable
from convscope.views.html import html
from convscope.views.latex import latex
from convscope.views.latex_text import escape
from convscope.views.markdown import markdown

TEXTS = st.text(st.characters(codec="utf-8", exclude_characters="\ufeff"), max_size=60)


def doc(*parts: object) -> Document:
    return Document(parts)  # type: ignore[arg-type]


# -- Markdown -------------------------------------------------------------------------------------


def parsed(text: str) -> list[Any]:
    """Return what CommonMark with tables makes of it, by markdown-it."""
    from markdown_it import MarkdownIt

    return MarkdownIt("commonmark", {"html": True}).enable("table").parse(text)


def said(token: Any) -> str:
    """Return the text of an inline token; code and words alike."""
    return "".join(child.content for child in token.children or ())


def test_markdown_of_the_sample() -> None:
    text = markdown(SAMPLE)
    assert text.startswith("# conv2d\\_1 (Conv2D)\n\nOne filter is `3×3×32`, not 3×3. ")
    assert "**✓\u00a0The engine agrees**." in text
    assert f"$$\n{LATEX}\n$$" in text
    assert "| a slice for each map, summed         | 3×3×32×64 |     18,496 | " in text
    assert "```sh\nconvscope trace demo conv2d_1 5,7,12\n    --json\n```" in text


def test_markdown_keeps_every_word_and_runs_none() -> None:
    tokens = parsed(markdown(HOSTILE))
    kinds = {token.type for token in tokens} | {
        child.type for token in tokens for child in token.children or ()
    }
    assert not {kind for kind in kinds if "html" in kind or "link" in kind or "image" in kind}
    evil = printable(EVIL)
    inline = [said(token) for token in tokens if token.type == "inline"]
    assert inline[0] == evil
    assert inline[1] == evil * 3 + f"✓\u00a0{evil}✗\u00a0{evil}{evil}"
    assert inline[2:4] == [evil, evil]
    assert sum(token.type == "tr_open" for token in tokens) == 3
    cells = inline[inline.index("n") - 1 :][:6]
    assert cells == [evil, "n", evil, evil, evil, evil]
    fences = [token for token in tokens if token.type == "fence"]
    assert len(fences) == 3
    assert "end{verbatim}</pre>" in fences[-1].content
    assert tokens[0].tag == "h1" and sum(t.type == "heading_open" for t in tokens) == 1


@given(TEXTS)
def test_markdown_says_any_text_as_it_is(text: str) -> None:
    words = printable(text).strip(" ")
    tokens = parsed(markdown(doc(Paragraph(text), Heading(text))))
    inline = [said(token) for token in tokens if token.type == "inline"]
    expected = [words, printable(text).strip(" ")] if words.strip() else []
    assert [line.strip() for line in inline if line.strip()] == [e.strip() for e in expected]


def test_markdown_bold_is_bold_or_plain_but_never_stars() -> None:
    words: list[str | Span] = [
        "a",
        Span("(b)", "strong"),
        "c ",
        Span(" d ", "strong"),
        "e",
        Span("f", "strong"),
    ]
    tokens = parsed(markdown(doc(Paragraph([*words, Span("g", "strong"), "!"]))))
    assert said(tokens[1]) == "a(b)c  d efg!"
    assert sum(child.type == "strong_open" for child in tokens[1].children) == 2


@pytest.mark.parametrize(
    "start", ["- a", "1. a", "12) a", "+ a", "# a", "> a", "* a", "---", "~~~", "| a |"]
)
def test_markdown_starts_no_block(start: str) -> None:
    tokens = parsed(markdown(doc(Paragraph(start))))
    assert [token.type for token in tokens] == ["paragraph_open", "inline", "paragraph_close"]
    assert said(tokens[1]) == start


def test_markdown_formulas_cannot_leave_their_dollars() -> None:
    assert markdown(doc(Formula("a < b", "a <b\n\n> c"))) == "$$\na \\lt b \\gt  c\n$$\n"
    assert markdown(doc(Formula("a", "a $$ b"))) == "```text\na\n```\n"


def test_markdown_code_holds_its_backticks() -> None:
    tokens = parsed(markdown(doc(Paragraph([Span("a``b`", "code"), " and ", Span("|`", "code")]))))
    assert [c.content for c in tokens[1].children if c.type == "code_inline"] == ["a``b`", "|`"]


# -- LaTeX ----------------------------------------------------------------------------------------


def test_latex_of_the_sample() -> None:
    text = latex(SAMPLE)
    assert r"\section*{\raggedright conv2d\_1 (Conv2D)}" in text
    assert f"\\begin{{equation*}}\n  {LATEX}\n\\end{{equation*}}" in text
    assert r"\begin{tabular}{@{}llrll@{}}" in text
    assert r"  {}a slice for each map, summed & 3$\times$3$\times$32$\times$64 & 18,496 & " in text
    assert r"{}(0) & (0) \\ {}0.25 & -12.5 \\ {}1 \cdot 10^{-5} & 1 \end{array}\right]" in text
    assert "\\begin{verbatim}\nconvscope trace demo conv2d_1 5,7,12\n    --json\n" in text


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("a_b", r"a\_b"),
        ("\\input{x}", r"\textbackslash{}input\{x\}"),
        ("50% & $5 #1", r"50\% \& \$5 \#1"),
        ("x^2~y", r"x\textasciicircum{}2\textasciitilde{}y"),
        ("<a|b>", r"\textless{}a\textbar{}b\textgreater{}"),
        ("--- x", "-{}-{}- x"),
        ("⌊n/2⌋ − 1 ≤ ∞", r"$\lfloor$n/2$\rfloor$ $-$ 1 $\le$ $\infty$"),
        ("\x1b[2J", r"\textbackslash{}x1b[2J"),
    ],
)
def test_latex_takes_text_literally(text: str, expected: str) -> None:
    assert escape(text) == expected


@given(TEXTS)
def test_latex_leaves_no_special_character_bare(text: str) -> None:
    shown = re.sub(r"\$(\\[a-zA-Z]+|-|o|[_^]\{[-+\dn]+\}|\{\}('|\^\\circ))\$", "", escape(text))
    shown = re.sub(r"\\[\"'`^~=.uvHcr]\{\\?[A-Za-z]\}", "", shown)
    shown = re.sub(r"\\([A-Za-z]+|char\d+)\{\}|\\[{}$&#%_]", "", shown)
    shown = shown.replace("-{}", "").replace("~", "").replace("?`", "").replace("!`", "")
    assert not set(shown) & set('\\{}$&#%_^|<>"')


def test_latex_of_hostile_text() -> None:
    text = latex(HOSTILE)
    assert all(c == "\n" or c.isprintable() for c in text)
    assert text.count("\\begin{verbatim}") == text.count("\\end{verbatim}") == 2
    outside = re.sub(r"\\begin\{verbatim\}.*?\\end\{verbatim\}", "", text, flags=re.DOTALL)
    assert r"\script" not in outside and "<" not in outside
    bare = re.sub(r"\\[{}]", "", outside)
    assert bare.count("{") == bare.count("}")
    opened = re.findall(r"\\begin\{(\w+\*?)\}", outside)
    assert sorted(opened) == sorted(re.findall(r"\\end\{(\w+\*?)\}", outside))


def test_latex_rows_that_begin_with_a_bracket() -> None:
    table = Table((Column("a"),), (("[1]",), ("[2]",)))
    assert r"  {}[1] \\" in latex(doc(table))


# -- HTML -----------------------------------------------------------------------------------------


class Reader(HTMLParser):
    """Collects tags, attributes and the text outside of the style."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.open: list[str] = []
        self.attributes: list[tuple[str, str | None]] = []
        self.text = ""
        self.feed(text)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self.open.append(tag)
        self.attributes += attrs

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        if self.open[-1:] != ["style"]:
            self.text += data


def test_html_of_the_sample() -> None:
    text = html(SAMPLE)
    read = Reader(text)
    assert not read.open
    assert text.count("<style>") == 1
    assert '<td class="right">18,496</td>' in text
    assert re.search('<td class="muted">\\(0\\) *</td>', text)
    assert '<span class="good">✓\u00a0The engine agrees</span>' in text
    assert '<th scope="col">picture</th>' in text
    assert "<tfoot><tr><td>together</td>" in text


def test_html_runs_and_fetches_nothing() -> None:
    for document in (SAMPLE, HOSTILE):
        text = html(document)
        read = Reader(text)
        assert not read.open
        assert set(read.tags) <= {
            *("div", "style", "h2", "h3", "h4", "p", "code", "strong", "span", "ul", "li", "pre"),
            *(
                "table",
                "caption",
                "thead",
                "tbody",
                "tfoot",
                "tr",
                "th",
                "td",
                "figure",
                "figcaption",
            ),
        }
        assert {name for name, _ in read.attributes} <= {"class", "scope", "tabindex"}
        style = text[: text.index("</style>")]
        assert not re.search(r"url\(|@import|https?:|expression", style)
        assert all(c == "\n" or c.isprintable() or c == "\u00a0" for c in text)
        text.encode()


def test_html_keeps_every_word() -> None:
    evil = printable(EVIL)
    read = Reader(html(HOSTILE))
    assert read.text.count(evil) >= 15


@given(TEXTS)
def test_html_says_any_text_as_it_is(text: str) -> None:
    assert Reader(html(doc(Paragraph(text)))).text.strip("\n ") == printable(text).strip(" ")


def themes() -> dict[str, dict[str, str]]:
    """Return the colours of every theme in the style, by the rule that sets them."""
    style = html(doc())
    rules = re.findall(r"([^{}]*)\{([^{}]*--paper[^{}]*)\}", style)
    found = {}
    for selector, body in rules:
        found[selector.strip()] = {
            name: value.lower()
            for name, value in re.findall(r"--(\w+):[^;#]*(#[0-9a-fA-F]{6})", body)
        }
    return found


def test_html_can_be_read_in_every_theme() -> None:
    """Text has a contrast of at least 4.5:1 (WCAG 2.2, 1.4.3) in the light and in the dark."""
    assert len(themes()) == 4
    for colors in themes().values():
        for name in ("ink", "soft", "blue", "orange"):
            assert _contrast(colors[name], colors["paper"]) >= 4.5
    light = next(iter(themes().values()))
    assert (light["blue"], light["orange"]) == ("#0550ae", "#c44e00")


def _contrast(a: str, b: str) -> float:
    light, dark = sorted((_luminance(a), _luminance(b)), reverse=True)
    return (light + 0.05) / (dark + 0.05)


def _luminance(color: str) -> float:
    parts = [int(color[n : n + 2], 16) / 255 for n in (1, 3, 5)]
    r, g, b = (p / 12.92 if p <= 0.04045 else ((p + 0.055) / 1.055) ** 2.4 for p in parts)
    return 0.2126 * r + 0.7152 * g + 0.0722 * b


@pytest.mark.parametrize("view", [markdown, latex, html])
def test_a_part_that_is_none_is_refused(view: Any) -> None:
    with pytest.raises(TypeError, match="made of parts, not of int"):
        view(doc(7))
