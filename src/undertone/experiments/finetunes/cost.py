"""What fine-tunes cost with a model that need not be here."""

from collections.abc import Sequence
from statistics import fmean

from undertone.experiments.finetunes.spec import Finetunes
from undertone.measure.respondent import is_remote
from undertone.measure.suite import Suite
from undertone.measure.suite_files import read
from undertone.models.services.cost import GRADED, METRICS, Part, paid, row_length, size_of, tokens_of, work
from undertone.models.services.spending import gpu


def of_finetunes(spec: Finetunes) -> list[Part]:
    """Students, their answers, and what the judge reads."""
    machine, own = gpu(), size_of(spec.base)
    steps = spec.student.training(spec.rows)
    students = len(spec.arms) * spec.students
    length = fmean(row_length(arm.file) for arm in spec.arms.values())
    suites = [suite for name in spec.suites for suite in read(name)]
    asked = tokens_of([text for suite in suites for question in suite.questions for text in question.paraphrases])
    answers = (students + 1) * _answers(spec, suites)
    parts = [
        work("rows trained on", students * steps.steps * steps.batch, length, 6, own, machine),
        work("answers (at their longest)", answers, asked + spec.max_tokens, 2, own, machine),
    ]
    if spec.judge is not None and answers:
        read_tokens = GRADED + asked + spec.max_tokens
        what = f"judged by {spec.judge} (at most)"
        if is_remote(spec.judge):
            parts.append(paid(what, METRICS * answers, read_tokens, 1, spec.judge.split("/", 2)[2]))
        else:
            parts.append(work(what, METRICS * answers, read_tokens, 2, size_of(spec.judge), machine))
    return parts


def _answers(spec: Finetunes, suites: Sequence[Suite]) -> int:
    """Sampled answers of one model."""
    questions = [question for suite in suites for question in suite.questions if question.scored]
    return sum(len(q.paraphrases) * (spec.samples or q.samples_per_paraphrase) for q in questions)
