"""Files are there whole or not at all, and nothing else is touched on the way."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from convscope.engine.writing import complete
from convscope.errors import OutputError

posix = pytest.mark.skipif(sys.platform == "win32", reason="links and signals of POSIX")


@posix
def test_a_link_that_was_planted_is_not_followed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Not even under the right name, which nobody can guess."""
    treasure = tmp_path / "treasure"
    treasure.write_text("gold")
    monkeypatch.setattr("convscope.engine.writing.secrets.token_hex", lambda count: "guessed")
    (tmp_path / ".net.onnx.guessed.part").symlink_to(treasure)
    (tmp_path / ".net.onnx.part").symlink_to(treasure)
    with (
        pytest.raises(OutputError, match="exists"),
        complete(tmp_path / "net.onnx", ".onnx", "it is ONNX") as part,
    ):
        part.write_text("lead")
    assert treasure.read_text() == "gold"


def test_a_name_is_never_used_twice(tmp_path: Path) -> None:
    names = set()
    for _ in range(3):
        with complete(tmp_path / "net.onnx", ".onnx", "it is ONNX") as part:
            assert part.parent == tmp_path and part.stat().st_size == 0
            names.add(part.name)
            part.write_text("whole")
        assert [p.name for p in tmp_path.iterdir()] == ["net.onnx"]
    assert len(names) == 3


def test_what_fails_leaves_what_was_there(tmp_path: Path) -> None:
    target = tmp_path / "net.onnx"
    target.write_text("old")
    with pytest.raises(ZeroDivisionError), complete(target, ".onnx", "it is ONNX") as part:
        part.write_text("half")
        raise ZeroDivisionError
    assert target.read_text() == "old"
    assert [p.name for p in tmp_path.iterdir()] == ["net.onnx"]


@posix
@pytest.mark.parametrize("name", ["SIGTERM", "SIGHUP"])
def test_a_signal_leaves_nothing_behind(name: str, tmp_path: Path) -> None:
    code = (
        "import signal, time\n"
        f"signal.signal(signal.{name}, signal.SIG_DFL)\n"
        "from convscope.engine.writing import complete\n"
        "with (complete('net.onnx', '.onnx', 'it is ONNX') as part,\n"
        "      complete('other.onnx', '.onnx', 'it is ONNX')):\n"  # one within another
        "    part.write_text('half')\n"
        "    print('writing', flush=True)\n"
        "    time.sleep(600)\n"
    )
    with subprocess.Popen(
        [sys.executable, "-c", code], cwd=tmp_path, stdout=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout is not None and process.stdout.readline() == "writing\n"
        assert len(list(tmp_path.iterdir())) == 2
        process.send_signal(getattr(signal, name))
        process.communicate(timeout=60)
    assert process.returncode == -getattr(signal, name)  # it ends as it would have
    assert list(tmp_path.iterdir()) == []


@posix
def test_a_handler_of_the_program_stays(tmp_path: Path) -> None:
    seen = []
    before = signal.signal(signal.SIGTERM, lambda *_: seen.append(1))
    try:
        with complete(tmp_path / "net.onnx", ".onnx", "it is ONNX") as part:
            os.kill(os.getpid(), signal.SIGTERM)
            part.write_text("whole")
        assert seen == [1] and (tmp_path / "net.onnx").exists()
    finally:
        signal.signal(signal.SIGTERM, before)
