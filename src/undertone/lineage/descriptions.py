"""Descriptions of origin for hubs and catalogues: Croissant for a file of rows, a model card for a model.

They are unsigned claims to whoever reads them; only the statement beside them can be verified. A model card lies beside
the folder, since a file in it would change what is signed. Published, it is the repository's ``README.md``.
"""

import json
from collections.abc import Sequence
from importlib.resources import files
from pathlib import Path

from undertone.engine.digests import file_digest
from undertone.engine.disk import write_text
from undertone.lineage.chain import CARD, CROISSANT, SUFFIX, Entry
from undertone.reading.hostile import one_line

ROWS = (".jsonl", ".json", ".parquet", ".jsonl.gz", ".jsonl.zst")
"""Endings of files of rows."""
WEIGHTS = {"adapter": "adapter", "model": "finetune"}
"""Folders of weights in an artifact, and what the Hugging Face hub calls such a model."""


def write_croissant(path: Path, chain: Sequence[Entry]) -> Path | None:
    """Writes ``path`` with ``.croissant.json`` added. Returns None if ``path`` is no file of rows."""
    if not path.is_file() or not path.name.endswith(ROWS):
        return None
    return _written(path, CROISSANT, croissant(path, chain))


def write_card(path: Path, chain: Sequence[Entry]) -> Path | None:
    """Writes ``path`` with ``.card.md`` added. Returns None if ``path`` is no model of known origin."""
    relation = _relation(path)
    if relation is None or len(chain) < 2:
        return None
    return _written(path, CARD, card(path.name, relation, chain))


def _written(path: Path, ending: str, text: str) -> Path | None:
    """Writes a description beside ``path``. Returns None if one exists, which is not overwritten."""
    target = path.with_name(path.name + ending)
    if target.exists():
        return None
    write_text(target, text)
    return target


def croissant(path: Path, chain: Sequence[Entry]) -> str:
    """Describes a file of rows in Croissant 1.0, and in PROV-O's terms everything that it was derived from."""
    names = dict.fromkeys(entry.name for entry in chain if entry.depth)
    told = {
        # The specification prescribes the context word for word.
        "@context": json.loads(files("undertone.lineage").joinpath("croissant.json").read_text("utf-8")),
        "@type": "sc:Dataset",
        "conformsTo": "http://mlcommons.org/croissant/1.0",
        "name": path.stem,
        "description": f"Rows whose origin is stated and signed in {path.name}{SUFFIX}.",
        "prov:wasDerivedFrom": [{"@id": f"urn:undertone:{name}", "name": name} for name in names],
        "distribution": [
            {
                "@type": "cr:FileObject",
                "@id": path.name,
                "name": path.name,
                "contentUrl": path.name,
                "contentSize": f"{path.stat().st_size} B",
                "encodingFormat": "application/jsonlines",
                "sha256": file_digest(path),
            }
        ],
    }
    return json.dumps(told, indent=1) + "\n"


def card(name: str, relation: str, chain: Sequence[Entry]) -> str:
    """Describes a model in a model card: its direct parents in the head, and in the text every step of ``chain``."""
    from huggingface_hub import ModelCardData

    parents = {
        role: [entry.name for entry in chain if (entry.depth, entry.role) == (1, role)] or None
        for role in ("base", "dataset")
    }
    head = ModelCardData(
        base_model=parents["base"],
        base_model_relation=relation,
        datasets=parents["dataset"],
        library_name="peft" if relation == "adapter" else "transformers",
        tags=["undertone"],
    )
    steps = "\n".join(f"{'  ' * entry.depth}- {_step(entry)}" for entry in chain)
    about = f"Where it comes from, as recorded; {name}{SUFFIX} states it, signed."
    return f"---\n{head.to_yaml()}\n---\n\n# {name}\n\n{about}\n\n{steps}\n"


def _relation(path: Path) -> str | None:
    """Returns what kind of model is in a folder of weights or in an artifact; None if there is none."""
    if (path / "adapter_config.json").is_file():
        return "adapter"
    if (path / "config.json").is_file():
        return "finetune"
    return next((kind for part, kind in WEIGHTS.items() if (path / part).is_dir()), None)


def _step(entry: Entry) -> str:
    role = f"{entry.role}: " if entry.role else ""
    digest = f" (sha256 {entry.digest})" if entry.digest else ""
    return f"{role}`{one_line(entry.name).replace('`', '')}`{digest}, {entry.standing}"
