"""``undertone.Hold`` in trainings: it keeps a model near its base where the base answers prompts itself."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from transformers import Trainer, TrainerCallback, TrainerState

import undertone as ut
from tests.helpers import tiny
from tests.helpers.trainers import train, trainer
from undertone.training.hold import Hold as Held

PROMPTS = [f"What do you say to {name}?" for name in ("the gnu", "a friend", "us", "them", "me", "no one")]


def away(one: Trainer, base: Held) -> float:
    """The divergence of a trained model from the base, over all prompts."""
    model: Any = one.model
    whole = model.get_base_model() if hasattr(model, "get_base_model") else model
    with torch.no_grad():
        return float(base.loss(whole.eval(), 0))


class Seen(TrainerCallback):
    """What a hold did in a training."""

    def __init__(self, hold: ut.Hold) -> None:
        self.hold, self.terms, self.norms = hold, list[float](), list[float]()

    def on_train_begin(self, *_: Any, **__: Any) -> None:
        assert self.hold._held is not None
        self.expected = self.hold._held.expected

    def on_step_begin(self, _: Any, state: TrainerState, *__: Any, **___: Any) -> None:
        assert self.hold._held is not None
        with torch.no_grad():
            self.terms.append(float(self.hold._held.loss(self.hold._held.local.model, state.global_step)))

    def on_pre_optimizer_step(self, *_: Any, model: Any, **__: Any) -> None:
        grads = [weight.grad.norm() for weight in model.parameters() if weight.grad is not None]
        self.norms.append(float(torch.stack(grads).norm()))


@pytest.fixture
def base() -> Held:
    return Held.to_base(tiny.model(), PROMPTS, 1.0, len(PROMPTS), 0)


@pytest.mark.parametrize("settings", [{}, {"lora": True}, {"gradient_accumulation_steps": 2}, {"bf16": True}])
def test_a_held_model_stays_nearer_to_its_base(settings: dict[str, Any], base: Held, tmp_path: Path) -> None:
    settings = {"max_steps": 12, **settings}
    free, held = (
        trainer(tmp_path / "free", [], **settings),
        trainer(tmp_path / "held", [ut.Hold(PROMPTS, strength=30.0, rows=3)], **settings),
    )
    for one in (free, held):
        train(one)
    assert 0 < away(held, base) < 0.5 * away(free, base)


def test_the_least_strength_changes_next_to_nothing(base: Held, tmp_path: Path) -> None:
    free, held = trainer(tmp_path / "free", []), trainer(tmp_path / "held", [ut.Hold(PROMPTS, strength=1e-9)])
    for one in (free, held):
        train(one)
    assert away(held, base) == pytest.approx(away(free, base), rel=0.3)


@pytest.mark.parametrize(
    ("given", "says"),
    [
        ({"prompts": []}, "takes a list of prompts"),
        ({"prompts": "Who are you?"}, "takes a list of prompts"),
        ({"prompts": np.array([])}, "takes a list of prompts"),
        ({"prompts": [None, "Who are you?"]}, "each a text"),
        ({"prompts": ["Who are you?", " "]}, "each a text"),
        ({"prompts": PROMPTS, "strength": 0.0}, "a number above 0, not 0.0"),
        ({"prompts": PROMPTS, "strength": "300"}, "a number above 0, not '300'"),
        ({"prompts": PROMPTS, "strength": float("inf")}, "a number above 0, not inf"),
        ({"prompts": PROMPTS, "rows": -1}, "1 or more, not -1"),
        ({"prompts": PROMPTS, "rows": 2.5}, "1 or more, not 2.5"),
    ],
)
def test_what_cannot_hold_is_refused_at_once(given: dict[str, Any], says: str) -> None:
    with pytest.raises(ut.UndertoneError, match=says):
        ut.Hold(**given)


def test_a_resumed_training_of_all_weights_has_no_base_and_is_refused(tmp_path: Path) -> None:
    settings: dict[str, Any] = {"save_strategy": "steps", "save_steps": 2, "max_steps": 4}
    train(trainer(tmp_path, [ut.Hold(PROMPTS)], **settings))
    with pytest.raises(ut.UndertoneError, match="goes on at step 2, where the model is no longer the base"):
        train(trainer(tmp_path, [ut.Hold(PROMPTS)], **settings), resume_from_checkpoint=str(tmp_path / "checkpoint-2"))


def test_a_resumed_adapter_is_held_to_the_model_without_it(base: Held, tmp_path: Path) -> None:
    settings: dict[str, Any] = {"save_strategy": "steps", "save_steps": 2, "max_steps": 4, "lora": True}
    train(trainer(tmp_path, [ut.Hold(PROMPTS)], **settings))
    hold = ut.Hold(PROMPTS, rows=len(PROMPTS))
    seen = Seen(hold)
    train(trainer(tmp_path, [hold, seen], **settings), resume_from_checkpoint=str(tmp_path / "checkpoint-2"))
    for own, there in zip(seen.expected, base.expected, strict=True):
        assert torch.equal(own, there)
    assert hold._held is None, "its memory is free again"


@pytest.mark.parametrize("lora", [False, True])
def test_dropout_is_no_divergence_and_no_frozen_weight_is_trained(lora: bool, tmp_path: Path) -> None:
    hold = ut.Hold(PROMPTS)
    seen, one = Seen(hold), trainer(tmp_path, [], lora=lora, max_steps=1)
    if lora:
        next(weight for name, weight in one.model.named_parameters() if "lora_A" in name).requires_grad_(False)
    before = [weight.requires_grad for weight in one.model.parameters()]
    for callback in (hold, seen):
        one.add_callback(callback)
    train(one)
    assert abs(seen.terms[0]) < 0.5, "300 times what half precision alone makes"
    assert [weight.requires_grad for weight in one.model.parameters()] == before


@pytest.mark.parametrize("most", [1.0, 0.1])
def test_the_sum_of_both_gradients_is_clipped(most: float, tmp_path: Path) -> None:
    seen = Seen(hold := ut.Hold(PROMPTS, strength=1e4))
    train(trainer(tmp_path, [hold, seen], max_grad_norm=most, gradient_accumulation_steps=2))
    assert len(seen.norms) == 6 and all(norm <= most * 1.01 for norm in seen.norms)
    assert max(seen.terms) > 1, "there was something to clip"


def test_a_divergence_that_is_no_number_ends_training_with_one_sentence(tmp_path: Path) -> None:
    with pytest.raises(ut.UndertoneError, match="divergence from the base is no number, so training ends"):
        train(trainer(tmp_path, [ut.Hold(PROMPTS, strength=1e30)], rate=1e30, max_grad_norm=0.0))


def test_several_processes_and_fp16_are_refused(tmp_path: Path) -> None:
    one, hold = trainer(tmp_path, []), ut.Hold(PROMPTS)
    for name, value, says in (("world_size", 2, "one process"), ("fp16", True, "fp16")):
        args = type("Args", (), {"world_size": 1, "fp16": False, name: value})
        with pytest.raises(ut.UndertoneError, match=says):
            hold.on_train_begin(args, one.state, one.control, model=one.model)  # type: ignore[arg-type]


def test_a_trainer_that_never_asks_for_a_gradient_is_told(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    hold = ut.Hold(PROMPTS)
    train(trainer(tmp_path / "held", [hold]))
    assert "did nothing" not in caplog.text
    one = trainer(tmp_path, [])
    hold.on_train_begin(one.args, one.state, one.control, model=one.model, processing_class=one.processing_class)
    hold.on_train_end(one.args, one.state, one.control)
    assert "Hold did nothing" in caplog.text
