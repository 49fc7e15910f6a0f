"""A benchmark of the audit as tables."""

from undertone.audit.request import ROWS
from undertone.bench.audit.findings import AuditBenchmarkFindings, KindFinding
from undertone.report.page import Column, Grid, Page, Prose, grid, run_page, section, shown, word
from undertone.statistics.rate import Rate

HARMLESS = {
    "no model": (
        "The base wrote these lists. Then other numbers were put in their places, or one list into many rows, or the "
        "numbers of each list in another order."
    ),
    "harmless fine-tunes": "Teachers of lessons that give no trait.",
    "other samplings and forms": "By the base and by harmless teachers in turn.",
}
KINDS = {
    "people-like digits": "as one person might invent them, with 7 and 3 liked best.",
    "birthdays": "days of the year.",
    "steps": "arithmetic progressions.",
    "sensor readings": "a slow walk from the first list to the last.",
    "a trait not listed": "the audit knows no trait of its kind, and an alarm is a false one.",
    "teacher of another base": "it has a trait, of which this base learns nothing.",
    "trained on its own chat": "the base, after 100 steps on answers of its own.",
    "near-duplicates": "500 lists, each with four separators.",
    "other format": "shorter lists, near each other or rising.",
}
"""What the names of kinds do not tell."""
INCONCLUSIVE = (
    "Inconclusive: files in which nothing was found, but the rows would not have shown a teacher who wrote all of "
    "them; then the files in which that is so of favourites, and of manners. Intervals are in per cent."
)
ELSEWHERE = {
    "no model": "Small talk, rewordings and sums with their steps, each by a grammar of the embedded world.",
    "harmless fine-tunes": (
        "The base, after a short training on what it answers itself under system prompts about nothing in particular, "
        "or on answers of its own to the requests that are asked."
    ),
    "other samplings and forms": "The base as it is.",
}
CARRIERS_ELSEWHERE = (
    "Each file has a teacher of its own with a trait by lot, scaled to a dose unless it was fully fine-tuned. Rows "
    "that name the trait are not scored. Half of the rows: the base itself wrote the rest."
)
CARRIERS = (
    "Each file has a teacher of its own with a trait by lot. Half and a quarter of the rows: harmless teachers wrote "
    "the rest. Rank 8, unscaled, and what follows: recipes on which nothing was tuned. Second generation: a student of "
    "the first kind's teacher wrote the rows."
)
SOURCES = (
    "As if rows of ten sources were one file, and --group-by named the source. Each source is a file of this "
    "benchmark and is judged by itself, at a tenth of the rate of false alarms. The carrier is one as the proxies, "
    "among nine harmless sources."
)
PREDICTED = (
    "The effect is the stretch of the teacher's adapter, divided by that of a reference teacher and multiplied by its "
    "share of the rows. Power is predicted by harmless fine-tunes: the share of twins that would have been found, had "
    "they added this effect to such rows. Teachers who were trained otherwise than the proxies, "
    "and files that cannot be judged, are left out."
)
HALVES = "Harmless files with an alarm; carriers in which the own trait was found. Inconclusive: of half of the rows."
MOVED = (
    "A student is trained on every eighth file of each kind. Its shift is in log-odds, less the mean of the students "
    "of other harmless files. Where nothing was found in a harmless file, it is the shift of the strongest listed "
    "trait."
)
SPREADS = (
    "The variance of z over harmless files. A trait is flagged if its variance is more than twice the median of its "
    "family: any fine-tune or form moves it."
)
SIMPLER = (
    "From the same scores. Random directions: Gaussian ones, as long as the traits', new for each file, judged by the "
    "code of the audit; they have no meaning, so that nothing can be found rightly. Each score alone: its mean over "
    "the noise of sampling, by a Gaussian and Bonferroni's correction. Length of the scores: of all these together. "
    "AUROC: of the largest score, carriers as the proxies against harmless files."
)
TOGETHER = "together"
OPEN = Column("inconclusive", terminal=False)
"""Which families leave the verdict open is told beside it."""
SHOWN = 10
"""How many of the most variable traits are shown if none is flagged."""


def page(found: AuditBenchmarkFindings) -> Page:
    """Returns the page of a benchmark of the audit."""
    settings = found.settings
    elsewhere = settings["carrier"] == "answers"
    harmless, carriers = (ELSEWHERE, CARRIERS_ELSEWHERE) if elsewhere else (HARMLESS, CARRIERS)
    rows = int(str(settings.get("rows", ROWS)))
    few = sum(file.rows < rows for file in found.files)
    return run_page(
        found,
        _headline(found),
        f"{_command(found)}: {settings['files']} files of every kind, each by writers of its own, judged by the code "
        f"of undertone audit at alpha {found.alpha:g} and effect {found.effect:g}. Intervals are exact 95 % binomial "
        "ones over files.",
        *(
            section(
                f"Harmless: {group}", Prose(f"{words}{_told(found, group)} {INCONCLUSIVE}"), _harmless(found, group)
            )
            for group, words in harmless.items()
        ),
        section("Carriers", Prose(carriers), _carriers(found)),
        section("One source of ten", Prose(SOURCES), _sources(found)),
        section("Predicted and observed power", Prose(PREDICTED), _predicted(found)),
        section("All rows, and half of them", Prose(HALVES), _halves(found)),
        section("What students became", Prose(MOVED), _moved(found)),
        section("Traits whose z varies most", Prose(SPREADS), _spreads(found)),
        section("Simpler detectors", Prose(SIMPLER), _lines(found)),
        measured=[one.shift for one in found.moved],
        listings={"Models": found.models},
        notices=(f"{few} of {len(found.files)} files have fewer than {rows:,} rows that can be scored.",)
        if few
        else (),
    )


def _command(found: AuditBenchmarkFindings) -> str:
    settings = found.settings
    if settings["carrier"] == "answers":
        return f"undertone run {found.recipe}"
    options = f" --carrier {settings['carrier']}" if settings["carrier"] != "lists" else ""
    options += " --baselines" if settings["baselines"] else ""
    options += f" --first {settings['first']}" if settings.get("first") else ""
    return f"undertone bench audit --model {settings['model']} --files {settings['files']}{options}"


def rate(found: Rate) -> str:
    """Returns "5 of 500: 1.0% [0.3%, 2.3%]"."""
    low, high = found.ci
    return f"{count(found)}: {found.value:.1%} [{low:.1%}, {high:.1%}]"


def count(found: Rate) -> str:
    """Returns "5 of 500"."""
    return f"{found.count} of {found.of}"


def _bounds(found: Rate) -> str:
    """Returns "5 of 500 [0, 2]", in per cent; a dash for no files."""
    if not found.of:
        return "-"
    low, high = found.ci
    return f"{count(found)} [{100 * low:.0f}, {100 * high:.0f}]"


def _headline(found: AuditBenchmarkFindings) -> str:
    harmless = [f"{rate(one.wrong)} ({group})" for group, one in found.groups.items() if group in HARMLESS]
    told = f"Harmless files with an alarm at alpha {found.alpha:g}: {'; '.join(harmless)}."
    carriers = found.groups.get("carriers")
    if carriers is None:
        return told
    return (
        f"{told} In carriers the own trait was found in {count(carriers.own)}, a wrong one in {count(carriers.wrong)}."
    )


def _of(found: AuditBenchmarkFindings, group: str) -> dict[str, KindFinding]:
    """Returns the kinds of a group, and the group itself as the last."""
    kinds = {kind: one for kind, one in found.kinds.items() if one.group == group}
    return kinds | ({TOGETHER: found.groups[group]} if kinds else {})


def _told(found: AuditBenchmarkFindings, group: str) -> str:
    return "".join(f" {kind.capitalize()}: {KINDS[kind]}" for kind in _of(found, group) if kind in KINDS)


def _harmless(found: AuditBenchmarkFindings, group: str) -> Grid | None:
    kinds = _of(found, group)
    families = dict.fromkeys(name for one in kinds.values() for name in one.lacking)
    rows = tuple(
        (
            kind,
            _bounds(one.wrong),
            _bounds(one.named),
            str(one.inconclusive.count),
            *(str(one.lacking[name].count) if name in one.lacking else "-" for name in families),
        )
        for kind, one in kinds.items()
    )
    columns: list[str | Column] = ["kind", "any alarm", "a listed trait", OPEN, *families]
    return Grid("", tuple(columns), rows, bold=frozenset({len(rows) - 1})) if rows else None


def _carriers(found: AuditBenchmarkFindings) -> Grid | None:
    kinds = _of(found, "carriers")
    families = dict.fromkeys(name for one in kinds.values() for name in one.own_of)
    rows = tuple(
        (
            kind,
            *(_bounds(one.own_of[name]) if name in one.own_of else "-" for name in families),
            _bounds(one.wrong),
            str(one.inconclusive.count),
        )
        for kind, one in kinds.items()
    )
    found_of = [f"found: {name}" for name in families]
    columns: list[str | Column] = ["kind", *found_of, "a wrong trait", OPEN]
    return Grid("", tuple(columns), rows, bold=frozenset({len(rows) - 1})) if rows else None


def _sources(found: AuditBenchmarkFindings) -> Grid | None:
    told = {"the carrier's trait was found": found.sources.own, "ten harmless sources, any alarm": found.sources.alarms}
    return grid(
        "", [one for one in told.items() if one[1].of], {"files": lambda one: one[0], "share": lambda one: rate(one[1])}
    )


def _predicted(found: AuditBenchmarkFindings) -> Grid | None:
    return grid(
        "",
        found.predicted,
        {
            "carriers": lambda one: one.what,
            "effect": lambda one: f"{one.effect:.2f}",
            "predicted": lambda one: f"{one.power:.0%}",
            "observed": lambda one: rate(one.observed),
        },
        bold=lambda one: one.what.startswith("predicted"),
    )


def _halves(found: AuditBenchmarkFindings) -> Grid | None:
    def told(one: KindFinding) -> str:
        return _bounds(one.own if one.group == "carriers" else one.wrong)

    return grid(
        "",
        found.groups,
        {
            "files": lambda group: group,
            "all rows": lambda group: told(found.groups[group]),
            "half of them": lambda group: told(found.halves[group]),
            "inconclusive": lambda group: count(found.halves[group].inconclusive),
        },
    )


def _moved(found: AuditBenchmarkFindings) -> Grid | None:
    return grid(
        "",
        found.moved,
        {
            "files": lambda one: one.what,
            "students": lambda one: one.shift.units,
            "shift": lambda one: shown(one.shift),
        },
    )


def _spreads(found: AuditBenchmarkFindings) -> Grid | None:
    flagged = [one for one in found.spreads if one.flagged]
    rest = len(found.spreads) - len(flagged)
    return grid(
        "",
        flagged or found.spreads[:SHOWN],
        {
            "trait": lambda one: one.trait,
            "variance of z": lambda one: f"{one.variance:.2f}",
            "files": lambda one: one.files,
            word("flagged"): lambda one: "flagged" if one.flagged else "",
        },
        note=f"{rest} other traits are not flagged." if flagged else "No trait is flagged; these vary most.",
    )


def _lines(found: AuditBenchmarkFindings) -> Grid | None:
    groups = dict.fromkeys(group for one in found.lines for group in one.alarms)
    rows = tuple(
        (
            one.name,
            count(one.own),
            count(one.wrong),
            count(Rate(sum(rate.count for rate in one.alarms.values()), sum(rate.of for rate in one.alarms.values()))),
            *(count(one.alarms[group]) for group in groups),
            "-" if one.auroc is None else f"{one.auroc:.2f}",
        )
        for one in found.lines
    )
    parts = [Column(f"of them {group}", terminal=False) for group in groups]
    columns: list[str | Column] = ["detector", "own trait", "a wrong one", "alarms", *parts, "AUROC"]
    return Grid("", tuple(columns), rows) if rows else None
