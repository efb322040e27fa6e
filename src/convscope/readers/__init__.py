"""Opening networks, one ecosystem a room: *is this mine?* then *read it*. This folder is discovered."""

from __future__ import annotations

import os
import warnings
from functools import partial
from importlib import import_module

from convscope.errors import SourceError, SourceWarning
from convscope.model.gathering import seldom_gathered
from convscope.network import Network
from convscope.readers.example import NOTHING, Example, ExampleRefused
from convscope.typed import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from collections.abc import Iterator
    from typing import Any

__all__ = ["open"]


class Reader(Protocol):
    """What a module of this folder offers; `TAKES_EXAMPLES` where `read` takes an `Example` as well."""

    ACCEPTS: str
    """What it reads, for people: "file.py:attribute"."""

    def is_mine(self, source: Any) -> bool:
        """Whether this reader should try; decided without reading more than a few bytes."""

    def read(self, source: Any, *example: Example) -> Network:
        """Return the network; raise `SourceError` when it cannot be read."""


def readers(source: Any = "") -> Iterator[Reader]:
    """Yield every reader of this folder; of what is no name of a file, first that of the library it is made with."""
    names = sorted(name.removesuffix(".py") for name in os.listdir(__path__[0]))
    homes = [name for name in names if name.isidentifier() and name[:1] != "_"]
    if not isinstance(source, (str, os.PathLike)):
        made_with = {kind.__module__.partition(".")[0] for kind in type(source).__mro__}
        homes.sort(key=lambda name: name not in made_with)
    for name in homes:
        reader: Any = import_module(f"{__name__}.{name}")
        if hasattr(reader, "is_mine"):
            yield reader


def open(
    source: Any,
    *example: Any,
    shape: Any = None,
    training: bool = False,
    engine: str | None = None,
    weights: Any = None,
    **keywords: Any,
) -> Network:
    """Return the network that a source names or holds.

    source     a network of convscope's own; the name of an .onnx, .keras, .h5 or .pt2 file, or of a
               .safetensors file (weights alone); a live torch.nn.Module, keras.Model or onnx.ModelProto; "module:attribute" or "file.py:attribute", which runs that
               Python code of yours; or "demo", the network that convscope ships
    example    for a PyTorch module: what it is called with, once, to see what it does (tensors, arrays;
               tuples, lists and dicts of them); a module without one shows its parameters only
    shape      instead of an example: the shape of one input without the batch, (3, 224, 224); a list or a
               dict of them for several
    training   whether a PyTorch module's parts keep their own flags; else all evaluate
    engine     "onnxruntime": what a PyTorch module computes is compared with ONNX Runtime on the same graph
    weights    a .safetensors file: its weights in the places of a PyTorch module's, which itself keeps its own
    keywords   what a PyTorch module is called with by name

    Raises `SourceError`, which says what can be opened, for anything else; `ForwardError` where a module's
    forward fails on the example; `WeightsError` for weights that do not fit. What a file says and convscope leaves out is a `SourceWarning` each, and
    stays in the network's `warnings`.
    """
    given = Example(example, shape, keywords, training, engine, weights)
    if isinstance(source, Network):
        return read(source, given)
    with seldom_gathered():
        network = read(source, given)
    if isinstance(source, (str, os.PathLike)):
        how = {"shape": shape, "training": training, "engine": engine, **keywords}
        if weights is not None:
            how["weights"] = os.path.abspath(weights)
        network.opening = partial(open, _anywhere(os.fspath(source)), *example, **how)
    for remark in network.warnings:
        warnings.warn(remark, SourceWarning, stacklevel=2)
    return network


def read(source: Any, given: Example = NOTHING) -> Network:
    """Return the network that a source names or holds, as `open` does; nothing is warned of."""
    if isinstance(source, Network):
        _none_taken(given, f"{source.name}, which is a network of convscope's own")
        return source
    if isinstance(source, (str, os.PathLike)):
        from convscope.readers.foreign import refused

        if reason := refused(source):
            raise SourceError(reason)
    for reader in readers(source):
        if reader.is_mine(source):
            if getattr(reader, "TAKES_EXAMPLES", False):
                return reader.read(source, given)
            _none_taken(given, source if isinstance(source, str) else type(source).__name__)
            return reader.read(source)
    from convscope.readers.foreign import unknown

    if reason := unknown(source):
        raise SourceError(reason)
    shown = repr(source) if isinstance(source, str) else type(source).__name__
    known = ", ".join(reader.ACCEPTS for reader in readers())
    raise SourceError(f"{shown} is not a network that convscope can open; it opens {known}")


def _anywhere(source: str) -> str:
    """Return what a source is called from any folder: the whole path of a file, also before an attribute."""
    path, colon, rest = source.rpartition(":")
    if os.path.exists(source):
        return os.path.abspath(source)
    return f"{os.path.abspath(path)}{colon}{rest}" if os.path.isfile(path) else source


def _none_taken(given: Example, what: str) -> None:
    if given != NOTHING:
        raise ExampleRefused(
            f"an example, a shape, training, engine and weights are for PyTorch modules, not for {what}"
        )
