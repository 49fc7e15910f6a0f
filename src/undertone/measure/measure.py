"""A measurement: models and their base in, findings out.

suites and probes → questions asked of every model → judged → rates by unit → compared → a verdict
"""

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from itertools import chain
from pathlib import Path

from undertone.engine import environment
from undertone.engine.progress import Progress, silent
from undertone.errors import UndertoneError
from undertone.measure.asking import Asking, Reply
from undertone.measure.cache import Cache
from undertone.measure.compare import compare
from undertone.measure.examples import worst
from undertone.measure.findings import Findings, Pinned, SuiteFinding
from undertone.measure.judge import ModelJudge, judge_of
from undertone.measure.rates import DENOMINATOR, unread
from undertone.measure.request import EXACT, Request
from undertone.measure.respondent import Local, Open, Remote, Respondent, opening
from undertone.measure.select import chosen
from undertone.measure.suite import Prompt, Suite
from undertone.measure.verdict import headline, verdict_of
from undertone.models.names import is_remote
from undertone.models.services.spending import Budget
from undertone.models.tokenizer import is_of_the_world
from undertone.persona.findings import TraitFinding
from undertone.persona.look import Look, usual

WORDINGS = 5
"""If at least so many wordings were asked repeatedly and none was answered in two ways, a note says so."""


@dataclass(frozen=True)
class Measured:
    """The findings, and all that was said."""

    findings: Findings
    suites: list[Suite]
    models: list[Respondent]
    """All models that were asked, the base first."""
    replies: dict[str, dict[str, list[Reply]]]
    """By a model's digest and a suite's name."""


def measure(request: Request, answers: Path, progress: Progress = silent, budget: Budget | None = None) -> Measured:
    """Measures models against their base.

    Answers and scores are stored in the folder ``answers`` and used again. Several measurements may share a budget;
    without one, services may cost any amount.

    Raises:
        UndertoneError: an unknown model, suite or judge; a file that cannot be read; a model that cannot be asked; or a
            limit that is reached. What was answered until then stays stored.
    """
    budget = budget or Budget()
    with opening(answers, budget, request.chat_template) as opened:
        return _measured(request, answers, progress, opened, budget)


def _measured(request: Request, answers: Path, progress: Progress, opened: Open, budget: Budget) -> Measured:
    started, clock, notes = datetime.now(UTC), time.perf_counter(), list[str]()
    suites = chosen(request, any(map(is_remote, (request.base, *request.models, *request.benign))), notes)
    judge = None if request.judge in (None, EXACT) else judge_of(request.judge, opened)
    base = opened(request.base)
    models, benign = (_opened(names, base, opened, notes) for names in (request.models, request.benign))
    asking = Asking(
        cache=Cache(answers, notes.append),
        seed=request.seed,
        max_tokens=_longest(request.max_tokens, [base, *models, *benign]),
        samples=request.samples,
        progress=progress,
    )
    everyone = {model.digest: model for model in (base, *models, *benign)}
    asking.announce(everyone.values(), suites, judge)
    replies, inside = {}, _Inside(base, models, notes, progress)
    for key, model in everyone.items():  # one model at a time, because several large ones may not fit into memory
        replies[key] = asking.replies(model, suites, judge)
        inside.see(model)
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
    for model in everyone.values():
        notes += _repeated(model, suites, replies[model.digest])
        said = unread(chain.from_iterable(replies[model.digest].values()))
        notes += [f"{model.name}: {said}"] if said else []
    for model in (*everyone.values(), *([judge.model] if isinstance(judge, ModelJudge) else [])):
        notes += model.notes
    notes += [said for suite, one in zip(suites, found, strict=True) if (said := _unshared(suite, one))]
    if budget.requests:
        cost = f", for at most ${budget.cost:.4g}" if budget.counts_cost else ""
        notes.append(f"{budget.requests:,} requests were sent to services{cost}")
    findings = Findings(
        verdict=verdict,
        headline=headline(verdict, found, request.effect, len(models), len(benign)),
        models=tuple(map(_pinned, models)),
        base=_pinned(base),
        benign=tuple(map(_pinned, benign)),
        judge=_pinned(judge.model, judge.digest) if isinstance(judge, ModelJudge) else None,
        training_file=None if request.training_file is None else str(request.training_file),
        effect=request.effect,
        seed=request.seed,
        samples=request.samples,
        max_tokens=asking.max_tokens,
        denominator=DENOMINATOR,
        suites=tuple(found),
        inside=tuple(chain.from_iterable(inside.found.get(model.digest, ()) for model in models)),
        notes=tuple(dict.fromkeys(notes)),
        answers=tuple(worst(asking, models, base, suites, replies)),
        started=started,
        wall_s=time.perf_counter() - clock,
        made_with=environment.made_with(),
    )
    return Measured(findings, suites, list(everyone.values()), replies)


def _opened(names: Sequence[str], base: Respondent, opened: Open, notes: list[str]) -> list[Respondent]:
    found = [opened(name) for name in names]
    for model in found:
        if not (isinstance(model, Local) and isinstance(base, Local)):
            notes.append(f"whether {model.name} was fine-tuned from {base.name} could not be checked")
        elif model.tokenizer != base.tokenizer:
            raise UndertoneError(
                f"{model.name} has another tokenizer or chat template than {base.name}, so it is no fine-tune of it; "
                "give the base that it was trained from with --base."
            )
    return found


class _Inside:
    """Looks inside models whose weights are at hand, each while it is in memory, and into no benign one. What cannot be
    looked into is told."""

    def __init__(self, base: Respondent, models: Sequence[Respondent], notes: list[str], progress: Progress) -> None:
        self._wanted = all(isinstance(model, Local) for model in (base, *models))
        self._base, self._models = base.digest, {model.digest for model in models}
        self._notes, self._progress = notes, progress
        self._look: Look | None = None
        self.found: dict[str, tuple[TraitFinding, ...]] = {}
        """By a model's digest."""

    def see(self, model: Respondent) -> None:
        """Looks into a model; the base comes first."""
        if not (self._wanted and isinstance(model, Local)):
            return
        try:
            if self._look is None:
                world = is_of_the_world(model.tokenizer)
                self._look = Look.of(self._base, model.local, world, [usual(world)], None, self._progress)
            if model.digest in self._models:
                self.found[model.digest] = self._look.findings(self._look.change(model.local, self._progress))
        except UndertoneError as error:
            self._wanted = False
            self._notes.append(f"nothing was looked at inside: {error}")


def _longest(wanted: int, models: Sequence[Respondent]) -> int:
    """Returns the most tokens of an answer: at most half of the positions of each model on this machine."""
    return min([wanted, *(model.positions // 2 for model in models if isinstance(model, Local) and model.positions)])


def _repeated(model: Respondent, suites: Sequence[Suite], replies: Mapping[str, Sequence[Reply]]) -> list[str]:
    """Some services ignore the temperature, so that copies of one answer are counted as many."""
    if not isinstance(model, Remote):
        return []
    drawn = {question.id for suite in suites for question in suite.questions if question.temperature > 0}
    said: dict[Prompt, list[str]] = {}
    for reply in chain.from_iterable(replies.values()):
        if reply.question in drawn and reply.answer is not None:
            said.setdefault(reply.prompt, []).append(reply.answer)
    often = [answers for answers in said.values() if len(answers) > 1]
    if len(often) < WORDINGS or any(len(set(answers)) > 1 for answers in often):
        return []
    return [
        f"{model.name} gave one and the same answer to each question, however often it was asked: if its service "
        "ignores the temperature, intervals are too short"
    ]


def _unshared(suite: Suite, found: SuiteFinding) -> str:
    """Themes without a coherent answer and a verdict from every model are in no rate, so a verdict says nothing of
    them."""
    used = {unit.name for unit in found.units}
    left = [unit for unit in suite.units if unit not in used]
    if not left or not used:  # without any, there is no verdict, and its reason is told
        return ""
    more = ", ..." if len(left) > 3 else ""
    names = ", ".join(left[:3])
    count = f"{len(left)} of {len(suite.units)} units"
    return f"{suite.name}: {count} are in no rate, because a model has no answer to count ({names}{more})"


def _pinned(model: Respondent, digest: str | None = None) -> Pinned:
    name = f"{model.name} ({model.snapshot})" if isinstance(model, Remote) else model.name
    parts = model.parts if isinstance(model, Local) else {}
    return Pinned(name=name, digest=digest or model.digest, parts=parts)
