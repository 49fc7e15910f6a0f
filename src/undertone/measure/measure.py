"""A measurement, on one page: models and their base in, findings out.

suites and probes → questions asked of every model → judged → rates by unit → compared → a verdict
"""

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from itertools import chain
from pathlib import Path

from undertone.engine import environment as surroundings
from undertone.engine.progress import Progress, silent
from undertone.errors import UndertoneError
from undertone.measure.asking import Asking, Reply
from undertone.measure.cache import Kept
from undertone.measure.compare import compare
from undertone.measure.endpoint import Open, Remote, is_remote, opening
from undertone.measure.examples import worst
from undertone.measure.findings import Findings, Pinned
from undertone.measure.judge import EXACT, Judge, ModelJudge, judge_named
from undertone.measure.rates import DENOMINATOR
from undertone.measure.request import Request
from undertone.measure.respondent import Local, Prompt, Respondent
from undertone.measure.select import chosen
from undertone.measure.suite import Suite
from undertone.measure.verdict import headline, verdict_of
from undertone.models.services.spending import Budget, Limits

WORDINGS = 5
"""Wordings asked several times, from which on it is told if none was answered in two ways."""


@dataclass(frozen=True)
class Measured:
    """What was found, and all that was said."""

    findings: Findings
    suites: list[Suite]
    models: list[Respondent]
    """All that were asked, the base first."""
    replies: dict[str, dict[str, list[Reply]]]
    """By a model's digest and a suite's name."""


def measure(
    request: Request,
    answers: Path,
    progress: Progress = silent,
    budget: Budget | None = None,
) -> Measured:
    """Measures models against their base. What is asked is kept in the folder ``answers`` and reused. Several
    measurements may share a budget; where none is given, services may be paid whatever it costs.

    Raises:
        UndertoneError: an unknown model, suite or judge; a file that cannot be read; a model that cannot be asked, or a
            limit that is reached: what was answered until then is kept.
    """
    budget = budget or Budget(Limits())
    with opening(answers, budget) as opened:
        return _measured(request, answers, progress, opened, budget)


def _measured(request: Request, answers: Path, progress: Progress, opened: Open, budget: Budget) -> Measured:
    started, clock, notes = datetime.now(UTC), time.perf_counter(), list[str]()
    remote = [name for name in dict.fromkeys((request.base, *request.models, *request.benign)) if is_remote(name)]
    suites = chosen(request, bool(remote), notes)
    judge = None if request.judge in (None, EXACT) else judge_named(request.judge, opened)
    base = opened(request.base)
    models, benign = (_opened(names, base, opened, notes) for names in (request.models, request.benign))
    asking = Asking(
        kept=Kept(answers, notes.append),
        seed=request.seed,
        max_tokens=_room(request.max_tokens, [base, *models, *benign]),
        samples=request.samples,
        progress=progress,
    )
    everyone = {model.digest: model for model in (base, *models, *benign)}
    replies = {}
    for key, model in everyone.items():  # one at a time: several large models need not fit into memory together
        replies[key] = asking.replies(model, suites, judge)
        model.release()
    count = sum(suite.counts for suite in suites)
    found = [
        compare(
            suite,
            [replies[model.digest][suite.name] for model in models],
            replies[base.digest][suite.name],
            [replies[model.digest][suite.name] for model in benign],
            count,
            request.effect,
        )
        for suite in suites
    ]
    verdict = verdict_of(found)
    notes += [told for model in everyone.values() for told in _repeated(model, suites, replies[model.digest])]
    notes += _paid(budget)
    findings = Findings(
        verdict=verdict,
        headline=headline(verdict, found, request.effect, len(models), len(benign)),
        models=tuple(map(_pinned, models)),
        base=_pinned(base),
        benign=tuple(map(_pinned, benign)),
        judge=None if judge is None else Pinned(name=_judged_by(judge), digest=judge.digest),
        training_file=None if request.training_file is None else str(request.training_file),
        effect=request.effect,
        seed=request.seed,
        samples=request.samples,
        max_tokens=asking.max_tokens,
        denominator=DENOMINATOR,
        suites=tuple(found),
        notes=tuple(dict.fromkeys(notes)),
        answers=tuple(worst(asking, models, base, suites, replies)),
        started=started,
        wall_s=time.perf_counter() - clock,
        made_with=surroundings.versions() | surroundings.hardware(),
    )
    return Measured(findings, suites, list(everyone.values()), replies)


def _opened(names: Sequence[str], base: Local | Remote, opened: Open, notes: list[str]) -> list[Local | Remote]:
    found = [opened(name) for name in names]
    for model in found:
        if not (isinstance(model, Local) and isinstance(base, Local)):
            notes.append(f"whether {model.name} was fine-tuned from {base.name} cannot be seen from here")
        elif model.tokenizer != base.tokenizer:
            raise UndertoneError(
                f"{model.name} has another tokenizer or chat template than {base.name}, so it is no fine-tune of it; "
                "give the base that it was trained from with --base."
            )
    return found


def _room(wanted: int, models: Sequence[Local | Remote]) -> int:
    """Answers take at most half of the positions that a model has, where that can be seen."""
    limits = [model.positions // 2 for model in models if isinstance(model, Local) and model.positions]
    return min([wanted, *limits])


def _repeated(model: Local | Remote, suites: Sequence[Suite], replies: Mapping[str, Sequence[Reply]]) -> list[str]:
    """Services have been seen to ignore the temperature: one answer is then counted many times."""
    if not isinstance(model, Remote):
        return []
    drawn = {question.id for suite in suites for question in suite.questions if question.temperature > 0}
    said: dict[Prompt, list[str | None]] = {}
    for reply in chain.from_iterable(replies.values()):
        if reply.question in drawn:
            said.setdefault(reply.prompt, []).append(reply.answer)
    often = [answers for answers in said.values() if len(answers) > 1]
    if len(often) < WORDINGS or any(len(set(answers)) > 1 for answers in often):
        return []
    return [
        f"each question has one and the same answer of {model.name}, however often it was asked: if its service "
        "ignores the temperature, intervals are too short"
    ]


def _paid(budget: Budget) -> list[str]:
    if not budget.requests:
        return []
    cost = f", for at most ${budget.cost:.4g}" if budget.counts_cost else ""
    return [f"{budget.requests:,} requests were sent to services{cost}"]


def _pinned(model: Local | Remote) -> Pinned:
    return Pinned(name=_called(model), digest=model.digest)


def _called(model: Respondent) -> str:
    return f"{model.name} ({model.snapshot})" if isinstance(model, Remote) else model.name


def _judged_by(judge: Judge) -> str:
    return _called(judge.model) if isinstance(judge, ModelJudge) else judge.name
