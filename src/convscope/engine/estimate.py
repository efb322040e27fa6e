"""How much memory a run would take, estimated before anything is made ready for it."""

from __future__ import annotations

import os
from collections.abc import Iterable
from typing import Any

from convscope.errors import EngineError
from convscope.model.graph import Graph
from convscope.notation.sizes import is_known, product, shape_text

SHARE = 0.75
"""Which share of the machine's memory a run may want."""

UNKNOWN_WORK, TIMES = 2 << 30, 8
"""What a run that could not be checked may take: so many bytes, and so many times what is estimated."""

MANY = 32
"""Rows that may go through together, where only that they are many is known."""


def check_run(graph: Graph, keep: Iterable[str], rows: int = 1, count: int = 1) -> None:
    """Raise `EngineError` when a run would want more memory than the machine can give.

    keep     the layers whose activations are kept
    rows     how many inputs go through the network together
    count    how many inputs there are
    """
    wanted = bytes_of_run(graph, keep, rows, count)
    whole = _whole_memory()
    if wanted > whole * SHARE:
        shown = ", ".join(f"{name} {shape_text(s)}" for name, s in graph.inputs.items())
        many = f", {count:,} of them, {rows:,} at once" if count > 1 else ""
        raise EngineError(
            f"running {graph.name} on {shown}{many} would take {wanted / 2**30:,.1f} GiB, and this "
            f"machine has {whole / 2**30:,.1f} GiB; nothing was run. "
            f"{'Fewer at once' if count > 1 else 'A smaller input'} would do, or keep=[…] for fewer "
            f"activations; trace(image, layer, position) takes one number's patch only"
        )


def allowance(graph: Graph, keep: Iterable[str], rows: int = 1) -> int:
    """Return how many bytes a run may take where nobody could check what it takes.

    Much more than is estimated, since nothing is known of some operators; less than the machine has.
    """
    told = UNKNOWN_WORK + TIMES * bytes_of_run(graph, keep, rows)
    return min(told, int(_whole_memory() * SHARE))


def bytes_of_run(graph: Graph, keep: Iterable[str], rows: int = 1, count: int = 1) -> int:
    """Return about how many bytes a run takes: weights, inputs, what is kept, the largest two at work.

    What no one knows before it runs, an opaque layer's output, counts nothing: never too much.
    """
    at_work = max((_size(facts.output_shape) for facts in graph.facts.values()), default=0)
    inputs = sum(map(_size, graph.inputs.values()))
    kept = sum(_size(graph.shape(name)) for name in keep)
    weights = sum(
        _size(shape) for layer in graph.layers for shape in (layer.weight_shapes or {}).values()
    )
    return weights + rows * (inputs + 2 * at_work) + max(rows, count) * kept


def _size(shape: Any) -> int:
    return 4 * int(product(shape)) if all(map(is_known, shape)) else 0


def _whole_memory() -> int:
    try:
        return os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    except (AttributeError, ValueError, OSError):  # not every system says how much it has
        return 1 << 35
