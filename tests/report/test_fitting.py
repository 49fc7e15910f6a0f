"""Whatever the width, no word of a table is broken or lost, and no line is longer than its longest word demands."""

import re
from io import StringIO

from hypothesis import given, settings
from hypothesis import strategies as st
from rich.cells import cell_len
from rich.console import Console

from undertone.report.fitting import INDENT, Fitting, lines_of

WORD = st.text(st.sampled_from("abc-/._é猫"), min_size=1, max_size=14)
CELL = st.lists(WORD, max_size=12).map(" ".join)
NUMBER = st.sampled_from(["1", "12,345", "+0.41 [0.36, 0.47]", "-17206 % [-17644806, -8587]", "-", ""])


def printed(table: Fitting, width: int) -> list[str]:
    out = StringIO()
    Console(file=out, width=width).print(table, markup=False, highlight=False, soft_wrap=True)
    return [line.rstrip() for line in out.getvalue().splitlines()]


def made(rows: list[tuple[str, str, str]], rule: bool) -> Fitting:
    table = Fitting([("name", False), ("effect [95 %]", True), ("what it is", False)], rule=rule)
    for row in rows:
        table.add(*row)
    return table


@settings(deadline=None)
@given(st.lists(st.tuples(WORD, NUMBER, CELL), min_size=1, max_size=4), st.integers(20, 200), st.booleans())
def test_no_word_is_broken_and_no_line_is_too_long(rows: list[tuple[str, str, str]], width: int, rule: bool) -> None:
    lines = printed(made(rows, rule), width)
    text = " ".join(lines)
    for row in rows:
        for word in " ".join(cell for cell in row if cell != "-").split():
            assert re.search(rf"(?<!\S){re.escape(word)}(?![^\s;])", text), (word, lines)
    longest = max(cell_len(word) for row in rows for word in " ".join(row).split())
    assert max(map(cell_len, lines)) <= max(width, longest + INDENT + 1)
    assert "…" not in text


@settings(deadline=None)
@given(NUMBER.filter(lambda cell: len(cell) > 1), st.integers(60, 120))
def test_a_number_with_its_interval_stays_on_one_line(number: str, width: int) -> None:
    assert any(number in line for line in printed(made([("owl", number, "a word")], True), width))


def test_what_has_room_is_a_table_and_what_has_none_is_a_list() -> None:
    rows = [("dilute-same-kind", "+0.41 [0.36, 0.47]", "a quarter of the rows"), ("drop", "-", "-")]
    assert printed(made(rows, False), 80)[0].split() == ["name", "effect", "[95", "%]", "what", "it", "is"]
    assert printed(made(rows, False), 30) == [
        "dilute-same-kind",
        "    effect [95 %]: +0.41",
        "    [0.36, 0.47]; what it is:",
        "    a quarter of the rows",
        "drop",
    ]


def test_numbers_end_at_the_same_column_and_texts_begin_at_one() -> None:
    rows = [("owl", "+0.41 [0.36, 0.47]", "first"), ("whale", "1", "second")]
    _, first, second = printed(made(rows, False), 80)
    assert first.index("]") == second.index("1 ") and first.index("first") == second.index("second")


def test_short_columns_keep_their_words_together_while_long_ones_are_folded() -> None:
    rows = [("one two", "1", "long " * 20)]
    lines = printed(made(rows, False), 60)
    assert any(line.startswith("one two ") for line in lines) and len(lines) > 3


@given(st.lists(WORD, min_size=1, max_size=20).map(" ".join), st.integers(1, 60), st.integers(0, 4), st.integers(0, 4))
def test_lines_hold_all_words_unbroken(text: str, room: int, indent: int, hang: int) -> None:
    lines = lines_of(" " * indent + text, room, hang)
    assert " ".join(" ".join(lines).split()) == text
    assert all(line.startswith(" " * (indent + hang)) for line in lines[1:]) and lines[0].startswith(" " * indent)
    for line in lines:
        assert cell_len(line) <= room or len(line.split()) == 1
    assert lines_of(text, cell_len(text)) == [text]
