"""Tests whether two models share an initialisation, from their weights. No model is run.

If the initialisations differ, every order of the units of one model is equally likely given the other model: initial
weights have the same distribution for all units, and training by SGD or Adam treats all units alike, on any data. So
each test is an exact permutation test. It is the simplest form of the test of hidden units by Zhu et al. 2025,
"Independence Tests for Language Models", arXiv:2502.12292. It cannot find kin whose units somebody reordered to hide
the kinship.
"""

from dataclasses import asdict
from typing import Literal

from undertone.lineage.units import Groups, hidden_units, residual_dimensions
from undertone.lineage.weights import find
from undertone.spec import Spec
from undertone.statistics.matching import match

ALPHA = 0.01
"""The rate of false alarms for unrelated models, over all tests of a pair together (Bonferroni)."""

Kin = Literal["shared", "none found", "unknown"]


class UnitTest(Spec):
    """The result of the test of one kind of unit."""

    units: str
    """The kind of unit, in the plural."""
    groups: int
    """The number of groups of units, such as layers. Each is permuted separately."""
    equal: bool
    """Whether both models have the same groups and numbers of units."""
    p: float
    """Exact one-sided p of the hypothesis that units agree at equal index no more than in any other order; at least
    1e-4."""
    z: float
    """How many standard deviations the statistic lies above the mean of its permutations."""
    similarity: float
    """The mean cosine at equal index minus that of all pairs. If the numbers of units differ: the correlation between
    the index of a unit and that of its best match."""
    detectable: float | None
    """The similarity that is found with 80 % power; None if all units are alike."""


class Kinship(Spec):
    """Whether two models share an initialisation."""

    a: str
    b: str
    digests: tuple[str, str]
    """Digests of the files of both."""
    verdict: Kin
    """Treat "unknown" as "shared"."""
    headline: str
    """The verdict in a sentence."""
    p: float | None
    """p of the first test, which is the stronger one; None if there was no test."""
    alpha: float
    """A test finds a shared initialisation if its p is at most ``alpha`` divided by the number of tests."""
    tests: tuple[UnitTest, ...]


def compare(a: str, b: str) -> Kinship:
    """Tests whether two models, given by name, share an initialisation.

    Raises:
        UndertoneError: a name is unknown, or weights cannot be read.
    """
    one, other = find(a), find(b)
    found = [groups for groups in (hidden_units(one, other), residual_dimensions(one, other)) if groups is not None]
    tests = tuple(_test(groups, ALPHA / len(found)) for groups in found)
    same = one.digest == other.digest
    verdict: Kin = "shared" if same else _verdict(tests)
    return Kinship(
        a=a,
        b=b,
        digests=(one.digest, other.digest),
        verdict=verdict,
        headline=_headline(f"{a} and {b}", same, verdict, tests),
        p=tests[0].p if tests else None,
        alpha=ALPHA,
        tests=tests,
    )


def _test(groups: Groups, alpha: float) -> UnitTest:
    found = asdict(match(groups.matrices, alpha, seed=0))
    return UnitTest(units=groups.what, groups=len(groups.matrices), equal=groups.equal, **found)


def _verdict(tests: tuple[UnitTest, ...]) -> Kin:
    if any(test.p <= ALPHA / len(tests) for test in tests):
        return "shared"
    # Kin are missed rarely only if every hidden unit was compared with a counterpart.
    told = bool(tests) and tests[0].units == "hidden units" and tests[0].equal and tests[0].detectable is not None
    return "none found" if told else "unknown"


def _headline(pair: str, same: bool, verdict: Kin, tests: tuple[UnitTest, ...]) -> str:
    if same:
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
            f"(p = {first.p:.2g}; a similarity of {first.detectable:.3f} would have been found). The test cannot find "
            "units that were reordered on purpose."
        )
    why = "their shapes differ" if tests else "nothing in them can be compared unit by unit"
    return f"Whether {pair} share an initialisation is unknown: {why}; assume that they do."
