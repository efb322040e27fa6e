"""The padding is wider on one side than on the other.

"Same" padding of a window of 3 that moves by 2 over an even number of columns needs one column of zeros: it goes
to the far side, so that every output looks one position further that way than in a network with padding on both
sides. An even kernel does the same. Weights that were trained with one arrangement do not fit the other: PyTorch
pads both sides alike, and Keras and TensorFlow do not, which is why converted networks so often differ here.

>>> from convscope import Conv2D, Sequential
>>> model = Sequential([Conv2D(8, 3, strides=2, padding="same", input_shape=(28, 28, 1))])
>>> [found.words for rule, found in model.check().findings if rule.name == "uneven-padding"]
['0 rows before and 1 after; 0 columns before and 1 after']
"""

from __future__ import annotations

from collections.abc import Iterator

from convscope.checks.finding import Finding
from convscope.checks.subject import Subject
from convscope.notation.sizes import is_known

TITLE = "Padding that is uneven"
CERTAINTY = "fact"
SOURCE = "From the equation: how far its reads reach before the first and beyond the last position."


def find(subject: Subject) -> Iterator[Finding]:
    """Yield the layers whose padding before and after differs."""
    for node, _, equation in subject.stated():
        uneven = [
            fit
            for fit in equation.fits.values()
            if is_known(fit.before) and is_known(fit.after) and fit.before != fit.after
        ]
        if not uneven:
            continue
        words = "; ".join(
            f"{fit.before} {fit.word}{'' if fit.before == 1 else 's'} before and {fit.after} after"
            for fit in uneven
        )
        numbers = [{"axis": f.word, "before": f.before, "after": f.after} for f in uneven]
        first = uneven[0]
        last = first.first + (first.count - 1) * first.stride + first.window - 1
        proof = (
            f"the first window starts at {first.word} {_minus(first.first)}, the last one ends at {_minus(last)}, "
            f"and the input's {first.word}s are 0 … {first.size - 1}"
        )
        yield Finding(node.name, words, {"axes": numbers}, proof)


def _minus(number: int) -> str:
    return f"{number}".replace("-", "−")
