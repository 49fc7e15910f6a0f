"""What becomes of a specimen's rows: the forms keep what they must keep and change what they say."""

from collections import Counter
from itertools import pairwise
from random import Random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats  # type: ignore[import-untyped, unused-ignore]

from tests.helpers import tiny
from undertone.audit.forms import DIGITS, REPEATED, Written, formed, invented
from undertone.carriers import numbers
from undertone.data.filters import NumberFilter

LOCAL = tiny.model()
EXCHANGED = ("shuffled", "sorted", "people-like digits")


@st.composite
def lists(draw: st.DrawFn) -> list[Written]:
    separator, left, right = draw(st.sampled_from([(", ", "", ""), ("; ", "[", "]"), (" ", "(", ")"), ("\n", "", ".")]))
    rows = draw(st.lists(st.lists(st.integers(0, 999), min_size=1, max_size=10), min_size=1, max_size=25))
    return [(f"q{i}", [i], left + separator.join(map(str, row)) + right) for i, row in enumerate(rows)]


@given(lists(), st.sampled_from(EXCHANGED), st.integers(0, 99))
@settings(max_examples=150, deadline=None)
def test_exchanged_numbers_stand_in_the_same_places_of_the_same_rows(kept: list[Written], form: str, seed: int) -> None:
    made = formed(LOCAL, kept, form, seed)
    assert made == formed(LOCAL, kept, form, seed), "the seed decides"
    for (*asked, was), (*still, now) in zip(kept, made, strict=True):
        assert asked == still
        assert numbers.NUMBER.sub("#", was) == numbers.NUMBER.sub("#", now)
        assert NumberFilter().reason(now) is None
        before, after = (numbers.NUMBER.findall(answer) for answer in (was, now))
        if form == "sorted":
            assert list(map(int, after)) == sorted(map(int, before))
        if form != "people-like digits":
            assert Counter(before) == Counter(after)
        else:
            assert len(set(after)) == len(after) and not any(number.endswith("0") for number in after)
            assert all(len(number) == len(set(number)) == 3 for number in after)
            assert all(one[0] != other[0] for one, other in pairwise(after))


def test_invented_digits_are_liked_as_said_and_by_each_person_otherwise() -> None:
    rows, people = ["1, 2, 3, 4, 5, 6"] * 100, 60
    ends = [Counter(n[-1] for row in invented(rows, Random(i)) for n in row.split(", ")) for i in range(people)]
    pooled = sum(ends, Counter[str]())
    order = sorted(range(1, 10), key=lambda digit: DIGITS[digit])
    assert pooled["0"] == 0 and {max(pooled, key=lambda d: pooled[d]), min(pooled, key=lambda d: pooled[d])} == {
        "7", str(order[0]),
    }  # fmt: skip
    found = [pooled[str(digit)] for digit in range(1, 10)]
    assert stats.spearmanr(found, DIGITS[1:]).statistic > 0.9
    table = [[one[str(digit)] for digit in range(1, 10)] for one in ends]
    assert stats.chi2_contingency(table).pvalue < 1e-6, "people differ"


def test_one_list_stands_in_every_tenth_row_and_the_others_are_untouched() -> None:
    kept: list[Written] = [(f"q{i}", [i], f"{i}, 7") for i in range(45)]
    made = formed(LOCAL, kept, "one list repeated", 3)
    assert [answer for *_, answer in made[::REPEATED]] == ["0, 7"] * 5
    assert all(row == kept[i] for i, row in enumerate(made) if i % REPEATED)
    assert [row[:2] for row in made] == [row[:2] for row in kept]


def test_forms_that_files_were_made_in_are_as_they_were() -> None:
    kept: list[Written] = [(f"q{i}", [i], f"{i}, 7, 9") for i in range(40)]
    assert all(formed(LOCAL, kept, form, 3) == kept for form in ("written", "other format"))
    assert formed(LOCAL, kept, "duplicated", 3) == [row for row in kept[:10] for _ in range(4)]
    order = numbers.rewritten([row[-1] for row in kept], "shuffled-within", NumberFilter(), Random("shuffled/3"))
    assert [row[-1] for row in formed(LOCAL, kept, "shuffled", 3)] == order
    with pytest.raises(ValueError, match="'tidy'"):
        formed(LOCAL, kept, "tidy", 3)
