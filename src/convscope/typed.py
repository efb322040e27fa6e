"""What code is typed with, at no cost when it runs: `typing`, and what that loads, is for type checkers.

    from convscope.typed import TYPE_CHECKING, Array, Record

    if TYPE_CHECKING:
        from typing import Any

A `Record` is a `typing.NamedTuple`, which is what type checkers take it for, made in a tenth of the time.

>>> class Slice(Record):
...     first: int
...     step: int = 1
>>> Slice(3), Slice(3) == (3, 1), Slice(3)._replace(step=2).step
(Slice(first=3, step=1), True, 2)
"""

from __future__ import annotations

__all__ = ["TYPE_CHECKING", "Array", "Protocol", "Record", "cached_property"]

TYPE_CHECKING = False

if TYPE_CHECKING:
    from functools import cached_property
    from typing import Any, Protocol, TypeAlias
    from typing import NamedTuple as Record

    import numpy as np

    Array: TypeAlias = np.ndarray[Any, Any]
else:
    from collections import _tuplegetter as reading

    Array = "numpy.ndarray"

    class cached_property:
        """What functools has, without the lock that Python before 3.12 takes for each: it is half of the time."""

        def __init__(self, make):
            self.make, self.__doc__ = make, make.__doc__

        def __set_name__(self, owner, name):
            self.name = name

        def __get__(self, one, kind=None):
            if one is None:
                return self
            found = one.__dict__[self.name] = self.make(one)
            return found

    class Protocol:
        """What a class has to offer to be taken for another: type checkers hold it."""

    _new = tuple.__new__
    FILLING = (
        lambda _cls: _new(_cls, ()),
        lambda _cls, a: _new(_cls, (a,)),
        lambda _cls, a, b: _new(_cls, (a, b)),
        lambda _cls, a, b, c: _new(_cls, (a, b, c)),
        lambda _cls, a, b, c, d: _new(_cls, (a, b, c, d)),
        lambda _cls, a, b, c, d, e: _new(_cls, (a, b, c, d, e)),
        lambda _cls, a, b, c, d, e, f: _new(_cls, (a, b, c, d, e, f)),
        lambda _cls, a, b, c, d, e, f, g: _new(_cls, (a, b, c, d, e, f, g)),
        lambda _cls, a, b, c, d, e, f, g, h: _new(_cls, (a, b, c, d, e, f, g, h)),
        lambda _cls, a, b, c, d, e, f, g, h, i: _new(_cls, (a, b, c, d, e, f, g, h, i)),
        lambda _cls, a, b, c, d, e, f, g, h, i, j: _new(_cls, (a, b, c, d, e, f, g, h, i, j)),
        lambda _cls, a, b, c, d, e, f, g, h, i, j, k: _new(_cls, (a, b, c, d, e, f, g, h, i, j, k)),
        lambda _cls, a, b, c, d, e, f, g, h, i, j, k, m: _new(_cls, (a, b, c, d, e, f, g, h, i, j, k, m)),
        lambda _cls, a, b, c, d, e, f, g, h, i, j, k, m, n: _new(_cls, (a, b, c, d, e, f, g, h, i, j, k, m, n)),
        lambda _cls, a, b, c, d, e, f, g, h, i, j, k, m, n, o: _new(_cls, (a, b, c, d, e, f, g, h, i, j, k, m, n, o)),
        lambda _cls, a, b, c, d, e, f, g, h, i, j, k, m, n, o, p: _new(_cls, (a, b, c, d, e, f, g, h, i, j, k, m, n, o, p)),
        lambda _cls, a, b, c, d, e, f, g, h, i, j, k, m, n, o, p, q: _new(_cls, (a, b, c, d, e, f, g, h, i, j, k, m, n, o, p, q)),
    )  # fmt: skip
    """What makes a tuple of so many fields, whose names alone are missing. Compiling them takes longer than all else."""

    class Recorded(type):
        """The kind of `Record`: it makes of a class that annotates fields a tuple of them."""

        def __new__(cls, name, bases, stated):
            if bases != (tuple,) and not hasattr(bases[0], "_fields"):
                fields = tuple(stated.get("__annotations__", ()))
                defaults = tuple(stated[field] for field in fields if field in stated)
                if any(field in stated for field in fields[: len(fields) - len(defaults)]):
                    raise TypeError(f"{name}: a field without a default follows one that has one")
                if len(fields) >= len(FILLING):
                    raise TypeError(
                        f"{name} has {len(fields)} fields, and may have {len(FILLING) - 1}"
                    )
                made = FILLING[len(fields)]
                code = made.__code__.replace(co_varnames=("_cls", *fields), co_name="__new__")
                new = type(made)(code, made.__globals__, "__new__", defaults)
                new.__qualname__ = f"{name}.__new__"
                stated |= {field: reading(place, "") for place, field in enumerate(fields)}
                stated |= {"__slots__": (), "__new__": new, "_fields": fields}
                stated |= {"__match_args__": fields}
            return super().__new__(cls, name, bases, stated)

    class Record(tuple, metaclass=Recorded):
        """A tuple whose places have names: those that a class of this kind annotates."""

        __slots__ = ()

        def _asdict(self):
            return dict(zip(self._fields, self, strict=True))

        def _replace(self, **changes):
            return type(self)(**(self._asdict() | changes))

        def __repr__(self):
            shown = ", ".join(f"{name}={value!r}" for name, value in self._asdict().items())
            return f"{type(self).__name__}({shown})"

        def __getnewargs__(self):
            return tuple(self)
