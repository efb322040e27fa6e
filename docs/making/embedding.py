"""Explorers on pages: the directive that embeds one, and links to numbers that move it.

```{microscope} demo
:at: conv2d_1@15,17,7
:height: 720

Words under it.
```
"""

from __future__ import annotations

from html import escape
from typing import TYPE_CHECKING, Any, ClassVar

from docutils import nodes
from docutils.parsers.rst import directives
from sphinx.util import logging
from sphinx.util.docutils import SphinxDirective

from making import linked

if TYPE_CHECKING:
    from sphinx.application import Sphinx

log = logging.getLogger(__name__)


class Microscope(SphinxDirective):
    """An explorer, alive, at a place."""

    required_arguments = 1
    has_content = True
    option_spec: ClassVar[dict[str, Any]] = {
        "at": directives.unchanged,
        "screen": directives.unchanged,
        "height": directives.positive_int,
    }

    def run(self) -> list[nodes.Node]:
        name = self.arguments[0]
        place = linked.place(
            f"number:{name}/{self.options['at']}" if "at" in self.options else f"number:{name}"
        )
        if place is None:
            raise self.error(f"{self.options['at']} names no place")
        address = place.address
        if "screen" in self.options:
            address += f"&s={self.options['screen']}" if place.layer else ""
        source = f"{root(self.env.docname)}explorers/{name}.html{address}"
        words = " ".join(self.content) or f"The explorer of {name}"
        plain = escape(words, quote=True)
        height = self.options.get("height", 760)
        caption = nodes.raw(
            "",
            f'<figure class="microscope"><iframe name="microscope-{name}" src="{escape(source)}" '
            f'title="{plain}" loading="lazy" height="{height}"></iframe>'
            f'<figcaption>{plain} <a href="{escape(source)}">Open it alone</a>.</figcaption></figure>',
            format="html",
        )
        return [caption]


class Drawn(SphinxDirective):
    """A figure that the page's own commands drew; its words are for those who do not see it, too."""

    required_arguments = 1
    has_content = True

    def run(self) -> list[nodes.Node]:
        words = escape(" ".join(self.content), quote=True)
        source = f"{root(self.env.docname)}figures/{escape(self.arguments[0])}"
        made = f'<figure class="drawn"><img src="{source}" alt="{words}"><figcaption>{words}</figcaption></figure>'
        return [nodes.raw("", made, format="html")]


def root(docname: str) -> str:
    """Return the way from a page to the site's top."""
    return "../" * docname.count("/")


def resolve(app: Sphinx, doctree: nodes.document, docname: str) -> None:
    """Let the links to numbers lead into the explorers, or to the block of the page that has the number."""
    for link in list(doctree.findall(nodes.reference)):
        target = str(link.get("refuri", ""))
        if not target.startswith("number:"):
            continue
        shown = escape(link.astext())
        if target in linked.BLOCKS:
            there = block(doctree, link, target)
            if there is None:
                log.warning("%s is in no block", link.astext(), location=link)
                continue
            made = f'<a class="number" href="#{there}" title="See where it comes from">{shown}</a>'
            link.replace_self(nodes.raw("", made, format="html"))
            continue
        place = linked.place(target)
        if place is None:
            log.warning("%s names no number", target, location=link)
            continue
        href = f"{root(docname)}explorers/{place.explorer}.html{place.address}"
        made = (
            f'<a class="number" href="{escape(href)}" target="microscope-{place.explorer}" '
            f'title="See it in the explorer">{shown}</a>'
        )
        link.replace_self(nodes.raw("", made, format="html"))


def block(doctree: nodes.document, link: nodes.Node, target: str) -> str | None:
    """Return the anchor of the block that a link's number stands in: the last one before it, else the first after it."""
    before, after = [], []
    found = before
    for number, node in enumerate(doctree.findall()):
        if node is link:
            found = after
        elif isinstance(node, nodes.literal_block) and linked.stands(
            str(node.get("language")), node.astext(), target, link.astext()
        ):
            found.append((number, node))
    if not before and not after:
        return None
    number, there = before[-1] if before else after[0]
    if not there["ids"]:
        there["ids"].append(f"block-{number}")
    return str(there["ids"][0])


def setup(app: Sphinx) -> dict[str, bool]:
    app.add_directive("microscope", Microscope)
    app.add_directive("drawn", Drawn)
    app.connect("doctree-resolved", resolve)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
