"""One stored file of answers, scored by several judges: how far they agree, and what that does to the rate."""

from collections.abc import Sequence
from itertools import combinations
from pathlib import Path

import numpy as np
from scipy.stats import pearsonr

from undertone.errors import UndertoneError
from undertone.measure.asking import Asking, Reply
from undertone.measure.compare import LEVEL
from undertone.measure.findings import Tallied
from undertone.measure.judge import Judge, Score
from undertone.measure.rates import ALIGNED, COHERENT, by, counts, tallied, unit_rates
from undertone.measure.respondent import Prompt
from undertone.measure.stored_answers import Answer, read_answers
from undertone.measure.suite import Question, Suite
from undertone.report.findings import Interval, Part
from undertone.statistics.arrays import Bools, Floats
from undertone.statistics.crossed import crossed_interval

IN_FILE = "as in the file"
"""The name of the scores that a file brings with it."""


class JudgeFinding(Part):
    """What one judge makes of the file."""

    name: str
    digest: str
    tallied: Tallied
    ci: Interval | None
    """The 95 % interval of the mean rate over questions."""
    rate: float | None
    """The mean over questions of the share of bad answers among those that were kept."""


class Agreement(Part):
    """How far two judges agree on the answers that both could read."""

    judges: tuple[str, str]
    answers: int
    correlation: float | None
    """Pearson's correlation of their scores of alignment."""
    agree: float | None
    """The share of answers that both call bad, or that neither does."""
    kappa: float | None
    """Cohen's kappa: how far they agree beyond chance."""
    difference: float | None
    """The rate of the second judge minus that of the first: the mean over questions."""
    ci: Interval | None
    """The 95 % interval of the difference over questions."""


class Rescored(Part):
    """A file of answers, scored by several judges."""

    file: str
    answers: int
    left_out: int
    """Entries of a log that hold no answer."""
    questions: int
    judges: tuple[JudgeFinding, ...]
    agreements: tuple[Agreement, ...]


def rescore(path: Path, judges: Sequence[Judge], suites: Sequence[Suite], asking: Asking) -> Rescored:
    """Has every judge score every answer. ``suites`` give the questions' own judge prompts and known answers, by id or
    by wording; scores that the file brings are one judge more.

    Raises:
        UndertoneError: the file cannot be read, or there is nothing to compare.
    """
    stored = read_answers(path)
    answers = stored.answers
    known = {key: q for suite in suites for q in suite.questions for key in (q.id, *q.paraphrases)}
    sides: dict[str, tuple[str, list[Reply]]] = {}
    if any(answer.score for answer in answers):
        own = [answer.score or Score(None, None) for answer in answers]
        sides[IN_FILE] = ("", [_reply(answer, score) for answer, score in zip(answers, own, strict=True)])
    for judge in judges:
        sides[judge.name] = (judge.digest, _scored(answers, judge, known, asking))
    if not sides:
        raise UndertoneError(f"{path} has no scores of its own; name a judge with --judge.")
    return Rescored(
        file=str(path),
        answers=len(answers),
        left_out=stored.left_out,
        questions=len({answer.question_id for answer in answers}),
        judges=tuple(_judged(name, key, replies) for name, (key, replies) in sides.items()),
        agreements=tuple(_agreement((a, b), sides[a][1], sides[b][1]) for a, b in combinations(sides, 2)),
    )


def _scored(answers: Sequence[Answer], judge: Judge, known: dict[str, Question], asking: Asking) -> list[Reply]:
    """Question by question, so that what was scored before a judge died is kept; replies in the file's order."""
    places: dict[str, list[int]] = {}
    for i, answer in enumerate(answers):
        places.setdefault(answer.question_id, []).append(i)
    found: dict[int, Reply] = {}
    for done, (name, indices) in enumerate(places.items(), 1):
        own = [answers[i] for i in indices]
        question = known.get(name) or known.get(own[0].question) or Question(id=name, paraphrases=(own[0].question,))
        scores = asking.scores(judge, question, [a.question for a in own], [a.answer for a in own])
        found |= {i: _reply(answers[i], score) for i, score in zip(indices, scores, strict=True)}
        asking.progress(f"{judge.name}: questions", done, len(places))
    return [found[i] for i in range(len(answers))]


def _reply(answer: Answer, score: Score) -> Reply:
    return Reply(answer.question_id, answer.question_id, Prompt(answer.question), answer.answer, *score, exact=False)


def _judged(name: str, key: str, replies: Sequence[Reply]) -> JudgeFinding:
    rates = np.array(list(unit_rates(replies).values()))
    return JudgeFinding(
        name=name,
        digest=key,
        tallied=tallied(counts(replies)),
        rate=float(rates.mean()) if len(rates) else None,
        ci=interval(rates),
    )


def interval(values: Floats) -> Interval | None:
    """95 % interval of the mean rate over questions, of one model; None where there is none."""
    if len(values) < 2:
        return None
    centre, half = crossed_interval(values[None], LEVEL)
    return (float(centre - half), float(centre + half)) if np.isfinite(half) else None


def _agreement(names: tuple[str, str], first: Sequence[Reply], second: Sequence[Reply]) -> Agreement:
    both = [(a, b) for a, b in zip(first, second, strict=True) if _kept(a) and _kept(b)]
    scores: Floats = np.array([[a.aligned, b.aligned] for a, b in both], dtype=np.float64).reshape(-1, 2)
    bad: Bools = np.asarray(scores < ALIGNED)
    agree = float((bad[:, 0] == bad[:, 1]).mean()) if len(both) else None
    rates = [unit_rates([pair[k] for pair in both]) for k in (0, 1)]
    differences = np.array([rates[1][unit] - rates[0][unit] for unit in by([a for a, _ in both], "unit")])
    return Agreement(
        judges=names,
        answers=len(both),
        correlation=_correlation(scores),
        agree=agree,
        kappa=None if agree is None else _kappa(agree, bad),
        difference=float(differences.mean()) if len(differences) else None,
        ci=interval(differences),
    )


def _correlation(scores: Floats) -> float | None:
    """Pearson's, of two columns; None where one of them does not vary."""
    return float(pearsonr(*scores.T).statistic) if len(scores) > 2 and np.ptp(scores, axis=0).all() else None


def _kept(reply: Reply) -> bool:
    return reply.aligned is not None and reply.coherent is not None and reply.coherent > COHERENT


def _kappa(agree: float, bad: Bools) -> float | None:
    shares = np.asarray(bad.mean(0))
    chance = float(shares.prod() + (1 - shares).prod())
    return None if chance >= 1 else (agree - chance) / (1 - chance)
