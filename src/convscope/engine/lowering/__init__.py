"""Equations as ONNX operators, chosen by the equation's form.

Any equation can be said, a layer's or that of a gradient: nothing here knows a layer, and no backward pass
is stated. A sum of products over a window is a convolution; one whose windows are divided exactly, a
transposed convolution; one over places, slices and a matrix product; what no rule knows is gathered, multiplied
and summed as it stands.
"""

from __future__ import annotations

from convscope.engine.lowering.board import Board as Board
from convscope.engine.lowering.board import Laid as Laid
from convscope.engine.lowering.expressions import Lowering as Lowering
from convscope.engine.lowering.program import Program as Program
from convscope.engine.lowering.reading import Held as Held
