"""How weights are drawn before anyone trains them, under Keras's names.

Fans, limits and distributions follow keras/src/initializers; the numbers come from numpy's generator,
so a seed gives the same weights on every machine, though not the numbers Keras would draw.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping

from convscope.errors import SettingError, did_you_mean
from convscope.typed import TYPE_CHECKING, Array

if TYPE_CHECKING:
    from typing import Any, TypeAlias

    import numpy as np

    Generator: TypeAlias = np.random.Generator
Initializer: TypeAlias = "Callable[[tuple[int, ...], Generator], Array]"


def fans(shape: tuple[int, ...]) -> tuple[float, float]:
    """Return (fan in, fan out) of a weight: how many numbers feed one output, and are fed by one.

    >>> fans((3, 3, 32, 64))
    (288, 576)
    """
    if len(shape) < 2:
        n = shape[0] if shape else 1
        return n, n
    field = math.prod(shape[:-2])
    return shape[-2] * field, shape[-1] * field


def zeros(shape: tuple[int, ...], rng: Generator) -> Array:
    import numpy as np

    return np.zeros(shape, dtype=np.float32)


def ones(shape: tuple[int, ...], rng: Generator) -> Array:
    import numpy as np

    return np.ones(shape, dtype=np.float32)


def constant(value: float = 0.0) -> Initializer:
    """Return an initializer that fills with one value."""

    def draw(shape: tuple[int, ...], rng: Generator) -> Array:
        import numpy as np

        return np.full(shape, value, dtype=np.float32)

    return draw


def random_uniform(minval: float = -0.05, maxval: float = 0.05) -> Initializer:
    """Return an initializer that draws evenly from minval … maxval."""

    def draw(shape: tuple[int, ...], rng: Generator) -> Array:
        return (rng.random(shape, dtype="float32") * (maxval - minval) + minval).astype("float32")

    return draw


def random_normal(mean: float = 0.0, stddev: float = 0.05) -> Initializer:
    """Return an initializer that draws from a normal distribution."""

    def draw(shape: tuple[int, ...], rng: Generator) -> Array:
        return (rng.standard_normal(shape, dtype="float32") * stddev + mean).astype("float32")

    return draw


def truncated_normal(mean: float = 0.0, stddev: float = 0.05) -> Initializer:
    """Return an initializer that draws normally, drawing again what lies beyond two deviations."""

    def draw(shape: tuple[int, ...], rng: Generator) -> Array:
        import numpy as np

        values = rng.standard_normal(shape, dtype="float32")
        while (beyond := np.abs(values) > 2).any():
            values[beyond] = rng.standard_normal(int(beyond.sum()), dtype="float32")
        return (values * stddev + mean).astype("float32")

    return draw


def variance_scaling(
    scale: float = 1.0, mode: str = "fan_in", distribution: str = "truncated_normal"
) -> Initializer:
    """Return an initializer whose variance is scale / fan (Glorot & Bengio 2010, He et al. 2015)."""

    def draw(shape: tuple[int, ...], rng: Generator) -> Array:
        fan_in, fan_out = fans(shape)
        fan = {"fan_in": fan_in, "fan_out": fan_out, "fan_avg": (fan_in + fan_out) / 2}[mode]
        variance = scale / max(1.0, fan)
        if distribution == "uniform":
            limit = math.sqrt(3 * variance)
            return random_uniform(-limit, limit)(shape, rng)
        if distribution == "untruncated_normal":
            return random_normal(0.0, math.sqrt(variance))(shape, rng)
        # a normal cut at two deviations has 0.8796 of the deviation it was cut from
        return truncated_normal(0.0, math.sqrt(variance) / 0.87962566103423978)(shape, rng)

    return draw


def orthogonal(gain: float = 1.0) -> Initializer:
    """Return an initializer whose flattened weight has orthonormal rows or columns."""

    def draw(shape: tuple[int, ...], rng: Generator) -> Array:
        import numpy as np

        if len(shape) < 2:
            raise SettingError(f"orthogonal needs a weight with two axes or more, not {shape}")
        rows = math.prod(shape[:-1])
        flat = rng.standard_normal((max(rows, shape[-1]), min(rows, shape[-1])))
        q, r = np.linalg.qr(flat)
        q = q * np.sign(np.diag(r))
        q = q.T if rows < shape[-1] else q
        return (gain * q.reshape(shape)).astype(np.float32)

    return draw


def identity(gain: float = 1.0) -> Initializer:
    """Return an initializer of the identity matrix."""

    def draw(shape: tuple[int, ...], rng: Generator) -> Array:
        import numpy as np

        if len(shape) != 2:
            raise SettingError(f"identity needs a weight with two axes, not {shape}")
        return (gain * np.eye(*shape)).astype(np.float32)

    return draw


NAMED: dict[str, Callable[..., Initializer]] = {
    "zeros": lambda: zeros,
    "ones": lambda: ones,
    "constant": constant,
    "random_uniform": random_uniform,
    "random_normal": random_normal,
    "truncated_normal": truncated_normal,
    "variance_scaling": variance_scaling,
    "glorot_uniform": lambda: variance_scaling(1.0, "fan_avg", "uniform"),
    "glorot_normal": lambda: variance_scaling(1.0, "fan_avg", "truncated_normal"),
    "he_uniform": lambda: variance_scaling(2.0, "fan_in", "uniform"),
    "he_normal": lambda: variance_scaling(2.0, "fan_in", "truncated_normal"),
    "lecun_uniform": lambda: variance_scaling(1.0, "fan_in", "uniform"),
    "lecun_normal": lambda: variance_scaling(1.0, "fan_in", "truncated_normal"),
    "orthogonal": orthogonal,
    "identity": identity,
    "uniform": random_uniform,
    "normal": random_normal,
}
"""Keras's names for initializers; the last two are its short ones."""


def kept(layer: Any, given: Mapping[str, Any]) -> dict[str, Initializer]:
    """Keep how a layer's weights are drawn, and what only training asks for (regularizers, constraints), as they are said.

    given   what the layer is called with, by name; its other settings are left alone

    Returns what draws each weight, by how the settings that are about it begin. Raises `SettingError`.
    """
    draws = {}
    for name, value in given.items():
        prefix, _, ending = name.rpartition("_")
        if ending in ("initializer", "regularizer", "constraint"):
            setattr(layer, name, value)
            if ending == "initializer":
                draws[prefix] = initializer(value, f"{layer.kind}: {name}")
    return draws


def initializer(given: object, what: str) -> Initializer:
    """Return how a weight is drawn, from a name, a callable of (shape), or Keras's config dict.

    Raises `SettingError` for a name that nobody knows.
    """
    if isinstance(given, str):
        snake = "".join(f"_{c.lower()}" if c.isupper() else c for c in given).lstrip("_")
        if snake in NAMED:
            return NAMED[snake]()
        raise SettingError(
            f"{what}: unknown initializer {given!r}{did_you_mean(snake, NAMED)}; "
            f"known are {', '.join(NAMED)}"
        )
    if isinstance(given, dict) and isinstance(given.get("class_name"), str):
        return _from_config(given, what)
    if callable(given):
        function = given

        def draw(shape: tuple[int, ...], rng: Generator) -> Array:
            import numpy as np

            values = np.asarray(function(shape), dtype=np.float32)
            if values.shape != shape:
                raise SettingError(f"{what} gave an array of shape {values.shape}, not {shape}")
            return values

        return draw
    raise SettingError(
        f"{what} must be a name such as 'glorot_uniform' or a callable, not {given!r}"
    )


def _from_config(config: dict[str, Any], what: str) -> Initializer:
    name = config["class_name"]
    arguments = {k: v for k, v in dict(config.get("config") or {}).items() if k != "seed"}
    snake = "".join(f"_{c.lower()}" if c.isupper() else c for c in name).lstrip("_")
    if snake not in NAMED:
        raise SettingError(f"{what}: unknown initializer {name!r}{did_you_mean(snake, NAMED)}")
    try:
        return NAMED[snake](**arguments)
    except TypeError as error:
        raise SettingError(f"{what}: {name} does not take {arguments}: {error}") from error
