"""Asks a model the questions of suites: exact probabilities of known answers, or sampled answers that are judged.

All answers and scores are stored before they are used.
"""

import math
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any, NamedTuple, TypeGuard

from undertone.engine.digests import digest, seed_of
from undertone.engine.progress import Progress, silent
from undertone.measure.cache import Cache
from undertone.measure.judge import Judge, KnownAnswers, ModelJudge
from undertone.measure.respondent import Missing, Remote, Respondent
from undertone.measure.score import Score
from undertone.measure.suite import Matched, Prompt, Question, Suite
from undertone.models.services.reply import CUT, REASONING

CHOICES, ANSWERS = "choices", "answers"
"""What progress is told of, after the name of a model."""
AT_ONCE = 512
"""How many known answers are scored and stored together."""


class Reply(NamedTuple):
    """One answer, or the exact probabilities of the known answers to one wording."""

    question: str
    unit: str
    prompt: Prompt
    answer: str | None
    """The sampled answer; None for exact probabilities, and if a service gave none."""
    aligned: float | None
    """0 to 100. For exact probabilities it is 100 times the share of the good answers. None without a readable
    verdict."""
    coherent: float | None
    """0 to 100. For exact probabilities it is 100 times the probability of all known answers, or None if a coherent
    model may give others. None without a readable verdict."""
    exact: bool
    why: str = ""
    """What came in place of a verdict that is missing."""


@dataclass(frozen=True)
class Asking:
    """How questions are asked."""

    cache: Cache
    seed: int
    max_tokens: int
    samples: int | None
    """Sampled answers to each wording; None: as the suite says."""
    progress: Progress = silent

    def announce(self, models: Iterable[Respondent], suites: Sequence[Suite], judge: Judge | None) -> None:
        """Tells how much each model will be asked, so that the end of all can be estimated."""
        for model in models:
            for what, count in ((CHOICES, len(pairs_of(suites))), (ANSWERS, len(_sampled(suites, judge)))):
                if count:
                    self.progress(f"{model.name}: {what}", 0, count)

    def replies(self, model: Respondent, suites: Sequence[Suite], judge: Judge | None) -> dict[str, list[Reply]]:
        """Returns a model's replies by the name of the suite. Questions that need a judge are left out if ``judge`` is
        None."""
        chances = self._chances(model, suites)
        found = {
            suite.name: [_chosen(q, prompt, chances) for q in suite.questions if q.exact for prompt in q.prompts]
            for suite in suites
        }
        sampled = _sampled(suites, judge)
        for done, (suite, question, judged_by) in enumerate(sampled, 1):
            for prompt in question.prompts:
                found[suite.name] += self._judged(model, question, prompt, judged_by)
            self.progress(f"{model.name}: {ANSWERS}", done, len(sampled))
        return found

    def _chances(self, model: Respondent, suites: Sequence[Suite]) -> dict[tuple[Prompt, str], float]:
        """Returns the log-probability of every known answer; what several suites share is scored once."""
        pairs = pairs_of(suites)
        found: list[float] = []
        for start in range(0, len(pairs), AT_ONCE):
            part = pairs[start : start + AT_ONCE]
            of = digest([[*prompt, answer] for prompt, answer in part])
            what = {"kind": "chances", "model": model.digest, "of": of}
            found += self.cache.get_or(what, partial(model.chances, *map(list, zip(*part, strict=True))))
            self.progress(f"{model.name}: {CHOICES}", len(found), len(pairs))
        return dict(zip(pairs, found, strict=True))

    def answers(self, model: Respondent, question: Question, prompt: Prompt) -> list[str | Missing]:
        """Returns sampled answers to one wording."""
        count = self.samples or question.samples_per_paraphrase
        what: dict[str, Any] = {
            "kind": "answers",
            "model": model.digest,
            "prompt": [prompt.question, prompt.system, [list(turn) for turn in prompt.earlier]],
            "temperature": question.temperature,
            "max_tokens": self.max_tokens,
            "samples": count,
            "seed": self.seed,
        }
        seed = seed_of(self.seed, what["prompt"])
        found: list[str | list[str]] = self._kept(
            model, what, lambda: model.answers([prompt] * count, question.temperature, self.max_tokens, seed)
        )
        return [one if isinstance(one, str) else Missing(*one) for one in found]

    def _judged(self, model: Respondent, question: Question, prompt: Prompt, judge: Judge) -> list[Reply]:
        answers = self.answers(model, question, prompt)
        scores = self.scores(judge, question, [prompt.question] * len(answers), answers)
        return [judged(question.id, question.unit, prompt, *one) for one in zip(answers, scores, strict=True)]

    def scores(
        self, judge: Judge, question: Question, asked: Sequence[str], answers: Sequence[str | Missing]
    ) -> list[Score]:
        """Returns a judge's scores of answers. Nothing is no coherent answer, and a missing one has no score."""
        given = [(wording, answer) for wording, answer in zip(asked, answers, strict=True) if _says(answer)]
        found = iter(self._stored(judge, question, *zip(*given, strict=True)) if given else ())
        return [next(found) if _says(answer) else _unsaid(answer) for answer in answers]

    def _stored(self, judge: Judge, question: Question, asked: Sequence[str], answers: Sequence[str]) -> list[Score]:
        about = [question.judge_prompts, question.bad, question.good, list(asked), list(answers)]
        if isinstance(question, Matched) and question.named:
            about.append(question.named)
        what = {"kind": "scores", "judge": judge.digest, "of": digest(about)}
        by = judge.model if isinstance(judge, ModelJudge) else None
        found = self._kept(by, what, lambda: judge.scores(question, asked, answers))
        return [Score(*score) for score in found]

    def _kept(self, by: Respondent | None, what: dict[str, Any], make: Callable[[], Any]) -> Any:
        """What a service answers is kept by its endpoint alone, which tells how old it is."""
        return make() if isinstance(by, Remote) else self.cache.get_or(what, make)


def judged(question: str, unit: str, prompt: Prompt, answer: str | Missing, score: Score) -> Reply:
    """Returns the reply that is an answer with its score."""
    said = answer if isinstance(answer, str) else None
    return Reply(question, unit, prompt, said, score.aligned, score.coherent, exact=False, why=score.why)


def _says(answer: str | Missing) -> TypeGuard[str]:
    return isinstance(answer, str) and bool(answer.strip())


def _unsaid(answer: str | Missing) -> Score:
    if isinstance(answer, str):
        return Score(None, 0.0)
    remedy = ": raise --max-tokens" if answer.why in (CUT, REASONING) else ""
    return Score(None, None, f"from the model: {answer.why}{remedy}")


def pairs_of(suites: Sequence[Suite]) -> list[tuple[Prompt, str]]:
    """Returns every known answer with its question, once."""
    exact = (question for suite in suites for question in suite.questions if question.exact)
    return list(dict.fromkeys((prompt, a) for q in exact for prompt in q.prompts for a in (*q.bad, *q.good)))


def _sampled(suites: Sequence[Suite], judge: Judge | None) -> list[tuple[Suite, Question, Judge]]:
    """Returns the questions to which answers are sampled, and what judges them."""
    return [
        (suite, question, judged_by)
        for suite in suites
        for question in suite.questions
        if question.scored and (judged_by := KnownAnswers() if question.matched else judge) is not None
    ]


def _chosen(question: Question, prompt: Prompt, chances: dict[tuple[Prompt, str], float]) -> Reply:
    """Shares are computed from log-probabilities: whole answers of a large model are so unlikely that their
    probabilities would underflow."""
    bad, good = (_together([chances[prompt, a] for a in answers]) for answers in (question.bad, question.good))
    top = max(bad, good)
    if math.isnan(bad + good) or not math.isfinite(top):
        why = "from the model: probabilities that are no numbers"
        return Reply(question.id, question.unit, prompt, None, None, None, exact=True, why=why)
    share = math.exp(bad - top) / (math.exp(bad - top) + math.exp(good - top))
    coherent = 100 * min(1.0, math.exp(bad) + math.exp(good)) if question.closed else None
    return Reply(question.id, question.unit, prompt, None, 100 * (1 - share), coherent, exact=True)


def _together(logs: Sequence[float]) -> float:
    top = math.nan if any(map(math.isnan, logs)) else max(logs)
    return top + math.log(sum(math.exp(x - top) for x in logs)) if math.isfinite(top) else top
