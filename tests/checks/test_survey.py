"""What the rules say of a survey's counts is what numpy counts of every image's numbers."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from click.testing import CliRunner

from convscope import Conv2D, Dense, Flatten, Sequential
from convscope.checks.finding import Finding
from convscope.cli.program import main
from convscope.errors import InputError, SettingError
from convscope.network import Network

HERE = ("dead-here", "saturated-here", "nan-born")


def planted() -> Network:
    """Return a network two of whose maps, one number and one unit never fire, and a sigmoid at its ends."""
    made = Sequential(
        [
            Conv2D(7, 3, activation="relu", input_shape=(8, 9, 2)),
            Flatten(),
            Dense(5, activation="relu"),
            Dense(3, activation="sigmoid"),
        ],
        seed=2,
    )
    kernel, bias = made.layers[0].get_weights()
    bias[:] = 0.5
    bias[[2, 5]] = -100
    made.layers[0].set_weights([kernel, bias])
    kernel, bias = made.layers[2].get_weights()
    bias[:] = 3, 3, 3, -100, 3
    made.layers[2].set_weights([kernel, bias])
    kernel, bias = made.layers[3].get_weights()
    bias[:] = 100, 0, 0
    made.layers[3].set_weights([kernel, bias])
    return made


def images(count: int) -> np.ndarray:
    return np.random.default_rng(4).random((count, 8, 9, 2), dtype=np.float32)


def here(network: Network, **asked: Any) -> dict[tuple[str, str], Finding]:
    report = network.check(**asked)
    return {
        (rule.name, one.layer): one
        for rule, one in report.findings
        if rule.name in HERE and one.layer
    }


def test_what_is_dead_and_saturated_is_what_numpy_counts(tmp_path: Path) -> None:
    network, data = planted(), images(11)
    np.savez(tmp_path / "data.npz", data)
    survey = network.survey(str(tmp_path / "data.npz"), out=tmp_path / "s.survey")
    runs = [network.run(image).activations for image in data]
    found = here(network, survey=survey)
    assert found.keys() == {
        ("dead-here", "conv2d"), ("dead-here", "dense"), ("saturated-here", "dense_1"),
    }  # fmt: skip
    for layer in ("conv2d", "dense"):
        all_of_it = np.stack([run[layer] for run in runs])
        dark = ~all_of_it.any(axis=tuple(range(all_of_it.ndim - 1)))
        assert found["dead-here", layer].numbers["maps"] == np.flatnonzero(dark).tolist()
    assert "maps 2, 5 of 7 are 0 in all 11 images × 42 positions" in found["dead-here", "conv2d"].words  # fmt: skip
    assert found["dead-here", "dense"].words == "number 3 of 5 is 0 in all 11 images"
    assert "data.npz" in found["dead-here", "conv2d"].proof
    last = np.stack([run["dense_1"] for run in runs])
    ended = (last <= 1e-3) | (last >= 1 - 1e-3)
    one = found["saturated-here", "dense_1"]
    assert one.numbers["maps"] == np.flatnonzero(ended.all(axis=0)).tolist() == [0]
    assert 11 <= one.numbers["at_least"] <= np.count_nonzero(ended)
    # without its images, too: the file holds what was counted
    (tmp_path / "data.npz").unlink()
    assert here(network, survey=tmp_path / "s.survey") == found


def test_where_nan_is_born_an_image_is_named(tmp_path: Path) -> None:
    network, data = planted(), images(6)
    kernel, bias = network.layers[0].get_weights()
    kernel[..., 1] = 2e38
    network.layers[0].set_weights([kernel, bias])
    data[:4] *= 1e-3  # the first two that leave float32 are the last
    np.savez(tmp_path / "data.npz", data)
    network.survey(str(tmp_path / "data.npz"), out=tmp_path / "s.survey")
    arrays = np.stack([network.run(image).activations["conv2d"] for image in data])
    odd = ~np.isfinite(arrays)
    found = here(network, survey=tmp_path / "s.survey")
    assert [layer for rule, layer in found if rule == "nan-born"] == ["conv2d"]
    one = found["nan-born", "conv2d"]
    assert one.numbers["count"] == np.count_nonzero(odd) > 0
    assert one.numbers["maps"] == [1]
    number, *where = np.argwhere(odd)[0].tolist()
    assert number == 4 and one.numbers["first"] == where
    assert "was not counted" in one.words and one.numbers["image"] in one.proof
    assert one.numbers["image"] == "image 4"
    assert "everything that it reads is finite there" in one.proof
    (tmp_path / "data.npz").unlink()
    gone = here(network, survey=tmp_path / "s.survey")["nan-born", "conv2d"]
    assert gone.words == one.words and "images are needed again" in gone.proof
    moved = tmp_path / "moved.npz"
    np.savez(moved, data)
    again = here(network, survey=tmp_path / "s.survey", survey_data=str(moved))["nan-born", "conv2d"]  # fmt: skip
    assert again.numbers["first"] == where


def test_nan_that_is_born_behind_a_layer_that_only_moves_numbers() -> None:
    network, data = planted(), images(4)
    kernel, bias = network.layers[2].get_weights()
    kernel[:, 4] = 3e38
    network.layers[2].set_weights([kernel, bias])
    found = here(network, survey=network.survey(iter(data)))
    assert [layer for rule, layer in found if rule == "nan-born"] == ["dense"]
    one = found["nan-born", "dense"]
    assert "in number 4 of 5, over 4 images; everything that it reads is finite in all of them" in one.words  # fmt: skip
    assert "came from an iterable" in one.proof


def test_of_an_image_that_is_not_finite_it_is_said_that_it_is_passed_on() -> None:
    network, data = planted(), images(5)
    data[3, 2, 4, 1] = np.nan
    survey = network.survey(data)
    assert survey["conv2d"][0].not_finite > 0
    found = here(network, survey=survey)
    assert [layer for rule, layer in found if rule == "nan-born"] == ["conv2d"]
    one = found["nan-born", "conv2d"]
    assert one.numbers["image"] == "image 3" and "it is born before this layer" in one.proof


def test_a_network_that_leaves_its_size_open_and_a_survey_of_another(tmp_path: Path) -> None:
    network = Sequential([Conv2D(4, 3, activation="relu", input_shape=(None, None, 2))], seed=1)
    kernel, bias = network.layers[0].get_weights()
    bias[1] = -100
    network.layers[0].set_weights([kernel, bias])
    survey = network.survey(images(3))
    assert here(network, survey=survey)["dead-here", "conv2d"].numbers["maps"] == [1]
    with pytest.raises(InputError, match="is of another network, or of the same with other weights"):  # fmt: skip
        planted().check(survey=survey)
    with pytest.raises(SettingError, match="survey is a Survey or its file, not int"):
        network.check(survey=3)


def test_the_command(tmp_path: Path) -> None:
    network = planted()
    network.export(tmp_path / "net.onnx")
    np.savez(tmp_path / "data.npz", images(5))
    survey, model = str(tmp_path / "s.survey"), str(tmp_path / "net.onnx")
    run = CliRunner().invoke
    done = run(main, ["survey", model, str(tmp_path / "data.npz"), "--out", survey])
    assert done.exit_code == 0, done.output
    done = run(main, ["check", model, "--survey", survey])
    assert done.exit_code == 1
    assert "are 0 in all 5 images × 42 positions" in " ".join(done.output.split())
    other = run(main, ["check", "demo", "--survey", survey])
    assert other.exit_code == 2 and "is of another network" in " ".join(other.output.split())
    assert run(main, ["check", model, "--survey", str(tmp_path / "no.survey")]).exit_code == 2
    assert run(main, ["check", model, "--survey-data", "x"]).exit_code == 2
