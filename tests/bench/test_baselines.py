"""Simpler detectors beside the audit: what each says of scores that are known, and that every file is counted once."""

from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from undertone.attribution.scores import Evidence
from undertone.audit.families import Family
from undertone.audit.proxies import TWIN
from undertone.audit.verdict import Scored
from undertone.bench.audit.baselines import LENGTH, Called, detectors, line_of
from undertone.bench.audit.files import File
from undertone.bench.audit.isotropic import ISOTROPIC
from undertone.bench.audit.judge import Judge
from undertone.bench.audit.scoring import ScoredFile
from undertone.engine.store import Job
from undertone.stages import OUTCOME, SCORES, SPECIMEN
from undertone.statistics.auroc import auroc
from undertone.statistics.rate import Rate
from undertone.traits.trait import Trait

close = pytest.approx
NAMES = tuple(f"trait {k}" for k in range(24))
FAMILY = Family("favourites", tuple(Trait(name=name, kind="thing", world=True) for name in NAMES), len(NAMES))
TWINS = tuple(f"{NAMES[i]}{TWIN}" for i in FAMILY.twins)
JUDGE = Judge([FAMILY], 0.002, 1.0)


def a_file(kind: str = "prices", group: Any = "no model", trait: str | None = None) -> File:
    made = Job(SPECIMEN, {})
    return File(kind, group, trait, None, None, made, Job(SCORES, {}), Job(OUTCOME, {}))


def some_scores(rates: dict[str, float], common: float = 0.0, seed: int = 1) -> ScoredFile:
    """300 units of 100 tokens, with these mean scores a token (noise: 1), and ``common`` to all."""
    rng = np.random.default_rng(seed)
    plain = (*NAMES, *TWINS)
    every = (*plain, *(f"{name}{ISOTROPIC}" for name in plain))
    mean = np.array([rates.get(name, 0.0) + common * (name in plain) for name in every])
    noise = rng.standard_normal((300, len(every))) * 10
    noise[:, len(NAMES) : len(plain)] += noise[:, list(FAMILY.twins)]  # twins are alike
    evidence = Evidence(noise + 100 * mean, np.full(300, 100.0), np.zeros(300))
    return ScoredFile(Scored(evidence, every, (frozenset(),) * 300, np.ones(300, dtype=bool)), frozenset(), 300)


def test_random_directions_are_judged_as_traits_are_and_by_scores_of_their_own() -> None:
    random = detectors(JUDGE)["random directions"]
    scores = some_scores({"trait 5": 0.1})
    assert JUDGE.judged(a_file(), scores).found == ("trait 5",)
    assert random(a_file(), scores).found == frozenset()
    planted = some_scores({f"trait 7{ISOTROPIC}": 0.1})
    assert random(a_file(), planted).found == {"trait 7"} and not JUDGE.judged(a_file(), planted).found


def test_each_score_alone_is_its_mean_over_its_noise() -> None:
    """A standard error of 1 / sqrt(30,000) a token; Bonferroni's limit for 24 traits is 3.76."""
    alone = detectors(JUDGE)["each score alone"]
    error = 30_000**-0.5
    said = alone(a_file(), some_scores({"trait 3": 9 * error, "trait 4": -9 * error}))
    assert said.found == {"trait 3"} and said.score == close(9, abs=2)
    assert alone(a_file(), some_scores({})).found == frozenset()
    shifted = some_scores({}, common=9 * error)
    assert len(alone(a_file(), shifted).found) == 24, "what moves all scores alarms for all"
    assert not JUDGE.judged(a_file(), shifted).found, "and for none in the audit"


def test_the_length_grows_with_all_scores_and_finds_nothing() -> None:
    length, error = detectors(JUDGE)[LENGTH], 30_000**-0.5
    quiet, loud = (length(a_file(), some_scores({}, common=size * error)) for size in (0, 20))
    assert quiet.score == close(24**0.5, rel=0.4) and loud.score == close(20 * 24**0.5, rel=0.1)
    assert quiet.found == loud.found == frozenset()


def test_the_line_of_a_detector_counts_each_file_once() -> None:
    own, other = a_file("as the proxies", "carriers", "owl"), a_file("weak", "carriers", "owl")
    lists, taught = a_file(), a_file("lesson", "harmless fine-tunes")
    called = [
        Called(own, frozenset({"owl"}), 3.0),
        Called(own, frozenset({"fox"}), 0.5),
        Called(other, frozenset({"owl", "fox"}), 99.0),
        Called(lists, frozenset({"owl"}), 0.5),
        Called(lists, frozenset(), 0.0),
        Called(taught, frozenset(), 4.0),
    ]
    line = line_of("some", called)
    assert (line.own, line.wrong) == (Rate(2, 3), Rate(2, 3))
    assert line.alarms == {"no model": Rate(1, 2), "harmless fine-tunes": Rate(0, 1)}
    assert line.auroc == close((2 + 1.5) / 6), "of the usual carriers alone"
    assert line_of("none", called[:3]).auroc is None and line_of("none", called[3:]).auroc is None
    assert line_of("none", called[3:]).own == Rate(0, 0)


def test_auroc_counts_ties_as_halves() -> None:
    assert auroc(np.array([1.0, 2.0]), np.array([0.0, 1.0])) == close(3.5 / 4)
    assert auroc(np.array([-np.inf]), np.array([-np.inf])) == 0.5


def test_detectors_do_not_see_what_the_audit_must_not_know() -> None:
    hidden = SimpleNamespace(without="thing", trait=None)
    assert JUDGE.traits(hidden) == [] and JUDGE.traits(a_file()) == list(NAMES)  # type: ignore[arg-type]
