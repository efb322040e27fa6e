"""Networks in Python code: which of a file's names is one, what is called, what is said of what is none."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

import convscope
from convscope.errors import SourceError

NETWORK = "Sequential([Conv2D({}, 3, input_shape=(9, 11, 2))], name={!r})"


def written(folder: Path, *lines: str) -> str:
    path = folder / "net.py"
    path.write_text("\n".join(["from convscope import *", *lines]))
    return str(path)


def test_a_files_only_network_needs_no_name(tmp_path: Path) -> None:
    path = written(tmp_path, f"small = {NETWORK.format(5, 'five')}", "same = small", "_hidden = 3")
    assert convscope.open(path).name == "five"
    assert convscope.open(Path(path)).name == "five"


def test_several_are_listed_and_none_is_said(tmp_path: Path) -> None:
    path = written(tmp_path, *(f"{n} = {NETWORK.format(k, n)}" for n, k in (("a", 5), ("b", 7))))
    with pytest.raises(SourceError, match=r"holds 2 networks, a, b: say which, as in .*net.py:a$"):
        convscope.open(path)
    path = written(tmp_path, "def made(): return 3", "from os.path import join")
    with pytest.raises(SourceError, match=r"no network: name a function .* as in .*net.py:made$"):
        convscope.open(path)


def test_functions_are_called_and_objects_are_not(tmp_path: Path) -> None:
    path = written(
        tmp_path,
        "from functools import partial",
        f"def made(count=5): return {NETWORK.format('count', 'made')}",
        "wider = partial(made, 7)",
        "class Odd:",
        "    def __call__(self): raise SystemError('called')",
        "    forward = __call__",
        "odd = Odd()",
    )
    assert convscope.open(f"{path}:made").count_params() == 5 * 18 + 5
    assert convscope.open(f"{path}:wider").count_params() == 7 * 18 + 7
    with pytest.raises(SourceError, match="odd is of type Odd, not a network"):
        convscope.open(f"{path}:odd")


def test_a_name_leads_on_to_an_attribute_of_an_attribute(tmp_path: Path) -> None:
    path = written(
        tmp_path,
        "class Held:",
        f"    wide = {NETWORK.format(7, 'wide')}",
        "    @classmethod",
        f"    def made(cls): return {NETWORK.format(5, 'made')}",
        "    @property",
        "    def late(self): raise ValueError('not yet')",
        "held = Held()",
    )
    assert convscope.open(f"{path}:held.wide").count_params() == 7 * 18 + 7
    assert convscope.open(f"{path}:Held.made").count_params() == 5 * 18 + 5
    with pytest.raises(SourceError, match=r"py:held has no 'wid' \(did you mean 'wide'\?\)$"):
        convscope.open(f"{path}:held.wid.more")
    with pytest.raises(SourceError, match=r"py has no 'hold' \(did you mean 'held'\?\)"):
        convscope.open(f"{path}:hold.wide")
    with pytest.raises(SourceError, match=r"py:held, line 7: ValueError: not yet"):
        convscope.open(f"{path}:held.late")
    with pytest.raises(SourceError, match=r"there is no module held_nowhere"):
        convscope.open("held_nowhere:net.inner")


def test_a_file_that_ends_itself_is_an_error_and_not_the_end(tmp_path: Path) -> None:
    path = written(tmp_path, "import sys", "sys.exit('usage: net FILE')")
    with pytest.raises(SourceError, match=r"line 3: it ended itself with SystemExit \(usage"):
        convscope.open(path)


def test_a_live_model_of_another_framework_is_opened(tmp_path: Path) -> None:
    path = written(tmp_path, "from onnx import ModelProto", "model = ModelProto()")
    with pytest.raises(SourceError, match="ModelProto"):  # it is empty, and that is what is said
        convscope.open(path)
    assert "onnx" in sys.modules


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("net.pt", r"would run whatever code it holds.*convscope\.open\(module, shape="),
        ("net.safetensors", "header would be 0 bytes"),
        ("net.tflite", r"tf2onnx\.convert --tflite"),
        ("net.pb", r"tf2onnx\.convert --saved-model"),
        ("net.png", "--image"),
        ("nothing.onnx", r"no file '.*nothing\.onnx'$"),
        ("networks.keras", r"no file '.*' \(did you mean '.*network\.keras'\?\)"),
        ("folder", r"is a folder, not a network; networks in it: inner\.onnx$"),
        ("saved", r"SavedModel: python -m tf2onnx\.convert --saved-model"),
    ],
)
def test_what_is_not_opened_says_how_it_gets_in(tmp_path: Path, name: str, said: str) -> None:
    for one in ("net.pt", "net.safetensors", "net.tflite", "net.pb", "net.png", "network.keras"):
        (tmp_path / one).touch()
    for inside in ("folder/inner.onnx", "saved/saved_model.pb"):
        (tmp_path / inside).parent.mkdir()
        (tmp_path / inside).touch()
    with pytest.raises(SourceError, match=said):
        convscope.open(str(tmp_path / name))


def test_a_class_is_not_a_network() -> None:
    with pytest.raises(SourceError, match=r"Sequential is a class.*make one, Sequential\(…\)"):
        convscope.open(convscope.Sequential)


def test_what_a_maker_needs_is_said(tmp_path: Path) -> None:
    path = written(tmp_path, "def made(width, *, depth, rest=3): return None", "class Made: pass")
    with pytest.raises(
        SourceError, match=r"takes width and depth: .*def net\(\): return made\(width=…"
    ):
        convscope.open(f"{path}:made")
    with pytest.raises(SourceError, match=r"has no 'Mad' \(did you mean 'Made'\?\)"):
        convscope.open(f"{path}:Mad")


def test_a_file_that_imports_relatively_is_a_part_of_its_package(tmp_path: Path) -> None:
    inner = tmp_path / "ourpackage" / "inner"
    inner.mkdir(parents=True)
    (inner.parent / "__init__.py").write_text("")
    (inner / "__init__.py").write_text("from .net import net")
    (inner.parent / "sizes.py").write_text("COUNT = 5")
    (inner / "beside.py").write_text("SIZE = 3")
    net = NETWORK.format("COUNT", "inner").replace("3,", "SIZE,")
    lines = "from ..sizes import COUNT", "from beside import SIZE", f"net = {net}"
    before = list(sys.path)
    assert convscope.open(written(inner, *lines)).count_params() == 5 * 18 + 5
    assert convscope.open(f"{inner / '__init__.py'}:net").name == "inner"
    assert sys.path == before


def test_a_file_is_known_by_its_name_while_it_runs(tmp_path: Path) -> None:
    kept = sys.modules["json"]
    code = [
        "from __future__ import annotations",
        "import typing",
        "from dataclasses import dataclass",
        "from convscope import *",
        "@dataclass",
        "class Sizes:",
        "    count: int = 5",
        "    kinds: typing.ClassVar[int] = 3",
        f"net = {NETWORK.format('Sizes().count', 'sized')}",
    ]
    for name in ("sizes_of_ours", "json"):
        path = tmp_path / f"{name}.py"
        path.write_text("\n".join(code))
        assert convscope.open(path).count_params() == 5 * 18 + 5
    assert sys.modules["json"] is kept
    (tmp_path / "wrong.py").write_text('import json\njson.loads("{")')
    with pytest.raises(SourceError, match=r"wrong.py, line 2: JSONDecodeError"):
        convscope.open(tmp_path / "wrong.py")
    assert "wrong" not in sys.modules


def test_a_file_does_not_stand_in_for_a_library(tmp_path: Path) -> None:
    line = f"from convscope import *\nnet = {NETWORK.format(5, 'ours')}"
    for name in ("colorsys", "starlette"):
        kept = sys.modules.pop(name, None)
        (tmp_path / f"{name}.py").write_text(line)
        try:
            assert convscope.open(tmp_path / f"{name}.py").count_params() == 5 * 18 + 5
            assert name not in sys.modules
        finally:
            if kept is not None:
                sys.modules[name] = kept
