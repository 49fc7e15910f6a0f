"""Signs the origin of a file or folder and writes the statement beside it."""

import json
import os
from pathlib import Path

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from undertone.engine.disk import refusal
from undertone.errors import UndertoneError
from undertone.lineage.chain import SUFFIX
from undertone.lineage.descriptions import write_card, write_croissant
from undertone.lineage.envelope import sealed
from undertone.lineage.show import entries
from undertone.lineage.statement import statement


def signed(path: Path, key: Ed25519PrivateKey, out: Path | None) -> dict[str, Path | None]:
    """Writes the statement to ``out``, or else beside ``path`` with a description: Croissant for a file of rows, a card
    for a model. Returns the files that were written, with None for a description that was not.

    Raises:
        UndertoneError: a statement exists already or would be in the folder that it is about, the chain is broken, or
            the file cannot be written.
    """
    target = out or beside(path)
    if path.is_dir() and target.resolve().is_relative_to(path.resolve()):
        raise UndertoneError(f"{target} is in {path}, so it would be a part of what it states: give another --out.")
    text = sealed(json.dumps(statement(path), sort_keys=True, separators=(",", ":")).encode(), key)
    try:
        with open(os.open(target, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o644), "w", encoding="utf-8") as file:
            file.write(text)
    except FileExistsError:
        raise UndertoneError(f"{target} exists already and is not overwritten: give another name with --out.") from None
    except OSError as error:
        raise refusal(error, target) from None
    if out:
        return {"statement": target, "croissant": None, "card": None}
    chain = entries(str(path))
    return {"statement": target, "croissant": write_croissant(path, chain), "card": write_card(path, chain)}


def beside(path: Path) -> Path:
    """Returns the path of the statement of a file or folder."""
    path = path.resolve()
    return path.with_name(path.name + SUFFIX)
