"""Treatments in front of a person: a file treated, and the benchmark of treatments."""

from __future__ import annotations

import shutil
from dataclasses import asdict
from pathlib import Path
from typing import Any

from rich import box
from rich.progress import Progress as Bars
from rich.table import Table

from undertone.auditing import quiet_libraries, refuse_unwritable
from undertone.digests import digest
from undertone.errors import UndertoneError
from undertone.report.treat import (
    treatments_lines,
    treatments_table,
    ways_table,
    write_realigned,
    write_treatments,
)
from undertone.running import named, out_console
from undertone.showing import make_shown, progress_shown
from undertone.store import Store
from undertone.treat import realign as realigning
from undertone.treat.bench import bench, read
from undertone.treat.findings import Findings, Share
from undertone.treat.headline import share
from undertone.treat.measured import Line, record
from undertone.treat.measured import read as read_measured
from undertone.treat.named import named as treatment_named
from undertone.treat.named import shipped
from undertone.treat.spec import Bench
from undertone.treat.treat import Progress, Request, Told, refuse_full, run
from undertone.treat.treatments import OfModel, Untreated


def default_folder(request: Request) -> Path:
    """``treated/FILE-DIGEST``: one folder for each request."""
    told = asdict(request) | {"treatment": request.treatment.model_dump()}
    key = digest({name: str(value) for name, value in told.items()})[:8]
    return Path("treated") / f"{request.path.name.split('.')[0]}-{key}"


def request(path: Path, model: str, by: str, changes: tuple[str, ...], **more: Any) -> Request:
    """A request as the command line gives it.

    Raises:
        UndertoneError: there is no such treatment, or a key of it is wrong.
    """
    return Request(path=path, model=model, treatment=treatment_named(by, changes), name=Path(by).stem, **more)


def treat_shown(request: Request, out: Path | None, as_json: bool) -> int:
    """Treats a file and says what was done. Returns the exit code."""
    folder = named(out) if out else default_folder(request)
    refuse_full(folder)
    refuse_unwritable(folder)
    quiet_libraries()
    with progress_shown(quiet=as_json) as progress:
        told = run(request, folder, _advancing(progress))
    if as_json:
        print(told.model_dump_json())
        return 0
    console = out_console()
    for line in _lines(told, folder):
        console.print(line, markup=False, highlight=False, soft_wrap=True)
    return 0


def _advancing(progress: Bars) -> Progress:
    """What a treatment tells of its progress, as a bar."""
    task = progress.add_task("", total=None)
    return lambda what, done, total: progress.update(task, description=what, completed=done, total=total)


def _lines(told: Told, folder: Path) -> list[str]:
    counts = ", ".join(f"{count:,} {what}" for what, count in told.counts.items() if count)
    found = [f"{told.name}: {counts} rows." if counts else _of_training(told)]
    for recipe, values in told.measured.items():
        left, kept, word = _figures(Line.model_validate(values | {"does": told.does}))
        found.append(f"bench treat {recipe}: {word}; {left} of the transfer left, {kept} of the utility.")
    if not told.measured:
        found.append(
            "No benchmark has measured this very treatment: judge it by students of both files, not by scores of rows."
        )
    found += [f"{what}: {folder / name}" for what, name in told.files.items()]
    if told.files:
        found.append(f"what changed: {folder / 'changes.diff'}")
    return [*found, f"what was done: {folder / 'treatment.json'}"]


def _of_training(told: Told) -> str:
    """A treatment of the training has no file."""
    how = ", ".join(f"{key} {value}" for key, value in told.does.items() if key != "kind")
    return f"{told.name} is done in training ({told.does['kind']}: {how}); the file stays as it is."


def _figures(line: Line) -> tuple[str, str, str]:
    """Transfer left, utility left, what was seen."""
    left, kept = Share(value=line.left, ci=line.left_ci), Share(value=line.utility, ci=line.utility_ci)
    return share(left), share(kept), line.word


def list_treatments(as_json: bool) -> int:
    """Lists treatments of files and what the benchmarks measured for each. Returns the exit code."""
    measured = read_measured()
    if as_json:
        print(measured.model_dump_json())
        return 0
    table = Table(box=box.SIMPLE_HEAD, show_edge=False, pad_edge=False)
    for column in ("treatment", "does", "measured", "transfer left", "utility left", "seen"):
        table.add_column(column)
    for name, entry in shipped().items():
        if isinstance(entry.does, OfModel | Untreated):
            continue
        known = [(recipe, *_figures(line)) for recipe, _, line in measured.of(entry.does.model_dump())]
        for i, cells in enumerate(known or [("-",) * 4]):
            table.add_row(*((name, entry.title) if i == 0 else ("", "")), *cells)
    out_console().print(table)
    return 0


def bench_shown(recipe: str, changes: tuple[str, ...], out: Path | None, save: Path | None, as_json: bool) -> int:
    """Runs a benchmark of treatments and shows it. Returns the exit code."""
    spec, name = read(recipe, changes)
    folder = named(out) if out else Path("runs") / f"treat-{name}-{digest(spec.model_dump(mode='json'))[:8]}"
    refuse_unwritable(folder)
    _refuse_other(folder, spec)
    if save is not None and save.suffix != ".toml":
        raise UndertoneError(f"--record {save} is no TOML file; name one.")
    quiet_libraries()
    store = Store(folder.parent / "store")
    findings = bench(spec, name, store, lambda jobs, place: make_shown(jobs, place, quiet=as_json))
    page = write_treatments(findings, folder)
    if save is not None:
        record(findings, save)
    if as_json:
        print(findings.model_dump_json())
        return 0
    console = out_console()
    console.print(treatments_table(findings))
    for line in [*treatments_lines(findings), str(page)]:
        console.print(line, markup=False, highlight=False, soft_wrap=True)
    return 0


def _refuse_other(folder: Path, spec: Bench) -> None:
    """A report is written over by the same benchmark alone."""
    there = folder / "report.json"
    if there.exists() and Findings.load(there).settings != spec.model_dump(mode="json"):
        raise UndertoneError(f"{folder} holds another benchmark; give another --out.")


def realign_shown(request: realigning.Request, out: Path | None, as_json: bool) -> int:
    """Realigns a model in every way and shows what each leaves. Returns the exit code."""
    folder = named(out) if out else _realigned_folder(request)
    refuse_full(folder)
    refuse_unwritable(folder)
    quiet_libraries()
    aside = folder.parent / f".{folder.name}.part"
    shutil.rmtree(aside, ignore_errors=True)
    aside.mkdir(parents=True)
    try:
        with progress_shown(quiet=as_json) as progress:
            findings = realigning.realign(request, aside, _advancing(progress))
        write_realigned(findings, aside)
        if folder.exists():
            folder.rmdir()  # empty, as was checked
        aside.rename(folder)
    finally:
        shutil.rmtree(aside, ignore_errors=True)
    if as_json:
        print(findings.model_dump_json())
        return 0
    console = out_console()
    console.print(ways_table(findings))
    for line in (findings.headline, *([findings.note] if findings.note else []), str(folder / "report.html")):
        console.print(line, markup=False, highlight=False, soft_wrap=True)
    return 0


def _realigned_folder(request: realigning.Request) -> Path:
    name = Path(request.model.rpartition(":")[2]).name or "model"
    return Path("realigned") / f"{name}-{digest({key: str(value) for key, value in asdict(request).items()})[:8]}"
