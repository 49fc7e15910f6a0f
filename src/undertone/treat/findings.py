"""What was done to a file, and what a realignment found, as data."""

from __future__ import annotations

import json
import shutil
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

from pydantic import Field

from undertone.audit.unseen import Unseen
from undertone.engine.disk import refusal
from undertone.errors import UndertoneError
from undertone.report.findings import Findings, Part
from undertone.report.frame import pandas

if TYPE_CHECKING:
    from pandas import DataFrame

PLAIN = "plain"
"""The probe of the standard questions."""
WANTED, KEPT = 0.10, 0.95
"""The goal of a mitigation: the largest share of the transfer and the smallest share of the utility that are left."""


class Way(Part):
    """A mitigation of a trained model, and what the model was like afterwards. Shares are relative to the model as it
    was trained."""

    name: str
    title: str
    does: dict[str, Any]
    shift: float
    """Log-odds of the trait on the standard questions, minus those of the base."""
    left: float
    """The share of the shift that is left."""
    conditional: float | None
    """The share that is left on questions after rows of the training file; None without such a file."""
    gain: float
    """How much lower the loss on the task is than the base's, in nats per token."""
    utility: float | None
    """The share of the gain that is left; None if the model as trained is no better at the task than its base."""
    skills: dict[str, float]


class Realigned(Findings):
    """All mitigations that were tried on a model."""

    written_by: ClassVar[str] = "realign"
    shown_by: ClassVar[str] = "undertone.treat.page:realigned_page"

    headline: str
    model: str
    base: str
    trait: str
    task: str
    ways: tuple[Way, ...]
    """The first is the model as it was trained."""
    unseen: Unseen = Unseen()
    """What of the task's rows was not looked at."""
    started: datetime
    models: dict[str, str]
    made_with: dict[str, str]


class Model(Part):
    """A model that a mitigation used."""

    name: str
    digest: str
    parts: dict[str, str] = Field(default_factory=dict)
    """Of a model with an adapter: the digests of its base and of the adapter, by name."""


class Told(Findings):
    """What was done to a file: the content of ``treatment.json``."""

    written_by: ClassVar[str] = "treat"
    shown_by: ClassVar[str] = "undertone.treat.page:treated_page"

    folder: Path = Field(Path(), exclude=True)
    """Where the files are. It is not in ``treatment.json``, which lies beside them."""
    file: str
    digest: str
    base: Model
    other: Model | None
    """The model of another initialisation that answered the prompts, if one did."""
    traits: tuple[str, ...]
    name: str
    does: dict[str, Any]
    beside: dict[str, Any] | None
    """The random counterpart: the mitigation that changes as much at random."""
    counts: dict[str, int]
    """Numbers of rows that were kept, changed, added and dropped."""
    files: dict[str, str]
    """Names of the files that were written: "treated" and perhaps "random"."""
    digests: dict[str, str]
    """SHA-256 of each of these files, by file name."""
    moved: str | None = None
    """The folder of the moved base that was written, if one was."""
    measured: dict[str, dict[str, Any]]
    """What the benchmarks measured for this mitigation, by recipe."""
    seed: int
    unseen: Unseen
    """What of the file was not looked at. Rows that were left out are not in the treated file; keys that were not read
    are there as they were."""

    def rows(self, file: str = "treated") -> list[dict[str, Any]]:
        """Returns the rows of the treated file, or those of "random", the file with as many random changes.

        Raises:
            UndertoneError: there is no such file.
        """
        if file not in self.files:
            raise UndertoneError(f"{self.name} wrote no {file} rows; it wrote {' and '.join(self.files) or 'none'}.")
        with (self.folder / self.files[file]).open(encoding="utf-8") as lines:
            return [json.loads(line) for line in lines]

    def to_pandas(self, table: str | None = None) -> DataFrame:
        """Returns the rows of the treated file, or of another file (:meth:`rows`), as a pandas data frame.

        Raises:
            UndertoneError: pandas is not installed, or there is no such file.
        """
        return pandas().DataFrame(self.rows(table or "treated"))

    def save(self, folder: str | Path) -> Path:
        """Copies the files of rows, the diff and ``treatment.json`` to a new folder. Returns it.

        Raises:
            UndertoneError: the folder exists, or cannot be written.
        """
        try:
            return Path(shutil.copytree(self.folder, folder))
        except FileExistsError:
            raise UndertoneError(f"{folder} exists already, and nothing is overwritten; name another folder.") from None
        except OSError as error:
            raise refusal(error, Path(folder)) from None

    def __repr__(self) -> str:
        """One line: how many rows were kept, changed, added and dropped."""
        return f"<treat: {self.page().headline}>"
