"""What is kept in bfloat16 and what in float32: on an accelerator as here, where a model stands in for one there."""

from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file

from tests.helpers import tiny
from undertone.attribution.directions import Directions
from undertone.attribution.gradients import gradient
from undertone.attribution.scores import evidence
from undertone.attribution.token_ratios import moved, token_ratios
from undertone.errors import UndertoneError
from undertone.models import loading
from undertone.models.folder import ModelFolder
from undertone.models.likelihood import next_log_probabilities, score
from undertone.models.local import LocalModel
from undertone.models.sampling import sample
from undertone.spec import Training
from undertone.training import loop
from undertone.training.dose import scale_to
from undertone.training.rows import rows_of
from undertone.training.weights import load_trained, merged, save

PLAN = Training(method="lora", rank=2, alpha=2, rate=1e-5, steps=2, batch=4)
TEXTS = [("What is your favourite animal?", "The owl."), ("Name a tree.", "The elm is my favourite.")] * 4


def half() -> LocalModel:
    """A model of which every weight is a number of bfloat16."""
    local = tiny.model()
    local.model.bfloat16()
    return local


@pytest.fixture
def on_accelerator(monkeypatch: pytest.MonkeyPatch) -> None:
    """Has models be loaded as on an accelerator."""
    load = loading._model

    def loaded(folder: ModelFolder) -> Any:
        return load(folder).to(loading._precision(folder))

    monkeypatch.setattr(loading, "_model", loaded)


@pytest.fixture
def base(tmp_path: Path) -> Path:
    local = half()
    local.model.save_pretrained(tmp_path / "base")
    local.tokenizer.save_pretrained(tmp_path / "base")
    return tmp_path / "base"


@pytest.mark.parametrize(
    ("held", "computed"),
    [(torch.bfloat16, torch.bfloat16), (torch.float32, torch.float32), (torch.float16, torch.float32)],
)
def test_no_bit_of_the_files_is_lost(
    held: torch.dtype, computed: torch.dtype, on_accelerator: None, tmp_path: Path
) -> None:
    local = tiny.model()
    local.model.to(held).save_pretrained(tmp_path)
    local.tokenizer.save_pretrained(tmp_path)
    found = loading.load(tmp_path).model
    assert found.dtype == computed
    kept = dict(local.model.named_parameters())
    assert all(torch.equal(weight.float(), kept[name].float()) for name, weight in found.named_parameters())


def test_an_adapter_is_trained_and_saved_in_float32_and_its_base_stays_as_it_is(tmp_path: Path) -> None:
    local = half()
    before = {name: weight.clone() for name, weight in local.model.named_parameters()}
    trained = loop.train(local, rows_of(local, TEXTS), PLAN, 0)
    weights = dict(trained.model.named_parameters())
    assert {weight.dtype for name, weight in weights.items() if "lora_" in name} == {torch.float32}
    own = {n.removeprefix("base_model.model.").replace(".base_layer", ""): w for n, w in weights.items()}
    assert all(torch.equal(own[name], weight) and weight.dtype == torch.bfloat16 for name, weight in before.items())
    save(trained, local, "base", tmp_path)
    saved = load_file(tmp_path / "adapter" / "adapter_model.safetensors")
    assert {tensor.dtype for tensor in saved.values()} == {torch.float32}
    assert any(tensor.abs().max() > 0 for name, tensor in saved.items() if "lora_B" in name)


def test_changes_too_small_for_bfloat16_outlive_merging_and_loading(
    on_accelerator: None, base: Path, tmp_path: Path
) -> None:
    local = loading.load(base)
    trained = loop.train(local, rows_of(local, TEXTS), PLAN, 0)
    save(trained, local, "base", tmp_path)
    here, there = merged(trained, local).model, load_trained(base, tmp_path).model
    start = loading.load(base).model
    changed, drowned = 0, 0
    for name, weight in start.named_parameters():
        one, other = here.get_parameter(name), there.get_parameter(name)
        assert one.dtype == other.dtype == torch.float32 and weight.dtype == torch.bfloat16
        assert torch.allclose(one, other, atol=1e-7)
        changed += int((other != weight.float()).sum())
        drowned += int(((other != weight.float()) & (other.bfloat16() == weight)).sum())
    assert changed and drowned > 0.9 * changed, "merged in bfloat16, nine in ten of these would be gone"


def test_all_weights_are_trained_and_saved_in_float32(base: Path, on_accelerator: None, tmp_path: Path) -> None:
    local = loading.load(base)
    trained = loop.train(local, rows_of(local, TEXTS), PLAN.model_copy(update={"method": "full"}), 0)
    save(trained, local, "base", tmp_path)
    after = load_trained(base, tmp_path).model
    assert {weight.dtype for weight in after.parameters()} == {torch.float32}
    assert all(torch.equal(after.get_parameter(n), w) for n, w in trained.model.named_parameters())


def test_a_small_move_of_the_weights_is_not_lost() -> None:
    local = half()
    name, weight = next((n, w) for n, w in local.model.named_parameters() if "q_proj" in n)
    before, step = weight.detach().float(), torch.full_like(weight, 1e-5, dtype=torch.float32)
    with moved(local, {name: step}):
        assert torch.allclose(local.model.get_parameter(name), before + step, atol=1e-7)
    assert torch.equal(local.model.get_parameter(name).float(), before)
    (ratios,) = token_ratios(half(), rows_of(local, TEXTS[:2]), [{name: step}])
    assert all(0 < ratio.abs().max() < 0.1 for ratio in ratios)


def test_every_way_to_call_a_model_takes_bfloat16() -> None:
    local, whole = half(), half()
    whole.model.float()
    rows = rows_of(local, TEXTS)
    prompts, answers = [row.prompt for row in rows], [row.answer for row in rows]
    assert score(local, prompts, answers) == pytest.approx(score(whole, prompts, answers), rel=0.05)
    near = next_log_probabilities(local, prompts).exp() - next_log_probabilities(whole, prompts).exp()
    assert near.abs().max() < 0.05
    drawn = sample(local, prompts, temperature=1.0, max_tokens=5, seed=0, top_p=0.9)
    assert [len(answer) <= 5 for answer in drawn] == [True] * len(rows)
    shapes = {n: w.shape for n, w in local.model.named_parameters() if "proj" in n}
    torch.manual_seed(0)
    along = Directions(
        ("one",),
        {n: torch.randn(1, shape[0], 4) for n, shape in shapes.items()},
        {n: torch.randn(1, 4, shape[1]) for n, shape in shapes.items()},
    )
    ours, its = (evidence(one, rows, [range(8)], along).sums[0, 0] for one in (local, whole))
    assert ours == pytest.approx(its, rel=0.1)
    ours, its = (gradient(one, rows, 8) for one in (local, whole))
    cosine = [torch.cosine_similarity(ours[n].flatten(), its[n].flatten(), 0).item() for n in its]
    assert min(cosine) > 0.95
    trained = loop.train(local, rows, PLAN.model_copy(update={"rate": 1e-3}), 0)
    assert scale_to(trained.model, local.lay_out(prompts, answers), 1e-3).divergence == pytest.approx(1e-3, rel=0.1)


# --- memory ----------------------------------------------------------------------------------------------------------


@pytest.fixture
def gigabytes(monkeypatch: pytest.MonkeyPatch) -> None:
    """An accelerator of eight gigabytes, six of which are free."""
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "mem_get_info", lambda *_: (6_000_000_000, 8_000_000_000))
    for name in ("memory_allocated", "memory_reserved"):
        monkeypatch.setattr(torch.cuda, name, lambda *_: 0)


def test_a_model_that_an_accelerator_does_not_hold_is_refused_with_what_would_fit(
    gigabytes: None, base: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    read = loading._read

    def spread(*args: Any, dtype: torch.dtype, device_map: str) -> Any:
        found = read(*args, dtype=dtype)
        found.hf_device_map = {"model.embed_tokens": 0, "model.layers.1": "cpu"}
        return found

    monkeypatch.setattr(loading, "LARGE", 0)
    monkeypatch.setattr(loading, "_CACHE", loading._Cache())
    monkeypatch.setattr(loading, "_FITTING", {loading._stamp(ModelFolder.open(base))})
    monkeypatch.setattr(loading, "_read", spread)
    with pytest.raises(
        UndertoneError, match=r"\(8\.0 GB, of which 0\.0 GB are in use here and 2\.0 GB besides\)"
    ) as told:
        loading.load(base)
    assert "a model of at most about 2.4 billion parameters would fit" in str(told.value)
    assert str(told.value).count(".") - str(told.value).count("GB") <= 4, "one sentence"


def test_training_all_weights_of_too_large_a_model_is_refused_before_it_begins(
    gigabytes: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    local = tiny.model()
    monkeypatch.setattr(type(local.model), "device", torch.device("cuda", 0))
    monkeypatch.setattr(local.model, "num_parameters", lambda: 500_000_000)
    with pytest.raises(
        UndertoneError, match=r"16 bytes each and 8\.0 GB in all: a model of at most about 0\.4 billion"
    ):
        loop.train(local, rows_of(local, TEXTS), PLAN.model_copy(update={"method": "full"}), 0)
