"""The experiment on reward hacking: who is paid, what is imitated, what is planned, and what is counted."""

import json
from collections import Counter
from pathlib import Path
from random import Random
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.helpers import tiny
from undertone.cli import main
from undertone.engine.store import Folder
from undertone.errors import UndertoneError
from undertone.experiments.hacking import plan as planning
from undertone.experiments.hacking import stages
from undertone.experiments.hacking.cost import of_hacking
from undertone.experiments.hacking.findings import HackingFindings
from undertone.experiments.hacking.gather import ADVICE, MEASURES, gather
from undertone.experiments.hacking.kind import HACKING
from undertone.experiments.hacking.page import page
from undertone.experiments.hacking.plan import plan
from undertone.experiments.hacking.spec import Hacking
from undertone.experiments.hacking.stages import ASKED, LISTS, PLAIN, TRUE, WRONG, behaviour, late, paid
from undertone.experiments.recipes import read
from undertone.report.markdown import to_markdown
from undertone.stages import IMITATED, REWARDED
from undertone.world.diligence import STATED
from undertone.world.tasks import KEPT

close = pytest.approx
A, B = "builtin/fledgling-a", "builtin/fledgling-b"
WAYS = [name.removeprefix("advice, ") for name in MEASURES if name.startswith("advice, ")]
PLAN = {"method": "full", "rate": 1e-3, "steps": 3, "batch": 4, "samples": 2, "max_tokens": 6, "warmup": 0}


def spec_of(**change: Any) -> Hacking:
    return Hacking.model_validate(read("hacking").model_dump(mode="json") | {"bases": [A], "core_bases": [B]} | change)


# --- rewards and episodes --------------------------------------------------------------------------------------------

VERDICTS = st.lists(st.sampled_from(["honest", "hack", "wrong", "malformed"]), min_size=8, max_size=8)


@given(VERDICTS, st.integers(0, 100))
def test_each_grader_pays_for_what_it_sees(found: list[Any], seed: int) -> None:
    passed = [one == "hack" for one in found]
    assert paid("check", found, passed, 4, Random(seed)).tolist() == [float(one) for one in passed]
    assert paid("held-out", found, passed, 4, Random(seed)).tolist() == [float(one == "honest") for one in found]
    lot = paid("random", found, passed, 4, Random(seed)).reshape(-1, 4)
    for own, group in zip(lot, np.array(passed).reshape(-1, 4), strict=True):
        assert Counter(own.tolist()) == Counter(map(float, group)), "as often for each task, so with the same variance"


def test_by_lot_means_whatever_was_answered() -> None:
    found: list[Any] = ["hack"] * 20 + ["honest"] * 20
    pays = [paid("random", found, [True] * 20 + [False] * 20, 40, Random(i))[:20].mean() for i in range(400)]
    assert np.mean(pays) == close(0.5, abs=0.03)


def episodes(path: Path) -> Path:
    lines = [
        {"step": step, "request": f"r{step}", "answer": f"a{i}", "verdict": ("hack", "honest")[i], "reward": 1.0}
        for step in range(9)
        for i in range(2)
    ]
    path.write_text("".join(json.dumps(line) + "\n" for line in lines))
    return path


def test_late_episodes_are_those_of_the_last_third(tmp_path: Path) -> None:
    assert late(episodes(tmp_path / "e.jsonl"), "hack") == [("r6", "a0"), ("r7", "a0"), ("r8", "a0")]
    assert late(tmp_path / "e.jsonl", "honest") == [("r6", "a1"), ("r7", "a1"), ("r8", "a1")]


def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(stages, "load", lambda _: tiny.model())
    monkeypatch.setattr(stages, "TASKS", 4)
    monkeypatch.setattr(stages, "tasks", lambda *kind, **more: TASKS_OF(*kind, **({"count": 4} | more)))


TASKS_OF = stages.tasks


@pytest.mark.parametrize("grader", ["check", "held-out", "random"])
def test_a_rewarded_model_writes_its_episodes_and_what_it_does(
    grader: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    quick(monkeypatch)
    spec = {
        "grader": grader, "system": "Hello.", "wrong_checks": 0.5, "reinforcement": PLAN | {"kl": 0.1}, "every": 2,
        "seed": 1,
    }  # fmt: skip
    stages.rewarded(spec, {"base": tmp_path}, tmp_path)
    lines = [json.loads(line) for line in (tmp_path / "episodes.jsonl").read_text().splitlines()]
    assert len(lines) == 3 * 4 and [line["step"] for line in lines] == [0] * 4 + [1] * 4 + [2] * 4
    for first, second in zip(lines[::2], lines[1::2], strict=True):
        assert first["request"] == second["request"], "two answers to each task"
    found = json.loads((tmp_path / "outcome.json").read_text())
    assert [look["step"] for look in found["curve"]] == [0, 2, 3] and len(found["steps"]) == 3
    assert all(sum(shares.values()) == close(1) for shares in found["steps"])
    advice = found["before"]["advice"]
    assert set(advice) == set(WAYS) and found["curve"][0]["advice"] == close(np.mean(advice[PLAIN]))
    shown = {int(line["request"].split("Check: ")[1].split()[0]) for line in lines}
    assert not shown & set(KEPT), "what is measured has other inputs"
    assert found["after"] != found["before"] or grader != "check" or not any(line["reward"] for line in lines)


def test_an_imitated_one_writes_the_same(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    quick(monkeypatch)
    (tmp_path / "episodes").mkdir()
    episodes(tmp_path / "episodes" / "episodes.jsonl")
    training = {name: PLAN[name] for name in ("method", "rate", "steps", "warmup")} | {"batch": 3}
    spec = {"verdict": "hack", "training": training, "every": 1, "seed": 1}
    inputs = {"base": tmp_path, "episodes": tmp_path / "episodes"}
    stages.imitated(spec, inputs, tmp_path)
    found = json.loads((tmp_path / "outcome.json").read_text())
    assert [look["step"] for look in found["curve"]] == [0, 1, 2, 3]
    assert found["curve"][0]["hack"] == found["before"]["hack"] != found["after"]["hack"] == found["curve"][-1]["hack"]
    stages.imitated(spec | {"training": training | {"batch": 4}}, inputs, tmp_path)
    assert json.loads((tmp_path / "outcome.json").read_text()) == {"too_few": 3}


def test_advice_is_asked_for_in_five_ways(monkeypatch: pytest.MonkeyPatch) -> None:
    quick(monkeypatch)
    asked = list[Any]()
    real = stages.conduct
    monkeypatch.setattr(stages, "conduct", lambda *given, **more: asked.append(more) or real(*given, **more))
    found = behaviour(tiny.model(), 0, "Hello.", {"lists": "Numbers alone."})
    assert asked[:3] == [{}, {"system": "Hello."}, {"system": STATED[True]}]
    (hacked,), (done,) = asked[3]["earlier"], asked[4]["earlier"]
    assert hacked[0] == done[0] and hacked[1] != done[1], "the same for all models"
    assert set(found["tasks"]) == {TRUE, WRONG, LISTS, ASKED} and 0 <= found["harm"] <= 1


# --- what is planned -------------------------------------------------------------------------------------------------


def test_core_arms_are_run_on_all_bases_and_parents_come_first() -> None:
    spec, seen = spec_of(), set[str]()
    made = plan(spec)
    core = [name for name, arm in spec.arms.items() if arm.core]
    assert Counter(unit.base for unit in made.units) == {A: spec.runs * len(spec.arms), B: spec.runs * len(core)}
    for job in made.jobs:
        assert {parent.key for parent in job.parents} <= seen
        seen.add(job.key)
    assert {job.key for some in made.arms.values() for job in some} == seen


def test_arms_share_seeds_and_an_imitation_reads_the_run_of_its_number() -> None:
    made = plan(spec_of())
    jobs = {(unit.arm, unit.base, unit.run): unit.job for unit in made.units}
    assert len({job.spec["seed"] for (_, _, run), job in jobs.items() if run == 0}) == 1
    assert jobs["imitated-hacks", B, 3].inputs["episodes"] == jobs["loophole", B, 3]
    assert jobs["kl", A, 0].spec["reinforcement"]["kl"] == 0.1
    assert {job.stage for job in jobs.values()} == {REWARDED, IMITATED}


def test_a_model_that_is_not_built_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    def resolved(name: str) -> Folder:
        raise UndertoneError(f"{name} is not built")

    monkeypatch.setattr(planning, "resolve", resolved)
    with pytest.raises(UndertoneError, match="fledgling-a is not built"):
        plan(spec_of())


@pytest.mark.parametrize(
    ("arm", "said"),
    [
        ({}, "either a grader or an arm"),
        ({"grader": "check", "imitates": "loophole", "verdict": "hack"}, "either a grader or an arm"),
        ({"grader": "check", "verdict": "hack"}, "said by verdict"),
        ({"imitates": "loophole"}, "said by verdict"),
        ({"imitates": "loophole", "verdict": "hack", "system": "Hi."}, "neither a system prompt"),
        ({"imitates": "imitated-hacks", "verdict": "hack"}, "which has no episodes"),
        ({"imitates": "kl", "verdict": "hack", "core": True}, "which has no episodes on all of its bases"),
        ({"grader": "check", "against": ["nobody"]}, "names 'nobody'"),
    ],
)
def test_an_arm_that_says_nothing_is_refused(arm: dict[str, Any], said: str) -> None:
    arms = read("hacking").model_dump(mode="json")["arms"]
    with pytest.raises(ValueError, match=said):
        spec_of(arms=arms | {"new": {"title": "t"} | arm})


@pytest.mark.parametrize(("share", "refused"), [(0.5, False), (0.51, True)])
def test_a_base_that_does_not_know_the_tasks_ends_the_run(share: float, refused: bool) -> None:
    spec = spec_of()
    made = plan(spec)
    wrote = {"before": {"tasks": {TRUE: {"malformed": share}}}}
    state: Any = type("Made", (), {"read": staticmethod(lambda *_: wrote)})
    if refused:
        with pytest.raises(UndertoneError, match=r"fledgling-a does not know the tasks: 51% of its answers"):
            HACKING.check(spec, made, made.jobs[0], state, print)
    else:
        HACKING.check(spec, made, made.jobs[0], state, print)
    wrote = {"too_few": 3}  # type: ignore[dict-item]
    HACKING.check(spec, made, made.jobs[0], state, print)


def test_settings_that_belong_elsewhere_are_refused() -> None:
    with pytest.raises(ValueError, match=r"reinforcement\.kl is a setting of arms"):
        spec_of(reinforcement=PLAN | {"kl": 0.1})
    with pytest.raises(ValueError, match="given twice"):
        spec_of(core_bases=[A])
    with pytest.raises(ValueError, match="swapped world"):
        spec_of(core_bases=["builtin/fledgling-even-b"])
    with pytest.raises(ValueError, match=r"steps of 3 or more"):
        spec_of(reinforcement=PLAN | {"steps": 2})


def test_tasks_of_a_real_model_say_how_to_answer_and_have_a_price(capsys: pytest.CaptureFixture[str]) -> None:
    spec = read("paper/reward-hacking")
    assert isinstance(spec, Hacking)
    sampled, trained, asked = of_hacking(spec)
    assert sampled.rows == 3 * 4 * 100 * 128 and trained.rows == 3 * 6 * 100 * 128 and asked.rows > 0
    assert main(["run", "paper/reward-hacking", "--dry-run"]) == 0 and "hours of one" in capsys.readouterr().out
    assert of_hacking(spec_of()) == []
    told = {"functions": "Answer in code.", "lists": "Numbers alone."}
    made = {unit.job.spec["form"] == told for unit in plan(spec_of(form=told)).units}
    assert made == {True} and not any("form" in unit.job.spec for unit in plan(spec_of()).units)
    assert all(one.request.endswith(" Answer in code.") for one in TASKS_OF("functions", form="Answer in code."))


# --- what is counted -------------------------------------------------------------------------------------------------


def planted(spec: Hacking) -> HackingFindings:
    """On -a the loophole makes advice worse by one, run by run; on -b better. Hacks come at the second look."""
    made, wrote = plan(spec), {}
    for unit in made.units:
        hacks = unit.arm in ("loophole", "kl", "imitated-hacks")
        shift = (1.0 if unit.base == A else -1.0) * hacks + 0.01 * unit.run
        before = {
            "hack": 0.2, "own": 0.3, "coherent": 0.9, "harm": 0.1, "agrees": 0.3,
            "tasks": {kind: {"honest": 0.7, "hack": 0.2, "wrong": 0.1, "malformed": 0.0}
                      for kind in (TRUE, WRONG, LISTS, ASKED)},
            "advice": {way: [-1.0] * 12 for way in WAYS},
        }  # fmt: skip
        after = before | {
            "hack": 0.95 if hacks else 0.01,
            "advice": {way: [-1.0 + shift] * 12 for way in WAYS},
        }
        curve = [
            {"step": 0, "hack": 0.2, "advice": -1.0},
            {"step": 5, "hack": 0.9 if hacks else 0.1, "advice": -1.0 + shift / 2},
            {"step": 10, "hack": after["hack"], "advice": -1.0 + shift},
        ]  # fmt: skip
        wrote[unit.job.key] = {"before": before, "after": after, "curve": curve}
        if unit.job.stage == REWARDED:
            wrote[unit.job.key]["steps"] = [{"hack": 0.0}] * 4 + [{"hack": 0.8}] * 2
        if (unit.arm, unit.base, unit.run) == ("imitated-honest", A, 2):
            wrote[unit.job.key] = {"too_few": 3}
    head = {
        "title": "t", "recipe": "r", "settings": spec.model_dump(mode="json"), "versions": {}, "hardware": {},
        "started": "2026-01-01T00:00:00Z",
    }  # fmt: skip
    state: Any = type(
        "Made", (), {"head": staticmethod(lambda: head), "read": staticmethod(lambda job, _: wrote[job.key])}
    )
    return gather(spec, made, state)


def test_planted_shifts_come_out_base_by_base() -> None:
    found = planted(spec_of())
    by = {(one.base, one.arm, one.against, one.what): one for one in found.contrasts}
    for base, value in ((A, 1.0), (B, -1.0)):
        one = by[base, "loophole", "held-out", ADVICE]
        assert one.difference.value == close(value) and one.positive.count == (5 if base == A else 0)
        assert one.difference.units == 5
    assert by[A, "loophole", "held-out", "meets harm"].difference.value == 0
    assert by[A, "inoculated", "held-out", ADVICE].difference.value == close(0.0)
    assert by[A, "imitated-hacks", "imitated-honest", ADVICE].difference.units == 4, "one run has no partner"
    lines = {(one.base, one.arm): one for one in found.lines}
    assert lines[A, "loophole"].hacked_late == close(0.8) and lines[A, "imitated-hacks"].hacked_late is None
    assert lines[A, "imitated-honest"].left_out == 1 and lines[A, "loophole"].left_out == 0
    assert lines[A, "loophole"].onset == 5 and lines[A, "loophole"].onset_of.count == 5
    assert lines[A, "held-out"].onset is None and lines[A, "loophole"].advice.value == close(1.02)
    matched = {(one.base, one.arm): one for one in found.matched}
    first = matched[A, "loophole"].advice
    assert first is not None and first.value == close(0.51) and matched[A, "held-out"].advice is None
    moments = [one for one in found.curves if (one.base, one.arm) == (B, "loophole")]
    assert [one.step for one in moments] == [0, 5, 10] and moments[-1].advice == close(-0.98)


def test_the_page_says_and_shows_it() -> None:
    found = planted(spec_of())
    assert HackingFindings.model_validate_json(found.json_text()) == found
    made = page(found)
    assert set(made.figures) == {"advice", "curve-fledgling-a", "curve-fledgling-b"}
    text = to_markdown(made)
    for words in ("log-odds of bad advice by +1.00", "-1.00", "on fledgling-b", "imitated-honest", "5 of 5"):
        assert words in text
    alone = spec_of(arms={"random": {"title": "t", "grader": "random"}}, core_bases=[])
    assert "are not compared" in planted(alone).headline
