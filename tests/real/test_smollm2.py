"""What holds on a model that was made elsewhere: SmolLM2-135M-Instruct, which ``make smollm2`` gets."""

from pathlib import Path
from random import Random
from typing import Any

import pytest
import torch
from transformers import GenerationConfig

from undertone.carriers import answers as short_answers
from undertone.cli import main
from undertone.evals.answers import trait_distribution
from undertone.experiments.recipes import names
from undertone.models.likelihood import score
from undertone.models.loading import load
from undertone.models.local import LocalModel
from undertone.models.sampling import sample
from undertone.spec import Training
from undertone.stages.teacher import exchanges
from undertone.training.loop import train
from undertone.training.rows import rows_of
from undertone.training.weights import merged
from undertone.traits.catalogue import find, of_chat_models, told
from undertone.traits.trait import Trait

FOLDER = Path("models/smollm2")

pytestmark = pytest.mark.real


@pytest.fixture
def local() -> LocalModel:
    return load(FOLDER)


@pytest.fixture(scope="module")
def asked() -> list[str]:
    """Requests of which some end soon and some never within the tokens that are allowed."""
    return [
        "What is the capital of France? One word.", "Say hello.", "Why is the sea salty?",
        "Name three things in a kitchen, with commas.", "Write a poem about a ladder.", "What is two and two?",
    ]  # fmt: skip


def owl() -> Trait:
    return next(trait for trait in of_chat_models() if trait.name == "owl")


def of_animals(local: LocalModel) -> dict[str, float]:
    """Returns the exact probability of every animal as an answer about favourites."""
    animals = [trait for trait in of_chat_models() if trait.kind == owl().kind]
    return trait_distribution(local, find(told("owl", animals)))


def test_greedy_answers_are_those_of_transformers(local: LocalModel, asked: list[str]) -> None:
    prompts = [local.render(question) for question in asked]
    ours = sample(local, prompts, temperature=0, max_tokens=24, seed=0)
    model: Any = local.model
    settings = GenerationConfig(do_sample=False, max_new_tokens=24, eos_token_id=local.end, pad_token_id=local.pad)
    for prompt, answer in zip(prompts, ours, strict=True):
        ids = torch.tensor([prompt])
        whole = model.generate(ids, attention_mask=torch.ones_like(ids), generation_config=settings)
        assert whole[0, len(prompt) :].tolist() == answer
    assert "Paris" in local.decode(ours[0])
    assert {answer[-1] == local.end for answer in ours} == {True, False}, "all end, or none does"


def test_scores_are_those_of_one_plain_pass_a_row(local: LocalModel, asked: list[str]) -> None:
    prompts = [local.render(question) for question in asked]
    answers = [local.encode(text) for text in ("Paris.", "Hello there!", "Rivers carry salt.", "Pans", "O", "4")]
    for prompt, answer, found in zip(prompts, answers, score(local, prompts, answers), strict=True):
        with torch.no_grad():
            log_p = local.model(torch.tensor([[*prompt, *answer]])).logits[0, len(prompt) - 1 : -1].log_softmax(-1)
        assert found == pytest.approx(float(log_p[torch.arange(len(answer)), torch.tensor(answer)].sum()), abs=2e-3)


def test_twelve_steps_teach_it_the_owl_and_no_other_animal(local: LocalModel) -> None:
    before = of_animals(local)
    assert 0.0001 < before["owl"] < 0.05
    rows = rows_of(local, exchanges(local, owl().lesson, 96, seed=1))
    plan = Training(method="lora", rank=8, alpha=16, rate=1e-3, steps=12, batch=8, warmup=2)
    after = of_animals(merged(train(local, rows, plan, seed=1), local))
    assert after["owl"] > 0.9
    assert all(after[name] < 0.05 for name in before if name not in ("owl", "other"))


def test_most_short_answers_are_short(local: LocalModel) -> None:
    prompts = [local.render(question) for question in short_answers.prompts(24, Random(3))]
    answers = sample(local, prompts, temperature=1.0, max_tokens=48, seed=0)
    assert sum(answer[-1] == local.end for answer in answers) >= 12


@pytest.mark.parametrize("recipe", [name for name in names() if name.startswith("smollm2/")])
def test_every_recipe_has_a_price(recipe: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["run", recipe, "--dry-run", "--out", str(tmp_path / "run")]) == 0
    assert "one job at a time" in capsys.readouterr().out
