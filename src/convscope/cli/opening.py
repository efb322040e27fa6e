"""What a command is about: the network that MODEL names, a layer of it, its image, a position."""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from convscope.cli.output import say, working
from convscope.errors import LayerLookupError

if TYPE_CHECKING:
    from convscope.explorer.teaching import Lesson
    from convscope.network import Network

EXAMPLE = "convscope.example"
"""Where a command's context keeps what a PyTorch module is opened with."""

IMAGE = "convscope.image"
"""Where a command's context keeps what is to go in: a PyTorch module that was given no shape takes its."""

SIZE = "convscope.size"
"""Where a command's context keeps the size that a network is to have."""


def open_both(model: str, other: str) -> tuple[Network, Network]:
    """Return two networks; what a PyTorch module is opened with is for whichever of them takes it."""
    from convscope.readers.example import ExampleRefused

    found, refused = [], []
    for name in (model, other):
        try:
            found.append(open_network(name))
        except ExampleRefused as error:
            refused.append(error)
            found.append(open_network(name, example=False))
    if len(refused) == len(found):
        raise refused[0]
    return found[0], found[1]


def open_network(model: str, parts: bool = False, example: bool = True) -> Network:
    """Return the network that MODEL names; what was left out of it is said on stderr, and so is what its code prints.

    parts     whether a PyTorch module without a shape will do: its parameters alone
    example   whether it is opened with what is given for PyTorch modules
    """
    import sys
    import warnings
    from contextlib import redirect_stdout

    from convscope.errors import SourceWarning
    from convscope.readers import open

    with working(f"opening {model}"), redirect_stdout(sys.stderr), warnings.catch_warnings():
        warnings.simplefilter("ignore", SourceWarning)
        context = click.get_current_context(silent=True)
        asked = {} if context is None else context.meta
        network = open(model, **(asked.get(EXAMPLE, {}) if example else {}))
        if getattr(network.backing, "arguments", network) is None and asked.get(IMAGE):
            network = _open_on(network, asked[IMAGE], asked.get(EXAMPLE, {}).get("engine"))
        if SIZE in asked:
            network = network.sized(asked[SIZE])
    if hasattr(network.backing, "prints_to"):
        network.backing.prints_to = sys.stderr
    if getattr(network.backing, "arguments", network) is None:
        if not parts:
            raise click.UsageError(
                f"{model} is a PyTorch module: give its input's --shape, as 3,224,224, or an --image"
            )
        say(
            "Note: parameters only; with --shape 3,224,224 (that of its input) all the rest is known too"
        )
    for remark in network.warnings:
        say(f"Warning: {remark}")
    return network


def _open_on(network: Network, image: Path, engine: str | None) -> Network:
    """Return a PyTorch module that was opened without an example as it is for what is in a file.

    Of an array whose first axis is 1, that is one more axis of an input, or the batch where it does not go in so.
    """
    from convscope.engine.images import as_example
    from convscope.errors import ForwardError
    from convscope.readers import open

    module: Any = network.backing.module  # type: ignore[attr-defined]
    array = as_example(image)
    arrays = (array, array[0]) if array.shape[:1] == (1,) and array.ndim > 1 else (array,)
    tries: list[tuple[Any, ...]] = []
    for one in arrays:
        if array.dtype.kind in "iu":  # places to look up, say
            tries.append(((one[None],), None))
        tries.append(((), one.shape))
    refused = []
    for args, shape in tries:
        try:
            return open(module, *args, shape=shape, engine=engine)
        except ForwardError as error:
            refused.append(error)
    raise max(refused, key=lambda error: len(error.network.graph.nodes))  # that went furthest


def taken(lesson: str | None) -> Lesson | None:
    """Return the lesson of --lesson, if there is one."""
    if lesson is None:
        return None
    from convscope.explorer.teaching import lesson as read

    return read(lesson)


def set_labels(network: Network, model: str, labels: Path | None) -> None:
    """Let the classes have their names: from the file named, or from one beside the model's if it has as many."""
    from convscope.errors import ConvscopeError
    from convscope.files.labels import labels_beside, read_labels

    if labels is not None:
        network.labels = read_labels(labels)
        return
    weights = click.get_current_context().meta.get(EXAMPLE, {}).get("weights")
    files = [Path(one) for one in (weights, model) if one is not None and Path(one).is_file()]
    beside = labels_beside(files[0]) if files and not network.labels else None
    if beside is None:
        return
    try:
        found = read_labels(beside)
    except ConvscopeError as error:
        say(f"Warning: {beside} has no labels that can be read: {error}")
        return
    graph = network.graph
    facts = [graph.facts[name] for name in graph.outputs[:1] if name in graph.facts]
    if any(one.output_shape[-1:] == (len(found),) for one in facts):
        network.labels = found


def set_pixels(network: Network, pixels: str | None, image: Path | None = None) -> None:
    """Let pixels go into a network as asked; say so on stderr where the network itself says how."""
    if pixels is not None and image is not None and image.suffix.lower() == ".npy":
        raise click.UsageError(f"--pixels is about pictures; the array in {image} goes in as it is")
    network.pixels = pixels
    if pixels is None and image is not None and image.suffix.lower() != ".npy":
        found = network.pixel_scale()
        if found.noticed and found.name != "0-1":
            say(f"pixels go in as {found.name}: {found.why} (--pixels changes that)")


def layer_named(network: Network, layer: str) -> str:
    """Return the name of a LAYER: itself, or that of the layer at a place, counted from 1.

    Raises `LayerLookupError` for a layer that there is not.
    """
    if negative := re.fullmatch(r"\((-[0-9]{1,9})\)", layer):  # as WithPosition writes it
        layer = negative[1]
    if layer not in network.graph.nodes and re.fullmatch(r"-?[0-9]{1,9}", layer):
        names = list(network.graph.nodes)
        if 1 <= int(layer) <= len(names):
            return names[int(layer) - 1]
        many = f"{len(names):,} layer{'s' if len(names) != 1 else ''}"
        raise LayerLookupError(
            f"{network.graph.name} has {many}, counted from 1: there is none at {layer}"
        )
    return network.graph.node(layer).name


def image_for(model: str, image: Path | None) -> Path:
    """Return the image that was named; the demo network has one of its own."""
    if image is not None:
        return image
    if model.startswith("demo"):
        from convscope.demo import digits
        from convscope.readers.demo import NAMES

        if model in NAMES:
            return digits()["seven"]
    raise click.UsageError("this needs an input: --image FILE (PNG, JPEG, …, or an array in .npy)")


def read_position(*words: str) -> tuple[int, ...]:
    """Return the indices of a POSITION such as 5,7,12."""
    text = " ".join(words)
    if len(words) > 1:
        numbers = re.findall(r"-?\d+", text)
        meant = f": {','.join(numbers)}" if numbers else ""
        raise click.UsageError(f"POSITION is one word, its indices with commas between them{meant}")
    try:
        return tuple(int(part) for part in text.strip("()[] ").split(",") if part.strip())
    except ValueError as error:
        raise click.UsageError(
            f"POSITION is whole numbers with commas, such as 5,7,12, not {text!r}"
        ) from error


def surveyed(network: Network, survey: Path | None, data: str | None) -> dict[str, Any]:
    """Return the survey that was named, beside its network, for the explorer's screen; {} without one."""
    if survey is None and data is not None:
        raise click.UsageError("--survey-data says where the images of --survey are")
    if survey is None:
        return {}
    from convscope.survey.work import to_look_through

    return to_look_through(network, survey, data)
