"""What the statistic promises, where everything is known: alarms as often as asked, planted traits found, power as it
is, and no judgement where there is none."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import binom  # type: ignore[import-untyped, unused-ignore]

from tests.helpers.files import TRAITS, TWINS, Sums, covariance, file, twins_of
from undertone.audit import standing
from undertone.audit.standing import LEAST_TRAITS, UNITS_A_TRAIT, Standing, Twins, Unjudged, stand
from undertone.statistics.arrays import Floats

close = pytest.approx


def alarms(found: Standing, alpha: float) -> bool:
    return bool(found.z.max() > found.threshold(alpha))


# --- alarms and power ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("seed", [0, 1])
def test_harmless_files_raise_as_many_alarms_as_were_asked_for(seed: int) -> None:
    rng, count = np.random.default_rng(seed), 240
    forms = [covariance(rng, unlike=0.5) for _ in range(12)]
    found = [file(rng, forms[i % 12]).stand() for i in range(count)]
    for alpha in (0.05, 0.2):
        seen = sum(alarms(one, alpha) for one in found)
        assert binom.ppf(0.001, count, alpha) <= seen <= binom.ppf(0.999, count, alpha)
    for one in found[:20]:
        z = float(one.z.max())
        assert (one.p(z) < 0.05) == alarms(one, 0.05)


def test_a_harmless_writer_far_from_the_base_in_all_traits_alike_raises_no_more() -> None:
    """What any fine-tune does to every trait of a family is no sign of one."""
    rng, count = np.random.default_rng(5), 200
    seen = 0
    for _ in range(count):
        form = covariance(rng)
        rows = file(rng, form)
        push = 0.5 * np.sqrt(np.diag(form)) * rows.tokens[:, None]
        seen += alarms(Sums(rows.own + push, rows.twins + push[:, TWINS], rows.tokens).stand(), 0.05)
    assert seen <= binom.ppf(0.999, count, 0.05)


def test_pulls_are_in_units_of_their_own_noise() -> None:
    rng = np.random.default_rng(12)
    form = covariance(rng)
    found = [file(rng, form).stand() for _ in range(150)]
    apart = np.std([one.pulls for one in found], axis=0)
    assert apart.min() > 0.75 and apart.max() < 1.3 and apart.mean() == close(1.03, abs=0.08)
    assert np.mean([one.spread for one in found]) == close(0.95, abs=0.15)


def test_the_writer_of_a_trait_is_found_by_the_column_of_the_covariance() -> None:
    rng, effects, covered = np.random.default_rng(3), list[float](), 0
    for k in range(TRAITS):
        found = file(rng, covariance(rng), carried=[k]).stand()
        assert alarms(found, 0.05) and int(np.argmax(found.z)) == k
        effect, reach = found.effects()
        effects.append(float(effect[k]))
        covered += bool(abs(effect[k] - 1) < reach[k])
    assert np.mean(effects) == close(1, abs=0.2)
    assert covered >= binom.ppf(0.001, TRAITS, 0.95)


def test_effects_grow_with_what_is_planted() -> None:
    rng = np.random.default_rng(4)
    form = covariance(rng, unlike=0)
    means = []
    for effect in (0.0, 0.5, 1.0, 2.0):
        found = [file(rng, form, carried=[7], effect=effect).stand().effects()[0][7] for _ in range(20)]
        means.append(np.mean(found))
    assert means[0] == close(0, abs=0.1)
    assert np.diff(means) / means[2] == close([0.5, 0.5, 1.0], abs=0.15)


@pytest.mark.parametrize(("size", "effect"), [(0.03, 0.3), (0.02, 0.5), (0.01, 1.0)])
def test_stated_power_is_the_rate_at_which_planted_files_are_found(size: float, effect: float) -> None:
    rng, stated, found = np.random.default_rng(int(1000 * size)), list[float](), list[bool]()
    for i in range(120):
        form, own = covariance(rng, size), TWINS[i % len(TWINS)]
        stated.append(file(rng, form).stand().power(effect, 0.05))
        planted = file(rng, form, carried=[own], effect=effect).stand()
        found.append(bool(planted.z[own] > planted.threshold(0.05)))
    assert np.mean(found) - 0.22 < np.mean(stated) < np.mean(found) + 0.08, "it does not promise more than there is"


def test_power_grows_with_effect_and_alpha_and_says_what_more_rows_would_do() -> None:
    rng = np.random.default_rng(6)
    few, many = [], []
    for _ in range(30):
        form = covariance(rng, 0.01)
        found = file(rng, form, units=200).stand()
        powers = [found.power(effect, 0.05) for effect in (0.0, 0.5, 1.0, 2.0, 5.0)]
        assert powers == sorted(powers) and powers[0] < 0.2 and powers[-1] == 1
        assert found.power(1, 0.2) >= found.power(1, 0.05) >= found.power(1, 0.005)
        few.append((found.power(1, 0.05), found.power(1, 0.05, times=4)))
        many.append(file(rng, form, units=800).stand().power(1, 0.05))
    assert 0.2 < np.mean(many) < 0.98
    now, then = np.mean(few, axis=0)
    assert now + 0.2 < then < np.mean(many) + 0.05


@pytest.mark.parametrize("count", [5, 10])
@pytest.mark.parametrize("size", [0.03, 0.02])
def test_several_traits_of_one_family_are_never_passed_over_in_silence(count: int, size: float) -> None:
    """They widen the yardstick by which each is judged: then power is lost, and the verdict cannot be "no evidence"."""
    rng, found = np.random.default_rng(count), 0
    for _ in range(40):
        carried = rng.choice(TRAITS, count, replace=False).tolist()
        try:
            one = file(rng, covariance(rng, size), carried=carried).stand()
        except Unjudged:
            continue
        found += alarms(one, 0.05)
        assert alarms(one, 0.05) or one.power(1, 0.05) < 0.8
    assert found > (25 if count == 5 else 5)


def test_repeated_answers_show_less_of_a_teacher_and_power_knows() -> None:
    """A writer chooses among 3,000 answers, some of which are so likely that every file has them. A teacher makes some
    more likely; of equal answers one is scored."""
    rng, lines, effect = np.random.default_rng(21), 2000, 0.5
    base = rng.pareto(1.0, 3000) + 0.05
    base /= base.sum()
    scores = rng.standard_normal((3000, TRAITS)) @ np.linalg.cholesky(covariance(rng, 0.3)).T
    scores -= base @ scores
    seen, predicted, blind = list[float](), list[float](), list[float]()
    for k in TWINS:
        teacher = base * np.exp(effect * scores[:, k])
        counts = rng.multinomial(lines, teacher / teacher.sum())
        told = np.flatnonzero(counts)
        own, tokens = scores[told], np.ones(len(told))
        once = stand(own, tokens, Twins(own[:, TWINS], TWINS, counts[told] == 1, effect))
        every = stand(own, tokens, Twins(own[:, TWINS], TWINS, np.ones(len(told), dtype=bool), effect))
        seen.append(float(once.pulls[k] - np.median(once.pulls)))
        predicted.append(float(once.units_of_effect[TWINS.index(k)]))
        blind.append(float(every.units_of_effect[TWINS.index(k)]))
    assert (once.z == every.z).all(), "what is found does not depend on it"
    assert np.mean(predicted) == close(np.mean(seen), rel=0.2)
    assert np.mean(blind) > 1.3 * np.mean(seen)
    assert once.power(1, 0.05) <= every.power(1, 0.05)


# --- what decides nothing --------------------------------------------------------------------------------------------


@given(st.integers(0, 1000), st.permutations(range(TRAITS)))
@settings(max_examples=20, deadline=None)
def test_the_order_of_traits_and_of_units_decides_nothing(seed: int, order: list[int]) -> None:
    rows = file(np.random.default_rng(seed), covariance(np.random.default_rng(seed)), carried=[4], effect=0.4)
    one = rows.stand()
    places = tuple(order.index(k) for k in TWINS)
    other = stand(rows.own[::-1][:, order], rows.tokens[::-1], twins_of(rows.twins[::-1], places))
    assert other.z == close(one.z[order], abs=1e-6) and other.rank == close(one.rank)
    assert other.power(1, 0.05) == one.power(1, 0.05)
    assert other.effects()[0] == close(one.effects()[0][order], abs=1e-6)


@given(st.integers(0, 1000))
@settings(max_examples=20, deadline=None)
def test_the_length_of_a_direction_decides_no_z(seed: int) -> None:
    """It depends on how long its proxy was trained."""
    rng = np.random.default_rng(seed)
    rows, lengths = file(rng, covariance(rng), carried=[4], effect=0.4), np.exp(rng.normal(0, 0.7, TRAITS))
    longer = Sums(rows.own * lengths, rows.twins, rows.tokens)
    assert longer.stand().z == close(rows.stand().z, abs=1e-6)


def test_rows_by_the_same_writer_take_the_trait_away_as_a_control() -> None:
    rng = np.random.default_rng(8)
    for k in (0, 4, 20):
        form = covariance(rng)
        rows, trusted, clean = (file(rng, form, carried=carried) for carried in ([k], [k], []))
        assert alarms(rows.stand(), 0.05)
        against = rows.stand((trusted.own, trusted.tokens))
        assert abs(against.z[k]) < 3 and against.signals.shape == (len(TWINS), TRAITS)
        assert int(np.argmax(rows.stand((clean.own, clean.tokens)).z)) == k
    # The difference of two means is less certain than one mean.
    assert np.abs(against.signals).max() < np.abs(rows.stand().signals).max()


@pytest.mark.parametrize("shared", [290, 300])
def test_a_control_that_holds_the_same_rows_is_refused(shared: int) -> None:
    """It would take away all noise, and everything would seem to have been findable."""
    rng = np.random.default_rng(9)
    form = covariance(rng)
    rows, other = file(rng, form, carried=[4]), file(rng, form)
    own, tokens = (
        np.concatenate([a[:shared], b[shared:]]) for a, b in ((rows.own, other.own), (rows.tokens, other.tokens))
    )
    with pytest.raises(Unjudged, match="both sides have rows in common"):
        rows.stand((own, tokens))


# --- no judgement ----------------------------------------------------------------------------------------------------


def refused(own: Floats, tokens: Floats, twins: Twins | None = None) -> str:
    with pytest.raises(Unjudged) as told:
        stand(own, tokens, twins or twins_of(own[:, :1], (0,)))
    return str(told.value)


def test_too_few_traits_or_units_are_not_judged_and_it_says_how_many_would_do() -> None:
    rows = file(np.random.default_rng(0), covariance(np.random.default_rng(0)))
    assert "only 19 traits" in refused(rows.own[:, : LEAST_TRAITS - 1], rows.tokens)
    least = UNITS_A_TRAIT * TRAITS
    told = refused(rows.own[: least - 1], rows.tokens[: least - 1])
    assert f"{least - 1} independent rows are too few for {TRAITS} traits, which need {least}" in told
    assert stand(rows.own[:least], rows.tokens[:least], twins_of(rows.twins[:least])).units == least


def test_directions_that_are_nearly_parallel_are_not_judged() -> None:
    rng = np.random.default_rng(1)
    rows = file(rng, covariance(rng))
    shared = rows.own[:, :6] @ rng.standard_normal((6, TRAITS))
    told = refused(shared + 1e-3 * rows.own, rows.tokens)
    assert told.startswith(f"the traits are too much alike: of {TRAITS} about ") and told.endswith("and 10 must")
    assert standing.LEAST_RANK == 10 < rows.stand().rank < TRAITS


def test_repeated_answers_alone_are_judged_but_what_they_could_show_is_not_known() -> None:
    rows = file(np.random.default_rng(2), covariance(np.random.default_rng(2)), carried=[3])
    none = np.zeros(len(rows.tokens), dtype=bool)
    one = stand(rows.own, rows.tokens, Twins(rows.twins, TWINS, none))
    assert not one.known and rows.stand().known
    assert (one.z == rows.stand().z).all() and one.effects()[0] == close(rows.stand().effects()[0])


def test_scores_that_never_vary_or_are_mostly_equal_are_not_judged() -> None:
    rng = np.random.default_rng(2)
    rows = file(rng, covariance(rng))
    still = rows.own.copy()
    still[:, 3] = 0
    assert "a score is the same in all units" in refused(still, rows.tokens)


def test_scores_in_two_clusters_are_not_judged() -> None:
    """A third of the traits far above the others: the median says nothing about either part."""
    rng = np.random.default_rng(3)
    form = covariance(rng, 0.03, unlike=0)
    rows = file(rng, form)
    push = np.zeros(TRAITS)
    push[:12] = 0.3
    shifted = rows.own + push * rows.tokens[:, None]
    assert "two clusters" in refused(shifted, rows.tokens, twins_of(rows.twins))


STRANGE = st.sampled_from(["still", "twice", "huge", "tiny", "zero", "one unit"])


@given(
    st.integers(0, 10_000),
    st.lists(st.tuples(STRANGE, st.integers(0, TRAITS - 1)), max_size=12),
    st.sampled_from([1e-12, 1.0, 1e12]),
)
@settings(max_examples=60, deadline=None)
def test_strange_scores_are_judged_in_finite_numbers_or_not_at_all(
    seed: int, changes: list[tuple[str, int]], scale: float
) -> None:
    rng = np.random.default_rng(seed)
    rows = file(rng, covariance(rng), units=200)
    own, tokens = rows.own.copy(), rows.tokens.copy()
    for change, k in changes:
        match change:
            case "still":
                own[:, k] = tokens
            case "twice":
                own[:, k] = own[:, (k + 1) % TRAITS]
            case "huge" | "tiny":
                own[:, k] *= 1e9 if change == "huge" else 1e-9
            case "zero":
                own[: 195 - k, k] = 0
            case _:
                own[k] *= 1e6
    try:
        found = stand(scale * own, tokens, twins_of(scale * rows.twins))
    except Unjudged as reason:
        assert str(reason)
        return
    assert np.isfinite(found.z).all() and np.isfinite(found.effects()[0]).all() and found.spread > 0
    assert 0 <= found.power(1, 0.05) <= 1 and found.threshold(0.05) > 0 and 0 < found.p(float(found.z.max())) <= 1
