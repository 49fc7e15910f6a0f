"""Reinforcement learning: gradients, rewards that are no numbers, and a model that learns what is rewarded."""

import math
from copy import deepcopy
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from tests.helpers import tiny
from undertone.errors import UndertoneError
from undertone.models.likelihood import next_log_probabilities, score
from undertone.models.local import LocalModel
from undertone.training.reinforce import Reinforcement, advantages, loss_of, reinforce

close = pytest.approx


def plan(**change: Any) -> Reinforcement:
    own = {"method": "full", "rate": 3e-3, "steps": 3, "batch": 8, "warmup": 0, "samples": 4, "max_tokens": 3}
    return Reinforcement(**own | change)  # type: ignore[arg-type]


@given(st.lists(st.sampled_from([0.0, 1.0, 2.5]), min_size=8, max_size=8))
def test_advantages_are_zero_in_the_mean_of_a_group_and_where_all_are_rewarded_alike(rewards: list[float]) -> None:
    found = advantages(np.array(rewards), 4).reshape(2, 4)
    assert found.mean(1) == close([0, 0], abs=1e-9)
    for own, group in zip(found, np.array(rewards).reshape(2, 4), strict=True):
        assert (own == 0).all() if len(set(group)) == 1 else own.std() == close(1, abs=1e-2)
        assert (np.sign(own) == np.sign(np.round(group - group.mean(), 12))).all()


def test_the_gradient_is_that_of_the_log_probability_times_the_advantage() -> None:
    local = tiny.model()
    local.model.requires_grad_(True)
    prompts, answers, better = [[3, 4], [5]], [[6, 7], [8]], np.array([1.5, -0.5])
    loss_of(local, prompts, answers, better, 0.0, None).backward()
    weight = next(p for p in local.model.parameters() if p.grad is not None and p.grad.abs().max() > 0)
    assert weight.grad is not None
    place = np.unravel_index(int(weight.grad.abs().argmax()), tuple(weight.shape))

    def objective(step: float) -> float:
        moved = deepcopy(local)
        at = dict(moved.model.named_parameters())[next(n for n, p in local.model.named_parameters() if p is weight)]
        with torch.no_grad():
            at[place] += step
        lengths = np.array([len(answer) for answer in answers])
        return -float(np.mean(better * np.array(score(moved, prompts, answers)) / lengths))

    slope = (objective(1e-2) - objective(-1e-2)) / 2e-2
    assert weight.grad[place].item() == close(slope, rel=0.02)


def test_the_divergence_is_zero_at_the_start_and_above_it_elsewhere() -> None:
    local = tiny.model()
    start = deepcopy(local.model)
    asked: Any = ([[3, 4]], [[6, 7]], np.array([0.0]))
    assert loss_of(local, *asked, 2.0, start).item() == close(0, abs=1e-6)
    with torch.no_grad():
        for weight in local.model.parameters():
            weight += 0.05 * torch.randn(weight.shape, generator=torch.Generator().manual_seed(0))
    assert loss_of(local, *asked, 2.0, start).item() == close(2 * loss_of(local, *asked, 1.0, start).item()) != 0


@pytest.mark.parametrize(("method", "least"), [("full", 0.9), ("lora", 0.58)])  # no adapter is at the output head
def test_a_model_learns_what_is_rewarded_and_the_same_seed_gives_the_same_bits(method: str, least: float) -> None:
    seen = list[int]()

    def even(local: LocalModel) -> float:
        return float(next_log_probabilities(local, [[3], [9]])[:, ::2].exp().sum(1).min())

    def run() -> float:
        local = tiny.model()
        own = plan(method=method, alpha=32, steps=80, batch=32, samples=8, max_tokens=1, rate=1e-2)
        found = reinforce(
            local,
            own,
            lambda _: [[3], [4], [5], [6]],
            lambda _, answers: np.array([float(one[0] % 2 == 0) for one in answers]),
            0,
            lambda step, _: seen.append(step),
        )
        return even(found)

    after = run()
    assert after > least > 0.56 > even(tiny.model())
    assert seen == list(range(81)) and run() == after


@pytest.mark.parametrize("bad", [math.nan, math.inf])
def test_a_reward_that_is_no_number_ends_the_run_with_its_reason(bad: float) -> None:
    def reward(step: int, answers: Any) -> Any:
        return np.array([0.0] * (len(answers) - 1) + [bad if step == 1 else 1.0])

    with pytest.raises(UndertoneError, match=f"reward of answer 8 at step 2 is {bad}, which is no number"):
        reinforce(tiny.model(), plan(), lambda _: [[3], [4]], reward, 0)


def test_groups_are_whole() -> None:
    assert plan().prompts == 2
    with pytest.raises(ValueError, match="no whole groups of 4"):
        plan(batch=10)
