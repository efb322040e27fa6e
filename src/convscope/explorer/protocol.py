"""What the explorer's page asks and what it gets back, whatever carries them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Protocol

from convscope.typed import Record


class Answer(Record):
    """An answer: facts that can be written as JSON, and a body of raw numbers."""

    facts: dict[str, Any]
    body: bytes = b""


class AnyHost(Protocol):
    """Whoever answers the page's questions."""

    def answer(self, question: Mapping[str, Any], body: bytes | None = None) -> Answer:
        """Return the answer to a question; raise a `ConvscopeError` for one that cannot be answered.

        question   an object with "ask", the name of the question, and what it needs; it comes from a
                   page, so every part of it is to be checked
        body       the bytes of an uploaded picture, or None

        A server asks from more than one thread at a time.
        """
        ...


def as_bytes(answer: Answer) -> bytes:
    """Return an answer as it is sent: 4 bytes n, little-endian, n bytes of JSON, and the body.

    >>> as_bytes(Answer({"shape": [2]}, b"\\x01\\x02"))
    b'\\x10\\x00\\x00\\x00{"shape":[2]}   \\x01\\x02'

    The JSON ends in spaces where the body would not start at a multiple of four, so that float32
    numbers can be looked at where they lie. Raises `ValueError` for facts that JSON has no way to say.
    """
    import json

    facts = json.dumps(answer.facts, allow_nan=False, separators=(",", ":")).encode("ascii")
    facts += b" " * (-len(facts) % 4)
    return len(facts).to_bytes(4, "little") + facts + answer.body
