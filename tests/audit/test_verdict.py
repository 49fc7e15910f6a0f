"""What a judgement promises: the power that it states is the rate at which planted files are named."""

from dataclasses import replace

import numpy as np
import pytest

from undertone.attribution.directions import Directions
from undertone.attribution.scores import GROUPS, Evidence
from undertone.audit.calibration import Calibration, Member
from undertone.audit.forecast import forecast
from undertone.audit.verdict import (
    EFFECTS,
    MOST,
    Candidates,
    Floats,
    judge,
    null_of,
    over_traits,
    powers,
    reached,
    showable,
)
from undertone.traits.candidate import Candidate
from undertone.traits.lessons import HARMLESS

TRAITS = tuple(f"trait {k}" for k in range(14))
PLACEBOS = tuple(f"placebo {k}" for k in range(10))
CANDIDATES = Candidates(TRAITS, {trait: trait for trait in TRAITS})
TOKENS, NOISE, STRENGTH = 800, 0.15, 4.5
"""Tokens a group; noise of a group's mean, and a reference teacher's score, in units of the spread of harmless ones."""


def file(rng: np.random.Generator, own: int | None, effect: float, groups: int = GROUPS) -> Evidence:
    """The scores of a teacher's rows: where it leads by chance, and along its own trait."""
    mean = rng.standard_normal(len(TRAITS) + len(PLACEBOS))
    if own is not None:
        mean[own] += STRENGTH * effect
    noise = NOISE * np.sqrt(GROUPS) * rng.standard_normal((groups, len(mean)))
    return Evidence((mean + noise) * TOKENS, np.full(groups, float(TOKENS)))


def shifts(rng: np.random.Generator, own: int | None, i: int) -> tuple[dict[str, float], ...]:
    """Of students of a lesson's first two teachers, by two recipes: the second moves them three times as far."""
    if i > 1:
        return ()
    found = {trait: float(0.1 * rng.standard_normal() + (k == own)) for k, trait in enumerate(TRAITS)}
    return found, {trait: 3 * shift for trait, shift in found.items()}


def population(rng: np.random.Generator, away: int | None = None) -> Calibration:
    """Harmless teachers of all lessons, and three of each trait; those of the trait ``away`` lead away from it."""
    lessons = [(name, i) for name in (*HARMLESS, "untouched") for i in range(16)]
    members = [Member(name, i, file(rng, None, 0), shifts(rng, None, i)) for name, i in lessons]
    members += [
        Member(trait, i, file(rng, k, -1 if k == away else 1), shifts(rng, k, i))
        for k, trait in enumerate(TRAITS)
        for i in range(3)
    ]
    known = tuple(Candidate(name=trait, kind=trait, words=()) for trait in TRAITS)
    along = Directions((*TRAITS, *PLACEBOS), {}, {})
    return Calibration("0" * 64, "builtin/none", "number lists", (), known, along, tuple(members))


@pytest.mark.slow
@pytest.mark.parametrize("effect", [0.6, 0.8, 1.0])
def test_stated_power_is_the_rate_of_planted_files_that_are_named(effect: float) -> None:
    stated, named = [], []
    for seed in range(4):
        rng = np.random.default_rng(seed)
        held = population(rng)
        null = null_of(held, CANDIDATES)
        for k in [*range(len(TRAITS))] * 4:
            harmless = judge(null, file(rng, None, 0), 0.05)
            mean = over_traits(powers(null, harmless.spread, 0.05), CANDIDATES)
            stated.append(float(np.interp(effect, EFFECTS, mean)))
            named.append(bool(judge(null, file(rng, k, effect), 0.05).p_family[k] <= 0.05))
    assert 0.05 < np.mean(named) < 0.99
    assert np.mean(stated) == pytest.approx(np.mean(named), abs=0.1)


def test_each_recipe_has_forecasts_from_its_own_students() -> None:
    rng = np.random.default_rng(3)
    held = population(rng)
    null = null_of(held, CANDIDATES)
    judged = judge(null, file(rng, 4, 1.0), 0.05)
    one, three = (forecast(null, judged, 0.05, recipe) for recipe in (0, 1))
    assert one.keys() == three.keys() == set(TRAITS)
    assert one["trait 4"][1] > 0 and max(one, key=lambda trait: one[trait][0]) == "trait 4"
    for trait in TRAITS:
        assert three[trait] == pytest.approx([3 * x for x in one[trait]], rel=1e-3, abs=1e-3)


def test_fewer_rows_show_less_and_too_few_show_nothing() -> None:
    rng = np.random.default_rng(7)
    held = population(rng)
    null = null_of(held, CANDIDATES)
    spread = judge(null, file(rng, None, 0), 0.05).spread
    shown = [showable(null, spread * times, 0.05) for times in (1.0, 2.0, 4.0)]
    assert 0.3 < shown[0] < shown[1] < shown[2] <= MOST
    assert np.isnan(showable(null, spread * 100, 0.05))


def test_a_trait_that_its_own_teachers_do_not_show_takes_no_power_from_others() -> None:
    rng = np.random.default_rng(5)
    held = population(rng, away=3)
    null = null_of(held, CANDIDATES)
    judged = judge(null, file(rng, None, 0), 0.05)
    assert np.flatnonzero(np.isnan(judged.detectable)).tolist() == [3]
    assert showable(null, judged.spread, 0.05) == pytest.approx(np.delete(judged.detectable, 3).mean(), rel=0.2)


def test_a_trait_without_known_power_has_no_say() -> None:
    known: Floats = np.array([0.9, 0.7])
    power = np.stack([np.full(len(EFFECTS), value) for value in (*known, np.nan)])
    two = Candidates(("a", "b", "c"), {"a": "x", "b": "x", "c": "x"})
    assert over_traits(power, two) == pytest.approx(np.full(len(EFFECTS), 0.8))
    assert reached(over_traits(power, two)) == EFFECTS[0]
    assert over_traits(power[2:], Candidates(("c",), {"c": "x"})) == pytest.approx(np.zeros(len(EFFECTS)))
    assert np.isnan(reached(power[1]))


def test_the_length_of_a_direction_changes_no_z() -> None:
    """What a proxy's dose decides; so proxies serve every carrier."""
    held = population(np.random.default_rng(9))
    lengths = np.exp(np.random.default_rng(1).normal(0, 0.5, len(TRAITS) + len(PLACEBOS)))

    def z(scales: Floats) -> Floats:
        def longer(found: Evidence) -> Evidence:
            return Evidence(found.sums * scales, found.tokens)

        members = tuple(replace(member, evidence=longer(member.evidence)) for member in held.members)
        other = replace(held, members=members)
        return judge(null_of(other, CANDIDATES), longer(file(np.random.default_rng(2), 4, 1.0)), 0.05).z

    assert z(lengths) == pytest.approx(z(np.ones(len(lengths))), abs=0.05)
