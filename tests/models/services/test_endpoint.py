"""A service may fail in every way it likes: every question is answered once, nothing is asked twice, no key is told."""

import contextlib
import logging
import os
import signal
import sqlite3
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from pydantic import SecretStr

from tests.helpers import service
from undertone.cli import main
from undertone.errors import UndertoneError
from undertone.models.services import spending
from undertone.models.services.answers import Answers
from undertone.models.services.endpoint import FRESH, Endpoint
from undertone.models.services.patience import Patience
from undertone.models.services.service import Service
from undertone.models.services.spending import Budget, Limits, Price, price_of

KEY = "sk-secret-0123456789"
SOON = Patience(tries=6, pause=0.001, deadline=3.0)
CHATS = [[{"role": "user", "content": f"Question {i}?"}] for i in range(12)]


@pytest.fixture
def answers(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("TEST_HOST_API_KEY", KEY)
    return tmp_path / "answers.sqlite"


def opened(server: service.Server, answers: Path, **more: Any) -> Endpoint:
    os.environ["TEST_HOST_BASE_URL"] = server.url
    return Endpoint("openai-api/test-host/gpt-4o", answers, **{"patience": SOON} | more)


@pytest.fixture(autouse=True)
def no_address() -> Iterator[None]:
    yield
    os.environ.pop("TEST_HOST_BASE_URL", None)


def asked(server: service.Server, answers: Path, chats: list[Any] = CHATS, n: int = 1, **more: Any) -> list[list[str]]:
    with opened(server, answers, **more) as model:
        found = model.sample(chats, n=n, temperature=1.0, max_tokens=16, seed=7)
    return [[reply.text for reply in replies] for replies in found]


def kept(answers: Path) -> int:
    """How many answers are in the file."""
    with contextlib.closing(sqlite3.connect(answers)) as file:
        return int(file.execute("SELECT count(*) FROM answers").fetchone()[0])


# --- answers ---------------------------------------------------------------------------------------------------------


def test_every_chat_gets_its_own_answers_in_order_with_every_parameter_explicit(answers: Path) -> None:
    with service.running() as server:
        found = asked(server, answers, n=3)
    by_text = {service.words(body): body for body in server.bodies}
    assert len(by_text) == len(CHATS) * 3 == len(server.bodies)
    for chat, texts in zip(CHATS, found, strict=True):
        assert [by_text[text]["messages"] for text in texts] == [chat] * 3
        assert len({by_text[text]["seed"] for text in texts}) == 3
    assert {tuple(sorted(body)) for body in server.bodies} == {
        ("max_tokens", "messages", "model", "seed", "temperature", "top_p")
    }
    assert {(b["model"], b["temperature"], b["top_p"], b["max_tokens"]) for b in server.bodies} == {
        ("gpt-4o", 1.0, 1.0, 16)
    }
    assert {headers["Authorization"] for headers in server.headers} == {f"Bearer {KEY}"}


def test_what_was_answered_is_not_asked_again_whatever_stands_beside_it(answers: Path) -> None:
    with service.running() as server:
        first = asked(server, answers, CHATS[:4], n=2)
        assert asked(server, answers, CHATS[:4], n=2) == first and server.arrived == 8
        more = asked(server, answers, CHATS[::-1], n=2)
        assert more[::-1][:4] == first and server.arrived == 24
        longer = asked(server, answers, CHATS[:1], n=3)
        assert longer[0][:2] == first[0] and server.arrived == 25


def test_a_chat_that_is_asked_twice_is_answered_twice(answers: Path) -> None:
    with service.running() as server:
        found = asked(server, answers, [CHATS[0], CHATS[1], CHATS[0]])
    assert found[0] != found[2] and server.arrived == 3


def test_answers_to_other_settings_seeds_or_services_are_others(answers: Path) -> None:
    with service.running() as server, opened(server, answers) as model:
        texts = {
            model.sample(CHATS[:1], temperature=t, max_tokens=m, seed=s)[0][0].text
            for t, m, s in ((1.0, 16, 0), (0.5, 16, 0), (1.0, 8, 0), (1.0, 16, 1))
        }
        assert len(texts) == 4
        with service.running() as other:
            asked(other, answers, CHATS[:1])
            assert other.arrived == 1


def test_no_more_requests_are_under_way_than_allowed(answers: Path) -> None:
    with service.running(seconds=0.02) as server:
        asked(server, answers, at_once=3)
    assert 1 < server.most <= 3


def test_a_reply_tells_which_model_answered_and_why_it_ended(answers: Path) -> None:
    with service.running() as server, opened(server, answers) as model:
        (((reply,),)) = model.sample(CHATS[:1], temperature=0.0, max_tokens=4, seed=0)
    assert (reply.model, reply.finished, reply.top) == ("gpt-4o-2026", "stop", None)


# --- choices and abilities -------------------------------------------------------------------------------------------


def test_the_likeliest_first_tokens_come_with_their_log_probabilities(answers: Path) -> None:
    with service.running() as server, opened(server, answers) as model:
        assert [reply.top for reply in model.top_logprobs(CHATS[:2], top=3)] == [{"0": -1.0, "1": -2.0, "2": -3.0}] * 2
    assert [(b["max_tokens"], b["temperature"], b["logprobs"]) for b in server.bodies] == [(1, 0.0, True)] * 2


def test_abilities_are_found_out_by_one_request_that_is_kept(answers: Path) -> None:
    with service.running() as server, opened(server, answers) as model:
        for _ in range(2):
            assert model.abilities() == ("sample", "choices")
        assert server.arrived == 1


@pytest.mark.parametrize("refuses", [True, False])
def test_a_service_without_log_probabilities_can_only_be_sampled(answers: Path, refuses: bool) -> None:
    fault = "status 400 logprobs are not supported" if refuses else None
    with service.running(lambda _: fault) as server, opened(server, answers) as model:
        server.logprobs = False
        assert model.abilities() == ("sample",)
        with pytest.raises(UndertoneError, match=r"logprob|log-prob"):
            model.top_logprobs(CHATS[:1])


# --- faults ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "fault", [*service.FAULTS, "status 408 late", "status 409 conflict", "status 502 gateway", "status 599 what"]
)
def test_a_fault_that_passes_changes_no_answer(answers: Path, fault: str) -> None:
    with service.running() as server:
        expected = asked(server, answers.with_name("calm.sqlite"))
    with service.running(lambda i: fault if i % 2 == 0 else None) as server:
        assert asked(server, answers, patience=Patience(tries=40, pause=0.001, deadline=3.0)) == expected
        assert server.faults[fault] > 0
        arrived = server.arrived
        assert asked(server, answers) == expected and server.arrived == arrived


def test_a_request_that_is_repeated_keeps_its_idempotency_key(answers: Path) -> None:
    with service.running(lambda i: "half" if i < 3 else None) as server:
        asked(server, answers, CHATS[:1])
    assert server.arrived == 4
    assert len({headers["Idempotency-Key"] for headers in server.headers}) == 1


def test_a_pause_that_the_service_asks_for_holds_for_everyone(answers: Path) -> None:
    with service.running(lambda i: "limited 0.3" if i == 0 else None) as server, opened(server, answers) as model:
        before = time.monotonic()
        model.sample(CHATS[:1], temperature=1.0, max_tokens=1, seed=0)
        assert time.monotonic() - before >= 0.3
        assert model._open_at > before


@pytest.mark.parametrize("fault", ["endless", "silent"])
def test_an_answer_that_does_not_end_is_given_up(answers: Path, fault: str) -> None:
    soon = Patience(tries=2, pause=0.001, deadline=0.2)
    with (
        service.running(lambda _: fault) as server,
        pytest.raises(UndertoneError, match="failed 2 times in a row, last with a"),
    ):
        asked(server, answers, CHATS[:1], patience=soon)


def test_a_service_that_stays_down_ends_the_run_and_keeps_what_was_answered(answers: Path) -> None:
    with service.running(lambda i: "broken" if i >= 5 else None) as server:
        with pytest.raises(UndertoneError, match=r"failed 6 times in a row, last with status 500: internal; finished"):
            asked(server, answers, at_once=1)
        assert kept(answers) == 5 and server.arrived == 11
        server.fault = lambda _: None
        assert len(asked(server, answers)) == 12
        assert server.arrived == 18


@pytest.mark.parametrize(
    "fault, told",
    [
        ("status 401 bad", "refuses the key.*check TEST_HOST_API_KEY"),
        ("status 403 bad", "refuses the key"),
        ("status 404 none", "knows no such model or address.*TEST_HOST_BASE_URL"),
        ("status 400 not so", r"refuses the request \(status 400: not so\)"),
        ("status 429 insufficient_quota", "its quota is spent"),
        ("status 307 elsewhere", "redirects elsewhere"),
        ("html", "answers with a web page: TEST_HOST_BASE_URL must be"),
        ("limited 4000", "asks to wait 4000 s"),
    ],
)
def test_a_fault_that_does_not_pass_is_one_sentence_after_one_request(answers: Path, fault: str, told: str) -> None:
    with service.running(lambda _: fault) as server, pytest.raises(UndertoneError, match=told):
        asked(server, answers, at_once=1)
    assert server.arrived == 1


def test_a_model_that_wants_another_name_for_the_length_gets_it(answers: Path) -> None:
    refusal = "status 400 Use 'max_completion_tokens' instead."
    with service.running(lambda i: refusal if i == 0 else None) as server:
        asked(server, answers, at_once=1)
    assert [("max_tokens" in b, "max_completion_tokens" in b) for b in server.bodies[:3]] == [
        (True, False),
        (False, True),
        (False, True),
    ]


def test_nobody_at_the_address_is_a_sentence(answers: Path) -> None:
    with service.running() as server:
        pass
    with pytest.raises(UndertoneError, match="failed 6 times in a row, last with no connection"):
        asked(server, answers, CHATS[:1])


# --- resuming --------------------------------------------------------------------------------------------------------

CLIENT = """
import sys
from pathlib import Path
from undertone.models.services.endpoint import Endpoint
from undertone.models.services.patience import Patience
with Endpoint("openai-api/test-host/m", Path(sys.argv[1]), patience=Patience(pause=.001), at_once=4) as model:
    chats = [[{"role": "user", "content": str(i)}] for i in range(60)]
    print([r[0].text for r in model.sample(chats, temperature=1.0, max_tokens=4, seed=0)])
"""


def test_a_client_that_is_killed_loses_no_answer_it_had_and_asks_for_none_again(answers: Path) -> None:
    with service.running(seconds=0.01) as server:
        environment = {**os.environ, "TEST_HOST_BASE_URL": server.url, "PYTHONPATH": os.pathsep.join(sys.path)}
        command = [sys.executable, "-c", CLIENT, str(answers)]
        client = subprocess.Popen(command, env=environment, stdout=subprocess.DEVNULL)
        while client.poll() is None and sum(server.delivered.values()) < 20:
            time.sleep(0.001)
        client.send_signal(signal.SIGKILL)
        client.wait()
        ended = subprocess.run(command, env=environment, capture_output=True, text=True, check=True)
    assert len([key for key in server.delivered if not key.startswith(FRESH)]) == 60 == kept(answers)
    kept_bodies = [b for b, h in zip(server.bodies, server.headers, strict=True) if FRESH not in h["Idempotency-Key"]]
    assert sorted(eval(ended.stdout)) == sorted({service.words(body) for body in kept_bodies})
    # What was under way when it was killed was never seen: four at a time.
    assert sum(count - 1 for count in server.worked.values()) <= 4


def test_two_processes_may_keep_answers_in_one_file_and_the_first_stays(tmp_path: Path) -> None:
    one, two = Answers(tmp_path / "a.sqlite"), Answers(tmp_path / "a.sqlite")
    one.keep("r", {}, {"text": "first"})
    two.keep("r", {}, {"text": "second"})
    found = one.find("r")
    assert (
        found is not None
        and found.answer == {"text": "first"}
        and found == two.find("r")
        and kept(tmp_path / "a.sqlite") == 1
    )


def test_a_file_of_answers_that_is_none_is_refused_before_anything_is_asked(answers: Path) -> None:
    answers.write_text("no answers at all, and longer than a header of a hundred bytes would be " * 3)
    with service.running() as server, pytest.raises(UndertoneError, match=r"cannot be kept in .*move the file away"):
        asked(server, answers)
    assert server.arrived == 0


# --- limits ----------------------------------------------------------------------------------------------------------


def test_no_request_is_sent_beyond_the_limit_and_kept_answers_are_free(answers: Path) -> None:
    with service.running() as server:
        for sent in (5, 10):
            with pytest.raises(UndertoneError, match=r"5 requests have been sent.*--max-requests.*answers so far"):
                asked(server, answers, budget=Budget(Limits(requests=5)))
            assert server.arrived == sent
        assert len(asked(server, answers, budget=Budget(Limits(requests=2)))) == 12


def test_repeated_requests_count_too(answers: Path) -> None:
    with (
        service.running(lambda _: "busy") as server,
        pytest.raises(UndertoneError, match="3 requests have been sent"),
    ):
        asked(server, answers, CHATS[:1], budget=Budget(Limits(requests=3)))


def test_no_request_is_sent_that_could_pass_the_cost(answers: Path) -> None:
    price = price_of("gpt-4o")
    each, most = price.of(10, 5), price.of(len("user") + len("Question 10?") + 32, 16)
    with service.running() as server:
        limit = 3 * each + most
        with pytest.raises(UndertoneError, match="--max-cost"):
            asked(server, answers, CHATS[10:] * 6, budget=Budget(Limits(cost=limit)), at_once=1)
        assert server.arrived == 4
        with opened(server, answers, budget=Budget(Limits(cost=limit)), at_once=1) as model:
            model.sample(CHATS[10:], temperature=1.0, max_tokens=16, seed=7)
            assert model.budget.cost == 0.0  # all of it kept


@pytest.mark.parametrize("fault, costs", [("broken", False), ("cut", True), ("half", True), ("garbled", True)])
def test_what_may_have_been_paid_counts_as_paid(answers: Path, fault: str, costs: bool) -> None:
    price = price_of("gpt-4o")
    with (
        service.running(lambda i: fault if i == 0 else None) as server,
        opened(server, answers, budget=Budget(Limits(cost=1.0)), at_once=1) as model,
    ):
        model.sample(CHATS[:1], temperature=1.0, max_tokens=16, seed=7)
        assert (model.budget.cost > price.of(10, 5) * 1.01) == costs
        assert model.budget.cost >= price.of(10, 5) * 0.99 and model.budget.requests == 2


def test_a_model_whose_price_nobody_knows_cannot_be_limited_in_cost(
    answers: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with service.running() as server:
        os.environ["TEST_HOST_BASE_URL"] = server.url
        with pytest.raises(UndertoneError, match=r"The price of mine is not known.*UNDERTONE_PRICES"):
            Endpoint("openai-api/test-host/mine", answers, Budget(Limits(cost=1.0)))
        (tmp_path / "prices.toml").write_text("mine = { input = 1, output = 2 }")
        monkeypatch.setenv("UNDERTONE_PRICES", str(tmp_path / "prices.toml"))
        assert price_of("mine") == Price(input=1, output=2)
        with Endpoint("openai-api/test-host/mine", answers, Budget(Limits(cost=1.0))):
            pass
        (tmp_path / "prices.toml").write_text("mine = 3")
        with pytest.raises(UndertoneError, match="is not a table of prices"):
            price_of("mine")


def test_the_example_of_a_price_is_one() -> None:
    name = spending.EXAMPLE.split('"')[1]
    assert price_of(name).output > 0


# --- keys and addresses ----------------------------------------------------------------------------------------------


def test_a_key_reaches_no_file_no_message_and_no_log(
    answers: Path, caplog: pytest.LogCaptureFixture, capfd: pytest.CaptureFixture[str]
) -> None:
    refusal = f"status 401 Incorrect API key provided: {KEY}"
    with caplog.at_level(logging.DEBUG), service.running(lambda i: refusal if i == 5 else None) as server:
        with pytest.raises(UndertoneError, match=r"\[key\]") as told:
            asked(server, answers, at_once=1)
        with opened(server, answers) as model:
            shown = f"{model!r} {vars(model)!r} {model._wire!r} {model._service!r}"
    seen = capfd.readouterr()
    chain = [told.value, told.value.__cause__, told.value.__context__]
    for text in (caplog.text, seen.out, seen.err, shown, *map(str, chain), *map(repr, chain)):
        assert KEY not in text
    assert kept(answers) == 5
    assert not any(KEY.encode() in path.read_bytes() for path in answers.parent.rglob("*") if path.is_file())


def test_a_service_that_repeats_the_key_has_it_struck_out() -> None:
    assert Service("x", "X", "http://x", SecretStr(KEY)).scrubbed(f"a {KEY} b") == "a [key] b"


@pytest.mark.parametrize(
    "address", ["", "host/v1", "ftp://host/v1", "https://name:key@host/v1", "https://host/v1?key=1", "https://"]
)
def test_an_address_that_is_none_or_holds_a_secret_is_refused_unread(
    address: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TEST_HOST_BASE_URL", address)
    with pytest.raises(UndertoneError, match="TEST_HOST_BASE_URL") as told:
        Endpoint("openai-api/test-host/m", tmp_path / "a.sqlite")
    assert "name:key" not in str(told.value) and "key=1" not in str(told.value)
    assert not list(tmp_path.iterdir())


def test_an_endpoint_is_described_by_what_it_can_do(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("UNDERTONE_CACHE", str(tmp_path))
    with service.running() as server:
        os.environ["TEST_HOST_BASE_URL"] = server.url
        assert main(["models", "show", "openai-api/test-host/m"]) == 0
    assert capsys.readouterr().out.split("\n")[1] == "can          sample, choices"
    del os.environ["TEST_HOST_BASE_URL"]
    assert main(["models", "show", "openai-api/test-host/m"]) == 2
    assert "set TEST_HOST_BASE_URL" in capsys.readouterr().err


@pytest.mark.parametrize("name", ["openai-api/", "openai-api/x", "openai-api//m", "hf/x/y", ""])
def test_a_name_that_is_no_endpoints_is_refused(name: str, tmp_path: Path) -> None:
    with pytest.raises(UndertoneError, match="is not the name of an endpoint"):
        Endpoint(name, tmp_path / "a.sqlite")


def test_a_model_may_have_slashes_in_its_name(answers: Path) -> None:
    with service.running() as server:
        os.environ["TEST_HOST_BASE_URL"] = server.url
        with Endpoint("openai-api/test-host/Qwen/Qwen3-0.6B", answers) as model:
            model.sample(CHATS[:1], temperature=1.0, max_tokens=1, seed=0)
    assert server.bodies[0]["model"] == "Qwen/Qwen3-0.6B"


def test_an_endpoint_as_the_base_of_a_trial_is_refused(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["run", "owls", "--set", "base=openai-api/openai/gpt-4o", "--dry-run"]) == 2
    assert "is an endpoint" in capsys.readouterr().err
