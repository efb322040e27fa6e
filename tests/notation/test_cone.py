"""One number of a chain of equations from the window it sees, against PyTorch in float64."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import textbook
import torch
from torch.nn import functional as F

from convscope.notation import Axis, Equation, source
from convscope.notation import cone as cone_module
from convscope.notation.cone import Link, cone
from convscope.notation.evaluation import evaluate_box
from convscope.notation.ledger import ledger

Array = np.ndarray[Any, Any]


def drawn(equation: Equation, seed: int) -> dict[str, Array]:
    rng = np.random.default_rng(seed)
    return {n: rng.normal(size=s).astype(np.float32) for n, s in equation.weights.items()}


def conv(x: torch.Tensor, weights: dict[str, Array], **settings: Any) -> torch.Tensor:
    kernel = torch.from_numpy(weights["kernel"].transpose(3, 2, 0, 1).astype(np.float64))
    return F.conv2d(x, kernel, torch.from_numpy(weights["bias"].astype(np.float64)), **settings)


class Network:
    """Five layers, one of them a branch that joins: padding, strides, dilation, pooling, a sum."""

    def __init__(self, rows: int, columns: int) -> None:
        first = textbook.conv2d((rows, columns, 3), 4, (3, 5), (2, 1), ((1, 1), (2, 2)), relu=True)
        pool = textbook.pool2d(first.shape, "max", (2, 3), (1, 2))
        left = textbook.conv2d(pool.shape, 6, (3, 3), pad=((2, 2), (1, 1)), dilation=(2, 1))
        right = textbook.conv2d(pool.shape, 6, (1, 1))
        y, x, c = (Axis(n, s) for n, s in zip("yxc", left.shape, strict=True))
        join = Equation(
            (y, x, c), source(left.shape, "a")[y, x, c] + source(left.shape, "b")[y, x, c]
        )
        last = textbook.conv2d(join.shape, 5, (2, 3), pad=((1, 0), (0, 2)))
        self.equations = {
            "first": first, "pool": pool, "right": right, "left": left, "join": join, "last": last
        }  # fmt: skip
        feeds = {
            "first": {"in": "image"}, "pool": {"in": "first"}, "left": {"in": "pool"},
            "right": {"in": "pool"}, "join": {"a": "left", "b": "right"}, "last": {"in": "join"},
        }  # fmt: skip
        self.weights = {n: drawn(e, k) for k, (n, e) in enumerate(self.equations.items())}
        self.links = {n: Link(e, feeds[n], self.weights[n]) for n, e in self.equations.items()}

    def in_torch(self, image: Array) -> dict[str, Array]:
        w = self.weights
        x = torch.from_numpy(np.moveaxis(image, -1, 0)[None].astype(np.float64))
        first = F.relu(conv(x, w["first"], stride=(2, 1), padding=(1, 2)))
        pool = F.max_pool2d(first, (2, 3), (1, 2))
        left = conv(pool, w["left"], padding=(2, 1), dilation=(2, 1))
        right = conv(pool, w["right"])
        last = conv(F.pad(left + right, (0, 2, 1, 0)), w["last"])
        found = {"first": first, "pool": pool, "left": left, "join": left + right, "last": last}
        return {n: np.moveaxis(t[0].numpy(), 0, -1) for n, t in found.items()}


@pytest.fixture(scope="module")
def network() -> Network:
    return Network(17, 23)


@pytest.fixture(scope="module")
def image() -> Array:
    return np.random.default_rng(9).normal(size=(17, 23, 3)).astype(np.float32)


@pytest.mark.parametrize("target", ["first", "pool", "left", "join", "last"])
def test_every_layer_at_its_corners_and_at_random(
    network: Network, image: Array, target: str
) -> None:
    wanted = network.in_torch(image)[target]
    rng = np.random.default_rng(4)
    places = [tuple(int(rng.integers(n)) for n in wanted.shape) for _ in range(12)]
    places += [(0, 0, 0), tuple(n - 1 for n in wanted.shape)]
    for place in places:
        seen = cone(network.links, target, place, {"image": image})
        found = ledger(network.equations[target], place, seen.values)
        assert found.value == pytest.approx(wanted[place], rel=1e-9, abs=1e-9)


def test_what_a_cone_depends_on_is_all_that_matters(network: Network, image: Array) -> None:
    shape = network.equations["last"].shape
    for place in [(0, 0, 1), (4, 5, 2), tuple(n - 1 for n in shape)]:
        seen = cone(network.links, "last", place, {"image": image})
        wanted = ledger(network.equations["last"], place, seen.values).value
        hidden = np.full(image.shape, np.nan, np.float32)
        cut = tuple(slice(low, high + 1) for low, high in seen.boxes["image"])
        hidden[cut] = image[cut]
        again = cone(network.links, "last", place, {"image": hidden})
        assert ledger(network.equations["last"], place, again.values).value == wanted


def test_its_cost_does_not_depend_on_the_image(network: Network, image: Array) -> None:
    large = Network(170, 230)
    place = (4, 6, 1)  # where no window of the smaller network is cut by its border
    big = np.random.default_rng(1).normal(size=(170, 230, 3)).astype(np.float32)
    near, far = (
        cone(n.links, "last", place, {"image": i}) for n, i in ((network, image), (large, big))
    )
    assert near.numbers == far.numbers
    # the last value, two by three joined numbers, what left and right see of the pooled map …
    assert [h - low + 1 for low, h in far.boxes["join"]] == [2, 3, 6]
    assert [h - low + 1 for low, h in far.boxes["pool"]] == [6, 5, 4]
    assert [h - low + 1 for low, h in far.boxes["first"]] == [7, 11, 4]
    assert [h - low + 1 for low, h in far.boxes["image"]] == [15, 15, 3]
    assert far.numbers == 1 + (2 * 3 * 6) * 3 + 6 * 5 * 4 + 7 * 11 * 4


def test_a_window_of_nothing_but_padding() -> None:
    first = textbook.conv2d((5, 6, 1), 2, (2, 2))
    last = textbook.conv2d(first.shape, 3, (2, 2), pad=((2, 0), (0, 0)))
    weights = {"first": drawn(first, 1), "last": drawn(last, 2)}
    links = {
        "first": Link(first, {"in": "image"}, weights["first"]),
        "last": Link(last, {"in": "first"}, weights["last"]),
    }
    image = np.full((5, 6, 1), np.nan, np.float32)
    seen = cone(links, "last", (0, 1, 2), {"image": image})
    assert set(seen.boxes) == {"last"}
    assert ledger(last, (0, 1, 2), seen.values).value == weights["last"]["bias"][2]


def test_only_what_is_needed_is_evaluated(
    network: Network, image: Array, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked = []
    real = evaluate_box

    def counting(equation: Equation, box: Any, values: Any) -> Array:
        asked.append(next(n for n, e in network.equations.items() if e is equation))
        return real(equation, box, values)

    monkeypatch.setattr(cone_module, "evaluate_box", counting)
    cone(network.links, "left", (2, 3, 1), {"image": image})
    assert asked == ["first", "pool"]
