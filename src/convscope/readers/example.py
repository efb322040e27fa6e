"""What a live network is opened with: an example of its input, or its shape."""

from __future__ import annotations

from collections.abc import Mapping

from convscope.errors import SettingError
from convscope.typed import TYPE_CHECKING, Record

if TYPE_CHECKING:
    from typing import Any


class Example(Record):
    """What goes into a module that is recorded.

    args       what it is called with, in order
    shape      the shape of one input without the batch, where there is no example: (3, 224, 224);
               a list or a dict of them for several
    keywords   what it is called with by name
    training   whether its modules keep their own flags; else all of them evaluate
    engine     what runs it: None for PyTorch itself, or "onnxruntime"
    weights    a .safetensors file whose weights stand in the places of the module's own
    """

    args: tuple[Any, ...] = ()
    shape: Any = None
    keywords: Mapping[str, Any] = {}
    training: bool = False
    engine: str | None = None
    weights: Any = None

    @property
    def given(self) -> bool:
        """Whether there is anything to go in."""
        return bool(self.args) or self.shape is not None or bool(self.keywords)


NOTHING = Example()


class ExampleRefused(SettingError):
    """An example, or what goes with one, was given for a network that takes none."""
