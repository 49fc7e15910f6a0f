"""Scores of a vector given its others, at a scale of its own: known answers, invariants, false alarms and power."""

from typing import Any

import numpy as np
import pytest
from scipy import stats  # type: ignore[import-untyped, unused-ignore]

from undertone.statistics.elliptical import SCALES, Conditional, conditional, shape

Floats = Any
close = pytest.approx
SCORES = 12
SINGLES = [[k] for k in range(SCORES)]


def correlated(rng: np.random.Generator, scores: int = SCORES) -> Floats:
    """A covariance with unequal variances and plain correlations."""
    a = rng.normal(size=(scores, scores))
    size = rng.uniform(0.5, 2, scores)
    return (a @ a.T / scores + 0.3 * np.eye(scores)) * np.outer(size, size)


def heavy(rng: np.random.Generator, count: int, form: Floats, freedom: float = 2) -> Floats:
    """Vectors whose lengths differ manyfold: multivariate t."""
    lengths = freedom / rng.chisquare(freedom, count)
    return rng.multivariate_normal(np.zeros(len(form)), form, count) * np.sqrt(lengths)[:, None]


def relative(form: Floats) -> Floats:
    """A shape but for its size."""
    return form * len(form) / np.trace(form)


def by_partition(vector: Floats, form: Floats, noise: Floats, block: list[int]) -> tuple[float, float, float]:
    """Common excess, its spread and the scale by the textbook's partitioned normal law, one vector at a time."""
    rest = [k for k in range(len(vector)) if k not in block]
    normal = stats.multivariate_normal
    scale = max(SCALES, key=lambda c: normal.logpdf(vector[rest], cov=(c * form + noise)[np.ix_(rest, rest)]))
    total = scale * form + noise
    slope = total[np.ix_(block, rest)] @ np.linalg.inv(total[np.ix_(rest, rest)])
    left = vector[block] - slope @ vector[rest]
    inside = total[np.ix_(block, block)] - slope @ total[np.ix_(rest, block)]
    weight = np.linalg.solve(inside, np.ones(len(block)))
    weight /= weight.sum()
    return float(weight @ left), float(np.sqrt(weight @ inside @ weight)), float(scale)


def test_conditional_is_the_partitioned_normal_law() -> None:
    rng = np.random.default_rng(1)
    form, noise = correlated(rng), correlated(rng) * 0.05
    vectors = heavy(rng, 20, form) + rng.multivariate_normal(np.zeros(SCORES), noise, 20)
    blocks = [[0], [5], [2, 7], (1, 3, 11)]
    found = conditional(vectors, form, noise, blocks)
    for row, vector in enumerate(vectors):
        for k, block in enumerate(blocks):
            value, spread, scale = by_partition(vector, form, noise, list(block))
            assert found.scale[row, k] == close(scale)
            assert found.value[row, k] == close(value, abs=1e-9 * np.abs(vector).max())
            assert found.spread[row, k] == close(spread)
    assert np.array_equal(found.z, found.value / found.spread)
    assert len(set(found.scale.ravel())) > 5  # the scales really differ


def test_without_noise_no_length_of_a_vector_changes_z() -> None:
    rng = np.random.default_rng(2)
    form = correlated(rng)
    vectors, noise = 30 * rng.multivariate_normal(np.zeros(SCORES), form, 30), 1e-9 * np.eye(SCORES)
    z = conditional(vectors, form, noise, SINGLES).z
    step = SCALES[2] / SCALES[1]
    # By whole steps of the candidate scales z stays as it is, in between by less than half a step of a length.
    assert conditional(vectors * np.sqrt(step**5), form, noise, SINGLES).z == close(z, rel=1e-5)
    ratio = conditional(vectors * 1.7, form, noise, SINGLES).z / z
    assert (np.abs(np.log(ratio)) <= np.log(step) / 2 * (1 + 1e-6)).all()


def test_a_short_vector_is_judged_as_one_of_the_median_length() -> None:
    form, noise = np.eye(SCORES), np.diag(np.linspace(1, 4, SCORES))
    found = conditional(np.zeros((1, SCORES)), form, noise, SINGLES)
    assert found.scale[0] == close(np.ones(SCORES))
    assert found.spread[0] == close(np.sqrt(np.diag(form + noise)))


def test_the_order_of_the_scores_does_not_matter() -> None:
    rng = np.random.default_rng(3)
    form, noise = correlated(rng), 0.1 * np.eye(SCORES)
    vectors, order = heavy(rng, 25, form), rng.permutation(SCORES)
    z = conditional(vectors, form, noise, SINGLES).z
    mixed = conditional(vectors[:, order], form[np.ix_(order, order)], noise, SINGLES).z
    assert mixed == close(z[:, order], rel=1e-6, abs=1e-9)
    masks = [[int(k)] for k in rng.integers(0, SCORES, 25)]
    place = np.argsort(order)
    centre, found = shape(vectors, masks)
    centre_mixed, found_mixed = shape(vectors[:, order], [[int(place[k]) for k in mask] for mask in masks])
    assert centre_mixed == close(centre[order], rel=1e-6, abs=1e-9)
    assert found_mixed == close(found[np.ix_(order, order)], rel=1e-6, abs=1e-9)


def test_z_follows_t_and_a_maximum_alarms_as_often_as_bonferroni_allows() -> None:
    """The scale is fitted to the other scores, so without noise z is t with one degree of freedom fewer than scores."""
    rng = np.random.default_rng(4)
    form, count = correlated(rng), 4000
    long = 20 * heavy(rng, count, form, freedom=4)  # short ones are judged by a wider spread
    z = conditional(long, form, 1e-9 * np.eye(SCORES), SINGLES).z
    for level in (0.1, 0.01):
        alarms = int((z[:, 0] > stats.t.isf(level, SCORES - 1)).sum())
        assert stats.binomtest(alarms, count, level).pvalue > 1e-4
    family = int((z.max(1) > stats.t.isf(0.05 / SCORES, SCORES - 1)).sum())
    assert stats.binomtest(family, count, 0.05, alternative="greater").pvalue > 1e-4
    assert family / count > 0.02  # the bound is not idle


def test_false_alarms_with_shape_estimated_and_noise() -> None:
    """Everything together: 120 harmless vectors of unlike length teach the shape, 2,000 others are judged by it."""
    rng = np.random.default_rng(5)
    form, noise, centre = correlated(rng), 0.1 * np.eye(SCORES), rng.normal(size=SCORES)
    alarms = []
    for _ in range(8):  # shapes vary more than the vectors judged by them: several
        known, fresh = (
            centre + heavy(rng, n, form, 3) + rng.multivariate_normal(np.zeros(SCORES), noise, n) for n in (120, 250)
        )
        middle, found = shape(known)
        z = conditional(fresh - middle, found, noise, SINGLES).z
        alarms.append((z.max(1) > stats.t.isf(0.05 / SCORES, SCORES - 1)).mean())
    error = max(np.std(alarms, ddof=1), np.sqrt(0.05 * 0.95 / 250)) / np.sqrt(len(alarms))
    assert np.mean(alarms) < 0.05 + 0.02 + 3 * error  # .02: a shape from ten vectors a score is not the true one


def planted(strength: float, where: int, count: int = 400) -> tuple[Conditional, Conditional]:
    """Vectors judged as they are, and with an excess of so many standard deviations (given the others) in one score."""
    rng = np.random.default_rng(6)
    form, noise = correlated(rng), 0.01 * np.eye(SCORES)
    vectors = rng.multivariate_normal(np.zeros(SCORES), form, count)
    given_others = np.linalg.inv(form)[where, where] ** -0.5
    moved = vectors + strength * given_others * np.eye(SCORES)[where]
    return conditional(vectors, form, noise, SINGLES), conditional(moved, form, noise, SINGLES)


def test_a_planted_excess_is_found_where_it_is() -> None:
    where = 4
    before, after = planted(8.0, where)
    # What is fitted without the score does not see it: the excess is added to its value, and nothing else changes.
    rise = after.value[:, where] - before.value[:, where]
    assert rise == close(np.full(len(rise), rise[0]))
    assert np.array_equal(after.spread[:, where], before.spread[:, where])
    assert (after.z.argmax(1) == where).mean() > 0.95


def test_a_planted_excess_does_not_raise_the_others() -> None:
    """Others fall or rise by their correlation with it, but alarm no more often than without it."""
    where = 4
    before, after = planted(8.0, where)
    others = [k for k in range(SCORES) if k != where]
    limit = stats.t.isf(0.01, SCORES - 1)
    alarms = int((after.z[:, others].max(1) > limit).sum())
    assert alarms <= (before.z[:, others].max(1) > limit).sum() + 3 * np.sqrt(len(after.z) * 0.1)
    assert (after.scale[:, others] >= before.scale[:, others]).mean() > 0.95  # it is taken for a greater length


def test_a_common_excess_shows_in_its_block_more_than_in_any_member() -> None:
    rng = np.random.default_rng(7)
    block = [0, 1, 2]
    form = np.eye(SCORES)
    vectors = rng.normal(size=(500, SCORES))
    vectors[:, block] += 2.0
    found = conditional(vectors, form, 0.01 * np.eye(SCORES), [*SINGLES, block])
    assert found.value[:, -1].mean() == close(2.0, abs=5 / np.sqrt(3 * 500))
    assert found.z[:, -1].mean() > found.z[:, block].mean() * 1.5  # in theory by sqrt(3)


@pytest.mark.parametrize("freedom", [1, 2])
def test_shape_beats_the_sample_covariance_where_lengths_are_heavy_tailed(freedom: float) -> None:
    ours, theirs = [], []
    for seed in range(10):
        rng = np.random.default_rng(seed)
        form = correlated(rng)
        vectors = 3.0 + heavy(rng, 150, form, freedom)
        centre, found = shape(vectors)
        ours.append(np.linalg.norm(relative(found) - relative(form)) / np.linalg.norm(relative(form)))
        theirs.append(np.linalg.norm(relative(np.cov(vectors.T)) - relative(form)) / np.linalg.norm(relative(form)))
        assert (np.abs(centre - 3.0) < 6 * np.sqrt(np.diag(form) * 3 / 150)).all()
    assert np.median(ours) < 0.3 and np.median(ours) < 0.5 * np.median(theirs)


def test_shape_has_the_size_of_the_median_length() -> None:
    rng = np.random.default_rng(8)
    form = correlated(rng)
    vectors = rng.multivariate_normal(np.zeros(SCORES), form, 2000)
    middle = stats.chi2.median(SCORES) / SCORES
    assert np.trace(shape(vectors)[1]) == close(np.trace(form) * middle, rel=0.05)
    assert shape(5 * vectors)[1] == close(25 * shape(vectors)[1])
    far = vectors * np.where(np.arange(2000) % 3 == 0, 100.0, 1.0)[:, None]  # a third is far longer: no matter
    assert np.trace(shape(far)[1]) < 2 * np.trace(form)


@pytest.mark.parametrize("share", [0.03, 0.2, 0.5])
def test_masked_scores_have_no_say_and_leave_the_shape_as_wide(share: float) -> None:
    """Masked scores may be anything; the shape is neither raised by them nor narrowed by their being filled in."""
    widths = []
    for seed in range(12):
        rng = np.random.default_rng(seed)
        form, count = correlated(rng), 200
        vectors = heavy(rng, count, form)
        masks = [[0] if row < share * count else [] for row in range(count)]
        excess = vectors.copy()
        excess[: int(np.ceil(share * count)), 0] = 1e6
        centre, found = shape(excess, masks)
        again = shape(np.where(excess == 1e6, -7.0, excess), masks)
        assert again[0] == close(centre) and again[1] == close(found)
        whole = shape(vectors)[1]
        widths.append(found[0, 0] / np.trace(found[1:, 1:]) / (whole[0, 0] / np.trace(whole[1:, 1:])))
    error = np.std(widths, ddof=1) / np.sqrt(len(widths))
    assert np.mean(widths) == close(1, abs=0.02 + 4 * error)


def test_refusals() -> None:
    rng = np.random.default_rng(9)
    vectors = rng.normal(size=(20, 4))
    for spoilt in (np.nan, np.inf):
        bad = vectors.copy()
        bad[3, 1] = spoilt
        with pytest.raises(ValueError, match="finite"):
            shape(bad)
        with pytest.raises(ValueError, match="finite"):
            conditional(bad, np.eye(4), np.eye(4), [[0]])
        with pytest.raises(ValueError, match="finite"):
            conditional(vectors, np.eye(4), np.full((4, 4), spoilt), [[0]])
    with pytest.raises(ValueError, match="at least 3"):
        shape(vectors[:2])
    vectors[:, 2] = 0.1
    with pytest.raises(ValueError, match="the same in all"):
        shape(vectors)


def test_fewer_vectors_than_scores_still_have_a_shape() -> None:
    found = shape(np.random.default_rng(10).normal(size=(6, 20)))[1]
    assert np.linalg.eigvalsh(found)[0] > 0
