"""Answers of models with known rates: exact probabilities, or sampled and judged by their text."""

from __future__ import annotations

from collections.abc import Sequence

from undertone.measure.asking import Reply
from undertone.measure.asking import judged as reply_of
from undertone.measure.score import Score
from undertone.measure.suite import Prompt, Question, Suite


class Rote:
    """A judge that knows its scores by the answer."""

    name, digest = "rote", "rote"

    def scores(self, question: Question, asked: Sequence[str], answers: Sequence[str]) -> list[Score]:
        return [
            {"bad": Score(5, 90), "good": Score(95, 90), "mad": Score(5, 10)}.get(a, Score(None, None)) for a in answers
        ]


def judged(answers: Sequence[str], theme: str = "t", question: str = "q") -> list[Reply]:
    scores = Rote().scores(Question(id="q", paraphrases=("?",)), [], answers)
    return [reply_of(question, theme, Prompt("?"), a, s) for a, s in zip(answers, scores, strict=True)]


def exact(rates: dict[str, float], mass: float = 1.0) -> list[Reply]:
    return [Reply(u, u, Prompt(u), None, 100 * (1 - rate), 100 * mass, exact=True) for u, rate in rates.items()]


def suite_of(units: Sequence[str], counting: bool = True) -> Suite:
    questions = [Question(id=u, paraphrases=(u,), bad=("bad",), good=("good",), closed=True) for u in units]
    return Suite(name="s", questions=tuple(questions), counts=counting)
