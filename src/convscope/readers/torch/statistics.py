"""What torchinfo's users know: `summary(module, input_size=…)`, printed once, its totals in an object."""

from __future__ import annotations

import sys
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from math import prod
from typing import Any

import torch

from convscope.errors import SettingError, did_you_mean
from convscope.readers.example import Example
from convscope.readers.torch.calls import Frame
from convscope.readers.torch.inputs import arguments
from convscope.readers.torch.recording import record
from convscope.readers.torch.shadow import initialised, plain, tree
from convscope.readers.torch.structures import mapped
from convscope.readers.torch.weights import on_device

COLUMNS = {
    "input_size": "Input Shape",
    "output_size": "Output Shape",
    "num_params": "Param #",
    "params_percent": "Param %",
    "kernel_size": "Kernel Shape",
    "groups": "Groups",
    "mult_adds": "Mult-Adds",
    "trainable": "Trainable",
}
ROW_SETTINGS = ("ascii_only", "depth", "hide_recursive_layers", "var_names")


@dataclass
class Line:
    """One call of a module, a module around one, or one that was not called; its fields have torchinfo's names.

    num_params, trainable_params   its own and those of all modules in it; `own` are those that are in none
    is_recursive    whether a line before is of the same module
    weights         those of its own that no line before has: name and shape of each
    input_size, output_size   of the first tensor that went in and came out; None where there was none
    element         bytes of a number of the output
    """

    path: str
    class_name: str
    depth: int
    num_params: int
    trainable_params: int
    is_recursive: bool = False
    own: int = 0
    own_trainable: int = 0
    own_bytes: int = 0
    weights: tuple[tuple[str, tuple[int, ...]], ...] = ()
    is_leaf_layer: bool = True
    input_size: list[int] | None = None
    output_size: list[int] | None = None
    element: int = 4
    kernel_size: list[int] | int | None = None
    groups: int | None = None
    macs: int = 0
    depth_index: int = 0
    children: list[Line] = field(default_factory=list)

    @property
    def var_name(self) -> str:
        """What it is called in the module around it."""
        return self.path.rpartition(".")[2] or self.class_name


class ModelStatistics:
    """What a module amounts to; str() of it is the table.

    Sizes and counts are those of the whole input, its batch included. `total_mult_adds` is counted as torchinfo
    counts: biases and normalisations are in it, products of attention are not. `convscope.open(module, example)`
    counts multiply–accumulates alone, for one input.
    """

    def __init__(
        self, top: Line, input_bytes: int, columns: Sequence[str], width: int,
        depth: int, rows: Sequence[str], weights: bool = False, input_size: Any = (),
    ) -> None:  # fmt: skip
        self.top = top
        self.input_size = input_size
        self.weights = weights
        self.total_input = input_bytes
        self.columns, self.width, self.depth, self.rows = columns, width, depth, rows
        self.total_params = self.trainable_params = self.total_param_bytes = 0
        self.total_mult_adds = self.total_output_bytes = 0
        self.summary_list = list(_walk(top))
        for line in self.summary_list:
            if line.is_leaf_layer:
                self.total_mult_adds += line.macs
                if line.num_params and line.output_size is not None:
                    self.total_output_bytes += 2 * prod(line.output_size) * line.element
            if not line.is_recursive:
                self.total_params += line.own
                self.trainable_params += line.own_trainable
                self.total_param_bytes += line.own_bytes

    def __str__(self) -> str:
        shown = [line for line in self.summary_list if line.depth <= self.depth]
        if "hide_recursive_layers" in self.rows:
            shown = [line for line in shown if not line.is_recursive]
        title = "Layer (type"
        title += " (var_name)" if "var_names" in self.rows else ""
        title += ":depth-idx)" if "depth" in self.rows else ")"
        rows = [(title, [COLUMNS[column] for column in self.columns])]
        for line in shown:
            folded = line.depth == self.depth and not line.is_leaf_layer
            cells = [self._cell(line, column, folded) for column in self.columns]
            rows.append((self._label(line), cells))
            if self.weights and not folded:
                rows += self._weights(line)
        first = max(40, *(len(label) for label, _ in rows))
        table = [_line(label, cells, first, self.width) for label, cells in rows]
        rule = "=" * max(first + self.width * len(self.columns), *map(len, table))
        text = [
            rule,
            table[0],
            rule,
            *table[1:],
            rule,
            f"Total params{_readable(self.total_params, 0)}",
            f"Trainable params{_readable(self.trainable_params, 0)}",
            f"Non-trainable params{_readable(self.total_params - self.trainable_params, 0)}",
        ]
        if self.total_input:
            parts = self.total_input, self.total_output_bytes, self.total_param_bytes
            text += [
                f"Total mult-adds{_readable(self.total_mult_adds)}",
                rule,
                f"Input size (MB): {parts[0] / 1e6:.2f}",
                f"Forward/backward pass size (MB): {parts[1] / 1e6:.2f}",
                f"Params size (MB): {parts[2] / 1e6:.2f}",
                f"Estimated Total Size (MB): {sum(parts) / 1e6:.2f}",
            ]
        return "\n".join([*text, rule])

    __repr__ = __str__

    def _branch(self, level: int) -> str:
        ascii_only = "ascii_only" in self.rows
        begin = "+ " if ascii_only else "├─" if level < 2 else "└─"
        return ("|    " if ascii_only else "│    ") * (level - 1) + (begin if level else "")

    def _weights(self, line: Line) -> Iterable[tuple[str, list[str]]]:
        """Return a row for each weight of a line's own: its shape, as PyTorch has it, and how many numbers it is."""
        branches = ("+ ", "+ ") if "ascii_only" in self.rows else ("├─", "└─")
        for place, (name, shape) in enumerate(line.weights, 1):
            cells = {
                "kernel_size": str(list(shape)),
                "num_params": f"{branches[place == len(line.weights)]}{prod(shape):,}",
            }
            yield (
                f"{self._branch(line.depth + 1)}{name}",
                [cells.get(column, "") for column in self.columns],
            )

    def _label(self, line: Line) -> str:
        name = f" ({line.var_name})" if "var_names" in self.rows else ""
        number = f": {line.depth}-{line.depth_index}" if "depth" in self.rows and line.depth else ""
        return f"{self._branch(line.depth)}{line.class_name}{name}{number}"

    def _cell(self, line: Line, column: str, folded: bool) -> str:
        if column in ("input_size", "output_size"):
            shape = line.input_size if column == "input_size" else line.output_size
            return str(shape) if shape else "--"  # one number has no axes
        if column == "num_params":
            count = line.num_params if line.is_leaf_layer or folded else line.own
            if not count:
                return "--"
            text = f"{count:,}" if line.trainable_params or not line.num_params else f"({count:,})"
            return "(recursive)" if line.is_recursive else text
        if column == "params_percent":
            if line.is_recursive:
                return "(recursive)"
            count = line.num_params if line.is_leaf_layer or folded else line.own
            if not count or not self.total_params:
                return "     --"
            return f"{100 * count / self.total_params:>6.2f}%"
        if column == "kernel_size":
            return "--" if line.kernel_size is None else str(line.kernel_size)
        if column == "groups":
            return "--" if line.groups is None else str(line.groups)
        if column == "mult_adds":
            work = sum(below.macs for below in _walk(line) if below.is_leaf_layer)
            return f"{work:,}" if work and (line.is_leaf_layer or folded) else "--"
        if not line.num_params:
            return "--"
        if line.trainable_params in (0, line.num_params):
            return str(line.trainable_params == line.num_params)
        return "Partial"


def _line(label: str, cells: Sequence[str], first: int, width: int) -> str:
    """Return a row of the table; what is wider than its column is not cut: half a shape is another shape."""
    return " ".join([f"{label:<{first}}", *(f"{cell:<{width}}" for cell in cells)]).rstrip()


def _readable(count: int, least: float = 1e6) -> str:
    if not least:
        return f": {count:,}"
    unit, size = next(((u, s) for u, s in (("T", 1e12), ("G", 1e9)) if count >= s), ("M", 1e6))
    return f" (Units.{ {'T': 'TERABYTES', 'G': 'GIGABYTES', 'M': 'MEGABYTES'}[unit] }): {f'{count / size:,.2f}' if count else 0}"


def _walk(line: Line) -> Iterable[Line]:
    yield line
    for below in line.children:
        yield from _walk(below)


def statistics(
    module: Any, input_size: Any, input_data: Any, batch_dim: int | None, columns: Iterable[str] | None,
    width: int, depth: int, device: Any, dtypes: Sequence[Any] | None, mode: str | None,
    rows: Iterable[str] | None, verbose: int | None, keywords: dict[str, Any],
) -> ModelStatistics:  # fmt: skip
    """Return what a module amounts to; see `convscope.summary`."""
    module = plain(module)
    if not isinstance(module, torch.nn.Module):
        raise SettingError(f"summary takes a torch.nn.Module, not {type(module).__name__}")
    initialised(tree(module))
    if input_size is not None and input_data is not None:
        raise SettingError("give input_size or input_data, not both")
    if mode not in (None, "eval", "train", "same"):
        raise SettingError(f"mode is eval, train or same, not {mode!r}")
    if verbose not in (None, 0, 1, 2):
        raise SettingError(
            f"verbose is 0 (silent), 1 (the table) or 2 (weights too), not {verbose!r}"
        )
    for what, number, least in (("depth", depth, 0), ("col_width", width, 1)):
        if not isinstance(number, int) or number < least:
            raise SettingError(f"{what} is a whole number from {least}, not {number!r}")
    given = input_size is not None or input_data is not None
    chosen = tuple(columns or (("output_size", "num_params") if given else ("num_params",)))
    for name in chosen:
        if name not in COLUMNS:
            raise SettingError(
                f"there is no column {name!r}{did_you_mean(name, COLUMNS)}; there are {', '.join(COLUMNS)}"
            )
    settings = tuple(rows or ("depth",))
    for name in settings:
        if name not in ROW_SETTINGS:
            raise SettingError(f"row_settings are {', '.join(ROW_SETTINGS)}, not {name!r}")
    if not given and not keywords:
        return ModelStatistics(
            _tree(module, module, "", 0, set(), {}), 0, chosen, width, depth, settings, verbose == 2
        )
    if device is not None:
        module = on_device(module, device)
    example, sizes = Example((), None, keywords), input_data
    if input_size is not None:
        data, sizes = _random(module, input_size, batch_dim, dtypes, device)
        example = Example((tuple(data),), None, keywords)
    elif isinstance(input_data, (list, tuple)):  # the arguments, as they stand
        example = Example((tuple(input_data),), None, keywords)
    elif isinstance(input_data, Mapping):
        example = Example((), None, {**input_data, **keywords})
    elif input_data is not None:
        example = Example(((input_data,),), None, keywords)
    sizes = [] if sizes is None else mapped(lambda one: getattr(one, "shape", one), sizes)
    arranged = arguments(module, example)
    if device is not None:
        arranged = arranged.with_inputs({n: t.to(device) for n, t in arranged.inputs.items()})
    elif any(p.is_meta for p in module.parameters()):
        arranged = arranged.with_inputs({n: t.to("meta") for n, t in arranged.inputs.items()})
    training = mode == "train" or (mode == "same" and module.training)
    found = record(module, arranged.args, arranged.kwargs, arranged.inputs, False, training, True)
    if found.failure is not None:
        from convscope.readers.torch.build import build
        from convscope.readers.torch.failing import forward_error

        raise forward_error(build(found, type(module).__name__), found)
    called: dict[int, list[Frame]] = {}
    for frame in found.frames:
        called.setdefault(id(frame.outer), []).append(frame)
    root = found.frames[0]
    shown = dict(module.named_modules())
    top = _called(root, called, shown, 0, set(), {})
    size = sum(t.numel() * t.element_size() for t in arranged.inputs.values())
    return ModelStatistics(top, size, chosen, width, depth, settings, verbose == 2, sizes)


def _random(
    module: Any, size: Any, batch_dim: int | None, dtypes: Sequence[Any] | None, device: Any
) -> tuple[list[Any], list[tuple[int, ...]]]:
    """Return random tensors, and their sizes as they were given: with the batch, unless batch_dim says where it goes."""
    many = (
        isinstance(size, (list, tuple)) and size and isinstance(size[0], (list, tuple, torch.Size))
    )
    sizes = [tuple(s) for s in size] if many else [tuple(size)]
    if any(type(n) is not int or n < 1 for s in sizes for n in s):
        raise SettingError(
            f"input_size is whole numbers with the batch, as (1, 3, 224, 224), not {size!r}"
        )
    asked = list(sizes)
    if batch_dim is not None:
        for place, s in enumerate(sizes):
            if not -len(s) - 1 <= batch_dim <= len(s):
                raise SettingError(
                    f"batch_dim is a place among {len(s) + 1} axes, {-len(s) - 1} … {len(s)}, not {batch_dim!r}"
                )
            at = batch_dim % (len(s) + 1)
            sizes[place] = (*s[:at], 1, *s[at:])
    usual = next((p.dtype for p in module.parameters() if p.is_floating_point()), torch.float32)
    kinds = list(dtypes) if dtypes else [usual] * len(sizes)
    if len(kinds) != len(sizes):
        raise SettingError(f"{len(sizes)} inputs need as many dtypes, not {len(kinds)}")
    generator = torch.Generator().manual_seed(0)
    try:
        if device is not None and torch.device(device).type == "meta":
            made = [
                torch.empty(s, dtype=k, device=device) for s, k in zip(sizes, kinds, strict=True)
            ]
        else:
            made = [
                torch.rand(s, generator=generator).to(dtype=kind, device=device)
                for s, kind in zip(sizes, kinds, strict=True)
            ]
    except (RuntimeError, AssertionError, TypeError) as error:  # PyTorch's three ways to refuse
        wanted = f"dtypes={dtypes!r}, device={device!r}"
        said = str(error).partition("\n")[0]
        raise SettingError(f"PyTorch makes no input with {wanted}: {said}") from error
    return made, asked


def _described(one: Any, path: str, level: int, met: set[int], places: dict[int, int]) -> Line:
    """Return a module's line without what a call tells."""
    every = list(one.parameters())
    named = dict(one.named_parameters(recurse=False))
    own = list(named.values())
    places[level] = places.get(level, 0) + 1
    line = Line(
        path, type(one).__name__, level, sum(p.numel() for p in every),
        sum(p.numel() for p in every if p.requires_grad), id(one) in met,
    )  # fmt: skip
    new = [p for p in own if id(p) not in met]
    line.own = sum(p.numel() for p in new)
    line.own_trainable = sum(p.numel() for p in new if p.requires_grad)
    line.own_bytes = sum(p.numel() * p.element_size() for p in new)
    line.weights = tuple((name, tuple(p.shape)) for name, p in named.items() if id(p) not in met)
    met.update((id(one), *map(id, new)))
    line.is_leaf_layer = not any(True for _ in one.children())
    line.depth_index = places[level]
    kernel = getattr(one, "kernel_size", None)  # a class token has three axes too, and no kernel
    line.kernel_size = kernel if isinstance(kernel, int) else None
    if isinstance(kernel, (tuple, list)):
        line.kernel_size = list(kernel)
    groups = getattr(one, "groups", None)
    line.groups = groups if isinstance(groups, int) else None
    return line


def _tree(
    module: Any, one: Any, path: str, level: int, met: set[int], places: dict[int, int]
) -> Line:
    """Return the lines of a module that was not called."""
    line = _described(one, path, level, met, places)
    for name, child in one.named_children():
        line.children.append(
            _tree(module, child, f"{path}.{name}" if path else name, level + 1, met, places)
        )
    return line


def _called(
    frame: Frame, called: dict[int, list[Frame]], modules: dict[str, Any], level: int, met: set[int],
    places: dict[int, int],
) -> Line:  # fmt: skip
    """Return the lines of a call and of the calls in it, and of modules in it that were never called.

    What is called past a module around it, as those of a ModuleList are, stands in a line of that.
    """
    one: Any = modules.get(frame.path, frame.module)
    line = _described(one, frame.path, level, met, places)
    if frame.given is not None:
        line.input_size = list(frame.given[0])
    if frame.out is not None:
        line.output_size, line.element = list(frame.out[0]), frame.out[1]
        if line.is_leaf_layer:
            line.macs = _mult_adds(one, frame.out[0])
    within, around = [line], [line]
    for inner in called.get(id(frame), []):
        between = [path for path in _above(inner.path, frame.path) if path in modules]
        same = 0
        while same < min(len(between), len(within) - 1) and within[same + 1].path == between[same]:
            same += 1
        del within[same + 1 :]
        for path in between[same:]:
            container = _described(modules[path], path, level + len(within), met, places)
            within[-1].children.append(container)
            within.append(container)
            around.append(container)
        deeper = level + len(within)
        within[-1].children.append(_called(inner, called, modules, deeper, met, places))
    reached = {f.path for f in _frames(frame, called)}
    for each in around:
        for name, child in (
            modules.get(each.path, one).named_children() if not each.is_recursive else ()
        ):
            path = f"{each.path}.{name}" if each.path else name
            below = any(p == path or p.startswith(f"{path}.") for p in reached)
            if not below and id(child) not in met:
                each.children.append(_tree(one, child, path, each.depth + 1, met, places))
    return line


def _above(path: str, top: str) -> list[str]:
    """Return the paths between a module and one that it is in, from the outermost; none where it is in another."""
    if top and not path.startswith(f"{top}."):
        return []
    names = path.split(".")
    return [".".join(names[:n]) for n in range(len(top.split(".")) + 1 if top else 1, len(names))]


def _frames(frame: Frame, called: dict[int, list[Frame]]) -> Iterable[Frame]:
    for inner in called.get(id(frame), []):
        yield inner
        yield from _frames(inner, called)


def _mult_adds(one: Any, out: tuple[int, ...]) -> int:
    """Return torchinfo's count: every parameter of a convolution at every position, of others once a row."""
    total = 0
    window = "Conv" in type(one).__name__
    for name, weight in one.named_parameters():
        last = name.rpartition(".")[2]
        if last in ("weight", "bias"):
            total += weight.numel() * (prod(out[:1]) * prod(out[2:]) if window else prod(out[:1]))
        elif "weight" in last or "bias" in last:
            total += weight.numel() * prod(out[:2])
    return total


def show(found: ModelStatistics, verbose: int | None) -> None:
    """Print it, unless somebody asked for silence, or Python is spoken to and shows it anyhow."""
    if verbose is None:
        verbose = 0 if getattr(sys, "ps1", None) else 1
    if verbose:
        print(found)
