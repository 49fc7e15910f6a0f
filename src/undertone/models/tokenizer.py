"""The files of a model's tokenizer and chat template: the base's, or those that an adapter brings."""

import json
from collections.abc import Mapping
from math import prod
from pathlib import Path
from typing import Any

from undertone.engine.digests import digest, file_digest
from undertone.errors import UndertoneError
from undertone.models.settings import refuse_elsewhere, refuse_odd, settings
from undertone.world import family

SETTINGS = "tokenizer_config.json"
TEMPLATE = "chat_template.jinja"
VOCABULARIES = ("tokenizer.json", "tokenizer.model", "vocab.json", "vocab.txt", "spiece.model")
TOKENIZER = (*VOCABULARIES, TEMPLATE, "special_tokens_map.json", "added_tokens.json", "merges.txt")
# Settings that only say where a tokenizer came from; they change no token.
INCIDENTAL = {"is_local", "local_files_only", "name_or_path", "backend", "processor_class"}
LARGEST = 2**28
"""Most bytes of a file."""
GROWTH = 1_000
"""How many times longer a tokenizer may make a text."""


def tokenizer_files(base: Path, adapter: Path | None = None) -> dict[str, Path]:
    """The files by name. An adapter's are used only where they differ from the base's.

    Raises:
        UndertoneError: a file is broken or names others, or what the adapter brings is not whole.
    """
    files = _present(base)
    own = {} if adapter is None else _present(adapter)
    if not own or _digest(own) == _digest(files):
        return files
    if own.keys() == {TEMPLATE}:
        return files | own
    if own.keys().isdisjoint(VOCABULARIES):
        raise UndertoneError(f"{adapter} has parts of a tokenizer only ({', '.join(own)}); add its tokenizer.json.")
    if not has_template(own):
        raise UndertoneError(
            f"The tokenizer in {adapter} has no chat template; add its chat_template.jinja, or remove the files of the "
            "tokenizer to use the base's."
        )
    return own


def has_template(files: Mapping[str, Path]) -> bool:
    """Whether a tokenizer has a chat template."""
    return TEMPLATE in files or (SETTINGS in files and bool(settings(files[SETTINGS]).get("chat_template")))


def tokenizer_digest(base: Path, adapter: Path | None = None) -> str:
    """Digest of a model's tokenizer and chat template. Equal digests mean equal token ids."""
    return _digest(tokenizer_files(base, adapter))


def refuse_strangers(base: str, folders: Mapping[str, Path]) -> None:
    """Raises UndertoneError if one of some models has another tokenizer or chat template than the base that is called
    ``base``. ``folders``: of all of them, by name."""
    own = tokenizer_digest(folders[base])
    for name, folder in folders.items():
        if tokenizer_digest(folder) != own:
            raise UndertoneError(
                f"{name} has another tokenizer or chat template than {base}, so both would read other text: give the "
                "base that it was trained from with --base."
            )


def of_the_world(base: Path) -> bool:
    """Returns whether a model has one of the tokenizers of the embedded world's models."""
    return is_of_the_world(tokenizer_digest(base))


def is_of_the_world(tokenizer: str) -> bool:
    """Returns whether a tokenizer of this digest is one of the embedded world's."""
    known = [family.find(name) for name in ("fledgling-a", "fledgling-t") if family.is_here(name)]
    return tokenizer in map(tokenizer_digest, known)


def refuse_unruly(tokenizer: Any) -> None:
    """Raises ValueError if a loaded tokenizer has no tokens, splits words at random, or makes texts endlessly
    long."""
    inner = getattr(tokenizer, "backend_tokenizer", None)
    rules = [rule for rule in (getattr(inner, "normalizer", None), getattr(inner, "decoder", None)) if rule is not None]
    if not tokenizer.get_vocab():
        raise ValueError("there are no tokens")
    if getattr(getattr(inner, "model", None), "dropout", None):
        raise ValueError("it splits words at random, by its setting dropout")
    if any(_growth(json.loads(rule.__getstate__())) > GROWTH for rule in rules):
        raise ValueError(f"it can make a text over {GROWTH} times longer")


def _growth(rule: dict[str, Any]) -> float:
    """How many times longer a normalizer or decoder can make a text, but for the few characters of other rules."""
    parts = rule.get("normalizers") or rule.get("decoders") or []
    if rule.get("type") != "Replace":
        return prod(map(_growth, parts))
    content, pattern = len(rule["content"]), rule["pattern"]
    return max(1.0, content / max(1, len(pattern["String"])) if "String" in pattern else 1 + content)


def _digest(files: Mapping[str, Path]) -> str:
    told = settings(files[SETTINGS]) if SETTINGS in files else {}
    digests = {name: file_digest(path) for name, path in files.items() if name != SETTINGS}
    return digest([digest(digests), {k: v for k, v in told.items() if k not in INCIDENTAL}])


def _present(folder: Path) -> dict[str, Path]:
    found = {name: folder / name for name in (*TOKENIZER, SETTINGS) if (folder / name).is_file()}
    for path in found.values():
        refuse_odd(path)
        if path.stat().st_size > LARGEST:
            raise UndertoneError(f"{path} has over {LARGEST:,} bytes; it is no part of a tokenizer.")
    if SETTINGS in found:
        refuse_elsewhere(settings(found[SETTINGS]), found[SETTINGS])
    more = folder / "additional_chat_templates"
    if any(more.glob("*.jinja")):
        raise UndertoneError(
            f"{more} holds further chat templates, and which is meant cannot be told; keep only chat_template.jinja."
        )
    return found
