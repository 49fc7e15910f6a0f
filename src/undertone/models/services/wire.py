"""Sends requests to an HTTP service with the OpenAI API, each once, and tells its failures apart."""

from __future__ import annotations

import asyncio
import json
import os
import ssl
import zlib
from collections.abc import Coroutine
from contextlib import suppress
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from functools import cache
from threading import Thread
from typing import Any, TypeVar

import httpx2

from undertone.errors import UndertoneError
from undertone.models.services.service import Service

Result = TypeVar("Result")
AGAIN = {408, 409, 425, 429}
"""Statuses after which the same request may succeed later, besides all from 500 on."""
THIS = {400, 413, 422}
"""Statuses by which a service refuses one request while it answers others."""
LONGEST = 2**24
"""Most bytes of an answer."""
DIGITS = 19
"""Most digits of a whole number; a longer one counts as infinite."""


class Again(Exception):
    """A request failed in a way that may pass. ``after`` is the pause (seconds) that the service asks for, if any."""

    def __init__(self, reason: str, after: float | None = None, perhaps_paid: bool = False) -> None:
        super().__init__(reason)
        self.after = after
        self.perhaps_paid = perhaps_paid
        """Whether the service may have done the work and charged for it."""


class Refused(UndertoneError):
    """The service refuses this one request, such as a text that is too long or against its rules."""


@cache
def _certificates(file: str | None, folder: str | None) -> ssl.SSLContext:
    """Returns the certificates that this machine trusts, by its two settings. To read them takes 35 ms."""
    return httpx2.create_ssl_context()


class Wire:
    """Connections to a service, for several threads at once."""

    def __init__(self, service: Service, deadline: float, at_once: int) -> None:
        """``deadline``: the most seconds from the beginning of a request to the last byte of its answer.

        Raises:
            UndertoneError: this machine's settings of proxies or certificates are wrong.
        """
        self._service, self._deadline = service, deadline
        try:
            self._client = httpx2.AsyncClient(
                verify=_certificates(os.environ.get("SSL_CERT_FILE"), os.environ.get("SSL_CERT_DIR")),
                headers=service.headers() | {"Accept-Encoding": "identity"},
                timeout=httpx2.Timeout(deadline, connect=min(deadline, 15.0)),
                limits=httpx2.Limits(max_connections=at_once, max_keepalive_connections=at_once),
                follow_redirects=False,  # the key must reach no other address
            )
        except (OSError, ValueError, ImportError, httpx2.InvalidURL) as error:
            raise UndertoneError(
                f"This machine's proxies or certificates cannot be used ({service.line(str(error))}): correct "
                "HTTP_PROXY, HTTPS_PROXY, ALL_PROXY, SSL_CERT_FILE and SSL_CERT_DIR."
            ) from None
        # Only what runs in an event loop can be ended at any moment: a blocking client's limits begin anew with every
        # byte.
        self._loop = asyncio.new_event_loop()
        self._thread = Thread(target=self._loop.run_forever, daemon=True)
        self._thread.start()

    def close(self) -> None:
        """Closes all connections."""
        self._wait(self._client.aclose())
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()

    def send(self, method: str, path: str, request: str | None = None, **sent: Any) -> dict[str, Any]:
        """Sends a request and returns the JSON object of the answer. ``sent`` are the arguments of ``httpx2``, such as
        ``json``. ``request`` identifies the request, also when it is repeated, so that it is charged only once.

        Raises:
            Again: it failed in a way that may pass.
            UndertoneError: it failed for good; the error says what to do.
        """
        status, headers, content = self._wait(self._exchange(method, path, request, sent))
        text = content.decode("utf-8-sig", "replace")
        if 200 <= status < 300:
            value = self._parsed(text, headers.get("content-type", ""))
            status = _failed(value)
            if not status:
                return value
        reason = self._reason(text)
        if status >= 500 or (status in AGAIN and "insufficient_quota" not in text):
            raise Again(f"status {status}{reason}", _pause(headers.get("retry-after")))
        raise (Refused if status in THIS else UndertoneError)(self._remedy(status, reason))

    def _wait(self, call: Coroutine[Any, Any, Result]) -> Result:
        return asyncio.run_coroutine_threadsafe(call, self._loop).result()

    async def _exchange(
        self, method: str, path: str, request: str | None, sent: dict[str, Any]
    ) -> tuple[int, httpx2.Headers, bytes]:
        """Status, headers and body. All of it must arrive before the deadline."""
        identified, content = {"Idempotency-Key": request} if request else {}, bytearray()
        try:
            async with (
                asyncio.timeout(self._deadline),
                self._client.stream(method, self._service.at(path), headers=identified, **sent) as answer,
            ):
                async for piece in answer.aiter_raw():
                    content += piece
                    if len(content) > LONGEST:
                        raise Again("an answer that is too long", perhaps_paid=True)
                return answer.status_code, answer.headers, _decoded(content, answer.headers)
        except TimeoutError:
            raise Again(f"an answer that takes over {self._deadline:g} s", perhaps_paid=True) from None
        except (httpx2.ConnectError, httpx2.ConnectTimeout, httpx2.PoolTimeout) as error:
            raise Again(f"no connection ({self._service.line(str(error))})") from None
        except (httpx2.HTTPError, OSError) as error:
            raise Again(f"a broken connection ({type(error).__name__})", perhaps_paid=True) from None

    def _parsed(self, text: str, kind: str) -> dict[str, Any]:
        if "html" in kind or text.lstrip()[:1] == "<":
            prefix = self._service.prefix
            raise UndertoneError(
                f"{self._service.url} answers with a web page: {prefix}_BASE_URL must be the address of the API, which "
                "often ends in /v1."
            )
        try:
            # Not undertone.reading, which refuses all for one bad number or half a character: this is paid for.
            value = json.loads(text, parse_int=_whole)
        except (ValueError, RecursionError):
            raise Again("an answer that is not JSON", perhaps_paid=True) from None
        if not isinstance(value, dict):
            raise Again("an answer that is not an object", perhaps_paid=True)
        return value

    def _reason(self, text: str) -> str:
        """The service's message about an error."""
        try:
            said = message_of(json.loads(text, parse_int=_whole))
        except (ValueError, RecursionError):
            said = text
        line = self._service.line(said)
        return f": {line}" if line else ""

    def _remedy(self, status: int, reason: str) -> str:
        name, prefix = self._service.name, self._service.prefix
        match status:
            case 401 | 403:
                return f"{name} refuses the key (status {status}{reason}): check {prefix}_API_KEY."
            case 404:
                return f"{name} knows no such model or address (404{reason}): check the name and {prefix}_BASE_URL."
            case 429 | 402:
                return f"{name} says that its quota is spent (status {status}{reason}): top it up and try again."
            case _ if 300 <= status < 400:
                return f"{name} redirects elsewhere (status {status}): set {prefix}_BASE_URL to its final address."
        return f"{name} refuses the request (status {status}{reason})."


def _whole(digits: str) -> int | float:
    return int(digits) if len(digits) <= DIGITS else float(digits)


def _decoded(content: bytes | bytearray, headers: httpx2.Headers) -> bytes:
    """The body of a service that compresses although it was asked not to."""
    if headers.get("content-encoding", "identity").lower() in ("identity", ""):
        return bytes(content)
    try:
        return zlib.decompressobj(47).decompress(content, LONGEST)  # 47: gzip or deflate
    except zlib.error:
        raise Again("an answer in an encoding that was not asked for", perhaps_paid=True) from None


def _failed(value: dict[str, Any]) -> int:
    """The status of an error that comes with a status of success: the one that it names, or 500; 0 if there is none."""
    error = value.get("error")
    if not error or value.get("choices") or isinstance(value.get("status"), str):  # a job may have failed itself
        return 0
    code = error.get("code") if isinstance(error, dict) else None
    return code if isinstance(code, int) and 400 <= code < 600 else 500


def message_of(value: Any) -> str:
    """What an error says, in the forms that services give it, with the parameter that it is about."""
    error = (value.get("error") or value) if isinstance(value, dict) else value
    if not isinstance(error, dict):
        return error if isinstance(error, str) else json.dumps(error)
    said = error.get("message") or error.get("detail") or error.get("msg") or error
    about = error.get("param")
    text = said if isinstance(said, str) else json.dumps(said, ensure_ascii=False)
    return f"{text} ({about})" if isinstance(about, str) and about and about not in text else text


def _pause(asked: str | None) -> float | None:
    """Seconds that a Retry-After header asks for, as a number or as a date."""
    if not asked:
        return None
    with suppress(ValueError):
        return max(0.0, float(asked))
    with suppress(ValueError, TypeError, OverflowError):
        return max(0.0, (parsedate_to_datetime(asked) - datetime.now(UTC)).total_seconds())
    return None
