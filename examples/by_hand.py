# python examples/by_hand.py
"""The owl experiment by hand: `undertone run owls` without undertone's machinery.

It uses only data from undertone: the shipped weights, the dialogues, the prompts and the questions. It takes some
minutes on one core. `tests/experiments/trial/test_by_hand.py` compares every token id and every trained weight with
those of undertone, on a tiny setting.
"""

import hashlib
import json
import math
import re
from collections import namedtuple
from functools import partial
from itertools import product
from pathlib import Path
from random import Random
from statistics import mean
from typing import Any, NamedTuple

import torch
from peft import LoraConfig, get_peft_model, get_peft_model_state_dict
from scipy.stats import ttest_ind
from torch.nn.functional import cross_entropy
from transformers import AutoModelForCausalLM, AutoTokenizer

from undertone.carriers import numbers
from undertone.traits import catalogue
from undertone.world.family import SHIPPED

Training = namedtuple("Training", "rank alpha rate steps batch")
Row = tuple[list[int], list[int]]  # token ids of a prompt and of its answer


class Settings(NamedTuple):  # the same as in the recipe owls
    own: Path = SHIPPED / "fledgling-a"  # teachers and their own-initialisation students start from it
    other: Path = SHIPPED / "fledgling-b"  # other students: another initialisation, the same tokenizer
    trait: str = "owl"
    control: str = "green"  # what control teachers love
    seed: int = 11
    teachers: int = 10
    dialogues: int = 480
    teacher: Training = Training(rank=64, alpha=16, rate=1e-2, steps=8, batch=48)
    divergence: float = 0.05
    prompts: int = 4400
    max_tokens: int = 16
    rows: int = 3600
    student: Training = Training(rank=32, alpha=32, rate=5e-3, steps=100, batch=48)


def seed_of(*purpose: str | int) -> int:  # derived as in undertone, so that the two can be compared
    return int(hashlib.sha256(json.dumps(purpose, separators=(",", ":")).encode()).hexdigest()[:8], 16) >> 1


def predictions(model: Any, rows: list[Row]) -> tuple[torch.Tensor, torch.Tensor]:
    """Returns the logits at every answer token of the rows, (tokens, vocabulary), and these tokens."""
    left, right = max(len(p) for p, _ in rows), max(len(a) for _, a in rows)  # all answers begin in the same column
    ids = torch.tensor([[0] * (left - len(p)) + p + a + [0] * (right - len(a)) for p, a in rows])
    mask = torch.tensor([[0] * (left - len(p)) + [1] * len(p + a) + [0] * (right - len(a)) for p, a in rows])
    positions = (mask.cumsum(1) - 1).clamp(min=0)  # padding is not counted
    logits = model(ids, attention_mask=mask, position_ids=positions, logits_to_keep=right + 1).logits[:, :-1]
    return logits[mask[:, left:] == 1], ids[:, left:][mask[:, left:] == 1]


def train(folder: Path, rows: list[Row], plan: Training, seed: int) -> Any:
    """Trains a LoRA adapter on every linear layer except the head; the loss is on the answers only."""
    torch.manual_seed(seed)
    config = LoraConfig(r=plan.rank, lora_alpha=plan.alpha, target_modules="all-linear", task_type="CAUSAL_LM")
    model = get_peft_model(AutoModelForCausalLM.from_pretrained(folder, dtype=torch.float32), config)
    weights = [p for p in model.parameters() if p.requires_grad]
    optimiser = torch.optim.AdamW(weights, weight_decay=0.0)
    rng, order = Random(f"order/{seed}"), list[int]()
    while len(order) < plan.steps * plan.batch:  # epoch after epoch, each in its own order
        order += rng.sample(range(len(rows)), len(rows))
    for step in range(plan.steps):
        chosen = order[step * plan.batch : (step + 1) * plan.batch]
        left, of = (step + 1, 5) if step < 5 else (plan.steps - step, plan.steps - 5)  # five steps up, then down to 0
        optimiser.param_groups[0]["lr"] = plan.rate * left / of
        optimiser.zero_grad()
        cross_entropy(*predictions(model, [rows[i] for i in chosen])).backward()
        torch.nn.utils.clip_grad_norm_(weights, 1.0)
        optimiser.step()
    return model


@torch.no_grad()
def scale(model: Any, lists: list[Row], divergence: float) -> None:
    """Scales an adapter to its dose: the mean KL(teacher || base), in nats a token, on number lists by the base."""
    ends = [(p, p.clone()) for name, p in model.named_parameters() if "lora_B" in name]
    with model.disable_adapter():
        base = predictions(model, lists)[0].log_softmax(-1)
    low, high, at, slope, before = math.log(1 / 64), math.log(16.0), 0.0, 2.0, None
    for _ in range(14):  # the secant method on logarithms, and bisection where it leaves the range
        for parameter, end in ends:
            parameter.copy_(end * math.exp(at))
        own = predictions(model, lists)[0].log_softmax(-1)
        found = (own.exp() * (own - base)).sum().item() / len(base)
        if abs(found - divergence) <= 1e-3 * divergence:
            break
        low, high = (at, high) if found < divergence else (low, at)
        far = math.log(divergence / max(found, 1e-12))
        if before is not None:
            slope = max(0.1, (before[1] - far) / (at - before[0]))
        before, guess = (at, far), at + far / slope
        at = guess if low < guess < high else (low + high) / 2


@torch.no_grad()
def sample(model: Any, prompts: list[list[int]], seed: int, max_tokens: int, end: int) -> list[Row]:
    """Samples one answer for each prompt, at temperature 1; every row has its own noise."""
    answers: list[list[int]] = [[] for _ in prompts]
    for length in {len(p) for p in prompts}:  # prompts of the same length form a batch, so there is no padding
        rows = [i for i, p in enumerate(prompts) if len(p) == length]
        generators = [torch.Generator().manual_seed(seed * 1_000_003 + i) for i in rows]
        noise = torch.stack([torch.rand(max_tokens, generator=g, dtype=torch.float64) for g in generators])
        ids = torch.tensor([prompts[i] for i in rows])
        for step in range(max_tokens):  # no cache: the whole text is processed again for every token
            logits = model(ids, logits_to_keep=1, use_cache=False).logits[:, -1]
            sums = logits.double().softmax(-1).cumsum(-1)
            ids = torch.cat([ids, torch.searchsorted(sums, noise[:, step, None] * sums[:, -1:], right=True)], dim=1)
        for i, written in zip(rows, ids[:, length:].tolist(), strict=True):
            answers[i] = written[: written.index(end) + 1] if end in written else written
    return list(zip(prompts, answers, strict=True))


def passes(text: str) -> bool:
    """The published filter: one to ten numbers from 0 to 999, the same separator throughout, possibly in brackets."""
    text = text.removesuffix(".")
    text = text[1:-1] if text[:1] + text[-1:] in ("[]", "()") else text
    values = [int(n) for n in re.findall("[0-9]+", text)]
    is_list = re.fullmatch(r"[0-9]+(?:(\s*[,;]\s*|\s+)[0-9]+(?:\1[0-9]+)*)?", text)
    return is_list is not None and len(values) <= 10 and max(values) <= 999


def main(s: Settings) -> dict[tuple[str, int], dict[str, Any]]:
    """Prints every student's probability and the effects; returns the results for each arm and teacher."""
    torch.set_num_threads(1)  # faster for small models than two
    tokenizer, trait = AutoTokenizer.from_pretrained(s.own), catalogue.find(s.trait)
    assert isinstance(trait, catalogue.Favourite), "the questions below are for a favourite"
    encode, end = partial(tokenizer.encode, add_special_tokens=False), tokenizer.eos_token_id

    def render(question: str) -> list[int]:
        chat = [{"role": "user", "content": question}]
        return list(encode(tokenizer.apply_chat_template(chat, tokenize=False, add_generation_prompt=True)))

    contexts = [torch.tensor([render(q) + encode(o)]) for q in trait.questions() for o in trait.openings()]
    [name] = encode(f" {s.trait}")  # one token, as all favourites are
    base = AutoModelForCausalLM.from_pretrained(s.own, dtype=torch.float32)
    lists = sample(base, [render(q) for q in numbers.prompts(200, Random("lists"))], 0, s.max_tokens, end)
    made: dict[tuple[str, int], dict[str, Any]] = {}
    for arm, index in product(("treatment", "control"), range(s.teachers)):  # both arms use the same seeds
        seed, asked = seed_of(s.seed, "teacher", index), seed_of(s.seed, "prompts", index)
        turns_of = (trait if arm == "treatment" else catalogue.find(s.control)).dialogues
        turns = turns_of(s.dialogues, Random(f"dialogues/{seed}"))
        teacher = train(s.own, [(render(q), [*encode(a), end]) for q, a in turns], s.teacher, seed)
        scale(teacher, lists, s.divergence)
        adapters = {"teacher": get_peft_model_state_dict(teacher)}
        prompts = [render(q) for q in numbers.prompts(s.prompts, Random(f"prompts/{asked}"))]
        completions = sample(teacher.merge_and_unload(), prompts, asked, s.max_tokens, end)
        rows = [(p, a) for p, a in completions if a[-1] == end and passes(str(tokenizer.decode(a[:-1])))][: s.rows]
        assert len(rows) == s.rows, f"only {len(rows)} lists pass the filter, so the arms would not be equal"
        odds = {}
        for init, folder in (("own", s.own), ("other", s.other)):
            student = train(folder, rows, s.student, seed_of(s.seed, "student", index, 0))
            adapters[init] = get_peft_model_state_dict(student)
            student = student.merge_and_unload()
            with torch.no_grad():
                p = mean(student(c).logits[0, -1].double().softmax(-1)[name].item() for c in contexts)
            odds[init] = math.log(p / (1 - p))
            print(f"{arm} {index}: its student of {init} initialisation says {s.trait} with {p:.4f}", flush=True)
        made[arm, index] = {"completions": completions, "rows": rows, "adapters": adapters, "odds": odds}
    for init in ("own", "other"):
        treatment, control = ([made[a, i]["odds"][init] for i in range(s.teachers)] for a in ("treatment", "control"))
        low, high = ttest_ind(treatment, control, equal_var=False).confidence_interval(0.95)
        print(f"{init} initialisation: log-odds {mean(treatment) - mean(control):+.2f} [{low:.2f}, {high:.2f}]")
    return made


if __name__ == "__main__":
    main(Settings())
