"""What kinds of numbers operators compute with, and how ONNX and PyTorch call their types.

An equation is over real numbers. It is what an operator computes as long as its numbers are not wrapped around or
cut: floats, and whole numbers of at least 32 bits. What only moves or chooses numbers does so with all of them, and
what is true or false counts as 1 or 0.
"""

from __future__ import annotations

from convscope.typed import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Literal, TypeAlias

Kind: TypeAlias = "Literal['float', 'whole', 'small', 'truth', '']"
"""A float that equations are proved for; a whole number of 32 or 64 bits, of fewer; true or false; another."""

FLOATS: frozenset[Kind] = frozenset(("float",))
WHOLE: frozenset[Kind] = frozenset(("whole",))
TRUTH: frozenset[Kind] = frozenset(("truth",))
NUMBERS: frozenset[Kind] = frozenset(("float", "whole"))
ALL: frozenset[Kind] = frozenset(("float", "whole", "small", "truth"))

FLOAT, INT64, BOOL = 1, 7, 9
"""What ONNX calls these."""

ONNX: Mapping[int, Kind] = {
    1: "float", 11: "float", 6: "whole", 7: "whole", 2: "small", 3: "small", 4: "small", 5: "small",
    12: "small", 13: "small", 9: "truth",
}  # fmt: skip

TORCH: Mapping[str, Kind] = {
    "float32": "float", "float64": "float", "float16": "float", "bfloat16": "float", "int32": "whole",
    "int64": "whole", "int8": "small", "uint8": "small", "int16": "small", "bool": "truth",
}  # fmt: skip
