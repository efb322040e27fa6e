"""Summaries of nested networks, folded, and of some of their rows; beside what Keras prints and counts."""

from __future__ import annotations

import csv
import io
import json
import re
import warnings
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import keras
import numpy as np
import onnx_models
import pytest
from click.testing import CliRunner
from onnx import helper
from views.keras_networks import printed
from work import counted

import convscope
from convscope import Conv2D, Dense, Flatten, MaxPooling2D, Sequential
from convscope.cli import main
from convscope.errors import LayerLookupError, SettingError
from convscope.explain.activations import figures_of
from convscope.network import Network
from convscope.parts import Span, Summary, Table, Words
from convscope.views.markdown import markdown
from convscope.views.summary import document, render, summary_csv

L = keras.layers


def used_twice() -> Any:
    """A functional network with another in it, read twice; what it holds is counted once."""
    x = keras.Input((16, 18, 3), name="image")
    z = keras.Input((16, 18, 3), name="z")
    steps = [keras.Input((14, 16, 4)), L.Conv2D(5, 3, name="c"), L.ReLU(name="relu")]
    deep = keras.Sequential(steps, name="deep")
    y = L.BatchNormalization(name="bn")(deep(L.Conv2D(4, 3, name="conv")(z)))
    inner = keras.Model(z, y, name="inner")
    y = L.Add(name="sum")([inner(x), inner(L.ReLU(name="pre")(x))])
    return keras.Model(x, L.Dense(7, name="dense")(L.Flatten(name="flat")(y)), name="net")


def branch_inside() -> Any:
    """A Sequential of networks, one of which branches: a stack from outside, a graph inside."""
    z = keras.Input((12, 13, 5), name="z")
    a, b = L.Conv2D(6, 3, padding="same", name="a")(z), L.Conv2D(6, 1, name="b")(z)
    fork = keras.Model(z, L.Add(name="join")([a, b]), name="fork")
    head = keras.Sequential([L.GlobalAveragePooling2D(), L.Dense(9, name="d")], name="head")
    stem = L.Conv2D(5, (3, 2), name="stem")
    return keras.Sequential([keras.Input((14, 14, 3)), stem, fork, head], name="stack")


def partly_shared() -> Any:
    """A layer of an inner network that the outer one uses too."""
    x = keras.Input((8, 9, 3), name="x")
    conv = L.Conv2D(3, 3, padding="same", name="conv")
    own = L.Conv2D(3, 2, padding="same", name="own")
    inner = keras.Sequential([keras.Input((8, 9, 3)), conv, own], name="inner")
    return keras.Model(x, inner(conv(x)), name="partly")


def inner_then_its_layer() -> Any:
    x = keras.Input((8, 9, 3), name="x")
    conv = L.Conv2D(3, 3, padding="same", name="conv")
    own = L.Conv2D(3, 2, padding="same", name="own")
    inner = keras.Sequential([keras.Input((8, 9, 3)), conv, own], name="inner")
    return keras.Model(x, conv(inner(x)), name="after")


NESTED = [used_twice, branch_inside, partly_shared, inner_then_its_layer]


def opened(make: Callable[[], Any], tmp_path: Path) -> tuple[Any, Network]:
    model = make()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        model.save(tmp_path / "m.keras")
    return model, convscope.open(tmp_path / "m.keras")


@pytest.mark.parametrize("make", NESTED, ids=lambda make: make.__name__)
@pytest.mark.parametrize("columns", [80, 130])
def test_folded_once_it_is_keras_own_summary(
    make: Callable[[], Any], columns: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Character for character, and then one line more: how much of the network that is."""
    monkeypatch.setenv("COLUMNS", str(columns))
    model, network = opened(make, tmp_path)
    text = render(network.facts(depth=1), "keras")
    ours, _, said = text.rpartition("\n")
    assert ours == printed(model)
    rows = len(network.facts(depth=1).rows)
    every = len(network.facts().rows)
    assert said == f" Shown: {every} layers, folded to depth 1: {rows} rows"


@pytest.mark.parametrize("make", NESTED, ids=lambda make: make.__name__)
def test_a_folded_row_says_what_keras_says_of_the_network(
    make: Callable[[], Any], tmp_path: Path
) -> None:
    model, network = opened(make, tmp_path)
    for row in network.facts(depth=1).rows:
        layer = model.get_layer(row.shared_with or row.name)
        assert row.kind == type(layer).__name__
        assert row.output_shape == tuple(layer.output.shape), row.name
        assert row.params == layer.count_params()
        trainable = sum(int(np.prod(w.shape)) for w in layer.trainable_weights)
        assert row.trainable == trainable
        shapes = sorted(tuple(w.shape) for w in layer.weights)
        assert sorted(map(tuple, row.weights.values())) == shapes
    totals = network.facts(depth=1).totals
    assert totals == network.facts().totals
    assert totals.params == model.count_params()


def test_macs_receptive_fields_and_numbers_of_layers(tmp_path: Path) -> None:
    _, network = opened(used_twice, tmp_path)
    whole = network.facts(depth=1)
    inner, again = (row for row in whole.rows if row.kind == "Functional")
    # conv: 14·16·4 outputs of 3·3·3; c: 12·14·5 of 3·3·4
    assert inner.macs == again.macs == 14 * 16 * 4 * 27 + 12 * 14 * 5 * 36
    assert inner.receptive_field is not None and tuple(inner.receptive_field.size) == (5, 5)
    assert inner.inside is not None and inner.inside.layers == 4
    assert again.shared_with == "inner"
    assert (inner.inputs, again.inputs) == (("image",), ("pre",))
    assert set(inner.weights) >= {"conv/kernel", "deep/c/bias", "bn/gamma"}
    deeper = network.facts(depth=2)
    assert [row.name for row in deeper.rows][1:4] == ["inner/conv", "inner/deep", "inner/bn"]
    assert deeper.rows[2].kind == "Sequential"
    # nothing is nested deeper than twice
    assert [r.name for r in network.facts(depth=3).rows] == [r.name for r in network.facts().rows]


def plain(words: Words) -> str:
    """Return a cell's text."""
    parts = [words] if isinstance(words, str | Span) else words
    return "".join(part if isinstance(part, str) else part.text for part in parts)


def counts(summary: Summary, title: str) -> tuple[list[int], int]:
    """Return the figures of a column as they are printed, and the total below them."""
    column = {"params": "params", "MACs": "macs", "trainable": "trainable"}[title]
    table = document(summary, ["layer", column]).parts[1]
    assert isinstance(table, Table)
    found = [re.search(r"[\d,]+$", plain(cell)) for _, cell in table.rows]
    total = table.footer[0][1]
    return [int(f[0].replace(",", "")) for f in found if f], int(plain(total).replace(",", ""))


@pytest.mark.parametrize("make", NESTED, ids=lambda make: make.__name__)
@pytest.mark.parametrize("depth", [None, 1, 2])
def test_the_columns_add_up(make: Callable[[], Any], depth: int | None, tmp_path: Path) -> None:
    """Also where a folded network shares some of its layers with rows above it."""
    _, network = opened(make, tmp_path)
    for title in ("params", "trainable", "MACs"):
        parts, total = counts(network.facts(depth=depth), title)
        assert sum(parts) == total, title


def test_what_is_shared_is_said(tmp_path: Path) -> None:
    _, network = opened(partly_shared, tmp_path)
    shown = render(network.facts(depth=1), width=120)
    # own: 2·2·3·3 + 3, conv 3·3·3·3 + 3 stands above
    assert re.search(
        r"inner \(Sequential of 2 layers\) +8×9×3 +4 in its layers +shared \+ 39 ", shown
    )
    _, network = opened(inner_then_its_layer, tmp_path)
    shown = render(network.facts(depth=1), width=120)
    assert re.search(r"inner \(Sequential of 2 layers\) +8×9×3 +4 in its layers +123 ", shown)
    assert re.search(r"conv \(Conv2D\) +8×9×3 +kernel 3×3×3×3, bias 3 +shared ", shown)


# -- names of ONNX files --------------------------------------------------------------------------


def scopes(names: Sequence[tuple[str, str, list[str]]]) -> Network:
    """Return an opened model of 1×1 convolutions and additions of these names: (name, op, inputs)."""
    weights, nodes, sizes = {}, [], {"x": 3}
    for number, (name, op, inputs) in enumerate(names):
        given = [f"{i}:0" if i != "x" else i for i in inputs]
        if op == "Conv":
            size = number + 4
            weights[f"w{number}"] = np.ones((size, sizes[inputs[0]], 1, 1), np.float32)
            given.append(f"w{number}")
            sizes[name] = size
        else:
            sizes[name] = sizes[inputs[0]]
        nodes.append(helper.make_node(op, given, [f"{name}:0"], name))
    out = [f"{names[-1][0]}:0"]
    return convscope.open(onnx_models.model(nodes, {"x": ["n", 3, 7, 5]}, out, weights))


def test_names_of_onnx_nodes_fold() -> None:
    network = scopes(
        [
            ("/stem/Conv", "Conv", ["x"]),
            ("/layer1/0/conv/Conv", "Conv", ["/stem/Conv"]),
            ("/layer1/0/act/Relu", "Relu", ["/layer1/0/conv/Conv"]),
            ("/layer1/1/conv/Conv", "Conv", ["/layer1/0/act/Relu"]),
            ("/Relu", "Relu", ["/layer1/1/conv/Conv"]),
        ]
    )
    rows = network.facts(depth=1).rows
    assert [(r.name, r.kind) for r in rows] == [
        ("/stem/Conv", "Conv"),  # alone in its scope, so a row of its own
        ("/layer1", "Scope"),
        ("/Relu", "Relu"),
    ]
    layer1 = rows[1]
    assert (layer1.inputs, layer1.output_shape) == (("/stem/Conv",), (None, 7, 7, 5))
    assert layer1.params == 4 * 5 + 5 * 7 and layer1.inside == (3, 0, 0)
    assert set(layer1.weights) == {"0/conv/Conv/kernel", "1/conv/Conv/kernel"}
    assert [r.name for r in network.facts(depth=2).rows][1:3] == [
        "/layer1/0",
        "/layer1/1/conv/Conv",
    ]
    assert rows[2].inputs == ("/layer1",)


def test_a_scope_that_is_entered_twice_stays_unfolded() -> None:
    """In one row it would read itself through b; every row must come after what feeds it."""
    network = scopes(
        [
            ("a/one", "Relu", ["x"]),
            ("b/one", "Relu", ["a/one"]),
            ("b/two", "Relu", ["b/one"]),
            ("a/two", "Add", ["b/two", "a/one"]),
            ("c/one", "Relu", ["a/two"]),
            ("c/two", "Relu", ["c/one"]),
        ]
    )
    rows = network.facts(depth=1).rows
    assert [r.name for r in rows] == ["a/one", "b/one", "b/two", "a/two", "c"]
    for place, row in enumerate(rows):
        assert set(row.inputs) <= {"x", *(r.name for r in rows[:place])}


def test_scopes_that_interleave_are_put_in_order() -> None:
    network = scopes(
        [
            ("right/one", "Relu", ["x"]),
            ("left/one", "Relu", ["x"]),
            ("right/two", "Add", ["right/one", "left/one"]),
            ("left/two", "Relu", ["left/one"]),
            ("end", "Add", ["left/two", "right/two"]),
        ]
    )
    rows = network.facts(depth=1).rows
    assert [(r.name, r.inputs) for r in rows] == [
        ("left", ("x",)),
        ("right", ("x", "left")),
        ("end", ("left", "right")),
    ]
    # of what leaves a scope, its last layer gives the shape
    assert rows[0].output_shape == (None, 3, 7, 5)


def test_modules_of_pytorch_fold_to_their_own_counts(tmp_path: Path) -> None:
    torch = pytest.importorskip("torch")
    nn = torch.nn

    class Block(nn.Module):  # type: ignore[misc, name-defined]
        def __init__(self, given: int, made: int) -> None:
            super().__init__()
            self.conv, self.short = nn.Conv2d(given, made, 3, padding=1), nn.Conv2d(given, made, 1)

        def forward(self, x: Any) -> Any:
            return torch.relu(self.conv(x) + self.short(x))

    net = nn.Sequential()
    net.stem = nn.Conv2d(3, 4, 5)
    net.layer1 = nn.Sequential(Block(4, 5), Block(5, 6))
    net.layer2 = nn.Sequential(Block(6, 7))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        torch.onnx.export(
            net.eval(), torch.zeros(1, 3, 17, 19), tmp_path / "net.onnx", dynamo=False
        )
    rows = {row.name: row for row in convscope.open(tmp_path / "net.onnx").facts(depth=1).rows}
    for name in ("layer1", "layer2"):
        module = getattr(net, name)
        assert rows[f"/{name}"].params == sum(p.numel() for p in module.parameters())
    assert rows["/layer1"].output_shape == (None, 6, 13, 15)


# -- some of the rows -----------------------------------------------------------------------------


def chain() -> Sequential:
    return Sequential(
        [
            Conv2D(4, 3, input_shape=(21, 23, 2), name="one"),
            Conv2D(5, 2, name="two"),
            MaxPooling2D(name="pool"),
            Flatten(name="flat"),
            Dense(7, name="end"),
        ],
        name="chain",
    )


@pytest.mark.parametrize(
    ("given", "names"),
    [
        ("two:flat", ["two", "pool", "flat"]),
        ("2:4", ["two", "pool", "flat"]),
        ("two:4", ["two", "pool", "flat"]),
        (("two", "flat"), ["two", "pool", "flat"]),
        ((2, None), ["two", "pool", "flat", "end"]),
        (":two", ["one", "two"]),
        ("flat:", ["flat", "end"]),
        ("-2:", ["flat", "end"]),
        (":", ["one", "two", "pool", "flat", "end"]),
        ("pool", ["pool"]),
        ("3", ["pool"]),
        ("pool:pool", ["pool"]),
        (" two : pool ", ["two", "pool"]),
    ],
)
def test_a_range_of_rows(given: Any, names: list[str]) -> None:
    model = chain()
    summary = model.facts(layers=given)
    assert [row.name for row in summary.visible] == names
    assert summary.totals == model.facts().totals
    assert [row["name"] for row in summary.to_dict()["layers"]] == names
    read = list(csv.DictReader(io.StringIO(summary_csv(summary))))
    assert [row["name"] for row in read] == names
    for style in ("keras", "keras2"):
        text = render(summary, style)
        assert re.findall(r"^(?:│ )?(\w+) \([A-Z]", text, re.MULTILINE) == names
    lines = [
        re.split(r"\s*\|\s*", line)[1]
        for line in markdown(document(summary)).split("\n")
        if "|" in line
    ]
    assert [line.split(" (")[0] for line in lines[2:-1]] == names


@pytest.mark.parametrize(
    ("given", "error", "message"),
    [
        (
            "tow:flat",
            LayerLookupError,
            r"chain has no layer 'tow' \(did you mean 'two'\?\); a range",
        ),
        ("two:flta", LayerLookupError, r"no layer 'flta' \(did you mean 'flat'\?\)"),
        ("nothing", LayerLookupError, r"no layer 'nothing'.*conv2d_1:flatten or 3:7"),
        ("0:3", LayerLookupError, "there is no row 0: chain has 5 rows, counted from 1"),
        ("2:6", LayerLookupError, "there is no row 6: chain has 5 rows"),
        (
            "flat:two",
            SettingError,
            r"flat:two runs backwards: flat is row 4 of chain, two is row 2; the",
        ),
        ("4:2", SettingError, r"the other way round is 2:4"),
        ("", LayerLookupError, "no layer ''"),
        (5.5, SettingError, "a range of layers is FROM:TO"),
        ((1, 2, 3), SettingError, "or a pair of them"),
        ((1.5, None), SettingError, r"not 1\.5"),
        ((True, None), SettingError, "not True"),
    ],
)
def test_ranges_that_are_none(given: Any, error: type[Exception], message: str) -> None:
    with pytest.raises(error, match=message):
        chain().facts(layers=given)


@pytest.mark.parametrize("depth", [0, -1, 1.5, True, "1"])
def test_depths_that_are_none(depth: Any) -> None:
    with pytest.raises(SettingError, match="depth must be a whole number from 1"):
        chain().facts(depth=depth)


def test_names_inside_what_is_folded_and_of_what_is_not(tmp_path: Path) -> None:
    _, network = opened(used_twice, tmp_path)

    def names(layers: str, depth: int | None = None) -> list[str]:
        return [row.name for row in network.facts(depth, layers).visible]

    assert names("inner/conv:inner/bn", 1) == ["inner"]
    assert names("inner")[0] == "inner/conv" and names("inner")[-1] == "inner/bn"
    assert names("inner/deep") == ["inner/deep/c", "inner/deep/relu"]
    assert names("inner:sum", 1) == ["inner", "inner_again", "sum"]


def test_names_that_hold_a_colon_or_are_numbers() -> None:
    network = scopes([("7", "Relu", ["x"]), ("a:b", "Relu", ["7"]), ("2", "Relu", ["a:b"])])

    def names(layers: str) -> list[str]:
        return [row.name for row in network.facts(layers=layers).visible]

    assert names("a:b") == ["a:b"]
    assert names("a:b:2") == names("a:b:") == ["a:b", "2"]
    assert names("7:a:b") == ["7", "a:b"]
    assert names("2:") == ["2"]  # a name comes before a place
    assert names("1:3") == ["7", "a:b", "2"]


@pytest.mark.parametrize(
    ("first", "last"), [("one", "flat"), ("two", "end"), ("pool", "pool"), ("one", "end")]
)
def test_a_range_is_keras_own(first: str, last: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "90")
    ours = chain()
    texts: list[str] = []
    ours.to_keras().summary(print_fn=texts.append, layer_range=[f"^{first}$", f"^{last}$"])
    shown = render(ours.facts(layers=(first, last)), "keras")
    assert shown.rpartition("\n")[0] == "".join(texts).rstrip("\n")


def test_a_range_of_a_graph_in_keras_styles(tmp_path: Path) -> None:
    """Keras lists a graph in an order of its own; inputs stand where the range starts at the beginning."""
    _, network = opened(used_twice, tmp_path)
    text = render(network.facts(1, "pre:inner"), "keras", line_length=76)
    assert re.findall(r"│ (\w+) \(", text) == ["image", "pre", "inner"]
    assert "│ inner (Functional)  │" in text and "image[0][0]," in text and "pre[0][0]" in text
    text = render(network.facts(1, "inner_again:sum"), "keras2")
    assert re.findall(r"^([a-z]\w+) \(", text, re.MULTILINE) == ["inner", "sum"]
    assert text.endswith("of which rows 3 to 4 are shown (inner_again … sum)")


def test_the_text_says_how_much_of_how_much(tmp_path: Path) -> None:
    shown = render(chain().facts(layers="two:flat"), width=110)
    assert "; 5 layers, of which layers 2 to 4 are shown (two … flat)\n" in shown
    total = chain().count_params()
    assert re.search(rf"total of the whole network +{total:,} ", shown)
    assert "; 5 layers, of which layer 3 is shown (pool)\n" in render(
        chain().facts(layers="3"), width=110
    )
    assert "5 layers\n" in render(chain().facts(layers=":"), width=110)
    _, network = opened(used_twice, tmp_path)
    assert "; 12 layers, folded to depth 1: 6 rows\n" in render(network.facts(1), width=110)
    part = " ".join(render(network.facts(1, "2:3"), width=120).split())
    assert (
        "folded to depth 1: 6 rows, of which rows 2 to 3 are shown (inner … inner_again) layer"
        in part
    )
    said = network.facts(1, "2:3").to_dict()["shown"]
    assert said == {"from": 2, "to": 3, "rows": 6, "layers": 12, "depth": 1}


def test_opaque_layers_in_a_folded_network_are_counted(tmp_path: Path) -> None:
    def make() -> Any:
        x = keras.Input((8, 6))
        inner = keras.Sequential([keras.Input((8, 6)), L.Conv1D(5, 3), L.LSTM(7)], name="inner")
        return keras.Model(x, L.Dense(3, name="end")(inner(x)))

    model, network = opened(make, tmp_path)
    row = network.facts(depth=1).rows[0]
    assert (row.opaque, row.inside, row.params) == (True, (2, 1, 1), model.layers[1].count_params())
    shown = " ".join(render(network.facts(depth=1), width=110).split())
    assert "inner (Sequential of 2 layers, 1 opaque)" in shown
    # the convolution's 6·5 numbers of 3·6 products each; what the LSTM takes nobody says
    assert row.macs == 540 and " ≥ 540 " in shown and row.to_dict()["uncounted_layers"] == 1
    assert "3 layers, folded to depth 1: 2 rows, 1 of the layers without an equation" in shown


def test_the_command_line(tmp_path: Path) -> None:
    opened(used_twice, tmp_path)
    path = str(tmp_path / "m.keras")

    def command(*words: str) -> str:
        done = CliRunner().invoke(main, ["summary", path, *words])
        assert done.exit_code == 0, done.output
        return done.stdout

    found = json.loads(command("--depth", "1", "--layers", "2:", "--json"))
    assert (found["layers"][0]["name"], found["layers"][0]["layers_inside"]) == ("inner", 4)
    assert found["totals"]["params"] == 6204
    rows = list(csv.DictReader(io.StringIO(command("--depth", "1", "--csv"))))
    assert [row["layers_inside"] for row in rows] == ["", "4", "4", "", "", ""]
    assert "total of the whole network" in command("--layers", ":inner", "--markdown")
    assert "inner (Functional)" in command("--depth", "1", "--style", "keras2")
    kinds = command("--depth", "1", "--columns", "name,kind", "--layers", "inner")
    assert re.search(r"^inner +Functional of 4 layers$", kinds, re.MULTILINE)
    for words in (["--layers", "x:y"], ["--layers", "3:2"], ["--depth", "0"], ["--layers", "99"]):
        done = CliRunner().invoke(main, ["summary", path, *words])
        assert done.exit_code == 2 and done.output.startswith("Error: "), done.output
        assert done.output.count("\n") == 1


def test_names_that_keras_2_cuts_are_never_cut_silently(tmp_path: Path) -> None:
    long = "a_name_that_is_wider_than_the_first_column_of_keras_2"
    (tmp_path / "net.py").write_text(
        f"from convscope import Conv2D, Sequential\n"
        f"net = Sequential([Conv2D(4, 3, input_shape=(9, 8, 3), name={long!r})])\n"
    )
    words = ["summary", f"{tmp_path / 'net.py'}:net"]
    done = CliRunner().invoke(main, [*words, "--style", "keras2"])
    assert long not in done.stdout
    assert done.stderr == "Note: one cell is cut short, as Keras 2 cut them; our table is whole\n"
    done = CliRunner().invoke(main, [*words, "--style", "keras"])
    assert "…" in done.stdout
    done = CliRunner().invoke(main, words)
    first = "".join(line[:24].strip() for line in done.stdout.split("\n"))  # it goes on below
    assert long in first and done.stderr == ""
    done = CliRunner().invoke(main, ["summary", "demo", "--style", "keras2"])
    assert "Note" not in done.stderr


def test_ten_thousand_layers_fold_in_little_work() -> None:
    from convscope.explain.summary import summarise
    from convscope.model.graph import Graph

    graph, name = Graph("large", {"x": (16, 17, 3)}), "x"
    for number in range(10_000):
        step = f"block{number // 100}/unit{number // 10 % 10}/conv{number % 10}"
        graph.add(step, Conv2D(3, 3, padding="same"), [name])
        name = step
    with counted() as work:
        assert len(summarise(graph, 1).rows) == 100
        assert len(summarise(graph, 2, "block7:block9").visible) == 30
    assert work.calls < 200 * 10_000


def test_explanations_runs_and_changes_fold_as_summaries_do() -> None:
    network = convscope.open(branch_inside())
    said = network.explain(depth=1)
    assert [layer["layer"] for layer in said.to_dict()["layers"]] == ["stem", "fork", "head"]
    text = " ".join(str(said).split())
    params = network.facts(1).rows[1].params
    assert f"A network of 3 layers, {params} parameters" in text and "--layers fork" in text
    assert len(network.explain(layers="fork").to_dict()["layers"]) == 3

    changed = network.whatif([("fork/a", "kernel_size", 5)], depth=1)
    rows = {row["name"]: row for row in changed.to_dict()["layers"]}
    assert list(rows) == ["stem", "fork", "head"]
    assert [row["changed"] for row in rows.values()] == [False, True, True]  # head sees more
    assert rows["fork"]["new"]["params"] - params == 5 * 6 * (25 - 9)
    assert "4 in its layers" in str(changed)
    only = network.whatif([("fork/a", "kernel_size", 5)], layers="head/d:")
    assert [row["name"] for row in only.to_dict()["layers"]] == ["head/d"]

    run = network.run(np.random.default_rng(0).random((14, 14, 3)))
    rows_run = figures_of(run.graph, run.activations, depth=1).activations
    assert [row.name for row in rows_run] == ["stem", "fork", "head"]
    assert rows_run[1].most == run["fork/join"].max() and rows_run[2].shape == (9,)


def test_blocks_that_come_again_are_a_row_each_where_no_network_is_nested() -> None:
    image = y = convscope.Input((19, 17, 3))
    for n in range(1, 9):
        x = convscope.Conv2D(3, 3, padding="same", name=f"stage_block{n}_conv")(y)
        x = convscope.ReLU(name=f"stage_block{n}_relu")(x)
        y = convscope.Add(name=f"stage_block{n}_add")([x, y])
    net = convscope.Model(image, convscope.Flatten(name="flat")(y))
    found = net.facts(depth=1)
    assert [row.name for row in found.rows] == [*(f"stage_block{n}" for n in range(1, 9)), "flat"]
    assert {row.kind for row in found.rows[:-1]} == {"Block"}
    # 3·3·3·3 + 3 parameters each; nothing is lost and nothing counted twice
    assert found.rows[4].params == 84 and found.rows[4].inside == (3, 0, 0)
    assert found.rows[4].inputs == ("stage_block4",)
    assert sum(row.params for row in found.rows) == found.totals.params == 8 * 84
    assert sum(row.macs for row in found.rows) == found.totals.macs
    assert "25 layers, folded to depth 1: 9 rows" in " ".join(render(found, width=110).split())
    # a short network is shown layer by layer
    short = convscope.Sequential(
        [convscope.Conv2D(3, 3, input_shape=(19, 17, 3)), convscope.ReLU()]
    )
    assert [row.kind for row in short.facts(depth=1).rows] == ["Conv2D", "ReLU"]
