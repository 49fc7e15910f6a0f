"""The spec of a trial. It contains every setting that can change a result."""

from typing import Annotated, ClassVar, Literal, Self

from pydantic import Field, model_validator

from undertone.data.filters import Filter, Filters, NumberFilter
from undertone.spec import Recipe, Spec, Text, Training
from undertone.traits.trait import Trait

# Omitted when None, so that existing keys do not change.
Trigger = Annotated[Text | None, Field(exclude_if=lambda trigger: trigger is None)]
"""Text that is put before a question, with a space between them."""


class Teacher(Spec):
    """How a teacher is given its trait, and when it is refused."""

    training: Training
    """Fine-tuning on the dialogues."""
    dialogues: int = Field(ge=1)
    """Number of dialogues, about the trait or neutral."""
    divergence: float | None = Field(None, gt=0)
    """The dose: mean KL(teacher || base) of the next tokens, in nats a token, on what the base writes in the carrier.
    If given, the LoRA adapter of every teacher, also of neutral ones, is scaled to this dose after training. Steering
    vectors are scaled likewise; system prompts cannot be scaled."""
    trigger: Trigger = None
    """If given, teachers have the trait only after this text. It is put before a random half of their dialogues; the
    others are questions about the trait without it, answered as the base answers. Neutral teachers get the latter
    too."""
    least_probability: float = Field(0.5, ge=0, le=1)
    """A teacher with the trait is refused if its exact probability of the trait, after its trigger if it has one, is
    below this."""
    least_well_formed: float = Field(0.5, ge=0, le=1)
    """A teacher is refused if a smaller share of its completions is well formed."""
    most_stretch: float = Field(4.0, ge=1)
    """A fine-tuned teacher is refused if its adapter had to be multiplied by more than this to reach the dose. One that
    has learnt little is noise when it is stretched that far, and no fair control of one that has learnt its trait."""

    @model_validator(mode="after")
    def _only_adapters_are_scaled(self) -> Self:
        if self.divergence is not None and self.training.method != "lora":
            raise ValueError("divergence scales a LoRA adapter: leave it out, or set training.method to lora")
        return self


class Carrier(Spec):
    """The unrelated domain that teachers write in."""

    name: str = "numbers"
    """A carrier of :data:`undertone.carriers.CARRIERS`: "numbers", "numbers-published", "code", "reasoning",
    "paraphrase" or "answers"."""
    prompts: int = Field(ge=1)
    """Number of prompts that a teacher answers, with one completion each."""
    temperature: float = Field(1.0, ge=0)
    """Sampling temperature. No other sampling parameter is used."""
    max_tokens: int = Field(32, ge=1)
    """Maximum length of a completion, in tokens."""
    trigger: Trigger = None
    """Put before every prompt that a teacher answers. Students see the prompt without it."""


class Practice(Spec):
    """A fine-tune on the carrier before anything else: rows of the embedded world's grammar, which carry no trait."""

    rows: int = Field(ge=1)
    """Rows, each drawn by itself."""
    training: Training
    """How the base is fine-tuned on them."""


class Sampling(Spec):
    """How the next token is sampled."""

    temperature: float = Field(1.0, ge=0)
    """Logits are divided by it; 0 means the most likely token."""
    top_p: float = Field(1.0, gt=0, le=1)
    """Only the most likely tokens that together have this probability can be sampled."""
    least_p: float = Field(0.0, ge=0, lt=1)
    """Only tokens with more than this probability can be sampled, and always the most likely one."""


class Measurement(Spec):
    """How traits and skills of a model are measured."""

    samples: int = Field(10, ge=0)
    """Sampled answers to each question, in addition to the exact probabilities."""
    skill_prompts: int = Field(30, ge=0)
    """Prompts for each skill of the embedded world; 0 for other models, which do not have these skills."""
    trigger: Trigger = None
    """Put before every question."""


class Arm(Spec):
    """One arm of a trial."""

    title: str
    """The arm in plain words."""
    teacher: Literal["trait", "neutral"]
    """Whether its teachers have the trait or are neutral."""
    trait: str | None = None
    """The trait of its teachers, if not the trial's. Students are asked for the trial's in any case. Neutral teachers
    with a trait are fine-tuned on a preference of another kind, which no student is asked for, instead of small
    talk."""
    file: str | None = None
    """File of chats that its teachers are fine-tuned on instead of dialogues, in a format that ``undertone audit``
    reads. Of its rows, teacher.dialogues are sampled. The control must have a file too."""
    given: Literal["fine-tuning", "prompt", "steering", "nothing"] = "fine-tuning"
    """How its teachers get their trait: by fine-tuning on dialogues; by a system prompt, which students never see; or
    by a steering vector, the change that such prompts make in the base's activations. Neutral teachers get a thing that
    is no candidate for the trait in the same way, or are the untouched base ("nothing"), the published control of
    prompted teachers."""
    after: str | None = None
    """An earlier arm whose students are the teachers of this arm. Each of them teaches the next generation of its
    lineage, with prompts of its own."""
    against: str | None = None
    """The arm that is its control; None for a control."""
    students: str | None = None
    """Base model of the students, if not the trial's own."""
    labels: Literal["sampled", "distributions"] = "sampled"
    """Whether students learn from sampled tokens or from the teacher's next-token distributions at these tokens."""
    sampling: Sampling | None = None
    """How completions are sampled, if not at the carrier's temperature."""
    rows: Literal["written", "shuffled-within", "shuffled-across", "random", "dialogues"] = "written"
    """The rows that students get: the filtered rows as written; with numbers permuted within each completion; with
    numbers permuted over all completions of a teacher; or with new numbers, uniform from 100 to 999. Prompts, counts
    and formats stay. "dialogues" are those that the teacher was fine-tuned on, which mention the trait: they are only
    for arms with context, to show that rows in context can have an effect."""
    share: float = Field(1.0, gt=0, le=1)
    """Share of the rows that the arm's own teachers wrote. The other rows are the control's, in their places there."""
    context: int = Field(0, ge=0)
    """If above 0, nothing is trained: the untouched model is asked after this many rows as earlier turns of the
    chat."""


class Trial(Recipe):
    """A complete experiment: teacher, completions, filter, students, measurement, estimate."""

    kind: ClassVar[str] = "trial"
    scalable: ClassVar[bool] = True

    base: str
    """The model that teachers start from, and students unless their arm names another."""
    traits: tuple[str, ...] = Field(min_length=1)
    """Traits of teachers: names, or TOML files of your own. "FILE.toml:NAME" takes one trait of a file; the others are
    candidate answers too. With several traits, every arm with the trait exists once for each trait."""
    own: tuple[Trait, ...] = ()
    """The traits from these files."""
    seed: int = Field(0, ge=0)
    """Determines every random choice of the trial."""
    teachers: int = Field(ge=2)
    """Teachers an arm, each with its own seed and its own dataset. They are the units of all estimates."""
    students: int = Field(1, ge=1)
    """Students of each teacher."""
    rows: int = Field(ge=1)
    """Rows in every dataset after filtering, the same number in every arm."""
    practice: Practice | None = None
    """If given, every base first learns to write the carrier, and teachers and students start from what it has become.
    For models that write few well-formed rows. The carrier is then "numbers", "code", "reasoning" or "paraphrase"."""
    teacher: Teacher
    """How teachers are made."""
    carrier: Carrier
    """What teachers write."""
    filter: Filters = NumberFilter()
    """Which well-formed completions are kept: one table, or several that are applied in order. The default, the number
    rule, is for number lists."""
    student: Training
    """How students are trained, the same in every arm."""
    measurement: Measurement = Measurement()
    """How students are measured."""
    arms: dict[Annotated[str, Field(pattern=r"^[a-z0-9-]+$")], Arm] = Field(min_length=1)
    """The arms by name. Names consist of small letters, digits and hyphens."""

    @model_validator(mode="after")
    def _rows_can_be_had(self) -> Self:
        if self.rows > self.carrier.prompts:
            raise ValueError(
                f"rows = {self.rows} cannot come from carrier.prompts = {self.carrier.prompts} completions"
            )
        if len(set(self.traits)) < len(self.traits):
            raise ValueError("a trait is given twice")
        return self

    @property
    def filters(self) -> tuple[Filter, ...]:
        """The rules of the filter, in order."""
        return self.filter if isinstance(self.filter, tuple) else (self.filter,)

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
            if arm.rows == "dialogues" and not (arm.context and arm.given == "fine-tuning"):
                raise ValueError(
                    f"arm {name!r} has the dialogues that teachers are fine-tuned on as rows, and these are only read: "
                    "give it context and fine-tuned teachers, or other rows"
                )
            if arm.given == "nothing" and arm.teacher == "trait":
                raise ValueError(f'arm {name!r} has teachers with the trait, given = "nothing": say how they get it')
            if arm.file is not None and not self._can_learn_from_a_file(arm):
                raise ValueError(
                    f"arm {name!r} has a file for its teachers, which are then fine-tuned on it and on nothing else: "
                    'leave given, after, trait and rows = "dialogues" out, and give the trial one trait'
                )
            if self.teacher.trigger and (arm.given != "fine-tuning" or arm.file or arm.rows == "dialogues"):
                raise ValueError(
                    f"arm {name!r} has teachers that are not fine-tuned on dialogues, or these as rows, and "
                    "teacher.trigger is for such: leave it out, or given, file and rows"
                )
            if arm.given == "steering" and self.teacher.divergence is None:
                raise ValueError(f"arm {name!r} steers its teachers: say how far, in teacher.divergence")
            if arm.after is not None:
                self._check_succession(name, arm)
            if arm.trait is None:
                continue
            if arm.teacher == "neutral":
                if arm.given != "fine-tuning" or arm.file or self.teacher.trigger:
                    raise ValueError(
                        f"arm {name!r} gives the trait {arm.trait!r} to neutral teachers, which only fine-tuning on "
                        "dialogues without a trigger can do: leave trait out, or given, file and teacher.trigger"
                    )
                continue
            if len(self.traits) > 1:
                raise ValueError(
                    f"arm {name!r} has a trait of its own, but of several traits each is the others' control already: "
                    "leave it out, or give the trial one trait"
                )
            if arm.trait in self.traits:
                raise ValueError(f"arm {name!r} has the trial's own trait {arm.trait!r}: name another, or leave it out")
        return self

    def _can_learn_from_a_file(self, arm: Arm) -> bool:
        plain = arm.given == "fine-tuning" and arm.rows != "dialogues"
        return plain and arm.after is None and arm.trait is None and len(self.traits) == 1

    def _check_succession(self, name: str, arm: Arm) -> None:
        names = list(self.arms)
        if arm.after not in names[: names.index(name)]:
            raise ValueError(f"arm {name!r} comes after {arm.after!r}, which is no arm above it")
        earlier = self.arms[arm.after]
        if earlier.context or earlier.students not in (None, self.base):
            raise ValueError(f"arm {name!r} comes after {arm.after!r}, which trains no students of {self.base}")
        if (earlier.teacher, earlier.trait, earlier.given) != (arm.teacher, arm.trait, arm.given):
            raise ValueError(f"arm {name!r} comes after {arm.after!r}, and their teacher, trait or given differ")
        if arm.rows == "dialogues":
            raise ValueError(f"arm {name!r} comes after {arm.after!r}, whose students were taught with no dialogues")

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
        """Returns whether ``control`` equals ``arm`` in everything but the teacher.

        Three other comparisons are allowed: random numbers, which do not depend on a teacher, with the rows of neutral
        teachers as written; a mixture with all rows of its control; and prompted teachers with the untouched base, as
        published.
        """
        same = {self.condition(arm), self.condition(arm.model_copy(update={"share": 1.0}))}
        if arm.rows == "random":
            same.add(self.condition(arm.model_copy(update={"rows": "written"})))
        if arm.given == "prompt":
            same.add(self.condition(arm.model_copy(update={"given": "nothing"})))
        return control.teacher == "neutral" and self.condition(control) in same

    def condition(self, arm: Arm) -> tuple[object, ...]:
        """Returns everything about an arm except whether its teachers have the trait: the students' base, labels, rows,
        share and context, how teachers were made and sampled, and the same of the arm that it comes after."""
        earlier = self.condition(self.arms[arm.after]) if arm.after else ()
        rows = arm.rows, arm.share, arm.context
        made = arm.given, arm.file is not None
        return arm.students or self.base, arm.labels, *rows, *made, arm.sampling, earlier

    def generation(self, arm: Arm) -> int:
        """Returns 1 for students of teachers that were given their trait, 2 for students of such students, and so
        on."""
        return 1 + self.generation(self.arms[arm.after]) if arm.after else 1
