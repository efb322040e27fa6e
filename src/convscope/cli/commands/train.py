"""A network that learns, and a film of how it did."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import click

from convscope.cli.opening import open_network
from convscope.cli.options import MODEL_HELP, color_option, model_argument, report_formats
from convscope.cli.output import check_targets, say, show, working

REQUIRED = 0.95
"""What the demo network must reach on the digits that it has not seen."""

FILM = "digits.film.npz"


@click.command("train", epilog=MODEL_HELP, short_help="let a network learn, and keep a film of it")
@model_argument
@click.option(
    "--data", "data", type=click.Path(path_type=Path),
    help="A folder of images with one sub-folder a class, or a .npz file of x and y, and x_held and y_held if there "
    "are any; the demo has its digits.",
)  # fmt: skip
@click.option(
    "--epochs",
    type=click.IntRange(1),
    default=6,
    show_default=True,
    help="How often all images are seen.",
)
@click.option(
    "--batch-size",
    type=click.IntRange(1),
    default=32,
    show_default=True,
    help="How many images a step takes.",
)
@click.option(
    "--optimizer",
    type=click.Choice(["sgd", "adam", "rmsprop"]),
    default="adam",
    show_default=True,
    help="How weights move.",
)
@click.option("--learning-rate", type=float, help="By how much; the optimizer's own by default.")
@click.option(
    "--loss",
    default="sparse_categorical_crossentropy",
    show_default=True,
    help="What is to become small, by Keras's name.",
)
@click.option(
    "--seed",
    type=int,
    default=7,
    show_default=True,
    help="Of the order of the images and of what is drawn; the demo's weights too.",
)
@click.option(
    "--film",
    type=click.Path(path_type=Path),
    help=f"Write chosen steps to this .npz file ({FILM} for the demo).",
)
@click.option(
    "--frames",
    type=click.IntRange(2),
    default=12,
    show_default=True,
    help="How many steps the film keeps.",
)
@click.option(
    "--out", type=click.Path(path_type=Path), help="Write the trained network to this .keras file."
)
@click.option("--force", is_flag=True, help="Replace files that exist.")
@report_formats
@color_option
@click.pass_obj
def command(
    color: bool,
    model: str,
    data: Path | None,
    epochs: int,
    batch_size: int,
    optimizer: str,
    learning_rate: float | None,
    loss: str,
    seed: int,
    film: Path | None,
    frames: int,
    out: Path | None,
    force: bool,
    form: str | None,
) -> None:
    """Let a network learn: train demo learns the digits, from nothing, in a few seconds.

    A film keeps weights, gradients and movements at chosen steps; convscope film shows it, and why any weight
    moved.
    """
    from convscope.learning.film import FilmMaker, chosen
    from convscope.learning.optimizers import KINDS
    from convscope.network.keras_file import check_kept
    from convscope.views.report import Report

    demo = model == "demo" and data is None
    if demo and film is None:
        film = Path(FILM)
    check_targets(force, film=(film, ".npz"), out=(out, ".keras"))
    network: Any
    if demo:
        from convscope.demo.training import as_input, split
        from convscope.demo.training import network as untrained

        with working("making the digits ready"):
            network = untrained(seed)
            x, held, y, held_y = split()
            x, held = as_input(x), as_input(held)
    else:
        network = open_network(model)
        network.seed = seed
        if data is None:
            raise click.UsageError("--data FOLDER or --data FILE.npz says what to learn from")
        from convscope.survey.examples import examples

        with working(f"reading {data.name}"):
            x, y, held, held_y, _, _ = examples(network, data, seed)
    if out is not None:
        check_kept(network.graph)
    settings = {} if learning_rate is None else {"learning_rate": learning_rate}
    network.compile(
        KINDS[optimizer](**settings), loss, metrics=["accuracy"] if "cross" in loss else []
    )
    steps = epochs * -(-len(x) // batch_size)
    callbacks = [] if film is None else [FilmMaker(film, chosen(steps, frames), (held, held_y))]
    trainer = network._compiled()
    given = trainer.data(x, y, validation_data=(held, held_y))
    trainer.fit(given, batch_size, epochs, 1, callbacks, file=sys.stderr)
    found = network.evaluate(held, held_y, verbose=0, return_dict=True)
    if out is not None:
        network.save(out)
    show(Report(_Result(network.name, len(x), len(held), steps, found, film, out)), form, color)
    for target in (film, out):
        if target is not None:
            say(f"wrote {target}")
    if demo and found["accuracy"] < REQUIRED:
        say(f"Error: the demo reaches {REQUIRED:.0%} as it stands; with these settings it has not")
        click.get_current_context().exit(1)


class _Result:
    """What came out."""

    def __init__(
        self, name: str, learned: int, held: int, steps: int, found: dict[str, float],
        film: Path | None, out: Path | None,
    ) -> None:  # fmt: skip
        self.name, self.learned, self.held, self.steps, self.found = (
            name,
            learned,
            held,
            steps,
            found,
        )
        self.film, self.out = film, out

    def document(self) -> Any:
        """Return it as parts."""
        from convscope.explain.words import grouped
        from convscope.parts import Code, Document, Heading, Paragraph, Span

        accuracy = self.found.get("accuracy")
        right = "" if accuracy is None else f" ({round(accuracy * self.held)} of {self.held})"
        parts: list[Any] = [
            Heading(f"{self.name} has learned"),
            Paragraph(
                f"{grouped(self.steps)} steps on {grouped(self.learned)} images; {grouped(self.held)} were held out."
            ),
        ]
        if accuracy is not None:
            parts.append(
                Paragraph(["Held-out accuracy: ", Span(f"{accuracy:.2%}", "strong"), right])
            )
        parts.append(Paragraph(f"Held-out loss: {self.found['loss']:.4f}"))
        if self.film is not None:
            parts.append(Code(f"convscope film {self.film}"))
        return Document(tuple(parts))

    def to_dict(self) -> dict[str, Any]:
        """Return it as plain data."""
        return {
            "network": self.name,
            "images": self.learned,
            "held_out": self.held,
            "steps": self.steps,
            **self.found,
            "film": None if self.film is None else str(self.film),
            "out": None if self.out is None else str(self.out),
        }
