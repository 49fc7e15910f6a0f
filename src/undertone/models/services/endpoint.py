"""A model behind an OpenAI-compatible service, ``openai-api/<service>/<model>``: answers and probabilities.

Every request has a digest, and its answer is kept under that digest before it is used, so that a stopped run goes on
where it was and no answer is paid for twice. The digest is also sent as ``Idempotency-Key``: a service that honours it
does not charge again for a request that is repeated after a broken connection.
"""

import logging
import time
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import CancelledError, ThreadPoolExecutor, as_completed
from contextlib import suppress
from datetime import datetime
from pathlib import Path
from threading import Event, Lock
from typing import Any, Self
from uuid import uuid4

from undertone.engine.digests import digest, seed_of
from undertone.errors import UndertoneError
from undertone.models.services.adapting import CHANCES, adapted, another, sent, told
from undertone.models.services.answers import Answers, Kept
from undertone.models.services.patience import Patience
from undertone.models.services.reply import Reply, answer_of, no_answer_for, reply_of, whole
from undertone.models.services.service import endpoint_of
from undertone.models.services.spending import FREE, Budget, price_of
from undertone.models.services.wire import Again, Refused, Wire

logger = logging.getLogger("undertone")
Chat = Sequence[Mapping[str, str]]
"""Messages with ``role`` and ``content``."""
PROBE: Chat = ({"role": "user", "content": "Is water wet? Answer yes or no."},)
SLACK = 60.0
"""Seconds beyond a request's deadline for which it is claimed."""
LOOK = 0.1
"""Seconds between two looks for the answer to a request that another process has sent."""
QUIET = 3.0
"""Seconds for which to wait for another process in silence."""
FRESH = "fresh-"
"""Begins the Idempotency-Key of a request whose answer must not be one that was given before."""


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
        self._refused = self._answers.refusals(self.address, self.model)
        self._lock, self._waits = Lock(), False
        self._given: dict[str, Kept] = {}
        self._names = self._answers.names(self.address, self.model)
        self._new: set[str] = set()
        self._now: str | None = None
        self._unasked = ""

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._wire.close()
        self._answers.close()

    @property
    def address(self) -> str:
        """The address of the service, without a key."""
        return self._service.url

    @property
    def notes(self) -> tuple[str, ...]:
        """What the service does not take of what is asked, so that it was asked otherwise, and which answers were kept
        by an earlier command, in a sentence each."""
        return (*(told(self.name, what, reason) for what, reason in self._refused.items()), *self._kept_earlier())

    def _kept_earlier(self) -> list[str]:
        """The same name may mean another model today than when an answer was kept."""
        earlier = [kept for kept in list(self._given.values()) if kept.earlier]
        if not earlier:
            return []
        names, count = sorted(self._names | self._new), f"{len(earlier)} of {len(self._given)}"
        return [
            f"{count} answers of {self.name} were kept earlier, the first {_first(earlier)}; if another model now "
            f"answers to this name, delete {self._answers.path} to ask anew",
            *([f"answers of {self.name} are by models of several names: {', '.join(names)}"] if len(names) > 1 else []),
            *([f"{self.name} could not be asked which model it is today ({self._unasked})"] if self._unasked else []),
        ]

    def abilities(self) -> tuple[str, ...]:
        """What the model can do here: "sample" (write answers) and perhaps "choices" (give the probabilities of the
        likeliest first tokens). Found out by one request, which is kept like any other.

        Raises:
            UndertoneError: the service cannot be reached, or refuses.
        """
        if CHANCES in self._refused:
            return ("sample",)
        try:
            (reply,) = self._ask([self._body(PROBE, temperature=0.0, max_tokens=1, seed=0, top=2)])
        except Refused as error:
            if "logprob" not in str(error):
                raise
            self._remember(CHANCES, str(error))
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
    ) -> list[Reply]:
        """Replies with log-probabilities (nats) of the ``top`` likeliest first tokens of the answer to each chat, by
        their text; of fewer if the service gives no more, and perhaps of none if the reply is ``missing``.

        Raises:
            UndertoneError: as :meth:`sample`, or the service gives none.
        """
        # A chat that occurs twice is one request: sampled answers recur, and a judge is paid once for each text.
        asked = {_key(chat): chat for chat in chats}
        bodies = [self._body(chat, temperature=0.0, max_tokens=1, seed=0, top=top) for chat in asked.values()]
        found = dict(zip(asked, self._ask(bodies, progress), strict=True))
        replies = [found[_key(chat)] for chat in chats]
        if not all(reply.top or reply.missing for reply in replies):
            raise Refused(f"{self.name} gives no log-probabilities, so its choices cannot be read; sample them.")
        return replies

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
        request = self._request(body)
        kept = self._answers.find(request)
        if kept is None:
            try:
                kept = self._patience.insist(self.name, lambda: self._once(body, stop), stop.wait)
            except BaseException:
                stop.set()
                raise
        try:
            reply = reply_of(kept.answer)
        except (ValueError, TypeError) as error:
            raise self._answers.refusal(error) from None
        self._given[request] = kept
        if kept.earlier:
            self._compare()
        elif reply.model:
            self._new.add(reply.model)
        return reply

    def _compare(self) -> None:
        """Asks once which model answers today, and compares it with those of the kept answers.

        Raises:
            UndertoneError: it is another.
        """
        with self._lock:
            if self._now is None:
                self._now = self._named_now()
        if self._now and self._names and self._now not in self._names:
            raise UndertoneError(
                f"{self.name} is now {self._now}, but its answers in {self._answers.path} are by "
                f"{', '.join(sorted(self._names))}: move that file away to ask anew, or give a name that means the "
                "same model as before."
            )

    def _named_now(self) -> str:
        """The name that the service gives to the model in a new answer; empty if there is none."""
        asked = adapted(self._body(PROBE, temperature=0.0, max_tokens=1, seed=0), self._refused)
        try:
            answer = self._sent(f"{FRESH}{uuid4().hex}", asked, sent(asked, self._refused))
        except (Again, UndertoneError) as error:
            self._unasked = str(error).rstrip(".")
            return ""
        return whole(answer["model"])

    def _once(self, body: dict[str, Any], stop: Event) -> Kept:
        """Asks once, in other words if the service does not take the first, and keeps the answer."""
        tried: dict[str, str] = {}
        while True:
            refused = self._refused | tried
            asked = adapted(body, refused)
            request = self._request(asked)
            if (found := self._found_or_claimed(request, stop)) is not None:
                return found
            try:
                answer = self._sent(request, asked, sent(asked, refused))
            except Refused as error:
                self._answers.release(request)
                if (what := another(asked, refused, str(error))) is not None:
                    tried[what] = str(error)
                    continue
                if (none := no_answer_for(str(error))) is None:
                    raise
                answer, tried = none, {}  # what was tried was not the reason
            except BaseException:
                self._answers.release(request)
                raise
            self._answers.keep(request, {"url": self.address, **asked}, answer)
            for what, reason in tried.items():  # only now it is sure that this was the reason
                self._remember(what, reason)
            return Kept(answer, time.time(), earlier=False)

    def _request(self, asked: dict[str, Any]) -> str:
        return digest([self.address, asked])

    def _remember(self, what: str, reason: str) -> None:
        self._refused[what] = reason
        self._answers.keep_refusal(self.address, self.model, what, reason)

    def _found_or_claimed(self, request: str, stop: Event) -> Kept | None:
        """Waits until a request may be sent: the service may have asked for a pause, or another process may be sending
        it. Returns the answer if there is one by then."""
        since = time.monotonic()
        while not stop.is_set():
            found, left = self._answers.find(request), self._open_at - time.monotonic()
            if found is not None:
                return found
            if left <= 0 and self._answers.claim(request, self._patience.deadline + SLACK):
                return self._answers.find(request)  # which may have been kept since
            if left > 0:
                since += left
            elif time.monotonic() - since > QUIET:
                self._tell_that_it_waits()
            stop.wait(left if left > 0 else LOOK)
        raise CancelledError

    def _tell_that_it_waits(self) -> None:
        with self._lock:
            waits, self._waits = self._waits, True
        if not waits:
            logger.warning("%s: waiting for another process that asks the same, for its answer.", self.name)

    def _sent(self, request: str, asked: dict[str, Any], body: dict[str, Any]) -> dict[str, Any]:
        """Sends a request once, and settles its cost whether or not it succeeds."""
        # A token has at least one byte.
        most = sum(len(text.encode()) + 16 for message in asked["messages"] for text in message.values())
        reserved = self._price.of(most, asked["max_tokens"])
        self.budget.reserve(reserved)
        fresh = request.startswith(FRESH)
        key = request if fresh or body == asked else digest([request, body])  # one key is for one body
        try:
            value = self._wire.send("POST", "chat/completions", key, json=body)
            answer = answer_of(value, self._service, top="top_logprobs" in asked)
        except Again as failure:
            if not failure.perhaps_paid:
                self.budget.settle(reserved, 0.0)
            if failure.after is not None and failure.after <= self._patience.longest:
                self._open_at = max(self._open_at, time.monotonic() + failure.after)
            raise
        except UndertoneError:
            self.budget.settle(reserved, 0.0)
            raise
        if answer["usage"] is not None:
            self.budget.settle(reserved, self._price.of(*answer["usage"]))
        return answer


def _key(chat: Chat) -> str:
    return digest([dict(message) for message in chat])


def _first(earlier: Sequence[Kept]) -> str:
    """When the first of some answers was kept."""
    times = [kept.at for kept in earlier if kept.at is not None]
    with suppress(ValueError, OverflowError, OSError):  # a time that is none
        if len(times) == len(earlier):
            return f"on {datetime.fromtimestamp(min(times)):%Y-%m-%d}"
    return "at an unknown time"
