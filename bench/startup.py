"""Whole processes: what somebody waits for, the start of Python and all imports included."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Callable
from pathlib import Path

from row import Row
from timing import process, processes

BUILD = """
from {module} import Sequential
from {layers} import Conv2D
model = Sequential()
model.add(Conv2D(32, kernel_size=(3, 3), activation='relu', input_shape=(28, 28, 1)))
model.add(Conv2D(64, (3, 3), activation='relu'))
"""
SHAPES = """
for l in model.layers:
    if len(l.get_weights()) > 0:
        print(l.get_weights()[0].shape)
"""
SUMMARY = "model.summary()\n"
FLOOR = "import numpy, numpy.random"


def question_rows() -> list[Row]:
    """The two-layer question, against Keras on its PyTorch backend and against what nobody can save."""
    ours = BUILD.format(module="convscope", layers="convscope")
    theirs = BUILD.format(module="keras", layers="keras.layers")
    codes = {
        "nothing": "pass",
        "floor": FLOOR,
        "shapes": ours + SUMMARY,
        "whole": ours + SHAPES + SUMMARY,
        "keras": theirs + SHAPES + SUMMARY,
    }
    found = processes(codes, 5, nothing=4, floor=4, shapes=4, whole=4)
    whole, floor, keras = found["whole"], found["floor"], found["keras"]
    shapes, nothing = found["shapes"], found["nothing"]
    faster, above = keras.seconds / whole.seconds, whole.seconds / floor.seconds
    bare, larger = shapes.seconds / nothing.seconds, whole.mib / floor.mib
    what = "the two-layer question, whole process: build, weights' shapes, summary"
    return [
        Row(
            what, f"{whole.seconds:.3f} s", f"Keras {keras.seconds:.2f} s",
            f"{faster:.0f}× faster", "≥ 35×", faster >= 35,
        ),
        Row(
            "the same", f"{whole.seconds:.3f} s", f"`{FLOOR}` {floor.seconds:.3f} s",
            f"{above:.2f}×", "≤ 1.15×", above <= 1.15,
        ),
        Row(
            "the same, peak memory", f"{whole.mib:.0f} MiB",
            f"`{FLOOR}` {floor.mib:.0f} MiB, Keras {keras.mib:.0f} MiB",
            f"{larger:.2f}×", "≤ 1.15×", larger <= 1.15,
        ),
        Row(
            "the same without asking for a weight", f"{shapes.seconds:.3f} s",
            f"`python -c pass` {nothing.seconds:.3f} s", f"{bare:.1f}×", "≤ 4×", bare <= 4,
        ),
    ]  # fmt: skip


OUR_SUMMARY = "import convscope; convscope.open({path!r}).summary()"
THEIR_SUMMARY = "import keras; keras.saving.load_model({path!r}).summary()"


def file_rows() -> list[Row]:
    """Summaries of .keras files as whole processes, against Keras loading and summarising them."""
    rows = []
    for name, bound in {"ResNet50": 40, "VGG16": 70}.items():
        with tempfile.TemporaryDirectory() as folder:
            path = str(Path(folder) / f"{name}.keras")
            made = f"import keras; keras.applications.{name}(weights=None).save({path!r})"
            process(made, KERAS_BACKEND="torch")
            codes = {
                "nothing": "pass",
                "ours": OUR_SUMMARY.format(path=path),
                "keras": THEIR_SUMMARY.format(path=path),
            }
            found = processes(codes, 3, ours=4)
            size = os.path.getsize(path) / 1e6
        ours, keras, nothing = found["ours"], found["keras"], found["nothing"]
        faster, larger = keras.seconds / ours.seconds, ours.mib / nothing.mib
        rows += [
            Row(
                f"summary of {name}.keras ({size:.0f} MB), whole process", f"{ours.seconds:.3f} s",
                f"Keras {keras.seconds:.2f} s", f"{faster:.0f}× faster", f"≥ {bound}×", faster >= bound,
            ),
            Row(
                "the same, peak memory", f"{ours.mib:.0f} MiB",
                f"`python -c pass` {nothing.mib:.0f} MiB, Keras {keras.mib:.0f} MiB",
                f"{larger:.1f}×", "≤ 2×", larger <= 2,
            ),
        ]  # fmt: skip
    return rows


OUR_RUN = """
import numpy, convscope
image = numpy.random.default_rng(0).random((224, 224, 3), dtype=numpy.float32)
convscope.open({path!r}).run(image)
"""
THEIR_RUN = """
import numpy, keras
image = numpy.random.default_rng(0).random((1, 224, 224, 3), dtype=numpy.float32)
keras.saving.load_model({path!r}).predict(image, verbose=0)
"""


def memory_rows() -> list[Row]:
    """Peak memory of a fresh process that opens VGG16 and runs one image, every activation kept.

    The operating system's figure for the whole process: the interpreter and all libraries count, and so
    does every page of the mapped file that was looked at.
    """
    weights = 138_357_544 * 4 / 2**20  # Keras's documentation: 138.4 million parameters
    with tempfile.TemporaryDirectory() as folder:
        stored, exported = (str(Path(folder) / f"VGG16.{kind}") for kind in ("keras", "onnx"))
        made = f"import keras; keras.applications.VGG16(weights=None).save({stored!r})"
        process(made, KERAS_BACKEND="torch")
        process(f"import convscope; convscope.open({stored!r}).export({exported!r})")
        found = processes(
            {
                "keras": OUR_RUN.format(path=stored),
                "onnx": OUR_RUN.format(path=exported),
                "peer": THEIR_RUN.format(path=stored),
            },
            3,
        )
    peer = found["peer"].mib
    return [
        Row(
            f"running VGG16.{kind}, one image, every activation kept: peak memory of the process",
            f"{found[kind].mib:.0f} MiB", f"Keras, output only, {peer:.0f} MiB",
            f"{found[kind].mib / weights:.2f}× its weights ({weights:.0f} MiB)", "≤ 1.5×", found[kind].mib <= 1.5 * weights,
        )
        for kind in ("keras", "onnx")
    ]  # fmt: skip


BENCHES: dict[str, Callable[[], list[Row]]] = {
    "question": question_rows,
    "files": file_rows,
    "memory": memory_rows,
}
