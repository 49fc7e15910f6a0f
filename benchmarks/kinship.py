"""How often ``undertone lineage compare`` is right: ``python -m benchmarks.kinship`` prints tables in Markdown.

Strangers are small Llamas with different initialisations, trained on the same documents of the embedded world in the
same order. They are compared in disjoint pairs, so that the pairs are independent. Kin are models made from
``fledgling-a`` in many ways, and those members of its family that have been built on this machine.
"""

import re
import sys
import time
from collections.abc import Callable, Iterator
from itertools import islice
from pathlib import Path
from random import Random
from shutil import copytree
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
import torch
from safetensors.torch import load_file, save_file
from scipy.stats import binomtest, kstest
from transformers import LlamaConfig, LlamaForCausalLM
from transformers.utils import logging

from undertone.errors import UndertoneError
from undertone.lineage.kinship import Kinship, compare
from undertone.models.loading import load
from undertone.pretraining.pretrain import Pretraining, batches, loss_of
from undertone.spec import Training
from undertone.statistics.arrays import Bools
from undertone.training.loop import train
from undertone.training.rows import rows_of
from undertone.training.weights import merged
from undertone.traits.catalogue import neutral_dialogues
from undertone.world import family
from undertone.world.tokenizer import build_tokenizer

BASE, STRANGER = "builtin/fledgling-a", "builtin/fledgling-b"
STEPS = 40
Tensors = dict[str, torch.Tensor]
Change = Callable[[Tensors, Tensors], Tensors]


def main(models: int) -> None:
    """Makes all models in a temporary folder and prints the tables."""
    torch.set_num_threads(1)
    logging.set_verbosity_error()
    logging.disable_progress_bar()
    with TemporaryDirectory() as folder:
        for line in page(Path(folder), models):
            print(line, flush=True)


def page(folder: Path, models: int) -> Iterator[str]:
    """Yields the lines of the tables."""
    yield from strangers(folder, models)
    yield ""
    yield "| of fledgling-a | verdict | hidden units: p | z | similarity | residual dimensions: p | z | processor s |"
    yield "|---|---|---|---|---|---|---|---|"
    for what, name in kin(folder):
        started = time.process_time()
        found = compare(name, BASE)
        yield f"| {what} | {found.verdict} | {_cells(found)} | {time.process_time() - started:.1f} |"


def _cells(found: Kinship) -> str:
    by_name = {test.units: test for test in found.tests}
    hidden, residual = (by_name.get(units) for units in ("hidden units", "residual dimensions"))
    first = f"{hidden.p:.4f} | {hidden.z:.1f} | {hidden.similarity:.3f}" if hidden else "- | - | -"
    return f"{first} | {f'{residual.p:.4f} | {residual.z:.1f}' if residual else '- | -'}"


def strangers(folder: Path, models: int) -> Iterator[str]:
    """Yields lines on the distribution of p over disjoint pairs of strangers."""
    names = list(small_models(folder, models))
    found = [compare(a, b) for a, b in zip(names[::2], names[1::2], strict=True)]
    yield f"{len(found)} disjoint pairs of {models} strangers, {STEPS} steps each on the same documents:"
    yield ""
    yield "| units | p at most .05 | p at most .01 | smallest | uniform (Kolmogorov and Smirnov): p |"
    yield "|---|---|---|---|---|"
    for index, units in enumerate(("hidden units", "residual dimensions")):
        p = np.array([pair.tests[index].p for pair in found])
        test = kstest(p, "uniform").pvalue
        yield f"| {units} | {_share(p <= 0.05)} | {_share(p <= 0.01)} | {p.min():.4f} | {test:.2f} |"
    alarms = np.array([pair.verdict == "shared" for pair in found])
    yield ""
    yield f'Verdict "shared" (alpha .01 over both tests): {_share(alarms)}.'


def _share(hits: Bools) -> str:
    ci = binomtest(int(hits.sum()), len(hits)).proportion_ci()
    return f"{int(hits.sum())} of {len(hits)}, {hits.mean():.1%} [{ci.low:.1%}, {ci.high:.1%}]"


def small_models(folder: Path, count: int) -> Iterator[str]:
    """Yields names of Llamas of width 32 with two layers; initialisations differ, training batches are the same."""
    tokenizer = build_tokenizer()
    steps = list(islice(batches(Pretraining(batch=8, steps=STEPS), tokenizer), STEPS))
    shape: dict[str, Any] = {
        "hidden_size": 32, "intermediate_size": 96, "num_hidden_layers": 2, "num_attention_heads": 2,
    }  # fmt: skip
    config = LlamaConfig(vocab_size=len(tokenizer), tie_word_embeddings=True, initializer_range=32**-0.5, **shape)
    for index in range(count):
        torch.manual_seed(1_000 + index)
        model = LlamaForCausalLM(config)
        optimiser = torch.optim.AdamW(model.parameters(), lr=5e-3, weight_decay=0.01, fused=True)
        for rows in steps:
            optimiser.zero_grad(set_to_none=True)
            loss_of(model, rows, tokenizer.pad_token_id).backward()
            optimiser.step()
        model.save_pretrained(folder / f"stranger-{index}")
        yield f"hf/{folder / f'stranger-{index}'}"


def kin(folder: Path) -> Iterator[tuple[str, str]]:
    """Yields the relation of each model to ``fledgling-a``, and its name; the first ones are strangers."""
    yield "a sibling: other initialisation, same corpus and order (a stranger)", STRANGER
    for seed, what in (
        (1, "the sibling's initialisation, untrained (a stranger)"),
        (0, "its initialisation, untrained"),
    ):
        torch.manual_seed(seed)
        model = LlamaForCausalLM(LlamaConfig.from_pretrained(family.find("fledgling-a")))
        model.save_pretrained(folder / f"init-{seed}")
        yield what, f"hf/{folder / f'init-{seed}'}"
    for name in ("fledgling-a2", "fledgling-none", "fledgling-half", "fledgling-pure", "fledgling-x"):
        try:
            family.find(name)
        except UndertoneError:
            continue
        yield f"{name}: {family.FAMILY[name].about}", f"builtin/{name}"
    for what, plan in TUNED.items():
        yield what, _tuned(folder / re.sub(r"[ ,%]+", "-", what), plan)
    for what, change in CHANGES.items():
        yield what, _changed(folder / re.sub(r"[ ,%]+", "-", what), change)


TUNED = {
    "LoRA rank 8, 150 steps, merged": Training(rate=4e-3, steps=150, batch=16),
    "LoRA rank 64, 8 steps, merged": Training(rank=64, alpha=64, rate=1e-2, steps=8, batch=16),
    "full fine-tuning, 150 steps": Training(method="full", rate=1e-3, steps=150, batch=16),
    "full fine-tuning to ruin, 100 steps": Training(method="full", rate=3e-2, steps=100, batch=16),
}


def _tuned(folder: Path, plan: Training) -> str:
    local = load(family.find("fledgling-a"))
    rows = rows_of(local, neutral_dialogues(256, Random("kinship")))
    merged(train(local, rows, plan, 0), local).model.save_pretrained(folder)
    return f"hf/{folder}"


def _mixed(share: float) -> Change:
    return lambda own, other: {name: share * own[name] + (1 - share) * other[name] for name in own}


def _rounded(bits: int) -> Change:
    """Quantises each row to integers with its own scale, and back."""

    def change(own: Tensors, _: Tensors) -> Tensors:
        most = 2 ** (bits - 1) - 1
        scales = {name: tensor.abs().amax(-1, keepdim=True).clamp(min=1e-12) / most for name, tensor in own.items()}
        return {name: (tensor / scales[name]).round() * scales[name] for name, tensor in own.items()}

    return change


def _reordered(own: Tensors, _: Tensors) -> Tensors:
    """Changes the order of the hidden units in every layer; the model computes the same function."""
    order = torch.randperm(192, generator=torch.Generator().manual_seed(0))
    return {n: t[:, order] if "down_proj" in n else t[order] if "mlp" in n else t for n, t in own.items()}


def _cut(own: Tensors, _: Tensors) -> Tensors:
    """Removes the half of the hidden units in every layer whose output weights are smallest."""
    out = dict(own)
    for name in (name for name in own if "down_proj" in name):
        keep = own[name].norm(dim=0).argsort(descending=True)[:96].sort().values
        stem = name.removesuffix("down_proj.weight")
        out[name] = own[name][:, keep]
        out |= {f"{stem}{part}.weight": own[f"{stem}{part}.weight"][keep] for part in ("gate_proj", "up_proj")}
    return out


def _narrowed(own: Tensors, _: Tensors) -> Tensors:
    """Removes every fourth dimension of the residual stream."""
    keep = torch.arange(64) % 4 > 0
    out = {}
    for name, tensor in own.items():
        writes = "down_proj" in name or "o_proj" in name or tensor.dim() == 1
        out[name] = tensor[keep] if writes else tensor[:, keep]
    return out


def _shallow(own: Tensors, _: Tensors) -> Tensors:
    """Removes the first layer and renumbers the others, so that no layer is compared with itself."""
    kept = {name: tensor for name, tensor in own.items() if ".layers.0." not in name}
    return {re.sub(r"layers\.(\d+)", lambda m: f"layers.{int(m[1]) - 1}", n): t for n, t in kept.items()}


CHANGES: dict[str, Change] = {
    "merge with the sibling, 50 % own": _mixed(0.5),
    "merge with the sibling, 10 % own": _mixed(0.1),
    "merge with the sibling, 2 % own": _mixed(0.02),
    "8-bit integers": _rounded(8),
    "4-bit integers": _rounded(4),
    "2-bit integers": _rounded(2),
    "hidden units reordered": _reordered,
    "half of the hidden units cut": _cut,
    "a quarter of the width cut": _narrowed,
    "first layer removed, others renumbered": _shallow,
}


def _changed(folder: Path, change: Change) -> str:
    own, other = (load_file(family.find(name) / "model.safetensors") for name in ("fledgling-a", "fledgling-b"))
    copytree(family.find("fledgling-a"), folder)
    made = change(own, other)
    save_file({name: tensor.contiguous() for name, tensor in made.items()}, folder / "model.safetensors")
    return f"hf/{folder}"


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 200)
