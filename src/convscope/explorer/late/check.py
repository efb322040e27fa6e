"""The screen Check: what `convscope check` finds in the network that is shown, with the numbers of its newest run.

Where the page has a survey, rules look at what it counted, too.
"""

from __future__ import annotations

import threading
from collections.abc import Iterator, Mapping
from typing import Any

from convscope.explorer.protocol import Answer
from convscope.notation.sizes import is_known
from convscope.views.strict_json import plain

CHEAP_LAYERS, CHEAP_PARAMS = 60, 4_000_000
"""A network of no more than this is looked at without being asked: that takes a fraction of a second."""

WAIT = 1.0
"""Seconds for which a question waits, before the page asks again."""


def offer(host: Any, given: Any) -> CheckScreen | None:
    """Return the screen; None for what is no network of ours."""
    return CheckScreen(host) if hasattr(host.network, "backing") else None


class CheckScreen:
    """Looks at a network when it is asked to, or by itself where that is cheap; once for each image."""

    title = "Check"

    def __init__(self, host: Any) -> None:
        self._host = host
        self._lock = threading.Lock()
        self._looked: tuple[int | None, Any] | None = None

    def answer(self, question: Mapping[str, Any], body: bytes | None = None) -> Answer:
        """Return what was found, or that it is being looked for.

        question   with "gently": True nothing is begun that costs much: then the answer is {"later": True}
        """
        from convscope.explorer.host import Later

        if question.get("gently") and self._host.begins:
            return Answer({"running": True})
        newest = self._host.newest
        number = None if newest is None else newest[0]
        with self._lock:
            if self._looked is None or self._looked[0] != number:
                if question.get("gently") and not self._cheap():
                    return Answer({"later": True})
                self._looked = number, Later(lambda: self._found(newest))
            work = self._looked[1]
        found = work.wait(WAIT)
        return Answer({"running": True} if found is None else found)

    def held(self) -> Iterator[Mapping[str, Any]]:
        """Return both questions, where the network is cheap to look at or was looked at already."""
        with self._lock:
            looked = self._looked is not None
        if looked or self._cheap():
            while "running" in self.answer({}).facts:
                pass
            yield {}
            yield {"gently": True}

    def _cheap(self) -> bool:
        graph = self._host.network.graph
        params = graph.totals.params
        return len(graph.nodes) <= CHEAP_LAYERS and is_known(params) and params <= CHEAP_PARAMS

    def _found(self, newest: tuple[int, Any, str] | None) -> dict[str, Any]:
        from convscope.checks.checking import check
        from convscope.checks.subject import Subject

        network = self._host.network
        graph = network.graph if newest is None else newest[1].graph
        activations = None if newest is None else newest[1].activations
        shown = self._host.screens.get("survey")
        counts = None
        if shown is not None:
            from convscope.survey.counted import counted

            counts = counted(network, shown.survey)
        made = check(Subject(graph, network.backing, network.seed, activations, counted=counts))
        marks: dict[str, list[int]] = {}
        for rule, finding in made.findings:
            found = marks.setdefault(finding.layer, [0, 0])
            found[rule.certainty != "fact"] += 1
        return {
            **plain(made.to_dict()),
            "marks": marks,
            "image": None if newest is None else newest[2],
            "surveyed": None if shown is None else shown.survey.images,
        }
