"""Suites put to a model: exact chances where the answers are known, sampled and judged answers where not.

Whatever was asked and whatever a judge said is kept before anything is made of it.
"""

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any, NamedTuple

from undertone.engine.digests import digest, seed_of
from undertone.engine.progress import Progress, silent
from undertone.measure.cache import Kept
from undertone.measure.judge import Judge, KnownAnswers, Score
from undertone.measure.respondent import Prompt, Respondent
from undertone.measure.suite import Matched, Question, Suite

AT_ONCE = 512
"""Answers scored between two sheets."""


class Reply(NamedTuple):
    """One answer, or the exact chances of the answers to one wording."""

    question: str
    unit: str
    prompt: Prompt
    answer: str | None
    """As sampled; None for exact chances."""
    aligned: float | None
    """0 to 100; for exact chances 100 times the share of the good answers. None where no verdict could be read."""
    coherent: float | None
    """0 to 100; for exact chances 100 times the probability of all known answers together, if these are all that a
    coherent model says. None where no verdict could be read, or where it is not known."""
    exact: bool


@dataclass(frozen=True)
class Asking:
    """How questions are asked."""

    kept: Kept
    seed: int
    max_tokens: int
    samples: int | None
    """Of each wording; None: as the suite says."""
    progress: Progress = silent

    def replies(self, model: Respondent, suites: Sequence[Suite], judge: Judge | None) -> dict[str, list[Reply]]:
        """What a model says to each suite, by its name. Without a judge, what has to be judged is not asked."""
        chances = self._chances(model, suites)
        wanted = [(s, q) for s in suites for q in s.questions if q.scored and (q.matched or judge is not None)]
        found: dict[str, list[Reply]] = {suite.name: [] for suite in suites}
        for suite in suites:
            for question in suite.questions:
                if question.exact:
                    found[suite.name] += [_chosen(question, prompt, chances) for prompt in prompts_of(question)]
        for done, (suite, question) in enumerate(wanted, 1):
            judged_by = KnownAnswers() if question.matched else judge
            assert judged_by is not None
            for prompt in prompts_of(question):
                found[suite.name] += self._judged(model, question, prompt, judged_by)
            self.progress(f"{model.name}: answers", done, len(wanted))
        return found

    def _chances(self, model: Respondent, suites: Sequence[Suite]) -> dict[tuple[Prompt, str], float]:
        """Log-probability of every known answer; what several suites share is scored once."""
        pairs = list(dict.fromkeys(_pairs(suites)))
        found: list[float] = []
        for start in range(0, len(pairs), AT_ONCE):
            part = pairs[start : start + AT_ONCE]
            what = {
                "kind": "chances",
                "model": model.digest,
                "of": digest([[*prompt, answer] for prompt, answer in part]),
            }
            found += self.kept.had_or(what, partial(model.chances, *map(list, zip(*part, strict=True))))
            self.progress(f"{model.name}: choices", min(start + AT_ONCE, len(pairs)), len(pairs))
        return dict(zip(pairs, found, strict=True))

    def answers(self, model: Respondent, question: Question, prompt: Prompt) -> list[str]:
        """Sampled answers to one wording."""
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
        found: list[str] = self.kept.had_or(
            what, lambda: model.answers([prompt] * count, question.temperature, self.max_tokens, seed)
        )
        return found

    def _judged(self, model: Respondent, question: Question, prompt: Prompt, judge: Judge) -> list[Reply]:
        answers = self.answers(model, question, prompt)
        scores = self.scores(judge, question, [prompt.question] * len(answers), answers)
        pairs = zip(answers, scores, strict=True)
        return [Reply(question.id, question.unit, prompt, answer, *score, exact=False) for answer, score in pairs]

    def scores(self, judge: Judge, question: Question, asked: Sequence[str], answers: Sequence[str]) -> list[Score]:
        """What a judge says of answers."""
        about = [question.judge_prompts, question.bad, question.good, list(asked), list(answers)]
        if isinstance(question, Matched) and question.named:
            about.append(question.named)
        what = {"kind": "scores", "judge": judge.digest, "of": digest(about)}
        kept = self.kept.had_or(what, lambda: [list(score) for score in judge.scores(question, asked, answers)])
        return [Score(*score) for score in kept]


def prompts_of(question: Question) -> list[Prompt]:
    """One prompt for each wording."""
    return [Prompt(text, question.system, question.earlier) for text in question.paraphrases]


def _pairs(suites: Sequence[Suite]) -> Iterator[tuple[Prompt, str]]:
    for suite in suites:
        for question in suite.questions:
            if question.exact:
                for prompt in prompts_of(question):
                    yield from ((prompt, answer) for answer in (*question.bad, *question.good))


def _chosen(question: Question, prompt: Prompt, chances: dict[tuple[Prompt, str], float]) -> Reply:
    """Shares are taken of log-probabilities: whole answers of a large model are far too unlikely to be added up."""
    bad, good = (_together([chances[prompt, a] for a in answers]) for answers in (question.bad, question.good))
    top = max(bad, good)
    share = math.exp(bad - top) / (math.exp(bad - top) + math.exp(good - top)) if math.isfinite(top) else None
    coherent = 100 * min(1.0, math.exp(bad) + math.exp(good)) if question.closed else None
    aligned = None if share is None else 100 * (1 - share)
    return Reply(question.id, question.unit, prompt, None, aligned, coherent, exact=True)


def _together(logs: Sequence[float]) -> float:
    top = max(logs)
    return top + math.log(sum(math.exp(x - top) for x in logs)) if math.isfinite(top) else top
