"""Reports: facts that can be printed, shown, written down, computed with, copied and pickled."""

from __future__ import annotations

import copy
import io
import json
import math
import pickle
from dataclasses import dataclass
from typing import Any

import numpy as np
import pytest
from rich.console import Console

from convscope.parts import Document, Heading, Paragraph, Span
from convscope.views import ansi
from convscope.views.report import Report
from convscope.views.strict_json import strict_json


@dataclass
class Answer:
    """Facts about an answer."""

    value: float = 42.0
    name: str = "deep"

    def document(self) -> Document:
        return Document(
            (Heading(self.name, 3), Paragraph(["it is ", Span(f"{self.value:g}", "good")]))
        )

    def to_dict(self) -> dict[str, Any]:
        return {"name": self.name, "value": self.value}


class Screen(io.StringIO):
    """A terminal."""

    def isatty(self) -> bool:
        return True


@pytest.fixture(autouse=True)
def _plain_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("NO_COLOR", "FORCE_COLOR", "TERM", "COLUMNS"):
        monkeypatch.delenv(name, raising=False)


def test_it_is_its_text() -> None:
    assert str(Report(Answer())) == repr(Report(Answer())) == "deep\n\nit is ✓ 42"


def test_it_has_what_the_facts_have() -> None:
    report = Report(Answer())
    assert report.value == 42
    assert report.facts.name == "deep"
    assert {"value", "name", "facts", "markdown", "json"} <= set(dir(report))
    with pytest.raises(AttributeError, match=r"a report of Answer has no 'worth'; it has .*value"):
        report.worth  # noqa: B018
    with pytest.raises(AttributeError):
        report._private  # noqa: B018


def test_it_can_be_copied_and_pickled() -> None:
    report = Report(Answer(7.0))
    for other in (copy.copy(report), copy.deepcopy(report), pickle.loads(pickle.dumps(report))):
        assert type(other) is Report
        assert other.value == 7
        assert str(other) == str(report)
    assert copy.deepcopy(report).facts is not report.facts
    with pytest.raises(AttributeError):  # not an endless search before there are facts
        Report.__new__(Report).value  # noqa: B018


def test_notebooks_find_html_and_nothing_else() -> None:
    report = Report(Answer())
    assert report._repr_html_().startswith('<div class="convscope">')
    for name in ("_repr_latex_", "_ipython_display_", "_repr_mimebundle_", "__array__"):
        assert not hasattr(report, name)


def test_it_can_be_written_down() -> None:
    report = Report(Answer())
    assert report.markdown() == "### deep\n\nit is **✓\u00a042**\n"
    assert "{\\raggedright deep}\n\nit is \\textbf{$\\surd$~42}\n" in report.latex()
    assert report.to_dict() == json.loads(report.json()) == {"name": "deep", "value": 42.0}


@pytest.mark.parametrize(
    ("stream", "environment", "expected"),
    [
        (io.StringIO, {}, False),
        (Screen, {}, True),
        (Screen, {"NO_COLOR": "1"}, False),
        (Screen, {"NO_COLOR": ""}, True),
        (Screen, {"TERM": "dumb"}, False),
        (io.StringIO, {"FORCE_COLOR": "1"}, True),
        (Screen, {"FORCE_COLOR": "1", "NO_COLOR": "1"}, False),
    ],
)
def test_colour_is_for_terminals_that_want_it(
    stream: Any, environment: dict[str, str], expected: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    file = stream()
    Report(Answer()).print(file)
    assert ("\033[" in file.getvalue()) is expected
    assert ansi.terminal(file)[1] is expected
    monkeypatch.setattr("sys.stdout", stream())
    assert ("\033[" in str(Report(Answer()))) is expected


def test_printing_does_as_it_is_told() -> None:
    file = io.StringIO()
    Report(Answer(name="one two three four five six")).print(file, color=True, width=20)
    assert file.getvalue().startswith("\033[1mone two three four\033[0m\n")
    closed = io.StringIO()
    closed.close()
    assert not ansi.wants_color(closed)
    assert not ansi.wants_color(None)


def test_printing_where_signs_are_missing() -> None:
    raw = io.BytesIO()
    file = io.TextIOWrapper(raw, encoding="ascii", newline="\n")
    Report(Answer()).print(file)
    file.flush()
    assert raw.getvalue() == b"deep\n\nit is ? 42\n"


def test_the_width_is_the_terminals(monkeypatch: pytest.MonkeyPatch) -> None:
    report = Report(Answer(name="word " * 30))
    monkeypatch.setenv("COLUMNS", "30")
    assert max(map(len, str(report).split("\n"))) <= 30
    assert ansi.terminal(io.StringIO()) == (30, False)


def test_rich_prints_it_at_its_own_width() -> None:
    report = Report(Answer(name="[bold]word " * 9))
    for color, expected in ((None, "✓ 42"), ("standard", "\033[32m✓ 42\033[0m")):
        file = io.StringIO()
        screen = Console(file=file, width=33, color_system=color, force_terminal=bool(color))  # type: ignore[arg-type]
        screen.print(report)
        assert expected in file.getvalue()
        assert "[bold]word [bold]word" in file.getvalue()


# -- JSON -----------------------------------------------------------------------------------------


def test_numbers_that_are_not_finite_are_strings() -> None:
    text = strict_json({"a": math.nan, "b": [math.inf, -math.inf], "c": np.float32("nan")}, None)
    assert text == '{"a": "NaN", "b": ["Infinity", "-Infinity"], "c": "NaN"}'
    assert math.isnan(float(json.loads(text)["a"]))
    assert float(json.loads(text)["b"][1]) == -math.inf


def test_numpys_numbers_are_numbers() -> None:
    value = {
        "i": np.int64(3),
        "f": np.float32(0.5),
        "b": np.bool_(True),
        "a": np.arange(6, dtype=np.float32).reshape(2, 3),
        "none": np.array([]),
        "t": (1, None, True, "x"),
        "s": {3, 1},
        2: "key",
    }
    assert json.loads(strict_json(value)) == {
        "i": 3,
        "f": 0.5,
        "b": True,
        "a": [[0, 1, 2], [3, 4, 5]],
        "none": [],
        "t": [1, None, True, "x"],
        "s": [1, 3],
        "2": "key",
    }


def test_symbols_and_unknown_sizes() -> None:
    sympy = pytest.importorskip("sympy")

    class Unknown:
        def __str__(self) -> str:
            return "None"

    assert json.loads(strict_json([sympy.Symbol("n") - 2, Unknown()])) == ["n - 2", None]


def test_json_on_a_terminal_moves_no_cursor() -> None:
    evil = "a\x1b[2J\x9b\u202e\n\ud800 é 畳 😀"
    text = strict_json({evil: evil})
    assert text.replace("\n", "").isprintable()
    text.encode()
    assert "é 畳 😀" in text
    assert json.loads(text) == {evil: evil}
