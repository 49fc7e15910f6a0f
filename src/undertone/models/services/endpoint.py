"""A model behind an OpenAI-compatible service, ``openai-api/<service>/<model>``: answers and probabilities.

Every request has a digest, and its answer is kept under that digest before it is used, so that a stopped run goes on
where it was and no answer is paid for twice. The digest is also sent as ``Idempotency-Key``: a service that honours it
does not charge again for a request that is repeated after a broken connection.
"""

import math
import time
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import CancelledError, ThreadPoolExecutor, as_completed
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from threading import Event
from typing import Any, Self

from undertone.engine.digests import digest, seed_of
from undertone.errors import UndertoneError
from undertone.models.services.answers import Answers
from undertone.models.services.patience import Patience
from undertone.models.services.spending import FREE, Budget, price_of
from undertone.models.services.wire import Again, Refused, Wire, endpoint_of

Chat = Sequence[Mapping[str, str]]
"""Messages with ``role`` and ``content``."""
PROBE: Chat = ({"role": "user", "content": "Is water wet? Answer yes or no."},)


@dataclass(frozen=True)
class Reply:
    """One answer."""

    text: str
    """What the model said; empty if it said nothing."""
    finished: str
    """Why it ended, by the service: "stop", "length", "content_filter"; empty if the service does not say."""
    model: str
    """The model that answered, by the service: the same name can later mean another snapshot."""
    top: Mapping[str, float] | None
    """Log-probabilities (nats) of the likeliest first tokens, if they were asked for and given."""


class Endpoint:
    """One model of one service. Use it in a ``with`` statement."""

    def __init__(
        self,
        name: str,
        answers: Path,
        budget: Budget | None = None,
        patience: Patience = Patience(),  # noqa: B008 - frozen
        at_once: int = 8,
    ) -> None:
        """Prepares requests to ``openai-api/<service>/<model>``; sends nothing. Answers are kept in the file
        ``answers``. Endpoints may share a ``budget``; without one there is no limit.

        Raises:
            UndertoneError: the name has another form, the service's address is missing, the file cannot be written, or
                the cost is limited and the model's price is not known.
        """
        self.name = name
        self._service, self.model = endpoint_of(name)
        self.budget = budget or Budget()
        self._price = price_of(self.model) if self.budget.counts_cost else FREE
        self._answers, self._patience, self._at_once = Answers(answers), patience, at_once
        self._wire = Wire(self._service, patience.deadline, at_once)
        self._open_at = 0.0
        self._length = "max_tokens"

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._wire.close()
        self._answers.close()

    @property
    def address(self) -> str:
        """The address of the service, without a key."""
        return self._service.url

    def abilities(self) -> tuple[str, ...]:
        """What the model can do here: "sample" (write answers) and perhaps "choices" (give the probabilities of the
        likeliest first tokens). Found out by one request, which is kept like any other.

        Raises:
            UndertoneError: the service cannot be reached, or refuses.
        """
        try:
            (reply,) = self._ask([self._body(PROBE, temperature=0.0, max_tokens=1, seed=0, top=2)])
        except UndertoneError as error:
            if "logprob" not in str(error):
                raise
            return ("sample",)
        return ("sample", "choices") if reply.top else ("sample",)

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
        """Returns ``n`` answers to every chat, in order, and calls ``progress(1)`` for each.

        Only the temperature shapes the distribution (top-p is sent as 1), unless the service has settings of its own.
        The seed of an answer follows from ``seed``, the chat and how often the chat was asked before. Other chats or a
        larger ``n`` therefore change no seed, and earlier answers are used again.

        Raises:
            UndertoneError: a limit is reached, or the service refuses or fails for too long.
        """
        before: Counter[str] = Counter()
        bodies = []
        for key, chat in zip(map(_key, chats), chats, strict=True):
            seeds = (seed_of(seed, i) for i in range(before[key], before[key] + n))
            bodies += [self._body(chat, temperature=temperature, max_tokens=max_tokens, seed=own) for own in seeds]
            before[key] += n
        replies = iter(self._ask(bodies, progress))
        return [[next(replies) for _ in range(n)] for _ in chats]

    def top_logprobs(
        self, chats: Sequence[Chat], top: int = 20, progress: Callable[[int], None] = lambda _: None
    ) -> list[Mapping[str, float]]:
        """Log-probabilities (nats) of the ``top`` likeliest first tokens of the answer to each chat, by their text.

        Raises:
            UndertoneError: as :meth:`sample`, or the service gives none.
        """
        # A chat that occurs twice is one request: sampled answers recur, and a judge is paid once for each text.
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

    def _ask(self, bodies: Sequence[dict[str, Any]], progress: Callable[[int], None] = lambda _: None) -> list[Reply]:
        """The answers to all requests, in order. After a failure no request is begun; answers under way are kept."""
        stop = Event()
        with ThreadPoolExecutor(self._at_once) as pool:
            replies = [pool.submit(self._reply, body, stop) for body in bodies]
            try:
                for reply in as_completed(replies):
                    with suppress(CancelledError):  # not sent, because another request failed
                        reply.result()
                        progress(1)
            except BaseException:
                stop.set()
                pool.shutdown(cancel_futures=True)
                raise
        return [reply.result() for reply in replies]

    def _reply(self, body: dict[str, Any], stop: Event) -> Reply:
        """The answer to one request, kept or new."""
        request = digest([self._service.url, body])
        answer = self._answers.find(request)
        if answer is None:
            try:
                answer = self._patience.insist(self.name, lambda: self._once(body, request, stop), stop.wait)
            except BaseException:
                stop.set()
                raise
            self._answers.keep(request, {"url": self._service.url, **body}, answer)
        return Reply(answer["text"], answer["finished"], answer["model"], answer["top"])

    def _once(self, body: dict[str, Any], request: str, stop: Event) -> dict[str, Any]:
        """Sends a request once, and settles its cost whether or not it succeeds."""
        while not stop.is_set() and (left := self._open_at - time.monotonic()) > 0:  # the service asked all to wait
            stop.wait(left)
        if stop.is_set():
            raise CancelledError
        # A token has at least one byte.
        most = sum(len(text.encode()) + 16 for message in body["messages"] for text in message.values())
        reserved = self._price.of(most, body["max_tokens"])
        self.budget.reserve(reserved)
        try:
            sent = {self._length if key == "max_tokens" else key: value for key, value in body.items()}
            answer = _answer_of(self._wire.send("POST", "chat/completions", request, json=sent))
        except Again as failure:
            if not failure.perhaps_paid:
                self.budget.settle(reserved, 0.0)
            if failure.after is not None and failure.after <= self._patience.longest:
                self._open_at = max(self._open_at, time.monotonic() + failure.after)
            raise
        except UndertoneError as error:
            self.budget.settle(reserved, 0.0)
            if "max_completion_tokens" in str(error) and self._length == "max_tokens":
                self._length = "max_completion_tokens"  # the newer name, which some models require
                raise Again("another name for the length limit", after=0.0) from None
            raise
        if answer["usage"] is not None:
            self.budget.settle(reserved, self._price.of(*answer["usage"]))
        return answer


def _key(chat: Chat) -> str:
    return digest([dict(message) for message in chat])


def _answer_of(value: dict[str, Any]) -> dict[str, Any]:
    """The parts of a service's answer that are kept.

    Raises:
        Again: the answer does not follow the API.
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
        raise Again("an answer that does not follow the API", perhaps_paid=True) from None


def _top(given: Any) -> dict[str, float] | None:
    if not given or not given.get("content"):
        return None
    found: dict[str, float] = {}
    for choice in given["content"][0]["top_logprobs"]:
        token, log_p = str(choice["token"]), float(choice["logprob"])
        if math.isnan(log_p) or log_p > 1e-3:
            raise ValueError(f"{log_p} is not a log-probability")
        # Two tokens can have the same text.
        found[token] = log_p if token not in found else math.log(math.exp(found[token]) + math.exp(log_p))
    return found
