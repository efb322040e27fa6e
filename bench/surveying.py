"""A network over many images: every layer surveyed, against a loop that computes the output alone."""

from __future__ import annotations

import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

from row import Row
from timing import in_turn, process


def survey_rows() -> list[Row]:
    """Surveys of networks of several sizes, images at hand as numbers: nothing is decoded in either loop.

    Long ones: what is timed comes after the first second, and Numba counts.
    """
    import numpy as np
    import onnxruntime as ort

    import convscope
    from convscope.survey.data import open_data
    from convscope.survey.measuring import BATCH, Asked, Measuring
    from convscope.survey.tally import Tally

    def compared(what: str, net: Any, path: Path, images: int) -> Row:
        """Compare a survey of a network with a loop on the same as ONNX, at `path`."""
        shape = next(iter(net.graph.inputs.values()))
        x = np.random.default_rng(0).random((images, *shape), np.float32)
        measuring = Measuring(net, open_data(x), Asked())
        session = ort.InferenceSession(str(path), providers=["CPUExecutionProvider"])
        name = session.get_inputs()[0].name

        def ours() -> None:
            for _ in measuring.measure(Tally(measuring.plan), 0, None):
                pass

        def bare() -> None:
            for first in range(0, images, BATCH):
                session.run(None, {name: x[first : first + BATCH]})

        a, b = in_turn(ours, bare, times=3, warm=1, again=True)
        numbers = sum(layer.maps * layer.places for layer in measuring.plan.layers)
        return Row(
            f"a survey of {what}: {len(measuring.plan.layers)} layers, {measuring.plan.maps:,} maps, "
            f"{numbers:,} numbers an image, {b / images / numbers * 1e9:.1f} ns a number bare",
            f"{images / a:,.0f} images/s", f"bare ONNX Runtime, output only, {images / b:,.0f} images/s",
            f"{b / a:.2f}× its images a second", "≥ 0.75×", b / a >= 0.75,
        )  # fmt: skip

    with tempfile.TemporaryDirectory() as folder:
        demo, resnet = (Path(folder) / f"{n}.onnx" for n in ("demo", "resnet"))
        own = convscope.open("demo")
        own.export(demo)
        _resnet(resnet)
        rows = [
            compared("the demo network", own, demo, 320 * BATCH),
            compared("ResNet-50 as PyTorch exports it", convscope.open(resnet), resnet, 6 * BATCH),
        ]
        for name, images in (("VGG16", BATCH // 2), ("MobileNetV2", 4 * BATCH)):
            stored, written = Path(folder) / f"{name}.keras", Path(folder) / f"{name}.onnx"
            made = f"import keras; keras.applications.{name}(weights=None).save({str(stored)!r})"
            process(made, KERAS_BACKEND="torch")
            large = convscope.open(stored)
            large.export(written)
            rows.append(compared(f"{name}.keras", large, written, images))
        return rows


def _resnet(path: Path) -> None:
    """Write ResNet-50 with random weights, batch normalisation folded, for any number of images."""
    import warnings

    import torch
    from transformers import ResNetConfig, ResNetForImageClassification

    torch.manual_seed(0)
    model = ResNetForImageClassification(ResNetConfig(num_labels=1000)).eval()
    model.config.return_dict = False
    with warnings.catch_warnings(), torch.no_grad():
        warnings.simplefilter("ignore")
        torch.onnx.export(
            model, (torch.zeros(1, 3, 224, 224),), str(path), dynamo=False,
            input_names=["image"], dynamic_axes={"image": {0: "n"}},
        )  # fmt: skip


BENCHES: dict[str, Callable[[], list[Row]]] = {"survey": survey_rows}
