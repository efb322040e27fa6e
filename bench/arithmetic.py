"""One number of a network: its ledger, and its value without running the network."""

from __future__ import annotations

from collections.abc import Callable

from row import Row
from timing import in_turn


def ledger_rows() -> list[Row]:
    """The ledger of one number of 3·3·512 terms, activations at hand, against its bare arithmetic."""
    import numpy as np

    from convscope import Conv2D, Sequential

    model = Sequential([Conv2D(16, 3, activation="relu", input_shape=(14, 12, 512))])
    image = np.random.default_rng(0).normal(size=(14, 12, 512)).astype(np.float32)
    run = model.run(image)
    kernel, bias = model.layers[0].get_weights()

    def bare() -> float:
        window = np.ascontiguousarray(image[5:8, 7:10]).reshape(1, -1)
        return float((window @ kernel[..., 3].reshape(-1, 1))[0, 0] + bias[3])

    assert abs(max(bare(), 0.0) - run.trace("conv2d", (5, 7, 3)).facts.value) < 1e-3
    ours, theirs = in_turn(lambda: run.trace("conv2d", (5, 7, 3)), bare, times=200, warm=20)
    times = ours / theirs
    return [
        Row(
            "ledger of one number, 3·3·512 = 4,608 terms", f"{ours * 1e3:.2f} ms",
            f"the window gathered and multiplied by the kernel, numpy {theirs * 1e3:.3f} ms",
            f"{times:.0f}×", "≤ 20×", times <= 20,
        )
    ]  # fmt: skip


def cone_rows() -> list[Row]:
    """One number of the second layer of a 4096×4096 image, against running the network on it."""
    import numpy as np

    from convscope import Conv2D, Sequential

    model = Sequential(
        [
            Conv2D(32, 3, activation="relu", input_shape=(4096, 4096, 1)),
            Conv2D(64, 3, activation="relu"),
        ]
    )
    image = np.random.default_rng(0).random((4096, 4096, 1), dtype=np.float32)
    small = Sequential(
        [
            Conv2D(32, 3, activation="relu", input_shape=(64, 64, 1)),
            Conv2D(64, 3, activation="relu"),
        ]
    )
    where = (2000, 31, 12)
    ours, least = in_turn(
        lambda: model.trace(image, "conv2d_1", where),
        lambda: small.trace(image[:64, :64], "conv2d_1", (20, 31, 12)),
        times=50,
        warm=5,
    )
    (theirs,) = in_turn(lambda: model.run(image, keep=["conv2d_1"]), times=1, warm=0)
    ratio = theirs / ours
    return [
        Row(
            "one number of conv2d_1, 4096×4096 image, by the cone",
            f"{ours * 1e3:.2f} ms", f"running the network {theirs:.1f} s",
            f"{ratio:,.0f}× faster", "≥ 1,000×", ratio >= 1000,
        ),
        Row(
            "the same on a 64×64 image: the cost does not grow with the image",
            f"{least * 1e3:.2f} ms", f"4096×4096: {ours * 1e3:.2f} ms",
            f"{ours / least:.2f}×", "≤ 1.5×", ours / least <= 1.5,
        ),
    ]  # fmt: skip


BENCHES: dict[str, Callable[[], list[Row]]] = {"ledger": ledger_rows, "cone": cone_rows}
