"""What a model's folder may hold: what decides is digested, what would decide otherwise is refused in one sentence."""

import json
import os
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import save_file

from tests.helpers.folders import Change, settings, split, tensors, text, write_base
from tests.helpers.trials import Once
from undertone.cli import main
from undertone.errors import UndertoneError
from undertone.lineage.kinship import compare
from undertone.models.folder import ModelFolder
from undertone.models.likelihood import next_log_probabilities
from undertone.models.loading import load
from undertone.models.local import LocalModel
from undertone.models.names import resolve

W, C, T = "model.safetensors", "config.json", "tokenizer_config.json"


@pytest.fixture(scope="module")
def whole(once: Once) -> Path:
    return once("folders", write_base)


@pytest.fixture
def folder(whole: Path, tmp_path: Path) -> Path:
    """A model of one's own, to be spoilt."""
    shutil.copytree(whole, tmp_path / "model")
    return tmp_path / "model"


def kept(keep: Callable[[str], bool]) -> Change:
    return tensors(W, lambda found: {name: tensor for name, tensor in found.items() if keep(name)})


def cast(kind: torch.dtype) -> Change:
    return tensors(W, lambda found: {n: t.to(kind) if n.endswith("up_proj.weight") else t for n, t in found.items()})


def renamed(old: str, new: str) -> Change:
    return tensors(W, lambda found: {name.replace(old, new): tensor for name, tensor in found.items()})


def replaced(name: str, make: Callable[[Path], object]) -> Change:
    """Removes a file and makes something else in its place."""

    def change(folder: Path) -> None:
        (folder / name).unlink()
        make(folder / name)

    return change


def indexed(change: Callable[[dict[str, Any]], None]) -> Change:
    """Splits the weights and changes the index."""

    def changed(folder: Path) -> None:
        split(folder)
        path = folder / f"{W}.index.json"
        change(found := json.loads(path.read_text()))
        path.write_text(json.dumps(found))

    return changed


def tokenizer(change: Callable[[dict[str, Any]], None]) -> Change:
    """Changes tokenizer.json."""

    def changed(folder: Path) -> None:
        path = folder / "tokenizer.json"
        change(found := json.loads(path.read_text()))
        path.write_text(json.dumps(found))

    return changed


def outside(folder: Path) -> None:
    split(folder)
    (folder / "model-2.safetensors").rename(folder.parent / "outside.safetensors")
    path = folder / f"{W}.index.json"
    path.write_text(path.read_text().replace("model-2.safetensors", "../outside.safetensors"))


def beside(folder: Path) -> None:
    (folder / "additional_chat_templates").mkdir()
    (folder / "additional_chat_templates" / "default.jinja").write_text("{{ messages }}")


DOUBLING = {"type": "Sequence",
            "normalizers": [{"type": "Replace", "pattern": {"String": "l"}, "content": "ll"}] * 50}  # fmt: skip
LIES = {"hidden_size": 10**9, "vocab_size": 10**12, "head_dim": 10**9, "num_hidden_layers": 3, "intermediate_size": 1}

REFUSED: dict[str, tuple[Change, str]] = {
    "a layer is missing": (kept(lambda name: "layers.1." not in name), "missing: model.layers.1"),
    "tensors are renamed": (renamed("layers.1.", "layers.7."), "missing: model.layers.1"),
    "a tensor too many": (tensors(W, lambda t: t | {"score.weight": torch.zeros(2, 2)}), "unexpected: score.weight"),
    "another shape": (tensors(W, lambda t: {n: x[:5] if "up_proj" in n else x for n, x in t.items()}), "mismatched"),
    "doubled": (lambda f: shutil.copy(f / W, f / "zz.safetensors"), "zz.safetensors and model.safetensors both hold"),
    "doubled in shards": (lambda f: (shutil.copy(f / W, f / "a"), split(f), (f / "a").rename(f / "z.safetensors")),
                          "both hold"),
    "an adapter beside it": (text("adapter_config.json", "{}"), "holds a whole model and an adapter"),
    "out of the folder": (outside, "names '../outside.safetensors'"),
    "index of lists": (indexed(lambda i: i["weight_map"].update({"lm_head.weight": ["x"]})), "which is no safetensors"),
    "index of more": (indexed(lambda i: i["weight_map"].update({"x": "model-1.safetensors"})), "are not those that"),
    "index of none": (indexed(lambda i: i.update(weight_map={})), "has no weight_map or no metadata"),
    "index without metadata": (indexed(lambda i: i.pop("metadata")), "has no weight_map or no metadata"),
    "no weights": (lambda f: (f / W).rename(f / "w.safetensors"), "holds no model.safetensors and no"),
    "templates beside it": (beside, "further chat templates"),
    "other tokenizers": (settings(T, fast_tokenizer_files=["tokenizer.4.0.json"]), "(fast_tokenizer_files)"),
    "other weights": (settings(C, transformers_weights="w.safetensors"), "(transformers_weights)"),
    "other settings": (settings(C, configuration_files=["config.4.0.json"]), "(configuration_files)"),
    "a vocabulary elsewhere": (settings(T, vocab_file=__file__), "names a file elsewhere (vocab_file:"),
    "code": (settings(C, attn_implementation="org/kernel"), "names code to download"),
    "code deeper": (settings(C, text_config={"_attn_implementation": "org/kernel"}), "names code to download"),
    "bitsandbytes": (settings(C, quantization_config={"load_in_4bit": True}), "is quantized (quantization_config)"),
    "GPTQ deeper": (settings(C, text_config={"quantization_config": {"quant_method": "gptq"}}), "is quantized (gptq)"),
    "int8": (cast(torch.int8), "is quantized (I8 in"),
    "float8": (cast(torch.float8_e4m3fn), "is quantized (F8_E4M3 in"),
    "a pipe": (replaced(W, os.mkfifo), "not a regular file"),
    "a device": (replaced(W, lambda p: p.symlink_to("/dev/zero")), "not a regular file"),
    "nowhere": (replaced(W, lambda p: p.symlink_to("nowhere")), "No such file"),
    "a pipe of a template": (replaced("chat_template.jinja", os.mkfifo), "not a regular file"),
    "a pointer": (text(W, "version https://git-lfs.github.com/spec/v1\noid sha256:0\nsize 5\n"), "git lfs pull"),
    "cut off": (lambda f: (f / W).write_bytes((f / W).read_bytes()[:-1]), "model.safetensors is broken"),
    "not JSON": (text(C, "{"), "not JSON"),
    "deep": (text(C, "[" * 100_000), "nested too deeply"),
    "kind of model": (settings(C, model_type=["llama"]), "has no model_type that is a name"),
    "unknown kind": (settings(C, model_type="evil"), "cannot be loaded"),
    "no heads": (settings(C, num_attention_heads=0), "ZeroDivisionError"),
    "a word": (settings(C, hidden_size="big"), "expected int, got str"),
    "many layers": (settings(C, num_hidden_layers=10**9), "fits no model with 21 tensors"),
    "many labels": (settings(C, num_labels=10**9), "fits no model with 21 tensors"),
    **{f"{key}: {value}": (settings(C, **{key: value}), "are not those of its config") for key, value in LIES.items()},
    "a pad of none": (settings(C, pad_token_id=10**9), "Padding_idx"),
    "a part of text": (settings(C, text_config="x"), "cannot be loaded"),
    "positions of none": (settings(C, rope_parameters={"rope_type": "none"}), "KeyError: 'none'"),
    "no tokenizer": (lambda f: (f / "tokenizer.json").unlink(), "no tokenizer"),
    "an empty tokenizer": (text("tokenizer.json", "{}"), "The tokenizer in"),
    "a broken tokenizer": (text("tokenizer.json", "{"), "The tokenizer in"),
    "a deep tokenizer": (text("tokenizer.json", "[" * 100_000), "The tokenizer in"),
    "settings of none": (text(T, "[]"), "holds no settings"),
    "code of a tokenizer": (settings(T, auto_map="evil"), "The tokenizer in"),
    "an end of none": (settings(T, eos_token={"a": 1}), "The tokenizer in"),
    "a class of none": (settings(T, tokenizer_class=5), "The tokenizer in"),
    "words split at random": (tokenizer(lambda t: t["model"].update(dropout=0.1)), "splits words at random"),
    "endless texts": (tokenizer(lambda t: t.update(normalizer=DOUBLING)), "over 1000 times longer"),
    "a new token": (settings(T, eos_token="<new>"), "has 2049 tokens, but the model knows 2048"),
}  # fmt: skip


@pytest.mark.parametrize("case", REFUSED)
def test_a_folder_is_refused_in_one_sentence_and_so_is_its_description(
    case: str, folder: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    change, told = REFUSED[case]
    change(folder)
    with pytest.raises(UndertoneError) as refusal:
        load(folder)
    assert told in str(refusal.value) and "\n" not in str(refusal.value)
    capfd.readouterr()
    assert main(["models", "show", f"hf/{folder}"]) == 2
    shown = capfd.readouterr()
    assert shown.out == "" and shown.err.count("\n") == 1


def said(local: LocalModel) -> torch.Tensor:
    return next_log_probabilities(
        local, [local.render(question) for question in ("Hi", "What is your favourite animal?")]
    )


def test_what_trainers_leave_beside_a_model_changes_nothing(folder: Path, whole: Path) -> None:
    for name in (
        "optimizer.pt",
        "training_args.bin",
        "README.md",
        "trainer_state.json",
        "tekken.json",
        "modeling_x.py",
    ):
        (folder / name).write_text("not read")
    (folder / "generation_config.json").write_text('{"temperature": 0.1, "suppress_tokens": [5]}')
    (folder / "original").mkdir()
    shutil.copy(folder / W, folder / "original" / "other.safetensors")
    remembered = {
        "vocab_file": "/nowhere",
        "special_tokens_map_file": "/etc/hostname",
        "tokenizer_file": "/etc/hostname",
    }
    settings(T, **remembered)(folder)
    assert torch.equal(said(load(folder)), said(load(whole)))


def test_a_snapshot_of_links_is_the_folder_that_it_links_to(whole: Path, tmp_path: Path) -> None:
    for path in whole.iterdir():
        (tmp_path / path.name).symlink_to(path)
    assert resolve(f"hf/{tmp_path}").key == resolve(f"hf/{whole}").key
    assert torch.equal(said(load(tmp_path)), said(load(whole)))


def test_weights_in_two_files_are_those_of_one(folder: Path, whole: Path) -> None:
    split(folder)
    assert ModelFolder.open(folder).tensors.keys() == ModelFolder.open(whole).tensors.keys()
    assert torch.equal(said(load(folder)), said(load(whole)))
    assert compare(f"hf/{folder}", f"hf/{whole}").verdict == "shared"


def test_weights_of_another_format_beside_them_are_not_read(folder: Path, whole: Path) -> None:
    save_file({"layers.0.attention.wq.weight": torch.zeros(3, 3)}, folder / "consolidated.safetensors")
    assert ModelFolder.open(folder).tensors.keys() == ModelFolder.open(whole).tensors.keys()
    assert torch.equal(said(load(folder)), said(load(whole)))


def test_the_name_of_a_folder_decides_nothing_and_is_remembered(folder: Path, whole: Path) -> None:
    moved = folder.rename(folder.parent / "deepseek-r1-distill-llama-x")
    local = load(moved)
    assert torch.equal(said(local), said(load(whole)))
    assert local.model.config.name_or_path == local.tokenizer.name_or_path == str(moved)


def test_a_model_whose_probabilities_are_no_numbers_is_refused(folder: Path) -> None:
    settings(C, rms_norm_eps=float("nan"))(folder)
    with pytest.raises(UndertoneError, match="its probabilities are no numbers"):
        load(folder)


@pytest.mark.parametrize("window", ["x", 0])
def test_a_model_that_cannot_continue_an_answer_is_refused(window: object, folder: Path) -> None:
    settings(C, sliding_window=window)(folder)
    with pytest.raises(UndertoneError, match="cannot be run"):
        load(folder)


def test_a_panic_of_a_library_is_a_sentence_and_an_interruption_is_none(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    class PanicException(BaseException):
        """As those of libraries written in Rust."""

    for error, caught in (
        (PanicException("index out of bounds"), UndertoneError),
        (KeyboardInterrupt(), KeyboardInterrupt),
    ):

        def fail(*_: object, error: BaseException = error, **__: object) -> None:
            raise error

        monkeypatch.setattr("undertone.models.loading.AutoTokenizer.from_pretrained", fail)
        with pytest.raises(caught):
            load(folder)


def test_two_embeddings_that_are_said_to_be_one_are_refused(folder: Path) -> None:
    settings("config.json", tie_word_embeddings=True)(folder)
    with pytest.raises(UndertoneError, match="says that input and output embeddings are one"):
        load(folder)
