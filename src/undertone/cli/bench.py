"""Benchmarks of Undertone itself: how often its verdicts are right, and how well its mitigations work."""

from pathlib import Path
from typing import Annotated

from cyclopts import App, Parameter

from undertone.cli.shared import Flag, limits_of, placed, refuse_unknown
from undertone.errors import UndertoneError, unknown
from undertone.spec import Recipe

app = App(name="bench", help="Benchmarks of Undertone itself: how often it is right, and how well it works.")


@app.command(name="audit")
@placed
def bench_audit(
    *,
    model: str = "builtin/fledgling-a",
    files: int = 3,
    first: int = 0,
    carrier: str = "lists",
    baselines: Flag = False,
    out: Path | None = None,
    dry_run: Flag = False,
    json: Flag = False,
) -> int:
    """Error rates of the audit, on files of known origin: of many harmless kinds, and with a trait. Artifacts are kept.

    Parameters
    ----------
    model
        A base of the embedded world.
    files
        Files of each kind. Three take twenty minutes on two cores, thirty some hours.
    first
        The number of the first of them. Several parts, such as files 0 to 9 and 10 to 19, are what one run of all files
        is, and can be run on several machines.
    carrier
        What is written: ``lists``, ``chat``, ``functions`` or ``sums``. Some kinds exist for lists only.
    baselines
        Also judges the files by simpler detectors.
    out
        Folder of the report; by default runs/audit-benchmark-DIGEST. ``undertone report FOLDER --markdown`` prints it
        for a document.
    dry_run
        Says what would be made and what it costs, and makes nothing.
    json
        Prints one JSON object instead of tables.
    """
    from typing import get_args

    from undertone.bench.audit.spec import AuditBenchmark, CarrierName, known

    refuse_unknown(known(model))
    if files < 1:
        raise UndertoneError(f"--files must be at least 1, not {files}.")
    if first < 0:
        raise UndertoneError(f"--first must be at least 0, not {first}.")
    carriers = [name for name in get_args(CarrierName) if name != "answers"]  # for a recipe of another base
    if carrier not in carriers:
        raise unknown("carrier", carrier, carriers)
    given = {"model": model, "files": files, "first": first, "carrier": carrier, "baselines": baselines}
    return _run(AuditBenchmark.model_validate(given), out, dry_run, json)


@app.command(name="treat")
@placed
def bench_treat(
    recipe: str = "numbers",
    /,
    *,
    set: Annotated[tuple[str, ...], Parameter(name="--set", negative=(), consume_multiple=False)] = (),
    out: Path | None = None,
    record: Path | None = None,
    dry_run: Flag = False,
    json: Flag = False,
) -> int:
    """How much of the trait and of the task remains after each mitigation: students are trained on every treated file,
    with a trait and without. Artifacts are kept.

    Parameters
    ----------
    recipe
        ``numbers``, ``numbers-task``, ``advice``, ``era``; ``numbers-all``, ``advice-all``; or a path ending in .toml.
    set
        Changes a key, as in --set setup.trait=mole. May be given several times.
    out
        Folder of the report; by default runs/treat-RECIPE-DIGEST. Artifacts go to ``store`` in its parent.
    record
        Writes the figures to this JSON file, which ``undertone treat`` reads.
    dry_run
        Says what would be made and what it costs, and makes nothing.
    json
        Prints one JSON object instead of a table.
    """
    from undertone.cli.runs import folder_of_run, run_spec
    from undertone.engine.folder import refuse_unwritable
    from undertone.experiments import recipes
    from undertone.experiments.mitigations.spec import Mitigations

    if record is not None and record.suffix != ".json":
        raise UndertoneError(f"--record {record} is not a JSON file; give a name that ends in .json.")
    if record is not None:
        refuse_unwritable(record.parent)
    name = recipe if recipe.endswith(".toml") else f"treat/{recipe}"
    spec = recipes.read_as(Mitigations, name, set)
    code = run_spec(spec, name, out, limits_of(None, None), dry_run, json)
    if record is not None and not dry_run:
        from undertone.experiments.mitigations.record import record as write_record

        write_record(folder_of_run(spec, name, out), record)
    return code


@app.command(name="guards")
@placed
def bench_guards(
    recipe: str = "guards",
    /,
    *,
    set: Annotated[tuple[str, ...], Parameter(name="--set", negative=(), consume_multiple=False)] = (),
    out: Path | None = None,
    dry_run: Flag = False,
    json: Flag = False,
) -> int:
    """What guards at requests, answers, hidden states and training files leave of emergent misalignment, and what good
    advice they cost. Artifacts are kept.

    Parameters
    ----------
    recipe
        ``guards``, or a path ending in .toml.
    set
        Changes a key, as in --set seed=1. May be given several times.
    out
        Folder of the report; by default runs/guards-DIGEST. Artifacts go to ``store`` in its parent.
    dry_run
        Says what would be made and what it costs, and makes nothing.
    json
        Prints one JSON object instead of tables.
    """
    from undertone.cli.runs import run_spec
    from undertone.experiments import recipes
    from undertone.experiments.guards.spec import Guards

    return run_spec(recipes.read_as(Guards, recipe, set), recipe, out, limits_of(None, None), dry_run, json)


@app.command(name="measure")
@placed
def bench_measure(
    *,
    model: str = "builtin/fledgling-a",
    students: int = 200,
    out: Path | None = None,
    dry_run: Flag = False,
    json: Flag = False,
) -> int:
    """False alarms and detections of the verdict on a model, by the rise that is called a shift: on harmless
    fine-tunes, and on files with 1 to 100 % bad rows. Chooses the default rise on half of them and judges it on the
    other half. Artifacts are kept.

    Parameters
    ----------
    model
        A base of the embedded world.
    students
        Harmless fine-tunes of each half. A fifth as many bad ones are made at each of five shares of bad rows.
        200 take a quarter of an hour on two cores.
    out
        Folder of the report; by default runs/measure-benchmark-DIGEST. ``undertone report FOLDER --markdown`` prints it
        for a document.
    dry_run
        Says what would be made and what it costs, and makes nothing.
    json
        Prints one JSON object instead of tables.
    """
    from undertone.bench.measure.spec import MeasureBenchmark

    if students < 8:
        raise UndertoneError(f"--students must be at least 8, one for each harmless lesson, not {students}.")
    return _run(MeasureBenchmark(model=model, students=students), out, dry_run, json)


def _run(spec: Recipe, out: Path | None, dry_run: bool, as_json: bool) -> int:
    from undertone.cli.runs import run_spec

    return run_spec(spec, "", out, limits_of(None, None), dry_run, as_json)
