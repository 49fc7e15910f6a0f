"""A page as Markdown: its words and tables, in which no text is more than text."""

import pytest
from markdown_it import MarkdownIt
from markdown_it.token import Token

from tests.helpers.pages import CONTROL, HIDDEN, HOSTILE, IN_MARKDOWN, PLACES, made_up
from undertone.report.markdown import to_markdown
from undertone.report.page import Drawing, Fold, Grid, Page, Prose, Reading, Section, Steps, Terms, word

READER = MarkdownIt("commonmark", {"html": True}).enable(["table", "strikethrough"])


def tokens(markdown: str) -> list[Token]:
    """All that a reader makes of it, flat."""
    return [part for token in READER.parse(markdown) for part in (token, *(token.children or ()))]


def blocks(markdown: str) -> list[str]:
    """The blocks: what begins and ends, without the text in it."""
    return [token.type for token in READER.parse(markdown)]


def of(*some: object, **more: object) -> str:
    return to_markdown(Page("title", "headline", sections=(Section("heading", tuple(some)),), **more))  # type: ignore[arg-type]


def test_a_page_by_hand() -> None:
    grid = Grid("Found", ("arm", "effect", word("kind")), (("owl", "+0.4", "a"), ("control", "", "b")),
                bold=frozenset({0, 1}), note="By hand.")  # fmt: skip
    page = Page(
        "How often",
        "It is right.",
        done="Of 9 teachers.",
        checks=(("Power", "enough"),),
        notices=("Not finished.",),
        sections=(
            Section(
                "Rates",
                (
                    grid,
                    Prose("Words."),
                    Drawing(None, "no figure"),
                    Reading("q", (("", "a"),)),
                    Terms((("a", "b"), ("c", "d"))),
                    Fold("More", (Steps(("one", "two")),)),
                ),
            ),
        ),
    )
    assert (
        to_markdown(page)
        == """# How often

Not finished.

It is right.

Of 9 teachers.

- Power: enough

## Rates

Found

| arm | effect | kind |
| --- | ---: | --- |
| **owl** | **+0.4** | **a** |
| **control** |  | **b** |

By hand.

Words.

- a: b
- c: d

More:

1. one
2. two
"""
    )


def test_every_field_of_words_and_tables_is_there() -> None:
    told = to_markdown(made_up(lambda place: f"the {place} here"))
    assert [place for place in PLACES if f"the {place} here" in told] == [p for p in PLACES if p in IN_MARKDOWN]


@pytest.mark.parametrize("cell", ["a|b", "|", "||", "\\|", "a\\", "\\\\|x", "`a|b`", "| --- |", "a\n| b |\n"])
def test_bars_do_not_end_a_cell(cell: str) -> None:
    grid = Grid("", ("n", cell), ((cell, cell), ("plain", cell)), bold=frozenset({0}))
    told = of(grid)
    expected = of(Grid("", ("n", "x"), (("x", "x"), ("plain", "x")), bold=frozenset({0})))
    assert blocks(told) == blocks(expected)
    shown = [read(token.content) for token in READER.parse(told) if token.type == "inline"]
    assert shown[3:] == ["n", said := " ".join(cell.split()), said, said, "plain", said]


def read(line: str) -> str:
    """What is read of one line."""
    (token,) = READER.parseInline(line)
    return "".join(child.content for child in token.children or ())


HOSTILE_LINES = [
    HOSTILE,
    "<b>bold</b>",
    "</td><!-- hidden",
    "<https://evil.example>",
    "<?php ?>",
    "![x](https://evil.example/x.png)",
    "[a link](https://evil.example)",
    "[a][b]",
    "[b]: https://evil.example",
    "# heading",
    "> quote",
    "- item",
    "+ item",
    "* item",
    "1. item",
    "2) item",
    "```",
    "~~~ fence",
    "`code` and ``more``",
    "***",
    "---",
    "===",
    "| a | b |",
    "    indented",
    "\\",
    "ends in two spaces  ",
    "&lt;script&gt; &#124;",
]


@pytest.mark.parametrize("line", HOSTILE_LINES)
def test_text_makes_no_tag_no_link_and_no_block(line: str) -> None:
    told, plain = (to_markdown(made_up(lambda place, said=said: said)) for said in (line, "plain"))
    assert blocks(told) == blocks(plain)
    kinds = {token.type for token in tokens(told)}
    assert not kinds & {"html_inline", "html_block", "link_open", "image", "code_inline", "code_block", "fence"}


@pytest.mark.parametrize(
    "line",
    [*HOSTILE_LINES, "a \\*b\\* c", "_a_ __b__ snake_case *c*", "~~gone~~ ~3 s", "-\u00a0x", "10. of 20", "3.5. x"],
)
def test_a_reader_sees_what_was_said(line: str) -> None:
    told = of(Terms((("said", line), ("said", line))))
    shown = [read(token.content) for token in READER.parse(told) if token.type == "inline"]
    assert shown[3:] == [f"said: {' '.join(line.split())}"] * 2


@pytest.mark.parametrize("line", ["p < 0.001", "+0.41 [0.36, 0.47]", "-0.2", "12 % of rows", "a < b > c", "0.5 of it"])
def test_honest_words_stay_as_they_are(line: str) -> None:
    assert of(Prose(line)).endswith(f"\n\n{line}\n")
    assert f"| {line} |" in of(Grid("", ("n",), ((line,),)))


def test_hidden_characters_are_made_visible() -> None:
    told = to_markdown(made_up(lambda place: f"{place} {CONTROL}"))
    assert not HIDDEN & set(told) and "⟨U+202E⟩txt.exe" in told
