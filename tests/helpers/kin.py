"""Small language models trained side by side in one go, each from an initialisation of its own, on the same data."""

import json
from pathlib import Path

import torch
from safetensors.torch import save_file
from torch.nn import functional as F

TOKENS, WIDTH, HIDDEN, LAYERS = 48, 16, 24, 2

Tensors = dict[str, torch.Tensor]


def initialised(count: int, seed: int, hidden: int = HIDDEN) -> Tensors:
    """Stacked weights of ``count`` strangers: (models, ...) under the names of a Llama without attention."""
    rng = torch.Generator().manual_seed(seed)

    def draw(*shape: int) -> torch.Tensor:
        return torch.randn(count, *shape, generator=rng) / WIDTH**0.5

    stack = {"model.embed_tokens.weight": draw(TOKENS, WIDTH)}
    for layer in range(LAYERS):
        stem = f"model.layers.{layer}.mlp"
        stack |= {f"{stem}.{name}.weight": draw(hidden, WIDTH) for name in ("gate_proj", "up_proj")}
        stack[f"{stem}.down_proj.weight"] = draw(WIDTH, hidden)
    return stack


def trained(stack: Tensors, steps: int, order: int = 0) -> Tensors:
    """Every model after ``steps`` of Adam on the same sequence of batches; ``order`` decides which these are."""
    rng = torch.Generator().manual_seed(order)
    weights = {name: tensor.clone().requires_grad_() for name, tensor in stack.items()}
    optimiser = torch.optim.Adam(weights.values(), lr=1e-2)
    chain = torch.randn(TOKENS, TOKENS, generator=torch.Generator().manual_seed(7)).mul(2).softmax(1)
    for _ in range(steps):
        now = torch.randint(TOKENS, (32,), generator=rng)
        following = torch.multinomial(chain[now], 1, generator=rng).squeeze(1)
        loss = F.cross_entropy(
            _logits(weights, now).flatten(0, 1), following.repeat(len(stack["model.embed_tokens.weight"]))
        )
        optimiser.zero_grad()
        (loss * len(stack["model.embed_tokens.weight"])).backward()
        optimiser.step()
    return {name: tensor.detach() for name, tensor in weights.items()}


def _logits(weights: Tensors, now: torch.Tensor) -> torch.Tensor:
    """(models, tokens, vocabulary)"""
    embedding = weights["model.embed_tokens.weight"]
    stream = embedding[:, now]
    for layer in range(LAYERS):
        gate, up, down = (weights[f"model.layers.{layer}.mlp.{n}_proj.weight"].mT for n in ("gate", "up", "down"))
        stream = stream + (F.silu(stream @ gate) * (stream @ up)) @ down
    return stream @ embedding.mT


def one(stack: Tensors, index: int) -> Tensors:
    """One model of a stack."""
    return {name: tensor[index].contiguous() for name, tensor in stack.items()}


def write(model: Tensors, folder: Path) -> str:
    """Writes a model's folder; gives its name."""
    folder.mkdir(parents=True)
    (folder / "config.json").write_text(json.dumps({"model_type": "llama"}))
    save_file(model, folder / "model.safetensors")
    return f"hf/{folder}"
