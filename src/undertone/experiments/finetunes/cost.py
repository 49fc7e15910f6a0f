"""Estimates the cost of an experiment on users' files. The model need not be on this machine."""

from statistics import fmean

from undertone.data.forms import form_given
from undertone.experiments.finetunes.spec import Finetunes
from undertone.measure.suite_files import read
from undertone.models.names import is_remote, is_repository
from undertone.models.services.cost import GRADED, METRICS, Part, paid, row_length, size_of, tokens_of, work
from undertone.models.services.spending import gpu


def of_finetunes(spec: Finetunes) -> list[Part]:
    """Returns the cost of training students, of their answers, and of the judge. The time of models that are on this
    machine is no part of it."""
    machine, own, training = gpu(), size_of(spec.base), spec.student.training(spec.rows)
    students = len(spec.arms) * spec.students
    length = fmean(row_length(arm.file, form_given(arm.map)) for arm in spec.arms.values())
    questions = [question for name in spec.suites for suite in read(name) for question in suite.questions]
    asked = tokens_of([text for question in questions for text in question.paraphrases])
    answers = (students + 1) * sum(
        len(q.paraphrases) * (spec.samples or q.samples_per_paraphrase) for q in questions if q.scored
    )
    parts = []
    if is_repository(spec.base):
        parts = [
            work("rows trained on", students * training.steps * training.batch, length, 6, own, machine),
            work("answers (at their longest)", answers, asked + spec.max_tokens, 2, own, machine),
        ]
    if spec.judge is not None and answers:
        read_tokens = GRADED + asked + spec.max_tokens
        what = f"judged by {spec.judge} (at most)"
        if is_remote(spec.judge):
            parts.append(paid(what, METRICS * answers, read_tokens, 1, spec.judge.split("/", 2)[2]))
        elif parts or is_repository(spec.judge):
            parts.append(work(what, METRICS * answers, read_tokens, 2, size_of(spec.judge), machine))
    return parts
