"""Live PyTorch modules: opened and summarised, against torchinfo; all activations, against TorchLens and a forward.

ResNet-50 and MobileNetV2 are transformers', with random weights. torchinfo prints the columns that our table has.
"""

from __future__ import annotations

import io
import os
import statistics
import subprocess
import sys
from typing import Any

from row import Row
from timing import in_turn

MADE = """
import io, sys, time, warnings
warnings.simplefilter("ignore")
import torch, transformers
torch.manual_seed(0)
kind = "{kind}"
config = getattr(transformers, kind + "Config")(num_labels=1000)
module = getattr(transformers, kind + "ForImageClassification")(config).eval()
image = torch.rand(1, 3, 224, 224)
with torch.no_grad():
    module(image); module(image)
begun = time.perf_counter()
{code}
print(time.perf_counter() - begun)
"""
COLUMNS = ("input_size", "output_size", "num_params", "kernel_size", "mult_adds", "trainable")
OURS = "import convscope; convscope.open(module, image).summary(file=io.StringIO())"
THEIRS = (
    "import torchinfo; str(torchinfo.summary(module, input_data=image, verbose=0, depth=10, "
    f"col_names={COLUMNS}))"
)


def first(kind: str, code: str) -> float:
    """Return the seconds that a fresh process takes for this, its network at hand; the median of seven."""
    command = [sys.executable, "-W", "ignore", "-c", MADE.format(kind=kind, code=code)]
    environment = dict(os.environ)
    environment.pop("PYTHONDONTWRITEBYTECODE", None)  # installed packages come compiled
    taken = [
        float(
            subprocess.run(
                command, check=True, capture_output=True, text=True, env=environment
            ).stdout.split()[-1]
        )
        for _ in range(8)
    ]
    return statistics.median(taken[1:])


def made(kind: str) -> Any:
    import warnings

    import torch
    import transformers

    warnings.simplefilter("ignore")
    torch.manual_seed(0)
    config = getattr(transformers, f"{kind}Config")(num_labels=1000)
    return getattr(transformers, f"{kind}ForImageClassification")(config).eval()


def summary_rows() -> list[Row]:
    """Opening and summarising, first and warm."""
    import torch
    import torchinfo

    import convscope

    rows = []
    for kind, name in (("ResNet", "ResNet-50"), ("MobileNetV2", "MobileNetV2")):
        a, b = first(kind, OURS), first(kind, THEIRS)
        rows.append(
            Row(
                f"a live {name} opened and summarised, the first of a process",
                f"{a * 1e3:.0f} ms", f"torchinfo {b * 1e3:.0f} ms", f"{a / b:.2f}×", "≤ 1.0×", a <= b,
            )
        )  # fmt: skip
        module, image = made(kind), torch.rand(1, 3, 224, 224)

        def ours(module: Any = module, image: Any = image) -> None:
            convscope.open(module, image).summary(file=io.StringIO())

        def theirs(module: Any = module, image: Any = image) -> None:
            str(torchinfo.summary(module, input_data=image, verbose=0, depth=10, col_names=COLUMNS))

        a, b = in_turn(ours, theirs, times=15, warm=2)
        rows.append(
            Row(
                f"a live {name} opened and summarised, warm",
                f"{a * 1e3:.0f} ms", f"torchinfo {b * 1e3:.0f} ms", f"{a / b:.2f}×", "≤ 1.0×", a <= b,
            )
        )  # fmt: skip
    return rows


def activation_rows() -> list[Row]:
    """All activations of a live ResNet-50."""
    import numpy as np
    import torch
    import torchlens

    import convscope

    module, image = made("ResNet"), torch.rand(1, 3, 224, 224)
    net, array = convscope.open(module, image), image.numpy()[0]

    def forward() -> Any:
        with torch.no_grad():
            return module(image).logits

    assert np.array_equal(net.run(array).output, forward()[0].numpy())
    count = len(net.run(array).activations) - 1
    # each after a call of its own kind: whoever comes after the other's memory was given back to the system would
    # pay for getting it again
    a, lens, bare = in_turn(
        lambda: net.run(array), lambda: torchlens.trace(module, image), forward, times=7, again=True
    )
    return [
        Row(
            f"all {count} activations of a live ResNet-50, one image",
            f"{a * 1e3:.0f} ms", f"TorchLens {lens * 1e3:.0f} ms", f"{lens / a:.0f}× faster", "≥ 20×", lens >= 20 * a,
        ),
        Row(
            "the same", f"{a * 1e3:.0f} ms", f"its plain forward {bare * 1e3:.0f} ms",
            f"{a / bare:.2f}×", "≤ 1.5×", a <= 1.5 * bare,
        ),
    ]  # fmt: skip


BENCHES = {"modules_summary": summary_rows, "modules_activations": activation_rows}
