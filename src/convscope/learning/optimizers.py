"""Optimizers: how a weight moves, given its gradient. Keras's names, arguments and defaults.

    SGD       w − α·g                                   with momentum μ: v = μ·v − α·g, w + v
    Adam      w − α·√(1 − β₂ᵗ)/(1 − β₁ᵗ) · m/(√v + ε)   m and v: running means of g and g²
    RMSprop   w − α·g/√(v + ε)                          v: a running mean of g²

Sutskever et al., On the importance of initialization and momentum, 2013; Kingma & Ba, Adam, 2015; Hinton,
Neural Networks for Machine Learning, lecture 6, 2012. Formulas as in Keras 3, in float32.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from convscope.errors import SettingError, did_you_mean
from convscope.layers.arguments import number
from convscope.learning.named import Configured, resolved
from convscope.typed import Record

if TYPE_CHECKING:
    import numpy as np

    Array = np.ndarray[Any, Any]

REFUSED = (
    "weight_decay", "clipnorm", "clipvalue", "global_clipnorm", "use_ema", "ema_momentum",
    "ema_overwrite_frequency", "loss_scale_factor", "gradient_accumulation_steps", "amsgrad",
)  # fmt: skip
"""Keras's further settings, which are refused unless they are left as they are."""

UNCHANGED = (None, False, 0.99)


class Move(Record):
    """One line of how a weight was moved: what it is called, how it is computed, and what it comes to."""

    name: str
    formula: str
    value: float


class Optimizer(Configured):
    """How weights move. `learning_rate` may be set at any time; `iterations` counts steps.

    slots   what is kept for each weight from step to step, by name
    """

    kept: tuple[str, ...] = ()
    name = ""

    def __init__(self, learning_rate: float, given: Mapping[str, Any]) -> None:
        self.learning_rate = learning_rate
        self.iterations = 0
        self.slots: dict[str, dict[str, Array]] = {}
        self.name = given.get("name") or plain_name(type(self))
        for setting, value in given.items():
            if setting == "name":
                continue
            if setting not in REFUSED:
                near = did_you_mean(setting, [*self.config(), *REFUSED])
                raise SettingError(f"{type(self).__name__} has no setting {setting!r}{near}")
            if value not in UNCHANGED:
                raise SettingError(f"{type(self).__name__}: {setting}={value!r} is not supported")

    @property
    def learning_rate(self) -> float:
        """By how much of its direction a weight moves."""
        return self._learning_rate

    @learning_rate.setter
    def learning_rate(self, value: float) -> None:
        kind = type(self).__name__
        if callable(value):
            raise SettingError(
                f"{kind}: a schedule of learning rates is not supported: give a number"
            )
        self._learning_rate = number(float(value), f"{kind}: learning_rate", 0)

    def config(self) -> dict[str, Any]:
        """Return the settings, as Keras's config has them."""
        return {"learning_rate": self.learning_rate}

    def apply(self, weights: Mapping[str, Array], gradients: Mapping[str, Array]) -> None:
        """Move weights, in place, by one step."""
        import numpy as np

        self.iterations += 1
        for key, gradient in gradients.items():
            weight = weights[key]
            slots = self.slots.setdefault(key, {name: np.zeros_like(weight) for name in self.kept})
            self.move(weight, gradient, slots)

    def move(self, weight: Array, gradient: Array, slots: dict[str, Array]) -> None:
        """Move one weight, in place."""
        raise NotImplementedError

    def taken(
        self, weight: float, gradient: float, slots: Mapping[str, float], step: int
    ) -> list[Move]:
        """Return how one number is moved, line by line in float64; the last line is by how much."""
        raise NotImplementedError


class SGD(Optimizer):
    """Gradient descent, with momentum if asked for.

    >>> SGD(0.1).taken(weight=1.0, gradient=0.5, slots={}, step=1)[-1].value
    -0.05

    Keras's arguments and defaults. Raises `SettingError` for a momentum outside 0 … 1, and for what is
    not supported (weight decay, clipping, averages, schedules), by name.
    """

    def __init__(
        self,
        learning_rate: float = 0.01,
        momentum: float = 0.0,
        nesterov: bool = False,
        **more: Any,
    ) -> None:
        self.momentum = number(momentum, "SGD: momentum", 0, 1)
        self.nesterov = bool(nesterov)
        self.kept = ("momentum",) if self.momentum else ()
        super().__init__(learning_rate, more)

    def config(self) -> dict[str, Any]:
        return {**super().config(), "momentum": self.momentum, "nesterov": self.nesterov}

    def move(self, weight: Array, gradient: Array, slots: dict[str, Array]) -> None:
        import numpy as np

        rate = np.float32(self.learning_rate)
        if not self.momentum:
            weight -= rate * gradient
            return
        velocity = slots["momentum"]
        velocity *= np.float32(self.momentum)
        velocity -= rate * gradient
        if self.nesterov:
            weight -= rate * gradient
            weight += np.float32(self.momentum) * velocity
        else:
            weight += velocity

    def taken(
        self, weight: float, gradient: float, slots: Mapping[str, float], step: int
    ) -> list[Move]:
        a, m = self.learning_rate, self.momentum
        push = Move("step", f"−{a:g} · gradient", -a * gradient)
        if not m:
            return [push._replace(name="moved")]
        v = m * slots["momentum"] + push.value
        lines = [
            Move("velocity before", "", slots["momentum"]),
            push,
            Move("velocity", f"{m:g} · velocity before + step", v),
        ]
        if self.nesterov:
            return [*lines, Move("moved", f"{m:g} · velocity + step", m * v + push.value)]
        return [*lines, Move("moved", "velocity", v)]


class Adam(Optimizer):
    """Adam: each weight's step is its mean gradient over the root of its mean square.

    >>> round(Adam().taken(1.0, 0.5, {"momentum": 0.0, "velocity": 0.0}, step=1)[-1].value, 7)
    -0.001

    Keras's arguments and defaults (ε = 10⁻⁷, outside the corrected root). Raises `SettingError` as `SGD`.
    """

    kept = ("momentum", "velocity")

    def __init__(
        self,
        learning_rate: float = 0.001,
        beta_1: float = 0.9,
        beta_2: float = 0.999,
        epsilon: float = 1e-7,
        **more: Any,
    ) -> None:
        self.beta_1 = number(beta_1, "Adam: beta_1", 0, 1)
        self.beta_2 = number(beta_2, "Adam: beta_2", 0, 1)
        self.epsilon = number(epsilon, "Adam: epsilon", 0)
        super().__init__(learning_rate, more)

    def config(self) -> dict[str, Any]:
        return {
            **super().config(), "beta_1": self.beta_1, "beta_2": self.beta_2, "epsilon": self.epsilon
        }  # fmt: skip

    def move(self, weight: Array, gradient: Array, slots: dict[str, Array]) -> None:
        import numpy as np

        f, t = np.float32, np.float32(self.iterations)
        corrected = np.sqrt(1 - f(self.beta_2) ** t) / (1 - f(self.beta_1) ** t)
        m, v = slots["momentum"], slots["velocity"]
        m *= f(self.beta_1)
        m += f(1 - self.beta_1) * gradient
        v *= f(self.beta_2)
        square = gradient * gradient
        square *= f(1 - self.beta_2)
        v += square
        root = np.sqrt(v, out=square)
        root += f(self.epsilon)
        weight -= (f(self.learning_rate) * corrected) * m / root

    def taken(
        self, weight: float, gradient: float, slots: Mapping[str, float], step: int
    ) -> list[Move]:
        b1, b2, e = self.beta_1, self.beta_2, self.epsilon
        m = b1 * slots["momentum"] + (1 - b1) * gradient
        v = b2 * slots["velocity"] + (1 - b2) * gradient * gradient
        rate = self.learning_rate * math.sqrt(1 - b2**step) / (1 - b1**step)
        said = f"{self.learning_rate:g} · √(1 − {b2:g}^{step}) / (1 − {b1:g}^{step})"
        return [
            Move("m before", "", slots["momentum"]),
            Move("m", f"{b1:g} · m before + {1 - b1:.6g} · gradient", m),
            Move("v before", "", slots["velocity"]),
            Move("v", f"{b2:g} · v before + {1 - b2:.6g} · gradient²", v),
            Move("rate", said, rate),
            Move("moved", f"−rate · m / (√v + {e:g})", -rate * m / (math.sqrt(v) + e)),
        ]


class RMSprop(Optimizer):
    """RMSprop: each weight's step is its gradient over the root of its running mean square.

    >>> RMSprop(0.01).kept
    ('velocity',)

    Keras's arguments and defaults (ε = 10⁻⁷, under the root). Raises `SettingError` as `SGD`.
    """

    def __init__(
        self,
        learning_rate: float = 0.001,
        rho: float = 0.9,
        momentum: float = 0.0,
        epsilon: float = 1e-7,
        centered: bool = False,
        **more: Any,
    ) -> None:
        self.rho = number(rho, "RMSprop: rho", 0, 1)
        self.momentum = number(momentum, "RMSprop: momentum", 0, 1)
        self.epsilon = number(epsilon, "RMSprop: epsilon", 0)
        self.centered = bool(centered)
        self.kept = (
            "velocity",
            *(("momentum",) if self.momentum else ()),
            *(("average_gradient",) if self.centered else ()),
        )
        super().__init__(learning_rate, more)

    def config(self) -> dict[str, Any]:
        return {
            **super().config(), "rho": self.rho, "momentum": self.momentum, "epsilon": self.epsilon,
            "centered": self.centered,
        }  # fmt: skip

    def move(self, weight: Array, gradient: Array, slots: dict[str, Array]) -> None:
        import numpy as np

        f = np.float32
        v = slots["velocity"]
        v *= f(self.rho)
        v += f(1 - self.rho) * (gradient * gradient)
        under = v + f(self.epsilon)
        if self.centered:
            mean = slots["average_gradient"]
            mean *= f(self.rho)
            mean += f(1 - self.rho) * gradient
            under -= mean * mean
        step = (gradient * f(self.learning_rate)) / np.sqrt(under)
        if self.momentum:
            velocity = slots["momentum"]
            velocity *= f(self.momentum)
            velocity += step
            step = velocity
        weight -= step

    def taken(
        self, weight: float, gradient: float, slots: Mapping[str, float], step: int
    ) -> list[Move]:
        r, a = self.rho, self.learning_rate
        v = r * slots["velocity"] + (1 - r) * gradient * gradient
        lines = [
            Move("v before", "", slots["velocity"]),
            Move("v", f"{r:g} · v before + {1 - r:.6g} · gradient²", v),
        ]
        under, said = v + self.epsilon, f"v + {self.epsilon:g}"
        if self.centered:
            mean = r * slots["average_gradient"] + (1 - r) * gradient
            lines += [
                Move("mean before", "", slots["average_gradient"]),
                Move("mean", f"{r:g} · mean before + {1 - r:.6g} · gradient", mean),
            ]
            under, said = under - mean * mean, f"{said} − mean²"
        push = a * gradient / math.sqrt(under)
        if not self.momentum:
            return [*lines, Move("moved", f"−{a:g} · gradient / √({said})", -push)]
        velocity = self.momentum * slots["momentum"] + push
        return [
            *lines,
            Move("step", f"{a:g} · gradient / √({said})", push),
            Move("velocity before", "", slots["momentum"]),
            Move("velocity", f"{self.momentum:g} · velocity before + step", velocity),
            Move("moved", "−velocity", -velocity),
        ]


def plain_name(kind: type[Optimizer]) -> str:
    """Return what Keras calls an optimizer: sgd, adam, rmsprop."""
    return kind.__name__.lower()


KINDS = {"sgd": SGD, "adam": Adam, "rmsprop": RMSprop}


def get(given: Any) -> Optimizer:
    """Return an optimizer from its name, its config or itself; raises `SettingError`, by name."""
    found: Optimizer = resolved(given, KINDS, Optimizer, "compile: optimizer", "optimizer")
    return found
