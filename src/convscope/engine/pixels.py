"""How an image's pixels, 0 … 255, become the numbers that go in; and what a network says about it.

A file rarely says which pixels a network was trained with, but its first layers may: what they do to
every number alike (rescale, normalise) is read off their equations. Where they shrink 0 … 255 to
something around 1, the pixels go in as they are.
"""

from __future__ import annotations

from collections.abc import Callable

from convscope.errors import ConvscopeError, InputError, SettingError, did_you_mean
from convscope.layers.base import tensor_names
from convscope.model.facts import facts_of
from convscope.model.graph import Graph, Node
from convscope.notation.equation import Equation
from convscope.notation.expression import reads
from convscope.notation.sizes import Shape, is_known
from convscope.typed import Array, Record

MEAN = (0.485, 0.456, 0.406)
DEVIATION = (0.229, 0.224, 0.225)
"""ImageNet's, of pixels from 0 to 1, for R, G and B (torchvision's weights; Keras's mode "torch")."""

CAFFE = (103.939, 116.779, 123.68)
"""ImageNet's means of pixels from 0 to 255, for B, G and R (Keras's mode "caffe": ResNet50, VGG16)."""

SHRINKS = 0.1
"""A first layer that multiplies by less than this is meant for pixels up to 255, not up to 1."""


MOST_LAYERS = 16
"""So many layers are looked at after the input."""


class Scale(Record):
    """One way from pixels to numbers.

    apply      takes (rows, columns, channels) in float32, 0 … 255
    step       what it is called among the steps of an image
    words      the formula
    colours    whether it is about R, G and B
    """

    step: str
    words: str
    apply: Callable[[Array], Array]
    colours: bool = False


def _f32(values: tuple[float, ...]) -> Array:
    import numpy as np

    return np.array(values, np.float32)


SCALES = {
    "0-1": Scale("divide by 255", "value = pixel / 255", lambda p: p / p.dtype.type(255)),
    "0-255": Scale("pixels as they are", "value = pixel", lambda p: p),
    "-1-1": Scale(
        "scale to −1 … 1", "value = pixel / 127.5 − 1", lambda p: p / p.dtype.type(127.5) - 1
    ),
    "mean-std": Scale(
        "subtract the mean, divide by the deviation",
        "value = (pixel / 255 − mean) / deviation; mean 0.485, 0.456, 0.406, deviation 0.229, 0.224, 0.225 "
        "for R, G, B (ImageNet)",
        lambda p: (p / p.dtype.type(255) - _f32(MEAN)) / _f32(DEVIATION),
        True,
    ),
    "caffe": Scale(
        "B, G, R without their means",
        "B, G, R in the place of R, G, B; value = pixel − mean; mean 103.939, 116.779, 123.68 (ImageNet)",
        lambda p: p[..., ::-1] - _f32(CAFFE),
        True,
    ),
}
"""By the name that is given on the command line and in the explorer."""


class Chosen(Record):
    """A scale's name, and in words why it was chosen; `noticed` where the network itself says so."""

    name: str
    why: str
    noticed: bool = False

    @property
    def scale(self) -> Scale:
        return SCALES[self.name]


def scale_named(name: str) -> Scale:
    """Return a scale; raises `SettingError` for one that nobody knows."""
    if name not in SCALES:
        raise SettingError(
            f"pixels cannot go in as {name!r}{did_you_mean(str(name), list(SCALES))}: it is one of "
            f"{', '.join(SCALES)}"
        )
    return SCALES[name]


def applied(scale: Scale, pixels: Array, what: str) -> Array:
    """Return the numbers for pixels (rows, columns, channels); raises `InputError` for grey where R, G, B is meant."""
    import numpy as np

    if scale.colours and pixels.shape[-1] != 3:
        raise InputError(
            f"{what} is grey, and to {scale.step} is about R, G and B: choose 0-1, 0-255 or -1-1"
        )
    found: Array = np.ascontiguousarray(scale.apply(pixels.astype(np.float32)), np.float32)
    return found


def is_whole(kind: str) -> bool:
    """Whether a type is of whole numbers."""
    return kind.startswith(("int", "uint", "bool"))


def chosen(graph: Graph) -> Chosen:
    """Return how pixels should go into a network: as its first layers say, else divided by 255.

    >>> from convscope import Conv2D, Rescaling, Sequential
    >>> model = Sequential([Rescaling(1 / 127.5, -1, input_shape=(9, 8, 3)), Conv2D(4, 3)])
    >>> found = chosen(model.graph)
    >>> found.name, found.why
    ('0-255', 'its own rescaling takes 0 … 255 to −1 … 1')
    """
    kinds = [graph.takes.get(name, "") for name in graph.inputs]
    if kinds and all(map(is_whole, kinds)):
        return Chosen("0-255", f"it takes whole numbers ({kinds[0]})", True)
    names: list[str] = []
    if _begins_by_pixel(graph):
        import numpy as np

        with np.errstate(
            over="ignore", invalid="ignore"
        ):  # weights of float64 may be beyond float32
            names, ends = _first_numbers(graph)
    if not names:
        return Chosen("0-1", "nothing in the network says otherwise")
    slope = max(abs(high - low) for low, high in ends)
    which = names[-1] if len(names) == 1 else f"{names[0]} … {names[-1]}"
    if 0 < slope < SHRINKS:
        low = min(min(low, low + 255 * (high - low)) for low, high in ends)
        top = max(max(low_, low_ + 255 * (high - low_)) for low_, high in ends)
        return Chosen(
            "0-255", f"its own {which} takes 0 … 255 to {_short(low)} … {_short(top)}", True
        )
    low = min(min(pair) for pair in ends)
    top = max(max(pair) for pair in ends)
    return Chosen("0-1", f"its own {which} takes 0 … 1 to {_short(low)} … {_short(top)}", True)


def _begins_by_pixel(graph: Graph) -> bool:
    """Return whether the first layer makes each number from one of the image's: most networks begin with windows."""
    reader = _only_reader(graph, next(iter(graph.inputs))) if len(graph.inputs) == 1 else None
    equation = None if reader is None else graph.facts[reader.name].equation
    return equation is not None and _pointwise(equation)


def _first_numbers(graph: Graph) -> tuple[list[str], list[tuple[float, float]]]:
    """Return the first layers that do the same to every pixel, and what they make of 0 and of 1, channel
    by channel."""
    import numpy as np

    from convscope.notation.evaluation import evaluate

    names: list[str] = []
    ends: list[tuple[float, float]] = []
    if len(graph.inputs) != 1:
        return names, ends
    ((name, given),) = graph.inputs.items()
    shape: Shape = tuple(s if is_known(s) else 1 for s in given)
    if len(shape) != 3:
        return names, ends
    place = 2 if graph.image_layout == "channels_last" else 0
    channels = range(shape[place])
    lying = tuple(-1 if n == place else 1 for n in range(3))
    made: list[Array] = [np.full(len(channels), v, np.float32) for v in (0.0, 1.0, 2.0)]
    for _ in range(MOST_LAYERS):
        reader = _only_reader(graph, name)
        if reader is None:
            break
        try:
            equation = facts_of(reader.layer, (shape,)).equation
            if equation is None or not _pointwise(equation):
                break
            weights = dict(reader.layer.weights)
            found: list[Array] = []
            for values in made:
                x = np.broadcast_to(values.reshape(lying), shape)
                at = [tuple(c if n == place else 0 for n in range(3)) for c in channels]
                read = {**weights, tensor_names(1)[0]: x}
                found.append(
                    np.array([evaluate(equation, position, read) for position in at], np.float32)
                )
        except ConvscopeError:
            break
        zero, one, two = found
        if not np.allclose(
            two - one, one - zero, rtol=1e-3, atol=1e-6
        ):  # not a line: an activation
            break
        if any(not np.array_equal(new, old) for new, old in zip(found, made, strict=True)):
            names.append(reader.name)
            ends = [(float(z), float(o)) for z, o in zip(zero, one, strict=True)]
        made, name = found, reader.name
    return names, ends


def _pointwise(equation: Equation) -> bool:
    """Return whether each output is made from the input's number at the same place, and no other."""
    if equation.locals:
        return False
    of_input = [r for r in reads([equation.expression]) if r.tensor.role == "input"]
    return bool(of_input) and all(
        [index.single() for index in read.indices] == list(equation.axes) for read in of_input
    )


def _only_reader(graph: Graph, name: str) -> Node | None:
    readers = [node for node in graph.nodes.values() if name in node.inputs]
    return readers[0] if len(readers) == 1 and len(readers[0].inputs) == 1 else None


def _short(value: float) -> str:
    return f"{value:.3g}".replace("-", "−")
