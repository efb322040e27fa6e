"""Equations as JSON.

    {"name": "out", "axes": [ids], "expression": …, "locals": [{"name", "axes", "expression"}],
     "tensors": {"in": {"role": "input", "shape": [28, 28, 1]}, "kernel": {"role": "weight"}},
     "index": [{"name": "y", "size": 26, "word": "row", "role": ""}, …],
     "functions": {"relu": {"name": "relu", "parameters": ["x"], "formula": ["max", "x", 0.0]}},
     "ledger": {"axes": [ids], "preactivation": …, "activation": ["relu"], "whole": false,
                "main": {"reduce": "sum", "over": id, "window": [ids], "read": …, "weights": […],
                         "near": [[id, …, 2], …], "channel": 2, "channels": 32},
                "added": […], "listed_axes": [ids], "listed": […]}}

Axes are numbered in "index"; a whole-number expression is {"terms": [[atom, factor], …], "const"},
where an atom is an axis' number, {"op": "floor" | "mod" | "exact", "of": …, "by": …} or {"table": [places], "of": …}. Functions are
called by their keys, which are their names unless another function of that name stands there already;
so are locals. Pieces lie along an axis' number or a whole-number expression. A size is a
number, a symbol's text ("(n + 1)//2") or null when unknown. Everything is plain lists, numbers and
strings, so that any language can evaluate it; infinite numbers are the strings "inf" and "-inf".

"near", of "main" and of every sum that has such, names axes of which places next to a number alone count, that number
and how many they are: the places p with −taps/2 ≤ number − p < taps/2. Whatever else there is, a NaN too, has no part.
"ledger" says how the number is taken apart, field by field as in `anatomy`, with parts of "expression"
and "locals" written again; "main" and its "over", "channel" and "channels" may be null. It follows from the rest.
"""

from __future__ import annotations

import math
from typing import Any, TypeAlias

from convscope.notation.anatomy import anatomy
from convscope.notation.equation import Equation
from convscope.notation.expression import (
    Binary,
    Call,
    Expression,
    Inside,
    Number,
    Pieces,
    Place,
    Read,
    Reduction,
    Tensor,
    nears,
    reads,
)
from convscope.notation.functions import PRIMITIVES, Function
from convscope.notation.index import (
    Atom,
    Axis,
    Division,
    ExactQuotient,
    Index,
    PlaceTable,
    Quotient,
    Remainder,
)
from convscope.notation.rewriting import unlike
from convscope.notation.sizes import plain

Json: TypeAlias = Any

OPERATIONS: dict[type[Division], str] = {
    Quotient: "floor",
    Remainder: "mod",
    ExactQuotient: "exact",
}


def to_json(equation: Equation, as_read: bool = True) -> dict[str, Json]:
    """Return the equation as plain data, ready for json.dumps.

    as_read   also what follows from the rest, for whoever looks at it: "text" and "ledger"
    """
    return _Writer(equation).document(as_read)


class _Writer:
    def __init__(self, equation: Equation) -> None:
        self.equation = equation
        self.numbers: dict[Axis, int] = {}
        self.tensors: dict[str, Json] = {}
        self.functions: dict[str, Json] = {}
        self.keys: dict[Function | Tensor, str] = {}
        self.given = {
            r.tensor.name for r in reads([equation.expression]) if r.tensor.role != "local"
        }

    def document(self, as_read: bool) -> dict[str, Json]:
        e = self.equation
        axes = [self.axis(a) for a in e.axes]
        held = [
            {
                "name": self.key(item, item.name),
                "axes": [self.axis(a) for a in item.axes],
                "expression": self.expression(item.expression),
                **({"preactivation": True} if item.preactivation else {}),
                **({"neutral": True} if item.neutral else {}),
            }
            for item in e.locals
        ]
        expression = self.expression(e.expression)
        ledger = {"ledger": self.ledger()} if as_read else {}
        sizes = e.sizes
        index = [
            {
                "name": a.name,
                "size": plain(sizes.get(a, a.size)),
                "word": a.word,
                "role": a.role,
            }
            for a in self.numbers
        ]
        return {
            "name": e.name,
            **({"text": str(e)} if as_read else {}),
            "axes": axes,
            "expression": expression,
            "locals": held,
            "tensors": self.tensors,
            "index": index,
            "functions": self.functions,
            **ledger,
        }

    def ledger(self) -> Json:
        parts = anatomy(self.equation)
        main = parts.main
        return {
            "axes": [self.axis(a) for a in parts.axes],
            "preactivation": self.expression(parts.preactivation),
            "activation": list(parts.activation),
            "whole": parts.whole,
            "main": None
            if main is None
            else {
                "reduce": main.reduction.kind,
                "over": None if main.over is None else self.axis(main.over),
                "window": [self.axis(a) for a in main.window],
                "read": self.expression(main.read),
                "weights": [self.expression(read) for read in main.weights],
                **self.near(main.reduction),
                "channel": main.channel,
                "channels": None if main.channels is None else plain(main.channels),
            },
            "added": [self.expression(part) for part in parts.added],
            "listed_axes": [self.axis(a) for a in parts.listed_axes],
            "listed": [self.expression(part) for part in parts.listed],
        }

    def near(self, sum_: Reduction) -> Json:
        found = [[self.axis(o.axis), self.expression(o.at), o.taps] for o in nears(sum_)]
        return {"near": found} if found else {}

    def key(self, one: Function | Tensor, name: str) -> str:
        """Return what a function or a local is called here; two of one name are told apart."""
        if one not in self.keys:
            taken = {*PRIMITIVES} if isinstance(one, Function) else {*self.given}
            taken.update(k for other, k in self.keys.items() if type(other) is type(one))
            self.keys[one] = unlike(name, taken)
        return self.keys[one]

    def axis(self, axis: Axis) -> int:
        return self.numbers.setdefault(axis, len(self.numbers))

    def whole(self, index: Index) -> Json:
        return {
            "terms": [[self.atom(atom), plain(factor)] for atom, factor in index.terms],
            "const": plain(index.const),
        }

    def atom(self, atom: Atom) -> Json:
        if isinstance(atom, Division):
            name = OPERATIONS[type(atom)]
            return {"op": name, "of": self.whole(atom.of), "by": plain(atom.by)}
        if isinstance(atom, PlaceTable):
            return {"table": list(atom.places), "of": self.whole(atom.of)}
        assert isinstance(atom, Axis)
        return self.axis(atom)

    def expression(self, node: Expression) -> Json:
        match node:
            case Number(value):
                return {"number": value if math.isfinite(value) else str(value)}
            case Read(tensor, indices, padding, outside, scattered):
                name = tensor.name
                if tensor.role == "local":
                    name = self.key(tensor, name)
                else:
                    self.tensors[name] = {"role": tensor.role, "shape": _shape(tensor)}
                written: dict[str, Json] = {"read": name, "at": [self.whole(i) for i in indices]}
                if padding is not None:
                    written["padding"] = [[plain(a), plain(b)] for a, b in padding]
                    written["outside"] = outside
                if scattered:
                    written["scattered"] = True
                return written
            case Binary(operator, left, right):
                return {"op": operator, "args": [self.expression(left), self.expression(right)]}
            case Call(function, arguments):
                name = function.name
                if not function.primitive:
                    name = self.key(function, name)
                    self.functions[name] = {
                        "name": function.name,
                        "parameters": list(function.parameters),
                        "formula": function.formula,
                        **({} if function.steep is None else {"steep": function.steep}),
                        **({} if function.taps is None else {"taps": function.taps}),
                    }
                return {"call": name, "args": [self.expression(a) for a in arguments]}
            case Reduction(kind, axes, body):
                return {
                    "reduce": kind,
                    "over": [self.axis(a) for a in axes],
                    "body": self.expression(body),
                    **self.near(node),
                }
            case Place(index):
                return {"place": self.whole(index)}
            case Inside(indices, sizes):
                return {
                    "inside": [self.whole(i) for i in indices],
                    "sizes": [plain(size) for size in sizes],
                }
            case Pieces(along, ends, bodies):
                return {
                    "along": self.axis(along) if isinstance(along, Axis) else self.whole(along),
                    "ends": [plain(end) for end in ends],
                    "pieces": [self.expression(body) for body in bodies],
                }
        raise AssertionError(f"no JSON for {type(node).__name__}")


def _shape(tensor: Tensor) -> Json:
    return None if tensor.shape is None else [plain(s) for s in tensor.shape]
