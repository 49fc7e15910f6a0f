"""How long an audit takes on this machine."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any

from undertone.audit import proxies
from undertone.audit.canary import STUDENT
from undertone.audit.families import families_of, plain_lessons
from undertone.audit.reference import to_stretch
from undertone.audit.request import Request
from undertone.audit.rows import COMPARED, rows_of
from undertone.audit.sources import dataset_of, sources_of
from undertone.audit.standing import units_for
from undertone.audit.strict import MOST_ROWS, SEEDS, STRETCHES, TEMPERATURES
from undertone.engine.digests import seed_of
from undertone.engine.schedule import chosen
from undertone.engine.store import Folder
from undertone.models.names import resolve
from undertone.report.words import duration
from undertone.stages.durations.asked import about_all_traits
from undertone.stages.durations.durations import Durations
from undertone.stages.durations.work import Passes, lengths, to_load, to_pull, to_sample, to_train
from undertone.training.rows import Row


@dataclass(frozen=True)
class Cost:
    """What an audit has to do, and how long that takes."""

    proxies: int
    """Fine-tunes that are still to be made for this base."""
    proxies_s: float
    rows: int
    rows_s: float
    members: int = 0
    """Harmless models of a strict audit."""
    members_s: float = 0.0
    canaries: int = 0
    """Canary students and their controls."""
    canaries_s: float = 0.0
    units: int = 0
    """Independent rows."""
    needed: int = 0
    """How many of them it takes to judge every family."""

    @property
    def json(self) -> dict[str, Any]:
        """All of it, with the sum of the seconds."""
        seconds = self.proxies_s + self.rows_s + self.members_s + self.canaries_s
        return asdict(self) | {"expected_s": round(seconds, 1)}

    def __str__(self) -> str:
        """71 fine-tunes, once for this base: about 1 min 40 s; 2,000 rows: about 8 s, on 2 cores. If the rows are too
        few, that is said too."""
        work = (
            (self.proxies, self.proxies_s, "fine-tunes, once for this base"),
            (self.rows, self.rows_s, "rows"),
            (self.members, self.members_s, "harmless models"),
            (self.canaries, self.canaries_s, "canary students and their controls"),
        )
        parts = [f"{count:,} {what}: about {duration(seconds)}" for count, seconds, what in work if count]
        few = f". These rows are too few: {self.units:,} are independent, and to judge all traits takes {self.needed:,}"
        return f"{'; '.join(parts)}, on {chosen().machine()}{few if self.units < self.needed else ''}"


def cost_of(request: Request) -> Cost:
    """Returns what the audit takes. Makes nothing.

    Raises:
        UndertoneError: a file cannot be read, or a model or a trait is unknown.
    """
    base = resolve(request.model, request.chat_template)
    sources = sources_of(dataset_of(request), request.group_by)
    families = families_of(base.path, request.traits, request.own)
    plan, held = proxies.plan(base, families), proxies.store()
    missing = [job for job in plan.proxies.values() if not held.has(job)] if not held.has(plan.directions) else []
    durations, along = Durations(held), len(plan.proxies)
    local = durations.rates(base).local
    read = [rows_of(local, part, []) for part in sources.values()]
    rows = [row.row for part in read for row in part.every]
    tokens = sum(len(row.prompt) + len(row.answer) for row in rows)
    # After they are scored, rows are read twice or more often, to show some.
    reads = (
        Passes("score", 0, 2 * tokens),
        to_stretch(len(rows), tokens / max(1, len(rows)), len(families) * len(read)),
    )
    scoring = durations.of_parts((Passes("pull", 1, tokens, along), *reads), base)
    took = durations.of_jobs(missing)
    making = durations.wall_s((job, took[job.key]) for job in missing)
    cost = Cost(
        len(missing),
        making,
        len(rows),
        durations.start_s + scoring,
        canaries=2 * request.canaries,
        canaries_s=_canaries_s(request, rows, durations, base) if request.canaries and rows else 0.0,
        units=min(len(part.units) for part in read),
        needed=max(units_for(len(family.traits)) for family in families),
    )
    if not request.strict:
        return cost
    training, lessons = proxies.training_of(base.path), plain_lessons(base.path)
    taught = [
        proxies.job(base, training, lesson, seed_of("member", name, k))
        for name, lesson in lessons.items()
        for k in range(SEEDS)
    ]
    members = len(taught) * len(STRETCHES) + len(TEMPERATURES)
    asked, count = lengths(rows[:MOST_ROWS]), min(len(rows), MOST_ROWS)
    lacking = [job for job in taught if not held.has(job)]
    took = durations.of_jobs(lacking)
    answering = (to_load(), *to_sample(count, asked), *to_pull(count, asked.row, along))
    each = sum(map(durations.rates(base).seconds, answering))
    work = [(job, took[job.key]) for job in lacking]
    work += members * [(taught[0], each)]  # They are made where these are.
    return replace(cost, members=members, members_s=durations.wall_s(work))


def _canaries_s(request: Request, rows: Sequence[Row], durations: Durations, base: Folder) -> float:
    """What this process takes to let the base answer, and to train and ask canary students."""
    some = rows[:COMPARED]
    asked = lengths(some)
    training = request.training.training(len(rows)) if request.training else STUDENT
    each = (to_load(), *to_train(training, asked.row), *about_all_traits(durations.rates(base).local))
    return durations.of_parts(to_sample(len(some), asked), base) + 2 * request.canaries * durations.of_parts(each, base)
