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
from convscope.layers import kinds
from convscope.layers.base import Layer

TARGET = Path(convscope.__file__).parent / "__init__.pyi"

HEAD = '''"""Written by scripts/stubs.py from the layers themselves; not to be edited."""

from collections.abc import Mapping, Sequence
from typing import Any, TypeAlias

{imports}
from convscope.version import __version__ as __version__

_Extent: TypeAlias = int | str  # a number, or the name of a symbol
_Extents: TypeAlias = _Extent | Sequence[_Extent]
_Shape: TypeAlias = Sequence[_Extent | None]
_Whole: TypeAlias = int | Sequence[int]

{names}
'''
"""What stands above the kinds. Extents may be symbols: "k1" filters."""

BY_NAME = {
    "activation": "str | None",
    "axis": "int | Sequence[int] | None",
    "batch_shape": "_Shape | None",
    "cropping": "int | Sequence[int | Sequence[int]]",
    "dilation_rate": "_Extents",
    "dims": "Sequence[int]",
    "dtype": "str | None",
    "filters": "_Extent",
    "kernel_size": "_Extents",
    "n": "_Extent",
    "noise_shape": "Sequence[int | None] | None",
    "padding": "int | Sequence[int | Sequence[int]]",
    "projection_dim": "_Extent",
    "output_padding": "_Whole | None",
    "pool_size": "_Extents",
    "seed": "int | None",
    "shape": "_Shape | None",
    "shared_axes": "int | Sequence[int] | None",
    "size": "_Whole",
    "strides": "_Extents | None",
    "target_shape": "_Shape",
    "units": "_Extent",
}
"""What a kind takes where its own annotation says no more than Any, by the argument's name."""


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


def taken(parameter: inspect.Parameter) -> str:
    """Return one argument as the stub writes it."""
    said = str(parameter.annotation)
    if said in ("Any", "Size"):
        said = BY_NAME.get(parameter.name, "Any")
    default = parameter.default
    if default is inspect.Parameter.empty:
        return f"{parameter.name}: {said}"
    return f"{parameter.name}: {said} = {default!r}"


def stated(kind: type[Layer]) -> str:
    """Return a kind's class in the stub."""
    parameters = list(inspect.signature(kind.__init__).parameters.values())[1:]
    own = [p for p in parameters if p.kind is not inspect.Parameter.VAR_KEYWORD]
    lines = ["self", *map(taken, own)]
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
    text = HEAD.format(imports="\n".join(sorted(homes + loaded)), names=f"__all__ = [\n{names}]")
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
