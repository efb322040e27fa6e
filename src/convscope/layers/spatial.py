"""What layers share whose input is a map: channels, and one, two or three spatial axes."""

from __future__ import annotations

from collections.abc import Sequence

from convscope.equations.sliding import Slide, paddings, slide
from convscope.layers.arguments import choice, per_axis
from convscope.layers.arguments import data_format as checked_format
from convscope.layers.base import Form, Layer, Value, expect_rank
from convscope.notation import Size
from convscope.notation.sizes import Shape, is_known
from convscope.typed import TYPE_CHECKING

if TYPE_CHECKING:
    from typing import Any, ClassVar

EXAMPLES = {1: (128,), 2: (28, 28), 3: (16, 28, 28)}
"""Spatial sizes for messages that show what an input looks like."""


class Spatial(Layer):
    """A layer with a data format; `rank` is the number of spatial axes."""

    rank: ClassVar[int]

    def set_format(self, data_format: str | None) -> None:
        """Check and keep the data format."""
        self.data_format = checked_format(data_format)
        self.channels_last = self.data_format == "channels_last"

    def split(self, shape: Shape) -> tuple[Shape, Size]:
        """Return the spatial sizes and the channels; raise `ShapeError` for another rank."""
        example = self.layout.image(3, EXAMPLES[self.rank])
        expect_rank(self, shape, self.rank + 1, str(example))
        return self.layout.split(shape)

    def spatial_axes(self, value: Value) -> list[int]:
        """Return where the spatial axes of an ONNX value lie, the batch counted."""
        first = 1 if self.channels_last else 2
        return [value.lies(axis, self.rank + 2) for axis in range(first, first + self.rank)]


class Sliding(Spatial):
    """A layer whose window slides over the map with strides and padding."""

    paddings_known: ClassVar[tuple[str, ...]] = ("valid", "same")

    def set_sliding(self, strides: object, padding: object, data_format: str | None) -> None:
        """Check and keep how the window slides."""
        self.strides = per_axis(strides, self.rank, f"{self.kind}: strides")
        self.padding = choice(padding, f"{self.kind}: padding", self.paddings_known)
        self.set_format(data_format)

    def slide(
        self, sizes: Shape, window: Sequence[Size], dilation: Sequence[int] | None = None
    ) -> Slide:
        """Return how a window of this size slides over maps of these spatial sizes."""
        return slide(sizes, window, self.strides, dilation, self.padding)

    def onnx_padding(
        self, form: Form, kernel: Sequence[Size], dilation: Sequence[int] | None = None
    ) -> dict[str, Any]:
        """Return the padding as ONNX attributes, for a window of this size.

        Written out where the sizes are known: ONNX Runtime's own SAME_UPPER refuses dilated windows,
        and shifts those that are smaller than their stride by more than one position.
        """
        if self.padding != "same":
            return {}
        sizes, _ = self.split(form.input_shape())
        if not all(map(is_known, sizes)):
            return {"auto_pad": "SAME_UPPER"}
        pads = paddings("same", sizes, kernel, self.strides, dilation or (1,) * self.rank)
        return {"pads": [before for before, _ in pads] + [after for _, after in pads]}
