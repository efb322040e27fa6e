"""Layers that stand in two networks of one file, and weights that lie in several files or in pickles."""

from __future__ import annotations

import json
import re
import warnings
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import h5py
import hostile
import hostile_weights
import keras
import numpy as np
import pytest
from hostile import COUNT, MOST_CALLS, ODD, leaves, opened
from work import counted

import convscope
from convscope.errors import SourceWarning, WeightsError

pytestmark = pytest.mark.filterwarnings("default")  # Keras's own conversions warn with numpy 2

layers = keras.layers


def saved(model: Any, path: Path) -> Path:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        model.save(path)
    return path


def output(model: Any, image: np.ndarray[Any, Any]) -> Any:
    batch = keras.ops.convert_to_tensor(image[np.newaxis])
    return model(batch, training=False).detach().numpy()[0]


# -- shared layers --------------------------------------------------------------------------------


def parts() -> tuple[Any, Any, Any]:
    """An input, a layer, and a Sequential that has it between layers of its own."""
    x = keras.Input((8, 9, 3), name="x")
    conv = layers.Conv2D(3, 3, padding="same", name="conv")
    own = layers.Conv2D(3, 2, padding="same", name="own")
    inner = keras.Sequential([keras.Input((8, 9, 3)), layers.ReLU(), conv, own], name="inner")
    return x, conv, inner


def outer_first() -> Any:
    x, conv, inner = parts()
    return keras.Model(x, inner(conv(x)))


def inner_first() -> Any:
    x, conv, inner = parts()
    return keras.Model(x, conv(inner(x)))


def in_two_inner_networks() -> Any:
    x, conv, inner = parts()
    after = layers.Conv2D(5, 2, name="after")
    other = keras.Sequential([keras.Input((8, 9, 3)), conv, after], name="other")
    return keras.Model(x, other(inner(x)))


def a_whole_network_inside_another() -> Any:
    x, _, inner = parts()
    after = layers.Conv2D(3, 4, padding="same", name="after")
    other = keras.Sequential([keras.Input((8, 9, 3)), inner, after], name="other")
    return keras.Model(x, inner(other(x)))


def in_a_functional_network() -> Any:
    _, conv, _ = parts()
    z = keras.Input((8, 9, 3), name="z")
    inner = keras.Model(z, layers.ReLU(name="relu")(conv(z)), name="inner")
    after = layers.Conv2D(5, 2, name="after")
    return keras.Sequential([keras.Input((8, 9, 3)), inner, conv, after], name="stack")


SHARING = [
    outer_first,
    inner_first,
    in_two_inner_networks,
    a_whole_network_inside_another,
    in_a_functional_network,
]


def numbered(model: Any) -> Any:
    """Give every weight numbers of its own, biases too, so that none can pass for another."""
    for place, weight in enumerate(model.weights):
        rng = np.random.default_rng(place)
        drawn = rng.normal(scale=0.3, size=weight.shape).astype(np.float32)
        weight.assign(drawn if len(weight.shape) > 1 else abs(drawn) + 0.1)  # a variance too
    return model


@pytest.mark.parametrize("suffix", ["keras", "h5", "live"])
@pytest.mark.parametrize("make", SHARING, ids=lambda make: make.__name__)
def test_a_layer_in_two_networks(make: Callable[[], Any], suffix: str, tmp_path: Path) -> None:
    model = numbered(make())
    source = model if suffix == "live" else saved(model, tmp_path / f"m.{suffix}")
    network = convscope.open(source)
    assert network.warnings == []
    image = np.random.default_rng(9).normal(size=(8, 9, 3)).astype(np.float32)
    assert np.allclose(network.run(image).output, output(model, image), atol=2e-5)
    if suffix == "h5":  # which does not say that they are one: Keras makes two layers of them
        again = keras.models.load_model(source)
        assert network.count_params() == again.count_params() > model.count_params()
        assert np.allclose(network.run(image).output, output(again, image), atol=2e-5)
        return
    assert network.count_params() == model.count_params()
    rows = network.facts().rows
    shared = {row.name: row.shared_with for row in rows if row.shared_with}
    assert shared and all("conv" in n or "re" in n or "own" in n for n in shared)
    for row in rows:
        assert network.run(image).trace(row.name, (4, 5, 2)).facts.agrees, row.name


def test_what_shares_what(tmp_path: Path) -> None:
    network = convscope.open(saved(inner_first(), tmp_path / "m.keras"))
    rows = {row.name: row for row in network.facts().rows}
    assert rows["conv"].shared_with == "inner/conv"
    assert network.get_layer("conv") is network.get_layer("inner/conv")
    assert rows["inner/own"].shared_with is None
    # 3·3·3·3 + 3 for conv, 2·2·3·3 + 3 for own
    assert network.count_params() == 84 + 39


def test_two_layers_that_look_the_same_are_two(tmp_path: Path) -> None:
    """One name, one class, the same settings in two networks; and each has its own weights."""

    def tower(name: str) -> Any:
        conv = layers.Conv2D(3, 3, padding="same", name="conv")
        return keras.Sequential([keras.Input((8, 9, 3)), conv], name=name)

    x = keras.Input((8, 9, 3))
    model = numbered(keras.Model(x, layers.Add()([tower("left")(x), tower("right")(x)])))
    network = convscope.open(saved(model, tmp_path / "towers.keras"))
    assert network.count_params() == model.count_params() == 2 * 84
    image = np.random.default_rng(1).normal(size=(8, 9, 3)).astype(np.float32)
    assert np.allclose(network.run(image).output, output(model, image), atol=1e-5)


def test_three_that_look_the_same_of_which_two_are_one(tmp_path: Path) -> None:
    """The mark is lost on the first of the two; which of the twins it was, nobody can tell: an error."""
    x = keras.Input((8, 9, 3))
    conv = layers.Conv2D(3, 3, padding="same", name="conv")
    twin = layers.Conv2D(3, 3, padding="same", name="conv")
    one = keras.Sequential([keras.Input((8, 9, 3)), conv], name="one")
    two = keras.Sequential([keras.Input((8, 9, 3)), twin], name="two")
    network = convscope.open(saved(keras.Model(x, conv(two(one(x)))), tmp_path / "m.keras"))
    with pytest.raises(WeightsError, match=r"conv \(Conv2D\): 0 weights are stored, but it has 2"):
        network.get_weights()


def test_a_layer_that_is_another_and_yet_stored_is_refused(tmp_path: Path) -> None:
    members = hostile.members_of(saved(outer_first(), tmp_path / "a.keras"))

    def edit(file: h5py.File) -> None:
        file["layers/sequential/layers/conv2d/vars/0"] = np.zeros((3, 3, 3, 3), np.float32)

    hostile_weights.with_hdf5(members, tmp_path / "b.keras", edit)
    network = convscope.open(tmp_path / "b.keras")
    with pytest.raises(
        WeightsError, match=r"is the same layer, but weights are stored at /layers/"
    ):
        network.get_weights()


def test_older_archives_pass_over_shared_layers_before_they_count(tmp_path: Path) -> None:
    """As Keras 2.14 and 2.15 wrote: what was met before takes no number among its siblings."""
    model = numbered(outer_first())
    members = hostile.members_of(saved(model, tmp_path / "new.keras"))
    members["metadata.json"] = b'{"keras_version": "2.15.0"}'

    def edit(file: h5py.File) -> None:
        inner = file["layers/sequential/layers"]
        inner.move("conv2d_1", "conv2d")

    hostile_weights.with_hdf5(members, tmp_path / "old.keras", edit)
    network = convscope.open(tmp_path / "old.keras")
    image = np.random.default_rng(1).normal(size=(8, 9, 3)).astype(np.float32)
    assert np.allclose(network.run(image).output, output(model, image), atol=1e-5)


# -- weights in several files ---------------------------------------------------------------------


def small() -> Any:
    x = keras.Input((8, 9, 3), name="x")
    y = layers.Conv2D(4, 3, name="conv")(x)
    inner = keras.Sequential([keras.Input((6, 7, 4)), layers.Conv2D(5, 2, name="c")], name="in")
    y = layers.BatchNormalization(name="norm")(inner(y))
    return numbered(keras.Model(x, layers.Dense(7, name="dense")(layers.Flatten()(y)), name="m"))


def sharded(model: Any, folder: Path, size: float) -> tuple[Path, int]:
    """Save a model's weights in shards with Keras, and put them into an archive beside its config.

    Keras 3.15 writes shards beside one another only; its store for archives fails on the first.
    """
    members = hostile.members_of(saved(model, folder / "whole.keras"))
    del members[hostile.WEIGHTS]
    model.save_weights(folder / "model.weights.json", max_shard_size=size)
    shards = sorted(folder.glob("model_*.weights.h5"))
    for file in (folder / "model.weights.json", *shards):
        members[file.name] = file.read_bytes()
    hostile.write(members, folder / "sharded.keras")
    return folder / "sharded.keras", len(shards)


@pytest.mark.parametrize(("size", "count"), [(1.0, 1), (4.1e-6, 2)])
def test_shards_that_keras_wrote(size: float, count: int, tmp_path: Path) -> None:
    model = small()
    path, found = sharded(model, tmp_path, size)
    assert found == count
    network = convscope.open(path)
    assert network.count_params() == model.count_params()
    image = np.random.default_rng(1).normal(size=(8, 9, 3)).astype(np.float32)
    assert np.allclose(network.run(image).output, output(model, image), atol=1e-5)
    for mine, theirs in zip(network.get_weights(), model.get_weights(), strict=True):
        assert np.array_equal(mine, theirs)


def test_shards_that_tell_two_names_are_refused(tmp_path: Path) -> None:
    path, _ = sharded(small(), tmp_path, 4.1e-6)
    members = hostile.members_of(path)
    said = json.loads(members[hostile_weights.MAP])["weight_map"]
    assert any(names == ["model_00001.weights.h5"] for names in said.values())
    held = tmp_path / "model_00000.weights.h5"
    with h5py.File(held, "r+") as file:
        file["layers/conv2d/vars"].attrs["name"] = "other"
    members[held.name] = held.read_bytes()
    hostile.write(members, tmp_path / "b.keras")
    with pytest.raises(WeightsError, match="are those of 'other'"):
        convscope.open(tmp_path / "b.keras").get_weights()


# -- weights in pickles -----------------------------------------------------------------------------


def test_an_npz_that_keras_wrote_is_all_pickles(tmp_path: Path) -> None:
    """Keras 3.15 writes them and refuses to read them; the network opens, its weights do not."""
    from keras.src.saving import saving_lib

    model = small()
    path = tmp_path / "npz.keras"
    saving_lib.save_model(model, path, weights_format="npz")
    with (
        zipfile.ZipFile(path) as archive,
        archive.open(hostile_weights.NPZ) as held,
        zipfile.ZipFile(held) as npz,
    ):
        headers = [npz.read(name)[:40] for name in npz.namelist()]
    assert headers and all(b"'descr': '|O'" in header for header in headers)
    with pytest.raises(ValueError, match="allow_pickle=False"):
        keras.models.load_model(path)

    network = convscope.open(path)
    assert network.count_params() == model.count_params()
    assert network.facts().rows[0].output_shape == (None, 6, 7, 4)
    said = re.escape("which Keras writes as pickles; opening a pickle runs whatever code it holds")
    with pytest.raises(WeightsError, match=said):
        network.get_weights()
    with pytest.raises(
        WeightsError, match=r"Save the model again .* model\.save\('model\.keras'\)"
    ):
        network.run(np.zeros((8, 9, 3), np.float32))


def test_an_opaque_layer_in_such_a_file_is_not_counted_and_says_so(tmp_path: Path) -> None:
    from keras.src.saving import saving_lib

    x = keras.Input((8, 6))
    model = keras.Model(x, layers.LSTM(7, name="lstm")(x))
    saving_lib.save_model(model, tmp_path / "npz.keras", weights_format="npz")
    with pytest.warns(SourceWarning, match="lstm: its parameters are not counted: .*as pickles"):
        network = convscope.open(tmp_path / "npz.keras")
    assert network.facts().to_dict()["layers"][0]["params"] is None


# -- odd values in either -------------------------------------------------------------------------


@pytest.mark.parametrize("member", [hostile.CONFIG, hostile_weights.MAP])
def test_odd_values_anywhere(member: str, tmp_path: Path) -> None:
    """In the config of networks that share a layer, and in the map of its shards."""
    path, _ = sharded(in_two_inner_networks(), tmp_path, 1.0)
    members = hostile.members_of(path)
    whole = json.loads(members[member])
    places = list(leaves(whole))
    rng = np.random.default_rng(6)
    ends: dict[str, int] = {}
    for number in range(COUNT):
        changed = json.loads(members[member])
        where = places[int(rng.integers(len(places)))]
        target = changed
        for key in where[:-1]:
            target = target[key]
        target[where[-1]] = odd = ODD[int(rng.integers(len(ODD)))]
        hostile.write({**members, member: json.dumps(changed).encode()}, tmp_path / "odd.keras")
        with counted() as work:
            end = opened(tmp_path / "odd.keras")
        assert work.calls < MOST_CALLS, (number, where, odd)
        ends[end] = ends.get(end, 0) + 1
    assert ends["opened"] > COUNT // 20
    assert ends.get("refused", 0) + ends.get("its weights refused", 0) > COUNT // 10, ends
