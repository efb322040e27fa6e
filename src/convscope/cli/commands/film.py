"""A film of training: its steps, the path of a weight, and why it moved in one step."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from convscope.cli.opening import open_network, read_position
from convscope.cli.options import color_option, report_formats
from convscope.cli.output import show, working


@click.command("film", short_help="what a network learned, step by step, and why a weight moved")
@click.argument("film", type=click.Path(path_type=Path))
@click.option(
    "--of", "of", metavar="LAYER.WEIGHT:POSITION",
    help="One number of a weight, conv2d_1.kernel:1,1,2,13: its path, or with --step why it moved.",
)  # fmt: skip
@click.option("--step", type=int, help="Which step to take apart.")
@click.option("--image", type=int, help="Which image of the step's batch; with --of, its products.")
@click.option(
    "--number",
    metavar="LAYER:POSITION",
    help="A number that --image gave in that step: its ledger.",
)
@click.option(
    "--slope", metavar="LAYER:POSITION",
    help="What a number does to the loss of --image in that step: the terms that it came from.",
)  # fmt: skip
@click.option("--model", default="demo", show_default=True, help="The network that the film is of.")
@report_formats
@color_option
@click.pass_obj
def command(
    color: bool,
    film: Path,
    of: str | None,
    step: int | None,
    image: int | None,
    number: str | None,
    slope: str | None,
    model: str,
    form: str | None,
) -> None:
    """Show a film that train wrote: the path of any weight, why it moved, and where those numbers came from.

    film digits.film.npz names a weight. --of conv2d_1.kernel:1,1,2,13 is its path; with --step 35 every image's share of its
    gradient, and what the optimizer made of it; with --image 27 that image's products. --number and --slope, with
    --step and --image, go on to what each product is made of.
    """
    from convscope.learning.film import Film, compiled
    from convscope.views.report import Report

    found = Film(film)
    asked = [one for one in (of, number, slope) if one is not None]
    if len(asked) > 1:
        raise click.UsageError("--of, --number and --slope are asked one at a time")
    if (number or slope) and (step is None or image is None):
        raise click.UsageError("--number and --slope go with --step and --image")
    if not asked:
        if step is not None or image is not None:
            raise click.UsageError("--step and --image go with --of, --number or --slope")
        show(Report(found), form, color)
        return
    what, _, place = asked[0].rpartition(":")
    if not what:
        raise click.UsageError(
            f"a number is named by what it is of and a position, conv2d.kernel:1,2,0,11, not {asked[0]!r}"
        )
    position = read_position(place)
    if step is None:
        if image is not None:
            raise click.UsageError("--image goes with --step")
        show(Report(found.path_of(what, position)), form, color)
        return
    network: Any
    if model == "demo":
        from convscope.demo.training import network as untrained

        network = untrained()
    else:
        network = open_network(model)
    network.compile(**compiled(found))
    trainer = network._compiled()
    report: Any
    with working(f"taking step {step} apart"):
        if of is not None:
            report = found.taken(trainer, step).at(what, position)
            report = Report(report if image is None else report.of_image(image))
        else:
            assert image is not None
            then, x, target = found.alone(trainer, network.edited([]), step, image)
            run = then.run(x)
            if number is not None:
                report = run.trace(what, position)
            else:
                loss = trainer.loss
                aim = int(target.argmax()) if "sparse" in loss.kind else target
                led = run.gradient(
                    loss=loss.kind, target=aim, from_logits=loss.from_logits, to=what
                )
                shares = found.shares(trainer, step)
                report = Report(_Slope(led.at(position), shares, image))
    show(report, form, color)


class _Slope:
    """What a number does to the loss of one image, and what that counts in a step, where images have such shares."""

    def __init__(self, derivative: Any, shares: Any, image: int) -> None:
        self.derivative, self.shares, self.image = derivative, shares, image

    def document(self) -> Any:
        """Return the ledger as parts, and what it counts."""
        from convscope.explain.words import exact, grouped
        from convscope.parts import Document, Paragraph

        value, rows = float(self.derivative.value), len(self.shares)
        if (self.shares == self.shares.dtype.type(1 / rows)).all():
            many = grouped(rows)
            said = f"In the step it counts 1/{many}, as each of the {many} images does: {exact(value / rows)}."
        else:
            share = float(self.shares[self.image])
            said = f"In the step, whose images are weighted, it counts {exact(share)}: {exact(value * share)}."
        ways = {
            "slope": "Its largest term, further back: --slope {}.",
            "number": "The number that it multiplies: --number {}.",
        }
        onward = [ways[what].format(where) for what, where in self.derivative.onward]
        parts = self.derivative.document(onward).parts
        return Document((*parts, *([Paragraph(said)] if rows > 1 else [])))

    def to_dict(self) -> dict[str, Any]:
        """Return the ledger as plain data, of the loss of that image alone."""
        found: dict[str, Any] = self.derivative.to_dict()
        return found
