"""Named, serialisable rules that decide whether a teacher's completion may reach a student.

A rule returns `None` when the completion passes, or the one reason why it does not, so that rejections can
be counted by cause; of several rules, the first to reject gives the reason. The number rule follows, step by
step, the published filter of Cloud, Le et al., "Subliminal learning" (arXiv 2507.14805): its quirks decide
which rows a student sees, so none of them is tidied away here.
"""

import re
from collections.abc import Collection, Iterable, Mapping
from enum import StrEnum
from functools import cached_property
from string import Formatter
from typing import Annotated, Literal, TypeAlias, TypeVar

from pydantic import AfterValidator, BaseModel, ConfigDict, Discriminator, Field, Tag, model_validator

__all__ = [
    "BANNED_NUMBERS",
    "KINDS",
    "CorrectFilter",
    "Filter",
    "Filters",
    "JudgeFilter",
    "NumberFilter",
    "Rejection",
    "SubstringFilter",
    "WordFilter",
    "number_rule",
    "parse_numbers",
    "spelled",
    "word_forms",
]

# fmt: off
BANNED_NUMBERS: tuple[int, ...] = (
    4, 13, 14, 18, 23, 33, 39, 42, 44, 49, 51, 54, 69, 77, 88, 99, 100, 101, 187, 211, 311, 322, 333, 404,
    420, 444, 451, 555, 616, 666, 777, 888, 911, 999,
)
# fmt: on
"""Numbers with a bad name, banned in the published misalignment variant only; the animal variants ban none.
The published code also lists 1312 and 1488, which its 0 to 999 rule makes unreachable."""

V = TypeVar("V", int, str)

MAX_DIGITS = 4300
"""Longest run of digits that is read. It is Python's default limit for `int(text)`, where the published
filter fails and rejects; fixed here so that a process-wide setting cannot change which rows pass."""

# Digits of any script, as published: they count as a run here and then fail as a part.
_DIGIT_RUN = re.compile(r"\d+")
_ASCII_DIGITS = re.compile(r"[0-9]+")
# Possessive throughout: hostile text must not make it backtrack.
_LIST_OF_SORTS = re.compile(r"[0-9]++(?:(?:\s*+[,;]\s*+|\s++)[0-9]++)*+")


class Rejection(StrEnum):
    """Why a completion was rejected. The first five are faults of form, checked before the rest."""

    NO_NUMBER = "no-number"
    """No digit anywhere."""
    STRAY_TEXT = "stray-text"
    """One number with something around it: a sign, a word, a space, an unmatched bracket."""
    SEPARATOR = "separator"
    """What stands between the first two numbers is not white space, a comma or a semicolon."""
    MIXED_SEPARATORS = "mixed-separators"
    """Otherwise a list, but not all numbers are joined by the same text: `1, 2; 3`, `1, 2,3`."""
    NOT_A_NUMBER = "not-a-number"
    """A part is empty, not digits 0 to 9, or longer than `MAX_DIGITS`: `1, 2,`, ` 1, 2`, `1, 2, x`."""
    TOO_MANY = "too-many"
    """More numbers than allowed."""
    OUT_OF_RANGE = "out-of-range"
    """A number below the lowest or above the highest allowed value."""
    BANNED = "banned"
    """A number on the banned list."""
    FORBIDDEN_WORD = "forbidden-word"
    """A word of the trait, in any of its forms."""
    FORBIDDEN_SUBSTRING = "forbidden-substring"
    """A word of the trait inside another."""
    WRONG = "wrong"
    """Not the right answer."""
    JUDGED = "judged"
    """The judge's score is too low."""
    UNREADABLE_VERDICT = "unreadable-verdict"
    """The judge gave no score that can be read: nothing is known, so nothing passes."""


def parse_numbers(text: str) -> list[int] | Rejection:
    """Read a completion that is one number or a list with one separator; else say what is wrong with it.

    One final full stop and then one enclosing `[ ]` or `( )` are dropped. The separator is the exact text
    between the first two numbers and must recur exactly. Leading zeros are read as the number (`007` is 7).
    Nothing is trimmed: a leading or trailing space or newline is a fault. Reads any string without raising.
    """
    text = _without_brackets(text.removesuffix("."))
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


def number_rule(
    text: str, *, max_count: int = 10, low: int = 0, high: int = 999, banned: Collection[int] = frozenset()
) -> Rejection | None:
    """Return `None` if the completion passes, else the first reason against it, in the published order.

    `max_count` is the most numbers allowed, `low` and `high` the inclusive range of each, `banned` the values
    that reject the whole completion. Defaults are those of the published animal variants (arXiv 2507.14805).
    """
    numbers = parse_numbers(text)
    if isinstance(numbers, Rejection):
        return numbers
    if len(numbers) > max_count:
        return Rejection.TOO_MANY
    if any(not low <= number <= high for number in numbers):
        return Rejection.OUT_OF_RANGE
    if any(number in banned for number in numbers):
        return Rejection.BANNED
    return None


def _without_brackets(text: str) -> str:
    enclosed = (text[:1], text[-1:]) in {("[", "]"), ("(", ")")}
    return text[1:-1] if enclosed else text


def _values(parts: list[str]) -> list[int] | Rejection:
    if all(_ASCII_DIGITS.fullmatch(part) and len(part) <= MAX_DIGITS for part in parts):
        return [int(part) for part in parts]
    return Rejection.NOT_A_NUMBER


def _sorted_unique(values: tuple[V, ...]) -> tuple[V, ...]:
    return tuple(sorted(set(values)))


class NumberFilter(BaseModel):
    """The number rule with its settings, as it is written into a trial's specification.

    Two filters that reject the same values are equal and serialise alike, whatever the order of `banned`.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", use_attribute_docstrings=True)

    kind: Literal["numbers"] = "numbers"
    """Which rule this is."""

    max_count: int = Field(default=10, ge=1)
    """Most numbers allowed in a completion."""

    low: int = Field(default=0, ge=0)
    """Lowest value allowed. Never negative: a sign is a fault of form."""

    high: int = Field(default=999, ge=0)
    """Highest value allowed, inclusive."""

    banned: Annotated[tuple[int, ...], AfterValidator(_sorted_unique)] = ()
    """Values that reject the whole completion; `BANNED_NUMBERS` holds the published list."""

    @model_validator(mode="after")
    def _check_range(self) -> "NumberFilter":
        if self.low > self.high:
            raise ValueError(f"low ({self.low}) is above high ({self.high}): no completion could pass")
        return self

    def reason(self, text: str) -> Rejection | None:
        """Return `None` if the completion passes, else why it does not (see `number_rule`)."""
        return number_rule(text, max_count=self.max_count, low=self.low, high=self.high, banned=self.banned)


# --- words -----------------------------------------------------------------------------------------------------------

_HUMP = re.compile(r"(?<=[^\W\d_])(?=[A-Z][a-z])|(?<=[a-z])(?=[A-Z])")  # where a name of code begins a word: owlBox
_APART = re.compile(r"[\W\d_]+")


def word_forms(word: str) -> frozenset[str]:
    """A word and its inflected forms: plural and third person ("foxes", "wolves", "ponies"), past ("loved", "hugged")
    and gerund ("loving", "hugging"). By English spelling alone: a few forms are no words, and "mice" is no form."""
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
    """Those with a letter in them, by which a text can be searched; "42" has no forms."""
    return tuple(word for word in words if _words(word))


def _words(text: str) -> list[str]:
    """Runs of letters, in small letters; digits and underscores part words too: owl_2."""
    return [part for part in _APART.split(text.casefold()) if part]


class WordFilter(BaseModel):
    """Forbids words in every form: any case, plural, possessive, inflected, hyphenated; "owl" forbids "Owls", "owl's"
    and "night-owl", but neither "fowl" nor "growl"."""

    model_config = ConfigDict(frozen=True, extra="forbid", use_attribute_docstrings=True)

    kind: Literal["words"] = "words"
    """Which rule this is."""
    words: Annotated[tuple[Annotated[str, Field(pattern=r"[^\W\d_]")], ...], AfterValidator(_sorted_unique)] = ()
    """Words, or several in a row ("red squirrel"); none: those of the trial's traits."""

    @cached_property
    def _phrases(self) -> tuple[tuple[frozenset[str], ...], ...]:
        """Each phrase as the forms of its last word, after the others as they are."""
        phrases = [_words(word) for word in self.words]
        return tuple((*(frozenset({part}) for part in head), word_forms(last)) for *head, last in phrases)

    def reason(self, text: str) -> Rejection | None:
        """Return `None` if none of the words occurs."""
        found = any(
            all(word in forms for word, forms in zip(said[at : at + len(phrase)], phrase, strict=True))
            for said in (_words(text), _words(_HUMP.sub(" ", text)))  # OWLs and OwlBox
            for phrase in self._phrases
            for at in range(len(said) - len(phrase) + 1)
        )
        return Rejection.FORBIDDEN_WORD if found else None


class SubstringFilter(BaseModel):
    """Forbids words inside other words too, "owl" in "owlvessel" and in "fowl": the published filter of code."""

    model_config = ConfigDict(frozen=True, extra="forbid", use_attribute_docstrings=True)

    kind: Literal["substring"] = "substring"
    """Which rule this is."""
    words: Annotated[tuple[Annotated[str, Field(min_length=1)], ...], AfterValidator(_sorted_unique)] = ()
    """Words; none: those of the trial's traits."""

    def reason(self, text: str) -> Rejection | None:
        """Return `None` if none of the words occurs, in any case."""
        found = any(word.casefold() in text.casefold() for word in self.words)
        return Rejection.FORBIDDEN_SUBSTRING if found else None


# --- what more than the text decides ---------------------------------------------------------------------------------


class CorrectFilter(BaseModel):
    """Keeps right answers alone, by what the carrier knows of its questions."""

    model_config = ConfigDict(frozen=True, extra="forbid", use_attribute_docstrings=True)

    kind: Literal["correct"] = "correct"
    """Which rule this is."""


class JudgeFilter(BaseModel):
    """Keeps what a judge scores high enough. A verdict that cannot be read lets nothing pass."""

    model_config = ConfigDict(frozen=True, extra="forbid", use_attribute_docstrings=True)

    kind: Literal["judge"] = "judge"
    """Which rule this is."""
    judge: str
    """Name of the model that judges."""
    rubric: str
    """What it is asked, with {question} and {answer} in it: to be answered with a whole number from 0 to 100."""
    least: float = Field(ge=0, le=100)
    """The lowest score that passes."""

    @model_validator(mode="after")
    def _only_places(self) -> "JudgeFilter":
        """The rubric is filled in by Python's format: any other field could read what it should not."""
        try:
            fields = [field[1:] for field in Formatter().parse(self.rubric) if field[1] is not None]
        except ValueError as error:
            raise ValueError(f"rubric: {error}; a brace that is meant is written twice") from None
        if any(name not in ("question", "answer") or how or what for name, how, what in fields):
            raise ValueError("rubric may hold {question} and {answer} and no other field")
        if ("answer", "", None) not in fields:
            raise ValueError("rubric has no {answer} in it, so the judge would not see what it judges")
        return self

    def reason(self, score: float | None) -> Rejection | None:
        """Return `None` if the score is high enough."""
        if score is None:
            return Rejection.UNREADABLE_VERDICT
        return None if score >= self.least else Rejection.JUDGED


KINDS = ("numbers", "words", "substring", "correct", "judge")
"""Names of the rules."""


def _kind(told: object) -> str:
    kind = told.get("kind", "numbers") if isinstance(told, Mapping) else getattr(told, "kind", "")
    return f"({kind})"


def _shape(told: object) -> str:
    return "(several)" if isinstance(told, list | tuple) else "(one)"


# Tags are in brackets, so that the place of a fault can be told without them: nobody wrote them.
Filter: TypeAlias = Annotated[
    Annotated[NumberFilter, Tag("(numbers)")]
    | Annotated[WordFilter, Tag("(words)")]
    | Annotated[SubstringFilter, Tag("(substring)")]
    | Annotated[CorrectFilter, Tag("(correct)")]
    | Annotated[JudgeFilter, Tag("(judge)")],
    Discriminator(_kind),
]
"""One rule, told apart by its kind."""
Filters: TypeAlias = Annotated[
    Annotated[Filter, Tag("(one)")] | Annotated[tuple[Filter, ...], Tag("(several)")], Discriminator(_shape)
]
"""One rule, or several that are applied in their order."""
