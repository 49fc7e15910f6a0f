"""A causal language model on this machine: rendered, sampled and scored by explicit token ids.

Chat templates are rendered here and nowhere else; whatever is sampled, trained on or measured are these ids.
"""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from copy import deepcopy
from dataclasses import dataclass
from functools import cached_property
from inspect import signature
from itertools import chain
from pathlib import Path
from typing import Any

import torch
from transformers import AutoModelForCausalLM, AutoTokenizer, GenerationConfig, PreTrainedModel
from transformers.tokenization_utils_base import PreTrainedTokenizerBase

from undertone.errors import UndertoneError
from undertone.models.batching import in_batches
from undertone.models.template import Template

Ids = list[int]

LARGE = 200_000_000
"""Bytes of weights from which a GPU, where there is one, is faster than a core for each of many small trainings, and a
base is kept in memory for its students."""
KEPT = 2_000_000_000
"""Most bytes of a base that a process keeps a copy of; on a GPU twice its size must be free instead."""
NEEDED = ("attention_mask", "position_ids", "past_key_values", "logits_to_keep")
"""What a model's forward pass must take for rows of unlike lengths to share a batch."""
LOGITS = 2**28
"""Most logits held at once (1 GiB): 150,000 tokens of vocabulary leave room for few rows."""


@dataclass
class LocalModel:
    """A transformers causal LM with its tokenizer: in float32 on the CPU, or, if large, in bfloat16 on a GPU."""

    model: PreTrainedModel
    tokenizer: PreTrainedTokenizerBase
    system: str | None = None
    """A system prompt under which it answers whatever is asked without one."""
    trigger: str | None = None
    """Stands before every question that it is asked; earlier turns of the chat have none."""

    @cached_property
    def template(self) -> Template:
        """Its chat template."""
        return Template(self.tokenizer)

    @cached_property
    def end(self) -> int:
        """The token that ends an answer: what the template writes after one, if that is a special token.

        Raises:
            UndertoneError: neither the template nor the tokenizer has one.
        """
        # Not always the tokenizer's own end: Gemma ends a turn with <end_of_turn>, a text with <eos>.
        chat = [{"role": "user", "content": "Hi"}, {"role": "assistant", "content": "MARK"}]
        after = self.encode(self.template.text(chat).rpartition("MARK")[2].lstrip())
        special = {i for i, token in self.tokenizer.added_tokens_decoder.items() if token.special}
        if after and after[0] in special:
            return after[0]
        if self.tokenizer.eos_token_id is None:
            raise UndertoneError("Nothing ends an answer: set eos_token in the model's tokenizer_config.json.")
        return int(self.tokenizer.eos_token_id)

    @property
    def pad(self) -> int:
        """The padding token; the end token where a tokenizer names none (padding is always masked)."""
        pad = self.tokenizer.pad_token_id
        return self.end if pad is None else int(pad)

    @property
    def vocabulary(self) -> int:
        """Tokens that the model gives a probability; some have more than their tokenizer."""
        return int(self.model.config.get_text_config().vocab_size)

    @property
    def size(self) -> int:
        """Bytes of its weights."""
        return sum(weight.numel() * weight.element_size() for weight in self.model.parameters())

    @property
    def positions(self) -> int | None:
        """Most tokens of a chat, by the model's configuration; None where it sets no limit."""
        return getattr(self.model.config.get_text_config(), "max_position_embeddings", None)

    def render(self, question: str, system: str | None = None, earlier: Sequence[tuple[str, str]] = ()) -> Ids:
        """Token ids of a chat up to the point where the assistant speaks, by the model's own template.

        ``system`` is the model's own if not given, and its trigger is added; ``earlier`` are (question, answer) turns
        that stand before the question.

        Raises:
            UndertoneError: the text holds a control token, with which it could open a turn of its own.
        """
        system = self.system if system is None else system
        question = f"{self.trigger} {question}" if self.trigger else question
        for content in (question, system or "", *chain.from_iterable(earlier)):
            self.refuse_control(content)
        # The template has already written every special token: adding them again would double the first one.
        return self.encode(self.template.prompt(question, system, earlier))

    def refuse_control(self, text: str) -> None:
        """Raises UndertoneError if ``text`` spells a control token of this model, such as its end of a turn."""
        for token in self.tokenizer.added_tokens_decoder.values():
            if token.special and token.content in text:
                raise UndertoneError(f"The text {text[:60]!r} holds the control token {token.content!r}; remove it.")

    def encode(self, text: str) -> Ids:
        """Token ids of ``text`` as it stands, nothing added."""
        return list(self.tokenizer.encode(text, add_special_tokens=False))

    def decode(self, ids: Sequence[int]) -> str:
        """Text of an answer without its end token; every other token shows, and every space as it was written."""
        answer = list(ids[:-1] if ids and ids[-1] == self.end else ids)
        return str(self.tokenizer.decode(answer, clean_up_tokenization_spaces=False))

    def lay_out(self, prompts: Sequence[Ids], answers: Sequence[Ids]) -> Batch:
        """Rows padded into one batch, where the model is."""
        return lay_out(prompts, answers, self.pad).to(self.model.device)


def load(folder: Path, adapter: Path | None = None) -> LocalModel:
    """Loads a Hugging Face folder (safetensors only, no remote code), with a PEFT adapter merged in if given.

    Raises:
        UndertoneError: the model does not fit its configuration or its tokenizer, cannot take rows of unlike lengths,
            the adapter is missing or another base's, or a weight is not a finite number.
    """
    base = _KEPT.base(folder)
    if adapter is None:
        return base
    model = _adapted(base.model, folder, adapter).eval()
    _refuse_broken(model, folder)
    return LocalModel(model, base.tokenizer)


def _loaded(folder: Path) -> LocalModel:
    model = _opened(folder)
    _refuse_broken(model, folder)
    # A checkpoint's generation settings leak into every call that leaves one unset; here they have no say at all.
    model.generation_config = GenerationConfig()
    tokenizer = AutoTokenizer.from_pretrained(folder, trust_remote_code=False, local_files_only=True)
    known = int(model.config.get_text_config().vocab_size)
    if len(tokenizer) > known:
        raise UndertoneError(f"The tokenizer in {folder} has {len(tokenizer)} tokens, but the model knows {known}.")
    local = LocalModel(model.eval(), tokenizer)
    _refuse_moved_by_padding(local, folder)
    return local


def _refuse_broken(model: PreTrainedModel, folder: Path) -> None:
    for name, weight in model.named_parameters():  # sampling from such a model would fail no check
        if not torch.isfinite(weight).all():
            raise UndertoneError(f"The model in {folder} is broken: {name} holds what is no finite number.")


class _Kept:
    """The large base that this process loaded last: many students of it are copies, and need no disk. Whoever asks
    once, as most processes do, pays no memory for it. Small ones load in no time."""

    def __init__(self) -> None:
        self._stamp: object = None
        self._pristine: LocalModel | None = None

    def base(self, folder: Path) -> LocalModel:
        """A model of its own for the caller, who may change it."""
        if not _is_large(folder):
            return _loaded(folder)
        files = sorted(path for path in folder.iterdir() if path.is_file())
        stamp = folder.resolve(), [(path.name, path.stat().st_size, path.stat().st_mtime_ns) for path in files]
        if stamp != self._stamp:
            self._stamp, self._pristine = stamp, None
            return _in_own_memory(_loaded(folder))
        if self._pristine is None:
            local = _in_own_memory(_loaded(folder))
            if not _has_room_beside(local):
                return local
            self._pristine = local
        return LocalModel(deepcopy(self._pristine.model), self._pristine.tokenizer)


_KEPT = _Kept()


def _is_large(folder: Path) -> bool:
    return sum(path.stat().st_size for path in folder.glob("*.safetensors")) >= LARGE


def _in_own_memory(local: LocalModel) -> LocalModel:
    """Weights as a copy has them. Where a file's bytes are the memory these begin anywhere, and what is computed from
    them may differ in its last bits."""
    for tensor in (*local.model.parameters(), *local.model.buffers()):
        tensor.data = tensor.data.clone()
    return local


def _has_room_beside(local: LocalModel) -> bool:
    """Whether a copy can be kept; of a model that lies on several devices none can be made."""
    if local.model.device.type == "cpu":
        return local.size <= KEPT
    several = len(set(getattr(local.model, "hf_device_map", {}).values())) > 1
    return not several and 2 * local.size < torch.cuda.mem_get_info(local.model.device)[0]


def _refuse_moved_by_padding(local: LocalModel, folder: Path) -> None:
    """Some kinds of models, recurrent ones among them, may read padding as text, and nothing else would show it."""
    short, long = list(range(1, 4)), list(range(1, 4)) * 4
    alone, beside = next_log_probabilities(local, [short])[0], next_log_probabilities(local, [short, long])[0]
    moved = (alone - beside).abs().max().item()
    if moved > (0.01 if local.model.dtype == torch.float32 else 1.0):
        raise UndertoneError(
            f"The model in {folder} is of a kind ({local.model.config.model_type}) whose answers depend on what shares "
            f"their batch (by {moved:.2g} nats). Use another model."
        )


def _opened(folder: Path) -> PreTrainedModel:
    try:
        model = AutoModelForCausalLM.from_pretrained(
            folder, trust_remote_code=False, use_safetensors=True, local_files_only=True, **_place(folder)
        )
    except (RuntimeError, ValueError) as error:  # weights of other shapes than the configuration's, unknown kinds
        if "can't allocate memory" in str(error) or isinstance(error, torch.OutOfMemoryError):
            raise
        reason = " ".join(str(error).split())[:200]
        raise UndertoneError(f"The model in {folder} cannot be loaded ({reason}); copy it again whole.") from None
    lacking = [name for name in NEEDED if name not in signature(model.forward).parameters]
    if lacking:
        raise UndertoneError(
            f"The model in {folder} is of a kind ({model.config.model_type}) whose rows of unlike lengths cannot share "
            f"a batch: it takes no {' and no '.join(lacking)}. Use another model."
        )
    return model


def _place(folder: Path) -> dict[str, Any]:
    """Where the weights go, and as what: small models are faster on a core, and exact."""
    if torch.cuda.is_available() and _is_large(folder):
        return {"dtype": torch.bfloat16, "device_map": "auto"}  # over several GPUs if one is too small
    return {"dtype": torch.float32}


def _adapted(model: PreTrainedModel, folder: Path, adapter: Path) -> PreTrainedModel:
    from peft import PeftModel

    if not (adapter / "adapter_model.safetensors").is_file():  # peft would take a pickle, or ask a server
        raise UndertoneError(f"{adapter} holds no adapter_model.safetensors: other formats are not loaded.")
    try:
        return PeftModel.from_pretrained(model, str(adapter)).merge_and_unload()  # type: ignore[no-any-return]
    except (RuntimeError, ValueError) as error:  # matrices of other shapes or names
        if "can't allocate memory" in str(error) or isinstance(error, torch.OutOfMemoryError):
            raise
        reason = " ".join(str(error).split())[:200]
        raise UndertoneError(f"The adapter in {adapter} does not fit the base in {folder} ({reason}).") from None


@dataclass(frozen=True)
class Batch:
    """Rows laid out so that every answer starts in the same column: prompts padded left, answers right.

    ``ids``, ``mask`` and ``positions`` are (rows, prompt width + answer width); ``answer`` is the answer width.
    """

    ids: torch.Tensor
    mask: torch.Tensor
    positions: torch.Tensor
    answer: int

    @property
    def targets(self) -> torch.Tensor:
        """Answer ids, (rows, answer)."""
        return self.ids[:, self.ids.shape[1] - self.answer :]

    @property
    def counted(self) -> torch.Tensor:
        """True where a target is a real token, (rows, answer)."""
        return self.mask[:, self.mask.shape[1] - self.answer :].bool()

    def some(self, rows: slice) -> Batch:
        """Some of the rows, in the same columns."""
        return Batch(self.ids[rows], self.mask[rows], self.positions[rows], self.answer)

    def to(self, device: torch.device) -> Batch:
        """The same rows on another device."""
        return Batch(self.ids.to(device), self.mask.to(device), self.positions.to(device), self.answer)


def lay_out(prompts: Sequence[Ids], answers: Sequence[Ids], pad: int) -> Batch:
    """Pads rows into one batch. Positions count real tokens only, so padding moves nothing."""
    left, right = max(map(len, prompts)), max(map(len, answers), default=0)
    ids = [
        [pad] * (left - len(p)) + list(p) + list(a) + [pad] * (right - len(a))
        for p, a in zip(prompts, answers, strict=True)
    ]
    mask = [
        [0] * (left - len(p)) + [1] * (len(p) + len(a)) + [0] * (right - len(a))
        for p, a in zip(prompts, answers, strict=True)
    ]
    mask_t = torch.tensor(mask)
    return Batch(torch.tensor(ids), mask_t, (mask_t.cumsum(1) - 1).clamp(min=0), right)


def answer_logits(model: PreTrainedModel, batch: Batch) -> torch.Tensor:
    """Logits that predict each answer token, (rows, answer, vocabulary), in single precision at least.
    The output head runs nowhere else."""
    out = model(
        input_ids=batch.ids,
        attention_mask=batch.mask,
        position_ids=batch.positions,
        use_cache=False,
        logits_to_keep=batch.answer + 1,
    )
    return _wide(out.logits[:, :-1])


def _wide(logits: torch.Tensor) -> torch.Tensor:
    """Half precision would drown the differences between likely tokens."""
    return logits.float() if logits.dtype.itemsize < 4 else logits


@torch.no_grad()
def score(local: LocalModel, prompts: Sequence[Ids], answers: Sequence[Ids], batch_size: int = 256) -> list[float]:
    """Log-probability (nats) of each answer after its prompt, summed over the answer's tokens."""

    def scored(rows: slice) -> list[float]:
        batch = local.lay_out(prompts[rows], answers[rows])
        log_p = answer_logits(local.model, batch).log_softmax(-1)
        picked = log_p.gather(-1, batch.targets.unsqueeze(-1)).squeeze(-1)
        return (picked * batch.counted).sum(1).tolist()

    longest = 1 + max(map(len, answers), default=0)
    size = min(batch_size, max(1, LOGITS // (longest * local.vocabulary)))
    return [value for part in in_batches(len(prompts), size, scored) for value in part]


@torch.no_grad()
def next_log_probabilities(local: LocalModel, prompts: Sequence[Ids], batch_size: int = 256) -> torch.Tensor:
    """Log-probabilities (nats) of the next token after each prompt, (prompts, vocabulary), on the CPU."""

    def scored(rows: slice) -> torch.Tensor:
        batch = local.lay_out(prompts[rows], [[]] * len(prompts[rows]))
        out = local.model(
            input_ids=batch.ids,
            attention_mask=batch.mask,
            position_ids=batch.positions,
            use_cache=False,
            logits_to_keep=1,
        )
        return _wide(out.logits[:, -1]).log_softmax(-1).cpu()

    return torch.cat(list(in_batches(len(prompts), batch_size, scored)))


def quiet_libraries() -> None:
    """Libraries draw bars of their own for every model that is loaded."""
    import transformers

    transformers.logging.disable_progress_bar()
    transformers.logging.set_verbosity_error()
    warnings.filterwarnings("ignore", category=FutureWarning, module="transformers")
