"""What a change of a weight, an activation or a pixel does to a number, or to a loss, and why."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import cached_property
from typing import Any

import numpy as np

from convscope.equations.losses import TARGET, loss
from convscope.errors import LayerLookupError, SettingError
from convscope.explain.backward import Backward
from convscope.explain.corners import jumps
from convscope.explain.derivative import SHOWN, Derivative, Products, taken_apart
from convscope.explain.shares import Shares, shares
from convscope.explain.words import exact, grouped
from convscope.model.graph import Graph, Node
from convscope.model.positions import position_in, position_of
from convscope.notation import Equation
from convscope.notation.adjoint import OUTPUT, adjoint
from convscope.notation.evaluation import evaluate, evaluate_all
from convscope.notation.ledger import ledger
from convscope.notation.sizes import shape_text
from convscope.parts import Column, Document, Formula, Heading, Paragraph, Part, Table
from convscope.typed import Array


class Gradient:
    """What a change of each number of a weight, an activation or an input does to a number.

    array   in the layout of what it is the gradient of, without a batch
    value   the number itself: an activation's, or the loss
    """

    def __init__(
        self, backward: Backward, of: str, value: float, to: str, node: str, weight: str | None,
        objective: Equation | None,
    ) -> None:  # fmt: skip
        self.backward = backward
        self.of, self.value, self.to = of, value, to
        self.objective = objective
        self._node, self._weight = node, weight

    @cached_property
    def array(self) -> Array:
        """The gradient, as large as what it is taken by."""
        if self._weight is None:
            return self.backward.activation(self._node)
        return self.backward.weight(self.backward.graph.nodes[self._node], self._weight)

    def _sources(self) -> list[tuple[Node, str]]:
        """Return the layers whose adjoint equations lead back, and the tensor of each."""
        if self._weight is None:
            return self.backward.consumers.get(self._node, [])
        node = self.backward.graph.nodes[self._node]
        return [(one, self._weight) for one in self.backward.holders(node)]

    def at(self, position: Sequence[int]) -> Derivative:
        """Return the ledger of one derivative; negative indices count from the end.

        Raises `PositionError` for a position that there is not.
        """
        shape = self._shape()
        where = position_of(position, shape, self.to)
        seed = self.backward.seeds.get(self._node) if self._weight is None else None
        own = 0.0 if seed is None else float(seed[where])
        equations, products = [], list[Products]()
        sums: list[tuple[Equation, Mapping[str, Any]]] = []
        value = own
        for node, tensor in self._sources():
            equation = self.backward.adjoint(node).get(tensor)
            if equation is None:
                continue
            values = self.backward.values(node)
            part, found = taken_apart(equation, where, values, node)
            value += part
            equations.append((node.name, equation))
            sums.append((equation, values))
            products += found

        def room() -> float:
            found = sum(ledger(equation, where, values).rounding for equation, values in sums)
            given = abs(own) + sum(
                float(np.abs(p.values).sum()) * max(len(p.readings), 1) for p in products
            )
            return float(found + (given + len(sums) * abs(value)) * 2.0**-24)

        return Derivative(
            self.of,
            self.to,
            where,
            value + 0.0,  # not −0
            own,
            tuple(equations),
            tuple(products),
            room,
            tuple(self.backward.graph.inputs),
            self._weight is not None,
            self.objective,
            ()
            if value
            else tuple(jumps((self.backward.equation(n), t) for n, t in self._sources())),
        )

    def _shape(self) -> tuple[int, ...]:
        if self._weight is None:
            return tuple(self.backward.activations[self._node].shape)
        return tuple(self.backward.graph.nodes[self._node].layer.weights[self._weight].shape)

    def shares(self) -> Shares:
        """Return input × gradient, with every bias and what remains: the rows add up to the number explained."""
        return shares(self.backward, self.of, self.value)

    def document(self) -> Document:
        """Return what the gradient is, and where it is largest."""
        array = self.array
        parts: list[Part] = [
            Heading(f"The gradient of {self.of} with respect to {self.to}"),
            Paragraph(
                f"{self.of} is {exact(self.value)}. Its gradient has the shape of {self.to}, "
                f"{shape_text(array.shape)}: what a small step of each of its {grouped(array.size)} "
                f"numbers does, for one unit of step."
            ),
        ]
        if self.objective is not None:
            parts.append(Formula(str(self.objective), self.objective.latex()))
        for node, tensor in self._sources():
            equation = self.backward.adjoint(node).get(tensor)
            if equation is not None:
                parts += [
                    Paragraph(f"Led back through {node.name}:"),
                    Formula(str(equation), equation.latex()),
                ]
        parts.append(_largest(array))
        return Document(tuple(parts))

    def to_dict(self) -> dict[str, Any]:
        """Return the gradient as plain data, with every number."""
        return {
            "of": self.of,
            "value": self.value,
            "to": self.to,
            "shape": list(self.array.shape),
            "equations": [
                str(self.backward.adjoint(node)[tensor])
                for node, tensor in self._sources()
                if tensor in self.backward.adjoint(node)
            ],
            "gradient": self.array.tolist(),
        }


def _largest(array: Array) -> Table:
    flat = np.abs(array).ravel()
    order = np.argsort(-flat, kind="stable")[:SHOWN]
    rows = []
    for number in order.tolist():
        where = tuple(int(p) for p in np.unravel_index(number, array.shape))
        rows.append((f"({', '.join(map(str, where))})", exact(float(array[where]))))
    zeros = int((array == 0).sum())
    return Table(
        (Column("at"), Column("derivative", "right")),
        tuple(rows),
        caption=f"The largest of {grouped(array.size)}; {grouped(zeros)} of them are 0.",
    )


def gradient(
    graph: Graph,
    activations: Mapping[str, Array],
    of: tuple[str, Sequence[int]] | str | None,
    to: str,
    objective: str | None = None,
    target: Any = None,
    from_logits: bool = False,
    dtype: Any = np.float64,
) -> Gradient:
    """Return the gradient of a number of a run, or of a loss of its output, by something.

    of           (layer, position) of the number; or, with a loss, the layer whose output it is of
    to           a layer (its activation), "layer.weight", or an input's name
    objective    a loss's name; `target` is the class or an array of the output's shape
    """
    name, weight = meant(graph, to)
    equation = None
    if objective is None:
        if of is None or isinstance(of, str):
            raise SettingError("gradient needs of=(layer, position), or loss=…")
        layer, position = of
        node = graph.node(layer).name
        where = position_in(graph, node, position)
        seed = np.zeros(activations[node].shape)
        seed[where] = 1.0
        value = float(activations[node][where])
        said = f"{node}({', '.join(map(str, where))})"
    else:
        if of is not None and not isinstance(of, str):
            raise SettingError("a loss is of a whole output: give of= a layer's name, or nothing")
        node = graph.node(of).name if of else graph.outputs[0]
        output = activations[node]
        whole = int(target) if isinstance(target, (int, np.integer)) else None
        equation = loss(objective, tuple(output.shape), whole, from_logits)
        values: dict[str, Any] = {"in": output}
        if any(t.name == TARGET for t in equation.inputs):
            given = np.asarray(target, np.float64)
            if given.shape != output.shape:
                raise SettingError(
                    f"{objective} needs a target of the output's shape {shape_text(output.shape)}, "
                    f"not {shape_text(given.shape)}"
                )
            values[TARGET] = given
        value = evaluate(equation, (), values)
        seed = evaluate_all(adjoint(equation)["in"], {**values, OUTPUT: np.float64(1.0)})
        said = f"the loss {objective} of {node}"
    backward = Backward(graph, activations, {node: seed}, dtype)
    if name not in backward.reached:
        raise LayerLookupError(f"{said} does not depend on {to}: {name} is not on the way to it")
    backward.check(name, weight is not None)
    return Gradient(backward, said, value, to, name, weight, equation)


def meant(graph: Graph, to: str) -> tuple[str, str | None]:
    """Return the layer or input, and the weight, that a name means."""
    if not isinstance(to, str):
        return graph.node(to).name, None
    if to in graph.inputs or to in graph.nodes:
        return to, None
    layer, dot, weight = to.rpartition(".")
    if dot and layer in graph.nodes:
        held = graph.facts[layer].weights
        if weight in held:
            return layer, weight
        some = ", ".join(f"{layer}.{name}" for name in held) or "none"
        raise LayerLookupError(f"{layer} has no weight {weight}; it has {some}")
    return graph.node(to).name, None
