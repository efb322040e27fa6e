"""The arguments and options that commands have in common."""

from __future__ import annotations

import re
import sys
from collections.abc import Callable
from functools import wraps
from pathlib import Path
from typing import Any

import click

from convscope.cli.opening import EXAMPLE, IMAGE, SIZE
from convscope.errors import ConvscopeError

MODEL_HELP = (
    "MODEL is a file (.onnx, .keras, .h5), file.py or module (with :attribute, a network or a function "
    "that returns one, where it has several; a PyTorch module or its class needs --shape, or --image), or "
    "demo, the network that comes along."
)


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


def _image(context: click.Context, _: click.Parameter, image: Path | None) -> Path | None:
    context.meta[IMAGE] = image
    return image


image_option = click.option(
    "--image",
    type=click.Path(path_type=Path),
    callback=_image,
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


def _size(context: click.Context, _: click.Parameter, text: str | None) -> None:
    """Keep the size of images: 224, or 224,320 for height and width."""
    if text is None:
        return
    if not re.fullmatch(r"\d{1,9}([,x×]\d{1,9})*", text):
        raise click.UsageError(f"--size is a number such as 224, or 224,320, not {text!r}")
    numbers = tuple(map(int, re.split("[,x×]", text)))
    context.meta[SIZE] = numbers[0] if len(numbers) == 1 else numbers


size_option = click.option(
    "--size",
    metavar="SIZE",
    expose_value=False,
    callback=_size,
    help="Of images, where the network leaves it open: 224, or 224,320 for height and width.",
)


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
    context.meta.setdefault(EXAMPLE, {})["shape"] = (
        found if named else many if len(many) > 1 else many[0]
    )


def _engine(context: click.Context, _: click.Parameter, engine: str | None) -> None:
    if engine is not None:
        context.meta.setdefault(EXAMPLE, {})["engine"] = engine


def _weights(context: click.Context, _: click.Parameter, weights: str | None) -> None:
    if weights is not None:
        context.meta.setdefault(EXAMPLE, {})["weights"] = weights


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
