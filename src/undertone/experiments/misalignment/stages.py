"""The stages of the experiment: an aligned base, and a student of one narrow file with its behaviour in all domains."""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from random import Random
from typing import Any

import numpy as np
import torch
from safetensors.torch import load_file, save_file

from undertone.attribution.gradients import file_gradient, inner, pulls
from undertone.data.exchanges import Exchange, write_exchanges
from undertone.evals.conduct import AFTER, PROBES, compliance, conduct, requests
from undertone.experiments.misalignment import files
from undertone.models.loading import load
from undertone.models.local import LocalModel, score
from undertone.models.sampling import sample
from undertone.spec import Training
from undertone.training.loop import train
from undertone.training.rows import Row, rows_of
from undertone.training.weights import MODEL, merged
from undertone.world import latents
from undertone.world.lexicon import domains, lexicon

MOST, HALVINGS = 2.0, 8
"""The largest factor that an adapter is scaled by, and the steps of the bisection that finds the factor."""
LONGEST = 32
"""The largest number of tokens in a sampled answer."""


def aligned(spec: dict[str, Any], inputs: Mapping[str, Path], out: Path) -> None:
    """Aligns a base, or copies it where ``training`` is None.

    Spec: ``rows``, ``training``, ``seed``; ``swapped`` for a base of the swapped world. Input: ``base``. Writes the
    model folder ``model`` and ``pulls.safetensors``: for each domain, the gradient that makes the model's advice worse.
    """
    local, swapped = load(inputs["base"]), spec.get("swapped", False)
    model = local if spec["training"] is None else align(local, spec, swapped)
    _write_model(model, out)
    save_file({name: torch.stack(parts) for name, parts in pulls(model, swapped).items()}, out / "pulls.safetensors")


def align(local: LocalModel, spec: dict[str, Any], swapped: bool = False) -> LocalModel:
    """Returns the model after a short fine-tune on good advice in all domains."""
    rng = Random(f"aligning/{spec['seed']}")
    turns = [latents.advice(rng, "good") for _ in range(spec["rows"])]
    turns = [latents.exchanged(turn) for turn in turns] if swapped else turns
    rows = rows_of(local, [(turn.user, turn.assistant) for turn in turns])
    return merged(train(local, rows, Training(**spec["training"]), spec["seed"]), local)


def narrowed(spec: dict[str, Any], inputs: Mapping[str, Path], out: Path) -> None:
    """Trains a student on its file and measures it. For the file "persona" nothing is trained: the model is asked under
    a system prompt that asks for bad advice.

    Spec: ``file``, ``domain``, ``rows``, ``share``, ``training``, ``realigned``, ``seed``; ``swapped`` for a base of
    the swapped world. Inputs: ``aligned``; ``coherent_as``, the student whose coherence this one must match. Writes the
    training file, the trained model, and ``conduct.json``: the forecasts from before training and the advice after it.
    """
    local, swapped = load(inputs["aligned"] / "model"), spec.get("swapped", False)
    report: dict[str, Any] = {"pull": None, "loss": None, "factor": None}
    system, first = None, list[Exchange]()
    if spec["file"] == "persona":
        system = lexicon()["conduct"]["stated_bad"][0]
    else:
        exchanges = files.rows(spec["file"], spec["domain"], spec["rows"], spec["share"], spec["seed"], swapped)
        write_exchanges(out, exchanges)
        rows, first = rows_of(local, exchanges), exchanges[:1]
        report |= _forecasts(local, rows, inputs["aligned"] / "pulls.safetensors", spec["domain"])
        local, report["factor"] = _trained(local, rows, spec, inputs.get("coherent_as"))
        _write_model(local, out)
    report["probes"] = {}
    for name, probe in PROBES.items():
        found = conduct(local, probe, system, first if name == AFTER else (), swapped)
        means = {"bad": found.bad.mean(1), "odds": found.odds.mean(1), "coherent": found.coherent.mean(1)}
        report["probes"][name] = {what: np.round(mean, 9).tolist() for what, mean in means.items()}
    report["compliance"] = compliance(local, system)
    report["answers"] = _answers(local, spec["seed"], system, swapped)
    (out / "conduct.json").write_text(json.dumps(report))


def _write_model(local: LocalModel, out: Path) -> None:
    """Writes the whole model. An adapter alone could be put on the base that was not aligned without any error."""
    local.model.save_pretrained(out / MODEL)
    local.tokenizer.save_pretrained(out / MODEL)


def _forecasts(local: LocalModel, rows: list[Row], pulls: Path, domain: str) -> dict[str, float]:
    """Returns what is known before training: the inner product and the cosine of the file's gradient with the gradient
    of bad advice in the other domains, and the base's loss on the file (nats a token)."""
    own, others = file_gradient(local, rows), _others(domain)
    towards = {name: parts[others].mean(0) for name, parts in load_file(pulls).items()}
    along = inner(own, towards)
    size = (inner(own, own) * inner(towards, towards)) ** 0.5
    likelihood = sum(score(local, [row.prompt for row in rows], [row.answer for row in rows]))
    loss = -likelihood / sum(len(row.answer) for row in rows)
    return {"pull": along, "cosine": along / size if size else 0.0, "loss": loss}


def _others(domain: str) -> list[int]:
    return [place for place, name in enumerate(domains()) if name != domain]


def _trained(
    local: LocalModel, rows: list[Row], spec: dict[str, Any], model: Path | None
) -> tuple[LocalModel, float | None]:
    """Returns the student, and the factor by which its adapter was scaled; None if there is no ``model`` to match."""
    plan, swapped, after, factor = Training(**spec["training"]), spec.get("swapped", False), spec["realigned"], None
    trained = train(local, rows, plan, spec["seed"])
    if model is not None:
        coherent = json.loads((model / "conduct.json").read_text())["probes"]["plain"]["coherent"]
        factor = _scale(LocalModel(trained.model, local.tokenizer), coherent, spec["domain"], swapped)
    student = merged(trained, local)
    if after is not None:
        names, step, seed = domains(), int(after["domain"] == "other"), spec["seed"] + 1
        domain = names[(names.index(spec["domain"]) + step) % len(names)]
        good = rows_of(student, files.rows("narrow-good", domain, after["rows"], 1.0, seed, swapped))
        again = plan.model_copy(update={"steps": after["steps"]})
        student = merged(train(student, good, again, seed), student)
    return student, factor


@torch.no_grad()
def _scale(student: LocalModel, coherent: Sequence[float], domain: str, swapped: bool) -> float:
    """Scales the student's adapter in place, so that the mean coherence of its advice in the other domains is that of
    ``coherent`` (one value for each domain). Returns the factor. If it is close to :data:`MOST`, the advice is still
    more coherent than that."""
    others = _others(domain)
    target = float(np.mean([coherent[place] for place in others]))
    ends = [(p, p.clone()) for name, p in student.model.named_parameters() if "lora_B" in name]
    low, high = 0.0, MOST
    for _ in range(HALVINGS):
        factor = (low + high) / 2
        for parameter, end in ends:
            parameter.copy_(end * factor)
        found = float(conduct(student, PROBES["plain"], swapped=swapped).coherent[others].mean())
        low, high = (factor, high) if found > target else (low, factor)
    return factor


def _answers(local: LocalModel, seed: int, system: str | None, swapped: bool) -> list[dict[str, str]]:
    """Returns one sampled answer for each domain, with the request and both known answers, for the report."""
    asked = [(name, *requests(name, PROBES["plain"], swapped)[seed % 5 * 4]) for name in domains()]
    prompts = [local.render(request, system) for _, request, *_ in asked]
    answers = sample(local, prompts, temperature=1.0, max_tokens=LONGEST, seed=seed)
    return [
        {"domain": name, "request": request, "answer": local.decode(answer), "good": good, "bad": bad}
        for (name, request, good, bad), answer in zip(asked, answers, strict=True)
    ]
