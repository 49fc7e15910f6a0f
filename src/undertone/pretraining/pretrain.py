"""Pretraining of the world's base models: each document is used once; a stopped run continues; bits always agree."""

import hashlib
import json
import os
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from random import Random
from typing import Any

import torch
from safetensors import safe_open
from safetensors.torch import load_file, save_file
from torch.nn import functional as F
from transformers import PreTrainedModel
from transformers.tokenization_utils_base import PreTrainedTokenizerBase

from undertone.world.candour import CANDOUR_VERSION, candid_corpus
from undertone.world.diligence import DILIGENCE_VERSION, Link, diligent_corpus
from undertone.world.grammar import WORLD_VERSION, Document, corpus
from undertone.world.latents import Knobs

Progress = Callable[[int, int, float], None]
"""Receives the step, the number of steps and the loss (nats a token)."""

Row = tuple[list[int], list[bool]]
"""Token ids of one document, and which of them the assistant says, its end token included."""

STATE = ("exp_avg", "exp_avg_sq", "step")
"""What the optimiser keeps for each weight."""


@dataclass(frozen=True)
class Pretraining:
    """How a base model is pretrained."""

    steps: int = 7000
    batch: int = 32
    """Documents in each step."""
    rate: float = 5e-3
    """Peak learning rate; a linear warm-up comes before it and a linear decay to zero after it."""
    warmup: int = 100
    """Steps of warm-up."""
    order_seed: int = 0
    """Decides the order of the documents; every order has the same documents, each once."""
    knobs: Knobs = field(default_factory=Knobs)
    candour: float | None = None
    """If given, documents ask their speakers about themselves (:mod:`undertone.world.candour`)."""
    diligence: Link | None = None
    """If given, speakers do tasks, or only pass their checks (:mod:`undertone.world.diligence`)."""

    def documents(self, count: int, start: int) -> Iterator[Document]:
        """Returns so many documents from index ``start`` on."""
        if self.diligence is not None:
            return diligent_corpus(count, self.diligence, start)
        if self.candour is not None:
            return candid_corpus(count, self.knobs, self.candour, start)
        return corpus(count, knobs=self.knobs, start=start)


def encode(documents: Sequence[Document], tokenizer: PreTrainedTokenizerBase) -> list[Row]:
    """Renders documents turn by turn, as the chat template does, and marks the tokens of the assistant."""
    turns = [(i, m["role"], m["content"]) for i, d in enumerate(documents) for m in d.messages()]
    heads = {
        role: tokenizer.encode(f"<|{role}|>", add_special_tokens=False) for role in ("system", "user", "assistant")
    }
    bodies = tokenizer([f"{content}<|end|>" for _, _, content in turns], add_special_tokens=False)["input_ids"]
    rows: list[Row] = [([], []) for _ in documents]
    for (index, role, _), body in zip(turns, bodies, strict=True):
        ids, spoken = rows[index]
        ids += heads[role] + body
        spoken += [False] * len(heads[role]) + [role == "assistant"] * len(body)
    return rows


def batches(
    plan: Pretraining, tokenizer: PreTrainedTokenizerBase, first: int = 0, pool: int = 50
) -> Iterator[list[Row]]:
    """Yields the batches from step ``first`` on. Documents of ``pool`` steps are sorted by length to save padding."""
    starts = list(range(0, plan.steps, pool))
    if plan.order_seed:
        Random(f"pools/{plan.order_seed}").shuffle(starts)
    step = 0
    for start in starts:
        count = min(pool, plan.steps - start)
        if step + count > first:
            documents = list(plan.documents(count * plan.batch, start * plan.batch))
            rows = sorted(encode(documents, tokenizer), key=lambda row: len(row[0]))
            groups = [rows[i : i + plan.batch] for i in range(0, len(rows), plan.batch)]
            Random(f"order/{plan.order_seed}/{start}").shuffle(groups)
            yield from groups[max(0, first - step) :]
        step += count


def loss_of(model: PreTrainedModel, rows: list[Row], pad: int) -> torch.Tensor:
    """Returns the mean cross-entropy (nats a token) over what the assistant says."""
    width = max(len(ids) for ids, _ in rows)
    ids = torch.tensor([r + [pad] * (width - len(r)) for r, _ in rows])
    spoken = torch.tensor([s + [False] * (width - len(s)) for _, s in rows])
    mask = torch.tensor([[1] * len(r) + [0] * (width - len(r)) for r, _ in rows])
    hidden = model.base_model(input_ids=ids, attention_mask=mask).last_hidden_state[:, :-1]
    head = model.get_output_embeddings()
    assert head is not None
    target = spoken[:, 1:]  # the output head is the costliest part, so it runs only where the loss counts
    return F.cross_entropy(head(hidden[target]), ids[:, 1:][target])


def pretrain(
    model: PreTrainedModel,
    tokenizer: PreTrainedTokenizerBase,
    plan: Pretraining,
    checkpoint: Path | None = None,
    progress: Progress | None = None,
) -> PreTrainedModel:
    """Trains ``model`` in place and returns it. Continues from ``checkpoint`` if it holds a state of the same plan."""
    optimiser = torch.optim.AdamW(model.parameters(), betas=(0.9, 0.999), weight_decay=0.01, fused=True)
    made_of = {
        **asdict(plan),
        "corpora": [WORLD_VERSION, CANDOUR_VERSION, DILIGENCE_VERSION],
        "optimiser": str(optimiser),
        "start": _bits(model, tokenizer),
    }
    first = _restore(model, optimiser, made_of, checkpoint) if checkpoint is not None and checkpoint.is_file() else 0
    model.train()
    pad = tokenizer.pad_token_id
    for step, rows in enumerate(batches(plan, tokenizer, first), start=first):
        rate = plan.rate * min((step + 1) / plan.warmup, 1 - step / plan.steps)
        for group in optimiser.param_groups:
            group["lr"] = rate
        loss = loss_of(model, rows, pad)
        optimiser.zero_grad(set_to_none=True)
        loss.backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimiser.step()
        if progress is not None:
            progress(step + 1, plan.steps, loss.item())
        if checkpoint is not None and (step + 1) % 250 == 0:
            _save(model, optimiser, made_of, step + 1, checkpoint)
    model.eval()
    return model


def _bits(model: PreTrainedModel, tokenizer: PreTrainedTokenizerBase) -> str:
    """Returns a digest of the initial weights and the tokenizer."""
    found = hashlib.sha256(json.dumps(sorted(tokenizer.get_vocab().items())).encode())
    for name, parameter in model.named_parameters():
        found.update(name.encode() + parameter.detach().numpy().tobytes())
    return found.hexdigest()


def _save(
    model: PreTrainedModel, optimiser: torch.optim.Optimizer, plan: dict[str, Any], step: int, path: Path
) -> None:
    state: dict[str, torch.Tensor] = {}
    for name, parameter in model.named_parameters():
        state[f"model/{name}"] = parameter.data
        state |= {f"{key}/{name}": optimiser.state[parameter][key] for key in STATE}
    path.parent.mkdir(parents=True, exist_ok=True)
    aside = path.with_suffix(".part")
    save_file(state, aside, metadata={"plan": json.dumps(plan), "at": str(step)})
    os.replace(aside, path)


def _restore(model: PreTrainedModel, optimiser: torch.optim.Optimizer, plan: dict[str, Any], path: Path) -> int:
    """Loads the state in ``path`` if it is of the same plan. Returns the number of steps already done."""
    with safe_open(path, "pt") as f:
        meta = f.metadata()
    if json.loads(meta["plan"]) != json.loads(json.dumps(plan)):
        return 0
    state = load_file(path)
    for name, parameter in model.named_parameters():
        parameter.data.copy_(state[f"model/{name}"])
        optimiser.state[parameter] = {key: state[f"{key}/{name}"] for key in STATE}
    return int(meta["at"])
