"""What explanations are made of, before anyone decides how they look.

A document is a sequence of neutral parts: headings, paragraphs, formulas, tables, grids of numbers.
`explain` makes them out of facts; `views` turns them into terminal text, Markdown, LaTeX, HTML.
Plain data: no part knows a network, and no part renders itself.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from types import MappingProxyType

from convscope.typed import TYPE_CHECKING, Protocol, Record

if TYPE_CHECKING:
    from typing import Any, Literal, TypeAlias

NO_BREAK = "\u00a0"
"""A space at which no line is broken; printed as an ordinary one at the terminal."""

NONE = "–"
"""Where there is no figure."""


def at_least(text: str, unknown: int) -> str:
    """Return a sum's text where the work of so many layers is not in it: "≥ 12", and of 0 nothing."""
    if not unknown or text == NONE:
        return text
    return NONE if text == "0" else f"≥{NO_BREAK}{text}"


Style: TypeAlias = "Literal['', 'code', 'strong', 'good', 'bad', 'dim']"


class Span(Record):
    """A run of text and what it is: code, something to notice, something right or wrong."""

    text: str
    style: Style = ""


Words: TypeAlias = "str | Span | Sequence[str | Span]"
"""Text to be read; a plain string is an unstyled span."""


class Heading(Record):
    """The title of what follows; level 1 is the document's."""

    text: str
    level: int = 2


class Paragraph(Record):
    """A few sentences."""

    words: Words


class Bullets(Record):
    """A list of short statements."""

    items: tuple[Words, ...]


class Formula(Record):
    """An equation, as text and as LaTeX (without dollar signs)."""

    text: str
    latex: str


class Column(Record):
    """A table's column: its title and on which side its cells line up."""

    title: str
    align: Literal["left", "right"] = "left"


class Table(Record):
    """Rows of cells; `footer` rows stand below a rule (totals)."""

    columns: tuple[Column, ...]
    rows: tuple[tuple[Words, ...], ...]
    footer: tuple[tuple[Words, ...], ...] = ()
    caption: str = ""


class Grid(Record):
    """A small matrix of numbers already written out, such as a window or a filter's slice.

    `muted` marks the cells that lie in the padding.
    """

    title: str
    cells: tuple[tuple[str, ...], ...]
    muted: tuple[tuple[bool, ...], ...] = ()


class Side(Record):
    """Grids next to one another with signs between them: window × slice = products."""

    grids: tuple[Grid, ...]
    signs: tuple[str, ...]
    after: Words = ""


class Code(Record):
    """Commands or code, to be copied."""

    text: str
    language: str = ""


Part: TypeAlias = Heading | Paragraph | Bullets | Formula | Table | Side | Code


class Document(Record):
    """Parts in their order."""

    parts: tuple[Part, ...]


def spans(words: Words) -> tuple[Span, ...]:
    """Return any words as spans."""
    if isinstance(words, str):
        return (Span(words),) if words else ()
    if isinstance(words, Span):
        return (words,)
    return tuple(w if isinstance(w, Span) else Span(w) for w in words)


def flat(words: Words) -> str:
    """Return words without their styles."""
    return "".join(span.text for span in spans(words))


# -- a network in rows ----------------------------------------------------------------------------

Figure: TypeAlias = "Any"
"""A size or a count: an int, a symbol (whatever `str` writes), or unknown (None)."""

Sizes: TypeAlias = "Sequence[Figure]"


class Seen(Protocol):
    """A receptive field: along each spatial axis its size, its stride and where it starts."""

    @property
    def size(self) -> Sizes: ...
    @property
    def stride(self) -> Sizes: ...
    @property
    def start(self) -> Sizes: ...


class Folded(Record):
    """What a row stands for that is a folded network: how many layers, how many of them opaque.

    uncounted   how many have no equation, whose work is not in the row's figure
    """

    layers: int
    opaque: int = 0
    uncounted: int = 0


class SummaryRow(Record):
    """One layer in a network's summary, or one network that is folded.

    Shapes include the batch; it is None when open. A folded network's output and receptive field are
    those of the last of its layers that is read from outside; its weights are named "conv/kernel".

    inputs       names of the rows, or of the network's inputs, that feed it
    params       None while it is not built; a layer used again carries its figures again
    macs         None where there are none to speak of
    products     multiply–accumulates between two inputs, not counted among `macs`: attention's
    shared_with  the name of the earlier row that uses the same layer, if one does
    inside       what a folded network holds; None for a layer
    own          parameters and trainable ones that no earlier row holds, where one holds some of them
    """

    name: str
    kind: str
    inputs: tuple[str, ...]
    input_shapes: tuple[Sizes | None, ...]
    output_shape: Sizes | None
    weights: Mapping[str, Sizes]
    params: Figure
    trainable: Figure
    macs: Figure = None
    receptive_field: Seen | None = None
    opaque: bool = False
    activation: str | None = None
    shared_with: str | None = None
    inside: Folded | None = None
    own: tuple[Figure, Figure] | None = None
    products: Figure = None

    def to_dict(self) -> dict[str, Any]:
        """Return the row as `summary --json` writes it."""
        seen = self.receptive_field
        return {
            "name": self.name,
            "kind": self.kind,
            "inputs": list(self.inputs),
            "input_shapes": [None if s is None else _figures(s) for s in self.input_shapes],
            "output_shape": None if self.output_shape is None else _figures(self.output_shape),
            "weights": {name: _figures(shape) for name, shape in self.weights.items()},
            "params": figure(self.params),
            "trainable": figure(self.trainable),
            "macs": figure(self.macs),
            "receptive_field": seen
            and {
                "size": _figures(seen.size),
                "stride": _figures(seen.stride),
                "start": _figures(seen.start),
            },
            "opaque": self.opaque,
            **({} if self.inside is None else {"layers_inside": self.inside.layers}),
            **(
                {"uncounted_layers": self.inside.uncounted}
                if self.inside is not None and self.inside.uncounted
                else {}
            ),
            **({"input_products": figure(self.products)} if figure(self.products) else {}),
        }


class Shown(Record):
    """How much of a network a summary shows.

    first, last   the places, from 1, of the rows that are shown
    rows          how many rows there are
    layers        how many layers there are, those in folded networks included
    depth         how deep networks are shown that are nested; None for all the way
    """

    first: int
    last: int
    rows: int
    layers: int
    depth: int | None = None

    @property
    def whole(self) -> bool:
        """Whether all rows are shown."""
        return self.last - self.first + 1 == self.rows

    def to_dict(self) -> dict[str, Any]:
        """Return it as `summary --json` writes it."""
        return {
            "from": self.first,
            "to": self.last,
            "rows": self.rows,
            "layers": self.layers,
            "depth": self.depth,
        }


class SummaryTotals(Record):
    """What a network amounts to; a weight that is shared counts once.

    trainable_bytes  when weights have several types; otherwise their share of `bytes`
    products         products under sums of two inputs (attention's), which are no MACs
    uncounted        layers without an equation, whose work is in no figure
    """

    params: Figure
    trainable: Figure
    non_trainable: Figure
    macs: Figure
    bytes: Figure
    trainable_bytes: Figure = None
    products: Figure = 0
    uncounted: int = 0

    def to_dict(self) -> dict[str, Any]:
        """Return the totals as `summary --json` writes them."""
        names = ("params", "trainable", "non_trainable", "macs", "bytes")
        return {
            **{name: figure(getattr(self, name)) for name in names},
            **({"input_products": figure(self.products)} if figure(self.products) else {}),
            **({"uncounted_layers": self.uncounted} if self.uncounted else {}),
        }


class Summary(Record):
    """A network in rows, in an order in which each comes after what feeds it.

    inputs      the network's inputs and their shapes, batch included; they are no rows
    outputs     names of the rows that leave the network; when empty, those that nobody reads
    sequential  whether it is a plain stack of layers (Keras prints its inputs only if not)
    shown       which rows were asked for, and how nested networks are folded; None for everything
    uncalled    what exists and was never used: name, kind, parameters
    """

    name: str
    rows: tuple[SummaryRow, ...]
    totals: SummaryTotals
    layout: str = "channels_last"
    inputs: Mapping[str, Sizes] = MappingProxyType({})
    outputs: tuple[str, ...] = ()
    sequential: bool = False
    shown: Shown | None = None
    uncalled: tuple[tuple[str, str, int], ...] = ()

    @property
    def visible(self) -> tuple[SummaryRow, ...]:
        """The rows to be shown."""
        return (
            self.rows if self.shown is None else self.rows[self.shown.first - 1 : self.shown.last]
        )

    def to_dict(self) -> dict[str, Any]:
        """Return what `summary --json` writes; `totals` are those of the whole network."""
        return {
            "name": self.name,
            "layout": self.layout,
            **({} if self.shown is None else {"shown": self.shown.to_dict()}),
            "layers": [row.to_dict() for row in self.visible],
            "totals": self.totals.to_dict(),
            **({"never_called": [list(one) for one in self.uncalled]} if self.uncalled else {}),
        }


def figure(value: Figure) -> int | float | str | None:
    """Return a size or a count as JSON holds it: a number, a symbol's text, None when unknown."""
    if value is None or isinstance(value, (int, float, str)):
        return value
    text = str(value)
    return None if text == "None" else text


def _figures(values: Sizes) -> list[int | float | str | None]:
    return [figure(value) for value in values]
