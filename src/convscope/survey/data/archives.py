"""A .zip or .tar of images: folders in it are labels, and so is NAME.cls beside NAME.jpg (WebDataset)."""

from __future__ import annotations

import os
import tarfile
import zipfile
from collections.abc import Callable, Sequence
from typing import Any

from convscope.errors import InputError
from convscope.survey.data import NAMED, PICTURES, Source, counted, ordered, small, so_many
from convscope.typed import Record

ACCEPTS = "a .zip or .tar of images"


class Member(Record):
    """A file in an archive: its name, which archive, where its bytes start, and how many there are."""

    name: str
    archive: int
    start: int
    size: int


def is_mine(data: Any) -> bool:
    """Whether it is a file of such a name."""
    return (
        isinstance(data, str)
        and os.path.isfile(data)
        and data.lower().endswith((".zip", ".tar", ".tar.gz", ".tgz", ".tar.bz2", ".tar.xz"))
    )


def read(data: str) -> Source:
    """Return the images of an archive."""
    if data.lower().endswith(".zip"):
        return _zip(data)
    if not data.lower().endswith(".tar"):
        raise InputError(
            f"{data} is compressed as a whole, so that no image in it can be read by itself: unpack it "
            f"to a .tar (images are compressed already)"
        )
    return tars(data, [data])


def _zip(data: str) -> Source:
    try:
        archive = zipfile.ZipFile(data)
        members = [
            Member(info.filename, 0, 0, info.file_size)
            for info in archive.infolist()
            if not info.is_dir()
        ]
    except Exception as error:  # zipfile raises many kinds on damaged archives
        raise InputError(f"{data} is a damaged zip archive: {error}") from error

    def content(member: Member) -> bytes:
        small(member.size, member.name)
        with archive.open(member.name) as opened:
            return opened.read(member.size + 1)[: member.size]

    return _source(data, f"the zip archive {os.path.basename(data)}", members, content)


def tars(data: str, shards: Sequence[str]) -> Source:
    """Return the images of tar archives, one after another."""
    members = []
    for number, shard in enumerate(shards):
        try:
            with tarfile.open(shard, "r:") as archive:
                members += [
                    Member(m.name.removeprefix("./").lstrip("/"), number, m.offset_data, m.size)
                    for m in archive
                    if m.isreg()
                ]
        except Exception as error:  # tarfile raises many kinds on damaged archives
            raise InputError(f"{shard} is a damaged tar archive: {error}") from error

    def content(member: Member) -> bytes:
        small(member.size, member.name)
        with open(shards[member.archive], "rb") as file:
            file.seek(member.start)
            found = file.read(member.size)
        if len(found) < member.size:
            raise InputError("the archive ends before it")
        return found

    words = (
        f"{len(shards):,} tar archives"
        if len(shards) > 1
        else f"the tar archive {os.path.basename(shards[0])}"
    )
    return _source(data, words, members, content)


def _source(
    data: str, words: str, members: Sequence[Member], content: Callable[[Member], bytes]
) -> Source:
    """Return the pictures among the members of archives, with their labels."""
    last = {(m.archive, m.name): m for m in members}  # what unpacking leaves of several of one name
    older, members = len(members) - len(last), list(last.values())
    classes = {(m.archive, m.name[:-4]): m for m in members if m.name.lower().endswith(".cls")}
    pictures = [
        m
        for m in members
        if m.name.lower().endswith(NAMED)
        and not m.name.startswith("__MACOSX/")
        and not os.path.basename(m.name).startswith(".")
    ]
    pictures.sort(key=lambda m: (m.archive, ordered(m.name)))
    if not pictures:
        raise InputError(f"{words} holds no images: members ending in {', '.join(PICTURES)}")
    shared = os.path.commonpath([os.path.dirname(m.name) for m in pictures]) if pictures else ""
    labels: list[str | None] = []
    for member in pictures:
        beside = classes.get((member.archive, member.name.rpartition(".")[0]))
        inside = os.path.relpath(member.name, shared) if shared else member.name
        if beside is not None and beside.size <= 1000:
            labels.append(content(beside).decode("utf-8", "replace").strip())
        else:
            labels.append(inside.split("/")[0] if "/" in inside else None)
    how = "beside them, in .cls files" if classes else "the folders they lie in"
    told = f"{words}: {so_many(len(pictures))}"
    if many := counted(labels):
        told += f", {so_many(many, 'label')}, {how}"
    if older:
        told += f"; {so_many(older, 'member')} left out, since a later one has the same name"
    return Source(
        told,
        [m.name for m in pictures],
        labels if many else None,
        lambda number: content(pictures[number]),
        os.path.abspath(data),
    )
