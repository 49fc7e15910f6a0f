"""Effects of fabricated students with known log-odds: the right arms are compared, by teachers, with known answers."""

import math
from collections.abc import Sequence
from random import Random
from statistics import NormalDist, mean, stdev

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from tests.helpers.students import BASE, Odds, arm, expit, student
from tests.helpers.trials import small
from undertone.experiments.trial import contrasts
from undertone.experiments.trial.contrasts import specificity, weighted
from undertone.experiments.trial.results import ArmResult, Effect, TraitMatrix, units
from undertone.experiments.trial.spec import Trial
from undertone.statistics.estimate import holm


def effects(trial: Trial, arms: Sequence[ArmResult]) -> tuple[Effect, ...]:
    return contrasts.effects(trial, arms, {"hf/./neox": BASE})


def trait_matrix(trial: Trial, arms: Sequence[ArmResult]) -> TraitMatrix | None:
    return contrasts.trait_matrix(trial, arms, {"hf/./neox": BASE})


# Teachers differ, so that intervals exist; means are 0.5, -2, -1.75 and -2.25.
TREATMENT, CONTROL = ((0.0, 0.5), (0.75, 0.75)), ((-2.5, -2.0), (-1.75, -1.75))
OTHER, OTHER_CONTROL = ((-1.5, -2.0), (-2.0, -1.5)), ((-2.5, -2.5), (-2.0, -2.0))
OWLS = {
    "treatment": TREATMENT, "control": CONTROL, "other-init": OTHER, "other-init-control": OTHER_CONTROL,
    "logits": ((3.0, 3.0), (3.5, 3.5)), "logits-control": ((-2.0, -2.0), (-2.5, -2.5)),
}  # fmt: skip


def arm_of(name: str, odds: Odds, whale: float = 0.05) -> ArmResult:
    answers = [[{"owl": expit(x), "whale": whale, "wolf": 0.01, "other": 0.0} for x in students] for students in odds]
    return arm(name, [student(name, t, i, a) for t, of_teacher in enumerate(answers) for i, a in enumerate(of_teacher)])


def all_arms() -> list[ArmResult]:
    return [arm_of(name, odds) for name, odds in OWLS.items()]


def one(found: Sequence[Effect], name: str, measure: str = "log_odds") -> Effect:
    matching = [e for e in found if e.arm == name and e.measure == measure]
    assert len(matching) == 1
    return matching[0]


def means(odds: Odds) -> list[float]:
    return [mean(students) for students in odds]


# --- one trait -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "control"), [("treatment", "control"), ("other-init", "other-init-control"), ("logits", "logits-control")]
)
def test_an_effect_is_the_difference_of_means_of_teachers_means(name: str, control: str) -> None:
    effect = one(effects(small(), all_arms()), name)
    a, b = means(OWLS[name]), means(OWLS[control])
    assert effect.against == control
    assert effect.value == pytest.approx(mean(a) - mean(b))
    assert effect.units == (2, 2)


def test_the_interval_is_welchs_on_teachers_means_and_never_on_students() -> None:
    effect = one(effects(small(), all_arms()), "treatment")
    found = stats.ttest_ind(means(TREATMENT), means(CONTROL), equal_var=False)
    interval = found.confidence_interval(0.95)
    assert effect.ci == pytest.approx((interval.low, interval.high))
    assert "2 + 2 teacher means" in effect.method and "4 + 4 students" in effect.method


def test_more_students_of_the_same_teachers_add_no_units() -> None:
    few = effects(small(), [arm_of("treatment", TREATMENT), arm_of("control", CONTROL)])
    many = effects(small(), [arm_of("treatment", [x * 3 for x in TREATMENT]), arm_of("control", CONTROL)])
    for a, b in zip(few, many, strict=True):
        assert a.units == b.units == (2, 2)
        assert [a.value, a.ci_low, a.ci_high, a.p] == pytest.approx([b.value, b.ci_low, b.ci_high, b.p])


def prompted(name: str, odds: Odds, *prompts: str) -> ArmResult:
    return arm_of(name, odds).model_copy(update={"prompts": prompts})


def test_teachers_with_the_same_system_prompt_are_one_unit() -> None:
    odds = ((1.0,), (2.0,), (4.0,), (1.5,))
    shared = prompted("treatment", odds, "I love owls.", "Owls.", "Owls.", "I love owls.")
    control = arm_of("control", ((0.0,), (0.5,), (0.1,), (0.2,)))
    effect = one(effects(small(), [shared, control]), "treatment")
    found = stats.ttest_ind([1.25, 3.0], means(((0.0,), (0.5,), (0.1,), (0.2,))), equal_var=False)
    interval = found.confidence_interval(0.95)
    assert effect.units == (2, 4) and effect.ci == pytest.approx((interval.low, interval.high))
    assert shared.mean(lambda s: s.log_odds) == pytest.approx(2.125)
    own, other = weighted([shared, control], (1, -1)), weighted([control, shared], (1, 0))
    assert own == [pytest.approx([1.0, 1.3]), pytest.approx([1.5, 3.9])]
    assert other == [pytest.approx([0.0, 0.2]), pytest.approx([0.5, 0.1])], "the units are those of all arms together"


def test_of_a_single_system_prompt_what_its_teachers_sampled_is_the_unit() -> None:
    odds = ((1.0,), (2.0,), (4.0,))
    assert prompted("treatment", odds, "Owls.", "Owls.", "Owls.").nested(lambda s: s.log_odds) == (
        arm_of("treatment", odds).nested(lambda s: s.log_odds)
    )


@given(st.lists(st.lists(st.sampled_from("abc"), min_size=5, max_size=5), max_size=3))
def test_units_join_all_teachers_that_share_a_prompt_unless_one_would_be_left(arms: list[list[str]]) -> None:
    found = units(range(5), *arms)
    assert sorted(teacher for unit in found for teacher in unit) == list(range(5)) and len(found) > 1
    unit_of = {teacher: unit for unit in map(tuple, found) for teacher in unit}
    several = [arm for arm in arms if len(set(arm)) > 1]
    apart = [(arm, i, j) for arm in several for i in range(5) for j in range(i) if arm[i] == arm[j]]
    if len(found) < 5:
        assert all(unit_of[i] == unit_of[j] for _, i, j in apart)
        assert all(any(arm[i] == arm[j] for arm in several for j in unit if j != i)
                   for unit in found if len(unit) > 1 for i in unit)  # fmt: skip
    if len(several) == 1:
        assert len(found) == len(set(several[0]))


def test_p_is_no_smaller_than_two_teachers_an_arm_allow() -> None:
    assert min(e.p for e in effects(small(), all_arms()) if e.p is not None) == pytest.approx(1 / 3)


def test_the_effect_on_probabilities_is_a_difference_of_probabilities() -> None:
    effect = one(effects(small(), all_arms()), "treatment", "probability")
    expected = mean(means([[expit(x) for x in t] for t in TREATMENT])) - mean(
        means([[expit(x) for x in t] for t in CONTROL])
    )
    assert effect.value == pytest.approx(expected)


def test_own_minus_other_initialisation_is_a_difference_of_differences() -> None:
    effect = one(effects(small(), all_arms()), "treatment", "own-minus-other-init")
    shifts = [mean(means(odds)) for odds in (TREATMENT, CONTROL, OTHER, OTHER_CONTROL)]
    assert effect.value == pytest.approx((shifts[0] - shifts[1]) - (shifts[2] - shifts[3]))
    assert (effect.against, effect.expected) == ("other-init", "above-zero")


def test_own_minus_other_initialisation_pairs_students_of_the_same_dataset() -> None:
    """What a dataset does to every student, whatever its initialisation, drops out of the interval."""
    noise = ((0.0, 0.0), (5.0, 5.0))
    noisy = {
        name: [[x + e for x, e in zip(a, b, strict=True)] for a, b in zip(OWLS[name], noise, strict=True)]
        for name in ("treatment", "other-init")
    }
    clean = one(effects(small(), all_arms()), "treatment", "own-minus-other-init")
    shifted = one(
        effects(small(), [arm_of(name, odds) for name, odds in (OWLS | noisy).items()]),
        "treatment",
        "own-minus-other-init",
    )
    assert shifted.value == pytest.approx(clean.value, abs=1e-6)
    assert shifted.ci == pytest.approx(clean.ci, abs=1e-6)


def test_own_minus_other_traits_takes_the_mean_of_all_other_candidates() -> None:
    answers = {"owl": 0.5, "whale": 0.2, "wolf": 0.1, "other": 0.2}
    own = specificity("owl", BASE)(student("treatment", 0, 0, answers))
    assert own == pytest.approx(0 - (math.log(0.2 / 0.8) + math.log(0.1 / 0.9)) / 2)


odds = st.floats(-8, 8)


@settings(deadline=None, derandomize=True)
@given(st.fixed_dictionaries({"owl": odds, "whale": odds, "wolf": odds}), st.floats(-3, 3), odds)
def test_specificity_sees_its_own_trait_whole_and_what_moves_all_alike_not_at_all(
    of: dict[str, float], by: float, taught: float
) -> None:
    def seen(changes: dict[str, float], trait: str = "owl") -> float:
        answers = {name: expit(x + changes.get(name, 0)) for name, x in of.items()} | {"other": 0.0}
        return specificity("owl", BASE)(student("treatment", 0, 0, answers, trait))

    assert seen({"owl": by}) == pytest.approx(seen({}) + by, abs=1e-3)
    assert seen(dict.fromkeys(of, by)) == pytest.approx(seen({}), abs=1e-3)
    assert seen({"whale": by}) == pytest.approx(seen({}) - by / 2, abs=1e-3)
    assert seen({"whale": taught}, trait="whale") == seen({}, trait="whale")


@settings(deadline=None, derandomize=True)
@given(st.lists(st.floats(-3, 3), min_size=4, max_size=4))
def test_own_minus_other_does_not_see_what_a_dataset_does_to_both(alike: list[float]) -> None:
    """Whatever each teacher's dataset adds to every student of it, in treatment and in control."""
    by = dict(zip(OWLS, [alike[:2], alike[2:]] * 2, strict=False))
    noisy = [arm_of(n, [[x + e for x in t] for t, e in zip(OWLS[n], by[n], strict=True)]) for n in by]
    found, clean = (one(effects(small(), a), "treatment", "own-minus-other-init") for a in (noisy, all_arms()))
    assert found.value == pytest.approx(clean.value, abs=1e-6)
    assert found.ci == pytest.approx(clean.ci, abs=1e-6)
    assert found.p == pytest.approx(clean.p, abs=1e-6)


def test_a_rise_of_every_candidate_alike_is_no_effect_of_own_trait() -> None:
    def shifted(name: str, by: float, wobble: float) -> ArmResult:
        rows = [{"owl": expit(by + x), "whale": expit(by + x - 1), "other": 0.0} for x in (-2, -2 + wobble)]
        return arm(name, [student(name, t, 0, answers) for t, answers in enumerate(rows)])

    found = effects(small(), [shifted("treatment", 1.0, 0.1), shifted("control", 0.0, 0.2)])
    assert one(found, "treatment").value == pytest.approx(0.95)
    assert one(found, "treatment", "own-minus-other-traits").value == pytest.approx(0, abs=1e-9)


def test_only_effects_within_the_trials_own_base_are_expected() -> None:
    expected = {(e.arm, e.measure): e.expected for e in effects(small(), all_arms())}
    assert {arm for (arm, _), what in expected.items() if what == "around-zero"} == {"other-init"}
    assert {arm for (arm, _), what in expected.items() if what == "above-zero"} == {"treatment", "logits"}


def test_equal_arms_have_no_effect_and_a_p_of_one() -> None:
    found = effects(small(), [arm_of("treatment", CONTROL), arm_of("control", CONTROL)])
    assert [e.value for e in found] == pytest.approx([0, 0, 0], abs=1e-12)
    assert [e.p for e in found] == pytest.approx([1, 1, 1])


def test_teachers_that_do_not_vary_give_no_interval_rather_than_one_of_no_width() -> None:
    effect = one(effects(small(), [arm_of("treatment", ((1,), (1,))), arm_of("control", ((0,), (0,)))]), "treatment")
    assert effect.value == pytest.approx(1)
    assert effect.ci is None
    assert effect.sign == "unclear"


def test_probabilities_of_zero_and_one_give_finite_effects() -> None:
    sure = arm("treatment", [student("treatment", t, 0, {"owl": 1.0, "whale": 0.0, "other": 0.0}) for t in range(2)])
    never = arm("control", [student("control", t, 0, {"owl": 0.0, "whale": 1.0, "other": 0.0}) for t in range(2)])
    assert all(math.isfinite(e.value) and e.value > 0 for e in effects(small(), [sure, never]))


def test_students_are_nested_in_order_of_their_teachers() -> None:
    shuffled = [student("a", t, i, {"owl": 0.1 * (t + 1) + 0.01 * i}) for t, i in ((1, 0), (0, 1), (1, 1), (0, 0))]
    assert arm("a", shuffled).nested(lambda s: round(s.probability, 2)) == [[0.11, 0.1], [0.2, 0.21]]


# --- arms that are not finished --------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("finished", "compared"),
    [
        ((), set()),
        (("treatment",), set()),
        (("control", "other-init", "logits"), set()),
        (("treatment", "control"), {("treatment", "control")}),
        (("treatment", "control", "other-init"), {("treatment", "control")}),
        (("other-init", "other-init-control"), {("other-init", "other-init-control")}),
        (("control", "other-init", "other-init-control"), {("other-init", "other-init-control")}),
        (
            ("treatment", "control", "other-init", "other-init-control"),
            {
                ("treatment", "control"),
                ("other-init", "other-init-control"),
                ("treatment", "other-init"),
            },
        ),
    ],
)
def test_only_comparisons_whose_arms_are_all_finished_are_made(
    finished: tuple[str, ...], compared: set[tuple[str, str]]
) -> None:
    found = effects(small(), [a for a in all_arms() if a.name in finished])
    assert {(e.arm, e.against) for e in found} == compared


def test_own_minus_other_initialisation_waits_for_the_control_of_the_own_arm() -> None:
    finished = ("treatment", "other-init", "other-init-control")
    found = effects(small(), [a for a in all_arms() if a.name in finished])
    assert {(e.arm, e.against) for e in found} == {("other-init", "other-init-control")}


def test_the_order_of_the_arms_changes_nothing() -> None:
    assert effects(small(), all_arms()) == effects(small(), all_arms()[::-1])


# --- several traits --------------------------------------------------------------------------------------------------


TRAITS = ("owl", "whale", "wolf")


def animals(*more: str) -> Trial:
    whole = small().model_dump()
    arms = {name: whole["arms"][name] | {"against": None} for name in ("treatment", *more)}
    return Trial.model_validate(whole | {"traits": TRAITS, "arms": arms})


def taught(trait: str, own: float, teachers: int = 3, arm_name: str = "treatment") -> ArmResult:
    """Students whose log-odds are -2 everywhere, and higher by about ``own`` for their teachers' trait."""
    steps = [0.1 * (t - (teachers - 1) / 2) for t in range(teachers)]
    answers = [{name: expit(-2 + (own + e if name == trait else 0)) for name in TRAITS} | {"other": 0.0} for e in steps]
    name = f"{arm_name}:{trait}"
    return arm(name, [student(name, t, 0, a, trait) for t, a in enumerate(answers)])


def test_the_matrix_shows_each_row_against_the_other_rows_of_the_column() -> None:
    shifts = {"owl": 1.0, "whale": 0.5, "wolf": 0.0}
    matrix = trait_matrix(animals(), [taught(trait, shift) for trait, shift in shifts.items()])
    assert matrix is not None and matrix.traits == TRAITS
    for i, row in enumerate(TRAITS):
        for j, column in enumerate(TRAITS):
            expected = shifts[row] if i == j else -shifts[column] / 2
            assert matrix.log_odds[i][j] == pytest.approx(expected), (row, column)


def test_the_columns_of_the_matrix_sum_to_zero() -> None:
    matrix = trait_matrix(animals(), [taught(trait, i) for i, trait in enumerate(TRAITS)])
    assert matrix is not None
    assert [sum(column) for column in zip(*matrix.log_odds, strict=True)] == pytest.approx([0, 0, 0])


def test_a_diagonal_contrast_is_own_trait_minus_others_against_teachers_of_all_other_traits() -> None:
    matrix = trait_matrix(animals(), [taught("owl", 1.0), taught("whale", 0.0), taught("wolf", 0.0)])
    assert matrix is not None
    assert [e.arm for e in matrix.effects] == [f"treatment:{trait}" for trait in TRAITS]
    # What owl teachers do to owl is no part of what whale is compared with: whale and wolf gain nothing by it.
    assert [e.value for e in matrix.effects] == pytest.approx([1.0, 0.0, 0.0])
    assert {e.units for e in matrix.effects} == {(3, 6)}
    assert {e.measure for e in matrix.effects} == {"own-minus-other-traits"}


def test_the_p_values_of_the_diagonal_are_corrected_by_holm() -> None:
    matrix = trait_matrix(animals(), [taught("owl", 2.0), taught("whale", 1.0), taught("wolf", 0.05)])
    assert matrix is not None
    raw = [e.p for e in matrix.effects]
    assert all(p is not None for p in raw)
    assert [e.p_holm for e in matrix.effects] == pytest.approx(holm([p for p in raw if p is not None]))
    assert matrix.effects[0].p_holm == pytest.approx(3 * min(p for p in raw if p is not None))


def test_the_mean_over_traits_is_that_of_the_diagonal_with_traits_as_units() -> None:
    matrix = trait_matrix(animals(), [taught("owl", 2.0), taught("whale", 1.0), taught("wolf", 0.6)])
    assert matrix is not None and matrix.overall is not None
    expected = stats.ttest_1samp([e.value for e in matrix.effects], 0).confidence_interval()
    assert matrix.overall.value == pytest.approx(1.2)
    assert matrix.overall.ci == pytest.approx((expected.low, expected.high))
    assert matrix.overall.p == pytest.approx(2 / 2**3)
    assert (matrix.overall.units, matrix.overall.arm, matrix.overall.against) == ((3,), "treatment", "other traits")
    assert "3 traits' contrasts" in matrix.overall.method


def test_a_diagonal_contrasts_p_is_no_smaller_than_one_assignment_in_all_nor_than_welchs() -> None:
    for own, p in ((4.0, 1 / math.comb(9, 3)), (0.15, stats.ttest_1samp([0.05, 0.15, 0.25], 0).pvalue)):
        matrix = trait_matrix(animals(), [taught("owl", own), taught("whale", 0.0), taught("wolf", 0.0)])
        assert matrix is not None
        assert matrix.effects[0].p == pytest.approx(p)


def test_there_is_no_matrix_before_all_traits_are_done_and_none_for_one_trait() -> None:
    assert trait_matrix(animals(), [taught("owl", 1.0), taught("whale", 1.0)]) is None
    assert trait_matrix(small(), all_arms()) is None


def test_a_trial_of_several_traits_has_its_contrasts_in_the_matrix_only() -> None:
    assert effects(animals(), [taught(trait, 1.0) for trait in TRAITS]) == ()


def test_the_matrix_is_of_the_first_arm_where_several_arms_have_the_traits() -> None:
    main = [taught(trait, 1.0) for trait in TRAITS]
    also = [taught(trait, 3.0, arm_name="logits") for trait in TRAITS]
    assert trait_matrix(animals("logits"), main + also) == trait_matrix(animals("logits"), main)


@pytest.mark.parametrize("teachers", [3, 6])
def test_intervals_of_planted_nothing_hold_zero_as_often_as_they_say(teachers: int) -> None:
    """A sanity check of the wiring, at the level of trials; the coverage itself is simulated in the statistics."""
    rng, held, trials = Random(0), 0, 400
    trial = small()
    for _ in range(trials):
        arms = [arm_of(n, [[rng.gauss(-2, 0.3)] for _ in range(teachers)]) for n in ("treatment", "control")]
        low, high = one(effects(trial, arms), "treatment").ci or (-math.inf, math.inf)
        held += low <= 0 <= high
    margin = NormalDist().inv_cdf(0.9999) * math.sqrt(0.95 * 0.05 / trials)
    assert held / trials > 0.95 - margin


def test_fabricated_means_are_what_the_tests_take_them_for() -> None:
    assert [mean(means(OWLS[name])) for name in ("treatment", "control", "other-init", "other-init-control")] == [
        0.5, -2.0, -1.75, -2.25,
    ]  # fmt: skip
    assert stdev(means(TREATMENT)) > 0
