"""What the commands have in common: their arguments and options, opening a network, printing."""

from __future__ import annotations

import re
import sys
from collections.abc import Callable
from functools import wraps
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from convscope.cli.output import emit, say, working
from convscope.errors import ConvscopeError, LayerLookupError, OutputError

if TYPE_CHECKING:
    from convscope.explorer.teaching import Lesson
    from convscope.network import Network
    from convscope.parts import Document
    from convscope.views.report import Report

MODEL_HELP = (
    "MODEL is a file (.onnx, .keras, .h5), file.py or module (with :attribute, a network or a function "
    "that returns one, where it has several; a PyTorch module or its class needs --shape), or demo, the "
    "network that comes along."
)


# -- options --------------------------------------------------------------------------------------


def _colored(context: click.Context, _: click.Parameter, choice: str | None) -> None:
    """Keep whether to colour; a command's own --color overrules the one before its name."""
    from convscope.views.ansi import wants_color

    if choice is not None or context.obj is None:
        context.obj = (
            choice == "always" if choice in ("always", "never") else wants_color(sys.stdout)
        )


color_option = click.option(
    "--color",
    type=click.Choice(["auto", "always", "never"]),
    callback=_colored,
    expose_value=False,
    help="Colour the output; auto (the default) honours NO_COLOR and FORCE_COLOR.",
)

image_option = click.option(
    "--image",
    type=click.Path(path_type=Path),
    help="The input: PNG, JPEG, WebP, BMP or GIF, or an array in a .npy file.",
)
labels_option = click.option(
    "--labels",
    type=click.Path(path_type=Path),
    help="The names of the classes: a text with a line each, or JSON (a list, or id2label as in a "
    "Hugging Face config.json, which is found by itself beside the model).",
)
lesson_option = click.option(
    "--lesson",
    metavar="LESSON",
    help="Begin with a lesson: a JSON file, or one that comes along (question, padding, groups, resnet), which opens "
    "its own network where no MODEL is named.",
)
survey_option = click.option(
    "--survey",
    type=click.Path(path_type=Path),
    metavar="FILE.survey",
    help="A screen of a survey of MODEL, as `convscope survey --out` wrote it: every map, its verdicts and cases.",
)
survey_data_option = click.option(
    "--survey-data",
    metavar="DATA",
    help="Where the images of --survey are now, if not where they were.",
)
pixels_option = click.option(
    "--pixels",
    type=click.Choice(["0-1", "0-255", "-1-1", "mean-std", "caffe"]),
    help="How an image's pixels go in: divided by 255, as they are, from -1 to 1, or as ImageNet's networks "
    "of PyTorch or Caffe take them. By default as the network's first layers say, else divided by 255.",
)

LOSSES = (
    "sparse_categorical_crossentropy",
    "categorical_crossentropy",
    "binary_crossentropy",
    "mse",
    "mae",
)


def loss_options(command: Callable[..., Any]) -> Callable[..., Any]:
    """Give a command --loss, and the target that goes with it."""
    for option in (
        click.option(
            "--from-logits", is_flag=True, help="The output holds logits, no probabilities."
        ),
        click.option(
            "--target", help="The class, or a .npy file of the output's shape; for --loss."
        ),
        click.option("--loss", type=click.Choice(LOSSES), help="A loss of the output instead."),
    ):
        command = option(command)
    return command


def target_given(target: str | None) -> Any:
    """Return what --target means: a class, or the numbers of a file."""
    if target is None:
        return None
    if target.removeprefix("-").isdecimal():
        return int(target)
    from convscope.engine.images import stored_array

    return stored_array(Path(target))


_FORMS = {
    "json": "One JSON object on stdout.",
    "csv": "Comma-separated values.",
    "markdown": "Markdown.",
    "html": "An HTML fragment.",
    "latex": "A LaTeX fragment.",
}
_FORM = "convscope.form"
"""Where a command's context keeps the form that was asked for."""


def formats(*names: str) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    """Give a command the forms in which it can print, one at a time; it is told which as `form`."""

    def choose(context: click.Context, option: click.Parameter, chosen: bool) -> None:
        if chosen and (before := context.meta.setdefault(_FORM, option.name)) != option.name:
            raise click.UsageError(f"--{before} and --{option.name} are two forms: choose one")

    def decorated(command: Callable[..., Any]) -> Callable[..., Any]:
        @wraps(command)
        def told(*args: Any, **options: Any) -> Any:
            form = click.get_current_context().meta.get(_FORM)
            return command(*args, form=form, **options)

        result: Callable[..., Any] = told
        for name in reversed([n for n in _FORMS if n in names]):
            flag = click.option(
                f"--{name}", is_flag=True, expose_value=False, callback=choose, help=_FORMS[name]
            )
            result = flag(result)
        return result

    return decorated


report_formats = formats("json", "markdown", "html", "latex")
"""The forms of a report."""


class WithPosition(click.Command):
    """A command that takes a position, whose indices may be negative: -1,-1,0 is no option."""

    def parse_args(self, context: click.Context, args: list[str]) -> list[str]:
        """Put brackets around what begins like an option and is a position."""
        negative = re.compile(r"-\d+,?(-?\d+,?)*")
        return super().parse_args(
            context, [f"({arg})" if negative.fullmatch(arg) else arg for arg in args]
        )


# -- what arguments mean --------------------------------------------------------------------------


def _networks(context: click.Context, _: click.Parameter, incomplete: str) -> list[Any]:
    """Return what MODEL may be, for completion: files, and the word demo."""
    from click.shell_completion import CompletionItem

    words = [CompletionItem("demo")] if "demo".startswith(incomplete) else []
    return [*words, CompletionItem(incomplete, type="file")]


_SIZE = "convscope.size"
"""Where a command's context keeps the size that a network is to have."""


def _size(context: click.Context, _: click.Parameter, text: str | None) -> None:
    """Keep the size of images: 224, or 224,320 for height and width."""
    if text is None:
        return
    if not re.fullmatch(r"\d{1,9}([,x×]\d{1,9})*", text):
        raise click.UsageError(f"--size is a number such as 224, or 224,320, not {text!r}")
    numbers = tuple(map(int, re.split("[,x×]", text)))
    context.meta[_SIZE] = numbers[0] if len(numbers) == 1 else numbers


size_option = click.option(
    "--size",
    metavar="SIZE",
    expose_value=False,
    callback=_size,
    help="Of images, where the network leaves it open: 224, or 224,320 for height and width.",
)


_EXAMPLE = "convscope.example"
"""Where a command's context keeps what a PyTorch module is opened with."""


def _shapes(context: click.Context, _: click.Parameter, given: tuple[str, ...]) -> None:
    """Keep the shapes of a module's inputs: 3,224,224, or image=3,224,224 for several."""
    found: dict[str, tuple[int, ...]] = {}
    for number, text in enumerate(given):
        name, equals, sizes = text.rpartition("=")
        if not re.fullmatch(r"\d+([,x×]\d+)*", sizes):
            raise click.UsageError(f"--shape is whole numbers such as 3,224,224, not {text!r}")
        found[name if equals else str(number)] = tuple(map(int, re.split("[,x×]", sizes)))
    if not found:
        return
    named = any("=" in text for text in given)
    many = list(found.values())
    context.meta.setdefault(_EXAMPLE, {})["shape"] = (
        found if named else many if len(many) > 1 else many[0]
    )


def _engine(context: click.Context, _: click.Parameter, engine: str | None) -> None:
    if engine is not None:
        context.meta.setdefault(_EXAMPLE, {})["engine"] = engine


def _weights(context: click.Context, _: click.Parameter, weights: str | None) -> None:
    if weights is not None:
        context.meta.setdefault(_EXAMPLE, {})["weights"] = weights


def example_options(command: Callable[..., Any]) -> Callable[..., Any]:
    """Give a command what PyTorch modules are opened with; `open_network` finds it."""
    for option in (
        click.option(
            "--weights",
            metavar="FILE.safetensors",
            expose_value=False,
            callback=_weights,
            help="For a PyTorch module: weights in the places of its own.",
        ),
        click.option(
            "--engine",
            type=click.Choice(["onnxruntime"]),
            expose_value=False,
            callback=_engine,
            help="For a PyTorch module: ONNX Runtime on the same graph, compared with PyTorch.",
        ),
        click.option(
            "--shape",
            multiple=True,
            metavar="SIZES",
            expose_value=False,
            callback=_shapes,
            help="For a PyTorch module: the shape of its input without the batch, 3,224,224; for several, once "
            "each, image=3,224,224.",
        ),
    ):
        command = option(command)
    return command


def model_argument(command: Callable[..., Any]) -> Callable[..., Any]:
    """Give a command the argument MODEL, the size that its images may have, and what a PyTorch module needs."""
    argument = click.argument("model", metavar="MODEL", shell_complete=_networks)
    return argument(size_option(example_options(command)))


def layers_of(context: click.Context, _: click.Parameter, incomplete: str) -> list[str]:
    """Return the layers that a word may become, for completion."""
    import warnings

    from convscope.readers import open

    model = context.params.get("model")
    if not model or str(model).partition(":")[0].endswith(".py"):
        return []  # nobody's code is run because somebody pressed a key
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            names = list(open(model).graph.nodes)
    except ConvscopeError:  # a file that cannot be read has no names to offer
        return []
    return [name for name in names if name.startswith(incomplete)]


def layer_argument(required: bool = True) -> Callable[..., Any]:
    """Give a command the argument LAYER: a name, or a place from 1."""
    metavar = "LAYER" if required else "[LAYER]"
    return click.argument("layer", metavar=metavar, required=required, shell_complete=layers_of)


layers_option = click.option(
    "--layers",
    metavar="FROM:TO",
    shell_complete=layers_of,
    help="Only these layers: names, or places from 1; either side may be missing.",
)


depth_option = click.option(
    "--depth",
    type=int,
    help="Fold networks nested deeper than this into a row each; 1 folds all, and where none is nested the blocks "
    "that come again.",
)


def open_network(model: str, parts: bool = False) -> Network:
    """Return the network that MODEL names; what was left out of it is said on stderr.

    parts   whether a PyTorch module without a shape will do: its parameters alone
    """
    import warnings

    from convscope.errors import SourceWarning
    from convscope.readers import open

    with working(f"opening {model}"), warnings.catch_warnings():
        warnings.simplefilter("ignore", SourceWarning)
        context = click.get_current_context(silent=True)
        asked = {} if context is None else context.meta
        network = open(model, **asked.get(_EXAMPLE, {}))
        if _SIZE in asked:
            network = network.sized(asked[_SIZE])
    if getattr(network.backing, "arguments", network) is None:
        if not parts:
            raise click.UsageError(
                f"{model} is a PyTorch module: give its input's --shape, as 3,224,224"
            )
        say(
            "Note: parameters only; with --shape 3,224,224 (that of its input) all the rest is known too"
        )
    for remark in network.warnings:
        say(f"Warning: {remark}")
    return network


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
    weights = click.get_current_context().meta.get(_EXAMPLE, {}).get("weights")
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
    if layer not in network.graph.nodes and re.fullmatch(r"[0-9]{1,9}", layer):
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


# -- printing -------------------------------------------------------------------------------------


def width() -> int:
    """Return how wide the terminal is."""
    from convscope.views.ansi import terminal_width

    return terminal_width()


def width_if_any() -> int | None:
    """Return how wide the terminal is; None where there is none, and lines may be as long as they need."""
    from convscope.views.ansi import said_width

    return said_width()


def show(report: Report[Any], form: str | None, color: bool) -> None:
    """Print a report in one of the `formats`, as text by default."""
    match form:
        case "json":
            emit(report.json())
        case "markdown":
            emit(report.markdown())
        case "latex":
            emit(report.latex())
        case "html":
            emit(report._repr_html_())
        case _:
            emit(report.text(width(), color))


def text_of(document: Document, color: bool) -> str:
    """Return a document as text for the terminal."""
    from convscope.views.text import render

    return render(document, width(), color)


def check_target(file: Path, force: bool, option: str = "", suffix: str = "") -> None:
    """Raise `OutputError` for a file that could not be written, before the work is done that it is to hold.

    That is one that there is, unless it is to be replaced; one in a folder that there is not, or that is read-only;
    and one that the option writes as `suffix`, if it is given, by another name.
    """
    from convscope.engine.writing import check_ending, check_place

    if suffix:
        check_ending(file, suffix, f"{option} is written as {suffix}")
    check_place(file)
    if file.exists() and not force:
        raise OutputError(f"{file} exists already; --force replaces it")


def check_targets(force: bool, **targets: tuple[Path | None, str]) -> None:
    """Do so for every file that an option names: out=(path, ".npz")."""
    for option, (file, suffix) in targets.items():
        if file is not None:
            check_target(file, force, f"--{option}", suffix)


def surveyed(network: Network, survey: Path | None, data: str | None) -> dict[str, Any]:
    """Return the survey that was named, beside its network, for the explorer's screen; {} without one."""
    if survey is None and data is not None:
        raise click.UsageError("--survey-data says where the images of --survey are")
    if survey is None:
        return {}
    from convscope.survey.work import to_look_through

    return to_look_through(network, survey, data)
