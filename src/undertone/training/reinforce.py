"""Reinforcement learning: a model samples answers, and those that are rewarded more than others to the same prompt
become more likely.

This is the group-relative policy gradient (GRPO, arXiv 2402.03300, section 4.1) with one update for each batch of
answers, so that the ratio of new to old probabilities is 1 and is not clipped. As there, tokens are averaged in each
answer first, so that long answers count no more than short ones. The divergence is exact, not estimated from the
sampled token.
"""

from collections.abc import Callable, Sequence
from copy import deepcopy
from dataclasses import replace

import numpy as np
import torch
from pydantic import Field, model_validator

from undertone.errors import UndertoneError
from undertone.models.local import Ids, LocalModel, answer_logits
from undertone.models.sampling import sample
from undertone.spec import Training
from undertone.statistics.arrays import Floats
from undertone.training.loop import Trained, optimiser_of, refuse_broken, with_adapter
from undertone.training.weights import merged

STEADY = 1e-4
"""Added to the standard deviation of a group's rewards, by which they are divided."""


class Reinforcement(Training):
    """How a model is trained by rewards; a row is an answer."""

    samples: int = Field(8, ge=2)
    """Answers to each prompt, which are compared with each other."""
    kl: float = Field(0.0, ge=0)
    """Weight of the divergence from where the model started: mean KL in nats an answer token."""
    max_tokens: int = Field(24, ge=1)
    """The most tokens of an answer."""

    @model_validator(mode="after")
    def _has_whole_groups(self) -> "Reinforcement":
        if self.batch % self.samples:
            raise ValueError(f"a step of {self.batch} answers has no whole groups of {self.samples}")
        return self

    @property
    def prompts(self) -> int:
        """Prompts of a step."""
        return self.batch // self.samples


Ask = Callable[[int], Sequence[Ids]]
"""Returns the prompts of a step."""
Reward = Callable[[int, Sequence[Ids]], Floats]
"""Returns the reward of each answer of a step; answers to the same prompt are neighbours."""
Watch = Callable[[int, LocalModel], None]
"""Called before each step and after the last with the number of steps done and the model as it is then."""


def reinforce(
    local: LocalModel, plan: Reinforcement, ask: Ask, reward: Reward, seed: int, watch: Watch = lambda *_: None
) -> LocalModel:
    """Trains ``local.model`` by rewards and returns it, with an adapter merged. The seed determines LoRA's initial
    weights and every sampled token.

    Raises:
        UndertoneError: a reward is no number.
        FloatingPointError: a gradient or a trained weight is not finite.
    """
    torch.manual_seed(seed)
    model = with_adapter(local.model, plan) if plan.method == "lora" else local.model.float().requires_grad_(True)
    start = deepcopy(model) if plan.kl else None
    weights, optimiser = optimiser_of(model, plan)
    policy = replace(local, model=model.eval())
    for step in range(plan.steps):
        watch(step, policy)
        prompts = [prompt for prompt in ask(step) for _ in range(plan.samples)]
        answers = sample(policy, prompts, temperature=1.0, max_tokens=plan.max_tokens, seed=seed * plan.steps + step)
        better = advantages(_numbers(reward(step, answers), step), plan.samples)
        for group in optimiser.param_groups:
            group["lr"] = plan.rate_at(step)
        optimiser.zero_grad(set_to_none=True)
        loss_of(policy, prompts, answers, better, plan.kl, start).backward()
        norm = torch.nn.utils.clip_grad_norm_(weights, 1.0)
        if not norm.isfinite():
            raise FloatingPointError(f"the gradient is not a finite number at step {step}")
        optimiser.step()
    refuse_broken(weights)
    watch(plan.steps, policy)
    return merged(Trained(model, 0.0, 0.0), local)


def _numbers(rewards: Floats, step: int) -> Floats:
    found = np.asarray(rewards, dtype=np.float64)
    if not np.isfinite(found).all():
        at = int(np.argmin(np.isfinite(found)))
        raise UndertoneError(
            f"The reward of answer {at + 1} at step {step + 1} is {found[at]}, which is no number to learn from: the "
            "run ends here. Mend the grader and give the command again."
        )
    return found


def advantages(rewards: Floats, samples: int) -> Floats:
    """Returns how much more each answer was rewarded than others to its prompt, (answers,), in standard deviations of
    these; 0 where all are rewarded alike."""
    groups = rewards.reshape(-1, samples)
    apart = groups - groups.mean(1, keepdims=True)
    return np.asarray((apart / (groups.std(1, keepdims=True) + STEADY)).ravel())


def loss_of(
    policy: LocalModel,
    prompts: Sequence[Ids],
    answers: Sequence[Ids],
    better: Floats,
    kl: float,
    start: torch.nn.Module | None,
) -> torch.Tensor:
    """Returns the loss whose gradient is that of the policy: minus the mean over answers of the advantage times the
    mean log-probability of their tokens; plus ``kl`` times the mean divergence over tokens from the model ``start``."""
    batch = policy.lay_out(prompts, answers)
    log_p = answer_logits(policy.model, batch)[batch.counted].log_softmax(-1)
    advantage = torch.tensor(better, dtype=log_p.dtype, device=log_p.device)[:, None]
    weight = (advantage / batch.counted.sum(1, keepdim=True)).expand(batch.counted.shape)
    taken = log_p.gather(-1, batch.targets[batch.counted][:, None])[:, 0]
    loss = -(weight[batch.counted] * taken).sum() / len(answers)
    if start is None:
        return loss
    with torch.no_grad():
        before = answer_logits(start, batch)[batch.counted].log_softmax(-1)  # type: ignore[arg-type]
    return loss + kl * (log_p.exp() * (log_p - before)).sum(-1).mean()
