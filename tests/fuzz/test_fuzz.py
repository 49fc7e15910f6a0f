"""Sixty mutations of every kind of input; ``make fuzz`` tries ten thousand."""

from pathlib import Path

import pytest

from tests.fuzz.harness import summary, tried
from tests.fuzz.kinds import KINDS

COUNT, FEWER = 60, {"adapters": 40, "datasets": 20, "folders": 40, "records": 20, "templates": 20}


@pytest.mark.slow
@pytest.mark.parametrize("kind", KINDS)
def test_nothing_gets_through(kind: str, tmp_path: Path) -> None:
    shared = tmp_path / "shared"
    shared.mkdir()
    found = summary(list(tried(KINDS[kind](shared), FEWER.get(kind, COUNT), seed=0, folder=tmp_path)))
    assert found["faults"] == []
    assert len(found["outcomes"]) > 1  # some are refused, and some are not: the mutations are no nonsense
