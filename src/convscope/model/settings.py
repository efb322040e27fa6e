"""A layer's settings as a form shows them and a command line writes them."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any

from convscope.errors import ConvscopeError, SettingError
from convscope.layers.activations import Activation
from convscope.layers.base import Layer
from convscope.notation.sizes import UNKNOWN, is_known, is_symbolic

OF_TRAINING = ("_initializer", "_regularizer", "_constraint")
"""How settings end that draw, punish or bound a weight; the others are `only_trained` of their kind."""

NOBODY = "no such word"
"""A word that no setting has, to be told those that there are."""

DEEPEST = 3
LONGEST = 400


def plain_setting(value: Any) -> Any:
    """Return a setting's value as plain data: an activation as its name, an array as lists.

    >>> plain_setting((3, 5))
    [3, 5]
    """
    if isinstance(value, Activation):
        return value.name
    if isinstance(value, (list, tuple)):
        return [plain_setting(v) for v in value]
    if hasattr(value, "tolist"):
        return value.tolist()
    if value is UNKNOWN:
        return None
    if value is None or isinstance(value, (bool, int, float, str)):
        return value
    if isinstance(value, Mapping):
        return {str(k): plain_setting(v) for k, v in value.items()}
    return str(value) if is_symbolic(value) else getattr(value, "__name__", str(value))


def editable(layer: Layer) -> dict[str, dict[str, Any]]:
    """Return the settings that a form can offer: name → its value, and what kind of value it is.

    >>> from convscope.layers.convolution import Conv2D
    >>> settings = editable(Conv2D(64, (3, 5)))
    >>> settings["kernel_size"]
    {'value': [3, 5], 'kind': 'sizes', 'count': 2}
    >>> settings["padding"]
    {'value': 'valid', 'kind': 'choice', 'choices': ['valid', 'same']}

    The kinds: "int" (a whole number), "number", "bool", "choice" (`choices` lists the words), "sizes"
    (`count` whole numbers), and "list" for all others (numbers or lists of them). With "none": True the
    value may also be null. Settings that matter only for training are left out; `{}` for an opaque layer.
    """
    if layer.opaque:
        return {}
    found = {}
    for name, value in layer.settings().items():
        if name in layer.only_trained or name.endswith(OF_TRAINING):
            continue
        entry = _entry(layer, name, value)
        if entry is not None:
            found[name] = {"value": plain_setting(value), **entry}
    return found


def _entry(layer: Layer, name: str, value: Any) -> dict[str, Any] | None:
    """Return what kind of value a setting has: seen from its value, or by trying some."""
    words = allowed(layer, name)
    if words:
        return {"kind": "choice", "choices": list(words)}
    if isinstance(value, bool):
        return {"kind": "bool"}
    if isinstance(value, float):
        return {"kind": "number"}
    if is_known(value) or is_symbolic(value):
        return {"kind": "int"}
    if isinstance(value, tuple):
        flat = all(is_known(v) or is_symbolic(v) for v in value)
        if name.endswith(("axis", "axes")):
            return {"kind": "list"}
        if flat and _accepted(layer, name, value[0]) == (value[0],) * len(value):
            return {"kind": "sizes", "count": len(value)}
        return {"kind": "list"}
    if value is None:
        tried = _accepted(layer, name, 1)
        kind = _entry(layer, name, tried) if tried is not None else None
        return None if kind is None else {**kind, "none": True}
    return None


def allowed(layer: Layer, name: str) -> tuple[str, ...]:
    """Return the words that a setting may be; () where it is no word, or may be any."""
    try:
        type(layer)(**{**layer.settings(), name: NOBODY})
    except SettingError as error:
        return error.allowed
    except (ConvscopeError, TypeError, ValueError):
        return ()
    return ()


def _accepted(layer: Layer, name: str, value: Any) -> Any:
    """Return what a layer makes of a value for a setting; None where it does not take it."""
    try:
        return type(layer)(**{**layer.settings(), name: value}).settings()[name]
    except (ConvscopeError, TypeError, ValueError):
        return None


# -- on a command line ----------------------------------------------------------------------------

_EDIT = re.compile(r"(?P<layer>.+)\.(?P<setting>\w+)=(?P<value>.*)", re.DOTALL)
_TOKENS = re.compile(r"\s*([()\[\],]|[^()\[\],]+)")
_INT = re.compile(r"[+-]?\d{1,18}")
_FLOAT = re.compile(r"[+-]?(\d+\.?\d*|\.\d+)(e[+-]?\d{1,3})?", re.IGNORECASE)
_WORDS = {"true": True, "false": False, "none": None, "null": None}


def read_edit(text: str) -> tuple[str, str, Any]:
    """Return (layer, setting, value) of an edit as a command line writes it.

    >>> read_edit("inner/conv.kernel_size=3,5")
    ('inner/conv', 'kernel_size', (3, 5))

    Raises `SettingError` for anything else.
    """
    found = _EDIT.fullmatch(text)
    if found is None:
        raise SettingError(
            f"an edit is LAYER.SETTING=VALUE, such as conv2d.kernel_size=5, not {text[:80]!r}"
        )
    return found["layer"], found["setting"], read_value(found["value"])


def read_value(text: str) -> Any:
    """Return the value that a text means: nothing in it is run.

    >>> read_value("5"), read_value("3,5"), read_value("((0, 1), (2, 3))"), read_value("0.5")
    (5, (3, 5), ((0, 1), (2, 3)), 0.5)
    >>> read_value("same"), read_value("true"), read_value("none")
    ('same', True, None)

    Raises `SettingError` for brackets that do not close, or a text that is too long.
    """
    if len(text) > LONGEST:
        raise SettingError(f"a value has at most {LONGEST} characters, not {len(text):,}")
    tokens = [t for t in (m[1].strip() for m in _TOKENS.finditer(text)) if t]
    parts = iter(tokens)
    values, comma = _values(parts, "", text, 0)
    return values[0] if len(values) == 1 and not comma else values


def _values(tokens: Iterator[str], end: str, text: str, depth: int) -> tuple[tuple[Any, ...], bool]:
    """Return the values up to a closing bracket (or the end), and whether there was a comma."""
    wrong = SettingError(f"the value {text!r} is no number, word or list of them such as 3,5")
    if depth > DEEPEST:
        raise wrong
    values: list[Any] = []
    comma, due = False, True
    for token in tokens:
        if token == ",":
            if due:
                raise wrong
            comma = due = True
        elif token in (")", "]"):
            if token != end or not values:
                raise wrong
            return tuple(values), comma
        elif not due:
            raise wrong
        else:
            due = False
            if token in ("(", "["):
                inner, _ = _values(tokens, ")" if token == "(" else "]", text, depth + 1)
                values.append(inner)
            else:
                values.append(_word(token))
    if end or not values:
        raise wrong
    return tuple(values), comma


def _word(text: str) -> Any:
    if text.lower() in _WORDS:
        return _WORDS[text.lower()]
    if _INT.fullmatch(text):
        return int(text)
    if _FLOAT.fullmatch(text):
        return float(text)
    return text.strip("'\"")
