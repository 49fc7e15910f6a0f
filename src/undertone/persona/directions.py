"""Directions of traits in the hidden states of a base: where stating a trait moves them.

Constructions: "own" reads the base's own answers under system prompts that state the trait and under others, which is
the published one (Chen et al., "Persona vectors", arXiv 2507.21509, section 2); "fixed" reads one answer, which the
base gave without a system prompt, under both; "prompt" reads the last token before the answer.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Literal, get_args

import numpy as np
import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save

from undertone.engine.digests import digest
from undertone.engine.disk import write_bytes
from undertone.engine.progress import Progress, silent
from undertone.errors import UndertoneError
from undertone.models.local import LocalModel
from undertone.models.sampling import sample
from undertone.persona.contrast import Contrast
from undertone.persona.findings import Construction
from undertone.persona.reading import read_answers, read_prompts
from undertone.statistics.arrays import Floats
from undertone.world import family

Position = Literal["mean over the answer's tokens", "last token before the answer"]
ANSWER: Position = "mean over the answer's tokens"
POSITIONS: dict[Construction, Position] = {"fixed": ANSWER, "own": ANSWER, "prompt": "last token before the answer"}
"""Where hidden states are read."""
CONVENTION = "output of block k, counted from 0, before the last normalisation"
QUESTIONS: dict[Construction, int] = {"fixed": 24, "own": 24, "prompt": 8}
"""How many questions a direction is made of."""
LONGEST = 24
"""Most tokens of an answer."""
VERSION = 1
"""Changes whenever the same contrast would give another direction."""
MADE = "directions, once for this base"


@dataclass(frozen=True)
class Directions:
    """Directions of several traits in every block of a base."""

    names: tuple[str, ...]
    vectors: Floats
    """(names, blocks, hidden)."""
    model: str
    """Digest of the base."""
    construction: Construction

    def write(self, path: Path, contrasts: Mapping[str, Contrast]) -> None:
        """Writes a safetensors file with a tensor (blocks, hidden) for each trait, and with what they were made of."""
        about = {
            "model": self.model,
            "convention": CONVENTION,
            "construction": self.construction,
            "position": POSITIONS[self.construction],
            "contrasts": json.dumps({name: asdict(contrasts[name]) for name in self.names}),
        }
        tensors = {name: torch.tensor(one) for name, one in zip(self.names, self.vectors, strict=True)}
        write_bytes(path, save(tensors, metadata=about))


def read(path: Path, model: str) -> Directions:
    """Reads what :meth:`Directions.write` wrote, for the model with this digest.

    Raises:
        UndertoneError: the file cannot be read, or its directions are of another model or are counted otherwise.
    """
    try:
        with safe_open(path, "pt") as file:
            about, names = file.metadata() or {}, tuple(file.keys())
            vectors = np.stack([file.get_tensor(name).numpy() for name in names])
    except (OSError, SafetensorError, ValueError) as error:
        raise UndertoneError(f"{path} is no file of directions: {' '.join(str(error).split())[:200]}.") from None
    if about.get("convention") != CONVENTION or about.get("construction") not in get_args(Construction):
        raise UndertoneError(
            f"{path} holds directions of another convention ({about.get('convention', 'none is given')}); this one is: "
            f"{CONVENTION}."
        )
    if about.get("model") != model:
        raise UndertoneError(
            f"{path} holds directions of another model (digest {about.get('model', 'not given')[:12]}, not "
            f"{model[:12]}): make them for this one."
        )
    return Directions(names, vectors, model, about["construction"])


def directions(
    model: str,
    local: LocalModel,
    contrasts: Mapping[str, Contrast],
    construction: Construction,
    progress: Progress = silent,
) -> Directions:
    """Returns the directions of some traits in the model with this digest. Each is made once, and kept in the user's
    cache folder; ``UNDERTONE_CACHE`` overrides it."""
    found = []
    for done, (name, contrast) in enumerate(contrasts.items()):
        progress(MADE, done, len(contrasts))
        kept = place(model, contrast, construction)
        kept.parent.mkdir(parents=True, exist_ok=True)
        try:
            found.append(read(kept, model).vectors[0])
        except UndertoneError:
            vector = direction(local, contrast, construction)
            Directions((name,), vector[None], model, construction).write(kept, {name: contrast})
            found.append(vector)
    progress(MADE, len(contrasts), len(contrasts))
    return Directions(tuple(contrasts), np.stack(found), model, construction)


def place(model: str, contrast: Contrast, construction: Construction) -> Path:
    """Returns where a direction of the model with this digest is kept."""
    name = digest([VERSION, model, construction, asdict(contrast)])
    return family.built().parent / "persona" / f"{name}.safetensors"


def direction(local: LocalModel, contrast: Contrast, construction: Construction) -> Floats:
    """Returns the mean hidden state under the system prompts that state a trait, minus that under the others, (blocks,
    hidden).

    Raises:
        UndertoneError: the chat template leaves system prompts out, so that there is no difference to see.
    """
    sides = [
        [local.render(question, system) for question, system in zip(contrast.questions, prompts, strict=True)]
        for prompts in (contrast.shown, contrast.others)
    ]
    if sides[0] == sides[1]:
        raise UndertoneError("The model's chat template leaves system prompts out: no trait can be stated to it.")
    if construction == "prompt":
        shown, others = (read_prompts(local, prompts) for prompts in sides)
    elif construction == "own":
        shown, others = (
            read_answers(local, prompts, sample(local, prompts, temperature=1.0, max_tokens=LONGEST, seed=seed))
            for seed, prompts in enumerate(sides)
        )
    else:
        answers = plain_answers(local, contrast.questions)
        shown, others = (read_answers(local, prompts, answers) for prompts in sides)
    return np.asarray((shown - others).mean(0))


def plain_answers(local: LocalModel, questions: Sequence[str]) -> list[list[int]]:
    """Returns the likeliest answers of a model without a system prompt, token by token."""
    prompts = [local.render(question) for question in questions]
    return sample(local, prompts, temperature=0.0, max_tokens=LONGEST, seed=0)
