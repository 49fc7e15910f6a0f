"""The origin of a file of rows as Croissant, which catalogues of datasets read.

It is an unsigned claim to whoever reads it; the statement beside it is what can be verified.
"""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from undertone.engine.digests import file_digest
from undertone.engine.disk import write_text
from undertone.lineage.chain import CROISSANT, SUFFIX, Entry

# The context that the Croissant specification, version 1.0, prescribes word for word.
CONTEXT: dict[str, Any] = {
    "@language": "en", "@vocab": "https://schema.org/", "citeAs": "cr:citeAs", "column": "cr:column",
    "conformsTo": "dct:conformsTo", "cr": "http://mlcommons.org/croissant/",
    "rai": "http://mlcommons.org/croissant/RAI/", "data": {"@id": "cr:data", "@type": "@json"},
    "dataType": {"@id": "cr:dataType", "@type": "@vocab"}, "dct": "http://purl.org/dc/terms/",
    "examples": {"@id": "cr:examples", "@type": "@json"}, "extract": "cr:extract", "field": "cr:field",
    "fileProperty": "cr:fileProperty", "fileObject": "cr:fileObject", "fileSet": "cr:fileSet", "format": "cr:format",
    "includes": "cr:includes", "isLiveDataset": "cr:isLiveDataset", "jsonPath": "cr:jsonPath", "key": "cr:key",
    "md5": "cr:md5", "parentField": "cr:parentField", "path": "cr:path", "recordSet": "cr:recordSet",
    "references": "cr:references", "regex": "cr:regex", "repeated": "cr:repeated", "replace": "cr:replace",
    "sc": "https://schema.org/", "separator": "cr:separator", "source": "cr:source", "subField": "cr:subField",
    "transform": "cr:transform", "prov": "http://www.w3.org/ns/prov#",
}  # fmt: skip


ROWS = (".jsonl", ".json", ".parquet", ".jsonl.gz", ".jsonl.zst")
"""Endings of files of rows."""


def write_croissant(path: Path, chain: Sequence[Entry]) -> Path | None:
    """Writes ``path`` with ``.croissant.json`` added; None if ``path`` is no file of rows, or it is there."""
    target = path.with_name(path.name + CROISSANT)
    if not path.is_file() or not path.name.endswith(ROWS) or target.exists():
        return None
    write_text(target, croissant(path, chain))
    return target


def croissant(path: Path, chain: Sequence[Entry]) -> str:
    """Croissant 1.0 for a file of rows, with what it was derived from in the terms of PROV-O."""
    told = {
        "@context": CONTEXT,
        "@type": "sc:Dataset",
        "conformsTo": "http://mlcommons.org/croissant/1.0",
        "name": path.stem,
        "description": f"Rows of which {path.name}{SUFFIX} states the origin, signed.",
        "prov:wasDerivedFrom": [{"@id": f"urn:undertone:{one.name}", "name": one.name} for one in _parents(chain)],
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


def _parents(chain: Sequence[Entry]) -> list[Entry]:
    """Everything further back, each once."""
    return list({one.name: one for one in chain if one.depth}.values())
