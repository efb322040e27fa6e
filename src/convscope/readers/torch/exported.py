"""A program that torch.export wrote (.pt2): a zip whose program is JSON and whose weights are bytes.

It is read without torch.export.load, which unpickles what else lies in the archive. The program becomes a
recording: operators are looked up by their names among PyTorch's own and are never run, but for constants that a
few of them make, whose sizes are known before.
"""

from __future__ import annotations

import math
import os
import re
from collections.abc import Mapping, Sequence
from typing import Any

import torch

from convscope.aten import rule_of
from convscope.errors import SourceError
from convscope.files.archive import Archive
from convscope.files.json_text import MOST_BYTES, read_json
from convscope.files.source_file import SourceFile, sensible
from convscope.network import Network
from convscope.notation.sizes import shape_text
from convscope.readers.torch.calls import Call, Frame, Recording, Value, about
from convscope.readers.torch.module import RecordedGraph
from convscope.readers.torch.opening import graph_of
from convscope.readers.torch.shadow import tree

SCHEMA = 8
"""The version of the program's form that is read, which PyTorch 2.8 to 2.13 write."""

MOST_NODES = 100_000
MOST_MADE = 1 << 24
"""A constant that the program makes has at most so many numbers."""

DTYPES = {
    1: torch.uint8, 2: torch.int8, 3: torch.int16, 4: torch.int32, 5: torch.int64, 6: torch.float16,
    7: torch.float32, 8: torch.float64, 9: torch.complex32, 10: torch.complex64, 11: torch.complex128,
    12: torch.bool, 13: torch.bfloat16,
}  # fmt: skip

MAKERS = frozenset(
    ("arange", "full", "zeros", "ones", "full_like", "zeros_like", "ones_like", "scalar_tensor", "eye", "linspace",
     "lift_fresh_copy", "detach", "alias", "to", "_to_copy", "clone", "_weight_norm", "_weight_norm_interface")
)  # fmt: skip
"""Operators beside those with an equation that a constant may come from: none of them reads or writes anything else."""


def read_exported(source: str | os.PathLike[str]) -> Network:
    """Return the network of a .pt2 file, which ONNX Runtime runs.

    Raises `SourceError` for a file that is none, is damaged, holds pickled weights or another version.
    """
    file = SourceFile(source)
    with sensible(file):
        if file.first(2) != b"PK":
            raise SourceError(f"{file} is no exported program: it is no zip archive")
        archive = Archive(file)
        program = _Program(file, archive)
        recording = program.recording()
        name = os.path.basename(file.path).rpartition(".")[0] or program.root
        graph, _ = graph_of(recording, name)
    return Network(name, graph=graph, backing=RecordedGraph(), warnings=program.warnings)


class _Program:
    """One program of an archive, and the tree of its modules: names and weights, no code."""

    def __init__(self, file: SourceFile, archive: Archive) -> None:
        self.file, self.archive = file, archive
        models = [
            name for name in archive.names() if re.fullmatch(r"[^/]+/models/[^/]+\.json", name)
        ]
        if len(models) != 1:
            old = (
                "it was written by an older PyTorch: export it again"
                if not models
                else f"it holds {len(models)} programs"
            )
            raise SourceError(
                f"{file} is not opened: {old}, torch.export.save(torch.export.export(module, args), path)"
            )
        (path,) = models
        self.root, _, self.model = path.removesuffix(".json").split("/")
        told = read_json(archive.read(path, MOST_BYTES), f"{file}: {path}")
        version = told["schema_version"]["major"]
        if version != SCHEMA:
            raise SourceError(
                f"{file} is of version {version}, and version {SCHEMA} is read: PyTorch 2.8 or later writes it"
            )
        self.graph = told["graph_module"]["graph"]
        self.signature = told["graph_module"]["signature"]
        if len(self.graph["nodes"]) > MOST_NODES:
            raise SourceError(
                f"{file} has {len(self.graph['nodes']):,} operators; {MOST_NODES:,} are the most"
            )
        self.kinds: dict[str, str] = {}
        self.values: dict[str, Value] = {}
        self.numbers: dict[str, Any] = dict(self.graph.get("sym_int_values") or {})
        self.warnings: list[str] = []
        self.frames: dict[str, Frame] = {}
        self.called: dict[str, int] = {}

    # -- weights ----------------------------------------------------------------------------------

    def _stored(self) -> dict[str, Any]:
        """Return every weight and constant of the archive, by its name in the module."""
        found: dict[str, Any] = {}
        once: dict[Any, Any] = {}  # weights that are tied lie in the same place
        for kind in ("weights", "constants"):
            place = f"{self.root}/data/{kind}"
            config = f"{place}/{self.model}_{kind}_config.json"
            if config not in self.archive:
                continue
            told = read_json(self.archive.read(config, MOST_BYTES), f"{self.file}: {config}")
            for name, one in told["config"].items():
                if one["use_pickle"]:
                    raise SourceError(
                        f"{self.file}: {name} is pickled, and opening a pickle runs whatever code it holds"
                    )
                member, meta = f"{place}/{one['path_name']}", one["tensor_meta"]
                where = member, str(meta)
                if where not in once:
                    once[where] = self._tensor(member, name, meta)
                found[name] = once[where]
        return found

    def _tensor(self, member: str, name: str, meta: Mapping[str, Any]) -> Any:
        dtype, shape = DTYPES[meta["dtype"]], self._sizes(meta["sizes"])
        strides, offset = self._sizes(meta["strides"]), self._size(meta["storage_offset"])
        data = self.archive.read(member, self.file.size)
        if not data or 0 in shape:
            return torch.empty(shape, dtype=dtype)
        held = torch.frombuffer(bytearray(data), dtype=dtype)
        last = offset + sum((s - 1) * step for s, step in zip(shape, strides, strict=True))
        if (
            min(strides, default=0) < 0
            or not 0 <= last < held.numel()
            or offset < 0
            or min(shape, default=1) < 0
        ):
            raise SourceError(
                f"{self.file}: {name} of shape {shape} does not lie in its {len(data):,} bytes"
            )
        return held.as_strided(shape, strides, offset)

    def _size(self, told: Mapping[str, Any]) -> int:
        """Return a size; one that is open is taken as it was exported."""
        number = told.get("as_int", ((told.get("as_expr") or {}).get("hint") or {}).get("as_int"))
        if type(number) is not int:
            raise SourceError(
                f"{self.file} leaves a size open without an example of it: export it with sizes"
            )
        return number

    def _say_open(self, name: str, told: Sequence[Mapping[str, Any]]) -> None:
        """Say which sizes of an input the program leaves open, and as what they are taken."""
        said = []
        for one in told:
            letter = re.match(r"Symbol\('(\w+)'", str((one.get("as_expr") or {}).get("expr_str")))
            said.append(letter[1] if letter else str(one.get("as_int", "?")))
        if all("as_int" in one for one in told):
            return
        batch = "; its first axis is the batch" if "as_int" not in told[0] else ""
        self.warnings.append(
            f"{os.path.basename(self.file.path)} leaves sizes open: {name} is ({', '.join(said)}), and is shown for "
            f"{shape_text(self._sizes(told))}, as it was exported{batch}"
        )

    def _sizes(self, told: Any) -> tuple[int, ...]:
        return tuple(map(self._size, told))

    def _tree(self, held: Mapping[str, tuple[Any, bool, bool]]) -> Any:
        """Return modules of the names and classes that the program tells, with the weights; they do nothing."""
        made: dict[str, Any] = {}

        def at(path: str) -> Any:
            if path not in made:
                kind = self.kinds.get(path, "Module")
                made[path] = type(
                    kind if kind.isidentifier() else "Module", (torch.nn.Module,), {}
                )()
                if path:
                    outer, _, own = path.rpartition(".")
                    at(outer).add_module(own, made[path])
            return made[path]

        for path in ["", *self.kinds]:
            at(path)
        parameters: dict[int, Any] = {}
        for name, (tensor, parameter, trained) in held.items():
            outer, _, own = name.rpartition(".")
            if parameter:
                if id(tensor) not in parameters:
                    parameters[id(tensor)] = torch.nn.Parameter(tensor, requires_grad=trained)
                at(outer).register_parameter(own, parameters[id(tensor)])
            else:
                at(outer).register_buffer(own, tensor)
        return made[""]

    # -- the program ------------------------------------------------------------------------------

    def recording(self) -> Recording:
        """Return the program as a recording."""
        stored = self._stored()
        metas, inputs = self.graph["tensor_values"], {}
        held: dict[str, tuple[Any, bool, bool]] = {}
        for spec in self.signature["input_specs"]:
            ((kind, told),) = spec.items()
            if kind == "user_input":
                name = (told["arg"].get("as_tensor") or {}).get("name")
                if name is not None:
                    inputs[name] = self.values[name] = self._value(metas[name], True, name=name)
                    self._say_open(name, metas[name]["sizes"])
                continue
            if (
                kind == "constant_input"
            ):  # a number, a word or None: the program holds it where it is used
                continue
            key = {
                "parameter": "parameter_name",
                "buffer": "buffer_name",
                "tensor_constant": "tensor_constant_name",
            }.get(kind)
            if key is None:
                raise SourceError(f"{self.file} takes {kind} among its inputs, which is not read")
            tensor, name = stored[told[key]], told[key]
            trained = kind == "parameter" and bool(metas[told["arg"]["name"]]["requires_grad"])
            held[name] = (tensor, kind == "parameter" and tensor.is_floating_point(), trained)
            value = self.values[told["arg"]["name"]] = Value(tensor, False, name=name)
            value.tensor = tensor
        calls = [
            call for node in self.graph["nodes"] if (call := self._call(node, metas)) is not None
        ]
        inner = {path.rpartition(".")[0] for path in self.kinds}
        for frame in self.frames.values():
            frame.leaf = frame.path not in inner
        outputs = {}
        specs = zip(self.signature["output_specs"], self.graph["outputs"], strict=True)
        for number, (spec, told) in enumerate(specs):
            name = (told.get("as_tensor") or {}).get("name")
            if "user_output" in spec and name is not None:
                outputs[str(number)] = self.values[name]
        frames = list(self.frames.values())
        return Recording(calls, inputs, outputs, None, frames, [], tree(self._tree(held)))

    def _value(
        self,
        meta: Mapping[str, Any],
        fed: bool,
        call: Call | None = None,
        place: int = 0,
        name: str | None = None,
    ) -> Value:
        like = torch.empty(self._sizes(meta["sizes"]), dtype=DTYPES[meta["dtype"]], device="meta")
        return Value(like, fed, call, place, name)

    def _call(self, node: Mapping[str, Any], metas: Mapping[str, Any]) -> Call | None:
        """Return an operator of the program as a call."""
        target = str(node["target"])
        func = _operator(target)
        op = about(func).name if func is not None else target.removeprefix("torch.ops.")
        kwargs = {
            str(one["name"] or n): self._argument(one["arg"])
            for n, one in enumerate(node["inputs"])
        }
        call = Call(op, func, (), kwargs, self._frame(node.get("metadata") or {}))
        fed = func is None or about(func).random or any(
            v.fed for one in kwargs.values() for v in (one if isinstance(one, list) else [one]) if isinstance(v, Value)
        )  # fmt: skip
        names: list[str] = []
        for told in node["outputs"]:
            if told.get("as_tensor"):
                names.append(told["as_tensor"]["name"])
            for one in told.get("as_tensors") or ():
                names.append(one["name"])
        made = None if fed or not names else self._made(call, func, names, metas)
        for place, name in enumerate(names):
            value = self._value(metas[name], fed or made is None, call, place)
            if made is not None:
                value.tensor = made[place]
            call.outputs.append(value)
            self.values[name] = value
        if not names:  # a size, or a check
            return None
        call.frame.calls.append(call)
        return call

    def _made(self, call: Call, func: Any, names: list[str], metas: Mapping[str, Any]) -> Any:
        """Return a constant that the program makes; None for what is not made here."""
        if call.op not in MAKERS and rule_of(call.op) is None:
            return None
        given = {key: _numbers(one) for key, one in call.kwargs.items()}
        bare = {key: _numbers(one, "meta") for key, one in call.kwargs.items()} | {
            "device": torch.device("meta")
        }
        known = {argument.name for argument in func._schema.arguments}
        out = func(**{key: one for key, one in bare.items() if key in known})
        several = out if isinstance(out, (list, tuple)) else [out]
        shapes = [self._sizes(metas[name]["sizes"]) for name in names]
        if [tuple(one.shape) for one in several] != shapes or sum(
            map(math.prod, shapes)
        ) > MOST_MADE:
            return None
        with torch.no_grad():
            out = func(**given)
        return out if isinstance(out, (list, tuple)) else [out]

    def _frame(self, metadata: Mapping[str, Any]) -> Frame:
        """Return the call of the module in which an operator ran."""
        outer = self.frames.setdefault("", Frame("", "", 0, None, False))
        stack = str(metadata.get("nn_module_stack") or "")
        for entry in filter(None, stack.split(";")):
            call, path, kind = (*entry.split(",", 2), "", "")[
                :3
            ]  # L__self__again@1, again, Sequential
            kind = kind.rpartition(".")[2]
            self.kinds.setdefault(path, kind)
            if not path:
                outer.kind = outer.kind or kind
            else:
                if call not in self.frames:
                    number = self.called.get(path, 0)
                    self.called[path] = number + 1
                    self.frames[call] = Frame(path, kind, number, outer, False)
                outer = self.frames[call]
        return outer

    def _argument(self, told: Mapping[str, Any]) -> Any:
        """Return an argument: tensors as values, numbers, words and types as what they are."""
        ((kind, given),) = told.items()
        if kind == "as_tensor":
            return self.values[given["name"]]
        if kind in ("as_tensors", "as_optional_tensors"):
            tensors = [one.get("as_tensor", one if "name" in one else None) for one in given]
            return [None if one is None else self.values[one["name"]] for one in tensors]
        if kind == "as_none":
            return None
        if kind == "as_float":
            return float(given)
        if kind in (
            "as_int",
            "as_bool",
            "as_string",
            "as_ints",
            "as_floats",
            "as_bools",
            "as_strings",
        ):
            return given
        if kind == "as_scalar_type":
            return DTYPES.get(given)
        if kind == "as_device":
            return torch.device("cpu")
        if kind == "as_sym_int":
            return self._symbol(given)
        if kind == "as_sym_ints":
            return [self._symbol(one) for one in given]
        if kind in ("as_memory_format", "as_layout"):
            return None
        raise SourceError(f"{self.file}: an operator is given {kind}, which is not read")

    def _symbol(self, told: Mapping[str, Any]) -> int:
        if "as_int" in told:
            return int(told["as_int"])
        return self._size(self.numbers[told["as_name"]])


def _operator(target: str) -> Any:
    """Return one of PyTorch's own operators by its name; None for any other."""
    found = re.fullmatch(r"torch\.ops\.aten\.(\w+)\.(\w+)", target)
    if found is None:
        return None
    packet = getattr(torch.ops.aten, found[1], None)
    func = getattr(packet, found[2], None)
    return func if isinstance(func, torch._ops.OpOverload) else None


def _numbers(given: Any, device: str = "cpu") -> Any:
    """Return an argument with tensors in the places of values."""
    if isinstance(given, list):
        return [_numbers(one, device) for one in given]
    if isinstance(given, Value):
        return given.tensor.to(device)
    return given
