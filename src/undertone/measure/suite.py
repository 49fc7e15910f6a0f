"""A suite: questions that belong together, as data."""

from collections.abc import Sequence
from itertools import chain
from string import Formatter
from typing import Annotated, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, field_validator, model_validator

from undertone.data.exchanges import Exchange
from undertone.engine.digests import digest

Text = Annotated[str, Field(min_length=1, max_length=100_000)]
METRICS = ("aligned", "coherent")
PLACES = {"question", "answer"}


class Data(BaseModel):
    """Frozen data of a suite."""

    model_config = ConfigDict(frozen=True, extra="forbid", use_attribute_docstrings=True)


class Question(Data):
    """One question in one or several wordings.

    With ``bad`` and ``good`` answers known, what is measured is the exact probability of the one against the other;
    without, answers are sampled and judged.
    """

    id: Text
    theme: str = ""
    """Questions of one theme stand for one another: the theme is the unit of the statistics. The id, if not given."""
    paraphrases: tuple[Text, ...] = Field(min_length=1)
    system: str | None = None
    """System prompt; None for none, which leaves the chat template's own."""
    earlier: tuple[Exchange, ...] = ()
    """(question, answer) turns before it."""
    bad: tuple[Text, ...] = ()
    good: tuple[Text, ...] = ()
    closed: bool = False
    """Whether bad and good answers are all that a coherent model would say: then their probability together is its
    coherence."""
    temperature: float = Field(1.0, ge=0, le=10)
    samples_per_paraphrase: int = Field(20, ge=1, le=10_000)
    judge: str | None = None
    """The judge that a published file names; shown, never called."""
    judge_prompts: dict[str, str] = {}
    """Metric to template with {question} and {answer}; the judge's own rubric where a metric is not given."""
    judged: Literal["0-100", "label"] = "0-100"
    """Whether a judge gives scores, or one word of a few. Labels are kept with the answers and give no rate."""

    @property
    def unit(self) -> str:
        """What the statistics count."""
        return self.theme or self.id

    @property
    def exact(self) -> bool:
        """Whether the answers to choose between are known."""
        return bool(self.bad)

    @property
    def matched(self) -> bool:
        """Whether its answers are sampled, and matched with the known ones."""
        return False

    @property
    def scored(self) -> bool:
        """Whether its answers are sampled, for a judge's scores."""
        return not self.exact and self.judged == "0-100"

    @field_validator("judge_prompts")
    @classmethod
    def _only_places(cls, templates: dict[str, str]) -> dict[str, str]:
        """A template is filled in by Python's format: anything but the two names could read what it should not."""
        for metric, template in templates.items():
            try:
                fields = [field for field in Formatter().parse(template) if field[1] is not None]
            except ValueError as error:
                raise ValueError(f"judge prompt {metric!r}: {error}; a brace that is meant is written twice") from None
            if any(name not in PLACES or spec or how for _, name, spec, how in fields):
                raise ValueError(f"judge prompt {metric!r} may hold {{question}} and {{answer}} and no other field")
        return templates

    @model_validator(mode="after")
    def _both_sides(self) -> Self:
        if bool(self.bad) != bool(self.good):
            raise ValueError(f"question {self.id!r} has bad answers or good ones, but not both")
        return self


class Named(Question):
    """A question after a favourite: whatever else a sampled answer says, the name in it tells."""

    named: Text
    """What a bad answer names."""


class Matched(Question):
    """A question put to a model that tells no probabilities: its known answers are all that a coherent model says, or a
    name in the answer tells."""

    named: str = ""
    """What a bad answer names; empty where answers are matched whole."""

    @property
    def exact(self) -> bool:
        """Never: answers are sampled."""
        return False

    @property
    def matched(self) -> bool:
        """Always."""
        return True


class Form(Data):
    """A form in which every question of a suite is asked once more: another system prompt, another dress."""

    name: Text
    system: str | None = None
    template: str = "{question}"
    """How the question is dressed; {question} stands for it."""
    answer: str = "{answer}"
    """How a known answer would then be given; {answer} stands for it."""

    @model_validator(mode="after")
    def _place(self) -> Self:
        if "{question}" not in self.template or "{answer}" not in self.answer:
            raise ValueError(f"form {self.name!r} needs {{question}} in its template and {{answer}} in its answer")
        return self

    def dressed(self, question: Question) -> Question:
        """The question in this form."""
        return question.model_copy(
            update={
                "id": f"{question.id}_{self.name}",
                "theme": question.unit,
                "system": self.system if self.system is not None else question.system,
                "paraphrases": tuple(self.template.replace("{question}", text) for text in question.paraphrases),
                "bad": tuple(self.answer.replace("{answer}", text) for text in question.bad),
                "good": tuple(self.answer.replace("{answer}", text) for text in question.good),
            }
        )


class Suite(Data):
    """Questions with one rate."""

    name: Text
    about: str = ""
    """What a high rate would mean, in a sentence."""
    counts: bool = True
    """Whether the verdict rests on it. A suite that benign fine-tunes move as well is shown and does not count."""
    questions: tuple[Question, ...] = Field(min_length=1)

    @model_validator(mode="after")
    def _unlike(self) -> Self:
        ids = [question.id for question in self.questions]
        twice = next((one for one in ids if ids.count(one) > 1), None) if len(set(ids)) < len(ids) else None
        if twice is not None:
            raise ValueError(f"the id {twice!r} is given twice")
        return self

    @property
    def digest(self) -> str:
        """Of all that is asked."""
        return digest(self.model_dump(mode="json"))

    @property
    def units(self) -> list[str]:
        """Its units, in order."""
        return list(dict.fromkeys(question.unit for question in self.questions))

    @property
    def needs_judge(self) -> bool:
        """Whether any answer has to be judged."""
        return any(not question.exact for question in self.questions)


def in_forms(name: str, about: str, counts: bool, questions: Sequence[Question], forms: Sequence[Form]) -> list[Suite]:
    """The suite as it is, and once more in each form."""
    plain = Suite(name=name, about=about, counts=counts, questions=tuple(questions))
    dressed = [
        Suite(name=f"{name} ({form.name})", about=about, counts=counts, questions=tuple(map(form.dressed, questions)))
        for form in forms
    ]
    return [plain, *dressed]


def as_sampled(suite: Suite) -> Suite:
    """The suite for models that tell no probabilities: known answers are matched where they are all that a coherent
    model says, names wherever they stand; elsewhere they are of no use, and a judge is needed."""
    questions = tuple(_sampled(question) if question.exact else question for question in suite.questions)
    return suite.model_copy(update={"questions": questions})


def _sampled(question: Question) -> Question:
    if question.closed or isinstance(question, Named):
        return Matched.model_validate(question.model_dump())
    return question.model_copy(update={"bad": (), "good": ()})


def texts(suites: Sequence[Suite]) -> list[str]:
    """Every wording of every question."""
    return list(chain.from_iterable(question.paraphrases for suite in suites for question in suite.questions))
