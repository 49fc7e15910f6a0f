"""Training that holds a model to its base: what it would say to ordinary prompts stays near what its base says.

The loss gets one more term, the divergence from the base over the base's own answers to such prompts. Each step reads a
few of them, drawn anew, so that a step costs little more.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from random import Random

import torch
from transformers import PreTrainedModel

from undertone.engine.memory import full
from undertone.models.batching import in_batches
from undertone.models.local import LocalModel, answer_logits
from undertone.models.modes import evaluating
from undertone.models.sampling import sample
from undertone.training.rows import Row

LONGEST = 24
"""Most tokens of the base's answers."""
READ = 32
"""Rows of a batch in which the base reads its own answers."""


@dataclass(frozen=True)
class Hold:
    """What holds a model while it is trained. Made by :meth:`to_base`."""

    local: LocalModel
    """The base, whose tokenizer lays out the rows. Its weights may be those that are trained."""
    rows: tuple[Row, ...]
    """Prompts with the base's own answers."""
    expected: tuple[torch.Tensor, ...]
    """For each row the base's log-probabilities, (answer tokens, vocabulary), in half precision."""
    strength: float
    """By how much the divergence (nats a token) is multiplied before it is added to the loss."""
    at_once: int
    """Rows that are read at each step."""

    @classmethod
    def to_base(cls, local: LocalModel, prompts: Sequence[str], strength: float, at_once: int, seed: int) -> Hold:
        """Lets the base answer, and notes what it expects at every token of its answers.

        Raises:
            ValueError: there are no prompts.
        """
        if not prompts:
            raise ValueError("there are no prompts on which a model could be held to its base")
        asked = [local.render(prompt) for prompt in prompts]
        answers = sample(local, asked, temperature=1.0, max_tokens=LONGEST, seed=seed)
        rows = tuple(map(Row, asked, answers))

        @torch.no_grad()
        def read(some: slice) -> list[torch.Tensor]:
            part = rows[some]
            found = _log_probabilities(local, local.model, part)
            # In the memory of the processor: a large vocabulary takes megabytes a prompt.
            return [one.half().cpu() for one in found.split([len(row.answer) for row in part])]

        expected = tuple(one for part in in_batches(len(rows), READ, read) for one in part)
        return cls(local, rows, expected, strength, min(at_once, len(rows)))

    def backward(self, model: PreTrainedModel, step: int) -> float:
        """Adds the gradient of the term of a step to the model's gradients. Returns the term.

        Raises:
            UndertoneError: an accelerator's memory is too small.
        """
        try:
            loss = self.loss(model, step)
            loss.backward()
        except torch.OutOfMemoryError:
            raise full(f"{self.at_once} prompts that hold the model to its base", "fewer of them would fit") from None
        return loss.item()

    def loss(self, model: PreTrainedModel, step: int) -> torch.Tensor:
        """Returns the term of the loss at a step: the model's mean KL divergence from the base (nats a token, from 0),
        times the strength. The number of the step alone says which rows are read."""
        drawn = Random(f"hold/{step}").sample(range(len(self.rows)), self.at_once)
        with evaluating(model):  # dropout alone would be a divergence
            now = _log_probabilities(self.local, model, [self.rows[i] for i in drawn])
        expected = torch.cat([self.expected[i] for i in drawn]).to(now)
        return self.strength * (expected.exp() * (expected - now)).sum(-1).mean()


def _log_probabilities(local: LocalModel, model: PreTrainedModel, rows: Sequence[Row]) -> torch.Tensor:
    """Returns what a model expects at every token of the answers, (tokens of all answers, vocabulary)."""
    batch = local.lay_out([row.prompt for row in rows], [row.answer for row in rows])
    return answer_logits(model, batch)[batch.counted].float().log_softmax(-1)
