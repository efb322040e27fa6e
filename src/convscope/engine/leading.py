"""All gradients of a network's weights at once, for one input: as one ONNX graph, run by ONNX Runtime."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from convscope.engine.step import SHARE, Goal, Step
from convscope.equations.losses import TARGET, loss
from convscope.errors import LayerLookupError, SettingError
from convscope.model.graph import Graph
from convscope.notation import Axis, Equation, source
from convscope.notation.rewriting import batched
from convscope.notation.sizes import shape_text
from convscope.typed import Array


def gradients(
    graph: Graph,
    inputs: Mapping[str, Array],
    of: tuple[str, Sequence[int]] | str | None,
    objective: str | None,
    target: Any,
    from_logits: bool,
    to: str | None = None,
) -> dict[str, Array]:
    """Return what a change of each weight does to a number, or to a loss: "layer.weight" → array of float32.

    inputs      by name, without a batch axis
    of          (layer, position) of the number; with a loss nothing, or the layer it is of
    to          the one thing that it is wanted by: an input, a layer or "layer.weight"; all weights by default
    """
    row = Axis("n", 1, "image")
    if objective is None:
        assert of is not None and not isinstance(of, str)
        name, position = of
        shape = tuple(graph.shape(name))
        goal, wanted = Equation((), source(shape)[tuple(position)], "number"), np.zeros(shape)
    else:
        name = of if isinstance(of, str) else graph.outputs[0]
        shape = tuple(graph.shape(name))
        goal = loss(objective, shape, None, from_logits, shown=True)
        if isinstance(target, (int, np.integer)) and not isinstance(target, bool):
            if not 0 <= target < shape[-1]:
                raise SettingError(f"target = {target} is no class: they are 0 … {shape[-1] - 1}")
            wanted = (np.arange(shape[-1]) == target).astype(np.float32)
        else:
            wanted = np.asarray(target, np.float32)
        if wanted.shape != shape:
            raise SettingError(
                f"{objective} needs a target of the output's shape {shape_text(shape)}, not "
                f"{shape_text(wanted.shape)}"
            )
    needed = graph.needed([name])
    led = [to] if to in needed or to in graph.inputs else []
    trained = [
        (one, weight)
        for one in needed
        for weight in graph.facts[one].weights
        if (
            to == f"{one}.{weight}"
            if to is not None
            else weight not in graph.nodes[one].layer.non_trainable
            and weight not in graph.nodes[one].layer.uncounted
        )
    ]
    goals = [Goal(name, batched(goal, row, ("in", TARGET)))]
    step = Step(graph, 1, goals, trained, led=led, learns=False)
    given: dict[str, Array] = {n: a[np.newaxis] for n, a in inputs.items()}
    given |= {f"{name}/{TARGET}": wanted[np.newaxis], f"{name}/{SHARE}": np.ones(1, np.float32)}
    for one in needed:
        layer = graph.nodes[one].layer
        for weight, array in layer.weights.items():
            given.setdefault(f"{step.names[id(layer)]}.{weight}", array)
    found = step.run(given)
    back = {key[1:]: array for key, array in found.items() if key.startswith("∂")}
    if to is None:
        return back
    if not back:
        raise LayerLookupError(f"{name} does not depend on {to}")
    (array,) = back.values()  # a shared weight is called after the first layer that has it
    return {to: array[0] if led else array}
