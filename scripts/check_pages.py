"""Writes docs/checks: a page for each rule of `convscope check`, from the rule's own text, and their list.

python scripts/check_pages.py          write them
python scripts/check_pages.py --check  exit with 1 where they are not as they would be written
"""

from __future__ import annotations

import re
import sys
from importlib import import_module
from pathlib import Path

from convscope.checks.checking import all_rules
from convscope.checks.finding import CERTAINTIES, CheckRule

PAGES = Path(__file__).parents[1] / "docs" / "checks"


def pages() -> dict[str, str]:
    """Return every page by its file's name."""
    found = {f"{rule.name}.md": page(rule) for rule in all_rules()}
    rows = [
        f"| [{rule.name}]({rule.name}.md) | {rule.certainty} | {rule.title} |"
        for rule in all_rules()
    ]
    meaning = [f"- *{name}*: {words}." for name, words in CERTAINTIES.items()]
    index = [
        "# What `convscope check` looks for",
        "",
        "`convscope check MODEL`, or `net.check()`, looks at a network with every rule below. A finding names the",
        "layer and the numbers, a proof that was computed on this network, and a repair where one was found by",
        "trying it. Exit status 0 says that nothing was found, 1 that something was.",
        "",
        *meaning,
        "",
        "| rule | class | what it finds |",
        "|---|---|---|",
        *rows,
        "",
        "What they find in networks that people use: [false alarms](false-alarms.md).",
        "",
        "`--ignore aliasing` leaves a rule out, `--ignore unread-positions:conv2d` what it finds in one layer; so",
        "does a list in a project's `pyproject.toml`:",
        "",
        "```toml",
        "[tool.convscope.check]",
        'ignore = ["aliasing", "unread-positions:conv2d"]',
        "```",
        "",
    ]
    return found | {"README.md": "\n".join(index)}


def page(rule: CheckRule) -> str:
    """Return the page of one rule."""
    stated = import_module(f"convscope.checks.rules.{rule.name.replace('-', '_')}")
    text = (stated.__doc__ or "").strip()
    prose, _, example = text.partition("\n>>> ")
    if prose.partition("\n\n")[0].rstrip(".") == rule.title:  # the heading says it
        prose = prose.partition("\n\n")[2]
    parts = [
        f"# {rule.title}",
        "",
        f"`{rule.name}` · {rule.certainty}: {CERTAINTIES[rule.certainty]}",
        "",
    ]
    parts += [prose.strip(), ""]
    if example:
        lines = f">>> {example}".splitlines()
        parts += ["```python", *lines, "```", ""]
    if rule.needs_run:
        parts += [
            "Looks at the numbers of a run, or at what a survey counted: give it an image, `--image FILE`, or `--survey FILE.survey`.",
            "",
        ]
    parts += [f"Source: {rule.source}", ""]
    return re.sub(r"\n{3,}", "\n\n", "\n".join(parts))


def main(words: list[str]) -> int:
    """Write the pages, or compare them with what is there."""
    wanted = pages()
    if "--check" in words:
        return int(
            any((PAGES / n).read_text(encoding="utf-8") != text for n, text in wanted.items())
        )
    PAGES.mkdir(parents=True, exist_ok=True)
    for name, text in wanted.items():
        (PAGES / name).write_text(text, encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
