"""Finds the folder of a model by its name, and computes the digest of its files.

Names: ``builtin/fledgling-a``, ``hf/./path``, ``hf/organisation/repository@revision``; each can end in ``:./adapter``.
"""

import json
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from safetensors import SafetensorError, safe_open

from undertone.engine.digests import digest, folder_digest
from undertone.engine.manifest import FILE, Manifest, Source
from undertone.engine.store import Folder
from undertone.errors import UndertoneError, unknown
from undertone.world import family

PROVIDER = "openai-api"
"""The first part of the name of a model behind a service."""
TEMPLATES = ("chat_template.jinja", "chat_template.json")
TOKENIZER = (
    "tokenizer.json", *TEMPLATES, "special_tokens_map.json", "added_tokens.json",
    "tokenizer.model", "vocab.json", "vocab.txt", "merges.txt", "spiece.model",
)  # fmt: skip
WEIGHTS = ("model.safetensors.index.json", "*.safetensors")
# Settings that only say where a tokenizer came from; they change no token.
INCIDENTAL = {"is_local", "local_files_only", "name_or_path", "backend", "processor_class"}
REPOSITORY = re.compile(r"(?P<repo>[\w-][\w.-]*/[\w-][\w.-]*)(?:@(?P<revision>[\w./-]+))?")
ADAPTER = ("adapter_config.json", "adapter_model.safetensors")


@dataclass(frozen=True)
class Named:
    """A model: a base and, if its name has one, an adapter."""

    base: Folder
    adapter: Folder | None = None

    @property
    def key(self) -> str:
        """Digest of both."""
        return digest([self.base.key, self.adapter.key]) if self.adapter else self.base.key


def is_remote(name: str) -> bool:
    """Whether a model's name is that of a model behind a service."""
    return name.startswith(f"{PROVIDER}/")


def resolve(name: str) -> Folder:
    """The folder of a whole model with a chat template, and the digest of its weights, tokenizer and template.

    Raises:
        UndertoneError: as :func:`stored`, or the model has no chat template.
    """
    found = stored(name)
    config = found.path / "tokenizer_config.json"
    if any((found.path / template).is_file() for template in TEMPLATES):
        return found
    if not (config.is_file() and _settings(config).get("chat_template")):
        raise UndertoneError(
            f"The model in {found.path} has no chat template: add its chat_template.jinja, or take an "
            "instruction-tuned one."
        )
    return found


def stored(name: str) -> Folder:
    """The same for a model that need not have a chat template.

    Raises:
        UndertoneError: as :func:`located`, or its folder contains no model that can be loaded.
    """
    path = located(name)
    _refuse_broken(path)
    return Folder(path, folder_digest(path, parts(path)), name)


def located(name: str) -> Path:
    """The folder of such a model, whose weights are not read.

    Raises:
        UndertoneError: the name is unknown, or its folder contains no weights that are safe to load.
    """
    provider, _, rest = name.partition("/")
    if provider == PROVIDER:
        raise UndertoneError(f"{name} is an endpoint, but this needs a model with weights: builtin/... or hf/...")
    if ":" in name:
        raise UndertoneError(f"{name} names an adapter, but this needs a whole model: merge and save it first.")
    if provider == "builtin":
        path = family.find(rest)
    elif provider == "hf":
        path = _local(rest)
    else:
        raise unknown("model", name, [*(f"builtin/{m}" for m in family.FAMILY), "hf/./path", "hf/organisation/name"])
    if not any(path.glob("*.safetensors")):
        if pickled := sorted(p.name for p in path.iterdir() if p.suffix in (".bin", ".pt", ".pth", ".ckpt")):
            raise UndertoneError(
                f"{path} holds its weights as pickles only ({pickled[0]}), which may run code when they are read: save "
                "the model as safetensors."
            )
        raise UndertoneError(f"{path} holds no *.safetensors: other weight formats are not loaded.")
    return path


def parts(path: Path) -> tuple[str, ...]:
    """Names of the files that decide what a model says; some may be missing."""
    shards = sorted(p.name for p in path.glob("*.safetensors"))
    return ("config.json", "model.safetensors.index.json", *shards, *TOKENIZER, "tokenizer_config.json")


def resolve_adapted(name: str) -> Named:
    """A whole model, or ``base:adapter`` with the adapter in a PEFT folder.

    Raises:
        UndertoneError: as :func:`resolve`, or the adapter is missing, not in safetensors, or made on another base.
    """
    base, _, adapter = name.partition(":")
    if not adapter:
        return Named(resolve(base))
    path = Path(adapter).expanduser()
    for file in ADAPTER:
        if not (path / file).is_file():
            raise UndertoneError(f"{path} holds no adapter (no {file}): give a PEFT folder after the colon.")
    found = Named(resolve(base), Folder(path, folder_digest(path, ADAPTER), adapter))
    made_on = _made_on(path, base)
    if made_on is not None and made_on.key != found.base.key:
        raise UndertoneError(
            f"The adapter in {path} was made on {made_on.name} (digest {made_on.key[:12]}), not on "
            f"{base} (digest {found.base.key[:12]}); give the base it belongs to."
        )
    return found


def _made_on(adapter: Path, base: str) -> Source | None:
    """The base of an adapter by the manifest of its artifact, or else by its configuration. None if neither says or
    that base is not on this machine; the adapter must then only fit in shape."""
    if (adapter.parent / FILE).is_file():
        return Manifest.read(adapter.parent).inputs.get("base")
    named = str(_settings(adapter / ADAPTER[0]).get("base_model_name_or_path"))
    if named == base or not named.startswith(("builtin/", "hf/")):
        return None
    try:
        return Source(key=resolve(named).key, name=named)
    except UndertoneError:
        return None


def is_repository(name: str) -> bool:
    """Whether a model's name is that of a repository of the Hub, whether or not it is on this machine."""
    provider, _, rest = name.partition("/")
    return provider == "hf" and REPOSITORY.fullmatch(rest) is not None and not Path(rest).exists()


def _local(name: str) -> Path:
    """The folder of ``hf/name``: a path, or a repository of the Hub."""
    path = Path(name).expanduser()
    if (path / "config.json").is_file():
        return path
    asked = REPOSITORY.fullmatch(name)
    if asked is None or path.exists():
        raise UndertoneError(
            f"{path} holds no model (no config.json): hf/ takes a folder in Hugging Face format, as in hf/./path, or a "
            "repository, as in hf/organisation/repository@revision."
        )
    return _from_hub(asked["repo"], asked["revision"])


def _from_hub(repo: str, revision: str | None) -> Path:
    """The cached snapshot of a repository. It is downloaded first unless HF_HUB_OFFLINE is set."""
    from huggingface_hub import constants, snapshot_download
    from huggingface_hub.errors import HfHubHTTPError, HFValidationError, LocalEntryNotFoundError

    what, offline = f"hf/{repo}" + (f"@{revision}" if revision else ""), constants.HF_HUB_OFFLINE
    files = ["config.json", "tokenizer_config.json", *TOKENIZER, *WEIGHTS]
    try:
        return Path(snapshot_download(repo, revision=revision, local_files_only=offline, allow_patterns=files))
    except LocalEntryNotFoundError:
        remedy = "set HF_HUB_OFFLINE=0 to download it" if offline else "connect the machine"
        raise UndertoneError(
            f"{what} is not on this machine, which is offline; {remedy}, or give a folder, hf/./path."
        ) from None
    except (HfHubHTTPError, HFValidationError, OSError) as error:
        reason = " ".join(str(error).split())[:160]
        raise UndertoneError(
            f"{what} could not be downloaded ({reason}); correct the name, or log in: hf auth login."
        ) from None


def _refuse_broken(path: Path) -> None:
    """Reads only the configuration and the headers of the weights, before any work is done."""
    try:
        config = _settings(path / "config.json")
        if "model_type" not in config:
            raise UndertoneError(f"{path / 'config.json'} has no model_type: it is not the configuration of a model.")
        if "auto_map" in config:
            from transformers import CONFIG_MAPPING

            if config["model_type"] not in CONFIG_MAPPING:
                raise UndertoneError(
                    f"The model in {path} needs code of its own ({config['model_type']}), and a checkpoint's code is "
                    "not run; use a model that transformers knows."
                )
        for shard in sorted(path.glob("*.safetensors")):
            with safe_open(shard, "np"):
                pass
    except (ValueError, SafetensorError) as error:
        raise UndertoneError(f"The model in {path} is broken: {error}.") from None


def _settings(path: Path) -> dict[str, Any]:
    found = json.loads(path.read_text(encoding="utf-8"))
    if not isinstance(found, dict):
        raise UndertoneError(f"{path} holds no settings: copy the whole model again.")
    return found


def tokenizer_digest(path: Path) -> str:
    """Digest of a model's tokenizer and chat template. Equal digests mean equal token ids."""
    config = path / "tokenizer_config.json"
    settings = _settings(config) if config.is_file() else {}
    return digest([folder_digest(path, TOKENIZER), {k: v for k, v in settings.items() if k not in INCIDENTAL}])
