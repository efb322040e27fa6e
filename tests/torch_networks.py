"""Networks that nobody here wrote, as torch modules and as the files that PyTorch exports of them.

They are transformers', with random weights, seeded: nothing is downloaded.
"""

from __future__ import annotations

import logging
import warnings
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch

Array = np.ndarray[Any, Any]

EXPORTERS: Mapping[str, Mapping[str, Any]] = {
    "TorchScript": {"dynamo": False},
    "TorchScript, nothing folded": {"dynamo": False, "do_constant_folding": False},
    "dynamo": {"dynamo": True},
    "dynamo, nothing folded": {"dynamo": True, "optimize": False},
}
"""PyTorch's two exporters, each as it is by default (batch normalisation folded) and without that."""


class Scores(torch.nn.Module):
    """A network of transformers' that gives its scores alone."""

    def __init__(self, network: torch.nn.Module) -> None:
        super().__init__()
        self.network = network

    def forward(self, image: torch.Tensor) -> torch.Tensor:
        scores: torch.Tensor = self.network(image).logits
        return scores


def made(kind: str, task: str = "ImageClassification", **settings: Any) -> torch.nn.Module:
    """Return a network of transformers' with random weights, ready to run."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        import transformers

        config = getattr(transformers, f"{kind}Config")(**settings)
        torch.manual_seed(3)
        model = Scores(getattr(transformers, f"{kind}For{task}")(config)).eval()
    randomise(model)
    return model


def randomise(model: torch.nn.Module) -> None:
    """Give rows of numbers that start as zeros or ones random ones: none is the same as another."""
    rows = [*model.named_parameters(), *model.named_buffers()]
    with torch.no_grad():
        for name, tensor in rows:
            if tensor.ndim != 1 or not tensor.is_floating_point():
                continue
            if name.endswith(("weight", "running_var")):
                tensor.uniform_(0.5, 1.5)
            else:
                tensor.normal_(0, 0.1)


def exported(model: torch.nn.Module, image: Array, path: Path, **how: Any) -> Path:
    """Return an ONNX file of a model, written by torch.onnx.export."""
    logging.getLogger("torch.onnx").setLevel(logging.ERROR)
    if how["dynamo"]:
        how = {"verbose": False, "external_data": False, **how}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # each exporter warns of itself
        torch.onnx.export(
            model,
            (torch.from_numpy(image if image.ndim == 4 else image[np.newaxis]),),
            path,
            input_names=["image"],
            output_names=["result"],
            **how,
        )
    return path


def activations(model: torch.nn.Module, image: Array) -> dict[str, Array]:
    """Return what every module without modules of its own gives for an image, by its name.

    Modules that are used twice are left out. The network's own output is under "".
    """
    found: dict[str, list[Array]] = {}

    def keep(name: str) -> Any:
        def hook(module: Any, given: Any, result: torch.Tensor) -> None:
            found.setdefault(name, []).append(result.detach().numpy()[0].copy())

        return hook

    leaves = [(n, m) for n, m in model.named_modules() if not list(m.children())]
    handles = [module.register_forward_hook(keep(name)) for name, module in leaves]
    with torch.no_grad():
        result = model(torch.from_numpy(image[np.newaxis]))
    for handle in handles:
        handle.remove()
    return {n: a[0] for n, a in found.items() if len(a) == 1} | {"": result.numpy()[0]}


def module_of(name: str) -> str:
    """Return the module in which a layer of ours stands, by the name that the exporter gave it.

    >>> module_of("/encoder/stages.0/layer/layer.2/convolution/Conv")
    'encoder.stages.0.layer.2.convolution'
    """
    steps: Sequence[str] = name.strip("/").split("/")[:-1]
    kept = [
        s for s, after in zip(steps, [*steps[1:], ""], strict=True) if not after.startswith(f"{s}.")
    ]
    return ".".join(kept)
