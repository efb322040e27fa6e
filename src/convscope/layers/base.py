"""What every layer kind shares: its settings, its weights, and the promise of an equation.

A kind is a subclass of `Layer` in a file of its own. It states

    equation(*shapes)        what one output number is, for inputs of these shapes (without the batch)
    initializers()           its weights' names, in Keras's order, and how each is drawn
    onnx(form, *inputs)      the same arithmetic as ONNX operators, for the engine
    samples()                layers and input shapes that the tests run

and nothing else: shapes, counts, windows, ledgers and texts are derived from the equation.
"""

from __future__ import annotations

import zlib
from collections.abc import Callable, Iterable, Mapping, Sequence

from convscope.equations.layout import Layout
from convscope.errors import (
    NotBuiltError,
    SettingError,
    ShapeError,
    UnsupportedError,
    WeightsError,
    briefly,
    did_you_mean,
)
from convscope.notation import Axis, Equation, Size, size
from convscope.notation.sizes import Shape, product, shape_text
from convscope.typed import TYPE_CHECKING, Array, Protocol, Record

if TYPE_CHECKING:
    from contextlib import AbstractContextManager
    from typing import Any, ClassVar, TypeAlias

    import numpy as np

    from convscope.layers.wire import Wire


Initializer: TypeAlias = Callable[[tuple[int, ...], "np.random.Generator"], "Array"]


class Value(Record):
    """A tensor of the ONNX graph: its name, and whether it lies channels-first although the layer
    that made it is channels-last (transposing is put off until somebody needs it)."""

    name: str
    moved: bool = False

    def lies(self, axis: int, rank: int) -> int:
        """Return where an axis of the layer's own layout lies in this tensor, the batch counted."""
        axis %= rank
        if not self.moved or axis == 0:
            return axis
        return 1 if axis == rank - 1 else axis + 1


class Form(Protocol):
    """What the engine offers to a layer that writes itself as ONNX."""

    def node(self, op: str, *inputs: str, **attributes: Any) -> str:
        """Add one operator; return its output's name. An input named "" is left out."""

    def weight(self, name: str, arrange: Callable[[Array], Array] | None = None) -> str:
        """Return a weight of the layer, rearranged from its Keras layout."""

    def constant(self, value: Any, dtype: str = "float32") -> str:
        """Return a constant tensor."""

    def plain(self, value: Value) -> str:
        """Return the name of a value in the layout of the layer that made it."""

    def channels_first(self, value: Value, channels_last: bool) -> str:
        """Return the name of a value with its channels right after the batch."""

    def rank(self, value: Value) -> int:
        """Return the number of axes of a value, batch included."""

    def input_shape(self) -> Shape:
        """Return the shape of the layer's first input, without the batch, in its own layout."""

    def input_shapes(self) -> tuple[Shape, ...]:
        """Return the shapes of all of the layer's inputs, without the batch."""

    def reshaped(self, name: str, shape: Shape) -> Value:
        """Return a tensor in another shape; the batch takes what is left over."""

    def inside(self, shape: Shape, rank: int) -> AbstractContextManager[None]:
        """Write another layer inside this one: of an input of this shape, and so many axes with the batch."""


class Learning(Record):
    """What a layer is while its network learns, over a batch.

    equation   what one output number is: its inputs have a row for each image, weights have none
    moved      what becomes of weights that no gradient moves (moving averages), by name
    noise      what is drawn for each step and read as an input: name → (shape, how it is drawn)
    """

    equation: Equation
    moved: Mapping[str, Equation] = {}
    noise: Mapping[str, tuple[tuple[int, ...], Callable[[np.random.Generator], Array]]] = {}


class Sample(Record):
    """A layer and the shapes of inputs (without the batch) to try it on; no two sizes equal."""

    layer: Layer
    shapes: tuple[tuple[int, ...], ...]


class Layer:
    """One layer of a network: settings now, weights and shapes when its input is known.

    Every layer takes, besides its own settings: `name`; `input_shape` (without the batch) or
    `batch_input_shape` when it is the first; `dtype` (float32); and `trainable`.
    """

    spellings: ClassVar[tuple[str, ...]] = ()
    """Other names of the kind: Convolution2D for Conv2D."""

    non_trainable: tuple[str, ...] = ()
    """Weights that training does not touch by gradient (moving averages)."""

    only_trained: ClassVar[tuple[str, ...]] = ()
    """Settings that change nothing about what a network with its weights computes, or hold arrays. (What
    draws, punishes and bounds a weight is known by its ending: see `model/settings.py`.)"""

    unread: ClassVar[dict[str, tuple[int, ...]]] = {}
    """Weights that Keras keeps and counts, but that no output depends on, and their shapes."""

    bits: Mapping[str, int] = {}
    """How many bits a number of a weight takes where it is stored, if not those 32 of a float32."""

    narrows = False
    """Whether it makes numbers of a type of those of one that holds more."""

    inputs_taken: tuple[int, int | None] = (1, 1)
    """Least and most inputs."""

    channels_last: bool = True
    """Where the channels lie. Kinds with a data_format take it from there; for all others it decides
    only what an equation calls its axes, and who builds a channels-first network sets it."""

    def __init__(self, **common: Any) -> None:
        given: list[Array] | None = None
        self.name: str | None = None
        self.trainable: bool | None = True
        self.dtype = "float32"
        self.input_shape: Shape | None = None
        if common:
            given = common.pop("weights", None)
            self.name = _name(common.pop("name", None))
            self.trainable = bool(common.pop("trainable", True))
            self.dtype = _dtype(common.pop("dtype", None))
            self.input_shape = _first_shape(self.kind, common)
        if common:
            unknown = next(iter(common))
            known = [*self.parameters(), "name", "input_shape", "trainable", "dtype"]
            raise SettingError(
                f"{self.kind} has no setting {unknown!r}{did_you_mean(unknown, known)}; "
                f"it takes {', '.join(known)}"
            )

        self.weight_shapes: dict[str, Shape] | None = None
        self._seed: tuple[int, ...] = (0,)
        self._arrays: dict[str, Array] = {}
        self._given = given
        self._stored: Callable[[str], Array] | None = None
        self.version = 0  # counts changes of weights, so that a compiled engine knows it is stale

    # -- what a kind states -----------------------------------------------------------------------

    def equation(self, *shapes: Shape) -> Equation:
        """Return what one output number is, for inputs of these shapes."""
        raise SettingError(f"{self.kind} states no equation")

    def learning(self, row: Axis, *shapes: Shape) -> Learning:
        """Return what the layer is while its network learns, over a batch of as many as the row axis says.

        What it always is, unless a kind says otherwise.
        """
        from convscope.notation.rewriting import batched, filled

        names = tensor_names(len(shapes))
        return Learning(filled(batched(filled(self.equation(*shapes)), row, names)))

    def initializers(self) -> dict[str, Initializer]:
        """Return the weights' names in Keras's order, and how each is drawn."""
        return {}

    def onnx(self, form: Form, *inputs: Value) -> Value:
        """Write the layer as ONNX operators; return its output."""
        raise SettingError(f"{self.kind} has no ONNX form")

    @classmethod
    def samples(cls) -> Iterable[Sample]:
        """Yield layers and input shapes to test this kind on."""
        return ()

    # -- wiring -----------------------------------------------------------------------------------

    def __call__(self, inputs: Wire | Sequence[Wire]) -> Wire:
        """Use the layer on the output of others; return its own output, to be used in turn."""
        from convscope.layers.wire import Wire, wires_of

        wires = wires_of(inputs, self.kind)
        return Wire(self, wires, self.equation(*(wire.shape for wire in wires)).shape)

    # -- what follows -----------------------------------------------------------------------------

    @property
    def kind(self) -> str:
        """The kind's name, as Keras spells it."""
        return type(self).__name__

    @property
    def opaque(self) -> bool:
        """Whether the layer has no equation (it still runs, and keeps its shapes and values)."""
        return False

    reason: str = ""
    """Why an opaque layer has no equation, where that is known."""

    def opaque_facts(self, shapes: Sequence[Shape]) -> tuple[Shape, dict[str, Shape] | None, Size]:
        """Return what is known of an opaque layer without an equation, for inputs of these shapes.

        Its output's shape (or UNKNOWN_SHAPE), its weights' shapes (None if nobody knows them), and
        how many of their numbers are trained (or UNKNOWN).
        """
        raise SettingError(f"{self.kind} is not opaque")

    def counted_as(self, shapes: Sequence[Shape]) -> Equation | None:
        """Return what an opaque layer computes but for how its numbers are rounded, where that is known."""
        return None

    def differs(self, equation: Equation) -> str:
        """Return where a framework computes something else than this equation, and whose fault that is; "" for nowhere."""
        return ""

    @property
    def layout(self) -> Layout:
        """How the kind orders the axes of its maps and kernels, for the builders of equations."""
        return Layout(self.channels_last)

    @property
    def uncounted(self) -> tuple[str, ...]:
        """Weights that are no parameters: PyTorch's buffers, and what it computes from parameters."""
        return ()

    def unread_shapes(self, read: Mapping[str, Shape]) -> Mapping[str, Shape]:
        """Return the weights that no output depends on, and their shapes; `read` are all the others."""
        return self.unread

    @classmethod
    def parameters(cls) -> tuple[str, ...]:
        """Return the names of the settings that the kind takes."""
        code = cls.__init__.__code__
        return code.co_varnames[1 : code.co_argcount + code.co_kwonlyargcount]

    def settings(self) -> dict[str, Any]:
        """Return the kind's settings, as checked and completed."""
        return {name: getattr(self, name) for name in self.parameters()}

    # -- weights ----------------------------------------------------------------------------------

    def build(self, weights: dict[str, Shape], seed: tuple[int, ...]) -> None:
        """Fix the shapes of the weights; they are drawn when somebody first asks for them.

        A layer that is used twice keeps its weights, which must then have the same shapes.
        """
        if self.weight_shapes is not None and self.weight_shapes != weights:
            raise ShapeError(
                f"{self.kind} {self.name!r} is shared, and its weights would need other shapes: "
                f"{_shapes_text(weights)}, after {_shapes_text(self.weight_shapes)}"
            )
        if self.weight_shapes is None:
            self.weight_shapes, self._seed = weights, seed
            if self._given is not None:
                self.set_weights(self._given)
                self._given = None

    @property
    def weights(self) -> dict[str, Array]:
        """The weights by name, in Keras's order and layout (float32), drawn at the first use.

        Empty before the layer is part of a model with an input shape.
        """
        from convscope.layers.mapped import check_whole

        for number, (name, shape) in enumerate((self.weight_shapes or {}).items()):
            check_whole(self._array(name, shape, number))
        return self._arrays

    def attach(self, stored: Callable[[str], Array]) -> None:
        """Take the weights from `stored(name)` when somebody first asks, instead of drawing them."""
        self._stored = stored

    def take_over(self, other: Layer) -> tuple[str, ...]:
        """Take the weights of a layer in whose place this one stands; return the names of the rest.

        A weight is taken where name and shape are the same: the same array, which neither copies and
        which is still drawn or read only when one of them is asked for it. The rest are drawn anew.
        What is set later in one layer is not seen in the other.
        """
        from copy import copy

        before = copy(other)  # keeps what the weights are now, whatever is set there later
        known = other.weight_shapes or {}
        shapes = self.weight_shapes or {}
        kept = {name for name, shape in shapes.items() if known.get(name) == shape}
        self._arrays, self._stored = {}, None
        if kept:
            places = {name: number for number, name in enumerate(known)}
            own = {name: number for number, name in enumerate(shapes)}

            def stored(name: str) -> Array:
                if name in kept:
                    return before._array(name, known[name], places[name])
                return self._fresh(name, shapes[name], own[name])

            self._stored = stored
        return tuple(name for name in shapes if name not in kept)

    def _array(self, name: str, shape: Shape, number: int) -> Array:
        if name not in self._arrays:
            try:
                self._arrays[name] = self._draw(name, shape, number)
            except MemoryError as error:
                raise UnsupportedError(
                    f"the {name} of {self.name}, {shape_text(shape)}, takes {4 * product(shape) / 2**30:,.1f} GiB, "
                    f"and there is no memory for it: shapes and counts are all that can be asked"
                ) from error
        return self._arrays[name]

    def _draw(self, name: str, shape: Shape, number: int) -> Array:
        return self._fresh(name, shape, number) if self._stored is None else self._stored(name)

    def _fresh(self, name: str, shape: Shape, number: int) -> Array:
        import numpy as np

        if not all(isinstance(s, int) for s in shape):
            raise UnsupportedError(
                f"the {name} of {self.name} has the symbolic shape {shape_text(shape)}: "
                f"numbers can be drawn only when every size is a number"
            )
        if product(shape) >= 1 << 60:  # numpy has other errors for these
            raise MemoryError
        rng = np.random.default_rng([*self._seed, number])
        return self.initializers()[name](tuple(shape), rng)

    def get_weights(self) -> list[Array]:
        """Return copies of the weights, in Keras's order and layout; [] before there are any."""
        return [array.copy() for array in self.weights.values()]

    def set_weights(self, weights: Sequence[Array]) -> None:
        """Set all weights, given in the order of `get_weights`.

        Raises `WeightsError` when their number or a shape does not match.
        """
        import numpy as np

        shapes = self.weight_shapes
        if shapes is None:
            raise NotBuiltError(
                f"{self.kind} has no weights yet: it gets them in a model with an input shape"
            )
        if len(weights) != len(shapes):
            raise WeightsError(
                f"{self.name} ({self.kind}) has {len(shapes)} weights "
                f"({_shapes_text(shapes) or 'none'}), but {len(weights)} were given"
            )
        new: dict[str, Array] = {}
        for (name, shape), given in zip(shapes.items(), weights, strict=True):
            try:
                array = np.array(given, dtype=np.float32)
            except (TypeError, ValueError) as error:
                raise WeightsError(f"{self.name}: its {name} must be numbers: {error}") from error
            if array.shape != shape:
                raise WeightsError(
                    f"{self.name} ({self.kind}): its {name} has shape {shape_text(shape)}, "
                    f"but an array of shape {shape_text(array.shape)} was given"
                )
            new[name] = array
        self._arrays = new
        self.version += 1

    def put(self, arrays: dict[str, Array]) -> None:
        """Take arrays as the weights, as they are: who keeps them may change them, and say so in `version`."""
        self._arrays = arrays

    def count_params(self) -> int:
        """Return how many numbers the layer's weights hold."""
        total: int = sum(product(shape) for shape in (self.weight_shapes or {}).values())
        return total

    def __repr__(self) -> str:
        given = ", ".join(
            f"{name}={value!r}" for name, value in self.settings().items() if value is not None
        )
        return f"{self.kind}({given})"


def drawn_from(seed: int, name: str) -> tuple[int, ...]:
    """Return what the weights of a node are drawn from: so that the order of drawing does not matter."""
    return seed, zlib.crc32(name.encode())


def _shapes_text(shapes: dict[str, Shape]) -> str:
    return ", ".join(f"{name} {shape_text(shape)}" for name, shape in shapes.items())


def _name(name: object) -> str | None:
    if name is None or (isinstance(name, str) and name and "/" not in name):
        return name
    raise SettingError(f"a layer's name must be a non-empty text without '/', not {name!r}")


def _dtype(dtype: object) -> str:
    if dtype in (None, "float32"):
        return "float32"
    raise SettingError(f"convscope computes in float32; dtype={dtype!r} is not supported")


def _first_shape(kind: str, common: dict[str, Any]) -> Shape | None:
    given = [
        k for k in ("input_shape", "batch_input_shape", "batch_shape", "input_dim") if k in common
    ]
    if not given:
        return None
    if len(given) > 1:
        raise SettingError(f"{kind}: give one of {' and '.join(given)}, not both")
    value = common.pop(given[0])
    if value is None:
        return None
    if given[0] == "input_dim":
        value = (value,)
    shape = checked_shape(value, f"{kind}: {given[0]}", batch=given[0].startswith("batch"))
    return shape


def checked_shape(value: object, what: str, batch: bool = False) -> Shape:
    """Return a shape from what a user writes; with `batch`, the first size is dropped."""
    if isinstance(value, (int, str)) or not isinstance(value, Iterable):
        raise SettingError(f"{what} must be a tuple such as (28, 28, 1), not {briefly(value)}")
    sizes = tuple(value)
    shape = tuple(size(v, f"{what} = {briefly(sizes)}: every size") for v in sizes)
    return shape[1:] if batch else shape


def tensor_names(count: int) -> tuple[str, ...]:
    """Return what an equation calls its inputs: "in" for one, a, b, c … for several.

    >>> tensor_names(1), tensor_names(3)
    (('in',), ('a', 'b', 'c'))
    """
    if count == 1:
        return ("in",)
    return tuple(chr(ord("a") + n) if n < 26 else f"t{n}" for n in range(count))


def expect_rank(layer: Layer, shape: Shape, rank: int, example: str) -> None:
    """Raise `ShapeError` unless an input has this many axes (without the batch)."""
    if len(shape) != rank:
        raise ShapeError(
            f"{layer.kind} takes inputs with {rank} axes besides the batch, such as {example}, "
            f"but its input has shape {shape_text(shape)} ({len(shape)} axes)"
        )
