"""The sign-flip test: known answers, invariants, false alarms and power."""

import itertools
import math
import tracemalloc
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats  # type: ignore[import-untyped, unused-ignore]

from undertone.statistics.signflip import SignFlip, sign_flip

Floats = Any
close = pytest.approx
steady = settings(deadline=None, derandomize=True, max_examples=60)

# Two decimals: statistics are tied or differ by far more than rounding does.
value = st.integers(-300, 300).map(lambda k: k / 100)


@st.composite
def samples(draw: st.DrawFn) -> tuple[Floats, list[int]]:
    """Differences of up to 12 rows and 3 scores, in up to 6 clusters."""
    scores = draw(st.integers(1, 3))
    table = draw(st.lists(st.lists(value, min_size=scores, max_size=scores), min_size=1, max_size=12))
    return np.array(table), [draw(st.integers(0, 5)) for _ in table]


flips = st.sampled_from([1, 20, 64, 150])


def all_p(found: SignFlip) -> list[float]:
    return [found.p, *(p for _, p in found.per_score)]


def brute_force(table: Floats, clusters: list[int]) -> list[float]:
    """Adjusted p values: every pattern of signs in turn, t from its textbook formula by scipy."""
    groups = [[row for row, label in zip(table, clusters, strict=True) if label == g] for g in sorted(set(clusters))]

    def sizes(signs: tuple[int, ...]) -> list[float]:
        sums = [
            [sign * math.fsum(column) for column in zip(*g, strict=True)] for sign, g in zip(signs, groups, strict=True)
        ]
        return [abs(float(stats.ttest_1samp(column, 0).statistic)) for column in zip(*sums, strict=True)]

    observed = sizes((1,) * len(groups))
    every = [max(sizes(signs)) for signs in itertools.product((1, -1), repeat=len(groups))]
    return [sum(one >= t * (1 - 1e-9) for one in every) / len(every) for t in observed]


@pytest.mark.parametrize("clusters", [3, 5, 8])
def test_p_is_that_of_a_brute_force_enumeration(clusters: int) -> None:
    rng = np.random.default_rng(clusters)
    for _ in range(3):
        labels = [*range(clusters), *rng.integers(0, clusters, 6).tolist()]
        table = rng.normal([0.6, 0, -0.3], [1, 2, 0.5], (len(labels), 3))
        found = sign_flip(table, labels, 2**clusters, seed=0)
        assert all_p(found)[1:] == close(brute_force(table, labels))
        assert found.p == min(all_p(found)[1:])


def test_by_hand() -> None:
    # cluster sums 3, 3, 1: totals of the 8 patterns are 7, 5, 1, 1 and their opposites
    found = sign_flip([[1.0], [2.0], [3.0], [1.0]], ["a", "a", "b", "c"], flips=8, seed=0)
    assert (found.per_score, found.p) == (((close(7 / 4), 2 / 8),), 2 / 8)


def test_random_flips_estimate_the_exact_p() -> None:
    rng = np.random.default_rng(2)
    table = rng.normal(0.25, 1, (14, 2))
    exact = sign_flip(table, range(14), 2**14, seed=0).p
    drawn = [sign_flip(table, range(14), 2000, seed=s).p for s in range(10)]
    assert 0.02 < exact < 0.5
    assert drawn == close([exact] * 10, abs=5 * math.sqrt(exact / 2000))
    assert len(set(drawn)) > 1
    assert sign_flip(table, range(14), 2000, seed=3).p == drawn[3]


def test_all_zero_differences_have_p_one() -> None:
    for rows, count in ((3, 100), (40, 100)):  # enumerated, drawn
        found = sign_flip(np.zeros((rows, 2)), range(rows), count, seed=0)
        assert found == SignFlip(1.0, ((0.0, 1.0),) * 2)


@pytest.mark.parametrize("rows", [6, 40])
def test_a_score_that_does_not_vary_contributes_nothing(rows: int) -> None:
    table = np.random.default_rng(3).normal(0.5, 1, (rows, 1))
    # the middle score differs between rows, but every cluster sums to zero up to rounding
    idle = np.tile([0.1, 0.2, -0.3], rows)[:, None] * np.repeat(np.arange(1, rows + 1), 3)[:, None]
    wide = np.hstack([np.repeat(table, 3, axis=0), idle, np.zeros((3 * rows, 1))])
    found = sign_flip(wide, np.repeat(np.arange(rows), 3), 500, seed=1)
    assert found.p == sign_flip(table, range(rows), 500, seed=1).p
    assert [p for _, p in found.per_score[1:]] == [1, 1]


def test_the_same_difference_in_every_pair_is_the_strongest_evidence() -> None:
    found = sign_flip(np.full((10, 1), -0.1), range(10), 1024, seed=0)
    assert found == SignFlip(2 / 1024, ((close(-0.1), 2 / 1024),))


def test_copies_of_a_cluster_do_not_make_evidence() -> None:
    table = np.random.default_rng(4).normal(0.4, 1, (30, 2))
    once = sign_flip(table, range(30), 999, seed=0)
    five = sign_flip(np.repeat(table, 5, axis=0), np.repeat(np.arange(30), 5), 999, seed=0)
    assert all_p(five) == all_p(once)


@pytest.mark.parametrize(
    ("table", "clusters", "count"),
    [
        ([[1.0], [math.nan]], [0, 1], 10),
        ([[1.0], [-math.inf]], [0, 1], 10),
        ([[1.0], [2.0]], [0], 10),
        ([1.0, 2.0], [0, 1], 10),
        (np.empty((0, 2)), [], 10),
        (np.empty((2, 0)), [0, 1], 10),
        ([[1.0], [2.0]], [0, 1], 0),
    ],
)
def test_what_cannot_be_tested_is_refused(table: Any, clusters: Any, count: int) -> None:
    with pytest.raises(ValueError, match=r"finite|differences|flips"):
        sign_flip(table, clusters, count, seed=0)


# --- invariants


@steady
@given(samples(), flips)
def test_p_is_above_zero_and_at_most_one(sample: tuple[Floats, list[int]], count: int) -> None:
    table, clusters = sample
    found = sign_flip(table, clusters, count, seed=0)
    assert all(0 < p <= 1 for p in all_p(found))
    least = 1 / 2 ** len(set(clusters)) if 2 ** len(set(clusters)) <= count else 1 / (count + 1)
    assert found.p >= least


@steady
@given(samples(), flips, st.floats(1e-200, 1e200))
def test_scale_of_a_score_and_the_sign_of_all_do_not_matter(
    sample: tuple[Floats, list[int]], count: int, scale: float
) -> None:
    table, clusters = sample
    expected = all_p(sign_flip(table, clusters, count, seed=5))
    scaled = table * np.array([scale, *[1.0] * (table.shape[1] - 1)])
    assert all_p(sign_flip(scaled, clusters, count, seed=5)) == expected
    assert all_p(sign_flip(-table, clusters, count, seed=5)) == expected


@steady
@given(samples(), flips, st.randoms(use_true_random=False))
def test_order_of_rows_and_scores_does_not_matter(sample: tuple[Floats, list[int]], count: int, rng: Any) -> None:
    table, clusters = sample
    found = sign_flip(table, clusters, count, seed=5)
    order = rng.sample(range(len(table)), len(table))
    moved = sign_flip(table[order], [clusters[i] for i in order], count, seed=5)
    assert all_p(moved) == all_p(found)
    back = sign_flip(table[:, ::-1], clusters, count, seed=5)
    assert back.per_score[::-1] == found.per_score


# --- false alarms and power

DATASETS = 400


def exchangeable(kind: str, rng: np.random.Generator) -> tuple[Floats, Floats]:
    """Differences of three correlated scores between pairs from one distribution, and their clusters."""
    clusters = np.repeat(np.arange(25), 4 if kind == "clustered" else 1)
    if kind == "few":
        clusters = np.arange(6)
    if kind == "rare":  # most pairs are alike, as answers of a few tokens are
        first, second = (rng.random((2, len(clusters), 3)) < 0.05).astype(float)
        return first - second, clusters
    first, second = rng.standard_normal((2, len(clusters), 3)) + rng.standard_normal((2, len(clusters), 1))
    if kind == "clustered":  # a cluster's own deviation on either side: its rows are far from independent
        first, second = (side + 2 * rng.standard_normal((25, 3))[clusters] for side in (first, second))
    if kind == "skewed":
        first, second = np.exp(1.5 * first), np.exp(1.5 * second)
    return first - second, clusters


@pytest.mark.parametrize("kind", ["normal", "skewed", "clustered", "rare", "few"])
def test_exchangeable_pairs_raise_no_more_false_alarms_than_allowed(kind: str) -> None:
    rng = np.random.default_rng(7)
    p = np.array([sign_flip(*exchangeable(kind, rng), 199, seed=s).p for s in range(DATASETS)])
    for alpha in (0.05, 0.2):
        assert (p <= alpha).sum() <= stats.binom.ppf(0.999, DATASETS, alpha)
    if kind != "rare":  # it is no trick of never finding anything (in "rare", ties raise p)
        assert (p <= 0.2).sum() >= stats.binom.ppf(0.001, DATASETS, 0.2 if kind != "few" else 0.1)


def test_a_planted_shift_is_found_and_named() -> None:
    rng = np.random.default_rng(8)
    for seed in range(20):
        table = rng.normal([0, 0, 0.8], 1, (60, 3))
        found = sign_flip(table, range(60), 999, seed)
        assert found.p <= 0.01
        assert found.per_score[2][1] == found.p
    assert min(p for _, p in found.per_score[:2]) > found.p


def test_a_large_table_takes_little_memory() -> None:
    table = np.random.default_rng(9).normal(size=(2000, 10))
    tracemalloc.start()
    sign_flip(table, range(2000), 2000, seed=0)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 100e6
