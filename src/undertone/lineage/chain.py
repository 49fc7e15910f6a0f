"""A chain of origins as a list: what a thing was made of, step by step back, and how far each step can be trusted."""

from typing import Literal

from pydantic import Field

from undertone.spec import Spec

Standing = Literal["verified", "recorded", "changed", "missing", "claimed"]
"""verified: its bytes have the digests of its record. recorded: a record of ours names it, but it is not here to be
checked. changed: it is here and is not what was recorded. missing: a record names it, and its own record is gone.
claimed: somebody says so, in a text that nothing binds to the bytes."""

SUFFIX = ".intoto.jsonl"
"""Ending of the file beside a thing that holds the signed statement of its origin."""
CROISSANT = ".croissant.json"
"""Ending of the file beside a file of rows that describes it."""
CARD = ".card.md"
"""Ending of the file beside a model that describes it: the model card to publish it with."""
BAD = frozenset({"changed", "missing"})


class Entry(Spec):
    """One thing of a chain."""

    depth: int
    """Steps back from the thing asked for."""
    role: str
    """What it is to the thing made from it; empty for the thing asked for."""
    name: str
    standing: Standing
    digest: str | None = None
    """Of its making or of its files, SHA-256 (hex); None if nobody says."""
    facts: dict[str, str] = Field(default_factory=dict)
    """What is known, or said, of how it was made."""
    note: str = ""
    """Why it has this standing."""
