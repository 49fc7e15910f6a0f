"""A made-up page with every kind of block, and what a reader or a browser would see of one."""

import re
from collections.abc import Callable
from html.parser import HTMLParser

from undertone.report.canvas import Figure
from undertone.report.page import (
    Column,
    Drawing,
    Fold,
    Grid,
    Page,
    Prose,
    Reading,
    Section,
    Steps,
    Terms,
    Token,
    Verdict,
    text,
    word,
)

HOSTILE = """<script>alert(1)</script><img src=https://evil.example onerror=alert(2)>"'{{ page.title }}</details>"""
CONTROL = "\x1b[31m\x1b]0;mine\x07\u202etxt.exe\x00\u200b\ud83e\U000e0041\U000e0101"
HIDDEN = set("\x1b\x07\u202e\x00\u200b\ud83e\U000e0041\U000e0101")
Say = Callable[[str], str]
"""Gives the text of a field by the field's name."""

PLACES = (
    "title", "headline", "done", "verdict", "meaning", "check", "sentence", "notice", "heading", "table", "row name",
    "word column", "text column", "number column", "cell", "text cell", "note", "prose", "small print", "term",
    "definition", "step", "head", "before", "asked", "whose", "answer", "token", "token title", "reveal", "summary",
    "folded", "listing", "key", "value", "footer",
)  # fmt: skip
"""Every field of a page that holds text."""
ON_TERMINAL = (
    "headline", "check", "sentence", "notice", "table", "row name", "word column", "number column", "cell", "note",
)  # fmt: skip
IN_MARKDOWN = (*ON_TERMINAL, "title", "done", "heading", "text column", "text cell", "prose", "small print", "term",
               "definition", "step", "summary", "folded")  # fmt: skip


def made_up(say: Say = lambda place: place, figure: Figure | None = None) -> Page:
    """A page whose every text is what ``say`` gives for its place."""
    columns = (
        "name",
        word(say("word column")),
        Column(say("number column")),
        text(say("text column")),
    )
    hidden_in_terminal = Column(columns[3].name, "text", terminal=False)
    row = (say("row name"), say("cell"), "+0.41 [0.36, 0.47]", say("text cell"))
    grid = Grid(
        say("table"),
        (*columns[:3], hidden_in_terminal),
        (row, row, row),
        bold=frozenset({0}),
        dim=frozenset({1}),
        swatches=("#0072b2", "red", say("swatch")),
        note=say("note"),
    )
    tokens = (Token(say("token"), 0.5, say("token title")), Token(say("token"), -1.0))
    reading = Reading(
        say("asked"),
        ((say("whose"), say("answer")), (say("whose"), tokens)),
        head=say("head"),
        before=(say("before"),),
        reveal=say("reveal"),
    )
    blocks = (
        grid,
        Drawing(figure, say("caption")),
        Prose(say("prose")),
        Prose(say("small print"), note=True),
        Terms(((say("term"), say("definition")),)),
        Steps((say("step"),)),
        reading,
        Fold(say("summary"), (Prose(say("folded")), Fold(say("summary"), (grid,)))),
    )
    return Page(
        title=say("title"),
        headline=say("headline"),
        done=say("done"),
        verdict=Verdict(say("verdict"), say("meaning"), "amber"),
        checks=((say("check"), say("sentence")),),
        notices=(say("notice"),),
        sections=(Section(say("heading"), blocks),),
        listings={say("listing"): {say("key"): say("value"), "more": {say("key"): [1, say("value"), None]}}},
        footer=say("footer"),
    )


class Browser(HTMLParser):
    """Every element that a browser would see, with its attributes, and all text outside of styles."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.attributes: list[tuple[str, str]] = []
        self.parts: list[str] = []
        self.feed(re.sub(r"<style>.*?</style>", "", page, flags=re.DOTALL))
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self.attributes += [(name, value or "") for name, value in attrs]

    def handle_data(self, data: str) -> None:
        self.parts.append(data)

    @property
    def text(self) -> str:
        """All words, one space between them."""
        return " ".join(" ".join(self.parts).split())


def assert_quiet(page: str) -> None:
    """Nothing on the page runs, fetches or leads anywhere."""
    seen = Browser(page)
    assert not set(seen.tags) & {
        "script", "link", "img", "image", "iframe", "object", "embed", "base", "a", "form", "input", "video", "audio",
        "source", "use", "foreignobject", "animate", "set",
    }  # fmt: skip
    names = {name for name, _ in seen.attributes}
    assert not [name for name in names if name.startswith("on") or name.endswith(("src", "srcset", "href", "action"))]
    styles = [value for name, value in seen.attributes if name == "style"] + re.findall(r"<style>(.*?)</style>", page)
    assert not [style for style in styles if "url(" in style or "@import" in style or "expression" in style]
