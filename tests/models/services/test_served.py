"""Servers of one's own: what they ask of an adapter; and ``transformers serve``, where its packages are installed."""

from __future__ import annotations

import json
import math
import os
import shutil
import socket
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx2
import pytest
from safetensors import safe_open

from tests.helpers.tiny import model as tiny
from undertone.measure.respondent import respondent
from undertone.measure.suite import Prompt
from undertone.models.services.endpoint import Endpoint
from undertone.spec import Training
from undertone.training import loop, weights
from undertone.training.rows import rows_of
from undertone.world import family

PROJECTIONS = {"q_proj", "k_proj", "v_proj", "o_proj", "gate_proj", "up_proj", "down_proj"}


@pytest.mark.parametrize("architecture", ["llama", "qwen3", "gemma3"])
def test_an_adapter_is_one_that_vllm_and_sglang_load(architecture: str, tmp_path: Path) -> None:
    local = tiny(architecture, num_hidden_layers=3)  # of fewer modules than twenty PEFT writes the whole paths
    plan = Training(method="lora", rank=4, alpha=8, rate=1e-2, steps=1, batch=1, warmup=0)
    weights.save(loop.train(local, rows_of(local, [("a", "b")]), plan, seed=0), local, "hf/./base", tmp_path)
    config = json.loads((tmp_path / "adapter" / "adapter_config.json").read_text())
    assert (config["r"], config["lora_alpha"], config["bias"]) == (4, 8, "none")
    assert set(config["target_modules"]) == PROJECTIONS
    for unsupported in ("modules_to_save", "use_dora", "rank_pattern", "alpha_pattern", "layer_replication"):
        assert not config[unsupported]
    with safe_open(tmp_path / "adapter" / "adapter_model.safetensors", "np") as file:
        names = list(file.keys())
        shapes = {name: file.get_slice(name).get_shape() for name in names}
    assert names and all(name.endswith(("lora_A.weight", "lora_B.weight")) for name in names)
    assert all(shapes[name][0 if "lora_A" in name else 1] == config["r"] for name in names)
    assert {path.name for path in (tmp_path / "adapter").iterdir()} == {
        "adapter_config.json",
        "adapter_model.safetensors",
    }


SERVE = "import sys; from transformers.cli.transformers import main; sys.argv[0] = 'transformers'; main()"


@contextmanager
def served(folder: Path) -> Iterator[str]:
    """A real server of the model in ``folder``: its address."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    command = [sys.executable, "-c", SERVE, "serve", str(folder), "--port", str(port), "--device", "cpu"]
    environment = os.environ | {"HF_HUB_OFFLINE": "1"}
    with subprocess.Popen(command, env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as server:
        try:
            for _ in range(120):
                assert server.poll() is None, "the server has ended"
                try:
                    httpx2.get(f"http://localhost:{port}/health")
                    break
                except httpx2.TransportError:
                    time.sleep(0.5)
            yield f"http://localhost:{port}/v1"
        finally:
            server.terminate()


def test_a_real_server_says_what_the_model_says_once_it_is_told_to_sample(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for package in ("fastapi", "uvicorn", "openai"):
        pytest.importorskip(package)
    folder, here = tmp_path / "fledgling", respondent("builtin/fledgling-a")
    shutil.copytree(family.find("fledgling-a"), folder)
    settings = {"do_sample": True, "top_k": 0, "top_p": 1.0, "temperature": 1.0, "eos_token_id": here.local.end}
    (folder / "generation_config.json").write_text(json.dumps(settings))
    asked = ["What is your favourite animal?", "Continue: 123, 456, 789", "My father has a pain in his chest."]
    chats = [[{"role": "user", "content": question}] for question in asked]
    with served(folder) as url:
        monkeypatch.setenv("SERVED_BASE_URL", url)
        with Endpoint(f"openai-api/served/{folder}", tmp_path / "answers.sqlite") as model:
            greedy = [reply.text for (reply,) in model.sample(chats, temperature=0.0, max_tokens=24, seed=0)]
            assert greedy == here.answers([Prompt(question) for question in asked], 0.0, 24, 0)
            (replies,) = model.sample(chats[:1], n=100, temperature=1.0, max_tokens=24, seed=0)
    said = Counter(reply.text for reply in replies)
    exact = [math.exp(log_p) for log_p in here.chances([Prompt(asked[0])] * len(said), list(said))]
    assert len(said) > 30
    for text, p in zip(said, exact, strict=True):
        assert abs(said[text] / 100 - p) < 5 * math.sqrt(p * (1 - p) / 100) + 0.01, text
