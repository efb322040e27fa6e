"""A line of the table."""

from dataclasses import dataclass


@dataclass
class Row:
    """One line of the table: what was measured, against what, and the bound."""

    what: str
    ours: str
    peer: str
    ratio: str
    bound: str
    held: bool
