"""Networks that Python code makes: file.py, file.py:attribute and module:attribute."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable
from functools import partial
from importlib import import_module
from types import ModuleType

from convscope.errors import ConvscopeError, SourceError, did_you_mean
from convscope.network import Network
from convscope.readers.example import NOTHING, Example
from convscope.typed import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path
    from typing import Any

_OURS = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
_PYTHON = os.path.dirname(os.__file__)

ACCEPTS = "file.py, file.py:attribute, module:attribute"
TAKES_EXAMPLES = True


def is_mine(source: Any) -> bool:
    """Whether the source is a .py file, or looks like module:attribute."""
    if not isinstance(source, (str, os.PathLike)):
        return False
    place, _, attribute = str(source).rpartition(":")
    first, *rest = attribute.split(".")
    named = first.isidentifier() and all(one.isidentifier() or one.isdecimal() for one in rest)
    return (bool(place) and named and not os.path.isfile(source)) or str(source).endswith(".py")


def read(source: str | os.PathLike[str], example: Example = NOTHING) -> Network:
    """Run the code and return the network that the attribute is, or returns when called.

    A file without an attribute is asked for the only network that it makes. The example is for a live
    module of PyTorch's.
    """
    from convscope.readers import read

    return read(made_by(str(source)), example)


def made_by(source: str) -> Any:
    """Return what Python code has made under that name, ready to be opened; raise `SourceError`.

    The name may lead on, from an attribute to one of its own: file.py:model.features.0. Functions, and classes, are called without arguments; an object that can be called, such as a module
    with a forward, is what it is and is not called.
    """
    import inspect

    place, _, attribute = source.rpartition(":")
    if source.endswith(".py"):
        place, attribute = source, ""
    module = _file(place) if place.endswith(".py") else _module(place)
    if not attribute:
        return _only(module, place)
    found = module
    for name in attribute.split("."):
        found, place = (
            _attribute(found, name, place),
            f"{place}{':' if found is module else '.'}{name}",
        )
    if inspect.isroutine(found) or isinstance(found, (type, partial)):
        needed = _needed(found)
        if needed:
            such = ", ".join(f"{name}=…" for name in needed)
            raise SourceError(
                f"{source} takes {' and '.join(needed)}: name a function without arguments that makes one, "
                f"as in def net(): return {attribute}({such})"
            )
        found = _guarded(f"{source}()", found)
    if not _opens(found):
        raise SourceError(_no_network(source, found))
    return found


def _attribute(owner: Any, name: str, place: str) -> Any:
    """Return an attribute of what was found at a place; raise `SourceError` where it has none of that name."""
    if _guarded(place, lambda: hasattr(owner, name)):
        return getattr(owner, name)
    meant = did_you_mean(name, [one for one in dir(owner) if one[:1] != "_"])
    names = [*_networks(owner), *_makers(owner)] if isinstance(owner, ModuleType) else []
    known = f"; there are: {', '.join(names)}" if names else ""
    raise SourceError(f"{place} has no {name!r}{meant}{known}")


def _needed(maker: Callable[..., Any]) -> list[str]:
    """Return the names of the arguments without which a class or a function cannot be called."""
    import inspect

    try:
        taken = inspect.signature(maker).parameters.values()
    except (TypeError, ValueError):
        return []
    several = inspect.Parameter.VAR_POSITIONAL, inspect.Parameter.VAR_KEYWORD
    return [p.name for p in taken if p.default is p.empty and p.kind not in several]


def _only(module: ModuleType, place: str) -> Any:
    """Return the only network that a file makes."""
    found = _networks(module)
    if len(set(map(id, found.values()))) == 1:
        return next(iter(found.values()))
    if found:
        raise SourceError(
            f"{place} holds {len(found)} networks, {', '.join(found)}: say which, as in "
            f"{place}:{next(iter(found))}"
        )
    makers = _makers(module)
    such = f"{place}:{makers[0]}" if makers else f"{place}:build"
    raise SourceError(
        f"{place} holds no network: name a function that returns one, or a class, as in {such}"
    )


def _networks(module: ModuleType) -> dict[str, Any]:
    """Return the networks that a module holds, by their names."""
    return {n: v for n, v in vars(module).items() if n[:1] != "_" and _opens(v)}


def _makers(module: ModuleType) -> list[str]:
    """Return the names of a module's own functions, and of its classes, the last first."""
    import inspect

    own = [
        (name, value)
        for name, value in vars(module).items()
        if name[:1] != "_" and getattr(value, "__module__", None) == module.__name__
    ]
    functions = [name for name, value in own if inspect.isfunction(value)]
    return functions + [name for name, value in reversed(own) if inspect.isclass(value)]


def _opens(value: Any) -> bool:
    """Whether a value is a network, or something live that one of the readers takes."""
    from convscope.readers import readers

    if isinstance(value, Network):
        return True
    if value is None or isinstance(value, (str, bytes, int, float, os.PathLike, ModuleType, type)):
        return False
    return any(reader.is_mine(value) for reader in readers(value))


def _no_network(source: str, found: Any) -> str:
    from convscope.readers.foreign import unknown

    advice = None if isinstance(found, (str, os.PathLike)) else unknown(found)
    kind = type(found).__name__
    return f"{source} is of type {kind}, not a network such as Sequential" + (
        f": {advice}" if advice else ""
    )


def _file(name: str) -> ModuleType:
    """Run a file and return what it holds.

    One that imports relatively is a part of the package that its folders make, and is run as that. It is known by
    its name while it runs and after, as dataclasses, annotations and scripted modules need it.
    """
    from importlib.util import module_from_spec, spec_from_file_location
    from pathlib import Path

    path = Path(name)
    if not path.is_file():
        raise SourceError(f"there is no file {path}")
    whole = path.resolve()
    folders = [whole.parent]
    if _is_part(whole):
        called = whole.stem if whole.stem != "__init__" else ""
        root = whole.parent
        while (root / "__init__.py").is_file() and root.name.isidentifier():
            called, root = f"{root.name}.{called}".rstrip("."), root.parent
        folders.insert(0, root)
    else:
        called = whole.stem
        while _is_taken(called, str(whole)):
            called += "_"
    spec = spec_from_file_location(called, whole)
    assert spec is not None and spec.loader is not None
    module = module_from_spec(spec)
    loader = spec.loader
    before = sys.modules.get(called)
    sys.modules[called] = module
    sys.path[:0] = map(str, folders)
    try:
        _guarded(str(path), lambda: loader.exec_module(module))
    except BaseException:
        sys.modules.pop(called, None)
        if before is not None:
            sys.modules[called] = before
        raise
    finally:
        for folder in folders:
            sys.path.remove(str(folder))
    return module


def _is_part(path: Path) -> bool:
    """Whether a file is meant as a part of its package: it imports relatively, or makes the package."""
    import ast

    if not (path.parent / "__init__.py").is_file():
        return False
    try:
        tree = ast.parse(path.read_bytes())
    except (SyntaxError, ValueError):  # running it says what is wrong
        return False
    return path.stem == "__init__" or any(
        isinstance(one, ast.ImportFrom) and one.level for one in ast.walk(tree)
    )


def _is_taken(name: str, path: str) -> bool:
    """Whether a module of that name is another one than a file."""
    if name in sys.stdlib_module_names:
        return True
    if name in sys.modules:
        return getattr(sys.modules[name], "__file__", None) != path
    from importlib.util import find_spec

    there = find_spec(name) if name.isidentifier() else None  # onnx.py is none of ONNX's own
    return there is not None and os.path.realpath(there.origin or "") != path


def _module(name: str) -> ModuleType:
    if "" not in sys.path:
        sys.path.insert(0, "")
    found: ModuleType = _guarded(name, lambda: import_module(name))
    return found


def _guarded(what: str, action: Callable[[], Any]) -> Any:
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
        raise SourceError(f"{what}{line_of(error)}: {error}") from error
    except SystemExit as error:
        code = "" if error.code is None else f" ({error.code})"
        raise SourceError(
            f"{what}{line_of(error)}: it ended itself with SystemExit{code}; what a script does when it is "
            f'run belongs under if __name__ == "__main__"'
        ) from error
    except Exception as error:  # it is the user's code: anything may be wrong with it
        raise SourceError(f"{what}{line_of(error)}: {type(error).__name__}: {error}") from error


def line_of(error: BaseException, named: bool = False) -> str:
    """Return the line of the user's code that an error came from, not that of a library which it called; `named`: of which file.

    >>> line_of(ValueError("raised by nobody"))
    ''
    """
    place = error.__traceback__
    found = own = ""
    while place is not None:
        name = place.tb_frame.f_code.co_filename
        if not name.startswith((_OURS, "<")):
            found = f", line {place.tb_lineno}{f' of {os.path.basename(name)}' if named else ''}"
            if "-packages" not in name and not name.startswith(_PYTHON):
                own = found
        place = place.tb_next
    return own or found
