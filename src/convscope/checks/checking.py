"""Looks at a network with every rule: one a file in `rules/`, discovered."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Sequence
from functools import cache
from importlib import import_module
from pkgutil import iter_modules
from types import ModuleType

from convscope.checks import rules
from convscope.checks.finding import CERTAINTIES, Checked, CheckRule, Finding
from convscope.checks.subject import Subject
from convscope.errors import NotBuiltError, SettingError, UnsupportedError, did_you_mean


@cache
def all_rules() -> dict[CheckRule, Callable[[Subject], Iterator[Finding]]]:
    """Return every rule and what looks with it: facts first, then by name."""
    found = {}
    for module in iter_modules(rules.__path__):
        stated = import_module(f"{rules.__name__}.{module.name}")
        found[_rule(module.name, stated)] = stated.find
    order = list(CERTAINTIES)
    return dict(sorted(found.items(), key=lambda r: (order.index(r[0].certainty), r[0].name)))


def _rule(name: str, stated: ModuleType) -> CheckRule:
    return CheckRule(
        name.replace("_", "-"),
        stated.TITLE,
        stated.CERTAINTY,
        stated.SOURCE,
        getattr(stated, "NEEDS_RUN", False),
    )


def check(subject: Subject, ignore: Collection[str] = (), advice: bool = False) -> Checked:
    """Return what every rule finds in a network.

    ignore   rules to leave out, or findings of a rule in one layer: "aliasing", "unread-positions:conv2d"
    advice   whether to look with the rules that are advice, too

    Raises `SettingError` for a rule that there is not.
    """
    known = all_rules()
    _check_names(ignore, [rule.name for rule in known])
    found: dict[CheckRule, tuple[Finding, ...]] = {}
    quiet: list[CheckRule] = []
    not_run: dict[CheckRule, str] = {}
    ignored: dict[str, int] = {}
    for rule, find in known.items():
        if rule.name in ignore:
            not_run[rule] = "as asked"
        elif rule.needs_run and subject.activations is None and subject.counted is None:
            not_run[rule] = "without an image or a survey"
        elif rule.certainty == "advice" and not advice:
            not_run[rule] = "unless advice is asked for"
        else:
            try:
                all_of_it = list(find(subject))
            except (NotBuiltError, UnsupportedError):
                if not tuple(subject.symbolic()):
                    raise
                # sizes that are symbols have no numbers to look at
                not_run[rule] = "since it needs numbers, and sizes here are symbols"
                continue
            kept = tuple(one for one in all_of_it if f"{rule.name}:{one.layer}" not in ignore)
            if kept:
                found[rule] = kept
            elif not all_of_it:
                quiet.append(rule)
            if left := len(all_of_it) - len(kept):
                ignored[rule.name] = left
    opaque = tuple(name for name, facts in subject.graph.facts.items() if facts.equation is None)
    symbolic = tuple(subject.symbolic())
    return Checked(subject.graph.name, found, tuple(quiet), not_run, ignored, opaque, symbolic)


def _check_names(ignore: Collection[str], known: Sequence[str]) -> None:
    for asked in ignore:
        name = asked.partition(":")[0]
        if name not in known:
            raise SettingError(
                f"there is no rule {name!r}{did_you_mean(name, list(known))}; the rules are {', '.join(known)}"
            )
