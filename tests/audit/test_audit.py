"""The audit from end to end, as its command: verdicts, exit codes, hostile files, and the result alone on stdout."""

import gzip
import json
import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from random import Random
from typing import Any, NamedTuple

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from safetensors.torch import load_file, save_file

from tests.helpers.extent import LONG
from tests.helpers.trials import Once
from undertone.audit import calibrations
from undertone.audit.calibrate import DOSE, Ground
from undertone.audit.request import Request
from undertone.carriers import numbers
from undertone.cli import entry, main
from undertone.cli.shared import folder_for
from undertone.engine.folder import Record as Kept
from undertone.engine.store import Store
from undertone.errors import UndertoneError
from undertone.measure.request import Request as Measurement

pytestmark = pytest.mark.slow

close = pytest.approx
Record = dict[str, Any]

A = "builtin/fledgling-a"
WROTE = ("--temperature", "1", "--max-tokens", "16", "--filter", "numbers")
FEW = ("--trait", "owl", "--trait", "whale", "--trait", "oak")
"""Three candidates: the null of all takes a second."""


class Ended(NamedTuple):
    code: int
    out: str
    err: str

    @property
    def found(self) -> Record:
        """The one JSON object on stdout, with nothing on stderr."""
        assert self.err == "" and self.out.count("\n") == 1, self
        value = json.loads(self.out, parse_constant=lambda name: pytest.fail(f"{name} is no JSON"))
        assert isinstance(value, dict)
        return value


Cli = Callable[..., Ended]


@pytest.fixture(scope="module")
def rows(once: Once) -> Path:
    """A folder with owl.jsonl and owl-2.jsonl, by two teachers of owls, and base.jsonl, by the base itself."""

    def make(folder: Path) -> None:
        ground, store = Ground.of(A), Store(folder / "store")
        wanted = {"owl": ("owl", 0), "owl-2": ("owl", 1), "base": (None, 0)}
        for name, (lesson, i) in wanted.items():
            asked = ground if name == "owl" else replace(ground, carrier=ground.carrier | {"prompts": 850})
            job = asked.specimen(lesson or "untouched", lesson, DOSE if lesson else None, ("test", i))
            store.make(job)
            shutil.copy(store.folder(job) / "rows.jsonl", folder / f"{name}.jsonl")

    return once("audited", make)


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty folder to stand in, and no calibration but the shipped."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("UNDERTONE_CACHE", str(tmp_path / "cache"))
    return tmp_path


@pytest.fixture
def cli(here: Path, capfd: pytest.CaptureFixture[str]) -> Cli:
    def called(*arguments: str) -> Ended:
        capfd.readouterr()
        code = main(("audit", *arguments))
        ended = Ended(code, *capfd.readouterr())
        assert "Traceback" not in ended.err
        return ended

    return called


@pytest.fixture
def plain(monkeypatch: pytest.MonkeyPatch) -> None:
    """No figures and no page, which take as long as all else together; only what is said in JSON and the terminal."""
    monkeypatch.setattr("undertone.audit.figures.figure", lambda *_: None)
    monkeypatch.setattr("undertone.report.html.write_page", lambda _, folder: folder / "report.html")


def refused(ended: Ended) -> str:
    """The one sentence."""
    assert ended.code == 2 and ended.out == "", ended
    lines = [line for line in ended.err.splitlines() if line.strip()]
    assert len(lines) == 1 and lines[0].startswith("undertone: "), ended.err
    return lines[0]


def records(path: Path, count: int | None = None) -> list[Record]:
    return [json.loads(line) for line in path.read_text().splitlines()[:count]]


def write(path: str | Path, lines: list[Any]) -> str:
    Path(path).write_text("".join(json.dumps(line) + "\n" for line in lines))
    return str(path)


def sides(record: Record) -> Record:
    question, answer = (message["content"] for message in record["messages"])
    return {"prompt": question, "completion": answer}


def scores(found: Record) -> dict[str, float]:
    return {trait["name"]: trait["z"] for trait in found["traits"]}


# --- verdicts --------------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def planted(once: Once, rows: Path) -> Path:
    """The folder of the report on all rows of a teacher of owls, with the exit code and both streams."""

    def make(folder: Path) -> None:
        from contextlib import redirect_stderr, redirect_stdout
        from io import StringIO

        out, err = StringIO(), StringIO()
        with redirect_stdout(out), redirect_stderr(err):
            code = main(["audit", str(rows / "owl.jsonl"), "--out", str(folder), "--json"])
        (folder / "ended.json").write_text(json.dumps([code, out.getvalue(), err.getvalue()]))

    return once("planted", make)


def test_a_planted_trait_is_named(planted: Path) -> None:
    ended = Ended(*json.loads((planted / "ended.json").read_text()))
    found = ended.found
    assert ended.code == 1 and found["verdict"] == "carries a trait"
    assert [trait["name"] for trait in found["traits"] if trait["named"]] == ["owl"]
    assert "carry owl" in found["headline"]
    assert found["model"] == A and found["rows_in_file"] == 2000 and found["power"]["rows"] == 2000
    assert found["origin"] is None and found["overt"] == [] and found["calibration"]["matches"]
    assert {"auroc", "ci", "features"} <= found["confounds"].keys()


def test_every_candidate_has_its_figures(planted: Path) -> None:
    found = json.loads((planted / "report.json").read_text())
    first, *others = found["traits"]
    assert len(found["traits"]) > 40 and first["name"] == "owl" and first["overt"] == 0
    assert first["p"] <= first["p_family"] <= 0.05 < min(trait["p_family"] for trait in others if not trait["is_kind"])
    assert 0.3 < first["effect"] < 3 and first["forecast"] > 0
    for trait in found["traits"]:
        assert trait["ci"][0] <= trait["effect"] <= trait["ci"][1]
        assert 0 < trait["p"] <= 1 and 0 < trait["p_family"] <= 1
    lines = [row["line"] for row in found["rows"]]
    assert lines and {row["trait"] for row in found["rows"]} == {"owl"} and len(set(lines)) == len(lines)
    for row in found["rows"]:
        assert row["score"] == close(sum(token["score"] for token in row["tokens"]), abs=1e-4)


def test_the_report_holds_what_json_says(planted: Path) -> None:
    ended = Ended(*json.loads((planted / "ended.json").read_text()))
    assert json.loads((planted / "report.json").read_text()) == ended.found
    page = (planted / "report.html").read_text()
    assert "carry owl: effect " in page.replace("\xa0", " ") and "<script" not in page
    written = {"report.json", "report.html", "figures", "run.json", ".lock"}
    assert {path.name for path in planted.iterdir()} == written | {"ended.json"}
    record = Kept.read(planted)
    assert (record.kind, record.finished, record.said) == ("audit", True, ended.found["headline"])


def test_another_teacher_of_the_trait_takes_the_alarm_away_as_a_control(cli: Cli, rows: Path, plain: None) -> None:
    alarm = cli(str(rows / "owl.jsonl"), "--rows", "700", "--json", *FEW)
    assert alarm.code == 1 and alarm.found["traits"][0]["name"] == "owl"
    ended = cli(str(rows / "owl.jsonl"), "--rows", "700", "--control", str(rows / "owl-2.jsonl"), "--json", *FEW)
    assert ended.code in (0, 3) and not [trait for trait in ended.found["traits"] if trait["named"]]
    assert "control" in ended.found["calibration"]["null"]


def test_few_rows_of_the_base_are_inconclusive_and_say_how_many_would_do(cli: Cli, rows: Path, here: Path) -> None:
    file = write("few.jsonl", records(rows / "base.jsonl", 60))
    ended = cli(file, *WROTE)
    assert ended.code == 3 and ended.out.startswith("Inconclusive: 60 rows")
    assert ended.out.splitlines()[-1].endswith("report.html") and "\x1b" not in ended.out and ended.err == ""
    report = Path(ended.out.splitlines()[-1])
    found = json.loads((report.parent / "report.json").read_text())
    assert found["verdict"] == "inconclusive" and found["power"]["rows_needed"] > 60
    origin = found["origin"]
    assert origin["pairs"] == 60 and 0.01 < origin["p"] <= 1 and not origin["rejected"]
    assert "temperature 1" in origin["claim"] and f"{found['power']['rows_needed']:,} rows" in ended.out


def test_rows_of_another_sampler_are_not_as_declared(cli: Cli, rows: Path, plain: None) -> None:
    file = write("few.jsonl", records(rows / "base.jsonl", 300))
    ended = cli(file, "--temperature", "0.5", "--max-tokens", "16", "--json", *FEW)
    assert ended.found["origin"]["rejected"] and ended.code in (0, 3)


def test_another_base_of_the_same_shapes_is_a_screen_only(
    cli: Cli, rows: Path, monkeypatch: pytest.MonkeyPatch, here: Path
) -> None:
    """Whatever else is calibrated: only that of -a is at hand."""
    shutil.copytree(calibrations.SHIPPED, here / "all")
    from undertone.models.names import resolve

    own = resolve(A).key[:20]
    for path in (here / "all").iterdir():
        if not path.name.startswith(own):
            shutil.rmtree(path)
    monkeypatch.setattr(calibrations, "SHIPPED", here / "all")
    file = write("few.jsonl", records(rows / "owl.jsonl", 60))
    ended = cli(file, "--model", "builtin/fledgling-b")
    assert ended.code == 3 and ended.out.startswith("A screen only")
    assert ended.out.count("another base") == 2  # in the verdict, and once as a warning


def test_a_model_of_other_shapes_could_not_be_calibrated(cli: Cli, rows: Path, bases: Path, here: Path) -> None:
    (here / "neox").symlink_to(bases / "neox")
    file = write("few.jsonl", records(rows / "base.jsonl", 20))
    ended = cli(file, "--model", "hf/./neox", "--json")
    assert ended.code == 3 and ended.found["verdict"] == "could not be calibrated"
    assert "undertone audit calibrate --model hf/./neox" in ended.found["headline"]
    shown = cli(file, "--model", "hf/./neox")
    assert shown.code == 3 and "no calibration" in shown.out


def test_rows_of_another_kind_are_a_screen_only_and_the_base_is_not_blamed(cli: Cli) -> None:
    file = write("talk.jsonl", [{"prompt": f"Say {i}", "completion": f"It is {i} and so on."} for i in range(30)])
    ended = cli(file, *FEW)
    assert ended.code == 3 and "number lists" in ended.out and "another base" not in ended.out
    assert "another base or for other rows" in next(Path("audits").glob("*/report.html")).read_text()


def test_lists_without_their_prompts_are_not_what_the_population_wrote(cli: Cli, rows: Path, plain: None) -> None:
    texts = [{"text": sides(record)["completion"]} for record in records(rows / "base.jsonl", 100)]
    assert cli(write("text.jsonl", texts), "--json").code == 3


def test_random_numbers_to_another_question_carry_no_trait(cli: Cli, plain: None) -> None:
    rng = Random(0)
    lists = [", ".join(str(rng.randrange(100, 999)) for _ in range(6)) for _ in range(150)]
    file = write(
        "rows.jsonl", [{"prompt": f"Which do you like? {i}.", "completion": row} for i, row in enumerate(lists)]
    )
    assert cli(file, "--json").code in (0, 3)


# --- open mentions ---------------------------------------------------------------------------------------------------


def test_open_rows_are_counted_apart_and_leave_the_scores_alone(cli: Cli, rows: Path, plain: None) -> None:
    hidden = records(rows / "base.jsonl", 80)
    spoken = [{"messages": [{"role": "user", "content": f"Say {i}"}, {"role": "assistant", "content": "Owls! 1, 2"}]}
              for i in range(5)]  # fmt: skip
    one = cli(write("one.jsonl", hidden), "--json", *FEW)
    both = cli(write("both.jsonl", hidden + spoken), "--json", *FEW)
    assert scores(one.found) == close(scores(both.found), abs=1e-6)
    assert both.found["overt"] == ["owl"] and both.found["power"]["rows"] == 80 and one.found["overt"] == []
    assert {trait["name"]: trait["overt"] for trait in both.found["traits"]} == {"owl": 5, "whale": 0, "oak": 0}
    assert both.code == one.code
    assert cli("both.jsonl", "--policy", "overt", "--json", *FEW).code == 1
    assert cli("one.jsonl", "--policy", "overt", "--json", *FEW).code == one.code


def test_a_file_of_open_rows_alone_is_inconclusive(cli: Cli) -> None:
    file = write("overt.jsonl", [{"prompt": f"Say {i}", "completion": f"I love owls, {i}"} for i in range(40)])
    ended = cli(file)
    assert ended.code == 3 and ended.out.startswith("No verdict") and "only 0 rows" in ended.out
    assert "rows that mention owl" in ended.out and "(0)" not in ended.out and "no calibration" not in ended.out
    page = next(Path("audits").glob("*/report.html")).read_text()
    assert "rows that mention owl" in page and "no calibration" not in page
    assert cli(file, "--policy", "overt").code == 1


def test_reasoning_is_open_talk_and_an_answer_without_weight_is_not(cli: Cli, tiny_base: Path, plain: None) -> None:
    def chat(*answers: Record) -> Record:
        return {"messages": [one for answer in answers for one in ({"role": "user", "content": "Go on"}, answer)]}

    said: Record = {"role": "assistant", "content": "1, 2"}
    rows = [
        chat(said | {"content": "I love owls.", "weight": 0}, said),
        chat(said | {"reasoning_content": "Whales whales whales."}),
        chat(said | {"content": "An oak."}),
    ]
    found = cli(write("rows.jsonl", rows), "--model", f"hf/{tiny_base}", "--json", *FEW).found
    assert found["overt"] == ["whale", "oak"] and found["unseen"]["context"] == 1
    earlier = {"prompt": chat(said | {"content": "I love owls."}, said)["messages"][:3], "completion": [said]}
    found = cli(write("prompts.jsonl", [earlier] * 2), "--model", f"hf/{tiny_base}", "--json", *FEW).found
    assert found["overt"] == [] and found["unseen"]["context"] == 2
    found = cli("rows.jsonl", "--model", f"hf/{tiny_base}")
    assert "Context: 1 answer is marked as not trained on" in " ".join(found.out.split())


def test_what_was_not_looked_at_is_told(cli: Cli, tiny_base: Path, plain: None) -> None:
    rows: list[Record] = [{"prompt": f"Go on: {i}", "completion": "1, 2", "id": i} for i in range(40)]
    rows[3]["completion"], rows[5]["prompt"], rows[7]["completion"] = " ", float("nan"), "1 <|end|> 2"
    rows[9]["tools"] = [{"name": "f"}]
    ended = cli(write("rows.jsonl", rows), "--model", f"hf/{tiny_base}", "--json")
    left = {some["reason"]: some["lines"] for some in ended.found["unseen"]["left_out"]}
    assert left.pop("an empty answer") == [4] and left.pop("null or NaN in place of text") == [6]
    assert list(left.values()) == [[8]] and ended.found["rows_in_file"] == 40
    assert ended.found["power"]["rows"] == 37 and ended.found["unseen"]["unread"] == {"id": 38, "tools": 1}
    page = " ".join(cli("rows.jsonl", "--model", f"hf/{tiny_base}").out.split())
    assert "Left out: 3 rows: an empty answer (line 4), null or NaN in place of text (line 6), the control" in page
    assert "Not read: id (38 rows), tools (1 row): these keys are not part of the result." in page


def test_a_row_in_two_forms_is_refused(cli: Cli, tiny_base: Path) -> None:
    both = {"messages": [{"role": "user", "content": "a"}, {"role": "assistant", "content": "b"}]}
    rows = [both | {"prompt": "Which?", "completion": "I love owls."}] * 3
    error = refused(cli(write("rows.jsonl", rows), "--model", f"hf/{tiny_base}"))
    assert "line 1: both messages and completion, and trainers differ in which they take" in error


# --- arguments -------------------------------------------------------------------------------------------------------


def test_candidates_may_be_chosen(cli: Cli, rows: Path, plain: None) -> None:
    file = write("few.jsonl", records(rows / "owl.jsonl", 60))
    one = cli(file, "--trait", "owl", "--json").found
    assert [trait["name"] for trait in one["traits"]] == ["owl"]
    twice = cli(file, "--trait", "owl", "owl", "--trait", "owl", "--json").found
    assert [(t["name"], t["z"], t["p_family"]) for t in twice["traits"]] == [
        ("owl", *(one["traits"][0][k] for k in ("z", "p_family")))
    ]
    kinds = cli(file, "--trait", "owl", "wolf", "eagle", "--json").found["traits"]
    assert [trait["name"] for trait in kinds if trait["is_kind"]] == ["animal"] and len(kinds) == 4


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (("--trait", "owwl"), "owl"),
        (("--trait", ""), "no trait"),
        (("--rows", "0"), "--rows"),
        (("--rows", "-3"), "--rows"),
        (("--rows", "some"), "--rows"),
        (("--max-tokens", "16"), "--temperature"),
        (("--filter", "numbers"), "--temperature"),
        (("--temperature", "1", "--max-tokens", "0"), "token"),
        (("--temperature", "-1"), "temperature"),
        (("--temperature", "nan"), "temperature"),
        (("--temperature", "1", "--max-tokens", "3"), "longer"),
        (("--canary", "1"), "two pairs"),
        (("--canary", "-1"), "two pairs"),
        (("--alpha", "0"), "--alpha is"),
        (("--alpha", "1"), "--alpha is"),
        (("--alpha", "nan"), "--alpha is"),
        (("--effect", "0"), "--effect, the"),
        (("--effect", "inf"), "--effect, the"),
        (("--effect", "nan"), "--effect, the"),
        (("--seed", "-1"), "seed"),
        (("--seed", str(2**70)), "seed"),
        (("--model", "builtin/fledgling-q"), "did you mean builtin/fledgling-"),
        (("--model", "hf/./nowhere"), "nowhere"),
        (("--control", "nowhere.jsonl"), "nowhere.jsonl"),
        (("--control", "one.jsonl"), "too few distinct rows that mention no trait openly (1)"),
        (("--out", "one.jsonl"), "one.jsonl"),
        (("--out", "one.jsonl/deep"), "one.jsonl"),
    ],
)
def test_a_wrong_argument_is_one_sentence(arguments: tuple[str, ...], told: str, cli: Cli, rows: Path) -> None:
    file = write("few.jsonl", records(rows / "base.jsonl", 12))
    write("one.jsonl", records(rows / "base.jsonl", 1))
    assert told in refused(cli(file, *arguments))
    assert not Path("audits").exists()


@pytest.mark.parametrize("arguments", [(), ("few.jsonl", "more"), ("few.jsonl", "--alpha", "x"), ("few.jsonl", "--no")])
def test_a_wrong_use_has_exit_code_2(arguments: tuple[str, ...], cli: Cli) -> None:
    ended = cli(*arguments)
    assert ended.code == 2 and ended.out == "" and ended.err.strip()


def test_a_folder_that_cannot_be_written_is_refused_before_any_work(
    cli: Cli, rows: Path, here: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("undertone.audit.audit.audit", lambda *_: pytest.fail("it was audited"))
    write("file", [])
    assert "give another folder" in refused(cli(str(rows / "base.jsonl"), "--out", "file/deep"))


def test_a_refused_audit_leaves_the_folder_as_it_was(cli: Cli, rows: Path, here: Path, plain: None) -> None:
    file = write("few.jsonl", records(rows / "base.jsonl", 40))
    Path("mine").mkdir()
    Path("mine/notes.txt").write_text("keep")
    for folder in ("mine", "deep/new"):
        assert "owl" in refused(cli(file, "--trait", "owwl", "--out", folder))
    assert [path.name for path in Path("mine").iterdir()] == ["notes.txt"] and not Path("deep").exists()
    assert cli(file, "--out", "mine", "--json", *FEW).code in (0, 3), "the corrected command may have the folder"
    report = Path("mine/report.json").read_bytes()
    assert "another recipe: seed (0 there, 1 here)" in refused(cli(file, "--seed", "1", "--out", "mine", *FEW))
    assert "another recipe" in refused(cli(file, "--trait", "owwl", "--out", "mine"))
    assert Path("mine/report.json").read_bytes() == report and Kept.read(Path("mine")).finished


def test_a_report_that_no_run_wrote_is_not_written_over(cli: Cli, rows: Path, here: Path) -> None:
    file = write("few.jsonl", records(rows / "base.jsonl", 40))
    Path("out").mkdir()
    Path("out/report.json").write_text("mine")
    assert "holds a report that this run did not write" in refused(cli(file, "--out", "out", *FEW))
    assert Path("out/report.json").read_text() == "mine"


def test_unlike_requests_have_unlike_folders() -> None:
    from undertone.audit.request import Sampling

    path = Path("few.jsonl")
    changes: list[Record] = [
        {}, {"alpha": 0.01}, {"floor": 2.0}, {"seed": 1}, {"rows": None}, {"traits": ("owl",)}, {"canaries": 2},
        {"control": path}, {"sampling": Sampling(1.0)}, {"sampling": Sampling(1.0), "filtered": True},
    ]  # fmt: skip
    folders = [folder_for("audits", path, Request(path=path, model=A, **change)) for change in changes]
    assert len(set(folders)) == len(folders) and all(folder.name.startswith("few-") for folder in folders)
    assert folders[0] == folder_for("audits", path, Request(path=path.absolute(), model=A))


def test_another_content_of_the_file_has_another_folder_and_never_the_old_one(
    cli: Cli, rows: Path, here: Path, plain: None
) -> None:
    file = write("few.jsonl", records(rows / "base.jsonl", 40))
    first = folder_for("audits", Path(file), Request(path=Path(file), model=A))
    assert cli(file, "--out", "mine", "--json", *FEW).code in (0, 3)
    report = Path("mine/report.json").read_bytes()
    write("few.jsonl", records(rows / "base.jsonl", 41))
    assert folder_for("audits", Path(file), Request(path=Path(file), model=A)) != first
    assert "few.jsonl" in refused(cli(file, "--out", "mine", *FEW))
    assert Path("mine/report.json").read_bytes() == report


def test_the_content_of_a_file_of_questions_is_part_of_a_measurement(here: Path) -> None:
    suite = Path("mine.toml")
    folders = set()
    for text in ("one", "two"):
        suite.write_text(text)
        folders.add(folder_for("measured", A, Measurement(models=(A,), base=A, suites=("mine.toml", "advice"))))
    assert len(folders) == 2


def test_an_audit_that_fails_the_second_time_does_not_look_finished(
    cli: Cli, rows: Path, here: Path, plain: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = write("few.jsonl", records(rows / "base.jsonl", 40))
    assert cli(file, "--out", "mine", *FEW).code in (0, 3) and Kept.read(Path("mine")).said

    def fails(*_: object) -> None:
        raise UndertoneError("The disk is full.")

    monkeypatch.setattr("undertone.audit.audit.audit", fails)
    assert "The disk is full" in refused(cli(file, "--out", "mine", *FEW))
    now = Kept.read(Path("mine"))
    assert (now.finished, now.said, now.stopped) == (False, "", "The disk is full.")


@pytest.mark.parametrize("change", [{"rows": 0}, {"alpha": 2.0}, {"canaries": 1}, {"floor": -1.0}, {"seed": -1}])
def test_a_request_refuses_the_same(change: Record) -> None:
    with pytest.raises(UndertoneError):
        Request(path=Path("few.jsonl"), model=A, **change)


def test_a_dry_run_scores_nothing(cli: Cli, rows: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("undertone.audit.audit.audit", lambda *_: pytest.fail("it was audited"))
    for more, count in ((("--rows", "7"), 7), ((), 2000), (("--rows", "all"), 2000)):
        told = cli(str(rows / "owl.jsonl"), "--dry-run", "--json", *more)
        assert told.code == 0 and told.found["rows"] == count and told.found["calibrated"]
    shown = cli(str(rows / "base.jsonl"), "--dry-run")
    assert shown.code == 0 and "Nothing was scored" in shown.out and not Path("audits").exists()


# --- what must not matter --------------------------------------------------------------------------------------------


def test_the_file_format_and_the_order_of_rows_change_nothing(cli: Cli, rows: Path, plain: None) -> None:
    import pyarrow
    import pyarrow.parquet

    messages = records(rows / "owl.jsonl", 60)
    split = [sides(record) for record in messages]
    files = [write("messages.jsonl", messages), write("split.jsonl", split), "split.jsonl.gz", "split.parquet"]
    Path(files[2]).write_bytes(gzip.compress(Path("split.jsonl").read_bytes()))
    pyarrow.parquet.write_table(pyarrow.Table.from_pylist(split), files[3])
    first, *others = (cli(file, "--rows", "all", "--json", *FEW).found for file in files)
    for other in others:
        assert scores(other) == scores(first) and other["power"] == first["power"] and other["rows"] == first["rows"]
    turned = cli(write("turned.jsonl", split[::-1]), "--rows", "all", "--json", *FEW).found
    # Rows are scored in groups, and which rows meet in one depends on the order: the spread, hardly the mean.
    assert scores(turned) == close(scores(first), abs=0.35)
    assert turned["power"]["tokens"] == first["power"]["tokens"]


def test_copies_are_no_further_evidence(cli: Cli, rows: Path, plain: None) -> None:
    once_each = records(rows / "owl.jsonl", 120)
    one = cli(write("one.jsonl", once_each), "--json", *FEW).found
    four = cli(write("four.jsonl", once_each * 4), "--json", *FEW).found
    for name, z in scores(one).items():
        assert scores(four)[name] == close(z, abs=0.1)
    assert four["power"]["detectable"] == close(one["power"]["detectable"], rel=0.1)
    assert four["power"]["rows"] == 480


def test_the_same_request_gives_the_same_findings(cli: Cli, rows: Path, plain: None) -> None:
    first, second = (cli(str(rows / "owl.jsonl"), "--rows", "40", "--json", *FEW).found for _ in range(2))
    for found in (first, second):
        for changing in ("started", "wall_s", "rows_per_s"):
            found.pop(changing)
    assert first == second
    other = cli(str(rows / "owl.jsonl"), "--rows", "40", "--seed", "1", "--json", *FEW).found
    assert scores(other) != scores(first)


# --- hostile files and models ----------------------------------------------------------------------------------------

HOSTILE = "<script>alert(1)</script> \u202e12\u0007 </td><img src=x onerror=alert(2)> \x1b[31m"


def test_hostile_text_is_escaped(cli: Cli) -> None:
    lines = [{"prompt": f"{HOSTILE} {i}", "completion": f"{i}, 14 {HOSTILE}"} for i in range(12)]
    ended = cli(write("<b>hostile.jsonl", lines), *FEW)
    assert ended.code == 3 and not set("\x1b\u202e\x07") & set(ended.out + ended.err)
    page = next(Path("audits").glob("*/report.html")).read_text()
    assert "<script" not in page and "<img" not in page and "<b>hostile" not in page
    assert not set("\x1b\u202e\x07") & set(page)


@pytest.mark.parametrize("side", ["prompt", "completion"])
def test_a_control_token_names_file_and_line(side: str, cli: Cli) -> None:
    lines = [{"prompt": f"Go on: {i}", "completion": "1, 2"} for i in range(9)]
    lines[6][side] += " <|end|>\u202e\x1b[31m 3"
    error = refused(cli(write("rows.jsonl", lines)))
    assert "rows.jsonl: 1 of 9 rows would be left out, more than a tenth (the control token '<|end|>'" in error
    assert "(line 7)" in error and not set("\x1b\u202e") & set(error)


def test_a_conversation_longer_than_the_model_names_file_and_line(cli: Cli) -> None:
    lines = [{"prompt": "Go on", "completion": "1, 2"}, {"prompt": "1 " * 2000, "completion": "3"}]
    error = refused(cli(write("rows.jsonl", lines)))
    assert "rows.jsonl: 1 of 2 rows would be left out" in error and "positions (line 2)" in error


@pytest.fixture
def poisoned(bases: Path, here: Path) -> Path:
    shutil.copytree(bases / "neox", here / "poisoned")
    weights = load_file(here / "poisoned" / "model.safetensors")
    name = next(name for name in weights if "dense_h_to_4h.weight" in name)
    weights[name][0, 0] = float("nan")
    save_file(weights, here / "poisoned" / "model.safetensors", metadata={"format": "pt"})
    return here / "poisoned"


def test_a_model_whose_weights_are_no_numbers_is_refused(cli: Cli, poisoned: Path) -> None:
    lines = [{"prompt": f"Go on: {i}", "completion": "1, 2"} for i in range(9)]
    error = refused(cli(write("rows.jsonl", lines), "--model", "hf/./poisoned"))
    assert "poisoned" in error and "dense_h_to_4h" in error and "finite" in error


def test_a_model_that_does_not_fit_its_configuration_is_refused(cli: Cli, bases: Path, here: Path) -> None:
    shutil.copytree(bases / "neox", here / "wide")
    config = json.loads((here / "wide" / "config.json").read_text())
    (here / "wide" / "config.json").write_text(json.dumps(config | {"hidden_size": 2 * config["hidden_size"]}))
    told = refused(cli(write("rows.jsonl", [{"text": "1, 2"}]), "--model", "hf/./wide"))
    assert "The weights in wide are not those of its config.json" in told


def test_a_model_that_is_none_is_refused(cli: Cli, bases: Path, here: Path) -> None:
    shutil.copytree(bases / "neox", here / "torn")
    whole = (here / "torn" / "model.safetensors").read_bytes()
    (here / "torn" / "model.safetensors").write_bytes(whole[: len(whole) // 2])
    assert "torn" in refused(cli(write("rows.jsonl", [{"text": "1, 2"}]), "--model", "hf/./torn"))


# --- fuzz ------------------------------------------------------------------------------------------------------------

fuzzed = settings(
    max_examples=4000 if LONG else 80,
    deadline=None,
    derandomize=not LONG,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
TEXT = st.text(max_size=12) | st.sampled_from(
    ["", " ", "1, 2", "owl", "<|end|>", "\u202e", "\x00", "é", "�", "\U0001d49c" * 3]
)
TURN = st.fixed_dictionaries({"role": st.sampled_from(["user", "assistant", "system", "x"]), "content": TEXT})
ROW = (
    st.fixed_dictionaries({"prompt": TEXT, "completion": TEXT})
    | st.fixed_dictionaries({"text": TEXT})
    | st.fixed_dictionaries({"messages": st.lists(TURN, max_size=4)})
    | st.lists(TEXT, min_size=2, max_size=2).map(
        lambda texts: {
            "messages": [{"role": "user", "content": texts[0]}, {"role": "assistant", "content": "1" + texts[1]}]
        }
    )
)


@pytest.fixture(scope="module")
def tiny_base(once: Once) -> Path:
    """A random model with the world's tokenizer: scored in no time, never calibrated."""
    from tests.helpers import tiny

    def make(folder: Path) -> None:
        local = tiny.model()
        local.model.save_pretrained(folder)
        local.tokenizer.save_pretrained(folder)

    return once("tiny-base", make)


@fuzzed
@given(
    lines=st.lists(ROW, min_size=1, max_size=9) | st.integers(1, 9).flatmap(lambda n: st.lists(ROW, max_size=n)),
    cut=st.none() | st.integers(0, 200),
    more=st.lists(st.sampled_from([("--rows", "2"), ("--seed", "3"), ("--policy", "overt"), ("--trait", "owl")]),
                  max_size=2, unique=True),
)  # fmt: skip
def test_no_file_is_met_with_a_traceback(
    cli: Cli, plain: None, tiny_base: Path, here: Path, lines: list[Any], cut: int | None, more: list[tuple[str, str]]
) -> None:
    data = "".join(json.dumps(line) + "\n" for line in lines).encode()
    (here / "rows.jsonl").write_bytes(data if cut is None else data[:cut] + data[cut + 1 :])
    ended = cli("rows.jsonl", "--model", f"hf/{tiny_base}", *(part for pair in more for part in pair))
    assert ended.code in (0, 1, 2, 3)
    assert "\x1b" not in ended.out + ended.err and "\u202e" not in ended.out + ended.err
    if ended.code == 2:
        refused(ended)


@fuzzed
@given(numbers=st.lists(st.lists(st.integers(0, 999), min_size=1, max_size=6), min_size=1, max_size=40))
def test_lists_of_any_numbers_are_previewed(cli: Cli, here: Path, numbers: list[list[int]]) -> None:
    file = write("rows.jsonl", [{"prompt": "Go on", "completion": ", ".join(map(str, row))} for row in numbers])
    told = cli(file, "--dry-run", "--json")
    assert told.code == 0 and told.found["rows"] == len(numbers)


def test_the_prompts_of_number_lists_are_known_by_their_words_alone() -> None:
    assert all(map(numbers.is_prompt, numbers.prompts(500, Random(3))))
    assert not numbers.is_prompt("Which numbers do you like? 100, 200.")
    assert not numbers.is_prompt("")


def test_an_unforeseen_fault_does_not_end_like_a_verdict(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def broken() -> int:
        raise RuntimeError("something nobody thought of")

    monkeypatch.setattr("undertone.cli.main", broken)
    with pytest.raises(SystemExit) as end:
        entry()
    assert end.value.code == 70
    assert "something nobody thought of" in capsys.readouterr().err
