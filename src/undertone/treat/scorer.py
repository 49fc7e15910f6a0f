"""The base as mitigations use it: how much each token speaks for a trait, and what the base itself would say."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path

import torch

from undertone.attribution.token_ratios import token_ratios
from undertone.data.conversations import Conversation
from undertone.errors import UndertoneError
from undertone.models.batching import in_batches
from undertone.models.loading import load
from undertone.models.local import Ids, LocalModel, answer_logits
from undertone.models.sampling import sample
from undertone.models.template import Unfit
from undertone.training.turns import Scored, Turns, every_turn, prompt_of
from undertone.treat.direction import Change

AT_ONCE = 64
"""Answers in a batch."""
ROOM = 8
"""Answers of the base may be this many tokens longer than the longest answer of the file."""


def with_answer(conversation: Conversation, answer: str) -> Conversation:
    """Returns the conversation with another last answer, without the reasoning that led to the old one."""
    *before, last = conversation.turns
    return replace(conversation, turns=(*before, last._replace(content=answer, reasoning="")))


def _prompt(model: LocalModel, conversation: Conversation) -> Ids | None:
    try:
        return prompt_of(model, conversation)
    except Unfit:
        return None


@dataclass(frozen=True)
class Base:
    """A base, the direction by which it scores, and the model that answers in its place."""

    folder: Path
    direction: Change | None = None
    """That of the traits to stop, twice as long as the change of its short fine-tune."""
    other: Path | None = None
    """A model of another initialisation."""

    @cached_property
    def local(self) -> LocalModel:
        """The base, loaded."""
        return load(self.folder)

    def read(self, conversations: Sequence[Conversation]) -> Turns:
        """Returns every answer as token ids, and the rows that the base cannot take.

        Raises:
            UndertoneError: these are more than a tenth.
        """
        return every_turn(self.local, conversations)

    def turns(self, conversations: Sequence[Conversation]) -> list[Scored]:
        """Returns every answer as token ids, with the line of its row. Rows that the base cannot take have none."""
        return list(self.read(conversations).scored)

    def ratios(self, turns: Sequence[Scored]) -> list[torch.Tensor]:
        """Returns, for each answer, the log-likelihood ratio of each token in nats: how much likelier the traits make
        it."""
        if self.direction is None:
            raise ValueError("rows cannot be scored without a direction")
        return next(iter(token_ratios(self.local, [turn.row for turn in turns], [self.direction])))

    def answered(self, conversations: Sequence[Conversation], by: str, seed: int) -> list[Conversation | None]:
        """Returns the conversations with a new last answer of the base, or ("other") of the other model, sampled at
        temperature 1. It is None where the model cannot take the prompt, or where the answer is empty or contains a
        control token. An answer that does not end in time is cut off.

        Raises:
            UndertoneError: there is no other model, or the base cannot take more than a tenth of the rows.
        """
        if by == "other" and self.other is None:
            raise UndertoneError("To have the prompts answered by another model, name it with --other.")
        if not conversations:
            return []
        model = load(self.other) if by == "other" and self.other is not None else self.local
        prompts = {i: ids for i, row in enumerate(conversations) if (ids := _prompt(model, row)) is not None}
        longest = max((len(turn.row.answer) for turn in self.turns(conversations)), default=0) + ROOM
        answers = sample(model, list(prompts.values()), temperature=1.0, max_tokens=longest, seed=seed)
        texts = dict(zip(prompts, map(model.decode, answers), strict=True))
        return [
            with_answer(before, texts[i]) if i in texts and self._is_answer(texts[i]) else None
            for i, before in enumerate(conversations)
        ]

    def _is_answer(self, text: str) -> bool:
        try:
            self.local.refuse_control(text)
        except UndertoneError:
            return False
        return bool(text.strip())

    @torch.no_grad()
    def instead(self, turns: Sequence[Scored], places: Sequence[Sequence[int]], seed: int) -> list[str]:
        """Returns each answer with its tokens at ``places`` sampled anew from the base, given the old tokens before
        them. A new token differs from the old one and is no control token, so an answer keeps its length."""
        known = self.local.tokenizer.added_tokens_decoder
        special = [self.local.end, *(i for i, token in known.items() if token.special)]
        found = list[str]()

        def sampled(some: slice) -> None:
            part = turns[some]
            batch = self.local.lay_out([turn.row.prompt for turn in part], [turn.row.answer for turn in part])
            chances = answer_logits(self.local.model, batch).double().softmax(-1).cpu()
            chances[..., special] = 0.0
            chances.scatter_(2, batch.targets.cpu().unsqueeze(-1), 0.0)
            for i, turn in enumerate(part):
                generator, ids = torch.Generator().manual_seed(seed + some.start + i), list(turn.row.answer)
                for place in places[some.start + i]:
                    ids[place] = int(torch.multinomial(chances[i, place], 1, generator=generator))
                found.append(self.local.decode(ids))

        for _ in in_batches(len(turns), AT_ONCE, sampled):
            pass
        return found
