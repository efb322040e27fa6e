"""Run every command and every piece of Python on the documentation's pages; compare what they print.

    python docs/making/snippets.py                 every page
    python docs/making/snippets.py learn/pooling.md ...
    python docs/making/snippets.py --update        write what they print into the pages

Each page is run from its top, in an empty folder of its own:

- ```console: lines that begin with `$ ` are commands. `convscope` is called in this process, as click's runner
  does it; anything else is a line for bash. What follows is what they print. `$ echo $?` after a command shows its
  exit status, and a command that fails must be followed by it.
- ```python: a program, all of a page in one namespace; ```text right after it is what it prints. Or lines that
  begin with `>>> `, as in docstrings.
- `<!-- file: net.py -->` before a block writes it to that file instead.
- `<!-- run first` … `-->` is Python that the reader does not see (a folder of images, say).
- `<!-- not run: why -->` before a block leaves it alone. There is no other way: a shell command that is not
  run says why.

A page's explorer is a file that its program exports: `strides.export("strides.html")` of a run or a network called
`strides`. Numbers in sentences that lead there (`[18,496](number:strides/conv2d.params)`, see linked.py) are compared
with it. The explorer `demo` is always there: the digits network on its seven.

A line `…` stands for lines left out. Numbers with four or more decimals may differ in their last digits, as they do
from processor to processor.
"""

from __future__ import annotations

import argparse
import contextlib
import doctest
import io
import multiprocessing
import os
import re
import shutil
import subprocess
import sys
import tempfile
import time
import traceback
import warnings
from pathlib import Path
from typing import Any, NamedTuple

sys.path[0] = str(Path(__file__).parents[1])
from making import linked

DOCS = Path(__file__).parents[1]
EXPLORERS = DOCS.parent / "build" / "docs" / "explorers"
FIGURES = DOCS.parent / "build" / "docs" / "figures"
LINKED = (DOCS / "index.md", DOCS / "start" / "index.md")
"""Beside the essays, pages on which every number leads somewhere."""

WIDTH = "92"
HEAVY = {
    "three_frameworks": 3,
    "keras": 3,
    "pytorch": 2,
    "errors": 2,
    "find_the_layer": 2,
    "unet": 1,
    "learning": 1,
    "teach": 1,
}
"""Pages that load a framework or take seconds begin first, so that both processes end together."""

FENCE = re.compile(
    r"^```(?P<language>[\w+-]*)[^\n`]*\n(?P<body>.*?)^```$", re.MULTILINE | re.DOTALL
)
COMMENT = re.compile(r"<!-- (?P<what>not run|file): (?P<value>[^>]*?) -->\s*\Z")
FIRST = re.compile(r"^<!-- run first\n(?P<code>.*?)^-->$", re.MULTILINE | re.DOTALL)
DECIMAL = re.compile(r"\d+\.\d{4,}")
TINY = re.compile(r"[−-]?\d+(?:\.\d+)?·10[⁻⁰¹²³⁴⁵⁶⁷⁸⁹]+|[−-]?\d(?:\.\d+)?e[-−]\d+")
RUN = ("python", "py", "console")
COMMANDS = ("sh", "bash", "shell", "pycon")


class Fault(NamedTuple):
    """What is wrong on a page, and where."""

    page: Path
    line: int
    words: str

    def __str__(self) -> str:
        return f"{self.page}:{self.line}: {self.words}"


class Page:
    """One page while it is run: its text, and what its commands and programs have made so far."""

    def __init__(self, path: Path, folder: Path) -> None:
        self.path, self.folder = path, folder
        self.text = path.read_text(encoding="utf-8")
        self.names: dict[str, Any] = {"__name__": "__main__"}
        self.faults: list[Fault] = []
        self.status = 0

    def run(self) -> str:
        """Run all that the page holds, in order; return the page as it should be."""
        pieces: list[str] = []
        done = 0
        found = sorted(
            [*FENCE.finditer(self.text), *FIRST.finditer(self.text)], key=lambda m: m.start()
        )
        for place, match in enumerate(found):
            if match.start() < done:
                continue
            pieces.append(self.text[done : match.start()])
            done = match.end()
            if match.re is FIRST:
                self.programme(match["code"], self.line(match))
                pieces.append(match[0])
                continue
            after = found[place + 1] if place + 1 < len(found) else None
            shown, done = self.block(match, after)
            pieces.append(shown)
        return "".join([*pieces, self.text[done:]])

    def line(self, match: re.Match[str]) -> int:
        return self.text.count("\n", 0, match.start()) + 1

    def fault(self, line: int, words: str) -> None:
        self.faults.append(Fault(self.path, line, words))

    def block(self, match: re.Match[str], after: re.Match[str] | None) -> tuple[str, int]:
        """Run one block; return it as it should be, and where the page goes on."""
        language, body, line = match["language"], match["body"], self.line(match)
        told = COMMENT.search(self.text[: match.start()])
        if told and told["what"] == "file":
            target = self.folder / told["value"]
            target.parent.mkdir(parents=True, exist_ok=True)
            target.write_text(body, encoding="utf-8")
        elif told or language not in RUN:
            if not told and language in COMMANDS:
                self.fault(line, "a block of commands is run (```console), or says why it is not")
            return match[0], match.end()
        elif language == "console":
            return f"```console\n{self.session(body, line)}```", match.end()
        elif body.startswith(">>> "):
            self.examples(body, line)
        else:
            return self.program(match, after)
        return match[0], match.end()

    # -- Python -----------------------------------------------------------------------------------

    def programme(self, code: str, line: int) -> str:
        """Run a program; return what it prints."""
        printed = io.StringIO()
        try:
            with contextlib.redirect_stdout(printed), warnings.catch_warnings():
                strict()
                exec(compile(code, f"{self.path.name}:{line}", "exec"), self.names)  # noqa: S102 – our own pages
        except Exception:  # noqa: BLE001 – told as the page's fault
            self.fault(line, f"the program fails:\n{traceback.format_exc(limit=-3)}")
        return printed.getvalue()

    def program(self, match: re.Match[str], after: re.Match[str] | None) -> tuple[str, int]:
        """Run a program and compare what it prints with the ```text after it."""
        line = self.line(match)
        printed = tidied(self.programme(match["body"], line))
        shown = None
        if after is not None and after.re is FENCE and after["language"] == "text":
            between = self.text[match.end() : after.start()]
            shown = after if not between.strip() else None
        if shown is None:
            if printed:
                self.fault(line, f"the page does not show what the program prints:\n{printed}")
                return f"{match[0]}\n\n```text\n{printed}```", match.end()
            return match[0], match.end()
        assert after is not None
        if not same(shown["body"], printed):
            self.fault(line, f"the program prints\n{printed}and not\n{shown['body']}")
            return f"{match[0]}\n\n```text\n{printed}```", after.end()
        return self.text[match.start() : after.end()], after.end()

    def examples(self, body: str, line: int) -> None:
        """Run lines that begin with >>>, as doctest does."""
        test = doctest.DocTestParser().get_doctest(body, self.names, self.path.name, None, line)
        told = io.StringIO()
        runner = doctest.DocTestRunner(optionflags=doctest.ELLIPSIS)
        with warnings.catch_warnings():
            strict()
            if runner.run(test, out=told.write, clear_globs=False).failed:
                self.fault(line, told.getvalue())
        self.names.update(test.globs)

    # -- commands ---------------------------------------------------------------------------------

    def session(self, body: str, line: int) -> str:
        """Run the commands of a block; return it as it should be."""
        pieces = re.split(r"^(?=\$ )", body, flags=re.MULTILINE)
        lines: list[str] = [pieces[0]] if pieces[0] else []
        if lines:
            self.fault(line, "a console begins with a command")
        if self.status and not body.startswith("$ echo $?"):
            self.fault(
                line, f"the command before ended with status {self.status}, and nobody says so"
            )
        for piece in pieces[1:]:
            asked = re.match(r"\$ (?:[^\n]*\\\n)*[^\n]*\n", piece)
            assert asked is not None
            shown = piece[asked.end() :]
            command = asked[0][2:].replace("\\\n", " ").strip()
            if command == "echo $?":
                printed, self.status = f"{self.status}\n", 0
            else:
                if self.status:
                    self.fault(line, f"status {self.status} before `{command}`, and nobody says so")
                printed = tidied(self.command(command))
            if same(shown, printed):
                printed = shown
            else:
                self.fault(line, f"`{command}` prints\n{printed}and not\n{shown}")
            lines += [asked[0], printed]
        return "".join(lines)

    def command(self, command: str) -> str:
        """Run one command; return what it prints, and keep its status."""
        bare = re.sub(r"'[^']*'|\"[^\"]*\"", "", command)
        if command.startswith("convscope ") and not re.search(r"[|<>;&*$]", bare):
            import shlex

            from click.testing import CliRunner

            from convscope.cli.program import main

            asked = shlex.split(command.partition("  #")[0])[1:]
            result = CliRunner().invoke(main, asked, prog_name="convscope")
            self.status = result.exit_code
            failed = result.exception
            if failed is not None and not isinstance(failed, SystemExit):
                return f"{result.output}{failed!r}\n"
            return result.output
        path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
        done = subprocess.run(
            ["bash", "-c", command],
            check=False,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            encoding="utf-8",
            env={**os.environ, "PATH": path},
        )
        self.status = done.returncode
        return done.stdout


def strict() -> None:
    """Let warnings be errors, but for those that a framework has for its own programmers."""
    warnings.simplefilter("error")
    warnings.simplefilter("ignore", DeprecationWarning)


def tidied(printed: str) -> str:
    """Return output without blanks at the ends of lines, and with one end of line at the end."""
    text = "\n".join(line.rstrip() for line in printed.splitlines()).strip("\n")
    return f"{text}\n" if text else ""


def same(shown: str, printed: str) -> bool:
    """Whether a page shows what was printed; `…` on a line of its own stands for any lines."""
    pattern = r"(?:.*\n)*?".join(
        re.escape(steady(piece))
        for piece in re.split(r"^[ \t]*…[ \t]*\n", tidied(shown), flags=re.MULTILINE)
    )
    return re.fullmatch(pattern, steady(printed)) is not None


def steady(text: str) -> str:
    """Return output without the digits that differ between processors, and without widths that follow from them."""
    text = TINY.sub("~", text)
    return DECIMAL.sub(lambda found: f"{float(found[0]):.3f}", text)


def pages(names: list[str]) -> list[Path]:
    """Return the pages that were named; all without a name."""
    if names:
        return [DOCS / name if (DOCS / name).exists() else Path(name).resolve() for name in names]
    return [p for p in sorted(DOCS.rglob("*.md")) if "generated" not in p.parts]


def run(path: Path, update: bool) -> list[Fault]:
    """Run one page; return what is wrong with it. With `update` it is written as it should be."""
    with tempfile.TemporaryDirectory() as folder, contextlib.chdir(folder):
        page = Page(path, Path(folder))
        wanted = page.run()
        for line, words in linked.faults(page.text, page.names):
            page.fault(line, words)
        if path.parent.name == "learn" or path in LINKED:
            for line, words in linked.unlinked(page.text):
                page.fault(line, words)
        EXPLORERS.mkdir(parents=True, exist_ok=True)
        for made in sorted(Path(folder).glob("*.html")):
            if made.stem in linked.explorers(page.text):
                shutil.copyfile(made, EXPLORERS / made.name)
        if page.status:
            page.fault(0, f"the last command ended with status {page.status}, and nobody says so")
        if update:
            wanted = linked.corrected(wanted, page.names)
        for name in linked.drawn(page.text):
            FIGURES.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(Path(folder) / name, FIGURES / name)
    if update and wanted != page.text:
        path.write_text(wanted, encoding="utf-8")
        print(f"wrote {path.relative_to(DOCS)}")
    return page.faults


def timed(path: Path, update: bool) -> tuple[Path, float, list[Fault]]:
    """Run one page; return how long it took, too."""
    start = time.perf_counter()
    faults = run(path, update)
    return path, time.perf_counter() - start, faults


def main() -> int:
    parser = argparse.ArgumentParser(description="Run what the documentation's pages show.")
    parser.add_argument("pages", nargs="*", help="all by default")
    parser.add_argument(
        "--update", action="store_true", help="write what is printed into the pages"
    )
    parser.add_argument("--times", action="store_true", help="say how long each page took")
    asked = parser.parse_args()
    os.environ.update(
        COLUMNS=WIDTH,
        NO_COLOR="1",
        KERAS_BACKEND="torch",
        PYTHONIOENCODING="utf-8",
        PYTHONWARNINGS="ignore",
    )
    os.environ.pop("FORCE_COLOR", None)
    if not asked.pages:
        EXPLORERS.mkdir(parents=True, exist_ok=True)
        linked.demo().export(EXPLORERS / "demo.html")
    faults: list[Fault] = []
    wanted = pages(asked.pages)
    if len(wanted) == 1:
        found = [timed(wanted[0], asked.update)]
    else:
        with multiprocessing.get_context("fork").Pool(
            min(2, len(wanted)), maxtasksperchild=None
        ) as pool:
            asks = [
                (path, asked.update) for path in sorted(wanted, key=lambda p: -HEAVY.get(p.stem, 0))
            ]
            found = pool.starmap(timed, asks, chunksize=1)
    for path, seconds, wrong in found:
        faults += wrong
        if asked.times:
            print(f"{seconds:6.1f} s  {path.name}")
    if asked.update:
        faults = [fault for fault in faults if fault.words.startswith("the program fails")]
    for fault in faults:
        print(fault, file=sys.stderr)
    return 1 if faults else 0


if __name__ == "__main__":
    sys.exit(main())
