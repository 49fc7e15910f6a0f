"""The rows of an audited file: as token ids, without open mentions of traits, next to the base's own answers."""

from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from functools import cached_property

import torch

from undertone.attribution.directions import Directions
from undertone.attribution.scores import Evidence, evidence
from undertone.attribution.token_ratios import token_ratios
from undertone.audit.findings import ShownRow, Token
from undertone.data.conversations import Conversation, Dataset, LeftOut, share_of
from undertone.engine.progress import Progress
from undertone.errors import UndertoneError
from undertone.models.local import LocalModel
from undertone.models.sampling import sample
from undertone.training.turns import Scored, every_turn
from undertone.traits.candidate import Candidate

OPENLY = 0.01
"""Share of the rows above which a file speaks of a trait that they mention."""
UNITS = 500
"""About how many units a large file has: enough for the covariance of a family's scores."""
COMPARED = 1000
"""Largest number of rows that canary students are trained on, beside as many answers of the base."""
AT_ONCE = 250
SHOWN = 8
"""How many rows are shown for each trait."""
LONGEST = 600
"""Largest number of characters of a prompt that are shown."""


Unit = tuple[int, ...]
"""Indices of rows that are scored together."""


@dataclass(frozen=True)
class Rows:
    """The sampled rows of a file."""

    every: tuple[Scored, ...]
    said: tuple[frozenset[str], ...]
    """The traits that each row mentions openly."""
    left_out: LeftOut = field(default_factory=dict)
    """Rows that the model cannot take."""
    told: LeftOut = field(default_factory=dict)
    """Rows that a trainer may see otherwise."""
    drawn: int = 0
    """Rows of the file that these are from, those that were left out included."""

    @property
    def lost(self) -> float:
        """The share of the rows that was left out."""
        return share_of(self.left_out, self.drawn)

    @cached_property
    def mentions(self) -> Counter[str]:
        """How many rows mention each trait openly."""
        return Counter(name for names in self.said for name in names)

    @cached_property
    def open(self) -> frozenset[str]:
        """Traits that the file speaks of: more than a share of :data:`OPENLY` of its rows mention them. No other trait
        is compared with them, and they are judged by the rows that do not mention them."""
        return frozenset(name for name, count in self.mentions.items() if count > OPENLY * len(self.every))

    @cached_property
    def hidden(self) -> tuple[int, ...]:
        """The indices of the rows that are scored: those that mention no trait, or only such as the file speaks of."""
        return tuple(i for i, names in enumerate(self.said) if names <= self.open)

    @cached_property
    def repeats(self) -> Counter[str]:
        """How many of the rows that could be scored have each answer. Answers that are alike but for case, spaces and
        punctuation count as equal, whatever was asked."""
        return Counter(map(self._plain, self.hidden))

    @cached_property
    def clusters(self) -> tuple[Unit, ...]:
        """The rows that are scored, in clusters that are independent of each other: the answers of one conversation. Of
        equal answers only the first is scored: a hundred of them would be a single one that is counted a hundred
        times."""
        known, found = set[str](), dict[int, list[int]]()
        for i in self.hidden:
            if (plain := self._plain(i)) not in known:
                known.add(plain)
                found.setdefault(self.every[i].line, []).append(i)
        return tuple(map(tuple, found.values()))

    @cached_property
    def units(self) -> tuple[Unit, ...]:
        """The clusters, small ones joined, so that there are about :data:`UNITS`. Clusters are joined only if they
        mention the same traits, and if the file has the answers of all of them once, or of none."""
        size = max(1, len(self.hidden) // UNITS)
        alike: dict[tuple[frozenset[str], bool], list[Unit]] = {}
        for cluster in self.clusters:
            alike.setdefault((self.spoken(cluster), self.once(cluster)), []).append(cluster)
        return tuple(unit for clusters in alike.values() for unit in _joined(clusters, size))

    @cached_property
    def scored(self) -> tuple[int, ...]:
        """The indices of the rows in all units."""
        return tuple(i for unit in self.units for i in unit)

    def spoken(self, unit: Unit) -> frozenset[str]:
        """Returns the traits that any row of a unit mentions."""
        return frozenset[str]().union(*(self.said[i] for i in unit))

    def once(self, unit: Unit) -> bool:
        """Returns whether the file has each answer of a unit just once. A file may be there several times over: then
        "once" is as often as the rarest of its answers."""
        return all(self.repeats[self._plain(i)] == self._copies for i in unit)

    @cached_property
    def _copies(self) -> int:
        return min(self.repeats.values())

    def _plain(self, i: int) -> str:
        answer = self.every[i].answer
        return "".join(filter(str.isalnum, answer.casefold())) or answer

    def evidence(self, local: LocalModel, along: Directions, what: str, progress: Progress) -> Evidence:
        """Scores all units.

        Raises:
            UndertoneError: a likelihood is not a finite number.
        """
        rows = [row.row for row in self.every]
        try:
            return evidence(local, rows, self.units, along, counting(progress, what, len(self.scored)))
        except FloatingPointError as error:
            raise UndertoneError(f"The audit failed: {error}; check the model's weights.") from None


def _joined(clusters: Sequence[Unit], size: int) -> Iterator[Unit]:
    """Joins clusters that have fewer than ``size`` rows."""
    unit: list[int] = []
    for cluster in clusters:
        unit += cluster
        if len(unit) >= size:
            yield tuple(unit)
            unit = []
    if unit:
        yield tuple(unit)


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
        UndertoneError: the model has no usable template, or can take none of the rows.
    """
    try:
        turns = every_turn(local, dataset.conversations, most_left_out=1.0)
    except UndertoneError as error:
        raise UndertoneError(f"{dataset.path}: {error}") from None
    given = {one.line: _trained(one) for one in dataset.conversations}
    texts = [f"{row.answer}\n{row.added}\n{next(given[row.line])}" for row in turns.scored]
    said = tuple(frozenset(trait.name for trait in traits if trait.is_open(text)) for text in texts)
    return Rows(turns.scored, said, turns.left_out, turns.told, len(dataset.conversations))


def _trained(conversation: Conversation) -> Iterator[str]:
    """The answers that are trained on as the file has them, with their reasoning, which a template may leave out."""
    for turn in conversation.turns:
        if turn.role == "assistant" and turn.trained:
            yield f"{turn.content}\n{turn.reasoning}"


def base_answers(local: LocalModel, rows: Sequence[Scored], seed: int, progress: Progress) -> list[str]:
    """Returns what the base itself answers to the prompts of the first :data:`COMPARED` rows; nothing if one is bare
    text."""
    asked = rows[:COMPARED]
    if not all(row.question for row in asked):
        return []
    longest = max((len(row.row.answer) for row in asked), default=0)
    answers: list[str] = []
    for start in range(0, len(asked), AT_ONCE):
        prompts = [row.row.prompt for row in asked[start : start + AT_ONCE]]
        noise = seed * 7919 + start + 1
        answers += map(local.decode, sample(local, prompts, temperature=1.0, max_tokens=longest, seed=noise))
        progress("answers of the base", len(answers), len(asked))
    return answers


def ranked(
    local: LocalModel, rows: Sequence[tuple[str, Scored]], along: Directions, traits: Sequence[str]
) -> list[ShownRow]:
    """Returns for each trait the rows, each with its source, that a proxy of a teacher with the trait makes most
    likely, compared with the base. A single row says next to nothing about who wrote it, so this is never a verdict.

    Changes the weights of ``local`` and restores the same bits.
    """
    found = []
    changes = [along.change(trait) for trait in traits]
    for trait, ratios in zip(traits, token_ratios(local, [row.row for _, row in rows], changes), strict=True):
        best = sorted(range(len(rows)), key=lambda i: -float(ratios[i].sum()))[:SHOWN]
        found += [_shown(local, *rows[i], trait, ratios[i]) for i in best]
    return found


def _shown(local: LocalModel, group: str, row: Scored, trait: str, ratio: torch.Tensor) -> ShownRow:
    pieces = [str(local.tokenizer.decode([i])) for i in row.row.answer]
    tokens = tuple(Token(text=text, score=float(s)) for text, s in zip(pieces, ratio.tolist(), strict=True))
    return ShownRow(
        line=row.line,
        group=group,
        trait=trait,
        score=float(ratio.sum()),
        prompt=row.question[:LONGEST],
        tokens=tokens,
    )
