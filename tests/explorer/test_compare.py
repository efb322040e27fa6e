"""The screen Compare: the maps of two networks and their difference, and the two ledgers of where they part."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import networks
import numpy as np
import pytest
from click.testing import CliRunner
from screens import OUT_OF_REACH, Visit, violations

import convscope
from convscope import Conv2D, Dense, Flatten, Sequential
from convscope.cli.program import main
from convscope.errors import ConvscopeError
from convscope.explorer.server import Server


def one() -> Any:
    layers = [
        Conv2D(5, 3, activation="relu", padding="same", input_shape=(12, 10, 3), name="first"),
        Conv2D(4, (3, 2), activation="relu", name="second"),
        Flatten(name="flat"),
        Dense(3, name="dense"),
    ]
    return networks.drawn(Sequential(layers, name="one"))


IMAGE = networks.image(12, 10, 3)


@pytest.fixture(scope="module")
def report(tmp_path_factory: pytest.TempPathFactory) -> Any:
    """Return a network compared with its export in ONNX, channels first, of which one layer has another activation."""
    network = one()
    path = tmp_path_factory.mktemp("compare") / "other.onnx"
    network.edit("second", activation="elu").export(path)
    return network.compare(convscope.open(str(path)), IMAGE)


class Compared:
    """A served comparison, as `Visit` takes it."""

    def __init__(self, report: Any) -> None:
        self.host = report.host()
        self.server = Server(self.host, port=0).start()


def test_the_host_tells_both_maps_as_the_first_network_keeps_them(report: Any) -> None:
    host, network = report.host(), one()
    other = network.edit("second", activation="elu")
    told = host.answer({"ask": "compare", "what": "table"}).facts
    assert [layer["layers"][0] for layer in told["layers"]] == ["first", "second", "dense"]
    assert told["first"] == 1 and "elu, and relu would agree" in told["first_difference"]["cause"]
    pair = host.answer({"ask": "compare", "what": "pair", "n": 1}).facts
    assert pair["maps"] == 4 and pair["tile"] == [10, 9]
    runs = [net.run(IMAGE)["second"] for net in (network, other)]
    assert pair["largest"] == pytest.approx(np.abs(runs[0] - runs[1]).max(axis=(0, 1)), abs=1e-5)
    for m in range(4):
        body = host.answer({"ask": "compare", "what": "map", "n": 1, "map": m}).body
        both = np.frombuffer(body, "<f4").reshape(2, 10, 9)
        for found, run in zip(both, runs, strict=True):
            assert found == pytest.approx(run[..., m], abs=1e-5)
    for wrong in (
        {"what": "map", "n": 1, "map": 4},
        {"what": "pair", "n": -1},
        {"what": "pair", "n": True},
        {},
    ):
        with pytest.raises(ConvscopeError):
            host.answer({"ask": "compare", **wrong})


def test_the_terms_of_both_ledgers_stand_side_by_side(report: Any) -> None:
    told = report.host().answer({"ask": "compare", "what": "table"}).facts["first_difference"]
    assert told["terms"]["all"] == 3 * 2 * 5 and told["terms"]["names"][0] == "map, i, j"
    for _, x, w, product, y, v, second in told["terms"]["rows"]:
        assert x * w == pytest.approx(product) and (x, w, product) == pytest.approx((y, v, second))
    for n, side in enumerate(told["ledgers"]):
        steps = dict(side["steps"])
        ours = sum(row[3 * n + 3] for row in told["terms"]["rows"])
        assert ours == pytest.approx(steps["sum"], abs=1e-6)
        assert steps["sum"] + steps.get("bias", 0) == pytest.approx(steps["pre-activation"])


def test_somebody_looks_at_a_pair(report: Any, profile: Any, axe: str) -> None:
    served = Compared(report)
    visit = Visit(profile, served).open("s=compare")  # type: ignore[arg-type]
    page = visit.page
    page.locator(".cs-compare-map canvas").first.wait_for()
    page.get_by_text("Where they part: second and").wait_for()
    assert "elu, and relu would agree" in page.locator(".cs-compare-first").inner_text()
    for summary in page.locator(".cs-compare-first summary").all():
        summary.click()
    visit.settle()
    for scheme in ("light", "dark"):
        page.emulate_media(color_scheme=scheme)
        visit.settle()
        assert violations(page, axe) == []
    row = page.locator(".cs-compare-list .cs-link", has_text="dense")
    row.focus()
    page.keyboard.press("Enter")
    page.get_by_text("dense in one |").wait_for()
    assert visit.address["n"] == "2"
    page.set_viewport_size({"width": 390, "height": 800})
    visit.settle()
    assert page.evaluate("document.documentElement.scrollWidth") <= 390
    assert page.evaluate(OUT_OF_REACH) == []
    visit.go("s=compare&n=1&map=2")
    page.locator("canvas[aria-label^='map 2, their difference']").wait_for()
    page.locator("canvas[aria-label^='map 2, their difference']").click(position={"x": 5, "y": 5})
    page.locator("[role=tab][aria-selected=true]", has_text="Microscope").wait_for()
    assert visit.address["l"] == "second" and visit.address["o"] == "2"
    assert visit.unexpected == []
    page.close()
    served.server.stop()


def test_a_file_holds_the_comparison(report: Any, page: Any, tmp_path: Path) -> None:
    report.export(tmp_path / "both.html")
    page.goto((tmp_path / "both.html").as_uri())  # it opens there
    page.get_by_text("Where they part: second and").wait_for()
    page.locator("canvas[aria-label*='their difference']").wait_for()


def test_on_the_command_line(tmp_path: Path) -> None:
    network = one()
    network.export(tmp_path / "a.onnx")
    network.edit("second", activation="elu").export(tmp_path / "b.onnx")
    np.save(tmp_path / "image.npy", IMAGE)
    names = [str(tmp_path / name) for name in ("a.onnx", "b.onnx")]
    run = CliRunner().invoke
    page = ["--page", str(tmp_path / "both.html")]
    done = run(main, ["compare", *names, "--image", str(tmp_path / "image.npy"), *page, "--json"])
    assert done.exit_code == 1 and json.loads(done.stdout)["agree"] is False
    assert (tmp_path / "both.html").stat().st_size > 10_000
    done = run(main, ["compare", *names, *page])
    assert done.exit_code == 2 and "--image FILE" in done.output
