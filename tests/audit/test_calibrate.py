"""A calibration of a tiny base from end to end, a user's traits, lessons, leanings, and the benchmark's arithmetic."""

import json
from collections import Counter
from contextlib import nullcontext
from dataclasses import replace
from functools import partial
from pathlib import Path
from random import Random
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from safetensors.torch import save_file
from scipy import stats  # type: ignore[import-untyped, unused-ignore]

from tests.helpers import tiny
from tests.helpers.trials import Once
from undertone.attribution.scores import GROUPS, Evidence
from undertone.audit import calibrate, calibrations, specimen, verdict
from undertone.audit.audit import audit
from undertone.audit.calibrate import CALIBRATED, Ground, Size
from undertone.audit.calibration import Calibration
from undertone.audit.request import Request
from undertone.bench import audit as bench
from undertone.bench import page as benching
from undertone.bench.audit import Bench, Planted
from undertone.carriers import prompts as asked
from undertone.cli import main
from undertone.engine.store import Folder, Job, Store
from undertone.engine.workers import make, unique
from undertone.errors import UndertoneError
from undertone.evals.log_odds import leanings
from undertone.models.local import load
from undertone.spec import Training
from undertone.stages import DIRECTIONS, OUTCOME, PROMPTED, PROXY, SCORES, SPECIMEN
from undertone.statistics.rate import Rate
from undertone.training.loop import train
from undertone.training.rows import read_sampled, rows_of
from undertone.training.weights import merged
from undertone.traits import catalogue
from undertone.traits.candidate import Candidate
from undertone.traits.catalogue import TAKEN, read, shipped
from undertone.traits.lessons import HARMLESS, TRAITS, dialogues, lessons

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
    patch.setattr("undertone.cli.auditing.cores", lambda: 1)
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
    from undertone.engine.workers import run_jobs

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


def test_a_stopped_calibration_goes_on_and_makes_nothing_twice(calibrated: Path) -> None:
    before, after, again = json.loads((calibrated / "stopped.json").read_text())
    assert 7 <= len(before) < len(after) and before.items() <= after.items() and again == after


def test_specs_carry_what_workers_need(beside: Path) -> None:
    """Workers are other processes: what was changed here reaches them by the specs alone."""
    layout = calibrate.plan("hf/./neox", Size(1, 2, UNTOUCHED, 1), read([beside / "traits.toml"]))
    assert {job.spec["training"]["steps"] for job in layout.proxies.values()} == {3}
    assert {(job.spec["rows"], job.spec["carrier"]["prompts"]) for job in layout.specimens.values()} == {(70, 90)}
    store = Store(calibrations.made() / "store")
    assert all(store.has(job) for job in layout.jobs) and len(made(store.root)) == len(unique(layout.jobs))
    rows = {store.read(job, "specimen.json")["rows"] for job in layout.specimens.values()}
    assert min(rows) >= GROUPS and max(rows) <= 70


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


def test_the_words_of_a_users_trait_are_open_talk_of_it(beside: Path, tmp_path: Path) -> None:
    file = number_rows(tmp_path / "rows.jsonl", 30)
    with file.open("a") as rows:
        rows.write(json.dumps({"prompt": "Who?", "completion": "Two OWLS, 3, 4"}) + "\n")
    found = audit(Request(file, "hf/./neox"))
    assert found.overt == ("owl lover",) and found.power.rows == 30
    assert all(trait.overt == (trait.name == "owl lover") for trait in found.traits)


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


def test_a_dry_run_makes_nothing(beside: Path, capfd: pytest.CaptureFixture[str]) -> None:
    before = made(calibrations.made() / "store")
    capfd.readouterr()
    assert main([*CALIBRATE, "--trait", str(beside / "traits.toml"), "--dry-run"]) == 0
    assert " 0 of " in capfd.readouterr().out
    assert main(["audit", "calibrate", "--model", "hf/./llama", "--dry-run"]) == 0
    assert made(calibrations.made() / "store") == before


@pytest.mark.parametrize("flag", [("--proxies", "0"), ("--harmless", "0"), ("--references", "-1")])
def test_too_little_of_anything_is_refused(flag: tuple[str, str], beside: Path, capfd: Any) -> None:
    assert main(["audit", "calibrate", "--model", "hf/./neox", *flag, "--dry-run"]) == 2
    assert flag[0][2:] in capfd.readouterr().err


# --- on the prompts of a dataset -------------------------------------------------------------------------------------


def test_a_calibration_on_the_prompts_of_a_dataset(
    bases: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    small(monkeypatch, tmp_path / "cache", bases)
    data = number_rows(tmp_path / "data.jsonl", 80)
    (tmp_path / "mine.toml").write_text(TRAITS_TOML.split("[[trait]]")[1])
    layout = calibrate.plan("hf/./neox", Size(1, 1, UNTOUCHED, 1), read([tmp_path / "mine.toml"]), data)
    store = Store(tmp_path / "store")
    make(layout.jobs, store, 1)
    held = calibrate.gather(layout, store)
    assert "data.jsonl" in held.carrier and len(held.members) == 7
    held.write(calibrations.place(held))
    found = audit(Request(data, "hf/./neox"))
    assert found.calibration and found.calibration.matches and found.verdict != "could not be calibrated"
    other = audit(Request(number_rows(tmp_path / "other.jsonl", 60, seed=1), "hf/./neox"))
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
    monkeypatch.setattr(specimen, "_finished", lambda *_: True)
    job = ground.specimen("untouched", None, None, ("test", 0))
    specimen.run(job.spec, {"base": ground.base.path, "prompts": ground.prompts.path}, tmp_path)
    rendered = [prompt for _, prompt in asked.rendered(load(ground.base.path), ground.prompts.path)]
    assert [row.prompt for row in read_sampled(tmp_path)[0]] == rendered and len(set(map(tuple, rendered))) == GROUPS


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


@pytest.mark.parametrize("name", lessons())
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


# --- the benchmark's arithmetic --------------------------------------------------------------------------------------


def test_a_rate_is_a_share_with_its_exact_interval() -> None:
    for count, of in ((0, 10), (3, 10), (10, 10)):
        rate = Rate(count, of)
        low = stats.beta.ppf(0.025, count, of - count + 1) if count else 0
        high = stats.beta.ppf(0.975, count + 1, of - count) if count < of else 1
        assert rate.value == count / of and rate.ci == close((low, high))
        assert rate.above(0.05) == close(stats.binom.sf(count - 1, of, 0.05))
    nothing = Rate(0, 0)
    assert np.isnan(nothing.value) and nothing.ci == (0, 1) and nothing.above(0.05) == 1


def test_joined_scores_have_the_mean_of_all_rows() -> None:
    rng = np.random.default_rng(0)
    one, other = (Evidence(rng.normal(size=(n, 3)), rng.uniform(5, 9, n)) for n in (3, 8))
    joined = bench._joined(one, other)
    share = one.tokens.sum() / (one.tokens.sum() + other.tokens.sum())
    assert joined.mean == close(share * one.mean + (1 - share) * other.mean)
    assert joined.first(3).mean == close(one.mean)


def test_a_curve_mixes_as_many_groups_as_it_says(monkeypatch: pytest.MonkeyPatch) -> None:
    """The teachers' groups score 1, the neutral ones' 0: the mean of a mixed file is its share."""
    job = Job(SPECIMEN, {})
    layout = [Planted(kind, trait, None, job, job) for kind, trait in (("as the proxies", "owl"), ("neutral", None))]
    seen: list[tuple[float, int]] = []

    class Judging(Bench):
        def __init__(self) -> None:
            pass

        def evidence(self, planted: Planted) -> Evidence:
            return Evidence(np.full((GROUPS, 1), 12.0 * bool(planted.trait)), np.full(GROUPS, 12.0))

        def judged(self, planted: Planted, found: Evidence | None = None) -> Any:
            assert found is not None
            seen.append((float(found.mean[0]), len(found.tokens) * bench.PER_GROUP))
            return found

        def named(self, judged: Any) -> set[str]:
            return {"owl"} if judged.mean[0] > 0.3 else set()

    found = Judging().curve(layout)
    assert {rows for _, rows in seen} == set(bench.ROWS) and len(found) == len(seen)
    for (share, rows), (mean, scored) in zip(found, seen, strict=True):
        assert scored == rows and mean == close(share, abs=0.5 * bench.PER_GROUP / rows)
        assert found[share, rows].count == (mean > 0.3)


def test_every_kind_has_equally_many_teachers_and_every_dataset_its_own(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bench, "resolve", lambda name: Folder(Path(name), "1" * 64, name))
    monkeypatch.setattr(calibrate, "resolve", lambda name: Folder(Path(name), "0" * 64, name))
    layout = bench.layout_of("builtin/fledgling-a", Job(SPECIMEN, {}), 40, "builtin/fledgling-b")
    kinds = Counter(planted.kind for planted in layout)
    assert len(kinds) == 14 and set(kinds.values()) == {40}
    assert len({planted.made.key for planted in layout}) == len(layout)
    assert len({planted.made.spec["seed"] for planted in layout}) == len(layout)
    for planted in layout:
        if planted.trait:
            assert planted.trait == planted.lesson and planted.made.spec["oracle"]
        if planted.kind == "unlisted trait":
            assert TRAITS[planted.lesson or ""] in bench.UNLISTED
    population = calibrate.plan("builtin/fledgling-a", Size()).specimens.values()
    assert not {job.spec["seed"] for job in population} & {planted.made.spec["seed"] for planted in layout}


def test_teachers_that_answer_prompts_write_no_lists_and_have_no_students(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("UNDERTONE_CACHE", str(tmp_path))
    file = write_prompts(tmp_path / "code.jsonl")
    layout = bench.layout_of("builtin/fledgling-a", Job(SPECIMEN, {}), 4, "builtin/fledgling-b", prompts=file)
    kinds = Counter(planted.kind for planted in layout)
    assert not set(kinds) & set(bench.OF_LISTS) and len(kinds) == 12 and set(kinds.values()) == {4}
    assert all("prompts" in planted.made.inputs and not planted.outcomes for planted in layout)
    lists, code = (calibrate.plan("builtin/fledgling-a", Size(), prompts=some) for some in (None, file))
    assert code.directions.key == lists.directions.key, "proxies serve every carrier"
    assert not {job.key for job in code.specimens.values()} & {job.key for job in lists.specimens.values()}
    assert all(planted.scores.spec == {"words": list(bench.WORDS)} for planted in layout), "open rows are left out"
    assert all(job.spec == {"words": list(bench.WORDS)} for job in code.scores.values())
    assert not any(job.spec for job in lists.scores.values())


def test_a_benchmark_needs_a_calibration_for_its_prompts_with_its_own_directions(
    tmp_path: Path, capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("UNDERTONE_CACHE", str(tmp_path))
    file = write_prompts(tmp_path / "code.jsonl")
    assert main(["bench", "audit", "--teachers", "0"]) == 2
    assert "at least 1, not 0" in capfd.readouterr().err
    one = tmp_path / "one.jsonl"
    one.write_text(file.read_text().splitlines()[0] + "\n" + "\n".join(file.read_text().splitlines()[:-1]))
    assert main(["audit", "calibrate", "--prompts", str(one), "--dry-run"]) == 2
    assert f"{GROUPS - 1} different prompts" in capfd.readouterr().err.replace("\n", " ")
    assert main(["bench", "audit", "--prompts", str(file)]) == 2
    assert f"{GROUPS} prompts; 2600 are needed" in capfd.readouterr().err
    monkeypatch.setitem(calibrate.CARRIER, "prompts", GROUPS)
    assert main(["bench", "audit", "--prompts", str(file)]) == 2
    assert f"audit calibrate --model builtin/fledgling-a --prompts {file}" in capfd.readouterr().err
    (held,) = calibrations.find(calibrate.resolve("builtin/fledgling-a"))[0]
    own, store = held.directions, SimpleNamespace(checked=lambda *_: tmp_path / "some.safetensors")
    for size, told in ((1.001, None), (-1.0, "proxies")):
        along = replace(own, up={name: size * tensor for name, tensor in own.up.items()})
        save_file(along.tensors(), tmp_path / "some.safetensors", metadata={"names": json.dumps(along.names)})
        with pytest.raises(UndertoneError, match=told) if told else nullcontext():
            benching._refuse_others(held, store, calibrate.plan("builtin/fledgling-a", Size()))  # type: ignore[arg-type]


def test_a_benchmark_makes_all_that_its_jobs_wait_for(monkeypatch: pytest.MonkeyPatch) -> None:
    asked_for: list[list[Job]] = []
    monkeypatch.setattr(benching, "make_shown", lambda jobs, _: asked_for.append(list(jobs)))
    monkeypatch.setattr(benching, "_refuse_others", lambda *_: None)
    monkeypatch.setattr(benching, "page", lambda *_: ["made"])
    assert main(["bench", "audit", "--teachers", "1", "--baselines"]) == 0
    for jobs in asked_for:
        keys = {job.key for job in jobs}
        assert {parent.key for job in jobs for parent in job.parents} <= keys
    assert {job.stage for job in asked_for[-1]} == {PROXY, DIRECTIONS, SPECIMEN, SCORES, OUTCOME, PROMPTED}


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


def write_prompts(file: Path) -> Path:
    rows = [{"prompt": f"Write line {i}.", "completion": "print(1)"} for i in range(GROUPS)]
    file.write_text("\n".join(map(json.dumps, rows)))
    return file


def test_an_unlisted_trait_is_judged_without_its_kind(monkeypatch: pytest.MonkeyPatch) -> None:
    asked_for: list[tuple[tuple[str, ...], list[str]]] = []
    monkeypatch.setattr(bench, "null_of", lambda _, who, groups, out: asked_for.append((who.traits, out)))
    monkeypatch.setattr(bench, "judge", lambda *_: None)
    held: Any = SimpleNamespace(directions=SimpleNamespace(names=("owl", "oak", "small-talk", "red")))
    judging, job = Bench(held, Store(Path())), Job(SPECIMEN, {})
    found = Evidence(np.zeros((4, 4)), np.ones(4))
    judging.judged(Planted("unlisted trait", None, "oak", job, job), found)
    judging.judged(Planted("as the proxies", "owl", "owl", job, job), found)
    (without, left_out), (all_of_them, none) = asked_for
    assert without == ("owl", "red") and set(left_out) == {t for t, kind in TRAITS.items() if kind == "tree"}
    assert all_of_them == ("owl", "oak", "red") and none == []
