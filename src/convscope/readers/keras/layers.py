"""What one part of a Keras config is among our layers: its kind, its settings; opaque where we have none.

Class names are looked up in our own table only; nothing that a file names is imported or run.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence

from convscope.errors import ConvscopeError, SettingError, SourceError, WeightsError
from convscope.layers import find, spellings
from convscope.layers.base import Layer
from convscope.layers.opaque import Opaque
from convscope.notation.sizes import Shape, is_symbolic
from convscope.readers.keras.adapted import adapted
from convscope.readers.keras.config import CallArguments, Operand, Part, SizesSaid, inner, is_tensor
from convscope.readers.keras.operations import made, spoken
from convscope.typed import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from typing import Any

MOST_OPAQUE = 2_000  # whose stored weights are looked up
MOST_NAMES = 100  # of classes, that are looked up one by one

IGNORED = re.compile(
    r".*_(initializer|regularizer|constraint)|name|trainable|dtype|(batch_)?(input_)?shape|seed|"
    r"momentum|synchronized|autocast|ragged|sparse|optional|noise_shape|registered_name|"
    r"renorm_(clipping|momentum)|virtual_batch_size|quantization_config|lora_\w+|input_dim"
)
"""Settings that change nothing about what a trained layer computes, or that are read elsewhere."""

NEEDED = {"Embedding": ("input_dim",)}
"""What is ignored for other kinds and matters for these."""

NO_LAYERS = ("Opaque", "Arithmetic", "Operation", "InputLayer")
"""Kinds of ours that no layer of a config is."""

WITH_A_NUMBER = {
    "Add": "add", "Subtract": "subtract", "Multiply": "multiply", "Divide": "divide",
    "TrueDivide": "divide", "Maximum": "maximum", "Minimum": "minimum",
}  # fmt: skip
MERGING = ("Add", "Subtract", "Multiply", "Maximum", "Minimum")
FUNCTIONS = {
    "Relu": "relu", "Relu6": "relu6", "Sigmoid": "sigmoid", "Silu": "silu", "Tanh": "tanh",
    "HardSigmoid": "hard_sigmoid", "HardSilu": "hard_silu", "Softplus": "softplus",
    "Softsign": "softsign", "LogSigmoid": "log_sigmoid", "Selu": "selu", "Mish": "mish", "Exp": "exponential",
}  # fmt: skip
"""Operations of keras.ops that are one of our activations."""

ONLY_IN_TRAINING = (
    "RandomFlip", "RandomRotation", "RandomZoom", "RandomTranslation", "RandomContrast",
    "RandomBrightness", "RandomShear", "RandomHue", "RandomSaturation", "RandomGrayscale",
    "RandomErasing", "RandomColorJitter", "RandomPosterization", "RandomSharpness", "RandomInvert",
    "RandomGaussianBlur", "RandomPerspective", "RandomElasticTransform",
)  # fmt: skip
"""Layers that make training images differ, and are the identity when the network is used."""

LAMBDA = "TFOpLambda"
OLDER = {
    "__operators__.add": "Add", "math.add": "Add", "__operators__.sub": "Subtract",
    "math.subtract": "Subtract", "math.multiply": "Multiply", "__operators__.mul": "Multiply",
    "math.truediv": "Divide", "__operators__.truediv": "Divide", "math.divide": "Divide",
    "math.maximum": "Maximum", "math.minimum": "Minimum", "nn.relu": "Relu", "nn.relu6": "Relu6",
    "math.sigmoid": "Sigmoid", "nn.silu": "Silu", "math.tanh": "Tanh",
}  # fmt: skip
"""What Keras 2 called the operations it wrapped in TFOpLambda layers."""

LAYER_LIKE = ("trainable", "dtype", "function")


BITS = {"float16": 16, "bfloat16": 16, "float64": 64, "int8": 8, "uint8": 8}
"""How many bits a weight's number takes under a policy; mixed ones keep float32."""


class StoredShapes(Protocol):
    """The shapes of whatever is stored for a layer that nobody knows.

    adapters_stored   whether low-rank adapters are stored beside their kernel, and not in it
    """

    adapters_stored: bool

    def stored_shapes(self, part: Part) -> dict[str, tuple[int, ...]]: ...

    def stored_bits(self, part: Part) -> dict[str, int]: ...


class LayerMaker:
    """Makes layers of what a config says of them, one at a time.

    remarks   what was left out or changed so far, in words
    """

    def __init__(self, weights: StoredShapes) -> None:
        self.weights = weights
        self.remarks: list[str] = []
        self._opaque_count = 0
        self._kinds: dict[str, type[Layer] | None] = {}

    def remark(self, part: Part, said: str) -> None:
        """Note what people should know about a part."""
        self.remarks.append(f"{part.where}: {said}")

    def layer(self, part: Part) -> Layer:
        """Return the layer that a part describes; an opaque one where we have no such kind."""
        kind = None
        if part.of_keras or part.kind in ("LayerScale", "CustomScaleLayer"):
            name = part.kind
            if re.fullmatch(r"[A-Za-z]\w*", name) and name not in NO_LAYERS:
                kind = self._kind(name)
        if part.of_keras and part.kind in ONLY_IN_TRAINING:
            self.remark(
                part, f"{part.kind} changes images only in training; it passes them on here"
            )
            return made("Identity", trainable=False)
        if kind is None:
            return self.opaque(part)
        try:
            return self._stated(part, kind)
        except (ConvscopeError, TypeError, ValueError, OverflowError) as error:
            return self.odd(part, error)

    def _stated(self, part: Part, kind: type[Layer]) -> Layer:
        """Return a layer of a kind of ours; raise where it cannot be stated."""
        policy, quantised = _policy(part)
        if quantised:
            raise SettingError(f"it computes in {policy}, with rounded inputs")
        settings = self._settings(part, kind)
        if "layer" in kind.parameters():
            settings["layer"] = self._inside(part)
        rank = part.settings.get("lora_rank")
        made = (adapted(kind, rank) if rank else kind)(**settings)
        _check_numbers(made)
        if BITS.get(policy, 32) != 32:
            made.bits = dict.fromkeys(made.initializers(), BITS[policy])
        return made

    def _inside(self, part: Part) -> Layer:
        """Return the layer that a wrapper holds; raise where it is none that we can state."""
        held = inner(part.settings.get("layer"), part.where)
        kind = self._kind(held.kind) if held.of_keras and not held.container else None
        if kind is None or kind.__name__ in NO_LAYERS:
            raise SettingError(f"{held.kind}, which it holds, has no equation here")
        return self._stated(held, kind)

    def _kind(self, name: str) -> type[Layer] | None:
        """Return our kind of that name, at a bounded cost for a file of many names."""
        if name not in self._kinds:
            few = len(self._kinds) < MOST_NAMES
            self._kinds[name] = find(name) if few else spellings().get(name)
        return self._kinds[name]

    def _settings(self, part: Part, kind: type[Layer]) -> dict[str, Any]:
        known = kind.parameters()
        found: dict[str, Any] = {"trainable": part.settings.get("trainable") is not False}
        for name, value in part.settings.items():
            if IGNORED.fullmatch(name) and name not in NEEDED.get(kind.__name__, ()):
                continue
            if name == "layer":  # one inside another, made by itself
                continue
            if name in known:
                found[name] = _plain(value)
            elif value and value != 1:
                self.remark(
                    part, f"its setting {name} = {str(value)[:60]} is not known and was left out"
                )
        if kind.__name__ == "BatchNormalization" and isinstance(found.get("axis"), tuple):
            axis = found["axis"]
            found["axis"] = axis[0] if len(axis) == 1 else axis
        policy, _ = _policy(part)
        if policy != "float32":
            self.remark(part, f"it computes in {policy} in Keras, and in float32 here")
        return found

    def opaque(self, part: Part, shape: Shape | None = None) -> Opaque:
        """Return an opaque layer, with what its stored weights say of its parameters."""
        stored: dict[str, tuple[int, ...]] | None = None
        bits: dict[str, int] = {}
        self._opaque_count += 1
        if part.operation:
            stored = {}
        elif self._opaque_count < MOST_OPAQUE:
            try:
                stored, bits = self.weights.stored_shapes(part), self.weights.stored_bits(part)
            except (SourceError, WeightsError) as error:
                self.remark(part, f"its parameters are not counted: {error}")
        if part.settings.get("lora_rank") and not self.weights.adapters_stored:
            stored = None  # of which kernel they are nobody says
        layer = Opaque(part.kind, shape, stored)
        layer.bits = {n: b for n, b in bits.items() if b != 32} if stored else {}
        layer.trainable = part.settings.get("trainable") is not False
        return layer

    def odd(self, part: Part, error: Exception, shape: Shape | None = None) -> Opaque:
        """Return an opaque layer for one that we cannot state, and note why: its network stays."""
        layer = self.opaque(part, shape)
        layer.reason = str(error)
        self.remark(part, f"{part.kind} has no equation here: {error}")
        return layer

    def operation(
        self, part: Part, given: Sequence[Operand], said: Mapping[int, SizesSaid | None]
    ) -> Layer:
        """Return the layer that does what an operation of keras.ops does; opaque if there is none."""
        raw = part.given_in(given)
        kind = part.kind
        if kind == LAMBDA:
            kind = OLDER.get(str(part.settings.get("function")), "")
        given = [o for o in given if o.keyword != "name"]
        tensors = [o for o in given if o.place is not None]
        settings = {k: v for k, v in part.settings.items() if k not in ("name", *LAYER_LIKE)}
        pair = len(given) == 2 and not settings
        try:
            if kind in WITH_A_NUMBER and pair and len(tensors) == 1:
                constant = next(o.number for o in given if o.place is None)
                if constant is not None:
                    reverse = given[0].place is None
                    return made("Arithmetic", WITH_A_NUMBER[kind], constant, reverse=reverse)
            if kind in MERGING and pair and len(tensors) == 2:
                return made(kind)
            if kind == "Concatenate" and set(settings) <= {"axis"} and settings.get("axis") != 0:
                return made(kind, axis=settings.get("axis", -1))
            if kind in FUNCTIONS and len(given) == 1 and not settings:
                return made("Activation", FUNCTIONS[kind])
            shape = tensors[0].shape if len(tensors) == 1 else None
            if kind == "Mean" and settings.get("axis") == [1, 2] and shape and len(shape) == 3:
                return made("GlobalAveragePooling2D", keepdims=settings.get("keepdims", False))
            if part.kind != LAMBDA and raw is not None:
                return spoken(part.kind, settings, raw, shape)
        except (ConvscopeError, TypeError, ValueError) as error:
            return self.odd(part, error)
        return Opaque(part.kind, None, {})


ONE_BY_ONE = ("MultiHeadAttention", "GroupQueryAttention")
ASKED = ("query", "value", "key")
"""Kinds that are called with several tensors, one by one, and what those are called."""


def arranged(
    part: Part, given: CallArguments | None, feeds: Sequence[str]
) -> tuple[Sequence[str], str | None]:
    """Return what a layer reads, in its own order, and what in its call speaks against its equation."""
    if given is None:
        return feeds, None
    for keyword, value in given.keywords.items():
        heads = part.kind in ONE_BY_ONE and keyword in ASKED
        first = keyword == "inputs" and not given.args
        told = value is None or value is False or keyword in ("name", "return_attention_scores")
        if not (told or heads or first or (keyword == "training" and not value)):
            return feeds, f"it is called with {keyword}" + (
                "" if is_tensor(value) else f"={value!r:.40}"
            )
    if part.kind not in ONE_BY_ONE or not isinstance(given.args, list):
        return feeds, None
    names = [*ASKED[: sum(map(is_tensor, given.args))], *(k for k in given.keywords if k in ASKED)]
    if len(names) != len(feeds) or len(set(names)) < len(names) or names[:1] == ["key"]:
        return feeds, "it is called with other tensors than query, value and key"
    by_name = dict(zip(names, feeds, strict=True))
    return [by_name[name] for name in ASKED if name in by_name], None


def _check_numbers(layer: Layer) -> None:
    """Raise when a word stands where a number must: whoever writes a network down means a symbol by it."""
    for name, value in layer.settings().items():
        for number in value if isinstance(value, tuple) else (value,):
            if is_symbolic(number):
                raise SettingError(f"{layer.kind}: {name} must be numbers, not {value!r:.80}")


def _policy(part: Part) -> tuple[str, bool]:
    """Return the type that a layer computes in, and whether that is of rounded whole numbers."""
    dtype = part.settings.get("dtype")
    if not isinstance(dtype, dict):
        return str(dtype or "float32")[:40], False
    policy = dtype.get("config")
    policy = policy if isinstance(policy, dict) else {}
    quantised = dtype.get("class_name") == "QuantizedDTypePolicy"
    return str(policy.get("mode" if quantised else "name") or "float32")[:40], quantised


WRAPPED = ("__numpy__", "__tensor__")
"""What Keras calls a number or an array in a config that is not plain JSON: numpy's, a tensor's."""


def _plain(value: Any) -> Any:
    """Return a setting as a layer takes it: lists as tuples, a named function as its name."""
    if isinstance(value, list):
        return tuple(map(_plain, value))
    if isinstance(value, dict) and value.get("class_name") == "function":
        return value.get("config")
    if isinstance(value, dict):
        held = value.get("config") if value.get("class_name") in WRAPPED else value
        if isinstance(held, dict) and isinstance(held.get("value"), (list, int, float)):
            return _plain(held["value"])
    return value
