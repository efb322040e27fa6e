"""How the account of one number is worded: what it reads, and what the rows of its sum are called.

Said once for the command line, which fills it in for a ledger, and for the explorer's page, which is told it with the
layer and fills it in for every number that somebody points at.
"""

from __future__ import annotations

from typing import Any

from convscope.explain.words import article, grouped, times, worked
from convscope.notation.anatomy import Main
from convscope.notation.expression import lengths
from convscope.notation.sizes import is_known, product
from convscope.typed import Record

ROLES = {
    "input": "input",
    "weight": "weight",
    "gradient": "gradient",
    "local": "computed on the way",
}
"""What is said of each number that a ledger reads; the explorer's page is told it."""


class Account(Record):
    """The words of a layer's accounts. What differs from number to number stands in braces.

    reads     what is read: {first} and {last} are the maps of the group, {group} is which one it is, from 1, and
              {source} is whose numbers they are
    padding   what is said of {count} numbers that are not in the input; `gaps` and `edge` where a stride
              leaves gaps between the input's numbers, which is said first
    row       what a row of the sum is called, by {map}
    rest      and the row of {count} others
    bias      and what is added to the sum
    """

    reads: str
    row: str
    rest: str
    padding: str = "{count} of them lie in the padding"
    gaps: str = "{count} of them fall between its numbers, where the stride leaves gaps"
    edge: str = "{count} lie beyond its edge"
    bias: str = "bias"

    def to_dict(self) -> dict[str, Any]:
        """Return it as plain data."""
        return self._asdict()


def account(main: Main) -> Account:
    """Return the words for the accounts of a layer's numbers, from the reduction that is taken apart.

    >>> from convscope.layers.convolution import Conv2D
    >>> from convscope.notation.anatomy import anatomy
    >>> found = account(anatomy(Conv2D(64, (3, 3)).equation((26, 26, 32))).main)
    >>> found.reads.format(source="conv2d").split(". ")[0]
    'It reads 3·3·32 = 288 numbers: a 3×3 window of every one of the 32 maps of conv2d'
    >>> found.row.format(map=7), found.rest.format(count=21)
    ('map 7', 'the other 21 maps')
    """
    counted = dict(zip(main.reduction.axes, lengths(main.reduction), strict=True))
    sizes = tuple(counted[axis] for axis in main.window)
    each = 1 if main.over is None else main.over.size
    read = (*sizes, each) if each != 1 else sizes
    total = product(read)
    numbers = "1 number" if total == 1 else f"{worked(read, total)} numbers"
    one, many = ("map", "maps") if sizes else ("input", "inputs")
    row, rest = f"{one} {{map}}", f"the other {{count}} {many}"
    makes = {
        "sum": "adds them up to",
        "max": "takes the largest of them as its",
        "mean": "takes their mean as its",
    }
    how = makes[main.reduction.kind]
    if main.weights and main.reduction.kind == "sum":
        how = "adds up the products to"
    gathered = grouped(each)
    if not sizes:
        each_with = "with" if total == 1 else "each with"
        own = f", {each_with} a weight of its own," if main.weights else ""
        said = f"It reads {numbers} of {{source}}{own} and {how} one number."
    elif each == 1:
        said = f"It reads {numbers}, {'' if total == 1 else 'all '}from map {{first}} of {{source}}, and {how} one number."
    else:
        window = (
            f"{article(times(sizes))} {times(sizes)} window"
            if len(sizes) > 1
            else f"a window of {times(sizes)}"
        )
        channels = main.channels
        maps = f"every one of the {gathered} maps of {{source}}"
        if is_known(channels) and is_known(each) and channels > each:
            maps = (
                f"{gathered} of the {grouped(channels)} maps of {{source}}: maps {{first}} … {{last}}, "
                f"group {{group}} of {int(channels) // int(each)}"
            )
        said = (
            f"It reads {numbers}: {window} of {maps}. All {gathered} go in; one number comes out."
        )
    return Account(said, row, rest)
