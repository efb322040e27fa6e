"""The single file: opened from disk in a real browser, what is in it, and writing it."""

from __future__ import annotations

import base64
import json
import re
import struct
import warnings
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from click.testing import CliRunner
from hypothesis import given
from hypothesis import strategies as st
from playwright.sync_api import Dialog
from screens import until

import convscope as cs
from convscope.cli import main
from convscope.demo import digits, network
from convscope.errors import (
    InputError,
    OutputError,
    OutputWarning,
    SettingError,
)
from convscope.explorer import single_file as writing
from convscope.explorer.host import Host
from convscope.explorer.joining import script
from convscope.explorer.known_edits import candidates, known_edits, told
from convscope.explorer.single_file import HeldTensor, embedded, left_out, single_file

if TYPE_CHECKING:
    from playwright.sync_api import Page

MIB = 1 << 20
HOSTILE = (
    "</script><img src=x onerror=alert(1)>",
    "__proto__",
    "<!--<script>",
    "\"'`${1}{{told}}",
    "one\u2028two\u2029\x00\x1b[31m\u202e",
    "constructor",
)


@pytest.fixture(scope="module")
def demo() -> Host:
    return Host(network(), digits()["seven"])


@pytest.fixture(scope="module")
def demo_file(demo: Host, tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("file") / "a name with spaces #1.html"
    path.write_text(single_file(demo).text(), encoding="utf-8")
    return path


def opened(page: Page, path: Path, place: str = "") -> list[str]:
    """Open a file and return what was asked for meanwhile, and what was complained of."""
    asked: list[str] = []
    page.on("request", lambda request: asked.append(request.url))
    page.on("console", lambda said: asked.append(said.text) if said.type == "error" else None)
    page.goto(path.as_uri() + place)
    page.locator(".cs-head").wait_for()
    return asked


def large_maps() -> Host:
    net = cs.Sequential(
        [
            cs.Conv2D(3, 3, input_shape=(67, 45, 2), groups=1),
            cs.BatchNormalization(),
            cs.ReLU(),
            cs.Conv2D(5, (2, 3), padding="same", strides=2),
            cs.GlobalAveragePooling2D(),
            cs.Dense(7),
        ]
    )
    return Host(net, np.random.default_rng(2).normal(size=(67, 45, 2)))


# -- in the browser -------------------------------------------------------------------------------


def test_it_opens_from_disk_and_asks_for_nothing(page: Page, demo_file: Path) -> None:
    asked = opened(page, demo_file)
    page.get_by_role("heading", name="One number of conv2d_1").wait_for()
    for screen in ("Stack", "Mental models", "What if", "Input", "Microscope"):
        page.get_by_role("tab", name=screen).click()
        page.wait_for_timeout(150)
    assert asked[0] == demo_file.as_uri()
    assert all(url.startswith("blob:") for url in asked[1:]), asked  # the module, from the file
    assert page.title() == "digits · convscope"


def test_the_demo_as_a_page_is_what_its_script_writes(demo_file: Path, tmp_path: Path) -> None:
    import runpy

    script = Path(__file__).parents[2] / "docs" / "demo_page.py"
    written = tmp_path / "demo.html"
    assert runpy.run_path(str(script))["main"](written) == 0
    assert written.read_bytes() == demo_file.read_bytes()


def test_it_may_not_ask_for_anything(page: Page, demo_file: Path) -> None:
    opened(page, demo_file)
    page.evaluate("""() => {
      window.refused = [];
      document.addEventListener("securitypolicyviolation", (e) => refused.push(e.effectiveDirective));
      fetch("http://127.0.0.1:9/").catch(() => {});
      document.body.append(Object.assign(new Image(), { src: "http://127.0.0.1:9/x.png" }));
      document.body.append(Object.assign(document.createElement("script"), { text: "window.ran = 1" }));
      document.body.insertAdjacentHTML("beforeend", "<style>p { color: red }</style>");
    }""")
    page.wait_for_function("window.refused.length >= 4")
    refused = page.evaluate("window.refused")
    assert sorted(refused) == ["connect-src", "img-src", "script-src-elem", "style-src-elem"]
    assert page.evaluate("window.ran") is None


def test_the_numbers_on_screen_are_those_of_the_trace(page: Page, demo_file: Path) -> None:
    run = network().run(digits()["seven"])
    places: dict[str, list[tuple[int, ...]]] = {
        "conv2d": [(0, 0, 0), (12, 9, 31), (25, 25, 7)],
        "conv2d_1": [(5, 7, 12), (15, 17, 7), (23, 0, 63)],
        "max_pooling2d": [(3, 11, 5)],
        "dense": [(7,), (0,)],
    }
    for layer, positions in places.items():
        for at in positions:
            where = f"o={at[0]}" if len(at) == 1 else f"o={at[2]}&y={at[0]}&x={at[1]}"
            page.goto("about:blank")
            opened(page, demo_file, f"#l={layer}&{where}")
            trace = run.trace(layer, at)
            shown = page.locator("h2.cs-number output")
            page.locator("h2.cs-number").filter(has_text=" = ").wait_for()
            text = shown.inner_text().replace("\u2212", "-")
            digits_after = len(text.partition(".")[2])
            assert abs(float(text) - trace.value) <= 0.5000001 * 10**-digits_after, (layer, at)
            engine = page.locator(".cs-engine b")
            if engine.count():
                assert np.float32(_number(engine.inner_text())) == run[layer][at]


def _number(text: str) -> float:
    """Return a number as the page writes it: −1.25·10⁻⁷."""
    plain = text.replace("\u2212", "-").replace("·10", "e")
    return float(plain.translate(str.maketrans("⁰¹²³⁴⁵⁶⁷⁸⁹⁻", "0123456789-")))


def test_the_address_is_the_pages(page: Page, demo_file: Path) -> None:
    opened(page, demo_file, "#l=conv2d&o=3&y=4&x=5")
    page.get_by_role("heading", name="One number of conv2d: row 4, column 5, map 3").wait_for()
    page.keyboard.press("ArrowRight")
    page.wait_for_function("location.hash.includes('x=6')")


def test_what_needs_convscope_is_said(page: Page, demo_file: Path) -> None:
    opened(page, demo_file, "#s=input")
    page.get_by_role("tab", name="What if").click()
    box = page.get_by_role("spinbutton", name="kernel size 1")
    box.fill("5")
    page.locator(".cs-changed").first.wait_for()
    page.locator(".cs-pair canvas").first.wait_for()  # the edited network ran, here
    page.get_by_role("spinbutton", name="groups").fill("3")
    page.get_by_text("This file does not hold conv2d_1 with").wait_for()


def test_it_runs_the_network_by_itself(page: Page, demo_file: Path) -> None:
    """An image that comes along, one of one's own and a drawing, from disk and without anybody to ask."""
    asked = opened(page, demo_file, "#l=conv2d_1&o=7&y=15&x=17&s=input")
    net = network()

    def holds(source: str, run: Any) -> None:
        order = np.argsort(-run.output, kind="stable")[:5]
        names = [f"{n} dense({n})" for n in order]
        page.locator(".cs-source", has_text=source).wait_for()
        rows = page.locator(".cs-current tr")
        texts = until(
            page,
            lambda: [row.split() for row in rows.all_inner_texts()],
            lambda texts: [" ".join(words[:2]) for words in texts] == names,
        )
        for words, n in zip(texts, order, strict=True):
            assert abs(float(words[2]) - float(run.output[n])) < 6e-5

    page.get_by_role("button", name="three", exact=True).click()
    holds("three.png", net.run(digits()["three"]))
    picture = digits()["five"].read_bytes()
    given: Any = {"name": "mine.png", "mimeType": "image/png", "buffer": picture}
    page.get_by_label("Choose an image file").set_input_files(given)
    run = net.run(digits()["five"])
    holds("mine.png", run)
    page.get_by_role("tab", name="Microscope").click()
    engine = page.locator(".cs-engine")
    page.locator("h2.cs-number", has_text="row 15, column 17, map 7").wait_for()
    engine.wait_for()
    assert engine.inner_text().startswith("this page ")
    shown = float(engine.locator("b").inner_text().replace("−", "-"))
    assert abs(shown - float(run["conv2d_1"][15, 17, 7])) < 1e-5
    page.get_by_role("tab", name="Input").click()
    pad = page.locator("canvas.cs-pad").bounding_box()
    assert pad is not None
    page.mouse.move(pad["x"] + 110, pad["y"] + 40)
    page.mouse.down()
    page.mouse.move(pad["x"] + 110, pad["y"] + 190, steps=6)
    page.locator(".cs-source", has_text="your drawing").wait_for()  # while the pen is still down
    page.mouse.up()
    assert [one for one in asked if not one.startswith(("file:", "blob:", "data:"))] == []


def test_a_hostile_name_is_text(page: Page, tmp_path: Path) -> None:
    path = tmp_path / "hostile.html"
    net = hostile_network()
    assert list(net.graph.nodes) == list(HOSTILE)
    net.export(path, np.ones((2, 9, 10), np.float32))
    dialogs: list[Dialog] = []

    def dismiss(dialog: Dialog) -> None:
        dialogs.append(dialog)
        dialog.dismiss()

    page.on("dialog", dismiss)
    asked = opened(page, path)
    for name in HOSTILE:
        page.evaluate("name => { location.hash = 'l=' + encodeURIComponent(name) }", name)
        page.wait_for_function(
            "name => document.querySelector('h2.cs-number')?.textContent.includes(name)", arg=name
        )
        assert page.locator(".cs-error").count() == 0
    assert page.locator("img").count() == 0 and dialogs == []
    assert all(url.startswith(("file:", "blob:")) for url in asked), asked


def hostile_network() -> Any:
    """Return an ONNX file's network, whose layers may have any name."""
    from onnx import TensorProto, helper, numpy_helper

    weight = np.random.default_rng(6).normal(size=(2, 2, 2, 1)).astype(np.float32)
    names = ["x", *(f"y{n}" for n in range(len(HOSTILE)))]
    graph = helper.make_graph(
        [
            helper.make_node("Conv", [names[n], "w"], [names[n + 1]], name=name)
            for n, name in enumerate(HOSTILE)
        ],
        HOSTILE[0],
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, [1, 2, 9, 10])],
        [helper.make_tensor_value_info(names[-1], TensorProto.FLOAT, [1, 2, 3, 10])],
        [numpy_helper.from_array(weight, "w")],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=9)
    return cs.open(model)


def test_in_a_frame_without_an_origin_it_works_and_leaves_the_address_alone(
    page: Page, demo_file: Path
) -> None:
    text = demo_file.read_text(encoding="utf-8")
    page.evaluate(
        """text => document.body.append(Object.assign(document.createElement("iframe"),
             { srcdoc: text, sandbox: "allow-scripts", width: 1100, height: 800 }))""",
        text,
    )
    frame = page.frame_locator("iframe")
    frame.get_by_role("heading", name="One number of conv2d_1").wait_for()
    frame.get_by_role("tab", name="Stack").click()
    frame.get_by_role("tab", name="Stack", selected=True).wait_for()


# -- what is left out -----------------------------------------------------------------------------


def test_the_two_layers_take_less_than_two_mebibytes(demo: Host) -> None:
    question = cs.Sequential(
        [
            cs.Conv2D(32, 3, activation="relu", input_shape=(28, 28, 1)),
            cs.Conv2D(64, 3, activation="relu"),
        ]
    )
    made = single_file(Host(question, np.random.default_rng(0).random((28, 28, 1))))
    assert made.left_out == ()
    assert len(made.text().encode()) < 2 * MIB
    assert len(single_file(demo).text().encode()) < 2 * MIB  # with the dense layer's 92,160 weights


def test_what_does_not_fit_is_left_out_and_said(page: Page, tmp_path: Path) -> None:
    path = tmp_path / "small.html"
    with pytest.warns(OutputWarning) as said:
        network().export(path, digits()["seven"], limit=0.35)
    # 9216·10 weights are 0.35 MiB, 24·24·64 numbers 0.14: without the dense layer's it fits, 4·(784 +
    # 26·26·32 + 288 + 18,432 + 24·24·64 + 12·12·64 + …) = 0.33 MiB; flatten's are those of the pooling
    (one,) = map(str, (w.message for w in said))
    assert one.startswith(f"{path} has no room for the numbers of the kernel of dense (0.4 MiB); ")
    assert "a limit of 1 holds all" in one
    opened(page, path, "#l=dense&o=3")
    page.get_by_text("the numbers of the kernel of dense (0.4 MiB) are not in this file").wait_for()
    page.get_by_text("convscope explore MODEL").wait_for()
    page.evaluate("location.hash = 'l=conv2d_1&o=7&y=15&x=17'")
    page.locator("h2.cs-number", has_text="= 2.04356").wait_for()


def test_what_comes_out_is_always_in_it_and_much_that_is_not_is_said_in_a_line(
    page: Page, tmp_path: Path
) -> None:
    path = tmp_path / "small.html"
    with pytest.warns(OutputWarning) as said:
        network().export(path, digits()["seven"], limit=0.001)
    (one,) = map(str, (w.message for w in said))
    assert one == (
        f"{path} has no room for the numbers of 8 tensors of 6 layers (0.7 MiB), the largest the kernel of "
        f"dense (0.4 MiB); a limit of 1 holds all"
    ), one
    opened(page, path, "#l=dense&o=7&s=input")
    page.locator(".cs-current td", has_text="0.9980").wait_for()


def test_a_page_opens_where_its_first_layer_was_left_out(page: Page, tmp_path: Path) -> None:
    path = tmp_path / "small.html"
    with pytest.warns(OutputWarning):
        network().export(path, digits()["seven"], limit=0.001)
    opened(page, path)
    page.get_by_text("are not in this file").first.wait_for()
    page.get_by_text("--limit 1 writes a file that holds all").first.wait_for()


def test_the_fewest_layers_lose_their_numbers() -> None:
    def block(size: int, *users: tuple[str, str | None]) -> list[HeldTensor]:
        return [HeldTensor(layer, weight, (size,), "float32", size) for layer, weight in users]

    a, b, c = block(6, ("a", None)), block(5, ("b", "kernel")), block(4, ("b", None))
    both = block(7, ("c", None), ("d", None))
    blocks = [a, b, c, both]
    assert left_out(blocks, 22) == []
    assert left_out(blocks, 21) == [b]  # the layer b has more numbers than a
    assert left_out(blocks, 13) == [b, c]
    assert left_out(blocks, 12) == [a, b]  # two layers in any case: their largest ones
    assert left_out(blocks, 7) == [a, b, c]
    assert left_out(blocks, 6) == [both, a, b]  # what layers share goes when nothing else is left
    assert left_out(blocks, 6, ["d"]) == [a, b, c]  # what comes out of the network stays


def test_a_limit_is_a_number(demo: Host) -> None:
    for limit in (0, -1, float("nan"), "many", None, True):
        with pytest.raises(SettingError, match="limit must be a number of MiB above 0"):
            single_file(demo, limit)  # type: ignore[arg-type]


def test_more_numbers_than_a_host_gives_at_once_are_asked_for_in_boxes(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    host = large_maps()
    whole = single_file(host).text()
    monkeypatch.setattr(writing, "MOST_VALUES", 1000)
    monkeypatch.setattr("convscope.explorer.host.MOST_VALUES", 1000)
    assert single_file(host).text() == whole


# -- the file -------------------------------------------------------------------------------------


def test_the_same_network_and_image_give_the_same_bytes(tmp_path: Path) -> None:
    for name in ("a.html", "b.html"):
        network().export(tmp_path / name, digits()["three"])
    assert (tmp_path / "a.html").read_bytes() == (tmp_path / "b.html").read_bytes()


def test_the_numbers_in_it_are_the_runs(demo: Host) -> None:
    text = single_file(demo).text()
    page = json.loads(re.search(r'id="told">(.*?)</script>', text, re.DOTALL)[1])  # type: ignore[index]
    assert page["script"] == script("explorer.js")
    run = network().run(digits()["seven"])
    for tensor in page["tensors"]:
        block = re.search(rf'id="numbers-{tensor["numbers"]}">([^<]*)<', text)[1]  # type: ignore[index]
        found = struct.unpack(f"<{np.prod(tensor['shape'])}f", base64.b64decode(block))
        if tensor["weight"] is None:
            expected = run[tensor["layer"]]
        else:
            expected = run.network.get_layer(tensor["layer"]).weights[tensor["weight"]]
        assert list(expected.shape) == tensor["shape"]
        assert np.array_equal(np.asarray(found, np.float32), expected.ravel())
    stored = [t["numbers"] for t in page["tensors"] if t["layer"] in ("max_pooling2d", "flatten")]
    assert len(stored) == 2 and len(set(stored)) == 1  # once


@given(st.text() | st.sampled_from(HOSTILE))
def test_embedded_text_cannot_break_out(text: str) -> None:
    found = embedded({text: [text]})
    assert "<" not in found and found.isascii()
    assert json.loads(found) == {text: [text]}


def test_code_that_would_end_its_element_is_refused() -> None:
    for bad in ("let a = '</Script>';", "a <!--b"):
        with pytest.raises(ValueError, match="cannot stand inside an HTML element"):
            writing._inside("file.js", bad)


def test_edits_that_are_tried_begin_with_what_tells_most() -> None:
    settings = network().editable("conv2d_1")
    tried = list(candidates(settings))
    assert [name for name, _ in tried[:6]] == [
        "filters",
        "kernel_size",
        "strides",
        "padding",
        "dilation_rate",
        "groups",
    ]
    assert {v for n, v in tried if n == "filters"} == {32, 128}
    assert {tuple(v) for n, v in tried if n == "kernel_size"} == (
        {(k, k) for k in (1, 2, 5, 7)}
        | {(k, 3) for k in (1, 2, 5, 7)}
        | {(3, k) for k in (1, 2, 5, 7)}
    )
    assert ("padding", "same") in tried and ("padding", "valid") not in tried


def test_the_table_of_edits_is_bounded(demo: Host) -> None:
    names = ("conv2d", "conv2d_1", "dense")
    settings = {name: told(demo, {"ask": "settings", "layer": name}) for name in names}
    table = known_edits(demo, settings, most_rows=7 * 5)  # the network has five layers
    assert {name: len(edits) for name, edits in table["edits"]} == {
        "conv2d": 3,
        "conv2d_1": 2,
        "dense": 2,
    }
    assert len(known_edits(demo, settings, most_rows=4)["edits"]) == 0


# -- writing it -----------------------------------------------------------------------------------


def test_python_writes_it(tmp_path: Path) -> None:
    net = network()
    run = net.run(digits()["two"])
    run.export(tmp_path / "run.html")
    assert single_file(Host(net, run)).text() == (tmp_path / "run.html").read_text("utf-8")
    with pytest.raises(InputError, match=r"give it one, image="):
        net.export(tmp_path / "net.html")
    with pytest.raises(OutputError, match=r"an image goes into a page, FILE\.html, and not into"):
        net.export(tmp_path / "net.onnx", digits()["two"])
    with pytest.raises(OutputError, match=r"name the file .*run\.html"):
        run.export(tmp_path / "run.onnx")
    with pytest.raises(OutputError, match="cannot write"):
        run.export(tmp_path / "nowhere" / "run.html")
    with pytest.raises(InputError, match="give it an image"):
        single_file(Host(net))
    assert sorted(p.name for p in tmp_path.iterdir()) == ["run.html"]


def test_the_command_line_writes_it(tmp_path: Path) -> None:
    def command(*words: str) -> tuple[int, str]:
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            done = CliRunner().invoke(main, ["export", *words])
        return done.exit_code, done.output

    path = tmp_path / "demo.html"
    assert command("demo", str(path)) == (0, f"wrote {path}\n")
    whole = path.read_bytes()
    code, said = command("demo", str(path))
    assert code == 1 and "--force replaces it" in said and path.read_bytes() == whole
    three = str(digits()["three"])
    code, said = command("demo", str(path), "--image", three, "--limit", "0.35", "--force")
    assert code == 0 and "Warning:" in said and "the kernel of dense (0.4 MiB)" in said
    assert b"three.png" in path.read_bytes() != whole
    code, said = command("demo", str(tmp_path / "net.onnx"), "--image", three)
    assert code == 2 and "--image, --limit, --lesson, --film and --survey go with FILE.html" in said
    model = tmp_path / "net.py"
    model.write_text("import convscope as cs\nnet = cs.Sequential([cs.Dense(2, input_shape=(3,))])")
    code, said = command(f"{model}:net", str(tmp_path / "net.html"))
    assert code == 2 and "--image FILE" in said
