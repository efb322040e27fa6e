"""A network of many layers on a page: every layer is counted, repeats share a line, nothing is lost in JSON."""

from __future__ import annotations

import re

import numpy as np
import pytest

import convscope
from convscope.errors import LayerLookupError
from convscope.explain.overview import FULL
from convscope.parts import Heading, Table, flat


def deep(blocks: int) -> convscope.Model:
    image = convscope.Input((33, 29, 3))
    x = convscope.Conv2D(7, 3)(image)
    for _ in range(blocks):
        y = convscope.Conv2D(7, 3, padding="same")(x)
        x = convscope.Add()([x, convscope.BatchNormalization()(y)])
    return convscope.Model(image, convscope.Conv2D(5, 1)(x))


def test_every_layer_is_counted_once_and_repeats_share_a_line() -> None:
    network = deep(9)
    assert len(network.layers) == 29 > FULL
    parts = network.explain().facts.document().parts
    headings = [part.text for part in parts if isinstance(part, Heading)]
    assert headings[1:] == ["Conv2D: 11 layers", "BatchNormalization: 9 layers", "Add: 9 layers"]
    tables = [part for part in parts if isinstance(part, Table)]
    for table, count in zip(tables, (11, 9, 9), strict=True):
        names = [flat(row[0]) for row in table.rows]
        more = [int(found[1]) for n in names if (found := re.search(r"and (\d+) more", n))]
        assert len(names) + sum(more) == count
    rows = [[flat(cell) for cell in row] for row in tables[0].rows]
    assert rows[0][1:] == ["(33, 29, 3)", "(31, 27, 7)", "3·3·3·7 + 7 = 196", "158,193"]
    assert rows[1][0] == "conv2d_1 and 8 more"
    assert rows[1][3:] == ["3·3·7·7 + 7 = 448", f"{31 * 27 * 7 * 63:,}"]
    assert str(network.explain()).count("\n") < 40
    assert len(network.explain().to_dict()["layers"]) == 29


def test_some_layers_are_explained_in_full() -> None:
    network = deep(9)
    found = network.explain(layers="conv2d_1:add")
    assert [layer.name for layer in found.layers] == ["conv2d_1", "batch_normalization", "add"]
    assert "One filter is" in str(found)
    assert [layer.name for layer in network.explain(layers="28:").layers] == ["add_8", "conv2d_10"]


def test_a_layer_is_named_by_name_place_or_itself() -> None:
    network = deep(2)
    run = network.run(np.ones((33, 29, 3), "float32"))
    for which in ("conv2d_1", 1, -7, network.layers[1]):
        assert network.explain(which).to_dict()["layer"] == "conv2d_1"
        assert run[which] is run["conv2d_1"]
        assert run.trace(which, (3, 4, 5)).to_dict()["layer"] == "conv2d_1"
        assert network.edit(which, filters=7).changes().to_dict()["edits"][0]["layer"] == "conv2d_1"
    for wrong, said in (
        (8, "has 8 layers, there is none at place 8, counted from 0"),
        (convscope.Conv2D(3, 1, name="other"), "does not use that layer, 'other'"),
        (1.5, "has no layer 1.5; its layers are conv2d, "),
    ):
        with pytest.raises(LayerLookupError, match=said):
            network.explain(wrong)  # type: ignore[arg-type]


def test_what_if_in_a_deep_network_is_a_line_a_layer() -> None:
    network = deep(9)
    bigger = network.whatif([("conv2d_1", "kernel_size", 5)])
    text = str(bigger)
    assert text.count("\n") < 20 and "kernel 3×3×7×7 → kernel 5×5×7×7" in " ".join(text.split())
    assert "Of 27 layers nothing changes but the receptive field" in text
    assert sum(layer["changed"] for layer in bigger.to_dict()["layers"]) == 28
    strided = network.whatif([("conv2d", "strides", 2)])
    rows = next(part for part in strided.facts.document().parts if isinstance(part, Table)).rows
    assert len(rows) == 29 and "31×27×7 → 16×14×7" in flat(rows[0][1]).replace("\xa0", " ")
