"""The question that started convscope, answered at the terminal."""

from __future__ import annotations

import click

from convscope.cli.options import color_option
from convscope.cli.output import emit, text_of, working

_WORDS = ("zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine")


@click.command("demo", short_help="the question, answered on a real digit")
@click.argument("digit", required=False, default="seven")
@color_option
@click.pass_obj
def command(color: bool, digit: str) -> None:
    """The question that started convscope, answered on a real handwritten digit.

    DIGIT is one of the digits that come along: seven (the default), three or 3, …
    """
    from convscope.demo.tour import tour

    digit = _WORDS[int(digit)] if digit in map(str, range(10)) else digit
    documents: list[str] = []
    with working("running the network"):
        tour(digit, lambda document: documents.append(text_of(document, color)))
    emit("\n".join(documents))
