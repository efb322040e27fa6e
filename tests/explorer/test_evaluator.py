"""The explorer's evaluator, in a real browser, against the same equations evaluated in Python.

It gets nothing but the equations' JSON and numbers: every sample of every layer kind, the operators of
ONNX, and the mental models.
"""

from __future__ import annotations

import base64
import json
import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cache, partial
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from campaigns import in_turn, rounds, thorough
from corners import corners
from given import case, samples

import convscope
from convscope.errors import ConvscopeError, UnsupportedError
from convscope.explain.pictures import pictures
from convscope.explorer.joining import script
from convscope.layers.base import tensor_names
from convscope.notation import (
    Axis,
    Equation,
    Pieces,
    Sum,
    call,
    source,
    symbol,
    weight,
)
from convscope.notation.adjoint import OUTPUT, adjoint
from convscope.notation.equation import hull
from convscope.notation.evaluation import evaluate
from convscope.notation.functions import PRIMITIVES, Function
from convscope.notation.ledger import Groups, ledger
from convscope.notation.serial import to_json

if TYPE_CHECKING:
    from onnx import ModelProto
    from playwright.sync_api import Page, Route

Array = np.ndarray[Any, Any]

SAMPLES = {f"{kind}-{n}": sample for kind, of in samples().items() for n, sample in enumerate(of)}
NAMES = {kind: [f"{kind}-{n}" for n in range(len(of))] for kind, of in samples().items()}
POSITIONS = 10
LOOSE = ("pieces", "a local with", "a mean over a local")
"""Corners of which Python takes windows wider than need be: every piece, border and all."""


@dataclass(frozen=True)
class Asked:
    """One equation with numbers, and the positions to compare."""

    equation: Equation
    values: Mapping[str, Array]
    positions: Sequence[tuple[int, ...]]
    windows: bool = True  # whether Python's windows are as tight as can be

    def written(self) -> dict[str, Any]:
        tensors = {}
        for name, array in self.values.items():
            kind = "<f4" if array.dtype == np.float32 else "<f8"
            data = base64.b64encode(np.ascontiguousarray(array, kind).tobytes()).decode()
            tensors[name] = {"data": data, "shape": list(array.shape), "type": kind}
        return {
            "equation": to_json(self.equation),
            "tensors": tensors,
            "positions": [list(p) for p in self.positions],
        }


def numbers(text: str) -> Array:
    return np.frombuffer(base64.b64decode(text), "<f8")


def answers(page: Page, asked: Sequence[Asked]) -> list[list[dict[str, Any]]]:
    """Return what the evaluator says to everything that is asked, in one go."""
    text = json.dumps([one.written() for one in asked], allow_nan=False)
    found: list[list[dict[str, Any]]] = json.loads(page.evaluate("text => ask(text)", text))
    return found


def close(ours: Any, theirs: Any, size: float) -> None:
    """Hold numbers to be equal but for roundings of sums of this size."""
    np.testing.assert_allclose(ours, theirs, rtol=1e-12, atol=1e-12 * size, equal_nan=True)


def compare(asked: Asked, said: Sequence[dict[str, Any]]) -> None:
    """Hold what the evaluator said against Python's."""
    assert len(said) == len(asked.positions)
    for position, answer in zip(asked.positions, said, strict=True):
        assert "error" not in answer, (position, answer["error"])
        with np.errstate(all="ignore"):
            value = evaluate(asked.equation, position, asked.values)
            led = ledger(asked.equation, position, asked.values)
        groups = led.groups
        size = abs(led.preactivation) + sum(abs(r.value) for r in led.readings)
        if groups is not None:
            terms = groups.windows if groups.products is None else groups.products
            size += float(np.abs(terms[np.isfinite(terms)]).sum())
        size = size if math.isfinite(size) else 0.0
        close(numbers(answer["value"]), [value], size)
        compare_ledger(led, answer["ledger"], size)
        assert answer["partValue"] == answer["value"]
        assert answer["partLedger"] == answer["ledger"]
        if asked.windows:
            assert answer["boxes"] == boxes(asked.equation, position, asked.values)


def compare_ledger(led: Any, theirs: dict[str, Any], size: float) -> None:
    bias = led.bias if led.bias is not None else 0.0
    close(numbers(theirs["numbers"]), [led.value, led.preactivation, bias], size)
    assert theirs["hasBias"] == (led.bias is not None)
    assert theirs["position"] == list(led.position)
    assert theirs["terms"] == led.terms
    assert theirs["reduction"] == led.reduction
    assert theirs["activation"] == list(led.activation)
    assert theirs["whole"] == led.whole
    assert theirs["readings"] == [[r.name, list(r.index), r.role] for r in led.readings]
    close(numbers(theirs["read"]), [r.value for r in led.readings], size)
    assert (theirs["groups"] is None) == (led.groups is None)
    if led.groups is not None:
        compare_groups(led.groups, theirs["groups"], size)


def compare_groups(ours: Groups, theirs: dict[str, Any], size: float) -> None:
    assert theirs["count"] == len(ours.channels)
    assert tuple(theirs["sizes"]) == ours.windows.shape[1:]
    assert theirs["axes"] == list(ours.axes)
    assert theirs["tensor"] == ours.tensor
    assert theirs["channels"] == ours.channels.tolist()
    assert theirs["corners"] == ours.corners.tolist()
    assert theirs["inside"] == ours.inside.astype(int).ravel().tolist()
    close(numbers(theirs["windows"]), ours.windows.ravel(), size)
    assert (theirs["kernels"] is None) == (ours.kernels is None)
    if ours.kernels is not None and ours.products is not None:
        close(numbers(theirs["kernels"]), ours.kernels.ravel(), size)
        close(numbers(theirs["products"]), ours.products.ravel(), size)
    close(numbers(theirs["partials"]), ours.partials, size)
    places = np.array(theirs["places"]).reshape(len(ours.channels), -1, theirs["rank"]).min(axis=1)
    if theirs["channel"] is not None:
        assert places[:, theirs["channel"]].tolist() == theirs["channels"]
        places = np.delete(places, theirs["channel"], axis=1)
    assert places.tolist() == theirs["corners"]


def boxes(
    equation: Equation, position: Sequence[int], values: Mapping[str, Array]
) -> dict[str, list[list[int]]]:
    """Return what Python says is read of every tensor: the window, clipped; of weights, their reads."""
    here = [(p, p) for p in position]
    found: dict[str, Any] = {}
    for tensor in equation.inputs:
        window = equation.window(here, tensor.name)
        if window is not None:
            found[tensor.name] = [
                (min(max(low, 0), size - 1), max(min(high, size - 1), 0))
                for (low, high), size in zip(window, values[tensor.name].shape, strict=True)
            ]
    ranges = dict(zip(equation.axes, here, strict=True))
    for read, indices, bound in equation.inlined:
        if read.tensor.role == "weight" and not passed_over(equation, read, position):
            inner = ranges | {axis: (0, axis.size - 1) for axis in bound}
            box = tuple(index.bounds(inner) for index in indices)
            name = read.tensor.name
            found[name] = hull(found[name], box) if name in found else box
    return {name: [list(map(int, side)) for side in box] for name, box in found.items()}


def passed_over(equation: Equation, read: Any, position: Sequence[int]) -> bool:
    """Whether a read stands in a piece that is not the one of this position."""
    place = dict(zip(equation.axes, position, strict=True))
    for node in equation.expression.walk():
        if isinstance(node, Pieces) and node.along.axes() <= place.keys():
            chosen = node.at(node.along.at(place))
            others = [body for body in node.bodies if body is not chosen]
            if any(part is read for body in others for part in body.walk()):
                return True
    return False


# -- every layer kind -------------------------------------------------------------------------------


def of_sample(sample: Any) -> Asked:
    ours = case(sample)
    return Asked(ours.equation, ours.values, ours.positions(POSITIONS))


@pytest.fixture(scope="module")
def said(loaded: Page) -> dict[str, list[dict[str, Any]]]:
    """What the evaluator says to every sample, by the sample's name."""
    found = answers(loaded, [of_sample(sample) for sample in SAMPLES.values()])
    return dict(zip(SAMPLES, found, strict=True))


@in_turn("name", NAMES)
def test_every_sample_of_every_kind(name: str, said: dict[str, list[dict[str, Any]]]) -> None:
    compare(of_sample(SAMPLES[name]), said[name])


def test_the_samples_use_everything_that_an_equation_can_be_made_of() -> None:
    text = json.dumps([to_json(of_sample(one).equation) for one in SAMPLES.values()])
    forms = ['"op": "floor"', '"op": "mod"', '"op": "exact"', '"pieces"', '"locals": [{']
    forms += [f'"reduce": "{kind}"' for kind in ("sum", "max", "mean")]
    forms += [f'"outside": "{kind}"' for kind in ("zero", "-inf", "skip", "edge")]
    assert [form for form in forms if form not in text] == []


# -- gradients --------------------------------------------------------------------------------------


def led_back() -> list[Asked]:
    """Return the gradient of everything that a sample reads, each at a few positions; of every third sample in quick runs."""
    found = []
    for sample in list(SAMPLES.values())[:: rounds(3, 1)]:
        ours = case(sample)
        rng = np.random.default_rng(14)
        values = {**ours.values, OUTPUT: rng.normal(size=ours.equation.shape)}
        for gradient in adjoint(ours.equation).values():
            if not str(gradient).endswith("= 0"):
                positions = [tuple(int(rng.integers(s)) for s in gradient.shape) for _ in range(2)]
                found.append(Asked(gradient, values, positions, windows=False))
    return found


def test_gradients_are_equations_like_any_other(loaded: Page) -> None:
    gradients = led_back()
    assert len(gradients) > rounds(115, 350)
    wrong = []
    for asked, said in zip(gradients, answers(loaded, gradients), strict=True):
        try:
            compare(asked, said)
        except AssertionError as error:
            wrong.append(f"{asked.equation}: {error}")
    assert wrong == []


# -- mental models ----------------------------------------------------------------------------------


def drawn() -> list[Asked]:
    """Return the mental models of every sample that has them, at a few positions of their own."""
    found = []
    for sample in SAMPLES.values():
        ours = case(sample)
        try:
            models = pictures(ours.equation, (0,) * len(ours.equation.axes))
        except UnsupportedError:
            continue
        rng = np.random.default_rng(11)
        for model in models:
            shape = model.equation.shape
            positions = [tuple(int(rng.integers(s)) for s in shape) for _ in range(3)]
            found.append(Asked(model.equation, ours.values, positions))
    return found


def test_the_mental_models(loaded: Page) -> None:
    models = drawn()
    assert len(models) > 40
    for asked, said in zip(models, answers(loaded, models), strict=True):
        compare(asked, said)


# -- ONNX's operators -------------------------------------------------------------------------------


def models() -> Iterator[tuple[str, str, Callable[[], ModelProto]]]:
    """Yield nodes of every operator, each with a title and its kind: our cases, with --full ONNX's own."""
    from operators.cases import CASES
    from operators.test_every_rule import model_of
    from readers.onnx.test_onnx_conformance import explainable, fixed, made

    if thorough():
        for their in explainable():
            yield their.name, made(their).graph.node[0].op_type, partial(fixed, their)
        return
    for number, one in enumerate(CASES):
        if all(isinstance(fed, tuple) or fed.dtype == np.float32 for fed in one.given):
            yield f"{one.op}-{number}", one.op, lambda one=one: model_of(one)[0]  # type: ignore[misc]


@cache
def operators() -> list[tuple[str, Asked]]:
    """Return up to four different equations of every operator."""
    rng = np.random.default_rng(12)
    found: list[tuple[str, Asked]] = []
    texts: dict[str, set[str]] = {}
    for title, kind, model in models():
        seen = texts.setdefault(kind, set())
        if len(seen) == 4:
            continue
        try:
            graph = convscope.open(model()).graph
        except ConvscopeError:
            continue
        for name, facts in graph.facts.items():
            e = facts.equation
            if e is None or not all(isinstance(s, int) for s in e.shape) or str(e) in seen:
                continue
            node = graph.nodes[name]
            values: dict[str, Array] = {
                n: np.asarray(w, np.float64) for n, w in node.layer.weights.items()
            }
            names = tensor_names(len(node.inputs))
            for tensor, shape in zip(names, facts.input_shapes, strict=True):
                values[tensor] = rng.normal(size=shape).astype(np.float32)
            positions = [tuple(int(rng.integers(s)) for s in e.shape) for _ in range(4)]
            seen.add(str(e))
            # of pieces, Python's window is that of every one; see LOOSE
            exact = not any(isinstance(part, Pieces) for part in e.expression.walk())
            found.append((f"{title} {e}", Asked(e, values, positions, windows=exact)))
    return found


def test_the_operators_of_onnx(loaded: Page) -> None:
    found = operators()
    assert len(found) > 150
    asked = [one for _, one in found]
    wrong = []
    for (name, one), said in zip(found, answers(loaded, asked), strict=True):
        try:
            compare(one, said)
        except AssertionError as error:
            wrong.append(f"{name}: {error}")
    assert wrong == []


# -- what samples do not reach ----------------------------------------------------------------------


def small() -> dict[str, Asked]:
    """Return the corners, each with every position of its output."""
    return {
        name: Asked(e, values, list(np.ndindex(*e.shape)), not name.startswith(LOOSE))
        for name, (e, values) in corners().items()
    }


@pytest.mark.parametrize("name", small())
def test_corners_that_no_layer_has(loaded: Page, name: str) -> None:
    asked = small()[name]
    compare(asked, answers(loaded, [asked])[0])


def test_only_the_piece_that_holds_is_needed(loaded: Page) -> None:
    # Python's window is that of every piece, border and all
    said = answers(loaded, [asked := small()["pieces"]])[0]
    found = dict(zip(asked.positions, (answer["boxes"] for answer in said), strict=True))
    assert found[3,] == {"in": [[3, 3]]}
    assert found[4,] == {"in2": [[0, 0]]}
    ((answer, *_),) = answers(loaded, [small()["pieces in a sum"]])
    assert answer["boxes"] == {"in": [[0, 3]], "in2": [[0, 2]]}


def test_every_primitive_to_the_last_digits(loaded: Page) -> None:
    y = Axis("y")
    rng = np.random.default_rng(14)
    scale = 10.0 ** rng.uniform(-9, 1.5, 3000)
    line = np.concatenate([rng.normal(size=3000) * scale, [0, 1, -1, 0.5, 2, -2, 5.99, 6, -6, 700]])
    given = {"x": line, "a": rng.permutation(line), "b": rng.permutation(line)}
    for name, count in PRIMITIVES.items():
        values = {n: np.abs(v) if name in ("log", "log1p", "sqrt") else v for n, v in given.items()}
        parameters = ("x", "a", "b")[:count]
        read = [source((len(line),), n)[y] for n in parameters]
        function = Function(f"my {name}", parameters, (name, *parameters))
        for f in (Function(name, parameters), function):
            e = Equation((y,), call(f, *read))
            text = json.dumps(Asked(e, {n: values[n] for n in parameters}, ()).written())
            ours = numbers(loaded.evaluate("text => along(text)", text))
            with np.errstate(all="ignore"):
                theirs = [evaluate(e, (n,), values) for n in range(len(line))]
            # what JavaScript leaves to its engine, that computes to the last digits but one
            left = name in ("erf", "pow", "tan") or name.endswith("h") or name.startswith("a")
            np.testing.assert_allclose(ours, theirs, rtol=5e-15 if left else 1e-15)


def test_the_error_function_by_published_values(loaded: Page) -> None:
    # Abramowitz & Stegun, table 7.1 (its digits all hold)
    published = {0.5: 0.5204998778, 1.0: 0.8427007929, 1.5: 0.9661051465, 2.0: 0.9953222650}
    y = Axis("y")
    e = Equation((y,), call(Function("erf", ("x",)), source((4,))[y]))
    asked = Asked(e, {"in": np.array(list(published))}, ())
    found = numbers(loaded.evaluate("text => along(text)", json.dumps(asked.written())))
    assert [round(float(v), 10) for v in found] == list(published.values())


def test_it_works_where_a_page_may_not_make_code_of_text(page: Page) -> None:
    policy = "default-src 'none'; script-src 'self'"
    served = {
        "/": ("text/html", '<script type="module" src="/page.js"></script>'),
        "/explorer.js": ("text/javascript", script("explorer.js")),
        "/page.js": (
            "text/javascript",
            'import * as found from "/explorer.js"; window.evaluator = found;',
        ),
    }

    def answer(route: Route) -> None:
        kind, body = served[route.request.url.removeprefix("http://127.0.0.1:9")]
        headers = {"Content-Type": kind, "Content-Security-Policy": policy}
        route.fulfill(headers=headers, body=body)

    page.route("**/*", answer)
    page.goto("http://127.0.0.1:9/")
    page.wait_for_function("window.evaluator")
    asked = small()["exact division of a sum"]
    found = page.evaluate(
        """([equation, position, arrays]) => window.evaluator.evaluate(equation, position,
            Object.fromEntries(arrays.map(([name, shape, numbers]) => [name,
                {data: Float64Array.from(numbers), origin: [0, 0], shape, whole: shape}])))""",
        [
            to_json(asked.equation),
            list(asked.positions[5]),
            [[n, list(v.shape), v.ravel().tolist()] for n, v in asked.values.items()],
        ],
    )
    close(found, evaluate(asked.equation, asked.positions[5], asked.values), 10)


# -- what cannot be answered ------------------------------------------------------------------------


def complaint(page: Page, asked: Asked) -> str:
    """Return the error to the only question asked."""
    ((answer,),) = answers(page, [asked])
    return str(answer["error"])


def test_a_position_that_is_not_in_the_output(loaded: Page) -> None:
    y = Axis("y", 7)
    values = {"in": np.zeros(9)}
    for place in ((7,), (-1,), (0, 0)):
        asked = Asked(Equation((y,), source((9,))[y]), values, [place])
        said = complaint(loaded, asked)
        text = ", ".join(map(str, place))
        assert said in (
            f"RangeError: ({text}) is not in out: axis y has 7",
            f"RangeError: ({text}) has 2 places; out has 1",
        )


def test_sizes_that_are_no_numbers(loaded: Page) -> None:
    y, c = Axis("y", 7), Axis("c", symbol("n"))
    asked = Asked(
        Equation((y,), Sum(c)(source((9, c.size))[y, c])), {"in": np.zeros((9, 2))}, [(0,)]
    )
    assert complaint(loaded, asked) == "RangeError: this cannot be computed before n is a number"


def test_numbers_that_are_missing_are_said_and_not_made_up(loaded: Page) -> None:
    y, i = Axis("y", 7), Axis("i", 3)
    image = source((9,))
    sums = Equation((y,), Sum(i)(image[y + i] * weight("k")[i]))
    alone = Equation((y,), image[y + 2] - 1.0)
    for e, first in ((sums, 5), (alone, 7)):
        text = json.dumps([to_json(e), 5])
        for given, error in (
            ("{}", "in is read, and not among the values"),
            (
                "{in: {data: new Float32Array(2), origin: [5], shape: [2], whole: [9]}}",
                "in is read at 7 along axis 0; what was given runs from 5 to 6",
            ),
            (
                "{in: {data: new Float32Array(1), origin: [8], shape: [1], whole: [9]}}",
                f"in is read at {first} along axis 0; what was given runs from 8 to 8",
            ),
            (
                "{in: {data: new Float32Array(4), origin: [6], shape: [2], whole: [9]}}",
                "in: 4 numbers are not 2",
            ),
        ):
            said = loaded.evaluate(
                f"text => {{ const [e, y] = JSON.parse(text); const k = {{data: new Float32Array(3),"
                f" origin: [0], shape: [3], whole: [3]}};"
                f" try {{ return evaluator.evaluate(e, [y], {{k, ...{given}}}) }}"
                f" catch (error) {{ return error.message }} }}",
                text,
            )
            assert said == error
