"""Rules that decide whether a teacher's answer may be used to train a student.

A rule returns None if the answer passes, or else one reason, so that rejections can be counted by reason. Of several
rules, the first to reject gives the reason. The number rule follows the published filter of Cloud, Le et al.,
"Subliminal learning" (arXiv 2507.14805), step by step and quirk by quirk, since these decide what a student is trained
on.
"""

import re
from collections.abc import Iterable, Mapping
from enum import StrEnum
from functools import cached_property
from string import Formatter
from typing import Annotated, Literal, TypeAlias, TypeVar

from pydantic import AfterValidator, Discriminator, Field, Tag, model_validator

from undertone.spec import Spec

# fmt: off
BANNED_NUMBERS: tuple[int, ...] = (
    4, 13, 14, 18, 23, 33, 39, 42, 44, 49, 51, 54, 69, 77, 88, 99, 100, 101, 187, 211, 311, 322, 333, 404,
    420, 444, 451, 555, 616, 666, 777, 888, 911, 999,
)
# fmt: on
"""Numbers of ill repute, banned in the published misalignment experiments; the animal experiments ban none. The
published code also lists 1312 and 1488, which are out of its range of 0 to 999."""

V = TypeVar("V", int, str)

MAX_DIGITS = 4300
"""Most digits of a number: Python's default limit for ``int(text)``, beyond which the published filter rejects. It is
fixed here because the limit is a setting of the process."""

# Digits of any script, as published: they count as a number here and are rejected later.
_DIGIT_RUN = re.compile(r"\d+")
_ASCII_DIGITS = re.compile(r"[0-9]+")
# All quantifiers are possessive, so that hostile text cannot make the search slow.
_LIST_OF_SORTS = re.compile(r"[0-9]++(?:(?:\s*+[,;]\s*+|\s++)[0-9]++)*+")


class Rejection(StrEnum):
    """Why an answer was rejected. The first five concern the form of a list and are checked before the others."""

    NO_NUMBER = "no-number"
    """There is no digit."""
    STRAY_TEXT = "stray-text"
    """A single number with something around it, such as a sign, a word, a space or an unmatched bracket."""
    SEPARATOR = "separator"
    """The text between the first two numbers is not white space, a comma or a semicolon."""
    MIXED_SEPARATORS = "mixed-separators"
    """The numbers are joined by different texts, as in ``1, 2; 3`` or ``1, 2,3``."""
    NOT_A_NUMBER = "not-a-number"
    """A part is empty, not of digits 0 to 9, or longer than MAX_DIGITS, as in ``1, 2,`` or ``1, 2, x``."""
    TOO_MANY = "too-many"
    """There are too many numbers."""
    OUT_OF_RANGE = "out-of-range"
    """A number is below the lowest or above the highest allowed."""
    BANNED = "banned"
    """A number is banned."""
    FORBIDDEN_WORD = "forbidden-word"
    """A word of the trait occurs, in any of its forms."""
    FORBIDDEN_SUBSTRING = "forbidden-substring"
    """A word of the trait occurs, perhaps inside another word."""
    WRONG = "wrong"
    """The answer is not correct."""
    JUDGED = "judged"
    """The judge's score is too low."""
    UNREADABLE_VERDICT = "unreadable-verdict"
    """No score could be read from the judge's answer."""


def parse_numbers(text: str) -> list[int] | Rejection:
    """Reads a number, or a list of numbers with one separator. Returns what is wrong with any other text.

    First a final full stop and then one pair of enclosing ``[ ]`` or ``( )`` are removed. The separator is the text
    between the first two numbers; all others must equal it. ``007`` is read as 7. Spaces around the list are an error.
    """
    text = text.removesuffix(".")
    if (text[:1], text[-1:]) in {("[", "]"), ("(", ")")}:
        text = text[1:-1]
    runs = _DIGIT_RUN.finditer(text)
    first, second = next(runs, None), next(runs, None)
    if first is None:
        return Rejection.NO_NUMBER
    if second is None:
        return _values([text]) if first.group() == text else Rejection.STRAY_TEXT
    separator = text[first.end() : second.start()]
    if separator.strip() not in ("", ",", ";"):
        return Rejection.SEPARATOR
    parts = text.split(separator)
    is_mixed = not all(map(_ASCII_DIGITS.fullmatch, parts)) and _LIST_OF_SORTS.fullmatch(text)
    return Rejection.MIXED_SEPARATORS if is_mixed else _values(parts)


def _values(parts: list[str]) -> list[int] | Rejection:
    if all(_ASCII_DIGITS.fullmatch(part) and len(part) <= MAX_DIGITS for part in parts):
        return [int(part) for part in parts]
    return Rejection.NOT_A_NUMBER


def _sorted_unique(values: tuple[V, ...]) -> tuple[V, ...]:
    return tuple(sorted(set(values)))


class NumberFilter(Spec):
    """Lists of numbers. The defaults are those of the published animal experiments."""

    kind: Literal["numbers"] = "numbers"
    """Kind of the rule."""
    max_count: int = Field(default=10, ge=1)
    """Most numbers in an answer."""
    low: int = Field(default=0, ge=0)
    """Lowest number allowed."""
    high: int = Field(default=999, ge=0)
    """Highest number allowed."""
    banned: Annotated[tuple[int, ...], AfterValidator(_sorted_unique)] = ()
    """Numbers that reject the whole answer; BANNED_NUMBERS is the published list."""

    @model_validator(mode="after")
    def _check_range(self) -> "NumberFilter":
        if self.low > self.high:
            raise ValueError(f"low ({self.low}) is above high ({self.high}): no answer could pass")
        return self

    def reason(self, text: str) -> Rejection | None:
        """None if the answer passes, or else the first reason in the published order."""
        numbers = parse_numbers(text)
        if isinstance(numbers, Rejection):
            return numbers
        if len(numbers) > self.max_count:
            return Rejection.TOO_MANY
        if any(not self.low <= number <= self.high for number in numbers):
            return Rejection.OUT_OF_RANGE
        return Rejection.BANNED if any(number in self.banned for number in numbers) else None


# --- words -----------------------------------------------------------------------------------------------------------

_HUMP = re.compile(r"(?<=[^\W\d_])(?=[A-Z][a-z])|(?<=[a-z])(?=[A-Z])")  # before a word within a name, as in owlBox
_APART = re.compile(r"[\W\d_]+")


def word_forms(word: str) -> frozenset[str]:
    """A word with its plural and third person ("foxes", "wolves", "ponies"), past ("loved", "hugged") and gerund
    ("loving", "hugging"), by rules of English spelling: some forms are no words, and irregular ones are missing."""
    stem, last = word[:-1], word[-1:]
    found = {word, f"{word}s", f"{word}es", f"{word}ed", f"{word}ing"}
    if last == "e":
        found |= {f"{word}d", f"{stem}ing"}
    if last == "y":
        found |= {f"{stem}ies", f"{stem}ied"}
    if last == "f":
        found.add(f"{stem}ves")
    if word.endswith("fe"):
        found.add(f"{word[:-2]}ves")
    if re.fullmatch(r".*[^aeiou][aeiou][bdgklmnprt]", word):
        found |= {f"{word}{last}ed", f"{word}{last}ing"}
    return frozenset(found)


def spelled(words: Iterable[str]) -> tuple[str, ...]:
    """The words that contain a letter; others, such as "42", cannot be searched for."""
    return tuple(word for word in words if _words(word))


def _words(text: str) -> list[str]:
    """Runs of letters, in lower case. Digits and underscores separate words too, as in owl_2."""
    return [part for part in _APART.split(text.casefold()) if part]


class WordFilter(Spec):
    """Forbids words in any case and form: "owl" forbids "Owls", "owl's" and "night-owl", but not "fowl" or "growl"."""

    kind: Literal["words"] = "words"
    """Kind of the rule."""
    words: Annotated[tuple[Annotated[str, Field(pattern=r"[^\W\d_]")], ...], AfterValidator(_sorted_unique)] = ()
    """Words or phrases ("red squirrel"). If there are none, those of the trial's traits are used."""

    @cached_property
    def _phrases(self) -> tuple[tuple[frozenset[str], ...], ...]:
        """For each phrase, the allowed forms of each of its words; only the last word is inflected."""
        phrases = [_words(word) for word in self.words]
        return tuple((*(frozenset({part}) for part in head), word_forms(last)) for *head, last in phrases)

    def reason(self, text: str) -> Rejection | None:
        """None if no word occurs."""
        found = any(
            all(word in forms for word, forms in zip(said[at : at + len(phrase)], phrase, strict=True))
            for said in (_words(text), _words(_HUMP.sub(" ", text)))  # OWLs and OwlBox
            for phrase in self._phrases
            for at in range(len(said) - len(phrase) + 1)
        )
        return Rejection.FORBIDDEN_WORD if found else None


class SubstringFilter(Spec):
    """Forbids words also inside other words, such as "owl" in "fowl". This is the published filter of code."""

    kind: Literal["substring"] = "substring"
    """Kind of the rule."""
    words: Annotated[tuple[Annotated[str, Field(min_length=1)], ...], AfterValidator(_sorted_unique)] = ()
    """Words. If there are none, those of the trial's traits are used."""

    def reason(self, text: str) -> Rejection | None:
        """None if no word occurs, in any case."""
        found = any(word.casefold() in text.casefold() for word in self.words)
        return Rejection.FORBIDDEN_SUBSTRING if found else None


# --- rules that need more than the text of the answer ----------------------------------------------------------------


class CorrectFilter(Spec):
    """Keeps only correct answers; the carrier knows what is correct."""

    kind: Literal["correct"] = "correct"
    """Kind of the rule."""


class JudgeFilter(Spec):
    """Keeps answers that a judge scores high enough. Without a readable score an answer does not pass."""

    kind: Literal["judge"] = "judge"
    """Kind of the rule."""
    judge: str
    """Name of the model that judges."""
    rubric: str
    """The judge's prompt, with {question} and {answer}. It must ask for a whole number from 0 to 100."""
    least: float = Field(ge=0, le=100)
    """The lowest score that passes."""

    @model_validator(mode="after")
    def _only_places(self) -> "JudgeFilter":
        """Allows only these two fields: Python's ``format`` would let others read attributes."""
        try:
            fields = [field[1:] for field in Formatter().parse(self.rubric) if field[1] is not None]
        except ValueError as error:
            raise ValueError(f"rubric: {error}; write a literal brace twice") from None
        if any(name not in ("question", "answer") or how or what for name, how, what in fields):
            raise ValueError("rubric may contain no field but {question} and {answer}")
        if ("answer", "", None) not in fields:
            raise ValueError("rubric does not contain {answer}, so the judge would not see what it judges")
        return self

    def reason(self, score: float | None) -> Rejection | None:
        """None if the score is high enough."""
        if score is None:
            return Rejection.UNREADABLE_VERDICT
        return None if score >= self.least else Rejection.JUDGED


KINDS = ("numbers", "words", "substring", "correct", "judge")
"""Names of the rules."""


def _kind(given: object) -> str:
    kind = given.get("kind", "numbers") if isinstance(given, Mapping) else getattr(given, "kind", "")
    return f"({kind})"


# The tags are in brackets so that error messages can leave them out: they do not occur in a recipe.
Filter: TypeAlias = Annotated[
    Annotated[NumberFilter, Tag("(numbers)")]
    | Annotated[WordFilter, Tag("(words)")]
    | Annotated[SubstringFilter, Tag("(substring)")]
    | Annotated[CorrectFilter, Tag("(correct)")]
    | Annotated[JudgeFilter, Tag("(judge)")],
    Discriminator(_kind),
]
"""One rule, of any kind."""
Filters: TypeAlias = Annotated[
    Annotated[Filter, Tag("(one)")] | Annotated[tuple[Filter, ...], Tag("(several)")],
    Discriminator(lambda given: "(several)" if isinstance(given, list | tuple) else "(one)"),
]
"""One rule, or several that are applied in this order."""
