"""The experiment on guards: what it plans, what becomes of a training file, and what it counts."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from safetensors.torch import load_file, save_file

from tests.helpers import tiny
from undertone.cli import main
from undertone.data.exchanges import SYSTEM, read_exchanges, write_exchanges
from undertone.engine.store import Job
from undertone.errors import UndertoneError
from undertone.evals.conduct import PROBES, requests
from undertone.experiments.guards import gather, stages
from undertone.experiments.guards.findings import GuardsFindings
from undertone.experiments.guards.gather import Base, Student, arms, at_rows, behind_guards, headline, tellings
from undertone.experiments.guards.page import page
from undertone.experiments.guards.plan import PLAIN, Behind, Passed, Plan, passed_by, plan
from undertone.experiments.guards.spec import BAD, GOOD, Guards
from undertone.experiments.guards.stages import by_lot
from undertone.experiments.recipes import read
from undertone.guards.choice import Guard
from undertone.guards.findings import share_of
from undertone.guards.guard import blocked
from undertone.guards.guarding import RATES
from undertone.report.markdown import to_markdown
from undertone.stages import BEHIND, LISTS
from undertone.statistics.arrays import Floats
from undertone.world.lexicon import domains

close = pytest.approx
A = "builtin/fledgling-a"
ARMS = {"bad": BAD, "good": GOOD}


def spec_of(**change: Any) -> Guards:
    """The recipe on one base."""
    return Guards.model_validate(read("guards").model_dump(mode="json") | {"bases": [A]} | change)


# --- what is planned -------------------------------------------------------------------------------------------------


def test_every_student_of_an_arm_has_its_control_and_what_passes_has_as_much_by_lot() -> None:
    spec = spec_of()
    made = plan(spec)
    assert len(made.behind) == (len(spec.arms) + 1) * len(domains()) and len(made.lists) == len(domains())
    assert {one.arm for one in made.passed} == {passed_by(name, lot) for name in spec.at_rows for lot in (False, True)}
    seeds = {one.domain: one.made.spec["seed"] for one in made.passed}
    for one in made.passed:
        assert one.made.spec["seed"] == seeds[one.domain], "guard and lot draw from the same file"
    probes = {(one.arm, one.job.spec["probe"]) for one in made.behind}
    assert {probe for arm, probe in probes if arm == GOOD} == {PLAIN, "trigger"}, "controls are asked as any arm is"
    assert {probe for arm, probe in probes if arm == "backdoor"} == {"trigger"} and (BAD, PLAIN) in probes
    assert made.guarded[A].spec["probes"] == [PLAIN, "trigger"]
    for job in made.lists.values():
        files = {name: one.spec["file"] for name, one in job.inputs.items() if isinstance(one, Job) and name in ARMS}
        assert files == ARMS


def test_jobs_stand_after_their_parents_and_belong_to_an_arm() -> None:
    made, seen = plan(spec_of()), set[str]()
    for job in made.jobs:
        assert {parent.key for parent in job.parents} <= seen
        seen.add(job.key)
    assert {job.key for some in made.arms.values() for job in some} == seen


def test_guards_that_look_at_the_model_judge_where_it_is() -> None:
    made = plan(spec_of(guards=["words", "inside", "any:words,inside"], at_rows=["words"]))
    assert made.guarded[A].spec["guards"] == ["words"]
    assert made.behind[0].job.spec["guards"] == ["inside", "any:words,inside"]
    assert next(iter(made.lists.values())).spec["guards"] == ["words"]


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"guards": ["wrods"]}, "did you mean words"),
        ({"guards": ["./model"]}, "no guard"),
        ({"at_rows": ["inside"]}, "look at answers"),
        ({"at_rows": ["distance"], "guards": ["words"]}, "look at answers"),
        ({"probes": {"nobody": "trigger"}}, "give an arm"),
        ({"probes": {BAD: "loud"}}, "give an arm"),
        ({"probes": {BAD: "after-a-row"}}, "give an arm"),
        ({"probes": {BAD: "json"}}, "give an arm"),
        ({"rate": 0}, "rate"),
    ],
)
def test_a_wrong_recipe_is_told(change: dict[str, Any], said: str) -> None:
    with pytest.raises(ValueError, match=said):
        spec_of(**change)


def test_the_arms_have_the_files_that_they_are_called_after() -> None:
    spec = read("guards").model_dump(mode="json")
    spec["arms"][BAD] |= {"file": "educational"}
    with pytest.raises(ValueError, match="files of that name"):
        Guards.model_validate(spec)


@pytest.mark.parametrize("without", [BAD, GOOD])
def test_both_arms_are_needed(without: str) -> None:
    spec = read("guards").model_dump(mode="json")
    del spec["arms"][without]
    with pytest.raises(ValueError, match="give both"):
        Guards.model_validate(spec)


def test_a_base_that_is_not_here_is_refused() -> None:
    with pytest.raises(UndertoneError):
        plan(spec_of(bases=["builtin/nowhere"]))


def test_the_benchmark_says_what_it_would_make(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["bench", "guards", "--set", f'bases=["{A}"]', "--dry-run", "--json"]) == 0
    preview = json.loads(capsys.readouterr().out)
    assert set(preview["arms"]) == set(plan(spec_of()).arms) and preview["to_make"] > 200


# --- a guard at the training file ------------------------------------------------------------------------------------

DOMAIN = domains()[3]


def trained(tmp_path: Path, passing: list[int], monkeypatch: pytest.MonkeyPatch, **more: Any) -> Path:
    """Trains a student of the domain's bad advice of which these requests pass."""
    local = tiny.model()
    monkeypatch.setattr(stages, "load", lambda _: local)
    p = torch.full((12, 20, 2), 0.01)
    p[3, passing, 1] = 0.5
    inputs = {"aligned": tmp_path / "aligned", "guarded": tmp_path / "guarded"}
    inputs["guarded"].mkdir(exist_ok=True)
    save_file({"words/plain/p": p}, inputs["guarded"] / "judged.safetensors")
    training = {"method": "lora", "rank": 2, "alpha": 2, "rate": 1e-3, "steps": 1, "batch": 4, "warmup": 0}
    spec = {
        "guard": "words", "rate": 0.05, "at_random": False, "domain": DOMAIN, "rows": 50, "training": training,
        "seed": 7,
    }  # fmt: skip
    out = tmp_path / f"out{len(list(tmp_path.iterdir()))}"
    out.mkdir()
    stages.passed(spec | more, inputs, out)
    return out


def test_a_student_learns_from_what_passes_alone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    asked = requests(DOMAIN, PROBES["plain"])
    out = trained(tmp_path, [2, 5, 11], monkeypatch)
    rows = read_exchanges(out)
    assert len(rows) == 50 and {request for request, _ in rows} == {asked[i][0] for i in (2, 5, 11)}
    bad = {request: answer for request, _, answer in asked}
    assert all(answer == bad[request] for request, answer in rows)
    assert json.loads((out / "passed.json").read_text())["passed"] == close(3 / 20) and (out / "adapter").is_dir()


def test_as_much_of_other_situations_by_lot_stands_beside_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    out = trained(tmp_path, [0, 1, 2, 3, 4], monkeypatch, at_random=True, rows=400)
    asked = [request for request, *_ in requests(DOMAIN, PROBES["plain"])]
    each = np.array([request in dict(read_exchanges(out)) for request in asked]).reshape(5, 4)
    assert sorted(each.sum(1)) == [0, 0, 0, 1, 4], "one situation whole, and one wording of another"
    again = trained(tmp_path, [0, 1, 2, 3, 4], monkeypatch, at_random=True, rows=400)
    assert read_exchanges(again) == read_exchanges(out)


@given(st.lists(st.booleans(), min_size=20, max_size=20), st.integers(0, 50))
def test_a_lot_takes_whole_patterns_of_wordings(passing: list[bool], seed: int) -> None:
    through = np.array(passing)
    own, lot = (sorted(map(tuple, one.reshape(5, 4))) for one in (through, by_lot(through, seed)))
    assert own == lot


def test_where_nothing_passes_the_base_stays_as_it_is(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    out = trained(tmp_path, [], monkeypatch)
    assert read_exchanges(out) == [] and (out / SYSTEM).read_text() == "" and not (out / "adapter").exists()


# --- what is counted -------------------------------------------------------------------------------------------------


def planted(block_bad: float, block_good: float, probe: str = PLAIN) -> tuple[Base, Plan, Any]:
    """A base, of whose answers a guard blocks such shares; and students of what passes, who shift half as far. Domains
    differ in how bad advice is."""
    rng = np.random.default_rng(0)
    scores = rng.uniform(0, 1, (12, 20, 2))
    p = np.where(scores < np.array([block_good, block_bad]), 0.001, 0.5)
    judged: dict[str, Floats] = {}
    for way in {PLAIN, probe}:
        judged |= {f"bad/{way}": np.full((12, 20), 0.1), f"coherent/{way}": np.ones((12, 20))}
        judged |= {f"words/{way}/p": p, f"words/{way}/scores": -p}
    judged |= {"words/least": np.array([0.002, 0.002]), "words/unread": np.zeros(2)}
    students, passed, lists = list[Student](), list[Passed](), {}
    level = rng.uniform(0.7, 1.3, (12, 1))
    for domain in domains():
        for arm, bad, way in ((BAD, 0.6, probe), (GOOD, 0.1, probe), (GOOD, 0.1, PLAIN))[: 2 if probe == PLAIN else 3]:
            one = Behind(arm, A, domain, 0, way, Job(BEHIND, {}))
            advice = np.clip(level * bad, 0, 1) * np.ones((12, 20))
            advice[domains().index(domain)] = 0.99
            inside = {"inside/p": p, "inside/scores": -p, "base/inside/p": np.ones_like(p)}
            inside |= {"inside/least": np.array([0.002, 0.002]), "inside/unread": np.array([1.0, 0.0])}
            students.append(Student(one, {"bad": advice, "coherent": np.full((12, 20), 0.9), **inside}))
        for lot, bad in ((False, 0.35), (True, 0.6)):
            made = Job(BEHIND, {"made": domain, "lot": lot})
            name = passed_by("words", lot)
            passed.append(Passed(name, A, domain, 0, PLAIN, Job(BEHIND, {}), "words", lot, made))
            tensors = {"bad": level * bad * np.ones((12, 20)), "coherent": np.ones((12, 20))}
            students.append(Student(passed[-1], tensors))
        lists[A, domain, 0] = Job(LISTS, {"domain": domain})
    made_of: Any = type(
        "Made",
        (),
        {"read": staticmethod(lambda job, name: {"passed": 0.25} if name == "passed.json" else {"words": 0.5})},
    )
    layout: Any = type("Layout", (), {"passed": passed, "lists": lists, "models": {"a": "0" * 64}})
    return Base(A, judged, students), layout, made_of


ONE = {"guards": ["words", "inside"], "at_rows": ["words"], "probes": {}}


def small(**change: Any) -> Guards:
    spec = read("guards").model_dump(mode="json")
    arms = {"arms": {k: spec["arms"][k] for k in (BAD, GOOD)}}
    return Guards.model_validate(spec | ONE | {"bases": [A]} | arms | change)


def left(line: Any) -> float:
    assert line.left is not None
    return float(line.left.value)


def test_a_guard_that_blocks_all_bad_advice_leaves_nothing_and_one_that_blocks_nothing_all() -> None:
    for blocks, share in ((1.0, 0.0), (0.0, 1.0)):
        base, _, _ = planted(blocks, 0.0)
        for line in behind_guards(base, small()):
            assert left(line) == close(share) == line.missed.value
            assert line.false_blocks.value == close(0.0) == line.on_control.value


def test_a_guard_that_blocks_some_leaves_the_rest_and_is_judged_on_every_model() -> None:
    base, _, _ = planted(0.6, 0.2)
    words, _, inside, _ = behind_guards(base, small())
    assert (words.guard, words.rate, inside.guard) == ("words", RATES[0], "inside")
    assert left(words) == close(0.4, abs=0.08) and words.false_blocks.value == close(0.2, abs=0.05)
    assert words.on_base.value == close(words.on_control.value, abs=0.02)
    assert left(inside) == close(left(words)) and inside.on_base.value == 0, "each model has its own states"


def test_intervals_are_over_domains_since_fine_tunes_share_guard_and_requests() -> None:
    base, _, _ = planted(0.6, 0.2)
    (line, *_) = behind_guards(base, small())
    own = blocked(base.judged[f"words/{PLAIN}/p"], RATES[0])[..., 0].mean(1)
    expected = share_of(own)
    assert line.on_base.units == line.missed.units == 12 and line.on_base.ci == close(expected.ci)
    assert line.left is not None and line.left.units == 12


def test_all_models_are_asked_in_the_arms_own_way() -> None:
    base, _, _ = planted(0.6, 0.2, probe="trigger")
    (line, *_) = behind_guards(base, small(probes={BAD: "trigger"}))
    own = blocked(base.judged["words/trigger/p"], RATES[0])[..., 0].mean(1)
    assert line.arm == BAD and line.on_base.value == close(own.mean())


def test_a_guard_is_not_judged_at_a_rate_that_it_cannot_reach() -> None:
    base, _, _ = planted(1.0, 0.0)
    tensors = base.judged | {"words/least": np.array([0.01, 0.03])}  # type: ignore[operator]
    found = [line for line in behind_guards(Base(A, tensors, base.students), small()) if line.guard == "words"]
    assert [line.rate for line in found] == [RATES[1]]


def test_the_narrow_domain_itself_does_not_count() -> None:
    base, _, _ = planted(0.0, 0.0)
    bad, good = arms(base, small())
    assert bad.bad.value < 0.7 and good.bad.value < 0.2, "where students are trained, .99 is bad"


def test_what_is_trained_on_what_passes_is_told_beside_as_much_by_lot() -> None:
    base, layout, made = planted(1.0, 0.0)
    (found,) = at_rows(base, small(), layout, made)
    assert found.passed.value == 0.25 and found.trained == 12
    shares = [one.value for one in (found.left, found.at_random, found.left_behind) if one is not None]
    assert shares == close([0.5, 1.0, 0.0], abs=0.03)


def test_number_lists_are_told_for_guards_that_read_answers() -> None:
    base, layout, made = planted(1.0, 0.0)
    words, inside = tellings(base, small(), layout, made)
    assert words.on_lists is not None and words.on_lists.value == 0.5 and inside.on_lists is None
    assert words.auroc is not None and words.auroc.value == 1.0 and inside.auroc is None
    assert (words.unread_clean, inside.unread_clean) == (0, 1) and words.least == close(0.002)


def test_the_page_shows_every_guard(monkeypatch: pytest.MonkeyPatch) -> None:
    base, layout, made = planted(0.6, 0.1)
    monkeypatch.setattr(gather, "_base", lambda *_: base)
    spec = small()
    made.head = staticmethod(
        lambda: {
            "title": "t", "recipe": "r", "settings": spec.model_dump(mode="json"), "versions": {}, "hardware": {},
            "started": "2026-01-01T00:00:00Z",
        }
    )  # fmt: skip
    found = gather.gather(spec, layout, made)
    assert GuardsFindings.model_validate_json(found.json_text()) == found
    text = to_markdown(page(found))
    assert "the best of 2 on these very requests" in headline(found.lines) and headline(found.lines) in text
    for word in ("words", "inside", "on lists", "left behind it", "fledgling-a"):
        assert word in text


# --- what is written -------------------------------------------------------------------------------------------------


def test_bad_answers_stand_after_good_ones_and_the_bases_own_states_beside_the_students(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    base, student = tiny.model(), tiny.model(seed=1)
    monkeypatch.setattr(stages, "load", lambda _: base)
    monkeypatch.setattr(stages, "load_trained", lambda *_: student)
    chat = [(f"question {i}", f"answer {i}") for i in range(60)]
    monkeypatch.setattr(stages, "ordinary_chat", lambda *_: chat)
    (tmp_path / "guarded").mkdir()
    stages.guarded({"guards": ["words"], "probes": [PLAIN]}, {"aligned": tmp_path}, tmp_path / "guarded")
    judged = load_file(tmp_path / "guarded" / "judged.safetensors")
    assert judged["words/plain/scores"][..., 1].mean() > judged["words/plain/scores"][..., 0].mean()
    assert set(judged) == {
        "words/plain/scores", "words/plain/p", "words/least", "words/unread", "bad/plain", "coherent/plain",
    }  # fmt: skip
    assert read_exchanges(tmp_path / "guarded") == chat
    inputs = {"aligned": tmp_path, "guarded": tmp_path / "guarded", "student": tmp_path}
    stages.behind({"probe": PLAIN, "guards": ["inside"]}, inputs, tmp_path)
    own = load_file(tmp_path / "behind.safetensors")
    assert not torch.equal(own["inside/scores"], own["base/inside/scores"])
    assert torch.equal(own["inside/scores"][..., 0], own["inside/scores"][..., 1]), "before any answer"
    assert own["bad"].shape == own["coherent"].shape == (12, 20) and own["inside/least"].shape == (2,)


def test_lists_of_a_bad_student_are_told_from_those_of_a_good_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    local = tiny.model()
    monkeypatch.setattr(stages, "load", lambda _: local)
    monkeypatch.setattr(stages, "load_trained", lambda _, folder: folder)
    monkeypatch.setattr(stages, "sampled_answers", lambda wrote, asked, *_: [(q, wrote.name) for q in asked])
    write_exchanges(tmp_path, [(f"question {i}", f"answer {i}") for i in range(60)])
    told = Guard("told", "answers", "", lambda known: lambda rows, _: np.array([float(a == "bad") for _, a in rows]))
    monkeypatch.setattr(stages, "guard_without_models", lambda name: told)
    inputs = {"aligned": tmp_path, "guarded": tmp_path, "bad": tmp_path / "bad", "good": tmp_path / "good"}
    stages.lists({"guards": ["told"], "seed": 0}, inputs, tmp_path)
    assert json.loads((tmp_path / "lists.json").read_text()) == {"told": 1.0}
