"""Do two models share an initialisation? Their weights are read; neither is run.

Under another initialisation the units of the one model could stand in any order, independently of the other model:
initial weights are drawn alike for all, and training by SGD or Adam treats all alike, on whatever data. So each test is
an exact permutation test (after Zhu et al. 2025, "Independence Tests for Language Models", arXiv:2502.12292, whose
test of hidden units this is in its simplest form). What it cannot see is kinship that somebody hid by reordering units.
"""

from typing import Literal

from undertone.lineage.units import Groups, hidden_units, residual_dimensions
from undertone.lineage.weights import Weights, find
from undertone.spec import Spec
from undertone.statistics.matching import match

ALPHA = 0.01
"""False alarms for strangers, over all tests of a pair together (Bonferroni)."""

Kin = Literal["shared", "none found", "unknown"]


class UnitTest(Spec):
    """The test of one kind of unit."""

    units: str
    """What was compared, in the plural."""
    groups: int
    """Groups of units, each permuted by itself: layers."""
    equal: bool
    """Whether both models have the same groups and numbers of units."""
    p: float
    """Exact, one-sided: units agree at equal index no more than in any other order. At least 1e-4."""
    z: float
    """The statistic in standard deviations of its permutations."""
    similarity: float
    """Mean cosine at equal index, above that of all pairs; where numbers of units differ, the correlation of index and
    place of the best match."""
    detectable: float | None
    """The similarity that would have been found with 80 % power; None if there is nothing to tell units apart by."""


class Kinship(Spec):
    """What the weights of two models say of a common origin."""

    a: str
    b: str
    digests: tuple[str, str]
    """Of the files of both."""
    verdict: Kin
    """"unknown" is to be read as shared."""
    headline: str
    """The verdict in a sentence."""
    p: float | None
    """Of the first test, which is the stronger one; None if none could be made."""
    alpha: float
    """A test with p at or below ``alpha`` by the number of tests finds a shared initialisation."""
    tests: tuple[UnitTest, ...]


def compare(a: str, b: str) -> Kinship:
    """Tests whether the models under two names share an initialisation.

    Raises:
        UndertoneError: a name is unknown, or weights cannot be read.
    """
    return compare_weights(find(a), find(b))


def compare_weights(a: Weights, b: Weights) -> Kinship:
    """The same for weights that were found."""
    found = [groups for groups in (hidden_units(a, b), residual_dimensions(a, b)) if groups is not None]
    tests = tuple(_test(groups, ALPHA / len(found)) for groups in found)
    verdict: Kin = "shared" if a.digest == b.digest else _verdict(tests)
    return Kinship(
        a=a.name,
        b=b.name,
        digests=(a.digest, b.digest),
        verdict=verdict,
        headline=_headline(a, b, verdict, tests),
        p=tests[0].p if tests else None,
        alpha=ALPHA,
        tests=tests,
    )


def _test(groups: Groups, alpha: float) -> UnitTest:
    found = match(groups.matrices, alpha, seed=0)
    return UnitTest(
        units=groups.what,
        groups=len(groups.matrices),
        equal=groups.equal,
        p=found.p,
        z=found.z,
        similarity=found.similarity,
        detectable=found.detectable,
    )


def _verdict(tests: tuple[UnitTest, ...]) -> Kin:
    if any(test.p <= ALPHA / len(tests) for test in tests):
        return "shared"
    # Only where every hidden unit had its counterpart could kin have hardly been missed.
    told = bool(tests) and tests[0].units == "hidden units" and tests[0].equal and tests[0].detectable is not None
    return "none found" if told else "unknown"


def _headline(a: Weights, b: Weights, verdict: Kin, tests: tuple[UnitTest, ...]) -> str:
    pair = f"{a.name} and {b.name}"
    if a.digest == b.digest:
        return f"{pair} are the same weights, byte for byte."
    if verdict == "shared":
        best = min(tests, key=lambda test: test.p)
        return (
            f"{pair} share an initialisation: their {best.units} agree index by index "
            f"(similarity {best.similarity:.3f}, z = {best.z:.1f}, p = {best.p:.4g})."
        )
    if verdict == "none found":
        first = tests[0]
        return (
            f"No shared initialisation of {pair} was found: their hidden units agree no more than in any other order "
            f"(p = {first.p:.2g}; a similarity of {first.detectable:.3f} would have been found), unless units were "
            "reordered on purpose."
        )
    why = "their shapes differ" if tests else "nothing in them can be compared unit by unit"
    return f"Whether {pair} share an initialisation is unknown: {why}; assume that they do."
