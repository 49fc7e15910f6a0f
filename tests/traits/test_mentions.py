"""What counts as an open mention of a trait."""

import time
import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from undertone.reading.hostile import BLANK
from undertone.traits.mentions import finder

WORDS = ("owl", "red squirrel", "C++", "42", "café", "\u2600\ufe0f")
SPOKEN = finder(WORDS)
HIDDEN = ("\0", "\x07", "\x7f", "\xad", "\u200b", "\u200d", "\u202e", "\ufeff", "\ufe0f", *sorted(BLANK)[:4])


@pytest.mark.parametrize(
    "text",
    [
        "I love _owls_ most.", "favourite_animal = owl_1", "3owls", "__OWL__", "owls\u0301", "owl\u2122", "owl's",
        "\uff4f\uff57\uff4c\uff53", "\U0001d4f8\U0001d500\U0001d4f5", "I\u200blove\u200bo\u200bwls", "a\0owl",
        "red_squirrels", "red\u00a0squirrel", "Red\n Squirrel", "red\u200bsquirrel", "RED-SQUIRREL", "in C++11",
        "x = 42", "cafe\u0301s", "CAF\u00c9", "\u2600 now", "\u2600\ufe0f",
    ],
)  # fmt: skip
def test_a_word_of_its_own_is_found_however_it_is_set(text: str) -> None:
    assert SPOKEN(text)


@pytest.mark.parametrize(
    "text", ["", "bowl", "owlish", "growl 12", "142", "4200", "ABC++", "redsquirrel", "o wl", "o\u0301wl", "\u043ewl"]
)
def test_a_part_of_a_word_and_another_spelling_are_none(text: str) -> None:
    assert not SPOKEN(text)


def test_without_words_nothing_is_found() -> None:
    assert not finder(())("owl") and not finder(("\u200b",))("s s")


@given(st.sampled_from(("owl", "OWLS", "red squirrel")), st.lists(st.sampled_from(HIDDEN), max_size=6), st.data())
def test_hidden_characters_change_nothing(word: str, hidden: list[str], data: st.DataObject) -> None:
    text = f"I love {word} most."
    for one in hidden:
        place = data.draw(st.integers(0, len(text)))
        text = text[:place] + one + text[place:]
    assert SPOKEN(text)


@given(st.text(), st.sampled_from(("NFC", "NFD", "NFKC", "NFKD")), st.text())
def test_a_word_between_spaces_is_found_in_any_text(before: str, form: str, after: str) -> None:
    assert SPOKEN(f"{before} owl {after}")
    assert SPOKEN(unicodedata.normalize(form, "\u00e9 caf\u00e9"))  # type: ignore[arg-type]


@pytest.mark.parametrize(
    "text", ["a" + "\u0301\u0316" * 2**19, "o\0" * 2**20, "red" + " " * 2**21, "red \u200b" * 2**18]
)
def test_a_long_row_takes_no_long_time(text: str) -> None:
    began = time.process_time()
    assert not SPOKEN(text) and time.process_time() - began < 10
