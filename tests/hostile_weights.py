"""Files whose weights are made to do harm: they open, since their config is good. One function a trick."""

from __future__ import annotations

import io
import json
import zipfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import h5py
import numpy as np
from hostile import REFUSED, WEIGHTS, Members, Trick, write

# -- weights in other dress -----------------------------------------------------------------------

NPZ, MAP = "model.weights.npz", "model.weights.json"


class _Evil:
    def __reduce__(self) -> tuple[Any, ...]:
        return exec, ("raise SystemExit('a pickle was run')",)


def _with_npz(members: Members, path: Path, npz: bytes) -> None:
    write({**{n: d for n, d in members.items() if n != WEIGHTS}, NPZ: npz}, path)


def npz_that_runs_code(members: Members, path: Path) -> None:
    held = io.BytesIO()
    arrays: dict[str, Any] = {"layers/conv2d": np.array(_Evil(), dtype=object)}
    np.savez(held, **arrays)
    _with_npz(members, path, held.getvalue())


def npz_bomb(members: Members, path: Path) -> None:
    held = io.BytesIO()
    arrays: dict[str, Any] = {"layers/conv2d": np.zeros(40 << 20, np.uint8)}
    np.savez_compressed(held, **arrays)
    _with_npz(members, path, held.getvalue())


def sharded(members: Members) -> tuple[Members, dict[str, list[str]]]:
    """Part the weights in two files as Keras does; return the members, and the map to be added."""
    names = ["model_00000.weights.h5", "model_00001.weights.h5"]
    held = [io.BytesIO(), io.BytesIO()]
    said: dict[str, list[str]] = {}
    with (
        h5py.File(io.BytesIO(members[WEIGHTS])) as whole,
        h5py.File(held[0], "w") as first,
        h5py.File(held[1], "w") as second,
    ):

        def copy(path: str, item: Any) -> None:
            if not isinstance(item, h5py.Dataset):
                first.require_group(path).attrs.update(item.attrs)
                return
            late = "conv2d" not in path
            (second if late else first)[path] = item[()]
            group = f"/{path.rpartition('/')[0]}"
            said[group] = sorted({*said.get(group, []), names[late]})

        whole.visititems(copy)
    rest = {n: d for n, d in members.items() if n != WEIGHTS}
    return rest | {n: h.getvalue() for n, h in zip(names, held, strict=True)}, said


def write_sharded(members: Members, path: Path, said: Any) -> None:
    write({**members, MAP: json.dumps({"metadata": {}, "weight_map": said}).encode()}, path)


def a_shard_elsewhere(members: Members, path: Path) -> None:
    parted, said = sharded(members)
    (path.parent / "up.weights.h5").write_bytes(parted["model_00000.weights.h5"])
    said["/layers/conv2d/vars"] = [f"../{path.parent.name}/up.weights.h5"]
    write_sharded(parted, path, said)
    (path.parent / "up.weights.h5").unlink()


def a_shard_that_is_missing(members: Members, path: Path) -> None:
    parted, said = sharded(members)
    del parted["model_00001.weights.h5"]
    write_sharded(parted, path, said)


def a_shard_listed_twice(members: Members, path: Path) -> None:
    parted, said = sharded(members)
    said["/layers/conv2d/vars"] *= 2
    write_sharded(parted, path, said)


def a_path_in_the_map_twice(members: Members, path: Path) -> None:
    parted, said = sharded(members)
    text = json.dumps({"weight_map": said}).replace("{", '{"weight_map": {}, ', 1)
    write({**parted, MAP: text.encode()}, path)


def an_array_in_two_shards(members: Members, path: Path) -> None:
    parted, said = sharded(members)
    said["/layers/conv2d/vars"].append("model_00002.weights.h5")
    write_sharded(
        {**parted, "model_00002.weights.h5": parted["model_00000.weights.h5"]}, path, said
    )


def a_map_that_is_wrong(members: Members, path: Path) -> None:
    parted, said = sharded(members)
    said["/layers/conv2d/vars"] = ["model_00001.weights.h5"]
    write_sharded(parted, path, said)


def a_map_that_leaves_out(members: Members, path: Path) -> None:
    parted, said = sharded(members)
    del said["/layers/dense/vars"]
    write_sharded(parted, path, said)


def a_map_that_is_a_list(members: Members, path: Path) -> None:
    parted, said = sharded(members)
    write_sharded(parted, path, list(said))


def a_map_of_many(members: Members, path: Path) -> None:
    parted, said = sharded(members)
    names = [f"model_{n:05}.weights.h5" for n in range(101)]
    parted.update((name, b"") for name in names if name not in parted)
    write_sharded(parted, path, {**said, "/more/vars": names})


def packed_shards(members: Members, path: Path) -> None:
    parted, said = sharded(members)
    text = json.dumps({"weight_map": said}).encode()
    write({**parted, MAP: text}, path, zipfile.ZIP_DEFLATED)


def a_shard_that_is_a_bomb(members: Members, path: Path) -> None:
    parted, said = sharded(members)
    parted["model_00001.weights.h5"] = b"\x89HDF\r\n\x1a\n" + bytes(40 << 20)
    text = json.dumps({"weight_map": said}).encode()
    write({**parted, MAP: text}, path, zipfile.ZIP_DEFLATED)


# -- HDF5: refused when a weight is asked for -------------------------------------------------------

KERNEL = "layers/conv2d/vars/0"


def with_hdf5(members: Members, path: Path, edit: Callable[[h5py.File], object]) -> None:
    held = io.BytesIO(members[WEIGHTS])
    with h5py.File(held, "r+") as file:
        edit(file)
    write({**members, WEIGHTS: held.getvalue()}, path)


def external_storage(members: Members, path: Path) -> None:
    def edit(file: h5py.File) -> None:
        shape = file[KERNEL].shape
        del file[KERNEL]
        file.create_dataset(KERNEL, shape, "<f4", external=[("/etc/passwd", 0, 10_000)])

    with_hdf5(members, path, edit)


def external_link(members: Members, path: Path) -> None:
    def edit(file: h5py.File) -> None:
        del file[KERNEL]
        file[KERNEL] = h5py.ExternalLink("/etc/passwd", "/x")

    with_hdf5(members, path, edit)


def soft_link(members: Members, path: Path) -> None:
    def edit(file: h5py.File) -> None:
        del file[KERNEL]
        file[KERNEL] = h5py.SoftLink("/layers/conv2d/vars/1")

    with_hdf5(members, path, edit)


def virtual_data_set(members: Members, path: Path) -> None:
    def edit(file: h5py.File) -> None:
        shape = file[KERNEL].shape
        del file[KERNEL]
        layout = h5py.VirtualLayout(shape, "<f4")
        layout[...] = h5py.VirtualSource("/etc/passwd", "x", shape)
        file.create_virtual_dataset(KERNEL, layout)

    with_hdf5(members, path, edit)


def cycle(members: Members, path: Path) -> None:
    with_hdf5(members, path, lambda file: file["layers"].__setitem__("again", file["/"]))


def linked_twice(members: Members, path: Path) -> None:
    with_hdf5(members, path, lambda file: file.__setitem__("other", file["layers/conv2d"]))


def _declaring(members: Members, path: Path, shape: tuple[int, ...], chunks: Any = None) -> None:
    def edit(file: h5py.File) -> None:
        del file[KERNEL]
        kept = {"chunks": chunks, "compression": "gzip"} if chunks else {}
        file.create_dataset(KERNEL, shape, "<f4", **kept)

    with_hdf5(members, path, edit)


def terabytes(members: Members, path: Path) -> None:
    _declaring(members, path, (1 << 20, 1 << 20))


def terabytes_in_chunks(members: Members, path: Path) -> None:
    _declaring(members, path, (1 << 20, 1 << 20), (64, 64))


def texts(members: Members, path: Path) -> None:
    def edit(file: h5py.File) -> None:
        del file[KERNEL]
        file[KERNEL] = np.array([b"a", b"b"], dtype=object)

    with_hdf5(members, path, edit)


def another_shape(members: Members, path: Path) -> None:
    def edit(file: h5py.File) -> None:
        del file[KERNEL]
        file[KERNEL] = np.zeros((3, 3, 3, 5), np.float32)

    with_hdf5(members, path, edit)


def one_too_many(members: Members, path: Path) -> None:
    with_hdf5(members, path, lambda f: f.__setitem__("layers/conv2d/vars/2", np.zeros(3)))


def none_stored(members: Members, path: Path) -> None:
    with_hdf5(members, path, lambda file: file.__delitem__("layers/conv2d"))


def of_another_layer(members: Members, path: Path) -> None:
    with_hdf5(
        members, path, lambda file: file["layers/conv2d/vars"].attrs.__setitem__("name", "other")
    )


def no_hdf5(members: Members, path: Path) -> None:
    write({**members, WEIGHTS: b"nothing of the kind" * 20}, path)


def no_weights(members: Members, path: Path) -> None:
    write({n: d for n, d in members.items() if n != WEIGHTS}, path)


def weights_cut_short(members: Members, path: Path) -> None:
    write({**members, WEIGHTS: members[WEIGHTS][:3000]}, path)


REFUSED_AT_ONCE: list[tuple[Trick, str]] = [(a_shard_that_is_a_bomb, "more than 100 times")]
"""What is refused before a weight is asked for, since no archive should hold it."""

REFUSED_LATER: list[tuple[Trick, str]] = [
    (external_storage, "in another file|declares"),
    (external_link, "damaged|link"),
    (soft_link, "only hard links"),
    (virtual_data_set, "virtual"),
    (cycle, "linked to twice"),
    (linked_twice, "linked to twice"),
    (terabytes, "declares"),
    (terabytes_in_chunks, "declares"),
    (texts, "not plain numbers|damaged"),
    (
        another_shape,
        r"conv \(Conv2D\): its kernel is stored as \(3, 3, 3, 5\), but must be \(3, 3, 3, 4\)",
    ),
    (one_too_many, "3 weights are stored, but it has 2"),
    (none_stored, "0 weights are stored, but it has 2"),
    (of_another_layer, "are those of 'other'"),
    (no_hdf5, "HDF5, its start"),
    (no_weights, "has no model.weights.h5"),
    (weights_cut_short, "HDF5"),
    (npz_that_runs_code, "opening a pickle runs whatever code it holds"),
    (npz_bomb, "opening a pickle runs whatever code it holds"),
    (
        a_shard_elsewhere,
        r"conv2d/vars' names '\.\./.*/up\.weights\.h5', not a file of weights beside",
    ),
    (a_shard_that_is_missing, "has no member 'model_00001.weights.h5'"),
    (a_shard_listed_twice, "conv2d/vars' lists a file twice"),
    (a_path_in_the_map_twice, "the key 'weight_map' stands there twice"),
    (
        an_array_in_two_shards,
        "/layers/conv2d/vars/. is stored in model_00002.weights.h5 and in another",
    ),
    (a_map_that_is_wrong, "in model_00001.weights.h5, but it is in model_00000.weights.h5"),
    (
        a_map_that_leaves_out,
        "/layers/dense/vars is in no file, but it is in model_00001.weights.h5",
    ),
    (a_map_that_is_a_list, "weight_map must be an object"),
    (a_map_of_many, "names 101 files; 100 are the most"),
    (packed_shards, "is compressed; Keras stores it as it is"),
]
"""What opens, since its config is good, and is refused when a weight is asked for."""


def everything(members: Members, folder: Path) -> Iterator[Path]:
    """Write every hostile file into a folder."""
    for trick, _ in [*REFUSED, *REFUSED_AT_ONCE, *REFUSED_LATER]:
        path = folder / f"{trick.__name__}.keras"
        trick(members, path)
        yield path
