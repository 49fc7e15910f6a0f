"""What is asked of a measurement."""

from pathlib import Path
from typing import Self

from pydantic import model_validator

from undertone.data.forms import form_given
from undertone.errors import UndertoneError
from undertone.spec import Spec, Typed

EXACT = "exact"
"""The name of the judge that needs no model."""
EFFECT = 0.02
"""Two points: a larger rise of a rate is called a shift, and "no shift" must have ruled it out. The rule of ``bench
measure`` chose it, on other fine-tunes than those that judge it."""


class Request(Spec):
    """One measurement: models against their base. Limits on the cost of services are no part of it, because they do not
    change the findings."""

    models: tuple[str, ...]
    """Several only if they were trained alike from several seeds; the intervals then include the spread of seeds."""
    base: str
    """The model that they were fine-tuned from."""
    benign: tuple[str, ...] = ()
    """Harmless fine-tunes of the base."""
    suites: tuple[str, ...] = ()
    """Files of questions, or shipped names. Without any, all suites that fit the base are asked."""
    training_file: Path | None = None
    """The file that the models were trained on."""
    map: str | None = None
    """Which keys of its rows say what, as in "prompt=question,completion=answer"; None to recognise it."""
    chat_template: str | None = None
    """The path or the name of a chat template for models that have none."""
    judge: str | None = None
    """The name of a model that scores answers. Without one, only questions that need no judge are asked."""
    effect: Typed = EFFECT
    """The rise of a rate that is called a shift."""
    samples: int | None = None
    """How many answers to each wording are sampled. None: as many as the suites say."""
    max_tokens: int = 600
    """The most tokens of a sampled answer."""
    seed: int = 0
    """The seed of every random choice."""

    @model_validator(mode="after")
    def _can_be_measured(self) -> Self:
        """
        Raises:
            UndertoneError: there is no model, a model is given twice, a number is out of range, or the map does not
                say what is trained on, or of which file.
        """
        if form_given(self.map) and self.training_file is None:
            raise UndertoneError("--map says what the keys of a training file are: give it by --training-file.")
        if not self.models:
            raise UndertoneError("Name the model to measure: undertone measure MODEL --base BASE.")
        if len(set(self.models)) < len(self.models):
            raise UndertoneError("A model is given twice; several models must come from several training seeds.")
        if not 0 < self.effect < 1:
            raise UndertoneError(
                f"--effect is a rise of a rate, above 0 and below 1 (0.02 is two points), not {self.effect:g}."
            )
        for name, number in (("--samples", self.samples), ("--max-tokens", self.max_tokens)):
            if number is not None and number < 1:
                raise UndertoneError(f"{name} must be at least 1, not {number}.")
        return self
