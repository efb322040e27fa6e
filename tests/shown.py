"""Holds what the page shows against Python and the engine, and against itself: digit for digit."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import numpy as np
from screens import Visit, digits_of, figure


def holds(shown: Any, run: Any, layer: str, position: tuple[int, ...]) -> None:
    """Hold a number that is shown against Python's and the engine's, and its parts against it."""
    traced = run.trace(layer, position).facts
    engine = np.float32(float(figure(shown["engine"])))
    np.testing.assert_array_equal(engine, np.float32(run[layer][position]))
    if np.isfinite(traced.value):
        near(shown["output"], traced.value)
    if shown["steps"]:
        adds_up(shown, traced)
    else:
        listed = [float(figure(row[-1])) for row in shown["readings"][1:-1]]
        np.testing.assert_allclose(listed, [r.value for r in traced.ledger.readings], rtol=1e-8)
        np.testing.assert_allclose(
            float(figure(shown["readings"][-1][-1])), traced.value, rtol=1e-8, atol=1e-30
        )


def near(text: str, value: float) -> None:
    """Hold a text to be the number, rounded to the decimals that it shows."""
    unit = Decimal(1).scaleb(-digits_of(text)) if "e" not in text else abs(figure(text)) / 10**8
    assert abs(figure(text) - Decimal(value)) <= unit * Decimal("0.5000001"), (text, value)


def adds_up(shown: Any, traced: Any) -> None:
    led = traced.ledger
    parts = [figure(value) for _, value in shown["tiles"]]
    steps = [(name, value) for name, value in shown["steps"]]
    assert steps[-1] == ("output", shown["output"])
    if led.reduction == "sum":
        total = figure(steps[0][1])
        if parts:
            assert sum(parts) == total
        if led.bias is not None:
            assert steps[1][0] == "bias"
            total += figure(steps[1][1])
        before = dict(steps).get("pre-activation")
        if before is not None:
            assert figure(before) == total
            near(before, led.preactivation)
        else:
            near(str(total), led.preactivation)
        if not shown["activations"]:
            assert total == figure(shown["output"])
        lens_adds_up(shown)
    elif led.reduction == "max":
        assert steps[0][0] == f"largest of {led.terms:,}"
        near(steps[0][1], led.preactivation)
    elif led.reduction == "mean":
        near(steps[0][1], led.preactivation)
        lens = shown["lens"]["parts"]
        if lens and len(lens[0]) == led.terms:
            inside = [figure(v) for v in lens[0] if v not in shown["lens"]["outside"]]
            all_ = [figure(v) for v in lens[0]]
            means = [float(sum(v) / len(v)) for v in (inside, all_) if v]
            assert min(abs(m - led.preactivation) for m in means) < 1e-4


def lens_adds_up(shown: Any) -> None:
    """Hold the lens's products to add up to the partial sum of its map."""
    lens = shown["lens"]
    assert lens is not None
    if not lens["parts"]:
        return  # a window of more numbers than are written out
    end = figure(lens["end"].rpartition(" ")[2])
    if len(lens["parts"]) == 3:
        assert sum(map(figure, lens["parts"][2])) == end
    if shown["tiles"]:
        number = lens["caption"].split()[1]
        assert end in [
            figure(v) for name, v in shown["tiles"] if name.split(":")[0].split()[-1] == number
        ]


def texts(row: dict[str, Any] | None) -> list[str]:
    """Return a layer's figures as the screen spells them."""
    if row is None:
        return ["–"] * 5

    def times(shape: Any) -> str:
        return "×".join("?" if s is None else str(s) for s in shape)

    field = row["receptive_field"]
    seen = "–"
    if field:
        seen = f"{times(field['size'])} pixels"
        if any(s not in (1, None) for s in field["stride"]):
            seen += f", stride {times(field['stride'])}"
    weights = ", ".join(f"{name} {times(shape)}" for name, shape in row["weights"].items())
    macs = "–" if row["macs"] is None else f"{row['macs']:,}"
    return [times(row["output_shape"][1:]), weights or "–", f"{row['params']:,}", macs, seen]


def is_the_table(page: Visit, edits: list[tuple[str, str, Any]]) -> Any:
    """Hold the screen's table against the one that `whatif` makes, old beside new, and return both."""
    facts = page.served.network.whatif(edits).facts.to_dict()
    wanted = []
    for layer in facts["layers"]:
        pairs = zip(texts(layer["old"]), texts(layer["new"]), strict=True)
        wanted.append([layer["name"], *(new if old == new else [old, new] for old, new in pairs)])
    shown = page.until("whatif", lambda w: w["rows"][1:-1] == wanted)
    old, new = facts["totals"]["old"], facts["totals"]["new"]
    for n, key in ((3, "params"), (4, "macs")):
        now = f"{new[key]:,}"
        assert shown["rows"][-1][n] == (now if old[key] == new[key] else [f"{old[key]:,}", now])
    assert shown["redrawn"] == [x["name"] for x in facts["layers"] if x["weights_redrawn"]]
    if edits:
        assert shown["notes"] == facts["notes"]
    return shown, facts
