"""What follows from one layer's equation once its input shapes are known."""

from __future__ import annotations

from convscope.errors import SettingError, ShapeError
from convscope.layers.base import Layer
from convscope.notation import Equation, Size, products
from convscope.notation.sizes import UNKNOWN, Shape, is_symbolic, product, shape_text, tidy
from convscope.typed import TYPE_CHECKING, Record

if TYPE_CHECKING:
    from typing import Any


class Facts(Record):
    """One layer in its place: shapes without the batch, weights, counts.

    equation    None for an opaque layer
    macs        multiply–accumulates for one input; None for an opaque layer of which nobody knows
    products    products under sums of two inputs (attention's); None as for macs
    """

    equation: Equation | None
    input_shapes: tuple[Shape, ...]
    output_shape: Shape
    weights: dict[str, Shape]
    params: Size
    trainable: Size
    macs: Size | None
    products: Size | None = None


_known: dict[Any, Facts] = {}
"""Facts of layers with the same settings and shapes, since large networks repeat themselves."""

NONE: frozenset[str] = frozenset()
_MOST_KNOWN = 4096


def facts_of(layer: Layer, shapes: tuple[Shape, ...], learned: frozenset[str] = NONE) -> Facts:
    """Return the facts of a layer on inputs of these shapes.

    learned   the inputs that depend on no input of the network: a kernel that is computed from weights

    Raises `ShapeError` (or `WindowError`) when the layer cannot take them.
    """
    least, most = layer.inputs_taken
    if len(shapes) < least or (most is not None and len(shapes) > most):
        wanted = f"{least} input{'s' if least > 1 else ''}{' or more' if most is None else ''}"
        raise ShapeError(f"{layer.kind} takes {wanted}, not {len(shapes)}")
    if layer.opaque:
        output, weights, trainable = layer.opaque_facts(shapes)
        counted = {n: s for n, s in (weights or {}).items() if n not in layer.uncounted}
        params = UNKNOWN if weights is None else _numbers_of(counted)
        like = layer.counted_as(shapes)
        work, pairs = (None, None) if like is None else products(like, learned)
        return Facts(None, shapes, output, weights or {}, params, trainable, work, pairs)
    common = (layer.trainable, layer.channels_last)
    key = (type(layer), tuple(layer.settings().values()), common, shapes, learned)
    try:
        found = _known.get(key)
    except TypeError:  # a setting that cannot be hashed: a callable object, a list
        return _derive(layer, shapes, learned)
    if found is None:
        if len(_known) >= _MOST_KNOWN:
            _known.clear()
        found = _known[key] = _derive(layer, shapes, learned)
    return found


def _numbers_of(weights: dict[str, Shape]) -> Size:
    return tidy(sum((product(shape) for shape in weights.values()), 0))


def _derive(layer: Layer, shapes: tuple[Shape, ...], learned: frozenset[str]) -> Facts:
    equation = layer.equation(*shapes)
    sizes = (*equation.shape, *[size for shape in shapes for size in shape])
    if {*map(type, sizes)} != {int} and any(map(is_symbolic, sizes)):
        from convscope.notation.rewriting import told_apart

        equation = told_apart(equation)
    read = equation.weights
    names = list(layer.initializers())
    if not names and not read:  # as of most layers
        return Facts(equation, shapes, equation.shape, {}, 0, 0, *products(equation, learned))
    unread = {name: shape for name, shape in layer.unread_shapes(read).items() if name in names}
    if {*read, *unread} != set(names):
        raise SettingError(f"{layer.kind} reads {sorted(read)} but draws {sorted(names)}")
    weights = {name: unread[name] if name in unread else read[name] for name in names}
    for name, shape in weights.items():
        if UNKNOWN in shape:
            raise ShapeError(
                f"{layer.kind}: the shape of its {name}, {shape_text(shape)}, depends on an input "
                f"size that is unknown (None): input {shape_text(shapes[0])}; give that size"
            )
    uncounted = layer.uncounted
    fixed = (*uncounted, *layer.non_trainable) if layer.trainable else tuple(weights)
    trainable = _numbers_of({n: s for n, s in weights.items() if n not in fixed})
    if layer.trainable is None and weights:
        trainable = UNKNOWN
    return Facts(
        equation,
        shapes,
        equation.shape,
        weights,
        _numbers_of({n: s for n, s in weights.items() if n not in uncounted}),
        trainable,
        *products(equation, learned),
    )
