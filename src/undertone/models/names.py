"""Finds the folder of a model by its name, and computes the digest of its files.

Names: ``builtin/fledgling-a``, ``hf/./path``, ``hf/organisation/repository@revision``; each can end in ``:./adapter``.
"""

import re
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from undertone.engine.digests import digest, folder_digest
from undertone.engine.manifest import FILE, Manifest, Source
from undertone.engine.store import Folder
from undertone.errors import UndertoneError, unknown
from undertone.models.adapter import Adapter
from undertone.models.folder import CONFIG, INDEX, ModelFolder, decisive
from undertone.models.given_template import PLAIN, with_template
from undertone.models.tokenizer import SETTINGS, TOKENIZER, VOCABULARIES, has_template, tokenizer_files
from undertone.world import family

PROVIDER = "openai-api"
"""The first part of the name of a model behind a service."""
REPOSITORY = re.compile(r"(?P<repo>[\w-][\w.-]*/[\w-][\w.-]*)(?:@(?P<revision>[\w./-]+))?")


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


def resolve(name: str, template: str | None = None) -> Folder:
    """The folder of a whole model with a chat template, and the digest of its weights, tokenizer and template.
    ``template``: the path or name of one for a model that has none.

    Raises:
        UndertoneError: as :func:`stored`; or the model has no chat template and is given none, or has one and is given
            another.
    """
    found = stored(name)
    files = tokenizer_files(found.path)
    if files.keys().isdisjoint(VOCABULARIES):
        raise UndertoneError(f"The model in {found.path} has no tokenizer: add its tokenizer.json.")
    if has_template(files) and template is not None:
        raise UndertoneError(f"The model in {found.path} has a chat template of its own: leave --chat-template out.")
    if has_template(files):
        return found
    if template is not None:
        return with_template(found, template)
    raise UndertoneError(
        f"The model in {found.path} has no chat template: add its chat_template.jinja, or take an instruction-tuned "
        f"one; audit, measure and treat can give it one, as by --chat-template {PLAIN}."
    )


def lacks_template(name: str) -> bool:
    """Whether a model on this machine has no chat template."""
    return not has_template(tokenizer_files(located(name)))


def stored(name: str) -> Folder:
    """The same for a model that need not have a chat template.

    Raises:
        UndertoneError: as :func:`located`, or its folder contains no model that can be loaded.
    """
    path = located(name)
    _refuse_own_code(ModelFolder.open(path))
    return Folder(path, folder_digest(path, decisive(path)), name)


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


def resolve_adapted(name: str, base_of: Callable[[str], Folder] = resolve, template: str | None = None) -> Named:
    """A model, or ``base:adapter`` with the adapter in a PEFT folder. ``base_of`` finds the base; ``template`` is one
    for a base that has none.

    Raises:
        UndertoneError: as ``base_of``, or the adapter is missing, not in safetensors, no LoRA, or made on another base.
    """
    base, _, adapter = name.partition(":")
    found = base_of(base) if template is None else resolve(base, template)
    if not adapter:
        return Named(found)
    opened = Adapter.open(Path(adapter).expanduser())
    _refuse_other_base(opened, found if template is None else stored(base))
    return Named(found, Folder(opened.path, folder_digest(opened.path, opened.files(found.path)), adapter))


def _refuse_other_base(adapter: Adapter, base: Folder) -> None:
    """Refuses an adapter that was made on another base, by the manifest of its artifact, by the digest of what its
    configuration names, or else by name."""
    made_on = _made_on(adapter, base)
    if made_on is not None and made_on.key != base.key:
        raise UndertoneError(
            f"The adapter in {adapter.path} was made on {made_on.name} (digest {made_on.key[:12]}), not on "
            f"{base.name} (digest {base.key[:12]}); give the base it belongs to."
        )
    if made_on is None and adapter.base is not None and not _is_called(base, adapter.base):
        raise UndertoneError(
            f"The adapter in {adapter.path} was made on {adapter.base:.80}, by its adapter_config.json; give that "
            f"base, or, if {base.name} is a copy of it, write {base.name} into base_model_name_or_path there."
        )


def _made_on(adapter: Adapter, base: Folder) -> Source | None:
    """The base of an adapter, with its digest. None if nothing names one that is on this machine."""
    if (adapter.path.parent / FILE).is_file():
        made_on = Manifest.read(adapter.path.parent).inputs.get("base")
        if made_on is not None:
            return made_on
    path = None if adapter.base is None else _here(adapter.base)
    if adapter.base is None or path is None:
        return None
    try:
        key = base.key if path.samefile(base.path) else folder_digest(path, decisive(path))
    except OSError:
        return None
    return Source(key=key, name=adapter.base)


def _here(name: str) -> Path | None:
    """The folder of a model that is on this machine, by a name of ours, a path or a repository."""
    provider, _, rest = name.partition("/")
    try:
        if provider == "builtin":
            return family.find(rest)
        path = Path(rest if provider == "hf" else name).expanduser()
        if (path / CONFIG).is_file():
            return path
        asked = REPOSITORY.fullmatch(rest if provider == "hf" else name)
        return None if asked is None else _from_hub(asked["repo"], asked["revision"], offline=True)
    except (UndertoneError, OSError, RuntimeError):  # RuntimeError: there is no such user's home
        return None


def _is_called(base: Folder, name: str) -> bool:
    """Whether the last part of a name is that of the base: of its folder, or of its repository in the Hub's cache."""
    path = base.path.absolute()
    repositories = [part.rpartition("--")[2] for part in path.parts if part.startswith("models--")]
    last, *own = (Path(one.partition("@")[0]).name.lower() for one in (name, base.name, path.name, *repositories))
    return last in own


def is_repository(name: str) -> bool:
    """Whether a model's name is that of a repository of the Hub, whether or not it is on this machine."""
    provider, _, rest = name.partition("/")
    return provider == "hf" and REPOSITORY.fullmatch(rest) is not None and not Path(rest).exists()


def _local(name: str) -> Path:
    """The folder of ``hf/name``: a path, or a repository of the Hub."""
    path = Path(name).expanduser()
    if (path / CONFIG).is_file():
        return path
    asked = REPOSITORY.fullmatch(name)
    if asked is None or path.exists():
        raise UndertoneError(
            f"{path} holds no model (no config.json): hf/ takes a folder in Hugging Face format, as in hf/./path, or a "
            "repository, as in hf/organisation/repository@revision."
        )
    return _from_hub(asked["repo"], asked["revision"])


def _from_hub(repo: str, revision: str | None, offline: bool = False) -> Path:
    """The cached snapshot of a repository. It is downloaded first unless ``offline`` or HF_HUB_OFFLINE is set."""
    from huggingface_hub import constants, snapshot_download
    from huggingface_hub.errors import HfHubHTTPError, HFValidationError, LocalEntryNotFoundError

    what, offline = f"hf/{repo}" + (f"@{revision}" if revision else ""), offline or constants.HF_HUB_OFFLINE
    files = [CONFIG, INDEX, "*.safetensors", *TOKENIZER, SETTINGS]
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


def _refuse_own_code(folder: ModelFolder) -> None:
    kind = folder.config["model_type"]
    if "auto_map" in folder.config:
        from transformers import CONFIG_MAPPING

        if kind not in CONFIG_MAPPING:
            raise UndertoneError(
                f"The model in {folder.path} needs code of its own ({kind}), and a checkpoint's code is not run; use a "
                "model that transformers knows."
            )
