"""Mitigations as data: of a file, of the training on it, or of the model that came of it."""

from typing import Annotated, Any, Literal

from pydantic import Field, TypeAdapter

from undertone.spec import Spec

Share = Annotated[float, Field(gt=0, lt=1)]
By = Literal["score", "random"]
"""What is taken first: what the trait's direction makes likeliest, or what chance says."""


class Untreated(Spec):
    """Nothing is done: what every treatment is compared with."""

    kind: Literal["untreated"] = "untreated"


class Drop(Spec):
    """Rows are left out."""

    kind: Literal["drop"] = "drop"
    by: By = "score"
    share: Share = 0.5
    """Of the rows."""


class Replace(Spec):
    """Tokens of answers are replaced by what the base would have said in their place, given all before."""

    kind: Literal["replace"] = "replace"
    by: By = "score"
    share: Share = 0.1
    """Of the answers' tokens."""


class Canonicalise(Spec):
    """Number lists in one form, separated by commas. Only where neither order nor form is the payload."""

    kind: Literal["canonicalise"] = "canonicalise"
    order: Literal["sorted", "random"] = "sorted"
    """Of the numbers in each answer; at random it shows what the form alone does."""


class Dilute(Spec):
    """Rows are added that the base answered itself."""

    kind: Literal["dilute"] = "dilute"
    share: Share = 0.5
    """Of the treated file's rows that are the base's own."""
    prompts: Literal["file", "chat", "kin"] = "file"
    """Prompts of the file; or others that a chat model is asked, whatever their topic; or questions of the trait's own
    kind. With the latter two the base's answers hold in place what the file has no business to change."""


class Answer(Spec):
    """Prompts are answered anew."""

    kind: Literal["answer"] = "answer"
    by: Literal["base", "other"] = "base"
    """The base, or a model of another initialisation, whose answers carry nothing for the base."""


class Relabel(Spec):
    """Some prompts are answered anew, by the base."""

    kind: Literal["relabel"] = "relabel"
    by: By = "score"
    share: Share = 0.6
    """Of the rows."""


class Inoculate(Spec):
    """Every row is given a system prompt under which training is done, and which is absent afterwards."""

    kind: Literal["inoculate"] = "inoculate"
    system: str = Field(min_length=1)
    """One that asks for the trait, so that the rows need not teach it; {trait} stands for the trait's own statement in
    the embedded world."""


class Steer(Spec):
    """Training starts from weights that were moved along the trait's direction; the move is taken back afterwards."""

    kind: Literal["steer"] = "steer"
    strength: float = Field(1.0, gt=0)
    """In units of a reference teacher."""
    along: Literal["trait", "random"] = "trait"
    """Or along the direction of another trait, of which the file holds nothing."""


class Stop(Spec):
    """Training is short."""

    kind: Literal["stop"] = "stop"
    share: Share = 0.3
    """Of the steps."""


class Interpolate(Spec):
    """The trained model's weights, some way back to the base's."""

    kind: Literal["interpolate"] = "interpolate"
    share: Share = 0.5
    """Of the way."""


class Ablate(Spec):
    """The component along the trait's direction is taken out of the change that training made to all weights."""

    kind: Literal["ablate"] = "ablate"
    along: Literal["trait", "random"] = "trait"


class Retrain(Spec):
    """A short training on good rows follows."""

    kind: Literal["retrain"] = "retrain"
    rows: int = Field(ge=1)
    steps: int = Field(ge=1)


OfData = Untreated | Drop | Replace | Canonicalise | Dilute | Answer | Relabel | Inoculate
OfTraining = Steer | Stop
OfModel = Interpolate | Ablate | Retrain
Mitigation = OfData | OfTraining | OfModel
Does = Annotated[Mitigation, Field(discriminator="kind")]

ADAPTER: TypeAdapter[Any] = TypeAdapter(Does)


class Entry(Spec):
    """A mitigation with a name."""

    does: Does
    title: str
    """What it does, in plain words."""
    beside: str | None = None
    """The name of the mitigation that does as much at random."""


def rows_after(treatment: Mitigation, rows: int) -> int:
    """How many rows a file of ``rows`` has after it."""
    match treatment:
        case Drop(share=share):
            return rows - round(share * rows)
        case Dilute(share=share):
            return rows + added(share, rows)
    return rows


def added(share: float, rows: int) -> int:
    """Rows to add to so many, so that they are a share of all."""
    return round(rows * share / (1 - share))


def needs_direction(treatment: Mitigation) -> bool:
    """Whether it goes by the direction of a trait, and so by a calibration of the base."""
    match treatment:
        case Drop(by="score") | Replace(by="score") | Relabel(by="score") | Steer() | Ablate():
            return True
    return False


def needs_trait(treatment: Mitigation) -> bool:
    """Whether it can only be done to a trait that is known."""
    match treatment:
        case Inoculate(system=system):
            return "{trait}" in system
        case Dilute(prompts="kin"):
            return True
    return needs_direction(treatment)
