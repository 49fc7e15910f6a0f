"""A calibration on disk: directions, and the scores of a population of teachers whose lessons are known."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import load_file, save_file

from undertone.attribution.directions import Directions
from undertone.attribution.scores import Evidence
from undertone.errors import UndertoneError
from undertone.spec import Training
from undertone.traits.candidate import Candidate

FORMAT = 2
FIRST = {"method": "lora", "rank": 32, "alpha": 32, "rate": 5e-3, "steps": 100, "batch": 48, "warmup": 5}
"""The one recipe of files of format 1, which do not state it: that of the owl experiment's students."""
FILE = "calibration.safetensors"


@dataclass(frozen=True)
class Member:
    """A teacher of the population and what it wrote."""

    lesson: str
    """What it was taught; "untouched" for the base itself."""
    index: int
    evidence: Evidence
    shifts: tuple[Mapping[str, float], ...] = ()
    """Log-odds by which students trained on its rows moved, trait by trait: one student for each of the calibration's
    recipes, or none."""


@dataclass(frozen=True)
class Calibration:
    """What a verdict about a base rests on."""

    base: str
    """Digest of the base."""
    model: str
    """Name of the base as it was given."""
    carrier: str
    """What the population wrote."""
    marks: tuple[str, ...]
    """Short digests of the prompts that the population answered; none for number lists."""
    traits: tuple[Candidate, ...]
    """Candidates that it has a direction for."""
    directions: Directions
    members: tuple[Member, ...]
    recipes: tuple[Training, ...] = ()
    """How the students of members were trained: what forecasts are for."""

    def recipe_of(self, training: Training) -> int | None:
        """Which recipe a training is: the same in all but steps, and of those the nearest within a tenth."""
        apart = {
            k: abs(training.steps - known.steps)
            for k, known in enumerate(self.recipes)
            if training.model_copy(update={"steps": known.steps}) == known
            and abs(training.steps - known.steps) <= known.steps / 10
        }
        return min(apart, key=lambda k: apart[k]) if apart else None

    def write(self, folder: Path) -> None:
        """Writes one file, whole or not at all."""
        folder.mkdir(parents=True, exist_ok=True)
        told = {
            "format": FORMAT,
            "base": self.base,
            "model": self.model,
            "carrier": self.carrier,
            "marks": self.marks,
            "traits": [trait.model_dump() for trait in self.traits],
            "names": self.directions.names,
            "members": [[m.lesson, m.index, m.shifts] for m in self.members],
            "recipes": [recipe.model_dump(mode="json") for recipe in self.recipes],
        }
        groups = {len(m.evidence.tokens) for m in self.members}
        if len(groups) > 1:
            raise ValueError(f"members were scored in different numbers of groups: {sorted(groups)}")
        sums = np.stack([m.evidence.sums for m in self.members])
        tokens = np.stack([m.evidence.tokens for m in self.members])
        tensors = self.directions.tensors() | {
            "sums": torch.tensor(sums, dtype=torch.float32),
            "tokens": torch.tensor(tokens, dtype=torch.float32),
        }
        told["digest"] = _digest(told, tensors)
        aside = folder / f".{FILE}.part"
        save_file(tensors, aside, metadata={"calibration": json.dumps(told, sort_keys=True)})
        aside.chmod(0o644)  # safetensors writes for its owner alone
        aside.rename(folder / FILE)

    @classmethod
    def read(cls, folder: Path) -> Calibration:
        """What :meth:`write` wrote.

        Raises:
            UndertoneError: it is missing, damaged, edited, or of another Undertone.
        """
        path = folder / FILE
        try:
            with safe_open(path, "pt") as file:
                told = json.loads(file.metadata()["calibration"])
            tensors = load_file(path)
            if told["format"] not in (1, FORMAT):
                raise UndertoneError(f"{path} is a calibration of another Undertone; make it anew.")
            if told.pop("digest") != _digest(told, tensors):
                raise ValueError("its content is not what was written")
            sums, tokens = (tensors.pop(name).double().numpy() for name in ("sums", "tokens"))
            members = tuple(
                Member(lesson, index, Evidence(s, t), tuple(shifts) if told["format"] > 1 else _first(shifts))
                for (lesson, index, shifts), s, t in zip(told["members"], sums, tokens, strict=True)
            )
            traits = tuple(Candidate.model_validate(trait) for trait in told["traits"])
            own = Directions.of(told["names"], tensors)
            counts = {len(t) for t in (*own.up.values(), *own.down.values())} | {sums.shape[2]}
            if own.up.keys() != own.down.keys() or counts != {len(own.names)} or not np.isfinite(sums).all():
                raise ValueError("its parts do not fit together")
            followed = any(member.shifts for member in members)
            recipes = tuple(map(Training.model_validate, told.get("recipes", [FIRST] if followed else [])))
            if not {len(member.shifts) for member in members} <= {0, len(recipes)}:
                raise ValueError("its parts do not fit together")
            marks = tuple(told["marks"])
            return cls(told["base"], told["model"], told["carrier"], marks, traits, own, members, recipes)
        except (OSError, SafetensorError, LookupError, TypeError, ValueError) as error:
            reason = " ".join(str(error).split())
            raise UndertoneError(
                f"The calibration {path} is missing or damaged ({reason}); make it with: undertone audit calibrate."
            ) from None


def _first(shifts: dict[str, float] | None) -> tuple[dict[str, float], ...]:
    """As format 1 has them: of one recipe, or none."""
    return (shifts,) if shifts else ()


def _digest(told: Mapping[str, object], tensors: Mapping[str, torch.Tensor]) -> str:
    found = hashlib.sha256(json.dumps(told, sort_keys=True).encode())
    for name in sorted(tensors):
        found.update(name.encode())
        found.update(tensors[name].numpy().tobytes())
    return found.hexdigest()
