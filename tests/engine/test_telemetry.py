"""No request leaves the machine: a command and an explorer are watched from below Python for a minute."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from needed import absent

SECONDS = 60
"""ONNX Runtime's telemetry, where it is on, looks up its collector within that time."""

RUN = """
import time
import convscope
from convscope.demo import digits
net = convscope.open("demo")
net.export("net.onnx")
run = convscope.open("net.onnx").run(digits()["seven"])
print(run.output.shape, flush=True)
"""
WAIT = f"time.sleep({SECONDS})"

EXPLORE = f"""
import threading, time
import http.client
import convscope
from convscope.demo import digits
from convscope.explorer.host import Host
from convscope.explorer.server import Server
from convscope.network import Network

with Server(Host(convscope.open("demo"), image=digits()["seven"]), port=0) as server:
    print(server.address, flush=True)
    asked = http.client.HTTPConnection("127.0.0.1", server.port)
    asked.request("GET", "/?" + server.address.partition("?")[2])
    cookie = asked.getresponse().getheader("set-cookie").partition(";")[0]
    origin = f"http://127.0.0.1:{{server.port}}"
    asked = http.client.HTTPConnection("127.0.0.1", server.port)
    asked.request("POST", "/ask", b'{{"ask": "network"}}', {{
        "cookie": cookie, "origin": origin, "x-convscope": "1", "content-type": "application/json",
    }})
    answer = asked.getresponse()
    assert answer.status == 200, answer.read()
    {WAIT}
"""


@pytest.fixture
def strace() -> str:
    found = shutil.which("strace")
    if found is None:
        absent("strace is not installed")
    return found


def watched(strace: str, code: str, folder: Path) -> subprocess.Popen[bytes]:
    """Start a fresh Python, whose sockets and opened files are written down."""
    home = folder / "home"
    home.mkdir(parents=True)
    environment = {"PATH": os.environ["PATH"], "HOME": str(home), "PYTHONDONTWRITEBYTECODE": "1"}
    calls = "trace=%network,open,openat,creat,mkdir,mkdirat"
    return subprocess.Popen(
        [strace, "-f", "-qq", "-o", str(folder / "calls"), "-e", calls, sys.executable, "-c", code],
        cwd=folder,
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )


def elsewhere(calls: str) -> list[str]:
    """Return the calls that reach for another machine, or make a file."""
    found = []
    for line in calls.splitlines():
        away = re.search(r"\b(connect|sendto|sendmsg|sendmmsg)\(.*sa_family=AF_INET", line)
        if away and not re.search(r'"(127\.0\.0\.1|::1)"', line):
            found.append(line)
        made = re.search(r"\b(mkdir|mkdirat|creat)\(|O_CREAT", line)
        if made and "net.onnx" not in line:
            found.append(line)
    return found


@pytest.mark.full  # it takes a minute, whichever Python watches
def test_no_request_leaves_the_machine(strace: str, tmp_path: Path) -> None:
    watching: dict[str, Any] = {
        name: watched(strace, code, tmp_path / name)
        for name, code in (("run", RUN + WAIT), ("explorer", EXPLORE))
    }
    for name, process in watching.items():
        out, err = process.communicate(timeout=SECONDS + 200)
        assert process.returncode == 0, err.decode()
        assert out
        calls = (tmp_path / name / "calls").read_text(errors="replace")
        assert "openat(" in calls
        assert elsewhere(calls) == []
        assert list((tmp_path / name / "home").rglob("*")) == []


def test_the_watch_sees_what_telemetry_does(strace: str, tmp_path: Path) -> None:
    """Loaded by another door it makes a database, from the version on that has telemetry."""
    import onnxruntime

    if tuple(map(int, onnxruntime.__version__.split(".")[:2])) < (1, 29):
        pytest.skip(f"ONNX Runtime {onnxruntime.__version__} has no telemetry here")
    process = watched(strace, "import onnxruntime", tmp_path)
    _, err = process.communicate(timeout=200)
    assert process.returncode == 0, err.decode()
    calls = (tmp_path / "calls").read_text(errors="replace")
    assert any("onnxruntime.db" in call for call in elsewhere(calls))
