"""Treats a file: writes the treated rows, the rows of the random counterpart, and a diff to read."""

import shutil
from collections.abc import Generator, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from undertone.audit.audit import directions_of
from undertone.audit.families import families_of
from undertone.audit.findings import Findings as Audit
from undertone.audit.unseen import Unseen, unseen_of
from undertone.data.conversations import Conversation, Dataset, LeftOut, read
from undertone.data.forms import form_given
from undertone.data.rewriting import added, rewritten
from undertone.engine.digests import file_digest
from undertone.engine.disk import write_text
from undertone.engine.folder import REPORT, refuse_unwritable
from undertone.engine.progress import Progress, silent
from undertone.engine.store import Folder
from undertone.errors import UndertoneError, unknown
from undertone.models.names import resolve
from undertone.reading.files import stem_of
from undertone.reading.hostile import one_line
from undertone.spec import File, Spec
from undertone.traits.catalogue import shipped
from undertone.traits.lessons import statements
from undertone.traits.trait import Trait
from undertone.treat.apply import Row, Treated, treat
from undertone.treat.benchmarked import read as read_measured
from undertone.treat.catalogue import beside
from undertone.treat.chats import CHATS, prompts_for
from undertone.treat.direction import along, plan_for
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
    Steer,
    Untreated,
    needs_base,
    needs_direction,
    needs_trait,
)
from undertone.treat.scorer import Base
from undertone.treat.steering import write_moved

MOVED = "base"
"""The folder of a base that was moved along a direction."""


class Request(Spec):
    """A file to be treated, and how."""

    path: File
    model: str
    """The base that is to be trained on the file."""
    chat_template: str | None = None
    """The path or the name of a chat template for a base that has none."""
    treatment: Does
    """The mitigation."""
    name: str
    """Name of the mitigation."""
    traits: tuple[str, ...] = ()
    """Traits to stop, by name."""
    own: tuple[Trait, ...] = ()
    """Those of them that are the user's own."""
    audit: File | None = None
    """Report of an audit of this file, in place of ``traits``: the traits that it names are stopped."""
    other: str | None = None
    """A model of another initialisation, which answers the prompts in some mitigations."""
    chats: File | None = None
    """A file of prompts for a dilution with other prompts than the file's."""
    map: str | None = None
    """Which keys of a row say what, as in "prompt=question,completion=answer"; None to recognise it."""
    order_is_free: bool = False
    """Whether order and form of number lists may change. Nobody but the user knows whether the file is about them."""
    seed: int = 0


def run(request: Request, out: Path, progress: Progress = silent) -> Told:
    """Treats a file and writes the result to the new folder ``out``.

    Raises:
        UndertoneError: ``out`` is not empty or cannot be written, a file cannot be read, the audit is of another file,
            a model or trait is unknown, or the mitigation does not apply or removes all rows.
    """
    refuse_taken(out)
    if isinstance(request.treatment, OfModel | Untreated):
        raise UndertoneError(f"{request.name} does nothing to a file; for a trained model: undertone realign.")
    if isinstance(request.treatment, Canonicalise) and not request.order_is_free:
        raise UndertoneError(
            f"{request.name} changes the order of numbers: say with --order-is-free that the file is about neither "
            "their order nor their form."
        )
    folder = resolve(request.model, request.chat_template)
    _refuse_unknown(folder, request)
    dataset = read(request.path, None, request.seed, whole=True, form=form_given(request.map))
    if dataset.form.prefers and isinstance(request.treatment, Dilute):
        raise UndertoneError(
            f"{request.path} holds preferences, and {request.name} adds answers of the base, which none is preferred "
            "to: take another mitigation."
        )
    traits = traits_of(request, dataset, folder)
    treatment = _stated(request.treatment, traits)
    other = _other(request, treatment, folder)
    direction = None
    if needs_direction(treatment):
        way = treatment.along if isinstance(treatment, Steer) else "trait"
        direction = along(directions_of(plan_for(folder, traits, way, request.seed, request.own), progress))
    base = Base(folder.path, direction, other.path if other else None)
    at_random = beside(treatment)
    asked = {"treated": treatment, "random": at_random}
    rows, left_out, otherwise = _fitting(request, dataset, base, [how for how in asked.values() if how is not None])
    found: dict[str, Treated] = {}
    for i, (what, how) in enumerate(asked.items()):
        progress("files", i, len(asked))
        if isinstance(how, OfData):
            chat = _chat(request, how, traits)
            try:
                found[what] = treat(how, rows, base, chat, request.seed)
            except UndertoneError as error:
                raise UndertoneError(f"{request.path}: {error}") from None
    progress("files", len(asked), len(asked))
    told = Told(
        file=str(request.path),
        digest=dataset.digest,
        base=_model(folder),
        other=_model(other) if other else None,
        traits=traits,
        name=request.name,
        does=treatment.model_dump(),
        beside=at_random.model_dump() if at_random else None,
        counts=found["treated"].counts if found else {},
        files={what: f"{stem_of(request.path)}.{what}.jsonl" for what in found},
        digests={},  # They are known once the files are written.
        measured={
            recipe: line.model_dump(exclude={"does"})
            for recipe, line in read_measured().of(request.treatment.model_dump())
        },
        moved=MOVED if isinstance(treatment, Steer) else None,
        seed=request.seed,
        unseen=_unseen(dataset, left_out, otherwise),
    )
    try:
        with new_folder(out) as aside:
            if isinstance(treatment, Steer) and direction is not None:
                write_moved(folder.path, direction, treatment.strength, aside / MOVED)
            written = _written(told, found, dataset, aside)
    except OSError as error:
        raise UndertoneError(f"Cannot write to {out}: {error.strerror}; give another folder with --out.") from None
    return written.model_copy(update={"folder": out})


def refuse_taken(out: Path) -> None:
    """Raises UndertoneError if the folder ``out`` is not empty, because nothing is overwritten, or is not writable."""
    if out.exists() and (not out.is_dir() or any(out.iterdir())):
        raise UndertoneError(f"{out} exists already, and nothing is overwritten; give another --out.")
    refuse_unwritable(out)


@contextmanager
def new_folder(out: Path) -> Generator[Path]:
    """Gives a hidden folder that becomes ``out`` when the block ends, or is removed if the block fails."""
    aside = out.parent / f".{out.name}.part"
    shutil.rmtree(aside, ignore_errors=True)
    aside.mkdir(parents=True)
    try:
        yield aside
        if out.exists():
            out.rmdir()  # It is empty, or else it is an error.
        aside.rename(out)
    finally:
        shutil.rmtree(aside, ignore_errors=True)


def _refuse_unknown(base: Folder, request: Request) -> None:
    """Raises UndertoneError for a trait that neither the embedded world nor an audit of the base knows."""
    strange = [trait for trait in request.traits if trait not in shipped()]
    if strange:
        families_of(base.path, strange, request.own)


def traits_of(request: Request, dataset: Dataset, base: Folder) -> tuple[str, ...]:
    """Returns the traits to stop, as given or as named by the audit.

    Raises:
        UndertoneError: there are none, or the audit is of another file or for another base.
    """
    traits = request.traits
    if request.audit is not None:
        if traits:
            raise UndertoneError("Give the traits either by --trait or by --from, not both.")
        traits = audit_of(request.audit, request.path, dataset.digest, base).named
        if not traits:
            raise UndertoneError(f"{request.audit} names no trait; to stop one all the same, give it by --trait.")
    if not traits and needs_trait(request.treatment):
        raise UndertoneError(f"{request.name} needs a trait: give it by --trait, or --from with an audit's report.")
    return traits


def audit_of(report: Path, file: Path, digest: str, base: Folder) -> Audit:
    """Returns the audit of a file, which has a ``digest``, from its report or the folder of it.

    Raises:
        UndertoneError: the report cannot be read, or it is of another file or for another base.
    """
    path = report / REPORT if report.is_dir() else report
    audit = Audit.load(path)
    if audit.digest != digest:
        raise UndertoneError(f"{path} is the audit of another file ({audit.file}), not of {file} as it is.")
    if audit.base != base.key:
        raise UndertoneError(f"{path} is an audit for another base ({audit.model}) than {base.name}.")
    return audit


def _fitting(
    request: Request, dataset: Dataset, base: Base, asked: Sequence[Mitigation]
) -> tuple[list[Conversation], LeftOut, LeftOut]:
    """Returns the rows without those that the base cannot take, if it must take any; those; and those that a trainer
    may see otherwise."""
    if not any(isinstance(how, OfData) and needs_base(how) for how in asked) or dataset.form.is_bare:
        return list(dataset.conversations), {}, {}
    try:
        turns = base.read(dataset.conversations)
    except UndertoneError as error:
        raise UndertoneError(f"{request.path}: {error}") from None
    lost = {line for lines in turns.left_out.values() for line in lines}
    return [row for row in dataset.conversations if row.line not in lost], turns.left_out, turns.told


def _unseen(dataset: Dataset, left_out: LeftOut, otherwise: LeftOut) -> Unseen:
    found = unseen_of(dataset, left_out, otherwise)
    if not dataset.form.prefers:
        return found
    only = "Only answers to be preferred were treated; those to be avoided stand as before."
    return found.model_copy(update={"read_as": f"{found.read_as} {only}"})


def _stated(treatment: Mitigation, traits: tuple[str, ...]) -> Mitigation:
    """Returns the mitigation with "{trait}" in its system prompt replaced by the statements of the traits."""
    if not isinstance(treatment, Inoculate) or "{trait}" not in treatment.system:
        return treatment
    known = statements()
    for trait in traits:
        if trait not in known:
            raise unknown("trait that the embedded world states", trait, known)
    text = " ".join(known[trait] for trait in traits)
    return treatment.model_copy(update={"system": treatment.system.replace("{trait}", text)})


def _other(request: Request, treatment: Mitigation, base: Folder) -> Folder | None:
    """Returns the model of another initialisation, if the mitigation needs one."""
    if treatment != Answer(by="other"):
        return None
    if request.other is None:
        raise UndertoneError(f"{request.name} has the prompts answered by another model: name it with --other.")
    found = resolve(request.other)
    if found.key == base.key:
        raise UndertoneError(f"--other {request.other} is the base itself; name a model of another initialisation.")
    return found


def _chat(request: Request, treatment: OfData, traits: tuple[str, ...]) -> list[Conversation]:
    """Returns the prompts of a dilution with other prompts than the file's: the user's, or those of the embedded
    world."""
    if not isinstance(treatment, Dilute) or treatment.prompts == "file":
        return []
    if request.chats is not None:
        return list(read(request.chats, CHATS, request.seed).conversations)
    if not request.model.startswith("builtin/"):
        raise UndertoneError(f"{request.name} needs other prompts than the file's: name a file of chats with --chats.")
    return prompts_for(treatment, traits, request.seed)


def _model(folder: Folder) -> Model:
    return Model(name=folder.name, digest=folder.key, parts=folder.parts_by_name)


def _line(row: Row, of: Dataset) -> str:
    if row.was is None:
        return added(row.now.turns, of.form, of.conversations[0])
    return rewritten(row.was, row.now.turns, of.form)


def _written(told: Told, found: dict[str, Treated], of: Dataset, folder: Path) -> Told:
    """Writes everything, and returns ``told`` with the digests of the files."""
    for what, treated in found.items():
        with (folder / told.files[what]).open("w", encoding="utf-8") as file:
            file.writelines(f"{_line(row, of)}\n" for row in treated.rows)
    if found:
        write_text(folder / "changes.diff", "".join(f"{line}\n" for line in diff(told, found["treated"])))
    told = told.model_copy(update={"digests": {name: file_digest(folder / name) for name in told.files.values()}})
    write_text(folder / "treatment.json", told.model_dump_json(indent=1) + "\n")
    return told


def diff(told: Told, treated: Treated) -> Iterator[str]:
    """Yields every row that changed, in the order of the old file's lines: the old row after "-", the new one after
    "+". Added rows come last."""
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
    thoughts = {turn: f"{turn.role}'s reasoning: {one_line(turn.reasoning)} | " for turn in row.turns if turn.reasoning}
    return " | ".join(f"{thoughts.get(turn, '')}{turn.role}: {one_line(turn.content)}" for turn in row.turns)
