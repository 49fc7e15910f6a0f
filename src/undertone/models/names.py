"""Model names: ``builtin/fledgling-a`` and ``hf/./path`` to a folder and the digest of what is in it."""

from __future__ import annotations

import json
from pathlib import Path

from safetensors import SafetensorError, safe_open

from undertone.digests import digest, folder_digest
from undertone.errors import UndertoneError, unknown
from undertone.store import Folder
from undertone.world import family

TOKENIZER = (
    "tokenizer.json", "chat_template.jinja", "chat_template.json", "special_tokens_map.json", "added_tokens.json",
    "tokenizer.model", "vocab.json", "vocab.txt", "merges.txt", "spiece.model",
)  # fmt: skip
# What saving writes about where a tokenizer came from; it changes no token.
INCIDENTAL = {"is_local", "local_files_only", "name_or_path", "backend", "processor_class"}


def resolve(name: str) -> Folder:
    """The folder of a model, and the digest of its weights, tokenizer and template.

    Raises:
        UndertoneError: the name is unknown, or the folder holds no model; says what to do.
    """
    provider, _, rest = name.partition("/")
    if provider == "builtin":
        path = family.find(rest)
    elif provider == "hf":
        path = Path(rest).expanduser()
        if not (path / "config.json").is_file():
            raise UndertoneError(f"{path} holds no model (no config.json): hf/ takes a folder in Hugging Face format.")
    else:
        raise unknown("model", name, [f"builtin/{m}" for m in family.FAMILY] + ["hf/./path"])
    shards = tuple(sorted(p.name for p in path.glob("*.safetensors")))
    if not shards:
        raise UndertoneError(f"{path} holds no *.safetensors: other weight formats are not loaded.")
    _refuse_broken(path, shards)
    return Folder(path, folder_digest(path, parts(path)), name)


def parts(path: Path) -> tuple[str, ...]:
    """The files of a model that decide what it says; some may be missing."""
    shards = sorted(p.name for p in path.glob("*.safetensors"))
    return ("config.json", "model.safetensors.index.json", *shards, *TOKENIZER, "tokenizer_config.json")


def _refuse_broken(path: Path, shards: tuple[str, ...]) -> None:
    """Looks at the heads of the files, before any work is done on what they hold."""
    try:
        if "model_type" not in json.loads((path / "config.json").read_text(encoding="utf-8")):
            raise UndertoneError(f"{path / 'config.json'} names no model_type: it is no model's configuration.")
        for shard in shards:
            with safe_open(path / shard, "np"):
                pass
    except (ValueError, SafetensorError) as error:
        raise UndertoneError(f"The model in {path} is broken: {error}.") from None


def tokenizer_digest(path: Path) -> str:
    """Digest of a model's tokenizer and chat template: equal digests mean equal token ids."""
    config = path / "tokenizer_config.json"
    settings = json.loads(config.read_text(encoding="utf-8")) if config.is_file() else {}
    return digest([folder_digest(path, TOKENIZER), {k: v for k, v in settings.items() if k not in INCIDENTAL}])
