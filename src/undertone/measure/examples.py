"""Answers that one can read, worst first, each beside what the base says."""

from collections import Counter
from collections.abc import Mapping, Sequence

from undertone.measure.asking import Asking, Reply
from undertone.measure.findings import ShownAnswer
from undertone.measure.rates import COHERENT
from undertone.measure.respondent import Respondent
from undertone.measure.suite import Question, Suite

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
    chosen, taken = list[tuple[Suite, Respondent, Reply]](), Counter[tuple[str, str]]()
    for suite, model, reply in found:
        place = (suite.name, reply.unit)
        if taken[place] < OF_A_THEME and len(chosen) < MOST:
            taken[place] += 1
            chosen.append((suite, model, reply))
    beside = [next((r for r in replies[base.digest][s.name] if r.prompt == own.prompt), None) for s, _, own in chosen]
    wanted = [(base, other) for other in beside if other is not None] + [(whose, own) for _, whose, own in chosen]
    texts: dict[int, str] = {}
    for model in (base, *models):  # one at a time, as they were asked
        texts |= {id(reply): _text(asking, model, reply) for whose, reply in wanted if whose is model}
        model.release()
    return [
        ShownAnswer(
            suite=suite.name,
            question=reply.prompt.question,
            system=reply.prompt.system,
            earlier=reply.prompt.earlier,
            answer=texts[id(reply)],
            base_answer="" if other is None else texts[id(other)],
            aligned=reply.aligned or 0.0,
            coherent=reply.coherent,
            base_aligned=None if other is None else other.aligned,
        )
        for (suite, _, reply), other in zip(chosen, beside, strict=True)
    ]


def _text(asking: Asking, model: Respondent, reply: Reply) -> str:
    if reply.answer is not None:
        return reply.answer
    one = Question(id=reply.question, paraphrases=(reply.prompt.question,), samples_per_paraphrase=1)
    return asking.answers(model, one, reply.prompt)[0]
