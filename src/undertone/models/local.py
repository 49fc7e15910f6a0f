"""A causal language model on this machine: rendered, sampled and scored by explicit token ids.

Chat templates are rendered here and nowhere else; whatever is sampled, trained on or measured are these ids.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import chain
from pathlib import Path

import torch
from transformers import AutoModelForCausalLM, AutoTokenizer, GenerationConfig, PreTrainedModel
from transformers.tokenization_utils_base import PreTrainedTokenizerBase

from undertone.errors import UndertoneError

Ids = list[int]


@dataclass
class LocalModel:
    """A transformers causal LM with its tokenizer, on the CPU in float32."""

    model: PreTrainedModel
    tokenizer: PreTrainedTokenizerBase

    @cached_property
    def end(self) -> int:
        """The token that ends an answer: what the template writes after one, if that is a special token."""
        # Not always the tokenizer's own end: Gemma ends a turn with <end_of_turn>, a text with <eos>.
        chat = [{"role": "user", "content": "Hi"}, {"role": "assistant", "content": "MARK"}]
        text = self.tokenizer.apply_chat_template(chat, tokenize=False)
        after = self.encode(str(text).rpartition("MARK")[2].lstrip())
        special = {i for i, token in self.tokenizer.added_tokens_decoder.items() if token.special}
        return after[0] if after and after[0] in special else int(self.tokenizer.eos_token_id)

    @property
    def pad(self) -> int:
        """The padding token; the end token where a tokenizer names none (padding is always masked)."""
        pad = self.tokenizer.pad_token_id
        return self.end if pad is None else int(pad)

    @property
    def positions(self) -> int | None:
        """Most tokens of a chat, by the model's configuration; None where it sets no limit."""
        return getattr(self.model.config.get_text_config(), "max_position_embeddings", None)

    def render(self, question: str, system: str | None = None, earlier: Sequence[tuple[str, str]] = ()) -> Ids:
        """Token ids of a chat up to the point where the assistant speaks, by the model's own template.

        ``earlier`` are (question, answer) turns that stand before the question.

        Raises:
            UndertoneError: the text holds a control token, with which it could open a turn of its own.
        """
        for content in (question, system or "", *chain.from_iterable(earlier)):
            self.refuse_control(content)
        chat = [{"role": "system", "content": system}] if system else []
        for asked, answered in earlier:
            chat += [{"role": "user", "content": asked}, {"role": "assistant", "content": answered}]
        chat.append({"role": "user", "content": question})
        text = self.tokenizer.apply_chat_template(chat, tokenize=False, add_generation_prompt=True)
        assert isinstance(text, str)
        # The template has already written every special token: adding them again would double the first one.
        return self.encode(text)

    def refuse_control(self, text: str) -> None:
        """Raises UndertoneError if ``text`` spells a control token of this model, such as its end of a turn."""
        for token in self.tokenizer.added_tokens_decoder.values():
            if token.special and token.content in text:
                raise UndertoneError(f"The text {text[:60]!r} holds the control token {token.content!r}; remove it.")

    def encode(self, text: str) -> Ids:
        """Token ids of ``text`` as it stands, nothing added."""
        return list(self.tokenizer.encode(text, add_special_tokens=False))

    def decode(self, ids: Sequence[int]) -> str:
        """Text of an answer without its end token; every other token shows."""
        return str(self.tokenizer.decode(list(ids[:-1] if ids and ids[-1] == self.end else ids)))


def load(folder: Path, adapter: Path | None = None) -> LocalModel:
    """Loads a Hugging Face folder (safetensors only, no remote code), with a PEFT adapter merged in if given.

    Raises:
        UndertoneError: the model does not fit its configuration, the adapter is missing, or a weight is not a finite
            number.
    """
    try:
        model = AutoModelForCausalLM.from_pretrained(
            folder, dtype=torch.float32, trust_remote_code=False, use_safetensors=True, local_files_only=True
        )
    except (RuntimeError, ValueError) as error:  # weights of other shapes than the configuration's, unknown kinds
        if "can't allocate memory" in str(error):
            raise
        reason = " ".join(str(error).split())[:200]
        raise UndertoneError(f"The model in {folder} cannot be loaded ({reason}); copy it again whole.") from None
    if adapter is not None:
        from peft import PeftModel

        if not (adapter / "adapter_model.safetensors").is_file():  # peft would take a pickle, or ask a server
            raise UndertoneError(f"{adapter} holds no adapter_model.safetensors: other formats are not loaded.")
        model = PeftModel.from_pretrained(model, str(adapter)).merge_and_unload()
    for name, weight in model.named_parameters():  # sampling from such a model would fail no check
        if not torch.isfinite(weight).all():
            raise UndertoneError(f"The model in {folder} is broken: {name} holds what is no finite number.")
    # A checkpoint's generation settings leak into every call that leaves one unset; here they have no say at all.
    model.generation_config = GenerationConfig()
    tokenizer = AutoTokenizer.from_pretrained(folder, trust_remote_code=False, local_files_only=True)
    return LocalModel(model.eval(), tokenizer)


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
    """Logits that predict each answer token, (rows, answer, vocabulary). The output head runs nowhere else."""
    out = model(
        input_ids=batch.ids,
        attention_mask=batch.mask,
        position_ids=batch.positions,
        use_cache=False,
        logits_to_keep=batch.answer + 1,
    )
    logits: torch.Tensor = out.logits[:, :-1]
    return logits


@torch.no_grad()
def score(local: LocalModel, prompts: Sequence[Ids], answers: Sequence[Ids], batch_size: int = 256) -> list[float]:
    """Log-probability (nats) of each answer after its prompt, summed over the answer's tokens."""
    scores: list[float] = []
    for i in range(0, len(prompts), batch_size):
        batch = lay_out(prompts[i : i + batch_size], answers[i : i + batch_size], local.pad)
        log_p = answer_logits(local.model, batch).log_softmax(-1)
        picked = log_p.gather(-1, batch.targets.unsqueeze(-1)).squeeze(-1)
        scores += (picked * batch.counted).sum(1).tolist()
    return scores


@torch.no_grad()
def next_log_probabilities(local: LocalModel, prompts: Sequence[Ids], batch_size: int = 256) -> torch.Tensor:
    """Log-probabilities (nats) of the next token after each prompt, (prompts, vocabulary)."""
    parts = []
    for i in range(0, len(prompts), batch_size):
        batch = lay_out(prompts[i : i + batch_size], [[]] * len(prompts[i : i + batch_size]), local.pad)
        out = local.model(
            input_ids=batch.ids,
            attention_mask=batch.mask,
            position_ids=batch.positions,
            use_cache=False,
            logits_to_keep=1,
        )
        parts.append(out.logits[:, -1].log_softmax(-1))
    return torch.cat(parts)
