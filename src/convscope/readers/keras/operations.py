"""What operations of keras.ops in a functional network are among our layers.

Where one is a layer in another dress (a transposition, a pooling) it becomes that layer; else it is an `Operation`,
which says what it is called with. Nothing of it is looked up in Keras.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

from convscope.errors import SettingError
from convscope.layers import find
from convscope.layers.operation import Operation
from convscope.layers.operation_call import INPUT
from convscope.readers.keras.config import CallArguments, SizesSaid, is_tensor
from convscope.typed import TYPE_CHECKING

if TYPE_CHECKING:
    from typing import Any

    from convscope.layers.base import Layer

SAID_BY_NAME = ("__slice__", "__ellipsis__", "__tensor__", "__numpy__")
"""What Keras writes for a slice, three points and an array."""


def spoken(
    kind: str, options: Mapping[str, Any], raw: CallArguments, shape: SizesSaid | None
) -> Layer:
    """Return the layer that an operation is; raise `SettingError` where it has no equation.

    shape   of its one tensor, without the batch, where the config says it
    """
    rank = None if shape is None else len(shape)
    layer = AS_LAYERS[kind](options, rank) if kind in AS_LAYERS else None
    if layer is not None:
        return layer
    called = raw.args if isinstance(raw.args, list) else []
    if len(called) == 1 and isinstance(called[0], list) and all(map(is_tensor, called[0])):
        called = called[0]
    given = [_value(one) for one in called]
    more: dict[str, Any] = {}
    for keyword, value in raw.keywords.items():
        if is_tensor(value):
            given.append(INPUT)
        elif value is not None and keyword != "name":
            more[keyword] = _value(value)
    return Operation(kind, {**_plain(options), **more}, given)


def _plain(options: Mapping[str, Any]) -> dict[str, Any]:
    return {name: _value(value) for name, value in options.items()}


def _value(value: Any) -> Any:
    """Return a value of a call: INPUT for a tensor, a slice, three points, lists of numbers, or itself."""
    if is_tensor(value):
        return INPUT
    if isinstance(value, list):
        return [_value(one) for one in value]
    if not isinstance(value, dict):
        if isinstance(value, str) and value == INPUT:
            raise SettingError(f"it is given the word {value!r}")
        return value
    name, held = value.get("class_name"), value.get("config")
    held = held if isinstance(held, dict) else {}
    if name == "__slice__":
        parts = [held.get(part) for part in ("start", "stop", "step")]
        if any(part is not None and type(part) is not int for part in parts):
            raise SettingError("it cuts where another tensor says")
        return slice(*parts)
    if name == "__ellipsis__":
        return ...
    if name in SAID_BY_NAME:
        return _value(held.get("value"))
    raise SettingError(f"it is given {name!s:.40}")


# -- operations that are layers -------------------------------------------------------------------


def made(kind: str, *arguments: Any, **settings: Any) -> Layer:
    """Return a layer of a kind that there is."""
    found = find(kind)
    assert found is not None
    return found(*arguments, **settings)


def _axis(value: Any, rank: int | None) -> int:
    if type(value) is not int or rank is None or not -rank <= value <= rank:
        raise SettingError(f"its axis {value!r:.40} is not known")
    return value % (rank + 1)


def _permuted(order: list[int]) -> Layer:
    """Return the axes in another order, the batch staying in front."""
    if order[:1] != [0] or sorted(order) != list(range(len(order))):
        raise SettingError("it moves the batch")
    return made("Permute", tuple(order[1:]))


def _transposed(options: Mapping[str, Any], rank: int | None) -> Layer:
    axes = options.get("axes")
    if not isinstance(axes, list):
        raise SettingError("it moves the batch")
    return _permuted([_axis(axis, rank) for axis in axes])


def _swapped(options: Mapping[str, Any], rank: int | None) -> Layer:
    a, b = (_axis(options.get(name), rank) for name in ("axis1", "axis2"))
    order = list(range((rank or 0) + 1))
    order[a], order[b] = order[b], order[a]
    return _permuted(order)


def _moveaxis(options: Mapping[str, Any], rank: int | None) -> Layer:
    first, then = options.get("source"), options.get("destination")
    firsts = first if isinstance(first, list) else [first]
    thens = then if isinstance(then, list) else [then]
    if len(firsts) != len(thens):
        raise SettingError("it moves axes to nowhere")
    pairs = sorted((_axis(b, rank), _axis(a, rank)) for a, b in zip(firsts, thens, strict=True))
    order = [n for n in range((rank or 0) + 1) if n not in {a for _, a in pairs}]
    for b, a in pairs:
        order.insert(b, a)
    return _permuted(order)


def _reshaped(options: Mapping[str, Any], rank: int | None) -> Layer:
    shape = options.get("newshape")
    if not isinstance(shape, list) or len(shape) < 2 or shape[0] not in (-1, None):
        raise SettingError(f"it gives {shape!r:.60}, where the batch is a number")
    if None in shape[1:] or (shape[0] == -1 and -1 in shape[1:]):
        raise SettingError(f"it gives {shape!r:.60}, which is not known before it runs")
    return made("Reshape", tuple(shape[1:]))


def _softmax(options: Mapping[str, Any], rank: int | None) -> Layer:
    axis = options.get("axis", -1)
    if axis is None:
        raise SettingError("it goes over the whole batch")
    return made("Softmax", tuple(axis) if isinstance(axis, list) else axis)


def _last(name: str) -> Callable[[Mapping[str, Any], int | None], Layer]:
    """Return an activation that runs along the last axis, and no other."""

    def make(options: Mapping[str, Any], rank: int | None) -> Layer:
        if options.get("axis", -1) not in (-1, rank):
            raise SettingError("it runs along another axis than the last")
        return made("Activation", name)

    return make


def _pool(kind: str) -> Callable[[Mapping[str, Any], int | None], Layer]:
    def make(options: Mapping[str, Any], rank: int | None) -> Layer:
        if rank not in (2, 3, 4):
            raise SettingError("nobody says how many axes its input has")
        settings = {n: tuple(v) if isinstance(v, list) else v for n, v in options.items()}
        return made(f"{kind}{rank - 1}D", **settings)

    return make


def _resized(options: Mapping[str, Any], rank: int | None) -> Layer:
    settings = dict(options)
    size = settings.pop("size", None)
    if not isinstance(size, list) or len(size) != 2 or find("Resizing") is None:
        raise SettingError(f"its size is {size!r:.40}")
    return made("Resizing", *size, **settings)


AS_LAYERS: dict[str, Callable[[Mapping[str, Any], int | None], Layer | None]] = {
    "Transpose": _transposed,
    "Swapaxes": _swapped,
    "Moveaxis": _moveaxis,
    "Reshape": _reshaped,
    "Softmax": _softmax,
    "LogSoftmax": _last("log_softmax"),
    "Glu": _last("glu"),
    "MaxPool": _pool("MaxPooling"),
    "AveragePool": _pool("AveragePooling"),
    "AdaptiveAveragePool": _pool("AdaptiveAveragePooling"),
    "AdaptiveMaxPool": _pool("AdaptiveMaxPooling"),
    "Resize": _resized,
}
"""Operations that are layers of ours, made of their settings and the rank of their input without the batch."""
