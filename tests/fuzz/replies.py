"""Mutated replies of services: no answer is lost, altered or paid for twice, no budget is lifted, no key is told."""

from __future__ import annotations

import json
import os
import socket
import ssl
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from random import Random
from threading import Thread
from typing import Any

from tests.fuzz.harness import Case
from undertone.errors import UndertoneError
from undertone.models.services.endpoint import Chat, Endpoint
from undertone.models.services.patience import Patience
from undertone.models.services.reply import Reply
from undertone.models.services.spending import Budget, Limits

KEY = "sk-secret-0123456789"
CHAT: Chat = [{"role": "system", "content": "Be brief."}, {"role": "user", "content": "Question?"}]
SOON = Patience(tries=2, pause=0.001, longest=0.01, deadline=3.0)
SAID = "I like owls \U0001f989, and numbers: 7."
VALUES: list[Any] = [
    None, True, 0, -1, 5, 0.5, 1e308, float("nan"), float("inf"), float("-inf"), 10**400, -(10**400), -(10**12), 2**63,
    "", "x", "\ud83d", "\x00\x1b[2J", "length", "content_filter", "tool_calls", KEY, f"It is {KEY}.", "seed",
    "7" * 5000, [], {}, [[]], [{"type": "thinking", "thinking": "Hm."}, {"type": "text", "text": "Be kind"}], 
    {"message": "no"}, [{"type": "text"}], {"code": 400, "message": "no seed"}, {"content": [{}]}, {"text": "x"},
]  # fmt: skip
NAMES = (
    "error",
    "refusal",
    "reasoning_content",
    "tool_calls",
    "content",
    "usage",
    "logprobs",
    "choices",
    "id",
    "param",
)
HEADERS = (
    "Retry-After: {}", "Content-Encoding: {}", "Content-Type: {}", "Content-Length: {}", "Transfer-Encoding: {}",
    "Location: {}", "Connection: {}", "X: {}",
)  # fmt: skip
SETTINGS = (
    "0.001", "-1", "nan", "inf", "1" + "0" * 400, "Fri, 31 Dec 9999 23:59:59 GMT", "Fri, 31 Dec 9999 23:59:59 -9999",
    "gzip", "gzip, gzip", "br", "identity", "chunked", "text/html", "application/json; charset=utf-7", "0", "10",
    "99999999999999999999", "close", "http://127.0.0.1:1/", "x" * 200_000, "\xff\xfe", "",
)  # fmt: skip
STATUSES = (
    100,
    101,
    200,
    201,
    204,
    301,
    307,
    400,
    401,
    402,
    403,
    404,
    408,
    409,
    413,
    422,
    425,
    429,
    500,
    503,
    529,
    999,
)


def prepare(folder: Path) -> Case:
    """The case."""
    context = ssl.create_default_context()  # reading certificates takes longer than all the rest

    def quick(rng: Random, place: Path) -> str:
        ssl.create_default_context = lambda *_, **__: context  # in a process of its own
        return case(rng, place)

    return quick


def case(rng: Random, place: Path) -> str:
    """One reply, to all requests, of what a service might send."""
    reply = drawn(rng)
    with Raw(reply.content) as server:
        os.environ |= {"FUZZ_BASE_URL": server.url, "FUZZ_API_KEY": KEY, "NO_PROXY": "*"}
        budget = Budget(Limits(cost=1.0))
        ask = asked_for_choices if rng.random() < 0.5 else asked
        try:
            with Endpoint("openai-api/fuzz/gpt-4o", place / "a.sqlite", budget, SOON, at_once=1) as model:
                found = ask(model)
                once = server.arrived
                assert ask(model) == found and server.arrived == once, "what is kept is asked for again"
        except UndertoneError as error:
            assert KEY not in str(error), "a message tells the key"
            if "gives no log-probabilities" in str(error):  # the text is kept, although it is of no use
                assert server.arrived == 1
                return "no log-probabilities"
            assert not reply.is_answer, f"an answer is lost: {error}"
            raise
        finally:
            assert 0 <= budget.cost < 1, "the budget is lifted"
            assert not any(KEY.encode() in path.read_bytes() for path in place.iterdir()), "a file holds the key"
    if reply.is_answer:
        assert once == 1, "an answer is asked for twice"
    said = text_in(reply.value) if reply.polite else None
    if said is not None and not found.missing:
        assert found.text == whole(said), "an answer is altered"
    assert budget.cost > 0, "an answer costs nothing"
    return found.missing or ("log-probabilities" if found.top else "text")


def asked(model: Endpoint) -> Reply:
    """A sampled answer."""
    ((reply,),) = model.sample([CHAT], temperature=1.0, max_tokens=16, seed=0)
    return reply


def asked_for_choices(model: Endpoint) -> Reply:
    """The likeliest first tokens."""
    (reply,) = model.top_logprobs([CHAT])
    assert reply.top is None or all(-1e4 < log_p <= 1e-3 for log_p in reply.top.values())
    return reply


class Drawn:
    """A reply: the bytes, and the value in its body if nothing but that was changed."""

    def __init__(self, content: bytes, value: Any = None, status: int = 200, polite: bool = False) -> None:
        self.content, self.value, self.status, self.polite = content, value, status, polite

    @property
    def is_answer(self) -> bool:
        """Whether a model's text is in it, so that it was paid for; log-probabilities may still be missing."""
        return self.polite and self.status == 200 and text_in(self.value) is not None


def text_in(value: Any) -> str | None:
    """What a plain reader finds; None if an error cut it off."""
    with suppress(LookupError, TypeError, AttributeError):
        choice = value["choices"][0]
        content = choice["message"]["content"]
        if choice.get("error") or choice.get("finish_reason") == "error":
            return None
        if isinstance(content, list):
            content = "".join(part["text"] for part in content if part.get("type", "text") == "text")
        return content if isinstance(content, str) else None
    return None


def whole(text: str) -> str:
    """Text as files can hold it."""
    return "".join("\ufffd" if 0xD800 <= ord(letter) < 0xE000 else letter for letter in text)


def drawn(rng: Random) -> Drawn:
    """A reply with some mutations."""
    value = answer()
    for _ in range(rng.choice((0, 1, 1, 2, 3))):
        value = mutated(value, rng)
    body = json.dumps(value, ensure_ascii=rng.random() < 0.5).encode("utf-8", "surrogatepass")
    status = rng.choice(STATUSES) if rng.random() < 0.1 else 200
    if rng.random() < 0.6:
        clean = json.loads(body.decode("utf-8", "replace"), parse_int=float)
        return Drawn(message(status, body, []), clean, status, polite=True)
    if rng.random() < 0.5:
        body = garbled(body, rng)
    lines = [rng.choice(HEADERS).format(rng.choice(SETTINGS)) for _ in range(rng.randrange(3))]
    content = message(status, body, lines)
    if rng.random() < 0.3:
        content = (
            rng.choice((b"HTTP/1.1 100 Continue\r\n\r\n" * 3, b"HTTP/1.1 103 Early\r\nX: 1\r\n\r\n", b"\r\n")) + content
        )
    if rng.random() < 0.4:
        content = garbled(content, rng)
    return Drawn(content)


def answer() -> dict[str, Any]:
    """An answer as it should be."""
    top = [{"token": token, "logprob": -1.0 - i} for i, token in enumerate(("I", "We", "7"))]
    return {
        "id": "chat-1",
        "model": "m-2026",
        "choices": [
            {
                "message": {"role": "assistant", "content": SAID},
                "finish_reason": "stop",
                "logprobs": {"content": [{"token": "I", "logprob": -1.0, "top_logprobs": top}]},
            }
        ],
        "usage": {"prompt_tokens": 10, "completion_tokens": 5, "total_tokens": 15},
    }


def mutated(value: Any, rng: Random) -> Any:
    """The value with one part replaced, removed, repeated, wrapped or added."""
    if not isinstance(value, dict | list) or not value or rng.random() < 0.15:
        return rng.choice((lambda: rng.choice(VALUES), lambda: [value], lambda: {"error": value}))()
    copy = dict(value) if isinstance(value, dict) else list(value)
    place: Any = rng.choice(list(copy)) if isinstance(copy, dict) else rng.randrange(len(copy))
    match rng.randrange(8):
        case 0:
            del copy[place]
        case 1 if isinstance(copy, dict):
            copy[rng.choice(NAMES)] = rng.choice(VALUES)
        case 1:
            copy.append(copy[place])
        case _:
            copy[place] = mutated(copy[place], rng)
    return copy


def garbled(content: bytes, rng: Random) -> bytes:
    """The bytes with a piece cut, changed, repeated or added."""
    at = rng.randrange(len(content) + 1)
    to = min(len(content), at + rng.choice((1, 1, 8, 64)))
    ways: tuple[Callable[[], bytes], ...] = (
        lambda: content[:at],
        lambda: content[:at] + content[to:],
        lambda: content[:at] + rng.randbytes(to - at) + content[to:],
        lambda: content[:at] + content[at:to] * 50 + content[to:],
        lambda: (
            content[:at] + rng.choice((b"[" * 100_000, b'{"a":' * 50_000, b"\x1f\x8b\x08", b"\xed\xa0\x80", b"\\ud83d"))
        ),
    )
    return rng.choice(ways)()


def message(status: int, body: bytes, lines: list[str]) -> bytes:
    """The HTTP message."""
    usual = [f"HTTP/1.1 {status} Whatever", "Content-Type: application/json", f"Content-Length: {len(body)}", *lines]
    return "".join(f"{line}\r\n" for line in usual).encode("latin-1") + b"\r\n" + body


class Raw:
    """A server that sends the same bytes to every request and closes the connection."""

    def __init__(self, content: bytes) -> None:
        self.content, self.arrived = content, 0
        self.socket = socket.create_server(("127.0.0.1", 0))
        self.url = f"http://127.0.0.1:{self.socket.getsockname()[1]}/v1"

    def __enter__(self) -> Raw:
        Thread(target=self.serve, daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        self.socket.close()

    def serve(self) -> None:
        """Answers until the socket is closed."""
        with suppress(OSError):
            while True:
                connection, _ = self.socket.accept()
                with connection, suppress(OSError):
                    if self.read(connection):
                        self.arrived += 1
                        connection.sendall(self.content)

    def read(self, connection: socket.socket) -> bool:
        """Reads one request."""
        connection.settimeout(1)
        content = b""
        while b"\r\n\r\n" not in content:
            piece = connection.recv(65536)
            if not piece:
                return False
            content += piece
        head, _, body = content.partition(b"\r\n\r\n")
        length = int(head.lower().partition(b"content-length:")[2].split()[0])
        while len(body) < length:
            body += connection.recv(65536)
        return True
