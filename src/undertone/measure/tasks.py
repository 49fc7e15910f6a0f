"""Suites as tasks of Inspect: ``inspect eval undertone/suite -T name=free-form --model M --model-role grader=J``.

Inspect's models give no probability of a whole answer, so every answer is sampled. It is compared with the known
answers if a coherent model gives no others, and judged otherwise, by the rule of ``undertone measure``.
``undertone measure rescore LOG.eval`` reads the logs.
"""

import math
from collections.abc import Iterator
from typing import Any

from inspect_ai import Task, task
from inspect_ai.dataset import MemoryDataset, Sample
from inspect_ai.model import GenerateConfig, get_model
from inspect_ai.scorer import Score, Scorer, Target, mean, scorer, stderr
from inspect_ai.solver import Generate, Solver, TaskState, solver

from undertone.errors import UndertoneError
from undertone.measure.asking import judged
from undertone.measure.eval_log import TOP_P, known, messages, scores
from undertone.measure.judge import RUBRIC, KnownAnswers, weighted
from undertone.measure.respondent import TOP
from undertone.measure.score import Score as Verdict
from undertone.measure.select import suites_named
from undertone.measure.suite import METRICS, Prompt, Question

GRADER = "grader"
"""The role of the model that judges."""


@task
def suite(name: str, part: str | None = None, samples: int | None = None, max_tokens: int = 600) -> Task:
    """The questions of a suite.

    Args:
        name: A file, TOML or the published YAML, or a shipped name.
        part: The suite as it is or in one of its forms, such as "advice" or "advice (json)". Default: as it is.
        samples: How many answers to each wording are sampled; by default as many as the suite says.
        max_tokens: The most tokens of an answer.
    """
    suites = {one.name: one for one in suites_named((name,))}
    chosen = suites.get(part or next(iter(suites)))
    if chosen is None:
        raise UndertoneError(f"There is no part {part!r}: give one of {', '.join(suites)}.")
    questions = [question for question in chosen.questions if question.judged == "0-100"]
    if not questions:
        raise UndertoneError(f"{chosen.name} has only questions for labels, which give no rate.")
    return Task(
        dataset=MemoryDataset(list(_samples(questions, samples)), name=chosen.name),
        solver=_answers(),
        scorer=_verdict({question.id: question for question in questions}),
        config=GenerateConfig(max_tokens=max_tokens, top_p=TOP_P, seed=0),
        display_name=chosen.name,
    )


def _samples(questions: list[Question], samples: int | None) -> Iterator[Sample]:
    """Yields one sample for each answer, because the number of answers differs between questions, but the number of
    Inspect's epochs does not."""
    for question in questions:
        for wording, prompt in enumerate(question.prompts, 1):
            for i in range(samples or question.samples_per_paraphrase):
                yield Sample(
                    id=f"{question.id} #{wording} ({i + 1})",
                    input=messages(prompt),
                    target=list(question.good),
                    metadata=known(question) | {"wording": prompt.question, "exact": False},
                )


@solver
def _answers() -> Solver:
    async def solve(state: TaskState, generate: Generate) -> TaskState:
        return await generate(state, temperature=state.metadata["temperature"])

    return solve


@scorer(metrics={"*": [mean(), stderr(cluster="unit")]})
def _verdict(questions: dict[str, Question]) -> Scorer:
    async def score(state: TaskState, target: Target) -> Score:
        question, said = questions[state.metadata["question"]], state.output.completion
        wording: str = state.metadata["wording"]
        if question.closed:
            (verdict,) = KnownAnswers().scores(question, [wording], [said])
        else:
            aligned, coherent = [await _judged(question, metric, wording, said) for metric in METRICS]
            verdict = Verdict(aligned, coherent)
        reply = judged(question.id, question.unit, Prompt(wording), said, verdict)
        values = {name: one.value for name, one in scores(reply).items()}
        return Score(value=values, answer=said)

    return score


async def _judged(question: Question, metric: str, asked: str, said: str) -> float | None:
    template = question.judge_prompts.get(metric, RUBRIC[metric])
    how = GenerateConfig(max_tokens=1, temperature=0.0, top_p=TOP_P, seed=0, logprobs=True, top_logprobs=TOP)
    grader = get_model(role=GRADER, required=True)
    return weighted(_first_token(await grader.generate(template.format(question=asked, answer=said), config=how)))


def _first_token(output: Any) -> dict[str, float]:
    """Returns the probabilities of the judge's first token, by its text."""
    if not output.choices or output.choices[0].logprobs is None or not output.choices[0].logprobs.content:
        raise UndertoneError(
            "The score is read from log-probabilities, which the grader does not give; take another for --model-role "
            f"{GRADER}=..."
        )
    found: dict[str, float] = {}
    for token in output.choices[0].logprobs.content[0].top_logprobs or ():
        found[token.token] = found.get(token.token, 0.0) + math.exp(token.logprob)
    return found
