"""The table of what an edit changes, what a stride leaves out, and a layer's settings as a form has them."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from click.testing import CliRunner

from convscope import (
    AveragePooling2D,
    Conv1D,
    Conv2D,
    Conv2DTranspose,
    Dense,
    Flatten,
    MaxPooling2D,
    Sequential,
)
from convscope.cli import main
from convscope.demo import network
from convscope.errors import SettingError
from convscope.explain.dropped import dropped
from convscope.layers import kinds
from convscope.layers.base import Layer
from convscope.layers.input_layer import InputLayer
from convscope.layers.opaque import Opaque
from convscope.model.editing import with_settings
from convscope.model.facts import facts_of
from convscope.model.settings import editable, read_edit, read_value
from convscope.parts import Table, flat

EDITS = [("conv2d", "kernel_size", 5), ("conv2d_1", "strides", 2)]


def test_the_table_as_data() -> None:
    found = network().whatif(EDITS).to_dict()
    assert list(found) == ["name", "edits", "layers", "totals", "notes"]
    assert found["edits"] == [
        {"layer": "conv2d", "setting": "kernel_size", "old": [3, 3], "new": [5, 5]},
        {"layer": "conv2d_1", "setting": "strides", "old": [1, 1], "new": [2, 2]},
    ]
    assert json.loads(json.dumps(found)) == found
    rows = {row["name"]: row for row in found["layers"]}
    assert rows["conv2d_1"] == {
        "name": "conv2d_1",
        "kind": "Conv2D",
        "changed": True,
        "old": {
            "output_shape": [None, 24, 24, 64],
            "weights": {"kernel": [3, 3, 32, 64], "bias": [64]},
            "params": 18496,
            "macs": 10616832,
            "receptive_field": {"size": [5, 5], "stride": [1, 1], "start": [0, 0]},
        },
        "new": {
            "output_shape": [None, 11, 11, 64],  # (24 − 3) // 2 + 1
            "weights": {"kernel": [3, 3, 32, 64], "bias": [64]},
            "params": 18496,
            "macs": 11 * 11 * 64 * 3 * 3 * 32,
            "receptive_field": {"size": [7, 7], "stride": [2, 2], "start": [0, 0]},
        },
        "weights_redrawn": [],
        "dropped": [
            {"axis": axis, "word": word, "stride": 2, "size": 24, "positions": 22, "kept": 11,
             "unread": 1, "unread_end": 1, "skipped": 11}
            for axis, word in (("y", "row"), ("x", "column"))
        ],
    }  # fmt: skip
    assert rows["dense"]["weights_redrawn"] == ["kernel"]
    old, new = found["totals"]["old"], found["totals"]["new"]
    for figure in ("params", "macs"):
        assert old[figure] == sum(row["old"][figure] or 0 for row in found["layers"])
        assert new[figure] == sum(row["new"][figure] or 0 for row in found["layers"])


def test_the_table_as_text_fits_80_columns_and_its_columns_add_up() -> None:
    report = network().whatif(EDITS)
    text = report.text(80)
    assert max(map(len, text.splitlines())) <= 80
    assert "• conv2d.kernel_size: (3, 3) → (5, 5)" in text
    (table,) = (part for part in report.facts.document().parts if isinstance(part, Table))
    for which, footer in zip(("was", "now"), table.footer, strict=True):
        for column in (4, 5):
            cells = []
            for was, now in zip(table.rows[::2], table.rows[1::2], strict=True):
                cell = flat((was if which == "was" else now)[column])
                cells.append(flat(was[column]) if cell == "same" else cell)
            total = sum(int(cell.replace(",", "")) for cell in cells)
            assert f"{total:,}" == flat(footer[column])


def test_only_what_is_new_is_marked() -> None:
    marked = network().whatif([("conv2d_1", "strides", 2)]).text(100, color=True)
    assert "\x1b[1m11×11×64\x1b[0m" in marked or "\x1b[1m12×12×64\x1b[0m" in marked
    assert "\x1b[2msame\x1b[0m" in marked
    assert "\n\x1b[1mconv2d " not in marked  # what stays as it is has no row


@pytest.mark.parametrize(
    ("edits", "said"),
    [
        ([("conv2d", "kernel_size", 3)], "Nothing changed: conv2d.kernel_size is (3, 3) already."),
        (
            [("conv2d", "activation", "tanh")],
            "No shape, weight, parameter, MAC or receptive field changed; only what is computed",
        ),
        (
            [("dense", "units", 12)],
            "4 other layers stay as they are: conv2d, conv2d_1, max_pooling2d and flatten.",
        ),
        ([("max_pooling2d", "pool_size", 3)], "max_pooling2d: its strides stay (2, 2)"),
        (
            [("conv2d", "filters", 16)],
            "drawn anew (seed 0), and not trained: conv2d (kernel and bias)",
        ),
    ],
)
def test_what_is_said_about_it(edits: Any, said: str) -> None:
    report = network().whatif(edits)
    assert said in " ".join(report.text(100).split())
    assert any(said in note for note in report.to_dict()["notes"])
    for form in (report.markdown(), report._repr_html_(), report.latex()):
        assert "conv2d" in form.replace("\\_", "_") or "dense" in form


def test_a_network_that_was_not_edited_has_no_changes() -> None:
    report = network().changes()
    assert report.edits == () and report.changed == ()
    assert report.notes == ("Nothing changed: no setting was edited.",)


def test_what_if_compares_with_the_network_that_is_asked() -> None:
    edited = network().edit("conv2d_1", filters=5)
    rows = {row.name: row for row in edited.whatif([("conv2d_1", "strides", 2)]).facts.layers}
    old: Any = rows["conv2d_1"].old
    assert old.output_shape[-1] == 5
    again = edited.edit("conv2d_1", strides=2).changes().facts.layers
    old = {row.name: row for row in again}["conv2d_1"].old
    assert old.output_shape[-1] == 64


def test_work_that_is_not_all_known_is_at_least_so_much() -> None:
    layers = [Conv2D(3, 5, input_shape=(9, 8, 2)), Opaque("Lambda", (5, 4, 3)), Conv2D(7, 2)]
    found = Sequential(layers).whatif([("conv2d", "strides", 2)])
    assert str(found).replace("\xa0", " ").count("≥ ") == 2
    assert found.to_dict()["totals"]["new"]["uncounted_layers"] > 0


def test_unknown_and_symbolic_sizes_stay_so() -> None:
    net = Sequential([Conv2D("k", 3, input_shape=("n", 9, 1)), Conv2D(4, 2)])
    row = net.whatif([("conv2d", "kernel_size", (5, 2))]).to_dict()["layers"][0]
    assert row["old"]["output_shape"] == [None, "n - 2", 7, "k"]
    assert row["new"]["output_shape"] == [None, "n - 4", 8, "k"]
    assert row["new"]["params"] == "11*k"
    unknown = Sequential([Conv2D(5, 3, input_shape=(None, 9, 1))])
    row = unknown.whatif([("conv2d", "strides", 2)]).to_dict()["layers"][0]
    assert row["new"]["output_shape"] == [None, None, 4, 5]
    assert [d["axis"] for d in row["dropped"]] == ["x"]  # of rows nobody knows how many there are


# -- what a stride leaves out ---------------------------------------------------------------------


def read_rows(layer: Layer, size: int) -> set[int]:
    """Return which rows of the input change the output, tried with ONNX Runtime one row at a time."""
    net = Sequential([InputLayer(shape=(size, 15, 1)), layer])
    net.set_weights([np.ones_like(w) for w in net.get_weights()])
    nothing = net.run(np.zeros((size, 15, 1), np.float32)).output
    found = set()
    for row in range(size):
        image = np.zeros((size, 15, 1), np.float32)
        image[row] = 1
        if not np.array_equal(net.run(image).output, nothing):
            found.add(row)
    return found


@pytest.mark.parametrize(
    ("make", "size"),
    [
        (lambda s: Conv2D(2, (3, 2), strides=(s, 1)), 14),
        (lambda s: Conv2D(2, (1, 2), strides=(s, 1)), 13),
        (lambda s: Conv2D(2, (3, 2), strides=(s, 1), dilation_rate=(2, 1)), 16),
        (lambda s: Conv2D(2, (5, 2), strides=(s, 1), padding="same"), 11),
        (lambda s: MaxPooling2D((2, 1), strides=(s, 1)), 13),
        (lambda s: AveragePooling2D((2, 3), strides=(s, 1), padding="same"), 12),
    ],
)
@pytest.mark.parametrize("stride", [2, 3, 4])
def test_what_a_stride_leaves_out_is_what_running_it_does_not_see(
    make: Any, size: int, stride: int
) -> None:
    layer, dense = make(stride), make(1)
    (found,) = dropped(layer, facts_of(layer, ((size, 15, 1),)))
    read = read_rows(layer, size)
    assert (found.axis, found.word, found.stride, found.size) == ("y", "row", stride, size)
    assert found.unread == size - len(read)
    assert found.unread_end == size - 1 - max(read)
    assert found.kept == layer.equation((size, 15, 1)).shape[0]
    assert found.positions == dense.equation((size, 15, 1)).shape[0]
    assert found.skipped == found.positions - found.kept


def test_strides_that_leave_nothing_out() -> None:
    for layer, shape in (
        (Conv2D(3, 2), (7, 9, 2)),
        (Conv2DTranspose(3, 2, strides=2), (7, 9, 2)),
        (Dense(3), (7,)),
        (Flatten(), (7, 2)),
    ):
        assert dropped(layer, facts_of(layer, (shape,))) == ()
    conv = Conv1D(3, 2, strides=2)
    (steps,) = dropped(conv, facts_of(conv, ((8, 2),)))
    assert (steps.word, steps.unread, steps.skipped) == ("step", 0, 3)


def test_enormous_windows_cost_nothing() -> None:
    net = Sequential([Conv2D(3, 2, padding="same", input_shape=(9, 7, 2))])
    row = net.whatif([("conv2d", "kernel_size", 10**9), ("conv2d", "strides", 2)]).to_dict()[
        "layers"
    ][0]
    assert row["new"]["output_shape"] == [None, 5, 4, 3]
    assert row["new"]["macs"] == 5 * 4 * 3 * 2 * 10**18
    with pytest.raises(SettingError) as caught:
        net.whatif([("conv2d", "kernel_size", "7" * 100_000)])
    assert len(str(caught.value)) < 101_000  # what was given stands there once at most


# -- settings as a form and on a command line -----------------------------------------------------


def test_settings_of_every_kind_as_a_form_can_be_given_back() -> None:
    for kind in kinds().values():
        if kind is InputLayer:
            continue
        for sample in kind.samples():
            form = editable(sample.layer)
            assert json.loads(json.dumps(form)) == form
            given = {name: field["value"] for name, field in form.items()}
            again = with_settings(sample.layer, given)
            assert str(again.equation(*sample.shapes)) == str(sample.layer.equation(*sample.shapes))


def test_every_choice_of_a_form_is_one() -> None:
    form = network().editable("conv2d")
    assert form["kernel_size"] == {"value": [3, 3], "kind": "sizes", "count": 2}
    assert form["filters"] == {"value": 32, "kind": "int"}
    assert form["use_bias"] == {"value": True, "kind": "bool"}
    assert form["padding"] == {"value": "valid", "kind": "choice", "choices": ["valid", "same"]}
    assert "kernel_initializer" not in form
    for name, field in form.items():
        for word in field.get("choices", ()):
            if name != "data_format":
                assert (
                    network().edit("conv2d", **{name: word}).editable("conv2d")[name]["value"]
                    == word
                )


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("5", 5), ("-1", -1), ("3,5", (3, 5)), ("(3,5)", (3, 5)), ("[3, 5]", (3, 5)), ("3,", (3,)),
        ("(3)", (3,)), ("((0,1),(2,3))", ((0, 1), (2, 3))), ("0.5", 0.5), ("1e-3", 0.001),
        ("same", "same"), ("'same'", "same"), ("True", True), ("false", False), ("none", None),
        ("__import__('os')", None),
    ],
)  # fmt: skip
def test_values_on_a_command_line(text: str, value: Any) -> None:
    if "import" in text:
        with pytest.raises(SettingError):
            read_value(text)
        return
    found = read_value(text)
    assert found == value and type(found) is type(value)


@pytest.mark.parametrize(
    "text", ["", "(", "3,,5", "(3", "3)", "()", "3 (5)", "((((1))))", "1" * 500]
)
def test_what_is_no_value(text: str) -> None:
    with pytest.raises(SettingError):
        read_value(text)


def test_edits_on_a_command_line() -> None:
    assert read_edit("inner/conv.strides=(2,1)") == ("inner/conv", "strides", (2, 1))
    assert read_edit("a.b.slope=0.5") == ("a.b", "slope", 0.5)
    for text in ("conv2d", "conv2d=3", "conv2d.kernel_size", ".strides=2"):
        with pytest.raises(SettingError, match=r"an edit is LAYER\.SETTING=VALUE"):
            read_edit(text)


def convscope(*words: str) -> Any:
    return CliRunner().invoke(main, ["whatif", *words], env={"COLUMNS": "80"})


def test_the_command_prints_the_table_in_every_form(tmp_path: Path) -> None:
    report = network().whatif([("conv2d", "kernel_size", (3, 5))])
    edit = "conv2d.kernel_size=3,5"
    assert convscope("demo", edit).output.rstrip() == report.text(80).rstrip()
    assert json.loads(convscope("demo", edit, "--json").output) == report.to_dict()
    assert convscope("demo", edit, "--markdown").output.startswith("## What if, in digits")
    assert convscope("demo", edit, "--html").output.startswith("<")
    assert "\\begin{" in convscope("demo", edit, "--latex").output
    assert convscope("demo", edit).exit_code == 0
    assert convscope("demo", "conv2d.kernel_size=3").exit_code == 0


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("demo", "conv2d_1.kernel_size=40"), "26 ≥ 40 fails"),
        (("demo", "conv2d_1.groups=5"), "groups 1, 2, 4, 8, 16 or 32 would do"),
        (("demo", "conv2d.kernal_size=5"), "did you mean 'kernel_size'?"),
        (("demo", "conv3d.kernel_size=5"), "has no layer 'conv3d'"),
        (("demo", "conv2d"), "an edit is LAYER.SETTING=VALUE"),
        (("demo", "conv2d.kernel_size=("), "no number, word or list"),
        (("demo", "conv2d.\x1b[2J=5"), "an edit is LAYER.SETTING=VALUE"),
        (("demo",), "Missing argument"),
        (("nothing.keras", "conv2d.kernel_size=5"), "nothing.keras"),
    ],
)
def test_wrong_edits_exit_with_2_and_say_why(words: tuple[str, ...], said: str) -> None:
    done = convscope(*words)
    assert done.exit_code == 2
    assert said in done.output and "\x1b" not in done.output
    assert "Traceback" not in done.output


def test_a_word_for_a_number_is_said_to_be_a_symbol() -> None:
    digits = network()
    for edit, said in (
        (("conv2d", "filters", "abc"), "abc is taken as a symbol"),
        (("conv2d", "kernel_size", (3, "k")), "k is taken as a symbol"),
        (("conv2d_1", "strides", "s"), "s is taken as a symbol"),
    ):
        notes = digits.whatif([edit]).to_dict()["notes"]
        assert sum(said in note for note in notes) == 1
    same = digits.whatif([("conv2d", "padding", "same"), ("conv2d_1", "use_bias", False)])
    assert not any("symbol" in note for note in same.to_dict()["notes"])
