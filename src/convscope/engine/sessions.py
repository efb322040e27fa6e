"""Sessions of ONNX Runtime on a model whose large weights are handed over as arrays."""

from __future__ import annotations

from collections.abc import Container, Mapping, Sequence
from pathlib import Path
from typing import Any, TypeAlias

import numpy as np

from convscope.engine.memory import let_go
from convscope.engine.native import onnxruntime

Array: TypeAlias = np.ndarray[Any, Any]

IN_PLACE_FROM = 1 << 24
"""Matrices that hold this many bytes together are used where they lie.

ONNX Runtime packs smaller ones into a copy, which makes products of many rows up to twice as fast.
"""


def session(
    model: bytes, apart: Mapping[str, Array], products: Container[str], kept: int, many: bool
) -> tuple[Any, list[Any]]:
    """Return an inference session, and the arrays that it uses in place (they must outlive it).

    apart      weights that the model only declares, as external data: name → array
    products   those that only matrix products read; large ones are used where they lie
    kept       how many values a run returns
    many       whether inputs come in batches of several: then even large matrices are packed

    Kernels of convolutions are copied once, by ONNX Runtime itself, which rearranges them into blocks for
    the processor. Nothing is serialised.
    """
    matrices = [name for name in apart if name in products]
    if many or sum(apart[name].nbytes for name in matrices) < IN_PLACE_FROM:
        matrices = []
    try:
        return _opened(model, apart, matrices, kept)
    except Exception:
        if not matrices:
            raise
        # an optimiser pass wanted to read a matrix, of which the model only knows the shape
        return _opened(model, apart, [], kept)


def _opened(
    model: bytes, apart: Mapping[str, Array], in_place: Sequence[str], kept: int
) -> tuple[Any, list[Any]]:
    ort = onnxruntime()

    options = ort.SessionOptions()
    options.log_severity_level = 4
    # Its plan of one block for all values is for those that it can drop. Where most are kept, values that
    # take each other's places in memory are faster: they are still in the processor's cache.
    options.enable_mem_pattern = kept == 1
    # nothing is read from there: every array that the model refers to is handed over below
    folder = str(Path(__file__).parents[1])
    options.add_session_config_entry("session.model_external_initializers_file_folder_path", folder)
    values = {name: ort.OrtValue.ortvalue_from_numpy(array) for name, array in apart.items()}
    copied = [name for name in apart if name not in in_place]
    if copied:
        options.add_external_initializers(copied, [values[name] for name in copied])
    for name in in_place:
        options.add_initializer(name, values[name])
    if in_place:
        options.add_session_config_entry("session.disable_prepacking", "1")
    opened = ort.InferenceSession(
        model,
        options,
        providers=["CPUExecutionProvider"],
        # it would read the matrices, to make one product of two
        disabled_optimizers=["MatMul_BatchNormalization_Fusion"] if in_place else None,
    )
    for name in copied:
        let_go(apart[name])
    return opened, [(values[name], apart[name]) for name in in_place]
