"""How often, and how well: benchmarks of Undertone itself."""

from pathlib import Path
from typing import Annotated

from cyclopts import App, Parameter

from undertone.cli.shared import Flag, limits_of
from undertone.errors import UndertoneError

app = App(name="bench", help="How often, and how well: benchmarks of Undertone itself.")


@app.command(name="audit")
def bench_audit(
    *,
    model: str = "builtin/fledgling-a",
    teachers: int = 3,
    baselines: Flag = False,
    prompts: Path | None = None,
    out: Path | None = None,
    dry_run: Flag = False,
    json: Flag = False,
) -> int:
    """Error rates of the audit on planted and on harmless datasets. What was made is kept.

    Parameters
    ----------
    model
        A calibrated base of the embedded world.
    teachers
        Teachers of each kind; 3 take minutes, 50 some hours.
    baselines
        Judges the datasets by simpler detectors too; makes the population's rows for it, if they are not there.
    prompts
        A dataset whose prompts teachers answer in place of writing number lists, as in audit calibrate --prompts: code,
        reasoning, any other carrier. It needs 2,600 of them, and a calibration for them.
    out
        Folder of the report; default runs/audit-benchmark-DIGEST. ``undertone report FOLDER --markdown`` prints it for
        a document.
    dry_run
        Says what would be made and what it costs, and makes nothing.
    json
        Prints one JSON object instead of tables.
    """
    from undertone.bench.audit.kind import default_store
    from undertone.bench.audit.spec import AuditBenchmark
    from undertone.cli.runs import run_spec

    if teachers < 1:
        raise UndertoneError(f"--teachers must be at least 1, not {teachers}.")
    given = None if prompts is None else str(prompts)
    spec = AuditBenchmark(model=_known(model), teachers=teachers, baselines=baselines, prompts=given)
    return run_spec(spec, "", out, limits_of(None, None), dry_run, json, default_store())


@app.command(name="treat")
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
    """What mitigations leave of the transfer, and of the task: students are trained on every treated file, carrying and
    clean. What was made is kept.

    Parameters
    ----------
    recipe
        ``numbers``, ``numbers-task``, ``advice``, each but the second also as ``-all``, or a path ending in .toml.
    set
        Changes a key, as in --set setup.trait=mole; may be given several times.
    out
        Folder of the report; default runs/treat-RECIPE-DIGEST. Artifacts go to ``store`` beside it.
    record
        A JSON file that ``undertone treat`` reads: writes the figures there.
    dry_run
        Says what would be made and what it costs, and makes nothing.
    json
        Prints one JSON object instead of a table.
    """
    from undertone.cli.runs import run_spec
    from undertone.experiments import recipes
    from undertone.experiments.mitigations.spec import Mitigations

    if record is not None and record.suffix != ".json":
        raise UndertoneError(f"--record {record} is no JSON file; name one.")
    name = recipe if recipe.endswith(".toml") else f"treat/{recipe}"
    spec = recipes.read_as(Mitigations, name, set)
    code = run_spec(spec, name, out, limits_of(None, None), dry_run, json)
    if record is not None and not dry_run:
        from undertone.cli.runs import folder_of_run
        from undertone.experiments.mitigations.record import record_run

        record_run(folder_of_run(spec, name, out), record)
    return code


@app.command(name="measure")
def bench_measure(
    *,
    model: str = "builtin/fledgling-a",
    students: int = 200,
    out: Path | None = None,
    dry_run: Flag = False,
    json: Flag = False,
) -> int:
    """Error rates of the verdict on harmless fine-tunes and on bad ones. What was made is kept.

    Parameters
    ----------
    model
        A base of the embedded world.
    students
        Harmless fine-tunes; an eighth as many bad ones are made as well. 200 take half an hour on two cores.
    out
        Folder of the report; default runs/measure-benchmark-DIGEST. ``undertone report FOLDER --markdown`` prints it
        for a document.
    dry_run
        Says what would be made and what it costs, and makes nothing.
    json
        Prints one JSON object instead of tables.
    """
    from undertone.bench.audit.kind import default_store
    from undertone.bench.measure.spec import MeasureBenchmark
    from undertone.cli.runs import run_spec

    if students < 8:
        raise UndertoneError(f"--students must be at least 8, one for each harmless lesson, not {students}.")
    spec = MeasureBenchmark(model=_known(model), students=students)
    return run_spec(spec, "", out, limits_of(None, None), dry_run, json, default_store())


def _known(model: str) -> str:
    from undertone.bench.audit.spec import OTHER

    if model not in OTHER:
        raise UndertoneError(f"The benchmark needs a base whose world is known: {' or '.join(OTHER)}, not {model}.")
    return model
