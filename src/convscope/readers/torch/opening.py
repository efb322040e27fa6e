"""From a module and an example to a network: recorded, or of its parameters alone."""

from __future__ import annotations

from typing import Any

import torch

from convscope.errors import SettingError, SourceError
from convscope.files.labels import configured_labels
from convscope.network import Network
from convscope.readers.example import Example
from convscope.readers.torch.alone import unheard
from convscope.readers.torch.build import build, skeleton
from convscope.readers.torch.calls import Recording
from convscope.readers.torch.graph import Rowed, TorchGraph
from convscope.readers.torch.inputs import Arguments, arguments
from convscope.readers.torch.module import BothEngines, TorchModule
from convscope.readers.torch.recording import record
from convscope.readers.torch.shadow import initialised, parameters, plain, tree
from convscope.readers.torch.structures import tensors_of


def opened(source: Any, example: Example) -> Network:
    """Return the network of a module."""
    module = plain(source)
    name = type(module).__name__
    if example.weights is not None:
        from convscope.readers.torch.weights import with_weights

        module = with_weights(module, example.weights)
    if example.engine not in (None, "torch", "onnxruntime"):
        raise SettingError(f"engine is torch or onnxruntime, not {example.engine!r}")
    backs = BothEngines if example.engine == "onnxruntime" else TorchModule
    modules = tree(module)
    initialised(modules)
    if not example.given:
        backing = backs(module, None, True, example.training)
        return Network(name, graph=skeleton(module, name), backing=backing)
    given = arguments(module, example)
    if any(p.is_meta for p in parameters(modules)):
        given = given.with_inputs({n: t.to("meta") for n, t in given.inputs.items()})
    recording = record(module, given.args, given.kwargs, given.inputs, False, example.training)
    graph, batched = graph_of(recording, name)
    rowed: Rowed | None = None
    if not batched and (one := _of_one_row(module, given, recording, example.training)):
        from convscope.readers.torch.rows import lying

        rowed = lying(one[1], recording)
        recording.settle()
        given, recording = one
        graph, batched = graph_of(recording, name)
    if batched and recording.failure is None and _keeps_ones(graph):
        rowed = rowed or _told_by_others(module, given, recording, example.training)
        if rowed is not None:
            graph = _without_ones(graph, build(recording, name, True, rowed))
    recording.settle()
    if recording.failure is not None:
        from convscope.readers.torch.failing import forward_error

        raise forward_error(graph, recording, _alone(recording))
    if not graph.outputs:
        said = "".join(f"; {note}" for note in recording.warnings)
        raise SourceError(
            f"{name} gives nothing that is computed from what it was given: there is nothing to take apart{said}"
        )
    notes = list(recording.warnings)
    told = recording.outputs.values()
    if told and not any(value.fed and value.call for value in told):
        notes.append(
            f"what {name} gives does not follow from what it was given (it is the same for every input, or the input "
            f"itself, or passed through something else than PyTorch): {graph.outputs[0]} stands as the output"
        )
    backing = backs(module, given, batched, example.training)
    network = Network(name, graph=graph, backing=backing, warnings=notes)
    labels = configured_labels(source)
    if graph.outputs and graph.facts[graph.outputs[0]].output_shape[-1:] == (len(labels),):
        network.labels = labels
    return network


def graph_of(recording: Recording, name: str) -> tuple[TorchGraph, bool]:
    """Return the graph of a recording, and whether its inputs have a batch whose rows stay apart."""
    batched = not _alone(recording)
    graph = build(recording, name, batched)
    if batched and _mixed(graph) and recording.failure is None:
        first = next(node for node in graph.nodes if node not in graph.batched)
        recording.warnings.append(
            f"{first} mixes or moves the {graph.rows} rows of the first axis, so that they are no batch here: shapes "
            f"have that axis; of an example of one row, x[:1], it is left out"
        )
        return build(recording, name, False), False
    return graph, batched


def _of_one_row(
    module: Any, given: Arguments, recording: Recording, training: bool
) -> tuple[Arguments, Recording] | None:
    """Return the arguments with one row of several, and their recording, where that gives the same as among the others.

    Attention, say, moves the rows of a batch on the way, and puts them back.
    """
    counts = {tensor.shape[:1] for tensor in given.inputs.values()}
    if any(tensor.is_meta for tensor in given.inputs.values()):  # without numbers
        return None
    if (
        recording.failure is not None
        or _alone(recording)
        or len(counts) != 1
        or counts <= {(), (1,)}
    ):
        return None
    one = given.with_inputs({n: t[:1].clone() for n, t in given.inputs.items()})
    with unheard():
        again = record(module, one.args, one.kwargs, one.inputs, False, training)
    (rows,) = counts
    pairs = zip(tensors_of(recording.result), tensors_of(again.result), strict=False)
    apart = again.failure is None and all(
        _begins_with(many, single, rows) for (_, many), (_, single) in pairs
    )
    return (one, again) if apart else None


def _keeps_ones(graph: TorchGraph) -> bool:
    """Whether an axis of a layer may be the batch, of one row, without anybody knowing."""
    return graph.rows == 1 and any(
        name not in graph.batched and 1 in facts.output_shape for name, facts in graph.facts.items()
    )


def _told_by_others(
    module: Any, given: Arguments, recording: Recording, training: bool
) -> Rowed | None:
    """Return where the batch is, told by a forward of no row at all, which costs next to nothing, or else of two."""
    if any(tensor.is_meta for tensor in given.inputs.values()):
        return None
    from convscope.readers.torch.rows import lying

    for rows in (0, 2):
        with unheard():
            several = {
                name: torch.cat([tensor] * rows) if rows else tensor[:0]
                for name, tensor in given.inputs.items()
                if tensor.ndim > 1 and tensor.shape[0] == 1
            }
            many = given.with_inputs({**given.inputs, **several})
            other = record(module, many.args, many.kwargs, many.inputs, False, training)
        found = lying(recording, other)
        other.settle()
        if found is not None:
            return found
    return None


def _without_ones(graph: TorchGraph, other: TorchGraph) -> TorchGraph:
    """Return the other graph, whose layers leave the batch out, if it explains as much."""
    if list(graph.nodes) != list(other.nodes):
        return graph
    lost = any(
        facts.equation is not None and other.facts[name].equation is None
        for name, facts in graph.facts.items()
    )
    return graph if lost else other


def _begins_with(many: Any, single: Any, rows: torch.Size) -> bool:
    """Whether a tensor of so many rows, whichever axis they are, begins with those numbers."""
    if many.is_nested or many.layout is not torch.strided or many.dtype != single.dtype:
        return False
    if many.ndim != single.ndim:
        return False
    differ = [n for n, (a, b) in enumerate(zip(many.shape, single.shape, strict=True)) if a != b]
    if len(differ) > 1 or any(many.shape[n] != rows[0] or single.shape[n] != 1 for n in differ):
        return False
    for place in differ:
        many = many.narrow(place, 0, 1)
    return torch.allclose(many, single, rtol=1e-4, atol=1e-5, equal_nan=True)


_WINDOWS = {"conv1d": 1, "conv2d": 2, "conv3d": 3, "max_pool2d": 2, "avg_pool2d": 2, "adaptive_avg_pool2d": 2,
            "conv_transpose2d": 2, "max_pool1d": 1, "avg_pool1d": 1}  # fmt: skip


def _alone(recording: Recording) -> bool:
    """Whether the inputs have no batch: the first window that slides over one has no axis for it."""
    for call in recording.calls:
        spatial = _WINDOWS.get(call.op)
        given = call.args[0] if call.args else None
        if spatial is not None and given is not None and getattr(given, "fed", False):
            return len(given.shape) == spatial + 1
    return False


def _mixed(graph: TorchGraph) -> bool:
    """Whether rows of a batch of several are mixed, so that there is no saying what one row does."""
    return graph.rows > 1 and any(
        n not in graph.batched for n in graph.outputs if n in graph.fetched
    )
