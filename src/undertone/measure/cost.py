"""What the services of a measurement cost."""

from collections.abc import Sequence

from undertone.measure.endpoint import is_remote
from undertone.measure.request import Request
from undertone.measure.suite import Suite
from undertone.models.services.cost import GRADED, METRICS, Part, paid, tokens_of


def of_services(request: Request, suites: Sequence[Suite]) -> list[Part]:
    """What the services of a measurement are asked: every answer of the models behind them, and what a judge reads."""
    each = sum(len(q.paraphrases) * (request.samples or q.samples_per_paraphrase) for s in suites for q in s.questions)
    asked = tokens_of([text for suite in suites for question in suite.questions for text in question.paraphrases])
    models = dict.fromkeys((request.base, *request.models, *request.benign))
    parts = [
        paid(f"answers of {name}", each, asked, request.max_tokens, name.split("/", 2)[2])
        for name in models
        if is_remote(name)
    ]
    if request.judge is not None and is_remote(request.judge):
        count, read_tokens = METRICS * len(models) * each, GRADED + asked + request.max_tokens
        parts.append(paid(f"judged by {request.judge}", count, read_tokens, 1, request.judge.split("/", 2)[2]))
    return parts
