"""The files of the page, and its rooms joined into one text.

A script of web/ is written as ES modules that import one another by name. What a page, a notebook or a
file is sent is one text: every room once, after the rooms that it imports, without the words import and
export, without comments and without what lines begin with: types, reasons and layout are for who reads the
rooms. Nothing else of a room is looked at, so a room keeps to what can be joined in this way: imports are
`import { a, b } from "./room.js";`, no two rooms of a text give the same name to things of their own, and no
text in backticks goes over several lines.

A folder of web/ is a late room: a screen with rooms and colours of its own, whose text is fetched when the screen is
first opened. It imports from the core (the rooms of explorer.js) as from any room; the core's text ends with one
object of all that late rooms borrow, and a late text is a function of that object.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from functools import cache
from importlib.resources import files
from posixpath import dirname, join, normpath

CORE = "explorer.js"
"""The text that late rooms borrow from."""

SCRIPTS = (CORE, "page.js", "file.js", "again.js")
"""The rooms that a text begins at, by the name of the text."""

_IMPORT = re.compile(r'^import \{([^{}]*)\} from "(\.{1,2}/[\w./]+)";$\n?', re.MULTILINE)
_PASSED = re.compile(r'^export \{([^{}]*)\} from "\./([\w.]+)";$\n?', re.MULTILINE)
_NAMED = re.compile(
    r"^(export )?((?:async )?(?:function\*?|class|const|let|var) (\w+))", re.MULTILINE
)
_ENTRY = re.compile(r'^export (?:default\b|\{\};|\{[^{}]*\} from "\./)', re.MULTILINE)
_COMMENT = re.compile(
    r"^[ \t]*(?:/\*\*(?:(?!\*/).)*\*/|//[^\n]*)[ \t]*\n", re.MULTILINE | re.DOTALL
)
_BESIDE = re.compile(r"/\*\*.*?\*/ ?| +// .*$")
_OTHER = re.compile(r"^(?:import|export|(?:const|let|var) [{\[]).*", re.MULTILINE)


@cache
def web(name: str) -> str:
    """Return a file of web/ as it is written."""
    return files("convscope.explorer").joinpath("web", name).read_text(encoding="utf-8")


def late_rooms() -> list[str]:
    """Return the names of the late rooms, each a folder of web/."""
    here = files("convscope.explorer").joinpath("web")
    return sorted(
        one.name for one in here.iterdir() if one.is_dir() and not one.name.startswith("_")
    )


@cache
def script(name: str) -> str:
    """Return one of `SCRIPTS` as it is sent: its rooms joined."""
    if name != CORE:
        return joined(name, web)
    lent = sorted({one for room in late_rooms() for one in _late(room).borrowed})
    return f"{_core().text()}Object.assign(CORE, {{ {', '.join(lent)} }});\n"


@cache
def late_script(name: str) -> str:
    """Return a late room as it is sent: a module that exports a function of the core, and the room's style sheet."""
    import json

    found = _late(name)
    style = json.dumps(web(f"{name}/{name}.css"), ensure_ascii=False)
    return (
        f"export default (CORE) => {{\nconst {{ {', '.join(found.borrowed)} }} = CORE;\n"
        f"{found.text()}}};\nexport const style = {style};\n"
    )


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
    return Rooms(entry, read).text()


@cache
def _core() -> Rooms:
    return Rooms(CORE, web)


@cache
def _late(name: str) -> Rooms:
    return Rooms(f"{name}/{name}.js", web, frozenset(_core().texts))


class Rooms:
    """A room and all that it imports, in the order in which they are joined; see `joined` for what is raised.

    core    rooms that are not joined: what is imported from them is borrowed

    >>> rooms = {
    ...     "late/late.js": 'import { half } from "../sums.js";\\n\\nexport default (app) => half(app);\\n',
    ...     "sums.js": "export const half = (x) => x / 2;\\n",
    ... }
    >>> late = Rooms("late/late.js", rooms.__getitem__, frozenset({"sums.js"}))
    >>> late.borrowed, late.text()
    (['half'], 'return (app) => half(app);\\n')
    """

    def __init__(
        self, entry: str, read: Callable[[str], str], core: frozenset[str] = frozenset()
    ) -> None:
        self.texts: dict[str, str] = {}
        self._entry, self._read, self._core = entry, read, core
        self._homes: dict[str, str] = {}
        self._exported: dict[str, set[str]] = {}
        self._borrowed: set[str] = set()
        self._add(entry, ())

    @property
    def borrowed(self) -> list[str]:
        """What is taken from the core, by its names."""
        return sorted(self._borrowed)

    def text(self) -> str:
        """Return them joined; over a core the entry's default is what the text returns."""
        found = "".join(self.texts.values())
        return (
            re.sub("^export default ", "return ", found, flags=re.MULTILINE)
            if self._core
            else found
        )

    def _add(self, room: str, path: tuple[str, ...]) -> None:
        if room in path:
            raise ValueError(f"rooms import one another: {' → '.join((*path, room))}")
        if room in self.texts:
            return
        text = self._read(room)
        for names, home in _imports(room, text, passed=room == self._entry):
            if home not in self._core:
                self._add(home, (*path, room))
            elif home not in self._exported:
                self._exported[home] = _exports(self._read(home))
            for name in names:
                if name not in self._exported[home]:
                    raise ValueError(f"{room} imports {name}, which {home} does not export")
                if home in self._core:
                    self._borrowed.add(name)
                    self._name(name, home)
        for _, _, name in _NAMED.findall(text):
            self._name(name, room)
        self._exported[room] = _exports(text)
        text = _COMMENT.sub("", _NAMED.sub(r"\2", _IMPORT.sub("", text)))
        other = _OTHER.search(_ENTRY.sub("", text) if room == self._entry else text)
        if other:
            raise ValueError(f"{room} has what cannot be joined to other rooms: {other[0]}")
        text = _PASSED.sub(r"export {\1};\n", text)
        self.texts[room] = "".join(_bare(line, room) for line in text.splitlines() if line.strip())

    def _name(self, name: str, room: str) -> None:
        if self._homes.setdefault(name, room) != room:
            raise ValueError(f"{name} is a name in {self._homes[name]} and in {room}")


def _imports(room: str, text: str, passed: bool) -> Iterator[tuple[list[str], str]]:
    """Yield what a room imports (and passes on), each with the room that it stands in."""
    for names, home in [*_IMPORT.findall(text), *(_PASSED.findall(text) if passed else [])]:
        yield _names(names), normpath(join(dirname(room), home))


def _exports(text: str) -> set[str]:
    return {name for export, _, name in _NAMED.findall(text) if export}


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
