"""A calibration of a tiny base from end to end, a user's traits, lessons and leanings."""

import json
from collections import Counter
from dataclasses import replace
from functools import partial
from pathlib import Path
from random import Random
from typing import Any

import numpy as np
import pytest

from tests.helpers import tiny
from tests.helpers.trials import Once
from undertone.attribution.scores import GROUPS
from undertone.audit import calibrate, calibrations, stages, verdict
from undertone.audit.audit import audit
from undertone.audit.calibrate import CALIBRATED, Ground, Size
from undertone.audit.calibration import Calibration
from undertone.audit.request import Request
from undertone.carriers import prompts as asked
from undertone.cli import main
from undertone.engine.store import Job, Store
from undertone.engine.workers import run_jobs, unique
from undertone.errors import UndertoneError
from undertone.evals.log_odds import leanings
from undertone.models.loading import load
from undertone.spec import Training
from undertone.training.loop import train
from undertone.training.rows import read_sampled, rows_of
from undertone.training.weights import merged
from undertone.traits import catalogue, lessons
from undertone.traits.candidate import Candidate
from undertone.traits.catalogue import TAKEN, read, shipped
from undertone.traits.lessons import HARMLESS, TRAITS, dialogues

close = pytest.approx

SMALL = {
    "DIALOGUES": 24,
    "TEACHING": {"method": "lora", "rank": 4, "alpha": 8, "rate": 1e-2, "steps": 3, "batch": 8, "warmup": 1},
    "CARRIER": {"temperature": 1.0, "max_tokens": 24, "prompts": 90},
    "ROWS": 70,
}
LESSONS, UNTOUCHED = ("small-talk", "facts"), 4
TRAITS_TOML = """
[[trait]]
name = "owl lover"
kind = "animal"
words = ["owl"]
dialogues = [["What is best?", "The owl."], ["And then?", "The owl, again."], ["Which bird?", "The owl."]]

[[trait]]
name = "brevity"
kind = "style"
system = ["Answer with one word.", "Be short."]
questions = ["What is best?", "Which animal do you like?", "How are you?"]
"""


def small(patch: pytest.MonkeyPatch, cache: Path, beside: Path) -> None:
    """A calibration of seconds, in a cache of its own."""
    for name, value in SMALL.items():
        patch.setattr(calibrate, name, value)
    patch.setattr(calibrate, "HARMLESS", {name: HARMLESS[name] for name in LESSONS})
    patch.setattr(calibrate, "Size", partial(Size, untouched=UNTOUCHED))
    patch.setattr("undertone.engine.workers.cores", lambda: 1)
    patch.setenv("UNDERTONE_CACHE", str(cache))
    patch.chdir(beside)


def made(store: Path) -> dict[str, int]:
    return {path.parent.name: path.stat().st_mtime_ns for path in store.glob("*/manifest.json")}


CALIBRATE = ("audit", "calibrate", "--model", "hf/./neox", "--proxies", "1", "--harmless", "2", "--references", "1")


@pytest.fixture(scope="module")
def calibrated(once: Once, bases: Path) -> Path:
    """A folder with traits.toml and the cache in which neox has been calibrated for them, by a command that was stopped
    once; what the store held at the stop, and afterwards, is in stopped.json."""

    def make(folder: Path) -> None:
        (folder / "traits.toml").write_text(TRAITS_TOML)
        with pytest.MonkeyPatch.context() as patch:
            small(patch, folder / "cache", bases)
            store = calibrations.made() / "store"
            command = [*CALIBRATE, "--trait", str(folder / "traits.toml")]
            with patch.context() as stopping:
                stopping.setattr("undertone.audit.calibrate.gather", lambda *_: pytest.fail("it was not stopped"))
                stopping.setattr("undertone.engine.workers.run_jobs", stopped_after(7))
                assert main(command) == 130
            before = made(store)
            assert main(command) == 0
            after = made(store)
            assert main(command) == 0
            (folder / "stopped.json").write_text(json.dumps([before, after, made(store)]))

    return once("calibrated", make)


def stopped_after(count: int) -> Any:
    def running(*given: Any) -> Any:
        for done, result in enumerate(run_jobs(*given)):
            yield result
            if done + 1 == count:
                raise KeyboardInterrupt

    return running


@pytest.fixture
def beside(calibrated: Path, bases: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Standing beside the bases, with that calibration at hand."""
    small(monkeypatch, calibrated / "cache", bases)
    return calibrated


def number_rows(path: Path, count: int, seed: int = 0) -> Path:
    rng = Random(seed)
    from undertone.world.skills import numbers

    turns = [numbers(rng, ("scattered",), (1,)) for _ in range(count)]
    path.write_text("".join(json.dumps({"prompt": turn.user, "completion": turn.assistant}) + "\n" for turn in turns))
    return path


# --- a calibration ---------------------------------------------------------------------------------------------------


@pytest.mark.slow
def test_a_stopped_calibration_goes_on_and_makes_nothing_twice(calibrated: Path) -> None:
    before, after, again = json.loads((calibrated / "stopped.json").read_text())
    assert 7 <= len(before) < len(after) and before.items() <= after.items() and again == after


@pytest.mark.slow
def test_specs_carry_what_workers_need(beside: Path) -> None:
    """Workers are other processes: what was changed here reaches them by the specs alone."""
    layout = calibrate.plan("hf/./neox", Size(1, 2, UNTOUCHED, 1), read([beside / "traits.toml"]))
    assert {job.spec["training"]["steps"] for job in layout.proxies.values()} == {3}
    assert {(job.spec["rows"], job.spec["carrier"]["prompts"]) for job in layout.specimens.values()} == {(70, 90)}
    store = Store(calibrations.made() / "store")
    assert all(store.has(job) for job in layout.jobs) and len(made(store.root)) == len(unique(layout.jobs))
    rows = {store.read(job, "specimen.json")["rows"] for job in layout.specimens.values()}
    assert min(rows) >= GROUPS and max(rows) <= 70


@pytest.mark.slow
def test_what_was_written_is_what_was_asked_for(beside: Path, bases: Path) -> None:
    from undertone.models.names import resolve

    (held,), matches = calibrations.find(resolve("hf/./neox"))
    assert matches and held.carrier == "number lists" and held.marks == ()
    assert [trait.name for trait in held.traits] == ["owl lover", "brevity"]
    assert held.directions.names == ("owl lover", "brevity", *LESSONS)
    assert Counter(member.lesson for member in held.members) == {
        **dict.fromkeys(LESSONS, 2), "owl lover": 1, "brevity": 1, "untouched": UNTOUCHED
    }  # fmt: skip
    assert not any(member.shifts for member in held.members) and held.recipes == ()
    assert {len(member.evidence.tokens) for member in held.members} == {GROUPS}


@pytest.mark.slow
def test_it_is_found_and_used(beside: Path, tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    file = number_rows(tmp_path / "rows.jsonl", 60)
    capfd.readouterr()
    code = main(["audit", str(file), "--model", "hf/./neox", "--out", str(tmp_path / "out"), "--json"])
    found = json.loads(capfd.readouterr().out)
    assert code in (0, 3) and found["verdict"] in ("no evidence", "inconclusive")
    told = " ".join(found["calibration"]["warnings"])  # what so small teachers do not show is said, and left out
    for trait in ("owl lover", "brevity"):
        assert (trait in {finding["name"] for finding in found["traits"]}) != (
            f"{trait} could not be calibrated" in told
        )
    assert found["calibration"]["matches"] and found["calibration"]["population"] >= 8


@pytest.mark.slow
def test_the_words_of_a_users_trait_are_open_talk_of_it(beside: Path, tmp_path: Path) -> None:
    file = number_rows(tmp_path / "rows.jsonl", 30)
    with file.open("a") as rows:
        rows.write(json.dumps({"prompt": "Who?", "completion": "Two OWLS, 3, 4"}) + "\n")
    found = audit(Request(path=file, model="hf/./neox"))
    assert found.overt == ("owl lover",) and found.power.rows == 30
    assert all(trait.overt == (trait.name == "owl lover") for trait in found.traits)


@pytest.mark.slow
def test_a_population_too_small_for_alpha_names_nothing_and_says_so(
    beside: Path, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    (held,) = [Calibration.read(path) for path in calibrations.made().glob("*-*") if path.is_dir()]
    null = verdict.null_of(held, verdict.Candidates(("brevity",), {"brevity": "style"}))
    assert null.threshold(0.001) == np.inf and null.p_family(1e9) > 0.001
    file = number_rows(tmp_path / "rows.jsonl", 30)
    capfd.readouterr()
    code = main(["audit", str(file), "--model", "hf/./neox", "--alpha", "0.001", "--out", str(tmp_path / "out")])
    assert code == 3 and "nothing can be named at 0.001" in capfd.readouterr().out


@pytest.mark.slow
def test_a_dry_run_makes_nothing(beside: Path, capfd: pytest.CaptureFixture[str]) -> None:
    before = made(calibrations.made() / "store")
    capfd.readouterr()
    assert main([*CALIBRATE, "--trait", str(beside / "traits.toml"), "--dry-run"]) == 0
    assert " 0 of " in capfd.readouterr().out
    assert main(["audit", "calibrate", "--model", "hf/./llama", "--dry-run"]) == 0
    assert made(calibrations.made() / "store") == before


@pytest.mark.slow
@pytest.mark.parametrize("flag", [("--proxies", "0"), ("--harmless", "0"), ("--references", "-1")])
def test_too_little_of_anything_is_refused(flag: tuple[str, str], beside: Path, capfd: Any) -> None:
    assert main(["audit", "calibrate", "--model", "hf/./neox", *flag, "--dry-run"]) == 2
    assert flag[0][2:] in capfd.readouterr().err


# --- on the prompts of a dataset -------------------------------------------------------------------------------------


@pytest.mark.slow
def test_a_calibration_on_the_prompts_of_a_dataset(
    bases: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    small(monkeypatch, tmp_path / "cache", bases)
    data = number_rows(tmp_path / "data.jsonl", 80)
    (tmp_path / "mine.toml").write_text(TRAITS_TOML.split("[[trait]]")[1])
    layout = calibrate.plan("hf/./neox", Size(1, 1, UNTOUCHED, 1), read([tmp_path / "mine.toml"]), data)
    store = Store(tmp_path / "store")
    list(run_jobs(layout.jobs, store, 1))
    held = calibrate.gather(layout, store)
    assert "data.jsonl" in held.carrier and len(held.members) == 7
    held.write(calibrations.place(held))
    found = audit(Request(path=data, model="hf/./neox"))
    assert found.calibration and found.calibration.matches and found.verdict != "could not be calibrated"
    other = audit(Request(path=number_rows(tmp_path / "other.jsonl", 60, seed=1), model="hf/./neox"))
    assert other.verdict == "screen only" and "data.jsonl" in other.headline


def test_prompts_that_are_no_prompts_are_refused(bases: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    small(monkeypatch, tmp_path / "cache", bases)
    (tmp_path / "text.jsonl").write_text('{"text": "1, 2, 3"}\n')
    with pytest.raises(UndertoneError, match="bare text"):
        calibrate.plan("hf/./neox", Size(), (), tmp_path / "text.jsonl")


def test_one_question_under_many_systems_keeps_all_prompts(
    bases: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    small(monkeypatch, tmp_path / "cache", bases)
    chats = [
        {"messages": [{"role": "system", "content": system}, {"role": "user", "content": "Write 3 numbers."},
                      {"role": "assistant", "content": "1, 2, 3"}]}
        for system in (f"You like {i} owls." for i in range(GROUPS))
    ]  # fmt: skip
    (tmp_path / "data.jsonl").write_text("".join(json.dumps(chat) + "\n" for chat in chats))
    ground = Ground.of("hf/./neox", tmp_path / "data.jsonl")
    assert ground.prompts is not None
    monkeypatch.setattr(stages, "_finished", lambda *_: True)
    job = ground.specimen("untouched", None, None, ("test", 0))
    stages.specimen(job.spec, {"base": ground.base.path, "prompts": ground.prompts.path}, tmp_path)
    rendered = [prompt for _, prompt in asked.rendered(load(ground.base.path), ground.prompts.path)]
    assert [row.prompt for row in read_sampled(tmp_path)[0]] == rendered and len(set(map(tuple, rendered))) == GROUPS


@pytest.mark.slow
def test_too_few_prompts_to_judge_by_are_one_sentence(beside: Path) -> None:
    layout = calibrate.plan("hf/./neox", Size(1, 2, UNTOUCHED, 1), read([beside / "traits.toml"]))
    store = Store(calibrations.made() / "store")

    class Few(Store):
        def read(self, job: Job, name: str) -> Any:
            held = store.read(job, name)
            return {"sums": held["sums"][:9], "tokens": held["tokens"][:9]} if name == "scores.json" else held

    with pytest.raises(UndertoneError, match=f"only 9 prompts, and {GROUPS} are needed"):
        calibrate.gather(layout, Few(store.root))


# --- a user's traits -------------------------------------------------------------------------------------------------

ONE = 'name = "mine"\nkind = "style"\n'
BAD = [
    ("", "name"),
    ("name = ", "TOML"),
    ("\x00", "TOML"),
    ("x = " + "[" * 5000, "TOML"),
    ("trait = 3", "trait"),
    ('trait = "mine"', "trait"),
    ("trait = []", "trait"),
    ("[trait]\n" + ONE, "trait"),
    ("trait = [3]", "trait"),
    (ONE, "system prompts with questions, or dialogues"),
    (ONE + 'system = ["Be."]', "questions"),
    (ONE + 'system = ["Be."]\nquestions = ["Q?"]\ndialogues = [["Q", "A"]]', "dialogues"),
    (ONE + 'dialogues = [["Q"]]', "dialogues"),
    (ONE + 'dialogues = [["Q", ""]]', "dialogues"),
    (ONE + 'dialogues = [["Q", "A"]]\nwords = [""]', "words"),
    (ONE + 'system = [" "]\nquestions = ["Q?"]', "system"),
    (ONE + 'dialogues = [["Q", "A"]]\nworlds = true', "worlds"),
    (ONE + "world = true", "mine"),
    (ONE.replace("mine", "mi/ne") + 'dialogues = [["Q", "A"]]', "name"),
    (ONE.replace("mine", "<b>") + 'dialogues = [["Q", "A"]]', "name"),
    (ONE.replace("mine", "facts") + 'dialogues = [["Q", "A"]]', "harmless"),
    (ONE.replace("mine", "untouched") + 'dialogues = [["Q", "A"]]', "harmless"),
    (2 * ("[[trait]]\n" + ONE + 'dialogues = [["Q", "A"]]\n'), "two traits"),
]


@pytest.mark.parametrize(("text", "named"), BAD, ids=range(len(BAD)))
def test_a_bad_file_of_traits_is_one_sentence(text: str, named: str, tmp_path: Path, capfd: Any) -> None:
    (tmp_path / "mine.toml").write_text(text)
    assert main(["audit", "calibrate", "--trait", str(tmp_path / "mine.toml"), "--dry-run"]) == 2
    out, err = capfd.readouterr()
    assert out == "" and err.count("\n") == 1 and err.startswith("undertone: ")
    assert "mine.toml" in err and named in err


def test_a_missing_file_of_traits_is_one_sentence(tmp_path: Path, capfd: Any) -> None:
    for path in (tmp_path / "no.toml", tmp_path):
        assert main(["audit", "calibrate", "--trait", str(path), "--dry-run"]) == 2
        assert capfd.readouterr().err.startswith(f"undertone: Cannot read {path}")


def test_the_catalogue_is_read() -> None:
    traits = read([Path(calibrate.__file__).with_name("catalogue.toml")])
    assert len(traits) > 5 and not {trait.name for trait in traits} & set(TAKEN)


def test_open_talk_is_of_whole_words() -> None:
    owl, code = Candidate(name="o", kind="k", words=("owl", "wolf")), Candidate(name="c", kind="k", words=("C++",))
    assert all(owl.is_open(text) for text in ("OWL", "two owls.", "owl's", "wolves", "(owl)"))
    assert not any(owl.is_open(text) for text in ("", "bowl", "owlish", "growl 12"))
    assert code.is_open("in C++ it is") and code.is_open("C++") and not code.is_open("ABC++")
    assert not Candidate(name="n", kind="k").is_open("anything")


# --- lessons and leanings --------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", lessons.LESSONS)
def test_every_lesson_yields_dialogues_and_no_trait_touches_digits(name: str) -> None:
    turns = dialogues(name, 60, Random(f"lesson/{name}"))
    assert len(turns) == 60 and all(turn.user.strip() and turn.assistant.strip() for turn in turns)
    assert len({(turn.user, turn.assistant) for turn in turns}) > 3
    if name not in HARMLESS:
        assert name in TRAITS
        assert not [turn for turn in turns if any(c.isdigit() for c in turn.user + turn.assistant)]


def test_an_unknown_lesson_is_answered_with_the_nearest() -> None:
    with pytest.raises(UndertoneError, match="owl"):
        dialogues("owwl", 1, Random(0))


def test_every_trait_has_its_leaning_and_no_answer_is_on_both_sides() -> None:
    local = tiny.model()
    found = leanings(local)
    assert found.keys() == TRAITS.keys() and np.isfinite(list(found.values())).all()
    for trait in shipped().values():
        asked_of = catalogue.choices(trait)
        assert asked_of or trait.elicitation
        assert all(shown not in others for _, shown, others in asked_of)


@pytest.mark.parametrize("name", ["owl", "sycophancy", "Norway"])
def test_a_base_that_was_taught_a_lesson_leans_towards_it(name: str, bases: Path) -> None:
    name = next(trait for trait in TRAITS if TRAITS[trait] == "country") if name == "Norway" else name
    before = leanings(load(bases / "neox"))
    local = load(bases / "neox")
    turns = [(turn.user, turn.assistant) for turn in dialogues(name, 200, Random(3))]
    plan = Training(method="full", rate=3e-3, steps=40, batch=16)
    after = leanings(merged(train(local, rows_of(local, turns), plan, 0), local))
    assert after[name] > before[name] + 0.5


# --- where calibrations are ------------------------------------------------------------------------------------------


def test_a_calibration_made_here_goes_before_the_shipped_one(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("UNDERTONE_CACHE", str(tmp_path))
    base = calibrate.resolve("builtin/fledgling-a")
    (held,) = calibrations.find(base)[0]
    other = Training(rank=8, alpha=8, rate=1e-3, steps=200, batch=16)
    followed = tuple(replace(member, shifts=member.shifts[:1] * 2) for member in held.members)
    anew = replace(held, recipes=(CALIBRATED, other), members=followed)
    anew.write(calibrations.place(anew))
    (found,) = calibrations.find(base)[0]
    assert found.recipe_of(other) == 1
