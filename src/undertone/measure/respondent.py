"""Whoever answers questions: a model that can be sampled, and perhaps scored."""

from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import NamedTuple, Protocol

from undertone.errors import UndertoneError
from undertone.models.local import LARGE, LocalModel, load, next_log_probabilities, score
from undertone.models.names import resolve, resolve_adapted, tokenizer_digest
from undertone.models.sampling import sample
from undertone.training.weights import ADAPTER, MODEL

TOP = 20
"""Likeliest next tokens that are looked at: what endpoints give."""


class Prompt(NamedTuple):
    """One question as it is put."""

    question: str
    system: str | None = None
    earlier: tuple[tuple[str, str], ...] = ()


class Unaskable(UndertoneError):
    """A prompt that cannot be put to this model, though others can: it spells a control token, or is too long."""


class Respondent(Protocol):
    """A model that answers."""

    @property
    def name(self) -> str:
        """As the user gave it."""
        ...

    @property
    def digest(self) -> str:
        """Of its weights, tokenizer and template; a snapshot's name where there is nothing to digest."""
        ...

    @property
    def tells(self) -> bool:
        """Whether it tells the probabilities of its next tokens."""
        ...

    def answers(self, prompts: Sequence[Prompt], temperature: float, max_tokens: int, seed: int) -> list[str]:
        """One answer a prompt; a prompt's noise follows from ``seed`` and its place.

        Raises:
            Unaskable: a prompt cannot be put to this model.
            UndertoneError: it cannot be asked at all, as where a service is down.
        """
        ...

    def chances(self, prompts: Sequence[Prompt], answers: Sequence[str]) -> list[float]:
        """Log-probability (nats) of each whole answer after its prompt.

        Raises:
            UndertoneError: this model gives no log-probabilities.
        """
        ...

    def next_tokens(self, prompts: Sequence[Prompt]) -> list[dict[str, float]]:
        """Probabilities of the likeliest next tokens, by their text.

        Raises:
            Unaskable: a prompt cannot be put to this model.
            UndertoneError: it gives no log-probabilities, or cannot be asked at all.
        """
        ...

    def one_token(self, text: str) -> bool:
        """Whether ``text`` is a single token of this model."""
        ...

    def release(self) -> None:
        """Frees memory until it is asked again."""
        ...


class Local:
    """A model on this machine. A large one need not stay in memory while others are asked."""

    def __init__(
        self,
        name: str,
        digest: str,
        local: LocalModel,
        tokenizer: str,
        again: Callable[[], LocalModel] | None = None,
    ) -> None:
        """``tokenizer``: digest of tokenizer and template; ``again``: loads the model once more."""
        self.name, self.digest, self.tokenizer = name, digest, tokenizer
        self.positions = local.positions
        self._held: LocalModel | None = local
        self._again = again

    @property
    def local(self) -> LocalModel:
        """The model, loaded again if it was let go."""
        if self._held is None:
            assert self._again is not None
            self._held = self._again()
        return self._held

    def release(self) -> None:
        """As :class:`Respondent`: small models stay."""
        if self._again is not None and self._held is not None and self._held.size >= LARGE:
            self._held = None

    @property
    def tells(self) -> bool:
        """As :class:`Respondent`: local models always do."""
        return True

    def answers(self, prompts: Sequence[Prompt], temperature: float, max_tokens: int, seed: int) -> list[str]:
        """As :class:`Respondent`."""
        ids = sample(
            self.local, self._rendered(prompts, max_tokens), temperature=temperature, max_tokens=max_tokens, seed=seed
        )
        return [self.local.decode(answer) for answer in ids]

    def chances(self, prompts: Sequence[Prompt], answers: Sequence[str]) -> list[float]:
        """As :class:`Respondent`; local models always give them."""
        given = [[*self.local.encode(answer), self.local.end] for answer in answers]
        return score(self.local, self._rendered(prompts, max(map(len, given), default=0)), given)

    def next_tokens(self, prompts: Sequence[Prompt]) -> list[dict[str, float]]:
        """As :class:`Respondent`; local models always give them."""
        found = next_log_probabilities(self.local, self._rendered(prompts, 1), batch_size=16).exp().topk(TOP)
        rows = zip(found.indices.tolist(), found.values.tolist(), strict=True)
        likeliest: list[dict[str, float]] = []
        for ids, chances in rows:
            texts: dict[str, float] = {}
            for token, chance in zip(ids, chances, strict=True):  # two tokens may have one text
                text = str(self.local.tokenizer.decode([token]))
                texts[text] = texts.get(text, 0.0) + chance
            likeliest.append(texts)
        return likeliest

    def one_token(self, text: str) -> bool:
        """As :class:`Respondent`."""
        return len(self.local.encode(text)) == 1

    def _rendered(self, prompts: Sequence[Prompt], room: int) -> list[list[int]]:
        try:
            ids = [self.local.render(*prompt) for prompt in prompts]
        except UndertoneError as error:
            raise Unaskable(str(error)) from None
        longest = max(map(len, ids), default=0) + room
        if self.positions is not None and longest > self.positions:
            raise Unaskable(
                f"{self.name} has {self.positions} positions, and a question with its answer takes up to "
                f"{longest}; shorten the questions, or the exchanges of the training file that stand before them."
            )
        return ids


def respondent(name: str) -> Local:
    """The model of that name: ``builtin/...``, ``hf/./path``, or ``BASE:ADAPTER`` with a PEFT adapter's folder, or the
    folder of a student or teacher in a run's store.

    Raises:
        UndertoneError: there is no such model, it cannot be loaded, its adapter was made on another base, or it has no
            chat template.
    """
    base_name, _, trained = name.partition(":")
    base = resolve(base_name)
    folder, key, again = base.path, base.key, partial(load, base.path)
    if trained:
        place = Path(trained).expanduser()
        whole, adapter = place / MODEL, place / ADAPTER if (place / ADAPTER).is_dir() else place
        if whole.is_dir():
            folder, key, again = whole, resolve(f"hf/{whole}").key, partial(load, whole)
        elif (adapter / "adapter_config.json").is_file():
            key = resolve_adapted(f"{base_name}:{adapter}").key  # which refuses one that was made on another base
            again = partial(load, base.path, adapter)
        else:
            raise UndertoneError(f"{place} holds no adapter (no adapter_config.json) and no model of a student.")
    local = again()
    if not local.tokenizer.chat_template:
        raise UndertoneError(
            f"{name} has no chat template, so it cannot be asked questions; add chat_template.jinja to its folder."
        )
    found = Local(name, key, local, tokenizer_digest(folder), again)
    found.release()
    return found
