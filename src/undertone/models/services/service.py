"""A service with the OpenAI API: its address, and the key to it, which no text may show."""

from __future__ import annotations

import ipaddress
import logging
import os
import re
from dataclasses import dataclass
from functools import cache
from urllib.parse import parse_qs, urlsplit

import httpx2
from pydantic import SecretStr

from undertone.errors import UndertoneError
from undertone.models.names import PROVIDER
from undertone.reading.hostile import one_line

logger = logging.getLogger("undertone")
VERSION = "api-version"
"""The one query that an address may have: Azure's, which goes with every request."""
LINE = 300
"""Most characters of a message of a service."""


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
            UndertoneError: the address is missing or malformed, or no header can hold the key.
        """
        prefix = re.sub(r"\W", "_", name).upper()
        url = os.environ.get(f"{prefix}_BASE_URL", "").strip().rstrip("/")
        if not url:
            raise UndertoneError(
                f"The address of {name} is not known: set {prefix}_BASE_URL, for example to https://host/v1, and "
                f"{prefix}_API_KEY if the service needs a key."
            )
        if not _is_address(url):
            raise UndertoneError(
                f"{prefix}_BASE_URL must be an address such as https://host/v1, without user name, key or query "
                f"(Azure's ?{VERSION}=... may follow)."
            )
        key = os.environ.get(f"{prefix}_API_KEY", "").strip()
        if not all(" " <= letter <= "~" for letter in key):
            raise UndertoneError(f"{prefix}_API_KEY has characters that no header can hold: copy the key again.")
        if key and url.startswith("http:") and not _is_here(url):
            _warn(prefix)
        return cls(name, prefix, url, SecretStr(key))

    def at(self, path: str) -> str:
        """The address of ``path`` at this service."""
        place, mark, query = self.url.partition("?")
        return f"{place.rstrip('/')}/{path}{mark}{query}"

    def headers(self) -> dict[str, str]:
        """The header with the key, if there is one."""
        key, host = self.key.get_secret_value(), urlsplit(self.url).hostname or ""
        if not key:
            return {}
        azure = host.endswith(".azure.com") or "?" in self.url
        return {"api-key": key} if azure else {"Authorization": f"Bearer {key}"}

    def scrubbed(self, text: str) -> str:
        """``text`` with the key replaced, as it is or escaped as in JSON or in addresses, in case the service repeats
        it. A short word such as "test" is no secret and stays."""
        key = self.key.get_secret_value()
        if len(key) < 8 or (len(key) < 16 and not any(map(str.isdigit, key))):
            return text
        return re.sub("".join(map(_spelled, key)), "[key]", text)

    def line(self, text: str) -> str:
        """The beginning of what the service says, in one line without the key and without control characters."""
        return one_line(self.scrubbed(text[: 100 * LINE]))[:LINE]


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


def _is_address(url: str) -> bool:
    try:
        parts = urlsplit(url)
        httpx2.URL(url)  # stricter with hosts
        queries = list(parse_qs(parts.query, strict_parsing=True)) if parts.query else []
        port = parts.port
    except (ValueError, httpx2.InvalidURL):
        return False
    plain = not (parts.username or parts.password or parts.fragment or " " in url)
    known = parts.scheme in ("http", "https") and bool(parts.hostname) and port != 0
    return plain and known and queries in ([], [VERSION])


def _is_here(url: str) -> bool:
    """Whether what is sent to the address stays on this machine."""
    host = urlsplit(url).hostname or ""
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost" or host.endswith(".localhost")


@cache
def _warn(prefix: str) -> None:
    """Once for each service: its key can be read by whoever is on the way."""
    logger.warning("%s_BASE_URL begins with http://, so the key travels unencrypted: use https:// if it can.", prefix)


def _spelled(letter: str) -> str:
    """A pattern of the ways in which texts spell a letter."""
    code = f"{ord(letter):02x}"
    return rf"(?:{re.escape(letter)}|\\{{1,4}}u00(?i:{code})|%(?i:{code}))"
