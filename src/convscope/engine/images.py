"""Images and arrays as a network takes them: checked, and never changed silently."""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence
from io import BytesIO
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from convscope.engine.pixels import applied, is_whole, scale_named
from convscope.equations.layout import Layout
from convscope.errors import InputError
from convscope.notation.sizes import UNKNOWN, Shape, is_known, shape_text
from convscope.typed import Array

if TYPE_CHECKING:
    from PIL.Image import Image


FORMATS = ("PNG", "JPEG", "WEBP", "BMP", "GIF")
"""What is read; other decoders are never started."""


def as_input(
    given: Any,
    shape: Shape,
    channels_last: bool,
    name: str,
    pixels: str = "0-1",
    kind: str = "float32",
) -> Array:
    """Return one input of the network, shape (1, *shape), its numbers as they were given.

    given    a path of an image or of an .npy array, a Pillow image, or an array of one input, with or without the
             batch axis of size 1, and without the channel axis where there is one channel
    pixels   how pixels of an image become numbers: a name of `pixels.SCALES`, divided by 255 by default
    kind     the type of numbers that the network takes: complex ones are refused where it is of others

    An array is taken as it is. Nothing is resized, cropped or
    converted: what does not fit raises `InputError`, which says what would.
    """
    if isinstance(given, (str, os.PathLike)) and Path(given).suffix.lower() == ".npy":
        return as_input(stored_array(Path(given)), shape, channels_last, name, pixels, kind)
    if isinstance(given, (str, os.PathLike)):
        return _fitted(
            _pixels(open_image(Path(given), str(given)), channels_last, str(given), pixels),
            shape,
            str(given),
            channels_last,
        )
    if hasattr(given, "getbands"):
        what = "the image"
        return _fitted(_pixels(given, channels_last, what, pixels), shape, what, channels_last)
    array = _array(given, name, "an image or an array of numbers", kind)
    return _fitted(array, shape, "the array", channels_last)


def as_batch(given: Any, shape: Shape, name: str, kind: str = "float32") -> Array:
    """Return a batch of inputs, shape (n, *shape), as it was given; raises `InputError` if it is not one."""
    array = _array(given, name, "an array of numbers", kind)
    if array.ndim != len(shape) + 1 or not _matches(array.shape[1:], shape):
        hint = ""
        if _matches(array.shape, shape):
            hint = "; for one input add the batch axis: x[None]"
        raise InputError(
            f"{name} must have shape {shape_text((UNKNOWN, *shape))}, one row an input, "
            f"not {shape_text(array.shape)}{hint}"
        )
    return array


def _array(given: Any, name: str, what: str, kind: str) -> Array:
    """Return what is given as an array: its own numbers, of its own type; PyTorch's tensors too."""
    try:
        torch: Any = sys.modules.get("torch")
        if torch is not None and isinstance(given, torch.Tensor):
            given = given.detach().cpu().resolve_conj().resolve_neg()
            if given.dtype is torch.bfloat16:  # numpy does not have it
                given = given.float()
        array = np.asarray(given)
        if array.dtype.kind not in ("fiubc" if kind.startswith("complex") else "fiub"):
            raise TypeError(f"its items are {array.dtype}")
    except (TypeError, ValueError, RuntimeError, NotImplementedError) as error:
        raise InputError(f"{name} must be {what}: {error}") from error
    return array


def as_taken(array: Array, kind: str, name: str) -> Array:
    """Return an input's numbers in the type that a network takes; halves are rounded, and stay float32.

    Raises `InputError` for numbers that a type of whole numbers does not hold.
    """
    if kind.startswith("complex"):
        return array.astype(kind, copy=False)
    if kind == "float16":
        with np.errstate(over="ignore"):  # beyond 65,504 they are infinite, in PyTorch too
            return array.astype(np.float16).astype(np.float32)
    if kind == "bfloat16":  # numpy does not have it: the upper half of a float32, rounded to even
        bits = array.astype(np.float32).view(np.uint32)
        up = np.where(np.isnan(array), 0, 0x7FFF + (bits >> 16 & 1))
        found = ((bits + up) & 0xFFFF0000).astype(np.uint32).view(np.float32)
        return found
    if not is_whole(kind):
        return array.astype("float64" if kind == "float64" else "float32", copy=False)
    with np.errstate(invalid="ignore"):
        found = array.astype(kind, copy=False)
    if found is not array and not np.array_equal(found, array):
        raise InputError(
            f"{name} takes whole numbers ({kind}), and {shape_text(array.shape)} holds others"
        )
    return found


def unread(error: Exception) -> str:
    """Return why numpy could not read an array, in its own words where it has any for people."""
    if isinstance(error, (ValueError, OSError)) and str(error):
        return str(error)
    return "its header is none that numpy writes, or says more than memory holds"


def stored_array(path: Path) -> Array:
    _regular(path, "file")
    try:  # mapped, not read: a header that promises more than the file holds costs nothing
        found: Array = np.load(path, mmap_mode="r", allow_pickle=False)
    except Exception as error:
        raise InputError(f"{path} cannot be read as a .npy array: {unread(error)}") from error
    return found


def as_example(path: Path) -> Array:
    """Return what is in a file as one input of a network that takes whatever it is given: pixels as (maps, rows, columns)."""
    if path.suffix.lower() == ".npy":
        return stored_array(path)
    return _pixels(open_image(path, str(path)), False, str(path), "0-1")


def open_image(source: Path | bytes, what: str) -> Image:
    """Return an image from a file, or from the bytes of one; `what` is what errors call it.

    Raises `InputError` for what is none of `FORMATS`, is broken, or has more pixels than Pillow allows.
    """
    from PIL import Image, UnidentifiedImageError

    if isinstance(source, Path):
        _regular(source, "image")
    try:  # Pillow keeps files with several pictures open, so the file is ours
        with BytesIO(source) if isinstance(source, bytes) else source.open("rb") as file:
            image = Image.open(file, formats=FORMATS)
            pixels, most = image.width * image.height, Image.MAX_IMAGE_PIXELS
            if most is not None and pixels > most:  # Pillow itself only warns, up to twice as many
                raise InputError(
                    f"{what} is too large an image: {pixels:,} pixels, {most:,} at most"
                )
            image.load()
            if (image.mode, image.size) != (image.im.mode, image.im.size):
                raise InputError(
                    f"{what} cannot be read as an image: it says twice what it is, and differently"
                )
    except InputError:
        raise
    except (Image.DecompressionBombError, Image.DecompressionBombWarning) as error:
        raise InputError(f"{what} is too large an image: {error}") from error
    except UnidentifiedImageError as error:
        raise InputError(
            f"{what} cannot be read as an image ({', '.join(FORMATS)}): it {_beginning(source)}"
        ) from error
    except Exception as error:
        said = str(error) or type(error).__name__
        raise InputError(
            f"{what} cannot be read as an image ({', '.join(FORMATS)}): {said}"
        ) from error
    return image


def _beginning(source: Path | bytes) -> str:
    """Return how a file begins, which says more than that it is no image."""
    if isinstance(source, Path):
        with source.open("rb") as file:
            source = file.read(8)
    if not source:
        return "is empty"
    first = source[:8]
    text = "".join(chr(b) if 32 <= b < 127 else "." for b in first)
    return f"starts with the bytes {first.hex(' ')} ({text!r})"


def _regular(path: Path, what: str) -> None:
    """Raise `InputError` unless a path is a plain file: a pipe could keep us waiting for ever."""
    if path.is_dir():
        raise InputError(
            f"{path} is a folder, not an {what}" if what == "image" else f"{path} is a folder"
        )
    if not path.exists():
        raise InputError(f"there is no {what} {path}")
    if not path.is_file():
        raise InputError(f"{path} is not a plain file")


def plain(image: Image, what: str) -> Image:
    """Return an image as grey or RGB, perhaps with how opaque each pixel is: no palette, no key colour.

    Raises `InputError` for pixels of any other kind.
    """
    glass = "transparency" in image.info
    if image.mode == "P":
        image = image.convert("RGBA" if glass else "RGB")
    elif glass and image.mode in ("1", "L", "RGB"):
        image = image.convert("RGBA" if image.mode == "RGB" else "LA")
    if image.mode == "1":
        image = image.convert("L")
    if image.mode not in ("L", "LA", "RGB", "RGBA"):
        raise InputError(
            f"{what} has pixels of the kind {image.mode}; 8-bit grey or RGB is what a network takes "
            f"(Pillow: image.convert('L') or image.convert('RGB'))"
        )
    return image


def transparent(image: Image) -> bool:
    """Say whether something behind a plain image would be seen through it."""
    if image.mode not in ("LA", "RGBA"):
        return False
    low = image.getextrema()[-1]
    return isinstance(low, tuple) and low[0] < 255


def flat(image: Image) -> Image:
    """Return a plain image without how opaque its pixels are."""
    return image.convert(image.mode[:-1]) if image.mode.endswith("A") else image


def _pixels(image: Image, channels_last: bool, what: str, pixels: str) -> Array:
    """Return an image's pixels as numbers: (rows, columns, channels) or channels first."""
    image = plain(image, what)
    if transparent(image):
        raise InputError(
            f"{what} is transparent in places; put it on a background first, since a network "
            f"has no say about what lies behind it"
        )
    image = flat(image)
    array = np.asarray(image)
    array = applied(scale_named(pixels), array[..., None] if array.ndim == 2 else array, what)
    return array if channels_last else np.moveaxis(array, -1, 0)


def _fitted(array: Array, shape: Shape, what: str, channels_last: bool) -> Array:
    rank = len(shape)
    if array.ndim == rank + 1 and array.shape[0] == 1:
        array = array[0]
    elif array.ndim == rank + 1:
        raise InputError(
            f"{what} holds {array.shape[0]} inputs {shape_text(array.shape)}; "
            f"this takes one: x[0] (predict takes many)"
        )
    _, channels = Layout(channels_last).split(shape)
    if array.ndim == rank - 1 and rank > 1 and is_known(channels) and channels == 1:
        array = array[..., None] if channels_last else array[None]
    if array.ndim == rank and _matches(array.shape, shape):
        return array[None]
    raise InputError(
        f"{what} has shape {shape_text(array.shape)}, but the network takes {shape_text(shape)}"
        f"{_advice(array, shape, channels_last)}"
    )


def _advice(array: Array, shape: Shape, channels_last: bool) -> str:
    if array.ndim != len(shape) or len(shape) != 3:
        return ""
    space, channels = Layout(channels_last).split(array.shape)
    wanted, wanted_channels = Layout(channels_last).split(shape)
    if channels != wanted_channels and is_known(wanted_channels):
        if (channels, wanted_channels) == (3, 1):
            return ": three channels where one is wanted; convert it to grey first"
        if (channels, wanted_channels) == (1, 3):
            return ": one channel where three are wanted; convert it to RGB first"
        return f": {channels} channel{'s' if channels != 1 else ''} where {wanted_channels} {'is' if wanted_channels == 1 else 'are'} wanted"
    if all(map(is_known, wanted)) and tuple(space) != tuple(wanted):
        rows, columns = wanted
        return f": resize it to {rows} rows and {columns} columns first"
    return ""


def _matches(given: Sequence[int], shape: Shape) -> bool:
    return len(given) == len(shape) and all(
        not is_known(s) or g == s for g, s in zip(given, shape, strict=True)
    )
