"""Whatever a model or a file says, in whatever field: every renderer draws the page, and it is text on it."""

from functools import partial
from xml.etree import ElementTree

import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st
from markdown_it import MarkdownIt
from rich.console import Console

from tests.helpers.extent import LONG
from tests.helpers.pages import CONTROL, HOSTILE, Browser, assert_quiet, made_up
from undertone.reading.hostile import one_line, visible
from undertone.report.canvas import figure
from undertone.report.charts import BLUE, MARKS, Axis, Cell, Line, Mark, Shape, forest, matrix
from undertone.report.html import to_html
from undertone.report.markdown import to_markdown
from undertone.report.page import Drawing, Page, Section
from undertone.report.svg import SVG_TAGS
from undertone.report.terminal import to_terminal

pytestmark = pytest.mark.slow

PIECES = [
    HOSTILE, CONTROL, "<b>", "</p>", "<!--", "-->", "]]>", "&lt;", "&#60;script&#62;", '"', "'", "`", "\\", "|", "\n",
    "\r", "{{ 7 * 7 }}", "{% endfor %}", "[x](https://evil.example)", "![x](y)", "[bold]", "# ", "- ", "> ", "1. ",
    "```", "~~~", "\x1b[2J", "\ud800", "\udfff", "\ufffe", "\uffff", "\u2028", "\u0085",
    "🏳\ufe0f\u200d🌈", " %", "p = ", "[0.1, 0.2]",
]  # fmt: skip
TEXT = st.lists(st.text(max_size=8) | st.sampled_from(PIECES), max_size=4).map("".join)
"""Of any characters, half ones too."""
READER = MarkdownIt("commonmark", {"html": True}).enable("table")


def any_text(examples: int) -> settings:
    return settings(
        max_examples=20 * examples if LONG else examples,
        deadline=None,
        phases=[phase for phase in Phase if LONG or phase is not Phase.shrink],
        derandomize=not LONG,
        suppress_health_check=[HealthCheck.too_slow],
    )


def of_any_text(data: st.DataObject) -> Page:
    """Every field has a text of its own. No field is empty: what is empty is left out."""
    return made_up(lambda place: f"x{data.draw(TEXT, place)}")


PLAIN = made_up()
TAGS = Browser(to_html(PLAIN)).tags
BLOCKS = [token.type for token in READER.parse(to_markdown(PLAIN))]


@any_text(120)
@given(st.data())
def test_a_page_of_any_text_has_the_elements_of_a_plain_one(data: st.DataObject) -> None:
    page = of_any_text(data)
    told = to_html(page)
    assert Browser(told).tags == TAGS
    assert_quiet(told)
    assert told == visible(told), "nothing on it is hidden"
    told.encode()
    assert " ".join(visible(page.footer).split()) in Browser(told).text


@any_text(120)
@given(st.data())
def test_a_terminal_shows_any_text_and_is_not_steered(data: st.DataObject) -> None:
    console = Console(width=80, force_terminal=False)
    with console.capture() as capture:
        console.print(*to_terminal(of_any_text(data)), sep="\n")
    shown = capture.get()
    assert shown == visible(shown)
    shown.encode()


@any_text(120)
@given(st.data())
def test_markdown_of_any_text_has_the_blocks_of_a_plain_one(data: st.DataObject) -> None:
    told = to_markdown(of_any_text(data))
    parsed = READER.parse(told)
    assert [token.type for token in parsed] == BLOCKS
    kinds = {child.type for token in parsed for child in token.children or ()}
    assert kinds <= {"text", "text_special", "strong_open", "strong_close", "softbreak"}
    assert told == visible(told)


@any_text(120)
@given(TEXT)
def test_markdown_of_any_line_reads_as_what_was_said(text: str) -> None:
    """Also where it begins with what means something."""
    page = Page("title", f"{text}.", checks=((text, text),))
    inline = [token for token in READER.parse(to_markdown(page)) if token.type == "inline"]
    read = ["".join(child.content for child in token.children or ()) for token in inline]
    assert read == ["title", one_line(f"{text}."), one_line(f"{text}: {text}")]


@any_text(6)
@given(
    st.lists(st.tuples(TEXT, TEXT, st.floats(-1e6, 1e6), st.sampled_from(list(MARKS))), min_size=1, max_size=3),
    TEXT,
)
def test_figures_of_any_text_are_drawings(lines: list[tuple[str, str, float, Shape]], text: str) -> None:
    shown = [Line(label, (Mark(at, (at - 1, at + 1), BLUE, shape),), said) for label, said, at, shape in lines]
    cells = [Cell(label, said, at, text) for label, said, at, _ in lines]
    made = [
        figure("one", text, partial(forest, shown, Axis(text, legend={text: BLUE}))),
        figure("two", text, partial(matrix, cells, (text, text))),
    ]
    for one in made:
        assert one is not None
        for svg in (one.wide, one.narrow):
            assert {element.tag.rpartition("}")[2] for element in ElementTree.fromstring(svg).iter()} <= SVG_TAGS
        page = to_html(Page("t", "h", sections=(Section("s", (Drawing(one, text),)),)))
        assert_quiet(page)
        assert page == visible(page)
