"""One step of training as one ONNX graph: forwards, the loss, and back to every weight.

Forwards are the layers' equations over a batch; backwards are their adjoints, from the loss. Both become
operators by their form (`lowering`): no layer states how it is led back.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from functools import partial
from typing import Any

import numpy as np

from convscope.engine.lowering import Board, Held, Laid, Lowering, Program
from convscope.equations.losses import TARGET
from convscope.equations.penalties import WEIGHT, penalty
from convscope.errors import UnsupportedError
from convscope.layers.base import Layer, Learning, tensor_names
from convscope.model.graph import Graph, Node
from convscope.notation import Axis, Equation
from convscope.notation.adjoint import OUTPUT, adjoint
from convscope.typed import Array, Record

SHARE = "share"
"""By what each image's loss is multiplied before all are added."""


class Goal(Record):
    """A loss of one output: its equation over a batch, which reads "in" and `target`."""

    output: str
    equation: Equation


class Step:
    """Forwards and backwards for a batch of so many images.

    goals       the losses; the sum of all, each image's times its share, is what is led back
    trained     the weights whose gradients are wanted, as (node, weight)
    penalties   what large weights cost: (node, weight) → (l1, l2)
    keep        layers whose activations are wanted
    led         layers and inputs for whose numbers the gradient is wanted
    learns      whether layers are what they are in training (batch statistics, dropout), or as always
    chosen      whether gates choose (`Board`). By default they are products; where a gradient then is not finite, the
                step is made once more, with gates that choose
    """

    def __init__(
        self,
        graph: Graph,
        rows: int,
        goals: Sequence[Goal],
        trained: Iterable[tuple[str, str]],
        penalties: Mapping[tuple[str, str], tuple[float, float]] | None = None,
        keep: Iterable[str] = (),
        led: Iterable[str] = (),
        learns: bool = True,
        chosen: bool = False,
    ) -> None:
        self._again = partial(
            Step,
            graph,
            rows,
            goals,
            trained := tuple(trained),
            penalties,
            keep := tuple(keep),
            led := tuple(led),
            learns,
            True,
        )
        self._careful: Step | None = None
        self.chosen = chosen
        self.graph, self.rows, self.goals, self.learns = graph, rows, tuple(goals), learns
        self.row = Axis("n", rows, "image")
        self.board = Board(chosen)
        self.inputs: dict[str, tuple[int, ...]] = {}
        self.noise: dict[str, Any] = {}
        self._outputs: dict[str, tuple[Laid, Sequence[Axis]]] = {}
        self._axes: dict[str, tuple[Axis, ...]] = {}
        self._laid: dict[str, Laid] = {}
        self._held: dict[str, Held] = {}
        self._scopes: dict[str, Lowering] = {}
        self.learning: dict[str, Learning] = {}
        self.names = {id(n.layer): n.name for n in reversed(graph.nodes.values())}
        """By layer: the first node that it stands at, which its weights are called after."""
        for name in graph.needed([goal.output for goal in goals]):
            self._forwards(graph.nodes[name])
        for name in dict.fromkeys([*(goal.output for goal in goals), *keep]):
            self._want(name, self._laid[name], self._axes[name])
        wanted = {(self.names[id(graph.nodes[n].layer)], w) for n, w in trained}
        self._backwards(wanted, set(led))
        self._punish(penalties or {}, wanted)
        self._program = Program(self.board, self.inputs, self._outputs, f"a step of {graph.name}")

    @property
    def apart(self) -> bool:
        """Whether images do not touch one another: nothing is drawn for all, and no statistics are taken of them."""
        return not self.noise and not any(name.endswith(" after") for name in self._outputs)

    # -- forwards ---------------------------------------------------------------------------------

    @property
    def operators(self) -> list[Any]:
        """The ONNX operators of the step, in their order."""
        return self._program.operators

    def _forwards(self, node: Node) -> None:
        facts = self.graph.facts[node.name]
        if facts.equation is None:
            raise UnsupportedError(
                f"{node.name} ({node.layer.kind}) has no equation, so nothing can be led back through it"
            )
        for feed in node.inputs:
            if feed not in self._held:
                self._input(feed)
        self.board.prefix = node.name
        kind = node.layer.learning if self.learns else partial(Layer.learning, node.layer)
        learning = kind(self.row, *facts.input_shapes)
        self.learning[node.name] = learning
        values = {
            tensor: self._held[feed]
            for tensor, feed in zip(tensor_names(len(node.inputs)), node.inputs, strict=True)
        }
        owner = self.names[id(node.layer)]
        for weight, shape in facts.weights.items():
            values[weight] = self._given(f"{owner}.{weight}", tuple(shape))
        for noise, (shape, draw) in learning.noise.items():
            values[noise] = self._given(f"{node.name}/{noise}", shape)
            self.noise[f"{node.name}/{noise}"] = (node.name, draw)
        scope = self._scopes[node.name] = Lowering(self.board, values)
        laid = scope.equation(learning.equation)
        self._laid[node.name], self._axes[node.name] = laid, learning.equation.axes
        self._held[node.name] = scope.held(laid, learning.equation.axes)
        for weight, equation in learning.moved.items():
            self._want(f"{owner}.{weight} after", scope.equation(equation), equation.axes)

    def _input(self, name: str) -> None:
        shape = (self.rows, *self.graph.inputs[name])
        self._held[name] = self._given(name, shape)
        axes = (self.row, *(Axis(f"t{n}", size) for n, size in enumerate(shape[1:])))
        self._axes[name], self._laid[name] = axes, Laid(name, axes)

    def _given(self, name: str, shape: tuple[int, ...]) -> Held:
        self.inputs[name] = shape
        return Held.plain(name, shape)

    def _want(self, name: str, laid: Laid, axes: Sequence[Axis]) -> None:
        self._outputs[name] = (laid, axes)

    # -- backwards --------------------------------------------------------------------------------

    def _backwards(self, wanted: set[tuple[str, str]], led: set[str]) -> None:
        graph = self.graph
        reached: dict[str, Laid] = {}
        gradients: dict[tuple[str, str], Laid] = {}
        weight_axes: dict[tuple[str, str], tuple[Axis, ...]] = {}
        for number, goal in enumerate(self.goals):
            self.board.prefix = f"loss_{number}"
            shape = tuple(axis.size for axis in self._axes[goal.output])
            values = {"in": self._held[goal.output]}
            values[TARGET] = self._given(f"{goal.output}/{TARGET}", shape)
            values[OUTPUT] = self._given(f"{goal.output}/{SHARE}", (self.rows,))
            scope = Lowering(self.board, values)
            self._want(f"{goal.output}/loss", scope.equation(goal.equation), goal.equation.axes)
            if not wanted and not led:
                continue
            found = adjoint(goal.equation)["in"]
            self._add(reached, goal.output, self._renamed(scope, found, self._axes[goal.output]))
        asked = self._asked(wanted, led)
        for name in reversed(list(self._scopes)):
            node = graph.nodes[name]
            if name not in reached:
                continue
            if name in led:
                self._want(f"∂{name}", reached[name], self._axes[name])
            owner = self.names[id(node.layer)]
            mine = [w for w in graph.facts[name].weights if (owner, w) in wanted]
            feeds = [feed for feed in node.inputs if feed in asked]
            if not mine and not feeds:
                continue
            self.board.prefix = f"{name}/back"
            scope = self._scopes[name]
            scope.values[OUTPUT] = scope.held(reached[name], self._axes[name])
            back = adjoint(self.learning[name].equation)
            for weight in mine:
                equation = back.get(weight)
                if equation is None:
                    continue
                key = (owner, weight)
                axes = weight_axes.setdefault(key, equation.axes)
                self._add(gradients, key, self._renamed(scope, equation, axes))
            for tensor, feed in zip(tensor_names(len(node.inputs)), node.inputs, strict=True):
                if feed in asked and tensor in back:
                    self._add(reached, feed, self._renamed(scope, back[tensor], self._axes[feed]))
        for name in led:
            if name in graph.inputs and name in reached:
                self._want(f"∂{name}", reached[name], self._axes[name])
        self._gradients, self._weight_axes = gradients, weight_axes
        for (owner, weight), laid in gradients.items():
            self._want(f"∂{owner}.{weight}", laid, weight_axes[owner, weight])

    def _asked(self, wanted: set[tuple[str, str]], led: set[str]) -> set[str]:
        """Return the layers and inputs that gradients must be led back to."""
        asked = set(led)
        for name in self._scopes:
            node = self.graph.nodes[name]
            owner = self.names[id(node.layer)]
            if any(o == owner for o, _ in wanted) or any(feed in asked for feed in node.inputs):
                asked.add(name)
        return asked

    def _renamed(self, scope: Lowering, equation: Equation, axes: Sequence[Axis]) -> Laid:
        """Return all outputs of an equation, over axes of another's in the place of its own."""
        laid = scope.equation(equation)
        own = list(equation.axes)
        return Laid(laid.name, tuple(axes[own.index(axis)] for axis in laid.axes))

    def _add(self, found: dict[Any, Laid], key: Any, more: Laid) -> None:
        found[key] = self.board.together("Add", found[key], more) if key in found else more

    def _punish(
        self,
        penalties: Mapping[tuple[str, str], tuple[float, float]],
        wanted: set[tuple[str, str]],
    ) -> None:
        for (name, weight), (l1, l2) in penalties.items():
            owner = self.names[id(self.graph.nodes[name].layer)]
            key = f"{owner}.{weight}"
            if key not in self.inputs:
                continue
            self.board.prefix = f"{owner}/penalty"
            equation = penalty(self.inputs[key], l1, l2)
            values = {WEIGHT: Held.plain(key, self.inputs[key]), OUTPUT: Held("one", (), ())}
            scope = Lowering(self.board, values)
            one = self.board.constant(1.0)
            scope.values[OUTPUT] = Held(one, (), ())
            self._want(f"{key} penalty", scope.equation(equation), ())
            if (owner, weight) in wanted:
                back = adjoint(equation)[WEIGHT]
                axes = self._weight_axes.setdefault((owner, weight), back.axes)
                more = self._renamed(scope, back, axes)
                self._add(self._gradients, (owner, weight), more)
                self._want(f"∂{key}", self._gradients[owner, weight], axes)

    # -- running ----------------------------------------------------------------------------------

    def run(self, given: Mapping[str, Array]) -> dict[str, Array]:
        """Return the activations, losses ("output/loss"), gradients ("∂layer.weight") and moved weights
        ("layer.weight after") for these inputs, targets, shares, weights and noise."""
        found = self._program.run(given)
        if self.chosen or all(np.isfinite(a).all() for name, a in found.items() if name[0] == "∂"):
            return found
        self._careful = self._careful or self._again()
        return self._careful.run(given)
