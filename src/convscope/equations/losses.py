"""Losses: one number that says how far an output is from its target, each an equation of the output.

As in Keras: a mean over everything but the classes, probabilities kept 10⁻⁷ away from 0 and 1.

>>> print(loss("mse", (10,)))
loss = mean c<10  (in[c] − target[c]) · (in[c] − target[c])
>>> print(loss("sparse_categorical_crossentropy", (10,), target=7, from_logits=True))
loss = log(Σ k<10  exp(in[k] − top)) − (in[7] − top)
  with top = max m<10  in[m]
"""

from __future__ import annotations

from collections.abc import Callable

from convscope.equations.layout import axes_of
from convscope.errors import SettingError
from convscope.notation import Axis, Equation, Expression, Max, Mean, Sum, call, local, source
from convscope.notation.expression import Read, Tensor
from convscope.notation.functions import ABS, EXP, LOG, MAXIMUM, MINIMUM
from convscope.notation.sizes import Shape, is_known, shape_text

TARGET = "target"
"""What the target is called; a tensor of the output's shape, but for the sparse loss."""

EPSILON = 1e-7
"""How far probabilities are kept away from 0 and 1 (keras.backend.epsilon())."""

NAMES = {
    "sparse_categorical_crossentropy": "sparse_categorical_crossentropy",
    "categorical_crossentropy": "categorical_crossentropy",
    "binary_crossentropy": "binary_crossentropy",
    "mse": "mse",
    "mean_squared_error": "mse",
    "mae": "mae",
    "mean_absolute_error": "mae",
}
"""The losses that there are, Keras's other names for them included."""

LOGITS = ("sparse_categorical_crossentropy", "categorical_crossentropy", "binary_crossentropy")
"""Those that take logits as well as probabilities."""


def loss(
    name: str,
    shape: Shape,
    target: int | None = None,
    from_logits: bool = False,
    shown: bool = False,
) -> Equation:
    """Return a loss as an equation of the output `in` and, unless the class is given, of `target`.

    target        the class, for the sparse loss: a whole number
    from_logits   whether the output holds logits, and no probabilities
    shown         whether the sparse loss, too, reads a `target` of the output's shape, 1 at the class and 0
                  elsewhere: over a batch each image has a class of its own

    Raises `SettingError` for a loss that there is not, for a class that there is not, and for logits
    where there are none.
    """
    kind = NAMES.get(name)
    if kind is None:
        raise SettingError(f"there is no loss {name!r}; there are {', '.join(NAMES)}")
    if from_logits and kind not in LOGITS:
        raise SettingError(f"{name} has no logits: from_logits is for {', '.join(LOGITS)}")
    image = source(shape)
    if kind == "sparse_categorical_crossentropy" and shown and shape:
        axes = axes_of(shape)
        wanted = Tensor(TARGET, "input", tuple(shape))[axes]
        many = _categorical(image, wanted, axes, axes[-1], from_logits, shares=False)
        return Equation((), Mean(*axes[:-1])(many) if axes[1:] else many, "loss")
    if kind == "sparse_categorical_crossentropy":
        if len(shape) != 1:
            raise SettingError(
                f"{name} takes one row of classes, and the output is {shape_text(shape)}; use "
                f"categorical_crossentropy with a target of that shape"
            )
        if isinstance(target, bool) or not isinstance(target, int):
            raise SettingError(f"{name} needs target=, the number of a class, not {target!r}")
        if is_known(shape[0]) and not 0 <= target < shape[0]:
            raise SettingError(f"target = {target} is no class: they are 0 … {shape[0] - 1}")
        return Equation((), _sparse(image, shape[0], target, from_logits), "loss")
    axes = axes_of(shape)
    x, wanted = image[axes], Tensor(TARGET, "input", tuple(shape))[axes]
    if kind == "categorical_crossentropy":
        *others, c = axes
        total = _categorical(image, wanted, axes, c, from_logits)
        return Equation((), Mean(*others)(total) if others else total, "loss")
    of: Callable[[Read, Read], Expression] = {
        "mse": lambda x, t: (x - t) * (x - t),
        "mae": lambda x, t: call(ABS, x - t),
        "binary_crossentropy": _binary_logits if from_logits else _binary,
    }[kind]
    return Equation((), Mean(*axes)(of(x, wanted)), "loss")


def _sparse(image: Tensor, classes: int, target: int, from_logits: bool) -> Expression:
    if not from_logits:
        return 0.0 - call(LOG, _kept(image[target]))
    k, m = Axis("k", classes, "class"), Axis("m", classes, "class")
    top = local("top", (), Max(m)(image[m]), neutral=True)[()]
    return call(LOG, Sum(k)(call(EXP, image[k] - top))) - (image[target] - top)


def _categorical(
    image: Tensor,
    wanted: Read,
    axes: tuple[Axis, ...],
    c: Axis,
    from_logits: bool,
    shares: bool = True,
) -> Expression:
    """Return −Σ target · log(share); `shares` are divided by their sum, as Keras does but for the sparse loss."""
    others = axes[:-1]
    k, m = c.like("k", c.size), c.like("m", c.size)
    if from_logits:
        top = local("top", others, Max(m)(image[*others, m]), neutral=True)[others]
        total = local("total", others, call(LOG, Sum(k)(call(EXP, image[*others, k] - top))))
        return Sum(c)(wanted * (total[others] - (image[axes] - top)))
    share = image[axes] / Sum(k)(image[*others, k]) if shares else image[axes]
    return Sum(c)(wanted * (0.0 - call(LOG, _kept(share))))


def _binary(x: Read, target: Read) -> Expression:
    p = _kept(x)
    return 0.0 - (target * call(LOG, p) + (1.0 - target) * call(LOG, 1.0 - p))


def _binary_logits(x: Read, target: Read) -> Expression:
    away = call(LOG, 1.0 + call(EXP, 0.0 - call(ABS, x)))
    return call(MAXIMUM, x, 0.0) - x * target + away


def _kept(p: Expression) -> Expression:
    return call(MINIMUM, call(MAXIMUM, p, EPSILON), 1.0 - EPSILON)
