"""The names of classes, in every form that files have them."""

from __future__ import annotations

from pathlib import Path

import pytest

from convscope.errors import ConvscopeError
from convscope.files.labels import read_labels


@pytest.mark.parametrize(
    "text",
    [
        "tench\ngoldfish\n\n great white shark \n",
        '["tench", "goldfish", "great white shark"]',
        '{"2": "great white shark", "0": "tench", "1": "goldfish"}',
        '{"model_type": "vit", "id2label": {"0": "tench", "1": "goldfish", "2": "great white shark"}}',
        '{"0": ["n01440764", "tench"], "1": ["n01443537", "goldfish"], "2": ["n01484850", "great white shark"]}',
    ],
)
def test_every_form(tmp_path: Path, text: str) -> None:
    file = tmp_path / "labels"
    file.write_text(text, encoding="utf-8")
    assert read_labels(file) == ["tench", "goldfish", "great white shark"]


@pytest.mark.parametrize(
    "content",
    [b'{"1": "a"}', b"[1, 2]", b'{"id2label": 5}', b"\xff\xfe\x00", b"[[]]", b'{"0": null}', b"{"],
)
def test_what_holds_none_is_said(tmp_path: Path, content: bytes) -> None:
    file = tmp_path / "labels"
    file.write_bytes(content)
    with pytest.raises(ConvscopeError, match="labels"):
        read_labels(file)
    with pytest.raises(ConvscopeError, match="cannot read labels"):
        read_labels(tmp_path / "nothing")
