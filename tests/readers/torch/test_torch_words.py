"""What a forward says is said once for every forward that was asked for: on stdout, on stderr, as logging, as warnings."""

from __future__ import annotations

import io
import logging
import sys
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np
import pytest
import torch
from torch import nn

import convscope as cs

LOG = logging.getLogger("tests.words")


class Telling(nn.Module):
    """Speaks on every channel, then goes the one way or the other; its attention lets a forward of no rows be run."""

    def __init__(self, flush: bool = False) -> None:
        super().__init__()
        self.attention = nn.MultiheadAttention(4, 2)
        self.flush = flush

    def forward(self, x: Any) -> Any:
        print("out", flush=self.flush)
        print("err", file=sys.stderr)
        LOG.warning("logged %d", 7)
        warnings.warn("warned", stacklevel=1)
        print("way", "large" if x.max() > 1 else "small", file=sys.stderr, flush=self.flush)
        y = self.attention(x, x, x)[0]
        print("end")
        return y * 2 if x.max() > 1 else y


@contextmanager
def listening() -> Iterator[list[str]]:
    """Give the words of every channel in their order; flushing is none."""
    words: list[str] = []

    class Stream(io.StringIO):
        def write(self, text: str) -> int:
            words.extend(text.split())
            return len(text)

    class Handler(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            words.append(record.getMessage())

    handler, before = Handler(), (sys.stdout, sys.stderr)
    LOG.addHandler(handler)
    LOG.propagate = False
    with warnings.catch_warnings():
        warnings.simplefilter("always")
        warnings.simplefilter("ignore", cs.errors.SourceWarning)
        warnings.showwarning = lambda message, *_, **__: words.append(str(message))
        sys.stdout, sys.stderr = Stream(), Stream()
        try:
            yield words
        finally:
            sys.stdout, sys.stderr = before
            LOG.removeHandler(handler)


def words_of(way: str) -> list[str]:
    return ["out", "err", "logged 7", "warned", "way", way, "end"]


@pytest.mark.parametrize("flush", [False, True])
@pytest.mark.parametrize("rows", [1, 3])
def test_every_forward_that_was_asked_for_speaks_once(flush: bool, rows: int) -> None:
    with listening() as heard:
        net = cs.open(Telling(flush), torch.rand(rows, 3, 4))
        assert heard == words_of("small")
        x = torch.rand(rows, 3, 4).numpy()
        for image, way in (
            (x, "small"),
            (x, "small"),
            (x + 1, "large"),
            (x + 1, "large"),
            (x, "small"),
        ):
            heard.clear()
            net.run(image)
            assert heard == words_of(way)


def test_a_warning_of_a_forward_that_was_left_is_not_lost() -> None:
    with listening() as heard:
        warnings.simplefilter("default")  # once for each place in the code
        x = torch.rand(1, 3, 4).numpy()
        net = cs.open(Telling(), x)
        for image in (x, x, x, x + 1):
            before = heard.count("warned")
            net.run(image)
        assert heard.count("warned") == before + 1
        net.run(x + 1)
        assert heard.count("warned") == before + 1


def test_warnings_that_a_forward_gathers_itself_reach_it() -> None:
    class Gathering(Telling):
        def forward(self, x: Any) -> Any:
            with warnings.catch_warnings(record=True) as gathered:
                warnings.simplefilter("always")
                warnings.warn("its own", stacklevel=1)
            counts.append(len(gathered))
            return super().forward(x)

    counts: list[int] = []
    with listening() as heard:
        x = torch.rand(1, 3, 4).numpy()
        net = cs.open(Gathering(), x)
        for image in (x, x, x + 1):
            heard.clear()
            net.run(image)
            assert heard == words_of("large" if image.max() > 1 else "small")
    assert len(counts) > 4  # other forwards, which tell of the batch, among them
    assert set(counts) == {1}


def test_rows_that_cannot_go_together_are_heard_one_by_one() -> None:
    class Counting(nn.Module):
        def forward(self, x: Any) -> Any:
            print("row")
            return x * len(x)

    with listening() as heard:
        net = cs.open(Counting(), torch.rand(1, 3, 4))
        heard.clear()
        net.predict(np.random.default_rng(1).random((4, 3, 4), np.float32))
        assert heard == ["row"] * 4


def test_a_forward_that_nobody_asked_for_is_not_answered(monkeypatch: pytest.MonkeyPatch) -> None:
    with listening() as heard:

        class Asking(Telling):
            def forward(self, x: Any) -> Any:
                assert input("how? ") == "so"
                return super().forward(x)

        monkeypatch.setattr(sys, "stdin", io.StringIO("so\nthus\n"))
        cs.open(Asking(), torch.rand(1, 3, 4))
        assert heard == ["how?", *words_of("small")]
        assert input() == "thus"
