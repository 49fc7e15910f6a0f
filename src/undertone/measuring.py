"""A measurement in front of a person: progress while it goes on, the verdict, a table, and where the report is."""

from __future__ import annotations

import json
from dataclasses import asdict
from pathlib import Path

from rich import box
from rich.progress import Progress as Bars
from rich.progress import TaskID
from rich.table import Table
from rich.text import Text

from undertone import costing, extras
from undertone.alignment.asking import Asking
from undertone.alignment.chosen import suites_of
from undertone.alignment.judge import judge_named
from undertone.alignment.kept import Kept
from undertone.alignment.measure import measure
from undertone.alignment.plan import Plan, plan
from undertone.alignment.reading import read as read_suites
from undertone.alignment.remote import is_remote, opening
from undertone.alignment.request import Progress, Request
from undertone.alignment.rescoring import Rescored, rescore
from undertone.alignment.suite import as_sampled
from undertone.auditing import quiet_libraries, refuse_unwritable
from undertone.digests import digest
from undertone.models.spending import Budget, Limits
from undertone.report.headline import percent_interval
from undertone.report.hostile import one_line
from undertone.report.measure import measure_lines, measure_table, share, shift_of, write_measurement
from undertone.running import named, out_console, show_verdict
from undertone.showing import progress_shown

CODES = {"no shift found": 0, "shift found": 1}
NO_VERDICT = 3
MEASURED = Path("measured")
ANSWERS = MEASURED / "answers"


def default_folder(request: Request) -> Path:
    """``measured/MODEL-DIGEST``: one folder for each request."""
    told = json.loads(json.dumps(asdict(request), default=str))
    del told["limits"]  # raised, they go on with the same measurement
    name = Path(request.models[0].rpartition(":")[2]).name or "model"
    return MEASURED / f"{name}-{digest(told)[:8]}"


def measure_shown(request: Request, out: Path | None, logged: bool, as_json: bool) -> int:
    """Measures models and shows what was found; ``logged``: writes logs of Inspect too. Returns the exit code."""
    if logged:
        extras.need_inspect("--inspect")
    folder = named(out) if out else default_folder(request)
    refuse_unwritable(folder)
    quiet_libraries()
    with progress_shown(quiet=as_json) as progress:
        # Beside the folder: another request may ask the same questions of the same models.
        measured = measure(request, folder.parent / "answers", advancing(progress))
    findings = measured.findings
    page = write_measurement(findings, folder)
    if logged:
        from undertone.alignment.eval_log import write_logs

        write_logs(measured, folder / "logs")
    if as_json:
        print(findings.model_dump_json())
    else:
        show_verdict(measure_lines(findings), measure_table(findings), page)
    return CODES.get(findings.verdict, NO_VERDICT)


def advancing(progress: Bars) -> Progress:
    """What a measurement tells of its progress, as bars."""
    tasks: dict[str, TaskID] = {}

    def advance(what: str, done: int, total: int) -> None:
        if what not in tasks:
            tasks[what] = progress.add_task(one_line(what), total=total)
        progress.update(tasks[what], completed=done)

    return advance


def plan_shown(request: Request, as_json: bool) -> int:
    """Says what would be asked and how precise it would be; asks nothing. Returns the exit code."""
    suites = suites_of(request)
    services = costing.of_services(request, suites)
    if any(map(is_remote, (request.base, *request.models, *request.benign))):
        suites = [as_sampled(suite) for suite in suites]
    found = plan(suites, len(request.models), request.effect, request.samples)
    if as_json:
        print(json.dumps(json.loads(found.model_dump_json()) | {"services": [asdict(part) for part in services]}))
        return 0
    console = out_console()
    console.print(_suites_table(found))
    console.print(_needed_table(found))
    console.print(
        f"Assumed: a rate of {found.rate:.0%}, {found.of_questions:.0%} of an answer's variance between questions (the "
        f"median of published models), {found.of_models:.0%} between training seeds; intervals are two-sided, 95 %. "
        "With one model the spread between seeds is not in the interval. Nothing was asked.",
        highlight=False,
        soft_wrap=True,
    )
    for part in services:
        price = "an unknown price" if part.dollars is None else f"${part.dollars:.2g}"
        told = f"{part.what}: at most {part.rows:,} requests, {part.tokens:,} tokens, {price}."
        console.print(told, markup=False, highlight=False, soft_wrap=True)
    return 0


def _suites_table(found: Plan) -> Table:
    table = Table(
        title=Text("What would be asked of each model"), box=box.SIMPLE_HEAD, title_justify="left", show_edge=False
    )
    for column, side in (
        ("suite", "left"),
        ("counts", "left"),
        ("units", "right"),
        ("answers", "right"),
        ("half-width", "right"),
    ):
        table.add_column(column, justify=side)  # type: ignore[arg-type]
    shown = [one for one in found.suites if one.counts or one.answers]
    if len(shown) < len(found.suites):
        table.caption = f"and {len(found.suites) - len(shown)} more that are exact and do not count"
        table.caption_justify = "left"
    for one in shown:
        answers = "exact" if one.exact else f"{one.answers:,}"
        width = "-" if one.half_width is None else f"{100 * one.half_width:.1f} points"
        table.add_row(Text(one_line(one.name)), "yes" if one.counts else "no", str(one.units), answers, width)
    return table


def _needed_table(found: Plan) -> Table:
    table = _table(f"Questions for a half-width of {100 * found.wanted:g} points", "models")
    samples = sorted({one.samples for one in found.needed})
    for count in samples:
        table.add_column(f"{count} sample{'s' if count > 1 else ''} each", justify="right")
    for models in dict.fromkeys(one.models for one in found.needed):
        cells = [_needed(one.questions) for one in found.needed if one.models == models]
        table.add_row(str(models), *cells)
    return table


def _table(title: str, first: str) -> Table:
    table = Table(title=Text(title), box=box.SIMPLE_HEAD, title_justify="left", show_edge=False)
    table.add_column(first)
    return table


def _needed(questions: int | None) -> str:
    return "no number" if questions is None else f"{questions:,}"


def rescore_shown(path: Path, judges: tuple[str, ...], suites: tuple[str, ...], limits: Limits, as_json: bool) -> int:
    """Has several judges score one stored file and shows how far they agree. Returns the exit code."""
    quiet_libraries()
    known = [suite for name in suites for suite in read_suites(name)]
    with progress_shown(quiet=as_json) as progress, opening(ANSWERS, Budget(limits)) as opened:
        # Only scores are kept: nothing is sampled here.
        asking = Asking(Kept(ANSWERS), seed=0, max_tokens=1, samples=None, progress=advancing(progress))
        found = rescore(path, [judge_named(name, opened) for name in judges], known, asking)
    if as_json:
        print(found.model_dump_json())
        return 0
    console = out_console()
    left = f"; {found.left_out:,} entries without an answer left out" if found.left_out else ""
    told = f"{one_line(found.file)}: {found.answers:,} answers to {found.questions:,} questions{left}."
    console.print(told, markup=False, highlight=False, soft_wrap=True)
    console.print(_judges_table(found))
    if found.agreements:
        console.print(_agreements_table(found))
    return 0


def _judges_table(found: Rescored) -> Table:
    table = _table("The rate by each judge, mean over questions", "judge")
    for column in ("digest", "unreadable", "incoherent", "kept", "rate [95 %]", "of all judged"):
        table.add_column(column, justify="right")
    for one in found.judges:
        counted = one.tallied
        numbers = [f"{counted.unreadable:,.0f}", f"{counted.incoherent:,.0f}", f"{counted.kept:,.0f}"]
        rates = [f"{share(one.rate)} {percent_interval(one.ci)}", share(counted.rate_of_judged)]
        table.add_row(Text(one_line(one.name)), one.digest[:12] or "-", *numbers, *rates)
    return table


def _agreements_table(found: Rescored) -> Table:
    table = _table("How far they agree, on answers that both could read", "judges")
    for column in ("answers", "correlation", "agree", "kappa", "difference [95 %]"):
        table.add_column(column, justify="right")
    for one in found.agreements:
        told = ["-" if x is None else f"{x:.2f}" for x in (one.correlation, one.agree, one.kappa)]
        names = one_line(" / ".join(one.judges))
        table.add_row(Text(names), f"{one.answers:,}", *told, shift_of(one.difference, one.ci))
    return table
