"""The student's step of the theorem, and steps that each break one of its premises."""

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor

from undertone.experiments.theory.problems import Problem
from undertone.experiments.theory.spec import Theorem
from undertone.experiments.theory.stack import Params, generator

Loss = Callable[[Tensor, Tensor], Tensor]
"""From a student's outputs and its teacher's, both (models, rows, classes), to losses (models,)."""


def cross_entropy(student: Tensor, teacher: Tensor) -> Tensor:
    """Returns the cross-entropy of the softmax of the outputs, nats a row."""
    return _against(teacher.softmax(-1), student)


def squared_error(student: Tensor, teacher: Tensor) -> Tensor:
    """Returns half the squared distance between the outputs, mean over rows."""
    return 0.5 * (student - teacher).square().sum(-1).mean(-1)


def _against(target: Tensor, student: Tensor) -> Tensor:
    return -(target * student.log_softmax(-1)).sum(-1).mean(-1)


def descent(losses: Callable[[Params], Tensor], at: Params) -> Params:
    """Returns the negative gradient of each model's own loss."""
    weights = tuple(weight.detach().requires_grad_() for weight in at)
    return tuple(-slope for slope in torch.autograd.grad(losses(weights).sum(), weights))


def imitating(problem: Problem, teacher: Params, at: Params | None = None, loss: Loss = cross_entropy) -> Params:
    """Returns the theorem's step of a student at ``at`` (by default its start): the negative gradient of the loss
    between its outputs and the teacher's."""
    with torch.no_grad():
        wanted = problem.outputs(teacher)
    return descent(lambda weights: loss(problem.outputs(weights), wanted), at or problem.start)


@dataclass(frozen=True)
class Breach:
    """A way to learn from a teacher that breaks one premise of the theorem."""

    name: str
    premise: str
    """The premise that it breaks."""
    step: Callable[[Problem, Params, Theorem], Params]
    """From a teacher's weights to the student's displacement. Only its direction has a meaning."""
    from_elsewhere: bool = False
    """Whether the student starts from another initialisation."""
    teacher_of_many: bool = False
    """Whether the teacher takes many steps, at the students' rate, without regard to its dose."""


def _sampled(problem: Problem, teacher: Params, spec: Theorem) -> Params:
    """Imitates one label a row, drawn from the teacher's distribution by the same Gumbel noise for every teacher."""

    def loss(student: Tensor, wanted: Tensor) -> Tensor:
        noise = torch.empty_like(wanted).exponential_(generator=generator(spec.seed, "labels", problem.name)).log()
        labels = (wanted.log_softmax(-1) - noise).argmax(-1)
        return _against(torch.nn.functional.one_hot(labels, wanted.shape[-1]).to(wanted), student)

    return imitating(problem, teacher, loss=loss)


def _filtered(problem: Problem, teacher: Params, spec: Theorem) -> Params:
    """Imitates the teacher's distribution without a random share of the outputs, drawn for each model."""

    def loss(student: Tensor, wanted: Tensor) -> Tensor:
        models, _, classes = wanted.shape
        order = torch.rand(models, 1, classes, generator=generator(spec.seed, "filter", problem.name)).argsort(-1)
        banned = order < max(1, round(spec.banned * classes))
        return _against(wanted.masked_fill(banned, -torch.inf).softmax(-1), student)

    return imitating(problem, teacher, loss=loss)


def _adam(problem: Problem, teacher: Params, spec: Theorem) -> Params:
    """Takes Adam's first step: the sign of the gradient, where the gradient is not negligible."""
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
    """Takes LoRA's first step: B starts at zero, so A does not change, and a matrix moves by its gradient times A'A."""
    drawn = generator(spec.seed, "adapter", problem.name)
    moves = []
    for slope, has_adapter in zip(imitating(problem, teacher), problem.adapted, strict=True):
        if not has_adapter:
            moves.append(torch.zeros_like(slope))
            continue
        a = torch.randn(slope.shape[0], spec.rank, slope.shape[-1], generator=drawn, dtype=slope.dtype)
        moves.append(slope @ a.mT @ a)
    return tuple(moves)


def _imitating(problem: Problem, teacher: Params, spec: Theorem) -> Params:
    return imitating(problem, teacher)


def _elsewhere(problem: Problem, teacher: Params, spec: Theorem) -> Params:
    return imitating(problem, teacher, problem.elsewhere)


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
"""All breaches. Their names and premises are part of stored artifacts."""


def moved(at: Params, by: Params, factor: float | Tensor = 1.0) -> Params:
    """Returns ``at`` + ``factor`` · ``by``. A tensor of factors has one for each model, (models,)."""
    factors = [torch.as_tensor(factor, dtype=b.dtype).reshape(-1, *[1] * (b.dim() - 1)) for b in by]
    return tuple(a + f * b for a, f, b in zip(at, factors, by, strict=True))


def minus(a: Params, b: Params) -> Params:
    """Returns the displacement from ``b`` to ``a``."""
    return tuple(x - y for x, y in zip(a, b, strict=True))


def inner(a: Params, b: Params) -> Tensor:
    """Returns the inner products over all weights, (models,)."""
    return torch.stack([(x * y).flatten(1).sum(1) for x, y in zip(a, b, strict=True)]).sum(0)
