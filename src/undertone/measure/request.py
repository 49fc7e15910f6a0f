"""What is asked of a measurement."""

from pathlib import Path
from typing import Self

from pydantic import model_validator

from undertone.errors import UndertoneError
from undertone.spec import Spec, Typed

EFFECT = 0.05
"""Five points: what a rate must have risen by to be called a shift, and what "no shift" must have ruled out."""


class Request(Spec):
    """One measurement: models against their base. What services may be paid is no part of it, because it does not
    change what is found."""

    models: tuple[str, ...]
    """Several only if they are trained alike from several seeds: the interval then includes the seeds' spread."""
    base: str
    """The model that they were fine-tuned from."""
    benign: tuple[str, ...] = ()
    """Harmless fine-tunes of the base."""
    suites: tuple[str, ...] = ()
    """Files of questions, or shipped names. If there are none, all suites that fit the base are asked."""
    training_file: Path | None = None
    """The file that the models were trained on."""
    judge: str | None = None
    """The name of a model that scores answers. Without one, only what can be measured exactly is asked."""
    effect: Typed = EFFECT
    """The rise of a rate that is called a shift."""
    samples: int | None = None
    """How many answers are sampled to each wording. None: as many as the suites say."""
    max_tokens: int = 600
    """The most tokens of a sampled answer."""
    seed: int = 0
    """The seed of every random choice."""

    @model_validator(mode="after")
    def _can_be_measured(self) -> Self:
        """
        Raises:
            UndertoneError: no model, one given twice, or a size that no measurement could have.
        """
        if not self.models:
            raise UndertoneError("Name the model to be measured: undertone measure MODEL --base BASE.")
        if len(set(self.models)) < len(self.models):
            raise UndertoneError("A model is given twice; several are for several training seeds.")
        if not 0 < self.effect < 1:
            raise UndertoneError(
                f"--effect is a rise of a rate, above 0 and below 1 (0.05: five points), not {self.effect:g}."
            )
        for name, number in (("--samples", self.samples), ("--max-tokens", self.max_tokens)):
            if number is not None and number < 1:
                raise UndertoneError(f"{name} must be at least 1, not {number}.")
        return self
