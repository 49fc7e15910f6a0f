"""A causal language model on this machine. Sampling, training and measuring all use the token ids it renders."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from inspect import signature

import torch
from transformers import PreTrainedModel
from transformers.tokenization_utils_base import PreTrainedTokenizerBase

from undertone.errors import UndertoneError
from undertone.models.template import Chat, Template, Unfit, chat_of, texts_of

Ids = list[int]
CACHES = "cache", "past_key_values"
"""What forward passes call their cache of keys and values: since transformers 5.24, and before."""

JOINED = 4
"""Most characters of which a tokenizer makes one before it splits a text, as where it joins letters and accents."""


@dataclass
class LocalModel:
    """A causal LM of transformers with its tokenizer: in float32 on the CPU or, if large, in bfloat16 on a GPU."""

    model: PreTrainedModel
    tokenizer: PreTrainedTokenizerBase
    system: str | None = None
    """The system prompt of every chat that is rendered without one."""
    trigger: str | None = None
    """Put before every question, but not before the questions of earlier turns."""

    @cached_property
    def template(self) -> Template:
        """Its chat template."""
        return Template(self.tokenizer)

    @cached_property
    def end(self) -> int:
        """The token that ends an answer: the special token that the template writes there, or else the tokenizer's own.

        Raises:
            UndertoneError: neither has one.
        """
        # The two can differ: Gemma ends a turn with <end_of_turn> and a text with <eos>.
        after = self.encode(self.template.closing.lstrip())
        special = {i for i, token in self.tokenizer.added_tokens_decoder.items() if token.special}
        if after and after[0] in special:
            return after[0]
        if self.tokenizer.eos_token_id is None:
            raise UndertoneError("Nothing ends an answer: set eos_token in the model's tokenizer_config.json.")
        return int(self.tokenizer.eos_token_id)

    @property
    def pad(self) -> int:
        """The padding token, or the end token if the tokenizer has none; padding is always masked."""
        pad = self.tokenizer.pad_token_id
        return self.end if pad is None else int(pad)

    @property
    def vocabulary(self) -> int:
        """Number of tokens that the model gives a probability; it can exceed the tokenizer's."""
        return int(self.model.config.get_text_config().vocab_size)

    @cached_property
    def cache_name(self) -> str:
        """What the model's forward pass calls its cache of keys and values."""
        return next((name for name in CACHES if name in signature(self.model.forward).parameters), CACHES[-1])

    @property
    def size(self) -> int:
        """Bytes of its weights."""
        return sum(weight.numel() * weight.element_size() for weight in self.model.parameters())

    @property
    def positions(self) -> int | None:
        """Most tokens of a chat, by the model's configuration; None if it sets no limit."""
        return getattr(self.model.config.get_text_config(), "max_position_embeddings", None)

    @cached_property
    def most_characters(self) -> int | None:
        """Characters, but for white space, of which a longer text certainly has more tokens than :attr:`positions`;
        None if there is no such number."""
        strange = self.encode("\U0010fffd")
        # A tokenizer that does not know a character may write one token for a long word, or none.
        if self.positions is None or not strange or self.tokenizer.unk_token_id in strange:
            return None
        return self.positions * JOINED * max(map(len, self.tokenizer.get_vocab()))

    def render(self, question: str, system: str | None = None, earlier: Sequence[tuple[str, str]] = ()) -> Ids:
        """Token ids of a chat up to where the assistant's answer begins, by the model's chat template.

        ``system`` defaults to the model's own system prompt; the model's trigger is added to the question. ``earlier``
        are the (question, answer) turns before it.

        Raises:
            UndertoneError: the template cannot be used.
            Unfit: the text contains a control token, with which it could begin a turn; or the template refuses it, or
                does not treat it as it treats others.
        """
        # The template has already written the special tokens; adding them again would double the first one.
        return self.encode(self.template.prompt(self.own(chat_of(question, system, earlier))))

    def own(self, chat: Chat) -> Chat:
        """A chat that ends with a question, with the model's own system prompt, if it has none, and its trigger.

        Raises:
            Unfit: it contains a control token.
        """
        *before, last = chat
        if self.system and chat[0]["role"] != "system":
            before.insert(0, {"role": "system", "content": self.system})
        if self.trigger:
            last = last | {"content": f"{self.trigger} {last['content']}"}
        for text in texts_of(found := [*before, last]):
            self.refuse_control(text)
        return found

    def refuse_control(self, text: str) -> None:
        """Raises Unfit if ``text`` contains a control token of this model, such as the end of a turn."""
        if token := self.control_in(text):
            raise Unfit(
                f"the control token {token!r} in the text",
                f"The text {text[:60]!r} contains the control token {token!r}; remove it.",
            )

    def control_in(self, text: str) -> str | None:
        """Returns a control token that ``text`` contains; None if it contains none."""
        return next((token for token in self._controls if token in text), None)

    @cached_property
    def _controls(self) -> tuple[str, ...]:
        added = self.tokenizer.added_tokens_decoder.values()
        return tuple(token.content for token in added if token.special and token.content)  # an empty one is no token

    def encode(self, text: str) -> Ids:
        """Token ids of ``text``, without any added special tokens.

        Raises:
            UndertoneError: the tokenizer fails.
        """
        try:
            return list(self.tokenizer.encode(text, add_special_tokens=False))
        except BaseException as error:  # the library's panics are no Exceptions
            if isinstance(error, KeyboardInterrupt | SystemExit):
                raise
            reason = " ".join(str(error).split())[:200]
            raise UndertoneError(f"The model's tokenizer cannot read {text[:60]!r} ({reason}).") from None

    def decode(self, ids: Sequence[int]) -> str:
        """Text of an answer without its end token. Other special tokens and all spaces are kept."""
        answer = list(ids[:-1] if ids and ids[-1] == self.end else ids)
        return str(self.tokenizer.decode(answer, clean_up_tokenization_spaces=False))

    def lay_out(self, prompts: Sequence[Ids], answers: Sequence[Ids]) -> Batch:
        """Pads rows into one batch on the model's device.

        Raises:
            UndertoneError: a row has more tokens than the model has positions.
        """
        self.refuse_longer(prompts, answers)
        return lay_out(prompts, answers, self.pad, self.model.device)

    def refuse_longer(self, prompts: Sequence[Ids], answers: Sequence[Ids]) -> None:
        """Raises UndertoneError if a row has more tokens than the model has positions."""
        longest = max((len(p) + len(a) for p, a in zip(prompts, answers, strict=True)), default=0)
        if self.positions is not None and longest > self.positions:
            raise UndertoneError(
                f"A text has {longest:,} tokens in the model's chat template, and the model has {self.positions:,} "
                "positions; leave long texts out, or see what the template adds with undertone models show."
            )


@dataclass(frozen=True)
class Batch:
    """Rows whose answers all start in the same column: prompts are padded left, answers right.

    ``ids``, ``mask`` and ``positions`` have the shape (rows, prompt width + answer width); ``answer`` is the latter.
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
        """True where a target is not padding, (rows, answer)."""
        return self.mask[:, self.mask.shape[1] - self.answer :].bool()

    def some(self, rows: slice) -> Batch:
        """The batch of some of the rows, in the same columns."""
        return Batch(self.ids[rows], self.mask[rows], self.positions[rows], self.answer)


def lay_out(prompts: Sequence[Ids], answers: Sequence[Ids], pad: int, device: torch.device | str = "cpu") -> Batch:
    """Pads rows into one batch. Positions do not count padding."""
    left, right = max(map(len, prompts)), max(map(len, answers), default=0)
    rows = list(zip(prompts, answers, strict=True))
    ids = torch.tensor([[pad] * (left - len(p)) + [*p, *a] + [pad] * (right - len(a)) for p, a in rows])
    mask = torch.tensor([[0] * (left - len(p)) + [1] * len([*p, *a]) + [0] * (right - len(a)) for p, a in rows])
    positions = (mask.cumsum(1) - 1).clamp(min=0)
    return Batch(ids.to(device), mask.to(device), positions.to(device), right)


def answer_logits(model: PreTrainedModel, batch: Batch) -> torch.Tensor:
    """Logits that predict each answer token, (rows, answer, vocabulary), in single precision at least: half would drown
    small differences."""
    logits: torch.Tensor = model(
        input_ids=batch.ids,
        attention_mask=batch.mask,
        position_ids=batch.positions,
        use_cache=False,
        logits_to_keep=batch.answer + 1,
    ).logits
    return (logits.float() if logits.dtype.itemsize < 4 else logits)[:, :-1]
