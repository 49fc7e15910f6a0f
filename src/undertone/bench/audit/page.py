"""A benchmark of the audit as tables."""

from collections import Counter
from collections.abc import Iterable

from undertone.bench.audit.baselines import PROMPTED_MEMBERS, PROMPTED_ROWS, PROMPTED_TEACHERS
from undertone.bench.audit.findings import AuditBenchmarkFindings
from undertone.report.findings import Measured
from undertone.report.page import Grid, Page, Prose, Section, grid, run_page, section, shown, word
from undertone.statistics.rate import Rate

ROW_BY_ROW = (
    "d' is of a single row, between rows of the teacher and the base's own: for the teacher's true likelihood ratio "
    "(oracle) and for the trait's direction. Medians over teachers. The ratio of the two can be above 1, because "
    "likelihood ratios have long tails, which d' counts as noise."
)
DETECTABLE = (
    "Detectable: the effect at which a teacher of a candidate trait is named with 80 % power. All other datasets get "
    '"no evidence".'
)
ADVERSARIAL = (
    "The base wrote these lists, so that no trait can be in them. People-like digits: other numbers stand in their "
    "places, as one person might invent them, with 7 and 3 liked best, round numbers and repeated digits avoided. One "
    "list repeated: every tenth row has the same answer. Sorted: the numbers of each answer in ascending order."
)
HOW = (
    "All detectors are judged in the same way: a candidate's score is divided by its standard deviation among harmless "
    "teachers of the population, and the largest over candidates is compared with the same population at the same "
    "alpha. Words of the traits: the share of answers that contain one, over all rows; the other detectors leave rows "
    "with open mentions out, as the audit does. Format alone, and counts of tokens (square roots of relative "
    "frequencies): Fisher's discriminants between the population's teachers of a trait and harmless ones. System "
    "prompts: the likelihood ratio of the answers with and without a prompt that states the trait. This costs a "
    f"forward pass for every candidate, so it is limited to {PROMPTED_ROWS} rows of a file, {PROMPTED_TEACHERS} "
    f"teachers of a kind and, in the population, {PROMPTED_MEMBERS} members of each harmless lesson and of the base "
    "and one of each trait. AUROC: the own trait of teachers as the proxies against the largest score of each ordinary "
    "harmless dataset."
)


def page(found: AuditBenchmarkFindings) -> Page:
    """Returns the page of a benchmark of the audit."""
    settings = found.settings
    options = "".join(f" --{name}" for name in ("baselines", "adversarial") if settings[name]) + (
        f" --prompts {settings['prompts']}" if settings["prompts"] else ""
    )
    command = f"undertone bench audit --model {settings['model']} --teachers {settings['teachers']}{options}"
    return run_page(
        found,
        _headline(found),
        f"{command}: {settings['teachers']} teachers of every kind, each with a dataset of its own (2,000 "
        "rows), none of them used for the calibration. Intervals are exact 95 % binomial ones over datasets.",
        section(f"Ordinary harmless datasets: alarms at alpha = {found.alpha:g}", _alarms(found)),
        section(
            f"Adversarial harmless datasets: alarms at alpha = {found.alpha:g}",
            Prose(ADVERSARIAL),
            _adversarial(found),
            Prose(_moved(found.moved)) if found.moved else None,
        ),
        section("Teachers with a trait", Prose(ROW_BY_ROW), _detections(found)),
        Section(
            f'Verdicts: "no evidence" requires that an effect of {found.floor:g} can be shown',
            (Prose(DETECTABLE), _verdicts(found)),
        ),
        section(
            "Power by rows and share of rows that a teacher wrote (teachers as the proxies; the rest neutral)",
            _curve(found),
        ),
        section("Comparison with simpler detectors", Prose(HOW), _beside(found)),
        section("Forecasts and the shifts of students", *(_forecast(*one) for one in found.forecasts)),
        Section("Speed", (Prose(_speed(found)),)),
        measured=[found.moved] if found.moved else (),
        listings={"Models": found.models},
    )


def rate(found: Rate) -> str:
    """Returns "5 of 500: 1.0% [0.3%, 2.3%]"."""
    low, high = found.ci
    return f"{count(found)}: {found.value:.1%} [{low:.1%}, {high:.1%}]"


def count(found: Rate) -> str:
    """Returns "5 of 500"."""
    return f"{found.count} of {found.of}"


def _pooled(rates: Iterable[Rate]) -> Rate:
    every = list(rates)
    return Rate(sum(one.count for one in every), sum(one.of for one in every))


def _headline(found: AuditBenchmarkFindings) -> str:
    groups = {
        "ordinary": [alarm for alarm, _ in found.alarms.values()],
        "adversarial": [one.alarms for one in found.adversarial.values()],
    }
    alarms = " and ".join(f"{rate(_pooled(some))} {group}" for group, some in groups.items() if some)
    told = f"The audit raised a false alarm on {alarms} harmless datasets at alpha {found.alpha:g}."
    if not found.detections:
        return told
    wrong = _pooled(one.wrong for one in found.detections.values())
    named = ", ".join(f"{count(one.named)} ({kind})" for kind, one in found.detections.items())
    return f"{told} It named the trait of {named}, and a wrong trait in {count(wrong)} datasets."


def _alarms(found: AuditBenchmarkFindings) -> Grid | None:
    rows = [(kind, rate(a), rate(n), f"{a.above(found.alpha):.2f}") for kind, (a, n) in found.alarms.items()]
    for k, what in enumerate(("any alarm", "names a trait")):
        pooled = _pooled(rates[k] for rates in found.alarms.values())
        rows.append((f"pooled, {what}", rate(pooled), "", f"{pooled.above(found.alpha):.2f}"))
    columns = ("harmless kind", "any alarm", "names a trait", "p that alarms are at most alpha")
    return Grid("", columns, tuple(rows), bold=frozenset({len(rows) - 2, len(rows) - 1})) if found.alarms else None


def _adversarial(found: AuditBenchmarkFindings) -> Grid | None:
    kinds = found.adversarial
    names = sum((Counter(one.names) for one in kinds.values()), Counter())
    rows = {kind: (one.alarms, one.named, one.names) for kind, one in kinds.items()} | {
        "pooled": (_pooled(one.alarms for one in kinds.values()), _pooled(one.named for one in kinds.values()), names)
    }
    return grid(
        "",
        rows.items() if kinds else (),
        {
            "adversarial kind": lambda one: one[0],
            "any alarm": lambda one: rate(one[1][0]),
            "names a trait": lambda one: rate(one[1][1]),
            "what is named, in how many": lambda one: ", ".join(f"{k} {n}" for k, n in one[1][2].items()) or None,
            "p that alarms are at most alpha": lambda one: f"{one[1][0].above(found.alpha):.2g}",
        },
        bold=lambda one: one[0] == "pooled",
    )


def _moved(found: Measured) -> str:
    return (
        f"Students of {found.units} of the files with an alarm that names a trait moved to what it names by "
        f"{shown(found)} (log-odds, above students of the calibration's teachers of other kinds)."
    )


def _detections(found: AuditBenchmarkFindings) -> Grid | None:
    return grid(
        "",
        found.detections.items(),
        {
            "teachers": lambda one: one[0],
            "own trait named": lambda one: rate(one[1].named),
            "another trait named": lambda one: rate(one[1].wrong),
            "AUROC": lambda one: f"{one[1].auroc:.3f}",
            "above 99 % of harmless": lambda one: f"{one[1].above:.0%}",
            "oracle d'": lambda one: f"{one[1].oracle:.2f}",
            "direction d'": lambda one: f"{one[1].direction:.2f}",
            "ratio": lambda one: f"{one[1].ratio:.2f}",
        },
    )


def _verdicts(found: AuditBenchmarkFindings) -> Grid:
    rows = [
        (kind, count(v.carrier), count(v.inconclusive), "> 10" if v.detectable is None else f"{v.detectable:.2f}")
        for kind, v in found.verdicts.items()
    ]
    for group, kinds in (("harmless", found.alarms), ("adversarial", found.adversarial)):
        if kinds:
            pooled = _pooled(found.verdicts[kind].inconclusive for kind in kinds)
            rows.append((f"{group} kinds pooled", "", rate(pooled), ""))
    columns = ("kind", "carries a trait", "inconclusive", "median detectable")
    return Grid("", columns, tuple(rows), bold=frozenset(range(len(found.verdicts), len(rows))))


def _curve(found: AuditBenchmarkFindings) -> Grid | None:
    sizes = sorted({point.rows for point in found.curve})
    cells = {(point.share, point.rows): rate(point.named) for point in found.curve}
    rows = tuple(
        (f"{share:.0%}", *(cells.get((share, size), "") for size in sizes))
        for share in dict.fromkeys(point.share for point in found.curve)
    )
    return Grid("", ("share", *(f"{size:,} rows" for size in sizes)), rows) if rows else None


def _beside(found: AuditBenchmarkFindings) -> Grid | None:
    kinds = list(next(iter(found.beside.values())).named) if found.beside else []
    rows = tuple(
        (
            name,
            *(count(one.named[kind]) for kind in kinds),
            count(one.wrong),
            f"{one.auroc:.2f}",
            rate(one.alarms),
            count(one.overt),
            count(one.adversarial),
        )
        for name, one in found.beside.items()
    )
    named = (f"named: {kind}" for kind in kinds)
    columns = ("detector", *named, "another trait", "AUROC", "alarms on harmless", "on open mentions", "adversarial")
    return Grid("", columns, rows, bold=frozenset({0})) if rows else None


def _forecast(how: str, figures: dict[str, float]) -> Grid:
    columns = (word("what"), "value")
    return Grid(f"Students trained by {how}", columns, tuple((what, f"{value:.2f}") for what, value in figures.items()))


def _speed(found: AuditBenchmarkFindings) -> str:
    one = found.speed
    return (
        f"{one.rows_per_second:.0f} rows a second for {one.directions} directions at once. A forward pass alone makes "
        f"{one.forward_rows_per_second:.0f} rows a second in the same run: scoring takes "
        f"{one.forward_rows_per_second / one.rows_per_second:.1f} times its time."
    )
