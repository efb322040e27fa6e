"""Networks that learn, and gradients."""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from typing import Any

from row import Row
from timing import in_turn, processes

BATCH = 32

EPOCH = """
import os
from convscope.demo.training import as_input, split
x, _, y, _ = split()
x = as_input(x)
"""

OURS = """
from convscope.demo.training import network
model = network()
model.compile("adam", "sparse_categorical_crossentropy", metrics=["accuracy"])
model.fit(x, y, batch_size=32, epochs=1, verbose=0)
"""

THEIRS = """
os.environ["KERAS_BACKEND"] = "torch"
import keras
l2 = keras.regularizers.L2(1e-3)
layers = keras.layers
model = keras.Sequential([
    keras.Input((28, 28, 1)),
    layers.Conv2D(32, 3, activation="relu", kernel_regularizer=l2),
    layers.Conv2D(64, 3, activation="relu", kernel_regularizer=l2),
    layers.MaxPooling2D(2),
    layers.Flatten(),
    layers.Dense(10, activation="softmax", kernel_regularizer=l2),
])
model.compile("adam", "sparse_categorical_crossentropy", metrics=["accuracy"])
model.fit(x, y, batch_size=32, epochs=1, verbose=0)
"""


def step() -> list[Row]:
    """A step of the demo network, batch 32: ours and Keras's on PyTorch."""
    os.environ.setdefault("KERAS_BACKEND", "torch")
    import numpy as np

    from convscope.demo.training import network

    rng = np.random.default_rng(0)
    x = rng.random((BATCH, 28, 28, 1), dtype=np.float32)
    y = rng.integers(0, 10, BATCH)
    ours: Any = network()
    theirs = ours.to_keras()
    for model in (ours, theirs):
        model.compile("adam", "sparse_categorical_crossentropy", metrics=["accuracy"])
    mine, his = in_turn(
        lambda: ours.train_on_batch(x, y), lambda: theirs.train_on_batch(x, y), times=25, warm=2
    )
    return [
        Row(
            f"a step of training the demo network, batch {BATCH}", f"{mine * 1e3:.1f} ms",
            f"Keras on PyTorch {his * 1e3:.1f} ms", f"{his / mine:.2f}× faster", "≥ 1.0×", his >= mine,
        )
    ]  # fmt: skip


def epoch() -> list[Row]:
    """One epoch on the digits, from nothing: whole processes."""
    found = processes({"mine": EPOCH + OURS, "his": EPOCH + THEIRS}, turns=3)
    mine, his = found["mine"].seconds, found["his"].seconds
    return [
        Row(
            "one epoch on the digits from a cold start, whole process", f"{mine:.2f} s",
            f"Keras on PyTorch {his:.2f} s", f"{his / mine:.1f}× faster", "≥ 4×", his >= 4 * mine,
        )
    ]  # fmt: skip


def derivative() -> list[Row]:
    """The ledger of one derivative, at hand, beside that of one number of as many terms."""
    import numpy as np

    from convscope import Conv2D, Sequential

    model = Sequential([Conv2D(32, 3, input_shape=(26, 26, 512), use_bias=False)])
    run = model.run(np.random.default_rng(0).random((26, 26, 512), dtype=np.float32))
    found: Any = run.gradient(("conv2d", (5, 6, 7)), "input")
    _ = found.array
    where = (6, 7, 300)
    value, slope = in_turn(
        lambda: run.trace("conv2d", (5, 6, 7)), lambda: found.at(where), times=50, warm=3
    )
    return [
        Row(
            "the ledger of one derivative, at hand", f"{slope * 1e3:.2f} ms",
            f"of one number {value * 1e3:.2f} ms", f"{slope / value:.2f}×", "≤ 2×", slope <= 2 * value,
        )
    ]  # fmt: skip


def residual() -> list[Row]:
    """All parameter gradients of a ResNet-50 for one image, forwards included, and PyTorch's backward.

    They are proved against PyTorch in float64. Of ten million inputs of ReLUs a few lie so near to 0 that float32 gives them
    the other sign, here or there; each turns a path on or off, which moves a gradient by up to 0.5 % of the largest. So
    PyTorch is given the signs that the step found: each that differs must be one of float32's rounding.
    """
    import copy

    import numpy as np
    import torch
    import transformers

    import convscope as cs
    from convscope.engine import leading
    from convscope.engine.step import Step

    class Logits(torch.nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.m = transformers.ResNetForImageClassification(
                transformers.ResNetConfig(num_labels=1000)
            )

        def forward(self, x: Any) -> Any:
            return self.m(x).logits

    torch.manual_seed(0)
    module = Logits().eval()
    x = torch.randn(1, 3, 224, 224)
    made: list[Any] = []

    class Kept(Step):
        def __init__(self, *given: Any, **more: Any) -> None:
            super().__init__(*given, **more)
            self.asked = given, more

        def run(self, given: Any) -> Any:
            made.append((self, dict(given)))
            return super().run(given)

    leading.Step = Kept  # type: ignore[misc]  # the step is made ready once, and run again
    net: Any = cs.open(module, x)
    found = net.run(x[0].numpy()).gradients(
        loss="sparse_categorical_crossentropy", target=7, from_logits=True
    )
    step, given = made[0]
    asked, more = step.asked
    relus = [n.name for n in step.graph.nodes.values() if n.layer.kind.lower().startswith("relu")]
    signs = Step(*asked, **more, keep=relus).run(given)
    exact = copy.deepcopy(module).double()
    turned, which = [0], iter(relus)

    def signed(_: Any, inputs: Any, __: Any) -> Any:
        on = torch.from_numpy(signs[next(which)] > 0)
        inner = inputs[0]
        other = inner.detach()[on != (inner > 0)].abs()
        assert other.numel() == 0 or other.max() < 1e-5 * inner.detach().abs().max()
        turned[0] += other.numel()
        return inner * on

    for one in exact.modules():
        if isinstance(one, torch.nn.ReLU):
            one.register_forward_hook(signed)
    torch.nn.functional.cross_entropy(exact(x.double()), torch.tensor([7])).backward()
    assert next(which, None) is None
    for name, parameter in exact.named_parameters():
        other = parameter.grad.numpy()
        assert np.abs(found[name] - other).max() <= 1e-5 * np.abs(other).max() + 1e-12, name
    print(
        f"every gradient within 1e-5 of the largest of PyTorch's in float64; {turned[0]} signs by rounding"
    )

    def theirs() -> Any:
        module.zero_grad()
        return torch.nn.functional.cross_entropy(module(x), torch.tensor([7]))

    ours, back = [], []
    for _ in range(7):
        begun = time.perf_counter()
        Step.run(step, given)
        ours.append(time.perf_counter() - begun)
        value = theirs()
        begun = time.perf_counter()
        value.backward()
        back.append(time.perf_counter() - begun)
    mine, his = sorted(ours)[3], sorted(back)[3]
    return [
        Row(
            "all 161 parameter gradients of ResNet-50, one image, forwards included", f"{mine * 1e3:.0f} ms",
            f"PyTorch's backward alone {his * 1e3:.0f} ms", f"{mine / his:.2f}×", "≤ 1.5×", mine <= 1.5 * his,
        )
    ]  # fmt: skip


BENCHES: dict[str, Callable[[], list[Row]]] = {
    "learning_epoch": epoch,
    "learning_step": step,
    "learning_derivative": derivative,
    "learning_residual": residual,
}
