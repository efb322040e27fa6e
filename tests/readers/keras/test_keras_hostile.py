"""Hostile and damaged files: each is opened, opened with warnings, or refused by a typed error. Nothing else."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import warnings
from pathlib import Path

import hostile
import hostile_weights
import keras
import numpy as np
import pytest
from hostile import COUNT, MOST_CALLS, ODD, leaves, opened
from work import counted

import convscope
from convscope.errors import SourceError, SourceWarning, WeightsError

REFUSED = [*hostile.REFUSED, *hostile_weights.REFUSED_AT_ONCE]

pytestmark = pytest.mark.filterwarnings("default")  # Keras's own conversions warn with numpy 2


@pytest.fixture(scope="module")
def good(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A small network with everything in it: operations, a nested network, a layer used twice."""
    x = keras.Input((8, 9, 3), name="image")
    y = keras.layers.Conv2D(4, 3, padding="same", name="conv")(x)
    y = keras.layers.BatchNormalization(name="norm")(y) + 3.0
    inner = keras.Sequential(
        [keras.Input((8, 9, 4)), keras.layers.Conv2D(4, 3, padding="same")], name="inner"
    )
    y = keras.ops.multiply(inner(y), inner(inner(y)))
    y = keras.layers.GlobalAveragePooling2D(name="pool")(y)
    y = keras.layers.Dense(5, activation="softmax", name="dense")(y)
    folder = tmp_path_factory.mktemp("good")
    model = keras.Model(x, y, name="small")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        model.save(folder / "good.keras")
        model.save(folder / "good.h5")
    return folder


@pytest.fixture(scope="module")
def members(good: Path) -> hostile.Members:
    return hostile.members_of(good / "good.keras")


@pytest.mark.parametrize(("trick", "message"), REFUSED, ids=lambda v: getattr(v, "__name__", ""))
def test_refused(
    trick: hostile.Trick, message: str, members: hostile.Members, tmp_path: Path
) -> None:
    path = tmp_path / "bad.keras"
    trick(members, path)
    with counted() as work, pytest.raises(SourceError, match=message):
        convscope.open(path)
    assert work.calls < MOST_CALLS


@pytest.mark.parametrize(
    ("trick", "message"), hostile.OPAQUE, ids=lambda v: getattr(v, "__name__", "")
)
def test_an_impossible_layer_is_opaque(
    trick: hostile.Trick, message: str, members: hostile.Members, tmp_path: Path
) -> None:
    path = tmp_path / "bad.keras"
    trick(members, path)
    with pytest.warns(SourceWarning, match=message):
        network = convscope.open(path)
    rows = {row.name: row for row in network.facts().rows}
    assert (rows["conv"].opaque, rows["conv"].output_shape) == (True, (None, 8, 9, 4))
    assert (rows["conv"].params, rows["norm"].params) == (4 * 28, 16)
    assert not rows["dense"].opaque
    assert re.search(message, str(network.explain("conv")))


@pytest.mark.parametrize(
    ("trick", "message"), hostile_weights.REFUSED_LATER, ids=lambda v: getattr(v, "__name__", "")
)
def test_opens_but_its_weights_are_refused(
    trick: hostile.Trick, message: str, members: hostile.Members, tmp_path: Path
) -> None:
    path = tmp_path / "bad.keras"
    trick(members, path)
    network = convscope.open(path)
    assert network.count_params() == 4 * 28 + 16 + 148 + 25
    with counted() as work, pytest.raises((SourceError, WeightsError), match=message):
        network.get_weights()
    assert work.calls < MOST_CALLS


def test_no_name_of_a_member_becomes_a_path(members: hostile.Members, tmp_path: Path) -> None:
    path = tmp_path / "inside" / "up.keras"
    path.parent.mkdir()
    hostile.write({**members, "../evil.txt": b"x", "/tmp/evil.txt": b"x"}, path)
    assert len(convscope.open(path).get_weights()) == 10
    assert sorted(p.name for p in tmp_path.rglob("*")) == ["inside", "up.keras"]


def test_a_folder_a_pipe_and_a_missing_file(tmp_path: Path) -> None:
    with pytest.raises(SourceError, match=r"there is no file .*none\.keras"):
        convscope.open(tmp_path / "none.keras")
    (tmp_path / "folder.keras").mkdir()
    with pytest.raises(SourceError, match="is a folder"):
        convscope.open(tmp_path / "folder.keras")
    os.mkfifo(tmp_path / "pipe.keras")
    with pytest.raises(SourceError, match="not a regular file"):
        convscope.open(tmp_path / "pipe.keras")


def test_a_file_that_changes_after_it_was_opened(good: Path, tmp_path: Path) -> None:
    path = tmp_path / "a.keras"
    path.write_bytes((good / "good.keras").read_bytes())
    network = convscope.open(path)
    path.write_bytes(path.read_bytes()[:-100])
    with pytest.raises(SourceError, match="has changed since it was opened"):
        network.get_weights()


@pytest.mark.parametrize("suffix", ["keras", "h5"])
def test_damaged_files(good: Path, tmp_path: Path, suffix: str) -> None:
    """Bytes changed, cut out, doubled, at places that a seed chooses."""
    whole = (good / f"good.{suffix}").read_bytes()
    path = tmp_path / f"damaged.{suffix}"
    ends: dict[str, int] = {}
    with np.errstate(all="ignore"):
        for seed in range(COUNT):
            rng = np.random.default_rng([seed, len(suffix)])
            data = bytearray(whole)
            for _ in range(int(rng.integers(1, 6))):
                at = int(rng.integers(len(data)))
                match rng.integers(4):
                    case 0:
                        data[at] = int(rng.integers(256))
                    case 1:
                        data[at : at + 8] = bytes(rng.choice([0, 255], 8).astype(np.uint8))
                    case 2:
                        del data[at : at + int(rng.integers(1, 64))]
                    case _:
                        data[at:at] = data[at : at + int(rng.integers(1, 64))]
            path.write_bytes(data)
            with counted() as work:
                end = opened(path)
            assert work.calls < MOST_CALLS, seed
            ends[end] = ends.get(end, 0) + 1
    assert sum(ends.values()) == COUNT
    assert ends.get("refused", 0) + ends.get("its weights refused", 0) > COUNT // 10


def test_odd_values_anywhere_in_the_config(members: hostile.Members, tmp_path: Path) -> None:
    config = json.loads(members[hostile.CONFIG])
    places = list(leaves(config))
    path = tmp_path / "odd.keras"
    rng = np.random.default_rng(5)
    ends: dict[str, int] = {}
    for number in range(3 * COUNT):
        text = json.dumps(config)
        changed = json.loads(text)
        where = places[int(rng.integers(len(places)))]
        odd = ODD[int(rng.integers(len(ODD)))]
        target = changed
        for key in where[:-1]:
            target = target[key]
        target[where[-1]] = odd
        hostile.with_config(members, path, changed)
        with counted() as work:
            end = opened(path)
        assert work.calls < MOST_CALLS, (number, where, odd)
        ends[end] = ends.get(end, 0) + 1
    assert ends["refused"] > COUNT // 10 and ends["opened"] > COUNT // 10, ends


CANARY = """
import sys, warnings
from pathlib import Path
import convscope
from convscope.layers import kinds
kinds()
folder = Path(sys.argv[1])
warnings.simplefilter("ignore")
def look(path):
    try:
        network = convscope.open(path)
        network.facts().to_dict()
        network.explain().to_dict()
        network.get_weights()
    except convscope.errors.ConvscopeError:
        pass
for good in ("good.keras", "good.h5"):
    look(folder / good)          # everything that is imported late is imported now
import difflib, numpy.lib.format
armed, seen = None, []
own = str(Path(convscope.__file__).parent)   # the kinds' sources, in which names are looked up
def hook(event, arguments):
    if armed is None:
        return
    if event == "open" and str(arguments[0]) != str(armed) and not str(arguments[0]).startswith(own):
        seen.append(f"{armed.name}: open {arguments[0]}")
    bad = ("exec", "compile", "marshal.", "pickle.", "subprocess.", "os.system", "os.exec", "os.posix_spawn",
           "os.fork", "socket.", "ctypes.", "shutil.", "os.remove", "os.rename", "os.mkdir", "urllib.")
    if event.startswith(bad):
        seen.append(f"{armed.name}: {event} {str(arguments)[:80]}")
sys.addaudithook(hook)
for path in sorted(folder.iterdir()):
    armed = path
    look(path)
    armed = None
print("\\n".join(seen))
"""


def test_the_canary(good: Path, members: hostile.Members, tmp_path: Path) -> None:
    """Nothing is run, unpickled or sent, and no file is opened but the one that was given."""
    for name in ("good.keras", "good.h5"):
        (tmp_path / name).write_bytes((good / name).read_bytes())
    count = len(list(hostile_weights.everything(members, tmp_path)))
    x = keras.Input((4,))
    with_lambda = keras.Model(x, keras.layers.Lambda(lambda v: v * 2, output_shape=(4,))(x))
    with_lambda.save(tmp_path / "lambda.keras")
    done = subprocess.run(
        [sys.executable, "-c", CANARY, str(tmp_path)], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.strip() == ""
    assert count == len(REFUSED) + len(hostile_weights.REFUSED_LATER)


def test_a_lambda_is_opaque_and_its_code_is_not_touched(tmp_path: Path) -> None:
    x = keras.Input((4,))
    y = keras.layers.Lambda(lambda v: v * 2, output_shape=(4,), name="twice")(x)
    keras.Model(x, keras.layers.Dense(3, name="after")(y)).save(tmp_path / "lambda.keras")
    network = convscope.open(tmp_path / "lambda.keras")
    twice, after = network.facts().rows
    assert (twice.kind, twice.opaque, twice.output_shape, twice.params) == (
        "Lambda",
        True,
        (None, 4),
        0,
    )
    assert (after.opaque, after.output_shape, after.params) == (False, (None, 3), 15)


def test_a_word_where_a_number_must_stand_makes_an_opaque_layer(
    members: hostile.Members, tmp_path: Path
) -> None:
    """In Python it is a symbol; a file that says it cannot be run, and says so."""
    config = json.loads(members[hostile.CONFIG])
    conv = next(la for la in config["config"]["layers"] if la["class_name"] == "Conv2D")
    conv["config"]["kernel_size"] = ["my_fn", 3]
    hostile.with_config(members, tmp_path / "word.keras", config)
    with pytest.warns(SourceWarning, match="kernel_size must be numbers, not"):
        net = convscope.open(tmp_path / "word.keras")
    assert net.graph.nodes["conv"].layer.opaque
    assert not net.graph.nodes["dense"].layer.opaque
