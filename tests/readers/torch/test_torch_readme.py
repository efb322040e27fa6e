"""What the README shows of PyTorch modules and of gradients runs."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import torch  # noqa: F401  # the snippets need it: without it, this file is left out

README = (Path(__file__).parents[3] / "README.md").read_text(encoding="utf-8")


def test_the_blocks_on_modules_and_gradients_run(tmp_path: Path) -> None:
    codes = re.findall(r"^```py\n(.*?)^```", README, flags=re.DOTALL | re.MULTILINE)
    assert len(codes) == 2
    for code in codes:
        done = subprocess.run(
            [sys.executable, "-c", code],
            check=False,
            cwd=tmp_path,
            capture_output=True,
            text=True,
            encoding="utf-8",
            env={**os.environ, "PYTHONIOENCODING": "utf-8"},
        )
        assert done.returncode == 0, done.stderr
        assert done.stdout
    assert (tmp_path / "net.onnx").exists()


def test_the_page_on_modules_runs(tmp_path: Path) -> None:
    page = (Path(__file__).parents[3] / "docs" / "pytorch.md").read_text(encoding="utf-8")
    codes = re.findall(r"^```py\n(.*?)^```", page, flags=re.DOTALL | re.MULTILINE)
    assert len(codes) == 3
    done = subprocess.run(
        [sys.executable, "-c", "\n".join(codes)],
        check=False,
        cwd=tmp_path,
        capture_output=True,
        text=True,
        encoding="utf-8",
        env={**os.environ, "PYTHONIOENCODING": "utf-8"},
    )
    assert done.returncode == 0, done.stderr
    for words in ("stem.0 (Conv2d)", "16 → 24", "Total params", "agree"):
        assert words in done.stdout, words
