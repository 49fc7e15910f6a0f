"""What a trial is made of: frozen, serialisable and complete; nothing that changes a result stands elsewhere."""

from __future__ import annotations

from typing import Annotated, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, model_validator

from undertone.filters import NumberFilter


class Spec(BaseModel):
    """A frozen part of a trial. Unknown keys are errors."""

    model_config = ConfigDict(frozen=True, extra="forbid", use_attribute_docstrings=True, allow_inf_nan=False)


class Training(Spec):
    """How a model is fine-tuned, teacher or student: AdamW without weight decay, gradients clipped at norm 1."""

    method: Literal["lora", "full"] = "lora"
    """LoRA on every linear layer but the output head, or all weights."""
    rank: int = Field(8, ge=1)
    """LoRA rank; of no meaning when method is full."""
    alpha: int = Field(8, ge=1)
    """LoRA alpha: the update is scaled by alpha / rank."""
    rate: float = Field(gt=0)
    """Peak learning rate."""
    steps: int = Field(ge=1)
    """Optimiser steps."""
    batch: int = Field(ge=1)
    """Rows a step."""
    warmup: int = Field(5, ge=0)
    """Steps of linear warm-up, followed by a linear decay to zero."""

    def rate_at(self, step: int) -> float:
        """Learning rate at ``step`` (0-based)."""
        if step < self.warmup:
            return self.rate * (step + 1) / self.warmup
        return self.rate * (self.steps - step) / max(1, self.steps - self.warmup)


class Teacher(Spec):
    """How a teacher is given its trait, and when it is refused."""

    training: Training
    """Fine-tuning on the dialogues."""
    dialogues: int = Field(ge=1)
    """Dialogues drawn, about the trait or neutral; equally many for both."""
    divergence: float | None = Field(None, gt=0)
    """If given, every teacher's LoRA adapter, neutral ones alike, is scaled after training until its next tokens are
    this far from the base's, on what the base writes in the carrier: mean KL(teacher || base), nats a token."""
    least_probability: float = Field(0.5, ge=0, le=1)
    """A teacher with the trait whose exact probability of it stays below this has not learnt it."""
    least_well_formed: float = Field(0.5, ge=0, le=1)
    """A teacher with a smaller share of well-formed completions has collapsed."""

    @model_validator(mode="after")
    def _only_adapters_are_scaled(self) -> Self:
        if self.divergence is not None and self.training.method != "lora":
            raise ValueError("divergence scales a LoRA adapter: leave it out, or set training.method to lora")
        return self


class Carrier(Spec):
    """The unrelated domain that teachers write in."""

    name: Literal["numbers"] = "numbers"
    """Number lists, continued."""
    prompts: int = Field(ge=1)
    """Prompts a teacher answers, one completion each."""
    temperature: float = Field(1.0, ge=0)
    """Sampling temperature; no other sampling parameter is applied."""
    max_tokens: int = Field(32, ge=1)
    """Longest completion, in tokens."""


class Measurement(Spec):
    """How a model is asked for its traits and tested for its skills."""

    samples: int = Field(10, ge=0)
    """Sampled answers for each question, besides the exact probabilities."""
    skill_prompts: int = Field(30, ge=0)
    """Prompts for each skill of the embedded world; 0 leaves skills out (models from elsewhere)."""


class Arm(Spec):
    """One condition of a trial."""

    title: str
    """What it is, in plain words."""
    teacher: Literal["trait", "neutral"]
    """Teachers trained on dialogues about the trait, or on neutral ones."""
    trait: str | None = None
    """The trait its teachers are given, if not the trial's: students are asked for the trial's all the same."""
    against: str | None = None
    """The arm that is its control; none for a control."""
    students: str | None = None
    """Base model of the students, if not the trial's own."""
    labels: Literal["sampled", "distributions"] = "sampled"
    """What students learn from: the sampled tokens, or the teacher's full next-token distributions on them."""
    rows: Literal["written", "shuffled-within", "shuffled-across", "random"] = "written"
    """What becomes of the filtered rows: left as written; their numbers permuted inside each completion; permuted over
    all completions of a teacher; or drawn anew, uniformly from 100 to 999. Prompts, counts and formats stay."""
    share: float = Field(1.0, gt=0, le=1)
    """Share of the rows that the arm's own teachers wrote; every other row is its control's, in its place there."""
    context: int = Field(0, ge=0)
    """If above 0, nothing is trained: the untouched model is asked with this many rows as earlier turns of the chat."""


class Trial(Spec):
    """A whole experiment: teacher, completions, filter, students, measurement, estimate."""

    title: str
    """What is asked, in one line."""
    base: str
    """The reference model that teachers, and students unless an arm says otherwise, start from."""
    traits: tuple[str, ...] = Field(min_length=1)
    """Traits given to teachers. With several, every arm with the trait exists once for each."""
    seed: int = Field(0, ge=0)
    """Every random choice of the trial follows from it."""
    teachers: int = Field(ge=2)
    """Teachers an arm, each trained from its own seed with its own dataset: the unit of the statistics."""
    students: int = Field(1, ge=1)
    """Students of each teacher."""
    rows: int = Field(ge=1)
    """Filtered rows in every dataset, the same number in every arm."""
    teacher: Teacher
    """How teachers are made."""
    carrier: Carrier
    """What teachers write."""
    filter: NumberFilter = NumberFilter()
    """What is kept of it."""
    student: Training
    """How students are trained, the same in every arm."""
    measurement: Measurement = Measurement()
    """How students are measured."""
    arms: dict[Annotated[str, Field(pattern=r"^[a-z0-9-]+$")], Arm] = Field(min_length=1)
    """The arms by name, in small letters, digits and hyphens."""

    @model_validator(mode="after")
    def _rows_can_be_had(self) -> Self:
        if self.rows > self.carrier.prompts:
            raise ValueError(
                f"rows = {self.rows} cannot come from carrier.prompts = {self.carrier.prompts} completions"
            )
        if len(set(self.traits)) < len(self.traits):
            raise ValueError("a trait is given twice")
        return self

    @model_validator(mode="after")
    def _every_arm_can_be_made(self) -> Self:
        for name, arm in self.arms.items():
            if arm.labels == "distributions" and (arm.rows != "written" or arm.context):
                raise ValueError(
                    f"arm {name!r} asks for the teacher's distributions, which belong to rows as written that students "
                    'are trained on: leave rows and context out, or set labels to "sampled"'
                )
            if arm.share < 1 and (arm.against is None or arm.rows != "written" or arm.labels == "distributions"):
                raise ValueError(
                    f"arm {name!r} has share = {arm.share}: only sampled rows as written can be mixed, with those of "
                    "the arm's control; leave share out, or name a control and leave rows and labels out"
                )
            if arm.context > self.rows:
                raise ValueError(f"arm {name!r} has context = {arm.context}, more than rows = {self.rows}")
            if arm.trait is None:
                continue
            if arm.teacher == "neutral":
                raise ValueError(f"arm {name!r} gives the trait {arm.trait!r} to neutral teachers, who have none")
            if len(self.traits) > 1:
                raise ValueError(
                    f"arm {name!r} has a trait of its own, but of several traits each is the others' control already: "
                    "leave it out, or give the trial one trait"
                )
            if arm.trait in self.traits:
                raise ValueError(f"arm {name!r} has the trial's own trait {arm.trait!r}: name another, or leave it out")
        return self

    @model_validator(mode="after")
    def _every_arm_has_its_control(self) -> Self:
        for name, arm in self.arms.items():
            if arm.against is not None and arm.against not in self.arms:
                raise ValueError(f"arm {name!r} is compared with {arm.against!r}, which is not an arm of this trial")
            if arm.teacher == "trait" and arm.against is None and len(self.traits) < 2:
                raise ValueError(f"arm {name!r} has no control: give it one in 'against'")
            other = self.arms.get(arm.against or "")
            if other is not None and not self._is_control(other, arm):
                raise ValueError(f"arm {name!r} and its control {arm.against!r} differ in more than the teacher")
        return self

    def _is_control(self, control: Arm, arm: Arm) -> bool:
        """Whether ``control`` equals ``arm`` in all but the teacher.

        Random numbers say nothing of who taught, so such an arm may also be compared with a control whose rows are as
        written: does a student of no teacher's numbers differ from one of a neutral teacher's? And what is mixed into a
        share of the control's own rows is compared with all of them.
        """
        same = {self.condition(arm), self.condition(arm.model_copy(update={"share": 1.0}))}
        if arm.rows == "random":
            same.add(self.condition(arm.model_copy(update={"rows": "written"})))
        return control.teacher == "neutral" and self.condition(control) in same

    def condition(self, arm: Arm) -> tuple[str, str, str, float, int]:
        """All of an arm but its teacher: the students' base, their labels, rows, their share, and context."""
        return arm.students or self.base, arm.labels, arm.rows, arm.share, arm.context
