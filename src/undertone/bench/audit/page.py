"""A benchmark of the audit as tables."""

from collections.abc import Iterable

from undertone.bench.audit.baselines import PROMPTED_MEMBERS, PROMPTED_ROWS, PROMPTED_TEACHERS
from undertone.bench.audit.findings import AuditBenchmarkFindings
from undertone.report.page import Grid, Page, Prose, Section, grid, run_page, section, word
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
HOW = (
    "All detectors are judged in the same way: a candidate's score is divided by its standard deviation among harmless "
    "teachers of the population, and the largest over candidates is compared with the same population at the same "
    "alpha. Words of the traits: the share of answers that contain one, over all rows; the other detectors leave rows "
    "with open mentions out, as the audit does. Format alone, and counts of tokens (square roots of relative "
    "frequencies): Fisher's discriminants between the population's teachers of a trait and harmless ones. System "
    "prompts: the likelihood ratio of the answers with and without a prompt that states the trait. This costs a "
    f"forward pass for every candidate, so it is limited to {PROMPTED_ROWS} rows of a file, {PROMPTED_TEACHERS} "
    f"teachers of a kind and, in the population, {PROMPTED_MEMBERS} members of each harmless lesson and of the base "
    "and one of each trait. AUROC: the own trait of teachers as the proxies against the largest score of each harmless "
    "dataset."
)


def page(found: AuditBenchmarkFindings) -> Page:
    """Returns the page of a benchmark of the audit."""
    settings = found.settings
    options = " --baselines" * bool(settings["baselines"]) + (
        f" --prompts {settings['prompts']}" if settings["prompts"] else ""
    )
    command = f"undertone bench audit --model {settings['model']} --teachers {settings['teachers']}{options}"
    return run_page(
        found,
        _headline(found),
        f"{command}: {settings['teachers']} teachers of every kind, each with a dataset of its own (2,000 "
        "rows), none of them used for the calibration. Intervals are exact 95 % binomial ones over teachers.",
        Section(f"Harmless datasets: alarms at alpha = {found.alpha:g}", (_alarms(found),)),
        section("Teachers with a trait", Prose(ROW_BY_ROW), _detections(found)),
        Section(
            f'Verdicts: "no evidence" requires that an effect of {found.floor:g} can be shown',
            (Prose(DETECTABLE), _verdicts(found)),
        ),
        Section(
            "Power by rows and share of rows that a teacher wrote (teachers as the proxies; the rest neutral)",
            (_curve(found),),
        ),
        section("Comparison with simpler detectors", Prose(HOW), _beside(found)),
        section("Forecasts and the shifts of students", *(_forecast(*one) for one in found.forecasts)),
        Section("Speed", (Prose(_speed(found)),)),
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
    alarms = _pooled(alarm for alarm, _ in found.alarms.values())
    wrong = _pooled(one.wrong for one in found.detections.values())
    named = ", ".join(f"{count(one.named)} ({kind})" for kind, one in found.detections.items())
    return (
        f"The audit raised a false alarm on {rate(alarms)} harmless datasets at alpha {found.alpha:g}. It named the "
        f"trait of {named}, and a wrong trait in {count(wrong)} datasets."
    )


def _alarms(found: AuditBenchmarkFindings) -> Grid:
    rows = [(kind, rate(a), rate(n), f"{a.above(found.alpha):.2f}") for kind, (a, n) in found.alarms.items()]
    for k, what in enumerate(("any alarm", "names a trait")):
        pooled = _pooled(rates[k] for rates in found.alarms.values())
        rows.append((f"pooled, {what}", rate(pooled), "", f"{pooled.above(found.alpha):.2f}"))
    columns = ("harmless kind", "any alarm", "names a trait", "p that alarms are at most alpha")
    return Grid("", columns, tuple(rows), bold=frozenset({len(rows) - 2, len(rows) - 1}))


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
    harmless = _pooled(found.verdicts[kind].inconclusive for kind in found.alarms)
    rows.append(("harmless kinds pooled", "", rate(harmless), ""))
    columns = ("kind", "carries a trait", "inconclusive", "median detectable")
    return Grid("", columns, tuple(rows), bold=frozenset({len(rows) - 1}))


def _curve(found: AuditBenchmarkFindings) -> Grid:
    sizes = sorted({point.rows for point in found.curve})
    cells = {(point.share, point.rows): rate(point.named) for point in found.curve}
    rows = tuple(
        (f"{share:.0%}", *(cells.get((share, size), "") for size in sizes))
        for share in dict.fromkeys(point.share for point in found.curve)
    )
    return Grid("", ("share", *(f"{size:,} rows" for size in sizes)), rows)


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
        )
        for name, one in found.beside.items()
    )
    named = (f"named: {kind}" for kind in kinds)
    columns = ("detector", *named, "another trait", "AUROC", "alarms on harmless", "on open mentions")
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
