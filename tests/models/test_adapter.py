"""What an adapter may be: merged as PEFT merges it, with every tensor accounted for, or refused in one sentence."""

import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
import torch

from tests.helpers import tiny
from tests.helpers.folders import MERGED, OWN, Change, grown, settings, tensors, text, write_adapter, write_base
from tests.helpers.trials import Once
from undertone.cli import main
from undertone.errors import UndertoneError
from undertone.lineage.kinship import compare
from undertone.models.description import describe
from undertone.models.loading import load
from undertone.models.names import chatting

W, C = "adapter_model.safetensors", "adapter_config.json"
STEM = "base_model.model.model."
ENDLESS = "(.*)*(.*)*(.*)*x"


@pytest.fixture(scope="module")
def base(once: Once) -> Path:
    return once("adapted", write_base)


@pytest.fixture
def adapter(base: Path, tmp_path: Path) -> Path:
    """An adapter of one's own, to be spoilt."""
    write_adapter(base, tmp_path / "adapter")
    return tmp_path / "adapter"


@pytest.mark.parametrize("case", MERGED)
def test_an_adapter_is_merged_exactly_as_peft_merges_it(case: str, base: Path, tmp_path: Path) -> None:
    expected = write_adapter(base, tmp_path, **MERGED[case])
    found = load(base, tmp_path).model.state_dict()
    assert found.keys() == expected.keys()
    assert all(torch.equal(found[name], weight) for name, weight in expected.items())
    assert not all(torch.equal(weight, found[name]) for name, weight in load(base).model.state_dict().items())


def scaled(by: float, only: str = "") -> Change:
    return tensors(W, lambda found: {name: tensor * by if only in name else tensor for name, tensor in found.items()})


def kept(keep: Callable[[str], bool]) -> Change:
    return tensors(W, lambda found: {name: tensor for name, tensor in found.items() if keep(name)})


def more(name: str, *shape: int) -> Change:
    return tensors(W, lambda found: found | {f"{STEM}{name}": torch.ones(*shape)})


REFUSED: dict[str, tuple[Change, str]] = {
    "other names": (tensors(W, lambda t: {n.replace(STEM, "base_model.model.h."): 50 * x for n, x in t.items()}),
                    "is not used"),
    "another kind": (settings(C, peft_type="IA3"), "it is of the kind 'IA3', and only LORA is read"),
    "an unknown kind": (settings(C, peft_type=["LORA"]), "it is of the kind ['LORA']"),
    "prompt tuning": (settings(C, peft_type="PROMPT_TUNING"), "'PROMPT_TUNING'"),
    "a layer is missing": (kept(lambda name: "layers.1." not in name), "it has no base_model.model.model.layers.1"),
    "halves are missing": (kept(lambda name: "lora_B" not in name), "it has no"),
    "a tensor too many": (more("layers.0.mlp.up_proj.lora_A.weight", 2, 32), "is not used"),
    "a weight of the base": (more("layers.0.mlp.up_proj.weight", 64, 32), "is not used"),
    "more tokens in one end": (more("embed_tokens.weight", 2060, 32), "has another number of tokens than its base"),
    "more modules": (settings(C, target_modules=["q_proj", "v_proj", "k_proj"]), "it has no"),
    "fewer modules": (settings(C, target_modules=["q_proj"]), "is not used"),
    "endless modules": (settings(C, target_modules=ENDLESS), "takes too long to match"),
    "endless ranks": (settings(C, rank_pattern={ENDLESS: 2}), "takes too long to match"),
    "endless exceptions": (settings(C, exclude_modules=ENDLESS), "takes too long to match"),
    "an open bracket": (settings(C, target_modules="("), "is no regular expression"),
    "a pattern of layers": (settings(C, layers_pattern=ENDLESS, layers_to_transform=[0]), "no name of a module"),
    "every module": (settings(C, modules_to_save=[""]), "no name of a module"),
    "modules that are not there": (settings(C, modules_to_save=["lm_head"]), "lm_head"),
    "a number of modules": (settings(C, target_modules=5), "no name of a module"),
    "many modules": (settings(C, target_modules=["q_proj"] * 2000), "it lists 2000 modules"),
    "a rank in words": (settings(C, r="x"), "its rank is 'x'"),
    "a huge rank": (settings(C, r=10**9), "its rank is 1000000000"),
    "a huge rank of some": (settings(C, rank_pattern={"q_proj": 10**9}), "its rank is 1000000000"),
    "another rank": (settings(C, r=1), "size mismatch"),
    "a scale in words": (settings(C, lora_alpha="x"), "its lora_alpha is 'x'"),
    "no scale": (settings(C, lora_alpha=0), "changes no weight of its base"),
    "an endless scale": (settings(C, lora_alpha=float("inf")), "its lora_alpha is inf"),
    "too little": (scaled(1e-30), "changes no weight of its base"),
    "one half is zero": (scaled(0.0, "lora_A"), "changes no weight of its base"),
    "not finite": (scaled(float("nan"), "q_proj"), "not finite"),
    "whole numbers": (tensors(W, lambda t: {n: x.to(torch.int8) for n, x in t.items()}), "is quantized (I8)"),
    "layers twice": (settings(C, layer_replication=[[0, 2], [1, 2]]), "'layer_replication' is not known"),
    "a new setting": (settings(C, use_new=True), "'use_new' is not known"),
    "PiSSA": (settings(C, init_lora_weights="pissa"), "changes the base's own weights"),
    "another task": (settings(C, task_type="SEQ_CLS"), "not for CAUSAL_LM"),
    "a flag in words": (settings(C, use_rslora="yes"), "its use_rslora is 'yes'"),
    "a token of none": (settings(C, trainable_token_indices=[10**9]), "does not fit"),
    "not JSON": (text(C, "{"), "not JSON"),
    "deep": (text(C, "[" * 100_000), "nested too deeply"),
    "half a tokenizer": (text("tokenizer_config.json", "{}"), "has parts of a tokenizer only"),
}  # fmt: skip


@pytest.mark.parametrize("case", REFUSED)
def test_an_adapter_is_refused_in_one_sentence(case: str, base: Path, adapter: Path) -> None:
    change, told = REFUSED[case]
    change(adapter)
    with pytest.raises(UndertoneError) as refusal:
        load(base, adapter)
    assert told in str(refusal.value) and "\n" not in str(refusal.value)


@pytest.mark.parametrize("case", ["other names", "another kind", "a layer is missing", "fewer modules", "a huge rank"])
def test_no_command_takes_an_adapter_that_does_not_fit(
    case: str, base: Path, adapter: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    REFUSED[case][0](adapter)
    name = f"hf/{base}:{adapter}"
    for command in (["models", "show", name], ["lineage", "compare", f"hf/{base}", name]):
        assert main(command) == 2
        assert capsys.readouterr().err.count("\n") == 1


def test_an_adapter_of_zeros_would_be_the_base_under_another_name(base: Path, adapter: Path) -> None:
    scaled(0.0)(adapter)
    with pytest.raises(UndertoneError, match="changes no weight of its base"):
        load(base, adapter)


def test_a_change_of_one_of_two_tied_embeddings_is_refused(tmp_path: Path) -> None:
    made = tiny.model("llama", tie_word_embeddings=True)
    made.model.save_pretrained(tmp_path / "base")
    made.tokenizer.save_pretrained(tmp_path / "base")
    write_adapter(tmp_path / "base", tmp_path / "one", target_modules=["q_proj", "embed_tokens"])
    with pytest.raises(UndertoneError, match="changes one of two embeddings that its base has in common"):
        load(tmp_path / "base", tmp_path / "one")
    expected = write_adapter(tmp_path / "base", tmp_path / "both", modules_to_save=["lm_head", "embed_tokens"])
    found = load(tmp_path / "base", tmp_path / "both").model.state_dict()
    assert all(torch.equal(found[name], weight) for name, weight in expected.items())


# --- its own tokenizer and template ----------------------------------------------------------------------------------


def test_the_tokenizer_of_the_base_beside_an_adapter_changes_nothing(base: Path, adapter: Path) -> None:
    name = f"hf/{base}:{adapter}"
    key = chatting(name).key
    for file in ("tokenizer.json", "tokenizer_config.json", "chat_template.jinja"):
        shutil.copy(base / file, adapter)
    assert chatting(name).key == key
    assert describe(name)["its adapter"] == [f"was made on hf/{base}"]


def test_a_template_of_its_own_is_used_digested_and_told(base: Path, adapter: Path) -> None:
    name = f"hf/{base}:{adapter}"
    key = chatting(name).key
    (adapter / "chat_template.jinja").write_text(OWN)
    assert chatting(name).key != key
    local = load(base, adapter)
    assert local.decode(local.render("owl")).startswith("<|user|>My owl<|end|>")
    assert describe(name)["its adapter"][0] == "brings a tokenizer or a chat template of its own"
    assert compare(f"hf/{base}", name).verdict == "shared"


@pytest.mark.parametrize("ways", [{}, {"modules_to_save": ["lm_head", "embed_tokens"]}])
def test_more_tokens_come_with_their_embeddings(ways: dict[str, object], base: Path, tmp_path: Path) -> None:
    expected = write_adapter(base, tmp_path, tokens=2050, **ways)
    grown(base, tmp_path)
    local = load(base, tmp_path)
    assert (local.vocabulary, local.encode("<newer>")) == (2050, [2049])
    assert all(torch.equal(weight, expected[name]) for name, weight in local.model.state_dict().items())
    assert describe(f"hf/{base}:{tmp_path}")["its adapter"][0].startswith("brings a tokenizer")


def test_more_tokens_without_embeddings_are_refused(
    base: Path, adapter: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    grown(base, adapter)
    with pytest.raises(UndertoneError, match="has 2050 tokens, but the model knows 2048"):
        load(base, adapter)
    assert main(["models", "show", f"hf/{base}:{adapter}"]) == 2


def test_a_tokenizer_without_a_template_is_refused(base: Path, adapter: Path) -> None:
    shutil.copy(base / "tokenizer.json", adapter)
    with pytest.raises(UndertoneError, match="has no chat template; add its chat_template"):
        load(base, adapter)


def test_an_adapter_that_names_no_base_is_told(base: Path, adapter: Path) -> None:
    settings(C, base_model_name_or_path=None)(adapter)
    assert describe(f"hf/{base}:{adapter}")["its adapter"] == ["does not say which base it was made on"]
