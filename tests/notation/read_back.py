"""The equation that JSON says, read by nobody but the tests: what comes back the same was said in full."""

from __future__ import annotations

from typing import Any, TypeAlias

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
    local,
)
from convscope.notation.functions import PRIMITIVES, Formula, Function
from convscope.notation.index import Atom, Axis, Index, PlaceTable
from convscope.notation.serial import OPERATIONS
from convscope.notation.sizes import from_plain

Json: TypeAlias = Any

NAMED = {name: kind for kind, name in OPERATIONS.items()}


def from_json(data: dict[str, Json]) -> Equation:
    """Return the equation that `to_json` wrote."""
    return _Reader(data).equation()


class _Reader:
    def __init__(self, data: dict[str, Json]) -> None:
        self.data = data
        self.axes = [
            Axis(a["name"], from_plain(a["size"]), a["word"], "", a["role"]) for a in data["index"]
        ]
        self.tensors = {
            name: Tensor(
                name,
                t["role"],
                None if t["shape"] is None else tuple(from_plain(s) for s in t["shape"]),
            )
            for name, t in data["tensors"].items()
        }
        self.functions = {
            name: Function(name, ("x", "a", "b")[:n]) for name, n in PRIMITIVES.items()
        }
        for name, f in data["functions"].items():
            self.functions[name] = Function(
                f["name"],
                tuple(f["parameters"]),
                _formula(f["formula"]),
                f.get("steep"),
                f.get("taps"),
            )
        for item in data["locals"]:
            axes = [self.axes[a] for a in item["axes"]]
            self.tensors[item["name"]] = local(
                item["name"],
                axes,
                self.expression(item["expression"]),
                item.get("preactivation", False),
                item.get("neutral", False),
            )

    def equation(self) -> Equation:
        axes = [self.axes[a] for a in self.data["axes"]]
        return Equation(axes, self.expression(self.data["expression"]), self.data["name"])

    def whole(self, data: Json) -> Index:
        terms = tuple((self.atom(a), from_plain(f)) for a, f in data["terms"])
        index = Index(terms, from_plain(data["const"]))
        if len(terms) == 1 and terms[0][1] == 1 and index.const == 0:
            return terms[0][0]
        return index

    def atom(self, data: Json) -> Atom:
        if isinstance(data, int):
            return self.axes[data]
        if "table" in data:
            return PlaceTable(self.whole(data["of"]), tuple(data["table"]))
        return NAMED[data["op"]](self.whole(data["of"]), from_plain(data["by"]))

    def expression(self, data: Json) -> Expression:
        if "number" in data:
            return Number(float(data["number"]))
        if "read" in data:
            padding = data.get("padding")
            return Read(
                self.tensors[data["read"]],
                tuple(self.whole(i) for i in data["at"]),
                None
                if padding is None
                else tuple((from_plain(a), from_plain(b)) for a, b in padding),
                data.get("outside", "zero"),
                data.get("scattered", False),
            )
        if "place" in data:
            return Place(self.whole(data["place"]))
        if "inside" in data:
            return Inside(
                tuple(self.whole(i) for i in data["inside"]),
                tuple(from_plain(size) for size in data["sizes"]),
            )
        if "op" in data:
            left, right = data["args"]
            return Binary(data["op"], self.expression(left), self.expression(right))
        if "call" in data:
            arguments = tuple(self.expression(a) for a in data["args"])
            return Call(self.functions[data["call"]], arguments)
        if "pieces" in data:
            along = data["along"]
            return Pieces(
                self.axes[along] if isinstance(along, int) else self.whole(along),
                tuple(from_plain(end) for end in data["ends"]),
                tuple(self.expression(body) for body in data["pieces"]),
            )
        axes = tuple(self.axes[a] for a in data["over"])
        return Reduction(data["reduce"], axes, self.expression(data["body"]))


def _formula(data: Json) -> Formula:
    return tuple(_formula(part) for part in data) if isinstance(data, list) else data
