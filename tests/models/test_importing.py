"""GGUF files become folders that hold the same weights, tokenizer and template; what is no such file is refused."""

import errno
from hashlib import sha256
from pathlib import Path
from typing import Any

import pytest
import torch
from gguf import GGUFWriter
from safetensors.torch import load_file
from transformers.convert_slow_tokenizer import bytes_to_unicode

from tests.helpers import tiny
from undertone.cli import main
from undertone.errors import UndertoneError
from undertone.models.importing import import_gguf
from undertone.models.loading import load

TOKENS = ["<|end|>", *bytes_to_unicode().values(), "er", "<|endoftext|>"]
TEMPLATE = "{% for m in messages %}{{ m.role }}: {{ m.content }}<|end|>{% endfor %}assistant: "
HEADS = 2
NAMES = {
    "model.embed_tokens": "token_embd", "model.norm": "output_norm", "lm_head": "output",
    "input_layernorm": "attn_norm",
    "post_attention_layernorm": "ffn_norm", "self_attn.q_proj": "attn_q", "self_attn.k_proj": "attn_k",
    "self_attn.v_proj": "attn_v", "self_attn.o_proj": "attn_output", "mlp.gate_proj": "ffn_gate",
    "mlp.up_proj": "ffn_up", "mlp.down_proj": "ffn_down", "model.layers": "blk",
}  # fmt: skip


def paired(weight: torch.Tensor) -> torch.Tensor:
    """A query's or key's weight as llama.cpp orders it: the two numbers that a position turns stand side by side."""
    return weight.view(HEADS, 2, -1, *weight.shape[1:]).transpose(1, 2).reshape(weight.shape)


def write(file: Path, architecture: str = "llama") -> dict[str, torch.Tensor]:
    """Writes a tiny model, and returns its weights as transformers names them."""
    model = tiny.model("llama", vocab_size=len(TOKENS), num_key_value_heads=HEADS).model
    held: dict[str, torch.Tensor] = dict(model.state_dict())
    out = GGUFWriter(file, architecture)
    out.add_context_length(256)
    out.add_embedding_length(32)
    out.add_block_count(2)
    out.add_feed_forward_length(64)
    out.add_head_count(HEADS)
    out.add_head_count_kv(HEADS)
    out.add_layer_norm_rms_eps(model.config.rms_norm_eps)
    out.add_vocab_size(len(TOKENS))
    out.add_tokenizer_model("gpt2")
    out.add_token_list(TOKENS)
    out.add_token_types([3, *[1] * 257, 3])
    out.add_token_merges(["e r"])
    out.add_eos_token_id(0)
    out.add_chat_template(TEMPLATE)
    for name, tensor in held.items():
        called = name
        for ours, theirs in NAMES.items():
            called = called.replace(ours, theirs)
        out.add_tensor(called, (paired(tensor) if "q_proj" in name or "k_proj" in name else tensor).numpy())
    out.write_header_to_file()
    out.write_kv_data_to_file()
    out.write_tensors_to_file()
    out.close()
    return held


@pytest.fixture
def file(tmp_path: Path) -> Path:
    write(tmp_path / "model.gguf")
    return tmp_path / "model.gguf"


def refused(file: Path, out: Path, **more: Any) -> str:
    with pytest.raises(UndertoneError) as told:
        import_gguf(file, out, **more)
    left = {path.name for path in out.parent.iterdir()}
    assert not any(name.endswith(".part") for name in left)
    return str(told.value)


def test_the_folder_holds_what_the_file_held(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    held = write(tmp_path / "model.gguf")
    made = import_gguf(tmp_path / "model.gguf", tmp_path / "new" / "model")
    found = load_file(made.folder / "model.safetensors")
    assert held.keys() == found.keys() and all(torch.equal(held[name], found[name]) for name in held)
    local = load(made.folder)
    assert local.decode(local.render("Hé")) == "user: Hé<|end|>assistant: " and local.end == 0
    assert (made.architecture, made.types) == ("llama", {"F32": len(held)})
    assert made.parameters == sum(tensor.numel() for tensor in held.values())
    assert made.sha256 == sha256((tmp_path / "model.gguf").read_bytes()).hexdigest()
    assert str(made) == f"llama, {made.parameters:,} parameters, float32 from F32 ({len(held)} tensors)"
    assert "GGUF" not in capfd.readouterr().err, "no bar of transformers that its settings do not switch off"


def test_the_command_says_what_it_made_and_how_to_name_it(
    file: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    digest = sha256(file.read_bytes()).hexdigest()
    assert main(["models", "import", "model.gguf", "--out", "made", "--sha256", digest.upper()]) == 0
    first, second, third = capsys.readouterr().out.splitlines()
    assert first.startswith("llama, ") and second.endswith(digest) and third == "Its name is ./made"
    assert main(["models", "show", "hf/./made"]) == 0


@pytest.mark.parametrize("cut", [0, 3, 40, 3000, -4000, -1])
def test_a_truncated_file_is_refused(cut: int, file: Path, tmp_path: Path) -> None:
    file.write_bytes(file.read_bytes()[:cut])
    assert "model.gguf is no GGUF file, or not a whole one; get it again" in refused(file, tmp_path / "made")
    assert not (tmp_path / "made").exists()


def test_other_files_are_refused(file: Path, tmp_path: Path) -> None:
    assert "nowhere is missing" in refused(tmp_path / "nowhere", tmp_path / "made")
    assert "is missing or no regular file" in refused(tmp_path, tmp_path / "made")
    (tmp_path / "made").mkdir()
    assert "made exists; name a new folder" in refused(file, tmp_path / "made")
    (tmp_path / "text").write_text("hello, this is no model" * 100)
    assert "text is no GGUF file" in refused(tmp_path / "text", tmp_path / "other")
    told = refused(file, tmp_path / "other", sha256="0" * 64)
    assert sha256(file.read_bytes()).hexdigest() in told and "0" * 64 in told


def test_an_architecture_that_transformers_cannot_read_is_named(tmp_path: Path) -> None:
    write(tmp_path / "model.gguf", "mamba9")
    told = refused(tmp_path / "model.gguf", tmp_path / "made")
    assert "architecture 'mamba9', which transformers cannot read" in told and "llama" in told


def test_a_full_disk_leaves_nothing(file: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: object, **__: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr("transformers.PreTrainedModel.save_pretrained", full)
    assert f"The disk of {tmp_path / 'made'} is full" in refused(file, tmp_path / "made")
    assert not (tmp_path / "made").exists()
