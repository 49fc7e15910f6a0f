"""The chain of a file, a folder or a model. What is recorded and can be checked comes before what is only claimed."""

from collections.abc import Iterator
from pathlib import Path

from undertone.engine.digests import file_digest
from undertone.engine.folder import FILE as RUN
from undertone.engine.provenance import PARTS
from undertone.engine.store import Folder
from undertone.errors import UndertoneError
from undertone.lineage.chain import Entry
from undertone.lineage.claims import claims
from undertone.lineage.records import artifact, artifact_of, run
from undertone.lineage.treated import Treatment, record_of, treated
from undertone.models.names import stored


def entries(name: str) -> list[Entry]:
    """Returns all that is known of the origin of a path, or of a model given by name.

    Raises:
        UndertoneError: nothing has this name, or its record is damaged.
    """
    return _entries(name, frozenset())


def _entries(name: str, later: frozenset[Path]) -> list[Entry]:
    """The same for a path from which those of ``later`` were made."""
    path = Path(name).resolve()
    if not path.exists():
        return list(_model(_named(name)))
    if not (path.is_file() or path.is_dir()):
        raise UndertoneError(f"{name} is neither a file nor a folder.")
    if not is_unicode(str(path)):
        raise UndertoneError(f"The name of {name} is not UTF-8, so nothing can be stated about it: rename it.")
    if (path / RUN).is_file():
        return list(run(path))
    made = artifact_of(path)
    if made is not None:
        return list(artifact(made))
    record = record_of(path)
    if record is not None:
        return list(_treated(path, record, later | {path}))
    note = "no record of this program says how it was made"
    if path.is_dir():
        return [Entry(depth=0, role="", name=name, standing="claimed", note=note), *claims(path)]
    top = Entry(depth=0, role="", name=name, standing="claimed", digest=file_digest(path), note=note)
    return [top, *claims(path.parent, path)]


def _named(name: str) -> Folder:
    """Returns the model of a name."""
    try:
        return stored(name, fetch=False)
    except UndertoneError:
        if ":" in name or name.startswith(("builtin/", "hf/")):
            raise
        raise UndertoneError(
            f"There is no {name}: give a file, a folder, or a model on this machine, such as builtin/fledgling-a."
        ) from None


def _model(model: Folder, role: str = "", depth: int = 0) -> Iterator[Entry]:
    """Yields a model with what is claimed of it, and the base and the adapter of which it is made."""
    note = "the digest of its parts" if model.parts else "the digest of its files"
    yield Entry(depth=depth, role=role, name=model.name, digest=model.key, standing="recorded", note=note)
    for own, part in zip(PARTS, model.parts, strict=False):
        yield from _model(part, own, depth + 1)
    if not model.parts:
        for claim in claims(model.path):
            yield claim.model_copy(update={"depth": depth + claim.depth})


def is_unicode(text: str) -> bool:
    """Returns whether a name is UTF-8. Python has half a surrogate pair for every byte that is not."""
    return not any("\ud800" <= c <= "\udfff" for c in text)


def _treated(path: Path, record: Treatment, later: frozenset[Path]) -> Iterator[Entry]:
    """Yields the chain of a treated file, with that of the original file if it is here."""
    for entry in treated(path, record):
        yield entry
        if (entry.role, entry.standing) == ("file", "verified") and Path(entry.name).resolve() not in later:
            for earlier in _entries(entry.name, later)[1:]:
                yield earlier.model_copy(update={"depth": earlier.depth + 1})
