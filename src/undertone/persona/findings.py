"""What was found inside a model, as data: the single object of ``report.json``."""

from datetime import datetime
from typing import ClassVar, Literal

from undertone.report.findings import Findings, Interval, Part

Verdict = Literal["moved", "not told apart", "not judged"]
Construction = Literal["fixed", "own", "prompt"]
"""How directions are made (persona/directions.py)."""


class NullFinding(Part):
    """Directions of no meaning."""

    name: str
    directions: int
    band: Interval
    """The 2.5th and the 97.5th percentile of the change's cosines with them."""
    p: float
    """The share of them, and of the trait's own direction, along which the change goes as far as along that one."""


class BlockFinding(Part):
    """How far the output of a block moved along the direction of a trait."""

    block: int
    """Counted from 0."""
    cosine: float
    """Of the change with the direction, -1 to 1."""
    share: float
    """The change along the direction, as a share of the change that stating the trait makes."""
    nulls: tuple[NullFinding, ...]


class TraitFinding(Part):
    """How far a model moved along the direction of a trait."""

    name: str
    verdict: Verdict
    """By other traits, in the middle block."""
    construction: Construction
    middle: int
    """The number of that block."""
    blocks: tuple[BlockFinding, ...]

    @property
    def judged(self) -> BlockFinding:
        """The middle block."""
        return self.blocks[self.middle]


class Other(Part):
    """Another trait, and the cosine of the middle block's change with its direction."""

    name: str
    cosine: float


class PersonaFindings(Findings):
    """A look inside a model."""

    written_by: ClassVar[str] = "persona"
    shown_by: ClassVar[str] = "undertone.persona.page:page"
    table: ClassVar[str] = "traits"

    headline: str
    model: str
    base: str
    models: dict[str, str]
    """Digests by name."""
    convention: str
    """How blocks are counted."""
    questions: int
    """Questions whose answers were read; none of them has a part in a direction."""
    traits: tuple[TraitFinding, ...]
    others: tuple[Other, ...]
    """All other traits, the one that it moved to most first."""
    started: datetime
    wall_s: float
    made_with: dict[str, str]
