"""Files made to do harm, one function a trick; each takes a good archive's members and a path to write."""

from __future__ import annotations

import json
import pickle
import struct
import warnings
import zipfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
from campaigns import rounds

import convscope
from convscope.errors import ConvscopeError, SourceWarning

Members = dict[str, bytes]
Trick = Callable[[Members, Path], None]

CONFIG, WEIGHTS = "config.json", "model.weights.h5"


def members_of(path: Path) -> Members:
    with zipfile.ZipFile(path) as archive:
        return {name: archive.read(name) for name in archive.namelist()}


def write(members: Members, path: Path, method: int = zipfile.ZIP_STORED) -> None:
    with zipfile.ZipFile(path, "w", method) as archive:
        for name, data in members.items():
            archive.writestr(name, data)


def with_config(members: Members, path: Path, config: Any) -> None:
    data = config if isinstance(config, (bytes, str)) else json.dumps(config)
    write({**members, CONFIG: data.encode() if isinstance(data, str) else data}, path)


# -- zip ------------------------------------------------------------------------------------------


def two_members_of_one_name(members: Members, path: Path) -> None:
    with warnings.catch_warnings(), zipfile.ZipFile(path, "w") as archive:
        warnings.simplefilter("ignore")
        for name, data in [*members.items(), (CONFIG, b"{}")]:
            archive.writestr(name, data)


def overlapping_members(members: Members, path: Path) -> None:
    """Two entries of the directory that share the bytes of one member."""
    write({**members, "model.weights.h6": members[WEIGHTS]}, path)
    data = bytearray(path.read_bytes())
    entries = [n for n in range(len(data)) if data[n : n + 4] == b"PK\x01\x02"]
    first = next(e for e in entries if data[e + 46 :].startswith(b"model.weights.h5"))
    last = next(e for e in entries if data[e + 46 :].startswith(b"model.weights.h6"))
    data[last + 42 : last + 46] = struct.pack(
        "<I", struct.unpack_from("<I", data, first + 42)[0] + 1
    )
    path.write_bytes(data)


def shared_header(members: Members, path: Path) -> None:
    """As in the bombs of 2019: one member's bytes are named by several entries."""
    overlapping_members(members, path)
    data = bytearray(path.read_bytes())
    entries = [n for n in range(len(data)) if data[n : n + 4] == b"PK\x01\x02"]
    for entry in entries:
        data[entry + 42 : entry + 46] = struct.pack("<I", 0)
    path.write_bytes(data)


def encrypted(members: Members, path: Path) -> None:
    write(members, path)
    data = bytearray(path.read_bytes())
    for n in range(len(data) - 10):
        if data[n : n + 4] == b"PK\x01\x02":
            data[n + 8] |= 1
    path.write_bytes(data)


def bomb(members: Members, path: Path) -> None:
    write({**members, CONFIG: b" " * (40 << 20)}, path, zipfile.ZIP_DEFLATED)


def understated_bomb(members: Members, path: Path) -> None:
    """A member that unpacks to far more than its entry says."""
    write({**members, CONFIG: b" " * (1 << 20)}, path, zipfile.ZIP_DEFLATED)
    data = bytearray(path.read_bytes())
    for n in range(len(data) - 46):
        if data[n : n + 4] == b"PK\x01\x02" and data[n + 46 :].startswith(CONFIG.encode()):
            data[n + 24 : n + 28] = struct.pack("<I", 5000)
    path.write_bytes(data)


def many_members(members: Members, path: Path) -> None:
    write({**members, **{f"m{n}": b"" for n in range(10_000)}}, path)


def another_method(members: Members, path: Path) -> None:
    write(members, path, zipfile.ZIP_LZMA)


def cut_short(members: Members, path: Path) -> None:
    write(members, path)
    path.write_bytes(path.read_bytes()[:-40])


def wrong_checksum(members: Members, path: Path) -> None:
    write(members, path)
    path.write_bytes(path.read_bytes().replace(b'"class_name"', b'"class_mane"', 1))


def a_torch_file(members: Members, path: Path) -> None:
    write({"archive/data.pkl": pickle.dumps({"a": 1}), "archive/version": b"3"}, path)


def a_pickle(members: Members, path: Path) -> None:
    path.write_bytes(pickle.dumps({"w": [1.0]}))


def an_npz_of_objects(members: Members, path: Path) -> None:
    with path.open("wb") as file:
        np.savez(file, w=np.array([{}, None], dtype=object))


def plain_text(members: Members, path: Path) -> None:
    path.write_bytes(b"hello, this is no model")


def nothing(members: Members, path: Path) -> None:
    path.write_bytes(b"")


# -- JSON -----------------------------------------------------------------------------------------


def deep(members: Members, path: Path) -> None:
    with_config(members, path, '{"a":' * 500 + "1" + "}" * 500)


def very_deep(members: Members, path: Path) -> None:
    with_config(members, path, "[" * 200_000 + "]" * 200_000)


def key_twice(members: Members, path: Path) -> None:
    with_config(
        members, path, members[CONFIG].replace(b'"filters": ', b'"filters": 9, "filters": ', 1)
    )


def not_a_number(members: Members, path: Path) -> None:
    with_config(members, path, members[CONFIG].replace(b'"filters": 4', b'"filters": NaN', 1))


def huge_digits(members: Members, path: Path) -> None:
    with_config(members, path, b'{"class_name": ' + b"9" * 100_000 + b"}")


def large_json(members: Members, path: Path) -> None:
    with_config(members, path, b'{"a": "' + bytes(range(32, 33)) * (65 << 20) + b'"}')


def not_utf8(members: Members, path: Path) -> None:
    with_config(members, path, b'{"class_name": "\xff\xfe"}')


def a_list(members: Members, path: Path) -> None:
    with_config(members, path, [1, 2])


def a_subclassed_model(members: Members, path: Path) -> None:
    with_config(members, path, {"module": "mine", "class_name": "MyNet", "config": {"name": "x"}})


def _edited(members: Members, path: Path, edit: Callable[[list[Any]], object]) -> None:
    config = json.loads(members[CONFIG])
    edit(config["config"]["layers"])
    with_config(members, path, config)


def _nth(layers: list[Any], kind: str) -> dict[str, Any]:
    return next(layer for layer in layers if layer["class_name"] == kind)


def stride_zero(members: Members, path: Path) -> None:
    _edited(members, path, lambda ls: _nth(ls, "Conv2D")["config"].update(strides=[0, 0]))


def negative_filters(members: Members, path: Path) -> None:
    _edited(members, path, lambda ls: _nth(ls, "Conv2D")["config"].update(filters=-4))


def reads_itself(members: Members, path: Path) -> None:
    def edit(layers: list[Any]) -> None:
        args = _nth(layers, "Conv2D")["inbound_nodes"][0]["args"]
        args[0]["config"]["keras_history"] = ["conv", 0, 0]

    _edited(members, path, edit)


def reads_nothing_there(members: Members, path: Path) -> None:
    def edit(layers: list[Any]) -> None:
        args = _nth(layers, "Conv2D")["inbound_nodes"][0]["args"]
        args[0]["config"]["keras_history"] = ["nobody", 0, 0]

    _edited(members, path, edit)


def one_name_twice(members: Members, path: Path) -> None:
    _edited(members, path, lambda ls: ls.append(ls[1]))


def doubling_networks(members: Members, path: Path) -> None:
    """Thirty networks, each inside the next and used there twice: 2³⁰ layers."""

    def tensor(name: str, call: int) -> dict[str, Any]:
        config = {"shape": [None, 5], "dtype": "float32", "keras_history": [name, call, 0]}
        return {"class_name": "__keras_tensor__", "config": config}

    inner: dict[str, Any] = {
        "module": "keras.layers",
        "class_name": "ReLU",
        "config": {"name": "r0"},
    }
    for level in range(30):
        name, start = inner["config"]["name"], f"in{level}"
        calls = [
            {"args": [tensor(start, 0)], "kwargs": {}},
            {"args": [tensor(name, 0)], "kwargs": {}},
        ]
        begin = {
            "module": "keras.layers", "class_name": "InputLayer", "name": start, "inbound_nodes": [],
            "config": {"batch_shape": [None, 5], "name": start},
        }  # fmt: skip
        inner = {
            "module": "keras.src.models.functional",
            "class_name": "Functional",
            "config": {
                "name": f"r{level + 1}",
                "layers": [begin, {**inner, "name": name, "inbound_nodes": calls}],
                "input_layers": [start, 0, 0],
                "output_layers": [name, 1, 0],
            },
        }
    with_config(members, path, inner)


# -- layers said to be the same ----------------------------------------------------------------------


def one_mark_on_two_layers(members: Members, path: Path) -> None:
    def edit(layers: list[Any]) -> None:
        _nth(layers, "Conv2D")["shared_object_id"] = 7
        _nth(layers, "Dense")["shared_object_id"] = 7

    _edited(members, path, edit)


def a_mark_that_is_no_number(members: Members, path: Path) -> None:
    _edited(members, path, lambda ls: _nth(ls, "Conv2D").update(shared_object_id=[1]))


def alike_and_alike_again(members: Members, path: Path) -> None:
    """Eight layers of one name, whose settings differ in their last number only, and one to compare."""

    def edit(layers: list[Any]) -> None:
        for n in range(9):
            settings = {"name": "same", "trainable": True, "z": [0] * 200_000 + [n]}
            made = {"module": "keras.layers", "class_name": "ReLU", "config": settings}
            layers.append({**made, "shared_object_id": 5} if n == 8 else made)

    _edited(members, path, edit)


def many_layers(members: Members, path: Path) -> None:
    layer = {"class_name": "ReLU", "config": {"name": "r", "trainable": True}}
    inner = {"class_name": "Sequential", "config": {"name": "s", "layers": [layer] * 300}}
    _edited(members, path, lambda ls: ls.extend([inner] * 200))


REFUSED: list[tuple[Trick, str]] = [
    (two_members_of_one_name, "two members named 'config.json'"),
    (overlapping_members, "has no header|overlaps|two names"),
    (shared_header, "two names|overlaps"),
    (encrypted, "encrypted"),
    (bomb, "more than 100 times"),
    (understated_bomb, "damaged|two sizes|checksum"),
    (many_members, "10,003 members"),
    (another_method, "compressed by method 14"),
    (cut_short, "damaged zip"),
    (wrong_checksum, "the checksum differs"),
    (a_torch_file, "export to ONNX"),
    (a_pickle, "runs whatever code it holds"),
    (an_npz_of_objects, "export to ONNX"),
    (plain_text, "it starts with 68 65 6c 6c"),
    (nothing, "it starts with nothing"),
    (deep, "nested deeper than 100 levels"),
    (very_deep, "nested deeper than 100 levels"),
    (key_twice, "the key 'filters' stands there twice"),
    (not_a_number, "NaN is not a number"),
    (huge_digits, "not valid JSON"),
    (large_json, "the most"),
    (not_utf8, "not valid JSON"),
    (a_list, "must be an object"),
    (a_subclassed_model, "describes a MyNet"),
    (reads_itself, "do not exist, or itself"),
    (reads_nothing_there, "do not exist, or itself"),
    (one_name_twice, "two of its layers have one name"),
    (doubling_networks, "nested deeper than|more than 50,000 calls"),
    (one_mark_on_two_layers, r"dense: it is said to be the layer at .*conv, whose settings differ"),
    (a_mark_that_is_no_number, "shared_object_id must be a whole number"),
    (alike_and_alike_again, "too many layers that they are the same"),
    (many_layers, "it has more than 50,000 layers"),
]
"""What is refused when it is opened, and what the message says."""

OPAQUE: list[tuple[Trick, str]] = [
    (stride_zero, "strides.*at least 1, not 0"),
    (negative_filters, "filters must be at least 1, not -4"),
]
"""What makes a layer that we cannot state, and what is said of it; the network opens all the same."""


# -- ways to look at damaged files ------------------------------------------------------------------


def opened(path: Path) -> str:
    """Open a file, look at all of it, and say how that ended."""
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        try:
            network = convscope.open(path)
            network.facts().to_dict()
            network.explain().to_dict()
        except ConvscopeError:
            return "refused"
        try:
            for weight in network.get_weights():
                float(np.sum(weight, dtype=np.float64))
        except ConvscopeError:
            return "its weights refused"
    return "with warnings" if any(w.category is SourceWarning for w in caught) else "opened"


COUNT = rounds(24, 200)
"""How many damaged files of each kind."""

MOST_CALLS = 10_000_000
"""How many functions are called for a file at most, whatever it says: 50,000 layers take half of them."""

ODD: list[Any] = [
    None, True, 0, -1, 1 << 70, 1.5, "", "x", "../../etc/passwd", [], [[]], [None, None], {}, {"a": 1},
    [1 << 40, 1 << 40, 3], {"class_name": "function", "config": "os.system"}, [["image", 0, 0]],
]  # fmt: skip


def leaves(value: Any, path: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    """Yield the place of everything in a JSON value."""
    items = (
        value.items()
        if isinstance(value, dict)
        else enumerate(value)
        if isinstance(value, list)
        else ()
    )
    for key, below in items:
        yield (*path, key)
        yield from leaves(below, (*path, key))
