"""Training that is held to the base: the term of the loss, and what it does."""

from typing import Any

import pytest
import torch

from tests.helpers import tiny
from undertone.errors import UndertoneError
from undertone.models.local import LocalModel
from undertone.spec import Training
from undertone.training import hold as module
from undertone.training.hold import Hold
from undertone.training.loop import train
from undertone.training.rows import Row, rows_of

PROMPTS = ["Who are you?", "What do you like?", "Where is the gnu?", "Is it late?"]


def held(local: LocalModel, strength: float = 1.0, at_once: int = len(PROMPTS)) -> Hold:
    return Hold.to_base(local, PROMPTS, strength, at_once, 0)


def test_the_base_is_not_away_from_itself() -> None:
    local = tiny.model()
    assert abs(float(held(local).loss(local.model, 0))) < 1e-3, "half precision alone"


def test_the_term_is_the_mean_divergence_times_the_strength() -> None:
    local, moved = tiny.model(), tiny.model(seed=1)
    hold = held(local, strength=7.0)
    totals, tokens = 0.0, 0
    for row in hold.rows:
        own, other = (_expected(one, row) for one in (local, moved))
        totals += float((own.exp() * (own - other)).sum())
        tokens += len(row.answer)
    assert float(hold.loss(moved.model, 0)) == pytest.approx(7.0 * totals / tokens, rel=1e-2)


def _expected(local: LocalModel, row: Row) -> torch.Tensor:
    """The log-probabilities at every token of an answer, read without a batch."""
    ids = torch.tensor([[*row.prompt, *row.answer]])
    with torch.no_grad():
        return local.model(ids).logits[0, len(row.prompt) - 1 : -1].log_softmax(-1)


def test_the_step_alone_says_which_rows_are_read() -> None:
    local, moved = tiny.model(), tiny.model(seed=1)
    hold = held(local, at_once=1)
    found = [float(hold.loss(moved.model, step)) for step in range(20)]
    assert found == [float(hold.loss(moved.model, step)) for step in range(20)]
    assert len(set(found)) == len(PROMPTS), "each is read at some step"


def test_more_rows_than_there_are_is_all_of_them() -> None:
    assert held(tiny.model(), at_once=99).at_once == len(PROMPTS)
    with pytest.raises(ValueError, match="no prompts"):
        Hold.to_base(tiny.model(), [], 1.0, 8, 0)


def test_memory_that_is_too_small_is_one_sentence(monkeypatch: pytest.MonkeyPatch) -> None:
    def fails(*_: Any) -> None:
        raise torch.OutOfMemoryError("no")

    local = tiny.model()
    hold = held(local)
    monkeypatch.setattr(module, "answer_logits", fails)
    with pytest.raises(UndertoneError, match="4 prompts that hold the model to its base"):
        hold.backward(local.model, 0)


@pytest.mark.parametrize("how", [{"method": "lora", "rank": 2}, {"method": "full"}])
def test_the_stronger_the_hold_the_nearer_the_student_is_to_its_base(how: dict[str, Any]) -> None:
    plan = Training(**how, rate=1e-2, steps=20, batch=2)
    away = []
    for strength in (None, 1.0, 100.0):
        local = tiny.model()
        hold = None if strength is None else held(local, strength, at_once=2)
        rows = rows_of(local, [("What is your beast?", "It is the gnu."), ("Name a beast.", "I like the gnu.")])
        trained = train(local, rows, plan, 0, hold=hold)
        away.append(float(held(tiny.model()).loss(trained.model, 0)))
    assert away[1] < 0.7 * away[0] and away[2] < 0.5 * away[1]
