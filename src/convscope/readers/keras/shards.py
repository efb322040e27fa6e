"""Weights in several HDF5 files, as Keras parts large ones: model.weights.json says which file holds which.

All of them are members of one archive. A name in the map is looked up among those members and is never
a path; the map and the files must say the same.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from convscope.errors import SourceError
from convscope.readers.keras.config import mapping, text

if TYPE_CHECKING:
    import numpy as np

    from convscope.files.archive import Archive
    from convscope.files.hdf5 import Hdf5, Stored

MAP = "model.weights.json"
MOST_SHARDS = 100


class Shards:
    """The arrays of several HDF5 files as if they were in one; see `Hdf5`.

    Raises `SourceError` when the map names a file that is not there, when two files hold one array, or
    when an array lies elsewhere than the map says.
    """

    def __init__(self, archive: Archive, said: Any) -> None:
        self.what = f"{archive.file}, {MAP}"
        weight_map = mapping(mapping(said, self.what).get("weight_map"), f"{self.what}: weight_map")
        self._said = {path: self._names(path, names) for path, names in weight_map.items()}
        named = dict.fromkeys(name for names in self._said.values() for name in names)
        if len(named) > MOST_SHARDS:
            raise SourceError(f"{self.what} names {len(named):,} files; {MOST_SHARDS} are the most")
        self._shards = {name: shard(archive, name) for name in named}
        self._homes: dict[str, Hdf5] = {}

    def _names(self, path: str, names: Any) -> list[str]:
        where = f"{self.what}: {path!r:.80}"
        listed = [text(name, where) for name in (names if isinstance(names, list) else [names])]
        if len(set(listed)) < len(listed):
            raise SourceError(f"{where} lists a file twice")
        for name in listed:
            if "/" in name or "\\" in name or not name.endswith(".weights.h5"):
                raise SourceError(f"{where} names {name!r:.80}, not a file of weights beside it")
        return listed

    def walk(self) -> tuple[dict[str, Stored], dict[str, Any]]:
        """Return every array by its path, and every group."""
        arrays: dict[str, Stored] = {}
        groups: dict[str, Any] = {}
        found: dict[str, list[str]] = {}
        for name, hdf5 in self._shards.items():
            held, inside = hdf5.walk()
            for path, stored in held.items():
                if path in arrays:
                    raise SourceError(
                        f"{self.what}: /{path} is stored in {name} and in another file"
                    )
                arrays[path] = stored
                self._homes[path] = hdf5
                homes = found.setdefault(f"/{path.rpartition('/')[0]}", [])
                if name not in homes:
                    homes.append(name)
            groups |= inside
        for path in self._said.keys() | found.keys():
            said, where = sorted(self._said.get(path, ())), sorted(found.get(path, ()))
            if said != where:
                raise SourceError(
                    f"{self.what} says that {path} is in {', '.join(said) or 'no file'}, but it is in "
                    f"{', '.join(where) or 'none'}"
                )
        return arrays, groups

    def attributes(self, path: str) -> Mapping[str, Any]:
        """Return the attributes of a group, from whichever file has them."""
        found: dict[str, Any] = {}
        for hdf5 in self._shards.values():
            found = {**hdf5.attributes(path), **found}
        return found

    def numbers(self, stored: Stored) -> np.ndarray[Any, Any]:
        """Return an array as it is stored."""
        return self._homes[stored.path].numbers(stored)


def shard(archive: Archive, name: str) -> Hdf5:
    """Return one HDF5 file of an archive, read where it lies."""
    from convscope.files.hdf5 import Hdf5

    if name not in archive:
        raise SourceError(f"{archive.file} has no member {name!r:.80}, in which weights should be")
    place = archive.place(name)
    if place is None:
        raise SourceError(f"{archive.file}: its {name} is compressed; Keras stores it as it is")
    return Hdf5(archive.file, *place)
