"""How wide a figure is where it is printed: the widths that venues state, in points of 1/72 inch.

ieee, ieee:2      3.5 and 7.16 in: "Size Requirements for Graphics", IEEE Author Center
neurips, iclr     5.5 in: text width of their style files
icml, icml:2      3.25 and 6.75 in: two columns of 3.25 in with 0.25 in between, its style file
cvpr, cvpr:2      3.25 and 6.875 in: its author kit; iccv the same
nature, nature:2  88 and 180 mm: "Preparing figures", Nature's guide to authors
elsevier, :1.5, :2  90, 140 and 190 mm: "Artwork sizing", Elsevier's author tools
lncs              122 mm: text width of Springer's llncs class
slide             16 × 9 cm: a 16:9 frame of LaTeX's beamer
a4                160 mm: A4 with margins of 25 mm
"""

from __future__ import annotations

import re

from convscope.errors import SettingError, did_you_mean

MILLIMETRE, INCH = 72 / 25.4, 72.0

VENUES = {
    "ieee": 3.5 * INCH,
    "ieee:2": 7.16 * INCH,
    "neurips": 5.5 * INCH,
    "iclr": 5.5 * INCH,
    "icml": 3.25 * INCH,
    "icml:2": 6.75 * INCH,
    "cvpr": 3.25 * INCH,
    "cvpr:2": 6.875 * INCH,
    "iccv": 3.25 * INCH,
    "iccv:2": 6.875 * INCH,
    "nature": 88 * MILLIMETRE,
    "nature:2": 180 * MILLIMETRE,
    "elsevier": 90 * MILLIMETRE,
    "elsevier:1.5": 140 * MILLIMETRE,
    "elsevier:2": 190 * MILLIMETRE,
    "lncs": 122 * MILLIMETRE,
    "slide": 160 * MILLIMETRE,
    "a4": 160 * MILLIMETRE,
}

LEAST, MOST = 150.0, 4000.0
_UNITS = {"mm": MILLIMETRE, "cm": 10 * MILLIMETRE, "in": INCH, "pt": 72 / 72.27}


def width_of(columns: str) -> float:
    """Return a width in points of 1/72 inch: a venue's, or one that is said: 88mm, 3.5in, 252pt (TeX's).

    >>> width_of("icml"), width_of("3.25in")
    (234.0, 234.0)

    Raises `SettingError` for what is neither.
    """
    if columns in VENUES:
        return VENUES[columns]
    found = re.fullmatch(r"([0-9]{1,5}(?:\.[0-9]{1,4})?)(mm|cm|in|pt)", columns)
    if found is None:
        near = did_you_mean(columns, VENUES)
        raise SettingError(
            f"--columns is a width as 88mm, 3.5in or 252pt, or one of {', '.join(VENUES)}; not {columns!r}{near}"
        )
    width = float(found[1]) * _UNITS[found[2]]
    if not LEAST <= width <= MOST:
        raise SettingError(
            f"a figure is between {LEAST / INCH:.1f} and {MOST / INCH:.0f} inches wide, not {columns}"
        )
    return width
