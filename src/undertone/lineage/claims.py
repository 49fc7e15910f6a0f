"""Claims about the origin of a model or a dataset, from adapters, model cards, Croissant and statements.

A signed statement is a claim too, until its signature is verified with a trusted key. A claim can be checked only if
the text gives a digest, as Croissant does for files.
"""

import base64
import binascii
import json
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

from undertone.engine.digests import file_digest
from undertone.engine.manifest import Manifest
from undertone.errors import UndertoneError
from undertone.lineage.chain import CARD, CROISSANT, SUFFIX, Entry, Standing
from undertone.lineage.records import settings
from undertone.reading.files import opened, read_bytes
from undertone.reading.values import json_value, yaml_value

LONGEST = 2**20
"""Bytes of a card in which its head must end."""
MOST = 50
"""Names that are read of one list."""
CATALOGUED = ("croissant.json", "metadata.json")
PARENTS = ("isBasedOn", "prov:wasDerivedFrom", "wasDerivedFrom")
MAKERS = ("prov:wasGeneratedBy", "wasGeneratedBy", "prov:wasAttributedTo", "creator")


def claims(folder: Path, file: Path | None = None) -> Iterator[Entry]:
    """Yields every claim about a folder, or about one file in it. A text that cannot be read is an entry too."""
    about = file or folder
    yield from _read(folder / "card.json", _built)
    yield from _read(folder / "adapter_config.json", _adapter)
    yield from _read(folder / "README.md", _card)
    if folder.name:  # the root of the file system has none
        yield from _read(folder.with_name(folder.name + CARD), _card)
    if about.name:
        yield from _read(about.with_name(about.name + SUFFIX), _stated)
    names = [*([f"{file.name}{CROISSANT}"] if file else []), *CATALOGUED]
    for path in (folder / name for name in names):
        yield from _read(path, lambda path: _croissant(path, file))


def _read(path: Path, claims_of: Callable[[Path], Iterator[Entry]]) -> Iterator[Entry]:
    """Yields the claims in a text; if it cannot be read, an entry that says so."""
    try:
        yield from list(claims_of(path))
    except (FileNotFoundError, NotADirectoryError):
        return
    except (OSError, ValueError, UndertoneError) as error:
        why = error.strerror if isinstance(error, OSError) else error
        yield Entry(depth=1, role="text", name=path.name, standing="claimed", note=f"cannot be read: {why}")


def _claim(role: str, name: str, source: Path, facts: Mapping[str, object] | None = None) -> Entry:
    told = {key: str(value) for key, value in (facts or {}).items()}
    return Entry(depth=1, role=role, name=name, standing="claimed", facts=told, note=f"says {source.name}")


def _built(path: Path) -> Iterator[Entry]:
    """Reads seeds and corpus from the card of a model of the embedded world."""
    card = _json(path)
    seeds = card.get("member")
    if isinstance(seeds, dict):
        yield _claim("corpus", f"world {card.get('world')}", path, seeds | {"sha256": card.get("corpus_sha256")})


def _adapter(path: Path) -> Iterator[Entry]:
    config = _json(path)
    for name in _names(config.get("base_model_name_or_path")):
        known = {key: config[key] for key in ("peft_type", "r", "lora_alpha", "revision") if config.get(key)}
        yield _claim("base", name, path, known)


def _card(path: Path) -> Iterator[Entry]:
    """Reads the YAML head of a model's or dataset's card."""
    with opened(path) as file:
        text = file.read(LONGEST).decode("utf-8", "replace")
    head = text.split("---", 2)[1] if text.startswith("---") and text.count("---") > 1 else ""
    value = yaml_value(head)
    told = value if isinstance(value, dict) else {}
    relation = told.get("base_model_relation")
    for name in _names(told.get("base_model")):
        yield _claim("base", name, path, {"relation": relation} if isinstance(relation, str) else {})
    for key in ("datasets", "source_datasets"):
        for name in _names(told.get(key)):
            yield _claim("dataset", name, path)


def _croissant(path: Path, file: Path | None) -> Iterator[Entry]:
    told = _json(path)
    if "croissant" not in json.dumps([told.get("conformsTo"), told.get("@context")]).lower():
        return
    for key in MAKERS:
        for name in _names(told.get(key)):
            yield _claim("made by", name, path)
    for key in PARENTS:
        for name in _names(told.get(key)):
            yield _claim("derived from", name, path)
    for one in _list(told.get("distribution")):
        entry = _file(one, path, file) if isinstance(one, dict) else None
        if entry is not None:
            yield entry


def _stated(path: Path) -> Iterator[Entry]:
    """Reads the chain in a signed statement. Signature and keys are not checked here, but by ``verify``."""
    try:
        making = json_value(_decoded(_json(path)["payload"]))["predicate"]["buildDefinition"]
        texts = [one["content"] for one in making["resolvedDependencies"] if "content" in one]
    except (KeyError, TypeError, IndexError):
        raise ValueError("it states no chain of making") from None
    made = [Manifest.parse(_decoded(text), path) for text in texts[:MOST]]
    for manifest in made:
        yield _claim(manifest.stage, f"{manifest.stage}-{manifest.key[:20]}", path, settings(manifest))
        for role, source in manifest.inputs.items():
            parent = _claim(role, source.name, path)
            yield parent.model_copy(update={"depth": 2, "digest": source.key})


def _file(described: dict[str, Any], card: Path, file: Path | None) -> Entry | None:
    """Compares a file that Croissant gives a digest of with the file of that name here."""
    name, digest = str(described.get("contentUrl") or described.get("name") or ""), described.get("sha256")
    here = card.parent / Path(name).name  # The text must not lead to a path elsewhere.
    if not isinstance(digest, str) or not here.is_file() or (file is not None and here.name != file.name):
        return None
    same = file_digest(here) == digest.lower()
    note = f"its bytes {'have' if same else 'do not have'} the digest in {card.name}"
    standing: Standing = "claimed" if same else "changed"
    return Entry(depth=1, role="file", name=here.name, standing=standing, digest=digest, note=note)


def _names(value: object) -> list[str]:
    """Returns the names in a text, a list of texts, or objects with a name, @id or url, each once."""
    found = []
    for one in _list(value):
        name = next((one[k] for k in ("name", "@id", "url") if one.get(k)), None) if isinstance(one, dict) else one
        if isinstance(name, str) and name.strip():
            found.append(name.strip()[:200])
    return list(dict.fromkeys(found))


def _list(value: object) -> list[Any]:
    return value[:MOST] if isinstance(value, list) else [] if value is None else [value]


def _decoded(text: str) -> bytes:
    try:
        return base64.b64decode(text, validate=True)
    except binascii.Error as error:
        raise ValueError(f"not base64 ({error})") from None


def _json(path: Path) -> dict[str, Any]:
    value = json_value(read_bytes(path))
    return value if isinstance(value, dict) else {}
