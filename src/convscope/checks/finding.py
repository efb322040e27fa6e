"""What a rule finds: in which layer, the numbers, how sure it is, its proof and what would mend it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal, TypeAlias

from convscope.explain.words import grouped, join
from convscope.parts import Bullets, Document, Heading, Paragraph, Part, Span, Words
from convscope.typed import Record

Certainty: TypeAlias = Literal["fact", "predicted", "advice"]
"""How sure a finding is: it follows from the equations; it was measured by others, on networks of this
kind; or it depends on hardware or taste."""

CERTAINTIES: Mapping[Certainty, str] = {
    "fact": "from the equations",
    "predicted": "published, measured by others",
    "advice": "of hardware or taste",
}

WRITTEN_OUT = 4
"""So many findings of one rule are written out; further layers are named."""

LISTED = 24
"""So many further layers are named one by one."""


class Repair(Record):
    """What would mend a finding, tried on this network.

    words   what to do, and what comes of it
    edits   the settings that do it, as `edit` takes them: layer, setting, value; () where none does
    """

    words: str
    edits: tuple[tuple[str, str, Any], ...] = ()

    def to_dict(self) -> dict[str, Any]:
        """Return it as plain data."""
        return {"words": self.words, "edits": [list(edit) for edit in self.edits]}


class Finding(Record):
    """One thing that a rule found.

    layer     where
    words     what is so, with the numbers
    numbers   the same numbers, to be computed with
    proof     what was computed on this network to make sure
    repair    what would mend it, tried; None where nothing was found
    """

    layer: str
    words: str
    numbers: Mapping[str, Any]
    proof: str
    repair: Repair | None = None


class CheckRule(Record):
    """A rule as it is listed: its name, what it is called, how sure it is, and where it comes from.

    needs_run   whether it looks at the numbers of a run, and so needs an image or a survey
    """

    name: str
    title: str
    certainty: Certainty
    source: str
    needs_run: bool


@dataclass(frozen=True)
class Checked:
    """What all rules found in one network.

    found        rule → its findings, in the order of the layers
    quiet        rules that looked and found nothing
    not_run      rule → why it did not look
    ignored      how many findings were left out because they were to be ignored
    opaque       layers without an equation, which no rule can judge
    symbolic     layers whose sizes are symbols, where nothing is compared in numbers
    """

    name: str
    found: Mapping[CheckRule, tuple[Finding, ...]]
    quiet: tuple[CheckRule, ...]
    not_run: Mapping[CheckRule, str]
    ignored: Mapping[str, int] = field(default_factory=dict)
    opaque: tuple[str, ...] = ()
    symbolic: tuple[str, ...] = ()

    @property
    def findings(self) -> tuple[tuple[CheckRule, Finding], ...]:
        """Every finding with its rule."""
        return tuple((rule, finding) for rule, some in self.found.items() for finding in some)

    def __len__(self) -> int:
        return sum(map(len, self.found.values()))

    def __bool__(self) -> bool:
        return True

    def to_dict(self) -> dict[str, Any]:
        """Return what `check --json` writes."""
        return {
            "name": self.name,
            "findings": [
                {
                    "rule": rule.name,
                    "title": rule.title,
                    "class": rule.certainty,
                    "layer": found.layer,
                    "words": found.words,
                    "numbers": dict(found.numbers),
                    "proof": found.proof,
                    "repair": found.repair and found.repair.to_dict(),
                    "source": rule.source,
                }
                for rule, found in self.findings
            ],
            "quiet": [rule.name for rule in self.quiet],
            "not_run": {rule.name: why for rule, why in self.not_run.items()},
            "ignored": dict(self.ignored),
            "not_judged": list(self.opaque),
            "symbolic": list(self.symbolic),
        }

    def document(self) -> Document:
        """Return the findings rule by rule, facts first, and what was and was not looked at."""
        parts: list[Part] = [Heading(f"{self.name}, checked"), Paragraph(self._counted())]
        for rule, some in self.found.items():
            parts.append(Heading(f"{rule.title} ({rule.certainty}: {rule.name})", 3))
            parts.append(Bullets(tuple(map(_bullet, some[:WRITTEN_OUT]))))
            if more := some[WRITTEN_OUT:]:
                names = [found.layer for found in more[:LISTED]]
                left = len(more) - len(names)
                named = [*names, f"{grouped(left)} more"] if left else names
                parts.append(Paragraph(f"So {'are' if len(more) > 1 else 'is'} {join(named)}."))
            parts.append(Paragraph(Span(rule.source, "dim")))
        parts += [Paragraph(text) for text in self._rest()]
        return Document(tuple(parts))

    def _counted(self) -> Words:
        if not len(self):
            return "Nothing was found."
        counts = {
            certainty: sum(
                len(some) for rule, some in self.found.items() if rule.certainty == certainty
            )
            for certainty in CERTAINTIES
        }
        said = [
            f"{grouped(count)} {certainty}{'s' if certainty == 'fact' and count > 1 else ''} ({CERTAINTIES[certainty]})"
            for certainty, count in counts.items()
            if count
        ]
        return f"{join(said)}."

    def _rest(self) -> list[str]:
        said = []
        if self.quiet:
            said.append(f"Looked for and not found: {join([rule.name for rule in self.quiet])}.")
        reasons: dict[str, list[str]] = {}
        for rule, why in self.not_run.items():
            reasons.setdefault(why, []).append(rule.name)
        said += [f"Not looked for, {why}: {join(names)}." for why, names in reasons.items()]
        if self.ignored:
            counts = [f"{name} ({grouped(count)})" for name, count in self.ignored.items()]
            said.append(f"Left out, as asked: {join(counts)}.")
        if self.opaque:
            said.append(
                f"{grouped(len(self.opaque))} layer{'s have' if len(self.opaque) > 1 else ' has'} no equation, "
                f"so that no rule can judge {'them' if len(self.opaque) > 1 else 'it'}: {_named(self.opaque)}."
            )
        if self.symbolic:
            many = len(self.symbolic) > 1
            said.append(
                f"{grouped(len(self.symbolic))} layer{'s have' if many else ' has'} sizes that are symbols, so that "
                f"what needs their numbers was not looked for there: {_named(self.symbolic)}."
            )
        return said


def _named(layers: tuple[str, ...]) -> str:
    """Return the names of layers, not too many."""
    left = len(layers) - LISTED
    return join([*layers[:LISTED], f"{grouped(left)} more"] if left > 0 else list(layers))


def _bullet(found: Finding) -> Words:
    words: list[str | Span] = [Span(found.layer, "code"), f": {found.words}. "]
    if found.proof:
        words += [Span("Proof: ", "dim"), f"{found.proof}. "]
    if found.repair is not None:
        words += [Span("Repair: ", "dim"), f"{found.repair.words}."]
    return words
