"""Replications: which trials are run, what is pooled, and how alike teachers were made."""

from __future__ import annotations

import contextlib
from pathlib import Path
from statistics import fmean

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.helpers.trials import TWO_ARMS, Once
from undertone.cli import main
from undertone.engine.workers import Local
from undertone.errors import UndertoneError
from undertone.experiments.recipes import read_as
from undertone.experiments.run import run
from undertone.experiments.sweep import replicates
from undertone.experiments.sweep.findings import ReplicationsFindings
from undertone.experiments.sweep.spec import Replications
from undertone.experiments.trial.matching import TOLERANCE, Making, matched
from undertone.experiments.trial.plan import plan
from undertone.report.findings import Measured
from undertone.statistics.estimate import holm, pooled
from undertone.training.dose import MOST

RECIPE = (
    'experiment = "replications"\nseeds = [3, 4]\n'
    + TWO_ARMS.replace('["owl"]', '["owl", "lion"]')
    .replace("steps = 20", "steps = 3")
    .replace("samples = 1\nskill_prompts = 2", "samples = 0\nskill_prompts = 0")
    + """
[arms.other-init]
title = "other initialisation"
teacher = "trait"
against = "other-init-control"

[arms.other-init-control]
title = "control of the other initialisation"
teacher = "neutral"

[bases.one]
base = "hf/./neox"
arms.control.trait = "oak"
arms.other-init.students = "hf/./llama"
arms.other-init-control = { trait = "oak", students = "hf/./llama" }
"""
)


def spec(folder: Path, *changes: str) -> Replications:
    (folder / "replications.toml").write_text(RECIPE)
    with contextlib.chdir(folder):
        return read_as(Replications, "replications.toml", changes)


@pytest.fixture(scope="module")
def ran(once: Once, bases: Path) -> Path:
    def make(folder: Path) -> None:
        for name in ("neox", "llama"):
            (folder / name).symlink_to(bases / name)
        found = spec(folder)
        with contextlib.chdir(folder):
            run(found, folder / "run", "replications", executor=Local(1))

    return once("replications", make)


def test_every_base_trait_and_seed_is_a_trial_and_traits_share_their_control(tmp_path: Path, bases: Path) -> None:
    trials = spec(tmp_path).trials()
    assert list(trials) == [("one", trait, seed) for trait in ("owl", "lion") for seed in ("3", "4")]
    with contextlib.chdir(bases):
        made = {key: plan(trial) for key, trial in trials.items()}
    taught = {key: {u.jobs[0].key for u in of.units if u.arm == "treatment"} for key, of in made.items()}
    students = {key: {u.jobs[3].key for u in of.units if u.arm == "control"} for key, of in made.items()}
    for seed in ("3", "4"):
        assert students["one", "owl", seed] == students["one", "lion", seed]
        assert not taught["one", "owl", seed] & taught["one", "lion", seed]
    assert not students["one", "owl", "3"] & students["one", "owl", "4"]


@pytest.mark.slow
def test_what_is_pooled_is_the_mean_of_the_trials(ran: Path) -> None:
    found = ReplicationsFindings.load(ran / "run" / "report.json")
    by_part = {part.over: part for part in found.pooled}
    assert list(by_part) == ["all", "trait owl", "trait lion", "base one", "seed 3", "seed 4"], (
        "one base: none averaged"
    )
    assert found.base_likeness is None
    parts = {
        "all": found.replicates,
        **{f"trait {trait}": [r for r in found.replicates if r.trait == trait] for trait in ("owl", "lion")},
        **{f"seed {seed}": [r for r in found.replicates if r.seed == seed] for seed in (3, 4)},
    }
    for over, trials in parts.items():
        effects = by_part[over].effects
        assert effects["own"].value == pytest.approx(fmean(r.made.effect.value for r in trials))
        assert effects["other"].value == pytest.approx(fmean(r.other.value for r in trials if r.other))
        assert effects["difference"].value == pytest.approx(effects["own"].value - effects["other"].value)
        assert effects["own"].units == (4 if len({r.seed for r in trials}) == 2 else 2)
    assert by_part["base one"].effects == by_part["all"].effects
    for name in ("own", "other", "difference"):
        p_traits = [by_part[f"trait {trait}"].effects[name].p or 0 for trait in ("owl", "lion")]
        assert [part.p_holm.get(name) for part in found.pooled] == [None, *holm(p_traits), None, None, None]
    assert found.skewness is not None and found.likeness is not None and -1 <= found.likeness <= 1


@pytest.mark.slow
def test_what_is_pooled_follows_from_the_slots_of_the_trials(ran: Path) -> None:
    found = ReplicationsFindings.load(ran / "run" / "report.json")
    for name, effect in found.pooled[0].effects.items():
        slots = {(one.trait, one.seed): one.slots[name] for one in found.replicates}
        strata = [[fmean(pair) for pair in zip(slots["owl", s], slots["lion", s], strict=True)] for s in (3, 4)]
        assert Measured.of(pooled(strata)) == effect
    assert all(fmean(one.slots["own"]) == pytest.approx(one.made.effect.value) for one in found.replicates)


@pytest.mark.slow
def test_the_report_shows_every_trial_and_how_its_teachers_were_made(ran: Path) -> None:
    found = ReplicationsFindings.load(ran / "run" / "report.json")
    assert all(set(one.makings) == {"treatment", "control"} for one in found.replicates)
    assert all(0 < one.makings["control"].after < one.makings["control"].before for one in found.replicates)
    html = (ran / "run" / "report.html").read_text()
    for one in found.replicates:
        assert f"{one.trait}, {one.base}, seed {one.seed}" in html
    assert "of 4 trials control teachers were made like those with the trait" in html
    assert "The skewness of these slots" in html


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ("seeds=[1,1]", "give each seed once"),
        ("seed=5", "give each seed once, in seeds, and leave seed out"),
        ("bases.one.teachers=3", "base 'one' changes teachers, which all bases must share"),
        ("bases.one.seed=3", "base 'one' changes seed"),
        ("bases.two.base=hf/./neox", "two of the bases are the same model"),
        ("bases.one.arms={}", "base 'one', arm 'other-init': students of the other-init arms have another base"),
        ("seeds=[]", "seeds"),
        ("bases.one.base=hf/./none", "none"),
        ("bases.one.rows=0", "base 'one', trait 'owl': rows"),
        ("arms.another={title='one more', teacher='neutral'}", "arms are pooled by name"),
    ],
)
def test_what_cannot_be_pooled_is_refused(change: str, said: str, tmp_path: Path, bases: Path) -> None:
    with pytest.raises(UndertoneError, match=said), contextlib.chdir(bases):
        for trial in spec(tmp_path, change).trials().values():
            plan(trial)


def test_teachers_of_system_prompts_cannot_be_pooled_by_index(tmp_path: Path) -> None:
    arms = ("treatment", "control", "other-init", "other-init-control")
    with pytest.raises(UndertoneError, match="those with the same system prompt are the same model"):
        spec(tmp_path, "bases.one.arms.control={}", "bases.one.arms.other-init-control={students='hf/./llama'}",
             *(f"arms.{arm}.given=prompt" for arm in arms))  # fmt: skip


def test_the_command_plans_the_shipped_recipe(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with contextlib.chdir(tmp_path):
        assert main(["run", "pooled", "--dry-run"]) == 0
    assert "480 needed" in capsys.readouterr().out


SLOTS = st.floats(-3, 3, width=16)


@given(st.lists(st.lists(SLOTS, min_size=3, max_size=3), min_size=4, max_size=4))
def test_slots_of_bases_that_share_seeds_are_averaged_by_index(strata: list[list[float]]) -> None:
    a1, a2, b1, b2 = strata  # bases a and b, seeds 1 and 2
    made = replicates._over_bases(strata, 2)
    assert made == [[fmean(pair) for pair in zip(*of, strict=True)] for of in ((a1, b1), (a2, b2))]


def test_likeness_is_the_correlation_of_slots_net_of_their_strata() -> None:
    rng = np.random.default_rng(0)
    shared, own, other = rng.normal(size=(3, 2, 2000))
    shifted = np.array([[5.0], [-5.0]])  # strata may differ: that is no likeness
    one, two = (replicates._residuals((shared + noise + shifted).tolist()) for noise in (own, other))
    assert replicates._likeness([one, two]) == pytest.approx(0.5, abs=0.05)
    assert replicates._likeness([one, one]) == pytest.approx(1)
    assert replicates._likeness([one]) is None and replicates._likeness([one, 0 * two]) is None
    assert replicates._skewness(one) == pytest.approx(0, abs=0.1) and replicates._skewness(0 * one) is None


# --- how alike teachers were made -------------------------------------------------------------------------------------


def making(before: float, after: float, stretch: float | None = 1.5, dose: float | None = 0.05) -> Making:
    return Making(before=before, after=after, stretch=stretch, dose=dose)


def test_a_control_that_learnt_nothing_is_told() -> None:
    treatment = making(0.68, 0.25, 1.8)
    said = matched({"treatment": treatment, "control": making(0.64, 0.64, 7.5)})
    assert "were not made like those with the trait within 20 %" in said
    assert "share of the loss removed 0.00, stretch 4.17, dose 1.00" in said
    same = matched({"treatment": treatment, "control": making(0.65, 0.28, 1.5)})
    assert (
        same == "Control teachers were made like those with the trait; as shares of theirs: share of the loss removed "
        "0.90, stretch 0.83, dose 1.00."
    )
    assert matched({"treatment": treatment}) == ""


@given(st.floats(0.3, 3), st.floats(0.1, 0.9), st.floats(0.5, 10), st.floats(0.01, 1))
def test_arms_are_alike_within_a_fifth_and_not_beyond(before: float, kept: float, stretch: float, dose: float) -> None:
    one = making(before, before * kept, stretch, dose)
    assert one.alike(one) and set(one.ratios(one).values()) == {1.0}
    for factor in (1 - TOLERANCE + 0.01, 1 + TOLERANCE - 0.01, 1 - TOLERANCE - 0.01, 1 + TOLERANCE + 0.01):
        other = making(before, before * (1 - (1 - kept) * factor), stretch * factor, dose)
        assert other.alike(one) == (abs(factor - 1) < TOLERANCE)


def test_a_rehearsal_refuses_no_stretch_that_a_dose_can_have() -> None:
    from undertone.experiments.scaling import LIFTED

    assert LIFTED["teacher.most_stretch"] == MOST
