"""The names of classes, in every form that files have them."""

from __future__ import annotations

from pathlib import Path

import click
import onnx
import pytest

from convscope.cli.opening import set_labels
from convscope.errors import ConvscopeError
from convscope.files.labels import configured_labels, labels_beside, noted_labels, read_labels
from convscope.model.graph import Graph
from convscope.network import Network


@pytest.mark.parametrize(
    "text",
    [
        "tench\ngoldfish\n\n great white shark \n",
        "0 tench\n1 goldfish\n2 great white shark\n",
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


def test_names_that_nobody_gave_are_none(tmp_path: Path) -> None:
    file = tmp_path / "config.json"
    file.write_text('{"id2label": {"0": "LABEL_0", "1": "LABEL_1"}}')
    assert read_labels(file) == []


def test_files_beside_a_model(tmp_path: Path) -> None:
    model = tmp_path / "net.safetensors"
    assert labels_beside(model) is None
    (tmp_path / "labels.txt").write_text("0 cat\n1 dog\n")
    (tmp_path / "config.json").write_text('{"architectures": []}')
    assert labels_beside(model) == tmp_path / "labels.txt"
    (tmp_path / "config.json").write_text('{"id2label": {"0": "cat", "1": "dog"}}')
    assert labels_beside(model) == tmp_path / "config.json"


@pytest.mark.parametrize("outputs", [(), ("x",)], ids=["no output", "an input goes out"])
def test_labels_beside_a_network_without_classes(tmp_path: Path, outputs: tuple[str, ...]) -> None:
    model = tmp_path / "net.onnx"
    model.write_bytes(b"")
    (tmp_path / "labels.txt").write_text("cat\ndog\n")
    graph = Graph("bare", {"x": (2,)}, "channels_last")
    graph.outputs = outputs
    network = Network("bare", graph=graph)
    with click.Context(click.Command("explore")):
        set_labels(network, str(model), None)
    assert network.labels == []


@pytest.mark.parametrize(
    ("id2label", "found"),
    [
        ({0: "cat", 1: "dog"}, ["cat", "dog"]),
        ({0: "LABEL_0", 1: "LABEL_1"}, []),
        ({1: "cat", 0: "dog"}, []),
        ({0: 1}, []),
        (None, []),
    ],
)
def test_a_module_that_names_its_classes(id2label: object, found: list[str]) -> None:
    class Module:
        class config:
            pass

    assert configured_labels(Module()) == []
    Module.config.id2label = id2label  # type: ignore[attr-defined]
    assert configured_labels(Module()) == found


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("""{0: 'person', 1: "bird's nest", 2: 'x'}""", ["person", "bird's nest", "x"]),
        ('["a", "b"]', ["a", "b"]),
        ('{"id2label": {"1": "b", "0": "a"}}', ["a", "b"]),
        ("{0: 'a', 2: 'c'}", []),
        ("{0: 'a', 1: __import__('os')}", []),
        ("{0: 'a", []),
        ("plain words", []),
    ],
)
def test_notes_in_a_model_file(text: str, found: list[str]) -> None:
    assert noted_labels([("author", "[]"), ("names", text)]) == found


@pytest.mark.parametrize("count", [3, 4])
def test_an_onnx_file_that_names_its_classes(tmp_path: Path, count: int) -> None:
    import convscope as cs

    network = cs.Sequential([cs.Dense(3, input_shape=(5,))])
    network.export(str(tmp_path / "m.onnx"))
    model = onnx.load(tmp_path / "m.onnx")
    names = [f"class {n}" for n in range(count)]
    model.metadata_props.add(key="names", value=str(dict(enumerate(names))))
    onnx.save(model, tmp_path / "m.onnx")
    assert cs.open(tmp_path / "m.onnx").labels == (names if count == 3 else [])
