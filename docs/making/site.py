"""Look the finished site over: every link and anchor inside it, its size, and that nothing is asked of anybody else.

python docs/making/site.py build/docs
"""

from __future__ import annotations

import re
import sys
from collections.abc import Iterator
from functools import cache
from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import unquote, urlsplit

LARGEST = 25 * 2**20
LOADED = {
    "img": "src",
    "script": "src",
    "iframe": "src",
    "source": "src",
    "video": "src",
    "link": "href",
}
"""What a browser asks for by itself, and the attribute that says where."""

ELSEWHERE = ("http://", "https://", "//", "ftp://")


class Page(HTMLParser):
    """What a page links to, what it loads, and the anchors that it has."""

    def __init__(self) -> None:
        super().__init__()
        self.links: list[str] = []
        self.loads: list[str] = []
        self.anchors: set[str] = set()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        said = {name: value or "" for name, value in attrs}
        if said.get("id"):
            self.anchors.add(said["id"])
        if tag == "a" and "href" in said:
            self.links.append(said["href"])
        if tag in LOADED and LOADED[tag] in said and said.get("rel") not in ("canonical", "search"):
            self.loads.append(said[LOADED[tag]])


@cache
def read(path: Path) -> Page:
    page = Page()
    page.feed(path.read_text(encoding="utf-8"))
    return page


def faults(site: Path) -> Iterator[str]:
    """Yield everything that is wrong with the site."""
    size = sum(path.stat().st_size for path in site.rglob("*") if path.is_file())
    if size > LARGEST:
        yield f"the site has {size:,} bytes, and {LARGEST:,} are allowed"
    for path in sorted(site.rglob("*.html")):
        if "explorers" in path.parts or "_static" in path.parts:
            continue
        page = read(path)
        where = path.relative_to(site)
        for target in page.loads:
            if target.startswith(ELSEWHERE):
                yield f"{where} loads {target}"
            elif not target.startswith("data:"):
                yield from leads(site, path, target)
        for target in page.links:
            if not target.startswith((*ELSEWHERE, "mailto:", "data:")):
                yield from leads(site, path, target)
    for path in sorted([*site.rglob("*.css")]):
        text = path.read_text(encoding="utf-8")
        if re.search(r"(?:url\(|@import)\s*[\"']?(?:https?:)?//", text):
            yield f"{path.relative_to(site)} loads something from elsewhere"


def leads(site: Path, path: Path, target: str) -> Iterator[str]:
    """Yield what is wrong with one link inside the site."""
    parts = urlsplit(target)
    there = (path.parent / unquote(parts.path)).resolve() if parts.path else path
    where = path.relative_to(site)
    if not there.is_file():
        yield f"{where} leads to {target}, which is not there"
    elif (
        parts.fragment
        and there.suffix == ".html"
        and "explorers" not in there.parts
        and unquote(parts.fragment) not in read(there).anchors
    ):
        yield f"{where} leads to {target}: there is no such anchor"


def main() -> int:
    site = Path(sys.argv[1]).resolve()
    found = list(dict.fromkeys(faults(site)))
    for fault in found:
        print(fault, file=sys.stderr)
    size = sum(path.stat().st_size for path in site.rglob("*") if path.is_file())
    pages = len(list(site.rglob("*.html")))
    print(f"{pages} pages, {size / 2**20:.1f} MiB of {LARGEST // 2**20}")
    return bool(found)


if __name__ == "__main__":
    sys.exit(main())
