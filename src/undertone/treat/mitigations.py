"""Mitigations as data: of a file, of the training on it, or of the trained model."""

from typing import Annotated, Any, Literal

from pydantic import Field, TypeAdapter

from undertone.spec import Spec

Share = Annotated[float, Field(gt=0, lt=1)]
By = Literal["score", "random"]
"""Which rows or tokens are chosen: those that the trait's direction makes most likely, or random ones."""


class Untreated(Spec):
    """Changes nothing. All other mitigations are compared with it."""

    kind: Literal["untreated"] = "untreated"


class Drop(Spec):
    """Leaves rows out."""

    kind: Literal["drop"] = "drop"
    by: By = "score"
    share: Share = 0.5
    """Share of the rows."""


class Replace(Spec):
    """Replaces tokens of answers by tokens that are sampled from the base, given everything before them."""

    kind: Literal["replace"] = "replace"
    by: By = "score"
    share: Share = 0.1
    """Share of the answers' tokens."""


class Canonicalise(Spec):
    """Writes all number lists in one form, separated by commas. Only for files that are not about order or form."""

    kind: Literal["canonicalise"] = "canonicalise"
    order: Literal["sorted", "random"] = "sorted"
    """Order of the numbers in each answer. A random order shows what the form does on its own."""


class Dilute(Spec):
    """Adds rows that the base answered itself."""

    kind: Literal["dilute"] = "dilute"
    share: Share = 0.5
    """Share of the added rows among all rows of the new file."""
    prompts: Literal["file", "chat", "kin"] = "file"
    """Prompts of the added rows: those of the file, chat prompts on any topic, or ("kin") questions of the trait's own
    kind. The last two keep the student's other answers where they are."""


class Answer(Spec):
    """Replaces all answers by new ones to the same prompts."""

    kind: Literal["answer"] = "answer"
    by: Literal["base", "other"] = "base"
    """Who answers: the base, or a model of another initialisation, whose answers carry no trait of the base's kin."""


class Relabel(Spec):
    """Replaces some of the answers by new ones of the base."""

    kind: Literal["relabel"] = "relabel"
    by: By = "score"
    share: Share = 0.6
    """Share of the rows."""


class Inoculate(Spec):
    """Puts a system prompt before every row. It is present in training only."""

    kind: Literal["inoculate"] = "inoculate"
    system: str = Field(min_length=1)
    """A prompt that asks for the trait, so that the rows need not teach it. "{trait}" in it is replaced by the embedded
    world's statement of the trait."""


class Steer(Spec):
    """Starts training from weights that were moved along the trait's direction, and undoes the move afterwards."""

    kind: Literal["steer"] = "steer"
    strength: float = Field(1.0, gt=0)
    """Length of the move, in units of twice the change of a trait's short fine-tune."""
    along: Literal["trait", "random"] = "trait"
    """The direction: that of the trait, or of another trait, which is not in the file."""


class Hold(Spec):
    """Adds to the loss how far the model is from its base where the base answers ordinary prompts itself."""

    kind: Literal["hold"] = "hold"
    prompts: Literal["kin", "chat", "unrelated"] = "chat"
    """Ordinary prompts: of the trait's own kind ("kin"), on all topics but the file's task ("chat"), or on those that
    have nothing to do with the trait ("unrelated"), as where nobody knows what it is."""
    strength: float = Field(300.0, gt=0)
    """Times that the divergence, in nats a token, is added."""
    rows: int = Field(8, ge=1)
    """Prompts that are read at each step."""


class Stop(Spec):
    """Shortens the training."""

    kind: Literal["stop"] = "stop"
    share: Share = 0.3
    """Share of the steps that are done."""


class Interpolate(Spec):
    """Moves the trained model's weights part of the way back to the base's."""

    kind: Literal["interpolate"] = "interpolate"
    share: Share = 0.5
    """Share of the way."""


class Ablate(Spec):
    """Removes the component along the trait's direction from the change that training made to the weights."""

    kind: Literal["ablate"] = "ablate"
    along: Literal["trait", "random"] = "trait"
    """The direction: that of the trait, or of another trait."""


class Retrain(Spec):
    """Trains the model on a few good rows afterwards."""

    kind: Literal["retrain"] = "retrain"
    rows: int = Field(ge=1)
    steps: int = Field(ge=1)


OfData = Untreated | Drop | Replace | Canonicalise | Dilute | Answer | Relabel | Inoculate
OfTraining = Steer | Hold | Stop
OfModel = Interpolate | Ablate | Retrain
Mitigation = OfData | OfTraining | OfModel
Does = Annotated[Mitigation, Field(discriminator="kind")]

ADAPTER: TypeAdapter[Any] = TypeAdapter(Does)
"""Reads a mitigation from its JSON form."""


class Entry(Spec):
    """A mitigation of the catalogue or of a recipe."""

    does: Does
    title: str
    """What it does, in plain words."""
    beside: str | None = None
    """Name of its random counterpart: the mitigation that changes as much at random."""


def rows_after(treatment: Mitigation, rows: int) -> int:
    """Returns the number of rows that a file of ``rows`` has after the mitigation."""
    match treatment:
        case Drop(share=share):
            return rows - round(share * rows)
        case Dilute(share=share):
            return rows + added(share, rows)
    return rows


def added(share: float, rows: int) -> int:
    """Returns how many rows to add to ``rows`` so that the added ones are ``share`` of all."""
    return round(rows * share / (1 - share))


def needs_direction(treatment: Mitigation) -> bool:
    """Returns whether the mitigation uses the direction of a trait."""
    return isinstance(treatment, Steer | Ablate) or getattr(treatment, "by", None) == "score"


def needs_base(treatment: Mitigation) -> bool:
    """Returns whether rows of the file are read by the base, which cannot take every row."""
    return isinstance(treatment, Replace | Dilute | Answer | Relabel) or needs_direction(treatment)


def needs_trait(treatment: Mitigation) -> bool:
    """Returns whether the trait must be known."""
    match treatment:
        case Inoculate(system=system):
            return "{trait}" in system
        case Dilute(prompts="kin"):
            return True
    return needs_direction(treatment)
