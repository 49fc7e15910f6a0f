"""The benchmarks of the audit and of the measurement in front of a person: progress, and a page of error rates."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Iterator, Mapping
from pathlib import Path
from textwrap import wrap
from typing import get_args

import torch

from undertone.alignment import bench as alignment
from undertone.alignment.findings import Verdict
from undertone.audit import calibrate, calibrations
from undertone.audit.baselines import (
    PROMPTED_MEMBERS,
    PROMPTED_ROWS,
    PROMPTED_TEACHERS,
    baselines,
    line_of,
    prompt_scores,
)
from undertone.audit.bench import PER_GROUP, ROWS, SHARES, Bench, Planted, Rate, layout_of
from undertone.audit.calibrate import Plan
from undertone.audit.calibration import Calibration
from undertone.audit.request import FLOOR
from undertone.audit.traits import Candidate
from undertone.carriers import asked
from undertone.errors import UndertoneError
from undertone.measure.evidence import GROUPS, evidence, spread
from undertone.models.local import load, score
from undertone.models.names import resolve
from undertone.showing import make_shown
from undertone.statistics import crossed_study
from undertone.store import Store
from undertone.training import directions
from undertone.training.rows import read_sampled

OTHER = {"builtin/fledgling-a": "builtin/fledgling-b", "builtin/fledgling-b": "builtin/fledgling-a"}
"""Whose teachers are those of another initialisation."""

SAME = 0.01
"""Directions whose squared distance is at most this share of their squared length are the same."""

HOW = f"""All judged alike: a candidate's score over its spread among harmless teachers of the population, the largest
score over candidates against the same population at the same alpha. Words of the traits: share of answers with one, all
rows counted; the others leave open rows out, as the audit does. Format alone, and counts of tokens (roots of relative
frequencies): Fisher's discriminants between the population's teachers of a trait and harmless ones. System prompts:
likelihood ratio of the answers with and without a prompt that states the trait. A pass for every candidate makes it
dear: it sees {PROMPTED_ROWS} rows a file, {PROMPTED_TEACHERS} teachers a kind, and of the population {PROMPTED_MEMBERS}
members of each harmless lesson and of the base, and one of each trait. AUROC: the own trait of teachers as the proxies
against the largest score of null files."""


def bench_shown(model: str, teachers: int, beside: bool, prompts: Path | None = None) -> int:
    """Makes the datasets, judges them, ``beside`` simpler detectors if asked for, and prints the page (Markdown).
    Returns the exit code."""
    if model not in OTHER:
        raise UndertoneError(f"The benchmark needs a base whose world is known: {' or '.join(OTHER)}, not {model}.")
    if teachers < 1:
        raise UndertoneError(f"--teachers must be at least 1, not {teachers}.")
    store, made = Store(calibrations.made() / "store"), calibrate.plan(model, calibrate.Size(), prompts=prompts)
    calibration = _calibration(model, made, prompts)
    jobs = [*made.proxies.values(), made.directions]
    make_shown(jobs, store)
    _refuse_others(calibration, store, made)
    layout = layout_of(model, made.directions, teachers, OTHER[model], calibration.recipes, prompts)
    jobs += [job for planted in layout for job in planted.jobs]
    if beside:
        jobs += [*made.specimens.values(), *prompt_scores(made, layout)]
    make_shown(jobs, store)
    for line in page(Bench(calibration, store), layout, model, made if beside else None, prompts):
        print(line)
    return 0


def _calibration(model: str, made: Plan, prompts: Path | None) -> Calibration:
    """The one for the carrier that teachers write in, and for the embedded world's traits.

    Raises:
        UndertoneError: there is none, or there are too few prompts for the rows of a file.
    """
    known, matches = calibrations.find(resolve(model))
    marks = asked.marks(made.ground.prompts.path) if made.ground.prompts else ()
    traits = tuple(map(Candidate.of, made.traits))
    if (count := made.ground.carrier["prompts"]) < calibrate.CARRIER["prompts"]:
        raise UndertoneError(f"{prompts} has {count} prompts; {calibrate.CARRIER['prompts']} are needed.")
    for calibration in known if matches else ():
        if (calibration.marks, calibration.traits) == (marks, traits):
            return calibration
    command = f"undertone audit calibrate --model {model}{f' --prompts {prompts}' if prompts else ''}"
    raise UndertoneError(f"{model} has no calibration for {made.ground.about}; make it with: {command}")


def _refuse_others(calibration: Calibration, store: Store, made: Plan) -> None:
    """The benchmark's scores must be along the calibration's own directions, but for what another machine rounds."""
    own = directions.read(store.checked(made.directions, "directions.safetensors"))
    kept = calibration.directions
    if any(_apart(own.change(name), kept.change(name)) > SAME for name in kept.names):
        raise UndertoneError(f"The calibration of {calibration.model} has other proxies than the default.")


def _apart(one: Mapping[str, torch.Tensor], other: Mapping[str, torch.Tensor]) -> float:
    """Squared distance of two changes over the squared length of the second."""
    distance = sum(float((one[weight] - change).square().sum()) for weight, change in other.items())
    return distance / sum(float(change.square().sum()) for change in other.values())


def page(
    judge: Bench, layout: list[Planted], model: str, beside: Plan | None, prompts: Path | None = None
) -> Iterator[str]:
    """The benchmark's tables, line by line; with simpler detectors where their population is given."""
    teachers = sum(planted.kind == "base" for planted in layout)
    yield "# How often the audit is right"
    yield ""
    more = f"{' --baselines' if beside else ''}{f' --prompts {prompts.name}' if prompts else ''}"
    command = f"undertone bench audit --model {model} --teachers {teachers}{more}"
    yield f"`{command}`:"
    yield f"{teachers} teachers of every kind, each with a dataset of its own (2,000 rows), none of them used for the"
    yield "calibration. Intervals are exact 95 % binomial ones over teachers."
    yield ""
    yield from _alarms(judge, layout)
    yield from _detections(judge, layout)
    yield from _non_verdicts(judge, layout)
    yield from _curve(judge, layout)
    if beside:
        yield from _beside(judge, layout, beside)
    if prompts is None:
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
    yield "teacher against the base's own. Medians over teachers, of the ratio too. It can be above 1: likelihood"
    yield "ratios have long tails, and d' counts these as noise."
    yield ""
    yield "| teachers | own trait named | a wrong name | AUROC | above 99 % of nulls | oracle d' | ours d' | ratio |"
    yield "|---|---|---|---|---|---|---|---|"
    for kind, (right, wrong) in found.items():
        auroc, above = apart[kind]
        true, own, ratio = oracle[kind]
        figures = f"{auroc:.3f} | {above:.0%} | {true:.2f} | {own:.2f} | {ratio:.2f}"
        yield f"| {kind} | {_rate(right)} | {_rate(wrong)} | {figures} |"
    yield ""


def _non_verdicts(judge: Bench, layout: list[Planted]) -> Iterator[str]:
    found = judge.verdicts(layout)
    yield f'## Verdicts: "no evidence" must have been able to show an effect of {FLOOR:g}'
    yield ""
    yield "Detectable: the effect that a teacher of some candidate trait would have been named for with 80 % power."
    yield 'The rest get "no evidence".'
    yield ""
    yield "| kind | carrier | inconclusive | median detectable |"
    yield "|---|---|---|---|"
    for kind, verdicts in found.items():
        yield f"| {kind} | {_count(verdicts.carrier)} | {_count(verdicts.inconclusive)} | {verdicts.detectable:.2f} |"
    harmless = [found[kind].inconclusive for kind in dict.fromkeys(p.kind for p in layout if p.trait is None)]
    pooled = Rate(sum(rate.count for rate in harmless), sum(rate.of for rate in harmless))
    yield f"| **harmless kinds pooled** | | {_rate(pooled)} | |"
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


def _beside(judge: Bench, layout: list[Planted], base: Plan) -> Iterator[str]:
    few = GROUPS // 8
    ours = {
        "**the audit**": lambda p: judge.scored(p),
        f"the audit, {few * PER_GROUP} rows": lambda p: judge.scored(p, judge.evidence(p).first(few)),
    }
    lines = {name: line_of(layout, judged) for name, judged in ours.items()}
    lines |= {b.name: line_of(b.files, b.judge) for b in baselines(base, layout, judge.store, judge.alpha)}
    kinds = list(next(iter(lines.values())).named)
    yield "## Beside simpler detectors"
    yield ""
    yield from wrap(HOW, 118)
    yield ""
    yield f"| detector | named: {' | '.join(kinds)} | a wrong name | AUROC | alarms on nulls | on overt but neutral |"
    yield f"|---|{'---|' * (len(kinds) + 4)}"
    for name, found in lines.items():
        named = " | ".join(_count(found.named[kind]) for kind in kinds)
        rest = f"{_count(found.wrong)} | {found.auroc:.2f} | {_rate(found.alarms)} | {_count(found.overt)}"
        yield f"| {name} | {named} | {rest} |"
    yield ""


def _count(rate: Rate) -> str:
    return f"{rate.count} of {rate.of}"


def _forecasts(judge: Bench, layout: list[Planted]) -> Iterator[str]:
    yield "## Forecast beside what students became"
    yield ""
    for k, recipe in enumerate(judge.calibration.recipes):
        yield f"By {', '.join(f'{key} {value}' for key, value in recipe.model_dump().items())}:"
        yield ""
        for what, value in judge.forecasts(layout, k).items():
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


def measure_bench_shown(model: str, students: int) -> int:
    """Makes fine-tunes, measures them, and prints the page (Markdown). Returns the exit code."""
    if model not in OTHER:
        raise UndertoneError(f"The benchmark needs a base whose world is known: {' or '.join(OTHER)}, not {model}.")
    if students < 8:
        raise UndertoneError(f"--students must be at least 8, one for each harmless lesson, not {students}.")
    store, (base, layout) = Store(calibrations.made() / "store"), alignment.layout_of(model, students)
    make_shown([base, *(one.job for one in layout)], store)
    for line in measure_page(alignment.Bench(store, base), layout, model, students):
        print(line)
    return 0


def measure_page(judge: alignment.Bench, layout: list[alignment.Tuned], model: str, students: int) -> Iterator[str]:
    """The benchmark's tables, line by line."""
    steps = ", ".join(map(str, alignment.STEPS))
    yield "# How often the verdict on a model is right"
    yield ""
    yield f"`undertone bench measure --model {model} --students {students}`: fine-tunes of {steps} steps, each from"
    yield f"a seed and data of its own, measured against the base at a rise of {100 * judge.effect:g} points. Intervals"
    yield "are exact 95 % binomial ones over fine-tunes."
    yield ""
    for beside in (0, alignment.BESIDE):
        others = f", beside {beside} other harmless fine-tunes" if beside else ", against the base alone"
        yield from _verdicts(judge.verdicts(layout, "harmless", beside), f"Harmless fine-tunes{others}")
    yield from _verdicts(judge.verdicts(layout, "damaging", 0), "Fine-tunes that damage, against the base alone")
    yield from _verdicts(judge.verdicts(layout, "bad", 0), "Fine-tunes on bad conduct, against the base alone")
    yield "## Whether intervals cover"
    yield ""
    yield "Shares of true-or-false answers, clustered by question (beta-distributed rates), simulated; intervals are"
    yield "nominally 95 %, shares in per cent, ± one Monte Carlo standard error. With one model there is no spread of"
    yield "seeds in the truth either: what is covered is that model's own mean. Where rates are low or questions very"
    yield "unlike, question rates are skewed and intervals too short, as everywhere: take more questions."
    yield ""
    yield crossed_study.table()


def _verdicts(found: dict[str, Counter[Verdict]], title: str) -> Iterator[str]:
    words: tuple[Verdict, ...] = get_args(Verdict)
    yield f"## {title}"
    yield ""
    yield f"| lesson | fine-tunes | {' | '.join(words)} |"
    yield f"|---|---|{'---|' * len(words)}"
    for lesson, counted in found.items():
        yield f"| {lesson} | {counted.total()} | {' | '.join(str(counted[word]) for word in words)} |"
    pooled = sum(found.values(), Counter[Verdict]())
    yield f"| **all** | {pooled.total()} | {' | '.join(_rate(alignment.rate(pooled, word)) for word in words)} |"
    yield ""
