"""Where layers stand in the drawing."""

from __future__ import annotations

import random

from convscope.explorer.lanes import lanes


def test_a_chain_is_a_straight_line() -> None:
    names = [f"l{n}" for n in range(7)]
    feeds = {name: names[n - 1 : n] if n else [] for n, name in enumerate(names)}
    assert lanes(feeds) == {name: (n, 0) for n, name in enumerate(names)}


def test_a_shortcut_that_skips_layers_leaves_them_in_one_lane() -> None:
    found = lanes({"in": [], "a": ["in"], "b": ["a"], "sum": ["b", "in"]})
    assert found == {"in": (0, 0), "a": (1, 0), "b": (2, 0), "sum": (3, 0)}


def test_branches_stand_beside_one_another_and_meet_again() -> None:
    found = lanes(
        {"in": [], "a": ["in"], "b": ["in"], "c": ["in"], "b2": ["b"], "all": ["a", "b2", "c"]}
    )
    assert found["in"] == (0, 0)
    assert {found[n][1] for n in ("a", "b", "c")} == {0, 1, 2}
    assert found["b2"] == (2, found["b"][1])
    assert found["all"][0] == 3


def test_no_two_stand_in_one_place_and_each_after_what_feeds_it() -> None:
    draw = random.Random(5)
    for _ in range(50):
        feeds: dict[str, list[str]] = {"n0": []}
        for n in range(1, 40):
            feeds[f"n{n}"] = draw.sample(list(feeds), min(len(feeds), draw.choice([1, 1, 1, 2, 3])))
        found = lanes(feeds)
        assert len(set(found.values())) == len(feeds)
        for name, sources in feeds.items():
            assert all(found[source][0] < found[name][0] for source in sources)
