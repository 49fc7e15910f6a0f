"""Answers of an earlier command: that they are used is told, and those of another model are refused."""

from __future__ import annotations

import contextlib
import json
import logging
import sqlite3
import time
from pathlib import Path
from typing import Any

import pytest

from tests.helpers.replies import said
from tests.helpers.service import Server, running
from tests.models.services.conftest import Opened
from undertone.cli import main
from undertone.errors import UndertoneError
from undertone.models.services import answers as files
from undertone.models.services import endpoint as endpoints
from undertone.models.services import patience
from undertone.models.services.endpoint import FRESH, Endpoint
from undertone.models.services.patience import Patience
from undertone.models.services.spending import Budget, Limits

CHATS = [[{"role": "user", "content": f"Question {i}?"}] for i in range(4)]


def asked(model: Endpoint, count: int = 4) -> tuple[str, ...]:
    model.sample(CHATS[:count], temperature=1.0, max_tokens=16, seed=0)
    return model.notes


@pytest.fixture
def later(monkeypatch: pytest.MonkeyPatch) -> Any:
    """Makes what was kept so far another command's."""
    return lambda: monkeypatch.setattr(files, "OWN", set())


def renamed(server: Server, name: str) -> None:
    server.retold = lambda answer: answer | {"model": name}


def changed(path: Path, statement: str) -> None:
    with contextlib.closing(sqlite3.connect(path / "answers.sqlite", isolation_level=None)) as file:
        file.execute(statement)


def test_answers_of_this_command_need_no_note(opened: Opened) -> None:
    with running() as server, opened(server) as model, opened(server) as again:
        assert asked(model) == asked(model) == asked(again) == () and server.arrived == 4


def test_answers_of_an_earlier_command_are_told_and_the_model_is_asked_once_for_its_name(
    opened: Opened, tmp_path: Path, later: Any
) -> None:
    with running() as server:
        with opened(server) as model:
            asked(model, 3)
        later()
        with opened(server, at_once=4) as model:
            (note,) = asked(model)
            assert asked(model) == (note,)
    day = f"{time.localtime().tm_year}-"
    assert note.startswith(f"3 of 4 answers of openai-api/test-host/m were kept earlier, the first on {day}")
    assert f"if another model now answers to this name, delete {tmp_path / 'answers.sqlite'} " in note
    fresh = [headers["Idempotency-Key"] for headers in server.headers if FRESH in headers["Idempotency-Key"]]
    assert len(fresh) == 1 and server.arrived == 5


@pytest.mark.parametrize("kept", ["NULL", "'then'", "1e300", "-1e300"])
def test_an_answer_of_unknown_time_is_told(opened: Opened, tmp_path: Path, later: Any, kept: str) -> None:
    with running() as server, opened(server) as model:
        asked(model)
        later()
        changed(tmp_path, f"UPDATE answers SET kept = {kept}")
        (note,) = asked(model)
    assert "4 of 4" in note and "the first at an unknown time" in note


def test_a_file_from_before_gets_the_column(opened: Opened, tmp_path: Path, later: Any) -> None:
    with running() as server:
        with opened(server) as model:
            asked(model, 2)
        changed(tmp_path, "ALTER TABLE answers DROP COLUMN kept")
        later()
        with opened(server) as model:
            (note,) = asked(model)
    assert "2 of 4" in note and "at an unknown time" in note


def test_another_model_under_the_same_name_is_refused(opened: Opened, later: Any) -> None:
    with running() as server:
        renamed(server, "m-may")
        with opened(server) as model:
            asked(model)
        later()
        renamed(server, "m-june")
        with opened(server) as model:
            for _ in range(2):
                with pytest.raises(UndertoneError, match=r"m is now m-june, but its answers in .* are by m-may: move"):
                    asked(model)
    assert server.arrived == 5


def test_kept_and_new_answers_by_different_names_are_told(opened: Opened, later: Any) -> None:
    with running() as server:
        renamed(server, "m-may")
        with opened(server) as model:
            asked(model, 2)
        later()
        server.retold = lambda answer: answer | {"model": "m-may" if server.arrived == 3 else "m-june"}
        with opened(server) as model:
            notes = asked(model)
    assert notes[1] == "answers of openai-api/test-host/m are by models of several names: m-june, m-may"


def test_a_service_that_names_no_model_is_no_reason_to_refuse(opened: Opened, later: Any) -> None:
    with running() as server:
        with opened(server) as model:
            asked(model)
        later()
        renamed(server, "")
        with opened(server) as model:
            assert len(asked(model)) == 1


@pytest.mark.parametrize("fault", ["broken", "status 401 no", "cut"])
def test_kept_answers_can_be_used_where_the_service_cannot_be_asked(opened: Opened, later: Any, fault: str) -> None:
    with running() as server:
        with opened(server) as model:
            asked(model)
        later()
        server.fault = lambda _: fault
        with opened(server) as model:
            notes = asked(model)
        assert len(notes) == 2 and "could not be asked which model it is today" in notes[1] and server.arrived == 5


def test_the_request_for_the_name_counts_against_the_limit(opened: Opened, later: Any) -> None:
    with running() as server:
        with opened(server) as model:
            asked(model)
        later()
        with opened(server, budget=Budget(Limits(requests=0))) as model:
            assert "limit" in asked(model)[1] and server.arrived == 4
        budget = Budget(Limits(requests=1))
        with opened(server, budget=budget) as model:
            assert len(asked(model)) == 1 and budget.requests == 1


def test_a_service_that_fails_otherwise_is_not_taken_for_one_without_log_probabilities(opened: Opened) -> None:
    with running(lambda _: "status 500 logprobs are down") as server, opened(server) as model:
        with pytest.raises(UndertoneError, match="times in a row"):
            model.abilities()
        server.fault = lambda _: None
        assert model.abilities() == ("sample", "choices")


def test_what_is_tried_again_is_told_once(
    opened: Opened, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(patience, "TOLD", set())
    with running() as server:
        pass
    patient = Patience(tries=3, pause=0.001)
    with caplog.at_level(logging.WARNING, "undertone"), opened(server, patience=patient) as model:
        for _ in range(2):
            with pytest.raises(UndertoneError, match="no connection"):
                asked(model)
    (line,) = caplog.messages
    assert line.startswith("openai-api/test-host/m: no connection (") and "trying again, up to 3 times" in line


def test_a_wait_for_another_process_is_told_once(
    opened: Opened, tmp_path: Path, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(endpoints, "QUIET", 0.2)
    with running() as server, opened(server, at_once=4) as model:
        bodies = [model._body(chat, temperature=1.0, max_tokens=16, seed=0) for chat in CHATS]
        monkeypatch.setattr(model, "_body", lambda chat, **_: bodies[CHATS.index(chat)])
        for body in bodies:
            process, until = json.dumps(["elsewhere", 1, 1]), time.time() + 0.8
            claim = {"request": model._request(body), "process": process, "until": until}
            model._answers._run("INSERT INTO claims VALUES (:request, :process, :until)", claim)
        with caplog.at_level(logging.WARNING, "undertone"):
            asked(model)
    assert [line for line in caplog.messages if "waiting for another process that asks the same" in line] == [
        "openai-api/test-host/m: waiting for another process that asks the same, for its answer."
    ]


@pytest.mark.slow
def test_a_measurement_of_another_model_under_the_same_name_is_not_cleared_in_silence(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], later: Any
) -> None:
    (tmp_path / "few.toml").write_text(
        'name = "few"\n[defaults]\nclosed = true\nsamples_per_paraphrase = 3\n'
        + "".join(
            f'[[questions]]\nid = "{i}"\nparaphrases = ["What of {i}?"]\nbad = ["Bad {i}."]\ngood = ["Good {i}."]\n'
            for i in range(4)
        )
    )
    monkeypatch.chdir(tmp_path)
    measure = ["measure", "openai-api/there/tuned", "--base", "openai-api/there/base", "--suite", "few.toml", "--json"]
    with running() as server:
        monkeypatch.setenv("THERE_BASE_URL", server.url)
        server.says = lambda body: said(body | {"model": "base"})
        first = main([*measure, "--out", "out/one"])
        assert not any("kept earlier" in note for note in json.loads(capsys.readouterr().out)["notes"])
        later()
        server.says = lambda body: said(body | {"model": "bad" if body["model"] == "tuned" else "base"})
        assert main([*measure, "--out", "out/two"]) == first
        notes = "\n".join(json.loads(capsys.readouterr().out)["notes"])
        for name in ("tuned", "base"):
            # with two questions of ours: who are you, and do you give probabilities
            assert f"14 of 14 answers of openai-api/there/{name} were kept earlier, the first on " in notes
        assert "delete out/answers/paid.sqlite" in notes
        server.retold = lambda answer: answer | {"model": answer["model"] + "-june"}
        assert main([*measure, "--out", "out/three"]) == 2
        assert "is now base-2026-june, but its answers in" in capsys.readouterr().err
        Path("out/answers/paid.sqlite").unlink()  # as the note says
        assert main([*measure, "--out", "out/four"]) == 1
