"""The rooms and the arrows between them: docs/architecture.md, held module by module."""

from __future__ import annotations

import ast
import subprocess
import sys
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import convscope

SOURCE = Path(convscope.__file__).parent

ORDER = [
    "errors",
    "version",
    "notation",
    "equations",
    "layers",
    "operators",
    "aten",
    "files",
    "model",
    "engine",
    "explain",
    "checks",
    "comparing",
    "learning",
    "survey",
    "explorer",
    "figures",
    "network",
    "building",
    "demo",
    "readers",
    "cli",
]
"""A module imports from its own room and those before it."""

APART: dict[str, set[str]] = {"typed": set(), "parts": set(), "views": {"errors"}}
"""Rooms beside the line, and what they may see."""

OPEN_TO_ALL = {"typed", "parts"}
FROM = {"views": "survey"}
"""From which room on a room beside the line may be used."""


def modules() -> Iterator[tuple[str, Path]]:
    for path in sorted(SOURCE.rglob("*.py")):
        parts = path.relative_to(SOURCE).with_suffix("").parts
        yield ".".join(parts), path


KNOWN = {name.removesuffix(".__init__") for name, _ in modules()}


@cache
def parsed(path: Path) -> ast.Module:
    return ast.parse(path.read_text(encoding="utf-8"))


def imported(path: Path, nested: bool) -> set[str]:
    """Return the convscope modules that a file imports; with `nested` also inside functions."""
    tree = parsed(path)
    found = set()
    for node in ast.walk(tree) if nested else tree.body:
        if isinstance(node, ast.ImportFrom) and node.module == "convscope":
            found |= {a.name if a.name in KNOWN else "__init__" for a in node.names}
        elif (
            isinstance(node, ast.ImportFrom)
            and node.module
            and node.module.startswith("convscope.")
        ):
            stem = node.module.removeprefix("convscope.")
            found |= {
                f"{stem}.{a.name}" if f"{stem}.{a.name}" in KNOWN else stem for a in node.names
            }
        elif isinstance(node, ast.Import):
            found |= {
                "__init__" if a.name == "convscope" else a.name.removeprefix("convscope.")
                for a in node.names
                if a.name.split(".")[0] == "convscope"
            }
    return found


def allowed(room: str, target: str) -> bool:
    if room == target or target in OPEN_TO_ALL:
        return True
    if room in APART:
        return target in APART[room]
    if target == "__init__":  # the package's front door stands above all rooms
        return False
    if target in FROM:
        return ORDER.index(room) >= ORDER.index(FROM[target])
    return ORDER.index(target) <= ORDER.index(room)


def test_every_arrow_points_the_right_way() -> None:
    wrong = []
    for name, path in modules():
        room = name.split(".")[0]
        if room in ("__init__", "__main__"):
            continue
        for target in imported(path, nested=True):
            if not allowed(room, target.split(".")[0]):
                wrong.append(f"{name} imports {target}")
    assert wrong == []


def test_onnx_runtime_has_one_door() -> None:
    doors = []
    for name, path in modules():
        for node in ast.walk(parsed(path)):
            names = [a.name for a in node.names] if isinstance(node, ast.Import) else []
            names += [node.module or ""] if isinstance(node, ast.ImportFrom) else []
            doors += [name for n in names if n.split(".")[0] == "onnxruntime"]
    assert doors == ["engine.native"]


def test_every_room_is_on_the_map() -> None:
    rooms = {name.split(".")[0] for name, _ in modules()} - {"__init__", "__main__"}
    assert rooms == {*ORDER, *APART}
    page = (SOURCE.parents[1] / "docs" / "architecture.md").read_text(encoding="utf-8")
    missing = [r for r in rooms if f"      {r}/" not in page and f"      {r}.py" not in page]
    assert missing == []


def test_no_module_imports_in_a_circle() -> None:
    known = {name.removesuffix(".__init__"): path for name, path in modules()}
    edges = {name: imported(path, nested=False) & set(known) for name, path in known.items()}

    def reaches(start: str) -> set[str]:
        seen: set[str] = set()
        stack = list(edges[start])
        while stack:
            name = stack.pop()
            if name not in seen:
                seen.add(name)
                stack.extend(edges[name])
        return seen

    assert [name for name in known if name in reaches(name)] == []


def loaded_by(code: str) -> set[str]:
    """Return the top-level modules that a fresh Python has loaded after some code."""
    report = "import sys; print('\\n' + ' '.join(sorted({m.split('.')[0] for m in sys.modules})))"
    done = subprocess.run(
        [sys.executable, "-c", f"{code}\n{report}"], capture_output=True, text=True, check=True
    )
    return set(done.stdout.splitlines()[-1].split())


HEAVY = {"numpy", "sympy", "pyfive", "onnx", "onnxruntime", "PIL", "rich", "torch", "keras"} | {
    "starlette",
    "uvicorn",
    "anywidget",
    "IPython",
    "distributed",
    "pyarrow",
    "reportlab",
    "pypdfium2",
}


SLOW = {"typing", "dataclasses", "inspect", "ast", "contextlib", "copy", "pathlib", "shutil"} | {
    *("pkgutil", "decimal", "fractions", "lzma", "threading", "signal", "secrets", "hashlib")
}
"""Of Python's own: each is milliseconds of the few that a summary takes."""


def test_nothing_is_loaded_before_it_is_needed() -> None:
    build = (
        "import convscope as cs\n"
        "m = cs.Sequential([cs.Conv2D(32, 3, input_shape=(28, 28, 1)), cs.Conv2D(64, 3)])\n"
    )
    assert loaded_by("import convscope") & HEAVY == set()
    summary = loaded_by(build + "m.summary()")
    assert summary & (HEAVY | SLOW) == set()
    weights = loaded_by(build + "m.get_weights(); m.summary()")
    assert weights & SLOW <= loaded_by("import numpy.random")
    rooms = "import sys; print(sum(m.startswith('convscope.') for m in sys.modules))"
    done = subprocess.run(
        [sys.executable, "-c", f"{build}m.summary()\n{rooms}"],
        capture_output=True, text=True, check=True,
    )  # fmt: skip
    files = int(done.stdout.splitlines()[-1])
    assert files <= 60  # each costs a tenth of a millisecond or more
    assert loaded_by(build + "print(m.explain('conv2d_1'))") & HEAVY == set()
    assert loaded_by(build + "m.get_weights()") & HEAVY == {"numpy"}
    symbolic = "import convscope as cs; cs.Sequential([cs.Conv2D('k', 3, input_shape=('n', 9, 1))])"
    assert loaded_by(symbolic) & HEAVY == {"sympy"}
