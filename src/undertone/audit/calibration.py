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
"""The only recipe of files of format 1, which do not state it: that of the owl experiment's students."""
FILE = "calibration.safetensors"


@dataclass(frozen=True)
class Member:
    """A teacher of the population, with the scores of its rows."""

    lesson: str
    """What it was taught; "untouched" for the base itself."""
    index: int
    evidence: Evidence
    shifts: tuple[Mapping[str, float], ...] = ()
    """The shift of each trait (log-odds) in students of its rows: one student for each recipe, or none."""


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
    """Traits that there is a direction for."""
    directions: Directions
    members: tuple[Member, ...]
    recipes: tuple[Training, ...] = ()
    """How the members' students were trained, which is what forecasts are for."""

    def recipe_of(self, training: Training) -> int | None:
        """Returns the index of the recipe that a training equals in all but its steps. These may differ by a tenth, and
        the nearest recipe counts. None if there is no such recipe."""
        apart = {
            k: abs(training.steps - known.steps)
            for k, known in enumerate(self.recipes)
            if training.model_copy(update={"steps": known.steps}) == known
            and abs(training.steps - known.steps) <= known.steps / 10
        }
        return min(apart, key=lambda k: apart[k]) if apart else None

    def write(self, folder: Path) -> None:
        """Writes one file, as a whole or not at all."""
        folder.mkdir(parents=True, exist_ok=True)
        header = {
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
        tensors = self.directions.tensors() | {
            name: torch.tensor(np.stack([getattr(m.evidence, name) for m in self.members]), dtype=torch.float32)
            for name in ("sums", "tokens")
        }
        header["digest"] = _digest(header, tensors)
        aside = folder / f".{FILE}.part"
        save_file(tensors, aside, metadata={"calibration": json.dumps(header, sort_keys=True)})
        aside.chmod(0o644)  # safetensors makes files that only their owner can read.
        aside.rename(folder / FILE)

    @classmethod
    def read(cls, folder: Path) -> Calibration:
        """Reads what :meth:`write` wrote.

        Raises:
            UndertoneError: the file is missing, damaged or edited, or has another format.
        """
        path = folder / FILE
        try:
            with safe_open(path, "pt") as file:
                header = json.loads(file.metadata()["calibration"])
            tensors = load_file(path)
            if header["format"] not in (1, FORMAT):
                raise UndertoneError(f"{path} is a calibration of another Undertone version; make it again.")
            if header.pop("digest") != _digest(header, tensors):
                raise ValueError("its content is not what was written")
            sums, tokens = (tensors.pop(name).double().numpy() for name in ("sums", "tokens"))
            if header["format"] == 1:  # There was one recipe, and so one student or none.
                header["members"] = [[name, index, [one] if one else []] for name, index, one in header["members"]]
                header["recipes"] = [FIRST] if any(shifts for *_, shifts in header["members"]) else []
            members = tuple(
                Member(lesson, index, Evidence(s, t), tuple(shifts))
                for (lesson, index, shifts), s, t in zip(header["members"], sums, tokens, strict=True)
            )
            traits = tuple(Candidate.model_validate(trait) for trait in header["traits"])
            own = Directions.of(header["names"], tensors)
            recipes = tuple(map(Training.model_validate, header["recipes"]))
            counts = {len(t) for t in (*own.up.values(), *own.down.values())} | {sums.shape[2]}
            if (
                own.up.keys() != own.down.keys()
                or counts != {len(own.names)}
                or not np.isfinite(sums).all()
                or not {len(member.shifts) for member in members} <= {0, len(recipes)}
            ):
                raise ValueError("its parts do not fit together")
            marks = tuple(header["marks"])
            return cls(header["base"], header["model"], header["carrier"], marks, traits, own, members, recipes)
        except (OSError, SafetensorError, LookupError, TypeError, ValueError) as error:
            reason = " ".join(str(error).split())
            raise UndertoneError(
                f"The calibration {path} is missing or damaged ({reason}); make it with: undertone audit calibrate."
            ) from None


def _digest(header: Mapping[str, object], tensors: Mapping[str, torch.Tensor]) -> str:
    found = hashlib.sha256(json.dumps(header, sort_keys=True).encode())
    for name in sorted(tensors):
        found.update(name.encode())
        found.update(tensors[name].numpy().tobytes())
    return found.hexdigest()
