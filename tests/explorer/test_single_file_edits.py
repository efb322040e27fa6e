"""Edits in a file of its own: the page puts numbers into equations with letters, and runs the edited network."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from campaigns import rounds
from explorer.test_single_file import opened
from explorer.test_single_file_answers import ASKING, answered, asked

import convscope as cs
from convscope.demo import digits, network
from convscope.explorer import joining
from convscope.explorer import single_file as writing
from convscope.explorer.alternatives import alternatives
from convscope.explorer.host import Host
from convscope.explorer.known_edits import candidates, known_edits, told
from convscope.explorer.single_file import single_file

if TYPE_CHECKING:
    from playwright.sync_api import Page


def demo() -> Host:
    return Host(network(), digits()["seven"])


def branched() -> Host:
    """Kinds that differ: grouped, depthwise, separable, transposed, merged, normalised, no border."""
    from convscope.building import Input, Model

    image = Input((19, 26, 4), name="image")
    a = cs.Conv2D(6, (3, 2), padding="same", groups=2, activation="relu", name="grouped")(image)
    b = cs.SeparableConv2D(6, 3, padding="same", name="separable")(image)
    x = cs.Add(name="add")([a, b])
    x = cs.BatchNormalization(name="norm")(x)
    x = cs.MaxPooling2D((2, 3), name="pool")(x)
    up = cs.Conv2DTranspose(5, 2, strides=2, name="up")(x)
    deep = cs.DepthwiseConv2D(3, padding="same", name="depth")(up)
    x = cs.Concatenate(name="both")([up, deep])
    x = cs.AveragePooling2D(2, strides=3, padding="same", name="mean")(x)
    x = cs.GlobalAveragePooling2D(name="global")(x)
    x = cs.Dense(7, activation="softmax", name="classes")(x)
    return Host(Model(image, x), np.random.default_rng(8).normal(size=(19, 26, 4)))


def sequence() -> Host:
    layers = [
        cs.Conv1D(6, 3, input_shape=(29, 4)),
        cs.ReLU(),
        cs.MaxPooling1D(2),
        cs.Flatten(),
        cs.Dense(3),
    ]
    return Host(cs.Sequential(layers), np.random.default_rng(3).normal(size=(29, 4)))


@pytest.fixture
def page_of(monkeypatch: pytest.MonkeyPatch, page: Page, tmp_path: Path) -> Callable[[Host], Page]:
    """Return what opens a file in which no edit was worked out beforehand, and which only asks."""
    real = joining.script
    monkeypatch.setattr(writing, "script", lambda n: ASKING if n == "explorer.js" else real(n))
    monkeypatch.setattr(writing, "known_edits", lambda *given: {**known_edits(*given), "edits": []})

    def opening(host: Host) -> Page:
        path = tmp_path / "page.html"
        path.write_text(single_file(host).text(), encoding="utf-8")
        opened(page, path)
        return page

    return opening


def edits_of(host: Host, seed: int) -> list[list[list[Any]]]:
    """Return edits to ask about: each alone, and pairs of them, drawn."""
    names = [row["name"] for row in host.answer({"ask": "network"}).facts["layers"]]
    alone = [
        [name, *edit]
        for name in names
        for edit in candidates(host.answer({"ask": "settings", "layer": name}).facts["settings"])
    ]
    rng = np.random.default_rng(seed)
    pairs = [[alone[i], alone[j]] for i, j in rng.integers(len(alone), size=(rounds(15, 40), 2))]
    return [[one] for one in alone] + [p for p in pairs if p[0][:2] != p[1][:2]]


@pytest.mark.parametrize("made", [demo, branched, sequence])
def test_a_file_works_edits_out_as_the_host_does(
    made: Callable[[], Host], page_of: Callable[[Host], Page]
) -> None:
    host = made()
    page = page_of(host)
    edits = edits_of(host, 4)
    found = asked(page, [{"ask": "whatif", "edits": one} for one in edits])
    alike, refused = 0, 0
    for one, own in zip(edits, found, strict=True):
        true = answered(host, {"ask": "whatif", "edits": one})
        if own["error"]:
            # what it says cannot be, cannot be; of other things it says that it does not know
            unknown = own["error"]["kind"] == "UnsupportedError"
            refused += unknown and not true["error"]
            assert unknown or true["error"], (one, own, true)
            continue
        alike += 1
        assert true["error"] is None, (one, true)
        for row, wanted in zip(own["facts"]["layers"], true["facts"]["layers"], strict=True):
            if row["new"]["receptive_field"] is None:  # it is not said where it moves unevenly
                row["new"]["receptive_field"] = wanted["new"]["receptive_field"]
            assert {**row, "dropped": 0, "changed": 0} == {**wanted, "dropped": 0, "changed": 0}, (
                one
            )
        assert own["facts"]["totals"] == true["facts"]["totals"], one
        assert own["facts"]["edits"] == true["facts"]["edits"], one
    assert alike > 2 * refused, (alike, refused)


def test_an_edited_network_runs_in_a_file(page_of: Callable[[Host], Page]) -> None:
    host = demo()
    page = page_of(host)
    edits = [
        ["conv2d", "padding", "same"],
        ["conv2d_1", "strides", [2, 2]],
        ["max_pooling2d", "pool_size", [1, 1]],
    ]
    (own,) = asked(page, [{"ask": "try", "edits": edits, "run": 1}])
    true = answered(host, {"ask": "try", "edits": edits, "run": 1})
    mine, theirs = own["facts"]["tried"], true["facts"]["tried"]
    assert mine["engine"] == "this page" and mine["shapes"] == theirs["shapes"]
    for layer in ("conv2d", "conv2d_1", "max_pooling2d"):  # whose weights still fit
        question = {"ask": "values", "layer": layer}
        (values,) = asked(page, [{**question, "run": mine["id"]}])
        wanted = answered(host, {**question, "run": theirs["id"]})
        numbers = [numbers_of(answer) for answer in (values, wanted)]
        np.testing.assert_allclose(numbers[0], numbers[1], rtol=2e-5, atol=2e-6)
    grouped = [["conv2d_1", "groups", 4], ["conv2d_1", "kernel_size", [2, 5]], edits[0], edits[2]]
    (own,) = asked(page, [{"ask": "whatif", "edits": grouped}])
    true = answered(host, {"ask": "whatif", "edits": grouped})
    assert own["facts"]["totals"]["new"] == true["facts"]["totals"]["new"]
    (unknown,) = asked(page, [{"ask": "whatif", "edits": [*grouped, ["conv2d", "filters", 40]]}])
    assert "does not hold conv2d_1 for inputs of 28×28×40" in unknown["error"]["text"]
    (never,) = asked(page, [{"ask": "whatif", "edits": [*edits, ["conv2d_1", "kernel_size", 31]]}])
    assert (
        "conv2d_1 cannot be so: from an input of 28×28×32 its output would have -1 rows"
        in (never["error"]["text"])
    )
    # a weight that no longer fits is drawn: within Glorot's limits, the same for the same edit
    drawn = [["conv2d_1", "kernel_size", [5, 5]], ["conv2d_1", "filters", 7]]
    first, again = asked(page, [{"ask": "try", "edits": drawn, "run": 1}] * 2)
    assert first["facts"]["tried"]["largest"] == again["facts"]["tried"]["largest"]
    assert sum(one["value"] for one in first["facts"]["tried"]["largest"]) <= 1.00001


def test_a_file_of_an_onnx_network_says_why_it_makes_no_edit(
    page_of: Callable[[Host], Page], tmp_path: Path
) -> None:
    cs.Sequential([cs.Conv2D(3, 2, input_shape=(6, 7, 2))]).export(tmp_path / "net.onnx")
    host = Host(cs.open(tmp_path / "net.onnx"), np.ones((6, 7, 2), np.float32))
    edit = [["conv2d", "strides", [2, 3]]]
    asked_both: list[dict[str, Any]] = [
        {"ask": "whatif", "edits": edit},
        {"ask": "try", "edits": edit, "run": 1},
    ]
    for answer in asked(page_of(host), asked_both):
        assert answer["error"]["kind"] == "UnsupportedError"
        assert "an edit of this model changes its file or module" in answer["error"]["text"]


def numbers_of(answer: dict[str, Any]) -> Any:
    import base64

    return np.frombuffer(base64.b64decode(answer["body"]), "<f4")


def test_what_does_not_hold_at_other_sizes_has_no_letters() -> None:
    """A reshaping to named sizes fits one input only; a layer that stands twice counts once."""
    net = cs.Sequential([cs.Conv2D(3, 3, input_shape=(9, 8, 2)), cs.Reshape((7, 18)), cs.Dense(5)])
    host = Host(net)
    settings = {n: told(host, {"ask": "settings", "layer": n}) for n in net.graph.nodes}
    found = alternatives(net.graph, settings)
    assert [name for name, _ in found["layers"]] == ["conv2d", "dense"]
