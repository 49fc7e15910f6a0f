"""Finds the folder of a model by its name, and computes the digest of its files.

Names: ``builtin/fledgling-a``; a folder, such as ``./path``; ``organisation/repository@revision`` on the Hub. ``hf/``
may stand before the last two. Each can be followed by ``:`` and the folder of an adapter, or of a student or teacher in
a store of artifacts.
"""

import re
from difflib import get_close_matches
from pathlib import Path

from undertone.engine.digests import folder_digest
from undertone.engine.manifest import FILE, Manifest, Source
from undertone.engine.store import Folder
from undertone.errors import UndertoneError
from undertone.models import hub
from undertone.models.adapted import adapted, merged
from undertone.models.adapter import CONFIG as ADAPTER_CONFIG
from undertone.models.adapter import Adapter
from undertone.models.folder import CONFIG, ModelFolder, decisive
from undertone.models.given_template import PLAIN, with_template
from undertone.models.tokenizer import VOCABULARIES, has_template, tokenizer_files
from undertone.world import family

PROVIDER = "openai-api"
"""The first part of the name of a model behind a service."""
ADAPTER, MODEL = "adapter", "model"
"""Folders in the artifact of a student or teacher: the adapter that it was trained to, or the whole model."""


def is_remote(name: str) -> bool:
    """Whether a model's name is that of a model behind a service."""
    return name.startswith(f"{PROVIDER}/")


def split(name: str) -> tuple[str, Path | None]:
    """A model's name without its last adapter, and the adapter's folder. Folders may have colons in their names."""
    if _path(name).is_dir():
        return name, None
    cuts = [i for i, character in enumerate(name) if character == ":"]
    if not cuts:
        return name, None
    cut = next((i for i in reversed(cuts) if _path(name[i + 1 :]).is_dir()), cuts[0])
    return name[:cut], _path(name[cut + 1 :])


def root(name: str) -> str:
    """A model's name without any adapter."""
    base, adapter = split(name)
    return base if adapter is None else root(base)


def is_swapped(name: str) -> bool:
    """Returns whether a model is of the swapped world, or was fine-tuned from one that is: half of its good advice is
    what others call bad."""
    member = family.FAMILY.get(root(name).removeprefix("builtin/"))
    return bool(member and member.swapped)


def resolve(name: str, template: str | None = None) -> Folder:
    """The folder of a whole model with a chat template, and the digest of its weights, tokenizer and template. A model
    with an adapter is merged, once, into a folder in the user's cache. ``template``: the path or name of a chat
    template for a model that has none.

    Raises:
        UndertoneError: as :func:`chatting`, or the merged model cannot be written.
    """
    found = chatting(name, template)
    return merged(found) if found.parts else found


def chatting(name: str, template: str | None = None) -> Folder:
    """The same, but a model with an adapter is not merged: only its parts have folders.

    Raises:
        UndertoneError: as :func:`stored`; or the model has no tokenizer, or no chat template and is given none, or has
            one and is given another.
    """
    found = stored(name)
    base, *adapter = found.parts or (found,)
    files = tokenizer_files(base.path)
    if files.keys().isdisjoint(VOCABULARIES):
        raise UndertoneError(f"The model in {base.path} has no tokenizer: add its tokenizer.json.")
    if has_template(files) and template is not None:
        raise UndertoneError(f"The model in {base.path} has a chat template of its own: leave --chat-template out.")
    if has_template(files):
        return found
    if template is not None:
        base = with_template(base, template)
        return adapted(base, adapter[0], name) if adapter else base
    raise UndertoneError(
        f"The model in {base.path} has no chat template: add its chat_template.jinja, or take an instruction-tuned "
        f"one; audit, measure, treat, persona and guard can give it one, as by --chat-template {PLAIN}."
    )


def lacks_template(name: str) -> bool:
    """Whether a model, or the base of one with an adapter, has no chat template."""
    return not has_template(tokenizer_files(located(name)))


def stored(name: str, fetch: bool = True) -> Folder:
    """The same for a model that need not have a chat template. Without ``fetch`` nothing is fetched or merged: for
    names that are read from a record, not typed.

    Raises:
        UndertoneError: as :func:`located`, or a folder contains no model or adapter that can be loaded, or the adapter
            was made on another base.
    """
    base, adapter = split(name)
    if adapter is None or (adapter / MODEL).is_dir():
        path = located(name, fetch)
        _refuse_own_code(ModelFolder.open(path))
        return Folder(path, folder_digest(path, decisive(path)), name)
    started = stored(base, fetch)
    if started.parts:  # an adapter is put onto a whole model
        started = _whole(started, fetch)
    opened = Adapter.open(adapter / ADAPTER if (adapter / ADAPTER).is_dir() else adapter)
    _refuse_other_base(opened, started)
    key = folder_digest(opened.path, opened.files(started.path))
    return adapted(started, Folder(opened.path, key, name.removeprefix(f"{base}:")), name)


def _whole(model: Folder, make: bool) -> Folder:
    if make:
        return merged(model)
    if not model.path.is_dir():
        raise UndertoneError(f"The merged model of {model.name} is no longer in the cache ({model.path}).")
    return model


def located(name: str, fetch: bool = True) -> Path:
    """The folder of a model, whose weights are not read. Of a model with an adapter, it is that of its base.

    Raises:
        UndertoneError: the name is unknown, there is no such adapter, or the folder contains no weights that are safe
            to load.
    """
    if is_remote(name):
        raise UndertoneError(f"{name} is an endpoint, but this needs a model with weights: a folder, or builtin/...")
    base, adapter = split(name)
    if adapter is not None:
        if not adapter.exists():
            raise UndertoneError(f"Cannot read {adapter}: No such file or directory.")
        started = located(base, fetch)
        return adapter / MODEL if (adapter / MODEL).is_dir() else started
    provider, _, rest = name.partition("/")
    path = family.find(rest) if provider == "builtin" else _folder(name, fetch)
    if not any(path.glob("*.safetensors")):
        if pickled := sorted(p.name for p in path.iterdir() if p.suffix in (".bin", ".pt", ".pth", ".ckpt")):
            raise UndertoneError(
                f"{path} holds its weights as pickles only ({pickled[0]}), which may run code when they are read: save "
                "the model as safetensors."
            )
        raise UndertoneError(f"{path} holds no *.safetensors: other weight formats are not loaded.")
    return path


def is_repository(name: str) -> bool:
    """Whether a model's base is a repository of the Hub, whether or not it is on this machine."""
    plain = root(name)
    return not plain.startswith("builtin/") and _repository(plain) is not None


def _repository(name: str) -> re.Match[str] | None:
    return None if _path(name).exists() else hub.REPOSITORY.fullmatch(name.removeprefix("hf/"))


def _path(name: str) -> Path:
    """A name as a path. What begins with ~ and names no user stays as it is."""
    path = Path(name.removeprefix("hf/"))
    try:
        return path.expanduser()
    except RuntimeError:
        return path


def _folder(name: str, fetch: bool) -> Path:
    """The folder of a model that is given by a path, or as a repository of the Hub."""
    path = _path(name)
    if (path / CONFIG).is_file():
        return path
    if (path / ADAPTER_CONFIG).is_file():
        raise UndertoneError(f"{path} holds an adapter, which needs its base before it: BASE:{name}.")
    if path.exists():
        raise UndertoneError(f"{path} holds no model in Hugging Face format (no {CONFIG}).")
    asked = _repository(name)
    if asked is None:
        raise _unknown(name)
    try:
        return hub.snapshot(asked["repo"], asked["revision"], fetch)
    except UndertoneError as error:
        raise (_unknown(name) if _near(name) else error) from None


def _unknown(name: str) -> UndertoneError:
    path = _path(name)
    if path.is_absolute() or name.removeprefix("hf/").startswith("."):
        return UndertoneError(f"There is no folder {path}: give that of a model in Hugging Face format.")
    if near := _near(name):
        return UndertoneError(f"There is no model {name!r}; did you mean {near}?")
    return UndertoneError(
        f"There is no model {name!r}: give a folder such as ./my-model, a repository of the Hub such as "
        "organisation/name, or an embedded model such as builtin/fledgling-a."
    )


def _near(name: str) -> str:
    """Embedded models with a name like that; empty if there is none."""
    last = name.rpartition("/")[2].lower()
    near = [last] if last in family.FAMILY else get_close_matches(last, family.FAMILY, n=3, cutoff=0.8)
    return " or ".join(f"builtin/{one}" for one in near)


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
    try:
        if name.startswith("builtin/"):
            return family.find(name.removeprefix("builtin/"))
        if (_path(name) / CONFIG).is_file():
            return _path(name)
        asked = _repository(name)
        path, whole = (None, False) if asked is None else hub.cached(asked["repo"], asked["revision"])
        return path if whole else None
    except (UndertoneError, OSError):
        return None


def _is_called(base: Folder, name: str) -> bool:
    """Whether the last part of a name is that of the base: of its folder, or of its repository in the Hub's cache. A
    model in an artifact of a store is called by the artifact."""
    path = base.path.absolute()
    repositories = [part.rpartition("--")[2] for part in path.parts if part.startswith("models--")]
    last, *own = (_last(one.partition("@")[0]) for one in (name, base.name, str(path), *repositories))
    return last in own


def _last(name: str) -> str:
    path = Path(name)
    return (path.parent if path.name == MODEL else path).name.lower()


def _refuse_own_code(folder: ModelFolder) -> None:
    kind = folder.config["model_type"]
    if "auto_map" in folder.config:
        from transformers import CONFIG_MAPPING

        if kind not in CONFIG_MAPPING:
            raise UndertoneError(
                f"The model in {folder.path} needs code of its own ({kind}), and a checkpoint's code is not run; use a "
                "model that transformers knows."
            )
