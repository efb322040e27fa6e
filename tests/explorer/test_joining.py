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

from convscope.explorer.joining import (
    CORE,
    SCRIPTS,
    Rooms,
    joined,
    late_rooms,
    late_script,
    script,
    web,
)

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
        ("/** @type {any} */ (a).b = 1;\nc();\n/** d */\ne();", "(a).b = 1;\nc();\ne();"),
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
    here = Path(str(files("convscope.explorer").joinpath("web")))
    names = {path.relative_to(here).as_posix() for path in here.rglob("*.js")}
    late = {f"{name}/{name}.js" for name in late_rooms()}
    joined_somewhere = {room for entry in {*SCRIPTS, *late} for room in Rooms(entry, web).texts}
    assert names == joined_somewhere


def test_a_late_room_borrows_from_the_core_and_brings_the_rest() -> None:
    late = {
        **ROOMS,
        "late/late.js": 'import { half } from "../sums.js";\nimport { five } from "./own.js";\n\n'
        "export default (app) => half(app + five);\n",
        "late/own.js": 'import { three } from "../numbers.js";\nexport const five = three + 2;\n',
    }
    rooms = Rooms("late/late.js", late.__getitem__, frozenset({"sums.js"}))
    assert rooms.borrowed == ["half"]
    assert list(rooms.texts) == ["numbers.js", "late/own.js", "late/late.js"]
    assert rooms.text().endswith("const five = three + 2;\nreturn (app) => half(app + five);\n")
    wrong = {**late, "late/late.js": 'import { third } from "../sums.js";\nexport default third;\n'}
    with pytest.raises(ValueError, match=r"imports third, which sums\.js does not export"):
        Rooms("late/late.js", wrong.__getitem__, frozenset({"sums.js"}))
    wrong = {**late, "late/own.js": "export const five = 5;\nexport const half = 2;\n"}
    with pytest.raises(ValueError, match=r"half is a name in sums\.js and in late/own\.js"):
        Rooms("late/late.js", wrong.__getitem__, frozenset({"sums.js"}))


@pytest.mark.parametrize("name", [*SCRIPTS, *late_rooms()])
def test_what_is_sent_is_a_module(name: str, tmp_path: Path) -> None:
    node = shutil.which("node")
    if node is None:
        absent("the syntax of a text is checked by node (apt-get install nodejs)")
    text = script(name) if name in SCRIPTS else late_script(name)
    assert not re.search(r"^\s*(import\s|/\*\*)", text, re.MULTILINE)
    file = tmp_path / f"{name}.mjs"
    file.write_text(text, "utf-8")
    subprocess.run([node, "--check", str(file)], check=True, timeout=60)


def test_the_module_stays_small() -> None:
    """A notebook carries it in every widget, and an exported file once."""
    text = script(CORE).encode()
    assert len(text) < 220_000
    assert len(gzip.compress(text)) < 60_000


@pytest.mark.parametrize("name", late_rooms())
def test_late_rooms_stay_small_and_find_in_the_core_what_they_borrow(name: str) -> None:
    assert len(gzip.compress(late_script(name).encode())) < 20_000
    lent = script(CORE).splitlines()[-1]
    assert set(re.findall(r"\w+", late_script(name).splitlines()[1])) - {"const", "CORE"} <= set(
        re.findall(r"\w+", lent)
    )
