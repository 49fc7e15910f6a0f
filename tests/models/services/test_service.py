"""The address of a service and the key to it: one sentence for what is none, and no key where it does not belong."""

import logging
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import SecretStr

from tests.helpers import service
from tests.models.services.conftest import KEY, SOON, Opened
from undertone.errors import UndertoneError
from undertone.models.services import service as services
from undertone.models.services.endpoint import Endpoint
from undertone.models.services.service import Service


@pytest.fixture(autouse=True)
def unwarned() -> None:
    services._warn.cache_clear()


@pytest.mark.parametrize(
    "address",
    [
        "http://[::1/v1", "http://host:abc/v1", "http://host:99999/v1", "http://host:-1/v1", "http://:80/v1", "http://",
        "http://a b/v1", "http://ho\x00st/v1", "http://host/v1#part", "https://user@host/v1", "https://:key@host/v1",
        "https://host/v1?api-version=1&key=2", "https://host/v1?api-version", "//host/v1", "http:host", "http://[x]/v1",
        f"http://{'a' * 300}/v1/\ud800", "http://" + "a" * 70_000,
    ],
)  # fmt: skip
def test_an_address_that_is_none_is_one_sentence(address: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(services.os, "environ", {"TEST_HOST_BASE_URL": address})
    with pytest.raises(UndertoneError, match="TEST_HOST_BASE_URL must be an address"):
        Service.named("test-host")


@pytest.mark.parametrize(
    ("address", "at"),
    [
        ("http://[::1]:8000/v1", "http://[::1]:8000/v1/files"),
        ("https://host/v1/", "https://host/v1/files"),
        ("https://host/v1?api-version=2024-06-01", "https://host/v1/files?api-version=2024-06-01"),
        ("https://host/v1/?api-version=2024-06-01", "https://host/v1/files?api-version=2024-06-01"),
    ],
)
def test_a_path_is_put_behind_the_address_and_before_its_query(
    address: str, at: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TEST_HOST_BASE_URL", address)
    assert Service.named("test-host").at("files") == at


@pytest.mark.parametrize("key", ["schlüssel", "ключ", "a\nb", "a\x7f", "\N{ZERO WIDTH SPACE}sk-123"])
def test_a_key_that_no_header_can_hold_is_one_sentence(key: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TEST_HOST_BASE_URL", "https://host/v1")
    monkeypatch.setenv("TEST_HOST_API_KEY", key)
    with pytest.raises(UndertoneError, match="TEST_HOST_API_KEY has characters that no header can hold") as told:
        Service.named("test-host")
    assert key not in str(told.value)


@pytest.mark.parametrize(
    ("address", "key", "warned"),
    [
        ("http://models.example/v1", KEY, True),
        ("http://10.0.0.7:8000/v1", KEY, True),
        ("http://models.example/v1", "", False),
        ("https://models.example/v1", KEY, False),
        ("http://localhost:8000/v1", KEY, False),
        ("http://127.0.0.2/v1", KEY, False),
        ("http://[::1]/v1", KEY, False),
    ],
)
def test_a_key_that_would_travel_unencrypted_is_told_once(
    address: str, key: str, warned: bool, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setenv("TEST_HOST_BASE_URL", address)
    monkeypatch.setenv("TEST_HOST_API_KEY", key)
    with caplog.at_level(logging.WARNING):
        for _ in range(2):
            Service.named("test-host")
    assert [record.getMessage() for record in caplog.records] == [
        "TEST_HOST_BASE_URL begins with http://, so the key travels unencrypted: use https:// if it can."
    ] * warned


@pytest.mark.parametrize("query", ["", "?api-version=2024-06-01"])
def test_azure_gets_its_version_and_its_header(tmp_path: Path, query: str, monkeypatch: pytest.MonkeyPatch) -> None:
    with service.running() as server:
        monkeypatch.setenv("TEST_HOST_BASE_URL", f"{server.url}{query}")
        monkeypatch.setenv("TEST_HOST_API_KEY", KEY)
        with Endpoint("openai-api/test-host/m", tmp_path / "answers.sqlite") as model:
            model.sample([[{"role": "user", "content": "Hi"}]], temperature=1.0, max_tokens=1, seed=0)
        assert server.paths == [f"/v1/chat/completions{query}"]
        sent = server.headers[0]
        assert (sent.get("api-key"), sent.get("Authorization")) == ((KEY, None) if query else (None, f"Bearer {KEY}"))


@pytest.mark.parametrize(
    ("host", "azure"),
    [("x.openai.azure.com", True), ("x.models.ai.azure.com", True), ("azure.com.evil.example", False), ("h", False)],
)
def test_hosts_of_azure_get_their_own_header(host: str, azure: bool) -> None:
    assert list(Service("x", "X", f"https://{host}/v1", SecretStr(KEY)).headers()) == [
        "api-key" if azure else "Authorization"
    ]


def struck(key: str, text: str) -> str:
    return Service("x", "X", "http://x", SecretStr(key)).scrubbed(text)


@given(st.text(), st.text())
def test_a_secret_is_struck_out_however_it_is_spelled(before: str, after: str) -> None:
    for spelled in (KEY, "".join(f"\\u{ord(c):04X}" for c in KEY), "".join(f"\\\\u{ord(c):04x}" for c in KEY)):
        told = struck(KEY, f"{before}{spelled}{after}")
        assert "[key]" in told and spelled not in told and KEY not in told


@pytest.mark.parametrize("key", ["", "test", "EMPTY", "ollama", "lm-studio", "none", "1234567"])
def test_a_short_word_is_no_secret(key: str) -> None:
    assert struck(key, f"Take the {key} first") == f"Take the {key} first"


@pytest.mark.parametrize("key", ["token-abc123", "sk-proj-x9", "onlylettersbutmany", "a" * 16, "12345678"])
def test_a_longer_key_is(key: str) -> None:
    assert struck(key, f"a {key} b") == "a [key] b"


def test_striking_out_takes_no_time_that_matters() -> None:
    assert struck(KEY, "\\" * 200_000 + "%" * 200_000 + "s" * 200_000).count("[key]") == 0


@pytest.mark.parametrize(
    ("name", "value"),
    [("HTTP_PROXY", "ftp://proxy"), ("ALL_PROXY", "socks5://host:1"), ("SSL_CERT_FILE", "/nowhere/cert.pem")],
)
def test_settings_of_this_machine_that_are_wrong_are_one_sentence(
    opened: Opened, name: str, value: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(name, value)
    with service.running() as server, pytest.raises(UndertoneError, match="proxies or certificates cannot be used"):
        opened(server)


@pytest.mark.parametrize("host", ["xn--", "a" * 64, "a..b", "-", "0.0.0.256"])
def test_a_host_that_cannot_be_found_is_one_sentence(
    tmp_path: Path, host: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TEST_HOST_BASE_URL", f"http://{host}/v1")
    monkeypatch.setenv("NO_PROXY", "*")
    with (
        pytest.raises(UndertoneError, match=r"no connection|must be an address"),
        Endpoint("openai-api/test-host/m", tmp_path / "answers.sqlite", patience=SOON) as model,
    ):
        model.abilities()
