"""How long a mitigation of a file takes on this machine."""

from dataclasses import replace

from undertone.audit import proxies
from undertone.data.conversations import read
from undertone.data.forms import form_given
from undertone.engine.store import Folder, Job
from undertone.models.names import resolve
from undertone.stages.durations.durations import Durations
from undertone.stages.durations.work import SOME, Lengths, Passes, lengths, to_load, to_read, to_sample
from undertone.training.turns import every_turn
from undertone.treat import mitigations
from undertone.treat.catalogue import beside
from undertone.treat.direction import plan_for
from undertone.treat.scorer import AT_ONCE, ROOM
from undertone.treat.treat import Request, traits_of


def work_of(treatment: mitigations.OfData, rows: Lengths, other: Folder | None) -> list[Passes]:
    """Returns what is done with the base, and with the ``other`` model, to apply a mitigation to rows: they are read by
    the base and by the base as the direction moves it, and some are answered anew."""
    read, written, by = 0, 0.0, None
    if mitigations.needs_direction(treatment):
        read += 2 * rows.rows
    match treatment:
        case mitigations.Replace():
            read += rows.rows
        case mitigations.Dilute():
            written = mitigations.rows_after(treatment, rows.rows) - rows.rows
        case mitigations.Answer():
            written, by = rows.rows, other if treatment.by == "other" else None
        case mitigations.Relabel(share=share):
            written = share * rows.rows
    answers = to_sample(written, replace(rows, answer=rows.answer + ROOM), by) if written else []
    again = [to_load(by=by)] if by else []
    return [*again, *to_read(read, rows.row, AT_ONCE), *answers]


def seconds_of(request: Request) -> float:
    """Returns what it takes to treat a file: to make directions that are not there, and to treat the rows and those of
    the random counterpart. Makes nothing.

    Raises:
        UndertoneError: a file cannot be read, or a model or a trait is unknown.
    """
    base, held = resolve(request.model, request.chat_template), proxies.store()
    dataset = read(request.path, None, request.seed, whole=True, form=form_given(request.map))
    hows = [how for how in (request.treatment, beside(request.treatment)) if isinstance(how, mitigations.OfData)]
    if not any(map(mitigations.needs_base, (request.treatment, *hows))):
        return 0.0
    durations, directions = Durations(held), list[tuple[Job, float]]()
    if any(map(mitigations.needs_direction, (request.treatment, *hows))):
        plan = plan_for(base, traits_of(request, dataset, base), own=request.own)
        missing = [] if held.has(plan.directions) else [job for job in plan.jobs if not held.has(job)]
        took = durations.of_jobs(missing)
        directions = [(job, took[job.key]) for job in missing]
    local = durations.rates(base).local
    some = every_turn(local, dataset.conversations[:SOME]).scored
    rows = replace(lengths([one.row for one in some]), rows=len(dataset.conversations))
    other = resolve(request.other) if request.other else None
    parts = [part for how in hows for part in work_of(how, rows, other)]
    return durations.wall_s(directions) + durations.of_parts(parts, base)
