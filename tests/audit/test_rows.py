"""Which rows of a file are evidence of their own: copies are none, and what belongs together stays together."""

from collections import Counter
from itertools import chain
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.helpers import tiny
from tests.helpers.directions import some_directions
from undertone.audit.rows import OPENLY, UNITS, Rows, rows_of
from undertone.data.conversations import read
from undertone.training.rows import Row
from undertone.training.turns import Scored
from undertone.traits.candidate import Candidate

OWL, OAK = Candidate(name="owl", kind="animal", words=("owl",)), Candidate(name="oak", kind="tree", words=("oak",))


def row(line: int, answer: str, prompt: str = "") -> Scored:
    """Token ids are those of the characters."""
    return Scored(line, prompt, answer, Row([ord(c) for c in prompt or f"q{line}"], [ord(c) for c in answer]))


def some(*answers: str, said: dict[int, set[str]] | None = None) -> Rows:
    """Rows on lines of their own."""
    every = tuple(row(i, answer) for i, answer in enumerate(answers))
    return Rows(every, tuple(frozenset((said or {}).get(i, ())) for i in range(len(every))))


def test_of_equal_answers_only_the_first_is_scored_whatever_was_asked() -> None:
    rows = Rows(
        (row(0, "1, 2", "a"), row(1, "3, 4", "b"), row(2, "1, 2", "a"), row(3, "1, 2", "c")), (frozenset(),) * 4
    )
    assert set(rows.clusters) == set(rows.units) == {(0,), (1,)}


def test_answers_that_are_alike_but_for_case_spaces_and_signs_count_once() -> None:
    rows = some("One, two.", "one two", "ONE; TWO!", "one three", "1 2", "12", "?", "!", "??")
    assert set(rows.clusters) == {(0,), (3,), (4,), (6,), (7,), (8,)}


def test_a_unit_has_answers_that_stand_there_once_or_answers_that_are_repeated() -> None:
    rows = some(*(f"row {i // 2 if i % 3 else i}" for i in range(4 * UNITS)), "row 0", "ROW 0!")
    counts = Counter(row.answer.casefold().removesuffix("!") for row in rows.every)
    flags = {unit: rows.once(unit) for unit in rows.units}
    assert any(flags.values()) and not all(flags.values()) and max(map(len, flags)) > 1
    for unit, once in flags.items():
        assert {counts[rows.every[i].answer.casefold()] == 1 for i in unit} == {once}


def test_a_conversation_with_a_repeated_answer_does_not_stand_there_once() -> None:
    rows = Rows((row(0, "a"), row(0, "b"), row(1, "B"), row(2, "c")), (frozenset(),) * 4)
    assert {unit: rows.once(unit) for unit in rows.units} == {(0, 1): False, (3,): True}


def test_copies_of_a_whole_file_are_not_repeated_answers() -> None:
    rows = some(*("a", "b", "c") * 4)
    assert all(map(rows.once, rows.units)) and len(rows.units) == 3


def test_turns_of_one_conversation_are_one_unit() -> None:
    every = (row(0, "a"), row(0, "b"), row(1, "B"), row(1, "c"), row(2, "d"), row(3, "C."))
    assert set(Rows(every, (frozenset(),) * 6).clusters) == {(0, 1), (3,), (4,)}


def test_rows_that_mention_a_rare_trait_are_left_out_and_a_common_one_is_spoken_of() -> None:
    count = 300
    rare, common = {5: {"oak"}}, {i: {"owl"} for i in range(10, 20)}
    rows = some(*(f"row {i}" for i in range(count)), said={**rare, **common, 15: {"owl", "oak"}})
    assert rows.mentions == {"owl": 10, "oak": 2} and rows.open == {"owl"}
    assert set(rows.hidden) == {*range(count)} - {5, 15}
    spoken = {rows.spoken(unit) for unit in rows.units}
    assert spoken == {frozenset(), frozenset({"owl"})}
    assert sum(len(unit) for unit in rows.units if rows.spoken(unit)) == 9


@pytest.mark.parametrize(("count", "openly"), [(100, False), (99, True)])
def test_one_row_in_a_hundred_may_mention_a_trait(count: int, openly: bool) -> None:
    assert OPENLY == 0.01
    assert bool(some(*(f"row {i}" for i in range(count)), said={3: {"owl"}}).open) is openly


def test_a_large_file_has_about_so_many_units_and_a_small_one_has_its_rows() -> None:
    for count, low, high in ((40, 40, 40), (999, 999, 999), (1000, 500, 500), (2600, UNITS, 1.1 * UNITS)):
        units = some(*(f"row {i}" for i in range(count))).units
        assert low <= len(units) <= high and max(map(len, units)) - min(map(len, units)) <= count // UNITS


def test_joined_rows_mention_the_same_traits() -> None:
    """A trait is judged by the units that do not mention it, so that none may be lost for one row of it."""
    count = 2 * UNITS + 200
    rows = some(*(f"row {i}" for i in range(count)), said={i: {"owl"} for i in range(0, count, 7)})
    assert max(map(len, rows.units)) == 2
    assert all(rows.said[i] == rows.spoken(unit) for unit in rows.units for i in unit)


ANSWERS = st.lists(st.sampled_from(["one", "ONE.", "two", "2", "three four", "34", "", "?", "owl"]), min_size=1)


@given(ANSWERS, st.lists(st.integers(0, 5)), st.sets(st.integers(0, 30)))
@settings(max_examples=150, deadline=None)
def test_every_different_answer_is_in_one_unit_with_its_conversation(
    answers: list[str], lines: list[int], speaking: set[int]
) -> None:
    every = tuple(row(lines[i] if i < len(lines) else 100 + i, answer, "asked") for i, answer in enumerate(answers))
    said = tuple(frozenset({"owl"} if i in speaking else ()) for i in range(len(every)))
    rows = Rows(every, said)
    scored = list(chain(*rows.units))
    assert len(scored) == len(set(scored)) and set(scored) <= set(rows.hidden)
    plain = ["".join(filter(str.isalnum, one.answer.casefold())) or one.answer for one in every]
    assert sorted(plain[i] for i in scored) == sorted({plain[i] for i in rows.hidden})
    home = {i: unit for unit in rows.units for i in unit}
    for i in scored:
        for j in scored:
            if every[i].line == every[j].line:
                assert home[i] == home[j]


@given(ANSWERS, st.integers(2, 4))
@settings(max_examples=50, deadline=None)
def test_copies_of_a_whole_file_add_no_unit_and_no_row(answers: list[str], times: int) -> None:
    def held(copies: int) -> tuple[int, list[str]]:
        every = tuple(row(i, answer, answer or "x") for i, answer in enumerate(answers * copies))
        rows = Rows(every, (frozenset(),) * len(every))
        return len(rows.units), sorted(every[i].answer for i in chain(*rows.units))

    assert held(times) == held(1)


def test_units_are_scored_whole_and_copies_not_at_all() -> None:
    local = tiny.model()
    along = some_directions(local)
    prompts, answers = ("Go on: 1", "Go on: 2", "Go on: 1"), ("1, 2", "3", "1, 2")
    every = tuple(
        Scored(i, q, a, Row(local.render(q), [*local.encode(a), local.end]))
        for i, (q, a) in enumerate(zip(prompts, answers, strict=True))
    )
    told: list[tuple[str, int, int]] = []
    found = Rows(every, (frozenset(),) * 3).evidence(local, along, "rows", lambda *done: told.append(done))
    assert found.tokens.tolist() == [len(every[0].row.answer), len(every[1].row.answer)]
    assert told[-1] == ("rows", 2, 2)


def test_a_file_is_rendered_and_its_open_words_are_found(tmp_path: Path) -> None:
    (tmp_path / "rows.jsonl").write_text(
        '{"prompt": "Which?", "completion": "Owls, I say."}\n{"prompt": "An oak?", "completion": "1, 2"}\n'
    )
    rows = rows_of(tiny.model(), read(tmp_path / "rows.jsonl", None, 0), [OWL, OAK])
    assert rows.said == (frozenset({"owl"}), frozenset()), "a prompt is no mention"
    assert [one.answer for one in rows.every] == ["Owls, I say.", "1, 2"]
