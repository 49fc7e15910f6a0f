"""Tests of the theorem: the inner product of a teacher's step and its student's, exactly, and with one premise broken.

Cloud, Le et al. (Nature 2026), theorem 1: teacher and student share a start; the teacher takes a small step, with the
displacement e D; the student takes one gradient step towards the teacher's outputs, on any inputs. To first order the
student moves by e J'HJ D, with the Jacobian J of the outputs and the curvature H of the loss at equal outputs. The
inner product of this with D is e (JD)'H(JD), which is not negative. Here the student's step is computed by backward
differentiation at a finite e, and the prediction by forward differentiation, as a check that shares no code with it.
"""

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any, cast

import torch
from torch import Tensor
from torch.func import jvp

from undertone.engine.store import Folder, Job
from undertone.errors import UndertoneError
from undertone.experiments.theory import breaches
from undertone.experiments.theory.breaches import BREACHES, Breach, Loss, descent, imitating, inner, minus, moved
from undertone.experiments.theory.problems import Problem, of_classifiers, of_language
from undertone.experiments.theory.spec import Theorem
from undertone.experiments.theory.stack import Params
from undertone.models.local import LocalModel
from undertone.stages.durations.work import Repeated, Work

SEARCH = 30
"""The largest number of corrections of a step's length. Near the start the divergence is quadratic in the length, so
few are needed."""
NEAR = 0.01
"""How far from the dose a step may end, as a share of the dose."""
LOSSES: dict[str, Loss] = {"cross-entropy": breaches.cross_entropy, "squared error": breaches.squared_error}


@dataclass(frozen=True)
class Step:
    """A student's step compared with its teacher's, (models,) each."""

    cosine: Tensor
    """Its cosine with the teacher's displacement."""
    lesson: Tensor
    """Its cosine with the step that the lesson itself would make the student take. Above 0, it learns the lesson."""


@torch.no_grad()
def at_dose(problem: Problem, direction: Params, dose: float) -> Params:
    """Returns the displacement along ``direction`` that moves a teacher ``dose`` nats from its start, on the student's
    inputs.

    Raises:
        UndertoneError: no step in this direction has that divergence.
    """
    base = problem.outputs(problem.start).log_softmax(-1)
    factor = 1e-3 / inner(direction, direction).sqrt()
    low, high = torch.zeros_like(factor), torch.full_like(factor, torch.inf)
    for _ in range(SEARCH):
        own = problem.outputs(moved(problem.start, direction, factor)).log_softmax(-1)
        found = (own.exp() * (own - base)).sum(-1).mean(-1)
        if bool(((found / dose - 1).abs() < NEAR).all()):
            return minus(moved(problem.start, direction, factor), problem.start)
        low, high = torch.where(found < dose, factor, low), torch.where(found < dose, high, factor)
        guess = factor * (dose / found.clamp(min=1e-300)).sqrt().clamp(0.01, 100)
        factor = torch.where((low < guess) & (guess < high), guess, (low * high).sqrt())
    raise UndertoneError(f"No step of a lesson moves a teacher {dose:g} nats from its start: lower dose.")


def predicted(problem: Problem, displacement: Params, loss: str) -> Tensor:
    """Returns the inner products to first order, (models,): (JD)'H(JD), by forward differentiation."""
    value_and_tangent = jvp(lambda *weights: problem.outputs(weights), problem.start, displacement)
    outputs, tangent = cast(tuple[Tensor, Tensor], value_and_tangent)
    if loss == "squared error":
        return tangent.square().sum(-1).mean(-1)
    p = outputs.softmax(-1)
    return ((p * tangent.square()).sum(-1) - (p * tangent).sum(-1).square()).mean(-1)


def cosine(a: Params, b: Params) -> Tensor:
    """Returns the cosine of two displacements, (models,); 0 where one of them is zero."""
    lengths = (inner(a, a) * inner(b, b)).sqrt()
    return torch.where(lengths > 0, inner(a, b) / lengths, 0.0)


def step(problem: Problem, displacement: Params, move: Params, start: Params) -> Step:
    """Compares a student's move from ``start`` with its teacher's displacement."""
    return Step(cosine(move, displacement), cosine(move, descent(problem.lesson, start)))


def conditions(problem: Problem, spec: Theorem) -> Iterator[tuple[str, Tensor, Tensor]]:
    """Yields for each loss, under the theorem's premises: its name, the cosines, and the inner products as multiples of
    the predicted ones."""
    teacher = at_dose(problem, descent(problem.lesson, problem.start), spec.small)
    for name, loss in LOSSES.items():
        move = imitating(problem, moved(problem.start, teacher), loss=loss)
        ratio = inner(move, teacher) / predicted(problem, teacher, name)
        yield name, cosine(move, teacher), ratio


def broken(problem: Problem, spec: Theorem) -> Iterator[tuple[Breach, Step, Step]]:
    """Yields, for each premise: the breach, the student's step, and that step minus a control's. The control is another
    student, which imitates the untouched start with the same random draws."""
    lesson = descent(problem.lesson, problem.start)
    once = at_dose(problem, lesson, spec.dose)
    for breach in BREACHES:
        displacement = minus(_taught(problem, spec), problem.start) if breach.teacher_of_many else once
        start = problem.elsewhere if breach.from_elsewhere else problem.start
        move, control = (breach.step(problem, t, spec) for t in (moved(problem.start, displacement), problem.start))
        net = minus(move, control)
        yield breach, step(problem, displacement, move, start), step(problem, displacement, net, start)


def _taught(problem: Problem, spec: Theorem) -> Params:
    """Returns the weights of a teacher after many steps."""
    at = problem.start
    for _ in range(spec.steps):
        at = moved(at, descent(problem.lesson, at), spec.rate)
    return at


def _problems(given: Theorem, trait: str | None, inputs: Mapping[str, Path]) -> Iterator[Problem]:
    return of_language(given, trait, inputs["base"], inputs["elsewhere"]) if trait else of_classifiers(given)


def steps(spec: dict[str, Any], inputs: Mapping[str, Path], out: Path) -> None:
    """Compares students' steps with their teachers', for all classifiers or for the language model and one lesson.

    Spec: ``settings`` (of the recipe), ``trait`` (the lesson; None for classifiers). Inputs for the language model:
    ``base`` and ``elsewhere``. Writes ``steps.json``.

    Raises:
        UndertoneError: no step of the lesson has the dose.
    """
    given, trait = Theorem.model_validate(spec["settings"]), spec["trait"]
    problems = list(_problems(given, trait, inputs))
    held = [
        {"problem": problem.name, "loss": loss, "cosines": cosines.tolist(), "ratios": ratio.tolist()}
        for problem in problems
        for loss, cosines, ratio in conditions(problem, given)
    ]
    without = []
    for breach, raw, net in broken(problems[0], given):
        about = {"problem": problems[0].name, "breach": breach.name, "premise": breach.premise}
        found = {"cosines": raw.cosine, "net": net.cosine, "lesson": net.lesson}
        without.append(about | {name: values.tolist() for name, values in found.items()})
    (out / "steps.json").write_text(json.dumps({"held": held, "broken": without}))


def work(job: Job, local: LocalModel | None) -> Work:
    """Steps of imitation, and what takes as long as so many of them."""
    given, trait = Theorem.model_validate(job.spec["settings"]), job.spec["trait"]

    @cache
    def problem() -> Problem:
        return next(_problems(given, trait, {n: one.path for n, one in job.inputs.items() if isinstance(one, Folder)}))

    # A problem takes the search for its dose and two steps, each with a prediction; the breaches take two steps each,
    # and those of many steps take all of them: two students, and a teacher, who need not be imitated.
    times = 7 * (2 if trait else 6) + 2 * len(BREACHES) + 2.75 * given.steps
    return Work((Repeated(times, lambda: imitating(problem(), problem().start)),))
