"""Trials and other recipes: run, listed, shown again, explained."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

from cyclopts import Parameter

from undertone.cli.shared import Flag, limits_of
from undertone.errors import UndertoneError

if TYPE_CHECKING:
    from undertone.models.spending import Limits


def run(
    recipe: str | None = None,
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
) -> int:
    """Runs a trial: a shipped recipe by name, or a TOML file; or goes on with a run, or repeats it, from its folder.
    Without a name it lists the shipped recipes.

    Parameters
    ----------
    recipe
        A shipped recipe (without one, all are listed), such as ``owls`` or ``paper/insecure-code``; a path ending in
        .toml; or the folder of a run: one that was stopped goes on, a finished one is made anew in FOLDER-replay (or
        --out) and compared bit by bit; exit code 1 if bits differ.
    set
        Changes a key of the recipe, as in --set student.steps=100; may be given several times.
    out
        Folder of the run; default runs/RECIPE-DIGEST. Artifacts go to ``store`` beside it.
    seed
        Seed of the trial; every random choice follows from it.
    students
        Students of each teacher, or of each file.
    scale
        A rehearsal at this fraction of the recipe's size: rows, prompts, dialogues, steps, samples, tokens of an
        answer, students, and teachers, of which two stay. Refusals of teachers that learn too little are lifted.
    max_cost
        Most dollars that services may be paid for, where a recipe has a judge behind one.
    max_requests
        Most requests sent to services.
    dry_run
        Says what would be done and what it costs, and does nothing.
    json
        Prints one JSON object instead of tables.
    """
    from undertone import recipes, running
    from undertone.models import names

    if recipe is None:
        return running.list_recipes(json)
    changes = [
        *set,
        *([f"seed={seed}"] if seed is not None else []),
        *([f"students={students}"] if students is not None else []),
    ]
    limits = limits_of(max_cost, max_requests)
    if Path(recipe).is_dir() and recipe not in recipes.names():
        if changes or dry_run or scale != 1:
            raise UndertoneError("The folder of a run is run as it is: to change or preview it, give its recipe.")
        return _again(Path(recipe), out, limits, json)
    experiment = recipes.experiment(recipe)
    if experiment is not None:
        return _experiment(experiment, recipe, tuple(changes), scale, out, limits, dry_run, json)
    trial = recipes.read(recipe, tuple(changes), scale)
    name = Path(recipe).stem
    folder = running.named(out) if out else running.default_folder(name, trial)
    if dry_run and names.is_repository(trial.base):  # which need not be here to be costed
        from undertone import costing

        return costing.preview(trial.title, costing.of_trial(trial), folder, json)
    if dry_run:
        return running.preview(trial, folder, json)
    return running.run_shown(trial, folder, name, json)


def _again(folder: Path, out: Path | None, limits: Limits, json: bool) -> int:
    """Goes on with what was run in a folder, or makes it anew, whatever it was."""
    if (folder / "finetunes.json").is_file():
        from undertone.finetunes import shown as finetunes

        return finetunes.run_again(folder, out, limits, json)
    if (folder / "experiment.json").is_file():
        from undertone.emergence import shown

        return shown.run_again(folder, out, json)
    if (folder / "study.json").is_file():
        from undertone.study import shown as studies

        return studies.run_again(folder, out, json)
    from undertone import running

    return running.run_again(folder, out, json)


def _experiment(
    experiment: str,
    recipe: str,
    changes: tuple[str, ...],
    scale: float,
    out: Path | None,
    limits: Limits,
    dry_run: bool,
    json: bool,
) -> int:
    """Runs a recipe that is no trial."""
    if experiment == "finetunes":
        from undertone.finetunes import shown as finetunes

        return finetunes.run_recipe(recipe, changes, scale, out, limits, dry_run, json)
    if scale != 1:
        raise UndertoneError(f"--scale is for trials and fine-tunes; {recipe} is small as it is.")
    if experiment == "misalignment":
        from undertone.emergence import shown

        return shown.run_recipe(recipe, changes, out, dry_run, json)
    if experiment in ("sweep", "kin"):
        from undertone.study import shown as studies

        return studies.run_recipe(experiment, recipe, changes, out, dry_run, json)
    from undertone import theorising

    return theorising.run_shown(experiment, recipe, changes, out, dry_run, json)


def runs(root: Path = Path("runs"), /, *, json: Flag = False) -> int:
    """Lists runs: recipe, when, state, effect.

    Parameters
    ----------
    root
        The folder that holds the folders of the runs.
    json
        Prints a JSON array instead of a table.
    """
    from undertone import looking

    return looking.list_runs(root, json)


def report(*folders: Annotated[Path, Parameter(json_list=False)], out: Path = Path("comparison.html")) -> int:
    """Shows a run's report again, written anew from its numbers; several runs are compared on one page.

    Parameters
    ----------
    folders
        Folders of runs.
    out
        The page of several runs.
    """
    from undertone import looking

    if not folders:
        raise UndertoneError("Give the folder of a run, or of several to compare; undertone runs lists them.")
    return looking.show_reports(list(folders), out)


def why(artifact: str, /, *, json: Flag = False) -> int:
    """Prints the chain of everything that made an artifact.

    Parameters
    ----------
    artifact
        Its folder, a file in it, or the beginning of its name or key in runs/store.
    json
        Prints the chain as JSON, with every setting, version and digest.
    """
    from undertone import looking

    return looking.explain(artifact, json)
