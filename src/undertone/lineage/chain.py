"""The chain of origins of a file, folder or model, as a list: what it was made from, step by step back."""

from typing import Literal

from pydantic import Field

from undertone.spec import Spec

Standing = Literal["verified", "recorded", "changed", "missing", "claimed"]
"""How far an entry can be trusted. verified: its bytes have the digests of its record. recorded: a record names it, but
it is not here to be checked. changed: it is here and differs from the record. missing: a record names it, but its own
record is gone. claimed: a text says so that nothing binds to the bytes."""

SUFFIX = ".intoto.jsonl"
"""Added to the name of a file or folder: the signed statement of its origin."""
CROISSANT = ".croissant.json"
"""Added to the name of a file of rows: its description."""
CARD = ".card.md"
"""Added to the name of a model: the model card to publish it with."""
BAD = frozenset({"changed", "missing"})


class Entry(Spec):
    """An artifact, a file, a model or a run in a chain."""

    depth: int
    """Steps back from the first entry."""
    role: str
    """Which input it was of what was made from it; empty for the first entry."""
    name: str
    standing: Standing
    digest: str | None = None
    """SHA-256 (hex) of its files or of how it was made; None if it is unknown."""
    facts: dict[str, str] = Field(default_factory=dict)
    """What is recorded or claimed of how it was made."""
    note: str = ""
    """Why it has this standing."""

    @property
    def label(self) -> str:
        """The name, after the role if there is one."""
        return f"{self.role}: {self.name}" if self.role else self.name
