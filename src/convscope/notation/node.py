"""Small classes with slots, for the parts of an equation.

They are what `dataclass(slots=True, eq=False)` makes. That would load `inspect`, and with it a parser and a
disassembler of Python, which is a quarter of what a summary of a file takes.
"""

from __future__ import annotations

from functools import cache

from convscope.typed import TYPE_CHECKING

if TYPE_CHECKING:
    from typing import Any, TypeVar, dataclass_transform

    T = TypeVar("T")
else:

    def dataclass_transform(**_):
        return lambda function: function


@dataclass_transform(eq_default=False)
def node(kind: type[T]) -> type[T]:
    """Return a class with slots and an `__init__` for the fields that it annotates, after inherited ones."""
    stated = vars(kind)
    own = [n for n, said in stated["__annotations__"].items() if not said.startswith("ClassVar")]
    names = (*getattr(kind, "__match_args__", ()), *own)
    defaults = {n: stated[n] for n in own if n in stated} | {
        n: value for n, value in getattr(kind, "_defaults", {}).items() if n not in own
    }
    made: Any = _setting(len(names))
    code = made.__code__.replace(co_varnames=("self", *names), co_names=names)
    given = tuple(defaults[n] for n in names if n in defaults)
    assert set(defaults) == set(names[len(names) - len(given) :]), f"{kind}: defaults come last"
    left = (*own, "__dict__", "__weakref__")
    inner = {name: value for name, value in stated.items() if name not in left}
    inner |= {"__slots__": tuple(own), "__match_args__": names, "_defaults": defaults}
    inner |= {"__init__": type(made)(code, {}, "__init__", given), "__repr__": _shown}
    again: Any = type(kind.__name__, kind.__bases__, inner)
    return again  # type: ignore[no-any-return]


@cache
def _setting(count: int) -> Any:
    """Return an `__init__` that sets so many fields; only their names are missing."""
    names = [f"_{place}" for place in range(count)]
    made: dict[str, Any] = {}
    body = "; ".join(f"self.{name} = {name}" for name in names) or "pass"
    exec(f"def __init__(self, {', '.join(names)}): {body}", made)  # noqa: S102
    return made["__init__"]


def _shown(self: Any) -> str:
    inner = ", ".join(f"{name}={getattr(self, name)!r}" for name in self.__match_args__)
    return f"{type(self).__name__}({inner})"


def changed(one: T, **fields: Any) -> T:
    """Return the same node with some of its fields set to something else."""
    kept = {name: getattr(one, name) for name in one.__match_args__}  # type: ignore[attr-defined]
    return type(one)(**(kept | fields))
