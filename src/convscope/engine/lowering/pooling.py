"""Maxima and means of windows as MaxPool and AveragePool."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from convscope.engine.lowering.board import Laid
from convscope.engine.lowering.windows import (
    plain_axes,
    read_whole,
    shape_of,
    size_of,
    window_of,
)
from convscope.notation.expression import (
    Read,
    Reduction,
)

if TYPE_CHECKING:
    from convscope.engine.lowering.expressions import Lowering


def pooled(low: Lowering, node: Reduction) -> Laid | None:
    """Return the maximum or mean of windows as a pooling, where it has that form."""
    gone = set(node.axes)
    image = node.body
    if node.kind not in ("max", "mean") or not isinstance(image, Read):
        return None
    wanted = {"max": ("-inf", "zero"), "mean": ("skip", "zero")}[node.kind]
    windows = {d: w for d, i in enumerate(image.indices) if (w := window_of(i, gone))}
    if not 1 <= len(windows) <= 3 or {w.tap for w in windows.values()} != gone:
        return None
    if image.padding is not None and image.outside not in wanted:
        return None
    shape = shape_of(low, image.tensor)
    plain = {d: i for d, i in enumerate(image.indices) if d not in windows}
    own = plain_axes(plain, shape)
    if own is None or any(w.by > 1 or w.spacing < 1 for w in windows.values()):
        return None
    before, after = [], []
    for d, w in windows.items():
        reach = w.step * (w.place.size - 1) + w.spacing * (w.tap.size - 1) + w.start
        before.append(-w.start)
        left = shape[d] - 1 - reach
        after.append(0 if 0 <= left < w.step else -left)
    board = low.board
    overhang = max(*before, *after, 0) > 0
    if overhang and (image.outside == "zero" or any(w.spacing > 1 for w in windows.values())):
        return None
    if overhang and any(
        p >= w.tap.size for p, w in zip([*before, *after], [*windows.values()] * 2, strict=True)
    ):
        return None
    raw, spatial = read_whole(low, image, list(windows))
    lead = [a for a in raw.axes if a not in spatial]
    x = board.ordered(raw, [*lead, *spatial]).name
    x = board.shaped(x, [1, size_of(lead), *(a.size for a in spatial)]) if len(lead) != 2 else x
    if min(*before, *after, 0) < 0:
        cut = [0, 0, *(min(b, 0) for b in before), 0, 0, *(min(a, 0) for a in after)]
        x = board.node("Pad", x, board.constant(cut, "int64"), board.constant(0.0))
    how: dict[str, Any] = {
        "kernel_shape": [w.tap.size for w in windows.values()],
        "strides": [w.step for w in windows.values()],
        "pads": [max(b, 0) for b in before] + [max(a, 0) for a in after],
    }
    if node.kind == "max":
        y = board.node("MaxPool", x, dilations=[w.spacing for w in windows.values()], **how)
    else:
        if any(w.spacing > 1 for w in windows.values()):
            return None
        y = board.node("AveragePool", x, count_include_pad=0, **how)
    axes = (*lead, *(w.place for w in windows.values()))
    return Laid(board.shaped(y, [a.size for a in axes]), axes)
