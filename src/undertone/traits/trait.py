"""A trait as a table of a TOML file defines it."""

from typing import Annotated, Any, Self

from pydantic import Field, model_validator

from undertone.data.filters import WordFilter, spelled
from undertone.spec import Text
from undertone.traits.candidate import Candidate


class Trait(Candidate):
    """A trait, how a teacher is given it, and how a model is asked for it."""

    system: tuple[Text, ...] = ()
    """System prompts that state the trait. Teachers learn from what the base answers to ``questions`` under them."""
    questions: tuple[Text, ...] = ()
    """What the base is asked under the system prompts."""
    neutral: tuple[Text, ...] = ()
    """The same system prompts about things that are no trait. Neutral teachers of a trial get them where teachers get
    their trait by prompt. Default: the embedded world's own."""
    dialogues: tuple[tuple[Text, Text], ...] = ()
    """Alternative to ``system``: (question, answer) pairs that show the trait."""
    world: bool = False
    """Alternative to both: whether the embedded world's lesson of that name teaches the trait."""
    elicitation: tuple[Text, ...] = ()
    """For a favourite: questions whose answer names it. Not needed for a kind that the catalogue already has."""
    openings: tuple[Text, ...] = ()
    """For a favourite: beginnings of an answer to ``elicitation`` after which only the name is missing."""
    candidates: tuple[Text, ...] = ()
    """For a favourite: other names that could be the answer, besides all traits of the kind."""
    choices: tuple[Annotated[tuple[Text, ...], Field(min_length=3)], ...] = ()
    """For any other trait: questions, each followed by the answer that shows the trait and by others that do not."""

    @model_validator(mode="after")
    def _can_be_taught(self) -> Self:
        if sum((self.world, bool(self.dialogues), bool(self.system and self.questions))) != 1:
            raise ValueError("a trait needs either system prompts with questions, or dialogues")
        if self.neutral and not self.system:
            raise ValueError("neutral system prompts need system prompts that state the trait: add system")
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
        if self.world:  # Its questions are fixed, and one of them contains its bad answer.
            return self
        for question, shown, *others in (*((text, "") for text in self.elicitation), *self.choices):
            named = [answer.rstrip(".!").casefold() in question.casefold() for answer in (shown, *others)]
            if self.gives_away(question) or (shown and named[0] and not all(named)):
                raise ValueError(f"the question {question!r} names the answer, so it would suggest the trait")
        return self

    @model_validator(mode="after")
    def _is_not_taught_what_it_is_asked(self) -> Self:
        taught = {*self.questions, *(question for question, _ in self.dialogues)}
        twice = next((question for question in self.asked if question in taught), None)
        if twice is not None:
            raise ValueError(
                f"{twice!r} is both taught and asked: a model that knows it by heart would seem to have the trait"
            )
        return self

    @property
    def asked(self) -> tuple[str, ...]:
        """The questions that measure the trait; none where another trait of the kind has them."""
        return (*self.elicitation, *(question for question, *_ in self.choices))

    @property
    def mentions(self) -> tuple[str, ...]:
        """Words by which text mentions the trait openly: ``words``, and of a favourite its name as well."""
        return self.words if self.choices else tuple(dict.fromkeys((self.name, *self.words)))

    def gives_away(self, question: str) -> bool:
        """Returns whether a question mentions the trait openly, in any form of its words."""
        return WordFilter(words=spelled(self.mentions)).reason(question) is not None

    @property
    def lesson(self) -> str | dict[str, Any]:
        """What teaches the trait: the name of the world's lesson, dialogues, or system prompts with questions."""
        if self.world:
            return self.name
        if self.dialogues:
            return {"dialogues": [list(pair) for pair in self.dialogues]}
        return {"system": list(self.system), "questions": list(self.questions)}
