"""One HTTP service that speaks the OpenAI API: a request goes out once, and every way it may fail is told apart."""

from __future__ import annotations

import json
import os
import re
import time
from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import Any
from urllib.parse import urlsplit

import httpx2
from pydantic import SecretStr

from undertone.errors import UndertoneError

AGAIN = {408, 409, 425, 429}
"""Statuses after which the same request may succeed, besides all from 500 on."""
THIS = {400, 413, 422}
"""Statuses that are about one request, where others of the same form are answered."""
LONGEST = 2**24
"""Most bytes of an answer."""


class Again(Exception):
    """A request failed in a way that may pass; ``after`` is the pause (seconds) that the service asks for, if any."""

    def __init__(self, reason: str, after: float | None = None, perhaps_paid: bool = False) -> None:
        super().__init__(reason)
        self.after = after
        self.perhaps_paid = perhaps_paid
        """Whether the service may have done the work all the same."""


class Refused(UndertoneError):
    """A service that answers does not answer this: too long for it, or against its rules."""


@dataclass(frozen=True)
class Service:
    """Where a service is, and the key to it, which no representation shows."""

    name: str
    url: str
    key: SecretStr

    @classmethod
    def named(cls, name: str) -> Service:
        """The service that ``<NAME>_BASE_URL`` and ``<NAME>_API_KEY`` describe; those that run here need no key.

        Raises:
            UndertoneError: no address is set, or it is none.
        """
        prefix = re.sub(r"\W", "_", name).upper()
        url = os.environ.get(f"{prefix}_BASE_URL", "").rstrip("/")
        if not url:
            raise UndertoneError(
                f"Where {name} is must be said: set {prefix}_BASE_URL, for example to https://host/v1, and "
                f"{prefix}_API_KEY if it asks for a key."
            )
        parts = urlsplit(url)
        if parts.scheme not in ("http", "https") or not parts.hostname or parts.username or parts.query:
            raise UndertoneError(
                f"{prefix}_BASE_URL must be an address such as https://host/v1, without a name, key or question in it."
            )
        return cls(name, url, SecretStr(os.environ.get(f"{prefix}_API_KEY", "").strip()))

    @property
    def prefix(self) -> str:
        """What its two variables begin with."""
        return re.sub(r"\W", "_", self.name).upper()

    def scrubbed(self, text: str) -> str:
        """``text`` without the key, should a service repeat it."""
        key = self.key.get_secret_value()
        return text.replace(key, "[key]") if key else text


class Wire:
    """A connection to a service, fit for several threads."""

    def __init__(self, service: Service, deadline: float, at_once: int) -> None:
        self._service, self._deadline = service, deadline
        key = service.key.get_secret_value()
        limits = httpx2.Limits(max_connections=at_once, max_keepalive_connections=at_once)
        self._client = httpx2.Client(
            headers={"Authorization": f"Bearer {key}"} if key else {},
            timeout=httpx2.Timeout(deadline, connect=min(deadline, 15.0)),
            limits=limits,
            follow_redirects=False,  # a key goes to the address it was given for
        )

    def close(self) -> None:
        """Closes all connections."""
        self._client.close()

    def post(self, path: str, body: dict[str, Any], request: str) -> dict[str, Any]:
        """The JSON object that the service answers. ``request`` names the request, the same whenever it is repeated.

        Raises:
            Again: it failed in a way that may pass.
            UndertoneError: it failed in a way that will not: says what to mend.
        """
        return self._answer("POST", path, request, json=body)

    def upload(self, path: str, name: str, content: bytes, fields: dict[str, str], request: str) -> dict[str, Any]:
        """The same for a file, sent as a form."""
        return self._answer("POST", path, request, files={"file": (name, content)}, data=fields)

    def get(self, path: str, **asked: str) -> dict[str, Any]:
        """The same for what is only looked at."""
        return self._answer("GET", path, None, params=asked)

    def _answer(self, method: str, path: str, request: str | None, **sent: Any) -> dict[str, Any]:
        status, headers, content = self._exchange(method, path, request, sent)
        text = self._service.scrubbed(content.decode("utf-8", "replace"))
        if status == 200:
            return self._parsed(text, headers.get("content-type", ""))
        told = _told(text)
        if status >= 500 or (status in AGAIN and "insufficient_quota" not in text):
            raise Again(f"status {status}{told}", _pause(headers.get("retry-after")))
        raise (Refused if status in THIS else UndertoneError)(self._remedy(status, told))

    def _exchange(
        self, method: str, path: str, request: str | None, sent: dict[str, Any]
    ) -> tuple[int, httpx2.Headers, bytes]:
        """Status, headers and body; the whole of it must come before the deadline, however slowly it drips."""
        ends, content, url = time.monotonic() + self._deadline, bytearray(), f"{self._service.url}/{path}"
        try:
            named = {"Idempotency-Key": request} if request else {}
            with self._client.stream(method, url, headers=named, **sent) as answer:
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
            raise Again("an answer that is no JSON", perhaps_paid=True) from None
        if not isinstance(value, dict):
            raise Again("an answer that is no object", perhaps_paid=True)
        return value

    def _remedy(self, status: int, told: str) -> str:
        name, prefix = self._service.name, self._service.prefix
        match status:
            case 401 | 403:
                return f"{name} refuses the key (status {status}{told}): check {prefix}_API_KEY."
            case 404:
                return f"{name} knows no such model or address (404{told}): check the name and {prefix}_BASE_URL."
            case 429 | 402:
                return f"{name} says that its quota is spent (status {status}{told}): top it up and try again."
            case _ if 300 <= status < 400:
                return f"{name} sends elsewhere (status {status}): set {prefix}_BASE_URL to its final address."
        return f"{name} refuses the request (status {status}{told})."


def _told(text: str) -> str:
    """What the service says of an error, in one short line."""
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
    try:
        return max(0.0, float(asked))
    except ValueError:
        pass
    try:
        return max(0.0, (parsedate_to_datetime(asked) - datetime.now(UTC)).total_seconds())
    except (ValueError, TypeError):
        return None
