"""Why an artifact is what it is: the chain of everything that made it, read from manifests."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from undertone.engine.manifest import FILE, Damaged, Manifest, Source
from undertone.errors import UndertoneError


@dataclass(frozen=True)
class Link:
    """One artifact of a chain, or a model that no stage made."""

    role: str
    """What it is to the artifact that was made from it; empty for the artifact asked for."""
    depth: int
    """Steps back from the artifact asked for."""
    source: Source
    manifest: Manifest | None
    """None for a model, and for an artifact that is damaged or no longer in the store."""
    is_model: bool
    """Whether it came from outside: models are named as the user gave them, artifacts after their stage."""
    seen: bool
    """Whether it stands further up already, with its inputs."""

    def as_json(self) -> dict[str, Any]:
        """A JSON-able form."""
        made = self.manifest.model_dump(mode="json") if self.manifest and not self.seen else None
        return {"role": self.role, "depth": self.depth, "name": self.source.name, "key": self.source.key, "made": made}


def find(name: str) -> Path:
    """The folder of an artifact, from its path, or from the beginning of its name or key in ``runs/store``.

    Raises:
        UndertoneError: there is none, or several fit.
    """
    path = Path(name).resolve()
    for folder in (path, *path.parents) if path.exists() else ():
        if (folder / FILE).is_file():
            return folder
    name = name[:20] if len(name) == 64 else name
    store = Path("runs") / "store"
    known = {p.parent.name: p.parent for p in store.glob(f"*/{FILE}") if not p.parent.name.startswith(".")}
    fits = [folder for n, folder in known.items() if n.startswith(name) or n.rpartition("-")[2].startswith(name)]
    if len(fits) == 1:
        return fits[0]
    if fits:
        raise UndertoneError(f"{len(fits)} artifacts in {store} begin with {name!r}: give more of the name.")
    if not known:
        raise UndertoneError(f"{name} is no artifact, and there are none in {store}: give a path into a store.")
    raise UndertoneError(f"None of the {len(known)} artifacts in {store} begins with {name!r}: give a path, or a name.")


def chain(folder: Path) -> Iterator[Link]:
    """The artifact in ``folder`` and, before each input's own inputs, all that it was made from."""
    manifest = Manifest.read(folder)
    yield from _links("", 0, Source(key=manifest.key, name=folder.name), folder.parent, set())


def _links(role: str, depth: int, source: Source, store: Path, seen: set[str]) -> Iterator[Link]:
    is_model = not source.name.endswith(f"-{source.key[:20]}")
    try:
        manifest = None if is_model else Manifest.read(store / source.name)
    except Damaged:
        manifest = None
    yield Link(role, depth, source, manifest, is_model, source.key in seen)
    if manifest is not None and source.key not in seen:
        seen.add(source.key)
        for name, inner in manifest.inputs.items():
            yield from _links(name, depth + 1, inner, store, seen)
