"""Every rule has its page in the docs, written from the rule's own text."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[2]


def test_the_pages_are_as_they_would_be_written() -> None:
    done = subprocess.run(
        [sys.executable, ROOT / "scripts" / "check_pages.py", "--check"], check=False
    )
    assert done.returncode == 0, "run scripts/check_pages.py"
