"""A survey that is stopped, at any time and in any way, goes on to the same bytes."""

from __future__ import annotations

import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from programs import HEARS, finding
from survey.sets import images
from survey.test_data import network
from work import PATIENCE

from convscope.errors import InputError, OutputError, SettingError
from convscope.survey import stored, work
from convscope.survey.measuring import BATCH
from convscope.survey.stored import load

posix = pytest.mark.skipif(sys.platform == "win32", reason="signals of POSIX")


def data(count: int = 5 * BATCH + 7) -> Any:
    x, y = images()
    return np.resize(x, (count, 9, 8)), np.resize(y, count)


def test_a_survey_that_was_stopped_goes_on_to_the_same_bytes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole, part = tmp_path / "whole.survey", tmp_path / "part.survey"
    network().survey(data(), out=whole)
    monkeypatch.setattr(work, "CHECKPOINT_SECONDS", 0.0)
    taken: list[bytes] = []
    real = stored.save

    def once(state: Any, path: Path) -> None:
        real(state, path)
        taken.append(path.read_bytes())
        if len(taken) == 3:
            raise RuntimeError("the machine is gone")

    monkeypatch.setattr(work, "save", once)
    with pytest.raises(RuntimeError):
        network().survey(data(), out=part)
    monkeypatch.setattr(work, "save", real)
    assert load(part).done == ((0, 3 * BATCH),) and not load(part).whole
    found = network().survey(data(), out=part, resume=True)
    assert found.images == len(data()[0])
    assert part.read_bytes() == whole.read_bytes()
    again = network().survey(data(), out=part, resume=True)  # nothing is left to do
    assert again.json() == found.json() and part.read_bytes() == whole.read_bytes()
    assert sorted(p.name for p in tmp_path.iterdir()) == ["part.survey", "whole.survey"]


@pytest.mark.parametrize("with_iterable", [False, True])
def test_parts_in_any_order_give_the_same_bytes(tmp_path: Path, with_iterable: bool) -> None:
    from convscope.survey.data import open_data
    from convscope.survey.measuring import Asked, Measuring
    from convscope.survey.stored import State, save
    from convscope.survey.tally import Tally

    given = iter(list(zip(*data(), strict=True))) if with_iterable else data()
    whole = network().survey(given, top=3)
    parts = []
    measuring = Measuring(network(), open_data(data()), Asked(top=3))
    for first in (96, 0, 128, 32, 160, 64):
        tally = Tally(measuring.plan)
        for _ in measuring.measure(tally, first, first + BATCH):
            pass
        parts.append(tally)
    merged = parts[0]
    for part in parts[1:]:
        merged.merge(part)
    for number, tally in enumerate((whole.state.tally, merged)):
        save(State(tally, ((0, 167),), 167, {}), tmp_path / f"{number}.survey")
    assert (tmp_path / "0.survey").read_bytes() == (tmp_path / "1.survey").read_bytes()


SCRIPT = """
import os, sys, time
import numpy as np
from survey.test_data import network
from survey.test_resuming import data
from convscope.survey import work
work.CHECKPOINT_SECONDS = 0.0
class Slow:
    def __init__(self, x): self.x = x
    def __len__(self): return len(self.x)
    def __getitem__(self, n):
        if n == 100 and SLOW:
            print('reached', flush=True)
        if n > 100 and SLOW:
            time.sleep(0.05)
            while os.path.exists('s.survey') and not os.path.exists('told'):
                time.sleep(0.01)
        return self.x[n]
SLOW = 'resume' not in sys.argv
net = network()
try:
    net.survey(Slow(data()[0]), out='s.survey', resume='resume' in sys.argv)
except KeyboardInterrupt:
    sys.exit(130)
"""


@posix
@pytest.mark.parametrize("how", ["SIGINT", "SIGKILL"])
def test_ctrl_c_and_kill_9_leave_a_file_to_go_on_with(tmp_path: Path, how: str) -> None:
    here = finding(Path(__file__).parents[1])
    command = [sys.executable, "-c", SCRIPT]
    with subprocess.Popen(
        command, cwd=tmp_path, env=here, stdout=subprocess.PIPE, text=True, **HEARS
    ) as process:
        assert process.stdout is not None and process.stdout.readline() == "reached\n"
        until = time.monotonic() + PATIENCE
        while not (tmp_path / "s.survey").exists() and time.monotonic() < until:
            time.sleep(0.01)
        process.send_signal(getattr(signal, how))
        (tmp_path / "told").touch()  # until then it reads no further, however late we are
        code = process.wait(PATIENCE)
    assert code == (130 if how == "SIGINT" else -signal.SIGKILL)
    ((first, last),) = load(tmp_path / "s.survey").done
    assert first == 0 and BATCH <= last < len(data()[0])
    subprocess.run([*command, "resume"], cwd=tmp_path, env=here, check=True, timeout=PATIENCE)

    network().survey(list(data()[0]), out=tmp_path / "whole.survey")
    assert (tmp_path / "s.survey").read_bytes() == (tmp_path / "whole.survey").read_bytes()


def test_an_existing_file_is_kept(tmp_path: Path) -> None:
    out = tmp_path / "s.survey"
    network().survey(data(40), out=out)
    before = out.read_bytes()
    with pytest.raises(OutputError, match="exists already; --resume goes on with it, --force"):
        network().survey(data(), out=out)
    for change, words in (
        ({"data": data(50)}, "it was begun with other data"),
        ({"top": 2}, "it was begun with other options: top 9, not 2"),
        ({"layers": ["dense"]}, "it was begun with other options: layers all, not dense"),
    ):
        with pytest.raises(InputError, match=words):
            network().survey(**{"data": data(40), "out": out, "resume": True, **change})
    net = network()
    kernel, bias = net.layers[0].get_weights()
    net.layers[0].set_weights([kernel * 2, bias])
    with pytest.raises(InputError, match="begun with another network, or the same with other"):
        net.survey(data(40), out=out, resume=True)
    net = network()
    net.pixels = "0-255"
    with pytest.raises(InputError, match="begun with images prepared in another way"):
        net.survey(data(40), out=out, resume=True)
    assert out.read_bytes() == before
    network().survey(data(50), out=out, force=True)
    assert load(out).tally.images == 50


def test_what_cannot_be_written_loses_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for out, words in (
        (tmp_path / "s.npz", "name the file s.npz.survey"),
        (tmp_path / "no" / "s.survey", "there is no folder"),
    ):
        with pytest.raises(OutputError, match=words):
            network().survey(data(40), out=out)
    (tmp_path / "f.survey").mkdir()
    with pytest.raises(OutputError, match="is a folder"):
        network().survey(data(40), out=tmp_path / "f.survey")
    with pytest.raises(SettingError, match="resume goes on with a file"):
        network().survey(data(40), resume=True)
    out = tmp_path / "s.survey"
    network().survey(data(40), out=out)
    before = out.read_bytes()

    def full(*given: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("convscope.survey.stored.os.fsync", full)
    with pytest.raises(OutputError, match=r"cannot write .*s\.survey: No space left on device"):
        network().survey(data(), out=out, force=True)
    assert out.read_bytes() == before
    assert sorted(p.name for p in tmp_path.iterdir()) == ["f.survey", "s.survey"]


@pytest.mark.parametrize("cut", [0, 10, 400, -30])
def test_half_a_file_is_never_taken_for_a_whole_one(tmp_path: Path, cut: int) -> None:
    out = tmp_path / "s.survey"
    network().survey(data(40), out=out)
    out.write_bytes(out.read_bytes()[:cut])
    with pytest.raises(InputError, match="is no survey that can be read"):
        network().survey(data(40), out=out, resume=True)
