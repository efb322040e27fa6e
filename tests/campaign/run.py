"""The campaign: bad files of every kind, until they are through; what is found is kept, and a table written.

    python tests/campaign/run.py                     a few minutes: 300 of each kind, 10 s guided
    python tests/campaign/run.py --count 20000 --seconds 1800 --table
    python tests/campaign/run.py protobuf --first 317 --count 1

--table puts the figures into docs/safety.md. Exit status 1 when anything was found; the files are in --found.
"""

from __future__ import annotations

import argparse
import json
import os
import queue
import subprocess
import sys
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import Any

HERE = Path(__file__).parent
KIND_NAMES = ("zip", "hdf5", "protobuf", "json", "png", "npy", "safetensors", "pt2")
MOST_SECONDS = 120.0
"""A file whose answers take longer is a finding; it takes a fraction of a second."""
START_SECONDS = 120.0
"""A worker begins within this time."""


def seeded(kind: str, first: int, count: int, kept: Path) -> Counter[str]:
    """Ask of so many files; return how they ended. A process that dies or hangs is followed by another."""
    ended: Counter[str] = Counter()
    at, last = first, first + count
    with tempfile.TemporaryDirectory() as folder:
        while at < last:
            command = [sys.executable, str(HERE / "worker.py"), kind, str(at), str(last), folder]
            process = subprocess.Popen(
                command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True
            )
            now = at - 1
            for said in lines(process):
                if "begun" in said:
                    now = said["begun"]
                elif said.get("number") == now:
                    ended[said["ended"]] += 1
                    if said["ended"] == "failed":
                        keep(kind, now, said["said"], kept)
                    at = now + 1
            code = process.wait()
            if at < last:
                if now < at:
                    raise SystemExit(f"the worker did not begin (exit status {code})")
                how = "hung" if code == -9 else f"died ({code})"
                ended[how] += 1
                keep(kind, now, how, kept)
                at = now + 1
    return ended


def lines(process: subprocess.Popen[str]) -> Any:
    """Yield what a worker says; end it when it does not begin, or then says nothing for too long."""
    said: queue.Queue[str | None] = queue.Queue()

    def read() -> None:
        assert process.stdout is not None
        for line in process.stdout:
            said.put(line)
        said.put(None)

    threading.Thread(target=read, daemon=True).start()
    seconds = START_SECONDS
    while True:
        try:
            line = said.get(timeout=seconds)
        except queue.Empty:
            process.kill()
            return
        seconds = MOST_SECONDS
        if line is None:
            return
        if line.startswith("{"):
            yield json.loads(line)


def guided(kind: str, seconds: int, kept: Path) -> tuple[int, list[str]]:
    """Let atheris look for so long; return how many files it tried, and what it found."""
    with tempfile.TemporaryDirectory() as folder:
        command = [sys.executable, str(HERE / "worker.py"), kind, str(seconds), folder, "guided"]
        done = subprocess.run(
            command, capture_output=True, text=True, check=False, timeout=seconds + 600
        )
        ran = 0
        for line in done.stdout.splitlines():
            if line.startswith('{"ran"'):
                ran = json.loads(line)["ran"]
        found = []
        for pattern in ("crash-*", "timeout-*", "oom-*"):
            for path in Path(folder).glob(pattern):
                kept.mkdir(parents=True, exist_ok=True)
                (kept / f"{kind}-{path.name}").write_bytes(path.read_bytes())
                found.append(f"{path.name}: {done.stdout[-1500:]}{done.stderr[-1500:]}")
        if done.returncode and not found:
            found.append(f"exit status {done.returncode}: {done.stderr[-1500:]}")
    return ran, found


@contextmanager
def laid(kinds: Sequence[str]) -> Iterator[None]:
    """Keep good files of these kinds in a folder that every worker is told of."""
    from campaign.kinds import GOOD, lay

    before = os.environ.get(GOOD)
    with tempfile.TemporaryDirectory() as folder:
        lay(Path(folder), kinds)
        os.environ[GOOD] = folder
        try:
            yield
        finally:
            del os.environ[GOOD]
            if before is not None:
                os.environ[GOOD] = before


def of_kind(kind: str, given: argparse.Namespace) -> tuple[str, int]:
    """Ask of one kind's files; return its row of the table, and how many were findings."""
    begun = time.monotonic()
    ended = seeded(kind, given.first, given.count, given.found)
    ran, found = guided(kind, given.seconds, given.found) if given.seconds else (0, [])
    fine = ended["refused"] + ended["opened"] + ended["opened with warnings"]
    wrong = sum(ended.values()) - fine + len(found)
    row = (
        f"| {kind} | {sum(ended.values()):,} | {ended['refused']:,} | {ended['opened']:,} | "
        f"{ended['opened with warnings']:,} | {ran:,} | {wrong:,} |"
    )
    print(row, f"{time.monotonic() - begun:.0f} s", dict(ended), *found, flush=True)
    return row, wrong


def keep(kind: str, number: int, said: str, kept: Path) -> None:
    """Keep a file that something was found with, and what was found."""
    from campaign.kinds import KINDS, made

    kept.mkdir(parents=True, exist_ok=True)
    (kept / f"{kind}-{number}{KINDS[kind].suffix}").write_bytes(made(kind, number))
    (kept / f"{kind}-{number}.txt").write_text(said)


def main() -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("kinds", nargs="*", choices=[*KIND_NAMES, []], help="all by default")
    parser.add_argument("--first", type=int, default=0)
    parser.add_argument("--count", type=int, default=300, help="seeded files of each kind")
    parser.add_argument("--seconds", type=int, default=10, help="guided, for each kind; 0 for none")
    parser.add_argument("--lanes", type=int, default=os.cpu_count() or 1, help="kinds at a time")
    parser.add_argument("--found", type=Path, default=Path("found"))
    parser.add_argument("--table", action="store_true", help="write the figures to docs/safety.md")
    given = parser.parse_args()
    rows = [
        "| kind | seeded | refused | opened | opened with warnings | guided | found |",
        "|---|---|---|---|---|---|---|",
    ]
    kinds = given.kinds or KIND_NAMES
    with laid(kinds), ThreadPoolExecutor(given.lanes) as lanes:
        told = list(lanes.map(lambda kind: of_kind(kind, given), kinds))
    rows += [row for row, _ in told]
    bad = sum(wrong for _, wrong in told)
    table = "\n".join(rows)
    print(table)
    if given.table:
        page = HERE.parents[1] / "docs" / "safety.md"
        before = page.read_text(encoding="utf-8").split("<!-- campaign -->")[0]
        page.write_text(f"{before}<!-- campaign -->\n\n{table}\n", encoding="utf-8")
    return 1 if bad else 0


if __name__ == "__main__":
    sys.path.insert(0, str(HERE.parent))
    raise SystemExit(main())
