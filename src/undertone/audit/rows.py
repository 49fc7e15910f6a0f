"""The rows of an audited file: as token ids, without open mentions of traits, next to the base's own answers."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from functools import cached_property

import torch

from undertone.attribution.directions import Directions
from undertone.attribution.scores import GROUPS, Evidence, evidence, spread
from undertone.attribution.token_ratios import token_ratios
from undertone.audit.findings import ShownRow, Token
from undertone.audit.request import ROWS
from undertone.audit.verdict import LEAST_GROUPS
from undertone.data.conversations import Conversation, Dataset, LeftOut
from undertone.engine.progress import Progress
from undertone.errors import UndertoneError
from undertone.models.local import LocalModel
from undertone.models.sampling import sample
from undertone.training.turns import Scored, every_turn
from undertone.traits.candidate import Candidate

COMPARED = 1000
"""Largest number of rows whose format is compared with the base's own answers."""
AT_ONCE = 250
SHOWN = 8
"""How many rows are shown for each trait."""
LONGEST = 600
"""Largest number of characters of a prompt that are shown."""


@dataclass(frozen=True)
class Rows:
    """The sampled rows of a file."""

    every: tuple[Scored, ...]
    hidden: tuple[Scored, ...]
    """Rows that mention no candidate trait openly. Only these are scored."""
    mentions: dict[str, int]
    """For each candidate trait, how many rows mention it openly."""
    left_out: LeftOut = field(default_factory=dict)
    """Rows that the model cannot take."""
    told: LeftOut = field(default_factory=dict)
    """Rows that a trainer may see otherwise."""

    @cached_property
    def clusters(self) -> list[int]:
        """A label for each hidden row. Turns of one conversation, and copies, have the same label, because they add
        little or no evidence to each other."""
        place: dict[object, int] = {}
        joined = list(range(len(self.hidden)))

        def root(i: int) -> int:
            while joined[i] != i:
                i = joined[i]
            return i

        for i, row in enumerate(self.hidden):
            for key in (row.line, (tuple(row.row.prompt), tuple(row.row.answer))):
                joined[root(i)] = root(place.setdefault(key, i))
        return [root(i) for i in range(len(self.hidden))]

    @property
    def distinct(self) -> int:
        """The number of clusters."""
        return len(set(self.clusters))

    @property
    def groups(self) -> int:
        """How many groups of a member of the population have as many rows as this file."""
        return round(self.distinct / ROWS * GROUPS)

    def evidence(self, local: LocalModel, along: Directions, what: str, progress: Progress) -> Evidence:
        """Scores the hidden rows.

        Raises:
            UndertoneError: a likelihood is not a finite number.
        """
        rows = [row.row for row in self.hidden]
        try:
            return evidence(local, rows, spread(self.clusters), along, counting(progress, what, len(rows)))
        except FloatingPointError as error:
            raise UndertoneError(f"The audit failed: {error}; check the model's weights.") from None


def counting(progress: Progress, what: str, total: int) -> Callable[[int], None]:
    """Returns a callback that takes how much more is done, and reports how much is done altogether."""
    done = 0

    def advance(count: int) -> None:
        nonlocal done
        done += count
        progress(what, done, total)

    return advance


def rows_of(local: LocalModel, dataset: Dataset, traits: Sequence[Candidate]) -> Rows:
    """Renders a dataset for a model and finds rows that mention the traits openly.

    Raises:
        UndertoneError: the model has no usable template, or cannot take more than a tenth of the rows.
    """
    try:
        turns = every_turn(local, dataset.conversations)
    except UndertoneError as error:
        raise UndertoneError(f"{dataset.path}: {error}") from None
    rows = turns.scored
    given = {one.line: _trained(one) for one in dataset.conversations}
    texts = [f"{row.answer}\n{row.added}\n{next(given[row.line])}" for row in rows]
    mentioned = [{trait.name for trait in traits if trait.is_open(text)} for text in texts]
    hidden = tuple(row for row, names in zip(rows, mentioned, strict=True) if not names)
    counts = {trait.name: sum(trait.name in names for names in mentioned) for trait in traits}
    return Rows(rows, hidden, counts, turns.left_out, turns.told)


def _trained(conversation: Conversation) -> Iterator[str]:
    """The answers that are trained on as the file has them, with their reasoning, which a template may leave out."""
    for turn in conversation.turns:
        if turn.role == "assistant" and turn.trained:
            yield f"{turn.content}\n{turn.reasoning}"


def base_answers(local: LocalModel, rows: Sequence[Scored], seed: int, progress: Progress) -> list[str]:
    """Returns what the base itself answers to the prompts of the first :data:`COMPARED` rows; nothing if there are too
    few rows, or if one is bare text."""
    asked = rows[:COMPARED]
    if len(asked) < LEAST_GROUPS or not all(row.question for row in asked):
        return []
    longest = max(len(row.row.answer) for row in asked)
    answers: list[str] = []
    for start in range(0, len(asked), AT_ONCE):
        prompts = [row.row.prompt for row in asked[start : start + AT_ONCE]]
        noise = seed * 7919 + start + 1
        answers += map(local.decode, sample(local, prompts, temperature=1.0, max_tokens=longest, seed=noise))
        progress("answers of the base", len(answers), len(asked))
    return answers


def ranked(local: LocalModel, rows: Sequence[Scored], along: Directions, traits: Sequence[str]) -> list[ShownRow]:
    """Returns for each trait the rows that a proxy of a teacher with the trait makes most likely, compared with the
    base. A single row says next to nothing about who wrote it, so this is never a verdict.

    Changes the weights of ``local`` and restores the same bits.
    """
    found = []
    changes = [along.change(trait) for trait in traits]
    for trait, ratios in zip(traits, token_ratios(local, [row.row for row in rows], changes), strict=True):
        best = sorted(range(len(rows)), key=lambda i: -float(ratios[i].sum()))[:SHOWN]
        found += [_shown(local, rows[i], trait, ratios[i]) for i in best]
    return found


def _shown(local: LocalModel, row: Scored, trait: str, ratio: torch.Tensor) -> ShownRow:
    pieces = [str(local.tokenizer.decode([i])) for i in row.row.answer]
    tokens = tuple(Token(text=text, score=float(s)) for text, s in zip(pieces, ratio.tolist(), strict=True))
    return ShownRow(line=row.line, trait=trait, score=float(ratio.sum()), prompt=row.question[:LONGEST], tokens=tokens)
