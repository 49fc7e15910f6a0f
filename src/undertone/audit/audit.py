"""The audit: a file and a base in, findings out.

traits → proxies → directions; conversations → token ids → scores along every direction → each family judged → findings

It also tests a claim of origin, trains canary students, and picks the rows with the highest scores.
"""

import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import UTC, datetime
from functools import partial

import numpy as np

from undertone.attribution.directions import Directions
from undertone.audit import canary, proxies, strict
from undertone.audit.families import Family, families_of
from undertone.audit.findings import CanaryFinding, FamilyFinding, Findings
from undertone.audit.origin import claim_of_origin
from undertone.audit.reference import stretches
from undertone.audit.request import Request
from undertone.audit.rows import Rows, base_answers, ranked, rows_of
from undertone.audit.sources import dataset_of, pairs_of, sources_of, trusted_of
from undertone.audit.unseen import Unseen, unseen_of
from undertone.audit.verdict import Asked, Scored, headline, judged, verdict_of
from undertone.data.conversations import Dataset, LeftOut, share_of
from undertone.engine import environment as surroundings
from undertone.engine.progress import Progress, silent
from undertone.engine.schedule import run_jobs
from undertone.engine.store import Folder, Job, Store
from undertone.models.loading import load
from undertone.models.local import LocalModel
from undertone.models.names import resolve
from undertone.spec import Training

DIRECTIONS, ROWS_SCORED, MEMBERS = "directions, once for this base", "rows scored", "harmless models"
"""What progress is told of."""
MOST_SHOWN = 3
"""Largest number of traits whose rows are shown."""


def audit(request: Request, progress: Progress = silent) -> Findings:
    """Runs an audit. On first use of a base its directions are made, by as many processes as there are cores.

    Raises:
        UndertoneError: a file cannot be read or has bad rows, a model or a trait is unknown, the rows contradict a
            claim of origin, or a likelihood is not a number.
    """
    started, clock, base = datetime.now(UTC), time.perf_counter(), resolve(request.model, request.chat_template)
    dataset = dataset_of(request)
    trusted = None if request.control is None else trusted_of(request.control, request)
    families = families_of(base.path, request.traits, request.own)
    directions = proxies.plan(base, families)
    along = directions_of(directions, progress)

    local = load(base.path)
    traits = [trait for family in families for trait in family.traits]
    listed = [name for family in families for name in family.names[: family.listed]]
    groups = {name: rows_of(local, part, traits) for name, part in sources_of(dataset, request.group_by).items()}
    pairs = pairs_of(groups) if dataset.form.prefers else []
    every = [row for rows in groups.values() for row in rows.every]
    origin = claim_of_origin(local, [row.row for row in every], request, progress)
    asked = Asked(request.alpha, request.effect, len(families) * (len(groups) + len(pairs)))
    control, control_unseen = _control(local, trusted, families, along, progress)
    moving = load(base.path)  # changed models are read in float32, and rows are scored as the base is
    stretch = {
        name: stretches(moving, [row.row for row in rows.every], along, families, progress)
        for name, rows in groups.items()
    }
    before, looked = time.perf_counter(), sum(len(rows.scored) for rows in groups.values())
    files = _scores(local, groups, along, stretch, progress)
    rate = looked / (time.perf_counter() - before)
    judging = [(name, name, control) for name in groups]
    judging += [(pair.name, pair.chosen, files[pair.rejected]) for pair in pairs]
    found = list[FamilyFinding]()
    for name, source, beside in judging:
        rows = groups[source]
        here = [judged(family, files[source], rows.open, asked, beside) for family in families]
        if request.strict and any(family.unjudged is None for family in here):
            here = _strict(base, directions, families, here, rows, asked, progress)
        found += [_of(one, name, rows) for one in here]
    hidden = [(name, rows.every[i]) for name, rows in groups.items() for i in rows.hidden]
    students_on = [row for _, row in hidden]
    answers = base_answers(local, students_on, request.seed, progress) if request.canaries else []
    recipe = request.training.training if request.training else _usual
    shifts = canary.outcome(local, base, students_on, answers, request.canaries, request.seed, recipe, progress)

    strongest = sorted((trait for family in found for trait in family.traits), key=lambda trait: -trait.z)
    shown = [trait.name for trait in strongest if trait.found] or [trait.name for trait in strongest[:1]]
    lost = max(share_of(dataset.left_out, dataset.rows), *(rows.lost for rows in groups.values()))
    word = verdict_of(found, lost)
    return Findings(
        verdict=word,
        headline=headline(word, found, looked, request.effect, lost),
        file=str(request.path),
        digest=dataset.digest,
        format=dataset.format,
        preferences=dataset.form.prefers,
        model=request.model,
        base=base.key,
        parts=base.parts_by_name,
        rows_in_file=dataset.rows,
        seed=request.seed,
        control=None if request.control is None else str(request.control),
        control_digest=None if trusted is None else trusted.digest,
        overt=tuple(name for name in listed if any(rows.mentions[name] for rows in groups.values())),
        unseen=unseen_of(
            dataset, _together(r.left_out for r in groups.values()), _together(r.told for r in groups.values())
        ),
        control_unseen=control_unseen,
        alpha=request.alpha,
        effect=request.effect,
        families=tuple(found),
        scored=looked,
        repeated=len(hidden) - looked,
        mentioning=len(every) - len(hidden),
        tokens=sum(int(file.evidence.tokens.sum()) for file in files.values()),
        origin=origin,
        canaries=_canaries(shifts),
        training=recipe(len(hidden)).model_dump() if request.canaries else None,
        rows=tuple(ranked(load(base.path), hidden, along, shown[:MOST_SHOWN])),
        rows_per_s=rate,
        started=started,
        wall_s=time.perf_counter() - clock,
        made_with=surroundings.made_with(),
    )


def _scores(
    local: LocalModel,
    groups: Mapping[str, Rows],
    along: Directions,
    stretch: Mapping[str, Mapping[str, float]],
    progress: Progress,
) -> dict[str, Scored]:
    """Scores the rows of every source, with one progress over all."""
    found, done, total = dict[str, Scored](), 0, sum(len(rows.scored) for rows in groups.values())
    for name, rows in groups.items():
        found[name] = scored(local, rows, along, ROWS_SCORED, stretch[name], _further(progress, done, total))
        done += len(rows.scored)
    return found


def _strict(
    base: Folder,
    directions: proxies.Plan,
    families: Sequence[Family],
    found: Sequence[FamilyFinding],
    rows: Rows,
    asked: Asked,
    progress: Progress,
) -> list[FamilyFinding]:
    store = proxies.store()
    layout = strict.plan(base, directions.directions, rows, store)
    _make([*directions.jobs, *layout.jobs], store, partial(progress, MEMBERS))
    return strict.agreed(families, found, layout, tuple(directions.proxies), asked, store)


def directions_of(plan: proxies.Plan, progress: Progress = silent) -> Directions:
    """Makes the directions of a plan, or finds them where they were made before. Damaged ones are made again.

    Raises:
        UndertoneError: a proxy cannot be trained, or the store cannot be written.
    """
    store = proxies.store()
    if store.sound(plan.directions, lambda _: None) is None:
        _make(plan.jobs, store, partial(progress, DIRECTIONS))
    return proxies.read(plan, store)


def _further(progress: Progress, before: int, total: int) -> Progress:
    """Returns progress of one part of ``total``, of which ``before`` are done."""
    return lambda what, done, _: progress(what, before + done, total)


def _make(jobs: Sequence[Job], store: Store, progress: Callable[[int, int], None]) -> None:
    """Makes the artifacts of jobs, and counts those that were not there."""
    left, made = sum(not store.has(job) for job in jobs), 0
    progress(0, left)
    for _, seconds in run_jobs(jobs, store):
        if seconds:
            made += 1
            progress(made, max(left, made))


def scored(
    local: LocalModel,
    rows: Rows,
    along: Directions,
    what: str,
    stretch: Mapping[str, float],
    progress: Progress = silent,
) -> Scored:
    """Scores the rows of a file along all directions. ``stretch``: how far reference teachers of each family are
    stretched.

    Raises:
        UndertoneError: a likelihood is not a finite number.
    """
    evidence = rows.evidence(local, along, what, progress)
    once = np.array([rows.once(unit) for unit in rows.units], dtype=bool)
    return Scored(evidence, along.names, tuple(map(rows.spoken, rows.units)), once, stretch)


def _usual(rows: int) -> Training:
    return canary.STUDENT


def _together(found: Iterable[LeftOut]) -> LeftOut:
    """Joins the lines of every reason."""
    lines: dict[str, tuple[int, ...]] = {}
    for one in found:
        for reason, some in one.items():
            lines[reason] = lines.get(reason, ()) + some
    return lines


def _of(family: FamilyFinding, group: str, rows: Rows) -> FamilyFinding:
    """Adds the source of the rows, and to each trait how many rows mention it."""
    traits = tuple(
        trait.model_copy(update={"group": group, "mentions": rows.mentions[trait.name]}) for trait in family.traits
    )
    return family.model_copy(update={"group": group, "traits": traits})


def _canaries(shifts: Mapping[str, canary.Shift]) -> tuple[CanaryFinding, ...]:
    found = (CanaryFinding(name=name, shift=shift, ci=(low, high)) for name, (shift, low, high) in shifts.items())
    return tuple(sorted(found, key=lambda one: -abs(one.shift)))


def _control(
    local: LocalModel, dataset: Dataset | None, families: tuple[Family, ...], along: Directions, progress: Progress
) -> tuple[Scored | None, Unseen]:
    if dataset is None:
        return None, Unseen()
    rows = rows_of(local, dataset, [trait for family in families for trait in family.traits])
    file = scored(local, rows, along, "control rows scored", {}, progress)
    return file, unseen_of(dataset, rows.left_out, rows.told)
