"""convscope explore: what it hands to the host and the server, and what it prints where."""

from __future__ import annotations

import socket
import sys
import types
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result
from serving import SmallHost

from convscope.cli import main
from convscope.explorer import server
from convscope.explorer.server import Server

Explore = Callable[..., Result]


@pytest.fixture
def made(monkeypatch: pytest.MonkeyPatch) -> list[dict[str, Any]]:
    """What hosts and servers were made with; the servers announce themselves and end at once."""
    calls: list[dict[str, Any]] = []

    def host(
        network: Any,
        image: Any = None,
        samples: Any = None,
        lesson: Any = None,
        late: bool = False,
        given: Any = None,
    ) -> SmallHost:
        assert late, "the page comes first"
        assert given == {}, "nothing was given for late screens"
        calls.append({"network": network.name, "image": image, "samples": samples})
        return SmallHost()

    module = types.ModuleType("convscope.explorer.host")
    module.Host = host  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "convscope.explorer.host", module)
    monkeypatch.setattr(Server, "run", lambda self: [s.close() for s in self._sockets])
    monkeypatch.setattr("webbrowser.open", lambda address: calls.append({"opened": address}))
    monkeypatch.setattr(server, "_has_screen", lambda: True)
    return calls


def explore(*words: str) -> Result:
    return CliRunner().invoke(main, ["explore", *words], standalone_mode=False)


def test_without_a_model_it_is_the_demo_on_a_real_digit(made: list[dict[str, Any]]) -> None:
    done = explore("--no-open", "--port", "0")
    assert done.exception is None
    assert made[0]["network"] == "digits" and made[0]["image"].name == "seven.png"
    assert {"seven", "three"} <= set(made[0]["samples"])
    assert len(made) == 1, "no browser"
    (address,) = done.stdout.splitlines()
    assert address.startswith("http://127.0.0.1:") and "/?token=" in address
    assert "Ctrl-C ends it" in done.stderr and "token" not in done.stderr


def test_a_model_and_an_image_of_ones_own(made: list[dict[str, Any]], tmp_path: Path) -> None:
    (tmp_path / "net.py").write_text(
        "from convscope import *\nfrom convscope import Sequential, Conv2D\n"
        "model = Sequential([Conv2D(5, 3, input_shape=(9, 11, 2))], name='small')\n"
    )
    model = f"{tmp_path / 'net.py'}:model"
    explore(model, "--port", "0")
    assert made[0] == {"network": "small", "image": None, "samples": {}}
    done = explore(model, "--port", "0", "--image", "x.npy")
    assert {"network": "small", "image": Path("x.npy"), "samples": {}} in made
    assert done.stdout == "" and "http://127.0.0.1:" in done.stderr
    opened = [call["opened"] for call in made if "opened" in call]
    assert opened and opened[-1] in done.stderr


def test_a_taken_port_is_a_failure_in_one_line(made: list[dict[str, Any]]) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        done = explore("--no-open", "--port", str(port))
    assert done.return_value == 1
    assert done.stderr.startswith(f"Error: port {port} is taken") and done.stdout == ""
    assert len(done.stderr.splitlines()) == 1


def test_another_address_comes_with_a_warning(made: list[dict[str, Any]]) -> None:
    done = explore("--no-open", "--port", "0", "--host", "0.0.0.0")
    assert done.stderr.startswith("Warning: whoever reaches 0.0.0.0 and knows the address")
    assert "Warning" not in explore("--no-open", "--port", "0", "--host", "localhost").stderr
