"""Model names to folders and the digest of what is in them.

``builtin/fledgling-a``, ``hf/./path``, ``hf/organisation/repository@revision``, each perhaps with ``:./adapter``.
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

TEMPLATES = ("chat_template.jinja", "chat_template.json")
TOKENIZER = (
    "tokenizer.json", *TEMPLATES, "special_tokens_map.json", "added_tokens.json",
    "tokenizer.model", "vocab.json", "vocab.txt", "merges.txt", "spiece.model",
)  # fmt: skip
WEIGHTS = ("model.safetensors.index.json", "*.safetensors")
# What saving writes about where a tokenizer came from; it changes no token.
INCIDENTAL = {"is_local", "local_files_only", "name_or_path", "backend", "processor_class"}
REPOSITORY = re.compile(r"(?P<repo>[\w-][\w.-]*/[\w-][\w.-]*)(?:@(?P<revision>[\w./-]+))?")
ADAPTER = ("adapter_config.json", "adapter_model.safetensors")


@dataclass(frozen=True)
class Named:
    """What a model's name stands for: a base, and perhaps an adapter on it."""

    base: Folder
    adapter: Folder | None = None

    @property
    def key(self) -> str:
        """Digest of all of it."""
        return digest([self.base.key, self.adapter.key]) if self.adapter else self.base.key


def resolve(name: str) -> Folder:
    """The folder of a whole model that can be asked, and the digest of its weights, tokenizer and template.

    Raises:
        UndertoneError: the name is unknown, or the folder holds no model that is loaded here, or one without a chat
            template; says what to do.
    """
    found = stored(name)
    _refuse_mute(found.path)
    return found


def stored(name: str) -> Folder:
    """The same, whether or not it has a chat template: for those who only look at its weights.

    Raises:
        UndertoneError: as :func:`resolve`.
    """
    provider, _, rest = name.partition("/")
    if provider == "openai-api":
        raise UndertoneError(f"{name} is an endpoint, and here a model with weights is needed: builtin/... or hf/...")
    if ":" in name:
        raise UndertoneError(f"{name} names an adapter, and here a whole model is needed: merge and save it first.")
    if provider == "builtin":
        path = family.find(rest)
    elif provider == "hf":
        path = _local(rest)
    else:
        raise unknown("model", name, [*(f"builtin/{m}" for m in family.FAMILY), "hf/./path", "hf/organisation/name"])
    shards = tuple(sorted(p.name for p in path.glob("*.safetensors")))
    if not shards:
        raise _no_weights(path)
    _refuse_broken(path, shards)
    return Folder(path, folder_digest(path, parts(path)), name)


def parts(path: Path) -> tuple[str, ...]:
    """The files of a model that decide what it says; some may be missing."""
    shards = sorted(p.name for p in path.glob("*.safetensors"))
    return ("config.json", "model.safetensors.index.json", *shards, *TOKENIZER, "tokenizer_config.json")


def resolve_adapted(name: str) -> Named:
    """A whole model, or ``base:adapter`` where the adapter is a PEFT folder.

    Raises:
        UndertoneError: as :func:`resolve`; or the adapter is missing, no safetensors, or made on another base.
    """
    base, _, adapter = name.partition(":")
    if not adapter:
        return Named(resolve(base))
    path = Path(adapter).expanduser()
    for file in ADAPTER:
        if not (path / file).is_file():
            raise UndertoneError(f"{path} holds no adapter (no {file}): what follows the colon is a PEFT folder.")
    found = Named(resolve(base), Folder(path, folder_digest(path, ADAPTER), adapter))
    _refuse_other_base(found, path)
    return found


def _refuse_other_base(named: Named, adapter: Path) -> None:
    made_on = _made_on(adapter, named.base.name)
    if made_on is not None and made_on.key != named.base.key:
        raise UndertoneError(
            f"The adapter in {adapter} was made on {made_on.name} (digest {made_on.key[:12]}), not on "
            f"{named.base.name} (digest {named.base.key[:12]}); give the base it belongs to."
        )


def _made_on(adapter: Path, base: str) -> Source | None:
    """The base of an adapter: as the manifest of its artifact says, or else as its configuration says, if that base is
    here. None if nobody knows: the adapter must then fit in shape."""
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
    """Whether a model's name is that of a repository of the Hub, here or not."""
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
    """The cached snapshot of a repository; fetched first, unless the machine is to stay offline."""
    from huggingface_hub import constants, snapshot_download
    from huggingface_hub.errors import HfHubHTTPError, HFValidationError, LocalEntryNotFoundError

    what = f"hf/{repo}" + (f"@{revision}" if revision else "")
    try:
        return Path(
            snapshot_download(
                repo,
                revision=revision,
                local_files_only=constants.HF_HUB_OFFLINE,
                allow_patterns=["config.json", "tokenizer_config.json", *TOKENIZER, *WEIGHTS],
            )
        )
    except LocalEntryNotFoundError:
        remedy = (
            "set HF_HUB_OFFLINE=0 to fetch it, or give a folder, hf/./path"
            if constants.HF_HUB_OFFLINE
            else "connect the machine, or give a folder, hf/./path"
        )
        raise UndertoneError(f"{what} is not on this machine, which is offline; {remedy}.") from None
    except (HfHubHTTPError, HFValidationError, OSError) as error:
        told = " ".join(str(error).split())[:160]
        raise UndertoneError(
            f"{what} could not be fetched ({told}); mend the name, or log in: hf auth login."
        ) from None


def _no_weights(path: Path) -> UndertoneError:
    pickled = sorted(p.name for p in path.iterdir() if p.suffix in (".bin", ".pt", ".pth", ".ckpt"))
    if pickled:
        return UndertoneError(
            f"{path} holds its weights as pickles only ({pickled[0]}), which may run code when they are read: save the "
            "model as safetensors."
        )
    return UndertoneError(f"{path} holds no *.safetensors: other weight formats are not loaded.")


def _refuse_broken(path: Path, shards: tuple[str, ...]) -> None:
    """Looks at the heads of the files, before any work is done on what they hold."""
    try:
        config = _settings(path / "config.json")
        if "model_type" not in config:
            raise UndertoneError(f"{path / 'config.json'} names no model_type: it is no model's configuration.")
        if "auto_map" in config and not _known(config["model_type"]):
            raise UndertoneError(
                f"The model in {path} needs code of its own ({config['model_type']}), and a checkpoint's code is "
                "not run; use a model that transformers knows."
            )
        for shard in shards:
            with safe_open(path / shard, "np"):
                pass
    except (ValueError, SafetensorError) as error:
        raise UndertoneError(f"The model in {path} is broken: {error}.") from None


def _known(kind: str) -> bool:
    from transformers import CONFIG_MAPPING

    return kind in CONFIG_MAPPING


def _refuse_mute(path: Path) -> None:
    """Without a chat template there is no telling how a question is put."""
    config = path / "tokenizer_config.json"
    if any((path / name).is_file() for name in TEMPLATES):
        return
    if not (config.is_file() and _settings(config).get("chat_template")):
        raise UndertoneError(
            f"The model in {path} has no chat template: add its chat_template.jinja, or take an instruction-tuned one."
        )


def _settings(path: Path) -> dict[str, Any]:
    found = json.loads(path.read_text(encoding="utf-8"))
    if not isinstance(found, dict):
        raise UndertoneError(f"{path} holds no settings: copy the model again whole.")
    return found


def tokenizer_digest(path: Path) -> str:
    """Digest of a model's tokenizer and chat template: equal digests mean equal token ids."""
    config = path / "tokenizer_config.json"
    settings = _settings(config) if config.is_file() else {}
    return digest([folder_digest(path, TOKENIZER), {k: v for k, v in settings.items() if k not in INCIDENTAL}])
