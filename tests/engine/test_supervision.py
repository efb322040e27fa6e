"""Native work ends: by its time limit, by its memory limit, by Ctrl-C, and when it crashes."""

from __future__ import annotations

import signal
import subprocess
import sys
import threading
import time
import warnings
from pathlib import Path
from typing import Any

import hostile_onnx
import numpy as np
import onnx_models
import pytest
from onnx import helper
from programs import HEARS
from work import PATIENCE

import convscope
from convscope.engine import child, supervision
from convscope.engine.child import Child, ChildDied, lent, receive, send
from convscope.engine.supervision import TookTooLong, supervised
from convscope.errors import EngineError

# -- in this process ------------------------------------------------------------------------------


def test_what_work_returns_or_raises() -> None:
    assert supervised(lambda: 7, lambda: None) == 7
    with pytest.raises(ZeroDivisionError):
        supervised(lambda: 1 // 0, lambda: None, 60)


def test_work_that_takes_too_long_is_told_to_stop() -> None:
    told = threading.Event()
    with pytest.raises(TookTooLong):
        supervised(lambda: told.wait(60), told.set, 0.1)
    assert told.is_set()


def test_an_interrupt_stops_the_work(monkeypatch: pytest.MonkeyPatch) -> None:
    """Raised where a signal would raise it: in whoever waits."""
    told, begun = threading.Event(), threading.Event()
    real = threading.Event.wait

    def interrupted(self: threading.Event, timeout: float | None = None) -> bool:
        if threading.current_thread() is threading.main_thread() and not told.is_set():
            real(begun, 60)
            raise KeyboardInterrupt
        return real(self, timeout)

    monkeypatch.setattr(threading.Event, "wait", interrupted)

    def work() -> bool:
        begun.set()
        return real(told, 60)

    with pytest.raises(KeyboardInterrupt):
        supervised(work, told.set)
    assert told.is_set()


def test_work_that_does_not_listen_is_waited_for_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """Not again when the program ends."""
    monkeypatch.setattr(supervision, "GRACE", 0.1)
    ends = threading.Event()
    with pytest.raises(TookTooLong):
        supervised(lambda: ends.wait(PATIENCE), lambda: None, 0.1)
    assert not supervision._at_work
    ends.set()


def test_making_a_session_ready_is_stopped(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("convscope.engine.sessions.READY_SECONDS", 0.1)
    monkeypatch.setattr("convscope.readers.onnx.build.MOST_FIXED_WORK", 1 << 40)
    net = convscope.open(hostile_onnx.long_constants(3))
    net.backing.time_limit = 0.1  # type: ignore[attr-defined]
    assert net.graph.material.checked  # type: ignore[attr-defined]
    with pytest.raises(
        EngineError, match=r"making made ready in ONNX Runtime was stopped after 0\.1 seconds"
    ):
        net.run(np.ones((1,), np.float32))


@pytest.mark.parametrize("times", [2, 60])
def test_constants_that_grow_far_or_take_long_are_made_apart(times: int) -> None:
    """Few numbers may take many products, in the midst of which nothing stops the engine."""
    net = convscope.open(hostile_onnx.long_constants(times))
    assert not net.graph.material.checked  # type: ignore[attr-defined]


def test_a_run_is_stopped_here() -> None:
    net = convscope.open(hostile_onnx.long_run())
    net.backing.time_limit = 0.5  # type: ignore[attr-defined]
    assert net.graph.material.checked  # type: ignore[attr-defined]
    with pytest.raises(
        EngineError, match=r"running made in ONNX Runtime was stopped after 0\.5 seconds"
    ):
        net.run(np.ones((1,), np.float32))


# -- in a process apart -----------------------------------------------------------------------------


def asked(one: Child, task: str, *arrays: Any, **said: Any) -> Any:
    """Ask a child for one of the tests' tasks."""
    seconds, memory = said.pop("seconds", 60), said.pop("memory", 1 << 28)
    return one.ask(f"child_tasks:{task}", said, arrays, f"doing {task}", seconds, memory)


@pytest.fixture
def one() -> Any:
    found = Child()
    yield found
    found.close()


def test_arrays_go_there_and_back(one: Child) -> None:
    arrays: list[np.ndarray[Any, Any] | None] = [
        np.arange(6, dtype=np.float32).reshape(2, 3),
        np.array(5, np.int64),
        np.zeros((0, 4), np.float16),
        None,
        np.asfortranarray(np.arange(12).reshape(3, 4)),
    ]
    said, found = asked(one, "doubled", *arrays, word="é")
    assert said == {"times": 1, "word": "é"}
    for array, back in zip(arrays, found, strict=True):
        if array is None:
            assert back is None
        else:
            assert isinstance(back, np.ndarray)
            assert (back.dtype, back.shape) == (array.dtype, array.shape)
            np.testing.assert_array_equal(back, array * 2)
    assert asked(one, "doubled")[0]["times"] == 2


@pytest.mark.parametrize(
    ("task", "said"),
    [
        ("crash", "doing crash crashed: its process ended by SIGSEGV"),
        ("leave", "doing leave crashed: its process ended with exit status 7"),
    ],
)
def test_a_death_is_an_error(one: Child, task: str, said: str) -> None:
    with pytest.raises(ChildDied, match=said):
        asked(one, task)
    assert not one.alive


def test_its_time_is_up(one: Child) -> None:
    asked(one, "doubled")
    with pytest.raises(ChildDied, match=r"doing stall was stopped after 0\.2 seconds"):
        asked(one, "stall", seconds=0.2)
    assert not one.alive


@pytest.mark.skipif(sys.platform != "linux", reason="memory is limited on Linux")
def test_its_memory_is_limited(one: Child) -> None:
    with pytest.raises(EngineError, match=r"allocate|Memory"):
        asked(one, "flood", bytes=1 << 30)
    assert one.alive  # the next question has its own limit
    assert asked(one, "flood", bytes=1 << 20)[1][0].sum() == 1 << 20


def test_nonsense_is_not_taken_for_an_answer() -> None:
    import io

    pipe = io.BytesIO()
    send(pipe, {"a": 1}, [np.ones((3, 5), np.float32)])
    whole = pipe.getvalue()
    assert receive(io.BytesIO(whole), 60)[1][0].sum() == 15  # type: ignore[union-attr]
    with pytest.raises(ValueError, match="too many numbers"):
        receive(io.BytesIO(whole), 59)
    for bad in (
        whole[:-1],
        b"",
        b"\xff" * 30,
        whole.replace(b"<f4", b"|O4"),
        whole.replace(b"[3, 5]", b"[-3,5]"),
        whole.replace(b'"arrays"', b'"urrays"'),
        whole.replace(b"{", b"[", 1),
    ):
        with pytest.raises((ValueError, EOFError)):
            receive(io.BytesIO(bad), 60)


def test_what_native_code_prints_disturbs_nothing(one: Child) -> None:
    assert asked(one, "babble") == ({}, [])
    assert asked(one, "doubled")[0]["times"] == 1


def test_a_child_is_lent_again_and_not_after_its_death() -> None:
    with lent() as first:
        asked(first, "doubled")
    with lent() as again:
        assert again is first
        with lent() as another:
            assert another is not first
        with pytest.raises(ChildDied):
            asked(again, "leave")
    with lent() as fresh:
        assert fresh is not first
        asked(fresh, "doubled")


def test_one_that_has_waited_long_is_not_asked(monkeypatch: pytest.MonkeyPatch) -> None:
    with lent() as first:
        asked(first, "doubled")
    monkeypatch.setattr(child, "STALE_SECONDS", 0)
    with lent() as again:
        assert again is not first


def test_it_ends_when_its_parent_does(tmp_path: Path) -> None:
    code = (
        "import os, sys, threading\n"
        f"sys.path.insert(0, {str(Path(__file__).parents[1])!r})\n"
        "from convscope.engine.child import Child\n"
        "one = Child()\n"
        "print(one._process.pid, flush=True)\n"
        f"threading.Thread(target=one.ask, daemon=True, args=('child_tasks:stall', {{}}, [], 'x', 600, 1 << 28)).start()\n"
        "import time; time.sleep(600)\n"
    )
    parent = subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE)
    assert parent.stdout is not None
    pid = int(parent.stdout.readline())
    assert running(pid)
    parent.kill()
    parent.communicate()
    until = time.monotonic() + PATIENCE
    while running(pid) and time.monotonic() < until:
        time.sleep(0.1)
    assert not running(pid)


def running(pid: int) -> bool:
    try:
        return "Z" not in Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except FileNotFoundError:
        return False


# -- ONNX Runtime there ---------------------------------------------------------------------------


def test_an_operator_without_an_equation_runs_apart_and_as_it_would_here() -> None:
    nodes = [
        helper.make_node("Conv", ["x", "w"], ["a"]),
        helper.make_node("Det", ["a"], ["d"]),
        helper.make_node("Unsqueeze", ["d", "last"], ["y"]),
    ]
    rng = np.random.default_rng(3)
    weights = {
        "w": rng.normal(size=(5, 2, 3, 2)).astype(np.float32),
        "last": np.array([2]),
    }
    model = onnx_models.model(nodes, {"x": [None, 2, 6, 5]}, ["y", "a"], weights)
    net = convscope.open(model)
    assert not net.graph.material.checked  # type: ignore[attr-defined]
    x = rng.normal(size=(3, 2, 6, 5)).astype(np.float32)
    import onnxruntime

    session = onnxruntime.InferenceSession(
        model.SerializeToString(), providers=["CPUExecutionProvider"]
    )
    wanted = session.run(["y", "a"], {"x": x})
    found = net.run(x[0])
    for array in found.activations.values():
        assert array.dtype == np.float32
    np.testing.assert_array_equal(found["conv"], wanted[1][0])
    np.testing.assert_array_equal(found[net.graph.outputs[0]], wanted[0][0])


@pytest.mark.skipif(sys.platform != "linux", reason="memory is limited on Linux")
def test_a_loop_that_grows_without_end_is_ended(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("convscope.engine.estimate.UNKNOWN_WORK", 1 << 28)
    net = convscope.open(hostile_onnx.growing_loop())
    with pytest.raises(EngineError, match="ONNX Runtime"):
        net.run(np.ones((3,), np.float32))


def test_a_model_that_brings_onnx_runtime_down_is_an_error() -> None:
    with warnings.catch_warnings(record=True) as said:
        warnings.simplefilter("always")
        net = convscope.open(hostile_onnx.aborting_inference())
    assert sum("crashed: its process ended by SIGABRT" in str(one.message) for one in said) == 1
    with pytest.raises(EngineError, match=r"ONNX Runtime"):
        net.run(np.ones((2, 4, 4), np.float32))


@pytest.mark.skipif(sys.platform == "win32", reason="no SIGINT can be sent")
@pytest.mark.parametrize("name", ["endless_loop", "long_run"])
def test_ctrl_c_ends_a_native_run(tmp_path: Path, name: str) -> None:
    """Both where it runs apart and where it runs here."""
    (tmp_path / "net.onnx").write_bytes(getattr(hostile_onnx, name)().SerializeToString())
    size = 3 if name == "endless_loop" else 1
    np.save(tmp_path / "x.npy", np.ones((size,), np.float32))
    code = (
        "import sys\n"
        "from convscope.engine import supervision\n"
        "real = supervision.threading.Event.wait\n"
        "def wait(self, seconds=None):\n"
        "    print('waiting', flush=True)\n"
        "    return real(self, seconds)\n"
        "supervision.threading.Event.wait = wait\n"
        "sys.argv = ['convscope', 'run', 'net.onnx', '--image', 'x.npy']\n"
        "from convscope.__main__ import entry\n"
        "entry()\n"
    )
    with subprocess.Popen(
        [sys.executable, "-c", code],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        cwd=tmp_path,
        **HEARS,
    ) as process:
        assert process.stdout is not None
        for _ in range(12):  # the engine is at work by then
            assert process.stdout.readline() == "waiting\n"
        process.send_signal(signal.SIGINT)
        _, said = process.communicate(timeout=PATIENCE)
    assert process.returncode == 130
    assert said.strip().endswith("stopped")
    assert "Traceback" not in said


def test_a_program_that_ends_while_others_still_run_networks_ends_as_it_says() -> None:
    """Native code that comes back while the interpreter is being taken down would abort the process."""
    code = (
        "import threading, time\n"
        "import numpy as np\n"
        "from convscope import Conv2D, Sequential\n"
        "net = Sequential([Conv2D(25, 3, input_shape=(310, 290, 2))])\n"
        "image = np.ones((310, 290, 2), np.float32)\n"
        "net.run(image)\n"
        "def on():\n"
        "    while True:\n"
        "        net.run(image)\n"
        "threading.Thread(target=on, daemon=True).start()\n"
        "class Slow:\n"
        "    def __del__(self, wait=time.sleep):\n"
        "        wait(0.5)\n"
        "last = Slow()\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")


def test_what_asks_while_the_program_ends_is_answered() -> None:
    """A function that was registered before convscope was loaded is called after native work was told to stop."""
    code = (
        "import atexit\n"
        "@atexit.register\n"
        "def last():\n"
        "    print(net.run(np.ones((9, 8, 2), np.float32)).output.shape)\n"
        "import numpy as np\n"
        "from convscope import Conv2D, Sequential\n"
        "net = Sequential([Conv2D(5, 3, input_shape=(9, 8, 2))])\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, timeout=PATIENCE, check=False
    )
    assert (done.stdout, done.stderr) == ("(7, 6, 5)\n", "")
