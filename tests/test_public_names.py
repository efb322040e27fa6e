"""The public names: what the documentation shows is there, and every kind under all its spellings."""

from __future__ import annotations

import copy
import subprocess
import sys
from pathlib import Path

import pytest

import convscope
from convscope.layers import find, kinds, spellings

KNOWN = (Path(__file__).parents[1] / "docs" / "look_up" / "kinds.md").read_text(encoding="utf-8")


def test_every_kind_can_be_imported_under_every_spelling() -> None:
    for name, kind in spellings().items():
        assert getattr(convscope, name) is kind is find(name)
    assert convscope.Convolution2D is convscope.Conv2D


def test_dir_lists_what_there_is() -> None:
    listed = dir(convscope)
    assert {*convscope.__all__, *kinds()} <= set(listed)
    assert all(getattr(convscope, name) is not None for name in listed)


def test_a_star_import_gives_the_layers_and_leaves_pythons_own_names_alone() -> None:
    code = (
        "from convscope import *; print(Conv2D is not None, open is __builtins__.open, *globals())"
    )
    done = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True)
    there, own, *names = done.stdout.split()
    assert (there, own) == ("True", "True")
    public = {name for name in names if not name.startswith("_")}
    assert public == {n for n in dir(convscope) if not n.startswith("_")} - {"open"}


def test_a_name_that_is_not_there_is_an_attribute_error() -> None:
    with pytest.raises(AttributeError, match="no attribute 'Conv9D'"):
        _ = convscope.Conv9D  # type: ignore[attr-defined]


def test_the_documentation_names_every_kind() -> None:
    missing = [name for name in kinds() if f"`{name}`" not in KNOWN]
    assert missing == []


def test_every_public_kind_has_a_docstring_with_an_example() -> None:
    assert [k.__name__ for k in kinds().values() if ">>>" not in (k.__doc__ or "")] == []


def test_settings_can_be_copied() -> None:
    layer = convscope.Conv2D(5, 3, padding="same", activation="relu")
    again = type(layer)(**copy.copy(layer.settings()))
    assert again.settings() == layer.settings()
