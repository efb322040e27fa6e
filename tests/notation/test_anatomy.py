"""The parts of an equation: what is applied last, what is summed, what is added."""

from __future__ import annotations

import textbook
from campaigns import in_turn
from given import case, samples

from convscope.layers.base import Sample
from convscope.layers.convolution import Conv2D
from convscope.layers.dense import Dense
from convscope.layers.merging import Add
from convscope.layers.pooling import MaxPooling2D
from convscope.layers.separable import SeparableConv2D
from convscope.notation import Axis, Equation, Sum, call, source, weight
from convscope.notation.anatomy import anatomy
from convscope.notation.expression import Read, Reduction
from convscope.notation.serial import to_json


def test_a_convolution() -> None:
    equation = Conv2D(7, (3, 2), activation="relu").equation((9, 11, 5))
    parts = anatomy(equation)
    assert (parts.activation, parts.whole) == (("relu",), False)
    assert parts.axes == parts.listed_axes == equation.axes
    main = parts.main
    assert main is not None and main.reduction.kind == "sum"
    assert (main.over and main.over.size, [a.size for a in main.window]) == (5, [3, 2])
    assert (main.read.tensor.name, main.channel) == ("in", 2)
    (kernel,) = main.weights
    assert isinstance(kernel, Read) and kernel.tensor.name == "kernel"
    (bias,) = parts.added
    assert isinstance(bias, Read) and bias.tensor.name == "bias"
    assert parts.listed == parts.added


def test_a_pooling_has_one_group_and_knows_its_channel() -> None:
    for layout, channel in (("channels_last", 2), ("channels_first", 0)):
        parts = anatomy(MaxPooling2D((2, 3), data_format=layout).equation((9, 11, 5)))
        main = parts.main
        assert main is not None and main.reduction is parts.preactivation
        assert (main.over, main.weights, main.channel) == (None, (), channel)
        assert [a.size for a in main.window] == [2, 3]
        assert (parts.activation, parts.added, parts.listed) == ((), (), ())


def test_softmax_is_applied_to_a_whole_axis() -> None:
    equation = Dense(7, activation="softmax").equation((5,))
    parts = anatomy(equation)
    assert (parts.whole, parts.activation) == (True, ())
    (pre,) = (item for item in equation.locals if item.name == "pre")
    assert (parts.axes, parts.preactivation) == (pre.axes, pre.expression)
    assert parts.main is not None and parts.main.over is not None and parts.main.over.size == 5


def test_a_sum_over_a_local() -> None:
    parts = anatomy(SeparableConv2D(7, 3).equation((9, 11, 5)))
    assert parts.main is not None and parts.main.read.tensor.role == "local"


def test_without_a_sum_everything_is_listed() -> None:
    equation = Add().equation((5, 7), (5, 7))
    parts = anatomy(equation)
    assert (parts.main, parts.added) == (None, ())
    assert (parts.listed_axes, parts.listed) == (equation.axes, (equation.expression,))


def test_a_sum_of_something_else_than_products_is_not_taken_apart() -> None:
    y, i = Axis("y", 5), Axis("i", 3)
    image = source((7,))
    squares = Sum(i)(image[y + i] * image[y + i])
    differences = Sum(i)(image[y + i] - weight("k")[i])
    for total in (squares, differences):
        assert anatomy(Equation((y,), call(textbook.RELU, total + weight("bias")[0]))).main is None


@in_turn("sample", samples())
def test_it_is_written_into_the_json_as_it_is(sample: Sample) -> None:
    equation = case(sample).equation
    document, parts = to_json(equation), anatomy(equation)
    found = document["ledger"]

    def names(numbers: list[int]) -> list[str]:
        return [document["index"][n]["name"] for n in numbers]

    assert names(found["axes"]) == [a.name for a in parts.axes]
    assert names(found["listed_axes"]) == [a.name for a in parts.listed_axes]
    assert (found["activation"], found["whole"]) == (list(parts.activation), parts.whole)
    assert (len(found["added"]), len(found["listed"])) == (len(parts.added), len(parts.listed))
    assert (found["main"] is None) == (parts.main is None)
    if parts.main is not None:
        over = parts.main.over
        assert names(found["main"]["window"]) == [a.name for a in parts.main.window]
        assert (
            found["main"]["over"] is None
            if over is None
            else names([found["main"]["over"]]) == [over.name]
        )
        assert found["main"]["reduce"] == parts.main.reduction.kind
        assert found["main"]["read"]["read"] == parts.main.read.tensor.name
        assert [w.get("read") for w in found["main"]["weights"]] == [
            w.tensor.name if isinstance(w, Read) else None for w in parts.main.weights
        ]
        assert found["main"]["channel"] == parts.main.channel
    if not parts.activation and not parts.whole:
        assert found["preactivation"] == document["expression"]
    assert not isinstance(parts.preactivation, Reduction) or parts.added == ()
