"""Several runs side by side: their effects in one figure and table, and what differs between them."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from rich.table import Table
from rich.text import Text

from undertone.report.figures import effects_figure
from undertone.report.headline import READINGS, estimate, p_value
from undertone.report.html import environment, write_aside
from undertone.report.results import Effect, Results
from undertone.report.table import units


class Comparison:
    """Results of two runs or more; a run goes by the name of its folder."""

    def __init__(self, runs: Sequence[Results]) -> None:
        self.runs = {run.run_dir: run for run in runs}

    @property
    def effects(self) -> list[tuple[str, Effect]]:
        """(run, effect) of every contrast, the same contrasts of all runs together."""
        found = [(name, effect) for name, run in self.runs.items() for effect in run.all_effects]
        order = list(dict.fromkeys(effect.name for _, effect in found))
        return sorted(found, key=lambda item: order.index(item[1].name))

    @property
    def differing(self) -> dict[str, list[str]]:
        """What is not the same in all runs: settings, versions, hardware, each with its value by run."""
        recorded = [
            flat(self._settings(run)) | flat(run.versions, "version of ") | flat(run.hardware, "hardware: ")
            for run in self.runs.values()
        ]
        keys = dict.fromkeys(key for one in recorded for key in one)
        rows = {key: [str(one.get(key, "-")) for one in recorded] for key in keys}
        return {key: values for key, values in rows.items() if len(set(values)) > 1}

    def _settings(self, run: Results) -> dict[str, Any]:
        """The settings of a run; of an arm that not every run has, its title alone."""
        arms: list[dict[str, Any]] = [dict(one.settings.get("arms") or {}) for one in self.runs.values()]  # type: ignore[arg-type]
        own: dict[str, Any] = dict(run.settings.get("arms") or {})  # type: ignore[arg-type]
        shared = {name: arm if all(name in one for one in arms) else arm["title"] for name, arm in own.items()}
        return {**run.settings, "arms": shared}

    def tables(self) -> list[Table]:
        """The effects, and what differs, for the terminal."""
        shown = Table(title="Effects (log-odds unless in points)", title_justify="left")
        for column in ("effect", "run", "estimate", "p", "units", "seen"):
            shown.add_column(column, overflow="fold")
        for name, e in self.effects:
            shown.add_row(Text(e.name), Text(name), estimate(e), p_value(e.p), units(e), READINGS[e.sign])
        other = Table("what differs", title="What differs between the runs", title_justify="left")
        for name in self.runs:
            other.add_column(Text(name))
        for key, values in self.differing.items():
            other.add_row(Text(key), *map(Text, values))
        return [shown, other]

    def write(self, path: Path) -> None:
        """Writes the page."""
        number = {name: i for i, name in enumerate(self.runs, 1)}
        labelled = [e.model_copy(update={"name": f"{number[name]}: {e.name}"}) for name, e in self.effects]
        page = environment().get_template("comparison.html.j2").render(
            runs=self.runs, effects=self.effects, readings=READINGS, differing=self.differing,
            figure=effects_figure(labelled), title=f"{len(self.runs)} runs compared",
        )  # fmt: skip
        write_aside(path, page)


def flat(value: Mapping[str, Any], prefix: str = "") -> dict[str, Any]:
    """A tree of mappings as one mapping with dotted keys."""
    found: dict[str, Any] = {}
    for key, inner in value.items():
        found |= flat(inner, f"{prefix}{key}.") if isinstance(inner, Mapping) else {prefix + key: inner}
    return found
