"""NaN, infinities, zeros of both signs, a subnormal and the largest float32 in every primitive and named function.

What the ledger's own rule says of them is held against ONNX Runtime (one graph with all of them, run once) and
PyTorch: a number agrees, or is said to be uncertain. How many may be is counted, so that nothing is left unjudged for
convenience.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from onnx import NodeProto, TensorProto, ValueInfoProto, helper

from convscope.aten.polar import write_angle
from convscope.engine.native import onnxruntime
from convscope.equations import formulas, pointwise
from convscope.layers.activations import ACTIVATIONS
from convscope.notation.functions import PRIMITIVES, SAME, Function
from convscope.notation.rounding import Rounding
from convscope.typed import Array

NAN, INF = float("nan"), float("inf")
LARGEST = np.finfo(np.float32).max
ODD = np.array([NAN, INF, -INF, 0.0, -0.0, 1e-40, LARGEST, -LARGEST, 0.75], np.float32)
PAIRS = {"x": np.repeat(ODD, len(ODD)), "a": np.tile(ODD, len(ODD))}
PAIRS["b"] = np.roll(PAIRS["a"], 4)


class Writing:
    """One ONNX graph that grows, as activations write themselves into theirs."""

    def __init__(self) -> None:
        self.nodes: list[NodeProto] = []
        self.numbers: list[TensorProto] = []

    def node(self, op: str, *inputs: str, **settings: Any) -> str:
        name = f"v{len(self.nodes)}"
        self.nodes.append(helper.make_node(op, inputs, [name], **settings))
        return name

    def number(self, value: float) -> str:
        return self.constant(value)

    def constant(self, value: float, dtype: str = "float32") -> str:
        name = f"c{len(self.numbers)}"
        self.numbers.append(helper.make_tensor(name, TensorProto.FLOAT, [], [value]))
        return name

    def run(self, given: dict[str, Array], wanted: list[str]) -> list[Array]:
        graph = helper.make_graph(
            self.nodes,
            "odd",
            [
                helper.make_tensor_value_info(n, TensorProto.FLOAT, v.shape)
                for n, v in given.items()
            ],
            [ValueInfoProto(name=name) for name in wanted],
            self.numbers,
        )
        model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 22)], ir_version=10)
        runtime = onnxruntime()
        options = runtime.SessionOptions()
        options.intra_op_num_threads = 1
        session = runtime.InferenceSession(model.SerializeToString(), options)
        found: list[Array] = session.run(wanted, given)
        return found


def write(name: str, form: Writing) -> str:
    """Write a function of x, a and b."""
    if name in ACTIVATIONS:
        return ACTIVATIONS[name].emit(form, "x", -1)  # type: ignore[arg-type]  # it asks for no more
    match name:
        case "select":
            return form.node("Where", form.node("Greater", "x", form.constant(0.0)), "a", "b")
        case "log1p":
            return form.node("Log", form.node("Add", "x", form.constant(1.0)))
        case "at_least" | "equal" | "same" | "greater":
            ops = {"at_least": "GreaterOrEqual", "greater": "Greater"}
            return form.node("Cast", form.node(ops.get(name, "Equal"), "x", "a"), to=1)
        case "differs":
            return form.node("Cast", form.node("Not", form.node("Equal", "x", "a")), to=1)
        case "atan2":
            return write_angle(form, "x", "a")  # type: ignore[arg-type]  # it asks for no more
        case "gelu_tanh":
            return form.node("Gelu", "x", approximate="tanh")
        case "threshold":
            return form.node("Where", form.node("LessOrEqual", "x", "a"), "b", "x")
    return form.node(name.capitalize(), *("x", "a")[: PRIMITIVES[name]])


NAMED = [
    f for module in (formulas, pointwise) for f in vars(module).values() if isinstance(f, Function)
]
FUNCTIONS = {
    **{name: Function(name, ("x", "a", "b")[:count]) for name, count in PRIMITIVES.items()},
    **{f.name: f for f in (*NAMED, SAME)},
}
"""Every primitive and every function that has a name of its own."""


def ours(name: str) -> tuple[Array, Array]:
    """Return the values and the errors of a function, as the ledger bounds them."""
    function = FUNCTIONS[name]
    settings = ACTIVATIONS[name].arguments if name in ACTIVATIONS else ()
    wide = [(v.astype(np.float64), np.zeros(v.shape)) for v in PAIRS.values()]
    given: list[Any] = [*wide[: len(arguments(name))], *((s, 0.0) for s in settings)]
    bound = Rounding(None, "float32")  # type: ignore[arg-type]  # nothing is read
    with np.errstate(all="ignore"):
        value, error = bound.range.held(*bound.call(function, given))
    shape = PAIRS["x"].shape
    return np.broadcast_to(value, shape), np.broadcast_to(error, shape)


def judged(name: str, theirs: Array) -> tuple[dict[str, Any], int]:
    """Return where an engine's numbers are called wrong, and how many are uncertain."""
    value, error = ours(name)
    with np.errstate(all="ignore"):
        same = (value == theirs) | (np.isnan(value) & np.isnan(theirs))
        near = abs(value - theirs.astype(np.float64)) <= error
    sure = np.isfinite(error)
    wrong = {
        str([float(v[n]) for v in PAIRS.values()]): (value[n], theirs[n], error[n])
        for n in np.flatnonzero(~same & ~near & sure)
    }
    places = ~same & ~sure if len(arguments(name)) > 1 else (~same & ~sure)[:: len(ODD)]
    return wrong, int(places.sum())


def arguments(name: str) -> list[Array]:
    """Return what a function is given besides an activation's own settings."""
    many = 1 if name in ACTIVATIONS else len(FUNCTIONS[name].parameters)
    return list(PAIRS.values())[:many]


# beyond the largest float32, 1 divided by what is flushed, and what engines make of a NaN or an infinity in their own way
BOTH = {"add": 2, "sub": 2, "mul": 4, "div": 5, "atan2": 4, "selu": 2, "squareplus": 2}
IN_ONNX_RUNTIME = {**BOTH, "softsign": 2, "hard_shrink": 1, "soft_shrink": 1}
IN_PYTORCH = {**BOTH, "sign": 1, "gelu": 2, "hard_silu": 1, "squareplus": 3}


def test_in_onnx_runtime() -> None:
    form = Writing()
    names = {name: write(name, form) for name in FUNCTIONS}
    found = form.run(PAIRS, list(names.values()))
    for name, theirs in zip(names, found, strict=True):
        wrong, unsure = judged(name, theirs)
        assert wrong == {}, name
        assert unsure <= IN_ONNX_RUNTIME.get(name, 0), name


def test_in_pytorch() -> None:
    torch: Any = pytest.importorskip("torch")
    known: Any = torch.nn.functional

    def threshold(x: Any, a: Any, b: Any) -> Any:
        rows = zip(x, a.tolist(), b.tolist(), strict=True)
        return torch.stack([known.threshold(*row) for row in rows])

    theirs: dict[str, Callable[..., Any]] = {
        "hard_silu": known.hardswish, "hard_sigmoid": known.hardsigmoid, "hard_tanh": known.hardtanh,
        "hard_shrink": known.hardshrink, "soft_shrink": known.softshrink, "tanh_shrink": known.tanhshrink,
        "log_sigmoid": known.logsigmoid, "exponential": torch.exp, "threshold": threshold,
        "leaky_relu": lambda x: known.leaky_relu(x, 0.2), "max": torch.maximum, "min": torch.minimum,
        "gelu_tanh": lambda x: known.gelu(x, approximate="tanh"),
        "squareplus": lambda x: (x + torch.sqrt(x * x + 4)) / 2,
        "sparse_plus": lambda x: torch.where(
            x <= -1, torch.zeros_like(x), torch.where(x < 1, 0.25 * (x + 1) ** 2, x)
        ),
        "sparse_sigmoid": lambda x: torch.clamp(0.5 * (x + 1), 0, 1),
        "select": lambda x, a, b: torch.where(x > 0, a, b), "at_least": lambda x, a: (x >= a).float(),
        "equal": lambda x, a: (x == a).float(), "same": lambda x, a: (x == a).float(),
        "differs": lambda x, a: (x != a).float(), "greater": lambda x, a: (x > a).float(),
    }  # fmt: skip
    for name in FUNCTIONS:
        of = theirs.get(name) or getattr(torch, name, None) or getattr(known, name)
        found = of(*map(torch.from_numpy, arguments(name))).numpy()
        wrong, unsure = judged(name, found)
        assert wrong == {}, name
        assert unsure <= IN_PYTORCH.get(name, 0), name


def test_an_order_with_a_nan_is_pytorchs_and_in_onnx_uncertain(tmp_path: Path) -> None:
    """PyTorch puts a NaN after the largest number; ONNX says nothing about it, and engines differ."""
    torch: Any = pytest.importorskip("torch")
    convscope: Any = pytest.importorskip("convscope")

    class Ordered(torch.nn.Module):  # type: ignore[misc]
        def forward(self, x: Any) -> Any:
            y = x * 1.0
            return torch.cat([y.sort(-1).values, y.topk(3, -1).values, y.argsort(-1).float()], -1)

    for odd, sure in ((NAN, False), (-INF, True)):
        x = np.array([3.0, odd, 1.0, 2.0, INF], np.float32)
        net = convscope.open(Ordered(), torch.from_numpy(x)[None])
        net.export(tmp_path / "net.onnx")
        for opened, known in ((net, True), (convscope.open(tmp_path / "net.onnx"), sure)):
            run = opened.run(x)
            of = [n for n in run.activations if n.split("_")[0] in ("sort", "topk", "argsort")]
            traces = [run.trace(n, (p,)) for n in of for p in range(len(run[n]))]
            assert len(traces) == 13 and all(one.agrees for one in traces)
            if not known:
                assert any(one.ledger.rounding == INF for one in traces)
