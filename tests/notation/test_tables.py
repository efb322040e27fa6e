"""Places that are written out: read, bounded, printed, sent as JSON, and led back by a gradient."""

from __future__ import annotations

import json

import numpy as np
from notation.read_back import from_json

from convscope.notation import Axis, Equation, source
from convscope.notation.adjoint import OUTPUT, adjoint
from convscope.notation.evaluation import evaluate_all
from convscope.notation.index import PlaceTable, written_out
from convscope.notation.serial import to_json

WHERE = (6, 0, 2, 2, 5)


def picked() -> Equation:
    y, c = Axis("y", 5), Axis("c", 3)
    return Equation((y, c), source((7, 3))[written_out(y, WHERE), c])


def test_a_table_is_read_bounded_and_printed() -> None:
    equation, image = picked(), np.arange(21.0).reshape(7, 3)
    assert str(equation) == "out[y, c] = in[⟨6, 0, 2, 2, 5⟩[y], c]"
    assert equation.latex() == r"\mathrm{out}_{y,c} = \mathrm{in}_{\langle 6, 0, 2, 2, 5 \rangle_{y},c}"  # fmt: skip
    assert np.array_equal(evaluate_all(equation, {"in": image}), image[list(WHERE)])
    assert equation.window([(1, 3), (2, 2)]) == ((0, 2), (2, 2))
    long = written_out(Axis("y", 12), (1, 0, *range(10)))
    assert str(long) == "⟨1, 0, 0, 1, 2, 3, …, 9⟩[y]"
    assert not isinstance(written_out(Axis("y", 3), (4, 2, 0)), PlaceTable)


def test_it_goes_through_json() -> None:
    again = from_json(json.loads(json.dumps(to_json(picked()))))
    assert str(again) == str(picked())
    assert again.window([(0, 0), (0, 0)]) == ((6, 6), (0, 0))


def test_its_gradient_adds_what_was_read_twice() -> None:
    rng = np.random.default_rng(1)
    image, reached = rng.normal(size=(7, 3)), rng.normal(size=(5, 3))
    expected = np.zeros((7, 3))
    np.add.at(expected, list(WHERE), reached)
    found = evaluate_all(adjoint(picked())["in"], {"in": image, OUTPUT: reached})
    assert np.allclose(found, expected)
