"""From a Keras file, or a live model, to a network: which of the three it is, and where its weights lie."""

from __future__ import annotations

import os

from convscope.errors import SourceError, WeightsError
from convscope.files.archive import Archive
from convscope.files.json_text import MOST_BYTES, read_json
from convscope.files.source_file import SourceFile, sensible
from convscope.network import Network
from convscope.readers.keras import HDF5, ZIP, is_pickle
from convscope.readers.keras.config import parse
from convscope.readers.keras.network import Builder
from convscope.readers.keras.sharing import share
from convscope.typed import TYPE_CHECKING

if TYPE_CHECKING:
    from typing import Any

    from convscope.files.hdf5 import Hdf5
    from convscope.readers.keras.shards import Shards

CONFIG, METADATA = "config.json", "metadata.json"
WEIGHTS, NPZ = "model.weights.h5", "model.weights.npz"


def opened(source: Any) -> Network:
    """Return the network of a file or a live model."""
    if not isinstance(source, (str, os.PathLike)):
        return _live(source)
    file = SourceFile(source)
    with sensible(file):
        return _read(file)


def _read(file: SourceFile) -> Network:
    first = file.first(8)
    if first.startswith(ZIP):
        return _archive(file)
    if first.startswith(HDF5):
        return _legacy(file)
    if is_pickle(first):
        raise SourceError(
            f"{file} is a pickle, and opening a pickle runs whatever code it holds; convscope does "
            f"not. Save the model as .keras or export it to ONNX, or open the live model in Python"
        )
    shown = first.hex(" ") or "nothing"
    raise SourceError(
        f"{file} is neither a .keras archive nor an HDF5 file: it starts with {shown}"
    )


# -- the three sources ----------------------------------------------------------------------------


def _archive(file: SourceFile) -> Network:
    from convscope.readers.keras.weights import ArchiveWeights

    archive = Archive(file)
    if CONFIG not in archive:
        raise SourceError(
            f"{file} is a zip archive without {CONFIG}, so no .keras file. A PyTorch file (.pt) or "
            f"an .npz may hold pickles, which are never opened: export to ONNX, or open the live model"
        )
    top = parse(
        read_json(archive.read(CONFIG, MOST_BYTES), f"{file}, {CONFIG}"), f"{file}, {CONFIG}"
    )

    def opened() -> Hdf5 | Shards:
        from convscope.readers.keras.shards import MAP, Shards, shard

        if WEIGHTS in archive:
            return shard(archive, WEIGHTS)
        if MAP in archive:
            said = read_json(archive.read(MAP, MOST_BYTES), f"{file}, {MAP}")
            return Shards(archive, said)
        if NPZ in archive:
            raise WeightsError(
                f"{file} keeps its weights in {NPZ}, which Keras writes as pickles; opening a pickle runs "
                f"whatever code it holds, so they are not read (nor does Keras 3.15 read its own). Save "
                f"the model again where it was made, with model.save('model.keras')"
            )
        raise WeightsError(
            f"{file} has no {WEIGHTS}, so no weights; save it again with model.save('model.keras')"
        )

    share(top)
    weights = ArchiveWeights(opened, str(file), top, _before_3(archive))
    return Builder(top, str(file), weights).network()


def _before_3(archive: Archive) -> bool:
    """Whether an archive says that Keras 2 wrote it."""
    if METADATA not in archive:
        return False
    said = read_json(archive.read(METADATA, MOST_BYTES), METADATA)
    version = said.get("keras_version") if isinstance(said, dict) else None
    return isinstance(version, str) and version.startswith("2.")


def _legacy(file: SourceFile) -> Network:
    from convscope.files.hdf5 import Hdf5, text_of
    from convscope.readers.keras.weights import LegacyWeights

    hdf5 = Hdf5(file)
    config = hdf5.attributes("").get("model_config")
    if config is None:
        raise SourceError(
            f"{file} is an HDF5 file without model_config, so it holds weights at most and says "
            f"nothing about the layers; save the whole model with model.save(…)"
        )
    what = f"{file}, model_config"
    top = parse(read_json(text_of(config, what), what), what)
    share(top)
    return Builder(top, str(file), LegacyWeights(lambda: hdf5, str(file), top)).network()


def _live(model: Any) -> Network:
    from convscope.readers.keras.live import LiveLayers, LiveWeights

    what = f"the live model {getattr(model, 'name', '')}"
    try:
        config = model.to_json()
    except Exception as error:  # it is the user's code: a layer without get_config, say
        raise SourceError(
            f"{what} cannot say its config: {type(error).__name__}: {error}"
        ) from error
    top = parse(read_json(config, what), what)
    weights = LiveWeights(top, model, what)
    builder = Builder(top, what, weights)
    network = builder.network()
    network.backing = LiveLayers(weights, builder.opaque)
    return network
