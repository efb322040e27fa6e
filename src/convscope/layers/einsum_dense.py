"""A dense layer whose axes are named by letters: which are summed over, and which stay.

"abc,cd->abd"   out[a, b, d] = act( bias[d] + Σ c  in[a, b, c] · kernel[c, d] )
"""

from __future__ import annotations

import re
from collections.abc import Iterable

from convscope.equations.convolution import biased
from convscope.equations.einsum import einsum, sizes_of
from convscope.equations.layout import axes_of
from convscope.errors import SettingError, ShapeError
from convscope.layers.base import Form, Sample, Value
from convscope.layers.weighing import Weighing
from convscope.notation import Axis, Equation, Size, size, source, weight
from convscope.notation.sizes import Shape, is_known, shape_text
from convscope.typed import TYPE_CHECKING, Record

if TYPE_CHECKING:
    from typing import Any

SPELLED = re.compile(r"(\.\.\.)?([a-zA-Z]+)(\.\.\.)?,([a-zA-Z]+)->(\.\.\.)?([a-zA-Z]+)(\.\.\.)?")


class _Letters(Record):
    """An input, a kernel and an output as letters, without the batch; their sizes; and the bias.

    bias    which letters of the output the bias has an axis for, and None where it has one of size 1
    """

    batch: str
    taken: str
    kernel: str
    given: str
    sizes: dict[str, Size]
    bias: tuple[str | None, ...]


class EinsumDense(Weighing):
    """A dense layer over any axes, named by letters: "abc,cd->abd" sums over c at each a and b.

    >>> layer = EinsumDense("abc,cd->abd", output_shape=(None, 64), bias_axes="d")
    >>> print(layer.equation((32, 128)))
    out[t, c] = bias[c] + Σ cc<128  in[t, cc] · kernel[cc, c]
    >>> layer.equation((32, 128)).params
    8256

    Keras's arguments: `equation` names the axes of the input, the kernel and the output, the batch first;
    `...` stands for axes that stay as they are, on the left or on the right. `output_shape` is the output's,
    without the batch. Weights: kernel, of the sizes of its letters, and a bias for `bias_axes`.
    """

    only_trained = ("lora_rank", "lora_alpha", "gptq_unpacked_column_size", "quantization_config")

    def __init__(
        self,
        equation: str,
        output_shape: Any,
        activation: Any = None,
        bias_axes: str | None = None,
        kernel_initializer: Any = "glorot_uniform",
        bias_initializer: Any = "zeros",
        kernel_regularizer: Any = None,
        bias_regularizer: Any = None,
        kernel_constraint: Any = None,
        bias_constraint: Any = None,
        lora_rank: None = None,
        lora_alpha: None = None,
        gptq_unpacked_column_size: None = None,
        quantization_config: None = None,
        **common: Any,
    ) -> None:
        super().__init__(**common)
        kind = self.kind
        match = SPELLED.fullmatch(equation) if isinstance(equation, str) else None
        if match is None or [match[1], match[3]] != [match[5], match[7]] or (match[1] and match[3]):
            raise SettingError(
                f"{kind}: equation must be like 'abc,cd->abd', '...c,cd->...d' or 'ab...,bc->ac...', "
                f"not {equation!r}"
            )
        self._match, self._spelled = match, equation
        self.output_shape = _sizes(output_shape, f"{kind}: output_shape")
        for letters in (match[2], match[4], match[6]):
            if len(set(letters)) < len(letters):
                raise SettingError(f"{kind}: equation = {equation!r} names an axis twice")
        if bias_axes is not None and (
            not isinstance(bias_axes, str) or not set(bias_axes) <= set(match[6]) or not bias_axes
        ):
            raise SettingError(
                f"{kind}: bias_axes must be letters of the output {match[6]!r}, not {bias_axes!r}"
            )
        self.bias_axes = bias_axes
        self.set_weighing({**locals(), "use_bias": bias_axes is not None})
        self.lora_rank = lora_rank
        self.lora_alpha = lora_alpha
        self.gptq_unpacked_column_size = gptq_unpacked_column_size
        self.quantization_config = quantization_config
        for name in ("lora_rank", "gptq_unpacked_column_size", "quantization_config"):
            if getattr(self, name) is not None:
                raise SettingError(f"{kind}: {name} = {getattr(self, name)!r} is not supported")

    def settings(self) -> dict[str, Any]:
        return {
            name: self._spelled if name == "equation" else getattr(self, name)
            for name in self.parameters()
        }

    def _letters(self, shape: Shape) -> _Letters:
        """Return what every letter means for an input of this shape."""
        left, taken, right, kernel, _, given, _ = self._match.groups()
        missing = 1 + len(shape) - len(taken)
        if missing < 0 or (missing and not (left or right)) or (left and not missing):
            raise ShapeError(
                f"{self.kind}: {self._spelled!r} does not fit an input of shape {shape_text(shape)} with "
                f"its batch"
            )
        free = [c for c in "ABCDEFGHIJKLMNOPQRSTUVWXYZ" if c not in taken + kernel + given]
        stays = "".join(free[:missing])
        whole, out = (stays + taken, stays + given) if left else (taken + stays, given + stays)
        if (
            whole[0] != out[0]
            or whole[0] in kernel
            or (self.bias_axes and whole[0] in self.bias_axes)
        ):
            raise ShapeError(
                f"{self.kind}: {self._spelled!r} must leave the batch as its first axis"
            )
        sizes = sizes_of([whole[1:]], [shape], self.kind)
        stated = given if left else given[1:]
        if len(self.output_shape) != len(stated):
            raise ShapeError(
                f"{self.kind}: output_shape {self.output_shape} must have a size for each of "
                f"{stated!r}"
            )
        for letter, wanted in zip(stated, self.output_shape, strict=True):
            if letter not in sizes:
                sizes[letter] = wanted
            elif is_known(wanted) and is_known(sizes[letter]) and wanted != sizes[letter]:
                raise ShapeError(
                    f"{self.kind}: {letter!r} is {sizes[letter]} in the input and {wanted} in the output"
                )
        for letter in kernel + given[left is None :]:
            if sizes.get(letter) is None:
                raise ShapeError(f"{self.kind}: nobody says how large {letter!r} is")
        bias: tuple[str | None, ...] = ()
        if self.bias_axes:
            first = min(map(given.index, self.bias_axes))
            bias = tuple(c if c in self.bias_axes else None for c in given[first:])
            bias += (None,) * (0 if left else missing)
        return _Letters(whole[0], whole[1:], kernel, out[1:], sizes, bias)

    def equation(self, *shapes: Shape) -> Equation:
        (shape,) = shapes
        said = self._letters(shape)
        image, kernel = source(shape), weight("kernel")
        axes, total = einsum(
            [said.taken, said.kernel], said.given, said.sizes, [shape, None],
            [lambda *at: image[at], lambda *at: kernel[at]],
            _units(said, axes_of([said.sizes[c] for c in said.given])),
        )  # fmt: skip
        named = dict(zip(said.given, axes, strict=True))
        at: tuple[Any, ...] = tuple(0 if letter is None else named[letter] for letter in said.bias)
        if said.bias:
            total = biased(total, weight("bias"), *at)
        return self.activation.equation(axes, total)

    def onnx(self, form: Form, *inputs: Value) -> Value:
        said = self._letters(form.input_shape())
        text = f"{said.batch}{said.taken},{said.kernel}->{said.batch}{said.given}"
        y = form.node("Einsum", form.plain(inputs[0]), form.weight("kernel"), equation=text)
        if self.use_bias:
            y = form.node("Add", y, form.weight("bias"))
        return self.activation.onnx(form, Value(y))

    @classmethod
    def samples(cls) -> Iterable[Sample]:
        yield Sample(cls("abc,cd->abd", (None, 5), bias_axes="d"), ((7, 3),))
        yield Sample(cls("...x,xy->...y", 5, "relu", "y"), ((4, 6, 3),))
        yield Sample(cls("ab...,bc->ac...", 5, bias_axes="c"), ((3, 4, 6),))
        yield Sample(cls("abc,cde->abde", (None, 2, 5), bias_axes="de"), ((7, 3),))
        yield Sample(cls("abcd,cde->abe", (7, 5), "tanh"), ((7, 3, 4),))
        yield Sample(cls("abc,cde->abde", (None, 2, 5), bias_axes="d"), ((7, 3),))


def _units(said: _Letters, axes: tuple[Axis, ...]) -> tuple[Axis, ...]:
    """Return the output's axes, those that only the kernel brings called units."""
    return tuple(
        axis if letter in said.taken else Axis(axis.name, axis.size, "unit", role="out")
        for letter, axis in zip(said.given, axes, strict=True)
    )


def _sizes(given: Any, what: str) -> tuple[Any, ...]:
    many = given if isinstance(given, (tuple, list)) else (given,)
    if not many:
        raise SettingError(f"{what} must be one size or several, not {given!r}")
    return tuple(
        None if one is None else size(one, f"{what} = {given!r}: every size") for one in many
    )
