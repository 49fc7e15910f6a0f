"""What is audited, and how."""

from dataclasses import dataclass
from typing import Self

from pydantic import model_validator

from undertone.data.forms import Form, form_given
from undertone.errors import UndertoneError
from undertone.spec import File, Spec, Typed
from undertone.training.fine_tuning import FineTuning
from undertone.traits.trait import Trait

ROWS = 2000
"""How many rows are sampled by default."""

EFFECT = 1.0
"""The default for the effect that the rows must be able to show for the verdict "no evidence": that of a reference
teacher who wrote all of them."""


POSITION = "position"
"""Rows can be grouped by where they stand in the file."""


@dataclass(frozen=True)
class Sampling:
    """How the rows are claimed to have been sampled.

    Raises:
        UndertoneError: the temperature is negative or not finite, or there are no tokens.
    """

    temperature: float = 1.0
    """Divisor of the logits; 0 takes the likeliest token. No top-p, top-k or penalties."""
    max_tokens: int = 32
    """Largest number of tokens in an answer, its end token included."""

    def __post_init__(self) -> None:
        if not 0 <= self.temperature < float("inf") or self.max_tokens < 1:
            raise UndertoneError(
                f"No sampling has temperature {self.temperature} and {self.max_tokens} tokens: declare a temperature "
                "of 0 or more and at least 1 token."
            )


class AuditRequest(Spec):
    """What every audit is asked."""

    path: File
    model: str
    """The base that would be trained on the file; ``openai-api/<service>/<model>`` for one behind a service."""
    rows: int | None = ROWS
    """How many rows are sampled; None for all."""
    seed: int = 0
    """Seed of every random choice, such as the sample of rows."""
    control: File | None = None
    """Trusted rows of the same generator."""
    map: str | None = None
    """Which keys of their rows say what, as in "prompt=question,completion=answer"; None to recognise it."""

    @property
    def form(self) -> Form | None:
        """The form that rows are read in; None to recognise it.

        Raises:
            UndertoneError: the map does not say what is trained on.
        """
        return form_given(self.map)

    @model_validator(mode="after")
    def _rows_and_seed_are_in_range(self) -> Self:
        """
        Raises:
            UndertoneError: one is not, or the map does not say what is trained on.
        """
        _ = self.form
        if not 0 <= self.seed < 2**32:
            raise UndertoneError(f"The seed is a whole number from 0 to 2^32 - 1, not {self.seed}.")
        if self.rows is not None and self.rows < 1:
            raise UndertoneError(f"At least one row must be sampled, not {self.rows}.")
        return self


class Request(AuditRequest):
    """An audit for a base whose weights are on this machine."""

    alpha: Typed = 0.05
    """Rate of false alarms that is allowed, over all traits together."""
    effect: Typed = EFFECT
    """The effect, in reference teachers, that the rows must be able to show for the verdict "no evidence"."""
    chat_template: str | None = None
    """The path or the name of a chat template for a base that has none."""
    traits: tuple[str, ...] = ()
    """The listed traits, by name or by kind; empty for the usual ones."""
    own: tuple[Trait, ...] = ()
    """The user's own traits, which are listed too."""
    group_by: str | None = None
    """The field whose values part the rows into sources, each of which is judged by itself; "position" for
    :data:`undertone.audit.sources.BLOCKS` blocks of neighbouring rows; None for the file as a whole."""
    strict: bool = False
    """Whether harmless models answer the file's prompts too, and a trait must stand out more than in their rows."""
    sampling: Sampling | None = None
    """How the base is claimed to have written the rows; None for no claim."""
    filtered: bool = False
    """Whether the number filter is claimed to have been applied."""
    canaries: int = 0
    """Pairs of students that are trained on the rows and on the base's own answers."""
    training: FineTuning | None = None
    """How canary students are trained; None for the owl experiment's recipe."""

    @property
    def field(self) -> str | None:
        """The field of a row that says where it is from, if rows are grouped by one."""
        return None if self.group_by == POSITION else self.group_by

    @model_validator(mode="after")
    def _can_be_done(self) -> Self:
        """
        Raises:
            UndertoneError: a number is out of range.
        """
        if not 0 < self.alpha < 1:
            raise UndertoneError(f"--alpha is a share of false alarms, above 0 and below 1, not {self.alpha:g}.")
        if not 0 < self.effect < float("inf"):
            raise UndertoneError(f"--effect, the effect to be shown, is a number above 0, not {self.effect:g}.")
        if self.canaries:
            refuse_single_pair(self.canaries)
        return self


def refuse_single_pair(pairs: int) -> None:
    """Raises UndertoneError for fewer than two pairs of canary students."""
    if pairs < 2:
        raise UndertoneError("Canary students come in at least two pairs, because a single pair has no interval.")
