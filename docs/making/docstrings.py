"""Docstrings as Markdown: paragraphs, examples, lists of arguments, and indented pieces kept as they are."""

from __future__ import annotations

import inspect
import re
from typing import Any

TERM = re.compile(r"^(?P<term>\S(?:\S| (?! ))*?)\s{2,}(?P<words>\S.*)$")


def markdown(text: str) -> str:
    """Return a docstring as Markdown.

    >>> print(markdown("Return it.\\n\\nx   a number\\n\\n>>> 1 + 1\\n2"))
    Return it.
    <BLANKLINE>
    `x`
    : a number
    <BLANKLINE>
    ```python
    >>> 1 + 1
    2
    ```
    """
    made = []
    for block in re.split(r"\n\s*\n", inspect.cleandoc(text)):
        lines = block.splitlines()
        if lines[0].startswith(">>>"):
            made.append("```python\n" + block + "\n```")
        elif lines[0].startswith("    "):
            made.append("```text\n" + inspect.cleandoc(block) + "\n```")
        elif TERM.match(lines[0]) and not lines[0].startswith("- "):
            made.append(terms(lines))
        else:
            made.append(prose(block))
    return "\n\n".join(made)


def terms(lines: list[str]) -> str:
    """Return lines `name   what it is` as a list of definitions; what is further in belongs to the line before."""
    found: list[list[str]] = []
    for line in lines:
        term = TERM.match(line)
        if term:
            found.append([term["term"], term["words"]])
        elif found:
            found[-1][1] += " " + line.strip()
        else:
            found.append([line, ""])
    return "\n\n".join(f"`{term}`\n: {prose(words)}" for term, words in found)


def prose(text: str) -> str:
    """Return a paragraph with what Markdown would take for marks of its own escaped."""
    pieces = re.split(r"(`[^`]*`)", text)
    return "".join(p if p.startswith("`") else re.sub(r"([*_<\[\]|$])", r"\\\1", p) for p in pieces)


def of(thing: Any) -> str:
    """Return a thing's docstring as Markdown."""
    return markdown(inspect.getdoc(thing) or "")
