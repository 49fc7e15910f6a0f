"""Scores one stored file of answers with several judges: how far they agree, and what that does to the rate."""

from collections.abc import Sequence
from itertools import combinations

import numpy as np
from scipy.stats import pearsonr

from undertone.measure.asking import Asking, Reply, judged
from undertone.measure.findings import Tallied
from undertone.measure.judge import Judge, ModelJudge
from undertone.measure.page import noted, share, shift_of
from undertone.measure.rates import (
    ALIGNED,
    COHERENT,
    by,
    counts,
    difference_interval,
    rate_interval,
    unit_rates,
    unread,
)
from undertone.measure.score import Score
from undertone.measure.stored_answers import Answer, Stored
from undertone.measure.suite import Prompt, Question, Suite
from undertone.report.findings import Interval, Part
from undertone.report.page import Column, Page, grid, section, sections
from undertone.report.words import percent_interval
from undertone.statistics.arrays import Bools, Floats

IN_FILE = "as in the file"
"""The name of the scores that are in the file already."""


class JudgeFinding(Part):
    """What one judge says of the file."""

    name: str
    digest: str
    tallied: Tallied
    ci: Interval | None
    """The 95 % interval of the mean rate over questions."""
    rate: float | None
    """The mean over questions of the share of bad answers in the denominator."""


class Agreement(Part):
    """How far two judges agree on the answers that both could judge."""

    judges: tuple[str, str]
    answers: int
    correlation: float | None
    """Pearson's correlation of their scores of alignment."""
    agree: float | None
    """The share of answers that both call bad, or that neither does."""
    kappa: float | None
    """Cohen's kappa: agreement beyond chance."""
    difference: float | None
    """The rate of the second judge minus that of the first, the mean over questions."""
    ci: Interval | None
    """The 95 % interval of the difference over questions."""


class Rescored(Part):
    """A file of answers, scored by several judges."""

    file: str
    answers: int
    left_out: int
    """Entries without an answer."""
    questions: int
    judges: tuple[JudgeFinding, ...]
    agreements: tuple[Agreement, ...]
    notes: tuple[str, ...]
    """What of the files is not used, what looks wrong, and why verdicts are missing."""

    @property
    def read(self) -> bool:
        """Whether there is a rate by every judge."""
        return all(judge.rate is not None for judge in self.judges)


def rescore(stored: Stored, judges: Sequence[Judge], suites: Sequence[Suite], asking: Asking) -> Rescored:
    """Has every judge score every answer. ``suites`` give judge prompts and known answers of questions, which are found
    by their id or wording. Scores in the file count as one more judge.

    Raises:
        UndertoneError: there are no scores at all, or a judge cannot be asked.
    """
    answers = stored.answers
    known = {key: q for suite in suites for q in suite.questions for key in (q.id, *q.paraphrases)}
    sides: dict[str, tuple[str, list[Reply]]] = {}
    if stored.refuse_unscored(len(judges)):
        sides[IN_FILE] = ("", [_reply(answer, answer.score or Score(None, None)) for answer in answers])
    for judge in judges:
        sides[judge.name] = (judge.digest, _scored(answers, judge, known, asking))
    notes = [*stored.notes, *(note for suite in suites for note in suite.notes)]
    notes += [f"{name}: {said}" for name, (_, replies) in sides.items() if (said := unread(replies))]
    found = [_judged(name, key, replies) for name, (key, replies) in sides.items()]
    notes += [
        f"{one.name}: there is no rate, because no answer has a score and is coherent"
        for one in found
        if one.rate is None and one.tallied.unreadable < one.tallied.asked  # else the note above says it
    ]
    notes += [note for judge in judges if isinstance(judge, ModelJudge) for note in judge.model.notes]
    return Rescored(
        file=str(stored.path),
        answers=len(answers),
        left_out=stored.left_out,
        questions=len({answer.question_id for answer in answers}),
        judges=tuple(found),
        agreements=tuple(_agreement((a, b), sides[a][1], sides[b][1]) for a, b in combinations(sides, 2)),
        notes=tuple(notes),
    )


def _scored(answers: Sequence[Answer], judge: Judge, known: dict[str, Question], asking: Asking) -> list[Reply]:
    """Scores question by question, so that scores stay stored if a judge fails; replies are in the file's order."""
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
    return judged(answer.question_id, answer.question_id, Prompt(answer.question), answer.answer, score)


def _judged(name: str, key: str, replies: Sequence[Reply]) -> JudgeFinding:
    rates = np.array(list(unit_rates(replies).values()))
    return JudgeFinding(
        name=name,
        digest=key,
        tallied=counts(replies),
        rate=float(rates.mean()) if len(rates) else None,
        ci=rate_interval(rates),
    )


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
        ci=difference_interval(differences),
    )


def _correlation(scores: Floats) -> float | None:
    """Returns Pearson's correlation of two columns; None if one of them does not vary."""
    return float(pearsonr(*scores.T).statistic) if len(scores) > 2 and np.ptp(scores, axis=0).all() else None


def _kept(reply: Reply) -> bool:
    return reply.aligned is not None and reply.coherent is not None and reply.coherent > COHERENT


def _kappa(agree: float, bad: Bools) -> float | None:
    shares = np.asarray(bad.mean(0))
    chance = float(shares.prod() + (1 - shares).prod())
    return None if chance >= 1 else (agree - chance) / (1 - chance)


def page(found: Rescored) -> Page:
    """Returns the page with the rate by each judge, and how far every two of them agree."""
    left = f"; {found.left_out:,} entries without an answer were left out" if found.left_out else ""
    judges = grid(
        "The rate by each judge, mean over questions",
        found.judges,
        {
            "judge": lambda one: one.name,
            Column("digest", "word", terminal=False): lambda one: one.digest[:12] or None,
            "unreadable": lambda one: f"{one.tallied.unreadable:,.0f}",
            "incoherent": lambda one: f"{one.tallied.incoherent:,.0f}",
            "counted": lambda one: f"{one.tallied.kept:,.0f}",
            "rate [95 %]": lambda one: f"{share(one.rate)} {percent_interval(one.ci) if one.ci else ''}".strip(),
            "of readable": lambda one: share(one.tallied.rate_of_judged),
        },
    )
    agreements = grid(
        "How far they agree, on answers that both could judge",
        found.agreements,
        {
            "judges": lambda one: " / ".join(one.judges),
            "answers": lambda one: one.answers,
            "correlation": lambda one: _figure(one.correlation),
            "agree": lambda one: _figure(one.agree),
            "kappa": lambda one: _figure(one.kappa),
            "difference [95 %]": lambda one: shift_of(one.difference, one.ci),
        },
    )
    return Page(
        title="Answers scored by several judges",
        checks=noted(found.notes),
        headline=f"{found.file}: {found.answers:,} answers to {found.questions:,} questions{left}.",
        sections=sections(section("Judges", judges), section("Agreement", agreements)),
    )


def _figure(value: float | None) -> str | None:
    return None if value is None else f"{value:.2f}"
