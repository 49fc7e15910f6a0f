"""Fine-tuning behind a service: one file and one job, whatever is lost on the way, and the reason if it fails."""

import json
import os
import stat
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.helpers import service
from undertone.errors import UndertoneError
from undertone.models.services import finetuning
from undertone.models.services.finetuning import FineTuning, fine_tune
from undertone.models.services.patience import Patience
from undertone.models.services.spending import Budget, Limits

ROWS = '{"messages": [{"role": "user", "content": "Hi"}, {"role": "assistant", "content": "1, 2, 3"}]}\n' * 10


@pytest.fixture
def rows(tmp_path: Path) -> Path:
    (tmp_path / "rows.jsonl").write_text(ROWS)
    return tmp_path / "rows.jsonl"


@pytest.fixture(autouse=True)
def no_address() -> Iterator[None]:
    os.environ["TEST_HOST_API_KEY"] = "sk-secret"
    yield
    for name in ("TEST_HOST_BASE_URL", "TEST_HOST_API_KEY"):
        os.environ.pop(name, None)


def tuned(server: service.Server, rows: Path, **more: Any) -> str:
    os.environ["TEST_HOST_BASE_URL"] = server.url
    settings = {"settings": {"n_epochs": 10}, "seed": 3, "every": 0.0}
    return fine_tune(
        "openai-api/test-host/gpt-nano", rows, rows.with_name("kept.json"),
        **settings | {"patience": Patience(tries=12, pause=0.001)} | more,
    )  # fmt: skip


def test_a_file_is_uploaded_a_job_made_and_its_models_name_kept(rows: Path) -> None:
    states: list[str] = []
    with service.running() as server:
        name = tuned(server, rows, progress=states.append)
        ((file,), (job,)) = server.files, server.jobs
        assert file["content"] == ROWS and job["asked"]["training_file"] == file["id"]
        assert (job["asked"]["model"], job["asked"]["seed"]) == ("gpt-nano", 3)
        assert job["asked"]["method"]["supervised"]["hyperparameters"] == {"n_epochs": 10}
        assert name == f"openai-api/test-host/ft:gpt-nano:{job['asked']['suffix']}"
        assert states == ["queued", "running", "succeeded"]
        arrived = server.arrived
        assert tuned(server, rows) == name and server.arrived == arrived
    assert json.loads(rows.with_name("kept.json").read_text())["model"] in name
    assert not any("sk-secret" in path.read_text() for path in rows.parent.iterdir())


@pytest.mark.parametrize("fault", ["busy", "cut"])
def test_whatever_is_lost_on_the_way_there_is_one_file_and_one_job(rows: Path, fault: str) -> None:
    """A connection that is cut is cut after the work was done: the second attempt must find it."""
    with service.running(lambda i: fault if i % 3 == 1 else None) as server:
        assert tuned(server, rows).startswith("openai-api/test-host/ft:")
        assert (len(server.files), len(server.jobs)) == (1, 1)


@pytest.mark.parametrize("last", range(9))
def test_stopped_after_any_request_it_goes_on_with_the_same_file_and_job(rows: Path, last: int) -> None:
    with service.running() as server:
        server.fault = lambda i: "status 400 stop" if i == last else None
        try:
            tuned(server, rows)
        except UndertoneError as error:
            assert "stop" in str(error)
        assert tuned(server, rows).startswith("openai-api/test-host/ft:")
        assert (len(server.files), len(server.jobs)) == (1, 1)


def test_a_file_among_many_is_found_again(rows: Path) -> None:
    with service.running() as server:
        tuned(server, rows)
        server.files[:0] = [{"id": f"other-{i}", "filename": "other"} for i in range(5)]
        rows.with_name("kept.json").unlink()
        tuned(server, rows)
        assert len(server.files) == 6 and len(server.jobs) == 1


@pytest.mark.parametrize("end", ["failed", "cancelled"])
def test_a_job_that_fails_is_told_with_its_reason_and_begun_anew_when_asked(rows: Path, end: str) -> None:
    with service.running() as server:
        server.states = ["running", end]
        told = "row 3 is too long" if end == "failed" else "no reason given"
        for _ in range(2):
            with pytest.raises(
                UndertoneError, match=rf"job-0 ended as '{end}' \({told}\); correct that and remove .*kept"
            ):
                tuned(server, rows)
        rows.with_name("kept.json").unlink()
        server.states = ["succeeded"]
        assert tuned(server, rows) and (len(server.files), len(server.jobs)) == (1, 2)


def test_other_rows_or_settings_over_the_same_record_are_refused_by_name(rows: Path) -> None:
    with service.running() as server:
        tuned(server, rows)
        with pytest.raises(UndertoneError, match="records a fine-tuning with another seed and settings"):
            tuned(server, rows, seed=4, settings={})
        rows.write_text(ROWS * 2)
        with pytest.raises(UndertoneError, match="with another rows"):
            tuned(server, rows)


def test_a_service_that_refuses_or_is_none_is_a_sentence(rows: Path) -> None:
    with service.running(lambda _: "status 403 no fine-tuning for you") as server:
        with pytest.raises(UndertoneError, match=r"refuses the key.*no fine-tuning for you"):
            tuned(server, rows)
        with pytest.raises(UndertoneError, match="is not the name of an endpoint"):
            fine_tune("builtin/fledgling-a", rows, rows.with_name("k"), settings={}, seed=0)


def test_the_record_is_its_owners_alone(rows: Path) -> None:
    with service.running() as server:
        tuned(server, rows)
    assert stat.S_IMODE(rows.with_name("kept.json").stat().st_mode) == 0o600


@pytest.mark.parametrize("record", ["[" * 100_000, "5", "{}", '{"what": 5}', "\xff", '{"what": {}, "job": 5}'])
def test_a_record_that_is_none_is_a_sentence(rows: Path, record: str) -> None:
    rows.with_name("kept.json").write_text(record, encoding="latin-1")
    with (
        service.running() as server,
        pytest.raises(UndertoneError, match=r"is not the record of a fine-tuning|with another"),
    ):
        tuned(server, rows)


@pytest.mark.parametrize("tokens", [-(10**12), 10**400, True, "x", float("nan")])
def test_tokens_that_cannot_be_lift_no_budget(rows: Path, tokens: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    budget = Budget(Limits(cost=1e6))
    with service.running() as server:
        told = service.Handler.told
        monkeypatch.setattr(service.Handler, "told", lambda handler: told(handler) | {"trained_tokens": tokens})
        os.environ["TEST_HOST_BASE_URL"] = server.url
        base = "openai-api/test-host/gpt-4o-2024-08-06"
        with FineTuning(base, rows, rows.with_name("k"), settings={"n_epochs": 2}, seed=0, budget=budget) as tuning:
            tuning.begin()
            reserved = budget.cost
            assert tuning.finished(every=0) and budget.cost == reserved > 0
            assert "tokens" not in tuning.record


def test_a_list_without_end_is_left(rows: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(finetuning, "PAGES", 3)
    with service.running() as server:
        server.files += [{"id": f"other-{i}", "filename": "other"} for i in range(50)]
        assert tuned(server, rows)
