"""A page in the terminal: it fits, says the answer where it is looked for, and is not steered by what it says."""

import re

from rich.console import Console
from rich.text import Text

from tests.helpers.pages import CONTROL, HIDDEN, HOSTILE, ON_TERMINAL, PLACES, made_up
from undertone.report.page import Column, Grid, Page, Section, text, word
from undertone.report.terminal import table, to_terminal


def printed(page: Page, width: int = 80, colours: bool = False) -> str:
    """What a terminal of so many columns shows."""
    console = Console(width=width, force_terminal=colours, color_system="truecolor" if colours else None)
    with console.capture() as capture:
        for part in to_terminal(page):
            console.print(part, soft_wrap=True)
    return capture.get()


def with_grid(grid: Grid) -> Page:
    return Page("title", "the answer", sections=(Section("s", (grid,)),))


WIDE = Grid(
    "What was found",
    ("arm", "effect [95 %]", "p", *(Column(f"more {i}", terminal=False) for i in range(8)),
     word("kind"), word("aside", terminal=False), Column("prompt", "text", terminal=False)),
    tuple((f"arm-{i}", "+0.41 [0.36, 0.47]", "0.002", *("12.3 [11.0, 14.0]",) * 8, "animal", "not shown", "long " * 90)
          for i in range(4)),
    note="Intervals are for 95 %.",
)  # fmt: skip


def test_a_grid_fits_eighty_columns_without_those_that_are_not_for_the_terminal() -> None:
    lines = printed(with_grid(WIDE)).splitlines()
    assert max(map(len, lines)) <= 80
    shown = "\n".join(lines)
    assert "…" not in shown and shown.count("+0.41 [0.36, 0.47] ") == 4 and shown.count("animal") == 4
    assert all(part in shown for part in ("What was found", "arm-3", "kind", "Intervals are for 95 %.", "the answer"))
    assert not any(part in shown for part in ("more", "12.3", "aside", "not shown", "prompt", "long"))


def test_numbers_stand_at_the_right_and_words_at_the_left() -> None:
    made = table(Grid("", ("name", "n", word("w"), text("t")), (("a", "1", "b", "c"),)))
    assert [number for _, number in made.columns] == [False, True, False, False]


def test_long_texts_have_several_lines_and_nothing_of_them_is_lost() -> None:
    said = [f"word{i}" for i in range(60)] + ["x" * 200]
    shown = printed(with_grid(Grid("", ("n", text("said")), (("1", " ".join(said)),))))
    assert sorted(map(len, shown.splitlines()))[-2:] == [80, 204] and "…" not in shown, "no word is broken"
    assert all(word in shown for word in said[:-1]) and shown.count("x") == 200


def test_rows_of_a_verdict_are_bold_and_rows_that_do_not_count_are_dim() -> None:
    grid = Grid("", ("name", "n"), (("a", "1"), ("b", "2"), ("c", "3")), bold=frozenset({0}), dim=frozenset({2}))
    assert [style for _, style in table(grid).rows] == ["bold", "", "dim"]


def test_a_grid_that_is_not_for_the_terminal_is_left_out() -> None:
    grid = Grid("not here", ("n",), (("1",),), terminal=False)
    assert [type(part) for part in to_terminal(with_grid(grid))] == [Text]


def order(page: Page) -> list[str]:
    return [part.plain if isinstance(part, Text) else "table" for part in to_terminal(page)]


def test_a_verdict_is_said_first_and_an_estimate_last() -> None:
    page = made_up()
    assert order(page) == ["notice", "headline", "table", "check: sentence"]
    estimate = Page("t", "headline", notices=("notice",), checks=page.checks, sections=page.sections)
    assert order(estimate) == ["table", "notice", "headline", "check: sentence"]
    experiment = Page("t", "headline", verdict=page.verdict, notices=("notice",), sections=page.sections)
    assert order(experiment) == ["table", "notice", "headline"]


def test_every_field_for_the_terminal_is_there_and_no_other() -> None:
    shown = printed(made_up(lambda place: f"<{place}>"), width=200)
    assert [place for place in PLACES if f"<{place}>" in shown] == [p for p in PLACES if p in ON_TERMINAL]


def test_a_terminal_is_not_steered() -> None:
    page = made_up(lambda place: f"{place}{CONTROL}\nVerdict: fine\r[bold]{HOSTILE}[/bold]")
    assert not HIDDEN & set(printed(page)) and "\r" not in printed(page)
    coloured = printed(page, colours=True)
    assert "\x1b" not in re.sub(r"\x1b\[[\d;]*m", "", coloured), "Rich's own styles are all that is left"
    plain = printed(made_up(), colours=True)
    styles = [set(re.findall(r"\x1b\[[\d;]*m", shown)) for shown in (plain, coloured)]
    assert styles[0] == styles[1]
    for part in to_terminal(page):
        if isinstance(part, Text):
            assert "\n" not in part.plain and "[bold]" in part.plain
    assert all(part in " ".join(printed(page, width=400).split()) for part in ("headline⟨U+001B⟩[31m", "<script>"))
