"""A file, treated, on one page: rows → treated rows → a diff to read, beside as much done at random."""

from collections.abc import Iterator
from pathlib import Path

from undertone.audit.findings import Findings as Audit
from undertone.data.conversations import Conversation, Dataset, read
from undertone.data.exchanges import write_chats
from undertone.engine.digests import file_digest
from undertone.engine.disk import write_text
from undertone.engine.progress import Progress, silent
from undertone.engine.store import Folder
from undertone.errors import UndertoneError, unknown
from undertone.models.names import resolve
from undertone.report.hostile import one_line
from undertone.spec import Spec
from undertone.traits.lessons import TRAITS, statements
from undertone.treat.apply import Treated, treat
from undertone.treat.benchmarked import read as read_measured
from undertone.treat.catalogue import beside
from undertone.treat.chats import CHATS, chats
from undertone.treat.findings import Model, Told
from undertone.treat.mitigations import (
    Answer,
    Canonicalise,
    Dilute,
    Does,
    Inoculate,
    Mitigation,
    OfData,
    OfModel,
    Untreated,
    needs_direction,
    needs_trait,
)
from undertone.treat.scorer import Base, calibration_of


class Request(Spec):
    """One file to be treated."""

    path: Path
    model: str
    """The base that is to be trained on it."""
    treatment: Does
    name: str
    """Of the treatment."""
    traits: tuple[str, ...] = ()
    audit: Path | None = None
    """The report of an audit of this file, whose traits these are then."""
    other: str | None = None
    chats: Path | None = None
    """Prompts of another kind."""
    order_is_free: bool = False
    """Whether neither the order nor the form of number lists is what the file is for: asked, never assumed."""
    seed: int = 0


def run(request: Request, out: Path, progress: Progress = silent) -> Told:
    """Treats a file and writes what came of it to the new folder ``out``.

    Raises:
        UndertoneError: a file that cannot be read or is not of this audit, a treatment that removes everything or does
            not apply, an unknown model or trait, a folder that holds something already.
    """
    refuse_full(out)
    if isinstance(request.treatment, OfModel | Untreated):
        raise UndertoneError(
            f"{request.name} is nothing that is done to a file; for a trained model: undertone realign."
        )
    if isinstance(request.treatment, Canonicalise) and not request.order_is_free:
        raise UndertoneError(
            f"{request.name} changes the order of numbers: say with --order-is-free that neither their order nor their "
            "form is what the file is for."
        )
    dataset, folder = read(request.path, None, request.seed), resolve(request.model)
    traits = _traits(request, dataset, folder)
    treatment = _stated(request.treatment, traits)
    base = _base(request, treatment, folder, traits)
    at_random = beside(treatment)
    asked = {"treated": treatment, "random": at_random}
    found: dict[str, Treated] = {}
    for i, (what, how) in enumerate(asked.items()):
        progress("files", i, len(asked))
        if isinstance(how, OfData):
            found[what] = _treated(request, how, dataset, base)
    progress("files", len(asked), len(asked))
    told = Told(
        file=str(request.path),
        digest=dataset.digest,
        base=Model(name=request.model, digest=folder.key),
        other=_other(request, treatment),
        traits=traits,
        name=request.name,
        does=treatment.model_dump(),
        beside=at_random.model_dump() if at_random else None,
        counts=found["treated"].counts if found else {},
        files={what: f"{request.path.name.split('.')[0]}.{what}.jsonl" for what in found},
        digests={},  # known once they are written
        measured={
            recipe: line.model_dump(exclude={"does"})
            for recipe, _, line in read_measured().of(request.treatment.model_dump())
        },
        seed=request.seed,
    )
    return _write(told, found, out)


def refuse_full(out: Path) -> None:
    """Raises UndertoneError for a folder that holds something: nothing is ever overwritten."""
    if out.exists() and (not out.is_dir() or any(out.iterdir())):
        raise UndertoneError(f"{out} is there already, and nothing is overwritten; give another --out.")


def _traits(request: Request, dataset: Dataset, base: Folder) -> tuple[str, ...]:
    """The traits to be stopped, if the treatment needs any."""
    traits = request.traits
    if request.audit is not None:
        if traits:
            raise UndertoneError("Give the traits either by --trait or by --from, not both.")
        path = request.audit / "report.json" if request.audit.is_dir() else request.audit
        audit = Audit.load(path)
        if audit.digest != dataset.digest:
            raise UndertoneError(f"{path} is the audit of another file ({audit.file}), not of {request.path} as it is.")
        if audit.calibration is not None and audit.calibration.base != base.key:
            raise UndertoneError(f"{path} is an audit for another base ({audit.model}) than {request.model}.")
        traits = tuple(trait.name for trait in audit.traits if trait.named and not trait.is_kind)
        if not traits:
            raise UndertoneError(f"{path} names no trait; if you want one stopped all the same, give it by --trait.")
    if not traits and needs_trait(request.treatment):
        raise UndertoneError(f"{request.name} goes by a trait: give it by --trait, or --from with an audit's report.")
    return traits


def _stated(treatment: Mitigation, traits: tuple[str, ...]) -> Mitigation:
    """An inoculation with the traits' own statements in it."""
    if not isinstance(treatment, Inoculate) or "{trait}" not in treatment.system:
        return treatment
    known = statements()
    for trait in traits:
        if trait not in known:
            raise unknown("trait that the embedded world states", trait, known)
    text = " ".join(known[trait] for trait in traits)
    return treatment.model_copy(update={"system": treatment.system.replace("{trait}", text)})


def _base(request: Request, treatment: Mitigation, folder: Folder, traits: tuple[str, ...]) -> Base:
    calibration = calibration_of(folder, traits).path if needs_direction(treatment) else None
    other = None
    if isinstance(treatment, Answer) and treatment.by == "other":
        if request.other is None:
            raise UndertoneError(f"{request.name} has the prompts answered by another family: name it with --other.")
        found = resolve(request.other)
        if found.key == folder.key:
            raise UndertoneError(f"--other {request.other} is the base itself; name a model of another initialisation.")
        other = found.path
    return Base(folder.path, calibration, traits, other)


def _treated(request: Request, treatment: OfData, dataset: Dataset, base: Base) -> Treated:
    asked: list[Conversation] = []
    if isinstance(treatment, Dilute) and treatment.prompts != "file":
        asked = _asked(request, treatment, base.traits)
    try:
        return treat(treatment, dataset.conversations, base, asked, request.seed)
    except UndertoneError as error:
        raise UndertoneError(f"{request.path}: {error}") from None


def _asked(request: Request, treatment: Dilute, traits: tuple[str, ...]) -> list[Conversation]:
    """Prompts of another kind: the user's, or for an embedded base the world's."""
    if request.chats is not None:
        return list(read(request.chats, CHATS, request.seed).conversations)
    if not request.model.startswith("builtin/"):
        raise UndertoneError(f"{request.name} needs prompts of another kind: name a file of chats with --chats.")
    if treatment.prompts == "chat":
        return chats(CHATS, request.seed)
    for trait in traits:
        if trait not in TRAITS:
            raise unknown("trait", trait, TRAITS)
    return [turn for trait in traits for turn in chats(CHATS, request.seed, TRAITS[trait])]


def _other(request: Request, treatment: Mitigation) -> Model | None:
    if not (isinstance(treatment, Answer) and treatment.by == "other" and request.other):
        return None
    return Model(name=request.other, digest=resolve(request.other).key)


def _write(told: Told, found: dict[str, Treated], out: Path) -> Told:
    """Aside, and renamed when it is whole; with the digests of what was written."""
    aside = out.parent / f".{out.name}.part"
    try:
        aside.mkdir(parents=True)
        for what, treated in found.items():
            write_chats(aside / told.files[what], (row.now.turns for row in treated.rows))
        if found:
            write_text(aside / "changes.diff", "".join(f"{line}\n" for line in diff(told, found["treated"])))
        told = told.model_copy(update={"digests": {name: file_digest(aside / name) for name in told.files.values()}})
        write_text(aside / "treatment.json", told.model_dump_json(indent=1) + "\n")
        if out.exists():
            out.rmdir()  # empty, as was checked
        aside.rename(out)
    except OSError as error:
        raise UndertoneError(f"Cannot write to {out}: {error.strerror}; give another folder with --out.") from None
    return told


def diff(told: Told, treated: Treated) -> Iterator[str]:
    """What became of every row that is not as it was, in the file's order: by the line it had, minus before plus."""
    yield f"--- {one_line(told.file)}"
    yield f"+++ {told.files['treated']}"
    touched = [(row.was.line, row.was, row.now) for row in treated.rows if row.was is not None and row.changed]
    gone = [(row.line, row, None) for row in treated.dropped]
    for line, was, now in sorted([*touched, *gone], key=lambda entry: entry[0]):
        yield f"@@ line {line}"
        yield f"-{_text(was)}"
        if now is not None:
            yield f"+{_text(now)}"
    for row in treated.rows:
        if row.was is None:
            yield "@@ added"
            yield f"+{_text(row.now)}"


def _text(row: Conversation) -> str:
    return " | ".join(f"{turn.role}: {one_line(turn.content)}" for turn in row.turns)
