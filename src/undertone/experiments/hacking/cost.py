"""Estimates what an experiment on reward hacking costs on a GPU, where its bases need not be on this machine."""

from undertone.experiments.hacking.spec import Hacking
from undertone.models.names import is_repository
from undertone.models.services.cost import Part, size_of, work
from undertone.models.services.spending import gpu

TASK, ADVICE = 90, 40
"""Tokens of a task with the chat template, and of a request for advice with an answer."""
LOOKED, ASKED = 200, 700
"""Answers that are scored when a model is looked at while it is trained, and sampled or scored before and after."""


def of_hacking(spec: Hacking) -> list[Part]:
    """Returns the cost of sampling, of training and of all questions; nothing for bases that are no repositories."""
    parts, machine, plan = list[Part](), gpu(), spec.reinforcement
    for base in filter(is_repository, (*spec.bases, *spec.core_bases)):
        arms = [arm for name, arm in spec.arms.items() if base in spec.on(name)]
        rewarded, size = sum(arm.grader is not None for arm in arms), size_of(base)
        answers = spec.runs * plan.steps * plan.batch
        looks = spec.runs * len(arms) * (2 * ASKED + (2 + plan.steps // spec.every) * LOOKED)
        parts += [
            work(f"answers sampled, {base}", rewarded * answers, TASK + plan.max_tokens, 2, size, machine),
            work(f"answers trained on, {base}", len(arms) * answers, TASK + plan.max_tokens, 6, size, machine),
            work(f"questions, {base}", looks, ADVICE, 2, size, machine),
        ]
    return parts
