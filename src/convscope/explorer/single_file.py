"""One HTML file that holds the explorer of one run: works from disk, offline, with nobody to ask.

The file is the page, the module and every answer that the page can ask for: what the host told of the
network and its layers, and the numbers of activations and weights. web/file.js answers from them.
The same network and image give the same bytes.
"""

from __future__ import annotations

import base64
import hashlib
import json
from collections.abc import Iterator, Mapping, Sequence
from html import escape
from math import prod
from typing import Any, BinaryIO, TypeAlias

from convscope.engine.preparing import WORDS
from convscope.errors import InputError, SettingError
from convscope.explorer import description
from convscope.explorer.alternatives import alternatives
from convscope.explorer.host import MOST_VALUES, Host
from convscope.explorer.joining import late_script, script, web
from convscope.explorer.known_edits import known_edits, told
from convscope.explorer.late import of_every_page
from convscope.typed import Record
from convscope.version import __version__
from convscope.views.characters import printable

Json: TypeAlias = Any

LIMIT = 64
"""MiB of numbers that a file holds, unless somebody asks for more."""

MIB = 1 << 20


class HeldTensor(Record):
    """An activation (weight is None) or a weight of a layer, as the host gives it; size is in bytes."""

    layer: str
    weight: str | None
    shape: tuple[int, ...]
    dtype: str
    size: int

    @property
    def question(self) -> dict[str, Json]:
        """What to ask a host for its numbers."""
        return {"ask": "values", "run": None, "layer": self.layer, "weight": self.weight}

    def __str__(self) -> str:
        what = self.layer if self.weight is None else f"the {self.weight} of {self.layer}"
        return f"{what} ({self.size / MIB:,.1f} MiB)"


class SingleFile:
    """The explorer of a host's newest run as one HTML file; made by `single_file`.

    left_out   what the file has no numbers of, because there would be too many
    enough     the limit in MiB at which nothing would be left out
    """

    def __init__(
        self,
        host: Host,
        page: Mapping[str, Json],
        blocks: Sequence[HeldTensor],
        left_out: Sequence[HeldTensor],
        enough: int,
    ) -> None:
        self._host = host
        self._page = page
        self._blocks = blocks
        self.left_out = tuple(left_out)
        self.enough = enough

    @property
    def remark(self) -> str:
        """What is missing, in a line; empty where nothing is."""
        if not self.left_out:
            return ""
        largest = max(self.left_out, key=lambda tensor: tensor.size)
        layers = {tensor.layer for tensor in self.left_out}
        size = sum(tensor.size for tensor in self.left_out) / MIB
        one = len(self.left_out) == 1
        what = (
            f"the numbers of {largest}" if one else f"the numbers of {len(self.left_out)} tensors of "
            f"{len(layers)} layer{'s' * (len(layers) > 1)} ({size:,.1f} MiB), the largest {largest}"
        )  # fmt: skip
        return f"no room for {what}; a limit of {self.enough} holds all"

    def write(self, file: BinaryIO) -> None:
        """Write the file, in pieces: all of it is never in memory at once."""
        file.writelines(piece.encode() for piece in self.pieces())

    def text(self) -> str:
        """Return the whole file."""
        return "".join(self.pieces())

    def pieces(self) -> Iterator[str]:
        """Yield the file from its first to its last character."""
        entry, sheet = "file.js", "explorer.css"
        code, style = _inside(entry, script(entry)), _inside(sheet, web(sheet))
        filled = {
            "policy": escape(_policy(code, style)),
            "generator": f"convscope {__version__}",
            "title": escape(f"{printable(self._page['network']['name'])} · convscope"),
            "style": style,
            "told": embedded(self._page),
            "script": code,
        }
        for n, part in enumerate(web("file.html").split("{{")):
            name, _, rest = part.partition("}}") if n else ("", "", part)
            if name == "numbers":
                run = self._page["network"]["run"]["id"]
                for block, tensor in enumerate(self._blocks):
                    yield f'<script type="text/plain" id="numbers-{block}">'
                    yield from _base64(_bodies(self._host, tensor, run))
                    yield "</script>\n"
            elif name:
                yield filled[name]
            yield rest


def single_file(host: Host, limit: float = LIMIT) -> SingleFile:
    """Return the explorer of a host's newest run as one HTML file.

    limit   how many MiB of numbers it may hold. Above that the numbers of the fewest layers that
            suffice are left out, the largest ones; the page says so where they are asked for

    Raises `InputError` for a host that no image has gone through, `SettingError` for a limit that is
    none.
    """
    if isinstance(limit, bool) or not isinstance(limit, (int, float)) or not limit > 0:
        raise SettingError(f"limit must be a number of MiB above 0, not {limit!r}")
    network = host.answer({"ask": "network"}).facts
    run = network["run"]
    if run is None:
        raise InputError("a single file shows one image going through: give it an image")
    tensors = list(_tensors(host, network))
    blocks = _blocks(host, run["id"], tensors, int(limit * MIB))
    out = left_out(blocks, int(limit * MIB), network["outputs"])
    kept = [users for users in blocks if users not in out]
    places = {tensor: n for n, users in enumerate(kept) for tensor in users}
    enough = -(-sum(users[0].size for users in blocks) // MIB)
    names = [row["name"] for row in network["layers"]]
    settings = {n: told(host, {"ask": "settings", "layer": n}) for n in names}
    pictures = _pictures(host)
    network["samples"] = [name for name, _ in pictures]
    late = {name: _late(host, name) for name in host.screens}
    late = {name: answers for name, answers in late.items() if answers}
    network["screens"] = {name: network["screens"][name] for name in late}
    page = {
        "script": script("explorer.js"),
        "network": network,
        "layers": [(n, told(host, {"ask": "layer", "layer": n, "run": run["id"]})) for n in names],
        "settings": list(settings.items()),
        "energies": [
            (n, told(host, {"ask": "maps", "layer": n, "run": run["id"]})) for n in run["shapes"]
        ],
        "samples": pictures,
        "rooms": [
            (name, late_script(name), late.get(name, [])) for name in [*of_every_page(), *late]
        ],
        "preparing": WORDS,
        "lessons": told(host, {"ask": "lessons"}),
        "tensors": [
            {
                "layer": tensor.layer,
                "weight": tensor.weight,
                "shape": tensor.shape,
                "dtype": tensor.dtype,
                "axes": description.roles(
                    host.network.graph,
                    tensor.shape,
                    tensor.layer if tensor.weight is None else None,
                ),
                "numbers": places.get(tensor),
                **({} if tensor in places else {"why": _why(tensor, limit, enough)}),
            }
            for tensor in tensors
        ],
        "whatif": known_edits(host, settings),
        "alternatives": alternatives(host.network.graph, settings),
    }
    lost = [tensor for tensor in tensors if tensor not in places]
    return SingleFile(host, page, [users[0] for users in kept], lost, enough)


def left_out(
    blocks: Sequence[Sequence[HeldTensor]], limit: int, outputs: Sequence[str] = ()
) -> list[Sequence[HeldTensor]]:
    """Return the blocks of numbers to leave out so that the others are at most `limit` bytes.

    blocks    numbers that are stored once, each as the tensors that have them
    outputs   the layers whose activations stay in any case: what the network says

    They belong to the fewest layers that suffice; of these layers the largest numbers go first. What
    several layers share counts for each of them only in part, so that it tends to stay.

    >>> def block(layer, weight, size):
    ...     return [HeldTensor(layer, weight, (size,), "float32", size)]
    >>> blocks = [block("a", None, 6), block("b", "kernel", 5), block("b", None, 4)]
    >>> [str(tensor) for (tensor,) in left_out(blocks, 10)]
    ['the kernel of b (0.0 MiB)']
    """
    excess = sum(users[0].size for users in blocks) - limit
    layers: dict[frozenset[str], list[Sequence[HeldTensor]]] = {}
    for users in blocks:
        if any(t.weight is None and t.layer in outputs for t in users):
            continue
        layers.setdefault(frozenset(t.layer for t in users), []).append(users)
    sizes = {names: sum(users[0].size for users in of) for names, of in layers.items()}
    chosen: list[Sequence[HeldTensor]] = []
    freed = 0
    for names in sorted(layers, key=lambda names: -sizes[names] / len(names)):
        if freed >= excess:
            break
        chosen += layers[names]
        freed += sizes[names]
    found: list[Sequence[HeldTensor]] = []
    for users in sorted(chosen, key=lambda users: -users[0].size):
        if excess > 0:
            found.append(users)
            excess -= users[0].size
    return found


def _why(tensor: HeldTensor, limit: float, enough: int) -> str:
    """Return what a page says where the numbers of a tensor should be."""
    return (
        f"the numbers of {tensor} are not in this file, which holds at most {limit:g} MiB of numbers: convscope "
        f"explore MODEL shows them, convscope trace MODEL LAYER POSITION takes one apart, and "
        f"convscope export MODEL FILE.html --limit {enough} writes a file that holds all"
    )


def _pictures(host: Host) -> list[tuple[str, str]]:
    """Return the images that come along, in base64, as long as they are small."""
    found = [(name, path.read_bytes()) for name, path in host.samples.items()]
    if sum(len(data) for _, data in found) > MIB:
        return []
    return [(name, base64.b64encode(data).decode("ascii")) for name, data in found]


def _late(host: Host, name: str) -> list[tuple[Json, dict[str, Json]]]:
    """Return the questions of a late screen that a file answers, and the answers."""
    found: list[tuple[Json, dict[str, Json]]] = []
    for question in host.screens[name].held():
        answer = host.answer({**question, "ask": name})
        body = base64.b64encode(answer.body).decode("ascii")
        found.append((question, {"facts": answer.facts, "body": body}))
    return found


# -- numbers --------------------------------------------------------------------------------------


def _tensors(host: Host, network: Mapping[str, Json]) -> Iterator[HeldTensor]:
    """Yield every activation of the run, and every weight that an equation reads."""
    run = network["run"]
    wanted = [(name, None, shape) for name, shape in run["shapes"].items()]
    wanted += [
        (row["name"], weight, shape)
        for row in network["layers"]
        if row["equation"]
        for weight, shape in row["weights"].items()
    ]
    for layer, weight, shape in wanted:
        tensor = HeldTensor(layer, weight, tuple(shape), "", 0)
        first = None if 0 in shape else [[0, 0] for _ in shape]
        answer = host.answer({**tensor.question, "run": run["id"], "box": first})
        size = prod(shape) * (8 if answer.facts["dtype"] == "float64" else 4)
        yield tensor._replace(dtype=answer.facts["dtype"], size=size)


def _blocks(
    host: Host, run: int, tensors: Sequence[HeldTensor], limit: int
) -> list[list[HeldTensor]]:
    """Return the tensors, those with the same numbers together: a flatten has those of its input.

    One that is too large for the file in any case is not looked into.
    """
    found: dict[Any, list[HeldTensor]] = {}
    for tensor in tensors:
        key: Any = tensor
        if tensor.size <= limit:
            digest = hashlib.sha256()
            for body in _bodies(host, tensor, run):
                digest.update(body)
            key = (tensor.dtype, digest.digest())
        found.setdefault(key, []).append(tensor)
    return list(found.values())


def _bodies(host: Host, tensor: HeldTensor, run: int) -> Iterator[bytes]:
    """Yield a tensor's numbers as the host gives them, no more at once than it gives."""
    boxes = [None] if 0 in tensor.shape else _boxes(tensor.shape, MOST_VALUES)
    for box in boxes:
        yield host.answer({**tensor.question, "run": run, "box": box}).body


def _boxes(shape: Sequence[int], most: int) -> Iterator[list[list[int]]]:
    """Yield boxes of at most so many numbers that make up an array, in the order of memory.

    >>> list(_boxes((3, 2), 4))
    [[[0, 1], [0, 1]], [[2, 2], [0, 1]]]
    """
    if prod(shape) <= most:
        yield [[0, size - 1] for size in shape]
        return
    rest = shape[1:]
    step = max(1, most // prod(rest))
    for first in range(0, shape[0], step):
        rows = [first, min(first + step, shape[0]) - 1]
        for box in _boxes(rest, most):
            yield [rows, *box]


def _base64(bodies: Iterator[bytes]) -> Iterator[str]:
    """Yield bytes as base64: what is left of a piece after a multiple of three goes to the next one."""
    rest = b""
    for body in bodies:
        whole = len(rest) + len(body)
        cut = whole - whole % 3 - len(rest)
        yield base64.b64encode(rest + body[:cut]).decode("ascii") if cut > 0 else ""
        rest = body[cut:] if cut > 0 else rest + body
    yield base64.b64encode(rest).decode("ascii")


# -- the page -------------------------------------------------------------------------------------


def embedded(value: Json) -> str:
    """Return JSON that can stand in a <script> element: nothing in it ends or opens one.

    >>> embedded("</script>")
    '"\\\\u003c/script>"'
    """
    return json.dumps(value, allow_nan=False, separators=(",", ":")).replace("<", "\\u003c")


def _inside(name: str, text: str) -> str:
    """Return a script or style sheet of ours that can stand in the page as it is."""
    if "</s" in text.lower() or "<!--" in text:
        raise ValueError(f"{name} cannot stand inside an HTML element: it holds </s or <!--")
    return text


def _policy(code: str, style: str) -> str:
    """Return what the page may load and run: its own script, the module, its own style, nothing else."""
    return "; ".join(
        (
            "default-src 'none'",
            f"script-src 'sha256-{_sha256(code)}' blob:",
            f"style-src 'sha256-{_sha256(style)}'",
            "img-src data:",
            "base-uri 'none'",
            "form-action 'none'",
        )
    )


def _sha256(text: str) -> str:
    return base64.b64encode(hashlib.sha256(text.encode()).digest()).decode("ascii")
