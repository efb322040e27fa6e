"""The networks of the lessons know the digits that they did not learn from."""

from __future__ import annotations

import pytest

from convscope.demo import small
from convscope.demo.training import as_input, split


@pytest.mark.parametrize(("name", "right"), [("groups", 346), ("resnet", 350)])
def test_they_were_trained_as_their_attribution_says(name: str, right: int) -> None:
    _, held, _, digits = split()
    found = getattr(small, name)().predict(as_input(held)).argmax(axis=1)
    assert abs(int((found == digits).sum()) - right) <= 1  # one may lie on the edge
