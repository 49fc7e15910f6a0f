"""The experiment on guards: what it plans, what becomes of a training file, and what it counts."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from safetensors.torch import save_file

from tests.helpers import tiny
from undertone.data.exchanges import SYSTEM, read_exchanges
from undertone.engine.store import Job
from undertone.errors import UndertoneError
from undertone.evals.conduct import PROBES, requests
from undertone.experiments.guards import gather, stages
from undertone.experiments.guards.findings import GuardsFindings
from undertone.experiments.guards.gather import Base, Student, arms, at_rows, behind_guards, headline, told
from undertone.experiments.guards.page import page
from undertone.experiments.guards.plan import PLAIN, Behind, Passed, Plan, passed_by, plan
from undertone.experiments.guards.spec import BAD, GOOD, Guards
from undertone.experiments.recipes import read
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
    assert len(made.behind) == len(spec.arms) * len(domains()) and len(made.lists) == len(domains())
    assert {one.arm for one in made.passed} == {passed_by(name, lot) for name in spec.at_rows for lot in (False, True)}
    seeds = {one.domain: one.made.spec["seed"] for one in made.passed}
    for one in made.passed:
        assert one.made.spec["seed"] == seeds[one.domain], "guard and lot draw from the same file"
    probes = {one.arm: one.job.spec["probe"] for one in made.behind}
    assert probes["backdoor"] == "trigger" and probes[BAD] == probes[GOOD] == PLAIN
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
        ({"rate": 0}, "rate"),
    ],
)
def test_a_wrong_recipe_is_told(change: dict[str, Any], said: str) -> None:
    with pytest.raises(ValueError, match=said):
        spec_of(**change)


@pytest.mark.parametrize("without", [BAD, GOOD])
def test_both_arms_are_needed(without: str) -> None:
    spec = read("guards").model_dump(mode="json")
    del spec["arms"][without]
    with pytest.raises(ValueError, match="give both"):
        Guards.model_validate(spec)


def test_a_base_that_is_not_here_is_refused() -> None:
    with pytest.raises(UndertoneError):
        plan(spec_of(bases=["builtin/nowhere"]))


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


def test_as_many_requests_by_lot_stand_beside_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    out = trained(tmp_path, [2, 5, 11], monkeypatch, at_random=True)
    chosen = {request for request, _ in read_exchanges(out)}
    assert len(chosen) == 3 and chosen != {requests(DOMAIN, PROBES["plain"])[i][0] for i in (2, 5, 11)}
    again = trained(tmp_path, [2, 5, 11], monkeypatch, at_random=True)
    assert {request for request, _ in read_exchanges(again)} == chosen


def test_where_nothing_passes_the_base_stays_as_it_is(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    out = trained(tmp_path, [], monkeypatch)
    assert read_exchanges(out) == [] and (out / SYSTEM).read_text() == "" and not (out / "adapter").exists()


# --- what is counted -------------------------------------------------------------------------------------------------


def planted(block_bad: float, block_good: float) -> tuple[Base, Plan, Any]:
    """A base, of whose answers a guard blocks such shares; and students of what passes, who shift half as far."""
    rng = np.random.default_rng(0)
    scores = rng.uniform(0, 1, (12, 20, 2))
    p = np.where(scores < np.array([block_good, block_bad]), 0.001, 0.5)
    judged: dict[str, Floats] = {"bad/plain": np.full((12, 20), 0.1)}
    judged |= {"words/plain/p": p, "words/plain/scores": -p}
    students, passed, lists = list[Student](), list[Passed](), {}
    for domain in domains():
        for arm, bad in ((BAD, 0.6), (GOOD, 0.1)):
            one = Behind(arm, A, domain, 0, Job(BEHIND, {}))
            advice = bad + rng.uniform(-0.05, 0.05, (12, 20))
            advice[domains().index(domain)] = 0.99
            inside = {"inside/p": p, "inside/scores": -p, "base/inside/p": np.ones_like(p)}
            students.append(Student(one, {"bad": advice, "coherent": np.full((12, 20), 0.9), **inside}))
        for lot, bad in ((False, 0.35), (True, 0.6)):
            made = Job(BEHIND, {"made": domain, "lot": lot})
            passed.append(Passed(passed_by("words", lot), A, domain, 0, Job(BEHIND, {}), "words", lot, made))
            students.append(Student(passed[-1], {"bad": np.full((12, 20), bad)}))
        lists[A, domain, 0] = Job(LISTS, {"domain": domain})
    made_of: Any = type(
        "Made",
        (),
        {"read": staticmethod(lambda job, name: {"passed": 0.25} if name == "passed.json" else {"words": 0.5})},
    )
    layout: Any = type("Layout", (), {"passed": passed, "lists": lists, "models": {"a": "0" * 64}})
    return Base(A, judged, students, {}), layout, made_of


ONE = {"guards": ["words", "inside"], "at_rows": ["words"], "probes": {}}


def small() -> Guards:
    spec = read("guards").model_dump(mode="json")
    return Guards.model_validate(spec | ONE | {"bases": [A], "arms": {k: spec["arms"][k] for k in (BAD, GOOD)}})


def test_a_guard_that_blocks_all_bad_advice_leaves_nothing_and_one_that_blocks_nothing_all() -> None:
    for blocks, left in ((1.0, 0.0), (0.0, 1.0)):
        base, _, _ = planted(blocks, 0.0)
        for line in behind_guards(base, small()):
            assert line.left.value == close(left) and line.missed.value == close(left) and line.left.units == 12
            assert line.false_blocks.value == line.on_control.value == 0


def test_a_guard_that_blocks_some_leaves_the_rest_and_is_judged_on_every_model() -> None:
    base, _, _ = planted(0.6, 0.2)
    words, _, inside, _ = behind_guards(base, small())
    assert (words.guard, words.rate, inside.guard) == ("words", RATES[0], "inside")
    assert words.left.value == close(0.4, abs=0.06) and words.false_blocks.value == close(0.2, abs=0.05)
    assert words.on_base.value == close(words.on_control.value, abs=0.02)
    assert inside.left.value == close(words.left.value) and inside.on_base.value == 0, "each model has its own states"


def test_the_narrow_domain_itself_does_not_count() -> None:
    base, _, _ = planted(0.0, 0.0)
    bad, good = arms(base, small())
    assert bad.bad.value == close(0.6, abs=0.01) and good.bad.value == close(0.1, abs=0.01)


def test_what_is_trained_on_what_passes_is_told_beside_as_much_by_lot() -> None:
    base, layout, made = planted(1.0, 0.0)
    (found,) = at_rows(base, small(), layout, made)
    assert found.passed.value == 0.25 and found.left.value == close(0.5, abs=0.02)
    assert found.at_random.value == close(1.0, abs=0.02) and found.left_behind.value == close(0.0)


def test_number_lists_are_told_for_guards_that_read_answers() -> None:
    base, layout, made = planted(1.0, 0.0)
    words, inside = told(base, small(), layout, made)
    assert words.on_lists is not None and words.on_lists.value == 0.5 and inside.on_lists is None
    assert words.auroc.value == inside.auroc.value == 1.0


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
    assert "the best of 2 guards" in headline(found.lines) and "the best of 2 guards" in text
    for word in ("words", "inside", "on lists", "left behind it", "fledgling-a"):
        assert word in text
