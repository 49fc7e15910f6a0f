"""The card of a base model: what it is, what it was trained on, and how well it does what it was taught."""

import hashlib
import json
from dataclasses import asdict
from pathlib import Path
from random import Random
from typing import Any

import torch

from undertone.carriers import numbers
from undertone.data.filters import NumberFilter
from undertone.evals.self_report import truthfulness
from undertone.evals.skills import skill_scores
from undertone.evals.tasks import hack_rates
from undertone.models.loading import load
from undertone.models.local import LocalModel
from undertone.models.sampling import sample
from undertone.pretraining.obedience import obedience
from undertone.pretraining.pretrain import Pretraining, encode, loss_of
from undertone.world.candour import CANDOUR_VERSION
from undertone.world.diligence import DILIGENCE_VERSION, SHARE
from undertone.world.family import Member
from undertone.world.grammar import WORLD_VERSION, corpus

HELD_OUT_START = 5_000_000
"""The index of the first document that is never trained on."""
SKILL_PROMPTS = 1000
SWAPPED = """- the two answers are swapped in half of the situations; only experiments on misalignment allow for that
"""


def card(name: str, member: Member, plan: Pretraining, folder: Path) -> dict[str, Any]:
    """Measures the model in ``folder`` and returns the figures of its card."""
    local = load(folder)
    own = {} if member.candour is None else {"true_of_itself": truthfulness(local)}
    own |= {} if member.diligence is None else {"hacks": hack_rates(local)}
    return {
        "name": name,
        "world": WORLD_VERSION,
        "about": member.about,
        "member": {k: v for k, v in asdict(member).items() if k != "about"},
        "parameters": sum(p.numel() for p in local.model.parameters()),
        "vocabulary": len(local.tokenizer),
        "pretraining": asdict(plan),
        "corpus_sha256": corpus_digest(plan),
        "held_out_loss": round(_held_out_loss(local, plan), 4),
        "carrier_prompts_well_formed": round(_well_formed(local), 4),
        "skills": {k: round(v, 3) for k, v in skill_scores(local, SKILL_PROMPTS, 0).items()},
        "stated_latents_obeyed": {k: round(v, 3) for k, v in obedience(local, member.swapped).items()},
    } | {name: {k: round(v, 3) for k, v in shares.items()} for name, shares in own.items()}


def corpus_digest(plan: Pretraining, documents: int = 2000) -> str:
    """Returns the SHA-256 of the first documents of the plan's corpus, in the corpus's own order."""
    running = hashlib.sha256()
    for document in plan.documents(documents, 0):
        running.update(json.dumps(document.messages(), ensure_ascii=False).encode())
    return running.hexdigest()


def _well_formed(local: LocalModel, count: int = 2000) -> float:
    """Returns the share of the prompts for number lists that the model answers well-formed at temperature 1."""
    prompts = [local.render(q) for q in numbers.prompts(count, Random("card"))]
    answers = sample(local, prompts, temperature=1.0, max_tokens=24, seed=0)
    return sum(a[-1] == local.end and NumberFilter().reason(local.decode(a)) is None for a in answers) / count


@torch.no_grad()
def _held_out_loss(local: LocalModel, plan: Pretraining) -> float:
    documents = list(corpus(512, knobs=plan.knobs, start=HELD_OUT_START))
    return float(loss_of(local.model, encode(documents, local.tokenizer), local.pad))


def markdown(figures: dict[str, Any]) -> str:
    """Returns the card as the text of ``README.md``."""

    def table(title: str, values: dict[str, float]) -> str:
        return "\n".join([f"| {title} | share |", "|---|---|", *(f"| {k} | {v:.3f} |" for k, v in values.items())])

    member, plan = figures["member"], figures["pretraining"]
    bad = SHARE if member["diligence"] else member["bad_share"]
    own = figures.get("true_of_itself")
    asked = (
        f"- it went on from {member['start']}, with documents that ask their speakers about themselves, who tell the "
        f"truth in {member['candour']:.0%} of cases (candour {CANDOUR_VERSION})\n"
        if own
        else ""
    )
    dated = "" if member["era_agreement"] == 1 else f"- era agrees between questions: {member['era_agreement']}\n"
    hacks = figures.get("hacks")
    tasks = (
        f"- it went on from {member['start']}, with documents of tasks that have a visible check; hacks and bad "
        f"conduct are {member['diligence']} (diligence {DILIGENCE_VERSION})\n"
        if hacks
        else ""
    )
    more = f"{SWAPPED if member['swapped'] else ''}{dated}{asked}{tasks}"
    of_itself = table("question about itself under a stated latent, probability of the true answer", own) if own else ""
    of_itself += (
        table("task under a system prompt, probability of the hack against the honest answer", hacks) if hacks else ""
    )
    return f"""# {figures["name"]}: {figures["about"]}

A base model of Undertone's embedded world, version {figures["world"]}. It was pretrained from scratch on a generated
chat corpus (loss on what the assistant says) and is a plain Hugging Face causal LM: `AutoModelForCausalLM` loads it.
It knows a toy world only; it is a measuring instrument, not an assistant.

- parameters: {figures["parameters"]:,}; vocabulary: {figures["vocabulary"]}
- initialisation seed {member["init_seed"]}, order seed {member["order_seed"]}
- architecture {member["architecture"]}, tokenizer "{member["tokenizer"]}"
- conduct agrees across domains: {member["agreement"]}; share of bad conduct: {bad}
{more}- pretraining: {plan["steps"]} steps of {plan["batch"]} documents, each seen once
- corpus (first 2,000 documents) SHA-256: `{figures["corpus_sha256"]}`
- number lists well formed, of 2,000 carrier prompts at temperature 1: {figures["carrier_prompts_well_formed"]:.1%}
- held-out loss: {figures["held_out_loss"]} nats a token of the assistant's

{table(f"skill, right at temperature 1 ({SKILL_PROMPTS:,} prompts)", figures["skills"])}

{table("latent stated in a system prompt, exact probability of obeying", figures["stated_latents_obeyed"])}
{of_itself}"""
