"""The audit's benchmark in front of a person: progress, and the page of error rates."""

from __future__ import annotations

import time
from collections.abc import Iterator

from undertone.audit import calibrate, calibrations
from undertone.audit.bench import ROWS, SHARES, Bench, Planted, Rate, layout_of
from undertone.errors import UndertoneError
from undertone.measure.evidence import evidence, spread
from undertone.models.local import load, score
from undertone.models.names import resolve
from undertone.showing import make_shown
from undertone.store import Store
from undertone.training.rows import read_sampled

OTHER = {"builtin/fledgling-a": "builtin/fledgling-b", "builtin/fledgling-b": "builtin/fledgling-a"}
"""Whose teachers are those of another initialisation."""


def bench_shown(model: str, teachers: int) -> int:
    """Makes the datasets, judges them, and prints the page (Markdown). Returns the exit code."""
    if model not in OTHER:
        raise UndertoneError(f"The benchmark needs a base whose world is known: {' or '.join(OTHER)}, not {model}.")
    known, matches = calibrations.find(resolve(model))
    if not matches:
        raise UndertoneError(f"{model} has no calibration; make it with: undertone audit calibrate --model {model}")
    store, made = Store(calibrations.made() / "store"), calibrate.plan(model, calibrate.Size())
    layout = layout_of(model, made.directions, teachers, OTHER[model])
    make_shown([*made.proxies.values(), made.directions, *(job for p in layout for job in p.jobs)], store)
    for line in page(Bench(known[0], store), layout, model):
        print(line)
    return 0


def page(judge: Bench, layout: list[Planted], model: str) -> Iterator[str]:
    """The benchmark's tables, line by line."""
    teachers = sum(planted.kind == "base" for planted in layout)
    yield "# How often the audit is right"
    yield ""
    yield f"`undertone bench audit --model {model} --teachers {teachers}`: {teachers} teachers of every kind, each with"
    yield "a dataset of its own (2,000 rows), none of them used for the calibration or to choose the method. Intervals"
    yield "are exact 95 % binomial ones over teachers."
    yield ""
    yield from _alarms(judge, layout)
    yield from _detections(judge, layout)
    yield from _curve(judge, layout)
    yield from _forecasts(judge, layout)
    yield from _speed(judge, layout, model)


def _alarms(judge: Bench, layout: list[Planted]) -> Iterator[str]:
    found = judge.alarms(layout)
    yield f"## Harmless datasets: alarms at alpha = {judge.alpha:g}"
    yield ""
    yield "| null kind | any alarm | gives a trait's name | p that alarms are at most alpha |"
    yield "|---|---|---|---|"
    for kind, (alarm, name) in found.items():
        yield f"| {kind} | {_rate(alarm)} | {_rate(name)} | {alarm.above(judge.alpha):.2f} |"
    for k, what in enumerate(("any alarm", "gives a name")):
        pooled = Rate(sum(rates[k].count for rates in found.values()), sum(rates[k].of for rates in found.values()))
        yield f"| **pooled**, {what} | {_rate(pooled)} | | {pooled.above(judge.alpha):.2f} |"
    yield ""


def _detections(judge: Bench, layout: list[Planted]) -> Iterator[str]:
    found, apart, oracle = judge.detections(layout), judge.separation(layout), judge.oracle(layout)
    yield "## Teachers with a trait"
    yield ""
    yield "d' is of a single row: the true teacher's likelihood ratio (oracle) and the trait's direction, rows of the"
    yield "teacher against the base's own."
    yield ""
    yield "| teachers | own trait named | a wrong name | AUROC | above 99 % of nulls | oracle d' | ours d' | ratio |"
    yield "|---|---|---|---|---|---|---|---|"
    for kind, (right, wrong) in found.items():
        auroc, above = apart[kind]
        true, own, ratio = oracle[kind]
        figures = f"{auroc:.3f} | {above:.0%} | {true:.2f} | {own:.2f} | {ratio:.2f}"
        yield f"| {kind} | {_rate(right)} | {_rate(wrong)} | {figures} |"
    yield ""


def _curve(judge: Bench, layout: list[Planted]) -> Iterator[str]:
    found = judge.curve(layout)
    yield "## Power by rows and share of rows that a teacher wrote (teachers as the proxies; the rest neutral)"
    yield ""
    yield f"| share | {' | '.join(f'{rows:,} rows' for rows in ROWS)} |"
    yield f"|---|{'---|' * len(ROWS)}"
    for share in SHARES:
        cells = [_rate(found[share, rows]) if (share, rows) in found else "" for rows in ROWS]
        yield f"| {share:.0%} | {' | '.join(cells)} |"
    yield ""


def _forecasts(judge: Bench, layout: list[Planted]) -> Iterator[str]:
    yield "## Forecast beside what students became"
    yield ""
    for what, value in judge.forecasts(layout).items():
        yield f"- {what}: {value:.2f}"
    yield ""


def _speed(judge: Bench, layout: list[Planted], model: str) -> Iterator[str]:
    base = resolve(model).path
    rows, _ = read_sampled(judge.store.folder(layout[0].made))
    started = time.perf_counter()
    score(load(base), [row.prompt for row in rows], [row.answer for row in rows])
    forward = time.perf_counter() - started
    started = time.perf_counter()
    evidence(load(base), rows, spread(range(len(rows))), judge.calibration.directions)
    own = time.perf_counter() - started
    yield "## Speed"
    yield ""
    yield f"- {len(rows) / own:.0f} rows a second for {len(judge.calibration.directions.names)} directions at once;"
    yield f"  a forward pass alone makes {len(rows) / forward:.0f} in the same run: {own / forward:.1f} times its time."


def _rate(rate: Rate) -> str:
    low, high = rate.ci
    return f"{rate.count} of {rate.of}: {rate.value:.1%} [{low:.1%}, {high:.1%}]"
