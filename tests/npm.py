"""What tests take from npm: of each package one version, kept outside of the repository for all runs on this machine."""

from __future__ import annotations

import os
import shutil
import subprocess
import tempfile
from contextlib import suppress
from pathlib import Path

from needed import absent


def installed(package: str, version: str, file: str, why: str) -> Path:
    """Return a file of a package, which is installed where it is not yet there.

    Processes that want it at the same time install it each in a folder of its own, and one of these stays:
    nobody finds half of a package.
    """
    npm = shutil.which("npm")
    if npm is None:
        absent(f"{why}: it needs npm (apt-get install npm)")
    user = os.getuid() if hasattr(os, "getuid") else "user"  # who may have no name
    kept = Path(tempfile.gettempdir()) / f"convscope-npm-{package}-{version}-{user}"
    found = kept / "node_modules" / package / file
    if not found.exists():
        new = tempfile.mkdtemp(prefix=f"{kept.name}-", dir=kept.parent)
        command = [npm, "install", "--no-audit", "--no-fund", "--prefix", new]
        done = subprocess.run(
            [*command, f"{package}@{version}"],
            check=False, capture_output=True, text=True, timeout=600,
        )  # fmt: skip
        if done.returncode == 0:
            with suppress(OSError):  # another process was first
                os.rename(new, kept)
        shutil.rmtree(new, ignore_errors=True)
        if done.returncode:
            absent(f"npm could not install {package}@{version}: {done.stderr.strip()}")
    return found
