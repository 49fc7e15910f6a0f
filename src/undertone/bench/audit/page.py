"""A benchmark of the audit as tables."""

from collections.abc import Iterable

from undertone.bench.audit.baselines import PROMPTED_MEMBERS, PROMPTED_ROWS, PROMPTED_TEACHERS
from undertone.bench.audit.findings import AuditBenchmarkFindings
from undertone.report.page import Grid, Page, Prose, Section, run_page, section, word
from undertone.statistics.rate import Rate

ROW_BY_ROW = (
    "d' is of a single row: the true teacher's likelihood ratio (oracle) and the trait's direction, rows of the "
    "teacher against the base's own. Medians over teachers, of the ratio too. It can be above 1: likelihood ratios "
    "have long tails, and d' counts these as noise."
)
DETECTABLE = (
    "Detectable: the effect that a teacher of some candidate trait would have been named for with 80 % power. The rest "
    'get "no evidence".'
)
HOW = (
    "All judged alike: a candidate's score over its spread among harmless teachers of the population, the largest "
    "score over candidates against the same population at the same alpha. Words of the traits: share of answers "
    "with one, all rows counted; the others leave open rows out, as the audit does. Format alone, and counts of "
    "tokens (roots of relative frequencies): Fisher's discriminants between the population's teachers of a trait "
    "and harmless ones. System prompts: likelihood ratio of the answers with and without a prompt that states the "
    f"trait. A pass for every candidate makes it dear: it sees {PROMPTED_ROWS} rows a file, {PROMPTED_TEACHERS} "
    f"teachers a kind, and of the population {PROMPTED_MEMBERS} members of each harmless lesson and of the base, "
    "and one of each trait. AUROC: the own trait of teachers as the proxies against the largest score of null "
    "files."
)


def page(found: AuditBenchmarkFindings) -> Page:
    """All that a benchmark says."""
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
        Section("Teachers with a trait", (Prose(ROW_BY_ROW), _detections(found))),
        Section(
            f'Verdicts: "no evidence" must have been able to show an effect of {found.floor:g}',
            (Prose(DETECTABLE), _verdicts(found)),
        ),
        Section(
            "Power by rows and share of rows that a teacher wrote (teachers as the proxies; the rest neutral)",
            (_curve(found),),
        ),
        section("Beside simpler detectors", Prose(HOW), _beside(found)),
        section("Forecast beside what students became", *(_forecast(*one) for one in found.forecasts)),
        Section("Speed", (Prose(_speed(found)),)),
        listings={"Models": found.models},
    )


def rate(found: Rate) -> str:
    """5 of 500: 1.0% [0.3%, 2.3%]"""
    low, high = found.ci
    return f"{found.count} of {found.of}: {found.value:.1%} [{low:.1%}, {high:.1%}]"


def count(found: Rate) -> str:
    """5 of 500"""
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
    for k, what in enumerate(("any alarm", "gives a name")):
        all_kinds = _pooled(rates[k] for rates in found.alarms.values())
        rows.append((f"pooled, {what}", rate(all_kinds), "", f"{all_kinds.above(found.alpha):.2f}"))
    bold = frozenset({len(rows) - 2, len(rows) - 1})
    columns = ("null kind", "any alarm", "gives a trait's name", "p that alarms are at most alpha")
    return Grid("", columns, tuple(rows), bold=bold)


def _detections(found: AuditBenchmarkFindings) -> Grid:
    numbers = ("own trait named", "a wrong name", "AUROC", "above 99 % of nulls", "oracle d'", "ours d'", "ratio")
    return Grid(
        "",
        ("teachers", *numbers),
        tuple(
            (
                kind,
                rate(one.named),
                rate(one.wrong),
                f"{one.auroc:.3f}",
                f"{one.above:.0%}",
                f"{one.oracle:.2f}",
                f"{one.direction:.2f}",
                f"{one.ratio:.2f}",
            )
            for kind, one in found.detections.items()
        ),
    )


def _verdicts(found: AuditBenchmarkFindings) -> Grid:
    rows = [
        (kind, count(one.carrier), count(one.inconclusive), f"{one.detectable:.2f}")
        for kind, one in found.verdicts.items()
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
    if not found.beside:
        return None
    kinds = list(next(iter(found.beside.values())).named)
    columns = (
        *(f"named: {kind}" for kind in kinds),
        "a wrong name",
        "AUROC",
        "alarms on nulls",
        "on overt but neutral",
    )
    return Grid(
        "",
        ("detector", *columns),
        tuple(
            (
                name,
                *(count(one.named[kind]) for kind in kinds),
                count(one.wrong),
                f"{one.auroc:.2f}",
                rate(one.alarms),
                count(one.overt),
            )
            for name, one in found.beside.items()
        ),
        bold=frozenset({0}),
    )


def _forecast(how: str, figures: dict[str, float]) -> Grid:
    columns = (word("what"), "value")
    return Grid(f"Students trained by {how}", columns, tuple((what, f"{value:.2f}") for what, value in figures.items()))


def _speed(found: AuditBenchmarkFindings) -> str:
    one = found.speed
    return (
        f"{one.rows_per_second:.0f} rows a second for {one.directions} directions at once; a forward pass alone "
        f"makes {one.forward_rows_per_second:.0f} in the same run: "
        f"{one.forward_rows_per_second / one.rows_per_second:.1f} times its time."
    )
