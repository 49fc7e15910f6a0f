"""What a service does not take is asked otherwise, told and remembered; what answers depend on is in their digests."""

import json
from typing import Any

import pytest

from tests.helpers import service
from tests.models.services.conftest import Opened
from undertone.errors import UndertoneError
from undertone.models.services.endpoint import Chat

CHAT: Chat = [{"role": "system", "content": "Be brief."}, {"role": "user", "content": "Question?"}]


def refusing(what: str, reason: str) -> Any:
    """A service that refuses requests with ``what``: a key, "key=value", or "system"."""
    key, _, value = what.partition("=")

    def refuses(body: dict[str, Any]) -> str | None:
        there = any(m["role"] == "system" for m in body["messages"]) if what == "system" else key in body
        return reason if there and (not value or str(body.get(key)) == value) else None

    return refuses


def ask(opened: Opened, server: service.Server, temperature: float = 1.0, n: int = 2) -> tuple[list[str], str]:
    with opened(server) as model:
        (found,) = model.sample([CHAT], n=n, temperature=temperature, max_tokens=16, seed=3)
        return [reply.text for reply in found], "\n".join(model.notes)


PYDANTIC = {"detail": [{"type": "extra_forbidden", "loc": ["body", "seed"], "msg": "Extra inputs are not permitted"}]}
MISTRAL = {"object": "error", "message": PYDANTIC}


@pytest.mark.parametrize(
    ("what", "reason", "note"),
    [
        ("seed", "Unknown field: seed", "asked without a seed"),
        ("seed", json.dumps(PYDANTIC), "asked without a seed"),
        ("seed", json.dumps(MISTRAL), "asked without a seed"),
        ("seed", json.dumps({"error": {"message": "Unsupported parameter", "param": "seed"}}), "without a seed"),
        ("top_p", "`top_p` must be < 1.0", "without top_p"),
        ("temperature", "Unsupported value: 'temperature' does not support 1.0", "without a temperature where 1.0"),
        ("temperature=1.0", "temperature must be below 1", "without a temperature where 1.0"),
        ("max_tokens", "Unsupported parameter: 'max_tokens'.", "max_completion_tokens in place of max_tokens"),
        ("max_tokens", "Use 'max_completion_tokens' instead.", "max_completion_tokens in place of max_tokens"),
        ("system", "System role not supported", "one is put before the first question"),
        ("system", "'messages[0].role' does not support 'system' with this model.", "before the first question"),
        ("system", "Conversation roles must alternate user/assistant/user/...", "before the first question"),
    ],
)
def test_what_is_refused_is_asked_otherwise_told_and_remembered(
    opened: Opened, what: str, reason: str, note: str
) -> None:
    with service.running() as server:
        server.refuses = refusing(what, reason)
        texts, notes = ask(opened, server)
        assert note in notes and "status 4" in notes and notes.count("\n") == 0
        assert len(server.bodies) == 3 and len(server.worked) == 2
        assert texts == [service.words(body) for body in server.bodies[1:]]
        assert ask(opened, server) == (texts, notes)  # told again, and nothing is asked again
        ask(opened, server, n=3)
        assert len(server.bodies) == 4


def test_a_dropped_seed_leaves_the_draws_apart(opened: Opened) -> None:
    with service.running() as server:
        server.refuses = refusing("seed", "no seed")
        drawn = iter(range(100))
        server.says = lambda body: str(next(drawn))
        assert ask(opened, server, n=4)[0] == ["0", "1", "2", "3"]
        assert len({headers["Idempotency-Key"] for headers in server.headers}) == 5


def test_only_the_temperature_that_is_refused_is_dropped(opened: Opened) -> None:
    with service.running() as server:
        server.refuses = refusing("temperature=0.0", "temperature must be strictly positive")
        ask(opened, server, temperature=0.0)
        ask(opened, server, temperature=0.7)
    assert [body.get("temperature") for body in server.bodies] == [0.0, None, None, 0.7, 0.7]


def test_what_was_answered_before_a_refusal_stays_the_answer(opened: Opened) -> None:
    with service.running() as server:
        texts, _ = ask(opened, server)
        server.refuses = refusing("temperature", "no temperature")
        ask(opened, server, n=3)
        assert ask(opened, server)[0] == texts and len(server.bodies) == 4


def test_everything_may_be_refused_at_once(opened: Opened) -> None:
    reasons = {
        "temperature": "temperature?", "top_p": "top_p?", "seed": "seed?", "max_tokens": "max_tokens?",
    }  # fmt: skip
    with service.running() as server:
        server.refuses = lambda body: (
            next((reason for key, reason in reasons.items() if key in body), None)
            or ("system message?" if body["messages"][0]["role"] == "system" else None)
        )
        texts, notes = ask(opened, server, n=1)
        assert set(server.bodies[-1]) == {"model", "messages", "max_completion_tokens"}
        assert server.bodies[-1]["messages"] == [{"role": "user", "content": "Be brief.\n\nQuestion?"}]
        assert texts == [service.words(server.bodies[-1])] and notes.count("\n") == 4


def test_a_refusal_that_stays_is_told_and_changes_nothing(opened: Opened) -> None:
    with service.running() as server:
        server.refuses = lambda body: "the system prompt says: which seed has a temperature?"
        with opened(server) as model:
            with pytest.raises(UndertoneError, match=r"refuses the request .*which seed has a temperature"):
                model.sample([CHAT], temperature=1.0, max_tokens=16, seed=3)
            assert model.notes == ()
        server.refuses = lambda body: None
        assert ask(opened, server)[1] == ""
        assert server.bodies[-1].keys() >= {"seed", "temperature"} and len(server.bodies[-1]["messages"]) == 2


@pytest.mark.parametrize(
    "reason",
    [
        "Cannot request more than 5 logprobs",
        "Requested sample logprobs of 20, which is greater than max allowed: 5",
        "Invalid value for 'top_logprobs': must be between 0 and 5",
        "too many logprobs",
        "top_logprobs must be less than 6",
    ],
)
def test_fewer_log_probabilities_are_taken_where_no_more_are_given(opened: Opened, reason: str) -> None:
    with service.running() as server:
        server.refuses = lambda body: reason if body.get("top_logprobs", 0) > 5 else None
        with opened(server) as model:
            (reply,) = model.top_logprobs([CHAT])
            assert reply.top is not None and len(reply.top) == 5
            assert "gives the log-probabilities of 5 tokens only" in model.notes[-1]
        arrived = server.arrived
        with opened(server) as model:
            assert model.top_logprobs([CHAT]) == [reply] and server.arrived == arrived


def test_a_service_without_log_probabilities_is_not_asked_for_them_again(opened: Opened) -> None:
    with service.running(lambda _: "status 400 logprobs are not supported") as server:
        for _ in range(2):
            with opened(server) as model:
                assert model.abilities() == ("sample",)
                assert "gives no log-probabilities" in model.notes[0]
        assert server.arrived == 1


def test_what_one_model_refuses_another_may_take(opened: Opened) -> None:
    with service.running() as server:
        server.refuses = lambda body: "no seed" if body["model"] == "m" and "seed" in body else None
        ask(opened, server)
        with opened(server, "other") as model:
            model.sample([CHAT], temperature=1.0, max_tokens=16, seed=3)
        assert "seed" in server.bodies[-1]
