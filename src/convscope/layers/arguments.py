"""The checks of settings that many layers share, each said once."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from numbers import Integral, Real

from convscope.errors import SettingError, ShapeError, briefly, did_you_mean
from convscope.notation import Size, size
from convscope.notation.sizes import LARGEST, is_known


def per_axis(value: object, rank: int, what: str) -> tuple[Size, ...]:
    """Return one size for each of `rank` spatial axes, from one number or a tuple of them.

    >>> per_axis(3, 2, "kernel_size"), per_axis((3, 5), 2, "kernel_size")
    ((3, 3), (3, 5))

    Raises `SettingError` for anything else, with what was received.
    """
    if isinstance(value, str) or not isinstance(value, Iterable):
        return (size(value, what),) * rank if value is not None else _bad(value, rank, what)
    values = tuple(value)
    if len(values) != rank:
        return _bad(value, rank, what)
    return tuple(size(v, f"{what} = {briefly(values)}: every number") for v in values)


def whole(value: object, what: str, least: int = 0) -> int:
    """Return a whole number from `least` to `LARGEST`; raise `SettingError` for anything else."""
    if isinstance(value, Integral) and not isinstance(value, bool):
        if least <= int(value) <= LARGEST:
            return int(value)
        if int(value) > LARGEST:
            raise SettingError(f"{what} must be at most {LARGEST:,}, not {briefly(int(value))}")
    raise SettingError(f"{what} must be a whole number of at least {least}, not {briefly(value)}")


def number(
    value: object, what: str, least: float | None = None, most: float | None = None
) -> float:
    """Return a finite number within bounds; raise `SettingError` for anything else.

    >>> number(1, "rate", 0, 1)
    1.0
    """
    if isinstance(value, Real) and not isinstance(value, bool) and _is_float(value):
        low = -math.inf if least is None else least
        high = math.inf if most is None else most
        if low <= float(value) <= high:
            return float(value)
    between = f" from {least} to {most}" if most is not None else ""
    at_least = f" of at least {least}" if least is not None and most is None else ""
    raise SettingError(f"{what} must be a number{between or at_least}, not {briefly(value)}")


def _is_float(value: Real) -> bool:
    try:
        return math.isfinite(value)
    except OverflowError:  # a whole number beyond every float
        return False


def flag(value: object, what: str) -> bool:
    """Return True or False (or 0 or 1, in any dress); raise `SettingError` for anything else."""
    numpy_bool = type(value).__name__ in ("bool", "bool_")
    if numpy_bool or (isinstance(value, Integral) and value in (0, 1)):
        return bool(value)
    raise SettingError(f"{what} must be True or False, not {briefly(value)}")


def pairs_per_axis(value: object, rank: int, what: str) -> tuple[tuple[int, int], ...]:
    """Return (before, after) for each spatial axis, from any of Keras's ways to say it.

    >>> pairs_per_axis(1, 2, "padding"), pairs_per_axis((1, 2), 2, "padding")
    (((1, 1), (1, 1)), ((1, 1), (2, 2)))
    >>> pairs_per_axis(((1, 2), (3, 4)), 2, "padding"), pairs_per_axis((1, 2), 1, "padding")
    (((1, 2), (3, 4)), ((1, 2),))

    Raises `SettingError` for anything else, with what was received.
    """
    if isinstance(value, str) or not isinstance(value, Iterable):
        return ((whole(value, what),) * 2,) * rank
    parts = tuple(value)
    if rank == 1 and len(parts) == 2 and not any(isinstance(p, Iterable) for p in parts):
        parts = (parts,)
    if len(parts) != rank:
        raise SettingError(
            f"{what} must be one number or {rank} of them or {rank} pairs (before, after), "
            f"not {briefly(value)}"
        )
    pairs = []
    for part in parts:
        pair = (
            tuple(part) if isinstance(part, Iterable) and not isinstance(part, str) else (part,) * 2
        )
        if len(pair) != 2:
            raise SettingError(
                f"{what} = {briefly(value)}: {briefly(part)} must be a pair (before, after)"
            )
        before, after = (whole(p, f"{what} = {briefly(value)}: every number") for p in pair)
        pairs.append((before, after))
    return tuple(pairs)


def axis_setting(value: object, what: str) -> int:
    """Return an axis as Keras counts it (0 is the batch, −1 the last); only a whole number, and no huge one, is one."""
    if isinstance(value, Integral) and not isinstance(value, bool):
        if value == 0:
            raise SettingError(f"{what} must not be 0, the batch: images are treated one by one")
        if abs(int(value)) > LARGEST:
            raise SettingError(f"{what} must be within ±{LARGEST:,}, not {briefly(int(value))}")
        return int(value)
    raise SettingError(f"{what} must be a whole number, not {briefly(value)}")


def axes_setting(value: object, what: str) -> tuple[int, ...]:
    """Return one or more axes as Keras counts them."""
    if isinstance(value, str) or not isinstance(value, Iterable):
        return (axis_setting(value, what),)
    axes = tuple(axis_setting(v, f"{what} = {briefly(value)}: every axis") for v in value)
    if not axes or len(set(axes)) != len(axes):
        raise SettingError(f"{what} must name one axis or more, each once, not {briefly(value)}")
    return axes


def place_of(axis: int, shape: Sequence[Size], what: str) -> int:
    """Return which dimension of a shape without the batch Keras's axis means.

    >>> place_of(-1, (28, 28, 3), "axis"), place_of(1, (28, 28, 3), "axis")
    (2, 0)

    Raises `ShapeError` where there is no such axis.
    """
    rank = len(shape) + 1
    place = axis + rank if axis < 0 else axis
    if not 1 <= place < rank:
        raise ShapeError(
            f"{what} = {axis} does not exist: the input has the axes 1 … {rank - 1} besides the batch "
            f"(or −1 … −{rank - 1} from the end)"
        )
    return place - 1


def _bad(value: object, rank: int, what: str) -> tuple[Size, ...]:
    raise SettingError(
        f"{what} must be one number or {rank} of them (one for each spatial axis), not {briefly(value)}"
    )


def known_per_axis(value: object, rank: int, what: str) -> tuple[int, ...]:
    """Like `per_axis`, for settings that must be plain numbers (groups, factors)."""
    sizes = per_axis(value, rank, what)
    for one in sizes:
        if not is_known(one):
            raise SettingError(f"{what} must be whole numbers, not the symbols {briefly(value)}")
    return sizes


def choice(value: object, what: str, allowed: Sequence[str]) -> str:
    """Return one of a few words, in lower case; raise `SettingError` for any other."""
    if isinstance(value, str) and value.lower() in allowed:
        return value.lower()
    hint = did_you_mean(str(value).lower(), allowed)
    options = ", ".join(repr(a) for a in allowed)
    error = SettingError(f"{what} must be one of {options}, not {briefly(value)}{hint}")
    error.allowed = tuple(allowed)
    raise error


def data_format(value: object) -> str:
    """Return "channels_last" (the default) or "channels_first"."""
    if value is None:
        return "channels_last"
    return choice(value, "data_format", ("channels_last", "channels_first"))
