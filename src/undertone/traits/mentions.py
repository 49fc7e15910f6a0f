"""How open mentions of a trait are found."""

import re
import unicodedata
from collections.abc import Callable, Iterable
from functools import lru_cache

from undertone.reading.hostile import BLANK

# Normalising takes time in the square of a run of marks, so that runs are cut.
_RUN = re.compile(r"[\0-\x7f]?[^\0-\x7f]{1,64}")
_BLANK = BLANK | {"\ufe0e", "\ufe0f"}
_HIDDEN = "\0"


def finder(words: Iterable[str]) -> Callable[[str], bool]:
    """Returns a function that says whether a text contains any of ``words`` as a word of its own, singular or plural.

    Neither case nor compatibility forms (fullwidth letters, ligatures) matter, nor do hidden characters, wherever they
    stand. Everything that is no letter ends a word, such as "_" and digits; between two words there may be any white
    space, "_" or "-".
    """
    bare = filter(None, (_folded(_composed(word)).replace(_HIDDEN, "").strip() for word in words))
    forms = {form for word in bare for form in (word, *_plurals(word))}
    if not forms:
        return lambda text: False
    pattern = re.compile("|".join(map(_pattern, sorted(forms))))
    return lambda text: any(map(pattern.search, _readings(text)))


def _pattern(form: str) -> str:
    """Finds a form of a word. A word that begins or ends with a digit is no part of a longer number."""
    before, after = (r"[^\W_]" if edge.isdigit() else r"[^\W\d_]" for edge in (form[0], form[-1]))
    first, *parts = (r"\0*+".join(map(re.escape, part)) for part in form.split())
    letter = re.escape(form[0])
    # What stands before is looked at after the first letter, because a pattern that begins with one is searched fast.
    begun = f"{letter}(?<!{before}{letter}){first.removeprefix(letter)}"
    return r"[\s_\0-]+".join((begun, *parts)) + f"(?!{after})"


@lru_cache(maxsize=4)  # the same text is searched for one trait after another
def _readings(text: str) -> frozenset[str]:
    """The text as it stands and normalised, both without case and with one character for all that are hidden."""
    return frozenset(map(_folded, (text, _composed(text))))


def _composed(text: str) -> str:
    return _RUN.sub(lambda found: unicodedata.normalize("NFKC", found[0]), text)


def _folded(text: str) -> str:
    hidden = (ord(one) for one in set(text) if _is_hidden(one))
    return text.translate(dict.fromkeys(hidden, _HIDDEN)).casefold()


def _is_hidden(one: str) -> bool:
    return one in _BLANK or (unicodedata.category(one) in ("Cc", "Cf") and not one.isspace())


def _plurals(word: str) -> tuple[str, ...]:
    return (f"{word}s", f"{word}es", *((f"{word[:-1]}ves",) if word.endswith("f") else ()))
