"""Guards by name."""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import NoReturn

from undertone.errors import UndertoneError, unknown
from undertone.guards import likelihoods, states
from undertone.guards.guard import AnyOf, Cascade, Place, Scorer, Set
from undertone.guards.known import Known
from undertone.guards.library import PREFIX, LibraryGuard
from undertone.guards.rubric import PLAIN, ChatGuard, Rubric
from undertone.guards.words import words
from undertone.measure.respondent import Open

ANY, CASCADE = "any:", "cascade:"
"""What the names of guards that are made of others begin with."""


@dataclass(frozen=True)
class Guard:
    """A guard before it has learnt anything."""

    name: str
    place: Place
    about: str
    """What it does, in a few words."""
    made: Callable[[Known], Scorer]

    def set_on(self, known: Known) -> Set:
        """Has it learn what is known, and sets it.

        Raises:
            UndertoneError: it gave no clean text a score, or cannot be asked.
        """
        scorer = self.made(known)
        found = Set.on(scorer, known.clean, known.base)
        if found.unread == len(found.clean):
            fault = scorer.fault if isinstance(scorer, ChatGuard | LibraryGuard) else "it gave no score"
            raise UndertoneError(f"The guard {self.name} judged none of {found.unread} clean texts: {fault}.")
        return found


GUARDS = {
    guard.name: guard
    for guard in (
        Guard("words", "answers", "counts words of bad and of good answers", words),
        Guard("told", "answers", "the base told to be bad, against the base told to be good", likelihoods.told),
        Guard("perplexity", "answers", "how surprising the base finds an answer", likelihoods.perplexity),
        Guard("distance", "answers", "how unusual the base's hidden states over an answer are", states.distance),
        Guard("request", "requests", "how surprising the base finds a request", likelihoods.of_request),
        Guard("inside", "activations", "the model's own hidden states before it answers", states.inside),
    )
}
"""Those that need no further model."""


def parts_of(name: str) -> list[str]:
    """Returns the guards that a guard is made of; itself alone if it is not made of others."""
    return name.removeprefix(ANY).removeprefix(CASCADE).split(",") if name.startswith((ANY, CASCADE)) else [name]


def models_of(names: Iterable[str]) -> list[str]:
    """Returns those of some guards, or of their parts, that are chat models.

    Raises:
        UndertoneError: a name is no guard's, or one is made of too few or of others that are made of others.
    """
    found = []
    for name in names:
        _refuse_misshapen(name)
        for part in parts_of(name):
            if part in GUARDS or part.startswith(PREFIX):
                continue
            if not any(mark in part for mark in "/:."):  # no model is called so
                raise unknown("guard", part, [*GUARDS, f"{ANY}A,B", f"{CASCADE}A,B", "a model"])
            found.append(part)
    return found


def guard_of(name: str, opened: Open, rubric: Rubric = PLAIN) -> Guard:
    """Returns the guard of a name: one of :data:`GUARDS`; ``any:A,B`` of several, of which each may block;
    ``cascade:A,B``, where B reads what A doubts; or ``any-guardrail/NAME``. Any other name is that of a chat model,
    which ``opened`` opens.

    Raises:
        UndertoneError: there is no such guard and no such model, or one is made of too few.
    """
    models = models_of([name])
    if name in GUARDS:
        return GUARDS[name]
    if name.startswith((ANY, CASCADE)):
        return _made_of(name, [guard_of(part, opened, rubric) for part in parts_of(name)])
    if name.startswith(PREFIX):
        library = LibraryGuard(name)
        return Guard(name, "answers", "a guard of the library any-guardrail", lambda known: library)
    chat = ChatGuard(opened(models[0]), rubric)
    return Guard(name, "answers", "a chat model that is asked by a rubric", lambda known: chat)


def guard_without_models(name: str) -> Guard:
    """Returns the guard of a name that needs no further model.

    Raises:
        UndertoneError: there is no such guard.
    """

    def opened(model: str) -> NoReturn:
        raise unknown("guard", model, GUARDS)

    return guard_of(name, opened)


def _refuse_misshapen(name: str) -> None:
    if not name.startswith((ANY, CASCADE)):
        return
    parts, cascade = parts_of(name), name.startswith(CASCADE)
    if len(parts) < 2 or (cascade and len(parts) > 2) or any(one.startswith((ANY, CASCADE)) for one in parts):
        count = "two guards" if cascade else "two or more guards"
        raise UndertoneError(
            f"The guard {name} must be made of {count} with commas between, as in "
            f"{CASCADE if cascade else ANY}words,told."
        )


def _made_of(name: str, parts: Sequence[Guard]) -> Guard:
    names = [part.name for part in parts]
    place: Place = "activations" if any(part.place == "activations" for part in parts) else "answers"

    def made(known: Known) -> Scorer:
        sets = [part.set_on(known) for part in parts]
        return AnyOf(sets) if name.startswith(ANY) else Cascade(sets[0], sets[1])

    about = " or ".join(names) if name.startswith(ANY) else f"{names[1]}, for what {names[0]} doubts"
    return Guard(name, place, about, made)
