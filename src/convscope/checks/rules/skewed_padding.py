"""Padding that is even, of which the windows reach only one side.

A window of 3 with padding 1 that moves by 2 over 224 columns starts in the padding on the near side, and ends
before the padding on the far side: the same zeros are there and never read. Near the border the maps of such
networks hold artefacts on one side; Alsallakh et al. measured lower accuracy of detectors and classifiers, and that
image sizes at which every window fits (225 instead of 224) or another padding heal it.
"""

from __future__ import annotations

from collections.abc import Iterator

from convscope.checks.finding import Finding
from convscope.checks.subject import Subject
from convscope.explain.windows import windows

TITLE = "Padding that is read on one side only"
CERTAINTY = "predicted"
SOURCE = (
    "Alsallakh et al., Mind the Pad: CNNs Can Develop Blind Spots, ICLR 2021: uneven use of padding skews the "
    "maps towards one side."
)


def find(subject: Subject) -> Iterator[Finding]:
    """Yield the layers whose stride leaves part of an even padding unread."""
    for node, _, equation in subject.stated():
        found = []
        for along in windows(equation):
            fit = along.fit
            if fit.before != fit.after or not fit.before:
                continue
            read = along.positions
            before = sum(1 for p in range(-fit.before, 0) if p in read)
            after = sum(1 for p in range(fit.size, fit.size + fit.after) if p in read)
            if before != after:
                found.append((fit, before, after))
        if not found:
            continue
        words = "; ".join(
            f"of the {fit.before} padded {fit.word}{'s' if fit.before > 1 else ''} on each side {before} "
            f"{'is' if before == 1 else 'are'} read before the input and {after} after it (stride {fit.stride} over {fit.size})"
            for fit, before, after in found
        )
        fit = found[0][0]
        end = fit.first + (fit.count - 1) * fit.stride + fit.window - 1
        yield Finding(
            node.name,
            words,
            {
                "axes": [
                    {"axis": f.word, "before": b, "after": a, "size": f.size} for f, b, a in found
                ]
            },
            f"the last window ends at {fit.word} {end}, and the padding begins at {fit.size}",
        )
