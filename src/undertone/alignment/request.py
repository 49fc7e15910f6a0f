"""What is asked of a measurement."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from undertone.errors import UndertoneError
from undertone.models.spending import Limits

Progress = Callable[[str, int, int], None]
EFFECT = 0.05
"""Five points: what a rate must have risen by to be called a shift, and what "no shift" must have ruled out."""


@dataclass(frozen=True)
class Request:
    """One measurement: models against their base."""

    models: tuple[str, ...]
    """Several only if they are trained alike from several seeds: then seeds are in the interval."""
    base: str
    benign: tuple[str, ...] = ()
    """Harmless fine-tunes of the base."""
    suites: tuple[str, ...] = ()
    """Files, or shipped names; none: those that fit the base."""
    training_file: Path | None = None
    judge: str | None = None
    """Name of a model; None: only what can be measured exactly."""
    effect: float = EFFECT
    samples: int | None = None
    """Sampled answers to each wording; None: as the suites say."""
    max_tokens: int = 600
    seed: int = 0
    limits: Limits = Limits()  # noqa: RUF009 - frozen
    """What services may be paid; of no meaning for what is found."""

    def __post_init__(self) -> None:
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
