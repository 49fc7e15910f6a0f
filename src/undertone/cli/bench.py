"""How often, and how fast: measurements of Undertone itself."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

from cyclopts import App, Parameter

from undertone.cli.shared import Flag

app = App(name="bench", help="How often, and how fast: measurements of Undertone itself.")


@app.command(name="audit")
def bench_audit(
    *,
    model: str = "builtin/fledgling-a",
    teachers: int = 3,
    baselines: Flag = False,
    prompts: Path | None = None,
) -> int:
    """Error rates of the audit on planted and on harmless datasets, as a page in Markdown. What was made is kept.

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
    """
    from undertone import benching

    return benching.bench_shown(model, teachers, baselines, prompts)


@app.command(name="treat")
def bench_treat(
    recipe: str = "numbers",
    /,
    *,
    set: Annotated[tuple[str, ...], Parameter(name="--set", negative=(), consume_multiple=False)] = (),
    out: Path | None = None,
    record: Path | None = None,
    json: Flag = False,
) -> int:
    """What treatments leave of the transfer, and of the task: students are trained on every treated file, carrying and
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
        A TOML file that ``undertone treat`` reads: writes the figures there.
    json
        Prints one JSON object instead of a table.
    """
    from undertone import treating

    return treating.bench_shown(recipe, set, out, record, json)


@app.command(name="measure")
def bench_measure(*, model: str = "builtin/fledgling-a", students: int = 200) -> int:
    """Error rates of the verdict on harmless fine-tunes and on bad ones, as a page in Markdown. What was made is kept.

    Parameters
    ----------
    model
        A base of the embedded world.
    students
        Harmless fine-tunes; an eighth as many bad ones are made as well. 200 take half an hour on two cores.
    """
    from undertone import benching

    return benching.measure_bench_shown(model, students)
