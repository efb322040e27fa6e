"""Asks everything of bad files, in a process with limits; says before each which, and after it how it ended.

python worker.py KIND FIRST LAST FOLDER, or python worker.py KIND SECONDS FOLDER guided: then atheris looks for
bytes that reach new code, until a time is up or something fails.
"""

from __future__ import annotations

import json
import sys
import traceback
from pathlib import Path
from typing import Any

MEMORY = 6 << 30


def limited() -> None:
    """Let this process have some gigabytes, and leave no core file."""
    try:
        import resource
    except ImportError:
        return
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    resource.setrlimit(resource.RLIMIT_DATA, (MEMORY, MEMORY))


def say(**said: Any) -> None:
    print(json.dumps(said), flush=True)


def seeded(kind: str, first: int, last: int, folder: Path) -> None:
    """Ask of the files of these numbers."""
    from campaign.kinds import KINDS, made

    path = folder / f"file{KINDS[kind].suffix}"
    for number in range(first, last):
        data = made(kind, number)
        path.write_bytes(data)
        say(begun=number)
        try:
            say(number=number, ended=KINDS[kind].ask(path))
        except BaseException as error:  # noqa: BLE001 – that is what is looked for
            said = "".join(traceback.format_exception(error, limit=-4))
            say(number=number, ended="failed", said=said[-1500:])


def guided(kind: str, seconds: int, folder: Path) -> None:
    """Let atheris look for bytes that fail; what fails is left in the folder."""
    import atheris

    with atheris.instrument_imports(include=["convscope", "pyfive", "zipfile", "json", "PIL"]):
        from campaign.kinds import KINDS, good, made

    found = KINDS[kind]
    corpus = folder / "corpus"
    corpus.mkdir(exist_ok=True)
    for number, data in enumerate(good(kind)):
        (corpus / f"good{number}").write_bytes(data)
    path = folder / f"file{found.suffix}"
    count = 0

    def one(data: bytes) -> None:
        nonlocal count
        count += 1
        if count % 10 == 0:
            say(ran=count)
        path.write_bytes(data)
        found.ask(path)

    def mutate(data: bytes, most: int, seed: int) -> bytes:
        import random

        draw = random.Random(seed)
        try:
            return found.mutate(data, draw)[:most] if seed % 2 else atheris.Mutate(data, most)
        except Exception:  # noqa: BLE001 – no good file any more: any change will do
            return bytes(atheris.Mutate(data, most))

    made(kind, 0)
    atheris.Setup(
        [
            "guided", str(corpus), f"-max_total_time={seconds}", "-timeout=120", f"-rss_limit_mb={MEMORY >> 20}",
            f"-artifact_prefix={folder}/", "-seed=1", "-max_len=1000000", "-verbosity=0",
        ],
        one,
        custom_mutator=mutate,
    )  # fmt: skip
    atheris.Fuzz()


if __name__ == "__main__":
    limited()
    sys.path.insert(0, str(Path(__file__).parents[1]))
    if sys.argv[-1] == "guided":
        guided(sys.argv[1], int(sys.argv[2]), Path(sys.argv[3]))
    else:
        seeded(sys.argv[1], int(sys.argv[2]), int(sys.argv[3]), Path(sys.argv[4]))
