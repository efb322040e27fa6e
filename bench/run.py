"""Measures what convscope promises about speed, each figure against its peer in the same run.

    pip install -e '.[bench]'
    python bench/run.py            prints the table and writes it into bench/README.md
    python bench/run.py cone run   only those rows
    python bench/run.py explorer   only the explorer's; they need Chromium (apt-get install chromium)

startup      whole processes
arithmetic   one number
graphs       large graphs
running      activations
comparing    two networks side by side
learning     steps of training, and gradients
surveying    a network over many images
explorer     the page, timed inside Chromium

Every bound is a ratio: to a peer, or to a floor that nobody can go below (Python and numpy imported, an empty
frame of the browser), measured in turn with it, on the same machine.
"""

from __future__ import annotations

import os
import platform
import sys
from collections.abc import Callable
from pathlib import Path

import arithmetic
import comparing
import explorer
import graphs
import learning
import modules
import running
import startup
import surveying
from row import Row

HERE = Path(__file__).parent

BENCHES: dict[str, Callable[[], list[Row]]] = {
    # in this order: a process is charged with the memory of the one that started it, which must be small
    **startup.BENCHES,
    **arithmetic.BENCHES,
    **graphs.BENCHES,
    **running.BENCHES,
    **comparing.BENCHES,
    **modules.BENCHES,
    **learning.BENCHES,
    **surveying.BENCHES,
    **explorer.BENCHES,
}


def main(names: list[str]) -> int:
    """Run the benches of these names (all by default); return 1 if a bound was not held."""
    wanted = set()
    for name in names or BENCHES:
        found = {b for b in BENCHES if b == name or b.startswith(f"{name}_")}
        if not found:
            raise SystemExit(f"no bench {name}; there are {', '.join(BENCHES)}")
        wanted |= found
    rows: list[Row] = []
    lines = ["| work | convscope | peer | ratio | to reach | held |", "|---|---|---|---|---|---|"]
    print("\n".join(lines))
    for name in (name for name in BENCHES if name in wanted):
        for r in BENCHES[name]():
            held = "yes" if r.held else "**no**"
            lines.append(f"| {r.what} | {r.ours} | {r.peer} | {r.ratio} | {r.bound} | {held} |")
            rows.append(r)
            print(lines[-1], flush=True)
    table = "\n".join(lines)
    if not names:
        from importlib.metadata import version

        machine = (
            f"{os.cpu_count()} cores, {platform.system()} {platform.machine()}, "
            f"Python {platform.python_version()}, Keras {version('keras')} on PyTorch, "
            f"ONNX Runtime {version('onnxruntime')}"
        )
        page = HERE / "README.md"
        before = page.read_text(encoding="utf-8").split("<!-- table -->")[0]
        page.write_text(f"{before}<!-- table -->\n\n{machine}\n\n{table}\n", encoding="utf-8")
    return 0 if all(r.held for r in rows) else 1


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
