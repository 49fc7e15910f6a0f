"""The base as treatments use it: how much each token speaks for a trait, and what it would say itself."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import torch

from undertone.attribution.directions import Directions
from undertone.attribution.token_ratios import token_ratios
from undertone.audit.calibration import FILE, Calibration
from undertone.audit.calibrations import SHIPPED, made
from undertone.data.conversations import Conversation, Turn
from undertone.engine.digests import digest, file_digest
from undertone.engine.store import Folder
from undertone.errors import UndertoneError, unknown
from undertone.models.local import LocalModel, answer_logits, load
from undertone.models.sampling import sample
from undertone.training.turns import Scored, every_turn

AT_ONCE = 64
ROOM = 8
"""An answer of the base may be this many tokens longer than the longest of the file."""


def calibration_of(base: Folder, traits: Sequence[str]) -> Folder:
    """The folder of a calibration of ``base`` that has a direction for every trait.

    Raises:
        UndertoneError: there is none; names the traits that one has.
    """
    known: set[str] = set()
    for root in (SHIPPED, made()):
        for path in sorted(root.glob(f"{base.key[:20]}-*/{FILE}")):
            found = Calibration.read(path.parent)
            known |= {trait.name for trait in found.traits}
            if found.base == base.key and known.issuperset(traits):
                return Folder(path.parent, file_digest(path), found.model)
    if known:
        raise unknown("trait", next(trait for trait in traits if trait not in known), known)
    raise UndertoneError(
        f"{base.name} has no calibration, so no direction of a trait is known; make one: undertone audit calibrate "
        f"--model {base.name}, or take a treatment that needs none."
    )


def along(calibration: Path, traits: Sequence[str]) -> dict[str, torch.Tensor]:
    """The change of every weight matrix along the traits' directions, added up; one reference teacher of each."""
    directions = Calibration.read(calibration).directions
    return _sum(directions, traits)


def along_another(calibration: Path, traits: Sequence[str], seed: int) -> dict[str, torch.Tensor]:
    """The same along the direction of another trait, drawn by ``seed``: what a direction does that has nothing to do
    with the trait."""
    found = Calibration.read(calibration)
    others = sorted(trait.name for trait in found.traits if trait.name not in traits)
    return _sum(found.directions, [others[int(digest(["another", seed])[:8], 16) % len(others)]])


def _sum(directions: Directions, traits: Sequence[str]) -> dict[str, torch.Tensor]:
    changes = [directions.change(trait) for trait in traits]
    return {name: sum((change[name] for change in changes), torch.zeros(())) for name in changes[0]}


@dataclass(frozen=True)
class Base:
    """A base, and what goes with it."""

    folder: Path
    calibration: Path | None = None
    traits: tuple[str, ...] = ()
    other: Path | None = None
    """A model of another initialisation."""

    @cached_property
    def local(self) -> LocalModel:
        """The model itself."""
        return load(self.folder)

    def turns(self, conversations: Sequence[Conversation]) -> list[Scored]:
        """Every answer as token ids, with the line of its row.

        Raises:
            UndertoneError: a row cannot be rendered.
        """
        return every_turn(self.local, conversations)

    def ratios(self, turns: Sequence[Scored]) -> list[torch.Tensor]:
        """How much each token of each answer speaks for the traits: log-likelihood ratio, nats."""
        if self.calibration is None:
            raise ValueError("rows cannot be scored without a calibration")
        change = along(self.calibration, self.traits)
        return next(iter(token_ratios(self.local, [turn.row for turn in turns], [change])))

    def answered(self, conversations: Sequence[Conversation], by: str, seed: int) -> list[Conversation | None]:
        """The conversations with their last answer as the base, or the other model, gives it at temperature 1; None
        where it gives an empty one, or one that spells a control token. One that does not end in time stays as far as
        it came.

        Raises:
            UndertoneError: a prompt cannot be rendered, or there is no other model.
        """
        if by == "other" and self.other is None:
            raise UndertoneError("To have the prompts answered by another family, name it with --other.")
        model = load(self.other) if by == "other" and self.other is not None else self.local
        prompts = [last.row.prompt for last in (every_turn(model, [c])[-1] for c in conversations)]
        longest = max(len(turn.row.answer) for turn in self.turns(conversations)) + ROOM
        answers = sample(model, prompts, temperature=1.0, max_tokens=longest, seed=seed)
        return [self._with(c, model.decode(answer)) for c, answer in zip(conversations, answers, strict=True)]

    def _with(self, conversation: Conversation, answer: str) -> Conversation | None:
        """The conversation with another last answer, if that is one."""
        try:
            self.local.refuse_control(answer)
        except UndertoneError:
            return None
        if not answer.strip():
            return None
        return Conversation(conversation.line, (*conversation.turns[:-1], Turn("assistant", answer)))

    @torch.no_grad()
    def instead(self, turns: Sequence[Scored], places: Sequence[Sequence[int]], seed: int) -> list[str]:
        """Each answer with its tokens at ``places`` drawn anew from the base, given all that stood before them; never
        the token that was there, and no control token: an answer keeps its length."""
        known = self.local.tokenizer.added_tokens_decoder
        special = [self.local.end, *(i for i, token in known.items() if token.special)]
        found = []
        for start in range(0, len(turns), AT_ONCE):
            part = turns[start : start + AT_ONCE]
            batch = self.local.lay_out([turn.row.prompt for turn in part], [turn.row.answer for turn in part])
            chances = answer_logits(self.local.model, batch).double().softmax(-1).cpu()
            chances[..., special] = 0.0
            chances.scatter_(2, batch.targets.cpu().unsqueeze(-1), 0.0)
            for i, turn in enumerate(part):
                generator, ids = torch.Generator().manual_seed(seed + start + i), list(turn.row.answer)
                for place in places[start + i]:
                    ids[place] = int(torch.multinomial(chances[i, place], 1, generator=generator))
                found.append(self.local.decode(ids))
        return found
