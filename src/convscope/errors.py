"""Every error that convscope raises on purpose, as one tree.

    ConvscopeError
    ├── SettingError        a layer was given a setting that cannot be (also a ValueError)
    │   └── ActivationError     an activation name that nobody knows
    ├── ShapeError          shapes that do not fit together (also a ValueError)
    │   └── WindowError         a window larger than the map it should slide over
    ├── NotBuiltError       a question that needs an input shape, asked before there is one
    ├── LayerLookupError    a layer name that the network does not have (also a LookupError)
    ├── PositionError       a position outside the map (also an IndexError)
    ├── InputError          an image or array that the network cannot take (also a ValueError)
    ├── WeightsError        weights that do not match their layer (also a ValueError)
    ├── SourceError         a model file or name that cannot be opened
    │   └── ForwardError        a PyTorch module whose forward fails on the example
    ├── OutputError         a file that cannot be written
    ├── UnsupportedError    something that convscope does not do, said plainly
    │   └── NotComputedError    a number behind a layer that nothing here can run
    ├── ServerError         the explorer cannot listen where it was asked to
    └── EngineError         ONNX Runtime refused or failed

and three warnings, each a UserWarning: SourceWarning (a file was opened, but not all that it says was understood),
OutputWarning (a file was written, but not with all that it might hold) and InputWarning (numbers go in that look
like another scale's).

The message of each says what was wrong, the numbers received, where, and what would work.
"""

from __future__ import annotations

from convscope.typed import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable
    from typing import Any


__all__ = [
    "ActivationError",
    "ConvscopeError",
    "EngineError",
    "ForwardError",
    "InputError",
    "InputWarning",
    "LayerLookupError",
    "NotBuiltError",
    "NotComputedError",
    "OutputError",
    "OutputWarning",
    "PositionError",
    "ServerError",
    "SettingError",
    "ShapeError",
    "SourceError",
    "SourceWarning",
    "UnsupportedError",
    "WeightsError",
    "WindowError",
]


class ConvscopeError(Exception):
    """The root of the tree: `except ConvscopeError` catches all that follow."""


class SettingError(ConvscopeError, ValueError):
    """A layer was given a setting that cannot be.

    allowed   the words that could stand there, where there are only a few
    """

    allowed: tuple[str, ...] = ()


class ActivationError(SettingError):
    """An activation name that nobody knows."""


class ShapeError(ConvscopeError, ValueError):
    """Shapes that do not fit together."""


class WindowError(ShapeError):
    """A window that is larger than the map it should slide over."""


class NotBuiltError(ConvscopeError):
    """A question that needs an input shape, asked before the network has one."""


class LayerLookupError(ConvscopeError, LookupError):
    """A layer name that the network does not have."""


class PositionError(ConvscopeError, IndexError):
    """A position outside the map."""


class InputError(ConvscopeError, ValueError):
    """An image or an array that the network cannot take."""


class WeightsError(ConvscopeError, ValueError):
    """Weights that do not match their layer, in number or in shape."""


class SourceError(ConvscopeError):
    """A model file, module or attribute that cannot be opened."""


class ForwardError(SourceError):
    """A PyTorch module's forward fails on the example.

    network   the network up to where it fails; `network.summary()` shows it
    module    the name of the module that fails ("" for the network itself)
    op        the operator that PyTorch refused; None where it was Python code
    """

    network: Any = None
    module: str = ""
    op: str | None = None


class OutputError(ConvscopeError):
    """A file that cannot be written."""


class UnsupportedError(ConvscopeError):
    """Something that convscope does not do."""


class NotComputedError(UnsupportedError):
    """A number that was not computed, since it depends on a layer without an equation.

    layer     what was asked for
    opaque    the layer without an equation that stands before it, or that it is itself
    """

    layer: str = ""
    opaque: str = ""


class ServerError(ConvscopeError):
    """The explorer's server cannot listen where it was asked to."""


class EngineError(ConvscopeError):
    """ONNX Runtime refused the network, or failed while running it."""


class SourceWarning(UserWarning):
    """A model file was opened, but something in it was left out or could not be checked."""


class OutputWarning(UserWarning):
    """A file was written, but something was left out of it."""


class InputWarning(UserWarning):
    """Numbers go into a network as they were given, and look as if they were meant on another scale."""


def did_you_mean(name: object, known: Iterable[str]) -> str:
    """Return what a message adds after a name that there is not: the closest that there is, or nothing.

    >>> did_you_mean("conv2d_l", ["conv2d_1", "dense"])
    " (did you mean 'conv2d_1'?)"
    """
    from difflib import get_close_matches

    found = get_close_matches(str(name), list(known), 1)
    return f" (did you mean {found[0]!r}?)" if found else ""


def briefly(value: object) -> str:
    """Return what was received as a message shows it: what is long is cut short.

    >>> briefly((3, "a")), briefly([10**300])
    ("(3, 'a')", '[a number of 301 digits]')
    """
    if isinstance(value, (tuple, list)) and len(value) <= 8:
        inner = ", ".join(map(briefly, value)) + ("," if len(value) == 1 else "")
        return f"({inner})" if isinstance(value, tuple) else f"[{', '.join(map(briefly, value))}]"
    try:
        text = repr(value)
    except ValueError:  # so long that Python does not write it out
        return "a number of thousands of digits"
    if len(text) <= 80:
        return text
    digits = len(text.lstrip("-"))
    return f"a number of {digits} digits" if isinstance(value, int) else f"{text[:79]}…"
