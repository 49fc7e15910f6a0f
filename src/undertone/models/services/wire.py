"""Sends requests to an HTTP service with the OpenAI API, each once, and tells its failures apart."""

from __future__ import annotations

import json
import os
import re
import time
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import Any
from urllib.parse import urlsplit

import httpx2
from pydantic import SecretStr

from undertone.errors import UndertoneError
from undertone.models.names import PROVIDER

AGAIN = {408, 409, 425, 429}
"""Statuses after which the same request may succeed later, besides all from 500 on."""
THIS = {400, 413, 422}
"""Statuses by which a service refuses one request while it answers others."""
LONGEST = 2**24
"""Most bytes of an answer."""


class Again(Exception):
    """A request failed in a way that may pass. ``after`` is the pause (seconds) that the service asks for, if any."""

    def __init__(self, reason: str, after: float | None = None, perhaps_paid: bool = False) -> None:
        super().__init__(reason)
        self.after = after
        self.perhaps_paid = perhaps_paid
        """Whether the service may have done the work and charged for it."""


class Refused(UndertoneError):
    """The service refuses this one request, such as a text that is too long or against its rules."""


@dataclass(frozen=True)
class Service:
    """The address of a service and the key to it, which ``repr`` does not show."""

    name: str
    prefix: str
    """The beginning of the names of its two environment variables."""
    url: str
    key: SecretStr

    @classmethod
    def named(cls, name: str) -> Service:
        """The service with the address in ``<NAME>_BASE_URL`` and the key, if it needs one, in ``<NAME>_API_KEY``.

        Raises:
            UndertoneError: the address is missing or malformed.
        """
        prefix = re.sub(r"\W", "_", name).upper()
        url = os.environ.get(f"{prefix}_BASE_URL", "").rstrip("/")
        if not url:
            raise UndertoneError(
                f"The address of {name} is not known: set {prefix}_BASE_URL, for example to https://host/v1, and "
                f"{prefix}_API_KEY if the service needs a key."
            )
        parts = urlsplit(url)
        if parts.scheme not in ("http", "https") or not parts.hostname or parts.username or parts.query:
            raise UndertoneError(
                f"{prefix}_BASE_URL must be an address such as https://host/v1, without user name, key or query."
            )
        return cls(name, prefix, url, SecretStr(os.environ.get(f"{prefix}_API_KEY", "").strip()))

    def scrubbed(self, text: str) -> str:
        """``text`` with the key replaced, in case the service repeats it."""
        key = self.key.get_secret_value()
        return text.replace(key, "[key]") if key else text


def endpoint_of(name: str) -> tuple[Service, str]:
    """The service and the model of ``openai-api/<service>/<model>``.

    Raises:
        UndertoneError: the name has another form, or the service's address is missing or malformed.
    """
    provider, _, rest = name.partition("/")
    service, _, model = rest.partition("/")
    if provider != PROVIDER or not service or not model:
        raise UndertoneError(f"{name!r} is not the name of an endpoint: write {PROVIDER}/<service>/<model>.")
    return Service.named(service), model


class Wire:
    """A connection to a service, for several threads at once."""

    def __init__(self, service: Service, deadline: float, at_once: int) -> None:
        self._service, self._deadline = service, deadline
        key = service.key.get_secret_value()
        limits = httpx2.Limits(max_connections=at_once, max_keepalive_connections=at_once)
        self._client = httpx2.Client(
            headers={"Authorization": f"Bearer {key}"} if key else {},
            timeout=httpx2.Timeout(deadline, connect=min(deadline, 15.0)),
            limits=limits,
            follow_redirects=False,  # the key must reach no other address
        )

    def close(self) -> None:
        """Closes all connections."""
        self._client.close()

    def send(self, method: str, path: str, request: str | None = None, **sent: Any) -> dict[str, Any]:
        """Sends a request and returns the JSON object of the answer. ``sent`` are the arguments of ``httpx2``, such as
        ``json``. ``request`` identifies the request, also when it is repeated, so that it is charged only once.

        Raises:
            Again: it failed in a way that may pass.
            UndertoneError: it failed for good; the error says what to do.
        """
        status, headers, content = self._exchange(method, path, request, sent)
        text = self._service.scrubbed(content.decode("utf-8", "replace"))
        if status == 200:
            return self._parsed(text, headers.get("content-type", ""))
        reason = _reason(text)
        if status >= 500 or (status in AGAIN and "insufficient_quota" not in text):
            raise Again(f"status {status}{reason}", _pause(headers.get("retry-after")))
        raise (Refused if status in THIS else UndertoneError)(self._remedy(status, reason))

    def _exchange(
        self, method: str, path: str, request: str | None, sent: dict[str, Any]
    ) -> tuple[int, httpx2.Headers, bytes]:
        """Status, headers and body. All of it must arrive before the deadline."""
        ends, content, url = time.monotonic() + self._deadline, bytearray(), f"{self._service.url}/{path}"
        try:
            identified = {"Idempotency-Key": request} if request else {}
            with self._client.stream(method, url, headers=identified, **sent) as answer:
                for piece in answer.iter_bytes():
                    content += piece
                    if len(content) > LONGEST or time.monotonic() > ends:
                        raise Again("an answer that does not end", perhaps_paid=True)
                return answer.status_code, answer.headers, bytes(content)
        except (httpx2.ConnectError, httpx2.ConnectTimeout, httpx2.PoolTimeout) as error:
            raise Again(f"no connection ({self._service.scrubbed(str(error))})") from None
        except (httpx2.TransportError, httpx2.DecodingError) as error:
            raise Again(f"a broken connection ({type(error).__name__})", perhaps_paid=True) from None

    def _parsed(self, text: str, kind: str) -> dict[str, Any]:
        if "html" in kind or text.lstrip()[:1] == "<":
            raise UndertoneError(
                f"{self._service.url} answers with a web page: {self._service.prefix}_BASE_URL must be the address "
                "of the API, which often ends in /v1."
            )
        try:
            value = json.loads(text)
        except ValueError:
            raise Again("an answer that is not JSON", perhaps_paid=True) from None
        if not isinstance(value, dict):
            raise Again("an answer that is not an object", perhaps_paid=True)
        return value

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


def _reason(text: str) -> str:
    """The service's message about an error, in one short line."""
    try:
        value = json.loads(text)
        error = value.get("error", value) if isinstance(value, dict) else value
        said = error.get("message", "") if isinstance(error, dict) else error
    except ValueError:
        said = text
    line = " ".join(str(said).split())[:200]
    return f": {line}" if line else ""


def _pause(asked: str | None) -> float | None:
    """Seconds that a Retry-After header asks for, as a number or as a date."""
    if not asked:
        return None
    with suppress(ValueError):
        return max(0.0, float(asked))
    with suppress(ValueError, TypeError):
        return max(0.0, (parsedate_to_datetime(asked) - datetime.now(UTC)).total_seconds())
    return None
