"""Write the demo as one page: the explorer of the digits network, with its lessons, that works from any address or disk.

    python docs/demo_page.py              writes docs/demo.html
    python docs/demo_page.py FILE         elsewhere

It is what `convscope export demo FILE` writes. The same sources give the same bytes, so the page is made when the
documentation is, and is not kept beside it: what it shows is always what this version does.
"""

from __future__ import annotations

import sys
from pathlib import Path

from convscope.demo import digits, network

MOST = 1_500_000
"""Bytes that the page may have: it is fetched whole before anything is seen."""


def main(path: Path) -> int:
    """Write the page; refuse one that is too large."""
    network().export(path, digits()["seven"])
    size = path.stat().st_size
    print(f"{path}: {size:,} bytes")
    if size > MOST:
        print(f"more than the {MOST:,} that a page may have", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1]) if len(sys.argv) > 1 else Path(__file__).parent / "demo.html"))
