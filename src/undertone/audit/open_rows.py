"""A file opened for an audit: its rows as token ids, which speak openly of a trait, and which belong together."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

from undertone.attribution.directions import Directions
from undertone.attribution.scores import GROUPS, Evidence, evidence, spread
from undertone.audit.request import ROWS
from undertone.data.conversations import Dataset
from undertone.engine.progress import Progress
from undertone.errors import UndertoneError
from undertone.models.local import LocalModel
from undertone.training.turns import Scored, every_turn
from undertone.traits.candidate import Candidate


@dataclass(frozen=True)
class Opened:
    """A dataset's drawn rows."""

    dataset: Dataset
    rows: tuple[Scored, ...]
    hidden: tuple[Scored, ...]
    """Rows that speak of no candidate openly: what is hidden is looked for in these alone."""
    open_rows: dict[str, int]
    """Rows that speak openly of each candidate."""

    @cached_property
    def clusters(self) -> list[int]:
        """A label for every hidden row: turns of one conversation, and copies, add little or nothing to each other."""
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
        """Hidden rows that are no copies and no parts of one conversation."""
        return len(set(self.clusters))

    @property
    def groups(self) -> int:
        """How many groups of a member of the population hold as many rows."""
        return round(self.distinct / ROWS * GROUPS)

    def evidence(self, local: LocalModel, along: Directions, what: str, progress: Progress) -> Evidence:
        """Scores of the hidden rows.

        Raises:
            UndertoneError: a likelihood is not a finite number.
        """
        done = 0

        def advance(count: int) -> None:
            nonlocal done
            done += count
            progress(what, done, len(self.hidden))

        try:
            return evidence(local, [r.row for r in self.hidden], spread(self.clusters), along, advance)
        except FloatingPointError as error:
            raise UndertoneError(f"The audit broke down: {error}; check the model's weights.") from None


def opened(local: LocalModel, dataset: Dataset, traits: Sequence[Candidate]) -> Opened:
    """Renders a dataset for a model and looks for open talk of the traits.

    Raises:
        UndertoneError: a row cannot be rendered; names file and line.
    """
    try:
        rows = every_turn(local, dataset.conversations)
    except UndertoneError as error:
        raise UndertoneError(f"{dataset.path}, {error}") from None
    spoken = [{trait.name for trait in traits if trait.is_open(row.answer)} for row in rows]
    hidden = tuple(row for row, names in zip(rows, spoken, strict=True) if not names)
    return Opened(dataset, tuple(rows), hidden, {t.name: sum(t.name in names for names in spoken) for t in traits})
