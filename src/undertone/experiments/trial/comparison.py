"""Compares several trials: their effects in one figure and one table, and the settings in which they differ."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from undertone.engine.folder import REPORT, Record
from undertone.errors import UndertoneError
from undertone.experiments.trial.figures import effects_figure
from undertone.experiments.trial.headline import READINGS, estimate
from undertone.experiments.trial.page import units
from undertone.experiments.trial.results import Effect, Results
from undertone.experiments.trial.spec import Trial
from undertone.report.findings import presenting
from undertone.report.page import Drawing, Grid, Page, grid, section, sections, text, word
from undertone.report.words import duration, p_value
from undertone.spec import flat

NUMBERED = (
    "Numbers: the runs above. Filled: the interval excludes zero. Hollow: it contains zero, and its ends say how large "
    "an effect is still possible."
)


def compared(folders: Sequence[Path]) -> Page:
    """Returns the report of several runs.

    Raises:
        UndertoneError: a folder holds no run, or a run of another kind.
    """
    found = []
    for folder in folders:
        kind = Record.read(folder).kind
        if kind != Trial.kind:
            raise UndertoneError(f"{folder} holds a run of the kind {kind}; only trials can be compared.")
        # The folder may have been moved since the report was written.
        found.append(Results.load(folder / REPORT).model_copy(update={"run_dir": str(folder)}))
    with presenting(folders[0].parent / f"*/{REPORT}"):
        return comparison(found)


def comparison(runs: Sequence[Results]) -> Page:
    """Returns the report of two or more runs. Runs are named after their folders."""
    by_name = {run.run_dir: run for run in runs}
    found = effects(by_name)
    number = {name: i for i, name in enumerate(by_name, 1)}
    labelled = [e.model_copy(update={"name": f"{number[name]}: {e.name}"}) for name, e in found]
    shown = grid(
        "Effects (log-odds unless in points)",
        found,
        {
            "effect": lambda item: item[1].label,
            word("run"): lambda item: item[0],
            "estimate": lambda item: estimate(item[1]),
            "p": lambda item: p_value(item[1].p),
            "units": lambda item: units(item[1]),
            word("found"): lambda item: READINGS[item[1].sign],
        },
    )
    differ = differing(by_name).items()
    other = Grid(
        "What differs between the runs", ("what differs", *map(text, by_name)), tuple((k, *v) for k, v in differ)
    )
    said = grid(
        "Runs",
        by_name.values(),
        {
            "run": lambda run: run.run_dir,
            "number": lambda run: number[run.run_dir],
            word("recipe"): lambda run: run.recipe,
            word("started"): lambda run: run.started.isoformat(" ", "seconds"),
            "seed": lambda run: str(run.seed),
            word("state"): lambda run: "finished" if run.complete else "not finished",
            "took": lambda run: duration(run.wall_s),
        },
    )
    return Page(
        title=f"{len(by_name)} runs compared",
        headline=f"{len(by_name)} runs compared: {', '.join(by_name)}.",
        sections=sections(
            section("Runs", said),
            section("Effects", Drawing(effects_figure(labelled), NUMBERED), shown),
            section("What differs", other),
        ),
        footer="Every number of this page is in the report.json of its run. Effects of different runs are "
        "independent only if the runs share no teachers.",
    )


def effects(runs: Mapping[str, Results]) -> list[tuple[str, Effect]]:
    """Returns (run, effect) for every contrast; equal contrasts of different runs follow one another."""
    found = [(name, effect) for name, run in runs.items() for effect in run.all_effects]
    order = list(dict.fromkeys(effect.name for _, effect in found))
    return sorted(found, key=lambda item: order.index(item[1].name))


def differing(runs: Mapping[str, Results]) -> dict[str, list[str]]:
    """Returns the settings, versions and hardware that are not the same in all runs, with the value of each run."""
    every: list[dict[str, Any]] = [dict(run.settings.get("arms") or {}) for run in runs.values()]  # type: ignore[arg-type]
    recorded = [
        flat(_settings(run, every)) | flat(run.versions, "version of ") | flat(run.hardware, "hardware: ")
        for run in runs.values()
    ]
    keys = dict.fromkeys(key for one in recorded for key in one)
    rows = {key: [str(one.get(key, "-")) for one in recorded] for key in keys}
    return {key: values for key, values in rows.items() if len(set(values)) > 1}


def _settings(run: Results, every: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """Returns the settings of a run. An arm that not every run has is reduced to its title."""
    own: dict[str, Any] = dict(run.settings.get("arms") or {})  # type: ignore[arg-type]
    shared = {name: arm if all(name in one for one in every) else arm["title"] for name, arm in own.items()}
    return {**run.settings, "arms": shared}
