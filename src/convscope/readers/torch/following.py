"""What must follow when a recorded operator is edited: shapes of weights, what PyTorch gives, numbers drawn anew."""

from __future__ import annotations

import math
import zlib
from collections.abc import Callable, Mapping
from typing import Any

import torch

from convscope.aten.layer import Use
from convscope.aten.rule import Weight
from convscope.errors import SettingError, ShapeError
from convscope.model.editing import spread_as
from convscope.notation.sizes import Shape, shape_text
from convscope.readers.torch.calls import Value
from convscope.readers.torch.settings import settings_of, spatial

CHANNELS = ("batch_norm", "instance_norm", "group_norm", "native_batch_norm")
ROWS = ("layer_norm", "native_layer_norm", "rms_norm")
BROADCASTING = ("add", "sub", "mul", "div", "rsub", "maximum", "minimum", "pow", "prelu")


def weights_for(
    use: Use, settings: dict[str, Any], whole: Mapping[str, Shape], wish: Mapping[str, Any]
) -> tuple[dict[str, Shape], dict[str, Any]]:
    """Return the shapes that an operator's weights must have, and its settings with the wishes in them."""
    settings = {**settings, **{n: v for n, v in wish.items() if n in settings}}
    held = {key: slot.shape for key, slot in use.slots if isinstance(slot, Weight)}
    weight = held.get("weight")
    x = next(iter(whole.values()), ())
    if use.op.startswith("conv") and weight is not None and spatial(use):
        turned = "transpose" in use.op
        groups = settings.get("groups", 1)
        old = dict(use.settings).get("groups", 1)
        many = wish.get("out_channels", weight[1] * old if turned else weight[0])
        into = x[-len(weight) + 1]
        for size, what in ((into, "input"), (many, "output")):
            if size % groups:
                raise SettingError(f"{size} {what} channels are not {groups} groups of equal size")
        if settings.get("padding") == "same" and set(settings_of(use)["stride"].value) != {1}:
            wished = wish.get("stride")
            if wished is None or set(wished) != {1}:
                raise SettingError("PyTorch takes padding 'same' with a stride of 1 only")
        kernel = wish.get("kernel_size", weight[2:])
        pair = (into, many // groups) if turned else (many, into // groups)
        return {"weight": (*pair, *kernel), "bias": (many,)}, settings
    if use.op == "linear" and weight is not None:
        many = wish.get("out_features", weight[0])
        return {"weight": (many, x[-1]), "bias": (many,)}, settings
    if use.op in CHANNELS and len(x) > 1:
        return dict.fromkeys(held, (x[1],)), settings
    if use.op in ROWS:
        row = tuple(x[-len(settings["normalized_shape"]) :])
        return dict.fromkeys(held, row), {**settings, "normalized_shape": row}
    if use.op == "prelu":
        return {key: own if own == (1,) else (x[1],) for key, own in held.items()}, settings
    if use.op in BROADCASTING:
        return {key: spread_as(own, x) for key, own in held.items()}, settings
    if use.op in ("matmul", "mm") and "self" in whole:
        key = next(iter(held), "")
        return {key: (*held[key][:-2], x[-1], held[key][-1])} if len(
            held.get(key, ())
        ) > 1 else {}, settings
    if use.op in ("cat", "concat"):
        place = settings.get("dim") or 0
        place %= len(x) or 1
        return {
            key: tuple(
                size if n == place or size == 1 else now
                for n, (size, now) in enumerate(zip(own, x, strict=False))
            )
            for key, own in held.items()
        }, settings
    return {}, settings


def asked_shape(value: Value, use: Use, whole: Mapping[str, Shape]) -> Shape:
    """Return the shape that PyTorch gives for an operator: it is asked, on tensors without numbers."""
    call = value.call
    assert call is not None
    if call.op == "identity":
        return whole["self"]
    if call.func is None:
        raise ShapeError(f"its {call.op} was recorded for another size")
    settings, slots = dict(use.settings), dict(use.slots)

    def stood(key: str, given: Any) -> Any:
        if isinstance(given, Value):
            slot = slots.get(key)
            shape = whole[key] if key in whole else getattr(slot, "shape", given.shape)
            if shape[:1] == (1,) and given.shape[:1] == (use.rows,):  # one row that serves them all
                shape = (use.rows, *shape[1:])
            return torch.empty(tuple(shape), dtype=given.dtype, device="meta")
        if isinstance(given, torch.device):
            return torch.device("meta")
        return given

    asked: dict[str, Any] = {}
    for key, given in call.named().items():
        if isinstance(given, (list, tuple)) and any(isinstance(v, Value) for v in given):
            asked[key] = [stood(f"{key}.{n}", v) for n, v in enumerate(given)]
        elif isinstance(given, (list, tuple, int, float, bool, str)) and key in settings:
            now = settings[key]
            asked[key] = list(now) if isinstance(now, tuple) else now
        else:
            asked[key] = stood(key, given)
    try:
        with torch.no_grad():
            out = _alike(call.func, asked)(**asked)
    except (RuntimeError, ValueError, IndexError, TypeError, NotImplementedError) as error:
        raise ShapeError(_said(call.op, settings, error)) from error
    out = out[value.place] if isinstance(out, (list, tuple)) else out
    return tuple(out.shape)


def _alike(func: Any, asked: Mapping[str, Any]) -> Any:
    """Return the overload that takes padding as what it is now: a word, or numbers."""
    if not func._schema.name.startswith("aten::conv") or "padding" not in asked:
        return func
    word = isinstance(asked["padding"], str)
    kinds = [a.type.kind() for a in func._schema.arguments if a.name == "padding"]
    if kinds and word != (kinds[0] == "StringType"):
        packet = func.overloadpacket
        return packet.padding if word else packet.default
    return func


def _said(op: str, settings: Mapping[str, Any], error: Exception) -> str:
    first = (str(error).strip().splitlines() or [type(error).__name__])[0]
    text = f"PyTorch's {op} refuses: {first}"
    sizes = settings.get("size", settings.get("shape"))
    if op in ("view", "reshape", "expand") and sizes is not None:
        text += (
            f"; its sizes {shape_text(sizes)} were computed in the forward for what was recorded, so that the "
            f"graph cannot say what another size would make of them: edit the module and open that"
        )
    return text


def drawing(use: Use, key: str, origin: str, shape: Shape, seed: int) -> Callable[[], Any]:
    """Return what draws a weight, once: as PyTorch does, kernels and their biases within ±1/√fan in."""
    kept: list[Any] = []

    def get() -> Any:
        import numpy as np

        if not kept:
            rng = np.random.default_rng([seed, zlib.crc32(origin.encode())])
            kind = np.float64 if use.dtype == "float64" else np.float32
            if use.op.startswith("conv") or use.op in ("linear", "matmul", "mm"):
                weight = dict(use.slots).get("weight")
                known = shape if key != "bias" or not isinstance(weight, Weight) else weight.shape
                bound = 1 / math.sqrt(max(math.prod(known[1:]), 1))
                kept.append(rng.uniform(-bound, bound, shape).astype(kind))
            elif use.op == "prelu":
                kept.append(np.full(shape, 0.25, kind))
            else:
                ones = key in ("weight", "running_var") or use.op in ("mul", "div", "pow")
                kept.append(np.full(shape, float(ones), kind))
        return kept[0]

    return get
