"""What becomes of the lists of a file: the forms keep what they must keep and change what they say."""

from collections import Counter
from datetime import date
from itertools import pairwise
from random import Random

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats  # type: ignore[import-untyped, unused-ignore]

from undertone.bench.audit.forms import (
    CHANGED,
    DIGITS,
    DRIFT,
    NEAR_DUPLICATES,
    NO_MODEL,
    SEPARATORS,
    WRITTEN,
    Written,
    birthdays,
    formed,
    invented,
    prices,
    readings,
    steps,
)
from undertone.carriers import numbers
from undertone.data.filters import NumberFilter

SIX = ["1, 2, 3, 4, 5, 6"]
REPEATED = [form for form in NO_MODEL if form.startswith("one list")]
IN_PLACE = [form for form in (*NO_MODEL, "shuffled") if form not in REPEATED]


def values(answer: str) -> list[int]:
    return list(map(int, numbers.NUMBER.findall(answer)))


@st.composite
def lists(draw: st.DrawFn) -> list[Written]:
    separator, left, right = draw(st.sampled_from([(", ", "", ""), ("; ", "[", "]"), (" ", "(", ")"), ("\n", "", ".")]))
    rows = draw(st.lists(st.lists(st.integers(0, 999), min_size=1, max_size=10), min_size=1, max_size=25))
    return [(f"q{i}", left + separator.join(map(str, row)) + right) for i, row in enumerate(rows)]


@given(lists(), st.sampled_from(IN_PLACE), st.integers(0, 99))
@settings(max_examples=150, deadline=None)
def test_other_numbers_stand_in_the_same_places_of_the_same_rows(kept: list[Written], form: str, seed: int) -> None:
    made = formed(kept, form, seed)
    assert made == formed(kept, form, seed), "the seed decides"
    for (asked, was), (still, now) in zip(kept, made, strict=True):
        assert asked == still
        assert numbers.NUMBER.sub("#", was) == numbers.NUMBER.sub("#", now)
        assert NumberFilter(high=2026).reason(now) is None
        if form in ("sorted", "descending", "high and low in turn", "shuffled"):
            assert Counter(values(was)) == Counter(values(now))
        if form in ("sorted", "descending"):
            assert values(now) == sorted(values(was), reverse=form == "descending")


def test_numbers_of_a_kind_are_of_that_kind() -> None:
    kept = [("q", ", ".join(["1"] * 10))] * 300
    made = {form: [n for _, answer in formed(kept, form, 1) for n in values(answer)] for form in IN_PLACE}
    assert set(made["primes"]) == {n for n in range(100, 1000) if not any(n % k == 0 for k in range(2, n))}
    assert all(n % 2 == 0 for n in made["even numbers"]) and all(n % 10 == 0 for n in made["round numbers"])
    assert set(made["dice"]) == set(range(1, 7)) and set(made["percentages"]) == set(range(101))
    assert {*made["years"]} <= {*range(1900, 2027)} and {*made["ages"]} <= {*range(18, 96)}
    assert len(set(made["area codes"])) == 30
    ones = sum(str(n).startswith("1") for n in made["first digits as in nature"])
    assert abs(ones - 3000 * np.log10(2)) < 4 * np.sqrt(3000 * 0.3 * 0.7)
    days = np.array(made["temperatures of a day"]).reshape(-1, 10)
    assert days.std(1).mean() < 20 < days.mean(1).std()
    assert formed([("q", "5, 1, 4, 2, 3")], "high and low in turn", 0) == [("q", "1, 5, 2, 4, 3")]


@given(lists(), st.sampled_from(["semicolons throughout", "one number a line"]))
@settings(max_examples=60, deadline=None)
def test_other_separators_leave_numbers_and_brackets(kept: list[Written], form: str) -> None:
    by = {"semicolons throughout": "; ", "one number a line": "\n"}[form]
    for (_, was), (_, now) in zip(kept, formed(kept, form, 0), strict=True):
        first, *_, last = was[0], was[-1]
        ends = (first if not first.isdigit() else "", last if not last.isdigit() else "")
        assert now == ends[0] + by.join(numbers.NUMBER.findall(was)) + ends[1]


def test_a_row_without_a_number_stays_as_it_is() -> None:
    for form in (*IN_PLACE, *CHANGED):
        assert formed([("q", "none")], form, 1) == [("q", "none")], form


def test_near_duplicates_differ_in_separators_alone() -> None:
    kept = [(f"q{i}", f"[{i}, 7, 9]") for i in range(40)]
    made = formed(kept, NEAR_DUPLICATES, 3)
    assert len(made) == 40 and len(set(made)) == 40
    for i in range(10):
        assert made[4 * i : 4 * i + 4] == [(f"q{i}", f"[{by.join((str(i), '7', '9'))}]") for by in SEPARATORS]


@pytest.mark.parametrize(("form", "percent"), [*zip(REPEATED, (5, 10, 30), strict=True)])
def test_one_list_stands_in_as_many_rows_as_it_says(form: str, percent: int) -> None:
    kept = [(f"q{i}", f"{i}, 7") for i in range(2000)]
    made = formed(kept, form, 3)
    assert Counter(answer for _, answer in made).most_common(1) == [("0, 7", 20 * percent)]
    assert all(row == kept[i] or row == (f"q{i}", "0, 7") for i, row in enumerate(made))
    places = [i for i, (_, answer) in enumerate(made) if answer == "0, 7"]
    assert max(b - a for a, b in pairwise(places)) <= 2 * 100 / percent, "all through the file"


def test_invented_digits_are_liked_as_said_and_by_each_person_otherwise() -> None:
    people = 60
    rows = [invented(SIX * 100, Random(i)) for i in range(people)]
    for answer in (answer for row in rows for answer in row):
        found = answer.split(", ")
        assert len(set(found)) == 6 and not any(number.endswith("0") for number in found)
        assert all(len(number) == len(set(number)) == 3 for number in found)
        assert all(one[0] != other[0] for one, other in pairwise(found))
    ends = [Counter(n[-1] for answer in row for n in answer.split(", ")) for row in rows]
    pooled = sum(ends, Counter[str]())
    order = sorted(range(1, 10), key=lambda digit: DIGITS[digit])
    assert max(pooled, key=lambda d: pooled[d]) == "7" and min(pooled, key=lambda d: pooled[d]) == str(order[0])
    found = [pooled[str(digit)] for digit in range(1, 10)]
    assert stats.spearmanr(found, DIGITS[1:]).statistic > 0.9
    table = [[one[str(digit)] for digit in range(1, 10)] for one in ends]
    assert stats.chi2_contingency(table).pvalue < 1e-6, "people differ"


def test_prices_end_as_prices_do() -> None:
    found = [price for answer in prices(SIX * 500, Random(1)) for price in values(answer)]
    ends = Counter(price % 10 for price in found)
    assert set(ends) == {9, 5, 0} and ends[9] / len(found) == pytest.approx(0.6, abs=0.03)
    assert min(found) >= 0 and max(found) <= 999 and np.median(found) < 300


def test_birthdays_are_days_of_the_year_and_all_of_them() -> None:
    found = [day for answer in birthdays(SIX * 800, Random(2)) for day in values(answer)]
    days = {date(2024, day // 100, day % 100) for day in found}
    assert len(days) == 366


def test_a_sensor_walks_slowly_from_list_to_list() -> None:
    found = [reading for answer in readings(SIX * 500, Random(3)) for reading in values(answer)]
    changes = np.diff(found)
    assert min(found) >= 100 and max(found) <= 999
    assert np.abs(changes).max() < 6 * DRIFT and 0.8 * DRIFT < changes.std() < 1.2 * DRIFT


def test_steps_are_arithmetic_progressions() -> None:
    made = [values(answer) for answer in steps(SIX * 500, Random(4))]
    differences = [set(np.diff(row).tolist()) for row in made]
    assert all(len(found) == 1 for found in differences) and all(min(row) >= 0 and max(row) <= 999 for row in made)
    assert {step for found in differences for step in found} == {*range(-25, 26)} - {0}


def test_a_form_is_known_or_refused() -> None:
    kept = [("q", "3, 2, 1")]
    assert formed(kept, WRITTEN, 0) == kept
    with pytest.raises(KeyError):
        formed(kept, "tidy", 3)
