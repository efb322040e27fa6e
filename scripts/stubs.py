"""Write src/convscope/__init__.pyi: what editors and type checkers know of the package's front door.

    python scripts/stubs.py            writes it
    python scripts/stubs.py --check    says whether it is as it would be written (exit 1 if not)

The package loads a layer kind when it is first used, which a type checker cannot see; the stub states every
kind with its arguments, read from the kinds themselves, and the settings that all of them share by name.
"""

from __future__ import annotations

import inspect
import sys
from pathlib import Path

import convscope
from convscope.errors import ConvscopeError
from convscope.layers import kinds
from convscope.layers.base import Layer

TARGET = Path(convscope.__file__).parent / "__init__.pyi"

HEAD = '''"""Written by scripts/stubs.py from the layers themselves; not to be edited."""

from collections.abc import Mapping, Sequence
from typing import Any, SupportsIndex, TypeAlias

{imports}
from convscope.version import __version__ as __version__

_Int: TypeAlias = SupportsIndex  # a whole number, numpy's too
_Extent: TypeAlias = _Int | str  # or the name of a symbol
_Shape: TypeAlias = Sequence[_Extent | None]
_Ints: TypeAlias = _Int | Sequence[_Int]
_Pair: TypeAlias = _Int | tuple[_Int, _Int] | list[int]  # before and after
{ranks}
{names}
'''
"""What stands above the kinds. Extents may be symbols: "k1" filters."""

RANKED = """
_Extents{rank}: TypeAlias = _Extent | tuple[{extents}] | list[int] | list[str] | list[_Extent]
_Whole{rank}: TypeAlias = _Int | tuple[{wholes}] | list[int]
_Borders{rank}: TypeAlias = {borders}
"""
"""One number for all spatial axes, or one for each of them."""

BY_NAME = {
    "activation": "str",
    "attention_axes": "_Ints",
    "axes": "_Ints",
    "axis": "_Ints",
    "batch_shape": "_Shape",
    "cropping": "_Borders{rank}",
    "dilation_rate": "_Extents{rank}",
    "dims": "Sequence[int]",
    "dtype": "str",
    "filters": "_Extent",
    "kernel_size": "_Extents{rank}",
    "n": "_Extent",
    "noise_shape": "Sequence[int | None]",
    "output_padding": "_Whole{rank}",
    "output_size": "_Whole{rank}",
    "padding": "_Borders{rank}",
    "pool_size": "_Extents{rank}",
    "projection_dim": "_Extent",
    "seed": "int",
    "shape": "_Shape",
    "shared_axes": "_Ints",
    "size": "_Whole{rank}",
    "strides": "_Extents{rank}",
    "target_shape": "_Shape",
    "units": "_Extent",
}
"""What a kind takes where its own annotation says no more than Any, by the argument's name.

Whether it takes a symbol, or None as well, is asked of the kind itself.
"""


COMMON = {
    "name": "str | None = None",
    "input_shape": "_Shape | None = None",
    "batch_input_shape": "_Shape | None = None",
    "batch_shape": "_Shape | None = None",
    "input_dim": "_Extent | None = None",
    "weights": "Sequence[Any] | None = None",
    "trainable": "bool = True",
    "dtype": "str | None = None",
}
"""What every kind takes by name; `Layer.__init__` checks it."""


def takes(kind: type[Layer], argument: str, value: object) -> bool:
    """Whether a kind takes a value: its first sample is made again with it."""
    sample = next(iter(kind.samples()), None)
    if sample is None:
        return inspect.signature(kind.__init__).parameters[argument].default == value
    known = inspect.signature(kind.__init__).parameters
    settings = {n: v for n, v in sample.layer.settings().items() if n in known}
    try:
        kind(**{**settings, argument: value})
    except ConvscopeError:
        return False
    return True


def taken(kind: type[Layer], parameter: inspect.Parameter) -> str:
    """Return one argument as the stub writes it."""
    name, said = parameter.name, str(parameter.annotation)
    if said == "int":
        said = "_Int"
    elif said in ("Any", "Size") and name in BY_NAME:
        said = BY_NAME[name].format(rank=getattr(kind, "rank", ""))
        if "_Extents" in said and not takes(kind, name, "k"):
            said = said.replace("_Extents", "_Whole")
        if parameter.default is None or takes(kind, name, None):
            said += " | None"
    default = parameter.default
    if default is inspect.Parameter.empty:
        return f"{name}: {said}"
    return f"{name}: {said} = {default!r}"


def stated(kind: type[Layer]) -> str:
    """Return a kind's class in the stub."""
    parameters = list(inspect.signature(kind.__init__).parameters.values())[1:]
    own = [p for p in parameters if p.kind is not inspect.Parameter.VAR_KEYWORD]
    lines = ["self", *(taken(kind, p) for p in own)]
    if len(own) < len(parameters):
        names = {p.name for p in own}
        if not any(p.kind is inspect.Parameter.KEYWORD_ONLY for p in own):
            lines.append("*")
        lines += [f"{name}: {said}" for name, said in COMMON.items() if name not in names]
    summary = (inspect.getdoc(kind) or "").split("\n\n")[0].replace("\n", "\n    ")
    name = kind.__name__
    inner = "".join(f"        {line},\n" for line in lines)
    return (
        f'class {name}(_{name}):\n    """{summary}"""\n\n'
        f"    def __init__(\n{inner}    ) -> None: ...\n"
    )


def stub() -> str:
    """Return the whole stub."""
    homes = [
        f"from {home} import {name} as {name}"
        for name, home in sorted(vars(convscope)["_HOMES"].items())
    ]
    homes += [f"from convscope.learning import {n} as {n}" for n in vars(convscope)["_ROOMS"]]
    found = kinds()
    loaded = [f"from {k.__module__} import {k.__name__} as _{k.__name__}" for k in found.values()]
    names = "".join(f'    "{name}",\n' for name in convscope.__all__)
    ranks = "".join(
        RANKED.format(
            rank=rank,
            extents=", ".join(["_Extent"] * rank),
            wholes=", ".join(["_Int"] * rank),
            borders=("_Pair" if rank == 1 else "_Int | list[int]")
            + f" | tuple[{', '.join(['_Pair'] * rank)}] | list[list[int]] | list[tuple[int, int]]",
        ).lstrip()
        for rank in (1, 2, 3)
    )
    imports = "\n".join(sorted(homes + loaded))
    text = HEAD.format(imports=imports, ranks=ranks, names=f"__all__ = [\n{names}]")
    text += "".join("\n" + stated(kind) for kind in found.values())
    others = [(o, k.__name__) for k in found.values() for o in vars(k).get("spellings", ())]
    text += "\n" + "".join(f"{other} = {name}\n" for other, name in sorted(others))
    return text


def main() -> int:
    text = stub()
    if "--check" in sys.argv[1:]:
        if TARGET.read_text(encoding="utf-8") != text:
            print(f"{TARGET} is not as scripts/stubs.py writes it: run it", file=sys.stderr)
            return 1
        return 0
    TARGET.write_text(text, encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
