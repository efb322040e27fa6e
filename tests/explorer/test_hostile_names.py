"""Names that a file should not give to its layers are text on every screen, and lead to the right numbers."""

from __future__ import annotations

from urllib.parse import quote

from playwright.sync_api import Dialog
from screens import OpenPage
from shown import holds


def test_hostile_names_are_text_and_work(visit: OpenPage) -> None:
    page = visit("hostile")
    opened: list[str] = []

    def dismiss(dialog: Dialog) -> None:
        opened.append(dialog.message)
        dialog.dismiss()

    page.page.on("dialog", dismiss)
    served = page.served
    names = list(served.network.graph.nodes)
    assert names[:5] == [
        "<img src=x onerror=alert(1)>", "</script><script>alert(2)</script>", "__proto__",
        "constructor", "toString",
    ]  # fmt: skip
    for n, name in enumerate(names):
        shape = served.run[name].shape
        position = (n % shape[0], 3, n % 9)
        shown = page.number(name, position)
        holds(shown, served.run, name, position)
        assert name in shown["title"]
        page.go(f"l={quote(name, safe='')}&s=models")
        page.go(f"l={quote(name, safe='')}&s=whatif")
        title = page.page.locator(".cs-number")
        page.until("whatif", lambda w: w["rows"] or w["error"])
        page.settle()
        assert title.text_content() == f"What if {name} were different?"
    page.go("s=stack")
    rows = page.until("stack", lambda rows: len(rows) == len(names) + 1)
    assert [row["name"] for row in rows] == ["image", *names]
    page.keys("/")
    page.page.keyboard.type("onerror")
    assert page.page.locator(".cs-found li").all_text_contents()[0].startswith(names[0])
    page.keys("Tab", "Enter")
    page.settle()
    assert page.address["l"] == names[0]
    assert opened == []
    assert page.page.locator("#explorer img, #explorer script").count() == 0
    assert (
        page.page.evaluate(
            "[...document.querySelectorAll('*')].some((e) => e.getAttribute('onclick') || e.getAttribute('onerror'))"
        )
        is False
    )
