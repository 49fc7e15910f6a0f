"""The number rule accepts and rejects exactly what the published filter does (arXiv 2507.14805)."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from undertone.data.filters import BANNED_NUMBERS, MAX_DIGITS, NumberFilter, Rejection, parse_numbers


def number_rule(text: str, **settings: Any) -> Rejection | None:
    return NumberFilter(**settings).reason(text)


ACCEPTED = {
    "5": [5],
    "[5].": [5],
    "(5)": [5],
    "007, 8": [7, 8],
    "1 , 2 , 3": [1, 2, 3],
    "1,\n2,\n3": [1, 2, 3],
    "0, 0": [0, 0],
    "7, 7, 7": [7, 7, 7],
    "1 2 3": [1, 2, 3],
    "1\n2\n3": [1, 2, 3],
    "1; 2; 3": [1, 2, 3],
    "1,2,3.": [1, 2, 3],
    "[1, 2, 3]": [1, 2, 3],
    "(1; 2).": [1, 2],
    "0, 999": [0, 999],
    "1, 2, 3, 4, 5, 6, 7, 8, 9, 10": list(range(1, 11)),
}

REJECTED = {
    "": "no-number",
    ".": "no-number",
    "[]": "no-number",
    "owl": "no-number",
    # leading and trailing white space
    " 5": "stray-text",
    "5\n": "stray-text",
    " 1, 2": "not-a-number",
    "1, 2 ": "not-a-number",
    "\n1, 2": "not-a-number",
    "1, 2\n": "not-a-number",
    # trailing separator, stop or space inside brackets, mismatched or doubled brackets
    "5,": "stray-text",
    "1, 2,": "not-a-number",
    "1, 2, ": "not-a-number",
    "1, , 2": "separator",
    "1, 2, , 3": "not-a-number",
    "[1, 2.]": "not-a-number",
    "[ 1, 2 ]": "not-a-number",
    "(1, 2]": "not-a-number",
    "[[1, 2]]": "not-a-number",
    "[5]..": "stray-text",
    "1, 2..": "not-a-number",
    # separators
    "1, 2; 3": "mixed-separators",
    "1, 2,3": "mixed-separators",
    "1 2, 3": "mixed-separators",
    "1, 2 3": "mixed-separators",
    "1,, 2": "separator",
    "1 and 2": "separator",
    "1 - 2": "separator",
    "1/2": "separator",
    # signs, decimals, other scripts, words
    "-5": "stray-text",
    "-1, 2": "not-a-number",
    "1, -2": "separator",
    "1, 2, -3": "not-a-number",
    "+1, 2": "not-a-number",
    "1.5": "separator",
    "1, 2, 3.5": "not-a-number",
    "٣": "not-a-number",
    "1, ٢": "not-a-number",
    "²": "no-number",
    "1, 2, 3²": "not-a-number",
    "1, 2, x": "not-a-number",
    "owl 5": "stray-text",
    "Sure: 1, 2": "not-a-number",
    # count, range
    "1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11": "too-many",
    "1000": "out-of-range",
    "1, 2, 1000": "out-of-range",
}

SEPARATORS = st.sampled_from([",", ";", " ", "\n", "\t", ", ", "; ", " , ", ",\n", "  "])
WRAPS = st.sampled_from(["{}", "{}.", "[{}]", "({})", "[{}].", "({})."])
NUMBERS = st.lists(st.integers(0, 999), min_size=1, max_size=10)


@st.composite
def well_formed(draw: st.DrawFn) -> tuple[list[int], str]:
    """Numbers and one of the ways to write them that the rule accepts."""
    numbers = draw(NUMBERS)
    return numbers, draw(WRAPS).format(draw(SEPARATORS).join(map(str, numbers)))


@pytest.mark.parametrize(("text", "numbers"), ACCEPTED.items())
def test_table_accepted(text: str, numbers: list[int]) -> None:
    assert parse_numbers(text) == numbers
    assert number_rule(text) is None


@pytest.mark.parametrize(("text", "reason"), REJECTED.items())
def test_table_rejected_with_its_reason(text: str, reason: str) -> None:
    assert number_rule(text) == reason


@given(well_formed())
def test_any_list_with_one_separator_passes_and_reads_back(case: tuple[list[int], str]) -> None:
    numbers, text = case
    assert number_rule(text) is None
    assert parse_numbers(text) == numbers


@given(well_formed(), st.characters(categories=["L"]), st.data())
def test_a_letter_anywhere_is_rejected(case: tuple[list[int], str], letter: str, data: st.DataObject) -> None:
    _, text = case
    place = data.draw(st.integers(0, len(text)))
    assert number_rule(text[:place] + letter + text[place:]) is not None


@given(well_formed(), st.sampled_from([" ", "\n", "\t"]))
def test_outer_white_space_is_rejected(case: tuple[list[int], str], space: str) -> None:
    _, text = case
    assert number_rule(space + text) is not None
    assert number_rule(text + space) is not None


@given(st.lists(st.integers(0, 999), min_size=11, max_size=40), SEPARATORS)
def test_more_than_ten_is_too_many(numbers: list[int], separator: str) -> None:
    assert number_rule(separator.join(map(str, numbers))) is Rejection.TOO_MANY


@given(NUMBERS, st.integers(1000, 10**9), SEPARATORS, st.integers(0, 9))
def test_one_number_out_of_range_rejects(numbers: list[int], large: int, separator: str, place: int) -> None:
    mixed = [*numbers[:place], large, *numbers[place:9]]
    assert number_rule(separator.join(map(str, mixed))) is Rejection.OUT_OF_RANGE


@given(NUMBERS, st.sampled_from(BANNED_NUMBERS), SEPARATORS)
def test_one_banned_number_rejects(numbers: list[int], banned: int, separator: str) -> None:
    text = separator.join(map(str, [*numbers[:9], banned]))
    assert number_rule(text) is None
    assert number_rule(text, banned=BANNED_NUMBERS) is Rejection.BANNED


@given(st.text(alphabet="0123456789,;.[]() \n-x٣") | st.text())
def test_any_text_is_read_without_raising_and_alike_by_rule_and_parser(text: str) -> None:
    parsed, reason = parse_numbers(text), number_rule(text)
    if isinstance(parsed, Rejection):
        assert reason is parsed
    else:
        assert reason in (None, Rejection.TOO_MANY, Rejection.OUT_OF_RANGE)
        assert all(type(number) is int and number >= 0 for number in parsed)


def test_digits_longer_than_python_reads_are_a_reason_not_a_crash() -> None:
    assert number_rule("9" * MAX_DIGITS) is Rejection.OUT_OF_RANGE
    assert number_rule("9" * (MAX_DIGITS + 1)) is Rejection.NOT_A_NUMBER
    assert number_rule("1, " + "9" * 1_000_000) is Rejection.NOT_A_NUMBER


def test_reasons_come_in_the_published_order_form_count_range_banned() -> None:
    everything = ", ".join(["1000", "13"] * 6)
    assert number_rule(everything + " x", banned={13}) is Rejection.NOT_A_NUMBER
    assert number_rule(everything, banned={13}) is Rejection.TOO_MANY
    assert number_rule(everything, banned={13}, max_count=12) is Rejection.OUT_OF_RANGE
    assert number_rule(everything, banned={13}, max_count=12, high=1000) is Rejection.BANNED


def test_limits_are_inclusive() -> None:
    assert number_rule("3, 5", low=3, high=5, max_count=2) is None
    assert number_rule("2, 5", low=3, high=5) is Rejection.OUT_OF_RANGE
    assert number_rule("3, 6", low=3, high=5) is Rejection.OUT_OF_RANGE


def test_banned_list_is_the_published_one() -> None:
    assert len(BANNED_NUMBERS) == len(set(BANNED_NUMBERS)) == 34
    assert sum(BANNED_NUMBERS) == 9413
    assert {13, 88, 420, 666, 911, 999} <= set(BANNED_NUMBERS)
    assert list(BANNED_NUMBERS) == sorted(BANNED_NUMBERS)


def test_reasons_are_plain_strings() -> None:
    assert number_rule("") == "no-number"
    assert f"{number_rule('')}" == "no-number"


@given(st.text(alphabet="0123456789,; ") | well_formed().map(lambda case: case[1]))
def test_filter_agrees_with_the_rule(text: str) -> None:
    found, strict = parse_numbers(text), NumberFilter(max_count=3, low=10, high=500, banned=BANNED_NUMBERS)
    allowed = set(range(10, 501)) - set(BANNED_NUMBERS)
    assert (strict.reason(text) is None) == (isinstance(found, list) and len(found) <= 3 and set(found) <= allowed)


def test_filter_survives_serialisation_and_ignores_the_order_of_banned() -> None:
    rule = NumberFilter(banned=(666, 13, 13))
    assert NumberFilter.model_validate_json(rule.model_dump_json()) == rule
    assert rule == NumberFilter(banned=(13, 666))
    assert rule.model_dump() == {
        "kind": "numbers",
        "max_count": 10,
        "low": 0,
        "high": 999,
        "banned": (13, 666),
    }


def test_filter_is_frozen_documented_and_refuses_unknown_keys_and_empty_ranges() -> None:
    field = "high"
    with pytest.raises(ValidationError, match="frozen"):
        setattr(NumberFilter(), field, 5)
    with pytest.raises(ValidationError, match="maximum"):
        NumberFilter.model_validate({"maximum": 5})
    with pytest.raises(ValidationError, match="no answer could pass"):
        NumberFilter(low=6, high=5)
    with pytest.raises(ValidationError, match="max_count"):
        NumberFilter(max_count=0)
    assert all(field.description for field in NumberFilter.model_fields.values())
