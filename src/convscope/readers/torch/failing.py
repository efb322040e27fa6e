"""A forward that failed: in which module, at which operator, what does not fit, and what would."""

from __future__ import annotations

from typing import Any

from convscope.errors import ForwardError
from convscope.network import Network
from convscope.notation.sizes import counted, shape_text
from convscope.readers.python import line_of
from convscope.readers.torch.calls import Failure, Recording, Value
from convscope.readers.torch.graph import TorchGraph

LAST = 12
"""So many rows of the table stand in the message."""

MOST = 4
"""So many shapes of a list of tensors stand in it."""


def forward_error(graph: TorchGraph, recording: Recording, alone: bool = False) -> ForwardError:
    """Return the error that says where a forward stopped, with the network up to there.

    alone   whether what went in has no batch
    """
    failure = recording.failure
    assert failure is not None
    frame = failure.frame
    where = f"{frame.path} ({frame.kind})" if frame.path else frame.kind or graph.name
    error = failure.error
    lines = str(error).strip().splitlines() or [type(error).__name__]
    text = f"the forward of {graph.name} fails" + (f" in {where}" if where != graph.name else "")
    if failure.op is not None:
        text += f", at {failure.op}{_shapes(failure)}"
    hint = _hint(failure)
    if not hint and (line := line_of(error, named=True)):
        text += line
    text += f": {hint}" if hint else f": {type(error).__name__}: {lines[0]}"
    if hint:
        text += f" (PyTorch: {lines[0]})"
    elif not frame.path and isinstance(error, TypeError) and "required" in lines[0]:
        text += (
            " (every input is given: an example of each, or its shape by name, shape={'x': (3, 224, 224), …}, "
            "--shape x=3,224,224 --shape …)"
        )
    if alone:
        text += " (the example has no batch: example[None] is a batch of one)"
    network = Network(graph.name, graph=graph)
    found = ForwardError(text)
    if graph.nodes:
        found.add_note(f"The network up to there:\n\n{_table(network)}\n")
    found.network, found.module, found.op = network, frame.path, failure.op
    found.__cause__ = error
    return found


def _shapes(failure: Failure) -> str:
    given = []
    for name, value in failure.named.items():
        many = value if isinstance(value, (tuple, list)) else (value,)
        shapes = [shape_text(one.shape) for one in many if isinstance(one, Value)]
        if shapes:
            given.append(
                f"{name} {' and '.join(shapes[:MOST])}{' …' if len(shapes) > MOST else ''}"
            )
    return f" of {', '.join(given)}" if given else ""


def _hint(failure: Failure) -> str:
    """Return what does not fit, and what would, where that can be told."""
    named, op = failure.named, failure.op or ""
    other = _channels(named, op) or _indices(named, op) or _pool(named, op)
    if other:
        return other
    x, weight = named.get("input"), named.get("weight")
    if not isinstance(x, Value) or not isinstance(weight, Value):
        return _types(named)
    kinds = not x.dtype.is_complex and weight.dtype.is_floating_point
    if kinds and x.dtype != weight.dtype and op.startswith(("conv", "linear")):
        ours, theirs = (str(v.dtype).removeprefix("torch.") for v in (x, weight))
        return f"its input is {ours} and its weight {theirs}: example.to(torch.{theirs}) would fit"
    if op == "linear" and x.shape[-1:] != weight.shape[-1:]:
        return (
            f"its rows hold {x.shape[-1]} numbers and its weight {shape_text(weight.shape)} takes "
            f"{weight.shape[-1]}: in_features={x.shape[-1]} would fit"
        )
    if op.startswith("conv") and "transpose" not in op and len(weight.shape) > 2:
        spatial = len(weight.shape) - 2
        if len(x.shape) not in (spatial + 1, spatial + 2):
            more = "; a shape= is said without the batch" if len(x.shape) > spatial + 2 else ""
            return (
                f"its input has {len(x.shape)} axes and it takes {spatial + 2}: "
                f"(batch, {weight.shape[1]}, …){more}"
            )
        groups = named.get("groups", 1)
        channels = x.shape[-spatial - 1]
        if isinstance(groups, int) and channels != weight.shape[1] * groups:
            last = x.shape[-1] == weight.shape[1] * groups
            turned = "; the input looks channels-last, and PyTorch takes (batch, channels, rows, columns)"
            alone = (
                f"; with a batch an input has {spatial + 2} axes, and this one has {spatial + 1}"
            )
            more = turned if last else alone if len(x.shape) == spatial + 1 else ""
            return (
                f"its input has {counted(channels, 'channel')} and it takes {weight.shape[1] * groups}: "
                f"in_channels={channels} would fit{more}"
            )
        return _small(named, x, weight.shape[2:], spatial)
    return _types(named)


def _channels(named: dict[str, Any], op: str) -> str:
    """Say where a normalisation or a transposed convolution is made for another number of channels."""
    x, weight = named.get("input"), named.get("weight")
    if not isinstance(x, Value) or len(x.shape) < 2:
        return ""
    if op.startswith("conv_transpose") and isinstance(weight, Value):
        spatial = len(weight.shape) - 2
        if len(x.shape) in (spatial + 1, spatial + 2):
            channels = x.shape[-spatial - 1]
            if channels != weight.shape[0]:
                return f"its input has {counted(channels, 'channel')} and it takes {weight.shape[0]}: in_channels={channels} would fit"
        return ""
    normalised = named.get("normalized_shape")
    if op == "layer_norm" and isinstance(normalised, (tuple, list)):
        last = x.shape[-len(normalised) :]
        if tuple(normalised) != tuple(last):
            return (
                f"its input ends in {shape_text(last)} and it takes {shape_text(normalised)}: "
                f"normalized_shape={shape_text(last)} would fit"
            )
    channels, groups = x.shape[1], named.get("num_groups")
    setting = {
        "batch_norm": "num_features",
        "instance_norm": "num_features",
        "group_norm": "num_channels",
    }.get(op)
    held = [named.get(name) for name in ("weight", "running_mean", "bias")]
    made = next((one.shape[0] for one in held if isinstance(one, Value)), channels)
    parts = ""
    if op == "group_norm" and isinstance(groups, int) and groups and channels % groups:
        fit = [str(n) for n in range(1, min(channels, LAST) + 1) if channels % n == 0]
        parts = f"num_groups={' or '.join(fit)}"
    if setting and made != channels:
        fits = f"{setting}={channels}" + (f" and {parts}" if parts else "")
        return f"its input has {counted(channels, 'channel')} and it takes {made}: {fits} would fit"
    return f"{channels} channels do not make {groups} groups: {parts} would fit" if parts else ""


def _indices(named: dict[str, Any], op: str) -> str:
    """Say what an embedding looks up."""
    at, weight = named.get("indices"), named.get("weight")
    if op != "embedding" or not isinstance(at, Value) or not isinstance(weight, Value):
        return ""
    if not at.dtype.is_floating_point:
        return ""
    kind = str(at.dtype).removeprefix("torch.")
    return (
        f"its places are {kind}: an example of whole numbers would fit, as "
        f"torch.randint({weight.shape[0]}, {shape_text(at.shape)})"
    )


def _pool(named: dict[str, Any], op: str) -> str:
    """Say where a pooling's window is larger than what it moves over."""
    kernel, padding = named.get("kernel_size"), named.get("padding")
    x = named.get("self", named.get("input"))
    if "_pool" not in op or op.startswith("adaptive") or not isinstance(x, Value):
        return ""
    if not isinstance(kernel, (tuple, list)) or not isinstance(padding, (tuple, list)):
        return ""
    spatial = next((n for n in (1, 2, 3) if f"pool{n}d" in op), 0)
    if not spatial or len(x.shape) <= spatial:
        return ""
    kernels, pads, steps = (
        tuple(v) * (spatial if len(v) == 1 else 1)
        for v in (kernel, padding, named.get("dilation") or (1,))
    )
    for place, (size, k, p, d) in enumerate(
        zip(x.shape[-spatial:], kernels, pads, steps, strict=True)
    ):
        reach = (k - 1) * d + 1
        if reach > size + 2 * p:
            return (
                f"its window reaches over {reach} positions, and axis {len(x.shape) - spatial + place} has {size}"
                f"{f' and {2 * p} of padding' if p else ''}: kernel_size={(size + 2 * p - 1) // d + 1} at most would fit, or a "
                f"larger input"
            )
    return ""


def _small(named: dict[str, Any], x: Value, kernel: tuple[int, ...], spatial: int) -> str:
    padding, dilation = named.get("padding"), named.get("dilation")
    if not isinstance(padding, (tuple, list)) or not isinstance(dilation, (tuple, list)):
        return ""
    pads = tuple(padding) * (spatial if len(padding) == 1 else 1)
    steps = tuple(dilation) * (spatial if len(dilation) == 1 else 1)
    for place, (size, k, p, d) in enumerate(
        zip(x.shape[-spatial:], kernel, pads, steps, strict=True)
    ):
        reach = (k - 1) * d + 1
        if reach > size + 2 * p:
            need = -(-(reach - size) // 2)
            return (
                f"its window reaches over {reach} positions, and axis {len(x.shape) - spatial + place} has "
                f"{size}{f' and {2 * p} of padding' if p else ''}: padding={need} would fit, or a larger input"
            )
    return ""


def _types(named: dict[str, Any]) -> str:
    kinds = {
        str(v.dtype).removeprefix("torch."): n for n, v in named.items() if isinstance(v, Value)
    }
    floats = [k for k in kinds if "float" in k]
    if len(kinds) > 1 and len(floats) != len(kinds) and "weight" in named:
        return ""
    if len(floats) > 1:
        return f"its tensors are {' and '.join(floats)}: give an example of the module's own type"
    return ""


def _table(network: Network) -> str:
    from convscope.views.summary import document
    from convscope.views.text import render

    names = list(network.graph.nodes)
    first = names[-LAST] if len(names) > LAST else names[0]
    facts = network.facts(layers=(first, None))
    return render(document(facts, ("layer", "output", "params")), 100, False).rstrip()
