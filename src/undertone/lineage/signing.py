"""A statement of where a file or folder comes from, signed and written beside it."""

import json
import os
from pathlib import Path

from undertone.engine.disk import refusal
from undertone.errors import UndertoneError
from undertone.lineage.card import write_card
from undertone.lineage.chain import SUFFIX
from undertone.lineage.envelope import sealed
from undertone.lineage.keys import Signer
from undertone.lineage.metadata import write_croissant
from undertone.lineage.show import entries
from undertone.lineage.statement import statement


def signed(path: Path, signer: Signer, out: Path | None) -> dict[str, Path | None]:
    """Writes the statement to ``out``, or else beside ``path`` with a description: Croissant for a file of rows, a card
    for a model. Returns what was written, by what it is.

    Raises:
        UndertoneError: a statement is there already, the chain is broken, or the disk refuses.
    """
    target = out or beside(path)
    text = sealed(json.dumps(statement(path), sort_keys=True, separators=(",", ":")).encode(), signer)
    try:
        with open(os.open(target, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o644), "w", encoding="utf-8") as file:
            file.write(text)
    except FileExistsError:
        raise UndertoneError(
            f"{target} is there already and is not overwritten: give another name with --out."
        ) from None
    except OSError as error:
        raise refusal(error, target) from None
    writers = {"croissant": write_croissant, "card": write_card}
    return {"statement": target} | {
        kind: None if out else write(path, entries(str(path))) for kind, write in writers.items()
    }


def beside(path: Path) -> Path:
    """Where the statement of a file or folder lies."""
    path = path.resolve()
    return path.with_name(path.name + SUFFIX)
