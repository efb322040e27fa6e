"""Operations of keras.ops that say where numbers lie, and products of tensors.

out[y, c] = in[y + 1, 2, c]
"""

from __future__ import annotations

from convscope.equations.einsum import einsum, sizes_of
from convscope.equations.layout import axes_of
from convscope.equations.merging import broadcast
from convscope.equations.moving import padded, picked, reflected, rolled, tiled
from convscope.equations.products import matrix_product
from convscope.equations.stating import NoEquation
from convscope.errors import ShapeError
from convscope.layers.arguments import place_of
from convscope.layers.base import Form
from convscope.layers.operation_call import Called, StatedOperation
from convscope.notation import Equation, Pieces
from convscope.notation.sizes import (
    Size,
    ceil_div,
    is_known,
    is_one,
    shape_text,
    surely_less,
    tidy,
)
from convscope.typed import TYPE_CHECKING, Record

if TYPE_CHECKING:
    from typing import Any

MOST_PARTS = 1 << 20

# -- where numbers lie ----------------------------------------------------------------------------


class _Cut(Record):
    """What GetItem makes of one axis of its input: a start, a step, how many; `count` None: a single place."""

    start: Any
    step: int
    count: Any


def _cuts(given: Called) -> list[Any]:
    """Return for each part of a key what it means: a `_Cut` for an axis of the input, None for a new axis."""
    key = given.given[1] if len(given.given) > 1 else None
    key = list(key) if isinstance(key, (list, tuple)) else [key]
    taken = sum(part is not None and part is not Ellipsis for part in key)
    rank = len(given.shape) + 1
    if taken > rank or sum(part is Ellipsis for part in key) > 1:
        raise ShapeError(f"GetItem: {len(key)} parts do not fit {rank} axes")
    where = key.index(Ellipsis) if Ellipsis in key else len(key)
    key[where : where + 1] = [slice(None)] * (rank - taken)
    if not key or not isinstance(key[0], slice) or key[0] != slice(None):
        raise NoEquation("it picks images of a batch")
    sizes = iter(given.shape)
    found: list[Any] = []
    for part in key[1:]:
        if part is None:
            found.append(None)
            continue
        size = next(sizes)
        if isinstance(part, slice):
            found.append(_picked(part, size))
        elif type(part) is int and not surely_less(size, part + 1 if part >= 0 else -part):
            found.append(_Cut(part if part >= 0 else tidy(size + part), 1, None))
        else:
            raise NoEquation(f"its key {part!r:.40} is neither a slice nor a place")
    return found


def _picked(part: slice, size: Size) -> _Cut:
    """Return what a slice picks of an axis, as Python does; of one of unknown size as far as can be said."""
    if is_known(size):
        picks = range(size)[part]
        if not picks:
            raise ShapeError(f"GetItem: {part} picks nothing of {size}")
        return _Cut(picks.start, picks.step, len(picks))
    step = 1 if part.step is None else part.step
    if type(step) is not int or step == 0:
        raise NoEquation(f"its slice {part} has no step")

    def place(value: Any, otherwise: Size) -> Size:
        if value is None:
            return otherwise
        found: Size = value if value >= 0 else tidy(size + value)
        return found

    first = place(part.start, 0 if step > 0 else tidy(size - 1))
    end = place(part.stop, size if step > 0 else -1)
    return _Cut(
        first, step, ceil_div(tidy(end - first) if step > 0 else tidy(first - end), abs(step))
    )


def _item(given: Called) -> Equation:
    cuts = _cuts(given)
    sizes = [
        1 if cut is None else cut.count for cut in cuts if cut is None or cut.count is not None
    ]
    axes = given.axes(tuple(sizes))
    out = iter(axes)
    at: list[Any] = []
    for cut in cuts:
        if cut is None:
            next(out)
        elif cut.count is None:
            at.append(cut.start)
        else:
            at.append(next(out) * cut.step + cut.start)
    return Equation(axes, given.tensors[0][tuple(at)])


def _write_item(given: Called, form: Form, inputs: list[str]) -> str:
    cuts = _cuts(given)
    own = [cut for cut in cuts if cut is not None]
    starts = [cut.start for cut in own]
    steps = [cut.step for cut in own]
    ends = [_end(cut) for cut in own]
    over = list(range(1, len(own) + 1))
    parts = (form.constant(p, "int64") for p in (starts, ends, over, steps))
    y = form.node("Slice", inputs[0], *parts)
    single = [n for n, cut in enumerate(own, 1) if cut.count is None]
    if single:
        y = form.node("Squeeze", y, form.constant(single, "int64"))
    left = [cut for cut in cuts if cut is None or cut.count is not None]
    new = [n for n, cut in enumerate(left, 1) if cut is None]
    return form.node("Unsqueeze", y, form.constant(new, "int64")) if new else y


TO_THE_END = 2**62


def _end(cut: _Cut) -> int:
    if cut.count is None:
        return int(cut.start) + 1
    if not is_known(cut.count):
        return TO_THE_END
    end: int = cut.start + cut.step * cut.count
    return end if end >= 0 else -TO_THE_END


def _flip(given: Called) -> Equation:
    axes, places = given.axes(given.shape), given.places()
    at = [axis.size - 1 - axis if n in places else axis for n, axis in enumerate(axes)]
    return Equation(axes, given.tensors[0][tuple(at)])


def _write_flip(given: Called, form: Form, inputs: list[str]) -> str:
    places = given.places()
    parts = (
        [-1] * len(places),
        [-TO_THE_END] * len(places),
        [p + 1 for p in places],
        [-1] * len(places),
    )
    return form.node("Slice", inputs[0], *(form.constant(p, "int64") for p in parts))


def _shifts(given: Called) -> list[int]:
    shift, axis = given.options.get("shift"), given.options.get("axis")
    shifts = shift if isinstance(shift, (list, tuple)) else [shift]
    axes = axis if isinstance(axis, (list, tuple)) else [axis]
    if (
        axis is None
        or len(shifts) != len(axes)
        or any(type(v) is not int for v in (*shifts, *axes))
    ):
        raise NoEquation("it rolls the whole batch as one row")
    found = [0] * len(given.shape)
    for one, along in zip(shifts, axes, strict=True):
        found[place_of(along, given.shape, "Roll: axis")] += one
    return [s % n if s and is_known(n) else s for s, n in zip(found, given.shape, strict=True)]


def _roll(given: Called) -> Equation:
    axes, shifts = given.axes(given.shape), _shifts(given)
    if all(is_known(n) for s, n in zip(shifts, given.shape, strict=True) if s):
        return rolled(
            given.tensors[0],
            axes,
            [s if is_known(a.size) else 0 for s, a in zip(shifts, axes, strict=True)],
        )
    at = tuple((a + a.size - s) % a.size if s else a for s, a in zip(shifts, axes, strict=True))
    return Equation(axes, given.tensors[0][at])


def _write_roll(given: Called, form: Form, inputs: list[str]) -> str:
    y = inputs[0]
    for axis, shift in enumerate(_shifts(given), 1):
        if shift:
            over, cut = form.constant([axis], "int64"), form.constant([-shift], "int64")
            last = form.node("Slice", y, cut, form.constant([TO_THE_END], "int64"), over)
            first = form.node("Slice", y, form.constant([0], "int64"), cut, over)
            y = form.node("Concat", last, first, axis=axis)
    return y if y != inputs[0] else form.node("Identity", y)


def _stack(given: Called) -> Equation:
    shape = broadcast(given.shapes, "Stack")
    if any(len(s) != len(shape) for s in given.shapes):
        raise ShapeError(
            f"Stack: inputs must have one shape, not {', '.join(map(shape_text, given.shapes))}"
        )
    place, many = given.place(more=1), len(given.shapes)
    axes = given.axes((*shape[:place], many, *shape[place:]))
    at = tuple(axis for n, axis in enumerate(axes) if n != place)
    bodies = tuple(tensor[at] for tensor in given.tensors)
    if many == 1:
        return Equation(axes, bodies[0])
    return Equation(axes, Pieces(axes[place], tuple(range(1, many + 1)), bodies))


def _write_stack(given: Called, form: Form, inputs: list[str]) -> str:
    place = given.place(more=1) + 1
    over = form.constant([place], "int64")
    return form.node("Concat", *(form.node("Unsqueeze", x, over) for x in inputs), axis=place)


def _part(given: Called) -> tuple[int, Any, Any, bool]:
    """Return along which place an output is cut out, from where up to where, and whether the axis goes."""
    place, output = given.place(), given.layer.output
    size = given.shape[place]
    parts = given.options.get("indices_or_sections")
    edges: list[Any]
    if given.name == "Unstack":
        edges = [*range(output + 2)]
    elif type(parts) is int and 0 < parts <= MOST_PARTS:
        if is_known(size) and size % parts:
            raise ShapeError(f"Split: an axis of {size} cannot be split into {parts}")
        edges = [tidy(size // parts * n) for n in range(parts)] + [size]
    elif isinstance(parts, (list, tuple)) and all(type(p) is int for p in parts):
        edges = [0, *(p if p >= 0 else tidy(size + p) for p in parts), size]
        edges = [min(e, size) if is_known(e) and is_known(size) else e for e in edges]
    else:
        raise ShapeError(f"Split: an axis of {size} cannot be split into {parts!r:.40}")
    if (
        output + 1 >= len(edges)
        or not (surely_less(edges[output], edges[output + 1]) or not is_known(edges[output + 1]))
        or surely_less(size, edges[output + 1])
    ):
        raise ShapeError(f"{given.name}: there is no output {output}")
    return place, edges[output], edges[output + 1], given.name == "Unstack"


def _parted(given: Called) -> Equation:
    place, first, end, gone = _part(given)
    shape = given.shape
    kept = (*shape[:place], *(() if gone else (tidy(end - first),)), *shape[place + 1 :])
    axes = given.axes(kept)
    at: list[Any] = list(axes)
    if gone:
        at.insert(place, first)
    else:
        at[place] = axes[place] + first
    return Equation(axes, given.tensors[0][tuple(at)])


def _write_parted(given: Called, form: Form, inputs: list[str]) -> str:
    place, first, end, gone = _part(given)
    over = form.constant([place + 1], "int64")
    ends = (form.constant([p], "int64") for p in (first, end))
    y = form.node("Slice", inputs[0], *ends, over)
    return form.node("Squeeze", y, over) if gone else y


def _expanded(given: Called) -> Equation:
    place = given.place(more=1)
    axes = given.axes((*given.shape[:place], 1, *given.shape[place:]))
    return Equation(axes, given.tensors[0][(*axes[:place], *axes[place + 1 :])])


def _squeezed_places(given: Called) -> list[int]:
    if given.options.get("axis") is not None:
        return given.places()
    if not all(map(is_known, given.shape)):
        raise NoEquation("it leaves out axes of unknown size")
    return [n for n, size in enumerate(given.shape) if is_one(size)]


def _squeezed(given: Called) -> Equation:
    places = _squeezed_places(given)
    if any(is_known(given.shape[p]) and given.shape[p] != 1 for p in places):
        raise ShapeError(f"Squeeze: {shape_text(given.shape)} has more than one position there")
    axes = given.axes(tuple(s for n, s in enumerate(given.shape) if n not in places))
    out = iter(axes)
    at = tuple(0 if n in places else next(out) for n in range(len(given.shape)))
    return Equation(axes, given.tensors[0][at])


def _taken(given: Called) -> tuple[int, list[int]]:
    place = given.place()
    where = given.given[1] if len(given.given) > 1 else None
    many = [w for w in where if type(w) is int] if isinstance(where, (list, tuple)) else []
    size = given.shape[place]
    if not many or len(many) != len(where or ()):
        raise NoEquation("it takes places that are not written out")
    if is_known(size) and not all(-size <= w < size for w in many):
        raise ShapeError(f"Take: there is no place {many} among {size}")
    if not is_known(size) and min(many) < 0:
        raise NoEquation("it counts from the end of an axis of unknown size")
    return place, [w % size if is_known(size) else w for w in many]


def _take(given: Called) -> Equation:
    place, where = _taken(given)
    axes = given.axes((*given.shape[:place], len(where), *given.shape[place + 1 :]))
    return picked(given.tensors[0], axes, place, where)


def _write_take(given: Called, form: Form, inputs: list[str]) -> str:
    place, where = _taken(given)
    return form.node("Gather", inputs[0], form.constant(where, "int64"), axis=place + 1)


def _repeats(given: Called) -> int:
    repeats = given.options.get("repeats")
    if type(repeats) is not int or repeats < 1 or given.options.get("axis") is None:
        raise NoEquation("it repeats each place a number of times of its own, or the whole batch")
    return int(repeats)


def _repeat(given: Called) -> Equation:
    place, many = given.place(), _repeats(given)
    longer = tidy(given.shape[place] * many)
    axes = given.axes((*given.shape[:place], longer, *given.shape[place + 1 :]))
    at = tuple(axis // many if n == place else axis for n, axis in enumerate(axes))
    return Equation(axes, given.tensors[0][at])


def _write_repeat(given: Called, form: Form, inputs: list[str]) -> str:
    place, many = given.place(), _repeats(given)
    y = form.node("Unsqueeze", inputs[0], form.constant([place + 2], "int64"))
    times = [1] * (len(given.shape) + 2)
    times[place + 2] = many
    y = form.node("Tile", y, form.constant(times, "int64"))
    kept = [0, *([0] * place), -1]
    if place == len(given.shape) - 1:
        return form.node("Reshape", y, form.constant(kept, "int64"))
    # the axes behind have moved on by one, so that they are told by their sizes
    behind = given.shape[place + 1 :]
    if not all(map(is_known, behind)):
        raise ShapeError(f"Repeat: sizes must be known, not {shape_text(given.shape)}")
    return form.node("Reshape", y, form.constant([*kept, *behind], "int64"))


def _times(given: Called) -> list[int]:
    repeats = given.options.get("repeats")
    many = list(repeats) if isinstance(repeats, (list, tuple)) else [repeats]
    many = [1] * (len(given.shape) + 1 - len(many)) + many
    if (
        len(many) != len(given.shape) + 1
        or many[0] != 1
        or any(type(m) is not int or m < 1 for m in many)
    ):
        raise NoEquation("it repeats images of a batch")
    return [m for m in many[1:] if type(m) is int]


def _tile(given: Called) -> Equation:
    longer = [tidy(s * m) for s, m in zip(given.shape, _times(given), strict=True)]
    return tiled(given.tensors[0], given.shape, given.axes(tuple(longer)))


def _pads(given: Called) -> list[tuple[int, int]]:
    width = given.options.get("pad_width")
    if type(width) is int:
        width = [[0, 0]] + [[width, width]] * len(given.shape) if width == 0 else None
    pairs = [tuple(p) if isinstance(p, (list, tuple)) else (p, p) for p in width or ()]
    if len(pairs) != len(given.shape) + 1 or pairs[0] != (0, 0):
        raise NoEquation("it pads the batch")
    if any(len(p) != 2 or any(type(v) is not int or v < 0 for v in p) for p in pairs):
        raise NoEquation(f"its pad_width is {width!r:.60}")
    return [(p[0], p[1]) for p in pairs[1:]]


def _pad(given: Called) -> Equation:
    pads, mode = _pads(given), given.options.get("mode", "constant")
    longer = tuple(tidy(s + a + b) for s, (a, b) in zip(given.shape, pads, strict=True))
    axes = given.axes(longer)
    if mode == "reflect":
        if not all(map(is_known, longer)):
            raise NoEquation("it mirrors an axis of unknown size")
        return reflected(given.tensors[0], axes, pads)
    if mode == "edge":
        return padded(given.tensors[0], axes, pads, "edge")
    if mode != "constant":
        raise NoEquation(f"its mode is {mode!r:.20}")
    return padded(
        given.tensors[0], axes, pads, value=float(given.options.get("constant_values") or 0.0)
    )


def _write_pad(given: Called, form: Form, inputs: list[str]) -> str:
    pads = [(0, 0), *_pads(given)]
    both = [before for before, _ in pads] + [after for _, after in pads]
    value = form.constant(float(given.options.get("constant_values") or 0.0))
    mode = given.options.get("mode", "constant")
    return form.node("Pad", inputs[0], form.constant(both, "int64"), value, mode=mode)


# -- products -------------------------------------------------------------------------------------


def _matmul(given: Called) -> Equation:
    a, b = given.tensors
    first, second = given.shapes
    if len(first) < 2 or len(second) < 2:
        raise NoEquation("it multiplies one matrix for each image and a row")
    return matrix_product(
        lambda *at: a[at], lambda *at: b[at], (first, second), lambda s: axes_of(s), "Matmul"
    )


def _write_matmul(given: Called, form: Form, inputs: list[str]) -> str:
    return form.node("MatMul", *given.names(form, inputs))


def _letters(given: Called) -> tuple[list[str], str]:
    text = given.options.get("subscripts")
    left, arrow, result = (
        text.replace(" ", "").partition("->") if isinstance(text, str) else ("", "", "")
    )
    terms = left.split(",")
    batch = result[:1]
    plain = all(term.isalpha() for term in (*terms, result))
    if (
        not arrow
        or not plain
        or len(terms) != len(given.shapes)
        or any(t[0] != batch for t in terms)
    ):
        raise NoEquation(f"it is spelled {text!r:.60}")
    if any(batch in term[1:] for term in (*terms, result)):
        raise NoEquation("it mixes images of a batch")
    return [term[1:] for term in terms], result[1:]


def _einsum(given: Called) -> Equation:
    terms, result = _letters(given)
    sizes = sizes_of(terms, given.shapes, "Einsum")
    reads = [lambda *at, x=tensor: x[at] for tensor in given.tensors]
    axes = given.axes(tuple(sizes[c] for c in result))
    taken = {axis.name for axis in axes}
    called = {c: c if c not in taken else 2 * c for c in sizes}
    return Equation(*einsum(terms, result, sizes, given.shapes, reads, axes, called))


PLACES: dict[str, StatedOperation] = {
    "GetItem": StatedOperation(_item, _write_item),
    "Flip": StatedOperation(_flip, _write_flip),
    "Roll": StatedOperation(_roll, _write_roll),
    "Stack": StatedOperation(_stack, _write_stack),
    "Split": StatedOperation(_parted, _write_parted),
    "Unstack": StatedOperation(_parted, _write_parted),
    "ExpandDims": StatedOperation(
        _expanded,
        lambda g, form, x: form.node(
            "Unsqueeze", *x, form.constant([g.place(more=1) + 1], "int64")
        ),
    ),
    "Squeeze": StatedOperation(
        _squeezed,
        lambda g, form, x: form.node(
            "Squeeze", *x, form.constant([p + 1 for p in _squeezed_places(g)], "int64")
        ),
    ),
    "Take": StatedOperation(_take, _write_take),
    "Repeat": StatedOperation(_repeat, _write_repeat),
    "Tile": StatedOperation(
        _tile, lambda g, form, x: form.node("Tile", *x, form.constant([1, *_times(g)], "int64"))
    ),
    "Pad": StatedOperation(_pad, _write_pad),
    "Matmul": StatedOperation(_matmul, _write_matmul),
    "Einsum": StatedOperation(
        _einsum,
        lambda g, form, x: form.node(
            "Einsum", *x, equation=g.options["subscripts"].replace(" ", "")
        ),
    ),
}
