"""Models that are asked: on this machine, or behind a service that gives answers and perhaps probabilities."""

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import NamedTuple

from undertone.engine.devices import LARGE
from undertone.engine.digests import digest
from undertone.errors import UndertoneError
from undertone.measure.suite import Prompt
from undertone.models.adapter import Adapter
from undertone.models.description import told
from undertone.models.likelihood import next_log_probabilities, score
from undertone.models.loading import load
from undertone.models.local import LocalModel
from undertone.models.names import chatting, is_remote, lacks_template
from undertone.models.sampling import sample
from undertone.models.services.endpoint import PROBE, Chat, Endpoint
from undertone.models.services.reply import Reply
from undertone.models.services.spending import Budget
from undertone.models.services.wire import Refused
from undertone.models.tokenizer import tokenizer_digest

AT_ONCE = 16
"""Prompts of a batch whose next tokens are read."""
TOP = 20
"""How many of the likeliest next tokens are read: as many as services give."""
PAID = "paid.sqlite"
"""The file with the answers of services, in the folder of the cache."""
SPENT = "ran out of tokens"
"""Why an answer that had to be whole is missing."""
CUT_SHORT = {"length", "max_tokens", "max_output_tokens", "model_length"}
"""How services name an end at the limit of tokens."""
SAY = "Reply with the number {text} and with nothing else."


class Missing(NamedTuple):
    """A service gave no answer. It is a failure to count, never something to judge."""

    why: str
    """What came instead, in a few words."""


class Unaskable(UndertoneError):
    """This prompt cannot be put to the model, although others can: it contains a control token, or is too long."""


class Local:
    """A model on this machine. A large one is loaded again when it is asked after :meth:`release`."""

    tells = True
    """Whether the model gives the probabilities of its next tokens."""

    def __init__(
        self,
        name: str,
        digest: str,
        local: LocalModel,
        tokenizer: str,
        again: Callable[[], LocalModel] | None = None,
        notes: tuple[str, ...] = (),
        parts: Mapping[str, str] | None = None,
    ) -> None:
        """``digest`` is that of weights, tokenizer and template, ``tokenizer`` that of the last two. ``again`` loads
        the model. ``notes``: what its adapter brings, in a sentence each. ``parts``: digests of its base and of its
        adapter, by name."""
        self.name, self.digest, self.tokenizer, self.notes = name, digest, tokenizer, notes
        self.parts = dict(parts or {})
        self.positions = local.positions
        self._held: LocalModel | None = local
        self._again = again

    @property
    def local(self) -> LocalModel:
        """The model, loaded again if necessary."""
        if self._held is None:
            assert self._again is not None
            self._held = self._again()
        return self._held

    def release(self) -> None:
        """Frees the memory of a large model until it is asked again."""
        if self._again is not None and self._held is not None and self._held.size >= LARGE:
            self._held = None

    def answers(
        self, prompts: Sequence[Prompt], temperature: float, max_tokens: int, seed: int, *, whole: bool = False
    ) -> list[str | Missing]:
        """Returns one answer to each prompt. Its noise follows from ``seed`` and the prompt's position. ``whole``: an
        answer that was cut at ``max_tokens`` is missing.

        Raises:
            Unaskable: a prompt cannot be put to this model.
        """
        asked = self._rendered(prompts, max_tokens)
        ids = sample(self.local, asked, temperature=temperature, max_tokens=max_tokens, seed=seed)
        end = self.local.end
        return [Missing(SPENT) if whole and one[-1:] != [end] else self.local.decode(one) for one in ids]

    def chances(self, prompts: Sequence[Prompt], answers: Sequence[str]) -> list[float]:
        """Returns the log-probability (nats) of each whole answer after its prompt.

        Raises:
            Unaskable: a prompt cannot be put to this model.
        """
        given = [[*self.local.encode(answer), self.local.end] for answer in answers]
        return score(self.local, self._rendered(prompts, max(map(len, given), default=0)), given)

    def next_tokens(self, prompts: Sequence[Prompt]) -> list[dict[str, float]]:
        """Returns the probabilities of the likeliest next tokens after each prompt, by their text.

        Raises:
            Unaskable: a prompt cannot be put to this model.
        """
        found = next_log_probabilities(self.local, self._rendered(prompts, 1), batch_size=AT_ONCE).exp().topk(TOP)
        tops: list[dict[str, float]] = []
        for ids, chances in zip(found.indices.tolist(), found.values.tolist(), strict=True):
            texts: dict[str, float] = {}
            for token, chance in zip(ids, chances, strict=True):  # two tokens may have the same text
                text = str(self.local.tokenizer.decode([token]))
                texts[text] = texts.get(text, 0.0) + chance
            tops.append(texts)
        return tops

    def one_token(self, text: str) -> bool:
        """Returns whether ``text`` is a single token of this model."""
        return len(self.local.encode(text)) == 1

    def _rendered(self, prompts: Sequence[Prompt], room: int) -> list[list[int]]:
        try:
            ids = [self.local.render(*prompt) for prompt in prompts]
        except UndertoneError as error:
            raise Unaskable(str(error)) from None
        longest = max(map(len, ids), default=0) + room
        if self.positions is not None and longest > self.positions:
            raise Unaskable(
                f"{self.name} has {self.positions} positions, and a question with its answer takes up to {longest}; "
                "shorten the questions, or the exchanges of the training file that come before them."
            )
        return ids


@dataclass(frozen=True)
class Remote:
    """A model behind a service."""

    name: str
    endpoint: Endpoint
    tells: bool
    """Whether the service gives the probabilities of next tokens."""
    snapshot: str
    """The model that answered first, as the service names it."""

    @property
    def digest(self) -> str:
        """The digest of the service's address and both names, in place of the weights."""
        return digest([self.endpoint.address, self.endpoint.model, self.snapshot])

    @property
    def notes(self) -> tuple[str, ...]:
        """What the service does not take of what it was asked, in a sentence each."""
        return self.endpoint.notes

    def answers(
        self, prompts: Sequence[Prompt], temperature: float, max_tokens: int, seed: int, *, whole: bool = False
    ) -> list[str | Missing]:
        """As :meth:`Local.answers`, or why the service gave none.

        Raises:
            UndertoneError: the service cannot be asked at all.
        """
        with _unaskable():
            chats = list(map(_chat, prompts))
            replies = self.endpoint.sample(chats, temperature=temperature, max_tokens=max_tokens, seed=seed)
        return [_answer(reply, whole) for (reply,) in replies]

    def chances(self, prompts: Sequence[Prompt], answers: Sequence[str]) -> list[float]:
        """Raises UndertoneError: no service gives the probability of a whole answer."""
        raise UndertoneError(f"{self.name} is behind a service, which gives no probability of a whole answer.")

    def next_tokens(self, prompts: Sequence[Prompt]) -> list[dict[str, float] | Missing]:
        """As :meth:`Local.next_tokens`, or why the service gave none.

        Raises:
            UndertoneError: the service gives no probabilities, or cannot be asked at all.
        """
        with _unaskable():
            found = self.endpoint.top_logprobs(list(map(_chat, prompts)), TOP)
        return [
            {text: math.exp(log_p) for text, log_p in reply.top.items()} if reply.top else Missing(reply.missing)
            for reply in found
        ]

    def one_token(self, text: str) -> bool:
        """Returns whether ``text`` is the likeliest first token when the model is asked to say ``text``."""
        (found,) = self.next_tokens([Prompt(SAY.format(text=text))])
        return not isinstance(found, Missing) and likeliest(found).strip() == text

    def release(self) -> None:
        """Does nothing: the model is not in memory."""


Respondent = Local | Remote


def likeliest(chances: Mapping[str, float]) -> str:
    """Returns the text with the highest probability; empty if there is none."""
    return max(chances, key=lambda text: chances[text], default="")


@contextmanager
def _unaskable() -> Iterator[None]:
    try:
        yield
    except Refused as error:
        raise Unaskable(str(error)) from None


def _answer(reply: Reply, whole: bool) -> str | Missing:
    if reply.missing:
        return Missing(reply.missing)
    return Missing(SPENT) if whole and reply.finished.lower() in CUT_SHORT else reply.text


def _chat(prompt: Prompt) -> Chat:
    turns = [("system", prompt.system)] if prompt.system is not None else []
    for question, answer in prompt.earlier:
        turns += [("user", question), ("assistant", answer)]
    return [{"role": role, "content": content} for role, content in (*turns, ("user", prompt.question))]


Open = Callable[[str], Respondent]
"""Opens the model of a name."""


@contextmanager
def opening(folder: Path, budget: Budget, template: str | None = None) -> Iterator[Open]:
    """Gives a function that opens models by name. Answers of services are stored in ``folder``; they share one budget.
    ``template`` is that of models which have none.

    Raises:
        UndertoneError: (when a model is opened) there is no such model, or its service cannot be reached or refuses.
    """
    with ExitStack() as stack:

        def opened(name: str) -> Respondent:
            if not is_remote(name):
                return respondent(name, template)
            endpoint = stack.enter_context(Endpoint(name, folder / PAID, budget))
            tells = "choices" in endpoint.abilities()
            ((reply,),) = endpoint.sample([PROBE], temperature=0.0, max_tokens=1, seed=0)
            return Remote(name, endpoint, tells, reply.model)

        yield opened


def respondent(name: str, template: str | None = None) -> Local:
    """Opens a model on this machine, by any name that :func:`undertone.models.names.chatting` takes. An adapter is
    merged in memory. A model without a chat template is given ``template``.

    Raises:
        UndertoneError: there is no such model, it cannot be loaded, it has no chat template, or its adapter was made on
            another base.
    """
    model = chatting(name, template if template and lacks_template(name) else None)
    base, *adapter = [part.path for part in model.parts or (model,)]
    notes = tuple(f"{name}: its adapter {said}" for place in adapter for said in told(Adapter.open(place), base))
    again = partial(load, base, *adapter)
    found = Local(name, model.key, again(), tokenizer_digest(base), again, notes, model.parts_by_name)
    found.release()
    return found
