"""From scores to a verdict: what is listed is named, what is spoken of is judged by other rows, and "no evidence" needs
that everything listed was judged and would have been found."""

import math
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from tests.helpers.files import TRAITS, Sums, covariance, file
from undertone.attribution.scores import Evidence
from undertone.audit.families import Family
from undertone.audit.findings import FamilyFinding, TraitFinding
from undertone.audit.proxies import TWIN
from undertone.audit.verdict import Asked, Scored, headline, judged, verdict_of
from undertone.statistics.arrays import Floats
from undertone.traits.trait import Trait

close = pytest.approx
NAMES = tuple(f"trait {k}" for k in range(TRAITS))
NOBODY: frozenset[str] = frozenset()
ASKED = Asked(alpha=0.05, effect=1.0, parts=1)


def family(listed: int = TRAITS) -> Family:
    return Family("favourites", tuple(Trait(name=name, kind="thing", world=True) for name in NAMES), listed)


def scored(rows: Sums, listed: int = TRAITS, speaking: dict[str, slice] | None = None, excess: float = 0.0) -> Scored:
    """Scores with a twin of each trait that needs one; the units in ``speaking`` mention a trait. ``excess``: nats a
    token."""
    rng, twins = np.random.default_rng(0), family(listed).twins
    size = rows.own.std(0)
    second = rows.own[:, list(twins)] + 0.5 * size[list(twins)] * rng.standard_normal((len(rows.own), len(twins)))
    said = [set[str]() for _ in rows.tokens]
    for name, units in (speaking or {}).items():
        for one in said[units]:
            one.add(name)
    names = (*NAMES, *(f"{NAMES[i]}{TWIN}" for i in twins))
    evidence = Evidence(np.hstack([rows.own, second]), rows.tokens, excess * rows.tokens)
    return Scored(evidence, names, tuple(map(frozenset, said)), np.ones(len(said), dtype=bool))


def rows(seed: int = 6, carried: tuple[int, ...] = (), size: float = 0.05, units: int = 300) -> Sums:
    rng = np.random.default_rng(seed)
    return file(rng, covariance(rng, size), units, carried)


def found(finding: FamilyFinding) -> list[str]:
    return [trait.name for trait in finding.traits if trait.found]


def test_repeated_answers_can_carry_a_trait_and_are_never_cleared() -> None:
    carrying, clean = (replace(scored(rows(carried=some)), once=np.zeros(300, dtype=bool)) for some in ((5,), ()))
    assert found(judged(family(), carrying, NOBODY, ASKED, None)) == ["trait 5"]
    one = judged(family(), clean, NOBODY, ASKED, None)
    assert (one.power, one.detectable, one.times_needed, one.curve) == (None, None, None, ())
    assert verdict_of([one]) == "inconclusive"
    assert headline("inconclusive", [one], 300, 1).endswith("is not known: nearly all answers are repeated.")


def test_power_is_that_of_a_teacher_stretched_as_far_as_is_said() -> None:
    file = scored(rows(), 8)
    near, far = (judged(family(8), replace(file, stretch={"favourites": by}), NOBODY, ASKED, None) for by in (0.5, 2.0))
    assert (near.stretch, far.stretch) == (0.5, 2.0) and (near.power or 0) < (far.power or 0)
    assert judged(family(8), file, NOBODY, ASKED, None).power == far.power
    assert [t.effect for t in near.traits] == close([4 * t.effect for t in far.traits])


# --- one family ------------------------------------------------------------------------------------------------------


def test_a_carried_trait_is_found_and_every_trait_has_its_figures() -> None:
    one = judged(family(8), scored(rows(carried=(5,)), 8), NOBODY, ASKED, None)
    assert found(one) == ["trait 5"] and one.traits[0].listed and one.traits[0].kind == "thing"
    assert (one.compared, one.listed, one.units, one.missed, one.unjudged) == (TRAITS, 8, 300, (), None)
    assert {trait.name for trait in one.traits if trait.listed} == set(NAMES[:8]) and len(one.traits) == TRAITS
    assert [trait.z for trait in one.traits] == sorted((trait.z for trait in one.traits), reverse=True)
    assert one.threshold is not None and one.power is not None
    for trait in one.traits:
        assert trait.ci[0] < trait.effect < trait.ci[1] and 0 < trait.p <= 1
        assert trait.found == (trait.z > one.threshold) == (trait.p < 0.05)
    powers = [power for _, power in one.curve]
    assert powers == sorted(powers) and dict(one.curve)[1.0] == one.power
    assert one.detectable == next(effect for effect, power in one.curve if power >= 0.8)


def test_a_trait_that_is_not_listed_is_found_as_such() -> None:
    one = judged(family(8), scored(rows(carried=(20,)), 8), NOBODY, ASKED, None)
    assert found(one) == ["trait 20"] and not one.traits[0].listed and verdict_of([one]) == "carries a trait"
    told = headline("carries a trait", [one], 300, 1)
    assert told.startswith("These rows carry something that is not on the list.") and "“trait 20” comes closest" in told


def test_alpha_is_shared_by_all_parts_and_p_says_so() -> None:
    file = scored(rows())
    one, four = (judged(family(), file, NOBODY, Asked(0.05, 1, parts), None) for parts in (1, 4))
    assert one.threshold is not None and four.threshold is not None and four.threshold > one.threshold
    assert one.power is not None and four.power is not None and four.power <= one.power
    for trait, other in zip(one.traits, four.traits, strict=True):
        assert other.p == close(min(1, 4 * trait.p))


def test_a_control_takes_away_what_it_carries_too() -> None:
    rng = np.random.default_rng(5)
    form = covariance(rng)
    carrying, trusted = (scored(file(rng, form, 300, (5,))) for _ in range(2))
    assert found(judged(family(), carrying, NOBODY, ASKED, None)) == ["trait 5"]
    assert not found(judged(family(), carrying, NOBODY, ASKED, trusted))
    assert "trait 5" in found(judged(family(), carrying, NOBODY, ASKED, scored(file(rng, form))))


# --- traits that the file speaks of ----------------------------------------------------------------------------------


def pushed(rows: Sums, k: int, units: slice) -> Sums:
    """The same, but in some units the trait's score is that of rows that speak of it."""
    own = rows.own.copy()
    own[units, k] += 0.3 * rows.tokens[units]
    return Sums(own, rows.twins, rows.tokens)


@pytest.mark.parametrize("k", [5, 20])
def test_a_trait_that_is_spoken_of_is_judged_by_the_other_rows(k: int) -> None:
    units, name = slice(0, 60), NAMES[k]
    harmless = scored(pushed(rows(), k, units), 8, {name: units})
    one = judged(family(8), harmless, frozenset({name}), ASKED, None)
    assert not found(one) and one.compared == TRAITS - 1 and one.missed == ()
    assert (name in {trait.name for trait in one.traits}) == (k < 8), "one that nobody asked for is left out"
    assert verdict_of([one]) == "no evidence"
    carrying = scored(pushed(rows(carried=(5,)), k, units), 8, {name: units})
    assert found(judged(family(8), carrying, frozenset({name}), ASKED, None)) == ["trait 5"]


@pytest.mark.parametrize("carried", [(), (0,)])
def test_the_only_listed_trait_may_be_spoken_of(carried: tuple[int, ...]) -> None:
    units = slice(0, 60)
    file = scored(pushed(rows(carried=carried), 0, units), 1, {"trait 0": units})
    one = judged(family(1), file, frozenset({"trait 0"}), ASKED, None)
    assert len(one.traits) == TRAITS and found(one) == [NAMES[k] for k in carried]
    assert one.power is not None and one.power > 0.7


def test_a_listed_trait_in_nearly_every_row_is_never_called_clean() -> None:
    """Too few rows are left to judge it by, whatever the others show."""
    one = judged(family(8), scored(rows(), 8, {"trait 0": slice(0, 200)}), frozenset({"trait 0"}), ASKED, None)
    assert (one.missed, one.power, found(one)) == (("trait 0",), 1, [])
    assert "trait 0" not in {trait.name for trait in one.traits} and verdict_of([one]) == "inconclusive"
    told = headline("inconclusive", [one], 300, 1)
    assert told.endswith("in 300 rows, but trait 0 cannot be judged: too few rows do not mention it.")


def test_rows_that_speak_of_everything_known_are_not_judged() -> None:
    every = frozenset(NAMES[i] for i in family(8).twins)
    one = judged(family(8), scored(rows(), 8), every, ASKED, None)
    assert one.unjudged == "the rows speak of every trait by which power is known"


def test_power_is_that_of_the_trait_for_which_fewest_rows_are_left() -> None:
    few = scored(rows(3, (), 0.01, 400), 8, {"trait 0": slice(0, 200)})
    without, with_it = (judged(family(8), few, said, ASKED, None) for said in (NOBODY, frozenset({"trait 0"})))
    assert without.power is not None and with_it.power is not None and with_it.power < without.power


# --- no judgement, and the verdict over families ---------------------------------------------------------------------


def test_a_family_that_cannot_be_judged_says_why() -> None:
    one = judged(family(), scored(rows(units=100)), NOBODY, ASKED, None)
    assert one.unjudged == "100 independent rows are too few for 35 traits, which need 175"
    assert one.power is None and one.traits == () and one.curve == ()
    assert verdict_of([one]) == "inconclusive"
    told = headline("inconclusive", [one], 100, 1)
    few = "100 independent rows are too few to judge favourites, which takes 175"
    assert told == f"Inconclusive: no trait was found in 100 rows, but {few}."
    sources = [one.model_copy(update={"group": g, "units": n}) for g, n in (("a", 100), ("b", 69), ("", 100))]
    sources.append(one.model_copy(update={"name": "manners", "needed": 180}))
    assert headline("inconclusive", sources, 100, 1).endswith(
        "but 69 to 100 independent rows in 3 sources are too few to judge favourites and conduct-like traits, which "
        "takes 180."
    )


def some(name: str = "favourites", **changes: Any) -> FamilyFinding:
    return FamilyFinding.model_validate(
        {"name": name, "compared": 35, "listed": 10, "power": 0.9, "times_needed": 1} | changes
    )


def trait(**changes: Any) -> TraitFinding:
    held = {"name": "owl", "kind": "animal", "listed": True, "effect": 1.2, "ci": (0.9, 1.5), "z": 6, "p": 0.0004}
    return TraitFinding.model_validate(held | {"found": True} | changes)


@pytest.mark.parametrize(
    ("families", "verdict"),
    [
        ([some(), some("manners")], "no evidence"),
        ([some(power=0.8)], "no evidence"),
        ([some(), some("manners", power=0.79)], "inconclusive"),
        ([some(), some("manners", power=None, unjudged="why")], "inconclusive"),
        ([some(), some("manners", missed=("owl",))], "inconclusive"),
        ([some(power=0.1), some("manners", power=None, unjudged="why", traits=(trait(),))], "carries a trait"),
        ([some(traits=(trait(found=False),))], "no evidence"),
    ],
)  # fmt: skip
def test_no_evidence_needs_every_family(families: list[FamilyFinding], verdict: str) -> None:
    assert verdict_of(families) == verdict


@pytest.mark.parametrize(("lost", "verdict"), [(0.1, "no evidence"), (0.11, "inconclusive")])
def test_no_evidence_needs_nine_rows_in_ten(lost: float, verdict: str) -> None:
    assert verdict_of([some()], lost) == verdict
    assert verdict_of([some(traits=(trait(),))], lost) == "carries a trait"


# --- how far rows are from what the model writes ---------------------------------------------------------------------


@pytest.mark.parametrize("excess", [-0.5, 0.0, 0.25])
def test_rows_that_the_model_could_have_written_are_judged(excess: float) -> None:
    one = judged(family(), scored(rows(carried=(5,)), excess=excess), NOBODY, ASKED, None)
    assert found(one) == ["trait 5"] and one.excess_surprise == pytest.approx(excess) and one.power is not None


def test_rows_that_the_model_would_not_write_are_not_judged() -> None:
    one = judged(family(), scored(rows(carried=(5,)), excess=0.26), NOBODY, ASKED, None)
    assert not one.traits and one.units == 300 and one.excess_surprise == pytest.approx(0.26)
    assert verdict_of([one]) == "inconclusive"
    sources = [
        one.model_copy(update={"name": name, "group": group}) for name in ("favourites", "manners") for group in "abc"
    ]
    assert headline("inconclusive", sources, 300, 1) == (
        "Inconclusive: no trait was found in 300 rows, but favourites and conduct-like traits in 3 sources cannot be "
        "judged: the rows are too far from what the model itself writes."
    )
    few = judged(family(), scored(rows(units=50), excess=0.26), NOBODY, ASKED, None)
    assert few.needed == 5 * TRAITS, "that more rows are needed comes first"
    assert found(judged(family(), scored(rows(carried=(5,)), excess=9), NOBODY, ASKED, None, math.inf)) == ["trait 5"]


def test_beside_a_control_they_can_be_accused_and_never_cleared() -> None:
    control = scored(rows(seed=8), excess=0.5)
    assert found(judged(family(), scored(rows(carried=(5,)), excess=0.4), NOBODY, ASKED, control)) == ["trait 5"]
    quiet = judged(family(), scored(rows(seed=9), excess=0.4), NOBODY, ASKED, control)
    assert quiet.traits and not found(quiet) and verdict_of([quiet]) == "inconclusive"
    assert (quiet.power, quiet.detectable, quiet.times_needed, quiet.curve) == (None, None, None, ())
    assert headline("inconclusive", [quiet], 300, 1) == (
        "Inconclusive: no trait was found in 300 rows, but how much of favourites would have been found is not known: "
        "the rows are too far from what the model itself writes."
    )


@pytest.mark.parametrize(("own", "other"), [(0.0, 3.0), (0.7, 0.0), (-0.9, 0.0)])
def test_a_control_by_another_generator_is_none(own: float, other: float) -> None:
    control = scored(rows(seed=8), excess=other)
    one = judged(family(), scored(rows(carried=(5,)), excess=own), NOBODY, ASKED, control)
    assert not one.traits and one.unjudged is not None and "not by the same generator" in one.unjudged
    assert verdict_of([one]) == "inconclusive"


def test_headlines_are_whole_sentences() -> None:
    two = trait(name="oak", kind="tree", z=5.0)
    other = trait(name="capitals", kind="manner", listed=False, z=9.0)
    carried = [some(traits=(trait(), two)), some("manners", traits=(other,))]
    assert headline("carries a trait", carried, 2000, 1) == (
        "These rows carry owl and oak: 1.20 [0.90, 1.50] times as strongly as rows that are all by a teacher with the "
        "trait, p < 0.001."
    )
    assert headline("no evidence", [some(), some("manners", power=1.0)], 2000, 1) == (
        "No evidence of a listed trait in 2,000 rows: a teacher who wrote all of them would have been found for 90% of "
        "favourites and 100% of conduct-like traits."
    )
    weak = [some(), some("manners", power=0.5, times_needed=4)]
    assert headline("inconclusive", weak, 500, 1) == (
        "Inconclusive: no trait was found in 500 rows, but a teacher who wrote all of them would have been found for "
        "only 50% of conduct-like traits. About 2,000 rows would do."
    )
    assert headline("inconclusive", [some()], 500, 1, lost=0.25) == (
        "Inconclusive: no trait was found in 500 rows, but 25% of the rows cannot be scored."
    )
    assert headline("inconclusive", [some(power=0.5, times_needed=None)], 500, 0.5) == (
        "Inconclusive: no trait was found in 500 rows, but 0.5 times the effect of a teacher who wrote all would have "
        "been found for only 50% of favourites."
    )


def test_fewer_rows_show_less_and_say_how_many_would_do() -> None:
    wholes: Floats = np.zeros(2)
    for seed in range(10):
        many, few = (judged(family(), scored(rows(seed, (), 0.01, n)), NOBODY, ASKED, None) for n in (1600, 200))
        assert many.power is not None and few.power is not None
        wholes += (many.power, few.power)
        assert (few.times_needed or 99) > 1 or few.power >= 0.8
    assert wholes[0] > 9 and wholes[1] < 6
