"""The command line as a program: what it prints, how it exits, what it never does."""

from __future__ import annotations

import contextlib
import fcntl
import io
import json
import os
import pty
import re
import signal
import struct
import subprocess
import sys
import termios
import traceback
from pathlib import Path
from pkgutil import iter_modules
from typing import Any

import numpy as np
import onnxruntime as ort
import pytest
from PIL import Image
from programs import finding
from work import PATIENCE

from convscope import open as convscope_open
from convscope.cli import commands, entry
from convscope.errors import InputWarning

MODEL = """
from convscope import *
from convscope import Sequential, Conv2D, Dense, Flatten
model = Sequential([Conv2D(5, 3, input_shape=(9, 11, 2)), Conv2D(7, 2), Flatten(), Dense(4)], name="small")
def made():
    return model
broken = 3
"""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "net.py").write_text(MODEL.replace("from convscope import *\n", ""))
    array = np.random.default_rng(3).normal(size=(9, 11, 2)).astype(np.float32)
    np.save(tmp_path / "x.npy", array)
    return tmp_path


def convscope(
    *words: str, at: Path | None = None, **environment: str
) -> subprocess.CompletedProcess[str]:
    """Return what one command line prints and how it ends, run in this process."""
    out, err = (io.TextIOWrapper(io.BytesIO(), "utf-8", write_through=True) for _ in range(2))
    code: Any = 0
    with (
        contextlib.chdir(at or Path.cwd()),
        open(os.devnull) as nothing,
        pytest.MonkeyPatch.context() as patch,
    ):
        for name, value in {"COLUMNS": "100", **environment}.items():
            patch.setenv(name, value)
        patch.setattr(sys, "argv", ["convscope", *words])
        for name, stream in (("stdin", nothing), ("stdout", out), ("stderr", err)):
            patch.setattr(sys, name, stream)
        try:
            entry()
        except SystemExit as ended:
            code = ended.code
        except BaseException:  # noqa: BLE001 – as Python does at a program's end
            traceback.print_exc()
            code = 1
    printed = (stream.buffer.getvalue().decode() for stream in (out, err))
    return subprocess.CompletedProcess(["convscope", *words], code, *printed)


def process(
    *words: str, at: Path | None = None, **environment: str
) -> subprocess.CompletedProcess[str]:
    """Return the same, run as a program."""
    return subprocess.run(
        [sys.executable, "-m", "convscope", *words],
        check=False,
        capture_output=True,
        text=True,
        encoding="utf-8",
        cwd=at,
        stdin=subprocess.DEVNULL,
        env={**os.environ, "COLUMNS": "100", "PYTHONIOENCODING": "utf-8", **environment},
    )


@pytest.mark.parametrize(
    "words",
    ["summary net.py:model --json", "run net.py:model --image pixels.npy", "explain net.py:model 9", "-h", "export net.py:model ."],
    ids=["facts", "a note", "wrong usage", "help", "a failure"],
)  # fmt: skip
def test_a_program_ends_as_the_other_tests_run_it(folder: Path, words: str) -> None:
    pixels = np.random.default_rng(3).integers(0, 256, (9, 11, 2)).astype(np.uint8)
    np.save(folder / "pixels.npy", pixels)
    one, other = process(*words.split(), at=folder), convscope(*words.split(), at=folder)
    assert one.stdout or one.stderr
    assert (one.returncode, one.stdout, one.stderr) == (
        other.returncode,
        other.stdout,
        other.stderr,
    )


def test_the_demo_runs_and_proves_its_number() -> None:
    done = process("demo")
    assert done.returncode == 0, done.stderr
    flat = " ".join(done.stdout.split())
    for sentence in (
        "Why 64 maps, and not 32·64?",
        "One filter is 3×3×32, not 3×3",
        "Four pictures of conv2d_1, tested",
        "3·3·32 = 288 numbers",
        "The engine agrees",
    ):
        assert sentence in flat, sentence
    assert "\x1b[" not in done.stdout


def test_the_summary_as_json_is_one_object_and_nothing_else(folder: Path) -> None:
    done = convscope("summary", "net.py:model", "--json", at=folder)
    assert (done.returncode, done.stderr) == (0, "")
    found = json.loads(done.stdout)
    assert found["name"] == "small" and found["layout"] == "channels_last"
    assert found["layers"][1] == {
        "name": "conv2d_1",
        "kind": "Conv2D",
        "inputs": ["conv2d"],
        "input_shapes": [[None, 7, 9, 5]],
        "output_shape": [None, 6, 8, 7],
        "weights": {"kernel": [2, 2, 5, 7], "bias": [7]},
        "params": 147,
        "trainable": 147,
        "macs": 6 * 8 * 7 * 2 * 2 * 5,
        "receptive_field": {"size": [4, 4], "stride": [1, 1], "start": [0, 0]},
        "opaque": False,
    }
    params = 3 * 3 * 2 * 5 + 5 + 147 + 6 * 8 * 7 * 4 + 4
    assert found["totals"]["params"] == found["totals"]["trainable"] == params
    assert found["totals"]["non_trainable"] == 0 and found["totals"]["bytes"] == 4 * params


def test_a_trace_adds_up_and_agrees_with_the_engine(folder: Path) -> None:
    done = convscope(
        "trace", "net.py:made", "conv2d_1", "3,4,5", "--image", "x.npy", "--json", at=folder
    )
    assert (done.returncode, done.stderr) == (0, "")
    found = json.loads(done.stdout)
    assert found["layer"] == "conv2d_1" and found["position"] == [3, 4, 5]
    assert found["terms"] == 20 and [g["channel"] for g in found["groups"]] == [0, 1, 2, 3, 4]
    products = 0.0
    for group in found["groups"]:
        one = float(np.sum(np.multiply(group["window"], group["kernel"])))
        assert one == pytest.approx(group["partial_sum"], abs=1e-12)
        products += one
    assert products + found["bias"] == pytest.approx(found["preactivation"], abs=1e-12)
    assert found["difference"] == found["value"] - found["engine_value"]
    assert abs(found["difference"]) < 1e-5


def test_the_cone_gives_the_same_number_without_a_run(folder: Path) -> None:
    words = ("trace", "net.py:model", "conv2d_1", "3,4,5", "--image", "x.npy", "--json")
    by_run = json.loads(convscope(*words, at=folder).stdout)
    by_cone = json.loads(convscope(*words, "--cone", at=folder).stdout)
    assert by_cone["engine_value"] is None
    assert by_cone["value"] == pytest.approx(by_run["value"], abs=1e-6)


def test_run_writes_activations_and_a_picture_and_never_over_a_file(folder: Path) -> None:
    words = ("run", "net.py:model", "--image", "x.npy", "--out", "a.npz", "--maps", "conv2d_1")
    done = convscope(*words, at=folder)
    assert done.returncode == 0, done.stderr
    with np.load(folder / "a.npz") as stored:
        assert stored["conv2d_1"].shape == (6, 8, 7)
        assert stored["dense"].shape == (4,)
    with Image.open(folder / "conv2d_1.png") as picture:
        assert picture.format == "PNG" and picture.width > 8 * 2
    before = (folder / "a.npz").read_bytes()
    again = convscope(*words, at=folder)
    assert again.returncode == 1 and "a.npz exists already; --force replaces it" in again.stderr
    assert (folder / "a.npz").read_bytes() == before
    assert convscope(*words, "--force", at=folder).returncode == 0


def test_export_gives_a_file_that_computes_the_same(folder: Path) -> None:
    done = convscope("export", "net.py:model", "net.onnx", at=folder)
    assert done.returncode == 0, done.stderr
    session = ort.InferenceSession(folder / "net.onnx", providers=["CPUExecutionProvider"])
    x = np.load(folder / "x.npy")
    (expected,) = session.run(None, {session.get_inputs()[0].name: x[None]})
    ran = convscope("run", "net.py:model", "--image", "x.npy", "--out", "a.npz", at=folder)
    assert ran.returncode == 0
    with np.load(folder / "a.npz") as stored:
        np.testing.assert_allclose(stored["dense"], expected[0], rtol=1e-6)


def test_explain_in_every_form(folder: Path) -> None:
    for form, sign in (
        ("--markdown", r"## conv2d\_1"),
        ("--latex", r"\sum_{i=0}^{1}"),
        ("--html", "<"),
        ("--json", '"filter_shape"'),
    ):
        done = convscope("explain", "net.py:model", "conv2d_1", form, at=folder)
        assert done.returncode == 0, done.stderr
        assert sign in done.stdout, form
    done = convscope("explain", "net.py:model", at=folder)
    assert all(name in done.stdout for name in ("conv2d", "conv2d_1", "flatten", "dense"))


def test_the_four_pictures_and_the_one_that_is_true(folder: Path) -> None:
    words = ("explain", "net.py:model", "conv2d_1", "--models", "--image", "x.npy", "--json")
    done = convscope(*words, at=folder)
    found = json.loads(done.stdout)
    assert [p["output_shape"] for p in found["pictures"]] == [
        [6, 8, 35],
        [6, 8, 7],
        [6, 8, 7],
        [6, 8, 5],
    ]
    assert [p["engine_agrees"] for p in found["pictures"]] == [False, False, True, False]


COLOUR = "\x1b["


def test_colour_is_asked_for_or_not_there(folder: Path) -> None:
    words = ("explain", "net.py:model", "conv2d_1")
    assert COLOUR not in convscope(*words, at=folder).stdout
    assert COLOUR in convscope("--color", "always", *words, at=folder).stdout
    assert COLOUR in convscope(*words, at=folder, FORCE_COLOR="1").stdout
    assert COLOUR not in convscope(*words, at=folder, FORCE_COLOR="1", NO_COLOR="1").stdout
    assert COLOUR not in convscope("--color", "never", *words, at=folder, FORCE_COLOR="1").stdout


BAD = [
    (("summary", "nowhere.py:model"), "there is no file nowhere.py"),
    (("summary", "net.py:modle"), "did you mean 'model'?"),
    (("summary", "net.py:broken"), "net.py:broken is of type int, not a network"),
    (("summary", "nothing_of_the_kind"), "there is no file 'nothing_of_the_kind'"),
    (("summary", "nett.py"), "there is no file nett.py"),
    (("summary", "x.npy"), "--image x.npy"),
    (("summary", ""), "'' is not a network: give a file"),
    (("summary", "."), ". is a folder, not a network"),
    (("summary", "ends.py"), "ends.py, line 2: it ended itself with SystemExit (3)"),
    (("summary", "no_such_module:model"), "there is no module no_such_module"),
    (("summary", "net.py:model", "--columns", "parms"), "did you mean 'params'?"),
    (("explain", "net.py:model", "conv2d_2"), "did you mean 'conv2d_1'?"),
    (("trace", "net.py:model", "conv2d_1", "3,4,5"), "--image FILE"),
    (
        ("trace", "net.py:model", "conv2d_1", "3,4,7", "--image", "x.npy"),
        (
            "position (3, 4, 7) is outside conv2d_1, whose outputs have shape (6, 8, 7): "
            "filter o = 7 must lie in 0 … 6"
        ),
    ),
    (
        ("trace", "net.py:model", "conv2d_1", "3,4", "--image", "x.npy"),
        "needs 3 indices (y, x, o), not 2",
    ),
    (("trace", "net.py:model", "conv2d_1", "a,b", "--image", "x.npy"), "whole numbers with commas"),
    (("run", "net.py:model", "--image", "none.png"), "there is no image none.png"),
    (("run", "net.py:model", "--image", "net.py"), "net.py cannot be read as an image"),
    (("run", "net.py:model", "--image", "grey.png"), "1 channel where 2 are wanted"),
    (("run", "net.py:model", "--image", "x.npy", "--maps", "conv3d"), "did you mean 'conv2d'?"),
    (("explain", "net.py:model", "dense", "--models", "--image", "x.npy"), "conv2d, conv2d_1"),
    (("summary", "bad.py:model"), "conv2d_1: a window of 5 rows does not fit"),
    (("summary", "raises.py:model"), "raises.py, line 2: ZeroDivisionError"),
    (("sumary", "net.py:model"), "there is no command 'sumary' (did you mean 'summary'?)"),
    (("explain", "net.py:model", "--json", "--latex"), "--json and --latex are two forms"),
    (("summary", "net.py:model", "--style", "keras", "--csv"), "--csv goes without it"),
    (("trace", "net.py:model", "conv2d_1", "3", "4", "5", "--image", "x.npy"), ": 3,4,5"),
    (("explain", "net.py:model", "-1"), "small has 4 layers, counted from 1: there is none at -1"),
    (("explain", "net.py:model", "9"), "small has 4 layers, counted from 1: there is none at 9"),
    (("run", "net.py:model", "--image", "x.npy", "--pixels", "caffe"), "x.npy goes in as it is"),
    (("explain", "net.py:model", "2", "--depth", "1"), "--depth is about several"),
    (("summary", "net.py:model", "--columns", ""), "a summary has no column ''"),
    (("whatif", "net.py:model", "conv2d.use_bias=maybe"), "use_bias True or False would do"),
    (("whatif", "net.py:model", "conv2d.groups=g"), "must be whole numbers"),
    (
        ("film", "x.npy"),
        "x.npy is no film of convscope's: one is a .npz that convscope train --film wrote",
    ),
    (("film", "none.npz"), "none.npz cannot be read: No such file or directory"),
]


@pytest.mark.parametrize(
    ("words", "said"), BAD, ids=lambda v: "-".join(v)[:40] if isinstance(v, tuple) else ""
)
def test_bad_input_is_one_clear_line_and_exit_two(
    folder: Path, words: tuple[str, ...], said: str
) -> None:
    Image.new("L", (11, 9)).save(folder / "grey.png")
    (folder / "raises.py").write_text("x = 0\nmodel = 1 / x\n")
    (folder / "ends.py").write_text("import sys\nsys.exit(3)\n")
    (folder / "bad.py").write_text(
        "from convscope import *\nfrom convscope import Sequential, Conv2D, MaxPooling2D\n"
        "model = Sequential([Conv2D(3, 3, input_shape=(8, 9, 1)), MaxPooling2D(2), Conv2D(4, 5)])\n"
    )
    done = convscope(*words, at=folder)
    assert said in done.stderr, done.stderr
    assert "Traceback" not in done.stderr
    assert done.stdout == ""
    assert done.returncode == 2


def test_help_of_every_command() -> None:
    top = convscope("--help")
    assert top.returncode == 0
    names = [module.name.replace("_", "-") for module in iter_modules(commands.__path__)]
    assert {"summary", "explain", "trace", "run", "export", "demo"} <= set(names)
    for name in names:
        assert f"  {name} " in top.stdout
        one = convscope(name, "--help")
        assert one.returncode == 0 and "Usage: " in one.stdout


def test_a_command_is_imported_when_it_is_called() -> None:
    code = (
        "import sys; from convscope.cli import main; main(['summary', 'demo'], standalone_mode=False);"
        "print(sorted(m for m in sys.modules if m.startswith('convscope.cli.commands.')))"
    )
    done = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True)
    assert done.stdout.splitlines()[-1] == "['convscope.cli.commands.summary']"


def test_a_layer_may_be_named_by_its_place_and_indices_count_from_the_end(folder: Path) -> None:
    words = ("net.py:model", "2", "-1,-1,-1", "--image", "x.npy", "--json")
    found = json.loads(convscope("trace", *words, at=folder).stdout)
    assert (found["layer"], found["position"]) == ("conv2d_1", [5, 7, 6])
    done = convscope("explain", "net.py:model", "4", "--json", at=folder)
    assert json.loads(done.stdout)["layer"] == "dense"
    done = convscope("whatif", "net.py:model", "2.filters=3", "--json", at=folder)
    assert json.loads(done.stdout)["edits"][0]["layer"] == "conv2d_1"


@pytest.mark.parametrize("words", [("summary", "demo"), ("explain", "demo", "2"), ("--help",)])
def test_a_full_disk_is_said_in_one_line(words: tuple[str, ...]) -> None:
    with open("/dev/full", "w") as full:
        command = [sys.executable, "-m", "convscope", *words]
        done = subprocess.run(command, check=False, stdout=full, stderr=subprocess.PIPE, text=True)
    assert done.returncode == 1
    assert done.stderr.count("\n") == 1 and "No space left on device" in done.stderr


@pytest.mark.parametrize("words", ["summary demo", "--help", "run --help", "--version"])
def test_a_closed_stdout_is_said_and_nothing_is_done_as_if_it_were_there(words: str) -> None:
    command = f"{sys.executable} -m convscope {words} >&-"
    done = subprocess.run(command, shell=True, check=False, capture_output=True, text=True)
    assert (done.returncode, done.stderr) == (
        1,
        "Error: nothing can be written: stdout is closed\n",
    )


def test_a_folder_is_no_file_to_write(folder: Path) -> None:
    for words in (
        ("run", "net.py:model", "--image", "x.npy", "--out", ".", "--force"),
        ("export", "net.py:model", ".", "--force"),
    ):
        done = convscope(*words, at=folder)
        assert (done.returncode, done.stderr) == (1, "Error: . is a folder: name a file\n")


def test_ctrl_c_while_it_is_still_being_imported(tmp_path: Path) -> None:
    (tmp_path / "click.py").write_text("raise KeyboardInterrupt")
    command = [sys.executable, "-c", "from convscope.cli import entry; entry()"]
    done = subprocess.run(
        command,
        check=False,
        capture_output=True,
        text=True,
        env=finding(tmp_path),
    )
    assert (done.returncode, done.stderr) == (130, "stopped\n")
    first = "import sys, convscope.cli; print({'typing', 'contextlib', 're'} & {*sys.modules})"
    command = [sys.executable, "-S", "-c", f"import sys; sys.path[:] = {sys.path!r}; {first}"]
    assert subprocess.check_output(command, text=True) == "set()\n"  # nothing long before that


def shown_at_a_terminal(words: str, environment: dict[str, str]) -> tuple[str, int]:
    """Return what a command shows at a terminal of 24 lines of 80, and its exit code."""
    pid, screen = pty.fork()
    if pid == 0:
        os.environ.update(environment)
        os.execv(sys.executable, [sys.executable, "-m", "convscope", *words.split()])
    fcntl.ioctl(screen, termios.TIOCSWINSZ, struct.pack("HHHH", 24, 80, 0, 0))
    found = b""
    while True:
        try:
            read = os.read(screen, 65536)
        except OSError:  # the other end is closed
            read = b""
        if not read:
            break
        found += read
    return found.decode(), os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])


def test_what_is_longer_than_the_screen_goes_through_a_pager(tmp_path: Path) -> None:
    pager = tmp_path / "pager"
    pager.write_text("#!/bin/sh\necho the pager has it; sed -n 1,2p; cat > /dev/null\n")
    pager.chmod(0o755)
    there = {"PAGER": str(pager), "TERM": "xterm", "NO_COLOR": "1"}
    long, code = shown_at_a_terminal("explain demo", there)
    assert "the pager has it" in long and code == 0
    assert long.count("\n") == 3
    for words in ("summary demo", "--no-pager explain demo"):
        found, code = shown_at_a_terminal(words, there)
        assert "the pager" not in found and code == 0


def test_what_takes_a_moment_is_said_at_a_terminal_and_wiped_away(tmp_path: Path) -> None:
    (tmp_path / "slow.py").write_text(
        "import time\ntime.sleep(1.5)\nfrom convscope.demo import network as made\n"
    )
    found, code = shown_at_a_terminal(f"summary {tmp_path}/slow.py:made", {"TERM": "xterm"})
    assert code == 0 and "opening" in found and re.search(r" … \d+ s", found)
    assert found.rindex("\r\x1b[K") < found.index("digits")
    done = convscope("summary", f"{tmp_path}/slow.py:made")
    assert done.stderr == ""


def test_completion_offers_commands_layers_and_files(folder: Path) -> None:
    def offered(words: str) -> list[str]:
        environment = {"COMP_WORDS": words, "COMP_CWORD": str(words.count(" "))}
        done = convscope(at=folder, _CONVSCOPE_COMPLETE="bash_complete", **environment)
        return done.stdout.split()

    export = convscope("export", "net.py:model", "net.onnx", at=folder)
    assert export.returncode == 0
    assert offered("convscope su") == ["plain,summary", "plain,survey"]
    assert offered("convscope summary de") == ["plain,demo", "file,de"]
    assert offered("convscope explain demo conv") == ["plain,conv2d", "plain,conv2d_1"]
    assert offered("convscope trace net.onnx conv2d_") == ["plain,conv2d_1"]
    assert offered("convscope explain net.py:model conv") == []  # code is not run for that
    assert offered("convscope explain none.onnx conv") == []


def test_a_network_of_any_size_is_given_one(folder: Path) -> None:
    (folder / "any.py").write_text(
        "from convscope import *\nnet = Sequential([Conv2D(5, 3, input_shape=(None, None, 2))])\n"
    )
    for size, (rows, columns) in (("9,11", (7, 9)), ("9x11", (7, 9)), ("8", (6, 6))):
        done = convscope("summary", "any.py", "--size", size, "--json", at=folder)
        (row,) = json.loads(done.stdout)["layers"]
        assert row["output_shape"] == [None, rows, columns, 5]
        assert row["macs"] == rows * columns * 5 * 3 * 3 * 2
    for words, said in (
        (("any.py", "--size", "a"), "--size is a number such as 224"),
        (("net.py:model", "--size", "8"), "small has a size already: input 9×11×2"),
    ):
        done = convscope("summary", *words, at=folder)
        assert done.returncode == 2 and said in done.stderr


def test_whole_numbers_up_to_255_are_said_to_go_in_as_they_are(folder: Path) -> None:
    pixels = np.random.default_rng(3).integers(0, 256, (9, 11, 2)).astype(np.uint8)
    np.save(folder / "pixels.npy", pixels)
    np.save(folder / "mask.npy", pixels // 255)
    for name, said in (("pixels", True), ("mask", False), ("x", False)):
        done = convscope("run", "net.py:model", "--image", f"{name}.npy", "--json", at=folder)
        assert done.returncode == 0
        assert ("Note: " in done.stderr and "divide it by 255" in done.stderr) == said
    small = convscope_open(folder / "net.py")
    with pytest.warns(InputWarning, match="divide it by 255"):
        small.run(pixels)


def test_a_closed_pipe_is_no_error(folder: Path) -> None:
    command = f"{sys.executable} -m convscope explain net.py:model | head -1"
    done = subprocess.run(
        command, shell=True, check=False, capture_output=True, text=True, cwd=folder
    )
    assert done.stderr == ""


def test_ctrl_c_ends_it_with_130(folder: Path) -> None:
    (folder / "slow.py").write_text(
        # a shell that starts jobs in the background makes them deaf to Ctrl-C
        "import signal, time\nsignal.signal(signal.SIGINT, signal.default_int_handler)\n"
        "print('started', flush=True)\ntime.sleep(600)\nmodel = None\n"
    )
    with subprocess.Popen(
        [sys.executable, "-m", "convscope", "summary", "slow.py:model"],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        cwd=folder,
    ) as child:
        assert child.stderr is not None and child.stderr.readline() == "started\n"
        child.send_signal(signal.SIGINT)
        _, said = child.communicate(timeout=PATIENCE)
    assert child.returncode == 130
    assert said.strip() == "stopped"


def test_pixels_go_in_as_the_network_says_and_that_is_said(tmp_path: Path) -> None:
    from click.testing import CliRunner

    from convscope.cli import main

    (tmp_path / "net.py").write_text(
        "import convscope as cs\n"
        "net = cs.Sequential([cs.Rescaling(1 / 255, input_shape=(6, 7, 1), name='own'), cs.Conv2D(2, 3)])\n"
    )
    Image.new("L", (7, 6), 100).save(tmp_path / "grey.png")
    given = [f"{tmp_path}/net.py:net", "own", "1,2,0", "--image", f"{tmp_path}/grey.png", "--json"]
    found = CliRunner().invoke(main, ["trace", *given])
    assert (
        "pixels go in as 0-255: its own own takes 0 … 255 to 0 … 1 (--pixels changes"
        in found.stderr
    )
    assert abs(json.loads(found.stdout)["value"] - 100 / 255) < 1e-6
    found = CliRunner().invoke(main, ["trace", *given, "--pixels", "0-1"])
    assert found.stderr == "" and abs(json.loads(found.stdout)["value"] - 100 / 255 / 255) < 1e-6


@pytest.mark.parametrize(
    "command",
    [
        "train demo --out a.npz: --out is written as .keras: name the file a.keras, not a.npz",
        "train demo --film a.txt: --film is written as .npz: name the file a.npz, not a.txt",
        "train demo --out gone/a.keras: cannot write gone/a.keras: there is no folder",
        "train demo --out .: . is a folder",
        "run demo --out a.txt: --out is written as .npz: name the file a.npz, not a.txt",
        "survey demo nothing --page a.txt: --page is written as .html: name the file a.html, not a.txt",
        "survey demo nothing --parquet gone/a.parquet: cannot write gone/a.parquet: there is no folder",
    ],
)
def test_what_cannot_be_written_is_said_before_the_work_is_done(
    command: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Hours of a survey or of training must not end in an error about the name of the file."""
    from click.testing import CliRunner

    from convscope.cli import main
    from convscope.demo import training
    from convscope.network.network import Network
    from convscope.survey import work

    def begun(*_: object, **__: object) -> None:
        raise AssertionError("the work has begun")

    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(training, "split", begun)
    monkeypatch.setattr(Network, "run", begun)
    monkeypatch.setattr(work, "survey", begun)
    arguments, _, said = command.partition(": ")
    done = CliRunner().invoke(main, arguments.split())
    assert done.exit_code in (1, 2) and said in done.output, done.output
    assert not list(tmp_path.iterdir())
