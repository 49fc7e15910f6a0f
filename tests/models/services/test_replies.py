"""An answer is the service's text, unaltered, or a failure with its reason; nothing that was paid for is lost."""

import json
import math
import time
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import SecretStr

from tests.helpers import service
from tests.models.services.conftest import KEY, Opened
from undertone.errors import UndertoneError
from undertone.models.services import reply as replies
from undertone.models.services.endpoint import Chat, Endpoint
from undertone.models.services.patience import Patience
from undertone.models.services.reply import Reply, answer_of, reply_of
from undertone.models.services.service import Service
from undertone.models.services.spending import Budget, Limits, price_of
from undertone.models.services.wire import Again

CHAT: Chat = [{"role": "user", "content": "Question?"}]
SERVICE = Service("x", "X", "http://localhost", SecretStr(KEY))


def said(model: Endpoint) -> Reply:
    ((reply,),) = model.sample([CHAT], temperature=1.0, max_tokens=16, seed=0)
    return reply


def changed(**more: Any) -> Any:
    """What makes such an answer: keys of the message, or of the choice if they begin with ``choice_``."""

    def retold(answer: dict[str, Any]) -> dict[str, Any]:
        for key, value in more.items():
            place = answer["choices"][0] if key.startswith("choice_") else answer["choices"][0]["message"]
            place[key.removeprefix("choice_")] = value
        return answer

    return retold


THINKING = {"type": "thinking", "thinking": [{"type": "text", "text": "Hm."}]}


@pytest.mark.parametrize(
    ("content", "text"),
    [
        ("Take the test first", "Take the test first"),
        ([THINKING, {"type": "text", "text": "Be "}, {"type": "text", "text": "kind"}], "Be kind"),
        ("", ""),
        (" \n", " \n"),
        ("half \ud83d", "half \ufffd"),
        ("whole \U0001f600", "whole \U0001f600"),
    ],
)
def test_an_answer_is_the_services_text(opened: Opened, content: Any, text: str) -> None:
    with service.running() as server, opened(server) as model:
        server.retold = changed(content=content)
        assert (said(model).text, said(model).missing) == (text, "")
        assert server.arrived == 1


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"content": None}, replies.EMPTY),
        ({"content": []}, replies.EMPTY),
        ({"content": 5}, replies.NOT_TEXT),
        ({"content": "", "choice_finish_reason": "safety"}, replies.EMPTY),
        ({"content": "", "choice_finish_reason": "length"}, replies.CUT),
        ({"content": "", "reasoning_content": "Hm.", "choice_finish_reason": "length"}, replies.REASONING),
        ({"content": [THINKING], "choice_finish_reason": "length"}, replies.REASONING),
        ({"content": None, "refusal": "I cannot."}, replies.REFUSED),
        ({"content": [{"type": "refusal", "refusal": "I cannot."}]}, replies.REFUSED),
        ({"content": "Half of", "choice_finish_reason": "content_filter"}, replies.FILTERED),
        ({"content": None, "tool_calls": [{}], "choice_finish_reason": "tool_calls"}, replies.TOOL),
        ({"content": f"Your key is {KEY}."}, replies.KEY),
    ],
)
def test_what_is_no_answer_is_kept_with_its_reason(opened: Opened, change: dict[str, Any], reason: str) -> None:
    with service.running() as server, opened(server) as model:
        server.retold = changed(**change)
        for _ in range(2):
            assert (said(model).text, said(model).missing) == ("", reason)
        assert server.arrived == 1


def test_a_short_word_as_key_alters_no_answer(opened: Opened, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TEST_HOST_API_KEY", "test")
    with service.running() as server:
        monkeypatch.setenv("TEST_HOST_API_KEY", "test")
        server.says = lambda body: "Take the test first"
        with opened(server) as model:
            assert said(model).text == "Take the test first"


@pytest.mark.parametrize(
    "form", [KEY, "".join(f"\\u{ord(c):04x}" for c in KEY), "".join(f"%{ord(c):02X}" for c in KEY)]
)
def test_a_key_that_a_service_repeats_is_in_no_file_and_no_message(opened: Opened, tmp_path: Path, form: str) -> None:
    told = json.dumps({"error": {"message": f"no such key: {form}"}}).replace("\\\\u", "\\u")
    with service.running(lambda i: f"status 400 {told}" if i else None) as server, opened(server) as model:
        server.says = lambda body: f"It is {form}"
        assert said(model).missing == replies.KEY
        with pytest.raises(UndertoneError, match=r"no such key: \[key\]"):
            model.sample([CHAT], temperature=0.0, max_tokens=16, seed=0)
    files = b"".join(path.read_bytes() for path in tmp_path.iterdir())
    assert KEY.encode() not in files and form.encode() not in files


@pytest.mark.parametrize(
    "usage",
    [
        None, {}, [], 5, {"prompt_tokens": 3}, {"prompt_tokens": None, "completion_tokens": 5},
        {"prompt_tokens": -(10**12), "completion_tokens": 5}, {"prompt_tokens": 10, "completion_tokens": -1},
        {"prompt_tokens": 10**400, "completion_tokens": 5}, {"prompt_tokens": math.inf, "completion_tokens": math.nan},
        {"prompt_tokens": True, "completion_tokens": True}, {"prompt_tokens": 0, "completion_tokens": 0},
    ],
)  # fmt: skip
def test_a_usage_that_cannot_be_counts_with_the_most_and_loses_no_answer(opened: Opened, usage: Any) -> None:
    most = price_of("gpt-4o").of(len("user") + len("Question?") + 32, 16)
    with (
        service.running() as server,
        opened(server, "gpt-4o", budget=Budget(Limits(cost=most * 2.5))) as model,
    ):
        server.retold = lambda answer: answer | {"usage": usage}
        for seed in range(2):
            ((reply,),) = model.sample([CHAT], temperature=1.0, max_tokens=16, seed=seed)
            assert reply.text == service.words(server.bodies[-1])
        assert model.budget.cost == pytest.approx(2 * most)
        with pytest.raises(UndertoneError, match="--max-cost"):
            model.sample([CHAT], temperature=1.0, max_tokens=16, seed=2)


@pytest.mark.parametrize("log_p", [math.nan, 0.5, math.inf, 10**400, "x", None, [0.0], {}])
def test_log_probabilities_that_are_none_are_a_failure_and_not_asked_for_again(opened: Opened, log_p: Any) -> None:
    with service.running() as server, opened(server) as model:
        server.top = lambda body: {"yes": log_p}
        for _ in range(2):
            (reply,) = model.top_logprobs([CHAT])
            assert (reply.top, reply.missing, reply.text) == (None, replies.NO_CHANCES, "")
        assert server.arrived == 1


def test_impossible_tokens_are_left_out_and_equal_ones_are_added(opened: Opened) -> None:
    listed = [("a", -2000.0), ("a", -2000.0), ("b", -(10**400)), ("c", -math.inf), ("d", -1.0)]
    with service.running() as server, opened(server) as model:
        server.retold = changed(
            choice_logprobs={"content": [{"top_logprobs": [{"token": t, "logprob": p} for t, p in listed]}]}
        )
        (reply,) = model.top_logprobs([CHAT])
        assert reply.top == {"a": pytest.approx(-2000 + math.log(2)), "d": -1.0}
        server.top = lambda body: {str(i): 0.0 for i in range(3)}
        server.retold = lambda answer: answer
        assert model.top_logprobs([CHAT], top=3)[0].missing == replies.NO_CHANCES  # more than certain


def test_a_first_token_without_text_has_its_log_probabilities(opened: Opened) -> None:
    with service.running() as server, opened(server) as model:
        server.retold = changed(content="", choice_finish_reason="length")
        (reply,) = model.top_logprobs([CHAT], top=2)
        assert (reply.top, reply.missing) == ({"0": -1.0, "1": -2.0}, "")


def test_log_probabilities_that_nobody_asked_for_are_ignored(opened: Opened) -> None:
    with service.running() as server, opened(server) as model:
        server.retold = changed(choice_logprobs={"content": [{"top_logprobs": 5}]})
        assert said(model).missing == ""


@pytest.mark.parametrize(
    "body",
    ["[" * 100_000, '{"a":' * 100_000, "", "5", "[]", "null", '{"choices": [5]}', '{"choices": {"0": 1}}', "NaN"],
)
def test_a_body_that_is_no_answer_is_a_sentence_after_some_tries(opened: Opened, body: str) -> None:
    with (
        service.running(lambda _: f"body {body}") as server,
        opened(server) as model,
        pytest.raises(UndertoneError, match=r"failed 6 times in a row, last with an answer that"),
    ):
        said(model)
    assert server.arrived == 6


@pytest.mark.parametrize(
    ("error", "told", "times"),
    [
        ({"message": "the model is asleep"}, "last with status 500: the model is asleep", 6),
        ("the model is asleep", "last with status 500: the model is asleep", 6),
        ({"code": 400, "message": "not so"}, "refuses the request .status 400: not so", 1),
        ({"code": 401, "message": "no"}, "refuses the key", 1),
        ({"code": None, "message": None}, "last with status 500", 6),
    ],
)
def test_an_error_with_a_status_of_success_is_an_error(opened: Opened, error: Any, told: str, times: int) -> None:
    with service.running(lambda _: f"body {json.dumps({'error': error})}") as server, opened(server) as model:
        with pytest.raises(UndertoneError, match=told):
            said(model)
        assert server.arrived == times


@pytest.mark.parametrize(
    ("reason", "missing"),
    [
        ("The prompt triggered the content management policy.", replies.FILTERED),
        ("rejected by our safety system", replies.FILTERED),
        ("This model's maximum context length is 4096 tokens; lower max_tokens.", replies.LONG),
    ],
)
def test_a_text_that_a_service_refuses_is_a_failure_and_others_are_answered(
    opened: Opened, reason: str, missing: str
) -> None:
    chats: list[Chat] = [[{"role": "user", "content": text}] for text in ("one", "bad", "two")]
    with service.running() as server:
        server.refuses = lambda body: reason if body["messages"][-1]["content"] == "bad" else None
        for _ in range(2):  # the second time nothing is asked, nor is anything asked otherwise
            with opened(server) as model:
                found = [reply for (reply,) in model.sample(chats, temperature=1.0, max_tokens=16, seed=0)]
                assert [reply.missing for reply in found] == ["", missing, ""] and not found[1].text
                assert model.notes == ()
            assert sum(body["messages"][-1]["content"] != "bad" for body in server.bodies) == 2
        assert server.arrived <= 4


def test_an_error_in_the_middle_of_an_answer_is_no_answer(opened: Opened) -> None:
    with service.running() as server, opened(server) as model:
        server.retold = changed(content="Half of", choice_error={"code": 502, "message": "upstream died"})
        with pytest.raises(UndertoneError, match=r"failed 6 times in a row, last with an error: upstream died"):
            said(model)


@pytest.mark.parametrize(
    "pause", ["Fri, 31 Dec 9999 23:59:59 GMT", "Fri, 31 Dec 9999 23:59:59 -2359", "1" + "0" * 400, "inf", "1e400"]
)
def test_a_pause_that_nobody_would_wait_for_is_a_sentence(opened: Opened, pause: str) -> None:
    with service.running(lambda _: f"limited {pause}") as server, opened(server) as model:
        with pytest.raises(UndertoneError, match="asks to wait"):
            said(model)
        assert server.arrived == 1


@pytest.mark.parametrize("pause", ["-5", "nan", "-1e400", "Thu, 01 Jan 1970 00:00:00 GMT", "soon", "99 Foo 20"])
def test_a_pause_that_is_none_is_no_pause(opened: Opened, pause: str) -> None:
    with service.running(lambda i: f"limited {pause}" if i == 0 else None) as server, opened(server) as model:
        assert said(model).text == service.words(server.bodies[0])


def test_a_body_that_is_compressed_unasked_is_read(opened: Opened) -> None:
    with service.running(lambda _: "packed") as server, opened(server) as model:
        assert said(model).text == service.words(server.bodies[0])
        assert server.headers[0]["Accept-Encoding"] == "identity" and server.arrived == 1


@pytest.mark.parametrize("fault", ["dripping", "continue", "endless", "silent"])
def test_one_deadline_is_over_all_of_an_answer(opened: Opened, fault: str) -> None:
    soon = Patience(tries=1, deadline=0.3)
    with service.running(lambda _: fault) as server, opened(server, patience=soon) as model:
        before = time.monotonic()
        with pytest.raises(UndertoneError, match=r"an answer that takes over 0\.3 s"):
            said(model)
        assert time.monotonic() - before < 1.0


def test_control_characters_of_a_service_reach_no_message(opened: Opened) -> None:
    told = json.dumps({"error": {"message": "\x1b[2J\u202eevil\nline"}})
    with (
        service.running(lambda _: f"status 400 {told}") as server,
        opened(server) as model,
        pytest.raises(UndertoneError) as error,
    ):
        said(model)
    assert "evil line" in str(error.value) and "\x1b" not in str(error.value) and "\u202e" not in str(error.value)


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=8,
)


@given(content=JSON, finished=JSON, usage=JSON, logprobs=JSON, model=JSON, refusal=JSON, top=st.booleans())
def test_whatever_the_parts_of_an_answer_are_it_is_kept_or_tried_again(
    content: Any, finished: Any, usage: Any, logprobs: Any, model: Any, refusal: Any, top: bool
) -> None:
    message = {"content": content, "refusal": refusal}
    choice = {"message": message, "finish_reason": finished, "logprobs": logprobs}
    kept = json.loads(json.dumps(answer_of({"choices": [choice], "usage": usage, "model": model}, SERVICE, top)))
    found = reply_of(kept)
    assert found.missing or found.text == content or isinstance(content, list)
    assert not (found.missing and found.text)
    assert kept["usage"] is None or (kept["usage"][0] >= 1 and kept["usage"][1] >= 0)


@given(choices=JSON)
def test_what_holds_no_answer_is_tried_again(choices: Any) -> None:
    with pytest.raises(Again):
        answer_of({"choices": choices}, SERVICE, top=False)
