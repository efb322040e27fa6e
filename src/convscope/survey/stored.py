"""A survey in a file: whole or not there at all, the same bytes for the same figures.

A zip archive of survey.json and arrays in numpy's .npy form, which `numpy.load` reads too. While a survey is
under way the file is a checkpoint: `done` says which numbers of images are in it.
"""

from __future__ import annotations

import json
import os
import zipfile
from pathlib import Path
from typing import Any

import numpy as np

from convscope.engine.writing import check_place, complete
from convscope.errors import InputError, OutputError
from convscope.survey.tally import Measured, Plan, Tally
from convscope.typed import Record

SUFFIX = ".survey"
FORM = 1

Range = tuple[int, int]


class State(Record):
    """How far a survey is: the figures, which images are in them, and what it is a survey of.

    done    ranges of numbers of images, in order and apart; total: how many there are, None while unknown
    facts   what identifies it: "network", "data" (fingerprints), "asked", and what is told of them
    """

    tally: Tally
    done: tuple[Range, ...]
    total: int | None
    facts: dict[str, Any]

    @property
    def whole(self) -> bool:
        return self.total is not None and self.done == ((0, self.total),)


def joined(done: tuple[Range, ...], new: Range) -> tuple[Range, ...]:
    """Return ranges with one more, neighbours made one.

    >>> joined(((0, 32), (64, 96)), (32, 64))
    ((0, 96),)
    """
    found: list[Range] = []
    for first, last in sorted([*done, new]):
        if found and found[-1][1] >= first:
            found[-1] = (found[-1][0], max(last, found[-1][1]))
        elif last > first:
            found.append((first, last))
    return tuple(found)


def left(done: tuple[Range, ...], total: int | None) -> list[tuple[int, int | None]]:
    """Return the ranges that are still to be done; the last may have no end.

    >>> left(((0, 32), (64, 96)), 100), left((), None)
    ([(32, 64), (96, 100)], [(0, None)])
    """
    found: list[tuple[int, int | None]] = []
    at = 0
    for first, last in done:
        if first > at:
            found.append((at, first))
        at = last
    if total is None or at < total:
        found.append((at, total))
    return found


def save(state: State, path: Path) -> None:
    """Write a survey; the file takes its name only when it is whole. Raises `OutputError`."""
    with complete(path, SUFFIX, "a survey is written as .survey") as part:
        arrays = dict(state.tally.arrays())
        told = {
            "form": FORM,
            "done": state.done,
            "total": state.total,
            "plan": state.tally.plan._asdict(),
            "figures": state.tally.said(),
            **state.facts,
        }
        told["plan"]["layers"] = [layer._asdict() for layer in state.tally.plan.layers]
        with zipfile.ZipFile(part, "w", zipfile.ZIP_DEFLATED, compresslevel=1) as archive:
            text = json.dumps(told, ensure_ascii=False, separators=(",", ":"))
            archive.writestr(_member("survey.json"), text.encode("utf-8", "surrogatepass"))
            for name, array in arrays.items():
                with archive.open(_member(f"{name}.npy"), "w", force_zip64=True) as file:
                    np.lib.format.write_array(file, np.ascontiguousarray(array), allow_pickle=False)
        with part.open("rb") as file:
            os.fsync(file.fileno())


def _member(name: str) -> zipfile.ZipInfo:
    """Return a member without the hour that it is written at."""
    member = zipfile.ZipInfo(name)
    member.compress_type = zipfile.ZIP_DEFLATED
    return member


def load(path: Path) -> State:
    """Return a survey that was written; raise `InputError` for what is none, or not whole."""
    try:
        with zipfile.ZipFile(path) as archive:
            told = json.loads(archive.read("survey.json").decode("utf-8", "surrogatepass"))
            if told["form"] != FORM:
                raise InputError(f"its form is {told['form']}, and this convscope reads {FORM}")
            arrays = {}
            for name in archive.namelist():
                if name.endswith(".npy"):
                    with archive.open(name) as file:
                        arrays[name[:-4]] = np.lib.format.read_array(file, allow_pickle=False)
        layers = tuple(
            Measured(**{**layer, "grid": tuple(layer["grid"])}) for layer in told["plan"]["layers"]
        )
        plan = Plan(**{**told["plan"], "layers": layers})
        tally = Tally.from_arrays(plan, arrays, told["figures"])
        done = tuple((int(first), int(last)) for first, last in told["done"])
        kept = ("form", "done", "total", "plan", "figures")
        facts = {name: value for name, value in told.items() if name not in kept}
        return State(tally, done, told["total"], facts)
    except FileNotFoundError as error:
        raise InputError(f"there is no survey {path}") from error
    except Exception as error:  # whatever a damaged file makes of zipfile, json and numpy
        said = str(error) or type(error).__name__
        raise InputError(f"{path} is no survey that can be read: {said}") from error


def check_target(path: Path, force: bool, resume: bool) -> State | None:
    """Return what is resumed; raise `OutputError` for a file that is kept, or cannot be written."""
    if path.suffix.lower() != SUFFIX:
        raise OutputError(f"a survey is written as {SUFFIX}: name the file {path.name}{SUFFIX}")
    check_place(path)
    if not path.exists():
        return None
    if resume:
        return load(path)
    if not force:
        raise OutputError(f"{path} exists already; --resume goes on with it, --force replaces it")
    return None
