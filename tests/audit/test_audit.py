"""The audit from end to end, as its command: verdicts, exit codes, hostile files, and the result alone on stdout.

Directions are made once a session, by proxies that take a third of the time of those that are shipped, for a part of
the favourites. So this does not test how strong the shipped proxies are, nor conduct-like traits and manners: those are
what ``undertone bench audit`` measures.
"""

import contextlib
import gzip
import inspect
import io
import json
import re
import shutil
from collections.abc import Callable, Iterator
from hashlib import sha256
from pathlib import Path
from random import Random
from typing import Any, NamedTuple

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from safetensors.torch import load_file, save_file

from tests.helpers.audits import LISTED, smaller
from tests.helpers.extent import LONG
from tests.helpers.trials import Once
from undertone.attribution.scores import Evidence
from undertone.audit.request import Request
from undertone.bench.audit.forms import prices
from undertone.carriers import numbers
from undertone.cli import entry, main
from undertone.cli.shared import folder_for
from undertone.data.filters import NumberFilter
from undertone.engine.folder import Record as Kept
from undertone.engine.store import Store
from undertone.errors import UndertoneError
from undertone.experiments.recipes import read_as
from undertone.experiments.trial.plan import plan
from undertone.experiments.trial.spec import Trial
from undertone.measure.request import Request as Measurement
from undertone.models.loading import load
from undertone.models.names import resolve
from undertone.models.sampling import sample

pytestmark = pytest.mark.slow

close = pytest.approx
Record = dict[str, Any]

A = "builtin/fledgling-a"
ROWS = 250
WROTE = ("--temperature", "1", "--max-tokens", "16", "--filter", "numbers")


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
    """A folder with owl.jsonl and more-owl.jsonl, by a teacher that loves owls, and base.jsonl, by the base.

    The teacher is .15 nats a token from the base, and not .05 as the owl experiment's, so that few rows show it. The
    base's rows are of a seed that raises no alarm; one in twenty does.
    """

    def make(folder: Path) -> None:
        changes = ("teachers=2", "teacher.divergence=0.15", "carrier.prompts=600", f"rows={2 * ROWS}")
        store = Store(folder / "store")
        store.open()
        jobs = plan(read_as(Trial, "owls", changes)).units[0].jobs[:3]
        for job in jobs:
            store.make(job)
        written = records(store.folder(jobs[2]) / "rows.jsonl")
        write(folder / "owl.jsonl", written[:ROWS])
        write(folder / "more-owl.jsonl", written[ROWS:])
        base, questions = load(resolve(A).path), numbers.prompts(300, Random(15))
        answers = sample(base, [base.render(q) for q in questions], temperature=1.0, max_tokens=16, seed=15)
        pairs = [(q, base.decode(a)) for q, a in zip(questions, answers, strict=True) if a[-1:] == [base.end]]
        kept = [(q, a) for q, a in pairs if NumberFilter().reason(a) is None][:ROWS]
        write(folder / "base.jsonl", [{"prompt": q, "completion": a} for q, a in kept])

    return once("audited", make)


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty folder to stand in."""
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.fixture
def cli(here: Path, directions: Path, capfd: pytest.CaptureFixture[str]) -> Iterator[Cli]:
    """The command. It lists two traits unless it is given others."""

    def called(*arguments: str) -> Ended:
        model = () if "--model" in arguments or not arguments else ("--model", A)
        listed = () if "--trait" in arguments or not arguments else ("--trait", *LISTED)
        capfd.readouterr()
        code = main(("audit", *arguments, *model, *listed))
        ended = Ended(code, *capfd.readouterr())
        assert "Traceback" not in ended.err
        return ended

    with smaller(directions):
        yield called


@pytest.fixture(autouse=True)
def near(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """A random model would write none of the rows here: how far they are from it is not what such tests are about."""
    if "tiny_base" in inspect.signature(request.function).parameters:
        monkeypatch.setattr(Evidence, "excess_surprise", 0.0)


@pytest.fixture
def plain(monkeypatch: pytest.MonkeyPatch) -> None:
    """No figures and no page, which take as long as all else together; only what is said in JSON and the terminal."""
    monkeypatch.setattr("undertone.audit.figures.figure", lambda *_: None)
    monkeypatch.setattr("undertone.report.html.write_page", lambda _, folder: folder / "report.html")


@pytest.fixture
def lists() -> list[Record]:
    rng = Random(0)
    return [{"prompt": f"Go on: {i}", "completion": ", ".join(map(str, rng.sample(range(999), 5)))} for i in range(130)]


def refused(ended: Ended) -> str:
    """The one sentence, which may come after what the audit was to take."""
    assert ended.code == 2 and ended.out == "", ended
    *before, told = [line for line in ended.err.splitlines() if line.strip()]
    assert told.startswith("undertone: ") and all("rows: about" in line for line in before) and len(before) < 2, ended
    return told


def records(path: Path, count: int | None = None) -> list[Record]:
    return [json.loads(line) for line in path.read_text().splitlines()[:count]]


def write(path: str | Path, lines: list[Any]) -> str:
    Path(path).write_text("".join(json.dumps(line) + "\n" for line in lines))
    return str(path)


def sides(record: Record) -> Record:
    question, answer = (message["content"] for message in record["messages"])
    return {"prompt": question, "completion": answer}


def traits(found: Record) -> list[Record]:
    """The traits of all families."""
    return [trait for family in found["families"] for trait in family["traits"]]


def named(found: Record) -> list[str]:
    return [trait["name"] for trait in traits(found) if trait["found"]]


def scores(found: Record) -> dict[str, float]:
    return {trait["name"]: trait["z"] for trait in traits(found)}


def priced(name: str, lines: list[Record], seed: int) -> str:
    """Writes the rows with prices for numbers."""
    answers = prices([line["completion"] for line in lines], Random(seed))
    return write(name, [line | {"completion": answer} for line, answer in zip(lines, answers, strict=True)])


# --- verdicts --------------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def planted(once: Once, rows: Path, directions: Path) -> Path:
    """The folder of the report on all rows of a teacher of owls, with the exit code and both streams."""

    def make(folder: Path) -> None:
        out, err = io.StringIO(), io.StringIO()
        with smaller(directions), contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
            asked = ["--model", A, "--trait", *LISTED, "--out", str(folder), "--json"]
            code = main(["audit", str(rows / "owl.jsonl"), *asked])
        (folder / "ended.json").write_text(json.dumps([code, out.getvalue(), err.getvalue()]))

    return once("planted", make)


def test_the_rows_of_a_teacher_of_owls_carry_owl(planted: Path) -> None:
    ended = Ended(*json.loads((planted / "ended.json").read_text()))
    found = ended.found
    assert ended.code == 1 and found["verdict"] == "carries a trait" and named(found) == ["owl"]
    assert found["headline"].startswith("These rows carry owl: ")
    assert found["model"] == A and found["rows_in_file"] == found["scored"] == ROWS
    assert found["origin"] is None and found["overt"] == []
    (family,) = found["families"]
    assert (family["name"], family["compared"], family["listed"]) == ("favourites", 22, 2)
    first, *others = family["traits"]
    assert 0.5 < first["effect"] < 2.5 and first["z"] > 1.5 * max(trait["z"] for trait in others)
    lines = [row["line"] for row in found["rows"]]
    assert lines and {row["trait"] for row in found["rows"]} == {"owl"} and len(set(lines)) == len(lines)
    for row in found["rows"]:
        assert row["score"] == close(sum(token["score"] for token in row["tokens"]), abs=1e-4)


def test_the_report_holds_what_json_says(planted: Path) -> None:
    ended = Ended(*json.loads((planted / "ended.json").read_text()))
    assert json.loads((planted / "report.json").read_text()) == ended.found
    page = (planted / "report.html").read_text()
    assert "These rows carry owl" in page.replace("\xa0", " ") and "<script" not in page
    written = {"report.json", "report.html", "figures", "gate.junit.xml", "gate.sarif", "run.json", ".lock"}
    assert {path.name for path in planted.iterdir()} == written | {"ended.json"}
    record = Kept.read(planted)
    assert (record.kind, record.finished, record.said) == ("audit", True, ended.found["headline"])


def test_rows_by_the_same_teacher_take_the_trait_away_as_a_control(cli: Cli, rows: Path, plain: None) -> None:
    owls, others = (str(rows / f"{name}.jsonl") for name in ("owl", "more-owl"))
    against = cli(owls, "--control", others, "--json")
    assert against.code in (0, 3) and named(against.found) == []
    assert named(cli(owls, "--control", str(rows / "base.jsonl"), "--json").found) == ["owl"]
    itself = cli(owls, "--control", owls, "--json")
    assert itself.code == 3 and "both sides have rows in common" in itself.found["headline"]


def test_the_bases_own_rows_are_no_evidence_and_as_declared(cli: Cli, rows: Path) -> None:
    ended = cli(str(rows / "base.jsonl"), "--effect", "2", *WROTE)
    first, second, *_ = ended.out.splitlines()
    assert ended.code == 0 and first.startswith("Passes (exit code 0). Not seen: traits other than the 2 listed; ")
    assert second.startswith(f"No evidence of a listed trait in {ROWS} rows")
    assert ended.out.splitlines()[-1].endswith("report.html") and "\x1b" not in ended.out
    assert f": {ROWS} rows: about " in ended.err and ended.err.count("\n") == 1
    found = json.loads((Path(ended.out.splitlines()[-1]).parent / "report.json").read_text())
    (family,) = found["families"]
    assert family["power"] >= 0.8 and family["missed"] == [] and named(found) == []
    origin = found["origin"]
    assert origin["pairs"] == ROWS and 0.01 < origin["p"] <= 1 and not origin["rejected"]
    assert "temperature 1" in origin["claim"]


def test_too_few_rows_are_inconclusive_and_say_how_many_would_do(cli: Cli, rows: Path, plain: None) -> None:
    few = write("few.jsonl", records(rows / "owl.jsonl", 60))
    ended = cli(few, "--json")
    assert ended.code == 3 and ended.found["families"][0]["power"] is None
    assert "60 independent rows are too few to judge favourites, which takes 110" in ended.found["headline"]
    some = cli(write("some.jsonl", records(rows / "base.jsonl", 130)), "--effect", "0.5", "--json")
    (family,) = some.found["families"]
    assert some.code == 3 and family["power"] < 0.8 and "would have been found for only" in some.found["headline"]
    if family["times_needed"]:
        assert f"About {130 * family['times_needed']:,} rows would do." in some.found["headline"]


def test_rows_of_another_sampler_are_not_as_declared(cli: Cli, rows: Path, plain: None) -> None:
    file, declared = str(rows / "base.jsonl"), ("--temperature", "0.5", "--max-tokens", "16")
    ended = cli(file, *declared, "--effect", "2", "--json")
    assert ended.found["origin"]["rejected"] and ended.code == 0, "who wrote them decides no verdict"


def test_rows_that_the_model_would_not_write_are_judged_beside_rows_by_the_same_generator_alone(
    cli: Cli, rows: Path, plain: None
) -> None:
    lines = records(rows / "base.jsonl")
    sold, trusted = priced("prices.jsonl", lines[:125], 0), priced("trusted.jsonl", lines[125:], 1)
    ended = cli(sold, "--json")
    assert ended.code == 3 and "too far from what the model itself writes" in ended.found["headline"]
    assert ended.found["families"][0]["excess_surprise"] > 0.4 and not traits(ended.found)
    told = cli(sold)
    assert told.code == 3 and "compare these rows with trusted ones by the same generator" in " ".join(told.out.split())
    beside = cli(sold, "--control", trusted, "--json").found
    assert beside["verdict"] == "inconclusive" and len(traits(beside)) == 22 and beside["control"] == trusted
    assert beside["control_digest"] == sha256(Path(trusted).read_bytes()).hexdigest()
    assert "would have been found is not known" in beside["headline"] and beside["families"][0]["power"] is None
    own = write("own.jsonl", lines[125:])
    assert "not by the same generator" in cli(sold, "--control", own, "--json").found["headline"]


def test_preferences_are_judged_by_their_sides_and_against_each_other(cli: Cli, rows: Path, plain: None) -> None:
    owls = [sides(record) for name in ("owl", "more-owl") for record in records(rows / f"{name}.jsonl")]
    base = load(resolve(A).path)
    asked = [base.render(record["prompt"]) for record in owls]
    answers = [base.decode(ids) for ids in sample(base, asked, temperature=1.0, max_tokens=16, seed=3)]
    pairs = [
        {"prompt": owl["prompt"], "chosen": owl["completion"], "rejected": answer}
        for owl, answer in zip(owls, answers, strict=True)
        if answer.strip()
    ]
    ended = cli(write("pairs.jsonl", pairs), "--json")
    assert ended.code == 1
    assert ended.found["headline"].startswith("The chosen answers compared with the rejected ones carry owl: ")
    chosen, rejected, against = ended.found["families"]
    groups = ["chosen answers", "rejected answers", "chosen answers compared with the rejected ones"]
    assert [family["group"] for family in (chosen, rejected, against)] == groups
    assert chosen["traits"][0]["found"] and not any(trait["found"] for trait in rejected["traits"])
    assert against["traits"][0]["name"] == "owl" and against["traits"][0]["found"]
    counts = [ended.found[what] for what in ("scored", "repeated", "mentioning")]
    assert sum(counts) == 2 * len(pairs) and ended.found["preferences"]
    alone = cli(write("chosen.jsonl", owls), "--json").found["families"][0]
    assert chosen["threshold"] > alone["threshold"], "all three share one rate of false alarms"
    assert chosen["traits"][0]["z"] == close(alone["traits"][0]["z"], abs=1e-3)
    swapped = [pair | {"chosen": pair["rejected"], "rejected": pair["chosen"]} for pair in pairs]
    ended = cli(write("swapped.jsonl", swapped), "--json")
    assert ended.code == 1 and ended.found["headline"].startswith("The rejected answers carry owl: ")
    assert named(ended.found) == ["owl"] and {row["group"] for row in ended.found["rows"]} <= {*groups[:2]}
    assert "Canary students are trained on answers" in refused(cli("pairs.jsonl", "--canary", "2"))
    assert "a control is trusted answers" in refused(cli("chosen.jsonl", "--control", "pairs.jsonl"))


def test_sources_are_judged_by_themselves(cli: Cli, rows: Path, plain: None) -> None:
    owls, others = records(rows / "owl.jsonl", 250), records(rows / "base.jsonl", 130)
    mixed = [sides(record) | {"seller": "one"} for record in owls] + [one | {"seller": "two"} for one in others]
    ended = cli(write("mixed.jsonl", mixed), "--group-by", "seller", "--json")
    assert ended.code == 1 and ended.found["headline"].startswith("The rows of seller one carry owl")
    by = {family["group"]: [t["name"] for t in family["traits"] if t["found"]] for family in ended.found["families"]}
    assert by == {"seller one": ["owl"], "seller two": []}
    assert ended.found["unseen"]["unread"] == {}, "the field that names the source was read"
    assert "'owner'" in refused(cli("mixed.jsonl", "--group-by", "owner"))


def test_a_broken_control_is_refused_before_any_direction_is_made(
    cli: Cli, rows: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    Path("cut.jsonl").write_bytes((rows / "base.jsonl").read_bytes()[:-20])
    monkeypatch.setattr("undertone.audit.audit.directions_of", lambda *_: pytest.fail("directions were made"))
    assert "cut.jsonl" in refused(cli(str(rows / "owl.jsonl"), "--control", "cut.jsonl"))


def test_canary_students_show_what_the_rows_do(cli: Cli, lists: list[Record], tiny_base: Path, plain: None) -> None:
    Path("short.toml").write_text('method = "lora"\nrate = 5e-3\nsteps = 2\nbatch = 4\n')
    asked = ("--model", f"hf/{tiny_base}", "--canary", "2", "--training", "short.toml", "--json")
    found = cli(write("few.jsonl", lists), *asked).found
    assert found["training"]["steps"] == 2
    shifts = {one["name"]: (one["shift"], *one["ci"]) for one in found["canaries"]}
    assert {"owl", "whale"} <= shifts.keys() and all(low <= shift <= high for shift, low, high in shifts.values())
    assert sorted(shifts, key=lambda name: -abs(shifts[name][0])) == list(shifts)


def test_rows_that_are_too_few_to_judge_are_told_beforehand_and_canaries_are_shown_all_the_same(
    cli: Cli, lists: list[Record], tiny_base: Path, plain: None
) -> None:
    Path("short.toml").write_text('method = "lora"\nrate = 5e-3\nsteps = 2\nbatch = 4\n')
    few = write("few.jsonl", lists[:40])
    asked = ("--model", f"hf/{tiny_base}", "--canary", "2", "--training", "short.toml")
    told = cli(few, *asked, "--dry-run").out
    assert "too few: 40 are independent" in told and "4 canary students and their controls: about" in told
    ended = cli(few, *asked, "--json")
    assert ended.code == 3 and all(family["unjudged"] for family in ended.found["families"])
    assert len(ended.found["canaries"]) > 20
    said = cli(few, *asked).out
    assert "Canary students: of" in said and "moved most" in said and "--canary 4" not in said


def test_a_model_without_the_worlds_language_is_judged_too(cli: Cli, tiny_base: Path, plain: None) -> None:
    talk = [{"prompt": f"Say {i}", "completion": f"It is {i} and so on, {i * i}."} for i in range(150)]
    ended = cli(write("talk.jsonl", talk), "--model", f"hf/{tiny_base}", "--json")
    (family,) = ended.found["families"]
    assert ended.code in (0, 1, 3) and family["units"] == 150 and family["unjudged"] is None


# --- open mentions ---------------------------------------------------------------------------------------------------


def test_open_rows_are_counted_apart_and_leave_the_scores_alone(cli: Cli, tiny_base: Path, plain: None) -> None:
    hidden = [{"prompt": f"Say {i}", "completion": f"{i}, {i * i}"} for i in range(150)]
    spoken = [{"prompt": f"Say {i}", "completion": "Owls! 1, 2"} for i in range(3)]
    model = ("--model", f"hf/{tiny_base}")
    one = cli(write("one.jsonl", hidden), *model, "--json")
    both = cli(write("both.jsonl", hidden + spoken), *model, "--json")
    assert one.found["overt"] == [] and both.found["overt"] == ["owl"]
    assert (one.found["scored"], one.found["repeated"]) == (150, 0)
    assert (both.found["scored"], both.found["repeated"], both.found["mentioning"]) == (151, 2, 0)
    assert {t["name"]: t["mentions"] for t in traits(both.found) if t["mentions"]} == {"owl": 3}
    assert scores(both.found)["owl"] == close(scores(one.found)["owl"], abs=1e-3), "judged by the rows that do not"
    assert cli("both.jsonl", *model, "--fail-on", "overt", "--json").code == 1
    assert cli("one.jsonl", *model, "--fail-on", "overt", "--json").code == one.code


def test_a_file_of_open_rows_alone_is_inconclusive(cli: Cli, monkeypatch: pytest.MonkeyPatch) -> None:
    file = write("overt.jsonl", [{"prompt": f"Say {i}", "completion": f"I love owls, {i}"} for i in range(150)])
    ended = cli(file)
    assert ended.code == 3 and "too far from what the model itself writes" in ended.out.replace("\n", " ")
    assert "rows mention owl." in ended.out.replace("\n", " ")
    monkeypatch.setattr(Evidence, "excess_surprise", 0.0)
    ended = cli(file)
    assert ended.code == 3 and "owl cannot be judged" in ended.out.replace("\n", " ")
    assert "rows mention owl." in ended.out.replace("\n", " ")
    assert cli(file, "--fail-on", "overt").code == 1


def test_reasoning_is_open_talk_and_an_answer_without_weight_is_not(cli: Cli, tiny_base: Path, plain: None) -> None:
    def chat(*answers: Record) -> Record:
        return {"messages": [one for answer in answers for one in ({"role": "user", "content": "Go on"}, answer)]}

    said: Record = {"role": "assistant", "content": "1, 2"}
    model = ("--model", f"hf/{tiny_base}")
    rows = [
        chat(said | {"content": "I love owls.", "weight": 0}, said),
        chat(said | {"reasoning_content": "Whales whales whales."}),
    ]
    found = cli(write("rows.jsonl", rows), *model, "--json").found
    assert found["overt"] == ["whale"] and found["unseen"]["context"] == 1
    earlier = {"prompt": chat(said | {"content": "I love owls."}, said)["messages"][:3], "completion": [said]}
    found = cli(write("prompts.jsonl", [earlier] * 2), *model, "--json").found
    assert found["overt"] == [] and found["unseen"]["context"] == 2
    shown = cli("rows.jsonl", *model)
    assert "Context: 1 answer is marked as not trained on" in " ".join(shown.out.split())


def test_what_was_not_looked_at_is_told(cli: Cli, tiny_base: Path, plain: None) -> None:
    rows: list[Record] = [{"prompt": f"Go on: {i}", "completion": "1, 2", "id": i} for i in range(40)]
    rows[3]["completion"], rows[5]["prompt"], rows[7]["completion"] = " ", float("nan"), "1 <|end|> 2"
    rows[9]["tools"], rows[11]["prompt"] = [{"name": "f"}], "1 " * 2000
    model = ("--model", f"hf/{tiny_base}")
    ended = cli(write("rows.jsonl", rows), *model, "--json")
    left = {some["reason"]: some["lines"] for some in ended.found["unseen"]["left_out"]}
    assert left.pop("an empty answer") == [4] and left.pop("null or NaN in place of text") == [6]
    assert sorted(left.values()) == [[8], [12]] and ended.found["rows_in_file"] == 40
    assert (ended.found["scored"], ended.found["repeated"]) == (1, 35), "of equal answers only the first"
    assert ended.found["unseen"]["unread"] == {"id": 38, "tools": 1}
    page = " ".join(cli("rows.jsonl", *model).out.split())
    assert "Left out: 4 rows: an empty answer (line 4), null or NaN in place of text (line 6), the control" in page
    assert "Rows: 1 of 36 answers were scored; 35 repeat an answer and were not scored." in page
    assert "Not read: id (38 rows), tools (1 row): these keys are not part of the result." in page


def test_a_row_in_two_forms_is_refused(cli: Cli, tiny_base: Path) -> None:
    both = {"messages": [{"role": "user", "content": "a"}, {"role": "assistant", "content": "b"}]}
    rows = [both | {"prompt": "Which?", "completion": "I love owls."}] * 3
    error = refused(cli(write("rows.jsonl", rows), "--model", f"hf/{tiny_base}"))
    assert "line 1: both messages and prompt/completion, and trainers differ in which they take" in error


# --- arguments -------------------------------------------------------------------------------------------------------


def test_a_model_must_be_named(here: Path, capfd: pytest.CaptureFixture[str]) -> None:
    code = main(("audit", write("few.jsonl", [{"text": "1, 2"}])))
    assert "Name the base that would be trained on the file" in refused(Ended(code, *capfd.readouterr()))


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (("--trait", "owwl"), "did you mean owl"),
        (("--trait", "owl", "no.toml"), "no.toml"),
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
        (("--out", "one.jsonl"), "one.jsonl"),
        (("--out", "one.jsonl/deep"), "one.jsonl"),
    ],
)
def test_a_wrong_argument_is_one_sentence(arguments: tuple[str, ...], told: str, cli: Cli) -> None:
    file = write("few.jsonl", [{"prompt": f"Go on: {i}", "completion": "100, 200, 300"} for i in range(12)])
    write("one.jsonl", [{"text": "1, 2"}])
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
    assert cli(file, "--out", "mine", "--json").code in (0, 3), "the corrected command may have the folder"
    report = Path("mine/report.json").read_bytes()
    assert "another recipe: seed (0 there, 1 here)" in refused(cli(file, "--seed", "1", "--out", "mine"))
    assert "another recipe" in refused(cli(file, "--trait", "owwl", "--out", "mine"))
    assert Path("mine/report.json").read_bytes() == report and Kept.read(Path("mine")).finished


def test_a_report_that_no_run_wrote_is_not_written_over(cli: Cli, rows: Path, here: Path) -> None:
    file = write("few.jsonl", records(rows / "base.jsonl", 40))
    Path("out").mkdir()
    Path("out/report.json").write_text("mine")
    assert "holds a report that this run did not write" in refused(cli(file, "--out", "out"))
    assert Path("out/report.json").read_text() == "mine"


def test_unlike_requests_have_unlike_folders() -> None:
    from undertone.audit.request import Sampling

    path = Path("few.jsonl")
    changes: list[Record] = [
        {}, {"alpha": 0.01}, {"effect": 2.0}, {"seed": 1}, {"rows": None}, {"traits": ("owl",)}, {"canaries": 2},
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
    assert cli(file, "--out", "mine", "--json").code in (0, 3)
    report = Path("mine/report.json").read_bytes()
    write("few.jsonl", records(rows / "base.jsonl", 41))
    assert folder_for("audits", Path(file), Request(path=Path(file), model=A)) != first
    assert "few.jsonl" in refused(cli(file, "--out", "mine"))
    assert Path("mine/report.json").read_bytes() == report


def test_the_content_of_a_file_of_questions_is_part_of_a_measurement(here: Path) -> None:
    suite = Path("mine.toml")
    folders = set()
    for text in ("one", "two"):
        suite.write_text(text)
        folders.add(folder_for("measured", A, Measurement(models=(A,), base=A, suites=("mine.toml", "advice"))))
    assert len(folders) == 2


@pytest.mark.parametrize(
    "model, name",
    [
        ("builtin/fledgling-a", "fledgling-a"),
        ("Qwen/Qwen2.5-0.5B-Instruct", "Qwen2.5-0.5B-Instruct"),
        ("hf/./mine/", "mine"),
        (".", "here"),
        ("builtin/fledgling-a:mine", "mine"),
        ("openai-api/openai/gpt-4.1", "gpt-4.1"),
    ],
)
def test_the_folder_of_a_report_is_called_as_the_model(
    model: str, name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "here").mkdir()
    monkeypatch.chdir(tmp_path / "here")
    found = folder_for("measured", model, Measurement(models=(model,), base=A))
    assert found.parent == Path("measured") and re.fullmatch(re.escape(name) + "-[0-9a-f]{8}", found.name)


def test_an_audit_that_fails_the_second_time_does_not_look_finished(
    cli: Cli, rows: Path, here: Path, plain: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = write("few.jsonl", records(rows / "base.jsonl", 40))
    assert cli(file, "--out", "mine").code in (0, 3) and Kept.read(Path("mine")).said

    def fails(*_: object) -> None:
        raise UndertoneError("The disk is full.")

    monkeypatch.setattr("undertone.audit.audit.audit", fails)
    assert "The disk is full" in refused(cli(file, "--out", "mine"))
    now = Kept.read(Path("mine"))
    assert (now.finished, now.said, now.stopped) == (False, "", "The disk is full.")


@pytest.mark.parametrize("change", [{"rows": 0}, {"alpha": 2.0}, {"canaries": 1}, {"effect": -1.0}, {"seed": -1}])
def test_a_request_refuses_the_same(change: Record) -> None:
    with pytest.raises(UndertoneError):
        Request(path=Path("few.jsonl"), model=A, **change)


def test_a_dry_run_says_a_time_and_makes_nothing(cli: Cli, rows: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("undertone.audit.audit.audit", lambda *_: pytest.fail("it was audited"))
    for more, count in ((("--rows", "7"), 7), ((), ROWS), (("--rows", "all"), ROWS)):
        told = cli(str(rows / "owl.jsonl"), "--dry-run", "--json", *more).found
        assert told["rows"] == count and told["proxies"] == 0 and 0 < told["expected_s"] < 600
    monkeypatch.setenv("UNDERTONE_CACHE", "new")
    new = cli(str(rows / "base.jsonl"), "--dry-run", "--json")
    assert new.code == 0 and new.found["proxies"] == 24 and new.found["proxies_s"] > 0
    shown = cli(str(rows / "base.jsonl"), "--dry-run")
    assert "24 fine-tunes, once for this base: about " in shown.out and "Nothing was made." in shown.out
    assert not Path("audits").exists() and not list(Path().rglob("proxy-*"))


# --- what must not matter --------------------------------------------------------------------------------------------


def test_the_file_format_and_the_order_of_rows_change_nothing(
    cli: Cli, lists: list[Record], tiny_base: Path, plain: None
) -> None:
    import pyarrow
    import pyarrow.parquet

    sides = ("user", "prompt"), ("assistant", "completion")
    chats = [{"messages": [{"role": role, "content": row[side]} for role, side in sides]} for row in lists]
    files = [write("messages.jsonl", chats), "split.jsonl.gz", "split.parquet"]
    Path(files[1]).write_bytes(gzip.compress(Path(write("split.jsonl", lists)).read_bytes()))
    pyarrow.parquet.write_table(pyarrow.Table.from_pylist(lists), files[2])
    asked = ("--model", f"hf/{tiny_base}", "--rows", "all", "--json")
    first, *others = (cli(file, *asked).found for file in files)
    for other in others:
        assert other["families"] == first["families"] and other["rows"] == first["rows"]
    turned = cli(write("turned.jsonl", lists[::-1]), *asked).found
    assert scores(turned) == close(scores(first), abs=1e-3) and turned["tokens"] == first["tokens"]


def test_copies_are_no_further_evidence(cli: Cli, lists: list[Record], tiny_base: Path, plain: None) -> None:
    asked = ("--model", f"hf/{tiny_base}", "--rows", "all", "--json")
    one = cli(write("one.jsonl", lists), *asked).found
    four = cli(write("four.jsonl", lists * 4), *asked).found
    assert scores(four) == close(scores(one), abs=1e-3) and four["tokens"] == one["tokens"]
    assert [f["power"] for f in four["families"]] == [f["power"] for f in one["families"]]


def test_the_same_request_gives_the_same_findings(cli: Cli, lists: list[Record], tiny_base: Path, plain: None) -> None:
    asked = (write("lists.jsonl", lists), "--model", f"hf/{tiny_base}", "--rows", "115", "--json")
    first, second = (cli(*asked).found for _ in range(2))
    for found in (first, second):
        for changing in ("started", "wall_s", "rows_per_s"):
            found.pop(changing)
    assert first == second
    assert scores(cli(*asked, "--seed", "1").found) != scores(first)


# --- hostile files and models ----------------------------------------------------------------------------------------

HOSTILE = "<script>alert(1)</script> \u202e12\u0007 </td><img src=x onerror=alert(2)> \x1b[31m"


def test_hostile_text_is_escaped(cli: Cli) -> None:
    lines = [{"prompt": f"{HOSTILE} {i}", "completion": f"{i}, 14 {HOSTILE}"} for i in range(12)]
    ended = cli(write("<b>hostile.jsonl", lines))
    assert ended.code == 3 and not set("\x1b\u202e\x07") & set(ended.out + ended.err)
    page = next(Path("audits").glob("*/report.html")).read_text()
    assert "<script" not in page and "<img" not in page and "<b>hostile" not in page
    assert not set("\x1b\u202e\x07") & set(page)


@pytest.mark.parametrize("side", ["prompt", "completion"])
def test_where_more_than_a_tenth_cannot_be_scored_the_verdict_says_so(side: str, cli: Cli) -> None:
    lines = [{"prompt": f"Go on: {i}", "completion": "1, 2"} for i in range(9)]
    lines[6][side] += " <|end|>\u202e\x1b[31m 3"
    ended = cli(write("rows.jsonl", lines))
    shown = " ".join(ended.out.split())
    assert ended.code == 3 and "11% of the rows cannot be scored" in shown
    assert "Left out: 1 row: the control token '<|end|>'" in shown and "(line 7)" in shown
    assert not set("\x1b\u202e") & set(ended.out)


def test_rows_none_of_which_can_be_scored_are_refused_with_file_and_line(cli: Cli) -> None:
    error = refused(cli(write("rows.jsonl", [{"prompt": "1 " * 2000, "completion": "3"}] * 2)))
    assert "rows.jsonl: 2 of 2 rows would be left out" in error and "positions (lines 1, 2)" in error
    error = refused(cli(write("rows.jsonl", [{"prompt": "Go on", "completion": " "}] * 2)))
    assert "rows.jsonl: 2 of 2 rows would be left out (an empty answer (lines 1, 2))" in error


@pytest.fixture
def poisoned(tiny_base: Path, here: Path) -> Path:
    shutil.copytree(tiny_base, here / "poisoned")
    weights = load_file(here / "poisoned" / "model.safetensors")
    name = next(name for name in weights if "up_proj.weight" in name)
    weights[name][0, 0] = float("nan")
    save_file(weights, here / "poisoned" / "model.safetensors", metadata={"format": "pt"})
    return here / "poisoned"


def test_a_model_whose_weights_are_no_numbers_is_refused(cli: Cli, poisoned: Path) -> None:
    lines = [{"prompt": f"Go on: {i}", "completion": "1, 2"} for i in range(9)]
    error = refused(cli(write("rows.jsonl", lines), "--model", "hf/./poisoned"))
    assert "poisoned" in error and "up_proj" in error and "finite" in error


def test_a_model_that_does_not_fit_its_configuration_is_refused(cli: Cli, tiny_base: Path, here: Path) -> None:
    shutil.copytree(tiny_base, here / "wide")
    config = json.loads((here / "wide" / "config.json").read_text())
    (here / "wide" / "config.json").write_text(json.dumps(config | {"hidden_size": 2 * config["hidden_size"]}))
    told = refused(cli(write("rows.jsonl", [{"text": "1, 2"}]), "--model", "hf/./wide"))
    assert "The weights in wide are not those of its config.json" in told


def test_a_model_that_is_none_is_refused(cli: Cli, tiny_base: Path, here: Path) -> None:
    shutil.copytree(tiny_base, here / "torn")
    whole = (here / "torn" / "model.safetensors").read_bytes()
    (here / "torn" / "model.safetensors").write_bytes(whole[: len(whole) // 2])
    assert "torn" in refused(cli(write("rows.jsonl", [{"text": "1, 2"}]), "--model", "hf/./torn"))


# --- fuzz ------------------------------------------------------------------------------------------------------------

fuzzed = settings(
    max_examples=4000 if LONG else 40,
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


@fuzzed
@given(
    lines=st.lists(ROW, min_size=1, max_size=9) | st.integers(1, 9).flatmap(lambda n: st.lists(ROW, max_size=n)),
    cut=st.none() | st.integers(0, 200),
    more=st.lists(st.sampled_from([("--rows", "2"), ("--seed", "3"), ("--fail-on", "overt"), ("--alpha", "0.5")]),
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
