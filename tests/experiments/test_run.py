"""What all kinds of experiment share: the table of kinds, the one way to run them, and what is never overwritten."""

import json
import re
import shutil
import tomllib
from pathlib import Path
from typing import Any

import pytest

from tests.helpers.audits import make_findings
from tests.helpers.trials import Once
from undertone.audit.gate import gate_of
from undertone.cli import main
from undertone.cli.gate import Output, present
from undertone.engine.executor import executing
from undertone.engine.folder import Record, claimed, record_of, state_of
from undertone.engine.manifest import Manifest
from undertone.engine.progress import Watcher
from undertone.engine.store import Job, Store
from undertone.engine.workers import Local
from undertone.errors import UndertoneError
from undertone.experiments.kind import KINDS, kind_of
from undertone.experiments.recipes import SHIPPED, names, read, read_as
from undertone.experiments.replay import replay
from undertone.experiments.run import run
from undertone.experiments.theory.findings import DigitsFindings
from undertone.experiments.theory.spec import Digits
from undertone.experiments.trial.spec import Trial
from undertone.models.services.spending import Limits
from undertone.report.findings import Findings
from undertone.spec import Recipe, Spec

TINY = (
    "models=2", "hidden=4", "auxiliary=[1, 2]", "shown=1", "teacher.steps=2", "teacher.batch=4", "student.steps=2",
    "student.batch=4",
)  # fmt: skip
"""Changes that make digits a matter of a second."""
JOBS = 7
"""Of digits at its smallest: the teachers, and six kinds of students."""
TRAITS = ("--trait", "paper/animals.toml")
SET = [part for change in TINY for part in ("--set", change)]


def digits(*changes: str) -> Digits:
    return read_as(Digits, "digits", (*TINY, *changes))


@pytest.fixture(scope="session")
def made(once: Once) -> Path:
    """A folder with digits at its smallest, finished in ``run``, and its ``store``; not to be changed."""

    def make(folder: Path) -> None:
        run(digits(), folder / "run", "digits", executor=Local(1))

    return once("digits", make)


@pytest.fixture
def here(made: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A copy of ``made`` to stand in."""
    shutil.copytree(made, tmp_path, dirs_exist_ok=True)
    monkeypatch.chdir(tmp_path)
    return tmp_path


def held(folder: Path) -> dict[str, bytes]:
    """What a refusal must leave as it was."""
    return {name: (folder / name).read_bytes() for name in ("run.json", "report.json")}


def refused(capsys: pytest.CaptureFixture[str], *arguments: str) -> str:
    """The one sentence in which a command is refused."""
    capsys.readouterr()
    assert main(arguments) == 2
    out, err = capsys.readouterr()
    assert out == "" and len(err.splitlines()) == 1 and err.startswith("undertone: ")
    return err


# --- the table of kinds ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", KINDS)
def test_every_kind_loads_and_its_spec_bears_its_name(name: str) -> None:
    kind = kind_of(name)
    assert kind.spec.kind == name
    assert issubclass(kind.spec, Recipe) and issubclass(kind.findings, Findings)


def test_no_two_kinds_have_one_spec_or_one_report() -> None:
    kinds = [kind_of(name) for name in KINDS]
    assert len({kind.spec for kind in kinds}) == len({kind.findings for kind in kinds}) == len(KINDS)


@pytest.mark.parametrize("recipe", names())
def test_every_shipped_recipe_is_of_a_kind_in_the_table_and_is_read_as_its_spec(recipe: str) -> None:
    name = tomllib.loads((SHIPPED / f"{recipe}.toml").read_text()).get("experiment", "trial")
    assert type(read(recipe)) is kind_of(name).spec


def test_an_unknown_kind_is_answered_with_the_nearest(here: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (here / "mine.toml").write_text('experiment = "digit"\ntitle = "x"\n')
    assert "did you mean digits" in refused(capsys, "run", "mine.toml")


def test_a_recipe_of_another_kind_than_the_one_needed_is_refused() -> None:
    with pytest.raises(UndertoneError, match=r"The recipe owls is of the kind trial; give one of the kind digits"):
        read_as(Digits, "owls")
    with pytest.raises(UndertoneError, match=r"The recipe digits is of the kind digits; give one of the kind trial"):
        read_as(Trial, "digits")


# --- what is never overwritten ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("recipe", ["owls", "dose", "misalignment", "treat/numbers", "theorem"])
def test_a_run_over_the_folder_of_another_kind_is_refused_before_anything_is_made(recipe: str, here: Path) -> None:
    before, spec = held(here / "run"), read(recipe)
    with pytest.raises(UndertoneError, match=rf"another kind \(digits there, {spec.kind} here\); give another --out"):
        run(spec, here / "run", store=Store(here / "other"))
    assert held(here / "run") == before
    assert not (here / "other").exists()


@pytest.mark.parametrize("kind", [*(name for name in KINDS if name != "digits"), "audit", "audit-service", "measure"])
def test_a_run_leaves_the_folder_of_any_other_kind_and_of_other_verbs_as_it_is(kind: str, tmp_path: Path) -> None:
    folder = tmp_path / "taken"
    with claimed(folder, record_of(kind, "other", Spec())) as claim:
        (folder / "report.json").write_text("{}")
        claim.note(finished=True)
    before = held(folder)
    with pytest.raises(UndertoneError, match=rf"another kind \({kind} there, digits here\); give another --out"):
        run(digits(), folder)
    assert held(folder) == before


@pytest.mark.parametrize(
    ("verb", "arguments"),
    [
        ("audit", ("audit", "rows.jsonl", "--model", "builtin/fledgling-a")),
        ("audit-service", ("audit", "rows.jsonl", "--model", "openai-api/x/y", "--canary", "2", *TRAITS)),
        ("measure", ("measure", "builtin/fledgling-b", "--base", "builtin/fledgling-a")),
    ],
)
def test_a_report_of_another_verb_over_the_folder_of_a_run_is_refused_before_any_work(
    verb: str, arguments: tuple[str, ...], here: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (here / "rows.jsonl").write_text('{"prompt": "1, 2", "completion": "3, 4"}\n')
    before = held(here / "run")
    told = refused(capsys, *arguments, "--out", "run")
    assert f"run holds a run of another kind (digits there, {verb} here); give another --out." in told
    assert held(here / "run") == before


def test_a_run_over_the_report_of_an_audit_is_refused_and_the_report_is_no_run(
    here: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    found = make_findings()
    present(
        "audit",
        Spec(),
        here / "audited",
        lambda _: found,
        lambda one: gate_of(one, ("carries",), False),
        Output(json=True),
    )
    before = held(here / "audited")
    told = refused(capsys, "run", "digits", *SET, "--out", "audited")
    assert "audited holds a run of another kind (audit there, digits here); give another --out." in told
    for verb in ("run", "report"):
        told = refused(capsys, verb, "audited")
        assert "audited holds no run of an experiment, but the report of undertone audit; its page is audited" in told
    assert held(here / "audited") == before


def test_a_report_without_a_record_is_not_overwritten(here: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (here / "run" / "run.json").unlink()
    before = (here / "run" / "report.json").read_bytes()
    assert "holds a report that this run did not write" in refused(capsys, "run", "digits", *SET, "--out", "run")
    assert (here / "run" / "report.json").read_bytes() == before
    assert not (here / "run" / "run.json").exists()


def test_a_run_of_an_earlier_version_is_refused_in_a_sentence_that_says_what_to_do(
    here: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    first = {"format": 1, "recipe": "owls", "trial": {}, "models": {}, "store": "../store"}
    (here / "run" / "run.json").write_text(json.dumps(first))
    before = held(here / "run")
    for arguments in (("run", "run"), ("run", "digits", *SET, "--out", "run"), ("report", "run")):
        told = refused(capsys, *arguments)
        assert "written by another version of Undertone (format 1, this one reads 2)" in told
        assert "give the recipe and another --out" in told
    assert held(here / "run") == before
    assert main(["runs", ".", "--json"]) == 0
    (row,) = json.loads(capsys.readouterr().out)
    assert row["state"] == "unreadable" and "format 1" in row["said"]


# --- stopped, finished -----------------------------------------------------------------------------------------------


class Interrupting(Watcher):
    """Stops the run as Ctrl-C does, after its first job."""

    def done(self, job: Job, seconds: float) -> None:
        raise KeyboardInterrupt


def test_a_run_that_was_stopped_goes_on_where_it_was(
    made: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(KeyboardInterrupt):
        run(digits(), tmp_path / "run", "digits", Interrupting(), executor=Local(1))
    record = Record.read(tmp_path / "run")
    assert state_of(tmp_path / "run", record) == "stopped" and record.recipe == "digits"
    (teachers,) = tmp_path.glob("store/digits-*/manifest.json")
    before = teachers.stat().st_mtime_ns
    assert main(["run", "run", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["run_dir"] == "run"
    assert teachers.stat().st_mtime_ns == before, "what was made is not made again"
    whole = Record.read(tmp_path / "run")
    assert whole.finished and len(whole.artifacts) == JOBS
    assert whole.artifacts == Record.read(made / "run").artifacts
    assert whole.started == record.started


def test_a_run_that_was_ended_by_a_refusal_says_so_and_goes_on_once_it_can(
    here: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    record = json.loads((here / "run" / "run.json").read_text())
    (here / "run" / "run.json").write_text(json.dumps(record | {"finished": False, "stopped": "The disk is full."}))
    assert main(["runs", ".", "--json"]) == 0
    (row,) = json.loads(capsys.readouterr().out)
    assert (row["state"], row["said"]) == ("stopped", "The disk is full.")
    assert main(["run", "run", "--json"]) == 0
    whole = Record.read(here / "run")
    assert whole.finished and whole.stopped is None


def test_a_finished_run_is_made_anew_and_compared_bit_by_bit(here: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["run", "run"]) == 0
    out = capsys.readouterr().out
    assert f"the same bits: {JOBS} of {JOBS} artifacts are equal to those of run" in out
    assert len(list((here / "run-replay" / "store").glob("digits-*"))) == JOBS
    first, again = (DigitsFindings.load(here / name / "report.json") for name in ("run", "run-replay"))
    assert again.arms == first.arms and again.differences == first.differences
    record = json.loads((here / "run" / "run.json").read_text())
    name = next(iter(record["artifacts"]))
    (here / "run" / "run.json").write_text(json.dumps(record | {"artifacts": record["artifacts"] | {name: "0" * 64}}))
    assert main(["run", "run", "--out", "another", "--json"]) == 1
    told = json.loads(capsys.readouterr().out)["replay"]
    assert (told["same"], told["differing"]) == (JOBS - 1, [name])


def test_the_record_and_the_report_of_a_run_say_the_same_start(made: Path) -> None:
    assert Record.read(made / "run").started == DigitsFindings.load(made / "run" / "report.json").started


def test_the_same_command_again_makes_nothing_anew(here: Path, capsys: pytest.CaptureFixture[str]) -> None:
    before = {path: path.stat().st_mtime_ns for path in here.glob("store/*/manifest.json")}
    report = (here / "run" / "report.json").read_bytes()
    (here / "run" / "report.html").unlink()
    assert main(["run", "digits", *SET, "--out", "run", "--json"]) == 0
    assert {path: path.stat().st_mtime_ns for path in here.glob("store/*/manifest.json")} == before
    assert (here / "run" / "report.json").read_bytes() == report, "the start and the seconds of the run that made it"
    assert (here / "run" / "report.html").is_file()


def test_a_finished_run_whose_artifact_is_lost_makes_it_again_and_keeps_its_start(here: Path) -> None:
    path, record = here / "run" / "report.json", Record.read(here / "run")
    path.write_text(DigitsFindings.load(path).model_copy(update={"wall_s": 1000.0}).json_text())
    first = DigitsFindings.load(path)
    shutil.rmtree(min(here.glob("store/digits-students-*")))
    found = run(digits(), here / "run", "digits", executor=Local(1))
    assert found == DigitsFindings.load(here / "run" / "report.json")
    assert (found.arms, found.started) == (first.arms, first.started) and found.wall_s != first.wall_s
    assert Record.read(here / "run") == record


def test_a_finished_run_that_is_ended_while_it_is_made_again_is_not_finished(here: Path) -> None:
    shutil.rmtree(min(here.glob("store/digits-students-*")))

    class Ended(Watcher):
        def done(self, job: Job, seconds: float) -> None:
            if seconds:
                raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        run(digits(), here / "run", "digits", Ended(), executor=Local(1))
    record = Record.read(here / "run")
    assert (record.finished, state_of(here / "run", record)) == (False, "stopped")


def test_a_replay_is_held_to_the_limits_it_is_given(here: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    given = []
    monkeypatch.setattr("undertone.experiments.replay.run", lambda *arguments: given.append(arguments[-1]))
    with pytest.raises(UndertoneError):  # nothing was made to compare with
        replay(here / "run", here / "again", limits=Limits(requests=3))
    assert given == [Limits(requests=3)]


# --- looked at -------------------------------------------------------------------------------------------------------


def test_a_run_of_any_kind_is_listed_and_shown_again(here: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["runs", ".", "--json"]) == 0
    (row,) = json.loads(capsys.readouterr().out)
    assert (row["run"], row["recipe"], row["kind"], row["state"]) == ("run", "digits", "digits", "finished")
    record = Record.read(here / "run")
    assert row["said"] and record.said.startswith(row["said"])
    page = (here / "run" / "report.html").read_text()
    (here / "run" / "report.html").unlink()
    assert main(["report", "run"]) == 0
    out = " ".join(capsys.readouterr().out.split())
    assert "Own minus other initialisation" in out and row["said"] in out
    assert (here / "run" / "report.html").read_text() == page
    assert main(["report", "run", "--markdown"]) == 0
    out = capsys.readouterr().out
    assert out.startswith(f"# {digits().title}\n")
    assert "| arm | auxiliary logits |" in out and "## Methods" in out and record.said in out


def test_what_made_an_artifact_is_explained(here: Path, capsys: pytest.CaptureFixture[str]) -> None:
    students = min(here.glob("store/digits-students-*"))
    assert main(["why", str(students), "--json"]) == 0
    chain = json.loads(capsys.readouterr().out)
    assert [(one["depth"], one["role"], one["made"]["stage"]) for one in chain] == [
        (0, "", "digits-students"), (1, "teachers", "digits-teachers"),
    ]  # fmt: skip
    assert main(["why", str(students)]) == 0
    assert "stage digits-teachers 1" in capsys.readouterr().out
    (here / "runs").mkdir()
    (here / "store").rename(here / "runs" / "store")
    for beginning in (students.name, Manifest.read(here / "runs" / "store" / students.name).key[:12]):
        assert main(["why", beginning, "--json"]) == 0
        assert json.loads(capsys.readouterr().out) == chain


def test_where_a_run_comes_from_is_shown_signed_and_verified(here: Path, capsys: pytest.CaptureFixture[str]) -> None:
    students = min(here.glob("store/digits-students-*"))
    for thing, depths in (("run", [0, 1, 1]), (str(students), [0, 1])):
        assert main(["lineage", "show", thing, "--json"]) == 0
        entries = json.loads(capsys.readouterr().out)
        assert [entry["depth"] for entry in entries] == depths
        assert {entry["standing"] for entry in entries} - {"recorded"} == {"verified"}, thing
    assert main(["lineage", "key", "key"]) == 0
    assert main(["lineage", "sign", "run", "--key", "key"]) == 0
    assert main(["lineage", "verify", "run", "--key", "key.pub", "--store", "store"]) == 0
    assert f"is complete: {JOBS} artifacts" in capsys.readouterr().out
    weights = next(here.glob("store/digits-teachers-*/*.safetensors"))
    weights.write_bytes(weights.read_bytes() + b"0")
    assert main(["lineage", "show", "run"]) == 1
    out = re.sub(r"[│├└─\s]+", " ", capsys.readouterr().out)  # without the branches of the tree
    assert "is truncated or was changed after it was written" in out


# --- what a run would cost -------------------------------------------------------------------------------------------


def previewed(capsys: pytest.CaptureFixture[str], *changes: str) -> dict[str, Any]:
    capsys.readouterr()
    more = [part for change in changes for part in ("--set", change)]
    assert main(["run", "digits", *SET, *more, "--out", "other", "--dry-run", "--json"]) == 0
    found: dict[str, Any] = json.loads(capsys.readouterr().out)
    return found


def test_a_dry_run_counts_stages_and_arms_and_makes_nothing(here: Path, capsys: pytest.CaptureFixture[str]) -> None:
    before = sorted(here.rglob("*"))
    done, fresh = previewed(capsys), previewed(capsys, "seed=1")
    assert (done["to_make"], done["expected_core_s"], done["run_dir"]) == (0, 0, "other")
    assert fresh["to_make"] == JOBS
    counts = {stage: (one["needed"], one["to_make"]) for stage, one in fresh["stages"].items()}
    assert counts == {"digits-teachers": (1, 1), "digits-students": (JOBS - 1, JOBS - 1)}
    assert [one["needed"] for one in fresh["arms"].values()] == [1] * JOBS, "what is shared is counted once"
    assert sorted(here.rglob("*")) == before


class Elsewhere(Local):
    """Four accelerators for students, and one core."""

    def places(self, job: Job) -> tuple[str, ...]:
        return ("accelerator",) * 4 if job.stage.name == "digits-students" else ("",)

    def machine(self) -> str:
        return "a cluster"


def took(here: Path, seconds: float) -> None:
    """Has all students that are there have taken so long."""
    for path in here.glob("store/digits-students-*"):
        Manifest.read(path).model_copy(update={"seconds": seconds}).write(path)


def test_a_dry_run_says_hours_by_kind_of_device(here: Path, capsys: pytest.CaptureFixture[str]) -> None:
    took(here, 500)
    with executing(Elsewhere()):
        told = previewed(capsys, "shown=2")
        assert main(["run", "digits", *SET, "--set", "shown=2", "--out", "other", "--dry-run"]) == 0
    said = capsys.readouterr().out
    assert told["expected_accelerator_s"] == told["expected_core_s"] == 1000
    assert re.search(r"17 min of accelerators and [\w. ]+ of cores, [\w. ]+ on a cluster\n  this machine has", said)
    assert previewed(capsys, "shown=2")["expected_accelerator_s"] == 0


def test_a_dry_run_expects_what_finished_artifacts_of_the_stage_took(
    here: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    def expected(seconds: float) -> int:
        """For two more kinds of students, if those that are there took so long."""
        took(here, seconds)
        stages = previewed(capsys, "shown=2")["stages"]
        assert stages["digits-teachers"] == {"needed": 1, "to_make": 0, "expected_core_s": 0}
        assert (stages["digits-students"]["needed"], stages["digits-students"]["to_make"]) == (JOBS - 1, 2)
        found: int = stages["digits-students"]["expected_core_s"]
        return found

    assert (expected(500), expected(5000)) == (1000, 10000)
