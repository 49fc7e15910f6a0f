"""Model names: ``builtin/fledgling-a`` and ``hf/./path`` to a folder and the digest of what is in it."""

from __future__ import annotations

from pathlib import Path

from undertone.errors import UndertoneError, unknown
from undertone.store import Folder, folder_digest
from undertone.world import family

WEIGHTS = ("config.json", "model.safetensors", "model.safetensors.index.json")
TOKENIZER = ("tokenizer.json", "tokenizer_config.json", "chat_template.jinja", "special_tokens_map.json")


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
    return Folder(path, folder_digest(path, tuple(dict.fromkeys((*WEIGHTS, *shards, *TOKENIZER)))))


def tokenizer_digest(path: Path) -> str:
    """Digest of a model's tokenizer and chat template: equal digests mean equal token ids."""
    return folder_digest(path, TOKENIZER)
