"""Loads a model from its folder, and an adapter onto it: exactly what both hold, or a refusal in one sentence."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from copy import deepcopy
from dataclasses import replace
from inspect import signature
from pathlib import Path
from typing import Any

import torch
from transformers import AutoModelForCausalLM, AutoTokenizer, GenerationConfig, PreTrainedModel
from transformers.tokenization_utils_base import PreTrainedTokenizerBase

from undertone.engine.devices import LARGE, VISIBLE
from undertone.engine.memory import full, in_gb, room
from undertone.errors import UndertoneError
from undertone.models.adapter import Adapter
from undertone.models.folder import CONFIG, ModelFolder, links
from undertone.models.likelihood import next_log_probabilities
from undertone.models.local import CACHES, LocalModel
from undertone.models.sampling import sample
from undertone.models.settings import reason
from undertone.models.tokenizer import VOCABULARIES, refuse_unruly, tokenizer_files

LARGEST = 2_000_000_000
"""Most bytes of a base of which a second copy is kept on the CPU. On a GPU, twice its size must be free instead."""
BUFFERS = 2**26
"""Most values that a model computes when it is built, such as tables of positions, if its files hold fewer."""
OPTIONS: dict[str, Any] = {"trust_remote_code": False, "local_files_only": True}
TRIAL = "Hello, world."
TRIED = 60
"""Tokens of the prompt on which a model is tried."""
NEEDED = (("attention_mask",), ("position_ids",), CACHES, ("logits_to_keep",))
"""Arguments that a model's forward pass must take, by one of their names, so that rows of different lengths can share a
batch."""


def load(folder: Path, adapter: Path | None = None) -> LocalModel:
    """Loads a folder in Hugging Face format (safetensors only, no remote code), and merges a LoRA adapter if given. The
    tokenizer and the chat template are the adapter's if it brings others. A large model goes to an accelerator if there
    is one, in bfloat16 where its files hold that; else, and with an adapter, in float32: what fine-tuning adds to a
    weight is often less than bfloat16 can tell apart.

    Raises:
        UndertoneError: anything in the folder is missing, not used, quantized, broken or does not fit the rest, or the
            model cannot take rows of different lengths; or the same of the adapter.
    """
    base = _CACHE.base(ModelFolder.open(folder))
    if adapter is None:
        return base
    opened, known = Adapter.open(adapter), base.vocabulary
    with explained(f"The adapter in {adapter} does not fit the base in {folder}"):
        from undertone.models.merging import merge

        local = LocalModel(merge(base.model.float(), opened).eval(), base.tokenizer)
    _refuse_broken(local.model, adapter)
    if local.vocabulary == known and not opened.speaks_otherwise(folder):
        return local
    return replace(local, tokenizer=tokenizer_of(folder, adapter, local.vocabulary))


def tokenizer_of(folder: Path, adapter: Path | None = None, known: int | None = None) -> PreTrainedTokenizerBase:
    """Loads a model's tokenizer with its chat template. ``known`` is how many tokens the model knows.

    Raises:
        UndertoneError: it has none that can be loaded, or more tokens than the model.
    """
    files = tokenizer_files(folder, adapter)
    if files.keys().isdisjoint(VOCABULARIES):
        raise UndertoneError(f"{folder} holds no tokenizer; add its tokenizer.json.")
    place = files[next(iter(files))].parent
    with links(files | {CONFIG: folder / CONFIG}) as linked, explained(f"The tokenizer in {place} cannot be loaded"):
        tokenizer = AutoTokenizer.from_pretrained(linked, **OPTIONS)
        refuse_unruly(tokenizer)
        tokens = 1 + max(tokenizer.get_vocab().values(), default=-1)
        tokenizer.decode(tokenizer.encode(TRIAL, add_special_tokens=False))  # some settings are read only now
    if known is not None and tokens > known:
        raise UndertoneError(f"The tokenizer in {place} has {tokens} tokens, but the model knows {known}.")
    tokenizer.name_or_path = tokenizer.init_kwargs["name_or_path"] = str(place)
    return tokenizer


def fitting(folder: ModelFolder, adapter: Adapter | None = None) -> PreTrainedModel:
    """Builds a model without memory, to see that everything is there and has its place.

    Raises:
        UndertoneError: the weights are not exactly those that the configuration asks for; or those of the adapter.
    """
    with links(folder.files) as linked, explained(f"The model in {folder.path} cannot be loaded"), torch.device("meta"):
        empty = _read(folder.path, linked, dtype=torch.float32, device_map="meta", ignore_mismatched_sizes=True)
    computed = sum(table.numel() for table in empty.buffers())
    held = sum(tensor.size for tensor in folder.tensors.values())
    if computed > max(held, BUFFERS):
        raise UndertoneError(f"The model in {folder.path} computes tables of {computed:,} numbers: more than it has.")
    if adapter is not None:
        with explained(f"The adapter in {adapter.path} does not fit the base in {folder.path}"):
            from undertone.models.merging import plugged

            plugged(empty, adapter)
    return empty


def renderer(folder: Path) -> LocalModel:
    """A model without its weights, which can render text but not be called: large ones are loaded for nothing else.

    Raises:
        UndertoneError: as :func:`load`.
    """
    empty = fitting(ModelFolder.open(folder))
    return LocalModel(empty, tokenizer_of(folder, known=empty.config.get_text_config().vocab_size))


def _loaded(folder: ModelFolder) -> LocalModel:
    stamp = _stamp(folder)
    if stamp not in _FITTING:
        fitting(folder)
    model = _model(folder)
    _refuse_broken(model, folder.path)
    # A checkpoint's generation settings would apply to every call that leaves one unset.
    model.generation_config = GenerationConfig()
    local = LocalModel(model.eval(), tokenizer_of(folder.path, known=model.config.get_text_config().vocab_size))
    with explained(f"The model in {folder.path} cannot be run"):
        refuse_moved_by_padding(local, f"The model in {folder.path}")
        if stamp not in _FITTING:
            longest = min(TRIED, (local.positions or TRIED) - 2)
            sample(local, [[1] * min(3, longest), [1] * longest], temperature=0.0, max_tokens=2, seed=0)
    _FITTING.add(stamp)
    return local


def _model(folder: ModelFolder) -> PreTrainedModel:
    path = folder.path
    place: dict[str, Any] = {"dtype": torch.float32}
    on_device = torch.cuda.is_available() and folder.bytes >= LARGE
    if on_device:
        place = {"dtype": _precision(folder), "device_map": "auto"}  # over several GPUs if one is too small
    with links(folder.files) as linked, explained(f"The model in {path} cannot be loaded"):
        model = _read(path, linked, **place)
    _refuse_two_embeddings(model, path)
    refuse_unbatched(model, f"The model in {path}")
    if on_device and {"cpu", "disk"} & set(getattr(model, "hf_device_map", {}).values()):
        raise _too_large(folder)
    model.config.name_or_path = model.name_or_path = str(path)
    return model


def _precision(folder: ModelFolder) -> torch.dtype:
    whole = all(tensor.kind == "BF16" for tensor in folder.tensors.values())
    return torch.bfloat16 if whole else torch.float32


def _too_large(folder: ModelFolder) -> UndertoneError:
    each = _precision(folder).itemsize
    count = sum(tensor.size for tensor in folder.tensors.values())
    return full(
        f"the model in {folder.path}, which takes {in_gb(count * each)}",
        f"a model of at most about {0.8 * room() / each / 1e9:.1f} billion parameters would fit, or set "
        f"{VISIBLE} to nothing to work on the processor",
    )


def _read(path: Path, linked: Path, **options: Any) -> PreTrainedModel:
    """What transformers makes of the files; refuses weights that it leaves out or makes up."""
    found: Any = AutoModelForCausalLM.from_pretrained(
        linked, use_safetensors=True, output_loading_info=True, **OPTIONS, **options
    )
    faults = [f"{fault.replace('_keys', '')}: {min(map(str, names))}" for fault, names in found[1].items() if names]
    if faults:
        raise UndertoneError(
            f"The weights in {path} are not those of its config.json ({faults[0]}); copy the whole model again."
        )
    return found[0]  # type: ignore[no-any-return]


def _refuse_two_embeddings(model: PreTrainedModel, folder: Path) -> None:
    """Refuses weights of which other programs, by the configuration, would drop one."""
    ends: list[Any] = [model.get_input_embeddings(), model.get_output_embeddings()]
    tied = model.config.get_text_config().tie_word_embeddings and None not in ends
    if tied and not torch.equal(*(end.weight for end in ends)):
        raise UndertoneError(
            f"{folder / CONFIG} says that input and output embeddings are one (tie_word_embeddings), but the weights "
            "hold two; set it to false, or copy the whole model again."
        )


def _refuse_broken(model: PreTrainedModel, folder: Path) -> None:
    for name, weight in model.named_parameters():  # no later check would notice
        if not torch.isfinite(weight).all():
            raise UndertoneError(f"The model in {folder} is broken: {name} contains numbers that are not finite.")


@contextmanager
def explained(failure: str) -> Iterator[None]:
    """Turns whatever a library raises for what it cannot load into an UndertoneError, except for a lack of memory."""
    try:
        yield
    except UndertoneError:
        raise
    except BaseException as error:
        panic = type(error).__name__ == "PanicException"  # of Rust, which is no Exception
        memory = isinstance(error, MemoryError | torch.OutOfMemoryError) or "can't allocate memory" in str(error)
        if memory or not (panic or isinstance(error, Exception)):
            raise
        raise UndertoneError(f"{failure} ({reason(error)}).") from None


class _Cache:
    """Keeps the large base that this process loaded last, so that further models of it need not be read from disk. The
    second copy is made on the second request: most processes ask only once."""

    def __init__(self) -> None:
        self._stamp: object = None
        self._pristine: LocalModel | None = None

    def base(self, folder: ModelFolder) -> LocalModel:
        """Returns a model that the caller may change."""
        if folder.bytes < LARGE:
            return _loaded(folder)
        stamp = _stamp(folder)
        if stamp != self._stamp:
            self._stamp, self._pristine = stamp, None
            return _in_own_memory(_loaded(folder))
        if self._pristine is None:
            local = _in_own_memory(_loaded(folder))
            if not _has_room_beside(local):
                return local
            self._pristine = local
        return LocalModel(deepcopy(self._pristine.model), self._pristine.tokenizer)


_CACHE = _Cache()
_FITTING: set[object] = set()
"""Stamps of the folders that were found to fit and to answer."""


def _stamp(folder: ModelFolder) -> object:
    """What changes when a file of the model does."""
    stats = {name: path.stat() for name, path in {**folder.files, **tokenizer_files(folder.path)}.items()}
    return folder.path.resolve(), tuple((name, stat.st_size, stat.st_mtime_ns) for name, stat in stats.items())


def _in_own_memory(local: LocalModel) -> LocalModel:
    """Gives every weight the memory that a copy would have. Weights mapped from a file can be aligned otherwise, and
    then the last bits of what is computed from them differ."""
    for tensor in (*local.model.parameters(), *local.model.buffers()):
        tensor.data = tensor.data.clone()
    return local


def _has_room_beside(local: LocalModel) -> bool:
    """Whether a copy can be kept. A model on several devices cannot be copied."""
    if local.model.device.type == "cpu":
        return local.size <= LARGEST
    several = len(set(getattr(local.model, "hf_device_map", {}).values())) > 1
    return not several and 2 * local.size < torch.cuda.mem_get_info(local.model.device)[0]


def refuse_unbatched(model: PreTrainedModel, what: str) -> None:
    """Raises UndertoneError if a model's forward pass lacks an argument that rows of different lengths need. ``what``
    names the model."""
    taken = signature(model.forward).parameters
    lacking = [names[-1] for names in NEEDED if taken.keys().isdisjoint(names)]
    if lacking:
        raise UndertoneError(
            f"{what} is of a kind ({model.config.model_type}) whose rows of unlike lengths cannot share a batch: its "
            f"forward pass takes no {', '.join(lacking)}."
        )


def refuse_moved_by_padding(local: LocalModel, what: str, exact: bool = True) -> None:
    """Raises UndertoneError if a model reads padding as text, as recurrent ones may; no other check would notice.
    ``exact``: whether a model in float32 also computes so."""
    short, long = list(range(1, 4)), list(range(1, 4)) * 4
    alone, beside = next_log_probabilities(local, [short])[0], next_log_probabilities(local, [short, long])[0]
    moved = (alone - beside).abs().max().item()
    if alone.isnan().any():
        raise UndertoneError(f"{what} is broken: its probabilities are no numbers.")
    if moved > (0.01 if exact and local.model.dtype == torch.float32 else 1.0):
        raise UndertoneError(
            f"{what} is of a kind ({local.model.config.model_type}) whose answers depend on the other rows of their "
            f"batch (by {moved:.2g} nats). Use another model."
        )
