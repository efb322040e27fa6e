"""The page's rooms, joined into one text."""

from __future__ import annotations

import gzip
import re
import shutil
import subprocess
from importlib.resources import files
from pathlib import Path

import pytest
from needed import absent

from convscope.explorer.joining import SCRIPTS, joined, script, web

ROOMS = {
    "main.js": 'import { half } from "./sums.js";\nimport { three } from "./numbers.js";\n\n'
    'export { half } from "./sums.js";\n\nexport default () => half(three);\n',
    "sums.js": 'import { two } from "./numbers.js";\n\n/** Half of it.\n * @param {number} x */\n'
    "export function half(x) {\n\t// not a third\n\treturn x / two; // so\n}\n",
    "numbers.js": "export const two = 2;\nexport const three = 3;\nlet unused = 0;\n",
}


def test_rooms_come_after_those_they_import_each_once_and_without_their_comments() -> None:
    assert joined("main.js", ROOMS.__getitem__) == (
        "const two = 2;\nconst three = 3;\nlet unused = 0;\n"
        "function half(x) {\nreturn x / two;\n}\n"
        "export { half };\nexport default () => half(three);\n"
    )


@pytest.mark.parametrize(
    ("line", "bare"),
    [
        ("\tconst a = /** @type {any} */ (b); // why", "const a = (b);"),
        ('const a = "http:// not a comment";', 'const a = "http:// not a comment";'),
        ("const a = `it's // ${b}`; // it is", "const a = `it's // ${b}`; // it is"),
        ('say("/** no comment */"); // one', 'say("/** no comment */");'),
        ("x = 4 /** a */ + 5 /** b */ + 6;", "x = 4 + 5 + 6;"),
    ],
)
def test_comments_beside_the_code_go_and_strings_stay(line: str, bare: str) -> None:
    assert joined("one.js", {"one.js": f"{line}\nexport default 1;\n"}.__getitem__) == (
        f"{bare}\nexport default 1;\n"
    )


@pytest.mark.parametrize(
    ("room", "text", "why"),
    [
        ("numbers.js", "export const two = 2, half = 1;\nfunction half() {}", "half is a name in"),
        ("numbers.js", "export const two = 2;", "imports three, which numbers.js does not export"),
        ("numbers.js", "export const two = 2;\nconst three = 3;", "imports three, which"),
        (
            "numbers.js",
            'import { half } from "./sums.js";',
            "main.js → sums.js → numbers.js → sums.js",
        ),
        (
            "sums.js",
            'import * as all from "./numbers.js";\nexport const half = 1;',
            "import \\* as all",
        ),
        ("sums.js", 'import { two as 2 } from "./numbers.js";', "unlike two as 2"),
        ("sums.js", "export const half = 1;\nexport default half;", "export default half"),
        ("sums.js", "export const half = 1;\nconst [a] = [half];", "const \\[a\\]"),
        ("main.js", 'export * from "./sums.js";', "export \\*"),
        ("numbers.js", "export const two = `\n`;", "numbers.js has a text over several lines"),
    ],
)
def test_what_cannot_be_joined_is_refused_by_name(room: str, text: str, why: str) -> None:
    with pytest.raises(ValueError, match=why):
        joined("main.js", {**ROOMS, room: text}.__getitem__)


def test_every_room_is_in_a_text() -> None:
    """A room that nobody imports would be written for nothing."""
    names = {p.name for p in files("convscope.explorer").joinpath("web").iterdir()}
    imported = {
        room
        for name in names
        if name.endswith(".js")
        for room in re.findall(r'^(?:im|ex)port .* from "\./(.*?)"', web(name), re.MULTILINE)
    }
    assert {name for name in names if name.endswith(".js")} == imported | set(SCRIPTS)


@pytest.mark.parametrize("name", SCRIPTS)
def test_what_is_sent_is_a_module(name: str, tmp_path: Path) -> None:
    node = shutil.which("node")
    if node is None:
        absent("the syntax of a text is checked by node (apt-get install nodejs)")
    text = script(name)
    assert not re.search(r"^\s*(import\s|/\*\*)", text, re.MULTILINE)
    file = tmp_path / f"{name}.mjs"
    file.write_text(text, "utf-8")
    subprocess.run([node, "--check", str(file)], check=True, timeout=60)


def test_the_module_stays_small() -> None:
    """A notebook carries it in every widget, and an exported file once."""
    text = script("explorer.js").encode()
    assert len(text) < 220_000
    assert len(gzip.compress(text)) < 60_000
