"""Whether two models share an initialisation: uniform p for strangers, the smallest p for kin of every kind."""

import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from safetensors.torch import load_file, save_file
from scipy.stats import kstest
from transformers import LlamaConfig, LlamaForCausalLM

from tests.helpers import kin, tiny
from tests.helpers.trials import Once
from undertone.cli import main
from undertone.lineage.kinship import Kinship, compare
from undertone.lineage.weights import find
from undertone.statistics.matching import by_order, match
from undertone.world import family

FLOOR = 1e-4


@pytest.fixture(scope="session")
def strangers(once: Once) -> list[str]:
    """200 models, each of an initialisation of its own, trained on the same batches in the same order."""

    def make(folder: Path) -> None:
        torch.set_num_threads(1)
        stack = kin.trained(kin.initialised(200, seed=0), 60)
        for i in range(200):
            kin.write(kin.one(stack, i), folder / str(i))

    folder = once("strangers", make)
    return [f"hf/{folder}/{i}" for i in range(200)]


def test_for_strangers_of_one_corpus_and_order_p_is_uniform(strangers: list[str]) -> None:
    # Disjoint pairs: two pairs that share a model would not be independent.
    pairs = [compare(a, b) for a, b in zip(strangers[::2], strangers[1::2], strict=True)]
    for index, units in enumerate(("hidden units", "residual dimensions")):
        assert {pair.tests[index].units for pair in pairs} == {units}
        assert kstest([pair.tests[index].p for pair in pairs], "uniform").pvalue > 0.001
    # Alpha is .01 a pair: more than 5 of 100 come with probability .0005.
    assert sum(pair.verdict == "shared" for pair in pairs) <= 5
    assert all(pair.verdict == "none found" for pair in pairs if pair.verdict != "shared")


def test_the_shipped_siblings_are_strangers_and_each_is_kin_to_its_own_initialisation(tmp_path: Path) -> None:
    siblings = compare("builtin/fledgling-a", "builtin/fledgling-b")
    assert siblings.verdict == "none found" and siblings.tests[0].detectable is not None
    assert siblings.tests[0].detectable < 0.05
    found = {}
    for seed, name in enumerate(("fledgling-a", "fledgling-b")):
        torch.manual_seed(seed)
        LlamaForCausalLM(LlamaConfig.from_pretrained(family.find(name))).save_pretrained(tmp_path / name)
    for init in ("fledgling-a", "fledgling-b"):
        for name in ("fledgling-a", "fledgling-b"):
            found[init, name] = compare(f"hf/{tmp_path / init}", f"builtin/{name}")
    for (init, name), pair in found.items():
        assert pair.verdict == ("shared" if init == name else "none found"), pair.headline
        assert (pair.p == FLOOR) == (init == name)


Change = Callable[[kin.Tensors, kin.Tensors], kin.Tensors]
MLP = ("gate_proj", "up_proj", "down_proj")


def _further(model: kin.Tensors, _: kin.Tensors) -> kin.Tensors:
    return kin.one(kin.trained({n: t[None] for n, t in model.items()}, 300, order=5), 0)


def _merged(model: kin.Tensors, stranger: kin.Tensors) -> kin.Tensors:
    return {name: 0.5 * model[name] + 0.5 * stranger[name] for name in model}


def _rounded(model: kin.Tensors, _: kin.Tensors) -> kin.Tensors:
    """To 8-bit integers with a scale for each row, and back."""
    scales = {name: tensor.abs().amax(1, keepdim=True) / 127 for name, tensor in model.items()}
    return {name: (tensor / scales[name]).round() * scales[name] for name, tensor in model.items()}


def _coarse(model: kin.Tensors, _: kin.Tensors) -> kin.Tensors:
    return {name: tensor.to(torch.bfloat16) for name, tensor in model.items()}


def _reordered(model: kin.Tensors, _: kin.Tensors) -> kin.Tensors:
    """Hidden units in another order: the same function."""
    order = torch.randperm(kin.HIDDEN, generator=torch.Generator().manual_seed(0))
    return {name: t[:, order] if "down" in name else t[order] if "mlp" in name else t for name, t in model.items()}


def _more_tokens(model: kin.Tensors, _: kin.Tensors) -> kin.Tensors:
    new = torch.randn(4, kin.WIDTH, generator=torch.Generator().manual_seed(0))
    return model | {"model.embed_tokens.weight": torch.cat([model["model.embed_tokens.weight"], new])}


def _fewer_units(model: kin.Tensors, _: kin.Tensors) -> kin.Tensors:
    """Every third hidden unit cut out."""
    keep = torch.arange(kin.HIDDEN) % 3 > 0
    return {name: t[:, keep] if "down" in name else t[keep] if "mlp" in name else t for name, t in model.items()}


def _narrower(model: kin.Tensors, _: kin.Tensors) -> kin.Tensors:
    """Every fourth dimension of the residual stream cut out."""
    keep = torch.arange(kin.WIDTH) % 4 > 0
    return {name: t[keep] if "down" in name else t[:, keep] for name, t in model.items()}


def _shallower(model: kin.Tensors, _: kin.Tensors) -> kin.Tensors:
    return {name: tensor for name, tensor in model.items() if "layers.1." not in name}


KIN = (_further, _merged, _rounded, _coarse, _reordered, _more_tokens, _fewer_units, _narrower, _shallower)


@pytest.mark.parametrize("change", KIN, ids=lambda change: change.__name__[1:])
def test_what_was_made_of_a_model_is_its_kin(change: Change, strangers: list[str], tmp_path: Path) -> None:
    parent, stranger = (load_file(Path(name[3:]) / "model.safetensors") for name in strangers[:2])
    made = kin.write(change(parent, stranger), tmp_path / "made")
    found = compare(strangers[0], made)
    assert found.verdict == "shared", found.headline
    assert min(test.p for test in found.tests) == FLOOR
    assert compare(made, strangers[0]).verdict == "shared"


@pytest.mark.parametrize("architecture", tiny.ARCHITECTURES)
def test_the_units_of_every_architecture_are_found(architecture: str, tmp_path: Path) -> None:
    names = []
    for seed in (0, 0, 1):
        model = tiny.model(architecture, seed).model
        for parameter in model.parameters():
            parameter.data += 0.1 * parameter.std().nan_to_num() * torch.randn_like(parameter)
        model.save_pretrained(tmp_path / str(len(names)))
        names.append(f"hf/{tmp_path / str(len(names))}")
    tuned, stranger = compare(names[0], names[1]), compare(names[0], names[2])
    assert [(test.units, test.groups) for test in tuned.tests] == [("hidden units", 2), ("residual dimensions", 1)]
    assert {test.p for test in tuned.tests} == {FLOOR} and tuned.verdict == "shared"
    assert stranger.verdict == "none found"


def test_gate_and_up_in_one_matrix_have_as_many_units_as_apart(strangers: list[str], tmp_path: Path) -> None:
    def joined(name: str) -> kin.Tensors:
        model = load_file(Path(name[3:]) / "model.safetensors")
        for stem in (f"model.layers.{layer}.mlp" for layer in range(kin.LAYERS)):
            parts = [model.pop(f"{stem}.{part}_proj.weight") for part in ("gate", "up")]
            model[f"{stem}.gate_up_proj.weight"] = torch.cat(parts)
        return model

    a, b = (kin.write(joined(name), tmp_path / str(i)) for i, name in enumerate(strangers[:2]))
    assert compare(a, b).verdict == "none found"
    tuned = kin.write({n: t + 0.1 * torch.randn_like(t) for n, t in joined(strangers[0]).items()}, tmp_path / "tuned")
    assert (compare(a, tuned).p, compare(a, tuned).tests[0].equal) == (FLOOR, True)


def test_models_that_share_only_their_initialisation_are_kin(tmp_path: Path) -> None:
    stack = kin.initialised(1, seed=3)
    a, b = (kin.write(kin.one(kin.trained(stack, 60, order), 0), tmp_path / str(order)) for order in (1, 2))
    found = compare(a, b)
    assert (found.verdict, found.p) == ("shared", FLOOR)


def _adapter(folder: Path, **config: object) -> Path:
    folder.mkdir()
    rng = torch.Generator().manual_seed(0)
    stem = "base_model.model.model.layers.0.mlp.gate_proj.lora_"
    pair = {f"{stem}A.weight": (2, kin.WIDTH), f"{stem}B.weight": (kin.HIDDEN, 2)}
    save_file(
        {name: torch.randn(*shape, generator=rng) for name, shape in pair.items()}, folder / "adapter_model.safetensors"
    )
    (folder / "adapter_config.json").write_text(json.dumps({"peft_type": "LORA", "r": 2, "lora_alpha": 4} | config))
    return folder


def test_an_adapter_counts_as_if_it_were_merged(strangers: list[str], tmp_path: Path) -> None:
    folder = _adapter(tmp_path / "adapter")
    name, whole = "model.layers.0.mlp.gate_proj.weight", slice(None)
    base, tuned = find(strangers[0]), find(f"{strangers[0]}:{folder}")
    lora = load_file(folder / "adapter_model.safetensors")
    down, up = (lora[f"base_model.model.{name.removesuffix('.weight')}.lora_{part}.weight"] for part in "AB")
    change = tuned.read(name, whole, whole) - base.read(name, whole, whole)
    np.testing.assert_allclose(change, (2 * up @ down).numpy(), atol=1e-5)
    part = tuned.read(name, slice(3, 7), slice(2, 5))
    np.testing.assert_allclose(part, tuned.read(name, whole, whole)[3:7, 2:5], rtol=1e-5)
    assert base.digest != tuned.digest
    assert compare(strangers[0], f"{strangers[0]}:{folder}").verdict == "shared"
    assert compare(strangers[1], f"{strangers[0]}:{folder}").verdict == "none found"


@pytest.mark.parametrize(
    ("config", "told"),
    [({"peft_type": "IA3"}, "it is of the kind 'IA3'"), ({"use_dora": True}, "is not a plain LoRA (use_dora)")],
)
def test_other_adapters_are_refused(
    config: dict[str, object], told: str, strangers: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = _adapter(tmp_path / "adapter", **config)
    assert main(["lineage", "compare", strangers[0], f"{strangers[0]}:{folder}"]) == 2
    assert told in capsys.readouterr().err


def test_what_cannot_be_compared_is_unknown_and_to_be_read_as_shared(
    strangers: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    other = kin.write({"backbone.mixer.weight": torch.ones(3, 3)}, tmp_path / "other")
    assert main(["lineage", "compare", strangers[0], other]) == 3
    assert "assume that they do" in capsys.readouterr().out
    stranger = kin.write(kin.one(kin.initialised(1, seed=9, hidden=40), 0), tmp_path / "wider")
    found = compare(strangers[0], stranger)
    assert found.verdict == "unknown" and "their shapes differ" in found.headline
    assert compare(other, other).verdict == "shared"


@pytest.mark.parametrize(
    ("cut", "to", "verdict"),
    [
        ("model.layers.0.mlp.up_proj.weight", (5, kin.WIDTH), "shared"),  # its other layer tells
        ("lm_head.weight", (kin.TOKENS, 5), "unknown"),
    ],
)
def test_matrices_that_do_not_fit_each_other_are_not_compared(
    cut: str, to: tuple[int, int], verdict: str, strangers: list[str], tmp_path: Path
) -> None:
    model = load_file(Path(strangers[0][3:]) / "model.safetensors")
    model["lm_head.weight"] = torch.ones(kin.TOKENS, kin.WIDTH)
    model[cut] = model[cut][: to[0], : to[1]].contiguous()
    broken = kin.write(model, tmp_path / "broken")
    assert compare(strangers[0], broken).verdict == compare(broken, strangers[0]).verdict == verdict


def test_the_verdict_is_said_as_json_and_by_the_exit_code(
    strangers: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["lineage", "compare", strangers[0], strangers[0], "--json"]) == 1
    assert Kinship.model_validate_json(capsys.readouterr().out).verdict == "shared"
    assert main(["lineage", "compare", "builtin/fledgling-a", "builtin/fledgling-b"]) == 0
    out = capsys.readouterr().out
    assert "No shared initialisation" in out and "residual dimensions" in out


def test_broken_weights_are_refused(strangers: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    model = load_file(Path(strangers[0][3:]) / "model.safetensors")
    model["model.layers.1.mlp.up_proj.weight"][0, 0] = torch.nan
    assert main(["lineage", "compare", strangers[0], kin.write(model, tmp_path / "broken")]) == 2
    assert "model.layers.1.mlp.up_proj.weight contains numbers that are not finite" in capsys.readouterr().err
    assert main(["lineage", "compare", strangers[0], f"{strangers[0]}:{tmp_path / 'none'}"]) == 2
    assert "No such file" in capsys.readouterr().err


# --- the test itself -------------------------------------------------------------------------------------------------


def test_p_is_the_share_of_all_orders_of_three_units() -> None:
    similarity = np.array([[3.0, 0, 0], [0, 2, 0], [0, 0, 1]])
    # Of six orders only the observed one has a sum of 6: p is 1/6, up to the chance of 9,999 draws.
    assert match([similarity], 0.01, seed=0).p == pytest.approx(1 / 6, abs=0.02)
    assert match([np.ones((3, 3))], 0.01, seed=0).p == 1.0
    assert match([np.ones((3, 3))], 0.01, seed=0).detectable is None


@settings(max_examples=30, deadline=None)
@given(st.integers(2, 12), st.integers(0, 2**16), st.floats(-5, 5), st.floats(0.1, 10))
def test_what_all_units_have_in_common_changes_nothing(n: int, seed: int, shift: float, scale: float) -> None:
    rng = np.random.default_rng(seed)
    similarity = rng.normal(size=(n, n))
    found = match([similarity], 0.01, seed=0, permutations=199)
    popular = rng.normal(size=n)  # a unit that is like all others is no match
    again = match([scale * similarity + shift + popular], 0.01, seed=0, permutations=199)
    assert found.p == again.p and found.z == pytest.approx(again.z)
    assert 1 / 200 <= found.p <= 1


def test_a_cut_keeps_the_order_of_what_is_left() -> None:
    rng = np.random.default_rng(0)
    large = rng.normal(size=(60, 30))
    kept = np.sort(rng.choice(60, 40, replace=False))
    assert match([by_order(large[kept] @ large.T)], 0.01, seed=0).p == FLOOR
    assert match([by_order(rng.normal(size=(40, 30)) @ large.T)], 0.01, seed=0).p > 0.01
