"""LaTeX as MathML, which browsers draw by themselves: no script, no fonts from elsewhere."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

from docutils import nodes
from docutils.utils.math.latex2mathml import tex2mathml

if TYPE_CHECKING:
    from sphinx.application import Sphinx


SPELLED = {r"\lt": "<", r"\gt": ">", r"\dots": r"\ldots"}
"""What docutils does not know, in words that it does."""


def mathml(tex: str, block: bool) -> str:
    """Return a formula as MathML."""
    known = re.sub(r"\\(?:lt|gt|dots)\b", lambda found: SPELLED[found[0]], tex)
    made = tex2mathml(known, as_block=block)
    return re.sub(r">\s*\n\s*<", "><", made).strip()


def inline(self: Any, node: nodes.math) -> None:
    self.body.append(mathml(node.astext(), block=False))
    raise nodes.SkipNode


def block(self: Any, node: nodes.math_block) -> None:
    self.body.append('<div class="formula" tabindex="0" role="group" aria-label="formula">')
    self.body.append(mathml(node.astext(), block=True))
    self.body.append("</div>\n")
    raise nodes.SkipNode


def setup(app: Sphinx) -> dict[str, bool]:
    app.add_html_math_renderer("mathml", (inline, None), (block, None))
    return {"parallel_read_safe": True, "parallel_write_safe": True}
