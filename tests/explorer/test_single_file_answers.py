"""The answers of a single file, held against the host's, byte for byte, in a real browser."""

from __future__ import annotations

import base64
import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from explorer.test_single_file import large_maps, opened

import convscope as cs
from convscope.demo import digits, network
from convscope.errors import (
    ConvscopeError,
)
from convscope.explorer import joining
from convscope.explorer import single_file as writing
from convscope.explorer.host import Host
from convscope.explorer.known_edits import candidates
from convscope.explorer.single_file import single_file

if TYPE_CHECKING:
    from playwright.sync_api import Page


@pytest.fixture(scope="module")
def demo() -> Host:
    return Host(network(), digits()["seven"])


ASKING = """
export default { render({ model, el }) {
  window.ask = (question) => new Promise((done) => {
    const id = Math.random();
    const hear = (message, buffers) => {
      if (message.id !== id) return;
      model.off("msg:custom", hear);
      const bytes = buffers[0] ? new Uint8Array(buffers[0].buffer) : [];
      let text = "";
      for (const byte of bytes) text += String.fromCharCode(byte);
      done({ facts: message.facts, error: message.error, body: btoa(text) });
    };
    model.on("msg:custom", hear);
    model.send({ id, question });
  });
  el.append(Object.assign(document.createElement("div"), { className: "cs-head", textContent: "ready" }));
} };
"""


@pytest.fixture
def asking(monkeypatch: pytest.MonkeyPatch) -> None:
    """Put a module into the files that are written which only asks."""
    real = joining.script
    monkeypatch.setattr(writing, "script", lambda n: ASKING if n == "explorer.js" else real(n))


def volume() -> Host:
    net = cs.Sequential([cs.Conv3D(3, (2, 1, 2), input_shape=(4, 33, 41, 2)), cs.Flatten()])
    return Host(net, np.random.default_rng(1).normal(size=(4, 33, 41, 2)))


def sequence() -> Host:
    net = cs.Sequential([cs.Conv1D(6, 3, input_shape=(29, 4)), cs.Flatten(), cs.Dense(1)])
    return Host(net, np.random.default_rng(3).normal(size=(29, 4)))


def onnx_file() -> Host:
    """A network with channels first, double precision and whole numbers."""
    import onnx
    from onnx import TensorProto, helper

    rng = np.random.default_rng(4)
    nodes = [
        helper.make_node("Conv", ["x", "w"], ["a"], name="conv"),
        helper.make_node("Cast", ["a"], ["b"], name="cast", to=TensorProto.DOUBLE),
        helper.make_node("Mul", ["b", "third"], ["y"], name="mul"),
    ]
    graph = helper.make_graph(
        nodes,
        "first",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, [1, 3, 35, 22])],
        [helper.make_tensor_value_info("y", TensorProto.DOUBLE, [1, 4, 34, 20])],
        [
            onnx.numpy_helper.from_array(rng.normal(size=(4, 3, 2, 3)).astype(np.float32), "w"),
            onnx.numpy_helper.from_array(np.array([1 / 3]), "third"),
        ],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=9)
    return Host(cs.open(model), rng.normal(size=(3, 35, 22)))


def asked_of(host: Host) -> list[dict[str, Any]]:
    """Return questions about everything in a host's run, and some that cannot be answered."""
    net = host.answer({"ask": "network"}).facts
    questions: list[dict[str, Any]] = [{"ask": "network"}, {"ask": "whatif", "edits": []}]
    rng = np.random.default_rng(5)
    weights = {row["name"]: row["weights"] for row in net["layers"] if row["equation"]}
    tensors = [(name, None, shape) for name, shape in net["run"]["shapes"].items()]
    tensors += [(name, w, shape) for name, of in weights.items() for w, shape in of.items()]
    for layer, weight, shape in tensors:
        values = {"ask": "values", "run": 1, "layer": layer, "weight": weight}
        questions += [values, {**values, "box": None}]
        for _ in range(3):
            ends = [sorted(rng.integers(size, size=2).tolist()) for size in shape]
            questions.append({**values, "box": ends})
        questions.append({**values, "box": [[0, size] for size in shape]})
        questions.append({**values, "box": [[0, 0] for _ in shape] + [[0, 0]]})
        if weight is None:
            maps = host.answer({"ask": "maps", "run": 1, "layer": layer}).facts["energy"]
            questions.append({"ask": "maps", "run": 1, "layer": layer})
            for side in (1, 8, 21, 64, 0):
                some = [int(n) for n in rng.integers(len(maps), size=2)]
                tiles = {"ask": "tiles", "run": 1, "layer": layer, "maps": some, "side": side}
                questions += [tiles, {**tiles, "maps": [len(maps)]}]
    for row in net["layers"]:
        questions.append({"ask": "layer", "layer": row["name"], "run": 1})
        questions.append({"ask": "settings", "layer": row["name"]})
    return questions


@pytest.mark.usefixtures("asking")
@pytest.mark.parametrize("made", [volume, large_maps, sequence, onnx_file])
def test_it_answers_as_the_host_does(made: Any, page: Page, tmp_path: Path) -> None:
    host = made()
    path = tmp_path / "page.html"
    path.write_text(single_file(host).text(), encoding="utf-8")
    opened(page, path)
    questions = asked_of(host)
    for question, found in zip(questions, asked(page, questions), strict=True):
        assert found == answered(host, question), question


@pytest.mark.usefixtures("asking")
def test_it_knows_the_edits_that_it_says_it_knows(page: Page, tmp_path: Path) -> None:
    host = large_maps()
    path = tmp_path / "page.html"
    path.write_text(single_file(host).text(), encoding="utf-8")
    opened(page, path)
    names = [row["name"] for row in host.answer({"ask": "network"}).facts["layers"]]
    edits = [
        (layer, *edit)
        for layer in names
        for edit in candidates(host.answer({"ask": "settings", "layer": layer}).facts["settings"])
    ]
    for kind in ("kernel_size", "strides", "padding", "dilation_rate", "groups", "filters"):
        assert any(setting == kind for _, setting, _ in edits), kind
    questions = [{"ask": "whatif", "edits": [list(edit)]} for edit in edits]
    answers = [answered(host, question) for question in questions]
    assert asked(page, questions) == answers
    failed = [answer for answer in answers if answer["error"]]
    assert 0 < len(failed) < len(answers)  # also impossible ones, with their reasons
    two = {"ask": "whatif", "edits": [["conv2d", "filters", 6], ["conv2d", "groups", 2]]}
    square, other, both = asked(
        page,
        [
            {"ask": "whatif", "edits": [["conv2d", "kernel_size", 5]]},
            {"ask": "whatif", "edits": [["conv2d", "groups", 7]]},
            two,
        ],
    )
    assert square["facts"]["edits"][0]["new"] == [5, 5]
    assert both["facts"]["totals"] == answered(host, two)["facts"]["totals"]
    assert other["error"]["kind"] == "UnsupportedError"
    assert (
        "Of conv2d it knows any filters; any kernel_size; any strides; " in other["error"]["text"]
    )
    assert "convscope explore MODEL" in other["error"]["text"]


@pytest.mark.usefixtures("asking")
def test_what_it_cannot_know_is_refused_in_words(page: Page, demo: Host, tmp_path: Path) -> None:
    path = tmp_path / "page.html"
    path.write_text(single_file(demo).text(), encoding="utf-8")
    opened(page, path)
    values = {"ask": "values", "run": 1, "layer": "conv2d"}
    refused: dict[str, dict[str, Any]] = {
        "there is no sample": {"ask": "sample", "name": "eleven"},
        "there is no picture": {"ask": "image", "name": "mine.png"},
        "this file holds run 1": {**values, "run": 2},
        "weight nope of conv2d": {**values, "weight": "nope"},
        "numbers of __proto__": {**values, "layer": "__proto__"},
        'no layer "toString"': {"ask": "layer", "layer": "toString"},
        "cannot be asked": {"ask": "hasOwnProperty"},
        "edits must be": {"ask": "whatif", "edits": 5},
        'no layer "nobody"': {"ask": "whatif", "edits": [["nobody", "filters", 5]]},
    }
    for (words, question), found in zip(
        refused.items(), asked(page, list(refused.values())), strict=True
    ):
        assert words in found["error"]["text"], question


def asked(page: Page, questions: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    found = page.evaluate("questions => Promise.all(questions.map(ask))", questions)
    return [{"facts": f.get("facts"), "error": f.get("error"), "body": f["body"]} for f in found]


def answered(host: Host, question: Mapping[str, Any]) -> dict[str, Any]:
    try:
        answer = host.answer(question)
    except ConvscopeError as error:
        said = {"kind": type(error).__name__, "text": str(error)}
        return {"facts": None, "error": said, "body": ""}
    facts = json.loads(json.dumps(answer.facts))
    return {"facts": facts, "error": None, "body": base64.b64encode(answer.body).decode()}
