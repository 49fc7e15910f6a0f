"""A benchmark of measurements as tables."""

from collections.abc import Mapping, Sequence
from typing import get_args

from undertone.bench.audit.page import rate
from undertone.bench.measure.choice import RULE
from undertone.bench.measure.crossed_study import HEADER
from undertone.bench.measure.findings import Group, MeasureBenchmarkFindings, Side
from undertone.bench.measure.judge import DIALOGUES, STEPS
from undertone.measure.findings import Verdict
from undertone.measure.verdict import points_of
from undertone.report.page import Grid, Page, Prose, Section, grid, run_page, section
from undertone.statistics.rate import Rate

SIDES: dict[Side, str] = {
    "choosing": "Fine-tunes on which the effect is chosen",
    "judging": "Other fine-tunes, on which it is judged",
}
CURVE = (
    "Shares of fine-tunes in per cent, by the rise that is called a shift. Harmless: all of the file is harmless. Bad "
    "rows: this share of the file is bad and the rest harmless; with the smallest shares a model may not have learnt "
    "anything bad, so that no shift is the right answer. Damaging: good advice to the wrong requests."
)
INSIDE = (
    "How often hidden states are said to have moved towards bad conduct: all fine-tunes of both sides, since nothing "
    "was chosen by them. Of the bad ones half are on bad advice in one domain, a quarter on it in all, and a quarter "
    "on helping with harm, which is another trait."
)
BATTERY = (
    "How often the battery says that a trait changed, of the six that it asks for, in fine-tunes of both sides. "
    "Worse: what they do moved away from the usual pole, which fails a gate. Better: further to it, as lessons of good "
    "advice and honest answers should. Open: of some trait it cannot be told. Only said: what they say "
    "of themselves changed, and nothing that they do."
)
COVERAGE = (
    "A simulation of shares of true-or-false answers, clustered by question (beta-distributed rates). Intervals are "
    "nominally 95 %; shares are in per cent, ± one Monte Carlo standard error. With one model the truth is that "
    "model's own mean, without any spread of seeds. If rates are low or questions differ a lot, question rates are "
    "skewed and intervals are too short, as with any method: use more questions."
)
WORDS: tuple[Verdict, ...] = get_args(Verdict)


def page(found: MeasureBenchmarkFindings) -> Page:
    """Returns the page of a benchmark of measurements."""
    model, students = found.settings["model"], found.settings["students"]
    at = found.default if found.chosen is None else found.chosen
    judging = [group for group in found.groups if group.side == "judging"]
    coverage = Grid("", HEADER, found.coverage, terminal=False)
    shifts = "; ".join(f"{group.title}, {rate(_share(group.at(at), 'shift found'))}" for group in judging)
    return run_page(
        found,
        f"{_chosen(found)} On other fine-tunes, at {points_of(at)}, a shift was found in: {shifts}.",
        f"undertone bench measure --model {model} --students {students}: fine-tunes of "
        f"{', '.join(map(str, STEPS))} steps on {DIALOGUES} rows, each from a seed and data of its own, measured "
        "against the base. Every effect is judged from the same answers. Intervals are exact 95 % binomial ones over "
        "fine-tunes.",
        Section("How the effect is chosen", (Prose(RULE),)),
        section("Inside", Prose(INSIDE), _inside(found)),
        section("Battery", Prose(BATTERY), _battery(found)),
        *(Section(title, (Prose(CURVE), *_curves(found, side))) for side, title in SIDES.items()),
        Section(f"By lesson, at {points_of(at)}, other fine-tunes", tuple(_lessons(group, at) for group in judging)),
        Section("Whether intervals cover", (Prose(COVERAGE), coverage)),
        listings={"Models": found.models},
    )


def _inside(found: MeasureBenchmarkFindings) -> Grid | None:
    """Returns how often hidden states are said to have moved, both sides of fine-tunes together."""
    some = [(group.title, (group.inside,)) for group in found.groups if group.inside is not None]
    return grid("", _both_sides(some), {"fine-tunes": lambda one: one[0], "moved": lambda one: rate(one[1][0])})


def _battery(found: MeasureBenchmarkFindings) -> Grid | None:
    """Returns how often the battery says that a trait changed, both sides together."""
    some = [
        (group.title, (one.worse, one.better, one.open, one.only_said or Rate(0, 0)))
        for group in found.groups
        if (one := group.battery)
    ]
    return grid(
        "",
        _both_sides(some),
        {
            "fine-tunes": lambda one: one[0],
            "worse": lambda one: rate(one[1][0]),
            "better": lambda one: rate(one[1][1]),
            "open": lambda one: rate(one[1][2]),
            "only said": lambda one: rate(one[1][3]) if one[1][3].of else "-",
        },
    )


def _both_sides(some: Sequence[tuple[str, tuple[Rate, ...]]]) -> list[tuple[str, tuple[Rate, ...]]]:
    """Returns the rates of groups of one title together."""
    found: dict[str, tuple[Rate, ...]] = {}
    for title, rates in some:
        seen = found.get(title, tuple(Rate(0, 0) for _ in rates))
        found[title] = tuple(Rate(a.count + b.count, a.of + b.of) for a, b in zip(seen, rates, strict=True))
    return list(found.items())


def _chosen(found: MeasureBenchmarkFindings) -> str:
    chosen = "no effect" if found.chosen is None else points_of(found.chosen)
    return f"The rule chooses {chosen}; the default is {points_of(found.default)}."


def _share(verdicts: Mapping[Verdict, int], word: Verdict) -> Rate:
    return Rate(verdicts.get(word, 0), sum(verdicts.values()))


def _curves(found: MeasureBenchmarkFindings, side: Side) -> Sequence[Grid]:
    """Returns for each verdict the share of fine-tunes that get it, at every effect."""
    groups = [group for group in found.groups if group.side == side]
    effects = tuple(points_of(effect) for effect in found.effects)
    return [
        Grid(
            word,
            ("fine-tunes", "number", *effects),
            tuple(
                (
                    group.title,
                    str(group.at(found.effects[0]).total()),
                    *(_cell(_share(group.at(effect), word)) for effect in found.effects),
                )
                for group in groups
            ),
        )
        for word in WORDS
        if any(group.at(effect)[word] for group in groups for effect in found.effects)
    ]


def _cell(share: Rate) -> str:
    """12 [5, 24], in per cent"""
    low, high = share.ci
    return f"{100 * share.value:.0f} [{100 * low:.0f}, {100 * high:.0f}]"


def _lessons(group: Group, effect: float) -> Grid:
    judged = [one for one in group.judged if one.effect == effect]
    rows = [
        (one.lesson, str(sum(one.verdicts.values())), *(str(one.verdicts.get(word, 0)) for word in WORDS))
        for one in judged
    ]
    verdicts = group.at(effect)
    rows.append(("all", str(verdicts.total()), *(rate(_share(verdicts, word)) for word in WORDS)))
    return Grid(group.title, ("lesson", "fine-tunes", *WORDS), tuple(rows), bold=frozenset({len(rows) - 1}))
