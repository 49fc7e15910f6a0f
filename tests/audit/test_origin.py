"""The origin test: the base's own rows raise few alarms, however they repeat; others are found or refused."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from random import Random

import numpy as np
import pytest
from scipy.stats import binom  # type: ignore[import-untyped, unused-ignore]

from undertone.audit import origin
from undertone.audit.origin import Origin, finished, score_table
from undertone.audit.request import Sampling
from undertone.carriers.numbers import prompts
from undertone.errors import UndertoneError
from undertone.models.likelihood import score
from undertone.models.loading import load
from undertone.models.local import Ids, LocalModel
from undertone.models.sampling import sample
from undertone.training.rows import Row
from undertone.traits.catalogue import find

pytestmark = pytest.mark.slow

Passes = Callable[[Ids], bool]
SAMPLING = Sampling(temperature=1.0, max_tokens=20)
SEEDS = 20


@pytest.fixture(scope="module")
def base(bases: Path) -> LocalModel:
    return load(bases / "neox")


@pytest.fixture(scope="module")
def other(bases: Path) -> LocalModel:
    return load(bases / "llama")


def asked(local: LocalModel, count: int, seed: int) -> list[Ids]:
    return [local.render(question) for question in prompts(count, Random(seed))]


def written(
    local: LocalModel, questions: list[Ids], seed: int, passes: Passes | None = None, temperature: float = 1.0
) -> list[Row]:
    """What a user would have: one answer to each prompt where the filter passes it."""
    answers = sample(local, questions, temperature=temperature, max_tokens=SAMPLING.max_tokens, seed=seed)
    rule = passes or finished(local)
    return [Row(q, a) for q, a in zip(questions, answers, strict=True) if rule(a)]


def outcome(local: LocalModel, rows: list[Row], seed: int = 0, passes: Passes | None = None) -> Origin:
    return origin.test_origin(local, rows, SAMPLING, passes or finished(local), seed)


def assert_few_alarms(p: list[float]) -> None:
    for alpha in (0.05, 0.2, 0.5):
        assert sum(one <= alpha for one in p) <= binom.ppf(0.999, len(p), alpha)


def test_rows_of_the_base_itself_raise_few_alarms(base: LocalModel) -> None:
    # the seed of the rows is that of the test: their noise must not be met again
    p = [outcome(base, written(base, asked(base, 60, s), s), s).p for s in range(SEEDS)]
    assert_few_alarms(p)
    assert sum(one <= 0.5 for one in p) >= binom.ppf(0.001, SEEDS, 0.5)
    assert len(set(p)) > SEEDS / 2


def test_copied_rows_raise_few_alarms(base: LocalModel) -> None:
    once = [written(base, asked(base, 20, s), s) for s in range(12)]
    found = [outcome(base, rows * 5, s) for s, rows in enumerate(once)]
    assert_few_alarms([one.p for one in found])
    assert all(one.pairs + one.dropped == 5 * len(rows) for one, rows in zip(found, once, strict=True))
    assert all(one.prompts <= len(rows) for one, rows in zip(found, once, strict=True))


def test_answers_alike_by_chance_raise_few_alarms(base: LocalModel) -> None:
    short, p = Sampling(max_tokens=2), []
    questions = [base.render(question) for question in find("owl").questions()[:10] for _ in range(8)]
    for s in range(SEEDS):
        answers = sample(base, questions, temperature=1.0, max_tokens=2, seed=s)
        rows = [Row(q, a) for q, a in zip(questions, answers, strict=True)]
        assert len({(*row.prompt, *row.answer) for row in rows}) < 0.8 * len(rows)
        p.append(origin.test_origin(base, rows, short, lambda _: True, s).p)
    assert_few_alarms(p)


@pytest.mark.parametrize("copied", [True, False])
def test_rare_answers_raise_few_alarms_whether_rows_are_copied_or_drawn_alike(
    base: LocalModel, copied: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    # the hardest case: two answers, one of them so rare that a prompt's difference is very skewed
    monkeypatch.setattr(origin, "score_table", lambda local, pairs, _: np.array([[a[0]] for _, a in pairs], float))
    rng, p = np.random.default_rng(11), []
    for seed in range(60):
        rare = rng.random((2, 20, 10)) < 0.05
        if copied:
            rare[0] = rare[0, :, :1]
        given, again = ([((i,), (int(x),)) for i, row in enumerate(side) for x in row] for side in rare)
        p.append(origin._compare(base, given, again, 1.0, seed).p)
    assert_few_alarms(p)


def test_rows_sampled_at_another_temperature_are_found(base: LocalModel) -> None:
    for seed in range(3):
        found = outcome(base, written(base, asked(base, 150, seed), seed, temperature=0.2), seed)
        assert found.p <= 0.01
        name, mean, p = found.scores[2]
        assert (name, mean < 0, p) == ("surprise per token", True, found.p)


def test_rows_of_another_model_are_found(base: LocalModel, other: LocalModel) -> None:
    for seed in range(3):
        found = outcome(base, written(other, asked(other, 150, seed), seed), seed)
        assert found.p <= 0.01
        assert found.p == min(p for _, _, p in found.scores)


def test_the_same_seed_gives_the_same_result_and_progress_is_told(base: LocalModel) -> None:
    rows, told = written(base, asked(base, 30, 1), 1), []
    first = origin.test_origin(base, rows, SAMPLING, finished(base), 5, lambda done, all_: told.append((done, all_)))
    assert first == outcome(base, rows, 5)
    assert first != outcome(base, rows, 6)
    assert told[-1] == (first.pairs, len(rows))
    assert [done for done, _ in told] == sorted(done for done, _ in told)


def test_a_strict_filter_drops_prompts_counts_them_and_raises_few_alarms(base: LocalModel) -> None:
    def passes(answer: Ids) -> bool:  # an arbitrary property of one answer in three
        return finished(base)(answer) and sum(answer) % 3 == 0

    found = []
    for seed in range(12):
        rows = written(base, asked(base, 40, seed), seed, passes)
        found.append(outcome(base, rows, seed, passes))
        assert found[-1].pairs + found[-1].dropped == len(rows)
    assert sum(one.dropped for one in found) > 0
    assert_few_alarms([one.p for one in found])


def test_a_filter_that_none_of_the_bases_answers_passes_leaves_nothing_to_compare(base: LocalModel) -> None:
    rows = written(base, asked(base, 10, 2), 2)
    known = [row.answer for row in rows]
    with pytest.raises(UndertoneError, match="nothing to compare"):
        outcome(base, rows, passes=lambda answer: answer in known)


def test_data_that_contradicts_the_claim_outright_is_refused(base: LocalModel) -> None:
    rows = written(base, asked(base, 30, 3), 3)
    rows[4], rows[7] = (Row(row.prompt, row.answer[:-1]) for row in (rows[4], rows[7]))
    with pytest.raises(UndertoneError, match=f"2 of {len(rows)} answers do not pass"):
        outcome(base, rows)
    long = Row(rows[0].prompt, [*rows[0].answer[:1] * 20, base.end])
    with pytest.raises(UndertoneError, match="1 of 2 answers are longer than the declared 20 tokens"):
        outcome(base, [rows[0], long])
    with pytest.raises(UndertoneError, match="no rows"):
        outcome(base, [])


@pytest.mark.parametrize("wrong", [{"temperature": -0.1}, {"temperature": float("nan")}, {"max_tokens": 0}])
def test_a_sampling_that_cannot_be_is_refused(wrong: dict[str, float]) -> None:
    with pytest.raises(UndertoneError, match="No sampling"):
        replace(SAMPLING, **wrong)  # type: ignore[arg-type]


def test_greedy_answers_are_the_bases_own_or_refused(base: LocalModel) -> None:
    greedy = replace(SAMPLING, temperature=0.0)
    rows = written(base, asked(base, 30, 4), 4, temperature=0)
    found = origin.test_origin(base, rows, greedy, finished(base), 0)
    assert (found.p, found.pairs, found.dropped) == (1, len(rows), 0)
    assert {(mean, p) for _, mean, p in found.scores} == {(0, 1)}
    mixed = [*rows[1:], *written(base, [rows[0].prompt] * 9, 1)[:1]]
    with pytest.raises(UndertoneError, match=f"1 of {len(rows)} answers are not what the base answers"):
        origin.test_origin(base, mixed, greedy, finished(base), 0)


def test_rows_kept_as_text_are_no_different(base: LocalModel) -> None:
    rows = written(base, asked(base, 60, 5), 5)
    text = [Row(row.prompt, [*base.encode(base.decode(row.answer)), base.end]) for row in rows]
    assert outcome(base, text) == outcome(base, rows)


def test_scores_are_those_of_the_plain_model(base: LocalModel) -> None:
    rows = written(base, asked(base, 20, 6), 6)
    pairs = [(tuple(row.prompt), tuple(row.answer)) for row in rows]
    table = score_table(base, pairs, 1.0)
    expected = score(base, [row.prompt for row in rows], [row.answer for row in rows])
    assert table[:, 0] == pytest.approx(np.array(expected), rel=1e-4)
    assert table[:, 1].tolist() == [len(row.answer) for row in rows]
    assert table[:, 2] == pytest.approx(-table[:, 0] / table[:, 1])
    assert table[:, 3].tolist() == [len(set(row.answer)) / len(row.answer) for row in rows]


def test_log_probability_is_at_the_declared_temperature(base: LocalModel) -> None:
    # at 1/1000 nothing but the likeliest token has any probability left
    question = asked(base, 1, 7)[0]
    greedy = sample(base, [question], temperature=0, max_tokens=20, seed=0)[0]
    assert score_table(base, [(tuple(question), tuple(greedy))], 1e-3)[0, 0] == pytest.approx(0, abs=1e-3)
    assert score_table(base, [(tuple(question), (*greedy[:2], 40))], 1e-3)[0, 0] < -100
    assert score_table(base, [(tuple(question), ())], 1.0).tolist() == [[0, 0, 0, 1]]
