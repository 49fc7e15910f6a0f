"""Rows as token ids, their scores along directions in weight space, and the rows that are shown."""

from copy import deepcopy
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from tests.helpers import tiny
from tests.helpers.directions import some_directions
from undertone.attribution import directions
from undertone.attribution.directions import RANK
from undertone.attribution.scores import Evidence, evidence
from undertone.audit.rows import SHOWN, ranked
from undertone.models.likelihood import score
from undertone.models.loading import load
from undertone.models.local import LocalModel
from undertone.models.sampling import sample
from undertone.spec import Training
from undertone.training.loop import with_adapter
from undertone.training.rows import Row
from undertone.training.turns import Scored

close = pytest.approx


def some_rows(local: LocalModel, count: int = 13) -> list[Row]:
    """Rows of unlike lengths."""
    rng = np.random.default_rng(5)
    answers = [", ".join(str(n) for n in rng.integers(1, 999, rng.integers(1, 7))) for _ in range(count)]
    prompts = [local.render(f"Go on with {rng.integers(1, 99)}" + " please" * (i % 3)) for i in range(count)]
    return [Row(p, [*local.encode(a), local.end]) for p, a in zip(prompts, answers, strict=True)]


def log_likelihood(local: LocalModel, rows: list[Row]) -> float:
    return sum(score(local, [row.prompt for row in rows], [row.answer for row in rows]))


def adapters(base: LocalModel, root: Path, ranks: tuple[int, ...], alpha: int = 12) -> list[Path]:
    """Adapter folders whose ends are both random: as if trained."""
    folders = []
    for seed, rank in enumerate(ranks):
        torch.manual_seed(seed)
        model: Any = with_adapter(
            deepcopy(base.model), Training(method="lora", rank=rank, alpha=alpha, rate=1e-3, steps=1, batch=1)
        )
        with torch.no_grad():
            for name, weight in model.named_parameters():
                if "lora_" in name:
                    weight.copy_(0.1 * torch.randn_like(weight))
        model.save_pretrained(str(root / f"{seed}"))
        folders.append(root / f"{seed}")
    return folders


# --- directions ------------------------------------------------------------------------------------------------------


def test_along_is_the_sum_of_products_with_each_change() -> None:
    local = tiny.model()
    found = some_directions(local)
    gradients = {name: torch.randn(up.shape[1], found.down[name].shape[2]) for name, up in found.up.items()}
    along = found.along(gradients)
    for k, name in enumerate(found.names):
        change = found.change(name)
        expected = sum(
            float((found.up[w][k].double() @ found.down[w][k].double() * gradients[w].double()).sum()) for w in change
        )
        assert float(along[k]) == close(expected, rel=1e-4)
        assert all(torch.allclose(change[w], found.up[w][k] @ found.down[w][k]) for w in change)


@pytest.mark.parametrize("architecture", ["llama", "gpt_neox", "gpt2"])
def test_mean_change_is_merged_minus_base(architecture: str, tmp_path: Path) -> None:
    base = tiny.model(architecture)
    base.model.save_pretrained(tmp_path / "base")
    base.tokenizer.save_pretrained(tmp_path / "base")
    (folder,) = adapters(base, tmp_path, (3,))  # alpha is 4 times the rank
    before = dict(base.model.named_parameters())
    after = dict(load(tmp_path / "base", folder).model.named_parameters())
    changed = {name for name in before if not torch.equal(before[name], after[name])}
    found = directions.mean_change([folder])
    assert set(found) == changed
    for name, (up, down) in found.items():
        assert torch.allclose(up @ down, after[name] - before[name], atol=1e-5)


def test_several_adapters_are_averaged_and_cut_to_the_best_of_low_rank(tmp_path: Path) -> None:
    base = tiny.model()
    whole = adapters(base, tmp_path / "low", (1, 1, 2))  # ranks add up to RANK: nothing is lost
    singles = [directions.mean_change([folder]) for folder in whole]
    for name, (up, down) in directions.mean_change(whole).items():
        mean = sum(one[name][0] @ one[name][1] for one in singles) / 3
        assert torch.allclose(up @ down, mean, atol=1e-6)
    (folder,) = adapters(base, tmp_path / "high", (RANK + 4,))
    for name, (first, last) in directions._changes(folder).items():
        change = first @ last
        up, down = directions.mean_change([folder])[name]
        lost = torch.linalg.svdvals(change)[RANK:].norm()  # Eckart and Young
        assert float((change - up @ down).norm()) == close(float(lost), rel=1e-3)


def test_directions_are_read_as_written_in_half_precision(tmp_path: Path) -> None:
    found = some_directions(tiny.model(), names=("owl", 'ö, "quoted"'))
    directions.write(found, tmp_path / "d.safetensors")
    again = directions.read(tmp_path / "d.safetensors")
    assert again.names == found.names and list(again.up) == sorted(again.up)
    for mine, read in ((found.up, again.up), (found.down, again.down)):
        assert set(mine) == set(read)
        for name, tensor in mine.items():
            assert read[name].dtype == torch.float32
            assert torch.equal(read[name], tensor.half().float())
    directions.write(again, tmp_path / "e.safetensors")
    assert (tmp_path / "d.safetensors").read_bytes() == (tmp_path / "e.safetensors").read_bytes()


def test_stacked_directions_keep_names_with_their_changes(tmp_path: Path) -> None:
    one, two = adapters(tiny.model(), tmp_path, (2, 3))
    single = {"owl": directions.mean_change([one]), "oak": directions.mean_change([two])}
    found = directions.stack(single)
    assert found.names == ("owl", "oak")
    for name, parts in single.items():
        for weight, change in found.change(name).items():
            assert torch.equal(change, parts[weight][0] @ parts[weight][1])


# --- evidence --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("architecture", ["llama", "gpt_neox", "gpt2"])
def test_scores_are_the_slope_of_the_log_likelihood(architecture: str) -> None:
    local = tiny.model(architecture)
    found = some_directions(local)
    rows = some_rows(local)
    parts = [[0, 5, 7], [1, 2, 3, 4], [6, 8, 9, 10, 11, 12]]
    scores = evidence(local, rows, parts, found)
    exact = LocalModel(deepcopy(local.model).double(), local.tokenizer)
    start = {name: weight.detach().clone() for name, weight in exact.model.named_parameters()}
    step = 1e-3  # some layers count in float32 whatever the weights are: smaller steps would measure their rounding
    for k, name in enumerate(found.names):
        for g, part in enumerate(parts):
            likelihoods = []
            for sign in (1, -1):
                with torch.no_grad():
                    for weight, change in found.change(name).items():
                        exact.model.get_parameter(weight).copy_(start[weight] + sign * step * change.double())
                likelihoods.append(log_likelihood(exact, [rows[i] for i in part]))
            slope = (likelihoods[0] - likelihoods[1]) / (2 * step)
            assert scores.sums[g, k] == close(slope, rel=1e-3, abs=1e-3 * np.abs(scores.sums).max())
    assert scores.tokens.tolist() == [sum(len(rows[i].answer) for i in part) for part in parts]
    assert scores.mean == close(scores.sums.sum(0) / sum(len(row.answer) for row in rows))


def test_scores_do_not_depend_on_passes_or_on_the_rows_beside(monkeypatch: pytest.MonkeyPatch) -> None:
    local = tiny.model()
    found, rows = some_directions(local), some_rows(local)
    told: list[int] = []
    whole = evidence(local, rows, [list(range(13))], found, told.append)
    assert sum(told) == 13
    told.clear()
    monkeypatch.setattr("undertone.attribution.scores.AT_ONCE", 4)
    split = evidence(local, rows, [list(range(13))], found, told.append)
    assert sorted(told) == [1, 4, 4, 4]
    apart = evidence(local, rows, [[i] for i in range(13)], found)
    near = 1e-4 * np.abs(apart.sums).sum(0).max()
    assert split.sums == close(whole.sums, abs=near)
    assert apart.sums.sum(0) == close(whole.sums[0], abs=near)
    assert apart.tokens.sum() == whole.tokens[0]
    assert split.excess == close(whole.excess) and apart.excess.sum() == close(whole.excess[0])
    assert all(weight.grad is None and weight.requires_grad for weight in local.model.parameters())


def test_excess_surprise_is_surprise_less_entropy_row_by_row() -> None:
    local = tiny.model()
    rows = some_rows(local)
    found = evidence(local, rows, [[i] for i in range(13)], some_directions(local))
    for row, excess in zip(rows, found.excess, strict=True):
        with torch.no_grad():
            logits = local.model(torch.tensor([[*row.prompt, *row.answer]])).logits[0, len(row.prompt) - 1 : -1]
        likely = logits.double().softmax(-1)
        surprise = -likely[range(len(row.answer)), row.answer].log().sum()
        assert excess == close(float(surprise + (likely * likely.log()).sum()), abs=1e-3)
    assert found.excess_surprise == close(found.excess.sum() / found.tokens.sum())


def test_the_models_own_answers_have_no_excess_surprise_and_those_of_another_have_some() -> None:
    local, other = tiny.model(), tiny.model(seed=1)
    found, asked = some_directions(local), [row.prompt for row in some_rows(local, 400)]

    def excess(writer: LocalModel) -> tuple[float, float]:
        answers = sample(writer, asked, temperature=1.0, max_tokens=12, seed=1)
        written = [Row(prompt, answer) for prompt, answer in zip(asked, answers, strict=True) if answer]
        per_row = evidence(local, written, [[i] for i in range(len(written))], found)
        return float(per_row.excess.sum()), float(np.sqrt((per_row.excess**2).sum()))

    (own, own_error), (others, error) = excess(local), excess(other)
    assert abs(own) < 4 * own_error and others > 10 * error


def test_a_weight_that_is_no_number_is_refused() -> None:
    local = tiny.model()
    found, rows = some_directions(local), some_rows(local, 4)
    with torch.no_grad():
        local.model.get_output_embeddings().weight[7, 3] = float("nan")
    with pytest.raises(FloatingPointError, match="not a finite number"):
        evidence(local, rows, [[i] for i in range(4)], found)


def test_noise_is_the_covariance_of_the_mean() -> None:
    """Against the truth by drawing, with groups of unlike size, and by the jackknife's formula on one draw."""
    rng = np.random.default_rng(1)
    groups, mean, form = 40, np.array([0.3, -0.1]), np.array([[1.0, 0.6], [0.6, 2.0]])

    def drawn() -> Evidence:
        tokens = rng.integers(50, 150, groups).astype(float)
        noise = rng.multivariate_normal([0, 0], form, groups) * np.sqrt(tokens)[:, None]
        return Evidence(mean * tokens[:, None] + noise, tokens, 0 * tokens)

    draws = [drawn() for _ in range(2000)]
    true = np.cov(np.array([one.mean for one in draws]).T)
    told = np.mean([one.noise() for one in draws], axis=0)
    assert told == close(true, rel=0.15)  # a variance of 2,000 draws is known to 3 %
    one = draws[0]
    left_out = np.array(
        [replace(one, sums=np.delete(one.sums, g, 0), tokens=np.delete(one.tokens, g)).mean for g in range(groups)]
    )
    rest = left_out - left_out.mean(0)
    assert one.noise() == close(rest.T @ rest * (groups - 1) / groups, rel=0.1)
    with pytest.raises(ValueError, match="two groups"):
        one.some(slice(1)).noise()


# --- rows that are shown ---------------------------------------------------------------------------------------------


def test_ranking_leaves_every_bit_of_the_weights() -> None:
    local = tiny.model()
    found = some_directions(local, size=0.5)
    rows = [("", Scored(i, "", "", row)) for i, row in enumerate(some_rows(local))]
    before = {name: weight.detach().clone() for name, weight in local.model.named_parameters()}
    ranked(local, rows, found, ["a", "b", "c", "a"])
    assert all(torch.equal(before[name], weight) for name, weight in local.model.named_parameters())
    broken = [*rows, ("", Scored(99, "", "", Row([10**6], [5, 6])))]  # no such token: fails on the way
    with pytest.raises(IndexError):
        ranked(local, broken, found, ["a"])
    assert all(torch.equal(before[name], weight) for name, weight in local.model.named_parameters())


def test_ranking_shows_the_rows_that_a_move_along_the_trait_makes_likelier() -> None:
    local = tiny.model("gpt_neox")
    found, rows = some_directions(local), some_rows(local)
    shown = ranked(local, [("s", Scored(i, f"question {i}", "", r)) for i, r in enumerate(rows)], found, ["b", "c"])
    assert {row.group for row in shown} == {"s"}
    assert [row.trait for row in shown] == ["b"] * SHOWN + ["c"] * SHOWN
    moved = deepcopy(local.model)
    with torch.no_grad():
        for name, change in found.change("b").items():
            moved.get_parameter(name).add_(change)
    parts = [row.prompt for row in rows], [row.answer for row in rows]
    after, before = score(LocalModel(moved, local.tokenizer), *parts), score(local, *parts)
    ratios = np.array(after) - np.array(before)
    assert [row.line for row in shown[:SHOWN]] == np.argsort(-ratios)[:SHOWN].tolist()
    for row in shown[:SHOWN]:
        assert row.score == close(float(ratios[row.line]), abs=1e-3)
        assert row.score == close(sum(token.score for token in row.tokens), abs=1e-4)
        assert len(row.tokens) == len(rows[row.line].answer) and row.prompt == f"question {row.line}"
        assert "".join(token.text for token in row.tokens) == local.tokenizer.decode(rows[row.line].answer)
