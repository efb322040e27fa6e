"""Networks that Python code makes: module:attribute and file.py:attribute."""

from __future__ import annotations

import sys
from importlib import import_module
from importlib.util import module_from_spec, spec_from_file_location
from pathlib import Path
from types import ModuleType
from typing import Any

from convscope.errors import ConvscopeError, SourceError
from convscope.layers.arguments import nearest
from convscope.network import Network

ACCEPTS = "module:attribute, file.py:attribute"


def is_mine(source: Any) -> bool:
    """Whether the source looks like module:attribute."""
    if not isinstance(source, str) or ":" not in source:
        return False
    place, _, attribute = source.rpartition(":")
    return bool(place) and attribute.isidentifier()


def read(source: str) -> Network:
    """Run the code and return the network that the attribute is, or returns when called."""
    place, _, attribute = source.rpartition(":")
    module = _file(Path(place)) if place.endswith(".py") else _module(place)
    if not hasattr(module, attribute):
        names = [n for n, v in vars(module).items() if isinstance(v, Network)]
        known = f"; networks there: {', '.join(names)}" if names else ""
        raise SourceError(f"{place} has no {attribute!r}{nearest(attribute, names)}{known}")
    found = getattr(module, attribute)
    if callable(found) and not isinstance(found, Network):
        found = _guarded(f"{source}()", found)
    if not isinstance(found, Network):
        raise SourceError(f"{source} is a {type(found).__name__}, not a network such as Sequential")
    return found


def _file(path: Path) -> ModuleType:
    if not path.is_file():
        raise SourceError(f"there is no file {path}")
    spec = spec_from_file_location(path.stem, path)
    assert spec is not None and spec.loader is not None
    module = module_from_spec(spec)
    folder = str(path.resolve().parent)
    sys.path.insert(0, folder)
    try:
        _guarded(str(path), lambda: spec.loader.exec_module(module))
    finally:
        sys.path.remove(folder)
    return module


def _module(name: str) -> ModuleType:
    if "" not in sys.path:
        sys.path.insert(0, "")
    found: ModuleType = _guarded(name, lambda: import_module(name))
    return found


def _guarded(what: str, action: Any) -> Any:
    """Run somebody's code; turn what it raises into one error that says where."""
    try:
        return action()
    except ModuleNotFoundError as error:
        if error.name and (what == error.name or what.startswith(f"{error.name}.")):
            raise SourceError(f"there is no module {error.name}") from error
        raise SourceError(
            f"{what} needs the module {error.name}, which is not installed"
        ) from error
    except ConvscopeError as error:
        raise SourceError(f"{what}{_line(error)}: {error}") from error
    except Exception as error:  # it is the user's code: anything may be wrong with it
        raise SourceError(f"{what}{_line(error)}: {type(error).__name__}: {error}") from error


def _line(error: BaseException) -> str:
    """Return the line of the user's code that an error came from."""
    place = error.__traceback__
    found = ""
    while place is not None:
        name = place.tb_frame.f_code.co_filename
        if "convscope" not in name and not name.startswith("<frozen"):
            found = f", line {place.tb_lineno}"
        place = place.tb_next
    return found
