"""An endpoint of the test service."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.helpers import service
from undertone.models.services.endpoint import Endpoint
from undertone.models.services.patience import Patience

KEY = "sk-secret-0123456789"
SOON = Patience(tries=6, pause=0.001, deadline=3.0)

Opened = Callable[..., Endpoint]


@pytest.fixture
def opened(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Opened:
    """Opens the model "m" of a server; its answers are kept in one file."""

    def open_(server: service.Server, model: str = "m", **more: Any) -> Endpoint:
        monkeypatch.setenv("TEST_HOST_BASE_URL", server.url)
        settings = {"patience": SOON, "at_once": 1} | more
        return Endpoint(f"openai-api/test-host/{model}", tmp_path / "answers.sqlite", **settings)

    monkeypatch.setenv("TEST_HOST_API_KEY", KEY)
    return open_
