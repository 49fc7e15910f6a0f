"""An audit in front of a person: progress while it goes on, the verdict, a table, and where the report is."""

from __future__ import annotations

import os
import warnings
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any, Literal

from undertone.audit import calibrate, calibrations
from undertone.audit.audit import audit
from undertone.audit.findings import Findings
from undertone.audit.request import Request
from undertone.digests import digest
from undertone.errors import UndertoneError
from undertone.models.names import resolve
from undertone.report.audit import audit_lines, audit_table, write_audit
from undertone.running import named, show_verdict
from undertone.showing import make_shown, progress_shown
from undertone.specs import Training
from undertone.store import Job, Store
from undertone.traits import catalogue
from undertone.workers import cores, unique

Policy = Literal["hidden", "overt"]
"""What ends with exit code 1: a carrier; or, with "overt", rows that speak openly of a candidate as well."""

CODES = {"no evidence": 0, "carrier": 1}
INCONCLUSIVE = 3
PATHS = ("path", "control")


def default_folder(request: Request) -> Path:
    """``audits/FILE-DIGEST``: one folder for each request."""
    told = asdict(request) | {name: str(path.absolute()) for name in PATHS if (path := getattr(request, name))}
    told |= {"student": request.student.model_dump()} if request.student else {}
    return Path("audits") / f"{request.path.name.split('.')[0]}-{digest(told)[:8]}"


def refuse_unwritable(folder: Path) -> None:
    """Before any work, and without making anything: a wrong input leaves no empty folder behind."""
    there = next(path for path in (folder.absolute(), *folder.absolute().parents) if path.exists())
    if not there.is_dir() or not os.access(there, os.W_OK):
        why = "no folder" if not there.is_dir() else "not yours to write in"
        raise UndertoneError(f"Cannot write to {folder}: {there} is {why}; give another folder with --out.")


def quiet_libraries() -> None:
    """Libraries draw bars of their own for every model that is loaded."""
    import transformers

    transformers.logging.disable_progress_bar()
    transformers.logging.set_verbosity_error()
    warnings.filterwarnings("ignore", category=FutureWarning, module="transformers")


def audit_shown(request: Request, out: Path | None, policy: Policy, as_json: bool) -> int:
    """Audits a file and shows what was found. Returns the exit code."""
    folder = named(out) if out else default_folder(request)
    refuse_unwritable(folder)
    quiet_libraries()
    with progress_shown(quiet=as_json) as progress:
        tasks: dict[str, Any] = {}

        def advance(what: str, done: int, total: int) -> None:
            if what not in tasks:
                tasks[what] = progress.add_task(what, total=total)
            progress.update(tasks[what], completed=done)

        findings = audit(request, advance)
    page = write_audit(findings, folder)
    if as_json:
        print(findings.model_dump_json())
    else:
        show_verdict(audit_lines(findings), audit_table(findings) if findings.traits else None, page)
    return code(findings, policy)


def code(findings: Findings, policy: Policy) -> int:
    """Exit code: 0 no evidence down to a stated effect, 1 found, 3 no verdict."""
    if policy == "overt" and findings.overt:
        return 1
    return CODES.get(findings.verdict, INCONCLUSIVE)


# Core-seconds a job took on the embedded base; a guide, no promise.
EXPECTED = {"proxy": 3.5, "directions": 8.0, "specimen": 6.5, "scores": 5.0, "outcome": 12.0}
PER_ROW = 0.004


def preview(request: Request, as_json: bool) -> int:
    """Says what an audit would do and what it costs, from a first look at the file; scores nothing."""
    import json

    from undertone.datafile import conversations

    base = resolve(request.model)
    dataset = conversations.read(request.path, request.rows, request.seed)
    known, matches = calibrations.find(base)
    report = {
        "rows_in_file": dataset.rows,
        "rows": len(dataset.conversations),
        "format": dataset.format,
        "calibrated": bool(known) and matches,
        "expected_s": round(10 + PER_ROW * len(dataset.conversations) * (3 if request.sampling else 2)),
    }
    if as_json:
        print(json.dumps(report))
    else:
        state = "calibrated" if report["calibrated"] else "not calibrated: undertone audit calibrate"
        print(f"{request.path}: {dataset.rows:,} rows of {dataset.format}, {report['rows']:,} would be scored.")
        print(f"{request.model}: {state}. About {report['expected_s']} s (embedded models). Nothing was scored.")
    return 0


def _expected_seconds(job: Job) -> float:
    usual = EXPECTED[job.stage.name]
    if job.stage.name != "outcome":
        return usual
    plan, known = Training.model_validate(job.spec["training"]), calibrate.CALIBRATED
    return usual * plan.steps * plan.batch / (known.steps * known.batch)


def calibrate_shown(
    model: str,
    size: calibrate.Size,
    traits: Sequence[Path],
    prompts: Path | None,
    recipes: Sequence[Training],
    dry_run: bool,
) -> int:
    """Makes the calibration of a base, with progress; one that was stopped goes on. Returns the exit code."""
    layout = calibrate.plan(model, size, catalogue.read(traits), prompts, recipes)
    store = Store(calibrations.made() / "store")
    missing = [job for job in unique(layout.jobs) if not store.has(job)]
    seconds = sum(map(_expected_seconds, missing))
    if dry_run:
        count = len(unique(layout.jobs))
        print(f"{model}: {len(missing)} of {count} artifacts to make, about {seconds:.0f} core-seconds:")
        print(f"{seconds / cores() / 60:.0f} minutes on {cores()} cores (embedded models). Nothing was made.")
        return 0
    make_shown(layout.jobs, store)
    made = calibrate.gather(layout, store)
    folder = calibrations.place(made)
    made.write(folder)
    print(f"{model} is calibrated: {len(made.members)} teachers, {len(made.directions.names)} directions. {folder}")
    return 0
