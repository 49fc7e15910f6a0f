"""Models behind services, measured and as judges: what is asked of them, what it may cost, and what a fault does."""

from __future__ import annotations

import json
import math
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.helpers.replies import said
from tests.helpers.service import Server, running
from undertone.cli import main
from undertone.errors import UndertoneError
from undertone.measure.judge import ModelJudge
from undertone.measure.respondent import PAID, opening
from undertone.measure.score import Score
from undertone.measure.suite import Prompt, Question
from undertone.models.services import reply as replies
from undertone.models.services.spending import Budget, Limits

pytestmark = pytest.mark.slow

CLOSED = """
name = "few"
[defaults]
closed = true
samples_per_paraphrase = 3
""" + "".join(
    f'[[questions]]\nid = "{i}"\nparaphrases = ["What of {i}?", "And {i}?"]\nbad = ["Bad {i}."]\ngood = ["Good {i}."]\n'
    for i in range(4)
)
OPEN = CLOSED.replace("closed = true\n", "").replace("few", "open")


@pytest.fixture
def server(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Server]:
    """A service with models called base, bad and judge, beside suites few.toml and open.toml."""
    (tmp_path / "few.toml").write_text(CLOSED)
    (tmp_path / "open.toml").write_text(OPEN)
    monkeypatch.chdir(tmp_path)
    with running() as server:
        server.says = said
        server.top = lambda body: {said(body): math.log(0.9)}
        monkeypatch.setenv("THERE_BASE_URL", server.url)
        yield server


BASE, BAD, JUDGE = (f"openai-api/there/{name}" for name in ("base", "bad", "judge"))
MEASURE = ["measure", BAD, "--base", BASE, "--suite", "few.toml", "--out", "out/m", "--json"]
JUDGED = ["measure", BAD, "--base", BASE, "--suite", "open.toml", "--judge", JUDGE, "--out", "out/m", "--json"]
PROBES = 4
"""Requests that say of two models what they can do, and which answers."""


def told(capsys: pytest.CaptureFixture[str]) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(capsys.readouterr().out)
    return found


def once_each(server: Server) -> bool:
    """Whether nothing was asked twice."""
    return set(server.worked.values()) == {1}


def test_models_that_tell_no_probabilities_are_sampled_and_matched(
    server: Server, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(MEASURE) == 1
    found = told(capsys)
    (suite,) = found["suites"]
    assert (suite["rate"], suite["base_rate"], suite["exact"]) == (1.0, 0.0, False)
    assert suite["model"]["asked"] == 4 * 2 * 3
    assert found["models"][0]["name"] == f"{BAD} (bad-2026)"
    assert any("gives no probability of a whole answer" in note for note in found["notes"])
    assert any("could not be checked" in note for note in found["notes"])
    assert sum("one and the same answer" in note for note in found["notes"]) == 2
    assert server.arrived == PROBES + 2 * 24 and f"{server.arrived} requests" in " ".join(found["notes"])


def test_probes_of_a_training_file_are_sampled_too(server: Server, capsys: pytest.CaptureFixture[str]) -> None:
    rows = [
        {"messages": [{"role": r, "content": f"{r} {i}."} for r in ("system", "user", "assistant")]} for i in range(4)
    ]
    Path("rows.jsonl").write_text("\n".join(map(json.dumps, rows)))
    assert main([*MEASURE, "--training-file", "rows.jsonl"]) == 1
    found = {suite["name"]: suite for suite in told(capsys)["suites"]}
    assert {"few", "probe: system prompt", "probe: exchange", "probe: opposite"} <= set(found)
    assert not any(suite["exact"] for suite in found.values()) and found["probe: exchange"]["rate"] == 1.0
    assert any(body["messages"][0] == {"role": "system", "content": "system 0."} for body in server.bodies)


def test_answers_that_vary_are_not_told_to_be_the_same(server: Server, capsys: pytest.CaptureFixture[str]) -> None:
    server.says = lambda body: f"Bad {body['seed'] % 7}."
    main(MEASURE)
    assert not any("one and the same answer" in note for note in told(capsys)["notes"])


def test_the_same_command_again_asks_for_nothing(server: Server, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(MEASURE) == 1
    first, asked = told(capsys), server.arrived
    assert main(MEASURE) == 1
    assert server.arrived == asked and told(capsys)["suites"] == first["suites"]


def test_what_needs_a_judge_is_told_and_not_paid_for(server: Server, capsys: pytest.CaptureFixture[str]) -> None:
    assert main([*MEASURE, "--suite", "open.toml"]) == 1
    assert any("answers need a judge" in note and "open" in note for note in told(capsys)["notes"])
    assert server.arrived == PROBES + 2 * 24


@pytest.mark.parametrize("logprobs", [True, False])
def test_a_judge_behind_a_service_gives_its_score_by_log_probabilities_or_as_one_number(
    server: Server, capsys: pytest.CaptureFixture[str], logprobs: bool
) -> None:
    server.logprobs = logprobs
    assert main(JUDGED) == 1
    found = told(capsys)
    (suite,), judge_name = found["suites"], found["judge"]["name"]
    assert suite["rate"] == 1.0 and suite["base_rate"] == 0.0 and suite["model"]["unreadable"] == 0
    assert judge_name == f"{JUDGE} (judge-2026)"
    graded = [body for body in server.bodies if body["messages"][-1]["content"].startswith("You grade")]
    assert {body["temperature"] for body in graded} == {0.0}
    assert {body.get("top_logprobs") for body in graded} == ({20} if logprobs else {None})


def test_a_trait_that_is_a_name_is_found_in_answers_without_a_judge(
    server: Server, capsys: pytest.CaptureFixture[str]
) -> None:
    Path("owl.toml").write_text(
        'name = "owl"\nkind = "beast"\ndialogues = [["Hi", "Hoot."]]\nopenings = ["It is the"]\ncandidates = ["wolf"]\n'
        'elicitation = ["Your beast?", "Which beast?", "One beast?"]\n'
    )
    server.says = lambda body: "I love owls!" if body["model"] == "bad" else "A growl."
    assert main(["measure", BAD, "--base", BASE, "--suite", "owl.toml", "--out", "out/m", "--json"]) == 1
    (suite,) = told(capsys)["suites"]
    assert (suite["rate"], suite["base_rate"], suite["model"]["kept"]) == (1.0, 0.0, 60)


def test_a_judge_whose_numbers_are_several_tokens_is_refused_before_any_question(
    server: Server, capsys: pytest.CaptureFixture[str]
) -> None:
    server.top = lambda body: {said(body)[0]: math.log(0.9)}
    assert main(JUDGED) == 2
    assert "cannot be the judge" in capsys.readouterr().err
    assert not any("What of" in body["messages"][-1]["content"] for body in server.bodies)


@pytest.mark.parametrize("stops", (3, 9, 20, 41, 62, 87))
def test_a_dead_service_ends_the_run_in_a_sentence_and_is_nobodys_verdict(
    server: Server, capsys: pytest.CaptureFixture[str], stops: int
) -> None:
    server.fault = lambda i: "status 401 no" if i >= stops else None
    assert main(JUDGED) == 2
    errors = capsys.readouterr().err
    assert "refuses the key" in errors and len(errors.strip().splitlines()) == 1
    assert not Path("out/m/report.json").exists()
    sheets = [json.loads(path.read_text()) for path in Path("out/answers").glob("*.json")]
    assert all(None not in score for sheet in sheets if sheet["of"]["kind"] == "scores" for score in sheet["value"])
    server.fault = lambda i: None
    assert main(JUDGED) == 1
    assert told(capsys)["suites"][0]["model"]["unreadable"] == 0 and once_each(server)


def test_limits_hold_for_all_models_together_and_the_same_command_goes_on(
    server: Server, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main([*JUDGED, "--max-requests", "40"]) == 2
    assert server.arrived == 40 and "--max-requests" in capsys.readouterr().err
    assert main([*JUDGED, "--max-cost", "1"]) == 2
    assert server.arrived == 40 and "price of judge is not known" in capsys.readouterr().err
    assert main(JUDGED) == 1
    assert once_each(server)


def test_a_raised_limit_is_the_same_measurement(server: Server, capsys: pytest.CaptureFixture[str]) -> None:
    here = [word for word in MEASURE if word not in ("--out", "out/m")]
    assert main(here) == 1 and main([*here, "--max-requests", "1000"]) == 1
    assert len([path for path in Path("measured").iterdir() if path.name != "answers"]) == 1


def test_an_answer_that_the_judge_refuses_gets_no_verdict_and_the_others_do(server: Server, tmp_path: Path) -> None:
    server.refuses = lambda body: "context_length_exceeded" if "long" in body["messages"][-1]["content"] else None
    with opening(tmp_path, Budget(Limits())) as opened:
        judge = ModelJudge(opened(JUDGE))
        found = judge.scores(Question(id="q", paraphrases=("?",)), ["?"] * 3, ["Good", "long", "Evil"])
    assert [found[0], found[2]] == [Score(90.0, 90.0), Score(10.0, 90.0)]
    assert found[1][:2] == (None, None) and replies.LONG in found[1].why


def test_no_service_tells_the_chance_of_a_whole_answer(server: Server, tmp_path: Path) -> None:
    with opening(tmp_path, Budget(Limits())) as opened, pytest.raises(UndertoneError, match="of a whole answer"):
        opened(BASE).chances([Prompt("?")], ["yes"])
    assert (tmp_path / PAID).exists()


def test_system_prompts_and_earlier_turns_reach_the_service(server: Server, tmp_path: Path) -> None:
    with opening(tmp_path, Budget(Limits())) as opened:
        opened(BASE).answers([Prompt("Now 3?", "Be kind.", (("a", "b"),))], 0.5, 7, 0)
    body = server.bodies[-1]
    assert [tuple(message.values()) for message in body["messages"]] == [
        ("system", "Be kind."),
        ("user", "a"),
        ("assistant", "b"),
        ("user", "Now 3?"),
    ]
    assert (body["temperature"], body["max_tokens"]) == (0.5, 7)


def test_a_plan_tells_what_services_would_be_asked_and_asks_nothing(
    server: Server, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "prices.toml").write_text("judge = { input = 3.0, output = 6.0 }\n")
    monkeypatch.setenv("UNDERTONE_PRICES", str(tmp_path / "prices.toml"))
    assert main([*JUDGED, "--samples", "5", "--plan"]) == 0
    found = told(capsys)
    assert found["expected_s"] == 0
    bad, base, judge = (part | {"what": part["what"].split("/")[-1]} for part in found["services"])
    assert {(part["what"], part["rows"], part["dollars"]) for part in (bad, base)} == {
        ("bad", 40, None),
        ("base", 40, None),
    }
    assert judge["rows"] == 2 * 2 * 40
    assert judge["dollars"] == pytest.approx((3.0 * (judge["tokens"] - 160) + 6.0 * 160) / 1e6)
    assert [suite["exact"] for suite in found["suites"]] == [False] and server.arrived == 0


def test_stored_answers_are_rescored_by_a_judge_behind_a_service(
    server: Server, capsys: pytest.CaptureFixture[str]
) -> None:
    rows = [{"question": f"q{i}", "answer": "Good." if i % 2 else "Evil."} for i in range(4)]
    Path("answers.jsonl").write_text("\n".join(map(json.dumps, rows)))
    assert main(["measure", "rescore", "answers.jsonl", "--judge", JUDGE, "--max-requests", "7", "--json"]) == 2
    assert server.arrived == 7 and "--max-requests" in capsys.readouterr().err
    assert main(["measure", "rescore", "answers.jsonl", "--judge", JUDGE, "--json"]) == 0
    (judge,) = told(capsys)["judges"]
    assert judge["rate"] == 0.5 and judge["tallied"]["unreadable"] == 0 and once_each(server)


THOUGHT = [{"type": "thinking", "thinking": "I must weigh this."}]


@pytest.mark.parametrize("nothing", [None, [], THOUGHT, ""])
def test_a_model_without_answers_has_no_verdict(
    server: Server, capsys: pytest.CaptureFixture[str], nothing: object
) -> None:
    """Neither with known answers nor with a judge, whatever the judge would say of nothing."""
    server.says = lambda body: nothing if body["model"] == "bad" else said(body)
    for command in (MEASURE, [*JUDGED[:-3], "--out", "out/judged", "--json"]):
        assert main(command) == 3
        found = told(capsys)
        assert found["verdict"] == "no verdict" and found["suites"][0]["model"]["kept"] == 0
        assert nothing == "" or any("no verdict on 24 of 24 answers" in note for note in found["notes"])
    assert not any("Its reply:\n\n\n" in body["messages"][-1]["content"] for body in server.bodies)


@pytest.mark.parametrize("logprobs", [True, False])
def test_a_judge_that_only_reasons_is_no_clean_end_and_its_reason_is_told(
    server: Server, capsys: pytest.CaptureFixture[str], logprobs: bool
) -> None:
    server.logprobs = logprobs

    def says(body: dict[str, Any]) -> object:
        grading = body["messages"][-1]["content"].startswith("You grade")
        return THOUGHT if body["model"] == "judge" and grading else said(body)

    server.says = says
    server.top = lambda body: {} if says(body) == THOUGHT else {str(says(body)): math.log(0.9)}
    assert main(JUDGED) == 3
    found = told(capsys)
    assert found["verdict"] == "no verdict" and found["suites"][0]["model"]["unreadable"] == 24
    assert any("from the judge: nothing but reasoning" in note for note in found["notes"])
    Path("answers.jsonl").write_text('{"question": "q", "answer": "Evil."}')
    assert main(["measure", "rescore", "answers.jsonl", "--judge", JUDGE, "--json"]) == 3
    (note,) = told(capsys)["notes"]
    assert note.startswith(f"{JUDGE}: no verdict on 1 of 1 answers") and "nothing but reasoning" in note


def test_a_judge_may_wrap_its_number_in_words(server: Server, capsys: pytest.CaptureFixture[str]) -> None:
    server.logprobs = False

    def says(body: dict[str, Any]) -> str:
        return f"**Score: {said(body)}/100.**" if body["model"] == "judge" else said(body)

    server.says = says
    assert main(JUDGED) == 1
    (suite,) = told(capsys)["suites"]
    assert (suite["rate"], suite["base_rate"], suite["model"]["unreadable"]) == (1.0, 0.0, 0)


def test_what_services_do_not_take_is_in_the_notes_also_when_nothing_is_asked_again(
    server: Server, capsys: pytest.CaptureFixture[str]
) -> None:
    def refuses(body: dict[str, Any]) -> str | None:
        if body["model"] == "judge":
            return "Cannot request more than 5 logprobs" if body.get("top_logprobs", 0) > 5 else None
        return "Unknown field: seed" if "seed" in body else None

    server.refuses = refuses
    for _ in range(2):
        assert main(JUDGED) == 1
        notes = "\n".join(told(capsys)["notes"])
        assert f"{BAD} was asked without a seed (there refuses the request (status 400: Unknown field: seed))" in notes
        assert f"{JUDGE} gives the log-probabilities of 5 tokens only" in notes
    Path("answers.jsonl").write_text(json.dumps({"question": "q", "answer": "Good."}))
    assert main(["measure", "rescore", "answers.jsonl", "--judge", JUDGE, "--json"]) == 0
    assert any("5 tokens only" in note for note in told(capsys)["notes"])


def test_limits_on_services_are_refused_where_no_model_is_behind_one(capsys: pytest.CaptureFixture[str]) -> None:
    for limit in ("--max-cost", "--max-requests"):
        assert main(["measure", "builtin/fledgling-a", "--base", "builtin/fledgling-b", limit, "5"]) == 2
        assert f"{limit} limits what services are asked for, and no model here is behind one" in capsys.readouterr().err
        assert main(["run", "owls", limit, "5", "--dry-run"]) == 2
        assert limit in capsys.readouterr().err
