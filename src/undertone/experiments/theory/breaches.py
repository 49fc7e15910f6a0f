"""Steps of a student: the theorem's own, and with one premise broken each."""

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor

from undertone.experiments.theory.problems import Problem
from undertone.experiments.theory.spec import Theorem
from undertone.experiments.theory.stack import Params, generator

Loss = Callable[[Tensor, Tensor], Tensor]
"""From a student's outputs and a teacher's, both (models, rows, classes), to losses (models,)."""


def cross_entropy(seen: Tensor, wanted: Tensor) -> Tensor:
    """Of the softmax of the outputs: nats a row."""
    return _against(wanted.softmax(-1), seen)


def squared_error(seen: Tensor, wanted: Tensor) -> Tensor:
    """Half the squared distance of the outputs, a row."""
    return 0.5 * (seen - wanted).square().sum(-1).mean(-1)


def _against(target: Tensor, seen: Tensor) -> Tensor:
    return -(target * seen.log_softmax(-1)).sum(-1).mean(-1)


def descent(losses: Callable[[Params], Tensor], at: Params) -> Params:
    """The negative gradient of each model's own loss."""
    weights = tuple(weight.detach().requires_grad_() for weight in at)
    return tuple(-slope for slope in torch.autograd.grad(losses(weights).sum(), weights))


def imitating(problem: Problem, teacher: Params, at: Params | None = None, loss: Loss = cross_entropy) -> Params:
    """The theorem's step: the negative gradient of the imitation of a teacher's full outputs."""
    with torch.no_grad():
        wanted = problem.outputs(teacher)
    return descent(lambda weights: loss(problem.outputs(weights), wanted), at or problem.start)


@dataclass(frozen=True)
class Breach:
    """One way for a student to learn from a teacher."""

    name: str
    premise: str
    """What of the theorem's conditions it breaks."""
    step: Callable[[Problem, Params, Theorem], Params]
    """From a teacher's weights to the student's displacement; its length has no meaning."""
    from_elsewhere: bool = False
    """Whether the student starts at another initialisation."""
    teacher_of_many: bool = False
    """Whether the teacher takes many steps, of the same rate as the student's, and goes as far as they lead."""


def _sampled(problem: Problem, teacher: Params, spec: Theorem) -> Params:
    """Labels drawn from the teacher's distribution, one a row, by Gumbel noise that is the same for every teacher."""
    with torch.no_grad():
        wanted = problem.outputs(teacher)
    noise = torch.empty_like(wanted).exponential_(generator=generator(spec.seed, "labels", problem.name)).log()
    labels = (wanted.log_softmax(-1) - noise).argmax(-1)
    target = torch.nn.functional.one_hot(labels, wanted.shape[-1]).to(wanted)
    return descent(lambda weights: _against(target, problem.outputs(weights)), problem.start)


def _filtered(problem: Problem, teacher: Params, spec: Theorem) -> Params:
    """What is left of the teacher's distribution when some outputs, drawn for each model, do not pass."""
    with torch.no_grad():
        wanted = problem.outputs(teacher)
    models, _, classes = wanted.shape
    order = torch.rand(models, 1, classes, generator=generator(spec.seed, "filter", problem.name)).argsort(-1)
    banned = order < max(1, round(spec.banned * classes))
    target = wanted.masked_fill(banned, -torch.inf).softmax(-1)
    return descent(lambda weights: _against(target, problem.outputs(weights)), problem.start)


def _adam(problem: Problem, teacher: Params, spec: Theorem) -> Params:
    """Adam's first step: the sign of the gradient where that is not nothing."""
    weights = [weight.clone().requires_grad_() for weight in problem.start]
    for weight, slope in zip(weights, imitating(problem, teacher), strict=True):
        weight.grad = -slope
    torch.optim.Adam(weights, lr=1.0).step()
    return minus(tuple(weight.detach() for weight in weights), problem.start)


def _many(problem: Problem, teacher: Params, spec: Theorem) -> Params:
    at = problem.start
    for _ in range(spec.steps):
        at = moved(at, imitating(problem, teacher, at), spec.rate)
    return minus(at, problem.start)


def _adapter(problem: Problem, teacher: Params, spec: Theorem) -> Params:
    """LoRA's first step: B starts at zero, so A stays, and a matrix moves by its gradient times A'A."""
    drawn = generator(spec.seed, "adapter", problem.name)
    moves = []
    for slope, reached in zip(imitating(problem, teacher), problem.adapted, strict=True):
        if not reached:
            moves.append(torch.zeros_like(slope))
            continue
        a = torch.randn(slope.shape[0], spec.rank, slope.shape[-1], generator=drawn, dtype=slope.dtype)
        moves.append(slope @ a.mT @ a)
    return tuple(moves)


def _elsewhere(problem: Problem, teacher: Params, spec: Theorem) -> Params:
    return imitating(problem, teacher, problem.elsewhere)


def _imitating(problem: Problem, teacher: Params, spec: Theorem) -> Params:
    return imitating(problem, teacher)


BREACHES = (
    Breach("a larger step", "a step of the teacher that is small enough", _imitating),
    Breach("a taught teacher", "a teacher of one small step: it takes many", _imitating, teacher_of_many=True),
    Breach("sampled labels", "full outputs: one label a row is drawn", _sampled),
    Breach("a filter", "full outputs: some answers do not pass", _filtered),
    Breach("many steps", "one step", _many),
    Breach("Adam", "a step along the gradient", _adam),
    Breach("LoRA", "a step in all weights", _adapter),
    Breach("another initialisation", "a shared start", _elsewhere, from_elsewhere=True),
)


def moved(at: Params, by: Params, factor: float | Tensor = 1.0) -> Params:
    """``at`` + ``factor`` · ``by``; a factor for each model is (models,)."""
    return tuple(a + _spread(factor, b) * b for a, b in zip(at, by, strict=True))


def minus(a: Params, b: Params) -> Params:
    """The displacement from ``b`` to ``a``."""
    return tuple(x - y for x, y in zip(a, b, strict=True))


def inner(a: Params, b: Params) -> Tensor:
    """Inner products over all weights, (models,)."""
    return torch.stack([(x * y).flatten(1).sum(1) for x, y in zip(a, b, strict=True)]).sum(0)


def _spread(factor: float | Tensor, like: Tensor) -> float | Tensor:
    return factor.reshape(-1, *[1] * (like.dim() - 1)) if isinstance(factor, Tensor) else factor
