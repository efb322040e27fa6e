"""A short campaign in every run of the tests, a longer one with --full; run.py makes it last for hours."""

from __future__ import annotations

import importlib.util
import random
from pathlib import Path
from typing import Any

import pytest
from campaign import mutators, run
from campaign.kinds import KINDS, made
from campaigns import often, rounds
from needed import absent

# Keras makes the good files, and warns
pytestmark = pytest.mark.filterwarnings("ignore")


@pytest.mark.parametrize("kind", often(KINDS, *(kind for kind in KINDS if kind != "pt2")))
def test_bad_files_end_in_one_of_three_ways(kind: str, tmp_path: Path) -> None:
    count = rounds(4, 100)
    with run.laid((kind,)):
        ended = run.seeded(kind, 0, count, tmp_path)
    assert {path.name: path.read_text() for path in tmp_path.glob("*.txt")} == {}
    assert sum(ended.values()) == count
    assert set(ended) <= {"refused", "opened", "opened with warnings"}


@pytest.mark.full
@pytest.mark.parametrize("kind", KINDS)
def test_guided_by_coverage(kind: str, tmp_path: Path) -> None:
    if importlib.util.find_spec("atheris") is None:
        absent("atheris is not installed")
    with run.laid((kind,)):
        _, found = run.guided(kind, rounds(5, 10), tmp_path)
    assert found == []


def test_a_crash_a_hang_and_a_traceback_are_found(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Of a worker that does all three, the campaign says so and goes on."""
    (tmp_path / "worker.py").write_text(
        "import json, os, sys, time\n"
        "def say(**said): print(json.dumps(said), flush=True)\n"
        "for number in range(int(sys.argv[2]), int(sys.argv[3])):\n"
        "    say(begun=number)\n"
        "    if number == 1: os.abort()\n"
        "    if number == 2: time.sleep(600)\n"
        "    say(number=number, ended='failed' if number == 3 else 'refused', said='KeyError')\n"
    )
    monkeypatch.setattr(run, "HERE", tmp_path)
    monkeypatch.setattr(run, "MOST_SECONDS", 2.0)
    kept: list[Any] = []
    monkeypatch.setattr(run, "keep", lambda *told: kept.append(told[:3]))
    ended = run.seeded("json", 0, 6, tmp_path)
    assert ended == {"refused": 3, "died (-6)": 1, "hung": 1, "failed": 1}
    assert kept == [("json", 1, "died (-6)"), ("json", 2, "hung"), ("json", 3, "KeyError")]


def test_a_number_makes_the_same_file_again() -> None:
    assert tuple(KINDS) == run.KIND_NAMES
    for kind in ("protobuf", "png", "npy"):
        files = [made(kind, number) for number in range(40)]
        assert files == [made(kind, number) for number in range(40)]
        assert len(set(files)) > 30


def test_mutators_take_anything() -> None:
    draw = random.Random(1)
    for data in (b"", b"\0", b"\xff" * 9, b"PK\x03\x04", bytes(range(256))):
        for _ in range(50):
            assert isinstance(mutators.raw(data, draw), bytes)
            assert isinstance(mutators.protobuf(data, draw), bytes)
            assert isinstance(mutators.hdf5(data, draw), bytes)
            assert isinstance(mutators.safetensors(data, draw), bytes)
