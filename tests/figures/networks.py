"""Networks of many forms, small: a name and what makes each."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import convscope as cs


def chain(count: int = 40) -> Any:
    model = cs.Sequential(name="chain")
    model.add(cs.Conv2D(5, 3, padding="same", input_shape=(33, 47, 3)))
    for n in range(count):
        model.add(cs.Conv2D(6 + n, 3, padding="same", activation="relu"))
    return model


def inception() -> Any:
    image = here = cs.Input((40, 52, 3), name="image")
    for n in range(3):
        one = cs.Conv2D(7, 1, padding="same", name=f"mixed{n}_one")(here)
        two = cs.Conv2D(8, 3, padding="same", name=f"mixed{n}_two_b")(
            cs.Conv2D(5, 1, name=f"mixed{n}_two_a")(here)
        )
        three = here
        for k in range(3):
            three = cs.Conv2D(9 + k, 5, padding="same", name=f"mixed{n}_three_{k}")(three)
        four = cs.MaxPooling2D(3, strides=1, padding="same", name=f"mixed{n}_pool")(here)
        here = cs.Concatenate(name=f"mixed{n}")([one, two, three, four])
    return cs.Model(image, cs.Dense(3)(cs.GlobalAveragePooling2D()(here)), name="inception")


def unet(size: int = 48, depth: int = 3) -> Any:
    image = here = cs.Input((size, size + (2 << depth), 3), name="image")
    kept = []

    def two(x: Any, maps: int, name: str) -> Any:
        for n in (1, 2):
            x = cs.ReLU(name=f"{name}_relu{n}")(
                cs.Conv2D(maps, 3, padding="same", name=f"{name}_conv{n}")(x)
            )
        return x

    for n in range(depth):
        here = two(here, 4 << n, f"down_{'abcdef'[n]}")
        kept.append(here)
        here = cs.MaxPooling2D(2, name=f"pool_{'abcdef'[n]}")(here)
    here = two(here, 4 << depth, "bottom")
    for n in reversed(range(depth)):
        here = cs.Conv2DTranspose(4 << n, 2, strides=2, name=f"up_{'abcdef'[n]}")(here)
        here = two(
            cs.Concatenate(name=f"join_{'abcdef'[n]}")([kept[n], here]),
            4 << n,
            f"rise_{'abcdef'[n]}",
        )
    return cs.Model(image, cs.Conv2D(2, 1, activation="softmax", name="classes")(here), name="unet")


def dense_block() -> Any:
    image = here = cs.Input((31, 29, 3), name="image")
    before = [here]
    for n in range(7):
        new = cs.Conv2D(4 + n, 3, padding="same", activation="relu", name=f"grow{'abcdefg'[n]}")(
            here
        )
        before.append(new)
        here = cs.Concatenate(name=f"all{'abcdefg'[n]}")(list(before))
    return cs.Model(image, here, name="dense_block")


def residual(count: int = 16) -> Any:
    image = cs.Input((67, 59, 3), name="image")
    here = cs.Conv2D(12, 7, strides=2, padding="same", name="stem")(image)
    for n in range(count):
        inner = cs.ReLU(name=f"stage{n}_relu")(cs.BatchNormalization(name=f"stage{n}_bn")(
            cs.Conv2D(12, 3, padding="same", name=f"stage{n}_conv")(here)))  # fmt: skip
        here = cs.Add(name=f"stage{n}_add")(
            [here, cs.Conv2D(12, 1, name=f"stage{n}_project")(inner)]
        )
    return cs.Model(image, cs.Dense(9)(cs.GlobalAveragePooling2D()(here)), name="residual")


def two_inputs() -> Any:
    image, row = cs.Input((21, 19, 3), name="image"), cs.Input((6,), name="row")
    seen = cs.Flatten()(cs.Conv2D(4, 5)(image))
    return cs.Model(
        [image, row], cs.Dense(2)(cs.Concatenate()([seen, cs.Dense(8)(row)])), name="two_inputs"
    )


def unknown() -> Any:
    return cs.Sequential([cs.Conv2D(8, 3, input_shape=(None, None, 3)), cs.MaxPooling2D(2), cs.Conv2D(16, 3),
                          cs.GlobalAveragePooling2D(), cs.Dense(4)], name="unknown")  # fmt: skip


def symbols() -> Any:
    return cs.Sequential(
        [cs.Conv2D("k1", 3, input_shape=("n", "m", 1)), cs.Conv2D("k2", 3)], name="symbols"
    )


def opaque() -> Any:
    from convscope.layers.opaque import Opaque
    from convscope.model.graph import Graph
    from convscope.network import Network

    graph = Graph("opaque", {"image": (17, 15, 3)})
    graph.grow("seen", cs.Conv2D(4, 3), ["image"], 0)
    graph.add("odd", Opaque("Mystery", (13, 11, 5), {"secret": (3, 5)}), ["seen"])
    graph.add("lost", Opaque("LSTM"), ["odd"])
    return Network("opaque", graph=graph)


def one_dimension() -> Any:
    return cs.Sequential([cs.Conv1D(8, 9, strides=2, input_shape=(200, 3)), cs.MaxPooling1D(3), cs.Conv1D(12, 5),
                          cs.GlobalMaxPooling1D(), cs.Dense(5)], name="one_dimension")  # fmt: skip


def three_dimensions() -> Any:
    return cs.Sequential([cs.Conv3D(4, (2, 3, 5), input_shape=(8, 22, 26, 2)), cs.MaxPooling3D(2), cs.Flatten(),
                          cs.Dense(3)], name="three_dimensions")  # fmt: skip


def names() -> Any:
    hostile = ["<script>&", "a" * 120, "畳み込み層の名前", "\\input{x}$%#_^~", "עברית\u202e", "  "]
    model = cs.Sequential(name="\x1b[2J & <names> 'quoted\"")
    model.add(cs.Conv2D(3, 2, input_shape=(30, 28, 2), name="first"))
    for n, name in enumerate(hostile):
        model.add(cs.Conv2D(4 + n, 2, name=name))
    return model


FORMS: dict[str, Callable[[], Any]] = {
    "demo": lambda: cs.open("demo"),
    "demo:resnet": lambda: cs.open("demo:resnet"),
    "demo:groups": lambda: cs.open("demo:groups"),
    **{
        made.__name__: made
        for made in (chain, inception, unet, dense_block, residual, two_inputs, unknown, symbols, opaque,
                     one_dimension, three_dimensions, names)
    },
}  # fmt: skip
