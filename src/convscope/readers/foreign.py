"""What convscope does not open, and how a network gets in from there."""

from __future__ import annotations

import os

from convscope.errors import did_you_mean
from convscope.typed import TYPE_CHECKING

if TYPE_CHECKING:
    from typing import Any

_PICKLE = (
    "opening it would run whatever code it holds. Load it in Python, where you trust it, and open the live "
    "module: convscope.open(module, shape=(3, 224, 224)), or file.py:module with --shape 3,224,224; or write it "
    "with torch.export.save (.pt2) or safetensors, which hold no code"
)
_WEIGHTS = (
    "it holds weights and no network: load them into the model's own code in Python, and open the live "
    "model there, convscope.open(model), or export it to ONNX"
)
_IMAGE = "an image is given with --image, beside a network: convscope run NET --image {}"

_ADVICE = {
    ".pt": f"it is a PyTorch file: {_PICKLE}",
    ".pth": f"it is a PyTorch file: {_PICKLE}",
    ".ckpt": f"it is a checkpoint: {_PICKLE}",
    ".pkl": "it is a pickle, and opening a pickle runs whatever code it holds: export to ONNX",
    ".pickle": "it is a pickle, and opening a pickle runs whatever code it holds: export to ONNX",
    ".joblib": "it is a pickle, and opening a pickle runs whatever code it holds: export to ONNX",
    ".bin": _WEIGHTS,
    ".gguf": _WEIGHTS,
    ".index": _WEIGHTS,
    ".npz": _WEIGHTS,
    ".tflite": (
        "convert it with python -m tf2onnx.convert --tflite {} --output net.onnx, and open net.onnx"
    ),
    ".pb": (
        "it is TensorFlow's: convert the folder it lies in with python -m tf2onnx.convert "
        "--saved-model FOLDER --output net.onnx, and open net.onnx"
    ),
    ".mlmodel": "it is Core ML's: export the model that it was made from to ONNX",
    ".mlpackage": "it is Core ML's: export the model that it was made from to ONNX",
    ".ort": "it is ONNX Runtime's own form: open the .onnx file that it was made from",
    ".engine": "it is TensorRT's: open the .onnx file that it was made from",
    ".caffemodel": "it is Caffe's: convert it to ONNX first",
    ".prototxt": "it is Caffe's: convert it to ONNX first",
    ".ipynb": (
        "a notebook is opened from inside: net = convscope.open(model) in one of its cells, then "
        "net.summary()"
    ),
    ".npy": _IMAGE,
    ".png": _IMAGE,
    ".jpg": _IMAGE,
    ".jpeg": _IMAGE,
}


def refused(source: str | os.PathLike[str]) -> str | None:
    """Return why a file is not opened, and what would work; None for what may be a network."""
    path = os.fspath(source)
    suffix = os.path.splitext(path)[1].lower()
    advice = _ADVICE.get(suffix)
    if advice is not None:
        return f"{path} is not a network that convscope opens: {advice.format(path)}"
    ours = suffix in (".keras", ".h5", ".hdf5", ".onnx")
    return _name(path) if ours and not os.path.isfile(path) else None


def unknown(source: Any) -> str | None:
    """Return what would make something a network that nobody has taken; None where nobody knows."""
    if isinstance(source, (str, os.PathLike)):
        return _name(os.fspath(source))
    kind = source if isinstance(source, type) else type(source)
    bases = {base.__module__.split(".")[0] for base in kind.__mro__}
    if isinstance(source, type):
        return f"{kind.__name__} is a class, not a network: make one, {kind.__name__}(…), and open that"
    if "tensorflow" in bases:
        return (
            f"{kind.__name__} is TensorFlow's: save it with model.save('net.keras'), or convert it to ONNX "
            f"with tf2onnx, and open the file"
        )
    return None


def _name(name: str) -> str | None:
    """Return what is wrong with a name that is no file, or a file that is no network."""
    from pathlib import Path

    path = Path(name)
    if not name:
        return "'' is not a network: give a file, a module or \"demo\""
    if path.is_dir():
        if (path / "saved_model.pb").is_file():
            return (
                f"{path} is a TensorFlow SavedModel: python -m tf2onnx.convert --saved-model {path} "
                f"--output net.onnx, then open net.onnx"
            )
        found = sorted(
            p.name for p in path.iterdir() if p.suffix.lower() in (".onnx", ".keras", ".h5", ".pt2")
        )
        there = f"; networks in it: {', '.join(found[:9])}" if found else ""
        return f"{path} is a folder, not a network{there}"
    if path.exists():
        return None
    folder = path.parent
    names = [p.name for p in folder.iterdir() if p.is_file()] if folder.is_dir() else []
    return f"there is no file {str(path)!r}{did_you_mean(path.name, names)}"
