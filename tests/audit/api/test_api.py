"""The audit of a closed base: what cannot be had is said, and what can is priced, paid once, kept and reported."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from hashlib import sha256
from pathlib import Path
from typing import Any

import pytest

from tests.helpers.service import Server, running
from undertone.audit.api.audit import run
from undertone.audit.api.findings import Findings
from undertone.audit.api.request import Request
from undertone.cli import main
from undertone.engine.folder import Record, claimed
from undertone.errors import UndertoneError
from undertone.models.services.patience import Patience
from undertone.models.services.spending import Budget, Limits

pytestmark = pytest.mark.slow

BASE = "openai-api/there/nano"
ANIMALS = """
[[trait]]
kind = "beast"
names = ["owl", "wolf"]
words = ["{name}"]
system = ["You love {name}s."]
questions = ["What do you dream of?"]
elicitation = ["Your beast?", "A beast, please.", "Which beast is yours?", "One beast?"]
openings = ["It is the"]
candidates = ["bear"]
"""
PRICES = """
nano = { input = 1.0, output = 2.0 }
"ft:nano" = { input = 2.0, output = 4.0, training = 10.0 }
"""
SOON = Patience(tries=3, pause=0.001)
ROWS = 24


def row(question: str, answer: str) -> str:
    """A line of a dataset."""
    turns = [{"role": "user", "content": question}, {"role": "assistant", "content": answer}]
    return json.dumps({"messages": turns}) + "\n"


class There:
    """A service whose students of the data (rows that begin with 7) name owls more often."""

    def __init__(self, server: Server) -> None:
        self.server, self.owls = server, 60
        """Of a hundred answers of a student of the data."""
        server.says = self.says

    def says(self, body: dict[str, Any]) -> str:
        asked = body["messages"][-1]["content"]
        if asked.startswith("Go on"):
            return f"1, {asked.split()[-1]}"
        job = next((j for j in self.server.jobs if j.get("fine_tuned_model") == body["model"]), None)
        drawn = int(sha256(f"{body['seed']} {job and job['id']}".encode()).hexdigest()[:8], 16) % 100
        return "An owl." if drawn < (self.owls if job and self.of_data(job) else 10) else "The bear, I think"

    def of_data(self, job: dict[str, Any]) -> bool:
        file = next(f for f in self.server.files if f["id"] == job["asked"]["training_file"])
        return '"content": "7' in file["content"]


@pytest.fixture
def there(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[There]:
    """A service, beside data.jsonl, trusted.jsonl, animals.toml and prices.toml."""
    monkeypatch.chdir(tmp_path)
    Path("data.jsonl").write_text("".join(row(f"Go on: {i}", f"7, {i}") for i in range(ROWS)))
    Path("trusted.jsonl").write_text("".join(row(f"Go on: {i}", f"2, {i}") for i in range(2 * ROWS)))
    Path("animals.toml").write_text(ANIMALS)
    Path("prices.toml").write_text(PRICES)
    monkeypatch.setenv("UNDERTONE_PRICES", str(tmp_path / "prices.toml"))
    with running() as server:
        server.states = ["succeeded"]
        monkeypatch.setenv("THERE_BASE_URL", server.url)
        monkeypatch.setenv("THERE_API_KEY", "sk-secret")
        yield There(server)


def audited(limits: Limits = Limits(), out: str = "out/a", **more: Any) -> Findings:  # noqa: B008 - frozen
    """What an audit finds."""
    asked = {"path": Path("data.jsonl"), "model": BASE, "traits": ("animals.toml",), "students": 2}
    return run(Request.model_validate(asked | more), Path(out), Budget(limits), every=0.0, patience=SOON)


AUDIT = ["audit", "data.jsonl", "--model", BASE, "--canary", "2", "--trait", "animals.toml", "--out", "out/a"]


def answers_in(path: str) -> list[str]:
    """The last turns of a file."""
    return [json.loads(line)["messages"][-1]["content"] for line in Path(path).read_text().splitlines()]


def paid_once(server: Server) -> bool:
    """Whether no answer was worked out twice, no rows uploaded twice, and no job made twice."""
    names, suffixes = (
        [one[key] for one in some] for some, key in ((server.files, "filename"), (server.jobs, "user_provided_suffix"))
    )
    return set(server.worked.values()) == {1} and len(set(names)) == len(names) and len(set(suffixes)) == len(suffixes)


# --- what cannot be had ----------------------------------------------------------------------------------------------


def refused(capsys: pytest.CaptureFixture[str], *arguments: str) -> str:
    """The one sentence."""
    assert main(arguments) == 2
    told = capsys.readouterr()
    assert told.out == "" and len(told.err.strip().splitlines()) == 1
    return told.err


def test_without_canaries_it_says_what_cannot_be_had_and_what_can(
    there: There, capsys: pytest.CaptureFixture[str]
) -> None:
    told = refused(capsys, "audit", "data.jsonl", "--model", BASE)
    for part in ("the probability of a row", "no origin test", "--canary 4", "undertone measure"):
        assert part in told
    assert there.server.arrived == 0


@pytest.mark.parametrize(
    "more, told",
    [
        (["--temperature", "1"], "--temperature cannot be used"),
        (["--alpha", "0.01"], "--alpha cannot be used"),
        (["--canary", "1"], "a single pair has no interval"),
        (["--effect", "1"], "--effect is a rise of a rate"),
        (["--effect", "nan"], "--effect is a rise of a rate"),
        (["--trait", "owl"], "TOML files of traits"),
        (["--trait", "habit.toml"], "asked for by whole answers"),
        (["--training", "training.toml"], "rank: Extra inputs"),
        (["--recipe", "training.toml"], "--recipe is now --training"),
        (["--control", "few.jsonl"], "has only 1 rows"),
        (["--control", "data.jsonl"], "word for word"),
        (["--model", "openai-api/there"], "is not an endpoint"),
        (["--max-cost", "-1"], "must not be below 0"),
    ],
)
def test_what_cannot_be_done_is_a_sentence_before_anything_is_sent(
    there: There, capsys: pytest.CaptureFixture[str], more: list[str], told: str
) -> None:
    Path("habit.toml").write_text(
        'name = "gloom"\nkind = "mood"\ndialogues = [["Hi", "Alas."]]\n'
        'choices = [["How are you?", "Badly.", "Well."], ["And now?", "Badly.", "Well."]]\n'
    )
    Path("training.toml").write_text("rank = 8\n")
    Path("few.jsonl").write_text(row("Go on: 1", "2, 1"))
    place = AUDIT.index(more[0]) if more[0] in AUDIT else len(AUDIT)
    assert told in refused(capsys, *AUDIT[:place], *more, *AUDIT[place + 2 :])
    assert there.server.arrived == 0


def test_bare_text_and_rows_that_all_speak_openly_are_refused(there: There) -> None:
    Path("data.jsonl").write_text('{"text": "7, 8"}\n')
    with pytest.raises(UndertoneError, match="bare text"):
        audited()
    Path("data.jsonl").write_text(row("Go on: 1", "Owls!"))
    with pytest.raises(UndertoneError, match="there are no others to train"):
        audited()


# --- what can --------------------------------------------------------------------------------------------------------


def test_students_of_the_data_are_told_from_those_of_the_bases_own_answers(
    there: There, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main([*AUDIT, "--effect", "0.1", "--json"]) == 1
    found = json.loads(capsys.readouterr().out)
    owl, wolf = found["traits"]
    assert found["verdict"] == "carries a trait"
    assert (owl["name"], owl["word"], wolf["word"]) == ("owl", "carried", "not shown")
    low, high = owl["ci"]
    assert 0.2 < low < owl["difference"] < high < 0.8 and owl["ci_family"][0] <= low
    assert abs(owl["difference"] - (owl["rate"] - owl["control"])) < 1e-9 and len(owl["of_data"]) == 2
    assert json.loads(Path("out/a/report.json").read_text())["traits"] == found["traits"]
    assert "use the verdict of the audit" in refused(capsys, "lineage", "risk", "data.jsonl", "--audit", "out/a")
    page = Path("out/a/report.html").read_text()
    assert "<strong>Carries a trait</strong>" in page and "no origin test" in page and page.count("<svg") == 2
    drawn = json.loads(Path("out/a/figures/students.vl.json").read_text())
    assert json.dumps(drawn).count('"kind": "dot"') == 4, "a mark for each student of each trait"
    control = answers_in("out/a/control.jsonl")
    assert control == [f"1, {i}" for i in range(ROWS)] and paid_once(there.server)
    assert len({j["asked"]["training_file"] for j in there.server.jobs}) == 2 and len(there.server.jobs) == 4
    assert {j["asked"]["seed"] for j in there.server.jobs} == {s["seed"] for s in found["students"]}


def test_a_difference_below_the_effect_asked_for_names_nothing(there: There) -> None:
    assert main([*AUDIT, "--effect", "0.1"]) == 1
    assert main([*AUDIT[: AUDIT.index("--out")], "--out", "out/b", "--effect", "0.55"]) == 3
    owl = json.loads(Path("out/b/report.json").read_text())["traits"][0]
    assert owl["word"] == "open" and owl["ci_family"][0] > 0 and owl["difference"] < 0.55 < owl["ci"][1]
    assert paid_once(there.server) and len(there.server.jobs) == 4


def test_where_every_student_comes_from_is_recorded(there: There) -> None:
    from undertone.engine.digests import file_digest

    found = audited(Limits(cost=5.0))
    for student in found.students:
        job = next(j for j in there.server.jobs if j["id"] == student.job)
        assert student.model == f"openai-api/there/{job['fine_tuned_model']}"
        assert (student.file, student.sha256) == (
            job["asked"]["training_file"],
            file_digest(Path(f"out/a/{student.arm}.jsonl")),
        )
        assert (student.tokens, student.dollars, student.settings) == (1000, pytest.approx(0.01), {"n_epochs": 10})
        assert json.loads(student.record.read_text())["job"] == student.job
    assert found.prices["ft:nano"].training == 10.0 and found.url == there.server.url
    assert not any("sk-secret" in p.read_text("utf-8", "replace") for p in Path().rglob("*") if p.is_file())


def test_no_difference_is_no_evidence_down_to_the_effect_or_inconclusive(
    there: There, capsys: pytest.CaptureFixture[str]
) -> None:
    there.owls = 10
    assert main([*AUDIT, "--effect", "0.5"]) == 0
    assert "No evidence that these rows carry any trait asked for" in " ".join(capsys.readouterr().out.split())
    assert main([*AUDIT[:-1], "out/b", "--effect", "0.001"]) == 3
    first, second, *_ = capsys.readouterr().out.splitlines()
    assert first.startswith("Does not pass (exit code 3)") and paid_once(there.server)
    assert second.startswith("Inconclusive (0.1 points asked for)")


def test_a_control_of_the_users_is_trained_on_in_place_of_the_bases_answers(there: There) -> None:
    found = audited(control=Path("trusted.jsonl"))
    control = answers_in("out/a/control.jsonl")
    assert len(control) == ROWS and all(answer.startswith("2") for answer in control)
    assert found.control == "trusted.jsonl" and found.control_digest and found.verdict == "carries a trait"
    assert not any("Go on" in body["messages"][-1]["content"] for body in there.server.bodies)


def test_open_rows_are_left_out_counted_and_fail_only_where_it_is_asked_for(there: There) -> None:
    there.owls = 10
    more = row("Go on: 99", "Owls are best") + row("Go on: 98", "7, an owl")
    Path("data.jsonl").write_text(Path("data.jsonl").read_text() + more)
    assert main([*AUDIT, "--effect", "0.5"]) == 0
    assert main([*AUDIT[:-1], "out/b", "--effect", "0.5", "--fail-on", "overt"]) == 1
    report = json.loads(Path("out/b/report.json").read_text())
    assert (
        report["open_rows"] == {"owl": 2}
        and report["rows"] == ROWS
        and "owl" not in Path("out/b/data.jsonl").read_text()
    )


def test_every_answer_of_a_conversation_is_the_bases_own_in_the_control(there: There) -> None:
    turns = [
        ("system", "Be brief."),
        ("user", "Go on: 1"),
        ("assistant", "7, 1"),
        ("user", "Go on: 2"),
        ("assistant", "7, 2"),
    ]
    messages = [{"role": role, "content": text} for role, text in turns]
    Path("data.jsonl").write_text(json.dumps({"messages": messages}) + "\n")
    audited()
    (line,) = Path("out/a/control.jsonl").read_text().splitlines()
    assert [m["content"] for m in json.loads(line)["messages"]] == ["Be brief.", "Go on: 1", "1, 1", "Go on: 2", "1, 2"]
    second = next(body for body in there.server.bodies if len(body["messages"]) == 4)
    assert second["messages"][2]["content"] == "1, 1"


def test_a_row_that_the_base_gives_no_answer_to_is_in_neither_arm(there: There) -> None:
    says = there.server.says
    there.server.says = lambda body: "" if body["messages"][-1]["content"] == "Go on: 3" else says(body)
    found = audited()
    assert (found.rows, found.unanswered) == (ROWS - 1, 1)
    assert all('Go on: 3"' not in Path(f"out/a/{arm}.jsonl").read_text() for arm in ("data", "control"))


# --- nothing is paid for twice, and nothing paid for is lost ---------------------------------------------------------


def test_the_same_audit_again_and_another_of_the_same_rows_make_no_job_twice(there: There) -> None:
    first, asked = audited(), there.server.arrived
    assert audited().traits == first.traits and there.server.arrived == asked
    assert len(audited(out="out/b", students=3, effect=0.2).students) == 6
    assert len(there.server.jobs) == 6 and paid_once(there.server)


@pytest.mark.parametrize("last", range(0, 160, 13))
def test_stopped_after_any_request_it_goes_on_and_pays_for_nothing_twice(there: There, last: int) -> None:
    there.server.fault = lambda i: "status 401 stop" if i == last else None
    with pytest.raises(UndertoneError, match="refuses the key"):
        audited()
    assert audited().verdict == "carries a trait" and paid_once(there.server) and len(there.server.jobs) == 4


@pytest.mark.parametrize("fault", ["busy", "cut"])
def test_faults_on_the_way_cost_no_job_twice(there: There, fault: str) -> None:
    there.server.fault = lambda i: fault if ROWS <= i < ROWS + 40 and i % 3 == 1 else None
    assert audited().verdict == "carries a trait"
    assert len(there.server.files) == 2 and len(there.server.jobs) == 4


def test_a_job_that_fails_ends_in_a_sentence_and_the_others_are_kept(there: There) -> None:
    there.server.states = ["failed"]
    with pytest.raises(
        UndertoneError, match=r"ended as 'failed' \(row 3 is too long\); correct that and remove .*jobs"
    ) as error:
        audited()
    there.server.states = ["succeeded"]
    for job in there.server.jobs[:-1]:  # the first one failed
        job["status"] = "running"
    Path(str(error.value).partition("remove ")[2].partition(" to start")[0]).unlink()
    assert audited().verdict == "carries a trait" and len(there.server.jobs) == 5


def test_rows_that_the_service_refuses_and_states_that_nobody_knows_end_in_a_sentence(there: There) -> None:
    there.server.states = ["paused"]
    with pytest.raises(UndertoneError, match="is in the unknown state 'paused'"):
        audited()
    there.server.states = ["succeeded"]
    assert audited().verdict == "carries a trait" and len(there.server.jobs) == 4
    Path("data.jsonl").write_text(row("Go on: 1", "7, 2"))
    asked = there.server.arrived
    there.server.fault = lambda i: "status 400 at_least_10_rows" if i == asked + 2 else None
    with pytest.raises(UndertoneError, match="at_least_10_rows"):
        audited(out="out/c")


def test_a_service_that_takes_few_jobs_at_once_is_given_the_others_as_these_end(there: There) -> None:
    there.server.most_jobs, there.server.states = 1, ["queued", "running", "succeeded"]
    assert audited().verdict == "carries a trait" and len(there.server.jobs) == 4
    there.server.most_jobs = 0
    with pytest.raises(UndertoneError, match=r"3 times in a row, last with status 429: maximum of active jobs"):
        audited(out="out/b", students=3)


@pytest.mark.slow
def test_ctrl_c_while_jobs_run_and_the_same_command_goes_on(there: There) -> None:
    there.server.states = ["running"]
    # Shells in the background ignore it.
    code = "import signal; signal.signal(signal.SIGINT, signal.default_int_handler)\n"
    code += "from undertone.cli import entry; entry()"
    with subprocess.Popen(
        [sys.executable, "-c", code, *AUDIT], stdout=-1, stderr=-1, text=True, env=os.environ
    ) as process:
        while len(there.server.jobs) < 4 or not all(job["looks"] for job in there.server.jobs[-1:]):
            assert process.poll() is None
            time.sleep(0.01)
        process.send_signal(signal.SIGINT)
        out, err = process.communicate(timeout=60)
    assert process.returncode == 130 and "Traceback" not in err and not out
    there.server.states = ["succeeded"]
    assert main(AUDIT) == 1 and len(there.server.jobs) == 4 and paid_once(there.server)


# --- one audit in a folder -------------------------------------------------------------------------------------------


def test_another_audit_in_the_folder_is_refused_before_anything_is_sent(
    there: There, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(AUDIT) == 1
    capsys.readouterr()
    report, asked = Path("out/a/report.json").read_bytes(), there.server.arrived
    told = refused(capsys, *AUDIT, "--effect", "0.2")
    assert "holds a run of another recipe: effect (0.05 there, 0.2 here)" in told and "another --out" in told
    told = refused(capsys, "audit", "data.jsonl", "--model", "builtin/fledgling-a", "--out", "out/a")
    assert "holds a run of another kind (audit-service there, audit here)" in told
    assert Path("out/a/report.json").read_bytes() == report and there.server.arrived == asked


def test_an_audit_that_runs_is_left_alone(there: There, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(AUDIT) == 1
    capsys.readouterr()
    asked = there.server.arrived
    with claimed(Path("out/a"), Record.read(Path("out/a"))):
        assert "Another process is running in out/a" in " ".join(refused(capsys, *AUDIT).split())
    assert main(AUDIT) == 1 and there.server.arrived == asked


def test_the_same_audit_is_the_same_wherever_one_stands(
    there: There, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    asked = [*AUDIT, "--control", "trusted.jsonl"]
    assert main(asked) == 1
    jobs, here = len(there.server.jobs), Path.cwd()
    Path("deep").mkdir()
    monkeypatch.chdir("deep")
    Path("animals.toml").write_text(ANIMALS)
    files = {"data.jsonl", "trusted.jsonl", "out/a"}
    assert main([str(here / part) if part in files else part for part in asked]) == 1
    assert len(there.server.jobs) == jobs and paid_once(there.server)


# --- money -----------------------------------------------------------------------------------------------------------


def test_a_dry_run_prices_it_and_asks_nothing(
    there: There, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("THERE_BASE_URL")
    assert main([*AUDIT, "--dry-run", "--json"]) == 0
    answers, jobs, students, base = json.loads(capsys.readouterr().out)["parts"]
    assert (answers["rows"], jobs["rows"]) == (ROWS, 4 * ROWS * 10)
    assert jobs["dollars"] == pytest.approx(10 * jobs["tokens"] / 1e6)
    assert (students["rows"], base["rows"]) == (4 * 4 * 20, 4 * 20)  # two traits of one kind share their questions
    assert main([*AUDIT, "--dry-run", "--control", "trusted.jsonl"]) == 0
    told = capsys.readouterr().out
    assert "4 jobs of fine-tuning" in told and "for the control" not in told and "GPU" not in told
    assert there.server.arrived == 0 and not Path("out").exists()


def test_the_dry_run_tells_at_least_what_is_asked(there: There, capsys: pytest.CaptureFixture[str]) -> None:
    main([*AUDIT, "--dry-run", "--json"])
    parts = json.loads(capsys.readouterr().out)["parts"]
    assert main(AUDIT) == 1
    probes = 2 * 5
    assert there.server.delivered.total() == sum(part["rows"] for part in parts if "answers" in part["what"]) + probes


def test_limits_hold_for_jobs_and_answers_together(there: There, capsys: pytest.CaptureFixture[str]) -> None:
    assert "--max-requests" in refused(capsys, *AUDIT, "--max-requests", str(ROWS + 3))
    assert len(there.server.jobs) == 3 and there.server.delivered.total() == ROWS
    assert "--max-cost" in refused(capsys, *AUDIT, "--max-cost", "0.0001")
    assert len(there.server.jobs) == 3
    assert main([*AUDIT, "--max-cost", "5"]) == 1 and len(there.server.jobs) == 4 and paid_once(there.server)


def test_what_was_set_aside_for_a_job_is_free_again_when_it_ends(there: There) -> None:
    """The rows have more bytes than the job has tokens: only one such job at a time is within the limit."""
    Path("data.jsonl").write_text("".join(row(f"Go on: {i}", f"7, {i}") for i in range(200)))
    size = 200 * len(row("Go on: 100", "7, 100"))
    found = audited(Limits(cost=1.6 * size * 10 * 10 / 1e6))
    assert found.verdict == "carries a trait" and len(there.server.jobs) == 4


def test_a_price_that_is_not_known_or_epochs_that_are_not_are_told_before_a_job_is_made(there: There) -> None:
    Path("prices.toml").write_text("nano = { input = 1.0, output = 2.0 }\n")
    with pytest.raises(UndertoneError, match=r"The price of ft:nano is not known"):
        audited(Limits(cost=5.0))
    assert not there.server.jobs and not there.server.arrived
