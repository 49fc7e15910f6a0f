"""TODO."""

from __future__ import annotations

from collections.abc import Sequence
from statistics import fmean

from undertone.experiments.finetunes.spec import Finetunes
from undertone.measure.endpoint import is_remote
from undertone.measure.suite import Suite
from undertone.measure.suite_files import read
from undertone.models.services.cost import GRADED, METRICS, Part, _paid, _row_length, _tokens, _work, size_of
from undertone.models.services.spending import gpu


def of_finetunes(spec: Finetunes) -> list[Part]:
    """Students, their answers, and what the judge reads."""
    machine, own = gpu(), size_of(spec.base)
    steps = spec.student.training(spec.rows)
    students = len(spec.arms) * spec.students
    length = fmean(_row_length(arm.file) for arm in spec.arms.values())
    suites = [suite for name in spec.suites for suite in read(name)]
    asked = _tokens([text for suite in suites for question in suite.questions for text in question.paraphrases])
    answers = (students + 1) * _answers(spec, suites)
    parts = [
        _work("rows trained on", students * steps.steps * steps.batch, length, 6, own, machine),
        _work("answers (at their longest)", answers, asked + spec.max_tokens, 2, own, machine),
    ]
    if spec.judge is not None and answers:
        read_tokens = GRADED + asked + spec.max_tokens
        what = f"judged by {spec.judge} (at most)"
        if is_remote(spec.judge):
            parts.append(_paid(what, METRICS * answers, read_tokens, 1, spec.judge.split("/", 2)[2]))
        else:
            parts.append(_work(what, METRICS * answers, read_tokens, 2, size_of(spec.judge), machine))
    return parts


def _answers(spec: Finetunes, suites: Sequence[Suite]) -> int:
    """Sampled answers of one model."""
    questions = [question for suite in suites for question in suite.questions if question.scored]
    return sum(len(q.paraphrases) * (spec.samples or q.samples_per_paraphrase) for q in questions)
