"""Tables of the results, for the terminal and in Markdown."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from math import sqrt
from statistics import median
from typing import Any

from rich.table import Table

Results = dict[str, Any]
STAGES = {"sampling": "sampling", "rendering": "training", "training": "training", "measurement": "measurement"}
"""Each timed part, and the stage that contains it."""

SIDES = ("student", "peer")
USEFUL = 0.05
"""A useful standard error of log-odds: about the spread of control students in the owl experiment."""


@dataclass(frozen=True)
class Sheet:
    """A table with a title."""

    title: str
    columns: Sequence[str]
    rows: Sequence[Sequence[str]]

    def rich(self) -> Table:
        """Returns the table for the terminal."""
        table = Table(title=self.title, title_justify="left")
        for i, column in enumerate(self.columns):
            table.add_column(column, justify="right" if i > 1 else "left")
        for row in self.rows:
            table.add_row(*row)
        return table

    def markdown(self) -> str:
        """Returns the table in Markdown."""
        rule = ["---" if i < 2 else "---:" for i in range(len(self.columns))]
        lines = [f"| {' | '.join(row)} |" for row in (self.columns, rule, *self.rows)]
        return "\n".join([f"**{self.title}**", "", *lines])


def sheets(results: Results) -> list[Sheet]:
    """Returns all tables of the results."""
    return [_costs(results), _checks(results), _shares(results), _scaling(results)]


def spread(values: Sequence[float], show: Callable[[float], str] = "{:.2f}".format) -> str:
    """Returns the median with the smallest and the largest value."""
    return f"{show(median(values))} [{show(min(values))}, {show(max(values))}]"


def ratios(ours: Sequence[Any], peer: Sequence[Any], part: str, what: str) -> list[float]:
    """Returns the ratio of the peer's cost to ours in each repetition; it is above 1 where ours is less."""
    return [b["parts"][part][what] / a["parts"][part][what] for a, b in zip(ours, peer, strict=True)]


def _costs(results: Results) -> Sheet:
    rows = []
    for model, stages in results["stages"].items():
        for part, stage in STAGES.items():
            ours, peer = stages[stage]["student"], stages[stage]["peer"]
            cost = [median(run["parts"][part]["seconds"] for run in side) for side in (ours, peer)]
            memory = [median(run["parts"][part]["peak"] for run in side) for side in (ours, peer)]
            rows.append(
                [model, part, *(f"{c:.2f}" for c in cost)]
                + [spread(ratios(ours, peer, part, what)) for what in ("seconds", "cpu")]
                + [*(f"{m:.0f}" for m in memory), f"{median(ratios(ours, peer, part, 'peak')):.2f}"]
            )
        start_up = [median(run["start-up"]["seconds"] for s in stages.values() for run in s[side]) for side in SIDES]
        memory = [median(run["start-up"]["peak"] for s in stages.values() for run in s[side]) for side in SIDES]
        ratio = [f"{b / a:.2f}" for a, b in (start_up, memory)]
        cost = [f"{s:.2f}" for s in start_up]
        rows.append([model, "(start-up)", *cost, ratio[0], "", *(f"{m:.0f}" for m in memory), ratio[1]])
    columns = ["model", "stage", "ours s", "peer s", "peer / ours", "processor time", "ours MiB", "peer MiB", "ratio"]
    return Sheet("Time and peak memory of one student; ratios are peer / ours (above 1: ours is less)", columns, rows)


def _checks(results: Results) -> Sheet:
    rows = []
    for model, stages in results["stages"].items():
        ours, peer = (stages["training"][side][0]["facts"] for side in SIDES)
        losses = [f"{side['loss_first']:.3f} → {side['loss_last']:.3f}" for side in (ours, peer)]
        rows.append([model, "loss, first and last tenth of the steps (nats a token)", *losses])
        ours, peer = (stages["sampling"][side][0]["facts"] for side in SIDES)
        rows.append([model, "tokens sampled", f"{ours['tokens']:,}", f"{peer['tokens']:,}"])
        exact = stages["measurement"]["student"][0]["facts"]["probability"]
        peer = stages["measurement"]["peer"][0]["facts"]
        variance = exact * (1 - exact)
        sampled = f"{peer['probability']:.4f} ± {sqrt(variance / peer['answers']):.4f}, {peer['answers']:,} answers"
        rows.append([model, "probability of the trait, ± standard error", f"{exact:.4f}", sampled])
        needed = f"answers for a standard error of {USEFUL} in its log-odds"
        rows.append([model, needed, "none", f"{1 / (USEFUL**2 * variance):,.0f}"])
    return Sheet("The same work", ["model", "what", "ours", "peer"], rows)


def _shares(results: Results) -> Sheet:
    rows = [
        [
            model,
            stage,
            f"{share['operations'] / share['seconds'] / 1e9:.1f}",
            f"{share['peak'] / 1e9:.1f}",
            f"{share['share_of_peak']:.0%}",
            f"{share['share_of_own_shapes']:.0%}",
        ]
        for model, stages in results["shares"].items()
        for stage, share in stages.items()
    ]
    columns = ["model", "stage", "GFLOP/s", "peak GFLOP/s", "share of peak", "share at own shapes"]
    return Sheet("How near our stages come to the core's float32 matrix products", columns, rows)


def _scaling(results: Results) -> Sheet:
    runs, rows = results["scaling"], []
    for what, first in runs[0].items():
        start = min(first, key=int)
        for count in first:
            seconds = [run[what][count] for run in runs]
            relative = [run[what][count] / run[what][start] for run in runs]
            rows.append([what, f"{int(count):,}", f"{median(seconds):.1f}", spread(relative)])
    return Sheet("More students, rows, processes: seconds and their ratio", ["what", "how many", "s", "ratio"], rows)
