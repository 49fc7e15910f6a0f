"""Directions that are made once a session."""

from collections.abc import Callable
from pathlib import Path

import pytest

from undertone.audit import proxies
from undertone.engine.store import Store


@pytest.fixture(autouse=True)
def kept_directions(once: Callable[..., Path], monkeypatch: pytest.MonkeyPatch) -> None:
    """The proxies of a base are made by the first test that needs them, and never in the user's cache."""
    monkeypatch.setattr(proxies, "store", lambda: Store(once("directions", lambda folder: None)))
