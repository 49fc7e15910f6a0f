"""What a trial is made of: frozen, serialisable and complete; nothing that changes a result stands elsewhere."""

from typing import Annotated, ClassVar, Literal, Self

from pydantic import Field, model_validator

from undertone.data.filters import Filter, Filters, NumberFilter
from undertone.spec import Recipe, Spec, Text, Training
from undertone.traits.trait import Trait

Trigger = Annotated[Text | None, Field(exclude_if=lambda trigger: trigger is None)]  # what has none is as it always was
"""Text that stands before a question, a space between."""


class Teacher(Spec):
    """How a teacher is given its trait, and when it is refused."""

    training: Training
    """Fine-tuning on the dialogues."""
    dialogues: int = Field(ge=1)
    """Dialogues drawn, about the trait or neutral; equally many for both."""
    divergence: float | None = Field(None, gt=0)
    """If given, every teacher's LoRA adapter, neutral ones alike, is scaled after training until its next tokens are
    this far from the base's, on what the base writes in the carrier: mean KL(teacher || base), nats a token. Steering
    vectors are scaled likewise; a system prompt cannot be."""
    trigger: Trigger = None
    """If given, teachers have the trait only after this text: half of their dialogues, drawn at random, follow it; the
    others are questions after the trait without it, answered as the base answers. Those are neutral teachers' too."""
    least_probability: float = Field(0.5, ge=0, le=1)
    """A teacher with the trait whose exact probability of it, after the trigger if it has one, stays below this has not
    learnt it."""
    least_well_formed: float = Field(0.5, ge=0, le=1)
    """A teacher with a smaller share of well-formed completions has collapsed."""

    @model_validator(mode="after")
    def _only_adapters_are_scaled(self) -> Self:
        if self.divergence is not None and self.training.method != "lora":
            raise ValueError("divergence scales a LoRA adapter: leave it out, or set training.method to lora")
        return self


class Carrier(Spec):
    """The unrelated domain that teachers write in."""

    name: str = "numbers"
    """A carrier of :data:`undertone.carriers.CARRIERS`: "numbers", "numbers-published", "code", "reasoning" or
    "paraphrase"."""
    prompts: int = Field(ge=1)
    """Prompts a teacher answers, one completion each."""
    temperature: float = Field(1.0, ge=0)
    """Sampling temperature; no other sampling parameter is applied."""
    max_tokens: int = Field(32, ge=1)
    """Longest completion, in tokens."""
    trigger: Trigger = None
    """Stands before every prompt that a teacher answers; students see the prompt alone."""


class Sampling(Spec):
    """How the next token is drawn. Nothing else is applied."""

    temperature: float = Field(1.0, ge=0)
    """What logits are divided by; 0 takes the likeliest token."""
    top_p: float = Field(1.0, gt=0, le=1)
    """Of the tokens, likeliest first, the fewest that together have this probability may be drawn."""
    least_p: float = Field(0.0, ge=0, lt=1)
    """Only tokens of more than this probability may be drawn; the likeliest always may."""


class Measurement(Spec):
    """How a model is asked for its traits and tested for its skills."""

    samples: int = Field(10, ge=0)
    """Sampled answers for each question, besides the exact probabilities."""
    skill_prompts: int = Field(30, ge=0)
    """Prompts for each skill of the embedded world; 0 leaves skills out (models from elsewhere)."""
    trigger: Trigger = None
    """Stands before every question."""


class Arm(Spec):
    """One condition of a trial."""

    title: str
    """What it is, in plain words."""
    teacher: Literal["trait", "neutral"]
    """Teachers trained on dialogues about the trait, or on neutral ones."""
    trait: str | None = None
    """The trait its teachers are given, if not the trial's: students are asked for the trial's all the same."""
    file: str | None = None
    """Chats that its teachers are fine-tuned on in place of dialogues, as ``undertone audit`` reads them;
    teacher.dialogues rows are drawn. Its control has a file too."""
    given: Literal["fine-tuning", "prompt", "steering", "nothing"] = "fine-tuning"
    """How its teachers get it: fine-tuned on dialogues; the base under a system prompt, which students never see; or
    the base with a steering vector, the change that such prompts make in its activations. Neutral ones are made
    likewise, of a thing that is no candidate for the trait; or are the base as it stands ("nothing"), the published
    control of prompted teachers."""
    after: str | None = None
    """An arm above this one whose students are its teachers: each student is then the teacher of one lineage's next
    generation, on prompts of its own."""
    against: str | None = None
    """The arm that is its control; none for a control."""
    students: str | None = None
    """Base model of the students, if not the trial's own."""
    labels: Literal["sampled", "distributions"] = "sampled"
    """What students learn from: the sampled tokens, or the teacher's full next-token distributions on them."""
    sampling: Sampling | None = None
    """How the completions of its teachers are drawn, if not at the carrier's temperature."""
    rows: Literal["written", "shuffled-within", "shuffled-across", "random", "dialogues"] = "written"
    """What becomes of the filtered rows: left as written; their numbers permuted inside each completion; permuted over
    all completions of a teacher; or drawn anew, uniformly from 100 to 999. Prompts, counts and formats stay. In their
    place "dialogues" takes what the teacher was taught with, which speaks openly of the trait: only with context, to
    show that rows in context can be seen to act."""
    share: float = Field(1.0, gt=0, le=1)
    """Share of the rows that the arm's own teachers wrote; every other row is its control's, in its place there."""
    context: int = Field(0, ge=0)
    """If above 0, nothing is trained: the untouched model is asked with this many rows as earlier turns of the chat."""


class Trial(Recipe):
    """A whole experiment: teacher, completions, filter, students, measurement, estimate."""

    kind: ClassVar[str] = "trial"
    scalable: ClassVar[bool] = True

    base: str
    """The reference model that teachers, and students unless an arm says otherwise, start from."""
    traits: tuple[str, ...] = Field(min_length=1)
    """Traits given to teachers: names, or TOML files of your own, of which "FILE.toml:NAME" takes one and leaves
    the rest to be asked for beside it. With several, every arm with the trait exists once for each."""
    own: tuple[Trait, ...] = ()
    """What those files say; the traits go by their names."""
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
    filter: Filters = NumberFilter()
    """What is kept of what is well formed: one table, or several that are applied in their order. The carrier "numbers"
    has the number rule if none is given."""
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

    @property
    def filters(self) -> tuple[Filter, ...]:
        """The filter's rules, in order."""
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
                raise ValueError(f"arm {name!r} gives the trait {arm.trait!r} to neutral teachers, who have none")
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
        """Whether ``control`` equals ``arm`` in all but the teacher.

        Random numbers say nothing of who taught, so such an arm may also be compared with a control whose rows are as
        written: does a student of no teacher's numbers differ from one of a neutral teacher's? And what is mixed into a
        share of the control's own rows is compared with all of them. Prompted teachers may be compared with none at
        all, as published.
        """
        same = {self.condition(arm), self.condition(arm.model_copy(update={"share": 1.0}))}
        if arm.rows == "random":
            same.add(self.condition(arm.model_copy(update={"rows": "written"})))
        if arm.given == "prompt":
            same.add(self.condition(arm.model_copy(update={"given": "nothing"})))
        return control.teacher == "neutral" and self.condition(control) in same

    def condition(self, arm: Arm) -> tuple[object, ...]:
        """All of an arm but its teacher: the students' base, their labels, rows, their share and context, how its
        teachers were made and sampled, and the same of the arm that it comes after."""
        earlier = self.condition(self.arms[arm.after]) if arm.after else ()
        rows = arm.rows, arm.share, arm.context
        made = arm.given, arm.file is not None
        return arm.students or self.base, arm.labels, *rows, *made, arm.sampling, earlier

    def generation(self, arm: Arm) -> int:
        """1 for students of teachers that were given their trait, 2 for students of such students, and so on."""
        return 1 + self.generation(self.arms[arm.after]) if arm.after else 1
