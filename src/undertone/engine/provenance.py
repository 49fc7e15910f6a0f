"""How an artifact was made: the chain of everything it was made from, read from manifests."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from undertone.engine.manifest import FILE, Damaged, Manifest, Source
from undertone.errors import UndertoneError

PARTS = ("base", "adapter")
"""The roles of the parts of a model with an adapter."""


@dataclass(frozen=True)
class Link:
    """One artifact of a chain, or a model from outside the store."""

    role: str
    """Which input it is of the artifact made from it; empty for the artifact asked about."""
    depth: int
    """Steps back from the artifact asked about."""
    source: Source
    manifest: Manifest | None
    """None for a model, and for an artifact that is damaged or has left the store."""
    is_model: bool
    """Whether it came from outside the store."""
    seen: bool
    """Whether it occurred earlier in the chain, with its inputs."""

    def as_json(self) -> dict[str, Any]:
        """The link as an object that JSON can hold."""
        made = self.manifest.model_dump(mode="json") if self.manifest and not self.seen else None
        return {"role": self.role, "depth": self.depth, "name": self.source.name, "key": self.source.key, "made": made}


def find(name: str) -> Path:
    """The folder of an artifact, from a path in it, or from the beginning of its name or key in ``runs/store``.

    Raises:
        UndertoneError: no artifact matches, or several do.
    """
    path = Path(name).resolve()
    for folder in (path, *path.parents) if path.exists() else ():
        if (folder / FILE).is_file():
            return folder
    name = name[:20] if len(name) == 64 else name
    store = Path("runs") / "store"
    known = [manifest.parent for manifest in store.glob(f"[!.]*/{FILE}")]
    fits = [
        folder for folder in known if folder.name.startswith(name) or folder.name.rpartition("-")[2].startswith(name)
    ]
    if len(fits) == 1:
        return fits[0]
    if fits:
        raise UndertoneError(f"{len(fits)} artifacts in {store} begin with {name!r}: give more of the name.")
    if not known:
        raise UndertoneError(f"{name} is not an artifact, and {store} holds none: give a path in a store.")
    raise UndertoneError(f"None of the {len(known)} artifacts in {store} begins with {name!r}: give a path or a name.")


def chain(folder: Path) -> Iterator[Link]:
    """The artifact in ``folder``, followed by everything it was made from, depth first."""
    store, seen = folder.parent, set[str]()
    waiting = [("", 0, Source(key=Manifest.read(folder).key, name=folder.name))]
    while waiting:
        role, depth, source = waiting.pop()
        is_model = not source.name.endswith(f"-{source.key[:20]}")
        manifest = None if is_model else _manifest(store, source)
        yield Link(role, depth, source, manifest, is_model, source.key in seen)
        waiting += [(name, depth + 1, part) for name, part in zip(PARTS, source.parts, strict=False)][::-1]
        if manifest is not None and source.key not in seen:
            seen.add(source.key)
            waiting += [(name, depth + 1, inner) for name, inner in reversed(manifest.inputs.items())]


def _manifest(store: Path, source: Source) -> Manifest | None:
    """The manifest of an artifact in a store; None if it is damaged, of another artifact, or not there."""
    if "/" in source.name:
        return None
    try:
        found = Manifest.read(store / source.name)
    except Damaged:
        return None
    return found if found.key == source.key else None
