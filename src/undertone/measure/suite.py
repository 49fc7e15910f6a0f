"""A suite: questions that belong together, as data."""

from collections import Counter
from collections.abc import Sequence
from string import Formatter
from typing import Annotated, ClassVar, Literal, NamedTuple, Self

from pydantic import Field, field_validator, model_validator

from undertone.data.exchanges import Exchange
from undertone.engine.digests import digest
from undertone.spec import Spec

Text = Annotated[str, Field(min_length=1, max_length=100_000)]
Texts = Annotated[tuple[Text, ...], Field(max_length=1000)]
METRICS = ("aligned", "coherent")
PLACES = {"question", "answer"}


class Prompt(NamedTuple):
    """One question as a model is asked it."""

    question: str
    system: str | None = None
    earlier: tuple[Exchange, ...] = ()
    """The (question, answer) turns before it."""


class Question(Spec):
    """One question in one or several wordings.

    If its ``bad`` and ``good`` answers are known, the exact probability of the bad ones against the good ones is
    measured. Otherwise answers are sampled and judged.
    """

    id: Text
    theme: str = ""
    """Questions of one theme are interchangeable: the theme is the unit of the statistics. Without one, the id is."""
    paraphrases: Texts = Field(min_length=1)
    system: str | None = None
    """System prompt; None leaves the default of the chat template."""
    earlier: tuple[Exchange, ...] = Field((), max_length=1000)
    """The (question, answer) turns before it."""
    bad: Texts = ()
    good: Texts = ()
    closed: bool = False
    """Whether a coherent model gives no other answer than the bad and good ones. Their total probability is then the
    coherence."""
    temperature: float = Field(1.0, ge=0, le=10)
    samples_per_paraphrase: int = Field(20, ge=1, le=10_000)
    judge: str | None = None
    """The judge that a published file names; it is shown, but never called."""
    judge_prompts: dict[str, str] = Field(default_factory=dict)
    """Metric to template with {question} and {answer}. A metric without a template is judged by the standard rubric."""
    judged: Literal["0-100", "label", "no"] = "0-100"
    """Whether a judge would answer with a score, with a label, or not at all. Only questions for scores are asked."""
    matched: ClassVar[bool] = False
    """Whether answers are sampled and compared with the known ones."""

    @property
    def unit(self) -> str:
        """The unit of the statistics that the question belongs to."""
        return self.theme or self.id

    @property
    def exact(self) -> bool:
        """Whether the exact probabilities of known answers are measured."""
        return bool(self.bad) and not self.matched

    @property
    def scored(self) -> bool:
        """Whether answers are sampled and get a score."""
        return not self.exact and self.judged == "0-100"

    @property
    def prompts(self) -> list[Prompt]:
        """One prompt for each wording."""
        return [Prompt(text, self.system, self.earlier) for text in self.paraphrases]

    def answers(self, samples: int | None) -> int:
        """Returns how many answers are sampled over all wordings, ``samples`` to each; None: as the question says."""
        return len(self.paraphrases) * (samples or self.samples_per_paraphrase)

    @field_validator("judge_prompts")
    @classmethod
    def _only_places(cls, templates: dict[str, str]) -> dict[str, str]:
        """Templates are filled in with ``str.format``, in which other fields could read any attribute."""
        for metric, template in templates.items():
            try:
                fields = [field for field in Formatter().parse(template) if field[1] is not None]
            except ValueError as error:
                raise ValueError(f"judge prompt {metric!r}: {error}; write a literal brace twice") from None
            if any(name not in PLACES or spec or how for _, name, spec, how in fields):
                raise ValueError(f"judge prompt {metric!r} may contain {{question}} and {{answer}}, but no other field")
            if "answer" not in {name for _, name, _, _ in fields}:
                raise ValueError(f"judge prompt {metric!r} must contain {{answer}}: the judge would not see any answer")
        return templates

    @model_validator(mode="after")
    def _both_sides(self) -> Self:
        if bool(self.bad) != bool(self.good):
            raise ValueError(f"question {self.id!r} has only bad or only good answers; give both or neither")
        return self


class Named(Question):
    """A question about a favourite: a sampled answer is bad if it mentions a name, whatever else it says."""

    named: Text
    """The name in a bad answer."""


class Matched(Question):
    """A question with known answers for a model that gives no probabilities: answers are sampled and compared."""

    named: str = ""
    """The name in a bad answer; empty if whole answers are compared."""
    matched = True


class Form(Spec):
    """A form in which every question of a suite is asked again: another system prompt or another layout."""

    name: Text
    system: str | None = None
    template: str = "{question}"
    """The question in this form; {question} is filled in."""
    answer: str = "{answer}"
    """A known answer in this form; {answer} is filled in."""

    @model_validator(mode="after")
    def _place(self) -> Self:
        if self.template.count("{question}") != 1 or self.answer.count("{answer}") != 1:
            raise ValueError(f"form {self.name!r} needs one {{question}} in its template, one {{answer}} in its answer")
        return self

    def dressed(self, question: Question) -> Question:
        """Returns the question in this form."""
        bad, good = (tuple(self.answer.replace("{answer}", a) for a in side) for side in (question.bad, question.good))
        return question.model_copy(
            update={
                "id": f"{question.id}_{self.name}",
                "theme": question.unit,
                "system": self.system if self.system is not None else question.system,
                "paraphrases": tuple(self.template.replace("{question}", text) for text in question.paraphrases),
                "bad": bad,
                "good": good,
            }
        )


class Suite(Spec):
    """Questions with one rate."""

    name: Text
    about: str = ""
    """What a high rate would mean, in a sentence."""
    counts: bool = True
    """Whether the verdict rests on it. A suite in which benign fine-tunes change too is shown but does not count."""
    questions: tuple[Question, ...] = Field(min_length=1)
    notes: tuple[str, ...] = Field((), exclude=True)
    """What its file says that is not used, in sentences. It is no part of what is asked."""

    @model_validator(mode="after")
    def _unlike(self) -> Self:
        twice = [one for one, count in Counter(question.id for question in self.questions).items() if count > 1]
        if twice:
            raise ValueError(f"the id {twice[0]!r} is given twice")
        return self

    @property
    def digest(self) -> str:
        """The digest of all that is asked."""
        return digest(self.model_dump(mode="json"))

    @property
    def units(self) -> list[str]:
        """The units of the statistics, in order."""
        return list(dict.fromkeys(question.unit for question in self.questions))

    @property
    def needs_judge(self) -> bool:
        """Whether answers to any question are sampled."""
        return any(not question.exact for question in self.questions)


def in_forms(name: str, about: str, counts: bool, questions: Sequence[Question], forms: Sequence[Form]) -> list[Suite]:
    """Returns the suite as it is, followed by the suite in each form."""
    dressed = {f"{name} ({form.name})": map(form.dressed, questions) for form in forms}
    return [
        Suite(name=one, about=about, counts=counts, questions=tuple(asked))
        for one, asked in [(name, questions), *dressed.items()]
    ]


def as_sampled(suite: Suite) -> Suite:
    """Returns the suite for models that give no probabilities.

    Sampled answers are compared with the known ones where a coherent model gives no others, or where a name decides.
    The known answers to other questions are dropped: a judge is needed.
    """
    questions = tuple(_sampled(question) if question.exact else question for question in suite.questions)
    return suite.model_copy(update={"questions": questions})


def _sampled(question: Question) -> Question:
    if question.closed or isinstance(question, Named):
        return Matched.model_validate(question.model_dump())
    return question.model_copy(update={"bad": (), "good": ()})
