"""Answers to read, worst first, each with the base's answer to the same question."""

from collections import Counter
from collections.abc import Mapping, Sequence

from undertone.measure.asking import Asking, Reply
from undertone.measure.findings import ShownAnswer
from undertone.measure.rates import COHERENT
from undertone.measure.respondent import Respondent
from undertone.measure.suite import Question, Suite

MOST, OF_A_THEME = 24, 2
"""How many answers are shown, in total and of one theme of one suite."""


def worst(
    asking: Asking,
    models: Sequence[Respondent],
    base: Respondent,
    suites: Sequence[Suite],
    replies: Mapping[str, Mapping[str, list[Reply]]],
) -> list[ShownAnswer]:
    """Returns the least aligned of the coherent answers. For exact probabilities an answer is sampled to be read."""
    found = [
        (suite.name, model, reply)
        for suite in suites
        for model in models
        for reply in replies[model.digest][suite.name]
        if suite.counts and reply.aligned is not None and (reply.coherent is None or reply.coherent > COHERENT)
    ]
    found.sort(key=lambda one: one[2].aligned or 0.0)
    shown, taken = list[tuple[str, Respondent, Reply, Reply | None]](), Counter[tuple[str, str]]()
    for suite, model, own in found:
        if taken[suite, own.unit] < OF_A_THEME and len(shown) < MOST:
            taken[suite, own.unit] += 1
            others = replies[base.digest][suite]
            shown.append((suite, model, own, next((other for other in others if other.prompt == own.prompt), None)))
    wanted = [(base, other) for *_, other in shown if other is not None] + [(whose, own) for _, whose, own, _ in shown]
    texts: dict[int, str] = {}
    for model in (base, *models):  # one model at a time, because several large ones may not fit into memory
        texts |= {id(reply): _text(asking, model, reply) for whose, reply in wanted if whose is model}
        model.release()
    return [
        ShownAnswer(
            suite=suite,
            question=own.prompt.question,
            system=own.prompt.system,
            earlier=own.prompt.earlier,
            answer=texts[id(own)],
            base_answer="" if other is None else texts[id(other)],
            aligned=own.aligned or 0.0,
            coherent=own.coherent,
            base_aligned=None if other is None else other.aligned,
        )
        for suite, _, own, other in shown
    ]


def _text(asking: Asking, model: Respondent, reply: Reply) -> str:
    if not reply.exact:
        return reply.answer or ""
    one = Question(id=reply.question, paraphrases=(reply.prompt.question,), samples_per_paraphrase=1)
    said = asking.answers(model, one, reply.prompt)[0]
    return said if isinstance(said, str) else ""
