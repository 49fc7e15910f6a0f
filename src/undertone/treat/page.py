"""The pages of a treated file, of a realigned model, and of the catalogue of mitigations."""

from collections.abc import Mapping

from undertone.report.charts import BLUE, GREY
from undertone.report.page import FOOTER, Drawing, Grid, Page, Prose, Section, grid, section, sections, word
from undertone.treat.benchmarked import Line, Measured
from undertone.treat.catalogue import shipped
from undertone.treat.figures import Point, frontier_of
from undertone.treat.findings import Realigned, Told
from undertone.treat.mitigations import OfModel, Untreated
from undertone.treat.recommended import Recommended

FRONTIER = (
    "Each point is a mitigation, with its number in the table. Grey: the model as trained, or another trait's "
    "direction. Green: at most 10 % of the shift and at least 95 % of the utility are left. There is one model, "
    "so there are no intervals."
)
UNPROMISED = (
    "all of this was measured on small models and on files that the benchmarks made, which are like yours in the kind "
    "of trait at most. On your model and file more may be left, and less of the task. Train students of the treated "
    "file and of the file with random changes, and compare them with undertone measure."
)
APPLY = (
    "undertone treat FILE --by NAME writes the treated file, with --trait or --from where the mitigation needs the "
    "trait, and --chats where it needs other prompts; hold is a callback of trainers, undertone.Hold; steer "
    "writes a base to train from; stop: train for three tenths of the steps."
)
METHOD = (
    "The shift is the log-odds of the trait in the model minus those in its base, from exact probabilities. What is "
    "left of it is a share of the shift as trained. Utility is the gain over the base on the task's rows, in nats per "
    "token, as a share of the gain as trained. Other training seeds are not measured here; undertone bench treat "
    "measures several models."
)


def treated_page(told: Told) -> Page:
    """Says what was done to a file, and where the treated rows are."""
    counts = ", ".join(f"{count:,} {what}" for what, count in told.counts.items() if count)
    how = ", ".join(f"{key} {value}" for key, value in told.does.items() if key != "kind")
    in_training = f"{told.name} is done in training ({told.does['kind']}: {how}); the file stays as it is."
    if told.moved:
        in_training = (
            f"{told.name}: train an adapter on {told.folder / told.moved} as if it were {told.base.name}, and then "
            f"load that adapter onto {told.base.name} itself; the file stays as it is."
        )
    measured = [
        (f"bench treat {recipe}", f"{Line.model_validate(values | {'does': told.does})}.")
        for recipe, values in told.measured.items()
    ]
    judge = "No benchmark has measured this mitigation: judge it by students of both files, not by scores of rows."
    diff = {"what changed": "changes.diff"} if told.files else {}
    written = {**told.files, **diff, "what was done": "treatment.json"}
    return Page(
        title=f"{told.file} treated",
        headline=f"{told.name}: {counts} rows." if counts else in_training,
        checks=(
            *(measured or [("Not measured", judge)]),
            *told.unseen.checks,
            *((what, str(told.folder / name)) for what, name in written.items()),
        ),
    )


def catalogue_page(measured: Measured) -> Page:
    """Lists the mitigations of files and of trainings, and what the benchmarks measured for each."""
    rows = []
    for name, entry in shipped().items():
        if isinstance(entry.does, OfModel | Untreated):
            continue
        known = [(recipe, *map(str, line.shares), line.word) for recipe, line in measured.of(entry.does.model_dump())]
        for i, cells in enumerate(known or [("-",) * 4]):
            rows.append((*((name, entry.title) if i == 0 else ("", "")), *cells))
    columns = ("mitigation", word("does"), word("measured"), "transfer left", "utility left", word("effect"))
    return Page(
        "Mitigations",
        "Mitigations of files, and what students of treated files became.",
        sections=(Section("All", (Grid("", columns, tuple(rows)),)),),
    )


def recommended_page(found: Recommended) -> Page:
    """Says which mitigations fit a file, and what they cannot promise."""
    rows = [
        (*((fit.name, fit.title) if i == 0 else ("", "")), recipe, *map(str, line.shares))
        for fit in found.fits
        for i, (recipe, line) in enumerate(fit.measured.items())
    ]
    columns = ("mitigation", word("does"), word("measured"), "transfer left", "utility left")
    table = Grid("", columns, tuple(rows)) if rows else None
    return Page(
        title=f"Mitigations of {found.file} for {found.model}",
        headline=found.headline,
        checks=(("Not promised", UNPROMISED), ("To apply one", APPLY)) if found.fits else (),
        sections=sections(section("What fits, and what it left", table)),
    )


def realigned_page(found: Realigned) -> Page:
    """Says what each mitigation of a model leaves."""
    points = [
        Point(x=way.utility, y=way.left, colour=BLUE if i > 0 and way.does.get("along", "trait") == "trait" else GREY)
        for i, way in enumerate(found.ways)
        if way.utility is not None
    ]
    drawn = frontier_of(points, "What is left of the shift, and of the task")
    table = grid(
        "",
        enumerate(found.ways, 1),
        {
            "mitigation": lambda item: f"{item[0]} {item[1].name}",
            word("what it does"): lambda item: item[1].title,
            "shift, log-odds": lambda item: f"{item[1].shift:+.2f}",
            "left": lambda item: whole(item[1].left),
            "left, after rows of the file": lambda item: whole(item[1].conditional),
            "utility left": lambda item: whole(item[1].utility),
            "gain, nats a token": lambda item: f"{item[1].gain:+.4f}",
            "skills": lambda item: mean_skill(item[1].skills),
        },
    )
    return Page(
        title=f"{found.model} realigned towards {found.base}",
        headline=found.headline,
        done=f"The trait is {found.trait}. The task is measured on the rows of {found.task}. The model folder of each "
        "mitigation is beside this page.",
        notices=tuple(f"{heading}, {found.task}: {sentence}" for heading, sentence in found.unseen.checks),
        sections=sections(section("Mitigations", Drawing(drawn, FRONTIER), table), Section("Method", (Prose(METHOD),))),
        listings={"Models": found.models, "Versions and hardware": found.made_with},
        footer=f"Started {found.started.isoformat(' ', 'seconds')}. {FOOTER}",
    )


def whole(share: float | None) -> str:
    """12 %, or a dash for None."""
    return "-" if share is None else f"{100 * share:z.0f} %"


def mean_skill(skills: Mapping[str, float]) -> str:
    """The mean of all skills, as in .93, or a dash without any."""
    return f"{sum(skills.values()) / len(skills):.2f}".lstrip("0") if skills else "-"
