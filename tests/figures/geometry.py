"""What can be wrong with where things stand in a figure, found from the scene alone."""

from __future__ import annotations

from typing import Any

from convscope.figures.scene import Group, Scene, Shape, Text, extent, walk

Box = tuple[float, float, float, float]
TOUCH = 0.2
"""Points by which boxes may overlap: letters do not fill theirs."""


def faults(scene: Scene) -> list[str]:
    """Return what is wrong: words on words, words under a way, anything beyond the canvas, an id given twice."""
    found = []
    left, top, right, bottom = extent(scene.parts)
    if left < -0.01 or top < -0.01 or right > scene.width + 0.01 or bottom > scene.height + 0.01:
        found.append(
            f"reaches {left:.1f} {top:.1f} {right:.1f} {bottom:.1f} of {scene.width:.1f}×{scene.height:.1f}"
        )
    words = [part for part in walk(scene.parts) if isinstance(part, Text)]
    for n, one in enumerate(words):
        found += [
            f"{one.text!r} is on {other.text!r}" for other in words[:n] if over(one.box, other.box)
        ]
    for group in groups(scene.parts):
        if group.id.startswith("way-"):
            for text in words:
                found += [
                    f"{group.id} crosses {text.text!r}"
                    for side in ways(group)
                    if over(side, text.box)
                ]
    ids = [group.id for group in groups(scene.parts)]
    return found + [f"two are {name}" for name in set(ids) if ids.count(name) > 1]


def over(a: Box, b: Box) -> bool:
    return all(a[n] < b[n + 2] - TOUCH and b[n] < a[n + 2] - TOUCH for n in (0, 1))


def groups(parts: Any) -> list[Group]:
    found = []
    for part in parts:
        if isinstance(part, Group):
            found += [part, *groups(part.parts)]
    return found


def ways(group: Group) -> list[Box]:
    """Return the pieces of an arrow's shaft as boxes half a point thick."""
    found = []
    for part in group.parts:
        if isinstance(part, Shape) and not part.closed:
            for (x0, y0), (x1, y1) in zip(part.points, part.points[1:], strict=False):
                found.append(
                    (min(x0, x1) - 0.25, min(y0, y1) - 0.25, max(x0, x1) + 0.25, max(y0, y1) + 0.25)
                )
    return found
