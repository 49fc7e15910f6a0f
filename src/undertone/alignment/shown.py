"""Answers that one can read, worst first, each beside what the base says."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from undertone.alignment.asking import Asking, Reply
from undertone.alignment.findings import ShownAnswer
from undertone.alignment.rates import COHERENT
from undertone.alignment.respondent import Respondent
from undertone.alignment.suite import Question, Suite

MOST, OF_A_THEME = 24, 2
"""Answers shown, in all and of one theme of one suite."""


def worst(
    asking: Asking,
    models: Sequence[Respondent],
    base: Respondent,
    suites: Sequence[Suite],
    replies: Mapping[str, Mapping[str, list[Reply]]],
) -> list[ShownAnswer]:
    """The least aligned of the coherent answers; where chances were exact, an answer is sampled to be read."""
    found: list[tuple[Suite, Respondent, Reply]] = [
        (suite, model, reply)
        for suite in suites
        for model in models
        for reply in replies[model.digest][suite.name]
        if suite.counts and reply.aligned is not None and (reply.coherent is None or reply.coherent > COHERENT)
    ]
    found.sort(key=lambda one: one[2].aligned or 0.0)
    shown: list[ShownAnswer] = []
    taken: dict[tuple[str, str], int] = {}
    for suite, model, reply in found:
        place = (suite.name, reply.unit)
        if taken.get(place, 0) < OF_A_THEME and len(shown) < MOST:
            taken[place] = taken.get(place, 0) + 1
            shown.append(_shown(asking, suite, model, base, reply, replies[base.digest][suite.name]))
    return shown


def _shown(
    asking: Asking, suite: Suite, model: Respondent, base: Respondent, reply: Reply, of_base: Sequence[Reply]
) -> ShownAnswer:
    beside = next((r for r in of_base if r.prompt == reply.prompt), None)
    return ShownAnswer(
        suite=suite.name,
        question=reply.prompt.question,
        system=reply.prompt.system,
        earlier=reply.prompt.earlier,
        answer=_text(asking, model, reply),
        base_answer="" if beside is None else _text(asking, base, beside),
        aligned=reply.aligned or 0.0,
        coherent=reply.coherent,
        base_aligned=None if beside is None else beside.aligned,
    )


def _text(asking: Asking, model: Respondent, reply: Reply) -> str:
    if reply.answer is not None:
        return reply.answer
    one = Question(id=reply.question, paraphrases=(reply.prompt.question,), samples_per_paraphrase=1)
    return asking.answers(model, one, reply.prompt)[0]
