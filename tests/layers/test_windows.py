"""What an equation says it reads is all that matters to a number, whatever the layer."""

from __future__ import annotations

import numpy as np
from campaigns import in_turn
from given import case, samples

from convscope.layers.base import Sample, tensor_names
from convscope.notation.evaluation import evaluate, evaluate_box


@in_turn("sample", samples())
def test_nothing_outside_the_window_matters(sample: Sample) -> None:
    """Everything that lies outside the window is overwritten, and the number stays the same."""
    ours = case(sample)
    for position in ours.positions(6):
        box = [(p, p) for p in position]
        values = dict(ours.values)
        for name in tensor_names(len(sample.shapes)):
            window = ours.equation.window(box, name)
            inside = np.zeros(values[name].shape, dtype=bool)
            if window is not None:
                clipped = zip(window, inside.shape, strict=True)
                inside[tuple(slice(max(a, 0), min(b, n - 1) + 1) for (a, b), n in clipped)] = True
            values[name] = np.where(inside, values[name], np.float32(1e9))
        assert evaluate(ours.equation, position, values) == ours.at(position)


@in_turn("sample", samples())
def test_the_border_of_a_window_matters_somewhere(sample: Sample) -> None:
    """The window of all outputs together is no wider than it must be: some output notices when the
    first number in it changes, to something large or something small, and some output the last."""
    ours = case(sample)
    whole = [(0, s - 1) for s in ours.equation.shape]
    before = evaluate_box(ours.equation, whole, ours.values)
    for name in tensor_names(len(sample.shapes)):
        array = ours.values[name]
        window = ours.equation.window(whole, name)
        assert window is not None
        for corner in (0, 1):
            place = tuple(
                min(max(side[corner], 0), n - 1)
                for side, n in zip(window, array.shape, strict=True)
            )
            noticed = False
            others = [float(x.ravel()[-corner]) for x in ours.inputs if x is not array]
            for other in (1000.0, -1000.0, 0.0, *others):  # 0 and an equal matter to comparisons
                changed = array.copy()
                changed[place] = other
                after = evaluate_box(ours.equation, whole, {**ours.values, name: changed})
                noticed = noticed or bool((before != after).any())
            assert noticed, (name, place)
