"""The origin of a model as a model card, whose head the Hugging Face hub and this program read.

It lies beside the model, since a file put into it would change what is signed; published, it is the repository's
``README.md``. Like Croissant for rows it is an unsigned claim to whoever reads it.
"""

from collections.abc import Sequence
from pathlib import Path

import yaml

from undertone.engine.disk import write_text
from undertone.lineage.chain import CARD, SUFFIX, Entry

PARTS = {"adapter": "adapter", "model": "finetune"}
"""Folders of weights in an artifact of ours, and what the hub calls such a model."""
ROLES = ("base", "dataset")
"""What of its chain the card's head names: what the model was made from directly."""


def write_card(path: Path, chain: Sequence[Entry]) -> Path | None:
    """Writes ``path`` with ``.card.md`` added; None if ``path`` is no model of known origin, or the card is there."""
    target, relation = path.with_name(path.name + CARD), _relation(path)
    if relation is None or len(chain) < 2 or target.exists():
        return None
    write_text(target, card(path.name, relation, chain))
    return target


def card(name: str, relation: str, chain: Sequence[Entry]) -> str:
    """The card's head (base model, its relation, data sets), and every step of ``chain`` with its standing."""
    parents = {role: [entry.name for entry in chain if (entry.depth, entry.role) == (1, role)] for role in ROLES}
    head = {
        "base_model": parents["base"],
        "base_model_relation": relation,
        "datasets": parents["dataset"],
        "library_name": "peft" if relation == "adapter" else "transformers",
        "tags": ["undertone"],
    }
    told = yaml.safe_dump({key: value for key, value in head.items() if value}, sort_keys=False)
    steps = "\n".join(f"{'  ' * entry.depth}- {_step(entry)}" for entry in chain)
    about = f"Where it comes from, as recorded; {name}{SUFFIX} states it, signed."
    return f"---\n{told}---\n\n# {name}\n\n{about}\n\n{steps}\n"


def _relation(path: Path) -> str | None:
    """What kind of model a folder holds, an artifact of ours or a folder of weights; None if it holds none."""
    if (path / "adapter_config.json").is_file():
        return "adapter"
    if (path / "config.json").is_file():
        return "finetune"
    return next((kind for part, kind in PARTS.items() if (path / part).is_dir()), None)


def _step(entry: Entry) -> str:
    role = f"{entry.role}: " if entry.role else ""
    digest = f" (sha256 {entry.digest})" if entry.digest else ""
    return f"{role}`{entry.name.replace('`', '')}`{digest}, {entry.standing}"
