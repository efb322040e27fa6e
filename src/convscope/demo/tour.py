"""The tour: the question, its answer on a real digit, and the proof."""

from __future__ import annotations

from collections.abc import Callable

from convscope.demo import digits, network
from convscope.errors import InputError, did_you_mean
from convscope.explorer.teaching import our_lesson
from convscope.parts import Code, Document, Heading, Paragraph, Span
from convscope.views.summary import document as summary

LAYER = "conv2d_1"


def tour(digit: str, show: Callable[[Document], None]) -> None:
    """Show the tour, document by document.

    Raises `InputError` for a digit that does not come along.
    """
    images = digits()
    if digit not in images:
        raise InputError(
            f"there is no digit {digit!r}{did_you_mean(digit, images)}; there are {', '.join(images)}"
        )
    net = network()
    run = net.run(images[digit])
    position = run.liveliest(LAYER)
    where = ",".join(map(str, position))
    title, about = our_lesson("question").head(net)

    show(
        Document(
            (
                Heading(title, 1),
                Paragraph(about),
            )
        )
    )
    show(summary(net.facts()))
    show(net.explain(LAYER).facts.document())
    show(run.compare(LAYER, position).facts.document())
    show(run.trace(LAYER, position).facts.document())
    certain = int(run.output.argmax())
    show(
        Document(
            (
                Heading("Go on"),
                Paragraph(
                    [
                        f"(The network takes the digit {digit} for a ",
                        Span(str(certain), "strong"),
                        (
                            f", with {run.output[certain]:.1%} certainty. It was trained on scikit-learn's "
                            "handwritten digits: Alpaydin & Kaynak 1998, CC BY 4.0.)"
                        ),
                    ]
                ),
                Code("\n".join(f"{command:<48}{what}" for command, what in next_steps(where))),
            )
        )
    )


def next_steps(where: str) -> list[tuple[str, str]]:
    """Return commands to go on with, and what each shows."""
    return [
        (f"convscope trace demo {LAYER} {where} --json", "every one of the 288 products"),
        ("convscope trace demo dense 7", "another layer, another number"),
        ("convscope explain demo", "every layer"),
        (f"convscope run demo --maps {LAYER}", "a picture of all 64 maps"),
        ("convscope summary my_model.py:model", "a network of your own"),
    ]
