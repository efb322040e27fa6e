"""The command `gradient`, through the installed entry point."""

from __future__ import annotations

import json

import pytest
from click.testing import CliRunner, Result

from convscope.cli import main


def asked(*words: str) -> Result:
    return CliRunner().invoke(main, ["gradient", "demo", *words])


def test_the_ledger_of_one_derivative() -> None:
    found = asked("--of", "conv2d_1:15,17,7", "--to", "conv2d.kernel:1,2,0,11")
    assert found.exit_code == 0, found.output
    assert "dkernel[i, j, c, o] = Σ y<26, x<26  in[y + i, x + j, c] · dpre[y, x, o]" in found.output
    assert "676 terms; the largest first." in found.output
    told = json.loads(
        asked("--of", "conv2d_1:15,17,7", "--to", "conv2d.kernel:1,2,0,11", "--json").output
    )
    assert told["position"] == [1, 2, 0, 11]
    assert sum(group["partial_sum"] for group in told["groups"]) == pytest.approx(told["value"])


def test_the_whole_gradient_and_the_shares() -> None:
    told = json.loads(asked("--of", "dense:7", "--json").output)
    assert told["to"] == "input" and told["shape"] == [28, 28, 1]
    shares = asked("--of", "conv2d_1:15,17,7", "--shares")
    assert "what remains" in shares.output and "conv2d_1.bias" in shares.output
    for form in ("--markdown", "--latex", "--html"):
        assert asked("--of", "dense:7", "--to", "dense.bias", form).exit_code == 0


def test_a_loss() -> None:
    found = asked(
        "--loss", "sparse_categorical_crossentropy", "--target", "7", "--to", "dense.bias:7"
    )
    assert (
        found.exit_code == 0 and "the loss sparse_categorical_crossentropy of dense" in found.output
    )


@pytest.mark.parametrize(
    ("words", "said"),
    [
        ((), "name a number with --of LAYER:POSITION, or a --loss"),
        (("--of", "dense:3", "--target", "3"), "--target and --from-logits go with --loss"),
        (("--of", "dense"), "--of is a layer and a position"),
        (("--of", "dense:77"), "must lie in 0 … 9"),
        (("--of", "dense:3", "--to", "conv2d.foo"), "conv2d has no weight foo"),
        (("--of", "dense:3", "--shares", "--to", "conv2d"), "leave --to out"),
        (("--of", "dense:3", "--to", "conv2d.kernel:a,b"), "POSITION is whole numbers"),
        (("--loss", "mse", "--target", "none.npy"), "none.npy"),
        (("--loss", "mse", "--target=--5"), "--5"),
        (("--loss", "sparse_categorical_crossentropy"), "needs target=, the number of a class"),
    ],
)
def test_what_is_wrong_is_said(words: tuple[str, ...], said: str) -> None:
    found = asked(*words)
    assert found.exit_code == 2 or (found.exit_code == 1 and found.exception is not None)
    assert said in found.output + found.stderr
    assert "Traceback" not in found.output
