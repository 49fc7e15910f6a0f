"""The commands that run experiments, list runs, show their reports, and show how an artifact was made."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

from cyclopts import Parameter

from undertone.cli import completion
from undertone.cli.bars import Bars
from undertone.cli.shared import Flag, limits_of, placed, send
from undertone.cli.terminal import FOUND, console, named, print_json, print_table, say, show, show_cost
from undertone.errors import UndertoneError
from undertone.reading.hostile import one_line
from undertone.report.track import Tracker, refuse_untracked

if TYPE_CHECKING:
    from collections.abc import Iterator

    from undertone.engine.provenance import Link
    from undertone.engine.store import Store
    from undertone.experiments.preview import Preview
    from undertone.experiments.replay import Replay
    from undertone.models.services.spending import Limits
    from undertone.spec import Recipe


@placed
def run(
    recipe: Annotated[str | None, Parameter(completer=completion.recipes)] = None,
    /,
    *,
    set: Annotated[tuple[str, ...], Parameter(name="--set", negative=(), consume_multiple=False)] = (),
    out: Path | None = None,
    seed: int | None = None,
    students: int | None = None,
    scale: float = 1.0,
    max_cost: float | None = None,
    max_requests: int | None = None,
    dry_run: Flag = False,
    json: Flag = False,
    track: Tracker | None = None,
) -> int:
    """Runs an experiment, given a shipped recipe or a TOML file; continues or repeats a run, given its folder. Without
    an argument it lists the shipped recipes.

    Parameters
    ----------
    recipe
        A shipped recipe, such as ``owls`` or ``paper/insecure-code``; a path ending in .toml; or the folder of a run.
        A run that was stopped continues. A finished run is repeated in FOLDER-replay (or --out) and compared bit by
        bit; the exit code is 1 if bits differ.
    set
        Changes a key of the recipe, as in --set student.steps=100; may be given several times.
    out
        Folder of the run; default runs/RECIPE-DIGEST. Artifacts go to ``store`` beside it.
    seed
        Seed of the experiment; it determines every random choice.
    students
        Number of students of each teacher, or of each file.
    scale
        Runs a rehearsal with this fraction of the recipe's rows, prompts, dialogues, steps, samples, tokens of an
        answer, students and teachers (at least two). Teachers that learn too little are not refused.
    max_cost
        Upper limit, in dollars, on the cost of services, for recipes whose judge is a service.
    max_requests
        Upper limit on the number of requests to services.
    dry_run
        Prints what would be done and what it would cost, and does nothing.
    json
        Prints one JSON object instead of tables.
    track
        Also sends the numbers and the report to an experiment tracker, whose library and settings are yours: mlflow,
        wandb or tensorboard.
    """
    from undertone.experiments import recipes

    refuse_untracked(track)
    if recipe is None:
        return _list_recipes(json)
    given = {"seed": seed, "students": students}
    changes = [*set, *(f"{key}={value}" for key, value in given.items() if value is not None)]
    if Path(recipe).is_dir() and recipe not in recipes.names():
        if changes or dry_run or scale != 1:
            raise UndertoneError("A run that is given as a folder cannot be changed or previewed: give its recipe.")
        return _run_again(named(Path(recipe)), out, limits_of(max_cost, max_requests), json, track)
    spec = recipes.read(recipe, tuple(changes), scale)
    limits = limits_of(max_cost, max_requests, [getattr(spec, "judge", None)])
    return run_spec(spec, recipe, out, limits, dry_run, json, track)


def run_spec(
    spec: Recipe,
    recipe: str,
    out: Path | None,
    limits: Limits,
    dry_run: bool,
    as_json: bool,
    track: Tracker | None = None,
) -> int:
    """Runs an experiment in its folder, or prints what it would make. Returns the exit code."""
    folder = folder_of_run(spec, recipe, out)
    if dry_run:
        return _preview(spec, folder, as_json)
    return _run(spec, folder, Path(recipe).stem or spec.kind, limits, as_json, track)


def folder_of_run(spec: Recipe, recipe: str, out: Path | None) -> Path:
    """Returns ``out`` if given, else ``runs/RECIPE-DIGEST``; without a recipe the kind takes its place."""
    from undertone.engine.folder import folder_of

    name = Path(recipe).stem if recipe.endswith(".toml") else recipe.replace("/", "-") or spec.kind
    return named(out) if out else folder_of("runs", name, spec.model_dump(mode="json"))


def _run(
    spec: Recipe,
    folder: Path,
    recipe: str,
    limits: Limits | None,
    as_json: bool,
    track: Tracker | None,
    store: Store | None = None,
) -> int:
    from undertone.engine.store import Store
    from undertone.experiments.kind import kind_of
    from undertone.experiments.preview import preview
    from undertone.experiments.run import run
    from undertone.report.html import PAGE

    kind = kind_of(spec.kind)
    with Bars(recipe, as_json) as bars:
        if not as_json:
            bars.expect(preview(kind, spec, store or Store(folder.parent / "store")).seconds)
        found = run(spec, folder, recipe, bars, store=store, limits=limits)
    send(found, track, folder)
    if as_json:
        print_json({"run_dir": str(folder)} | kind.summary(found))
    else:
        show(found.page(), folder / PAGE)
    return 0


def _run_again(folder: Path, out: Path | None, limits: Limits, as_json: bool, track: Tracker | None) -> int:
    """Continues a run that was stopped; repeats a finished run and compares both."""
    from undertone.engine.folder import Record
    from undertone.experiments.replay import replay
    from undertone.experiments.run import spec_in

    record = Record.read(folder)
    spec = spec_in(record, folder)
    if not (record.finished and _has_report(folder, record.kind)):
        if out is not None:
            raise UndertoneError(f"{folder} is not finished, so it continues in its own folder: leave --out out.")
        return _run(spec, folder, record.recipe, limits, as_json, track, record.store_from(folder))
    out = out or folder.with_name(f"{folder.name}-replay")
    with Bars(f"{folder} anew", as_json) as bars:
        again = replay(folder, out, bars, limits=limits)
    send(again.findings, track, out)
    if as_json:
        from undertone.experiments.kind import kind_of

        compared = {"same": again.same, "differing": again.differing, "surroundings": again.surroundings}
        print_json(kind_of(record.kind).summary(again.findings) | {"replay": compared})
    else:
        say(*_compared(folder, record.said, again))
    return FOUND if again.differing else 0


def _has_report(folder: Path, kind: str) -> bool:
    """Returns whether the report can be read. If not, it is written again from the artifacts."""
    from undertone.engine.folder import REPORT
    from undertone.experiments.kind import kind_of

    try:
        kind_of(kind).findings.load(folder / REPORT)
    except UndertoneError:
        return False
    return True


def _compared(folder: Path, said: str, again: Replay) -> Iterator[str]:
    total = again.same + len(again.differing)
    verdict = "the same bits" if not again.differing else "not the same bits"
    yield f"{verdict}: {again.same} of {total} artifacts are equal to those of {folder}"
    yield from (f"  {what}" for what in again.surroundings)
    yield from (f"  differs: {name}" for name in again.differing)
    yield f"the run said: {said}"
    yield f"the replay:   {again.said}"


def _list_recipes(as_json: bool) -> int:
    """Lists the shipped recipes with their questions and budgets."""
    from undertone.experiments import recipes

    found = [{"recipe": name, "asks": asks, "budget": budget} for name, asks, budget in recipes.listed()]
    if as_json:
        print_json(found)
    else:
        print_table(("recipe", "asks", "budget"), [tuple(entry.values()) for entry in found])
    return 0


def _preview(spec: Recipe, folder: Path, as_json: bool) -> int:
    """Prints what a run would make, how much of it is in the store, and what the rest would cost."""
    from undertone.engine.store import Store
    from undertone.experiments.kind import kind_of
    from undertone.experiments.preview import preview
    from undertone.models.names import is_repository
    from undertone.models.services.cost import line_of

    kind = kind_of(spec.kind)
    parts = kind.cost(spec)
    bases = (getattr(spec, "base", ""), *getattr(spec, "bases", ()))
    if parts and any(map(is_repository, bases)):
        return show_cost(spec.title, parts, folder, as_json)
    with Bars(quiet=as_json):  # a model may have to be fetched or merged
        found = preview(kind, spec, Store(folder.parent / "store"))
    if as_json:
        print_json(_counts(found, folder) | {"parts": [asdict(part) for part in parts]})
    else:
        say(*_count_lines(spec.title, found, folder), *map(line_of, parts))
    return 0


def _counts(found: Preview, folder: Path) -> dict[str, Any]:
    def told(counts: dict[str, Any]) -> dict[str, dict[str, int]]:
        return {
            name: {"needed": one.needed, "to_make": one.to_make, "expected_core_s": round(one.core_s)}
            for name, one in counts.items()
        }

    return {
        "run_dir": str(folder),
        "to_make": sum(one.to_make for one in found.stages.values()),
        "expected_core_s": round(found.core_s),
        "expected_accelerator_s": round(found.accelerator_s),
        "expected_wall_s": round(found.wall_s),
        "stages": told(found.stages),
        "arms": told(found.arms),
    }


def _count_lines(title: str, found: Preview, folder: Path) -> Iterator[str]:
    from undertone.engine.devices import devices
    from undertone.engine.schedule import chosen
    from undertone.report.words import arm_label, duration

    yield f"{title}: nothing is run."
    for stage, one in found.stages.items():
        yield f"  {stage:<18} {one.needed:>4} needed, {one.to_make:>4} to make"
    each = f"{duration(found.core_s)} one job at a time"
    if found.accelerator_s:
        of_cores = found.core_s - found.accelerator_s
        each = f"{duration(found.accelerator_s)} of accelerators and {duration(of_cores)} of cores"
    yield f"  about {each}, {duration(found.wall_s)} on {chosen().machine()}"
    if found.accelerator_s and not devices():
        yield "  this machine has no accelerator to time the model on: a core of it is what the hours are of"
    arms = {arm_label(name): one for name, one in found.arms.items()}
    width = max(map(len, arms))
    for name, one in arms.items():
        yield f"  {name:<{width}} {one.needed:>4} more, {one.to_make:>4} to make, about {duration(one.core_s)}"
    yield f"  would be written to {folder}"


HERE = Path("runs")
"""Where runs are by default."""


def runs(root: Path = HERE, /, *, json: Flag = False) -> int:
    """Lists runs with recipe, kind, start, state and headline.

    Parameters
    ----------
    root
        The folder that contains the folders of the runs.
    json
        Prints a JSON array instead of a table.
    """
    from undertone.engine.folder import FILE

    if not root.is_dir() and root != HERE:
        raise UndertoneError(f"{root} is not a folder: give the folder that contains the folders of the runs.")
    rows = sorted(
        (_row(path.parent) for path in root.glob(f"*/{FILE}")), key=lambda row: row["started"] or "", reverse=True
    )
    if json:
        print_json(rows)
    elif not rows:
        say(f"There are no runs in {root}.")
    else:
        for row in rows:
            row["started"] = f"{row['started']} ({row['clock']})" if row["clock"] else row["started"]
        headings = ("run", "recipe", "kind", "started", "state", "said")
        print_table(headings, [tuple(row[heading] for heading in headings) for row in rows])
    return 0


def _row(folder: Path) -> dict[str, Any]:
    """Returns the row of a run. If it cannot be read, the row says why."""
    from datetime import UTC, datetime

    from undertone.engine.folder import Record, state_of

    row: dict[str, Any] = dict.fromkeys(("run", "recipe", "kind", "started", "clock", "state", "said"))
    row["run"] = str(folder)
    try:
        record = Record.read(folder)
    except UndertoneError as error:
        return row | {"state": "unreadable", "said": str(error)}
    state = state_of(folder, record)
    return row | {
        "recipe": record.recipe,
        "kind": record.kind,
        "started": record.started.isoformat(timespec="seconds"),
        "clock": "after now: a clock was set back" if record.started > datetime.now(UTC) else None,
        "state": state,
        "said": record.stopped if state == "stopped" and record.stopped else record.said.partition(". ")[0] or None,
    }


def report(
    *folders: Annotated[Path, Parameter(json_list=False)],
    out: Path = Path("comparison.html"),
    markdown: Flag = False,
) -> int:
    """Shows a run's report and writes its page again from its numbers. Several trials are compared on one page.

    Parameters
    ----------
    folders
        Folders of runs.
    out
        Where the page of several runs is written.
    markdown
        Prints Markdown instead of tables for the terminal.
    """
    from undertone.engine.disk import write_text
    from undertone.experiments.run import report_of
    from undertone.experiments.trial.comparison import compared
    from undertone.report.html import to_html, write_page
    from undertone.report.markdown import to_markdown

    given = list(dict.fromkeys(map(named, folders)))
    if not given:
        raise UndertoneError("Give the folder of a run, or of several to compare; undertone runs lists them.")
    if len(given) == 1:
        page = report_of(given[0])
        written = write_page(page, given[0])
    else:
        page, written = compared(given), out
        write_text(out, to_html(page))
    if markdown:
        print(to_markdown(page), end="")
    else:
        show(page, written)
    return 0


def why(artifact: str, /, *, json: Flag = False) -> int:
    """Prints the chain of artifacts and models from which an artifact was made.

    Parameters
    ----------
    artifact
        Its folder, a file in it, or the beginning of its name or key in runs/store.
    json
        Prints the chain as JSON, with every setting, version and digest.
    """
    from rich.text import Text
    from rich.tree import Tree

    from undertone.engine.provenance import chain, find

    links = list(chain(find(artifact)))
    if json:
        print_json([link.as_json() for link in links])
        return 0
    branches: list[Tree] = []
    for link in links:
        text = Text(_link(link))
        branch = branches[link.depth - 1].add(text) if link.depth else Tree(text)
        branches[link.depth :] = [branch]
    console().print(branches[0])  # a soft wrap would cut lines off
    return 0


def _link(link: Link) -> str:
    from undertone.spec import flat

    role = f"{link.role}: " if link.role else ""
    if link.manifest is None:
        what = f"files of digest {link.source.key[:20]}" if link.is_model else "damaged, or no longer in the store"
        return f"{role}{link.source.name} ({what})"
    if link.seen:
        return f"{role}{link.source.name} (see above)"
    made = link.manifest
    settings = one_line(", ".join(f"{key}={value}" for key, value in flat(made.spec).items()))
    by = f"stage {made.stage} {made.version}, {made.seconds:.1f} s, torch {made.made_with.get('torch', 'unknown')}"
    return f"{role}{link.source.name}\n{by}\n{settings}"
