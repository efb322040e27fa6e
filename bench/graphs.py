"""Large graphs: what a layer costs, and that it costs the same in a graph of any size."""

from __future__ import annotations

import io
import statistics
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from row import Row
from timing import process

KERAS = """
import sys, time
import keras
sys.setrecursionlimit(100_000)

def stacked(layers):
    model = keras.Sequential([keras.Input((32, 30, 3))])
    for layer in layers:
        model.add(layer)
    return model

def wired(layers):
    seen = x = keras.Input((32, 30, 3))
    for layer in layers:
        x = layer(x)
    return keras.Model(seen, x)

def cost(build, count):
    begun = time.perf_counter()
    build(layers(count)).summary(print_fn=lambda *text, **more: None)
    return (time.perf_counter() - begun) / count

def layers(count):
    for n in range(count):
        yield [
            lambda: keras.layers.Conv2D(8 + n % 9, 3, padding="same"),
            keras.layers.BatchNormalization,
            keras.layers.ReLU,
        ][n % 3]()

cost(wired, 10)
print(cost(stacked, {few}), cost(wired, {many}), file=open({out!r}, "w"))
"""
FEW, MANY = 300, 1000


def layers(count: int) -> Iterator[Any]:
    """Yield convolutions, normalisations and activations in turn."""
    from convscope import BatchNormalization, Conv2D, ReLU

    for n in range(count):
        yield [lambda n=n: Conv2D(8 + n % 9, 3, padding="same"), BatchNormalization, ReLU][n % 3]()


def cost(count: int) -> float:
    """Return the seconds a layer that building and summarising a network of so many layers takes."""
    from convscope import Input, Sequential

    begun = time.perf_counter()
    model = Sequential([Input((32, 30, 3))])
    for layer in layers(count):
        model.add(layer)
    model.summary(file=io.StringIO())
    return (time.perf_counter() - begun) / count


def deep_rows() -> list[Row]:
    """A layer in a graph of 10,000: built and summarised, against Keras's cost in far smaller ones.

    `Sequential.add` builds Keras's whole model again for every layer; wired by hand it does not.
    """
    with tempfile.TemporaryDirectory() as folder:
        out = Path(folder) / "costs"
        process(KERAS.format(few=FEW, many=MANY, out=str(out)), KERAS_BACKEND="torch")
        stacked, wired = map(float, out.read_text().split())
    cost(200)
    pairs = [(cost(5000), cost(10000)) for _ in range(5)]
    half, full = map(statistics.median, zip(*pairs, strict=True))
    what = "a layer in a network of 10,000, built with add and summarised"
    return [
        Row(
            what, f"{full * 1e6:.0f} µs", f"Keras, {FEW} layers, {stacked * 1e3:.1f} ms",
            f"{stacked / full:.0f}× faster", "≥ 200×", stacked / full >= 200,
        ),
        Row(
            "the same, Keras's layers wired one by one instead", f"{full * 1e6:.0f} µs",
            f"Keras, {MANY:,} layers, {wired * 1e3:.2f} ms",
            f"{wired / full:.0f}× faster", "≥ 8×", wired / full >= 8,
        ),
        Row(
            "the same: the cost does not grow with the network", f"{full * 1e6:.0f} µs",
            f"of 5,000: {half * 1e6:.0f} µs", f"{full / half:.2f}×", "≤ 1.3×", full / half <= 1.3,
        ),
    ]  # fmt: skip


def onnx_rows() -> list[Row]:
    """An ONNX file of 10,000 nodes: opened, and summarised as text; against onnx, which infers shapes alone."""
    import numpy as np
    import onnx
    from onnx import helper, numpy_helper

    import convscope

    def write(count: int, path: Path) -> None:
        rng = np.random.default_rng(0)
        nodes, weights, name, channels = [], [], "x", 3

        def drawn(*shape: int) -> str:
            array = rng.random(shape, dtype=np.float32)
            weights.append(numpy_helper.from_array(array, f"w{len(weights)}"))
            return f"w{len(weights) - 1}"

        for n in range(count):
            if n % 3 == 0:
                kernel, channels = drawn(8 + n % 9, channels, 3, 3), 8 + n % 9
                nodes.append(helper.make_node("Conv", [name, kernel], [f"t{n}"], pads=[1] * 4))
            elif n % 3 == 1:
                held = [drawn(channels) for _ in range(4)]
                nodes.append(helper.make_node("BatchNormalization", [name, *held], [f"t{n}"]))
            else:
                nodes.append(helper.make_node("Relu", [name], [f"t{n}"]))
            name = f"t{n}"
        image = helper.make_tensor_value_info("x", 1, ["n", 3, 32, 30])
        result = helper.make_tensor_value_info(name, 1, None)
        graph = helper.make_graph(nodes, "deep", [image], [result], weights)
        onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)]), path)

    def whole(path: Path) -> float:
        begun = time.perf_counter()
        convscope.open(path).summary(file=io.StringIO())
        return time.perf_counter() - begun

    def inferred(path: Path) -> float:
        begun = time.perf_counter()
        onnx.shape_inference.infer_shapes(onnx.load(path))
        return time.perf_counter() - begun

    with tempfile.TemporaryDirectory() as folder:
        paths = [Path(folder) / f"{count}.onnx" for count in (5000, 10000)]
        for path, count in zip(paths, (5000, 10000), strict=True):
            write(count, path)
        whole(paths[0])
        taken = [(whole(paths[0]), whole(paths[1]), inferred(paths[1])) for _ in range(3)]
        half, full, peer = map(statistics.median, zip(*taken, strict=True))
    return [
        Row(
            "an ONNX file of 10,000 nodes opened and summarised", f"{full:.2f} s",
            f"onnx, loaded and shapes inferred, {peer:.2f} s", f"{full / peer:.1f}×", "≤ 20×",
            full / peer <= 20,
        ),
        Row(
            "the same: linear", f"{full:.2f} s", f"5,000 nodes: {half:.2f} s",
            f"{full / half:.2f}× for twice the nodes", "≤ 2.6×", full / half <= 2.6,
        ),
    ]  # fmt: skip


BENCHES: dict[str, Callable[[], list[Row]]] = {"deep": deep_rows, "onnx": onnx_rows}
