"""A model behind an OpenAI-compatible service, ``openai-api/<service>/<model>``: sampled, and asked for choices.

Every request has a digest. Its answer is kept under that digest before it is used, so that a run that was stopped goes
on where it was and pays for no answer twice. The digest is also sent as ``Idempotency-Key``: a service that honours it
does not charge for a request repeated after a broken connection.
"""

import math
import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from dataclasses import dataclass
from pathlib import Path
from threading import Event, Lock
from types import TracebackType
from typing import Any, Self

from undertone.engine.digests import digest, seed_of
from undertone.errors import UndertoneError
from undertone.models.services.abilities import Ability
from undertone.models.services.answers import Answers
from undertone.models.services.patience import Patience
from undertone.models.services.spending import FREE, Budget, Limits, price_of
from undertone.models.services.wire import Again, Refused, Service, Wire

PROVIDER = "openai-api"
Chat = Sequence[Mapping[str, str]]
"""Messages with ``role`` and ``content``."""
PROBE: Chat = ({"role": "user", "content": "Is water wet? Answer yes or no."},)
KEPT = "what was answered is kept, and the same command goes on from there"


@dataclass(frozen=True)
class Reply:
    """One answer."""

    text: str
    """What the model said; empty if it said nothing."""
    finished: str
    """Why it ended, in the service's word: "stop", "length", "content_filter"; empty if it does not say."""
    model: str
    """The model that answered, as the service names it: a name may be moved to another snapshot."""
    top: Mapping[str, float] | None
    """Log-probabilities (nats) of the likeliest first tokens, where they were asked for and given."""


class Endpoint:
    """One model of one service. Use it in a ``with`` statement."""

    def __init__(
        self,
        name: str,
        answers: Path,
        limits: Limits | Budget = Limits(),  # noqa: B008 - frozen
        patience: Patience = Patience(),  # noqa: B008 - frozen
        at_once: int = 8,
    ) -> None:
        """Opens ``openai-api/<service>/<model>``; answers are kept in the file ``answers``; nothing is sent yet. A
        budget may be shared with other endpoints.

        Raises:
            UndertoneError: the name is none of an endpoint, the service's address is not set, a price is not known, or
                the file cannot be written.
        """
        provider, _, rest = name.partition("/")
        service, _, self.model = rest.partition("/")
        if provider != PROVIDER or not service or not self.model:
            raise UndertoneError(f"{name!r} names no endpoint: {PROVIDER}/<service>/<model> does.")
        self.name, self._service = name, Service.named(service)
        self.budget = limits if isinstance(limits, Budget) else Budget(limits)
        self._price = price_of(self.model) if self.budget.counts_cost else FREE
        self._answers, self._patience, self._at_once = Answers(answers), patience, at_once
        self._wire = Wire(self._service, patience.deadline, at_once)
        self._open_at = 0.0
        self._length = "max_tokens"

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._wire.close()
        self._answers.close()

    @property
    def address(self) -> str:
        """Where it is asked, without a key."""
        return self._service.url

    def abilities(self) -> frozenset[Ability]:
        """What the service lets this model do, found out by one request, which is kept as any other.

        Raises:
            UndertoneError: the service cannot be reached, or refuses.
        """
        try:
            (reply,) = self._ask([self._body(PROBE, temperature=0.0, max_tokens=1, seed=0, top=2)])
        except UndertoneError as error:
            if "logprob" not in str(error):
                raise
            return frozenset({Ability.SAMPLE})
        return frozenset({Ability.SAMPLE, Ability.CHOICES} if reply.top else {Ability.SAMPLE})

    def sample(
        self,
        chats: Sequence[Chat],
        *,
        n: int = 1,
        temperature: float,
        max_tokens: int,
        seed: int,
        progress: Callable[[int], None] = lambda _: None,
    ) -> list[list[Reply]]:
        """``n`` answers to every chat, in order.

        Nothing but the temperature shapes the distribution (top-p is sent as 1), unless the service has settings of its
        own. Every answer is a request with a seed of its own, which follows from ``seed``, the chat and how often the
        chat was asked before: other chats beside it, or a larger ``n``, change no seed, and what was answered before is
        not asked again. ``progress`` is told of every answer.

        Raises:
            UndertoneError: a limit is reached, the service refuses, or it fails as often as patience lasts.
        """
        before: Counter[str] = Counter()
        bodies = []
        for chat in chats:
            whose = _key(chat)
            for _ in range(n):
                own = seed_of(seed, before[whose])
                bodies.append(self._body(chat, temperature=temperature, max_tokens=max_tokens, seed=own))
                before[whose] += 1
        replies = iter(self._ask(bodies, progress))
        return [[next(replies) for _ in range(n)] for _ in chats]

    def top_logprobs(
        self, chats: Sequence[Chat], top: int = 20, progress: Callable[[int], None] = lambda _: None
    ) -> list[Mapping[str, float]]:
        """Log-probabilities (nats) of the ``top`` likeliest first tokens of the answer to each chat, by their text.

        Raises:
            UndertoneError: as :meth:`sample`; or the service gives none.
        """
        # The same chat twice is one request: sampled answers recur, and a judge is paid once for each text.
        asked = {_key(chat): chat for chat in chats}
        bodies = [self._body(chat, temperature=0.0, max_tokens=1, seed=0, top=top) for chat in asked.values()]
        found = dict(zip(asked, self._ask(bodies, progress), strict=True))
        replies = [found[_key(chat)] for chat in chats]
        if not all(reply.top for reply in replies):
            raise Refused(f"{self.name} gives no log-probabilities, so its choices cannot be read; sample them.")
        return [reply.top or {} for reply in replies]

    def _body(
        self, chat: Chat, *, temperature: float, max_tokens: int, seed: int, top: int | None = None
    ) -> dict[str, Any]:
        body = {
            "model": self.model,
            "messages": [dict(message) for message in chat],
            "temperature": temperature,
            "top_p": 1.0,
            "max_tokens": max_tokens,
            "seed": seed,
        }
        return body if top is None else body | {"logprobs": True, "top_logprobs": top}

    # --- many requests at once ---------------------------------------------------------------------------------------

    def _ask(self, bodies: Sequence[dict[str, Any]], progress: Callable[[int], None] = lambda _: None) -> list[Reply]:
        """The answers to all requests, in order. After a failure none is begun, and those on their way are kept."""
        replies: dict[int, Reply] = {}
        numbers, turn, stop = iter(range(len(bodies))), Lock(), Event()
        with ThreadPoolExecutor(self._at_once) as pool:
            workers = [
                pool.submit(self._work, bodies, numbers, turn, replies, stop, progress) for _ in range(self._at_once)
            ]
            try:
                for worker in as_completed(workers):
                    worker.result()
            except BaseException:
                stop.set()
                raise
        return [replies[i] for i in range(len(bodies))]

    def _work(
        self,
        bodies: Sequence[dict[str, Any]],
        numbers: Iterator[int],
        turn: Lock,
        replies: dict[int, Reply],
        stop: Event,
        progress: Callable[[int], None],
    ) -> None:
        while not stop.is_set():
            with turn:
                i = next(numbers, None)
            if i is None:
                return
            reply = self._reply(bodies[i], stop)
            if reply is None:
                return
            with turn:
                replies[i] = reply
                progress(1)

    # --- one request -------------------------------------------------------------------------------------------------

    def _reply(self, body: dict[str, Any], stop: Event) -> Reply | None:
        """The answer to a request, kept or fresh; None if it was stopped."""
        request = digest([self._service.url, body])
        answer = self._answers.find(request)
        if answer is None:
            answer = self._fresh(body, request, stop)
            if answer is None:
                return None
            self._answers.keep(request, {"url": self._service.url, **body}, answer)
        return Reply(answer["text"], answer["finished"], answer["model"], answer["top"])

    def _fresh(self, body: dict[str, Any], request: str, stop: Event) -> dict[str, Any] | None:
        """Asks until there is an answer, or patience ends."""
        for attempt in range(self._patience.tries):
            if self._waited(stop):
                return None
            try:
                return self._once(body, request)
            except Again as failure:
                self._pause(failure, attempt, stop)
                last = failure
        raise UndertoneError(f"{self.name} failed {self._patience.tries} times in a row, last with {last}; {KEPT}.")

    def _once(self, body: dict[str, Any], request: str) -> dict[str, Any]:
        """One attempt; what it cost is settled whatever becomes of it."""
        # A token has at least a byte.
        most = sum(len(text.encode()) + 16 for message in body["messages"] for text in message.values())
        reserved = self._price.of(most, body["max_tokens"])
        self.budget.reserve(reserved)
        try:
            value = self._wire.post("chat/completions", self._sent(body), request)
            answer = _answer_of(value)
        except Again as failure:
            if not failure.perhaps_paid:
                self.budget.settle(reserved, 0.0)
            raise
        except UndertoneError as error:
            self.budget.settle(reserved, 0.0)
            if "max_completion_tokens" in str(error) and self._length == "max_tokens":
                self._length = "max_completion_tokens"  # the newer name, which some models insist on
                raise Again("another name for the longest answer", after=0.0) from None
            raise
        if answer["usage"] is not None:
            self.budget.settle(reserved, self._price.of(*answer["usage"]))
        return answer

    def _sent(self, body: dict[str, Any]) -> dict[str, Any]:
        return {self._length if key == "max_tokens" else key: value for key, value in body.items()}

    def _waited(self, stop: Event) -> bool:
        """Waits while the service has asked everyone to; True if it was stopped meanwhile."""
        while (left := self._open_at - time.monotonic()) > 0:
            if stop.wait(left):
                return True
        return stop.is_set()

    def _pause(self, failure: Again, attempt: int, stop: Event) -> None:
        if failure.after is not None and failure.after > self._patience.longest:
            raise UndertoneError(f"{self.name} asks to wait {failure.after:.0f} s ({failure}); {KEPT}.") from None
        if failure.after is not None:  # it knows best, and it means everyone
            self._open_at = max(self._open_at, time.monotonic() + failure.after)
        elif attempt + 1 < self._patience.tries:
            stop.wait(self._patience.after(attempt))


def _key(chat: Chat) -> str:
    return digest([dict(message) for message in chat])


def _answer_of(value: dict[str, Any]) -> dict[str, Any]:
    """What is kept of a service's answer.

    Raises:
        Again: it is not what the API says.
    """
    try:
        choice = value["choices"][0]
        message, usage = choice["message"], value.get("usage")
        return {
            "text": str(message.get("content") or message.get("refusal") or ""),
            "finished": str(choice.get("finish_reason") or ""),
            "model": str(value.get("model") or ""),
            "top": _top(choice.get("logprobs")),
            "usage": None if not usage else (int(usage["prompt_tokens"]), int(usage["completion_tokens"])),
        }
    except (KeyError, IndexError, TypeError, ValueError, AttributeError):
        raise Again("an answer that is not what the API says", perhaps_paid=True) from None


def _top(given: Any) -> dict[str, float] | None:
    if not given or not given.get("content"):
        return None
    found: dict[str, float] = {}
    for choice in given["content"][0]["top_logprobs"]:
        token, log_p = str(choice["token"]), float(choice["logprob"])
        if math.isnan(log_p) or log_p > 1e-3:
            raise ValueError(f"{log_p} is no log-probability")
        # Two tokens may have one text.
        found[token] = log_p if token not in found else math.log(math.exp(found[token]) + math.exp(log_p))
    return found
