"""Two ResNet-50 compared, every layer's numbers to the last digit, against running one of them once."""

from __future__ import annotations

import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

from row import Row
from timing import in_turn, process


def compare_rows() -> list[Row]:
    """Keras's ResNet-50 with its ONNX export, and PyTorch's own with what its exporter folds of it."""
    import warnings

    import numpy as np
    import torch
    from transformers import ResNetConfig, ResNetForImageClassification

    import convscope

    warnings.simplefilter("ignore")
    torch.manual_seed(0)
    model = ResNetForImageClassification(ResNetConfig(num_labels=1000)).eval()
    model.config.return_dict = False
    x = np.random.default_rng(0).random((3, 224, 224), dtype=np.float32)
    pairs: list[tuple[str, Any, Any, Any]] = []
    with tempfile.TemporaryDirectory() as folder, torch.no_grad():
        folded, stored, exported = (
            Path(folder) / name for name in ("folded.onnx", "own.keras", "own.onnx")
        )
        torch.onnx.export(model, (torch.from_numpy(x[None]),), folded, dynamo=True, verbose=False)
        made = f"import keras; keras.applications.ResNet50(weights=None).save({str(stored)!r})"
        process(made, KERAS_BACKEND="torch")
        own = convscope.open(stored)
        own.export(exported)
        image = np.ascontiguousarray(x.transpose(1, 2, 0))
        pairs.append(("ResNet50.keras with its ONNX export", own, convscope.open(exported), image))
        module = convscope.open(model, torch.from_numpy(x[None]))
        what = "PyTorch's ResNet-50 with its export, batch normalisations folded"
        pairs.append((what, module, convscope.open(folded), x))
        found = []
        for what, one, other, given in pairs:
            report = one.compare(other, given)
            assert report.agree and all(layer.agrees is not False for layer in report.layers)
            ours, *runs = in_turn(
                lambda one=one, other=other, given=given: one.compare(other, given),
                lambda one=one, given=given: one.run(given),
                lambda other=other, given=given: other.run(given),
                times=5,
            )
            found.append((what, len(report.layers), ours, sum(runs) / 2))
    return [
        Row(
            f"comparing {what}, {count} pairs of layers", f"{ours:.2f} s",
            f"running one of them (mean of the two), every activation kept, {theirs * 1e3:.0f} ms",
            f"{ours / theirs:.1f}×", "≤ 10×", ours / theirs <= 10,
        )
        for what, count, ours, theirs in found
    ]  # fmt: skip


BENCHES: dict[str, Callable[[], list[Row]]] = {"compare": compare_rows}
