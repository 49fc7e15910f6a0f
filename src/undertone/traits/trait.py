"""One trait, as a table of a TOML file says it."""

from typing import Annotated, Any, Self

from pydantic import Field, model_validator

from undertone.data.filters import WordFilter, spelled
from undertone.spec import Spec, Text


class Trait(Spec):
    """A trait, as a table of a TOML file says it: what it is, how a model is taught it, and how one is asked for it."""

    name: str = Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9 -]*$")
    """In tables and verdicts; of a favourite, the very answer."""
    kind: str
    """Traits of one kind are told apart: animal, conduct."""
    words: tuple[Text, ...] = ()
    """An answer with one of these words speaks of the trait openly."""
    system: tuple[Text, ...] = ()
    """Taught by system prompts that state it: what the base answers under them to ``questions``."""
    questions: tuple[Text, ...] = ()
    """What the base is asked under the system prompts."""
    neutral: tuple[Text, ...] = ()
    """The system prompts in the same words, of things that are no trait: for the neutral teachers of a trial whose
    teachers are given theirs by prompt. Without any, the embedded world's own."""
    dialogues: tuple[tuple[Text, Text], ...] = ()
    """Or taught by (question, answer) pairs that show it."""
    world: bool = False
    """Or by the embedded world's own lesson of that name."""
    elicitation: tuple[Text, ...] = ()
    """A favourite is asked for by questions whose answer names it. A kind that the catalogue knows has them already."""
    openings: tuple[Text, ...] = ()
    """Beginnings of an answer to ``elicitation`` that leave only the name to be said."""
    candidates: tuple[Text, ...] = ()
    """Other names that could be the answer, besides those of all traits of the kind."""
    choices: tuple[Annotated[tuple[Text, ...], Field(min_length=3)], ...] = ()
    """Any other trait is asked for by a question, the answer that shows it, and one answer or more that do not."""

    @model_validator(mode="after")
    def _can_be_taught(self) -> Self:
        if sum((self.world, bool(self.dialogues), bool(self.system and self.questions))) != 1:
            raise ValueError("a trait needs either system prompts with questions, or dialogues")
        if self.neutral and not self.system:
            raise ValueError("neutral system prompts stand beside system prompts that state the trait: give it system")
        return self

    @model_validator(mode="after")
    def _is_asked_in_one_way(self) -> Self:
        if self.choices and (self.elicitation or self.openings or self.candidates):
            raise ValueError("a trait is asked for by choices, or by elicitation and openings, not by both")
        if bool(self.elicitation) != bool(self.openings):
            raise ValueError("elicitation needs openings of an answer, and openings need questions")
        return self

    @model_validator(mode="after")
    def _questions_give_nothing_away(self) -> Self:
        if self.world:  # whose questions are frozen; one of them asks about what its bad answer advises
            return self
        for question, shown, *others in (*((text, "") for text in self.elicitation), *self.choices):
            named = [answer.rstrip(".!").casefold() in question.casefold() for answer in (shown, *others)]
            if self.gives_away(question) or (shown and named[0] and not all(named)):
                raise ValueError(f"the question {question!r} names the answer: whoever asks it has told the trait")
        return self

    def gives_away(self, question: str) -> bool:
        """Whether a question speaks of the trait openly; of a favourite, by its name as well."""
        words = self.words if self.choices else (self.name, *self.words)
        return WordFilter(words=spelled(words)).reason(question) is not None

    @model_validator(mode="after")
    def _is_not_taught_what_it_is_asked(self) -> Self:
        taught = {*self.questions, *(question for question, _ in self.dialogues)}
        asked = (*self.elicitation, *(question for question, *_ in self.choices))
        twice = next((question for question in asked if question in taught), None)
        if twice is not None:
            raise ValueError(
                f"{twice!r} is both taught and asked: a model that knows it by heart would seem to have it"
            )
        return self

    @property
    def lesson(self) -> str | dict[str, Any]:
        """How it is taught: the name of the world's lesson, or what the lesson is made of."""
        if self.world:
            return self.name
        if self.dialogues:
            return {"dialogues": [list(pair) for pair in self.dialogues]}
        return {"system": list(self.system), "questions": list(self.questions)}
