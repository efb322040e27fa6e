"""The documentation's numbers: what leads nowhere is found, and so is a sum that is wrong."""

from __future__ import annotations

import importlib.util
from pathlib import Path
from typing import Any

FILE = Path(__file__).parents[1] / "docs" / "making" / "linked.py"


def _linked() -> Any:
    spec = importlib.util.spec_from_file_location("linked", FILE)
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


linked = _linked()
PAGE = """# On 99 things

It has [18,496](number:demo/conv2d_1.params) parameters, all 18,496 of them in row 15.

> 17 of somebody else's words, and `21` of code. $x = 43$

## Next

```python
print(4096)
```

```text
1024.5 (12, 13, 8)
```

There are SENTENCE here.
"""


def found(sentence: str) -> list[str]:
    return [words for _, words in linked.unlinked(PAGE.replace("SENTENCE", sentence))]


def test_numbers_that_lead_somewhere_or_are_worked_out_may_stand() -> None:
    for sentence in (
        "3·4 = 12",
        "(14 − 1)·2 + 3 = 29",
        "3×3",
        "nine",
        "maps 12 and 13",
        "ResNet-50",
        "10⁻⁵",
    ):
        assert found(sentence) == [], sentence


def test_a_number_that_leads_nowhere_is_named_with_its_line() -> None:
    ((line, words),) = linked.unlinked(PAGE.replace("SENTENCE", "18,496 and 3·4 = 12"))
    assert line == 17 and words.startswith(
        "18,496 leads to no number"
    )  # linked under another heading
    for number in ("12", "0.5", "1,024", "12×13", "97 %"):
        assert [w.split()[0] for w in found(number)] == [number.removesuffix(" %")]


def test_a_sum_that_is_wrong_is_named() -> None:
    assert found("3·4 = 13") == ["the page says 3·4 = 13, and it is 12"]
    assert found("18·9 + 18 = [181](number:demo.params)") == [
        "the page says 18·9 + 18 = [181, and it is 180"
    ]


def test_exceptions_are_named_with_a_reason_and_used() -> None:
    assert found("572 <!-- numbers: 572: the paper's own -->") == []
    assert "it is not on the page" in found("none <!-- numbers: 572: the paper's own -->")[0]


def test_links_are_compared_with_networks_and_blocks() -> None:
    right = (
        "[18,496](number:demo/conv2d_1.params) [288](number:demo/conv2d_1.terms@15,17,7) "
        "[2,048](number:demo/conv2d_1.apart@15,17,7) [4,096](number:demo/conv2d_1.apart@15,17,7*2) "
        "[3×3×32](number:demo/conv2d_1.filter) [576](number:demo/conv2d_1.places) [64](number:demo/conv2d_1.maps) "
        "[4,096](number:given) [1,024.5](number:printed) [12×13](number:printed)"
    )
    page = PAGE.replace("SENTENCE", right)
    assert list(linked.faults(page, {})) == []
    wrong = (
        page.replace("[288]", "[289]")
        .replace("[12×13]", "[13×12]")
        .replace("[4,096](number:given)", "[4,097](number:given)")
    )
    assert len(list(linked.faults(wrong, {}))) == 3
    assert (
        linked.place("number:demo/conv2d_1.apart@15,17,7").address
        == "#l=conv2d_1&o=7&y=15&x=17&s=models"
    )
    assert linked.place("number:demo/conv2d_1.terms@15,17,7").address == "#l=conv2d_1&o=7&y=15&x=17"
    assert linked.place("number:demo/conv2d_1.params").address == "#l=conv2d_1&s=stack"
