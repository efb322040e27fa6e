"""What a module's attributes, hooks and arguments hold is changed in a copy, and the user's stays as it was."""

from __future__ import annotations

import collections
import itertools
import queue
import threading
from concurrent.futures import ThreadPoolExecutor
from typing import Any, NamedTuple

import numpy as np
import pytest
import torch
from torch import nn

import convscope as cs

from .modules import opened, unchanged


class Pair(NamedTuple):
    name: str
    seen: list[int]


class Helping:
    """Somebody's own object: it holds a module that no other has registered, counts, and knows itself by its name."""

    def __init__(self, held: nn.Module) -> None:
        self.held, self.calls, self.known = [held], 0, set[Any]()
        self.pair = Pair("helping", [])
        self.name = self.pair.name
        self.known.add(self)

    def __hash__(self) -> int:
        return hash(self.name)

    def __call__(self, x: Any) -> Any:
        self.calls += 1
        self.pair.seen.append(self.calls)
        assert self.known == {self}
        return self.held[0](x) * len(self.pair.seen)


FOUND: dict[Any, Any] = {}


class Gathering(nn.Module):
    """Hooks and functions that know the module from outside its attributes, and what counts as it is called."""

    def __init__(self) -> None:
        super().__init__()
        self.conv, self.head = nn.Conv2d(3, 5, 3), nn.Conv2d(5, 4, 2)
        self.found, self.kept = FOUND, dict[Any, Any]()
        self.late: Any = collections.deque(maxlen=2)
        self.lists: Any = collections.defaultdict(list)
        self.helper = Helping(nn.Sequential(nn.Conv2d(4, 4, 1), nn.BatchNorm2d(4)))
        self.generators = torch.Generator().manual_seed(3), np.random.default_rng(4)
        self.seen = np.zeros(2)
        calls = 0

        def counting(x: Any) -> Any:
            nonlocal calls
            calls += 1
            return self.head(x) * calls

        self.counting, self.calls = counting, lambda: calls
        self.conv.register_forward_hook(lambda m, given, out: self.kept.update({m: out}))
        self.conv.register_forward_hook(outside)

    def forward(self, x: Any) -> Any:
        self.conv(x)
        y = self.counting(self.kept[self.conv] + self.found["conv"])
        self.late.append(y)
        self.lists["maps"].append(y)
        self.seen += 1
        y = self.helper(y) + torch.rand(1, generator=self.generators[0])
        return y * self.generators[1].random() * self.seen[0]


def outside(module: Any, given: Any, out: Any) -> None:
    FOUND["conv"] = out * 3


def test_what_attributes_and_hooks_hold_is_changed_in_a_copy() -> None:
    def gathering() -> Any:
        torch.manual_seed(5)
        return Gathering().eval()

    module, twin, x = gathering(), gathering(), torch.rand(1, 3, 6, 7)
    with torch.no_grad():
        expected = twin(x)
    FOUND.clear()
    with unchanged(module, x):
        net = opened(module, x)
        runs = [net.run(x.numpy()[0]).output for _ in range(2)]
    assert all(np.array_equal(run, expected.numpy()[0]) for run in runs)
    assert not FOUND and not module.kept and not module.late and not module.lists
    assert module.helper.calls == module.calls() == module.seen.max() == 0
    assert module.helper.pair.seen == []
    assert module.helper.held[0][1].num_batches_tracked == 0
    first, second = module.generators
    assert torch.equal(first.get_state(), torch.Generator().manual_seed(3).get_state())
    assert second.random() == np.random.default_rng(4).random()


class Settings(dict[str, Any]):
    """Somebody's own kind of a dictionary, which counts what is put into it."""

    put = 0

    def __setitem__(self, key: str, value: Any) -> None:
        self.put += 1
        super().__setitem__(key, value)


class Rows(list[int]):
    pass


class Slotted:
    __slots__ = ("rows",)

    def __init__(self) -> None:
        self.rows: list[int] = []


def test_iterators_and_own_kinds_of_containers_are_the_copys_own() -> None:
    class Taking(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.convs = nn.ModuleList([nn.Conv2d(3, 3, 1), nn.Conv2d(3, 3, 1)])
            self.turns = itertools.cycle(self.convs)
            self.left: Any = zip(iter([1, 2, 3, 4]), itertools.count(), strict=False)
            self.settings, self.rows, self.slotted = Settings(), Rows(), Slotted()
            self.settings["n"] = 0
            self.deep: list[Any] = []
            self.told = bytearray()
            for _ in range(40):
                self.deep = [self.deep]

        def forward(self, x: Any) -> Any:
            x = next(self.turns)(x) * next(self.left)[0]
            self.settings["n"] += 1
            self.rows.append(1)
            self.slotted.rows.append(1)
            self.told.append(1)
            inner = self.deep
            while inner:
                inner = inner[0]
            inner.append(0)
            return x * len(self.rows) * self.settings.put

    module, x = Taking().eval(), torch.rand(1, 3, 4, 5)
    with unchanged(module, x):
        net = opened(module, x)
        runs = [net.run(x.numpy()[0]) for _ in range(3)]
    assert all(list(run.graph.nodes) == list(net.graph.nodes) for run in runs)
    assert "convs.0" in net.graph.nodes and not net.warnings
    assert np.array_equal(runs[-1].output, module(x).detach().numpy()[0])  # and not one step on
    assert next(module.left) == (2, 1) and module.settings == {"n": 1} and module.settings.put == 2
    assert len(module.rows) == len(module.slotted.rows) == len(module.told) == 1


def test_who_waits_for_a_thread_holds_what_the_thread_answers_in() -> None:
    class Worker:
        def __init__(self) -> None:
            self.asked: Any = queue.Queue()
            self.found: dict[int, Any] = {}
            self.ready = threading.Event()
            threading.Thread(target=self.work, daemon=True).start()

        def work(self) -> None:
            while (number := self.asked.get()) is not None:
                self.found[number] = number * 3
                self.ready.set()

    class Waits(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.worker = Worker()

        def forward(self, x: Any) -> Any:
            self.worker.asked.put(2)
            assert self.worker.ready.wait(60)
            return x * self.worker.found[2]

    module, x = Waits(), torch.rand(1, 3, 4)
    assert np.array_equal(cs.open(module, x).run(x.numpy()).output, 6 * x[0].numpy())
    module.worker.asked.put(None)


def test_an_object_among_the_arguments_is_as_it_was_when_the_module_was_opened() -> None:
    class Kept:
        def __init__(self) -> None:
            self.rows = [torch.ones(1, 1, 4)]

    class Remembers(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.lin = nn.Linear(4, 5)

        def forward(self, x: Any, cache: Any) -> Any:
            cache.rows.append(x)
            return self.lin(torch.cat(cache.rows, 1))

    module, cache, x = Remembers(), Kept(), torch.rand(1, 3, 4)
    net = cs.open(module, x, cache)
    expected = module.lin(torch.cat([*cache.rows, x], 1)).detach().numpy()[0]
    assert len(cache.rows) == 1
    cache.rows[0].zero_()
    cache.rows.clear()
    for _ in range(2):
        assert np.array_equal(net.run(x.numpy()).output, expected)


def test_random_numbers_of_their_own_are_the_same_layer_in_every_run() -> None:
    class Noisy(nn.Module):
        def forward(self, x: Any) -> Any:
            return x + torch.rand(1)

    net = cs.open(Noisy(), torch.rand(1, 3, 4))
    run = net.run(torch.rand(3, 4))
    assert list(net.graph.nodes) == list(run.graph.nodes) == ["rand", "add"]


def test_a_module_that_is_a_dictionary_too_is_copied() -> None:
    class Both(nn.Module, dict):  # type: ignore[type-arg]
        def __init__(self) -> None:
            nn.Module.__init__(self)
            self["conv"] = self.conv = nn.Conv2d(3, 5, 3)

        def __hash__(self) -> int:  # type: ignore[override]
            return id(self)

        def forward(self, x: Any) -> Any:
            self["seen"] = x
            return self.conv(x)

    module, x = Both(), torch.rand(1, 3, 6, 7)
    assert list(cs.open(module, x).graph.nodes) == ["conv"] and list(module) == ["conv"]


def test_what_a_forward_does_in_threads_of_its_own_is_said() -> None:
    class Parallel(nn.Module):
        def __init__(self, alone: bool) -> None:
            super().__init__()
            self.alone, self.conv = alone, nn.Conv2d(3, 5, 3)

        def forward(self, x: Any) -> Any:
            with ThreadPoolExecutor(1) as pool:
                (found,) = pool.map(self.conv, [x])
            return found if self.alone else found + x.mean()

    x = torch.rand(1, 3, 6, 7)
    with pytest.raises(cs.errors.SourceError, match="calls conv in a thread of its own"):
        cs.open(Parallel(True), x)
    module = Parallel(False)
    with pytest.warns(cs.errors.SourceWarning, match="calls conv in a thread of its own"):
        net = cs.open(module, x)
    other = torch.rand(1, 3, 6, 7)
    assert np.array_equal(net.run(other[0].numpy()).output, module(other).detach().numpy()[0])
    assert "out" in str(net.explain("add"))
