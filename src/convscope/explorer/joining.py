"""The files of the page, and its rooms joined into one text.

A script of web/ is written as ES modules that import one another by name. What a page, a notebook or a
file is sent is one text: every room once, after the rooms that it imports, without the words import and
export, without comments and without what lines begin with: types, reasons and layout are for who reads the
rooms. Nothing else of a room is looked at, so a room keeps to what can be joined in this way: imports are
`import { a, b } from "./room.js";`, no two rooms of a text give the same name to things of their own, and no
text in backticks goes over several lines.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from functools import cache
from importlib.resources import files

SCRIPTS = ("explorer.js", "page.js", "file.js", "again.js")
"""The rooms that a text begins at, by the name of the text."""

_IMPORT = re.compile(r'^import \{([^{}]*)\} from "\./([\w.]+)";$\n?', re.MULTILINE)
_PASSED = re.compile(r'^export \{([^{}]*)\} from "\./([\w.]+)";$\n?', re.MULTILINE)
_NAMED = re.compile(
    r"^(export )?((?:async )?(?:function\*?|class|const|let|var) (\w+))", re.MULTILINE
)
_ENTRY = re.compile(r'^export (?:default\b|\{\};|\{[^{}]*\} from "\./)', re.MULTILINE)
_COMMENT = re.compile(r"^[ \t]*(?:/\*\*.*?\*/|//[^\n]*)[ \t]*\n", re.MULTILINE | re.DOTALL)
_BESIDE = re.compile(r"/\*\*.*?\*/ ?| +// .*$")
_OTHER = re.compile(r"^(?:import|export|(?:const|let|var) [{\[]).*", re.MULTILINE)


@cache
def web(name: str) -> str:
    """Return a file of web/ as it is written."""
    return files("convscope.explorer").joinpath("web", name).read_text(encoding="utf-8")


@cache
def script(name: str) -> str:
    """Return one of `SCRIPTS` as it is sent: its rooms joined."""
    return joined(name, web)


def joined(entry: str, read: Callable[[str], str]) -> str:
    r"""Return a room and all that it imports as one module.

    entry   the room's file; what it passes on from other rooms, and its default, the text exports
    read    gives a room's text by the name of its file

    >>> rooms = {
    ...     "main.js": 'import { half } from "./sums.js";\n\nexport default (x) => half(half(x));\n',
    ...     "sums.js": "export const half = (x) => x / 2;\n",
    ... }
    >>> print(joined("main.js", rooms.__getitem__))
    const half = (x) => x / 2;
    export default (x) => half(half(x));
    <BLANKLINE>

    Raises `ValueError`, which names the room, for rooms that import one another in a circle, a name that
    two rooms have or that is imported and not exported, and imports or exports in another form.
    """
    texts: dict[str, str] = {}
    homes: dict[str, str] = {}
    exported: dict[str, set[str]] = {}

    def add(room: str, path: tuple[str, ...]) -> None:
        if room in path:
            raise ValueError(f"rooms import one another: {' → '.join((*path, room))}")
        if room in texts:
            return
        text = read(room)
        passed = _PASSED.findall(text) if room == entry else []
        for names, home in [*_IMPORT.findall(text), *passed]:
            add(home, (*path, room))
            for name in _names(names):
                if name not in exported[home]:
                    raise ValueError(f"{room} imports {name}, which {home} does not export")
        for _, _, name in _NAMED.findall(text):
            if name in homes:
                raise ValueError(f"{name} is a name in {homes[name]} and in {room}")
            homes[name] = room
        exported[room] = {name for export, _, name in _NAMED.findall(text) if export}
        text = _COMMENT.sub("", _NAMED.sub(r"\2", _IMPORT.sub("", text)))
        other = _OTHER.search(_ENTRY.sub("", text) if room == entry else text)
        if other:
            raise ValueError(f"{room} has what cannot be joined to other rooms: {other[0]}")
        text = _PASSED.sub(r"export {\1};\n", text)
        texts[room] = "".join(_bare(line, room) for line in text.splitlines() if line.strip())

    add(entry, ())
    return "".join(texts.values())


def _bare(line: str, room: str) -> str:
    """Return a line without its indentation and the comments beside it."""
    if line.count("`") % 2:
        raise ValueError(f"{room} has a text over several lines: {line.strip()}")
    at = 0
    while found := _BESIDE.search(line, at):
        before = line[: found.start()]
        if any(before.count(quote) % 2 for quote in "\"'`"):
            at = found.start() + 1  # it may stand in a string
        else:
            line = before + line[found.end() :]
    return line.strip() + "\n"


def _names(listed: str) -> list[str]:
    names = [name.strip() for name in listed.split(",") if name.strip()]
    for name in names:
        if not re.fullmatch(r"\w+", name):
            raise ValueError(f"an import keeps a thing's name, unlike {name}")
    return names
